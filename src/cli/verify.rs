//! `batched-svd verify`

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use batched_svd::{Complex, Dtype, Status};

use crate::cli::args::VerifyArgs;
use crate::cli::engine_args::EngineArgs;
use crate::cli::entry::Entry;
use crate::cli::failure::Failure;
use crate::cli::judge::{self, Promised, Residual, joined};
use crate::cli::npy::{self, Form, Shape, Source, Stack};
use crate::cli::plan::in_folder;
use crate::cli::progress::{Phase, Progress, Total};
use crate::cli::streams::Ear;
use crate::cli::summary::Summary;

/// Residuals of results from anywhere, beside what this library promises of its own. No engine is at work.
pub(crate) fn run(args: &EngineArgs, task: &VerifyArgs) -> Result<(), Failure> {
    let results: Vec<PathBuf> = match (&task.inverse, &task.factors) {
        (Some(path), _) => vec![path.clone()],
        (_, Some(folder)) => vec![folder.clone()],
        _ => {
            let text = "nothing to verify: --inverse X.npy has pseudoinverses, --factors DIR has u.npy, s.npy and vt.npy (vh.npy of complex matrices)";
            return Err(Failure::Usage(text.into()));
        }
    };
    if npy::is_stdin(&task.input) && results.iter().any(|path| npy::is_stdin(path)) {
        return Err(Failure::Usage(
            "standard input can be one of the inputs, but not two".into(),
        ));
    }
    let mut progress = Progress::new();
    progress.enter(Phase::Reading, Total::SomeBytes);
    let counter = progress.counter();
    let tick = move |bytes| {
        counter.fetch_add(bytes, Ordering::Relaxed);
    };
    let source = Source::open(&task.input, &tick)?;
    let zipped = source.zipped();
    let results: Vec<PathBuf> = match (&task.inverse, &task.factors) {
        (None, Some(folder)) => {
            let right = right_of(folder, source.dtype(), zipped)?;
            let names = ["s", "u", right];
            names.map(|name| in_folder(folder, name, zipped)).into()
        }
        _ => results,
    };
    let open = |path| Source::open(path, &tick);
    let results = results
        .iter()
        .map(|path| open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let dtype = match task.dtype {
        Some(precision) => {
            let all = results.iter().chain([&source]).map(Source::dtype);
            npy::in_precision(precision.into(), npy::common(all).is_complex())
        }
        None => common_type(&source, &results)?,
    };
    match dtype {
        Dtype::F32 => run_in::<f32>(args, task, source, results, progress),
        Dtype::C32 => run_in::<Complex<f32>>(args, task, source, results, progress),
        Dtype::C64 => run_in::<Complex<f64>>(args, task, source, results, progress),
        _ => run_in::<f64>(args, task, source, results, progress),
    }
}

/// The file of the right factor; that of real ones may have either name.
fn right_of(folder: &Path, dtype: Dtype, zipped: bool) -> Result<&'static str, Failure> {
    let there = |name| in_folder(folder, name, zipped).exists();
    if dtype.is_complex() && there("vt") && !there("vh") {
        let text = "the matrices are complex, and have the adjoint of V in vh, not the transpose";
        return Err(Failure::file(&in_folder(folder, "vt", zipped), text));
    }
    Ok(match dtype.is_complex() || (there("vh") && !there("vt")) {
        true => "vh",
        false => "vt",
    })
}

/// The type of the matrices, or of the results where it is wider: results in fewer digits are not as good as those of
/// the matrices' own type, and not promised to be.
fn common_type(matrices: &Source<'_>, results: &[Source<'_>]) -> Result<Dtype, Failure> {
    let own = matrices.dtype();
    let wide = own.real() == Dtype::F64;
    let narrow = |result: &&Source<'_>| wide && result.dtype().real() == Dtype::F32;
    if let Some(result) = results.iter().find(narrow) {
        let text = format!(
            "holds {}, but the matrices are {own}: --dtype f32 judges them in {}",
            result.dtype(),
            npy::in_precision(Dtype::F32, own.is_complex())
        );
        return Err(Failure::file(npy::name_of(result.path()), text));
    }
    let all = results.iter().map(Source::dtype).chain([own]);
    Ok(npy::common(all))
}

