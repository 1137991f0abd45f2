//! The promised bounds, and the checks that hold results to them. f32 results are judged in f64.

use batched_svd::{
    Batch, Call, Cutoff, Dtype, Engine, Options, Pinv, Real, Report, SingularValues, Status, Svd,
    View, verify,
};

use super::reference;

/// The unit roundoff u.
pub fn unit<T: Real>() -> f64 {
    T::DTYPE.unit_roundoff()
}

/// tol = u max(32, 8 sqrt(k)).
pub fn tol<T: Real>(rows: usize, cols: usize) -> f64 {
    let k = rows.min(cols) as f64;
    unit::<T>() * (8.0 * k.sqrt()).max(32.0)
}

/// 8 sqrt(k) u: what a singular value may be off by, relative to the largest.
pub fn sigma_error<T: Real>(rows: usize, cols: usize) -> f64 {
    8.0 * (rows.min(cols) as f64).sqrt() * unit::<T>()
}

/// What rounding subnormal results may add, relative to `size`: k 2^-150 or k 2^-1075.
pub fn subnormal<T: Real>(rows: usize, cols: usize, size: f64) -> f64 {
    if size == 0.0 {
        return 0.0;
    }
    let half_step = match T::DTYPE {
        Dtype::F32 => 2f64.powi(-150) / size,
        _ => 2f64.powi(-1000) / size * 2f64.powi(-75),
    };
    rows.min(cols) as f64 * half_step
}

pub type Outcome = Result<(), String>;

/// Fails unless `value <= bound`; a NaN fails.
pub fn at_most(what: &str, value: f64, bound: f64) -> Outcome {
    if value <= bound {
        return Ok(());
    }
    Err(format!("{what} is {value:e}, the bound {bound:e}"))
}

pub fn ensure(condition: bool, what: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(what()) }
}

fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    // A NaN must not hide behind a comparison.
    values.into_iter().fold(
        0.0,
        |worst, v| if v > worst || v.is_nan() { v } else { worst },
    )
}

fn norm(entries: &[f64]) -> f64 {
    let scale = largest(entries.iter().map(|x| x.abs()));
    if scale == 0.0 {
        return 0.0;
    }
    scale
        * entries
            .iter()
            .map(|x| (x / scale).powi(2))
            .sum::<f64>()
            .sqrt()
}

pub fn in_f64<T: Real>(entries: &[T]) -> Vec<f64> {
    entries.iter().map(|x| x.f64()).collect()
}

/// Whether the first entry of (nearly) the largest magnitude is positive: the first of at least 1023 / 1024 of it.
/// One that rounding puts on either side of that may be either.
pub fn first_is_positive<T: Real>(column: &[T]) -> bool {
    let column = in_f64(column);
    let limit = largest(column.iter().map(|x| x.abs())) * (1.0 - 1.0 / 1024.0);
    let near = |x: &f64| (x.abs() - limit).abs() <= 4.0 * unit::<T>() * limit;
    let first = column.iter().find(|x| x.abs() >= limit || near(x));
    first.is_none_or(|x| *x > 0.0 || near(x))
}

/// Solves and holds the result to every bound: status, order, signs, reconstruction,
/// orthogonality, and in f32 the singular values against a checked f64 reference.
pub fn check_svd<T: Real>(engine: &Engine, a: &Batch<T>) -> Result<Svd<T>, String> {
    check_factors(a, engine.svd(a))
}

/// The same of full factors.
pub fn check_full<T: Real>(engine: &Engine, a: &Batch<T>) -> Result<Svd<T>, String> {
    check_factors(a, engine.svd(a).full(true))
}

/// The same of singular values without vectors.
pub fn check_values<T: Real>(engine: &Engine, a: &Batch<T>) -> Result<SingularValues<T>, String> {
    let found = engine.singular_values(a).run().map_err(|e| e.to_string())?;
    check_sigma(a, &found.sigma, &found.report)?;
    Ok(found)
}

fn check_sigma<T: Real>(a: &Batch<T>, sigma: &Batch<T>, report: &Report) -> Outcome {
    let (m, n) = (a.rows(), a.cols());
    let k = m.min(n);
    if let Some((index, status)) = report.failures().next() {
        return Err(format!("matrix {index} ended as {status}"));
    }
    for b in 0..a.count() {
        let sigma = in_f64(sigma.matrix(b));
        ensure(sigma.iter().all(|&s| s >= 0.0), || {
            format!("negative: {sigma:?}")
        })?;
        ensure(sigma.is_sorted_by(|a, b| a >= b), || {
            format!("unsorted: {sigma:?}")
        })?;
        let entries = in_f64(a.matrix(b));
        if unit::<T>() > 1e-10 && k > 0 {
            let exact = reference::singular_values(&entries, m, n)?;
            let error = largest(sigma.iter().zip(&exact).map(|(s, e)| (s - e).abs()));
            let bound = sigma_error::<T>(m, n) + subnormal::<T>(m, n, exact[0]);
            let error = if exact[0] == 0.0 {
                error
            } else {
                error / exact[0]
            };
            at_most(&format!("error of sigma of matrix {b}"), error, bound)?;
        }
    }
    Ok(())
}

