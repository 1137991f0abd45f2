//! Borrowed batches with strides: any order of entries, without a copy.

use std::ops::Range;

use crate::data::error::Error;
use crate::data::scalar::Scalar;

/// The placement of a batch in a slice: a shape, and for each axis how far apart neighbours lie.
///
/// Axes are (batch, row, column) throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    offset: usize,
    shape: [usize; 3],
    strides: [isize; 3],
}

impl Layout {
    fn canonical(count: usize, rows: usize, cols: usize) -> Self {
        // Saturating: only an empty batch has dimensions whose product does not fit.
        let size = rows.saturating_mul(cols).min(isize::MAX as usize);
        Layout {
            offset: 0,
            shape: [count, rows, cols],
            strides: [size as isize, 1, rows.min(isize::MAX as usize) as isize],
        }
    }

    fn row_major(count: usize, rows: usize, cols: usize) -> Self {
        Layout::canonical(count, cols, rows).transpose()
    }

    fn transpose(self) -> Self {
        let ([count, rows, cols], [b, r, c]) = (self.shape, self.strides);
        Layout {
            offset: self.offset,
            shape: [count, cols, rows],
            strides: [b, c, r],
        }
    }

    fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Checks that every entry lies in a slice of `len`.
    fn check(&self, len: usize) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let (mut low, mut high) = (self.offset as i128, self.offset as i128);
        for (&n, &stride) in self.shape.iter().zip(&self.strides) {
            // At most 2^64 * 2^63: the product of two fits, and so do sums of three.
            let reach = (n as i128 - 1).saturating_mul(stride as i128);
            if reach < 0 {
                low = low.saturating_add(reach);
            } else {
                high = high.saturating_add(reach);
            }
        }
        if low >= 0 && high < len as i128 {
            return Ok(());
        }
        Err(Error::argument(format!(
            "a view of {} matrices of {}x{} with strides {:?} from entry {} reaches entries {low} to {high}, but the slice holds {len}",
            self.shape[0], self.shape[1], self.shape[2], self.strides, self.offset
        )))
    }

    /// Checks that no two entries share a place: each stride steps over all that the smaller ones
    /// reach. (Sufficient, and true of every order that a sane caller writes to.)
    fn check_distinct(&self) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let mut axes: Vec<(u128, u128)> = self
            .shape
            .iter()
            .zip(&self.strides)
            .filter(|&(&n, _)| n > 1)
            .map(|(&n, &stride)| (stride.unsigned_abs() as u128, n as u128))
            .collect();
        axes.sort_unstable();
        let mut reach = 0u128;
        for (stride, n) in axes {
            if stride <= reach {
                return Err(Error::argument(format!(
                    "entries of the output overlap: shape {:?} with strides {:?}",
                    self.shape, self.strides
                )));
            }
            reach += stride * (n - 1);
        }
        Ok(())
    }

    fn is_canonical(&self) -> bool {
        let canonical = Layout::canonical(self.shape[0], self.shape[1], self.shape[2]);
        self.is_empty()
            || self
                .shape
                .iter()
                .zip(self.strides.iter().zip(&canonical.strides))
                .all(|(&n, (stride, expected))| n == 1 || stride == expected)
    }

    /// Where entry (i, j) of matrix b lies. In range for a checked layout and indices in the shape.
    fn at(&self, b: usize, i: usize, j: usize) -> usize {
        let [sb, sr, sc] = self.strides;
        (self.offset as isize + b as isize * sb + i as isize * sr + j as isize * sc) as usize
    }

    fn narrow(mut self, axis: usize, range: Range<usize>) -> Result<Self, Error> {
        let n = self.shape[axis];
        if range.start > range.end || range.end > n {
            let name = ["matrices", "rows", "columns"][axis];
            return Err(Error::argument(format!(
                "{name} {}..{} of a view that has {n}",
                range.start, range.end
            )));
        }
        self.shape[axis] = range.end - range.start;
        if !self.is_empty() {
            self.offset =
                (self.offset as isize + range.start as isize * self.strides[axis]) as usize;
        }
        Ok(self)
    }
}

