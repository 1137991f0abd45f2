//! `batched-svd pinv`, `lstsq`, `svd` and `measures`

use std::path::Path;

use batched_svd::{Batch, Cutoff, Dtype, Error, Factor, Options, Outcome, Status, View, verify};

use crate::cli::args::{
    CutoffArgs, LstsqArgs, MeasuresArgs, PinvArgs, RunArgs, SvdArgs, VectorsArg,
};
use crate::cli::call::Call;
use crate::cli::entry::Entry;
use crate::cli::judge::{self, Kind, Promised, Residual, tol};
use crate::cli::npy::Data;
use crate::cli::numbers::Numbers;
use crate::cli::output::{Computed, Last, Output, Place, adjoint, leading};
use crate::cli::spread::spreads;
use crate::cli::task::Task;

/// Why damped results are not judged.
pub(super) const DAMPED: &str = "nothing is promised of damped results";

impl Task<1> for PinvArgs {
    fn op(&self) -> &'static str {
        "pinv"
    }

    fn common(&self) -> &RunArgs {
        &self.run
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
        self.filter.is_damped().then_some(DAMPED)
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let found = call.timed([a], |engine, [a], asked| {
            let call = engine.pinv(a).options(asked.options);
            asked
                .with_per_matrix(call, |call, damping| call.damping(damping))
                .run()
        })?;
        let (x, outcomes) = (found.inverse.view(), &found.report.outcomes);
        let checked = call.checked(|call| {
            if self.filter.is_damped() {
                // The residuals of a pseudoinverse are not for it.
                return Ok((Vec::new(), call.spreads(a, outcomes, None)?));
            }
            let (residuals, bounds) = match call.verify {
                true => judge::inverses(a, x, Promised::But(&what_is_cut(call, a, outcomes)?))?,
                false => judge::inverses(a, x, Promised::Nothing)?,
            };
            Ok((residuals, call.spreads(a, outcomes, Some(bounds))?))
        })?;
        let (residuals, spreads) = checked.unzip();
        Ok(Computed {
            outputs: vec![Output::matrices(Place::File, &found.inverse)?],
            residuals: residuals.unwrap_or_default(),
            spreads,
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
    match outcomes.iter().any(lacks) {
        true => judge::cut(a, &call.sigma(a)?, outcomes),
        false => Ok(vec![0.0; a.count()]),
    }
}

impl Task<2> for LstsqArgs {
    fn op(&self) -> &'static str {
        "lstsq"
    }

    fn common(&self) -> &RunArgs {
        &self.run
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

    fn inputs(&self) -> [&Path; 2] {
        [&self.input, &self.sides]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn objection(&self) -> Option<&'static str> {
        let both = self.refine && self.filter.is_damped();
        both.then_some(
            "--refine mends the residual, which solutions with --damping do not minimise",
        )
    }

    fn others(&self) -> Vec<&Path> {
        let others = [&self.values, &self.residuals];
        others.into_iter().flatten().map(AsRef::as_ref).collect()
    }

    fn unjudged(&self) -> Option<&'static str> {
        self.filter.is_damped().then_some(DAMPED)
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a, b]: [View<'_, T>; 2],
    ) -> Result<Computed, Error> {
        let damped = self.filter.is_damped();
        let wanted = self.values.is_some() || call.check;
        let found = call.timed([a, b], |engine, [a, b], asked| {
            let call = engine.lstsq(a, b).options(asked.options);
            let call = call.singular_values(wanted).refined(self.refine);
            asked
                .with_per_matrix(call, |call, damping| call.damping(damping))
                .run()
        })?;
        let (x, outcomes) = (found.solution.view(), &found.report.outcomes);
        let checked = call.checked(|call| {
            let both = verify::least_squares(a, x, b)?;
            let [left, normal] =
                [0, 1].map(|at| both.iter().map(|both| both[at]).collect::<Vec<_>>());
            let promised = match &found.sigma {
                Some(sigma) if call.verify && !damped => {
                    Some(judge::normal_equations([a, b, x], sigma, outcomes)?)
                }
                _ => None,
            };
            let mut residuals = vec![Residual::new("|B-AX| / |B|", Kind::Left, left)];
            if !damped {
                let normal = Residual::new("|A'(B-AX)| / ..", Kind::Main, normal);
                residuals.push(normal.promised(promised));
            }
            Ok(residuals)
        })?;
        let spreads = found
            .sigma
            .as_ref()
            .map(|sigma| spreads(sigma.view(), outcomes));
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
            residuals: checked.unwrap_or_default(),
            spreads,
            report: found.report,
        })
    }
}

/// The file of the right factor: the transpose of V, or its adjoint.
pub(super) fn right_factor(dtype: Dtype) -> &'static str {
    match dtype.is_complex() {
        true => "vh",
        false => "vt",
    }
}

