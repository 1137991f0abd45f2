//! `batched-svd bench`: this project's engines beside what a user would pick instead, and beside
//! the machine's own limits.
//!
//! `case` says what is measured, `source` on which numbers, `contender` and `peers` who, `measure` how; a
//! measurement is a `row`, shown by `table`, `plot` and `brief`. `tune` tries the planner's `thresholds`,
//! `profile` looks into a call.

mod args;
mod brief;
mod case;
mod contender;
mod measure;
mod peers;
mod plot;
mod profile;
mod row;
mod shapes;
mod source;
mod table;
mod tune;

use std::path::Path;

use batched_svd::{Backend, Complex, Dtype, Engine, Error, GpuOptions, Peak};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use args::BenchArgs;

use crate::cli::engine_args::{BackendArg, EngineArgs};
use crate::cli::failure::Failure;
use crate::cli::streams::{Ear, complain};
use crate::cli::target::{self, Target};
use crate::cli::thresholds::Setting;
use case::{Case, LATENCY_BATCHES, LATENCY_SHAPES, Op, Shape};
use contender::{Own, is_card};
use measure::Field;
use peers::Number;
use peers::python::Python;
use row::{Kind, LimitRow, Line, ProfileRow, Row};
use source::Source;

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
    let work = bench.work().map_err(Failure::Usage)?;
    let options = gpu_options(args, bench);
    let mut engines = Vec::new();
    for engine in self::engines(args, bench, &options)? {
        match &bench.tune {
            Some(named) => engines.extend(tune::around(engine, &options, named)?),
            None => engines.push((engine, None)),
        }
    }
    if let Some(Setting { threshold, .. }) = bench.tune.iter().flatten().find(|setting| {
        let here =
            |(engine, _): &(Engine, _)| setting.threshold.gpu == (engine.backend() == Backend::Gpu);
        !engines.iter().any(here)
    }) {
        let whose = if threshold.gpu {
            "a GPU's"
        } else {
            "the CPU's"
        };
        return Err(Failure::Usage(format!(
            "{} is {whose}, and no such engine is measured",
            threshold.name
        )));
    }
    let python = match bench.python_peers {
        true => peers::python::start(&bench.python, &bench.peers).map_err(Failure::Usage)?,
        false => Vec::new(),
    };
    let mut session = Session::new(args, bench, ear, work, &engines, python);
    for &dtype in &bench.dtypes {
        match Dtype::from(dtype) {
            Dtype::F32 => session.measure::<f32>()?,
            Dtype::C32 => session.measure::<Complex<f32>>()?,
            Dtype::C64 => session.measure::<Complex<f64>>()?,
            _ => session.measure::<f64>()?,
        }
    }
    let (rows, limits, profiles) = session.finish();
    let runs = [rows];
    match (args.json, &bench.tune, bench.profile) {
        (true, ..) => {}
        (false, _, true) => ear.tell(&profile::text(&profiles))?,
        (false, Some(_), _) => ear.tell(&tune::text(&runs[0]))?,
        (false, None, _) => ear.tell(&table::text(&runs, &limits))?,
    }
    if let Some(target) = plot {
        plot::draw(target, &runs)?;
    }
    let wrong = runs[0].iter().filter(|row| row.own().is_some() && !row.ok);
    let wrong = wrong.count() + profiles.iter().filter(|row| !row.ok).count();
    match wrong {
        0 => Ok(()),
        n => Err(Failure::Run(format!(
            "{n} of this project's own measurements failed"
        ))),
    }
}

/// Every GPU with its clock, and with the thresholds that were set.
fn gpu_options(args: &EngineArgs, bench: &BenchArgs) -> GpuOptions {
    let mut options = GpuOptions::default()
        .timestamps(true)
        .profile(bench.profile);
    options.adapter = args.adapter.clone();
    for setting in &bench.set {
        setting.apply(&mut options.tuning);
    }
    options
}

