//! Products of two matrices.

use crate::data::scalar::Scalar;
use crate::dense::sums::dot;

/// Rows whose sums are kept in registers.
const STRIP: usize = 8;

/// to = left right, all column-major: `left` has columns of `rows` entries, `to` too. `packed` is scratch.
///
/// Sums over blocks of terms, so that errors grow with the root of their number.
pub(crate) fn multiply<T: Scalar>(
    left: &[T],
    rows: usize,
    right: &[T],
    to: &mut [T],
    packed: &mut Vec<T>,
) {
    if left.is_empty() || rows == 0 {
        to.fill(T::default());
        return;
    }
    for first in (0..rows).step_by(STRIP) {
        let height = STRIP.min(rows - first);
        let strip = match height {
            1 => strip::<T, 1>,
            2 => strip::<T, 2>,
            3 => strip::<T, 3>,
            4 => strip::<T, 4>,
            5 => strip::<T, 5>,
            6 => strip::<T, 6>,
            7 => strip::<T, 7>,
            _ => strip::<T, STRIP>,
        };
        // Where columns are far apart, caches lose a strip from one column of the result to the next.
        let own = if height == rows {
            left
        } else {
            packed.clear();
            for column in left.chunks_exact(rows) {
                packed.extend_from_slice(&column[first..first + height]);
            }
            &*packed
        };
        strip(own, right, to, rows, first);
    }
}

/// Rows `first` to `first + R` of a product, of which `left` has columns of R entries.
fn strip<T: Scalar, const R: usize>(
    left: &[T],
    right: &[T],
    to: &mut [T],
    rows: usize,
    first: usize,
) {
    let (left, _) = left.as_chunks::<R>();
    let inner = left.len();
    let block = (inner as f64).sqrt().ceil() as usize;
    let columns = to.chunks_exact_mut(rows).zip(right.chunks_exact(inner));
    for (to, weights) in columns {
        let mut sums = [T::default(); R];
        for (left, weights) in left.chunks(block).zip(weights.chunks(block)) {
            let mut partial = [T::default(); R];
            for (column, &weight) in left.iter().zip(weights) {
                for (sum, &entry) in partial.iter_mut().zip(column) {
                    *sum += entry * weight;
                }
            }
            for (sum, partial) in sums.iter_mut().zip(partial) {
                *sum += partial;
            }
        }
        to[first..first + R].copy_from_slice(&sums);
    }
}

/// W' W - I of the n x n matrix `w`.
pub(crate) fn missing<T: Scalar<Real = f64>>(w: &[T], n: usize, to: &mut [T]) {
    for j in 0..n {
        let right = &w[j * n..][..n];
        for i in 0..=j {
            let own = if i == j { 1.0 } else { 0.0 };
            let entry = dot(&w[i * n..][..n], right) - T::of_real(own);
            to[j * n + i] = entry;
            to[i * n + j] = entry.conjugate();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_of_an_orthonormal_matrix() {
        for n in [0, 1, 3, 8, 13, 20] {
            let w: Vec<f64> = (0..n * n).map(|at| (at % 7) as f64 - 3.0).collect();
            let mut found = vec![f64::NAN; n * n];
            missing(&w, n, &mut found);
            for (at, found) in found.into_iter().enumerate() {
                let (i, j) = (at % n, at / n);
                let dot: f64 = (0..n).map(|r| w[i * n + r] * w[j * n + r]).sum();
                assert_eq!(found, dot - f64::from(u8::from(i == j)));
            }
        }
    }

    #[test]
    fn products_are_those_of_the_definition() {
        for (m, k, n) in [
            (2, 3, 4),
            (5, 1, 2),
            (1, 7, 1),
            (0, 2, 3),
            (2, 0, 3),
            (8, 5, 3),
            (23, 10, 9),
        ] {
            let of = |at: usize, rows: usize, i: usize, j: usize| (at + i + rows * j) as f64;
            let fill = |at: usize, rows: usize, cols: usize| -> Vec<f64> {
                let all = (0..cols).flat_map(|j| (0..rows).map(move |i| (i, j)));
                all.map(|(i, j)| of(at, rows, i, j)).collect()
            };
            let (left, right) = (fill(1, m, k), fill(3, k, n));
            let mut to = vec![f64::NAN; m * n];
            multiply(&left, m, &right, &mut to, &mut Vec::new());
            for j in 0..n {
                for i in 0..m {
                    let terms = (0..k).map(|c| of(1, m, i, c) * of(3, k, c, j));
                    assert_eq!(to[j * m + i], terms.sum(), "{m}x{k}x{n}");
                }
            }
        }
    }
}
