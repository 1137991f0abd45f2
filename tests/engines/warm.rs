//! Decompositions that begin where those of similar matrices ended.

use batched_svd::{Batch, Engine, Error, Real, Status, Svd, verify};

use crate::Which;
use crate::common::bounds::{Outcome, at_most, ensure, first_is_positive, in_f64, tol};
use crate::common::matrices::{hard, normal};

fn wrong(e: Error) -> String {
    e.to_string()
}

fn largest(values: &[f64]) -> f64 {
    let worse = |worst: f64, &v: &f64| if v > worst || v.is_nan() { v } else { worst };
    values.iter().fold(0.0, worse)
}

/// The promise of `svd`, order and signs, of thin or full factors.
fn holds<T: Real>(a: &Batch<T>, svd: &Svd<T>, cold: &Svd<T>) -> Outcome {
    let (m, n) = (a.rows(), a.cols());
    let tol = tol::<T>(m, n);
    let (u, v) = (&svd.u, &svd.v);
    ensure(svd.report.all_converged(), || format!("{:?}", svd.report))?;
    let residuals = verify::reconstruction(a, u, &svd.sigma, v).map_err(wrong)?;
    at_most("residual", largest(&residuals), tol)?;
    for (name, factor) in [("U", u), ("V", v)] {
        let loss = largest(&verify::orthogonality(factor).map_err(wrong)?);
        at_most(&format!("loss of orthogonality of {name}"), loss, tol)?;
    }
    for index in 0..a.count() {
        let [warm, cold] = [svd, cold].map(|svd| in_f64(svd.sigma.matrix(index)));
        ensure(warm.is_sorted_by(|x, y| x >= y), || format!("{warm:?}"))?;
        for (x, y) in warm.iter().zip(&cold) {
            at_most("warm less cold", (x - y).abs(), 2.0 * tol * cold[0])?;
        }
        for column in v.matrix(index).chunks_exact(n.max(1)) {
            ensure(first_is_positive(column), || "a sign".into())?;
        }
    }
    Ok(())
}

/// A frame of a smooth path: as far as a control loop's, a thousandth of a turn apart.
fn frame<T: Real>(count: usize, m: usize, n: usize, time: usize) -> Batch<T> {
    let turn = time as f64 * 1e-3;
    let entry = |b: usize, i: usize, j: usize| {
        let rate = 1.0 + ((7 * i + 11 * j) % 5) as f64;
        (rate * turn + (3 * b + 5 * i * i + 17 * j) as f64).sin() + 0.4 * ((i + j) % 3) as f64
    };
    Batch::from_fn(count, m, n, |b, i, j| T::of(entry(b, i, j))).unwrap()
}

/// A smooth path: fewer sweeps than cold, and the last frame as good as the first. 3000 frames, few of them on
/// a GPU.
pub fn path<T: Real>(engine: &Engine, which: Which) -> Outcome {
    for (m, n, count) in [(6, 7, 8), (7, 6, 8), (12, 12, 4), (40, 9, 2)] {
        let frames = match which {
            Which::Cpu => 3000,
            _ => 40,
        };
        let first = frame::<T>(count, m, n, 0);
        let mut last = engine.svd(&first).run().map_err(wrong)?;
        let mut sweeps = [0u32; 2];
        for time in 1..frames {
            let a = frame::<T>(count, m, n, time);
            last = engine.svd(&a).warm(&last.v).run().map_err(wrong)?;
            if time % 37 == 0 || time + 1 == frames {
                let cold = engine.svd(&a).run().map_err(wrong)?;
                holds(&a, &last, &cold).map_err(|e| format!("{m}x{n}, frame {time}: {e}"))?;
                for (sum, svd) in sweeps.iter_mut().zip([&last, &cold]) {
                    *sum += svd.report.outcomes.iter().map(|o| o.sweeps).sum::<u32>();
                }
            }
        }
        let [warm, cold] = sweeps;
        println!(
            "{which}, {}, {m}x{n}, {frames} frames: {:.2} sweeps in place of 1",
            T::DTYPE,
            f64::from(warm) / f64::from(cold),
            which = which.name(),
        );
        ensure(10 * warm < 9 * cold, || {
            format!("{m}x{n}: {warm} sweeps warm, {cold} cold")
        })?;
    }
    Ok(())
}

