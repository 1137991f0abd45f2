//! The engine: it is opened here and computes on the CPU or on a GPU.
//!
//! `road` computes a job on matrices in the memory of the host; there `policy` decides which device computes. `on_device`
//! computes a job on matrices on the device. `place` describes where results are written. `background` computes the async
//! calls of the CPU.

mod background;
pub(crate) mod device_batch;
mod on_cpu;
pub(crate) mod on_device;
pub(crate) mod place;
mod policy;
pub(crate) mod road;

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::data::device::{Adapter, GpuOptions, Policy};
use crate::data::error::Error;
use crate::data::parallel;
use crate::data::profile::{KernelProfile, clock_is_there};
use crate::data::report::Backend;
#[cfg(not(target_family = "wasm"))]
use crate::data::scalar::{Dtype, Precision};
use crate::data::tuning::Tuning;
use crate::gpu::lasting::Lasting;
#[cfg(not(target_family = "wasm"))]
use crate::host::peak::Peak;
use crate::planner::choice::Rates;

/// An engine computes on the CPU or on a GPU.
///
/// One engine can be used for any number of calls, from any thread. With the same explicit engine and the same
/// choices, the bits of the results of a matrix do not depend on the rest of the batch.
///
/// ```
/// use batched_svd::{Batch, Engine};
///
/// let engine = Engine::auto();
/// println!("computing on {engine}");
/// let a = Batch::from_fn(1000, 6, 7, |b, i, j| ((b * i + j) as f32).cos())?;
/// let svd = engine.svd(&a).run()?;
/// assert_eq!((svd.sigma.rows(), svd.report.outcomes.len()), (6, 1000));
/// # Ok::<(), batched_svd::Error>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    pub(crate) gpu: Option<Arc<Lasting>>,
    /// Which device computes a call, if there is a GPU.
    pub(crate) policy: Policy,
    /// The measured speeds of both devices, for policies that need them.
    rates: Arc<Mutex<Rates>>,
    cpu_name: Arc<str>,
    /// Why the CPU was chosen automatically.
    reason: Option<String>,
    pub(crate) tuning: Tuning,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({self})")
    }
}

/// The name of the device that computes.
impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.gpu {
            Some(gpu) => write!(f, "{}", gpu.adapter()),
            None => f.write_str(&self.cpu_name),
        }
    }
}

impl Engine {
    /// Returns the CPU engine. It uses all cores. A call from inside a rayon pool uses that pool.
    pub fn cpu() -> Self {
        Self::cpu_with(Tuning::default())
    }

    /// Returns the CPU engine with the given tuning.
    pub fn cpu_with(tuning: Tuning) -> Self {
        let threads = parallel::threads();
        let s = if threads == 1 { "" } else { "s" };
        Engine {
            gpu: None,
            policy: Policy::default(),
            rates: Arc::default(),
            cpu_name: format!("CPU, {threads} thread{s}").into(),
            reason: None,
            tuning,
        }
    }

    /// Opens the best engine of this machine: a real GPU if there is one, else the CPU. With a GPU, some calls still go
    /// to the CPU: calls that the GPU cannot do (f64 on some GPUs, a matrix larger than the buffers of the GPU) and
    /// calls that the CPU does faster ([`Policy::Fastest`]). The report names the device. A software adapter is never
    /// chosen. [`choice`](Self::choice) returns what was chosen and why.
    pub async fn auto_async() -> Self {
        let options = GpuOptions::default().policy(Policy::Fastest);
        match Lasting::open(&options, false).await {
            Ok(gpu) => Self::with_gpu(gpu, &options),
            Err(error) => Engine {
                reason: Some(error.to_string()),
                ..Self::cpu()
            },
        }
    }

    /// Opens a GPU engine. By default, a call that the GPU cannot do returns an error. With another
    /// [policy](GpuOptions::policy), such a call goes to the CPU. A software adapter is opened only if there is no
    /// other adapter or if the options name it.
    ///
    /// # Errors
    /// [`Error::Unsupported`], with what was looked for and what was found, if there is no suitable adapter;
    /// [`Error::Device`] if the adapter cannot be opened; [`Error::Argument`] for a [part](Policy::Share) that is not
    /// between 0 and 1.
    pub async fn gpu_async(options: &GpuOptions) -> Result<Self, Error> {
        options.check()?;
        Ok(Self::with_gpu(Lasting::open(options, true).await?, options))
    }

