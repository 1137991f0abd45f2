//! The host side of a call whose matrices fit registers: the caller's entries go up as they are, and
//! what comes back is what the caller gets.

use bytemuck::{Pod, Zeroable};

use crate::call::Call;
use crate::error::{Error, zeros};
use crate::gpu::Gpu;
use crate::gpu::compose::{Factors, compose};
use crate::gpu::shader::{Blueprint, Kernel};
use crate::gpu::state::{
    self, CONVERGED, LOST, NORMAL, OVERFLOWED, PRESENT, RANK, ROTATIONS, SCATTERED, STATE_WORDS,
    STATUS, SWEEPS,
};
use crate::gpu::stream::{Channel, Dispatch, Part, Stream, Tools, fill, take};
use crate::host::delivery::{NON_FINITE, status};
use crate::host::outputs::Outputs;
use crate::host::parallel;
use crate::planner::Problem;
use crate::planner::gpu::GpuRecipe;
use crate::report::Outcome;
use crate::scalar::Real;
use crate::scalar::sealed::Float;

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
    columns: wgpu::BindGroup,
    compose: Option<wgpu::BindGroup>,
}

pub(super) async fn run<T: Real>(
    gpu: &Gpu,
    call: &Call<'_, T>,
    recipe: &GpuRecipe,
    outputs: Outputs<'_, T>,
) -> Result<Option<f64>, Error> {
    let sizes = &call.sizes;
    let chunk = recipe.chunk.min(outputs.outcomes.len());
    let tools = match gpu.columns.take(&call.problem, chunk) {
        Some(tools) => tools,
        None => create::<T>(gpu, &call.problem, chunk).await?,
    };
    let (stream, buffers) = (tools.stream(gpu, call.blocking), &tools.buffers);
    let blueprint = Blueprint::new(Kernel::Columns, &call.problem, recipe);
    let pipeline = gpu.pipelines.get(&gpu.device, blueprint).await?;
    let mut packed = Vec::new();
    for (first, outputs) in outputs.runs(0, chunk, sizes) {
        let count = outputs.outcomes.len();
        let [row_stride, col_stride] = upload(&stream, call, first, count, &mut packed, buffers)
            .await?
            .map(|step| step as u32);
        let cutoffs = cutoffs(call, first, count);
        stream.write(&buffers.cutoffs, &cutoffs).await?;
        let teams = (recipe.workgroup / recipe.team) as usize;
        for begin in (0..count).step_by(recipe.matrices_per_submit) {
            let end = count.min(begin + recipe.matrices_per_submit);
            let params = Params {
                first: begin as u32,
                end: end as u32,
                row_stride,
                col_stride,
                cutoffs: u32::from(call.options.cutoff.is_each()),
                max_sweeps: call.convergence.max_sweeps,
                tolerance: call.convergence.tolerance_f32(),
            };
            let groups = (end - begin).div_ceil(teams) as u32;
            let dispatch = Dispatch::new(&pipeline, params, [groups, 1]);
            stream.submit(&buffers.columns, &[dispatch]).await?;
        }
        if let Some(group) = &buffers.compose {
            let lift = -call.filter.degree();
            compose(&stream, &call.problem, recipe, group, count, lift).await?;
        }
        download(&stream, call, buffers, outputs).await?;
        call.progress(first + count);
    }
    let seconds = stream.seconds().await?;
    gpu.columns.put(&call.problem, chunk, tools);
    Ok(seconds)
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
            let columns = [&input, &cutoffs, &u, &v, &values, &state];
            let columns = maker.group(&gpu.pipelines.columns_layout, &columns);
            let compose = problem.composed.map(|sides| {
                let factors = Factors {
                    u: &u,
                    v: &v,
                    weights: &values,
                    state: &state,
                };
                factors.group(gpu, maker, sides, &composed)
            });
            Buffers {
                input,
                cutoffs,
                u,
                v,
                values,
                state,
                composed,
                columns,
                compose,
            }
        })
        .await?;
    Ok(Tools { channel, buffers })
}

/// Writes the entries of `count` matrices from `first` on, as they are if they lie in one piece;
/// returns the steps from row to row and from column to column.
async fn upload<T: Real>(
    stream: &Stream<'_>,
    call: &Call<'_, T>,
    first: usize,
    count: usize,
    packed: &mut Vec<T>,
    buffers: &Buffers,
) -> Result<[usize; 2], Error> {
    if let Some((entries, steps)) = call.view.dense(first, count) {
        stream.write(&buffers.input, entries).await?;
        return Ok(steps);
    }
    let (m, n) = (call.problem.rows, call.problem.cols);
    if packed.is_empty() {
        *packed = zeros(count * m * n)?;
    }
    let matrices = packed.chunks_exact_mut(m * n).take(count).enumerate();
    parallel::for_each(
        matrices.collect(),
        || (),
        |_, (index, to)| {
            for (j, to) in to.chunks_exact_mut(m).enumerate() {
                for (to, entry) in to.iter_mut().zip(call.view.column(first + index, j)) {
                    *to = entry;
                }
            }
        },
    );
    stream
        .write(&buffers.input, &packed[..count * m * n])
        .await?;
    Ok([1, m])
}

/// Numbers that say what a matrix' cutoffs are.
const CUTOFFS: usize = 3;

/// NaN, and the cutoffs of all matrices, or of each: see shaders/columns_bindings.wgsl.
fn cutoffs<T: Real>(call: &Call<'_, T>, first: usize, count: usize) -> Vec<T> {
    let cutoff = &call.options.cutoff;
    let count = if cutoff.is_each() { count } else { 1 };
    let mut numbers = vec![T::NAN];
    for index in first..first + count {
        let (relative, absolute) = cutoff.of(index, call.problem.default_cutoff());
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
    let problem = &call.problem;
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
    if state
        .chunks_exact(STATE_WORDS)
        .any(|s| s[STATUS] == SCATTERED)
    {
        let text = "neighbours in a workgroup are not neighbours in a subgroup";
        return Err(Error::Device(text.into()));
    }
    for (outcome, state) in outcomes.iter_mut().zip(state.chunks_exact(STATE_WORDS)) {
        *outcome = outcome_of(state);
    }
    Ok(())
}

/// What the report says of a matrix.
fn outcome_of(state: &[u32]) -> Outcome {
    if state[STATUS] == state::NON_FINITE {
        return NON_FINITE;
    }
    let lost = state[LOST];
    let vanished = lost & (PRESENT | NORMAL) == PRESENT;
    let representable = lost & OVERFLOWED == 0 && !vanished;
    Outcome {
        status: status(representable, state[STATUS] == CONVERGED),
        sweeps: state[SWEEPS],
        rotations: state[ROTATIONS],
        rank: state[RANK],
    }
}