/// A borrowed batch of `count` matrices of `rows` x `cols`, in any order of entries.
///
/// Strides may be zero (a broadcast matrix) or negative (a flipped one), and windows may overlap:
/// only a view that leaves its slice is an error.
///
/// ```
/// use batched_svd::View;
///
/// // Sliding windows: every 3x2 window of a series, as a batch, without a copy.
/// let series: Vec<f64> = (0..10).map(f64::from).collect();
/// let windows = View::new(&series, 0, [5, 3, 2], [1, 1, 3])?;
/// assert_eq!(windows.get(2, 1, 1), Some(6.0));
/// assert!(View::new(&series, 0, [6, 3, 2], [1, 1, 3]).is_err());
/// # Ok::<(), batched_svd::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct View<'a, T> {
    data: &'a [T],
    layout: Layout,
}

impl<T> std::fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [count, rows, cols] = self.layout.shape;
        write!(
            f,
            "View({count} of {rows}x{cols}, strides {:?})",
            self.layout.strides
        )
    }
}

impl<'a, T: Scalar> View<'a, T> {
    /// The same entries, if they are of this type.
    pub(crate) fn cast<U: Scalar>(self) -> Option<View<'a, U>> {
        (T::DTYPE == U::DTYPE).then(|| View {
            data: bytemuck::cast_slice(self.data),
            layout: self.layout,
        })
    }
}

impl<'a, T: Scalar> View<'a, T> {
    /// Entry (i, j) of matrix b is `data[offset + b*strides[0] + i*strides[1] + j*strides[2]]`.
    ///
    /// `shape` is (count, rows, cols).
    ///
    /// # Errors
    /// [`Error::Argument`] if an entry lies outside `data`.
    pub fn new(
        data: &'a [T],
        offset: usize,
        shape: [usize; 3],
        strides: [isize; 3],
    ) -> Result<Self, Error> {
        let layout = Layout {
            offset,
            shape,
            strides,
        };
        layout.check(data.len())?;
        Ok(View { data, layout })
    }

    /// Contiguous matrices, each column by column: the order of [`Batch`](crate::Batch).
    ///
    /// # Errors
    /// [`Error::Argument`] unless `data` holds exactly `count * rows * cols` entries.
    pub fn col_major(data: &'a [T], count: usize, rows: usize, cols: usize) -> Result<Self, Error> {
        check_len(data.len(), count, rows, cols)?;
        Ok(View::canonical(data, count, rows, cols))
    }

    /// Contiguous matrices, each row by row: the order of C and NumPy.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `data` holds exactly `count * rows * cols` entries.
    pub fn row_major(data: &'a [T], count: usize, rows: usize, cols: usize) -> Result<Self, Error> {
        check_len(data.len(), count, rows, cols)?;
        let layout = Layout::row_major(count, rows, cols);
        Ok(View { data, layout })
    }

    pub(crate) fn canonical(data: &'a [T], count: usize, rows: usize, cols: usize) -> Self {
        let layout = Layout::canonical(count, rows, cols);
        View { data, layout }
    }

    /// The number of matrices.
    pub fn count(&self) -> usize {
        self.layout.shape[0]
    }

    /// The rows of each matrix.
    pub fn rows(&self) -> usize {
        self.layout.shape[1]
    }

    /// The columns of each matrix.
    pub fn cols(&self) -> usize {
        self.layout.shape[2]
    }

    /// Every matrix transposed.
    pub fn transpose(self) -> Self {
        View {
            data: self.data,
            layout: self.layout.transpose(),
        }
    }

    /// The matrices of a range.
    ///
    /// # Errors
    /// [`Error::Argument`] if the range leaves the view.
    pub fn matrices(self, range: Range<usize>) -> Result<Self, Error> {
        let layout = self.layout.narrow(0, range)?;
        Ok(View { layout, ..self })
    }

    /// The same rows and columns of every matrix.
    ///
    /// # Errors
    /// [`Error::Argument`] if a range leaves the view.
    pub fn submatrix(self, rows: Range<usize>, cols: Range<usize>) -> Result<Self, Error> {
        let layout = self.layout.narrow(1, rows)?.narrow(2, cols)?;
        Ok(View { layout, ..self })
    }

