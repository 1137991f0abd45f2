//! What a path says of itself, and what it is asked.

use crate::data::factor::Factor;
use crate::data::scalar::Dtype;
use crate::data::tuning::Tuning;
use crate::planner::convergence::Convergence;
use crate::planner::iterations::Iterations;
use crate::planner::limits::Limits;
use crate::planner::problem::Problem;
use crate::shader::{Kernel, Sizes};

/// No subgroup is smaller anywhere that matters; a smaller workgroup would leave lanes idle.
pub(super) const SMALLEST_WORKGROUP: u32 = 32;

/// A problem, and a device for it.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub problem: &'a Problem,
    pub convergence: &'a Convergence,
    pub limits: &'a Limits,
    pub tuning: &'a Tuning,
    /// How kernels of matrices in memory would share the work.
    pub lanes: Lanes,
    /// The most invocations of a workgroup; a power of two.
    pub most: u32,
}

impl<'a> Ask<'a> {
    pub fn new(
        problem: &'a Problem,
        convergence: &'a Convergence,
        limits: &'a Limits,
        tuning: &'a Tuning,
    ) -> Self {
        let most = tuning
            .workgroup_invocations
            .min(limits.workgroup_invocations)
            .max(1);
        let most = 1 << most.ilog2();
        let per_lane = tuning.rows_per_lane.max(1);
        let share =
            |length: usize| (length.div_ceil(per_lane).next_power_of_two() as u32).min(most);
        let (n, column_lanes, pair_lanes) = (
            problem.cols as u32,
            share(problem.rows),
            share(problem.cols),
        );
        let wanted = (n * column_lanes).max(n.div_ceil(2) * pair_lanes);
        Ask {
            problem,
            convergence,
            limits,
            tuning,
            lanes: Lanes {
                workgroup: wanted
                    .next_power_of_two()
                    .clamp(SMALLEST_WORKGROUP.min(most), most),
                column_lanes,
                pair_lanes,
                subgroup: limits.subgroup,
            },
            most,
        }
    }

    /// Bytes of workgroup memory that a kernel may take.
    pub fn storage(&self) -> u32 {
        self.tuning
            .workgroup_storage
            .min(self.limits.workgroup_storage)
    }
}

/// How invocations share the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    /// Invocations of a workgroup of every kernel that its path does not give another.
    pub workgroup: u32,
    /// Invocations that share a column in the QR and in forming U; a power of two.
    pub column_lanes: u32,
    /// Invocations that share a pair of columns in the sweeps; a power of two.
    pub pair_lanes: u32,
    /// Lanes of a subgroup, at least; 1 for none.
    pub subgroup: u32,
}

impl Lanes {
    /// Invocations that share a column of one side.
    pub fn of(&self, side: Factor) -> u32 {
        let lanes = match side {
            Factor::U => self.column_lanes,
            Factor::V => self.pair_lanes,
        };
        lanes.min(self.workgroup)
    }

    pub fn iterations(&self, problem: &Problem) -> Iterations {
        Iterations {
            rows: problem.rows as u64,
            cols: problem.cols as u64,
            workgroup: self.workgroup.into(),
            column_lanes: self.column_lanes.into(),
            pair_lanes: self.pair_lanes.into(),
        }
    }
}

/// Bytes of workgroup memory by which the invocations of a workgroup sum: three real numbers each, an entry and an index;
/// and flags.
pub(crate) fn team_bytes(dtype: Dtype, workgroup: usize) -> usize {
    workgroup * (3 * dtype.real().size() + dtype.size() + 4) + 64
}

/// When a path applies.
pub(crate) trait Applies: Sized {
    /// What it is called in reports, in `explain` and in the benchmark.
    const NAME: &'static str;

    /// What it would do, or why it does not apply. That must not hang on what is wanted of a matrix: its bits would.
    fn new(ask: &Ask<'_>) -> Result<Self, String>;
}

/// What a path needs and does, once it is chosen.
pub(crate) trait Plan {
    /// Who solves.
    fn solver(&self) -> Solver;

    /// What one of its own kernels is compiled for.
    fn form(&self, kernel: Kernel, problem: &Problem, lanes: &Lanes) -> Form;

    /// Bytes of workgroup memory of the kernel that sweeps.
    fn workgroup_bytes(&self, problem: &Problem, lanes: &Lanes) -> usize;

    /// Invocations of a workgroup, where it is not what kernels of matrices in memory take.
    fn workgroup(&self) -> Option<u32> {
        None
    }

    /// Whether the kernel that decomposes composes too.
    fn fused(&self) -> bool {
        false
    }

    /// 32-bit words of a matrix that an invocation holds in registers, where they lie there.
    fn words(&self, _: &Problem) -> Option<usize> {
        None
    }

    /// Leading dimensions in workgroup memory, of the matrix and of the rotations; zero where it holds none.
    fn leading(&self) -> [u32; 2] {
        [0, 0]
    }

    /// Columns of a block; zero where there are none.
    fn block_width(&self) -> u32 {
        0
    }
}

/// What a kernel is compiled for.
pub(crate) struct Form {
    pub workgroup: u32,
    pub sizes: Sizes,
}

/// Who solves, and in which dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Solver {
    /// One kernel from the caller's entries to the caller's results, in one dispatch. So many lanes hold a matrix;
    /// a power of two.
    Alone { kernel: Kernel, team: u32 },
    /// A kernel for each stage. `factor` says whether the QR is a stage of its own, in global memory.
    Staged { factor: bool, sweeps: Sweeps },
}

/// Who sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sweeps {
    /// In workgroup memory, a workgroup a matrix, so many sweeps a dispatch: the first kernel once, then the other
    /// until every matrix is done.
    Workgroup {
        first: Kernel,
        resume: Kernel,
        per_dispatch: u32,
    },
    /// In global memory: a dispatch a round of a tournament in which columns, or blocks of them, meet.
    Global {
        round: Kernel,
        /// Invocations that share a pair of columns.
        lanes: u32,
        /// How many columns or blocks meet.
        meet: u32,
        /// Rounds of columns in one of these rounds, at most.
        rounds: u64,
    },
}

impl Solver {
    /// Whether the QR is in global memory: where it is not, a device is busy with few matrices.
    pub fn factors(self) -> bool {
        matches!(self, Solver::Staged { factor: true, .. })
    }
}

/// How many meet in a tournament of so many: an even number, one of which may not be there.
pub(crate) fn players(meet: u32) -> u32 {
    meet.next_multiple_of(2)
}
