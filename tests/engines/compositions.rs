//! What is composed of singular values and vectors, against its definition in f64.

use batched_svd::{Batch, Cutoff, Determinant, Engine, Error, Options, Real, Status, Subspace};
use nalgebra::DMatrix;

use crate::common::bounds::{Outcome, at_most, ensure, in_f64, tol, unit};
use crate::common::matrices::{hard, integers, normal, scaled, spectrum};
use crate::common::reference::{dense, factors, singular_values};

fn wrong(e: Error) -> String {
    e.to_string()
}

fn bits<T: Real>(x: &[T]) -> Vec<u64> {
    x.iter().map(|x| x.f64().to_bits()).collect()
}

fn largest_value(a: &DMatrix<f64>) -> Result<f64, String> {
    let sigma = singular_values(a.as_slice(), a.nrows(), a.ncols())?;
    Ok(sigma.first().copied().unwrap_or(0.0))
}

/// Of every kernel's shapes, of full rank and not.
fn several<T: Real>() -> Vec<Batch<T>> {
    let mut list: Vec<Batch<T>> = [
        (0, 3, 2),
        (3, 0, 2),
        (1, 1, 3),
        (2, 2, 300),
        (3, 3, 40),
        (6, 7, 20),
        (8, 5, 20),
        (40, 40, 2),
        (110, 7, 3),
        (7, 110, 3),
        (300, 4, 2),
        (66, 66, 1),
    ]
    .iter()
    .map(|&(m, n, count)| normal(count, m, n, (10 * m + n) as u64))
    .collect();
    for (m, n, rank) in [(4, 4, 2), (7, 3, 1), (3, 7, 2), (40, 40, 7), (90, 6, 3)] {
        list.push(integers(4, m, n, rank, (m * n) as u64));
    }
    list
}

/// Results of three matrices, of which only the second has a NaN.
fn beside_nan<T: Real>(what: &str, batch: &Batch<T>) -> Outcome {
    let nan = |b: usize| batch.matrix(b).iter().all(|x| x.f64().is_nan());
    let finite = |b: usize| batch.matrix(b).iter().all(|x| x.f64().is_finite());
    ensure(finite(0) && nan(1) && finite(2), || {
        format!("{what}, beside a NaN")
    })
}

/// Nothing of the same rank is nearer, in either norm (Eckart and Young).
pub fn low_rank<T: Real>(engine: &Engine) -> Outcome {
    // Squares of some leave the range of f64, approximations of some the normal numbers; large ones take long.
    let moderate = |a: &Batch<T>| {
        let fair = |b: usize| {
            let entries = in_f64(a.matrix(b));
            let largest = entries.iter().fold(0.0f64, |l, x| l.max(x.abs()));
            largest == 0.0 || (-120.0..400.0).contains(&largest.log2())
        };
        a.rows() < 50 && (0..a.count()).all(fair)
    };
    let hard = hard::<T>().into_iter().map(|(_, a)| a).filter(moderate);
    for a in &several::<T>().into_iter().chain(hard).collect::<Vec<_>>() {
        let (m, n) = (a.rows(), a.cols());
        let k = m.min(n);
        for rank in [0, k.min(1), k / 2, k] {
            let options = Options::default().cutoff(Cutoff::relative(0.0).and_rank(rank));
            let found = engine.low_rank(a).options(&options).run().map_err(wrong)?;
            let svd = engine
                .singular_values(a)
                .options(&options)
                .run()
                .map_err(wrong)?;
            for index in 0..a.count() {
                let what = format!("{m}x{n}, matrix {index}, at most {rank}");
                let outcome = found.report.outcomes[index];
                ensure(
                    outcome.status == Status::Converged
                        && outcome.rank as usize <= rank
                        && outcome.rank == svd.report.outcomes[index].rank,
                    || format!("{what}: {outcome:?}"),
                )?;
                let exact = dense(a, index);
                let sigma = singular_values(exact.as_slice(), m, n)?;
                let approximation = dense(&found.approximation, index);
                let distance = &exact - &approximation;
                let size = exact.norm();
                let cut = &sigma[outcome.rank as usize..];
                let best = cut.iter().map(|s| s * s).sum::<f64>().sqrt();
                let slack = 4.0 * tol::<T>(m, n) * size;
                at_most(&what, distance.norm(), best + slack)?;
                let best = cut.first().copied().unwrap_or(0.0);
                at_most(&what, largest_value(&distance)?, best + slack)?;
                let own = singular_values(approximation.as_slice(), m, n)?;
                let beyond = own.get(rank).copied().unwrap_or(0.0);
                at_most(&format!("rank of {what}"), beyond, slack)?;
                // Fewer only where there are no more.
                if (outcome.rank as usize) < rank {
                    at_most(&format!("cut of {what}"), best, slack)?;
                }
            }
        }
    }
    Ok(())
}

