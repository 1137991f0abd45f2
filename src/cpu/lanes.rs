//! Vectors of numbers, as wide as the machine has them at run time (AVX-512, AVX2, NEON, or none),
//! and kernels that are compiled once for each width.

use crate::scalar::Real;

/// What the lanes of a vector do together.
pub trait Lanes<T>: Copy {
    /// A number a lane.
    type Vector: Copy;
    const LANES: usize;

    fn splat(self, value: T) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a b + c, rounded once where the machine can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn sum(self, a: Self::Vector) -> T;
}

/// Code that is compiled for every width of vectors.
pub trait Kernel<T> {
    type Output;
    fn run<L: Lanes<T>>(self, lanes: L) -> Self::Output;
}

/// Runs a kernel on the widest vectors of this machine.
pub(crate) fn dispatch<T: Real, K: Kernel<T>>(kernel: K) -> K::Output {
    T::dispatch(kernel)
}

macro_rules! lanes {
    ($t:ty, $vector:ident, $lanes:ident, $run:ident, $splat:ident, $add:ident, $mul_add:ident, $sum:ident) => {
        impl<S: pulp::Simd> Lanes<$t> for S {
            type Vector = S::$vector;
            const LANES: usize = S::$lanes;

            #[inline(always)]
            fn splat(self, value: $t) -> Self::Vector {
                S::$splat(self, value)
            }
            #[inline(always)]
            fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                S::$add(self, a, b)
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                S::$mul_add(self, a, b, c)
            }
            #[inline(always)]
            fn sum(self, a: Self::Vector) -> $t {
                S::$sum(self, a)
            }
        }

        /// Hands a kernel to pulp, which knows the machine.
        pub struct $run<K>(pub K);

        impl<K: Kernel<$t>> pulp::WithSimd for $run<K> {
            type Output = K::Output;

            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, simd: S) -> K::Output {
                self.0.run(simd)
            }
        }
    };
}

lanes!(
    f32,
    f32s,
    F32_LANES,
    RunF32,
    splat_f32s,
    add_f32s,
    mul_add_e_f32s,
    reduce_sum_f32s
);
lanes!(
    f64,
    f64s,
    F64_LANES,
    RunF64,
    splat_f64s,
    add_f64s,
    mul_add_e_f64s,
    reduce_sum_f64s
);
