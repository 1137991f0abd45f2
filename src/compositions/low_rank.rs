//! Approximations by the singular values that count.

use crate::batch::Batch;
use crate::engine::Engine;
use crate::error::Error;
use crate::options::Options;
use crate::planner::{Filter, Job, Side};
use crate::report::Report;
use crate::scalar::{Real, Scalar};
use crate::view::View;

/// Approximations of low rank of a batch of m x n matrices.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LowRank<T: Scalar> {
    /// The approximations: m x n.
    pub approximation: Batch<T>,
    /// How every matrix fared, with the rank of its approximation.
    pub report: Report,
}

impl Engine {
    /// The best approximations, m x n, of m x n matrices by the singular values that count: A_r is the sum of
    /// sigma_i u_i v_i' over the r largest. How many they are is the [cutoff's](Options::cutoff) to say:
    /// [`Cutoff::rank`](crate::Cutoff::rank), [`energy`](crate::Cutoff::energy) and
    /// [`error`](crate::Cutoff::error), or by their size. As factors, A_r is the first r columns of a thin
    /// [`svd`](Self::svd_async) with the same options, whose report has the same ranks if the
    /// same engine did it.
    ///
    /// **Guarantee**, where singular values have the bounds of [`svd`](Self::svd_async): no matrix of rank r or less is
    /// nearer to A by more than 4 tol |A|_F, in the Frobenius and in the spectral norm; the distances are the
    /// norm and the largest of the singular values that do not count.
    ///
    /// **Source**: Eckart and Young 1936; Golub and Van Loan, Theorem 2.4.8.
    ///
    /// # Errors
    /// As [`svd`](Self::svd_async).
    pub async fn low_rank_async<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        options: &Options,
    ) -> Result<LowRank<T>, Error> {
        self.low_rank_inner(a.into(), options, false).await
    }

    /// [`low_rank_async`](Self::low_rank_async), waiting.
    ///
    /// ```
    /// use batched_svd::{Batch, Cutoff, Engine, Options};
    ///
    /// // Two outer products, one of them a hundred times larger.
    /// let a = Batch::from_fn(1, 8, 6, |_, i, j| {
    ///     100.0 + if i % 2 == j % 2 { 1.0 } else { -1.0f64 }
    /// })?;
    /// let options = Options::default().cutoff(Cutoff::rank(1));
    /// let one = Engine::cpu().low_rank(&a, &options)?;
    /// assert_eq!(one.report.outcomes[0].rank, 1);
    /// assert!(one.approximation.matrix(0).iter().all(|x| (x - 100.0).abs() < 1e-10));
    ///
    /// let options = Options::default().cutoff(Cutoff::error(0.001));
    /// let sharper = Engine::cpu().low_rank(&a, &options)?;
    /// assert_eq!(sharper.report.outcomes[0].rank, 2);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`low_rank_async`](Self::low_rank_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn low_rank<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        options: &Options,
    ) -> Result<LowRank<T>, Error> {
        pollster::block_on(self.low_rank_inner(a.into(), options, true))
    }

    async fn low_rank_inner<T: Real>(
        &self,
        a: View<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<LowRank<T>, Error> {
        let job = Job::composition(Side::U, Filter::Value, Side::V);
        let (approximation, report) = self.compose(a, None, job, options, blocking).await?;
        Ok(LowRank {
            approximation,
            report,
        })
    }
}
