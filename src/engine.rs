//! The engine: chooses who computes, checks what is asked, and returns results with their report.

use std::fmt;
#[cfg(feature = "gpu")]
use std::sync::{Arc, Mutex};

#[cfg(feature = "gpu")]
use crate::automatic::Sharing;
use crate::batch::Batch;
use crate::call::{Call, Task};
use crate::cpu;
use crate::device::{Adapter, GpuOptions};
use crate::error::Error;
#[cfg(feature = "gpu")]
use crate::gpu::lasting::Lasting;
use crate::host::delivery;
use crate::host::outputs::Outputs;
use crate::host::parallel;
use crate::options::{Options, Vectors};
#[cfg(not(target_family = "wasm"))]
use crate::peak::Peak;
#[cfg(feature = "gpu")]
use crate::planner::choice::Rates;
use crate::planner::{CpuRecipe, EMPTY_KERNEL, Job, Side, Tuning, executed};
use crate::profile::KernelProfile;
use crate::refined;
use crate::outcome::{Outcome, Status};
use crate::report::{Backend, Lstsq, Pinv, Report, Svd};
#[cfg(not(target_family = "wasm"))]
use crate::scalar::Dtype;
use crate::scalar::Real;
use crate::view::{View, ViewMut};

/// Computes: on the CPU, or on a GPU.
///
/// One engine serves any number of calls, from any thread. The same explicit engine and options
/// give the same bits for a matrix, whatever the batch around it.
///
/// ```
/// use batched_svd::{Batch, Engine, Options, Vectors};
///
/// let engine = Engine::auto();
/// println!("computing on {engine}");
/// let a = Batch::from_fn(1000, 6, 7, |b, i, j| ((b * i + j) as f32).cos())?;
/// let svd = engine.svd(&a, Vectors::Thin, &Options::default())?;
/// assert_eq!((svd.sigma.rows(), svd.report.outcomes.len()), (6, 1000));
/// # Ok::<(), batched_svd::Error>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    #[cfg(feature = "gpu")]
    pub(crate) gpu: Option<Arc<Lasting>>,
    /// Whether the CPU takes what the GPU cannot.
    #[cfg(feature = "gpu")]
    pub(crate) falls_back: bool,
    /// The rates of both, where the sooner one takes a call.
    #[cfg(feature = "gpu")]
    rates: Option<Arc<Mutex<Rates>>>,
    /// Where both share a call.
    #[cfg(feature = "gpu")]
    pub(crate) sharing: Option<Sharing>,
    cpu_name: String,
    /// Why an automatic choice fell on the CPU.
    reason: Option<String>,
    tuning: Tuning,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({self})")
    }
}

/// The device that computes.
impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = &self.gpu {
            return write!(f, "{}", gpu.adapter);
        }
        f.write_str(&self.cpu_name)
    }
}

impl Engine {
    /// The CPU engine: all cores, or the caller's rayon pool where calls are made inside one.
    pub fn cpu() -> Self {
        Self::cpu_with(Tuning::default())
    }

    /// The CPU engine with thresholds of the caller's.
    pub fn cpu_with(tuning: Tuning) -> Self {
        let threads = parallel::threads();
        let s = if threads == 1 { "" } else { "s" };
        Engine {
            #[cfg(feature = "gpu")]
            gpu: None,
            #[cfg(feature = "gpu")]
            falls_back: false,
            #[cfg(feature = "gpu")]
            rates: None,
            #[cfg(feature = "gpu")]
            sharing: None,
            cpu_name: format!("CPU, {threads} thread{s}"),
            reason: None,
            tuning,
        }
    }

