//! `batched-svd low-rank`, `projector`, `basis`, `polar`, `pca` and `whiten`

use std::path::Path;

use batched_svd::{Batch, Determinant, Engine, Error, Real, Report, View, verify};

use crate::cli::args::{
    BasisArgs, EngineArgs, LowRankArgs, PcaArgs, PolarArgs, ProjectorArgs, WhitenArgs,
};
use crate::cli::failure::Failure;
use crate::cli::npy::{self, Stack};
use crate::cli::run::{Entry, OnStack, columns, shape, single, timed};
use crate::cli::summary::{Residuals, Summary};

impl OnStack for LowRankArgs {
    fn input(&self) -> &Path {
        &self.input
    }

    fn check(&self) -> Result<(), Failure> {
        npy::check_folder(&self.output)
    }

    fn run<T: Entry>(
        &self,
        engine: &Engine,
        args: &EngineArgs,
        stack: &Stack<T>,
    ) -> Result<(), Failure> {
        let (a, options) = (view(stack)?, self.cutoff.add_to(args.options()));
        let (found, seconds) = timed(stack.count, &options, |options, count| {
            engine.low_rank(a.matrices(0..count)?, options)
        })?;
        let own = [stack.rows, stack.cols];
        npy::write(
            &self.output,
            &shape(stack, &own),
            &by_rows(&found.approximation)?,
        )?;
        let distances = verify::distances(a, &found.approximation)?;
        let residuals = Residuals::Error(worst(&found.report, distances));
        let summary = Summary::new("low-rank", stack, &found.report, seconds, engine, residuals);
        summary.print(args.json, &self.input, &self.output)
    }
}

impl OnStack for ProjectorArgs {
    fn input(&self) -> &Path {
        &self.input
    }

    fn check(&self) -> Result<(), Failure> {
        npy::check_folder(&self.output)
    }

    fn run<T: Entry>(
        &self,
        engine: &Engine,
        args: &EngineArgs,
        stack: &Stack<T>,
    ) -> Result<(), Failure> {
        let (a, options) = (view(stack)?, self.cutoff.add_to(args.options()));
        let (found, seconds) = timed(stack.count, &options, |options, count| {
            engine.projector(a.matrices(0..count)?, self.onto.into(), options)
        })?;
        let p = &found.projector;
        let own = [p.rows(), p.cols()];
        npy::write(&self.output, &shape(stack, &own), &by_rows(p)?)?;
        let residuals = Residuals::Projector(worst(&found.report, verify::idempotence(p)?));
        let summary = Summary::new(
            "projector",
            stack,
            &found.report,
            seconds,
            engine,
            residuals,
        );
        summary.print(args.json, &self.input, &self.output)
    }
}

impl OnStack for BasisArgs {
    fn input(&self) -> &Path {
        &self.input
    }

    fn run<T: Entry>(
        &self,
        engine: &Engine,
        args: &EngineArgs,
        stack: &Stack<T>,
    ) -> Result<(), Failure> {
        let (a, options) = (view(stack)?, self.cutoff.add_to(args.options()));
        std::fs::create_dir_all(&self.output).map_err(|e| Failure::file(&self.output, e))?;
        let (found, seconds) = timed(stack.count, &options, |options, count| {
            engine.basis(a.matrices(0..count)?, self.of.into(), options)
        })?;
        let q = &found.vectors;
        let own = [q.rows(), q.cols()];
        let file = |name: &str| self.output.join(name);
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
        summary.print(args.json, &self.input, &self.output)
    }
}

impl OnStack for PolarArgs {
    fn input(&self) -> &Path {
        &self.input
    }

    fn run<T: Entry>(
        &self,
        engine: &Engine,
        args: &EngineArgs,
        stack: &Stack<T>,
    ) -> Result<(), Failure> {
        let (a, options) = (view(stack)?, args.options());
        let determinant = match self.rotation {
            true => Determinant::Positive,
            false => Determinant::Any,
        };
        std::fs::create_dir_all(&self.output).map_err(|e| Failure::file(&self.output, e))?;
        let (found, seconds) = timed(stack.count, &options, |options, count| {
            engine.polar(a.matrices(0..count)?, determinant, options)
        })?;
        let (q, h) = (&found.orthogonal, &found.stretch);
        for (name, batch) in [("q.npy", q), ("h.npy", h)] {
            let own = [batch.rows(), batch.cols()];
            npy::write(
                &self.output.join(name),
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
        summary.print(args.json, &self.input, &self.output)
    }
}

impl OnStack for PcaArgs {
    fn input(&self) -> &Path {
        &self.input
    }

    fn run<T: Entry>(
        &self,
        engine: &Engine,
        args: &EngineArgs,
        stack: &Stack<T>,
    ) -> Result<(), Failure> {
        let (a, options) = (view(stack)?, self.cutoff.add_to(args.options()));
        std::fs::create_dir_all(&self.output).map_err(|e| Failure::file(&self.output, e))?;
        let (found, seconds) = timed(stack.count, &options, |options, count| {
            engine.principal_components(a.matrices(0..count)?, options)
        })?;
        let file = |name: &str| self.output.join(name);
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
        summary.print(args.json, &self.input, &self.output)
    }
}

impl OnStack for WhitenArgs {
    fn input(&self) -> &Path {
        &self.input
    }

    fn run<T: Entry>(
        &self,
        engine: &Engine,
        args: &EngineArgs,
        stack: &Stack<T>,
    ) -> Result<(), Failure> {
        let (a, options) = (view(stack)?, self.filter.add_to(args.options()));
        std::fs::create_dir_all(&self.output).map_err(|e| Failure::file(&self.output, e))?;
        let (found, seconds) = timed(stack.count, &options, |options, count| {
            engine.whitening(a.matrices(0..count)?, options)
        })?;
        let (mean, transform) = (&found.mean, &found.transform);
        let file = |name: &str| self.output.join(name);
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
        summary.print(args.json, &self.input, &self.output)
    }
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
