//! From lanes to what the caller gets: order, signs, scale, completion, and what could not be
//! represented. `shaders/deliver.wgsl` has the same conventions.

use crate::cpu::field::Field;
use crate::cpu::head::Head;
use crate::cpu::intake::{self, MOST_LANES};
use crate::cpu::jacobi::Sweeps;
use crate::data::factor::Factor;
use crate::data::outcome::{Outcome, Status};
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::dense::householder::complete;
use crate::host::call::Call;
use crate::host::delivery::{NON_FINITE, fix_signs, status};
use crate::host::outputs::Outputs;
use crate::lanes::{Lanes, exchange, numbers, numbers_mut};
use crate::planner::Problem;
use crate::planner::Vectors;

/// Columns of at most so many rows are put in the caller's order in lanes; of longer ones each entry
/// finds its place while it is written out, by an order that intake leaves for those alone.
pub(super) const SHORT: usize = intake::NETWORK;

/// Where the rows of lanes belong in the caller's matrices.
#[derive(Clone, Copy)]
pub(super) enum Rows<'w, V> {
    /// Where they are.
    InPlace,
    /// Row i of lane l is row `by_lane[l * len + i]`, which is entry l of `vectors[i]`.
    Elsewhere {
        by_lane: &'w [u32],
        vectors: &'w [V],
    },
}

/// What the kernels computed, singular values in order.
pub(super) struct Raw<'w, V> {
    /// The first matrix' index in the call.
    pub first: usize,
    pub heads: &'w [Head],
    /// Of right-hand sides, those of one matrix after those of another.
    pub rhs_heads: &'w [Head],
    pub done: Sweeps<V>,
    pub u_rows: Rows<'w, V>,
    pub v_rows: Rows<'w, V>,
    pub sigma: &'w mut [V],
    /// The number of singular values that count, a lane each.
    pub rank: V,
    pub u: &'w mut [V],
    pub v: &'w mut [V],
    pub composed: &'w mut [V],
}

/// Results of a power that is at most this are representable, and scaled exactly: singular values
/// lie between 2^-44 and 2^60 or so in f32, and far from both ends in f64.
const MODERATE: i32 = 60;

/// Sorts singular values with their vectors, largest first, equal ones as they were: by
/// transpositions of neighbours (Knuth, volume 3, 5.3.4), hardly any, since sweeps put the larger
/// column first.
#[inline(always)]
pub(super) fn sort<T: Real, L: Lanes<T>>(
    l: L,
    sigma: &mut [L::Vector],
    (u, u_len): (&mut [L::Vector], usize),
    (v, v_len): (&mut [L::Vector], usize),
) {
    let n = sigma.len();
    let mut quiet = 0;
    for round in 0..n {
        let mut moved = false;
        for i in (round % 2..n - 1).step_by(2) {
            let wrong = l.less(sigma[i], sigma[i + 1]);
            if !l.any(wrong) {
                continue;
            }
            moved = true;
            swap(l, wrong, sigma, 1, i);
            swap(l, wrong, v, v_len, i);
            if !u.is_empty() {
                swap(l, wrong, u, u_len, i);
            }
        }
        quiet = if moved { 0 } else { quiet + 1 };
        if quiet == 2 {
            break;
        }
    }
}

/// Exchanges the chosen lanes of columns i and i + 1 of length `len`.
#[inline(always)]
fn swap<T: Real, L: Lanes<T>>(
    l: L,
    chosen: L::Mask,
    columns: &mut [L::Vector],
    len: usize,
    i: usize,
) {
    let (low, high) = columns[i * len..][..2 * len].split_at_mut(len);
    exchange(l, chosen, low, high);
}

