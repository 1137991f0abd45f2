//! Who is measured: whoever can take matrices, compute, and show what came out.

use batched_svd::{
    Backend, Batch, DeviceBatch, DevicePinv, DeviceSvd, Engine, Error, Options, Pinv, Real, Report,
    Svd, Vectors,
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
    Svd(Svd<T>),
    Pinv(Pinv<T>),
    /// On the device, with the report that was asked for afterwards.
    DeviceSvd(DeviceSvd<T>, Report),
    DevicePinv(DevicePinv<T>, Report),
}

impl<T: Real> Outcome<T> {
    fn report(&self) -> &Report {
        match self {
            Outcome::Svd(svd) => &svd.report,
            Outcome::Pinv(pinv) => &pinv.report,
            Outcome::DeviceSvd(_, report) | Outcome::DevicePinv(_, report) => report,
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
        let vectors = match op {
            Op::Svdvals => Vectors::None,
            _ => Vectors::Thin,
        };
        let start = std::time::Instant::now();
        let run = || -> Result<(Outcome<T>, f64), Error> {
            let seconds = || start.elapsed().as_secs_f64();
            Ok(match (loaded, op) {
                (Loaded::Host(a), Op::Pinv) => (Outcome::Pinv(engine.pinv(a, options)?), seconds()),
                (Loaded::Host(a), _) => (Outcome::Svd(engine.svd(a, vectors, options)?), seconds()),
                (Loaded::Device(a), Op::Pinv) => {
                    let pinv = engine.pinv_resident(a, options)?;
                    engine.finish()?;
                    let seconds = seconds();
                    let report = pinv.report.get()?;
                    (Outcome::DevicePinv(pinv, report), seconds)
                }
                (Loaded::Device(a), _) => {
                    let svd = engine.svd_resident(a, vectors, options)?;
                    engine.finish()?;
                    let seconds = seconds();
                    let report = svd.report.get()?;
                    (Outcome::DeviceSvd(svd, report), seconds)
                }
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
            let factors = |u: Option<&Batch<T>>, sigma: &Batch<T>, v: Option<&Batch<T>>| {
                let sigma = first(sigma)?;
                Ok::<_, Error>(match (u, v) {
                    (Some(u), Some(v)) => Answer::Factors {
                        u: first(u)?,
                        sigma,
                        v: first(v)?,
                    },
                    _ => Answer::Values(sigma),
                })
            };
            let down = |batch: &Option<DeviceBatch<T>>| {
                batch.as_ref().map(DeviceBatch::download).transpose()
            };
            Ok(match outcome {
                Outcome::Svd(svd) => factors(svd.u.as_ref(), &svd.sigma, svd.v.as_ref())?,
                Outcome::Pinv(pinv) => Answer::Inverses(first(&pinv.inverse)?),
                Outcome::DeviceSvd(svd, _) => {
                    let (u, v) = (down(&svd.u)?, down(&svd.v)?);
                    factors(u.as_ref(), &svd.sigma.download()?, v.as_ref())?
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
            device: report.device.clone(),
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
