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

/// Rows of pairs that go at once: their columns wait in the cache while the others pass by, and one
/// pair hides the latency of the other.
const MOST_ROWS: usize = 4;
/// Bytes of the columns of X and J, of those that wait and of those that pass: what fits a first
/// level of 32 to 48 KiB.
const NEAR: usize = 40 << 10;

/// The distance of columns of 2n rows: odd, so that they spread over the cache.
pub(super) fn stride(n: usize) -> usize {
    2 * n + 1
}

/// Rotates pairs of columns until every pair is orthogonal in its first n rows, and the n rows below
/// along with them: X above, J below, columns a [`stride`] apart. `norms` is scratch.
///
/// The larger column of each pair comes first: in cyclic order (unlike the tournament's) that is
/// free and saves sweeps. Columns that are negligible stay as they are. Squared norms are computed
/// at the start of a sweep and updated by its rotations: a quiet sweep has seen true ones.
#[inline(always)]
pub(super) fn sweeps<T: Real, L: Lanes<T>>(
    l: L,
    columns: &mut [L::Vector],
    n: usize,
    norms: &mut [L::Vector],
    convergence: &Convergence,
) -> Sweeps<L::Vector> {
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    let mut state = State {
        columns,
        norms,
        n,
        rotated: zero,
        active: l.equal(zero, zero),
        tolerance: l.splat(T::of(convergence.tolerance)),
        graded: l.splat(T::ONE.ldexp(GRADED)),
        roundoff: l.splat(T::of(T::DTYPE.unit_roundoff())),
    };
    let (mut sweeps, mut rotations) = (zero, zero);
    let mut converged = if n < 2 { one } else { zero };
    let pair = 4 * n * size_of::<L::Vector>();
    let rows = (NEAR / pair).clamp(1, MOST_ROWS);
    for _ in 0..convergence.max_sweeps {
        state.active = l.equal(converged, zero);
        if !l.any(state.active) {
            break;
        }
        for (norm, column) in state
            .norms
            .iter_mut()
            .zip(state.columns.chunks_exact(stride(n)))
        {
            *norm = dot(l, &column[..n], &column[..n]);
        }
        // Counted anew in every sweep: a total in f32 stands still beyond 2^24, and would look quiet.
        state.rotated = zero;
        sweep(l, &mut state, rows);
        rotations = l.add(rotations, state.rotated);
        let quiet = l.equal(state.rotated, zero);
        converged = l.select(l.and(state.active, quiet), one, converged);
        sweeps = l.select(state.active, l.add(sweeps, one), sweeps);
    }
    Sweeps {
        sweeps,
        rotations,
        converged,
    }
}

struct State<'s, V, M> {
    columns: &'s mut [V],
    norms: &'s mut [V],
    n: usize,
    /// Pairs that the sweep under way has rotated.
    rotated: V,
    /// Matrices that are not done.
    active: M,
    tolerance: V,
    graded: V,
    roundoff: V,
}

/// One sweep, cyclic by rows: (0, 1), (0, 2), .., (1, 2), ...
///
/// Some rows of pairs go at once, each one column behind the row before: pairs at the same time
/// share no column, and every column meets the others in the same order as row by row, so that
/// the numbers are the same (Luk and Park 1989), but passes through the cache once for all rows.
#[inline(always)]
fn sweep<T: Real, L: Lanes<T>>(l: L, state: &mut State<'_, L::Vector, L::Mask>, rows: usize) {
    let n = state.n;
    for first in (0..n - 1).step_by(rows) {
        let rows = rows.min(n - 1 - first);
        for time in first + 1..n + rows - 1 {
            let mut i = (time + 1).saturating_sub(n);
            let end = rows.min((time - first - 1) / 2 + 1);
            let pair = |i: usize| (first + i, time - i);
            while i + 4 <= end {
                meet(l, state, [pair(i), pair(i + 1), pair(i + 2), pair(i + 3)]);
                i += 4;
            }
            if i + 2 <= end {
                meet(l, state, [pair(i), pair(i + 1)]);
                i += 2;
            }
            if i < end {
                meet(l, state, [pair(i)]);
            }
        }
    }
}

