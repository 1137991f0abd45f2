//! The CPU engine: one-sided Jacobi, a matrix a SIMD lane, on all cores.
//!
//! `group` solves matrices side by side: `intake` (with `head`, which looks at one matrix), `factor`,
//! `jacobi` and `delivery` are its steps, `rhs` what it does with right-hand sides, `sums` its dot
//! products, `field` the arithmetic of entries, which are `real` or `complex`. `recover` finds the rotations where they were not
//! accumulated. `known` are the sizes that the compiler knows. `eigen` are kernels of their own, for symmetric matrices.

mod complex;
mod delivery;
pub(crate) mod eigen;
mod factor;
mod field;
mod group;
mod head;
mod intake;
mod jacobi;
mod known;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod peak;
mod real;
mod recover;
mod rhs;
mod sums;

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::data::error::Error;
use crate::data::parallel;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Dtype, Real, Scalar};
use crate::host::call::Call;
use crate::host::outputs::Outputs;
use crate::lanes::{Kernel, Lanes};
use crate::planner::{CpuRecipe, Problem};
use complex::Complexes;
use field::Field;
use group::Group;
use real::Reals;

/// Lanes of the widest vectors of this machine, or one.
struct Width;

impl<T: Real> Kernel<T> for Width {
    type Output = usize;

    fn run<L: Lanes<T>>(self, _: L) -> usize {
        L::LANES
    }
}

/// The lanes of this machine's widest vectors.
pub(crate) fn lanes<T: Scalar>() -> usize {
    T::Real::dispatch(true, Width)
}

/// A task of a thread: some matrices, and the thread's memory, whose type the width decides.
struct Task<'t, 'c, 'v, T: Scalar> {
    call: &'t Call<'c, T>,
    memory: &'t mut Option<Box<dyn Any>>,
    first: usize,
    outputs: Outputs<'v, T>,
}

/// Such a task, whose entries are of this field.
struct Of<'t, 'c, 'v, F, T: Scalar>(F, Task<'t, 'c, 'v, T>);

impl<F: Field, T: Scalar> Kernel<T::Real> for Of<'_, '_, '_, F, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T::Real>>(self, l: L) {
        let Of(f, task) = self;
        let problem = task.call.task.problem;
        task.solve(l, f, &problem);
    }
}

impl<T: Scalar> Task<'_, '_, '_, T> {
    #[inline(always)]
    fn solve<F: Field, L: Lanes<T::Real>>(self, l: L, f: F, problem: &Problem) {
        let call = self.call;
        let memory = self.memory;
        let fits = memory.as_ref().is_some_and(|m| m.is::<Group<T, F, L>>());
        if !fits {
            *memory = Some(Box::new(Group::<T, F, L>::new(f, problem)));
        }
        let group = memory
            .as_mut()
            .and_then(|m| m.downcast_mut::<Group<T, F, L>>());
        let Some(group) = group else { return };
        for (first, outputs) in self.outputs.runs(self.first, L::LANES, &call.task.sizes) {
            group.solve(l, call, problem, first, outputs);
        }
    }
}

