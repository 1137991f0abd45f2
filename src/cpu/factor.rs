//! Householder QR with column pivoting, matrices side by side (Golub and Van Loan, 5.2 and 5.4).
//!
//! Reflectors are H = I - tau v v' with v = (0, .., 0, 1, v_k+1, ..), as LAPACK stores them, but tau is real also for
//! complex matrices: then H = H', and what has a phase is the diagonal of R. (LAPACK's xLARFG makes that real, and tau
//! complex.)

use crate::cpu::field::Field;
use crate::cpu::sums::dot;
use crate::data::scalar::Real;
use crate::lanes::{Lanes, exchange};

/// Factors m x n matrices (m >= n) in place: R above, reflectors below the diagonal, with the
/// remaining column of largest norm first at every step. Column k of A P is column `pivots[k]` of
/// A. Where all that remains is negligible, the rest of R is zero.
///
/// Norms are computed anew at every step, so none goes stale (LAPACK downdates them instead).
#[inline(always)]
pub(super) fn factor<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    a: &mut [L::Vector],
    m: usize,
    n: usize,
    tau: &mut [L::Vector],
    pivots: &mut [L::Vector],
) {
    let zero = l.splat(T::ZERO);
    let negligible = l.splat(T::NEGLIGIBLE * T::NEGLIGIBLE);
    let step = f.vectors(m);
    // Until a column is factored, its place in tau holds the squared norm of what remains of it.
    for j in 0..n {
        pivots[j] = l.splat(T::of(j as f64));
        tau[j] = dot(l, &a[j * step..][..step], &a[j * step..][..step]);
    }
    for k in 0..n {
        let (mut best, mut largest) = (l.splat(T::of(k as f64)), tau[k]);
        for (j, &norm) in tau.iter().enumerate().take(n).skip(k + 1) {
            let larger = l.less(largest, norm);
            largest = l.select(larger, norm, largest);
            best = l.select(larger, l.splat(T::of(j as f64)), best);
        }
        for j in k + 1..n {
            let chosen = l.equal(best, l.splat(T::of(j as f64)));
            if !l.any(chosen) {
                continue;
            }
            let (left, right) = a.split_at_mut(j * step);
            exchange(l, chosen, &mut left[k * step..][..step], &mut right[..step]);
            let (left, right) = tau.split_at_mut(j);
            exchange(l, chosen, &mut left[k..=k], &mut right[..1]);
            let (left, right) = pivots.split_at_mut(j);
            exchange(l, chosen, &mut left[k..=k], &mut right[..1]);
        }
        let alive = l.less(negligible, largest);
        if l.any(l.not(alive)) {
            for plane in a[k * step..].chunks_exact_mut(m) {
                for entry in &mut plane[k..] {
                    *entry = l.select(alive, *entry, zero);
                }
            }
        }
        let (head, rest) = a.split_at_mut((k + 1) * step);
        let own = &mut head[k * step..];
        let t = f.reflector(l, own, k);
        tau[k] = t;
        for (column, norm) in rest.chunks_exact_mut(step).zip(&mut tau[k + 1..n]) {
            f.reflect(l, t, own, k, column);
            *norm = f.square_below(l, column, k);
        }
    }
}

/// Replaces columns c of length m by Q' c, for the reflectors of the first n columns of `a`.
#[inline(always)]
pub(super) fn apply_transposed<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    a: &[L::Vector],
    m: usize,
    tau: &[L::Vector],
    columns: &mut [L::Vector],
) {
    let step = f.vectors(m);
    for (k, &tau) in tau.iter().enumerate() {
        apply_one(l, f, &a[k * step..][..step], k, tau, columns);
    }
}

/// Replaces columns c of length m by Q c, for the reflectors of the first n columns of `a`.
#[inline(always)]
pub(super) fn apply<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    a: &[L::Vector],
    m: usize,
    tau: &[L::Vector],
    columns: &mut [L::Vector],
) {
    let step = f.vectors(m);
    for (k, &tau) in tau.iter().enumerate().rev() {
        apply_one(l, f, &a[k * step..][..step], k, tau, columns);
    }
}

/// Applies reflector k, below the diagonal of its column, to columns of its length.
#[inline(always)]
fn apply_one<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    own: &[L::Vector],
    k: usize,
    tau: L::Vector,
    columns: &mut [L::Vector],
) {
    for column in columns.chunks_exact_mut(own.len()) {
        f.reflect(l, tau, own, k, column);
    }
}