    /// The best engine of this machine: a real GPU if there is one, else the CPU. What the GPU
    /// cannot do (f64 on some, a matrix larger than its buffers) and what the CPU does sooner
    /// ([`automatic`](GpuOptions::automatic)) goes to the CPU, and the report says so. A software
    /// adapter is never chosen. [`choice`](Self::choice) says what and why.
    pub async fn auto_async() -> Self {
        #[cfg(feature = "gpu")]
        {
            let reason = match Lasting::open(&GpuOptions::default(), false).await {
                Ok(gpu) => {
                    return Engine {
                        gpu: Some(Arc::new(gpu)),
                        falls_back: true,
                        rates: clock_is_there().then(Arc::default),
                        ..Self::cpu()
                    };
                }
                Err(error) => error.to_string(),
            };
            Engine {
                reason: Some(reason),
                ..Self::cpu()
            }
        }
        #[cfg(not(feature = "gpu"))]
        Engine {
            reason: Some(NO_GPU_FEATURE.into()),
            ..Self::cpu()
        }
    }

    /// A GPU: calls that it cannot do are errors, or the CPU's by
    /// [`cpu_fallback`](GpuOptions::cpu_fallback). A software adapter is taken
    /// where there is no other, or where its name is asked for.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with what was looked for and what was found;
    /// [`Error::Device`] if the adapter refuses to open; [`Error::Argument`] for a
    /// [part](GpuOptions::gpu_part) that is not between 0 and 1.
    pub async fn gpu_async(options: &GpuOptions) -> Result<Self, Error> {
        if let Some(part) = options.gpu_part
            && !(0.0..=1.0).contains(&part)
        {
            return Err(Error::argument(format!(
                "the GPU's part of a call is {part}, but it lies between 0 and 1"
            )));
        }
        #[cfg(feature = "gpu")]
        return Ok(Self::with_gpu(Lasting::open(options, true).await?, options));
        #[cfg(not(feature = "gpu"))]
        {
            let _ = options;
            Err(Error::Unsupported(NO_GPU_FEATURE.into()))
        }
    }

    /// An engine on an open GPU.
    #[cfg(feature = "gpu")]
    pub(crate) fn with_gpu(gpu: Lasting, options: &GpuOptions) -> Self {
        Engine {
            gpu: Some(Arc::new(gpu)),
            falls_back: options.cpu_fallback || options.automatic || options.shared,
            rates: ((options.automatic || options.shared) && clock_is_there()).then(Arc::default),
            sharing: options.shared.then_some(Sharing {
                part: options.gpu_part,
            }),
            ..Self::cpu_with(options.tuning.clone())
        }
    }

    /// The adapters that GPU engines could run on; empty on a machine, or in a build, without.
    pub async fn adapters_async() -> Vec<Adapter> {
        #[cfg(feature = "gpu")]
        return crate::gpu::adapters().await;
        #[cfg(not(feature = "gpu"))]
        return Vec::new();
    }

    /// What each kernel of the GPU took in the calls since the last look, where that was
    /// [asked for](GpuOptions::profile); nothing where it was not, and on the CPU. Seconds are of calls that
    /// have ended well.
    pub fn profile(&self) -> Vec<KernelProfile> {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = &self.gpu {
            return gpu.current().profile();
        }
        Vec::new()
    }

    /// Whether the CPU computes, or may.
    pub(crate) fn cpu_takes_calls(&self) -> bool {
        #[cfg(feature = "gpu")]
        return self.gpu.is_none() || self.falls_back;
        #[cfg(not(feature = "gpu"))]
        true
    }

    /// Which engine computes.
    pub fn backend(&self) -> Backend {
        #[cfg(feature = "gpu")]
        if self.gpu.is_some() {
            return Backend::Gpu;
        }
        Backend::Cpu
    }

