//! Ridges and tubes, found by eigenvalues of Hessians. Second derivatives of an image at some scales make one symmetric
//! matrix for each pixel: over a million 2x2 matrices of a photograph, and over a million 3x3 matrices of a noisy volume
//! with tubes. Along a ridge or a tube an eigenvalue is small, and across it eigenvalues are large. The measure is
//! that of Frangi and others, Multiscale vessel enhancement filtering (1998). Checks the eigenvalues by traces and
//! determinants, and that the tubes are found. Writes a picture. Run with
//! `cargo run --release --features bench --example hessian`.

use std::error::Error;
use std::f32::consts::PI;
use std::path::Path;
use std::time::Instant;

use batched_svd::{Batch, Eigvalsh, Engine};
use image::{Rgb, RgbImage};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

const PHOTOGRAPH: &str = "examples/data/chelsea.png";
const PICTURE: &str = "target/hessian.png";
/// The standard deviations of the Gaussians, in pixels: about the radii of what they find.
const RIDGES: [f32; 8] = [0.8, 1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0];
const TUBES: [f32; 4] = [1.0, 1.4, 2.0, 2.8];
/// Voxels on a side of the volume, and the standard deviation of its noise. Tubes are as bright as 1.
const SIDE: usize = 64;
const NOISE: f32 = 0.4;
/// Points on the axis of a tube.
const POINTS: usize = 120;
/// The part of the pixels that is drawn in full brightness.
const RIDGES_IN_FULL: f64 = 0.02;
/// The height of the picture.
const HEIGHT: usize = 300;
/// Pixels between the parts of the picture.
const GAP: u32 = 6;

/// Planes, rows and columns. A photograph is one plane.
struct Image {
    shape: [usize; 3],
    values: Vec<f32>,
}

/// A bent tube: its axis for t from 0 to 1, and its radius.
type Tube = (fn(f32) -> [f32; 3], f32);

const TUBE_AXES: [Tube; 3] = [
    (
        |t| {
            let (sin, cos) = (3.0 * PI * t).sin_cos();
            [6.0 + 52.0 * t, 32.0 + 19.0 * sin, 32.0 + 19.0 * cos]
        },
        1.5,
    ),
    (
        |t| {
            [
                20.0 + 24.0 * t,
                20.0 + 24.0 * (PI * t).sin(),
                6.0 + 52.0 * t,
            ]
        },
        2.2,
    ),
    (
        |t| {
            [
                54.0 - 40.0 * t,
                6.0 + 52.0 * t,
                14.0 + 12.0 * (2.0 * PI * t).sin(),
            ]
        },
        1.1,
    ),
];
/// A bright ball is no tube.
const BALL: Tube = (|_| [30.0, 54.0, 50.0], 4.5);

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::auto();
    println!("computing on {}\n", engine.choice());
    println!(
        "                                                     error over its bound        bound"
    );
    println!("Hessians               time       matrices/s         trace   determinant  over |A|");

    let photograph = photograph()?;
    let (found, flat) = eigenvalues(&engine, &hessians(&photograph, &[1, 2], &RIDGES)?)?;
    let [bright, dark] = [-1.0, 1.0].map(|sign| {
        let ridge = |lambda: &[f32], c| ridge(lambda, sign, c);
        strongest(&found, RIDGES.len(), ridge)
    });

    let volume = volume();
    let (found, solid) = eigenvalues(&engine, &hessians(&volume, &[0, 1, 2], &TUBES)?)?;
    let tubes = strongest(&found, TUBES.len(), tube);

    println!(
        "\nthe volume               mean in tubes   in the ball   outside   area under the curve"
    );
    let before = judged("brightness", &volume.values);
    let after = judged("measure of tubes", &tubes);

    std::fs::create_dir_all("target")?;
    let ridges = [&bright, &dark].map(|measure| shades(measure, RIDGES_IN_FULL));
    let solids = [&volume.values, &tubes].map(|values| shades(&projection(values), 0.0));
    let parts = [
        part(photograph.shape, |at| [photograph.values[at] as u8; 3]),
        part(photograph.shape, |at| {
            let [bright, dark] = [ridges[0][at], ridges[1][at]];
            [bright, bright / 2 + dark / 2, dark]
        }),
        part([1, SIDE, SIDE], |at| [solids[0][at]; 3]),
        part([1, SIDE, SIDE], |at| [solids[1][at]; 3]),
    ];
    beside(&parts).save(PICTURE)?;
    println!(
        "\nwritten: {PICTURE}: the photograph; its ridges, bright ones in orange and dark ones in blue;\n\
         the volume, and the measure of tubes, both as the largest value along each line of sight"
    );
    check(flat, solid, before, after)
}

