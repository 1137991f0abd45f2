//! Eigenvalues and eigenvectors of symmetric matrices, against values with 400 digits (tests/fixtures/eigh.json) and the
//! promised bounds.

use batched_svd::{
    Backend, Batch, Cutoff, Dtype, Eigh, Engine, Error, Options, Real, Report, Status, Triangle,
    verify,
};
use nalgebra::{DMatrix, SymmetricEigen};

use crate::common::bounds::{Outcome, at_most, ensure, first_is_positive, in_f64, tol, unit};
use crate::common::matrices::{normal, scaled};
use crate::common::reference::dense;

fn wrong(e: Error) -> String {
    e.to_string()
}

/// One matrix; the entries are exact, and the eigenvalues ascend.
#[derive(serde::Deserialize)]
pub(crate) struct Fixture {
    pub name: String,
    pub n: usize,
    /// Whether every entry is a normal f32, or zero.
    f32: bool,
    a: Vec<f64>,
    pub values: Vec<f64>,
    /// Of positive definite matrices: the condition number of the matrix scaled to a diagonal of ones.
    pub condition: Option<f64>,
}

pub(crate) fn fixtures<T: Real>() -> Vec<(Fixture, Batch<T>)> {
    let text = include_str!("../fixtures/eigh.json");
    let mut list: Vec<Fixture> = serde_json::from_str(text).unwrap();
    list.retain(|fixture| T::DTYPE == Dtype::F64 || fixture.f32);
    let list = list.into_iter().map(|fixture| {
        let entries: Vec<T> = fixture.a.iter().map(|&x| T::of(x)).collect();
        let batch = Batch::from_row_major(1, fixture.n, fixture.n, &entries);
        (fixture, batch.unwrap())
    });
    list.collect()
}

/// The symmetric parts of random matrices.
fn symmetric<T: Real>(count: usize, n: usize, seed: u64) -> Batch<T> {
    let x = normal::<T>(count, n, n, seed);
    let entry = |b: usize, i: usize, j: usize| x.matrix(b)[i.max(j) * n + i.min(j)];
    Batch::from_fn(count, n, n, entry).unwrap()
}

/// The CPU's kernels for eigenvalues, which are not found through singular values.
pub(crate) const DIRECT: [&str; 3] = ["eigen-lanes", "tridiagonal-lanes", "tridiagonal-single"];

/// Matrices of a test: the CPU has kernels for many and for few; a GPU solves few large ones.
pub(crate) fn on_engine(engine: &Engine, n: usize, count: usize) -> usize {
    match engine.backend() {
        Backend::Gpu if n > 32 => count.min(3),
        _ => count,
    }
}

/// Holds results to the bounds of the documentation.
fn check<T: Real>(what: &str, a: &Batch<T>, found: &Eigh<T>) -> Outcome {
    let n = a.rows();
    if let Some((index, status)) = found.report.failures().next() {
        return Err(format!("{what}: matrix {index} ended as {status}"));
    }
    let values = |b: usize| in_f64(found.values.matrix(b));
    let weighted = Batch::from_fn(a.count(), n, n, |b, i, j| {
        found.vectors.matrix(b)[j * n + i].f64() * values(b)[j]
    });
    let (exact, v) = (in_f64(a.as_slice()), in_f64(found.vectors.as_slice()));
    let of = |entries| Batch::from_col_major(a.count(), n, n, entries).map_err(wrong);
    let (exact, v) = (of(exact)?, of(v)?);
    let weighted = weighted.map_err(wrong)?;
    let residuals = verify::products(&exact, &weighted, v.view().transpose()).map_err(wrong)?;
    let losses = verify::orthogonality(&v).map_err(wrong)?;
    let tol = tol::<T>(n, n);
    let most = match DIRECT.contains(&found.report.kernel) {
        true => tol,
        false => 2.0 * (1.0 + (n as f64).sqrt()) * tol,
    };
    for b in 0..a.count() {
        let what = format!("{what}, matrix {b}");
        at_most(&what, residuals[b], most)?;
        at_most(&format!("loss of {what}"), losses[b], tol)?;
        ensure(values(b).is_sorted(), || format!("{what}: {:?}", values(b)))?;
        let columns = found.vectors.matrix(b).chunks_exact(n.max(1));
        ensure(columns.into_iter().all(first_is_positive), || {
            format!("{what}: signs")
        })?;
        ensure(found.asymmetries[b] == 0.0, || {
            format!("{what}: asymmetric")
        })?;
    }
    Ok(())
}

