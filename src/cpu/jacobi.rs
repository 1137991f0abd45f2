//! One-sided Jacobi sweeps on the columns of square matrices side by side (Hestenes; Demmel and
//! Veselic 1992; Drmac and Veselic 2008; LAPACK xGESVJ).

use crate::cpu::field::{Field, Number, Rotation};
use crate::cpu::sums::dot;
use crate::data::scalar::Real;
use crate::lanes::memory::LINE;
use crate::lanes::{Lanes, exchange, numbers, numbers_mut};
use crate::planner::Convergence;

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
/// Columns of one matrix up to which its rotations are found one by one: putting them side by side
/// takes longer there (a fifth at 8x8; at 16x16 the two are equal, at 128x128 it is twice as fast).
const FEW: usize = 12;
/// Bytes of the columns of X and J, of those that wait and of those that pass: what fits a first
/// level of 32 to 48 KiB.
const NEAR: usize = 40 << 10;

/// Whether the rotations of one matrix are found side by side: never in wide lanes, for which
/// `meet_alone` is not even compiled.
#[inline(always)]
fn alone<T, L: Lanes<T>>(n: usize) -> bool {
    L::LANES == 1 && n > FEW
}

/// The distance of columns of so many vectors: whole lines of the cache, an odd number of them, so that columns spread
/// over it.
pub(super) fn stride<V>(height: usize) -> usize {
    let lines = (height * size_of::<V>()).div_ceil(LINE) | 1;
    lines * LINE / size_of::<V>()
}

/// Rotates pairs of columns until every pair is orthogonal in its first n rows, and the rows below
/// along with them: of a `height` in all, with all their planes, and a [`stride`] apart. `norms` is scratch.
///
/// The larger column of each pair comes first: in cyclic order (unlike the tournament's) that is
/// free and saves sweeps. Columns that are negligible stay as they are. Squared norms are computed
/// at the start of a sweep and updated by its rotations: a quiet sweep has seen true ones.
#[inline(always)]
pub(super) fn sweeps<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    columns: &mut [L::Vector],
    n: usize,
    height: usize,
    norms: &mut [L::Vector],
    convergence: &Convergence,
) -> Sweeps<L::Vector> {
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    let mut state = State {
        columns,
        norms,
        n,
        height,
        rotated: zero,
        active: l.equal(zero, zero),
        tolerance: l.splat(T::of(convergence.tolerance)),
        roundoff: l.splat(T::of(T::DTYPE.unit_roundoff())),
    };
    let (mut sweeps, mut rotations) = (zero, zero);
    let mut converged = if n < 2 { one } else { zero };
    let column = f.vectors(height);
    let pair = 2 * column * size_of::<L::Vector>();
    let most = if alone::<T, L>(n) {
        L::Wide::LANES
    } else {
        MOST_ROWS
    };
    let rows = (NEAR / pair).clamp(1, most);
    for _ in 0..convergence.max_sweeps {
        state.active = l.equal(converged, zero);
        if !l.any(state.active) {
            break;
        }
        for (norm, column) in state
            .norms
            .iter_mut()
            .zip(state.columns.chunks_exact(stride::<L::Vector>(column)))
        {
            let x = &column[..f.vectors(n)];
            *norm = dot(l, x, x);
        }
        // Counted anew in every sweep: a total in f32 stands still beyond 2^24, and would look quiet.
        state.rotated = zero;
        sweep(l, f, &mut state, rows);
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
    height: usize,
    /// Pairs that the sweep under way has rotated.
    rotated: V,
    /// Matrices that are not done.
    active: M,
    tolerance: V,
    roundoff: V,
}

/// One sweep, cyclic by rows: (0, 1), (0, 2), .., (1, 2), ...
///
/// Some rows of pairs go at once, each one column behind the row before: pairs at the same time
/// share no column, and every column meets the others in the same order as row by row, so that
/// the numbers are the same (Luk and Park 1989), but passes through the cache once for all rows.
#[inline(always)]
fn sweep<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    state: &mut State<'_, L::Vector, L::Mask>,
    rows: usize,
) {
    let n = state.n;
    for first in (0..n - 1).step_by(rows) {
        let rows = rows.min(n - 1 - first);
        for time in first + 1..n + rows - 1 {
            let mut i = (time + 1).saturating_sub(n);
            let end = rows.min((time - first - 1) / 2 + 1);
            let pair = |i: usize| (first + i, time - i);
            if alone::<T, L>(n) {
                meet_alone(l, f, state, pair(i), end.saturating_sub(i));
                continue;
            }
            if f.planes() > 1 {
                // Four pairs of complex columns are too much code.
                while i + 2 <= end {
                    meet(l, f, state, [pair(i), pair(i + 1)]);
                    i += 2;
                }
            } else {
                while i + 4 <= end {
                    meet(
                        l,
                        f,
                        state,
                        [pair(i), pair(i + 1), pair(i + 2), pair(i + 3)],
                    );
                    i += 4;
                }
                if i + 2 <= end {
                    meet(l, f, state, [pair(i), pair(i + 1)]);
                    i += 2;
                }
            }
            if i < end {
                meet(l, f, state, [pair(i)]);
            }
        }
    }
}

