//! faer: a matrix as a batch of one, many as a batch, and each matrix of a batch as faer's.

use ::faer::{Mat, MatRef};

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::scalar::Scalar;
use crate::data::view::View;

/// One matrix, 1 of m x n, without a copy, if its columns (or its rows) lie one after the other without
/// gaps, as those of a [`Batch`] and of slices do.
///
/// A `Mat` pads its columns to whole lines of the cache, and its padding holds nothing that may be read:
/// only heights that are a multiple of 64 bytes leave no gaps. `Batch::try_from` copies any matrix.
///
/// # Errors
/// [`Error::Argument`] if there are gaps between the entries.
///
/// ```
/// use batched_svd::{Engine, View};
/// use faer::MatRef;
///
/// let entries = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let a = MatRef::from_column_major_slice(&entries, 3, 2);
/// let svd = Engine::cpu().svd(View::try_from(a)?).run()?;
/// assert_eq!(svd.u.faer(0).shape(), (3, 2));
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<'a, T: Scalar> TryFrom<MatRef<'a, T>> for View<'a, T> {
    type Error = Error;

    fn try_from(matrix: MatRef<'a, T>) -> Result<Self, Error> {
        let (rows, cols) = matrix.shape();
        let (down, right) = (matrix.row_stride(), matrix.col_stride());
        if rows == 0 || cols == 0 {
            return Ok(View::canonical(&[], 1, rows, cols));
        }
        let dense = |along: usize, step: isize, across: usize, next: isize| {
            (along == 1 || step == 1) && (across == 1 || usize::try_from(next) == Ok(along))
        };
        let by_columns = dense(rows, down, cols, right);
        if !by_columns && !dense(cols, right, rows, down) {
            return Err(Error::argument(format!(
                "a matrix of {rows}x{cols} with strides {down} and {right} does not lie in one piece: copy it (Batch::try_from)"
            )));
        }
        // SAFETY: a MatRef promises that all its entries, which are plain numbers, lie in one allocation
        // that its pointer reaches, can be read, and are not written to during 'a. Here they are
        // rows * cols entries from that pointer on, one after the other: no place between them belongs to
        // anything else.
        #[allow(unsafe_code)]
        let data = unsafe { std::slice::from_raw_parts(matrix.as_ptr(), rows * cols) };
        if by_columns {
            View::col_major(data, 1, rows, cols)
        } else {
            View::row_major(data, 1, rows, cols)
        }
    }
}

/// A copy of one matrix, 1 of m x n, whatever its strides.
///
/// # Errors
/// [`Error::Memory`] if the host cannot hold it.
///
/// ```
/// use batched_svd::Batch;
/// use faer::mat;
///
/// let a = mat![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
/// let batch = Batch::try_from(a.as_ref())?;
/// assert_eq!((batch.count(), batch.rows(), batch.cols()), (1, 2, 3));
/// assert_eq!(batch.faer(0), a);
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<T: Scalar> TryFrom<MatRef<'_, T>> for Batch<T> {
    type Error = Error;

    fn try_from(matrix: MatRef<'_, T>) -> Result<Self, Error> {
        Batch::from_fn(1, matrix.nrows(), matrix.ncols(), |_, i, j| matrix[(i, j)])
    }
}

/// A copy of many matrices of one shape, `len()` of m x n; no matrices make 0 of 0x0.
///
/// # Errors
/// [`Error::Argument`] if a matrix has another shape than the first; [`Error::Memory`] if the host cannot
/// hold them.
///
/// ```
/// use batched_svd::{Batch, Engine};
/// use faer::Mat;
///
/// let a: Vec<Mat<f64>> = (0..100)
///     .map(|b| Mat::from_fn(3, 2, |i, j| ((b + 3 * i + 5 * j) as f64).sin()))
///     .collect();
///
/// let pinv = Engine::cpu().pinv(&Batch::try_from(&a[..])?).run()?;
/// let residual = &a[7] * pinv.inverse.faer(7) * &a[7] - &a[7];
/// assert!(residual.norm_l2() < 1e-14);
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<T: Scalar> TryFrom<&[Mat<T>]> for Batch<T> {
    type Error = Error;

    fn try_from(matrices: &[Mat<T>]) -> Result<Self, Error> {
        let (rows, cols) = matrices.first().map_or((0, 0), |first| first.shape());
        for (index, matrix) in matrices.iter().enumerate() {
            if matrix.shape() != (rows, cols) {
                return Err(Error::argument(format!(
                    "matrix {index} is {}x{}, but matrix 0 {rows}x{cols}",
                    matrix.nrows(),
                    matrix.ncols()
                )));
            }
        }
        Batch::from_fn(matrices.len(), rows, cols, |b, i, j| matrices[b][(i, j)])
    }
}

