//! `batched-svd pca` and `whiten`

use std::path::Path;

use batched_svd::{Batch, Components, Dtype, Error, Outcome, Scalar, View, Whitening, verify};

use crate::cli::args::{CutoffArgs, PcaArgs, RunArgs, WhitenArgs};
use crate::cli::call::Call;
use crate::cli::commands::DAMPED;
use crate::cli::entry::{Entry, Number, Written, over};
use crate::cli::judge::{self, Kind, Residual, tol};
use crate::cli::numbers::Numbers;
use crate::cli::output::{Computed, Last, Output, Place, adjoint, cleared};
use crate::cli::spread::{Spread, spreads};
use crate::cli::task::Task;

impl Task<1> for PcaArgs {
    fn op(&self) -> &'static str {
        "pca"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn files(&self, _: Dtype) -> Vec<&'static str> {
        vec![
            "mean",
            "components",
            "scores",
            "deviations",
            "explained_variance",
            "explained_variance_ratio",
        ]
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
            engine.principal_components(a).options(asked.options).run()
        })?;
        let outcomes = &found.report.outcomes;
        let spreads = spreads(found.deviations.view(), outcomes);
        let checked = call.checked(|_| self.residuals(a, &found))?;
        let [variances, ratios] = variances(&found.deviations)?;
        let mut outputs = vec![Output::vectors(Place::In("mean"), found.mean)];
        let (components, scores) = (found.components, found.scores);
        let [deviations, variances, ratios] = [
            transposed(&found.deviations)?,
            transposed(&variances)?,
            transposed(&ratios)?,
        ]
        .map(|batch| self.kept(batch, outcomes));
        let [components, scores] = [components, scores].map(|batch| self.kept(batch, outcomes));
        let last = match self.cutoff.is_asked() {
            true => Last::Ranks,
            false => Last::Own,
        };
        for (name, batch) in [("components", &components), ("scores", &scores)] {
            outputs.push(Output::matrices(Place::In(name), batch)?.last(last));
        }
        for (name, row) in [
            ("deviations", deviations),
            ("explained_variance", variances),
            ("explained_variance_ratio", ratios),
        ] {
            let own = [row.cols()];
            outputs
                .push(Output::new(Place::In(name), &own, T::Real::data(row.into_vec())).last(last));
        }
        Ok(Computed {
            outputs,
            residuals: checked.unwrap_or_default(),
            spreads: Some(spreads),
            report: found.report,
        })
    }
}

impl PcaArgs {
    /// Zeros in place of what was not asked for.
    fn kept<T: Scalar>(&self, batch: Batch<T>, outcomes: &[Outcome]) -> Batch<T> {
        match self.cutoff.is_asked() {
            true => cleared(batch, outcomes),
            false => batch,
        }
    }

    fn residuals<T: Entry>(
        &self,
        a: View<'_, T>,
        found: &Components<T>,
    ) -> Result<Vec<Residual>, Error> {
        let (components, scores) = (&found.components, &found.scores);
        let loss = verify::orthogonality(components)?;
        let centred = centred(a, &found.mean)?;
        let (left, right) = (wide(scores)?, wide(&adjoint(components)?)?);
        let values = verify::products(&centred, &left, &right)?;
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
        let mut residuals = vec![
            Residual::new("|A-mean-SC'| / ..", Kind::Main, values).promised(Some(promised)),
            Residual::new("|Q'Q-I|", Kind::Orthogonality, loss)
                .promised(Some(vec![tol(&a); a.count()])),
        ];
        if self.cutoff.is_asked() {
            let left = left_out(&found.deviations, &found.report.outcomes);
            residuals.push(Residual::new("left out", Kind::Error, left));
        }
        Ok(residuals)
    }
}

/// What the components that do not count are of the data, relative.
fn left_out<T: Number>(deviations: &Batch<T>, outcomes: &[Outcome]) -> Vec<f64> {
    let left = |(b, outcome): (usize, &Outcome)| {
        let all = deviations.matrix(b).iter().map(|deviation| deviation.f64());
        let largest = all.clone().fold(0.0, f64::max);
        if largest == 0.0 {
            return 0.0;
        }
        let squares: Vec<f64> = all.map(|deviation| (deviation / largest).powi(2)).collect();
        let rank = (outcome.rank as usize).min(squares.len());
        (squares[rank..].iter().sum::<f64>() / squares.iter().sum::<f64>()).sqrt()
    };
    outcomes.iter().enumerate().map(left).collect()
}

