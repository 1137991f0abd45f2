//! What a command computed, on its way to files.

use std::path::PathBuf;

use batched_svd::{Batch, Batched, Error, Outcome, Report, Scalar, Status};

use crate::cli::entry::Written;
use crate::cli::judge::Residual;
use crate::cli::npy::Data;
use crate::cli::spread::Spread;

/// What a command computed, as plain data.
pub(crate) struct Computed {
    pub outputs: Vec<Output>,
    pub residuals: Vec<Residual>,
    /// Of the matrices whose singular values are known, if any are.
    pub spreads: Option<Vec<Spread>>,
    pub report: Report,
}

/// Whether the results of a matrix that ended so are NaN.
pub(crate) fn is_nan(status: Status) -> bool {
    matches!(status, Status::NonFinite | Status::NotDefinite)
}

/// Where an output goes.
#[derive(Clone)]
pub(crate) enum Place {
    /// To the output file itself.
    File,
    /// To a file of this name in the output folder.
    In(&'static str),
    /// To a file besides.
    Beside(PathBuf),
}

/// What the last dimension of an output is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Own,
    /// The right-hand sides: missing where these are vectors.
    Sides,
    /// The largest rank of an array's matrices.
    Ranks,
}

/// Entries matrix by matrix, in C order.
pub(crate) struct Output {
    pub place: Place,
    /// The dimensions that follow those of the stack.
    pub own: Vec<usize>,
    pub last: Last,
    pub data: Data,
}

impl Output {
    pub fn new(place: Place, own: &[usize], data: Data) -> Self {
        Output {
            place,
            own: own.to_vec(),
            last: Last::Own,
            data,
        }
    }

    /// Matrices.
    pub fn matrices<T: Written>(place: Place, batch: &Batch<T>) -> Result<Self, Error> {
        let own = [batch.rows(), batch.cols()];
        let by_rows = batch.view().transpose().to_batch()?;
        Ok(Output::new(place, &own, T::data(by_rows.into_vec())))
    }

    /// The adjoints of matrices, row by row: as they lie, and conjugated.
    pub fn adjoints<T: Written>(place: Place, batch: Batch<T>) -> Self {
        let own = [batch.cols(), batch.rows()];
        Output::new(place, &own, T::data(conjugated(batch).into_vec()))
    }

    /// A vector a matrix.
    pub fn vectors<T: Written>(place: Place, batch: Batch<T>) -> Self {
        let own = [batch.rows()];
        Output::new(place, &own, T::data(batch.into_vec()))
    }

    pub fn last(mut self, last: Last) -> Self {
        self.last = last;
        self
    }

    /// The parts of arrays whose largest ranks are these.
    fn split(self, counts: &[usize], ranks: &[usize]) -> Result<Vec<Output>, Error> {
        let size = self.own.iter().product::<usize>();
        let entries: Vec<usize> = counts.iter().map(|count| count * size).collect();
        let parts = self.data.split(&entries)?.into_iter().zip(ranks);
        let part = |(data, &rank): (Data, &usize)| {
            let mut part = Output {
                data,
                own: self.own.clone(),
                place: self.place.clone(),
                last: self.last,
            };
            if let (Last::Ranks, Some(cols)) = (part.last, part.own.last_mut()) {
                let rank = rank.min(*cols);
                part.data = part.data.narrowed(*cols, rank);
                *cols = rank;
            }
            part
        };
        Ok(parts.map(part).collect())
    }
}

/// The conjugates of all entries.
pub(crate) fn conjugated<T: Scalar>(mut batch: Batch<T>) -> Batch<T> {
    if T::DTYPE.is_complex() {
        let entries = batch.as_mut_slice().iter_mut();
        entries.for_each(|entry| *entry = entry.conjugate());
    }
    batch
}

/// The adjoints of matrices: their transposes, if they are real.
pub(crate) fn adjoint<T: Scalar>(batch: &Batch<T>) -> Result<Batch<T>, Error> {
    Ok(conjugated(batch.view().transpose().to_batch()?))
}

/// The largest number of singular values that count. Where results are NaN, one is left to say so.
fn largest_rank(outcomes: &[Outcome]) -> usize {
    let rank = |outcome: &Outcome| match is_nan(outcome.status) {
        true => 1,
        false => outcome.rank as usize,
    };
    outcomes.iter().map(rank).max().unwrap_or(0)
}

/// Zeros in place of the columns that do not count: one matrix has as many as another.
pub(crate) fn cleared<T: Scalar>(mut batch: Batch<T>, outcomes: &[Outcome]) -> Batch<T> {
    let (rows, size) = (batch.rows(), batch.rows() * batch.cols());
    if size > 0 {
        let matrices = batch.as_mut_slice().chunks_exact_mut(size).zip(outcomes);
        for (matrix, outcome) in matrices.filter(|(_, o)| !is_nan(o.status)) {
            matrix[(outcome.rank as usize * rows).min(size)..].fill(T::default());
        }
    }
    batch
}

/// The first columns of every matrix, as many as there are of these.
pub(crate) fn leading<T: Scalar>(batch: Batch<T>, cols: usize) -> Result<Batch<T>, Error> {
    if batch.cols() <= cols {
        return Ok(batch);
    }
    batch.view().submatrix(0..batch.rows(), 0..cols)?.to_batch()
}

impl Batched for Computed {
    fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error> {
        let reports = self.report.split(counts)?.into_iter();
        let spreads = self.spreads.split(counts)?.into_iter();
        let mut parts: Vec<Computed> = reports
            .zip(spreads)
            .map(|(report, spreads)| Computed {
                outputs: Vec::new(),
                residuals: Vec::new(),
                spreads,
                report,
            })
            .collect();
        let ranks = parts.iter().map(|part| largest_rank(&part.report.outcomes));
        let ranks: Vec<usize> = ranks.collect();
        for output in self.outputs {
            for (part, output) in parts.iter_mut().zip(output.split(counts, &ranks)?) {
                part.outputs.push(output);
            }
        }
        for residual in self.residuals {
            for (part, residual) in parts.iter_mut().zip(residual.split(counts)?) {
                part.residuals.push(residual);
            }
        }
        Ok(parts)
    }
}
