//! Cases whose answers are exact, or whose ties rounding must not decide.

use batched_svd::{Batch, Cutoff, Dtype, Engine, Error, Options, Pinv, Real, Svd};

use crate::common::bounds::{Outcome, at_most, ensure, in_f64, unit};
use crate::common::matrices::{normal, rng};
use rand::RngExt;

fn wrong(e: Error) -> String {
    e.to_string()
}

fn full<T: Real>(engine: &Engine, a: &Batch<T>) -> Result<Svd<T>, String> {
    let svd = engine.svd(a).full(true).run();
    svd.map_err(wrong)
}

/// Every entry of a factor is 0, 1 or -1, exactly, and its columns are unit vectors.
fn is_signed_permutation<T: Real>(factor: &[T], n: usize) -> bool {
    factor.chunks_exact(n).all(|column| {
        let ones = column.iter().filter(|x| x.f64().abs() == 1.0).count();
        let zeros = column.iter().filter(|x| **x == T::ZERO).count();
        (ones, zeros) == (1, n - 1)
    })
}

/// Numbers, vectors and diagonal matrices have exact factors.
pub fn factors<T: Real>(engine: &Engine) -> Outcome {
    // Scalars of every kind.
    let random = normal::<T>(2000, 1, 1, 5);
    let svd = full(engine, &random)?;
    let (u, v) = (&svd.u, &svd.v);
    for at in 0..random.count() {
        let x = random.matrix(at)[0];
        let found = [u.matrix(at)[0], svd.sigma.matrix(at)[0], v.matrix(at)[0]];
        let sign = if x < T::ZERO { -T::ONE } else { T::ONE };
        ensure(found == [sign, x.abs(), T::ONE], || {
            format!("{x} = {found:?}")
        })?;
    }
    // The side of length one of a vector.
    for (m, n) in [(7, 1), (1, 7), (40, 1), (1, 300), (2000, 1), (1, 2000)] {
        let a = normal::<T>(50, m, n, 6);
        let svd = engine.svd(&a).run();
        let svd = svd.map_err(wrong)?;
        let (u, v) = (&svd.u, &svd.v);
        let short = if n == 1 { v } else { u };
        for at in 0..a.count() {
            let x = short.matrix(at)[0].f64();
            ensure(x == 1.0 || (m == 1 && x == -1.0), || {
                format!("{m}x{n}, matrix {at}: {x:e}")
            })?;
        }
    }
    // Diagonal ones, zeros among them.
    let mut rng = rng(7);
    for n in [2usize, 3, 4, 5, 6, 8, 13, 20, 33, 40, 70] {
        for (m, n) in [(n, n), (n + 3, n), (n, n + 2)] {
            let k = m.min(n);
            let mut values = |_| -> f64 {
                match rng.random_range(0..8) {
                    0 => 0.0,
                    _ => T::of(rng.random_range(-9.0..9.0)).f64(),
                }
            };
            let values: Vec<f64> = (0..10 * k).map(&mut values).collect();
            let a = Batch::from_fn(10, m, n, |at, i, j| {
                T::of(if i == j { values[at * k + i] } else { 0.0 })
            });
            let svd = full(engine, &a.map_err(wrong)?)?;
            let (u, v) = (&svd.u, &svd.v);
            for at in 0..10 {
                let what = format!("diagonal {m}x{n}, matrix {at}");
                let mut exact: Vec<f64> = values[at * k..][..k].iter().map(|x| x.abs()).collect();
                exact.sort_by(|x, y| y.total_cmp(x));
                let sigma = in_f64(svd.sigma.matrix(at));
                ensure(sigma == exact, || format!("{what}: {sigma:?}"))?;
                ensure(is_signed_permutation(u.matrix(at), m), || {
                    format!("{what}: U is {:?}", u.matrix(at))
                })?;
                ensure(is_signed_permutation(v.matrix(at), n), || {
                    format!("{what}: V is {:?}", v.matrix(at))
                })?;
            }
        }
    }
    Ok(())
}

