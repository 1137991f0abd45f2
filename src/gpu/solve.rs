//! Matrices that registers do not hold: intake, QR, sweeps, U and delivery as kernels of their own, one
//! after the other.

use crate::data::error::Error;
use crate::gpu::Gpu;
use crate::gpu::binding::{Places, beside};
use crate::gpu::pipelines::Pipeline;
use crate::gpu::pool::Buffer;
use crate::gpu::shared::params;
use crate::gpu::state::{RUNNING, STATE_WORDS, STATUS};
use crate::gpu::stream::{Dispatch, Maker, PARAMS_SIZE, Part, SLOTS, Stream};
use crate::host::call::Task;
use crate::planner::Problem;
use crate::planner::Vectors;
use crate::planner::gpu::GpuRecipe;
use crate::planner::iterations::block;
use crate::planner::paths::global::{ADVANCE, BEGIN, NORMALISE};
use crate::planner::paths::plan::{Sweeps, players};
use crate::planner::paths::staged::{
    ARRANGE, COMPLETE, FACTOR, FORM_U, LOOK, ORDER, PLACE, SIGNS, SORT, sort_steps,
};
use crate::shader::{Bindings, Kernel};

params! {
    /// As `Params` in shaders/intake.wgsl.
    pub(super) struct IntakeParams {
        rows: u32,
        cols: u32,
        row_stride: u32,
        col_stride: u32,
        begin: u32,
        end: u32,
        groups: u32,
        transposed: u32,
    }
}

params! {
    /// As `Params` in shaders/bindings.wgsl.
    pub(super) struct SolveParams {
        rows: u32,
        cols: u32,
        u_cols: u32,
        first: u32,
        begin: u32,
        end: u32,
        block: u32,
        column_lanes: u32,
        max_sweeps: u32,
        tolerance: f32,
    }
}

params! {
    /// As `Params` in shaders/order.wgsl.
    pub(super) struct OrderParams {
        cols: u32,
        groups: u32,
        cutoffs: u32,
        form: u32,
        beside: u32,
    }
}

params! {
    /// As `Params` in shaders/deliver.wgsl.
    pub(super) struct DeliverParams {
        rows: u32,
        cols: u32,
        u_cols: u32,
        lanes: u32,
        begin: u32,
        end: u32,
        signs_by_u: u32,
    }
}

const _: () = assert!(size_of::<SolveParams>() <= PARAMS_SIZE);

/// So many dispatches of sweeps are submitted without asking whether any matrix needs them: those
/// that are done leave at once, and nobody waits.
const UNASKED: u32 = 6;
/// Sweeps in global memory before the first question, and from one to the next.
const FIRST_QUESTION: u32 = 4;
const QUESTIONS: u32 = 2;

/// What lies on the device between intake and delivery, for one chunk after the other.
pub(super) struct Scratch {
    a: Buffer,
    x: Buffer,
    j: Buffer,
    u: Buffer,
    values: Buffer,
    pivots: Buffer,
    rows: Buffer,
}

/// What the kernels bind, and the words that tell how matrices fare.
pub(super) struct Groups {
    intake: wgpu::BindGroup,
    solve: wgpu::BindGroup,
    order: wgpu::BindGroup,
    deliver: wgpu::BindGroup,
    state: wgpu::Buffer,
    first_word: usize,
}

impl Scratch {
    /// For so many matrices, if the recipe needs it.
    pub fn new(
        maker: &Maker<'_>,
        problem: &Problem,
        recipe: &GpuRecipe,
        chunk: usize,
    ) -> Option<Self> {
        if recipe.in_registers() {
            return None;
        }
        let (m, n, size) = (problem.rows, problem.cols, problem.dtype.size());
        let entries = |label, per_matrix: usize| maker.buffer(label, chunk * per_matrix * size);
        let words = |label, per_matrix: usize| maker.buffer(label, chunk * per_matrix * 4);
        Some(Scratch {
            a: entries("a", m * n),
            x: entries("x", n * n),
            j: entries("j", n * n),
            u: entries("formed u", m * problem.formed_u_cols()),
            values: entries("norms, tau, sigma", 2 * n),
            pivots: words("pivots, places", 2 * n),
            rows: words("rows", m * (1 + size / 4)),
        })
    }