/// The engines of this machine, or the one that was asked for.
fn engines(
    args: &EngineArgs,
    bench: &BenchArgs,
    options: &GpuOptions,
) -> Result<Vec<Engine>, Failure> {
    let mut engines = Vec::new();
    let cpu = || Engine::cpu_with(options.tuning.clone());
    match args.backend {
        BackendArg::Cpu if bench.profile => {
            return Err(Failure::Usage(
                "a profile is of a GPU's kernels, but --backend is cpu".into(),
            ));
        }
        BackendArg::Auto if bench.profile => engines.push(Engine::gpu(options)?),
        BackendArg::Cpu if args.adapter.is_some() => {
            // The same words as for every other command.
            args.engine()?;
        }
        BackendArg::Cpu => engines.push(cpu()),
        BackendArg::Gpu => engines.push(Engine::gpu(options)?),
        BackendArg::Auto => {
            engines.push(cpu());
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
    work: Vec<(Op, Shape)>,
    /// With their names, where they differ by more than the backend.
    engines: &'s [(Engine, Option<String>)],
    python: Vec<Python>,
    source: Source,
    bar: ProgressBar,
    rows: Vec<Row>,
    limits: Vec<LimitRow>,
    profiles: Vec<ProfileRow>,
    /// What was set, in words.
    settings: String,
}

impl<'s> Session<'s> {
    fn new(
        args: &'s EngineArgs,
        bench: &'s BenchArgs,
        ear: Ear,
        work: Vec<(Op, Shape)>,
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
            work,
            engines,
            python,
            source: Source::new(1),
            bar,
            rows: Vec::new(),
            limits: Vec::new(),
            profiles: Vec::new(),
            settings: {
                let settings: Vec<String> = bench.set.iter().map(Setting::to_string).collect();
                settings.join(" ")
            },
        }
    }

    fn cases(&self, dtype: Dtype) -> Vec<Case> {
        let on_gpu = self.engines.iter().any(|(engine, _)| is_card(engine));
        let case = |&(op, shape): &(Op, Shape)| {
            let asked = shape.batch.or(self.bench.batch.map(|b| b as usize));
            let case = Case {
                op,
                dtype,
                rows: shape.rows,
                cols: shape.cols,
                batch: asked.unwrap_or(0),
            };
            match asked {
                Some(_) => case,
                None => case.suited(on_gpu),
            }
        };
        self.work.iter().map(case).collect()
    }

    fn latency_cases(&self, dtype: Dtype) -> Vec<Case> {
        let mut cases = Vec::new();
        let plain = !(self.bench.no_latency || self.bench.quick || self.bench.tune.is_some());
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
            // Of each device once, if it computes in this type.
            if name.is_some() {
                peaks.push(None);
                continue;
            }
            let peak = match engine.peak(dtype.real()) {
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
        if self.bench.profile {
            return self.look_into::<T>();
        }
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
        let mut others = match self.bench.no_peers || self.bench.tune.is_some() {
            true => Vec::new(),
            false => peers::all::<T>(&self.bench.peers),
        };
        let mut python = std::mem::take(&mut self.python);
        let (cases, latency) = (self.cases(dtype), self.latency_cases(dtype));
        self.bar.inc_length((cases.len() + latency.len()) as u64);
        let budget = self.bench.budget();
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
            for mut row in rows {
                if row.own().is_some() {
                    row.settings.clone_from(&self.settings);
                }
                self.print(&row)?;
                self.rows.push(row);
            }
            self.bar.inc(1);
        }
        self.python = python;
        Ok(())
    }

    /// Profiles of all cases.
    fn look_into<T: Number>(&mut self) -> Result<(), Failure> {
        let (cases, options) = (self.cases(T::DTYPE), self.args.options().strict(false));
        self.bar.inc_length(cases.len() as u64);
        for case in &cases {
            self.bar.set_message(case.to_string());
            for (engine, _) in self.engines {
                let budget = self.bench.budget();
                let row = profile::measure::<T>(case, engine, &options, budget, &mut self.source)?;
                let row = ProfileRow {
                    settings: self.settings.clone(),
                    ..row
                };
                self.print(&row)?;
                self.profiles.push(row);
            }
            self.bar.inc(1);
        }
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

    fn finish(self) -> (Vec<Row>, Vec<LimitRow>, Vec<ProfileRow>) {
        self.bar.finish_and_clear();
        (self.rows, self.limits, self.profiles)
    }
}

/// Files of JSON lines in one table and one plot.
fn merge(
    args: &EngineArgs,
    bench: &BenchArgs,
    plot: Option<Target>,
    ear: Ear,
) -> Result<(), Failure> {
    let (mut runs, mut limits, mut profiles) = (Vec::new(), Vec::new(), Vec::new());
    for path in &bench.merge {
        let mut rows = Vec::new();
        for line in read(path, bench.brief)? {
            match line {
                Line::Row(row) => rows.push(*row),
                Line::Limit(limit) => limits.push(limit),
                Line::Profile(profile) => profiles.push(*profile),
            }
        }
        runs.push(rows);
    }
    if bench.brief {
        return ear.tell(&brief::text(&runs, &limits, &profiles));
    }
    if runs.iter().all(Vec::is_empty) && profiles.is_empty() {
        let path = &bench.merge[0];
        return Err(Failure::file(path, "holds no measurement"));
    }
    if args.json {
        let lines = runs.iter().flatten().map(serde_json::to_string);
        for line in lines.chain(profiles.iter().map(serde_json::to_string)) {
            let text = line.map_err(|e| Failure::Run(e.to_string()))?;
            ear.tell(&format!("{text}\n"))?;
        }
    } else {
        if !profiles.is_empty() {
            ear.tell(&profile::text(&profiles))?;
        }
        if runs.iter().any(|rows| !rows.is_empty()) {
            ear.tell(&table::text(&runs, &limits))?;
        }
    }
    match plot {
        Some(target) => plot::draw(target, &runs),
        None => Ok(()),
    }
}

/// The lines of a file, of which the last may be `cut` off.
fn read(path: &Path, cut: bool) -> Result<Vec<Line>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, e))?;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let read = row::read(line);
        if cut && read.is_err() && index + 1 == text.lines().count() && !text.ends_with('\n') {
            break;
        }
        let wrong = |e| Failure::file(path, format!("line {}: {e}", index + 1));
        lines.extend(read.map_err(wrong)?);
    }
    Ok(lines)
}
