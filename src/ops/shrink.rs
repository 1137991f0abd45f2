//! Matrices without their noise, by shrinkage of singular values.

use crate::data::error::Error;
use crate::data::options::{Options, PerMatrix};
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::engine::Engine;
use crate::engine::road::strict;
use crate::ops::call::{Call, Operand};
use crate::ops::operation::{Compute, ComputeInto, Given, Host, Memory, Shapes};
use crate::ops::shrinkage::{Shrinkage, median};
use crate::ops::weighted::weighted;
use crate::planner::{Job, Vectors};

/// A batch of m x n matrices without their noise.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Shrunk<T: Scalar, M: Memory = Host> {
    /// The estimated signals: m x n.
    pub signal: M::Batch<T>,
    /// The noise level of each matrix, the standard deviation of an entry: the one that was given, or the estimated one.
    pub noise: Vec<f64>,
    /// The status of every matrix, and the rank of its signal.
    pub report: M::Report,
}

/// What only shrinkage has: the rule, and where the noise level is from.
#[derive(Clone, Debug, Default)]
pub struct NoiseModel {
    rule: Shrinkage,
    level: Level,
}

/// Where the noise level is from.
#[derive(Clone, Debug, Default)]
enum Level {
    /// It is estimated from each matrix.
    #[default]
    Estimated,
    /// It is one for all matrices, the median of those that are estimated.
    Shared,
    Known(PerMatrix),
}

impl Engine {
    /// Removes white noise from m x n matrices: A is the sum of a signal of low rank and of noise, whose entries are
    /// independent with mean zero and one variance. The signal is estimated as U diag(eta(sigma)) V', m x n, where eta
    /// shrinks singular values and makes those of the noise zero. The rank need not be known: it is in the report. m and
    /// n can have any size.
    ///
    /// The [rule](Call::rule) says in which norm the estimate is best. The [noise](Call::noise) level is known, or it is
    /// estimated from the median of the singular values of each matrix, or it is [one level for all](Call::shared_noise),
    /// the median of these estimates. The median is that of the noise if the rank of the signal is well below k / 2, where
    /// k is min(m, n). Where the signal is not exactly of low rank, its small singular values make the estimate too large by
    /// some per cent. Singular values that do not count under the [cutoff](Call::cutoff) become zero, whatever the rule.
    ///
    /// **Guarantee**: the result is the formula at singular values and vectors with the bounds of [`svd`](Self::svd),
    /// with an error of at most (k + 4) tol sigma_max. That eta is the best function of singular values is a theorem for
    /// large matrices and any signal of fixed rank; it is close from about 20 x 20 on.
    ///
    /// **Source**: Gavish and Donoho, Optimal Shrinkage of Singular Values (2017); The Optimal Hard Threshold for Singular
    /// Values is 4 / sqrt(3) (2014). Let beta = k / max(m, n), and y = sigma / (noise sqrt(max(m, n))). For the Frobenius
    /// norm, eta = sqrt((y^2 - beta - 1)^2 - 4 beta) / y if y > 1 + sqrt(beta), else zero. The noise is estimated as
    /// median(sigma) / sqrt(max(m, n) mu), where mu is the median of the distribution of Marchenko and Pastur.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// // A matrix of rank one, and noise with entries of about 1.
    /// let signal = |i: usize, j: usize| 10.0 * (0.1 * i as f64).sin() * (0.2 * j as f64).cos();
    /// let noise = |i: usize, j: usize| (1e5 * ((i * 50 + j) as f64).sin()).rem_euclid(2.0) - 1.0;
    /// let a = Batch::from_fn(1, 60, 50, |_, i, j| signal(i, j) + noise(i, j))?;
    /// let found = Engine::cpu().shrink(&a).run()?;
    /// assert_eq!(found.report.outcomes[0].rank, 1);
    /// assert!((found.noise[0] - 1.0 / 3f64.sqrt()).abs() < 0.1); // uniform between -1 and 1
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn shrink<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, Shrunk<T>> {
        Call::new(self, a.into())
    }
}

impl<T: Scalar> Call<'_, '_, Shrunk<T>> {
    /// Sets what is made of singular values. Default: [`Shrinkage::Frobenius`].
    pub fn rule(mut self, rule: Shrinkage) -> Self {
        self.choices.rule = rule;
        self
    }

    /// Sets the noise level: the standard deviation of an entry of the noise, in the unit of the entries; of complex
    /// entries, the root of the mean of |z|^2. It is finite and not negative. It is one number for the whole batch, or one
    /// for each matrix. Default: it is estimated, matrix by matrix. With a level of zero, nothing is noise.
    pub fn noise(mut self, level: impl Into<PerMatrix>) -> Self {
        self.choices.level = Level::Known(level.into());
        self
    }

