//! Batches that stay on the device.

use batched_svd::{
    Backend, Batch, Cutoff, DeviceBatch, Engine, Error, Options, Real, Status, View,
};

use crate::common::bounds::{Outcome, at_most, ensure, unit};
use crate::common::decomposed::Vectors;
use crate::common::matrices::{by_rows, normal};

/// What stays on the device has the bits of what does not, in every layout, and chains.
pub fn resident<T: Real<Real = T>>(engine: &Engine) -> Outcome {
    let wrong = |e: Error| e.to_string();
    let options = Options::default();
    // In registers and not, wide and tall, more than a chunk of them (and more than a piece by one)
    // where thresholds are shrunk, and nothing.
    for (m, n, count) in [
        (2, 2, 2000),
        (3, 3, 70),
        (2, 3, 70),
        (3, 2, 70),
        (7, 6, 130),
        (110, 7, 6),
        (0, 5, 3),
    ] {
        let mut a = normal::<T>(count, m, n, 31);
        if m * n > 0 {
            // Rank deficient, and not finite.
            a.as_mut_slice()[..m].fill(T::ZERO);
            a.as_mut_slice()[m * n] = T::NAN;
        }
        let rows = by_rows(&a);
        let by_row = View::row_major(&rows, count, m, n).map_err(wrong)?;
        let every_other = Batch::from_fn(2 * count, m, n, |b, i, j| a.matrix(b / 2)[j * m + i]);
        let every_other = every_other.map_err(wrong)?;
        let apart: Vec<T> = rows
            .chunks((m * n).max(1))
            .flat_map(|matrix| matrix.iter().copied().chain([T::ONE]))
            .collect();
        let (mut strided, mut apart_rows) = (a.view(), by_row);
        if m * n > 0 {
            let (size, shape) = ((m * n) as isize, [count, m, n]);
            let strides = [2 * size, 1, m as isize];
            strided = View::new(every_other.as_slice(), 0, shape, strides).map_err(wrong)?;
            let strides = [size + 1, n as isize, 1];
            apart_rows = View::new(&apart, 0, shape, strides).map_err(wrong)?;
        }
        for (layout, view) in [
            ("columns", a.view()),
            ("rows", by_row),
            ("strided columns", strided),
            ("strided rows", apart_rows),
        ] {
            let what = |part: &str| format!("{part} of {m}x{n} from {layout}");
            let up = engine.upload(view).map_err(wrong)?;
            let same = |left: &Batch<T>, right: &Batch<T>| {
                let bits = |batch: &Batch<T>| -> Vec<u64> {
                    batch.as_slice().iter().map(|x| x.f64().to_bits()).collect()
                };
                [left.count(), left.rows(), left.cols()]
                    == [right.count(), right.rows(), right.cols()]
                    && bits(left) == bits(right)
            };
            ensure(same(&up.download().map_err(wrong)?, &a), || what("a copy"))?;
            for vectors in Vectors::ALL {
                let here = vectors.of(engine, &a, &options).map_err(wrong)?;
                let there = vectors.on_device(engine, &up, &options).map_err(wrong)?;
                ensure(there.report.outcomes == here.report.outcomes, || {
                    what("the report")
                })?;
                ensure(there.report.kernel == here.report.kernel, || {
                    what("the kernel")
                })?;
                ensure(same(&there.sigma, &here.sigma), || what("sigma"))?;
                for (there, here) in [(there.u, here.u), (there.v, here.v)] {
                    let equal = match (&there, &here) {
                        (Some(there), Some(here)) => same(there, here),
                        (None, None) => true,
                        _ => false,
                    };
                    ensure(equal, || what("the vectors"))?;
                }
            }
            let here = engine.pinv(&a).options(&options).run().map_err(wrong)?;
            let there = engine
                .pinv(&up)
                .options(&options)
                .run_on_device()
                .map_err(wrong)?;
            ensure(
                there.report.get().map_err(wrong)?.outcomes == here.report.outcomes,
                || what("the report of the pseudoinverse"),
            )?;
            let inverse = there.inverse.download().map_err(wrong)?;
            ensure(same(&inverse, &here.inverse), || what("the pseudoinverse"))?;
            let one = options.clone().cutoff(Cutoff::rank(m.min(n).min(1)));
            let here = engine.low_rank(&a).options(&one).run().map_err(wrong)?;
            let low = engine
                .low_rank(&up)
                .options(&one)
                .run_on_device()
                .map_err(wrong)?;
            ensure(
                low.report.get().map_err(wrong)?.outcomes == here.report.outcomes,
                || what("the report of the approximation"),
            )?;
            let approximation = low.approximation.download().map_err(wrong)?;
            ensure(same(&approximation, &here.approximation), || {
                what("the approximation")
            })?;
            let here = engine
                .pinv(a.view().transpose())
                .options(&options)
                .run()
                .map_err(wrong)?;
            let flipped = engine
                .pinv(&up.transpose())
                .options(&options)
                .run_on_device()
                .and_then(|p| p.inverse.download())
                .map_err(wrong)?;
            ensure(same(&flipped, &here.inverse), || {
                what("the transposes' pseudoinverse")
            })?;
            // Products, also of transposes, are those of f64.
            let product = engine
                .product(&up, &there.inverse)
                .and_then(|p| p.download())
                .map_err(wrong)?;
            let flipped = engine
                .product(&there.inverse.transpose(), &up.transpose())
                .and_then(|p| p.transpose().download())
                .map_err(wrong)?;
            for b in 0..count {
                for (e, (x, y)) in product.matrix(b).iter().zip(flipped.matrix(b)).enumerate() {
                    let (i, j) = (e % m, e / m);
                    let terms = (0..n)
                        .map(|k| a.matrix(b)[k * m + i].f64() * inverse.matrix(b)[j * n + k].f64());
                    let (sum, size) = terms.fold((0.0, 0.0), |(s, z), t| (s + t, z + t.abs()));
                    if sum.is_nan() {
                        ensure(x.f64().is_nan() && y.f64().is_nan(), || {
                            what("a NaN's product")
                        })?;
                        continue;
                    }
                    let bound = 8.0 * unit::<T>() * size;
                    at_most(&what("a product"), (x.f64() - sum).abs(), bound)?;
                    at_most(&what("a flipped product"), (y.f64() - sum).abs(), bound)?;
                }
            }
        }
    }
    engine.finish().map_err(wrong)?;
    // One matrix for all, strictness, and what does not fit.
    let a = normal::<T>(70, 4, 3, 5);
    let one = normal::<T>(1, 3, 2, 6);
    let (up, one_up) = (
        engine.upload(&a).map_err(wrong)?,
        engine.upload(&one).map_err(wrong)?,
    );
    let all = engine
        .product(&up, &one_up)
        .and_then(|p| p.download())
        .map_err(wrong)?;
    let last = engine.upload(a.view().matrices(69..70).map_err(wrong)?);
    let last = engine
        .product(&last.map_err(wrong)?, &one_up)
        .and_then(|p| p.download())
        .map_err(wrong)?;
    ensure(all.matrix(69) == last.matrix(0), || {
        "one factor for all".into()
    })?;
    let refused = engine.product(&one_up, &up);
    ensure(matches!(refused, Err(Error::Argument(_))), || {
        format!("{refused:?}")
    })?;
    let mut bad = a.clone();
    bad.as_mut_slice()[12 * 3] = T::NAN;
    let bad = engine.upload(&bad).map_err(wrong)?;
    let strict = engine
        .pinv(&bad)
        .options(&Options::default().strict(true))
        .run_on_device();
    ensure(
        matches!(&strict, Err(Error::Strict(list)) if list[..] == [(3, Status::NonFinite)]),
        || format!("{strict:?}"),
    )?;
    if engine.backend() == Backend::Gpu {
        let elsewhere = Engine::cpu()
            .singular_values(&up)
            .options(&options)
            .run_on_device();
        ensure(matches!(elsewhere, Err(Error::Argument(_))), || {
            format!("{elsewhere:?}")
        })?;
    }
    Ok(())
}

