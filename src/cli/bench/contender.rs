//! Who is measured: whoever can take matrices, compute, and show what came out.

use batched_svd::{Backend, Batch, Engine, Error, Options, Pinv, Real, Report, Svd, Vectors};

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
}

impl<T: Real> Outcome<T> {
    fn report(&self) -> &Report {
        match self {
            Outcome::Svd(svd) => &svd.report,
            Outcome::Pinv(pinv) => &pinv.report,
        }
    }
}

/// One of this project's engines.
pub(crate) struct Own<'e, T: Real> {
    engine: &'e Engine,
    name: String,
    options: Options,
    loaded: Option<(Op, Batch<T>)>,
    outcome: Option<Outcome<T>>,
}

impl<'e, T: Real> Own<'e, T> {
    pub fn new(engine: &'e Engine, options: Options) -> Self {
        Own {
            engine,
            name: format!("batched-svd-{}", engine.backend()),
            options,
            loaded: None,
            outcome: None,
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

    fn takes(&self, _: &Case) -> bool {
        true
    }

    fn load(&mut self, case: &Case, data: &Batch<T>, count: usize) -> Result<(), String> {
        let batch = data.view().matrices(0..count).and_then(|v| v.to_batch());
        self.loaded = Some((case.op, batch.map_err(|e| e.to_string())?));
        Ok(())
    }

    fn run(&mut self) -> Result<Timing, String> {
        let (op, batch) = self.loaded.as_ref().ok_or("nothing was loaded")?;
        self.outcome = None;
        let start = std::time::Instant::now();
        let svd = |vectors| self.engine.svd(batch, vectors, &self.options);
        let outcome = match op {
            Op::Svd => svd(Vectors::Thin).map(Outcome::Svd),
            Op::Svdvals => svd(Vectors::None).map(Outcome::Svd),
            Op::Pinv => self.engine.pinv(batch, &self.options).map(Outcome::Pinv),
        };
        let seconds = start.elapsed().as_secs_f64();
        let outcome = self.outcome.insert(outcome.map_err(|e| e.to_string())?);
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
            Ok(match outcome {
                Outcome::Svd(svd) => {
                    let sigma = first(&svd.sigma)?;
                    match (&svd.u, &svd.v) {
                        (Some(u), Some(v)) => Answer::Factors {
                            u: first(u)?,
                            sigma,
                            v: first(v)?,
                        },
                        _ => Answer::Values(sigma),
                    }
                }
                Outcome::Pinv(pinv) => Answer::Inverses(first(&pinv.inverse)?),
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
