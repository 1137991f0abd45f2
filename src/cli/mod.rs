//! The command line: files in, files out, and what a person wants to know.

mod args;
#[cfg(feature = "bench")]
mod bench;
mod commands;
mod compositions;
mod devices;
mod failure;
mod judge;
mod npy;
mod run;
mod summary;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

/// Does what the arguments say, of which the first is the command's name.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args = Args::parse_from(args);
    if let Err(error) = npy::clean_up_on_interrupt() {
        eprintln!("batched-svd: {error}");
    }
    let result = match &args.command {
        Command::Pinv(pinv) => run::run(&args.engine, pinv),
        Command::Lstsq(lstsq) => run::run(&args.engine, lstsq),
        Command::Svd(svd) => run::run(&args.engine, svd),
        Command::Measures(measures) => run::run(&args.engine, measures),
        Command::LowRank(low_rank) => run::run(&args.engine, low_rank),
        Command::Projector(projector) => run::run(&args.engine, projector),
        Command::Basis(basis) => run::run(&args.engine, basis),
        Command::Polar(polar) => run::run(&args.engine, polar),
        Command::Pca(pca) => run::run(&args.engine, pca),
        Command::Whiten(whiten) => run::run(&args.engine, whiten),
        Command::Verify(verify) => verify::run(&args.engine, verify),
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
