//! Least squares, damped and not.

use std::sync::{Arc, Mutex};

use batched_svd::{
    Batch, Call, Cutoff, Dtype, Engine, Error, Lstsq, Options, Real, Report, Status, View, ViewMut,
    verify,
};
use nalgebra::{DMatrix, DVector};

use crate::common::bounds::{Outcome, UNITS, at_most, ensure, in_f64, lost, tol, unit};
use crate::common::matrices::{by_rows, hard, integers, normal, scaled};
use crate::common::reference::{Factors, factors};

fn wrong(e: Error) -> String {
    e.to_string()
}

/// Solutions that have all converged.
fn solve<T: Real>(call: Call<'_, '_, Lstsq<T>>) -> Result<Lstsq<T>, String> {
    let lstsq = call.run().map_err(wrong)?;
    if let Some((index, status)) = lstsq.report.failures().next() {
        return Err(format!("matrix {index} ended as {status}"));
    }
    Ok(lstsq)
}

/// A solution in f64.
struct Exact {
    x: Vec<f64>,
    /// What it leaves of b.
    left: Vec<f64>,
    /// The largest and the smallest singular value that count.
    largest: f64,
    smallest: f64,
}

/// The solution over the `rank` largest singular values, which may be damped.
fn reference(f: &Factors, a: &[f64], b: &[f64], rank: usize, lambda: f64) -> Exact {
    let (m, n) = (b.len(), f.vt.ncols());
    let b = DVector::from_column_slice(b);
    let mut x = DVector::zeros(n);
    let kept = &f.sigma[..rank];
    for (c, sigma) in kept.iter().enumerate() {
        let weight = 1.0 / (sigma + lambda * (lambda / sigma));
        x += f.vt.row(c).transpose() * (weight * f.u.column(c).dot(&b));
    }
    let left = &b - DMatrix::from_column_slice(m, n, a) * &x;
    Exact {
        x: x.as_slice().to_vec(),
        left: left.as_slice().to_vec(),
        largest: kept.first().copied().unwrap_or(1.0),
        smallest: kept.last().copied().unwrap_or(1.0),
    }
}

fn norm(x: &[f64]) -> f64 {
    let largest = x.iter().fold(0.0f64, |l, x| l.max(x.abs()));
    match largest {
        0.0 => 0.0,
        _ => largest * x.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt(),
    }
}

/// Holds solutions to what makes them: the normal equations, and the promised bound, or in f64 beyond what a
/// reference is sharp enough for, no part in the null space.
fn check<T: Real>(engine: &Engine, a: &Batch<T>, b: &Batch<T>) -> Result<Lstsq<T>, String> {
    let (m, n) = (a.rows(), a.cols());
    let lstsq = solve(engine.lstsq(a, b))?;
    let tol = tol::<T>(m, n);
    let ranks = engine.pinv(a).run().map_err(wrong)?.report;
    let sides = verify::least_squares(a, &lstsq.solution, b).map_err(wrong)?;
    for (index, [_, normal]) in sides.into_iter().enumerate() {
        let what = format!("normal equations of {m}x{n}, matrix {index}");
        // What the cutoff may take away of a column of A.
        let cut = match lstsq.report.outcomes[index].rank as usize == m.min(n) {
            true => 0.0,
            false => lost(a, index),
        };
        at_most(&what, normal, UNITS * unit::<T>() + cut)?;
    }
    for index in 0..a.count() {
        let rank = lstsq.report.outcomes[index].rank as usize;
        ensure(rank == ranks.outcomes[index].rank as usize, || {
            format!("matrix {index} has rank {rank} here, another in pinv")
        })?;
        if m.min(n) == 0 {
            let zero = lstsq.solution.as_slice().iter().all(|x| *x == T::ZERO);
            ensure(zero, || "a solution of nothing".into())?;
            continue;
        }
        let entries = in_f64(a.matrix(index));
        let f = factors(&entries, m, n)?;
        let sides = b.matrix(index).chunks_exact(m).map(in_f64);
        let found = lstsq.solution.matrix(index).chunks_exact(n).map(in_f64);
        for (column, (b, found)) in sides.zip(found).enumerate() {
            let what = format!("of {m}x{n}, matrix {index} (rank {rank}), column {column}");
            let exact = reference(&f, &entries, &b, rank, 0.0);
            let condition = exact.largest / exact.smallest;
            let residual = condition * norm(&exact.left) + norm(&b);
            let size = condition * norm(&exact.x) + residual / exact.smallest;
            if T::DTYPE == Dtype::F32 || condition < 1e3 {
                let both = exact.x.iter().zip(&found);
                let error: Vec<f64> = both.map(|(x, y)| x - y).collect();
                at_most(&format!("error {what}"), norm(&error), 8.0 * tol * size)?;
                continue;
            }
            let found = DVector::from_column_slice(&found);
            let kept = f.vt.rows(0, rank);
            let inside = kept.transpose() * (kept * &found);
            let outside = norm((found - inside).as_slice());
            at_most(&format!("null part {what}"), outside, 8.0 * tol * size)?;
        }
    }
    Ok(lstsq)
}

