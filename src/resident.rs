//! Batches that stay where an engine computes, and calls that leave their results there.

use std::fmt;
use std::sync::Arc;

use crate::batch::Batch;
#[cfg(feature = "gpu")]
use crate::call::Task;
#[cfg(feature = "gpu")]
use crate::engine::strict;
use crate::engine::{Engine, fit_rhs};
use crate::error::Error;
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;
#[cfg(feature = "gpu")]
use crate::gpu::resident::{Given, Results};
use crate::host;
use crate::options::{Options, Vectors};
use crate::planner::Job;
#[cfg(feature = "gpu")]
use crate::planner::gpu::NO_F64;
#[cfg(feature = "gpu")]
use crate::planner::{Problem, executed};
#[cfg(feature = "gpu")]
use crate::report::Backend;
use crate::report::Report;
use crate::scalar::{Real, Scalar};
use crate::view::View;

/// `count` matrices of m x n where an [`Engine`] computes: in its GPU's memory, or in the host's if it
/// is a CPU engine. What is computed from them stays there too, until it is downloaded.
///
/// Clones and transposes share the entries, which never change.
///
/// ```
/// use batched_svd::{Batch, Engine, Options};
///
/// let engine = Engine::auto();
/// let a = Batch::from_fn(1000, 6, 7, |b, i, j| ((b * i + j) as f32).cos())?;
/// let b = Batch::from_fn(1000, 6, 1, |b, i, _| (b + i) as f32)?;
///
/// // The least-squares solutions x = A^+ b, and A x beside b: x never leaves the device.
/// let (a, b) = (engine.upload(&a)?, engine.upload(&b)?);
/// let x = engine.lstsq_resident(&a, &b, &Options::default())?.solution;
/// let reached = engine.product(&a, &x)?.download()?;
/// assert_eq!((reached.count(), reached.rows(), reached.cols()), (1000, 6, 1));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub struct DeviceBatch<T: Scalar> {
    count: usize,
    rows: usize,
    cols: usize,
    /// What lies in memory, column by column, are the transposes.
    transposed: bool,
    memory: Memory<T>,
}

enum Memory<T> {
    Host(Arc<Batch<T>>),
    #[cfg(feature = "gpu")]
    Gpu(Arc<Gpu>, wgpu::Buffer),
}

// Derived, it would ask for T: Clone.
impl<T> Clone for Memory<T> {
    fn clone(&self) -> Self {
        match self {
            Memory::Host(batch) => Memory::Host(Arc::clone(batch)),
            #[cfg(feature = "gpu")]
            Memory::Gpu(gpu, buffer) => Memory::Gpu(Arc::clone(gpu), buffer.clone()),
        }
    }
}

impl<T: Scalar> Clone for DeviceBatch<T> {
    fn clone(&self) -> Self {
        DeviceBatch {
            memory: self.memory.clone(),
            ..*self
        }
    }
}

impl<T: Scalar> fmt::Debug for DeviceBatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeviceBatch {
            count, rows, cols, ..
        } = self;
        write!(f, "DeviceBatch({count} of {rows}x{cols})")
    }
}

/// Singular value decompositions that stay on the device: as [`Svd`](crate::Svd).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceSvd<T: Scalar> {
    /// Left singular vectors: m x k (thin) or m x m (full), if asked for.
    pub u: Option<DeviceBatch<T>>,
    /// Singular values: k x 1.
    pub sigma: DeviceBatch<T::Real>,
    /// Right singular vectors as columns: n x k (thin) or n x n (full), if asked for.
    pub v: Option<DeviceBatch<T>>,
    /// How every matrix fared.
    pub report: DeviceReport,
}

/// Pseudoinverses that stay on the device: as [`Pinv`](crate::Pinv).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DevicePinv<T: Scalar> {
    /// The pseudoinverses: n x m.
    pub inverse: DeviceBatch<T>,
    /// How every matrix fared, with its rank under the cutoff.
    pub report: DeviceReport,
}

/// Least-squares solutions that stay on the device: as [`Lstsq`](crate::Lstsq).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceLstsq<T: Scalar> {
    /// The solutions: n x p.
    pub solution: DeviceBatch<T>,
    /// How every matrix fared, with its rank under the cutoff.
    pub report: DeviceReport,
}

