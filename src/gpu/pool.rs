//! Memory on the device that is kept for the next call: a driver takes milliseconds for new memory, in which tens of
//! millions of small matrices are solved.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A smaller buffer is not kept: the driver cuts it out of a block that it already has.
const SMALLEST_KEPT: u64 = 1 << 20;
/// The most bytes that are kept.
const MOST_KEPT: u64 = 512 << 20;

/// Buffers of batches and calls that are gone, the oldest first. All have the same usages.
///
/// A queue carries out its commands in order, so a buffer may be given away while the device still works with it. But
/// nobody may hold commands back that use it.
#[derive(Default)]
pub(crate) struct Pool(Mutex<VecDeque<wgpu::Buffer>>);

impl Pool {
    /// A buffer of this size, if there is one.
    pub fn take(&self, bytes: u64) -> Option<wgpu::Buffer> {
        let mut kept = self.lock();
        // The latest is the likeliest to be in a cache.
        let index = kept.iter().rposition(|buffer| buffer.size() == bytes)?;
        kept.remove(index)
    }

    /// Lets go of all of them. Returns whether there were any.
    pub fn clear(&self) -> bool {
        !std::mem::take(&mut *self.lock()).is_empty()
    }

    fn put(&self, buffer: wgpu::Buffer) {
        if !(SMALLEST_KEPT..=MOST_KEPT).contains(&buffer.size()) {
            return;
        }
        let mut kept = self.lock();
        kept.push_back(buffer);
        let mut bytes: u64 = kept.iter().map(wgpu::Buffer::size).sum();
        while bytes > MOST_KEPT {
            bytes -= kept.pop_front().map_or(bytes, |oldest| oldest.size());
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<wgpu::Buffer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer, which goes to its pool, if it has one, with the last of its clones.
#[derive(Clone)]
pub(crate) struct Buffer(Arc<Held>);

struct Held {
    buffer: wgpu::Buffer,
    /// Where it goes to, if it does.
    pool: Mutex<Option<Arc<Pool>>>,
}

impl Buffer {
    /// One that is thrown away with the last of its clones.
    pub fn new(buffer: wgpu::Buffer) -> Self {
        Buffer(Arc::new(Held {
            buffer,
            pool: Mutex::default(),
        }))
    }

    /// It goes to this pool instead.
    pub fn keep_in(&self, pool: &Arc<Pool>) {
        *self.0.pool() = Some(Arc::clone(pool));
    }

    /// All of it, for a kernel.
    pub fn whole(&self) -> wgpu::BufferBinding<'_> {
        self.as_entire_buffer_binding()
    }

    /// The buffer, for commands that are not submitted by the time the call returns: it is never given to another call.
    pub fn lend(&self) -> &wgpu::Buffer {
        *self.0.pool() = None;
        &self.0.buffer
    }
}

impl Deref for Buffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.0.buffer
    }
}

impl Held {
    fn pool(&self) -> MutexGuard<'_, Option<Arc<Pool>>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(pool) = self.pool().take() {
            pool.put(self.buffer.clone());
        }
    }
}
