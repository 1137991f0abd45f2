//! The number types a batch can hold, and the few operations the kernels need of them.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

pub use num_complex::Complex;

/// The type of a matrix entry, as a plain value: what planner, files and reports speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// 32-bit IEEE 754 floating point.
    F32,
    /// 64-bit IEEE 754 floating point.
    F64,
    /// Complex numbers of two `f32`. NumPy calls them complex64.
    C32,
    /// Complex numbers of two `f64`. NumPy calls them complex128.
    C64,
}

/// Whether numbers, or their real and imaginary parts, have 32 or 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    Single,
    Double,
}

impl Dtype {
    pub(crate) const fn precision(self) -> Precision {
        match self {
            Dtype::F32 | Dtype::C32 => Precision::Single,
            Dtype::F64 | Dtype::C64 => Precision::Double,
        }
    }

    /// Bytes of one entry.
    pub const fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F64 | Dtype::C32 => 8,
            Dtype::C64 => 16,
        }
    }

    /// Whether entries are complex numbers.
    pub const fn is_complex(self) -> bool {
        matches!(self, Dtype::C32 | Dtype::C64)
    }

    /// Real operations of one operation on entries: a complex multiply-add is four real ones.
    pub(crate) const fn operations(self) -> u64 {
        if self.is_complex() { 4 } else { 1 }
    }

    /// The type of the singular values of matrices of this type: that of real and imaginary parts.
    pub const fn real(self) -> Dtype {
        match self.precision() {
            Precision::Single => Dtype::F32,
            Precision::Double => Dtype::F64,
        }
    }

    /// The unit roundoff u: 2^-24 or 2^-53. Half of what LAPACK and NumPy call eps.
    pub const fn unit_roundoff(self) -> f64 {
        match self.precision() {
            Precision::Single => (f32::EPSILON / 2.0) as f64,
            Precision::Double => f64::EPSILON / 2.0,
        }
    }

    /// The smallest positive number, which is subnormal.
    pub(crate) fn smallest(self) -> f64 {
        match self.precision() {
            Precision::Single => f32::from_bits(1).into(),
            Precision::Double => f64::from_bits(1),
        }
    }

    /// The name: `f32`, `f64`, `c32` or `c64`.
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
            Dtype::C32 => "c32",
            Dtype::C64 => "c64",
        }
    }
}

impl Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The type of a matrix entry: `f32`, `f64`, [`Complex<f32>`](Complex) or [`Complex<f64>`](Complex).
///
/// A GPU needs f64 in shaders for `f64` and `Complex<f64>`. If it has none, an engine returns
/// [`Error::Unsupported`](crate::Error::Unsupported) for them, or with a policy such as
/// [`FallBack`](crate::Policy::FallBack) has the CPU compute them.
///
/// ```
/// use batched_svd::{Batch, Complex, Engine};
///
/// let i = Complex::<f64>::i();
/// let a = Batch::from_row_major(1, 2, 2, &[i * 3.0, i * 0.0, i * 0.0, Complex::from(4.0)])?;
/// let svd = Engine::cpu().svd(&a).run()?;
/// assert_eq!(svd.sigma.matrix(0), [4.0, 3.0]);
/// assert_eq!(svd.u[[0, 0, 1]], i);
/// # Ok::<(), batched_svd::Error>(())
/// ```
///
/// Sealed: the kernels must know every type.
pub trait Scalar:
    sealed::Entry<Part = Self::Real> + Copy + Debug + Default + PartialEq + Send + Sync + 'static
{
    /// The type of singular values, norms and tolerances of matrices of this type.
    type Real: Real;
    /// The type as a value.
    const DTYPE: Dtype;
}

/// A real [`Scalar`]: `f32` or `f64`.
pub trait Real: Scalar<Real = Self> + sealed::Float + PartialOrd + Display {}

impl Scalar for f32 {
    type Real = f32;
    const DTYPE: Dtype = Dtype::F32;
}
impl Real for f32 {}

impl Scalar for f64 {
    type Real = f64;
    const DTYPE: Dtype = Dtype::F64;
}
impl Real for f64 {}

