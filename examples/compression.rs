//! A photograph by a few singular values: as three matrices, one a colour, and as thousands of 8x8 blocks (the
//! sides are no multiple of eight). Writes the reconstructions beside the original as one picture, and draws
//! singular values and errors. Run with `cargo run --release --features bench --example compression`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use batched_svd::{Batch, Cutoff, Engine, verify};
use image::{Rgb, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;

const PHOTOGRAPH: &str = "examples/data/chelsea.png";
const PICTURE: &str = "target/compression.png";
const PLOT: &str = "target/compression.svg";
const COLOURS: [(&str, RGBColor); 3] = [("red", RED), ("green", GREEN), ("blue", BLUE)];
const BLOCK: usize = 8;
/// Of the whole photograph, and of every block.
const RANKS: [usize; 3] = [5, 20, 60];
const BLOCK_RANKS: [usize; 3] = [1, 2, 3];
/// Pixels between the pictures.
const GAP: u32 = 6;

fn main() -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PHOTOGRAPH);
    let original = image::open(path)?.to_rgb8();
    let (width, height) = (original.width() as usize, original.height() as usize);
    let engine = Engine::auto();
    println!("computing on {}", engine.choice());
    let whole = Batch::from_fn(3, height, width, |colour, i, j| {
        f32::from(original.get_pixel(j as u32, i as u32)[colour])
    })?;

    // The last row and column are repeated up to the next multiple.
    let grid = [height.div_ceil(BLOCK), width.div_ceil(BLOCK)];
    let count = 3 * grid[0] * grid[1];
    let blocks = Batch::from_fn(count, BLOCK, BLOCK, |b, i, j| {
        let (colour, block) = (b / (grid[0] * grid[1]), b % (grid[0] * grid[1]));
        let y = (block / grid[1] * BLOCK + i).min(height - 1);
        let x = (block % grid[1] * BLOCK + j).min(width - 1);
        whole.matrix(colour)[x * height + y]
    })?;

    println!("{width}x{height} pixels, three colours\n");
    println!("                     numbers kept   error |A-B| / |A|     time");
    let mut pictures = vec![vec![original.clone()], vec![original]];
    for rank in RANKS {
        let (low, seconds) = approximate(&engine, &whole, rank)?;
        let kept = rank * (height + width + 1) * 3;
        row(&format!("whole, rank {rank}"), kept, &whole, &low, seconds)?;
        pictures[0].push(picture(&low));
    }
    for rank in BLOCK_RANKS {
        let (low, seconds) = approximate(&engine, &blocks, rank)?;
        let together = Batch::from_fn(3, height, width, |colour, i, j| {
            let block = (colour * grid[0] + i / BLOCK) * grid[1] + j / BLOCK;
            low.matrix(block)[j % BLOCK * BLOCK + i % BLOCK]
        })?;
        let kept = rank * (2 * BLOCK + 1) * count;
        row(
            &format!("{count} blocks, rank {rank}"),
            kept,
            &whole,
            &together,
            seconds,
        )?;
        pictures[1].push(picture(&together));
    }
    // And by what may be lost: as many singular values as each needs.
    for (name, batch) in [("whole", &whole), ("blocks", &blocks)] {
        let ranks: Vec<u32> = engine
            .singular_values(batch)
            .cutoff(Cutoff::error(0.05))
            .run()?
            .report
            .outcomes
            .iter()
            .map(|outcome| outcome.rank)
            .collect();
        let mean = ranks.iter().map(|&r| f64::from(r)).sum::<f64>() / ranks.len() as f64;
        println!("an error of 5 % takes rank {mean:.1} on average, {name}");
    }

    std::fs::create_dir_all("target")?;
    mosaic(&pictures).save(PICTURE)?;
    println!(
        "\nwritten: {PICTURE}: above the original and ranks 5, 20, 60; below blocks of ranks 1, 2, 3"
    );
    let sigma = engine.singular_values(&whole).run()?.sigma;
    draw(&sigma)?;
    println!("drawn: {PLOT}");
    Ok(())
}

