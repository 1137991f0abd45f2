//! Pseudoinverses.

use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::report::Report;
use crate::data::scalar::Scalar;
use crate::engine::Engine;
use crate::ops::call::{Call, Operand};
use crate::ops::operation::{
    Compute, ComputeInto, Damped, DampedNearSingular, Finish, Given, Host, Memory, Recordable,
    Shapes,
};
use crate::planner::Job;

/// The pseudoinverses of a batch of m x n matrices.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pinv<T: Scalar, M: Memory = Host> {
    /// The pseudoinverses: n x m.
    pub inverse: M::Batch<T>,
    /// The status of every matrix, and its rank under the cutoff.
    pub report: M::Report,
}

impl Engine {
    /// Computes the pseudoinverses, n x m, of m x n matrices: V diag(1/sigma) U' over the singular values that count
    /// under the [cutoff](Call::cutoff). With [damping](Call::damping) it computes V diag(sigma /
    /// (sigma^2 + lambda^2)) U'.
    ///
    /// **Guarantee**, for every matrix with status [`Status::Converged`](crate::Status::Converged): the four
    /// Moore-Penrose conditions hold to 16 u c, where c = |A| |X| / |A X| (Frobenius), as
    /// [`verify::inverses`](crate::verify::inverses) measures it. For columns of similar scale, c is the condition
    /// number of the part that is kept. A X A lacks the part of A that does not count.
    ///
    /// For [scaled columns](Self::svd), A = B D, with a cutoff of zero, A X has an error of at most tol cond(B),
    /// and D X has an error of at most tol cond(B) |B^+| (Frobenius). tol is defined there.
    ///
    /// **Source**: Golub and Van Loan, 5.5.2.
    ///
    /// ```
    /// use batched_svd::{Engine, View};
    ///
    /// // Two 2x3 matrices as NumPy would hold them; the second has rank one.
    /// let a = [1.0f32, 0.0, 0.0, 0.0, 2.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    /// let pinv = Engine::cpu().pinv(View::row_major(&a, 2, 2, 3)?).run()?;
    /// assert_eq!((pinv.inverse.rows(), pinv.inverse.cols()), (3, 2));
    /// assert_eq!(pinv.report.outcomes[1].rank, 1);
    /// assert!((pinv.inverse.view().get(1, 2, 0).unwrap() - 1.0 / 6.0).abs() < 1e-6);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn pinv<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, Pinv<T>> {
        Call::new(self, a.into())
    }
}

impl<T: Scalar> Damped for Pinv<T> {}

impl<T: Scalar> DampedNearSingular for Pinv<T> {}

impl<T: Scalar> Recordable for Pinv<T> {}

impl<T: Scalar> Compute for Pinv<T> {
    fn places(_: &(), shapes: Shapes) -> Vec<[usize; 3]> {
        let [count, m, n] = shapes.a;
        vec![[count, n, m]]
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &(),
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let job = Self::job(choices, given.shapes());
        let composed = engine.compose(given.a, job, options, blocking);
        let (inverse, report) = composed.await?;
        Ok(Pinv { inverse, report })
    }

    fn job(_: &(), _: Shapes) -> Job {
        Job::inverse(None)
    }

    fn whole_on_device(_: &(), _: Shapes) -> Option<Finish<Self>> {
        Some(|solved, choices, shapes| {
            let (inverse, report) = solved.composed(Self::places(choices, shapes)[0]);
            Pinv { inverse, report }
        })
    }
}

impl<T: Scalar> ComputeInto for Pinv<T> {
    async fn compute_into(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &(),
        inverse: Self::Places<'_>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        let job = Self::job(choices, given.shapes());
        let composed = engine.compose_into(given.a, None, job, inverse, options, blocking);
        composed.await
    }
}