/// Approximations of nothing but subnormal numbers are reported, those just above are not.
pub fn tiny<T: Real>(engine: &Engine) -> Outcome {
    let (gone, left) = if unit::<T>() > 1e-10 {
        (-140, -115)
    } else {
        (-1050, -1010)
    };
    for (m, n) in [(4, 3), (40, 40)] {
        let a = normal::<T>(3, m, n, 3);
        for (power, status) in [(gone, Status::NotRepresentable), (left, Status::Converged)] {
            let found = engine.low_rank(&scaled(&a, power)).run().map_err(wrong)?;
            ensure(found.report.count(status) == 3, || {
                format!("{m}x{n} by 2^{power}: {:?}", found.report.outcomes)
            })?;
        }
    }
    Ok(())
}

/// How many singular values count: by number, by error, by energy, with ties, for all and for each, whatever
/// the scale; and in everything that has a rank.
pub fn truncation<T: Real>(engine: &Engine) -> Outcome {
    let ranks = |a: &Batch<T>, cutoff: Cutoff| -> Result<Vec<u32>, String> {
        let options = Options::default().cutoff(cutoff);
        let low = engine
            .low_rank(a)
            .options(&options)
            .run()
            .map_err(wrong)?
            .report;
        let others = [
            engine
                .singular_values(a)
                .options(&options)
                .run()
                .map_err(wrong)?
                .report,
            engine
                .pinv(a)
                .options(&options)
                .run()
                .map_err(wrong)?
                .report,
            engine.svd(a).options(&options).run().map_err(wrong)?.report,
        ];
        for other in others {
            ensure(other.outcomes == low.outcomes, || {
                format!("{:?} and {:?}", other.outcomes[0], low.outcomes[0])
            })?;
        }
        Ok(low.outcomes.iter().map(|o| o.rank).collect())
    };
    for (m, n, count) in [
        (4, 4, 70),
        (9, 4, 30),
        (4, 9, 30),
        (40, 40, 3),
        (120, 12, 3),
    ] {
        // Values 8, 4, 2, 1, the squares of which are 64, 16, 4, 1; anywhere, and in any order.
        let places = [(1, 2), (0, 3), (3, 0), (2, 1)];
        let a = Batch::from_fn(count, m, n, |b, i, j| {
            let at = places.iter().position(|&place| place == (i, j));
            at.map_or(T::ZERO, |c| T::of([1.0, 8.0, 4.0, 2.0][(c + b) % 4]))
        });
        let a = a.map_err(wrong)?;
        for (cutoff, rank) in [
            (Cutoff::default(), 4),
            (Cutoff::rank(0), 0),
            (Cutoff::rank(3), 3),
            (Cutoff::rank(4), 4),
            (Cutoff::relative(0.3).and_rank(3), 2),
            (Cutoff::absolute(0.5).and_rank(3), 3),
            (Cutoff::error(0.0), 4),
            (Cutoff::error(0.1), 4),
            (Cutoff::error(0.2), 3),
            (Cutoff::error(0.25), 2),
            (Cutoff::error(1.0), 0),
            (Cutoff::error(7.0), 0),
            (Cutoff::error(0.2).and_rank(1), 1),
            (Cutoff::energy(1.0), 4),
            (Cutoff::energy(0.95), 3),
            (Cutoff::energy(0.94), 2),
            (Cutoff::energy(0.75), 1),
            (Cutoff::energy(0.0), 0),
            (Cutoff::absolute(3.0).and_energy(0.95), 2),
        ] {
            let name = format!("{cutoff:?} of {m}x{n}");
            let found = ranks(&a, cutoff.clone())?;
            ensure(found.iter().all(|&r| r == rank), || {
                format!("{name}: {found:?}, not {rank}")
            })?;
            if cutoff == Cutoff::error(0.25) || cutoff == Cutoff::rank(3) {
                let shrunk = ranks(&scaled(&a, -50), cutoff)?;
                ensure(shrunk == found, || format!("{name}, scaled: {shrunk:?}"))?;
            }
        }
        // Every matrix with its own.
        let errors: Vec<f64> = (0..count).map(|b| [0.1, 0.2, 0.25][b % 3]).collect();
        let expected: Vec<u32> = (0..count).map(|b| [4, 3, 2][b % 3]).collect();
        let found = ranks(&a, Cutoff::error(errors))?;
        ensure(found == expected, || format!("each of {m}x{n}: {found:?}"))?;
        // Least squares by the largest value alone.
        let options = Options::default().cutoff(Cutoff::rank(1));
        let b = normal::<T>(count, m, 2, 1);
        let by_inverse = engine.pinv(&a).options(&options).run().map_err(wrong)?;
        let solved = engine
            .lstsq(&a, &b)
            .options(&options)
            .run()
            .map_err(wrong)?;
        for index in 0..count {
            let rank = solved.report.outcomes[index].rank;
            let difference = dense(&by_inverse.inverse, index) * dense(&b, index)
                - dense(&solved.solution, index);
            let size = dense(&b, index).norm() / 8.0;
            at_most("one value", difference.norm(), 8.0 * tol::<T>(m, n) * size)?;
            ensure(rank == 1, || format!("rank {rank} of {m}x{n}"))?;
        }
        // All values are one: as many as are asked for, the others not.
        let k = m.min(n);
        let ones = Batch::from_fn(3, m, n, |_, i, j| T::of(f64::from(u8::from(i == j))));
        let ones = ones.map_err(wrong)?;
        let found = ranks(&ones, Cutoff::rank(3))?;
        ensure(found == [3, 3, 3], || format!("equal values: {found:?}"))?;
        let found = ranks(&ones, Cutoff::energy(0.61))?;
        let enough = (0.61 * k as f64).ceil() as u32;
        ensure(found == [enough; 3], || format!("equal values: {found:?}"))?;
    }
    // Damped, and each with a cutoff of its own, on the device: the same count.
    for (m, n) in [(5, 3), (40, 40)] {
        let a = normal::<T>(7, m, n, 3);
        let each: Vec<f64> = (0..7).map(|b| 0.1 * f64::from(b)).collect();
        let options = Options::default().cutoff(Cutoff::error(each.clone()));
        let up = engine.upload(&a).map_err(wrong)?;
        let there = engine
            .pinv(&up)
            .options(&options)
            .damping(&each[..])
            .run_on_device()
            .map_err(wrong)?;
        let here = engine
            .pinv(&a)
            .options(&options)
            .damping(&each[..])
            .run()
            .map_err(wrong)?;
        let inverse = there.inverse.download().map_err(wrong)?;
        let report = there.report.get().map_err(wrong)?;
        ensure(
            inverse == here.inverse && report.outcomes == here.report.outcomes,
            || format!("{m}x{n} on the device"),
        )?;
    }
    let a = normal::<T>(2, 2, 2, 1);
    for (bad, name) in [
        (Cutoff::error(-1.0), "error is -1"),
        (Cutoff::error(f64::NAN), "error is NaN"),
        (Cutoff::energy(1.5), "energy is 1.5"),
        (Cutoff::energy(-0.5), "energy is -0.5"),
        (
            Cutoff::error(vec![0.1; 3]),
            "3 values of the relative error",
        ),
    ] {
        let refused = engine
            .low_rank(&a)
            .options(&Options::default().cutoff(bad))
            .run();
        let named = matches!(&refused, Err(Error::Argument(text)) if text.contains(name));
        ensure(named, || format!("{name}: {refused:?}"))?;
    }
    Ok(())
}

