//! Who is measured: whoever can take matrices, compute, and show what came out.

use batched_svd::{Backend, Batch, DeviceBatch, Engine, Error, Options, Report, Scalar};

use crate::cli::bench::case::{Case, Op};

/// The results of the first matrices of a batch.
pub(crate) enum Answer<T: Scalar> {
    /// What [`Case::results`] lists.
    Results {
        matrices: Vec<Batch<T>>,
        values: Option<Batch<T::Real>>,
    },
    /// Residual and loss of orthogonality, where the contender checks itself.
    Checked { residual: f64, orthogonality: f64 },
}

/// How long one call took.
pub(crate) struct Timing {
    /// From host memory to host memory.
    pub seconds: f64,
    /// The device's own time, where it has a clock.
    pub device_seconds: Option<f64>,
}

/// What a contender tells of its last call, beyond the time.
#[derive(Default)]
pub(crate) struct Facts {
    pub device: String,
    pub software: bool,
    pub kernel: Option<String>,
    /// Floating-point operations that were executed.
    pub flops: Option<f64>,
    pub median_sweeps: Option<u32>,
}

/// Whether an engine computes on a GPU that is no software.
pub(crate) fn is_card(engine: &Engine) -> bool {
    engine.backend() == Backend::Gpu && !engine.is_software()
}

/// Someone to be measured. Errors are findings, not crashes.
pub(crate) trait Contender<T: Scalar> {
    fn name(&self) -> &str;
    /// Whether it is this project's own, which must keep its promise to the letter.
    fn own(&self) -> bool {
        false
    }
    /// Fewer matrices than this are no throughput: most give a core a matrix.
    fn fewest(&self) -> usize {
        rayon::current_num_threads()
    }
    /// Whether its first call of a case compiles something.
    fn compiles(&self) -> bool {
        false
    }
    /// Whether it keeps a card busy. Before a case is measured one such contender is, for the sake of all.
    fn warms_up(&self) -> bool {
        false
    }
    /// Seconds of a first call after which it is not made again for the sake of what it compiled.
    fn patience(&self) -> f64 {
        20.0
    }
    /// Whether it can do the case at all.
    fn takes(&self, case: &Case) -> bool;
    /// Takes matrices into its own form, untimed.
    fn load(&mut self, case: &Case, data: &Batch<T>, count: usize) -> Result<(), String>;
    /// Computes what was loaded, once.
    fn run(&mut self) -> Result<Timing, String>;
    /// The results of the first `count` matrices.
    fn answer(&mut self, count: usize) -> Result<Answer<T>, String>;
    fn facts(&self) -> Facts;
    /// Forgets what was loaded and computed.
    fn clear(&mut self);
}

/// Matrices, and where they are.
enum Placed<T: Scalar> {
    Host(Batch<T>),
    Device(DeviceBatch<T>),
}

impl<T: Scalar> Placed<T> {
    /// The first `count`, on the host.
    fn first(&self, count: usize) -> Result<Batch<T>, Error> {
        let first = |batch: &Batch<T>| batch.view().matrices(0..count)?.to_batch();
        match self {
            Placed::Host(batch) => first(batch),
            Placed::Device(batch) => first(&batch.download()?),
        }
    }
}

/// What a call returned.
struct Outcome<T: Scalar> {
    /// As [`Case::results`] lists them.
    matrices: Vec<Placed<T>>,
    values: Option<Placed<T::Real>>,
    report: Report,
}

/// One of this project's engines.
pub(crate) struct Own<'e, T: Scalar> {
    engine: &'e Engine,
    name: String,
    options: Options,
    /// Whether matrices and results stay on the device.
    resident: bool,
    loaded: Option<(Op, Placed<T>)>,
    outcome: Option<Outcome<T>>,
}

impl<'e, T: Scalar> Own<'e, T> {
    pub fn new(engine: &'e Engine, options: Options) -> Self {
        Own {
            engine,
            name: format!("batched-svd-{}", engine.backend()),
            options,
            resident: false,
            loaded: None,
            outcome: None,
        }
    }

    /// Under a name of its own.
    pub fn named(self, name: &str) -> Self {
        Own {
            name: format!("{}: {name}", self.name),
            ..self
        }
    }

    /// With data that stays on the device.
    pub fn resident(engine: &'e Engine, options: Options) -> Self {
        let own = Own::new(engine, options);
        Own {
            name: format!("{}-resident", own.name),
            resident: true,
            ..own
        }
    }
}

