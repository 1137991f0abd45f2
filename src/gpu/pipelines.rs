//! Pipelines, compiled once for each blueprint.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::gpu::device::Device;
use crate::gpu::shader::{Blueprint, Kernel};

pub(crate) struct Pipelines {
    /// Of the decomposition's kernels, and of the composition.
    pub solve_layout: wgpu::BindGroupLayout,
    pub compose_layout: wgpu::BindGroupLayout,
    compiled: Mutex<HashMap<Blueprint, wgpu::ComputePipeline>>,
}

/// Storage buffers of the decomposition's kernels: as many as WebGPU's defaults allow, less one.
pub(crate) const SOLVE_BUFFERS: usize = 7;

fn layout(device: &wgpu::Device, label: &str, read_only: &[bool]) -> wgpu::BindGroupLayout {
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
    for (index, &read_only) in read_only.iter().enumerate() {
        let ty = wgpu::BufferBindingType::Storage { read_only };
        entries.push(entry(index + 1, ty, false));
    }
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(label),
        entries: &entries,
    })
}

impl Pipelines {
    pub async fn new(device: &Device) -> Result<Self, Error> {
        device
            .scoped(|device, _| Pipelines {
                solve_layout: layout(device, "solve", &[false; SOLVE_BUFFERS]),
                compose_layout: layout(device, "compose", &[true, true, true, false]),
                compiled: Mutex::default(),
            })
            .await
    }

    pub async fn get(
        &self,
        device: &Device,
        blueprint: Blueprint,
    ) -> Result<wgpu::ComputePipeline, Error> {
        let compiled = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = compiled().get(&blueprint) {
            return Ok(pipeline.clone());
        }
        let pipeline = device
            .scoped(|device, _| {
                let label = blueprint.kernel.entry_point();
                let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                    label: Some(label),
                    source: wgpu::ShaderSource::Wgsl(blueprint.text().into()),
                });
                let bindings = match blueprint.kernel {
                    Kernel::Compose => &self.compose_layout,
                    _ => &self.solve_layout,
                };
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
                    compilation_options: Default::default(),
                    cache: None,
                })
            })
            .await?;
        compiled().insert(blueprint, pipeline.clone());
        Ok(pipeline)
    }
}