    /// An engine on an open GPU.
    pub(crate) fn with_gpu(gpu: Lasting, options: &GpuOptions) -> Self {
        Engine {
            gpu: Some(Arc::new(gpu)),
            policy: match options.policy {
                // On the web, which has no clock, the GPU takes all calls that it can do.
                Policy::Fastest | Policy::Share { .. } if !clock_is_there() => Policy::FallBack,
                policy => policy,
            },
            ..Self::cpu_with(options.tuning.clone())
        }
    }

    /// Lists the adapters that GPU engines can run on. The list is empty on a machine without a GPU driver and in a
    /// build without the feature `gpu`.
    pub async fn adapters_async() -> Vec<Adapter> {
        crate::gpu::adapters().await
    }

    /// Returns the time that each kernel of the GPU took in the calls since the last call of this method. The engine
    /// needs the option [`profile`](GpuOptions::profile). Without it, and on the CPU, the result is empty. Only calls
    /// that ended without an error are included.
    pub fn profile(&self) -> Vec<KernelProfile> {
        match &self.gpu {
            Some(gpu) => gpu.current().profile(),
            None => Vec::new(),
        }
    }

    /// Returns an error where a thread must not wait for a GPU.
    pub(crate) fn may_block(&self) -> Result<(), Error> {
        may_block(self.gpu.is_some())
    }

    /// Whether the CPU computes all calls or some of them.
    fn cpu_takes_calls(&self) -> bool {
        self.gpu.is_none() || self.falls_back()
    }

    /// Returns whether this is a CPU engine or a GPU engine.
    pub fn backend(&self) -> Backend {
        match self.gpu {
            Some(_) => Backend::Gpu,
            None => Backend::Cpu,
        }
    }

    /// Returns which device was chosen. If the CPU was chosen automatically, it also returns the reason.
    pub fn choice(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{self} ({reason})"),
            None => self.to_string(),
        }
    }

    /// Whether calls run on a software adapter. Its results are correct, but it is slower than the CPU engine.
    pub fn is_software(&self) -> bool {
        self.gpu.as_ref().is_some_and(|gpu| gpu.adapter().software)
    }
}

/// Returns an error where a thread would have to wait for a GPU, but must not.
fn may_block(for_gpu: bool) -> Result<(), Error> {
    match cfg!(target_family = "wasm") && for_gpu {
        false => Ok(()),
        true => Err(Error::Unsupported(
            "on the web a thread must not wait for a GPU: await the call".into(),
        )),
    }
}

/// The blocking versions of these calls. They do not exist on the web, where a thread must not block.
#[cfg(not(target_family = "wasm"))]
impl Engine {
    /// Does the same as [`auto_async`](Self::auto_async), and blocks until it is done.
    pub fn auto() -> Self {
        pollster::block_on(Self::auto_async())
    }

    /// Does the same as [`gpu_async`](Self::gpu_async), and blocks until it is done.
    ///
    /// # Errors
    /// As [`gpu_async`](Self::gpu_async).
    pub fn gpu(options: &GpuOptions) -> Result<Self, Error> {
        pollster::block_on(Self::gpu_async(options))
    }

    /// Does the same as [`adapters_async`](Self::adapters_async), and blocks until it is done.
    pub fn adapters() -> Vec<Adapter> {
        pollster::block_on(Self::adapters_async())
    }

    /// Measures the highest speed of the device of this engine in one type: multiply-adds and copies. This takes less
    /// than a second. Other calls on the same device at the same time make the figures wrong. For a complex type the
    /// result is that of its parts.
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
    /// [`Error::Memory`] if the copies do not fit into memory; [`Error::Unsupported`] or [`Error::Device`] from a GPU.
    pub fn peak(&self, dtype: Dtype) -> Result<Peak, Error> {
        if let Some(gpu) = &self.gpu {
            return pollster::block_on(gpu.get())?.peak(dtype.real());
        }
        match dtype.precision() {
            Precision::Single => crate::cpu::peak::measure::<f32>(),
            Precision::Double => crate::cpu::peak::measure::<f64>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::batch::Batch;

    /// The async calls can be spawned on executors of several threads.
    #[test]
    fn futures_can_be_sent() {
        fn sent<F: Send>(_: F) {}
        let engine = Engine::cpu();
        let a = Batch::<f32>::zeros(1, 2, 2).unwrap();
        sent(Engine::auto_async());
        sent(Engine::gpu_async(&GpuOptions::default()));
        sent(engine.svd(&a).run_async());
        sent(engine.pinv(&a).run_async());
        sent(engine.lstsq(&a, &a).run_async());
        sent(engine.polar(&a).run_on_device_async());
        fn shared<T: Send + Sync>() {}
        shared::<Engine>();
    }
}
