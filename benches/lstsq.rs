//! Least squares with one right-hand side each, beside other libraries' solvers on as many threads, in
//! f32: thousands of systems a second, the best of five runs of each. Run with
//! `cargo bench --features bench --bench lstsq`.
//!
//! Of the peers, those with an SVD solve what we solve; a pivoted QR has no shortest solution of
//! rank-deficient systems.

use std::hint::black_box;
use std::time::Instant;

use batched_svd::{Batch, Engine, Error, verify};
use faer::MatRef;
use faer::linalg::solvers::SolveLstsq;
use nalgebra::DMatrix;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// Rows, columns, systems.
const SHAPES: &[(usize, usize, usize)] = &[
    (3, 3, 100_000),
    (6, 7, 40_000),
    (8, 8, 40_000),
    (16, 16, 8_000),
    (32, 32, 2_000),
    (64, 64, 300),
    (64, 16, 4_000),
    (256, 32, 400),
    (442, 10, 1_000),
];
const RUNS: usize = 5;

fn main() -> Result<(), Error> {
    // Ours and theirs on the same threads: faer's matrices are too small for its own.
    faer::set_global_parallelism(faer::Par::Seq);
    let engine = Engine::cpu();
    println!("{engine}, f32, thousands a second");
    println!(
        "{:>8}  {:>8} {:>8} {:>8}  {:>12} {:>8}  {:>8}  {:>8}",
        "", "lstsq", "pinv", "svd", "nalgebra svd", "faer svd", "faer qr", "residual"
    );
    for &(m, n, count) in SHAPES {
        line(&engine, m, n, count)?;
    }
    Ok(())
}

fn line(engine: &Engine, m: usize, n: usize, count: usize) -> Result<(), Error> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut random =
        |cols| Batch::from_fn(count, m, cols, |_, _, _| StandardNormal.sample(&mut rng));
    let (a, b): (Batch<f32>, Batch<f32>) = (random(n)?, random(1)?);
    let x = engine.lstsq(&a, &b).run()?;
    let residuals = verify::least_squares(&a, &x.solution, &b)?;
    let normal = residuals
        .iter()
        .map(|[_, normal]| *normal)
        .fold(0.0, f64::max);

    let faer_of = |index: usize| {
        let a = MatRef::from_column_major_slice(a.matrix(index), m, n);
        (a, MatRef::from_column_major_slice(b.matrix(index), m, 1))
    };
    let rates = [
        rate(count, || drop(black_box(engine.lstsq(&a, &b).run()))),
        rate(count, || drop(black_box(engine.pinv(&a).run()))),
        rate(count, || drop(black_box(engine.svd(&a).run()))),
        rate_each(count, |index| {
            let a = DMatrix::from_column_slice(m, n, a.matrix(index));
            let b = DMatrix::from_column_slice(m, 1, b.matrix(index));
            a.svd(true, true).solve(&b, 1e-6).map_or(f32::NAN, |x| x[0])
        }),
        rate_each(count, |index| {
            let (a, b) = faer_of(index);
            a.thin_svd()
                .map_or(f32::NAN, |svd| (svd.pseudoinverse() * b)[(0, 0)])
        }),
        match m >= n {
            true => rate_each(count, |index| {
                let (a, b) = faer_of(index);
                a.col_piv_qr().solve_lstsq(b)[(0, 0)]
            }),
            false => f64::NAN,
        },
    ];
    let [lstsq, pinv, svd, nalgebra, faer, qr] = rates;
    println!(
        "{:>8}  {lstsq:8.1} {pinv:8.1} {svd:8.1}  {nalgebra:12.1} {faer:8.1}  {qr:>8}  {normal:8.1e}",
        format!("{m}x{n}"),
        qr = if m >= n {
            format!("{qr:.1}")
        } else {
            "-".into()
        },
    );
    Ok(())
}

/// Thousands a second of a call on `count`, at best.
fn rate(count: usize, mut call: impl FnMut()) -> f64 {
    call();
    let seconds = (0..RUNS).map(|_| {
        let start = Instant::now();
        call();
        start.elapsed().as_secs_f64()
    });
    count as f64 / seconds.fold(f64::INFINITY, f64::min) / 1e3
}

/// And of so many calls, on all threads.
fn rate_each(count: usize, f: impl Fn(usize) -> f32 + Sync) -> f64 {
    rate(count, || {
        let all: Vec<f32> = (0..count).into_par_iter().map(&f).collect();
        black_box(all);
    })
}
