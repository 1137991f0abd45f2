//! What RELIABILITY.md promises beyond the bounds: relative accuracy, convergence, independence of the batch.

use batched_svd::{Batch, Dtype, Engine, Error, Real, Status, Tuning, View, verify};

use crate::common::bounds::{
    Outcome, at_most, check_pinv, check_svd, ensure, in_f64, subnormal, tol, unit,
};
use crate::common::fixtures::fixtures;
use crate::common::matrices::{normal, rectangular, scaled};

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
    let svd = Engine::cpu().singular_values(b).run();
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
            let svd = engine.svd(&a).run();
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
            let svd = engine.singular_values(&a).run();
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
        let solve = |a: &Batch<T>| {
            let svd = engine.svd(a).run();
            let pinv = engine.pinv(a).run();
            Ok::<_, String>((
                svd.map_err(|e| e.to_string())?,
                pinv.map_err(|e| e.to_string())?,
            ))
        };
        let ((svd, pinv), (moved_svd, moved_pinv)) = (solve(&a)?, solve(&moved)?);
        for b in 0..count {
            let from = place(b);
            let same = svd.sigma.matrix(from) == moved_svd.sigma.matrix(b)
                && svd.u.matrix(from) == moved_svd.u.matrix(b)
                && svd.v.matrix(from) == moved_svd.v.matrix(b)
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
        let pinv = engine.pinv(a).run();
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

/// The 1-norm of an m x n matrix, by columns.
fn norm(entries: &[f64], m: usize) -> f64 {
    let sums = entries.chunks(m.max(1));
    sums.map(|column| column.iter().map(|x| x.abs()).sum())
        .fold(0.0, f64::max)
}

/// |I - Q'Q| of an m x n matrix.
fn loss(q: &[f64], m: usize) -> f64 {
    let columns: Vec<&[f64]> = q.chunks(m).collect();
    let dots: Vec<f64> = columns
        .iter()
        .enumerate()
        .flat_map(|(j, c)| {
            let dot = move |(i, d): (usize, &&[f64])| {
                let sum: f64 = c.iter().zip(*d).map(|(x, y)| x * y).sum();
                sum - f64::from(u8::from(i == j))
            };
            columns.iter().enumerate().map(dot).collect::<Vec<_>>()
        })
        .collect();
    norm(&dots, columns.len())
}

/// The test ratios of LAPACK's xDRVBD for the shapes of its svd.in, whose threshold is 50, and for its kinds of
/// matrices: at most 4 here.
pub fn lapack<T: Real>(engine: &Engine) -> Outcome {
    const SHAPES: [[usize; 2]; 19] = [
        [0, 0],
        [0, 1],
        [0, 3],
        [1, 0],
        [1, 1],
        [1, 2],
        [2, 0],
        [2, 1],
        [3, 0],
        [3, 1],
        [3, 3],
        [10, 10],
        [10, 16],
        [16, 10],
        [16, 16],
        [30, 30],
        [30, 40],
        [40, 30],
        [40, 40],
    ];
    let ulp = 2.0 * unit::<T>();
    // Powers of two near the ends of the range.
    let (near_underflow, near_overflow) = match T::DTYPE {
        Dtype::F32 => (-103, 104),
        _ => (-970, 971),
    };
    let mut worst = [0.0f64; 3];
    for [m, n] in SHAPES {
        let k = m.min(n);
        let at = |i: usize| i as f64 / (k.max(2) - 1) as f64;
        let values = |f: &dyn Fn(usize) -> f64| (0..k).map(f).collect::<Vec<f64>>();
        let even = values(&|i| 1.0 - at(i) * (1.0 - 1.0 / k as f64));
        let spectra = [
            even.clone(),
            values(&|i| ulp.powf(at(i))),
            values(&|i| if i + 1 < k { 1.0 } else { ulp }),
            values(&|i| if i == 0 { 1.0 } else { ulp }),
        ];
        let even = rectangular::<T>(m, n, &even, 31);
        let mut list = vec![
            Batch::zeros(1, m, n).unwrap(),
            Batch::from_fn(1, m, n, |_, i, j| T::of(f64::from(u8::from(i == j)))).unwrap(),
            scaled(&even, near_underflow),
            scaled(&even, near_overflow),
        ];
        list.extend(spectra.iter().map(|values| rectangular(m, n, values, 33)));
        let all = list.iter().flat_map(|a| a.as_slice()).copied().collect();
        let a = Batch::<T>::from_col_major(list.len(), m, n, all).unwrap();
        let failed = |error: Error| format!("{m}x{n}: {error}");
        let none = engine.singular_values(&a).run().map_err(failed)?;
        let svd = |full| engine.svd(&a).full(full).run().map_err(failed);
        let (thin, full) = (svd(false)?, svd(true)?);
        // LAPACK's further ratios, of what is asked for in other ways, are of nothing but rounding; here not a
        // bit differs.
        ensure(none.sigma == thin.sigma && thin.sigma == full.sigma, || {
            format!("{m}x{n}: values depend on what is asked for")
        })?;
        let (u, v) = (full.u, full.v);
        let (thin_u, thin_v) = (thin.u, thin.v);
        for b in 0..list.len() {
            let same = u.matrix(b)[..m * k] == *thin_u.matrix(b)
                && v.matrix(b)[..n * k] == *thin_v.matrix(b);
            ensure(same, || {
                format!("{m}x{n}, kind {b}: thin is not the front of full")
            })?;
            // In f64 the numbers near overflow would leave the range.
            let power = match b {
                2 => -near_underflow,
                3 => -near_overflow,
                _ => 0,
            };
            let plain =
                |entries: &[T]| in_f64(&entries.iter().map(|x| x.ldexp(power)).collect::<Vec<_>>());
            let (a, s) = (plain(a.matrix(b)), plain(full.sigma.matrix(b)));
            let (u, v) = (in_f64(u.matrix(b)), in_f64(v.matrix(b)));
            let ordered = s.windows(2).all(|pair| pair[0] >= pair[1]);
            ensure(ordered && s.iter().all(|s| *s >= 0.0), || {
                format!("{m}x{n}, kind {b}: {s:?}")
            })?;
            if k == 0 {
                continue;
            }
            let rest: Vec<f64> = (0..m * n)
                .map(|e| {
                    let (i, j) = (e % m, e / m);
                    let product: f64 = (0..k).map(|c| u[c * m + i] * s[c] * v[c * n + j]).sum();
                    a[e] - product
                })
                .collect();
            let size = norm(&a, m);
            let ratios = [
                match size {
                    0.0 => norm(&rest, m) / ulp,
                    _ => norm(&rest, m) / (size * m.max(n) as f64 * ulp),
                },
                loss(&u, m) / (m as f64 * ulp),
                loss(&v, n) / (n as f64 * ulp),
            ];
            for (ratio, worst) in ratios.into_iter().zip(&mut worst) {
                at_most(&format!("a ratio of {m}x{n}, kind {b}"), ratio, 4.0)?;
                *worst = worst.max(ratio);
            }
        }
    }
    let [a, u, v] = worst;
    println!(
        "LAPACK's ratios in {} on {engine}: A {a:.2}, U {u:.2}, V {v:.2}",
        T::DTYPE
    );
    Ok(())
}

fn ldexp<T: Real>(number: T, power: i32) -> T {
    number.ldexp(power)
}

fn exponent<T: Real>(number: T) -> i32 {
    number.exponent()
}

/// A number times a power of two.
#[derive(Clone, Copy)]
struct Scaled(f64, i32);

impl Scaled {
    /// Another number, times the same power.
    fn in_units_of(self, other: f64) -> f64 {
        ldexp(other, self.1)
    }
}

/// The singular values of a finite 2x2 matrix, scaled so that nothing overflows or vanishes that counts.
fn singular_values(entries: &[f64]) -> [Scaled; 2] {
    let top = entries.iter().fold(0.0f64, |top, x| top.max(x.abs()));
    let power = if top > 0.0 { -exponent(top) } else { 0 };
    let [a, c, b, d] = [0, 1, 2, 3].map(|e| ldexp(entries[e], power));
    // Of the sums and the differences, the largest and the smallest half.
    let (sum, difference) = ((a + d).hypot(c - b), (a - d).hypot(c + b));
    let first = (sum + difference) / 2.0;
    let second = if first > 0.0 {
        (a * d - b * c).abs() / first
    } else {
        0.0
    };
    [Scaled(first, power), Scaled(second, power)]
}

/// All 2x2 matrices of numbers at the ends of the range, on both sides of one, and of none at all.
pub fn grid<T: Real>(engine: &Engine) -> Outcome {
    let (largest, smallest, least) = match T::DTYPE {
        Dtype::F32 => (
            f64::from(f32::MAX),
            f64::from(f32::MIN_POSITIVE),
            f64::from(f32::from_bits(1)),
        ),
        _ => (f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1)),
    };
    let ulp = 2.0 * unit::<T>();
    let numbers = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        1.0 + ulp,
        smallest,
        least,
        largest,
        -largest / 4.0,
        f64::INFINITY,
        f64::NAN,
    ];
    let count = numbers.len().pow(4);
    let entry = |b: usize, i: usize, j: usize| {
        numbers[b / numbers.len().pow((2 * i + j) as u32) % numbers.len()]
    };
    let a = Batch::<T>::from_fn(count, 2, 2, |b, i, j| T::of(entry(b, i, j))).unwrap();
    let svd = engine.svd(&a).run().map_err(|error| error.to_string())?;
    let (u, v) = (&svd.u, &svd.v);
    let rest = verify::reconstruction(&a, u, &svd.sigma, v).map_err(|e| e.to_string())?;
    let losses = [u, v].map(|q| verify::orthogonality(q).unwrap());
    let cutoff = 2.0 * ulp;
    let mut seen = [0; 3];
    for b in 0..count {
        let entries = in_f64(a.matrix(b));
        let what = || {
            format!(
                "{entries:?}: {:?}, {:?}",
                svd.report.outcomes[b],
                svd.sigma.matrix(b)
            )
        };
        let top = entries.iter().fold(0.0f64, |top, x| top.max(x.abs()));
        let finite = entries.iter().all(|x| x.is_finite());
        match svd.report.outcomes[b].status {
            Status::NonFinite => {
                seen[0] += 1;
                ensure(!finite, what)?;
            }
            // The norm overflows, or a singular value that counts vanishes.
            Status::NotRepresentable => {
                seen[1] += 1;
                let [first, second] = singular_values(&entries);
                let overflows = first.0 * (1.0 + 4.0 * ulp) >= first.in_units_of(largest);
                let vanishes =
                    second.0 >= cutoff * first.0 / 2.0 && second.0 <= second.in_units_of(least);
                ensure(finite && (overflows || vanishes), what)?;
            }
            Status::Converged => {
                seen[2] += 1;
                ensure(finite, what)?;
                let bound = tol::<T>(2, 2);
                let rounding = 4.0 * subnormal::<T>(2, 2, top);
                let expected = singular_values(&entries);
                let most = expected[0].0;
                for (sigma, expected) in in_f64(svd.sigma.matrix(b)).into_iter().zip(expected) {
                    let off = (expected.in_units_of(sigma) - expected.0).abs();
                    ensure(sigma >= 0.0 && off <= (bound + rounding) * most, what)?;
                }
                ensure(rest[b] <= bound + rounding, || {
                    format!("{}: residual {:e}", what(), rest[b])
                })?;
                for loss in &losses {
                    ensure(loss[b] <= bound, || {
                        format!("{}: loss {:e}", what(), loss[b])
                    })?;
                }
            }
            _ => return Err(what()),
        }
    }
    ensure(seen.iter().all(|&seen| seen > 0), || format!("{seen:?}"))
}

