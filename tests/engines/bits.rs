//! The bits of today's results, for every path, kind of shape and operation: a change of structure changes none.
//!
//! They are committed in tests/fixtures/bits.json: of the CPU engine once, since its two kinds of kernels agree, and
//! of a GPU by its driver, whose compiler decides the last bits. Of a driver that is not in the file nothing is known,
//! and the test is listed as ignored. A change of arithmetic saves them anew, and says so in the changelog:
//! `BATCHED_SVD_BITS=save cargo test --release --features bench --test engines bits`.

use std::path::PathBuf;
use std::sync::Mutex;

use batched_svd::{Batch, Cutoff, Engine, Error, Factor, Options, Real, Report, Scalar, Subspace};
use serde_json::{Map, Value};

use crate::common::bounds::{Outcome, ensure, in_f64};

/// Every path of every engine under test: tiny, a column a lane, in workgroup memory, tall, in blocks, in rounds;
/// square, tall and wide.
const SHAPES: &[(usize, usize)] = &[
    (1, 1),
    (2, 2),
    (3, 3),
    (4, 4),
    (4, 3),
    (3, 5),
    (6, 6),
    (8, 8),
    (13, 11),
    (9, 21),
    (24, 24),
    (40, 33),
    (90, 6),
    (300, 12),
    (70, 70),
];

/// The same for complex matrices, of every path still.
const COMPLEX_SHAPES: &[(usize, usize)] = &[
    (1, 1),
    (2, 2),
    (4, 3),
    (3, 5),
    (8, 8),
    (9, 21),
    (40, 33),
    (90, 6),
    (300, 12),
    (70, 70),
];

fn real<R: Real>(number: f64) -> R {
    R::of(number)
}

/// What has bits.
trait Numbers {
    fn add_to(&self, hash: &mut Hash);
}

