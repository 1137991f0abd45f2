//! What the kernels of a call took, one by one.

use std::collections::BTreeMap;
use std::time::Instant;

use batched_svd::explain::{Request, Stage, explain};
use batched_svd::{Engine, Error, GpuOptions, KernelProfile, Options, Real, Tuning};

use crate::common::bounds::{Outcome, ensure};
use crate::common::matrices::normal;

/// How often each kernel was dispatched.
fn dispatches(profile: &[KernelProfile]) -> BTreeMap<&str, u64> {
    let mut all = BTreeMap::new();
    for kernel in profile {
        *all.entry(kernel.kernel).or_default() += kernel.dispatches;
    }
    all
}

/// What kernels that lie between the caller's entries and results are dispatched once, in every path but those
/// in registers.
const AROUND: [&str; 8] = [
    "look", "sort", "arrange", "form_u", "order", "place", "complete", "signs",
];

/// Each kernel of each path shows, as often as it is dispatched, with its part of the device's time.
pub fn paths<T: Real>(
    adapter: &GpuOptions,
    tunings: [Tuning; 2],
    open: impl Fn(&GpuOptions) -> Result<Engine, Error>,
) -> Outcome {
    let [usual, shrunk] = tunings;
    let options = Options::default();
    let text = |error: Error| error.to_string();
    // Which of the thresholds, the shape, the path, and its own kernels that are dispatched once.
    let paths: [(&Tuning, usize, usize, &str, &[&str]); 6] = [
        (&usual, 3, 3, "jacobi-tiny", &["tiny"]),
        (&usual, 7, 7, "jacobi-columns", &["columns"]),
        (&usual, 110, 7, "jacobi-resident", &["solve"]),
        (&usual, 1000, 16, "jacobi-swept", &["sweeps"]),
        (&usual, 96, 96, "jacobi-blocks", &["begin", "normalise"]),
        (&shrunk, 80, 80, "jacobi-rounds", &["begin", "normalise"]),
    ];
    for (tuning, m, n, path, once) in paths {
        let engine = |profile| open(&adapter.clone().tuning(tuning.clone()).profile(profile));
        let (engine, plain) = (engine(true).map_err(text)?, engine(false).map_err(text)?);
        // Small chunks hold one of that size.
        let count = if path == "jacobi-rounds" { 1 } else { 3 };
        let a = normal::<T>(count, m, n, 8);
        let solve = |engine: &Engine| engine.svd(&a).options(&options).run().map_err(text);
        let first = solve(&engine)?;
        let compiled = engine.profile();
        let start = Instant::now();
        let svd = solve(&engine)?;
        let wall = start.elapsed().as_secs_f64();
        let profile = engine.profile();
        let report = &svd.report;
        let told = |what: &str| format!("{path}: {what}: {profile:?}");
        ensure(report.kernel == path, || told(report.kernel))?;
        // The first call compiled all that it dispatched, the second nothing.
        let seconds = |kernel: &KernelProfile| kernel.compiled.is_some_and(|s| s > 0.0);
        ensure(compiled.iter().all(seconds), || {
            format!("{path}: not compiled: {compiled:?}")
        })?;
        ensure(profile.iter().all(|k| k.compiled.is_none()), || {
            told("compiled again")
        })?;
        let counts = dispatches(&profile);
        ensure(counts == dispatches(&compiled), || told("not as at first"))?;
        let count = |kernel: &str| counts.get(kernel).copied().unwrap_or(0);
        // A plan that is explained is the one that is carried out; sweeps are resumed only where they must be.
        let facts = engine.device_facts().ok_or("no facts")?;
        let svd_of = Request::Svd;
        let plan = explain(svd_of, [m, n], T::DTYPE, &facts, &options, tuning).map_err(text)?;
        let planned = |name: &str| plan.stages.iter().find(|stage| stage.name == name);
        let done = |(name, count): (&&str, &u64)| {
            planned(name).is_some_and(|s| *count <= s.most_dispatches)
        };
        let all = |stage: &Stage| stage.name == "resume" || count(stage.name) > 0;
        ensure(
            plan.kernel == path && counts.iter().all(done) && plan.stages.iter().all(all),
            || {
                told(&format!(
                    "explained as {:?}",
                    plan.stages
                        .iter()
                        .map(|s| (s.name, s.most_dispatches))
                        .collect::<Vec<_>>()
                ))
            },
        )?;
        ensure(once.iter().all(|kernel| count(kernel) == 1), || {
            told("a kernel is missing")
        })?;
        let registers = ["jacobi-tiny", "jacobi-columns"].contains(&path);
        match registers {
            true => ensure(counts.len() == 1, || told("more than one kernel"))?,
            false => ensure(
                AROUND.iter().all(|kernel| count(kernel) >= 1) && counts.len() > AROUND.len(),
                || told("one of those around it is missing"),
            )?,
        }
        // A round of columns, or of blocks of them, is a dispatch; a sweep is as many, and an advance.
        let most = report.outcomes.iter().map(|o| u64::from(o.sweeps)).max();
        let (rounds, sweeps) = (count("round") + count("blocks"), count("advance"));
        if once.contains(&"begin") {
            let whole = rounds % sweeps.max(1) == 0 && rounds >= sweeps;
            ensure(sweeps >= most.unwrap_or(0) && whole, || told("rounds"))?;
            if path == "jacobi-rounds" {
                let each = (n as u64).next_multiple_of(2) - 1;
                ensure(rounds == each * sweeps, || told("rounds of a sweep"))?;
            }
        }
        if let Some(device) = report.device_seconds {
            let sum: f64 = profile.iter().map(|kernel| kernel.seconds).sum();
            let close = (sum - device).abs() <= 1e-6 * device;
            ensure(close && sum > 0.0 && sum <= wall, || {
                told(&format!("{sum} s of {device} s of {wall} s"))
            })?;
        }
        ensure(engine.profile().is_empty(), || told("told twice"))?;
        // Who does not ask hears nothing, and has the same results.
        let same = solve(&plain)?;
        ensure(
            plain.profile().is_empty() && plain.profile() == engine.profile(),
            || told("nobody asked"),
        )?;
        ensure(
            same.sigma == svd.sigma && same.u == svd.u && first.v == svd.v && same.v == svd.v,
            || told("other results"),
        )?;
        ensure(same.report.device_seconds.is_none(), || told("a clock"))?;
    }
    Ok(())
}
