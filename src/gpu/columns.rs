//! The host side of a call whose matrices fit registers: the caller's entries go up as they are, and
//! what comes back is what the caller gets.

use bytemuck::{Pod, Zeroable};

use crate::call::{Call, Task};
use crate::error::{Error, zeros};
use crate::gpu::Gpu;
use crate::gpu::compose::{Composition, Factors};
use crate::gpu::shader::{Blueprint, Kernel};
use crate::gpu::state::{
    self, CONVERGED, LOST, NORMAL, OVERFLOWED, PRESENT, RANK, ROTATIONS, SCATTERED, STATE_WORDS,
    STATUS, SWEEPS,
};
use crate::gpu::stream::{Channel, Dispatch, Maker, Part, Stream, Tools, fill, take};
use crate::host::delivery::{NON_FINITE, status};
use crate::host::outputs::Outputs;
use crate::host::parallel;
use crate::planner::Problem;
use crate::planner::gpu::GpuRecipe;
use crate::report::Outcome;
use crate::scalar::Real;
use crate::scalar::sealed::Float;
use crate::view::View;

/// As `Params` in shaders/columns_bindings.wgsl.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    first: u32,
    end: u32,
    row_stride: u32,
    col_stride: u32,
    cutoffs: u32,
    max_sweeps: u32,
    tolerance: f32,
}

/// The buffers of one chunk.
pub(super) struct Buffers {
    input: wgpu::Buffer,
    cutoffs: wgpu::Buffer,
    u: wgpu::Buffer,
    v: wgpu::Buffer,
    values: wgpu::Buffer,
    state: wgpu::Buffer,
    composed: wgpu::Buffer,
    groups: Groups,
}

/// What the kernels bind.
pub(super) struct Groups {
    columns: wgpu::BindGroup,
    compose: Option<wgpu::BindGroup>,
}

/// Where a chunk's matrices are, and where its results go: singular values, or weights, among them.
pub(super) struct Places<'b> {
    pub input: wgpu::BufferBinding<'b>,
    pub cutoffs: wgpu::BufferBinding<'b>,
    pub factors: Factors<'b>,
}

impl Places<'_> {
    pub fn groups(self, gpu: &Gpu, maker: &Maker<'_>, problem: &Problem) -> Groups {
        let factors = self.factors;
        let columns = [
            self.input,
            self.cutoffs,
            factors.u.clone(),
            factors.v.clone(),
            factors.weights.clone(),
            factors.state.clone(),
        ];
        Groups {
            columns: maker.group(&gpu.pipelines.columns_layout, &columns),
            compose: problem
                .composed
                .map(|sides| maker.group(&gpu.pipelines.compose_layout, &factors.bindings(sides))),
        }
    }
}

pub(super) async fn run<T: Real>(
    gpu: &Gpu,
    call: &Call<'_, T>,
    recipe: &GpuRecipe,
    outputs: Outputs<'_, T>,
) -> Result<Option<f64>, Error> {
    let problem = &call.task.problem;
    let chunk = recipe.chunk.min(outputs.outcomes.len());
    let tools = match gpu.columns.take(problem, chunk) {
        Some(tools) => tools,
        None => create::<T>(gpu, problem, chunk).await?,
    };
    let (stream, buffers) = (tools.stream(gpu, call.blocking), &tools.buffers);
    let mut packed = Vec::new();
    for (first, outputs) in outputs.runs(0, chunk, &call.task.sizes) {
        let count = outputs.outcomes.len();
        let steps = match call.view.dense(first, count) {
            Some((entries, steps)) => {
                stream.write(&buffers.input, entries).await?;
                steps
            }
            None => {
                pack(&call.view, first, count, &mut packed)?;
                stream.write(&buffers.input, &packed).await?;
                [1, problem.rows]
            }
        };
        let cutoffs = cutoffs::<T>(&call.task, first, count);
        stream.write(&buffers.cutoffs, &cutoffs).await?;
        solve(&stream, &call.task, recipe, &buffers.groups, steps, count).await?;
        download(&stream, call, buffers, outputs).await?;
        call.progress(first + count);
    }
    let seconds = stream.seconds().await?;
    gpu.columns.put(problem, chunk, tools);
    Ok(seconds)
}

/// Decomposes and composes the matrices of one chunk, whose steps are from row to row and from column
/// to column.
pub(super) async fn solve(
    stream: &Stream<'_>,
    task: &Task<'_>,
    recipe: &GpuRecipe,
    groups: &Groups,
    [row_stride, col_stride]: [usize; 2],
    count: usize,
) -> Result<(), Error> {
    let gpu = stream.gpu;
    let blueprint = Blueprint::new(Kernel::Columns, &task.problem, recipe);
    let pipeline = gpu.pipelines.get(&gpu.device, blueprint).await?;
    let teams = (recipe.workgroup / recipe.team) as usize;
    for begin in (0..count).step_by(recipe.matrices_per_submit) {
        let end = count.min(begin + recipe.matrices_per_submit);
        let params = Params {
            first: begin as u32,
            end: end as u32,
            row_stride: row_stride as u32,
            col_stride: col_stride as u32,
            cutoffs: u32::from(task.options.cutoff.is_each()),
            max_sweeps: task.convergence.max_sweeps,
            tolerance: task.convergence.tolerance_f32(),
        };
        let dispatch = Dispatch::new(&pipeline, params, [(end - begin).div_ceil(teams) as u32, 1]);
        stream.submit(&groups.columns, &[dispatch]).await?;
    }
    let composition = Composition::of(&task.problem, -task.filter.degree());
    if let (Some(composition), Some(group)) = (composition, &groups.compose) {
        composition
            .run(stream, group, count, recipe.composed_per_submit)
            .await?;
    }
    Ok(())
}

