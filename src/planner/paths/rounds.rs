//! In global memory, a dispatch a round of columns: so large that no two blocks of two fit.
//!
//! # Without checks
//!
//! `global` says all that is true of its kernels.

use crate::planner::problem::Problem;
use crate::planner::paths::global;
use crate::planner::paths::plan::{
    Applies, Ask, Form, Lanes, Plan, Solver, Sweeps, team_bytes,
};
use crate::shader::{Bindings, Kernel, shader};

pub(super) const ROUND: Kernel = Kernel::new("round", shader!("rounds"), Bindings::Solve);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rounds {
    /// Invocations that share a pair of columns.
    lanes: u32,
    /// Columns, all of which meet.
    meet: u32,
}

impl Applies for Rounds {
    const NAME: &'static str = "jacobi-rounds";

    fn new(ask: &Ask<'_>) -> Result<Self, String> {
        Ok(Rounds {
            lanes: ask.lanes.pair_lanes,
            meet: ask.problem.cols as u32,
        })
    }
}

impl Plan for Rounds {
    fn solver(&self) -> Solver {
        Solver::Staged {
            factor: true,
            sweeps: Sweeps::Global {
                round: ROUND,
                lanes: self.lanes,
                meet: self.meet,
                rounds: 1,
            },
        }
    }

    fn form(&self, _: Kernel, problem: &Problem, lanes: &Lanes) -> Form {
        global::form(problem, lanes)
    }

    fn workgroup_bytes(&self, problem: &Problem, lanes: &Lanes) -> usize {
        team_bytes(problem.dtype, lanes.workgroup as usize)
    }
}