/// Makes pairs of columns orthogonal where they are not, the larger first.
#[inline(always)]
fn meet<T: Real, L: Lanes<T>, const K: usize>(
    l: L,
    f: impl Field,
    state: &mut State<'_, L::Vector, L::Mask>,
    pairs: [(usize, usize); K],
) {
    let (n, height) = (state.n, f.vectors(state.height));
    let stride = stride::<L::Vector>(height);
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    let none = l.less(zero, zero);
    let (mut large, mut small) = ([zero; K], [zero; K]);
    let (mut swap, mut turns) = (
        [none; K],
        [Rotation {
            t: zero,
            s: zero,
            tau: zero,
            phase: [one, zero],
        }; K],
    );
    let mut turning = [none; K];
    let (mut products, mut phases) = ([zero; K], [[one, zero]; K]);
    let (mut any_swap, mut any_turn) = (none, none);
    for k in 0..K {
        let (p, q) = pairs[k];
        let (p, q) = (p * stride, q * stride);
        let (p, q) = (&state.columns[p..], &state.columns[q..]);
        let product = f.product(l, &p[..f.vectors(n)], &q[..f.vectors(n)]);
        (products[k], phases[k]) = f.polar(l, product);
    }
    for k in 0..K {
        let (p, q) = pairs[k];
        let (pp, qq) = (state.norms[p], state.norms[q]);
        swap[k] = l.and(state.active, l.less(pp, qq));
        large[k] = l.select(swap[k], qq, pp);
        small[k] = l.select(swap[k], pp, qq);
        let needed = needed(l, small[k], products[k], state.tolerance);
        turning[k] = l.and(state.active, needed);
        any_swap = l.or(any_swap, swap[k]);
        any_turn = l.or(any_turn, turning[k]);
    }
    if !l.any(any_turn) {
        if l.any(any_swap) {
            for k in 0..K {
                let (p, q) = pairs[k];
                let (xp, xq) = two(state.columns, height, p, q);
                exchange(l, swap[k], xp, xq);
                (state.norms[p], state.norms[q]) = (large[k], small[k]);
            }
        }
        return;
    }
    for k in 0..K {
        let norms = [large[k], small[k], products[k]];
        let pair = Pair::new(l, turning[k], norms, state.tolerance);
        // Exchanged, the product of two columns is conjugated.
        let [re, im] = phases[k];
        let phase = [re, l.select(swap[k], l.sub(zero, im), im)];
        turns[k] = rotation(l, turning[k], &pair, phase);
        let count = l.select(pair.oblique, one, zero);
        state.rotated = l.add(state.rotated, count);
    }
    for k in 0..K {
        let (p, q) = pairs[k];
        let (xp, xq) = two(state.columns, height, p, q);
        match l.any(swap[k]) {
            true => f.rotate_exchanged(l, swap[k], xp, xq, n, &turns[k]),
            false => f.rotate(l, xp, xq, n, &turns[k]),
        }
        let moved = l.mul(turns[k].t, products[k]);
        (state.norms[p], state.norms[q]) = turned(l, large[k], small[k], moved, state.roundoff);
    }
}