/// Holds eigenvalues to those that are exact, and the bound on their errors to what it may be.
pub(crate) fn check_values<T: Real>(
    what: &str,
    values: &[T],
    exact: &[f64],
    bound: f64,
    direct: bool,
) -> Outcome {
    let n = exact.len() as f64;
    let largest = exact.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let smallest = if unit::<T>() > 1e-10 {
        f64::from(f32::from_bits(1))
    } else {
        f64::from_bits(1)
    };
    let most = match direct {
        true => 9.1 * n.sqrt(),
        false => 8.0 * n.sqrt() * (2.0 + n.sqrt()) + n.sqrt() + 6.0,
    };
    let most = most * unit::<T>() * largest;
    at_most(&format!("bound of {what}"), bound, most + smallest)?;
    for (at, (value, exact)) in values.iter().zip(exact).enumerate() {
        let error = (value.f64() - exact).abs();
        at_most(&format!("value {at} of {what}"), error, bound)?;
    }
    Ok(())
}

/// Holds eigenvalues of a positive definite matrix to their relative bound, and its rank to the full one.
pub(crate) fn check_definite<T: Real>(
    fixture: &Fixture,
    found: [&Batch<T>; 2],
    report: &Report,
) -> Outcome {
    let (name, n) = (&fixture.name, fixture.n as f64);
    let condition = fixture.condition.ok_or("it is not definite")?;
    let bound = 8.0 * n * n * unit::<T>() * condition;
    for values in found {
        for (at, (value, exact)) in values.matrix(0).iter().zip(&fixture.values).enumerate() {
            let error = (value.f64() / exact - 1.0).abs();
            if bound > 0.1 {
                continue;
            }
            at_most(&format!("value {at} of {name}, definite"), error, bound)?;
        }
    }
    ensure(report.outcomes[0].rank as usize == fixture.n, || {
        format!("{name}, definite: rank {}", report.outcomes[0].rank)
    })
}

/// Eigenvalues with all digits known: nearly equal ones, of opposite sign, graded, of any scale.
pub fn exact<T: Real>(engine: &Engine) -> Outcome {
    let list = fixtures::<T>();
    ensure(list.len() > 30, || format!("{} fixtures", list.len()))?;
    for (fixture, a) in &list {
        let name = &fixture.name;
        let found = engine.eigh(a).run().map_err(wrong)?;
        check(name, a, &found)?;
        let alone = engine.eigvalsh(a).run().map_err(wrong)?;
        for (values, report) in [
            (&found.values, &found.report),
            (&alone.values, &alone.report),
        ] {
            let bound = report.outcomes[0].sigma_error;
            let direct = DIRECT.contains(&report.kernel);
            check_values(name, values.matrix(0), &fixture.values, bound, direct)?;
        }
        if fixture.condition.is_some() {
            let found = engine.eigh(a).definite(true).run().map_err(wrong)?;
            check(&format!("{name}, definite"), a, &found)?;
            let alone = engine.eigvalsh(a).definite(true);
            let alone = alone.cutoff(Cutoff::relative(0.0)).run().map_err(wrong)?;
            check_definite(fixture, [&found.values, &alone.values], &alone.report)?;
        }
    }
    Ok(())
}

