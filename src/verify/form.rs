//! How matrices lie in vectors of f64: side by side, a matrix a lane, or alone, so many rows a vector.
//!
//! Either way a column is some vectors, and what goes over all of them is the same code. The forms differ in how a
//! single entry is read and written, and in what is left to do where vectors have been summed.

use crate::data::scalar::Real;
use crate::data::scalar::sealed::Float;
use crate::data::view::View;
use crate::lanes::{Lanes, numbers, numbers_mut};

/// No machine has more lanes of f64.
pub(super) const MOST_LANES: usize = 8;

pub(super) trait Form: Copy + 'static {
    /// The matrices of a group.
    fn group<L: Lanes<f64>>() -> usize;
    /// The vectors of a column.
    fn height<L: Lanes<f64>>(rows: usize) -> usize;
    /// The entries of a vector.
    fn entries<L: Lanes<f64>>() -> usize;
    /// Entry `at`, counted from the first, in every lane that needs it.
    fn entry<L: Lanes<f64>>(l: L, data: &[L::Vector], at: usize) -> L::Vector;
    fn put<L: Lanes<f64>>(data: &mut [L::Vector], at: usize, value: L::Vector);
    /// The sum of a matrix's lanes.
    fn total<L: Lanes<f64>>(l: L, sums: L::Vector) -> L::Vector;
    /// The sums of the lanes of many vectors, one entry after the other, in place; says how many vectors they fill.
    fn totals<L: Lanes<f64>>(l: L, sums: &mut [L::Vector]) -> usize;
    /// The largest of a matrix's lanes; not a number, if one is not.
    fn most<L: Lanes<f64>>(l: L, values: L::Vector) -> L::Vector;
    /// From `those[0]` on `those[1]` matrices, each times a power of two if there are any; other lanes are zero.
    fn load<T: Real, L: Lanes<f64>>(
        l: L,
        view: &View<'_, T>,
        those: [usize; 2],
        powers: Option<&[i32; MOST_LANES]>,
        to: &mut [L::Vector],
    );
}

/// Side by side.
#[derive(Clone, Copy)]
pub(super) struct Beside;

/// Alone.
#[derive(Clone, Copy)]
pub(super) struct Alone;

/// Dot products that are summed at once.
const TOTALS: usize = 16;

/// The larger; not a number, if one is not.
#[inline(always)]
pub(super) fn larger<L: Lanes<f64>>(l: L, a: L::Vector, b: L::Vector) -> L::Vector {
    // A NaN must not hide behind a comparison.
    let b_counts = l.or(l.less(a, b), l.not(l.equal(b, b)));
    l.select(b_counts, b, a)
}

impl Form for Beside {
    #[inline(always)]
    fn group<L: Lanes<f64>>() -> usize {
        L::LANES
    }

    #[inline(always)]
    fn height<L: Lanes<f64>>(rows: usize) -> usize {
        rows
    }

    #[inline(always)]
    fn entries<L: Lanes<f64>>() -> usize {
        1
    }

    #[inline(always)]
    fn entry<L: Lanes<f64>>(_: L, data: &[L::Vector], at: usize) -> L::Vector {
        data[at]
    }

    #[inline(always)]
    fn put<L: Lanes<f64>>(data: &mut [L::Vector], at: usize, value: L::Vector) {
        data[at] = value;
    }

    #[inline(always)]
    fn total<L: Lanes<f64>>(_: L, sums: L::Vector) -> L::Vector {
        sums
    }

    #[inline(always)]
    fn totals<L: Lanes<f64>>(_: L, sums: &mut [L::Vector]) -> usize {
        sums.len()
    }

    #[inline(always)]
    fn most<L: Lanes<f64>>(_: L, values: L::Vector) -> L::Vector {
        values
    }

    #[inline(always)]
    fn load<T: Real, L: Lanes<f64>>(
        l: L,
        view: &View<'_, T>,
        [first, count]: [usize; 2],
        powers: Option<&[i32; MOST_LANES]>,
        to: &mut [L::Vector],
    ) {
        let (rows, cols) = (view.rows(), view.cols());
        let to = &mut to[..rows * cols];
        if count < L::LANES {
            to.fill(l.splat(0.0));
        } else if powers.is_none() && whole::<T, L>(view, first, to) {
            return;
        }
        let turned = view.transpose();
        let numbers: &mut [f64] = bytemuck::cast_slice_mut(to);
        for lane in 0..count {
            let b = first + lane;
            if let (Some(entries), None) = (turned.contiguous(b), powers) {
                for (i, row) in entries.chunks_exact(cols).enumerate() {
                    for (j, entry) in row.iter().enumerate() {
                        numbers[(j * rows + i) * L::LANES + lane] = entry.f64();
                    }
                }
            } else if rows > 0 {
                for (j, places) in numbers.chunks_exact_mut(rows * L::LANES).enumerate() {
                    let column = view.column_of(b, j);
                    for (i, to) in places.chunks_exact_mut(L::LANES).enumerate() {
                        let entry = column.at(i).f64();
                        to[lane] = match powers {
                            None => entry,
                            Some(powers) => entry.ldexp(powers[lane]),
                        };
                    }
                }
            }
        }
    }
}

/// A matrix for every lane, all in one piece and as they are: an entry of all lanes at a time.
#[inline(always)]
fn whole<T: Real, L: Lanes<f64>>(view: &View<'_, T>, first: usize, to: &mut [L::Vector]) -> bool {
    let size = to.len();
    let mut entries: [&[T]; MOST_LANES] = [&[]; MOST_LANES];
    for (lane, entries) in entries[..L::LANES].iter_mut().enumerate() {
        match view.contiguous(first + lane) {
            Some(own) => *entries = &own[..size],
            None => return false,
        }
    }
    for (at, to) in to.iter_mut().enumerate() {
        let mut line = [0.0; MOST_LANES];
        for lane in 0..L::LANES {
            line[lane] = entries[lane][at].f64();
        }
        numbers_mut::<f64, _>(to).copy_from_slice(&line[..L::LANES]);
    }
    true
}

