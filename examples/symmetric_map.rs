//! What does a symmetric map do to points, if it is applied again and again? It stretches along its eigenvectors, and
//! every other direction turns towards that of the largest |eigenvalue|, unless both are of one size. Checks both for four
//! maps and draws them. Then counts the steps of 10,000 random maps until a direction is within one degree, beside what the
//! eigenvalues predict. Run with
//! `cargo run --release --features bench --example symmetric_map`.

use std::error::Error;
use std::f64::consts::TAU;
use std::time::Instant;

use batched_svd::{Batch, Engine};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};

const POINTS: usize = 360;
/// Steps that are drawn, and steps that are checked.
const DRAWN: usize = 4;
const CHECKED: usize = 40;
/// Points whose paths are drawn.
const PATHS: usize = 3;
const RANDOM: usize = 10_000;
const DEGREE: f64 = TAU / 360.0;
/// Bins of |l2 / l1|, by their upper ends.
const BINS: [f64; 6] = [0.25, 0.5, 0.75, 0.9, 0.99, 1.0];
const PLOT: &str = "target/symmetric_map.svg";

type Point = [f64; 2];

/// A map as it is chosen.
struct Chosen {
    name: &'static str,
    /// The first has the largest magnitude.
    values: [f64; 2],
    /// Of the first eigenvector, in degrees.
    angle: f64,
}

const CHOSEN: [Chosen; 4] = [
    Chosen {
        name: "Two positive eigenvalues",
        values: [1.2, 0.8],
        angle: 25.0,
    },
    Chosen {
        name: "One negative: a mirror in each step",
        values: [1.2, -0.8],
        angle: -35.0,
    },
    Chosen {
        name: "Stretches and shrinks: the area stays",
        values: [1.3, 1.0 / 1.3],
        angle: 50.0,
    },
    Chosen {
        name: "Nearly equal: hardly a turn",
        values: [1.15, 1.1],
        angle: 15.0,
    },
];

/// A symmetric map, and what eigh has found: the first eigenvalue has the largest magnitude.
struct Map {
    /// By columns.
    entries: [f64; 4],
    values: [f64; 2],
    vectors: [Point; 2],
    /// The bound on the error of the eigenvalues.
    error: f64,
}

impl Map {
    fn image(&self, x: Point) -> Point {
        let [a, b, c, d] = self.entries;
        [a * x[0] + c * x[1], b * x[0] + d * x[1]]
    }

    /// V diag(lambda^n) V' x.
    fn power(&self, steps: usize, x: Point) -> Point {
        let parts = self.vectors.map(|v| dot(v, x));
        let [p, q] = [0, 1].map(|k| self.values[k].powi(steps as i32) * parts[k]);
        let [v, w] = self.vectors;
        [p * v[0] + q * w[0], p * v[1] + q * w[1]]
    }

    fn ratio(&self) -> f64 {
        (self.values[1] / self.values[0]).abs()
    }

    /// The tangent of the angle between a direction and the first eigenvector.
    fn tangent(&self, x: Point) -> f64 {
        (dot(self.vectors[1], x) / dot(self.vectors[0], x)).abs()
    }