async fn create<T: Real>(
    gpu: &Gpu,
    problem: &Problem,
    chunk: usize,
) -> Result<Tools<Buffers>, Error> {
    let (m, n) = (problem.rows, problem.cols);
    let entries = |per_matrix: usize| chunk * per_matrix * size_of::<T>();
    let sizes = problem.sizes();
    let read = entries(sizes.u + sizes.sigma + sizes.v + sizes.composed) + chunk * STATE_WORDS * 4;
    let channel = Channel::new(gpu, read).await?;
    let buffers = channel
        .make(gpu, |maker| {
            let input = maker.buffer("input", entries(m * n));
            let cutoffs = maker.buffer("cutoffs", entries(CUTOFFS) + size_of::<T>());
            let u = maker.buffer("u", entries(m * problem.formed_u_cols()));
            let v = maker.buffer("v", entries(n * n));
            let values = maker.buffer("values", entries(n));
            let state = maker.buffer("state", chunk * STATE_WORDS * 4);
            let composed = maker.buffer("composed", entries(sizes.composed));
            let places = Places {
                input: input.as_entire_buffer_binding(),
                cutoffs: cutoffs.as_entire_buffer_binding(),
                factors: Factors {
                    u: u.as_entire_buffer_binding(),
                    v: v.as_entire_buffer_binding(),
                    weights: values.as_entire_buffer_binding(),
                    composed: composed.as_entire_buffer_binding(),
                    state: state.as_entire_buffer_binding(),
                },
            };
            let groups = places.groups(gpu, maker, problem);
            Buffers {
                input,
                cutoffs,
                u,
                v,
                values,
                state,
                composed,
                groups,
            }
        })
        .await?;
    Ok(Tools { channel, buffers })
}

/// Packs `count` matrices from `first` on, column by column.
pub(super) fn pack<T: Real>(
    view: &View<'_, T>,
    first: usize,
    count: usize,
    packed: &mut Vec<T>,
) -> Result<(), Error> {
    let (m, n) = (view.rows(), view.cols());
    if packed.is_empty() {
        *packed = zeros(count * m * n)?;
    }
    // The last chunk is the smallest.
    packed.truncate(count * m * n);
    parallel::for_each(
        packed.chunks_exact_mut(m * n).enumerate().collect(),
        || (),
        |_, (index, to): (usize, &mut [T])| {
            for (j, to) in to.chunks_exact_mut(m).enumerate() {
                for (to, entry) in to.iter_mut().zip(view.column(first + index, j)) {
                    *to = entry;
                }
            }
        },
    );
    Ok(())
}

/// Numbers that say what a matrix' cutoffs are.
pub(super) const CUTOFFS: usize = 3;

/// NaN, and the cutoffs of all matrices, or of each: see shaders/columns_bindings.wgsl.
pub(super) fn cutoffs<T: Real>(task: &Task<'_>, first: usize, count: usize) -> Vec<T> {
    let cutoff = &task.options.cutoff;
    let count = if cutoff.is_each() { count } else { 1 };
    let mut numbers = vec![T::NAN];
    for index in first..first + count {
        let (relative, absolute) = cutoff.of(index, task.problem.default_cutoff());
        let exponent = match absolute {
            0.0 => 0,
            _ => absolute.exponent(),
        };
        let mantissa = absolute.ldexp(-exponent);
        // Rounded down: what is above the cutoff by less than a rounding still counts.
        numbers.extend([relative, mantissa, exponent.into()].map(T::not_above));
    }
    numbers
}

async fn download<T: Real>(
    stream: &Stream<'_>,
    call: &Call<'_, T>,
    buffers: &Buffers,
    out: Outputs<'_, T>,
) -> Result<(), Error> {
    let problem = &call.task.problem;
    let count = out.outcomes.len();
    // A call that composes is judged by its composition: nobody sees its singular values.
    let composes = problem.composed.is_some();
    let values = if composes { 0 } else { out.sigma.len() };
    let parts = [
        Part::new::<u32>(&buffers.state, count * STATE_WORDS),
        Part::new::<T>(&buffers.values, values),
        Part::new::<T>(&buffers.u, out.u.len()),
        Part::new::<T>(&buffers.v, out.v.len()),
        Part::new::<T>(&buffers.composed, out.composed.len()),
    ];
    let Outputs {
        u,
        sigma,
        v,
        composed,
        outcomes,
    } = out;
    let state: Vec<u32> = stream
        .read(&parts, |mut bytes| {
            let state = take(&mut bytes, count * STATE_WORDS);
            fill(&mut bytes, &mut sigma[..values]);
            fill(&mut bytes, u);
            fill(&mut bytes, v);
            fill(&mut bytes, composed);
            state
        })
        .await?;
    for (outcome, state) in outcomes.iter_mut().zip(state.chunks_exact(STATE_WORDS)) {
        *outcome = outcome_of(state)?;
    }
    Ok(())
}

/// What the report says of a matrix.
pub(super) fn outcome_of(state: &[u32]) -> Result<Outcome, Error> {
    match state[STATUS] {
        state::NON_FINITE => return Ok(NON_FINITE),
        SCATTERED => {
            let text = "neighbours in a workgroup are not neighbours in a subgroup";
            return Err(Error::Device(text.into()));
        }
        _ => {}
    }
    let lost = state[LOST];
    let vanished = lost & (PRESENT | NORMAL) == PRESENT;
    let representable = lost & OVERFLOWED == 0 && !vanished;
    Ok(Outcome {
        status: status(representable, state[STATUS] == CONVERGED),
        sweeps: state[SWEEPS],
        rotations: state[ROTATIONS],
        rank: state[RANK],
    })
}
