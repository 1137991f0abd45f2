//! QR in global memory, then the sweeps in workgroup memory: tall matrices.
//!
//! # Without checks
//!
//! `workgroup` says what is true of the sweeps, and `staged` what is true of the QR.

use crate::planner::problem::Problem;
use crate::planner::paths::plan::{Applies, Ask, Form, Lanes, Plan, Solver, Sweeps};
use crate::planner::paths::workgroup::{Held, RESUME, SWEEPS};
use crate::shader::Kernel;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Swept(Held);

impl Applies for Swept {
    const NAME: &'static str = "jacobi-swept";

    fn new(ask: &Ask<'_>) -> Result<Self, String> {
        let problem = ask.problem;
        Held::new(ask, problem.cols, problem.rows == problem.cols).map(Swept)
    }
}

impl Plan for Swept {
    fn solver(&self) -> Solver {
        Solver::Staged {
            factor: true,
            sweeps: Sweeps::Workgroup {
                first: SWEEPS,
                resume: RESUME,
                per_dispatch: self.0.sweeps_per_dispatch,
            },
        }
    }

    fn form(&self, _: Kernel, problem: &Problem, lanes: &Lanes) -> Form {
        self.0.form(problem, lanes)
    }

    fn workgroup_bytes(&self, problem: &Problem, lanes: &Lanes) -> usize {
        self.0.bytes(problem, lanes)
    }

    fn leading(&self) -> [u32; 2] {
        self.0.leading()
    }
}
