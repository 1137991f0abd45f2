//! How much does a radio link carry? 102,400 channels of 4 by 4 antennas, complex: 100 places, 1024 carriers each. Their
//! singular values are the gains of four links that do not disturb each other, if the transmitter sends along V and the
//! receiver listens along U. Checks that, and draws the gains and the capacity. Run with
//! `cargo run --release --features bench --example mimo`.

use std::error::Error;
use std::f64::consts::TAU;
use std::time::Instant;

use batched_svd::{Batch, Complex, Engine, Svd};
use plotters::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};

const ANTENNAS: usize = 4;
const PLACES: usize = 100;
const CARRIERS: usize = 1024;
/// Echoes, each of half the power of the one before.
const ECHOES: usize = 12;
const PLOT: &str = "target/mimo.svg";

type Entry = Complex<f32>;

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::auto();
    println!("computing on {engine}");
    let channels = channels()?;

    let start = Instant::now();
    let svd = engine.svd(&channels).run()?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} channels of {ANTENNAS}x{ANTENNAS} in {:.1} ms\n",
        channels.count(),
        1e3 * seconds
    );

    // Along V and U, nothing of one link arrives in another.
    let cross = (0..channels.count()).map(|b| crosstalk(&channels, &svd, b));
    let cross = cross.fold(0.0, f64::max);
    println!("between the links of a channel: at most {cross:.0e} of the strongest arrives\n");

    let gains: Vec<[f64; ANTENNAS]> = (0..channels.count())
        .map(|b| std::array::from_fn(|c| f64::from(svd.sigma.matrix(b)[c]).powi(2)))
        .collect();
    println!("signal to noise    bit/s/Hz, mean of all channels");
    println!("            dB     one antenna each   equal power   best power");
    let mut lines = Vec::new();
    for decibels in (-10..=30).step_by(2) {
        let power = 10f64.powf(f64::from(decibels) / 10.0);
        let mean =
            |of: &dyn Fn(usize) -> f64| (0..gains.len()).map(of).sum::<f64>() / gains.len() as f64;
        let single = mean(&|b| (1.0 + power * f64::from(channels.matrix(b)[0].norm_sqr())).log2());
        let equal = mean(&|b| capacity(&gains[b], &[power / ANTENNAS as f64; ANTENNAS]));
        let best = mean(&|b| capacity(&gains[b], &poured(&gains[b], power)));
        if decibels % 10 == 0 {
            println!("{decibels:14} {single:20.2} {equal:13.2} {best:12.2}");
        }
        lines.push([f64::from(decibels), single, equal, best]);
    }
    draw(&gains[..CARRIERS], &lines)?;
    println!("\ndrawn: {PLOT}");
    match cross < 1e-5 {
        true => Ok(()),
        false => Err("the links of a channel disturb each other".into()),
    }
}

/// What arrives over all echoes at each frequency: entries of a mean power of one.
fn channels() -> Result<Batch<Entry>, batched_svd::Error> {
    let mut rng = StdRng::seed_from_u64(4);
    let mut normal = move || -> f64 { StandardNormal.sample(&mut rng) };
    let total: f64 = (0..ECHOES).map(|echo| 0.5f64.powi(echo as i32)).sum();
    let echoes: Vec<Complex<f64>> = (0..PLACES * ANTENNAS * ANTENNAS * ECHOES)
        .map(|at| {
            let power = 0.5f64.powi((at % ECHOES) as i32) / total;
            Complex::new(normal(), normal()) * (power / 2.0).sqrt()
        })
        .collect();
    let turns: Vec<Complex<f64>> = (0..CARRIERS)
        .map(|turn| Complex::from_polar(1.0, -TAU * turn as f64 / CARRIERS as f64))
        .collect();
    Batch::from_fn(PLACES * CARRIERS, ANTENNAS, ANTENNAS, |b, i, j| {
        let (place, carrier) = (b / CARRIERS, b % CARRIERS);
        let first = ((place * ANTENNAS + i) * ANTENNAS + j) * ECHOES;
        let sum: Complex<f64> = (0..ECHOES)
            .map(|echo| echoes[first + echo] * turns[echo * carrier % CARRIERS])
            .sum();
        Complex::new(sum.re as f32, sum.im as f32)
    })
}

/// The largest entry of U' H V beside its diagonal, over the largest on it.
fn crosstalk(channels: &Batch<Entry>, svd: &Svd<Entry>, b: usize) -> f64 {
    let wide = |x: Entry| Complex::new(f64::from(x.re), f64::from(x.im));
    let mut most = 0.0;
    for i in 0..ANTENNAS {
        for j in (0..ANTENNAS).filter(|j| *j != i) {
            let mut sum = Complex::new(0.0, 0.0);
            for (r, c) in (0..ANTENNAS).flat_map(|r| (0..ANTENNAS).map(move |c| (r, c))) {
                let [u, h, v] = [svd.u[[b, r, i]], channels[[b, r, c]], svd.v[[b, c, j]]].map(wide);
                sum += u.conj() * h * v;
            }
            most = sum.norm().max(most);
        }
    }
    most / f64::from(svd.sigma.matrix(b)[0])
}

/// What links of these gains carry with these powers, where the noise has a power of one.
fn capacity(gains: &[f64; ANTENNAS], powers: &[f64; ANTENNAS]) -> f64 {
    let links = gains.iter().zip(powers);
    links.map(|(gain, power)| (1.0 + gain * power).log2()).sum()
}

/// The powers that carry most: as water over a floor of 1 / gain (gains descend). Links below the water level are used.
fn poured(gains: &[f64; ANTENNAS], power: f64) -> [f64; ANTENNAS] {
    for used in (1..=ANTENNAS).rev() {
        let floor: f64 = gains[..used].iter().map(|gain| 1.0 / gain).sum();
        let level = (power + floor) / used as f64;
        if level > 1.0 / gains[used - 1] || used == 1 {
            let depth = |c: usize| level - 1.0 / gains[c];
            return std::array::from_fn(|c| if c < used { depth(c) } else { 0.0 });
        }
    }
    [0.0; ANTENNAS]
}

fn draw(gains: &[[f64; ANTENNAS]], lines: &[[f64; 4]]) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("target")?;
    let area = SVGBackend::new(PLOT, (1100, 440)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(550);
    let colours = [BLUE, RED, GREEN, BLACK];

    let mut chart = ChartBuilder::on(&left)
        .margin(12)
        .caption("The four links of one place", ("sans-serif", 18))
        .x_label_area_size(44)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..CARRIERS as f64, -40.0..15.0)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("carrier")
        .y_desc("gain, dB")
        .draw()?;
    for (c, colour) in colours.into_iter().enumerate() {
        let points = gains.iter().enumerate();
        let points = points.map(|(x, gains)| (x as f64, (10.0 * gains[c].log10()).max(-40.0)));
        chart
            .draw_series(LineSeries::new(points, colour))?
            .label(format!("sigma {} squared", c + 1))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;

    let most = lines.iter().map(|line| line[3]).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&right)
        .margin(12)
        .caption("Capacity, mean of all channels", ("sans-serif", 18))
        .x_label_area_size(44)
        .y_label_area_size(52)
        .build_cartesian_2d(-10.0..30.0, 0.0..1.05 * most)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("signal to noise, dB")
        .y_desc("bit/s/Hz")
        .draw()?;
    let names = ["one antenna each", "4x4, equal power", "4x4, best power"];
    for (k, name) in names.into_iter().enumerate() {
        let colour = colours[2 - k];
        chart
            .draw_series(LineSeries::new(
                lines.iter().map(|line| (line[0], line[k + 1])),
                colour,
            ))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
