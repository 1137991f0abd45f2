//! Mixed load from several threads on one engine, some calls given up on their way: results keep their bits,
//! memory of host and device stays flat. 20 s an engine, or BATCHED_SVD_LOAD_SECONDS.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use batched_svd::interop::{self, wgpu};
use batched_svd::{Batch, Engine, Error, GpuOptions, Options};
use pollster::block_on;

/// Matrices of a shape; every path of the GPU's, and of few matrices and many.
const SHAPES: [(usize, usize, usize); 9] = [
    (500, 3, 3),
    (1, 2, 2),
    (3000, 4, 2),
    (50, 6, 7),
    (40, 5, 12),
    (3, 40, 40),
    (2, 20, 60),
    (4, 300, 6),
    (1, 70, 70),
];
/// Of which a product on the device is large enough to be kept for the next.
const LARGEST: usize = 7;
const CALLS: usize = 5;
const THREADS: usize = 3;

fn batch(shape: usize) -> Batch<f32> {
    let (count, m, n) = SHAPES[shape];
    let entry = |b, i, j| ((b * 131 + i * 17 + j * 29 + shape) as f32 * 0.37).sin();
    Batch::from_fn(count, m, n, entry).unwrap()
}

/// All numbers of a call's result.
fn call(engine: &Engine, shape: usize, kind: usize) -> Result<Vec<f32>, Error> {
    let (a, options) = (batch(shape), Options::default());
    Ok(match kind {
        0 => {
            let svd = engine.svd(&a).options(&options).run()?;
            let [u, v] = [svd.u, svd.v].map(Batch::into_vec);
            [svd.sigma.into_vec(), u, v].concat()
        }
        1 => engine.pinv(&a).options(&options).run()?.inverse.into_vec(),
        2 => {
            let b = Batch::from_fn(a.count(), a.rows(), 2, |b, i, j| (b + 2 * i + j) as f32)?;
            engine
                .lstsq(&a, &b)
                .options(&options)
                .run()?
                .solution
                .into_vec()
        }
        3 => {
            let there = engine.upload(&a)?;
            let inverse = engine
                .pinv(&there)
                .options(&options)
                .run_on_device()?
                .inverse;
            engine.product(&there, &inverse)?.download()?.into_vec()
        }
        _ => {
            let pinv = block_on(engine.pinv(&a).options(&options).run_async())?;
            pinv.inverse.into_vec()
        }
    })
}

/// Begins a call, and lets go of it.
fn give_up(engine: &Engine, shape: usize) {
    let (a, options) = (batch(shape), Options::default());
    let mut future = pin!(engine.svd(&a).options(&options).run_async());
    let _ = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
}

/// Bytes of this process that lie in memory, where the system tells.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

/// Loads an engine; `device` waits for its device, and tells the bytes of its memory that are in use.
fn load(name: &str, engine: &Engine, device: impl Fn() -> Option<u64> + Sync) {
    let seconds = std::env::var("BATCHED_SVD_LOAD_SECONDS").map_or(20.0, |s| s.parse().unwrap());
    let expected: Vec<Vec<f32>> = (0..SHAPES.len() * CALLS)
        .map(|case| call(engine, case / CALLS, case % CALLS).unwrap())
        .collect();
    // A device's pool keeps as many large buffers as calls have needed at once: the most that they can, from here on.
    let a = engine.upload(&batch(LARGEST)).unwrap();
    let inverse = engine.pinv(&a).run_on_device().unwrap().inverse;
    drop([(); THREADS].map(|()| engine.product(&a, &inverse).unwrap()));
    drop((a, inverse));
    let calls = AtomicU64::new(0);
    let next = AtomicUsize::new(0);
    let part = seconds / 4.0;
    let mut quiet = [[0; 2]; 4];
    for quiet in &mut quiet {
        let begin = Instant::now();
        let goes_on = || begin.elapsed().as_secs_f64() < part;
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (calls, next, expected) = (&calls, &next, &expected);
                scope.spawn(move || {
                    // Each thread in an order of its own.
                    let mut case = next.fetch_add(7, Ordering::Relaxed);
                    while goes_on() {
                        case = (case + 11 + thread) % expected.len();
                        if case % 6 == 5 {
                            give_up(engine, case / CALLS);
                        }
                        let result = call(engine, case / CALLS, case % CALLS).unwrap();
                        let same = result == expected[case];
                        assert!(
                            same,
                            "{name}: {:?}, call {}",
                            SHAPES[case / CALLS],
                            case % CALLS
                        );
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            // A thread that does nothing but let go.
            scope.spawn(|| {
                while goes_on() {
                    give_up(engine, 5);
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
        });
        // No call is on its way: what a call needs while it runs depends on who meets whom.
        *quiet = [resident(), device()].map(Option::unwrap_or_default);
    }
    let kb = quiet.map(|part| part.map(|bytes| bytes >> 10));
    println!(
        "{name}: {calls:?} calls in {seconds} s; [host, device] KB after each of its four parts: {kb:?}"
    );
    // A page here and there for the host's allocator.
    for (kind, more) in [(0, 8 << 20), (1, 256 << 10)] {
        let (early, late) = (quiet[0][kind].max(quiet[1][kind]), quiet[3][kind]);
        assert!(late <= early + more, "{name}: memory grows: {quiet:?}");
    }
}

#[test]
fn memory_stays_flat_under_mixed_load() {
    load("cpu", &Engine::cpu(), || None);
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let wanted = std::env::var("BATCHED_SVD_ADAPTER").unwrap_or_default();
    let adapters = block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let adapter = adapters.into_iter().find(|adapter| {
        let info = adapter.get_info();
        info.backend != wgpu::Backend::Gl && info.name.contains(&wanted)
    });
    let Some(adapter) = adapter else {
        let required = std::env::var("BATCHED_SVD_REQUIRE_GPU").is_ok();
        assert!(!required, "a GPU is required, but there is none");
        println!("no adapter: the GPU engine's load is NOT tested");
        return;
    };
    let descriptor = wgpu::DeviceDescriptor {
        required_features: adapter.features() & wgpu::Features::SUBGROUP,
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let (device, queue) = block_on(adapter.request_device(&descriptor)).unwrap();
    let options = GpuOptions::default();
    let engine = interop::engine(&adapter, &device, &queue, &options);
    let engine = block_on(engine).unwrap();
    load("gpu", &engine, || {
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let report = device.generate_allocator_report()?;
        Some(report.total_allocated_bytes)
    });
}