    pub fn bind(&self, gpu: &Gpu, maker: &Maker<'_>, places: &Places<'_>) -> Groups {
        let Places {
            input,
            cutoffs,
            factors,
            ..
        } = places;
        let [a, x, j, u] = [&self.a, &self.x, &self.j, &self.u].map(Buffer::whole);
        let [values, pivots, rows] = [&self.values, &self.pivots, &self.rows].map(Buffer::whole);
        let state = &factors.state;
        let group = |bindings, buffers: &[&wgpu::BufferBinding<'_>]| {
            maker.group(gpu.pipelines.layout(bindings), buffers)
        };
        let sigma = &factors.weights;
        Groups {
            intake: group(Bindings::Intake, &[input, &a, &rows, state]),
            solve: group(Bindings::Solve, &[&a, &x, &j, &u, &values, &pivots, state]),
            order: group(Bindings::Order, &[&values, cutoffs, &pivots, sigma, state]),
            deliver: group(
                Bindings::Deliver,
                &[
                    &x, &u, &pivots, &rows, cutoffs, &factors.u, &factors.v, state,
                ],
            ),
            state: state.buffer.clone(),
            first_word: state.offset as usize / 4,
        }
    }
}

/// Decomposes the first `count` matrices, whose steps are from row to row and from column to column.
pub(super) async fn solve(
    stream: &Stream<'_>,
    task: &Task<'_>,
    recipe: &GpuRecipe,
    (factor, sweeps): (bool, Sweeps),
    groups: &Groups,
    steps: [usize; 2],
    count: usize,
) -> Result<(), Error> {
    let solver = Solver {
        stream,
        task,
        recipe,
        groups,
        count: count as u32,
    };
    solver.take_in(steps).await?;
    if factor {
        solver.factor().await?;
    }
    match sweeps {
        Sweeps::Workgroup {
            first,
            resume,
            per_dispatch,
        } => solver.sweep_resident(first, resume, per_dispatch).await?,
        Sweeps::Global { round, meet, .. } => solver.sweep_rounds(round, players(meet)).await?,
    }
    solver.form_u().await?;
    solver.order().await?;
    solver.deliver().await
}

struct Solver<'c, 's> {
    stream: &'c Stream<'s>,
    task: &'c Task<'c>,
    recipe: &'c GpuRecipe,
    groups: &'c Groups,
    count: u32,
}

impl Solver<'_, '_> {
    fn params(&self) -> SolveParams {
        let problem = &self.task.problem;
        let rows_per_lane = problem
            .rows
            .div_ceil(self.recipe.lanes.column_lanes as usize);
        SolveParams {
            rows: problem.rows as u32,
            cols: problem.cols as u32,
            u_cols: problem.formed_u_cols() as u32,
            first: 0,
            begin: 0,
            end: 0,
            block: block(rows_per_lane),
            column_lanes: self.recipe.lanes.column_lanes,
            max_sweeps: self.task.convergence.max_sweeps,
            tolerance: self.task.convergence.tolerance_f32(),
        }
    }

    async fn pipeline(&self, kernel: Kernel) -> Result<(Pipeline, u32), Error> {
        let gpu = self.stream.gpu;
        let blueprint = self.recipe.blueprint(kernel, &self.task.problem);
        let pipeline = gpu.pipeline(blueprint).await?;
        let workgroup = pipeline.blueprint.workgroup;
        Ok((pipeline, workgroup))
    }

    /// Workgroups for so many items, an invocation each, or some.
    fn spread(&self, items: usize) -> u32 {
        let most = self.stream.gpu.limits.workgroups;
        items
            .div_ceil(self.recipe.lanes.workgroup as usize)
            .min(most as usize) as u32
    }