/// Random ones of every kernel's sizes, and eigenvalues as nalgebra's in f64.
pub fn random<T: Real>(engine: &Engine) -> Outcome {
    for (n, count) in [
        (0, 3),
        (1, 5),
        (2, 300),
        (3, 300),
        (4, 70),
        (5, 70),
        (6, 70),
        (7, 70),
        (8, 70),
        (9, 20),
        (16, 20),
        (33, 40),
        (66, 2),
        (110, 1),
    ] {
        let count = on_engine(engine, n, count);
        let a = symmetric::<T>(count, n, n as u64);
        let what = format!("{n}x{n}");
        let found = engine.eigh(&a).run().map_err(wrong)?;
        check(&what, &a, &found)?;
        let alone = engine.eigvalsh(&a).run().map_err(wrong)?;
        ensure(
            found.values.count() == count && found.values.rows() == n,
            || format!("{what}: {} values", found.values.rows()),
        )?;
        for b in 0..count {
            let mut exact = match n {
                0 => Vec::new(),
                _ => SymmetricEigen::new(dense(&a, b))
                    .eigenvalues
                    .as_slice()
                    .to_vec(),
            };
            exact.sort_by(f64::total_cmp);
            // Those of nalgebra are off, too.
            let largest = exact.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            let own = 16.0 * n as f64 * unit::<f64>() * largest;
            for (values, report) in [
                (&found.values, &found.report),
                (&alone.values, &alone.report),
            ] {
                let bound = report.outcomes[b].sigma_error;
                let what = format!("{what}, matrix {b}");
                for (value, exact) in values.matrix(b).iter().zip(&exact) {
                    at_most(&what, (value.f64() - exact).abs(), bound + own)?;
                }
                ensure(report.outcomes[b].rank as usize == n, || {
                    format!("{what}: rank {}", report.outcomes[b].rank)
                })?;
            }
        }
    }
    Ok(())
}

/// Hard ones, many side by side: graded, of low rank, with equal eigenvalues, of any scale. Nothing depends on neighbours.
pub fn hard<T: Real>(engine: &Engine) -> Outcome {
    for n in [2, 3, 4, 6, 8, 11, 24, 50] {
        // The last are for the CPU's kernels, side by side and one after the other.
        if n > 11 && engine.backend() != Backend::Cpu {
            continue;
        }
        let count = if n > 11 { 42 } else { 75 };
        let x = normal::<f64>(count, n, n, 17 + n as u64);
        let ends = if unit::<T>() > 1e-10 { 100 } else { 900 };
        let a = Batch::from_fn(count, n, n, |b, i, j| {
            let x = x.matrix(b);
            let some = |rank: usize| -> f64 {
                let term = |k: usize| x[k * n + i] * x[k * n + j] * [1.0, -1.0][k % 2];
                (0..rank).map(term).sum()
            };
            let same = if i == j { 1.0 } else { 0.0 };
            let entry = match b % 7 {
                0 => some(n) * 2f64.powi(-4 * (i + j) as i32),
                1 => some(1),
                2 => same + some(1) * 1e-6,
                3 => some(2) * 2f64.powi(ends),
                4 => some(n) * 2f64.powi(-ends),
                5 => same - 2.0 / n as f64,
                _ => f64::from(u8::from(i + j + 1 == n)),
            };
            T::of(entry)
        });
        let a = a.map_err(wrong)?;
        let what = format!("hard {n}x{n}");
        let found = engine.eigh(&a).run().map_err(wrong)?;
        check(&what, &a, &found)?;
        for b in (0..count).step_by(8) {
            let one = a.view().matrices(b..b + 1).map_err(wrong)?;
            let own = engine.eigh(one).run().map_err(wrong)?;
            let bits = |x: &[T]| x.iter().map(|x| x.f64().to_bits()).collect::<Vec<_>>();
            ensure(
                bits(own.values.matrix(0)) == bits(found.values.matrix(b))
                    && bits(own.vectors.matrix(0)) == bits(found.vectors.matrix(b))
                    && own.report.outcomes[0] == found.report.outcomes[b],
                || format!("{what}: matrix {b} alone differs"),
            )?;
        }
    }
    Ok(())
}

