//! Matrices to solve: random ones of many shapes, and hard ones.

use batched_svd::{Batch, Real};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Independent standard normal entries.
pub fn normal<T: Real>(count: usize, rows: usize, cols: usize, seed: u64) -> Batch<T> {
    let mut rng = rng(seed);
    Batch::from_fn(count, rows, cols, |_, _, _| {
        let x: f64 = StandardNormal.sample(&mut rng);
        T::of(x)
    })
    .unwrap()
}

/// Integers of rank at most `rank`: exact in f32, products of small factors.
pub fn integers<T: Real>(
    count: usize,
    rows: usize,
    cols: usize,
    rank: usize,
    seed: u64,
) -> Batch<T> {
    let mut rng = rng(seed);
    let mut entries = Vec::with_capacity(count * rows * cols);
    for _ in 0..count {
        let mut factor = |len: usize| -> Vec<i32> {
            (0..len * rank).map(|_| rng.random_range(-9..=9)).collect()
        };
        let (left, right) = (factor(rows), factor(cols));
        for j in 0..cols {
            for i in 0..rows {
                let sum: i32 = (0..rank)
                    .map(|k| left[i * rank + k] * right[j * rank + k])
                    .sum();
                entries.push(T::of(f64::from(sum)));
            }
        }
    }
    Batch::from_col_major(count, rows, cols, entries).unwrap()
}

/// The entries, row by row.
pub fn by_rows<T: Real>(a: &Batch<T>) -> Vec<T> {
    a.view().transpose().to_batch().unwrap().into_vec()
}

/// One matrix by a formula.
fn of<T: Real>(rows: usize, cols: usize, f: impl Fn(usize, usize) -> f64) -> Batch<T> {
    Batch::from_fn(1, rows, cols, |_, i, j| T::of(f(i, j))).unwrap()
}

/// A matrix times a power of two, exactly.
pub fn scaled<T: Real>(a: &Batch<T>, power: i32) -> Batch<T> {
    let entries = a.as_slice().iter().map(|x| x.ldexp(power)).collect();
    Batch::from_col_major(a.count(), a.rows(), a.cols(), entries).unwrap()
}

/// Q diag(values) with Q from the normal distribution, not orthogonal: columns of given size.
fn graded<T: Real>(n: usize, size: impl Fn(usize) -> f64, rows: bool, seed: u64) -> Batch<T> {
    let random = normal::<f64>(1, n, n, seed);
    of(n, n, |i, j| {
        random.matrix(0)[j * n + i] * size(if rows { i } else { j })
    })
}

/// Orthogonal by Gram-Schmidt, twice, in f64.
fn orthogonal(n: usize, seed: u64) -> Vec<Vec<f64>> {
    let random = normal::<f64>(1, n, n, seed);
    let mut q: Vec<Vec<f64>> = Vec::new();
    for j in 0..n {
        let mut column = random.matrix(0)[j * n..(j + 1) * n].to_vec();
        for _ in 0..2 {
            for other in &q {
                let dot: f64 = column.iter().zip(other).map(|(x, y)| x * y).sum();
                column
                    .iter_mut()
                    .zip(other)
                    .for_each(|(x, y)| *x -= dot * y);
            }
        }
        let norm = column.iter().map(|x| x * x).sum::<f64>().sqrt();
        column.iter_mut().for_each(|x| *x /= norm);
        q.push(column);
    }
    q
}

/// U diag(values) V' with random orthogonal U and V.
pub fn spectrum<T: Real>(values: &[f64], seed: u64) -> Batch<T> {
    rectangular(values.len(), values.len(), values, seed)
}

/// The same of any shape.
pub fn rectangular<T: Real>(m: usize, n: usize, values: &[f64], seed: u64) -> Batch<T> {
    let (u, v) = (orthogonal(m, seed), orthogonal(n, seed + 1));
    of(m, n, |i, j| {
        (0..values.len())
            .map(|k| u[k][i] * values[k] * v[k][j])
            .sum()
    })
}

