//! One of the two factors of vectors, of real and of complex matrices.

use batched_svd::{Backend, Batch, Engine, Error, Factor, Scalar, Status};
use nalgebra::{Complex, DMatrix};

use crate::common::bounds::{Outcome, at_most, ensure, in_f64, sigma_error, tol};

type Wide = Complex<f64>;

/// Of every path. The adjoints of those that are not square are looked at too.
const SHAPES: &[(usize, usize)] = &[
    (1, 1),
    (1, 4),
    (2, 2),
    (3, 3),
    (4, 3),
    (3, 5),
    (8, 8),
    (12, 12),
    (9, 21),
    (40, 33),
    (6, 90),
    (300, 12),
    (70, 70),
];

/// One of every path: kernels take a driver long to compile.
const GPU_SHAPES: &[(usize, usize)] = &[(3, 3), (3, 5), (12, 12), (6, 90), (40, 33), (70, 70)];

fn wrong(e: Error) -> String {
    e.to_string()
}

fn wide<T: Scalar>(entries: &[T]) -> Vec<Wide> {
    let parts = if T::DTYPE.is_complex() { 2 } else { 1 };
    let numbers = in_f64(bytemuck::cast_slice::<T, T::Real>(entries));
    let entries = numbers.chunks_exact(parts);
    let entry = |parts: &[f64]| Complex::new(parts[0], parts.get(1).copied().unwrap_or(0.0));
    entries.map(entry).collect()
}

fn dense<T: Scalar>(batch: &Batch<T>, index: usize) -> DMatrix<Wide> {
    DMatrix::from_vec(batch.rows(), batch.cols(), wide(batch.matrix(index)))
}

/// Whether columns are the same but for signs or phases.
fn parallel(one: &DMatrix<Wide>, other: &DMatrix<Wide>, tol: f64) -> bool {
    let columns = one.column_iter().zip(other.column_iter());
    columns
        .map(|(x, y)| (x.dotc(&y).norm() - 1.0).abs())
        .all(|off| off <= tol)
}

/// Random matrices, zeros, matrices of rank one, and columns of falling size.
fn kinds<T: Scalar>(plain: Batch<T>) -> Batch<T> {
    let mut all = plain.clone();
    let (m, count) = (plain.rows(), plain.count());
    for index in 0..count {
        let size = m * plain.cols();
        let matrix = &mut all.as_mut_slice()[index * size..][..size];
        let first: Vec<T> = matrix[..m].to_vec();
        for (j, column) in matrix.chunks_exact_mut(m).enumerate() {
            for (i, entry) in column.iter_mut().enumerate() {
                let parts = match index % 4 {
                    1 => [0.0, 0.0],
                    2 => {
                        let x = wide(&first[i..=i])[0] * (1.0 + j as f64);
                        [x.re, x.im]
                    }
                    3 => {
                        let x = wide(&[*entry])[0] * 2f64.powi(-(3 * j.min(9) as i32));
                        [x.re, x.im]
                    }
                    _ => continue,
                };
                *entry = T::of_parts(parts.map(real));
            }
        }
    }
    all
}

fn real<R: batched_svd::Real>(number: f64) -> R {
    R::of(number)
}