/// Memory of batches that are gone serves later calls, which have the bits of others, and no batch that is there loses
/// its entries.
pub fn kept_memory<T: Real<Real = T>>(engine: &Engine) -> Outcome {
    // Each batch is larger than the smallest buffer that is kept, and the second has scratch on software adapters.
    for shape in [[40_000, 3, 3], [500, 24, 24]] {
        kept_memory_of::<T>(engine, shape).map_err(|e| format!("{shape:?}: {e}"))?;
    }
    Ok(())
}

fn kept_memory_of<T: Real<Real = T>>(engine: &Engine, [count, m, n]: [usize; 3]) -> Outcome {
    let wrong = |e: Error| e.to_string();
    let of = |seed| normal::<T>(count, m, n, seed);
    let (a, b) = (of(1), of(2));
    let here = |a: &Batch<T>| engine.pinv(a).run().map(|pinv| pinv.inverse);
    let (inverse, other) = (here(&a).map_err(wrong)?, here(&b).map_err(wrong)?);
    let [a, b] = [engine.upload(&a), engine.upload(&b)];
    let (a, b) = (a.map_err(wrong)?, b.map_err(wrong)?);
    let there = |a: &DeviceBatch<T>| engine.pinv(a).run_on_device().map(|pinv| pinv.inverse);
    let same = |found: &DeviceBatch<T>, expected: &Batch<T>, what: &str| {
        let found = found.download().map_err(wrong)?;
        ensure(found == *expected, || what.into())
    };

    let first = there(&a).map_err(wrong)?;
    let turned = first.transpose();
    drop(first);
    let second = there(&b).map_err(wrong)?;
    same(
        &turned.transpose(),
        &inverse,
        "the first, held by a transpose",
    )?;
    same(&second, &other, "the second")?;
    drop((turned, second));
    let held: Result<Vec<_>, Error> = (0..3).map(|_| there(&a)).collect();
    for held in held.map_err(wrong)? {
        same(&held, &inverse, "where others were")?;
    }
    drop(a);
    let third = engine.upload(&inverse).map_err(wrong)?;
    same(&there(&b).map_err(wrong)?, &other, "after an upload")?;
    same(&third, &inverse, "the upload")
}