/// Puts row i of columns of `len` where `rows[i]` says, if they are short, and tells whether they
/// are; and no zero stays negative, since neighbours decide whether one was rotated.
#[inline(always)]
pub(super) fn restore<T: Real, L: Lanes<T>>(
    l: L,
    columns: &mut [L::Vector],
    len: usize,
    rows: &[L::Vector],
) -> bool {
    if len > SHORT {
        return false;
    }
    let (some, rest) = columns.split_at_mut(columns.len() - columns.len() % (4 * len));
    for columns in some.chunks_exact_mut(4 * len) {
        restore_some::<T, L, 4>(l, columns, len, rows);
    }
    for column in rest.chunks_exact_mut(len) {
        restore_some::<T, L, 1>(l, column, len, rows);
    }
    true
}

/// `restore` of C columns, whose comparisons are the same.
#[inline(always)]
fn restore_some<T: Real, L: Lanes<T>, const C: usize>(
    l: L,
    columns: &mut [L::Vector],
    len: usize,
    rows: &[L::Vector],
) {
    let zero = l.splat(T::ZERO);
    let mut from = [[zero; C]; SHORT];
    for (i, from) in from.iter_mut().enumerate().take(len) {
        for c in 0..C {
            from[c] = columns[c * len + i];
        }
    }
    for i in 0..len {
        let here = l.splat(T::of(i as f64));
        let mut found = from[0];
        for k in 1..len {
            let wanted = l.equal(rows[k], here);
            for c in 0..C {
                found[c] = l.select(wanted, from[k][c], found[c]);
            }
        }
        for c in 0..C {
            columns[c * len + i] = l.add(found[c], zero);
        }
    }
}

