//! The host side of a call whose matrices are too large for registers: buffers, chunks, sweeps,
//! convergence; intake and delivery on the host.

use bytemuck::{Pod, Zeroable};

use crate::call::Call;
use crate::error::{Error, allocate, zeros};
use crate::filter;
use crate::gpu::Gpu;
use crate::gpu::compose::{Composition, Factors};
use crate::gpu::delivery::{Raw, deliver};
use crate::gpu::pipelines::SOLVE_BUFFERS;
use crate::gpu::shader::{Blueprint, Kernel};
use crate::gpu::state::{CONVERGED, ROTATIONS, RUNNING, STATE_WORDS, STATUS, SWEEPS};
use crate::gpu::stream::{Channel, Dispatch, PARAMS_SIZE, Part, SLOTS, Stream, Tools, take};
use crate::host::intake::{self, Head};
use crate::host::outputs::Outputs;
use crate::host::parallel;
use crate::options::Vectors;
use crate::planner::Problem;
use crate::planner::gpu::{GpuRecipe, Path, block};
use crate::scalar::Real;

/// As `Params` in shaders/bindings.wgsl.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct SolveParams {
    rows: u32,
    cols: u32,
    leading: u32,
    u_cols: u32,
    first: u32,
    begin: u32,
    end: u32,
    block: u32,
    column_lanes: u32,
    pair_lanes: u32,
    max_sweeps: u32,
    tolerance: f32,
}

const _: () = assert!(size_of::<SolveParams>() <= PARAMS_SIZE);

/// The buffers of one chunk.
pub(super) struct Buffers {
    a: wgpu::Buffer,
    x: wgpu::Buffer,
    u: wgpu::Buffer,
    values: wgpu::Buffer,
    pivots: wgpu::Buffer,
    state: wgpu::Buffer,
    weights: wgpu::Buffer,
    composed: wgpu::Buffer,
    solve: wgpu::BindGroup,
    compose: Option<wgpu::BindGroup>,
}

pub(super) async fn run<T: Real>(
    gpu: &Gpu,
    call: &Call<'_, T>,
    recipe: &GpuRecipe,
    outputs: Outputs<'_, T>,
) -> Result<Option<f64>, Error> {
    let count = outputs.outcomes.len();
    let chunk = recipe.chunk.min(count);
    let tools = match gpu.solve.take(&call.task.problem, chunk) {
        Some(tools) => tools,
        None => create::<T>(gpu, &call.task.problem, chunk).await?,
    };
    let stream = tools.stream(gpu, call.blocking);
    let solver = Solver {
        call,
        recipe,
        buffers: &tools.buffers,
        stream,
    };
    let mut host = Host::new(&call.task.problem, chunk)?;
    for (first, outputs) in outputs.runs(0, chunk, &call.task.sizes) {
        let done = first + outputs.outcomes.len();
        solver.solve_chunk(&mut host, first, outputs).await?;
        call.progress(done);
    }
    let seconds = stream.seconds().await?;
    gpu.solve.put(&call.task.problem, chunk, tools);
    Ok(seconds)
}

async fn create<T: Real>(
    gpu: &Gpu,
    problem: &Problem,
    chunk: usize,
) -> Result<Tools<Buffers>, Error> {
    let (m, n) = (problem.rows, problem.cols);
    let entries = |per_matrix: usize| chunk * per_matrix * size_of::<T>();
    let words = |per_matrix: usize| chunk * per_matrix * 4;
    // All that can be read back at once: every result of a chunk.
    let read = entries(2 * n + m * problem.formed_u_cols() + n * n) + words(n + STATE_WORDS);
    let read = read.max(entries(problem.sizes().composed));
    let channel = Channel::new(gpu, read).await?;
    let buffers = channel
        .make(gpu, |maker| {
            let a = maker.buffer("a", entries(m * n));
            let x = maker.buffer("x", entries(n * n));
            let j = maker.buffer("j", entries(n * n));
            let u = maker.buffer("u", entries(m * problem.formed_u_cols()));
            let values = maker.buffer("values", entries(2 * n));
            let pivots = maker.buffer("pivots", words(n));
            let state = maker.buffer("state", words(STATE_WORDS));
            let weights = maker.buffer("weights", entries(n));
            let composed = maker.buffer("composed", entries(problem.sizes().composed));
            let solve: [&wgpu::Buffer; SOLVE_BUFFERS] = [&a, &x, &j, &u, &values, &pivots, &state];
            let solve = solve.map(wgpu::Buffer::as_entire_buffer_binding);
            let solve = maker.group(&gpu.pipelines.solve_layout, &solve);
            let compose = problem.composed.map(|sides| {
                let [u, v, weights, composed, state] = [&u, &x, &weights, &composed, &state]
                    .map(wgpu::Buffer::as_entire_buffer_binding);
                let factors = Factors {
                    u,
                    v,
                    weights,
                    composed,
                    state,
                };
                maker.group(&gpu.pipelines.compose_layout, &factors.bindings(sides))
            });
            Buffers {
                a,
                x,
                u,
                values,
                pivots,
                state,
                weights,
                composed,
                solve,
                compose,
            }
        })
        .await?;
    Ok(Tools { channel, buffers })
}