/// Whatever stands for V: the results are as good as cold ones, and what cannot start warm starts cold.
pub fn starts<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in [(5, 5), (9, 4), (4, 9), (36, 36), (1, 6), (0, 3), (3, 0)] {
        let count = 6;
        let k = m.min(n);
        let a = normal::<T>(count, m, n, 3);
        let cold = engine.svd(&a).full(true).run().map_err(wrong)?;
        let own = cold.v.clone();
        let mut bad = own.clone();
        for (index, entry) in bad.as_mut_slice().iter_mut().enumerate() {
            // A matrix each: zeros, a NaN, one column twice, far from orthonormal, huge, as it was.
            let (matrix, place) = (index / (n * n), index % (n * n));
            let column = place / n;
            *entry = match matrix {
                0 => T::ZERO,
                1 if place == 0 => T::NAN,
                2 if column == 1 => T::of(1.0 / (n as f64).sqrt()),
                3 => T::of(((3 * place + 1) as f64).sin()),
                4 => T::LARGEST,
                _ => *entry,
            };
        }
        let thin =
            Batch::from_fn(count, n, k, |b, i, j| bad.matrix(b)[j * n + i]).map_err(wrong)?;
        for (v, full) in [(&own, true), (&bad, true), (&thin, false)] {
            let warm = engine.svd(&a).warm(v).full(full).run().map_err(wrong)?;
            let what = |e| format!("{m}x{n}, full: {full}: {e}");
            holds(&a, &warm, &cold).map_err(what)?;
            let cols = |side| if full { side } else { k };
            let shapes = [&warm.u, &warm.v].map(|x| (x.rows(), x.cols()));
            ensure(shapes == [(m, cols(m)), (n, cols(n))], || {
                what(format!("{shapes:?}"))
            })?;
            let none = engine.singular_values(&a).warm(v).run().map_err(wrong)?;
            ensure(none.sigma == warm.sigma, || what("values alone".into()))?;
        }
        // Its own V: next to nothing is left to do.
        let warm = engine.svd(&a).warm(&own).run().map_err(wrong)?;
        ensure(warm.report.max_sweeps() <= 3, || {
            format!("{m}x{n}: {} sweeps of its own V", warm.report.max_sweeps())
        })?;
        let wrong_shapes = [[count, n + 1, k], [count - 1, n, k], [count, n, n + 1]];
        for [count, rows, cols] in wrong_shapes {
            let v = Batch::<T>::zeros(count, rows, cols).map_err(wrong)?;
            let refused = engine.svd(&a).warm(&v).run();
            let named =
                matches!(&refused, Err(Error::Argument(text)) if text.contains("previous V"));
            ensure(named, || format!("{refused:?}"))?;
        }
    }
    // Graded, tiny, huge, singular: cold, to the bit.
    for (name, a) in hard::<T>() {
        let uneven = ["columns-graded", "scaled", "subnormal", "zero-columns"];
        if !uneven.iter().any(|part| name.starts_with(part)) || a.rows() != a.cols() {
            continue;
        }
        let cold = engine.svd(&a).run().map_err(wrong)?;
        let turned = normal::<T>(a.count(), a.cols(), a.cols(), 4);
        let warm = engine.svd(&a).warm(&turned).run().map_err(wrong)?;
        ensure(
            warm.sigma == cold.sigma && warm.v == cold.v && warm.u == cold.u,
            || format!("{name} did not start cold"),
        )?;
    }
    // Graded rows keep the smallest singular values, warm as they start.
    for (name, a) in hard::<T>() {
        if name.starts_with("rows-graded") {
            let cold = engine.svd(&a).run().map_err(wrong)?;
            let warm = engine.svd(&a).warm(&cold.v).run().map_err(wrong)?;
            let [warm, cold] = [&warm, &cold].map(|svd| in_f64(svd.sigma.matrix(0)));
            for (x, y) in warm.iter().zip(&cold) {
                let bound = 32.0 * tol::<T>(a.rows(), a.cols());
                at_most(&format!("{name}, relative"), (x / y - 1.0).abs(), bound)?;
            }
        }
    }
    // A matrix that is not finite harms nobody, and the next frame is as good as any.
    for (m, n) in [(4, 4), (3, 6), (6, 3)] {
        let clean = normal::<T>(3, m, n, 5);
        let mut bad = clean.clone();
        bad.as_mut_slice()[m * n + 1] = T::of(f64::INFINITY);
        let first = engine.svd(&clean).run().map_err(wrong)?;
        let v = &first.v;
        let harmed = engine.svd(&bad).warm(v).run().map_err(wrong)?;
        let fine = engine.svd(&clean).warm(v).run().map_err(wrong)?;
        for index in 0..3 {
            for (x, y) in [(&harmed.u, &fine.u), (&harmed.v, &fine.v)] {
                let right = match index {
                    1 => x.matrix(1).iter().all(|x| x.f64().is_nan()),
                    _ => x.matrix(index) == y.matrix(index),
                };
                ensure(right, || {
                    format!("matrix {index} of {m}x{n} beside an infinity")
                })?;
            }
        }
        ensure(
            harmed.report.outcomes[1].status == Status::NonFinite,
            || format!("{:?}", harmed.report),
        )?;
        let next = engine.svd(&clean).warm(&harmed.v).run().map_err(wrong)?;
        holds(&clean, &next, &first)?;
    }
    Ok(())
}
