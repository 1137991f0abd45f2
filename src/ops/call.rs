//! A call while it is put together, and the verbs that carry it out: one road for all operations.

use crate::data::error::Error;
use crate::data::options::{Cancel, Cutoff, Damping, NearSingular, Options, PerMatrix, Progress};
use crate::data::report::Report;
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::Float;
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::device_batch::{DeviceBatch, Fetched};
use crate::engine::road::strict;
use crate::gpu::CommandEncoder;
use crate::ops::SingularValues;
use crate::ops::operation::{
    Bring, Compute, ComputeInto, Damped, DampedNearSingular, Given, IntoPlaces, Operation,
    Recordable, Shapes, Warm,
};

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

impl<'a, T: Scalar> Operand<'a, T> {
    /// (count, rows, columns).
    fn shape(&self) -> [usize; 3] {
        match self {
            Operand::Host(view) => view.shape(),
            Operand::Device(batch) => batch.shape(),
        }
    }

    /// The matrices on the host: where they are, or copied there.
    async fn fetch(&self, blocking: bool) -> Result<Fetched<'a, T>, Error> {
        match self {
            Operand::Host(view) => Ok(Fetched::Seen(*view)),
            Operand::Device(batch) => batch.fetch(blocking).await,
        }
    }

    /// The matrices where the engine computes.
    async fn upload(&self, engine: &Engine, blocking: bool) -> Result<DeviceBatch<T>, Error> {
        match self {
            Operand::Host(view) => engine.upload_inner(*view, blocking).await,
            Operand::Device(batch) => Ok(batch.clone()),
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
        self.options = Options {
            // It is a choice of some operations, which only their calls set.
            damping: self.options.damping,
            ..options.clone()
        };
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

    fn shapes(&self) -> Shapes {
        Shapes {
            a: self.a.shape(),
            b: self.b.as_ref().map(Operand::shape),
        }
    }
}

impl<R: Damped> Call<'_, '_, R> {
    /// Sets the damping (Tikhonov, ridge) of pseudoinverses, least-squares solutions and whitening: 1/sigma becomes sigma /
    /// (sigma^2 + lambda^2). Then x = A^+ b minimises |A x - b|^2 + lambda^2 |x|^2. Lambda is finite, not negative, and in the
    /// unit of the matrix entries. It is one number for the whole batch, or one for each matrix.
    ///
    /// The [cutoff](Call::cutoff) applies in the same way as without damping. So the limit of the result for lambda to
    /// 0 is the undamped result, and lambda = 0 gives the same bits as no damping.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let a = Batch::from_row_major(2, 1, 1, &[2.0f64, 1e-9])?; // the second nearly singular
    /// let pinv = Engine::cpu().pinv(&a).damping(vec![0.0, 1e-3]).run()?;
    /// assert_eq!(pinv.inverse.matrix(0)[0], 0.5);
    /// assert!((pinv.inverse.matrix(1)[0] - 1e-3).abs() < 1e-12);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// For [whitening](crate::Engine::whitening), sigma is the standard deviation along a principal component, and lambda is
    /// in the unit of the data.
    ///
    /// **Errors** of the call: [`Error::Argument`] if a lambda is negative or not finite, or if there are more or fewer
    /// lambdas than matrices.
    pub fn damping(mut self, lambda: impl Into<PerMatrix>) -> Self {
        self.options.damping = Some(Damping::Given(lambda.into()));
        self
    }
}

impl<R: DampedNearSingular> Call<'_, '_, R> {
    /// Sets a damping that sets in near singular matrices, as robot control needs it: of each matrix, lambda is found from
    /// the smallest of its k = min(m, n) singular values,
    ///
    /// lambda^2 = most^2 (1 - (sigma_k / below)^2) if sigma_k < below, else zero.
    ///
    /// Results then change continuously with the matrix, but for a singular value that passes the [cutoff](Call::cutoff):
    /// without damping where the matrix is well conditioned, and with at most `most` where it is singular. `below` and `most`
    /// are finite, not negative, and in the unit of the matrix entries. Each is one number for the whole batch, or one for
    /// each matrix. This replaces a [damping](Self::damping) that was set before, and is replaced by one that is set later.
    ///
    /// The singular values are computed in a call of their own before the results, so the call takes up to twice the time. On
    /// a GPU they go through the host. The report and the progress are those of the second call. For any other rule, compute
    /// [`singular_values`](crate::Engine::singular_values) and give the [damping](Self::damping) of each matrix.
    ///
    /// **Guarantee**: that of the result with a [damping](Self::damping) of the lambda that the formula gives at the
    /// computed sigma_k.
    ///
    /// **Source**: Nakamura and Hanafusa 1986, with a measure of manipulability in place of sigma_k; Chiaverini 1997.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// // Three arms: well conditioned, near a singular pose, and in it.
    /// let a = Batch::from_row_major(3, 1, 1, &[2.0f64, 0.06, 0.0])?;
    /// let pinv = Engine::cpu().pinv(&a).damping_near_singular(0.1, 0.05).run()?;
    /// let lambda = 0.05 * 0.8; // of the second: 0.06 is 0.6 times 0.1
    /// assert_eq!(pinv.inverse.matrix(0)[0], 0.5);
    /// assert!((pinv.inverse.matrix(1)[0] - 0.06 / (0.06f64.powi(2) + lambda * lambda)).abs() < 1e-12);
    /// assert_eq!(pinv.inverse.matrix(2)[0], 0.0);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// **Errors** of the call: as [`damping`](Self::damping). `interop::record` returns [`Error::Unsupported`], because the
    /// host computes lambda.
    pub fn damping_near_singular(
        mut self,
        below: impl Into<PerMatrix>,
        most: impl Into<PerMatrix>,
    ) -> Self {
        self.options.damping = Some(Damping::NearSingular(NearSingular {
            below: below.into(),
            most: most.into(),
        }));
        self
    }
}

impl<'a, R: Warm> Call<'_, 'a, R> {
    /// Starts from the results of an earlier call, for m x n matrices that are similar, one by one, to those of that
    /// call. `previous` is its V, n x k or n x n, k = min(m, n).
    ///
    /// The frames of a path, of a control loop or of a simulation then take fewer sweeps. If frames differ by a
    /// thousandth, they take two or three sweeps in f32, in place of four (6x7) to seven (64x64), and one more in f64.
    /// Any V is accepted, also one that is not orthonormal or that contains a NaN. With a NaN, its matrix starts cold. A
    /// bad V costs sweeps, not accuracy.
    ///
    /// The host multiplies the matrices with V, one by one. Except for large matrices, this takes longer than the
    /// sweeps that it saves: on the CPU, the times are equal at 64x64, and a warm call takes five times as long as a
    /// cold call at 3x3 and 6x7 (`BENCHMARKS.md`).
    ///
    /// **Guarantee**: that of [`svd`](crate::Engine::svd), after any number of earlier frames, because every call
    /// makes V orthonormal again. Matrices start cold if the norms of their columns (rows, if m < n) differ by a factor
    /// of more than 16. So the relative accuracy of the small singular values of graded matrices is within that factor
    /// of the accuracy of a cold call.
    ///
    /// **Source**: A V_0 = U diag(sigma) W', V = V_0 W (Drmac and Veselic 2008, on preconditioning).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let engine = Engine::cpu();
    /// let entry = |b, i, j, time: f64| ((b + (1 + i) * (2 + 3 * j)) as f64 * (0.7 + time)).sin();
    /// let frame = |time| Batch::from_fn(100, 8, 8, |b, i, j| entry(b, i, j, time));
    /// let mut last = engine.svd(&frame(0.0)?).run()?;
    /// let cold = last.report.max_sweeps();
    /// for step in 1..5 {
    ///     last = engine.svd(&frame(f64::from(step) * 1e-5)?).warm(&last.v).run()?;
    ///     assert!(last.report.max_sweeps() < cold);
    /// }
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// **Errors** of the call: [`Error::Argument`] if V does not fit A.
    pub fn warm(self, previous: impl Into<Operand<'a, R::Entry>>) -> Self {
        self.beside(previous.into())
    }
}

