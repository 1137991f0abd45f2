//! The host side of a call on the GPU: buffers, chunks, sweeps, convergence.

use bytemuck::{Pod, Zeroable};

use crate::call::Call;
use crate::error::{Error, allocate, zeros};
use crate::filter;
use crate::gpu::Gpu;
use crate::gpu::clock::Clock;
use crate::gpu::delivery::{Raw, deliver};
use crate::gpu::pipelines::SOLVE_BUFFERS;
use crate::gpu::shader::{Blueprint, COMPOSE_WORKGROUP, Kernel};
use crate::host::intake::{self, Head};
use crate::host::outputs::Outputs;
use crate::host::parallel;
use crate::options::Vectors;
use crate::planner::gpu::{GpuRecipe, Path};
use crate::planner::{Problem, Side};
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

/// As `Params` in shaders/compose.wgsl, padded to the size of the other.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct ComposeParams {
    rows: u32,
    cols: u32,
    inner: u32,
    left_size: u32,
    right_size: u32,
    first: u32,
    block: u32,
    groups: u32,
    padding: [u32; 4],
}

const PARAMS_SIZE: u64 = size_of::<SolveParams>() as u64;
const _: () = assert!(size_of::<SolveParams>() == size_of::<ComposeParams>());

/// Words of state a matrix, and where its parts are: as in shaders/bindings.wgsl.
const STATE_WORDS: usize = 4;
const STATUS: usize = 0;
const SWEEPS: usize = 1;
const ROTATIONS: usize = 2;
const RUNNING: u32 = 0;
const CONVERGED: u32 = 1;

/// Dispatches in one submit: as many as there are slots for their parameters.
const SLOTS: usize = 256;
/// Offsets of uniform buffers are multiples of this everywhere.
const SLOT_SIZE: usize = 256;

/// One dispatch to come.
struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    params: [u8; PARAMS_SIZE as usize],
    groups: [u32; 2],
}

/// Part of a buffer to read back.
struct Part<'a> {
    buffer: &'a wgpu::Buffer,
    bytes: u64,
}

/// The buffers of one chunk, used again for every chunk of a call.
struct Buffers {
    a: wgpu::Buffer,
    x: wgpu::Buffer,
    u: wgpu::Buffer,
    values: wgpu::Buffer,
    pivots: wgpu::Buffer,
    state: wgpu::Buffer,
    weights: wgpu::Buffer,
    composed: wgpu::Buffer,
    params: wgpu::Buffer,
    readback: wgpu::Buffer,
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
    let solver = Solver {
        gpu,
        call,
        recipe,
        buffers: create_buffers::<T>(gpu, &call.problem, chunk).await?,
        clock: Clock::new(&gpu.device).await?,
    };
    let mut host = Host::new(&call.problem, chunk)?;
    for (first, outputs) in outputs.runs(0, chunk, &call.sizes) {
        let done = first + outputs.outcomes.len();
        solver.solve_chunk(&mut host, first, outputs).await?;
        call.progress(done);
    }
    match &solver.clock {
        Some(clock) => Ok(Some(clock.seconds(&gpu.device, call.blocking).await?)),
        None => Ok(None),
    }
}

