//! Shrinkage of singular values: against the textbook's formula on factors of another library, and on signals with noise.

use batched_svd::{Batch, Cutoff, Engine, Error, Real, Shrinkage, Shrunk, Status};
use nalgebra::DMatrix;

use crate::common::bounds::{Outcome, at_most, ensure, in_f64, tol};
use crate::common::matrices::{normal, scaled};
use crate::common::reference::{dense, factors};

const RULES: [Shrinkage; 4] = [
    Shrinkage::Frobenius,
    Shrinkage::Operator,
    Shrinkage::Nuclear,
    Shrinkage::HardThreshold,
];

fn wrong(e: Error) -> String {
    e.to_string()
}

/// Signals of rank two and of sizes that stand out, without noise.
fn signals(count: usize, m: usize, n: usize) -> Batch<f64> {
    let wave = |at: usize, len: usize, c: usize| {
        let phase = (at as f64 + 0.5) * std::f64::consts::PI / len as f64;
        (phase * (c + 1) as f64).cos() * (2.0 / len as f64).sqrt()
    };
    let root = (m.max(n) as f64).sqrt();
    let entry = |b: usize, i: usize, j: usize| {
        let sizes = [4.0 + b as f64, 2.5];
        let term = |c: usize| sizes[c] * root * wave(i, m, c) * wave(j, n, c);
        term(0) + term(1)
    };
    Batch::from_fn(count, m, n, entry).unwrap()
}

/// Signals and noise with entries of size `level`.
fn noisy<T: Real>(signals: &Batch<f64>, level: f64, seed: u64) -> Batch<T> {
    let (count, m, n) = (signals.count(), signals.rows(), signals.cols());
    let noise = normal::<f64>(count, m, n, seed);
    let entry = |b: usize, i: usize, j: usize| {
        let at = j * m + i;
        T::of(signals.matrix(b)[at] + level * noise.matrix(b)[at])
    };
    Batch::from_fn(count, m, n, entry).unwrap()
}

/// The formulas as they are printed (Gavish and Donoho).
fn printed(rule: Shrinkage, y: f64, beta: f64) -> f64 {
    if rule == Shrinkage::HardThreshold {
        let bound = 2.0 * (beta + 1.0)
            + 8.0 * beta / ((beta + 1.0) + (beta * beta + 14.0 * beta + 1.0).sqrt());
        return if y >= bound.sqrt() { y } else { 0.0 };
    }
    if y <= 1.0 + beta.sqrt() {
        return 0.0;
    }
    let t = y * y - beta - 1.0;
    let root = (t * t - 4.0 * beta).sqrt();
    let x = ((t + root) / 2.0).sqrt();
    match rule {
        Shrinkage::Operator => x,
        Shrinkage::Nuclear => ((x.powi(4) - beta - beta.sqrt() * x * y) / (x * x * y)).max(0.0),
        _ => root / y,
    }
}

/// The result is the formula, for every rule, with a noise level for all, for each, and estimated.
pub fn formula<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in [(3, 3), (20, 12), (12, 20), (40, 40), (90, 6)] {
        let signals = signals(3, m, n);
        let a = noisy::<T>(&signals, 1.0, 5);
        for rule in RULES {
            let calls = [
                engine.shrink(&a).rule(rule).noise(1.0),
                engine.shrink(&a).rule(rule).noise(vec![0.0, 0.7, 1.4]),
                engine.shrink(&a).rule(rule),
            ];
            for (call, levels) in
                calls
                    .into_iter()
                    .zip([Some([1.0; 3]), Some([0.0, 0.7, 1.4]), None])
            {
                let found = call.run().map_err(wrong)?;
                let what = format!("{rule:?} of {m}x{n}, noise {levels:?}");
                ensure(levels.is_none_or(|levels| found.noise == levels), || {
                    format!("{what}: {:?}", found.noise)
                })?;
                for b in 0..3 {
                    check(&what, rule, &a, &found, b)?;
                }
            }
            let what = format!("{rule:?} of {m}x{n}, shared");
            let mut own = engine.shrink(&a).run().map_err(wrong)?.noise;
            own.sort_by(f64::total_cmp);
            let shared = engine.shrink(&a).rule(rule).noise(7.0).shared_noise();
            let shared = shared.run().map_err(wrong)?;
            ensure(shared.noise == [own[1]; 3], || {
                format!("{what}: {:?} of {own:?}", shared.noise)
            })?;
            for b in 0..3 {
                check(&what, rule, &a, &shared, b)?;
            }
        }
    }
    Ok(())
}

fn check<T: Real>(
    what: &str,
    rule: Shrinkage,
    a: &Batch<T>,
    found: &Shrunk<T>,
    b: usize,
) -> Outcome {
    let (m, n) = (a.rows(), a.cols());
    let (k, most) = (m.min(n), m.max(n) as f64);
    let beta = k as f64 / most;
    let exact = factors(&in_f64(a.matrix(b)), m, n)?;
    let unit = found.noise[b] * most.sqrt();
    let eta = |sigma: f64| match unit > 0.0 {
        true => unit * printed(rule, sigma / unit, beta),
        false => sigma,
    };
    let kept: Vec<f64> = exact.sigma.iter().map(|&sigma| eta(sigma)).collect();
    let rank = kept.iter().filter(|sigma| **sigma > 0.0).count();
    ensure(found.report.outcomes[b].rank as usize == rank, || {
        format!("{what}: rank {}, not {rank}", found.report.outcomes[b].rank)
    })?;
    let weights = DMatrix::from_diagonal(&nalgebra::DVector::from_vec(kept));
    let best = exact.u * weights * exact.vt;
    let difference = dense(&found.signal, b) - best;
    // Eta is steep just above its edge; no value is within a thousandth of it here.
    let bound = 64.0 * (k as f64 + 4.0) * tol::<T>(m, n) * exact.sigma[0];
    at_most(what, difference.norm(), bound)
}

