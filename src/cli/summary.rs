//! What a person, or a program, wants to know of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use batched_svd::{Dtype, Outcome, Report, Status};
use serde_json::json;

use crate::cli::failure::{Failure, say};
use crate::cli::judge::{Kind, Residual, Verdict, judge};
use crate::cli::npy::Shape;

pub(crate) struct Summary<'a> {
    pub op: &'static str,
    pub input: &'a Path,
    pub zipped: bool,
    pub dtype: Dtype,
    /// Of every array in the input.
    pub shapes: Vec<&'a Shape>,
    /// Unless results of others are verified.
    pub run: Option<Run<'a>>,
    /// Of every matrix, over all arrays.
    pub statuses: Vec<Status>,
    pub residuals: Vec<Residual>,
    /// Whether residuals are judged by what is promised.
    pub verify: bool,
    /// Why they are not, where nothing is.
    pub unjudged: Option<&'static str>,
}

/// What an engine did, and where its results are.
pub(crate) struct Run<'a> {
    pub outcomes: &'a [Outcome],
    /// Of every array.
    pub reports: &'a [Report],
    pub seconds: f64,
    pub software: bool,
    pub outputs: Vec<PathBuf>,
}

/// Ranks shown one by one; a longer list is shown by its ends.
const MOST_RANKS: usize = 10;

/// What a matrix, counted over all arrays, is called.
pub(crate) fn name_of(shapes: &[&Shape], zipped: bool, index: usize) -> String {
    let mut own = index;
    for shape in shapes.iter().filter(|_| zipped) {
        if own < shape.count {
            return format!("{}[{own}]", shape.key.escape_debug());
        }
        own -= shape.count;
    }
    index.to_string()
}

impl Run<'_> {
    fn ranks(&self) -> BTreeMap<u32, usize> {
        let mut ranks = BTreeMap::new();
        for outcome in self.outcomes {
            if outcome.status != Status::NonFinite {
                *ranks.entry(outcome.rank).or_insert(0) += 1;
            }
        }
        ranks
    }

    fn per_second(&self) -> f64 {
        self.outcomes.len() as f64 / self.seconds.max(1e-9)
    }

    /// What the reports of all arrays say, each thing once.
    fn said(&self, of: impl Fn(&Report) -> String) -> String {
        let all: BTreeSet<String> = self.reports.iter().map(of).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    }

    fn device(&self) -> String {
        let software = if self.software { " (software)" } else { "" };
        let (device, kernel) = (
            self.said(|r| r.device.clone()),
            self.said(|r| r.kernel.to_string()),
        );
        format!("{device}{software}, kernel {kernel}")
    }

    /// Why the CPU had to finish what a GPU had begun, once.
    fn device_error(&self) -> Option<String> {
        let mut errors = self.reports.iter().flat_map(|r| &r.device_error);
        errors
            .next()
            .map(|error| Failure::from(error.clone()).to_string())
    }

    fn convergence(&self) -> String {
        let finite = self
            .outcomes
            .iter()
            .filter(|o| o.status != Status::NonFinite);
        let mut sweeps: Vec<u32> = finite.map(|o| o.sweeps).collect();
        sweeps.sort_unstable();
        let converged = self
            .outcomes
            .iter()
            .filter(|o| o.status == Status::Converged);
        let of = format!("{} of {}", converged.count(), self.outcomes.len());
        match (sweeps.first(), sweeps.last()) {
            (Some(first), Some(last)) => format!(
                "{of}; sweeps: {first} to {last}, median {}",
                sweeps[sweeps.len() / 2]
            ),
            _ => of,
        }
    }
}