/// `meet` of one matrix: `count` pairs, each a column further in from both sides than the one before,
/// and their rotations side by side in the machine's vectors.
#[inline(always)]
fn meet_alone<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    state: &mut State<'_, L::Vector, L::Mask>,
    outermost: (usize, usize),
    count: usize,
) {
    let w = l.wide();
    let (n, height) = (state.n, f.vectors(state.height));
    let stride = stride::<L::Vector>(height);
    let (zero, one) = (w.splat(T::ZERO), w.splat(T::ONE));
    let pair = |k: usize| (outermost.0 + k, outermost.1 - k);
    let (mut product, mut pp, mut qq) = ([zero; 2], zero, zero);
    for k in 0..count {
        let (p, q) = pair(k);
        let (x, y) = (p * stride, q * stride);
        let (x, y) = (&state.columns[x..], &state.columns[y..]);
        let found = f.product(l, &x[..f.vectors(n)], &y[..f.vectors(n)]);
        for (part, found) in product.iter_mut().zip(&found).take(f.planes()) {
            numbers_mut::<T, _>(part)[k] = numbers(found)[0];
        }
        numbers_mut::<T, _>(&mut pp)[k] = numbers(&state.norms[p])[0];
        numbers_mut::<T, _>(&mut qq)[k] = numbers(&state.norms[q])[0];
    }
    let (product, [re, im]) = f.polar(w, product);
    let swap = w.less(pp, qq);
    let phase = [re, w.select(swap, w.sub(zero, im), im)];
    let (large, small) = (w.select(swap, qq, pp), w.select(swap, pp, qq));
    let [tolerance, roundoff] = [state.tolerance, state.roundoff].map(|v| numbers(&v)[0]);
    let tolerance = w.splat(tolerance);
    let turning = needed(w, small, product, tolerance);
    if !w.any(w.or(swap, turning)) {
        return;
    }
    let found = Pair::new(w, turning, [large, small, product], tolerance);
    let turn = rotation(w, turning, &found, phase);
    let (above, below) = turned(w, large, small, w.mul(turn.t, product), w.splat(roundoff));
    let [swap, turning, oblique] =
        [swap, turning, found.oblique].map(|mask| w.select(mask, one, zero));
    for k in 0..count {
        let (p, q) = pair(k);
        let of = |vector: &<L::Wide as Lanes<T>>::Vector| numbers::<T, _>(vector)[k];
        (state.norms[p], state.norms[q]) = (l.splat(of(&above)), l.splat(of(&below)));
        let (x, y) = two(state.columns, height, p, q);
        if of(&swap) == T::ONE {
            x.swap_with_slice(y);
        }
        if of(&turning) == T::ONE {
            let turn = Rotation {
                t: of(&turn.t),
                s: of(&turn.s),
                tau: of(&turn.tau),
                phase: [of(&turn.phase[0]), of(&turn.phase[1])],
            };
            let (x, y) = (bytemuck::cast_slice_mut(x), bytemuck::cast_slice_mut(y));
            f.rotate_alone(w, x, y, n, &turn);
            state.rotated = l.add(state.rotated, l.splat(of(&oblique)));
        }
    }
}

/// Squared norms after a rotation that moved so much from the larger to the smaller.
#[inline(always)]
fn turned<T: Real, L: Lanes<T>>(
    l: L,
    large: L::Vector,
    small: L::Vector,
    moved: L::Vector,
    roundoff: L::Vector,
) -> (L::Vector, L::Vector) {
    // Cancelled to nothing, it is still something: the next sweep computes it.
    let floor = l.mul(small, roundoff);
    let left = l.add(small, moved);
    (
        l.sub(large, moved),
        l.select(l.less(left, floor), floor, left),
    )
}

#[inline(always)]
fn two<V>(columns: &mut [V], height: usize, p: usize, q: usize) -> (&mut [V], &mut [V]) {
    let stride = stride::<V>(height);
    let (left, right) = columns.split_at_mut(q * stride);
    (&mut left[p * stride..][..height], &mut right[..height])
}

/// Whether a pair is neither negligible nor as good as it can be made. Norms are squared.
///
/// An error of the cosine c moves the smaller column, of norm d, by c D / d of its size along the larger, of
/// norm D: harmless to singular values, but not to solutions where columns differ much in size. So it is
/// c D / d that the tolerance bounds here.
#[inline(always)]
fn needed<T: Real, L: Lanes<T>>(
    l: L,
    small: L::Vector,
    product: L::Vector,
    tolerance: L::Vector,
) -> L::Mask {
    let alive = l.less(l.splat(T::NEGLIGIBLE * T::NEGLIGIBLE), small);
    l.and(alive, l.less(l.mul(tolerance, small), l.abs(product)))
}

