//! `batched-svd low-rank`, `projector`, `basis`, `polar`, `pca` and `whiten`

use std::path::Path;

use batched_svd::{Batch, Determinant, Error, Options, View, Whitening, verify};

use crate::cli::args::{BasisArgs, LowRankArgs, PcaArgs, PolarArgs, ProjectorArgs, WhitenArgs};
use crate::cli::commands::DAMPED;
use crate::cli::judge::{self, Kind, Residual, tol};
use crate::cli::npy::{Data, Entry};
use crate::cli::run::{Call, Computed, Last, Output, Place, Task};

impl Task<1> for LowRankArgs {
    fn op(&self) -> &'static str {
        "low-rank"
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn in_folder(&self) -> bool {
        self.factors
    }

    fn options(&self, options: Options) -> Options {
        self.cutoff.add_to(options)
    }

    fn unjudged(&self) -> Option<&'static str> {
        Some("what an approximation leaves is left on purpose")
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let (outputs, left, report) = if self.factors {
            let found = call.timed([a], |engine, [a], options| {
                engine.low_rank_factors(a, options)
            })?;
            let (left, right) = (&found.left, &found.right);
            let outputs = vec![
                Output::matrices(Place::In("left"), left)?.last(Last::Ranks),
                Output::matrices(Place::In("right"), right)?.last(Last::Ranks),
            ];
            let left = verify::products(a, left.view(), right.view().transpose())?;
            (outputs, left, found.report)
        } else {
            let found = call.timed([a], |engine, [a], options| engine.low_rank(a, options))?;
            let outputs = vec![Output::matrices(Place::File, &found.approximation)?];
            let left = verify::distances(a, &found.approximation)?;
            (outputs, left, found.report)
        };
        let name = match self.factors {
            true => "|A-LR'| / |A|",
            false => "|A-B| / |A|",
        };
        Ok(Computed {
            outputs,
            residuals: vec![Residual::new(name, Kind::Error, left)],
            report,
        })
    }
}

impl Task<1> for ProjectorArgs {
    fn op(&self) -> &'static str {
        "projector"
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
        self.cutoff.add_to(options)
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let found = call.timed([a], |engine, [a], options| {
            engine.projector(a, self.onto.into(), options)
        })?;
        let ranks = found.report.outcomes.iter().map(|o| f64::from(o.rank));
        let promised = ranks.map(|rank| (rank + 4.0) * tol(&a)).collect();
        let values = verify::idempotence(&found.projector)?;
        let residual = Residual::new("|PP-P|", Kind::Main, values);
        Ok(Computed {
            outputs: vec![Output::matrices(Place::File, &found.projector)?],
            residuals: vec![residual.promised(Some(promised))],
            report: found.report,
        })
    }
}

impl Task<1> for BasisArgs {
    fn op(&self) -> &'static str {
        "basis"
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
            engine.basis(a, self.of.into(), options)
        })?;
        let q = &found.vectors;
        // Of the vectors that are there: of matrices with equally many at a time.
        let mut losses = Vec::with_capacity(a.count());
        for run in found.dimensions.chunk_by(|one, next| one == next) {
            let some = q.view().matrices(losses.len()..losses.len() + run.len())?;
            let there = some.submatrix(0..q.rows(), 0..run[0])?;
            losses.extend(verify::orthogonality(there)?);
        }
        let dimensions = found.dimensions.iter().map(|&d| d as u64).collect();
        let residual = Residual::new("|Q'Q-I|", Kind::Main, losses);
        Ok(Computed {
            outputs: vec![
                Output::matrices(Place::In("vectors"), q)?,
                Output::new(Place::In("dimensions"), &[], Data::U64(dimensions)),
            ],
            residuals: vec![residual.promised(Some(vec![tol(&a); a.count()]))],
            report: found.report,
        })
    }
}

impl Task<1> for PolarArgs {
    fn op(&self) -> &'static str {
        "polar"
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
        let determinant = match self.rotation {
            true => Determinant::Positive,
            false => Determinant::Any,
        };
        let found = call.timed([a], |engine, [a], options| {
            engine.polar(a, determinant, options)
        })?;
        let (q, h) = (&found.orthogonal, &found.stretch);
        let loss = match a.rows() < a.cols() {
            true => verify::orthogonality(q.view().transpose())?,
            false => verify::orthogonality(q)?,
        };
        let k = a.rows().min(a.cols()) as f64;
        let within = vec![4.0 * k * tol(&a); a.count()];
        let product = Residual::new("|A-QH| / |A|", Kind::Main, verify::products(a, q, h)?);
        let promised = judge::reconstruction(a, k + 4.0)?;
        Ok(Computed {
            outputs: vec![
                Output::matrices(Place::In("q"), q)?,
                Output::matrices(Place::In("h"), h)?,
            ],
            residuals: vec![
                product.promised(Some(promised)),
                Residual::new("|Q'Q-I|", Kind::Orthogonality, loss).promised(Some(within)),
            ],
            report: found.report,
        })
    }
}