    /// What was chosen, and where the choice was automatic, why.
    pub fn choice(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{self} ({reason})"),
            None => self.to_string(),
        }
    }

    /// Whether calls run on a software adapter: correct, but slower than the CPU engine.
    pub fn is_software(&self) -> bool {
        #[cfg(feature = "gpu")]
        return self.gpu.as_ref().is_some_and(|gpu| gpu.adapter.software);
        #[cfg(not(feature = "gpu"))]
        return false;
    }

    /// Singular value decompositions of m x n matrices, k = min(m, n).
    ///
    /// Any m and n, also 0 and 1. Singular values are non-negative and descend; U and V are
    /// orthonormal also for rank-deficient and zero matrices; see [`Svd`] for order and signs.
    ///
    /// **Guarantee**, at the default tolerance, for every matrix with status
    /// [`Status::Converged`], with u = 2^-24 (f32) or
    /// 2^-53 (f64) and tol = u max(32, 8 sqrt(k)): |A - U S V'|_F <= tol |A|_F, the entries of
    /// U'U - I and V'V - I are at most tol, singular values are off by at most 8 sqrt(k) u sigma_max (and
    /// by the rounding of subnormal results), which is
    /// [`Outcome::sigma_error`](crate::Outcome::sigma_error).
    ///
    /// **Scaled columns**: for A = B D, B of full column rank and D any diagonal matrix whose entries span up to
    /// 2^50 (f32) or 2^450 (f64), in any order, every column of A is reconstructed to 2 tol of its own norm, and
    /// singular values have relative errors of at most 4 k u cond(B). D does not enter.
    ///
    /// **Source**: QR with sorted rows and pivoted columns, then one-sided Jacobi on R' (Demmel and
    /// Veselic 1992; Drmac and Veselic 2008; LAPACK xGEJSV).
    ///
    /// # Errors
    /// [`Error::Argument`] for options that do not fit, [`Error::Memory`] where the results do not,
    /// [`Error::Unsupported`] or [`Error::Device`] from a GPU, [`Error::Strict`] if asked for.
    pub async fn svd_async<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<Svd<T>, Error> {
        self.svd_inner(a.into(), vectors, options, false).await
    }

    /// [`svd_async`](Self::svd_async) into places of the caller's: `u` and `v` both or neither,
    /// thin or full by their shapes; `sigma` is k x 1.
    ///
    /// In strict mode the places are written before the error is returned.
    ///
    /// # Errors
    /// As [`svd_async`](Self::svd_async), and [`Error::Argument`] for shapes that do not fit.
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

    /// Pseudoinverses, n x m, of m x n matrices: V diag(1/sigma) U' over the singular values that
    /// count under the options' [cutoff](Options::cutoff) (Golub and Van Loan, 5.5.2);
    /// V diag(sigma / (sigma^2 + lambda^2)) U' with [damping](Options::damping).
    ///
    /// **Guarantee**, for every matrix with status [`Status::Converged`]: the four Moore-Penrose
    /// conditions hold to 8 tol times the condition number of the part that is kept (tol as for
    /// [`svd_async`](Self::svd_async)), and A X A = A, less what does not count, besides.
    /// For [scaled columns](Self::svd_async), A = B D, with a cutoff of zero: A X is off by at most
    /// tol cond(B), and D X by tol cond(B) |B^+| (Frobenius).
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

    /// [`pinv_async`](Self::pinv_async) into a place of the caller's, n x m.
    ///
    /// In strict mode the place is written before the error is returned.
    ///
    /// # Errors
    /// As [`pinv_async`](Self::pinv_async), and [`Error::Argument`] for a shape that does not fit.
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

    /// Least-squares solutions X, n x p, of A X = B for m x n matrices A and p right-hand sides each, B of
    /// m x p: of all that minimise |A x - b| the shortest, column by column; of rank-deficient and
    /// underdetermined systems too.
    ///
    /// X = V diag(1/sigma) U' B over the singular values that count under the options'
    /// [cutoff](Options::cutoff) (Golub and Van Loan, 5.5; LAPACK xGELSS), without forming the
    /// pseudoinverse; ridge solutions with [damping](Options::damping). Every column of B is scaled by
    /// itself. The report has the ranks, [`Lstsq::sigma`] on
    /// [request](Options::singular_values) the singular values, [`verify::residuals`](crate::verify::residuals)
    /// what is left of B. A solution has the same bits whatever the batch, and whatever the other
    /// right-hand sides as long as there are no more than min(m, n).
    ///
    /// **Guarantee**, for every matrix with status [`Status::Converged`], with tol as for
    /// [`svd_async`](Self::svd_async), the condition number c of the part that is kept and its smallest
    /// singular value s: a solution x is off by at most
    /// 8 tol (c |x| + (c |b - A x| + |b|) / s) (the backward error of an SVD solver; Golub and Van Loan,
    /// 5.3.7). For [scaled columns](Self::svd_async), A = B D, with a cutoff of zero: D x is off by no more than that
    /// with c = cond(B) and s the smallest singular value of B, and fitted values A x by tol cond(B) |b|. For wide
    /// matrices A = D B of full row rank x itself is off by at most tol cond(B) |x|. Seen: at most 3.3 u cond(B) |b|
    /// of fitted values, on both engines.
    ///
    /// A NaN or an infinity in A makes its solutions NaN; one in a right-hand side only that side's
    /// solution. Both are reported as [`Status::NonFinite`].
    ///
    /// # Errors
    /// As [`svd_async`](Self::svd_async), and [`Error::Argument`] where B does not fit A.
    pub async fn lstsq_async<'a, 'b, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        b: impl Into<View<'b, T>>,
        options: &Options,
    ) -> Result<Lstsq<T>, Error> {
        self.lstsq_inner(a.into(), b.into(), options, false).await
    }

    /// [`lstsq_async`](Self::lstsq_async) into a place of the caller's, n x p.
    ///
    /// In strict mode the place is written before the error is returned.
    ///
    /// # Errors
    /// As [`lstsq_async`](Self::lstsq_async), and [`Error::Argument`] for a shape that does not fit.
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
        let [count, rows, cols] = composed_shape(&a, &Some(b), &job)?;
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
        fits("the result", &solution, composed_shape(&a, &Some(b), &job)?)?;
        // The place is written in strict mode too.
        let lenient = options.clone().strict(false);
        let found = self.lstsq_inner(a, b, &lenient, blocking).await?;
        solution.assign(found.solution.as_slice());
        strict(found.report, options)
    }

    /// Compositions, or what they make of right-hand sides.
    pub(crate) async fn compose<T: Real>(
        &self,
        a: View<'_, T>,
        rhs: Option<View<'_, T>>,
        job: Job,
        options: &Options,
        blocking: bool,
    ) -> Result<(Batch<T>, Report), Error> {
        if !blocking && self.in_background() {
            return self.compose_in_background(a, rhs, job, options).await;
        }
        let [count, rows, cols] = composed_shape(&a, &rhs, &job)?;
        let mut composed = Batch::zeros(count, rows, cols)?;
        let place = composed.view_mut();
        let report = self.compose_into(a, rhs, job, place, options, blocking);
        let report = report.await?;
        Ok((composed, report))
    }

    async fn compose_in_background<T: Real>(
        &self,
        a: View<'_, T>,
        rhs: Option<View<'_, T>>,
        job: Job,
        options: &Options,
    ) -> Result<(Batch<T>, Report), Error> {
        let Some(b) = rhs else {
            let call = move |engine: &Engine, a: View<'_, T>, options: &Options| {
                pollster::block_on(engine.compose(a, None, job, options, true))
            };
            return self.background(a, options, call).await;
        };
        let call = move |engine: &Engine, [a, b]: [View<'_, T>; 2], options: &Options| {
            pollster::block_on(engine.compose(a, Some(b), job, options, true))
        };
        self.background_on([a, b], options, call).await
    }

    async fn compose_into<T: Real>(
        &self,
        a: View<'_, T>,
        rhs: Option<View<'_, T>>,
        job: Job,
        mut composed: ViewMut<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        let shape = composed_shape(&a, &rhs, &job)?;
        fits("the result", &composed, shape)?;
        if !blocking && self.in_background() {
            // The place is written in strict mode too.
            let lenient = options.clone().strict(false);
            let found = self.compose_in_background(a, rhs, job, &lenient);
            let (found, report) = found.await?;
            composed.assign(found.as_slice());
            return strict(report, options);
        }
        let mut place = Place::new(Some(&mut composed))?;
        // Nobody sees them, but they decide what counts.
        let len = crate::error::product(&[a.count(), a.rows().min(a.cols())], size_of::<T>())?;
        let mut sigma = crate::error::zeros(len)?;
        let places = Places {
            u: &mut [],
            sigma: &mut sigma,
            v: &mut [],
            composed: place.slice(),
        };
        let report = self.run(a, rhs, job, options, places, blocking).await?;
        place.finish();
        strict(report, options)
    }

    /// The one road that every call takes.
    async fn run<T: Real>(
        &self,
        a: View<'_, T>,
        rhs: Option<View<'_, T>>,
        job: Job,
        options: &Options,
        places: Places<'_, T>,
        blocking: bool,
    ) -> Result<Report, Error> {
        let task = Task::new::<T>([a.count(), a.rows(), a.cols()], job, options)?;
        let problem = task.problem;
        let mut outcomes = parallel::filled(a.count(), Outcome::PENDING)?;
        let Places {
            mut u,
            sigma,
            mut v,
            composed,
        } = places;
        if problem.transposed {
            std::mem::swap(&mut u, &mut v);
        }
        let outputs = Outputs {
            u,
            sigma,
            v,
            composed,
            outcomes: &mut outcomes,
        };
        let call = Call {
            view: if problem.transposed { a.transpose() } else { a },
            rhs: rhs.filter(|_| problem.rhs.is_some()),
            task,
            #[cfg(feature = "gpu")]
            blocking,
        };
        #[cfg(not(feature = "gpu"))]
        let _ = blocking;
        let done = self.dispatch(&call, outputs).await?;
        Ok(Report {
            flops: match done.shared {
                None => executed(&problem, done.backend, &outcomes),
                Some(first) => {
                    executed(&problem, Backend::Gpu, &outcomes[..first])
                        + executed(&problem, Backend::Cpu, &outcomes[first..])
                }
            },
            outcomes,
            shared: done.shared,
            backend: done.backend,
            device: done.device,
            kernel: done.kernel,
            device_seconds: done.device_seconds,
            device_error: done.device_error,
        })
    }

    async fn dispatch<T: Real>(
        &self,
        call: &Call<'_, T>,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        if call.task.problem.cols == 0 || call.view.count() == 0 {
            delivery::deliver_empty(&call.task.problem, &call.task.sizes, outputs);
            return Ok(Done {
                backend: self.backend(),
                device: self.to_string(),
                kernel: EMPTY_KERNEL,
                device_seconds: None,
                shared: None,
                device_error: None,
            });
        }
        #[cfg(feature = "gpu")]
        if let Some(gpu) = &self.gpu {
            let planned = gpu.get().await.and_then(|gpu| {
                let recipe = gpu.plan(&call.task.problem, &call.task.convergence)?;
                Ok((gpu, recipe))
            });
            return match planned {
                Ok((gpu, recipe)) => match &self.rates {
                    None => self.gpu_run(&gpu, call, &recipe, outputs).await,
                    Some(rates) => self.sooner(&gpu, rates, call, &recipe, outputs).await,
                },
                Err(error) if self.falls_back => self.cpu_instead(error, call, outputs).await,
                Err(error) => Err(error),
            };
        }
        self.cpu_run(call, outputs).await
    }

    /// Has the CPU compute a call: here and now, but on the web, where whatever else is going on has its turn
    /// in between.
    pub(crate) async fn cpu_run<T: Real>(
        &self,
        call: &Call<'_, T>,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        #[cfg(target_family = "wasm")]
        return crate::background::in_turns(self, call, outputs).await;
        #[cfg(not(target_family = "wasm"))]
        self.cpu_run_now(call, outputs)
    }

    /// Has the CPU compute a call.
    #[cfg(any(feature = "gpu", not(target_family = "wasm")))]
    pub(crate) fn cpu_run_now<T: Real>(
        &self,
        call: &Call<'_, T>,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        let recipe = self.cpu_recipe(call);
        cpu::run(call, &recipe, outputs)?;
        Ok(self.cpu_done(&recipe))
    }

    pub(crate) fn cpu_recipe<T: Real>(&self, call: &Call<'_, T>) -> CpuRecipe {
        let (lanes, threads) = (cpu::lanes::<T>(), parallel::threads());
        let count = call.view.count();
        CpuRecipe::new(&call.task.problem, count, lanes, threads, &self.tuning)
    }

    pub(crate) fn cpu_done(&self, recipe: &CpuRecipe) -> Done {
        Done {
            backend: Backend::Cpu,
            device: self.cpu_name.clone(),
            kernel: recipe.kernel(),
            device_seconds: None,
            shared: None,
            device_error: None,
        }
    }
}

