//! Principal components of 1797 handwritten digits, and noise taken off them: by a low rank of all images
//! together, and of each 8x8 image on its own, as a batch. Writes the components, digits rebuilt from a few of
//! them, and digits without their noise as pictures, and draws errors. Run with
//! `cargo run --release --features bench --example digits`.

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use batched_svd::{Batch, Components, Cutoff, Engine, View};
use image::{GrayImage, Luma};
use npyz::NpyFile;
use plotters::coord::Shift;
use plotters::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};

const DIGITS: usize = 1797;
const SIDE: usize = 8;
const PIXELS: usize = SIDE * SIDE;
/// Of the pixels, from blank.
const INK: f32 = 16.0;
/// The standard deviation of the noise, in their unit.
const NOISE: f32 = 4.0;
const REBUILT: [usize; 4] = [2, 8, 16, 32];
const ENERGIES: [f64; 6] = [0.6, 0.7, 0.8, 0.9, 0.95, 0.99];
const COMPONENTS: &str = "target/digits.png";
const DENOISED: &str = "target/digits-denoised.png";
const PLOT: &str = "target/digits.svg";
/// So many images in a row of a picture, so much larger, so far apart.
const ACROSS: usize = 10;
const SCALE: u32 = 10;
const GAP: u32 = 6;