impl Summary<'_> {
    /// Prints what there is to say, and fails if a residual is above what is promised.
    pub fn tell(&self, json: bool) -> Result<(), Failure> {
        let verdict = match self.verify {
            true => judge(&self.residuals, &self.statuses),
            false => None,
        };
        match json {
            true => say(&format!("{}\n", self.json(verdict.as_ref())))?,
            false => say(&self.text(verdict.as_ref()))?,
        }
        let Some((matrix, name, value, promised)) = verdict.as_ref().and_then(|v| v.worst) else {
            return Ok(());
        };
        let matrix = name_of(&self.shapes, self.zipped, matrix);
        let others = match verdict.map_or(0, |v| v.above) {
            0 | 1 => String::new(),
            above => format!(" ({above} matrices are above)"),
        };
        let text = format!(
            "matrix {matrix}: {name} is {value:.2e}, but at most {promised:.2e} is promised{others}"
        );
        Err(Failure::file(self.input, text).at_run())
    }

    fn count(&self, status: Status) -> usize {
        self.statuses.iter().filter(|s| **s == status).count()
    }

    /// The worst of a residual over all matrices that have a result, and what is promised of that one.
    fn worst(&self, residual: &Residual) -> (f64, Option<f64>) {
        let Some(b) = residual.worst(&self.statuses) else {
            return (0.0, None);
        };
        let promised = residual.promised.as_ref().filter(|_| self.verify);
        (residual.values[b], promised.map(|promised| promised[b]))
    }

    /// The worst of what should be nothing.
    fn max_residual(&self) -> Option<f64> {
        let kinds = [Kind::Main, Kind::MoorePenrose];
        let those = self.residuals.iter().filter(|r| kinds.contains(&r.kind));
        // A NaN must not hide behind a comparison.
        let larger = |x: f64, y: f64| if y > x || y.is_nan() { y } else { x };
        those.map(|r| self.worst(r).0).reduce(larger)
    }

    fn json(&self, verdict: Option<&Verdict>) -> serde_json::Value {
        let mut object = json!({
            "op": self.op,
            "dtype": self.dtype.name(),
            "count": self.statuses.len(),
            "non_finite": self.count(Status::NonFinite),
            "max_residual": self.max_residual(),
        });
        match &self.shapes[..] {
            [shape] if !self.zipped => {
                object["rows"] = json!(shape.rows);
                object["cols"] = json!(shape.cols);
            }
            shapes => {
                let dimensions = |s: &&Shape| {
                    let own = [s.rows as u64, s.cols as u64];
                    s.leading.iter().copied().chain(own).collect::<Vec<_>>()
                };
                let keys: Vec<&str> = shapes.iter().map(|shape| shape.key.as_str()).collect();
                object["arrays"] = json!(keys);
                object["shapes"] = json!(shapes.iter().map(dimensions).collect::<Vec<_>>());
            }
        }
        if let Some(run) = &self.run {
            object["engine"] = json!(run.said(|r| r.backend.to_string()));
            object["device"] = json!(run.said(|r| r.device.clone()));
            object["software"] = json!(run.software);
            if let Some(error) = run.device_error() {
                object["device_error"] = json!(error);
            }
            object["kernel"] = json!(run.said(|r| r.kernel.to_string()));
            object["seconds"] = json!(run.seconds);
            object["matrices_per_s"] = json!(run.per_second());
            object["converged"] = json!(self.count(Status::Converged));
            object["not_converged"] = json!(self.count(Status::NotConverged));
            object["not_representable"] = json!(self.count(Status::NotRepresentable));
            object["max_sweeps"] = json!(run.outcomes.iter().map(|o| o.sweeps).max().unwrap_or(0));
            let ranks = run.ranks().into_iter();
            let ranks = ranks.map(|(r, n)| (r.to_string(), json!(n)));
            object["ranks"] = ranks.collect::<serde_json::Map<_, _>>().into();
        }
        let mut promised = serde_json::Map::new();
        for kind in [
            Kind::MoorePenrose,
            Kind::Main,
            Kind::Orthogonality,
            Kind::Left,
            Kind::Error,
            Kind::Order,
        ] {
            let those = self.residuals.iter().filter(|r| r.kind == kind);
            let worst: Vec<_> = those.map(|r| self.worst(r)).collect();
            let Some(&(first, bound)) = worst.first() else {
                continue;
            };
            let (values, bounds): (Vec<f64>, Vec<Option<f64>>) = worst.into_iter().unzip();
            let (key, value, bound) = match kind {
                Kind::MoorePenrose => ("moore_penrose", json!(values), json!(bounds)),
                Kind::Main => ("max_residual", json!(first), json!(bound)),
                Kind::Orthogonality => ("max_orthogonality", json!(first), json!(bound)),
                Kind::Left => ("max_left", json!(first), json!(bound)),
                Kind::Error => ("max_error", json!(first), json!(bound)),
                Kind::Order => ("max_ascent", json!(first), json!(bound)),
            };
            object[key] = value;
            promised.insert(key.to_string(), bound);
        }
        if self.verify {
            object["promised"] = json!(promised);
            object["judged"] = json!(verdict.map_or(0, |v| v.judged));
            object["above"] = json!(verdict.map_or(0, |v| v.above));
        }
        object
    }

    fn text(&self, verdict: Option<&Verdict>) -> String {
        let mut lines = vec![("input", self.input_text())];
        if let Some(run) = &self.run {
            let seconds = duration(run.seconds);
            let rate = rounded(run.per_second());
            lines.push(("device", run.device()));
            if let Some(error) = run.device_error() {
                lines.push(("finished", format!("by the CPU: {error}")));
            }
            lines.push(("time", format!("{seconds}, {rate} matrices/s")));
            lines.push(("converged", run.convergence()));
        }
        for status in [
            Status::NotConverged,
            Status::NonFinite,
            Status::NotRepresentable,
        ] {
            let all = self.statuses.iter().enumerate();
            let indices: Vec<usize> = all.filter(|(_, s)| **s == status).map(|(b, _)| b).collect();
            if !indices.is_empty() {
                let shown = indices.iter().take(8);
                let shown: Vec<_> = shown
                    .map(|&b| name_of(&self.shapes, self.zipped, b))
                    .collect();
                let more = if indices.len() > 8 { ", ..." } else { "" };
                let text = format!("{} ({}{more})", indices.len(), shown.join(", "));
                lines.push((name(status), text));
            }
        }
        if let Some(run) = &self.run {
            lines.push(("ranks", self.rank_text(run)));
        }
        for residual in &self.residuals {
            let text = match self.worst(residual) {
                (worst, None) => format!("{worst:.2e} at most"),
                (worst, Some(promised)) => format!("{worst:.2e} at most, {promised:.1e} promised"),
            };
            lines.push((residual.name, text));
        }
        if self.verify {
            lines.push(("verified", self.verdict_text(verdict)));
        }
        if let Some(run) = &self.run {
            let outputs: Vec<_> = run
                .outputs
                .iter()
                .map(|p| p.display().to_string())
                .collect();
            lines.push(("output", outputs.join(", ")));
        }
        lines
            .iter()
            .map(|(name, text)| format!("{name:<18}{text}\n"))
            .collect()
    }

    fn input_text(&self) -> String {
        let (input, dtype, count) = (self.input.display(), self.dtype, self.statuses.len());
        let arrays = match (self.zipped, self.shapes.len()) {
            (false, _) => String::new(),
            (true, 1) => "1 array, ".to_string(),
            (true, arrays) => format!("{arrays} arrays, "),
        };
        let shapes: BTreeSet<_> = self.shapes.iter().map(|s| (s.rows, s.cols)).collect();
        let of = match (shapes.len(), shapes.first()) {
            (1, Some((rows, cols))) => format!("{count} of {rows}x{cols}"),
            (shapes, _) => format!("{count} matrices of {shapes} shapes"),
        };
        format!("{input}: {arrays}{of}, {dtype}")
    }

    fn verdict_text(&self, verdict: Option<&Verdict>) -> String {
        let all = self.statuses.len();
        match (verdict, self.unjudged) {
            (None, None) => "not judged: nothing is promised".to_string(),
            (None, Some(why)) => format!("not judged: {why}"),
            (Some(v), _) => {
                let above = match v.above {
                    0 => "none".to_string(),
                    above => above.to_string(),
                };
                format!("{} of {all}, {above} above what is promised", v.judged)
            }
        }
    }

    fn rank_text(&self, run: &Run<'_>) -> String {
        let full: BTreeSet<usize> = self.shapes.iter().map(|s| s.rows.min(s.cols)).collect();
        let all = match (full.first(), full.last()) {
            (Some(first), Some(last)) if first < last => format!("full rank is {first} to {last}"),
            (first, _) => format!("full rank is {}", first.unwrap_or(&0)),
        };
        let ranks = run.ranks();
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
