//! Eigenvalues and eigenvectors, from lanes to their places, and what the report says of them.

use crate::cpu::field::Field;
use crate::cpu::head::Head;
use crate::data::outcome::{Outcome, Status};
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::host::delivery::{NON_FINITE, status};
use crate::host::outputs::Outputs;
use crate::host::symmetry::asymmetric;
use crate::lanes::{Lanes, numbers, numbers_mut};
use crate::planner::eigen_error;

/// How a method ended, a number a lane.
pub(super) struct Ended<V> {
    pub sweeps: V,
    pub rotations: V,
    /// One, or zero.
    pub converged: V,
}

/// Which place column c of a lane has: `places[lane * n + c]`, or c.
#[inline(always)]
fn place(places: Option<&[u32]>, n: usize, lane: usize, c: usize) -> usize {
    match places {
        Some(places) => places[lane * n + c] as usize,
        None => c,
    }
}

/// Fixes the phases of a vector in each lane. No zero is negative.
#[inline(always)]
fn fix<T: Real, L: Lanes<T>>(l: L, f: impl Field, vector: &mut [L::Vector]) {
    f.fix_phase(l, vector, None, &mut []);
    for part in vector {
        *part = l.add(*part, l.splat(T::ZERO));
    }
}

/// Copies the vector of a lane.
#[inline(always)]
fn write<T: Scalar, L: Lanes<T::Real>, const P: usize>(
    vector: &[L::Vector],
    lane: usize,
    to: &mut [T],
) {
    let n = to.len();
    for (r, to) in to.iter_mut().enumerate() {
        let part = |k: usize| numbers::<T::Real, _>(&vector[k * n + r])[lane];
        *to = T::of_parts([part(0), part(P - 1)]);
    }
}

/// Delivers the vectors of matrices side by side: columns of P planes.
#[inline(always)]
pub(super) fn vectors<T: Scalar, L: Lanes<T::Real>, const P: usize>(
    l: L,
    f: impl Field,
    n: usize,
    columns: &mut [L::Vector],
    places: Option<&[u32]>,
    to: &mut [T],
) {
    for (c, column) in columns.chunks_exact_mut(P * n).enumerate() {
        fix::<T::Real, L>(l, f, column);
        for (lane, to) in to.chunks_exact_mut(n * n).enumerate() {
            let to = &mut to[place(places, n, lane, c) * n..][..n];
            write::<T, L, P>(column, lane, to);
        }
    }
}

/// Delivers the vectors of one matrix, a column a lane: as many at once as fill the vectors, from strips of as many rows, of which
/// each has its planes, of n vectors each. `column` is scratch.
#[inline(always)]
pub(super) fn vectors_of_one<T: Scalar, W: Lanes<T::Real>, const P: usize>(
    w: W,
    f: impl Field,
    n: usize,
    strips: &[W::Vector],
    places: &[u32],
    column: &mut [W::Vector],
    to: &mut [T],
) {
    for first in (0..n).step_by(W::LANES) {
        let some = W::LANES.min(n - first);
        for (row, strip) in strips.chunks_exact(P * n).enumerate() {
            let rows = W::LANES.min(n - row * W::LANES);
            for p in 0..P {
                let own = &strip[p * n + first..][..some];
                let to = &mut column[p * n + row * W::LANES..][..rows];
                for (lane, from) in own.iter().enumerate() {
                    let from = &numbers::<T::Real, _>(from)[..rows];
                    for (to, &number) in to.iter_mut().zip(from) {
                        numbers_mut::<T::Real, _>(to)[lane] = number;
                    }
                }
            }
        }
        fix::<T::Real, W>(w, f, column);
        for lane in 0..some {
            let place = places[first + lane] as usize;
            write::<T, W, P>(column, lane, &mut to[place * n..][..n]);
        }
    }
}

/// Delivers values and outcomes. What is not finite has neither values nor vectors.
#[inline(always)]
pub(super) fn values<T: Scalar, L: Lanes<T::Real>>(
    l: L,
    values: &[L::Vector],
    ended: &Ended<L::Vector>,
    places: Option<&[u32]>,
    heads: &[Head],
    asymmetries: &mut [f64],
    outputs: Outputs<'_, T>,
) {
    let n = values.len();
    let (zero, one) = (l.splat(T::Real::ZERO), l.splat(T::Real::ONE));
    let mut largest = zero;
    for &value in values {
        let size = l.abs(value);
        largest = l.select(l.less(largest, size), size, largest);
    }
    let error = eigen_error(T::DTYPE, n);
    let (mut back, mut rest, mut rounded) = (one, one, zero);
    for (lane, head) in heads.iter().enumerate() {
        let undone = Head {
            power: -head.power,
            finite: true,
        };
        [numbers_mut(&mut back)[lane], numbers_mut(&mut rest)[lane]] = undone.factors::<T::Real>();
        if head.power > 3 * T::Real::TARGET {
            let smallest = (0.5 * T::DTYPE.smallest()).ldexp(head.power);
            numbers_mut(&mut rounded)[lane] = T::Real::of(smallest);
        }
    }
    // By default those count that are above the bound on their errors.
    let threshold = l.mul_add(largest, l.splat(T::Real::of(error)), rounded);
    let mut rank = zero;
    for &value in values {
        rank = l.add(rank, l.select(l.less(threshold, l.abs(value)), one, zero));
    }

    let largest_back = l.mul(l.mul(largest, back), rest);
    for (c, &value) in values.iter().enumerate() {
        let value = l.mul(l.mul(value, back), rest);
        let to = outputs.sigma.chunks_exact_mut(n);
        let each = numbers::<T::Real, _>(&value).iter();
        for (lane, (to, &value)) in to.zip(each).enumerate() {
            // No zero is negative.
            to[place(places, n, lane, c)] = value + T::Real::ZERO;
        }
    }
    for (lane, outcome) in outputs.outcomes.iter_mut().enumerate() {
        let Head { power, finite } = heads[lane];
        let of = |vector: &L::Vector| numbers::<T::Real, _>(vector)[lane];
        if !finite {
            outputs.sigma[lane * n..][..n].fill(T::Real::NAN);
            if !outputs.v.is_empty() {
                outputs.v[lane * n * n..][..n * n].fill(T::nan());
            }
            asymmetries[lane] = f64::NAN;
            *outcome = NON_FINITE;
            continue;
        }
        let representable = of(&largest_back).finite();
        let converged = of(&ended.converged) == T::Real::ONE;
        let mut status = status(representable, converged);
        let apart = asymmetries[lane];
        if status == Status::Converged && apart > 0.0 && asymmetric(T::DTYPE, n, apart) {
            status = Status::NotSymmetric;
        }
        let error = (error * of(&largest).f64()).ldexp(-power);
        let error = match converged {
            // An eigenvalue that is subnormal is rounded once more.
            true => error + 0.5 * T::DTYPE.smallest(),
            false => f64::INFINITY,
        };
        *outcome = Outcome {
            status,
            sweeps: of(&ended.sweeps).index(),
            rotations: of(&ended.rotations).index(),
            rank: of(&rank).index(),
            sigma_error: error,
        };
    }
}
