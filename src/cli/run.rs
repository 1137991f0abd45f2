//! What all commands on files of matrices have in common: files in, files out, a summary.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use batched_svd::{
    Batched, Complex, Dtype, Engine, Error, Options, Outcome, Report, Status, View, ragged,
};

use crate::cli::args::CutoffArgs;
use crate::cli::call::{Call, watched};
use crate::cli::engine_args::EngineArgs;
use crate::cli::entry::Entry;
use crate::cli::failure::Failure;
use crate::cli::judge::{Kind, Residual, joined};
use crate::cli::names::Failed;
use crate::cli::npy::{self, Content, Filed, Form, Shape, Source, Stack};
use crate::cli::numbers::Numbers;
use crate::cli::output::{Computed, Last, Output, is_nan};
use crate::cli::per_matrix::{self, Values};
use crate::cli::place::place;
use crate::cli::plan::{Plan, in_folder};
use crate::cli::progress::{Phase, Progress, Total};
use crate::cli::record::{Format, Record};
use crate::cli::spread::Spread;
use crate::cli::summary::{Run, Summary};
use crate::cli::task::Task;

pub(crate) fn run<const N: usize>(args: &EngineArgs, task: &impl Task<N>) -> Result<(), Failure> {
    let common = task.common();
    if args.verify && common.no_check {
        let text = "--verify holds residuals to what is promised, but --no-check leaves them out";
        return Err(Failure::Usage(text.into()));
    }
    if let Some(objection) = task.objection() {
        return Err(Failure::Usage(objection.into()));
    }
    let inputs = task.inputs();
    let mut read: Vec<&Path> = inputs.to_vec();
    if let Some((_, Numbers::File(path))) = task.per_matrix() {
        read.push(path);
    }
    if read.iter().filter(|path| npy::is_stdin(path)).count() > 1 {
        return Err(Failure::Usage(
            "standard input can be one of the inputs, but not two".into(),
        ));
    }
    let mut plan = Plan::new(task)?;
    let mut progress = Progress::new();
    progress.enter(Phase::Reading, Total::SomeBytes);
    let counter = progress.counter();
    let tick = move |bytes| {
        counter.fetch_add(bytes, Ordering::Relaxed);
    };
    let sources = inputs.into_iter().map(|path| Source::open(path, &tick));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let zipped = sources[0].zipped();
    let dtype = npy::common(sources.iter().map(Source::dtype));
    let dtype = match common.dtype {
        Some(precision) => npy::in_precision(precision.into(), dtype.is_complex()),
        None => dtype,
    };
    if let Some(refusal) = task.refusal(dtype) {
        return Err(Failure::file(npy::name_of(inputs[0]), refusal));
    }
    plan.check(task, &read, zipped, dtype)?;
    let promised = sources
        .iter()
        .map(Source::promised)
        .fold(0, u64::saturating_add);
    progress.enter(Phase::Reading, Total::Bytes(promised));
    let job = Job {
        args,
        task,
        plan: &plan,
        zipped,
    };
    match dtype {
        Dtype::F32 => job.run::<f32>(sources, &tick, progress),
        Dtype::C32 => job.run::<Complex<f32>>(sources, &tick, progress),
        Dtype::C64 => job.run::<Complex<f64>>(sources, &tick, progress),
        _ => job.run::<f64>(sources, &tick, progress),
    }
}

/// A command and where its results go.
struct Job<'a, K, const N: usize> {
    args: &'a EngineArgs,
    task: &'a K,
    plan: &'a Plan,
    zipped: bool,
}

