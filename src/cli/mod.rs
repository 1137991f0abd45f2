//! The command line: files in, files out, and what a person wants to know.

mod args;
#[cfg(feature = "bench")]
mod bench;
mod compositions;
mod devices;
mod failure;
mod npy;
mod run;
mod summary;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = npy::clean_up_on_interrupt() {
        eprintln!("batched-svd: {error}");
    }
    let result = match &args.command {
        Command::Pinv(pinv) => run::on_stack(&args.engine, pinv),
        Command::Lstsq(lstsq) => run::lstsq(&args.engine, lstsq),
        Command::Svd(svd) => run::on_stack(&args.engine, svd),
        Command::Measures(measures) => run::on_stack(&args.engine, measures),
        Command::LowRank(low_rank) => run::on_stack(&args.engine, low_rank),
        Command::Projector(projector) => run::on_stack(&args.engine, projector),
        Command::Basis(basis) => run::on_stack(&args.engine, basis),
        Command::Polar(polar) => run::on_stack(&args.engine, polar),
        Command::Pca(pca) => run::on_stack(&args.engine, pca),
        Command::Whiten(whiten) => run::on_stack(&args.engine, whiten),
        Command::Devices => devices::list(&args.engine),
        #[cfg(feature = "bench")]
        Command::Bench(bench) => bench::run(&args.engine, bench),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("batched-svd: {failure}");
            failure.exit_code()
        }
    }
}
