//! Thin SVDs of complex matrices on the CPU, one thread, beside real matrices of the same shape, nalgebra and faer.
//!
//! ```text
//! cargo bench --features bench --bench complex
//! ```

use std::hint::black_box;
use std::time::Instant;

use batched_svd::{Batch, Complex, Engine, Scalar};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

const SHAPES: &[(usize, usize)] = &[
    (2, 2),
    (3, 3),
    (4, 4),
    (6, 6),
    (8, 8),
    (16, 16),
    (32, 32),
    (64, 64),
    (125, 60),
];
/// Matrices that the other libraries solve, one after the other.
const FEW: usize = 2000;
const REPETITIONS: usize = 7;

/// The median of some runs, in microseconds for each of `count` matrices.
fn median(count: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..REPETITIONS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    1e6 * times[REPETITIONS / 2] / count as f64
}

fn ours<T: Scalar>(engine: &Engine, batch: &Batch<T>) -> f64 {
    median(batch.count(), || {
        black_box(engine.svd(batch).run().expect("the CPU solves it"));
    })
}

macro_rules! measure {
    ($real:ident) => {
        for &(m, n) in SHAPES {
            let count = (4_000_000 / (m * n * n)).clamp(16, 50_000);
            let mut rng = StdRng::seed_from_u64(1);
            let mut normal = move || -> $real { StandardNormal.sample(&mut rng) };
            let real = Batch::from_fn(count, m, n, |_, _, _| normal());
            let complex = Batch::from_fn(count, m, n, |_, _, _| Complex::new(normal(), normal()));
            let (real, complex) = (real.expect("it fits"), complex.expect("it fits"));
            let few = 0..count.min(FEW);
            let dense: Vec<_> = few
                .clone()
                .map(|b| complex.nalgebra(b).into_owned())
                .collect();
            let mats: Vec<_> = few.map(|b| complex.faer(b).to_owned()).collect();

            let engine = Engine::cpu();
            let (own, of_real) = (ours(&engine, &complex), ours(&engine, &real));
            let nalgebra = median(dense.len(), || {
                for matrix in &dense {
                    black_box(matrix.clone().svd(true, true));
                }
            });
            let faer = median(mats.len(), || {
                for matrix in &mats {
                    black_box(matrix.thin_svd().expect("it converges"));
                }
            });
            println!(
                "{:<4} {:>7} {own:12.3} {of_real:12.3} {:8.2} {:10.1} {:8.1}",
                if size_of::<$real>() == 4 {
                    "c32"
                } else {
                    "c64"
                },
                format!("{m}x{n}"),
                own / of_real,
                nalgebra / own,
                faer / own
            );
        }
    };
}

fn main() {
    // One thread, as the other libraries take here.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a thread can be started").install(|| {
        println!("type   shape  complex, us     real, us    ratio   nalgebra     faer");
        measure!(f32);
        measure!(f64);
    });
}
