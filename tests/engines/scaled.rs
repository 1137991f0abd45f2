//! A = B D, D any scaling of the columns: what is solved with A is as accurate as what is solved with B.

use batched_svd::{Batch, Cutoff, Dtype, Engine, Error, Options, Real, verify};
use nalgebra::DMatrix;
use rand::seq::SliceRandom;

use crate::common::bounds::{
    Outcome, UNITS, at_most, check_conditions, check_svd, ensure, in_f64, tol, unit,
};
use crate::common::double::{least_norm, least_squares};
use crate::common::matrices::{normal, rectangular, rng};
use crate::common::reference::singular_values;

fn wrong(e: Error) -> String {
    e.to_string()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn less(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x - y).collect()
}

/// A x, column-major.
fn times(a: &[f64], rows: usize, x: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; rows];
    for (column, x) in a.chunks_exact(rows).zip(x) {
        for (sum, a) in sum.iter_mut().zip(column) {
            *sum += a * x;
        }
    }
    sum
}

/// Nothing is cut off.
fn all() -> Options {
    Options::default().cutoff(Cutoff::relative(0.0))
}

/// B, random, of m x n, tall; D, over 2^range in any order; and right-hand sides.
struct Systems<T: batched_svd::Scalar> {
    b: Batch<T>,
    /// The scale of every column, n a matrix.
    scales: Vec<f64>,
    sides: Batch<T>,
    /// B D.
    a: Batch<T>,
    conditions: Vec<f64>,
}

impl<T: Real> Systems<T> {
    fn new(count: usize, m: usize, n: usize, range: i32) -> Result<Self, String> {
        let mut rng = rng((m * n) as u64 + range as u64);
        let mut scales = Vec::new();
        for _ in 0..count {
            let power = |j: usize| (range as f64 * j as f64 / (n - 1) as f64).round();
            let mut own: Vec<f64> = (0..n).map(|j| power(j).exp2()).collect();
            own.shuffle(&mut rng);
            scales.extend(own);
        }
        let b = normal::<T>(count, m, n, (m + n) as u64);
        let entry = |at: usize, i: usize, j: usize| {
            T::of(b.matrix(at)[j * m + i].f64() * scales[at * n + j])
        };
        let a = Batch::from_fn(count, m, n, entry).map_err(wrong)?;
        let condition = |at: usize| {
            let sigma = singular_values(&in_f64(b.matrix(at)), m, n)?;
            Ok(sigma[0] / sigma[n - 1])
        };
        let conditions: Result<Vec<f64>, String> = (0..count).map(condition).collect();
        Ok(Systems {
            sides: normal::<T>(count, m, 1, 77),
            conditions: conditions?,
            b,
            scales,
            a,
        })
    }

    /// Errors of fitted values A x, over u cond(B) |b|: all are held to the promise.
    fn fits(&self, engine: &Engine) -> Result<Vec<f64>, String> {
        let [m, n] = [self.a.rows(), self.a.cols()];
        let (tol, u) = (tol::<T>(m, n), unit::<T>());
        let fit = engine
            .lstsq(&self.a, &self.sides)
            .options(&all())
            .run()
            .map_err(wrong)?;
        let mut errors = Vec::new();
        for at in 0..self.a.count() {
            let ([b, side], x) = (
                [self.b.matrix(at), self.sides.matrix(at)].map(in_f64),
                in_f64(fit.solution.matrix(at)),
            );
            let what = format!("of {m}x{n}, matrix {at}");
            ensure(fit.report.outcomes[at].rank as usize == n, || {
                format!("the rank {what}")
            })?;
            let exact = least_squares(&b, m, n, &side);
            let scales = &self.scales[at * n..][..n];
            let scaled: Vec<f64> = x.iter().zip(scales).map(|(x, d)| x * d).collect();
            let off = less(&scaled, &exact);
            let fitted = norm(&times(&b, m, &off));
            let c = self.conditions[at];
            at_most(
                &format!("fitted values {what}"),
                fitted,
                tol * c * norm(&side),
            )?;
            // As for B alone, of which the smallest singular value is |B| / c at least.
            let left = norm(&less(&side, &times(&b, m, &exact)));
            let smallest = norm(&b) / c / (n as f64).sqrt();
            let size = c * norm(&exact) + (c * left + norm(&side)) / smallest;
            at_most(&format!("D x {what}"), norm(&off), 8.0 * tol * size)?;
            errors.push(fitted / (u * c * norm(&side)));
        }
        Ok(errors)
    }
}