    /// The caller's entries, scaled, rows in order.
    async fn take_in(&self, [row_stride, col_stride]: [usize; 2]) -> Result<(), Error> {
        let (m, n) = (self.task.problem.rows, self.task.problem.cols);
        let (look, _) = self.pipeline(LOOK).await?;
        let (sort, _) = self.pipeline(SORT).await?;
        let (arrange, _) = self.pipeline(ARRANGE).await?;
        let params = IntakeParams {
            rows: m as u32,
            cols: n as u32,
            row_stride: row_stride as u32,
            col_stride: col_stride as u32,
            begin: 0,
            end: 0,
            groups: 0,
            transposed: u32::from(self.task.problem.transposed),
        };
        let spread = |pipeline, items| {
            let groups = self.spread(items);
            let params = IntakeParams { groups, ..params };
            Dispatch::new(pipeline, params, [groups, self.count])
        };
        let mut dispatches = vec![spread(&look, m)];
        // A bitonic sort.
        let steps = sort_steps(m);
        for begin in (0..steps).step_by(self.recipe.per_submit.sorts as usize) {
            let end = steps.min(begin + self.recipe.per_submit.sorts);
            let params = IntakeParams {
                begin,
                end,
                ..params
            };
            dispatches.push(Dispatch::new(&sort, params, [self.count, 1]));
            if end < steps {
                self.stream.submit(&self.groups.intake, &dispatches).await?;
                dispatches.clear();
            }
        }
        dispatches.push(spread(&arrange, m * n));
        self.stream.submit(&self.groups.intake, &dispatches).await
    }

    /// Sweeps in workgroup memory, some a dispatch, until every matrix is done.
    async fn sweep_resident(&self, first: Kernel, resume: Kernel, step: u32) -> Result<(), Error> {
        let mut kernel = first;
        let most = self.task.convergence.max_sweeps;
        let mut end = step;
        loop {
            let (pipeline, _) = self.pipeline(kernel).await?;
            let per_submit = self.recipe.matrices_per_submit;
            for first in (0..self.count).step_by(per_submit) {
                let matrices = (self.count - first).min(per_submit as u32);
                let params = SolveParams {
                    first,
                    end,
                    ..self.params()
                };
                let dispatch = Dispatch::new(&pipeline, params, [matrices, 1]);
                self.stream.submit(&self.groups.solve, &[dispatch]).await?;
            }
            if end >= most {
                return Ok(());
            }
            let many = (most - end).div_ceil(step) >= UNASKED;
            // Who records has nobody to ask.
            if many && self.stream.recorder.is_none() && !self.any_running().await? {
                return Ok(());
            }
            kernel = resume;
            end += step;
        }
    }

    /// Whether a matrix of the chunk needs further sweeps.
    async fn any_running(&self) -> Result<bool, Error> {
        let words = self.count as usize * STATE_WORDS;
        let words = Part::at::<u32>(&self.groups.state, self.groups.first_word, words);
        let state: Vec<u32> = self
            .stream
            .read(&[words], bytemuck::pod_collect_to_vec)
            .await?;
        Ok(state
            .chunks_exact(STATE_WORDS)
            .any(|s| s[STATUS] == RUNNING))
    }

    /// QR in global memory, some steps a submit.
    async fn factor(&self) -> Result<(), Error> {
        let (pipeline, _) = self.pipeline(FACTOR).await?;
        let n = self.task.problem.cols as u32;
        for begin in (0..n).step_by(self.recipe.per_submit.steps as usize) {
            let end = (begin + self.recipe.per_submit.steps).min(n);
            let params = SolveParams {
                begin,
                end,
                ..self.params()
            };
            let dispatch = Dispatch::new(&pipeline, params, [self.count, 1]);
            self.stream.submit(&self.groups.solve, &[dispatch]).await?;
        }
        Ok(())
    }

