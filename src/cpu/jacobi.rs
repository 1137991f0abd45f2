//! One-sided Jacobi sweeps on the columns of square matrices side by side (Hestenes; Demmel and
//! Veselic 1992; Drmac and Veselic 2008; LAPACK xGESVJ).

use crate::cpu::factor::exchange;
use crate::cpu::lanes::Lanes;
use crate::cpu::sums::dot;
use crate::planner::Convergence;
use crate::scalar::Real;

/// How the sweeps went, a number a lane.
pub(super) struct Sweeps<V> {
    pub sweeps: V,
    pub rotations: V,
    /// One where the last sweep was quiet, else zero.
    pub converged: V,
}

/// Rotates pairs of columns of the n x n matrices `x` until every pair is orthogonal, and the
/// columns of `j` along with them. `norms` is scratch.
///
/// Cyclic by rows, the larger column of each pair first: in this order (unlike the tournament's)
/// that is free and saves sweeps. Columns that are negligible stay as they are. Squared norms are
/// computed at the start of a sweep and updated by its rotations: a quiet sweep has seen true ones.
#[inline(always)]
pub(super) fn sweeps<T: Real, L: Lanes<T>>(
    l: L,
    x: &mut [L::Vector],
    j: &mut [L::Vector],
    n: usize,
    norms: &mut [L::Vector],
    convergence: &Convergence,
) -> Sweeps<L::Vector> {
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    let tolerance = l.splat(T::of(convergence.tolerance));
    let mut done = Sweeps {
        sweeps: zero,
        rotations: zero,
        converged: if n < 2 { one } else { zero },
    };
    for _ in 0..convergence.max_sweeps {
        let active = l.equal(done.converged, zero);
        if !l.any(active) {
            break;
        }
        for (norm, column) in norms.iter_mut().zip(x.chunks_exact(n)) {
            *norm = dot(l, column, column);
        }
        let before = done.rotations;
        for p in 0..n - 1 {
            let (head, tail) = x.split_at_mut((p + 1) * n);
            let xp = &mut head[p * n..];
            let (head, j_tail) = j.split_at_mut((p + 1) * n);
            let jp = &mut head[p * n..];
            let columns = tail.chunks_exact_mut(n).zip(j_tail.chunks_exact_mut(n));
            for (q, (xq, jq)) in (p + 1..n).zip(columns) {
                let pq = dot(l, xp, xq);
                let (pp, qq) = (norms[p], norms[q]);
                let swap = l.and(active, l.less(pp, qq));
                let (large, small) = (l.select(swap, qq, pp), l.select(swap, pp, qq));
                let needed = l.and(active, is_needed(l, large, small, pq, tolerance));
                if l.any(swap) {
                    exchange(l, swap, xp, xq);
                    exchange(l, swap, jp, jq);
                    (norms[p], norms[q]) = (large, small);
                }
                if !l.any(needed) {
                    continue;
                }
                let turn = rotation(l, large, small, pq, needed);
                done.rotations = l.add(done.rotations, l.select(needed, one, zero));
                rotate(l, xp, xq, &turn);
                rotate(l, jp, jq, &turn);
                let moved = l.mul(turn.t, pq);
                norms[p] = l.sub(large, moved);
                // Cancelled to nothing, it is still something: the next sweep computes it.
                let floor = l.mul(small, l.splat(T::of(T::DTYPE.unit_roundoff())));
                let left = l.add(small, moved);
                norms[q] = l.select(l.less(left, floor), floor, left);
            }
        }
        let quiet = l.equal(done.rotations, before);
        done.converged = l.select(l.and(active, quiet), one, done.converged);
        done.sweeps = l.select(active, l.add(done.sweeps, one), done.sweeps);
    }
    done
}

/// Whether a pair is neither orthogonal nor negligible. Norms are squared, the smaller last.
#[inline(always)]
fn is_needed<T: Real, L: Lanes<T>>(
    l: L,
    large: L::Vector,
    small: L::Vector,
    pq: L::Vector,
    tolerance: L::Vector,
) -> L::Mask {
    let negligible = l.splat(T::NEGLIGIBLE * T::NEGLIGIBLE);
    // Not sqrt(large * small): the product leaves the range.
    let bound = l.mul(tolerance, l.mul(l.sqrt(large), l.sqrt(small)));
    l.and(l.less(negligible, small), l.less(bound, l.abs(pq)))
}

/// A rotation a lane; none where it is not needed.
struct Rotation<V> {
    t: V,
    s: V,
    /// s / (1 + c)
    tau: V,
}

/// The rotation that makes a pair orthogonal.
#[inline(always)]
fn rotation<T: Real, L: Lanes<T>>(
    l: L,
    large: L::Vector,
    small: L::Vector,
    pq: L::Vector,
    needed: L::Mask,
) -> Rotation<L::Vector> {
    let (zero, one, two) = (l.splat(T::ZERO), l.splat(T::ONE), l.splat(T::ONE + T::ONE));
    let twice = l.select(needed, l.add(pq, pq), one);
    let zeta = l.div(l.sub(small, large), twice);
    // The smaller root of t^2 + 2 zeta t - 1; where zeta^2 would swallow the 1, or overflow, its
    // limit.
    let size = l.abs(zeta);
    let huge = l.less(l.splat(T::of(1e9)), size);
    let bounded = l.select(huge, one, size);
    let root = l.sqrt(l.mul_add(bounded, bounded, one));
    let t = l.div(one, l.select(huge, l.add(size, size), l.add(bounded, root)));
    let t = l.select(l.less(zeta, zero), l.sub(zero, t), t);
    let t = l.select(needed, t, zero);
    // From the tangent of half the angle, whatever its own error, the sine follows such that the
    // rotation is orthogonal: only the rounding of s is left.
    let tau = l.div(t, l.add(one, l.sqrt(l.mul_add(t, t, one))));
    let s = l.div(l.mul(two, tau), l.mul_add(tau, tau, one));
    Rotation { t, s, tau }
}

/// Rutishauser's form, which does not drift: after thousands of rotations the plain
/// x' = c x - s y is off by 100u where this one is off by 5u.
#[inline(always)]
fn rotate<T: Real, L: Lanes<T>>(
    l: L,
    x: &mut [L::Vector],
    y: &mut [L::Vector],
    turn: &Rotation<L::Vector>,
) {
    let (s, tau) = (turn.s, turn.tau);
    for (x, y) in x.iter_mut().zip(y) {
        let (a, b) = (*x, *y);
        *x = l.neg_mul_add(s, l.mul_add(tau, a, b), a);
        *y = l.mul_add(s, l.neg_mul_add(tau, b, a), b);
    }
}
