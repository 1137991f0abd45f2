//! faer, a thread a matrix.

use ::faer::linalg::solvers::{Svd, SvdError};
use ::faer::{Mat, MatRef, Par};

use crate::cli::bench::case::Op;
use crate::cli::bench::contender::Contender;
use crate::cli::bench::peers::{Library, Number, Parts};

enum Solved<T> {
    Factors(Result<Svd<T>, SvdError>),
    Values(Result<Vec<T>, SvdError>),
    Inverse(Result<Mat<T>, SvdError>),
}

fn entries<T: Number>(a: MatRef<'_, T>) -> Vec<T> {
    (0..a.ncols())
        .flat_map(|j| (0..a.nrows()).map(move |i| a[(i, j)]))
        .collect()
}

fn said(error: &SvdError) -> String {
    format!("{error:?}")
}

pub(super) fn new<T: Number>() -> Box<dyn Contender<T>> {
    // The batch keeps the cores busy; threads within a matrix would be in its way.
    ::faer::set_global_parallelism(Par::Seq);
    Box::new(Library {
        name: "faer",
        takes: |_| true,
        load: |entries, m, n| Mat::from_fn(m, n, |i, j| entries[j * m + i]),
        solve: |a: &Mat<T>, op| match op {
            Op::Svd => Solved::Factors(a.thin_svd()),
            Op::Svdvals => Solved::Values(a.singular_values()),
            Op::Pinv => Solved::Inverse(a.thin_svd().map(|svd| svd.pseudoinverse())),
        },
        parts: |solved| {
            Ok(match solved {
                Solved::Factors(svd) => {
                    let svd = svd.as_ref().map_err(said)?;
                    let sigma = svd.S().column_vector();
                    let sigma = (0..sigma.nrows()).map(|i| sigma[i]).collect();
                    Parts::Factors(entries(svd.U()), sigma, entries(svd.V()))
                }
                Solved::Values(sigma) => Parts::Values(sigma.as_ref().map_err(said)?.clone()),
                Solved::Inverse(x) => Parts::Inverse(entries(x.as_ref().map_err(said)?.as_ref())),
            })
        },
        matrices: Vec::new(),
        results: Vec::new(),
        case: None,
    })
}
