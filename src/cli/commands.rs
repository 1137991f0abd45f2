//! `batched-svd pinv`, `lstsq`, `svd` and `measures`

use std::path::Path;

use batched_svd::{Batch, Error, Options, Outcome, Status, Vectors, View, verify};

use crate::cli::args::{LstsqArgs, MeasuresArgs, PinvArgs, SvdArgs};
use crate::cli::judge::{self, Kind, Residual};
use crate::cli::npy::{Data, Entry};
use crate::cli::run::{Call, Computed, Last, Output, Place, Task};

/// Why damped results are not judged.
pub(super) const DAMPED: &str = "nothing is promised of damped results";

impl Task<1> for PinvArgs {
    fn op(&self) -> &'static str {
        "pinv"
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn in_folder(&self) -> bool {
        false
    }

    fn options(&self, options: Options) -> Options {
        self.filter.add_to(options)
    }

    fn unjudged(&self) -> Option<&'static str> {
        self.filter.damping.map(|_| DAMPED)
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let found = call.timed([a], |engine, [a], options| engine.pinv(a, options))?;
        let x = found.inverse.view();
        let residuals = match self.filter.damping {
            // Those of a pseudoinverse are not for it.
            Some(_) => Vec::new(),
            None => {
                let four = verify::moore_penrose(a, x)?;
                let promised = match call.verify {
                    true => {
                        let cut = what_is_cut(call, a, &found.report.outcomes)?;
                        Some(judge::conditions(a, x, &cut)?)
                    }
                    false => None,
                };
                judge::moore_penrose(&four, promised)
            }
        };
        Ok(Computed {
            outputs: vec![Output::matrices(Place::File, &found.inverse)?],
            residuals,
            report: found.report,
        })
    }
}

/// What does not count, relative to |A|: of singular values that are computed only if there is any.
fn what_is_cut<T: Entry>(
    call: &Call<'_>,
    a: View<'_, T>,
    outcomes: &[Outcome],
) -> Result<Vec<f64>, Error> {
    let full = a.rows().min(a.cols());
    let lacks = |o: &Outcome| o.status == Status::Converged && (o.rank as usize) < full;
    if !outcomes.iter().any(lacks) {
        return Ok(vec![0.0; a.count()]);
    }
    let svd = call.untimed(|engine, options| engine.svd(a, Vectors::None, options))?;
    judge::cut(a, &svd.sigma, outcomes)
}

impl Task<2> for LstsqArgs {
    fn op(&self) -> &'static str {
        "lstsq"
    }

    fn inputs(&self) -> [&Path; 2] {
        [&self.input, &self.sides]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn in_folder(&self) -> bool {
        false
    }

    fn others(&self) -> Vec<&Path> {
        let others = [&self.values, &self.residuals];
        others.into_iter().flatten().map(AsRef::as_ref).collect()
    }

    fn options(&self, options: Options) -> Options {
        self.filter.add_to(options)
    }

    fn unjudged(&self) -> Option<&'static str> {
        self.filter.damping.map(|_| DAMPED)
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a, b]: [View<'_, T>; 2],
    ) -> Result<Computed, Error> {
        let damped = self.filter.damping.is_some();
        let judged = call.verify && !damped;
        let wanted = self.values.is_some() || judged;
        let found = call.timed([a, b], |engine, [a, b], options| {
            engine.lstsq(a, b, &options.clone().singular_values(wanted))
        })?;
        let (x, outcomes) = (found.solution.view(), &found.report.outcomes);
        let both = verify::least_squares(a, x, b)?;
        let [left, normal] = [0, 1].map(|at| both.iter().map(|both| both[at]).collect::<Vec<_>>());
        let promised = match &found.sigma {
            Some(sigma) if judged => {
                Some(judge::normal_equations([a, b, x], sigma, outcomes, &left)?)
            }
            _ => None,
        };
        let mut residuals = vec![Residual::new("|B-AX| / |B|", Kind::Left, left)];
        if !damped {
            let normal = Residual::new("|A'(B-AX)| / ..", Kind::Main, normal);
            residuals.push(normal.promised(promised));
        }
        let mut outputs = vec![Output::matrices(Place::File, &found.solution)?.last(Last::Sides)];
        if let (Some(path), Some(sigma)) = (&self.values, found.sigma) {
            outputs.push(Output::vectors(Place::Beside(path.clone()), sigma));
        }
        if let Some(path) = &self.residuals {
            let norms = verify::residuals(a, x, b)?;
            outputs.push(Output::vectors(Place::Beside(path.clone()), norms).last(Last::Sides));
        }
        Ok(Computed {
            outputs,
            residuals,
            report: found.report,
        })
    }
}

impl Task<1> for SvdArgs {
    fn op(&self) -> &'static str {
        "svd"
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn leftovers(&self) -> &[&'static str] {
        // Vectors would not belong to these values.
        match Vectors::from(self.vectors) {
            Vectors::None => &["u", "vt"],
            _ => &[],
        }
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let vectors = Vectors::from(self.vectors);
        let found = call.timed([a], |engine, [a], options| engine.svd(a, vectors, options))?;
        let (sigma, outcomes) = (found.sigma.view(), &found.report.outcomes);
        let status: Vec<u8> = outcomes.iter().map(|o| o.status.code()).collect();
        let sweeps: Vec<u32> = outcomes.iter().map(|o| o.sweeps).collect();
        let mut outputs = Vec::new();
        let residuals = match (&found.u, &found.v) {
            (Some(u), Some(v)) => {
                outputs.push(Output::matrices(Place::In("u"), u)?);
                outputs.push(transposed(Place::In("vt"), v));
                judge::factors(a, [u.view(), sigma, v.view()])?
            }
            _ => vec![judge::values(a, sigma)?],
        };
        outputs.extend([
            Output::vectors(Place::In("s"), found.sigma),
            Output::new(Place::In("status"), &[], Data::U8(status)),
            Output::new(Place::In("sweeps"), &[], Data::U32(sweeps)),
        ]);
        Ok(Computed {
            outputs,
            residuals,
            report: found.report,
        })
    }
}

/// The transposes of matrices, row by row: as they lie.
fn transposed<T: Entry>(place: Place, batch: &Batch<T>) -> Output {
    let own = [batch.cols(), batch.rows()];
    Output::new(place, &own, T::data(batch.as_slice().to_vec()))
}

impl Task<1> for MeasuresArgs {
    fn op(&self) -> &'static str {
        "measures"
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn options(&self, options: Options) -> Options {
        self.cutoff.add_to(options)
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let found = call.timed([a], |engine, [a], options| {
            engine.svd(a, Vectors::None, options)
        })?;
        let number = |name, values: Vec<f64>| Output::new(Place::In(name), &[], Data::F64(values));
        let ranks = found.report.outcomes.iter().map(|o| o.rank).collect();
        Ok(Computed {
            outputs: vec![
                number("condition", found.conditions()),
                number("kept_condition", found.kept_conditions()),
                number("spectral", found.spectral_norms()),
                number("nuclear", found.nuclear_norms()),
                number("frobenius", found.frobenius_norms()),
                Output::new(Place::In("rank"), &[], Data::U32(ranks)),
            ],
            residuals: vec![judge::values(a, found.sigma.view())?],
            report: found.report,
        })
    }
}
