//! What is to be computed, in the orientation in which the kernels work.

use crate::data::factor::Factor;
use crate::data::options::NamedCutoffs;
use crate::data::scalar::Dtype;

/// Which singular vectors to compute, for matrices of m x n with k = min(m, n).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Vectors {
    /// Singular values only.
    None,
    /// U is m x k and V is n x k.
    Thin,
    /// U is m x m and V is n x n.
    Full,
    /// Those of the shorter side alone, k x k: V of tall and of square matrices, U of wide ones. They need no accumulated
    /// rotations.
    Shorter,
}

/// A function f of the singular values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Filter {
    /// 1/sigma where sigma counts, else 0: the Moore-Penrose pseudoinverse.
    Inverse,
    /// sigma / (sigma^2 + lambda^2) where sigma counts, else 0 (Tikhonov; Golub and Van Loan, 6.1.4).
    Damped,
    /// 1 where sigma counts, else 0: a projector.
    Keep,
    /// sigma where it counts, else 0: a truncated matrix.
    Value,
}

impl Filter {
    /// The degree d in f(s x) = s^d f(x): a matrix scaled by 2^p has its result scaled by 2^(dp).
    pub fn degree(self) -> i32 {
        match self {
            Filter::Inverse | Filter::Damped => -1,
            Filter::Keep => 0,
            Filter::Value => 1,
        }
    }

    /// As shaders/filter.wgsl, where zero is none.
    #[cfg(feature = "gpu")]
    pub fn word(self) -> u32 {
        match self {
            Filter::Inverse | Filter::Damped => 1,
            Filter::Keep => 2,
            Filter::Value => 3,
        }
    }
}

/// What a call computes, as the caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    pub(crate) vectors: Vectors,
    /// left diag(f(sigma)) right', if it is to be formed.
    pub(crate) composed: Option<(Factor, Factor)>,
    pub(crate) filter: Filter,
    /// So many right-hand sides a matrix, to which the composition is applied without being formed.
    pub(crate) rhs: Option<usize>,
    /// Whether the caller wants singular values beside a composition.
    pub(crate) values: bool,
    /// The factor whose entries decide the signs of vectors.
    pub(crate) leading: Factor,
}

impl Job {
    /// Singular values, and vectors.
    pub(crate) fn svd(vectors: Vectors) -> Self {
        Job {
            vectors,
            composed: None,
            filter: Filter::Keep,
            rhs: None,
            values: false,
            leading: Factor::V,
        }
    }

    /// Singular values and one factor, of m x n matrices. With that of the longer side the other one comes too.
    pub(crate) fn one_factor(of: Factor, [m, n]: [usize; 2]) -> Self {
        let shorter = if m < n { Factor::U } else { Factor::V };
        let vectors = match of == shorter {
            true => Vectors::Shorter,
            false => Vectors::Thin,
        };
        Job {
            leading: of,
            ..Job::svd(vectors)
        }
    }

    /// Singular values and one factor with all of its columns. Where the other one comes too, it has the signs of a
    /// decomposition.
    pub(crate) fn complete_factor(of: Factor, shape: [usize; 2]) -> Self {
        let job = Job::one_factor(of, shape);
        match job.vectors {
            Vectors::Shorter => job,
            _ => Job::svd(Vectors::Full),
        }
    }

    /// left diag(f(sigma)) right'.
    pub(crate) fn composition(left: Factor, filter: Filter, right: Factor) -> Self {
        Job {
            composed: Some((left, right)),
            filter,
            ..Job::svd(Vectors::None)
        }
    }

    /// The approximation of low rank.
    pub(crate) fn low_rank() -> Self {
        Job::composition(Factor::U, Filter::Value, Factor::V)
    }

    /// The pseudoinverse, or what it makes of so many right-hand sides.
    pub(crate) fn inverse(rhs: Option<usize>) -> Self {
        Job {
            rhs,
            ..Job::composition(Factor::V, Filter::Inverse, Factor::U)
        }
    }
}

