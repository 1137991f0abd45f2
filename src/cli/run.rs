//! `batched-svd pinv`, `lstsq`, `svd` and `measures`

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use batched_svd::{Engine, Error, Options, Real, Report, Vectors, View, ViewMut, verify};
use indicatif::{ProgressBar, ProgressStyle};
use npyz::{AutoSerialize, Deserialize, Serialize};

use crate::cli::args::{EngineArgs, LstsqArgs, MeasuresArgs, PinvArgs, SvdArgs};
use crate::cli::failure::Failure;
use crate::cli::npy::{self, AnyStack, Stack};
use crate::cli::summary::{Residuals, Summary};

/// An entry that is both computed with and filed.
pub(crate) trait Entry: Real<Real = Self> + AutoSerialize + Serialize + Deserialize {}
impl<T: Real<Real = T> + AutoSerialize + Serialize + Deserialize> Entry for T {}

/// A command that takes one file of matrices, of either type.
pub(crate) trait OnStack {
    fn input(&self) -> &Path;

    /// What can be seen to fail before anything is read.
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn run<T: Entry>(
        &self,
        engine: &Engine,
        args: &EngineArgs,
        stack: &Stack<T>,
    ) -> Result<(), Failure>;
}

pub(crate) fn on_stack(args: &EngineArgs, command: &impl OnStack) -> Result<(), Failure> {
    command.check()?;
    match npy::read(command.input())? {
        AnyStack::F32(stack) => command.run(&args.engine()?, args, &stack),
        AnyStack::F64(stack) => command.run(&args.engine()?, args, &stack),
    }
}

/// Matrices of the untimed first call, which compiles what the timed one uses.
const WARM_UP: usize = 16;

impl OnStack for PinvArgs {
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
        let (count, m, n) = (stack.count, stack.rows, stack.cols);
        let options = self.filter.add_to(args.options());
        let a = View::row_major(&stack.data, count, m, n)?;
        let mut inverse = zeros::<T>(&[count, n, m])?;
        let (report, seconds) = timed(count, &options, |options, count| {
            let a = a.matrices(0..count)?;
            let place = ViewMut::row_major(&mut inverse[..entries(&[count, n, m])], count, n, m)?;
            engine.pinv_into(a, place, options)
        })?;
        npy::write(&self.output, &shape(stack, &[n, m]), &inverse)?;
        let x = View::row_major(&inverse, count, n, m)?;
        let residuals = match self.filter.damping {
            // Those of a pseudoinverse are not for it.
            Some(_) => Residuals::None,
            None => Residuals::MoorePenrose(columns(&report, &verify::moore_penrose(a, x)?)),
        };
        let summary = Summary::new("pinv", stack, &report, seconds, engine, residuals);
        summary.print(args.json, &self.input, &self.output)
    }
}

pub(crate) fn lstsq(args: &EngineArgs, lstsq: &LstsqArgs) -> Result<(), Failure> {
    npy::check_folder(&lstsq.output)?;
    match npy::read(&lstsq.input)? {
        AnyStack::F32(stack) => match npy::read_sides(&lstsq.sides, &stack.leading)? {
            AnyStack::F32(sides) => lstsq_of(&args.engine()?, args, lstsq, &stack, &sides),
            AnyStack::F64(_) => Err(types_differ(lstsq, "f64", "f32")),
        },
        AnyStack::F64(stack) => match npy::read_sides(&lstsq.sides, &stack.leading)? {
            AnyStack::F64(sides) => lstsq_of(&args.engine()?, args, lstsq, &stack, &sides),
            AnyStack::F32(_) => Err(types_differ(lstsq, "f32", "f64")),
        },
    }
}

fn types_differ(lstsq: &LstsqArgs, sides: &str, matrices: &str) -> Failure {
    let text = format!("holds {sides}, but the matrices are {matrices}");
    Failure::file(&lstsq.sides, text)
}

