//! Eigenvalues and eigenvectors of Hermitian matrices, against values with 400 digits (tests/fixtures/eigh.json) and the
//! promised bounds.

use batched_svd::{Backend, Batch, Complex, Cutoff, Eigh, Engine, Error, Status, Triangle};
use nalgebra::{DMatrix, SymmetricEigen};

use crate::common::bounds::{Outcome, at_most, ensure, tol, unit};
use crate::complex::{Dense, Entry, bits, dense, identity_off, norm, numbers, random};
use crate::eigh::{DIRECT, check_definite, check_values, fixtures, on_engine};

type Number = Complex<f64>;

fn wrong(e: Error) -> String {
    e.to_string()
}

/// i^power
fn turn(power: usize) -> Number {
    let [re, im] = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]][power % 4];
    Complex::new(re, im)
}

fn entry<T: Entry>(number: Number) -> T {
    T::new(number.re, number.im)
}

/// The Hermitian parts of random matrices.
fn hermitian<T: Entry>(count: usize, n: usize, seed: u64) -> Batch<T> {
    let x = random::<T>(count, n, n, seed);
    let own = |b: usize, i: usize, j: usize| match i.cmp(&j) {
        std::cmp::Ordering::Less => entry(x[[b, j, i]].number().conj()),
        std::cmp::Ordering::Equal => T::new(x[[b, i, i]].number().re, 0.0),
        std::cmp::Ordering::Greater => x[[b, i, j]],
    };
    Batch::from_fn(count, n, n, own).unwrap()
}

/// V diag(weights) V'
fn formed(v: &Dense, weights: &[f64]) -> Dense {
    let mut weighted = v.clone();
    for (mut column, &weight) in weighted.column_iter_mut().zip(weights) {
        column *= Complex::from(weight);
    }
    weighted * v.adjoint()
}

/// Holds results to the bounds of the documentation, and to the conventions.
fn check<T: Entry>(what: &str, a: &Batch<T>, found: &Eigh<T>) -> Outcome {
    let n = a.rows();
    if let Some((index, status)) = found.report.failures().next() {
        return Err(format!("{what}: matrix {index} ended as {status}"));
    }
    let tol = tol::<T::Real>(n, n);
    let factor = match DIRECT.contains(&found.report.kernel) {
        true => 1.0,
        false => 2.0 * (1.0 + (n as f64).sqrt()),
    };
    for b in 0..a.count() {
        let what = format!("{what}, matrix {b}");
        let (a, v) = (dense(a, b), dense(&found.vectors, b));
        let values = numbers(&found.values, b);
        ensure(values.is_sorted(), || format!("{what}: {values:?}"))?;
        let most = factor * tol * norm(&a) + 1e-43;
        at_most(&what, norm(&(&a - formed(&v, &values))), most)?;
        at_most(&format!("loss of {what}"), identity_off(&v), tol)?;
        ensure(found.asymmetries[b] == 0.0, || {
            format!("{what}: asymmetric by {}", found.asymmetries[b])
        })?;
        for column in v.column_iter() {
            let largest = column.iter().fold(0.0, |most: f64, x| most.max(x.norm()));
            let leads = column
                .iter()
                .any(|x| x.im == 0.0 && x.re >= largest * (1.0 - 1.0 / 512.0));
            ensure(leads, || format!("{what}: phase of {column}"))?;
        }
    }
    Ok(())
}

