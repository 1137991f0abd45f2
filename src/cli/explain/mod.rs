//! `batched-svd explain`: what the GPU engine would do, on the device at hand or on one of which a file tells.

mod facts;
mod translate;

use std::path::PathBuf;

use batched_svd::explain::{DeviceFacts, Explanation, Request, explain};
use batched_svd::{Dtype, Engine, Factor, GpuOptions, Subspace, Tuning};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::engine_args::{DtypeArg, EngineArgs, SubspaceArg};
use crate::cli::failure::Failure;
use crate::cli::numbers::up_to;
use crate::cli::streams::say;
use crate::cli::thresholds::{Setting, single};

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// The shape of a matrix, as ROWSxCOLS.
    #[arg(value_name = "ROWSxCOLS", value_parser = shape)]
    pub shape: [usize; 2],
    /// What is asked for.
    #[arg(long, value_enum, default_value_t = Op::Svd)]
    pub op: Op,
    /// Right-hand sides of a matrix, for lstsq.
    #[arg(long, value_name = "P", default_value_t = 1)]
    pub rhs: usize,
    /// The subspace, for projector.
    #[arg(long, value_enum, default_value_t = SubspaceArg::Column)]
    pub onto: SubspaceArg,
    /// The type.
    #[arg(long, value_enum, default_value_t = DtypeArg::F32)]
    pub dtype: DtypeArg,
    /// A file of facts about a device, in place of the one at hand: examples/devices has some.
    #[arg(long, value_name = "FILE.json")]
    pub device: Option<PathBuf>,
    /// Plan with a threshold of `Tuning` changed, as NAME=NUMBER; more than once for more.
    #[arg(long = "set", value_name = "NAME=NUMBER", value_parser = single)]
    pub settings: Vec<Setting>,
    /// Write the kernels' text there: NAME.wgsl, .spv, .msl and .hlsl for each, and plan.json. The folder is made if
    /// need be.
    #[arg(long, value_name = "DIR")]
    pub wgsl: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Op {
    /// Singular values and thin U and V.
    Svd,
    /// Singular values and full U and V.
    Full,
    /// Singular values only.
    Values,
    /// Singular values and thin U.
    U,
    /// Singular values and thin V.
    V,
    /// Eigenvalues and eigenvectors of symmetric matrices.
    Eigh,
    Pinv,
    Lstsq,
    LowRank,
    Projector,
}

/// No buffer holds more.
const LARGEST: usize = 1 << 24;

fn shape(text: &str) -> Result<[usize; 2], String> {
    let (rows, cols) = text
        .split_once('x')
        .ok_or("a shape is written as ROWSxCOLS")?;
    Ok([up_to(rows, LARGEST)?, up_to(cols, LARGEST)?])
}

pub(crate) fn run(args: &EngineArgs, explained: &ExplainArgs) -> Result<(), Failure> {
    let device = device(args, explained)?;
    let request = match explained.op {
        Op::Svd => Request::Svd,
        Op::Full => Request::FullSvd,
        Op::Values => Request::SingularValues,
        Op::U => Request::SingularVectors(Factor::U),
        Op::V => Request::SingularVectors(Factor::V),
        Op::Eigh => Request::Eigh,
        Op::Pinv => Request::Pinv,
        Op::Lstsq => Request::Lstsq(explained.rhs),
        Op::LowRank => Request::LowRank,
        Op::Projector => Request::Projector(Subspace::from(explained.onto)),
    };
    let dtype = Dtype::from(explained.dtype);
    let mut tuning = Tuning::default();
    for setting in &explained.settings {
        setting.apply(&mut tuning);
    }
    let plan = explain(
        request,
        explained.shape,
        dtype,
        &device,
        &args.options(),
        &tuning,
    );
    let plan = plan.map_err(Failure::from)?;
    let json = json(explained, &device, &plan);
    if let Some(folder) = &explained.wgsl {
        translate::write(folder, dtype, &plan, &json)?;
    }
    match args.json {
        true => say(&format!("{json}\n")),
        false => say(&text(explained, &device, &plan)),
    }
}