fn median_and_worst(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [values[values.len() / 2], values[values.len() - 1]]
}

/// The scales that are promised.
fn ranges<T: Real>() -> &'static [i32] {
    match T::DTYPE {
        Dtype::F32 => &[0, 10, 20, 40, 50],
        _ => &[0, 20, 100, 300, 450],
    }
}

/// Fitted values and solutions; both engines are alike in the median and in the worst of a few hundred.
pub fn solutions<T: Real>(engine: &Engine) -> Outcome {
    for (m, n, count) in [
        (20, 4, 300),
        (3, 3, 300),
        (8, 8, 300),
        (9, 5, 300),
        (40, 32, 60),
    ] {
        for &range in ranges::<T>() {
            let systems = Systems::<T>::new(count, m, n, range)?;
            let what = format!("{m}x{n} over 2^{range}");
            let at = |e| format!("{what}: {e}");
            let own = median_and_worst(systems.fits(engine).map_err(at)?);
            let cpu = median_and_worst(systems.fits(&Engine::cpu()).map_err(at)?);
            println!("{}, {what}: {own:.2?} u cond(B)", T::DTYPE);
            for (name, own, cpu) in [("median", own[0], cpu[0]), ("worst", own[1], cpu[1])] {
                let ratio = (own / cpu).max(cpu / own);
                at_most(
                    &format!("the {name} of {what}, between engines"),
                    ratio,
                    4.0,
                )?;
            }
        }
    }
    Ok(())
}

/// Wide matrices D B: solutions of least norm do not know D.
pub fn wide<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in [(4, 20), (7, 9), (24, 40)] {
        for &range in ranges::<T>() {
            // As its transpose.
            let systems = Systems::<T>::new(40, n, m, range)?;
            let side = |at: usize, i: usize| {
                systems.sides.matrix(at)[i].f64() * systems.scales[at * m + i]
            };
            let b = Batch::from_fn(40, m, 1, |at, i, _| T::of(side(at, i))).map_err(wrong)?;
            let a = systems.a.view().transpose();
            let fit = engine.lstsq(a, &b).options(&all()).run().map_err(wrong)?;
            for at in 0..40 {
                let plain = in_f64(&systems.sides.matrix(at)[..m]);
                let entries = in_f64(systems.b.matrix(at));
                let exact = least_norm(&entries, n, m, &plain);
                let error = norm(&less(&in_f64(fit.solution.matrix(at)), &exact));
                let c = systems.conditions[at];
                let what = format!("{m}x{n} over 2^{range}, matrix {at}");
                at_most(&what, error, tol::<T>(m, n) * c * norm(&exact))?;
            }
        }
    }
    Ok(())
}

/// A A^+, and A^+ A and A^+ where D is undone: within what they are for B.
pub fn inverses<T: Real>(engine: &Engine) -> Outcome {
    let mut worst = [0.0f64; 3];
    for (m, n) in [(20, 4), (3, 3), (8, 8), (12, 7)] {
        for &range in ranges::<T>() {
            let systems = Systems::<T>::new(30, m, n, range)?;
            let found = engine
                .pinv(&systems.a)
                .options(&all())
                .run()
                .map_err(wrong)?;
            for at in 0..30 {
                let b = in_f64(systems.b.matrix(at));
                let x = in_f64(found.inverse.matrix(at));
                let scales = &systems.scales[at * n..][..n];
                let x = DMatrix::from_fn(n, m, |i, j| x[j * n + i] * scales[i]);
                let unit_column = |j: usize| -> Vec<f64> {
                    (0..m).map(|i| f64::from(u8::from(i == j))).collect()
                };
                let exact: Vec<f64> = (0..m)
                    .flat_map(|j| least_squares(&b, m, n, &unit_column(j)))
                    .collect();
                let exact = DMatrix::from_column_slice(n, m, &exact);
                let b = DMatrix::from_column_slice(m, n, &b);
                let off = &x - &exact;
                let (c, tol) = (systems.conditions[at], tol::<T>(m, n));
                let what = format!("of {m}x{n} over 2^{range}, matrix {at}");
                let errors = [
                    ("A A^+", (&b * &off).norm(), 1.0),
                    ("D A^+ A D^-1", (&off * &b).norm(), c),
                    ("D A^+", off.norm(), exact.norm()),
                ];
                for ((name, error, size), worst) in errors.into_iter().zip(&mut worst) {
                    let bound = tol * c * size;
                    *worst = worst.max(error / bound);
                    at_most(&format!("{name} {what}"), error, bound)?;
                }
            }
        }
    }
    println!("{}: inverses up to {worst:.3?} of the bounds", T::DTYPE);
    Ok(())
}

