//! Pseudoinverses.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::report::Report;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::{View, ViewMut};
use crate::engine::Engine;
use crate::engine::device_batch::{DeviceBatch, DeviceReport};
use crate::planner::Job;

/// The pseudoinverses of a batch of m x n matrices.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pinv<T: Scalar> {
    /// The pseudoinverses: n x m.
    pub inverse: Batch<T>,
    /// The status of every matrix, and its rank under the cutoff.
    pub report: Report,
}

/// Pseudoinverses that stay on the device. The fields are those of [`Pinv`](crate::Pinv).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DevicePinv<T: Scalar> {
    /// The pseudoinverses: n x m.
    pub inverse: DeviceBatch<T>,
    /// The status of every matrix, and its rank under the cutoff.
    pub report: DeviceReport,
}

impl Engine {
    /// Computes the pseudoinverses, n x m, of m x n matrices: V diag(1/sigma) U' over the singular values that count
    /// under the [cutoff](Options::cutoff) of the options. With [damping](Options::damping) it computes V diag(sigma /
    /// (sigma^2 + lambda^2)) U'.
    ///
    /// **Guarantee**, for every matrix with status [`Status::Converged`](crate::Status::Converged): the four
    /// Moore-Penrose conditions hold to 16 u c, where c = |A| |X| / |A X| (Frobenius), as
    /// [`verify::inverses`](crate::verify::inverses) measures it. For columns of similar scale, c is the condition
    /// number of the part that is kept. A X A lacks the part of A that does not count.
    ///
    /// For [scaled columns](Self::svd_async), A = B D, with a cutoff of zero, A X has an error of at most tol cond(B),
    /// and D X has an error of at most tol cond(B) |B^+| (Frobenius). tol is defined there.
    ///
    /// **Source**: Golub and Van Loan, 5.5.2.
    ///
    /// # Errors
    /// As [`svd_async`](Self::svd_async).
    pub async fn pinv_async<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        options: &Options,
    ) -> Result<Pinv<T>, Error> {
        self.pinv_inner(a.into(), options, false).await
    }

    /// Computes pseudoinverses as [`pinv_async`](Self::pinv_async) does, and blocks until they are done. Shapes,
    /// guarantee and source are described there.
    ///
    /// ```
    /// use batched_svd::{Cutoff, Engine, Options, View};
    ///
    /// // Two 2x3 matrices as NumPy would hold them; the second has rank one.
    /// let a = [1.0f32, 0.0, 0.0, 0.0, 2.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    /// let a = View::row_major(&a, 2, 2, 3)?;
    /// let pinv = Engine::cpu().pinv(a, &Options::default())?;
    /// assert_eq!((pinv.inverse.rows(), pinv.inverse.cols()), (3, 2));
    /// assert_eq!(pinv.report.outcomes[1].rank, 1);
    /// assert!((pinv.inverse.view().get(1, 2, 0).unwrap() - 1.0 / 6.0).abs() < 1e-6);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`pinv_async`](Self::pinv_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn pinv<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        options: &Options,
    ) -> Result<Pinv<T>, Error> {
        pollster::block_on(self.pinv_inner(a.into(), options, true))
    }

    /// Computes the results of [`pinv_async`](Self::pinv_async) and writes them to memory of the caller, n x m.
    ///
    /// In strict mode, the results are written before the error is returned.
    ///
    /// # Errors
    /// As [`pinv_async`](Self::pinv_async), and [`Error::Argument`] if the shape does not fit.
    pub async fn pinv_into_async<'a, 'o, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        inverse: ViewMut<'o, T>,
        options: &Options,
    ) -> Result<Report, Error> {
        let job = Job::inverse(None);
        self.compose_into(a.into(), None, job, inverse, options, false)
            .await
    }

    /// Does the same as [`pinv_into_async`](Self::pinv_into_async), and blocks until it is done.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Options, ViewMut};
    ///
    /// let a = Batch::from_fn(4, 5, 3, |b, i, j| ((1 + b + i * j) as f32).sqrt())?;
    /// let mut rows = vec![0.0f32; 4 * 3 * 5];
    /// let place = ViewMut::row_major(&mut rows, 4, 3, 5)?;
    /// let report = Engine::cpu().pinv_into(&a, place, &Options::default())?;
    /// assert!(report.all_converged());
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`pinv_into_async`](Self::pinv_into_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn pinv_into<'a, 'o, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        inverse: ViewMut<'o, T>,
        options: &Options,
    ) -> Result<Report, Error> {
        let job = Job::inverse(None);
        pollster::block_on(self.compose_into(a.into(), None, job, inverse, options, true))
    }

    /// Computes the results of [`pinv_async`](Self::pinv_async) for a batch on the device. The results stay there.
    /// [`svd_resident_async`](Self::svd_resident_async) describes when such a call waits.
    ///
    /// # Errors
    /// As [`svd_resident_async`](Self::svd_resident_async).
    pub async fn pinv_resident_async<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<DevicePinv<T>, Error> {
        self.pinv_resident_inner(a, options, false).await
    }

    /// Does the same as [`pinv_resident_async`](Self::pinv_resident_async), and blocks where that call waits.
    ///
    /// # Errors
    /// As [`pinv_resident_async`](Self::pinv_resident_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn pinv_resident<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<DevicePinv<T>, Error> {
        pollster::block_on(self.pinv_resident_inner(a, options, true))
    }

    async fn pinv_inner<T: Real>(
        &self,
        a: View<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<Pinv<T>, Error> {
        let job = Job::inverse(None);
        let (inverse, report) = self.compose(a, None, job, options, blocking).await?;
        Ok(Pinv { inverse, report })
    }

    async fn pinv_resident_inner<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        options: &Options,
        blocking: bool,
    ) -> Result<DevicePinv<T>, Error> {
        let (inverse, report) = self
            .compose_resident(a, None, Job::inverse(None), options, blocking)
            .await?;
        Ok(DevicePinv { inverse, report })
    }
}