/// Projectors and bases of all four subspaces: what defines them, and the exact ones where a gap makes them
/// certain.
pub fn subspaces<T: Real>(engine: &Engine) -> Outcome {
    let options = Options::default();
    for a in several::<T>() {
        let (m, n) = (a.rows(), a.cols());
        let tol = tol::<T>(m, n);
        for onto in [
            Subspace::ColumnSpace,
            Subspace::RowSpace,
            Subspace::NullSpace,
            Subspace::LeftNullSpace,
        ] {
            let left = matches!(onto, Subspace::ColumnSpace | Subspace::LeftNullSpace);
            let null = matches!(onto, Subspace::NullSpace | Subspace::LeftNullSpace);
            let length = if left { m } else { n };
            let projector = engine
                .projector(&a, onto)
                .options(&options)
                .run()
                .map_err(wrong)?;
            let basis = engine
                .basis(&a, onto)
                .options(&options)
                .run()
                .map_err(wrong)?;
            let shape = (basis.vectors.rows(), basis.vectors.cols());
            let most = if null { length } else { m.min(n) };
            ensure(shape == (length, most), || format!("{onto:?}: {shape:?}"))?;
            for index in 0..a.count() {
                let what = format!("{onto:?} of {m}x{n}, matrix {index}");
                let outcome = projector.report.outcomes[index];
                let rank = outcome.rank as usize;
                ensure(
                    outcome.status == Status::Converged
                        && rank == basis.report.outcomes[index].rank as usize,
                    || format!("{what}: {outcome:?}"),
                )?;
                let dimension = if null { length - rank } else { rank };
                ensure(basis.dimensions[index] == dimension, || {
                    format!("{what} has dimension {}", basis.dimensions[index])
                })?;
                let p = dense(&projector.projector, index);
                ensure(p == p.transpose(), || format!("{what}: not symmetric"))?;
                let r = (rank + 4) as f64;
                at_most(&format!("P^2 - P, {what}"), (&p * &p - &p).norm(), r * tol)?;
                // The diagonal of I - P is rounded, and so is the sum.
                let size = length as f64;
                let trace = r * tol + size * unit::<T>() + size.powi(2) * unit::<f64>();
                at_most(&what, (p.trace() - dimension as f64).abs(), trace)?;
                let a = dense(&a, index);
                let a = if left { a } else { a.transpose() };
                let rest = if null { &p * &a } else { &a - &p * &a };
                // What the cutoff may take away.
                let cut = match rank == m.min(n) {
                    true => 0.0,
                    false => 2.0 * unit::<T>() * m.max(n) as f64,
                };
                at_most(&what, rest.norm(), (r * tol + cut) * a.norm())?;
                let vectors = dense(&basis.vectors, index);
                let gram = vectors.transpose() * &vectors;
                let expected = DMatrix::from_fn(most, most, |i, j| {
                    f64::from(u8::from(i == j && i < dimension))
                });
                at_most(&format!("basis, {what}"), (gram - expected).amax(), tol)?;
                let difference = (&vectors * vectors.transpose() - &p).norm();
                // I is less the other's vectors.
                let all = (2.0 * length as f64).sqrt() + r;
                at_most(&format!("B B' - P, {what}"), difference, 4.0 * all * tol)?;
                let beyond = basis.vectors.matrix(index)[length * dimension..].iter();
                ensure(beyond.clone().all(|x| *x == T::ZERO), || {
                    format!("{what}: padding")
                })?;
            }
        }
    }
    // Of a gap, as Wedin says.
    let a = spectrum::<T>(&[4.0, 3.0, 2.0, 1e-3, 1e-4, 0.0], 5);
    let options = Options::default().cutoff(Cutoff::absolute(0.1));
    let exact = factors(&in_f64(a.matrix(0)), 6, 6)?;
    let (u, v) = (exact.u.columns(0, 3), exact.vt.rows(0, 3));
    for (onto, exact) in [
        (Subspace::ColumnSpace, u * u.transpose()),
        (Subspace::RowSpace, v.transpose() * v),
    ] {
        let found = engine
            .projector(&a, onto)
            .options(&options)
            .run()
            .map_err(wrong)?;
        let error = (dense(&found.projector, 0) - exact).norm();
        let bound = 8.0 * tol::<T>(6, 6) * 4.0 / (2.0 - 1e-3);
        at_most(&format!("{onto:?} of a gap"), error, bound)?;
    }
    // What is not finite stays where it is.
    for (m, n) in [(3, 3), (40, 40)] {
        let mut a = normal::<T>(3, m, n, 1);
        a.as_mut_slice()[m * n + 2] = T::NAN;
        for onto in [Subspace::RowSpace, Subspace::NullSpace] {
            let basis = engine
                .basis(&a, onto)
                .options(&options)
                .run()
                .map_err(wrong)?;
            let projector = engine
                .projector(&a, onto)
                .options(&options)
                .run()
                .map_err(wrong)?;
            for batch in [&basis.vectors, &projector.projector] {
                beside_nan(&format!("{onto:?} of {m}x{n}"), batch)?;
            }
            ensure(basis.dimensions[1] == 0, || "dimension of NaN".into())?;
        }
    }
    Ok(())
}