/// Entries that are as large in exact arithmetic: signs are those of the CPU in f64, for all small integers.
pub fn ties<T: Real>(engine: &Engine) -> Outcome {
    let mut columns = 0;
    for (m, n) in [
        (2, 2),
        (3, 2),
        (2, 3),
        (3, 3),
        (4, 4),
        (5, 3),
        (3, 5),
        (9, 9),
    ] {
        let mut rng = rng((10 * m + n) as u64);
        let entries: Vec<f64> = match (m, n) {
            // All of them.
            (2, 2) => (0..625 * 4)
                .map(|at| (at / 4 / 5usize.pow(at as u32 % 4) % 5) as f64 - 2.0)
                .collect(),
            _ => (0..500 * m * n)
                .map(|_| f64::from(rng.random_range(-2..=2)))
                .collect(),
        };
        let count = entries.len() / (m * n);
        let exact = Batch::from_col_major(count, m, n, entries).map_err(wrong)?;
        let a = Batch::from_fn(count, m, n, |at, i, j| T::of(exact.matrix(at)[j * m + i]));
        let a = a.map_err(wrong)?;
        let expected = Engine::cpu().svd(&exact).run();
        let expected = expected.map_err(wrong)?;
        let found = engine.svd(&a).run().map_err(wrong)?;
        let (v, w) = (&found.v, &expected.v);
        for at in 0..count {
            let sigma = expected.sigma.matrix(at);
            for (c, &value) in sigma.iter().enumerate() {
                // A vector is what it is only where its singular value stands alone.
                let near = |other: f64| (value - other).abs() < 0.02 * sigma[0];
                let alone = (0..sigma.len()).all(|k| k == c || !near(sigma[k]));
                if !alone || near(0.0) {
                    continue;
                }
                columns += 1;
                let column = in_f64(&v.matrix(at)[c * n..][..n]);
                let both = column.iter().zip(&w.matrix(at)[c * n..][..n]);
                let off = both.fold(0.0f64, |off, (x, y)| off.max((x - y).abs()));
                at_most(
                    &format!("column {c} of V of {:?}", exact.matrix(at)),
                    off,
                    1e-4,
                )?;
            }
        }
    }
    ensure(columns > 5000, || format!("only {columns} columns"))
}

/// Where rounding decides how many singular values have a part of the energy, fewer do.
pub fn energies<T: Real>(engine: &Engine) -> Outcome {
    // Singular values 3 and 1: nine tenths of the energy, and an error of the root of a tenth.
    let matrices = [
        ("diag(3, 1)", [3.0, 0.0, 0.0, 1.0]),
        ("[[2, 1], [1, 2]]", [2.0, 1.0, 1.0, 2.0]),
        ("[[1, 2], [2, 1]]", [1.0, 2.0, 2.0, 1.0]),
        ("diag(1, -3)", [1.0, 0.0, 0.0, -3.0]),
    ];
    let tenth = 0.1f64.sqrt();
    let cases = [
        (Cutoff::energy(0.9), 1),
        (Cutoff::energy(0.9001), 2),
        (Cutoff::energy(0.8999), 1),
        (Cutoff::energy(1.0), 2),
        (Cutoff::energy(0.0), 0),
        (Cutoff::error(tenth), 1),
        (Cutoff::error(tenth * 0.9999), 2),
        (Cutoff::error(tenth * 1.0001), 1),
        (Cutoff::error(0.0), 2),
    ];
    for (name, entries) in matrices {
        let a = Batch::from_row_major(1, 2, 2, &entries.map(T::of)).map_err(wrong)?;
        for (cutoff, rank) in &cases {
            let options = Options::default().cutoff(cutoff.clone());
            let found = engine
                .pinv(&a)
                .options(&options)
                .run()
                .map_err(wrong)?
                .report
                .outcomes[0]
                .rank;
            ensure(found == *rank, || {
                format!("{cutoff:?} of {name}: {found}, not {rank}")
            })?;
        }
    }
    Ok(())
}

/// The default cutoff does not grow with the rows; NumPy's does.
pub fn rows<T: Real>(engine: &Engine) -> Outcome {
    let rank = |found: &Pinv<T>| found.report.outcomes[0].rank;
    let inverse = |a: &Batch<T>, cutoff| {
        let options = Options::default().cutoff(cutoff);
        engine.pinv(a).options(&options).run().map_err(wrong)
    };
    // A line through 10,000 points, and two columns of noise with one row that is far away.
    let line = |_, t: usize, j: usize| if j == 0 { T::ONE } else { T::of(t as f64) };
    let line = Batch::from_fn(1, 10_000, 2, line).map_err(wrong)?;
    let mut far = normal::<T>(1, 10_001, 2, 3);
    far.as_mut_slice()[10_000] = T::ZERO;
    far.as_mut_slice()[20_001] = T::of(3e6);
    for (name, a, truth, slack) in [
        ("the line", &line, [2020.0, 2020.0], 2e-3),
        ("the far row", &far, [5.0, -7.0], 1e-4),
    ] {
        let b = Batch::from_fn(1, a.rows(), 1, |_, i, _| {
            let row = [a.matrix(0)[i], a.matrix(0)[a.rows() + i]].map(|x| x.f64());
            T::of(row[0] * truth[0] + row[1] * truth[1])
        });
        let fit = engine.lstsq(a, &b.map_err(wrong)?).run();
        let fit = fit.map_err(wrong)?;
        let x = in_f64(fit.solution.matrix(0));
        let off = (x[0] - truth[0]).abs() / truth[0].abs();
        at_most(&format!("{name}: {x:?}"), off, slack)?;
        let ranks = [Cutoff::default(), Cutoff::numpy()].map(|c| inverse(a, c).map(|p| rank(&p)));
        let numpy = if T::DTYPE == Dtype::F32 { 1 } else { 2 };
        ensure(ranks == [Ok(2), Ok(numpy)], || format!("{name}: {ranks:?}"))?;
    }
    // Full columns of ones: one value, whatever the rows; noise of dependent columns never counts.
    for m in [1000, 30_000, 100_000] {
        let a = Batch::from_fn(1, m, 3, |_, i, j| {
            T::of(if j == 2 { i as f64 } else { 1.0 })
        });
        let found = inverse(&a.map_err(wrong)?, Cutoff::default())?;
        ensure(rank(&found) == 2, || {
            format!("{m} rows: rank {}", rank(&found))
        })?;
    }
    Ok(())
}