/// A pair that is rotated, in units that keep the squares in range.
#[derive(Clone, Copy)]
struct Pair<V, M> {
    /// The squared norms.
    large: V,
    small: V,
    /// The product of the columns.
    product: V,
    /// Whether the cosine is above the tolerance: such a pair counts against convergence.
    oblique: M,
}

impl<V: Copy, M: Copy> Pair<V, M> {
    /// Norms are squared; the smaller is not negligible, where `needed`.
    #[inline(always)]
    fn new<T: Real, L: Lanes<T, Vector = V, Mask = M>>(
        l: L,
        needed: M,
        [large, small, product]: [V; 3],
        tolerance: V,
    ) -> Self {
        let balance = l.splat(T::BALANCE);
        let mut pair = Pair {
            large: l.mul(large, balance),
            small: l.mul(small, balance),
            product: l.mul(product, balance),
            oblique: needed,
        };
        let square = l.mul(pair.product, pair.product);
        let bound = l.mul(l.mul(l.mul(tolerance, tolerance), pair.large), pair.small);
        let oblique = l.less(bound, square);
        let graded = l.and(needed, l.less(pair.small, l.splat(T::GRADED)));
        if !l.any(graded) {
            pair.oblique = l.and(needed, oblique);
            return pair;
        }
        // The square or the bound may be nothing; and sqrt(large * small) would leave the range too.
        let bound = l.mul(tolerance, l.mul(l.sqrt(large), l.sqrt(small)));
        let exact = l.less(bound, l.abs(product));
        let oblique = l.or(l.and(graded, exact), l.and(l.not(graded), oblique));
        // Over the larger norm, what underflows does not matter.
        let inverse = l.div(l.splat(T::ONE), l.select(needed, large, l.splat(T::ONE)));
        pair.large = l.select(graded, l.splat(T::ONE), pair.large);
        pair.small = l.select(graded, l.mul(small, inverse), pair.small);
        pair.product = l.select(graded, l.mul(product, inverse), pair.product);
        pair.oblique = l.and(needed, oblique);
        pair
    }
}

/// The rotation that makes a pair orthogonal.
#[inline(always)]
fn rotation<T: Real, L: Lanes<T>>(
    l: L,
    needed: L::Mask,
    pair: &Pair<L::Vector, L::Mask>,
    phase: Number<L::Vector>,
) -> Rotation<L::Vector> {
    // The smaller root of t^2 + 2 zeta t - 1 with zeta = (small - large) / (2 product).
    let difference = l.sub(pair.large, pair.small);
    let twice = l.add(pair.product, pair.product);
    let root = l.sqrt(l.mul_add(difference, difference, l.mul(twice, twice)));
    let t = l.div(twice, l.add(difference, root));
    let zero = l.splat(T::ZERO);
    let t = l.select(needed, l.sub(zero, t), zero);
    // From the tangent of half the angle, whatever its own error, the sine follows such that the
    // rotation is orthogonal: only the rounding of s is left.
    let tau = half_angle(l, t);
    let s = l.mul(l.add(tau, tau), inverse_of_one_plus(l, l.mul(tau, tau)));
    Rotation { t, s, tau, phase }
}

/// tan(a / 2) from t = tan(a), |t| <= 1, to 3e-6 (f32) or 1e-11 (f64) of it: what an angle misses, a
/// later rotation makes up for.
///
/// t / (1 + sqrt(1 + t^2)) takes a root and a division, each as long as all of this. The polynomial has the least
/// relative error of those that begin with 1/2.
#[inline(always)]
fn half_angle<T: Real, L: Lanes<T>>(l: L, t: L::Vector) -> L::Vector {
    let ratio = polynomial(l, l.mul(t, t), &HALF_ANGLE);
    let tau = l.mul(t, ratio);
    if size_of::<T>() == 4 {
        return tau;
    }
    // A step of Newton's for t tau^2 + 2 tau - t, whose derivative is 2 / cos(a).
    let square = l.mul(tau, tau);
    let one = l.splat(T::ONE);
    let cosine = l.mul(l.sub(one, square), inverse_of_one_plus(l, square));
    let off = l.neg_mul_add(t, l.sub(one, square), l.add(tau, tau));
    l.neg_mul_add(l.mul(off, l.splat(T::of(0.5))), cosine, tau)
}

