//! Products left diag(weights) right' of existing factors, on the host.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::Float;
use crate::dense::product::multiply;
use crate::ops::for_each_with;

/// Operations that a task has at least.
pub(super) const TASK: usize = 1 << 16;

/// Scratch of a thread.
struct Work<T: Scalar> {
    weights: Vec<T::Real>,
    left: Vec<T>,
    right: Vec<T>,
    strip: Vec<T>,
}

/// left diag(weights) right', rows x columns, of the first k columns of every pair of factors. `weights` is given the index
/// of a matrix and an empty list, and returns the power of two by which the result is multiplied, or nothing if the result
/// is NaN.
pub(super) fn weighted<T: Scalar>(
    left: &Batch<T>,
    right: &Batch<T>,
    k: usize,
    weights: impl Fn(usize, &mut Vec<T::Real>) -> Option<i32> + Send + Sync,
) -> Result<Batch<T>, Error> {
    let (rows, cols) = (left.rows(), right.rows());
    let mut result = Batch::zeros(left.count(), rows, cols)?;
    // Without columns, the product is zero.
    if k == 0 {
        return Ok(result);
    }
    let work = (rows + cols).saturating_mul(k * rows.max(cols));
    let scratch = || Work::<T> {
        weights: Vec::new(),
        left: Vec::new(),
        right: Vec::new(),
        strip: Vec::new(),
    };
    let some = TASK.div_ceil(work.max(1));
    for_each_with(&mut result, some, scratch, |work, index, to| {
        work.weights.clear();
        let Some(mut power) = weights(index, &mut work.weights) else {
            return to.fill(T::nan());
        };
        // Weights are brought to one: products with tiny ones would not be normal numbers.
        let sizes = work.weights.iter().map(|weight| weight.abs().f64());
        let largest = sizes.fold(0.0, f64::max);
        let own = if largest > 0.0 && largest.is_finite() {
            largest.exponent()
        } else {
            0
        };
        power += own;
        work.left.clear();
        let columns = left.matrix(index).chunks_exact(rows);
        for (column, &weight) in columns.zip(&work.weights) {
            let weight = weight.ldexp(-own);
            work.left
                .extend(column.iter().map(|&entry| entry.times(weight)));
        }
        adjoint(&right.matrix(index)[..cols * k], cols, &mut work.right);
        multiply(&work.left, rows, &work.right, to, &mut work.strip);
        if power != 0 {
            to.iter_mut().for_each(|entry| *entry = entry.scaled(power));
        }
    });
    Ok(result)
}

/// The conjugate transpose of a matrix of at least one row.
pub(super) fn adjoint<T: Scalar>(from: &[T], rows: usize, to: &mut Vec<T>) {
    let cols = from.len() / rows;
    to.clear();
    to.extend((0..rows).flat_map(|i| (0..cols).map(move |j| from[j * rows + i].conjugate())));
}
