//! Kernels as drivers see them: what wgpu would hand to Vulkan, Metal and Direct3D, without checks of indices and loops.

use std::path::Path;

use batched_svd::Dtype;
use batched_svd::explain::Explanation;
use naga::back::{hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage};
use serde_json::Value;

use crate::cli::failure::Failure;

const UNCHECKED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

/// Writes every stage in every language that has its type, and the plan.
pub(crate) fn write(
    folder: &Path,
    dtype: Dtype,
    plan: &Explanation,
    json: &Value,
) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, error))?;
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|error| Failure::file(&path, error).at_run())
    };
    for stage in &plan.stages {
        let (module, info) = module(&stage.text, dtype)
            .map_err(|error| Failure::Run(format!("{}: {error}", stage.name)))?;
        let wrong = |language: &str, error: String| {
            Failure::Run(format!("{} in {language}: {error}", stage.name))
        };
        put(&format!("{}.wgsl", stage.name), stage.text.as_bytes())?;
        let words = spirv(&module, &info, stage.name).map_err(|error| wrong("SPIR-V", error))?;
        put(&format!("{}.spv", stage.name), bytemuck::cast_slice(&words))?;
        // Neither has f64.
        if dtype.real() == Dtype::F32 {
            let text = metal(&module, &info).map_err(|error| wrong("MSL", error))?;
            put(&format!("{}.msl", stage.name), text.as_bytes())?;
            let text = direct3d(&module, &info).map_err(|error| wrong("HLSL", error))?;
            put(&format!("{}.hlsl", stage.name), text.as_bytes())?;
        }
    }
    put("plan.json", format!("{json:#}\n").as_bytes())
}

fn module(text: &str, dtype: Dtype) -> Result<(Module, ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|error| error.emit_to_string(text))?;
    let capabilities = match dtype.real() {
        Dtype::F32 => Capabilities::empty(),
        _ => Capabilities::FLOAT64,
    };
    let info = Validator::new(
        ValidationFlags::all(),
        capabilities | Capabilities::SUBGROUP,
    )
    .validate(&module)
    .map_err(|error| error.emit_to_string(text))?;
    Ok((module, info))
}

fn spirv(module: &Module, info: &ModuleInfo, entry: &str) -> Result<Vec<u32>, String> {
    let options = spv::Options {
        // Of Vulkan 1.3.
        lang_version: (1, 6),
        bounds_check_policies: UNCHECKED,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        flags: spv::WriterFlags::empty(),
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: entry.into(),
    };
    spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|error| error.to_string())
}

fn metal(module: &Module, info: &ModuleInfo) -> Result<String, String> {
    let options = msl::Options {
        lang_version: (2, 4),
        fake_missing_bindings: true,
        bounds_check_policies: UNCHECKED,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let written = msl::write_string(module, info, &options, &Default::default());
    written
        .map(|(text, _)| text)
        .map_err(|error| error.to_string())
}

fn direct3d(module: &Module, info: &ModuleInfo) -> Result<String, String> {
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        fake_missing_bindings: true,
        restrict_indexing: false,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
    let written = hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None);
    written.map(|_| text).map_err(|error| error.to_string())
}