/// The variances along the components, and their shares of all variance: none of none.
fn variances<T: Number>(deviations: &Batch<T>) -> Result<[Batch<T>; 2], Error> {
    let (count, k) = (deviations.count(), deviations.rows());
    let mut both = [Vec::new(), Vec::new()];
    for b in 0..count {
        let all = deviations.matrix(b).iter().map(|deviation| deviation.f64());
        let largest = all.clone().fold(0.0, f64::max);
        // Squares stay in range.
        let scale = if largest > 0.0 && largest.is_finite() {
            largest
        } else {
            1.0
        };
        let sum = all
            .clone()
            .map(|deviation| (deviation / scale).powi(2))
            .sum::<f64>();
        for deviation in all {
            let share = (deviation / scale).powi(2);
            both[0].push(T::of(deviation * deviation));
            both[1].push(T::of(if sum > 0.0 || sum.is_nan() {
                share / sum
            } else {
                0.0
            }));
        }
    }
    let [variances, ratios] = both.map(|entries| Batch::from_col_major(count, k, 1, entries));
    Ok([variances?, ratios?])
}

/// A row for each column.
fn transposed<T: Scalar>(batch: &Batch<T>) -> Result<Batch<T>, Error> {
    batch.view().transpose().to_batch()
}

/// The same in f64.
fn wide<T: Entry>(batch: &Batch<T>) -> Result<Batch<T::Wide>, Error> {
    let entries = batch.as_slice().iter().map(|x| x.wide()).collect();
    Batch::from_col_major(batch.count(), batch.rows(), batch.cols(), entries)
}

/// The data without their means, in f64.
fn centred<T: Entry>(a: View<'_, T>, mean: &Batch<T>) -> Result<Batch<T::Wide>, Error> {
    let mut data = wide(&a.to_batch()?)?;
    let columns = data.as_mut_slice().chunks_exact_mut(a.rows().max(1));
    for (column, mean) in columns.zip(mean.as_slice()) {
        column.iter_mut().for_each(|x| *x -= mean.wide());
    }
    Ok(data)
}

impl Task<1> for WhitenArgs {
    fn op(&self) -> &'static str {
        "whiten"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn files(&self, _: Dtype) -> Vec<&'static str> {
        vec!["mean", "transform"]
    }

    fn cutoff(&self) -> Option<&CutoffArgs> {
        Some(&self.filter.cutoff)
    }

    fn per_matrix(&self) -> Option<(&'static str, &Numbers)> {
        self.filter.per_matrix()
    }

    fn enlarges(&self) -> bool {
        true
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn unjudged(&self) -> Option<&'static str> {
        match self.epsilon {
            Some(epsilon) if epsilon > 0.0 => Some("nothing is promised of regularised results"),
            _ => self.filter.is_damped().then_some(DAMPED),
        }
    }

    fn objection(&self) -> Option<&'static str> {
        let both = self.epsilon.is_some() && self.filter.damping.is_some();
        both.then_some("--damping and --epsilon are two ways to the same end: give one of them")
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let found = call.timed([a], |engine, [a], asked| {
            let call = engine.whitening(a).options(asked.options);
            match self.epsilon {
                Some(epsilon) => call.epsilon(epsilon),
                None => asked.with_per_matrix(call, |call, damping| call.damping(damping)),
            }
            .run()
        })?;
        let checked = call.checked(|call| {
            let spreads = self.spreads(call, a, &found)?;
            if self.is_soft() {
                // That is not white.
                return Ok((Vec::new(), spreads));
            }
            let values = verify::whiteness(a, &found.transform)?;
            let promised = whiteness(a, &found)?;
            let residual = Residual::new("|CC-C|", Kind::Main, values).promised(Some(promised));
            Ok((vec![residual], spreads))
        })?;
        let (residuals, spreads) = checked.unzip();
        Ok(Computed {
            outputs: vec![
                Output::vectors(Place::In("mean"), found.mean),
                Output::matrices(Place::In("transform"), &found.transform)?,
            ],
            residuals: residuals.unwrap_or_default(),
            spreads,
            report: found.report,
        })
    }
}

impl WhitenArgs {
    /// Whether less is done to directions of little variance than would make them white.
    fn is_soft(&self) -> bool {
        self.filter.is_damped() || self.epsilon.is_some_and(|epsilon| epsilon > 0.0)
    }

    /// By the singular values of the data that are whitened.
    fn spreads<T: Entry>(
        &self,
        call: &Call<'_>,
        a: View<'_, T>,
        found: &Whitening<T>,
    ) -> Result<Vec<Spread>, Error> {
        let data = centred(a, &found.mean)?;
        let freedom = (a.rows().saturating_sub(1).max(1) as f64).sqrt();
        let sizes = judge::norms(data.view())?.into_iter();
        let transforms = judge::norms(found.transform.view())?;
        let bounds = sizes
            .zip(transforms)
            .map(|(a, w)| a / freedom * w)
            .collect();
        let entries = data
            .as_slice()
            .iter()
            .map(|&x| T::of_wide(over(x, freedom)))
            .collect();
        let data = Batch::from_col_major(data.count(), data.rows(), data.cols(), entries)?;
        let bounds = (!self.filter.is_damped()).then_some(bounds);
        call.spreads(data.view(), &found.report.outcomes, bounds)
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
