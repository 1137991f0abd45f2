//! Approximations of low rank, from the singular values that count.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::outcome::Status;
use crate::data::report::Report;
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::Float;
use crate::engine::Engine;
use crate::ops::call::{Call, Operand};
use crate::ops::for_each;
use crate::ops::operation::{
    Compute, ComputeInto, Finish, Given, Host, Memory, Recordable, Shapes,
};
use crate::planner::{Job, Vectors};

/// Approximations of low rank of a batch of m x n matrices.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LowRank<T: Scalar, M: Memory = Host> {
    /// The approximations: m x n.
    pub approximation: M::Batch<T>,
    /// The status of every matrix, and the rank of its approximation.
    pub report: M::Report,
}

/// Approximations of low rank of a batch of m x n matrices, as two factors: left right'. r is the largest rank of
/// the batch. If a matrix is not finite, r is at least one, and the factors of this matrix are NaN.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LowRankFactors<T: Scalar, M: Memory = Host> {
    /// U diag(sigma) of the singular values that count: m x r. A matrix of lower rank has zeros in the last columns.
    pub left: M::Batch<T>,
    /// V of the singular values that count: n x r, with zeros in the same way.
    pub right: M::Batch<T>,
    /// The singular values that count: r x 1, with zeros in the same way.
    pub sigma: M::Batch<T::Real>,
    /// The status of every matrix, and the rank of its approximation.
    pub report: M::Report,
}

impl Engine {
    /// Computes the best approximations, m x n, of m x n matrices by the singular values that count: A_r is the sum of
    /// sigma_i u_i v_i' over the r largest. The [cutoff](Call::cutoff) decides the number r: by
    /// [`Cutoff::rank`](crate::Cutoff::rank), [`energy`](crate::Cutoff::energy) or [`error`](crate::Cutoff::error), or
    /// by the size of the singular values. [`low_rank_factors`](Self::low_rank_factors) returns the
    /// approximations as factors.
    ///
    /// **Guarantee**, if singular values have the bounds of [`svd`](Self::svd): no matrix of rank r or less is
    /// nearer to A by more than 4 tol |A|_F, in the Frobenius norm and in the spectral norm. The distances are the norm
    /// and the largest of the singular values that do not count.
    ///
    /// **Source**: Eckart and Young 1936; Golub and Van Loan, Theorem 2.4.8.
    ///
    /// ```
    /// use batched_svd::{Batch, Cutoff, Engine};
    ///
    /// // Two outer products, one of them a hundred times larger.
    /// let a = Batch::from_fn(1, 8, 6, |_, i, j| {
    ///     100.0 + if i % 2 == j % 2 { 1.0 } else { -1.0f64 }
    /// })?;
    /// let engine = Engine::cpu();
    /// let one = engine.low_rank(&a).cutoff(Cutoff::rank(1)).run()?;
    /// assert_eq!(one.report.outcomes[0].rank, 1);
    /// assert!(one.approximation.matrix(0).iter().all(|x| (x - 100.0).abs() < 1e-10));
    ///
    /// let sharper = engine.low_rank(&a).cutoff(Cutoff::error(0.001)).run()?;
    /// assert_eq!(sharper.report.outcomes[0].rank, 2);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn low_rank<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, LowRank<T>> {
        Call::new(self, a.into())
    }

    /// Computes the [best approximations](Self::low_rank) of m x n matrices as two factors, m x r and n x r. The
    /// product is not formed: the factors have (m + n) r numbers in place of m n. r is the largest rank of the batch.
    ///
    /// **Guarantee**, **source**: those of [`low_rank`](Self::low_rank). Up to rounding, its approximations are
    /// left right'.
    ///
    /// ```
    /// use batched_svd::{Batch, Cutoff, Engine};
    ///
    /// let a = Batch::from_fn(100, 16, 12, |b, i, j| 1.0 / (1 + b + i + j) as f32)?;
    /// let factors = Engine::cpu().low_rank_factors(&a).cutoff(Cutoff::error(1e-3)).run()?;
    /// assert!(factors.left.cols() < 6); // such matrices have few singular values of any size
    /// assert_eq!((factors.left.rows(), factors.right.rows()), (16, 12));
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn low_rank_factors<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, LowRankFactors<T>> {
        Call::new(self, a.into())
    }
}

impl<T: Scalar> Recordable for LowRank<T> {}

impl<T: Scalar> Compute for LowRank<T> {
    fn places(_: &(), shapes: Shapes) -> Vec<[usize; 3]> {
        vec![shapes.a]
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
        let (approximation, report) = composed.await?;
        Ok(LowRank {
            approximation,
            report,
        })
    }

    fn job(_: &(), _: Shapes) -> Job {
        Job::low_rank()
    }

    fn whole_on_device(_: &(), _: Shapes) -> Option<Finish<Self>> {
        Some(|solved, choices, shapes| {
            let (approximation, report) = solved.composed(Self::places(choices, shapes)[0]);
            LowRank {
                approximation,
                report,
            }
        })
    }
}

impl<T: Scalar> ComputeInto for LowRank<T> {
    async fn compute_into(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &(),
        place: Self::Places<'_>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        let job = Self::job(choices, given.shapes());
        let composed = engine.compose_into(given.a, None, job, place, options, blocking);
        composed.await
    }
}

impl<T: Scalar> Compute for LowRankFactors<T> {
    fn places(_: &(), _: Shapes) -> Vec<[usize; 3]> {
        // They depend on the ranks, which are known only afterwards.
        Vec::new()
    }

    fn job(_: &(), _: Shapes) -> Job {
        Job::svd(Vectors::Thin)
    }

    async fn compute(
        engine: &Engine,
        Given { a, .. }: Given<'_, T>,
        _: &(),
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let k = a.rows().min(a.cols());
        let svd = engine.thin(a, options, blocking).await?;
        let outcomes = &svd.report.outcomes;
        let rank = |index: usize| outcomes[index].rank as usize;
        // Where a matrix is not finite, a column is left to say so.
        let most = outcomes.iter().map(|outcome| match outcome.status {
            Status::NonFinite => k.min(1),
            _ => outcome.rank as usize,
        });
        let most = most.max().unwrap_or(0);
        let [left, right] = [(svd.u, true), (svd.v, false)].map(|(factor, weighted)| {
            let rows = factor.rows();
            let mut taken = Batch::<T>::zeros(factor.count(), rows, most)?;
            for_each(&mut taken, |index, to| {
                if outcomes[index].status == Status::NonFinite {
                    return to.fill(T::nan());
                }
                let from = &factor.matrix(index)[..rows * rank(index)];
                to[..from.len()].copy_from_slice(from);
                if weighted {
                    let columns = to.chunks_exact_mut(rows).zip(svd.sigma.matrix(index));
                    for (column, &sigma) in columns.take(rank(index)) {
                        column
                            .iter_mut()
                            .for_each(|entry| *entry = entry.times(sigma));
                    }
                }
            });
            Ok::<_, Error>(taken)
        });
        let mut sigma = Batch::<T::Real>::zeros(svd.sigma.count(), most, 1)?;
        for_each(&mut sigma, |index, to| match outcomes[index].status {
            Status::NonFinite => to.fill(T::Real::NAN),
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
