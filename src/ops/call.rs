//! A call while it is put together, and the verbs that carry it out: one road for all operations.

use crate::data::error::Error;
use crate::data::options::{Cancel, Cutoff, Options, Progress};
use crate::data::report::Report;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::device_batch::{DeviceBatch, Fetched};
use crate::gpu::CommandEncoder;
use crate::ops::operation::{Bring, Compute, ComputeInto, Given, Operation, Recordable, Shapes};

/// The matrices of a call: in the memory of the host, or in the memory where the engine computes. Whatever converts to a
/// [`View`] converts to an operand, and so does a reference to a [`DeviceBatch`].
#[derive(Clone)]
#[non_exhaustive]
pub enum Operand<'a, T: Scalar> {
    /// Matrices in the memory of the host.
    Host(View<'a, T>),
    /// Matrices in the memory where the engine computes.
    Device(DeviceBatch<T>),
}

impl<'a, T: Scalar, V: Into<View<'a, T>>> From<V> for Operand<'a, T> {
    fn from(matrices: V) -> Self {
        Operand::Host(matrices.into())
    }
}

impl<T: Scalar> From<&DeviceBatch<T>> for Operand<'_, T> {
    fn from(matrices: &DeviceBatch<T>) -> Self {
        Operand::Device(matrices.clone())
    }
}

impl<'a, T: Real> Operand<'a, T> {
    /// (count, rows, columns).
    fn shape(&self) -> [usize; 3] {
        match self {
            Operand::Host(view) => view.shape(),
            Operand::Device(batch) => batch.shape(),
        }
    }

    /// The matrices on the host: where they are, or copied there.
    async fn fetch(&self, engine: &Engine, blocking: bool) -> Result<Fetched<'a, T>, Error> {
        match self {
            Operand::Host(view) => Ok(Fetched::Seen(*view)),
            Operand::Device(batch) => {
                engine.check_home(batch)?;
                batch.fetch(blocking).await
            }
        }
    }

    /// The matrices where the engine computes.
    async fn upload(&self, engine: &Engine, blocking: bool) -> Result<DeviceBatch<T>, Error> {
        match self {
            Operand::Host(view) => engine.upload_inner(*view, blocking).await,
            Operand::Device(batch) => {
                engine.check_home(batch)?;
                Ok(batch.clone())
            }
        }
    }
}

/// A call that is put together: an operation on matrices, and its choices. It computes when one of these methods carries
/// it out:
///
/// | method | results |
/// | --- | --- |
/// | [`run`](Self::run), [`run_async`](Self::run_async) | on the host |
/// | [`run_into`](Self::run_into), [`run_into_async`](Self::run_into_async) | in memory of the caller |
/// | [`run_on_device`](Self::run_on_device), [`run_on_device_async`](Self::run_on_device_async) | where the engine computes |
/// | `interop::record` | where the engine computes, as a part of commands of the caller |
///
/// The matrices can be in either memory; only `interop::record` takes none on the host. The methods of
/// [`Engine`](crate::Engine) describe the operations.
///
/// ```
/// use batched_svd::{Batch, Cutoff, Engine};
///
/// let engine = Engine::cpu();
/// let a = Batch::from_fn(100, 6, 7, |b, i, j| ((b + 3 * i + 5 * j) as f32).sin())?;
/// let plain = engine.pinv(&a).run()?;
/// let damped = engine.pinv(&a).cutoff(Cutoff::relative(1e-4)).damping(0.01).run()?;
/// # let _ = (plain, damped);
/// # Ok::<(), batched_svd::Error>(())
/// ```
#[must_use = "a call computes nothing until it is run"]
pub struct Call<'e, 'a, R: Operation> {
    pub(crate) engine: &'e Engine,
    pub(crate) a: Operand<'a, R::Entry>,
    /// What belongs to the matrices.
    pub(crate) b: Option<Operand<'a, R::Entry>>,
    pub(crate) choices: R::Choices,
    pub(crate) options: Options,
}

impl<R: Operation> Clone for Call<'_, '_, R> {
    fn clone(&self) -> Self {
        Call {
            engine: self.engine,
            a: self.a.clone(),
            b: self.b.clone(),
            choices: self.choices.clone(),
            options: self.options.clone(),
        }
    }
}