/// Makes pairs of columns orthogonal where they are not, the larger first.
#[inline(always)]
fn meet<T: Real, L: Lanes<T>, const K: usize>(
    l: L,
    state: &mut State<'_, L::Vector, L::Mask>,
    pairs: [(usize, usize); K],
) {
    let n = state.n;
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    let none = l.less(zero, zero);
    let (mut large, mut small) = ([zero; K], [zero; K]);
    let (mut swap, mut turns) = (
        [none; K],
        [Rotation {
            t: zero,
            s: zero,
            tau: zero,
        }; K],
    );
    let mut tests = [Test {
        size: zero,
        cosine: zero,
        needed: none,
    }; K];
    let mut products = [zero; K];
    let (mut any_swap, mut any_turn) = (none, none);
    for k in 0..K {
        let (p, q) = pairs[k];
        let (p, q) = (p * stride(n), q * stride(n));
        products[k] = dot(l, &state.columns[p..][..n], &state.columns[q..][..n]);
    }
    for k in 0..K {
        let (p, q) = pairs[k];
        let (pp, qq) = (state.norms[p], state.norms[q]);
        swap[k] = l.and(state.active, l.less(pp, qq));
        large[k] = l.select(swap[k], qq, pp);
        small[k] = l.select(swap[k], pp, qq);
        tests[k] = test(
            l,
            large[k],
            small[k],
            products[k],
            state.tolerance,
            state.graded,
        );
        tests[k].needed = l.and(state.active, tests[k].needed);
        any_swap = l.or(any_swap, swap[k]);
        any_turn = l.or(any_turn, tests[k].needed);
    }
    if l.any(any_swap) {
        for k in 0..K {
            let (p, q) = pairs[k];
            if l.any(swap[k]) {
                let (xp, xq) = two(state.columns, n, p, q);
                exchange(l, swap[k], xp, xq);
                (state.norms[p], state.norms[q]) = (large[k], small[k]);
            }
        }
    }
    if !l.any(any_turn) {
        return;
    }
    for k in 0..K {
        turns[k] = rotation(l, &tests[k]);
        let count = l.select(tests[k].needed, one, zero);
        state.rotated = l.add(state.rotated, count);
    }
    for k in 0..K {
        let (p, q) = pairs[k];
        let (xp, xq) = two(state.columns, n, p, q);
        rotate(l, xp, xq, &turns[k]);
        let moved = l.mul(turns[k].t, products[k]);
        state.norms[p] = l.sub(large[k], moved);
        // Cancelled to nothing, it is still something: the next sweep computes it.
        let floor = l.mul(small[k], state.roundoff);
        let left = l.add(small[k], moved);
        state.norms[q] = l.select(l.less(left, floor), floor, left);
    }
}

#[inline(always)]
fn two<V>(columns: &mut [V], n: usize, p: usize, q: usize) -> (&mut [V], &mut [V]) {
    let (left, right) = columns.split_at_mut(q * stride(n));
    (&mut left[p * stride(n)..][..2 * n], &mut right[..2 * n])
}

/// What is known of a pair before it is rotated, over the larger squared norm.
#[derive(Clone, Copy)]
struct Test<V, M> {
    /// The smaller squared norm.
    size: V,
    /// The product of the columns.
    cosine: V,
    needed: M,
}

/// Below this ratio of squared norms, in binary digits, the square of a tolerance times it might
/// leave the range of f32; of f64 sooner than needed.
const GRADED: i32 = -70;

/// Whether a pair is neither orthogonal nor negligible. Norms are squared.
#[inline(always)]
fn test<T: Real, L: Lanes<T>>(
    l: L,
    large: L::Vector,
    small: L::Vector,
    product: L::Vector,
    tolerance: L::Vector,
    graded: L::Vector,
) -> Test<L::Vector, L::Mask> {
    let one = l.splat(T::ONE);
    let alive = l.less(l.splat(T::NEGLIGIBLE * T::NEGLIGIBLE), small);
    let inverse = l.div(one, l.select(alive, large, one));
    let (size, cosine) = (l.mul(small, inverse), l.mul(product, inverse));
    let bound = l.mul(l.mul(tolerance, tolerance), size);
    let mut oblique = l.less(bound, l.mul(cosine, cosine));
    let graded = l.and(alive, l.less(size, graded));
    if l.any(graded) {
        // Squares of ratios may be nothing; and sqrt(large * small) would leave the range too.
        let bound = l.mul(tolerance, l.mul(l.sqrt(large), l.sqrt(small)));
        let exact = l.less(bound, l.abs(product));
        oblique = l.or(l.and(graded, exact), l.and(l.not(graded), oblique));
    }
    Test {
        size,
        cosine,
        needed: l.and(alive, oblique),
    }
}

/// A rotation a lane; none where it is not needed.
#[derive(Clone, Copy)]
struct Rotation<V> {
    t: V,
    s: V,
    /// s / (1 + c)
    tau: V,
}

/// The rotation that makes a pair orthogonal.
#[inline(always)]
fn rotation<T: Real, L: Lanes<T>>(l: L, test: &Test<L::Vector, L::Mask>) -> Rotation<L::Vector> {
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    let needed = test.needed;
    // The smaller root of t^2 + 2 zeta t - 1 with zeta = (small - large) / (2 product), everything
    // over large: nothing overflows, and what underflows does not matter.
    let difference = l.sub(one, test.size);
    let twice = l.select(needed, l.add(test.cosine, test.cosine), one);
    let root = l.sqrt(l.mul_add(difference, difference, l.mul(twice, twice)));
    let t = l.div(twice, l.add(difference, root));
    let t = l.select(needed, l.sub(zero, t), zero);
    // From the tangent of half the angle, whatever its own error, the sine follows such that the
    // rotation is orthogonal: only the rounding of s is left.
    let tau = l.div(t, l.add(one, l.sqrt(l.mul_add(t, t, one))));
    let s = l.div(l.add(tau, tau), l.mul_add(tau, tau, one));
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
