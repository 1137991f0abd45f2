//! Calls on matrices in the memory where the engine computes. Their results stay there.

use std::sync::Arc;

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::scalar::Scalar;
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::device_batch::{DeviceBatch, DeviceReport, Memory, Pending};
use crate::gpu::resident::{Given, Results};
use crate::gpu::{CommandEncoder, Gpu};
use crate::host;
use crate::host::call::Task;
use crate::planner::{Job, NO_F64};

/// The results of a job on the device.
pub struct Solved {
    pub(crate) gpu: Arc<Gpu>,
    /// If true, U is the caller's V and V is the caller's U.
    pub(crate) transposed: bool,
    pub(crate) results: Results,
    pub(crate) report: DeviceReport,
}

impl Solved {
    /// The composed result of the job, with the given shape.
    pub(crate) fn composed<T: Scalar>(self, shape: [usize; 3]) -> (DeviceBatch<T>, DeviceReport) {
        let batch = DeviceBatch::on(&self.gpu, self.results.composed, shape);
        (batch, self.report)
    }
}

impl Engine {
    /// Copies m x n matrices to the memory where this engine computes.
    ///
    /// # Errors
    /// [`Error::Memory`] or [`Error::Unsupported`] if they do not fit, [`Error::Unsupported`] for double precision on a GPU without
    /// f64, [`Error::Device`] if the device fails.
    pub async fn upload_async<'a, T: Scalar>(
        &self,
        a: impl Into<View<'a, T>>,
    ) -> Result<DeviceBatch<T>, Error> {
        self.upload_inner(a.into(), false).await
    }

    /// Does the same as [`upload_async`](Self::upload_async), and blocks until it is done.
    ///
    /// # Errors
    /// As [`upload_async`](Self::upload_async).
    pub fn upload<'a, T: Scalar>(
        &self,
        a: impl Into<View<'a, T>>,
    ) -> Result<DeviceBatch<T>, Error> {
        self.may_block()?;
        pollster::block_on(self.upload_inner(a.into(), true))
    }

    /// Computes the products A B, m x n, of m x l and l x n matrices on the device. If one of the batches has only one
    /// matrix, it is multiplied with each matrix of the other batch. The l terms of a sum are added in blocks of about
    /// sqrt(l). The host computes large products, with more than [`submit_flops`](crate::Tuning::submit_flops)
    /// operations each.
    ///
    /// # Errors
    /// [`Error::Argument`] if shapes do not fit or if the matrices are on another device, [`Error::Unsupported`] or
    /// [`Error::Memory`] if the results do not fit, [`Error::Device`] if the device fails.
    pub async fn product_async<T: Scalar>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
    ) -> Result<DeviceBatch<T>, Error> {
        self.product_inner(a, b, false).await
    }

    /// Does the same as [`product_async`](Self::product_async), and blocks until it is done.
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
    pub fn product<T: Scalar>(
        &self,
        a: &DeviceBatch<T>,
        b: &DeviceBatch<T>,
    ) -> Result<DeviceBatch<T>, Error> {
        self.may_block()?;
        pollster::block_on(self.product_inner(a, b, true))
    }

    /// Waits until the device has done all work that was submitted to it.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn finish_async(&self) -> Result<(), Error> {
        self.finish_inner(false).await
    }

    /// Does the same as [`finish_async`](Self::finish_async), and blocks until it is done.
    ///
    /// # Errors
    /// As [`finish_async`](Self::finish_async).
    pub fn finish(&self) -> Result<(), Error> {
        self.may_block()?;
        pollster::block_on(self.finish_inner(true))
    }

    pub(crate) async fn upload_inner<T: Scalar>(
        &self,
        a: View<'_, T>,
        blocking: bool,
    ) -> Result<DeviceBatch<T>, Error> {
        if let Some(gpu) = &self.gpu {
            let gpu = match gpu.get().await {
                Ok(gpu) => gpu,
                Err(_) if self.falls_back() => return Ok(DeviceBatch::host(a.to_batch()?)),
                Err(error) => return Err(error),
            };
            let shape = [a.count(), a.rows(), a.cols()];
            let here = gpu.has(T::DTYPE) || !self.falls_back();
            // No GPU has empty buffers: a batch without entries stays on the host.
            if here && !shape.contains(&0) {
                if !gpu.has(T::DTYPE) {
                    let text = format!("{}: {NO_F64}", gpu.name());
                    return Err(Error::Unsupported(text));
                }
                match gpu.upload(&a, blocking).await {
                    Ok((buffer, transposed)) => {
                        let batch = DeviceBatch::on(&gpu, buffer, shape);
                        return Ok(DeviceBatch {
                            transposed,
                            ..batch
                        });
                    }
                    // More than a buffer holds.
                    Err(Error::Unsupported(_)) if self.falls_back() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(DeviceBatch::host(a.to_batch()?))
    }

    async fn finish_inner(&self, blocking: bool) -> Result<(), Error> {
        if let Some(gpu) = &self.gpu {
            return gpu.current().finish(blocking).await;
        }
        Ok(())
    }

    async fn product_inner<T: Scalar>(
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
        let [left, right] = [left.view(), right.view()];
        let multiplied = move |left: View<'_, T>, right: View<'_, T>| {
            let mut product = Batch::zeros(count, left.rows(), right.cols())?;
            host::product::product(left, right, &mut product);
            Ok(product)
        };
        let product = if !blocking && self.in_background() {
            let factors = (left, Some(right));
            let call =
                move |_: &Engine, left: View<'_, T>, right: Option<View<'_, T>>, _: &Options| {
                    multiplied(left, right.unwrap_or(left))
                };
            self.background(factors, &Options::default(), call).await?
        } else {
            multiplied(left, right)?
        };
        let on_gpu = a.buffer().is_some() || b.buffer().is_some();
        self.keep(product, on_gpu, blocking).await
    }

    /// Checks that a batch is in the memory of the device of this engine, or in the memory of the host.
    pub(crate) fn check_home<T: Scalar>(&self, a: &DeviceBatch<T>) -> Result<(), Error> {
        match &a.memory {
            Memory::Host(_) => Ok(()),
            Memory::Gpu(gpu, _) => match &self.gpu {
                Some(own) if Arc::ptr_eq(&own.current(), gpu) => Ok(()),
                _ if gpu.is_lost() => Err(Error::Device(format!(
                    "{a:?} was lost with its device, {}",
                    gpu.name()
                ))),
                _ => Err(Error::argument(format!(
                    "{a:?} lies in the memory of another engine, on {}",
                    gpu.name()
                ))),
            },
        }
    }

    /// Moves a result to the memory of the matrices from which it was computed.
    pub(crate) async fn keep<T: Scalar>(
        &self,
        result: Batch<T>,
        on_gpu: bool,
        blocking: bool,
    ) -> Result<DeviceBatch<T>, Error> {
        match on_gpu {
            false => Ok(DeviceBatch::host(result)),
            true => self.upload_inner(result.view(), blocking).await,
        }
    }

    /// Computes a job on the device, or records it into the given encoder. Returns `None` if the matrices are not on a
    /// GPU or if the results cannot be left there.
    pub(crate) async fn solve_on_device<T: Scalar>(
        &self,
        a: &DeviceBatch<T>,
        rhs: Option<&DeviceBatch<T>>,
        job: Job,
        options: &Options,
        blocking: bool,
        encoder: Option<&mut CommandEncoder>,
    ) -> Result<Option<Solved>, Error> {
        let Memory::Gpu(gpu, input) = &a.memory else {
            return Ok(None);
        };
        let rhs = match rhs.map(|rhs| (rhs.buffer(), rhs.steps())) {
            None => None,
            Some((Some(buffer), steps)) => Some((buffer, steps)),
            Some((None, _)) => return Ok(None),
        };
        let task = Task::new::<T>([a.rows(), a.cols()], job, options)?;
        let records = encoder.is_some();
        let recipe = match gpu.plan(&task.problem, &task.convergence) {
            Err(error) if records => return Err(error),
            // Between sweeps in global memory the host is asked.
            Ok(recipe) if records && recipe.asks_between_sweeps() => return Ok(None),
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
            .await;
        let results = match results {
            // A result is larger than a buffer: through the host, the call is made in parts.
            Err(Error::Unsupported(_)) if !records => return Ok(None),
            results => results?,
        };
        let report = DeviceReport(Pending::There {
            gpu: Arc::clone(gpu),
            state: results.state.clone(),
            state_words: results.state_words,
            count: a.count,
            problem: task.problem,
            kernel: recipe.kernel(),
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
