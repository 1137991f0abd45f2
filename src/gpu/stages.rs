//! The kernels that solve a problem, in the order of their dispatches, as `registers`, `solve`, `rhs` and
//! `compose` make them: for who explains a plan without carrying it out.

use crate::gpu::compose::composing;
use crate::gpu::shader::{Blueprint, COMPOSE_WORKGROUP, Kernel};
use crate::options::Vectors;
use crate::planner::gpu::{GpuRecipe, Path};
use crate::planner::{Convergence, Problem};

/// A kernel of a plan, and its dispatches.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stage {
    /// The entry point.
    pub name: &'static str,
    /// WGSL.
    pub text: String,
    /// Invocations in a workgroup.
    pub workgroup: u32,
    /// Workgroups that a matrix takes in one dispatch: less than one where several share one.
    pub workgroups: f64,
    /// Dispatches of a chunk of matrices, if all sweeps are done that may be.
    pub most_dispatches: u64,
    /// Lanes on a column, or in the sweeps on a pair of columns.
    pub lanes: u32,
    /// Buffers that it sees, parameters included.
    pub buffers: usize,
    /// Whether it sweeps: most of the time is its.
    pub sweeps: bool,
}

/// The stages of a recipe.
pub(crate) fn stages(
    problem: &Problem,
    recipe: &GpuRecipe,
    convergence: &Convergence,
) -> Vec<Stage> {
    let (m, n) = (problem.rows as u32, problem.cols as u32);
    let spread = |items: u32| f64::from(items.div_ceil(recipe.workgroup));
    let formed = problem.formed_u_cols() as u32;
    let sweeps = u64::from(convergence.max_sweeps);
    let mut list = Vec::new();
    let mut stage = |kernel: Kernel, workgroups: f64, most_dispatches: u64| {
        let blueprint = Blueprint::new(kernel, problem, recipe);
        list.push(Stage {
            name: kernel.entry_point(),
            text: blueprint.text(),
            workgroup: blueprint.workgroup,
            workgroups,
            most_dispatches,
            lanes: match kernel {
                Kernel::Tiny => 1,
                Kernel::Columns => recipe.team,
                Kernel::Blocks => recipe.block_lanes,
                Kernel::Factor | Kernel::FormU | Kernel::Place | Kernel::Signs => {
                    recipe.column_lanes
                }
                _ => recipe.pair_lanes,
            },
            buffers: kernel.bindings().read_only().len() + 1,
            sweeps: matches!(
                kernel,
                Kernel::Tiny
                    | Kernel::Columns
                    | Kernel::Solve
                    | Kernel::Sweeps
                    | Kernel::Resume
                    | Kernel::Blocks
                    | Kernel::Round
            ),
        });
    };
    let times = |all: u32, once: u32| u64::from(all.div_ceil(once.max(1)));
    if recipe.path.in_registers() {
        let kernel = match recipe.path {
            Path::Tiny => Kernel::Tiny,
            _ => Kernel::Columns,
        };
        stage(
            kernel,
            f64::from(recipe.team) / f64::from(recipe.workgroup),
            1,
        );
    } else {
        let doublings = m.next_power_of_two().trailing_zeros();
        let sorts = doublings * (doublings + 1) / 2;
        stage(Kernel::Look, spread(m), 1);
        stage(Kernel::Sort, 1.0, times(sorts, recipe.sorts_per_submit));
        stage(Kernel::Arrange, spread(m * n), 1);
        if recipe.path != Path::Resident {
            stage(Kernel::Factor, 1.0, times(n, recipe.steps_per_submit));
        }
        match recipe.path {
            Path::Blocks | Path::Rounds => {
                let (kernel, meet) = match recipe.path {
                    Path::Blocks => (Kernel::Blocks, n.div_ceil(recipe.block_width)),
                    _ => (Kernel::Round, n),
                };
                let players = meet.next_multiple_of(2);
                let rounds = u64::from(players - 1);
                stage(Kernel::Begin, n.into(), 1);
                stage(kernel, f64::from(players / 2), sweeps * rounds);
                stage(Kernel::Advance, 1.0, sweeps);
                stage(Kernel::Normalise, n.into(), 1);
            }
            path => {
                let first = match path {
                    Path::Resident => Kernel::Solve,
                    _ => Kernel::Sweeps,
                };
                stage(first, 1.0, 1);
                let resumes = sweeps.div_ceil(recipe.sweeps_per_dispatch.into()) - 1;
                if resumes > 0 {
                    stage(Kernel::Resume, 1.0, resumes);
                }
            }
        }
        let columns = recipe.workgroup / recipe.column_lanes;
        if formed > 0 {
            let at_once = recipe.columns_per_submit.min(formed);
            let groups = f64::from(at_once.div_ceil(columns));
            stage(
                Kernel::FormU,
                groups,
                times(formed, recipe.columns_per_submit),
            );
        }
        stage(Kernel::Order, spread(n), 1);
        if problem.forms_v() {
            let teams = f64::from(formed.max(n).div_ceil(columns));
            stage(Kernel::Place, teams, 1);
            if problem.vectors != Vectors::None {
                let completes = times(n, recipe.completed_per_submit);
                stage(Kernel::Complete, 1.0, completes);
                stage(Kernel::Signs, teams, 1);
            }
        }
    }
    if problem.composed.is_some() && !recipe.fused {
        if let (Some(rhs), Some((_, side))) = (problem.rhs, problem.composed) {
            let teams = recipe.workgroup / recipe.lanes_of(side);
            let entries = (rhs * problem.cols) as u32;
            stage(Kernel::Weigh, rhs as f64, 1);
            stage(Kernel::Project, f64::from(entries.div_ceil(teams)), 1);
        }
        let entries = problem.sizes().composed as u32;
        let groups = f64::from(entries.div_ceil(COMPOSE_WORKGROUP));
        list.push(Stage {
            name: Kernel::Compose.entry_point(),
            text: composing(problem.dtype).text(),
            workgroup: COMPOSE_WORKGROUP,
            workgroups: groups,
            most_dispatches: 1,
            lanes: 1,
            buffers: Kernel::Compose.bindings().read_only().len() + 1,
            sweeps: false,
        });
    }
    list
}
