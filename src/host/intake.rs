//! From the caller's matrices to what the kernels see: tall, finite, scaled, rows in order.

use crate::planner::Problem;
use crate::scalar::Real;
use crate::view::View;

/// What was done to one matrix on its way in, to be undone on its way out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Head {
    /// The entries were multiplied by 2^power.
    pub power: i32,
    /// Whether every entry was finite. If not, the kernels see zeros.
    pub finite: bool,
}

/// Copies matrix `index` of `view`, which is oriented as the problem is, into `packed` (m x n,
/// column-major), and notes in `order` which row went where: row i came from row `order[i]`.
///
/// Scaled by a power of two, exactly, to a fixed exponent of its largest entry, so that squares
/// neither overflow nor are flushed. Rows by largest entry, descending: only then does a
/// column-pivoted QR keep the relative accuracy of matrices with graded rows (Cox and Higham 1998;
/// Drmac and Veselic 2008, which is LAPACK xGEJSV).
pub(crate) fn take<T: Real>(
    view: &View<'_, T>,
    index: usize,
    problem: &Problem,
    packed: &mut [T],
    order: &mut [u32],
    scratch: &mut Vec<T>,
) -> Head {
    let (m, n) = (problem.rows, problem.cols);
    scratch.clear();
    scratch.resize(m, T::ZERO);
    let largest_of_row = scratch.as_mut_slice();
    let mut finite = true;
    for j in 0..n {
        for (largest, entry) in largest_of_row.iter_mut().zip(view.column(index, j)) {
            finite &= entry.finite();
            if entry.abs() > *largest {
                *largest = entry.abs();
            }
        }
    }
    for (i, row) in order.iter_mut().enumerate() {
        *row = i as u32;
    }
    if !finite {
        packed.fill(T::ZERO);
        return Head {
            power: 0,
            finite: false,
        };
    }
    // Stable: rows of equal size stay in the caller's order.
    order.sort_by(|&a, &b| {
        let (a, b) = (largest_of_row[a as usize], largest_of_row[b as usize]);
        b.partial_cmp(&a).unwrap_or(std::cmp::Ordering::Equal)
    });
    let largest = order
        .first()
        .map_or(T::ZERO, |&row| largest_of_row[row as usize]);
    let power = if largest > T::ZERO {
        T::TARGET - largest.exponent()
    } else {
        0
    };
    // 2^power may leave the type's range; its halves do not, and scaling up rounds nowhere.
    let (half, rest) = (power / 2, power - power / 2);
    let (half, rest) = (T::ONE.ldexp(half), T::ONE.ldexp(rest));
    let column = scratch;
    for j in 0..n {
        for (to, entry) in column.iter_mut().zip(view.column(index, j)) {
            *to = entry * half * rest;
        }
        for (to, &from) in packed[j * m..(j + 1) * m].iter_mut().zip(order.iter()) {
            *to = column[from as usize];
        }
    }
    Head {
        power,
        finite: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Vectors;
    use crate::planner::Job;
    use crate::scalar::Scalar;

    fn packed<T: Real>(entries: &[T], m: usize, n: usize) -> (Vec<T>, Vec<u32>, Head) {
        let job = Job {
            vectors: Vectors::Thin,
            composed: None,
        };
        let problem = Problem::new(m, n, T::DTYPE, job);
        let view = View::col_major(entries, 1, m, n).unwrap();
        let mut packed = vec![T::NAN; m * n];
        let mut order = vec![0; m];
        let head = take(&view, 0, &problem, &mut packed, &mut order, &mut Vec::new());
        (packed, order, head)
    }

    fn scaling_is_exact<T: Real + Scalar>(smallest: T, largest: T) {
        for x in [smallest, largest, T::ONE] {
            let (packed, _, head) = packed(&[x, -x], 2, 1);
            assert_eq!(packed[0].exponent(), T::TARGET);
            assert_eq!(packed[0].ldexp(-head.power), x);
            assert_eq!(packed[1], -packed[0]);
        }
    }

    #[test]
    fn subnormal_and_huge_entries_are_scaled_exactly() {
        scaling_is_exact(f32::from_bits(3), f32::MAX);
        scaling_is_exact(f64::from_bits(3), f64::MAX);
    }

    #[test]
    fn rows_come_largest_first_and_ties_stay() {
        let (packed, order, _) = packed(&[1.0f64, -4.0, 2.0, 4.0], 4, 1);
        assert_eq!(order, [1, 3, 2, 0]);
        assert!(packed[0] == -packed[1] && packed[1] > packed[2]);
    }

    #[test]
    fn what_is_not_finite_is_kept_from_the_kernels() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let (packed, _, head) = packed(&[1.0, bad, 2.0, 3.0], 2, 2);
            assert!(!head.finite);
            assert_eq!(packed, [0.0; 4]);
        }
    }
}