/// Matrices on which SVDs fail, by name.
pub fn hard<T: Real>() -> Vec<(&'static str, Batch<T>)> {
    let n = 12;
    // What the type's exponent and precision can still hold apart.
    let single = T::DTYPE.size() == 4;
    let (far, tiny) = if single { (100, -140) } else { (900, -1060) };
    let random = normal::<T>(3, n, n, 100);
    let mut list = vec![
        ("zero", of(n, n, |_, _| 0.0)),
        ("zero-tall", of(9, 4, |_, _| 0.0)),
        ("zero-wide", of(4, 9, |_, _| 0.0)),
        ("identity", of(n, n, |i, j| f64::from(u8::from(i == j)))),
        ("ones", of(n, n, |_, _| 1.0)),
        ("ones-7x3", of(7, 3, |_, _| 1.0)),
        (
            "one-entry",
            of(n, n, |i, j| f64::from(u8::from((i, j) == (7, 2)))),
        ),
        ("hilbert", of(n, n, |i, j| 1.0 / (i + j + 1) as f64)),
        (
            "jordan",
            of(n, n, |i, j| f64::from(u8::from(i == j || i + 1 == j))),
        ),
        ("triangular", of(n, n, |i, j| f64::from(u8::from(i <= j)))),
        ("checkerboard", of(n, n, |i, j| ((i + j) % 2) as f64)),
        (
            "signs",
            of(n, n, |i, j| {
                if (i * i + 3 * j * i + j) % 5 < 2 {
                    -1.0
                } else {
                    1.0
                }
            }),
        ),
        (
            "zero-columns",
            of(n, n, |i, j| {
                if j % 3 == 0 {
                    0.0
                } else {
                    ((i * j) as f64).sin()
                }
            }),
        ),
        (
            "zero-rows",
            of(n, n, |i, j| {
                if i % 3 == 0 {
                    0.0
                } else {
                    ((i * j) as f64).cos()
                }
            }),
        ),
        ("identical-columns", of(n, n, |i, _| ((i * i) as f64).sin())),
        (
            "identical-halves",
            of(n, n, |i, j| ((i + 5 * (j % 6)) as f64).sin()),
        ),
        (
            "dependent-3x3",
            of(3, 3, |i, j| {
                [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2.0, 5.0, 6.0]][i][j]
            }),
        ),
        // nalgebra 0.35 gives sigma_3 = 1.20519 here; true is 1.19935.
        (
            "nalgebra-wrong",
            of(4, 4, |i, j| {
                [1, -1, 0, 0, 1, -1, -1, -1, -1, -1, 1, -1, 1, 0, 0, 1][4 * j + i] as f64
            }),
        ),
        (
            "diagonal-unsorted",
            of(
                n,
                n,
                |i, j| if i == j { ((7 * i) % 12) as f64 } else { 0.0 },
            ),
        ),
        ("rank-one", integers(20, n, n, 1, 1)),
        ("rank-two-tall", integers(20, 20, 6, 2, 2)),
        ("rank-three-wide", integers(20, 6, 20, 3, 3)),
        (
            "clustered",
            spectrum(
                &[1.0, 1.0, 1.0, 1.0 + 1e-6, 0.5, 0.5, 0.5, 1e-3, 1e-3, 1e-3],
                4,
            ),
        ),
        (
            "geometric",
            spectrum(&(0..10).map(|i| 10f64.powi(-i)).collect::<Vec<_>>(), 5),
        ),
        (
            "arithmetic",
            spectrum(&(1..=n).map(|i| i as f64).collect::<Vec<_>>(), 13),
        ),
        ("equal", spectrum(&[0.7; 9], 14)),
        (
            "log-random",
            spectrum(
                &(0..n)
                    .map(|i| (12.0 * (1.0 + i as f64 * 1.7).sin()).exp2())
                    .collect::<Vec<_>>(),
                15,
            ),
        ),
        ("kahan", {
            let s = |i: usize| 0.6f64.powi(i as i32);
            of(n, n, |i, j| match i.cmp(&j) {
                std::cmp::Ordering::Less => -0.8 * s(i),
                std::cmp::Ordering::Equal => s(i),
                std::cmp::Ordering::Greater => 0.0,
            })
        }),
        (
            "vandermonde",
            of(n, 8, |i, j| ((i as f64 - 5.5) / 6.0).powi(j as i32)),
        ),
        (
            "frank",
            of(n, n, |i, j| match i <= j + 1 {
                true => (n - i.max(j)) as f64,
                false => 0.0,
            }),
        ),
        (
            "arrow",
            of(n, n, |i, j| match (i, j) {
                (0, _) | (_, 0) => 1.0,
                _ if i == j => i as f64,
                _ => 0.0,
            }),
        ),
        (
            "kronecker",
            of(n, n, |i, j| {
                let [left, right] = [(i / 4, j / 4), (i % 4, j % 4)];
                ((1 + left.0 * 3 + left.1) % 5) as f64 * ((2 + right.0 + 3 * right.1) % 7) as f64
            }),
        ),
        ("identical-rows", of(n, n, |_, j| ((j * j) as f64).cos())),
        ("pairs", spectrum(&[3.0, 3.0, 2.0, 2.0, 1.0, 1.0], 6)),
        (
            "columns-graded-2^24",
            graded(n, |j| 2f64.powi(-2 * j as i32), false, 7),
        ),
        (
            "rows-graded-2^24",
            graded(n, |i| 2f64.powi(2 * i as i32 - 24), true, 8),
        ),
        (
            "columns-graded-2^40",
            graded(16, |j| 2f64.powf(-2.6 * j as f64), false, 9),
        ),
        (
            "rows-graded-2^40",
            graded(16, |i| 2f64.powf(-2.6 * i as f64), true, 10),
        ),
        ("scaled-up", scaled(&random, far)),
        ("scaled-down", scaled(&random, -far)),
        ("subnormal", scaled(&random, tiny)),
        (
            "long-constant-column",
            of(
                5000,
                3,
                |i, j| if j == 0 { 0.1 } else { ((i + j) as f64).sin() },
            ),
        ),
    ];
    // Sixty-four graded columns: more than thirty sweeps without a pivoted QR.
    list.push((
        "graded-64",
        graded(64, |j| 2f64.powf(-0.6 * j as f64), false, 11),
    ));
    list.push(("mixed-scales", {
        let entries = [far, 0, -far, tiny]
            .iter()
            .flat_map(|&power| scaled(&normal::<T>(1, 5, 5, 12), power).into_vec())
            .collect();
        Batch::from_col_major(4, 5, 5, entries).unwrap()
    }));
    list
}
