//! From the caller's matrices to lanes: side by side, finite, scaled, rows in order.

use crate::call::Call;
use crate::cpu::factor::exchange;
use crate::cpu::lanes::Lanes;
use crate::scalar::Real;

/// Up to so many rows a network of comparisons sorts all lanes at once; more are sorted lane by
/// lane.
const NETWORK: usize = 32;

/// What was done to the matrices of a group on their way in, a number a lane.
pub(super) struct Heads<V> {
    /// Entries were multiplied by 2^power.
    pub power: V,
    /// One where every entry was finite, else zero. Then the kernels see zeros.
    pub finite: V,
}

/// Copies `count` matrices of the call from `first` on into lanes: `a` is m x n vectors,
/// column-major, and row i of lane l came from row `order[i * LANES + l]`.
///
/// Scaled by a power of two, exactly, to a fixed exponent of the largest entry; rows by largest
/// entry, descending, rows of equal size in the caller's order: see `host/intake.rs`.
#[inline(always)]
pub(super) fn take<T: Real, L: Lanes<T>>(
    l: L,
    call: &Call<'_, T>,
    first: usize,
    count: usize,
    a: &mut [L::Vector],
    order: &mut [u32],
    largest: &mut [L::Vector],
) -> Heads<L::Vector> {
    let m = call.problem.rows;
    let n = call.problem.cols;
    let lanes = L::LANES;
    let zero = l.splat(T::ZERO);
    {
        let entries: &mut [T] = bytemuck::cast_slice_mut(a);
        if count < lanes {
            entries.fill(T::ZERO);
        }
        for (j, column) in entries.chunks_exact_mut(m * lanes).enumerate() {
            for lane in 0..count {
                let from = call.view.column(first + lane, j);
                for (to, entry) in column[lane..].iter_mut().step_by(lanes).zip(from) {
                    *to = entry;
                }
            }
        }
    }

    // Finite entries are at most the largest number; neither NaN nor infinity is.
    let limit = l.splat(T::LARGEST);
    let mut beyond = l.less(zero, zero);
    for largest in largest.iter_mut() {
        *largest = zero;
    }
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
    let finite = l.select(beyond, zero, l.splat(T::ONE));

    let mut most = zero;
    for &largest in largest.iter() {
        most = l.select(l.less(most, largest), largest, most);
    }
    // 2^power may leave the type's range; its halves do not, and scaling up rounds nowhere.
    let (mut power, mut half, mut rest) = (zero, zero, zero);
    {
        let most: &[T] = bytemuck::cast_slice(std::slice::from_ref(&most));
        let power: &mut [T] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut power));
        let half: &mut [T] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut half));
        let rest: &mut [T] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut rest));
        for (lane, &most) in most.iter().enumerate() {
            let exponent = match most > T::ZERO {
                true => T::TARGET - most.exponent(),
                false => 0,
            };
            power[lane] = T::of(f64::from(exponent));
            half[lane] = T::ONE.ldexp(exponent / 2);
            rest[lane] = T::ONE.ldexp(exponent - exponent / 2);
        }
    }
    for entry in a.iter_mut() {
        *entry = l.mul(l.mul(*entry, half), rest);
    }
    if m <= NETWORK {
        sort_all(l, a, m, n, order, largest);
    } else {
        sort_each::<T, L>(a, m, order, largest);
    }
    Heads { power, finite }
}

/// Sorts the rows of all lanes by Batcher's odd-even network.
#[inline(always)]
fn sort_all<T: Real, L: Lanes<T>>(
    l: L,
    a: &mut [L::Vector],
    m: usize,
    n: usize,
    order: &mut [u32],
    largest: &mut [L::Vector],
) {
    let mut from = [l.splat(T::ZERO); NETWORK];
    for (i, from) in from.iter_mut().enumerate().take(m) {
        *from = l.splat(T::of(i as f64));
    }
    let mut exchange_rows = |i: usize, j: usize| {
        let smaller = l.less(largest[i], largest[j]);
        let tied = l.and(l.equal(largest[i], largest[j]), l.less(from[j], from[i]));
        let wrong = l.or(smaller, tied);
        if !l.any(wrong) {
            return;
        }
        let (low, high) = largest.split_at_mut(j);
        exchange(l, wrong, &mut low[i..=i], &mut high[..1]);
        let (low, high) = from.split_at_mut(j);
        exchange(l, wrong, &mut low[i..=i], &mut high[..1]);
        for c in 0..n {
            let (low, high) = a[c * m..][..m].split_at_mut(j);
            exchange(l, wrong, &mut low[i..=i], &mut high[..1]);
        }
    };
    // Knuth, volume 3, 5.2.2, algorithm M in Batcher's iterative form for any m.
    let mut p = 1;
    while p < m {
        let mut k = p;
        while k >= 1 {
            let mut j = k % p;
            while j + k < m {
                for i in j..(j + k).min(m - k) {
                    if i / (2 * p) == (i + k) / (2 * p) {
                        exchange_rows(i, i + k);
                    }
                }
                j += 2 * k;
            }
            k /= 2;
        }
        p *= 2;
    }
    let from: &[T] = bytemuck::cast_slice(&from[..m]);
    for (order, from) in order.iter_mut().zip(from) {
        *order = from.index();
    }
}

/// Sorts the rows of one lane after the other.
#[inline(always)]
fn sort_each<T: Real, L: Lanes<T>>(
    a: &mut [L::Vector],
    m: usize,
    order: &mut [u32],
    largest: &[L::Vector],
) {
    let lanes = L::LANES;
    let largest: &[T] = bytemuck::cast_slice(largest);
    let entries: &mut [T] = bytemuck::cast_slice_mut(a);
    let mut rows: Vec<u32> = Vec::with_capacity(m);
    let mut column: Vec<T> = vec![T::ZERO; m];
    for lane in 0..lanes {
        rows.clear();
        rows.extend(0..m as u32);
        let size = |row: u32| largest[row as usize * lanes + lane];
        // Stable: rows of equal size stay in the caller's order.
        rows.sort_by(|&a, &b| {
            let order = size(b).partial_cmp(&size(a));
            order.unwrap_or(std::cmp::Ordering::Equal)
        });
        for (i, &row) in rows.iter().enumerate() {
            order[i * lanes + lane] = row;
        }
        for entries in entries.chunks_exact_mut(m * lanes) {
            for (to, &row) in column.iter_mut().zip(&rows) {
                *to = entries[row as usize * lanes + lane];
            }
            for (i, &entry) in column.iter().enumerate() {
                entries[i * lanes + lane] = entry;
            }
        }
    }
}
