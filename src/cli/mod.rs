//! The command line: files in, files out, and what a person wants to know.

mod args;
#[cfg(feature = "bench")]
mod bench;
mod call;
mod commands;
mod components;
mod compositions;
mod devices;
mod eigh;
mod engine_args;
mod entry;
#[cfg(feature = "gpu")]
mod explain;
mod failure;
mod interrupt;
mod judge;
mod names;
mod npy;
mod numbers;
mod output;
mod per_matrix;
mod place;
mod plan;
mod progress;
mod quiet;
mod record;
mod run;
mod shrink;
mod spread;
mod streams;
mod summary;
mod target;
mod task;
#[cfg(feature = "gpu")]
mod thresholds;
mod usage;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use args::Command;
use engine_args::BackendArg;
use streams::complain;

/// Does what the arguments say, of which the first is the command's name.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args = match usage::read(args) {
        Ok(args) => args,
        Err(code) => return code,
    };
    let asks_devices = match &args.command {
        Command::Verify(_) => false,
        #[cfg(feature = "gpu")]
        Command::Explain(explain) => explain.device.is_none(),
        Command::Devices => true,
        _ => args.engine.backend != BackendArg::Cpu,
    };
    if asks_devices {
        quiet::hush();
    }
    if let Err(error) = interrupt::clean_up_on_interrupt() {
        complain(format!("warning: signals cannot be waited for: {error}"));
    }
    let result = match &args.command {
        Command::Pinv(pinv) => run::run(&args.engine, pinv),
        Command::Lstsq(lstsq) => run::run(&args.engine, lstsq),
        Command::Svd(svd) => run::run(&args.engine, svd),
        Command::Measures(measures) => run::run(&args.engine, measures),
        Command::LowRank(low_rank) => run::run(&args.engine, low_rank),
        Command::Shrink(shrink) => run::run(&args.engine, shrink),
        Command::Projector(projector) => run::run(&args.engine, projector),
        Command::Basis(basis) => run::run(&args.engine, basis),
        Command::Polar(polar) => run::run(&args.engine, polar),
        Command::Eigh(eigh) => run::run(&args.engine, eigh),
        Command::Pca(pca) => run::run(&args.engine, pca),
        Command::Whiten(whiten) => run::run(&args.engine, whiten),
        Command::Verify(verify) => verify::run(&args.engine, verify),
        Command::Devices => devices::list(&args.engine),
        #[cfg(feature = "gpu")]
        Command::Explain(explain) => explain::run(&args.engine, explain),
        #[cfg(not(feature = "gpu"))]
        Command::Explain { .. } => Err(failure::Failure::Usage(
            "explain is not in this build, which has not the feature gpu".into(),
        )),
        #[cfg(feature = "bench")]
        Command::Bench(bench) => bench::run(&args.engine, bench),
        #[cfg(not(feature = "bench"))]
        Command::Bench { .. } => Err(failure::Failure::Usage(
            "bench is not in this build, which has not the feature bench: cargo run --release --features bench -- bench"
                .into(),
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            failure.exit_code()
        }
    }
}
