//! Calls of an automatic engine: done by whoever is sooner, CPU or GPU.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::call::{Call, Task};
use crate::engine::{Done, Engine, gpu_run};
use crate::error::{Error, zeros};
use crate::gpu::Gpu;
use crate::host::outputs::Outputs;
use crate::host::parallel;
use crate::options::Options;
use crate::planner::choice::{Choice, Line, Rates};
use crate::planner::gpu::GpuRecipe;
use crate::report::Outcome;
use crate::scalar::Real;

impl Engine {
    /// Has the call done by whoever is sooner, and remembers how long it took.
    pub(crate) async fn sooner<T: Real>(
        &self,
        gpu: &Gpu,
        rates: &Mutex<Rates>,
        call: &Call<'_, T>,
        recipe: &GpuRecipe,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        let (problem, count) = (&call.task.problem, call.view.count());
        let rates = || rates.lock().unwrap_or_else(PoisonError::into_inner);
        let choose = || rates().choose(problem, count, parallel::threads());
        let mut choice = choose();
        if let Choice::Probe(trial) = choice {
            let line = probe(gpu, call, recipe, trial).await?;
            rates().gpu_tried(problem, count, line);
            choice = choose();
        }
        let start = Instant::now();
        if choice == Choice::Gpu {
            let done = gpu_run(gpu, call, recipe, outputs).await?;
            rates().gpu_took(problem, count, start.elapsed().as_secs_f64());
            return Ok(done);
        }
        let done = self.cpu_run(call, outputs)?;
        rates().cpu_took(problem, count, start.elapsed().as_secs_f64());
        Ok(done)
    }
}

/// How long the GPU takes for a call like this: from the first matrix, once everything is compiled,
/// and from the first `trial`. For ever, if it fails; not known, if the call is cancelled meanwhile.
async fn probe<T: Real>(
    gpu: &Gpu,
    call: &Call<'_, T>,
    recipe: &GpuRecipe,
    trial: usize,
) -> Result<Line, Error> {
    let never = Line {
        call: f64::INFINITY,
        matrix: f64::INFINITY,
    };
    // Nobody is told of these calls.
    let options = Options {
        progress: None,
        ..call.task.options.clone()
    };
    let task = Task {
        options: &options,
        ..call.task
    };
    let mut seconds = [0.0; 4];
    // The first compiles; the third makes buffers.
    for (seconds, count) in seconds.iter_mut().zip([1, 1, trial, trial]) {
        match timed(gpu, call, task, recipe, count).await {
            Ok(taken) => *seconds = taken,
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(_) => return Ok(never),
        }
    }
    Ok(Line {
        call: seconds[1],
        matrix: (seconds[3] - seconds[1]).max(0.0) / trial as f64,
    })
}

/// The seconds that the GPU takes for the first `count` matrices, whose results nobody sees.
async fn timed<T: Real>(
    gpu: &Gpu,
    call: &Call<'_, T>,
    task: Task<'_>,
    recipe: &GpuRecipe,
    count: usize,
) -> Result<f64, Error> {
    let sizes = &task.sizes;
    let (mut u, mut v) = (zeros(count * sizes.u)?, zeros(count * sizes.v)?);
    let mut sigma = zeros(count * sizes.sigma)?;
    let mut composed = zeros(count * sizes.composed)?;
    let mut outcomes = vec![Outcome::PENDING; count];
    let outputs = Outputs {
        u: &mut u,
        sigma: &mut sigma,
        v: &mut v,
        composed: &mut composed,
        outcomes: &mut outcomes,
    };
    let part = Call {
        view: call.view.matrices(0..count)?,
        rhs: match &call.rhs {
            Some(rhs) => Some(rhs.matrices(0..count)?),
            None => None,
        },
        task,
        blocking: call.blocking,
    };
    let start = Instant::now();
    gpu.run(&part, recipe, outputs).await?;
    Ok(start.elapsed().as_secs_f64())
}