    /// Sweeps in global memory, some rounds of columns or of blocks of them a submit, until every matrix
    /// is done.
    async fn sweep_rounds(&self, round: Kernel, players: u32) -> Result<(), Error> {
        let n = self.task.problem.cols as u32;
        let (begin, _) = self.pipeline(BEGIN).await?;
        let (advance, _) = self.pipeline(ADVANCE).await?;
        let (normalise, _) = self.pipeline(NORMALISE).await?;
        let params = self.params();
        let start = Dispatch::new(&begin, params, [n, self.count]);
        self.stream.submit(&self.groups.solve, &[start]).await?;
        let (round, _) = self.pipeline(round).await?;
        let params = SolveParams {
            end: players,
            ..params
        };
        // A slot is left for the advance.
        let most = (SLOTS - 1).min(self.recipe.per_submit.rounds as usize);
        for sweep in 1..=self.task.convergence.max_sweeps {
            let mut pending = Vec::new();
            for begin in 0..players - 1 {
                let params = SolveParams { begin, ..params };
                pending.push(Dispatch::new(&round, params, [players / 2, self.count]));
                if pending.len() >= most {
                    self.stream.submit(&self.groups.solve, &pending).await?;
                    pending.clear();
                }
            }
            pending.push(Dispatch::new(&advance, params, [self.count, 1]));
            self.stream.submit(&self.groups.solve, &pending).await?;
            let asks =
                sweep >= FIRST_QUESTION && (sweep - FIRST_QUESTION).is_multiple_of(QUESTIONS);
            if asks && !self.any_running().await? {
                break;
            }
        }
        let end = Dispatch::new(&normalise, params, [n, self.count]);
        self.stream.submit(&self.groups.solve, &[end]).await
    }

    async fn form_u(&self) -> Result<(), Error> {
        let cols = self.task.problem.formed_u_cols() as u32;
        if cols == 0 {
            return Ok(());
        }
        let (pipeline, workgroup) = self.pipeline(FORM_U).await?;
        let columns_per_group = workgroup / self.recipe.lanes.column_lanes;
        for begin in (0..cols).step_by(self.recipe.per_submit.columns as usize) {
            let end = (begin + self.recipe.per_submit.columns).min(cols);
            let params = SolveParams {
                begin,
                end,
                ..self.params()
            };
            let groups = [(end - begin).div_ceil(columns_per_group), self.count];
            let dispatch = Dispatch::new(&pipeline, params, groups);
            self.stream.submit(&self.groups.solve, &[dispatch]).await?;
        }
        Ok(())
    }

    /// Singular values or weights, ranks, and the places of the columns.
    async fn order(&self) -> Result<(), Error> {
        let (pipeline, _) = self.pipeline(ORDER).await?;
        let problem = &self.task.problem;
        let groups = self.spread(problem.cols);
        let params = OrderParams {
            cols: problem.cols as u32,
            groups,
            cutoffs: u32::from(self.task.options.has_each()),
            form: problem.composed.map_or(0, |_| self.task.filter.word()),
            beside: beside(problem, self.count as usize),
        };
        let dispatch = Dispatch::new(&pipeline, params, [groups, self.count]);
        self.stream.submit(&self.groups.order, &[dispatch]).await
    }

    /// U and V; of a composition, which gives columns without a singular value no weight, only places.
    async fn deliver(&self) -> Result<(), Error> {
        let problem = &self.task.problem;
        if !problem.forms_v() {
            return Ok(());
        }
        let (m, n) = (problem.rows as u32, problem.cols as u32);
        let (workgroup, u_cols) = (self.recipe.lanes.workgroup, problem.formed_u_cols() as u32);
        let params = DeliverParams {
            rows: m,
            cols: n,
            u_cols,
            lanes: self.recipe.lanes.column_lanes,
            begin: 0,
            end: 0,
            signs_by_u: u32::from(problem.signs_by_u),
        };
        let teams = u_cols.max(n).div_ceil(workgroup / params.lanes);
        let (place, _) = self.pipeline(PLACE).await?;
        let mut dispatches = vec![Dispatch::new(&place, params, [teams, self.count])];
        if problem.vectors != Vectors::None {
            let (complete, _) = self.pipeline(COMPLETE).await?;
            let (signs, _) = self.pipeline(SIGNS).await?;
            for begin in (0..n).step_by(self.recipe.per_submit.completed as usize) {
                let end = n.min(begin + self.recipe.per_submit.completed);
                let params = DeliverParams {
                    lanes: self.recipe.lanes.pair_lanes,
                    begin,
                    end,
                    ..params
                };
                dispatches.push(Dispatch::new(&complete, params, [self.count, 1]));
                if end < n {
                    self.stream
                        .submit(&self.groups.deliver, &dispatches)
                        .await?;
                    dispatches.clear();
                }
            }
            dispatches.push(Dispatch::new(&signs, params, [teams, self.count]));
        }
        self.stream.submit(&self.groups.deliver, &dispatches).await
    }
}
