//! The outcome of one matrix.

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
    /// The matrix contains a NaN or an infinity, and its results are NaN. Or one of its right-hand sides does, and the
    /// solution of this side is NaN.
    NonFinite,
    /// A result is outside the range of the type. Either a singular value or an entry of a pseudoinverse, approximation
    /// or solution overflows (it is returned as infinity). Or a singular value that counts is rounded to zero. Or a
    /// pseudoinverse, an approximation, or all solutions of a matrix consist only of subnormal numbers.
    NotRepresentable,
    /// Of an eigenvalue problem, if none of the above applies: the matrix is not symmetric. The results are those of the
    /// mean of it and its transpose.
    NotSymmetric,
    /// Of an eigenvalue problem of [positive definite](crate::Call::definite) matrices: the matrix has an eigenvalue that
    /// is negative by more than rounding, and its results are NaN.
    NotDefinite,
}

impl Status {
    /// Returns a number for files: 0 converged, 1 not converged, 2 non-finite, 3 not representable, 4 not
    /// symmetric, 5 not positive definite.
    pub const fn code(self) -> u8 {
        match self {
            Status::Converged => 0,
            Status::NotConverged => 1,
            Status::NonFinite => 2,
            Status::NotRepresentable => 3,
            Status::NotSymmetric => 4,
            Status::NotDefinite => 5,
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
            Status::NotSymmetric => "not symmetric",
            Status::NotDefinite => "not positive definite",
        })
    }
}

/// The outcome of one matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// How the solution ended.
    pub status: Status,
    /// The number of sweeps. If the matrix converged, the last sweep had no rotation. Of eigenvalues by way of a tridiagonal
    /// matrix it is the mean number of QL sweeps that an eigenvalue took, rounded up.
    pub sweeps: u32,
    /// The number of rotated pairs of columns, over all sweeps. Above 2^24 it is rounded, in f32 on the CPU.
    pub rotations: u32,
    /// The number of singular values that count under the cutoff; of eigenvalue problems, of eigenvalues whose magnitude
    /// counts; of [`shrink`](crate::Engine::shrink), of those that are left.
    pub rank: u32,
    /// The bound on the error of each singular value: 8 sqrt(k) u times the largest, k = min(m, n), plus the rounding
    /// to a subnormal number. A singular value that is not above this bound may be zero in exact arithmetic. The bound
    /// is infinite if nothing is promised, for a matrix that did not converge or is not finite.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// // Of rank one, but computed.
    /// let a = Batch::from_fn(1, 6, 6, |_, i, j| ((i + 1) as f32).sqrt() * (j as f32).cos())?;
    /// let svd = Engine::cpu().singular_values(&a).run()?;
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