/// Not on the web: the GPU takes all calls that it can do there.
#[cfg(feature = "gpu")]
pub(crate) fn clock_is_there() -> bool {
    cfg!(not(target_family = "wasm"))
}

/// The same calls for those who would rather wait. Not on the web, where nobody may.
#[cfg(not(target_family = "wasm"))]
impl Engine {
    /// [`auto_async`](Self::auto_async), waiting.
    pub fn auto() -> Self {
        pollster::block_on(Self::auto_async())
    }

    /// [`gpu_async`](Self::gpu_async), waiting.
    ///
    /// # Errors
    /// As [`gpu_async`](Self::gpu_async).
    pub fn gpu(options: &GpuOptions) -> Result<Self, Error> {
        pollster::block_on(Self::gpu_async(options))
    }

    /// [`adapters_async`](Self::adapters_async), waiting.
    pub fn adapters() -> Vec<Adapter> {
        pollster::block_on(Self::adapters_async())
    }

    /// Measures what this engine's device does at best in a type: multiply-adds and copies, in less
    /// than a second. Calls on the same device that run beside it spoil the figures.
    ///
    /// ```
    /// use batched_svd::{Dtype, Engine};
    ///
    /// let peak = Engine::cpu().peak(Dtype::F32)?;
    /// println!("{:.0} GFLOP/s, {:.0} GB/s", peak.flops / 1e9, peak.bytes / 1e9);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Memory`] where the copies do not fit; [`Error::Unsupported`] or [`Error::Device`]
    /// from a GPU.
    pub fn peak(&self, dtype: Dtype) -> Result<Peak, Error> {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = &self.gpu {
            return pollster::block_on(gpu.get())?.peak(dtype);
        }
        match dtype {
            Dtype::F32 => cpu::peak::measure::<f32>(),
            Dtype::F64 => cpu::peak::measure::<f64>(),
        }
    }

