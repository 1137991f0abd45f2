//! nalgebra: slices of matrices of static size, whole matrices of any other kind, and batches as both.

use ::nalgebra::storage::{IsContiguous, RawStorage, RawStorageMut};
use ::nalgebra::{DMatrixView, Dim, Matrix, SMatrix};

use crate::data::batch::Batch;
use crate::data::error::{Error, zeros};
use crate::data::scalar::Scalar;
use crate::data::view::{View, ViewMut};

/// Matrices of static size, `len()` of R x C, without a copy: they lie one after the other, each column
/// by column, as in a [`Batch`].
///
/// ```
/// use batched_svd::Engine;
/// use nalgebra::SMatrix;
///
/// let a: Vec<SMatrix<f64, 3, 2>> = (0..100)
///     .map(|b| SMatrix::from_fn(|i, j| ((b + 3 * i + 5 * j) as f64).sin()))
///     .collect();
///
/// let pinv = Engine::cpu().pinv(&a).run()?;
/// let inverses = pinv.inverse.as_smatrices::<2, 3>()?;
/// assert!((a[7] * inverses[7] * a[7] - a[7]).norm() < 1e-14);
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<'a, T: Scalar, const R: usize, const C: usize> From<&'a [SMatrix<T, R, C>]> for View<'a, T> {
    fn from(matrices: &'a [SMatrix<T, R, C>]) -> Self {
        View::canonical(bytemuck::cast_slice(matrices), matrices.len(), R, C)
    }
}

/// Matrices of static size, `len()` of R x C, without a copy.
impl<'a, T: Scalar, const R: usize, const C: usize> From<&'a Vec<SMatrix<T, R, C>>>
    for View<'a, T>
{
    fn from(matrices: &'a Vec<SMatrix<T, R, C>>) -> Self {
        View::from(matrices.as_slice())
    }
}

/// Matrices of static size, N of R x C, without a copy.
impl<'a, T: Scalar, const R: usize, const C: usize, const N: usize> From<&'a [SMatrix<T, R, C>; N]>
    for View<'a, T>
{
    fn from(matrices: &'a [SMatrix<T, R, C>; N]) -> Self {
        View::from(matrices.as_slice())
    }
}

/// Matrices of static size to write into, `len()` of R x C, without a copy.
///
/// ```
/// use batched_svd::{Engine, ViewMut};
/// use nalgebra::{Matrix2, SMatrix};
///
/// let a = [Matrix2::new(2.0, 0.0, 0.0, 4.0); 3];
/// let mut inverses = [SMatrix::<f64, 2, 2>::zeros(); 3];
/// Engine::cpu().pinv(&a).run_into(ViewMut::from(&mut inverses))?;
/// assert_eq!(inverses[2], Matrix2::new(0.5, 0.0, 0.0, 0.25));
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<'a, T: Scalar, const R: usize, const C: usize> From<&'a mut [SMatrix<T, R, C>]>
    for ViewMut<'a, T>
{
    fn from(matrices: &'a mut [SMatrix<T, R, C>]) -> Self {
        let count = matrices.len();
        ViewMut::canonical(bytemuck::cast_slice_mut(matrices), count, R, C)
    }
}

/// Matrices of static size to write into, `len()` of R x C, without a copy.
impl<'a, T: Scalar, const R: usize, const C: usize> From<&'a mut Vec<SMatrix<T, R, C>>>
    for ViewMut<'a, T>
{
    fn from(matrices: &'a mut Vec<SMatrix<T, R, C>>) -> Self {
        ViewMut::from(matrices.as_mut_slice())
    }
}

/// Matrices of static size to write into, N of R x C, without a copy.
impl<'a, T: Scalar, const R: usize, const C: usize, const N: usize>
    From<&'a mut [SMatrix<T, R, C>; N]> for ViewMut<'a, T>
{
    fn from(matrices: &'a mut [SMatrix<T, R, C>; N]) -> Self {
        ViewMut::from(matrices.as_mut_slice())
    }
}

