//! Products of matrices side by side in a batch.

use crate::batch::Batch;
use crate::host::parallel;
use crate::scalar::Real;
use crate::view::View;

/// left right, matrix by matrix, into `to`; a factor of one matrix serves for all.
///
/// Sums over blocks of terms, so that errors grow with the root of their number.
pub(crate) fn product<T: Real>(left: View<'_, T>, right: View<'_, T>, to: &mut Batch<T>) {
    let (rows, inner, size) = (to.rows(), left.cols(), to.rows() * to.cols());
    if size == 0 {
        return;
    }
    let block = (inner as f64).sqrt().ceil() as usize;
    let of = |view: View<'_, T>, index: usize| if view.count() == 1 { 0 } else { index };
    let matrices = to.as_mut_slice().chunks_exact_mut(size).enumerate();
    parallel::for_each(
        matrices.collect(),
        || vec![T::ZERO; rows],
        |partial, (index, to): (usize, &mut [T])| {
            let (l, r) = (of(left, index), of(right, index));
            for (j, to) in to.chunks_exact_mut(rows).enumerate() {
                let mut terms = right.column(r, j).enumerate();
                for _ in (0..inner).step_by(block.max(1)) {
                    partial.fill(T::ZERO);
                    for (k, weight) in terms.by_ref().take(block) {
                        for (sum, entry) in partial.iter_mut().zip(left.column(l, k)) {
                            *sum += entry * weight;
                        }
                    }
                    for (to, &sum) in to.iter_mut().zip(&*partial) {
                        *to += sum;
                    }
                }
            }
        },
    );
}