fn device(args: &EngineArgs, explained: &ExplainArgs) -> Result<DeviceFacts, Failure> {
    if let Some(path) = &explained.device {
        return facts::read(path);
    }
    let mut options = GpuOptions::default();
    options.adapter = args.adapter.clone();
    let engine = Engine::gpu(&options)?;
    engine
        .device_facts()
        .ok_or_else(|| Failure::Run("this engine has no device".into()))
}

fn json(explained: &ExplainArgs, device: &DeviceFacts, plan: &Explanation) -> serde_json::Value {
    let stages: Vec<_> = plan
        .stages
        .iter()
        .map(|stage| {
            json!({
                "name": stage.name,
                "workgroup": stage.workgroup,
                "workgroups_a_matrix": stage.workgroups,
                "most_dispatches": stage.most_dispatches,
                "lanes": stage.lanes,
                "buffers": stage.buffers,
                "sweeps": stage.sweeps,
            })
        })
        .collect();
    let refused: Vec<_> = plan
        .refused
        .iter()
        .map(|refused| json!({"kernel": refused.kernel, "why": refused.why}))
        .collect();
    let [rows, cols] = explained.shape;
    let op = explained.op.to_possible_value();
    json!({
        "device": device.name,
        "op": op.map(|op| op.get_name().to_string()),
        "rows": rows,
        "cols": cols,
        "dtype": Dtype::from(explained.dtype).name(),
        "kernel": plan.kernel,
        "refused": refused,
        "chunk": plan.chunk,
        "submit": plan.submit,
        "workgroup_bytes": plan.storage,
        "leading": plan.leading,
        "block_width": plan.block_width,
        "sum_block": plan.sum_block,
        "fill": plan.fill.map(|fill| json!({
            "workgroups_a_unit": fill.workgroups_a_unit,
            "bound": fill.bound,
            "matrices": fill.matrices,
            "filled": fill.filled,
        })),
        "stages": stages,
    })
}

fn text(explained: &ExplainArgs, device: &DeviceFacts, plan: &Explanation) -> String {
    let [rows, cols] = explained.shape;
    let op = explained.op.to_possible_value();
    let op = op.as_ref().map_or("", |op| op.get_name());
    let dtype = Dtype::from(explained.dtype);
    let mut text = format!("{op} {rows}x{cols} {dtype} on {}\n\n", device.name);
    for refused in &plan.refused {
        text += &format!("  not {:16} it {}\n", refused.kernel, refused.why);
    }
    text += &format!("  takes {}\n\n", plan.kernel);
    text += &format!(
        "at a time   {} matrices on the device, {} a submit",
        plan.chunk, plan.submit
    );
    text += &format!("\nworkgroup   {} bytes of memory", plan.storage);
    let [leading, j_leading] = plan.leading;
    if leading > 0 {
        text += &format!(", leading dimensions {leading} and {j_leading}");
    }
    if plan.block_width > 0 {
        text += &format!(", two blocks of {} columns", plan.block_width);
    }
    text += &match plan.fill {
        Some(fill) => format!(
            "\nfilled      {:.0} % of the device by a submit; it holds {} matrices; workgroups a unit: {}, bound by {}",
            100.0 * fill.filled,
            fill.matrices,
            fill.workgroups_a_unit,
            fill.bound
        ),
        None => "\nfilled      not known: no driver tells how many units a device has".into(),
    };
    text += "\n\nkernel      workgroup   workgroups a matrix   dispatches, at most\n";
    for stage in &plan.stages {
        let workgroups = match stage.workgroups {
            whole if whole >= 1.0 => format!("{whole}"),
            part => format!("1 for {}", (1.0 / part).round()),
        };
        text += &format!(
            "{:12}{:>9}{:>22}{:>22}\n",
            stage.name, stage.workgroup, workgroups, stage.most_dispatches
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_two_numbers() {
        assert_eq!(shape("6x7"), Ok([6, 7]));
        for bad in ["", "6", "x", "0x3", "6x", "6x7x8", "-1x2", "6x99999999"] {
            assert!(shape(bad).is_err(), "{bad}");
        }
    }
}
