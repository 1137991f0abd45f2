//! The unit vectors that matrices shorten most.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::factor::Factor;
use crate::data::options::Options;
use crate::data::outcome::Status;
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::Float;
use crate::engine::Engine;
use crate::ops::call::{Call, Operand};
use crate::ops::for_each;
use crate::ops::operation::{Compute, ComputeInto, Given, Host, Memory, Shapes};
use crate::ops::singular_vectors::SingularVectors;
use crate::planner::Job;

/// The unit vectors x, one for each m x n matrix A of a batch, for which |A x| is smallest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NullVector<T: Scalar, M: Memory = Host> {
    /// The vectors: n x 1. The first entry of (nearly) the largest magnitude is positive.
    pub vector: M::Batch<T>,
    /// The lengths |A x|: 1 x 1, the smallest singular value, or zero if m < n.
    pub length: M::Batch<T::Real>,
    /// The status of every matrix, and its rank. If the rank is less than n - 1, other vectors are as good.
    pub report: M::Report,
}

impl Engine {
    /// Computes the unit vectors x, n x 1, for which |A x| is smallest: the last column of a full V. They solve
    /// homogeneous systems A x = 0, as in fits of homographies, fundamental matrices, lines and planes (the direct linear
    /// transformation). m and n can have any size. If n = 0, the vector is empty.
    ///
    /// **Guarantee**, with the bounds of [`svd`](Self::svd): | |A x| - sigma_n | <= 2 tol |A|_F, where sigma_n is the
    /// smallest of n singular values (zero if m < n), and | |x| - 1 | <= tol. The angle between x and the vector of the
    /// exact matrix is about tol |A| / (sigma_(n-1) - sigma_n) (Wedin; Golub and Van Loan, 8.6.1).
    ///
    /// **Source**: Golub and Van Loan, 2.4; Hartley and Zisserman, Multiple View Geometry, A5.3.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// // The line through (0, 1), (1, 3), (2, 5): a x + b y + c = 0.
    /// let a = Batch::from_row_major(1, 3, 3, &[0.0f64, 1.0, 1.0, 1.0, 3.0, 1.0, 2.0, 5.0, 1.0])?;
    /// let line = Engine::cpu().null_vector(&a).run()?;
    /// let [a, b, c] = [0, 1, 2].map(|i| line.vector.matrix(0)[i]);
    /// assert!((a / b + 2.0).abs() < 1e-13 && (c / b + 1.0).abs() < 1e-13); // y = 2 x + 1
    /// assert!(line.length.matrix(0)[0] < 1e-14);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn null_vector<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, NullVector<T>> {
        Call::new(self, a.into())
    }
}

impl<T: Scalar> Compute for NullVector<T> {
    fn places(_: &(), shapes: Shapes) -> Vec<[usize; 3]> {
        let [count, _, n] = shapes.a;
        vec![[count, n, 1], [count, 1, 1]]
    }

    fn job(_: &(), shapes: Shapes) -> Job {
        Job::complete_factor(Factor::V, shapes.matrix())
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        _: &(),
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let shapes = given.shapes();
        let found = engine.complete_factor(given.a, Factor::V, options, blocking);
        let SingularVectors {
            vectors,
            sigma,
            report,
        } = found.await?;
        let [count, m, n] = shapes.a;
        let mut vector = Batch::zeros(count, n, 1)?;
        for_each(&mut vector, |index, x| {
            let v = vectors.matrix(index);
            x.copy_from_slice(&v[v.len() - n..]);
        });
        let mut length = Batch::zeros(count, 1, 1)?;
        for_each(&mut length, |index, length| {
            length[0] = match report.outcomes[index].status {
                Status::NonFinite => T::Real::NAN,
                _ if m < n || n == 0 => T::Real::ZERO,
                _ => sigma.matrix(index)[n - 1],
            };
        });
        Ok(NullVector {
            vector,
            length,
            report,
        })
    }
}

impl<T: Scalar> ComputeInto for NullVector<T> {}
