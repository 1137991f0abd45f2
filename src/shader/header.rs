//! What stands before every kernel: the number type and what depends on it.

use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Dtype, NEARLY, Precision};

/// The number type and the constants that depend on it.
pub(super) fn header(dtype: Dtype) -> String {
    let (name, suffix, negligible, [smallest, largest], [target, least, most]) =
        match dtype.precision() {
            Precision::Single => (
                "f32",
                "f",
                f64::from(f32::NEGLIGIBLE),
                [f32::MIN_POSITIVE.into(), f32::MAX.into()],
                [f32::TARGET, -126, 127],
            ),
            Precision::Double => (
                "f64",
                "lf",
                f64::NEGLIGIBLE,
                [f64::MIN_POSITIVE, f64::MAX],
                [f64::TARGET, -1022, 1023],
            ),
        };
    let constant = |name: &str, value: f64| format!("const {name}: T = {value:e}{suffix};\n");
    let integer = |name: &str, value: i32| format!("const {name}: i32 = {value};\n");
    format!("alias T = {name};\n")
        + &constant("ZERO", 0.0)
        + &constant("HALF", 0.5)
        + &constant("ONE", 1.0)
        + &constant("TWO", 2.0)
        // Below it a device may flush.
        + &constant("SMALLEST_NORMAL", smallest)
        // The smallest tangent of a rotation that is surely not.
        + &constant("SMALLEST_TANGENT", 4.0 * smallest)
        + &constant("LARGEST", largest)
        + &constant("NEARLY", NEARLY)
        + &constant("NEARLY_SQUARE", NEARLY * NEARLY)
        + &constant("NEGLIGIBLE", negligible)
        + &constant("NEGLIGIBLE_SQUARE", negligible * negligible)
        // Exponents: of the largest entry of a scaled matrix, of what is negligible in it, of the least and the largest
        // power of two, and what no number has.
        + &integer("TARGET", target)
        + &integer("NEGLIGIBLE_EXPONENT", negligible.exponent())
        + &integer("LEAST", least)
        + &integer("MOST", most)
        + &integer("NO_EXPONENT", -10_000)
        + &integer("NOT_FINITE", 10_000)
}
