//! Approximations of low rank, from the singular values that count.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::{Options, Vectors};
use crate::data::outcome::Status;
use crate::data::report::Report;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::device_batch::{DeviceBatch, DeviceReport};
use crate::ops::for_each;
use crate::planner::Job;

/// Approximations of low rank of a batch of m x n matrices.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LowRank<T: Scalar> {
    /// The approximations: m x n.
    pub approximation: Batch<T>,
    /// The status of every matrix, and the rank of its approximation.
    pub report: Report,
}

/// Approximations of low rank that stay on the device. The fields are those of [`LowRank`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceLowRank<T: Scalar> {
    /// The approximations: m x n.
    pub approximation: DeviceBatch<T>,
    /// The status of every matrix, and the rank of its approximation.
    pub report: DeviceReport,
}

/// Approximations of low rank of a batch of m x n matrices, as two factors: left right'. r is the largest rank of
/// the batch. If a matrix is not finite, r is at least one, and the factors of this matrix are NaN.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LowRankFactors<T: Scalar> {
    /// U diag(sigma) of the singular values that count: m x r. A matrix of lower rank has zeros in the last columns.
    pub left: Batch<T>,
    /// V of the singular values that count: n x r, with zeros in the same way.
    pub right: Batch<T>,
    /// The singular values that count: r x 1, with zeros in the same way.
    pub sigma: Batch<T::Real>,
    /// The status of every matrix, and the rank of its approximation.
    pub report: Report,
}

impl Engine {
    /// Computes the best approximations, m x n, of m x n matrices by the singular values that count: A_r is the sum of
    /// sigma_i u_i v_i' over the r largest. The [cutoff](Options::cutoff) decides the number r: by
    /// [`Cutoff::rank`](crate::Cutoff::rank), [`energy`](crate::Cutoff::energy) or [`error`](crate::Cutoff::error), or
    /// by the size of the singular values. [`low_rank_factors`](Self::low_rank_factors_async) returns the
    /// approximations as factors.
    ///
    /// **Guarantee**, if singular values have the bounds of [`svd`](Self::svd_async): no matrix of rank r or less is
    /// nearer to A by more than 4 tol |A|_F, in the Frobenius norm and in the spectral norm. The distances are the norm
    /// and the largest of the singular values that do not count.
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

    /// Does the same as [`low_rank_async`](Self::low_rank_async), and blocks until it is done.
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

    /// Computes the results of [`low_rank_async`](Self::low_rank_async) for a batch on the device. The results stay
    /// there. [`svd_resident_async`](Self::svd_resident_async) describes when such a call waits.
    ///
    /// # Errors
    /// As [`svd_resident_async`](Self::svd_resident_async).
    pub async fn low_rank_resident_async<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<DeviceLowRank<T>, Error> {
        self.low_rank_resident_inner(a, options, false).await
    }

    /// Does the same as [`low_rank_resident_async`](Self::low_rank_resident_async), and blocks where that call waits.
    ///
    /// # Errors
    /// As [`low_rank_resident_async`](Self::low_rank_resident_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn low_rank_resident<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<DeviceLowRank<T>, Error> {
        pollster::block_on(self.low_rank_resident_inner(a, options, true))
    }

    async fn low_rank_resident_inner<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        options: &Options,
        blocking: bool,
    ) -> Result<DeviceLowRank<T>, Error> {
        let composed = self.compose_resident(a, None, Job::low_rank(), options, blocking);
        let (approximation, report) = composed.await?;
        Ok(DeviceLowRank {
            approximation,
            report,
        })
    }

    async fn low_rank_inner<T: Real>(
        &self,
        a: View<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<LowRank<T>, Error> {
        let job = Job::low_rank();
        let (approximation, report) = self.compose(a, None, job, options, blocking).await?;
        Ok(LowRank {
            approximation,
            report,
        })
    }

    /// Computes the [best approximations](Self::low_rank_async) of m x n matrices as two factors, m x r and n x r. The
    /// product is not formed: the factors have (m + n) r numbers in place of m n. r is the largest rank of the batch.
    ///
    /// **Guarantee**, **source**: those of [`low_rank`](Self::low_rank_async). Up to rounding, its approximations are
    /// left right'.
    ///
    /// # Errors
    /// As [`svd`](Self::svd_async).
    pub async fn low_rank_factors_async<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        options: &Options,
    ) -> Result<LowRankFactors<T>, Error> {
        self.factors_inner(a.into(), options, false).await
    }

    /// Does the same as [`low_rank_factors_async`](Self::low_rank_factors_async), and blocks until it is done.
    ///
    /// ```
    /// use batched_svd::{Batch, Cutoff, Engine, Options};
    ///
    /// let a = Batch::from_fn(100, 16, 12, |b, i, j| 1.0 / (1 + b + i + j) as f32)?;
    /// let options = Options::default().cutoff(Cutoff::error(1e-3));
    /// let factors = Engine::cpu().low_rank_factors(&a, &options)?;
    /// assert!(factors.left.cols() < 6); // such matrices have few singular values of any size
    /// assert_eq!((factors.left.rows(), factors.right.rows()), (16, 12));
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`low_rank_factors_async`](Self::low_rank_factors_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn low_rank_factors<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        options: &Options,
    ) -> Result<LowRankFactors<T>, Error> {
        pollster::block_on(self.factors_inner(a.into(), options, true))
    }

    async fn factors_inner<T: Real>(
        &self,
        a: View<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<LowRankFactors<T>, Error> {
        if !blocking && self.in_background() {
            let call = |engine: &Engine, a: View<'_, T>, options: &Options| {
                pollster::block_on(engine.factors_inner(a, options, true))
            };
            return self.background(a, options, call).await;
        }
        let k = a.rows().min(a.cols());
        let svd = self.svd_inner(a, Vectors::Thin, options, blocking).await?;
        let outcomes = &svd.report.outcomes;
        let rank = |index: usize| outcomes[index].rank as usize;
        // Where a matrix is not finite, a column is left to say so.
        let most = outcomes.iter().map(|outcome| match outcome.status {
            Status::NonFinite => k.min(1),
            _ => outcome.rank as usize,
        });
        let most = most.max().unwrap_or(0);
        let [left, right] = [(svd.u, true), (svd.v, false)].map(|(factor, weighted)| {
            // Always there: it was asked for.
            let factor = factor.map_or_else(|| Batch::zeros(0, 0, 0), Ok)?;
            let rows = factor.rows();
            let mut taken = Batch::<T>::zeros(factor.count(), rows, most)?;
            for_each(&mut taken, |index, to| {
                if outcomes[index].status == Status::NonFinite {
                    return to.fill(T::NAN);
                }
                let from = &factor.matrix(index)[..rows * rank(index)];
                to[..from.len()].copy_from_slice(from);
                if weighted {
                    let columns = to.chunks_exact_mut(rows).zip(svd.sigma.matrix(index));
                    for (column, &sigma) in columns.take(rank(index)) {
                        column.iter_mut().for_each(|entry| *entry *= sigma);
                    }
                }
            });
            Ok::<_, Error>(taken)
        });
        let mut sigma = Batch::<T>::zeros(svd.sigma.count(), most, 1)?;
        for_each(&mut sigma, |index, to| match outcomes[index].status {
            Status::NonFinite => to.fill(T::NAN),
            _ => to[..rank(index)].copy_from_slice(&svd.sigma.matrix(index)[..rank(index)]),
        });
        Ok(LowRankFactors {
            left: left?,
            right: right?,
            sigma,
            report: svd.report,
        })
    }
}
