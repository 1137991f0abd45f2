//! In registers from the load to U and V, a matrix an invocation.
//!
//! # Without checks
//!
//! Besides what `registers` says:
//! - `rank_of` a row and `place` are how many come before, and of every two one comes before the other. So they are
//!   permutations, and every place is written before it is read.
//! - `order` are the numbers of columns, exchanged.
//! - A matrix' places are STRIDE entries: as many as A has, or the columns of U, or V, or all that is composed together
//!   (`stride`). What is delivered is counted to the last matrix there is.

use crate::data::factor::Factor;
use crate::planner::paths::plan::{Applies, Ask, Form, Lanes, Plan, Solver};
use crate::planner::paths::registers::{
    FEW_RHS, at_most, composes, fuses, in_time, sizes, sweeps, workgroup,
};
use crate::planner::problem::Problem;
use crate::shader::{Bindings, Kernel, shader};

pub(super) const TINY: Kernel = Kernel::new("tiny", shader!("tiny"), Bindings::Registers);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tiny {
    workgroup: u32,
    fused: bool,
}

impl Applies for Tiny {
    const NAME: &'static str = "jacobi-tiny";

    fn new(ask: &Ask<'_>) -> Result<Self, String> {
        let (problem, limits, tuning) = (ask.problem, ask.limits, ask.tuning);
        let (m, n) = (problem.rows, problem.cols);
        let most_columns = tuning.tiny_columns.unwrap_or(limits.tiny_columns);
        at_most(n, most_columns, "columns")?;
        at_most(m, limits.tiny_rows, "rows")?;
        at_most(words(problem), tuning.tiny_words, "registers")?;
        let sweeps = sweeps(ask)?;
        let entries = m * (m + 1) + n * n + FEW_RHS * 3 * m;
        in_time(u64::from(sweeps) + entries as u64, limits)?;
        let fitting = |stride| workgroup(1, ask, |workgroup| bytes(problem, stride, workgroup));
        // Where the most that could be asked for does not fit, nothing does: the path, and with it the bits, would
        // depend on what is asked.
        fitting(m * n + n * n + n)?;
        Ok(Tiny {
            workgroup: fitting(stride(problem))?,
            fused: fuses(problem),
        })
    }
}

impl Plan for Tiny {
    fn solver(&self) -> Solver {
        Solver::Alone {
            kernel: TINY,
            team: 1,
        }
    }

    fn form(&self, _: Kernel, problem: &Problem, _: &Lanes) -> Form {
        let (rows, cols) = (problem.rows as u32, problem.cols as u32);
        let u_cols = problem.formed_u_cols() as u32;
        let composed = composes(problem, self.fused);
        // Real factors whose entries lie together leave as vectors.
        let vectors = composed.is_none() && !problem.dtype.is_complex();
        let wide = |there: bool, entries: u32| match there && vectors {
            true => width(entries),
            false => 1,
        };
        let wide = [
            wide(u_cols <= cols, rows * u_cols),
            wide(problem.forms_v(), cols * cols),
        ];
        let place = |side| match side {
            Factor::U => 0,
            Factor::V => rows * u_cols.min(cols),
        };
        // What is not fused looks at neither.
        let (left, right) = composed.unwrap_or((Factor::V, Factor::V));
        let holder = [
            ("STRIDE", stride(problem) as u32),
            ("V_STRIDE", (cols * cols) | 1),
            ("LEFT", place(left)),
            ("RIGHT", place(right)),
        ];
        Form {
            workgroup: self.workgroup,
            sizes: sizes(problem, self.fused, wide, &holder, "an invocation"),
        }
    }

    fn workgroup_bytes(&self, problem: &Problem, _: &Lanes) -> usize {
        bytes(problem, stride(problem), self.workgroup as usize)
    }

    fn workgroup(&self) -> Option<u32> {
        Some(self.workgroup)
    }

    fn fused(&self) -> bool {
        self.fused
    }

    fn words(&self, problem: &Problem) -> Option<usize> {
        Some(words(problem))
    }
}

/// 32-bit words of A, R' and J, and a column of U.
fn words(problem: &Problem) -> usize {
    let (m, n, size) = (problem.rows, problem.cols, problem.dtype.size());
    (m.saturating_mul(n + 1) + 2 * n * n).saturating_mul(size / 4)
}

/// Entries a matrix has in workgroup memory: A while its rows are put in order, then n columns
/// of U and after them V on their way out, or both and the weights of a composition; odd, so that matrices spread over
/// banks.
fn stride(problem: &Problem) -> usize {
    let (m, n) = (problem.rows, problem.cols);
    let u = m * problem.formed_u_cols().min(n);
    let v = if problem.forms_v() { n * n } else { 0 };
    let results = if fuses(problem) { u + v + n } else { u.max(v) };
    (m * n).max(results) | 1
}

/// Bytes of workgroup memory: so many entries a matrix, the order of the rows, and two words.
fn bytes(problem: &Problem, stride: usize, workgroup: usize) -> usize {
    workgroup * ((stride | 1) * problem.dtype.size() + 4 * problem.rows + 8)
}

/// The widest vector that so many entries can be written in.
fn width(entries: u32) -> u32 {
    match entries {
        0 => 1,
        _ => 1 << entries.trailing_zeros().min(2),
    }
}