/// Nothing of length one is shortened more.
pub fn null_vectors<T: Real>(engine: &Engine) -> Outcome {
    for a in several::<T>() {
        let (m, n) = (a.rows(), a.cols());
        if n == 0 {
            let found = engine.null_vector(&a).run().map_err(wrong)?;
            let sizes = [found.vector.rows(), found.length.rows()];
            ensure(sizes == [0, 1], || format!("{sizes:?} of {m}x0"))?;
            continue;
        }
        let tol = tol::<T>(m, n);
        let found = engine.null_vector(&a).run().map_err(wrong)?;
        for index in 0..a.count() {
            let what = format!("{m}x{n}, matrix {index}");
            let (a, x) = (dense(&a, index), dense(&found.vector, index));
            let sigma = singular_values(a.as_slice(), m, n)?;
            let smallest = match m < n {
                true => 0.0,
                false => sigma[n - 1],
            };
            let largest = sigma.first().copied().unwrap_or(0.0);
            at_most(&format!("|x|, {what}"), (x.norm() - 1.0).abs(), tol)?;
            let shortened = ((&a * &x).norm() - smallest).abs();
            at_most(&format!("|Ax|, {what}"), shortened, 2.0 * tol * a.norm())?;
            let length = found.length.matrix(index)[0].f64();
            let bound = 8.0 * (m.min(n) as f64).sqrt() * unit::<T>() * largest;
            at_most(&format!("length, {what}"), (length - smallest).abs(), bound)?;
            let near = x.amax() * 1023.0 / 1024.0;
            let first = x.iter().find(|x| x.abs() >= near);
            ensure(first.is_none_or(|x| *x > 0.0), || {
                format!("sign, {what}: {x}")
            })?;
        }
    }
    // What is not finite stays where it is.
    for (m, n) in [(3, 3), (3, 5), (40, 40)] {
        let mut a = normal::<T>(3, m, n, 1);
        a.as_mut_slice()[m * n + 2] = T::NAN;
        let found = engine.null_vector(&a).run().map_err(wrong)?;
        for batch in [&found.vector, &found.length] {
            beside_nan(&format!("{m}x{n}"), batch)?;
        }
    }
    Ok(())
}

