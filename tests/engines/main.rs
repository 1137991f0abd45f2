//! The accuracy suite: every check on every engine in every type.
//!
//! A harness of its own, because a test that cannot run must say so by name: without an adapter the
//! GPU's tests are listed as ignored, with the reason, and fail instead where
//! `BATCHED_SVD_REQUIRE_GPU` is set (to `f64`, if the adapter must have that too).
//! `BATCHED_SVD_TESTS` has names of tests, with stars for any letters: these alone run, in this order. `quick` in place
//! of a name runs some that take less than a minute, and `driver` those that a driver's arithmetic decides.
//! `BATCHED_SVD_ALL=1` runs all, also those that are rarely worth their time.
//! `BATCHED_SVD_ADAPTER` names the adapter to take. `BATCHED_SVD_LARGE` adds what takes minutes and GB.

mod bits;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod complex;
mod compositions;
mod eigh;
mod exact;
mod executor;
mod factored;
#[cfg(feature = "faults")]
mod faults;
mod hermitian;
mod interop;
mod laws;
mod lstsq;
mod numpy;
mod profile;
mod reliability;
mod resident;
mod scaled;
mod selection;
mod shrink;
mod vectors;
mod warm;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use batched_svd::{
    Backend, Batch, Cancel, Complex, Cutoff, Dtype, Engine, Error, GpuOptions, Options, Policy,
    Real, Scalar, Status, Tuning, View, ViewMut,
};
use common::bounds::{
    Outcome, at_most, check_conditions, check_full, check_pinv, check_svd, check_values, ensure,
    in_f64, sigma_error, tol, unit,
};
use common::matrices::{by_rows, hard, integers, normal};
use libtest_mimic::{Arguments, Failed, Trial};

/// The engines under test, each opened once.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    Cpu,
    /// A matrix at a time, which must not show.
    CpuSingle,
    /// With all that the adapter has.
    Gpu,
    /// With WebGPU's default limits, without subgroups, and with checks in the shaders.
    GpuDefaults,
    /// With the planner's thresholds shrunk: small input takes the paths of large, in many chunks
    /// and submits.
    GpuShrunk,
}

impl Which {
    const ALL: [Which; 5] = [
        Which::Cpu,
        Which::CpuSingle,
        Which::Gpu,
        Which::GpuDefaults,
        Which::GpuShrunk,
    ];

    fn name(self) -> &'static str {
        match self {
            Which::Cpu => "cpu",
            Which::CpuSingle => "cpu-single",
            Which::Gpu => "gpu",
            Which::GpuDefaults => "gpu-default-limits",
            Which::GpuShrunk => "gpu-shrunk",
        }
    }

    fn open(self) -> Result<Engine, Error> {
        match self {
            Which::Cpu => Ok(Engine::cpu()),
            Which::CpuSingle => {
                let mut tuning = Tuning::default();
                tuning.lanes = 1;
                Ok(Engine::cpu_with(tuning))
            }
            Which::Gpu | Which::GpuDefaults | Which::GpuShrunk => Engine::gpu(&self.gpu_options()),
        }
    }

    /// Of the engines that are a GPU's.
    fn gpu_options(self) -> GpuOptions {
        let options = adapter();
        match self {
            Which::GpuDefaults => {
                let mut tuning = Tuning::default();
                // 4x4 for a lane a column: as wide as software adapters take it in f64.
                tuning.tiny_columns = Some(3);
                options
                    .tuning(tuning)
                    .default_limits(true)
                    .checked_shaders(true)
            }
            Which::GpuShrunk => options.tuning(shrunk()),
            _ => options.tuning(wide()),
        }
    }

    fn engine(self) -> Result<&'static Engine, &'static Error> {
        static OPEN: [OnceLock<Result<Engine, Error>>; 5] = [const { OnceLock::new() }; 5];
        OPEN[self as usize].get_or_init(|| self.open()).as_ref()
    }
}

/// The adapter under test.
fn adapter() -> GpuOptions {
    let options = GpuOptions::default();
    match std::env::var("BATCHED_SVD_ADAPTER") {
        Ok(name) => options.adapter(name),
        Err(_) => options,
    }
}

/// As many registers as software adapters take in bearable time.
fn wide() -> Tuning {
    let mut tuning = Tuning::default();
    // Half of what hardware gets: `widest` has the other half.
    let slow = adapter().adapter.as_deref() == Some("SwiftShader");
    tuning.invocation_words = Some(64);
    tuning.tiny_words = if slow { 60 } else { 128 };
    tuning.fuses_columns = Some(true);
    tuning
}

fn shrunk() -> Tuning {
    let mut tuning = Tuning::default();
    tuning.workgroup_storage = 3200;
    tuning.workgroup_invocations = 64;
    // A column of eleven, or 2x2 in f32, and no more.
    tuning.tiny_columns = Some(1);
    tuning.tiny_words = 24;
    tuning.invocation_words = Some(8);
    tuning.chunk_bytes = 16 << 10;
    tuning.submit_flops = Some(400_000);
    tuning.sweeps_per_dispatch = 2;
    tuning
}

/// Shapes with random entries, and how many matrices of each.
const SHAPES: &[(usize, usize, usize)] = &[
    (0, 0, 3),
    (0, 5, 3),
    (5, 0, 3),
    (4, 4, 0),
    (1, 1, 5),
    (1, 7, 5),
    (7, 1, 5),
    (2, 2, 300),
    (3, 2, 50),
    (2, 3, 50),
    (3, 3, 1000),
    (4, 4, 300),
    (5, 5, 100),
    (6, 7, 100),
    (7, 6, 100),
    (8, 8, 200),
    (13, 13, 20),
    (16, 16, 40),
    (24, 24, 10),
    (31, 31, 4),
    (33, 31, 4),
    (32, 32, 6),
    (45, 45, 3),
    (63, 63, 2),
    (64, 64, 2),
    (65, 65, 2),
    (100, 100, 1),
    (64, 16, 5),
    (16, 64, 5),
    (256, 32, 2),
    (1000, 16, 2),
    (300, 128, 1),
    (1024, 1, 2),
    (1, 1024, 2),
    (65536, 1, 1),
    (65536, 2, 1),
    (2, 65536, 1),
    (128, 128, 1),
];

/// Slow on software adapters: once, on the engine that has all limits; the largest in f32 only.
const LARGE: &[(usize, usize, usize)] = &[(256, 256, 1), (512, 512, 1)];

fn random<T: Real>(engine: &Engine, m: usize, n: usize, count: usize) -> Outcome {
    let a = normal::<T>(count, m, n, (1000 * m + n) as u64);
    let none = check_values(engine, &a)?;
    let thin = check_svd(engine, &a)?;
    ensure(none.sigma == thin.sigma, || {
        "values with and without vectors differ".into()
    })?;
    let k = m.min(n);
    let (u, v) = (&thin.u, &thin.v);
    ensure(
        [u.rows(), u.cols(), v.rows(), v.cols()] == [m, k, n, k],
        || "thin shapes".into(),
    )?;
    // A full U of a very tall matrix is a square that no test needs.
    if m.max(n) <= 1024 {
        let full = check_full(engine, &a)?;
        ensure(full.sigma == thin.sigma, || {
            "values of thin and full differ".into()
        })?;
        let (full_u, full_v) = (&full.u, &full.v);
        ensure(
            [full_u.rows(), full_u.cols(), full_v.rows(), full_v.cols()] == [m, m, n, n],
            || "full shapes".into(),
        )?;
        for b in 0..count {
            let same = full_u.matrix(b)[..m * k] == *u.matrix(b)
                && full_v.matrix(b)[..n * k] == *v.matrix(b);
            ensure(same, || {
                format!("thin is not the start of full, matrix {b}")
            })?;
        }
    }
    check_pinv(engine, &a)?;
    Ok(())
}

/// Too slow to repeat for every kind of vectors.
fn large<T: Real>(engine: &Engine, m: usize, n: usize, count: usize) -> Outcome {
    let a = normal::<T>(count, m, n, (1000 * m + n) as u64);
    check_svd(engine, &a)?;
    if m < 512 {
        check_pinv(engine, &a)?;
    }
    Ok(())
}

