//! What a person, or a program, wants to know of a run.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use batched_svd::{Engine, Real, Report, Status};
use serde_json::json;

use crate::cli::failure::{Failure, say};
use crate::cli::npy::Stack;

/// The worst residuals of what was computed.
pub(crate) enum Residuals {
    None,
    /// What is left of the right-hand sides; and the normal equations, where they hold.
    LeastSquares {
        left: f64,
        normal: Option<f64>,
    },
    /// The four conditions.
    MoorePenrose([f64; 4]),
    Factors {
        reconstruction: f64,
        orthogonality: f64,
    },
    Values {
        norm: f64,
    },
    /// What an approximation leaves, on purpose.
    Error(f64),
    Projector(f64),
    Basis(f64),
    Polar {
        reconstruction: f64,
        orthogonality: f64,
    },
}

impl Residuals {
    /// The worst relative residual, of what should have none.
    fn worst(&self) -> Option<f64> {
        match self {
            Residuals::None | Residuals::Error(_) => None,
            Residuals::LeastSquares { normal, .. } => *normal,
            Residuals::Projector(residual) | Residuals::Basis(residual) => Some(*residual),
            // A NaN must not hide behind a comparison.
            Residuals::MoorePenrose(four) => {
                Some(four.iter().fold(
                    0.0,
                    |worst, &r| {
                        if r > worst || r.is_nan() { r } else { worst }
                    },
                ))
            }
            Residuals::Factors { reconstruction, .. } | Residuals::Polar { reconstruction, .. } => {
                Some(*reconstruction)
            }
            Residuals::Values { norm } => Some(*norm),
        }
    }
}

pub(crate) struct Summary<'a> {
    op: &'static str,
    dtype: &'static str,
    rows: usize,
    cols: usize,
    report: &'a Report,
    seconds: f64,
    software: bool,
    residuals: Residuals,
}

/// Ranks shown one by one; a longer list is shown by its ends.
const MOST_RANKS: usize = 10;

impl<'a> Summary<'a> {
    pub fn new<T: Real>(
        op: &'static str,
        stack: &Stack<T>,
        report: &'a Report,
        time: Duration,
        engine: &Engine,
        residuals: Residuals,
    ) -> Self {
        Summary {
            op,
            dtype: T::DTYPE.name(),
            rows: stack.rows,
            cols: stack.cols,
            report,
            seconds: time.as_secs_f64(),
            software: engine.is_software(),
            residuals,
        }
    }

    fn ranks(&self) -> BTreeMap<u32, usize> {
        let mut ranks = BTreeMap::new();
        for outcome in &self.report.outcomes {
            if outcome.status != Status::NonFinite {
                *ranks.entry(outcome.rank).or_insert(0) += 1;
            }
        }
        ranks
    }

    pub fn print(&self, json: bool, input: &Path, output: &Path) -> Result<(), Failure> {
        if json {
            say(&format!("{}\n", self.json()))
        } else {
            say(&self.text(input, output))
        }
    }

    fn per_second(&self) -> f64 {
        self.report.outcomes.len() as f64 / self.seconds.max(1e-9)
    }

    fn json(&self) -> serde_json::Value {
        let report = self.report;
        let mut object = json!({
            "op": self.op,
            "dtype": self.dtype,
            "rows": self.rows,
            "cols": self.cols,
            "count": report.outcomes.len(),
            "engine": report.backend.to_string(),
            "device": report.device,
            "software": self.software,
            "kernel": report.kernel,
            "seconds": self.seconds,
            "matrices_per_s": self.per_second(),
            "converged": report.count(Status::Converged),
            "not_converged": report.count(Status::NotConverged),
            "non_finite": report.count(Status::NonFinite),
            "not_representable": report.count(Status::NotRepresentable),
            "max_sweeps": report.max_sweeps(),
            "ranks": self.ranks().iter().map(|(r, n)| (r.to_string(), json!(n)))
                .collect::<serde_json::Map<_, _>>(),
            "max_residual": self.residuals.worst(),
        });
        match self.residuals {
            Residuals::MoorePenrose(four) => object["moore_penrose"] = json!(four),
            Residuals::Factors { orthogonality, .. } | Residuals::Polar { orthogonality, .. } => {
                object["max_orthogonality"] = json!(orthogonality);
            }
            Residuals::LeastSquares { left, .. } => object["max_left"] = json!(left),
            Residuals::Error(error) => object["max_error"] = json!(error),
            Residuals::Values { .. }
            | Residuals::Projector(_)
            | Residuals::Basis(_)
            | Residuals::None => {}
        }
        object
    }

