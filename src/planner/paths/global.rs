//! Sweeps in global memory: the kernels around the rounds of a tournament.
//!
//! # Without checks
//!
//! Rows are compared with COLS. Columns are workgroups, of which there are as many, or players of a tournament, the larger
//! of which is compared with COLS. P.end is the number of players, an even one.

use crate::planner::paths::plan::{Form, Lanes};
use crate::planner::paths::sweeping;
use crate::planner::problem::Problem;
use crate::shader::{Bindings, Kernel, shader};

pub(crate) const BEGIN: Kernel = Kernel::new("begin", shader!("rounds"), Bindings::Solve);
pub(crate) const ADVANCE: Kernel = Kernel::new("advance", shader!("rounds"), Bindings::Solve);
pub(crate) const NORMALISE: Kernel = Kernel::new("normalise", shader!("rounds"), Bindings::Solve);

/// The fewest invocations on a pair of columns in global memory.
const SMALLEST_PAIR: u32 = 32;

pub(super) fn form(problem: &Problem, lanes: &Lanes) -> Form {
    let workgroup = lanes.pair_lanes.max(SMALLEST_PAIR).min(lanes.workgroup);
    let share = problem.rows.div_ceil(lanes.column_lanes as usize);
    let (cols, words) = (problem.cols, format!("{} columns", problem.cols));
    Form {
        workgroup,
        sizes: sweeping::sizes(cols, workgroup, share, &[], words),
    }
}
