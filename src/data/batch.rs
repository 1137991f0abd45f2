//! Batches that own their entries, in the canonical order.

use std::fmt;
use std::ops::{Index, IndexMut};

use crate::data::error::{Error, product, zeros};
use crate::data::parallel;
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::Float;
use crate::data::view::{View, ViewMut, check_len};

/// Entries that a task copies at least.
const TASK: usize = 1 << 14;

/// `count` matrices of `rows` x `cols`, owned and contiguous.
///
/// **The canonical order**: matrix after matrix, and each matrix column by column
/// (column-major, as in LAPACK, nalgebra and faer). Entry (i, j) of matrix b is at
/// `b * rows * cols + j * rows + i`. One-sided Jacobi works on columns, so this is the order it
/// likes best; any other order is a [`View`] away, without a copy.
///
/// ```
/// use batched_svd::Batch;
///
/// // Two 2x2 matrices, written row by row as one reads them.
/// let a = Batch::from_row_major(2, 2, 2, &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])?;
/// assert_eq!(a.matrix(1), [5.0, 7.0, 6.0, 8.0]); // column by column
/// assert_eq!(a.view().get(1, 0, 1), Some(6.0));
/// # Ok::<(), batched_svd::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Batch<T> {
    data: Vec<T>,
    count: usize,
    rows: usize,
    cols: usize,
}

impl<T> std::fmt::Debug for Batch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} of {}x{})", self.count, self.rows, self.cols)
    }
}

impl<T: Scalar> Batch<T> {
    /// `count` zero matrices of `rows` x `cols`.
    ///
    /// # Errors
    /// [`Error::Memory`] if the host cannot hold them.
    pub fn zeros(count: usize, rows: usize, cols: usize) -> Result<Self, Error> {
        let len = product(&[count, rows, cols], size_of::<T>())?;
        Ok(Batch {
            data: zeros(len)?,
            count,
            rows,
            cols,
        })
    }

    /// Takes entries that are already in the canonical order.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `data` holds exactly `count * rows * cols` entries.
    pub fn from_col_major(
        count: usize,
        rows: usize,
        cols: usize,
        data: Vec<T>,
    ) -> Result<Self, Error> {
        check_len(data.len(), count, rows, cols)?;
        Ok(Batch {
            data,
            count,
            rows,
            cols,
        })
    }

    /// Copies entries given row by row, as in C and NumPy.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `data` holds exactly `count * rows * cols` entries.
    pub fn from_row_major(
        count: usize,
        rows: usize,
        cols: usize,
        data: &[T],
    ) -> Result<Self, Error> {
        View::row_major(data, count, rows, cols)?.to_batch()
    }

    /// Calls `f(b, i, j)` for entry (i, j) of matrix b.
    ///
    /// # Errors
    /// [`Error::Memory`] if the host cannot hold them.
    pub fn from_fn(
        count: usize,
        rows: usize,
        cols: usize,
        mut f: impl FnMut(usize, usize, usize) -> T,
    ) -> Result<Self, Error> {
        let mut batch = Self::zeros(count, rows, cols)?;
        if batch.data.is_empty() {
            return Ok(batch);
        }
        let mut entries = batch.data.iter_mut();
        for b in 0..count {
            for j in 0..cols {
                for (i, entry) in entries.by_ref().take(rows).enumerate() {
                    *entry = f(b, i, j);
                }
            }
        }
        Ok(batch)
    }

