//! ndarray: arrays of three axes as batches, of two as one matrix, and batches as arrays of three.

use ::ndarray::{Array2, Array3, ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::scalar::Scalar;
use crate::data::view::{View, ViewMut};

/// How the entries of an array lie in the slice of all of them, which begins where the lowest lies.
struct Placement {
    offset: usize,
    shape: [usize; 3],
    strides: [isize; 3],
}

impl Placement {
    fn of(shape: &[usize], strides: &[isize]) -> Self {
        let (shape, strides) = (
            [shape[0], shape[1], shape[2]],
            [strides[0], strides[1], strides[2]],
        );
        // Entry (0, 0, 0) is the last along an axis that runs backwards.
        let offset = shape
            .iter()
            .zip(&strides)
            .filter(|&(&n, &stride)| n > 1 && stride < 0)
            .map(|(&n, &stride)| (n - 1) * stride.unsigned_abs())
            .sum();
        Placement {
            offset,
            shape,
            strides,
        }
    }

    fn scattered(&self, remedy: &str) -> Error {
        Error::argument(format!(
            "an array of shape {:?} with strides {:?} does not lie in one piece: {remedy}",
            self.shape, self.strides
        ))
    }
}

/// Axes (matrix, row, column), without a copy, if the array's entries lie in one piece: in any order of
/// axes, inverted or not, or repeated by a broadcast.
///
/// # Errors
/// [`Error::Argument`] if there are gaps between the entries, as in a window of a larger array: copy it
/// with `to_owned`, or take the view of the whole and then [`View::matrices`] and [`View::submatrix`].
///
/// ```
/// use batched_svd::{Engine, View};
/// use ndarray::{Array3, s};
///
/// let a = Array3::from_shape_fn((100, 4, 3), |(b, i, j)| ((b + 3 * i + 5 * j) as f32).sin());
/// let svd = Engine::cpu().svd(View::try_from(&a)?).run()?;
/// assert_eq!(svd.sigma.ndarray().shape(), [100, 3, 1]);
///
/// let transposed = View::try_from(a.view().permuted_axes([0, 2, 1]))?;
/// assert_eq!((transposed.count(), transposed.rows(), transposed.cols()), (100, 3, 4));
/// assert!(View::try_from(a.slice(s![.., 1..3, ..])).is_err());
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<'a, T: Scalar> TryFrom<ArrayView3<'a, T>> for View<'a, T> {
    type Error = Error;

    fn try_from(array: ArrayView3<'a, T>) -> Result<Self, Error> {
        let place = Placement::of(array.shape(), array.strides());
        if array.is_empty() {
            let [count, rows, cols] = place.shape;
            return Ok(View::canonical(&[], count, rows, cols));
        }
        // A broadcast axis repeats what its first entry holds.
        let mut once = array;
        for (axis, &stride) in place.strides.iter().enumerate() {
            if stride == 0 {
                once.collapse_axis(Axis(axis), 0);
            }
        }
        let data = once
            .to_slice_memory_order()
            .ok_or_else(|| place.scattered("copy it (to_owned)"))?;
        View::new(data, place.offset, place.shape, place.strides)
    }
}

/// Axes (matrix, row, column), to write into, without a copy, if the array's entries lie in one piece.
///
/// # Errors
/// [`Error::Argument`] if there are gaps between the entries, as in a window of a larger array.
///
/// ```
/// use batched_svd::{Engine, View, ViewMut};
/// use ndarray::Array3;
///
/// let a = Array3::from_shape_fn((100, 4, 3), |(b, i, j)| ((b + 3 * i + 5 * j) as f64).sin());
/// let mut inverses = Array3::zeros((100, 3, 4)); // in C order, as all arrays by default
/// let out = ViewMut::try_from(inverses.view_mut())?;
/// Engine::cpu().pinv(View::try_from(&a)?).run_into(out)?;
/// assert!(inverses.iter().any(|&x| x != 0.0));
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<'a, T: Scalar> TryFrom<ArrayViewMut3<'a, T>> for ViewMut<'a, T> {
    type Error = Error;

    fn try_from(array: ArrayViewMut3<'a, T>) -> Result<Self, Error> {
        let place = Placement::of(array.shape(), array.strides());
        if array.is_empty() {
            let [count, rows, cols] = place.shape;
            return Ok(ViewMut::canonical(&mut [], count, rows, cols));
        }
        let Some(data) = array.into_slice_memory_order() else {
            return Err(place.scattered("write into an array of its own and assign that"));
        };
        ViewMut::new(data, place.offset, place.shape, place.strides)
    }
}

/// One matrix, axes (row, column), without a copy, if the array's entries lie in one piece.
///
/// # Errors
/// [`Error::Argument`] if there are gaps between the entries.
impl<'a, T: Scalar> TryFrom<ArrayView2<'a, T>> for View<'a, T> {
    type Error = Error;

    fn try_from(array: ArrayView2<'a, T>) -> Result<Self, Error> {
        View::try_from(array.insert_axis(Axis(0)))
    }
}

