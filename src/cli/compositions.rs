//! `batched-svd low-rank`, `projector`, `basis` and `polar`

use std::path::Path;

use batched_svd::{Determinant, Dtype, Error, Polar, View, verify};

use crate::cli::args::{BasisArgs, CutoffArgs, LowRankArgs, PolarArgs, ProjectorArgs, RunArgs};
use crate::cli::call::Call;
use crate::cli::entry::Entry;
use crate::cli::judge::{self, Kind, Residual, tol};
use crate::cli::npy::Data;
use crate::cli::output::{Computed, Last, Output, Place, adjoint};
use crate::cli::task::Task;

impl Task<1> for LowRankArgs {
    fn op(&self) -> &'static str {
        "low-rank"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn files(&self, _: Dtype) -> Vec<&'static str> {
        match self.factors {
            true => vec!["left", "right", "s"],
            false => vec![],
        }
    }

    fn cutoff(&self) -> Option<&CutoffArgs> {
        Some(&self.cutoff)
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn unjudged(&self) -> Option<&'static str> {
        Some("what an approximation leaves is left on purpose")
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        if self.factors {
            let found = call.timed([a], |engine, [a], asked| {
                engine.low_rank_factors(a).options(asked.options).run()
            })?;
            let (left, right) = (&found.left, &found.right);
            let checked = call.checked(|call| {
                let values = verify::products(a, left, &adjoint(right)?)?;
                let spreads = call.spreads(a, &found.report.outcomes, None)?;
                Ok((
                    vec![Residual::new("|A-LR'| / |A|", Kind::Error, values)],
                    spreads,
                ))
            })?;
            let (residuals, spreads) = checked.unzip();
            return Ok(Computed {
                outputs: vec![
                    Output::matrices(Place::In("left"), left)?.last(Last::Ranks),
                    Output::matrices(Place::In("right"), right)?.last(Last::Ranks),
                    Output::vectors(Place::In("s"), found.sigma).last(Last::Ranks),
                ],
                residuals: residuals.unwrap_or_default(),
                spreads,
                report: found.report,
            });
        }
        let found = call.timed([a], |engine, [a], asked| {
            engine.low_rank(a).options(asked.options).run()
        })?;
        let checked = call.checked(|call| {
            let values = verify::distances(a, &found.approximation)?;
            let spreads = call.spreads(a, &found.report.outcomes, None)?;
            Ok((
                vec![Residual::new("|A-B| / |A|", Kind::Error, values)],
                spreads,
            ))
        })?;
        let (residuals, spreads) = checked.unzip();
        Ok(Computed {
            outputs: vec![Output::matrices(Place::File, &found.approximation)?],
            residuals: residuals.unwrap_or_default(),
            spreads,
            report: found.report,
        })
    }
}

impl Task<1> for ProjectorArgs {
    fn op(&self) -> &'static str {
        "projector"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn cutoff(&self) -> Option<&CutoffArgs> {
        Some(&self.cutoff)
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let found = call.timed([a], |engine, [a], asked| {
            engine
                .projector(a, self.onto.into())
                .options(asked.options)
                .run()
        })?;
        let outcomes = &found.report.outcomes;
        let checked = call.checked(|call| {
            let ranks = outcomes.iter().map(|o| f64::from(o.rank));
            let promised = ranks.map(|rank| (rank + 4.0) * tol(&a)).collect();
            let values = verify::idempotence(&found.projector)?;
            let residual = Residual::new("|PP-P|", Kind::Main, values);
            let spreads = call.spreads(a, outcomes, None)?;
            Ok((vec![residual.promised(Some(promised))], spreads))
        })?;
        let (residuals, spreads) = checked.unzip();
        Ok(Computed {
            outputs: vec![Output::matrices(Place::File, &found.projector)?],
            residuals: residuals.unwrap_or_default(),
            spreads,
            report: found.report,
        })
    }
}

