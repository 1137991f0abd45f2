//! What NumPy makes of the same matrices, committed in tests/fixtures/numpy.json.

use batched_svd::{
    Batch, Cutoff, Determinant, Engine, Error, Options, Real, Subspace, View, verify,
};
use serde_json::Value;

use crate::common::bounds::{Outcome, at_most, ensure, in_f64, tol};

fn wrong(e: Error) -> String {
    e.to_string()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// One matrix, and what NumPy says of it.
struct Fixture<'a> {
    value: &'a Value,
    name: &'a str,
    /// tol, times the condition number of what counts.
    bound: f64,
}

impl Fixture<'_> {
    fn number(&self, key: &str) -> f64 {
        self.value[key].as_f64().unwrap()
    }

    /// Numbers, row by row; none where NumPy has no answer that is unique.
    fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        let list = self.value.get(key)?.as_array()?;
        Some(list.iter().map(|x| x.as_f64().unwrap()).collect())
    }

    /// Holds the one matrix of a batch to NumPy's, to so many bounds relative to `size`.
    fn same<'v, T: Real>(
        &self,
        key: &str,
        found: impl Into<View<'v, T>>,
        size: f64,
        bounds: f64,
    ) -> Outcome {
        let rows = found.into().transpose().to_batch().map_err(wrong)?;
        self.close(key, &in_f64(rows.as_slice()), size, bounds)
    }

    fn close(&self, key: &str, found: &[f64], size: f64, bounds: f64) -> Outcome {
        let what = format!("{}: {key}", self.name);
        let expected = self.numbers(key).ok_or_else(|| what.clone())?;
        ensure(found.len() == expected.len(), || {
            format!("{what}: {} numbers, not {}", found.len(), expected.len())
        })?;
        let difference: Vec<f64> = found.iter().zip(&expected).map(|(x, y)| x - y).collect();
        at_most(&what, norm(&difference), bounds * self.bound * size)
    }
}

