//! What a person, or a program, wants to know of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use batched_svd::{Dtype, Outcome, Report, Status};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::judge::{Kind, Residual, Verdict, judge};
use crate::cli::names::{bad, index, name_of, named};
use crate::cli::npy::{Lost, Shape};
use crate::cli::output::is_nan;
use crate::cli::per_matrix::Values;
use crate::cli::progress::{Phase, Times};
use crate::cli::spread::{Spread, doubtful, largest};
use crate::cli::streams::Ear;

pub(crate) struct Summary<'a> {
    pub op: &'static str,
    pub input: &'a Path,
    pub zipped: bool,
    pub dtype: Dtype,
    /// Of every array in the input.
    pub shapes: Vec<&'a Shape>,
    /// Of their right-hand sides, where there are any.
    pub sides: Option<Vec<&'a Shape>>,
    /// Unless results of others are verified.
    pub run: Option<Run<'a>>,
    /// Of every matrix, over all arrays.
    pub statuses: Vec<Status>,
    pub residuals: Vec<Residual>,
    /// Whether residuals were computed.
    pub checked: bool,
    /// Whether residuals are judged by what is promised.
    pub verify: bool,
    /// Why they are not, where nothing is.
    pub unjudged: Option<&'static str>,
    pub warnings: Vec<String>,
}

/// What an engine did, and where its results are.
pub(crate) struct Run<'a> {
    pub outcomes: &'a [Outcome],
    /// Of every array.
    pub reports: &'a [Report],
    /// Of every matrix, where singular values are known.
    pub spreads: Option<&'a [Spread]>,
    /// The damping, where results are damped.
    pub lambda: Option<&'a Values>,
    /// Whether noise in the data is enlarged by the condition number of what counts.
    pub enlarges: bool,
    /// Of the timed calls.
    pub seconds: f64,
    pub times: Times,
    pub software: bool,
    pub outputs: Vec<PathBuf>,
}

/// Ranks shown one by one; a longer list is shown by its ends.
const MOST_RANKS: usize = 10;

