//! How matrices lie in vectors of f64: side by side, a matrix a lane, or alone, so many rows a vector.
//!
//! Either way a column is some vectors, and what goes over all of them is the same code. The forms differ in how a
//! single entry is read and written, and in what is left to do where vectors have been summed.

use crate::cpu::lanes::{Lanes, numbers, numbers_mut};
use crate::scalar::Real;
use crate::scalar::sealed::Float;
use crate::view::View;

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
    /// The largest of a matrix's lanes; not a number, if one is not.
    fn most<L: Lanes<f64>>(l: L, values: L::Vector) -> L::Vector;
    /// `count` matrices from `first` on, each times a power of two; other lanes are zero.
    fn load<T: Real, L: Lanes<f64>>(
        l: L,
        view: &View<'_, T>,
        first: usize,
        powers: &[i32],
        to: &mut [L::Vector],
    );
}

/// Side by side.
#[derive(Clone, Copy)]
pub(super) struct Beside;

/// Alone.
#[derive(Clone, Copy)]
pub(super) struct Alone;

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
    fn most<L: Lanes<f64>>(_: L, values: L::Vector) -> L::Vector {
        values
    }

    #[inline(always)]
    fn load<T: Real, L: Lanes<f64>>(
        l: L,
        view: &View<'_, T>,
        first: usize,
        powers: &[i32],
        to: &mut [L::Vector],
    ) {
        if powers.len() < L::LANES {
            to.fill(l.splat(0.0));
        }
        let (rows, cols) = (view.rows(), view.cols());
        let turned = view.transpose();
        for (lane, &power) in powers.iter().enumerate() {
            let b = first + lane;
            let numbers: &mut [f64] = bytemuck::cast_slice_mut(to);
            if let (Some(entries), 0) = (view.contiguous(b), power) {
                for (to, entry) in numbers.chunks_exact_mut(L::LANES).zip(entries) {
                    to[lane] = entry.f64();
                }
            } else if let (Some(entries), 0) = (turned.contiguous(b), power) {
                for (i, row) in entries.chunks_exact(cols).enumerate() {
                    let places = numbers.chunks_exact_mut(L::LANES).skip(i).step_by(rows);
                    for (to, entry) in places.zip(row) {
                        to[lane] = entry.f64();
                    }
                }
            } else if rows > 0 {
                for (j, places) in numbers.chunks_exact_mut(rows * L::LANES).enumerate() {
                    let column = view.column_of(b, j);
                    for (i, to) in places.chunks_exact_mut(L::LANES).enumerate() {
                        to[lane] = column.at(i).f64().ldexp(power);
                    }
                }
            }
        }
    }
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
        let mut parts = [0.0; MOST_LANES];
        parts[..L::LANES].copy_from_slice(numbers(&sums));
        let mut half = L::LANES / 2;
        while half > 0 {
            for p in 0..half {
                parts[p] += parts[p + half];
            }
            half /= 2;
        }
        l.splat(parts[0])
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
        first: usize,
        powers: &[i32],
        to: &mut [L::Vector],
    ) {
        let (rows, cols) = (view.rows(), view.cols());
        let stride = Self::height::<L>(rows) * L::LANES;
        if rows == 0 {
            return;
        }
        // The rows that fill no vector.
        for column in to.chunks_exact_mut(Self::height::<L>(rows)) {
            if let Some(last) = column.last_mut() {
                *last = l.splat(0.0);
            }
        }
        let power = powers[0];
        let numbers: &mut [f64] = bytemuck::cast_slice_mut(to);
        if let (Some(entries), 0) = (view.contiguous(first), power) {
            let columns = numbers.chunks_exact_mut(stride);
            for (to, column) in columns.zip(entries.chunks_exact(rows)) {
                for (to, entry) in to.iter_mut().zip(column) {
                    *to = entry.f64();
                }
            }
        } else if let (Some(entries), 0) = (view.transpose().contiguous(first), power) {
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
                    *to = column.at(i).f64().ldexp(power);
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