/// What the kernels compute: `rows >= cols`, and sides named accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Problem {
    pub rows: usize,
    pub cols: usize,
    pub dtype: Dtype,
    /// The caller's matrices are wide: the kernels see their (conjugate) transposes.
    pub transposed: bool,
    /// U decides the signs of vectors, as the kernels see it; else V does.
    pub signs_by_u: bool,
    /// Vectors that the caller wants back.
    pub vectors: Vectors,
    pub composed: Option<(Factor, Factor)>,
    /// So many right-hand sides, to which the composition is applied.
    pub rhs: Option<usize>,
    /// Whether the caller wants singular values beside a composition.
    pub values: bool,
}

impl Problem {
    pub fn new(rows: usize, cols: usize, dtype: Dtype, job: Job) -> Self {
        let transposed = rows < cols;
        // Without a right-hand side the ranks are still worth having.
        let composed = job.composed.filter(|_| job.rhs != Some(0));
        Problem {
            rows: rows.max(cols),
            cols: rows.min(cols),
            dtype,
            transposed,
            signs_by_u: transposed == (job.leading == Factor::V),
            vectors: match job.vectors {
                // There is nothing to be completed.
                Vectors::Full if rows == cols => Vectors::Thin,
                vectors => vectors,
            },
            composed: composed.map(|(l, r)| {
                if transposed {
                    (l.flip(), r.flip())
                } else {
                    (l, r)
                }
            }),
            rhs: job.rhs.filter(|&rhs| rhs > 0),
            values: job.values && composed.is_some(),
        }
    }

    /// Columns of U that the caller wants back.
    #[inline(always)]
    pub fn u_cols(&self) -> usize {
        match self.vectors {
            Vectors::None | Vectors::Shorter => 0,
            Vectors::Thin => self.cols,
            Vectors::Full => self.rows,
        }
    }

    /// Columns of U that must be formed: the caller's, or those that a composition needs. The CPU forms none
    /// for right-hand sides.
    #[inline(always)]
    pub fn formed_u_cols(&self) -> usize {
        match self.composed {
            Some((l, r)) if l == Factor::U || r == Factor::U => self.u_cols().max(self.cols),
            _ => self.u_cols(),
        }
    }

    /// Whether V is formed: for the caller, or for a composition.
    #[cfg(any(feature = "gpu", test))]
    pub fn forms_v(&self) -> bool {
        self.vectors != Vectors::None || self.composed.is_some()
    }

    /// Whether rotations are accumulated: only U needs them.
    #[inline(always)]
    pub fn accumulates(&self) -> bool {
        self.formed_u_cols() > 0
    }

    /// Numbers that kernels give of the singular values of a matrix: these, or the weights of a composition,
    /// or after all weights these too.
    #[cfg(feature = "gpu")]
    pub fn value_sets(&self) -> usize {
        if self.values { 2 } else { 1 }
    }

    /// What the CPU rotates along with R'.
    #[inline(always)]
    pub fn carried(&self) -> Carried {
        match (self.composed, self.rhs) {
            (Some((Factor::U, _)), Some(_)) => Carried::Rotations,
            (Some((_, Factor::U)), Some(rhs)) if rhs <= self.cols => Carried::RightHandSides(rhs),
            (Some((_, Factor::V)), Some(_)) => Carried::Nothing,
            _ if self.accumulates() => Carried::Rotations,
            _ => Carried::Nothing,
        }
    }

    /// Whether the CPU finds the rotations after the sweeps, of matrices that allow it, and carries none. With fewer columns
    /// that takes longer.
    #[inline(always)]
    pub fn recovers(&self) -> bool {
        self.cols >= 9 && self.rhs.is_none() && self.carried() == Carried::Rotations
    }

    /// The length of the right-hand sides, if there are any, and their number.
    #[inline(always)]
    pub fn rhs_size(&self) -> Option<[usize; 2]> {
        let (_, right) = self.composed?;
        Some([self.side(right), self.rhs?])
    }

    /// And the number of those that are formed.
    #[cfg(feature = "gpu")]
    pub fn columns_of(&self, side: Factor) -> usize {
        match side {
            Factor::U => self.formed_u_cols(),
            Factor::V => self.cols,
        }
    }

    /// The length of the vectors of one side.
    #[inline(always)]
    pub fn side(&self, side: Factor) -> usize {
        side.length([self.rows, self.cols])
    }

