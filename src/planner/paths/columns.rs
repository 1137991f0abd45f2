//! In registers from the load to U, a column a lane, and several matrices a workgroup.
//!
//! # Without checks
//!
//! Besides what `registers` says:
//! - A pivot is a lane of the team, and `holders` are written for every lane, with the number of one.
//! - R's rows lie behind what lanes give each other (`places`).
//! - Neither side of a composition is longer than M, so that the places hold it.

use crate::data::scalar::Precision;
use crate::planner::problem::Problem;
use crate::planner::paths::plan::{Applies, Ask, Form, Lanes, Plan, Solver};
use crate::planner::paths::registers::{
    FEW_RHS, at_most, fuses, in_time, sizes, sweeps, workgroup,
};
use crate::shader::{Bindings, Kernel, shader};

pub(super) const COLUMNS: Kernel = Kernel::new("columns", shader!("columns"), Bindings::Registers);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    workgroup: u32,
    /// Lanes of a matrix; a power of two.
    pub team: u32,
    /// Whether these lanes read each other's registers: they lie in one subgroup.
    pub shuffles: bool,
    fused: bool,
}

impl Applies for Columns {
    const NAME: &'static str = "jacobi-columns";

    fn new(ask: &Ask<'_>) -> Result<Self, String> {
        let (problem, limits, tuning) = (ask.problem, ask.limits, ask.tuning);
        let (m, n, size) = (problem.rows, problem.cols, problem.dtype.size());
        let [single, double] = limits.invocation_words;
        let own = match problem.dtype.precision() {
            Precision::Single => single,
            Precision::Double => double,
        };
        let most = tuning.invocation_words.unwrap_or(own);
        at_most(words(problem), most as usize, "registers")?;
        let sweeps = u64::from(sweeps(ask)?);
        let team = n.next_power_of_two() as u32;
        let shuffles = limits.subgroup > 1 && team <= limits.subgroup;
        let n64 = n as u64;
        let passes = problem.formed_u_cols() as u64 / u64::from(team) + 1;
        let intake = (m.div_ceil(team as usize) * (m + n + 4)) as u64;
        let complete = n64 * (4 * n64 + 6);
        let turns = m.div_ceil(team as usize);
        let composes = (FEW_RHS * (2 * turns + team as usize + 4)).max(turns * m) as u64;
        let steps = intake + n64 * (n64 + 6) + sweeps * (n64 + 2) + complete + passes * (n64 + 2);
        in_time(steps + composes, limits)?;
        Ok(Columns {
            workgroup: workgroup(team, ask, |workgroup| {
                bytes(m, n, workgroup, shuffles, size)
            })?,
            team,
            shuffles,
            fused: fuses(problem) && tuning.fuses_columns.unwrap_or(limits.fuses_columns),
        })
    }
}

impl Plan for Columns {
    fn solver(&self) -> Solver {
        Solver::Alone {
            kernel: COLUMNS,
            team: self.team,
        }
    }

    fn form(&self, _: Kernel, problem: &Problem, _: &Lanes) -> Form {
        let (workgroup, lanes, shuffles) = (self.workgroup, self.team, self.shuffles);
        let places = places(problem.rows, problem.cols, shuffles) as u32;
        let holder = [
            ("LANES", lanes),
            ("PLACES", places * workgroup),
            // R lies behind what lanes give each other.
            ("R_ROW", if shuffles { 0 } else { problem.rows as u32 + 1 }),
        ];
        let (how, exchange) = match shuffles {
            true => ("shuffling", "exchange_subgroup"),
            false => ("sharing", "exchange_workgroup"),
        };
        let words = format!("{lanes} lanes {how}");
        let mut sizes = sizes(problem, self.fused, [1, 1], &holder, &words);
        sizes.variants.push(("exchange_*", exchange));
        Form { workgroup, sizes }
    }

    fn workgroup_bytes(&self, problem: &Problem, _: &Lanes) -> usize {
        let (m, n, size) = (problem.rows, problem.cols, problem.dtype.size());
        bytes(m, n, self.workgroup as usize, self.shuffles, size)
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

/// 32-bit words of a column of A, and of R', of J and of a partner's.
fn words(problem: &Problem) -> usize {
    let (m, n, size) = (problem.rows, problem.cols, problem.dtype.size());
    m.saturating_add(3 * n).saturating_mul(size / 4)
}

/// Entries an invocation has a place for in workgroup memory: A while its rows are compared, R on its
/// way to R'; without subgroups besides a column of A and its tau or diagonal, or one of R' and J and a norm, on their
/// way to other lanes.
fn places(m: usize, n: usize, shuffles: bool) -> usize {
    if shuffles { m } else { m + 1 + n }
}

/// Bytes of workgroup memory: the places, a number and two words an invocation, the order
/// of the rows, three words a team, and a flag or two.
fn bytes(m: usize, n: usize, workgroup: usize, shuffles: bool, size: usize) -> usize {
    let teams = workgroup / n.next_power_of_two();
    let places = workgroup * ((places(m, n, shuffles) + 1) * size + 8);
    places + teams * (m * (size + 4) + 12) + 32
}
