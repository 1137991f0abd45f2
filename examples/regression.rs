//! How sure are we of a regression? Ten thousand bootstrap resamples of the diabetes data (442 patients,
//! 10 features), solved as one batch; and the ridge path, one damping a matrix, down to the
//! least-squares solution. Draws both. Run with
//! `cargo run --release --features bench --example regression`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use batched_svd::{Batch, Engine, View};
use npyz::NpyFile;
use plotters::coord::Shift;
use plotters::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};

const PATIENTS: usize = 442;
const FEATURES: [&str; 10] = [
    "age", "sex", "bmi", "bp", "tc", "ldl", "hdl", "tch", "ltg", "glu",
];
const N: usize = FEATURES.len();
const RESAMPLES: usize = 10_000;
const PLOT: &str = "target/regression.svg";

fn main() -> Result<(), Box<dyn Error>> {
    let x = standard(&read("diabetes_x.npy")?, N);
    let y = read("diabetes_y.npy")?;
    let engine = Engine::auto();
    println!("computing on {}", engine.choice());

    // Whole patients, drawn with repetition; the first sample is the data itself. Centred, so that no
    // intercept is needed.
    let mut rng = StdRng::seed_from_u64(1);
    let (mut rows, mut sides) = (Vec::new(), Vec::new());
    for sample in 0..=RESAMPLES {
        let drawn: Vec<usize> = (0..PATIENTS)
            .map(|patient| match sample {
                0 => patient,
                _ => rng.random_range(0..PATIENTS),
            })
            .collect();
        let features: Vec<f64> = drawn
            .iter()
            .flat_map(|&patient| &x[patient * N..][..N])
            .copied()
            .collect();
        rows.extend(centred(&features, N));
        let progression: Vec<f64> = drawn.iter().map(|&patient| y[patient]).collect();
        sides.extend(centred(&progression, 1));
    }
    let a = View::row_major(&rows, RESAMPLES + 1, PATIENTS, N)?;
    let b = View::row_major(&sides, RESAMPLES + 1, PATIENTS, 1)?;
    let start = Instant::now();
    let fit = engine.lstsq(a, b).run()?;
    let seconds = start.elapsed().as_secs_f64();
    let worst = fit.report.failures().count();
    println!("{RESAMPLES} resamples of {PATIENTS}x{N} in {seconds:.2} s, {worst} of them failed\n");

    let estimate = fit.solution.matrix(0);
    let mut intervals = Vec::new();
    println!(
        "feature  coefficient  95 % of the resamples   (progression for a standard deviation)"
    );
    for (feature, name) in FEATURES.iter().enumerate() {
        let mut found: Vec<f64> = (1..=RESAMPLES)
            .map(|sample| fit.solution.matrix(sample)[feature])
            .collect();
        found.sort_by(f64::total_cmp);
        let (low, high) = (found[RESAMPLES / 40], found[RESAMPLES - RESAMPLES / 40]);
        let clear = if low * high > 0.0 { "  *" } else { "" };
        println!(
            "{name:<7}  {:11.1}  {low:7.1} to {high:5.1}{clear}",
            estimate[feature]
        );
        intervals.push([low, high]);
    }

    // The same matrix for every lambda: a view that stays where it is.
    let lambdas: Vec<f64> = (0..80)
        .map(|step| 10f64.powf(f64::from(step) * 0.05 - 1.0))
        .collect();
    let count = lambdas.len();
    let same = View::new(&rows, 0, [count, PATIENTS, N], [0, N as isize, 1])?;
    let side = View::new(&sides, 0, [count, PATIENTS, 1], [0, 1, 1])?;
    let ridge = engine.lstsq(same, side).damping(&lambdas[..]).run()?;
    let ridge = ridge.solution;
    let apart = (0..N).map(|i| (ridge.matrix(0)[i] - estimate[i]).abs());
    println!(
        "\nridge, lambda {}: at most {:.3} away from least squares",
        lambdas[0],
        apart.fold(0.0, f64::max)
    );

    draw(estimate, &intervals, &lambdas, &ridge)?;
    println!("drawn: {PLOT}");
    Ok(())
}

fn read(name: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/data")
        .join(name);
    Ok(NpyFile::new(std::fs::File::open(path)?)?.into_vec()?)
}

