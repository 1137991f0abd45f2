//! Batches in the memory of the device that computes, and reports of calls that leave their results there.

use std::fmt;
use std::sync::Arc;

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::report::{Backend, Report};
use crate::data::scalar::Scalar;
use crate::data::view::View;
use crate::engine::{may_block, road::strict};
use crate::gpu::{Buffer, Gpu};
use crate::planner::{Problem, executed};

/// `count` matrices of m x n in the memory where an [`Engine`](crate::Engine) computes. For a GPU engine this is
/// the memory of the GPU, for a CPU engine the memory of the host. [`Engine::upload`](crate::Engine::upload) copies
/// matrices there, and [`Call::run_on_device`](crate::Call::run_on_device) leaves results there.
///
/// Clones and transposes share the entries. The entries never change.
///
/// ```
/// use batched_svd::{Batch, Engine};
///
/// let engine = Engine::auto();
/// let a = Batch::from_fn(1000, 6, 7, |b, i, j| ((b * i + j) as f32).cos())?;
/// let b = Batch::from_fn(1000, 6, 1, |b, i, _| (b + i) as f32)?;
///
/// // The least-squares solutions x = A^+ b, and A x beside b: x never leaves the device.
/// let (a, b) = (engine.upload(&a)?, engine.upload(&b)?);
/// let x = engine.lstsq(&a, &b).run_on_device()?.solution;
/// let reached = engine.product(&a, &x)?.download()?;
/// assert_eq!((reached.count(), reached.rows(), reached.cols()), (1000, 6, 1));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub struct DeviceBatch<T: Scalar> {
    pub(super) count: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// If true, the memory holds the transposes, column by column.
    pub(super) transposed: bool,
    pub(super) memory: Memory<T>,
}

pub(super) enum Memory<T> {
    Host(Arc<Batch<T>>),
    Gpu(Arc<Gpu>, Buffer),
}

/// Matrices on the host.
pub(crate) enum Fetched<'a, T: Scalar> {
    /// They were there.
    Seen(View<'a, T>),
    /// They are those of a device batch, or their transposes.
    Lies {
        batch: Arc<Batch<T>>,
        transposed: bool,
    },
}

impl<T: Scalar> Fetched<'_, T> {
    pub fn view(&self) -> View<'_, T> {
        match self {
            Fetched::Seen(view) => *view,
            Fetched::Lies { batch, transposed } => match transposed {
                false => batch.view(),
                true => batch.view().transpose(),
            },
        }
    }
}

// Derived, it would ask for T: Clone.
impl<T> Clone for Memory<T> {
    fn clone(&self) -> Self {
        match self {
            Memory::Host(batch) => Memory::Host(Arc::clone(batch)),
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

/// The report of a call whose results are on the device. It stays there too, until it is read.
#[derive(Clone)]
pub struct DeviceReport(pub(super) Pending);

#[derive(Clone)]
pub(super) enum Pending {
    Here(Arc<Report>),
    There {
        gpu: Arc<Gpu>,
        state: Buffer,
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
    /// A report that is already on the host.
    pub(crate) fn here(report: Report) -> Self {
        DeviceReport(Pending::Here(Arc::new(report)))
    }

    /// Waits until the call is done, and returns its report.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails, [`Error::Memory`] if the report does not fit into memory.
    pub async fn get_async(&self) -> Result<Report, Error> {
        self.get_inner(false).await
    }

    /// Does the same as [`get_async`](Self::get_async), and blocks until it is done.
    ///
    /// # Errors
    /// As [`get_async`](Self::get_async).
    pub fn get(&self) -> Result<Report, Error> {
        may_block(matches!(self.0, Pending::There { .. }))?;
        pollster::block_on(self.get_inner(true))
    }

    /// In strict mode, waits for the report and returns an error if a matrix did not converge.
    pub(crate) async fn strict(&self, options: &Options, blocking: bool) -> Result<(), Error> {
        match options.strict {
            true => strict(self.get_inner(blocking).await?, options).map(|_| ()),
            false => Ok(()),
        }
    }

    pub(crate) async fn get_inner(&self, blocking: bool) -> Result<Report, Error> {
        match &self.0 {
            Pending::Here(report) => Ok(Report::clone(report)),
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
                    device: gpu.name().into(),
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

    /// (count, rows, columns).
    pub(crate) fn shape(&self) -> [usize; 3] {
        [self.count, self.rows, self.cols]
    }

    /// Returns the transposes, n x m, without a copy.
    pub fn transpose(&self) -> Self {
        DeviceBatch {
            rows: self.cols,
            cols: self.rows,
            transposed: !self.transposed,
            ..self.clone()
        }
    }

    /// The buffer that holds the matrices, if they are on a GPU.
    pub(crate) fn buffer(&self) -> Option<&Buffer> {
        match &self.memory {
            Memory::Host(_) => None,
            Memory::Gpu(_, buffer) => Some(buffer),
        }
    }

    /// The distance in entries from a row to the next, and from a column to the next.
    pub(crate) fn steps(&self) -> [usize; 2] {
        match self.transposed {
            false => [1, self.rows],
            true => [self.cols, 1],
        }
    }
}

impl<T: Scalar> DeviceBatch<T> {
    /// Waits until the matrices are computed, and copies them to the host.
    ///
    /// # Errors
    /// [`Error::Memory`] if they do not fit into memory, [`Error::Device`] if the device fails.
    pub async fn download_async(&self) -> Result<Batch<T>, Error> {
        self.download_inner(false).await
    }

    /// Does the same as [`download_async`](Self::download_async), and blocks until it is done.
    ///
    /// # Errors
    /// As [`download_async`](Self::download_async).
    pub fn download(&self) -> Result<Batch<T>, Error> {
        may_block(self.buffer().is_some())?;
        pollster::block_on(self.download_inner(true))
    }

    pub(crate) async fn download_inner(&self, blocking: bool) -> Result<Batch<T>, Error> {
        match self.fetch(blocking).await? {
            Fetched::Lies {
                batch,
                transposed: false,
            } => Ok(Arc::unwrap_or_clone(batch)),
            fetched => fetched.view().to_batch(),
        }
    }

    /// The matrices on the host, copied there if necessary.
    pub(crate) async fn fetch(&self, blocking: bool) -> Result<Fetched<'static, T>, Error> {
        let transposed = self.transposed;
        let batch = match &self.memory {
            Memory::Host(batch) => Arc::clone(batch),
            Memory::Gpu(gpu, buffer) => {
                let (rows, cols) = match transposed {
                    false => (self.rows, self.cols),
                    true => (self.cols, self.rows),
                };
                let mut batch = Batch::zeros(self.count, rows, cols)?;
                gpu.download(buffer, batch.as_mut_slice(), blocking).await?;
                Arc::new(batch)
            }
        };
        Ok(Fetched::Lies { batch, transposed })
    }

    pub(crate) fn host(batch: Batch<T>) -> Self {
        DeviceBatch {
            count: batch.count(),
            rows: batch.rows(),
            cols: batch.cols(),
            transposed: false,
            memory: Memory::Host(Arc::new(batch)),
        }
    }

    /// A batch in a buffer of a GPU, column by column.
    pub(crate) fn on(gpu: &Arc<Gpu>, buffer: Buffer, [count, rows, cols]: [usize; 3]) -> Self {
        DeviceBatch {
            count,
            rows,
            cols,
            transposed: false,
            memory: Memory::Gpu(Arc::clone(gpu), buffer),
        }
    }
}