impl Task<1> for SvdArgs {
    fn op(&self) -> &'static str {
        "svd"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn files(&self, dtype: Dtype) -> Vec<&'static str> {
        vec!["u", "s", right_factor(dtype), "status", "sweeps"]
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn leftovers(&self, dtype: Dtype) -> Vec<&'static str> {
        // Vectors would not belong to these values.
        match self.vectors {
            VectorsArg::None => vec!["u", "vt", "vh"],
            VectorsArg::U => vec!["vt", "vh"],
            VectorsArg::V if dtype.is_complex() => vec!["u", "vt"],
            VectorsArg::V => vec!["u", "vh"],
            _ if dtype.is_complex() => vec!["vt"],
            _ => vec!["vh"],
        }
    }

    fn options(&self, options: Options, most: usize) -> Options {
        match self.rank {
            Some(rank) => options.cutoff(Cutoff::rank(rank.min(most))),
            None => options,
        }
    }

    fn objection(&self) -> Option<&'static str> {
        let full = self.vectors == VectorsArg::Full && self.rank.is_some();
        full.then_some("--rank leaves vectors out, but --vectors full asks for all")
    }

    fn warning(&self) -> Option<String> {
        (self.rank == Some(0)).then(|| "--rank 0 leaves nothing".into())
    }

    fn unjudged(&self) -> Option<&'static str> {
        self.rank
            .map(|_| "what --rank leaves out is left out on purpose")
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let (sigma, vectors, report) = match self.vectors {
            VectorsArg::None => {
                let found = call.timed([a], |engine, [a], asked| {
                    engine.singular_values(a).options(asked.options).run()
                })?;
                (found.sigma, [None, None], found.report)
            }
            VectorsArg::U | VectorsArg::V => {
                let of = match self.vectors {
                    VectorsArg::U => Factor::U,
                    _ => Factor::V,
                };
                let found = call.timed([a], |engine, [a], asked| {
                    engine.singular_vectors(a, of).options(asked.options).run()
                })?;
                let vectors = match of {
                    Factor::U => [Some(found.vectors), None],
                    Factor::V => [None, Some(found.vectors)],
                };
                (found.sigma, vectors, found.report)
            }
            VectorsArg::Thin | VectorsArg::Full => {
                let full = self.vectors == VectorsArg::Full;
                let found = call.timed([a], |engine, [a], asked| {
                    engine.svd(a).full(full).options(asked.options).run()
                })?;
                (found.sigma, [Some(found.u), Some(found.v)], found.report)
            }
        };
        let outcomes = &report.outcomes;
        let spreads = spreads(sigma.view(), outcomes);
        let cut_to_rank = |factor: Option<Batch<T>>| match (factor, self.rank) {
            (Some(factor), Some(rank)) => leading(factor, rank).map(Some),
            (factor, _) => Ok(factor),
        };
        let [u, v] = vectors;
        let (u, v) = (cut_to_rank(u)?, cut_to_rank(v)?);
        let kept = self.rank.unwrap_or(usize::MAX).min(sigma.rows());
        let cut = kept < sigma.rows();
        let kept_sigma = sigma.view().submatrix(0..kept, 0..1)?;
        let checked = call.checked(|_| match (&u, &v) {
            (Some(u), Some(v)) if cut => truncated(a, [u, v], kept_sigma),
            (Some(u), Some(v)) => judge::factors(a, [u.view(), v.view()], kept_sigma),
            (u, v) => {
                let mut residuals = vec![judge::values(a, sigma.view())?];
                if let Some(u) = u {
                    residuals.push(judge::orthogonality("|U'U-I|", tol(&a), u)?);
                }
                if let Some(v) = v {
                    residuals.push(judge::orthogonality("|V'V-I|", tol(&a), v)?);
                }
                Ok(residuals)
            }
        })?;
        let status: Vec<u8> = outcomes.iter().map(|o| o.status.code()).collect();
        let sweeps: Vec<u32> = outcomes.iter().map(|o| o.sweeps).collect();
        let mut outputs = vec![
            Output::vectors(Place::In("s"), kept_sigma.to_batch()?),
            Output::new(Place::In("status"), &[], Data::U8(status)),
            Output::new(Place::In("sweeps"), &[], Data::U32(sweeps)),
        ];
        if let Some(u) = u {
            outputs.push(Output::matrices(Place::In("u"), &u)?);
        }
        if let Some(v) = v {
            outputs.push(Output::adjoints(Place::In(right_factor(T::DTYPE)), v));
        }
        Ok(Computed {
            outputs,
            residuals: checked.unwrap_or_default(),
            spreads: Some(spreads),
            report,
        })
    }
}

/// Of some of the factors, what they leave is no residual; that they are orthonormal is promised as ever.
fn truncated<T: Entry>(
    a: View<'_, T>,
    [u, v]: [&Batch<T>; 2],
    sigma: View<'_, T::Real>,
) -> Result<Vec<Residual>, Error> {
    let mut weighted = u.clone();
    let weights = sigma.to_batch()?;
    let columns = weighted.as_mut_slice().chunks_exact_mut(u.rows().max(1));
    for (column, &sigma) in columns.zip(weights.as_slice()) {
        column
            .iter_mut()
            .for_each(|entry| *entry = entry.times(sigma));
    }
    let left = verify::products(a, &weighted, &adjoint(v)?)?;
    let losses = verify::orthogonality(u)?
        .into_iter()
        .zip(verify::orthogonality(v)?);
    let losses = losses.map(|(u, v)| if v > u || v.is_nan() { v } else { u });
    let within = vec![tol(&a); a.count()];
    Ok(vec![
        Residual::new("|A-USV'| / |A|", Kind::Error, left),
        Residual::new("|U'U-I|, |V'V-I|", Kind::Orthogonality, losses.collect())
            .promised(Some(within)),
    ])
}

impl Task<1> for MeasuresArgs {
    fn op(&self) -> &'static str {
        "measures"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn files(&self, _: Dtype) -> Vec<&'static str> {
        vec![
            "rank",
            "condition",
            "kept_condition",
            "spectral",
            "nuclear",
            "frobenius",
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
            engine.singular_values(a).options(asked.options).run()
        })?;
        let sigma = found.sigma.view();
        let checked = call.checked(|_| Ok(vec![judge::values(a, sigma)?]))?;
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
            residuals: checked.unwrap_or_default(),
            spreads: Some(spreads(sigma, &found.report.outcomes)),
            report: found.report,
        })
    }
}
