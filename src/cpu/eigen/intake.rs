//! From the caller's matrices to lanes: scaled, and symmetric or Hermitian.

use crate::cpu::head::Head;
use crate::cpu::intake::{copy, scale};
use crate::data::scalar::sealed::{Entry, Float};
use crate::data::scalar::{Real, Scalar};
use crate::data::triangle::Triangle;
use crate::data::view::View;
use crate::host::symmetry::asymmetry;
use crate::lanes::{Lanes, numbers};

/// The parts of entry (i, j) of n x n matrices of P planes a column.
#[inline(always)]
fn entry<V: Copy, const P: usize>(a: &[V], n: usize, [i, j]: [usize; 2]) -> [V; P] {
    std::array::from_fn(|k| a[(j * P + k) * n + i])
}

#[inline(always)]
fn put<V: Copy, const P: usize>(a: &mut [V], n: usize, [i, j]: [usize; 2], entry: [V; P]) {
    for k in 0..P {
        a[(j * P + k) * n + i] = entry[k];
    }
}

/// The conjugate of an entry.
#[inline(always)]
pub(super) fn conjugate<T: Real, L: Lanes<T>, const P: usize>(
    l: L,
    mut entry: [L::Vector; P],
) -> [L::Vector; P] {
    for part in &mut entry[1..] {
        *part = l.sub(l.splat(T::ZERO), *part);
    }
    entry
}

/// Takes n x n matrices of the caller's from `first` on, one for each head: all of their entries, or one triangle. Says how far
/// they are from Hermitian, and makes them so. `rows` is scratch of n vectors.
#[inline(always)]
pub(super) fn take<T: Scalar, L: Lanes<T::Real>, const P: usize>(
    l: L,
    (view, first, n): (&View<'_, T>, usize, usize),
    triangle: Triangle,
    a: &mut [L::Vector],
    heads: &mut [Head],
    asymmetries: &mut [f64],
    rows: &mut [L::Vector],
) {
    let zero = l.splat(T::Real::ZERO);
    if heads.len() < L::LANES {
        // Lanes without a matrix would be solved, too.
        a.fill(zero);
    }
    copy::<T, L>(view, first, heads.len(), [n, n], a);
    if triangle != Triangle::Mean {
        for j in 0..n {
            // The diagonal is real.
            for k in 1..P {
                a[(j * P + k) * n + j] = zero;
            }
            for i in 0..j {
                let (from, to) = match triangle {
                    Triangle::Lower => ([j, i], [i, j]),
                    _ => ([i, j], [j, i]),
                };
                let read = conjugate::<T::Real, L, P>(l, entry(a, n, from));
                put(a, n, to, read);
            }
        }
    }
    scale(l, a, n, heads, rows);

    asymmetries.fill(0.0);
    let mut apart = l.less(zero, zero);
    for j in 0..n {
        for k in 1..P {
            apart = l.or(apart, l.not(l.equal(a[(j * P + k) * n + j], zero)));
        }
        for i in 0..j {
            let upper: [L::Vector; P] = entry(a, n, [i, j]);
            let lower = conjugate::<T::Real, L, P>(l, entry(a, n, [j, i]));
            for k in 0..P {
                apart = l.or(apart, l.not(l.equal(upper[k], lower[k])));
            }
        }
    }
    if !l.any(apart) {
        return;
    }
    for (lane, to) in asymmetries.iter_mut().enumerate() {
        let wide = |i: usize, j: usize| {
            let parts =
                [0, P - 1].map(|k| numbers::<T::Real, _>(&a[(j * P + k) * n + i])[lane].f64());
            T::Wide::of_parts(parts)
        };
        *to = asymmetry(n, wide);
    }
    let half = l.splat(T::Real::of(0.5));
    for j in 0..n {
        for k in 1..P {
            a[(j * P + k) * n + j] = zero;
        }
        for i in 0..j {
            let upper: [L::Vector; P] = entry(a, n, [i, j]);
            let lower = conjugate::<T::Real, L, P>(l, entry(a, n, [j, i]));
            let mut mean = upper;
            for k in 0..P {
                mean[k] = l.mul(half, l.add(upper[k], lower[k]));
            }
            put(a, n, [i, j], mean);
            put(a, n, [j, i], conjugate::<T::Real, L, P>(l, mean));
        }
    }
}
