//! In global memory, and two blocks of columns at a time in workgroup memory; a dispatch a round of blocks:
//! large matrices.
//!
//! # Without checks
//!
//! Besides what `global` says:
//! - A tile's columns are LEADING entries apart, as TILE_LEN counts, and its places stay below 2 WIDTH. `bytes` counts it.
//! - A column of the last block, or of a further one, may not be there: it is compared with COLS before use.

use crate::data::scalar::Dtype;
use crate::planner::problem::Problem;
use crate::planner::iterations::Iterations;
use crate::planner::paths::banks::{BANKS, spread};
use crate::planner::paths::plan::{
    Applies, Ask, Form, Lanes, Plan, SMALLEST_WORKGROUP, Solver, Sweeps,
    team_bytes,
};
use crate::planner::paths::{global, sweeping};
use crate::shader::{Bindings, Kernel, shader};

pub(super) const BLOCKS: Kernel = Kernel::new("blocks", shader!("blocks"), Bindings::Solve);

/// Blocks of columns, two of which meet in workgroup memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// Columns of a block.
    width: u32,
    /// Invocations of the workgroup in which two blocks meet.
    pub workgroup: u32,
    /// Those on a pair of columns; a power of two.
    pub lanes: u32,
    /// From a column to the next: by it rows spread over the banks.
    leading: u32,
    /// How many there are.
    meet: u32,
}

impl Applies for Blocks {
    const NAME: &'static str = "jacobi-blocks";

    /// As few as fit, for as few ways between the memories; for an even number, so that each has an opponent
    /// in every round, if the last is not empty; but of two columns at least. What is wanted of a matrix
    /// does not matter: its singular values would depend on it.
    fn new(ask: &Ask<'_>) -> Result<Self, String> {
        let (n, dtype) = (ask.problem.cols, ask.problem.dtype);
        let (most, limits, tuning, storage) = (ask.most, ask.limits, ask.tuning, ask.storage());
        let most_blocks = n.div_ceil(2).next_multiple_of(2);
        let mut least = (n, 0);
        let found = (4..=most_blocks).step_by(2).find_map(|count| {
            let width = n.div_ceil(count).max(2);
            // A team a pair, if there may be so many.
            let pairs = (width as u32).min(most);
            let shared = n.div_ceil(tuning.rows_per_lane.max(1)).next_power_of_two() as u32;
            let lanes = shared.min(1 << (most / pairs).ilog2());
            // No wider than a subgroup, if that does not leave most of a workgroup idle.
            let lanes = match lanes.min(limits.subgroup) {
                held if held > 1 && held * pairs >= SMALLEST_WORKGROUP => held,
                _ => lanes,
            };
            let workgroup = (lanes * pairs)
                .next_multiple_of(SMALLEST_WORKGROUP)
                .min(most);
            let banks = 4 * BANKS / dtype.size();
            let leading = spread(
                n,
                if lanes as usize >= banks {
                    1
                } else {
                    lanes as usize
                },
            );
            let bytes = bytes(width, leading, workgroup as usize, dtype);
            let steps = iterations(n as u64, width as u64, lanes.into(), workgroup.into());
            least = (bytes, width);
            let fits = bytes <= storage as usize && steps <= limits.iterations;
            fits.then_some(Blocks {
                width: width as u32,
                workgroup,
                lanes,
                leading: leading as u32,
                meet: n.div_ceil(width) as u32,
            })
        });
        found.ok_or_else(|| match least {
            (_, 0) => format!("takes four blocks of columns, of {n} columns"),
            (bytes, width) => format!(
                "takes {bytes} bytes of workgroup memory for two blocks of {width} columns, of {storage}"
            ),
        })
    }
}

impl Plan for Blocks {
    fn solver(&self) -> Solver {
        Solver::Staged {
            factor: true,
            sweeps: Sweeps::Global {
                round: BLOCKS,
                lanes: self.lanes,
                meet: self.meet,
                // The first round does most: columns of one block meet in it too.
                rounds: 2 * u64::from(self.width) - 1,
            },
        }
    }

    fn form(&self, kernel: Kernel, problem: &Problem, lanes: &Lanes) -> Form {
        if kernel != BLOCKS {
            return global::form(problem, lanes);
        }
        let (width, leading) = (self.width, self.leading);
        let share = problem.cols.div_ceil(self.lanes as usize);
        let memory = [
            ("LEADING", leading),
            ("TILE_LEN", 2 * width * leading),
            ("WIDTH", width),
        ];
        let words = format!("{width} columns {leading} apart");
        Form {
            workgroup: self.workgroup,
            sizes: sweeping::sizes(problem.cols, self.lanes, share, &memory, words),
        }
    }

    fn workgroup_bytes(&self, problem: &Problem, _: &Lanes) -> usize {
        let [width, leading, workgroup] =
            [self.width, self.leading, self.workgroup].map(|number| number as usize);
        bytes(width, leading, workgroup, problem.dtype)
    }

    fn leading(&self) -> [u32; 2] {
        [self.leading; 2]
    }

    fn block_width(&self) -> u32 {
        self.width
    }
}

/// How often the loops of one invocation go round in a dispatch, from above.
fn iterations(n: u64, width: u64, lanes: u64, workgroup: u64) -> u64 {
    let copies = 2 * (2 * width * n).div_ceil(workgroup) + 2;
    let pair = 2 * Iterations::share(n, lanes) + Iterations::tree(lanes) + 1;
    let passes = width.div_ceil((workgroup / lanes).max(1)) + 1;
    copies + 2 * width * (passes * pair + 1)
}

/// Bytes of workgroup memory of two blocks of columns and of their rotations, and of the sums.
fn bytes(width: usize, leading: usize, workgroup: usize, dtype: Dtype) -> usize {
    4 * width * leading * dtype.size() + team_bytes(dtype, workgroup)
}