async fn create_buffers<T: Real>(
    gpu: &Gpu,
    problem: &Problem,
    chunk: usize,
) -> Result<Buffers, Error> {
    let (m, n) = (problem.rows, problem.cols);
    let entries = |per_matrix: usize| (chunk * per_matrix * size_of::<T>()) as u64;
    let words = |per_matrix: usize| (chunk * per_matrix * 4) as u64;
    let u_size = m * problem.formed_u_cols();
    let composed_size = problem.sizes().composed;
    // All that can be read back at once: every result of a chunk.
    let readback = entries(2 * n + u_size + n * n) + words(n + STATE_WORDS);
    let readback = readback.max(entries(composed_size));
    gpu.device
        .scoped(|device, _| {
            let buffer = |label: &str, size: u64, usage: wgpu::BufferUsages| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    // Bindings are never empty; 16 holds any one entry.
                    size: size.max(16),
                    usage,
                    mapped_at_creation: false,
                })
            };
            use wgpu::BufferUsages as Usage;
            let storage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
            let a = buffer("a", entries(m * n), storage);
            let x = buffer("x", entries(n * n), storage);
            let j = buffer("j", entries(n * n), storage);
            let u = buffer("u", entries(u_size), storage);
            let values = buffer("values", entries(2 * n), storage);
            let pivots = buffer("pivots", words(n), storage);
            let state = buffer("state", words(STATE_WORDS), storage);
            let weights = buffer("weights", entries(n), storage);
            let composed = buffer("composed", entries(composed_size), storage);
            let params = buffer(
                "params",
                (SLOTS * SLOT_SIZE) as u64,
                Usage::UNIFORM | Usage::COPY_DST,
            );
            let readback = buffer("readback", readback, Usage::MAP_READ | Usage::COPY_DST);
            let group = |layout: &wgpu::BindGroupLayout, buffers: &[&wgpu::Buffer]| {
                let uniform = wgpu::BufferBinding {
                    buffer: &params,
                    offset: 0,
                    size: wgpu::BufferSize::new(PARAMS_SIZE),
                };
                let mut entries = vec![wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::Buffer(uniform),
                }];
                for (index, buffer) in buffers.iter().enumerate() {
                    entries.push(wgpu::BindGroupEntry {
                        binding: index as u32 + 1,
                        resource: buffer.as_entire_binding(),
                    });
                }
                device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: None,
                    layout,
                    entries: &entries,
                })
            };
            let solve: [&wgpu::Buffer; SOLVE_BUFFERS] = [&a, &x, &j, &u, &values, &pivots, &state];
            let solve = group(&gpu.pipelines.solve_layout, &solve);
            let compose = problem.composed.map(|(left, right)| {
                let side = |side| match side {
                    Side::U => &u,
                    Side::V => &x,
                };
                let buffers = [side(left), side(right), &weights, &composed];
                group(&gpu.pipelines.compose_layout, &buffers)
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
                params,
                readback,
                solve,
                compose,
            }
        })
        .await
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
        let (m, n) = (call.problem.rows, call.problem.cols);
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
                let problem = &call.problem;
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
    gpu: &'c Gpu,
    call: &'c Call<'v, T>,
    recipe: &'c GpuRecipe,
    buffers: Buffers,
    clock: Option<Clock>,
}