impl Scalar for Complex<f32> {
    type Real = f32;
    const DTYPE: Dtype = Dtype::C32;
}

impl Scalar for Complex<f64> {
    type Real = f64;
    const DTYPE: Dtype = Dtype::C64;
}

/// Entries of at least so much of the largest magnitude in a column are as large: rounding must not decide which
/// comes first, nor the type, nor the engine.
pub(crate) const NEARLY: f64 = 1.0 - 1.0 / 1024.0;

pub(crate) mod sealed {
    use super::*;
    use crate::lanes::{Kernel, RunF32, RunF64};

    /// What entries are made of, and their arithmetic on the host.
    pub trait Entry:
        bytemuck::Pod
        + Add<Output = Self>
        + Sub<Output = Self>
        + Mul<Output = Self>
        + AddAssign
        + SubAssign
    {
        type Part: Float;
        /// The type in which residuals and products are computed that results in this type need.
        type Wide: Scalar<Real = f64>;
        /// One, or two: the real and the imaginary part.
        const PARTS: usize;

        fn wide(self) -> Self::Wide;
        fn of_wide(wide: Self::Wide) -> Self;
        /// Not a number, in all parts.
        fn nan() -> Self;
        fn of_real(real: Self::Part) -> Self;
        /// Its parts. Of a real number, the second is not used.
        fn parts(self) -> [Self::Part; 2];
        /// The number of these parts. A real number has the first alone.
        fn of_parts(parts: [Self::Part; 2]) -> Self;
        fn conjugate(self) -> Self;
        fn times(self, factor: Self::Part) -> Self;
        fn over(self, divisor: Self::Part) -> Self;
        /// self * 2^power, part by part, each with one rounding.
        fn scaled(self, power: i32) -> Self;
        /// Whether all parts are finite.
        fn is_number(self) -> bool;
        /// The size of its larger part.
        fn larger(self) -> Self::Part;
        /// The square of its size.
        fn square(self) -> Self::Part;
        /// Its size, where its square does not leave the range.
        fn size(self) -> Self::Part;
        /// self over its size; 1 if it is zero.
        fn phase(self) -> Self;
        /// A number of this size on the other side of zero.
        fn away(self, size: Self::Part) -> Self;
        /// 1 / self.
        fn inverse(self) -> Self;
    }

