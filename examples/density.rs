//! How many pure states does a noisy quantum computer hold? 82 density matrices of six qubits (64x64, complex Hermitian):
//! their eigenvalues are probabilities, their eigenvectors pure states, and the most probable ones are kept. Checks
//! entropies against a known answer, and what is kept against Uhlmann's fidelity. Draws both. Run with
//! `cargo run --release --features bench --example density`.

use std::error::Error;
use std::ops::Range;
use std::time::Instant;

use batched_svd::{Batch, Complex, Eigh, Engine};
use plotters::coord::Shift;
use plotters::prelude::*;

const QUBITS: usize = 6;
/// Entries of a pure state.
const N: usize = 1 << QUBITS;
const LAYERS: usize = 6;
/// Strengths of the noise: none, and from the weakest to the strongest in equal ratios.
const STRENGTHS: usize = 41;
const WEAKEST: f64 = 1e-4;
const STRONGEST: f64 = 0.3;
/// Of the table and, but for the first, of the plots of fidelity.
const SHOWN: [usize; 6] = [0, 1, 11, 21, 30, 40];
const WANTED: [f64; 3] = [0.9, 0.99, 0.999];
/// Truncations whose fidelity is computed from roots.
const KEPT: [usize; 3] = [1, 4, 20];
/// For the rounding errors of the circuit.
const ROUNDING: f64 = 3e-14;
const PLOT: &str = "target/density.svg";

type Entry = Complex<f64>;
/// Of one qubit.
type Matrix = [[Entry; 2]; 2];
/// Of two qubits: 00, 01, 10, 11, where the first qubit is the last digit.
type Operator = [[Entry; 4]; 4];

/// When the noise comes.
#[derive(Clone, Copy, PartialEq)]
enum Noise {
    /// Every qubit is depolarised once, before the circuit: the eigenvalues are known.
    First,
    /// In each layer, every qubit loses energy and phase.
    EveryLayer,
}