fn hard_matrix<T: Real>(engine: &Engine, name: &str) -> Outcome {
    let list = hard::<T>();
    let (_, a) = list.iter().find(|(n, _)| *n == name).unwrap();
    let thin = check_svd(engine, a)?;
    if a.rows().max(a.cols()) <= 512 {
        let full = check_full(engine, a)?;
        ensure(full.sigma == thin.sigma, || {
            "values of thin and full differ".into()
        })?;
    }
    // The inverse of 2^-140 is no f32: see `unrepresentable`.
    if !["subnormal", "mixed-scales"].contains(&name) {
        check_pinv(engine, a)?;
    }
    Ok(())
}

/// Singular values in extended precision, committed: the only reference sharp enough for f64.
fn fixtures<T: Real>(engine: &Engine) -> Outcome {
    let list = common::fixtures::fixtures::<T>();
    for fixture in &list {
        let (name, m, n) = (&fixture.name, fixture.rows, fixture.cols);
        let svd = check_svd(engine, &fixture.matrix::<T>()).map_err(|e| format!("{name}: {e}"))?;
        let exact = &fixture.sigma;
        let rank = exact.iter().filter(|&&s| s > 0.0).count();
        for (sigma, exact_sigma) in in_f64(svd.sigma.matrix(0)).iter().zip(exact) {
            let error = (sigma - exact_sigma).abs();
            let relative = if error == 0.0 { 0.0 } else { error / exact[0] };
            at_most(
                &format!("{name}: error of {sigma:e}"),
                relative,
                sigma_error::<T>(m, n),
            )?;
        }
        // The rank is shown where the smallest sigma stands clear of the cutoff.
        let found = svd.report.outcomes[0].rank as usize;
        let cutoff = sigma_error::<T>(m, n) * exact[0];
        let clear = rank == 0 || exact[rank - 1] > 8.0 * cutoff;
        ensure(found == rank || (found < rank && !clear), || {
            format!("{name}: rank {found}, but it is {rank}")
        })?;
    }
    ensure(list.len() >= 30, || format!("only {} fixtures", list.len()))
}

/// The rank of a column-major matrix of small integers, by elimination without fractions (Bareiss).
fn exact_rank(entries: &[f64], rows: usize) -> usize {
    let mut columns: Vec<Vec<i128>> = entries
        .chunks_exact(rows)
        .map(|column| column.iter().map(|&x| x as i128).collect())
        .collect();
    let (mut rank, mut last) = (0, 1);
    for row in 0..rows {
        let Some(pivot) = (rank..columns.len()).find(|&j| columns[j][row] != 0) else {
            continue;
        };
        columns.swap(rank, pivot);
        let pivot = columns[rank].clone();
        for column in &mut columns[rank + 1..] {
            let factor = column[row];
            for (entry, &p) in column.iter_mut().zip(&pivot) {
                *entry = (*entry * pivot[row] - p * factor) / last;
            }
        }
        last = pivot[row];
        rank += 1;
    }
    rank
}

/// Small integers of known rank show it under the default cutoff.
fn integer_ranks<T: Real>(engine: &Engine) -> Outcome {
    let mut worst = 0.0f64;
    for (m, n) in [
        (2, 2),
        (3, 3),
        (3, 2),
        (2, 5),
        (4, 4),
        (8, 8),
        (13, 7),
        (16, 16),
        (64, 64),
        (1500, 4),
        (5, 1200),
    ] {
        for rank in 1..m.min(n) {
            if rank > 3 {
                break;
            }
            let count = if m * n > 1000 { 20 } else { 400 };
            let a = integers::<T>(count, m, n, rank, (100 * m + 10 * n + rank) as u64);
            let svd = engine
                .singular_values(&a)
                .run()
                .map_err(|e| e.to_string())?;
            for b in 0..a.count() {
                let sigma = in_f64(svd.sigma.matrix(b));
                let rank = exact_rank(&in_f64(a.matrix(b)), m);
                let found = svd.report.outcomes[b].rank as usize;
                ensure(found == rank, || {
                    format!("rank {found} of {m}x{n} integers of rank {rank}: {sigma:?}")
                })?;
                if sigma[0] > 0.0 {
                    let zero = sigma[rank] / sigma[0];
                    let cutoff = sigma_error::<T>(m, n);
                    at_most(&format!("a zero of {m}x{n}"), zero, cutoff / 2.0)?;
                    if m.max(n) <= 16 {
                        worst = worst.max(zero);
                    }
                }
            }
        }
    }
    // At 2x2 the cutoff is 11u: a computed zero comes out well below it.
    at_most(
        "the largest computed zero of small ones",
        worst,
        3.0 * unit::<T>(),
    )
}

/// A NaN or an infinity harms its own matrix and nobody else, bit for bit.
fn isolation<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in [(4, 4), (7, 3), (3, 7), (20, 20), (60, 5)] {
        let good = normal::<T>(9, m, n, 7);
        let mut bad = good.clone();
        let size = m * n;
        bad.as_mut_slice()[size] = T::of(f64::NAN);
        bad.as_mut_slice()[5 * size - 1] = T::of(f64::INFINITY);
        bad.as_mut_slice()[8 * size + size / 2] = T::of(f64::NEG_INFINITY);
        let options = Options::default();
        let svd = |a| engine.svd(a).full(true).options(&options).run().unwrap();
        let (clean, harmed) = (svd(&good), svd(&bad));
        let (clean_pinv, harmed_pinv) = (
            engine.pinv(&good).options(&options).run().unwrap(),
            engine.pinv(&bad).options(&options).run().unwrap(),
        );
        for b in 0..9 {
            let parts = [
                (clean.sigma.matrix(b), harmed.sigma.matrix(b)),
                (clean.u.matrix(b), harmed.u.matrix(b)),
                (clean.v.matrix(b), harmed.v.matrix(b)),
                (clean_pinv.inverse.matrix(b), harmed_pinv.inverse.matrix(b)),
            ];
            let is_bad = [1, 4, 8].contains(&b);
            for (clean, harmed) in parts {
                if is_bad {
                    let all = harmed.iter().all(|x| x.f64().is_nan());
                    ensure(all, || format!("matrix {b} of {m}x{n} is not NaN"))?;
                } else {
                    ensure(clean == harmed, || {
                        format!("matrix {b} of {m}x{n} was touched")
                    })?;
                }
            }
            let expected = if is_bad {
                Status::NonFinite
            } else {
                Status::Converged
            };
            for report in [&harmed.report, &harmed_pinv.report] {
                ensure(report.outcomes[b].status == expected, || {
                    format!("matrix {b} of {m}x{n}: {:?}", report.outcomes[b])
                })?;
            }
        }
        let strict = engine
            .singular_values(&bad)
            .options(&options.clone().strict(true))
            .run();
        let named: Vec<usize> = match strict {
            Err(Error::Strict(failures)) => failures.iter().map(|f| f.0).collect(),
            other => return Err(format!("strict mode gave {other:?}")),
        };
        ensure(named == [1, 4, 8], || {
            format!("strict mode named {named:?}")
        })?;
    }
    Ok(())
}

/// The same matrix gives the same bits, whatever the batch around it and however often.
fn determinism<T: Real>(engine: &Engine) -> Outcome {
    let bits = |x: &[T]| -> Vec<u64> { x.iter().map(|x| x.f64().to_bits()).collect() };
    for (m, n) in [(2, 2), (3, 3), (6, 7), (8, 8), (20, 20), (70, 9), (40, 40)] {
        // A last group of lanes that is not full.
        let a = normal::<T>(41, m, n, 5);
        let svd = |a: View<'_, T>| engine.svd(a).run().unwrap();
        let pinv = |a: View<'_, T>| engine.pinv(a).run().unwrap();
        let (all, inverses) = (svd(a.view()), pinv(a.view()));
        ensure(all == svd(a.view()), || "two calls differ".into())?;
        let values = engine.singular_values(&a).run().unwrap();
        ensure(
            bits(values.sigma.as_slice()) == bits(all.sigma.as_slice()),
            || format!("singular values of {m}x{n} depend on whether vectors are wanted"),
        )?;
        for b in [0, 17, 40] {
            let alone = a.view().matrices(b..b + 1).unwrap();
            let (one, single) = (svd(alone), pinv(alone));
            let parts = [
                (one.sigma.matrix(0), all.sigma.matrix(b)),
                (one.u.matrix(0), all.u.matrix(b)),
                (one.v.matrix(0), all.v.matrix(b)),
                (single.inverse.matrix(0), inverses.inverse.matrix(b)),
            ];
            let same = parts.iter().all(|(one, all)| bits(one) == bits(all))
                && one.report.outcomes[0] == all.report.outcomes[b];
            ensure(same, || {
                format!("matrix {b} of {m}x{n} depends on its batch")
            })?;
        }
    }
    Ok(())
}

