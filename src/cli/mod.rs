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
        Command::Pinv(pinv) => run::pinv(&args.engine, pinv),
        Command::Lstsq(lstsq) => run::lstsq(&args.engine, lstsq),
        Command::Svd(svd) => run::svd(&args.engine, svd),
        Command::Measures(measures) => run::measures(&args.engine, measures),
        Command::LowRank(low_rank) => compositions::low_rank(&args.engine, low_rank),
        Command::Projector(projector) => compositions::projector(&args.engine, projector),
        Command::Basis(basis) => compositions::basis(&args.engine, basis),
        Command::Polar(polar) => compositions::polar(&args.engine, polar),
        Command::Pca(pca) => compositions::pca(&args.engine, pca),
        Command::Whiten(whiten) => compositions::whiten(&args.engine, whiten),
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
