//! Cholesky factors of positive semidefinite matrices.

use crate::data::scalar::Scalar;

/// Computes F with F'F = A, both n x n, of a symmetric (Hermitian) A. The rows of F have ever fewer columns: the column of which most is
/// left is eliminated next, so that F is upper triangular but for the order of its columns. If nothing is left but rounding
/// errors, of entries that are known to `unit`, the rows that remain are zero. Returns false if A has a negative eigenvalue
/// that is no such error. `a` is overwritten.
///
/// The errors of A are at most about (n + 1) u sqrt(a_ii a_jj), entry by entry: what columns and rows are scaled by does
/// not matter (Demmel 1989, On floating point errors in Cholesky; Higham, Accuracy and Stability, 10.1 and 10.3).
pub(crate) fn factor<W: Scalar<Real = f64>>(a: &mut [W], n: usize, unit: f64, f: &mut [W]) -> bool {
    f.fill(W::default());
    let diagonal: Vec<f64> = a.iter().step_by(n + 1).map(|x| x.parts()[0]).collect();
    let mut left: Vec<usize> = (0..n).collect();
    let mut row = vec![W::default(); n];
    for step in 0..n {
        // Relative to where it began: how columns are scaled must not decide, or errors could grow.
        let part = |j: usize| match diagonal[j] > 0.0 {
            true => a[j * n + j].parts()[0] / diagonal[j],
            false => 0.0,
        };
        let most = (0..left.len()).fold(0, |best, at| {
            if part(left[at]) > part(left[best]) {
                at
            } else {
                best
            }
        });
        let pivot = left[most];
        let rounding = 2.0 * n as f64 * unit;
        if part(pivot).is_nan() || part(pivot) <= rounding {
            break;
        }
        left.swap_remove(most);
        let root = a[pivot * n + pivot].parts()[0].sqrt();
        row.fill(W::default());
        for &j in &left {
            // Of the pivot's row: it lies in the pivot's column, conjugated.
            row[j] = a[pivot * n + j].conjugate().over(root);
        }
        f[pivot * n + step] = W::of_real(root);
        for &j in &left {
            f[j * n + step] = row[j];
            let factor = row[j];
            for (entry, &row) in a[j * n..][..n].iter_mut().zip(&row) {
                *entry -= row.conjugate() * factor;
            }
        }
    }
    // What is left of a semidefinite matrix is rounding errors, which have grown by as much as columns depend on those that
    // were eliminated.
    let slack = 16.0 * (n * n) as f64 * unit;
    let error = |i: usize, j: usize| slack * diagonal[i].sqrt() * diagonal[j].sqrt();
    left.iter()
        .all(|&i| left.iter().all(|&j| a[j * n + i].larger() <= error(i, j)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const U: f64 = f64::EPSILON / 2.0;

    fn product(f: &[f64], n: usize) -> Vec<f64> {
        let dot = |i: usize, j: usize| (0..n).map(|k| f[i * n + k] * f[j * n + k]).sum();
        (0..n * n).map(|at| dot(at % n, at / n)).collect()
    }

    #[test]
    fn factors_make_the_matrix_again_however_it_is_scaled() {
        let scales: [f64; 4] = [1.0, 1e-60, 1e90, 1e-3];
        let h = |i: usize, j: usize| {
            if i == j {
                1.0
            } else {
                0.2 + 0.1 * (i + j) as f64
            }
        };
        let mut a: Vec<f64> = (0..16)
            .map(|at| h(at % 4, at / 4) * scales[at % 4] * scales[at / 4])
            .collect();
        let (before, mut f) = (a.clone(), [0.0; 16]);
        assert!(factor(&mut a, 4, U, &mut f));
        for (at, (new, old)) in product(&f, 4).iter().zip(&before).enumerate() {
            let size = scales[at % 4] * scales[at / 4];
            assert!((new - old).abs() <= 1e-15 * size, "{at}: {new} and {old}");
        }
    }

    #[test]
    fn semidefinite_matrices_have_factors_and_indefinite_ones_have_none() {
        // Of rank one; with a zero row; nothing.
        for (mut a, rank) in [
            ([1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 3.0, 6.0, 9.0], 1),
            ([1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 1.0], 2),
            ([0.0; 9], 0),
        ] {
            let (before, mut f) = (a, [0.0; 9]);
            assert!(factor(&mut a, 3, U, &mut f), "{before:?}");
            assert!(
                f.chunks_exact(3)
                    .all(|column| column[rank..] == [0.0; 3][rank..])
            );
            let close = |(x, y): (&f64, &f64)| (x - y).abs() < 1e-14;
            assert!(product(&f, 3).iter().zip(&before).all(close));
        }
        // A small block beside another, both singular; tiny ones; integers.
        let beside = |scale: f64| {
            let block = [5.0, -1.0, 2.0, -1.0, 1.0, 0.0, 2.0, 0.0, 1.0];
            let mut a = vec![0.0; 25];
            for at in 0..4 {
                a[(at / 2) * 5 + at % 2] = 1.0;
            }
            for (at, x) in block.iter().enumerate() {
                a[(at / 3 + 2) * 5 + at % 3 + 2] = scale * x;
            }
            a
        };
        for scale in [1.0, 2f64.powi(-60), 2f64.powi(-600)] {
            assert!(factor(&mut beside(scale), 5, U, &mut [0.0; 25]), "{scale}");
        }
        let mut integers = [49.0, 7.0, 56.0, 7.0, 2.0, 6.0, 56.0, 6.0, 68.0];
        assert!(factor(&mut integers, 3, U, &mut [0.0; 9]));
        // Gram matrices in single precision, of every rank, with columns of any size.
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 33) as f64 / 2f64.powi(30) - 1.0
        };
        for case in 0..2000 {
            let (n, rank) = (2 + case % 9, 1 + case % 4);
            let x: Vec<f64> = (0..n * rank).map(|_| random()).collect();
            let sizes: Vec<f64> = (0..n).map(|_| (10.0 * random()).exp2()).collect();
            let entry = |i: usize, j: usize| {
                let dot: f64 = (0..rank).map(|k| x[i * rank + k] * x[j * rank + k]).sum();
                f64::from((dot * sizes[i] * sizes[j]) as f32)
            };
            let mut a: Vec<f64> = (0..n * n).map(|at| entry(at % n, at / n)).collect();
            let single = f64::from(f32::EPSILON) / 2.0;
            assert!(factor(&mut a, n, single, &mut vec![0.0; n * n]), "{case}");
        }
        for mut a in [
            [0.0, 1.0, 1.0, 0.0],
            [1.0, 2.0, 2.0, 1.0],
            [1.0, 0.0, 0.0, -1e-300],
        ] {
            assert!(!factor(&mut a, 2, U, &mut [0.0; 4]), "{a:?}");
        }
    }
}