/// Noise levels and ranks are found, and the best rules are better than to cut at the true rank.
pub fn recovered<T: Real>(engine: &Engine) -> Outcome {
    for (m, n, level) in [(80, 60, 1.0), (60, 80, 0.5), (100, 100, 1.0)] {
        let signals = signals(3, m, n);
        let a = noisy::<T>(&signals, level, 6);
        let found = engine.shrink(&a).run().map_err(wrong)?;
        let hard = engine.shrink(&a).rule(Shrinkage::HardThreshold);
        let hard = hard.run().map_err(wrong)?;
        let cut = engine.low_rank(&a).cutoff(Cutoff::rank(2));
        let cut = cut.run().map_err(wrong)?;
        for b in 0..3 {
            let what = format!("{m}x{n}, matrix {b}");
            at_most(&what, (found.noise[b] / level - 1.0).abs(), 0.06)?;
            let ranks = [&found.report, &hard.report].map(|report| report.outcomes[b].rank);
            // The largest singular value of the noise is near the edge, on either side.
            let right = ranks[1] == 2 && (2..=3).contains(&ranks[0]);
            ensure(right, || format!("{what}: ranks {ranks:?}"))?;
            let error = |x: &Batch<T>| (dense(x, b) - dense(&signals, b)).norm();
            let (best, other) = (error(&found.signal), error(&cut.approximation));
            ensure(best < other, || format!("{what}: {best}, cut {other}"))?;
            at_most(&what, best, 0.5 * error(&a))?;
        }
    }
    Ok(())
}

/// Noise of any scale, nothing but noise, nothing at all; and a bad matrix, a cutoff, and a bad level.
pub fn special<T: Real>(engine: &Engine) -> Outcome {
    let (m, n) = (30, 20);
    let signals = signals(3, m, n);
    let a = noisy::<T>(&signals, 1.0, 7);
    let plain = engine.shrink(&a).run().map_err(wrong)?;
    for power in [-60, 60] {
        let found = engine.shrink(&scaled(&a, power)).run().map_err(wrong)?;
        let back = scaled(&found.signal, -power);
        ensure(back == plain.signal, || format!("times 2^{power}"))?;
    }
    let noise = normal::<T>(3, 60, 60, 8);
    let found = engine.shrink(&noise).noise(1.1).run().map_err(wrong)?;
    ensure(
        found.signal.as_slice().iter().all(|x| *x == T::ZERO)
            && found.report.outcomes.iter().all(|o| o.rank == 0),
        || "noise alone".into(),
    )?;
    for (m, n) in [(0, 3), (3, 0)] {
        let none = Batch::<T>::zeros(2, m, n).map_err(wrong)?;
        let found = engine.shrink(&none).run().map_err(wrong)?;
        ensure(found.noise == [0.0; 2], || format!("{m}x{n}"))?;
    }
    let nothing = Batch::<T>::zeros(2, 4, 3).map_err(wrong)?;
    let zero = engine.shrink(&nothing).run().map_err(wrong)?;
    ensure(
        zero.noise == [0.0; 2] && zero.signal.as_slice().iter().all(|x| *x == T::ZERO),
        || "zero".into(),
    )?;

    let mut bad = a.clone();
    bad.as_mut_slice()[m * n] = T::NAN;
    let found = engine.shrink(&bad).run().map_err(wrong)?;
    ensure(
        found.report.outcomes[1].status == Status::NonFinite
            && found.noise[1].is_nan()
            && found.signal.matrix(1).iter().all(|x| x.f64().is_nan())
            && found.signal.matrix(2) == plain.signal.matrix(2),
        || "beside a NaN".into(),
    )?;
    // The median of two levels is their mean, and a matrix that is not finite has none.
    let shared = engine.shrink(&bad).shared_noise().run().map_err(wrong)?;
    let mean = 0.5 * plain.noise[0] + 0.5 * plain.noise[2];
    let off = (shared.noise[0] / mean - 1.0).abs();
    ensure(
        off < 1e-15 && shared.noise[2] == shared.noise[0] && shared.noise[1].is_nan(),
        || format!("{:?}, not {mean}", shared.noise),
    )?;
    let one = engine.shrink(&a).cutoff(Cutoff::rank(1));
    let one = one.run().map_err(wrong)?;
    ensure(one.report.outcomes.iter().all(|o| o.rank == 1), || {
        format!("{:?}", one.report.outcomes)
    })?;
    for level in [-1.0, f64::NAN, f64::INFINITY] {
        let refused = engine.shrink(&a).noise(level).run().err();
        ensure(
            matches!(&refused, Some(Error::Argument(text)) if text.contains("noise level")),
            || format!("{level}: {refused:?}"),
        )?;
    }
    let few = engine.shrink(&a).noise(vec![1.0, 1.0]).run().err();
    ensure(matches!(few, Some(Error::Argument(_))), || {
        "two levels".into()
    })
}