/// Writes the results of a group into its outputs.
#[inline(always)]
pub(super) fn deliver<T: Scalar, L: Lanes<T::Real>>(
    l: L,
    f: impl Field,
    call: &Call<'_, T>,
    problem: &Problem,
    raw: Raw<'_, L::Vector>,
    out: Outputs<'_, T>,
) {
    let (m, n, lanes) = (problem.rows, problem.cols, L::LANES);
    let sizes = &problem.sizes();
    let (zero, one) = (l.splat(T::Real::ZERO), l.splat(T::Real::ONE));
    let count = out.outcomes.len();

    let wants_vectors = problem.vectors != Vectors::None;
    if wants_vectors {
        let (leading, length, rows, partner, partner_length) = match problem.signs_by_u {
            true => (&mut *raw.u, m, raw.u_rows, &mut *raw.v, n),
            false => (&mut *raw.v, n, raw.v_rows, &mut *raw.u, m),
        };
        let (length, partner_length) = (f.vectors(length), f.vectors(partner_length));
        let mut partners = partner.chunks_exact_mut(partner_length);
        for column in leading.chunks_exact_mut(length) {
            // There is none beyond n, and where the vectors of one side are alone.
            let partner = partners.next().unwrap_or_default();
            let vectors = match rows {
                Rows::InPlace => None,
                Rows::Elsewhere { vectors, .. } => Some(vectors),
            };
            f.fix_phase(l, column, vectors, partner);
        }
        write::<T, L>(raw.u, m, raw.u_rows, out.u, sizes.u, count);
        write::<T, L>(raw.v, n, raw.v_rows, out.v, sizes.v, count);
    }

    let mut known = zero;
    for &sigma in raw.sigma.iter() {
        known = l.add(known, l.select(l.less(zero, sigma), one, zero));
    }
    let mut largest = zero;
    for &entry in raw.composed.iter() {
        let size = l.abs(entry);
        largest = l.select(l.less(largest, size), size, largest);
    }
    let mut back = one;
    for (back, head) in numbers_mut(&mut back).iter_mut().zip(raw.heads) {
        if head.power.abs() <= MODERATE {
            *back = T::Real::power_of_two(-head.power);
        }
    }
    for (c, &sigma) in raw.sigma.iter().enumerate() {
        let scaled = l.mul(sigma, back);
        let values = out.sigma.chunks_exact_mut(sizes.sigma);
        for (values, &scaled) in values.zip(numbers::<T::Real, _>(&scaled)) {
            values[c] = scaled;
        }
    }

    if let (Some((left, right)), None) = (problem.composed, problem.rhs) {
        let mut factor = one;
        for (lane, head) in raw.heads.iter().enumerate() {
            let power = call.task.lift(raw.first + lane, head.power);
            if power.abs() <= MODERATE {
                numbers_mut(&mut factor)[lane] = T::Real::power_of_two(power);
            }
        }
        for entry in raw.composed.iter_mut() {
            *entry = l.add(l.mul(*entry, factor), zero);
        }
        let rows = |side| match side {
            Factor::U => raw.u_rows,
            Factor::V => raw.v_rows,
        };
        let (length, width) = (problem.side(left), problem.side(right));
        match (rows(left), rows(right)) {
            (Rows::InPlace, Rows::InPlace) => write::<T, L>(
                raw.composed,
                length,
                Rows::InPlace,
                out.composed,
                sizes.composed,
                count,
            ),
            (left, right) => {
                let entries: &[T::Real] = bytemuck::cast_slice(raw.composed);
                let matrices = out.composed.chunks_exact_mut(sizes.composed);
                for (lane, to) in matrices.enumerate() {
                    for (plane, column) in entries.chunks_exact(length * lanes).enumerate() {
                        let (c, part) = (plane / T::PARTS, plane % T::PARTS);
                        let c = right.of(lane, width, c);
                        let to: &mut [T::Real] =
                            bytemuck::cast_slice_mut(&mut to[c * length..][..length]);
                        let column = column[lane..].iter().step_by(lanes);
                        for (i, &entry) in column.enumerate() {
                            to[left.of(lane, length, i) * T::PARTS + part] = entry;
                        }
                    }
                }
            }
        }
    }

    let (ranks, known) = (whole(l, raw.rank), whole(l, known));
    let (sweeps, rotations) = (whole(l, raw.done.sweeps), whole(l, raw.done.rotations));
    for (lane, outcome) in out.outcomes.iter_mut().enumerate() {
        let Head { power, finite } = raw.heads[lane];
        let values = &mut out.sigma[lane * sizes.sigma..][..sizes.sigma];
        let composed = &mut out.composed[lane * sizes.composed..][..sizes.composed];
        let u = &mut out.u[lane * sizes.u..][..sizes.u];
        let v = &mut out.v[lane * sizes.v..][..sizes.v];
        if !finite {
            no_numbers([u, v, composed], values);
            *outcome = NON_FINITE;
            continue;
        }
        let of = |vector: &L::Vector| numbers::<T::Real, _>(vector)[lane];
        let (rank, known) = (ranks[lane], known[lane] as usize);
        let mut representable = true;
        let moderate = power.abs() <= MODERATE;
        // A call that composes is judged by its composition: nobody sees its singular values.
        let composes = problem.composed.is_some();
        if !moderate {
            let sigma: &[T::Real] = bytemuck::cast_slice(raw.sigma);
            let kept = scaled_back(&sigma[lane..], lanes, power, rank, values);
            representable &= composes || kept;
        }
        if wants_vectors && known < n {
            completed(problem, u, v, known);
        }
        let mut sound = true;
        if let (Some((left, _)), Some(rhs)) = (problem.composed, problem.rhs) {
            let rows = match left {
                Factor::U => raw.u_rows,
                Factor::V => raw.v_rows,
            };
            let heads = &raw.rhs_heads[lane * rhs..][..rhs];
            sound = heads.iter().all(|head| head.finite);
            let lift = call.task.lift(raw.first + lane, power);
            let entries: &[T::Real] = bytemuck::cast_slice(raw.composed);
            let solution = Solution {
                entries: &entries[lane..],
                lanes,
                length: problem.side(left),
            };
            representable &=
                solution.write(|i| rows.of(lane, solution.length, i), heads, lift, composed);
        } else if composes {
            let power = call.task.lift(raw.first + lane, power);
            let largest = of(&largest);
            representable &= match power.abs() <= MODERATE {
                true => kept(largest, largest * T::Real::power_of_two(power)),
                false => lifted(composed, power, largest),
            };
        }
        let converged = of(&raw.done.converged) == T::Real::ONE;
        *outcome = Outcome {
            status: match sound {
                true => status(representable, converged),
                false => Status::NonFinite,
            },
            sweeps: sweeps[lane],
            rotations: rotations[lane],
            rank,
            sigma_error: match converged {
                true => problem.sigma_error_of(of(&raw.sigma[0]).f64().ldexp(-power)),
                false => f64::INFINITY,
            },
        };
    }
}

