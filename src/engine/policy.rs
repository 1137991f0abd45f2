//! Who does a call of an engine with a GPU: this device alone, with the CPU for what it cannot do, the faster of both, or
//! both.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::data::device::Policy;
use crate::data::error::{Error, zeros};
use crate::data::options::{Options, Progress};
use crate::data::outcome::Outcome;
use crate::data::parallel;
use crate::data::report::Backend;
use crate::data::scalar::Scalar;
use crate::engine::Engine;
use crate::engine::on_cpu::Done;
use crate::gpu::lasting::Lasting;
use crate::gpu::{Gpu, Recipe};
use crate::host::call::Call;
use crate::host::outputs::Outputs;
use crate::planner::choice::{Choice, Line, split};

impl Engine {
    /// Whether the CPU does what the GPU cannot.
    pub(super) fn falls_back(&self) -> bool {
        self.policy != Policy::GpuOnly
    }

    /// Has a call done as the policy says.
    pub(super) async fn by_policy<T: Scalar>(
        &self,
        gpu: &Lasting,
        call: &Call<'_, T>,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        let planned = gpu.get().await.and_then(|gpu| {
            let recipe = gpu.plan(&call.task.problem, &call.task.convergence)?;
            Ok((gpu, recipe))
        });
        match (planned, self.policy) {
            (Err(error), Policy::GpuOnly) => Err(error),
            (Err(error), _) => self.cpu_instead(error, call, outputs).await,
            (Ok((gpu, recipe)), Policy::GpuOnly | Policy::FallBack) => {
                self.gpu_run(&gpu, call, &recipe, outputs).await
            }
            (Ok((gpu, recipe)), Policy::Fastest | Policy::Share { .. }) => {
                self.sooner(&gpu, call, &recipe, outputs).await
            }
        }
    }

    /// Has the call done by whoever is sooner, and remembers how long it took.
    async fn sooner<T: Scalar>(
        &self,
        gpu: &Gpu,
        call: &Call<'_, T>,
        recipe: &Recipe,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        let (problem, count) = (&call.task.problem, call.view.count());
        let rates = || self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let choose = || match self.policy {
            Policy::Share {
                gpu_part: Some(part),
            } => split(count, part),
            policy => {
                let shares = matches!(policy, Policy::Share { .. });
                rates().choose(problem, count, parallel::threads(), shares)
            }
        };
        let mut choice = choose();
        if let Choice::Probe(trial) = choice {
            match probe(gpu, call, recipe, trial).await {
                Ok(line) => rates().gpu_tried(problem, count, line),
                // It is tried anew once it is open again.
                Err(error @ Error::Device(_)) => {
                    return self.cpu_instead(error, call, outputs).await;
                }
                Err(error) => return Err(error),
            }
            choice = choose();
        }
        if let Choice::Both(first) = choice {
            let (done, [cpu, on_gpu]) = self.share(gpu, call, recipe, outputs, first)?;
            if done.device_error.is_none() {
                rates().both_took(problem, count, (count - first, cpu), (first, on_gpu));
            }
            return Ok(done);
        }
        let start = Instant::now();
        if choice == Choice::Gpu {
            let done = self.gpu_run(gpu, call, recipe, outputs).await?;
            if done.device_error.is_none() {
                rates().gpu_took(problem, count, start.elapsed().as_secs_f64());
            }
            return Ok(done);
        }
        let done = self.cpu_run(call, outputs).await?;
        rates().cpu_took(problem, count, start.elapsed().as_secs_f64());
        Ok(done)
    }

    /// The first matrices on the GPU, from a thread of its own, and the others on the CPU meanwhile; with the
    /// seconds of both, the CPU's first. Waits for both, as a call on the CPU does.
    fn share<T: Scalar>(
        &self,
        gpu: &Gpu,
        call: &Call<'_, T>,
        recipe: &Recipe,
        outputs: Outputs<'_, T>,
        first: usize,
    ) -> Result<(Done, [f64; 2]), Error> {
        let count = call.view.count();
        let (front, back) = outputs.split_at(first, &call.task.sizes);
        let told = Arc::new(Mutex::new([0; 2]));
        let options = [0..first, first..count].map(|matrices| Options {
            progress: part_of(&call.task.options.progress, &told, matrices.start, count),
            ..call.task.options.of_some(&matrices.collect::<Vec<_>>())
        });
        // Its thread may wait, whoever called.
        let on_gpu = Call {
            blocking: true,
            ..call.part(0..first, &options[0])?
        };
        let on_cpu = call.part(first..count, &options[1])?;
        let (gpus, cpus) = std::thread::scope(|scope| {
            let gpus = std::thread::Builder::new()
                .name("batched-svd-gpu".into())
                .spawn_scoped(scope, || {
                    let start = Instant::now();
                    let done = pollster::block_on(self.gpu_run(gpu, &on_gpu, recipe, front));
                    (done, start.elapsed().as_secs_f64())
                })
                .map_err(|error| Error::Device(format!("no thread for the GPU: {error}")))?;
            let start = Instant::now();
            let cpu = self.cpu_run_now(&on_cpu, back);
            let cpus = (cpu, start.elapsed().as_secs_f64());
            let gpus = gpus
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, Error>((gpus, cpus))
        })?;
        let mut done = gpus.0?;
        cpus.0?;
        if done.device_error.is_none() {
            done.shared = Some(first);
        }
        Ok((done, [cpus.1, gpus.1]))
    }

    /// Has the GPU do a call. If the device fails, the matrices that are complete stay so, and the others are
    /// the CPU's, where it takes what the GPU does not do.
    async fn gpu_run<T: Scalar>(
        &self,
        gpu: &Gpu,
        call: &Call<'_, T>,
        recipe: &Recipe,
        mut outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        let mut complete = 0;
        let ran = gpu.run(call, recipe, outputs.reborrow(), &mut complete);
        let ran = ran.await;
        let done = Done {
            backend: Backend::Gpu,
            device: gpu.name().into(),
            kernel: recipe.kernel(),
            device_seconds: None,
            shared: None,
            device_error: None,
        };
        let error = match ran {
            Ok(device_seconds) => {
                return Ok(Done {
                    device_seconds,
                    ..done
                });
            }
            Err(error @ Error::Device(_)) if self.falls_back() => error,
            Err(error) => return Err(error),
        };
        let (_, rest) = outputs.split_at(complete, &call.task.sizes);
        let matrices = complete..call.view.count();
        let options = call.options_of(matrices.clone());
        let rest_of_call = call.part(matrices, &options)?;
        let finished = self.cpu_instead(error, &rest_of_call, rest).await?;
        Ok(match complete {
            0 => finished,
            _ => Done {
                shared: Some(complete),
                device_error: finished.device_error,
                ..done
            },
        })
    }

    /// Has the CPU do what a GPU cannot, or failed to do.
    async fn cpu_instead<T: Scalar>(
        &self,
        error: Error,
        call: &Call<'_, T>,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        let done = self.cpu_run(call, outputs).await?;
        Ok(Done {
            device_error: Some(error).filter(|error| matches!(error, Error::Device(_))),
            ..done
        })
    }
}

