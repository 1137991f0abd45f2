//! How fast a device could be at best.

use std::time::{Duration, Instant};

use crate::data::error::Error;
use crate::data::scalar::Dtype;
use crate::gpu::Gpu;
use crate::host::peak::{Peak, best};
use crate::shader;

const WORKGROUP: u32 = 256;
/// Rounds of a loop in one dispatch: bounded, since some drivers leave long loops.
const ROUNDS: u32 = 256;
/// Multiply-adds of an invocation in a round, as in shaders/peak.wgsl.
const A_ROUND: u32 = 8 * 8;
/// Workgroups of a dispatch of multiply-adds: several on each core of the largest GPUs.
const GROUPS: u32 = 4096;
/// A card that was idle takes so long to its highest clock.
const WARM_UP: Duration = Duration::from_millis(500);
/// Bytes that are copied in one dispatch: beyond the caches of the largest GPUs, and one dimension
/// of workgroups.
const COPIED: u64 = 128 << 20;
/// The same for a processor in disguise, which takes its time.
const SOFTWARE_GROUPS: u32 = 16;

/// Measures multiply-adds in `dtype`, and copies of device memory.
pub(super) async fn measure(gpu: &Gpu, dtype: Dtype) -> Result<Peak, Error> {
    if dtype == Dtype::F64 && !gpu.limits.has_f64 {
        let text = format!("{}: no f64 in shaders (SHADER_F64)", gpu.adapter.name);
        return Err(Error::Unsupported(text));
    }
    let workgroup = WORKGROUP.min(gpu.limits.workgroup_invocations);
    let groups = match gpu.adapter.software {
        true => SOFTWARE_GROUPS,
        false => GROUPS.min(gpu.limits.workgroups),
    };
    let most = 16 * u64::from(workgroup) * u64::from(gpu.limits.workgroups);
    let copied = COPIED.min(gpu.limits.binding).min(most);
    let text = shader::peak(dtype, workgroup, ROUNDS);
    let device = &gpu.device;
    let (fma, copy, group, readback) = device
        .scoped(|device, _| {
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some("peak"),
                source: wgpu::ShaderSource::Wgsl(text.into()),
            });
            let entry = |binding, read_only| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            };
            let bindings = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("peak"),
                entries: &[entry(0, true), entry(1, false)],
            });
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some("peak"),
                bind_group_layouts: &[Some(&bindings)],
                immediate_size: 0,
            });
            let pipeline = |entry_point| {
                device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(entry_point),
                    layout: Some(&layout),
                    module: &module,
                    entry_point: Some(entry_point),
                    compilation_options: Default::default(),
                    cache: None,
                })
            };
            use wgpu::BufferUsages as Usage;
            let buffer = |size, usage| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("peak"),
                    size,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let source = buffer(copied, Usage::STORAGE);
            let target = buffer(copied, Usage::STORAGE | Usage::COPY_SRC);
            let readback = buffer(16, Usage::MAP_READ | Usage::COPY_DST);
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("peak"),
                layout: &bindings,
                entries: &[
                    wgpu::BindGroupEntry {
                        binding: 0,
                        resource: source.as_entire_binding(),
                    },
                    wgpu::BindGroupEntry {
                        binding: 1,
                        resource: target.as_entire_binding(),
                    },
                ],
            });
            let pipelines = (pipeline("multiply_add"), pipeline("copy"));
            (pipelines.0, pipelines.1, group, (target, readback))
        })
        .await?;
    let timed = async |pipeline: &wgpu::ComputePipeline, groups: u32, times: usize| {
        let start = Instant::now();
        let submitted = device
            .scoped(|device, queue| {
                let mut encoder = device.create_command_encoder(&Default::default());
                let mut pass = encoder.begin_compute_pass(&Default::default());
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, &group, &[]);
                for _ in 0..times {
                    pass.dispatch_workgroups(groups, 1, 1);
                }
                drop(pass);
                let (target, readback) = &readback;
                encoder.copy_buffer_to_buffer(target, 0, readback, 0, 16);
                queue.submit([encoder.finish()])
            })
            .await?;
        drop(device.read(&readback.1, 16, submitted, true, None).await?);
        readback.1.unmap();
        Ok::<f64, Error>(start.elapsed().as_secs_f64())
    };
    let start = Instant::now();
    while !gpu.adapter.software && start.elapsed() < WARM_UP {
        timed(&fma, groups, 1).await?;
    }
    let flops = best(|size| {
        let work = 2.0 * f64::from(A_ROUND * ROUNDS) * f64::from(workgroup * groups);
        let seconds = pollster::block_on(timed(&fma, groups, size))?;
        Ok((work * size as f64, seconds))
    })?;
    let bytes = best(|size| {
        let groups = (copied / 16).div_ceil(u64::from(workgroup)) as u32;
        let seconds = pollster::block_on(timed(&copy, groups, size))?;
        Ok((2.0 * copied as f64 * size as f64, seconds))
    })?;
    Ok(Peak { flops, bytes })
}