    /// The angle after so many steps, as it is predicted.
    fn predicted(&self, steps: usize, x: Point) -> f64 {
        (self.tangent(x) * self.ratio().powi(steps as i32)).atan()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::auto();
    println!("computing on {}", engine.choice());
    let mut rng = StdRng::seed_from_u64(2);
    let cloud: Vec<Point> = (0..POINTS)
        .map(|at| {
            let radius = 1.0 + 0.03 * rng.sample::<f64, _>(StandardNormal);
            direction(TAU * (at as f64 + rng.random::<f64>()) / POINTS as f64).map(|x| radius * x)
        })
        .collect();

    let chosen = Batch::from_fn(CHOSEN.len(), 2, 2, |b, i, j| CHOSEN[b].entry(i, j))?;
    let maps = decomposed(&engine, &chosen)?;
    let exact = maps.iter().zip(&CHOSEN).map(|(map, chosen)| {
        let errors = map.values.iter().zip(chosen.values);
        largest(errors.map(|(x, y)| (x - y).abs())) / map.error
    });
    let exact = largest(exact);
    println!("\n                                                        degrees after");
    println!("                                        eigenvalues     0 steps   5   10   20");
    for (map, chosen) in maps.iter().zip(&CHOSEN) {
        let angle = |steps| map.predicted(steps, halfway(map)) / DEGREE;
        let [first, second] = map.values;
        print!("{:<38} {first:6.3} {second:6.3}", chosen.name);
        println!(
            "  {:8.1} {:6.2} {:6.2} {:6.2}",
            angle(0),
            angle(5),
            angle(10),
            angle(20)
        );
    }
    let [powers, angles] = repeated(&maps, &cloud);
    println!("\neigenvalues beside those that were chosen, at most {exact:.2} of their bound");
    println!("V diag(lambda^n) V' x beside n products, relative  {powers:.0e}");
    println!("angles beside those predicted, radians             {angles:.0e}\n");

    let counts = random(&engine, &mut rng)?;
    draw(&maps, &cloud)?;
    println!("\ndrawn: {PLOT}");
    let checks = [
        ("the eigenvalues are those that were chosen", exact < 1.0),
        ("powers are those of the eigenvalues", powers < 1e-13),
        ("directions turn as predicted", angles < 1e-12),
        ("random maps need the steps that are predicted", counts),
    ];
    match checks.iter().find(|(_, holds)| !holds) {
        Some((check, _)) => Err(format!("this does not hold: {check}").into()),
        None => Ok(()),
    }
}

impl Chosen {
    /// V diag(lambda) V'.
    fn entry(&self, i: usize, j: usize) -> f64 {
        let v = direction(self.angle * DEGREE);
        let w = [-v[1], v[0]];
        self.values[0] * v[i] * v[j] + self.values[1] * w[i] * w[j]
    }
}

/// The eigenvalues and eigenvectors of a batch, in one call.
fn decomposed(engine: &Engine, maps: &Batch<f64>) -> Result<Vec<Map>, batched_svd::Error> {
    let found = engine.eigh(maps).strict(true).run()?;
    let map = |b: usize| {
        let entries = std::array::from_fn(|at| maps.matrix(b)[at]);
        let mut values = std::array::from_fn(|at| found.values.matrix(b)[at]);
        let mut vectors = [0, 1].map(|c| [0, 1].map(|i| found.vectors[[b, i, c]]));
        // They ascend; here the order is by magnitude.
        if values[1].abs() > values[0].abs() {
            values.reverse();
            vectors.reverse();
        }
        Map {
            entries,
            values,
            vectors,
            error: found.report.outcomes[b].sigma_error,
        }
    };
    Ok((0..maps.count()).map(map).collect())
}

/// The largest errors of the powers and of the angles, over all maps, points and steps: beside one product after the other.
fn repeated(maps: &[Map], cloud: &[Point]) -> [f64; 2] {
    let mut worst = [0.0, 0.0];
    for (map, &start) in maps
        .iter()
        .flat_map(|map| cloud.iter().map(move |x| (map, x)))
    {
        let mut x = start;
        for steps in 0..=CHECKED {
            let power = map.power(steps, start);
            let size = map.values[0].abs().powi(steps as i32) * norm(start);
            let errors = [
                norm([x[0] - power[0], x[1] - power[1]]) / size,
                (angle(x, map.vectors[0]) - map.predicted(steps, start)).abs(),
            ];
            worst = [0, 1].map(|k| largest([worst[k], errors[k]].into_iter()));
            x = map.image(x);
        }
    }
    worst
}

/// Steps of random maps until the direction (1, 0) is within a degree of the first eigenvector. Whether they are those that
/// are predicted; where the angle meets the degree but for rounding errors, one more or less is right, too.
fn random(engine: &Engine, rng: &mut StdRng) -> Result<bool, batched_svd::Error> {
    let maps: Batch<f64> = Batch::from_fn(RANDOM, 2, 2, |_, _, _| StandardNormal.sample(rng))?;
    let maps = Batch::from_fn(RANDOM, 2, 2, |b, i, j| maps[[b, i, j]] + maps[[b, j, i]])?;
    let start = Instant::now();
    let maps = decomposed(engine, &maps)?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{RANDOM} random maps in {:.1} ms: steps until a direction is within a degree",
        1e3 * seconds
    );
    println!("|l2 / l1| up to    maps    median      most   not as predicted   by more than one");
    let counted: Vec<(f64, usize, usize)> = maps
        .iter()
        .map(|map| (map.ratio(), counted(map), expected(map)))
        .collect();
    let mut low = 0.0;
    for high in BINS {
        let bin = counted
            .iter()
            .filter(|(ratio, _, _)| (low..high).contains(ratio));
        let mut bin: Vec<_> = bin.map(|&(_, steps, expected)| (steps, expected)).collect();
        bin.sort_unstable();
        let off = |by: usize| bin.iter().filter(|(x, y)| x.abs_diff(*y) > by).count();
        println!(
            "{high:15} {:7} {:9} {:9} {:18} {:18}",
            bin.len(),
            bin[bin.len() / 2].0,
            bin[bin.len() - 1].0,
            off(0),
            off(1)
        );
        low = high;
    }
    let same = counted.iter().filter(|(_, x, y)| x == y).count();
    Ok(same + 10 >= RANDOM && counted.iter().all(|(_, x, y)| x.abs_diff(*y) <= 1))
}

