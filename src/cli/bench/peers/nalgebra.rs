//! nalgebra, with sizes known to the compiler and without.

use ::nalgebra::{DMatrix, SMatrix};

use crate::cli::bench::case::{Case, Op};
use crate::cli::bench::contender::Contender;
use crate::cli::bench::peers::{Library, Number};

enum Solved<F, S, X> {
    Factors(F),
    Values(S),
    Inverse(X),
    Eigen(S, X),
}

/// nalgebra's cutoff is absolute: for the random normal matrices of a benchmark this is nearly
/// none, and costs no time.
fn cutoff<T: Number>(rows: usize, cols: usize) -> T {
    ::nalgebra::convert(T::DTYPE.unit_roundoff() * rows.max(cols) as f64)
}

// The calls are the same whether sizes are known or not, but their bounds cannot be written once.
macro_rules! library {
    ($name:expr, $takes:expr, $matrix:ty, $load:expr, $of_symmetric:expr) => {
        Box::new(Library {
            name: $name,
            takes: $takes,
            load: $load,
            solve: |a: &$matrix, op| -> Result<_, &'static str> {
                Ok(match op {
                    Op::Svd => Solved::Factors(a.clone().svd(true, true)),
                    Op::Svdvals => Solved::Values(a.singular_values()),
                    Op::Pinv => {
                        Solved::Inverse(a.clone().pseudo_inverse(cutoff(a.nrows(), a.ncols()))?)
                    }
                    Op::Eigh | Op::Eigvalsh => $of_symmetric(a, op)?,
                })
            },
            entries: |solved| {
                Ok(match solved.as_ref().map_err(|e| e.to_string())? {
                    Solved::Factors(svd) => {
                        let u = svd.u.as_ref().ok_or("no U")?;
                        let v = svd.v_t.as_ref().ok_or("no V")?.transpose();
                        let sigma = svd.singular_values.as_slice().to_vec();
                        vec![u.as_slice().to_vec(), sigma, v.as_slice().to_vec()]
                    }
                    Solved::Values(values) => vec![values.as_slice().to_vec()],
                    Solved::Inverse(x) => vec![x.as_slice().to_vec()],
                    Solved::Eigen(values, vectors) => {
                        vec![values.as_slice().to_vec(), vectors.as_slice().to_vec()]
                    }
                })
            },
            matrices: Vec::new(),
            results: Vec::new(),
            case: None,
        })
    };
}

/// Eigenvalues, and vectors if they are wanted.
macro_rules! of_symmetric {
    ($matrix:ty) => {
        |a: &$matrix, op| {
            Ok::<_, &'static str>(match op {
                Op::Eigh => {
                    let found = a.clone().symmetric_eigen();
                    Solved::Eigen(found.eigenvalues, found.eigenvectors)
                }
                _ => Solved::Values(a.symmetric_eigenvalues()),
            })
        }
    };
}

macro_rules! fixed {
    ($t:ident, $m:literal x $n:literal, $of_symmetric:expr) => {
        library!(
            "nalgebra-static",
            |case: &Case| (case.rows, case.cols) == ($m, $n),
            SMatrix<$t, $m, $n>,
            |entries: &[$t], _, _| SMatrix::from_column_slice(entries),
            $of_symmetric
        )
    };
}

macro_rules! square {
    ($t:ident, $($n:literal),*) => {
        vec![$(fixed!($t, $n x $n, of_symmetric!(SMatrix<$t, $n, $n>))),*]
    };
}

/// One contender for each size that is known when this is compiled, and one for all the others.
pub(super) fn all<T: Number>() -> Vec<Box<dyn Contender<T>>> {
    let mut all: Vec<Box<dyn Contender<T>>> = square!(T, 2, 3, 4, 8, 16, 24, 32);
    all.push(fixed!(T, 6 x 7, |_, _| Err("6x7 is not square")));
    all.push(fixed!(T, 7 x 6, |_, _| Err("7x6 is not square")));
    all.push(library!(
        "nalgebra",
        |_: &Case| true,
        DMatrix<T>,
        |entries: &[T], m, n| DMatrix::from_column_slice(m, n, entries),
        of_symmetric!(DMatrix<T>)
    ));
    all
}
