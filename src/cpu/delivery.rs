//! From lanes to what the caller gets: order, signs, scale, completion, and what could not be
//! represented. `gpu/delivery.rs` has the same conventions for one matrix at a time.

use crate::call::Call;
use crate::cpu::jacobi::Sweeps;
use crate::cpu::lanes::Lanes;
use crate::dense::householder::complete;
use crate::host::delivery::fix_signs;
use crate::host::intake::Head;
use crate::host::outputs::Outputs;
use crate::options::Vectors;
use crate::planner::Side;
use crate::report::{Outcome, Status};
use crate::scalar::Real;

/// What the kernels computed, in their own order of columns.
pub(super) struct Raw<'w, V, T> {
    pub heads: &'w [Head],
    pub done: Sweeps<V>,
    /// Row i of lane l of what was solved was the caller's row `order[l * m + i]`.
    pub order: &'w [u32],
    /// Column k of the pivoted matrix is column `pivots[k]` of the caller's.
    pub pivots: &'w [V],
    pub sigma: &'w [V],
    /// Value above which a singular value counts, a lane each.
    pub thresholds: &'w [T],
    pub u: &'w mut [V],
    pub v: &'w mut [V],
    pub composed: &'w [V],
}

/// Results of a power that is at most this are representable, and scaled exactly: singular values
/// lie between 2^-44 and 2^60 or so in f32, and far from both ends in f64.
const MODERATE: i32 = 60;

/// Writes the results of a group into its outputs.
#[inline(always)]
pub(super) fn deliver<T: Real, L: Lanes<T>>(
    l: L,
    call: &Call<'_, T>,
    raw: Raw<'_, L::Vector, T>,
    scratch: &mut [L::Vector],
    maps: &mut [u32],
    out: Outputs<'_, T>,
) {
    let problem = &call.problem;
    let (m, n, lanes) = (problem.rows, problem.cols, L::LANES);
    let sizes = &call.sizes;
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));

    // Where each column goes: after all larger ones, and after equal ones before it.
    for (c, to) in scratch.iter_mut().enumerate().take(n) {
        let mut place = zero;
        for (other, &sigma) in raw.sigma.iter().enumerate() {
            let before = match other < c {
                true => l.not(l.less(sigma, raw.sigma[c])),
                false => l.less(raw.sigma[c], sigma),
            };
            place = l.add(place, l.select(before, one, zero));
        }
        *to = place;
    }
    let (places, pivots) = maps.split_at_mut(n * lanes);
    by_lane::<T, L>(&scratch[..n], places);
    by_lane::<T, L>(raw.pivots, pivots);

    let wants_vectors = problem.vectors != Vectors::None;
    if wants_vectors {
        // The factor that is the caller's V decides the signs.
        let (leading, length, partner, partner_length) = match problem.transposed {
            true => (&mut *raw.u, m, &mut *raw.v, n),
            false => (&mut *raw.v, n, &mut *raw.u, m),
        };
        let rows = match problem.transposed {
            true => {
                let rows: &mut [T] = bytemuck::cast_slice_mut(&mut scratch[..m]);
                for (lane, order) in raw.order.chunks_exact(m).enumerate() {
                    for (i, &from) in order.iter().enumerate() {
                        rows[i * lanes + lane] = T::of(f64::from(from));
                    }
                }
                &scratch[..m]
            }
            false => raw.pivots,
        };
        for (c, column) in leading.chunks_exact_mut(length).enumerate() {
            let flip = negative::<T, L>(l, column, rows);
            if !l.any(flip) {
                continue;
            }
            negate(l, flip, column);
            if c < n {
                negate(
                    l,
                    flip,
                    &mut partner[c * partner_length..][..partner_length],
                );
            }
        }
    }

    let sigma: &[T] = bytemuck::cast_slice(raw.sigma);
    let converged: &[T] = bytemuck::cast_slice(std::slice::from_ref(&raw.done.converged));
    let sweeps: &[T] = bytemuck::cast_slice(std::slice::from_ref(&raw.done.sweeps));
    let rotations: &[T] = bytemuck::cast_slice(std::slice::from_ref(&raw.done.rotations));

    if wants_vectors {
        let place = |lane: usize, c: usize| match c < n {
            true => places[lane * n + c] as usize,
            false => c,
        };
        let count = out.outcomes.len();
        scatter::<T, L>(raw.u, m, raw.order, place, out.u, sizes.u, count);
        scatter::<T, L>(raw.v, n, pivots, place, out.v, sizes.v, count);
    }

    for (lane, outcome) in out.outcomes.iter_mut().enumerate() {
        let Head { power, finite } = raw.heads[lane];
        let sigma = || sigma[lane..].iter().step_by(lanes);
        let values = &mut out.sigma[lane * sizes.sigma..][..sizes.sigma];
        let composed = &mut out.composed[lane * sizes.composed..][..sizes.composed];
        let threshold = raw.thresholds[lane];
        if !finite {
            out.u[lane * sizes.u..][..sizes.u].fill(T::NAN);
            out.v[lane * sizes.v..][..sizes.v].fill(T::NAN);
            values.fill(T::NAN);
            composed.fill(T::NAN);
            *outcome = Outcome {
                status: Status::NonFinite,
                ..Outcome::PENDING
            };
            continue;
        }
        let mut representable = true;
        // A call that composes is judged by its composition: nobody sees its singular values.
        let composes = problem.composed.is_some();
        let (mut rank, mut known) = (0, 0);
        let moderate = power.abs() <= MODERATE;
        let factor = T::ONE.ldexp(if moderate { -power } else { 0 });
        for (c, &scaled) in sigma().enumerate() {
            let place = places[lane * n + c] as usize;
            let counts = scaled > threshold && scaled > T::ZERO;
            rank += u32::from(counts);
            known += usize::from(scaled > T::ZERO);
            if moderate {
                values[place] = scaled * factor;
                continue;
            }
            let value = scaled.ldexp(-power);
            values[place] = value;
            let vanished = value == T::ZERO && counts;
            representable &= composes || (value.finite() && !vanished);
        }
        if wants_vectors && known < n {
            let (u, v) = (
                &mut out.u[lane * sizes.u..][..sizes.u],
                &mut out.v[lane * sizes.v..][..sizes.v],
            );
            complete(v, n, known);
            match problem.transposed {
                true => fix_signs(u, m, v, n),
                false => fix_signs(v, n, u, m),
            }
        }
        if let Some((left, right)) = problem.composed {
            let row = |side, index: usize| match side {
                Side::U => raw.order[lane * m + index],
                Side::V => pivots[lane * n + index],
            };
            let entries: &[T] = bytemuck::cast_slice(raw.composed);
            let power = -call.filter.degree() * power;
            let factor = T::ONE.ldexp(if moderate { power } else { 0 });
            let length = problem.side(left);
            let (mut before, mut after) = (T::ZERO, T::ZERO);
            for (c, column) in entries.chunks_exact(length * lanes).enumerate() {
                let to = &mut composed[row(right, c) as usize * length..][..length];
                for (i, &entry) in column[lane..].iter().step_by(lanes).enumerate() {
                    let scaled = match moderate {
                        true => entry * factor,
                        false => entry.ldexp(power),
                    } + T::ZERO;
                    to[row(left, i) as usize] = scaled;
                    representable &= scaled.finite();
                    before = larger(entry.abs(), before);
                    after = larger(scaled.abs(), after);
                }
            }
            representable &= before == T::ZERO || after >= T::MIN_POSITIVE_NORMAL;
        }
        *outcome = Outcome {
            status: match (representable, converged[lane] == T::ONE) {
                (false, _) => Status::NotRepresentable,
                (true, false) => Status::NotConverged,
                (true, true) => Status::Converged,
            },
            sweeps: sweeps[lane].index(),
            rotations: rotations[lane].index(),
            rank,
        };
    }
}