/// Polar factors of any rank, and rotations.
pub fn polar<T: Real>(engine: &Engine) -> Outcome {
    let mut list = several::<T>();
    list.push(Batch::zeros(2, 3, 3).map_err(wrong)?);
    list.push(Batch::zeros(2, 45, 45).map_err(wrong)?);
    for a in &list {
        let (m, n) = (a.rows(), a.cols());
        let k = m.min(n) as f64;
        let tol = tol::<T>(m, n);
        for determinant in [Determinant::Any, Determinant::Positive] {
            if determinant == Determinant::Positive && m != n {
                continue;
            }
            let polar = engine
                .polar(a)
                .determinant(determinant)
                .run()
                .map_err(wrong)?;
            let mut reflected = 0;
            for index in 0..a.count() {
                let what = format!("{determinant:?} of {m}x{n}, matrix {index}");
                let exact = dense(a, index);
                let q = dense(&polar.orthogonal, index);
                let h = dense(&polar.stretch, index);
                ensure(
                    polar.report.outcomes[index].status == Status::Converged,
                    || what.clone(),
                )?;
                ensure(h == h.transpose(), || format!("{what}: not symmetric"))?;
                let size = exact.norm();
                at_most(&what, (&exact - &q * &h).norm(), (k + 4.0) * tol * size)?;
                let gram = match m < n {
                    true => &q * q.transpose(),
                    false => q.transpose() * &q,
                };
                let loss = gram - DMatrix::identity(m.min(n), m.min(n));
                at_most(&format!("Q'Q, {what}"), loss.norm(), 4.0 * k * tol)?;
                // The nearest: tr(Q'A) is the sum of the singular values, the last one less if it must.
                let sigma = singular_values(exact.as_slice(), m, n)?;
                let turned = determinant == Determinant::Positive
                    && k > 0.0
                    && size > 0.0
                    && exact.clone().lu().determinant() < 0.0
                    && sigma[m - 1] > 8.0 * tol * size;
                reflected += usize::from(turned);
                let last = if turned { 2.0 * sigma[m - 1] } else { 0.0 };
                let best = sigma.iter().sum::<f64>() - last;
                // Where it is all but singular, either sign is as near.
                let slack = 8.0 * (k + 4.0) * tol * size;
                let trace = (q.transpose() * &exact).trace();
                at_most(&what, (trace - best).abs(), slack)?;
                let least = match n {
                    0 => 0.0,
                    _ => h.symmetric_eigenvalues().min(),
                };
                at_most(&format!("H of {what}"), -least, 0.5 * last + slack)?;
                if determinant == Determinant::Positive && k > 0.0 {
                    let found = q.determinant();
                    at_most(
                        &format!("det Q, {what}"),
                        (found - 1.0).abs(),
                        8.0 * k * tol,
                    )?;
                }
            }
            if determinant == Determinant::Positive && a.count() >= 40 {
                // About half of them.
                ensure((1..a.count()).contains(&reflected), || {
                    format!("{reflected} of {} were turned round", a.count())
                })?;
            }
        }
    }
    let refused = engine
        .polar(&normal::<T>(1, 3, 2, 1))
        .determinant(Determinant::Positive)
        .run();
    let named = matches!(&refused, Err(Error::Argument(text)) if text.contains("3x2"));
    ensure(named, || format!("{refused:?}"))?;
    // Neighbours see nothing of a NaN.
    for n in [3, 40] {
        let clean = normal::<T>(5, n, n, 9);
        let mut bad = clean.clone();
        bad.as_mut_slice()[2 * n * n + 1] = T::of(f64::INFINITY);
        let [clean, bad] = [clean, bad].map(|a| {
            engine
                .polar(&a)
                .determinant(Determinant::Positive)
                .run()
                .map_err(wrong)
        });
        let (clean, bad) = (clean?, bad?);
        for index in 0..5 {
            let (found, expected) = (bad.orthogonal.matrix(index), clean.orthogonal.matrix(index));
            let right = match index {
                2 => found.iter().all(|x| x.f64().is_nan()),
                _ => bits(found) == bits(expected),
            };
            ensure(right, || format!("matrix {index} of {n}x{n} beside a NaN"))?;
        }
        ensure(bad.report.count(Status::NonFinite) == 1, || {
            format!("{:?}", bad.report.outcomes)
        })?;
    }
    Ok(())
}