/// V is that of the decomposition, U that of the adjoint, and both keep its bounds and the rule of signs.
pub fn one_factor<T: Scalar>(
    engine: &Engine,
    random: fn(usize, usize, usize, u64) -> Batch<T>,
) -> Outcome {
    let on_cpu = engine.backend() == Backend::Cpu;
    let shapes = if on_cpu { SHAPES } else { GPU_SHAPES };
    for &(m, n) in shapes {
        let count = if m * n > 1000 { 5 } else { 21 };
        let a = kinds(random(count, m, n, (m * 100 + n) as u64));
        let k = m.min(n);
        let tol = tol::<T::Real>(m, n);
        let values = Engine::cpu()
            .singular_values(&a)
            .run()
            .map_err(wrong)?
            .sigma;
        for of in [Factor::U, Factor::V] {
            let found = engine.singular_vectors(&a, of).run().map_err(wrong)?;
            let length = match of {
                Factor::U => m,
                Factor::V => n,
            };
            let shape = [found.vectors.rows(), found.vectors.cols()];
            ensure(shape == [length, k], || format!("{of:?}: {shape:?}"))?;
            for index in 0..count {
                let what = |part: &str| format!("{part}, {of:?} of {m}x{n}, matrix {index}");
                let status = found.report.outcomes[index].status;
                ensure(status == Status::Converged, || what(&status.to_string()))?;
                let own = match of {
                    Factor::U => dense(&a, index).adjoint(),
                    Factor::V => dense(&a, index),
                };
                let x = dense(&found.vectors, index);
                let sigma = in_f64(found.sigma.matrix(index));
                let expected = in_f64(values.matrix(index));
                let most = expected[0];
                for (one, other) in sigma.iter().zip(&expected) {
                    let bound = 2.0 * sigma_error::<T::Real>(m, n) * most;
                    at_most(&what("sigma"), (one - other).abs(), bound)?;
                }
                let off = (x.adjoint() * &x - DMatrix::identity(k, k)).map(|x| x.norm());
                at_most(&what("orthogonality"), off.max(), tol)?;
                // The images are orthogonal and have the lengths of singular values.
                let images = &own * &x;
                let norm = own.norm();
                let columns: Vec<_> = images.column_iter().zip(&sigma).collect();
                for (i, (image, sigma)) in columns.iter().enumerate() {
                    let off = (image.norm() - **sigma).abs();
                    at_most(&what("length"), off, 2.0 * tol * norm)?;
                    for (larger, sigma) in &columns[..i] {
                        let bound = 4.0 * tol * norm * (**sigma + tol * norm);
                        at_most(&what("images"), image.dotc(larger).norm(), bound)?;
                    }
                }
                for column in x.column_iter() {
                    let most = column.iter().fold(0.0f64, |most, x| most.max(x.norm()));
                    let first = column.iter().find(|x| x.norm() >= most * 1023.5 / 1024.0);
                    let first = first.ok_or_else(|| what("an empty column"))?;
                    // Entries within the margin of (nearly) may be either.
                    let clear = column
                        .iter()
                        .take_while(|x| *x != first)
                        .all(|x| x.norm() < most * 1022.5 / 1024.0);
                    ensure(!clear || first.re > 0.0 && first.im == 0.0, || {
                        format!("{}: {first}", what("sign"))
                    })?;
                }
            }
            // Rotations are the same, whatever else is asked for.
            let svd = engine.svd(&a).run().map_err(wrong)?;
            ensure(found.sigma == svd.sigma, || {
                format!("sigma, {of:?} of {m}x{n}")
            })?;
            match of {
                Factor::V => ensure(found.vectors == svd.v, || format!("V of {m}x{n}"))?,
                Factor::U => {
                    for index in 0..count {
                        let [own, other] = [&found.vectors, &svd.u].map(|u| dense(u, index));
                        ensure(parallel(&own, &other, 2.0 * tol), || {
                            format!("U of {m}x{n}, matrix {index}")
                        })?;
                    }
                }
            }
        }
        // The kernels see the same matrices: the tall ones of the two.
        if m != n {
            let adjoint = Batch::from_fn(count, n, m, |b, i, j| a[[b, j, i]].conjugate());
            let adjoint = adjoint.map_err(wrong)?;
            for (one, other) in [(Factor::U, Factor::V), (Factor::V, Factor::U)] {
                let own = engine.singular_vectors(&a, one).run().map_err(wrong)?;
                let of = engine.singular_vectors(&adjoint, other);
                let of = of.run().map_err(wrong)?;
                ensure(own.vectors == of.vectors, || {
                    format!("{one:?} of {m}x{n} is not {other:?} of the adjoint")
                })?;
            }
        }
    }
    // What is not finite stays where it is.
    for (m, n) in [(3, 3), (3, 5), (40, 40), (60, 4)] {
        let mut a = random(3, m, n, 1);
        a.as_mut_slice()[m * n + 2] = T::of_parts([real(f64::NAN), real(0.0)]);
        for of in [Factor::U, Factor::V] {
            let found = engine.singular_vectors(&a, of).run().map_err(wrong)?;
            for index in 0..3 {
                let status = found.report.outcomes[index].status;
                ensure((status == Status::NonFinite) == (index == 1), || {
                    format!("{of:?} of {m}x{n}, matrix {index}: {status}")
                })?;
                let entries = wide(found.vectors.matrix(index));
                let values = in_f64(found.sigma.matrix(index));
                let nan =
                    entries.iter().all(|x| x.re.is_nan()) && values.iter().all(|x| x.is_nan());
                let whole = entries.iter().all(|x| x.norm().is_finite());
                ensure(if index == 1 { nan } else { whole }, || {
                    format!("{of:?} of {m}x{n}, matrix {index}, beside a NaN")
                })?;
            }
        }
    }
    // Nothing but shapes.
    for (count, m, n) in [(0, 3, 2), (3, 0, 2), (3, 2, 0)] {
        let a = Batch::<T>::zeros(count, m, n).map_err(wrong)?;
        for (of, length) in [(Factor::U, m), (Factor::V, n)] {
            let found = engine.singular_vectors(&a, of).run().map_err(wrong)?;
            let shape = [
                found.vectors.count(),
                found.vectors.rows(),
                found.vectors.cols(),
            ];
            ensure(shape == [count, length, m.min(n)], || format!("{shape:?}"))?;
        }
    }
    Ok(())
}
