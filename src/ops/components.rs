//! Principal components and whitening: decompositions of centred data.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::factor::Factor;
use crate::data::options::{Options, PerMatrix};
use crate::data::outcome::Status;
use crate::data::report::Report;
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::{Entry, Float};
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::road::strict;
use crate::ops::call::{Call, Operand};
use crate::ops::operation::{Compute, ComputeInto, Damped, Given, Host, Memory, Shapes};
use crate::ops::singular_vectors::SingularVectors;
use crate::ops::{for_each, mirror};
use crate::planner::{Filter, Job, Vectors, sigma_error};

/// Principal components of a batch of m x n matrices of data: m samples of n features each, k = min(m, n).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Components<T: Scalar, M: Memory = Host> {
    /// The means of the features: n x 1.
    pub mean: M::Batch<T>,
    /// The directions as orthonormal columns, that of the largest variance first: n x k. In each column the entry of
    /// largest magnitude is positive.
    pub components: M::Batch<T>,
    /// The coordinates of the samples, minus the means, along each component: m x k.
    pub scores: M::Batch<T>,
    /// The standard deviations of the scores, in descending order: k x 1. The denominator is m - 1, at least one.
    pub deviations: M::Batch<T::Real>,
    /// The status of every matrix, and the rank of the centred data under the cutoff.
    pub report: M::Report,
}

/// The whitening of a batch of m x n matrices of data: m samples of n features each.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Whitening<T: Scalar, M: Memory = Host> {
    /// The means of the features: n x 1.
    pub mean: M::Batch<T>,
    /// The symmetric matrix W: n x n. Samples (as rows) minus the means, times W, are white.
    pub transform: M::Batch<T>,
    /// The status of every matrix, and the rank of the centred data under the cutoff.
    pub report: M::Report,
}

/// What only whitening has: an epsilon, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Regularisation(Option<PerMatrix>);

impl Engine {
    /// Computes the principal components of m x n matrices of data. Each row is a sample, each column is a feature. The
    /// means (n x 1) are subtracted: A - mean = scores components'. The components (n x k) are orthonormal. The scores
    /// (m x k) are uncorrelated, with the deviations (k x 1). m and n can have any size.
    ///
    /// **Guarantee**: the bounds of [`svd`](Self::svd) hold for the centred data in the type of A. Means are
    /// summed in f64. By default, a component counts for the rank only if its singular value is also above eps sqrt(m)
    /// |mean|. Smaller values may come from the rounding of the data.
    ///
    /// **Source**: A - mean = U diag(sigma) V'; components V, scores U diag(sigma), deviations sigma / sqrt(m - 1)
    /// (Jolliffe, Principal Component Analysis, 3.5).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// // Five samples on a line, of slope 3 / 4.
    /// let a = Batch::from_fn(1, 5, 2, |_, i, j| 1.0 + i as f64 * [4.0, 3.0][j])?;
    /// let found = Engine::cpu().principal_components(&a).run()?;
    /// assert_eq!(found.mean.matrix(0), [9.0, 7.0]);
    /// assert!((found.components.matrix(0)[0] - 0.8).abs() < 1e-14);
    /// assert!((found.deviations.matrix(0)[0] - 5.0 * 2.5f64.sqrt()).abs() < 1e-13);
    /// assert_eq!(found.report.outcomes[0].rank, 1);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn principal_components<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, Components<T>> {
        Call::new(self, a.into())
    }

    /// Computes the symmetric whitening of m x n matrices of data. Each row is a sample, each column is a feature. The
    /// result W (n x n) makes the rows of (A - mean) W uncorrelated, with variance one. Of all such matrices, W changes
    /// the data least (ZCA, Mahalanobis). In directions in which the data does not vary, W is zero. W has the rank of
    /// the centred data under the [cutoff](Call::cutoff), and the covariance of the result is a projector.
    ///
    /// W = V diag(f(sigma)) V' of (A - mean) / sqrt(m - 1), where f is the reciprocal. With
    /// [damping](Call::damping), f is damped. With an [epsilon](Call::epsilon), f is 1 / sqrt(sigma^2 + epsilon)
    /// over all directions (the usual regularisation of ZCA: Krizhevsky 2009). The white scores along the principal
    /// components are [`scores`](Components::scores) divided by [`deviations`](Components::deviations).
    ///
    /// **Guarantee**: W is exactly symmetric. The covariance has an error of at most 8 sqrt(rank) tol c (Frobenius),
    /// where c is the condition number of the part that is kept.
    ///
    /// **Source**: Kessy, Lewin and Strimmer 2018.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// // Two samples that differ in one of two features.
    /// let a = Batch::from_row_major(1, 2, 2, &[2.0f64, 0.0, -2.0, 0.0])?;
    /// let white = Engine::cpu().whitening(&a).run()?;
    /// let deviation = 8f64.sqrt();
    /// assert!((white.transform.matrix(0)[0] - 1.0 / deviation).abs() < 1e-14);
    /// assert_eq!(white.transform.matrix(0)[3], 0.0); // that one does not vary
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn whitening<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, Whitening<T>> {
        Call::new(self, a.into())
    }
}

