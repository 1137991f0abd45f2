//! What all commands on files of matrices have in common: files in, files out, a summary.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use batched_svd::{
    Batch, Batched, Dtype, Engine, Error, Options, Outcome, Progress, Report, Status, View, ragged,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::args::EngineArgs;
use crate::cli::failure::Failure;
use crate::cli::judge::{Residual, joined};
use crate::cli::npy::{self, Data, Entry, Form, Shape, Stack};
use crate::cli::summary::{Run, Summary, name_of};

/// A command on `N` files of matrices. It computes, on matrices of one shape at a time, and no more: files, time and
/// summary are the driver's.
pub(crate) trait Task<const N: usize> {
    fn op(&self) -> &'static str;

    /// The first file has the matrices; the others have what belongs to them.
    fn inputs(&self) -> [&Path; N];

    fn output(&self) -> &Path;

    /// Whether the output is a folder, to be made if need be.
    fn in_folder(&self) -> bool {
        true
    }

    /// Files to be written besides.
    fn others(&self) -> Vec<&Path> {
        Vec::new()
    }

    /// Files of an earlier run, in the folder, that would not belong to what this one writes.
    fn leftovers(&self) -> &[&'static str] {
        &[]
    }

    /// The command's own options, and the engine's.
    fn options(&self, options: Options) -> Options {
        options
    }

    /// Why nothing is promised of the residuals, if so.
    fn unjudged(&self) -> Option<&'static str> {
        None
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        inputs: [View<'_, T>; N],
    ) -> Result<Computed, Error>;
}

/// What a command computes with.
pub(crate) struct Call<'a> {
    engine: &'a Engine,
    options: &'a Options,
    /// Whether to say what is promised of residuals.
    pub verify: bool,
    seconds: &'a mut Duration,
}

/// Matrices of the untimed first call, which compiles what the timed one uses.
const WARM_UP: usize = 16;

