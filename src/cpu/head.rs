//! From the caller's matrices to what the kernels see: tall, finite, scaled, rows in order.

use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::View;
use crate::planner::Problem;

/// What was done to one matrix on its way in, to be undone on its way out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Head {
    /// The entries were multiplied by 2^power.
    pub power: i32,
    /// Whether every entry was finite. If not, the kernels see zeros.
    pub finite: bool,
}

impl Head {
    pub const EMPTY: Head = Head {
        power: 0,
        finite: true,
    };

    /// Two factors whose product is 2^power: it may leave the type's range, its halves do not, and
    /// scaling up rounds nowhere. Zeros for what is not finite.
    #[inline(always)]
    pub fn factors<T: Real>(self) -> [T; 2] {
        let half = self.power / 2;
        let (half, rest) = (T::power_of_two(half), T::power_of_two(self.power - half));
        match self.finite {
            true => [half, rest],
            false => [T::ZERO; 2],
        }
    }
}

/// Looks at matrix `index` of `view`, which is oriented as the problem is, and decides its scale
/// and, in `order`, which row goes where: row i comes from row `order[i]`.
///
/// Scaled by a power of two, exactly, to a fixed exponent of its largest entry, so that squares
/// neither overflow nor are flushed. Rows by largest entry, descending: only then does a
/// column-pivoted QR keep the relative accuracy of matrices with graded rows (Cox and Higham 1998;
/// Drmac and Veselic 2008, which is LAPACK xGEJSV).
///
/// The size of a complex entry is that of its larger part here.
#[inline(always)]
pub(crate) fn look<T: Scalar>(
    view: &View<'_, T>,
    index: usize,
    problem: &Problem,
    order: &mut [u32],
    (largest_of_row, copied): (&mut Vec<T::Real>, &mut Vec<T>),
) -> Head {
    let (m, n) = (problem.rows, problem.cols);
    largest_of_row.clear();
    largest_of_row.resize(m, T::Real::ZERO);
    let raw: &[T] = match view.contiguous(index) {
        Some(entries) => entries,
        None => {
            copied.clear();
            for j in 0..n {
                copied.extend(view.column(index, j));
            }
            copied
        }
    };
    let mut finite = true;
    let numbers: &[T::Real] = bytemuck::cast_slice(raw);
    for column in numbers.chunks_exact(T::PARTS * m) {
        if T::PARTS == 1 {
            // The same as below, in vectors.
            for (largest, &number) in largest_of_row.iter_mut().zip(column) {
                finite &= number.finite();
                let size = number.abs();
                *largest = if size > *largest { size } else { *largest };
            }
            continue;
        }
        for (largest, parts) in largest_of_row.iter_mut().zip(column.chunks_exact(T::PARTS)) {
            for number in parts {
                finite &= number.finite();
                let size = number.abs();
                *largest = if size > *largest { size } else { *largest };
            }
        }
    }
    for (i, row) in order.iter_mut().enumerate() {
        *row = i as u32;
    }
    let mut head = Head { power: 0, finite };
    if !finite {
        return head;
    }
    // Rows of equal size stay in the caller's order.
    order.sort_unstable_by(|&a, &b| {
        let (x, y) = (largest_of_row[a as usize], largest_of_row[b as usize]);
        let by_size = y.partial_cmp(&x).unwrap_or(std::cmp::Ordering::Equal);
        by_size.then(a.cmp(&b))
    });
    let largest = order
        .first()
        .map_or(T::Real::ZERO, |&row| largest_of_row[row as usize]);
    if largest > T::Real::ZERO {
        head.power = T::Real::TARGET - largest.exponent();
    }
    head
}

/// Calls `put(i, number)` for every entry of a plane of column j of what the kernels see of matrix `index`,
/// given its [`factors`](Head::factors).
#[inline(always)]
pub(crate) fn column<T: Scalar>(
    view: &View<'_, T>,
    index: usize,
    (j, part): (usize, usize),
    factors: [T::Real; 2],
    order: &[u32],
    mut put: impl FnMut(usize, T::Real),
) {
    let [half, rest] = factors;
    if half == T::Real::ZERO {
        (0..order.len()).for_each(|i| put(i, T::Real::ZERO));
        return;
    }
    let column = view.column_of(index, j);
    for (i, &from) in order.iter().enumerate() {
        put(i, column.at(from as usize).parts()[part] * half * rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::Job;
    use crate::planner::Vectors;

    fn packed<T: Real>(entries: &[T], m: usize, n: usize) -> (Vec<T>, Vec<u32>, Head) {
        let job = Job::svd(Vectors::Thin);
        let problem = Problem::new(m, n, T::DTYPE, job);
        let view = View::col_major(entries, 1, m, n).unwrap();
        let mut packed = vec![T::NAN; m * n];
        let mut order = vec![0; m];
        let scratch = (&mut Vec::new(), &mut Vec::new());
        let head = look(&view, 0, &problem, &mut order, scratch);
        for (j, packed) in packed.chunks_exact_mut(m).enumerate() {
            column(&view, 0, (j, 0), head.factors(), &order, |i, entry| {
                packed[i] = entry
            });
        }
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
