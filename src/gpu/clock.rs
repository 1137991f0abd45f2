//! The device's own clock around compute passes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::data::error::Error;
use crate::gpu::device::Device;
use crate::gpu::profile::Profile;
use crate::shader::Blueprint;

/// Passes that are timed before the times are read back; WebGPU allows 4096 timestamps in a set.
const PASSES: u32 = 2048;
const BYTES: u64 = 2 * 8 * PASSES as u64;

/// Adds up how long compute passes took.
pub(super) struct Clock {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readback: wgpu::Buffer,
    /// Seconds in a tick.
    tick: f64,
    /// Where each kernel's share goes, if somebody asked.
    profile: Option<Arc<Profile>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    passes: u32,
    ticks: u64,
    /// Whose the passes are, where each is a dispatch of its own.
    kernels: Vec<Arc<Blueprint>>,
}

impl Clock {
    /// None on a device without timestamps.
    pub async fn new(
        device: &Device,
        profile: Option<Arc<Profile>>,
    ) -> Result<Option<Self>, Error> {
        if !device
            .device
            .features()
            .contains(wgpu::Features::TIMESTAMP_QUERY)
        {
            return Ok(None);
        }
        device
            .scoped(|device, queue| {
                let buffer = |usage| {
                    device.create_buffer(&wgpu::BufferDescriptor {
                        label: Some("timestamps"),
                        size: BYTES,
                        usage,
                        mapped_at_creation: false,
                    })
                };
                use wgpu::BufferUsages as Usage;
                Some(Clock {
                    set: device.create_query_set(&wgpu::QuerySetDescriptor {
                        label: Some("timestamps"),
                        ty: wgpu::QueryType::Timestamp,
                        count: 2 * PASSES,
                    }),
                    resolved: buffer(Usage::QUERY_RESOLVE | Usage::COPY_SRC),
                    readback: buffer(Usage::MAP_READ | Usage::COPY_DST),
                    tick: f64::from(queue.get_timestamp_period()) * 1e-9,
                    profile,
                    state: Mutex::default(),
                })
            })
            .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all passes so far.
    pub fn forget(&self) {
        *self.state() = State::default();
    }

    /// Makes room for further passes.
    pub async fn make_room(
        &self,
        passes: usize,
        device: &Device,
        blocking: bool,
    ) -> Result<(), Error> {
        if self.state().passes as usize + passes <= PASSES as usize {
            return Ok(());
        }
        self.collect(device, blocking).await
    }

    /// Where the next pass writes its times; a kernel's own pass goes to its profile.
    pub fn next(&self, kernel: Option<Arc<Blueprint>>) -> wgpu::ComputePassTimestampWrites<'_> {
        let mut state = self.state();
        state.kernels.extend(kernel);
        let first = 2 * state.passes;
        state.passes += 1;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    async fn collect(&self, device: &Device, blocking: bool) -> Result<(), Error> {
        let (passes, kernels) = {
            let mut state = self.state();
            (
                std::mem::take(&mut state.passes),
                std::mem::take(&mut state.kernels),
            )
        };
        if passes == 0 {
            return Ok(());
        }
        let bytes = 16 * u64::from(passes);
        let submitted = device
            .scoped(|device, queue| {
                let mut encoder = device.create_command_encoder(&Default::default());
                encoder.resolve_query_set(&self.set, 0..2 * passes, &self.resolved, 0);
                encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readback, 0, bytes);
                queue.submit([encoder.finish()])
            })
            .await?;
        let view = device
            .read(&self.readback, bytes, submitted, blocking, None)
            .await?;
        let times: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        self.readback.unmap();
        // A driver whose clock steps back counts as standing still.
        let ticks = times
            .chunks_exact(2)
            .map(|pass| pass[1].saturating_sub(pass[0]));
        if let Some(profile) = &self.profile {
            for (kernel, ticks) in kernels.iter().zip(ticks.clone()) {
                profile.took(kernel, ticks as f64 * self.tick);
            }
        }
        self.state().ticks += ticks.sum::<u64>();
        Ok(())
    }

    /// Seconds in all passes since the last look.
    pub async fn seconds(&self, device: &Device, blocking: bool) -> Result<f64, Error> {
        self.collect(device, blocking).await?;
        let ticks = std::mem::take(&mut self.state().ticks);
        Ok(ticks as f64 * self.tick)
    }
}
