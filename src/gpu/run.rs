//! A call on the caller's matrices, chunk by chunk: the entries go up as they are, and what comes back
//! is what the caller gets.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::data::error::{Error, zeros};
use crate::data::outcome::{Outcome, Status};
use crate::data::parallel;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Precision, Real, Scalar};
use crate::data::view::View;
use crate::gpu::Gpu;
use crate::gpu::binding::{Factors, Places, Projection, beside};
use crate::gpu::chunk::Chunk;
use crate::gpu::pool::Buffer;
use crate::gpu::solve::Scratch;
use crate::gpu::staging::Load;
use crate::gpu::state::{
    self, CONVERGED, LARGEST_SIGMA, LOST, NORMAL, OVERFLOWED, POWER, PRESENT, RANK, ROTATIONS,
    SCATTERED, STATE_WORDS, STATUS, SWEEPS, UNSOUND,
};
use crate::gpu::stream::{Channel, Fetched, Part, Stream, Tools, fill, take};
use crate::host::call::{Call, Task};
use crate::host::delivery::{NON_FINITE, status};
use crate::host::outputs::Outputs;
use crate::planner::Problem;
use crate::planner::gpu::GpuRecipe;

/// The buffers of one chunk.
pub(super) struct Buffers {
    input: Buffer,
    rhs: Option<Buffer>,
    cutoffs: Buffer,
    u: Buffer,
    v: Buffer,
    values: Buffer,
    state: Buffer,
    composed: Buffer,
    bound: Chunk,
}

/// What one chunk is computed with, and the next while that one is read.
pub(super) type Sets = Vec<Tools<Buffers>>;

impl Gpu {
    /// Solves the call's matrices, chunk by chunk: while the device is at work on one, the host reads the
    /// one before and writes the one after. Returns the seconds on the device, if they were asked for.
    /// So many matrices as `complete` says, the first, have their results, even if the rest fails.
    pub async fn run<T: Scalar>(
        &self,
        call: &Call<'_, T>,
        recipe: &GpuRecipe,
        outputs: Outputs<'_, T>,
        complete: &mut usize,
    ) -> Result<Option<f64>, Error> {
        let problem = &call.task.problem;
        let chunk = recipe.at_once(outputs.outcomes.len());
        let kind = (*problem, recipe.path.name(), chunk);
        let runs: Vec<_> = outputs.runs(0, chunk, &call.task.sizes).collect();
        let mut sets = self.shelf.take(&kind).unwrap_or_default();
        while sets.len() < runs.len().min(2) {
            match create::<T>(self, problem, recipe, chunk).await {
                Ok(tools) => sets.push(tools),
                Err(error) if sets.is_empty() => return Err(error),
                // One after the other, then.
                Err(_) => break,
            }
        }
        let mut packed = [Vec::new(), Vec::new()];
        let mut pending = VecDeque::new();
        for (index, (first, outputs)) in runs.into_iter().enumerate() {
            // Whose buffers come next.
            if pending.len() == sets.len()
                && let Some(oldest) = pending.pop_front()
            {
                *complete = finish(call, oldest).await?;
            }
            let tools = &sets[index % sets.len()];
            let stream = tools.stream(self, call.blocking, call.task.options);
            let buffers = &tools.buffers;
            let started = start(&stream, call, recipe, buffers, first, &outputs, &mut packed);
            let fetched = started.await?;
            pending.push_back(Started {
                stream,
                fetched,
                state_words: recipe.state_words(&call.task.problem),
                done: first + outputs.outcomes.len(),
                outputs,
            });
        }
        for started in pending {
            *complete = finish(call, started).await?;
        }
        let mut seconds = None;
        for tools in &sets {
            let stream = tools.stream(self, call.blocking, call.task.options);
            if let Some(more) = stream.seconds().await? {
                seconds = Some(seconds.unwrap_or(0.0) + more);
            }
        }
        self.shelf.put(kind, sets);
        Ok(seconds)
    }
}

/// A chunk whose results are on their way back.
struct Started<'c, 'o, T: Scalar> {
    stream: Stream<'c>,
    fetched: Fetched,
    /// Words that were told of each matrix.
    state_words: usize,
    outputs: Outputs<'o, T>,
    /// Matrices of the call up to its end.
    done: usize,
}