impl Task<1> for BasisArgs {
    fn op(&self) -> &'static str {
        "basis"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn files(&self, _: Dtype) -> Vec<&'static str> {
        vec!["vectors", "dimensions"]
    }

    fn cutoff(&self) -> Option<&CutoffArgs> {
        Some(&self.cutoff)
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let found = call.timed([a], |engine, [a], asked| {
            engine.basis(a, self.of.into()).options(asked.options).run()
        })?;
        let q = &found.vectors;
        let checked = call.checked(|call| {
            // Of the vectors that are there: of matrices with equally many at a time.
            let mut losses = Vec::with_capacity(a.count());
            for run in found.dimensions.chunk_by(|one, next| one == next) {
                let some = q.view().matrices(losses.len()..losses.len() + run.len())?;
                let there = some.submatrix(0..q.rows(), 0..run[0])?;
                losses.extend(verify::orthogonality(there)?);
            }
            let residual = Residual::new("|Q'Q-I|", Kind::Main, losses);
            let spreads = call.spreads(a, &found.report.outcomes, None)?;
            Ok((
                vec![residual.promised(Some(vec![tol(&a); a.count()]))],
                spreads,
            ))
        })?;
        let (residuals, spreads) = checked.unzip();
        let dimensions = found.dimensions.iter().map(|&d| d as u64).collect();
        Ok(Computed {
            outputs: vec![
                Output::matrices(Place::In("vectors"), q)?,
                Output::new(Place::In("dimensions"), &[], Data::U64(dimensions)),
            ],
            residuals: residuals.unwrap_or_default(),
            spreads,
            report: found.report,
        })
    }
}

const REAL_ROTATIONS: &str =
    "--rotation is for real matrices: of complex ones no determinant is chosen";

impl Task<1> for PolarArgs {
    fn op(&self) -> &'static str {
        "polar"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn files(&self, _: Dtype) -> Vec<&'static str> {
        vec!["q", "h"]
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn refusal(&self, dtype: Dtype) -> Option<&'static str> {
        (self.rotation && dtype.is_complex()).then_some(REAL_ROTATIONS)
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        if !self.rotation {
            let found = call.timed([a], |engine, [a], asked| {
                engine.polar(a).options(asked.options).run()
            })?;
            return factors(call, a, found);
        }
        let Some(a) = T::real(a) else {
            return Err(Error::Unsupported(REAL_ROTATIONS.into()));
        };
        let found = call.timed([a], |engine, [a], asked| {
            let call = engine.polar(a).determinant(Determinant::Positive);
            call.options(asked.options).run()
        })?;
        factors(call, a, found)
    }
}

/// What the factors are, and how good.
fn factors<T: Entry>(
    call: &mut Call<'_>,
    a: View<'_, T>,
    found: Polar<T>,
) -> Result<Computed, Error> {
    let (q, h) = (&found.orthogonal, &found.stretch);
    let checked = call.checked(|call| {
        let loss = match a.rows() < a.cols() {
            true => verify::orthogonality(q.view().transpose())?,
            false => verify::orthogonality(q)?,
        };
        let k = a.rows().min(a.cols()) as f64;
        let within = vec![4.0 * k * tol(&a); a.count()];
        let product = Residual::new("|A-QH| / |A|", Kind::Main, verify::products(a, q, h)?);
        let promised = judge::reconstruction(a, k + 4.0)?;
        let residuals = vec![
            product.promised(Some(promised)),
            Residual::new("|Q'Q-I|", Kind::Orthogonality, loss).promised(Some(within)),
        ];
        Ok((residuals, call.spreads(a, &found.report.outcomes, None)?))
    })?;
    let (residuals, spreads) = checked.unzip();
    Ok(Computed {
        outputs: vec![
            Output::matrices(Place::In("q"), q)?,
            Output::matrices(Place::In("h"), h)?,
        ],
        residuals: residuals.unwrap_or_default(),
        spreads,
        report: found.report,
    })
}
