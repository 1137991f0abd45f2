//! The engine options of all commands, and the names of types and subspaces.

use batched_svd::{Dtype, Engine, Error, GpuOptions, Options, Subspace};
use clap::{Args as ClapArgs, ValueEnum};

use crate::cli::failure::Failure;
use crate::cli::numbers;
use crate::cli::streams::complain;

/// Options of every command.
#[derive(ClapArgs)]
pub(crate) struct EngineArgs {
    /// Which engine computes: auto uses a real GPU, if there is one, for calls that it does faster than the CPU; gpu
    /// forces the GPU and also accepts a software adapter.
    #[arg(long, global = true, value_enum, default_value_t = BackendArg::Auto)]
    pub backend: BackendArg,
    /// Force the GPU whose adapter or driver name contains NAME.
    #[arg(long, global = true, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Largest cosine at which a pair of columns counts as orthogonal [default: by type and shape].
    #[arg(long, global = true, value_name = "COSINE", value_parser = numbers::cosine, allow_hyphen_values = true)]
    pub tolerance: Option<f64>,
    /// Maximum number of sweeps; a matrix that needs more is not converged [default: by type and shape].
    #[arg(long, global = true, value_name = "N", value_parser = numbers::sweeps, allow_hyphen_values = true)]
    pub max_sweeps: Option<u32>,
    /// Fail, and list the indices, if a matrix does not converge, is not finite, has no representable result, or, for
    /// eigh, is not symmetric or not definite.
    #[arg(long, global = true)]
    pub strict: bool,
    /// Compare the residuals of every converged matrix with the bounds that the library promises at its default
    /// tolerance, and fail if one is above its bound. Damped results, approximations of low rank and results of shrink have
    /// no bound.
    #[arg(long, global = true)]
    pub verify: bool,
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendArg {
    Auto,
    Gpu,
    Cpu,
}

impl EngineArgs {
    /// The engine that the options select. Prints a warning if it is a software adapter.
    pub fn engine(&self) -> Result<Engine, Failure> {
        let engine = match (self.backend, &self.adapter) {
            (BackendArg::Cpu, None) => Engine::cpu(),
            (BackendArg::Cpu, Some(name)) => {
                let text = format!("--adapter {name} names a GPU, but --backend is cpu");
                return Err(Error::Argument(text).into());
            }
            (BackendArg::Auto, None) => Engine::auto(),
            (BackendArg::Gpu, None) => Engine::gpu(&GpuOptions::default())?,
            (_, Some(name)) => Engine::gpu(&GpuOptions::default().adapter(name))?,
        };
        if engine.is_software() && self.backend == BackendArg::Auto {
            let text = format!("{engine} is a software adapter: only --backend gpu takes it");
            return Err(Error::Argument(text).into());
        }
        if engine.is_software() {
            complain(format!(
                "warning: {engine} is a software adapter; --backend cpu is faster"
            ));
        }
        Ok(engine)
    }

    pub fn options(&self) -> Options {
        let mut options = Options::default().strict(self.strict);
        if let Some(tolerance) = self.tolerance {
            options = options.tolerance(tolerance);
        }
        if let Some(max_sweeps) = self.max_sweeps {
            options = options.max_sweeps(max_sweeps);
        }
        options
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    F32,
    F64,
}

impl From<Precision> for Dtype {
    fn from(precision: Precision) -> Dtype {
        match precision {
            Precision::F32 => Dtype::F32,
            Precision::F64 => Dtype::F64,
        }
    }
}

/// A type of entries.
#[cfg(any(feature = "gpu", feature = "bench"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum DtypeArg {
    F32,
    F64,
    /// Complex numbers of two f32.
    C32,
    /// Complex numbers of two f64.
    C64,
}

#[cfg(any(feature = "gpu", feature = "bench"))]
impl From<DtypeArg> for Dtype {
    fn from(dtype: DtypeArg) -> Dtype {
        match dtype {
            DtypeArg::F32 => Dtype::F32,
            DtypeArg::F64 => Dtype::F64,
            DtypeArg::C32 => Dtype::C32,
            DtypeArg::C64 => Dtype::C64,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SubspaceArg {
    Column,
    Row,
    Null,
    LeftNull,
}

impl From<SubspaceArg> for Subspace {
    fn from(arg: SubspaceArg) -> Self {
        match arg {
            SubspaceArg::Column => Subspace::ColumnSpace,
            SubspaceArg::Row => Subspace::RowSpace,
            SubspaceArg::Null => Subspace::NullSpace,
            SubspaceArg::LeftNull => Subspace::LeftNullSpace,
        }
    }
}
