//! The GPU engine: one-sided Jacobi in WGSL, through wgpu.
//!
//! - The device: `adapter` finds one and opens it, `device` makes its failures errors, `lasting` opens it again once it
//!   was lost, `stream` is the device as one call uses it, `staging` how entries get there, `clock` asks it for the time, `peak` measures what it does at
//!   best, and `faults` makes it fail for tests.
//! - Kernels: `pipelines` compiles a text once, `cache` keeps what was compiled for the next process, `profile` has the
//!   time of each, and `shared` compares structures and constants with the shaders'. Which kernels a call takes is the
//!   planner's to say (`planner::paths`), and their texts are those of `shader`.
//! - Calls: `run` carries out a call on the caller's matrices, `resident` one on matrices that lie on the device and whose
//!   results stay there. Both work on a `chunk` at a time, whose buffers `binding` has. `registers` solves it if one kernel
//!   does everything, else `solve` does, stage after stage; `rhs` takes right-hand sides, and `compose` forms compositions
//!   and products. `shelf` keeps the buffers of `run` for the next call, and `pool` those of `resident`.

mod adapter;
mod binding;
mod cache;
mod chunk;
mod clock;
mod compose;
mod device;
pub(crate) mod lasting;
#[cfg(not(target_family = "wasm"))]
mod peak;
mod pipelines;
mod pool;
mod profile;
mod registers;
pub(crate) mod resident;
mod rhs;
mod run;
mod shared;
mod shelf;
mod solve;
mod staging;
mod state;
mod stream;

pub(crate) use adapter::adapters;
pub(crate) use pool::Buffer;
pub(crate) use wgpu::CommandEncoder;

pub(crate) use crate::planner::gpu::GpuRecipe as Recipe;

use std::sync::Arc;

use crate::data::device::{Adapter, GpuOptions};
use crate::data::error::Error;
use crate::data::faults;
use crate::data::profile::KernelProfile;
use crate::data::tuning::Tuning;
use crate::planner::facts::DeviceFacts;
use crate::planner::gpu::GpuRecipe;
use crate::planner::limits::Limits;
use crate::planner::{Convergence, Problem};
use crate::shader::Blueprint;
#[cfg(not(target_family = "wasm"))]
use crate::{data::scalar::Dtype, host::peak::Peak};

/// An open GPU.
pub(crate) struct Gpu {
    pub adapter: Adapter,
    /// What the device is, without its `units`.
    pub facts: DeviceFacts,
    device: device::Device,
    limits: Limits,
    tuning: Tuning,
    /// Whether calls ask for the device's time, where it has a clock.
    timed: bool,
    /// What each kernel takes, if that was asked for.
    profile: Option<Arc<profile::Profile>>,
    pipelines: pipelines::Pipelines,
    /// Of calls on the caller's matrices: for a problem, a path, and so many matrices at a time.
    shelf: shelf::Shelf<(Problem, &'static str, usize), run::Sets>,
    desk: resident::Desk,
    /// Buffers of batches and calls on the device, for later ones.
    pool: Arc<pool::Pool>,
}

impl Gpu {
    /// The device's name.
    pub fn name(&self) -> &str {
        &self.adapter.name
    }

    /// Opens an adapter; a software one only if `software` allows it.
    /// If it is opened again, no other will do.
    pub async fn open(
        options: &GpuOptions,
        software: bool,
        again: Option<&Adapter>,
    ) -> Result<Self, Error> {
        if faults_of(options).due(faults::Fault::Gone) {
            return Err(Error::Unsupported("the adapter is gone".into()));
        }
        let wgpu_adapter = adapter::find(options.adapter.as_deref(), software).await?;
        let found = adapter::describe(&wgpu_adapter);
        if again.is_some_and(|adapter| *adapter != found) {
            return Err(Error::Unsupported(format!("there is {found} instead")));
        }
        let (device, facts) = adapter::open(&wgpu_adapter, options).await?;
        Self::new(&wgpu_adapter, device, facts, options).await
    }

    /// Works on a device that somebody else has opened.
    pub async fn on(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        options: &GpuOptions,
    ) -> Result<Self, Error> {
        let facts = adapter::facts_of(adapter, &device);
        let device = device::Device::borrowed(device, queue, faults_of(options));
        Self::new(adapter, device, facts, options).await
    }

    async fn new(
        adapter: &wgpu::Adapter,
        device: device::Device,
        facts: DeviceFacts,
        options: &GpuOptions,
    ) -> Result<Self, Error> {
        let cache = match &options.pipeline_cache {
            Some(folder) => cache::Cache::open(&device, &adapter.get_info(), folder).await,
            None => None,
        };
        let profile = (options.profile && crate::data::profile::clock_is_there())
            .then(Arc::<profile::Profile>::default);
        let pipelines = pipelines::Pipelines::new(&device, options.checked_shaders, cache).await?;
        Ok(Gpu {
            adapter: adapter::describe(adapter),
            device,
            limits: facts.limits(),
            facts,
            tuning: options.tuning.clone(),
            timed: options.timestamps || options.profile,
            profile,
            pipelines,
            shelf: Default::default(),
            desk: Default::default(),
            pool: Default::default(),
        })
    }

    /// A kernel, compiled.
    async fn pipeline(&self, blueprint: Blueprint) -> Result<pipelines::Pipeline, Error> {
        let profile = self.profile.as_deref();
        self.pipelines.get(&self.device, profile, blueprint).await
    }

    /// What each kernel took since the last look.
    pub fn profile(&self) -> Vec<KernelProfile> {
        self.profile.as_ref().map_or_else(Vec::new, |p| p.take())
    }

    /// Whether the device was lost.
    pub fn is_lost(&self) -> bool {
        self.device.is_lost()
    }

    /// How this device would solve a problem, or why it cannot.
    pub fn plan(&self, problem: &Problem, convergence: &Convergence) -> Result<GpuRecipe, Error> {
        GpuRecipe::new(problem, convergence, &self.limits, &self.tuning)
            .map_err(|why| Error::Unsupported(format!("{}: {why}", self.adapter.name)))
    }

    /// Floating-point operations in one submit.
    fn submit_flops(&self) -> u64 {
        self.tuning.submit_flops.unwrap_or(self.limits.submit_flops)
    }

    /// What the device does at best.
    #[cfg(not(target_family = "wasm"))]
    pub fn peak(&self, dtype: Dtype) -> Result<Peak, Error> {
        pollster::block_on(peak::measure(self, dtype))
    }
}

fn faults_of(options: &GpuOptions) -> faults::Faults {
    #[cfg(feature = "faults")]
    return options.faults.clone();
    #[cfg(not(feature = "faults"))]
    {
        let _ = options;
        faults::Faults
    }
}
