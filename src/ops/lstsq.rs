//! Least-squares solutions.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::report::Report;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::{View, ViewMut};
use crate::engine::Engine;
use crate::engine::device_batch::{DeviceBatch, DeviceReport};
use crate::engine::place::{Places, composed_shape, fits};
use crate::engine::road::strict;
use crate::ops::refined;
use crate::planner::Job;

/// The least-squares solutions of a batch of systems A X = B. Each A is m x n, each B is m x p (p right-hand
/// sides).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lstsq<T: Scalar> {
    /// The solutions: n x p. [`verify::residuals`](crate::verify::residuals) computes the residuals B - A X.
    pub solution: Batch<T>,
    /// The singular values of A: k x 1, k = min(m, n), as in [`Svd::sigma`](crate::Svd::sigma). They are returned only
    /// with the option [`singular_values`](crate::Options::singular_values). The status does not depend on them.
    pub sigma: Option<Batch<T::Real>>,
    /// The status of every matrix, and its rank under the cutoff. The status is
    /// [`Status::NonFinite`](crate::Status::NonFinite) also if only a right-hand side is not finite.
    pub report: Report,
}

/// Least-squares solutions that stay on the device. The fields are those of [`Lstsq`](crate::Lstsq).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceLstsq<T: Scalar> {
    /// The solutions: n x p.
    pub solution: DeviceBatch<T>,
    /// The status of every matrix, and its rank under the cutoff.
    pub report: DeviceReport,
}