/// Random systems of all shapes, of full rank and not, with few and with many right-hand sides.
pub fn random<T: Real>(engine: &Engine) -> Outcome {
    for (m, n, count) in [
        (0, 4, 2),
        (4, 0, 2),
        (4, 4, 0),
        (1, 1, 4),
        (2, 2, 300),
        (3, 2, 40),
        (2, 3, 40),
        (6, 7, 40),
        (7, 6, 40),
        (8, 8, 40),
        (33, 31, 2),
        (16, 64, 2),
        (1000, 16, 2),
        (65536, 1, 1),
        (1, 65536, 1),
        (65, 65, 1),
    ] {
        let a = normal::<T>(count, m, n, (1000 * m + n) as u64);
        for cols in [1, 3, n.min(40) + 2] {
            if m.max(n) > 1000 && cols > 3 {
                continue;
            }
            let b = normal::<T>(count, m, cols, (7 * m + cols) as u64);
            check(engine, &a, &b)?;
        }
        // Consistent: the solutions leave nothing.
        if (1..=100).contains(&m.max(n)) && count > 0 {
            let x = normal::<T>(count, n, 2, 5);
            let b = Batch::from_fn(count, m, 2, |b, i, j| {
                let terms =
                    (0..n).map(|k| a.matrix(b)[k * m + i].f64() * x.matrix(b)[j * n + k].f64());
                T::of(terms.sum())
            });
            check(engine, &a, &b.map_err(wrong)?)?;
        }
    }
    for (m, n, rank) in [(3, 3, 1), (7, 3, 2), (3, 7, 2), (13, 13, 3), (33, 31, 2)] {
        let a = integers::<T>(10, m, n, rank, (m * n) as u64);
        check(engine, &a, &normal::<T>(10, m, 2, 3))?;
        check(engine, &a, &normal::<T>(10, m, n + 1, 4))?;
    }
    // No right-hand sides: the ranks.
    let a = normal::<T>(3, 5, 2, 1);
    let none = engine
        .lstsq(&a, &Batch::zeros(3, 5, 0).map_err(wrong)?)
        .run();
    let none = none.map_err(wrong)?;
    let ranks: Vec<u32> = none.report.outcomes.iter().map(|o| o.rank).collect();
    ensure(ranks == [2, 2, 2] && none.solution.cols() == 0, || {
        format!("{none:?}")
    })
}