/// How every matrix of a call fared, on the device until somebody asks.
#[derive(Clone)]
pub struct DeviceReport(Pending);

#[derive(Clone)]
enum Pending {
    Here(Arc<Report>),
    #[cfg(feature = "gpu")]
    There {
        gpu: Arc<Gpu>,
        state: wgpu::Buffer,
        state_words: usize,
        count: usize,
        problem: Problem,
        kernel: &'static str,
        device_seconds: Option<f64>,
    },
}

impl fmt::Debug for DeviceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceReport")
    }
}

impl DeviceReport {
    /// The report, once the call is done.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails, [`Error::Memory`] where the report does not fit.
    pub async fn get_async(&self) -> Result<Report, Error> {
        self.get_inner(false).await
    }

    /// [`get_async`](Self::get_async), waiting.
    ///
    /// # Errors
    /// As [`get_async`](Self::get_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn get(&self) -> Result<Report, Error> {
        pollster::block_on(self.get_inner(true))
    }

    /// Waits for the report where the caller is strict, and is so.
    #[cfg(feature = "gpu")]
    async fn strict(&self, options: &Options, blocking: bool) -> Result<(), Error> {
        match options.strict {
            true => strict(self.get_inner(blocking).await?, options).map(|_| ()),
            false => Ok(()),
        }
    }

    async fn get_inner(&self, blocking: bool) -> Result<Report, Error> {
        let _ = blocking;
        match &self.0 {
            Pending::Here(report) => Ok(Report::clone(report)),
            #[cfg(feature = "gpu")]
            Pending::There {
                gpu,
                state,
                state_words,
                count,
                problem,
                kernel,
                device_seconds,
            } => {
                let outcomes = gpu
                    .outcomes(state, *state_words, *count, problem, blocking)
                    .await?;
                Ok(Report {
                    flops: executed(problem, Backend::Gpu, &outcomes),
                    outcomes,
                    backend: Backend::Gpu,
                    device: gpu.adapter.name.clone(),
                    kernel,
                    device_seconds: *device_seconds,
                    shared: None,
                    device_error: None,
                })
            }
        }
    }
}

impl<T: Scalar> DeviceBatch<T> {
    /// The number of matrices.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The rows of each matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns of each matrix.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The transposes, n x m, at no cost.
    pub fn transpose(&self) -> Self {
        DeviceBatch {
            rows: self.cols,
            cols: self.rows,
            transposed: !self.transposed,
            ..self.clone()
        }
    }

    /// The buffer that holds the matrices, if a GPU does.
    #[cfg(feature = "gpu")]
    pub(crate) fn buffer(&self) -> Option<&wgpu::Buffer> {
        match &self.memory {
            Memory::Host(_) => None,
            Memory::Gpu(_, buffer) => Some(buffer),
        }
    }

    /// Entries from a row to the next, and from a column to the next.
    #[cfg(feature = "gpu")]
    pub(crate) fn steps(&self) -> [usize; 2] {
        match self.transposed {
            false => [1, self.rows],
            true => [self.cols, 1],
        }
    }
}

impl<T: Real> DeviceBatch<T> {
    /// Copies the matrices to the host, once they are computed.
    ///
    /// # Errors
    /// [`Error::Memory`] where they do not fit, [`Error::Device`] if the device fails.
    pub async fn download_async(&self) -> Result<Batch<T>, Error> {
        self.download_inner(false).await
    }

