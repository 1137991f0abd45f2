//! faer, a thread a matrix.

use std::fmt::Debug;

use ::faer::diag::DiagRef;
use ::faer::linalg::solvers::{SelfAdjointEigen, Svd};
use ::faer::{Mat, MatRef, Par, Side};
use ::nalgebra::ComplexField;

use crate::cli::bench::case::Op;
use crate::cli::bench::contender::Contender;
use crate::cli::bench::peers::{Entries, Library, Number, Part};

enum Solved<T: Number> {
    Factors(Svd<T>),
    Values(Vec<Part<T>>),
    Inverse(Mat<T>),
    Eigen(SelfAdjointEigen<T>),
}

fn entries<T: Number>(a: MatRef<'_, T>) -> Vec<T> {
    (0..a.ncols())
        .flat_map(|j| (0..a.nrows()).map(move |i| a[(i, j)]))
        .collect()
}

fn diagonal<T: Number>(values: DiagRef<'_, T>) -> Vec<Part<T>> {
    let values = entries(values.column_vector().as_mat());
    values.into_iter().map(ComplexField::real).collect()
}

fn said(error: impl Debug) -> String {
    format!("{error:?}")
}

pub(super) fn new<T: Number>() -> Box<dyn Contender<T>> {
    // The batch keeps the cores busy; threads within a matrix would be in its way.
    ::faer::set_global_parallelism(Par::Seq);
    Box::new(Library {
        name: "faer",
        takes: |_| true,
        load: |entries, m, n| Mat::from_fn(m, n, |i, j| entries[j * m + i]),
        solve: |a: &Mat<T>, op| -> Result<Solved<T>, String> {
            Ok(match op {
                Op::Svd => Solved::Factors(a.thin_svd().map_err(said)?),
                Op::Svdvals => Solved::Values(a.singular_values().map_err(said)?),
                Op::Pinv => Solved::Inverse(a.thin_svd().map_err(said)?.pseudoinverse()),
                Op::Eigh => Solved::Eigen(a.self_adjoint_eigen(Side::Lower).map_err(said)?),
                Op::Eigvalsh => {
                    Solved::Values(a.self_adjoint_eigenvalues(Side::Lower).map_err(said)?)
                }
            })
        },
        entries: |solved| {
            let (matrices, values) = match solved.as_ref()? {
                Solved::Factors(svd) => (
                    vec![entries(svd.U()), entries(svd.V())],
                    Some(diagonal(svd.S())),
                ),
                Solved::Values(values) => (vec![], Some(values.clone())),
                Solved::Inverse(x) => (vec![entries(x.as_ref())], None),
                Solved::Eigen(found) => (vec![entries(found.U())], Some(diagonal(found.S()))),
            };
            Ok(Entries { matrices, values })
        },
        matrices: Vec::new(),
        results: Vec::new(),
        case: None,
    })
}