/// Errors by rank.
type Line = Vec<(f64, f64)>;

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::auto();
    println!("computing on {}", engine.choice());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits.npy");
    let clean: Vec<f32> = NpyFile::new(std::fs::File::open(path)?)?.into_vec()?;

    // An image a row: one matrix.
    let start = Instant::now();
    let found = components(&engine, &clean)?;
    let seconds = start.elapsed().as_secs_f64();
    let outcome = found.report.outcomes[0];
    println!(
        "principal components of {DIGITS}x{PIXELS}: {:.1} ms, rank {} (three pixels are always blank)\n",
        1e3 * seconds,
        outcome.rank
    );
    let variances: Vec<f64> = found
        .deviations
        .as_slice()
        .iter()
        .map(|&d| f64::from(d).powi(2))
        .collect();
    let total: f64 = variances.iter().sum();
    let explained = |k: usize| variances[..k].iter().fold(0.0, |sum, v| sum + v) / total;
    let rebuilt = by_rank(&found);
    println!(
        "components   of the variance   error, rebuilt from them (RMS; pixels are 0 to {INK})"
    );
    for k in [0, 1, 2, 4, 8, 16, 32, PIXELS] {
        println!(
            "{k:10} {:15.1} %   {:.3}",
            100.0 * explained(k),
            rms(&rebuilt[k], &clean)
        );
    }
    let mut rows = vec![vec![ink(found.mean.matrix(0))], images(&clean)];
    let directions = found.components.matrix(0).chunks_exact(PIXELS);
    rows[0].extend(directions.take(ACROSS - 1).map(signed));
    rows.extend(REBUILT.map(|k| images(&rebuilt[k])));
    std::fs::create_dir_all("target")?;
    mosaic(&rows).save(COMPONENTS)?;
    println!(
        "\nwritten: {COMPONENTS}: the mean and the first {} components (gray is zero);\n\
         ten digits; and rebuilt from {REBUILT:?} components\n",
        ACROSS - 1
    );

    let mut rng = StdRng::seed_from_u64(3);
    let noisy: Vec<f32> = clean
        .iter()
        .map(|pixel| {
            let normal: f32 = StandardNormal.sample(&mut rng);
            pixel + NOISE * normal
        })
        .collect();
    let noise = rms(&noisy, &clean);
    println!("with noise of {noise:.3} (RMS):");

    // All images together: every rank at once, from the same components.
    let seen = components(&engine, &noisy)?;
    let together = by_rank(&seen);
    let whole: Line = (0..=PIXELS)
        .map(|k| (k as f64, rms(&together[k], &clean)))
        .collect();
    // Which rank, is seen without the clean images: of singular values above this (Gavish and Donoho 2014).
    let edge = f64::from(NOISE) * (DIGITS as f64).sqrt() * threshold(PIXELS as f64 / DIGITS as f64);
    let mean = seen.mean.matrix(0);
    let centred = Batch::from_fn(1, DIGITS, PIXELS, |_, i, j| noisy[i * PIXELS + j] - mean[j])?;
    let low = engine.low_rank(&centred).cutoff(Cutoff::absolute(edge));
    let low = low.run()?;
    let rank = low.report.outcomes[0].rank as usize;
    let low = low.approximation.matrix(0);
    let above: Vec<f32> = (0..DIGITS * PIXELS)
        .map(|e| mean[e % PIXELS] + low[e % PIXELS * DIGITS + e / PIXELS])
        .collect();
    let by_edge = rms(&above, &clean);

    // Each image on its own.
    let mut apart = Line::new();
    let mut seconds = 0.0;
    let mut alone = Vec::new();
    for k in 0..=SIDE {
        let start = Instant::now();
        let (images, _) = each(&engine, &noisy, Cutoff::rank(k))?;
        seconds = start.elapsed().as_secs_f64();
        apart.push((k as f64, rms(&images, &clean)));
        alone.push(images);
    }
    let mut energies = Line::new();
    for part in ENERGIES {
        let (images, rank) = each(&engine, &noisy, Cutoff::energy(part))?;
        energies.push((rank, rms(&images, &clean)));
    }

    let [all, one] = [&whole, &apart].map(|line| best(line));
    println!("low rank of              error (RMS)   of the noise      of the digits");
    println!("                                       it keeps, about   it loses (RMS)");
    // A matrix of rank k has so many numbers to choose.
    let kept = |k: usize, m: usize, n: usize| 100.0 * (k * (m + n - k)) as f64 / (m * n) as f64;
    for k in [2, 8, rank, 32] {
        println!(
            "all images, rank {k:<7} {:11.3}   {:13.0} %   {:13.3}",
            whole[k].1,
            kept(k, DIGITS, PIXELS),
            rms(&rebuilt[k], &clean)
        );
    }
    for k in [1, 2, 3] {
        let (lossy, _) = each(&engine, &clean, Cutoff::rank(k))?;
        println!(
            "each image, rank {k:<7} {:11.3}   {:13.0} %   {:13.3}",
            apart[k].1,
            kept(k, SIDE, SIDE),
            rms(&lossy, &clean)
        );
    }
    for (part, (rank, error)) in ENERGIES.iter().zip(&energies) {
        println!(
            "each, {:2.0} % of energy     {error:11.3}   (rank {rank:.1} on average)",
            100.0 * part
        );
    }
    println!(
        "\nAll together is better, {:.2} against {:.2}: digits resemble each other, so that a few directions hold\n\
         them all, and most of the noise is in the others. One 8x8 image has little to spare: of rank 1 it\n\
         is no digit any more, and rank 2 keeps nearly half of the noise. Without the clean images, singular\n\
         values above {edge:.0} are kept: rank {rank}, an error of {by_edge:.3}; the best is rank {all}.",
        by_edge, apart[one].1
    );
    println!(
        "{DIGITS} images of {SIDE}x{SIDE} at once: {:.2} ms\n",
        1e3 * seconds
    );
    let rows = [&clean, &noisy, &together[rank], &alone[one]].map(|digits| images(digits));
    mosaic(&rows).save(DENOISED)?;
    println!(
        "written: {DENOISED}: ten digits; with noise; of all images rank {rank}; of each image rank {one}"
    );
    let parts = (0..=PIXELS)
        .map(|k| (k as f64, 100.0 * explained(k)))
        .collect();
    draw(parts, whole.clone(), apart.clone(), energies, noise)?;
    println!("drawn: {PLOT}");

    let left = rms(&rebuilt[16], &clean).powi(2) * (DIGITS * PIXELS) as f64;
    let rest = (1.0 - explained(16)) * total * (DIGITS - 1) as f64;
    let checks = [
        (
            "what 16 components leave is the variance of the rest (Eckart and Young)",
            (left / rest - 1.0).abs() < 1e-3,
        ),
        (
            "all components give the images back",
            rms(&rebuilt[PIXELS], &clean) < 1e-5 * f64::from(INK),
        ),
        (
            "low_rank and the principal components agree",
            (by_edge / whole[rank].1 - 1.0).abs() < 1e-3,
        ),
        (
            "of full rank, all the noise is there",
            [whole[PIXELS].1, apart[SIDE].1]
                .iter()
                .all(|error| (error / noise - 1.0).abs() < 1e-4),
        ),
        (
            "noise is taken off, and more of it from all images together",
            whole[rank].1 < apart[one].1 && apart[one].1 < noise,
        ),
    ];
    match checks.iter().find(|(_, holds)| !holds) {
        Some((check, _)) => Err(format!("this does not hold: {check}").into()),
        None => Ok(()),
    }
}