    macro_rules! entry {
        ($real:ident) => {
            impl Entry for $real {
                type Part = $real;
                type Wide = f64;
                const PARTS: usize = 1;

                #[inline(always)]
                fn wide(self) -> f64 {
                    self.f64()
                }
                #[inline(always)]
                fn of_wide(wide: f64) -> Self {
                    Self::of(wide)
                }
                fn nan() -> Self {
                    $real::NAN
                }
                #[inline(always)]
                fn of_real(real: $real) -> Self {
                    real
                }
                #[inline(always)]
                fn parts(self) -> [$real; 2] {
                    [self, 0.0]
                }
                #[inline(always)]
                fn of_parts([real, _]: [$real; 2]) -> Self {
                    real
                }
                #[inline(always)]
                fn conjugate(self) -> Self {
                    self
                }
                #[inline(always)]
                fn times(self, factor: $real) -> Self {
                    self * factor
                }
                #[inline(always)]
                fn over(self, divisor: $real) -> Self {
                    self / divisor
                }
                #[inline(always)]
                fn scaled(self, power: i32) -> Self {
                    self.ldexp(power)
                }
                #[inline(always)]
                fn is_number(self) -> bool {
                    self.is_finite()
                }
                #[inline(always)]
                fn larger(self) -> $real {
                    $real::abs(self)
                }
                #[inline(always)]
                fn square(self) -> $real {
                    self * self
                }
                #[inline(always)]
                fn size(self) -> $real {
                    $real::abs(self)
                }
                #[inline(always)]
                fn phase(self) -> Self {
                    if self < 0.0 { -1.0 } else { 1.0 }
                }
                #[inline(always)]
                fn away(self, size: $real) -> Self {
                    if self > 0.0 { -size } else { size }
                }
                #[inline(always)]
                fn inverse(self) -> Self {
                    1.0 / self
                }
            }

            impl Entry for Complex<$real> {
                type Part = $real;
                type Wide = Complex<f64>;
                const PARTS: usize = 2;

                #[inline(always)]
                fn wide(self) -> Complex<f64> {
                    Complex::new(self.re.f64(), self.im.f64())
                }
                #[inline(always)]
                fn of_wide(wide: Complex<f64>) -> Self {
                    Complex::new($real::of(wide.re), $real::of(wide.im))
                }
                fn nan() -> Self {
                    Complex::new($real::NAN, $real::NAN)
                }
                #[inline(always)]
                fn of_real(real: $real) -> Self {
                    Complex::new(real, 0.0)
                }
                #[inline(always)]
                fn parts(self) -> [$real; 2] {
                    [self.re, self.im]
                }
                #[inline(always)]
                fn of_parts([re, im]: [$real; 2]) -> Self {
                    Complex::new(re, im)
                }
                #[inline(always)]
                fn conjugate(self) -> Self {
                    self.conj()
                }
                #[inline(always)]
                fn times(self, factor: $real) -> Self {
                    self * factor
                }
                #[inline(always)]
                fn over(self, divisor: $real) -> Self {
                    self / divisor
                }
                #[inline(always)]
                fn scaled(self, power: i32) -> Self {
                    Complex::new(self.re.ldexp(power), self.im.ldexp(power))
                }
                #[inline(always)]
                fn is_number(self) -> bool {
                    self.re.is_finite() && self.im.is_finite()
                }
                #[inline(always)]
                fn larger(self) -> $real {
                    self.re.abs().max(self.im.abs())
                }
                #[inline(always)]
                fn square(self) -> $real {
                    self.re * self.re + self.im * self.im
                }
                #[inline(always)]
                fn phase(self) -> Self {
                    // Squares of parts near one do not leave the range.
                    let largest = self.larger();
                    if largest == 0.0 {
                        return Complex::new(1.0, 0.0);
                    }
                    let near = self / largest;
                    near / near.size()
                }
                #[inline(always)]
                fn size(self) -> $real {
                    $real::sqrt(self.square())
                }
                #[inline(always)]
                fn away(self, size: $real) -> Self {
                    self.phase() * -size
                }
                #[inline(always)]
                fn inverse(self) -> Self {
                    self.conj() / self.square()
                }
            }
        };
    }

    entry!(f32);
    entry!(f64);

    /// What the kernels compute with.
    ///
    /// Every matrix is scaled by a power of two until its largest entry lies in
    /// [2^TARGET, 2^(TARGET+1)), so that the squares of everything that matters neither overflow
    /// nor are flushed: sums of up to 2^34 squares stay finite above, and a column whose norm is
    /// NEGLIGIBLE still has a square with twenty binades to spare below. Columns under it
    /// count as zero: 2^-84 (f32) or 2^-880 (f64) of the largest entry.
    pub trait Float:
        Copy
        + bytemuck::Pod
        + Add<Output = Self>
        + Sub<Output = Self>
        + Mul<Output = Self>
        + Div<Output = Self>
        + Neg<Output = Self>
        + AddAssign
        + SubAssign
        + MulAssign
        + Sum
        + PartialOrd
    {
        const ZERO: Self;
        const ONE: Self;
        const NAN: Self;
        /// Binary exponent of the largest entry of a scaled matrix.
        const TARGET: i32;
        /// Norm at or under which a column of a scaled matrix counts as zero.
        const NEGLIGIBLE: Self;
        /// Squared norms times BALANCE have finite squares.
        const BALANCE: Self;
        /// Those that are then at least GRADED have squares that, times the square of a tolerance, are
        /// not flushed.
        const GRADED: Self;
        const MIN_POSITIVE_NORMAL: Self;
        const LARGEST: Self;
        /// Whole numbers up to 2^22 plus this have their bits in the lowest bits.
        const WHOLE: Self;

        fn of(value: f64) -> Self;
        /// Runs a kernel on the widest vectors of this machine, or on one lane.
        fn dispatch<K: Kernel<Self>>(wide: bool, kernel: K) -> K::Output;
        /// A small whole number.
        fn index(self) -> u32;
        /// The lowest 23 bits.
        fn low_bits(self) -> u32;
        /// The largest number that is not above `value`.
        fn not_above(value: f64) -> Self;
        fn f64(self) -> f64;
        fn abs(self) -> Self;
        fn sqrt(self) -> Self;
        fn finite(self) -> bool;
        /// floor(log2(|self|)) of a finite non-zero number, subnormals included.
        fn exponent(self) -> i32;
        /// 2^power, which must be a normal number.
        fn power_of_two(power: i32) -> Self;
        /// self * 2^power with one rounding, to infinity or zero where it leaves the range.
        fn ldexp(self, power: i32) -> Self;
    }

