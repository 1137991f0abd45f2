//! The kernels that solve a problem, in the order of their dispatches, as the GPU engine makes them: for who explains a
//! plan without carrying it out.

use crate::planner::Vectors;
use crate::planner::convergence::Convergence;
use crate::planner::gpu::GpuRecipe;
use crate::planner::paths::after::{COMPOSE_WORKGROUP, PROJECT, WEIGH, composing};
use crate::planner::paths::global::{ADVANCE, BEGIN, NORMALISE};
use crate::planner::paths::plan::{Solver, Sweeps, players};
use crate::planner::paths::staged::{
    ARRANGE, COMPLETE, FACTOR, FORM_U, LOOK, ORDER, PLACE, SIGNS, SORT, sort_steps,
};
use crate::planner::problem::Problem;
use crate::shader::{Blueprint, Kernel};

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

struct List<'a> {
    problem: &'a Problem,
    recipe: &'a GpuRecipe,
    sweeps: u64,
    stages: Vec<Stage>,
}

/// The stages of a recipe.
pub(crate) fn stages(
    problem: &Problem,
    recipe: &GpuRecipe,
    convergence: &Convergence,
) -> Vec<Stage> {
    let mut list = List {
        problem,
        recipe,
        sweeps: convergence.max_sweeps.into(),
        stages: Vec::new(),
    };
    match recipe.path.plan().solver() {
        Solver::Alone { kernel, team } => {
            let share = f64::from(team) / f64::from(recipe.lanes.workgroup);
            list.sweep(kernel, team, share, 1);
        }
        Solver::Staged { factor, sweeps } => list.staged(factor, sweeps),
    }
    if problem.composed.is_some() && !recipe.fused() {
        list.compose();
    }
    list.stages
}

/// Dispatches of so many steps.
fn times(all: u32, once: u32) -> u64 {
    u64::from(all.div_ceil(once.max(1)))
}

impl List<'_> {
    fn push(&mut self, blueprint: &Blueprint, lanes: u32, workgroups: f64, most_dispatches: u64) {
        let kernel = blueprint.kernel;
        self.stages.push(Stage {
            name: kernel.entry,
            text: blueprint.text(),
            workgroup: blueprint.workgroup,
            workgroups,
            most_dispatches,
            lanes,
            buffers: kernel.bindings.read_only().len() + 1,
            sweeps: false,
        });
    }

    fn sweep(&mut self, kernel: Kernel, lanes: u32, workgroups: f64, most_dispatches: u64) {
        self.push(
            &self.recipe.blueprint(kernel, self.problem),
            lanes,
            workgroups,
            most_dispatches,
        );
        if let Some(stage) = self.stages.last_mut() {
            stage.sweeps = true;
        }
    }

    /// A kernel whose lanes share a column.
    fn by_columns(&mut self, kernel: Kernel, workgroups: f64, most_dispatches: u64) {
        let blueprint = self.recipe.blueprint(kernel, self.problem);
        let lanes = self.recipe.lanes.column_lanes;
        self.push(&blueprint, lanes, workgroups, most_dispatches);
    }

    /// Any other.
    fn other(&mut self, kernel: Kernel, workgroups: f64, most_dispatches: u64) {
        let blueprint = self.recipe.blueprint(kernel, self.problem);
        let lanes = self.recipe.lanes.pair_lanes;
        self.push(&blueprint, lanes, workgroups, most_dispatches);
    }

    fn staged(&mut self, factor: bool, sweeps: Sweeps) {
        let (problem, recipe) = (self.problem, self.recipe);
        let (m, n) = (problem.rows as u32, problem.cols as u32);
        let (lanes, per_submit) = (recipe.lanes, recipe.per_submit);
        let spread = |items: u32| f64::from(items.div_ceil(lanes.workgroup));
        self.other(LOOK, spread(m), 1);
        self.other(SORT, 1.0, times(sort_steps(problem.rows), per_submit.sorts));
        self.other(ARRANGE, spread(m * n), 1);
        if factor {
            self.by_columns(FACTOR, 1.0, times(n, per_submit.steps));
        }
        match sweeps {
            Sweeps::Global {
                round, lanes, meet, ..
            } => {
                let players = players(meet);
                let rounds = u64::from(players - 1);
                self.other(BEGIN, n.into(), 1);
                self.sweep(round, lanes, f64::from(players / 2), self.sweeps * rounds);
                self.other(ADVANCE, 1.0, self.sweeps);
                self.other(NORMALISE, n.into(), 1);
            }
            Sweeps::Workgroup {
                first,
                resume,
                per_dispatch,
            } => {
                self.sweep(first, lanes.pair_lanes, 1.0, 1);
                let resumes = self.sweeps.div_ceil(per_dispatch.into()) - 1;
                if resumes > 0 {
                    self.sweep(resume, lanes.pair_lanes, 1.0, resumes);
                }
            }
        }
        let columns = lanes.workgroup / lanes.column_lanes;
        let formed = problem.formed_u_cols() as u32;
        if formed > 0 {
            let at_once = per_submit.columns.min(formed);
            let groups = f64::from(at_once.div_ceil(columns));
            self.by_columns(FORM_U, groups, times(formed, per_submit.columns));
        }
        self.other(ORDER, spread(n), 1);
        if problem.forms_v() {
            let teams = f64::from(formed.max(n).div_ceil(columns));
            self.by_columns(PLACE, teams, 1);
            if problem.vectors != Vectors::None {
                self.other(COMPLETE, 1.0, times(n, per_submit.completed));
                self.by_columns(SIGNS, teams, 1);
            }
        }
    }

    fn compose(&mut self) {
        let (problem, lanes) = (self.problem, self.recipe.lanes);
        if let (Some(rhs), Some((_, side))) = (problem.rhs, problem.composed) {
            let teams = lanes.workgroup / lanes.of(side);
            let entries = (rhs * problem.cols) as u32;
            self.other(WEIGH, rhs as f64, 1);
            self.other(PROJECT, f64::from(entries.div_ceil(teams)), 1);
        }
        let entries = problem.sizes().composed as u32;
        let groups = f64::from(entries.div_ceil(COMPOSE_WORKGROUP));
        self.push(&composing(problem.dtype), 1, groups, 1);
    }
}