/// The host's share of a chunk, used again for every chunk of a call.
struct Host<T> {
    packed: Vec<T>,
    order: Vec<u32>,
    heads: Vec<Head>,
}

impl<T: Real> Host<T> {
    fn new(problem: &Problem, chunk: usize) -> Result<Self, Error> {
        let head = Head {
            power: 0,
            finite: true,
        };
        Ok(Host {
            packed: zeros(chunk * problem.rows * problem.cols)?,
            order: zeros(chunk * problem.rows)?,
            heads: allocate(chunk, head)?,
        })
    }

    /// Packs `count` matrices of the call from `first` on.
    fn pack(&mut self, call: &Call<'_, T>, first: usize, count: usize) {
        let (m, n) = (call.task.problem.rows, call.task.problem.cols);
        let tasks: Vec<_> = self.packed[..count * m * n]
            .chunks_mut(m * n)
            .zip(self.order[..count * m].chunks_mut(m))
            .zip(&mut self.heads[..count])
            .enumerate()
            .collect();
        parallel::for_each(
            tasks,
            Vec::new,
            |scratch, (index, ((packed, order), head))| {
                let problem = &call.task.problem;
                *head = intake::take(&call.view, first + index, problem, packed, order, scratch);
            },
        );
    }
}

/// What came back from the device.
struct Results<T> {
    /// 2n a matrix: tau, then the singular values.
    values: Vec<T>,
    u: Vec<T>,
    v: Vec<T>,
    pivots: Vec<u32>,
    state: Vec<u32>,
    composed: Vec<T>,
}

struct Solver<'c, 'v, T> {
    call: &'c Call<'v, T>,
    recipe: &'c GpuRecipe,
    buffers: &'c Buffers,
    stream: Stream<'c>,
}

impl<T: Real> Solver<'_, '_, T> {
    async fn solve_chunk(
        &self,
        host: &mut Host<T>,
        first: usize,
        outputs: Outputs<'_, T>,
    ) -> Result<(), Error> {
        let count = outputs.outcomes.len();
        let problem = &self.call.task.problem;
        let (m, n) = (problem.rows, problem.cols);
        host.pack(self.call, first, count);
        let packed = &host.packed[..count * m * n];
        self.stream.write(&self.buffers.a, packed).await?;
        match self.recipe.path {
            // Columns never come here: they have their own host side.
            Path::Columns | Path::Resident => self.sweep_resident(Kernel::Solve, count).await?,
            Path::Swept => {
                self.factor(count).await?;
                self.sweep_resident(Kernel::Sweeps, count).await?;
            }
            Path::Rounds => {
                self.factor(count).await?;
                self.sweep_rounds(count).await?;
            }
        }
        self.form_u(count).await?;
        let mut results = self.download(count).await?;
        let sigma = |index: usize| &results.values[(2 * index + 1) * n..(2 * index + 2) * n];
        let thresholds: Vec<f64> = (0..count)
            .map(|index| {
                let (cutoff, power) = (&self.call.task.options.cutoff, host.heads[index].power);
                let largest = filter::largest(sigma(index));
                filter::threshold(cutoff, first + index, problem, power, largest)
            })
            .collect();
        if problem.composed.is_some() {
            let mut weights = zeros(count * n)?;
            for (index, weights) in weights.chunks_exact_mut(n).enumerate() {
                let threshold = thresholds[index];
                self.call
                    .task
                    .filter
                    .weights(sigma(index), threshold, weights);
            }
            results.composed = self.compose(&weights, count).await?;
        }
        self.deliver(host, &results, &thresholds, outputs);
        Ok(())
    }

