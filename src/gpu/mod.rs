//! The GPU engine: one-sided Jacobi in WGSL, through wgpu.
//!
//! `adapter` finds a device and opens it, `device` makes its failures errors, `clock` asks it for
//! the time, `peak` what it does at best, `shader` puts the
//! shader text together, `pipelines` compiles it once, `stream` is the device as one call uses it,
//! `shelf` what it leaves for the next.
//! `columns` runs a call of small matrices, `solve` one of others, whose results `delivery` hands
//! out; `compose` forms what is asked of their factors, and products; `resident` runs calls on matrices
//! that lie on the device, and whose results stay there.

mod adapter;
mod clock;
mod columns;
mod compose;
mod delivery;
mod device;
#[cfg(not(target_family = "wasm"))]
mod peak;
mod pipelines;
pub(crate) mod resident;
mod shader;
mod shelf;
mod solve;
mod state;
mod stream;

pub(crate) use adapter::adapters;

use crate::call::Call;
use crate::engine::{Adapter, GpuOptions};
use crate::error::Error;
use crate::host::outputs::Outputs;
use crate::planner::gpu::{GpuRecipe, Limits, Path};
use crate::planner::{Convergence, Problem, Tuning};
use crate::scalar::Real;
#[cfg(not(target_family = "wasm"))]
use crate::{peak::Peak, scalar::Dtype};

/// An open GPU.
pub(crate) struct Gpu {
    pub adapter: Adapter,
    device: device::Device,
    limits: Limits,
    tuning: Tuning,
    pipelines: pipelines::Pipelines,
    columns: shelf::Shelf<stream::Tools<columns::Buffers>>,
    solve: shelf::Shelf<stream::Tools<solve::Buffers>>,
    desk: resident::Desk,
}

impl Gpu {
    /// Opens an adapter; a software one only if `software` allows it.
    pub async fn open(options: &GpuOptions, software: bool) -> Result<Self, Error> {
        let (adapter, wgpu_adapter) = adapter::find(options.adapter.as_deref(), software).await?;
        let (device, limits) = adapter::open(&wgpu_adapter, options).await?;
        let pipelines = pipelines::Pipelines::new(&device, options.checked_shaders).await?;
        Ok(Gpu {
            adapter,
            device,
            limits,
            tuning: options.tuning.clone(),
            pipelines,
            columns: Default::default(),
            solve: Default::default(),
            desk: Default::default(),
        })
    }

    /// How this device would solve a problem, or why it cannot.
    pub fn plan(&self, problem: &Problem, convergence: &Convergence) -> Result<GpuRecipe, Error> {
        GpuRecipe::new(problem, convergence, &self.limits, &self.tuning)
            .map_err(|why| Error::Unsupported(format!("{}: {why}", self.adapter.name)))
    }

    /// What the device does at best.
    #[cfg(not(target_family = "wasm"))]
    pub fn peak(&self, dtype: Dtype) -> Result<Peak, Error> {
        pollster::block_on(peak::measure(self, dtype))
    }

    /// Solves the call's matrices, chunk by chunk. Returns the seconds on the device, if they were
    /// asked for.
    pub async fn run<T: Real>(
        &self,
        call: &Call<'_, T>,
        recipe: &GpuRecipe,
        outputs: Outputs<'_, T>,
    ) -> Result<Option<f64>, Error> {
        match recipe.path {
            Path::Columns => columns::run(self, call, recipe, outputs).await,
            _ => solve::run(self, call, recipe, outputs).await,
        }
    }
}