/// 1 / (1 + y) for 0 <= y <= tan(pi / 8)^2, to the roundoff.
#[inline(always)]
fn inverse_of_one_plus<T: Real, L: Lanes<T>>(l: L, y: L::Vector) -> L::Vector {
    let one = l.splat(T::ONE);
    let inverse = polynomial(l, y, &INVERSE);
    if size_of::<T>() == 4 {
        return inverse;
    }
    // A step of Newton's.
    let off = l.neg_mul_add(l.add(one, y), inverse, one);
    l.mul_add(inverse, off, inverse)
}

/// 1 / (1 + sqrt(1 + x)), 0 <= x <= 1, lowest power first: within 2.4e-6 of it, and exact for small angles, which
/// no later rotation makes up for.
const HALF_ANGLE: [f64; 6] = [
    0.5,
    -0.124_943_330_707_624_02,
    0.061_616_444_987_006_86,
    -0.034_385_292_200_928_86,
    0.015_481_814_995_080_358,
    -0.003_557_032_720_179_322_3,
];

/// 1 / (1 + y), 0 <= y <= 0.1716, lowest power first: within 4e-10.
const INVERSE: [f64; 7] = [
    0.9999999996960944,
    -0.9999998261369696,
    0.999983643463983,
    -0.9994178156368094,
    0.9899967716383653,
    -0.9094750196453658,
    0.5682088241188704,
];

#[inline(always)]
fn polynomial<T: Real, L: Lanes<T>, const N: usize>(
    l: L,
    x: L::Vector,
    coefficients: &[f64; N],
) -> L::Vector {
    let mut sum = l.splat(T::ZERO);
    for &coefficient in coefficients.iter().rev() {
        sum = l.mul_add(sum, x, l.splat(T::of(coefficient)));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Kernel;

    /// The rotation, (s, tau), of a pair with these squared norms and product.
    struct Find<T>([T; 3]);

    impl<T: Real> Kernel<T> for Find<T> {
        type Output = [f64; 2];

        fn run<L: Lanes<T>>(self, l: L) -> [f64; 2] {
            let [large, small, product] = self.0.map(|x| l.splat(x));
            let tolerance = l.splat(T::ZERO);
            let needed = needed(l, small, product, tolerance);
            let pair = Pair::new(l, needed, [large, small, product], tolerance);
            let turn = rotation(l, needed, &pair, [l.splat(T::ONE), l.splat(T::ZERO)]);
            [turn.s, turn.tau].map(|v| numbers::<T, _>(&v)[0].f64())
        }
    }

    /// `angle`: how much may be left of a product.
    fn turns<T: Real>(angle: f64) {
        let scale = 2f64.powi(T::TARGET);
        for ratio in [1.0, 0.9, 0.5, 1e-3, 1e-6, T::GRADED.f64().sqrt()] {
            for cosine in [0.99f64, 0.5, 1e-3, 1e-6] {
                for sign in [1.0, -1.0] {
                    let [p, q] = [scale, ratio * scale].map(|x| x * scale);
                    let pair = [p, q, sign * cosine * p.sqrt() * q.sqrt()].map(T::of);
                    let [p, q, pq] = pair.map(|x| x.f64());
                    let [s, tau] = T::dispatch(true, Find(pair));
                    let c = 1.0 - s * tau;
                    let norm = (c * c + s * s - 1.0).abs();
                    assert!(
                        norm <= 4.0 * T::DTYPE.unit_roundoff(),
                        "norm off by {norm:e}"
                    );
                    let left = c * s * (p - q) + (c * c - s * s) * pq;
                    let off = (left / pq).abs();
                    assert!(off <= angle, "{ratio:e} {cosine:e}: {off:e} is left");
                }
            }
        }
    }

    #[test]
    fn rotations_are_orthogonal_to_the_roundoff_and_take_nearly_all_of_a_product() {
        turns::<f32>(1e-5);
        turns::<f64>(1e-10);
    }
}
