//! All that was measured in few characters, for who decides what to do next: `bench --merge FILE... --brief`.

use crate::cli::bench::profile;
use crate::cli::bench::row::{LimitRow, ProfileRow, Row};
use crate::cli::bench::table::{or_dash, ratio, short, table};
use crate::cli::bench::tune::DEFAULT;
use crate::cli::summary::rounded;

/// The most characters in all.
const MOST: usize = 5500;
/// The most lines of what failed, and of one of them.
const FAILED: usize = 8;
const FAILED_LINE: usize = 140;
/// Kernels with less than this share of a call's time, or of a second to compile, are not named.
const SHARE: f64 = 0.03;
const COMPILED: f64 = 0.05;

/// What failed, figures, thresholds, profiles, peers: the first that would be missed first.
pub(crate) fn text(runs: &[Vec<Row>], limits: &[LimitRow], profiles: &[ProfileRow]) -> String {
    let rows: Vec<&Row> = runs.iter().flatten().collect();
    let (tuned, plain): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| setting(row).is_some());
    let parts = [
        failed(&rows, profiles),
        settings(&plain, profiles),
        figures(&plain, limits),
        thresholds(&tuned),
        kernels(profiles),
        peers(runs),
    ];
    let mut text = String::new();
    let mut left_out = 0;
    for line in parts.iter().flat_map(|part| part.lines()) {
        // Room for the last line.
        if left_out > 0 || text.len() + line.len() + 1 > MOST - 40 {
            left_out += 1;
            continue;
        }
        text += &format!("{line}\n");
    }
    if left_out > 0 {
        text += &format!("({left_out} lines are left out)\n");
    }
    text
}

/// The threshold of a row of `--tune`, and its value; or that it has the defaults.
fn setting(row: &Row) -> Option<(&str, &str)> {
    let (_, setting) = row.peer.split_once(": ")?;
    Some(setting.split_once(' ').unwrap_or((setting, "")))
}

fn case(row: &Row) -> String {
    let Row {
        op, dtype, m, n, ..
    } = row;
    format!("{op} {dtype} {m}x{n}")
}

fn failed(rows: &[&Row], profiles: &[ProfileRow]) -> String {
    let own = rows
        .iter()
        .filter(|row| row.own().is_some() && !row.ok)
        .map(|row| format!("{}, {}: {}", row.peer, case(row), row.note));
    let profiles = profiles
        .iter()
        .filter(|row| !row.ok)
        .map(|row| format!("profile, {}", profile::title(row)));
    let lines: Vec<String> = own.chain(profiles).collect();
    let mut text = String::new();
    for line in lines.iter().take(FAILED) {
        let line: String = line.chars().take(FAILED_LINE).collect();
        text += &format!("FAILED {line}\n");
    }
    if lines.len() > FAILED {
        text += &format!("FAILED and {} more\n", lines.len() - FAILED);
    }
    text
}

fn settings(rows: &[&Row], profiles: &[ProfileRow]) -> String {
    let mut all: Vec<&str> = rows.iter().map(|row| row.settings.as_str()).collect();
    all.extend(profiles.iter().map(|row| row.settings.as_str()));
    all.sort_unstable();
    all.dedup();
    let set = all.iter().filter(|settings| !settings.is_empty());
    set.map(|settings| format!("* set: {settings}\n")).collect()
}