/// What a matrix gets that is not finite.
#[cold]
#[inline(never)]
fn no_numbers<T: Scalar>(places: [&mut [T]; 3], values: &mut [T::Real]) {
    values.fill(T::Real::NAN);
    for place in places {
        bytemuck::cast_slice_mut::<T, T::Real>(place).fill(T::Real::NAN);
    }
}

/// Singular values, every so many numbers one, times 2^-power, which is large; and whether each can be represented.
#[cold]
#[inline(never)]
fn scaled_back<T: Real>(
    sigma: &[T],
    lanes: usize,
    power: i32,
    rank: u32,
    values: &mut [T],
) -> bool {
    let mut representable = true;
    for (c, (value, sigma)) in values
        .iter_mut()
        .zip(sigma.iter().step_by(lanes))
        .enumerate()
    {
        *value = sigma.ldexp(-power);
        let vanished = *value == T::ZERO && c < rank as usize;
        representable &= value.finite() && !vanished;
    }
    representable
}

/// Completes V, of which so many columns are known.
#[cold]
#[inline(never)]
fn completed<T: Scalar>(problem: &Problem, u: &mut [T], v: &mut [T], known: usize) {
    let (m, n) = (problem.rows, problem.cols);
    complete(v, n, known);
    match problem.signs_by_u {
        true => fix_signs(u, m, v, n),
        false => fix_signs(v, n, u, m),
    }
}

/// A composition times 2^power, which is large; and whether it can be represented, by its largest entry.
#[cold]
#[inline(never)]
fn lifted<T: Scalar>(composed: &mut [T], power: i32, largest: T::Real) -> bool {
    for entry in bytemuck::cast_slice_mut::<T, T::Real>(composed) {
        *entry = entry.ldexp(power);
    }
    kept(largest, largest.ldexp(power))
}

impl<V> Rows<'_, V> {
    /// The caller's number of row i of a lane, of columns of `len`.
    #[inline(always)]
    fn of(&self, lane: usize, len: usize, i: usize) -> usize {
        match self {
            Rows::InPlace => i,
            Rows::Elsewhere { by_lane, .. } => by_lane[lane * len + i] as usize,
        }
    }
}

/// What a composition made of the right-hand sides of one matrix, scaled.
struct Solution<'w, T> {
    /// Columns of planes of so many numbers, every so many lanes one.
    entries: &'w [T],
    lanes: usize,
    length: usize,
}

impl<T: Real> Solution<'_, T> {
    /// Writes row i of each column to row `place(i)`, times 2^lift and less the scale of its right-hand
    /// side; and tells whether all of it can be represented.
    #[inline(always)]
    fn write<S: Scalar<Real = T>>(
        &self,
        place: impl Fn(usize) -> usize,
        heads: &[Head],
        lift: i32,
        to: &mut [S],
    ) -> bool {
        let columns = self.entries.chunks(S::PARTS * self.length * self.lanes);
        let (mut present, mut normal, mut overflowed) = (false, false, false);
        for ((column, head), to) in columns.zip(heads).zip(to.chunks_exact_mut(self.length)) {
            let to: &mut [T] = bytemuck::cast_slice_mut(to);
            if !head.finite {
                to.fill(T::NAN);
                continue;
            }
            for (part, plane) in column.chunks(self.length * self.lanes).enumerate() {
                for (i, &entry) in plane.iter().step_by(self.lanes).enumerate() {
                    let scaled = entry.ldexp(lift - head.power) + T::ZERO;
                    present |= entry != T::ZERO;
                    normal |= scaled.abs() >= T::MIN_POSITIVE_NORMAL;
                    overflowed |= !scaled.finite();
                    to[place(i) * S::PARTS + part] = scaled;
                }
            }
        }
        !overflowed && (normal || !present)
    }
}