impl<'e, 'a, R: Operation> Call<'e, 'a, R> {
    pub(crate) fn new(engine: &'e Engine, a: Operand<'a, R::Entry>) -> Self {
        Call {
            engine,
            a,
            b: None,
            choices: R::Choices::default(),
            options: Options::default(),
        }
    }

    pub(crate) fn beside(self, b: Operand<'a, R::Entry>) -> Self {
        Call { b: Some(b), ..self }
    }

    /// Sets all options that every operation has, in place of those that were set before.
    pub fn options(mut self, options: &Options) -> Self {
        let damping = self.options.damping.take();
        self.options = options.clone();
        self.options.damping = damping;
        self
    }

    /// Sets which singular values count: [`Options::cutoff`].
    pub fn cutoff(self, cutoff: Cutoff) -> Self {
        self.with(|options| options.cutoff(cutoff))
    }

    /// Sets the largest cosine at which a pair of columns counts as orthogonal: [`Options::tolerance`].
    pub fn tolerance(self, cosine: f64) -> Self {
        self.with(|options| options.tolerance(cosine))
    }

    /// Sets the maximum number of sweeps: [`Options::max_sweeps`].
    pub fn max_sweeps(self, sweeps: u32) -> Self {
        self.with(|options| options.max_sweeps(sweeps))
    }

    /// Sets whether a matrix that does not converge makes the call an error: [`Options::strict`].
    pub fn strict(self, strict: bool) -> Self {
        self.with(|options| options.strict(strict))
    }

    /// Sets a function that is told of progress: [`Options::progress`].
    pub fn progress(self, progress: Progress) -> Self {
        self.with(|options| options.progress(progress))
    }

    /// Sets a handle that can end the call early: [`Options::cancel`].
    pub fn cancel(self, cancel: &Cancel) -> Self {
        self.with(|options| options.cancel(cancel))
    }

    fn with(mut self, set: impl FnOnce(Options) -> Options) -> Self {
        self.options = set(self.options);
        self
    }

    pub(crate) fn shapes(&self) -> Shapes
    where
        R::Entry: Real,
    {
        Shapes {
            a: self.a.shape(),
            b: self.b.as_ref().map(Operand::shape),
        }
    }
}

impl<R: Compute> Call<'_, '_, R> {
    /// Computes the results, and blocks until they are done.
    ///
    /// # Errors
    /// [`Error::Argument`] if the matrices or the choices do not fit or the matrices are on another device,
    /// [`Error::Memory`] if the results do not fit into memory, [`Error::Unsupported`] or [`Error::Device`] from a GPU,
    /// [`Error::Strict`] in strict mode, [`Error::Cancelled`] if the call was cancelled. In a browser, where a thread must
    /// not wait, [`Error::Unsupported`] for a GPU engine.
    pub fn run(self) -> Result<R, Error> {
        self.engine.may_block()?;
        pollster::block_on(self.here(true))
    }