impl<R: Compute> Call<'_, '_, R> {
    /// The shapes of the matrices, if the call makes sense: before anything is copied or computed.
    pub(crate) fn check(&self) -> Result<Shapes, Error> {
        let shapes = self.shapes();
        R::check(&self.choices, &self.options, shapes)?;
        self.options.check(shapes.a[0], shapes.k())?;
        for operand in [Some(&self.a), self.b.as_ref()].into_iter().flatten() {
            if let Operand::Device(batch) = operand {
                self.engine.check_home(batch)?;
            }
        }
        Ok(shapes)
    }

    /// Computes the results, and blocks until they are done. Matrices on the device are computed there if the device can
    /// compute the whole result, whatever the [policy](crate::Policy), and the results are downloaded. Such a call cannot
    /// be cancelled once its work is submitted.
    ///
    /// # Errors
    /// [`Error::Argument`] if the matrices or the choices do not fit or the matrices are on another device,
    /// [`Error::Memory`] if the results do not fit into memory, [`Error::Unsupported`] or [`Error::Device`] from a GPU,
    /// [`Error::Strict`] in strict mode, [`Error::Cancelled`] if the call was cancelled. In a browser, where a thread must
    /// not wait, [`Error::Unsupported`] for a GPU engine.
    pub fn run(self) -> Result<R, Error> {
        self.engine.may_block()?;
        pollster::block_on(async { self.settled(true).await?.here(true).await })
    }