    fn text(&self, input: &Path, output: &Path) -> String {
        let report = self.report;
        let count = report.outcomes.len();
        let (m, n, dtype) = (self.rows, self.cols, self.dtype);
        let mut lines = vec![
            (
                "input",
                format!("{}: {count} of {m}x{n}, {dtype}", input.display()),
            ),
            ("device", self.device()),
            (
                "time",
                format!(
                    "{}, {} matrices/s",
                    duration(self.seconds),
                    rounded(self.per_second())
                ),
            ),
            ("converged", self.convergence()),
        ];
        for status in [
            Status::NotConverged,
            Status::NonFinite,
            Status::NotRepresentable,
        ] {
            let indices: Vec<_> = report.failures().filter(|(_, s)| *s == status).collect();
            if !indices.is_empty() {
                let shown: Vec<_> = indices.iter().take(8).map(|(i, _)| i.to_string()).collect();
                let more = if indices.len() > 8 { ", ..." } else { "" };
                let text = format!("{} ({}{more})", indices.len(), shown.join(", "));
                lines.push((name(status), text));
            }
        }
        lines.push(("ranks", self.rank_text()));
        lines.extend(self.residual_lines());
        lines.push(("output", output.display().to_string()));
        lines
            .iter()
            .map(|(name, text)| format!("{name:<18}{text}\n"))
            .collect()
    }

    fn device(&self) -> String {
        let software = if self.software { " (software)" } else { "" };
        format!(
            "{}{software}, kernel {}",
            self.report.device, self.report.kernel
        )
    }

    fn convergence(&self) -> String {
        let report = self.report;
        let mut sweeps: Vec<u32> = report
            .outcomes
            .iter()
            .filter(|o| o.status != Status::NonFinite)
            .map(|o| o.sweeps)
            .collect();
        sweeps.sort_unstable();
        let of = format!(
            "{} of {}",
            report.count(Status::Converged),
            report.outcomes.len()
        );
        match (sweeps.first(), sweeps.last()) {
            (Some(first), Some(last)) => format!(
                "{of}; sweeps: {first} to {last}, median {}",
                sweeps[sweeps.len() / 2]
            ),
            _ => of,
        }
    }

    fn rank_text(&self) -> String {
        let ranks = self.ranks();
        let all = format!("full rank is {}", self.rows.min(self.cols));
        if ranks.is_empty() {
            return all;
        }
        let list: Vec<String> = ranks.iter().map(|(r, n)| format!("{r} ({n})")).collect();
        if list.len() <= MOST_RANKS {
            return format!("{}; {all}", list.join(", "));
        }
        let ends = [&list[0], &list[list.len() - 1]];
        format!(
            "{} to {}, {} different; {all}",
            ends[0],
            ends[1],
            list.len()
        )
    }

    fn residual_lines(&self) -> Vec<(&'static str, String)> {
        let show = |r: f64| format!("{r:.2e} at most");
        match self.residuals {
            Residuals::None => vec![],
            Residuals::LeastSquares { left, normal } => {
                let normal = normal.map(|normal| ("|A'(B-AX)| / ..", show(normal)));
                let left = ("|B-AX| / |B|", show(left));
                [left].into_iter().chain(normal).collect()
            }
            Residuals::MoorePenrose([a, b, c, d]) => vec![
                ("|AXA-A| / |A|", show(a)),
                ("|XAX-X| / |X|", show(b)),
                ("|(AX)'-AX| / |AX|", show(c)),
                ("|(XA)'-XA| / |XA|", show(d)),
            ],
            Residuals::Factors {
                reconstruction,
                orthogonality,
            } => vec![
                ("|A-USV'| / |A|", show(reconstruction)),
                ("|U'U-I|, |V'V-I|", show(orthogonality)),
            ],
            Residuals::Values { norm } => vec![("||A|-|s|| / |A|", show(norm))],
            Residuals::Error(error) => vec![("|A-B| / |A|", show(error))],
            Residuals::Projector(residual) => vec![("|PP-P|", show(residual))],
            Residuals::Basis(loss) => vec![("|Q'Q-I|", show(loss))],
            Residuals::Polar {
                reconstruction,
                orthogonality,
            } => vec![
                ("|A-QH| / |A|", show(reconstruction)),
                ("|Q'Q-I|", show(orthogonality)),
            ],
        }
    }
}

fn name(status: Status) -> &'static str {
    match status {
        Status::NotConverged => "not converged",
        Status::NonFinite => "non-finite",
        Status::NotRepresentable => "not representable",
        _ => "other",
    }
}

/// Three digits and a unit.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// Three significant digits, with commas.
pub(crate) fn rounded(value: f64) -> String {
    if value < 1000.0 {
        return format!("{value:.3}");
    }
    let scale = 10f64.powi(value.log10() as i32 - 2);
    let digits = format!("{:.0}", (value / scale).round() * scale);
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