    /// The matrices of all views, one after the other, in one batch.
    ///
    /// All views have one shape, rows x cols; their counts, which may differ, add up. No views make 0
    /// matrices of 0x0.
    ///
    /// ```
    /// use batched_svd::{Batch, View};
    ///
    /// let first = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    /// let others = Batch::from_fn(2, 3, 2, |b, i, j| (10 * b + 2 * i + j) as f64)?;
    ///
    /// let all = Batch::concat(&[View::row_major(&first, 1, 3, 2)?, others.view()])?;
    /// assert_eq!((all.count(), all.rows(), all.cols()), (3, 3, 2));
    /// assert_eq!(all.matrix(0), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    /// assert_eq!(all.matrix(2), others.matrix(1));
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if the matrices of one view have another shape than those of the first, or if
    /// there are more than a `usize` can count; [`Error::Memory`] if the host cannot hold them.
    pub fn concat(views: &[View<'_, T>]) -> Result<Self, Error> {
        let Some(first) = views.first() else {
            return Self::zeros(0, 0, 0);
        };
        let (rows, cols) = (first.rows(), first.cols());
        let mut count = 0usize;
        for (index, view) in views.iter().enumerate() {
            if (view.rows(), view.cols()) != (rows, cols) {
                return Err(Error::argument(format!(
                    "view {index} has matrices of {}x{}, but view 0 of {rows}x{cols}",
                    view.rows(),
                    view.cols()
                )));
            }
            count = count.checked_add(view.count()).ok_or_else(|| {
                Error::argument(format!(
                    "more than {} matrices in {} views",
                    usize::MAX,
                    views.len()
                ))
            })?;
        }
        let mut batch = Self::zeros(count, rows, cols)?;
        if batch.data.is_empty() {
            return Ok(batch);
        }
        let mut places = batch.data.chunks_exact_mut(rows * cols);
        for view in views {
            for (b, place) in places.by_ref().take(view.count()).enumerate() {
                if let Some(matrix) = view.contiguous(b) {
                    place.copy_from_slice(matrix);
                    continue;
                }
                for (j, column) in place.chunks_exact_mut(rows).enumerate() {
                    for (entry, value) in column.iter_mut().zip(view.column(b, j)) {
                        *entry = value;
                    }
                }
            }
        }
        Ok(batch)
    }

    /// The number of matrices.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The rows of each matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns of each matrix.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All entries in the canonical order.
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// All entries in the canonical order, to write.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The entries in the canonical order, given up.
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }

    /// The `rows * cols` entries of matrix `index`, column by column.
    ///
    /// # Panics
    /// If `index` is not below [`count`](Self::count), as slices do.
    pub fn matrix(&self, index: usize) -> &[T] {
        assert!(
            index < self.count,
            "matrix {index} of a batch of {}",
            self.count
        );
        let size = self.rows * self.cols;
        &self.data[index * size..(index + 1) * size]
    }

    /// The matrices one after the other, each as its entries, column by column.
    ///
    /// ```
    /// use batched_svd::Batch;
    ///
    /// let a = Batch::from_fn(3, 2, 2, |b, i, j| (b + i * j) as f64)?;
    /// let traces: Vec<f64> = a.matrices().map(|entries| entries[0] + entries[3]).collect();
    /// assert_eq!(traces, [1.0, 3.0, 5.0]);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn matrices(&self) -> impl ExactSizeIterator<Item = &[T]> + '_ {
        (0..self.count).map(|index| self.matrix(index))
    }

    /// Where entry (i, j) of matrix b lies.
    fn at(&self, [b, i, j]: [usize; 3]) -> usize {
        assert!(
            b < self.count && i < self.rows && j < self.cols,
            "entry ({i}, {j}) of matrix {b}, but the batch has {} of {}x{}",
            self.count,
            self.rows,
            self.cols
        );
        (b * self.cols + j) * self.rows + i
    }

    /// Borrows the batch.
    pub fn view(&self) -> View<'_, T> {
        View::canonical(&self.data, self.count, self.rows, self.cols)
    }

    /// Borrows the batch to write into it.
    pub fn view_mut(&mut self) -> ViewMut<'_, T> {
        ViewMut::canonical(&mut self.data, self.count, self.rows, self.cols)
    }
}

/// `batch[[b, i, j]]` is entry (i, j) of matrix b. Panics outside the shape, as slices do.
impl<T: Scalar> Index<[usize; 3]> for Batch<T> {
    type Output = T;

    fn index(&self, at: [usize; 3]) -> &T {
        &self.data[self.at(at)]
    }
}

impl<T: Scalar> IndexMut<[usize; 3]> for Batch<T> {
    fn index_mut(&mut self, at: [usize; 3]) -> &mut T {
        let at = self.at(at);
        &mut self.data[at]
    }
}

/// Matrices, rows and columns that are shown of a large batch, half of them from its end.
const SHOWN: [usize; 2] = [4, 8];