const NOISES: [(Noise, &str); 2] = [
    (Noise::First, "noise once, before the circuit"),
    (Noise::EveryLayer, "noise in every layer"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::auto();
    println!("computing on {engine}");
    let entries: Vec<Entry> = NOISES
        .into_iter()
        .flat_map(|(noise, _)| (0..STRENGTHS).map(move |at| (noise, strength(at))))
        .flat_map(|(noise, strength)| state(noise, strength))
        .collect();
    let states = Batch::from_col_major(2 * STRENGTHS, N, N, entries)?;

    let start = Instant::now();
    let found = engine.eigh(&states).run()?;
    println!(
        "{} density matrices of {QUBITS} qubits ({N}x{N}) in {:.1} ms\n",
        states.count(),
        1e3 * start.elapsed().as_secs_f64()
    );

    for (family, (_, name)) in NOISES.into_iter().enumerate() {
        println!("{name}    pure states needed for a fidelity of");
        println!("   strength   entropy, bits    {WANTED:?}");
        for at in SHOWN {
            let probabilities = probabilities(&found, family * STRENGTHS + at);
            let [few, more, most] = WANTED.map(|fidelity| needed(&probabilities, fidelity));
            println!(
                "{:11.4} {:15.4} {few:7} {more:5} {most:6}",
                strength(at),
                entropy(&probabilities)
            );
        }
        println!();
    }

    let checks = [
        ("the states are density matrices", physical(&states, &found)),
        (
            "their decompositions give them back",
            rebuilt(&states, &found)?,
        ),
        ("eigenvalues are those that are known", known(&found)),
        ("the fidelity is what is kept", fidelities(&engine, &found)?),
    ];
    draw(&found)?;
    println!("\ndrawn: {PLOT}");
    match checks.iter().find(|(_, holds)| !holds) {
        Some((check, _)) => Err(format!("this does not hold: {check}").into()),
        None => Ok(()),
    }
}

fn strength(at: usize) -> f64 {
    match at {
        0 => 0.0,
        _ => WEAKEST * (STRONGEST / WEAKEST).powf((at - 1) as f64 / (STRENGTHS - 2) as f64),
    }
}

/// A density matrix by columns: the GHZ state after the circuit. Its bits are those of the row, then those of the column.
fn state(noise: Noise, strength: f64) -> Vec<Entry> {
    let mut rho = vec![Entry::ZERO; N * N];
    for corner in [0, N - 1, N * (N - 1), N * N - 1] {
        rho[corner] = Entry::new(0.5, 0.0);
    }
    let all = |rho: &mut [Entry], kraus: &[Matrix]| {
        let channel = channel(kraus);
        (0..QUBITS).for_each(|qubit| act(rho, &channel, [qubit, qubit + QUBITS]));
    };
    if noise == Noise::First {
        all(&mut rho, &depolarising(strength));
    }
    let exchange = exchange(0.7, 0.5);
    let conjugate = exchange.map(|row| row.map(|entry| entry.conj()));
    for _ in 0..LAYERS {
        // A unitary is a channel with one operator.
        all(&mut rho, &[rotation(0.8)]);
        for qubit in 0..QUBITS {
            let next = (qubit + 1) % QUBITS;
            act(&mut rho, &exchange, [qubit, next]);
            act(&mut rho, &conjugate, [qubit + QUBITS, next + QUBITS]);
        }
        if noise == Noise::EveryLayer {
            all(&mut rho, &damping(strength));
            all(&mut rho, &dephasing(strength));
        }
    }
    rho
}

/// Applies an operator to two of the bits that number the entries.
fn act(rho: &mut [Entry], operator: &Operator, [first, second]: [usize; 2]) {
    let (first, second) = (1 << first, 1 << second);
    for base in (0..rho.len()).filter(|at| at & (first | second) == 0) {
        let places = [base, base | first, base | second, base | first | second];
        let old = places.map(|at| rho[at]);
        for (at, row) in places.into_iter().zip(operator) {
            rho[at] = row.iter().zip(old).map(|(x, y)| x * y).sum();
        }
    }
}

/// rho becomes the sum of K rho K' over all K (Kraus): an operator on a bit of the row and one of the column.
fn channel(kraus: &[Matrix]) -> Operator {
    let entry = |to: usize, from: usize| {
        let of = |k: &Matrix| k[to & 1][from & 1] * k[to >> 1][from >> 1].conj();
        kraus.iter().map(of).sum()
    };
    std::array::from_fn(|to| std::array::from_fn(|from| entry(to, from)))
}

fn real(entries: [[f64; 2]; 2]) -> Matrix {
    entries.map(|row| row.map(|x| Entry::new(x, 0.0)))
}

/// About the x axis.
fn rotation(angle: f64) -> Matrix {
    let (s, c) = (0.5 * angle).sin_cos();
    let (s, c) = (Entry::new(0.0, -s), Entry::new(c, 0.0));
    [[c, s], [s, c]]
}

/// Two neighbours exchange their states in part, with a phase.
fn exchange(angle: f64, phase: f64) -> Operator {
    let (s, c) = angle.sin_cos();
    let mut operator = [[Entry::ZERO; 4]; 4];
    [operator[0][0], operator[3][3]] = [Entry::ONE; 2];
    [operator[1][1], operator[2][2]] = [Entry::new(c, 0.0); 2];
    operator[1][2] = Entry::from_polar(s, phase) * -Entry::I;
    operator[2][1] = Entry::from_polar(s, -phase) * -Entry::I;
    operator
}

/// With this probability, the qubit is replaced by pure chance.
fn depolarising(p: f64) -> [Matrix; 4] {
    let (stays, x) = ((1.0 - 0.75 * p).sqrt(), 0.5 * p.sqrt());
    let (zero, y) = (Entry::ZERO, Entry::new(0.0, x));
    [
        real([[stays, 0.0], [0.0, stays]]),
        real([[0.0, x], [x, 0.0]]),
        [[zero, -y], [y, zero]],
        real([[x, 0.0], [0.0, -x]]),
    ]
}

/// With this probability, a 1 falls to 0.
fn damping(p: f64) -> [Matrix; 2] {
    [
        real([[1.0, 0.0], [0.0, (1.0 - p).sqrt()]]),
        real([[0.0, p.sqrt()], [0.0, 0.0]]),
    ]
}

/// With this probability, the sign of a 1 changes.
fn dephasing(p: f64) -> [Matrix; 2] {
    let (stays, turns) = ((1.0 - p).sqrt(), p.sqrt());
    [
        real([[stays, 0.0], [0.0, stays]]),
        real([[turns, 0.0], [0.0, -turns]]),
    ]
}

/// The eigenvalues of a state, from the largest on. Rounding errors can make those that are zero negative.
fn probabilities(found: &Eigh<Entry>, b: usize) -> Vec<f64> {
    let ascending = found.values.matrix(b).iter();
    ascending.rev().map(|p| p.max(0.0)).collect()
}

/// Of von Neumann, in bits.
fn entropy(probabilities: &[f64]) -> f64 {
    let positive = probabilities.iter().filter(|p| **p > 0.0);
    positive.map(|p| -p * p.log2()).sum()
}

/// The smallest number of pure states that keeps such a probability.
fn needed(probabilities: &[f64], fidelity: f64) -> usize {
    let sums = probabilities.iter().scan(0.0, |sum, p| {
        *sum += p;
        Some(*sum)
    });
    sums.take_while(|sum| *sum < fidelity).count() + 1
}

/// Whether the states are density matrices: Hermitian, of trace one, without a negative eigenvalue.
fn physical(states: &Batch<Entry>, found: &Eigh<Entry>) -> bool {
    let asymmetry = largest(found.asymmetries.iter().copied());
    let traces = states.matrices().map(|rho| {
        let diagonal = rho.iter().step_by(N + 1);
        (diagonal.sum::<Entry>() - 1.0).norm()
    });
    let trace = largest(traces);
    let below = found.values.matrices().zip(&found.report.outcomes);
    let below = largest(below.map(|(values, outcome)| -values[0] / outcome.sigma_error));
    let imaginary = largest(states.as_slice().iter().map(|entry| entry.im));
    println!("states     |A - A'| / |A| at most {asymmetry:.0e}; |trace - 1| at most {trace:.0e}");
    println!("           imaginary parts up to {imaginary:.2}");
    println!("           eigenvalues below zero by at most {below:.3} of their bound");
    found.report.all_converged()
        && asymmetry < ROUNDING
        && trace < ROUNDING
        && imaginary > 0.01
        && below < 1.0
}

/// Whether V diag(lambda) V' is the state again.
fn rebuilt(states: &Batch<Entry>, found: &Eigh<Entry>) -> Result<bool, batched_svd::Error> {
    let again = found.function(|_, lambda| lambda)?;
    let errors = states.matrices().zip(again.matrices()).map(|(rho, again)| {
        let difference = rho.iter().zip(again).map(|(x, y)| (x - y).norm_sqr());
        let size: f64 = rho.iter().map(|x| x.norm_sqr()).sum();
        (difference.sum::<f64>() / size).sqrt()
    });
    let error = largest(errors);
    println!("rebuilt    |A - V diag(lambda) V'| / |A| at most {error:.0e}");
    Ok(error < ROUNDING)
}

/// Whether eigenvalues and entropies are those that are known: a circuit without noise changes none.
fn known(found: &Eigh<Entry>) -> bool {
    let errors = |at| {
        let (exact, computed) = (depolarised(strength(at)), probabilities(found, at));
        let apart = largest(exact.iter().zip(&computed).map(|(x, y)| (x - y).abs()));
        let bound = found.report.outcomes[at].sigma_error;
        [
            apart,
            apart / (bound + ROUNDING),
            (entropy(&exact) - entropy(&computed)).abs(),
        ]
    };
    let all: Vec<[f64; 3]> = (0..STRENGTHS).map(errors).collect();
    let [apart, of_bound, bits] = [0, 1, 2].map(|k| largest(all.iter().map(|error| error[k])));
    println!(
        "known      eigenvalues off by at most {apart:.0e}, {of_bound:.2} of their bound and rounding"
    );
    println!("           entropies off by at most {bits:.0e} bits");
    of_bound < 1.0 && bits < 100.0 * ROUNDING
}

/// The eigenvalues of a GHZ state of which each qubit was depolarised, from the largest on: the diagonal gets the
/// probabilities of so many flips, and of the two corners beside it a part is left.
fn depolarised(p: f64) -> Vec<f64> {
    let flips = |ones: usize| {
        let other = (QUBITS - ones) as i32;
        let [stays, flips] = [1.0 - 0.5 * p, 0.5 * p];
        let from_zeros = flips.powi(ones as i32) * stays.powi(other);
        let from_ones = stays.powi(ones as i32) * flips.powi(other);
        0.5 * (from_zeros + from_ones)
    };
    let corner = 0.5 * (1.0 - p).powi(QUBITS as i32);
    let ones = |state: usize| state.count_ones() as usize;
    let mut values: Vec<f64> = (1..N - 1).map(|state| flips(ones(state))).collect();
    values.extend([flips(0) + corner, flips(0) - corner]);
    values.sort_by(|x, y| y.total_cmp(x));
    values
}

/// The fidelity of a state and its truncation, (tr sqrt(sqrt(rho) sigma sqrt(rho)))^2, is the probability that is kept; no
/// mixture of k pure states has more. Whether it is, from the nuclear norm of sqrt(rho) sqrt(sigma), squared.
fn fidelities(engine: &Engine, found: &Eigh<Entry>) -> Result<bool, batched_svd::Error> {
    let shown = |family| SHOWN.map(|at| family * STRENGTHS + at);
    let cases: Vec<(usize, usize)> = (0..NOISES.len())
        .flat_map(shown)
        .flat_map(|b| KEPT.map(|k| (b, k)))
        .collect();
    let mut truncated = Batch::zeros(cases.len(), N, N)?;
    let places = truncated.as_mut_slice().chunks_exact_mut(N * N);
    for (&(b, k), place) in cases.iter().zip(places) {
        truncate(found, b, k, place);
    }

    let mine = root(found)?;
    let theirs = root(&engine.eigh(&truncated).run()?)?;
    let products = Batch::from_fn(cases.len(), N, N, |case, i, j| {
        let row = mine.matrix(cases[case].0)[i..].iter().step_by(N);
        let column = &theirs.matrix(case)[j * N..][..N];
        row.zip(column).map(|(x, y)| x * y).sum::<Entry>()
    })?;
    let sigma = engine.singular_values(&products).run()?;
    let errors = cases.iter().zip(sigma.nuclear_norms());
    let error = largest(errors.map(|(&(b, k), norm)| {
        let kept: f64 = probabilities(found, b)[..k].iter().sum();
        (norm.powi(2) - kept).abs()
    }));
    println!(
        "fidelity   of {} truncations of {} states: off by at most {error:.0e}",
        cases.len(),
        NOISES.len() * SHOWN.len()
    );
    Ok(error < ROUNDING)
}

/// The sum of the k most probable pure states, each times its probability, over the probability of all k.
fn truncate(found: &Eigh<Entry>, b: usize, k: usize, place: &mut [Entry]) {
    let probabilities = probabilities(found, b);
    let kept: f64 = probabilities[..k].iter().sum();
    // The last eigenvectors are the most probable.
    let vectors = found.vectors.matrix(b).chunks_exact(N).rev();
    for (vector, p) in vectors.zip(&probabilities[..k]) {
        for (column, x) in place.chunks_exact_mut(N).zip(vector) {
            let factor = x.conj() * (p / kept);
            for (entry, y) in column.iter_mut().zip(vector) {
                *entry += y * factor;
            }
        }
    }
}

/// Square roots, without the eigenvalues that are nothing but rounding errors: the root of 1e-16 would be 1e-8.
fn root(found: &Eigh<Entry>) -> Result<Batch<Entry>, batched_svd::Error> {
    let outcomes = &found.report.outcomes;
    found.function(|b, lambda| match lambda > outcomes[b].sigma_error {
        true => lambda.sqrt(),
        false => 0.0,
    })
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    // A NaN is the largest of all.
    values.fold(f64::NEG_INFINITY, |largest, value| {
        if value > largest || value.is_nan() {
            value
        } else {
            largest
        }
    })
}

fn draw(found: &Eigh<Entry>) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("target")?;
    let area = SVGBackend::new(PLOT, (1380, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    let parts = area.split_evenly((1, 3));
    for (family, (_, name)) in NOISES.into_iter().enumerate() {
        let states = family * STRENGTHS..(family + 1) * STRENGTHS;
        missing(&parts[family], name, found, states)?;
    }
    entropies(&parts[2], found)?;
    area.present()?;
    Ok(())
}

/// From blue, of the weakest noise, to red.
fn colour(shown: usize) -> HSLColor {
    let part = (shown - 1) as f64 / (SHOWN.len() - 2) as f64;
    HSLColor(0.62 * (1.0 - part), 0.85, 0.42)
}

/// What is missing of the fidelity, by the number of pure states.
fn missing(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    name: &str,
    found: &Eigh<Entry>,
    states: Range<usize>,
) -> Result<(), Box<dyn Error>> {
    const LEAST: f64 = 1e-6;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(format!("Fidelity, {name}"), ("sans-serif", 18))
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (1.0..N as f64)
                .log_scale()
                .with_key_points(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
            (LEAST..1.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("pure states that are kept")
        .y_desc("1 - fidelity")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    for (shown, at) in SHOWN.into_iter().enumerate().skip(1) {
        let probabilities = probabilities(found, states.start + at);
        let left = |k: usize| probabilities[k..].iter().sum::<f64>();
        let above = (1..=N).take_while(|k| left(k - 1) > LEAST);
        let points = above.map(|k| (k as f64, left(k).max(LEAST)));
        let colour = colour(shown);
        chart
            .draw_series(LineSeries::new(points, colour.filled().stroke_width(2)).point_size(2))?
            .label(format!("strength {:.4}", strength(at)))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    legend(&mut chart, SeriesLabelPosition::LowerLeft)
}

/// Entropies by the strength of the noise.
fn entropies(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    found: &Eigh<Entry>,
) -> Result<(), Box<dyn Error>> {
    let most = QUBITS as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption("Entropy", ("sans-serif", 18))
        .x_label_area_size(44)
        .y_label_area_size(52)
        .build_cartesian_2d(
            (WEAKEST..STRONGEST)
                .log_scale()
                .with_key_points(vec![1e-4, 1e-3, 1e-2, 1e-1]),
            0.0..1.35 * most,
        )?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("strength of the noise")
        .y_desc("bits")
        .x_label_formatter(&|x| format!("{x}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    chart
        .draw_series(LineSeries::new(
            [(WEAKEST, most), (STRONGEST, most)],
            BLACK.mix(0.6),
        ))?
        .label("nothing but chance: 6 bits")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK.mix(0.6)));
    let exact = (1..STRENGTHS).map(|at| (strength(at), entropy(&depolarised(strength(at)))));
    chart
        .draw_series(LineSeries::new(exact, BLUE))?
        .label("noise once: the known answer")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLUE));
    for (family, (_, name)) in NOISES.into_iter().enumerate() {
        let colour = [BLUE, RED][family];
        let dots = (1..STRENGTHS).map(|at| {
            let bits = entropy(&probabilities(found, family * STRENGTHS + at));
            Circle::new((strength(at), bits), 3, colour.filled())
        });
        chart
            .draw_series(dots)?
            .label(name)
            .legend(move |(x, y)| Circle::new((x + 9, y), 3, colour.filled()));
    }
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

fn legend<'a, X: Ranged, Y: Ranged>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Result<(), Box<dyn Error>> {
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}
