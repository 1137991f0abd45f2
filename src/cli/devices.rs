//! `batched-svd devices`

use batched_svd::{Adapter, Backend, Engine};
use serde_json::json;

use crate::cli::engine_args::EngineArgs;
use crate::cli::failure::Failure;
use crate::cli::streams::say;

pub(crate) fn list(args: &EngineArgs) -> Result<(), Failure> {
    let adapters = Engine::adapters();
    let (cpu, auto) = (Engine::cpu(), Engine::auto());
    if args.json {
        let adapters: Vec<_> = adapters
            .iter()
            .map(|a| {
                json!({"name": a.name, "driver": a.driver, "api": a.api,
                       "software": a.software, "f64": a.has_f64, "timestamps": a.has_timestamps,
                       "subgroup_min": a.subgroup[0], "subgroup_max": a.subgroup[1],
                       "workgroup_storage": a.workgroup_storage,
                       "workgroup_invocations": a.workgroup_invocations,
                       "binding": a.binding, "buffer": a.buffer})
            })
            .collect();
        let list = json!({"cpu": cpu.to_string(), "gpus": adapters, "auto": auto.to_string()});
        return say(&format!("{list}\n"));
    }
    let mut text = format!("cpu   {cpu}\n");
    for adapter in &adapters {
        let f64 = if adapter.has_f64 { "f32, f64" } else { "f32" };
        text += &format!("gpu   {adapter}: {f64}\n");
        text += &format!("      {}\n", facts(adapter));
    }
    if adapters.is_empty() {
        text += "gpu   none (looked for Vulkan, Metal and DX12)\n";
    }
    text += &match auto.backend() {
        Backend::Gpu => format!("auto  takes the GPU {auto}\n"),
        _ => format!("auto  takes the CPU: {}\n", auto.choice()),
    };
    say(&text)
}

/// What kernels have to go by.
fn facts(adapter: &Adapter) -> String {
    let subgroups = match adapter.subgroup {
        [0, 0] => "subgroups of unknown size".to_string(),
        [least, most] if least == most => format!("subgroups of {least}"),
        [least, most] => format!("subgroups of {least} to {most}"),
    };
    let clock = if adapter.has_timestamps { "a" } else { "no" };
    format!(
        "{subgroups}, workgroups of {} with {} KiB, bindings of {} and buffers of {} MiB, {clock} clock",
        adapter.workgroup_invocations,
        adapter.workgroup_storage >> 10,
        adapter.binding >> 20,
        adapter.buffer >> 20
    )
}