/// Applies a map until the direction is within a degree, and gives up two steps after it should be.
fn counted(map: &Map) -> usize {
    let directions = std::iter::successors(Some([1.0, 0.0]), |&x| {
        let image = map.image(x);
        Some(image.map(|entry| entry / norm(image)))
    });
    let close = |x: &Point| angle(*x, map.vectors[0]) <= DEGREE;
    directions
        .take(expected(map) + 2)
        .take_while(|x| !close(x))
        .count()
}

/// The first number of steps n with tan(angle) ratio^n <= tan(one degree).
fn expected(map: &Map) -> usize {
    let steps = (DEGREE.tan() / map.tangent([1.0, 0.0])).ln() / map.ratio().ln();
    steps.ceil().max(0.0) as usize
}

/// Between the eigenvectors.
fn halfway(map: &Map) -> Point {
    let [v, w] = map.vectors;
    [v[0] + w[0], v[1] + w[1]]
}

fn direction(angle: f64) -> Point {
    [angle.cos(), angle.sin()]
}

fn dot(x: Point, y: Point) -> f64 {
    x[0] * y[0] + x[1] * y[1]
}

fn norm(x: Point) -> f64 {
    x[0].hypot(x[1])
}

/// Between two lines.
fn angle(x: Point, y: Point) -> f64 {
    let cross = x[0] * y[1] - x[1] * y[0];
    cross.abs().atan2(dot(x, y).abs())
}

/// A NaN is the largest of all.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NEG_INFINITY, |largest, value| {
        match value > largest || value.is_nan() {
            true => value,
            false => largest,
        }
    })
}

fn draw(maps: &[Map], cloud: &[Point]) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("target")?;
    let area = SVGBackend::new(PLOT, (1100, 1130)).into_drawing_area();
    area.fill(&WHITE)?;
    let (panels, key) = area.split_vertically(1080);
    let panels = panels.margin(8, 0, 0, 0).split_evenly((2, 2));
    for ((panel, map), chosen) in panels.iter().zip(maps).zip(&CHOSEN) {
        draw_map(panel, chosen.name, map, cloud)?;
    }
    draw_key(&key)?;
    area.present()?;
    Ok(())
}

