//! The planner's thresholds, one at a time beside the defaults: `bench --tune`.

use batched_svd::{Backend, Engine, GpuOptions};

use crate::cli::bench::row::Row;
use crate::cli::bench::table;
use crate::cli::failure::Failure;
use crate::cli::thresholds::{Setting, THRESHOLDS, number};

/// What is not changed is called so.
pub(crate) const DEFAULT: &str = "default";

/// Names and engines: one as it is, then others with one of its thresholds changed, by name or as many as
/// there are.
pub(crate) fn around(
    default: Engine,
    options: &GpuOptions,
    named: &[Setting],
) -> Result<Vec<(Engine, Option<String>)>, Failure> {
    let on_gpu = default.backend() == Backend::Gpu;
    let mut all = vec![(default, Some(DEFAULT.into()))];
    let fixed = THRESHOLDS.iter().map(|threshold| Setting {
        threshold,
        values: threshold.tries.to_vec(),
    });
    let settings = match named.is_empty() {
        true => fixed.collect(),
        false => named.to_vec(),
    };
    let here = settings.iter().filter(|s| s.threshold.gpu == on_gpu);
    for Setting { threshold, values } in here {
        for &value in values {
            let mut tuning = options.tuning.clone();
            threshold.apply(&mut tuning, value);
            let engine = match on_gpu {
                true => Engine::gpu(&options.clone().tuning(tuning))?,
                false => Engine::cpu_with(tuning),
            };
            let name = format!("{} {}", threshold.name, number(value));
            all.push((engine, Some(name)));
        }
    }
    Ok(all)
}

/// The rows of each case, and how many times as many matrices a second each setting gave.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut cases: Vec<&Row> = Vec::new();
    for row in rows {
        if cases.iter().all(|case| !case.same_case(row)) {
            cases.push(row);
        }
    }
    for case in cases {
        let here = || rows.iter().filter(|row| row.same_case(case));
        let engine = |row: &Row| row.peer.split(": ").next().map(String::from);
        let default =
            |of: &Row| here().find(|row| engine(row) == engine(of) && row.peer.ends_with(DEFAULT));
        let Row {
            op, dtype, m, n, ..
        } = case;
        let header = ["setting", "kernel", "batch", "matrices/s", "x default"];
        let mut table = table::table(header.map(String::from).into(), 2);
        for row in here() {
            let rate = row.rate().zip(default(row).and_then(Row::rate));
            table.add_row(vec![
                row.peer.clone(),
                row.kernel.clone().unwrap_or_default(),
                row.batch.to_string(),
                match row.rate() {
                    Some(rate) => table::short(rate),
                    None => format!("failed: {}", row.note),
                },
                table::or_dash(rate.map(|(rate, default)| table::ratio(rate / default))),
            ]);
        }
        text += &format!("{op} {dtype} {m}x{n}\n{table}\n\n");
    }
    text += "x default: how many times as many matrices a second, medians of one run\n";
    text
}