/// Principal components and whitening of data with large means, of all shapes.
pub fn components<T: Real>(engine: &Engine) -> Outcome {
    for (m, n, count) in [
        (0, 3, 2),
        (3, 0, 2),
        (1, 4, 2),
        (2, 2, 40),
        (50, 3, 20),
        (5, 9, 10),
        (300, 6, 3),
        (60, 40, 2),
        (40, 66, 1),
    ] {
        let random = normal::<T>(count, m, n, (m + 7 * n) as u64);
        // Features of different scale, far from zero, and one that does not vary.
        let a = Batch::from_fn(count, m, n, |b, i, j| {
            let varies = if j == 2 { 0.0 } else { 1.0 / (j + 1) as f64 };
            let x = random.matrix(b)[j * m + i].f64();
            T::of(100.0 * (j as f64 - 1.5) + x * varies)
        });
        let a = a.map_err(wrong)?;
        let found = engine.principal_components(&a).run().map_err(wrong)?;
        let white = engine.whitening(&a).run().map_err(wrong)?;
        ensure(white.mean == found.mean, || "two means".into())?;
        let (k, tol) = (m.min(n), tol::<T>(m, n));
        let freedom = m.saturating_sub(1).max(1) as f64;
        let shapes = [
            &found.components,
            &found.scores,
            &found.deviations,
            &found.mean,
        ]
        .map(|x| (x.rows(), x.cols()));
        ensure(shapes == [(n, k), (m, k), (k, 1), (n, 1)], || {
            format!("{shapes:?}")
        })?;
        for index in 0..count {
            let what = format!("{m}x{n}, matrix {index}");
            for report in [&found.report, &white.report] {
                let status = report.outcomes[index].status;
                ensure(status == Status::Converged, || format!("{what}: {status}"))?;
            }
            let data = dense(&a, index);
            // Corrected, as sums are rounded.
            let over = m.max(1) as f64;
            let corrected = |x: f64, c: &[f64]| x + c.iter().map(|y| y - x).sum::<f64>() / over;
            let columns = (0..n).map(|j| &data.as_slice()[j * m..][..m]);
            let mean: Vec<f64> = columns
                .map(|c| corrected(c.iter().sum::<f64>() / over, c))
                .collect();
            for (j, (found, exact)) in found.mean.matrix(index).iter().zip(&mean).enumerate() {
                let slack = (unit::<T>() + 4.0 * unit::<f64>()) * exact.abs();
                at_most(
                    &format!("mean {j} of {what}"),
                    (found.f64() - exact).abs(),
                    slack,
                )?;
            }
            let centred = DMatrix::from_fn(m, n, |i, j| data[(i, j)] - mean[j]);
            // What centring rounds, in f64 in both types, here and there.
            let squares = mean.iter().map(|x| x * x).sum::<f64>();
            let rounding = 8.0 * unit::<f64>() * (squares * over).sqrt();
            let size = centred.norm();
            let [v, scores] = [&found.components, &found.scores].map(|x| dense(x, index));
            let residual = (&centred - &scores * v.transpose()).norm();
            at_most(&what, residual, 2.0 * tol * size + rounding)?;
            let loss = v.transpose() * &v - DMatrix::identity(k, k);
            at_most(
                &format!("components of {what}"),
                loss.norm(),
                k as f64 * tol,
            )?;
            // Uncorrelated, of these deviations.
            let deviations = in_f64(found.deviations.matrix(index));
            let sigma = singular_values(centred.as_slice(), m, n)?;
            for (c, (deviation, sigma)) in deviations.iter().zip(&sigma).enumerate() {
                let error = (deviation * freedom.sqrt() - sigma).abs();
                at_most(
                    &format!("deviation {c} of {what}"),
                    error,
                    2.0 * tol * size + rounding,
                )?;
            }
            let mut gram = scores.transpose() * &scores / freedom;
            for (c, deviation) in deviations.iter().enumerate() {
                gram[(c, c)] -= deviation.powi(2);
            }
            let slack = 4.0 * k as f64 * tol * (size + rounding).powi(2) / freedom;
            at_most(&format!("covariance of {what}"), gram.norm(), slack)?;
            let w = dense(&white.transform, index);
            ensure(w == w.transpose(), || format!("{what}: not symmetric"))?;
            let rank = white.report.outcomes[index].rank as usize;
            ensure(rank == found.report.outcomes[index].rank as usize, || {
                format!(
                    "{what}: ranks {rank} and {:?}",
                    found.report.outcomes[index]
                )
            })?;
            let most = k
                .min(m.saturating_sub(1))
                .min(if n > 2 { n - 1 } else { n });
            ensure(rank == most, || format!("{what}: rank {rank}, not {most}"))?;
            if rank == 0 {
                ensure(w.iter().all(|w| *w == 0.0), || what.clone())?;
                continue;
            }
            let condition = sigma[0] / sigma[rank - 1];
            let f = factors(centred.as_slice(), m, n)?;
            let kept = f.vt.rows(0, rank);
            let whitened = &centred * w;
            let covariance = whitened.transpose() * &whitened / freedom;
            let error = (covariance - kept.transpose() * kept).norm();
            let slack =
                8.0 * (rank as f64).sqrt() * tol * condition + 4.0 * rounding / sigma[rank - 1];
            at_most(&format!("whitened {what}"), error, slack)?;
        }
    }
    // Sums of these overflow; and a NaN stays where it is.
    let huge = T::ONE.ldexp(if unit::<T>() > 1e-10 { 126 } else { 1022 });
    let mut a = Batch::from_fn(3, 9, 2, |b, i, j| {
        let one = if (b + i + j) % 2 == 0 {
            T::ONE
        } else {
            -T::ONE
        };
        if j == 0 { huge } else { one }
    })
    .map_err(wrong)?;
    a.as_mut_slice()[20] = T::NAN;
    let found = engine.principal_components(&a).run().map_err(wrong)?;
    let white = engine.whitening(&a).run().map_err(wrong)?;
    for index in [0, 2] {
        let mean = found.mean.matrix(index)[0];
        ensure(mean == huge, || format!("a mean of {mean}"))?;
        let deviation = found.deviations.matrix(index)[0].f64();
        let exact = (10.0f64 / 9.0).sqrt();
        at_most(
            "deviation of signs",
            (deviation - exact).abs(),
            16.0 * unit::<T>(),
        )?;
    }
    for batch in [
        &found.components,
        &found.scores,
        &found.deviations,
        &white.transform,
    ] {
        beside_nan(&format!("{batch:?}"), batch)?;
    }
    Ok(())
}