    fn params(&self) -> SolveParams {
        let problem = &self.call.task.problem;
        let rows_per_lane = problem.rows.div_ceil(self.recipe.column_lanes as usize);
        SolveParams {
            rows: problem.rows as u32,
            cols: problem.cols as u32,
            leading: self.recipe.leading,
            u_cols: problem.formed_u_cols() as u32,
            first: 0,
            begin: 0,
            end: 0,
            block: block(rows_per_lane),
            column_lanes: self.recipe.column_lanes,
            pair_lanes: self.recipe.pair_lanes,
            max_sweeps: self.call.task.convergence.max_sweeps,
            tolerance: self.call.task.convergence.tolerance_f32(),
        }
    }

    async fn pipeline(&self, kernel: Kernel) -> Result<(wgpu::ComputePipeline, u32), Error> {
        let gpu = self.stream.gpu;
        let blueprint = Blueprint::new(kernel, &self.call.task.problem, self.recipe);
        let pipeline = gpu.pipelines.get(&gpu.device, blueprint).await?;
        Ok((pipeline, blueprint.workgroup))
    }

    /// Sweeps in workgroup memory, some a dispatch, until every matrix is done.
    async fn sweep_resident(&self, kernel: Kernel, count: usize) -> Result<(), Error> {
        let (mut kernel, step) = (kernel, self.recipe.sweeps_per_dispatch);
        let mut end = step;
        loop {
            let (pipeline, _) = self.pipeline(kernel).await?;
            for first in (0..count).step_by(self.recipe.matrices_per_submit) {
                let matrices = self.recipe.matrices_per_submit.min(count - first);
                let params = SolveParams {
                    first: first as u32,
                    end,
                    ..self.params()
                };
                let dispatch = Dispatch::new(&pipeline, params, [matrices as u32, 1]);
                self.stream.submit(&self.buffers.solve, &[dispatch]).await?;
            }
            if end >= self.call.task.convergence.max_sweeps || !self.any_running(count).await? {
                return Ok(());
            }
            kernel = Kernel::Resume;
            end += step;
        }
    }

    /// Whether a matrix of the chunk needs further sweeps.
    async fn any_running(&self, count: usize) -> Result<bool, Error> {
        let words = Part::new::<u32>(&self.buffers.state, count * STATE_WORDS);
        let state: Vec<u32> = self
            .stream
            .read(&[words], bytemuck::pod_collect_to_vec)
            .await?;
        Ok(state
            .chunks_exact(STATE_WORDS)
            .any(|s| s[STATUS] == RUNNING))
    }

    /// QR in global memory, some steps a submit.
    async fn factor(&self, count: usize) -> Result<(), Error> {
        let (pipeline, _) = self.pipeline(Kernel::Factor).await?;
        let n = self.call.task.problem.cols as u32;
        for begin in (0..n).step_by(self.recipe.steps_per_submit as usize) {
            let end = (begin + self.recipe.steps_per_submit).min(n);
            let params = SolveParams {
                begin,
                end,
                ..self.params()
            };
            let dispatch = Dispatch::new(&pipeline, params, [count as u32, 1]);
            self.stream.submit(&self.buffers.solve, &[dispatch]).await?;
        }
        Ok(())
    }

    /// Sweeps in global memory, some rounds a submit, until every matrix is done.
    async fn sweep_rounds(&self, count: usize) -> Result<(), Error> {
        let n = self.call.task.problem.cols as u32;
        let count = count as u32;
        let (begin, _) = self.pipeline(Kernel::Begin).await?;
        let (round, _) = self.pipeline(Kernel::Round).await?;
        let (advance, _) = self.pipeline(Kernel::Advance).await?;
        let (normalise, _) = self.pipeline(Kernel::Normalise).await?;
        let params = self.params();
        let start = Dispatch::new(&begin, params, [n, count]);
        self.stream.submit(&self.buffers.solve, &[start]).await?;
        let players = n + n % 2;
        // A slot is left for the advance.
        let most = (SLOTS - 1).min(self.recipe.rounds_per_submit as usize);
        loop {
            let mut pending = Vec::new();
            for begin in 0..players - 1 {
                let params = SolveParams { begin, ..params };
                pending.push(Dispatch::new(&round, params, [players / 2, count]));
                if pending.len() >= most {
                    self.stream.submit(&self.buffers.solve, &pending).await?;
                    pending.clear();
                }
            }
            pending.push(Dispatch::new(&advance, params, [count, 1]));
            self.stream.submit(&self.buffers.solve, &pending).await?;
            if !self.any_running(count as usize).await? {
                break;
            }
        }
        let end = Dispatch::new(&normalise, params, [n, count]);
        self.stream.submit(&self.buffers.solve, &[end]).await
    }