/// One matrix or vector that owns its entries, 1 of m x n, without a copy.
///
/// Of a part of a matrix, nalgebra's type does not say that it lies in one piece: take the view of the
/// whole and then [`View::submatrix`]. Many matrices of one shape become one batch by [`Batch::concat`].
///
/// ```
/// use batched_svd::{Batch, View};
/// use nalgebra::DMatrix;
///
/// let a = DMatrix::from_fn(4, 3, |i, j| (10 * i + j) as f64);
/// let lower = View::from(&a).submatrix(1..4, 0..3)?;
/// assert_eq!((lower.count(), lower.rows(), lower.cols()), (1, 3, 3));
/// assert_eq!(lower.get(0, 2, 1), Some(31.0));
///
/// let many = vec![a.clone(), 2.0 * a];
/// let views: Vec<_> = many.iter().map(View::from).collect();
/// let batch = Batch::concat(&views)?;
/// assert_eq!((batch.count(), batch.rows(), batch.cols()), (2, 4, 3));
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<'a, T, R, C, S> From<&'a Matrix<T, R, C, S>> for View<'a, T>
where
    T: Scalar,
    R: Dim,
    C: Dim,
    S: RawStorage<T, R, C> + IsContiguous,
{
    fn from(matrix: &'a Matrix<T, R, C, S>) -> Self {
        let (rows, cols) = matrix.shape();
        View::canonical(matrix.as_slice(), 1, rows, cols)
    }
}

/// One matrix or vector that owns its entries, to write into, 1 of m x n, without a copy.
///
/// ```
/// use batched_svd::{Engine, ViewMut};
/// use nalgebra::DMatrix;
///
/// let a = DMatrix::from_diagonal_element(3, 3, 2.0);
/// let mut inverse = DMatrix::zeros(3, 3);
/// Engine::cpu().pinv(&a).run_into(ViewMut::from(&mut inverse))?;
/// assert_eq!(inverse, DMatrix::from_diagonal_element(3, 3, 0.5));
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<'a, T, R, C, S> From<&'a mut Matrix<T, R, C, S>> for ViewMut<'a, T>
where
    T: Scalar,
    R: Dim,
    C: Dim,
    S: RawStorageMut<T, R, C> + IsContiguous,
{
    fn from(matrix: &'a mut Matrix<T, R, C, S>) -> Self {
        let (rows, cols) = matrix.shape();
        ViewMut::canonical(matrix.as_mut_slice(), 1, rows, cols)
    }
}

impl<T: Scalar> Batch<T> {
    /// All matrices as nalgebra's of static size, R x C each, without a copy (feature `nalgebra`).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let a = Batch::from_fn(10, 4, 3, |b, i, j| ((b + i * i + 3 * j) as f64).cos())?;
    /// let svd = Engine::cpu().svd(&a).run()?;
    /// let (u, v) = (svd.u.as_smatrices::<4, 3>()?, svd.v.as_smatrices::<3, 3>()?);
    /// let sigma = svd.sigma.as_smatrices::<3, 1>()?;
    ///
    /// let again = u[5] * nalgebra::Matrix3::from_diagonal(&sigma[5]) * v[5].transpose();
    /// assert!((again - a.nalgebra(5)).norm() < 1e-14);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] unless the batch's matrices are R x C.
    pub fn as_smatrices<const R: usize, const C: usize>(
        &self,
    ) -> Result<&[SMatrix<T, R, C>], Error> {
        if (self.rows(), self.cols()) != (R, C) {
            return Err(Error::argument(format!(
                "matrices of {}x{} taken for matrices of {R}x{C}",
                self.rows(),
                self.cols()
            )));
        }
        if R * C == 0 {
            // No entries tell how many there are. A vector of matrices without entries owns no memory, so
            // none leaks.
            return Ok(zeros(self.count())?.leak());
        }
        Ok(bytemuck::cast_slice(self.as_slice()))
    }
}

