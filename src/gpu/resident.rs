//! Matrices that lie on the device, and calls whose results stay there.

use std::sync::{Mutex, PoisonError};

use crate::data::error::Error;
use crate::data::outcome::Outcome;
use crate::data::parallel;
use crate::data::scalar::{Dtype, Scalar};
use crate::data::view::View;
use crate::gpu::Gpu;
use crate::gpu::binding::{Factors, Places, Projection};
use crate::gpu::chunk::Chunk;
use crate::gpu::compose::{Composition, Steps};
use crate::gpu::pool::Buffer;
use crate::gpu::run::{CUTOFFS, cutoffs, outcomes_of, pack};
use crate::gpu::solve::Scratch;
use crate::gpu::staging::Load;
use crate::gpu::stream::{Channel, Maker, Part, Recorder, Stream};
use crate::host::call::Task;
use crate::host::delivery::NON_FINITE;
use crate::planner::Problem;
use crate::planner::gpu::GpuRecipe;
use crate::shader::Bindings;

/// A channel that waits for the next call.
#[derive(Default)]
pub(super) struct Desk(Mutex<Option<Channel>>);

/// The coarsest step that bindings may begin at.
const ALIGNMENT: usize = 256;
/// The most bytes that are written or read in one go.
const PIECE: usize = 32 << 20;

/// The results of a call, matrix after matrix, each column by column; empty where they were not asked
/// for. U and V are named as the kernels see them.
pub(crate) struct Results {
    pub u: Buffer,
    pub sigma: Buffer,
    pub v: Buffer,
    pub composed: Buffer,
    pub state: Buffer,
    /// Words of it that were told of each matrix.
    pub state_words: usize,
    /// That the device was at work, if that was asked for.
    pub seconds: Option<f64>,
}