fn photograph() -> Result<Image, image::ImageError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PHOTOGRAPH);
    let gray = image::open(path)?.to_luma8();
    Ok(Image {
        shape: [1, gray.height() as usize, gray.width() as usize],
        values: gray.into_raw().into_iter().map(f32::from).collect(),
    })
}

/// Tubes and the ball, brightest at their axes, and noise.
fn volume() -> Image {
    let [tubes, ball] = [&TUBE_AXES[..], &[BALL]].map(distances);
    let mut rng = StdRng::seed_from_u64(6);
    let values = tubes.iter().zip(ball).map(|(tube, ball)| {
        let normal: f32 = StandardNormal.sample(&mut rng);
        (-0.5 * tube.min(ball).powi(2)).exp() + NOISE * normal
    });
    Image {
        shape: [SIDE; 3],
        values: values.collect(),
    }
}

/// How far each voxel is from the nearest axis, in radii of this tube.
fn distances(tubes: &[Tube]) -> Vec<f32> {
    let points: Vec<([f32; 3], f32)> = tubes
        .iter()
        .flat_map(|(axis, radius)| {
            (0..POINTS).map(move |k| (axis(k as f32 / (POINTS - 1) as f32), *radius))
        })
        .collect();
    (0..SIDE * SIDE * SIDE)
        .into_par_iter()
        .map(|at| {
            let voxel = [at / SIDE / SIDE, at / SIDE % SIDE, at % SIDE].map(|x| x as f32);
            let squares = points.iter().map(|(point, radius)| {
                let square: f32 = voxel.iter().zip(point).map(|(x, p)| (x - p).powi(2)).sum();
                square / (radius * radius)
            });
            squares.fold(f32::INFINITY, f32::min).sqrt()
        })
        .collect()
}

/// The Hessians along some axes: of all pixels at the first scale, then of all at the next one. Derivatives are in units
/// of the scale, so that those of different scales can be compared.
fn hessians(
    image: &Image,
    axes: &[usize],
    scales: &[f32],
) -> Result<Batch<f32>, batched_svd::Error> {
    let n = axes.len();
    // The upper triangle of a Hessian, row by row.
    let entries = (0..n).flat_map(|i| (i..n).map(move |j| (i, j)));
    let wanted: Vec<(f32, (usize, usize))> = scales
        .iter()
        .flat_map(|&scale| entries.clone().map(move |entry| (scale, entry)))
        .collect();
    let derivatives: Vec<Vec<f32>> = wanted
        .into_par_iter()
        .map(|(scale, (i, j))| {
            let filtered = axes.iter().enumerate().map(|(k, &axis)| {
                let order = usize::from(k == i) + usize::from(k == j);
                (axis, gaussian(scale, order))
            });
            let first = image.values.clone();
            filtered.fold(first, |values, (axis, kernel)| {
                correlated(&values, image.shape, axis, &kernel)
            })
        })
        .collect();
    let pixels = image.values.len();
    Batch::from_fn(scales.len() * pixels, n, n, |b, i, j| {
        let (i, j) = (i.min(j), i.max(j));
        let entry = i * (2 * n - i - 1) / 2 + j;
        derivatives[b / pixels * (n * (n + 1) / 2) + entry][b % pixels]
    })
}

/// A Gaussian as weights whose sum is one, or its first or second derivative, times scale or scale^2.
fn gaussian(scale: f32, order: usize) -> Vec<f32> {
    let radius = (4.0 * scale).ceil();
    let at: Vec<f32> = (0..=2 * radius as usize)
        .map(|k| (k as f32 - radius) / scale)
        .collect();
    let bell = |x: &f32| (-0.5 * x * x).exp();
    let total: f32 = at.iter().map(bell).sum();
    let weight = |x: &f32| {
        let factor = [1.0, *x, x * x - 1.0][order];
        factor * bell(x) / total
    };
    at.iter().map(weight).collect()
}

/// Sums of neighbours along one axis, with weights. Beyond the border, its values are repeated.
fn correlated(values: &[f32], shape: [usize; 3], axis: usize, weights: &[f32]) -> Vec<f32> {
    let stride: usize = shape[axis + 1..].iter().product();
    let (size, radius) = (shape[axis], weights.len() / 2);
    let sum = |at: usize| {
        let here = at / stride % size;
        let first = at - here * stride;
        let terms = weights.iter().enumerate().map(|(k, weight)| {
            let there = (here + k).saturating_sub(radius).min(size - 1);
            weight * values[first + there * stride]
        });
        terms.sum()
    };
    (0..values.len()).map(sum).collect()
}