fn approximate(
    engine: &Engine,
    a: &Batch<f32>,
    rank: usize,
) -> Result<(Batch<f32>, f64), batched_svd::Error> {
    let start = Instant::now();
    let low = engine.low_rank(a).cutoff(Cutoff::rank(rank)).run()?;
    Ok((low.approximation, start.elapsed().as_secs_f64()))
}

fn row(
    name: &str,
    kept: usize,
    a: &Batch<f32>,
    b: &Batch<f32>,
    seconds: f64,
) -> Result<(), batched_svd::Error> {
    let errors = verify::distances(a, b)?;
    let [low, high] = [f64::min, f64::max].map(|f| errors.iter().copied().fold(errors[0], f));
    let part = 100.0 * kept as f64 / a.as_slice().len() as f64;
    println!(
        "{name:<20} {part:9.1} %   {low:.4} to {high:.4}   {:8.1} ms",
        1e3 * seconds
    );
    Ok(())
}

fn picture(colours: &Batch<f32>) -> RgbImage {
    let (height, width) = (colours.rows(), colours.cols());
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        // A cast from a float saturates: 0 to 255.
        let at = |colour| colours.matrix(colour)[x as usize * height + y as usize];
        Rgb([0, 1, 2].map(|colour| at(colour).round() as u8))
    })
}

/// Rows of pictures of one size.
fn mosaic(rows: &[Vec<RgbImage>]) -> RgbImage {
    let (width, height) = rows[0][0].dimensions();
    let (across, down) = (rows[0].len() as u32, rows.len() as u32);
    let size = [across * (width + GAP) - GAP, down * (height + GAP) - GAP];
    let mut all = RgbImage::from_pixel(size[0], size[1], Rgb([255; 3]));
    for (y, row) in rows.iter().enumerate() {
        for (x, picture) in row.iter().enumerate() {
            let [x, y] = [x as u32 * (width + GAP), y as u32 * (height + GAP)].map(i64::from);
            image::imageops::replace(&mut all, picture, x, y);
        }
    }
    all
}

fn draw(sigma: &Batch<f32>) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(PLOT, (1000, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(500);
    let values = |colour: usize| sigma.matrix(colour).iter().map(|&s| f64::from(s));
    let largest = (0..3).flat_map(values).fold(0.0, f64::max);
    let smallest = (0..3).flat_map(values).fold(largest, f64::min);
    let lines = [0, 1, 2].map(|colour| values(colour).collect());
    lines_of(
        &left,
        "Singular values",
        "index",
        smallest..1.5 * largest,
        lines,
    )?;
    // Of rank k, what is left is the root of the squares of the rest (Eckart and Young).
    let errors = [0, 1, 2].map(|colour| {
        let total: f64 = values(colour).map(|s| s * s).sum();
        let mut rest = total;
        values(colour)
            .map(|s| {
                rest -= s * s;
                (rest.max(0.0) / total).sqrt()
            })
            .take(150)
            .collect()
    });
    lines_of(
        &right,
        "Error |A - B| / |A| by rank",
        "rank",
        0.01..1.0,
        errors,
    )?;
    area.present()?;
    Ok(())
}

fn lines_of(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    caption: &str,
    x: &str,
    range: std::ops::Range<f64>,
    lines: [Vec<f64>; 3],
) -> Result<(), Box<dyn Error>> {
    let floor = range.start;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(caption, ("sans-serif", 18))
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(1.0..lines[0].len() as f64, range.log_scale())?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc(x)
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    for ((name, colour), line) in COLOURS.into_iter().zip(lines) {
        let points = line.into_iter().enumerate().filter(|&(_, y)| y >= floor);
        let points = points.map(|(index, y)| (index as f64 + 1.0, y));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}
