//! In workgroup memory from the load to the singular values: one workgroup a matrix.
//!
//! # Without checks
//!
//! `workgroup` says what is true of the sweeps, and `staged` what is true of the QR, which is the same in every memory.

use crate::planner::problem::Problem;
use crate::planner::paths::plan::{Applies, Ask, Form, Lanes, Plan, Solver, Sweeps};
use crate::planner::paths::workgroup::{Held, RESUME};
use crate::shader::{Bindings, Kernel, shader};

pub(super) const SOLVE: Kernel = Kernel::new("solve", shader!("solve"), Bindings::Solve);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resident(Held);

impl Applies for Resident {
    const NAME: &'static str = "jacobi-resident";

    fn new(ask: &Ask<'_>) -> Result<Self, String> {
        Held::new(ask, ask.problem.rows, true).map(Resident)
    }
}

impl Plan for Resident {
    fn solver(&self) -> Solver {
        Solver::Staged {
            factor: false,
            sweeps: Sweeps::Workgroup {
                first: SOLVE,
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