/// Strided input and output name the same entries as contiguous ones.
fn layouts<T: Real>(engine: &Engine) -> Outcome {
    let a = normal::<T>(6, 5, 3, 77);
    let expected = engine.svd(&a).full(true).run().unwrap();
    let pinv = engine.pinv(&a).run().unwrap();
    // Row-major, transposed twice, and interleaved matrices (batch stride 1).
    let rows = by_rows(&a);
    let row_major = View::row_major(&rows, 6, 5, 3).unwrap();
    let interleaved: Vec<T> = (0..6 * 15)
        .map(|e| a.view().get(e % 6, e / 6 % 5, e / 30).unwrap())
        .collect();
    let interleaved = View::new(&interleaved, 0, [6, 5, 3], [1, 6, 30]).unwrap();
    for (name, view) in [("row-major", row_major), ("interleaved", interleaved)] {
        let svd = engine.svd(view).full(true).run().unwrap();
        ensure(svd == expected, || format!("{name} input"))?;
    }
    // Into the caller's places: row-major, and V as its transpose.
    let (mut u, mut vt) = (vec![T::default(); 6 * 25], vec![T::default(); 6 * 9]);
    let mut sigma = vec![T::default(); 6 * 3];
    let report = engine
        .svd(&a)
        .full(true)
        .run_into((
            ViewMut::row_major(&mut u, 6, 5, 5).unwrap(),
            ViewMut::col_major(&mut sigma, 6, 3, 1).unwrap(),
            ViewMut::row_major(&mut vt, 6, 3, 3).unwrap().transpose(),
        ))
        .unwrap();
    ensure(report == expected.report, || {
        "report of svd into places".into()
    })?;
    ensure(sigma == expected.sigma.as_slice(), || {
        "sigma of svd into places".into()
    })?;
    ensure(vt == expected.v.as_slice(), || {
        "V of svd into places".into()
    })?;
    let u = View::row_major(&u, 6, 5, 5).unwrap().to_batch().unwrap();
    ensure(u == expected.u, || "U of svd into places".into())?;
    let mut inverse = vec![T::default(); 6 * 15];
    let place = ViewMut::row_major(&mut inverse, 6, 3, 5).unwrap();
    engine.pinv(&a).run_into(place).unwrap();
    let inverse = View::row_major(&inverse, 6, 3, 5)
        .unwrap()
        .to_batch()
        .unwrap();
    ensure(inverse == pinv.inverse, || "pinv into a place".into())?;
    // A broadcast matrix is the same matrix many times.
    let first = a.matrix(0);
    let broadcast = View::new(first, 0, [50, 5, 3], [0, 1, 5]).unwrap();
    let many = engine.singular_values(broadcast).run().unwrap();
    let same = (0..50).all(|b| many.sigma.matrix(b) == expected.sigma.matrix(0));
    ensure(same, || "broadcast input".into())
}

/// Of entries of the same magnitude the caller's first decides the sign, whatever order the rows
/// are solved in.
fn sign_ties<T: Real>(engine: &Engine) -> Outcome {
    for (rows, cols) in [(2, 12), (12, 2), (3, 7), (7, 3)] {
        let a = Batch::from_fn(200, rows, cols, |b, i, j| {
            let (i, j) = if rows < cols { (i, j) } else { (j, i) };
            T::of(((b * 7 + i * 5 + j * 3 + b * j + i * j * j) % 5) as f64 - 2.0)
        });
        check_svd(engine, &a.unwrap())?;
    }
    Ok(())
}

/// Singular values strictly above max(absolute, relative sigma_max) count, and no others.
fn cutoffs<T: Real>(engine: &Engine) -> Outcome {
    let values = [8.0, 4.0, 2.0, 1.0];
    let diagonal = |b: usize, i: usize, j: usize| {
        let scale = if b == 1 { 0.25 } else { 1.0 };
        T::of(if i == j { scale * values[i] } else { 0.0 })
    };
    let a = Batch::from_fn(2, 4, 4, diagonal).unwrap();
    let cases: [(Cutoff, [u32; 2]); 9] = [
        (Cutoff::default(), [4, 4]),
        (Cutoff::relative(0.0), [4, 4]),
        (Cutoff::relative(0.25), [2, 2]),
        (Cutoff::relative(0.2499), [3, 3]),
        (Cutoff::absolute(1.0), [3, 1]),
        (Cutoff::absolute(0.0), [4, 4]),
        (Cutoff::relative(0.2).and_absolute(1.0), [3, 1]),
        (Cutoff::relative(vec![0.2, 0.6]), [3, 1]),
        (Cutoff::absolute(1e300), [0, 0]),
    ];
    for (cutoff, ranks) in cases {
        let options = Options::default().cutoff(cutoff.clone());
        let pinv = engine.pinv(&a).options(&options).run().unwrap();
        for (b, &rank) in ranks.iter().enumerate() {
            let found = pinv.report.outcomes[b].rank;
            ensure(found == rank, || {
                format!("{cutoff:?}: rank {found}, not {rank}")
            })?;
            for i in 0..4 {
                let entry = pinv.inverse.view().get(b, i, i).unwrap().f64();
                let sigma = diagonal(b, i, i).f64();
                let exact = if i < rank as usize { 1.0 / sigma } else { 0.0 };
                at_most("entry", (entry - exact).abs(), 4.0 * unit::<T>() * exact)?;
            }
        }
    }
    // 0.1 is no number of either type, and its neighbour in f32 is larger.
    let tenth = T::of(0.1);
    let more = u32::from(tenth.f64() > 0.1);
    let lone = Batch::from_fn(1, 1, 1, |_, _, _| tenth).unwrap();
    let pair = Batch::from_fn(1, 2, 2, |_, i, j| match (i, j) {
        (0, 0) => T::of(1.0),
        (1, 1) => tenth,
        _ => T::of(0.0),
    });
    let cases = [
        (lone, Cutoff::absolute(0.1), more),
        (pair.unwrap(), Cutoff::relative(0.1), 1 + more),
    ];
    for (a, cutoff, rank) in cases {
        let options = Options::default().cutoff(cutoff.clone());
        let found = engine
            .pinv(&a)
            .options(&options)
            .run()
            .unwrap()
            .report
            .outcomes[0]
            .rank;
        ensure(found == rank, || {
            format!("{cutoff:?} of a value beside it: rank {found}, not {rank}")
        })?;
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let options = Options::default().cutoff(Cutoff::relative(bad));
        let error = engine.pinv(&a).options(&options).run();
        ensure(matches!(error, Err(Error::Argument(_))), || {
            format!("cutoff {bad}")
        })?;
    }
    let options = Options::default().cutoff(Cutoff::relative(vec![0.1; 3]));
    let error = engine.pinv(&a).options(&options).run();
    ensure(matches!(error, Err(Error::Argument(_))), || {
        "three cutoffs for two".into()
    })
}

/// What leaves the range of the type is said, and what does not is right.
fn unrepresentable<T: Real>(engine: &Engine) -> Outcome {
    let (largest, smallest) = match T::DTYPE {
        Dtype::F32 => (f64::from(f32::MAX), f64::from(f32::from_bits(1))),
        _ => (f64::MAX, f64::from_bits(1)),
    };
    let options = Options::default();
    let fill = |n: usize, x: f64| Batch::from_fn(1, n, n, |_, _, _| T::of(x)).unwrap();
    let status = |a: &Batch<T>| engine.svd(a).run().unwrap().report.outcomes[0].status;
    let pinv_status = |a: &Batch<T>| engine.pinv(a).run().unwrap().report.outcomes[0].status;

    // sigma = 8 max overflows; its inverse is subnormal.
    let huge = fill(8, largest);
    let svd = engine.svd(&huge).options(&options).run().unwrap();
    ensure(status(&huge) == Status::NotRepresentable, || "8 max".into())?;
    ensure(svd.sigma.matrix(0)[0].f64() == f64::INFINITY, || {
        "sigma is infinite".into()
    })?;
    ensure(pinv_status(&huge) == Status::NotRepresentable, || {
        "inverse of 8 max".into()
    })?;
    // All subnormal of rank one: sigma is a small multiple of the smallest number, and is right.
    let tiny = fill(4, smallest);
    let svd = engine.svd(&tiny).options(&options).run().unwrap();
    ensure(status(&tiny) == Status::Converged, || "4 tiny".into())?;
    ensure(svd.sigma.matrix(0)[0].f64() == 4.0 * smallest, || {
        "sigma of 4 tiny".into()
    })?;
    ensure(pinv_status(&tiny) == Status::NotRepresentable, || {
        "inverse of 4 tiny".into()
    })?;
    // [[3, 2], [1, 1]] times the smallest number: sigma_2 is 0.26 of it, which rounds to zero.
    let entries = [3.0, 1.0, 2.0, 1.0].map(|x| T::of(x * smallest)).to_vec();
    let vanishing = Batch::from_col_major(1, 2, 2, entries).unwrap();
    ensure(status(&vanishing) == Status::NotRepresentable, || {
        "a sigma that vanishes".into()
    })?;
    // Ordinary neighbours in range are fine.
    ensure(status(&fill(2, largest / 4.0)) == Status::Converged, || {
        "max / 4".into()
    })?;
    let strict = engine
        .pinv(&tiny)
        .options(&options.clone().strict(true))
        .run();
    ensure(
        strict == Err(Error::Strict(vec![(0, Status::NotRepresentable)])),
        || format!("strict: {strict:?}"),
    )
}