impl Call<'_> {
    /// Calls once on a few matrices, to compile and to warm up, then on all, timed.
    pub fn timed<T: Entry, R, const N: usize>(
        &mut self,
        inputs: [View<'_, T>; N],
        call: impl Fn(&Engine, [View<'_, T>; N], &Options) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut few = inputs;
        for view in &mut few {
            *view = view.matrices(0..view.count().min(WARM_UP))?;
        }
        call(self.engine, few, &self.aside())?;
        let start = Instant::now();
        let found = call(self.engine, inputs, self.options);
        *self.seconds += start.elapsed();
        found
    }

    /// Calls once, for what is not the command's result.
    pub fn untimed<R>(
        &self,
        call: impl FnOnce(&Engine, &Options) -> Result<R, Error>,
    ) -> Result<R, Error> {
        call(self.engine, &self.aside())
    }

    /// The options of calls that nobody watches.
    fn aside(&self) -> Options {
        let quiet = self.options.clone().strict(false);
        quiet.progress(Arc::new(|_, _| ()))
    }
}

/// What a command computed, as plain data.
pub(crate) struct Computed {
    pub outputs: Vec<Output>,
    pub residuals: Vec<Residual>,
    pub report: Report,
}

/// Where an output goes.
#[derive(Clone)]
pub(crate) enum Place {
    /// To the output file itself.
    File,
    /// To a file of this name in the output folder.
    In(&'static str),
    /// To a file besides.
    Beside(PathBuf),
}

/// What the last dimension of an output is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Own,
    /// The right-hand sides: missing where these are vectors.
    Sides,
    /// The largest rank of an array's matrices.
    Ranks,
}

/// Entries matrix by matrix, in C order.
pub(crate) struct Output {
    place: Place,
    /// The dimensions that follow those of the stack.
    own: Vec<usize>,
    last: Last,
    data: Data,
}

impl Output {
    pub fn new(place: Place, own: &[usize], data: Data) -> Self {
        Output {
            place,
            own: own.to_vec(),
            last: Last::Own,
            data,
        }
    }

    /// Matrices.
    pub fn matrices<T: Entry>(place: Place, batch: &Batch<T>) -> Result<Self, Error> {
        let own = [batch.rows(), batch.cols()];
        let by_rows = batch.view().transpose().to_batch()?;
        Ok(Output::new(place, &own, T::data(by_rows.into_vec())))
    }

    /// A vector a matrix.
    pub fn vectors<T: Entry>(place: Place, batch: Batch<T>) -> Self {
        let own = [batch.rows()];
        Output::new(place, &own, T::data(batch.into_vec()))
    }

    pub fn last(mut self, last: Last) -> Self {
        self.last = last;
        self
    }

    fn path(&self, output: &Path, zipped: bool) -> PathBuf {
        match &self.place {
            Place::File => output.to_path_buf(),
            Place::In(name) => in_folder(output, name, zipped),
            Place::Beside(path) => path.clone(),
        }
    }

    /// The parts of arrays whose largest ranks are these.
    fn split(self, counts: &[usize], ranks: &[usize]) -> Result<Vec<Output>, Error> {
        let size = self.own.iter().product::<usize>();
        let entries: Vec<usize> = counts.iter().map(|count| count * size).collect();
        let parts = self.data.split(&entries)?.into_iter().zip(ranks);
        let part = |(data, &rank): (Data, &usize)| {
            let mut part = Output {
                data,
                own: self.own.clone(),
                place: self.place.clone(),
                last: self.last,
            };
            if let (Last::Ranks, Some(cols)) = (part.last, part.own.last_mut()) {
                let rank = rank.min(*cols);
                part.data = part.data.narrowed(*cols, rank);
                *cols = rank;
            }
            part
        };
        Ok(parts.map(part).collect())
    }
}

impl Batched for Computed {
    fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error> {
        let reports = self.report.split(counts)?.into_iter();
        let mut parts: Vec<Computed> = reports
            .map(|report| Computed {
                outputs: Vec::new(),
                residuals: Vec::new(),
                report,
            })
            .collect();
        // Where a matrix is not finite, a column is left to say so.
        let rank_of = |outcome: &Outcome| match outcome.status {
            Status::NonFinite => 1,
            _ => outcome.rank,
        };
        let rank = |part: &Computed| part.report.outcomes.iter().map(rank_of).max();
        let ranks: Vec<usize> = parts
            .iter()
            .map(|p| rank(p).unwrap_or(0) as usize)
            .collect();
        for output in self.outputs {
            for (part, output) in parts.iter_mut().zip(output.split(counts, &ranks)?) {
                part.outputs.push(output);
            }
        }
        for residual in self.residuals {
            for (part, residual) in parts.iter_mut().zip(residual.split(counts)?) {
                part.residuals.push(residual);
            }
        }
        Ok(parts)
    }
}

/// The file of this name in a folder of results.
pub(crate) fn in_folder(folder: &Path, name: &str, zipped: bool) -> PathBuf {
    folder.join(format!("{name}.{}", if zipped { "npz" } else { "npy" }))
}

pub(crate) fn run<const N: usize>(args: &EngineArgs, task: &impl Task<N>) -> Result<(), Failure> {
    let own = (!task.in_folder()).then(|| task.output());
    let files: Vec<&Path> = own.into_iter().chain(task.others()).collect();
    for (at, file) in files.iter().enumerate() {
        npy::check_folder(file)?;
        if files[..at].contains(file) {
            return Err(Failure::file(file, "is to hold two results"));
        }
    }
    let (dtype, zipped) = npy::look(task.inputs()[0])?;
    for file in files {
        if npy::is_npz(file) != zipped {
            let text = match zipped {
                true => "results of a .npz file are one too, by their name",
                false => "results of a .npy file are no .npz file",
            };
            return Err(Failure::file(file, text));
        }
    }
    match dtype {
        Dtype::F32 => run_in::<f32, N>(args, task, zipped),
        _ => run_in::<f64, N>(args, task, zipped),
    }
}

fn run_in<T: Entry, const N: usize>(
    args: &EngineArgs,
    task: &impl Task<N>,
    zipped: bool,
) -> Result<(), Failure> {
    let inputs = task.inputs();
    let mut stacks: Vec<Vec<Stack<T>>> = vec![npy::read(inputs[0])?];
    for input in &inputs[1..] {
        let sides = |of: &Shape| Form::Sides(of.leading.clone(), of.rows);
        let others = npy::read_beside(input, &stacks[0], zipped, sides)?;
        stacks.push(others);
    }
    let shapes: Vec<&Shape> = stacks[0].iter().map(|stack| &stack.shape).collect();
    let engine = args.engine()?;
    if task.in_folder() {
        let folder = task.output();
        std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, e))?;
    }
    let (parts, seconds) = compute(args, task, &engine, &stacks, zipped)?;
    let paths = write(task, &stacks, &parts, zipped)?;
    if task.in_folder() {
        for name in task.leftovers() {
            let _ = std::fs::remove_file(in_folder(task.output(), name, zipped));
        }
    }
    let (reports, residuals): (Vec<Report>, Vec<Vec<Residual>>) =
        parts.into_iter().map(|p| (p.report, p.residuals)).unzip();
    let outcomes: Vec<Outcome> = reports.iter().flat_map(|r| &r.outcomes).copied().collect();
    let run = Run {
        outcomes: &outcomes,
        reports: &reports,
        seconds: seconds.as_secs_f64(),
        software: engine.is_software(),
        outputs: match task.in_folder() {
            true => vec![task.output().to_path_buf()],
            false => paths,
        },
    };
    let summary = Summary {
        op: task.op(),
        input: inputs[0],
        zipped,
        dtype: T::DTYPE,
        shapes,
        run: Some(run),
        statuses: outcomes.iter().map(|o| o.status).collect(),
        residuals: joined(residuals),
        verify: args.verify,
        unjudged: task.unjudged(),
    };
    summary.tell(args.json)
}

