//! From the caller's matrices to lanes, side by side: finite, scaled, rows in order, as
//! `cpu/head.rs` has it.

use crate::cpu::head::{self, Head};
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::View;
use crate::host::call::Call;
use crate::lanes::{Lanes, exchange, numbers, numbers_mut};
use crate::planner::Problem;

/// Up to so many rows, all lanes are looked at and sorted at once: a network of comparisons is short
/// then, and what is done once a matrix takes longest.
pub(super) const NETWORK: usize = 8;
/// No machine's vectors have more numbers.
pub(super) const MOST_LANES: usize = 32;

/// Where matrices go.
pub(super) struct To<'w, V, T: Scalar> {
    /// n columns of m rows, each with its planes.
    pub a: &'w mut [V],
    /// Row i of lane l came from row `order[l * m + i]`, where there are more than `NETWORK`..
    pub order: &'w mut [u32],
    /// .. and lane l of `from[i]` says so in any case.
    pub from: &'w mut [V],
    /// One for each matrix.
    pub heads: &'w mut [Head],
    /// Scratch of m vectors, of m numbers, and of a matrix.
    pub rows: &'w mut [V],
    pub sizes: &'w mut Vec<T::Real>,
    pub raw: &'w mut Vec<T>,
}

/// Copies matrices of the call from `first` on into lanes, one for each head. Lanes without a matrix
/// hold zeros.
#[inline(always)]
pub(super) fn take<T: Scalar, L: Lanes<T::Real>>(
    l: L,
    call: &Call<'_, T>,
    problem: &Problem,
    first: usize,
    to: To<'_, L::Vector, T>,
) {
    let (m, n, lanes) = (problem.rows, problem.cols, L::LANES);
    let To {
        a,
        order,
        from,
        heads,
        rows,
        sizes,
        raw,
    } = to;
    let entries: &mut [T::Real] = bytemuck::cast_slice_mut(a);
    if heads.len() < lanes {
        entries.fill(T::Real::ZERO);
    }
    if m > NETWORK {
        let mut factors = [[T::Real::ZERO; 2]; MOST_LANES];
        for (lane, (head, order)) in heads.iter_mut().zip(order.chunks_exact_mut(m)).enumerate() {
            *head = head::look(&call.view, first + lane, problem, order, (sizes, raw));
            factors[lane] = head.factors();
            for (from, &row) in from.iter_mut().zip(order.iter()) {
                numbers_mut(from)[lane] = T::Real::of(row.into());
            }
        }
        // Columns outside: one of all lanes stays in the cache while the lanes fill it.
        for (plane, column) in entries.chunks_exact_mut(m * lanes).enumerate() {
            let (j, part) = (plane / T::PARTS, plane % T::PARTS);
            let matrices = heads.iter().zip(order.chunks_exact(m)).zip(factors);
            for (lane, ((_, order), [half, rest])) in matrices.enumerate() {
                let half = match part == 1 && call.conjugated() {
                    true => -half,
                    false => half,
                };
                let (at, factors) = ((j, part), [half, rest]);
                head::column(&call.view, first + lane, at, factors, order, |i, entry| {
                    column[i * lanes + lane] = entry;
                });
            }
        }
        return;
    }
    copy::<T, L>(&call.view, first, heads.len(), [m, n], a);
    if call.conjugated() {
        for imaginary in a.chunks_exact_mut(m).skip(1).step_by(2) {
            for entry in imaginary {
                *entry = l.sub(l.splat(T::Real::ZERO), *entry);
            }
        }
    }
    scale(l, a, m, heads, rows);
    sort(l, a, m, from, rows);
}

/// Copies `count` small matrices of m x n from `first` on into lanes.
#[inline(always)]
pub(super) fn copy<T: Scalar, L: Lanes<T::Real>>(
    view: &View<'_, T>,
    first: usize,
    count: usize,
    [m, n]: [usize; 2],
    to: &mut [L::Vector],
) {
    let lanes = L::LANES;
    let entries: &mut [T::Real] = bytemuck::cast_slice_mut(to);
    if let Some((matrices, [down, _])) = view.dense(first, count) {
        if lanes == 1 && down == 1 && T::PARTS == 1 {
            entries.copy_from_slice(bytemuck::cast_slice(matrices));
            return;
        }
        for (lane, matrix) in matrices.chunks_exact(m * n).enumerate() {
            for j in 0..n {
                for i in 0..m {
                    let entry = match down {
                        1 => matrix[j * m + i],
                        _ => matrix[i * n + j],
                    };
                    for (part, &number) in entry.parts().iter().enumerate().take(T::PARTS) {
                        entries[((j * T::PARTS + part) * m + i) * lanes + lane] = number;
                    }
                }
            }
        }
        return;
    }
    for lane in 0..count {
        for (plane, column) in entries.chunks_exact_mut(m * lanes).enumerate() {
            let (j, part) = (plane / T::PARTS, plane % T::PARTS);
            let from = view.column(first + lane, j);
            for (to, entry) in column[lane..].iter_mut().step_by(lanes).zip(from) {
                *to = entry.parts()[part];
            }
        }
    }
}