/// Eigenvalues, and the largest errors of the trace and of the determinant, over their bounds. The last number is the
/// largest bound of an eigenvalue, over the largest eigenvalue in size of the matrix. Prints all of them.
fn eigenvalues(
    engine: &Engine,
    hessians: &Batch<f32>,
) -> Result<(Eigvalsh<f32>, [f64; 3]), batched_svd::Error> {
    let start = Instant::now();
    let found = engine.eigvalsh(hessians).strict(true).run()?;
    let seconds = start.elapsed().as_secs_f64();
    let (count, n) = (hessians.count(), hessians.cols());
    let errors = (0..count).map(|b| {
        let outcome = &found.report.outcomes[b];
        invariants(
            hessians.matrix(b),
            found.values.matrix(b),
            outcome.sigma_error,
        )
    });
    let worst = errors.fold([0f64; 3], |worst, errors| {
        // A NaN must not hide behind a comparison.
        let larger = |k: usize| errors[k] > worst[k] || errors[k].is_nan();
        std::array::from_fn(|k| if larger(k) { errors[k] } else { worst[k] })
    });
    println!(
        "{count:8} of {n}x{n} {:8.1} ms {:9.2} million {:13.3} {:13.3} {:12.1e}",
        1e3 * seconds,
        1e-6 * count as f64 / seconds,
        worst[0],
        worst[1],
        worst[2]
    );
    Ok((found, worst))
}

/// The sum of the eigenvalues is the trace, and their product is the determinant. If no eigenvalue is off by more than e,
/// the sum is off by at most n e, and the product by n e s^(n - 1), where s is e more than the largest eigenvalue in size.
/// Returns both errors over these bounds, and e over the largest eigenvalue.
fn invariants(a: &[f32], values: &[f32], e: f64) -> [f64; 3] {
    let a: Vec<f64> = a.iter().map(|&x| f64::from(x)).collect();
    let values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
    let n = values.len();
    let trace: f64 = a.iter().step_by(n + 1).sum();
    let determinant = match n {
        2 => a[0] * a[3] - a[1] * a[2],
        _ => (0..3)
            .map(|j| {
                let minor =
                    |p: usize, q: usize| a[3 * p + 1] * a[3 * q + 2] - a[3 * p + 2] * a[3 * q + 1];
                a[3 * j] * minor((j + 1) % 3, (j + 2) % 3)
            })
            .sum(),
    };
    let largest = values
        .iter()
        .fold(0f64, |most, value| most.max(value.abs()));
    let bound = n as f64 * e;
    [
        ((values.iter().sum::<f64>() - trace).abs(), bound),
        (
            (values.iter().product::<f64>() - determinant).abs(),
            bound * (largest + e).powi(n as i32 - 1),
        ),
        (e, largest),
    ]
    .map(|(error, bound)| if error == 0.0 { 0.0 } else { error / bound })
}

/// The largest response of all scales, for each pixel. A response is given the eigenvalues, those of the smallest size
/// first, and half of the largest norm of all Hessians.
fn strongest(
    found: &Eigvalsh<f32>,
    scales: usize,
    response: impl Fn(&[f32], f32) -> f32,
) -> Vec<f32> {
    let half = 0.5 * found.values.matrices().map(norm).fold(0.0, f32::max);
    let pixels = found.values.count() / scales;
    let mut most = vec![0.0f32; pixels];
    let mut sorted = Vec::new();
    for (b, values) in found.values.matrices().enumerate() {
        sorted.clear();
        sorted.extend_from_slice(values);
        sorted.sort_by(|x, y| x.abs().total_cmp(&y.abs()));
        let most = &mut most[b % pixels];
        *most = most.max(response(&sorted, half));
    }
    most
}

fn norm(lambda: &[f32]) -> f32 {
    lambda.iter().map(|x| x * x).sum::<f32>().sqrt()
}

/// One for a ratio of zero, less for large ones.
fn small(ratio: f32) -> f32 {
    (-2.0 * ratio * ratio).exp()
}

/// Of noise and flat regions, it is near zero.
fn strength(lambda: &[f32], half: f32) -> f32 {
    1.0 - (-0.5 * (norm(lambda) / half).powi(2)).exp()
}

/// Of a bright ridge (a sign of -1) or a dark one (1).
fn ridge(lambda: &[f32], sign: f32, half: f32) -> f32 {
    if lambda[1] * sign <= 0.0 {
        return 0.0;
    }
    small(lambda[0] / lambda[1]) * strength(lambda, half)
}

