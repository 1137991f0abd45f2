//! Where did the camera turn? Rigid alignment (Kabsch, Procrustes) of 40,000 pairs of point clouds at once: the
//! rotation nearest to each 3x3 sum of products, under noise, for flat clouds, and for mirror images, which
//! no rotation explains. Draws one pair and the errors of all. Run with
//! `cargo run --release --features bench --example alignment`.

use std::error::Error;
use std::time::Instant;

use batched_svd::{Batch, Determinant, Engine};
use plotters::coord::Shift;
use plotters::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};

const CLOUDS: usize = 10_000;
const POINTS: usize = 40;
const PLOT: &str = "target/alignment.svg";

type Point = [f64; 3];
type Turn = [Point; 3];

/// What is done to a cloud besides turning it.
struct Case {
    name: &'static str,
    noise: f64,
    flat: bool,
    mirrored: bool,
}

const CASES: [Case; 4] = [
    Case {
        name: "exact",
        noise: 0.0,
        flat: false,
        mirrored: false,
    },
    Case {
        name: "noise of 0.1",
        noise: 0.1,
        flat: false,
        mirrored: false,
    },
    Case {
        name: "flat, noise of 0.1",
        noise: 0.1,
        flat: true,
        mirrored: false,
    },
    Case {
        name: "mirrored",
        noise: 0.0,
        flat: false,
        mirrored: true,
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::auto();
    println!("computing on {}", engine.choice());
    let mut rng = StdRng::seed_from_u64(2);
    let mut normal = move || -> f64 { StandardNormal.sample(&mut rng) };

    let mut turns = Vec::new();
    let mut sums = Vec::new();
    let mut shown = Vec::new();
    for case in &CASES {
        for cloud in 0..CLOUDS {
            let turn = random_turn(&mut normal);
            let shift = [normal(), normal(), normal()];
            let before: Vec<Point> = (0..POINTS)
                .map(|_| [normal(), normal(), if case.flat { 0.0 } else { normal() }])
                .collect();
            let after: Vec<Point> = before
                .iter()
                .map(|&[x, y, z]| {
                    let moved = times(&turn, [x, y, if case.mirrored { -z } else { z }]);
                    std::array::from_fn(|i| moved[i] + shift[i] + case.noise * normal())
                })
                .collect();
            // Centred, both; then the sum of q p' over all points.
            let (p, q) = (centred(&before), centred(&after));
            sums.extend((0..9).map(|e| {
                let products = p.iter().zip(&q).map(|(p, q)| q[e % 3] * p[e / 3]);
                products.sum::<f64>() as f32
            }));
            if case.noise > 0.0 && cloud == 0 && !case.flat {
                shown = vec![p, q];
            }
            turns.push(turn);
        }
    }

    let a = Batch::from_col_major(turns.len(), 3, 3, sums)?;
    let start = Instant::now();
    let found = engine.polar(&a).determinant(Determinant::Positive).run()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{} rotations in {:.1} ms\n", turns.len(), 1e3 * seconds);

    let errors: Vec<f64> = turns
        .iter()
        .enumerate()
        .map(|(index, turn)| between(turn, &rotation(&found.orthogonal, index)))
        .collect();
    println!("cloud               angle from the truth: median      worst");
    for (case, errors) in CASES.iter().zip(errors.chunks(CLOUDS)) {
        let mut sorted = errors.to_vec();
        sorted.sort_by(f64::total_cmp);
        let [median, worst] = [sorted[CLOUDS / 2], sorted[CLOUDS - 1]].map(degrees);
        println!("{:<38} {median:9.5} {worst:9.5} degrees", case.name);
    }
    let determinants = (0..a.count()).map(|i| determinant(&rotation(&found.orthogonal, i)));
    let furthest = determinants.map(|d| (d - 1.0).abs()).fold(0.0, f64::max);
    println!(
        "\ndeterminants: within {furthest:.0e} of 1, so that no mirror image passes for a rotation"
    );

    let turn = rotation(&found.orthogonal, CLOUDS);
    draw(
        &shown,
        &turn,
        &errors[CLOUDS..2 * CLOUDS],
        &errors[2 * CLOUDS..3 * CLOUDS],
    )?;
    println!("drawn: {PLOT}");
    if degrees(errors[..CLOUDS].iter().copied().fold(0.0, f64::max)) > 0.01 {
        return Err("an exact cloud was not turned back".into());
    }
    Ok(())
}

/// A rotation, all equally likely: of a random unit quaternion.
fn random_turn(normal: &mut impl FnMut() -> f64) -> Turn {
    let q = [(); 4].map(|()| normal());
    let size = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    let [w, x, y, z] = q.map(|entry| entry / size);
    [
        [
            1.0 - 2.0 * (y * y + z * z),
            2.0 * (x * y - z * w),
            2.0 * (x * z + y * w),
        ],
        [
            2.0 * (x * y + z * w),
            1.0 - 2.0 * (x * x + z * z),
            2.0 * (y * z - x * w),
        ],
        [
            2.0 * (x * z - y * w),
            2.0 * (y * z + x * w),
            1.0 - 2.0 * (x * x + y * y),
        ],
    ]
}

fn rotation(batch: &Batch<f32>, index: usize) -> Turn {
    let entries = batch.matrix(index);
    std::array::from_fn(|i| std::array::from_fn(|j| f64::from(entries[3 * j + i])))
}

fn times(turn: &Turn, p: Point) -> Point {
    turn.map(|row| row.iter().zip(p).map(|(r, p)| r * p).sum())
}

fn centred(points: &[Point]) -> Vec<Point> {
    let mean: Point =
        std::array::from_fn(|i| points.iter().map(|p| p[i]).sum::<f64>() / points.len() as f64);
    let less = |p: &Point| std::array::from_fn(|i| p[i] - mean[i]);
    points.iter().map(less).collect()
}

/// The angle of the turn from one to the other, by what their difference is long: exact for small ones too.
fn between(a: &Turn, b: &Turn) -> f64 {
    let entries = a.iter().flatten().zip(b.iter().flatten());
    let distance = entries.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    2.0 * (distance / 8f64.sqrt()).min(1.0).asin()
}

fn degrees(angle: f64) -> f64 {
    angle.to_degrees()
}

fn determinant([a, b, c]: &Turn) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

fn draw(
    shown: &[Vec<Point>],
    turn: &Turn,
    noisy: &[f64],
    flat: &[f64],
) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("target")?;
    let area = SVGBackend::new(PLOT, (1320, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, rest) = area.split_horizontally(440);
    let (middle, right) = rest.split_horizontally(440);
    let [p, q] = shown else {
        return Err("no cloud to show".into());
    };
    draw_clouds(&left, "Before: two clouds, seen from above", p, q)?;
    let turned: Vec<Point> = p.iter().map(|&p| times(turn, p)).collect();
    draw_clouds(&middle, "After: the first one turned", &turned, q)?;
    draw_errors(&right, noisy, flat)?;
    area.present()?;
    Ok(())
}

fn draw_clouds(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    caption: &str,
    p: &[Point],
    q: &[Point],
) -> Result<(), Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(caption, ("sans-serif", 18))
        .x_label_area_size(28)
        .y_label_area_size(32)
        .build_cartesian_2d(-3.5..3.5, -3.5..3.5)?;
    chart.configure_mesh().max_light_lines(0).draw()?;
    chart.draw_series(q.iter().map(|q| Circle::new((q[0], q[1]), 6, RED.mix(0.6))))?;
    chart.draw_series(
        p.iter()
            .map(|p| Circle::new((p[0], p[1]), 3, BLUE.filled())),
    )?;
    Ok(())
}

/// How many clouds have which error.
fn draw_errors(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    noisy: &[f64],
    flat: &[f64],
) -> Result<(), Box<dyn Error>> {
    const BINS: usize = 60;
    let all = noisy.iter().chain(flat).copied().map(degrees);
    let most = all.fold(0.0, f64::max);
    let width = most / BINS as f64;
    let count = |errors: &[f64]| {
        let mut bins = vec![0u32; BINS];
        for &error in errors {
            bins[((degrees(error) / width) as usize).min(BINS - 1)] += 1;
        }
        bins
    };
    let kinds = [
        ("all directions", BLUE, count(noisy)),
        ("flat", RED, count(flat)),
    ];
    let highest = kinds
        .iter()
        .flat_map(|(_, _, bins)| bins)
        .max()
        .copied()
        .unwrap_or(1);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption("Errors under noise of 0.1", ("sans-serif", 18))
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..most, 0.0..1.1 * f64::from(highest))?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("degrees from the truth")
        .y_desc("clouds")
        .draw()?;
    for (name, colour, bins) in kinds {
        let line = bins.into_iter().enumerate();
        let line = line.map(|(bin, count)| ((bin as f64 + 0.5) * width, f64::from(count)));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
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
