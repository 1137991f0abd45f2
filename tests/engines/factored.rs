//! What a decomposition answers without a second one.

use batched_svd::{Batch, Cutoff, Engine, Error, Options, Real, Status, Svd};

use crate::common::bounds::{Outcome, at_most, check_conditions, ensure, in_f64, tol};
use crate::common::matrices::{hard, normal, scaled};

fn wrong(e: Error) -> String {
    e.to_string()
}

fn norm(x: impl IntoIterator<Item = f64>) -> f64 {
    x.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn distance<T: Real>(x: &[T], y: &[T]) -> f64 {
    norm(in_f64(x).iter().zip(in_f64(y)).map(|(x, y)| x - y))
}

fn bits<T: Real>(x: &Batch<T>) -> Vec<u64> {
    x.as_slice().iter().map(|x| x.f64().to_bits()).collect()
}

/// Holds all answers for some matrices to the promises and to what the engine says.
fn answers<T: Real<Real = T>>(engine: &Engine, a: &Batch<T>, svd: &Svd<T>) -> Outcome {
    let (m, n) = (a.rows(), a.cols());
    let (k, tol) = (m.min(n), tol::<T>(m, n));
    let again = svd.reconstruct().map_err(wrong)?;
    for index in 0..a.count() {
        let size = norm(in_f64(a.matrix(index)));
        let off = distance(a.matrix(index), again.matrix(index));
        at_most("A again", off, 2.0 * tol * size)?;
    }
    let filtered = svd.function(|_, sigma| sigma).map_err(wrong)?;
    ensure(bits(&filtered) == bits(&again), || {
        format!("{m}x{n}: the identity of singular values")
    })?;
    let all = Cutoff::default();
    for cutoff in [
        all.clone(),
        Cutoff::relative(0.3),
        Cutoff::rank(k.min(2)),
        Cutoff::energy(0.8),
        Cutoff::numpy(),
    ] {
        let call = engine.low_rank(a).cutoff(cutoff.clone());
        let low = call.run().map_err(wrong)?;
        let ranks = svd.ranks(&cutoff).map_err(wrong)?;
        let own: Vec<usize> = low
            .report
            .outcomes
            .iter()
            .map(|o| o.rank as usize)
            .collect();
        ensure(ranks == own, || {
            format!("{m}x{n}: ranks {ranks:?}, not {own:?}")
        })?;
        let nearest = svd.low_rank(&cutoff).map_err(wrong)?;
        let [ours, theirs] = [&nearest, &low.approximation].map(|x| distances(a, x));
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            at_most("low rank", (ours - theirs).abs(), 8.0 * tol)?;
        }
    }
    let mut inverse = engine.pinv(a).run().map_err(wrong)?;
    inverse.inverse = svd.pinv(&all, 0.0).map_err(wrong)?;
    check_conditions(a, &inverse)?;
    let b = normal::<T>(a.count(), m, 3, 77);
    for lambda in [0.0, 0.5] {
        let fit = match lambda {
            0.0 => engine.lstsq(a, &b),
            _ => engine.lstsq(a, &b).damping(lambda),
        };
        let x = svd.solve(&b, &all, lambda).map_err(wrong)?;
        let fit = fit.run().map_err(wrong)?;
        for (index, c) in svd.kept_conditions().into_iter().enumerate() {
            let rank = svd.report.outcomes[index].rank as usize;
            if rank == 0 {
                continue;
            }
            let s = svd.sigma.matrix(index)[rank - 1].f64().max(lambda);
            let size = norm(in_f64(fit.solution.matrix(index)));
            let b = norm(in_f64(b.matrix(index)));
            // Both are that far from the truth at most; what is left of b is no more than b.
            let bound = 16.0 * tol * (c * size + (c + 1.0) * b / s);
            at_most(
                "solutions",
                distance(x.matrix(index), fit.solution.matrix(index)),
                bound,
            )?;
        }
    }
    Ok(())
}

/// |A - X|_F of every matrix, relative to |A|_F.
fn distances<T: Real>(a: &Batch<T>, x: &Batch<T>) -> Vec<f64> {
    let each = |index| {
        let size = norm(in_f64(a.matrix(index)));
        distance(a.matrix(index), x.matrix(index)) / if size > 0.0 { size } else { 1.0 }
    };
    (0..a.count()).map(each).collect()
}

