//! Decompositions with no vectors, with thin factors and with full ones, for tests of all three.

use batched_svd::{Batch, DeviceBatch, Engine, Error, Options, Real, Report};

/// Which vectors there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Vectors {
    None,
    Thin,
    Full,
}

/// What a call of any of the three has found.
pub struct Decomposed<T: Real> {
    pub u: Option<Batch<T>>,
    pub sigma: Batch<T>,
    pub v: Option<Batch<T>>,
    pub report: Report,
}

impl Vectors {
    pub const ALL: [Vectors; 3] = [Vectors::None, Vectors::Thin, Vectors::Full];

    pub fn of<T: Real>(
        self,
        engine: &Engine,
        a: &Batch<T>,
        options: &Options,
    ) -> Result<Decomposed<T>, Error> {
        if self == Vectors::None {
            let found = engine.singular_values(a).options(options).run()?;
            return Ok(Decomposed {
                u: None,
                sigma: found.sigma,
                v: None,
                report: found.report,
            });
        }
        let call = engine.svd(a).full(self == Vectors::Full);
        let found = call.options(options).run()?;
        Ok(Decomposed {
            u: Some(found.u),
            sigma: found.sigma,
            v: Some(found.v),
            report: found.report,
        })
    }

    /// The same of a batch on the device: the results stay there, and are downloaded here.
    pub fn on_device<T: Real>(
        self,
        engine: &Engine,
        a: &DeviceBatch<T>,
        options: &Options,
    ) -> Result<Decomposed<T>, Error> {
        if self == Vectors::None {
            let found = engine.singular_values(a).options(options).run_on_device()?;
            return Ok(Decomposed {
                u: None,
                sigma: found.sigma.download()?,
                v: None,
                report: found.report.get()?,
            });
        }
        let call = engine.svd(a).full(self == Vectors::Full);
        let found = call.options(options).run_on_device()?;
        Ok(Decomposed {
            u: Some(found.u.download()?),
            sigma: found.sigma.download()?,
            v: Some(found.v.download()?),
            report: found.report.get()?,
        })
    }
}
