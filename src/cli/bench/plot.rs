//! Matrices a second over n, for every contender: one panel an operation and type.

use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::cli::bench::row::{Kind, Row};
use crate::cli::failure::Failure;
use crate::cli::npy::Content;
use crate::cli::place::place;
use crate::cli::target::Target;

const PANEL: (u32, u32) = (760, 520);
/// Tableau's ten: told apart on white, also by most who see fewer colours.
const COLOURS: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
];

/// One line of a panel.
struct Line<'r> {
    name: String,
    own: bool,
    points: Vec<(f64, f64)>,
    peer: &'r str,
}

/// The lines of an operation and type: square matrices only, by rising n.
fn lines<'r>(rows: &[&'r Row], op: &str, dtype: &str) -> Vec<Line<'r>> {
    let mut lines: Vec<Line<'r>> = Vec::new();
    for row in rows {
        let square = row.m == row.n && row.kind == Kind::Throughput;
        // This project's own results count only if they are right.
        let (Some(rate), false) = (row.matrices_per_s, row.own().is_some() && !row.ok) else {
            continue;
        };
        if !square || row.op != op || row.dtype != dtype {
            continue;
        }
        let n = row.n as f64;
        let index = lines.iter().position(|l| l.peer == row.peer);
        let index = index.unwrap_or_else(|| {
            let software = if row.software {
                " (software adapter)"
            } else {
                ""
            };
            lines.push(Line {
                name: format!("{}{software}", row.peer),
                own: row.own().is_some(),
                points: Vec::new(),
                peer: &row.peer,
            });
            lines.len() - 1
        });
        lines[index].points.push((n, rate));
        if let (Some(seconds), true) = (row.device_seconds, row.own().is_some() && !row.software) {
            let name = format!("{}, on device", row.peer);
            let rate = row.batch as f64 / seconds;
            match lines.iter_mut().find(|l| l.name == name) {
                Some(line) => line.points.push((n, rate)),
                None => lines.push(Line {
                    name,
                    own: true,
                    points: vec![(n, rate)],
                    peer: "",
                }),
            }
        }
    }
    for line in &mut lines {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Merged runs: the first of each size.
        line.points.dedup_by(|a, b| a.0 == b.0);
    }
    lines
}

/// 10 k rather than 1e4.
fn label(value: &f64) -> String {
    match *value {
        v if v >= 1e9 => format!("{:.0} G", v / 1e9),
        v if v >= 1e6 => format!("{:.0} M", v / 1e6),
        v if v >= 1e3 => format!("{:.0} k", v / 1e3),
        v => format!("{v}"),
    }
}

/// Powers of two.
struct Sizes(std::ops::Range<f64>);

impl Ranged for Sizes {
    type FormatOption = plotters::coord::ranged1d::NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let (from, to) = (self.0.start.ln(), self.0.end.ln());
        let share = (value.ln() - from) / (to - from);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<H: plotters::coord::ranged1d::KeyPointHint>(&self, _: H) -> Vec<f64> {
        (0..20)
            .map(|power| f64::from(1 << power))
            .filter(|n| self.0.contains(n))
            .collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.0.clone()
    }
}

impl ValueFormatter<f64> for Sizes {
    fn format_ext(&self, value: &f64) -> String {
        format!("{value}")
    }
}

/// Draws all panels into an SVG file.
pub(crate) fn draw(target: Target, runs: &[Vec<Row>]) -> Result<(), Failure> {
    let path = target.name.clone();
    let rows: Vec<&Row> = runs.iter().flatten().collect();
    let mut panels: Vec<(String, Vec<Line<'_>>)> = Vec::new();
    for row in &rows {
        let title = format!("{} {}", row.op, row.dtype);
        if !panels.iter().any(|(t, _)| *t == title) {
            let lines = lines(&rows, &row.op, &row.dtype);
            panels.push((title, lines));
        }
    }
    panels.retain(|(_, lines)| !lines.is_empty());
    if panels.is_empty() {
        return Err(Failure::file(
            &path,
            "no square matrices were measured, nothing to draw",
        ));
    }
    // The same colour in every panel.
    let mut names: Vec<String> = Vec::new();
    for line in panels.iter().flat_map(|(_, lines)| lines) {
        if !names.contains(&line.name) {
            names.push(line.name.clone());
        }
    }
    let columns = panels.len().min(2) as u32;
    let height = (panels.len() as u32).div_ceil(columns);
    let mut picture = String::new();
    {
        let size = (columns * PANEL.0, height * PANEL.1);
        let area = SVGBackend::with_string(&mut picture, size).into_drawing_area();
        let drawn = area.fill(&WHITE).map_err(|e| e.to_string()).and_then(|()| {
            let cells = area.split_evenly((height as usize, columns as usize));
            for ((title, lines), cell) in panels.iter().zip(&cells) {
                panel(cell, title, lines, &names).map_err(|e| e.to_string())?;
            }
            area.present().map_err(|e| e.to_string())
        });
        drawn.map_err(|e| Failure::file(&path, e))?;
    }
    place(&[(target, Content::Bytes(picture.as_bytes()))], &|_| ())
}

fn panel<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    title: &str,
    lines: &[Line<'_>],
    names: &[String],
) -> Result<(), Box<dyn std::error::Error>>
where
    B::ErrorType: 'static,
{
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let ends = |f: fn(&(f64, f64)) -> f64| {
        let fold = |(low, high): (f64, f64), v: f64| (low.min(v), high.max(v));
        points().map(f).fold((f64::INFINITY, 0.0), fold)
    };
    let ((left, right), (low, high)) = (ends(|p| p.0), ends(|p| p.1));
    let (low, high) = (
        10f64.powf(low.log10().floor()),
        10f64.powf(high.log10().ceil() + 0.001),
    );
    let title = format!("{title}: matrices a second over n, n x n, both axes logarithmic");
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(Sizes(left * 0.9..right * 1.1), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("n")
        .y_desc("matrices/s")
        .y_label_formatter(&label)
        .light_line_style(WHITE.mix(0.0))
        .bold_line_style(BLACK.mix(0.15))
        .label_style(("sans-serif", 13))
        .draw()?;
    for line in lines {
        let index = names.iter().position(|name| *name == line.name);
        let colour = COLOURS[index.unwrap_or(0) % COLOURS.len()];
        let style = colour.stroke_width(if line.own { 3 } else { 1 });
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style).point_size(3))?
            .label(line.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()?;
    Ok(())
}