    /// (count, rows, columns).
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.layout.shape
    }

    /// Entry (i, j) of matrix b, or `None` outside the shape.
    pub fn get(&self, b: usize, i: usize, j: usize) -> Option<T> {
        let [count, rows, cols] = self.layout.shape;
        (b < count && i < rows && j < cols).then(|| self.data[self.layout.at(b, i, j)])
    }

    /// Matrix `b`, where it lies in one piece, column by column.
    pub(crate) fn contiguous(&self, b: usize) -> Option<&'a [T]> {
        let [_, rows, cols] = self.layout.shape;
        let [_, down, right] = self.layout.strides;
        let fits = (rows == 1 || down == 1) && (cols == 1 || right == rows as isize);
        if !fits || rows == 0 || cols == 0 {
            return None;
        }
        Some(&self.data[self.layout.at(b, 0, 0)..][..rows * cols])
    }

    /// Some matrices from `first` on and the steps from row to row and from column to column, where
    /// they lie in one piece, each column by column or row by row.
    pub(crate) fn dense(&self, first: usize, count: usize) -> Option<(&'a [T], [usize; 2])> {
        let [_, rows, cols] = self.layout.shape;
        let [next, down, right] = self.layout.strides;
        let size = rows.checked_mul(cols)?;
        let step = |n: usize, stride: isize, expected: usize| n == 1 || stride == expected as isize;
        let steps = if step(rows, down, 1) && step(cols, right, rows) {
            [1, rows]
        } else if step(rows, down, cols) && step(cols, right, 1) {
            [cols, 1]
        } else {
            return None;
        };
        if self.layout.is_empty() || !step(count, next, size) {
            return None;
        }
        let start = self.layout.at(first, 0, 0);
        Some((&self.data[start..][..count * size], steps))
    }

    /// The entries of column j of matrix b, top to bottom.
    pub(crate) fn column(&self, b: usize, j: usize) -> impl Iterator<Item = T> + use<'a, T> {
        let (rows, column) = (self.layout.shape[1], self.column_of(b, j));
        (0..rows).map(move |i| column.at(i))
    }

    /// Column j of matrix b; of a matrix without rows, nothing may be asked.
    #[inline(always)]
    pub(crate) fn column_of(&self, b: usize, j: usize) -> Column<'a, T> {
        let start = match self.layout.shape[1] {
            0 => 0,
            _ => self.layout.at(b, 0, j) as isize,
        };
        Column {
            data: self.data,
            start,
            step: self.layout.strides[1],
        }
    }
}

/// A column of a view.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a, T> {
    data: &'a [T],
    start: isize,
    step: isize,
}

impl<T: Copy> Column<'_, T> {
    /// Entry i, which must be one of the column's.
    #[inline(always)]
    pub fn at(&self, i: usize) -> T {
        self.data[(self.start + i as isize * self.step) as usize]
    }
}

/// A borrowed batch to write results into, in any order of entries that does not overlap.
///
/// ```
/// use batched_svd::ViewMut;
///
/// let mut rows = vec![0.0f32; 2 * 3 * 4];
/// let out = ViewMut::row_major(&mut rows, 2, 3, 4)?; // two 3x4 matrices in C order
/// assert_eq!((out.count(), out.rows(), out.cols()), (2, 3, 4));
/// assert!(ViewMut::new(&mut rows, 0, [2, 3, 4], [0, 1, 3]).is_err()); // both in one place
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub struct ViewMut<'a, T> {
    data: &'a mut [T],
    layout: Layout,
}

impl<T> std::fmt::Debug for ViewMut<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [count, rows, cols] = self.layout.shape;
        write!(
            f,
            "ViewMut({count} of {rows}x{cols}, strides {:?})",
            self.layout.strides
        )
    }
}

impl<'a, T: Scalar> ViewMut<'a, T> {
    /// Entry (i, j) of matrix b is `data[offset + b*strides[0] + i*strides[1] + j*strides[2]]`.
    ///
    /// `shape` is (count, rows, cols).
    ///
    /// # Errors
    /// [`Error::Argument`] if an entry lies outside `data` or may share its place with another: each
    /// stride must step over all that the smaller ones reach.
    pub fn new(
        data: &'a mut [T],
        offset: usize,
        shape: [usize; 3],
        strides: [isize; 3],
    ) -> Result<Self, Error> {
        let layout = Layout {
            offset,
            shape,
            strides,
        };
        layout.check(data.len())?;
        layout.check_distinct()?;
        Ok(ViewMut { data, layout })
    }

