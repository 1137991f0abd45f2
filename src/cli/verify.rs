//! `batched-svd verify`

use std::path::Path;

use batched_svd::{Dtype, Error, Status, verify};

use crate::cli::args::{EngineArgs, VerifyArgs};
use crate::cli::failure::Failure;
use crate::cli::judge::{self, Residual, joined};
use crate::cli::npy::{self, Entry, Form, Shape, Stack};
use crate::cli::run::in_folder;
use crate::cli::summary::Summary;

/// Residuals of results from anywhere, beside what this library promises of its own. No engine is at work.
pub(crate) fn run(args: &EngineArgs, task: &VerifyArgs) -> Result<(), Failure> {
    let (dtype, zipped) = npy::look(&task.input)?;
    match dtype {
        Dtype::F32 => run_in::<f32>(args, task, zipped),
        _ => run_in::<f64>(args, task, zipped),
    }
}

fn run_in<T: Entry>(args: &EngineArgs, task: &VerifyArgs, zipped: bool) -> Result<(), Failure> {
    let stacks = npy::read::<T>(&task.input)?;
    let residuals = match (&task.inverse, &task.factors) {
        (Some(path), _) => inverses(&stacks, path, zipped)?,
        (_, Some(folder)) => factors(&stacks, folder, zipped)?,
        // The arguments are not taken without.
        _ => return Err(Error::Argument("--inverse or --factors is needed".into()).into()),
    };
    let summary = Summary {
        op: "verify",
        input: &task.input,
        zipped,
        dtype: T::DTYPE,
        shapes: stacks.iter().map(|stack| &stack.shape).collect(),
        run: None,
        statuses: stacks.iter().flat_map(statuses).collect(),
        residuals: joined(residuals),
        verify: true,
        unjudged: None,
    };
    summary.tell(args.json)
}

/// Nothing is promised of matrices that are not finite.
fn statuses<T: Entry>(stack: &Stack<T>) -> Vec<Status> {
    let size = stack.shape.rows.saturating_mul(stack.shape.cols);
    let status = |b: usize| {
        let entries = stack.data.iter().skip(b.saturating_mul(size)).take(size);
        match entries.clone().all(|x| x.f64().is_finite()) {
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
    path: &Path,
    zipped: bool,
) -> Result<Vec<Vec<Residual>>, Failure> {
    let form = |of: &Shape| Form::OneOf(vec![behind(of, [of.cols, of.rows])]);
    let inverses = npy::read_beside(path, stacks, zipped, form)?;
    let each = |(a, x): (&Stack<T>, &Stack<T>)| {
        let (a, x) = (a.view()?, x.view()?);
        // The default cutoff leaves out that much.
        let full = a.rows().min(a.cols()) as f64;
        let eps = 2.0 * T::DTYPE.unit_roundoff();
        let cut = eps * a.rows().max(a.cols()) as f64 * full.sqrt();
        let promised = judge::conditions(a, x, &vec![cut; a.count()])?;
        let four = verify::moore_penrose(a, x)?;
        Ok(judge::moore_penrose(&four, Some(promised)))
    };
    stacks.iter().zip(&inverses).map(each).collect()
}

fn factors<T: Entry>(
    stacks: &[Stack<T>],
    folder: &Path,
    zipped: bool,
) -> Result<Vec<Vec<Residual>>, Failure> {
    let read = |name: &str, form: &dyn Fn(&Shape) -> Form| {
        npy::read_beside(&in_folder(folder, name, zipped), stacks, zipped, form)
    };
    let full = |of: &Shape| of.rows.min(of.cols);
    let s = read("s", &|of| {
        let values = [full(of) as u64];
        Form::Vectors(of.leading.iter().copied().chain(values).collect())
    })?;
    let u = read("u", &|of| {
        let thin = behind(of, [of.rows, full(of)]);
        Form::OneOf(vec![thin, behind(of, [of.rows, of.rows])])
    })?;
    let vt = read("vt", &|of| {
        let thin = behind(of, [full(of), of.cols]);
        Form::OneOf(vec![thin, behind(of, [of.cols, of.cols])])
    })?;
    let mut residuals = Vec::with_capacity(stacks.len());
    for (at, a) in stacks.iter().enumerate() {
        let [u, s, vt] = [u[at].view()?, s[at].view()?, vt[at].view()?];
        let mut found = judge::factors(a.view()?, [u, s, vt.transpose()])?;
        found.push(judge::order(s));
        residuals.push(found);
    }
    Ok(residuals)
}
