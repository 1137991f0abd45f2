//! The CPU engine: one-sided Jacobi, a matrix a task, on all cores.

mod jacobi;
pub(crate) mod lanes;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod peak;
mod solver;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::call::Call;
use crate::error::Error;
use crate::host::outputs::Outputs;
use crate::host::parallel;
use crate::planner::CpuRecipe;
use crate::scalar::Real;

/// Solves the call's matrices.
pub(crate) fn run<T: Real>(
    call: &Call<'_, T>,
    recipe: &CpuRecipe,
    outputs: Outputs<'_, T>,
) -> Result<(), Error> {
    let tasks = call.view.count().div_ceil(recipe.matrices_per_task);
    solver::Workspace::<T>::check(&call.problem, parallel::threads().min(tasks))?;
    let done = AtomicUsize::new(0);
    let runs = outputs.runs(0, recipe.matrices_per_task, &call.sizes);
    parallel::for_each(
        runs,
        || solver::Workspace::new(&call.problem),
        |workspace, (first, run)| {
            let count = run.outcomes.len();
            for (index, out) in run.runs(first, 1, &call.sizes) {
                workspace.solve(call, index, out);
            }
            let before = done.fetch_add(count, Ordering::Relaxed);
            call.progress(before + count);
        },
    );
    Ok(())
}