/// One matrix to write into, axes (row, column), without a copy, if the array's entries lie in one piece.
///
/// # Errors
/// [`Error::Argument`] if there are gaps between the entries.
impl<'a, T: Scalar> TryFrom<ArrayViewMut2<'a, T>> for ViewMut<'a, T> {
    type Error = Error;

    fn try_from(array: ArrayViewMut2<'a, T>) -> Result<Self, Error> {
        ViewMut::try_from(array.insert_axis(Axis(0)))
    }
}

macro_rules! owned {
    ($array:ident, $what:literal) => {
        #[doc = $what]
        /// without a copy, if the array's entries lie in one piece: they do, unless it was cut to a part.
        ///
        /// # Errors
        /// [`Error::Argument`] if there are gaps between the entries.
        impl<'a, T: Scalar> TryFrom<&'a $array<T>> for View<'a, T> {
            type Error = Error;

            fn try_from(array: &'a $array<T>) -> Result<Self, Error> {
                View::try_from(array.view())
            }
        }

        #[doc = $what]
        /// to write into, without a copy, if the array's entries lie in one piece: they do, unless it was
        /// cut to a part.
        ///
        /// # Errors
        /// [`Error::Argument`] if there are gaps between the entries.
        impl<'a, T: Scalar> TryFrom<&'a mut $array<T>> for ViewMut<'a, T> {
            type Error = Error;

            fn try_from(array: &'a mut $array<T>) -> Result<Self, Error> {
                ViewMut::try_from(array.view_mut())
            }
        }
    };
}

owned!(Array3, "Axes (matrix, row, column),");
owned!(Array2, "One matrix, axes (row, column),");

impl<T: Scalar> Batch<T> {
    /// The batch as ndarray's array with axes (matrix, row, column), without a copy (feature `ndarray`).
    ///
    /// Each matrix lies column by column: strides (m n, 1, m).
    ///
    /// ```
    /// use batched_svd::Batch;
    ///
    /// let a = Batch::from_fn(2, 3, 4, |b, i, j| (100 * b + 10 * i + j) as f64)?;
    /// let array = a.ndarray();
    /// assert_eq!(array.shape(), [2, 3, 4]);
    /// assert_eq!(array[[1, 2, 3]], 123.0);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the batch has no entries, but dimensions that no array can have: without those that are 0,
    /// their product is more than [`isize::MAX`].
    pub fn ndarray(&self) -> ArrayView3<'_, T> {
        let shape = (self.count(), self.cols(), self.rows());
        ArrayView3::from_shape(shape, self.as_slice())
            .unwrap_or_else(|error| panic!("{self:?} as an array: {error}"))
            .permuted_axes([0, 2, 1])
    }
}

#[cfg(test)]
mod tests {
    use ::ndarray::{Array3, ShapeBuilder, s};

    use super::*;
    use crate::{Engine, Options};

    fn array(shape: [usize; 3]) -> Array3<f64> {
        Array3::from_shape_fn(shape, |(b, i, j)| (100 * b + 10 * i + j) as f64)
    }

    /// Entry by entry the same.
    fn assert_same(view: View<'_, f64>, array: ArrayView3<'_, f64>) {
        let shape = [view.count(), view.rows(), view.cols()];
        assert_eq!(array.shape(), shape);
        for ((b, i, j), &value) in array.indexed_iter() {
            assert_eq!(
                view.get(b, i, j),
                Some(value),
                "({b}, {i}, {j}) of {view:?}"
            );
        }
    }