    /// Sets that all matrices of the call have the same noise level, such as patches of one photograph. It is the median of
    /// the positive levels that are estimated from the matrices, which is more reliable than each of them. This replaces a
    /// [noise](Self::noise) level that was set before, and is replaced by one that is set later.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let noise = |at: usize| (1e5 * (at as f64).sin()).rem_euclid(2.0) - 1.0;
    /// let a = Batch::from_fn(9, 40, 30, |b, i, j| noise((b * 40 + i) * 30 + j))?;
    /// let engine = Engine::cpu();
    /// let mut own = engine.shrink(&a).run()?.noise;
    /// let found = engine.shrink(&a).shared_noise().run()?;
    /// own.sort_by(f64::total_cmp);
    /// assert_eq!(found.noise, [own[4]; 9]);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn shared_noise(mut self) -> Self {
        self.choices.level = Level::Shared;
        self
    }
}

impl<T: Scalar> Compute for Shrunk<T> {
    fn check(choices: &NoiseModel, _: &Options, shapes: Shapes) -> Result<(), Error> {
        match &choices.level {
            Level::Known(noise) => noise.check("noise level", shapes.a[0]),
            _ => Ok(()),
        }
    }

    fn places(_: &NoiseModel, shapes: Shapes) -> Vec<[usize; 3]> {
        vec![shapes.a]
    }

    fn job(_: &NoiseModel, _: Shapes) -> Job {
        Job::svd(Vectors::Thin)
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &NoiseModel,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let [count, m, n] = given.a.shape();
        let lenient = options.clone().strict(false);
        let svd = engine.thin(given.a, &lenient, blocking).await?;
        let (k, most) = (m.min(n), m.max(n) as f64);
        let beta = k as f64 / most;
        let mut noise: Vec<f64> = match &choices.level {
            Level::Known(noise) => (0..count).map(|index| noise.get(index)).collect(),
            _ if k == 0 => vec![0.0; count],
            _ => {
                let unit = (most * median(beta)).sqrt();
                let level = |index| middle(svd.sigma.matrix(index)) / unit;
                (0..count).map(level).collect()
            }
        };
        if matches!(choices.level, Level::Shared) {
            share(&mut noise);
        }
        let size = |index: usize, sigma: T::Real| {
            let unit = noise[index] * most.sqrt();
            let sigma = sigma.f64();
            // Without noise, or with so little that the ratio overflows, all is signal.
            let y = sigma / unit;
            match unit > 0.0 && y.is_finite() {
                true => unit * choices.rule.shrink(y, beta),
                false => sigma,
            }
        };
        let outcomes = svd.report.outcomes.iter().enumerate();
        let ranks = outcomes.map(|(index, outcome)| {
            let counted = svd.sigma.matrix(index).iter().take(outcome.rank as usize);
            counted
                .take_while(|sigma| size(index, **sigma) > 0.0)
                .count()
        });
        let ranks: Vec<usize> = ranks.collect();
        let signal = weighted(&svd.u, &svd.v, k, |index, weights| {
            let sigma = svd.sigma.matrix(index).iter();
            weights.extend(sigma.map(|&sigma| T::Real::of(size(index, sigma))));
            weights[ranks[index]..].fill(T::Real::ZERO);
            svd.is_finite(index).then_some(0)
        })?;
        let mut report = svd.report;
        for (outcome, rank) in report.outcomes.iter_mut().zip(ranks) {
            outcome.rank = rank as u32;
        }
        Ok(Shrunk {
            signal,
            noise,
            report: strict(report, options)?,
        })
    }
}

impl<T: Scalar> ComputeInto for Shrunk<T> {}

/// Replaces levels by the median of the positive ones, except those of matrices that are not finite. A level of zero is that
/// of a matrix of zeros, or of low rank without noise.
fn share(levels: &mut [f64]) {
    let known = levels.iter().copied();
    let mut descending: Vec<f64> = known
        .filter(|level| level.is_finite() && *level > 0.0)
        .collect();
    if descending.is_empty() {
        return;
    }
    descending.sort_unstable_by(|x, y| y.total_cmp(x));
    let shared = middle(&descending);
    let known = levels.iter_mut().filter(|level| level.is_finite());
    known.for_each(|level| *level = shared);
}

/// The median of descending numbers.
fn middle<T: Real>(sigma: &[T]) -> f64 {
    let at = |index: usize| sigma[index].f64();
    let half = sigma.len() / 2;
    match sigma.len() % 2 {
        1 => at(half),
        _ => 0.5 * at(half - 1) + 0.5 * at(half),
    }
}