    /// Contiguous matrices, each column by column: the order of [`Batch`](crate::Batch), written without a copy.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `data` holds exactly `count * rows * cols` entries.
    pub fn col_major(
        data: &'a mut [T],
        count: usize,
        rows: usize,
        cols: usize,
    ) -> Result<Self, Error> {
        check_len(data.len(), count, rows, cols)?;
        Ok(ViewMut::canonical(data, count, rows, cols))
    }

    /// Contiguous matrices, each row by row: the order of C and NumPy.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `data` holds exactly `count * rows * cols` entries.
    pub fn row_major(
        data: &'a mut [T],
        count: usize,
        rows: usize,
        cols: usize,
    ) -> Result<Self, Error> {
        check_len(data.len(), count, rows, cols)?;
        let layout = Layout::row_major(count, rows, cols);
        Ok(ViewMut { data, layout })
    }

    pub(crate) fn canonical(data: &'a mut [T], count: usize, rows: usize, cols: usize) -> Self {
        let layout = Layout::canonical(count, rows, cols);
        ViewMut { data, layout }
    }

    /// The number of matrices.
    pub fn count(&self) -> usize {
        self.layout.shape[0]
    }

    /// The rows of each matrix.
    pub fn rows(&self) -> usize {
        self.layout.shape[1]
    }

    /// The columns of each matrix.
    pub fn cols(&self) -> usize {
        self.layout.shape[2]
    }

    /// Every matrix transposed.
    pub fn transpose(self) -> Self {
        ViewMut {
            layout: self.layout.transpose(),
            data: self.data,
        }
    }

    /// The entries as one slice, if they lie in the canonical order without gaps.
    pub(crate) fn as_canonical(&mut self) -> Option<&mut [T]> {
        if !self.layout.is_canonical() {
            return None;
        }
        if self.layout.is_empty() {
            return Some(&mut []);
        }
        let len = self.layout.shape.iter().product::<usize>();
        self.data.get_mut(self.layout.offset..)?.get_mut(..len)
    }

    /// Takes over as many entries in the canonical order.
    pub(crate) fn assign(&mut self, source: &[T]) {
        let [count, rows, cols] = self.layout.shape;
        for b in 0..count {
            let matrix = &source[b * rows * cols..][..rows * cols];
            for j in 0..cols {
                for i in 0..rows {
                    self.data[self.layout.at(b, i, j)] = matrix[j * rows + i];
                }
            }
        }
    }
}

/// Arrays of arrays, as they are written: a matrix is an array of rows. No copy.
///
/// ```
/// use batched_svd::{Engine, View};
///
/// let a = [[[1.0f64, 0.0, 0.0], [0.0, 2.0, 0.0]], [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]];
/// assert_eq!(View::from(&a).get(0, 1, 1), Some(2.0));
/// let pinv = Engine::cpu().pinv(&a).run()?;
/// assert_eq!((pinv.inverse.count(), pinv.inverse.rows(), pinv.inverse.cols()), (2, 3, 2));
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<'a, T: Scalar, const R: usize, const C: usize> From<&'a [[[T; C]; R]]> for View<'a, T> {
    fn from(matrices: &'a [[[T; C]; R]]) -> Self {
        let entries = matrices.as_flattened().as_flattened();
        View::canonical(entries, matrices.len(), C, R).transpose()
    }
}

impl<'a, T: Scalar, const N: usize, const R: usize, const C: usize> From<&'a [[[T; C]; R]; N]>
    for View<'a, T>
{
    fn from(matrices: &'a [[[T; C]; R]; N]) -> Self {
        matrices.as_slice().into()
    }
}

impl<'a, T: Scalar, const R: usize, const C: usize> From<&'a Vec<[[T; C]; R]>> for View<'a, T> {
    fn from(matrices: &'a Vec<[[T; C]; R]>) -> Self {
        matrices.as_slice().into()
    }
}