/// Of a bright tube: two large negative eigenvalues of like size. A plate has one, and a ball has three.
fn tube(lambda: &[f32], half: f32) -> f32 {
    if lambda[1] >= 0.0 || lambda[2] >= 0.0 {
        return 0.0;
    }
    let plate = lambda[1] / lambda[2];
    let ball = lambda[0] / (lambda[1] * lambda[2]).sqrt();
    (1.0 - small(plate)) * small(ball) * strength(lambda, half)
}

/// How well a measure finds the tubes: its means, and the area under the curve.
struct Judged {
    in_tubes: f64,
    in_ball: f64,
    area: f64,
}

fn judged(name: &str, measure: &[f32]) -> Judged {
    let [tubes, ball] = [&TUBE_AXES[..], &[BALL]].map(distances);
    let select = |wanted: &dyn Fn(usize) -> bool| -> Vec<f32> {
        let all = measure.iter().enumerate();
        let selected = all.filter(|(at, _)| wanted(*at));
        selected.map(|(_, value)| *value).collect()
    };
    let inside = select(&|at| tubes[at] < 1.0);
    let outside = select(&|at| tubes[at] > 2.0);
    let in_ball = select(&|at| ball[at] < 1.0);
    let [in_tubes, in_ball, mean_outside] = [&inside, &in_ball, &outside].map(|part| mean(part));
    let area = area(&inside, &outside);
    println!("{name:<20} {in_tubes:17.3} {in_ball:13.3} {mean_outside:9.3} {area:22.4}");
    Judged {
        in_tubes,
        in_ball,
        area,
    }
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64
}

/// The probability that a value inside is above one outside: the area under the curve of true over false positives.
fn area(inside: &[f32], outside: &[f32]) -> f64 {
    let mut sorted = outside.to_vec();
    sorted.sort_by(f32::total_cmp);
    // Of equal values, half count.
    let below = inside.iter().map(|value| {
        let [less, most] = [f32::lt, f32::le].map(|is| sorted.partition_point(|x| is(x, value)));
        0.5 * (less + most) as f64
    });
    below.sum::<f64>() / (inside.len() * outside.len()) as f64
}

/// From black to white. The brightest part is white.
fn shades(values: &[f32], white: f64) -> Vec<u8> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let full = sorted[((1.0 - white) * (values.len() - 1) as f64) as usize];
    // A cast from a float saturates: 0 to 255.
    values.iter().map(|x| (255.0 * x / full) as u8).collect()
}

/// The largest values along the first axis.
fn projection(volume: &[f32]) -> Vec<f32> {
    let mut largest = vec![0.0f32; SIDE * SIDE];
    for plane in volume.chunks_exact(SIDE * SIDE) {
        for (largest, value) in largest.iter_mut().zip(plane) {
            *largest = largest.max(*value);
        }
    }
    largest
}

/// One plane, as high as the picture.
fn part([_, height, width]: [usize; 3], colour: impl Fn(usize) -> [u8; 3]) -> RgbImage {
    RgbImage::from_fn((width * HEIGHT / height) as u32, HEIGHT as u32, |x, y| {
        let [x, y] = [x, y].map(|at| at as usize * height / HEIGHT);
        Rgb(colour(y * width + x))
    })
}

fn beside(parts: &[RgbImage]) -> RgbImage {
    let width: u32 = parts.iter().map(|part| part.width() + GAP).sum();
    let mut all = RgbImage::from_pixel(width - GAP, HEIGHT as u32, Rgb([255; 3]));
    let mut x = 0;
    for part in parts {
        image::imageops::replace(&mut all, part, x, 0);
        x += i64::from(part.width() + GAP);
    }
    all
}

fn check(
    flat: [f64; 3],
    solid: [f64; 3],
    before: Judged,
    after: Judged,
) -> Result<(), Box<dyn Error>> {
    let checks = [
        (
            "traces and determinants are those of the eigenvalues, to the bound",
            [flat, solid]
                .iter()
                .all(|errors| errors[0] <= 1.0 && errors[1] <= 1.0),
        ),
        (
            "the bound is a few units of the last place",
            flat[2] < 3e-6 && solid[2] < 3e-6,
        ),
        (
            "the area under the curve is above 0.99, and larger than that of the brightness",
            after.area > before.area.max(0.99),
        ),
        (
            "the measure tells the ball from tubes, which the brightness does not",
            after.in_ball / after.in_tubes < 0.6 * before.in_ball / before.in_tubes,
        ),
    ];
    match checks.iter().find(|(_, holds)| !holds) {
        Some((check, _)) => Err(format!("this does not hold: {check}").into()),
        None => Ok(()),
    }
}
