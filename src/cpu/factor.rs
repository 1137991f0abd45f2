//! Householder QR with column pivoting, matrices side by side (Golub and Van Loan, 5.2 and 5.4).
//!
//! Reflectors are H = I - tau v v' with v = (0, .., 0, 1, v_k+1, ..), as LAPACK stores them.

use crate::cpu::sums::dot;
use crate::data::scalar::Real;
use crate::lanes::Lanes;

/// Factors m x n matrices (m >= n) in place: R above, reflectors below the diagonal, with the
/// remaining column of largest norm first at every step. Column k of A P is column `pivots[k]` of
/// A. Where all that remains is negligible, the rest of R is zero.
///
/// Norms are computed anew at every step, so none goes stale (LAPACK downdates them instead).
#[inline(always)]
pub(super) fn factor<T: Real, L: Lanes<T>>(
    l: L,
    a: &mut [L::Vector],
    m: usize,
    n: usize,
    tau: &mut [L::Vector],
    pivots: &mut [L::Vector],
) {
    let zero = l.splat(T::ZERO);
    let negligible = l.splat(T::NEGLIGIBLE * T::NEGLIGIBLE);
    // Until a column is factored, its place in tau holds the squared norm of what remains of it.
    for j in 0..n {
        pivots[j] = l.splat(T::of(j as f64));
        tau[j] = dot(l, &a[j * m..][..m], &a[j * m..][..m]);
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
            let (left, right) = a.split_at_mut(j * m);
            exchange(l, chosen, &mut left[k * m..][..m], &mut right[..m]);
            let (left, right) = tau.split_at_mut(j);
            exchange(l, chosen, &mut left[k..=k], &mut right[..1]);
            let (left, right) = pivots.split_at_mut(j);
            exchange(l, chosen, &mut left[k..=k], &mut right[..1]);
        }
        let alive = l.less(negligible, largest);
        if l.any(l.not(alive)) {
            for j in k..n {
                for entry in &mut a[j * m + k..(j + 1) * m] {
                    *entry = l.select(alive, *entry, zero);
                }
            }
        }
        let (head, rest) = a.split_at_mut((k + 1) * m);
        let (alpha, v) = head[k * m + k..].split_at_mut(1);
        let (beta, t) = reflector(l, alpha[0], v);
        alpha[0] = beta;
        tau[k] = t;
        for (column, norm) in rest.chunks_exact_mut(m).zip(&mut tau[k + 1..n]) {
            let (top, below) = column[k..].split_at_mut(1);
            reflect(l, t, v, &mut top[0], below);
            *norm = dot(l, below, below);
        }
    }
}

/// Exchanges the chosen lanes of two columns.
#[inline(always)]
pub(super) fn exchange<T: Real, L: Lanes<T>>(
    l: L,
    chosen: L::Mask,
    x: &mut [L::Vector],
    y: &mut [L::Vector],
) {
    for (x, y) in x.iter_mut().zip(y) {
        let (a, b) = (*x, *y);
        *x = l.select(chosen, b, a);
        *y = l.select(chosen, a, b);
    }
}

/// Turns (alpha, v) into a reflector that maps it to (beta, 0): returns (beta, tau), v in place.
#[inline(always)]
fn reflector<T: Real, L: Lanes<T>>(
    l: L,
    alpha: L::Vector,
    v: &mut [L::Vector],
) -> (L::Vector, L::Vector) {
    let (zero, one, two) = (l.splat(T::ZERO), l.splat(T::ONE), l.splat(T::ONE + T::ONE));
    let below = dot(l, v, v);
    let needed = l.less(zero, below);
    let norm = l.sqrt(l.mul_add(alpha, alpha, below));
    let beta = l.select(l.less(zero, alpha), l.sub(zero, norm), norm);
    let beta = l.select(needed, beta, alpha);
    let difference = l.select(needed, l.sub(alpha, beta), one);
    let scale = l.select(needed, l.div(one, difference), zero);
    for entry in v.iter_mut() {
        *entry = l.mul(*entry, scale);
    }
    // LAPACK's (beta - alpha) / beta does not know how v was rounded: U came out with up to 22u of
    // lost orthogonality where this gives half of that.
    let tau = l.div(two, l.add(one, dot(l, v, v)));
    (beta, l.select(needed, tau, zero))
}

/// Applies I - tau (1, v)(1, v)' to the column (top, below).
#[inline(always)]
fn reflect<T: Real, L: Lanes<T>>(
    l: L,
    tau: L::Vector,
    v: &[L::Vector],
    top: &mut L::Vector,
    below: &mut [L::Vector],
) {
    let weight = l.mul(tau, l.add(*top, dot(l, v, below)));
    *top = l.sub(*top, weight);
    for (entry, &v) in below.iter_mut().zip(v) {
        *entry = l.neg_mul_add(weight, v, *entry);
    }
}

/// Replaces columns c of length m by Q' c, for the reflectors of the first n columns of `a`.
#[inline(always)]
pub(super) fn apply_transposed<T: Real, L: Lanes<T>>(
    l: L,
    a: &[L::Vector],
    m: usize,
    tau: &[L::Vector],
    columns: &mut [L::Vector],
) {
    for (k, &tau) in tau.iter().enumerate() {
        apply_one(l, &a[k * m..][..m], k, tau, columns);
    }
}

/// Replaces columns c of length m by Q c, for the reflectors of the first n columns of `a`.
#[inline(always)]
pub(super) fn apply<T: Real, L: Lanes<T>>(
    l: L,
    a: &[L::Vector],
    m: usize,
    tau: &[L::Vector],
    columns: &mut [L::Vector],
) {
    for (k, &tau) in tau.iter().enumerate().rev() {
        apply_one(l, &a[k * m..][..m], k, tau, columns);
    }
}

/// Applies reflector k, below the diagonal of its column, to columns of its length.
#[inline(always)]
fn apply_one<T: Real, L: Lanes<T>>(
    l: L,
    own: &[L::Vector],
    k: usize,
    tau: L::Vector,
    columns: &mut [L::Vector],
) {
    for column in columns.chunks_exact_mut(own.len()) {
        let (top, below) = column[k..].split_at_mut(1);
        reflect(l, tau, &own[k + 1..], &mut top[0], below);
    }
}