/// Every operation that NumPy has, or has in a line.
pub fn results<T: Real>(engine: &Engine) -> Outcome {
    let text = include_str!("../fixtures/numpy.json");
    let list: Vec<Value> = serde_json::from_str(text).unwrap();
    let mut seen = 0;
    for value in &list {
        let name = value["name"].as_str().unwrap();
        let [m, n, sides, rank] =
            ["rows", "cols", "sides", "rank"].map(|key| value[key].as_u64().unwrap() as usize);
        let condition = value["condition"].as_f64().unwrap();
        let f = Fixture {
            value,
            name,
            bound: tol::<T>(m, n) * condition,
        };
        let batch = |key: &str, rows, cols| {
            let entries: Vec<T> = f.numbers(key).unwrap().into_iter().map(T::of).collect();
            Batch::from_row_major(1, rows, cols, &entries).map_err(wrong)
        };
        let (a, b) = (batch("a", m, n)?, batch("b", m, sides)?);
        let options = Options::default().cutoff(Cutoff::relative(1e-5));
        let sigma = f.numbers("sigma").unwrap();
        let largest = sigma.first().copied().unwrap_or(0.0);
        // 1 / sigma_r, by which errors of solutions are measured.
        let inverse = condition / if largest == 0.0 { 1.0 } else { largest };
        let (size, b_norm) = (
            norm(&f.numbers("a").unwrap()),
            norm(&f.numbers("b").unwrap()),
        );

        let svd = engine
            .singular_values(&a)
            .options(&options)
            .run()
            .map_err(wrong)?;
        ensure(svd.report.outcomes[0].rank as usize == rank, || {
            format!("{name}: {:?}, not rank {rank}", svd.report.outcomes[0])
        })?;
        // Each is off by tol sigma_max.
        let values = (m.min(n) as f64).sqrt() * largest / condition;
        f.same("sigma", &svd.sigma, values, 1.0)?;
        for (key, found) in [
            ("spectral", svd.spectral_norms()),
            ("nuclear", svd.nuclear_norms()),
            ("frobenius", svd.frobenius_norms()),
        ] {
            let error = (found[0] - f.number(key)).abs();
            let k = sigma.len().max(1) as f64;
            at_most(
                &format!("{name}: {key}"),
                error,
                k * tol::<T>(m, n) * largest,
            )?;
        }
        let kept = svd.kept_conditions()[0];
        if rank > 0 {
            at_most(
                &format!("{name}: condition"),
                (kept / condition - 1.0).abs(),
                4.0 * f.bound,
            )?;
        }

        let pinv = engine.pinv(&a).options(&options).run().map_err(wrong)?;
        f.same("pinv", &pinv.inverse, inverse, 16.0)?;
        let fit = engine
            .lstsq(&a, &b)
            .options(&options)
            .singular_values(true)
            .run()
            .map_err(wrong)?;
        let solution = inverse * b_norm * condition;
        f.same("x", &fit.solution, solution, 16.0)?;
        f.same("sigma", fit.sigma.as_ref().ok_or("no sigma")?, values, 1.0)?;
        let left = verify::residuals(&a, &fit.solution, &b).map_err(wrong)?;
        f.close("left", left.as_slice(), solution * size, 16.0)?;
        let ridge = engine
            .lstsq(&a, &b)
            .options(&options)
            .singular_values(true)
            .damping(2.0)
            .run()
            .map_err(wrong)?;
        f.same("ridge", &ridge.solution, solution, 16.0)?;

        for (key, onto) in [
            ("column", Subspace::ColumnSpace),
            ("row", Subspace::RowSpace),
            ("null", Subspace::NullSpace),
            ("left_null", Subspace::LeftNullSpace),
        ] {
            let found = engine
                .projector(&a, onto)
                .options(&options)
                .run()
                .map_err(wrong)?;
            f.same(key, &found.projector, 1.0, 8.0)?;
            let basis = engine
                .basis(&a, onto)
                .options(&options)
                .run()
                .map_err(wrong)?
                .vectors;
            let rows = basis.rows();
            let product = Batch::from_fn(1, rows, rows, |_, i, j| {
                let columns = basis.as_slice().chunks_exact(rows);
                T::of(columns.map(|q| q[i].f64() * q[j].f64()).sum())
            });
            f.same(key, &product.map_err(wrong)?, 1.0, 8.0)?;
        }
        if f.numbers("rank_one").is_some() {
            let one = Options::default().cutoff(Cutoff::rank(1));
            let found = engine.low_rank(&a).options(&one).run().map_err(wrong)?;
            f.same("rank_one", &found.approximation, largest, 32.0)?;
        }
        if f.numbers("polar").is_some() {
            let found = engine.polar(&a).options(&options).run().map_err(wrong)?;
            f.same("polar", &found.orthogonal, 1.0, 16.0)?;
            f.same("stretch", &found.stretch, largest, 16.0)?;
            seen += 1;
        }
        if f.numbers("rotation").is_some() {
            let found = engine
                .polar(&a)
                .determinant(Determinant::Positive)
                .options(&options)
                .run()
                .map_err(wrong)?;
            f.same("rotation", &found.orthogonal, 1.0, 16.0)?;
        }
        if f.numbers("whitening").is_some() {
            let spread = f.number("spread");
            let found = engine
                .principal_components(&a)
                .options(&options)
                .run()
                .map_err(wrong)?;
            f.same("mean", &found.mean, size, 1.0)?;
            f.same("deviations", &found.deviations, size, 4.0)?;
            let white = engine
                .whitening(&a)
                .options(&options)
                .run()
                .map_err(wrong)?;
            let deviations = f.numbers("deviations").unwrap();
            let least = deviations.last().copied().unwrap_or(1.0);
            f.same("whitening", &white.transform, spread * spread / least, 16.0)?;
            seen += 1;
        }
    }
    ensure(list.len() >= 20 && seen >= 10, || {
        format!("only {} fixtures", list.len())
    })
}
