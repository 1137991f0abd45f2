//! Products of matrices side by side in a batch.

use crate::data::batch::Batch;
use crate::data::parallel;
use crate::data::scalar::Scalar;
use crate::data::view::View;
use crate::dense::product::multiply;

/// Multiply-adds that one task does at least.
pub(crate) const TASK: usize = 1 << 16;

/// left right, matrix by matrix, into `to`; a factor of one matrix serves for all.
pub(crate) fn product<T: Scalar>(left: View<'_, T>, right: View<'_, T>, to: &mut Batch<T>) {
    let (rows, size) = (to.rows(), to.rows() * to.cols());
    if size == 0 {
        return;
    }
    let work = size.saturating_mul(left.cols().max(1));
    let some = TASK.div_ceil(work);
    let tasks = to.as_mut_slice().chunks_mut(some * size).enumerate();
    parallel::for_each(
        tasks.collect(),
        <[Vec<T>; 3]>::default,
        |[packed_left, packed_right, strip], (task, entries): (usize, &mut [T])| {
            for (to, index) in entries.chunks_exact_mut(size).zip(task * some..) {
                let left = entries_of(&left, index, packed_left);
                let right = entries_of(&right, index, packed_right);
                multiply(left, rows, right, to, strip);
            }
        },
    );
}

/// The entries of a matrix, column by column: packed, where they do not lie so.
fn entries_of<'a, T: Scalar>(view: &View<'a, T>, index: usize, packed: &'a mut Vec<T>) -> &'a [T] {
    let index = if view.count() == 1 { 0 } else { index };
    if let Some(entries) = view.contiguous(index) {
        return entries;
    }
    packed.clear();
    for j in 0..view.cols() {
        packed.extend(view.column(index, j));
    }
    packed
}
