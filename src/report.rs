//! What a call says of itself: results, and how every matrix fared.

use std::fmt;

use crate::batch::Batch;
use crate::error::Error;
use crate::outcome::{Outcome, Status};
use crate::scalar::Scalar;

/// Which of the two engines did a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The CPU engine.
    Cpu,
    /// The GPU engine, on a GPU or on a software adapter.
    Gpu,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Cpu => "cpu",
            Backend::Gpu => "gpu",
        })
    }
}

/// How a call went: who did it, and how every matrix fared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// One for each matrix, in order.
    pub outcomes: Vec<Outcome>,
    /// The engine that did the call.
    pub backend: Backend,
    /// The device's name.
    pub device: String,
    /// The kernel that the planner chose.
    pub kernel: &'static str,
    /// Floating-point operations that the kernels carried out, counted from the shape and from every
    /// matrix's sweeps and rotations; a fused multiply-add is two. What lanes did for nothing is
    /// not in it.
    pub flops: f64,
    /// Seconds that a GPU was at work on the call's kernels, by its own clock, if that was
    /// [asked for](crate::GpuOptions::timestamps).
    pub device_seconds: Option<f64>,
    /// How many matrices, the first of the batch, are the GPU's if it [shared](crate::GpuOptions::shared) the
    /// call with the CPU, whose the others are; backend, device and kernel are then the GPU's.
    pub shared: Option<usize>,
    /// What ended the GPU's work on the call, where the CPU did the rest
    /// ([`cpu_fallback`](crate::GpuOptions::cpu_fallback)): `shared` then says how many matrices had their
    /// results by then, if any.
    pub device_error: Option<Error>,
}

impl Report {
    /// The number of matrices that ended so.
    pub fn count(&self, status: Status) -> usize {
        self.outcomes.iter().filter(|o| o.status == status).count()
    }

    /// Whether every matrix converged.
    pub fn all_converged(&self) -> bool {
        self.count(Status::Converged) == self.outcomes.len()
    }

    /// The matrices that did not end as [`Status::Converged`].
    pub fn failures(&self) -> impl Iterator<Item = (usize, Status)> + '_ {
        self.outcomes
            .iter()
            .enumerate()
            .filter(|(_, o)| o.status != Status::Converged)
            .map(|(index, o)| (index, o.status))
    }

    /// The most sweeps that a matrix took.
    pub fn max_sweeps(&self) -> u32 {
        self.outcomes.iter().map(|o| o.sweeps).max().unwrap_or(0)
    }
}

/// Singular value decompositions A = U diag(sigma) V' of a batch of m x n matrices, k = min(m, n).
///
/// **Order**: singular values are non-negative and descend. **Signs**: in each column of V the first entry of
/// (nearly) the largest magnitude is positive, and U follows; in a full U of a tall matrix the columns beyond k have
/// no partner in V and any sign. "Nearly" is 1023 / 1024 of it and more: what is a tie in exact arithmetic is one
/// here, in both types and on every engine.
///
/// Scalars, the sides of length one of vectors, and diagonal matrices have exact factors.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Svd<T: Scalar> {
    /// Left singular vectors: m x k (thin) or m x m (full), if asked for.
    pub u: Option<Batch<T>>,
    /// Singular values: k x 1. Those at or below 2^-84 (f32) or 2^-880 (f64) of the matrix's largest
    /// entry are zero.
    pub sigma: Batch<T::Real>,
    /// Right singular vectors as columns: n x k (thin) or n x n (full), if asked for.
    /// `v.view().transpose()` is V' at no cost.
    pub v: Option<Batch<T>>,
    /// How every matrix fared.
    pub report: Report,
}

/// Least-squares solutions of a batch of systems A X = B, of m x n matrices and p right-hand sides each.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lstsq<T: Scalar> {
    /// The solutions: n x p. [`verify::residuals`](crate::verify::residuals) has what they leave of B.
    pub solution: Batch<T>,
    /// The singular values of A: k x 1, k = min(m, n), as of [`Svd::sigma`], if they were
    /// [asked for](crate::Options::singular_values). The status does not judge them.
    pub sigma: Option<Batch<T::Real>>,
    /// How every matrix fared, with its rank under the cutoff. Its status is
    /// [`Status::NonFinite`] also where only a right-hand side is not finite.
    pub report: Report,
}

/// Pseudoinverses of a batch of m x n matrices.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pinv<T: Scalar> {
    /// The pseudoinverses: n x m.
    pub inverse: Batch<T>,
    /// How every matrix fared, with its rank under the cutoff.
    pub report: Report,
}