fn components(engine: &Engine, images: &[f32]) -> Result<Components<f32>, batched_svd::Error> {
    let rows = View::row_major(images, 1, DIGITS, PIXELS)?;
    engine.principal_components(rows).run()
}

/// All images of the mean and the first k components, for every k from none to all.
fn by_rank(found: &Components<f32>) -> Vec<Vec<f32>> {
    let mut images = vec![found.mean.matrix(0).repeat(DIGITS)];
    let directions = found.components.matrix(0).chunks_exact(PIXELS);
    let scores = found.scores.matrix(0).chunks_exact(DIGITS);
    for (k, (direction, scores)) in directions.zip(scores).enumerate() {
        let mut next = images[k].clone();
        for (image, score) in next.chunks_exact_mut(PIXELS).zip(scores) {
            for (pixel, entry) in image.iter_mut().zip(direction) {
                *pixel += score * entry;
            }
        }
        images.push(next);
    }
    images
}

/// Each image by what counts of its own singular values; and how many those are, on average.
fn each(
    engine: &Engine,
    images: &[f32],
    cutoff: Cutoff,
) -> Result<(Vec<f32>, f64), batched_svd::Error> {
    // Transposed, so that the result is row by row again.
    let a = View::row_major(images, DIGITS, SIDE, SIDE)?.transpose();
    let low = engine.low_rank(a).cutoff(cutoff).run()?;
    let ranks = low.report.outcomes.iter().map(|o| f64::from(o.rank));
    let mean = ranks.sum::<f64>() / DIGITS as f64;
    Ok((low.approximation.into_vec(), mean))
}

/// The root of the mean square of what two sets of images differ by.
fn rms(x: &[f32], y: &[f32]) -> f64 {
    let squares = x.iter().zip(y).map(|(x, y)| f64::from(x - y).powi(2));
    (squares.sum::<f64>() / x.len() as f64).sqrt()
}

/// Of m x n matrices with noise, for m / n: what a singular value must be above to be worth keeping, over the
/// noise's deviation and the root of n.
fn threshold(ratio: f64) -> f64 {
    let sum = ratio + 1.0;
    let root = (ratio * ratio + 14.0 * ratio + 1.0).sqrt();
    (2.0 * sum + 8.0 * ratio / (sum + root)).sqrt()
}

/// Where a line is lowest.
fn best(line: &[(f64, f64)]) -> usize {
    let errors = line.iter().enumerate();
    errors
        .min_by(|(_, x), (_, y)| x.1.total_cmp(&y.1))
        .map_or(0, |(index, _)| index)
}

/// The first few.
fn images(pixels: &[f32]) -> Vec<GrayImage> {
    pixels.chunks_exact(PIXELS).take(ACROSS).map(ink).collect()
}

fn ink(pixels: &[f32]) -> GrayImage {
    shades(pixels, |pixel| 255.0 * (1.0 - pixel / INK))
}

/// Zero is gray, the largest entry white or black.
fn signed(entries: &[f32]) -> GrayImage {
    let most = entries.iter().fold(0.0, |most: f32, e| most.max(e.abs()));
    shades(entries, |entry| 127.5 * (1.0 - entry / most))
}