/// A matrix that is given up says so, with the best factors so far.
fn unconverged<T: Real>(engine: &Engine) -> Outcome {
    for n in [6, 20] {
        let a = normal::<T>(3, n, n, 3);
        let options = Options::default().max_sweeps(2);
        let svd = engine.svd(&a).options(&options).run().unwrap();
        for outcome in &svd.report.outcomes {
            let expected = outcome.status == Status::NotConverged && outcome.sweeps == 2;
            ensure(expected, || format!("{outcome:?}"))?;
        }
        // Orthogonal rotations so far: U is orthonormal, and the norm is kept.
        let (u, norms) = (&svd.u, batched_svd::verify::norms(&a, &svd.sigma));
        for loss in batched_svd::verify::orthogonality(u).unwrap() {
            at_most("loss of orthogonality of U", loss, tol::<T>(n, n))?;
        }
        for norm in norms.unwrap() {
            at_most("change of the norm", norm, tol::<T>(n, n))?;
        }
        // A tolerance that nothing reaches ends at the cap.
        let options = Options::default().tolerance(0.0).max_sweeps(9);
        let report = engine
            .singular_values(&a)
            .options(&options)
            .run()
            .unwrap()
            .report;
        ensure(report.max_sweeps() <= 9, || {
            format!("{} sweeps", report.max_sweeps())
        })?;
        // A looser one takes fewer sweeps.
        let loose = engine
            .singular_values(&a)
            .options(&Options::default().tolerance(0.1))
            .run()
            .unwrap();
        let tight = engine.singular_values(&a).run().unwrap();
        let [loose, tight] = [loose, tight].map(|found| found.report.max_sweeps());
        ensure(loose < tight, || {
            format!("{n}x{n}: {loose} sweeps to a tolerance of 0.1, {tight} to the default")
        })?;
    }
    Ok(())
}

/// The main job: the digits' pseudoinverses satisfy the four conditions to 8 tol times the condition
/// number of what is kept, and both engines agree to as much.
fn digits<T: Real>(engine: &Engine) -> Outcome {
    // In the binary, which may run on another machine.
    let bytes: &[u8] = include_bytes!("../../examples/data/digits.npy");
    let file = npyz::NpyFile::new(bytes).unwrap();
    let pixels: Vec<T> = file
        .into_vec::<f32>()
        .unwrap()
        .into_iter()
        .map(|x| T::of(x.into()))
        .collect();
    let a = Batch::from_row_major(1797, 8, 8, &pixels).unwrap();
    let x = check_pinv(engine, &a)?;
    let reference = Engine::cpu().pinv(&a).run().unwrap();
    for b in 0..a.count() {
        let (outcome, expected) = (x.report.outcomes[b], reference.report.outcomes[b]);
        ensure(outcome.rank == expected.rank, || {
            format!("rank of digit {b}")
        })?;
        let sigma = common::reference::singular_values(&in_f64(a.matrix(b)), 8, 8)?;
        let condition = sigma[0] / sigma[outcome.rank as usize - 1];
        let (x, r) = (
            in_f64(x.inverse.matrix(b)),
            in_f64(reference.inverse.matrix(b)),
        );
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let difference = norm(&mut x.iter().zip(&r).map(|(x, r)| x - r));
        let size = norm(&mut r.iter().copied());
        let bound = 8.0 * tol::<T>(8, 8) * condition;
        at_most(
            &format!("difference of digit {b}"),
            difference / size,
            bound,
        )?;
    }
    Ok(())
}

/// Progress is told, and ends with all.
fn progress<T: Real>(engine: &Engine) -> Outcome {
    let a = normal::<T>(500, 4, 4, 1);
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let options = Options::default().progress(Arc::new(move |done, all| {
        log.lock().unwrap().push((done, all));
    }));
    engine.pinv(&a).options(&options).run().unwrap();
    let told = told.lock().unwrap();
    let last = told.iter().max().copied();
    ensure(last == Some((500, 500)), || format!("{last:?}"))
}

/// A call ends when it is told to, not before and not without saying so, and the next one works.
fn cancelled<T: Real>(engine: &Engine, which: Which) -> Outcome {
    let wrong = |e: Error| e.to_string();
    let a = normal::<T>(8_000, 4, 4, 1);
    let expected = engine.pinv(&a).run().map_err(wrong)?;
    let before = Cancel::new();
    before.cancel();
    let never = engine
        .pinv(&a)
        .options(&Options::default().cancel(&before))
        .run();
    ensure(matches!(never, Err(Error::Cancelled)), || {
        "cancelled before".into()
    })?;
    // Once something is done, and once everything is.
    for last in [false, true] {
        let cancel = Cancel::new();
        let (handle, told) = (cancel.clone(), Arc::new(Mutex::new(Vec::new())));
        let log = Arc::clone(&told);
        let options = Options::default().cancel(&cancel);
        let options = options.progress(Arc::new(move |done, all| {
            log.lock().unwrap().push(done);
            if done == all || !last {
                handle.cancel();
            }
        }));
        let result = engine.pinv(&a).options(&options).run();
        let told = told.lock().unwrap();
        let most = told.iter().max().copied().unwrap_or(0);
        // A call in one piece is done when it is first told of.
        if last || told[..] == [a.count()] {
            ensure(result.as_ref() == Ok(&expected), || {
                format!("told {told:?}")
            })?;
        } else {
            let ended = result == Err(Error::Cancelled) && most < a.count() / 2;
            ensure(ended, || format!("told {told:?}"))?;
        }
    }
    let again = engine.pinv(&a).run().map_err(wrong)?;
    ensure(again == expected, || "the next call".into())?;
    // Also while the device is at work: one of its own, whose driver no other test keeps busy. Between a
    // call's many submits, and while the call waits for its last; but lavapipe's submits wait for the submit
    // before, so that the last of them is done before a call waits.
    if engine.backend() == Backend::Gpu {
        let engine = which.open().map_err(wrong)?;
        let mut batches = vec![(2, 150)];
        if !engine.to_string().contains("llvmpipe") {
            batches.push((100, 40));
        }
        for (count, n) in batches {
            let a = normal::<T>(count, n, n, 1);
            let timed = |options: &Options| {
                let start = Instant::now();
                (
                    engine.pinv(&a).options(options).run(),
                    start.elapsed().as_secs_f64(),
                )
            };
            timed(&Options::default()).0.map_err(wrong)?;
            let full = timed(&Options::default()).1;
            let cancel = Cancel::new();
            let (result, taken) = std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(20));
                    cancel.cancel();
                });
                timed(&Options::default().cancel(&cancel))
            });
            // A fast device may be done by then.
            let ended = result == Err(Error::Cancelled) && taken < 0.5 * full;
            let fast = full < 0.1 && (result.is_ok() || result == Err(Error::Cancelled));
            ensure(ended || fast, || {
                format!("{n}x{n}: {:?} after {taken} s, not {full} s", result.err())
            })?;
        }
    }
    Ok(())
}

