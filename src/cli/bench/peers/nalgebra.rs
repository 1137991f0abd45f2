//! nalgebra, with sizes known to the compiler and without.

use ::nalgebra::{DMatrix, SMatrix};

use crate::cli::bench::case::{Case, Op};
use crate::cli::bench::contender::Contender;
use crate::cli::bench::peers::{Entries, Library, Number, Part};

enum Solved<F, S, X> {
    Factors(F),
    Values(S),
    Inverse(X),
    Eigen(S, X),
}

/// nalgebra's cutoff is absolute: for the random normal matrices of a benchmark this is nearly
/// none, and costs no time.
fn cutoff<T: Number>(rows: usize, cols: usize) -> Part<T> {
    let cutoff = T::DTYPE.unit_roundoff() * rows.max(cols) as f64;
    ::nalgebra::convert::<f64, T>(cutoff).real()
}

// The calls are the same whether sizes are known or not, but their bounds cannot be written once.
macro_rules! library {
    ($name:expr, $t:ident, $takes:expr, $matrix:ty, $load:expr, $of_symmetric:expr) => {
        Box::new(Library {
            name: $name,
            takes: $takes,
            load: $load,
            solve: |a: &$matrix, op| -> Result<_, &'static str> {
                Ok(match op {
                    Op::Svd => Solved::Factors(a.clone().svd(true, true)),
                    Op::Svdvals => Solved::Values(a.singular_values()),
                    Op::Pinv => {
                        let cutoff = cutoff::<$t>(a.nrows(), a.ncols());
                        Solved::Inverse(a.clone().pseudo_inverse(cutoff)?)
                    }
                    Op::Eigh | Op::Eigvalsh => $of_symmetric(a, op)?,
                })
            },
            entries: |solved| {
                let (matrices, values) = match solved.as_ref().map_err(|e| e.to_string())? {
                    Solved::Factors(svd) => {
                        let u = svd.u.as_ref().ok_or("no U")?;
                        let v = svd.v_t.as_ref().ok_or("no V")?.adjoint();
                        let sigma = svd.singular_values.as_slice().to_vec();
                        (
                            vec![u.as_slice().to_vec(), v.as_slice().to_vec()],
                            Some(sigma),
                        )
                    }
                    Solved::Values(values) => (vec![], Some(values.as_slice().to_vec())),
                    Solved::Inverse(x) => (vec![x.as_slice().to_vec()], None),
                    Solved::Eigen(values, vectors) => {
                        let values = values.as_slice().to_vec();
                        (vec![vectors.as_slice().to_vec()], Some(values))
                    }
                };
                Ok(Entries { matrices, values })
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
            $t,
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

/// A contender for each size that is known when this is compiled.
pub(super) fn of_known_sizes<T: Number>() -> Vec<Box<dyn Contender<T>>> {
    let mut all: Vec<Box<dyn Contender<T>>> = square!(T, 2, 3, 4, 8, 16, 24, 32);
    all.push(fixed!(T, 6 x 7, |_, _| Err("6x7 is not square")));
    all.push(fixed!(T, 7 x 6, |_, _| Err("7x6 is not square")));
    all
}

/// Those that differ most from sizes that are not known.
pub(super) fn of_few_known_sizes<T: Number>() -> Vec<Box<dyn Contender<T>>> {
    square!(T, 2, 3, 4, 8)
}

/// One contender for each size that is known when this is compiled, and one for all the others.
pub(super) fn all<T: Number>() -> Vec<Box<dyn Contender<T>>> {
    let mut all = T::nalgebra_static();
    all.push(library!(
        "nalgebra",
        T,
        |_: &Case| true,
        DMatrix<T>,
        |entries: &[T], m, n| DMatrix::from_column_slice(m, n, entries),
        of_symmetric!(DMatrix<T>)
    ));
    all
}