/// The whole numbers of a vector's lanes.
#[inline(always)]
fn whole<T: Real, L: Lanes<T>>(l: L, vector: L::Vector) -> [u32; MOST_LANES] {
    let mut whole = [0; MOST_LANES];
    if l.any(l.less(l.splat(T::of(4e6)), vector)) {
        for (whole, number) in whole.iter_mut().zip(numbers::<T, _>(&vector)) {
            *whole = number.index();
        }
        return whole;
    }
    // Conversions go one by one.
    let sums = l.add(vector, l.splat(T::WHOLE));
    for (whole, number) in whole.iter_mut().zip(numbers::<T, _>(&sums)) {
        *whole = number.low_bits();
    }
    whole
}

/// Whole numbers of n vectors, lane after lane.
#[inline(always)]
pub(super) fn by_lane<T: Real, L: Lanes<T>>(vectors: &[L::Vector], numbers: &mut [u32]) {
    let entries: &[T] = bytemuck::cast_slice(vectors);
    for (c, entries) in entries.chunks_exact(L::LANES).enumerate() {
        for (lane, entry) in entries.iter().enumerate() {
            numbers[lane * vectors.len() + c] = entry.index();
        }
    }
}

/// Copies columns of `len` from lanes to `count` matrices of `size` entries, rows to their places.
#[inline(always)]
fn write<T: Scalar, L: Lanes<T::Real>>(
    vectors: &[L::Vector],
    len: usize,
    rows: Rows<'_, L::Vector>,
    out: &mut [T],
    size: usize,
    count: usize,
) {
    let lanes = L::LANES;
    let entries: &[T::Real] = bytemuck::cast_slice(vectors);
    let out: &mut [T::Real] = bytemuck::cast_slice_mut(out);
    let size = T::PARTS * size;
    let by_lane = match rows {
        Rows::Elsewhere { by_lane, .. } => by_lane,
        Rows::InPlace if T::PARTS == 1 => {
            for (lane, out) in out.chunks_exact_mut(size.max(1)).take(count).enumerate() {
                for (at, to) in out.iter_mut().enumerate() {
                    *to = entries[at * lanes + lane];
                }
            }
            return;
        }
        Rows::InPlace => {
            for (lane, out) in out.chunks_exact_mut(size.max(1)).take(count).enumerate() {
                for (c, out) in out.chunks_exact_mut(T::PARTS * len).enumerate() {
                    for part in 0..T::PARTS {
                        for i in 0..len {
                            let at = (c * T::PARTS + part) * len + i;
                            out[i * T::PARTS + part] = entries[at * lanes + lane];
                        }
                    }
                }
            }
            return;
        }
    };
    for (plane, column) in entries.chunks_exact(len * lanes).enumerate() {
        let (c, part) = (plane / T::PARTS, plane % T::PARTS);
        let rows = by_lane.chunks_exact(len).take(count);
        for (lane, rows) in rows.enumerate() {
            let to = &mut out[lane * size + c * T::PARTS * len..][..T::PARTS * len];
            for (i, &row) in rows.iter().enumerate() {
                // No negative zeros: neighbours decide whether a zero was rotated.
                to[row as usize * T::PARTS + part] = column[i * lanes + lane] + T::Real::ZERO;
            }
        }
    }
}

/// Whether a composition can be represented, from its largest magnitude before and after scaling,
/// which keeps the order of sizes.
#[inline(always)]
fn kept<T: Real>(before: T, after: T) -> bool {
    after.finite() && (before == T::ZERO || after >= T::MIN_POSITIVE_NORMAL)
}
