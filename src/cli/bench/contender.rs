//! Who is measured: whoever can take matrices, compute, and show what came out.

use batched_svd::{
    Backend, Batch, Device, DeviceBatch, Engine, Error, Options, Pinv, Real, Report,
    SingularValues, Svd,
};

use crate::cli::bench::case::{Case, Op};

/// The results of the first matrices of a batch.
pub(crate) enum Answer<T: Real> {
    Factors {
        u: Batch<T>,
        sigma: Batch<T::Real>,
        v: Batch<T>,
    },
    Values(Batch<T::Real>),
    Inverses(Batch<T>),
    /// Residual and loss of orthogonality, where the contender checks itself.
    Checked {
        residual: f64,
        orthogonality: f64,
    },
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

/// Someone to be measured. Errors are findings, not crashes.
pub(crate) trait Contender<T: Real> {
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

enum Outcome<T: Real> {
    Values(SingularValues<T>),
    Svd(Svd<T>),
    Pinv(Pinv<T>),
    DeviceValues(SingularValues<T, Device>, Report),
    DeviceSvd(Svd<T, Device>, Report),
    DevicePinv(Pinv<T, Device>, Report),
}

impl<T: Real> Outcome<T> {
    fn report(&self) -> &Report {
        match self {
            Outcome::Values(values) => &values.report,
            Outcome::Svd(svd) => &svd.report,
            Outcome::Pinv(pinv) => &pinv.report,
            Outcome::DeviceValues(_, report)
            | Outcome::DeviceSvd(_, report)
            | Outcome::DevicePinv(_, report) => report,
        }
    }
}

/// What was loaded, and where.
enum Loaded<T: Real> {
    Host(Batch<T>),
    Device(DeviceBatch<T>),
}

/// One of this project's engines.
pub(crate) struct Own<'e, T: Real> {
    engine: &'e Engine,
    name: String,
    options: Options,
    /// Whether matrices and results stay on the device.
    resident: bool,
    loaded: Option<(Op, Loaded<T>)>,
    outcome: Option<Outcome<T>>,
}

impl<'e, T: Real> Own<'e, T> {
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

impl<T: Real<Real = T>> Contender<T> for Own<'_, T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn own(&self) -> bool {
        true
    }

    fn fewest(&self) -> usize {
        match self.engine.backend() {
            Backend::Gpu => 1,
            _ => rayon::current_num_threads(),
        }
    }

    fn compiles(&self) -> bool {
        self.engine.backend() == Backend::Gpu
    }

    fn takes(&self, _: &Case) -> bool {
        true
    }

    fn load(&mut self, case: &Case, data: &Batch<T>, count: usize) -> Result<(), String> {
        let load = || -> Result<Loaded<T>, Error> {
            let view = data.view().matrices(0..count)?;
            if !self.resident {
                return Ok(Loaded::Host(view.to_batch()?));
            }
            let batch = self.engine.upload(view)?;
            self.engine.finish()?;
            Ok(Loaded::Device(batch))
        };
        self.loaded = Some((case.op, load().map_err(|e| e.to_string())?));
        Ok(())
    }

    fn run(&mut self) -> Result<Timing, String> {
        let (op, loaded) = self.loaded.as_ref().ok_or("nothing was loaded")?;
        self.outcome = None;
        let (engine, options) = (self.engine, &self.options);
        let start = std::time::Instant::now();
        let seconds = || start.elapsed().as_secs_f64();
        // The report of results on the device is read when the time is taken.
        let run = || -> Result<(Outcome<T>, f64), Error> {
            Ok(match loaded {
                Loaded::Host(a) => {
                    let outcome = match op {
                        Op::Pinv => Outcome::Pinv(engine.pinv(a).options(options).run()?),
                        Op::Svdvals => {
                            Outcome::Values(engine.singular_values(a).options(options).run()?)
                        }
                        _ => Outcome::Svd(engine.svd(a).options(options).run()?),
                    };
                    (outcome, seconds())
                }
                Loaded::Device(a) => match op {
                    Op::Pinv => {
                        let found = engine.pinv(a).options(options).run_on_device()?;
                        engine.finish()?;
                        let (seconds, report) = (seconds(), found.report.get()?);
                        (Outcome::DevicePinv(found, report), seconds)
                    }
                    Op::Svdvals => {
                        let call = engine.singular_values(a).options(options);
                        let found = call.run_on_device()?;
                        engine.finish()?;
                        let (seconds, report) = (seconds(), found.report.get()?);
                        (Outcome::DeviceValues(found, report), seconds)
                    }
                    _ => {
                        let found = engine.svd(a).options(options).run_on_device()?;
                        engine.finish()?;
                        let (seconds, report) = (seconds(), found.report.get()?);
                        (Outcome::DeviceSvd(found, report), seconds)
                    }
                },
            })
        };
        let (outcome, seconds) = run().map_err(|e| e.to_string())?;
        let outcome = self.outcome.insert(outcome);
        Ok(Timing {
            seconds,
            device_seconds: outcome.report().device_seconds,
        })
    }

    fn answer(&mut self, count: usize) -> Result<Answer<T>, String> {
        let outcome = self.outcome.as_ref().ok_or("nothing was computed")?;
        let failures = outcome.report().failures().count();
        if failures > 0 {
            return Err(format!("{failures} matrices did not converge"));
        }
        let first = |batch: &Batch<T>| batch.view().matrices(0..count)?.to_batch();
        let answer = || -> Result<Answer<T>, Error> {
            let factors = |u: &Batch<T>, sigma: &Batch<T>, v: &Batch<T>| {
                Ok::<_, Error>(Answer::Factors {
                    u: first(u)?,
                    sigma: first(sigma)?,
                    v: first(v)?,
                })
            };
            Ok(match outcome {
                Outcome::Values(values) => Answer::Values(first(&values.sigma)?),
                Outcome::Svd(svd) => factors(&svd.u, &svd.sigma, &svd.v)?,
                Outcome::Pinv(pinv) => Answer::Inverses(first(&pinv.inverse)?),
                Outcome::DeviceValues(values, _) => {
                    Answer::Values(first(&values.sigma.download()?)?)
                }
                Outcome::DeviceSvd(svd, _) => {
                    let [u, sigma, v] = [&svd.u, &svd.sigma, &svd.v].map(DeviceBatch::download);
                    factors(&u?, &sigma?, &v?)?
                }
                Outcome::DevicePinv(pinv, _) => Answer::Inverses(first(&pinv.inverse.download()?)?),
            })
        };
        answer().map_err(|e| e.to_string())
    }

    fn facts(&self) -> Facts {
        let Some(outcome) = &self.outcome else {
            return Facts::default();
        };
        let report = outcome.report();
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