fn check_factors<T: Real>(a: &Batch<T>, call: Call<'_, '_, Svd<T>>) -> Result<Svd<T>, String> {
    let svd = call.run().map_err(|e| e.to_string())?;
    check_sigma(a, &svd.sigma, &svd.report)?;
    let (m, n) = (a.rows(), a.cols());
    let (tol, u, v) = (tol::<T>(m, n), &svd.u, &svd.v);
    let residuals = verify::reconstruction(a, u, &svd.sigma, v).map_err(|e| e.to_string())?;
    for (b, residual) in residuals.into_iter().enumerate() {
        let size = norm(&in_f64(a.matrix(b)));
        let bound = tol + subnormal::<T>(m, n, size);
        at_most(&format!("residual of matrix {b}"), residual, bound)?;
    }
    at_most(
        "loss of orthogonality of U",
        largest(verify::orthogonality(u).map_err(|e| e.to_string())?),
        tol,
    )?;
    at_most(
        "loss of orthogonality of V",
        largest(verify::orthogonality(v).map_err(|e| e.to_string())?),
        tol,
    )?;
    for b in 0..a.count() {
        for (j, column) in v.matrix(b).chunks_exact(n.max(1)).enumerate() {
            let positive = first_is_positive(column);
            ensure(positive, || {
                format!("sign of column {j} of V of matrix {b}")
            })?;
        }
    }
    Ok(svd)
}

/// What pseudoinverses and solutions are held to, in units of u c and of u.
pub const UNITS: f64 = 16.0;

/// Solves and holds the result to the four conditions, with the default cutoff.
pub fn check_pinv<T: Real>(engine: &Engine, a: &Batch<T>) -> Result<Pinv<T>, String> {
    let options = Options::default().cutoff(Cutoff::default());
    let pinv = engine
        .pinv(a)
        .options(&options)
        .run()
        .map_err(|e| e.to_string())?;
    if let Some((index, status)) = pinv.report.failures().next() {
        return Err(format!("matrix {index} ended as {status}"));
    }
    check_conditions(a, &pinv)?;
    Ok(pinv)
}

/// The lengths of the columns, but of those that are zero.
fn lengths<T: Real>(a: View<'_, T>, b: usize) -> Vec<f64> {
    let column = |j| {
        let entries: Vec<f64> = (0..a.rows())
            .map(|i| a.get(b, i, j).unwrap().f64())
            .collect();
        norm(&entries)
    };
    (0..a.cols())
        .map(column)
        .filter(|length| *length > 0.0)
        .collect()
}

/// What the default cutoff may take away of the column that loses most, relative to it.
pub fn lost<T: Real>(a: &Batch<T>, b: usize) -> f64 {
    let most = sigma_error::<T>(a.rows(), a.cols()) * norm(&in_f64(a.matrix(b)));
    largest(
        lengths(a.view(), b)
            .into_iter()
            .map(|length| (most / length).min(1.0)),
    )
}

/// Holds pseudoinverses to the four conditions: 16 u times the condition number of what is kept, |A| |X| / |A X|, of
/// columns that are scaled alike. A X A lacks what is cut off: of the columns, where they are scaled alike, too.
pub fn check_conditions<T: Real>(a: &Batch<T>, pinv: &Pinv<T>) -> Outcome {
    let (m, n) = (a.rows(), a.cols());
    let all = verify::inverses(a, &pinv.inverse).map_err(|e| e.to_string())?;
    for (b, found) in all.iter().enumerate() {
        let outcome = pinv.report.outcomes[b];
        if outcome.status != Status::Converged || m.min(n) == 0 {
            continue;
        }
        let rank = outcome.rank as usize;
        let cut = match rank == m.min(n) {
            true => 0.0,
            false => {
                let tall = if m < n {
                    a.view().transpose()
                } else {
                    a.view()
                };
                // At most 8 sqrt(k) u of sigma_1 for each.
                let most = sigma_error::<T>(m, n) * norm(&in_f64(a.matrix(b)));
                let part = |length: f64| length / length.log2().floor().exp2();
                let lengths = lengths(tall, b);
                let all: Vec<f64> = lengths.iter().map(|&length| part(length)).collect();
                let cut = lengths
                    .iter()
                    .map(|&length| part(length) * (most / length).min(1.0));
                norm(&cut.collect::<Vec<_>>()) / norm(&all).max(1.0)
            }
        };
        for (kind, &residual) in found.residuals.iter().enumerate() {
            let bound = UNITS * unit::<T>() * found.conditions[kind];
            let bound = if kind == 0 { bound + cut } else { bound };
            let what = format!("condition {} of matrix {b} (rank {rank})", kind + 1);
            at_most(&what, residual, bound)?;
        }
    }
    Ok(())
}