impl Form for Alone {
    #[inline(always)]
    fn group<L: Lanes<f64>>() -> usize {
        1
    }

    #[inline(always)]
    fn height<L: Lanes<f64>>(rows: usize) -> usize {
        rows.div_ceil(L::LANES)
    }

    #[inline(always)]
    fn entries<L: Lanes<f64>>() -> usize {
        L::LANES
    }

    #[inline(always)]
    fn entry<L: Lanes<f64>>(l: L, data: &[L::Vector], at: usize) -> L::Vector {
        let numbers: &[f64] = bytemuck::cast_slice(data);
        l.splat(numbers[at])
    }

    #[inline(always)]
    fn put<L: Lanes<f64>>(data: &mut [L::Vector], at: usize, value: L::Vector) {
        let all: &mut [f64] = bytemuck::cast_slice_mut(data);
        all[at] = numbers(&value)[0];
    }

    #[inline(always)]
    fn total<L: Lanes<f64>>(l: L, sums: L::Vector) -> L::Vector {
        l.splat(l.sum(sums))
    }

    #[inline(always)]
    fn totals<L: Lanes<f64>>(l: L, sums: &mut [L::Vector]) -> usize {
        let mut parts = [0.0; TOTALS];
        for (part, sum) in parts.iter_mut().zip(sums.iter()) {
            *part = l.sum(*sum);
        }
        let count = sums.len();
        sums[(count - 1) / L::LANES] = l.splat(0.0);
        let numbers: &mut [f64] = bytemuck::cast_slice_mut(sums);
        numbers[..count].copy_from_slice(&parts[..count]);
        count.div_ceil(L::LANES)
    }

    #[inline(always)]
    fn most<L: Lanes<f64>>(l: L, values: L::Vector) -> L::Vector {
        let mut most = values;
        for &value in numbers::<f64, _>(&values) {
            most = larger(l, most, l.splat(value));
        }
        let most: f64 = numbers(&most)[0];
        l.splat(most)
    }

    #[inline(always)]
    fn load<T: Real, L: Lanes<f64>>(
        l: L,
        view: &View<'_, T>,
        [first, count]: [usize; 2],
        powers: Option<&[i32; MOST_LANES]>,
        to: &mut [L::Vector],
    ) {
        debug_assert_eq!(count, 1);
        let (rows, cols) = (view.rows(), view.cols());
        let stride = Self::height::<L>(rows) * L::LANES;
        if rows == 0 {
            return;
        }
        let to = &mut to[..Self::height::<L>(rows) * cols];
        // The rows that fill no vector.
        for column in to.chunks_exact_mut(Self::height::<L>(rows)) {
            if let Some(last) = column.last_mut() {
                *last = l.splat(0.0);
            }
        }
        let numbers: &mut [f64] = bytemuck::cast_slice_mut(to);
        if let (Some(entries), None) = (view.contiguous(first), powers) {
            let columns = numbers.chunks_exact_mut(stride);
            for (to, column) in columns.zip(entries.chunks_exact(rows)) {
                for (to, entry) in to.iter_mut().zip(column) {
                    *to = entry.f64();
                }
            }
        } else if let (Some(entries), None) = (view.transpose().contiguous(first), powers) {
            // A few rows at a time: their places in a column share a line of the cache.
            for (block, some) in entries.chunks(cols * L::LANES).enumerate() {
                for (j, to) in numbers.chunks_exact_mut(stride).enumerate() {
                    let to = &mut to[block * L::LANES..];
                    for (to, entry) in to.iter_mut().zip(some[j..].iter().step_by(cols)) {
                        *to = entry.f64();
                    }
                }
            }
        } else {
            for (j, to) in numbers.chunks_exact_mut(stride).enumerate() {
                let column = view.column_of(first, j);
                for (i, to) in to[..rows].iter_mut().enumerate() {
                    let entry = column.at(i).f64();
                    *to = match powers {
                        None => entry,
                        Some(powers) => entry.ldexp(powers[0]),
                    };
                }
            }
        }
    }
}

/// The least of the lanes that are positive; infinity where none is.
#[inline(always)]
pub(super) fn least<F: Form, L: Lanes<f64>>(l: L, values: L::Vector) -> L::Vector {
    if F::entries::<L>() == 1 {
        return values;
    }
    let mut least = f64::INFINITY;
    for &value in numbers::<f64, _>(&values) {
        if value < least {
            least = value;
        }
    }
    l.splat(least)
}

/// 2^e and 2^-e, e the exponent of the root of a square.
#[inline(always)]
pub(super) fn powers<L: Lanes<f64>>(l: L, square: L::Vector) -> [L::Vector; 2] {
    let (mut up, mut down) = (l.splat(0.0), l.splat(0.0));
    let bits: &[u64] = numbers(&square);
    {
        let up: &mut [u64] = numbers_mut(&mut up);
        for (up, &bits) in up.iter_mut().zip(bits) {
            // floor((e - 1023) / 2) + 1023, of the biased exponent e.
            *up = ((((bits >> 52) & 0x7ff) + 1023) >> 1) << 52;
        }
    }
    {
        let down: &mut [u64] = numbers_mut(&mut down);
        for (down, &bits) in down.iter_mut().zip(bits) {
            *down = (2046 - ((((bits >> 52) & 0x7ff) + 1023) >> 1)) << 52;
        }
    }
    [up, down]
}