/// What the command makes of every array, and the seconds that the calls took.
fn compute<T: Entry, const N: usize>(
    args: &EngineArgs,
    task: &impl Task<N>,
    engine: &Engine,
    stacks: &[Vec<Stack<T>>],
    zipped: bool,
) -> Result<(Vec<Computed>, Duration), Failure> {
    let shapes: Vec<&Shape> = stacks[0].iter().map(|stack| &stack.shape).collect();
    let mut views = Vec::with_capacity(N);
    for list in stacks {
        let list: Result<Vec<_>, _> = list.iter().map(Stack::view).collect();
        views.push(list?);
    }
    let views: [&[View<'_, T>]; N] = std::array::from_fn(|at| views[at].as_slice());
    let count = shapes.iter().map(|shape| shape.count).sum::<usize>();
    let bar = progress_bar(count);
    let options = task.options(args.options()).progress(told(&bar));
    let mut seconds = Duration::ZERO;
    // The shape that a call failed on.
    let mut failed = None;
    let mut call = |inputs: [View<'_, T>; N], options: &Options| {
        let mut call = Call {
            engine,
            options,
            verify: args.verify,
            seconds: &mut seconds,
        };
        failed = Some([inputs[0].rows(), inputs[0].cols()]);
        let computed = task.compute(&mut call, inputs)?;
        failed = None;
        Ok(computed)
    };
    let parts = match zipped {
        true => ragged(views, &options, call),
        false => call(views.map(|list| list[0]), &options).map(|computed| vec![computed]),
    };
    bar.finish_and_clear();
    let failure = |error| match error {
        Error::Strict(failures) if zipped => {
            let shown: Vec<_> = (failures.iter().take(8))
                .map(|(b, status)| format!("{} ({status})", name_of(&shapes, zipped, *b)))
                .collect();
            let more = if failures.len() > 8 { ", ..." } else { "" };
            let s = if failures.len() == 1 {
                "matrix"
            } else {
                "matrices"
            };
            let text = format!("{} {s} failed: {}{more}", failures.len(), shown.join(", "));
            Failure::file(task.inputs()[0], text).at_run()
        }
        Error::Argument(_) | Error::Unsupported(_) if zipped => {
            let those = |shape: &&&Shape| failed == Some([shape.rows, shape.cols]);
            let at_run = matches!(error, Error::Unsupported(_));
            match shapes.iter().find(those) {
                Some(shape) if at_run => npy::wrong(task.inputs()[0], &shape.key, error).at_run(),
                Some(shape) => npy::wrong(task.inputs()[0], &shape.key, error),
                None => error.into(),
            }
        }
        error => error.into(),
    };
    Ok((parts.map_err(failure)?, seconds))
}

/// A bar for somebody who watches.
fn progress_bar(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} matrices, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// What moves the bar, if it takes long.
fn told(bar: &ProgressBar) -> Progress {
    let (bar, start) = (bar.clone(), Instant::now());
    Arc::new(move |done, _| {
        if start.elapsed() > Duration::from_secs(1) {
            bar.set_position(done as u64);
        }
    })
}

/// Writes the outputs, and says where they are.
fn write<T: Entry, const N: usize>(
    task: &impl Task<N>,
    stacks: &[Vec<Stack<T>>],
    parts: &[Computed],
    zipped: bool,
) -> Result<Vec<PathBuf>, Failure> {
    // Right-hand sides, if there are any, are the last file.
    let vectors = stacks.last().into_iter().flatten().map(|s| s.shape.vectors);
    let vectors: Vec<bool> = vectors.collect();
    let mut paths = Vec::new();
    for (at, output) in parts.iter().flat_map(|p| p.outputs.iter().enumerate()) {
        if at < paths.len() {
            continue; // Another array's, and filed with the first's.
        }
        let path = output.path(task.output(), zipped);
        let arrays = stacks[0].iter().zip(parts).zip(&vectors);
        let filed: Vec<npy::Filed<'_>> = arrays
            .map(|((stack, part), &vectors)| {
                let Output {
                    own, last, data, ..
                } = &part.outputs[at];
                let gone = usize::from(vectors && *last == Last::Sides);
                let own = own[..own.len() - gone].iter().map(|&n| n as u64);
                let shape = stack.shape.leading.iter().copied().chain(own).collect();
                (stack.shape.key.as_str(), shape, data)
            })
            .collect();
        npy::write(&path, &filed, zipped)?;
        paths.push(path);
    }
    Ok(paths)
}
