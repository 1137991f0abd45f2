//! Singular value decompositions.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::{Options, Vectors};
use crate::data::report::Report;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::{View, ViewMut};
use crate::engine::Engine;
use crate::engine::device_batch::{DeviceBatch, DeviceReport};
use crate::engine::on_device::Solved;
use crate::engine::place::{Place, Places, fits};
use crate::engine::road::strict;
use crate::gpu::resident::Results;
use crate::planner::Job;

/// The singular value decompositions A = U diag(sigma) V' of a batch of m x n matrices. k = min(m, n).
///
/// **Order**: singular values are non-negative and descend.
///
/// **Signs**: in each column of V the first entry of (nearly) the largest magnitude is positive. The signs of U
/// follow from those of V. In a full U of a tall matrix, the columns beyond k have no partner in V and can have
/// either sign. "Nearly" means at least 1023 / 1024 of the largest magnitude. So entries that are tied in exact
/// arithmetic are treated as tied, in both types and on every engine.
///
/// Scalars and diagonal matrices have exact factors. For vectors, the factor of the side of length one is exact.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Svd<T: Scalar> {
    /// Left singular vectors: m x k (thin) or m x m (full). `None` with [`Vectors::None`].
    pub u: Option<Batch<T>>,
    /// Singular values: k x 1. Those at or below 2^-84 (f32) or 2^-880 (f64) of the largest entry of the matrix are
    /// zero.
    pub sigma: Batch<T::Real>,
    /// Right singular vectors as columns: n x k (thin) or n x n (full). `None` with [`Vectors::None`].
    /// `v.view().transpose()` is V' without a copy.
    pub v: Option<Batch<T>>,
    /// The status, the rank and the number of sweeps of every matrix.
    pub report: Report,
}

/// Singular value decompositions that stay on the device. The fields are those of [`Svd`](crate::Svd).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceSvd<T: Scalar> {
    /// Left singular vectors: m x k (thin) or m x m (full). `None` with [`Vectors::None`].
    pub u: Option<DeviceBatch<T>>,
    /// Singular values: k x 1.
    pub sigma: DeviceBatch<T::Real>,
    /// Right singular vectors as columns: n x k (thin) or n x n (full). `None` with [`Vectors::None`].
    pub v: Option<DeviceBatch<T>>,
    /// The status, the rank and the number of sweeps of every matrix.
    pub report: DeviceReport,
}

impl Solved {
    pub fn svd<T: Real>(self, a: &DeviceBatch<T>, vectors: Vectors) -> DeviceSvd<T> {
        let k = a.rows().min(a.cols());
        let Results {
            mut u,
            sigma,
            mut v,
            ..
        } = self.results;
        if self.transposed {
            std::mem::swap(&mut u, &mut v);
        }
        let batch = |buffer, side| {
            let cols = match vectors {
                Vectors::None => return None,
                Vectors::Thin => k,
                Vectors::Full => side,
            };
            Some(DeviceBatch::on(&self.gpu, buffer, [a.count(), side, cols]))
        };
        DeviceSvd {
            u: batch(u, a.rows()),
            sigma: DeviceBatch::on(&self.gpu, sigma, [a.count(), k, 1]),
            v: batch(v, a.cols()),
            report: self.report,
        }
    }
}

impl Engine {
    /// Computes the singular value decompositions of m x n matrices. With k = min(m, n), U is m x k (thin) or m x m
    /// (full), sigma is k x 1, and V is n x k (thin) or n x n (full).
    ///
    /// m and n can have any size, also 0 and 1. Singular values are non-negative and descend. U and V are orthonormal,
    /// also for rank-deficient and zero matrices. [`Svd`] describes the order and the signs.
    ///
    /// **Guarantee**, for every matrix with status [`Status::Converged`](crate::Status::Converged), at the default
    /// tolerance, with u = 2^-24 (f32) or 2^-53 (f64) and tol = u max(32, 8 sqrt(k)):
    ///
    /// - |A - U S V'|_F <= tol |A|_F.
    /// - The entries of U'U - I and V'V - I are at most tol.
    /// - Singular values have an error of at most 8 sqrt(k) u sigma_max, plus the rounding of subnormal results.
    ///   [`Outcome::sigma_error`](crate::Outcome::sigma_error) returns this bound.
    ///
    /// **Scaled columns**: let A = B D, where B has full column rank and D is any diagonal matrix. The entries of D can
    /// span up to 2^50 (f32) or 2^450 (f64), in any order. Then every column of A is reconstructed to 2 tol of its own
    /// norm, and singular values have relative errors of at most 4 k u cond(B). These bounds do not depend on D.
    ///
    /// **Source**: QR with sorted rows and pivoted columns, then one-sided Jacobi on R' (Demmel and Veselic 1992; Drmac
    /// and Veselic 2008; LAPACK xGEJSV).
    ///
    /// # Errors
    /// [`Error::Argument`] if options do not fit, [`Error::Memory`] if the results do not fit into memory,
    /// [`Error::Unsupported`] or [`Error::Device`] from a GPU, [`Error::Strict`] in strict mode.
    pub async fn svd_async<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<Svd<T>, Error> {
        self.svd_inner(a.into(), vectors, options, false).await
    }