    /// Computes the results, and waits for them without blocking the executor.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_async(self) -> Result<R, Error> {
        self.here(false).await
    }

    /// Computes the results, leaves them where the engine computes, and returns as soon as the work is submitted. Their
    /// bits are those of [`run`](Self::run) on the same device. Matrices on the host are uploaded first.
    ///
    /// On a GPU, the call waits only
    ///
    /// - in strict mode, for the report;
    /// - with [`timestamps`](crate::GpuOptions::timestamps), for the clock of the device;
    /// - for large matrices, between sweeps, when the host checks if more sweeps are needed. The kernel in the report
    ///   is then `jacobi-blocks` or `jacobi-rounds`;
    /// - for an operation whose last step is computed by the host: all but [`SingularValues`](crate::SingularValues),
    ///   [`Svd`](crate::Svd) (both without an earlier V), [`Pinv`](crate::Pinv), [`Lstsq`](crate::Lstsq) (without
    ///   refinement and without singular values), and [`LowRank`](crate::LowRank).
    ///
    /// Progress is told when work is submitted. If the bytes of a matrix or of a result are not a multiple of 256 and a
    /// chunk has fewer than 64 matrices, the data may go through the memory of the host and back.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let engine = Engine::cpu();
    /// let a = engine.upload(&Batch::from_fn(9, 4, 3, |b, i, j| ((1 + b + i * j) as f32).sqrt())?)?;
    /// let found = engine.singular_values(&a).run_on_device()?;
    /// assert!(found.report.get()?.all_converged());
    /// assert_eq!(found.sigma.download()?.rows(), 3);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_on_device(self) -> Result<R::OnDevice, Error> {
        self.engine.may_block()?;
        pollster::block_on(self.there(true))
    }

    /// Does the same as [`run_on_device`](Self::run_on_device), and awaits where that method waits.
    ///
    /// # Errors
    /// As [`run_on_device`](Self::run_on_device).
    pub async fn run_on_device_async(self) -> Result<R::OnDevice, Error> {
        self.there(false).await
    }

    async fn here(self, blocking: bool) -> Result<R, Error> {
        R::check(&self.choices, &self.options, self.shapes())?;
        if let Operand::Device(a) = &self.a
            && let Some(found) = self.stays(a, blocking).await?
        {
            return found.bring(blocking).await;
        }
        self.on_host(blocking).await
    }

    /// The results of matrices that are brought to the host, if they are not there.
    async fn on_host(self, blocking: bool) -> Result<R, Error> {
        let Call {
            engine,
            a,
            b,
            choices,
            options,
        } = self;
        let a = a.fetch(engine, blocking).await?;
        let b = match &b {
            Some(b) => Some(b.fetch(engine, blocking).await?),
            None => None,
        };
        let given = Given {
            a: a.view(),
            b: b.as_ref().map(Fetched::view),
        };
        found(engine, given, &choices, &options, blocking).await
    }

    async fn there(mut self, blocking: bool) -> Result<R::OnDevice, Error> {
        R::check(&self.choices, &self.options, self.shapes())?;
        let engine = self.engine;
        if engine.gpu.is_none() {
            // Both memories are one.
            return self
                .here(blocking)
                .await?
                .keep(engine, false, blocking)
                .await;
        }
        if R::stays(&self.choices, self.shapes()) {
            let a = self.a.upload(engine, blocking).await?;
            self.a = Operand::Device(a.clone());
            if let Some(found) = self.stays(&a, blocking).await? {
                return Ok(found);
            }
        }
        // Results are beside their matrices. Matrices of the host's are as good as uploaded.
        let on_gpu = match &self.a {
            Operand::Host(_) => true,
            Operand::Device(a) => a.buffer().is_some(),
        };
        let found = self.on_host(blocking).await?;
        found.keep(engine, on_gpu, blocking).await
    }

    /// The results of matrices on the device, if it can compute and keep them without the host.
    async fn stays(
        &self,
        a: &DeviceBatch<R::Entry>,
        blocking: bool,
    ) -> Result<Option<R::OnDevice>, Error> {
        let (engine, shapes) = (self.engine, self.shapes());
        engine.check_home(a)?;
        if a.buffer().is_none() || !R::stays(&self.choices, shapes) {
            return Ok(None);
        }
        let b = match &self.b {
            Some(b) => Some(b.upload(engine, blocking).await?),
            None => None,
        };
        let job = R::job(&self.choices, shapes);
        let solved = engine.solve_on_device(a, b.as_ref(), job, &self.options, blocking, None);
        let Some(solved) = solved.await? else {
            return Ok(None);
        };
        let report = solved.report.clone();
        let found = R::solved(solved, &self.choices, shapes);
        report.strict(&self.options, blocking).await?;
        Ok(found)
    }
}