/// What a task is given: `count` matrices, and right-hand sides if it takes any, with their steps from row
/// to row and from column to column.
pub(crate) struct Given<'b> {
    pub a: (&'b Buffer, [usize; 2]),
    pub rhs: Option<(&'b Buffer, [usize; 2])>,
    pub count: usize,
}

/// After so many steps of some bytes a binding may begin.
fn aligned(step: usize) -> usize {
    ALIGNMENT >> step.trailing_zeros().min(ALIGNMENT.trailing_zeros())
}

/// The matrices after which the next of all buffers of a problem may be bound.
fn alignment(problem: &Problem, recipe: &GpuRecipe) -> usize {
    let (size, sizes) = (problem.dtype.size(), problem.sizes());
    let [rhs_length, rhs_cols] = problem.rhs_size().unwrap_or_default();
    let entries = [
        problem.rows * problem.cols,
        problem.rows * problem.formed_u_cols(),
        problem.cols * problem.cols,
        sizes.composed,
        rhs_length * rhs_cols,
    ];
    entries
        .into_iter()
        .filter(|&entries| entries > 0)
        .map(|entries| aligned(entries * size))
        // Singular values are real.
        .chain([aligned(problem.cols * problem.dtype.real().size())])
        .fold(aligned(recipe.state_words(problem) * 4), usize::max)
}

impl Gpu {
    /// Whether numbers of this type can be computed with.
    pub fn has(&self, dtype: Dtype) -> bool {
        match dtype {
            Dtype::F32 | Dtype::C32 => true,
            Dtype::F64 | Dtype::C64 => self.limits.has_f64,
        }
    }

    /// Whether a recipe's chunks can be bound where they lie in a batch.
    pub fn stays(problem: &Problem, recipe: &GpuRecipe, count: usize) -> bool {
        recipe.chunk >= alignment(problem, recipe).min(count)
    }

    /// Copies matrices to the device, in their order; row by row if they lie so, which is told.
    pub async fn upload<T: Scalar>(
        &self,
        view: &View<'_, T>,
        blocking: bool,
    ) -> Result<(Buffer, bool), Error> {
        let (count, m, n) = (view.count(), view.rows(), view.cols());
        let channel = self.channel(0).await?;
        let stream = self.stream(&channel, blocking);
        let buffer = self
            .make(&channel, false, |maker| {
                Ok(maker.buffer("batch", self.bytes::<T>(count, m * n)?))
            })
            .await?;
        let step = (self.piece() / (m * n * size_of::<T>())).max(1);
        // Of the whole: a part may lie otherwise.
        let dense = view.dense(0, count);
        let transposed = dense.is_some_and(|(_, [down, _])| down != 1 && m > 1);
        let mut packed = Vec::new();
        for first in (0..count).step_by(step) {
            let count = step.min(count - first);
            let entries = match dense {
                Some((entries, _)) => &entries[first * m * n..][..count * m * n],
                None => {
                    pack(view, first, count, &mut packed)?;
                    &packed
                }
            };
            let load = Load::at(&buffer, first * m * n, entries);
            stream.write(&[load]).await?;
            // Lets go of what the write keeps.
            stream.submit_writes().await?;
        }
        self.desk.put(channel);
        Ok((buffer, transposed))
    }

    /// Copies a buffer's front to the host.
    pub async fn download<U: bytemuck::Pod>(
        &self,
        buffer: &wgpu::Buffer,
        to: &mut [U],
        blocking: bool,
    ) -> Result<(), Error> {
        let step = self.piece() / size_of::<U>();
        let channel = Channel::new(self, size_of_val(to).min(self.piece())).await?;
        let stream = self.stream(&channel, blocking);
        for (index, to) in to.chunks_mut(step).enumerate() {
            let part = Part::at::<U>(buffer, index * step, to.len());
            let fill = |bytes: &[u8]| parallel::copy(bytes, bytemuck::cast_slice_mut(to));
            stream.read(&[part], fill).await?;
        }
        Ok(())
    }

    /// How the matrices of a call fared.
    pub async fn outcomes(
        &self,
        state: &wgpu::Buffer,
        state_words: usize,
        count: usize,
        problem: &Problem,
        blocking: bool,
    ) -> Result<Vec<Outcome>, Error> {
        let mut words: Vec<u32> = crate::data::error::zeros(count * state_words)?;
        self.download(state, &mut words, blocking).await?;
        let mut outcomes = parallel::filled(count, NON_FINITE)?;
        outcomes_of(&words, state_words, problem, &mut outcomes)?;
        Ok(outcomes)
    }

    /// Returns when the device is done.
    pub async fn finish(&self, blocking: bool) -> Result<(), Error> {
        self.device.finish(blocking).await
    }

    /// Carries out a task on matrices that lie on the device. Waits only where the device's time is asked
    /// for, and where sweeps ask whether there is anything left to do: in global memory, and very many.
    pub async fn solve_resident<T: Scalar>(
        &self,
        task: &Task<'_>,
        recipe: &GpuRecipe,
        given: Given<'_>,
        blocking: bool,
        encoder: Option<&mut wgpu::CommandEncoder>,
    ) -> Result<Results, Error> {
        let Given {
            a: (input, steps),
            rhs,
            count,
        } = given;
        let problem = &task.problem;
        let (n, sizes) = (problem.cols, &task.sizes);
        let [u_size, v_size] = recipe.factors(problem);
        let [rhs_length, rhs_cols] = problem.rhs_size().unwrap_or_default();
        let rhs_size = rhs_length * rhs_cols;
        let rhs_steps = rhs.map_or([0, 0], |(_, steps)| steps);
        let alignment = alignment(problem, recipe);
        let state_words = recipe.state_words(problem);
        let chunk = match recipe.chunk < count {
            true => recipe.chunk / alignment * alignment,
            false => count,
        };
        let recorder = encoder.map(|encoder| Mutex::new(Recorder { encoder, slots: 0 }));
        let channel = match recorder {
            // Sweeps in many dispatches ask whether any are needed.
            None => self.channel(chunk * state_words * 4).await?,
            Some(_) => Channel::recording(self).await?,
        };
        let stream = Stream {
            options: Some(task.options),
            recorder: recorder.as_ref(),
            ..self.stream(&channel, blocking)
        };
        // What the caller submits later, others must leave alone.
        if recorder.is_some() {
            let rhs = rhs.map(|(buffer, _)| buffer);
            for buffer in std::iter::once(input).chain(rhs) {
                buffer.lend();
            }
        }
        // Dropped sooner, the pool would give the last to a call of another thread before this one has submitted.
        let (results, chunks, _scratch) = self
            .make(&channel, recorder.is_some(), |maker| {
                let entries = |label, per_matrix| {
                    let bytes = self.bytes::<T>(count, per_matrix)?;
                    Ok::<_, Error>(maker.buffer(label, bytes))
                };
                let results = Results {
                    u: entries("u", u_size)?,
                    sigma: maker.buffer("sigma", self.bytes::<T::Real>(count, n)?),
                    v: entries("v", v_size)?,
                    composed: entries("composed", sizes.composed)?,
                    state: maker.buffer("state", self.bytes::<u32>(count, state_words)?),
                    state_words,
                    seconds: None,
                };
                let scratch = Scratch::new(maker, problem, recipe, chunk);
                let projection = Projection::new(maker, problem, recipe, chunk);
                let mut chunks: Vec<(Buffer, Chunk)> = Vec::new();
                for first in (0..count).step_by(chunk) {
                    let length = chunk.min(count - first);
                    let bytes = (length * CUTOFFS + 1) * size_of::<T>();
                    let cutoffs = maker.buffer("cutoffs", bytes);
                    let bound = |buffer, per_matrix: usize, size: usize| {
                        let bytes = |count: usize| (count * per_matrix * size) as u64;
                        wgpu::BufferBinding {
                            buffer,
                            offset: bytes(first),
                            size: wgpu::BufferSize::new(bytes(length)),
                        }
                    };
                    let of = |buffer, per_matrix| bound(buffer, per_matrix, size_of::<T>());
                    let places = Places {
                        input: of(input, problem.rows * n),
                        rhs: rhs.map(|(rhs, _)| of(rhs, rhs_size)),
                        cutoffs: cutoffs.whole(),
                        factors: Factors {
                            u: of(&results.u, u_size),
                            v: of(&results.v, v_size),
                            weights: bound(&results.sigma, n, size_of::<T::Real>()),
                            composed: of(&results.composed, sizes.composed),
                            state: bound(&results.state, state_words, 4),
                        },
                    };
                    let (scratch, projection) = (scratch.as_ref(), projection.as_ref());
                    let bound =
                        Chunk::bind(self, maker, problem, recipe, &places, scratch, projection);
                    chunks.push((cutoffs, bound));
                }
                Ok((results, chunks, (scratch, projection)))
            })
            .await?;
        for (index, (cutoff_buffer, bound)) in chunks.iter().enumerate() {
            let first = index * chunk;
            let length = chunk.min(count - first);
            let cutoffs = cutoffs::<T::Real>(task, first, length);
            stream.write(&[Load::new(cutoff_buffer, &cutoffs)]).await?;
            bound
                .solve(&stream, task, recipe, steps, rhs_steps, length)
                .await?;
            task.progress(first + length, count);
        }
        if recorder.is_some() {
            return Ok(results);
        }
        let seconds = stream.seconds().await?;
        self.desk.put(channel);
        Ok(Results { seconds, ..results })
    }

    /// Products left right of `count` matrices, if they are small enough for the kernel, which solves
    /// none in parts; a factor whose step from matrix to matrix is zero serves for all.
    pub async fn product<T: Scalar>(
        &self,
        [rows, inner, cols]: [usize; 3],
        (left, left_steps): (&Buffer, [usize; 3]),
        (right, right_steps): (&Buffer, [usize; 3]),
        count: usize,
        blocking: bool,
    ) -> Result<Option<Buffer>, Error> {
        let widest = (rows * inner).max(inner * cols).max(rows * cols);
        let binding = self.limits.binding.min(self.tuning.chunk_bytes);
        let most = (binding.min(1 << 30) / size_of::<T>() as u64) as usize / widest;
        let most = most.min(self.limits.workgroups as usize);
        let aligned = [left_steps[0], right_steps[0], rows * cols]
            .map(|step| aligned(step * size_of::<T>()))
            .into_iter()
            .fold(1, usize::max);
        let chunk = match most < count {
            true => most / aligned * aligned,
            false => count,
        };
        let terms = (rows as u64 * cols as u64).saturating_mul(inner as u64);
        let flops = terms.saturating_mul(2 * T::DTYPE.operations());
        if chunk == 0 || flops > self.submit_flops() || inner as u64 > self.limits.iterations / 2 {
            return Ok(None);
        }
        let steps = |[size, row, col]: [usize; 3]| Steps {
            size: size as u32,
            row: row as u32,
            col: col as u32,
        };
        let composition = Composition {
            dtype: T::DTYPE,
            rows,
            cols,
            inner,
            left: steps(left_steps),
            // The kernel takes the right factor's transpose.
            right: steps([right_steps[0], right_steps[2], right_steps[1]]),
            weighted: false,
            lift: 0,
            each: false,
            solves: false,
        };
        let per_submit = (self.submit_flops() / flops).clamp(1, 1 << 20) as usize;
        let channel = self.channel(0).await?;
        let stream = self.stream(&channel, blocking);
        let (result, groups) = self
            .make(&channel, false, |maker| {
                let result = maker.buffer("product", self.bytes::<T>(count, rows * cols)?);
                let unused =
                    ["weights", "state", "powers", "cutoffs"].map(|label| maker.buffer(label, 0));
                let mut groups = Vec::new();
                for first in (0..count).step_by(chunk) {
                    let length = chunk.min(count - first);
                    let bound = |buffer, step: usize, entries: usize| wgpu::BufferBinding {
                        buffer,
                        offset: (first * step * size_of::<T>()) as u64,
                        size: wgpu::BufferSize::new((entries * size_of::<T>()) as u64),
                    };
                    let of = |buffer, step: usize, size: usize| {
                        bound(buffer, step, if step == 0 { size } else { length * size })
                    };
                    groups.push(maker.group(
                        self.pipelines.layout(Bindings::Compose),
                        &[
                            &of(left, left_steps[0], rows * inner),
                            &of(right, right_steps[0], inner * cols),
                            &unused[0].whole(),
                            &of(&result, rows * cols, rows * cols),
                            &unused[1].whole(),
                            &unused[2].whole(),
                            &unused[3].whole(),
                        ],
                    ));
                }
                Ok((result, groups))
            })
            .await?;
        for (index, group) in groups.iter().enumerate() {
            let length = chunk.min(count - index * chunk);
            composition.run(&stream, group, length, per_submit).await?;
        }
        self.desk.put(channel);
        Ok(Some(result))
    }

    /// Bytes that are written or read in one go.
    fn piece(&self) -> usize {
        (self.tuning.chunk_bytes as usize).clamp(ALIGNMENT, PIECE) / ALIGNMENT * ALIGNMENT
    }

    /// The bytes of a buffer, or why there can be none.
    fn bytes<U>(&self, count: usize, per_matrix: usize) -> Result<usize, Error> {
        let len = crate::data::error::product(&[count, per_matrix], size_of::<U>())?;
        let bytes = len * size_of::<U>();
        if bytes as u64 > self.limits.buffer {
            return Err(Error::Unsupported(format!(
                "{}: {count} matrices take a buffer of {bytes} bytes, but the device has at most {}",
                self.adapter.name, self.limits.buffer
            )));
        }
        Ok(bytes)
    }

    /// A channel that reads back so many bytes at once.
    async fn channel(&self, readback: usize) -> Result<Channel, Error> {
        match self.desk.take() {
            Some(channel) if channel.reads(readback) => {
                channel.forget_times();
                Ok(channel)
            }
            _ => Channel::new(self, readback).await,
        }
    }

    fn stream<'c>(&'c self, channel: &'c Channel, blocking: bool) -> Stream<'c> {
        Stream {
            gpu: self,
            channel,
            blocking,
            options: None,
            recorder: None,
        }
    }

    /// Makes buffers and groups of them, if they can be had.
    async fn make<R>(
        &self,
        channel: &Channel,
        recorded: bool,
        f: impl Fn(&Maker<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let pool = (!recorded).then_some(&self.pool);
        channel.make(self, pool, f).await?
    }
}

impl Desk {
    fn take(&self) -> Option<Channel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, channel: Channel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
    }
}