    impl Float for f32 {
        const ZERO: Self = 0.0;
        const ONE: Self = 1.0;
        const NAN: Self = f32::NAN;
        const TARGET: i32 = 40;
        const NEGLIGIBLE: Self = power_of_two(-44) as f32;
        const BALANCE: Self = power_of_two(-54) as f32;
        const GRADED: Self = power_of_two(-40) as f32;
        const MIN_POSITIVE_NORMAL: Self = f32::MIN_POSITIVE;
        const LARGEST: Self = f32::MAX;
        const WHOLE: Self = power_of_two(23) as f32;

        #[inline]
        fn dispatch<K: Kernel<Self>>(wide: bool, kernel: K) -> K::Output {
            pulp::Arch::new().dispatch(RunF32 { wide, kernel })
        }
        #[inline]
        fn index(self) -> u32 {
            self as u32
        }
        #[inline]
        fn low_bits(self) -> u32 {
            self.to_bits() & 0x7f_ffff
        }
        #[inline]
        fn not_above(value: f64) -> Self {
            let near = value as f32;
            if f64::from(near) > value {
                near.next_down()
            } else {
                near
            }
        }
        #[inline]
        fn of(value: f64) -> Self {
            value as f32
        }
        #[inline]
        fn f64(self) -> f64 {
            self.into()
        }
        #[inline]
        fn abs(self) -> Self {
            f32::abs(self)
        }
        #[inline]
        fn sqrt(self) -> Self {
            f32::sqrt(self)
        }
        #[inline]
        fn finite(self) -> bool {
            self.is_finite()
        }
        #[inline]
        fn exponent(self) -> i32 {
            // In f64 all of them are normal numbers, and vectors need no branch.
            ((f64::from(self).to_bits() >> 52) & 0x7ff) as i32 - 1023
        }
        #[inline]
        fn power_of_two(power: i32) -> Self {
            f32::from_bits(((power + 127) as u32) << 23)
        }
        #[inline]
        fn ldexp(self, power: i32) -> Self {
            // In f64 the product is exact; the conversion rounds once.
            (f64::from(self) * power_of_two(power.clamp(-600, 600))) as f32
        }
    }

    impl Float for f64 {
        const ZERO: Self = 0.0;
        const ONE: Self = 1.0;
        const NAN: Self = f64::NAN;
        const TARGET: i32 = 400;
        const NEGLIGIBLE: Self = power_of_two(-480);
        const BALANCE: Self = power_of_two(-330);
        const GRADED: Self = power_of_two(-450);
        const MIN_POSITIVE_NORMAL: Self = f64::MIN_POSITIVE;
        const LARGEST: Self = f64::MAX;
        const WHOLE: Self = power_of_two(52);

