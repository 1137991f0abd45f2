//! Engines on a wgpu device of the caller, and the buffers of batches. They are for programs that compute or draw
//! with the same device. This is the only module with types of [`wgpu`] in its API.
//!
//! ```no_run
//! use batched_svd::interop::{self, wgpu};
//! use batched_svd::GpuOptions;
//!
//! # async fn example(
//! #     adapter: wgpu::Adapter,
//! #     device: wgpu::Device,
//! #     queue: wgpu::Queue,
//! #     jacobians: wgpu::Buffer,
//! #     mut encoder: wgpu::CommandEncoder,
//! # ) -> Result<(), batched_svd::Error> {
//! // The device, with SUBGROUP and SHADER_F64 among its features where the adapter has them.
//! let engine = interop::engine(&adapter, &device, &queue, &GpuOptions::default()).await?;
//!
//! // 1000 matrices of 6x7 in f32 that another kernel has written, column by column.
//! let a = interop::batch::<f32>(&engine, jacobians, [1000, 6, 7])?;
//!
//! // The pseudoinverses as a part of the caller's own commands, and the buffer that they will be in.
//! let pinv = interop::record(engine.pinv(&a), &mut encoder).await?;
//! let (inverses, _) = interop::buffer(&pinv.inverse).expect("it is on the GPU");
//! # let _ = inverses;
//! queue.submit([encoder.finish()]);
//! # Ok(())
//! # }
//! ```

pub use wgpu;

use crate::data::device::GpuOptions;
use crate::data::error::{Error, product};
use crate::data::scalar::Scalar;
use crate::engine::Engine;
use crate::engine::device_batch::DeviceBatch;
use crate::gpu::lasting::Lasting;
use crate::gpu::{Buffer, Gpu};
use crate::ops::operation::Compute;
use crate::ops::{Call, Recordable};

/// An engine on a device that the caller has opened on `adapter`. It submits to `queue`, and replaces none
/// of the device's handlers.
///
/// Of the options `adapter` and `default_limits` have no say: the device is what it is. Its features decide
/// what is possible: `SHADER_F64` for f64, `SUBGROUP` for speed, `TIMESTAMP_QUERY` for
/// [`timestamps`](GpuOptions::timestamps), `PIPELINE_CACHE` for
/// [`pipeline_cache`](GpuOptions::pipeline_cache). Up to 512 MiB of the memory of batches that are gone is kept for later
/// ones, until the engine is dropped.
///
/// # Errors
/// [`Error::Device`] if the device fails; [`Error::Argument`] for a
/// [part](crate::Policy::Share) that is not between 0 and 1.
pub async fn engine(
    adapter: &wgpu::Adapter,
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    options: &GpuOptions,
) -> Result<Engine, Error> {
    options.check()?;
    let gpu = Gpu::on(adapter, device.clone(), queue.clone(), options).await?;
    Ok(Engine::with_gpu(Lasting::borrowed(gpu), options))
}

/// `count` matrices of m x n that lie in a buffer of the engine's device from its begin on, contiguous,
/// each column by column; those that lie row by row are the [transposes](DeviceBatch::transpose) of
/// `[count, n, m]`.
///
/// The entries are read when a call is carried out: a caller who writes to the buffer does so before
/// (submitted to the same queue, or recorded into the same encoder) or after.
///
/// # Errors
/// [`Error::Argument`] for an engine without a GPU, a shape without entries, a buffer that is too small,
/// or one without the usages `STORAGE` and `COPY_SRC`.
pub fn batch<T: Scalar>(
    engine: &Engine,
    buffer: wgpu::Buffer,
    [count, m, n]: [usize; 3],
) -> Result<DeviceBatch<T>, Error> {
    let Some(gpu) = &engine.gpu else {
        return Err(Error::argument(format!("{engine} has no buffers")));
    };
    let bytes = product(&[count, m, n], size_of::<T>())? * size_of::<T>();
    if bytes == 0 || bytes as u64 > buffer.size() {
        return Err(Error::argument(format!(
            "{count} matrices of {m}x{n} take {bytes} bytes, but the buffer has {}",
            buffer.size()
        )));
    }
    let usages = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    if !buffer.usage().contains(usages) {
        return Err(Error::argument(format!(
            "the buffer has the usages {:?}, but needs {usages:?}",
            buffer.usage()
        )));
    }
    let buffer = Buffer::new(buffer);
    Ok(DeviceBatch::on(&gpu.current(), buffer, [count, m, n]))
}

/// Returns the buffer that holds a batch, and the number of entries from a matrix to the next, from a row to the
/// next and from a column to the next. Returns `None` if the batch is in the memory of the host.
///
/// A batch must not change: writing to its buffer also changes its clones and transposes.
pub fn buffer<T: Scalar>(batch: &DeviceBatch<T>) -> Option<(&wgpu::Buffer, [usize; 3])> {
    let [row, col] = batch.steps();
    let matrix = batch.rows() * batch.cols();
    batch
        .buffer()
        .map(|buffer| (buffer.lend(), [matrix, row, col]))
}

/// Records a call on matrices on the device into the caller's encoder. Nothing is submitted: the results and the report
/// exist once the caller has submitted the encoder. The operations are those that are [`Recordable`], because their work
/// needs no decision of the host.
///
/// Progress is told while the work is recorded.
///
/// # Errors
/// As [`Call::run_on_device`], [`Error::Argument`] in strict mode, because the report is not known yet, and [`Error::Unsupported`] if the host has to take part: for large matrices (kernels
/// `jacobi-blocks` and `jacobi-rounds`), for matrices whose data [`Call::run_on_device`] moves through the memory of the
/// host, for an earlier V, for refined solutions and for singular values beside solutions, for batches that need
/// thousands of dispatches, and for batches in the memory of the host. Commands that were recorded before an error stay
/// in the encoder and do no harm.
pub async fn record<R: Compute + Recordable>(
    call: Call<'_, '_, R>,
    encoder: &mut wgpu::CommandEncoder,
) -> Result<R::OnDevice, Error> {
    call.record(encoder).await
}