    /// Computes singular value decompositions as [`svd_async`](Self::svd_async) does, and blocks until they are done.
    /// Shapes, guarantee and source are described there.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Options, Vectors};
    ///
    /// let a = Batch::from_row_major(1, 2, 2, &[3.0f64, 0.0, 4.0, 5.0])?;
    /// let svd = Engine::cpu().svd(&a, Vectors::Thin, &Options::default())?;
    /// assert!((svd.sigma.matrix(0)[0] - 45f64.sqrt()).abs() < 1e-14);
    /// assert!((svd.sigma.matrix(0)[1] - 5f64.sqrt()).abs() < 1e-14);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`svd_async`](Self::svd_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn svd<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<Svd<T>, Error> {
        pollster::block_on(self.svd_inner(a.into(), vectors, options, true))
    }

    /// Computes the results of [`svd_async`](Self::svd_async) and writes them to memory of the caller. `u` and `v` are
    /// either both given or both `None`. Their shapes decide between thin and full. `sigma` is k x 1.
    ///
    /// In strict mode, the results are written before the error is returned.
    ///
    /// # Errors
    /// As [`svd_async`](Self::svd_async), and [`Error::Argument`] if shapes do not fit.
    pub async fn svd_into_async<'a, 'o, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        u: Option<ViewMut<'o, T>>,
        sigma: ViewMut<'o, T::Real>,
        v: Option<ViewMut<'o, T>>,
        options: &Options,
    ) -> Result<Report, Error> {
        self.svd_into_inner(a.into(), u, sigma, v, options, false)
            .await
    }

    /// Does the same as [`svd_into_async`](Self::svd_into_async), and blocks until it is done.
    ///
    /// # Errors
    /// As [`svd_into_async`](Self::svd_into_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn svd_into<'a, 'o, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        u: Option<ViewMut<'o, T>>,
        sigma: ViewMut<'o, T::Real>,
        v: Option<ViewMut<'o, T>>,
        options: &Options,
    ) -> Result<Report, Error> {
        pollster::block_on(self.svd_into_inner(a.into(), u, sigma, v, options, true))
    }

    /// Computes the results of [`svd_async`](Self::svd_async) for a batch on the device. The results stay on the
    /// device. Their bits are those of `svd` on the same device.
    ///
    /// On a GPU, the call returns when its work is submitted. It waits only
    ///
    /// - in strict mode, for the report;
    /// - with [`timestamps`](crate::GpuOptions::timestamps), for the clock of the device;
    /// - for large matrices, between sweeps, when the host checks if more sweeps are needed. The kernel in the report
    ///   is then `jacobi-blocks` or `jacobi-rounds`.
    ///
    /// Progress is told when work is submitted. If the bytes of a matrix or of a result are not a multiple of 256 and a
    /// chunk has fewer than 64 matrices, the data may go through the memory of the host and back.
    ///
    /// # Errors
    /// As [`svd_async`](Self::svd_async), and [`Error::Argument`] if the matrices are on another device.
    pub async fn svd_resident_async<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<DeviceSvd<T>, Error> {
        self.svd_resident_inner(a, vectors, options, false).await
    }

    /// Does the same as [`svd_resident_async`](Self::svd_resident_async), and blocks where that call waits.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Options, Vectors};
    ///
    /// let engine = Engine::cpu();
    /// let a = engine.upload(&Batch::from_fn(9, 4, 3, |b, i, j| ((1 + b + i * j) as f32).sqrt())?)?;
    /// let svd = engine.svd_resident(&a, Vectors::None, &Options::default())?;
    /// assert!(svd.report.get()?.all_converged());
    /// assert_eq!(svd.sigma.download()?.rows(), 3);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`svd_resident_async`](Self::svd_resident_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn svd_resident<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<DeviceSvd<T>, Error> {
        pollster::block_on(self.svd_resident_inner(a, vectors, options, true))
    }

    pub(crate) async fn svd_inner<T: Real>(
        &self,
        a: View<'_, T>,
        vectors: Vectors,
        options: &Options,
        blocking: bool,
    ) -> Result<Svd<T>, Error> {
        if !blocking && self.in_background() {
            let call = move |engine: &Engine, a: View<'_, T>, options: &Options| {
                pollster::block_on(engine.svd_inner(a, vectors, options, true))
            };
            return self.background(a, options, call).await;
        }
        let (count, m, n) = (a.count(), a.rows(), a.cols());
        let k = m.min(n);
        let cols = |side: usize| match vectors {
            Vectors::None => None,
            Vectors::Thin => Some(k),
            Vectors::Full => Some(side),
        };
        let batch = |side: usize| {
            cols(side)
                .map(|cols| Batch::zeros(count, side, cols))
                .transpose()
        };
        let (mut u, mut v) = (batch(m)?, batch(n)?);
        let mut sigma = Batch::zeros(count, k, 1)?;
        let job = Job::svd(vectors);
        let places = Places {
            u: u.as_mut().map_or(&mut [], |u| u.as_mut_slice()),
            sigma: sigma.as_mut_slice(),
            v: v.as_mut().map_or(&mut [], |v| v.as_mut_slice()),
            composed: &mut [],
        };
        let report = self.run(a, None, job, options, places, blocking).await?;
        let report = strict(report, options)?;
        Ok(Svd {
            u,
            sigma,
            v,
            report,
        })
    }

    async fn svd_into_inner<T: Real>(
        &self,
        a: View<'_, T>,
        mut u: Option<ViewMut<'_, T>>,
        mut sigma: ViewMut<'_, T>,
        mut v: Option<ViewMut<'_, T>>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        let (count, m, n) = (a.count(), a.rows(), a.cols());
        let k = m.min(n);
        let vectors = match (&u, &v) {
            (None, None) => Vectors::None,
            (Some(u), Some(v)) if u.cols() == k && v.cols() == k => Vectors::Thin,
            (Some(_), Some(_)) => Vectors::Full,
            _ => {
                return Err(Error::argument(
                    "U and V are asked for together or not at all",
                ));
            }
        };
        let full = vectors == Vectors::Full;
        if let (Some(u), Some(v)) = (&u, &v) {
            fits("U", u, [count, m, if full { m } else { k }])?;
            fits("V", v, [count, n, if full { n } else { k }])?;
        }
        fits("sigma", &sigma, [count, k, 1])?;
        if !blocking && self.in_background() {
            // The places are written in strict mode too.
            let lenient = options.clone().strict(false);
            let svd = self.svd_inner(a, vectors, &lenient, false).await?;
            sigma.assign(svd.sigma.as_slice());
            for (place, found) in [(u, svd.u), (v, svd.v)] {
                if let (Some(mut place), Some(found)) = (place, found) {
                    place.assign(found.as_slice());
                }
            }
            return strict(svd.report, options);
        }
        let mut u = Place::new(u.as_mut())?;
        let mut v = Place::new(v.as_mut())?;
        let mut sigma = Place::new(Some(&mut sigma))?;
        let job = Job::svd(vectors);
        let places = Places {
            u: u.slice(),
            sigma: sigma.slice(),
            v: v.slice(),
            composed: &mut [],
        };
        let report = self.run(a, None, job, options, places, blocking).await?;
        u.finish();
        v.finish();
        sigma.finish();
        strict(report, options)
    }

    async fn svd_resident_inner<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        vectors: Vectors,
        options: &Options,
        blocking: bool,
    ) -> Result<DeviceSvd<T>, Error> {
        self.check_home(a)?;
        let solved = self.solve_resident(a, None, Job::svd(vectors), options, blocking, None);
        if let Some(solved) = solved.await? {
            let svd = solved.svd(a, vectors);
            svd.report.strict(options, blocking).await?;
            return Ok(svd);
        }
        let lies = a.fetch(blocking).await?;
        let view = a.seen(&lies);
        let svd = self.svd_inner(view, vectors, options, blocking).await?;
        let (u, v) = (svd.u, svd.v);
        Ok(DeviceSvd {
            u: match u {
                Some(u) => Some(self.keep(u, a, blocking).await?),
                None => None,
            },
            sigma: self.keep(svd.sigma, a, blocking).await?,
            v: match v {
                Some(v) => Some(self.keep(v, a, blocking).await?),
                None => None,
            },
            report: DeviceReport::here(svd.report),
        })
    }
}