    /// Entries per matrix of what the caller gets: (U, sigma, V, composed).
    ///
    /// U and V are named as the kernels see them.
    #[inline(always)]
    pub fn sizes(&self) -> Sizes {
        let product = |a: usize, b: usize| a.saturating_mul(b);
        Sizes {
            u: product(self.rows, self.u_cols()),
            sigma: self.cols,
            v: match self.vectors {
                Vectors::None => 0,
                _ => product(self.cols, self.cols),
            },
            composed: self.composed.map_or(0, |(l, r)| {
                product(self.side(l), self.rhs.unwrap_or(self.side(r)))
            }),
        }
    }

    /// What a computed singular value may be off by, relative to the largest.
    #[inline(always)]
    pub fn sigma_error(&self) -> f64 {
        sigma_error(self.dtype, self.cols)
    }

    /// What each singular value may be off by, where the largest is this, of a matrix that converged.
    #[inline(always)]
    pub fn sigma_error_of(&self, largest: f64) -> f64 {
        self.sigma_error() * largest + self.dtype.smallest() / 2.0
    }

    /// The relative cutoffs that have a name.
    #[inline(always)]
    pub fn named_cutoffs(&self) -> NamedCutoffs {
        NamedCutoffs {
            default: self.sigma_error(),
            numpy: 2.0 * self.dtype.unit_roundoff() * self.rows as f64,
        }
    }
}

/// 8 sqrt(k) u: what a computed singular value may be off by, relative to the largest of k.
///
/// The longer side is not in it: columns are summed in blocks, so that their errors hardly grow with their
/// length.
pub(crate) fn sigma_error(dtype: Dtype, k: usize) -> f64 {
    8.0 * (k as f64).sqrt() * dtype.unit_roundoff()
}

/// 9 sqrt(n) u: what an eigenvalue of a symmetric n x n matrix may be off by, relative to the largest, where it is not
/// found through a singular value: eight, and one for the means of entries.
pub(crate) fn eigen_error(dtype: Dtype, n: usize) -> f64 {
    9.0 * (n as f64).sqrt() * dtype.unit_roundoff()
}

/// What lies below R' and is rotated along with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    Nothing,
    /// I at first, and J at last.
    Rotations,
    /// So many rows, B' Q at first and B' U at last.
    RightHandSides(usize),
}

impl Carried {
    /// Its rows, of n columns.
    #[inline(always)]
    pub fn rows(self, n: usize) -> usize {
        match self {
            Carried::Nothing => 0,
            Carried::Rotations => n,
            Carried::RightHandSides(rows) => rows,
        }
    }
}

/// Entries per matrix of each output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub u: usize,
    pub sigma: usize,
    pub v: usize,
    pub composed: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vectors_of_the_longer_side_need_rotations() {
        use Factor::{U, V};
        for (m, n, of, formed, signs_by_u) in [
            (7, 3, V, 0, false),
            (7, 3, U, 3, true),
            (3, 7, U, 0, false),
            (3, 7, V, 3, true),
            (3, 3, V, 0, false),
            (3, 3, U, 3, true),
        ] {
            let problem = Problem::new(m, n, Dtype::F32, Job::one_factor(of, [m, n]));
            let what = format!("{of:?} of {m}x{n}");
            assert_eq!(problem.formed_u_cols(), formed, "{what}");
            assert_eq!(problem.signs_by_u, signs_by_u, "{what}");
            assert!(problem.forms_v(), "{what}");
        }
    }

    #[test]
    fn a_wide_matrix_is_planned_as_its_transpose() {
        let job = Job {
            vectors: Vectors::Full,
            ..Job::inverse(None)
        };
        let wide = Problem::new(3, 7, Dtype::F32, job);
        assert!(wide.transposed);
        assert_eq!((wide.rows, wide.cols), (7, 3));
        assert_eq!(wide.composed, Some((Factor::U, Factor::V)));
        assert_eq!(
            wide.sizes(),
            Sizes {
                u: 49,
                sigma: 3,
                v: 9,
                composed: 21
            }
        );
    }
}
