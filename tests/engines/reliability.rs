//! What RELIABILITY.md promises beyond the bounds: relative accuracy, convergence, independence of the batch.

use batched_svd::{Batch, Engine, Options, Real, Status, Vectors, View};

use crate::common::bounds::{Outcome, at_most, ensure, in_f64, unit};
use crate::common::fixtures::fixtures;
use crate::common::matrices::normal;

/// The condition number of B, where A = B D: of A with columns of length 1.
fn condition_of_columns(a: View<'_, f64>) -> f64 {
    let a = a.to_batch().unwrap();
    let length = |column: &[f64]| {
        let most = column.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        most * column
            .iter()
            .map(|x| (x / most).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let columns = a.as_slice().chunks_exact(a.rows());
    let unit: Vec<f64> = columns
        .flat_map(|column| {
            column
                .iter()
                .map(|x| x / length(column))
                .collect::<Vec<_>>()
        })
        .collect();
    let b = View::col_major(&unit, 1, a.rows(), a.cols()).unwrap();
    let svd = Engine::cpu().svd(b, Vectors::None, &Options::default());
    svd.unwrap().conditions()[0]
}

/// For A = B D and A = D B, D a scaling over up to 2^40 (f32) or 2^300 (f64) in any order, every singular value,
/// the tiniest too, has a relative error of at most 4 k u cond(B).
pub fn relative<T: Real>(engine: &Engine) -> Outcome {
    let mut list = fixtures::<T>();
    list.retain(|fixture| fixture.name.contains("_graded_"));
    ensure(list.len() >= 4, || format!("only {} fixtures", list.len()))?;
    let mut worst = 0.0f64;
    for fixture in &list {
        let (m, n) = (fixture.rows, fixture.cols);
        let k = m.min(n);
        let exact = fixture.matrix::<f64>();
        let condition =
            condition_of_columns(exact.view()).min(condition_of_columns(exact.view().transpose()));
        // Steps that share no factor with 8 are permutations.
        for [row_step, col_step] in [[1, 1], [1, 7], [7, 1], [3, 5], [5, 3]] {
            let entry =
                |_, i: usize, j: usize| T::of(fixture.a[(i * row_step % m) * n + j * col_step % n]);
            let a = Batch::from_fn(1, m, n, entry).unwrap();
            let svd = engine.svd(&a, Vectors::Thin, &Options::default());
            let svd = svd.map_err(|e| e.to_string())?;
            for (index, (sigma, exact)) in in_f64(svd.sigma.matrix(0))
                .iter()
                .zip(&fixture.sigma)
                .enumerate()
            {
                let error = (sigma - exact).abs() / exact;
                worst = worst.max(error / (k as f64 * unit::<T>() * condition));
                at_most(
                    &format!(
                        "{}, rows by {row_step}, columns by {col_step}: relative error of sigma {index}",
                        fixture.name
                    ),
                    error,
                    4.0 * k as f64 * unit::<T>() * condition,
                )?;
            }
        }
    }
    println!(
        "relative errors in {}: up to {worst:.2} k u cond(B)",
        T::DTYPE
    );
    Ok(())
}

/// So many random matrices of each size: none needs as many sweeps as there may be.
pub fn convergence<T: Real>(engine: &Engine, sizes: &[usize], each: usize) -> Outcome {
    let mut distribution = vec![0; 64];
    let mut by_size = Vec::new();
    for &n in sizes {
        let (mut most, mut sum, mut left) = (0, 0, each);
        while left > 0 {
            let some = left.min(4096);
            let a = normal::<T>(some, n, n, (1000 * n + left) as u64);
            let svd = engine.svd(&a, Vectors::None, &Options::default());
            for (index, outcome) in svd
                .map_err(|e| e.to_string())?
                .report
                .outcomes
                .iter()
                .enumerate()
            {
                ensure(outcome.status == Status::Converged, || {
                    format!("matrix {index} of {n}x{n}: {outcome:?}")
                })?;
                most = most.max(outcome.sweeps);
                sum += outcome.sweeps as usize;
                distribution[outcome.sweeps as usize] += 1;
            }
            left -= some;
        }
        if n.is_power_of_two() {
            by_size.push(format!(
                "{n}x{n} {:.1} (at most {most})",
                sum as f64 / each as f64
            ));
        }
    }
    let distribution: Vec<String> = distribution
        .iter()
        .enumerate()
        .filter(|&(_, &count)| count > 0)
        .map(|(sweeps, count)| format!("{sweeps}: {count}"))
        .collect();
    println!(
        "sweeps of {} random matrices in {} on {engine}: {}; on average {}",
        each * sizes.len(),
        T::DTYPE,
        distribution.join(", "),
        by_size.join(", ")
    );
    Ok(())
}

/// A permuted batch gives the permuted results, bit for bit.
pub fn permuted<T: Real>(engine: &Engine) -> Outcome {
    let count = 53;
    for (m, n) in [(2, 2), (5, 3), (4, 9), (12, 12), (50, 6), (35, 35)] {
        let a = normal::<T>(count, m, n, 31);
        let place = |b: usize| (b * 20 + 7) % count;
        let moved = Batch::from_fn(count, m, n, |b, i, j| a.matrix(place(b))[j * m + i]).unwrap();
        let options = Options::default();
        let solve = |a: &Batch<T>| {
            let svd = engine.svd(a, Vectors::Thin, &options);
            let pinv = engine.pinv(a, &options);
            Ok::<_, String>((
                svd.map_err(|e| e.to_string())?,
                pinv.map_err(|e| e.to_string())?,
            ))
        };
        let ((svd, pinv), (moved_svd, moved_pinv)) = (solve(&a)?, solve(&moved)?);
        for b in 0..count {
            let from = place(b);
            let same = svd.sigma.matrix(from) == moved_svd.sigma.matrix(b)
                && svd.u.as_ref().unwrap().matrix(from) == moved_svd.u.as_ref().unwrap().matrix(b)
                && svd.v.as_ref().unwrap().matrix(from) == moved_svd.v.as_ref().unwrap().matrix(b)
                && svd.report.outcomes[from] == moved_svd.report.outcomes[b]
                && pinv.inverse.matrix(from) == moved_pinv.inverse.matrix(b);
            ensure(same, || format!("matrix {from} of {m}x{n}, moved to {b}"))?;
        }
    }
    Ok(())
}

/// Batches of any number of matrices, at the borders of what kernels count by: every matrix has the bits that
/// it has in another batch.
pub fn counts<T: Real>(engine: &Engine, counts: &[usize]) -> Outcome {
    let pool = normal::<T>(101, 3, 2, 32);
    let solve = |a: &Batch<T>| {
        let pinv = engine.pinv(a, &Options::default());
        pinv.map_err(|e| e.to_string())
    };
    let expected = solve(&pool)?;
    for &count in counts {
        let entry = |b: usize, i: usize, j: usize| pool.matrix(b % 101)[j * 3 + i];
        let pinv = solve(&Batch::from_fn(count, 3, 2, entry).unwrap())?;
        for b in 0..count {
            let same = pinv.inverse.matrix(b) == expected.inverse.matrix(b % 101)
                && pinv.report.outcomes[b] == expected.report.outcomes[b % 101];
            ensure(same, || format!("matrix {b} of {count}"))?;
        }
    }
    Ok(())
}