/// A line a shape and type, with this project's figures of all operations.
fn figures(rows: &[&Row], limits: &[LimitRow]) -> String {
    let own: Vec<&Row> = rows
        .iter()
        .copied()
        .filter(|row| row.own().is_some())
        .collect();
    let mut text = String::new();
    let mut told = Vec::new();
    for limit in limits {
        let of = (&limit.limits_of, &limit.dtype);
        if told.contains(&of) {
            continue;
        }
        told.push(of);
        text += &format!(
            "limit of {} in {}: {} GFLOP/s (f), {} GB/s (b)\n",
            limit.limits_of,
            limit.dtype,
            rounded(limit.gflops),
            rounded(limit.gbytes_per_s)
        );
    }
    let mut ops: Vec<&str> = Vec::new();
    let mut shapes: Vec<(&str, usize, usize, &str)> = Vec::new();
    for row in &own {
        if !ops.contains(&row.op.as_str()) {
            ops.push(&row.op);
        }
        let shape = (row.dtype.as_str(), row.m, row.n, row.settings.as_str());
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    if own.is_empty() {
        return text;
    }
    let mut header = vec!["matrices/s".to_string(), "kernel".to_string()];
    for op in &ops {
        header.extend([
            format!("{op}: batch"),
            "resident".into(),
            "on device".into(),
        ]);
        header.extend(["limit".into(), "end to end".into()]);
    }
    let mut table = table(header, 2);
    for &(dtype, m, n, settings) in &shapes {
        // The last of a case counts: it was measured once more. The CPU's where there is no GPU's.
        let find = |op: &str, resident: bool| {
            let same = |row: &&&Row| {
                (row.dtype.as_str(), row.m, row.n, row.op.as_str()) == (dtype, m, n, op)
                    && row.settings == settings
                    && row
                        .own()
                        .is_some_and(|own| own.ends_with("resident") == resident)
            };
            let all = own.iter().rev().filter(same);
            all.min_by_key(|row| row.own() == Some("cpu"))
        };
        let any = ops.iter().find_map(|op| find(op, true).or(find(op, false)));
        let kernel = any.and_then(|row| row.kernel.clone()).unwrap_or_default();
        let mut cells = vec![
            format!(
                "{dtype} {m}x{n}{}",
                if settings.is_empty() { "" } else { " *" }
            ),
            kernel.trim_start_matches("jacobi-").to_string(),
        ];
        for op in &ops {
            let (resident, whole) = (find(op, true), find(op, false));
            let rate = |row: Option<&&Row>| {
                or_dash(row.map(|row| row.rate().map_or("failed".into(), short)))
            };
            let device = |row: &&Row| row.device_seconds.map(|s| short(row.batch as f64 / s));
            cells.push(or_dash(resident.or(whole).map(|row| row.batch.to_string())));
            cells.push(rate(resident));
            cells.push(or_dash(resident.and_then(device)));
            cells.push(or_dash(resident.and_then(|row| {
                let of = row.limit.as_deref()?.chars().next()?;
                Some(format!("{:.1}% {of}", 100.0 * row.limit_fraction?))
            })));
            cells.push(rate(whole));
        }
        table.add_row(cells);
    }
    text + &trimmed(&table.to_string())
}

/// Without what only fills a table's last column.
fn trimmed(table: &str) -> String {
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// A line a case and threshold: how many times as many matrices a second each value gave.
fn thresholds(rows: &[&Row]) -> String {
    let mut text = String::new();
    let mut seen: Vec<(&Row, &str, &str)> = Vec::new();
    for row in rows {
        let Some((name, _)) = setting(row).filter(|(name, _)| *name != DEFAULT) else {
            continue;
        };
        let settings = row.settings.as_str();
        let known = |(other, n, s): &(&Row, &str, &str)| {
            other.same_case(row) && *n == name && *s == settings
        };
        if !seen.iter().any(known) {
            seen.push((row, name, settings));
        }
    }
    if !seen.is_empty() {
        text += "thresholds, times the matrices/s of the default in the same run:\n";
    }
    for (first, name, settings) in seen {
        let at = |row: &&&Row| row.same_case(first) && row.settings == settings;
        let index = rows.iter().position(|row| std::ptr::eq(*row, first));
        // Each run has a default of its own, which comes before what it is compared with.
        let default = rows[..index.unwrap_or(0)]
            .iter()
            .rev()
            .filter(at)
            .find(|row| setting(row).is_some_and(|s| s.0 == DEFAULT));
        let kernel = |row: &Row| row.kernel.clone().unwrap_or_default();
        let usual = default.map(|row| kernel(row)).unwrap_or_default();
        let values = rows.iter().filter(at).filter_map(|row| {
            let (_, value) = setting(row).filter(|(other, _)| *other == name)?;
            let times = row.rate().zip(default.and_then(|row| row.rate()));
            let other = match kernel(row) {
                kernel if kernel == usual || kernel.is_empty() => String::new(),
                kernel => format!(" {}", kernel.trim_start_matches("jacobi-")),
            };
            Some(match times {
                Some((rate, default)) => format!("{value} {}{other}", ratio(rate / default)),
                None => format!("{value} failed"),
            })
        });
        let values: Vec<String> = values.collect();
        let rate = or_dash(default.and_then(|row| row.rate()).map(short));
        let with = match settings {
            "" => String::new(),
            settings => format!(" with {settings}"),
        };
        let case = case(first);
        let usual = usual.trim_start_matches("jacobi-");
        let values = values.join(", ");
        text += &format!("  {case} {name}{with}: {values} (default {rate} {usual})\n");
    }
    text
}

/// A line a call: the kernels that take its time, and those that take time to compile.
fn kernels(profiles: &[ProfileRow]) -> String {
    let mut text = String::new();
    for row in profiles.iter().filter(|row| row.ok) {
        let mut largest: Vec<_> = row.kernels.iter().collect();
        largest.sort_by(|x, y| y.seconds.total_cmp(&x.seconds));
        let shares = largest.iter().filter(|k| profile::share(row, k) >= SHARE);
        let shares = shares.map(|k| {
            let share = 100.0 * profile::share(row, k);
            format!("{} {share:.0}% ({}x)", k.kernel, k.dispatches)
        });
        let mut compiled: Vec<_> = row
            .kernels
            .iter()
            .filter_map(|k| Some((k, k.compile_seconds?)))
            .collect();
        compiled.sort_by(|x, y| y.1.total_cmp(&x.1));
        let all = compiled.iter().fold(0.0, |all, (_, s)| all + s);
        let slow = compiled.iter().filter(|(_, s)| *s >= COMPILED).take(4);
        let slow: Vec<String> = slow.map(|(k, s)| format!("{} {s:.2}", k.kernel)).collect();
        let slow = match slow.is_empty() {
            true => String::new(),
            false => format!(": {}", slow.join(", ")),
        };
        let shares: Vec<String> = shares.collect();
        let (title, shares) = (profile::title(row), shares.join(", "));
        text += &format!("  {title}: {shares}; compiled in {all:.2} s{slow}\n");
    }
    match text.is_empty() {
        true => text,
        false => format!("kernels of one call, resident, a pass a dispatch:\n{text}"),
    }
}

/// A line a case: the peers' matrices a second, and how many times as many ours are.
fn peers(runs: &[Vec<Row>]) -> String {
    let mut text = String::new();
    for rows in runs {
        let mut seen: Vec<&Row> = Vec::new();
        for first in rows.iter().filter(|row| row.own().is_none()) {
            if seen.iter().any(|row| row.same_case(first)) {
                continue;
            }
            seen.push(first);
            // Theirs is where they compute, so ours is too.
            let here = || rows.iter().filter(|row| row.same_case(first));
            let ours = |end: &str| {
                let own = |row: &&Row| row.own().is_some_and(|own| own.ends_with(end));
                here().find(own).and_then(Row::rate)
            };
            let ours = ours("resident").or_else(|| ours(""));
            let theirs = here().filter(|row| row.own().is_none()).map(|row| {
                let wrong = if row.ok { "" } else { "!" };
                match (row.matrices_per_s, ours) {
                    (None, _) => format!("{} failed", row.peer),
                    (Some(rate), None) => format!("{} {}{wrong}", row.peer, short(rate)),
                    (Some(rate), Some(ours)) => {
                        let times = ratio(ours / rate);
                        format!("{} {}{wrong} (x {times})", row.peer, short(rate))
                    }
                }
            });
            let theirs: Vec<String> = theirs.collect();
            let ours = or_dash(ours.map(short));
            let theirs = theirs.join(", ");
            text += &format!("  {}: ours {ours}; {theirs}\n", case(first));
        }
    }
    match text.is_empty() {
        true => text,
        false => format!(
            "peers, matrices/s (x: so many times as many are ours; !: wrong results):\n{text}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::row::KernelRow;

    fn row(peer: &str, n: usize, rate: f64) -> Row {
        Row {
            peer: peer.into(),
            op: "svd".into(),
            dtype: "f32".into(),
            m: n,
            n,
            batch: 100,
            seconds: Some(100.0 / rate),
            matrices_per_s: Some(rate),
            ok: true,
            kernel: Some("jacobi-columns".into()),
            ..Row::default()
        }
    }

    #[test]
    fn all_that_decides_is_told_and_failures_first() {
        let own = "batched-svd-gpu-resident";
        let failed = Row {
            ok: false,
            note: "check failed: residual 1e9 u".into(),
            ..row("batched-svd-gpu", 8, 5.0)
        };
        let wider = Row {
            kernel: Some("jacobi-resident".into()),
            ..row("batched-svd-gpu-resident: invocation_words 256", 8, 300.0)
        };
        let tuned = vec![row("batched-svd-gpu-resident: default", 8, 100.0), wider];
        let profile = ProfileRow {
            op: "svd".into(),
            dtype: "f32".into(),
            m: 8,
            n: 8,
            ok: true,
            kernels: [("solve", 3.0), ("order", 1.0), ("look", 0.01)]
                .map(|(kernel, seconds)| KernelRow {
                    kernel: kernel.into(),
                    dispatches: 2,
                    seconds,
                    compile_seconds: Some(seconds),
                    ..KernelRow::default()
                })
                .into(),
            ..ProfileRow::default()
        };
        let peers = vec![row(own, 8, 100.0), row("cupy", 8, 50.0)];
        let runs = [vec![row(own, 8, 100.0), failed], tuned, peers];
        let told = text(&runs, &[], &[profile]);
        assert!(
            told.starts_with("FAILED batched-svd-gpu, svd f32 8x8: check failed"),
            "{told}"
        );
        for part in [
            "f32 8x8",
            "invocation_words: 256 3.00 resident (default 100 columns)",
            "solve 75% (2x), order 25% (2x); compiled in 4.01 s: solve 3.00",
            "ours 100; cupy 50.0 (x 2.00)",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("look"), "{told}");
    }

    #[test]
    fn it_is_never_long() {
        let rows: Vec<Row> = (1..500)
            .map(|n| row("batched-svd-gpu-resident", n, 1e6))
            .collect();
        let told = text(&[rows], &[], &[]);
        assert!(
            told.len() <= MOST && told.len() > MOST / 2,
            "{}",
            told.len()
        );
        assert!(told.trim_end().ends_with("lines are left out)"), "{told}");
    }
}