    async fn form_u(&self, count: usize) -> Result<(), Error> {
        let cols = self.call.task.problem.formed_u_cols() as u32;
        if cols == 0 {
            return Ok(());
        }
        let (pipeline, workgroup) = self.pipeline(Kernel::FormU).await?;
        let columns_per_group = workgroup / self.recipe.column_lanes;
        for begin in (0..cols).step_by(self.recipe.columns_per_submit as usize) {
            let end = (begin + self.recipe.columns_per_submit).min(cols);
            let params = SolveParams {
                begin,
                end,
                ..self.params()
            };
            let groups = [(end - begin).div_ceil(columns_per_group), count as u32];
            let dispatch = Dispatch::new(&pipeline, params, groups);
            self.stream.submit(&self.buffers.solve, &[dispatch]).await?;
        }
        Ok(())
    }

    /// left diag(weights) right' of every matrix of the chunk.
    async fn compose(&self, weights: &[T], count: usize) -> Result<Vec<T>, Error> {
        let problem = &self.call.task.problem;
        let Some(group) = &self.buffers.compose else {
            return Ok(Vec::new());
        };
        self.stream.write(&self.buffers.weights, weights).await?;
        // The host scales, as it does all else.
        if let Some(composition) = Composition::of(problem, 0) {
            let per_submit = self.recipe.composed_per_submit;
            composition
                .run(&self.stream, group, count, per_submit)
                .await?;
        }
        let len = count * problem.sizes().composed;
        let composed = Part::new::<T>(&self.buffers.composed, len);
        self.stream
            .read(&[composed], bytemuck::pod_collect_to_vec)
            .await
    }

    async fn download(&self, count: usize) -> Result<Results<T>, Error> {
        let problem = &self.call.task.problem;
        let (m, n) = (problem.rows, problem.cols);
        let wanted = problem.vectors != Vectors::None;
        let (u_size, v_size) = if wanted {
            (m * problem.u_cols(), n * n)
        } else {
            (0, 0)
        };
        let parts = [
            Part::new::<T>(&self.buffers.values, count * 2 * n),
            Part::new::<T>(&self.buffers.u, count * u_size),
            Part::new::<T>(&self.buffers.x, count * v_size),
            Part::new::<u32>(&self.buffers.pivots, count * n),
            Part::new::<u32>(&self.buffers.state, count * STATE_WORDS),
        ];
        self.stream
            .read(&parts, |mut rest| Results {
                values: take(&mut rest, count * 2 * n),
                u: take(&mut rest, count * u_size),
                v: take(&mut rest, count * v_size),
                pivots: take(&mut rest, count * n),
                state: take(&mut rest, count * STATE_WORDS),
                composed: Vec::new(),
            })
            .await
    }

    fn deliver(
        &self,
        host: &Host<T>,
        results: &Results<T>,
        thresholds: &[f64],
        outputs: Outputs<'_, T>,
    ) {
        let call = self.call;
        let problem = &call.task.problem;
        let (m, n) = (problem.rows, problem.cols);
        let sizes = &call.task.sizes;
        let tasks = outputs.runs(0, 1, sizes);
        parallel::for_each(
            tasks,
            || (),
            |_, (index, out)| {
                let state = &results.state[index * STATE_WORDS..][..STATE_WORDS];
                let raw = Raw {
                    sigma: &results.values[(2 * index + 1) * n..][..n],
                    u: &results.u[index * sizes.u..][..sizes.u],
                    v: &results.v[index * sizes.v..][..sizes.v],
                    pivots: &results.pivots[index * n..][..n],
                    composed: &results.composed[index * sizes.composed..][..sizes.composed],
                    sweeps: state[SWEEPS],
                    rotations: state[ROTATIONS],
                    converged: state[STATUS] == CONVERGED,
                };
                let order = &host.order[index * m..][..m];
                let (head, threshold) = (host.heads[index], thresholds[index]);
                deliver(problem, call.task.filter, threshold, head, order, &raw, out);
            },
        );
    }
}