impl<T: Scalar> Batch<T> {
    /// Matrix `index`, m x n, as nalgebra's, without a copy (feature `nalgebra`).
    ///
    /// ```
    /// use batched_svd::Batch;
    /// use nalgebra::matrix;
    ///
    /// let a = Batch::from_row_major(1, 2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
    /// assert_eq!(a.nalgebra(0), matrix![1.0, 2.0, 3.0; 4.0, 5.0, 6.0]);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `index` is not below [`count`](Self::count), as slices do.
    pub fn nalgebra(&self, index: usize) -> DMatrixView<'_, T> {
        DMatrixView::from_slice(self.matrix(index), self.rows(), self.cols())
    }
}

#[cfg(test)]
mod tests {
    use ::nalgebra::{DMatrix, DVector, Matrix3, RowDVector, Vector3};

    use super::*;
    use crate::{Engine, Options};

    fn entry(b: usize, i: usize, j: usize) -> f64 {
        (100 * b + 10 * i + j) as f64
    }

    fn shape<T: Scalar>(view: View<'_, T>) -> [usize; 3] {
        [view.count(), view.rows(), view.cols()]
    }

    #[test]
    fn static_matrices_are_a_batch_and_come_back() {
        let matrices: Vec<SMatrix<f64, 2, 3>> = (0..4)
            .map(|b| SMatrix::from_fn(|i, j| entry(b, i, j)))
            .collect();
        let view = View::from(&matrices);
        assert_eq!(shape(view), [4, 2, 3]);
        let batch = view.to_batch().unwrap();
        assert_eq!(batch, Batch::from_fn(4, 2, 3, entry).unwrap());
        assert_eq!(batch.as_smatrices::<2, 3>().unwrap(), matrices);
        assert_eq!(
            batch.as_smatrices::<2, 3>().unwrap().as_ptr().cast(),
            batch.as_slice().as_ptr()
        );
        assert_eq!(
            batch.as_smatrices::<3, 2>().unwrap_err(),
            Error::argument("matrices of 2x3 taken for matrices of 3x2")
        );
        assert_eq!(shape(View::from(&matrices[1..3])), [2, 2, 3]);
        assert_eq!(shape(View::from(&[Vector3::<f32>::zeros(); 5])), [5, 3, 1]);
    }

    #[test]
    fn matrices_without_entries_keep_their_count() {
        let none = [SMatrix::<f64, 0, 3>::zeros(); 5];
        assert_eq!(shape(View::from(&none)), [5, 0, 3]);
        let mut flat = vec![SMatrix::<f32, 2, 0>::zeros(); 4];
        assert_eq!(shape(View::from(&flat)), [4, 2, 0]);
        let out = ViewMut::from(&mut flat);
        assert_eq!([out.count(), out.rows(), out.cols()], [4, 2, 0]);
        let empty: [SMatrix<f64, 2, 3>; 0] = [];
        assert_eq!(shape(View::from(&empty)), [0, 2, 3]);

        for count in [0, 5, usize::MAX] {
            let batch = Batch::<f64>::zeros(count, 0, 3).unwrap();
            assert_eq!(batch.as_smatrices::<0, 3>().unwrap().len(), count);
            assert!(batch.as_smatrices::<3, 0>().is_err());
        }
        let batch = Batch::<f64>::zeros(0, 2, 3).unwrap();
        assert_eq!(batch.as_smatrices::<2, 3>().unwrap().len(), 0);

        assert_eq!(shape(View::from(&DMatrix::<f64>::zeros(0, 3))), [1, 0, 3]);
        assert_eq!(shape(View::from(&DMatrix::<f64>::zeros(3, 0))), [1, 3, 0]);
        for (rows, cols) in [(0, 0), (0, 3), (3, 0)] {
            let batch = Batch::<f64>::zeros(2, rows, cols).unwrap();
            assert_eq!(batch.nalgebra(1).shape(), (rows, cols));
        }
    }