pub(crate) fn check_len(len: usize, count: usize, rows: usize, cols: usize) -> Result<(), Error> {
    let expected = [count, rows, cols].iter().fold(1u128, |product, &factor| {
        product.saturating_mul(factor as u128)
    });
    if len as u128 == expected {
        return Ok(());
    }
    Err(Error::argument(format!(
        "{count} matrices of {rows}x{cols} take {expected} entries, but the slice holds {len}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::batch::Batch;

    #[test]
    fn only_a_view_that_leaves_its_slice_is_an_error() {
        let data = [0.0f32; 12];
        assert!(View::new(&data, 0, [1, 3, 4], [0, 1, 3]).is_ok());
        assert!(View::new(&data, 1, [1, 3, 4], [0, 1, 3]).is_err());
        assert!(View::new(&data, 11, [1, 3, 4], [0, -1, -3]).is_ok());
        assert!(View::new(&data, 10, [1, 3, 4], [0, -1, -3]).is_err());
        assert!(View::new(&data, 0, [usize::MAX, 3, 4], [0, 1, 3]).is_ok());
        assert!(View::new(&data, 0, [usize::MAX, 3, 4], [isize::MAX, 1, 3]).is_err());
        assert!(View::new(&data, usize::MAX, [0, 3, 4], [isize::MAX, 1, 3]).is_ok());
        assert!(View::new(&[0.0f32; 0], 0, [1, 1, 1], [0, 0, 0]).is_err());
    }

    #[test]
    fn lengths_are_checked_without_overflow() {
        assert!(View::<f64>::col_major(&[], usize::MAX, usize::MAX, 0).is_ok());
        assert!(View::<f64>::row_major(&[], usize::MAX, 0, usize::MAX).is_ok());
        assert!(View::<f64>::col_major(&[], usize::MAX, usize::MAX, usize::MAX).is_err());
        assert!(matches!(
            Batch::<f64>::zeros(usize::MAX, usize::MAX, 3),
            Err(Error::Memory { .. })
        ));
        assert!(Batch::<f64>::zeros(usize::MAX, usize::MAX, 0).is_ok());
        let error = View::col_major(&[0.0f32; 5], 1, 2, 3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 matrices of 2x3 take 6 entries, but the slice holds 5"
        );
    }

    #[test]
    fn outputs_may_not_overlap() {
        let mut data = [0.0f32; 24];
        assert!(ViewMut::new(&mut data, 0, [2, 3, 4], [12, 1, 3]).is_ok());
        assert!(ViewMut::new(&mut data, 0, [2, 3, 4], [1, 2, 6]).is_ok());
        assert!(ViewMut::new(&mut data, 0, [2, 3, 4], [6, 1, 3]).is_err());
        assert!(ViewMut::new(&mut data, 0, [1, 3, 4], [0, 1, 3]).is_ok());
        assert!(ViewMut::new(&mut data, 2, [1, 3, 4], [0, -1, 3]).is_ok());
    }

    #[test]
    fn parts_and_transposes_name_the_same_entries() {
        let batch = Batch::from_fn(3, 4, 5, |b, i, j| (100 * b + 10 * i + j) as f64).unwrap();
        let part = batch.view().matrices(1..3).unwrap();
        let part = part.submatrix(1..4, 2..4).unwrap().transpose();
        assert_eq!((part.count(), part.rows(), part.cols()), (2, 2, 3));
        assert_eq!(part.get(1, 1, 2), Some(233.0));
        assert_eq!(part.get(1, 2, 2), None);
        assert!(batch.view().matrices(2..4).is_err());
        assert!(batch.view().submatrix(0..5, 0..1).is_err());
    }

    #[test]
    fn a_row_major_output_is_the_transpose_of_a_canonical_one() {
        let batch = Batch::from_fn(2, 2, 3, |b, i, j| (100 * b + 10 * i + j) as f32).unwrap();
        let mut rows = [0.0; 12];
        let mut out = ViewMut::row_major(&mut rows, 2, 2, 3).unwrap();
        assert!(out.as_canonical().is_none());
        out.assign(batch.as_slice());
        assert_eq!(rows[..6], [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]);
        let mut out = ViewMut::row_major(&mut rows, 2, 2, 3).unwrap().transpose();
        assert!(out.as_canonical().is_some());
    }
}