/// Row by row, and larger.
fn shades(entries: &[f32], shade: impl Fn(f32) -> f32) -> GrayImage {
    let size = SIDE as u32 * SCALE;
    GrayImage::from_fn(size, size, |x, y| {
        let [x, y] = [x, y].map(|at| (at / SCALE) as usize);
        // A cast from a float saturates: 0 to 255.
        Luma([shade(entries[y * SIDE + x]).round() as u8])
    })
}

/// Rows of images on a light ground, that blank ones have an edge.
fn mosaic(rows: &[Vec<GrayImage>]) -> GrayImage {
    let step = SIDE as u32 * SCALE + GAP;
    let size = [ACROSS as u32, rows.len() as u32].map(|count| count * step + GAP);
    let mut all = GrayImage::from_pixel(size[0], size[1], Luma([205]));
    for (y, row) in rows.iter().enumerate() {
        for (x, image) in row.iter().enumerate() {
            let [x, y] = [x as u32 * step + GAP, y as u32 * step + GAP].map(i64::from);
            image::imageops::replace(&mut all, image, x, y);
        }
    }
    all
}

struct Series {
    name: &'static str,
    colour: RGBColor,
    points: Line,
    /// Marked, or a line alone.
    marked: bool,
}

fn draw(
    explained: Line,
    whole: Line,
    apart: Line,
    energies: Line,
    noise: f64,
) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(PLOT, (1320, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, rest) = area.split_horizontally(440);
    let (middle, right) = rest.split_horizontally(440);
    let series = |name, colour, points, marked| Series {
        name,
        colour,
        points,
        marked,
    };
    let level = |name, colour, height, end: usize| {
        let points = vec![(0.0, height), (end as f64, height)];
        series(name, colour, points, false)
    };
    let black = RGBColor(90, 90, 90);
    let parts = [series("", BLUE, explained, false)];
    let label = ["components", "% of the variance"];
    panel(&left, "What components explain", label, 0.0..100.0, &parts)?;
    let lowest = whole[best(&whole)].1;
    // The same for both; a blank image's error is beyond it.
    let range = 2.0..5.0;
    let apart = apart.into_iter().filter(|(_, y)| range.contains(y));
    let label = ["rank", "RMS error (pixels are 0 to 16)"];
    let all = [
        series("rank of all images", BLUE, whole, false),
        level("the noise", black, noise, PIXELS),
    ];
    panel(
        &middle,
        "Denoised, all images together",
        label,
        range.clone(),
        &all,
    )?;
    let each = [
        series("rank", RED, apart.collect(), true),
        series("part of the energy", RGBColor(0, 140, 60), energies, true),
        level("the noise", black, noise, SIDE),
        level("all together, best rank", BLUE, lowest, SIDE),
    ];
    let label = ["rank (by energy: on average)", label[1]];
    panel(
        &right,
        "Denoised, each image alone",
        label,
        range.clone(),
        &each,
    )?;
    area.present()?;
    Ok(())
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    caption: &str,
    [x, y]: [&str; 2],
    range: Range<f64>,
    all: &[Series],
) -> Result<(), Box<dyn Error>> {
    let points = all.iter().flat_map(|series| &series.points);
    let end = points.fold(0.0, |end: f64, point| end.max(point.0));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(caption, ("sans-serif", 18))
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..end, range)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc(x)
        .y_desc(y)
        .x_label_formatter(&|x| format!("{x}"))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    for series in all {
        let style = series.colour.stroke_width(2);
        let line = chart.draw_series(LineSeries::new(series.points.iter().copied(), style))?;
        if !series.name.is_empty() {
            line.label(series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        if series.marked {
            let dot = |&point: &(f64, f64)| Circle::new(point, 4, series.colour.filled());
            chart.draw_series(series.points.iter().map(dot))?;
        }
    }
    if all.iter().any(|series| !series.name.is_empty()) {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    Ok(())
}