/// The first and the last of so many, with none for those between.
fn shown(count: usize, most: usize) -> Vec<Option<usize>> {
    if count <= most {
        return (0..count).map(Some).collect();
    }
    let (first, last) = (0..most / 2, count - most / 2..count);
    let between = std::iter::once(None);
    first
        .map(Some)
        .chain(between)
        .chain(last.map(Some))
        .collect()
}

/// The numbers, row by row; of large batches the first and the last. `{:.2}` shows two decimals in place of four.
///
/// ```
/// use batched_svd::Batch;
///
/// let a = Batch::from_row_major(1, 2, 2, &[1.0f32, -2.5, 3.0, 400.0])?;
/// let lines = ["1 matrix of 2x2", "0:     1.0000    -2.5000", "       3.0000   400.0000", ""];
/// assert_eq!(a.to_string(), lines.join("\n"));
///
/// let z = Batch::from_row_major(1, 1, 1, &[batched_svd::Complex::new(0.5f32, -2.0)])?;
/// assert_eq!(z.to_string(), "1 matrix of 1x1\n0:     0.5000   -2.0000i\n");
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<T: Scalar> fmt::Display for Batch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(4);
        let plural = if self.count == 1 {
            "matrix"
        } else {
            "matrices"
        };
        writeln!(f, "{} {plural} of {}x{}", self.count, self.rows, self.cols)?;
        let [matrices, lines] = SHOWN;
        for b in shown(self.count, matrices) {
            let Some(b) = b else {
                writeln!(f, "...")?;
                continue;
            };
            let all = self.matrix(b).iter().map(|x| x.larger().f64());
            let largest = all.filter(|x| x.is_finite()).fold(0.0, f64::max);
            let exponents = largest >= 1e6 || (largest > 0.0 && largest < 1e-2);
            let head = format!("{b}:");
            for (line, i) in shown(self.rows, lines).into_iter().enumerate() {
                write!(
                    f,
                    "{:<width$}",
                    if line == 0 { &head } else { "" },
                    width = head.len()
                )?;
                let Some(i) = i else {
                    writeln!(f, " ...")?;
                    continue;
                };
                for j in shown(self.cols, lines) {
                    let Some(j) = j else {
                        write!(f, " ...")?;
                        continue;
                    };
                    let width = decimals + 7;
                    let parts = self[[b, i, j]].parts();
                    for (part, number) in parts.into_iter().enumerate().take(T::PARTS) {
                        // An imaginary part is a little closer to its real part.
                        let (number, width) = (number.f64(), width - part);
                        match exponents {
                            true => {
                                let width = width + 1;
                                write!(f, "{number:>width$.decimals$e}")?;
                            }
                            false => write!(f, "{number:>width$.decimals$}")?,
                        }
                        if part == 1 {
                            write!(f, "i")?;
                        }
                    }
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

impl<'a, T: Scalar> From<&'a Batch<T>> for View<'a, T> {
    fn from(batch: &'a Batch<T>) -> Self {
        batch.view()
    }
}

impl<'a, T: Scalar> From<&'a mut Batch<T>> for ViewMut<'a, T> {
    fn from(batch: &'a mut Batch<T>) -> Self {
        batch.view_mut()
    }
}

impl<T: Scalar> View<'_, T> {
    /// A copy in the canonical order.
    ///
    /// # Errors
    /// [`Error::Memory`] if the host cannot hold it.
    pub fn to_batch(&self) -> Result<Batch<T>, Error> {
        let [count, rows, cols] = [self.count(), self.rows(), self.cols()];
        let mut batch = Batch::zeros(count, rows, cols)?;
        let size = rows * cols;
        if size == 0 {
            return Ok(batch);
        }
        let some = (TASK / size).max(1);
        let tasks = batch.as_mut_slice().chunks_mut(some * size).enumerate();
        parallel::for_each(
            tasks.collect(),
            || (),
            |(), (task, to)| {
                for (own, to) in to.chunks_exact_mut(size).enumerate() {
                    for (j, to) in to.chunks_exact_mut(rows).enumerate() {
                        let column = self.column_of(task * some + own, j);
                        for (i, to) in to.iter_mut().enumerate() {
                            *to = column.at(i);
                        }
                    }
                }
            },
        );
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_batch_the_ends_are_shown() {
        let a = Batch::from_fn(9, 20, 12, |b, i, j| (b * i) as f32 * 10f32.powi(j as i32)).unwrap();
        let text = format!("{a:.1}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            (lines.len(), lines[0]),
            (1 + 4 * 9 + 1, "9 matrices of 20x12")
        );
        assert_eq!(lines[19], "...");
        assert_eq!(
            lines[1],
            "0:     0.0     0.0     0.0     0.0 ...     0.0     0.0     0.0     0.0"
        );
        assert_eq!(lines[5], "   ...");
        assert!(lines[37].ends_with("1.5e13"), "{}", lines[37]);
        assert_eq!(
            Batch::<f64>::zeros(2, 0, 3).unwrap().to_string(),
            "2 matrices of 0x3\n"
        );
    }

    #[test]
    #[should_panic(expected = "entry (2, 0) of matrix 1, but the batch has 2 of 2x3")]
    fn an_index_outside_the_shape_panics() {
        let _ = Batch::<f64>::zeros(2, 2, 3).unwrap()[[1, 2, 0]];
    }

    #[test]
    fn an_index_names_an_entry() {
        let mut a = Batch::from_fn(2, 2, 3, |b, i, j| (100 * b + 10 * i + j) as f64).unwrap();
        assert_eq!(a[[1, 1, 2]], 112.0);
        a[[1, 0, 2]] = -1.0;
        assert_eq!(a.matrix(1), [100.0, 110.0, 101.0, 111.0, -1.0, 112.0]);
        assert_eq!(a.matrices().len(), 2);
    }

    #[test]
    fn concatenation_keeps_matrices_in_order_whatever_their_layout() {
        let a = Batch::from_fn(2, 3, 2, |b, i, j| (100 * b + 10 * i + j) as f32).unwrap();
        let wide = Batch::from_fn(2, 2, 3, |b, i, j| (1000 * b + 10 * i + j) as f32).unwrap();
        let entry = [7.0f32];
        let views = [
            a.view().matrices(1..2).unwrap(),
            wide.view().transpose(),
            a.view().matrices(2..2).unwrap(),
            View::new(&entry, 0, [2, 3, 2], [0, 0, 0]).unwrap(),
            a.view(),
        ];
        let all = Batch::concat(&views).unwrap();
        assert_eq!((all.count(), all.rows(), all.cols()), (7, 3, 2));
        assert_eq!(all.matrix(0), a.matrix(1));
        assert_eq!(all.matrix(1), [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]);
        assert_eq!(
            all.matrix(2),
            [1000.0, 1001.0, 1002.0, 1010.0, 1011.0, 1012.0]
        );
        assert_eq!(all.matrix(3), [7.0; 6]);
        assert_eq!(all.matrix(4), [7.0; 6]);
        assert_eq!(all.matrix(5), a.matrix(0));
        assert_eq!(all.matrix(6), a.matrix(1));
    }

    #[test]
    fn concatenation_of_nothing_and_of_empty_matrices() {
        let none = Batch::<f64>::concat(&[]).unwrap();
        assert_eq!((none.count(), none.rows(), none.cols()), (0, 0, 0));
        let empty = Batch::<f64>::zeros(2, 0, 5).unwrap();
        let all = Batch::concat(&[empty.view(), empty.view()]).unwrap();
        assert_eq!((all.count(), all.rows(), all.cols()), (4, 0, 5));
        let most = Batch::<f64>::zeros(usize::MAX, 0, 5).unwrap();
        let error = Batch::concat(&[most.view(), most.view()]).unwrap_err();
        assert!(matches!(error, Error::Argument(_)), "{error}");
    }

    #[test]
    fn concatenation_takes_one_shape_only() {
        let (a, b) = (
            Batch::<f64>::zeros(1, 3, 2).unwrap(),
            Batch::<f64>::zeros(1, 2, 3).unwrap(),
        );
        assert_eq!(
            Batch::concat(&[a.view(), a.view(), b.view()]).unwrap_err(),
            Error::argument("view 2 has matrices of 2x3, but view 0 of 3x2")
        );
        // A view without matrices has a shape too.
        let none = b.view().matrices(0..0).unwrap();
        assert!(Batch::concat(&[none, a.view()]).is_err());
    }
}