impl<T: Scalar> Batch<T> {
    /// Matrix `index`, m x n, as faer's, without a copy (feature `faer`).
    ///
    /// ```
    /// use batched_svd::Batch;
    /// use faer::mat;
    ///
    /// let a = Batch::from_row_major(1, 2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
    /// assert_eq!(a.faer(0), mat![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `index` is not below [`count`](Self::count), as slices do.
    pub fn faer(&self, index: usize) -> MatRef<'_, T> {
        MatRef::from_column_major_slice(self.matrix(index), self.rows(), self.cols())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Options};

    fn entry(b: usize, i: usize, j: usize) -> f64 {
        (100 * b + 10 * i + j) as f64
    }

    /// Entry by entry the same.
    fn assert_same(view: View<'_, f64>, matrix: MatRef<'_, f64>) {
        let shape = (view.rows(), view.cols());
        assert_eq!((view.count(), matrix.shape()), (1, shape));
        for j in 0..shape.1 {
            for i in 0..shape.0 {
                assert_eq!(view.get(0, i, j), Some(matrix[(i, j)]), "({i}, {j})");
            }
        }
    }

    #[test]
    fn a_matrix_in_one_piece_is_a_view_without_a_copy() {
        let batch = Batch::from_fn(2, 3, 4, entry).unwrap();
        let matrix = batch.faer(1);
        assert_same(View::try_from(matrix).unwrap(), matrix);
        assert_same(
            View::try_from(matrix.transpose()).unwrap(),
            matrix.transpose(),
        );
        let view = View::try_from(matrix).unwrap();
        assert_eq!(
            view.contiguous(0).unwrap().as_ptr(),
            batch.matrix(1).as_ptr()
        );
        let columns = matrix.subcols(1, 2);
        assert_same(View::try_from(columns).unwrap(), columns);
        // 64 bytes are 8 entries: no padding.
        let tall = Mat::from_fn(16, 3, |i, j| entry(0, i, j));
        assert_same(View::try_from(tall.as_ref()).unwrap(), tall.as_ref());
    }

    #[test]
    fn single_rows_columns_and_entries_have_no_gaps() {
        let matrix = Mat::from_fn(3, 4, |i, j| entry(0, i, j));
        let matrix = matrix.as_ref();
        let column = matrix.subcols(2, 1);
        assert_same(View::try_from(column).unwrap(), column);
        assert_same(
            View::try_from(column.transpose()).unwrap(),
            column.transpose(),
        );
        let one = matrix.submatrix(2, 3, 1, 1);
        assert_same(View::try_from(one).unwrap(), one);
        // A row of a padded matrix has gaps; of a dense one, too.
        assert!(View::try_from(matrix.subrows(1, 1)).is_err());
        let batch = Batch::from_fn(1, 3, 4, entry).unwrap();
        assert!(View::try_from(batch.faer(0).subrows(1, 1)).is_err());
    }

    #[test]
    fn gaps_must_be_copied() {
        let padded = Mat::from_fn(3, 2, |i, j| entry(0, i, j));
        assert_eq!(
            View::try_from(padded.as_ref()).unwrap_err(),
            Error::argument(
                "a matrix of 3x2 with strides 1 and 8 does not lie in one piece: copy it (Batch::try_from)"
            )
        );
        let batch = Batch::from_fn(1, 4, 4, entry).unwrap();
        let whole = batch.faer(0);
        for part in [
            padded.as_ref(),
            whole.subrows(1, 2),
            whole.submatrix(1, 1, 2, 2).transpose(),
            whole.reverse_rows(),
            whole.reverse_cols(),
            MatRef::from_repeated_ref(&7.0, 3, 2),
        ] {
            assert!(View::try_from(part).is_err(), "{part:?}");
            let copy = Batch::try_from(part).unwrap();
            assert_same(copy.view(), part);
            assert_eq!(copy.faer(0), part);
        }
    }

    #[test]
    fn matrices_without_entries_keep_their_shape() {
        for (rows, cols) in [(0, 0), (0, 3), (3, 0)] {
            let matrix = Mat::<f64>::zeros(rows, cols);
            assert_same(View::try_from(matrix.as_ref()).unwrap(), matrix.as_ref());
            let batch = Batch::try_from(&[matrix.clone(), matrix][..]).unwrap();
            assert_eq!((batch.count(), batch.rows(), batch.cols()), (2, rows, cols));
            assert_eq!(batch.faer(1).shape(), (rows, cols));
        }
        let none = Batch::<f64>::try_from(&[][..]).unwrap();
        assert_eq!((none.count(), none.rows(), none.cols()), (0, 0, 0));
    }

    #[test]
    #[should_panic(expected = "matrix 2 of a batch of 2")]
    fn only_matrices_of_the_batch_can_be_had() {
        Batch::<f64>::zeros(2, 3, 3).unwrap().faer(2);
    }

    #[test]
    fn many_matrices_are_one_batch_and_are_decomposed_alike() {
        let value = |b: usize, i: usize, j: usize| ((b * b + 3 * i + 7 * j) as f32).sin();
        let mut matrices: Vec<Mat<f32>> = (0..37)
            .map(|b| Mat::from_fn(5, 3, |i, j| value(b, i, j)))
            .collect();
        let batch = Batch::try_from(&matrices[..]).unwrap();
        assert_eq!(batch, Batch::from_fn(37, 5, 3, value).unwrap());
        assert_eq!(batch.faer(11), matrices[11]);
        assert_eq!(batch.faer(11).as_ptr(), batch.matrix(11).as_ptr());

        let (engine, options) = (Engine::cpu(), Options::default());
        let expected = engine.svd(&batch).options(&options).run().unwrap();
        let view = View::try_from(batch.faer(11)).unwrap();
        let ours = engine.svd(view).options(&options).run().unwrap();
        assert_eq!(ours.sigma.matrix(0), expected.sigma.matrix(11));
        assert_eq!(ours.u.faer(0), expected.u.faer(11));

        matrices.push(Mat::zeros(3, 5));
        assert_eq!(
            Batch::try_from(&matrices[..]).unwrap_err(),
            Error::argument("matrix 37 is 3x5, but matrix 0 5x3")
        );
    }
}
