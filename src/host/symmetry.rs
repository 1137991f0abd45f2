//! How far matrices are from symmetric.

use crate::data::scalar::Dtype;
use crate::planner::sigma_error;

/// |A - A'|_F / |A|_F of an n x n matrix whose squares do not leave the range.
pub(crate) fn asymmetry(n: usize, entry: impl Fn(usize, usize) -> f64) -> f64 {
    // The squares of the differences, and of all entries.
    let (mut apart, mut square) = (0.0, 0.0);
    for j in 0..n {
        square += entry(j, j).powi(2);
        for i in 0..j {
            let (upper, lower) = (entry(i, j), entry(j, i));
            apart += 2.0 * (upper - lower).powi(2);
            square += upper.powi(2) + lower.powi(2);
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