/// Whitened data is white, principal components give every column of the data back, and so do U S V'.
pub fn data<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in [(16, 2), (30, 5), (60, 33)] {
        for &range in ranges::<T>() {
            let count = 10;
            let systems = Systems::<T>::new(count, m, n, range)?;
            // W has the scales of D^-1: in f64 beyond what a product with the data bears.
            let a = &systems.a;
            let white = engine.whitening(a).options(&all()).run().map_err(wrong)?;
            let found = engine
                .principal_components(a)
                .options(&all())
                .run()
                .map_err(wrong)?;
            let svd = engine.svd(a).options(&all()).run().map_err(wrong)?;
            let (u, v) = (&svd.u, &svd.v);
            for at in 0..count {
                let what = format!("of {m}x{n} over 2^{range}, matrix {at}");
                let (tol, c) = (tol::<T>(m, n), systems.conditions[at]);
                let scales = &systems.scales[at * n..][..n];
                let b = in_f64(systems.b.matrix(at));
                let mean = |j: usize| b[j * m..][..m].iter().sum::<f64>() / m as f64;
                let centred = DMatrix::from_fn(m, n, |i, j| b[j * m + i] - mean(j));
                let w = in_f64(white.transform.matrix(at));
                let scaled = DMatrix::from_fn(n, n, |i, j| w[j * n + i] * scales[i]);
                let whitened = &centred * scaled;
                let freedom = (m - 1) as f64;
                let covariance = whitened.transpose() * &whitened / freedom;
                let off = (covariance - DMatrix::identity(n, n)).norm();
                at_most(
                    &format!("covariance {what}"),
                    off,
                    8.0 * (n as f64).sqrt() * tol * c,
                )?;
                let products = [
                    (&found.scores, None, &found.components, &centred),
                    (
                        u,
                        Some(&svd.sigma),
                        v,
                        &DMatrix::from_column_slice(m, n, &b),
                    ),
                ];
                for (left, sigma, right, exact) in products {
                    let left = DMatrix::from_column_slice(m, n, &in_f64(left.matrix(at)));
                    let right = in_f64(right.matrix(at));
                    for (j, d) in scales.iter().enumerate() {
                        let row: Vec<f64> = (0..n)
                            .map(|k| {
                                right[k * n + j] * sigma.map_or(1.0, |s| s.matrix(at)[k].f64())
                            })
                            .collect();
                        let column = times(left.as_slice(), m, &row);
                        let exact: Vec<f64> = exact.column(j).iter().map(|x| x * d).collect();
                        let off = norm(&less(&column, &exact)) / norm(&exact);
                        at_most(&format!("column {j} {what}"), off, 2.0 * tol)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Two columns that are nearly orthogonal and far apart in size: solved exactly by LAPACK, and by hand.
pub fn examples<T: Real>(engine: &Engine) -> Outcome {
    let large: &[f64] = match T::DTYPE {
        Dtype::F32 => &[4.1e6, 1e5, 3e9, 1e12, 1e15], // Promised are 2^50.
        _ => &[2.2e15, 4.1e6, 1e40, 1e130],
    };
    for &d in large {
        for small in [0.9, 0.02, -0.5] {
            let entries = [d, small, 0.0, 1.0].map(T::of);
            let a = Batch::from_row_major(1, 2, 2, &entries).map_err(wrong)?;
            let b = Batch::from_row_major(1, 2, 1, &[entries[1], T::ONE]).map_err(wrong)?;
            let x = engine
                .lstsq(&a, &b)
                .options(&all())
                .run()
                .map_err(wrong)?
                .solution;
            let what = format!("[[{d:e}, {small}], [0, 1]]");
            // Exactly (0, 1).
            let off = x.matrix(0)[0].f64() * entries[0].f64();
            at_most(&format!("A x of {what}"), off.abs(), 8.0 * unit::<T>())?;
            let off = x.matrix(0)[1].f64() - 1.0;
            at_most(&format!("x of {what}"), off.abs(), 8.0 * unit::<T>())?;
            // What is wrong in the small column alone is seen beside the large one.
            let normal = |x: &Batch<T>| {
                let found = verify::least_squares(&a, x, &b).map_err(wrong)?;
                Ok::<_, String>(found[0][1])
            };
            let bound = UNITS * unit::<T>();
            at_most(
                &format!("normal equations of {what}"),
                normal(&x)?,
                bound / 4.0,
            )?;
            let reciprocal = T::of(1.0 / entries[0].f64());
            let first = T::of(entries[1].f64() * reciprocal.f64());
            let bad = Batch::from_row_major(1, 2, 1, &[first, T::ONE]).map_err(wrong)?;
            let found = normal(&bad)?;
            ensure(found > 1000.0 * bound, || {
                format!("{found:e} of normal equations that are wrong, {what}")
            })?;
            let inverse = engine
                .pinv(&a)
                .options(&all())
                .run()
                .map_err(wrong)?
                .inverse;
            let excess = |x: &Batch<T>| {
                let found = verify::inverses(&a, x).map_err(wrong)?[0];
                let both = found.residuals.into_iter().zip(found.conditions);
                Ok::<_, String>(both.map(|(r, c)| r / (bound * c)).fold(0.0, f64::max))
            };
            at_most(
                &format!("inverse of {what}, of its bound"),
                excess(&inverse)?,
                0.25,
            )?;
            let bad = Batch::from_row_major(1, 2, 2, &[reciprocal, T::ZERO, T::ZERO, T::ONE]);
            let found = excess(&bad.map_err(wrong)?)?;
            ensure(found > 1000.0, || {
                format!("a wrong inverse of {what} is {found} times its bound")
            })?;
            let inverse = in_f64(inverse.matrix(0));
            let product = times(&in_f64(a.matrix(0)), 2, &inverse[..2]);
            let other = times(&in_f64(a.matrix(0)), 2, &inverse[2..]);
            let off = [product[0] - 1.0, product[1], other[0], other[1] - 1.0];
            at_most(&format!("A A^+ of {what}"), norm(&off), 8.0 * unit::<T>())?;
        }
    }
    Ok(())
}

/// Every singular value has a part in what is verified: a pseudoinverse that is off by one part in ten thousand is
/// seen at a condition number of 20, in any spectrum, and in f32.
pub fn sharp<T: Real>(engine: &Engine) -> Outcome {
    for n in [3, 4, 8, 16, 32, 64] {
        let at = |i: usize| i as f64 / (n - 1) as f64;
        let spectra: [&dyn Fn(usize) -> f64; 5] = [
            &|i| 20f64.powf(-at(i)),
            &|i| 1.0 - 0.95 * at(i),
            &|i| if 2 * i < n { 1.0 } else { 0.05 },
            &|i| if i + 1 < n { 1.0 } else { 0.05 },
            &|i| if i == 0 { 1.0 } else { 0.05 },
        ];
        for (kind, spectrum) in spectra.iter().enumerate() {
            let values: Vec<f64> = (0..n).map(spectrum).collect();
            let a = rectangular::<T>(n, n, &values, 51);
            let mut pinv = engine.pinv(&a).options(&all()).run().map_err(wrong)?;
            let what = format!("{n}x{n}, spectrum {kind}");
            check_conditions(&a, &pinv).map_err(|e| format!("{what}: {e}"))?;
            for x in pinv.inverse.as_mut_slice() {
                *x = T::of(1.0001 * x.f64());
            }
            let found = verify::inverses(&a, &pinv.inverse).map_err(wrong)?[0];
            for at in [0, 1] {
                let bound = UNITS * unit::<T>() * found.conditions[at];
                ensure(found.residuals[at] > bound, || {
                    format!(
                        "{what}: {:e}, but {bound:e} is let pass",
                        found.residuals[at]
                    )
                })?;
            }
        }
    }
    Ok(())
}

/// Rows and columns so much smaller than the others that tangents of rotations are no normal numbers: they converge all the
/// same.
pub fn far<T: Real>(engine: &Engine) -> Outcome {
    let single = T::DTYPE == Dtype::F32;
    let powers = if single {
        [-50, -64, -72, -80]
    } else {
        [-450, -520, -700, -860]
    };
    for (m, n) in [
        (2, 2),
        (3, 3),
        (5, 5),
        (12, 12),
        (40, 40),
        (90, 6),
        (66, 66),
    ] {
        for power in powers {
            let x = normal::<f64>(2, m, n, 31);
            let a = Batch::from_fn(2, m, n, |b, i, j| {
                let last = i32::from(i == m - 1) + i32::from(j == n - 1);
                // Beyond the range of the type, the corner is as small as the rest of its column.
                T::of(x.matrix(b)[j * m + i] * 2f64.powi(power * last.min(1)))
            });
            let a = a.map_err(wrong)?;
            check_svd(engine, &a).map_err(|e| format!("{m}x{n} by 2^{power}: {e}"))?;
        }
    }
    Ok(())
}