    /// Computes the results, and waits for them without blocking the executor.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_async(self) -> Result<R, Error> {
        self.settled(false).await?.here(false).await
    }

    /// Computes the results, leaves them where the engine computes, and returns as soon as the work is submitted. Their
    /// bits are those of [`run`](Self::run) on the same device. Matrices on the host are uploaded first.
    ///
    /// On a GPU, the call waits only
    ///
    /// - in strict mode, for the report;
    /// - for a [damping near singular matrices](Self::damping_near_singular), for the singular values;
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
        pollster::block_on(async { self.settled(true).await?.there(true).await })
    }

    /// Does the same as [`run_on_device`](Self::run_on_device), and awaits where that method waits.
    ///
    /// # Errors
    /// As [`run_on_device`](Self::run_on_device).
    pub async fn run_on_device_async(self) -> Result<R::OnDevice, Error> {
        self.settled(false).await?.there(false).await
    }

    /// The call with a damping for each matrix, where it is to be found from the smallest singular values.
    async fn settled(self, blocking: bool) -> Result<Self, Error> {
        match self.options.near_singular().cloned() {
            None => Ok(self),
            // On the heap: nearly all calls have no use for the place of this work.
            Some(near) => Box::pin(self.with_damping(near, blocking)).await,
        }
    }

    /// The call with the damping that the smallest singular values ask for.
    async fn with_damping(mut self, near: NearSingular, blocking: bool) -> Result<Self, Error> {
        self.check()?;
        self.options.damping = None;
        let options = Options {
            // It is told of the results alone, which come after.
            progress: None,
            strict: false,
            ..self.options.clone()
        };
        let values = Call::<SingularValues<R::Entry>>::new(self.engine, self.a.clone());
        let found = values.options(&options).here(blocking).await?;
        let damping = (0..found.sigma.count()).map(|index| {
            let smallest = found.sigma.matrix(index).last();
            near.damping(index, smallest.map(|sigma| sigma.f64()))
        });
        let damping = PerMatrix::Each(damping.collect());
        self.options.damping = Some(Damping::Given(damping));
        Ok(self)
    }

    async fn here(&self, blocking: bool) -> Result<R, Error> {
        self.check()?;
        if let Operand::Device(a) = &self.a
            && let Some(found) = self.solve_there(a, blocking).await?
        {
            return found.bring(blocking).await;
        }
        self.on_host(blocking).await
    }

    async fn there(&self, blocking: bool) -> Result<R::OnDevice, Error> {
        let shapes = self.check()?;
        let engine = self.engine;
        if engine.gpu.is_none() {
            // A CPU engine computes in the memory of the host, so nothing is uploaded.
            return self
                .on_host(blocking)
                .await?
                .keep(engine, false, blocking)
                .await;
        }
        if R::whole_on_device(&self.choices, shapes).is_some() {
            let a = self.a.upload(engine, blocking).await?;
            if let Some(found) = self.solve_there(&a, blocking).await? {
                return Ok(found);
            }
        }
        // Results lie beside their matrices. For matrices on the host, they go where an upload would go.
        let on_gpu = match &self.a {
            Operand::Host(_) => true,
            Operand::Device(a) => a.buffer().is_some(),
        };
        let found = self.on_host(blocking).await?;
        found.keep(engine, on_gpu, blocking).await
    }

    /// The results of matrices on the device, if it can compute and keep them without the host.
    async fn solve_there(
        &self,
        a: &DeviceBatch<R::Entry>,
        blocking: bool,
    ) -> Result<Option<R::OnDevice>, Error> {
        let (engine, shapes) = (self.engine, self.shapes());
        let finish = R::whole_on_device(&self.choices, shapes).filter(|_| a.buffer().is_some());
        let Some(finish) = finish else {
            return Ok(None);
        };
        let b = match &self.b {
            Some(b) => Some(b.upload(engine, blocking).await?),
            None => None,
        };
        let job = R::job(&self.choices, shapes);
        let solved = engine.solve_on_device(a, b.as_ref(), job, &self.options, blocking, None);
        let Some(solved) = solved.await? else {
            return Ok(None);
        };
        solved.report.strict(&self.options, blocking).await?;
        Ok(Some(finish(solved, &self.choices, shapes)))
    }

    /// The matrices on the host, copied there if they are on the device, and what belongs to them.
    #[allow(clippy::type_complexity)]
    async fn fetch(
        &self,
        blocking: bool,
    ) -> Result<(Fetched<'_, R::Entry>, Option<Fetched<'_, R::Entry>>), Error> {
        let a = self.a.fetch(blocking).await?;
        let b = match &self.b {
            Some(b) => Some(b.fetch(blocking).await?),
            None => None,
        };
        Ok((a, b))
    }

    /// The results by way of the host. Where the CPU computes, or may, an async call is carried out by other threads.
    async fn on_host(&self, blocking: bool) -> Result<R, Error> {
        let (engine, options) = (self.engine, &self.options);
        let (a, b) = self.fetch(blocking).await?;
        let (a, b) = (a.view(), b.as_ref().map(Fetched::view));
        if blocking || !engine.in_background() {
            return R::compute(engine, Given { a, b }, &self.choices, options, blocking).await;
        }
        let choices = self.choices.clone();
        let call =
            move |engine: &Engine, a: View<'_, _>, b: Option<View<'_, _>>, options: &Options| {
                let computed = R::compute(engine, Given { a, b }, &choices, options, true);
                pollster::block_on(computed)
            };
        engine.background((a, b), options, call).await
    }
}

