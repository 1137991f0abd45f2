//! Random matrices, symmetric or Hermitian where the operation wants them.

use batched_svd::{Batch, Error};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;

use crate::cli::bench::case::Case;
use crate::cli::bench::peers::Number;

/// Random normal matrices X, other ones for each case, with two independent parts if they are complex; or their symmetric
/// parts (X + X') / 2.
pub(crate) struct Source {
    seed: u64,
}

/// The matrices of a case, of which its measurements take the first: drawn once, since that takes longer than
/// many a measurement, and again only where more are needed.
pub(crate) struct Drawn<T: Number> {
    case: Case,
    batch: Batch<T>,
}

impl Source {
    pub fn new(seed: u64) -> Self {
        Source { seed }
    }

    pub fn draw<T: Number>(&mut self, case: &Case, count: usize) -> Result<Batch<T>, Error> {
        let mut batch = Batch::zeros(count, case.rows, case.cols)?;
        self.seed += 1;
        let seed = self.seed;
        batch
            .as_mut_slice()
            .par_chunks_mut(1 << 14)
            .enumerate()
            .for_each(|(index, chunk)| {
                let mut rng = StdRng::seed_from_u64((seed << 32) + index as u64);
                chunk.fill_with(|| T::normal(&mut rng));
            });
        if case.op.symmetric() {
            let n = case.cols;
            batch
                .as_mut_slice()
                .par_chunks_mut(n * n)
                .for_each(|matrix| symmetrise(matrix, n));
        }
        Ok(batch)
    }

    /// Nothing yet.
    pub fn of<T: Number>(case: &Case) -> Result<Drawn<T>, Error> {
        Ok(Drawn {
            case: *case,
            batch: Batch::zeros(0, case.rows, case.cols)?,
        })
    }
}

/// Replaces a matrix by its symmetric or Hermitian part.
fn symmetrise<T: Number>(matrix: &mut [T], n: usize) {
    let half = ::nalgebra::convert::<f64, T>(0.5);
    let conjugate = <T as ::nalgebra::ComplexField>::conjugate;
    for j in 0..n {
        for i in 0..j {
            let mean = half * (matrix[j * n + i] + conjugate(matrix[i * n + j]));
            (matrix[j * n + i], matrix[i * n + j]) = (mean, conjugate(mean));
        }
        matrix[j * n + j] = T::from_real(matrix[j * n + j].real());
    }
}

impl<T: Number> Drawn<T> {
    /// At least so many.
    pub fn least(&mut self, count: usize, source: &mut Source) -> Result<&Batch<T>, Error> {
        if self.batch.count() < count {
            self.batch = source.draw(&self.case, count)?;
        }
        Ok(&self.batch)
    }
}