    /// [`svd_async`](Self::svd_async), waiting.
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
    pub fn svd<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<Svd<T>, Error> {
        pollster::block_on(self.svd_inner(a.into(), vectors, options, true))
    }

    /// [`svd_into_async`](Self::svd_into_async), waiting.
    ///
    /// # Errors
    /// As [`svd_into_async`](Self::svd_into_async).
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

    /// [`pinv_async`](Self::pinv_async), waiting.
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
    pub fn pinv<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        options: &Options,
    ) -> Result<Pinv<T>, Error> {
        pollster::block_on(self.pinv_inner(a.into(), options, true))
    }

    /// [`pinv_into_async`](Self::pinv_into_async), waiting.
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
    pub fn pinv_into<'a, 'o, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        inverse: ViewMut<'o, T>,
        options: &Options,
    ) -> Result<Report, Error> {
        let job = Job::inverse(None);
        pollster::block_on(self.compose_into(a.into(), None, job, inverse, options, true))
    }

    /// [`lstsq_async`](Self::lstsq_async), waiting.
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
    pub fn lstsq<'a, 'b, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        b: impl Into<View<'b, T>>,
        options: &Options,
    ) -> Result<Lstsq<T>, Error> {
        pollster::block_on(self.lstsq_inner(a.into(), b.into(), options, true))
    }

    /// [`lstsq_into_async`](Self::lstsq_into_async), waiting.
    ///
    /// # Errors
    /// As [`lstsq_into_async`](Self::lstsq_into_async).
    pub fn lstsq_into<'a, 'b, 'o, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        b: impl Into<View<'b, T>>,
        solution: ViewMut<'o, T>,
        options: &Options,
    ) -> Result<Report, Error> {
        pollster::block_on(self.lstsq_into_inner(a.into(), b.into(), solution, options, true))
    }
}

