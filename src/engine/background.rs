//! Async calls that the CPU computes, or may: on other threads, so that no executor stands still meanwhile.
//!
//! A future may be dropped, or forgotten, at any time: so nothing that it borrows goes to another thread. The
//! matrices are copied on the way there, and results move back.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::{Cancel, Options};
use crate::data::scalar::Scalar;
use crate::data::view::View;
use crate::engine::Engine;
use crate::host::slot::Slot;

/// Ends the work when the future that waits for it is dropped.
struct Waiting(Cancel);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Engine {
    /// Whether an async call goes through [`background`](Self::background): where the CPU computes, or may, and the
    /// caller is no thread of a pool. Such a caller has the call computed in its pool, as a blocking one does: if it
    /// slept, the pool might have nobody to compute it.
    pub(crate) fn in_background(&self) -> bool {
        #[cfg(feature = "threads")]
        if rayon::current_thread_index().is_some() {
            return false;
        }
        // On the web there is nobody else.
        cfg!(not(target_family = "wasm")) && self.cpu_takes_calls()
    }

    /// Has other threads carry out a blocking call on copies of the matrices and of what belongs to them, and waits for it.
    pub(crate) async fn background<T: Scalar, R: Send + 'static>(
        &self,
        (a, b): (View<'_, T>, Option<View<'_, T>>),
        options: &Options,
        call: impl FnOnce(&Engine, View<'_, T>, Option<View<'_, T>>, &Options) -> Result<R, Error>
        + Send
        + 'static,
    ) -> Result<R, Error> {
        let a = a.to_batch()?;
        let b = b.map(|b| b.to_batch()).transpose()?;
        let call = move |engine: &Engine, options: &Options| {
            call(engine, a.view(), b.as_ref().map(Batch::view), options)
        };
        self.elsewhere(options, call).await
    }

    async fn elsewhere<R: Send + 'static>(
        &self,
        options: &Options,
        call: impl FnOnce(&Engine, &Options) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        options.check_cancelled()?;
        let cancel = Cancel::within(options.cancel.as_ref());
        let options = options.clone().cancel(&cancel);
        let engine = self.clone();
        let slot = Slot::<Result<Result<R, Error>, Box<dyn Any + Send>>>::new();
        let settled = Arc::clone(&slot);
        let waiting = Waiting(cancel);
        start(move || {
            // Nobody else would hear of a panic.
            let called = catch_unwind(AssertUnwindSafe(|| call(&engine, &options)));
            // The last handle of an engine may wait for its device.
            drop(engine);
            settled.settle(called);
        })?;
        let called = slot.wait().await;
        drop(waiting);
        called.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

#[cfg(feature = "threads")]
fn start(work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    rayon::spawn(work);
    Ok(())
}

#[cfg(not(feature = "threads"))]
fn start(work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = std::thread::Builder::new().name("batched-svd".into());
    match thread.spawn(work) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Device(format!("no thread to compute on: {error}"))),
    }
}
