//! Reports: which device computed a call, and how every matrix ended.

use std::fmt;
use std::sync::Arc;

use crate::data::error::Error;
use crate::data::outcome::{Outcome, Status};

/// Which engine computed a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The CPU engine.
    Cpu,
    /// The GPU engine, on a GPU or on a software adapter.
    Gpu,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Cpu => "cpu",
            Backend::Gpu => "gpu",
        })
    }
}

/// The report of a call: which device computed it, and how every matrix ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// One outcome for each matrix, in the order of the matrices.
    pub outcomes: Vec<Outcome>,
    /// The engine that computed the call.
    pub backend: Backend,
    /// The name of the device.
    pub device: Arc<str>,
    /// The kernel that the planner chose.
    pub kernel: &'static str,
    /// The floating-point operations of the kernels. They are counted from the shape, the sweeps and the rotations of
    /// every matrix. A fused multiply-add counts as two. Work of idle lanes is not counted.
    pub flops: f64,
    /// The seconds that the GPU worked on the kernels of the call, by its own clock. They are measured only with the
    /// option [`timestamps`](crate::GpuOptions::timestamps).
    pub device_seconds: Option<f64>,
    /// If the GPU [shared](crate::Policy::Share) the call with the CPU: the number of matrices that the GPU computed.
    /// They are the first matrices of the batch, and the CPU computed the others. Backend, device and kernel are then
    /// those of the GPU.
    pub shared: Option<usize>,
    /// The error that ended the work of the GPU, if the CPU computed the rest of the call
    /// ([`Policy::FallBack`](crate::Policy::FallBack)). `shared` is then the number of matrices that the GPU had
    /// finished, if any.
    pub device_error: Option<Error>,
}

impl Report {
    /// Returns the number of matrices with this status.
    pub fn count(&self, status: Status) -> usize {
        self.outcomes.iter().filter(|o| o.status == status).count()
    }

    /// Whether every matrix converged.
    pub fn all_converged(&self) -> bool {
        self.count(Status::Converged) == self.outcomes.len()
    }

    /// Returns the index and the status of each matrix that did not end as [`Status::Converged`].
    pub fn failures(&self) -> impl Iterator<Item = (usize, Status)> + '_ {
        self.outcomes
            .iter()
            .enumerate()
            .filter(|(_, o)| o.status != Status::Converged)
            .map(|(index, o)| (index, o.status))
    }

    /// Returns the largest number of sweeps of a matrix.
    pub fn max_sweeps(&self) -> u32 {
        self.outcomes.iter().map(|o| o.sweeps).max().unwrap_or(0)
    }
}