impl<K: Task<N>, const N: usize> Job<'_, K, N> {
    fn run<T: Entry>(
        &self,
        sources: Vec<Source<'_>>,
        tick: &dyn Fn(u64),
        mut progress: Progress,
    ) -> Result<(), Failure> {
        let (args, task, common) = (self.args, self.task, self.task.common());
        let stacks = self.read::<T>(sources)?;
        let shapes: Vec<&Shape> = stacks[0].iter().map(|stack| &stack.shape).collect();
        let values = task
            .per_matrix()
            .map(|(name, numbers)| per_matrix::read(name, numbers, &shapes, tick))
            .transpose()?;

        progress.enter(Phase::Computing, Total::Unknown);
        let engine = args.engine()?;
        let (parts, seconds) = self.compute(&engine, &stacks, values.as_ref(), &mut progress)?;
        let (outputs, told) = apart(parts);
        let outcomes = match &told.reports[..] {
            [report] => Cow::Borrowed(&report.outcomes[..]),
            reports => reports.iter().flat_map(|r| &r.outcomes).copied().collect(),
        };
        let worst = self
            .plan
            .report
            .as_ref()
            .and_then(|_| worst(&told.residuals));

        let record = Record {
            op: task.op(),
            shapes: &shapes,
            zipped: self.zipped,
            outcomes: &outcomes,
            spreads: told.spreads.as_deref(),
            residuals: worst.as_deref(),
        };
        self.write(&stacks, &outputs, &record, tick, &mut progress)?;

        let mut warnings: Vec<String> = task
            .warning()
            .or_else(|| self.nothing(&outcomes))
            .into_iter()
            .collect();
        warnings.extend(self.leftovers(T::DTYPE));
        let mut written: Vec<PathBuf> = match task.files(T::DTYPE).is_empty() {
            true => self
                .plan
                .own
                .iter()
                .map(|target| target.name.clone())
                .collect(),
            false => vec![task.output().to_path_buf()],
        };
        let report = self.plan.report.iter().map(|(target, _)| target);
        written.extend(
            self.plan
                .others
                .iter()
                .chain(report)
                .map(|target| target.name.clone()),
        );
        let summary = Summary {
            op: task.op(),
            input: npy::name_of(task.inputs()[0]),
            zipped: self.zipped,
            dtype: T::DTYPE,
            shapes,
            sides: stacks
                .get(1)
                .map(|list| list.iter().map(|stack| &stack.shape).collect()),
            run: Some(Run {
                outcomes: &outcomes,
                reports: &told.reports,
                spreads: told.spreads.as_deref(),
                lambda: values.as_ref().filter(|_| task.enlarges()),
                enlarges: task.enlarges(),
                seconds: seconds.as_secs_f64(),
                times: progress.times(),
                software: engine.is_software(),
                outputs: written,
            }),
            statuses: outcomes.iter().map(|o| o.status).collect(),
            residuals: told.residuals,
            checked: !common.no_check,
            verify: args.verify,
            unjudged: task.unjudged(),
            warnings,
        };
        summary.tell(self.plan.ear, args.json)
    }

    fn read<T: Entry>(&self, sources: Vec<Source<'_>>) -> Result<Vec<Vec<Stack<T>>>, Failure> {
        let mut sources = sources.into_iter();
        let mut stacks: Vec<Vec<Stack<T>>> = Vec::with_capacity(N);
        for source in sources.by_ref().take(1) {
            stacks.push(source.read()?);
        }
        for source in sources {
            let of: Vec<&Shape> = stacks[0].iter().map(|stack| &stack.shape).collect();
            let sides = |of: &Shape| Form::Sides(of.leading.clone(), of.rows);
            let others = source.read_beside(&of, self.zipped, sides)?;
            stacks.push(others);
        }
        Ok(stacks)
    }

    /// What the command makes of every array, and the seconds that the calls took.
    fn compute<T: Entry>(
        &self,
        engine: &Engine,
        stacks: &[Vec<Stack<T>>],
        values: Option<&Values>,
        progress: &mut Progress,
    ) -> Result<(Vec<Computed>, Duration), Failure> {
        let (args, task, zipped) = (self.args, self.task, self.zipped);
        let shapes: Vec<&Shape> = stacks[0].iter().map(|stack| &stack.shape).collect();
        let mut views = Vec::with_capacity(N);
        for list in stacks {
            let list: Result<Vec<_>, _> = list.iter().map(Stack::view).collect();
            views.push(list?);
        }
        let views: [&[View<'_, T>]; N] = std::array::from_fn(|at| views[at].as_slice());
        let count = shapes.iter().map(|shape| shape.count).sum::<usize>();
        let most = shapes.iter().map(|shape| shape.rows.min(shape.cols)).max();
        let mut options = watched(args.options(), progress);
        options = task.options(options, most.unwrap_or(0));
        let values = values.map(Values::numbers);
        progress.enter(Phase::Computing, Total::Matrices(count));
        let mut seconds = Duration::ZERO;
        // The shape that a call failed on.
        let mut failed = None;
        let mut call = |inputs: [View<'_, T>; N], options: &Options, per_matrix| {
            let mut call = Call {
                engine,
                options,
                per_matrix,
                check: !task.common().no_check,
                verify: args.verify,
                all_spreads: task.common().report.is_some(),
                count,
                seconds: &mut seconds,
                progress,
            };
            failed = Some([inputs[0].rows(), inputs[0].cols()]);
            let computed = task.compute(&mut call, inputs)?;
            failed = None;
            Ok(computed)
        };
        let parts = match zipped {
            true => ragged(views, &options, |inputs, group| {
                let values = values.clone().map(|values| group.of(values));
                call(inputs, group.options(), values.transpose()?)
            }),
            false => call(views.map(|list| list[0]), &options, values)
                .and_then(|found| found.split(&[count])),
        };
        progress.leave();
        let failure = |error| match error {
            Error::Strict(failures) => self.strict(&shapes, &failures),
            Error::Argument(_) | Error::Unsupported(_) if zipped => {
                let those = |shape: &&&Shape| failed == Some([shape.rows, shape.cols]);
                let at_run = matches!(error, Error::Unsupported(_));
                match shapes.iter().find(those) {
                    Some(shape) if at_run => {
                        npy::wrong(task.inputs()[0], &shape.key, error).at_run()
                    }
                    Some(shape) => npy::wrong(task.inputs()[0], &shape.key, error),
                    None => error.into(),
                }
            }
            error => error.into(),
        };
        Ok((parts.map_err(failure)?, seconds))
    }

    /// A line with the first of the matrices that failed, and an object with all of them for programs.
    fn strict(&self, shapes: &[&Shape], failures: &[(usize, Status)]) -> Failure {
        let input = npy::name_of(self.task.inputs()[0]);
        let failed = Failed {
            op: self.task.op(),
            shapes,
            zipped: self.zipped,
            failures,
        };
        if self.args.json {
            // The failure is said, whether or not anybody hears this.
            let _ = self.plan.ear.tell(&format!("{}\n", failed.json()));
        }
        Failure::file(input, failed.text()).at_run()
    }

    /// Writes all outputs, and the report.
    fn write<T: Entry>(
        &self,
        stacks: &[Vec<Stack<T>>],
        parts: &[Vec<Output>],
        record: &Record<'_>,
        tick: &dyn Fn(u64),
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        progress.enter(Phase::Writing, Total::Unknown);
        // Right-hand sides, if there are any, are the last file.
        let vectors = stacks.last().into_iter().flatten().map(|s| s.shape.vectors);
        let vectors: Vec<bool> = vectors.collect();
        let (mut results, mut text, mut arrays) = (Vec::new(), String::new(), Vec::new());
        if let Some((target, format)) = &self.plan.report {
            match format {
                Format::Json => text = record.json(),
                Format::Npy | Format::Npz => arrays = record.arrays(*format),
            }
            let filed = arrays
                .iter()
                .map(|(key, shape, data)| (key.as_str(), shape.clone(), data));
            let filed = match format {
                Format::Json => Content::Bytes(text.as_bytes()),
                format => content(filed.collect(), *format == Format::Npz),
            };
            results.push((target.clone(), filed));
        }
        let outputs = parts.first().map_or(0, Vec::len);
        for at in 0..outputs {
            let arrays = stacks[0].iter().zip(parts).zip(&vectors);
            let filed = arrays.map(|((stack, part), &vectors)| {
                let output = &part[at];
                let gone = usize::from(vectors && output.last == Last::Sides);
                let own = &output.own[..output.own.len() - gone];
                let own = own.iter().map(|&n| n as u64);
                let shape = stack.shape.leading.iter().copied().chain(own).collect();
                (stack.shape.key.as_str(), shape, &output.data)
            });
            let target = self.plan.of(self.task, &parts[0][at].place);
            let target = target.ok_or_else(|| Failure::Run("a result has no place".into()))?;
            results.push((target.clone(), content(filed.collect(), self.zipped)));
        }
        let bytes = results.iter().map(|(_, content)| content.bytes()).sum();
        progress.enter(Phase::Writing, Total::Bytes(bytes));
        place(&results, tick)
    }

    /// What to say where what was asked for leaves nothing of any matrix.
    fn nothing(&self, outcomes: &[Outcome]) -> Option<String> {
        let asked = self.task.cutoff().is_some_and(CutoffArgs::is_asked);
        let none = outcomes.iter().all(|o| o.rank == 0 || is_nan(o.status));
        let any = outcomes.iter().any(|o| !is_nan(o.status));
        let text = "nothing is left: no singular value of any matrix counts by what was asked for";
        (asked && none && any).then(|| text.into())
    }

    /// What lies in the folder and does not belong to these results. It may be anybody's, and stays.
    fn leftovers(&self, dtype: Dtype) -> Option<String> {
        let folder = self.task.output();
        let leftovers = self
            .task
            .leftovers(dtype)
            .into_iter()
            .map(|name| in_folder(folder, name, self.zipped));
        let there: Vec<_> = leftovers
            .filter(|path| path.exists())
            .map(|path| path.display().to_string())
            .collect();
        (!there.is_empty()).then(|| {
            let paths = there.join(", ");
            format!("{paths}: there from before, and of other results than these")
        })
    }
}

fn content(mut arrays: Vec<Filed<'_>>, zipped: bool) -> Content<'_> {
    match (zipped, arrays.pop()) {
        (false, Some(array)) => Content::Npy(array),
        (_, last) => {
            arrays.extend(last);
            Content::Npz(arrays)
        }
    }
}

/// What is said of all arrays.
struct Told {
    reports: Vec<Report>,
    residuals: Vec<Residual>,
    spreads: Option<Vec<Spread>>,
}

/// What is said, apart from the outputs, which stay with their arrays.
fn apart(parts: Vec<Computed>) -> (Vec<Vec<Output>>, Told) {
    let (mut outputs, mut reports) = (Vec::new(), Vec::new());
    let (mut residuals, mut spreads) = (Vec::new(), Some(Vec::new()));
    for part in parts {
        outputs.push(part.outputs);
        reports.push(part.report);
        residuals.push(part.residuals);
        spreads = spreads.zip(part.spreads).map(|(mut all, own)| {
            all.push(own);
            all
        });
    }
    let told = Told {
        reports,
        residuals: joined(residuals),
        spreads: spreads.map(together),
    };
    (outputs, told)
}

/// Lists in one; a list that is alone stays where it is.
fn together<I: Copy>(mut lists: Vec<Vec<I>>) -> Vec<I> {
    match lists.len() {
        1 => lists.remove(0),
        _ => lists.concat(),
    }
}

/// The largest of the residuals that should be nothing, matrix by matrix, where they were computed.
fn worst(residuals: &[Residual]) -> Option<Vec<f64>> {
    let kinds = [Kind::Main, Kind::MoorePenrose];
    let those = residuals.iter().filter(|r| kinds.contains(&r.kind));
    those.map(|r| r.values.clone()).reduce(|mut worst, values| {
        for (worst, value) in worst.iter_mut().zip(values) {
            // A NaN must not hide behind a comparison.
            if value > *worst || value.is_nan() {
                *worst = value;
            }
        }
        worst
    })
}
