//! Eigenvalues and eigenvectors of small symmetric and Hermitian matrices, one a lane: Jacobi's two-sided rotations (Golub
//! and Van Loan, 8.5). Real 2x2 and 3x3 matrices stay in registers from the first entry to the last.
//!
//! A rotation sets one entry to zero, exactly, and rounds the others in relation to the two entries that they come from. So
//! eigenvalues that are nearly equal need no care: |A V - V L| and V'V - I are a few units of rounding, of |A| and of one. A
//! closed formula loses half of the digits there. Sweeps end when each off-diagonal entry is below a quarter of a unit of
//! rounding (by default) of the smaller diagonal entry beside it, or negligible.

// Entries are named by row and column.
#![allow(clippy::needless_range_loop)]

use crate::cpu::eigen::Task;
use crate::cpu::eigen::delivery::{self, Ended};
use crate::cpu::eigen::intake::{self, conjugate};
use crate::cpu::field::{Field, Rotation};
use crate::cpu::head::Head;
use crate::cpu::intake::MOST_LANES;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::lanes::{Kernel, Lanes, Two};
use crate::planner::Convergence;

/// The tolerance of a call is divided by this: the last rotations cost little, and small eigenvalues keep more digits.
const SHARPER: f64 = 16.0;

/// The sizes that there are kernels for. From 2x2 to 8x8 they are 8 to 2 times as fast as the way by singular values, most
/// of which is its preparation.
macro_rules! sizes {
    ($($n:literal),+) => {
        #[inline(always)]
        pub(super) fn solve<T: Scalar, F: Field, const P: usize, const VECTORS: bool>(
            f: F,
            task: Task<'_, '_, T>,
        ) {
            match task.call.view.cols() {
                $($n => T::Real::dispatch(true, Known::<T, F, $n, P, VECTORS>(f, task)),)+
                _ => {}
            }
        }
    };
}

sizes!(2, 3, 4, 5, 6, 7, 8);

/// A task on N x N matrices, whose entries have P parts.
struct Known<'t, 'v, T: Scalar, F, const N: usize, const P: usize, const VECTORS: bool>(
    F,
    Task<'t, 'v, T>,
);

impl<T: Scalar, F: Field, const N: usize, const P: usize, const VECTORS: bool> Kernel<T::Real>
    for Known<'_, '_, T, F, N, P, VECTORS>
{
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T::Real>>(self, l: L) {
        // Two groups at once hide the latency of each other.
        let l = Two(l);
        let Known(f, task) = self;
        for own in task.groups(Two::<L>::LANES) {
            group::<T, Two<L>, N, P, VECTORS>(l, f, own);
        }
    }
}

/// Part k of entry (i, j) of each matrix at [j][k][i]: columns of one or two planes.
type Square<V, const N: usize, const P: usize> = [[[V; N]; P]; N];

/// The parts of entry (i, j).
#[inline(always)]
fn entry<V: Copy, const N: usize, const P: usize>(
    a: &Square<V, N, P>,
    [i, j]: [usize; 2],
) -> [V; P] {
    std::array::from_fn(|k| a[j][k][i])
}

/// Puts entry (i, j) where it is.
#[inline(always)]
fn put<V: Copy, const N: usize, const P: usize>(
    a: &mut Square<V, N, P>,
    [i, j]: [usize; 2],
    entry: [V; P],
) {
    for k in 0..P {
        a[j][k][i] = entry[k];
    }
}

/// Rotates two entries of one row.
#[inline(always)]
fn turned<T: Real, L: Lanes<T>, const P: usize>(
    l: L,
    turn: &Rotation<L::Vector>,
    x: [L::Vector; P],
    y: [L::Vector; P],
) -> [[L::Vector; P]; 2] {
    if P == 1 {
        let (x, y) = turn.of(l, x[0], y[0]);
        return [[x; P], [y; P]];
    }
    let (x, y) = turn.of_complex(l, [x[0], x[P - 1]], [y[0], y[P - 1]]);
    [x, y].map(|number| std::array::from_fn(|k| number[k]))
}

/// Solves as many matrices as there are places for: at most a lane each.
#[inline(always)]
fn group<T: Scalar, L: Lanes<T::Real>, const N: usize, const P: usize, const VECTORS: bool>(
    l: L,
    f: impl Field,
    task: Task<'_, '_, T>,
) {
    let Task {
        call,
        triangle,
        first,
        outputs,
        asymmetries,
        ..
    } = task;
    let zero = l.splat(T::Real::ZERO);
    let mut a = [[[zero; N]; P]; N];
    let mut heads = [Head::EMPTY; MOST_LANES];
    let heads = &mut heads[..asymmetries.len()];
    let flat = a.as_flattened_mut().as_flattened_mut();
    let matrices = (&call.view, first, N);
    intake::take::<T, L, P>(
        l,
        matrices,
        triangle,
        flat,
        heads,
        asymmetries,
        &mut [zero; N],
    );
    let convergence = &call.task.convergence;
    let mut found = diagonalise::<T::Real, L, N, P, VECTORS>(l, f, a, convergence);
    sort::<T::Real, L, N, P, VECTORS>(l, &mut found.values, &mut found.vectors);
    if VECTORS {
        let columns = found.vectors.as_flattened_mut().as_flattened_mut();
        delivery::vectors::<T, L, P>(l, f, N, columns, None, outputs.v);
    }
    let (values, ended) = (&found.values, &found.ended);
    delivery::values::<T, L>(l, values, ended, None, heads, asymmetries, outputs);
}