/// Real matrices with all digits of their eigenvalues known, times i^(row - column): a unitary similarity that rounds
/// nothing.
pub fn exact<T: Entry>(engine: &Engine) -> Outcome {
    let list = fixtures::<T::Real>();
    ensure(list.len() > 30, || format!("{} fixtures", list.len()))?;
    for (fixture, a) in &list {
        let (name, n) = (&fixture.name, fixture.n);
        let real = numbers(a, 0);
        let a = Batch::from_fn(1, n, n, |_, i, j| entry(turn(i + 3 * j) * real[j * n + i]));
        let a: Batch<T> = a.map_err(wrong)?;
        let found = engine.eigh(&a).run().map_err(wrong)?;
        check(name, &a, &found)?;
        let alone = engine.eigvalsh(&a).run().map_err(wrong)?;
        for (values, report) in [
            (&found.values, &found.report),
            (&alone.values, &alone.report),
        ] {
            let bound = report.outcomes[0].sigma_error;
            let direct = DIRECT.contains(&report.kernel);
            check_values(name, values.matrix(0), &fixture.values, bound, direct)?;
        }
        if fixture.condition.is_some() {
            let found = engine.eigh(&a).definite(true).run().map_err(wrong)?;
            check(&format!("{name}, definite"), &a, &found)?;
            let alone = engine.eigvalsh(&a).definite(true);
            let alone = alone.cutoff(Cutoff::relative(0.0)).run().map_err(wrong)?;
            check_definite(fixture, [&found.values, &alone.values], &alone.report)?;
        }
    }
    Ok(())
}

/// Random ones of every size: eigenvalues as nalgebra's of the real matrices [[x, -y], [y, x]], which have each twice;
/// functions of them; and bits that do not depend on neighbours.
pub fn sizes<T: Entry>(engine: &Engine) -> Outcome {
    for (n, count) in [
        (0, 2),
        (1, 9),
        (2, 70),
        (3, 70),
        (4, 40),
        (5, 40),
        (6, 40),
        (7, 40),
        (8, 40),
        (9, 20),
        (16, 20),
        (33, 30),
        (66, 1),
    ] {
        let count = on_engine(engine, n, count);
        let a = hermitian::<T>(count, n, 40 + n as u64);
        let what = format!("{n}x{n}");
        let found = engine.eigh(&a).run().map_err(wrong)?;
        let direct = DIRECT.contains(&found.report.kernel);
        let expected = found.report.backend == Backend::Cpu && n > 0;
        ensure(direct == expected, || {
            format!("{what}: kernel {}", found.report.kernel)
        })?;
        check(&what, &a, &found)?;
        let alone = engine.eigvalsh(&a).run().map_err(wrong)?;
        let square = found.function(|_, x| x * x).map_err(wrong)?;
        for b in 0..count {
            let a = dense(&a, b);
            let real = DMatrix::from_fn(2 * n, 2 * n, |i, j| {
                let x = a[(i / 2, j / 2)];
                [x.re, -x.im, x.im, x.re][2 * (i % 2) + j % 2]
            });
            let mut twice = match n {
                0 => Vec::new(),
                _ => SymmetricEigen::new(real).eigenvalues.as_slice().to_vec(),
            };
            twice.sort_by(f64::total_cmp);
            let own = 32.0 * n as f64 * unit::<f64>() * norm(&a);
            for (values, report) in [
                (&found.values, &found.report),
                (&alone.values, &alone.report),
            ] {
                let bound = report.outcomes[b].sigma_error + own;
                for (value, pair) in numbers(values, b).iter().zip(twice.chunks(2)) {
                    at_most(&what, (value - pair[0]).abs(), bound)?;
                }
            }
            let square = dense(&square, b);
            ensure(square == square.adjoint(), || {
                format!("{what} is not Hermitian")
            })?;
            let bound = 16.0 * (n as f64 + 4.0) * tol::<T::Real>(n, n) * norm(&a).powi(2);
            at_most(
                &format!("square of {what}"),
                norm(&(&a * &a - square)),
                bound,
            )?;
        }
        for b in (0..count).step_by(7) {
            let one = a.view().matrices(b..b + 1).map_err(wrong)?;
            let own = engine.eigh(one).run().map_err(wrong)?;
            let same = own.values.matrix(0) == found.values.matrix(b)
                && bits(own.vectors.matrix(0)) == bits(found.vectors.matrix(b));
            ensure(same, || format!("{what}: matrix {b} alone differs"))?;
        }
    }
    Ok(())
}

