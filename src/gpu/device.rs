//! A wgpu device whose failures are errors: scopes around every call, a flag for its loss, and
//! waiting that ends.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::data::error::Error;
use crate::data::faults::{Fault, Faults};
use crate::data::options::Cancel;
use crate::host::slot::Slot;

/// Work per submit is bounded, so a device that finishes none for so long is gone.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long to wait in one go.
#[cfg(not(target_family = "wasm"))]
const STEP: Duration = Duration::from_secs(10);

/// The same where somebody may cancel meanwhile.
#[cfg(not(target_family = "wasm"))]
const GLANCE: Duration = Duration::from_millis(20);

/// How long a device that failed gets to become idle: only then it tells that it was lost, and what is under way
/// on a busy machine takes its time.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) struct Device {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pulse: Pulse,
    pub faults: Faults,
}

/// Why something went wrong.
pub(crate) struct Failed {
    pub error: Error,
    pub for_memory: bool,
}

/// How the device is.
#[derive(Clone, Default)]
struct Pulse {
    /// Whether another device can be opened in place of this one.
    owned: bool,
    /// Whether it may never answer again, for all that anybody knows.
    given_up: Arc<AtomicBool>,
    /// Submits that are done.
    done: Arc<AtomicU64>,
    /// Why the device was lost, for good.
    lost: Arc<Mutex<Option<String>>>,
    /// What went wrong outside any scope since the last look.
    uncaptured: Arc<Mutex<Option<String>>>,
}

impl Pulse {
    /// Gives the device up, for another to be opened, unless it is somebody else's.
    fn lose(&self, why: String) -> Error {
        if self.owned {
            lock(&self.lost).get_or_insert_with(|| why.clone());
            self.given_up.store(true, Ordering::Relaxed);
        }
        Error::Device(why)
    }