struct Found<V, const N: usize, const P: usize> {
    values: [V; N],
    /// Columns.
    vectors: Square<V, N, P>,
    ended: Ended<V>,
}

/// Jacobi's method, of matrices whose upper triangle is at [j][k][i], i < j; with or without vectors.
#[inline(always)]
fn diagonalise<T: Real, L: Lanes<T>, const N: usize, const P: usize, const VECTORS: bool>(
    l: L,
    f: impl Field,
    mut a: Square<L::Vector, N, P>,
    convergence: &Convergence,
) -> Found<L::Vector, N, P> {
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    let tolerance = l.splat(T::of(convergence.tolerance / SHARPER));
    let negligible = l.splat(T::NEGLIGIBLE);
    let mut v = [[[zero; N]; P]; N];
    for (c, column) in v.iter_mut().enumerate() {
        column[0][c] = one;
    }
    let (mut sweeps, mut rotations, mut converged) = (zero, zero, zero);
    for _ in 0..convergence.max_sweeps {
        let active = l.equal(converged, zero);
        if !l.any(active) {
            break;
        }
        let mut rotated = zero;
        for p in 0..N - 1 {
            for q in p + 1..N {
                let own = entry(&a, [p, q]);
                let (x, y) = (a[p][0][p], a[q][0][q]);
                // Of complex entries, the size: q is turned back by the phase, rotated, and turned again.
                let (z, phase) = f.polar(l, [own[0], own[P - 1]]);
                let (large, small) = (l.abs(x), l.abs(y));
                let small = l.select(l.less(large, small), large, small);
                let bound = l.mul(tolerance, small);
                let bound = l.select(l.less(bound, negligible), negligible, bound);
                let needed = l.and(active, l.less(bound, l.abs(z)));
                if !l.any(needed) {
                    continue;
                }
                rotated = l.add(rotated, l.select(needed, one, zero));
                // t = tan, the smaller root of t^2 + 2 zeta t - 1, zeta = (y - x) / (2 z).
                let (difference, twice) = (l.sub(y, x), l.add(z, z));
                let root = l.sqrt(l.mul_add(difference, difference, l.mul(twice, twice)));
                let sum = l.select(
                    l.less(difference, zero),
                    l.sub(difference, root),
                    l.add(difference, root),
                );
                let t = l.div(twice, l.select(needed, sum, one));
                let t = l.select(needed, t, zero);
                let c = l.div(one, l.sqrt(l.mul_add(t, t, one)));
                let s = l.mul(t, c);
                let tau = l.div(s, l.add(one, c));
                let turn = Rotation { t, s, tau, phase };
                a[p][0][p] = l.neg_mul_add(t, z, x);
                a[q][0][q] = l.mul_add(t, z, y);
                for k in 0..P {
                    a[q][k][p] = l.select(needed, zero, own[k]);
                }
                for r in 0..N {
                    if r != p && r != q {
                        let [g, h] = [p, q].map(|c| [c.min(r), c.max(r)]);
                        // Below the diagonal are the conjugates.
                        let [mut x, mut y] = [entry(&a, g), entry(&a, h)];
                        if p < r {
                            x = conjugate(l, x);
                        }
                        if q < r {
                            y = conjugate(l, y);
                        }
                        [x, y] = turned(l, &turn, x, y);
                        if p < r {
                            x = conjugate(l, x);
                        }
                        if q < r {
                            y = conjugate(l, y);
                        }
                        put(&mut a, g, x);
                        put(&mut a, h, y);
                    }
                    if VECTORS {
                        let [x, y] = [entry(&v, [r, p]), entry(&v, [r, q])];
                        let [x, y] = turned(l, &turn, x, y);
                        put(&mut v, [r, p], x);
                        put(&mut v, [r, q], y);
                    }
                }
            }
        }
        rotations = l.add(rotations, rotated);
        let quiet = l.equal(rotated, zero);
        converged = l.select(l.and(active, quiet), one, converged);
        sweeps = l.select(active, l.add(sweeps, one), sweeps);
    }
    let mut values = [zero; N];
    for (c, value) in values.iter_mut().enumerate() {
        *value = a[c][0][c];
    }
    Found {
        values,
        vectors: v,
        ended: Ended {
            sweeps,
            rotations,
            converged,
        },
    }
}

/// Sorts eigenvalues, ascending, with their vectors.
#[inline(always)]
fn sort<T: Real, L: Lanes<T>, const N: usize, const P: usize, const VECTORS: bool>(
    l: L,
    values: &mut [L::Vector; N],
    vectors: &mut Square<L::Vector, N, P>,
) {
    for last in (1..N).rev() {
        for i in 0..last {
            let wrong = l.less(values[i + 1], values[i]);
            if !l.any(wrong) {
                continue;
            }
            let (low, high) = (values[i], values[i + 1]);
            values[i] = l.select(wrong, high, low);
            values[i + 1] = l.select(wrong, low, high);
            for k in 0..if VECTORS { P } else { 0 } {
                for r in 0..N {
                    let (low, high) = (vectors[i][k][r], vectors[i + 1][k][r]);
                    vectors[i][k][r] = l.select(wrong, high, low);
                    vectors[i + 1][k][r] = l.select(wrong, low, high);
                }
            }
        }
    }
}
