//! A result that is waited for: settled once, by another thread or a callback.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

pub(crate) struct Slot<R>(Mutex<State<R>>);

struct State<R> {
    settled: bool,
    result: Option<R>,
    waker: Option<Waker>,
}

impl<R> Slot<R> {
    pub fn new() -> Arc<Self> {
        Arc::new(Slot(Mutex::new(State {
            settled: false,
            result: None,
            waker: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first result counts, and wakes who waits.
    pub fn settle(&self, result: R) {
        let waker = {
            let mut state = self.lock();
            if state.settled {
                return;
            }
            state.settled = true;
            state.result = Some(result);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    #[cfg(all(feature = "gpu", not(target_family = "wasm")))]
    pub fn is_settled(&self) -> bool {
        self.lock().settled
    }

    /// The result, which goes to the first who waits for it.
    pub async fn wait(&self) -> R {
        poll_fn(|context| {
            let mut state = self.lock();
            match state.result.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    state.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