/// Which entries are read, and what is said of matrices that are not as they should be.
pub fn triangles<T: Entry>(engine: &Engine) -> Outcome {
    for n in [2, 3, 5, 20] {
        let a = hermitian::<T>(3, n, 7);
        let expected = engine.eigh(&a).run().map_err(wrong)?;
        let with = |keep: fn(usize, usize) -> bool| {
            Batch::from_fn(3, n, n, |b, i, j| match (i == j, keep(i, j)) {
                // Their imaginary parts are not read.
                (true, _) => T::new(a[[b, i, i]].number().re, f64::NAN),
                (false, true) => a[[b, i, j]],
                (false, false) => T::new(f64::NAN, f64::NAN),
            })
        };
        for (triangle, given) in [
            (Triangle::Lower, with(|i, j| i >= j)),
            (Triangle::Upper, with(|i, j| i <= j)),
        ] {
            let given = given.map_err(wrong)?;
            let found = engine
                .eigh(&given)
                .triangle(triangle)
                .run()
                .map_err(wrong)?;
            let same = (0..3).all(|b| {
                bits(found.vectors.matrix(b)) == bits(expected.vectors.matrix(b))
                    && found.values.matrix(b) == expected.values.matrix(b)
            });
            ensure(same, || format!("{triangle:?} of {n}x{n}"))?;
        }
        // An imaginary part on the diagonal; a symmetric matrix; a NaN in one part.
        let i = Complex::new(0.0, 1.0);
        let other = Batch::from_fn(3, n, n, |b, row, column| {
            let own = a[[b, row, column]].number();
            entry(match b {
                0 if row == 0 && column == 0 => own + i,
                1 if row < column => own.conj() + i,
                1 if row > column => own + i,
                2 if row == 1 && column == 0 => own + i * f64::NAN,
                _ => own,
            })
        });
        let other: Batch<T> = other.map_err(wrong)?;
        let found = engine.eigh(&other).run().map_err(wrong)?;
        let statuses: Vec<Status> = found.report.outcomes.iter().map(|o| o.status).collect();
        let right = [
            Status::NotSymmetric,
            Status::NotSymmetric,
            Status::NonFinite,
        ];
        ensure(statuses == right, || format!("{n}x{n}: {statuses:?}"))?;
        for b in 0..2 {
            let own = dense(&other, b);
            let exact = norm(&(&own - own.adjoint())) / norm(&own);
            at_most(
                "asymmetry",
                (found.asymmetries[b] / exact - 1.0).abs(),
                1e-12,
            )?;
            let mean = (&own + own.adjoint()) / Complex::from(2.0);
            let again = formed(&dense(&found.vectors, b), &numbers(&found.values, b));
            let bound = 4.0 * (1.0 + (n as f64).sqrt()) * tol::<T::Real>(n, n) * norm(&mean);
            at_most("the mean", norm(&(again - mean)), bound)?;
        }
        // Gram matrices: of full rank, with one that loses a square, of rank one.
        let x = random::<T>(3, n, n, 12);
        let gram = Batch::from_fn(3, n, n, |b, i, j| {
            let x = dense(&x, b);
            let rows = if b == 2 { 1 } else { n };
            let dot = (0..rows).map(|k| x[(k, i)].conj() * x[(k, j)]);
            let own: Number = dot.sum();
            let lost = b == 1 && i == 0 && j == 0;
            entry(if lost { Complex::from(-1.0) } else { own })
        });
        let gram: Batch<T> = gram.map_err(wrong)?;
        let found = engine.eigh(&gram).definite(true).run().map_err(wrong)?;
        let statuses: Vec<Status> = found.report.outcomes.iter().map(|o| o.status).collect();
        let right = [Status::Converged, Status::NotDefinite, Status::Converged];
        ensure(statuses == right, || {
            format!("{n}x{n}, definite: {statuses:?}")
        })?;
        let rank = found.report.outcomes[2].rank;
        ensure(rank == 1, || format!("{n}x{n}: rank {rank}"))?;
        let again = formed(&dense(&found.vectors, 0), &numbers(&found.values, 0));
        let gram = dense(&gram, 0);
        let bound = 8.0 * n as f64 * tol::<T::Real>(n, n) * norm(&gram);
        at_most("the Gram matrix", norm(&(again - gram)), bound)?;
    }
    Ok(())
}