    /// [`download_async`](Self::download_async), waiting.
    ///
    /// # Errors
    /// As [`download_async`](Self::download_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn download(&self) -> Result<Batch<T>, Error> {
        pollster::block_on(self.download_inner(true))
    }

    async fn download_inner(&self, blocking: bool) -> Result<Batch<T>, Error> {
        let lies = self.fetch(blocking).await?;
        match Arc::try_unwrap(lies) {
            Ok(own) if !self.transposed => Ok(own),
            Ok(own) => self.seen(&own).to_batch(),
            Err(shared) => self.seen(&shared).to_batch(),
        }
    }

    /// What lies in memory.
    async fn fetch(&self, blocking: bool) -> Result<Arc<Batch<T>>, Error> {
        let _ = blocking;
        match &self.memory {
            Memory::Host(batch) => Ok(Arc::clone(batch)),
            #[cfg(feature = "gpu")]
            Memory::Gpu(gpu, buffer) => {
                let (rows, cols) = match self.transposed {
                    false => (self.rows, self.cols),
                    true => (self.cols, self.rows),
                };
                let mut batch = Batch::zeros(self.count, rows, cols)?;
                gpu.download(buffer, batch.as_mut_slice(), blocking).await?;
                Ok(Arc::new(batch))
            }
        }
    }

    /// The matrices, given what lies in memory.
    fn seen<'b>(&self, lies: &'b Batch<T>) -> View<'b, T> {
        match self.transposed {
            false => lies.view(),
            true => lies.view().transpose(),
        }
    }

    fn host(batch: Batch<T>) -> Self {
        DeviceBatch {
            count: batch.count(),
            rows: batch.rows(),
            cols: batch.cols(),
            transposed: false,
            memory: Memory::Host(Arc::new(batch)),
        }
    }

    /// What lies on a GPU, column by column.
    #[cfg(feature = "gpu")]
    pub(crate) fn on(
        gpu: &Arc<Gpu>,
        buffer: wgpu::Buffer,
        [count, rows, cols]: [usize; 3],
    ) -> Self {
        DeviceBatch {
            count,
            rows,
            cols,
            transposed: false,
            memory: Memory::Gpu(Arc::clone(gpu), buffer),
        }
    }
}

/// What became of a job on the device.
#[cfg(feature = "gpu")]
pub(crate) struct Solved {
    gpu: Arc<Gpu>,
    /// U and V are the caller's V and U.
    transposed: bool,
    results: Results,
    report: DeviceReport,
}

#[cfg(feature = "gpu")]
impl Solved {
    pub fn svd<T: Real>(self, a: &DeviceBatch<T>, vectors: Vectors) -> DeviceSvd<T> {
        let k = a.rows.min(a.cols);
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
            Some(DeviceBatch::on(&self.gpu, buffer, [a.count, side, cols]))
        };
        DeviceSvd {
            u: batch(u, a.rows),
            sigma: DeviceBatch::on(&self.gpu, sigma, [a.count, k, 1]),
            v: batch(v, a.cols),
            report: self.report,
        }
    }

    /// Pseudoinverses, or solutions.
    pub fn composed<T: Real>(
        self,
        a: &DeviceBatch<T>,
        rhs: Option<&DeviceBatch<T>>,
    ) -> (DeviceBatch<T>, DeviceReport) {
        let shape = [a.count, a.cols, rhs.map_or(a.rows, DeviceBatch::cols)];
        let batch = DeviceBatch::on(&self.gpu, self.results.composed, shape);
        (batch, self.report)
    }
}