fn larger<T: Real>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// Whole numbers of n vectors, lane after lane.
#[inline(always)]
fn by_lane<T: Real, L: Lanes<T>>(vectors: &[L::Vector], numbers: &mut [u32]) {
    let entries: &[T] = bytemuck::cast_slice(vectors);
    for (c, entries) in entries.chunks_exact(L::LANES).enumerate() {
        for (lane, entry) in entries.iter().enumerate() {
            numbers[lane * vectors.len() + c] = entry.index();
        }
    }
}

/// Copies columns of `len` from lanes to their places, and entry i to row `rows[lane * len + i]`.
#[inline(always)]
fn scatter<T: Real, L: Lanes<T>>(
    vectors: &[L::Vector],
    len: usize,
    rows: &[u32],
    place: impl Fn(usize, usize) -> usize,
    out: &mut [T],
    size: usize,
    count: usize,
) {
    let lanes = L::LANES;
    let entries: &[T] = bytemuck::cast_slice(vectors);
    for (c, column) in entries.chunks_exact(len * lanes).enumerate() {
        let rows = rows.chunks_exact(len).take(count);
        for (lane, rows) in rows.enumerate() {
            let to = &mut out[lane * size + place(lane, c) * len..][..len];
            for (i, &row) in rows.iter().enumerate() {
                // No negative zeros: neighbours decide whether a zero was rotated.
                to[row as usize] = column[i * lanes + lane] + T::ZERO;
            }
        }
    }
}

/// Where the entry of largest magnitude, the first of the caller's on ties, is negative. `rows` are
/// the caller's rows of the entries.
#[inline(always)]
fn negative<T: Real, L: Lanes<T>>(l: L, column: &[L::Vector], rows: &[L::Vector]) -> L::Mask {
    let zero = l.splat(T::ZERO);
    let (mut best, mut largest, mut at) = (zero, zero, zero);
    for (&entry, &row) in column.iter().zip(rows) {
        let size = l.abs(entry);
        let earlier = l.and(l.equal(size, largest), l.less(row, at));
        let better = l.or(l.less(largest, size), earlier);
        best = l.select(better, entry, best);
        largest = l.select(better, size, largest);
        at = l.select(better, row, at);
    }
    l.less(best, zero)
}

#[inline(always)]
fn negate<T: Real, L: Lanes<T>>(l: L, chosen: L::Mask, column: &mut [L::Vector]) {
    for entry in column {
        *entry = l.select(chosen, l.sub(l.splat(T::ZERO), *entry), *entry);
    }
}