/// Scales all lanes; what is not finite becomes zero. `largest` receives the largest entry of every
/// row.
#[inline(always)]
pub(super) fn scale<T: Real, L: Lanes<T>>(
    l: L,
    a: &mut [L::Vector],
    m: usize,
    heads: &mut [Head],
    largest: &mut [L::Vector],
) {
    let (zero, limit) = (l.splat(T::ZERO), l.splat(T::LARGEST));
    // Finite entries are at most the largest number; neither NaN nor infinity is.
    let mut beyond = l.less(zero, zero);
    largest.fill(zero);
    for column in a.chunks_exact(m) {
        for (largest, &entry) in largest.iter_mut().zip(column) {
            let size = l.abs(entry);
            let within = l.or(l.less(size, limit), l.equal(size, limit));
            beyond = l.or(beyond, l.not(within));
            *largest = l.select(l.less(*largest, size), size, *largest);
        }
    }
    if l.any(beyond) {
        for entry in a.iter_mut().chain(largest.iter_mut()) {
            *entry = l.select(beyond, zero, *entry);
        }
    }
    let mut most = zero;
    for &largest in largest.iter() {
        most = l.select(l.less(most, largest), largest, most);
    }
    let within = l.select(beyond, zero, l.splat(T::ONE));
    let (mut half, mut rest) = (zero, zero);
    let mut all = [Head {
        power: 0,
        finite: false,
    }; MOST_LANES];
    let (most, within): (&[T], &[T]) = (numbers(&most), numbers(&within));
    // All lanes, with a matrix or without: a loop of known length goes into vectors.
    for lane in 0..L::LANES {
        let power = T::TARGET - most[lane].exponent();
        let head = Head {
            power: if most[lane] > T::ZERO { power } else { 0 },
            finite: within[lane] == T::ONE,
        };
        [numbers_mut(&mut half)[lane], numbers_mut(&mut rest)[lane]] = head.factors::<T>();
        all[lane] = head;
    }
    heads.copy_from_slice(&all[..heads.len()]);
    for entry in a.iter_mut() {
        *entry = l.mul(l.mul(*entry, half), rest);
    }
}

/// Sorts the rows of all lanes by largest entry, descending, rows of equal size in the caller's
/// order: by transpositions of neighbours, odd and even in turn (Knuth, volume 3, 5.3.4).
#[inline(always)]
fn sort<T: Real, L: Lanes<T>>(
    l: L,
    a: &mut [L::Vector],
    m: usize,
    from: &mut [L::Vector],
    largest: &mut [L::Vector],
) {
    for (i, from) in from.iter_mut().enumerate() {
        *from = l.splat(T::of(i as f64));
    }
    for round in 0..m {
        for i in (round % 2..m.saturating_sub(1)).step_by(2) {
            // Neighbours that are equal stay, so the order is stable.
            let wrong = l.less(largest[i], largest[i + 1]);
            if !l.any(wrong) {
                continue;
            }
            let (low, high) = largest.split_at_mut(i + 1);
            exchange(l, wrong, &mut low[i..], &mut high[..1]);
            let (low, high) = from.split_at_mut(i + 1);
            exchange(l, wrong, &mut low[i..], &mut high[..1]);
            for column in a.chunks_exact_mut(m) {
                let (low, high) = column.split_at_mut(i + 1);
                exchange(l, wrong, &mut low[i..], &mut high[..1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::options::Options;
    use crate::host::call::Task;
    use crate::lanes::Kernel;
    use crate::planner::Job;
    use crate::planner::Vectors;

    /// Takes columns of so many rows; where the rows of the last lane came from.
    struct Take(usize);

    impl Kernel<f32> for Take {
        type Output = Vec<f32>;

        fn run<L: Lanes<f32>>(self, l: L) -> Vec<f32> {
            let (m, lanes) = (self.0, L::LANES);
            let entries: Vec<f32> = (1..=m * lanes).map(|i| i as f32).collect();
            let job = Job::svd(Vectors::Thin);
            let options = Options::default();
            let call = Call {
                view: View::col_major(&entries, lanes, m, 1).unwrap(),
                rhs: None,
                task: Task::new::<f32>([m, 1], job, &options).unwrap(),
                blocking: true,
            };
            let vectors = || vec![l.splat(0.0); m];
            let (mut a, mut from, mut rows) = (vectors(), vectors(), vectors());
            let to = To {
                a: &mut a,
                order: &mut vec![0; m * lanes],
                from: &mut from,
                heads: &mut vec![Head::EMPTY; lanes],
                rows: &mut rows,
                sizes: &mut Vec::new(),
                raw: &mut Vec::new(),
            };
            take(l, &call, &call.task.problem, 0, to);
            from.iter().map(|v| numbers(v)[lanes - 1]).collect()
        }
    }

    #[test]
    fn short_and_long_columns_tell_where_their_rows_came_from() {
        for m in [1, NETWORK, NETWORK + 1, 40] {
            let descending: Vec<f32> = (0..m).rev().map(|i| i as f32).collect();
            for wide in [false, true] {
                let take = Take(m);
                let from = <f32 as crate::data::scalar::sealed::Float>::dispatch(wide, take);
                assert_eq!(from, descending, "{m}");
            }
        }
    }
}