impl Engine {
    /// Copies m x n matrices to where this engine computes.
    ///
    /// # Errors
    /// [`Error::Memory`] or [`Error::Unsupported`] where they do not fit, [`Error::Unsupported`] for
    /// f64 on a GPU without it, [`Error::Device`] if the device fails.
    pub async fn upload_async<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
    ) -> Result<DeviceBatch<T>, Error> {
        self.upload_inner(a.into(), false).await
    }

    /// [`svd_async`](Self::svd_async) of matrices on the device, whose results stay there. The bits
    /// are those of `svd` on the same device.
    ///
    /// Nothing is waited for but, in strict mode, the report, and the device's clock
    /// ([`timestamps`](crate::GpuOptions::timestamps)); progress is told when work is submitted.
    /// The host is asked between the sweeps of large matrices (the report's kernel is `jacobi-blocks` or
    /// `jacobi-rounds`), which are waited for. Matrices of odd sizes of which a chunk has fewer than 64 go
    /// through the host's memory and back.
    ///
    /// # Errors
    /// As [`svd_async`](Self::svd_async), and [`Error::Argument`] for matrices on another device.
    pub async fn svd_resident_async<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<DeviceSvd<T>, Error> {
        self.svd_resident_inner(a, vectors, options, false).await
    }

    /// [`pinv_async`](Self::pinv_async) of matrices on the device, as
    /// [`svd_resident_async`](Self::svd_resident_async).
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

    /// [`lstsq_async`](Self::lstsq_async) of matrices and right-hand sides on the device, as
    /// [`svd_resident_async`](Self::svd_resident_async).
    ///
    /// # Errors
    /// As [`svd_resident_async`](Self::svd_resident_async), and [`Error::Argument`] where B does not fit A.
    pub async fn lstsq_resident_async<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<DeviceLstsq<T>, Error> {
        self.lstsq_resident_inner(a, b, options, false).await
    }

    /// Products A B, m x n, of m x l and l x n matrices on the device; a factor of one matrix serves
    /// for all of the other's. Sums of l terms in blocks of about the root of l. Large products (of more
    /// operations than [`submit_flops`](crate::Tuning::submit_flops) each) are the host's.
    ///
    /// # Errors
    /// [`Error::Argument`] for shapes that do not fit and for matrices on another device,
    /// [`Error::Unsupported`] and [`Error::Memory`] where the results do not fit, [`Error::Device`].
    pub async fn product_async<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
    ) -> Result<DeviceBatch<T>, Error> {
        self.product_inner(a, b, false).await
    }

    /// Returns when all that was asked of the device is done.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn finish_async(&self) -> Result<(), Error> {
        self.finish_inner(false).await
    }

    async fn finish_inner(&self, blocking: bool) -> Result<(), Error> {
        let _ = blocking;
        #[cfg(feature = "gpu")]
        if let Some(gpu) = &self.gpu {
            return gpu.current().finish(blocking).await;
        }
        Ok(())
    }

    async fn upload_inner<T: Real>(
        &self,
        a: View<'_, T>,
        blocking: bool,
    ) -> Result<DeviceBatch<T>, Error> {
        let _ = blocking;
        #[cfg(feature = "gpu")]
        if let Some(gpu) = &self.gpu {
            let gpu = match gpu.get().await {
                Ok(gpu) => gpu,
                Err(_) if self.falls_back => return Ok(DeviceBatch::host(a.to_batch()?)),
                Err(error) => return Err(error),
            };
            let shape = [a.count(), a.rows(), a.cols()];
            let here = gpu.has(T::DTYPE) || !self.falls_back;
            // Nothing has no place.
            if here && !shape.contains(&0) {
                if !gpu.has(T::DTYPE) {
                    let text = format!("{}: {NO_F64}", gpu.adapter.name);
                    return Err(Error::Unsupported(text));
                }
                let (buffer, transposed) = gpu.upload(&a, blocking).await?;
                let batch = DeviceBatch::on(&gpu, buffer, shape);
                return Ok(DeviceBatch {
                    transposed,
                    ..batch
                });
            }
        }
        Ok(DeviceBatch::host(a.to_batch()?))
    }

    async fn svd_resident_inner<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        vectors: Vectors,
        options: &Options,
        blocking: bool,
    ) -> Result<DeviceSvd<T>, Error> {
        self.check_home(a)?;
        #[cfg(feature = "gpu")]
        {
            let job = Job::svd(vectors);
            if let Some(solved) = self
                .solve_resident(a, None, job, options, blocking, None)
                .await?
            {
                let svd = solved.svd(a, vectors);
                svd.report.strict(options, blocking).await?;
                return Ok(svd);
            }
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
            report: DeviceReport(Pending::Here(Arc::new(svd.report))),
        })
    }

    async fn pinv_resident_inner<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        options: &Options,
        blocking: bool,
    ) -> Result<DevicePinv<T>, Error> {
        let (inverse, report) = self.compose_resident(a, None, options, blocking).await?;
        Ok(DevicePinv { inverse, report })
    }

    async fn lstsq_resident_inner<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
        options: &Options,
        blocking: bool,
    ) -> Result<DeviceLstsq<T>, Error> {
        let composed = self.compose_resident(a, Some(b), options, blocking);
        let (solution, report) = composed.await?;
        Ok(DeviceLstsq { solution, report })
    }

    /// Pseudoinverses, or what they make of right-hand sides.
    async fn compose_resident<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        rhs: Option<&DeviceBatch<T>>,
        options: &Options,
        blocking: bool,
    ) -> Result<(DeviceBatch<T>, DeviceReport), Error> {
        self.check_home(a)?;
        if let Some(b) = rhs {
            self.check_home(b)?;
            fit_rhs([a.count, a.rows], [b.count, b.rows])?;
        }
        #[cfg(feature = "gpu")]
        {
            let job = Job::inverse(rhs.map(DeviceBatch::cols));
            let solved = self.solve_resident(a, rhs, job, options, blocking, None);
            if let Some(solved) = solved.await? {
                let (composed, report) = solved.composed(a, rhs);
                report.strict(options, blocking).await?;
                return Ok((composed, report));
            }
        }
        let lies = a.fetch(blocking).await?;
        let sides = match rhs {
            Some(b) => Some((b, b.fetch(blocking).await?)),
            None => None,
        };
        let b = sides.as_ref().map(|(b, lies)| b.seen(lies));
        let job = Job::inverse(rhs.map(DeviceBatch::cols));
        let composed = self.compose(a.seen(&lies), b, job, options, blocking);
        let (composed, report) = composed.await?;
        let report = DeviceReport(Pending::Here(Arc::new(report)));
        Ok((self.keep(composed, a, blocking).await?, report))
    }

    async fn product_inner<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
        blocking: bool,
    ) -> Result<DeviceBatch<T>, Error> {
        self.check_home(a)?;
        self.check_home(b)?;
        if a.cols != b.rows || (a.count != b.count && a.count != 1 && b.count != 1) {
            return Err(Error::argument(format!(
                "no product of {} matrices of {}x{} and {} of {}x{}",
                a.count, a.rows, a.cols, b.count, b.rows, b.cols
            )));
        }
        let count = if a.count == 1 { b.count } else { a.count };
        #[cfg(feature = "gpu")]
        if let (Memory::Gpu(gpu, left), Memory::Gpu(_, right)) = (&a.memory, &b.memory)
            && gpu.has(T::DTYPE)
        {
            let steps = |batch: &DeviceBatch<T>| {
                let [row, col] = batch.steps();
                let matrix = if batch.count == 1 {
                    0
                } else {
                    batch.rows * batch.cols
                };
                [matrix, row, col]
            };
            let (left, right) = ((left, steps(a)), (right, steps(b)));
            let sides = [a.rows, a.cols, b.cols];
            let product = gpu
                .product::<T>(sides, left, right, count, blocking)
                .await?;
            if let Some(product) = product {
                return Ok(DeviceBatch::on(gpu, product, [count, a.rows, b.cols]));
            }
        }
        let (left, right) = (a.fetch(blocking).await?, b.fetch(blocking).await?);
        let [left, right] = [a.seen(&left), b.seen(&right)];
        let multiplied = move |left: View<'_, T>, right: View<'_, T>| {
            let mut product = Batch::zeros(count, left.rows(), right.cols())?;
            host::product::product(left, right, &mut product);
            Ok(product)
        };
        let product = if !blocking && self.in_background() {
            let call = move |_: &Engine, [left, right]: [View<'_, T>; 2], _: &Options| {
                multiplied(left, right)
            };
            let factors = [left, right];
            self.background_on(factors, &Options::default(), call)
                .await?
        } else {
            multiplied(left, right)?
        };
        let beside = if matches!(a.memory, Memory::Host(_)) {
            b
        } else {
            a
        };
        self.keep(product, beside, blocking).await
    }

    /// Whether a batch lies where this engine computes, or in the host's memory.
    pub(crate) fn check_home<T: Scalar>(&self, a: &DeviceBatch<T>) -> Result<(), Error> {
        match &a.memory {
            Memory::Host(_) => Ok(()),
            #[cfg(feature = "gpu")]
            Memory::Gpu(gpu, _) => match &self.gpu {
                Some(own) if Arc::ptr_eq(&own.current(), gpu) => Ok(()),
                _ if gpu.is_lost() => Err(Error::Device(format!(
                    "{a:?} was lost with its device, {}",
                    gpu.adapter.name
                ))),
                _ => Err(Error::argument(format!(
                    "{a:?} lies in the memory of another engine, on {}",
                    gpu.adapter.name
                ))),
            },
        }
    }

    /// Puts a result where the matrices lie that it was computed from.
    async fn keep<T: Real>(
        &self,
        result: Batch<T>,
        beside: &DeviceBatch<T>,
        blocking: bool,
    ) -> Result<DeviceBatch<T>, Error> {
        match &beside.memory {
            Memory::Host(_) => {
                let _ = blocking;
                Ok(DeviceBatch::host(result))
            }
            #[cfg(feature = "gpu")]
            Memory::Gpu(..) => self.upload_inner(result.view(), blocking).await,
        }
    }

    /// Carries out a job on the device, or adds it to somebody's commands, if the matrices lie on one
    /// that can leave the results there.
    #[cfg(feature = "gpu")]
    pub(crate) async fn solve_resident<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        rhs: Option<&DeviceBatch<T>>,
        job: Job,
        options: &Options,
        blocking: bool,
        encoder: Option<&mut wgpu::CommandEncoder>,
    ) -> Result<Option<Solved>, Error> {
        let Memory::Gpu(gpu, input) = &a.memory else {
            return Ok(None);
        };
        let rhs = match rhs.map(|rhs| (rhs.buffer(), rhs.steps())) {
            None => None,
            Some((Some(buffer), steps)) => Some((buffer, steps)),
            Some((None, _)) => return Ok(None),
        };
        let task = Task::new::<T>([a.count, a.rows, a.cols], job, options)?;
        let records = encoder.is_some();
        let recipe = match gpu.plan(&task.problem, &task.convergence) {
            Err(error) if records => return Err(error),
            // Between sweeps in global memory the host is asked.
            Ok(recipe) if records && recipe.path.asks_between_sweeps() => return Ok(None),
            Ok(recipe) if Gpu::stays(&task.problem, &recipe, a.count) => recipe,
            _ => return Ok(None),
        };
        let [row, col] = a.steps();
        let steps = if task.problem.transposed {
            [col, row]
        } else {
            [row, col]
        };
        let given = Given {
            a: (input, steps),
            rhs,
            count: a.count,
        };
        let results = gpu
            .solve_resident::<T>(&task, &recipe, given, blocking, encoder)
            .await?;
        let report = DeviceReport(Pending::There {
            gpu: Arc::clone(gpu),
            state: results.state.clone(),
            state_words: results.state_words,
            count: a.count,
            problem: task.problem,
            kernel: recipe.path.name(),
            device_seconds: results.seconds,
        });
        Ok(Some(Solved {
            gpu: Arc::clone(gpu),
            transposed: task.problem.transposed,
            results,
            report,
        }))
    }
}