pub fn hard_matrices<T: Real>(engine: &Engine) -> Outcome {
    for (name, a) in hard::<T>() {
        // Solutions of 2^-140 leave the range, and large ones take long.
        if ["subnormal", "mixed-scales"].contains(&name) || a.rows().max(a.cols()) > 100 {
            continue;
        }
        let b = normal::<T>(a.count(), a.rows(), 2, 9);
        check(engine, &a, &b).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

fn bits<T: Real>(x: &[T]) -> Vec<u64> {
    x.iter().map(|x| x.f64().to_bits()).collect()
}

/// A NaN in a right-hand side stays in its solution, one in a matrix in its solutions; and no matrix sees
/// its neighbours, nor does a side of a few.
pub fn isolation<T: Real>(engine: &Engine) -> Outcome {
    let options = Options::default();
    for (m, n) in [(7, 3), (3, 7), (40, 40), (70, 9), (2, 2)] {
        let (a, b) = (normal::<T>(35, m, n, 2), normal::<T>(35, m, 2, 3));
        let clean = engine
            .lstsq(&a, &b)
            .options(&options)
            .run()
            .map_err(wrong)?;
        let (mut bad_a, mut bad_b) = (a.clone(), b.clone());
        bad_a.as_mut_slice()[3 * m * n + m * n / 2] = T::NAN;
        bad_b.as_mut_slice()[7 * 2 * m + m + 1] = T::of(f64::INFINITY);
        bad_b.as_mut_slice()[34 * 2 * m] = T::NAN;
        let harmed = engine
            .lstsq(&bad_a, &bad_b)
            .options(&options)
            .run()
            .map_err(wrong)?;
        for index in 0..35 {
            for column in 0..2 {
                let of = |x: &Batch<T>| x.matrix(index)[column * n..][..n].to_vec();
                let (found, expected) = (of(&harmed.solution), of(&clean.solution));
                let lost = index == 3 || (index, column) == (7, 1) || (index, column) == (34, 0);
                let right = match lost {
                    true => found.iter().all(|x| x.f64().is_nan()),
                    false => bits(&found) == bits(&expected),
                };
                ensure(right, || {
                    format!("solution {column} of {m}x{n}, matrix {index}: {found:?}")
                })?;
            }
            let (found, expected) = (harmed.report.outcomes[index], clean.report.outcomes[index]);
            let status = match index {
                3 | 7 | 34 => Status::NonFinite,
                _ => Status::Converged,
            };
            let known = index == 3 || found.rank == expected.rank;
            ensure(found.status == status && known, || {
                format!("{m}x{n}, matrix {index}: {found:?}")
            })?;
        }
        let strict = engine
            .lstsq(&bad_a, &bad_b)
            .options(&options.clone().strict(true))
            .run();
        let named: Vec<usize> = match strict {
            Err(Error::Strict(failures)) => failures.iter().map(|f| f.0).collect(),
            other => return Err(format!("strict mode gave {other:?}")),
        };
        ensure(named == vec![3, 7, 34], || format!("strict: {named:?}"))?;
        // One matrix with one side alone.
        let view = a.view().matrices(20..21).map_err(wrong)?;
        let side = b
            .view()
            .matrices(20..21)
            .and_then(|b| b.submatrix(0..m, 1..2));
        let alone = engine
            .lstsq(view, side.map_err(wrong)?)
            .options(&options)
            .run()
            .map_err(wrong)?;
        ensure(
            bits(alone.solution.matrix(0)) == bits(&clean.solution.matrix(20)[n..]),
            || format!("a side of {m}x{n} depends on its neighbours"),
        )?;
    }
    Ok(())
}

/// Powers of two leave no trace but themselves, in matrices and in every right-hand side by itself.
pub fn scales<T: Real>(engine: &Engine) -> Outcome {
    let single = T::DTYPE == Dtype::F32;
    // Beside what the matrix is scaled by, sides of 2^-q would be lost if they were not scaled too.
    let (p, q) = if single { (20, 90) } else { (150, 800) };
    for (m, n) in [(7, 3), (3, 7), (40, 40)] {
        let (a, b) = (normal::<T>(5, m, n, 2), normal::<T>(5, m, 3, 3));
        let plain = engine.lstsq(&a, &b).run().map_err(wrong)?;
        for p in [-p, 0, p] {
            let mut sides = b.clone();
            let powers = [q, 0, -q];
            let factor = |j: usize| T::ONE.ldexp(powers[j % 3]);
            for (j, column) in sides.as_mut_slice().chunks_exact_mut(m).enumerate() {
                column.iter_mut().for_each(|x| *x *= factor(j));
            }
            let a = scaled(&a, p);
            let found = engine.lstsq(&a, &sides).run().map_err(wrong)?;
            let both = found.report.outcomes.iter().zip(&plain.report.outcomes);
            for (found, plain) in both {
                let mut found = *found;
                // Scaled, and one rounding of a subnormal number.
                let scaled = found.sigma_error * 2f64.powi(-p);
                let off = (scaled / plain.sigma_error - 1.0).abs();
                at_most("sigma_error times 2^-p", off, 1e-6)?;
                found.sigma_error = plain.sigma_error;
                ensure(found == *plain, || {
                    format!("the report of {m}x{n} times 2^{p}")
                })?;
            }
            let columns = found.solution.as_slice().chunks_exact(n);
            for (j, (found, plain)) in columns
                .zip(plain.solution.as_slice().chunks_exact(n))
                .enumerate()
            {
                let expected: Vec<T> = plain.iter().map(|x| x.ldexp(powers[j % 3] - p)).collect();
                ensure(bits(found) == bits(&expected), || {
                    format!("column {j} of {m}x{n} times 2^{p}: {found:?}, not {expected:?}")
                })?;
            }
        }
        // Too large for the type, and too small.
        let far = if single { 100 } else { 800 };
        for power in [far, -far] {
            let b = scaled(&b, power);
            let lost = engine.lstsq(&scaled(&a, -power), &b).run().map_err(wrong)?;
            ensure(lost.report.count(Status::NotRepresentable) == 5, || {
                format!("{m}x{n} by 2^{power}: {:?}", lost.report.outcomes)
            })?;
            let gone = lost.solution.as_slice().iter();
            let right = |x: &T| {
                if power > 0 {
                    !x.finite()
                } else {
                    *x == T::ZERO
                }
            };
            ensure(gone.clone().all(right), || format!("{m}x{n} by 2^{power}"))?;
        }
    }
    Ok(())
}

/// A damping that is found from the smallest singular value: by its formula, with the bits of the same damping that is
/// given, and what does not fit.
pub fn near_singular<T: Real>(engine: &Engine) -> Outcome {
    let smallest = [0.0, 0.02, 0.05, 0.0999, 0.1, 0.2, 8.0];
    let count = smallest.len();
    let a = Batch::from_fn(count, 3, 2, |b, i, j| match (i, j) {
        (0, 0) => T::of(4.0),
        (2, 1) => T::of(smallest[b]),
        _ => T::ZERO,
    });
    let a = a.map_err(wrong)?;
    let (below, most) = (0.1, 0.05);
    let found = engine.pinv(&a).damping_near_singular(below, most);
    let found = found.run().map_err(wrong)?;
    let plain = engine.pinv(&a).run().map_err(wrong)?;
    for (b, s) in smallest.into_iter().enumerate() {
        let own = found.inverse.matrix(b);
        if s >= 2.0 * below {
            let same = bits(own) == bits(plain.inverse.matrix(b));
            ensure(same, || format!("{s}: damped"))?;
            continue;
        }
        // At most the rounding of s, where lambda is steep.
        let ratio: f64 = T::of(s).f64() / below;
        let square = most * most * (1.0 - ratio * ratio).max(0.0);
        let weight = |sigma: f64| {
            if sigma > 0.0 {
                sigma / (sigma * sigma + square)
            } else {
                0.0
            }
        };
        for (at, exact) in [(0, weight(4.0)), (5, weight(T::of(s).f64()))] {
            let off = (own[at].f64() - exact).abs();
            at_most(&format!("{s}"), off, 64.0 * unit::<T>() * exact)?;
        }
    }

    for (m, n) in [(4, 6), (6, 4), (40, 33)] {
        let mut a = normal::<T>(5, m, n, 3);
        let b = normal::<T>(5, m, 2, 4);
        a.as_mut_slice()[2 * m * n + 1] = T::NAN;
        let sigma = engine.singular_values(&a).run().map_err(wrong)?.sigma;
        let last = |b: usize| sigma.matrix(b)[m.min(n) - 1].f64();
        let below: Vec<f64> = (0..5).map(|b| last(0) * (0.5 + b as f64)).collect();
        let most: Vec<f64> = (0..5).map(|b| 0.1 * b as f64).collect();
        let lambda = |b: usize| {
            let ratio = last(b) / below[b];
            match ratio < 1.0 {
                true => most[b] * ((1.0 - ratio) * (1.0 + ratio)).sqrt(),
                false => 0.0,
            }
        };
        let lambdas: Vec<f64> = (0..5).map(lambda).collect();
        ensure(lambdas.iter().filter(|l| **l > 0.0).count() > 1, || {
            format!("{lambdas:?}")
        })?;
        let near = engine.lstsq(&a, &b).damping_near_singular(below, most);
        let near = near.run().map_err(wrong)?;
        let given = engine.lstsq(&a, &b).damping(lambdas);
        let given = given.run().map_err(wrong)?;
        let same = bits(near.solution.as_slice()) == bits(given.solution.as_slice());
        let same = same && near.report.outcomes == given.report.outcomes;
        ensure(same, || format!("{m}x{n}: not as with the same lambda"))?;
    }

    // Progress is told once, and a bad matrix once.
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let call = engine.pinv(&a).damping_near_singular(below, most);
    let call = call.progress(Arc::new(move |done, of| {
        listener.lock().unwrap().push((done, of));
    }));
    call.run().map_err(wrong)?;
    let told = told.lock().unwrap();
    let ends = told.iter().filter(|told| **told == (count, count)).count();
    ensure(ends == 1, || format!("progress: {told:?}"))?;
    let mut bad = a.clone();
    bad.as_mut_slice()[6] = T::NAN;
    let call = engine.pinv(&bad).damping_near_singular(below, most);
    let refused = call.strict(true).run().err();
    let named =
        matches!(&refused, Some(Error::Strict(list)) if list[..] == [(1, Status::NonFinite)]);
    ensure(named, || format!("strict: {refused:?}"))?;

    let short = engine.pinv(&a).damping_near_singular(vec![0.1; 2], 0.1);
    let refused = short.run().err();
    let named = matches!(&refused, Some(Error::Argument(text)) if text.contains("2 values"));
    ensure(named, || format!("{refused:?}"))?;
    for (below, most, what) in [
        (-1.0, 0.1, "limit of the damping"),
        (0.1, f64::NAN, "largest damping"),
    ] {
        let refused = engine
            .pinv(&a)
            .damping_near_singular(below, most)
            .run()
            .err();
        let named = matches!(&refused, Some(Error::Argument(text)) if text.contains(what));
        ensure(named, || format!("{below}, {most}: {refused:?}"))?;
    }
    let b = normal::<T>(count, 3, 1, 4);
    let refined = engine.lstsq(&a, &b).refined(true);
    let refused = refined.damping_near_singular(0.1, 0.1).run();
    ensure(matches!(refused, Err(Error::Argument(_))), || {
        "refined".into()
    })?;
    // The later of the two choices is taken.
    let later = engine.pinv(&a).damping_near_singular(0.1, 0.1).damping(0.0);
    let later = later.run().map_err(wrong)?;
    let same = bits(later.inverse.as_slice()) == bits(plain.inverse.as_slice());
    ensure(same, || "replaced".into())
}

/// Tikhonov's solutions against their formula and as those of a longer system; and damping that is none.
pub fn damped<T: Real>(engine: &Engine) -> Outcome {
    for (m, n, rank) in [
        (5, 5, 5),
        (7, 3, 3),
        (3, 7, 3),
        (7, 6, 2),
        (40, 40, 40),
        (2, 2, 1),
    ] {
        let count = 6;
        let a = integers::<T>(count, m, n, rank, (m + n) as u64);
        let b = normal::<T>(count, m, 2, 8);
        let lambdas = [0.0, 1e-3, 0.5, 3.0, 40.0, 1e6];
        let found = solve(engine.lstsq(&a, &b).damping(&lambdas[..]))?;
        let inverses = engine.pinv(&a).damping(&lambdas[..]).run().map_err(wrong)?;
        for (index, &lambda) in lambdas.iter().enumerate() {
            let what = format!("{m}x{n}, lambda {lambda}");
            let view = a.view().matrices(index..index + 1).map_err(wrong)?;
            let side = b.view().matrices(index..index + 1).map_err(wrong)?;
            let same = engine
                .lstsq(view, side)
                .damping(lambda)
                .run()
                .map_err(wrong)?;
            let own = found.solution.matrix(index);
            ensure(bits(same.solution.matrix(0)) == bits(own), || {
                format!("{what}: one for all is not one for each")
            })?;
            if lambda == 0.0 {
                let plain = engine.lstsq(view, side).run().map_err(wrong)?;
                ensure(bits(plain.solution.matrix(0)) == bits(own), || {
                    format!("{what}: not what it is without damping")
                })?;
            }
            let entries = in_f64(a.matrix(index));
            let f = factors(&entries, m, n)?;
            let rank = found.report.outcomes[index].rank as usize;
            let mut bounds = Vec::new();
            for (column, x) in own.chunks_exact(n).enumerate() {
                let b = in_f64(&b.matrix(index)[column * m..][..m]);
                let exact = reference(&f, &entries, &b, rank, lambda);
                // (A'A + lambda^2 I)^-1 of what A'b and A'A x may be off by.
                let size = exact.largest * (norm(&b) + exact.largest * norm(&exact.x));
                let least = exact.smallest.powi(2) + lambda.powi(2);
                let bound = 8.0 * tol::<T>(m, n) * size / least;
                bounds.push(bound);
                let error = |x: &[f64]| {
                    let error: Vec<f64> = x.iter().zip(&exact.x).map(|(x, y)| x - y).collect();
                    norm(&error)
                };
                at_most(&format!("error of {what}"), error(&in_f64(x)), bound)?;
                // And by the pseudoinverse.
                let inverse = in_f64(inverses.inverse.matrix(index));
                let by_inverse: Vec<f64> = (0..n)
                    .map(|i| (0..m).map(|k| inverse[k * n + i] * b[k]).sum())
                    .collect();
                at_most(&format!("error of pinv, {what}"), error(&by_inverse), bound)?;
            }
            // min |[A; lambda I] x - [b; 0]|, where nothing is cut off.
            if rank < n || lambda == 0.0 || lambda > 1e3 {
                continue;
            }
            let longer = Batch::from_fn(1, m + n, n, |_, i, j| match i.checked_sub(m) {
                None => a.matrix(index)[j * m + i],
                Some(i) => T::of(if i == j { lambda } else { 0.0 }),
            });
            let below = Batch::from_fn(1, m + n, 2, |_, i, j| match i < m {
                true => b.matrix(index)[j * m + i],
                false => T::ZERO,
            });
            let (longer, below) = (longer.map_err(wrong)?, below.map_err(wrong)?);
            let other = solve(engine.lstsq(&longer, &below))?;
            let columns = own
                .chunks_exact(n)
                .zip(other.solution.matrix(0).chunks_exact(n));
            for ((x, y), bound) in columns.zip(&bounds) {
                let error: Vec<f64> = x.iter().zip(y).map(|(x, y)| x.f64() - y.f64()).collect();
                at_most(&format!("longer system, {what}"), norm(&error), 2.0 * bound)?;
            }
        }
    }
    // Far from the matrix's scale: nothing overflows on the way, and no cutoff is no cutoff.
    let options = Options::default().cutoff(Cutoff::relative(0.0));
    let power = if T::DTYPE == Dtype::F32 { 60 } else { 400 };
    for p in [-power, power] {
        let a = scaled(
            &Batch::from_row_major(1, 1, 1, &[T::of(3.0)]).map_err(wrong)?,
            p,
        );
        let b = Batch::from_row_major(1, 1, 1, &[T::of(5.0)]).map_err(wrong)?;
        let lambda = 4.0 * 2f64.powi(p);
        let x = solve(engine.lstsq(&a, &b).options(&options).damping(lambda))?;
        let exact = T::of(0.6).ldexp(-p);
        let error = (x.solution.matrix(0)[0].f64() / exact.f64() - 1.0).abs();
        at_most("3 and 4 make 5", error, 8.0 * T::DTYPE.unit_roundoff())?;
    }
    // A damping far beyond the matrix leaves next to nothing: sigma / lambda^2, if that is a number.
    let (far, gone) = if T::DTYPE == Dtype::F32 {
        (50, 100)
    } else {
        (500, 1000)
    };
    let a = Batch::from_fn(1, 2, 2, |_, i, j| {
        T::ONE.ldexp(if i == j { -10 * i as i32 } else { -900 })
    });
    let b = Batch::from_fn(1, 2, 2, |_, i, j| if i == j { T::ONE } else { T::ZERO });
    let (a, b) = (a.map_err(wrong)?, b.map_err(wrong)?);
    let lambda = 2f64.powi(far);
    let x = solve(engine.lstsq(&a, &b).damping(lambda))?;
    let inverse = engine.pinv(&a).damping(lambda).run().map_err(wrong)?;
    for x in [x.solution.matrix(0), inverse.inverse.matrix(0)] {
        for (entry, power) in [(0, -2 * far), (3, -2 * far - 10)] {
            let ratio = x[entry].f64() / T::ONE.ldexp(power).f64();
            at_most("beyond the matrix", (ratio - 1.0).abs(), 1e-5)?;
        }
    }
    let lost = engine
        .lstsq(&a, &b)
        .damping(2f64.powi(gone))
        .run()
        .map_err(wrong)?;
    ensure(lost.report.count(Status::NotRepresentable) == 1, || {
        format!("{:?}", lost.report.outcomes)
    })?;
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let refused = engine.lstsq(&a, &a).damping(bad).run();
        let named = matches!(&refused, Err(Error::Argument(text)) if text.contains("damping"));
        ensure(named, || format!("damping {bad}: {refused:?}"))?;
    }
    let refused = engine.pinv(&a).damping(vec![1.0, 2.0]).run();
    ensure(matches!(refused, Err(Error::Argument(_))), || {
        format!("{refused:?}")
    })
}

/// Every layout, the caller's places, the device's memory; and what does not fit is refused.
pub fn places<T: Real>(engine: &Engine) -> Outcome {
    for (m, n, count) in [
        (5, 3, 70),
        (3, 7, 70),
        (2, 2, 900),
        (110, 7, 6),
        (40, 40, 3),
    ] {
        let (mut a, b) = (normal::<T>(count, m, n, 2), normal::<T>(count, m, 2, 3));
        // Every matrix with its own.
        let each = |f: fn(f64) -> f64| (0..count).map(|b| f(b as f64)).collect::<Vec<_>>();
        let options = Options::default().cutoff(Cutoff::relative(each(|b| 0.3 * (b % 3.0))));
        let lambdas = &each(|b| 0.01 * b)[..];
        a.as_mut_slice()[m * n] = T::NAN;
        let expected = engine
            .lstsq(&a, &b)
            .options(&options)
            .damping(lambdas)
            .run()
            .map_err(wrong)?;
        let same = |x: &Batch<T>, what: &str| {
            ensure(
                bits(x.as_slice()) == bits(expected.solution.as_slice()),
                || format!("{what}, {m}x{n}"),
            )
        };
        // With singular values, chunk by chunk.
        let valued = engine
            .lstsq(&a, &b)
            .singular_values(true)
            .options(&options)
            .damping(lambdas)
            .run()
            .map_err(wrong)?;
        same(&valued.solution, "with singular values")?;
        let values = engine
            .singular_values(&a)
            .options(&options)
            .run()
            .map_err(wrong)?;
        let sigma = valued.sigma.ok_or("no singular values")?;
        for index in (0..count).filter(|&index| index != 1) {
            ensure(sigma.matrix(index) == values.sigma.matrix(index), || {
                format!("singular values of {m}x{n}, matrix {index}")
            })?;
        }
        ensure(sigma.matrix(1).iter().all(|x| x.f64().is_nan()), || {
            "singular values of a NaN".into()
        })?;
        let (a_rows, b_rows) = (by_rows(&a), by_rows(&b));
        let a_by_row = View::row_major(&a_rows, count, m, n).map_err(wrong)?;
        let b_by_row = View::row_major(&b_rows, count, m, 2).map_err(wrong)?;
        let mut to = vec![T::ZERO; count * n * 2];
        let place = ViewMut::row_major(&mut to, count, n, 2).map_err(wrong)?;
        let report = engine
            .lstsq(a_by_row, b_by_row)
            .options(&options)
            .damping(lambdas)
            .run_into(place)
            .map_err(wrong)?;
        ensure(report == expected.report, || {
            "the report of lstsq into a place".into()
        })?;
        let to = View::row_major(&to, count, n, 2).and_then(|x| x.to_batch());
        same(&to.map_err(wrong)?, "lstsq into a place")?;
        let (up_a, up_b) = (
            engine.upload(a_by_row).map_err(wrong)?,
            engine.upload(b_by_row).map_err(wrong)?,
        );
        let there = engine
            .lstsq(&up_a, &up_b)
            .options(&options)
            .damping(lambdas)
            .run_on_device()
            .map_err(wrong)?;
        same(
            &there.solution.download().map_err(wrong)?,
            "lstsq on the device",
        )?;
        let report = there.report.get().map_err(wrong)?;
        ensure(report.outcomes == expected.report.outcomes, || {
            format!("the report of lstsq on the device, {m}x{n}")
        })?;
        ensure(report.kernel == expected.report.kernel, || {
            "the kernel".into()
        })?;
        // Without a right-hand side: the ranks.
        let none = engine.upload(&Batch::zeros(count, m, 0).map_err(wrong)?);
        let none = none.map_err(wrong)?;
        let ranks = engine
            .lstsq(&up_a, &none)
            .options(&options)
            .damping(lambdas)
            .run_on_device()
            .map_err(wrong)?;
        let solution = ranks.solution.download().map_err(wrong)?;
        let report = ranks.report.get().map_err(wrong)?;
        let each = |report: &Report| report.outcomes.iter().map(|o| o.rank).collect::<Vec<_>>();
        ensure(
            [solution.rows(), solution.cols()] == [n, 0] && each(&report) == each(&expected.report),
            || format!("no right-hand side, {m}x{n}"),
        )?;
        // A window of a larger batch, and one matrix's sides for all.
        let wider = Batch::from_fn(count, m + 3, 4, |b_index, i, j| {
            let inside = i.checked_sub(2).zip(j.checked_sub(1));
            let entry = inside.filter(|&(i, j)| i < m && j < 2);
            entry.map_or(T::NAN, |(i, j)| b.matrix(b_index)[j * m + i])
        });
        let wider = wider.map_err(wrong)?;
        let window = wider.view().submatrix(2..m + 2, 1..3).map_err(wrong)?;
        let windowed = engine
            .lstsq(&a, window)
            .options(&options)
            .damping(lambdas)
            .run()
            .map_err(wrong)?;
        same(&windowed.solution, "a window")?;
        let first = &b.matrix(0)[..2 * m];
        let one = View::new(first, 0, [count, m, 2], [0, 1, m as isize]).map_err(wrong)?;
        let for_all = engine
            .lstsq(&a, one)
            .options(&options)
            .damping(lambdas)
            .run()
            .map_err(wrong)?;
        let repeated = engine
            .lstsq(&a, &one.to_batch().map_err(wrong)?)
            .options(&options)
            .damping(lambdas)
            .run();
        let repeated = repeated.map_err(wrong)?.solution;
        ensure(
            bits(for_all.solution.as_slice()) == bits(repeated.as_slice()),
            || format!("one side for all, {m}x{n}"),
        )?;
        ensure(repeated.matrix(2) != repeated.matrix(0), || {
            format!("every matrix of {m}x{n} has one solution")
        })?;
    }
    let a = normal::<T>(3, 4, 2, 1);
    for b in [normal::<T>(3, 5, 1, 1), normal::<T>(2, 4, 1, 1)] {
        let refused = engine.lstsq(&a, &b).run();
        let named = matches!(&refused, Err(Error::Argument(text)) if text.contains("right-hand"));
        ensure(named, || format!("{refused:?}"))?;
        let up = |x| engine.upload(x).map_err(wrong);
        let refused = engine.lstsq(&up(&a)?, &up(&b)?).run_on_device();
        ensure(matches!(refused, Err(Error::Argument(_))), || {
            format!("{refused:?}")
        })?;
    }
    let mut small = vec![T::ZERO; 3];
    let place = ViewMut::col_major(&mut small, 3, 1, 1).map_err(wrong)?;
    let b = normal::<T>(3, 4, 1, 1);
    let refused = engine.lstsq(&a, &b).run_into(place);
    ensure(matches!(refused, Err(Error::Argument(_))), || {
        format!("{refused:?}")
    })
}

/// More rows than a number in f32 counts.
pub fn tall(engine: &Engine) -> Outcome {
    let m = (1 << 24) + 4;
    // The default is beyond 1 here.
    let options = Options::default().cutoff(Cutoff::relative(0.0));
    // The last rows decide.
    let entry = |i: usize, last: [f32; 4]| match i.checked_sub(1 << 24) {
        Some(i) => last[i],
        None => 0.5,
    };
    let a = Batch::from_fn(1, m, 1, |_, i, _| entry(i, [1e6, 2e6, 4e6, 8e6]));
    let b = Batch::from_fn(1, m, 1, |_, i, _| entry(i, [1000.0, 100.0, 10.0, 1.0]));
    let (a, b) = (a.map_err(wrong)?, b.map_err(wrong)?);
    let x = solve(engine.lstsq(&a, &b).options(&options))?;
    let others = 0.25 * 2f64.powi(24);
    let (square, product, sides) = (85e12 + others, 1.248e9 + others, 1_010_101.0 + others);
    let exact = product / square;
    let error = (f64::from(x.solution.matrix(0)[0]) - exact).abs();
    let size = exact + 2.0 * (sides / square).sqrt();
    at_most(
        "error of a tall system",
        error,
        8.0 * tol::<f32>(m, 1) * size,
    )
}

/// Refined once, fits leave less of exact data, and nothing else changes.
pub fn refined<T: Real>(engine: &Engine) -> Outcome {
    let eps = 2.0 * T::DTYPE.unit_roundoff();
    let mut sums = [0.0; 2];
    for (m, n) in [(32, 3), (20, 6), (9, 9), (4, 7), (60, 10)] {
        let a = Batch::from_fn(30, m, n, |b, i, j| {
            let t = 1.0 + (i as f64 + 0.1 * b as f64) / m as f64;
            T::of(t.powi(j as i32 % 4) + ((3 * b + 5 * i * j + j) as f64).sin())
        });
        let a = a.map_err(wrong)?;
        let truth = normal::<T>(30, n, 1, 8);
        let b = Batch::from_fn(30, m, 2, |at, i, side| {
            let terms = (0..n).map(|j| a.matrix(at)[j * m + i].f64() * truth.matrix(at)[j].f64());
            T::of(terms.sum::<f64>() * if side == 0 { 1.0 } else { -3.0 })
        });
        let b = b.map_err(wrong)?;
        let both = [false, true].map(|refined| solve(engine.lstsq(&a, &b).refined(refined)));
        let [first, second] = both;
        let (first, second) = (first?, second?);
        ensure(first.report.outcomes == second.report.outcomes, || {
            "outcomes".into()
        })?;
        for (found, sum) in [&first, &second].into_iter().zip(&mut sums) {
            let left = verify::residuals(&a, &found.solution, &b).map_err(wrong)?;
            for at in 0..30 {
                for side in 0..2 {
                    let size = norm(&in_f64(&b.matrix(at)[side * m..][..m]));
                    let own = left.matrix(at)[side] / size;
                    at_most("a residual", own, 16.0 * (n as f64).sqrt() * eps)?;
                    *sum += own;
                }
            }
        }
        let mut place = Batch::<T>::zeros(30, n, 2).map_err(wrong)?;
        let call = engine.lstsq(&a, &b).refined(true);
        let report = call.run_into(place.view_mut());
        ensure(
            report.map_err(wrong)?.outcomes == second.report.outcomes,
            || "into".into(),
        )?;
        ensure(place == second.solution, || "into".into())?;
    }
    let [first, second] = sums;
    ensure(second < 0.6 * first, || {
        format!("{second:e} is left on the whole, {first:e} unrefined")
    })?;
    // Of low rank nothing comes in that does not count.
    let a = integers::<T>(20, 7, 5, 2, 3);
    let b = normal::<T>(20, 7, 1, 4);
    let both = [false, true].map(|refined| solve(engine.lstsq(&a, &b).refined(refined)));
    let [first, second] = both;
    let (first, second) = (first?, second?);
    for at in 0..20 {
        let [x, y] = [&first, &second].map(|found| in_f64(found.solution.matrix(at)));
        let off = norm(&x.iter().zip(&y).map(|(x, y)| x - y).collect::<Vec<_>>());
        at_most("low rank", off, 1e3 * tol::<T>(7, 5) * norm(&x))?;
    }
    // Beside a NaN, and where it cannot be.
    let mut bad = b.clone();
    bad.as_mut_slice()[7] = T::NAN;
    let found = engine.lstsq(&a, &bad).refined(true).run().map_err(wrong)?;
    let nan = |at: usize| found.solution.matrix(at).iter().all(|x| x.f64().is_nan());
    ensure(nan(1) && !nan(0) && !nan(2), || "beside a NaN".into())?;
    ensure(
        bits(found.solution.matrix(0)) == bits(second.solution.matrix(0)),
        || "beside a NaN".into(),
    )?;
    // On the device, by way of the host.
    let there = [&a, &bad].map(|batch| engine.upload(batch).map_err(wrong));
    let [there_a, there_b] = there;
    let there = engine
        .lstsq(&there_a?, &there_b?)
        .refined(true)
        .run_on_device()
        .map_err(wrong)?;
    let solution = there.solution.download().map_err(wrong)?;
    ensure(
        bits(solution.as_slice()) == bits(found.solution.as_slice()),
        || "on the device".into(),
    )?;
    let report = there.report.get().map_err(wrong)?;
    ensure(report.outcomes == found.report.outcomes, || {
        "the report on the device".into()
    })?;
    let refused = engine.lstsq(&a, &b).refined(true).damping(1.0).run();
    ensure(matches!(refused, Err(Error::Argument(_))), || {
        format!("{refused:?}")
    })
}