/// 8.4 million ones: the mean of b, where a cutoff that grows with the rows leaves nothing.
pub fn millions(engine: &Engine) -> Outcome {
    let m = (1 << 23) + 10;
    let a = Batch::from_fn(1, m, 1, |_, _, _| 1.0f32).map_err(wrong)?;
    let b = Batch::from_fn(1, m, 1, |_, _, _| 3.0f32).map_err(wrong)?;
    let fit = engine.lstsq(&a, &b).run().map_err(wrong)?;
    let found = (fit.solution.matrix(0)[0], fit.report.outcomes[0].rank);
    at_most(
        "x",
        f64::from((found.0 - 3.0).abs()),
        4.0 * 3.0 * unit::<f32>(),
    )?;
    ensure(found.1 == 1, || format!("{found:?}"))?;
    let options = Options::default().cutoff(Cutoff::numpy());
    let fit = engine
        .lstsq(&a, &b)
        .options(&options)
        .run()
        .map_err(wrong)?;
    ensure(fit.solution.matrix(0)[0] == 0.0, || "NumPy's cutoff".into())
}

/// What the report says of the error of singular values tells noise from data.
pub fn noise<T: Real>(engine: &Engine) -> Outcome {
    for (m, n, power) in [
        (2, 2, 0),
        (3, 3, 30),
        (8, 8, -30),
        (5, 40, 0),
        (64, 64, 3),
        (3000, 20, 0),
    ] {
        // Of rank one, but for the rounding of its entries; and of full rank.
        let vectors = normal::<T>(2, m.max(n), 1, 3);
        let rank_one = |at: usize, i: usize, j: usize| {
            let product = vectors.matrix(0)[i].f64() * vectors.matrix(1)[j].f64();
            T::of(product * (1.0 + at as f64)).ldexp(power)
        };
        let a = Batch::from_fn(5, m, n, rank_one).map_err(wrong)?;
        let identity = Batch::from_fn(5, m, n, |_, i, j| {
            T::of(f64::from(u8::from(i == j))).ldexp(power)
        });
        for (a, rank) in [(a, 1), (identity.map_err(wrong)?, m.min(n))] {
            let svd = engine.singular_values(&a).run();
            let svd = svd.map_err(wrong)?;
            let resident = engine.upload(&a).and_then(|a| {
                let svd = engine.singular_values(&a).run_on_device()?;
                svd.report.get()
            });
            ensure(
                resident.map_err(wrong)?.outcomes == svd.report.outcomes,
                || "of data that stays on the device".into(),
            )?;
            let inverse = engine.pinv(&a).run().map_err(wrong)?;
            for at in 0..5 {
                let error = svd.report.outcomes[at].sigma_error;
                let sigma = in_f64(svd.sigma.matrix(at));
                let above = sigma.iter().filter(|&&s| s > error).count();
                ensure(above == rank, || {
                    format!("{m}x{n}: {above} of {sigma:?} above {error:e}")
                })?;
                let expected = 8.0 * (m.min(n) as f64).sqrt() * unit::<T>() * sigma[0];
                at_most(
                    &format!("{error:e} beside {expected:e}"),
                    (error / expected - 1.0).abs(),
                    1e-6,
                )?;
                let other = inverse.report.outcomes[at].sigma_error;
                at_most("of a pseudoinverse", (other / error - 1.0).abs(), 1e-6)?;
            }
        }
    }
    // Nothing is promised of what has no result.
    let nan = Batch::from_fn(1, 3, 3, |_, _, _| T::NAN).map_err(wrong)?;
    let svd = engine.singular_values(&nan).run();
    let outcome = svd.map_err(wrong)?.report.outcomes[0];
    ensure(outcome.sigma_error.is_infinite(), || format!("{outcome:?}"))
}