/// Pale for the first points, dark for the last.
fn colour(step: usize) -> RGBColor {
    let part = step as f64 / DRAWN as f64;
    let mixed = |pale: f64, dark: f64| (pale + part * (dark - pale)) as u8;
    RGBColor(mixed(175.0, 15.0), mixed(215.0, 45.0), mixed(240.0, 120.0))
}

const VECTOR: RGBColor = RGBColor(200, 30, 30);
const PATH: RGBColor = RGBColor(235, 140, 0);

fn draw_map(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    name: &str,
    map: &Map,
    cloud: &[Point],
) -> Result<(), Box<dyn Error>> {
    const MARGIN: u32 = 12;
    const LABELS: [u32; 2] = [28, 40];
    let area = area.titled(name, ("sans-serif", 20))?;
    // Scales are equal on both axes: circles are round.
    let (width, height) = area.dim_in_pixel();
    let [width, height] =
        [width - LABELS[1], height - LABELS[0]].map(|x| f64::from(x - 2 * MARGIN));
    let reach = 1.3 * map.values[0].abs().powi(DRAWN as i32);
    let [right, top] = [width, height].map(|side| reach * side / width.min(height));
    let mut chart = ChartBuilder::on(&area)
        .margin(MARGIN)
        .x_label_area_size(LABELS[0])
        .y_label_area_size(LABELS[1])
        .build_cartesian_2d(-right..right, -top..top)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .bold_line_style(BLACK.mix(0.08))
        .x_labels(7)
        .y_labels(7)
        .draw()?;

    let images = |x: Point| std::iter::successors(Some(x), |&x| Some(map.image(x))).take(DRAWN + 1);
    for (step, power) in (0..=DRAWN).map(|step| (step, colour(step).filled())) {
        let dots = cloud.iter().map(|&x| map.power(step, x));
        chart.draw_series(dots.map(|[x, y]| Circle::new((x, y), 2, power)))?;
    }
    for (k, (vector, value)) in map.vectors.into_iter().zip(map.values).enumerate() {
        // To the border of the plot.
        let far = (right / vector[0].abs()).min(top / vector[1].abs());
        let ends = [-far, far].map(|far| (far * vector[0], far * vector[1]));
        let style = VECTOR.stroke_width(2 - k as u32);
        chart.draw_series(LineSeries::new(ends, style))?;
        // Beside the line.
        let at = (
            0.86 * far * vector[0] - 0.12 * reach * vector[1],
            0.86 * far * vector[1] + 0.12 * reach * vector[0],
        );
        let anchor = Pos::new(HPos::Center, VPos::Center);
        let style = ("sans-serif", 17).into_font().color(&VECTOR).pos(anchor);
        chart.draw_series([Text::new(format!("{value:.3}"), at, style)])?;
    }
    for path in 0..PATHS {
        let start = cloud[(2 * path + 1) * POINTS / (2 * PATHS)];
        let points: Vec<(f64, f64)> = images(start).map(|[x, y]| (x, y)).collect();
        chart.draw_series(LineSeries::new(points.clone(), PATH.stroke_width(2)))?;
        chart.draw_series(
            points
                .into_iter()
                .map(|at| Circle::new(at, 4, PATH.filled())),
        )?;
    }
    Ok(())
}

/// What the colours mean.
fn draw_key(area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn Error>> {
    let font = ("sans-serif", 17);
    let middle = |x| (x, 12);
    for step in 0..=DRAWN {
        let x = 60 + 110 * step as i32;
        area.draw(&Circle::new((x, 20), 5, colour(step).filled()))?;
        area.draw(&Text::new(format!("{step} steps"), middle(x + 12), font))?;
    }
    for (x, colour, name) in [
        (640, PATH, "paths of three points"),
        (860, VECTOR, "eigenvectors and eigenvalues"),
    ] {
        area.draw(&PathElement::new(
            [(x, 20), (x + 24, 20)],
            colour.stroke_width(2),
        ))?;
        area.draw(&Text::new(name, middle(x + 32), font))?;
    }
    Ok(())
}
