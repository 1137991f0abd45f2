//! How one matrix fared.

use std::fmt;

/// How the solution of one matrix ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Every pair of columns is orthogonal to the tolerance; at the default tolerance the accuracy
    /// bounds hold.
    Converged,
    /// The maximum of sweeps was reached. The best factors so far are returned.
    NotConverged,
    /// The matrix holds a NaN or an infinity: its results are NaN. Or one of its right-hand sides does:
    /// that side's solution is NaN.
    NonFinite,
    /// A result leaves the range of the type: a singular value or an entry of a pseudoinverse, approximation or
    /// solution that overflows (it is returned as infinity), a singular value that counts and rounds to
    /// zero, or a pseudoinverse, an approximation, or all solutions of a matrix, that are nothing but
    /// subnormal numbers.
    NotRepresentable,
}

impl Status {
    /// A number for files: 0 converged, 1 not converged, 2 non-finite, 3 not representable.
    pub const fn code(self) -> u8 {
        match self {
            Status::Converged => 0,
            Status::NotConverged => 1,
            Status::NonFinite => 2,
            Status::NotRepresentable => 3,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Converged => "converged",
            Status::NotConverged => "not converged",
            Status::NonFinite => "non-finite",
            Status::NotRepresentable => "not representable",
        })
    }
}

/// How one matrix fared.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The sweeps done, the last one without a rotation if it converged.
    pub sweeps: u32,
    /// The pairs of columns that were rotated, over all sweeps; above 2^24 rounded, in f32 on the CPU.
    pub rotations: u32,
    /// The number of singular values that count under the cutoff.
    pub rank: u32,
    /// What each singular value may be off by: 8 sqrt(k) u of the largest, k = min(m, n), and the rounding to a
    /// subnormal number. One that is not above it may be zero in truth. Infinite where nothing is promised: of a
    /// matrix that did not converge or is not finite.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Options, Vectors};
    ///
    /// // Of rank one, but computed.
    /// let a = Batch::from_fn(1, 6, 6, |_, i, j| ((i + 1) as f32).sqrt() * (j as f32).cos())?;
    /// let svd = Engine::cpu().svd(&a, Vectors::None, &Options::default())?;
    /// let noise = svd.report.outcomes[0].sigma_error;
    /// let above = svd.sigma.matrix(0).iter().filter(|sigma| f64::from(**sigma) > noise);
    /// assert_eq!(above.count(), 1);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub sigma_error: f64,
}

impl Outcome {
    pub(crate) const PENDING: Outcome = Outcome {
        status: Status::NotConverged,
        sweeps: 0,
        rotations: 0,
        rank: 0,
        sigma_error: f64::INFINITY,
    };
}