fn lstsq_of<T: Entry>(
    engine: &Engine,
    args: &EngineArgs,
    lstsq: &LstsqArgs,
    stack: &Stack<T>,
    sides: &Stack<T>,
) -> Result<(), Failure> {
    let (count, m, n, p) = (stack.count, stack.rows, stack.cols, sides.cols);
    if sides.rows != m {
        let rows = sides.rows;
        let text = format!("has right-hand sides of {rows} rows, but the matrices have {m}");
        return Err(Failure::file(&lstsq.sides, text));
    }
    let options = lstsq.filter.add_to(args.options());
    let a = View::row_major(&stack.data, count, m, n)?;
    let b = View::row_major(&sides.data, count, m, p)?;
    let mut solution = zeros::<T>(&[count, n, p])?;
    let (report, seconds) = timed(count, &options, |options, count| {
        let (a, b) = (a.matrices(0..count)?, b.matrices(0..count)?);
        let place = ViewMut::row_major(&mut solution[..entries(&[count, n, p])], count, n, p)?;
        engine.lstsq_into(a, b, place, options)
    })?;
    let own = [n, p];
    let own = if sides.vectors { &own[..1] } else { &own };
    npy::write(&lstsq.output, &shape(stack, own), &solution)?;
    let x = View::row_major(&solution, count, n, p)?;
    let [left, normal] = columns(&report, &verify::least_squares(a, x, b)?);
    let residuals = Residuals::LeastSquares {
        left,
        normal: lstsq.filter.damping.is_none().then_some(normal),
    };
    let summary = Summary::new("lstsq", stack, &report, seconds, engine, residuals);
    summary.print(args.json, &lstsq.input, &lstsq.output)
}

impl OnStack for SvdArgs {
    fn input(&self) -> &Path {
        &self.input
    }

    fn run<T: Entry>(
        &self,
        engine: &Engine,
        args: &EngineArgs,
        stack: &Stack<T>,
    ) -> Result<(), Failure> {
        let (count, m, n) = (stack.count, stack.rows, stack.cols);
        let k = m.min(n);
        let vectors = Vectors::from(self.vectors);
        let (u_cols, v_cols) = match vectors {
            Vectors::Full => (m, n),
            _ => (k, k),
        };
        let wanted = vectors != Vectors::None;
        let a = View::row_major(&stack.data, count, m, n)?;
        let mut u = zeros::<T>(&[count, m, if wanted { u_cols } else { 0 }])?;
        let mut s = zeros::<T>(&[count, k])?;
        let mut vt = zeros::<T>(&[count, if wanted { v_cols } else { 0 }, n])?;
        std::fs::create_dir_all(&self.output).map_err(|e| Failure::file(&self.output, e))?;
        let (report, seconds) = timed(count, &args.options(), |options, count| {
            let a = a.matrices(0..count)?;
            let sigma = ViewMut::col_major(&mut s[..entries(&[count, k])], count, k, 1)?;
            let (mut u_place, mut v_place) = (None, None);
            if wanted {
                let (u, vt) = (
                    &mut u[..entries(&[count, m, u_cols])],
                    &mut vt[..entries(&[count, v_cols, n])],
                );
                u_place = Some(ViewMut::row_major(u, count, m, u_cols)?);
                v_place = Some(ViewMut::row_major(vt, count, v_cols, n)?.transpose());
            }
            engine.svd_into(a, u_place, sigma, v_place, options)
        })?;
        let file = |name: &str| self.output.join(name);
        npy::write(&file("s.npy"), &shape(stack, &[k]), &s)?;
        let sigma = View::col_major(&s, count, k, 1)?;
        let residuals = if wanted {
            npy::write(&file("u.npy"), &shape(stack, &[m, u_cols]), &u)?;
            npy::write(&file("vt.npy"), &shape(stack, &[v_cols, n]), &vt)?;
            let u = View::row_major(&u, count, m, u_cols)?;
            let v = View::row_major(&vt, count, v_cols, n)?.transpose();
            let reconstruction = verify::reconstruction(a, u, sigma, v)?;
            let orthogonality: Vec<_> = verify::orthogonality(u)?
                .into_iter()
                .zip(verify::orthogonality(v)?)
                .map(|(u, v)| [if v > u || v.is_nan() { v } else { u }])
                .collect();
            let [reconstruction] = columns(&report, &single(reconstruction));
            let [orthogonality] = columns(&report, &orthogonality);
            Residuals::Factors {
                reconstruction,
                orthogonality,
            }
        } else {
            // Vectors of an earlier run would not belong to these values.
            for name in ["u.npy", "vt.npy"] {
                let _ = std::fs::remove_file(file(name));
            }
            let [norm] = columns(&report, &single(verify::norms(a, sigma)?));
            Residuals::Values { norm }
        };
        let status: Vec<u8> = report.outcomes.iter().map(|o| o.status.code()).collect();
        let sweeps: Vec<u32> = report.outcomes.iter().map(|o| o.sweeps).collect();
        npy::write(&file("status.npy"), &stack.leading, &status)?;
        npy::write(&file("sweeps.npy"), &stack.leading, &sweeps)?;
        let summary = Summary::new("svd", stack, &report, seconds, engine, residuals);
        summary.print(args.json, &self.input, &self.output)
    }
}

