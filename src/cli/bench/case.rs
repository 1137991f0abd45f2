//! What is measured: operations, types, shapes and batch sizes.

use std::fmt;
use std::str::FromStr;

use batched_svd::{Dtype, verify};
use clap::ValueEnum;

use crate::cli::numbers::up_to;

/// The shapes of a quick run.
pub(crate) const QUICK_SHAPES: &[(usize, usize)] = &[(3, 3), (8, 8), (32, 32), (64, 16)];

/// The shapes and the batches of the latency table.
pub(crate) const LATENCY_SHAPES: &[(usize, usize)] = &[(3, 3), (6, 7), (32, 32), (128, 128)];
pub(crate) const LATENCY_BATCHES: &[usize] = &[1, 4, 16];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Op {
    /// Singular values and thin U and V.
    Svd,
    /// Singular values only.
    Svdvals,
    /// Pseudoinverses.
    Pinv,
    /// Eigenvalues and eigenvectors of symmetric matrices.
    Eigh,
    /// Eigenvalues only.
    Eigvalsh,
}

impl Op {
    pub const fn name(self) -> &'static str {
        match self {
            Op::Svd => "svd",
            Op::Svdvals => "svdvals",
            Op::Pinv => "pinv",
            Op::Eigh => "eigh",
            Op::Eigvalsh => "eigvalsh",
        }
    }

    /// Whether it is of symmetric matrices, which are square.
    pub fn symmetric(self) -> bool {
        matches!(self, Op::Eigh | Op::Eigvalsh)
    }
}

/// A shape as it is written on the command line: 8x8, or 8x8:1000 with a batch size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub rows: usize,
    pub cols: usize,
    pub batch: Option<usize>,
}

/// No benchmark of larger matrices or batches makes sense.
const LARGEST: usize = 1 << 16;
const LARGEST_BATCH: usize = 1 << 28;

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (shape, batch) = match text.split_once(':') {
            Some((shape, batch)) => (shape, Some(batch)),
            None => (text, None),
        };
        let (rows, cols) = shape
            .split_once('x')
            .ok_or("a shape is written as ROWSxCOLS or ROWSxCOLS:BATCH")?;
        Ok(Shape {
            rows: up_to(rows, LARGEST)?,
            cols: up_to(cols, LARGEST)?,
            batch: batch.map(|b| up_to(b, LARGEST_BATCH)).transpose()?,
        })
    }
}

/// The shapes of the results of one matrix.
pub(crate) struct Results {
    /// Of the matrices, in the order in which contenders show them: U and V; the inverse; or eigenvectors.
    pub matrices: Vec<(usize, usize)>,
    /// Whether there are singular values or eigenvalues, which are real.
    pub values: bool,
}

/// One line of a table: an operation on a batch of matrices of one shape and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub op: Op,
    pub dtype: Dtype,
    pub rows: usize,
    pub cols: usize,
    /// Matrices that are asked for; a slow contender gets fewer.
    pub batch: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, dtype) = (self.op.name(), self.dtype);
        write!(f, "{op} {dtype} {}x{}", self.rows, self.cols)
    }
}

impl Case {
    /// Floating-point operations of one matrix by one nominal count, whatever a contender does
    /// (Golub and Van Loan, 4th ed., figure 8.6.1, Golub-Reinsch with m >= n): 14 m n^2 + 8 n^3
    /// with thin U and V, 4 m n^2 - 4/3 n^3 for values only; 2 m n^2 more for a pseudoinverse. Of symmetric
    /// matrices (section 8.3, the symmetric QR algorithm): 9 n^3, and 4/3 n^3 for values only. Of complex matrices four times
    /// as many: a complex multiply-add is four real ones.
    pub fn nominal_flops(&self) -> f64 {
        let (m, n) = (
            self.rows.max(self.cols) as f64,
            self.rows.min(self.cols) as f64,
        );
        let real = match self.op {
            Op::Svd => 14.0 * m * n * n + 8.0 * n * n * n,
            Op::Svdvals => 4.0 * m * n * n - 4.0 / 3.0 * n * n * n,
            Op::Pinv => 16.0 * m * n * n + 8.0 * n * n * n,
            Op::Eigh => 9.0 * n * n * n,
            Op::Eigvalsh => 4.0 / 3.0 * n * n * n,
        };
        match self.dtype.is_complex() {
            true => 4.0 * real,
            false => real,
        }
    }

    pub fn results(&self) -> Results {
        let (m, n) = (self.rows, self.cols);
        let k = m.min(n);
        let matrices = match self.op {
            Op::Svd => vec![(m, k), (n, k)],
            Op::Svdvals | Op::Eigvalsh => vec![],
            Op::Pinv => vec![(n, m)],
            Op::Eigh => vec![(n, n)],
        };
        Results {
            matrices,
            values: self.op != Op::Pinv,
        }
    }

    /// Bytes of one matrix that must move at least: it and its results.
    pub fn bytes(&self) -> f64 {
        let Results { matrices, values } = self.results();
        let results = matrices.into_iter().map(|(rows, cols)| rows * cols);
        let entries = self.rows * self.cols + results.sum::<usize>();
        let values = if values { self.rows.min(self.cols) } else { 0 };
        (entries * self.dtype.size() + values * self.dtype.real().size()) as f64
    }

    /// The loss of orthogonality that this project promises: u max(32, 8 sqrt(k)).
    pub fn tolerance(&self) -> f64 {
        verify::tolerance(self.dtype, self.rows, self.cols)
    }