fn run_in<T: Entry>(
    args: &EngineArgs,
    task: &VerifyArgs,
    source: Source<'_>,
    results: Vec<Source<'_>>,
    mut progress: Progress,
) -> Result<(), Failure> {
    let zipped = source.zipped();
    let stacks = source.read::<T>()?;
    let residuals = match task.inverse {
        Some(_) => inverses(&stacks, results, zipped, &mut progress)?,
        None => factors(&stacks, results, zipped, &mut progress)?,
    };
    progress.leave();
    let summary = Summary {
        op: "verify",
        input: npy::name_of(&task.input),
        zipped,
        dtype: T::DTYPE,
        shapes: stacks.iter().map(|stack| &stack.shape).collect(),
        sides: None,
        run: None,
        statuses: stacks.iter().flat_map(statuses).collect(),
        residuals: joined(residuals),
        checked: true,
        verify: true,
        unjudged: None,
        warnings: Vec::new(),
    };
    summary.tell(Ear::Stdout, args.json)
}

/// Nothing is promised of matrices that are not finite.
fn statuses<T: Entry>(stack: &Stack<T>) -> Vec<Status> {
    let size = stack.shape.rows.saturating_mul(stack.shape.cols);
    let status = |b: usize| {
        let entries = stack.data.iter().skip(b.saturating_mul(size)).take(size);
        match entries.clone().all(|x| x.is_number()) {
            true => Status::Converged,
            false => Status::NonFinite,
        }
    };
    (0..stack.shape.count).map(status).collect()
}

/// The shape of a stack with these dimensions behind.
fn behind(shape: &Shape, own: [usize; 2]) -> Vec<u64> {
    let own = own.map(|n| n as u64);
    shape.leading.iter().copied().chain(own).collect()
}

fn inverses<T: Entry>(
    stacks: &[Stack<T>],
    results: Vec<Source<'_>>,
    zipped: bool,
    progress: &mut Progress,
) -> Result<Vec<Vec<Residual>>, Failure> {
    let form = |of: &Shape| Form::OneOf(vec![behind(of, [of.cols, of.rows])]);
    let shapes: Vec<&Shape> = stacks.iter().map(|stack| &stack.shape).collect();
    let mut inverses = Vec::new();
    for source in results {
        inverses = source.read_beside::<T>(&shapes, zipped, form)?;
    }
    progress.enter(Phase::Checking, Total::Unknown);
    let each = |(a, x): (&Stack<T>, &Stack<T>)| {
        let (a, x) = (a.view()?, x.view()?);
        Ok(judge::inverses(a, x, Promised::ByDefault)?.0)
    };
    stacks.iter().zip(&inverses).map(each).collect()
}

fn factors<T: Entry>(
    stacks: &[Stack<T>],
    results: Vec<Source<'_>>,
    zipped: bool,
    progress: &mut Progress,
) -> Result<Vec<Vec<Residual>>, Failure> {
    let full = |of: &Shape| of.rows.min(of.cols);
    let values = |of: &Shape| {
        let values = [full(of) as u64];
        Form::Vectors(of.leading.iter().copied().chain(values).collect())
    };
    let left = |of: &Shape| {
        let thin = behind(of, [of.rows, full(of)]);
        Form::OneOf(vec![thin, behind(of, [of.rows, of.rows])])
    };
    let right = |of: &Shape| {
        let thin = behind(of, [full(of), of.cols]);
        Form::OneOf(vec![thin, behind(of, [of.cols, of.cols])])
    };
    let shapes: Vec<&Shape> = stacks.iter().map(|stack| &stack.shape).collect();
    let Ok([s, u, vt]) = <[Source<'_>; 3]>::try_from(results) else {
        return Err(Failure::Usage("factors are u, s and vt".into()));
    };
    let s = s.read_beside::<T::Real>(&shapes, zipped, values)?;
    let u = u.read_beside::<T>(&shapes, zipped, left)?;
    let mut vt = vt.read_beside::<T>(&shapes, zipped, right)?;
    // Files have the adjoint of V: conjugated, it is the transpose.
    for entry in vt.iter_mut().flat_map(|stack| &mut stack.data) {
        *entry = entry.conjugate();
    }
    progress.enter(Phase::Checking, Total::Unknown);
    let mut residuals = Vec::with_capacity(stacks.len());
    for (at, a) in stacks.iter().enumerate() {
        let (u, s, vt) = (u[at].view()?, s[at].view()?, vt[at].view()?);
        let mut found = judge::factors_from_elsewhere(a.view()?, [u, vt.transpose()], s)?;
        found.push(judge::order(s));
        residuals.push(found);
    }
    Ok(residuals)
}