/// Which entries are read, and what is said of matrices that are not symmetric.
pub fn triangles<T: Real>(engine: &Engine) -> Outcome {
    for n in [2, 3, 5, 40] {
        let a = symmetric::<T>(4, n, 7);
        let with = |keep: fn(usize, usize) -> bool| {
            Batch::from_fn(4, n, n, |b, i, j| match keep(i, j) {
                true => a.matrix(b)[j * n + i],
                false => T::NAN,
            })
        };
        let expected = engine.eigh(&a).run().map_err(wrong)?;
        for (triangle, given) in [
            (Triangle::Lower, with(|i, j| i >= j)),
            (Triangle::Upper, with(|i, j| i <= j)),
            (Triangle::Mean, with(|_, _| true)),
        ] {
            let given = given.map_err(wrong)?;
            let found = engine
                .eigh(&given)
                .triangle(triangle)
                .run()
                .map_err(wrong)?;
            ensure(found == expected_as(&expected, &found), || {
                format!("{triangle:?} of {n}x{n}")
            })?;
            let alone = engine.eigvalsh(&given).triangle(triangle);
            let alone = alone.run().map_err(wrong)?;
            ensure(
                alone.asymmetries == [0.0; 4] && alone.report.all_converged(),
                || format!("values of {triangle:?} of {n}x{n}"),
            )?;
        }

        // The second is not symmetric, the third but for rounding.
        let mut other = a.clone();
        let twice = |x: T| x + x;
        let entries = other.as_mut_slice();
        entries[n * n + 1] = twice(entries[n * n + 1]);
        entries[2 * n * n + 1] *= T::ONE + T::of(4.0 * unit::<T>());
        let found = engine.eigh(&other).run().map_err(wrong)?;
        let statuses: Vec<Status> = found.report.outcomes.iter().map(|o| o.status).collect();
        let mut right = [Status::Converged; 4];
        right[1] = Status::NotSymmetric;
        ensure(statuses == right, || format!("{n}x{n}: {statuses:?}"))?;
        let apart = dense(&other, 1) - dense(&other, 1).transpose();
        let exact = apart.norm() / dense(&other, 1).norm();
        let error = (found.asymmetries[1] / exact - 1.0).abs();
        at_most("asymmetry", error, 1e-12)?;
        ensure(
            found.asymmetries[0] == 0.0 && found.asymmetries[2] > 0.0,
            || format!("{n}x{n}: {:?}", found.asymmetries),
        )?;
        // Its results are those of the mean.
        let mean = (dense(&other, 1) + dense(&other, 1).transpose()) / 2.0;
        let (v, values) = (dense(&found.vectors, 1), dense(&found.values, 1));
        let again = &v * DMatrix::from_diagonal(&values.column(0).into_owned()) * v.transpose();
        let bound = 4.0 * (1.0 + (n as f64).sqrt()) * tol::<T>(n, n) * mean.norm();
        at_most("the mean", (again - mean).norm(), bound)?;
        let strict = engine.eigvalsh(&other).strict(true).run();
        ensure(
            strict.err() == Some(Error::Strict(vec![(1, Status::NotSymmetric)])),
            || format!("{n}x{n} in strict mode"),
        )?;
    }
    let text = engine.eigh(&normal::<T>(1, 3, 2, 1)).run().err();
    ensure(
        matches!(&text, Some(Error::Argument(text)) if text.contains("3x2")),
        || format!("3x2: {text:?}"),
    )
}

/// The same results, in a report that says how long they took.
fn expected_as<T: Real>(expected: &Eigh<T>, found: &Eigh<T>) -> Eigh<T> {
    let mut expected = expected.clone();
    let outcomes = std::mem::take(&mut expected.report.outcomes);
    expected.report = found.report.clone();
    expected.report.outcomes = outcomes;
    expected
}

