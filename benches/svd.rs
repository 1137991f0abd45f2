//! svd, singular values and pinv on both engines, on the shapes of `batched-svd bench`. On a software
//! adapter the GPU's figures say nothing about GPUs; they are left out unless
//! `BATCHED_SVD_BENCH_SOFTWARE` is set.

#[path = "../src/cli/bench/shapes.rs"]
mod shapes;

use std::hint::black_box;
use std::time::Duration;

use batched_svd::{Batch, Engine, GpuOptions};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

/// Multiply-adds in one call, roughly: a few milliseconds.
const WORK: usize = 2_000_000;

fn normal(rows: usize, cols: usize) -> Batch<f32> {
    let each = 20 * rows * cols * rows.min(cols);
    let mut rng = StdRng::seed_from_u64(1);
    Batch::from_fn((WORK / each).max(2), rows, cols, |_, _, _| {
        StandardNormal.sample(&mut rng)
    })
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
        measure(criterion, "svd", &engine, |a| {
            black_box(engine.svd(a).run().is_ok());
        });
        measure(criterion, "svdvals", &engine, |a| {
            black_box(engine.singular_values(a).run().is_ok());
        });
        measure(criterion, "pinv", &engine, |a| {
            black_box(engine.pinv(a).run().is_ok());
        });
    }
}

fn measure(criterion: &mut Criterion, op: &str, engine: &Engine, call: impl Fn(&Batch<f32>)) {
    let mut group = criterion.benchmark_group(format!("{op}/{}", engine.backend()));
    for &(m, n) in shapes::SHAPES {
        let a = normal(m, n);
        group.throughput(Throughput::Elements(a.count() as u64));
        let id = BenchmarkId::from_parameter(format!("{m}x{n}"));
        group.bench_with_input(id, &a, |b, a| b.iter(|| call(a)));
    }
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = benches
}
criterion_main!(all);