/// Each threshold of the planner at its extremes gives results within the bounds; workgroup memory, or an error.
pub fn tunings(open: impl Fn(Tuning) -> Result<Engine, Error>) -> Outcome {
    type Set = fn(&mut Tuning, u64);
    let sets: [(&str, Set); 14] = [
        ("workgroup_storage", |t, v| t.workgroup_storage = v as u32),
        ("workgroup_invocations", |t, v| {
            t.workgroup_invocations = v as u32
        }),
        // Compilers take minutes for more registers.
        ("invocation_words", |t, v| {
            t.invocation_words = Some(v.min(8) as u32)
        }),
        ("tiny_columns", |t, v| {
            t.tiny_columns = Some(v.min(4) as usize)
        }),
        ("tiny_words", |t, v| t.tiny_words = v as usize),
        ("fuses_columns", |t, v| t.fuses_columns = Some(v > 0)),
        ("columns_workgroup", |t, v| t.columns_workgroup = v as u32),
        ("rows_per_lane", |t, v| t.rows_per_lane = v as usize),
        ("chunk_bytes", |t, v| t.chunk_bytes = v),
        ("submit_flops", |t, v| t.submit_flops = Some(v)),
        ("sweeps_per_dispatch", |t, v| {
            t.sweeps_per_dispatch = v as u32
        }),
        ("task_flops", |t, v| t.task_flops = v),
        ("lanes", |t, v| t.lanes = v as usize),
        ("group_bytes", |t, v| t.group_bytes = v),
    ];
    let mut solved = 0;
    for (name, set) in sets {
        for value in [0, 1, u64::MAX] {
            let mut tuning = Tuning::default();
            set(&mut tuning, value);
            let engine = open(tuning).map_err(|e| format!("{name} {value}: {e}"))?;
            for (count, m, n) in [(3, 3, 3), (5, 8, 8), (2, 40, 30), (1, 100, 5)] {
                let a = normal::<f32>(count, m, n, 15);
                let solve = || {
                    check_svd(&engine, &a)?;
                    check_pinv(&engine, &a)
                };
                if name == "workgroup_storage" {
                    let svd = engine.singular_values(&a).run();
                    if matches!(svd, Err(Error::Unsupported(_))) {
                        continue;
                    }
                }
                solve().map_err(|e| format!("{name} {value}, {m}x{n}: {e}"))?;
                solved += 1;
            }
        }
    }
    ensure(solved >= 160, || format!("only {solved} were solved"))
}
