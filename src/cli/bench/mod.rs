//! `batched-svd bench`: this project's engines beside what a user would pick instead, and beside
//! the machine's own limits.
//!
//! `case` says what is measured, `contender` and `peers` who, `measure` how; a measurement is a
//! `row`, shown by `table` and `plot`.

mod args;
mod case;
mod contender;
mod measure;
mod peers;
mod plot;
mod row;
mod shapes;
mod table;
mod tune;

use std::path::Path;

use batched_svd::{Backend, Dtype, Engine, Error, GpuOptions, Peak};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use args::BenchArgs;

use crate::cli::args::{BackendArg, EngineArgs};
use crate::cli::failure::Failure;
use crate::cli::streams::{Ear, complain};
use crate::cli::target::{self, Target};
use case::{Case, LATENCY_BATCHES, LATENCY_SHAPES, Op};
use contender::Own;
use measure::{Budget, Field, Source};
use peers::Number;
use peers::python::Python;
use row::{Kind, LimitRow, Line, Row};

/// Bytes of matrices in a batch: beyond the caches of a core, and results that an allocator can hand
/// out again; and enough to keep a large GPU at work.
const CPU_BATCH: usize = 4 << 20;
const GPU_BATCH: usize = 256 << 20;
/// More matrices tell no more.
const MOST_MATRICES: usize = 1 << 22;
const REPETITIONS: usize = 5;
const QUICK_REPETITIONS: usize = 3;
/// Of the seconds of a case, the part that a contender has for each line of the latency table.
const LATENCY_SHARE: f64 = 0.1;

pub(crate) fn run(args: &EngineArgs, bench: &BenchArgs) -> Result<(), Failure> {
    // Found out now, not after minutes.
    let plot = bench.plot.as_deref().map(Target::of).transpose()?;
    let read: Vec<&Path> = bench.merge.iter().map(AsRef::as_ref).collect();
    let ear = target::check(plot.as_slice(), &read, false)?;
    if !bench.merge.is_empty() {
        return merge(args, bench, plot, ear);
    }
    let options = gpu_options(args);
    let mut engines = Vec::new();
    for engine in self::engines(args, &options)? {
        match bench.tune {
            true => engines.extend(tune::around(engine, &options)?),
            false => engines.push((engine, None)),
        }
    }
    let python = match bench.python_peers {
        true => peers::python::start(&bench.python).map_err(Failure::Usage)?,
        false => Vec::new(),
    };
    let mut session = Session::new(args, bench, ear, &engines, python);
    for dtype in &bench.dtypes {
        match dtype.dtype() {
            Dtype::F32 => session.measure::<f32>()?,
            _ => session.measure::<f64>()?,
        }
    }
    let (rows, limits) = session.finish();
    let runs = [rows];
    match (args.json, bench.tune) {
        (true, _) => {}
        (false, true) => ear.tell(&tune::text(&runs[0]))?,
        (false, false) => ear.tell(&table::text(&runs, &limits))?,
    }
    if let Some(target) = plot {
        plot::draw(target, &runs)?;
    }
    let wrong = runs[0].iter().filter(|row| row.own().is_some() && !row.ok);
    match wrong.count() {
        0 => Ok(()),
        n => Err(Failure::Run(format!(
            "{n} of this project's own measurements failed"
        ))),
    }
}

/// Every GPU with its clock.
fn gpu_options(args: &EngineArgs) -> GpuOptions {
    let mut options = GpuOptions::default().timestamps(true);
    options.adapter = args.adapter.clone();
    options
}

/// The engines of this machine, or the one that was asked for.
fn engines(args: &EngineArgs, options: &GpuOptions) -> Result<Vec<Engine>, Failure> {
    let mut engines = Vec::new();
    match args.backend {
        BackendArg::Cpu if args.adapter.is_some() => {
            // The same words as for every other command.
            args.engine()?;
        }
        BackendArg::Cpu => engines.push(Engine::cpu()),
        BackendArg::Gpu => engines.push(Engine::gpu(options)?),
        BackendArg::Auto => {
            engines.push(Engine::cpu());
            match Engine::gpu(options) {
                Ok(engine) => engines.push(engine),
                Err(error) if args.adapter.is_some() => return Err(error.into()),
                Err(error) => complain(format!("no GPU rows: {error}")),
            }
        }
    }
    Ok(engines)
}

