//! How entries get to the device: through memory that stays mapped from call to call, copied by all threads. A queue's own
//! writes take new memory each time, and a driver takes longer for that than for the copy.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytemuck::Pod;

use crate::data::error::Error;
use crate::data::options::Cancel;
use crate::data::parallel::{self, COPIED};
use crate::gpu::device::Device;

/// Fewer bytes than this go by the queue's own way, which takes no wait.
const STAGED: usize = 1 << 20;

/// What the host writes and the device copies from, of one channel, if there is any yet.
#[derive(Default)]
pub(super) struct Staging(Mutex<Option<Mapped>>);

struct Mapped {
    buffer: wgpu::Buffer,
    /// The submit that copies from it, until it is mapped again.
    read_by: wgpu::SubmissionIndex,
}

/// Entries on their way to a buffer.
pub(super) struct Load<'a> {
    buffer: &'a wgpu::Buffer,
    offset: u64,
    bytes: &'a [u8],
}

impl<'a> Load<'a> {
    /// To the buffer's front.
    pub fn new<U: Pod>(buffer: &'a wgpu::Buffer, entries: &'a [U]) -> Self {
        Self::at(buffer, 0, entries)
    }

    /// From entry `first` on.
    pub fn at<U: Pod>(buffer: &'a wgpu::Buffer, first: usize, entries: &'a [U]) -> Self {
        Load {
            buffer,
            offset: (first * size_of::<U>()) as u64,
            bytes: bytemuck::cast_slice(entries),
        }
    }

    /// By the queue's own way.
    pub fn write(&self, queue: &wgpu::Queue) {
        queue.write_buffer(self.buffer, self.offset, self.bytes);
    }
}

/// The bytes of all of them.
fn bytes_of(loads: &[Load<'_>]) -> usize {
    loads.iter().map(|load| load.bytes.len()).sum()
}

impl Staging {
    fn lock(&self) -> MutexGuard<'_, Option<Mapped>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether entries had better go this way.
    pub fn serves(&self, device: &Device, loads: &[Load<'_>]) -> bool {
        // Nobody waits for what the device has to do before.
        let idle = || {
            let kept = self.lock();
            kept.as_ref()
                .is_none_or(|kept| device.is_done(&kept.read_by))
        };
        // A browser's mapped memory is a copy of its own.
        !cfg!(target_family = "wasm") && bytes_of(loads) >= STAGED && idle()
    }

    /// Writes entries, before whatever is submitted next.
    pub async fn write(
        &self,
        device: &Device,
        loads: &[Load<'_>],
        blocking: bool,
        cancel: Option<&Cancel>,
    ) -> Result<(), Error> {
        let bytes = bytes_of(loads) as u64;
        let kept = self.lock().take();
        let staging = match kept.filter(|kept| kept.buffer.size() >= bytes) {
            Some(Mapped { buffer, read_by }) => {
                let write = wgpu::MapMode::Write;
                let mapped = device.map(&buffer, write, bytes, read_by, blocking, cancel);
                mapped.await?;
                buffer
            }
            None => {
                let made = device.scoped(|device, _| {
                    device.create_buffer(&wgpu::BufferDescriptor {
                        label: Some("staging"),
                        size: bytes,
                        usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
                        mapped_at_creation: true,
                    })
                });
                made.await?
            }
        };
        let mut view = device.mapped(&staging, bytes)?;
        let (mut rest, mut parts) = (view.slice(..), Vec::new());
        for load in loads {
            let (to, after) = rest.split_at(load.bytes.len());
            rest = after;
            let (to, mut last) = to.into_chunks::<COPIED>();
            let from = load.bytes.chunks_exact(COPIED);
            last.copy_from_slice(from.remainder());
            parts.extend(to.into_iter().zip(from));
        }
        type Copy<'a> = (wgpu::WriteOnly<'a, [u8; COPIED]>, &'a [u8]);
        parallel::for_each_apart(parts, |(to, from): Copy<'_>| {
            wgpu::WriteOnly::<[u8]>::from(to).copy_from_slice(from);
        });
        drop(view);
        let read_by = device
            .scoped(|device, queue| {
                staging.unmap();
                let mut encoder = device.create_command_encoder(&Default::default());
                let mut from = 0;
                for load in loads.iter().filter(|load| !load.bytes.is_empty()) {
                    let bytes = load.bytes.len() as u64;
                    encoder.copy_buffer_to_buffer(&staging, from, load.buffer, load.offset, bytes);
                    from += bytes;
                }
                queue.submit([encoder.finish()])
            })
            .await?;
        *self.lock() = Some(Mapped {
            buffer: staging,
            read_by,
        });
        Ok(())
    }
}