        #[inline]
        fn dispatch<K: Kernel<Self>>(wide: bool, kernel: K) -> K::Output {
            pulp::Arch::new().dispatch(RunF64 { wide, kernel })
        }
        #[inline]
        fn index(self) -> u32 {
            self as u32
        }
        #[inline]
        fn low_bits(self) -> u32 {
            (self.to_bits() & 0x7f_ffff) as u32
        }
        #[inline]
        fn not_above(value: f64) -> Self {
            value
        }
        #[inline]
        fn of(value: f64) -> Self {
            value
        }
        #[inline]
        fn f64(self) -> f64 {
            self
        }
        #[inline]
        fn abs(self) -> Self {
            f64::abs(self)
        }
        #[inline]
        fn sqrt(self) -> Self {
            f64::sqrt(self)
        }
        #[inline]
        fn finite(self) -> bool {
            self.is_finite()
        }
        #[inline]
        fn exponent(self) -> i32 {
            // Subnormal numbers are brought among the others; no branch, for vectors.
            let small = self.abs() < f64::MIN_POSITIVE;
            let number = self * if small { power_of_two(64) } else { 1.0 };
            let biased = ((number.to_bits() >> 52) & 0x7ff) as i32;
            biased - if small { 1023 + 64 } else { 1023 }
        }
        #[inline]
        fn power_of_two(power: i32) -> Self {
            power_of_two(power)
        }
        #[inline]
        fn ldexp(self, power: i32) -> Self {
            if (-1022..=1023).contains(&power) {
                return self * power_of_two(power);
            }
            if self == 0.0 || !self.is_finite() {
                return self;
            }
            // Bring the magnitude into [1, 2) exactly, so that only the last product can round.
            let exponent = self.exponent();
            let unit = if exponent < -1000 {
                self * power_of_two(1000) * power_of_two(-exponent - 1000)
            } else {
                self * power_of_two((-exponent).clamp(-1022, 1023))
            };
            let unit_exponent = unit.exponent();
            let total = exponent - unit_exponent + power;
            if total > 1023 {
                unit * power_of_two(1023) * power_of_two((total - 1023).min(1023))
            } else if total >= -1022 {
                unit * power_of_two(total)
            } else {
                unit * power_of_two(-1022) * power_of_two((total + 1022).max(-1022))
            }
        }
    }

    /// 2^power exactly, for -1022 <= power <= 1023.
    pub const fn power_of_two(power: i32) -> f64 {
        f64::from_bits(((power + 1023) as u64) << 52)
    }
}

#[cfg(test)]
mod tests {
    use super::sealed::{Float, power_of_two};

    #[test]
    fn exponent_of_normal_and_subnormal_numbers() {
        assert_eq!(1.0f64.exponent(), 0);
        assert_eq!(1.999f64.exponent(), 0);
        assert_eq!(f64::MAX.exponent(), 1023);
        assert_eq!(f64::from_bits(1).exponent(), -1074);
        assert_eq!(f64::from_bits(3).exponent(), -1073);
        assert_eq!(f32::from_bits(1).exponent(), -149);
        assert_eq!(f32::MAX.exponent(), 127);
    }

    #[test]
    fn ldexp_is_exact_where_the_result_is_representable() {
        assert_eq!(f64::from_bits(5).ldexp(1474), 5.0 * power_of_two(400));
        assert_eq!((5.0 * power_of_two(400)).ldexp(-1474), f64::from_bits(5));
        assert_eq!(f32::from_bits(5).ldexp(189), 5.0 * f32::powi(2.0, 40));
        assert_eq!(f64::MAX.ldexp(1), f64::INFINITY);
        assert_eq!(1.5f64.ldexp(-1074), f64::from_bits(2)); // ties to even
        assert_eq!(f64::from_bits(1).ldexp(2000), power_of_two(926));
        assert_eq!(f64::from_bits(1).ldexp(2098), f64::INFINITY);
        assert_eq!(1.0f64.ldexp(-3000), 0.0);
        assert_eq!(f32::MAX.ldexp(1), f32::INFINITY);
        assert_eq!(0.0f64.ldexp(2000), 0.0);
    }

    #[test]
    fn ldexp_rounds_once_on_the_way_to_subnormals() {
        // 1 + 2^-52 at 2^-1073: twice rounded it would tie, once rounded it goes up.
        let x = 1.5 + f64::EPSILON;
        assert_eq!(x.ldexp(-1074), f64::from_bits(2));
        assert_eq!((1.25 + f64::EPSILON).ldexp(-1073), f64::from_bits(3));
        assert_eq!(1.25f64.ldexp(-1073), f64::from_bits(2));
    }

    #[test]
    fn the_negligible_norm_is_the_stated_power_of_two() {
        assert_eq!(f64::from(f32::NEGLIGIBLE), power_of_two(-44));
    }
}