impl<T: Scalar> Damped for Whitening<T> {}

impl<T: Scalar> Call<'_, '_, Whitening<T>> {
    /// Sets the usual regularisation of ZCA: 1/s becomes 1 / sqrt(s^2 + epsilon), where s is the standard deviation
    /// along a principal component. Epsilon is finite, not negative, and in the unit of the variances. It is one number
    /// for the whole batch, or one for each matrix.
    ///
    /// With an epsilon, no direction is left out. A direction that does not count under the [cutoff](Call::cutoff) has
    /// s = 0 and is divided by sqrt(epsilon). An epsilon of zero is the same as no epsilon. An
    /// epsilon together with a [damping](Call::damping) is an error.
    pub fn epsilon(mut self, epsilon: impl Into<PerMatrix>) -> Self {
        self.choices = Regularisation(Some(epsilon.into()));
        self
    }
}

impl<T: Scalar> Compute for Components<T> {
    fn places(_: &(), shapes: Shapes) -> Vec<[usize; 3]> {
        let ([count, m, n], k) = (shapes.a, shapes.k());
        vec![[count, n, 1], [count, n, k], [count, m, k], [count, k, 1]]
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
        let m = a.rows();
        let Centred {
            mean,
            data,
            options,
        } = Centred::new(a, 1.0, options)?;
        let svd = engine.thin(data.view(), &options, blocking).await?;
        let (mut scores, components) = (svd.u, svd.v);
        for_each(&mut scores, |index, columns| {
            let sigma = svd.sigma.matrix(index);
            for (column, &sigma) in columns.chunks_exact_mut(m).zip(sigma) {
                column
                    .iter_mut()
                    .for_each(|entry| *entry = entry.times(sigma));
            }
        });
        let mut deviations = svd.sigma;
        let freedom = freedom(m).sqrt();
        for_each(&mut deviations, |_, sigma| {
            let over = |sigma: &mut T::Real| *sigma = T::Real::of(sigma.f64() / freedom);
            sigma.iter_mut().for_each(over);
        });
        Ok(Components {
            mean,
            components,
            scores,
            deviations,
            report: svd.report,
        })
    }
}

impl<T: Scalar> ComputeInto for Components<T> {}

impl<T: Scalar> Compute for Whitening<T> {
    fn check(choices: &Regularisation, options: &Options, shapes: Shapes) -> Result<(), Error> {
        let Regularisation(epsilon) = choices;
        if epsilon.is_some() && options.damping.is_some() {
            let text = "whitening is damped or has an epsilon, but not both";
            return Err(Error::argument(text));
        }
        if let Some(epsilon) = epsilon {
            epsilon.check("epsilon", shapes.a[0])?;
        }
        Ok(())
    }

    fn places(_: &Regularisation, shapes: Shapes) -> Vec<[usize; 3]> {
        let [count, _, n] = shapes.a;
        vec![[count, n, 1], [count, n, n]]
    }

    fn job(Regularisation(epsilon): &Regularisation, shapes: Shapes) -> Job {
        match epsilon {
            None => Job::composition(Factor::V, Filter::Inverse, Factor::V),
            Some(_) => Job::complete_factor(Factor::V, shapes.matrix()),
        }
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        Regularisation(epsilon): &Regularisation,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let Centred {
            mean,
            data,
            options,
        } = Centred::new(given.a, freedom(given.a.rows()).sqrt(), options)?;
        if let Some(epsilon) = epsilon {
            let whole = engine.regularised(data.view(), epsilon, &options, blocking);
            let (transform, report) = whole.await?;
            return Ok(Whitening {
                mean,
                transform,
                report,
            });
        }
        let job = Self::job(&Regularisation(None), given.shapes());
        let composed = engine.compose(data.view(), job, &options, blocking);
        let (mut transform, report) = composed.await?;
        let n = transform.rows();
        for_each(&mut transform, |_, matrix| mirror(matrix, n));
        Ok(Whitening {
            mean,
            transform,
            report,
        })
    }
}

