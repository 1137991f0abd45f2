//! Which adapters there are, which one to take, and opening it.

use crate::data::device::{Adapter, GpuOptions};
use crate::data::error::Error;
use crate::gpu::device::Device;
use crate::gpu::faults_of;
use crate::planner::facts::{DeviceFacts, DeviceKind};

async fn enumerate() -> Vec<wgpu::Adapter> {
    // Not GL: llvmpipe shows up there too, without f64.
    let backends = wgpu::Backends::VULKAN
        | wgpu::Backends::METAL
        | wgpu::Backends::DX12
        | wgpu::Backends::BROWSER_WEBGPU;
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    // WGPU_VALIDATION=1 and the like.
    descriptor.flags = descriptor.flags.with_env();
    wgpu::Instance::new(descriptor)
        .enumerate_adapters(backends)
        .await
}

pub(super) fn describe(adapter: &wgpu::Adapter) -> Adapter {
    let info = adapter.get_info();
    let (features, limits) = (adapter.features(), adapter.limits());
    let driver = format!("{} {}", info.driver, info.driver_info);
    // Browsers tell no names.
    let name = match info.name.is_empty() {
        true => "unnamed GPU".to_string(),
        false => info.name,
    };
    Adapter {
        name,
        driver: driver.trim().to_string(),
        api: info.backend.to_string(),
        software: info.device_type == wgpu::DeviceType::Cpu,
        has_f64: features.contains(wgpu::Features::SHADER_F64),
        subgroup: [info.subgroup_min_size, info.subgroup_max_size],
        workgroup_storage: limits.max_compute_workgroup_storage_size,
        workgroup_invocations: limits.max_compute_invocations_per_workgroup,
        binding: limits.max_storage_buffer_binding_size,
        buffer: limits.max_buffer_size,
        has_timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
    }
}

pub(crate) async fn adapters() -> Vec<Adapter> {
    enumerate().await.iter().map(describe).collect()
}

/// The fastest kind first; a software adapter last.
fn preference(adapter: &wgpu::Adapter) -> u8 {
    match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// The adapter whose name or driver contains `name`, or the best.
pub(crate) async fn find(name: Option<&str>, software: bool) -> Result<wgpu::Adapter, Error> {
    let mut found = enumerate().await;
    found.sort_by_key(preference);
    let described: Vec<Adapter> = found.iter().map(describe).collect();
    let fits = |adapter: &Adapter| {
        let wanted = name.is_none_or(|name| {
            let name = name.to_lowercase();
            adapter.name.to_lowercase().contains(&name)
                || adapter.driver.to_lowercase().contains(&name)
        });
        wanted && (software || !adapter.software)
    };
    match described.iter().position(fits) {
        Some(index) => Ok(found.swap_remove(index)),
        None => {
            let wanted = match name {
                Some(name) => format!("no adapter whose name or driver contains {name:?}"),
                None if software => "no adapter".to_string(),
                None => "no GPU".to_string(),
            };
            let names: Vec<String> = described.iter().map(Adapter::to_string).collect();
            let list = if names.is_empty() {
                "nothing".to_string()
            } else {
                names.join(", ")
            };
            Err(Error::Unsupported(format!(
                "{wanted}: looked for Vulkan, Metal, DX12 and WebGPU, found {list}"
            )))
        }
    }
}

/// Opens an adapter with all the limits it has, or with WebGPU's defaults.
pub(super) async fn open(
    adapter: &wgpu::Adapter,
    options: &GpuOptions,
) -> Result<(Device, DeviceFacts), Error> {
    let own = adapter.limits();
    let limits = if options.default_limits {
        wgpu::Limits::default().or_worse_values_from(&own)
    } else {
        own
    };
    let mut features = wgpu::Features::SHADER_F64;
    // A browser's shaders would have to say so first.
    let subgroups = !options.default_limits && !cfg!(target_family = "wasm");
    features.set(wgpu::Features::SUBGROUP, subgroups);
    let timed = options.timestamps || options.profile;
    features.set(wgpu::Features::TIMESTAMP_QUERY, timed);
    let keeps = options.pipeline_cache.is_some();
    features.set(wgpu::Features::PIPELINE_CACHE, keeps);
    let features = adapter.features() & features;
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("batched-svd"),
        required_features: features,
        required_limits: limits,
        ..Default::default()
    };
    let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| {
        Error::Device(format!(
            "{} does not open: {error}",
            adapter.get_info().name
        ))
    })?;
    let facts = facts_of(adapter, &device);
    Ok((Device::new(device, queue, faults_of(options)), facts))
}

/// What a device is, and allows, which may be less than its adapter.
pub(super) fn facts_of(adapter: &wgpu::Adapter, device: &wgpu::Device) -> DeviceFacts {
    let (limits, features, info) = (device.limits(), device.features(), adapter.get_info());
    DeviceFacts {
        name: describe(adapter).name,
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => DeviceKind::Discrete,
            wgpu::DeviceType::Cpu => DeviceKind::Software,
            _ => DeviceKind::Integrated,
        },
        vendor: info.vendor,
        has_f64: features.contains(wgpu::Features::SHADER_F64),
        subgroup: match features.contains(wgpu::Features::SUBGROUP) {
            true => info.subgroup_min_size,
            false => 1,
        },
        workgroup_storage: limits.max_compute_workgroup_storage_size,
        workgroup_invocations: limits
            .max_compute_invocations_per_workgroup
            .min(limits.max_compute_workgroup_size_x),
        workgroups: limits.max_compute_workgroups_per_dimension,
        binding: limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size),
        buffer: limits.max_buffer_size,
        units: None,
    }
}
