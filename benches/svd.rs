//! svd and pinv on both engines: `cargo bench`. On a software adapter the GPU's figures say
//! nothing about GPUs; they are left out unless `BATCHED_SVD_BENCH_SOFTWARE` is set.

use std::hint::black_box;

use batched_svd::{Batch, Engine, GpuOptions, Options, Vectors};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

/// Rows, columns, matrices: each a few milliseconds on two cores.
const CASES: &[(usize, usize, usize)] = &[
    (3, 3, 4096),
    (6, 7, 1024),
    (8, 8, 1024),
    (16, 16, 256),
    (32, 32, 64),
    (64, 64, 16),
    (256, 32, 16),
    (128, 128, 4),
];

fn normal(count: usize, rows: usize, cols: usize) -> Batch<f32> {
    let mut rng = StdRng::seed_from_u64(1);
    Batch::from_fn(count, rows, cols, |_, _, _| StandardNormal.sample(&mut rng))
        .expect("a small batch")
}

fn engines() -> Vec<Engine> {
    let mut engines = vec![Engine::cpu()];
    match Engine::gpu(&GpuOptions::default()) {
        Ok(gpu)
            if gpu.is_software() && std::env::var_os("BATCHED_SVD_BENCH_SOFTWARE").is_none() =>
        {
            eprintln!("skipped: {gpu}");
        }
        Ok(gpu) => engines.push(gpu),
        Err(error) => eprintln!("skipped: gpu: {error}"),
    }
    engines
}

fn benches(criterion: &mut Criterion) {
    for engine in engines() {
        let options = Options::default();
        measure(criterion, "svd", &engine, |a| {
            black_box(engine.svd(a, Vectors::Thin, &options).is_ok());
        });
        measure(criterion, "pinv", &engine, |a| {
            black_box(engine.pinv(a, &options).is_ok());
        });
    }
}

fn measure(criterion: &mut Criterion, op: &str, engine: &Engine, call: impl Fn(&Batch<f32>)) {
    let mut group = criterion.benchmark_group(format!("{op}/{}", engine.backend()));
    for &(m, n, count) in CASES {
        let a = normal(count, m, n);
        group.throughput(Throughput::Elements(count as u64));
        let id = BenchmarkId::from_parameter(format!("{m}x{n}"));
        group.bench_with_input(id, &a, |b, a| b.iter(|| call(a)));
    }
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(10);
    targets = benches
}
criterion_main!(all);
