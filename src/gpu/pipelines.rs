//! Pipelines, compiled once for each blueprint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::gpu::cache::Cache;
use crate::gpu::device::Device;
use crate::gpu::faults::Fault;
use crate::gpu::profile::Profile;
use crate::shader::{Bindings, Blueprint};

pub(crate) struct Pipelines {
    /// Whether shaders check their indices and count their loops: slower.
    checked: bool,
    /// Of compiled shaders, between processes.
    cache: Option<Cache>,
    layouts: [wgpu::BindGroupLayout; Bindings::ALL.len()],
    compiled: Mutex<HashMap<Arc<Blueprint>, wgpu::ComputePipeline>>,
}

/// A compiled kernel.
#[derive(Clone)]
pub(crate) struct Pipeline {
    pub compiled: wgpu::ComputePipeline,
    /// What it was compiled for.
    pub blueprint: Arc<Blueprint>,
}

fn layout(device: &wgpu::Device, bindings: Bindings) -> wgpu::BindGroupLayout {
    let entry = |binding: usize, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset,
            min_binding_size: None,
        },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, true)];
    for (index, &read_only) in bindings.read_only().iter().enumerate() {
        let ty = wgpu::BufferBindingType::Storage { read_only };
        entries.push(entry(index + 1, ty, false));
    }
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &entries,
    })
}

/// A module without checks of indices, divisors and loops.
#[allow(unsafe_code)]
fn trusted(
    device: &wgpu::Device,
    descriptor: wgpu::ShaderModuleDescriptor<'_>,
) -> wgpu::ShaderModule {
    // SAFETY: the texts are those of shaders/, with sizes from the planner, and nobody else's.
    //
    // Indices. Storage: the host makes every buffer for a whole chunk (`create` in run.rs, `Scratch` in
    // solve.rs) or binds a chunk of a larger one (resident.rs), and every dispatch covers matrices of
    // the chunk alone (`first` to `first + groups`, or to `end` where a workgroup holds several); within
    // a matrix, rows, columns, steps and places are compared with P.rows, P.cols, COLS, P.u_cols or P.end
    // before use, and P comes from the same problem as the buffers, or for a product from the shapes of
    // the batches whose buffers they are (`Gpu::product`); weights and state are read only where P says
    // that there are any (`weighted`), and singular values go behind the weights only where the buffer was
    // made for both (`beside`, `Problem::value_sets`). The caller's strides are those of a dense matrix
    // (`View::dense`, `DeviceBatch::steps`), and a buffer of the caller's holds its batch
    // (`interop::batch`). What must be 32 bits is: `GpuRecipe` and `Gpu::product` keep every binding
    // under 2^30 bytes. Workgroup memory: arrays have their lengths from the constants that bound the
    // loops over them (a tile's columns are LEADING entries apart, as TILE_LEN counts, and its places stay below
    // 2 WIDTH), and `resident_bytes`, `blocks_bytes`, `columns_bytes` and `tiny_bytes` from the planner keep them within the
    // device's (wgpu does not check that; a unit test compares with the text).
    //
    // Indices that depend on data. A pivot is the number of a column that was compared, or else
    // NOTHING, tested before use; `pivots` are such numbers, exchanged. In columns.wgsl a pivot is a lane of the team, R's rows
    // lie behind what lanes give each other (`columns_places`), `holders` are written for every lane with the number of one, and `rows` and `place` are how many rows or values
    // come before one's own, ties by number, at most the last place; so are the places of order.wgsl.
    // A kernel that composes has the composition bound as `u`, LEFT_ROWS x RIGHT_ROWS a matrix, or LEFT_ROWS x P.rhs
    // where it solves (`fused`), and then right-hand sides of RIGHT_ROWS x P.rhs as `rhs`, whose strides are dense too;
    // neither side is longer than M, so that columns.wgsl's places hold it, and rows beyond RIGHT_ROWS look at the last.
    // In tiny.wgsl `rank_of` a row and `place` are how many come before, likewise, of every two one or the other: permutations,
    // so that every place is written before it is read; `order` are the numbers of columns, exchanged; a matrix' places are
    // STRIDE entries, as many as A, or the columns of U, or V, or all that is composed together (`tiny_stride`), and what
    // is delivered is counted to the last matrix there is.
    // The rows of intake.wgsl are their numbers, exchanged, each pair by one invocation. `least` and
    // `least_reached` are the number of one that was compared, of at least one. Comparisons with a NaN
    // are false, so that a NaN is never a pivot; counts are of numbers that are not NaN: entries that
    // are not finite are zero there, and a norm counts where it compares as larger than NEGLIGIBLE.
    //
    // Loops. All count to a size, in steps of lanes, teams, or blocks of at least one
    // (`planner::gpu::block`), or halve or double one (`size` in intake.wgsl, below 2^25); sweeps count
    // to P.max_sweeps or P.end.
    //
    // Divisors. Lanes, teams, rows, columns, WIDTH, SUBGROUP, a circle of players: none is zero in a recipe, since calls
    // without rows or columns never reach the device.
    unsafe {
        device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    }
}

impl Pipelines {
    pub async fn new(device: &Device, checked: bool, cache: Option<Cache>) -> Result<Self, Error> {
        device
            .scoped(|device, _| Pipelines {
                checked,
                cache,
                layouts: Bindings::ALL.map(|bindings| layout(device, bindings)),
                compiled: Mutex::default(),
            })
            .await
    }

    /// The layout of groups of these buffers.
    pub fn layout(&self, bindings: Bindings) -> &wgpu::BindGroupLayout {
        &self.layouts[bindings as usize]
    }

    pub async fn get(
        &self,
        device: &Device,
        profile: Option<&Profile>,
        blueprint: Blueprint,
    ) -> Result<Pipeline, Error> {
        let known = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((blueprint, compiled)) = known().get_key_value(&blueprint) {
            return Ok(Pipeline {
                compiled: compiled.clone(),
                blueprint: Arc::clone(blueprint),
            });
        }
        let blueprint = Arc::new(blueprint);
        let start = profile.map(|profile| (profile, std::time::Instant::now()));
        let faults = &device.faults;
        let compiled = device
            .scoped(|device, _| {
                let label = blueprint.kernel.entry;
                let mut text = blueprint.text();
                if faults.due(Fault::Uncompilable) {
                    text.insert_str(0, "fn broken(");
                }
                let descriptor = wgpu::ShaderModuleDescriptor {
                    label: Some(label),
                    source: wgpu::ShaderSource::Wgsl(text.into()),
                };
                let module = match self.checked {
                    true => device.create_shader_module(descriptor),
                    false => trusted(device, descriptor),
                };
                let bindings = self.layout(blueprint.kernel.bindings);
                let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label: Some(label),
                    bind_group_layouts: &[Some(bindings)],
                    immediate_size: 0,
                });
                device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(label),
                    layout: Some(&layout),
                    module: &module,
                    entry_point: Some(label),
                    compilation_options: wgpu::PipelineCompilationOptions {
                        // Kernels write what they read.
                        zero_initialize_workgroup_memory: self.checked,
                        ..Default::default()
                    },
                    cache: self.cache.as_ref().map(|cache| &cache.compiled),
                })
            })
            .await?;
        if let Some((profile, start)) = start {
            profile.compiled(&blueprint, start.elapsed().as_secs_f64());
        }
        known().insert(Arc::clone(&blueprint), compiled.clone());
        if let Some(cache) = &self.cache {
            cache.save();
        }
        Ok(Pipeline {
            compiled,
            blueprint,
        })
    }
}