/// Writes a chunk, has it solved, and its results on their way back.
async fn start<T: Scalar>(
    stream: &Stream<'_>,
    call: &Call<'_, T>,
    recipe: &GpuRecipe,
    buffers: &Buffers,
    first: usize,
    out: &Outputs<'_, T>,
    [packed, packed_rhs]: &mut [Vec<T>; 2],
) -> Result<Fetched, Error> {
    let problem = &call.task.problem;
    let count = out.outcomes.len();
    let (input, steps) = entries(&call.view, first, count, packed)?;
    let cutoffs = cutoffs::<T::Real>(&call.task, first, count);
    let mut loads = vec![
        Load::new(&buffers.input, input),
        Load::new(&buffers.cutoffs, &cutoffs),
    ];
    let mut rhs_steps = [0, 0];
    if let (Some(rhs), Some(buffer)) = (&call.rhs, &buffers.rhs) {
        let rhs = entries(rhs, first, count, packed_rhs)?;
        rhs_steps = rhs.1;
        loads.push(Load::new(buffer, rhs.0));
    }
    stream.write(&loads).await?;
    buffers
        .bound
        .solve(stream, &call.task, recipe, steps, rhs_steps, count)
        .await?;
    let parts = [
        Part::new::<u32>(&buffers.state, count * recipe.state_words(problem)),
        Part::at::<T::Real>(
            &buffers.values,
            beside(problem, count) as usize,
            values(problem, out),
        ),
        Part::new::<T>(&buffers.u, out.u.len()),
        Part::new::<T>(&buffers.v, out.v.len()),
        Part::new::<T>(&buffers.composed, out.composed.len()),
    ];
    stream.fetch(&parts).await
}

/// The entries of `count` matrices from `first` on, and their steps from row to row and from column to column: as they
/// lie, or packed.
fn entries<'a, T: Scalar>(
    view: &View<'a, T>,
    first: usize,
    count: usize,
    packed: &'a mut Vec<T>,
) -> Result<(&'a [T], [usize; 2]), Error> {
    match view.dense(first, count) {
        Some(dense) => Ok(dense),
        None => {
            pack(view, first, count, packed)?;
            Ok((packed, [1, view.rows()]))
        }
    }
}

/// Singular values that are read: nobody sees those of a composition but who asks for them.
fn values<T: Scalar>(problem: &Problem, out: &Outputs<'_, T>) -> usize {
    match problem.composed {
        Some(_) if !problem.values => 0,
        _ => out.sigma.len(),
    }
}

/// Gives the caller the results of a chunk, once they are there, and tells how many matrices have theirs.
async fn finish<T: Scalar>(
    call: &Call<'_, T>,
    started: Started<'_, '_, T>,
) -> Result<usize, Error> {
    let Started {
        stream,
        fetched,
        state_words,
        outputs: out,
        done,
    } = started;
    let count = out.outcomes.len();
    let values = values(&call.task.problem, &out);
    let Outputs {
        u,
        sigma,
        v,
        composed,
        outcomes,
    } = out;
    stream
        .take(fetched, |mut bytes| {
            let state = take(&mut bytes, count * state_words);
            fill(&mut bytes, &mut sigma[..values]);
            fill(&mut bytes, u);
            fill(&mut bytes, v);
            fill(&mut bytes, composed);
            outcomes_of(&state, state_words, &call.task.problem, outcomes)
        })
        .await??;
    call.progress(done);
    Ok(done)
}

async fn create<T: Scalar>(
    gpu: &Gpu,
    problem: &Problem,
    recipe: &GpuRecipe,
    chunk: usize,
) -> Result<Tools<Buffers>, Error> {
    let (m, n) = (problem.rows, problem.cols);
    let entries = |per_matrix: usize| chunk * per_matrix * size_of::<T>();
    let sizes = problem.sizes();
    let state_bytes = chunk * recipe.state_words(problem) * 4;
    let read = entries(sizes.u + sizes.sigma + sizes.v + sizes.composed) + state_bytes;
    let channel = Channel::new(gpu, read).await?;
    let buffers = channel
        .make(gpu, None, |maker| {
            let input = maker.buffer("input", entries(m * n));
            let rhs = problem
                .rhs_size()
                .map(|[length, rhs]| maker.buffer("right-hand sides", entries(length * rhs)));
            let cutoffs = maker.buffer("cutoffs", entries(CUTOFFS) + size_of::<T>());
            let [u, v] = recipe.factors(problem);
            let (u, v) = (maker.buffer("u", entries(u)), maker.buffer("v", entries(v)));
            let values = maker.buffer("values", entries(problem.value_sets() * n));
            let state = maker.buffer("state", state_bytes);
            let composed = maker.buffer("composed", entries(sizes.composed));
            let scratch = Scratch::new(maker, problem, recipe, chunk);
            let places = Places {
                input: input.whole(),
                rhs: rhs.as_ref().map(Buffer::whole),
                cutoffs: cutoffs.whole(),
                factors: Factors {
                    u: u.whole(),
                    v: v.whole(),
                    weights: values.whole(),
                    composed: composed.whole(),
                    state: state.whole(),
                },
            };
            let projection = Projection::new(maker, problem, recipe, chunk);
            let (scratch, projection) = (scratch.as_ref(), projection.as_ref());
            let bound = Chunk::bind(gpu, maker, problem, recipe, &places, scratch, projection);
            Buffers {
                input,
                rhs,
                cutoffs,
                u,
                v,
                values,
                state,
                composed,
                bound,
            }
        })
        .await?;
    Ok(Tools { channel, buffers })
}