    /// The residual that this project promises.
    pub fn residual(&self) -> f64 {
        let factor = match self.op {
            Op::Svd | Op::Svdvals => 1.0,
            // Moore-Penrose conditions hold to 8 tol cond.
            Op::Pinv => 8.0,
            // Twice that of a matrix A + s I, which is at most 1 + sqrt(n) times as large as A.
            Op::Eigh | Op::Eigvalsh => 2.0 * (1.0 + (self.cols as f64).sqrt()),
        };
        factor * self.tolerance()
    }
}

/// Bytes of matrices and their results in a batch: beyond the caches of a core, and results that an allocator
/// can hand out again; and enough to keep a large GPU at work, of which small matrices need more.
const CPU_BATCH: usize = 12 << 20;
const GPU_BATCH: usize = 64 << 20;
const GPU_SMALL_BATCH: usize = 256 << 20;
/// Matrices up to so many rows and columns are small.
const SMALL: usize = 4;
/// Fewer matrices are no batch.
const FEWEST: usize = 64;
/// The same for a GPU, to which a large matrix is many workgroups.
const GPU_FEWEST: usize = 16;
/// More matrices tell no more.
const MOST_MATRICES: usize = 1 << 22;

impl Case {
    /// As many matrices as suit the case where nobody says.
    pub fn suited(self, gpu: bool) -> Case {
        let small = self.rows.max(self.cols) <= SMALL;
        let (bytes, fewest) = match (gpu, small) {
            (false, _) => (CPU_BATCH, FEWEST),
            (true, false) => (GPU_BATCH, GPU_FEWEST),
            (true, true) => (GPU_SMALL_BATCH, GPU_FEWEST),
        };
        let fitting = (bytes as f64 / self.bytes()) as usize;
        Case {
            batch: fitting.clamp(fewest, MOST_MATRICES),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_with_and_without_a_batch() {
        let shape = |text: &str| text.parse::<Shape>();
        let (rows, cols) = (6, 7);
        let expected = |batch| Ok(Shape { rows, cols, batch });
        assert_eq!(shape("6x7"), expected(None));
        assert_eq!(shape("6x7:100"), expected(Some(100)));
        for bad in [
            "", "6", "x7", "6x", "0x3", "6x7:", "6x7:0", "6x-7", "70000x2",
        ] {
            assert!(shape(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn batches_are_bounded_with_their_results() {
        let case = |rows, cols, op| Case {
            op,
            dtype: Dtype::F32,
            rows,
            cols,
            batch: 0,
        };
        for (rows, cols) in [(2, 2), (4, 4), (5, 5), (64, 64), (1024, 64), (7, 300)] {
            let ops = Op::value_variants().iter().copied();
            for op in ops.filter(|op| rows == cols || !op.symmetric()) {
                let case = case(rows, cols, op).suited(true);
                let most = if rows.max(cols) <= 4 {
                    256 << 20
                } else {
                    64 << 20
                };
                let bytes = case.bytes() * case.batch as f64;
                assert!(bytes <= f64::from(most), "{case}: {bytes}");
                let enough = bytes + case.bytes() > f64::from(most) || case.batch == MOST_MATRICES;
                assert!(enough, "{case}: {bytes}");
            }
        }
        assert_eq!(case(3000, 3000, Op::Svd).suited(true).batch, 16);
        assert_eq!(case(3000, 3000, Op::Svd).suited(false).batch, 64);
    }

    #[test]
    fn nominal_counts_are_those_of_the_book() {
        let case = |op, rows, cols| Case {
            op,
            dtype: Dtype::F32,
            rows,
            cols,
            batch: 1,
        };
        assert_eq!(case(Op::Svd, 10, 10).nominal_flops(), 22_000.0);
        assert_eq!(case(Op::Svd, 4, 100).nominal_flops(), 22_912.0);
        assert_eq!(case(Op::Svdvals, 3, 3).nominal_flops(), 72.0);
        assert_eq!(case(Op::Pinv, 10, 10).nominal_flops(), 24_000.0);
        assert_eq!(case(Op::Eigh, 10, 10).nominal_flops(), 9_000.0);
        assert_eq!(case(Op::Eigvalsh, 3, 3).nominal_flops(), 36.0);
        assert_eq!(case(Op::Svd, 3, 3).bytes(), 4.0 * (9.0 + 9.0 + 9.0 + 3.0));
        assert_eq!(case(Op::Svd, 2, 5).bytes(), 4.0 * (10.0 + 4.0 + 2.0 + 10.0));
        assert_eq!(case(Op::Pinv, 2, 3).bytes(), 4.0 * 12.0);
        assert_eq!(case(Op::Eigh, 3, 3).bytes(), 4.0 * (9.0 + 3.0 + 9.0));
        assert_eq!(case(Op::Eigvalsh, 3, 3).bytes(), 4.0 * (9.0 + 3.0));
        let complex = Case {
            dtype: Dtype::C64,
            ..case(Op::Svd, 2, 5)
        };
        assert_eq!(complex.bytes(), 16.0 * (10.0 + 4.0 + 10.0) + 8.0 * 2.0);
        assert_eq!(
            complex.nominal_flops(),
            4.0 * case(Op::Svd, 2, 5).nominal_flops()
        );
    }

    #[test]
    fn residuals_may_be_as_large_as_the_operation_promises() {
        let tolerance = 32.0 * Dtype::F64.unit_roundoff();
        for (op, factor) in [
            (Op::Svd, 1.0),
            (Op::Svdvals, 1.0),
            (Op::Pinv, 8.0),
            (Op::Eigh, 6.0),
            (Op::Eigvalsh, 6.0),
        ] {
            let case = Case {
                op,
                dtype: Dtype::F64,
                rows: 4,
                cols: 4,
                batch: 1,
            };
            assert_eq!(case.tolerance(), tolerance);
            assert_eq!(case.residual(), factor * tolerance, "{case}");
        }
    }
}