impl Engine {
    /// Computes the least-squares solutions X, n x p, of A X = B, for m x n matrices A and B of m x p (p right-hand
    /// sides). Each column x of X is the shortest of all vectors that minimise |A x - b|, where b is the same column of
    /// B. A can be rank deficient, and the system can be underdetermined.
    ///
    /// X = V diag(1/sigma) U' B over the singular values that count under the [cutoff](Options::cutoff) of the options.
    /// The pseudoinverse is not formed. With [damping](Options::damping), X is the ridge solution. Every column of B is
    /// scaled separately.
    ///
    /// The report contains the ranks. [`Lstsq::sigma`] has the singular values with the option
    /// [`singular_values`](Options::singular_values). [`verify::residuals`](crate::verify::residuals) computes the
    /// residuals B - A X.
    ///
    /// The bits of a solution do not depend on the rest of the batch. They do not depend on the other right-hand sides
    /// either, as long as there are at most min(m, n) of them.
    ///
    /// A NaN or an infinity in A makes all solutions of this A NaN. A NaN or an infinity in a right-hand side makes
    /// only the solution of this side NaN. Both are reported as [`Status::NonFinite`](crate::Status::NonFinite).
    ///
    /// **Guarantee**, for every matrix with status [`Status::Converged`](crate::Status::Converged), with tol as for
    /// [`svd_async`](Self::svd_async), the condition number c of the part that is kept, and its smallest singular value
    /// s:
    ///
    /// - A solution x has an error of at most 8 tol (c |x| + (c |b - A x| + |b|) / s). This follows from the backward
    ///   error of an SVD solver (Golub and Van Loan, 5.3.7).
    /// - For [scaled columns](Self::svd_async), A = B D, with a cutoff of zero, D x has an error of at most that bound,
    ///   with c = cond(B) and with the smallest singular value of B as s. Fitted values A x have an error of at most
    ///   tol cond(B) |b|.
    /// - For wide matrices A = D B of full row rank, x itself has an error of at most tol cond(B) |x|.
    ///
    /// Measured errors of fitted values are at most 3.3 u cond(B) |b|, on both engines.
    ///
    /// **Source**: Golub and Van Loan, 5.5; LAPACK xGELSS.
    ///
    /// # Errors
    /// As [`svd_async`](Self::svd_async), and [`Error::Argument`] if B does not fit A.
    pub async fn lstsq_async<'a, 'b, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        b: impl Into<View<'b, T>>,
        options: &Options,
    ) -> Result<Lstsq<T>, Error> {
        self.lstsq_inner(a.into(), b.into(), options, false).await
    }

    /// Computes least-squares solutions as [`lstsq_async`](Self::lstsq_async) does, and blocks until they are done.
    /// Shapes, guarantee and source are described there.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Options};
    ///
    /// // Lines through three points each: y = x[0] + x[1] t at t = 0, 1, 2.
    /// let a = Batch::from_fn(2, 3, 2, |_, i, j| (i as f64).powi(j as i32))?;
    /// let y = Batch::from_row_major(2, 3, 1, &[1.0f64, 3.0, 5.0, 0.0, 0.0, 3.0])?;
    /// let fit = Engine::cpu().lstsq(&a, &y, &Options::default())?;
    /// let close = |x: &[f64], y: [f64; 2]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-14);
    /// assert!(close(fit.solution.matrix(0), [1.0, 2.0]));
    /// assert!(close(fit.solution.matrix(1), [-0.5, 1.5]));
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`lstsq_async`](Self::lstsq_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn lstsq<'a, 'b, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        b: impl Into<View<'b, T>>,
        options: &Options,
    ) -> Result<Lstsq<T>, Error> {
        pollster::block_on(self.lstsq_inner(a.into(), b.into(), options, true))
    }

    /// Computes the results of [`lstsq_async`](Self::lstsq_async) and writes them to memory of the caller, n x p.
    ///
    /// In strict mode, the results are written before the error is returned.
    ///
    /// # Errors
    /// As [`lstsq_async`](Self::lstsq_async), and [`Error::Argument`] if the shape does not fit.
    pub async fn lstsq_into_async<'a, 'b, 'o, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        b: impl Into<View<'b, T>>,
        solution: ViewMut<'o, T>,
        options: &Options,
    ) -> Result<Report, Error> {
        self.lstsq_into_inner(a.into(), b.into(), solution, options, false)
            .await
    }

    /// Does the same as [`lstsq_into_async`](Self::lstsq_into_async), and blocks until it is done.
    ///
    /// # Errors
    /// As [`lstsq_into_async`](Self::lstsq_into_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn lstsq_into<'a, 'b, 'o, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        b: impl Into<View<'b, T>>,
        solution: ViewMut<'o, T>,
        options: &Options,
    ) -> Result<Report, Error> {
        pollster::block_on(self.lstsq_into_inner(a.into(), b.into(), solution, options, true))
    }

    /// Computes the results of [`lstsq_async`](Self::lstsq_async) for matrices and right-hand sides on the device. The
    /// results stay there. [`svd_resident_async`](Self::svd_resident_async) describes when such a call waits.
    ///
    /// # Errors
    /// As [`svd_resident_async`](Self::svd_resident_async), and [`Error::Argument`] if B does not fit A.
    pub async fn lstsq_resident_async<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<DeviceLstsq<T>, Error> {
        self.lstsq_resident_inner(a, b, options, false).await
    }

    /// Does the same as [`lstsq_resident_async`](Self::lstsq_resident_async), and blocks where that call waits.
    ///
    /// # Errors
    /// As [`lstsq_resident_async`](Self::lstsq_resident_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn lstsq_resident<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<DeviceLstsq<T>, Error> {
        pollster::block_on(self.lstsq_resident_inner(a, b, options, true))
    }

    pub(crate) async fn lstsq_inner<T: Real>(
        &self,
        a: View<'_, T>,
        b: View<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<Lstsq<T>, Error> {
        if !blocking && self.in_background() {
            let call = |engine: &Engine, [a, b]: [View<'_, T>; 2], options: &Options| {
                pollster::block_on(engine.lstsq_inner(a, b, options, true))
            };
            return self.background_on([a, b], options, call).await;
        }
        if options.refined {
            return refined::lstsq(self, [a, b], options, blocking).await;
        }
        let job = Job {
            values: options.singular_values,
            ..Job::inverse(Some(b.cols()))
        };
        let [count, rows, cols] = composed_shape(a.shape(), Some(b.shape()), &job)?;
        let mut solution = Batch::zeros(count, rows, cols)?;
        let mut sigma = Batch::zeros(count, a.rows().min(a.cols()), 1)?;
        let places = Places {
            u: &mut [],
            sigma: sigma.as_mut_slice(),
            v: &mut [],
            composed: solution.as_mut_slice(),
        };
        let report = self.run(a, Some(b), job, options, places, blocking).await?;
        Ok(Lstsq {
            solution,
            sigma: job.values.then_some(sigma),
            report: strict(report, options)?,
        })
    }

    async fn lstsq_into_inner<T: Real>(
        &self,
        a: View<'_, T>,
        b: View<'_, T>,
        mut solution: ViewMut<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        let job = Job::inverse(Some(b.cols()));
        if !options.refined {
            let composed = self.compose_into(a, Some(b), job, solution, options, blocking);
            return composed.await;
        }
        fits(
            "the result",
            &solution,
            composed_shape(a.shape(), Some(b.shape()), &job)?,
        )?;
        // The place is written in strict mode too.
        let lenient = options.clone().strict(false);
        let found = self.lstsq_inner(a, b, &lenient, blocking).await?;
        solution.assign(found.solution.as_slice());
        strict(found.report, options)
    }

    async fn lstsq_resident_inner<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
        options: &Options,
        blocking: bool,
    ) -> Result<DeviceLstsq<T>, Error> {
        let job = Job::inverse(Some(b.cols()));
        let composed = self.compose_resident(a, Some(b), job, options, blocking);
        let (solution, report) = composed.await?;
        Ok(DeviceLstsq { solution, report })
    }
}
