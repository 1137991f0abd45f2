//! What a call says of itself: results, and how every matrix fared.

use std::fmt;

use crate::data::error::Error;
use crate::data::outcome::{Outcome, Status};

/// Which of the two engines did a call.
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

/// How a call went: who did it, and how every matrix fared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// One for each matrix, in order.
    pub outcomes: Vec<Outcome>,
    /// The engine that did the call.
    pub backend: Backend,
    /// The device's name.
    pub device: String,
    /// The kernel that the planner chose.
    pub kernel: &'static str,
    /// Floating-point operations that the kernels carried out, counted from the shape and from every
    /// matrix's sweeps and rotations; a fused multiply-add is two. What lanes did for nothing is
    /// not in it.
    pub flops: f64,
    /// Seconds that a GPU was at work on the call's kernels, by its own clock, if that was
    /// [asked for](crate::GpuOptions::timestamps).
    pub device_seconds: Option<f64>,
    /// How many matrices, the first of the batch, are the GPU's if it [shared](crate::Policy::Share) the
    /// call with the CPU, whose the others are; backend, device and kernel are then the GPU's.
    pub shared: Option<usize>,
    /// What ended the GPU's work on the call, where the CPU did the rest
    /// ([`Policy::FallBack`](crate::Policy::FallBack)): `shared` then says how many matrices had their
    /// results by then, if any.
    pub device_error: Option<Error>,
}

impl Report {
    /// The number of matrices that ended so.
    pub fn count(&self, status: Status) -> usize {
        self.outcomes.iter().filter(|o| o.status == status).count()
    }

    /// Whether every matrix converged.
    pub fn all_converged(&self) -> bool {
        self.count(Status::Converged) == self.outcomes.len()
    }

    /// The matrices that did not end as [`Status::Converged`].
    pub fn failures(&self) -> impl Iterator<Item = (usize, Status)> + '_ {
        self.outcomes
            .iter()
            .enumerate()
            .filter(|(_, o)| o.status != Status::Converged)
            .map(|(index, o)| (index, o.status))
    }

    /// The most sweeps that a matrix took.
    pub fn max_sweeps(&self) -> u32 {
        self.outcomes.iter().map(|o| o.sweeps).max().unwrap_or(0)
    }
}
