//! Sweeps in workgroup memory, one workgroup a matrix.
//!
//! # Without checks
//!
//! A_LEN and J_LEN are as many columns as COLS, LEADING and J_LEADING entries apart, and neither is less than the rows that
//! a loop counts to. `bytes` counts both.

use crate::data::scalar::Dtype;
use crate::planner::paths::banks::{spread, teams_a_turn};
use crate::planner::paths::plan::{Ask, Form, Lanes, team_bytes};
use crate::planner::paths::sweeping;
use crate::planner::problem::Problem;
use crate::shader::{Bindings, Kernel, shader};

/// The sweeps alone, after a QR in global memory.
pub(super) const SWEEPS: Kernel = Kernel::new("sweeps", shader!("sweeps"), Bindings::Solve);
/// Further sweeps of what is not done.
pub(super) const RESUME: Kernel = Kernel::new("resume", shader!("sweeps"), Bindings::Solve);

/// How a matrix lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Leading dimensions of X and J: by them rows spread over the banks.
    leading: u32,
    j_leading: u32,
    /// Sweeps in one dispatch.
    pub sweeps_per_dispatch: u32,
}

impl Held {
    /// So many rows, if they fit: spread over the banks if that fits, else the least. Where `solves`, the same kernel does
    /// the QR before the sweeps.
    pub fn new(ask: &Ask<'_>, rows: usize, solves: bool) -> Result<Self, String> {
        let (n, dtype) = (ask.problem.cols, ask.problem.dtype);
        let iterations = ask.lanes.iterations(ask.problem);
        let solve = if solves { iterations.solve() } else { 0 };
        let before = solve + iterations.copies();
        let sweeps = ask.limits.iterations.saturating_sub(before) / iterations.sweep();
        if sweeps < 1 {
            return Err("a sweep takes more iterations than the driver stays in loops".into());
        }
        let step = teams_a_turn(ask.lanes.pair_lanes, dtype.size());
        let storage = ask.storage() as usize;
        let mut needed = None;
        for leading in [
            [rows, n].map(|length| spread(length, step)),
            [rows | 1, n | 1],
        ] {
            needed = bytes(leading, n, ask.lanes.workgroup as usize, dtype);
            if needed.is_some_and(|bytes| bytes <= storage) {
                let [leading, j_leading] = leading.map(|length| length as u32);
                return Ok(Held {
                    leading,
                    j_leading,
                    sweeps_per_dispatch: sweeps
                        .min(ask.tuning.sweeps_per_dispatch.max(1).into())
                        .min(ask.convergence.max_sweeps.into())
                        as u32,
                });
            }
        }
        let needed = needed.map_or("too many".into(), |bytes| bytes.to_string());
        Err(format!(
            "takes {needed} bytes of workgroup memory, of {storage}"
        ))
    }

    pub fn form(&self, problem: &Problem, lanes: &Lanes) -> Form {
        let (cols, leading) = (problem.cols, self.leading);
        let share = problem.rows.div_ceil(lanes.column_lanes as usize);
        let memory = [
            ("LEADING", leading),
            ("A_LEN", leading * cols as u32),
            ("J_LEADING", self.j_leading),
            ("J_LEN", self.j_leading * cols as u32),
        ];
        let words = format!("{cols} columns {leading} apart");
        Form {
            workgroup: lanes.workgroup,
            sizes: sweeping::sizes(cols, lanes.pair_lanes, share, &memory, words),
        }
    }

    pub fn leading(&self) -> [u32; 2] {
        [self.leading, self.j_leading]
    }

    pub fn bytes(&self, problem: &Problem, lanes: &Lanes) -> usize {
        let leading = self.leading().map(|length| length as usize);
        bytes(
            leading,
            problem.cols,
            lanes.workgroup as usize,
            problem.dtype,
        )
        .unwrap_or(0)
    }
}

/// Bytes of workgroup memory: A or R' and the accumulated rotations with their leading dimensions, a real number a column,
/// and the sums.
fn bytes(
    [leading, j_leading]: [usize; 2],
    n: usize,
    workgroup: usize,
    dtype: Dtype,
) -> Option<usize> {
    let entries = leading
        .checked_mul(n)?
        .checked_add(j_leading.checked_mul(n)?)?;
    let numbers = n.checked_mul(dtype.real().size())?;
    let bytes = entries.checked_mul(dtype.size())?.checked_add(numbers)?;
    bytes.checked_add(team_bytes(dtype, workgroup))
}