/// Rows graded over 2^40, in any order: every singular value has a small relative error, for what the QR
/// does with rows sorted by their largest entries (Cox and Higham 1998). In f32 only, against Jacobi in
/// f64.
fn graded<T: Real>(engine: &Engine) -> Outcome {
    let wrong = |e: Error| e.to_string();
    for (m, n) in [(6, 6), (9, 4), (4, 9), (40, 40), (200, 5)] {
        let (long, k) = (m.max(n), m.min(n));
        let b = normal::<T>(20, m, n, 17);
        // A permutation of the grades, by a step that the length has no factor of.
        let grade = |index: usize| 2f64.powi(-(40 * (index * 7 % long) as i32 / long as i32));
        let a = Batch::from_fn(20, m, n, |matrix, i, j| {
            let entry = b.matrix(matrix)[j * m + i].f64();
            T::of(entry * grade(if m >= n { i } else { j }))
        });
        let a = a.map_err(wrong)?;
        let exact = Batch::from_fn(20, m, n, |matrix, i, j| a.matrix(matrix)[j * m + i].f64());
        let exact = Engine::cpu().singular_values(&exact.map_err(wrong)?).run();
        let exact = exact.map_err(wrong)?.sigma;
        let svd = engine.singular_values(&a).run();
        let svd = svd.map_err(wrong)?;
        for matrix in 0..20 {
            let pairs = svd.sigma.matrix(matrix).iter().zip(exact.matrix(matrix));
            for (index, (sigma, exact)) in pairs.enumerate() {
                let error = (sigma.f64() - *exact).abs() / *exact;
                at_most(
                    &format!("relative error of value {index} of {m}x{n}, matrix {matrix}"),
                    error,
                    1000.0 * k as f64 * unit::<T>(),
                )?;
            }
        }
    }
    Ok(())
}

/// More matrices than one dimension of a dispatch counts.
fn many<T: Real>(engine: &Engine) -> Outcome {
    let one = normal::<T>(1, 2, 2, 9);
    let count = 65_536 + 100;
    let view = View::new(one.as_slice(), 0, [count, 2, 2], [0, 1, 2]).unwrap();
    let svd = engine.singular_values(view).run().unwrap();
    let expected = svd.sigma.matrix(0).to_vec();
    let same = svd.sigma.as_slice().chunks_exact(2).all(|s| s == expected);
    ensure(same && svd.report.all_converged(), || "many".into())
}

/// More entries than 32 bits count: a broadcast view, values only. Minutes on software adapters, so only
/// where `BATCHED_SVD_LARGE` is set; some GB.
fn billions<T: Real>(engine: &Engine) -> Outcome {
    let one = normal::<T>(1, 8, 8, 9);
    let count = (1 << 31) / 64 + 5;
    let view = View::new(one.as_slice(), 0, [count, 8, 8], [0, 1, 8]).unwrap();
    let svd = engine.singular_values(view).run();
    let svd = svd.map_err(|e| e.to_string())?;
    let alone = engine.singular_values(&one).run();
    let expected = alone.map_err(|e| e.to_string())?.sigma;
    let mut values = svd.sigma.as_slice().chunks_exact(8);
    let same = values.len() == count && values.all(|s| s == expected.matrix(0));
    ensure(same && svd.report.all_converged(), || "billions".into())
}

/// The `_async` calls give what the blocking ones give.
fn asynchronous<T: Real>(engine: &Engine) -> Outcome {
    let a = normal::<T>(20, 5, 4, 2);
    let (svd, pinv) = pollster::block_on(async {
        (
            engine.svd(&a).run_async().await,
            engine.pinv(&a).run_async().await,
        )
    });
    ensure(svd == engine.svd(&a).run(), || "svd".into())?;
    ensure(pinv == engine.pinv(&a).run(), || "pinv".into())?;
    // Waiting is sleeping: a future is polled again when there is something new, not all the time.
    let (svd, polls) = counted(engine.svd(&a).run_async());
    svd.map_err(|e| e.to_string())?;
    ensure(polls <= 20, || format!("polled {polls} times"))
}

/// A future's output, and how often it was polled.
fn counted<F: Future>(future: F) -> (F::Output, usize) {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    for polls in 1.. {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return (output, polls);
        }
        std::thread::park();
    }
    unreachable!()
}

/// As many registers an invocation as hardware gets, which software compilers take long for.
fn widest<T: Real>() -> Outcome {
    let mut tuning = Tuning::default();
    tuning.invocation_words = Some(128);
    tuning.tiny_columns = Some(6);
    let engine = Engine::gpu(&adapter().tuning(tuning)).map_err(|e| e.to_string())?;
    let shapes = match T::DTYPE {
        Dtype::F32 => [
            (32, 32, "jacobi-columns"),
            (17, 77, "jacobi-columns"),
            (6, 6, "jacobi-tiny"),
            (19, 4, "jacobi-tiny"),
        ],
        _ => [
            (16, 16, "jacobi-columns"),
            (10, 34, "jacobi-columns"),
            (4, 4, "jacobi-tiny"),
            (2, 18, "jacobi-tiny"),
        ],
    };
    for (m, n, kernel) in shapes {
        let a = normal::<T>(5, m, n, 12);
        let svd = check_svd(&engine, &a)?;
        ensure(svd.report.kernel == kernel, || svd.report.kernel.into())?;
        check_pinv(&engine, &a)?;
    }
    Ok(())
}

/// Teams sum through registers where there are subgroups, else by the way of workgroup memory: the same
/// bits.
fn subgroups<T: Real>() -> Outcome {
    let mut tuning = Tuning::default();
    tuning.invocation_words = Some(0);
    // WebGPU's default, for one recipe.
    tuning.workgroup_storage = 16 << 10;
    let options = adapter().tuning(tuning);
    let plain = options.clone().default_limits(true);
    let open = |options: &GpuOptions| Engine::gpu(options).map_err(|e| e.to_string());
    let (with, without) = (open(&options)?, open(&plain)?);
    for (m, n, kernel) in [
        (24, 24, "jacobi-resident"),
        (9, 20, "jacobi-resident"),
        (1000, 16, "jacobi-swept"),
    ] {
        let a = normal::<T>(5, m, n, 13);
        let svd = |engine: &Engine| engine.svd(&a).run();
        let (with, without) = (svd(&with), svd(&without));
        let ran = [&with, &without].map(|svd| svd.as_ref().map(|svd| svd.report.kernel));
        ensure(ran == [Ok(kernel); 2], || format!("{m}x{n}: {ran:?}"))?;
        ensure(with == without, || format!("{m}x{n}: other bits"))?;
    }
    Ok(())
}

/// What a GPU cannot do is an error, or the CPU's where the caller asked for that.
fn fallback() -> Outcome {
    let mut tuning = Tuning::default();
    tuning.workgroup_storage = 16;
    let options = adapter().tuning(tuning);
    let a = normal::<f32>(3, 4, 4, 8);
    let pinv = |options: &GpuOptions| {
        let engine = Engine::gpu(options).map_err(|e| e.to_string())?;
        Ok::<_, String>(engine.pinv(&a).run())
    };
    let refused = pinv(&options)?;
    ensure(matches!(refused, Err(Error::Unsupported(_))), || {
        format!("{refused:?}")
    })?;
    let done = pinv(&options.policy(Policy::FallBack))?.map_err(|e| e.to_string())?;
    ensure(done.report.backend == Backend::Cpu, || {
        format!("{:?}", done.report)
    })?;
    check_conditions(&a, &done)
}

/// An automatic engine gives tiny calls to the CPU, tries the GPU with large ones (as this one is on a
/// machine of few threads), and is right whoever does them.
fn automatic() -> Outcome {
    let wrong = |e: Error| e.to_string();
    let engine = Engine::gpu(&adapter().policy(Policy::Fastest)).map_err(wrong)?;
    let told = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&told);
    let options = Options::default().progress(Arc::new(move |done, all| {
        record.lock().unwrap().push((done, all));
    }));
    let tiny = engine
        .pinv(&normal::<f32>(2, 3, 3, 1))
        .options(&options)
        .run()
        .map_err(wrong)?;
    ensure(tiny.report.backend == Backend::Cpu, || {
        format!("{:?}", tiny.report)
    })?;
    told.lock().unwrap().clear();
    let a = normal::<f32>(20_000, 24, 24, 2);
    let svd = engine.svd(&a).options(&options).run().map_err(wrong)?;
    ensure(svd.report.all_converged(), || "not all converged".into())?;
    let expected = Engine::cpu().singular_values(&a).run().map_err(wrong)?;
    let equal = svd.report.backend == Backend::Gpu || svd.sigma == expected.sigma;
    ensure(equal, || "not the CPU's bits".into())?;
    // What was tried is nobody's progress.
    let told = told.lock().unwrap();
    ensure(told.iter().all(|&(_, all)| all == a.count()), || {
        "progress of a trial".into()
    })
}