impl<T: Scalar> Numbers for Batch<T> {
    fn add_to(&self, hash: &mut Hash) {
        for number in in_f64(bytemuck::cast_slice::<T, T::Real>(self.as_slice())) {
            // Which NaN it is says nothing.
            hash.add(if number.is_nan() { 1 } else { number.to_bits() });
        }
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bits.json")
}

fn saved() -> Map<String, Value> {
    let text = std::fs::read_to_string(file()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn saves() -> bool {
    std::env::var("BATCHED_SVD_BITS").is_ok_and(|what| what == "save")
}

/// Whose bits an engine has.
fn owner(engine: &Engine, name: &str) -> String {
    if name.starts_with("cpu") {
        return "cpu".into();
    }
    format!("{name} on {engine}")
}

/// Why the bits of an engine cannot be compared, if so.
pub fn absent(engine: &Engine, name: &str) -> Option<String> {
    #[cfg(target_arch = "x86_64")]
    if name.starts_with("cpu") && !std::is_x86_feature_detected!("fma") {
        return Some("no bits are saved for processors without fused multiply-adds".into());
    }
    let known = saves() || saved().contains_key(&owner(engine, name));
    (!known).then(|| "no bits are saved for this driver".into())
}

/// FNV-1a, which no library changes.
struct Hash(u64);

impl Hash {
    fn add(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn report(&mut self, report: &Report) {
        for outcome in &report.outcomes {
            self.add(outcome.status as u64);
            self.add(outcome.rank.into());
            self.add(outcome.sweeps.into());
            self.add(outcome.rotations.into());
        }
    }
}

/// Matrices of every kind, by whole numbers and powers of two: nothing that a mathematical library rounds.
fn batch<T: Scalar>(count: usize, m: usize, n: usize, salt: u64) -> Batch<T> {
    let number = |b: usize, i: usize, j: usize, salt: u64| {
        let mut word = ((b * 4099 + i) * 4099 + j) as u64 ^ salt << 40;
        // A generator's finisher (splitmix64).
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let x = ((word >> 43) as f64 - 1_048_576.0) / 1_048_576.0;
        match b % 8 {
            1 => x * 2f64.powi(-(3 * j as i32).min(60)),
            2 => ((i + 1) * (j + 2)) as f64,
            3 if b == 11 => 0.0,
            4 => x * 2f64.powi(80),
            5 if i == j => 1.0,
            5 => 0.0,
            6 if b == 14 && i + j == 0 => f64::NAN,
            7 => x * 2f64.powi(-100),
            _ => x,
        }
    };
    let entry = |b, i, j| {
        let parts = [salt, salt + 2].map(|salt| real(number(b, i, j, salt)));
        T::of_parts(parts)
    };
    Batch::from_fn(count, m, n, entry).unwrap()
}

/// Every operation on matrices of one shape, by its name.
fn hashes<T: Scalar>(engine: &Engine, m: usize, n: usize) -> Result<Vec<(String, u64)>, Error> {
    let count = if m * n > 1000 { 9 } else { 19 };
    let a = batch::<T>(count, m, n, 0);
    let options = Options::default();
    let mut found = Vec::new();
    let mut keep = |name: &str, batches: &[&dyn Numbers], report: &Report| {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        batches.iter().for_each(|batch| batch.add_to(&mut hash));
        hash.report(report);
        found.push((format!("{}/{m}x{n}/{name}", T::DTYPE), hash.0));
    };
    let values = engine.singular_values(&a).options(&options).run()?;
    keep("values", &[&values.sigma], &values.report);
    for (name, full) in [("thin", false), ("full", true)] {
        let svd = engine.svd(&a).full(full).options(&options).run()?;
        keep(name, &[&svd.u, &svd.sigma, &svd.v], &svd.report);
        if !full {
            let warm = engine.svd(&a).warm(&svd.v).options(&options).run()?;
            keep("warm", &[&warm.sigma], &warm.report);
        }
    }
    for (name, of) in [("u", Factor::U), ("v", Factor::V)] {
        let one = engine.singular_vectors(&a, of).options(&options).run()?;
        keep(name, &[&one.vectors, &one.sigma], &one.report);
    }
    let inverse = engine.pinv(&a).options(&options).run()?;
    keep("pinv", &[&inverse.inverse], &inverse.report);
    let some = options.clone().cutoff(Cutoff::relative(0.01));
    let inverse = engine.pinv(&a).options(&some).damping(0.25).run()?;
    keep("damped", &[&inverse.inverse], &inverse.report);
    for sides in [1, 20] {
        let b = batch::<T>(count, m, sides, 1);
        let solved = engine.lstsq(&a, &b).options(&options).run()?;
        keep(
            &format!("lstsq-{sides}"),
            &[&solved.solution],
            &solved.report,
        );
    }
    let some = options.clone().cutoff(Cutoff::rank(m.min(n).min(2)));
    let low = engine.low_rank(&a).options(&some).run()?;
    keep("low-rank", &[&low.approximation], &low.report);
    let projector = engine
        .projector(&a, Subspace::RowSpace)
        .options(&options)
        .run()?;
    keep("projector", &[&projector.projector], &projector.report);
    let basis = engine
        .basis(&a, Subspace::NullSpace)
        .options(&options)
        .run()?;
    keep("basis", &[&basis.vectors], &basis.report);
    let polar = engine.polar(&a).options(&options).run()?;
    keep("polar", &[&polar.orthogonal, &polar.stretch], &polar.report);
    let parts = engine.principal_components(&a).options(&options).run()?;
    let all: [&dyn Numbers; 4] = [
        &parts.mean,
        &parts.components,
        &parts.scores,
        &parts.deviations,
    ];
    keep("components", &all, &parts.report);
    let white = engine.whitening(&a).options(&options).run()?;
    keep("whitening", &[&white.mean, &white.transform], &white.report);
    Ok(found)
}

/// Holds every result to the saved bits, or saves them.
pub fn bits<T: Scalar>(engine: &Engine, name: &str) -> Outcome {
    static FILE: Mutex<()> = Mutex::new(());
    let owner = owner(engine, name);
    let mut found = Vec::new();
    let shapes = match T::DTYPE.is_complex() {
        true => COMPLEX_SHAPES,
        false => SHAPES,
    };
    for &(m, n) in shapes {
        found.extend(hashes::<T>(engine, m, n).map_err(|e| format!("{m}x{n}: {e}"))?);
    }
    let _guard = FILE.lock();
    let mut all = saved();
    let known = all.entry(owner).or_insert_with(|| Map::new().into());
    if saves() {
        for (key, hash) in found {
            known[&key] = format!("{hash:016x}").into();
        }
        let text = serde_json::to_string_pretty(&all).map_err(|e| e.to_string())?;
        return std::fs::write(file(), text + "\n").map_err(|e| e.to_string());
    }
    let differ: Vec<String> = found
        .into_iter()
        .filter(|(key, hash)| known[key].as_str() != Some(&format!("{hash:016x}")))
        .map(|(key, _)| key)
        .collect();
    ensure(differ.is_empty(), || {
        format!(
            "{} results have other bits: {}",
            differ.len(),
            differ.join(", ")
        )
    })
}