/// Whitening as ZCA is customarily regularised: (C + epsilon)^(-1/2), C the covariance, of tall and wide data.
pub fn regularised<T: Real>(engine: &Engine) -> Outcome {
    for (m, n, count) in [
        (50, 3, 20),
        (2, 2, 20),
        (5, 9, 10),
        (300, 6, 3),
        (1, 4, 2),
        (60, 40, 2),
    ] {
        let random = normal::<T>(count, m, n, (m + 11 * n) as u64);
        // The last feature does not vary.
        let a = Batch::from_fn(count, m, n, |b, i, j| {
            let varies = if j + 1 == n {
                0.0
            } else {
                1.0 / (j + 1) as f64
            };
            T::of(3.0 + random.matrix(b)[j * m + i].f64() * varies)
        });
        let a = a.map_err(wrong)?;
        let each: Vec<f64> = (0..count).map(|b| 0.01 * (b + 1) as f64).collect();
        let white = engine
            .whitening(&a)
            .epsilon(&each[..])
            .run()
            .map_err(wrong)?;
        for (index, epsilon) in each.into_iter().enumerate() {
            let data = dense(&a, index);
            let mean = data.row_mean();
            let centred = DMatrix::from_fn(m, n, |i, j| data[(i, j)] - mean[j]);
            let freedom = m.saturating_sub(1).max(1) as f64;
            let covariance = centred.transpose() * &centred / freedom;
            let eigen = (covariance + DMatrix::identity(n, n) * epsilon).symmetric_eigen();
            let roots = eigen.eigenvalues.map(|x| 1.0 / x.sqrt());
            let exact = &eigen.eigenvectors
                * DMatrix::from_diagonal(&roots)
                * eigen.eigenvectors.transpose();
            let w = dense(&white.transform, index);
            ensure(w == w.transpose(), || format!("{m}x{n}: not symmetric"))?;
            let off = (&w - &exact).norm() / exact.norm();
            let largest = eigen.eigenvalues.max() / epsilon;
            let slack = 2.0 * tol::<T>(m, n) * largest.sqrt();
            at_most(&format!("W of {m}x{n}, matrix {index}"), off, slack)?;
        }
        // None at all is what is without.
        let without = engine.whitening(&a).cutoff(Cutoff::relative(1e-3));
        let none = without.clone().epsilon(0.0).run().map_err(wrong)?;
        let without = without.run().map_err(wrong)?;
        for index in 0..count {
            let [none, without] = [&none, &without].map(|w| dense(&w.transform, index));
            let off = (&none - &without).norm();
            at_most("no epsilon", off, 8.0 * tol::<T>(m, n) * without.norm())?;
        }
    }
    // A NaN stays where it is; and what cannot be is refused.
    let mut a = normal::<T>(3, 5, 2, 1);
    a.as_mut_slice()[12] = T::NAN;
    let white = engine.whitening(&a).epsilon(0.1).run().map_err(wrong)?;
    let nan = |index: usize| {
        white
            .transform
            .matrix(index)
            .iter()
            .all(|x| x.f64().is_nan())
    };
    ensure([nan(0), nan(1), nan(2)] == [false, true, false], || {
        "beside a NaN".into()
    })?;
    let refused = [
        engine.whitening(&a).epsilon(0.1).damping(1.0).run().err(),
        engine.whitening(&a).epsilon(-1.0).run().err(),
        engine.whitening(&a).epsilon(vec![0.1; 2]).run().err(),
    ];
    let all = refused
        .iter()
        .all(|e| matches!(e, Some(Error::Argument(_))));
    ensure(all, || format!("{refused:?}"))
}