/// Of a shared call the first matrices have the GPU's bits, the others the CPU's, with options of their own.
fn shared<T: Real>(gpu: &Engine, which: Which) -> Outcome {
    let wrong = |e: Error| e.to_string();
    let share = |gpu_part| which.gpu_options().policy(Policy::Share { gpu_part });
    let engine = Engine::gpu(&share(Some(0.3))).map_err(wrong)?;
    let cpu = Engine::cpu();
    let count = 50;
    for (m, n) in [(6, 7), (40, 9)] {
        let mut a = normal::<T>(count, m, n, 21);
        a.as_mut_slice()[20 * m * n] = T::of(f64::NAN);
        let b = normal::<T>(count, m, 2, 22);
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let each = |scale: f64| (0..count).map(|b| scale * b as f64).collect::<Vec<_>>();
        let plain = Options::default().cutoff(Cutoff::relative(each(0.01)));
        let listening = plain.clone().progress(Arc::new(move |done, all| {
            log.lock().unwrap().push((done, all));
        }));
        let found = engine
            .lstsq(&a, &b)
            .options(&listening)
            .damping(each(0.1))
            .run()
            .map_err(wrong)?;
        ensure(found.report.shared == Some(15), || {
            format!("shared: {:?}", found.report.shared)
        })?;
        ensure(found.report.backend == Backend::Gpu, || "backend".into())?;
        let [first, rest] = [gpu, &cpu].map(|engine| {
            let call = engine.lstsq(&a, &b).options(&plain);
            call.damping(each(0.1)).run()
        });
        let (first, rest) = (first.map_err(wrong)?, rest.map_err(wrong)?);
        let bits = |x: &[T]| -> Vec<u64> { x.iter().map(|x| x.f64().to_bits()).collect() };
        for matrix in 0..count {
            let own = if matrix < 15 { &first } else { &rest };
            let equal = bits(found.solution.matrix(matrix)) == bits(own.solution.matrix(matrix))
                && found.report.outcomes[matrix] == own.report.outcomes[matrix];
            ensure(equal, || format!("matrix {matrix} of {m}x{n}"))?;
        }
        let flops = found.report.flops;
        ensure(flops > 0.0 && flops.is_finite(), || {
            format!("{flops} operations")
        })?;
        let told = told.lock().unwrap();
        let rises = told.is_sorted() && told.iter().all(|&(_, all)| all == count);
        let ends = told.last() == Some(&(count, count));
        ensure(rises && ends, || format!("progress: {told:?}"))?;
        let strict = engine
            .svd(&a)
            .options(&Options::default().strict(true))
            .run();
        let named = matches!(&strict, Err(Error::Strict(f)) if f.len() == 1 && f[0].0 == 20);
        ensure(named, || format!("strict: {strict:?}"))?;
        let cancel = Cancel::new();
        let handle = cancel.clone();
        let quits = Options::default().cancel(&cancel);
        let quits = quits.progress(Arc::new(move |_, _| handle.cancel()));
        // Either part may be done before it hears of it, but not both: unless each is one piece.
        let ended = engine.singular_values(&a).options(&quits).run();
        ensure(ended.is_ok() || ended == Err(Error::Cancelled), || {
            format!("cancelled: {:?}", ended.err())
        })?;
    }
    // By what is measured: whoever does it, it is right.
    let engine = Engine::gpu(&share(None)).map_err(wrong)?;
    let a = normal::<T>(3000, 5, 5, 23);
    for _ in 0..2 {
        check_pinv(&engine, &a)?;
    }
    let refused = Engine::gpu(&share(Some(1.5)));
    ensure(matches!(refused, Err(Error::Argument(_))), || {
        "a part of 1.5".into()
    })
}

/// Shapes without an entry cost nothing, however large their other dimensions.
fn enormous_empty<T: Real>(engine: &Engine) -> Outcome {
    let huge = u32::MAX as usize;
    for (count, m, n) in [(0, huge, huge), (2, huge, 0), (2, 0, huge), (0, 3, 0)] {
        let view = View::<T>::col_major(&[], count, m, n).unwrap();
        let svd = engine.svd(view).run().map_err(|e| e.to_string())?;
        ensure(svd.report.outcomes.len() == count, || "outcomes".into())?;
        ensure(svd.report.all_converged(), || "status".into())?;
        let pinv = engine.pinv(view).run().map_err(|e| e.to_string())?;
        ensure([pinv.inverse.rows(), pinv.inverse.cols()] == [n, m], || {
            "shape".into()
        })?;
    }
    for (m, n) in [(huge, huge), (1, 1 << 16)] {
        let view = View::<T>::col_major(&[], 0, m, n).unwrap();
        let polar = engine.polar(view).run();
        let stretch = polar.map_err(|e| e.to_string())?.stretch;
        ensure([stretch.rows(), stretch.cols()] == [n, n], || {
            "shape of H".into()
        })?;
    }
    let full = engine
        .svd(View::<T>::col_major(&[], 2, 3, 0).unwrap())
        .full(true)
        .run();
    let u = full.map_err(|e| e.to_string())?.u;
    let identity = Batch::from_fn(2, 3, 3, |_, i, j| T::of(f64::from(u8::from(i == j)))).unwrap();
    ensure(u == identity, || "a full U of nothing".into())?;
    // Broadcasts that nobody can hold are errors, not aborts.
    let one = [T::of(1.0)];
    for (m, n) in [(1 << 24, 1 << 24), (huge, huge), (usize::MAX, 2)] {
        let view = View::new(&one, 0, [1, m, n], [0, 0, 0]).unwrap();
        let svd = engine.singular_values(view).run();
        let refused = matches!(
            svd,
            Err(Error::Memory { .. } | Error::Argument(_) | Error::Unsupported(_))
        );
        ensure(refused, || format!("{m}x{n}: {svd:?}"))?;
    }
    Ok(())
}

/// Which kernel a shape takes: every path is seen to have run.
fn kernel<T: Real>(engine: &Engine, m: usize, n: usize, expected: &str) -> Outcome {
    let gpu = !matches!(expected, "jacobi-lanes" | "jacobi-single");
    // Enough to fill lanes.
    let a = normal::<T>(if gpu { 3 } else { 40 }, m, n, 8);
    let svd = check_svd(engine, &a)?;
    ensure(svd.report.kernel == expected, || {
        format!("{m}x{n} ran as {}, not {expected}", svd.report.kernel)
    })?;
    ensure((svd.report.backend == Backend::Gpu) == gpu, || {
        "backend".into()
    })?;
    check_pinv(engine, &a)?;
    Ok(())
}

/// How long tests took, which share the cores with others.
static TIMES: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

struct Suite {
    which: Which,
    trials: Vec<Trial>,
    /// Without the tests that are rarely worth their time.
    short: bool,
    /// Why this engine's tests in a type cannot run, and whether that is an error.
    absent: [Option<(String, bool)>; 2],
}

impl Suite {
    fn add<T: Real>(
        &mut self,
        name: impl std::fmt::Display,
        check: impl FnOnce(&Engine) -> Outcome + Send + 'static,
    ) {
        let which = self.which;
        let mut name = format!("{}/{}/{name}", which.name(), T::DTYPE);
        let absent = self.absent[usize::from(T::DTYPE == Dtype::F64)].clone();
        if let Some((reason, _)) = &absent {
            name += &format!(" ({reason})");
        }
        let rare = self.short && absent.is_none() && selection::is_rare(&name);
        if rare {
            name += " (left to BATCHED_SVD_ALL=1)";
        }
        let (ignored, required) = match &absent {
            Some((_, required)) => (!required, *required),
            None => (rare, false),
        };
        let label = name.clone();
        let trial = Trial::test(name, move || {
            if required {
                return Err(Failed::from("required by BATCHED_SVD_REQUIRE_GPU"));
            }
            let engine = which.engine().map_err(|e| Failed::from(e.to_string()))?;
            let start = Instant::now();
            let outcome = check(engine).map_err(Failed::from);
            TIMES.lock().unwrap().push((start.elapsed(), label));
            outcome
        });
        self.trials.push(trial.with_ignored_flag(ignored));
    }

    /// Where bits are saved of this engine.
    fn add_bits<T: Real, E: Scalar>(&mut self, name: &'static str) {
        let which = self.which;
        match which
            .engine()
            .ok()
            .and_then(|e| bits::absent(e, which.name()))
        {
            None => self.add::<T>(name, move |e| bits::bits::<E>(e, which.name())),
            Some(reason) => {
                let name = format!("{}/{}/{name} ({reason})", which.name(), T::DTYPE);
                self.trials
                    .push(Trial::test(name, || Ok(())).with_ignored_flag(true));
            }
        }
    }