/// Packs `count` matrices from `first` on, column by column.
pub(super) fn pack<T: Scalar>(
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
pub(super) const CUTOFFS: usize = 7;

/// NaN, and the cutoffs and the damping of all matrices, or of each: as shaders/cutoff.wgsl.
pub(super) fn cutoffs<T: Real>(task: &Task<'_>, first: usize, count: usize) -> Vec<T> {
    let (cutoff, damping) = (&task.options.cutoff, task.damping());
    let most = cutoff.most(task.problem.cols) as f64;
    let count = if task.options.has_each() { count } else { 1 };
    let parts = |number: f64| match number {
        0.0 => (0.0, 0),
        _ => {
            let exponent = number.exponent();
            (number.ldexp(-exponent), exponent)
        }
    };
    let mut numbers = vec![T::NAN];
    for index in first..first + count {
        let (relative, absolute) = cutoff.of(index, task.problem.named_cutoffs());
        let (mantissa, exponent) = parts(absolute);
        // Rounded down: what is above the cutoff by less than a rounding still counts.
        numbers.extend([relative, mantissa, exponent.into()].map(T::not_above));
        let lambda = damping.map_or(0.0, |damping| damping.get(index));
        let (mantissa, exponent) = parts(lambda);
        numbers.extend([mantissa, exponent.into(), most].map(T::of));
        numbers.push(T::not_above(
            cutoff.share(index, task.problem.sigma_error()),
        ));
    }
    numbers
}

/// Matrices whose outcomes one thread reads in one go.
const READ_AT_ONCE: usize = 4096;

/// What the report says of matrices, of each of which so many words were told.
pub(super) fn outcomes_of(
    words: &[u32],
    words_each: usize,
    problem: &Problem,
    outcomes: &mut [Outcome],
) -> Result<(), Error> {
    let failed = Mutex::new(None);
    let outcomes = outcomes.chunks_mut(READ_AT_ONCE);
    let words = words.chunks(READ_AT_ONCE * words_each);
    parallel::for_each_apart(
        outcomes.zip(words).collect(),
        |(outcomes, words): (&mut [Outcome], &[u32])| {
            for (outcome, words) in outcomes.iter_mut().zip(words.chunks_exact(words_each)) {
                match outcome_of(words, problem) {
                    Ok(read) => *outcome = read,
                    Err(error) => {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                }
            }
        },
    );
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), Err)
}

/// The same of one matrix.
fn outcome_of(words: &[u32], problem: &Problem) -> Result<Outcome, Error> {
    let mut state = [0; STATE_WORDS];
    match words.try_into() {
        Ok(packed) => state = state::unpacked(packed),
        Err(_) => state.copy_from_slice(words),
    }
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
    let converged = state[STATUS] == CONVERGED;
    // In f32 it may be off by a rounding.
    let largest = f64::from(f32::from_bits(state[LARGEST_SIGMA])) * (1.0 + 2f64.powi(-23));
    let target = match problem.dtype.precision() {
        Precision::Single => f32::TARGET,
        Precision::Double => f64::TARGET,
    };
    let power = target - state[POWER].cast_signed();
    Ok(Outcome {
        status: match lost & UNSOUND {
            0 => status(representable, converged),
            _ => Status::NonFinite,
        },
        sweeps: state[SWEEPS],
        rotations: state[ROTATIONS],
        rank: state[RANK],
        sigma_error: match converged {
            true => problem.sigma_error_of(largest.ldexp(power)),
            false => f64::INFINITY,
        },
    })
}