/// Bad matrices leave others alone.
pub fn bad<T: Real>(engine: &Engine) -> Outcome {
    for n in [2, 3, 40] {
        let good = symmetric::<T>(3, n, 11);
        let clean = engine.eigh(&good).run().map_err(wrong)?;
        let mut a = good.clone();
        a.as_mut_slice()[n * n + n] = T::NAN;
        let found = engine.eigh(&a).run().map_err(wrong)?;
        let nan = |x: &[T]| x.iter().all(|x| x.f64().is_nan());
        ensure(
            found.report.outcomes[1].status == Status::NonFinite
                && found.asymmetries[1].is_nan()
                && nan(found.values.matrix(1))
                && nan(found.vectors.matrix(1)),
            || format!("{n}x{n}: {:?}", found.report.outcomes[1]),
        )?;
        for b in [0, 2] {
            ensure(
                found.values.matrix(b) == clean.values.matrix(b)
                    && found.vectors.matrix(b) == clean.vectors.matrix(b),
                || format!("{n}x{n}, beside a NaN"),
            )?;
        }

        let rushed = engine.eigh(&good).max_sweeps(1).run().map_err(wrong)?;
        let outcome = rushed.report.outcomes[0];
        ensure(
            outcome.status == Status::NotConverged && outcome.sigma_error == f64::INFINITY,
            || format!("{n}x{n}, one sweep: {outcome:?}"),
        )?;

        // Gram matrices, of which the second loses a square: with and without full rank.
        let gram = |b: usize, i: usize, j: usize| {
            let columns = |j: usize| good.matrix(b)[j * n..].iter().take(n);
            let dot = columns(i).zip(columns(j)).map(|(x, y)| x.f64() * y.f64());
            T::of(dot.take(if b == 2 { 1 } else { n }).sum())
        };
        let mut a = Batch::from_fn(3, n, n, gram).map_err(wrong)?;
        a.as_mut_slice()[n * n] = T::of(-1.0);
        let found = engine.eigh(&a).definite(true).run().map_err(wrong)?;
        let statuses: Vec<Status> = found.report.outcomes.iter().map(|o| o.status).collect();
        ensure(
            statuses == [Status::Converged, Status::NotDefinite, Status::Converged],
            || format!("{n}x{n}, definite: {statuses:?}"),
        )?;
        ensure(nan(found.values.matrix(1)), || "NaN".into())?;
        ensure(found.report.outcomes[2].rank == 1, || {
            format!("{n}x{n}: rank {}", found.report.outcomes[2].rank)
        })?;
        let strict = engine.eigh(&a).definite(true).strict(true).run();
        ensure(
            strict.err() == Some(Error::Strict(vec![(1, Status::NotDefinite)])),
            || format!("{n}x{n} in strict mode"),
        )?;

        // n times the largest number; and numbers that are nearly nothing.
        let power = if unit::<T>() > 1e-10 { 127 } else { 1023 };
        let huge = Batch::from_fn(1, n, n, |_, _, _| T::of(2f64.powi(power))).map_err(wrong)?;
        let found = engine.eigvalsh(&huge).run().map_err(wrong)?;
        ensure(
            found.report.outcomes[0].status == Status::NotRepresentable
                && found.values.matrix(0)[n - 1].f64() == f64::INFINITY,
            || format!("{n}x{n}, huge: {:?}", found.report.outcomes[0]),
        )?;
        let tiny = scaled(&huge, if unit::<T>() > 1e-10 { -271 } else { -2090 });
        let found = engine.eigh(&tiny).run().map_err(wrong)?;
        let exact = n as f64 * tiny.matrix(0)[0].f64();
        let value = found.values.matrix(0)[n - 1].f64();
        at_most("tiny", (value / exact - 1.0).abs(), 0.05)?;
    }
    Ok(())
}

