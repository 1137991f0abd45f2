//! `batched-svd low-rank`, `projector`, `basis`, `polar`, `pca` and `whiten`

use batched_svd::{Batch, Determinant, Engine, Error, Real, Report, View, verify};

use crate::cli::args::{
    BasisArgs, EngineArgs, LowRankArgs, PcaArgs, PolarArgs, ProjectorArgs, WhitenArgs,
};
use crate::cli::failure::Failure;
use crate::cli::npy::{self, AnyStack, Stack};
use crate::cli::run::{Entry, columns, shape, single, timed};
use crate::cli::summary::{Residuals, Summary};

pub(crate) fn low_rank(args: &EngineArgs, low_rank: &LowRankArgs) -> Result<(), Failure> {
    npy::check_folder(&low_rank.output)?;
    match npy::read(&low_rank.input)? {
        AnyStack::F32(stack) => low_rank_of(&args.engine()?, args, low_rank, &stack),
        AnyStack::F64(stack) => low_rank_of(&args.engine()?, args, low_rank, &stack),
    }
}

fn low_rank_of<T: Entry>(
    engine: &Engine,
    args: &EngineArgs,
    low_rank: &LowRankArgs,
    stack: &Stack<T>,
) -> Result<(), Failure> {
    let (a, options) = (view(stack)?, low_rank.cutoff.add_to(args.options()));
    let (found, seconds) = timed(stack.count, &options, |options, count| {
        engine.low_rank(a.matrices(0..count)?, options)
    })?;
    let own = [stack.rows, stack.cols];
    npy::write(
        &low_rank.output,
        &shape(stack, &own),
        &by_rows(&found.approximation)?,
    )?;
    let distances = verify::distances(a, &found.approximation)?;
    let residuals = Residuals::Error(worst(&found.report, distances));
    let summary = Summary::new("low-rank", stack, &found.report, seconds, engine, residuals);
    summary.print(args.json, &low_rank.input, &low_rank.output)
}

pub(crate) fn projector(args: &EngineArgs, projector: &ProjectorArgs) -> Result<(), Failure> {
    npy::check_folder(&projector.output)?;
    match npy::read(&projector.input)? {
        AnyStack::F32(stack) => projector_of(&args.engine()?, args, projector, &stack),
        AnyStack::F64(stack) => projector_of(&args.engine()?, args, projector, &stack),
    }
}

fn projector_of<T: Entry>(
    engine: &Engine,
    args: &EngineArgs,
    projector: &ProjectorArgs,
    stack: &Stack<T>,
) -> Result<(), Failure> {
    let (a, options) = (view(stack)?, projector.cutoff.add_to(args.options()));
    let (found, seconds) = timed(stack.count, &options, |options, count| {
        engine.projector(a.matrices(0..count)?, projector.onto.into(), options)
    })?;
    let p = &found.projector;
    let own = [p.rows(), p.cols()];
    npy::write(&projector.output, &shape(stack, &own), &by_rows(p)?)?;
    let residuals = Residuals::Projector(worst(&found.report, verify::idempotence(p)?));
    let summary = Summary::new(
        "projector",
        stack,
        &found.report,
        seconds,
        engine,
        residuals,
    );
    summary.print(args.json, &projector.input, &projector.output)
}

pub(crate) fn basis(args: &EngineArgs, basis: &BasisArgs) -> Result<(), Failure> {
    match npy::read(&basis.input)? {
        AnyStack::F32(stack) => basis_of(&args.engine()?, args, basis, &stack),
        AnyStack::F64(stack) => basis_of(&args.engine()?, args, basis, &stack),
    }
}

fn basis_of<T: Entry>(
    engine: &Engine,
    args: &EngineArgs,
    basis: &BasisArgs,
    stack: &Stack<T>,
) -> Result<(), Failure> {
    let (a, options) = (view(stack)?, basis.cutoff.add_to(args.options()));
    std::fs::create_dir_all(&basis.output).map_err(|e| Failure::file(&basis.output, e))?;
    let (found, seconds) = timed(stack.count, &options, |options, count| {
        engine.basis(a.matrices(0..count)?, basis.of.into(), options)
    })?;
    let q = &found.vectors;
    let own = [q.rows(), q.cols()];
    let file = |name: &str| basis.output.join(name);
    npy::write(&file("vectors.npy"), &shape(stack, &own), &by_rows(q)?)?;
    let dimensions: Vec<u64> = found.dimensions.iter().map(|&d| d as u64).collect();
    npy::write(&file("dimensions.npy"), &stack.leading, &dimensions)?;
    // Of the vectors that are there: of matrices with equally many at a time.
    let mut losses = Vec::with_capacity(stack.count);
    for run in found.dimensions.chunk_by(|one, next| one == next) {
        let some = q.view().matrices(losses.len()..losses.len() + run.len())?;
        let there = some.submatrix(0..q.rows(), 0..run[0])?;
        losses.extend(verify::orthogonality(there)?);
    }
    let residuals = Residuals::Basis(worst(&found.report, losses));
    let summary = Summary::new("basis", stack, &found.report, seconds, engine, residuals);
    summary.print(args.json, &basis.input, &basis.output)
}

pub(crate) fn polar(args: &EngineArgs, polar: &PolarArgs) -> Result<(), Failure> {
    match npy::read(&polar.input)? {
        AnyStack::F32(stack) => polar_of(&args.engine()?, args, polar, &stack),
        AnyStack::F64(stack) => polar_of(&args.engine()?, args, polar, &stack),
    }
}

