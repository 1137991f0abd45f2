//! Measurements as tables for people.

use comfy_table::{CellAlignment, Table, presets};

use crate::cli::bench::case::Op;
use crate::cli::bench::row::{Kind, LimitRow, Row};
use crate::cli::summary::rounded;

/// What the columns mean.
const LEGEND: &str = "\
matrices/s: host memory to host memory, median (and spread) of the repetitions; gpu-resident: device memory to device memory,
and a look at the device's clock; on device: by that clock
GFLOP/s: by one nominal count (Golub and Van Loan, fig. 8.6.1), 14 m n^2 + 8 n^3; values only 4 m n^2 - 4/3 n^3; pinv 2 m n^2 more;
of symmetric matrices (section 8.3) 9 n^3; values only 4/3 n^3; of complex matrices four times as many
GB/s: of the bytes that must move; limit: executed operations, or those bytes, over the device's measured limit
residual, orth.: the largest that was checked, in units of rounding u (pinv: over the condition number)
x peer: how many times as many matrices a second as the peer, medians of one run; under 1 the peer is faster;
a ratio with ! is to a peer whose results failed the check
";

/// Operations whose results have orthonormal columns.
const WITH_VECTORS: [&str; 2] = [Op::Svd.name(), Op::Eigh.name()];

/// Contenders by the order in which they first appear, this project's own left out.
fn peers<'r>(rows: impl Iterator<Item = &'r Row>) -> Vec<&'r str> {
    let mut peers: Vec<&str> = Vec::new();
    for row in rows {
        if row.own().is_none() && !peers.contains(&row.peer.as_str()) {
            peers.push(&row.peer);
        }
    }
    peers
}

pub(crate) fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".into())
}

/// Two significant digits of a ratio.
pub(crate) fn ratio(value: f64) -> String {
    match value {
        v if v < 0.1 => format!("{v:.3}"),
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// The time of a call.
fn micros(seconds: f64) -> String {
    rounded(seconds * 1e6)
}

/// 8.1 M, 35 k: short enough for a column.
pub(crate) fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 1e9 => (v / 1e9, " G"),
        v if v >= 1e6 => (v / 1e6, " M"),
        v if v >= 1e3 => (v / 1e3, " k"),
        v => (v, ""),
    };
    match scaled {
        s if s < 9.95 => format!("{s:.2}{unit}"),
        s if s < 99.5 => format!("{s:.1}{unit}"),
        s => format!("{s:.0}{unit}"),
    }
}

pub(crate) fn table(header: Vec<String>, left: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// What is measured against: the same case in the same run.
fn peer_of<'r>(rows: &'r [Vec<Row>], run: usize, row: &Row, peer: &str) -> Option<&'r Row> {
    let of = |run: &'r Vec<Row>| run.iter().find(|r| r.peer == peer && r.same_case(row));
    of(&rows[run]).or_else(|| rows.iter().find_map(of))
}

/// The ratio to a peer, marked where the peer's results failed the check.
fn ratio_to(rows: &[Vec<Row>], run: usize, row: &Row, peer: &str) -> String {
    or_dash(peer_of(rows, run, row, peer).and_then(|other| {
        let mark = if other.ok { "" } else { "!" };
        let value = row.rate()? / other.matrices_per_s?;
        Some(ratio(value) + mark)
    }))
}