/// How many eigenvalues count, whatever their sign.
pub fn ranks<T: Real>(engine: &Engine) -> Outcome {
    let values = [-8.0, 4.0, -2.0, 1.0, 0.0];
    for n in [5, 40] {
        let a = Batch::from_fn(2, n, n, |_, i, j| match i == j {
            true => T::of(values.get(i).copied().unwrap_or(0.0)),
            false => T::ZERO,
        });
        let a = a.map_err(wrong)?;
        for (cutoff, rank) in [
            (Cutoff::default(), 4),
            (Cutoff::relative(0.3), 2),
            (Cutoff::absolute(1.5), 3),
            (Cutoff::rank(1), 1),
            (Cutoff::error(0.25), 2),
        ] {
            let options = Options::default().cutoff(cutoff.clone());
            let found = engine.eigh(&a).options(&options).run().map_err(wrong)?;
            let alone = engine.eigvalsh(&a).options(&options).run().map_err(wrong)?;
            for outcome in found.report.outcomes.iter().chain(&alone.report.outcomes) {
                ensure(outcome.rank == rank, || {
                    format!("{cutoff:?} of {n}x{n}: {}", outcome.rank)
                })?;
            }
        }
    }
    // Singular but for rounding.
    let n = 12;
    let half = normal::<f64>(1, n, 3, 5);
    let a = Batch::from_fn(1, n, n, |_, i, j| {
        let at = |k: usize| half.matrix(0)[k * n + i] * half.matrix(0)[k * n + j];
        T::of(at(0) + at(1) - at(2))
    });
    let found = engine.eigvalsh(&a.map_err(wrong)?).run().map_err(wrong)?;
    ensure(found.report.outcomes[0].rank == 3, || {
        format!("three of twelve: {}", found.report.outcomes[0].rank)
    })
}

/// Functions of matrices do what they are called.
pub fn functions<T: Real>(engine: &Engine) -> Outcome {
    for (n, count) in [(0, 2), (1, 3), (2, 40), (3, 40), (8, 5), (40, 1)] {
        // Eigenvalues from 1 on, of a moderate size.
        let x = normal::<f64>(count, n, n, 13);
        let a = Batch::from_fn(count, n, n, |b, i, j| {
            let column = |j: usize| x.matrix(b)[j * n..].iter().take(n);
            let dot: f64 = column(i).zip(column(j)).map(|(x, y)| x * y).sum();
            T::of(dot / n as f64 + if i == j { 1.0 } else { 0.0 })
        });
        let a = a.map_err(wrong)?;
        let found = engine.eigh(&a).run().map_err(wrong)?;
        let made = |f: fn(f64) -> f64| found.function(|_, x| f(x)).map_err(wrong);
        let (root, inverse_root) = (made(f64::sqrt)?, made(|x| 1.0 / x.sqrt())?);
        let (log, same) = (made(f64::ln)?, made(|x| x)?);
        let logs = engine.eigh(&log).run().map_err(wrong)?;
        let exp = logs.function(|_, x| x.exp()).map_err(wrong)?;
        for b in 0..count {
            let exact = dense(&a, b);
            let size = exact.norm().max(1.0);
            let bound = 64.0 * (n as f64 + 4.0) * tol::<T>(n, n) * size;
            let identity = DMatrix::identity(n, n);
            let (r, w) = (dense(&root, b), dense(&inverse_root, b));
            for (what, distance) in [
                ("itself", dense(&same, b) - &exact),
                ("root", &r * &r - &exact),
                ("inverse root", &w * &exact * &w - identity),
                ("exp of log", dense(&exp, b) - &exact),
            ] {
                at_most(&format!("{what} of {n}x{n}"), distance.norm(), bound)?;
            }
            ensure(r == r.transpose(), || format!("{n}x{n} is not symmetric"))?;
        }
        // Each with what is its own.
        let own = found.function(|b, _| b as f64).map_err(wrong)?;
        for b in 0..count {
            let difference = dense(&own, b) - DMatrix::identity(n, n) * b as f64;
            let bound = (n as f64 + 4.0) * tol::<T>(n, n) * count as f64;
            at_most("own number", difference.amax(), bound)?;
        }
    }
    Ok(())
}