impl<R: ComputeInto> Call<'_, '_, R> {
    /// Computes the results, writes them to memory of the caller, and blocks until it is done. The places are a
    /// [`ViewMut`](crate::ViewMut) for each result, as a tuple if there are several: for
    /// [`Svd`](crate::Svd) (u, sigma, v). [`Placed`](crate::Placed) lists them.
    ///
    /// In strict mode, the results are written before the error is returned. What a result has beside matrices follows
    /// from the report: the dimensions of a [`Basis`](crate::Basis) from the ranks.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, ViewMut};
    ///
    /// let a = Batch::from_fn(4, 5, 3, |b, i, j| ((1 + b + i * j) as f32).sqrt())?;
    /// let mut rows = vec![0.0f32; 4 * 3 * 5];
    /// let report = Engine::cpu().pinv(&a).run_into(ViewMut::row_major(&mut rows, 4, 3, 5)?)?;
    /// assert!(report.all_converged());
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`Error::Argument`] if a shape does not fit.
    pub fn run_into<'o>(self, places: impl Into<R::Places<'o>>) -> Result<Report, Error> {
        self.engine.may_block()?;
        pollster::block_on(self.into_places(places.into(), true))
    }

    /// Does the same as [`run_into`](Self::run_into), and waits without blocking the executor.
    ///
    /// # Errors
    /// As [`run_into`](Self::run_into).
    pub async fn run_into_async<'o>(
        self,
        places: impl Into<R::Places<'o>>,
    ) -> Result<Report, Error> {
        self.into_places(places.into(), false).await
    }

    async fn into_places(self, places: R::Places<'_>, blocking: bool) -> Result<Report, Error> {
        let shapes = self.shapes();
        R::check(&self.choices, &self.options, shapes)?;
        R::fits(&places, &R::shapes(&self.choices, shapes))?;
        if !blocking && self.engine.in_background() {
            // The places are written in strict mode too.
            let strict = self.options.strict;
            let found = self.strict(false).here(false).await?;
            let options = Options::default().strict(strict);
            return crate::engine::road::strict(found.write(places), &options);
        }
        let Call {
            engine,
            a,
            b,
            choices,
            options,
        } = self;
        let a = a.fetch(engine, blocking).await?;
        let b = match &b {
            Some(b) => Some(b.fetch(engine, blocking).await?),
            None => None,
        };
        let given = Given {
            a: a.view(),
            b: b.as_ref().map(Fetched::view),
        };
        R::compute_into(engine, given, &choices, places, &options, blocking).await
    }
}

impl<R: Compute + Recordable> Call<'_, '_, R> {
    /// Records the work into an encoder.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    pub(crate) async fn record(self, encoder: &mut CommandEncoder) -> Result<R::OnDevice, Error> {
        let shapes = self.shapes();
        R::check(&self.choices, &self.options, shapes)?;
        let Call {
            engine,
            a,
            b,
            choices,
            options,
        } = self;
        let (a, b) = match (a, b) {
            (Operand::Device(a), None) => (a, None),
            (Operand::Device(a), Some(Operand::Device(b))) => (a, Some(b)),
            _ => {
                let text = "matrices in the memory of the host are not recorded: upload them first";
                return Err(Error::Unsupported(text.into()));
            }
        };
        for batch in [Some(&a), b.as_ref()].into_iter().flatten() {
            engine.check_home(batch)?;
        }
        let mut found = None;
        if R::stays(&choices, shapes) {
            let job = R::job(&choices, shapes);
            let encoder = Some(encoder);
            let solved = engine.solve_on_device(&a, b.as_ref(), job, &options, false, encoder);
            if let Some(solved) = solved.await? {
                found = R::solved(solved, &choices, shapes);
            }
        }
        found.ok_or_else(|| {
            Error::Unsupported(format!(
                "{a:?} cannot be solved on {engine} without the host on the way, nor be recorded"
            ))
        })
    }
}

/// The results of matrices on the host. Where the CPU computes, or may, an async call is carried out by other threads.
async fn found<R: Compute>(
    engine: &Engine,
    given: Given<'_, R::Entry>,
    choices: &R::Choices,
    options: &Options,
    blocking: bool,
) -> Result<R, Error> {
    if blocking || !engine.in_background() {
        return R::compute(engine, given, choices, options, blocking).await;
    }
    let choices = choices.clone();
    let Some(b) = given.b else {
        let call = move |engine: &Engine, a: View<'_, R::Entry>, options: &Options| {
            let given = Given { a, b: None };
            pollster::block_on(R::compute(engine, given, &choices, options, true))
        };
        return engine.background(given.a, options, call).await;
    };
    let call = move |engine: &Engine, [a, b]: [View<'_, R::Entry>; 2], options: &Options| {
        let given = Given { a, b: Some(b) };
        pollster::block_on(R::compute(engine, given, &choices, options, true))
    };
    engine.background_on([given.a, b], options, call).await
}
