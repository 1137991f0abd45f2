//! What a call sends to the device and gets back: buffers, dispatches, and the time they took.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::Pod;

use crate::data::error::Error;
use crate::data::options::{Cancel, Options};
use crate::data::parallel;
use crate::gpu::Gpu;
use crate::gpu::clock::Clock;
use crate::gpu::pipelines::Pipeline;
use crate::gpu::pool::{Buffer, Pool};
use crate::gpu::staging::{Load, Staging};

/// Bytes of a dispatch's parameters, of whatever kernel.
pub(super) const PARAMS_SIZE: usize = 80;
/// Dispatches in one submit: as many as there are slots for their parameters.
pub(super) const SLOTS: usize = 256;
/// Dispatches of one recorded call.
const RECORDED_SLOTS: usize = 4096;
/// Offsets of uniform buffers are multiples of this everywhere.
const SLOT_SIZE: usize = 256;

/// One dispatch to come.
pub(super) struct Dispatch {
    pipeline: Pipeline,
    params: [u8; PARAMS_SIZE],
    groups: [u32; 2],
}

impl Dispatch {
    /// `params` may be shorter than what there is room for.
    pub fn new(pipeline: &Pipeline, params: impl Pod, groups: [u32; 2]) -> Self {
        let mut bytes = [0; PARAMS_SIZE];
        let params = bytemuck::bytes_of(&params);
        bytes[..params.len()].copy_from_slice(params);
        Dispatch {
            pipeline: pipeline.clone(),
            params: bytes,
            groups,
        }
    }
}

/// A part of a buffer, to read back.
pub(super) struct Part<'a> {
    buffer: &'a wgpu::Buffer,
    offset: u64,
    bytes: u64,
}

impl<'a> Part<'a> {
    /// The first `len` entries of type U.
    pub fn new<U>(buffer: &'a wgpu::Buffer, len: usize) -> Self {
        Self::at::<U>(buffer, 0, len)
    }

    /// `len` entries of type U from `first` on.
    pub fn at<U>(buffer: &'a wgpu::Buffer, first: usize, len: usize) -> Self {
        let bytes = |len: usize| (len * size_of::<U>()) as u64;
        Part {
            buffer,
            offset: bytes(first),
            bytes: bytes(len),
        }
    }
}

/// Parts on their way to where they can be read: so many bytes, once a submit is done.
pub(super) struct Fetched {
    bytes: u64,
    submitted: wgpu::SubmissionIndex,
}

/// Makes the buffers of a call.
pub(super) struct Maker<'d> {
    device: &'d wgpu::Device,
    params: &'d wgpu::Buffer,
    /// Where buffers come from, if they may be another call's later.
    pool: Option<&'d Arc<Pool>>,
    made: RefCell<Vec<Buffer>>,
}

impl Maker<'_> {
    /// A buffer that kernels use. What is in it is anything.
    pub fn buffer(&self, label: &str, bytes: usize) -> Buffer {
        use wgpu::BufferUsages as Usage;
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let kept = self.pool.and_then(|pool| pool.take(bytes as u64));
        let made = kept.unwrap_or_else(|| buffer(self.device, label, bytes as u64, usage));
        let made = Buffer::new(made);
        self.made.borrow_mut().push(made.clone());
        made
    }

    /// The parameters and these buffers, for a kernel of this layout.
    pub fn group(
        &self,
        layout: &wgpu::BindGroupLayout,
        buffers: &[&wgpu::BufferBinding<'_>],
    ) -> wgpu::BindGroup {
        let params = wgpu::BufferBinding {
            buffer: self.params,
            offset: 0,
            size: wgpu::BufferSize::new(PARAMS_SIZE as u64),
        };
        let entries: Vec<_> = std::iter::once(&params)
            .chain(buffers.iter().copied())
            .enumerate()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: wgpu::BindingResource::Buffer(buffer.clone()),
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout,
            entries: &entries,
        })
    }
}

