//! One-sided Jacobi sweeps on the columns of a square matrix (Hestenes; Demmel and Veselic 1992;
//! Drmac and Veselic 2008; LAPACK xGESVJ).

use crate::dense::sums::gram;
use crate::planner::Convergence;
use crate::scalar::Real;

/// How the sweeps of a matrix went.
pub(crate) struct Sweeps {
    pub sweeps: u32,
    pub rotations: u32,
    /// Whether the last sweep was quiet.
    pub converged: bool,
}

/// Rotates pairs of columns of the n x n matrix `x` until every pair is orthogonal, and the
/// columns of `j` along with them.
///
/// Cyclic by rows, the larger column of each pair first: in this order (unlike the tournament's)
/// that is free and saves sweeps. Columns that are negligible stay as they are.
pub(crate) fn sweeps<T: Real>(
    x: &mut [T],
    j: &mut [T],
    n: usize,
    convergence: &Convergence,
) -> Sweeps {
    let tolerance = T::of(convergence.tolerance);
    let mut done = Sweeps {
        sweeps: 0,
        rotations: 0,
        converged: n < 2,
    };
    while !done.converged && done.sweeps < convergence.max_sweeps {
        let before = done.rotations;
        for p in 0..n - 1 {
            for q in p + 1..n {
                let (xp, xq) = pair(x, n, p, q);
                let [mut pp, mut qq, pq] = gram(xp, xq);
                if qq > pp {
                    xp.swap_with_slice(xq);
                    let (jp, jq) = pair(j, n, p, q);
                    jp.swap_with_slice(jq);
                    (pp, qq) = (qq, pp);
                }
                if let Some((s, tau)) = rotation(pp, qq, pq, tolerance) {
                    done.rotations = done.rotations.saturating_add(1);
                    let (xp, xq) = pair(x, n, p, q);
                    rotate(xp, xq, s, tau);
                    let (jp, jq) = pair(j, n, p, q);
                    rotate(jp, jq, s, tau);
                }
            }
        }
        done.sweeps += 1;
        done.converged = done.rotations == before;
    }
    done
}

fn pair<T>(x: &mut [T], n: usize, p: usize, q: usize) -> (&mut [T], &mut [T]) {
    let (left, right) = x.split_at_mut(q * n);
    (&mut left[p * n..(p + 1) * n], &mut right[..n])
}

/// The rotation that makes a pair orthogonal, as (s, tau) with tau = s / (1 + c), or `None` if it is so already
/// or if a column is negligible.
fn rotation<T: Real>(pp: T, qq: T, pq: T, tolerance: T) -> Option<(T, T)> {
    let negligible = T::NEGLIGIBLE * T::NEGLIGIBLE;
    if pp <= negligible || qq <= negligible {
        return None;
    }
    // Not sqrt(pp * qq): the product leaves the range.
    if pq.abs() <= tolerance * pp.sqrt() * qq.sqrt() {
        return None;
    }
    let two = T::ONE + T::ONE;
    let zeta = (qq - pp) / (two * pq);
    // The smaller root of t^2 + 2 zeta t - 1; where zeta^2 would swallow the 1, or overflow, its
    // limit.
    let huge = T::of(1e9);
    let t = if zeta.abs() > huge {
        T::ONE / (two * zeta)
    } else {
        let root = (T::ONE + zeta * zeta).sqrt();
        if zeta >= T::ZERO {
            T::ONE / (zeta + root)
        } else {
            T::ONE / (zeta - root)
        }
    };
    // From the tangent of half the angle, whatever its own error, the sine follows such that the
    // rotation is orthogonal: only the rounding of s is left.
    let tau = t / (T::ONE + (T::ONE + t * t).sqrt());
    let s = (tau + tau) / (T::ONE + tau * tau);
    Some((s, tau))
}

/// Rutishauser's form, which does not drift: after thousands of rotations the plain
/// x' = c x - s y is off by 100u where this one is off by 5u.
fn rotate<T: Real>(x: &mut [T], y: &mut [T], s: T, tau: T) {
    for (x, y) in x.iter_mut().zip(y) {
        let (a, b) = (*x, *y);
        *x = a - s * (b + tau * a);
        *y = b + s * (a - tau * b);
    }
}