/// What hears of the progress of one of two parts, the first if it begins with matrix 0, and tells of both.
fn part_of(
    progress: &Option<Progress>,
    told: &Arc<Mutex<[usize; 2]>>,
    begin: usize,
    count: usize,
) -> Option<Progress> {
    let (progress, told) = (progress.clone()?, Arc::clone(told));
    let part = usize::from(begin > 0);
    Some(Arc::new(move |done, _| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told[part] = done.max(told[part]);
        progress(told.iter().sum(), count);
    }))
}

/// How long the GPU takes for a call like this: from the first matrix, once everything is compiled,
/// and from the first `trial`. For ever, if it fails; not known, if the call is cancelled meanwhile, or the
/// device lost.
async fn probe<T: Scalar>(
    gpu: &Gpu,
    call: &Call<'_, T>,
    recipe: &Recipe,
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
    let mut seconds = [0.0; 4];
    // The first compiles; the third makes buffers.
    for (seconds, count) in seconds.iter_mut().zip([1, 1, trial, trial]) {
        match timed(gpu, call, &options, recipe, count).await {
            Ok(taken) => *seconds = taken,
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error @ Error::Device(_)) if gpu.is_lost() => return Err(error),
            Err(_) => return Ok(never),
        }
    }
    Ok(Line {
        call: seconds[1],
        matrix: (seconds[3] - seconds[1]).max(0.0) / trial as f64,
    })
}

/// The seconds that the GPU takes for the first `count` matrices, whose results nobody sees.
async fn timed<T: Scalar>(
    gpu: &Gpu,
    call: &Call<'_, T>,
    options: &Options,
    recipe: &Recipe,
    count: usize,
) -> Result<f64, Error> {
    let sizes = &call.task.sizes;
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
    let part = call.part(0..count, options)?;
    let start = Instant::now();
    gpu.run(&part, recipe, outputs, &mut 0).await?;
    Ok(start.elapsed().as_secs_f64())
}
