//! `batched-svd devices`

use batched_svd::{Backend, Engine};
use serde_json::json;

use crate::cli::args::EngineArgs;
use crate::cli::failure::Failure;

pub(crate) fn list(args: &EngineArgs) -> Result<(), Failure> {
    let adapters = Engine::adapters();
    let (cpu, auto) = (Engine::cpu(), Engine::auto());
    if args.json {
        let adapters: Vec<_> = adapters
            .iter()
            .map(|a| {
                json!({"name": a.name, "driver": a.driver, "api": a.api,
                       "software": a.software, "f64": a.has_f64})
            })
            .collect();
        let list = json!({"cpu": cpu.to_string(), "gpus": adapters, "auto": auto.to_string()});
        println!("{list}");
        return Ok(());
    }
    println!("cpu   {cpu}");
    for adapter in &adapters {
        let f64 = if adapter.has_f64 { "f32, f64" } else { "f32" };
        println!("gpu   {adapter}: {f64}");
    }
    if adapters.is_empty() {
        println!("gpu   none (looked for Vulkan, Metal and DX12)");
    }
    match auto.backend() {
        Backend::Gpu => println!("auto  takes the GPU {auto}"),
        _ => println!("auto  takes the CPU: {}", auto.choice()),
    }
    Ok(())
}