    const ORDERS: [[usize; 3]; 6] = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];

    /// Every order of axes, each with every choice of inverted ones, of a full array of that shape.
    fn layouts(shape: [usize; 3], mut check: impl FnMut(ArrayViewMut3<'_, f64>)) {
        for order in ORDERS {
            for inverted in 0..8 {
                let mut whole = array(shape);
                let mut part = whole.view_mut().permuted_axes(order);
                for axis in (0..3).filter(|axis| inverted >> axis & 1 == 1) {
                    part.invert_axis(Axis(axis));
                }
                check(part);
            }
        }
    }

    #[test]
    fn every_array_in_one_piece_is_a_view_without_a_copy() {
        for shape in [
            [2, 3, 4],
            [1, 3, 4],
            [2, 1, 4],
            [2, 3, 1],
            [1, 1, 4],
            [1, 1, 1],
            [0, 3, 4],
            [2, 0, 4],
            [2, 3, 0],
            [0, 0, 0],
        ] {
            layouts(shape, |part| {
                assert_same(View::try_from(part.view()).unwrap(), part.view());
            });
        }
    }

    #[test]
    fn every_array_in_one_piece_can_be_written_into() {
        for shape in [[2, 3, 4], [1, 3, 4], [2, 1, 4], [2, 3, 1], [2, 0, 4]] {
            layouts(shape, |mut part| {
                let [count, rows, cols] = [0, 1, 2].map(|axis| part.shape()[axis]);
                let source =
                    Batch::from_fn(count, rows, cols, |b, i, j| (b + 7 * i + 49 * j) as f64)
                        .unwrap();
                ViewMut::try_from(part.view_mut())
                    .unwrap()
                    .assign(source.as_slice());
                assert_same(source.view(), part.view());
            });
        }
    }

    #[test]
    fn broadcast_axes_repeat_a_matrix() {
        let one = array([1, 3, 4]);
        let many = one.broadcast((5, 3, 4)).unwrap();
        assert_same(View::try_from(many).unwrap(), many);
        let row = array([1, 1, 4]);
        let many = row.broadcast((5, 3, 4)).unwrap();
        assert_same(View::try_from(many).unwrap(), many);
    }

    #[test]
    fn windows_must_be_copied() {
        let mut whole = array([3, 4, 5]);
        let window = whole.slice(s![.., 1..3, ..]);
        assert_eq!(
            View::try_from(window).unwrap_err(),
            Error::argument(
                "an array of shape [3, 2, 5] with strides [20, 5, 1] does not lie in one piece: copy it (to_owned)"
            )
        );
        let copy = window.to_owned();
        assert_same(View::try_from(&copy).unwrap(), window);
        assert!(View::try_from(whole.slice(s![.., .., ..;2])).is_err());
        assert!(View::try_from(whole.slice(s![.., .., ..;-2])).is_err());
        assert!(ViewMut::try_from(whole.slice_mut(s![.., .., 1..])).is_err());
        // A window with no entries has no gaps, and neither has one over whole matrices.
        let none = whole.slice(s![.., 1..1, 2..4]);
        assert_same(View::try_from(none).unwrap(), none);
        let last = whole.slice(s![1.., .., ..]);
        assert_same(View::try_from(last).unwrap(), last);
        // Cut to a part, an array that owns its entries keeps the gaps.
        whole.slice_collapse(s![.., .., 1..3]);
        assert!(View::try_from(&whole).is_err());
    }

    #[test]
    fn two_axes_are_one_matrix() {
        let mut whole = array([2, 3, 4]);
        let matrix = whole.index_axis(Axis(0), 1);
        let view = View::try_from(matrix.t()).unwrap();
        assert_same(view, matrix.t().insert_axis(Axis(0)));
        let owned = matrix.to_owned();
        assert_same(View::try_from(&owned).unwrap(), matrix.insert_axis(Axis(0)));
        let source = Batch::from_fn(1, 3, 4, |_, i, j| (7 * i + j) as f64).unwrap();
        let place = whole.index_axis_mut(Axis(0), 0);
        ViewMut::try_from(place).unwrap().assign(source.as_slice());
        assert_eq!(whole[[0, 2, 3]], 17.0);
        let mut out = Array2::zeros((3, 4));
        ViewMut::try_from(&mut out)
            .unwrap()
            .assign(source.as_slice());
        assert_eq!(out, source.ndarray().index_axis(Axis(0), 0));
    }

    #[test]
    fn batches_are_arrays_without_a_copy() {
        for shape in [
            [2, 3, 4],
            [2, 1, 4],
            [2, 3, 1],
            [0, 3, 4],
            [2, 0, 4],
            [2, 3, 0],
        ] {
            let [count, rows, cols] = shape;
            let batch =
                Batch::from_fn(count, rows, cols, |b, i, j| (100 * b + 10 * i + j) as f64).unwrap();
            assert_eq!(batch.ndarray(), array(shape));
            assert_eq!(batch.ndarray().as_ptr(), batch.as_slice().as_ptr());
            let back = View::try_from(batch.ndarray()).unwrap();
            assert_eq!(back.to_batch().unwrap(), batch);
        }
    }

    #[test]
    fn an_array_is_decomposed_as_the_same_batch_is() {
        let value = |b: usize, i: usize, j: usize| ((b * b + 3 * i + 7 * j) as f32).sin();
        let arrays = [
            Array3::from_shape_fn((37, 5, 3), |(b, i, j)| value(b, i, j)),
            Array3::from_shape_fn((37, 5, 3).f(), |(b, i, j)| value(b, i, j)),
        ];
        let batch = Batch::from_fn(37, 5, 3, value).unwrap();
        let (engine, options) = (Engine::cpu(), Options::default());
        let expected = engine.svd(&batch).options(&options).run().unwrap();
        for array in &arrays {
            let view = View::try_from(array).unwrap();
            let ours = engine.svd(view).options(&options).run().unwrap();
            assert_eq!(ours.sigma, expected.sigma);
            assert_eq!(ours.u, expected.u);
            assert_eq!(ours.v, expected.v);
        }
        let [mut u, mut sigma, mut v] =
            [(5, 3), (3, 1), (3, 3)].map(|(m, n)| Array3::<f32>::zeros((37, m, n)));
        engine
            .svd(View::try_from(&arrays[0]).unwrap())
            .options(&options)
            .run_into((
                ViewMut::try_from(&mut u).unwrap(),
                ViewMut::try_from(&mut sigma).unwrap(),
                ViewMut::try_from(&mut v).unwrap(),
            ))
            .unwrap();
        assert_eq!(u, expected.u.ndarray());
        assert_eq!(sigma, expected.sigma.ndarray());
        assert_eq!(v, expected.v.ndarray());
    }
}