pub fn factored<T: Real<Real = T>>(engine: &Engine) -> Outcome {
    let (options, all) = (Options::default(), Cutoff::default());
    for (m, n) in [(1, 1), (3, 3), (6, 7), (9, 4), (20, 20), (4, 30), (40, 3)] {
        let a = normal::<T>(20, m, n, 3);
        for full in [false, true] {
            let svd = engine
                .svd(&a)
                .full(full)
                .options(&options)
                .run()
                .map_err(wrong)?;
            answers(engine, &a, &svd).map_err(|e| format!("{m}x{n}: {e}"))?;
        }
    }
    for (name, a) in hard::<T>() {
        let svd = engine.svd(&a).options(&options).run().map_err(wrong)?;
        let range = in_f64(a.as_slice())
            .iter()
            .fold(0.0f64, |l, x| l.max(x.abs()));
        let sane = range == 0.0 || (1e-12..1e12).contains(&range);
        if sane && svd.report.all_converged() && a.rows() * a.cols() <= 400 {
            answers(engine, &a, &svd).map_err(|e| format!("{name}: {e}"))?;
        }
    }
    // A power of two changes powers of two alone, also where squares leave the range.
    let (a, b) = (normal::<T>(5, 4, 3, 9), normal::<T>(5, 4, 1, 10));
    let svd = engine.svd(&a).options(&options).run().map_err(wrong)?;
    let x = svd.solve(&b, &all, 0.0).map_err(wrong)?;
    let power = if size_of::<T>() == 4 { 50 } else { 600 };
    let mut large = svd.clone();
    large.sigma = scaled(&svd.sigma, power);
    let far = large.solve(&scaled(&b, power), &all, 0.0).map_err(wrong)?;
    ensure(far == x, || "scaled systems have other solutions".into())?;
    let [one, other] = [&svd, &large].map(|svd| svd.pinv(&all, 0.0));
    let other = scaled(&other.map_err(wrong)?, power);
    ensure(one.map_err(wrong)? == other, || "scaled inverses".into())?;
    // What is not finite stays with its matrix, and its side.
    let mut spoilt = a.clone();
    spoilt.as_mut_slice()[12] = T::of(f64::NAN);
    let svd = engine.svd(&spoilt).options(&options).run().map_err(wrong)?;
    let mut sides = normal::<T>(5, 4, 2, 11);
    sides.as_mut_slice()[8 * 2 + 5] = T::of(f64::INFINITY);
    let x = svd.solve(&sides, &all, 0.0).map_err(wrong)?;
    for index in 0..5 {
        let nan = |entries: &[T]| in_f64(entries).iter().all(|x| x.is_nan());
        let [first, second] = [&x.matrix(index)[..3], &x.matrix(index)[3..]].map(nan);
        ensure(
            first == (index == 1) && second == (index == 1 || index == 2),
            || format!("NaN: matrix {index}: {first} {second}"),
        )?;
    }
    // Cutoffs of every matrix, damping far above and below, sides of very different size.
    let a = normal::<T>(6, 9, 4, 21);
    let svd = engine
        .svd(&a)
        .full(true)
        .options(&options)
        .run()
        .map_err(wrong)?;
    let single = size_of::<T>() == 4;
    let far = if single { 1e18 } else { 1e150 };
    let each = Cutoff::relative(vec![0.0, 0.2, 0.4, 0.6, 0.8, 0.1]);
    let lambdas = vec![0.0, 1e-9, 0.3, 40.0, 1e5, far];
    let mut sides = normal::<T>(6, 9, 3, 22);
    for (at, entry) in sides.as_mut_slice().iter_mut().enumerate() {
        let scale = [1.0, 1e-30, 1e25][at / 9 % 3];
        *entry = T::of(entry.f64() * scale);
    }
    let [x, y] = [
        svd.solve(&sides, &each, lambdas.clone()).map_err(wrong)?,
        engine
            .lstsq(&a, &sides)
            .cutoff(each.clone())
            .damping(lambdas.clone())
            .run()
            .map_err(wrong)?
            .solution,
    ];
    let [p, q] = [
        svd.pinv(&each, lambdas.clone()).map_err(wrong)?,
        engine
            .pinv(&a)
            .cutoff(each)
            .damping(lambdas)
            .run()
            .map_err(wrong)?
            .inverse,
    ];
    for index in 0..6 {
        let columns = x.matrix(index).chunks(4).zip(y.matrix(index).chunks(4));
        for (x, y) in columns.chain([(p.matrix(index), q.matrix(index))]) {
            let (x, y) = (in_f64(x), in_f64(y));
            let size = y.iter().fold(0.0f64, |size, y| size.max(y.abs()));
            let off = x.iter().zip(&y).map(|(x, y)| (x - y).abs());
            let off = off.fold(0.0f64, f64::max);
            let bound = 16.0 * tol::<T>(9, 4) * svd.conditions()[index];
            at_most(&format!("options of matrix {index}"), off, bound * size)?;
        }
    }
    // A largest singular value that overflowed leaves nothing to go by.
    let huge = T::of(if single { 3e38 } else { 1.5e308 });
    let a = Batch::from_fn(1, 3, 3, |_, _, _| huge).map_err(wrong)?;
    let svd = engine.svd(&a).options(&options).run().map_err(wrong)?;
    ensure(
        svd.report.outcomes[0].status == Status::NotRepresentable,
        || format!("{:?}", svd.report),
    )?;
    let inverse = svd.pinv(&all, 0.0).map_err(wrong)?;
    ensure(
        in_f64(inverse.as_slice()).iter().all(|x| x.is_nan()),
        || format!("{:?}", inverse.as_slice()),
    )?;
    // What does not fit is told.
    let b = normal::<T>(1, 3, 1, 1);
    let refused = [
        svd.solve(&normal::<T>(5, 3, 1, 1), &all, 0.0).map(drop),
        svd.ranks(&Cutoff::rank(4)).map(drop),
        svd.solve(&b, &all, -1.0).map(drop),
        svd.pinv(&all, vec![1.0, 2.0]).map(drop),
    ];
    for refused in refused {
        ensure(matches!(refused, Err(Error::Argument(_))), || {
            format!("{refused:?}")
        })?;
    }
    let none = engine
        .svd(&normal::<T>(3, 0, 4, 1))
        .options(&options)
        .run()
        .map_err(wrong)?;
    let x = none
        .solve(&normal::<T>(3, 0, 2, 1), &all, 0.0)
        .map_err(wrong)?;
    let zeros = x.as_slice().iter().all(|x| x.f64() == 0.0);
    ensure(zeros && (x.rows(), x.cols()) == (4, 2), || format!("{x:?}"))?;
    let empty = normal::<T>(3, 4, 0, 1);
    let svd = engine.svd(&empty).options(&options).run().map_err(wrong)?;
    let x = svd
        .solve(&normal::<T>(3, 4, 2, 1), &all, 0.0)
        .map_err(wrong)?;
    ensure((x.count(), x.rows(), x.cols()) == (3, 0, 2), || {
        format!("{x:?}")
    })?;
    Ok(())
}