impl<R: ComputeInto> Call<'_, '_, R> {
    /// Computes the results, writes them to memory of the caller, and blocks until it is done. The places are a
    /// [`ViewMut`](crate::ViewMut) for each result, as a tuple if there are several: for
    /// [`Svd`](crate::Svd) (u, sigma, v). [`Placed`](crate::Placed) lists them.
    ///
    /// In strict mode, the results are written before the error is returned. What a result has beside matrices follows
    /// from the report: the dimensions of a [`Basis`](crate::Basis) from the ranks. Singular values beside least-squares
    /// solutions have no place: with them the call is an error.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, ViewMut};
    ///
    /// let a = Batch::from_fn(4, 5, 3, |b, i, j| ((1 + b + i * j) as f32).sqrt())?;
    /// let mut rows = vec![0.0f32; 4 * 3 * 5];
    /// let report = Engine::cpu().pinv(&a).run_into(ViewMut::row_major(&mut rows, 4, 3, 5)?)?;
    /// assert!(report.all_converged());
    ///
    /// let [mut u, mut sigma, mut v] = [(5, 3), (3, 1), (3, 3)].map(|(m, n)| Batch::zeros(4, m, n).unwrap());
    /// Engine::cpu().svd(&a).run_into((&mut u, &mut sigma, &mut v))?;
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`Error::Argument`] if a shape does not fit.
    pub fn run_into<'o>(self, places: impl IntoPlaces<R::Places<'o>>) -> Result<Report, Error> {
        self.engine.may_block()?;
        let places = places.into_places();
        pollster::block_on(self.into_places(places, true))
    }

    /// Does the same as [`run_into`](Self::run_into), and waits without blocking the executor.
    ///
    /// # Errors
    /// As [`run_into`](Self::run_into).
    pub async fn run_into_async<'o>(
        self,
        places: impl IntoPlaces<R::Places<'o>>,
    ) -> Result<Report, Error> {
        let places = places.into_places();
        self.into_places(places, false).await
    }

    async fn into_places(self, places: R::Places<'_>, blocking: bool) -> Result<Report, Error> {
        let shapes = self.check()?;
        R::check_places(&self.choices)?;
        R::fits(&places, &R::places(&self.choices, shapes))?;
        let call = self.settled(blocking).await?;
        let elsewhere = !blocking && call.engine.in_background();
        if elsewhere || matches!(call.a, Operand::Device(_)) {
            // The places are written in strict mode too.
            let options = call.options.clone();
            let found = call.strict(false).here(blocking).await?;
            return strict(found.write(places), &options);
        }
        let (a, b) = call.fetch(blocking).await?;
        let (a, b) = (a.view(), b.as_ref().map(Fetched::view));
        let (engine, given) = (call.engine, Given { a, b });
        R::compute_into(
            engine,
            given,
            &call.choices,
            places,
            &call.options,
            blocking,
        )
        .await
    }
}