#[cfg(not(feature = "gpu"))]
const NO_GPU_FEATURE: &str = "this build has no GPU engine: the feature `gpu` is off";

/// Who did a call, and how.
pub(crate) struct Done {
    pub backend: Backend,
    pub device: String,
    pub kernel: &'static str,
    pub device_seconds: Option<f64>,
    /// As `Report::shared`.
    pub shared: Option<usize>,
    /// As `Report::device_error`.
    pub device_error: Option<Error>,
}

/// Slices in the canonical order for whatever a call may write, as the caller names them.
struct Places<'a, T> {
    u: &'a mut [T],
    sigma: &'a mut [T],
    v: &'a mut [T],
    composed: &'a mut [T],
}

/// A place of the caller's: written directly where it is in the canonical order, else through a
/// batch that is copied at the end.
struct Place<'p, 'a, T> {
    view: Option<&'p mut ViewMut<'a, T>>,
    through: Option<Batch<T>>,
}

impl<'p, 'a, T: Real> Place<'p, 'a, T> {
    fn new(mut view: Option<&'p mut ViewMut<'a, T>>) -> Result<Self, Error> {
        let mut through = None;
        if let Some(view) = &mut view
            && view.as_canonical().is_none()
        {
            through = Some(Batch::zeros(view.count(), view.rows(), view.cols())?);
        }
        Ok(Place { view, through })
    }

