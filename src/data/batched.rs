//! Results of many matrices that are parted again.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::report::Report;
use crate::data::scalar::Scalar;

/// Results of matrices, one after the other, that can be given to those who own a part of them.
pub trait Batched: Sized {
    /// The results of the first `counts[0]` matrices, of the next `counts[1]`, and so on.
    ///
    /// # Errors
    /// [`Error::Argument`] unless there are results of as many matrices as `counts` says.
    fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error>;
}

fn expect(held: usize, counts: &[usize]) -> Result<(), Error> {
    let asked = counts
        .iter()
        .fold(0usize, |sum, &count| sum.saturating_add(count));
    if asked == held {
        return Ok(());
    }
    Err(Error::argument(format!(
        "results of {held} matrices, but parts of {asked} in all were asked for"
    )))
}

impl<T: Scalar> Batched for Batch<T> {
    fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error> {
        expect(self.count(), counts)?;
        if counts.len() == 1 {
            return Ok(vec![self]);
        }
        let (rows, cols) = (self.rows(), self.cols());
        let mut rest = self.as_slice();
        // Nothing, where a product of dimensions may be beyond numbers.
        let size = rest.len() / self.count().max(1);
        let part = |&count: &usize| {
            let entries;
            (entries, rest) = rest.split_at(count * size);
            Batch::from_col_major(count, rows, cols, entries.to_vec())
        };
        counts.iter().map(part).collect()
    }
}

/// A number a matrix.
impl<N: Copy> Batched for Vec<N> {
    fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error> {
        expect(self.len(), counts)?;
        if counts.len() == 1 {
            return Ok(vec![self]);
        }
        let mut rest = self.as_slice();
        let part = |&count: &usize| {
            let numbers;
            (numbers, rest) = rest.split_at(count);
            numbers.to_vec()
        };
        Ok(counts.iter().map(part).collect())
    }
}

/// A result that was not asked for is `None` in every part.
impl<R: Batched> Batched for Option<R> {
    fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error> {
        match self {
            None => Ok(counts.iter().map(|_| None).collect()),
            Some(results) => Ok(results.split(counts)?.into_iter().map(Some).collect()),
        }
    }
}

/// Operations and seconds are shared out by the number of matrices.
impl Batched for Report {
    fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error> {
        let all = self.outcomes.len().max(1) as f64;
        let parts = self.outcomes.split(counts)?.into_iter();
        let mut first = 0;
        let part = |outcomes: Vec<_>| {
            let share = outcomes.len() as f64 / all;
            let before = first;
            first += outcomes.len();
            Report {
                shared: self
                    .shared
                    .map(|on_gpu| on_gpu.clamp(before, first) - before),
                outcomes,
                backend: self.backend,
                device: self.device.clone(),
                kernel: self.kernel,
                flops: self.flops * share,
                device_seconds: self.device_seconds.map(|seconds| seconds * share),
                device_error: self.device_error.clone(),
            }
        };
        Ok(parts.map(part).collect())
    }
}