/// The tables of some runs, each a list of rows.
pub(crate) fn text(runs: &[Vec<Row>], limits: &[LimitRow]) -> String {
    let mut text = String::new();
    for limit in limits {
        text += &format!(
            "limit of {} in {}: {} GFLOP/s in multiply-adds, {} GB/s in copies ({})\n",
            limit.limits_of,
            limit.dtype,
            rounded(limit.gflops),
            rounded(limit.gbytes_per_s),
            limit.device,
        );
    }
    let all = || runs.iter().flatten();
    let mut parts: Vec<(Kind, &str, &str)> = Vec::new();
    for row in all() {
        let part = (row.kind, row.op.as_str(), row.dtype.as_str());
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    for part in &parts {
        let here = |row: &&Row| (row.kind, row.op.as_str(), row.dtype.as_str()) == *part;
        let peers = peers(all().filter(here));
        let (kind, op, dtype) = part;
        let table = match kind {
            Kind::Throughput => throughput(runs, &here, &peers),
            Kind::Latency => latency(runs, &here, &peers),
        };
        let title = match kind {
            Kind::Throughput => "matrices a second",
            Kind::Latency => "microseconds a call",
        };
        text += &format!("\n{op} {dtype}: {title}\n{table}\n");
    }
    let failures: Vec<&Row> = all().filter(|row| !row.ok).collect();
    if !failures.is_empty() {
        text += "\nfailed:\n";
    }
    for row in failures {
        let Row { peer, op, m, n, .. } = row;
        text += &format!("{peer}, {op} {} {m}x{n}: {}\n", row.dtype, row.note);
    }
    if parts.iter().any(|part| part.0 == Kind::Throughput) {
        text += "\n";
        text += LEGEND;
    }
    text
}

fn throughput(runs: &[Vec<Row>], here: &dyn Fn(&&Row) -> bool, peers: &[&str]) -> Table {
    let mut header: Vec<String> = [
        "shape",
        "engine",
        "kernel",
        "batch",
        "matrices/s",
        "spread",
        "on device",
        "GFLOP/s",
        "GB/s",
        "limit",
        "sweeps",
        "residual",
        "orth.",
    ]
    .map(String::from)
    .into();
    header.extend(peers.iter().map(|peer| format!("x {peer}")));
    let mut table = table(header, 3);
    for (run, row) in rows_of(runs, here) {
        let Some(engine) = row.own() else { continue };
        let software = if row.software { ", software" } else { "" };
        let u = match row.dtype.as_str() {
            "f64" | "c64" => 0.5 * f64::EPSILON,
            _ => 0.5 * f64::from(f32::EPSILON),
        };
        let spread = row.seconds_min.zip(row.seconds_max).map(|(min, max)| {
            let rate = |seconds: f64| row.batch as f64 / seconds;
            format!("{} to {}", short(rate(max)), short(rate(min)))
        });
        let mut cells = vec![
            format!("{}x{}", row.m, row.n),
            format!("{engine}{software}"),
            row.kernel.clone().unwrap_or_default(),
            row.batch.to_string(),
            match row.rate() {
                Some(rate) => short(rate),
                None => "failed".into(),
            },
            or_dash(spread),
            or_dash(row.device_seconds.map(|s| short(row.batch as f64 / s))),
            or_dash(row.gflops.map(short)),
            or_dash(row.gbytes_per_s.map(short)),
            or_dash(row.limit_fraction.map(|f| {
                let of = row.limit.as_deref().unwrap_or_default();
                format!("{:.1} % {of}", 100.0 * f)
            })),
            or_dash(row.median_sweeps.map(|s| s.to_string())),
            or_dash(row.residual.map(|r| format!("{:.1}", r / u))),
            or_dash(
                row.orthogonality
                    .filter(|_| WITH_VECTORS.contains(&row.op.as_str()))
                    .map(|o| format!("{:.1}", o / u)),
            ),
        ];
        cells.extend(peers.iter().map(|peer| ratio_to(runs, run, row, peer)));
        table.add_row(cells);
    }
    table
}

fn latency(runs: &[Vec<Row>], here: &dyn Fn(&&Row) -> bool, peers: &[&str]) -> Table {
    let mut own: Vec<&str> = Vec::new();
    for row in runs.iter().flatten().filter(here) {
        if row.own().is_some() && !own.contains(&row.peer.as_str()) {
            own.push(&row.peer);
        }
    }
    let mut header = vec!["shape".to_string(), "matrices".to_string()];
    header.extend(own.iter().chain(peers).map(|name| name.to_string()));
    let mut table = table(header, 1);
    let mut seen: Vec<(usize, usize, usize)> = Vec::new();
    for (run, row) in rows_of(runs, here) {
        let case = (row.m, row.n, row.batch);
        if seen.contains(&case) {
            continue;
        }
        seen.push(case);
        let mut cells = vec![format!("{}x{}", row.m, row.n), row.batch.to_string()];
        cells.extend(own.iter().chain(peers).map(|name| {
            let row = peer_of(runs, run, row, name);
            or_dash(row.filter(|r| r.ok).and_then(|r| r.seconds).map(micros))
        }));
        table.add_row(cells);
    }
    table
}

fn rows_of<'r>(runs: &'r [Vec<Row>], here: &dyn Fn(&&Row) -> bool) -> Vec<(usize, &'r Row)> {
    runs.iter()
        .enumerate()
        .flat_map(|(index, rows)| rows.iter().map(move |row| (index, row)))
        .filter(|(_, row)| here(row))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(peer: &str, rate: f64, ok: bool) -> Row {
        Row {
            peer: peer.into(),
            op: "svd".into(),
            dtype: "f32".into(),
            m: 8,
            n: 8,
            batch: 100,
            seconds: Some(100.0 / rate),
            matrices_per_s: Some(rate),
            ok,
            note: if ok {
                String::new()
            } else {
                "check failed".into()
            },
            ..Row::default()
        }
    }

    #[test]
    fn a_ratio_is_of_the_same_run_and_marks_the_wrong() {
        let runs = [
            vec![row("batched-svd-cpu", 100.0, true), row("faer", 50.0, true)],
            vec![
                row("batched-svd-cpu", 100.0, true),
                row("faer", 400.0, true),
                row("nalgebra", 1e9, false),
            ],
        ];
        assert_eq!(ratio_to(&runs, 0, &runs[0][0], "faer"), "2.00");
        assert_eq!(ratio_to(&runs, 1, &runs[1][0], "faer"), "0.25");
        assert_eq!(ratio_to(&runs, 1, &runs[1][0], "nalgebra"), "0.000!");
        assert_eq!(
            ratio_to(&runs, 1, &row("batched-svd-cpu", 1e9, false), "faer"),
            "-"
        );
        assert_eq!(ratio_to(&runs, 0, &runs[0][0], "nobody"), "-");
        let text = text(&runs, &[]);
        assert!(
            text.contains("nalgebra, svd f32 8x8: check failed"),
            "{text}"
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(1_634_000.0), "1.63 M");
        assert_eq!(short(166_400.0), "166 k");
        assert_eq!(short(34.56), "34.6");
        assert_eq!(ratio(0.052), "0.052");
        assert_eq!(ratio(123.4), "123");
    }
}
