//! nalgebra, with sizes known to the compiler and without.

use ::nalgebra::{DMatrix, SMatrix};

use crate::cli::bench::case::{Case, Op};
use crate::cli::bench::contender::Contender;
use crate::cli::bench::peers::{Library, Number, Parts};

enum Solved<F, S, X> {
    Factors(F),
    Values(S),
    Inverse(Result<X, &'static str>),
}

/// nalgebra's cutoff is absolute: for the random normal matrices of a benchmark this is nearly
/// none, and costs no time.
fn cutoff<T: Number>(rows: usize, cols: usize) -> T {
    ::nalgebra::convert(T::DTYPE.unit_roundoff() * rows.max(cols) as f64)
}

// The calls are the same whether sizes are known or not, but their bounds cannot be written once.
macro_rules! library {
    ($name:expr, $takes:expr, $matrix:ty, $load:expr) => {
        Box::new(Library {
            name: $name,
            takes: $takes,
            load: $load,
            solve: |a: &$matrix, op| match op {
                Op::Svd => Solved::Factors(a.clone().svd(true, true)),
                Op::Svdvals => Solved::Values(a.singular_values()),
                Op::Pinv => Solved::Inverse(a.clone().pseudo_inverse(cutoff(a.nrows(), a.ncols()))),
            },
            parts: |solved| {
                Ok(match solved {
                    Solved::Factors(svd) => {
                        let u = svd.u.as_ref().ok_or("no U")?;
                        let v = svd.v_t.as_ref().ok_or("no V")?.transpose();
                        let sigma = svd.singular_values.as_slice().to_vec();
                        Parts::Factors(u.as_slice().to_vec(), sigma, v.as_slice().to_vec())
                    }
                    Solved::Values(sigma) => Parts::Values(sigma.as_slice().to_vec()),
                    Solved::Inverse(x) => {
                        Parts::Inverse(x.as_ref().map_err(|e| e.to_string())?.as_slice().to_vec())
                    }
                })
            },
            matrices: Vec::new(),
            results: Vec::new(),
            case: None,
        })
    };
}

macro_rules! fixed {
    ($t:ident, $($m:literal x $n:literal),*) => {
        vec![$(library!(
            "nalgebra-static",
            |case: &Case| (case.rows, case.cols) == ($m, $n),
            SMatrix<$t, $m, $n>,
            |entries: &[$t], _, _| SMatrix::from_column_slice(entries)
        )),*]
    };
}

/// One contender for each size that is known when this is compiled, and one for all the others.
pub(super) fn all<T: Number>() -> Vec<Box<dyn Contender<T>>> {
    let mut all: Vec<Box<dyn Contender<T>>> =
        fixed!(T, 2 x 2, 3 x 3, 4 x 4, 6 x 7, 7 x 6, 8 x 8, 16 x 16, 24 x 24, 32 x 32);
    all.push(library!(
        "nalgebra",
        |_: &Case| true,
        DMatrix<T>,
        |entries: &[T], m, n| DMatrix::from_column_slice(m, n, entries)
    ));
    all
}