    fn slice(&mut self) -> &mut [T] {
        if let Some(through) = &mut self.through {
            return through.as_mut_slice();
        }
        self.view
            .as_mut()
            .and_then(|view| view.as_canonical())
            .unwrap_or_default()
    }

    fn finish(self) {
        if let (Some(view), Some(through)) = (self.view, self.through) {
            view.assign(through.as_slice());
        }
    }
}

/// The shape of compositions, or of what they make of right-hand sides.
fn composed_shape<T: Real>(
    a: &View<'_, T>,
    rhs: &Option<View<'_, T>>,
    job: &Job,
) -> Result<[usize; 3], Error> {
    let length = |side| match side {
        Side::U => a.rows(),
        Side::V => a.cols(),
    };
    let (left, right) = job.composed.unwrap_or((Side::V, Side::U));
    let cols = match rhs {
        None => length(right),
        Some(b) => {
            fit_rhs([a.count(), a.rows()], [b.count(), b.rows()])?;
            b.cols()
        }
    };
    Ok([a.count(), length(left), cols])
}

/// Whether right-hand sides, by their number and rows, belong to matrices.
pub(crate) fn fit_rhs(a: [usize; 2], b: [usize; 2]) -> Result<(), Error> {
    if a == b {
        return Ok(());
    }
    let ([count, rows], [b_count, b_rows]) = (a, b);
    Err(Error::argument(format!(
        "{b_count} right-hand sides of {b_rows} rows, but there are {count} matrices of {rows} rows"
    )))
}

fn fits<T: Real>(name: &str, place: &ViewMut<'_, T>, shape: [usize; 3]) -> Result<(), Error> {
    let [count, rows, cols] = shape;
    if [place.count(), place.rows(), place.cols()] == shape {
        return Ok(());
    }
    Err(Error::argument(format!(
        "the place for {name} is {} matrices of {}x{}, but the result is {count} of {rows}x{cols}",
        place.count(),
        place.rows(),
        place.cols()
    )))
}

pub(crate) fn strict(report: Report, options: &Options) -> Result<Report, Error> {
    if options.strict && !report.all_converged() {
        let failures: Vec<(usize, Status)> = report.failures().collect();
        return Err(Error::Strict(failures));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The async calls can be spawned on executors of several threads.
    #[test]
    fn futures_can_be_sent() {
        fn sent<F: Send>(_: F) {}
        let (engine, options) = (Engine::cpu(), Options::default());
        let a = Batch::<f32>::zeros(1, 2, 2).unwrap();
        sent(Engine::auto_async());
        sent(Engine::gpu_async(&GpuOptions::default()));
        sent(engine.svd_async(&a, Vectors::Thin, &options));
        sent(engine.pinv_async(&a, &options));
        sent(engine.lstsq_async(&a, &a, &options));
        fn shared<T: Send + Sync>() {}
        shared::<Engine>();
    }
}