impl<T: Scalar> ComputeInto for Whitening<T> {}

impl Engine {
    /// V diag(1 / sqrt(sigma^2 + epsilon)) V' over all directions, also those without a variance.
    async fn regularised<T: Scalar>(
        &self,
        data: View<'_, T>,
        epsilon: &PerMatrix,
        options: &Options,
        blocking: bool,
    ) -> Result<(Batch<T>, Report), Error> {
        let n = data.cols();
        let found = self.complete_factor(data, Factor::V, options, blocking);
        let SingularVectors {
            vectors,
            sigma,
            mut report,
        } = found.await?;
        let mut transform = Batch::<T>::zeros(data.count(), n, n)?;
        let outcomes = &report.outcomes;
        for_each(&mut transform, |index, w| {
            let (v, sigma) = (vectors.matrix(index), sigma.matrix(index));
            let (rank, root) = (outcomes[index].rank as usize, epsilon.get(index).sqrt());
            for (c, column) in v.chunks_exact(n).enumerate() {
                let counts = c < rank && sigma[c].finite();
                let deviation = if counts { sigma[c].f64() } else { 0.0 };
                let size = deviation.hypot(root);
                // Of a matrix that is not finite the vectors are NaN.
                let weight = if size > 0.0 { 1.0 / size } else { 0.0 };
                for (j, to) in w.chunks_exact_mut(n).enumerate() {
                    let factor = T::of_wide(column[j].wide().times(weight).conjugate());
                    for (to, &entry) in to[j..].iter_mut().zip(&column[j..]) {
                        *to += factor * entry;
                    }
                }
            }
            mirror(w, n);
        });
        let size = (n * n).max(1);
        for (outcome, w) in report
            .outcomes
            .iter_mut()
            .zip(transform.as_slice().chunks_exact(size))
        {
            if outcome.status != Status::NonFinite && !w.iter().all(|w| w.is_number()) {
                outcome.status = Status::NotRepresentable;
            }
        }
        Ok((transform, strict(report, options)?))
    }
}

/// The denominator of variances.
fn freedom(samples: usize) -> f64 {
    samples.saturating_sub(1).max(1) as f64
}

/// Data without its means.
struct Centred<T: Scalar> {
    /// n x 1.
    mean: Batch<T>,
    /// What is left, divided.
    data: Batch<T>,
    /// The caller's, by which what may be nothing but the rounding of the data and of the means does not count.
    options: Options,
}

impl<T: Scalar> Centred<T> {
    fn new(a: View<'_, T>, divisor: f64, options: &Options) -> Result<Self, Error> {
        let (count, m, n) = (a.count(), a.rows(), a.cols());
        let mut means = Batch::<T::Wide>::zeros(count, n, 1)?;
        let (mut mean, mut data) = (Batch::zeros(count, n, 1)?, Batch::zeros(count, m, n)?);
        let size = m.max(1) as f64;
        for_each(&mut means, |b, means| {
            for (j, mean) in means.iter_mut().enumerate() {
                // Divided first, so that no sum overflows; then corrected by what that rounds.
                for x in a.column(b, j) {
                    *mean += x.wide().over(size);
                }
                let mut rest = T::Wide::default();
                for x in a.column(b, j) {
                    rest += (x.wide() - *mean).over(size);
                }
                *mean += rest;
            }
        });
        for_each(&mut mean, |b, mean| {
            for (to, &mean) in mean.iter_mut().zip(means.matrix(b)) {
                *to = T::of_wide(mean);
            }
        });
        for_each(&mut data, |b, entries| {
            let columns = entries.chunks_exact_mut(m).zip(means.matrix(b));
            for (j, (to, &mean)) in columns.enumerate() {
                for (to, x) in to.iter_mut().zip(a.column(b, j)) {
                    *to = T::of_wide((x.wide() - mean).over(divisor));
                }
            }
        });
        // Entries and means are of a relative error of at most u each.
        let eps = 2.0 * T::DTYPE.unit_roundoff();
        let floor = |b: usize| {
            let scaled = means
                .matrix(b)
                .iter()
                .map(|mean| mean.times(eps).size().powi(2));
            let floor = (size * scaled.sum::<f64>()).sqrt() / divisor;
            if floor.is_finite() { floor } else { 0.0 }
        };
        let default = sigma_error(T::DTYPE, m.min(n));
        let cutoff = options
            .cutoff
            .or_above(default, (0..count).map(floor).collect());
        Ok(Centred {
            mean,
            data,
            options: options.clone().cutoff(cutoff),
        })
    }
}