    fn check(&self) -> Result<(), Error> {
        let lost = lock(&self.lost).clone();
        match lost.or_else(|| lock(&self.uncaptured).take()) {
            Some(trouble) => Err(Error::Device(trouble)),
            None => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the device, after all submits or one, until the slot is settled, one way or another.
#[cfg(not(target_family = "wasm"))]
fn attend<R>(
    device: &wgpu::Device,
    pulse: &Pulse,
    after: Option<wgpu::SubmissionIndex>,
    cancel: Option<&Cancel>,
    patience: Duration,
    slot: &Slot<Result<R, Error>>,
) {
    let mut start = std::time::Instant::now();
    let mut done = pulse.done.load(Ordering::Relaxed);
    loop {
        let wait = wgpu::PollType::Wait {
            submission_index: after.clone(),
            timeout: Some(if cancel.is_some() { GLANCE } else { STEP }),
        };
        // poll panics where the driver reports a fatal error.
        let polled = catch_unwind(AssertUnwindSafe(|| device.poll(wait)));
        if slot.is_settled() {
            return;
        }
        let now_done = pulse.done.load(Ordering::Relaxed);
        if now_done != done {
            (start, done) = (std::time::Instant::now(), now_done);
        }
        if cancel.is_some_and(Cancel::is_cancelled) {
            return slot.settle(Err(Error::Cancelled));
        }
        let patient = start.elapsed() < patience;
        let error = match (pulse.check(), polled) {
            (Err(error), _) => error,
            (_, Err(_)) => pulse.lose("the device's driver layer panicked while waiting".into()),
            (_, Ok(Err(wgpu::PollError::Timeout))) if patient => continue,
            (_, Ok(Ok(_))) if patient => {
                // The callback is on its way, or another thread's poll has it.
                std::thread::yield_now();
                continue;
            }
            (_, Ok(Ok(_) | Err(wgpu::PollError::Timeout))) => {
                let seconds = patience.as_secs();
                pulse.lose(format!("the device did not answer within {seconds} s"))
            }
            (_, Ok(Err(error))) => Error::Device(error.to_string()),
        };
        return slot.settle(Err(error));
    }
}

/// Whoever drops the last handle of a queue waits for it, without end.
impl Drop for Device {
    fn drop(&mut self) {
        if self.pulse.given_up.load(Ordering::Relaxed) {
            std::mem::forget(self.queue.clone());
        }
    }
}

impl Device {
    /// Somebody else's device, whose handlers are theirs: what goes wrong outside this crate's calls is
    /// not heard of, and a loss only by what fails after it.
    pub fn borrowed(device: wgpu::Device, queue: wgpu::Queue, faults: Faults) -> Self {
        Device {
            device,
            queue,
            pulse: Pulse::default(),
            faults,
        }
    }

    pub fn new(device: wgpu::Device, queue: wgpu::Queue, faults: Faults) -> Self {
        let pulse = Pulse {
            owned: true,
            ..Pulse::default()
        };
        let slot = Arc::clone(&pulse.lost);
        device.set_device_lost_callback(move |reason, message| {
            let text = format!("the device was lost ({reason:?}) {message}");
            lock(&slot).get_or_insert(text.trim_end().into());
        });
        let slot = Arc::clone(&pulse.uncaptured);
        // wgpu's own handler panics.
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&slot).get_or_insert(error.to_string());
        }));
        Device {
            device,
            queue,
            pulse,
            faults,
        }
    }

    /// Whether the device was lost, as far as is known.
    pub fn is_lost(&self) -> bool {
        self.poll(wgpu::PollType::Poll);
        lock(&self.pulse.lost).is_some()
    }

    /// Whoever polls hears of the device's loss.
    fn poll(&self, how: wgpu::PollType) {
        // poll panics where the driver reports a fatal error.
        if catch_unwind(AssertUnwindSafe(|| self.device.poll(how))).is_err() {
            self.pulse.lose("the device's driver layer panicked".into());
        }
    }

    /// What went wrong: on a device that was lost that is its loss, which is told of once it is idle; what it
    /// is asked meanwhile fails in other ways, or not at all.
    fn trouble(&self, error: String) -> Error {
        self.poll(match self.pulse.owned {
            true => wgpu::PollType::Wait {
                submission_index: None,
                timeout: Some(GRACE),
            },
            // Its owner may have work of their own on it.
            false => wgpu::PollType::Poll,
        });
        match self.pulse.check() {
            Err(loss) => loss,
            Ok(()) => Error::Device(error),
        }
    }

    /// Calls `f`, which may create, write and submit, and turns what goes wrong into an error.
    pub async fn scoped<R>(
        &self,
        f: impl FnOnce(&wgpu::Device, &wgpu::Queue) -> R,
    ) -> Result<R, Error> {
        self.attempt(f).await.map_err(|failed| failed.error)
    }

    /// Does the same, and tells whether it failed for want of memory.
    pub async fn attempt<R>(
        &self,
        f: impl FnOnce(&wgpu::Device, &wgpu::Queue) -> R,
    ) -> Result<R, Failed> {
        // The guards belong to this thread: popped before anything is awaited.
        let (result, errors) = {
            let filters = [
                wgpu::ErrorFilter::OutOfMemory,
                wgpu::ErrorFilter::Internal,
                wgpu::ErrorFilter::Validation,
            ];
            let [a, b, c] = filters.map(|filter| self.device.push_error_scope(filter));
            let result = catch_unwind(AssertUnwindSafe(|| {
                self.fail();
                f(&self.device, &self.queue)
            }));
            let (c, b, a) = (c.pop(), b.pop(), a.pop());
            (result, (a, b, c))
        };
        let errors = [errors.0.await, errors.1.await, errors.2.await];
        let memory = self.faults.due(Fault::OutOfMemory);
        let memory = memory.then(|| wgpu::Error::OutOfMemory {
            source: "none is left, for a test".into(),
        });
        if let Some(error) = errors.into_iter().flatten().chain(memory).next() {
            return Err(Failed {
                for_memory: matches!(error, wgpu::Error::OutOfMemory { .. }),
                error: self.trouble(error.to_string()),
            });
        }
        let failed = |error| Failed {
            for_memory: false,
            error,
        };
        self.pulse.check().map_err(failed)?;
        result.map_err(|_| failed(self.pulse.lose("the device's driver layer panicked".into())))
    }

    /// Whether a submit is done. Does not wait.
    pub fn is_done(&self, submitted: &wgpu::SubmissionIndex) -> bool {
        let at_once = wgpu::PollType::Wait {
            submission_index: Some(submitted.clone()),
            timeout: Some(Duration::ZERO),
        };
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(at_once)));
        matches!(polled, Ok(Ok(_)))
    }

    /// Fails, if a test wants that.
    fn fail(&self) {
        if self.faults.due(Fault::Lost) {
            self.device.destroy();
        }
        if self.faults.due(Fault::Panic) {
            resume_unwind(Box::new("for a test"));
        }
    }

    /// The first `len` bytes of a buffer that was made for reading, once a submit is done. The buffer
    /// stays mapped until it is unmapped.
    pub async fn read(
        &self,
        buffer: &wgpu::Buffer,
        len: u64,
        submitted: wgpu::SubmissionIndex,
        blocking: bool,
        cancel: Option<&Cancel>,
    ) -> Result<wgpu::BufferView, Error> {
        if self.faults.due(Fault::Unmappable) {
            buffer.destroy();
        }
        let read = wgpu::MapMode::Read;
        self.map(buffer, read, len, submitted, blocking, cancel)
            .await?;
        buffer
            .get_mapped_range(0..len)
            .map_err(|error| self.trouble(error.to_string()))
    }

    /// Maps the first `len` bytes of a buffer, once a submit is done.
    pub async fn map(
        &self,
        buffer: &wgpu::Buffer,
        mode: wgpu::MapMode,
        len: u64,
        submitted: wgpu::SubmissionIndex,
        blocking: bool,
        cancel: Option<&Cancel>,
    ) -> Result<(), Error> {
        let mapped = self.wait(blocking, Some(submitted), cancel, |_, done| {
            buffer.map_async(mode, 0..len, done);
        });
        mapped
            .await?
            .map_err(|error| self.trouble(error.to_string()))
    }

    /// The first `len` bytes of a buffer that is mapped for writing.
    pub fn mapped(&self, buffer: &wgpu::Buffer, len: u64) -> Result<wgpu::BufferViewMut, Error> {
        buffer
            .get_mapped_range_mut(0..len)
            .map_err(|error| self.trouble(error.to_string()))
    }

    /// Hears of it when all that was submitted so far is done.
    pub fn listen(&self, queue: &wgpu::Queue) {
        let done = Arc::clone(&self.pulse.done);
        queue.on_submitted_work_done(move || {
            done.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// Returns when all that was submitted so far is done.
    pub async fn finish(&self, blocking: bool) -> Result<(), Error> {
        self.wait(blocking, None, None, |queue, done| {
            queue.on_submitted_work_done(move || done(()));
        })
        .await
    }

    /// What the callback that `ask` is given is called with. A caller who may not block has a thread
    /// wait instead, but on the web, where the callback comes by itself.
    async fn wait<R: Send + 'static>(
        &self,
        blocking: bool,
        after: Option<wgpu::SubmissionIndex>,
        cancel: Option<&Cancel>,
        ask: impl FnOnce(&wgpu::Queue, Box<dyn FnOnce(R) + Send>),
    ) -> Result<R, Error> {
        let slot = Slot::new();
        let callback = Arc::clone(&slot);
        let done = Box::new(move |result| callback.settle(Ok(result)));
        let patience = match self.faults.due(Fault::Silent) {
            true => Duration::ZERO,
            false => {
                self.scoped(|_, queue| ask(queue, done)).await?;
                PATIENCE
            }
        };
        let _ = (blocking, &after, cancel, patience);
        #[cfg(not(target_family = "wasm"))]
        {
            let (device, pulse, waited) =
                (self.device.clone(), self.pulse.clone(), Arc::clone(&slot));
            let cancel = cancel.cloned();
            let attend = move || attend(&device, &pulse, after, cancel.as_ref(), patience, &waited);
            if blocking {
                attend();
            } else {
                std::thread::Builder::new()
                    .name("batched-svd-wait".into())
                    .spawn(attend)
                    .map_err(|error| Error::Device(format!("no thread to wait: {error}")))?;
            }
        }
        slot.wait().await
    }
}
