//! The planner's thresholds, one at a time beside the defaults: `bench --tune`.

use batched_svd::{Backend, Engine, Error, GpuOptions, Tuning};

use crate::cli::bench::row::Row;
use crate::cli::bench::table;

/// An engine with one threshold changed, or none.
pub(crate) struct Tuned {
    pub engine: Engine,
    pub name: String,
}

/// What the defaults are called.
const DEFAULT: &str = "default";

type Setting = (&'static str, u64, fn(&mut Tuning, u64));

/// Settings that a GPU's kernels may depend on.
const GPU: &[Setting] = &[
    ("invocation_words", 0, |t, v| {
        t.invocation_words = Some(v as u32)
    }),
    ("invocation_words", 64, |t, v| {
        t.invocation_words = Some(v as u32)
    }),
    ("invocation_words", 192, |t, v| {
        t.invocation_words = Some(v as u32)
    }),
    ("columns_workgroup", 32, |t, v| {
        t.columns_workgroup = v as u32
    }),
    ("columns_workgroup", 128, |t, v| {
        t.columns_workgroup = v as u32
    }),
    ("columns_workgroup", 256, |t, v| {
        t.columns_workgroup = v as u32
    }),
    ("rows_per_lane", 4, |t, v| t.rows_per_lane = v as usize),
    ("rows_per_lane", 16, |t, v| t.rows_per_lane = v as usize),
    ("workgroup_invocations", 128, |t, v| {
        t.workgroup_invocations = v as u32
    }),
    ("workgroup_invocations", 512, |t, v| {
        t.workgroup_invocations = v as u32
    }),
    // As little as kernels in global memory take.
    ("workgroup_storage", 7300, |t, v| {
        t.workgroup_storage = v as u32
    }),
    ("workgroup_storage", 16384, |t, v| {
        t.workgroup_storage = v as u32
    }),
    ("sweeps_per_dispatch", 4, |t, v| {
        t.sweeps_per_dispatch = v as u32
    }),
    ("sweeps_per_dispatch", 64, |t, v| {
        t.sweeps_per_dispatch = v as u32
    }),
    ("chunk_bytes", 16 << 20, |t, v| t.chunk_bytes = v),
    ("chunk_bytes", 256 << 20, |t, v| t.chunk_bytes = v),
    ("submit_flops", 1 << 30, |t, v| t.submit_flops = v),
    ("submit_flops", 64 << 30, |t, v| t.submit_flops = v),
];

/// Settings of the CPU.
const CPU: &[Setting] = &[
    ("lanes", 1, |t, v| t.lanes = v as usize),
    ("task_flops", 1 << 19, |t, v| t.task_flops = v),
    ("task_flops", 8 << 20, |t, v| t.task_flops = v),
    ("group_bytes", 1 << 20, |t, v| t.group_bytes = v),
    ("group_bytes", 64 << 20, |t, v| t.group_bytes = v),
];

/// The engine of a backend with its default thresholds, then with each of the others.
pub(crate) fn engines(backend: Backend, options: &GpuOptions) -> Result<Vec<Tuned>, Error> {
    let (settings, open): (_, &dyn Fn(Tuning) -> Result<Engine, Error>) = match backend {
        Backend::Gpu => (GPU, &|tuning| Engine::gpu(&options.clone().tuning(tuning))),
        _ => (CPU, &|tuning| Ok(Engine::cpu_with(tuning))),
    };
    let mut all = vec![Tuned {
        engine: open(Tuning::default())?,
        name: DEFAULT.into(),
    }];
    for &(name, value, set) in settings {
        let mut tuning = Tuning::default();
        set(&mut tuning, value);
        all.push(Tuned {
            engine: open(tuning)?,
            name: format!("{name} {value}"),
        });
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