impl<T: Real> Solver<'_, '_, T> {
    async fn solve_chunk(
        &self,
        host: &mut Host<T>,
        first: usize,
        outputs: Outputs<'_, T>,
    ) -> Result<(), Error> {
        let count = outputs.outcomes.len();
        let problem = &self.call.problem;
        let (m, n) = (problem.rows, problem.cols);
        host.pack(self.call, first, count);
        self.write(&self.buffers.a, &host.packed[..count * m * n])
            .await?;
        match self.recipe.path {
            Path::Resident => self.sweep_resident(Kernel::Solve, count).await?,
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
                let (cutoff, power) = (&self.call.options.cutoff, host.heads[index].power);
                let largest = filter::largest(sigma(index));
                filter::threshold(cutoff, first + index, problem, power, largest)
            })
            .collect();
        if problem.composed.is_some() {
            let mut weights = zeros(count * n)?;
            for (index, weights) in weights.chunks_exact_mut(n).enumerate() {
                let threshold = thresholds[index];
                self.call.filter.weights(sigma(index), threshold, weights);
            }
            results.composed = self.compose(&weights, count).await?;
        }
        self.deliver(host, &results, &thresholds, outputs);
        Ok(())
    }

    fn params(&self) -> SolveParams {
        let problem = &self.call.problem;
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
            max_sweeps: self.call.convergence.max_sweeps,
            // Not zero unless it is zero.
            tolerance: match self.call.convergence.tolerance {
                0.0 => 0.0,
                tolerance => (tolerance as f32).max(f32::MIN_POSITIVE),
            },
        }
    }

    async fn pipeline(&self, kernel: Kernel) -> Result<(wgpu::ComputePipeline, u32), Error> {
        let cols = self.call.problem.cols as u32;
        let blueprint = Blueprint::new(kernel, T::DTYPE, self.recipe, cols);
        let pipeline = self.gpu.pipelines.get(&self.gpu.device, blueprint).await?;
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
                self.submit(&self.buffers.solve, &[dispatch]).await?;
            }
            if end >= self.call.convergence.max_sweeps || !self.any_running(count).await? {
                return Ok(());
            }
            kernel = Kernel::Resume;
            end += step;
        }
    }

    /// Whether a matrix of the chunk needs further sweeps.
    async fn any_running(&self, count: usize) -> Result<bool, Error> {
        let words = self.part::<u32>(&self.buffers.state, count * STATE_WORDS);
        let bytes = self.read(&[words]).await?;
        let state: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
        Ok(state
            .chunks_exact(STATE_WORDS)
            .any(|s| s[STATUS] == RUNNING))
    }

    /// QR in global memory, some steps a submit.
    async fn factor(&self, count: usize) -> Result<(), Error> {
        let (pipeline, _) = self.pipeline(Kernel::Factor).await?;
        let n = self.call.problem.cols as u32;
        for begin in (0..n).step_by(self.recipe.steps_per_submit as usize) {
            let end = (begin + self.recipe.steps_per_submit).min(n);
            let params = SolveParams {
                begin,
                end,
                ..self.params()
            };
            let dispatch = Dispatch::new(&pipeline, params, [count as u32, 1]);
            self.submit(&self.buffers.solve, &[dispatch]).await?;
        }
        Ok(())
    }

    /// Sweeps in global memory, some rounds a submit, until every matrix is done.
    async fn sweep_rounds(&self, count: usize) -> Result<(), Error> {
        let n = self.call.problem.cols as u32;
        let count = count as u32;
        let (begin, _) = self.pipeline(Kernel::Begin).await?;
        let (round, _) = self.pipeline(Kernel::Round).await?;
        let (advance, _) = self.pipeline(Kernel::Advance).await?;
        let (normalise, _) = self.pipeline(Kernel::Normalise).await?;
        let params = self.params();
        let start = Dispatch::new(&begin, params, [n, count]);
        self.submit(&self.buffers.solve, &[start]).await?;
        let players = n + n % 2;
        // A slot is left for the advance.
        let most = (SLOTS - 1).min(self.recipe.rounds_per_submit as usize);
        loop {
            let mut pending = Vec::new();
            for begin in 0..players - 1 {
                let params = SolveParams { begin, ..params };
                pending.push(Dispatch::new(&round, params, [players / 2, count]));
                if pending.len() >= most {
                    self.submit(&self.buffers.solve, &pending).await?;
                    pending.clear();
                }
            }
            pending.push(Dispatch::new(&advance, params, [count, 1]));
            self.submit(&self.buffers.solve, &pending).await?;
            if !self.any_running(count as usize).await? {
                break;
            }
        }
        let end = Dispatch::new(&normalise, params, [n, count]);
        self.submit(&self.buffers.solve, &[end]).await
    }

    async fn form_u(&self, count: usize) -> Result<(), Error> {
        let cols = self.call.problem.formed_u_cols() as u32;
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
            self.submit(&self.buffers.solve, &[dispatch]).await?;
        }
        Ok(())
    }

    /// left diag(weights) right' of every matrix of the chunk.
    async fn compose(&self, weights: &[T], count: usize) -> Result<Vec<T>, Error> {
        let problem = &self.call.problem;
        let (Some((left, right)), Some(group)) = (problem.composed, &self.buffers.compose) else {
            return Ok(Vec::new());
        };
        self.write(&self.buffers.weights, weights).await?;
        let n = problem.cols;
        let (rows, cols) = (problem.side(left), problem.side(right));
        let size = |side| match side {
            Side::U => problem.rows * problem.formed_u_cols(),
            Side::V => n * n,
        };
        let (pipeline, _) = self.pipeline(Kernel::Compose).await?;
        let most = self.gpu.limits.workgroups;
        let groups = ((rows * cols) as u32).div_ceil(COMPOSE_WORKGROUP).min(most);
        for first in (0..count).step_by(self.recipe.composed_per_submit) {
            let matrices = self.recipe.composed_per_submit.min(count - first);
            let params = ComposeParams {
                rows: rows as u32,
                cols: cols as u32,
                inner: n as u32,
                left_size: size(left) as u32,
                right_size: size(right) as u32,
                first: first as u32,
                block: block(n),
                groups,
                padding: [0; 4],
            };
            let dispatch = Dispatch::new(&pipeline, params, [groups, matrices as u32]);
            self.submit(group, &[dispatch]).await?;
        }
        let len = count * rows * cols;
        let bytes = self
            .read(&[self.part::<T>(&self.buffers.composed, len)])
            .await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    async fn download(&self, count: usize) -> Result<Results<T>, Error> {
        let problem = &self.call.problem;
        let (m, n) = (problem.rows, problem.cols);
        let wanted = problem.vectors != Vectors::None;
        let (u_size, v_size) = if wanted {
            (m * problem.u_cols(), n * n)
        } else {
            (0, 0)
        };
        let bytes = self
            .read(&[
                self.part::<T>(&self.buffers.values, count * 2 * n),
                self.part::<T>(&self.buffers.u, count * u_size),
                self.part::<T>(&self.buffers.x, count * v_size),
                self.part::<u32>(&self.buffers.pivots, count * n),
                self.part::<u32>(&self.buffers.state, count * STATE_WORDS),
            ])
            .await?;
        let mut rest: &[u8] = &bytes;
        Ok(Results {
            values: take(&mut rest, count * 2 * n),
            u: take(&mut rest, count * u_size),
            v: take(&mut rest, count * v_size),
            pivots: take(&mut rest, count * n),
            state: take(&mut rest, count * STATE_WORDS),
            composed: Vec::new(),
        })
    }

    fn deliver(
        &self,
        host: &Host<T>,
        results: &Results<T>,
        thresholds: &[f64],
        outputs: Outputs<'_, T>,
    ) {
        let call = self.call;
        let problem = &call.problem;
        let (m, n) = (problem.rows, problem.cols);
        let sizes = &call.sizes;
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
                deliver(problem, call.filter, threshold, head, order, &raw, out);
            },
        );
    }

    async fn write<U: Pod>(&self, buffer: &wgpu::Buffer, data: &[U]) -> Result<(), Error> {
        self.gpu
            .device
            .scoped(|_, queue| queue.write_buffer(buffer, 0, bytemuck::cast_slice(data)))
            .await
    }

    /// Submits dispatches that run one after the other.
    async fn submit(&self, group: &wgpu::BindGroup, dispatches: &[Dispatch]) -> Result<(), Error> {
        let mut slots = vec![0; dispatches.len() * SLOT_SIZE];
        for (slot, dispatch) in slots.chunks_exact_mut(SLOT_SIZE).zip(dispatches) {
            slot[..PARAMS_SIZE as usize].copy_from_slice(&dispatch.params);
        }
        if let Some(clock) = &self.clock {
            let blocking = self.call.blocking;
            clock.make_room(&self.gpu.device, blocking).await?;
        }
        self.gpu
            .device
            .scoped(|device, queue| {
                // Ordered with the submits before: they have read their parameters by then.
                queue.write_buffer(&self.buffers.params, 0, &slots);
                let mut encoder = device.create_command_encoder(&Default::default());
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: self.clock.as_ref().map(Clock::next),
                });
                for (index, dispatch) in dispatches.iter().enumerate() {
                    pass.set_pipeline(&dispatch.pipeline);
                    pass.set_bind_group(0, group, &[(index * SLOT_SIZE) as u32]);
                    let [x, y] = dispatch.groups;
                    pass.dispatch_workgroups(x, y, 1);
                }
                drop(pass);
                queue.submit([encoder.finish()]);
            })
            .await
    }

    fn part<'a, U>(&self, buffer: &'a wgpu::Buffer, len: usize) -> Part<'a> {
        Part {
            buffer,
            bytes: (len * size_of::<U>()) as u64,
        }
    }

    /// The parts' bytes, one after the other, once the device has computed them.
    async fn read(&self, parts: &[Part<'_>]) -> Result<Vec<u8>, Error> {
        let readback = &self.buffers.readback;
        let total = parts.iter().map(|part| part.bytes).sum();
        self.gpu
            .device
            .scoped(|device, queue| {
                let mut encoder = device.create_command_encoder(&Default::default());
                let mut offset = 0;
                for part in parts.iter().filter(|part| part.bytes > 0) {
                    encoder.copy_buffer_to_buffer(part.buffer, 0, readback, offset, part.bytes);
                    offset += part.bytes;
                }
                queue.submit([encoder.finish()]);
            })
            .await?;
        let view = self
            .gpu
            .device
            .read(readback, total, self.call.blocking)
            .await?;
        let bytes = view.to_vec();
        drop(view);
        readback.unmap();
        Ok(bytes)
    }
}

impl Dispatch {
    fn new(pipeline: &wgpu::ComputePipeline, params: impl Pod, groups: [u32; 2]) -> Self {
        let mut bytes = [0; PARAMS_SIZE as usize];
        bytes.copy_from_slice(bytemuck::bytes_of(&params));
        Dispatch {
            pipeline: pipeline.clone(),
            params: bytes,
            groups,
        }
    }
}

/// Takes `len` entries off the front of `bytes`.
fn take<U: Pod>(bytes: &mut &[u8], len: usize) -> Vec<U> {
    let (front, rest) = bytes.split_at(len * size_of::<U>());
    *bytes = rest;
    bytemuck::pod_collect_to_vec(front)
}

/// Terms to sum before they are added to a total, so that the errors of a sum of `len` grow with
/// the root of it.
fn block(len: usize) -> u32 {
    (len as f64).sqrt().ceil().max(1.0) as u32
}