    /// The tests of complex matrices, listed under the type of their parts.
    fn add_complex<T: Real, C: complex::Entry>(&mut self) {
        self.add::<T>("complex-shapes", complex::shapes::<C>);
        self.add::<T>("complex-fixtures", complex::fixtures::<C>);
        self.add::<T>("complex-laws", complex::laws::<C>);
        self.add::<T>("complex-statuses", complex::statuses::<C>);
        self.add::<T>("complex-operations", complex::operations::<C>);
        self.add::<T>("complex-subspaces", complex::subspaces::<C>);
        self.add::<T>("complex-ways", complex::ways::<C>);
        self.add::<T>("complex-eigh", hermitian::exact::<C>);
        self.add::<T>("complex-eigh-sizes", hermitian::sizes::<C>);
        self.add::<T>("complex-eigh-triangles", hermitian::triangles::<C>);
        self.add::<T>("complex-one-factor", |e| {
            vectors::one_factor(e, complex::random::<C>)
        });
        self.add_bits::<T, C>("complex-bits");
        if self.which == Which::Gpu {
            self.add::<T>("complex-own-device", |e| {
                interop::own_device(e, wide(), complex::random::<C>)
            });
        }
        let single = T::DTYPE == Dtype::F32;
        let kernels: &[(usize, usize, &str)] = match self.which {
            Which::Cpu => &[(8, 8, "jacobi-lanes")],
            Which::CpuSingle => &[(8, 8, "jacobi-single")],
            Which::Gpu => &[
                (2, 2, "jacobi-tiny"),
                // What two registers hold, or four.
                if single {
                    (5, 5, "jacobi-columns")
                } else {
                    (4, 4, "jacobi-columns")
                },
                // Wide ones, which each kernel takes in itself.
                (2, 3, "jacobi-tiny"),
                if single {
                    (5, 7, "jacobi-columns")
                } else {
                    (3, 5, "jacobi-columns")
                },
                (7, 110, "jacobi-resident"),
                (110, 7, "jacobi-resident"),
                (1000, 12, "jacobi-swept"),
                (70, 70, "jacobi-blocks"),
            ],
            Which::GpuDefaults => &[
                (2, 2, "jacobi-tiny"),
                if single {
                    (4, 4, "jacobi-columns")
                } else {
                    (4, 4, "jacobi-resident")
                },
                (1000, 12, "jacobi-swept"),
                (70, 70, "jacobi-blocks"),
            ],
            Which::GpuShrunk if single => &[
                (4, 3, "jacobi-resident"),
                (90, 5, "jacobi-swept"),
                (16, 16, "jacobi-blocks"),
                (40, 40, "jacobi-rounds"),
            ],
            Which::GpuShrunk => &[
                (4, 3, "jacobi-resident"),
                (90, 2, "jacobi-swept"),
                (8, 8, "jacobi-blocks"),
                (40, 40, "jacobi-rounds"),
            ],
        };
        for &(m, n, name) in kernels {
            self.add::<T>(format!("complex-kernel-{m}x{n}"), move |e| {
                complex::kernel::<C>(e, m, n, name)
            });
        }
    }

