//! GPUs as plain values: which there are, and how one is to be used.

use std::fmt;
use std::path::PathBuf;

use crate::planner::Tuning;

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

/// Which GPU to take, and how to use it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GpuOptions {
    /// A part of the adapter's or driver's name, in any case. Without one: the first of the
    /// discrete, integrated and virtual GPUs and the software adapters, in this order.
    pub adapter: Option<String>,
    /// Asks for no more than WebGPU's default limits, as a browser would.
    pub default_limits: bool,
    /// Whether the CPU takes the calls that this GPU cannot do, and the rest of one in which the device fails,
    /// whose matrices that are complete by then stay as they are; the report says who did a call, and what
    /// failed ([`Report::device_error`](crate::Report::device_error)). Otherwise they are
    /// [`Error::Unsupported`] and [`Error::Device`].
    pub cpu_fallback: bool,
    /// Whether the CPU also takes the calls that it does sooner, as in an engine that was chosen
    /// automatically. What is sooner is measured: a problem (type, shape, what is asked for) is the
    /// CPU's until it has kept it busy for about as long as the GPU takes to compile its shaders, and
    /// from then on whoever is sooner does each call. Which of the two did it decides the last bits.
    pub automatic: bool,
    /// Whether GPU and CPU share large calls, each at work on its part of the batch at the same time: the
    /// first matrices are the GPU's, so many that both take equally long by rates that are measured as for
    /// [`automatic`](Self::automatic), which this includes. Who did a matrix decides its last bits, so results
    /// repeat bit for bit neither across machines nor from call to call; the report tells
    /// ([`Report::shared`](crate::Report::shared)). Not on the web.
    pub shared: bool,
    /// The part of a shared call's matrices that the GPU does, from 0 to 1, in place of what was measured: then
    /// results repeat.
    pub gpu_part: Option<f64>,
    /// Measures how long the device is at work on a call, for the report, where the adapter has
    /// timestamps.
    pub timestamps: bool,
    /// Measures how long each kernel is at work and how long it takes to compile, for
    /// [`Engine::profile`](crate::Engine::profile): every dispatch gets a pass of its own, which makes calls slower.
    pub profile: bool,
    /// Compiles shaders with checks of every index and loop, as a browser would: slower, and for
    /// those who doubt the proof that none is needed.
    pub checked_shaders: bool,
    /// A folder in which the driver's compiled shaders are kept, so that the next process need not
    /// compile them: made if it is not there, and left empty where the interface has no such thing (all
    /// but Vulkan). The driver believes what it finds there: let nobody write to it whom you do not
    /// trust.
    pub pipeline_cache: Option<PathBuf>,
    /// The planner's thresholds.
    pub tuning: Tuning,
    /// What goes wrong with the device, for tests.
    #[cfg(all(feature = "gpu", feature = "faults"))]
    #[doc(hidden)]
    pub faults: crate::gpu::faults::Faults,
}

impl GpuOptions {
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

    /// Lets the CPU take the calls that this GPU cannot do.
    pub fn cpu_fallback(mut self, yes: bool) -> Self {
        self.cpu_fallback = yes;
        self
    }

    /// Lets the CPU take the calls that it does sooner.
    pub fn automatic(mut self, yes: bool) -> Self {
        self.automatic = yes;
        self
    }

    /// Lets GPU and CPU share large calls.
    pub fn shared(mut self, yes: bool) -> Self {
        self.shared = yes;
        self
    }

    /// Sets the GPU's part of shared calls.
    pub fn gpu_part(mut self, part: f64) -> Self {
        self.gpu_part = Some(part);
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