/// The same calls for those who would rather wait until they are under way, and a wait for the end.
#[cfg(not(target_family = "wasm"))]
impl Engine {
    /// [`upload_async`](Self::upload_async), waiting.
    ///
    /// # Errors
    /// As [`upload_async`](Self::upload_async).
    pub fn upload<'a, T: Real>(&self, a: impl Into<View<'a, T>>) -> Result<DeviceBatch<T>, Error> {
        pollster::block_on(self.upload_inner(a.into(), true))
    }

    /// [`svd_resident_async`](Self::svd_resident_async), waiting.
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
    pub fn svd_resident<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<DeviceSvd<T>, Error> {
        pollster::block_on(self.svd_resident_inner(a, vectors, options, true))
    }

    /// [`pinv_resident_async`](Self::pinv_resident_async), waiting.
    ///
    /// # Errors
    /// As [`pinv_resident_async`](Self::pinv_resident_async).
    pub fn pinv_resident<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<DevicePinv<T>, Error> {
        pollster::block_on(self.pinv_resident_inner(a, options, true))
    }

    /// [`lstsq_resident_async`](Self::lstsq_resident_async), waiting.
    ///
    /// # Errors
    /// As [`lstsq_resident_async`](Self::lstsq_resident_async).
    pub fn lstsq_resident<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<DeviceLstsq<T>, Error> {
        pollster::block_on(self.lstsq_resident_inner(a, b, options, true))
    }

    /// [`product_async`](Self::product_async), waiting.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let engine = Engine::cpu();
    /// let a = engine.upload(&Batch::from_row_major(1, 2, 2, &[1.0f64, 2.0, 3.0, 4.0])?)?;
    /// let square = engine.product(&a, &a.transpose())?.download()?;
    /// assert_eq!(square.matrix(0), [5.0, 11.0, 11.0, 25.0]);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`product_async`](Self::product_async).
    pub fn product<T: Real>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
    ) -> Result<DeviceBatch<T>, Error> {
        pollster::block_on(self.product_inner(a, b, true))
    }

    /// [`finish_async`](Self::finish_async), waiting.
    ///
    /// # Errors
    /// As [`finish_async`](Self::finish_async).
    pub fn finish(&self) -> Result<(), Error> {
        pollster::block_on(self.finish_inner(true))
    }
}
