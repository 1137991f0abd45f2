//! What each kernel of a GPU takes: `bench --profile`.

use batched_svd::{Engine, Error, KernelProfile, Options};

use crate::cli::bench::case::Case;
use crate::cli::bench::contender::{Contender, Own};
use crate::cli::bench::measure::{Budget, size, warm_up};
use crate::cli::bench::peers::Number;
use crate::cli::bench::row::{KernelRow, ProfileRow};
use crate::cli::bench::source::Source;
use crate::cli::bench::table;

/// What the kernels of one call took on an engine that profiles, data resident.
pub(crate) fn measure<T: Number>(
    case: &Case,
    engine: &Engine,
    options: &Options,
    budget: Budget,
    source: &mut Source,
) -> Result<ProfileRow, Error> {
    let mut own = Own::<T>::resident(engine, options.clone());
    let mut row = ProfileRow {
        profile_of: Contender::<T>::name(&own).to_string(),
        op: case.op.name().into(),
        m: case.rows,
        n: case.cols,
        dtype: case.dtype.name().into(),
        device: engine.to_string(),
        software: engine.is_software(),
        ..ProfileRow::default()
    };
    // Whatever came before is not this case's.
    engine.profile();
    let mut drawn = Source::of(case)?;
    let run = size(case, &mut own, budget, &mut drawn, source)?;
    let first = engine.profile();
    row.batch = run.count;
    let calls = || -> Result<(), String> {
        if let Some(error) = run.error {
            return Err(error);
        }
        let data = drawn
            .least(run.count, source)
            .map_err(|error| error.to_string())?;
        own.load(case, data, run.count)?;
        warm_up(&mut own)?;
        engine.profile();
        let (mut seconds, mut device_seconds) = (0.0, None);
        for _ in 0..run.repetitions {
            let timing = own.run()?;
            seconds += timing.seconds;
            if let Some(more) = timing.device_seconds {
                *device_seconds.get_or_insert(0.0) += more;
            }
        }
        let each = run.repetitions as f64;
        row.seconds = Some(seconds / each);
        row.device_seconds = device_seconds.map(|s| s / each);
        row.path = Contender::<T>::facts(&own).kernel.unwrap_or_default();
        row.kernels = kernels(&first, engine.profile(), run.repetitions);
        Ok(())
    };
    let outcome = calls();
    row.ok = outcome.is_ok();
    row.note = outcome.err().unwrap_or_default();
    Ok(row)
}

/// Of one call; seconds of compilation are the first call's.
fn kernels(first: &[KernelProfile], calls: Vec<KernelProfile>, count: usize) -> Vec<KernelRow> {
    let compiled = |kernel: &KernelProfile| {
        let same = |k: &&KernelProfile| (k.kernel, &k.form) == (kernel.kernel, &kernel.form);
        first.iter().find(same).and_then(|k| k.compiled)
    };
    let rows = calls.into_iter().map(|kernel| KernelRow {
        compile_seconds: compiled(&kernel).or(kernel.compiled),
        dispatches: kernel.dispatches / count as u64,
        seconds: kernel.seconds / count as f64,
        kernel: kernel.kernel.into(),
        form: kernel.form,
    });
    rows.collect()
}

/// A call in one line.
pub(crate) fn title(row: &ProfileRow) -> String {
    let ProfileRow {
        op, dtype, m, n, ..
    } = row;
    let software = if row.software { ", software" } else { "" };
    let millis = |seconds: Option<f64>| {
        table::or_dash(seconds.map(|s| format!("{} ms", table::ratio(1e3 * s))))
    };
    let (call, device) = (millis(row.seconds), millis(row.device_seconds));
    match row.ok {
        true => format!(
            "{op} {dtype} {m}x{n}, {} matrices, {}{software}: {call} a call, {device} on device",
            row.batch, row.path
        ),
        false => format!("{op} {dtype} {m}x{n}: failed: {}", row.note),
    }
}

/// The kernel's part of all that the device did.
pub(crate) fn share(row: &ProfileRow, kernel: &KernelRow) -> f64 {
    let all: f64 = row.kernels.iter().map(|k| k.seconds).sum();
    kernel.seconds / all.max(1e-12)
}

/// The tables of some calls.
pub(crate) fn text(rows: &[ProfileRow]) -> String {
    let mut text = String::new();
    for row in rows {
        text += &format!("{}\n", title(row));
        let header = [
            "kernel",
            "made for",
            "dispatches",
            "ms",
            "share",
            "compile s",
        ];
        let mut table = table::table(header.map(String::from).into(), 2);
        for kernel in &row.kernels {
            table.add_row(vec![
                kernel.kernel.clone(),
                kernel.form.clone(),
                kernel.dispatches.to_string(),
                format!("{:.3}", 1e3 * kernel.seconds),
                format!("{:.1} %", 100.0 * share(row, kernel)),
                table::or_dash(kernel.compile_seconds.map(|s| format!("{s:.3}"))),
            ]);
        }
        text += &format!("{table}\n\n");
    }
    text += "ms: of one call, data resident, by the device's clock, every dispatch in a pass of its own\n";
    text += "compile s: - where an earlier shape had the same text compiled\n";
    text
}
