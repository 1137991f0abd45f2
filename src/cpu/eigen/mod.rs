//! Eigenvalues and eigenvectors of symmetric and Hermitian matrices: `rotations` on both sides up to 8x8, the `tridiagonal` form
//! from there on.
//!
//! `intake` and `delivery` are the way in and out of both. `householder` makes matrices tridiagonal, `ql` does the rest.

mod delivery;
mod householder;
mod intake;
mod ql;
mod rotations;
mod tridiagonal;

use std::any::Any;

use crate::cpu::carry_out;
use crate::cpu::complex::Complexes;
use crate::cpu::intake::MOST_LANES;
use crate::cpu::real::Reals;
use crate::data::error::{Error, product};
use crate::data::parallel;
use crate::data::scalar::{Dtype, Scalar};
use crate::data::triangle::Triangle;
use crate::host::call::Call;
use crate::host::outputs::Outputs;
use crate::planner::{EigenKernel, EigenRecipe};

/// Solves the call's matrices, which are symmetric or Hermitian: eigenvalues go to the places of singular values and
/// ascend, and eigenvectors, if they are wanted, go to those of V.
pub(crate) fn run<T: Scalar>(
    call: &Call<'_, T>,
    recipe: &EigenRecipe,
    triangle: Triangle,
    outputs: Outputs<'_, T>,
    asymmetries: &mut [f64],
) -> Result<(), Error> {
    match T::DTYPE {
        Dtype::F32 => run_as(of_f32::solve, call, recipe, triangle, outputs, asymmetries),
        Dtype::F64 => run_as(of_f64::solve, call, recipe, triangle, outputs, asymmetries),
        Dtype::C32 => run_as(of_c32::solve, call, recipe, triangle, outputs, asymmetries),
        Dtype::C64 => run_as(of_c64::solve, call, recipe, triangle, outputs, asymmetries),
    }
}

fn run_as<T: Scalar, U: Scalar>(
    solve: fn(Task<'_, '_, U>, &EigenRecipe, &mut ThreadMemory),
    call: &Call<'_, T>,
    recipe: &EigenRecipe,
    triangle: Triangle,
    outputs: Outputs<'_, T>,
    asymmetries: &mut [f64],
) -> Result<(), Error> {
    let (Some(call), Some(outputs)) = (call.cast::<U>(), outputs.cast::<U>()) else {
        return Err(Error::argument(format!("{} is not {}", T::DTYPE, U::DTYPE)));
    };
    let some = recipe.matrices_per_task;
    if recipe.kernel != EigenKernel::Rotations {
        let threads = parallel::threads().min(call.view.count().div_ceil(some));
        check::<U>(call.view.cols(), recipe, threads)?;
    }
    let runs = outputs.runs(0, some, &call.task.sizes);
    let tasks = runs.zip(asymmetries.chunks_mut(some));
    let tasks = tasks.map(|((first, outputs), asymmetries)| {
        let task = Task {
            call: &call,
            triangle,
            first,
            outputs,
            asymmetries,
        };
        (task.asymmetries.len(), task)
    });
    carry_out(
        &call,
        tasks.collect(),
        || None,
        |memory, task| solve(task, recipe, memory),
    )
}

/// Returns an error if the host cannot hold what the threads need: each A, its entries, and its vectors or those of some.
fn check<T: Scalar>(n: usize, recipe: &EigenRecipe, threads: usize) -> Result<(), Error> {
    let matrices = match recipe.kernel {
        EigenKernel::Lanes => 2 * recipe.at_once,
        _ => 2 + recipe.at_once,
    };
    // Rows are filled up to a vector.
    let total = product(
        &[n, n.saturating_add(MOST_LANES), matrices, threads],
        size_of::<T>(),
    )?;
    let mut probe: Vec<T> = Vec::new();
    probe.try_reserve_exact(total).map_err(|_| Error::Memory {
        bytes: total as u128 * size_of::<T>() as u128,
    })
}

/// A thread's memory, whose type the width of its vectors decides.
type ThreadMemory = Option<Box<dyn Any>>;

/// A task of a thread: some matrices.
struct Task<'t, 'v, T: Scalar> {
    call: &'t Call<'t, T>,
    triangle: Triangle,
    first: usize,
    outputs: Outputs<'v, T>,
    asymmetries: &'v mut [f64],
}

impl<'t, 'v, T: Scalar> Task<'t, 'v, T> {
    /// The same in parts of at most so many matrices.
    #[inline(always)]
    fn groups(self, most: usize) -> impl Iterator<Item = Task<'t, 'v, T>> {
        let Task { call, triangle, .. } = self;
        let runs = self.outputs.runs(self.first, most, &call.task.sizes);
        let asymmetries = self.asymmetries.chunks_mut(most);
        runs.zip(asymmetries)
            .map(move |((first, outputs), asymmetries)| Task {
                call,
                triangle,
                first,
                outputs,
                asymmetries,
            })
    }
}

/// The types that these kernels are compiled for: here, once, and not by everyone who calls them. In modules of their own they
/// are compiled side by side.
macro_rules! compiled {
    ($name:ident: $entry:ty, $field:ident, $planes:literal) => {
        mod $name {
            use super::*;

            pub fn solve(
                task: Task<'_, '_, $entry>,
                recipe: &EigenRecipe,
                memory: &mut ThreadMemory,
            ) {
                match (recipe.kernel, task.outputs.v.is_empty()) {
                    (EigenKernel::Rotations, true) => rotated::solve::<false>(task),
                    (EigenKernel::Rotations, false) => rotated::solve::<true>(task),
                    (_, true) => reduced::solve::<false>(task, recipe, memory),
                    (_, false) => reduced::solve::<true>(task, recipe, memory),
                }
            }

            mod rotated {
                use super::*;

                #[inline(never)]
                pub fn solve<const VECTORS: bool>(task: Task<'_, '_, $entry>) {
                    rotations::solve::<$entry, _, $planes, VECTORS>($field, task);
                }
            }

            mod reduced {
                use super::*;
                use crate::data::scalar::sealed::Float;

                #[inline(never)]
                pub fn solve<const VECTORS: bool>(
                    task: Task<'_, '_, $entry>,
                    recipe: &EigenRecipe,
                    memory: &mut ThreadMemory,
                ) {
                    let task = tridiagonal::AnySize::<_, _, $planes, VECTORS> {
                        field: $field,
                        task,
                        at_once: recipe.at_once,
                        memory,
                    };
                    let wide = recipe.kernel == EigenKernel::Lanes;
                    <$entry as Scalar>::Real::dispatch(wide, task);
                }
            }
        }
    };
}

compiled!(of_f32: f32, Reals, 1);
compiled!(of_f64: f64, Reals, 1);
compiled!(of_c32: num_complex::Complex<f32>, Complexes, 2);
compiled!(of_c64: num_complex::Complex<f64>, Complexes, 2);
