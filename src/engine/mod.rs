//! The engine: opened here, it computes on the CPU or on a GPU.
//!
//! A call on matrices in the host's memory takes the `road`, where its `policy` says who does it; one on matrices on the
//! device is in `on_device`. `place` is where results go, `background` where async calls of the CPU are computed.

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
use crate::data::scalar::Dtype;
use crate::data::tuning::Tuning;
use crate::gpu::lasting::Lasting;
#[cfg(not(target_family = "wasm"))]
use crate::host::peak::Peak;
use crate::planner::choice::Rates;

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
    pub(crate) gpu: Option<Arc<Lasting>>,
    /// Who does the calls, where there is a GPU.
    pub(crate) policy: Policy,
    /// What was measured of both, where that decides.
    rates: Arc<Mutex<Rates>>,
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
        match &self.gpu {
            Some(gpu) => write!(f, "{}", gpu.adapter()),
            None => f.write_str(&self.cpu_name),
        }
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
            gpu: None,
            policy: Policy::default(),
            rates: Arc::default(),
            cpu_name: format!("CPU, {threads} thread{s}"),
            reason: None,
            tuning,
        }
    }

    /// The best engine of this machine: a real GPU if there is one, else the CPU. What the GPU
    /// cannot do (f64 on some, a matrix larger than its buffers) and what the CPU does sooner
    /// ([`Policy::Fastest`]) goes to the CPU, and the report says so. A software
    /// adapter is never chosen. [`choice`](Self::choice) says what and why.
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

    /// A GPU: calls that it cannot do are errors, or the CPU's by
    /// another [policy](GpuOptions::policy). A software adapter is taken
    /// where there is no other, or where its name is asked for.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with what was looked for and what was found;
    /// [`Error::Device`] if the adapter refuses to open; [`Error::Argument`] for a
    /// [part](Policy::Share) that is not between 0 and 1.
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

    /// The adapters that GPU engines could run on; empty on a machine, or in a build, without.
    pub async fn adapters_async() -> Vec<Adapter> {
        crate::gpu::adapters().await
    }

    /// What each kernel of the GPU took in the calls since the last look, where that was
    /// [asked for](GpuOptions::profile); nothing where it was not, and on the CPU. Seconds are of calls that
    /// have ended well.
    pub fn profile(&self) -> Vec<KernelProfile> {
        match &self.gpu {
            Some(gpu) => gpu.current().profile(),
            None => Vec::new(),
        }
    }

    /// Whether the CPU computes, or may.
    fn cpu_takes_calls(&self) -> bool {
        self.gpu.is_none() || self.falls_back()
    }

    /// Which engine computes.
    pub fn backend(&self) -> Backend {
        match self.gpu {
            Some(_) => Backend::Gpu,
            None => Backend::Cpu,
        }
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
        self.gpu.as_ref().is_some_and(|gpu| gpu.adapter().software)
    }
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
        if let Some(gpu) = &self.gpu {
            return pollster::block_on(gpu.get())?.peak(dtype);
        }
        match dtype {
            Dtype::F32 => crate::cpu::peak::measure::<f32>(),
            Dtype::F64 => crate::cpu::peak::measure::<f64>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::batch::Batch;
    use crate::data::options::{Options, Vectors};

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