impl Run<'_> {
    fn ranks(&self) -> BTreeMap<u32, usize> {
        let mut ranks = BTreeMap::new();
        for outcome in self.outcomes {
            if !is_nan(outcome.status) {
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
            self.said(|r| r.device.to_string()),
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
        let solved = self.outcomes.iter().filter(|o| !is_nan(o.status));
        let mut sweeps: Vec<u32> = solved.map(|o| o.sweeps).collect();
        let converged = self
            .outcomes
            .iter()
            .filter(|o| o.status == Status::Converged);
        let of = format!("{} of {}", converged.count(), self.outcomes.len());
        let (first, last) = (sweeps.iter().min().copied(), sweeps.iter().max().copied());
        match first.zip(last) {
            Some((first, last)) => {
                let half = sweeps.len() / 2;
                let (_, median, _) = sweeps.select_nth_unstable(half);
                format!("{of}; sweeps: {first} to {last}, median {median}")
            }
            None => of,
        }
    }
}

impl Summary<'_> {
    /// Prints what there is to say, and fails if a residual is above what is promised; of factors from elsewhere, if it
    /// is above what LAPACK's tests let pass too.
    pub fn tell(mut self, ear: Ear, json: bool) -> Result<(), Failure> {
        self.warnings.extend(self.doubts());
        let verdict = match self.verify {
            true => judge(&self.residuals, &self.statuses),
            false => None,
        };
        match json {
            true => ear.tell(&format!("{}\n", self.json(verdict.as_ref())))?,
            false => ear.tell(&self.text(verdict.as_ref()))?,
        }
        let Some((matrix, name, value, promised)) = verdict.as_ref().and_then(|v| v.worst) else {
            return Ok(());
        };
        let matrix = name_of(&self.shapes, self.zipped, matrix);
        let others = match verdict.map_or(0, |v| v.above - v.within_lapack) {
            0 | 1 => String::new(),
            above => format!(" ({above} matrices are above)"),
        };
        let text = format!(
            "matrix {matrix}: {name} is {value:.2e}, but at most {promised:.2e} is promised{others}"
        );
        Err(Failure::file(self.input, text).at_run())
    }

    /// What is said of results that are as good as promised, and still good for little: the smallest singular values
    /// that count are so small that the rounding of the data shows, and any other noise the more.
    fn doubts(&self) -> Option<String> {
        let run = self.run.as_ref().filter(|run| run.enlarges)?;
        let limits = self.shapes.iter().flat_map(|shape| {
            std::iter::repeat_n(doubtful(self.dtype, shape.rows, shape.cols), shape.count)
        });
        let doubtful = |(b, (spread, limit)): (usize, (&Spread, f64))| {
            let condition = spread.damped_condition(run.lambda.map_or(0.0, |lambda| lambda.of(b)));
            if condition >= limit {
                condition
            } else {
                f64::NAN
            }
        };
        let spreads = run.spreads?.iter().zip(limits).enumerate();
        let conditions: Vec<f64> = spreads.map(doubtful).collect();
        let count = conditions
            .iter()
            .filter(|condition| !condition.is_nan())
            .count();
        let (worst, condition) = largest(conditions.into_iter())?;
        let matrix = name_of(&self.shapes, self.zipped, worst);
        let which = match count {
            1 => format!("what counts of matrix {matrix} has"),
            count => {
                format!("what counts of {count} matrices, most of all of matrix {matrix}, has")
            }
        };
        let part = condition * self.dtype.unit_roundoff();
        Some(format!(
            "{which} a condition number of {condition:.1e}: rounding alone may change its result by {part:.0e} of itself, and other noise in the data counts {condition:.0e} times; a larger --rcond, a --rank or --damping leaves less of that"
        ))
    }

    /// The largest condition number of what counts and of all, and whose they are.
    fn conditions(&self) -> Option<[Option<(usize, f64)>; 2]> {
        let spreads = self.run.as_ref()?.spreads?;
        let kept = largest(spreads.iter().map(Spread::kept_condition));
        // Where only those of what may be the largest are known, the others are not.
        let known =
            |(spread, status): (&Spread, &Status)| is_nan(*status) || !spread.condition.is_nan();
        let all = spreads.iter().zip(&self.statuses).all(known);
        let all = all.then(|| largest(spreads.iter().map(|spread| spread.condition)));
        Some([kept, all.flatten()])
    }

    fn condition_text(&self) -> String {
        let number = |value: f64| match value.is_finite() {
            true => format!("{value:.2e}"),
            false => "infinite".to_string(),
        };
        match self.conditions() {
            None => "unknown (--no-check)".into(),
            Some([Some((b, kept)), all]) => {
                let matrix = name_of(&self.shapes, self.zipped, b);
                let all = all.map_or(String::new(), |(_, all)| {
                    format!("; {} of all", number(all))
                });
                format!(
                    "{} at most, of what counts (matrix {matrix}){all}",
                    number(kept)
                )
            }
            Some([None, _]) => "none: no singular value counts".into(),
        }
    }

    fn count(&self, status: Status) -> usize {
        self.statuses.iter().filter(|s| **s == status).count()
    }

    /// The worst of a residual over all matrices that have a result, and what is promised of that one. Of nothing there
    /// is none.
    fn worst(&self, residual: &Residual) -> Option<(f64, Option<f64>)> {
        let entries = |shape: &&Shape| shape.count.min(1) * shape.rows.min(1) * shape.cols.min(1);
        if self.shapes.iter().map(entries).sum::<usize>() == 0 {
            return None;
        }
        let b = residual.worst(&self.statuses)?;
        let promised = residual.promised.as_ref().filter(|_| self.verify);
        // An infinite bound promises nothing.
        let promised = promised.map(|promised| promised[b]);
        Some((
            residual.values[b],
            promised.filter(|bound| !bound.is_infinite()),
        ))
    }

    /// The worst of what should be nothing.
    fn max_residual(&self) -> Option<f64> {
        let kinds = [Kind::Main, Kind::MoorePenrose];
        let those = self.residuals.iter().filter(|r| kinds.contains(&r.kind));
        // A NaN must not hide behind a comparison.
        let larger = |x: f64, y: f64| if y > x || y.is_nan() { y } else { x };
        those
            .filter_map(|r| self.worst(r))
            .map(|(worst, _)| worst)
            .reduce(larger)
    }

    /// The matrices that ended so.
    fn ended(&self, status: Status) -> impl Iterator<Item = usize> {
        let all = self.statuses.iter().enumerate();
        all.filter(move |(_, s)| **s == status).map(|(b, _)| b)
    }

    /// The types in the files, what became of their entries, and how many there are of each.
    fn stored<'s>(&self, shapes: &'s [&'s Shape]) -> (BTreeSet<String>, Lost) {
        let mut lost = Lost::default();
        shapes.iter().for_each(|shape| lost += shape.lost);
        (
            shapes
                .iter()
                .map(|shape| shape.stored.to_string())
                .collect(),
            lost,
        )
    }

    /// The type, and which one it was before.
    fn type_text(&self, shapes: &[&Shape]) -> String {
        let (stored, lost) = self.stored(shapes);
        let own = self.dtype.to_string();
        if stored.iter().all(|stored| *stored == own) {
            return own;
        }
        let stored: Vec<String> = stored.into_iter().collect();
        let mut text = format!("{}, computed in {own}", stored.join(" and "));
        if lost.rounded > 0 {
            text += &format!(" ({} entries rounded)", lost.rounded);
        }
        if lost.infinite > 0 {
            text += &format!(
                " ({} entries beyond its range, infinite now)",
                lost.infinite
            );
        }
        text
    }

    fn sides_text(&self, sides: &[&Shape]) -> String {
        let kind = |shape: &&Shape| match (shape.vectors, shape.shared) {
            (true, true) => "one vector for all",
            (true, false) => "a vector for each",
            (false, true) => "one matrix for all",
            (false, false) => "a matrix for each",
        };
        let kinds: BTreeSet<&str> = sides.iter().map(kind).collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        format!("{}, {}", kinds.join(" or "), self.type_text(sides))
    }

    fn json(&self, verdict: Option<&Verdict>) -> serde_json::Value {
        let mut object = json!({
            "op": self.op,
            "dtype": self.dtype.name(),
            "count": self.statuses.len(),
            "stored": self.stored(&self.shapes).0,
            "non_finite": self.count(Status::NonFinite),
            "bad": bad(&self.shapes, self.zipped, |status| self.ended(status).collect()),
            "checked": self.checked,
            "max_residual": self.max_residual(),
            "warnings": self.warnings,
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
            object["device"] = json!(run.said(|r| r.device.to_string()));
            object["software"] = json!(run.software);
            if let Some(error) = run.device_error() {
                object["device_error"] = json!(error);
            }
            object["kernel"] = json!(run.said(|r| r.kernel.to_string()));
            object["seconds"] = json!(run.seconds);
            object["wall_seconds"] = json!(run.times.whole);
            for (phase, seconds) in Phase::ALL.into_iter().zip(run.times.phases) {
                object[format!("{phase}_seconds")] = json!(seconds);
            }
            let [kept, all] = self.conditions().unwrap_or_default();
            let number = |found: Option<(usize, f64)>| match found {
                // JSON has no other word for it.
                Some((_, value)) if value.is_infinite() => json!("infinite"),
                found => json!(found.map(|(_, value)| value)),
            };
            object["max_condition"] = number(all);
            object["max_kept_condition"] = number(kept);
            object["max_kept_condition_matrix"] = match kept {
                Some((b, _)) => index(&self.shapes, self.zipped, b),
                None => json!(null),
            };
            object["matrices_per_s"] = json!(run.per_second());
            object["converged"] = json!(self.count(Status::Converged));
            object["not_converged"] = json!(self.count(Status::NotConverged));
            object["not_representable"] = json!(self.count(Status::NotRepresentable));
            object["not_symmetric"] = json!(self.count(Status::NotSymmetric));
            object["not_definite"] = json!(self.count(Status::NotDefinite));
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
            Kind::Noise,
        ] {
            let those = self.residuals.iter().filter(|r| r.kind == kind);
            let worst: Vec<_> = those.map(|r| self.worst(r).unzip()).collect();
            let (values, bounds): (Vec<Option<f64>>, Vec<Option<Option<f64>>>) =
                worst.into_iter().unzip();
            let bounds: Vec<Option<f64>> = bounds.into_iter().map(Option::flatten).collect();
            let (Some(&first), Some(&bound)) = (values.first(), bounds.first()) else {
                continue;
            };
            let (key, value, bound) = match kind {
                Kind::MoorePenrose => ("moore_penrose", json!(values), json!(bounds)),
                Kind::Main => ("max_residual", json!(first), json!(bound)),
                Kind::Orthogonality => ("max_orthogonality", json!(first), json!(bound)),
                Kind::Left => ("max_left", json!(first), json!(bound)),
                Kind::Error => ("max_error", json!(first), json!(bound)),
                Kind::Order => ("max_ascent", json!(first), json!(bound)),
                Kind::Noise => {
                    let levels = self.residuals.iter().find(|r| r.kind == kind);
                    let three = levels.and_then(|levels| spread_of(&levels.values));
                    object["noise"] = match three {
                        Some([least, median, most]) => {
                            json!({"min": least, "median": median, "max": most})
                        }
                        None => json!(null),
                    };
                    continue;
                }
            };
            object[key] = value;
            promised.insert(key.to_string(), bound);
        }
        if self.verify {
            object["promised"] = json!(promised);
            object["judged"] = json!(verdict.map_or(0, |v| v.judged));
            object["above"] = json!(verdict.map_or(0, |v| v.above));
            if self.residuals.iter().any(|r| r.lapack.is_some()) {
                object["above_within_lapack"] = json!(verdict.map_or(0, |v| v.within_lapack));
            }
        }
        object
    }

    fn text(&self, verdict: Option<&Verdict>) -> String {
        let mut lines = vec![("input", self.input_text())];
        if let Some(sides) = &self.sides {
            lines.push(("right-hand sides", self.sides_text(sides)));
        }
        if let Some(run) = &self.run {
            let seconds = duration(run.seconds);
            let rate = rounded(run.per_second());
            lines.push(("device", run.device()));
            if let Some(error) = run.device_error() {
                lines.push(("finished", format!("by the CPU: {error}")));
            }
            lines.push((
                "time",
                format!("{seconds} in the engine, {rate} matrices/s"),
            ));
            lines.push(("whole", whole(&run.times)));
            lines.push(("converged", run.convergence()));
        }
        for status in [
            Status::NotConverged,
            Status::NonFinite,
            Status::NotRepresentable,
            Status::NotSymmetric,
            Status::NotDefinite,
        ] {
            let count = self.count(status);
            if count > 0 {
                let names = named(&self.shapes, self.zipped, self.ended(status));
                lines.push((name(status), format!("{count} ({names})")));
            }
        }
        if let Some(run) = &self.run {
            lines.push(("ranks", self.rank_text(run)));
            lines.push(("condition", self.condition_text()));
        }
        for residual in &self.residuals {
            let text = match self.worst(residual) {
                None => NOTHING.to_string(),
                Some(_) if residual.kind == Kind::Noise => levels_text(&residual.values),
                Some((worst, None)) => format!("{worst:.2e} at most"),
                Some((worst, Some(promised))) => {
                    format!("{worst:.2e} at most, {promised:.1e} promised")
                }
            };
            lines.push((residual.name, text));
        }
        if !self.checked {
            lines.push(("checked", "no (--no-check)".into()));
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
        for warning in &self.warnings {
            lines.push(("warning", warning.clone()));
        }
        lines
            .iter()
            .map(|(name, text)| format!("{name:<18}{text}\n"))
            .collect()
    }

    fn input_text(&self) -> String {
        let (input, count) = (self.input.display(), self.statuses.len());
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
        format!("{input}: {arrays}{of}, {}", self.type_text(&self.shapes))
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
                let lapack = match (v.within_lapack, v.above) {
                    (0, _) => String::new(),
                    (within, above) if within == above => {
                        "; all within LAPACK's thresholds, but not within the sharper bounds of this library".into()
                    }
                    (within, _) => format!(
                        "; {within} of these within LAPACK's thresholds, but not within the sharper bounds of this library"
                    ),
                };
                format!(
                    "{} of {all}, {above} above what is promised{lapack}",
                    v.judged
                )
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

/// What is said in place of a number where there is none.
const NOTHING: &str = "of nothing: no matrix has a result";

/// The smallest, the median and the largest of the numbers that are finite.
fn spread_of(values: &[f64]) -> Option<[f64; 3]> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let mut finite: Vec<f64> = finite.collect();
    finite.sort_unstable_by(f64::total_cmp);
    let last = finite.len().checked_sub(1)?;
    let median = finite[last / 2].midpoint(finite[finite.len() / 2]);
    Some([finite[0], median, finite[last]])
}

/// Noise levels: all of them, or the ends and the median.
fn levels_text(levels: &[f64]) -> String {
    match spread_of(levels) {
        None => NOTHING.to_string(),
        Some([least, _, most]) if least == most => format!("{least:.3e}"),
        Some([least, median, most]) => format!("{least:.3e} to {most:.3e}, median {median:.3e}"),
    }
}

/// How long everything took, and what.
fn whole(times: &Times) -> String {
    let phases = Phase::ALL
        .into_iter()
        .zip(times.phases)
        .filter(|(_, seconds)| *seconds > 0.0);
    let phases: Vec<_> = phases
        .map(|(phase, seconds)| format!("{phase} {}", duration(seconds)))
        .collect();
    format!("{}: {}", duration(times.whole), phases.join(", "))
}

fn name(status: Status) -> &'static str {
    match status {
        Status::NotConverged => "not converged",
        Status::NonFinite => "non-finite",
        Status::NotRepresentable => "not representable",
        Status::NotSymmetric => "not symmetric",
        Status::NotDefinite => "not definite",
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
