//! Pipelines, compiled once for each blueprint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::data::error::Error;
use crate::data::faults::Fault;
use crate::gpu::cache::Cache;
use crate::gpu::device::Device;
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
    // SAFETY: the texts are those of shaders/, with sizes from the planner, and nobody else's. What follows is true of
    // all kernels. What is true of one path's, or of the kernels of one stage, stands in its file of planner/paths/,
    // under "Without checks".
    //
    // Indices in storage. The host makes every buffer for a whole chunk (`create` in run.rs, `Scratch` in solve.rs) or
    // binds a chunk of a larger one (resident.rs), and every dispatch covers matrices of the chunk alone (`first` to
    // `first + groups`, or to `end` where a workgroup holds several). Rows, columns, steps and places of a matrix are
    // compared with its sizes before use: the sizes are those of P, or constants of the text, and both come from the same
    // problem as the buffers. The caller's strides are those of a dense matrix (`View::dense`, `DeviceBatch::steps`),
    // and a buffer of the caller's holds its batch (`interop::batch`). What must be 32 bits is: `GpuRecipe` and
    // `Gpu::product` keep every binding under 2^30 bytes.
    //
    // Indices in workgroup memory. Arrays have their lengths from the constants that bound the loops over them, and
    // `Plan::workgroup_bytes` counts them: the planner refuses a path whose arrays do not fit the device. wgpu does not
    // check that; a unit test compares the count with the text.
    //
    // Indices that depend on data are numbers of rows or columns that were compared or exchanged; the paths' files say
    // how each of them stays below its bound. Comparisons with a NaN are false, so that a NaN is never chosen; counts are
    // of numbers that are not NaN, since entries that are not finite are zero by then, and a norm counts only where it
    // compares as larger than NEGLIGIBLE.
    //
    // Loops. All of them count to a size, in steps of lanes, teams, or blocks of at least one
    // (`planner::iterations::block`), or halve or double one; sweeps count to P.max_sweeps or P.end.
    //
    // Divisors. Lanes, teams, rows, columns, WIDTH, SUBGROUP and the players of a tournament but one are divided by. None
    // of them is zero in a recipe, since calls without rows or columns never reach the device.
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