/// What this engine is of a type.
struct Kernels<T: Scalar> {
    /// Solves a task in lanes, or one matrix at a time.
    group: fn(Task<'_, '_, '_, T>, bool),
    /// Takes a task and solves it, if there is a kernel of known size for it.
    known: fn(&mut Option<Task<'_, '_, '_, T>>),
}

/// The types that this engine is compiled for: here, once, and not by everyone who calls it. Nearly everything that
/// the compiler optimises of this crate is in these functions: in modules of their own they are compiled side by side.
macro_rules! kernels {
    ($name:ident: $entry:ty, $field:ident, $group:ident, $known:expr) => {
        mod $group {
            #[inline(never)]
            pub fn solve(task: super::Task<'_, '_, '_, $entry>, wide: bool) {
                use crate::data::scalar::{Scalar, sealed::Float};
                let task = super::Of(super::$field, task);
                <$entry as Scalar>::Real::dispatch(wide, task);
            }
        }

        const $name: Kernels<$entry> = Kernels {
            group: $group::solve,
            known: $known,
        };
    };
}

/// The kernels of known size of a type.
macro_rules! known {
    ($known:ident: $real:ty) => {
        mod $known {
            #[inline(never)]
            pub fn solve(task: &mut Option<super::Task<'_, '_, '_, $real>>) {
                super::known::solve(task);
            }
        }
    };
}

known!(known_f32: f32);
known!(known_f64: f64);
kernels!(KERNELS_F32: f32, Reals, group_f32, known_f32::solve);
kernels!(KERNELS_F64: f64, Reals, group_f64, known_f64::solve);
kernels!(KERNELS_C32: num_complex::Complex<f32>, Complexes, group_c32, |_| {});
kernels!(KERNELS_C64: num_complex::Complex<f64>, Complexes, group_c64, |_| {});

/// Solves the call's matrices.
pub(crate) fn run<T: Scalar>(
    call: &Call<'_, T>,
    recipe: &CpuRecipe,
    outputs: Outputs<'_, T>,
) -> Result<(), Error> {
    match T::DTYPE {
        Dtype::F32 => run_as(&KERNELS_F32, call, recipe, outputs),
        Dtype::F64 => run_as(&KERNELS_F64, call, recipe, outputs),
        Dtype::C32 => run_as(&KERNELS_C32, call, recipe, outputs),
        Dtype::C64 => run_as(&KERNELS_C64, call, recipe, outputs),
    }
}

fn run_as<T: Scalar, U: Scalar>(
    kernels: &Kernels<U>,
    call: &Call<'_, T>,
    recipe: &CpuRecipe,
    outputs: Outputs<'_, T>,
) -> Result<(), Error> {
    let (Some(call), Some(outputs)) = (call.cast(), outputs.cast()) else {
        return Err(Error::argument(format!("{} is not {}", T::DTYPE, U::DTYPE)));
    };
    kernels.run(&call, recipe, outputs)
}

impl<T: Scalar> Kernels<T> {
    fn run(
        &self,
        call: &Call<'_, T>,
        recipe: &CpuRecipe,
        outputs: Outputs<'_, T>,
    ) -> Result<(), Error> {
        let tasks = call.view.count().div_ceil(recipe.matrices_per_task);
        let threads = parallel::threads().min(tasks);
        group::check::<T>(&call.task.problem, recipe.lanes, threads)?;
        let runs = outputs.runs(0, recipe.matrices_per_task, &call.task.sizes);
        let tasks = runs.map(|run| (run.1.outcomes.len(), run));
        carry_out(
            call,
            tasks.collect(),
            || None,
            |memory, (first, outputs)| {
                // Two groups at once are wanted where there are two.
                let several = outputs.outcomes.len() > recipe.lanes;
                let mut task = Some(Task {
                    call,
                    memory,
                    first,
                    outputs,
                });
                if recipe.lanes > 1 && several {
                    (self.known)(&mut task);
                }
                if let Some(task) = task {
                    (self.group)(task, recipe.lanes > 1);
                }
            },
        )
    }
}

/// Has all threads carry out tasks, of so many matrices each, as long as the call is not cancelled.
fn carry_out<T: Scalar, I: Send, S>(
    call: &Call<'_, T>,
    tasks: Vec<(usize, I)>,
    state: impl Fn() -> S + Send + Sync,
    f: impl Fn(&mut S, I) + Send + Sync,
) -> Result<(), Error> {
    let done = AtomicUsize::new(0);
    parallel::for_each(tasks, state, |state, (count, task)| {
        if call.task.options.check_cancelled().is_err() {
            return;
        }
        f(state, task);
        let before = done.fetch_add(count, Ordering::Relaxed);
        call.progress(before + count);
    });
    // Whoever cancels too late has all results.
    match done.load(Ordering::Relaxed) == call.view.count() {
        true => Ok(()),
        false => Err(Error::Cancelled),
    }
}
