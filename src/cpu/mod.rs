//! The CPU engine: one-sided Jacobi, a matrix a SIMD lane, on all cores.
//!
//! `group` solves matrices side by side: `intake` (with `head`, which looks at one matrix), `factor`,
//! `jacobi` and `delivery` are its steps, `rhs` what it does with right-hand sides, `sums` its dot
//! products, `lanes` its arithmetic. `known` are the sizes that the compiler knows.

mod delivery;
mod factor;
mod group;
mod head;
mod intake;
mod jacobi;
mod known;
pub(crate) mod lanes;
pub(crate) mod memory;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod peak;
mod rhs;
mod sums;

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::call::Call;
use crate::error::Error;
use crate::host::outputs::Outputs;
use crate::host::parallel;
use crate::planner::{CpuRecipe, Problem};
use crate::scalar::Real;
use group::Group;
use lanes::{Kernel, Lanes};

/// Lanes of the widest vectors of this machine, or one.
struct Width;

impl<T: Real> Kernel<T> for Width {
    type Output = usize;

    fn run<L: Lanes<T>>(self, _: L) -> usize {
        L::LANES
    }
}

/// The lanes of this machine's widest vectors.
pub(crate) fn lanes<T: Real>() -> usize {
    T::dispatch(true, Width)
}

/// The types that this engine is compiled for: here, once, and not by everyone who calls it.
pub trait Compiled: Sized {
    fn solve(work: Work<'_, '_, Self>) -> Result<(), Error>;
}

impl Compiled for f32 {
    fn solve(work: Work<'_, '_, f32>) -> Result<(), Error> {
        work.run()
    }
}

impl Compiled for f64 {
    fn solve(work: Work<'_, '_, f64>) -> Result<(), Error> {
        work.run()
    }
}

/// A task of a thread: some matrices, and the thread's memory, whose type the width decides.
struct Task<'t, 'c, 'v, T> {
    call: &'t Call<'c, T>,
    memory: &'t mut Option<Box<dyn Any>>,
    first: usize,
    outputs: Outputs<'v, T>,
}

impl<T: Real> Kernel<T> for Task<'_, '_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self, l: L) {
        let problem = self.call.task.problem;
        self.solve(l, &problem);
    }
}

impl<T: Real> Task<'_, '_, '_, T> {
    #[inline(always)]
    fn solve<L: Lanes<T>>(self, l: L, problem: &Problem) {
        let call = self.call;
        let memory = self.memory;
        let fits = memory.as_ref().is_some_and(|m| m.is::<Group<T, L>>());
        if !fits {
            *memory = Some(Box::new(Group::<T, L>::new(problem)));
        }
        let group = memory
            .as_mut()
            .and_then(|m| m.downcast_mut::<Group<T, L>>());
        let Some(group) = group else { return };
        for (first, outputs) in self.outputs.runs(self.first, L::LANES, &call.task.sizes) {
            group.solve(l, call, problem, first, outputs);
        }
    }
}

/// A call's matrices, and how they are solved.
pub struct Work<'c, 'o, T> {
    call: &'c Call<'c, T>,
    recipe: &'c CpuRecipe,
    outputs: Outputs<'o, T>,
}

/// Solves the call's matrices.
pub(crate) fn run<T: Real>(
    call: &Call<'_, T>,
    recipe: &CpuRecipe,
    outputs: Outputs<'_, T>,
) -> Result<(), Error> {
    T::solve(Work {
        call,
        recipe,
        outputs,
    })
}

impl<T: Real> Work<'_, '_, T> {
    fn run(self) -> Result<(), Error> {
        let Work {
            call,
            recipe,
            outputs,
        } = self;
        let tasks = call.view.count().div_ceil(recipe.matrices_per_task);
        let threads = parallel::threads().min(tasks);
        group::check::<T>(&call.task.problem, recipe.lanes, threads)?;
        let done = AtomicUsize::new(0);
        let runs = outputs.runs(0, recipe.matrices_per_task, &call.task.sizes);
        parallel::for_each(
            runs,
            || None,
            |memory, (first, outputs)| {
                if call.task.options.check_cancelled().is_err() {
                    return;
                }
                let count = outputs.outcomes.len();
                let task = Task {
                    call,
                    memory,
                    first,
                    outputs,
                };
                // Two groups at once are wanted where there are two.
                let mut task = Some(task);
                if recipe.lanes > 1 && count > recipe.lanes {
                    known::solve(&mut task);
                }
                if let Some(task) = task {
                    T::dispatch(recipe.lanes > 1, task);
                }
                let before = done.fetch_add(count, Ordering::Relaxed);
                call.progress(before + count);
            },
        );
        // Whoever cancels too late has all results.
        match done.load(Ordering::Relaxed) == call.view.count() {
            true => Ok(()),
            false => Err(Error::Cancelled),
        }
    }
}