fn buffer(
    device: &wgpu::Device,
    label: &str,
    bytes: u64,
    usage: wgpu::BufferUsages,
) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        // Bindings are never empty; 16 holds any one entry.
        size: bytes.max(16),
        usage,
        mapped_at_creation: false,
    })
}

/// What calls talk to the device through, one after the other.
pub(super) struct Channel {
    clock: Option<Clock>,
    params: wgpu::Buffer,
    staging: Staging,
    readback: wgpu::Buffer,
}

impl Channel {
    /// `readback` is the most bytes that are read at once.
    pub async fn new(gpu: &Gpu, readback: usize) -> Result<Self, Error> {
        let clock = match gpu.timed {
            true => Clock::new(&gpu.device, gpu.profile.clone()).await?,
            false => None,
        };
        Self::with(gpu, clock, SLOTS, readback).await
    }

    /// For a call that is recorded.
    pub async fn recording(gpu: &Gpu) -> Result<Self, Error> {
        Self::with(gpu, None, RECORDED_SLOTS, 0).await
    }

    async fn with(
        gpu: &Gpu,
        clock: Option<Clock>,
        slots: usize,
        readback: usize,
    ) -> Result<Self, Error> {
        use wgpu::BufferUsages as Usage;
        let params = (slots * SLOT_SIZE) as u64;
        gpu.device
            .scoped(|device, _| Channel {
                clock,
                params: buffer(device, "params", params, Usage::UNIFORM | Usage::COPY_DST),
                staging: Staging::default(),
                readback: buffer(
                    device,
                    "readback",
                    readback as u64,
                    Usage::MAP_READ | Usage::COPY_DST,
                ),
            })
            .await
    }

    /// Whether it can read so many bytes at once.
    pub fn reads(&self, bytes: usize) -> bool {
        bytes as u64 <= self.readback.size()
    }

    /// Starts counting the device's time anew.
    pub fn forget_times(&self) {
        if let Some(clock) = &self.clock {
            clock.forget();
        }
    }

    /// Makes buffers and groups of them, from a pool or anew.
    pub async fn make<R>(
        &self,
        gpu: &Gpu,
        pool: Option<&Arc<Pool>>,
        f: impl Fn(&Maker<'_>) -> R,
    ) -> Result<R, Error> {
        let params = &self.params;
        let make = |device: &wgpu::Device| {
            let maker = Maker {
                device,
                params,
                pool,
                made: RefCell::default(),
            };
            (f(&maker), maker.made.into_inner())
        };
        let mut made = gpu.device.attempt(|device, _| make(device)).await;
        if made.as_ref().is_err_and(|failed| failed.for_memory) && gpu.pool.clear() {
            made = gpu.device.attempt(|device, _| make(device)).await;
        }
        let (result, buffers) = made.map_err(|failed| failed.error)?;
        // Only now: one that could not be had is not to be kept.
        if let Some(pool) = pool {
            buffers.iter().for_each(|buffer| buffer.keep_in(pool));
        }
        Ok(result)
    }
}

/// What a call works with, and leaves for the next of its kind: buffers that serve one chunk after
/// the other.
pub(super) struct Tools<B> {
    pub channel: Channel,
    pub buffers: B,
}

impl<B> Tools<B> {
    pub fn stream<'c>(&'c self, gpu: &'c Gpu, blocking: bool, options: &'c Options) -> Stream<'c> {
        Stream {
            gpu,
            channel: &self.channel,
            blocking,
            options: Some(options),
            recorder: None,
        }
    }
}

/// Somebody else's commands, to which a call adds its own, and the slots that these have taken.
pub(super) struct Recorder<'e> {
    pub encoder: &'e mut wgpu::CommandEncoder,
    pub slots: usize,
}

