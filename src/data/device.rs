//! GPUs as plain values: which there are, and how one is to be used.

use std::fmt;
use std::path::PathBuf;

use crate::data::error::Error;
use crate::data::tuning::Tuning;

/// An adapter that a GPU engine could run on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adapter {
    /// The adapter's name.
    pub name: String,
    /// The driver's name and version.
    pub driver: String,
    /// The interface: `vulkan`, `metal`, `dx12`, `webgpu`.
    pub api: String,
    /// Whether it is a processor in disguise. Never chosen automatically.
    pub software: bool,
    /// Whether its shaders compute in f64.
    pub has_f64: bool,
    /// The fewest and the most lanes of a subgroup; zero where it does not tell.
    pub subgroup: [u32; 2],
    /// The most bytes of workgroup memory.
    pub workgroup_storage: u32,
    /// The most invocations in a workgroup.
    pub workgroup_invocations: u32,
    /// The most bytes that a kernel can see of one buffer, and that a buffer can have.
    pub binding: u64,
    /// See `binding`.
    pub buffer: u64,
    /// Whether it tells how long it is at work.
    pub has_timestamps: bool,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.software { "software" } else { "" };
        let facts = [self.api.as_str(), &self.driver, kind];
        let facts: Vec<&str> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
        write!(f, "{} ({})", self.name, facts.join(", "))
    }
}

/// Who does the calls of an engine that has a GPU.
///
/// Matrices on the device ([`DeviceBatch`](crate::DeviceBatch)) are computed there, whatever the policy, if the device can
/// compute the whole result.
///
/// The CPU and a GPU round differently, so the device that does a matrix decides the last bits of its results. The
/// report says which device it was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Policy {
    /// The GPU does every call. A call that it cannot do is [`Error::Unsupported`](crate::Error::Unsupported), and a
    /// device that fails is [`Error::Device`](crate::Error::Device).
    #[default]
    GpuOnly,
    /// The CPU does the calls that the GPU cannot do. If the device fails during a call, the CPU does the rest: the
    /// matrices that are complete by then keep the GPU's results, and the report says what failed
    /// ([`Report::device_error`](crate::Report::device_error)).
    FallBack,
    /// As [`FallBack`](Self::FallBack), and each call goes to the device that finishes it first. This is measured: a
    /// problem (type, shape and wanted results) stays with the CPU until it has kept the CPU busy for about as long as
    /// the GPU takes to compile its shaders; from then on the faster device does each call. Eigenvalues of
    /// symmetric matrices up to 32x32 are always the CPU's. On the web, which has no clock, this is
    /// [`FallBack`](Self::FallBack).
    Fastest,
    /// As [`Fastest`](Self::Fastest), and both devices share a large call, each at work on its part of the batch at the
    /// same time. The first matrices are the GPU's ([`Report::shared`](crate::Report::shared)). On the web this is
    /// [`FallBack`](Self::FallBack).
    Share {
        /// The part of the matrices that the GPU does, from 0 to 1. Without it both devices take equally long by what
        /// was measured, and results repeat bit for bit neither across machines nor from call to call.
        gpu_part: Option<f64>,
    },
}

/// Which GPU to take, and how to use it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GpuOptions {
    /// A part of the name of the adapter or of its driver, in any case. Without a name the first adapter of this order is
    /// taken: discrete, integrated and virtual GPUs, then software adapters.
    pub adapter: Option<String>,
    /// Whether the engine keeps to WebGPU's default limits, as in a browser.
    pub default_limits: bool,
    /// Who does the calls: this GPU, or the CPU too.
    pub policy: Policy,
    /// Whether the report says how long the device worked on a call. The adapter needs timestamps.
    pub timestamps: bool,
    /// Whether [`Engine::profile`](crate::Engine::profile) says how long each kernel works and how long it takes to
    /// compile. Every dispatch then gets a pass of its own, which makes calls slower.
    pub profile: bool,
    /// Whether shaders check every index and every loop, as in a browser. Checked shaders are slower; the unchecked ones
    /// are argued for in the source, and tests run both.
    pub checked_shaders: bool,
    /// A folder that keeps the shaders that the driver has compiled, so that the next process does not compile them again.
    /// It is created if it does not exist. Only Vulkan uses it. The driver trusts what it finds there, so nobody whom you
    /// do not trust should be able to write to it.
    pub pipeline_cache: Option<PathBuf>,
    /// The planner's thresholds.
    pub tuning: Tuning,
    /// Failures of the device, for tests.
    #[cfg(all(feature = "gpu", feature = "faults"))]
    #[doc(hidden)]
    pub faults: crate::data::faults::Faults,
}

impl GpuOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.policy {
            Policy::Share {
                gpu_part: Some(part),
            } if !(0.0..=1.0).contains(&part) => Err(Error::argument(format!(
                "the GPU's part of a call is {part}, but it lies between 0 and 1"
            ))),
            _ => Ok(()),
        }
    }

    /// Takes the adapter whose name or driver contains `name`.
    pub fn adapter(mut self, name: impl Into<String>) -> Self {
        self.adapter = Some(name.into());
        self
    }

    /// Asks for no more than WebGPU's default limits.
    pub fn default_limits(mut self, yes: bool) -> Self {
        self.default_limits = yes;
        self
    }

    /// Sets who does the calls.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Measures how long the device is at work on a call.
    pub fn timestamps(mut self, yes: bool) -> Self {
        self.timestamps = yes;
        self
    }

    /// Measures how long each kernel is at work.
    pub fn profile(mut self, yes: bool) -> Self {
        self.profile = yes;
        self
    }

    /// Compiles shaders with checks.
    pub fn checked_shaders(mut self, yes: bool) -> Self {
        self.checked_shaders = yes;
        self
    }

    /// Keeps compiled shaders in a folder.
    pub fn pipeline_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.pipeline_cache = Some(folder.into());
        self
    }

    /// Sets the planner's thresholds.
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }
}