/// Rows of so many columns, each column less its mean.
fn centred(rows: &[f64], cols: usize) -> Vec<f64> {
    let count = (rows.len() / cols) as f64;
    let means: Vec<f64> = (0..cols)
        .map(|j| rows[j..].iter().step_by(cols).sum::<f64>() / count)
        .collect();
    let entries = rows.iter().zip(means.iter().cycle());
    entries.map(|(entry, mean)| entry - mean).collect()
}

/// And over its standard deviation.
fn standard(rows: &[f64], cols: usize) -> Vec<f64> {
    let rows = centred(rows, cols);
    let deviation = |j: usize| {
        let squares = rows[j..].iter().step_by(cols).map(|x| x * x);
        (squares.sum::<f64>() / (rows.len() / cols) as f64).sqrt()
    };
    let deviations: Vec<f64> = (0..cols).map(deviation).collect();
    let entries = rows.iter().zip(deviations.iter().cycle());
    entries
        .map(|(entry, deviation)| entry / deviation)
        .collect()
}

fn draw(
    estimate: &[f64],
    intervals: &[[f64; 2]],
    lambdas: &[f64],
    ridge: &Batch<f64>,
) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("target")?;
    let area = SVGBackend::new(PLOT, (1200, 520)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(560);
    draw_intervals(&left, estimate, intervals)?;
    draw_ridge(&right, estimate, lambdas, ridge)?;
    area.present()?;
    Ok(())
}

/// A line a feature: from where to where its coefficient lies, and where it is.
fn draw_intervals(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    estimate: &[f64],
    intervals: &[[f64; 2]],
) -> Result<(), Box<dyn Error>> {
    let ends = intervals.iter().flatten();
    let (low, high) = ends.fold((0.0f64, 0.0f64), |(l, h), &x| (l.min(x), h.max(x)));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption("95 % intervals of 10,000 resamples", ("sans-serif", 18))
        .x_label_area_size(44)
        .y_label_area_size(48)
        .build_cartesian_2d(low - 5.0..high + 5.0, (0..N as i32 - 1).into_segmented())?;
    let name = |y: &SegmentValue<i32>| match y {
        SegmentValue::CenterOf(row) => FEATURES[N - 1 - *row as usize].to_string(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .max_light_lines(0)
        .disable_y_mesh()
        .y_labels(N)
        .y_label_formatter(&name)
        .x_desc("progression for a standard deviation of the feature")
        .draw()?;
    let zero = [SegmentValue::Exact(0), SegmentValue::Last].map(|y| (0.0, y));
    chart.draw_series(LineSeries::new(zero, BLACK.mix(0.6)))?;
    for (feature, &[low, high]) in intervals.iter().enumerate() {
        let row = SegmentValue::CenterOf((N - 1 - feature) as i32);
        let colour = match low * high > 0.0 {
            true => BLUE.mix(0.7),
            false => BLACK.mix(0.4),
        };
        let ends = [(low, row.clone()), (high, row.clone())];
        chart.draw_series(LineSeries::new(ends, colour.stroke_width(4)))?;
        let point = Circle::new((estimate[feature], row), 5, colour.filled());
        chart.draw_series([point])?;
    }
    Ok(())
}

/// A line a feature: its coefficient by lambda, from least squares on the left to nothing.
fn draw_ridge(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    estimate: &[f64],
    lambdas: &[f64],
    ridge: &Batch<f64>,
) -> Result<(), Box<dyn Error>> {
    let (first, last) = (lambdas[0], lambdas[lambdas.len() - 1]);
    let (low, high) = estimate
        .iter()
        .fold((0.0f64, 0.0f64), |(l, h), &x| (l.min(x), h.max(x)));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption("Ridge: coefficients by damping", ("sans-serif", 18))
        .x_label_area_size(44)
        .y_label_area_size(48)
        .build_cartesian_2d((first..2.2 * last).log_scale(), low - 5.0..high + 5.0)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("lambda; the dots on the left are least squares")
        .x_label_formatter(&|x| format!("{x}"))
        .draw()?;
    for (feature, name) in FEATURES.iter().enumerate() {
        let colour = HSLColor(feature as f64 / N as f64, 0.9, 0.4);
        let path = lambdas.iter().enumerate();
        let path = path.map(|(index, &lambda)| (lambda, ridge.matrix(index)[feature]));
        let line = LineSeries::new(path, colour.stroke_width(2));
        chart
            .draw_series(line)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series([Circle::new((first, estimate[feature]), 4, colour.filled())])?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}