impl OnStack for MeasuresArgs {
    fn input(&self) -> &Path {
        &self.input
    }

    fn run<T: Entry>(
        &self,
        engine: &Engine,
        args: &EngineArgs,
        stack: &Stack<T>,
    ) -> Result<(), Failure> {
        let (count, m, n) = (stack.count, stack.rows, stack.cols);
        let options = self.cutoff.add_to(args.options());
        let a = View::row_major(&stack.data, count, m, n)?;
        std::fs::create_dir_all(&self.output).map_err(|e| Failure::file(&self.output, e))?;
        let (svd, seconds) = timed(count, &options, |options, count| {
            engine.svd(a.matrices(0..count)?, Vectors::None, options)
        })?;
        let report = &svd.report;
        let file = |name: &str| self.output.join(name);
        for (name, values) in [
            ("condition.npy", svd.conditions()),
            ("kept_condition.npy", svd.kept_conditions()),
            ("spectral.npy", svd.spectral_norms()),
            ("nuclear.npy", svd.nuclear_norms()),
            ("frobenius.npy", svd.frobenius_norms()),
        ] {
            npy::write(&file(name), &stack.leading, &values)?;
        }
        let ranks: Vec<u32> = report.outcomes.iter().map(|o| o.rank).collect();
        npy::write(&file("rank.npy"), &stack.leading, &ranks)?;
        let [norm] = columns(report, &single(verify::norms(a, &svd.sigma)?));
        let residuals = Residuals::Values { norm };
        let summary = Summary::new("measures", stack, report, seconds, engine, residuals);
        summary.print(args.json, &self.input, &self.output)
    }
}

/// Calls once on a few matrices, to compile and to warm up, then on all, timed, with a progress
/// bar if it takes long and somebody watches.
pub(super) fn timed<R>(
    count: usize,
    options: &Options,
    mut call: impl FnMut(&Options, usize) -> Result<R, Error>,
) -> Result<(R, Duration), Error> {
    call(&options.clone().strict(false), count.min(WARM_UP))?;
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} matrices, {eta} left") {
        bar.set_style(style);
    }
    let (watched, start) = (bar.clone(), Instant::now());
    let options = options.clone().progress(Arc::new(move |done, _| {
        if start.elapsed() > Duration::from_secs(1) {
            watched.set_position(done as u64);
        }
    }));
    let result = call(&options, count);
    let seconds = start.elapsed();
    bar.finish_and_clear();
    Ok((result?, seconds))
}

fn zeros<T: Entry>(shape: &[usize]) -> Result<Vec<T>, Error> {
    let &[count, ref rest @ ..] = shape else {
        return Ok(Vec::new());
    };
    let rows = rest.first().copied().unwrap_or(1);
    let cols = rest.get(1).copied().unwrap_or(1);
    Ok(batched_svd::Batch::zeros(count, rows, cols)?.into_vec())
}

/// The product of dimensions of something that was allocated, so that it fits unless it is zero.
fn entries(shape: &[usize]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().product()
}

/// The shape of a result: the input's leading dimensions and its own.
pub(super) fn shape<T>(stack: &Stack<T>, own: &[usize]) -> Vec<u64> {
    let own = own.iter().map(|&n| n as u64);
    stack.leading.iter().copied().chain(own).collect()
}

pub(super) fn single(values: Vec<f64>) -> Vec<[f64; 1]> {
    values.into_iter().map(|value| [value]).collect()
}

/// The worst of each kind of residual over all matrices that have a result.
pub(super) fn columns<const N: usize>(report: &Report, residuals: &[[f64; N]]) -> [f64; N] {
    std::array::from_fn(|kind| verify::worst(report, residuals.iter().map(|r| &r[kind..=kind])))
}