fn polar_of<T: Entry>(
    engine: &Engine,
    args: &EngineArgs,
    polar: &PolarArgs,
    stack: &Stack<T>,
) -> Result<(), Failure> {
    let (a, options) = (view(stack)?, args.options());
    let determinant = match polar.rotation {
        true => Determinant::Positive,
        false => Determinant::Any,
    };
    std::fs::create_dir_all(&polar.output).map_err(|e| Failure::file(&polar.output, e))?;
    let (found, seconds) = timed(stack.count, &options, |options, count| {
        engine.polar(a.matrices(0..count)?, determinant, options)
    })?;
    let (q, h) = (&found.orthogonal, &found.stretch);
    for (name, batch) in [("q.npy", q), ("h.npy", h)] {
        let own = [batch.rows(), batch.cols()];
        npy::write(
            &polar.output.join(name),
            &shape(stack, &own),
            &by_rows(batch)?,
        )?;
    }
    let loss = match stack.rows < stack.cols {
        true => verify::orthogonality(q.view().transpose())?,
        false => verify::orthogonality(q)?,
    };
    let residuals = Residuals::Polar {
        reconstruction: worst(&found.report, verify::products(a, q, h)?),
        orthogonality: worst(&found.report, loss),
    };
    let summary = Summary::new("polar", stack, &found.report, seconds, engine, residuals);
    summary.print(args.json, &polar.input, &polar.output)
}

pub(crate) fn pca(args: &EngineArgs, pca: &PcaArgs) -> Result<(), Failure> {
    match npy::read(&pca.input)? {
        AnyStack::F32(stack) => pca_of(&args.engine()?, args, pca, &stack),
        AnyStack::F64(stack) => pca_of(&args.engine()?, args, pca, &stack),
    }
}

fn pca_of<T: Entry>(
    engine: &Engine,
    args: &EngineArgs,
    pca: &PcaArgs,
    stack: &Stack<T>,
) -> Result<(), Failure> {
    let (a, options) = (view(stack)?, pca.cutoff.add_to(args.options()));
    std::fs::create_dir_all(&pca.output).map_err(|e| Failure::file(&pca.output, e))?;
    let (found, seconds) = timed(stack.count, &options, |options, count| {
        engine.principal_components(a.matrices(0..count)?, options)
    })?;
    let file = |name: &str| pca.output.join(name);
    for (name, batch) in [
        ("mean.npy", &found.mean),
        ("deviations.npy", &found.deviations),
    ] {
        npy::write(
            &file(name),
            &shape(stack, &[batch.rows()]),
            batch.as_slice(),
        )?;
    }
    for (name, batch) in [
        ("components.npy", &found.components),
        ("scores.npy", &found.scores),
    ] {
        let own = [batch.rows(), batch.cols()];
        npy::write(&file(name), &shape(stack, &own), &by_rows(batch)?)?;
    }
    let loss = verify::orthogonality(&found.components)?;
    let residuals = Residuals::Basis(worst(&found.report, loss));
    let summary = Summary::new("pca", stack, &found.report, seconds, engine, residuals);
    summary.print(args.json, &pca.input, &pca.output)
}

pub(crate) fn whiten(args: &EngineArgs, whiten: &WhitenArgs) -> Result<(), Failure> {
    match npy::read(&whiten.input)? {
        AnyStack::F32(stack) => whiten_of(&args.engine()?, args, whiten, &stack),
        AnyStack::F64(stack) => whiten_of(&args.engine()?, args, whiten, &stack),
    }
}

fn whiten_of<T: Entry>(
    engine: &Engine,
    args: &EngineArgs,
    whiten: &WhitenArgs,
    stack: &Stack<T>,
) -> Result<(), Failure> {
    let (a, options) = (view(stack)?, whiten.filter.add_to(args.options()));
    std::fs::create_dir_all(&whiten.output).map_err(|e| Failure::file(&whiten.output, e))?;
    let (found, seconds) = timed(stack.count, &options, |options, count| {
        engine.whitening(a.matrices(0..count)?, options)
    })?;
    let (mean, transform) = (&found.mean, &found.transform);
    let file = |name: &str| whiten.output.join(name);
    npy::write(
        &file("mean.npy"),
        &shape(stack, &[stack.cols]),
        mean.as_slice(),
    )?;
    let own = [stack.cols, stack.cols];
    npy::write(
        &file("transform.npy"),
        &shape(stack, &own),
        &by_rows(transform)?,
    )?;
    let summary = Summary::new(
        "whiten",
        stack,
        &found.report,
        seconds,
        engine,
        Residuals::None,
    );
    summary.print(args.json, &whiten.input, &whiten.output)
}

fn view<T: Entry>(stack: &Stack<T>) -> Result<View<'_, T>, Error> {
    View::row_major(&stack.data, stack.count, stack.rows, stack.cols)
}

fn worst(report: &Report, residuals: Vec<f64>) -> f64 {
    let [worst] = columns(report, &single(residuals));
    worst
}

/// The entries of every matrix row by row, as files have them.
fn by_rows<T: Real>(batch: &Batch<T>) -> Result<Vec<T>, Error> {
    Ok(batch.view().transpose().to_batch()?.into_vec())
}
