//! The types of entries: what is computed with, checked and filed.

use batched_svd::{Complex, Real, Scalar, View};

use crate::cli::npy::Data;

/// An entry that is filed.
pub(crate) trait Written: Scalar {
    fn data(entries: Vec<Self>) -> Data;
    /// The matrices, if they are real.
    fn real(matrices: View<'_, Self>) -> Option<View<'_, Self::Real>>;
}

/// A real entry that is filed.
pub(crate) trait Number: Written + Real {
    /// The nearest one.
    fn of_i64(value: i64) -> Self;
    fn of_u64(value: u64) -> Self;
}

/// An entry that is both computed with and filed.
pub(crate) trait Entry: Written + Scalar<Real: Number> {}

impl<T: Written + Scalar<Real: Number>> Entry for T {}

macro_rules! written {
    ($number:ident, $real:ident, $complex:ident) => {
        impl Written for $number {
            fn data(entries: Vec<Self>) -> Data {
                Data::$real(entries)
            }

            fn real(matrices: View<'_, Self>) -> Option<View<'_, Self>> {
                Some(matrices)
            }
        }

        impl Number for $number {
            fn of_i64(value: i64) -> Self {
                value as $number
            }

            fn of_u64(value: u64) -> Self {
                value as $number
            }
        }

        impl Written for Complex<$number> {
            fn data(entries: Vec<Self>) -> Data {
                Data::$complex(entries)
            }

            fn real(_: View<'_, Self>) -> Option<View<'_, $number>> {
                None
            }
        }
    };
}

written!(f32, F32, C32);
written!(f64, F64, C64);

/// A number in f64.
pub(crate) fn in_f64<R: Real>(number: R) -> f64 {
    number.f64()
}

/// The number of a type that is nearest to this one.
pub(crate) fn nearest<R: Real>(number: f64) -> R {
    R::of(number)
}

/// An entry over a number.
pub(crate) fn over<T: Scalar>(entry: T, number: T::Real) -> T {
    entry.over(number)
}