    fn add_all<T: Real<Real = T>>(&mut self) {
        for &(m, n, count) in SHAPES {
            self.add::<T>(format!("random-{m}x{n}"), move |e| {
                random::<T>(e, m, n, count)
            });
        }
        if matches!(self.which, Which::Cpu | Which::Gpu) {
            let last =
                LARGE.len() - usize::from(self.which == Which::Gpu && T::DTYPE == Dtype::F64);
            for &(m, n, count) in &LARGE[..last] {
                self.add::<T>(format!("random-{m}x{n}"), move |e| {
                    large::<T>(e, m, n, count)
                });
            }
        }
        for (name, _) in hard::<T>() {
            self.add::<T>(format!("hard-{name}"), move |e| hard_matrix::<T>(e, name));
        }
        self.add::<T>("fixtures", fixtures::<T>);
        self.add_bits::<T, T>("bits");
        self.add::<T>("integer-ranks", integer_ranks::<T>);
        self.add::<T>("digits", digits::<T>);
        self.add::<T>("isolation", isolation::<T>);
        self.add::<T>("determinism", determinism::<T>);
        self.add::<T>("layouts", layouts::<T>);
        self.add::<T>("cutoffs", cutoffs::<T>);
        self.add::<T>("sign-ties", sign_ties::<T>);
        self.add::<T>("unrepresentable", unrepresentable::<T>);
        self.add::<T>("unconverged", unconverged::<T>);
        self.add::<T>("enormous-empty", enormous_empty::<T>);
        self.add::<T>("numpy", numpy::results::<T>);
        self.add::<T>("lapack", reliability::lapack::<T>);
        self.add::<T>("grid", reliability::grid::<T>);
        self.add::<T>("relative", reliability::relative::<T>);
        self.add::<T>("exact-factors", exact::factors::<T>);
        self.add::<T>("exact-ties", exact::ties::<T>);
        self.add::<T>("exact-energies", exact::energies::<T>);
        self.add::<T>("cutoff-rows", exact::rows::<T>);
        self.add::<T>("noise", exact::noise::<T>);
        if self.which == Which::Cpu {
            self.add::<T>("executor", executor::others_have_their_turn::<T>);
            self.add::<T>("executor-dropped", executor::dropped::<T>);
            self.add::<T>("executor-pool", executor::in_a_pool::<T>);
        }
        // Software adapters cannot: their drivers leave loops that are as long.
        if self.which == Which::Cpu && T::DTYPE == Dtype::F32 {
            self.add::<T>("cutoff-millions", exact::millions);
        }
        self.add::<T>("scaled-solutions", scaled::solutions::<T>);
        self.add::<T>("scaled-wide", scaled::wide::<T>);
        self.add::<T>("scaled-inverses", scaled::inverses::<T>);
        self.add::<T>("scaled-data", scaled::data::<T>);
        self.add::<T>("scaled-examples", scaled::examples::<T>);
        self.add::<T>("scaled-far", scaled::far::<T>);
        self.add::<T>("verified-sharply", scaled::sharp::<T>);
        self.add::<T>("permuted", reliability::permuted::<T>);
        let large = std::env::var_os("BATCHED_SVD_LARGE").is_some();
        let cpu = matches!(self.which, Which::Cpu | Which::CpuSingle);
        // Not where a chunk is a few KiB.
        if self.which != Which::GpuShrunk {
            let counts = [1, 63, 64, 65, 1025, 65_535, 65_536, 140_001];
            self.add::<T>("counts", move |e| reliability::counts::<T>(e, &counts));
        }
        // A million on the CPU, or a part of that; on software adapters sizes that other tests compile.
        let (sizes, each): (Vec<usize>, usize) = match (cpu, large) {
            (true, true) => ((2..=64).collect(), 15_874),
            (true, false) => ((2..=64).collect(), 300),
            (false, _) => (vec![2, 3, 4, 8, 16, 32, 64], 30),
        };
        self.add::<T>("convergence", move |e| {
            reliability::convergence::<T>(e, &sizes, each)
        });
        // Several kernels a case: fewer where they take long.
        let cases = match self.which {
            Which::Cpu => 64,
            _ => 12,
        };
        self.add::<T>("laws-inverses", move |e| laws::inverses::<T>(e, cases));
        self.add::<T>("laws-projectors", move |e| laws::projectors::<T>(e, cases));
        self.add::<T>("laws-solutions", move |e| laws::solutions::<T>(e, cases));
        self.add::<T>("laws-approximations", move |e| {
            laws::approximations::<T>(e, cases)
        });
        self.add::<T>("laws-together", move |e| laws::together::<T>(e, cases));
        self.add::<T>("laws-warm", move |e| laws::warm::<T>(e, cases));
        self.add::<T>("lstsq", lstsq::random::<T>);
        if self.which == Which::Cpu && T::DTYPE == Dtype::F32 {
            self.add::<T>("lstsq-tall", lstsq::tall);
        }
        self.add::<T>("lstsq-hard", lstsq::hard_matrices::<T>);
        self.add::<T>("lstsq-isolation", lstsq::isolation::<T>);
        self.add::<T>("lstsq-scales", lstsq::scales::<T>);
        self.add::<T>("lstsq-damped", lstsq::damped::<T>);
        self.add::<T>("lstsq-near-singular", lstsq::near_singular::<T>);
        self.add::<T>("lstsq-refined", lstsq::refined::<T>);
        self.add::<T>("lstsq-places", lstsq::places::<T>);
        self.add::<T>("low-rank", compositions::low_rank::<T>);
        self.add::<T>("low-rank-tiny", compositions::tiny::<T>);
        self.add::<T>("truncation", compositions::truncation::<T>);
        self.add::<T>("subspaces", compositions::subspaces::<T>);
        self.add::<T>("one-factor", |e| vectors::one_factor(e, normal::<T>));
        self.add::<T>("null-vectors", compositions::null_vectors::<T>);
        self.add::<T>("eigh-exact", eigh::exact::<T>);
        self.add::<T>("eigh-random", eigh::random::<T>);
        self.add::<T>("eigh-hard", eigh::hard::<T>);
        self.add::<T>("eigh-triangles", eigh::triangles::<T>);
        self.add::<T>("eigh-bad", eigh::bad::<T>);
        self.add::<T>("eigh-ranks", eigh::ranks::<T>);
        self.add::<T>("eigh-functions", eigh::functions::<T>);
        self.add::<T>("shrink-formula", shrink::formula::<T>);
        self.add::<T>("shrink-recovered", shrink::recovered::<T>);
        self.add::<T>("shrink-special", shrink::special::<T>);
        self.add::<T>("polar", compositions::polar::<T>);
        self.add::<T>("components", compositions::components::<T>);
        self.add::<T>("components-regularised", compositions::regularised::<T>);
        self.add::<T>("factored", factored::factored::<T>);
        self.add::<T>("resident", resident::resident::<T>);
        self.add::<T>("calls-device", calls::device::<T>);
        self.add::<T>("calls-asynchronous", calls::asynchronous::<T>);
        self.add::<T>("calls-places", calls::places::<T>);
        self.add::<T>("calls-strict", calls::strict::<T>);
        self.add::<T>("calls-explained", calls::explained::<T>);
        self.add::<T>("calls-choices", calls::choices::<T>);
        let which = self.which;
        self.add::<T>("cancelled", move |e| cancelled::<T>(e, which));
        self.add::<T>("warm-path", move |e| warm::path::<T>(e, which));
        self.add::<T>("warm-starts", warm::starts::<T>);
        match T::DTYPE {
            Dtype::F32 => self.add_complex::<T, Complex<f32>>(),
            _ => self.add_complex::<T, Complex<f64>>(),
        }
        if T::DTYPE == Dtype::F32 {
            self.add::<T>("graded", graded::<T>);
        }
        self.add::<T>("progress", progress::<T>);
        self.add::<T>("asynchronous", asynchronous::<T>);
        if self.which != Which::GpuShrunk {
            self.add::<T>("many", many::<T>);
        }
        let kernels: &[(usize, usize, &str)] = match self.which {
            Which::Cpu => &[(8, 8, "jacobi-lanes")],
            Which::CpuSingle => &[(8, 8, "jacobi-single")],
            Which::Gpu | Which::GpuDefaults => &[
                (3, 3, "jacobi-tiny"),
                match self.which {
                    Which::Gpu => (7, 7, "jacobi-columns"),
                    _ => (4, 4, "jacobi-columns"),
                },
                (110, 7, "jacobi-resident"),
                (1000, 16, "jacobi-swept"),
                (128, 128, "jacobi-blocks"),
            ],
            Which::GpuShrunk => &[
                (5, 1, "jacobi-tiny"),
                (5, 5, "jacobi-resident"),
                (90, 6, "jacobi-swept"),
                (24, 24, "jacobi-blocks"),
                (80, 80, "jacobi-rounds"),
            ],
        };
        if self.which == Which::Cpu && T::DTYPE == Dtype::F32 {
            let open = |tuning| Ok(Engine::cpu_with(tuning));
            self.add::<T>("tunings", move |_| reliability::tunings(open));
        }
        if self.which == Which::Gpu && T::DTYPE == Dtype::F32 {
            let open = |tuning| Engine::gpu(&adapter().tuning(tuning));
            self.add::<T>("tunings", move |_| reliability::tunings(open));
            self.add::<T>("fallback", |_| fallback());
            #[cfg(feature = "faults")]
            self.add::<T>("faults", |_| faults::faults(&adapter().tuning(shrunk())));
            #[cfg(feature = "faults")]
            self.add::<T>("faults-gone", |_| faults::gone(&adapter()));
            self.add::<T>("automatic", |_| automatic());
            self.add::<T>("own-device-destroyed", |e| interop::destroyed(e, shrunk()));
            self.add::<T>("lent-memory", interop::lent_memory);
            self.add::<T>("kept-shaders", |_| interop::kept_shaders());
        }
        if matches!(which, Which::Gpu | Which::GpuShrunk) {
            self.add::<T>("shared", move |e| shared::<T>(e, which));
        }
        if self.which == Which::GpuShrunk {
            self.add::<T>("own-device", |e| {
                interop::own_device(e, shrunk(), normal::<T>)
            });
        }
        if self.which == Which::Gpu {
            self.add::<T>("kept-memory", resident::kept_memory::<T>);
            self.add::<T>("own-device", |e| {
                interop::own_device(e, wide(), normal::<T>)
            });
            self.add::<T>("widest", |_| widest::<T>());
            self.add::<T>("profile", |_| {
                profile::paths::<T>(&adapter(), [wide(), shrunk()], Engine::gpu)
            });
            self.add::<T>("subgroups", |_| subgroups::<T>());
        }
        if large && self.which != Which::GpuShrunk && T::DTYPE == Dtype::F32 {
            self.add::<T>("billions", billions::<T>);
        }
        for &(m, n, name) in kernels {
            self.add::<T>(format!("kernel-{m}x{n}"), move |e| {
                kernel::<T>(e, m, n, name)
            });
        }
    }
}

/// The tests of all engines. Unless `every` is to run, those that are rarely worth their time are ignored.
fn trials(every: bool) -> Vec<Trial> {
    let mut engines = Vec::new();
    let required = std::env::var("BATCHED_SVD_REQUIRE_GPU").unwrap_or_default();
    for which in Which::ALL {
        let absent = match which.engine() {
            Ok(engine) => {
                println!("{}: {engine}", which.name());
                let a = normal::<f64>(1, 2, 2, 1);
                let result = engine.singular_values(&a).run();
                let reason = match result {
                    Err(Error::Unsupported(_)) => {
                        Some(("no f64 in shaders".to_string(), required == "f64"))
                    }
                    _ => None,
                };
                [None, reason]
            }
            Err(error) => {
                println!("{}: {error}", which.name());
                let reason = Some(("no adapter".to_string(), !required.is_empty()));
                [reason.clone(), reason]
            }
        };
        let compared = |e| bits::absent(e, which.name()).is_none();
        let mut suite = Suite {
            which,
            trials: Vec::new(),
            short: !every && which.engine().is_ok_and(compared),
            absent,
        };
        suite.add_all::<f32>();
        suite.add_all::<f64>();
        engines.push(suite.trials.into_iter());
    }
    // In turn: an engine compiles while others compute.
    let most = engines.iter().map(|trials| trials.len()).max();
    (0..most.unwrap_or(0))
        .flat_map(|_| {
            engines
                .iter_mut()
                .filter_map(Iterator::next)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A test uses all cores by itself, but for where its engine compiles or a GPU is busy with another call.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    let mut patterns = std::env::var("BATCHED_SVD_TESTS").ok();
    if let Some(named) = arguments.filter.as_deref().and_then(selection::named) {
        arguments.filter = None;
        patterns = Some(named.into());
    }
    let every = arguments.filter.is_some()
        || patterns.is_some()
        || std::env::var("BATCHED_SVD_ALL").is_ok_and(|all| all == "1");
    let trials = trials(every);
    let trials = match patterns {
        None => trials,
        Some(patterns) => match selection::select(trials, &patterns) {
            Ok(trials) => trials,
            Err(pattern) => {
                eprintln!("engines: no test is called {pattern:?}");
                return ExitCode::from(2);
            }
        },
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    let mut times = TIMES.lock().unwrap();
    times.sort_by(|x, y| y.cmp(x));
    for (time, name) in times.iter().take(12).filter(|t| t.0.as_secs() > 5) {
        println!("{:7.1} s  {name}", time.as_secs_f64());
    }
    conclusion.exit_code()
}