impl<R: Compute + Recordable> Call<'_, '_, R> {
    /// Records the work into an encoder.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    pub(crate) async fn record(self, encoder: &mut CommandEncoder) -> Result<R::OnDevice, Error> {
        let shapes = self.check()?;
        if self.options.strict {
            let text =
                "nobody knows the status of what is recorded: read the report instead of strict";
            return Err(Error::argument(text));
        }
        if self.options.near_singular().is_some() {
            let text = "a damping near singular matrices cannot be recorded, because the host computes it: compute the \
                singular values first, and give the damping";
            return Err(Error::Unsupported(text.into()));
        }
        let on_device = |operand: &Operand<'_, R::Entry>| match operand {
            Operand::Device(batch) => Ok(batch.clone()),
            Operand::Host(_) => Err(Error::Unsupported(
                "matrices in the memory of the host are not recorded: upload them first".into(),
            )),
        };
        let (a, b) = (
            on_device(&self.a)?,
            self.b.as_ref().map(on_device).transpose()?,
        );
        let mut found = None;
        if let Some(finish) = R::whole_on_device(&self.choices, shapes) {
            let (engine, job) = (self.engine, R::job(&self.choices, shapes));
            let (encoder, options) = (Some(encoder), &self.options);
            let solved = engine.solve_on_device(&a, b.as_ref(), job, options, false, encoder);
            let solved = solved.await?;
            found = solved.map(|solved| finish(solved, &self.choices, shapes));
        }
        found.ok_or_else(|| {
            Error::Unsupported(format!(
                "{a:?} cannot be solved on {} without the host on the way, nor be recorded",
                self.engine
            ))
        })
    }
}