/// A run of measurements.
struct Session<'s> {
    args: &'s EngineArgs,
    bench: &'s BenchArgs,
    ear: Ear,
    /// With their names, where they differ by more than the backend.
    engines: &'s [(Engine, Option<String>)],
    python: Vec<Python>,
    source: Source,
    bar: ProgressBar,
    rows: Vec<Row>,
    limits: Vec<LimitRow>,
}

impl<'s> Session<'s> {
    fn new(
        args: &'s EngineArgs,
        bench: &'s BenchArgs,
        ear: Ear,
        engines: &'s [(Engine, Option<String>)],
        python: Vec<Python>,
    ) -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {elapsed}") {
            bar.set_style(style);
        }
        Session {
            args,
            bench,
            ear,
            engines,
            python,
            source: Source::new(1),
            bar,
            rows: Vec::new(),
            limits: Vec::new(),
        }
    }

    fn ops(&self) -> Vec<Op> {
        match self.bench.quick {
            true => vec![Op::Svd],
            false => self.bench.ops.clone(),
        }
    }

    fn cases(&self, dtype: Dtype) -> Vec<Case> {
        let gpu = |engine: &Engine| engine.backend() == Backend::Gpu && !engine.is_software();
        let bytes = match self.engines.iter().any(|(engine, _)| gpu(engine)) {
            true => GPU_BATCH,
            false => CPU_BATCH,
        };
        let mut cases = Vec::new();
        for op in self.ops() {
            for shape in self.bench.shapes() {
                let (rows, cols) = (shape.rows, shape.cols);
                let fitting = bytes / (rows * cols * dtype.size());
                let asked = shape.batch.or(self.bench.batch.map(|b| b as usize));
                cases.push(Case {
                    op,
                    dtype,
                    rows,
                    cols,
                    batch: asked.unwrap_or(fitting.clamp(64, MOST_MATRICES)),
                });
            }
        }
        cases
    }

    fn latency_cases(&self, dtype: Dtype) -> Vec<Case> {
        let mut cases = Vec::new();
        let plain = !(self.bench.no_latency || self.bench.quick || self.bench.tune);
        if !plain || !self.bench.shapes.is_empty() {
            return cases;
        }
        for &(rows, cols) in LATENCY_SHAPES {
            for &batch in LATENCY_BATCHES {
                cases.push(Case {
                    op: Op::Svd,
                    dtype,
                    rows,
                    cols,
                    batch,
                });
            }
        }
        cases
    }

    fn peaks(&mut self, dtype: Dtype) -> Result<Vec<Option<Peak>>, Failure> {
        let mut peaks = Vec::new();
        for (engine, name) in self.engines {
            // Of each device once.
            if name.is_some() {
                peaks.push(None);
                continue;
            }
            let peak = match engine.peak(dtype) {
                Ok(peak) => peak,
                // Its measurements will say so too.
                Err(Error::Unsupported(_)) => {
                    peaks.push(None);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let limit = LimitRow {
                limits_of: format!("batched-svd-{}", engine.backend()),
                device: engine.to_string(),
                dtype: dtype.name().into(),
                gflops: peak.flops / 1e9,
                gbytes_per_s: peak.bytes / 1e9,
            };
            self.print(&limit)?;
            self.limits.push(limit);
            peaks.push(Some(peak));
        }
        Ok(peaks)
    }

    fn measure<T: Number>(&mut self) -> Result<(), Failure> {
        let dtype = T::DTYPE;
        let peaks = self.peaks(dtype)?;
        // What fails shows in its row.
        let options = self.args.options().strict(false);
        let mut own: Vec<(Own<'_, T>, Option<Peak>)> = Vec::new();
        for ((engine, name), peak) in self.engines.iter().zip(peaks) {
            if let Some(name) = name {
                let own_one = match engine.backend() {
                    Backend::Gpu => Own::resident(engine, options.clone()),
                    _ => Own::new(engine, options.clone()),
                };
                own.push((own_one.named(name), peak));
                continue;
            }
            own.push((Own::new(engine, options.clone()), peak));
            if engine.backend() == Backend::Gpu {
                own.push((Own::resident(engine, options.clone()), peak));
            }
        }
        let mut others = match self.bench.no_peers || self.bench.tune {
            true => Vec::new(),
            false => peers::all::<T>(),
        };
        let mut python = std::mem::take(&mut self.python);
        let (cases, latency) = (self.cases(dtype), self.latency_cases(dtype));
        self.bar.inc_length((cases.len() + latency.len()) as u64);
        let budget = Budget {
            seconds: self.bench.seconds(),
            repetitions: match self.bench.quick {
                true => QUICK_REPETITIONS,
                false => REPETITIONS,
            },
        };
        let cases = cases.iter().map(|case| (Kind::Throughput, case));
        for (kind, case) in cases.chain(latency.iter().map(|case| (Kind::Latency, case))) {
            let mut field: Field<'_, T> = Vec::new();
            for (own, peak) in &mut own {
                field.push((own, *peak));
            }
            for other in others.iter_mut().filter(|other| other.takes(case)) {
                field.push((&mut **other, None));
            }
            for peer in &mut python {
                field.push((peer, None));
            }
            let bar = self.bar.clone();
            let watch = move |name: &str| bar.set_message(format!("{case}: {name}"));
            let rows = match kind {
                Kind::Throughput => {
                    measure::throughput(case, &mut field, budget, &mut self.source, &watch)?
                }
                Kind::Latency => {
                    let seconds = LATENCY_SHARE * budget.seconds;
                    measure::latency(case, &mut field, seconds, &mut self.source, &watch)?
                }
            };
            for row in rows {
                self.print(&row)?;
                self.rows.push(row);
            }
            self.bar.inc(1);
        }
        self.python = python;
        Ok(())
    }

    /// A line of JSON as soon as it is known, if JSON was asked for.
    fn print(&self, line: &impl serde::Serialize) -> Result<(), Failure> {
        if !self.args.json {
            return Ok(());
        }
        let text = serde_json::to_string(line).map_err(|e| Failure::Run(e.to_string()))?;
        self.bar.suspend(|| self.ear.tell(&format!("{text}\n")))
    }

    fn finish(self) -> (Vec<Row>, Vec<LimitRow>) {
        self.bar.finish_and_clear();
        (self.rows, self.limits)
    }
}

/// Files of JSON lines in one table and one plot.
fn merge(
    args: &EngineArgs,
    bench: &BenchArgs,
    plot: Option<Target>,
    ear: Ear,
) -> Result<(), Failure> {
    let (mut runs, mut limits) = (Vec::new(), Vec::new());
    for path in &bench.merge {
        let mut rows = Vec::new();
        for line in read(path)? {
            match line {
                Line::Row(row) => rows.push(*row),
                Line::Limit(limit) => limits.push(limit),
            }
        }
        runs.push(rows);
    }
    if runs.iter().all(Vec::is_empty) {
        let path = &bench.merge[0];
        return Err(Failure::file(path, "holds no measurement"));
    }
    if args.json {
        for row in runs.iter().flatten() {
            let text = serde_json::to_string(row).map_err(|e| Failure::Run(e.to_string()))?;
            ear.tell(&format!("{text}\n"))?;
        }
    } else {
        ear.tell(&table::text(&runs, &limits))?;
    }
    match plot {
        Some(target) => plot::draw(target, &runs),
        None => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<Line>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, e))?;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let read = row::read(line);
        let wrong = |e| Failure::file(path, format!("line {}: {e}", index + 1));
        lines.extend(read.map_err(wrong)?);
    }
    Ok(lines)
}
