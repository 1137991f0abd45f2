//! A wgpu device whose failures are errors: scopes around every call, a flag for its loss, and
//! waiting that ends.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::error::Error;

/// Work per submit is bounded, so a device that is silent for so long is gone.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long to wait in one go.
const STEP: Duration = Duration::from_secs(10);

pub(crate) struct Device {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// Why the device was lost, for good.
    lost: Arc<Mutex<Option<String>>>,
    /// What went wrong outside any scope since the last look.
    uncaptured: Arc<Mutex<Option<String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    pub fn new(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let (lost, uncaptured) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
        let slot = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            *lock(&slot) = Some(format!("the device was lost ({reason:?}): {message}"));
        });
        let slot = Arc::clone(&uncaptured);
        // wgpu's own handler panics.
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&slot).get_or_insert(error.to_string());
        }));
        Device {
            device,
            queue,
            lost,
            uncaptured,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let lost = lock(&self.lost).clone();
        match lost.or_else(|| lock(&self.uncaptured).take()) {
            Some(trouble) => Err(Error::Device(trouble)),
            None => Ok(()),
        }
    }

    /// Calls `f`, which may create, write and submit, and turns what goes wrong into an error.
    pub async fn scoped<R>(
        &self,
        f: impl FnOnce(&wgpu::Device, &wgpu::Queue) -> R,
    ) -> Result<R, Error> {
        // The guards belong to this thread: popped before anything is awaited.
        let (result, errors) = {
            let filters = [
                wgpu::ErrorFilter::OutOfMemory,
                wgpu::ErrorFilter::Internal,
                wgpu::ErrorFilter::Validation,
            ];
            let [a, b, c] = filters.map(|filter| self.device.push_error_scope(filter));
            let result = catch_unwind(AssertUnwindSafe(|| f(&self.device, &self.queue)));
            let (c, b, a) = (c.pop(), b.pop(), a.pop());
            (result, (a, b, c))
        };
        let errors = [errors.0.await, errors.1.await, errors.2.await];
        if let Some(error) = errors.into_iter().flatten().next() {
            return Err(Error::Device(error.to_string()));
        }
        self.check()?;
        result.map_err(|_| Error::Device("the device's driver layer panicked".into()))
    }

    /// The first `len` bytes of a buffer that was made for reading, once the device has written
    /// them. The buffer stays mapped until it is unmapped.
    pub async fn read(
        &self,
        buffer: &wgpu::Buffer,
        len: u64,
        blocking: bool,
    ) -> Result<wgpu::BufferView, Error> {
        let mapped = self.wait(blocking, |_, done| {
            buffer.map_async(wgpu::MapMode::Read, 0..len, done);
        });
        mapped
            .await?
            .map_err(|error| Error::Device(error.to_string()))?;
        buffer
            .get_mapped_range(0..len)
            .map_err(|error| Error::Device(error.to_string()))
    }

    /// Returns when all that was submitted so far is done.
    pub async fn finish(&self, blocking: bool) -> Result<(), Error> {
        self.wait(blocking, |queue, done| {
            queue.on_submitted_work_done(move || done(()));
        })
        .await
    }

    /// What the callback that `ask` is given is called with.
    async fn wait<R: Send + 'static>(
        &self,
        blocking: bool,
        ask: impl FnOnce(&wgpu::Queue, Box<dyn FnOnce(R) + Send>),
    ) -> Result<R, Error> {
        let slot = Arc::new(Mutex::new((None::<R>, None::<Waker>)));
        let callback = Arc::clone(&slot);
        let done = Box::new(move |result| {
            let mut slot = lock(&callback);
            slot.0 = Some(result);
            if let Some(waker) = slot.1.take() {
                waker.wake();
            }
        });
        self.scoped(|_, queue| ask(queue, done)).await?;
        // The web has neither a clock here nor a need for one: its callback comes or the page ends.
        #[cfg(not(target_family = "wasm"))]
        let start = std::time::Instant::now();
        poll_fn(|context| {
            lock(&slot).1 = Some(context.waker().clone());
            let poll = if blocking {
                wgpu::PollType::Wait {
                    submission_index: None,
                    timeout: Some(STEP),
                }
            } else {
                wgpu::PollType::Poll
            };
            // poll panics where the driver reports a fatal error.
            let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(poll)));
            if let Some(result) = lock(&slot).0.take() {
                return Poll::Ready(Ok(result));
            }
            if let Err(error) = self.check() {
                return Poll::Ready(Err(error));
            }
            match polled {
                Err(_) => {
                    let text = "the device's driver layer panicked while waiting";
                    return Poll::Ready(Err(Error::Device(text.into())));
                }
                Ok(Err(wgpu::PollError::Timeout)) => {}
                Ok(Err(error)) => {
                    return Poll::Ready(Err(Error::Device(error.to_string())));
                }
                Ok(Ok(_)) => {}
            }
            // On the web the callback wakes; elsewhere somebody must keep polling the device.
            #[cfg(not(target_family = "wasm"))]
            {
                if start.elapsed() >= PATIENCE {
                    let seconds = PATIENCE.as_secs();
                    let text = format!("the device did not answer within {seconds} s");
                    return Poll::Ready(Err(Error::Device(text)));
                }
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }
}