    #[test]
    fn whole_matrices_are_a_batch_of_one_and_come_back() {
        let a = DMatrix::from_fn(3, 2, |i, j| entry(0, i, j));
        let view = View::from(&a);
        assert_eq!(view.contiguous(0).unwrap().as_ptr(), a.as_ptr());
        let batch = view.to_batch().unwrap();
        assert_eq!(batch, Batch::from_fn(1, 3, 2, entry).unwrap());
        assert_eq!(batch.nalgebra(0), a);
        assert_eq!(shape(View::from(&DVector::<f32>::zeros(4))), [1, 4, 1]);
        assert_eq!(shape(View::from(&RowDVector::<f32>::zeros(4))), [1, 1, 4]);
        assert_eq!(shape(View::from(&Matrix3::<f32>::zeros())), [1, 3, 3]);
        assert_eq!(View::from(&a.column(1)).get(0, 2, 0), Some(21.0));

        let two = Batch::from_fn(2, 3, 2, entry).unwrap();
        assert_eq!(two.nalgebra(1)[(2, 1)], 121.0);
        assert_eq!(two.nalgebra(1).as_ptr(), two.matrix(1).as_ptr());
    }

    #[test]
    #[should_panic(expected = "matrix 2 of a batch of 2")]
    fn only_matrices_of_the_batch_can_be_had() {
        Batch::<f64>::zeros(2, 3, 3).unwrap().nalgebra(2);
    }

    #[test]
    fn results_can_be_written_into_matrices() {
        fn write(mut out: ViewMut<'_, f64>, source: &Batch<f64>) {
            let shape = [source.count(), source.rows(), source.cols()];
            assert_eq!([out.count(), out.rows(), out.cols()], shape);
            out.assign(source.as_slice());
        }
        let source = Batch::from_fn(3, 2, 3, entry).unwrap();
        let mut matrices = [SMatrix::<f64, 2, 3>::zeros(); 3];
        write(ViewMut::from(&mut matrices), &source);
        assert_eq!(matrices, source.as_smatrices::<2, 3>().unwrap());
        let mut matrices = vec![SMatrix::<f64, 2, 3>::zeros(); 3];
        write(ViewMut::from(&mut matrices), &source);
        assert_eq!(matrices, source.as_smatrices::<2, 3>().unwrap());

        let source = Batch::from_fn(1, 2, 3, entry).unwrap();
        let mut matrix = DMatrix::zeros(2, 3);
        write(ViewMut::from(&mut matrix), &source);
        assert_eq!(matrix, source.nalgebra(0));
    }

    #[test]
    fn a_slice_of_matrices_is_decomposed_as_the_same_batch_is() {
        let value = |b: usize, i: usize, j: usize| ((b * b + 3 * i + 7 * j) as f32).sin();
        let matrices: Vec<SMatrix<f32, 5, 3>> = (0..37)
            .map(|b| SMatrix::from_fn(|i, j| value(b, i, j)))
            .collect();
        let batch = Batch::from_fn(37, 5, 3, value).unwrap();
        let (engine, options) = (Engine::cpu(), Options::default());
        let ours = engine.svd(&matrices).options(&options).run().unwrap();
        let expected = engine.svd(&batch).options(&options).run().unwrap();
        assert_eq!(ours.sigma, expected.sigma);
        assert_eq!(ours.u, expected.u);
        assert_eq!(ours.v, expected.v);

        let (u, v) = (ours.u, ours.v);
        let (u, v) = (
            u.as_smatrices::<5, 3>().unwrap(),
            v.as_smatrices::<3, 3>().unwrap(),
        );
        let sigma = ours.sigma.as_smatrices::<3, 1>().unwrap();
        for (b, a) in matrices.iter().enumerate() {
            let again = u[b] * Matrix3::from_diagonal(&sigma[b]) * v[b].transpose();
            assert!((again - a).norm() < 1e-5, "matrix {b}");
        }
    }
}
