//! Sums whose rounding errors grow with the logarithm of their length.
//!
//! A sequential f32 sum over 65536 rows alone breaks the accuracy bounds: norms come out wrong by
//! 125u. Eight interleaved sums over blocks, and pairs of halves above, stay at a few u (Higham,
//! Accuracy and Stability of Numerical Algorithms, 4.2).

use crate::data::scalar::Scalar;

/// Entries summed in one go, eight at a time: eight roundings a sum.
const BLOCK: usize = 64;

/// x'y.
pub(crate) fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    let len = x.len();
    let y = &y[..len];
    if len > BLOCK {
        let half = (len / 2).next_multiple_of(BLOCK);
        return dot(&x[..half], &y[..half]) + dot(&x[half..], &y[half..]);
    }
    let mut sums = [T::default(); 8];
    let (xs, x_rest) = x.as_chunks::<8>();
    let (ys, y_rest) = y.as_chunks::<8>();
    for (x, y) in xs.iter().zip(ys) {
        for lane in 0..8 {
            sums[lane] += x[lane].conjugate() * y[lane];
        }
    }
    for (lane, (&x, &y)) in x_rest.iter().zip(y_rest).enumerate() {
        sums[lane] += x.conjugate() * y;
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_constant_column_keeps_its_norm() {
        for len in [1usize, 7, 63, 64, 65, 512, 65536, 1 << 20] {
            let x = vec![0.1f32; len];
            let exact = len as f64 * f64::from(0.1f32).powi(2);
            let error = (f64::from(dot(&x, &x)) - exact).abs() / exact;
            assert!(error <= 6.0 * 2f64.powi(-24), "{len}: {error:e}");
        }
    }

    #[test]
    fn an_empty_sum_is_zero() {
        assert_eq!(dot::<f64>(&[], &[]), 0.0);
    }
}
