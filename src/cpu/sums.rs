//! Dot products with one order of summation for every width of lanes.
//!
//! Rows go round-robin to as many partial sums as numbers fill 64 bytes, so that one lane alone
//! fills the widest vectors; a rest of fewer rows goes to four. Partial sums meet pairwise, and
//! blocks of rows are summed one after the other, so that errors grow slowly with the length.

use crate::cpu::lanes::Lanes;
use crate::scalar::Real;

/// Partial sums: the numbers in 64 bytes of the smallest type.
const MOST: usize = 16;
/// Rows that are summed before a total is added to.
const BLOCK: usize = 512;

#[inline(always)]
pub(super) fn dot<T: Real, L: Lanes<T>>(l: L, x: &[L::Vector], y: &[L::Vector]) -> L::Vector {
    if x.len() <= BLOCK {
        return block(l, x, y);
    }
    let mut total = l.splat(T::ZERO);
    for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
        total = l.add(total, block(l, x, y));
    }
    total
}

#[inline(always)]
fn block<T: Real, L: Lanes<T>>(l: L, x: &[L::Vector], y: &[L::Vector]) -> L::Vector {
    match size_of::<T>() {
        4 => partial::<T, L, MOST>(l, x, y),
        _ => partial::<T, L, { MOST / 2 }>(l, x, y),
    }
}

#[inline(always)]
fn partial<T: Real, L: Lanes<T>, const P: usize>(
    l: L,
    x: &[L::Vector],
    y: &[L::Vector],
) -> L::Vector {
    let (xs, x_rest) = x.as_chunks::<P>();
    let (ys, y_rest) = y.as_chunks::<P>();
    let rest = tail(l, x_rest, y_rest);
    if xs.is_empty() {
        return rest;
    }
    let mut sums = [l.splat(T::ZERO); P];
    for (x, y) in xs.iter().zip(ys) {
        for p in 0..P {
            sums[p] = l.mul_add(x[p], y[p], sums[p]);
        }
    }
    let mut half = P / 2;
    while half > 0 {
        for p in 0..half {
            sums[p] = l.add(sums[p], sums[p + half]);
        }
        half /= 2;
    }
    l.add(sums[0], rest)
}

/// Fewer rows than there are partial sums.
#[inline(always)]
fn tail<T: Real, L: Lanes<T>>(l: L, x: &[L::Vector], y: &[L::Vector]) -> L::Vector {
    let (xs, x_rest) = x.as_chunks::<4>();
    let (ys, y_rest) = y.as_chunks::<4>();
    let mut sums = [l.splat(T::ZERO); 4];
    for (x, y) in xs.iter().zip(ys) {
        for p in 0..4 {
            sums[p] = l.mul_add(x[p], y[p], sums[p]);
        }
    }
    for (p, (&x, &y)) in x_rest.iter().zip(y_rest).enumerate().take(3) {
        sums[p] = l.mul_add(x, y, sums[p]);
    }
    l.add(l.add(sums[0], sums[2]), l.add(sums[1], sums[3]))
}