/// The device, as one call uses it.
#[derive(Clone, Copy)]
pub(super) struct Stream<'c> {
    pub gpu: &'c Gpu,
    pub channel: &'c Channel,
    /// Whether the caller's thread may block until the device is done.
    pub blocking: bool,
    /// Of a call that can be cancelled.
    pub options: Option<&'c Options>,
    /// Where commands go, if they are not to be submitted; such a call has its channel for itself.
    pub recorder: Option<&'c Mutex<Recorder<'c>>>,
}

impl Stream<'_> {
    /// Writes entries, before whatever is submitted next.
    pub async fn write(&self, loads: &[Load<'_>]) -> Result<(), Error> {
        let (device, staging) = (&self.gpu.device, &self.channel.staging);
        // A recorded call submits nothing.
        if self.recorder.is_none() && staging.serves(device, loads) {
            let written = staging.write(device, loads, self.blocking, self.cancel());
            return written.await;
        }
        let write = |queue: &wgpu::Queue| loads.iter().for_each(|load| load.write(queue));
        device.scoped(|_, queue| write(queue)).await
    }

    /// What ends a wait of this call.
    fn cancel(&self) -> Option<&Cancel> {
        self.options.and_then(|options| options.cancel.as_ref())
    }

    /// Submits what was written so far.
    pub async fn submit_writes(&self) -> Result<(), Error> {
        self.gpu
            .device
            .scoped(|_, queue| {
                queue.submit([]);
            })
            .await
    }

    /// Submits dispatches that run one after the other.
    pub async fn submit(
        &self,
        group: &wgpu::BindGroup,
        dispatches: &[Dispatch],
    ) -> Result<(), Error> {
        self.options.map_or(Ok(()), Options::check_cancelled)?;
        let mut slots = vec![0; dispatches.len() * SLOT_SIZE];
        for (slot, dispatch) in slots.chunks_exact_mut(SLOT_SIZE).zip(dispatches) {
            slot[..PARAMS_SIZE].copy_from_slice(&dispatch.params);
        }
        if let Some(recorder) = self.recorder {
            return self.record(recorder, group, dispatches, &slots).await;
        }
        let profile = self.gpu.profile.as_ref();
        let passes = profile.map_or(1, |_| dispatches.len());
        if let Some(clock) = &self.channel.clock {
            let device = &self.gpu.device;
            clock.make_room(passes, device, self.blocking).await?;
        }
        self.gpu
            .device
            .scoped(|device, queue| {
                // Ordered with the submits before: they have read their parameters by then.
                queue.write_buffer(&self.channel.params, 0, &slots);
                let mut encoder = device.create_command_encoder(&Default::default());
                let clock = self.channel.clock.as_ref();
                match profile {
                    None => {
                        let times = clock.map(|clock| clock.next(None));
                        encode(&mut encoder, times, group, dispatches, 0);
                    }
                    // A pass each: timestamps are a pass's.
                    Some(profile) => {
                        for (index, dispatch) in dispatches.chunks(1).enumerate() {
                            let kernel = &dispatch[0].pipeline.blueprint;
                            let times = clock.map(|clock| clock.next(Some(Arc::clone(kernel))));
                            encode(&mut encoder, times, group, dispatch, index);
                            profile.dispatched(kernel);
                        }
                    }
                }
                queue.submit([encoder.finish()]);
                self.gpu.device.listen(queue);
            })
            .await
    }

    /// Adds dispatches to somebody else's commands. Their parameters are written before the next submit,
    /// whosever it is, so each has a slot of its own.
    async fn record(
        &self,
        recorder: &Mutex<Recorder<'_>>,
        group: &wgpu::BindGroup,
        dispatches: &[Dispatch],
        slots: &[u8],
    ) -> Result<(), Error> {
        let recorded = self
            .gpu
            .device
            .scoped(|_, queue| {
                let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
                let first = recorder.slots;
                recorder.slots += dispatches.len();
                if recorder.slots > RECORDED_SLOTS {
                    return false;
                }
                let offset = (first * SLOT_SIZE) as u64;
                queue.write_buffer(&self.channel.params, offset, slots);
                encode(recorder.encoder, None, group, dispatches, first);
                true
            })
            .await?;
        match recorded {
            true => Ok(()),
            false => Err(Error::Unsupported(format!(
                "{}: the call takes more than {RECORDED_SLOTS} dispatches, too many to be recorded",
                self.gpu.adapter.name
            ))),
        }
    }

    /// What `take` makes of the parts' bytes, one after the other, once the device has computed them.
    pub async fn read<R>(
        &self,
        parts: &[Part<'_>],
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Error> {
        let fetched = self.fetch(parts).await?;
        self.take(fetched, take).await
    }

    /// Has the device copy parts, one after the other, to where they can be read; one fetch at a time.
    pub async fn fetch(&self, parts: &[Part<'_>]) -> Result<Fetched, Error> {
        if self.recorder.is_some() {
            return Err(Error::Unsupported(format!(
                "{}: the call asks how matrices fare on its way, and cannot be recorded",
                self.gpu.adapter.name
            )));
        }
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let submitted = self
            .gpu
            .device
            .scoped(|device, queue| {
                let mut encoder = device.create_command_encoder(&Default::default());
                let mut offset = 0;
                for part in parts.iter().filter(|part| part.bytes > 0) {
                    let Part {
                        buffer,
                        offset: from,
                        bytes,
                    } = part;
                    encoder.copy_buffer_to_buffer(
                        buffer,
                        *from,
                        &self.channel.readback,
                        offset,
                        *bytes,
                    );
                    offset += bytes;
                }
                queue.submit([encoder.finish()])
            })
            .await?;
        Ok(Fetched { bytes, submitted })
    }

    /// What `take` makes of the bytes that were fetched, once they are there.
    pub async fn take<R>(
        &self,
        fetched: Fetched,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Error> {
        let Fetched { bytes, submitted } = fetched;
        let device = &self.gpu.device;
        let view = device
            .read(
                &self.channel.readback,
                bytes,
                submitted,
                self.blocking,
                self.cancel(),
            )
            .await?;
        let result = take(&view);
        drop(view);
        self.channel.readback.unmap();
        Ok(result)
    }

    /// Seconds that the device was at work, where it has a clock.
    pub async fn seconds(&self) -> Result<Option<f64>, Error> {
        match &self.channel.clock {
            Some(clock) => Ok(Some(clock.seconds(&self.gpu.device, self.blocking).await?)),
            None => Ok(None),
        }
    }
}

/// Dispatches one after the other, with parameters from slot `first` on.
fn encode(
    encoder: &mut wgpu::CommandEncoder,
    timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
    group: &wgpu::BindGroup,
    dispatches: &[Dispatch],
    first: usize,
) {
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: None,
        timestamp_writes,
    });
    for (index, dispatch) in dispatches.iter().enumerate() {
        pass.set_pipeline(&dispatch.pipeline.compiled);
        pass.set_bind_group(0, group, &[((first + index) * SLOT_SIZE) as u32]);
        let [x, y] = dispatch.groups;
        pass.dispatch_workgroups(x, y, 1);
    }
}

/// Copies entries off the front of `bytes` until `to` is full.
pub(super) fn fill<U: Pod>(bytes: &mut &[u8], to: &mut [U]) {
    let (front, rest) = bytes.split_at(size_of_val(to));
    *bytes = rest;
    parallel::copy(front, bytemuck::cast_slice_mut(to));
}

/// `len` entries off the front of `bytes`.
pub(super) fn take<'b, U: Pod>(bytes: &mut &'b [u8], len: usize) -> Cow<'b, [U]> {
    let (front, rest) = bytes.split_at(len * size_of::<U>());
    *bytes = rest;
    match bytemuck::try_cast_slice(front) {
        Ok(entries) => Cow::Borrowed(entries),
        // A browser's bytes lie anywhere.
        Err(_) => Cow::Owned(bytemuck::pod_collect_to_vec(front)),
    }
}
