//! How far matrices are from symmetric, or complex ones from Hermitian.

use crate::data::scalar::{Dtype, Scalar};
use crate::planner::sigma_error;

/// |A - A'|_F / |A|_F of an n x n matrix whose squares do not leave the range.
pub(crate) fn asymmetry<W: Scalar<Real = f64>>(n: usize, entry: impl Fn(usize, usize) -> W) -> f64 {
    // The squares of the differences, and of all entries.
    let (mut apart, mut square) = (0.0f64, 0.0f64);
    for j in 0..n {
        let own = entry(j, j);
        // Of real ones nothing.
        apart += (own - own.conjugate()).square();
        square += own.square();
        for i in 0..j {
            let (upper, lower) = (entry(i, j), entry(j, i));
            apart += 2.0 * (upper - lower.conjugate()).square();
            square += upper.square() + lower.square();
        }
    }
    match apart > 0.0 {
        true => (apart / square).sqrt(),
        false => 0.0,
    }
}

/// Whether that is more than rounding.
pub(crate) fn asymmetric(dtype: Dtype, n: usize, asymmetry: f64) -> bool {
    let tol = sigma_error(dtype, n).max(32.0 * dtype.unit_roundoff());
    // The mean of A and A' is half as far from A as A' is.
    asymmetry > 2.0 * tol
}
