//! Vectors of numbers, as wide as the machine has them at run time (AVX-512, AVX2, NEON, or none),
//! and kernels that are compiled once for each width.
//!
//! A kernel sees matrices side by side, one a lane, and never knows how many: [`Single`] has one
//! lane, and its numbers come out the same bit for bit, since every operation is rounded as in a
//! wide lane and every sum has one order.
//!
//! Kernels are `#[inline(always)]` all the way down, and no closure of theirs does arithmetic: what is
//! not inlined is compiled without the machine's instructions, and ten times slower.

pub(crate) mod memory;

/// What the lanes of a vector do together.
pub trait Lanes<T>: Copy + Send + Sync + 'static {
    /// A number a lane.
    type Vector: bytemuck::Pod + Send + Sync;
    /// Yes or no a lane.
    type Mask: Copy;
    /// The machine's widest vectors: these, or what one lane has at hand for other work.
    type Wide: Lanes<T>;
    const LANES: usize;

    fn wide(self) -> Self::Wide;

    fn splat(self, value: T) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sqrt(self, a: Self::Vector) -> Self::Vector;
    fn abs(self, a: Self::Vector) -> Self::Vector;
    /// a b + c, rounded once where the machine can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// c - a b, rounded as `mul_add`.
    fn neg_mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// a < b; no where one is not a number.
    fn less(self, a: Self::Vector, b: Self::Vector) -> Self::Mask;
    fn equal(self, a: Self::Vector, b: Self::Vector) -> Self::Mask;
    fn and(self, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn or(self, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn not(self, a: Self::Mask) -> Self::Mask;
    fn any(self, a: Self::Mask) -> bool;
    fn select(self, mask: Self::Mask, yes: Self::Vector, no: Self::Vector) -> Self::Vector;
    /// The sum of all lanes.
    fn sum(self, a: Self::Vector) -> T;
}

/// The numbers of a vector, a lane each.
#[inline(always)]
pub fn numbers<T: bytemuck::Pod, V: bytemuck::Pod>(vector: &V) -> &[T] {
    bytemuck::cast_slice(std::slice::from_ref(vector))
}

/// The numbers of a vector, to be changed.
#[inline(always)]
pub fn numbers_mut<T: bytemuck::Pod, V: bytemuck::Pod>(vector: &mut V) -> &mut [T] {
    bytemuck::cast_slice_mut(std::slice::from_mut(vector))
}

/// Vectors of consecutive numbers, and those that fill none.
#[inline(always)]
pub fn vectors<T: bytemuck::Pod, L: Lanes<T>>(numbers: &[T]) -> (&[L::Vector], &[T]) {
    let (vectors, rest) = numbers.split_at(numbers.len() - numbers.len() % L::LANES);
    (bytemuck::cast_slice(vectors), rest)
}

/// Vectors of consecutive numbers, to be changed, and those that fill none.
#[inline(always)]
pub fn vectors_mut<T: bytemuck::Pod, L: Lanes<T>>(
    numbers: &mut [T],
) -> (&mut [L::Vector], &mut [T]) {
    let (vectors, rest) = numbers.split_at_mut(numbers.len() - numbers.len() % L::LANES);
    (bytemuck::cast_slice_mut(vectors), rest)
}

/// The machine's widest vectors.
pub type Wide<T, L> = <<L as Lanes<T>>::Wide as Lanes<T>>::Vector;

/// The rows of one column that such a vector holds: of one matrix as many as it has numbers, in lanes one.
#[inline(always)]
pub const fn rows_a_vector<T, L: Lanes<T>>() -> usize {
    if L::LANES > 1 { 1 } else { L::Wide::LANES }
}

/// Vectors of lanes as they are; consecutive numbers of one matrix as the machine's vectors.
#[inline(always)]
pub fn wide<T, L: Lanes<T>>(x: &[L::Vector]) -> &[Wide<T, L>] {
    bytemuck::cast_slice(x)
}

/// The same, to be changed.
#[inline(always)]
pub fn wide_mut<T, L: Lanes<T>>(x: &mut [L::Vector]) -> &mut [Wide<T, L>] {
    bytemuck::cast_slice_mut(x)
}

/// A number a lane as it is; that of one matrix in all lanes of the machine's vectors.
#[inline(always)]
pub fn spread<T: bytemuck::Pod, L: Lanes<T>>(l: L, number: &L::Vector) -> Wide<T, L> {
    match L::LANES {
        1 => l.wide().splat(numbers::<T, _>(number)[0]),
        _ => *bytemuck::from_bytes(bytemuck::bytes_of(number)),
    }
}

/// Exchanges the chosen lanes of two columns.
#[inline(always)]
pub fn exchange<T, L: Lanes<T>>(l: L, chosen: L::Mask, x: &mut [L::Vector], y: &mut [L::Vector]) {
    for (x, y) in x.iter_mut().zip(y) {
        let (a, b) = (*x, *y);
        *x = l.select(chosen, b, a);
        *y = l.select(chosen, a, b);
    }
}

/// Code that is compiled for every width of vectors.
pub trait Kernel<T> {
    type Output;
    fn run<L: Lanes<T>>(self, lanes: L) -> Self::Output;
}

/// One lane, with the arithmetic of the wide ones.
#[derive(Clone, Copy)]
pub struct Single<S>(S);

/// The same of both vectors.
macro_rules! both {
    ($($name:ident($($of:ident),+): $from:ident -> $to:ident;)+) => {$(
        #[inline(always)]
        fn $name(self, $($of: Self::$from),+) -> Self::$to {
            [self.0.$name($($of[0]),+), self.0.$name($($of[1]),+)]
        }
    )+};
}

/// Two vectors as one.
#[derive(Clone, Copy)]
pub struct Two<L>(pub L);

impl<T: bytemuck::Pod, L: Lanes<T>> Lanes<T> for Two<L> {
    type Vector = [L::Vector; 2];
    type Mask = [L::Mask; 2];
    type Wide = L::Wide;
    const LANES: usize = 2 * L::LANES;

    #[inline(always)]
    fn wide(self) -> L::Wide {
        self.0.wide()
    }

    #[inline(always)]
    fn splat(self, value: T) -> Self::Vector {
        [self.0.splat(value); 2]
    }
    #[inline(always)]
    fn sum(self, a: Self::Vector) -> T {
        self.0.sum(self.0.add(a[0], a[1]))
    }
    #[inline(always)]
    fn any(self, a: Self::Mask) -> bool {
        self.0.any(self.0.or(a[0], a[1]))
    }
    #[inline(always)]
    fn select(self, mask: Self::Mask, yes: Self::Vector, no: Self::Vector) -> Self::Vector {
        [
            self.0.select(mask[0], yes[0], no[0]),
            self.0.select(mask[1], yes[1], no[1]),
        ]
    }
    both! {
        add(a, b): Vector -> Vector;
        sub(a, b): Vector -> Vector;
        mul(a, b): Vector -> Vector;
        div(a, b): Vector -> Vector;
        sqrt(a): Vector -> Vector;
        abs(a): Vector -> Vector;
        mul_add(a, b, c): Vector -> Vector;
        neg_mul_add(a, b, c): Vector -> Vector;
        less(a, b): Vector -> Mask;
        equal(a, b): Vector -> Mask;
        and(a, b): Mask -> Mask;
        or(a, b): Mask -> Mask;
        not(a): Mask -> Mask;
    }
}

macro_rules! lanes {
    ($t:ty, $vector:ident, $mask:ident, $lanes:ident, $run:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $div:ident,
     $sqrt:ident, $bits:ident, $mul_add:ident, $neg_mul_add:ident, $less:ident, $equal:ident,
     $and:ident, $or:ident, $not:ident, $select:ident, $sum:ident) => {
        impl<S: pulp::Simd> Lanes<$t> for S {
            type Vector = S::$vector;
            type Mask = S::$mask;
            type Wide = S;
            const LANES: usize = S::$lanes;

            #[inline(always)]
            fn wide(self) -> S {
                self
            }

            #[inline(always)]
            fn splat(self, value: $t) -> Self::Vector {
                S::$splat(self, value)
            }
            #[inline(always)]
            fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                S::$add(self, a, b)
            }
            #[inline(always)]
            fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                S::$sub(self, a, b)
            }
            #[inline(always)]
            fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                S::$mul(self, a, b)
            }
            #[inline(always)]
            fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                S::$div(self, a, b)
            }
            #[inline(always)]
            fn sqrt(self, a: Self::Vector) -> Self::Vector {
                S::$sqrt(self, a)
            }
            #[inline(always)]
            fn abs(self, a: Self::Vector) -> Self::Vector {
                // Not pulp's own, which is not always inlined.
                S::$bits(
                    self,
                    a,
                    S::$splat(self, <$t>::from_bits(!(-0.0 as $t).to_bits())),
                )
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                S::$mul_add(self, a, b, c)
            }
            #[inline(always)]
            fn neg_mul_add(
                self,
                a: Self::Vector,
                b: Self::Vector,
                c: Self::Vector,
            ) -> Self::Vector {
                S::$neg_mul_add(self, a, b, c)
            }
            #[inline(always)]
            fn less(self, a: Self::Vector, b: Self::Vector) -> Self::Mask {
                S::$less(self, a, b)
            }
            #[inline(always)]
            fn equal(self, a: Self::Vector, b: Self::Vector) -> Self::Mask {
                S::$equal(self, a, b)
            }
            #[inline(always)]
            fn and(self, a: Self::Mask, b: Self::Mask) -> Self::Mask {
                S::$and(self, a, b)
            }
            #[inline(always)]
            fn or(self, a: Self::Mask, b: Self::Mask) -> Self::Mask {
                S::$or(self, a, b)
            }
            #[inline(always)]
            fn not(self, a: Self::Mask) -> Self::Mask {
                S::$not(self, a)
            }
            #[inline(always)]
            fn any(self, a: Self::Mask) -> bool {
                let bytes: &[u8] = bytemuck::cast_slice(std::slice::from_ref(&a));
                bytes.iter().fold(0, |any, byte| any | byte) != 0
            }
            #[inline(always)]
            fn select(self, mask: Self::Mask, yes: Self::Vector, no: Self::Vector) -> Self::Vector {
                S::$select(self, mask, yes, no)
            }
            #[inline(always)]
            fn sum(self, a: Self::Vector) -> $t {
                S::$sum(self, a)
            }
        }

        impl<S: pulp::Simd> Lanes<$t> for Single<S> {
            type Vector = $t;
            type Mask = bool;
            type Wide = S;
            const LANES: usize = 1;

            #[inline(always)]
            fn wide(self) -> S {
                self.0
            }

            #[inline(always)]
            fn splat(self, value: $t) -> $t {
                value
            }
            #[inline(always)]
            fn add(self, a: $t, b: $t) -> $t {
                a + b
            }
            #[inline(always)]
            fn sub(self, a: $t, b: $t) -> $t {
                a - b
            }
            #[inline(always)]
            fn mul(self, a: $t, b: $t) -> $t {
                a * b
            }
            #[inline(always)]
            fn div(self, a: $t, b: $t) -> $t {
                a / b
            }
            #[inline(always)]
            fn sqrt(self, a: $t) -> $t {
                a.sqrt()
            }
            #[inline(always)]
            fn abs(self, a: $t) -> $t {
                a.abs()
            }
            #[inline(always)]
            fn mul_add(self, a: $t, b: $t, c: $t) -> $t {
                // Without vectors there may be no fused operation but a slow one.
                if S::IS_SCALAR {
                    a * b + c
                } else {
                    a.mul_add(b, c)
                }
            }
            #[inline(always)]
            fn neg_mul_add(self, a: $t, b: $t, c: $t) -> $t {
                if S::IS_SCALAR {
                    c - a * b
                } else {
                    (-a).mul_add(b, c)
                }
            }
            #[inline(always)]
            fn less(self, a: $t, b: $t) -> bool {
                a < b
            }
            #[inline(always)]
            fn equal(self, a: $t, b: $t) -> bool {
                a == b
            }
            #[inline(always)]
            fn and(self, a: bool, b: bool) -> bool {
                a & b
            }
            #[inline(always)]
            fn or(self, a: bool, b: bool) -> bool {
                a | b
            }
            #[inline(always)]
            fn not(self, a: bool) -> bool {
                !a
            }
            #[inline(always)]
            fn any(self, a: bool) -> bool {
                a
            }
            #[inline(always)]
            fn select(self, mask: bool, yes: $t, no: $t) -> $t {
                if mask { yes } else { no }
            }
            #[inline(always)]
            fn sum(self, a: $t) -> $t {
                a
            }
        }

        /// Hands a kernel to pulp, which knows the machine: to wide lanes, or to one.
        pub struct $run<K> {
            pub wide: bool,
            pub kernel: K,
        }

        impl<K: Kernel<$t>> pulp::WithSimd for $run<K> {
            type Output = K::Output;

            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, simd: S) -> K::Output {
                // Without vectors, lanes are one: of the two, only one is compiled.
                if self.wide && !S::IS_SCALAR {
                    self.kernel.run(simd)
                } else {
                    self.kernel.run(Single(simd))
                }
            }
        }
    };
}

lanes!(
    f32,
    f32s,
    m32s,
    F32_LANES,
    RunF32,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    div_f32s,
    sqrt_f32s,
    and_f32s,
    mul_add_e_f32s,
    negate_mul_add_e_f32s,
    less_than_f32s,
    equal_f32s,
    and_m32s,
    or_m32s,
    not_m32s,
    select_f32s,
    reduce_sum_f32s
);
lanes!(
    f64,
    f64s,
    m64s,
    F64_LANES,
    RunF64,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    div_f64s,
    sqrt_f64s,
    and_f64s,
    mul_add_e_f64s,
    negate_mul_add_e_f64s,
    less_than_f64s,
    equal_f64s,
    and_m64s,
    or_m64s,
    not_m64s,
    select_f64s,
    reduce_sum_f64s
);