impl<T: Scalar> Contender<T> for Own<'_, T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn own(&self) -> bool {
        true
    }

    fn fewest(&self) -> usize {
        match self.engine.backend() {
            // It takes as long for one matrix as for a thousand.
            Backend::Gpu if is_card(self.engine) => usize::MAX,
            Backend::Gpu => 1,
            _ => rayon::current_num_threads(),
        }
    }

    fn compiles(&self) -> bool {
        self.engine.backend() == Backend::Gpu
    }

    fn warms_up(&self) -> bool {
        self.resident && is_card(self.engine)
    }

    fn takes(&self, _: &Case) -> bool {
        true
    }

    fn load(&mut self, case: &Case, data: &Batch<T>, count: usize) -> Result<(), String> {
        let load = || -> Result<Placed<T>, Error> {
            let view = data.view().matrices(0..count)?;
            if !self.resident {
                return Ok(Placed::Host(view.to_batch()?));
            }
            let batch = self.engine.upload(view)?;
            self.engine.finish()?;
            Ok(Placed::Device(batch))
        };
        self.loaded = Some((case.op, load().map_err(|e| e.to_string())?));
        Ok(())
    }

    fn run(&mut self) -> Result<Timing, String> {
        let (op, loaded) = self.loaded.as_ref().ok_or("nothing was loaded")?;
        self.outcome = None;
        let (engine, options) = (self.engine, &self.options);
        let start = std::time::Instant::now();
        let seconds = || -> Result<f64, Error> {
            if self.resident {
                engine.finish()?;
            }
            Ok(start.elapsed().as_secs_f64())
        };
        // Calls of different operations have no common type, and neither have results in different memories.
        macro_rules! compute {
            ($a:ident, $run:ident, $placed:path) => {
                compute!($a, $run, $placed;
                    Svd svd { u, v } sigma;
                    Svdvals singular_values {} sigma;
                    Pinv pinv { inverse };
                    Eigh eigh { vectors } values;
                    Eigvalsh eigvalsh {} values;)
            };
            ($a:ident, $run:ident, $placed:path;
                $($op:ident $call:ident { $($field:ident),* } $($values:ident)?;)+) => {
                match op {$(
                    Op::$op => {
                        let found = engine.$call($a).options(options).$run()?;
                        let values = None$(.or(Some($placed(found.$values))))?;
                        (seconds()?, (vec![$($placed(found.$field)),*], values), found.report)
                    }
                )+}
            };
        }
        let compute = || -> Result<(f64, Outcome<T>), Error> {
            let (seconds, (matrices, values), report) = match loaded {
                Placed::Host(a) => compute!(a, run, Placed::Host),
                Placed::Device(a) => {
                    let (seconds, results, report) = compute!(a, run_on_device, Placed::Device);
                    // It is read when the time is taken.
                    (seconds, results, report.get()?)
                }
            };
            let outcome = Outcome {
                matrices,
                values,
                report,
            };
            Ok((seconds, outcome))
        };
        let (seconds, outcome) = compute().map_err(|e| e.to_string())?;
        let device_seconds = outcome.report.device_seconds;
        self.outcome = Some(outcome);
        Ok(Timing {
            seconds,
            device_seconds,
        })
    }

    fn answer(&mut self, count: usize) -> Result<Answer<T>, String> {
        let outcome = self.outcome.as_ref().ok_or("nothing was computed")?;
        let failures = outcome.report.failures().count();
        if failures > 0 {
            return Err(format!("{failures} matrices did not converge"));
        }
        let answer = || -> Result<Answer<T>, Error> {
            let first = outcome.matrices.iter().map(|placed| placed.first(count));
            let values = outcome.values.as_ref().map(|placed| placed.first(count));
            Ok(Answer::Results {
                matrices: first.collect::<Result<_, _>>()?,
                values: values.transpose()?,
            })
        };
        answer().map_err(|e| e.to_string())
    }

    fn facts(&self) -> Facts {
        let Some(outcome) = &self.outcome else {
            return Facts::default();
        };
        let report = &outcome.report;
        let mut sweeps: Vec<u32> = report.outcomes.iter().map(|o| o.sweeps).collect();
        sweeps.sort_unstable();
        Facts {
            device: report.device.to_string(),
            software: self.engine.is_software(),
            kernel: Some(report.kernel.to_string()),
            flops: Some(report.flops),
            median_sweeps: sweeps.get(sweeps.len() / 2).copied(),
        }
    }

    fn clear(&mut self) {
        self.loaded = None;
        self.outcome = None;
    }
}
