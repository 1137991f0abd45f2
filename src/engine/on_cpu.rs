//! Calls that the CPU computes: here and now, or on the web in turns.

use std::sync::Arc;

use crate::cpu;
use crate::cpu::eigen;
use crate::data::device::Policy;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::outcome::Outcome;
use crate::data::parallel;
use crate::data::report::{Backend, Report};
use crate::data::scalar::Scalar;
use crate::data::triangle::Triangle;
use crate::data::view::View;
use crate::engine::Engine;
use crate::host::call::{Call, Task};
use crate::host::outputs::Outputs;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use crate::host::slot::Slot;
use crate::planner::{CpuRecipe, EigenRecipe, Job, Sizes, Vectors};

/// The most rows of symmetric matrices whose eigenvalues an engine that chooses has the CPU compute. At 32x32 in f32 a core
/// finds those of 70,000 matrices a second; an H200 beside 16 cores had 590,000 singular value decompositions a second.
const CHOSEN: usize = 32;

/// Who did a call, and how.
pub(super) struct Done {
    pub backend: Backend,
    pub device: Arc<str>,
    pub kernel: &'static str,
    pub device_seconds: Option<f64>,
    /// As `Report::shared`.
    pub shared: Option<usize>,
    /// As `Report::device_error`.
    pub device_error: Option<Error>,
}

impl Done {
    /// The report of a call whose matrices ended so.
    pub fn report(self, outcomes: Vec<Outcome>, flops: f64) -> Report {
        Report {
            outcomes,
            backend: self.backend,
            device: self.device,
            kernel: self.kernel,
            flops,
            device_seconds: self.device_seconds,
            shared: self.shared,
            device_error: self.device_error,
        }
    }
}

impl Engine {
    /// Has the CPU compute a call: here and now, but on the web, where whatever else is going on has its turn
    /// in between.
    pub(super) async fn cpu_run<T: Scalar>(
        &self,
        call: &Call<'_, T>,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        #[cfg(target_family = "wasm")]
        if !call.blocking {
            return in_turns(self, call, outputs).await;
        }
        self.cpu_run_now(call, outputs)
    }

    /// Has the CPU compute a call.
    pub(super) fn cpu_run_now<T: Scalar>(
        &self,
        call: &Call<'_, T>,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        let recipe = self.cpu_recipe(call);
        cpu::run(call, &recipe, outputs)?;
        Ok(self.cpu_done(recipe.kernel()))
    }

    /// Whether the CPU computes eigenvalues of symmetric n x n matrices directly. Not where the GPU's part was set, nor in turns
    /// on the web.
    pub(crate) fn has_eigen(&self, n: usize, blocking: bool) -> bool {
        let chooses = matches!(
            self.policy,
            Policy::Fastest | Policy::Share { gpu_part: None }
        );
        let web = cfg!(target_family = "wasm");
        let small = n <= CHOSEN && chooses && !web;
        n > 0 && (self.gpu.is_none() || small) && (blocking || !web)
    }

    /// Has the CPU compute eigenvalues, ascending, and eigenvectors, if they have a place; with the asymmetries.
    pub(crate) fn eigen<T: Scalar>(
        &self,
        view: View<'_, T>,
        triangle: Triangle,
        options: &Options,
        (values, vectors): (&mut [T::Real], &mut [T]),
    ) -> Result<(Vec<f64>, Report), Error> {
        let (count, n) = (view.count(), view.cols());
        let mut task = Task::new::<T>([n, n], Job::svd(Vectors::Thin), options)?;
        task.sizes = Sizes {
            u: 0,
            v: vectors.len() / count.max(1),
            ..task.sizes
        };
        let (lanes, threads) = (cpu::lanes::<T>(), parallel::threads());
        let recipe = EigenRecipe::new((n, T::DTYPE), count, lanes, threads, &self.tuning);
        let mut outcomes = parallel::filled(count, Outcome::PENDING)?;
        let mut asymmetries = parallel::filled(count, 0.0)?;
        let with_vectors = !vectors.is_empty();
        let call = Call {
            view,
            rhs: None,
            task,
            blocking: true,
        };
        let outputs = Outputs {
            u: &mut [],
            sigma: values,
            v: vectors,
            composed: &mut [],
            outcomes: &mut outcomes,
        };
        eigen::run(&call, &recipe, triangle, outputs, &mut asymmetries)?;
        let flops = recipe.executed((n, T::DTYPE), with_vectors, &outcomes);
        let report = self.cpu_done(recipe.name()).report(outcomes, flops);
        Ok((asymmetries, report))
    }

    fn cpu_recipe<T: Scalar>(&self, call: &Call<'_, T>) -> CpuRecipe {
        let (lanes, threads) = (cpu::lanes::<T>(), parallel::threads());
        let count = call.view.count();
        CpuRecipe::new(&call.task.problem, count, lanes, threads, &self.tuning)
    }

    fn cpu_done(&self, kernel: &'static str) -> Done {
        Done {
            backend: Backend::Cpu,
            device: self.cpu_name.clone(),
            kernel,
            device_seconds: None,
            shared: None,
            device_error: None,
        }
    }
}

/// Tasks of a turn: some 10 ms of work.
#[cfg(target_family = "wasm")]
const TURN: usize = 8;

/// Has the CPU compute a call, some matrices at a time.
#[cfg(target_family = "wasm")]
async fn in_turns<T: Scalar>(
    engine: &Engine,
    call: &Call<'_, T>,
    mut outputs: Outputs<'_, T>,
) -> Result<Done, Error> {
    let count = call.view.count();
    let recipe = engine.cpu_recipe(call);
    let at_once = TURN * recipe.matrices_per_task;
    let mut first = 0;
    loop {
        let matrices = first..count.min(first + at_once);
        let options = call.options_of(matrices.clone());
        let (turn, rest) = outputs.split_at(matrices.len(), &call.task.sizes);
        first = matrices.end;
        crate::cpu::run(&call.part(matrices, &options)?, &recipe, turn)?;
        if first == count {
            return Ok(engine.cpu_done(recipe.kernel()));
        }
        outputs = rest;
        others().await;
    }
}

/// Lets the page have its turn.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
async fn others() {
    let slot = Slot::new();
    let settled = Arc::clone(&slot);
    // What waits for a timer of the browser cannot go to another thread; the slot can.
    wasm_bindgen_futures::spawn_local(async move {
        gloo_timers::future::TimeoutFuture::new(0).await;
        settled.settle(());
    });
    slot.wait().await;
}

/// Lets others have their turn.
#[cfg(all(target_family = "wasm", not(target_os = "unknown")))]
async fn others() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
