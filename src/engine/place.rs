//! Where results go in the host's memory, and their shapes.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::factor::Factor;
use crate::data::scalar::Scalar;
use crate::data::view::ViewMut;
use crate::planner::Job;

/// Slices in the canonical order for whatever a call may write, as the caller names them.
pub(crate) struct Places<'a, T: Scalar> {
    pub u: &'a mut [T],
    pub sigma: &'a mut [T::Real],
    pub v: &'a mut [T],
    pub composed: &'a mut [T],
}

/// A place of the caller's: written directly where it is in the canonical order, else through a
/// batch that is copied at the end.
pub(crate) struct Place<'p, 'a, T> {
    view: &'p mut ViewMut<'a, T>,
    through: Option<Batch<T>>,
}

impl<'p, 'a, T: Scalar> Place<'p, 'a, T> {
    pub fn new(view: &'p mut ViewMut<'a, T>) -> Result<Self, Error> {
        let through = match view.as_canonical() {
            Some(_) => None,
            None => Some(Batch::zeros(view.count(), view.rows(), view.cols())?),
        };
        Ok(Place { view, through })
    }

    pub fn slice(&mut self) -> &mut [T] {
        if let Some(through) = &mut self.through {
            return through.as_mut_slice();
        }
        self.view.as_canonical().unwrap_or_default()
    }

    pub fn finish(self) {
        if let Some(through) = self.through {
            self.view.assign(through.as_slice());
        }
    }
}

/// The shape of compositions.
pub(crate) fn composed_shape([count, rows, cols]: [usize; 3], job: &Job) -> [usize; 3] {
    let (left, right) = job.composed.unwrap_or((Factor::V, Factor::U));
    let [left, right] = [left, right].map(|factor| factor.length([rows, cols]));
    [count, left, right]
}

/// Whether right-hand sides, by their number and rows, belong to matrices.
pub(crate) fn fit_rhs(a: [usize; 2], b: [usize; 2]) -> Result<(), Error> {
    if a == b {
        return Ok(());
    }
    let ([count, rows], [b_count, b_rows]) = (a, b);
    Err(Error::argument(format!(
        "{b_count} right-hand sides of {b_rows} rows, but there are {count} matrices of {rows} rows"
    )))
}

pub(crate) fn fits<T: Scalar>(
    name: &str,
    place: &ViewMut<'_, T>,
    shape: [usize; 3],
) -> Result<(), Error> {
    let [count, rows, cols] = shape;
    if [place.count(), place.rows(), place.cols()] == shape {
        return Ok(());
    }
    Err(Error::argument(format!(
        "the place for {name} is {} matrices of {}x{}, but the result is {count} of {rows}x{cols}",
        place.count(),
        place.rows(),
        place.cols()
    )))
}