impl Task<1> for PcaArgs {
    fn op(&self) -> &'static str {
        "pca"
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
            engine.principal_components(a, options)
        })?;
        let (components, scores) = (&found.components, &found.scores);
        let loss = verify::orthogonality(components)?;
        let centred = centred(a, &found.mean)?;
        let [left, right] = [in_f64(scores)?, in_f64(components)?];
        let values = verify::products(&centred, left.view(), right.view().transpose())?;
        // The means are rounded, and so are the data without them, and the scores.
        let unit = T::DTYPE.unit_roundoff();
        let samples = (a.rows() as f64).sqrt();
        let means = judge::norms(found.mean.view())?;
        let sizes = judge::norms(centred.view())?;
        let mut promised = judge::reconstruction(a, 1.0)?;
        for ((promised, mean), size) in promised.iter_mut().zip(means).zip(sizes) {
            *promised += 4.0 * unit;
            if size > 0.0 {
                *promised += unit * samples * mean / size;
            }
        }
        let residuals = vec![
            Residual::new("|A-mean-SC'| / ..", Kind::Main, values).promised(Some(promised)),
            Residual::new("|Q'Q-I|", Kind::Orthogonality, loss)
                .promised(Some(vec![tol(&a); a.count()])),
        ];
        Ok(Computed {
            outputs: vec![
                Output::vectors(Place::In("mean"), found.mean),
                Output::matrices(Place::In("components"), components)?,
                Output::matrices(Place::In("scores"), scores)?,
                Output::vectors(Place::In("deviations"), found.deviations),
            ],
            residuals,
            report: found.report,
        })
    }
}

fn in_f64<T: Entry>(batch: &Batch<T>) -> Result<Batch<f64>, Error> {
    let entries = batch.as_slice().iter().map(|x| x.f64()).collect();
    Batch::from_col_major(batch.count(), batch.rows(), batch.cols(), entries)
}

/// The data without their means, in f64.
fn centred<T: Entry>(a: View<'_, T>, mean: &Batch<T>) -> Result<Batch<f64>, Error> {
    let mut data = in_f64(&a.to_batch()?)?;
    let columns = data.as_mut_slice().chunks_exact_mut(a.rows().max(1));
    for (column, mean) in columns.zip(mean.as_slice()) {
        column.iter_mut().for_each(|x| *x -= mean.f64());
    }
    Ok(data)
}

impl Task<1> for WhitenArgs {
    fn op(&self) -> &'static str {
        "whiten"
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
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
        let found = call.timed([a], |engine, [a], options| engine.whitening(a, options))?;
        let residuals = match self.filter.damping {
            // That is not white.
            Some(_) => Vec::new(),
            None => {
                let values = verify::whiteness(a, &found.transform)?;
                let promised = whiteness(a, &found)?;
                vec![Residual::new("|CC-C|", Kind::Main, values).promised(Some(promised))]
            }
        };
        Ok(Computed {
            outputs: vec![
                Output::vectors(Place::In("mean"), found.mean),
                Output::matrices(Place::In("transform"), &found.transform)?,
            ],
            residuals,
            report: found.report,
        })
    }
}

/// C is off from a projector by at most e = 8 sqrt(rank) tol c, with c taken as |A - mean| |W| / sqrt(m - 1); C C - C
/// then by e + e^2. The means are off as well, by their rounding in f64, which W enlarges.
fn whiteness<T: Entry>(a: View<'_, T>, found: &Whitening<T>) -> Result<Vec<f64>, Error> {
    let sizes = judge::norms(centred(a, &found.mean)?.view())?;
    let (means, transforms) = (
        judge::norms(found.mean.view())?,
        judge::norms(found.transform.view())?,
    );
    let samples = a.rows() as f64;
    let freedom = (samples - 1.0).max(1.0).sqrt();
    let bound = |b: usize| {
        let rank = f64::from(found.report.outcomes[b].rank);
        let condition = (sizes[b] * transforms[b] / freedom).max(1.0);
        let means = 4.0 * f64::EPSILON * samples.sqrt() * means[b] * transforms[b] / freedom;
        let off = 8.0 * rank.sqrt() * tol(&a) * condition + 2.0 * means + means * means;
        off + off * off
    };
    Ok((0..a.count()).map(bound).collect())
}
