//! The planner's thresholds, one at a time beside the defaults: `bench --tune`.

use batched_svd::{Backend, Engine, Error, GpuOptions, Tuning};

use crate::cli::bench::row::Row;
use crate::cli::bench::table;

/// What the defaults are called.
const DEFAULT: &str = "default";

/// A threshold, how to set it, and what to try.
type Setting = (&'static str, fn(&mut Tuning, u64), &'static [u64]);

/// What a GPU's kernels may depend on.
#[rustfmt::skip]
const GPU: &[Setting] = &[
    ("invocation_words", |t, v| t.invocation_words = Some(v as u32), &[0, 64, 192]),
    ("fuses_columns", |t, v| t.fuses_columns = Some(v != 0), &[0, 1]),
    ("tiny_columns", |t, v| t.tiny_columns = Some(v as usize), &[0, 3, 5, 8]),
    ("columns_workgroup", |t, v| t.columns_workgroup = v as u32, &[32, 128, 256]),
    ("rows_per_lane", |t, v| t.rows_per_lane = v as usize, &[4, 16]),
    ("workgroup_invocations", |t, v| t.workgroup_invocations = v as u32, &[128, 512]),
    // The first is as little as kernels in global memory take.
    ("workgroup_storage", |t, v| t.workgroup_storage = v as u32, &[7300, 16384]),
    ("sweeps_per_dispatch", |t, v| t.sweeps_per_dispatch = v as u32, &[4, 64]),
    ("chunk_bytes", |t, v| t.chunk_bytes = v, &[16 << 20, 256 << 20]),
    ("submit_flops", |t, v| t.submit_flops = Some(v), &[1 << 30, 64 << 30]),
];

/// And the CPU.
#[rustfmt::skip]
const CPU: &[Setting] = &[
    ("lanes", |t, v| t.lanes = v as usize, &[1]),
    ("task_flops", |t, v| t.task_flops = v, &[1 << 19, 8 << 20]),
    ("group_bytes", |t, v| t.group_bytes = v, &[1 << 20, 64 << 20]),
];

/// Names and engines: one with its default thresholds, then others with one of them changed.
pub(crate) fn around(
    default: Engine,
    options: &GpuOptions,
) -> Result<Vec<(Engine, Option<String>)>, Error> {
    let on_gpu = default.backend() == Backend::Gpu;
    let mut all = vec![(default, Some(DEFAULT.into()))];
    for &(name, set, values) in if on_gpu { GPU } else { CPU } {
        for &value in values {
            let mut tuning = Tuning::default();
            set(&mut tuning, value);
            let engine = match on_gpu {
                true => Engine::gpu(&options.clone().tuning(tuning))?,
                false => Engine::cpu_with(tuning),
            };
            all.push((engine, Some(format!("{name} {value}"))));
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
