//! Products and dot products in registers: blocks of a few vectors by a few columns.
//!
//! What is summed is summed in blocks of [`BLOCK`] terms, so that the rounding of f64 results does not drown in
//! the rounding of its own verification.

use crate::lanes::Lanes;
use crate::verify::form::{Form, larger};

/// Terms that are summed before a total is added to.
const BLOCK: usize = 128;
/// Vectors of a column above which a panel of it is copied: caches lose what lies far apart.
const FAR: usize = 8;
/// Vectors of a column that go over all columns of the right factor together.
pub(super) const GROUP: usize = 16;
/// Vectors of some columns that stay in a cache while others go by.
const NEAR: usize = 4096;

/// A left factor: columns of `height` vectors.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, V> {
    pub data: &'a [V],
    pub height: usize,
}

/// A right factor, entry by entry: steps from row to row and from column to column, in [entries](Form::entries).
#[derive(Clone, Copy)]
pub(super) struct Right<'a, V> {
    pub data: &'a [V],
    pub steps: [usize; 2],
}

/// What becomes of a product.
pub(super) enum Sink<'a, V> {
    Store(&'a mut [V]),
    /// The sums of squares of the columns of what it is more than a matrix, vector by vector.
    Squares {
        minus: &'a [V],
        sums: &'a mut [V],
    },
}

/// `left` `right`, with sums over `inner` terms, `height` vectors by `cols` columns. `panel` is scratch.
#[inline(always)]
pub(super) fn product<F: Form, L: Lanes<f64>>(
    l: L,
    left: Left<'_, L::Vector>,
    right: Right<'_, L::Vector>,
    [height, inner, cols]: [usize; 3],
    panel: &mut [L::Vector],
    mut to: Sink<'_, L::Vector>,
) {
    let far = left.height > FAR && cols > 4;
    let mut first = 0;
    while first < height {
        let group = GROUP.min(height - first);
        if far {
            // Strip by strip, each in one piece.
            let mut at = 0;
            while at < group {
                let some = strip::<L>(group - at);
                for k in 0..inner {
                    let from = &left.data[k * left.height + first + at..][..some];
                    panel[at * inner + k * some..][..some].copy_from_slice(from);
                }
                at += some;
            }
        }
        let mut j = 0;
        while j < cols {
            let wide = if j + 4 <= cols { 4 } else { 1 };
            let mut at = 0;
            while at < group {
                let some = strip::<L>(group - at);
                let (own, step) = match far {
                    true => (&panel[at * inner..], some),
                    false => (&left.data[(first + at).min(left.data.len())..], left.height),
                };
                let place = [first + at, height, j];
                match (some, wide) {
                    (1, 1) => tile::<F, L, 1, 1>(l, own, step, right, inner, place, &mut to),
                    (1, _) => tile::<F, L, 1, 4>(l, own, step, right, inner, place, &mut to),
                    (2, 1) => tile::<F, L, 2, 1>(l, own, step, right, inner, place, &mut to),
                    (2, _) => tile::<F, L, 2, 4>(l, own, step, right, inner, place, &mut to),
                    _ if L::LANES < 8 => {}
                    (_, 1) => tile::<F, L, 4, 1>(l, own, step, right, inner, place, &mut to),
                    _ => tile::<F, L, 4, 4>(l, own, step, right, inner, place, &mut to),
                }
                at += some;
            }
            j += wide;
        }
        first += group;
    }
}

/// How many vectors of a column go at once; with fewer registers, fewer.
#[inline(always)]
fn strip<L: Lanes<f64>>(left: usize) -> usize {
    match left {
        1 => 1,
        2 | 3 => 2,
        _ if L::LANES < 8 => 2,
        _ => 4,
    }
}

#[inline(always)]
fn tile<F: Form, L: Lanes<f64>, const R: usize, const C: usize>(
    l: L,
    left: &[L::Vector],
    step: usize,
    right: Right<'_, L::Vector>,
    inner: usize,
    [first, height, j]: [usize; 3],
    to: &mut Sink<'_, L::Vector>,
) {
    let mut k = BLOCK.min(inner);
    let mut sums = terms::<F, L, R, C>(l, left, step, right, [0, k], j);
    while k < inner {
        let end = inner.min(k + BLOCK);
        let more = terms::<F, L, R, C>(l, left, step, right, [k, end], j);
        add(l, &more, &mut sums);
        k = end;
    }
    deliver(l, sums, first, height, j, to);
}

#[expect(
    clippy::needless_range_loop,
    reason = "counted loops stay in registers"
)]
#[inline(always)]
fn terms<F: Form, L: Lanes<f64>, const R: usize, const C: usize>(
    l: L,
    left: &[L::Vector],
    step: usize,
    right: Right<'_, L::Vector>,
    [first, end]: [usize; 2],
    j: usize,
) -> [[L::Vector; R]; C] {
    let mut sums = [[l.splat(0.0); R]; C];
    for k in first..end {
        let rows = &left[k * step..][..R];
        for c in 0..C {
            let at = k * right.steps[0] + (j + c) * right.steps[1];
            let weight = F::entry(l, right.data, at);
            for r in 0..R {
                sums[c][r] = l.mul_add(rows[r], weight, sums[c][r]);
            }
        }
    }
    sums
}

#[expect(
    clippy::needless_range_loop,
    reason = "counted loops stay in registers"
)]
#[inline(always)]
fn deliver<L: Lanes<f64>, const R: usize, const C: usize>(
    l: L,
    tile: [[L::Vector; R]; C],
    first: usize,
    height: usize,
    j: usize,
    to: &mut Sink<'_, L::Vector>,
) {
    match to {
        Sink::Store(to) => {
            for c in 0..C {
                let at = (j + c) * height + first;
                to[at..at + R].copy_from_slice(&tile[c]);
            }
        }
        Sink::Squares { minus, sums } => {
            for c in 0..C {
                let minus = &minus[(j + c) * height + first..][..R];
                let mut sum = sums[j + c];
                for r in 0..R {
                    let off = l.sub(tile[c][r], minus[r]);
                    sum = l.mul_add(off, off, sum);
                }
                sums[j + c] = sum;
            }
        }
    }
}

/// What becomes of dot products.
pub(super) enum Dots<'a, V> {
    /// A matrix with columns of so many vectors.
    Store(&'a mut [V], usize),
    /// The largest that a Gram matrix is off from the identity.
    Gap(&'a mut V),
}

/// Dot products of the columns of two matrices of one height; those of a matrix with itself only above the
/// diagonal and on it, where a gap is asked for.
#[inline(always)]
pub(super) fn dots<F: Form, L: Lanes<f64>>(
    l: L,
    left: &[L::Vector],
    right: &[L::Vector],
    height: usize,
    [rows, cols]: [usize; 2],
    mut to: Dots<'_, L::Vector>,
) {
    let many = (NEAR / height.max(1)).max(4).next_multiple_of(4);
    for block in (0..rows).step_by(many) {
        let block_end = rows.min(block + many);
        let mut j = 0;
        while j < cols {
            let some = if j + 4 <= cols { 4 } else { 1 };
            let end = match to {
                Dots::Gap(_) => (j + some).min(block_end),
                Dots::Store(..) => block_end,
            };
            let mut i = block;
            while i < end {
                let place = [i, j];
                let four = i + 4 <= end;
                match (four, some) {
                    (true, 4) => square::<F, L, 4, 4>(l, left, right, height, place, &mut to),
                    (true, _) => square::<F, L, 4, 1>(l, left, right, height, place, &mut to),
                    (_, 4) => square::<F, L, 1, 4>(l, left, right, height, place, &mut to),
                    _ => square::<F, L, 1, 1>(l, left, right, height, place, &mut to),
                }
                i += if four { 4 } else { 1 };
            }
            j += some;
        }
    }
}

#[inline(always)]
fn square<F: Form, L: Lanes<f64>, const I: usize, const J: usize>(
    l: L,
    left: &[L::Vector],
    right: &[L::Vector],
    height: usize,
    [i, j]: [usize; 2],
    to: &mut Dots<'_, L::Vector>,
) {
    let (left, right) = (&left[i * height..], &right[j * height..]);
    let few = BLOCK.min(height);
    let mut totals = columns_dot(
        l,
        columns::<_, I>(left, height, few),
        columns::<_, J>(right, height, few),
    );
    let mut first = few;
    while first < height {
        let len = BLOCK.min(height - first);
        let more = columns_dot(
            l,
            columns::<_, I>(&left[first..], height, len),
            columns::<_, J>(&right[first..], height, len),
        );
        add(l, &more, &mut totals);
        first += len;
    }
    let totals = totals.as_flattened_mut();
    let count = F::totals(l, totals);
    match to {
        Dots::Store(to, height) => {
            for c in 0..J {
                for r in 0..I {
                    let at = (j + c) * *height * F::entries::<L>() + i + r;
                    F::put::<L>(to, at, F::entry(l, totals, c * I + r));
                }
            }
        }
        Dots::Gap(most) => {
            for c in 0..J {
                for r in 0..I {
                    if i + r == j + c {
                        let one = l.sub(F::entry(l, totals, c * I + r), l.splat(1.0));
                        F::put::<L>(totals, c * I + r, one);
                    }
                }
            }
            // Among themselves first: the largest of all blocks is waited for by the next.
            let mut own = l.abs(totals[0]);
            for total in &totals[1..count] {
                own = larger(l, own, l.abs(*total));
            }
            **most = larger(l, **most, own);
        }
    }
}

#[inline(always)]
fn columns_dot<L: Lanes<f64>, const I: usize, const J: usize>(
    l: L,
    left: [&[L::Vector]; I],
    right: [&[L::Vector]; J],
) -> [[L::Vector; I]; J] {
    let mut sums = [[l.splat(0.0); I]; J];
    for k in 0..left[0].len() {
        for c in 0..J {
            let weight = right[c][k];
            for r in 0..I {
                sums[c][r] = l.mul_add(left[r][k], weight, sums[c][r]);
            }
        }
    }
    sums
}

#[inline(always)]
fn add<L: Lanes<f64>, const I: usize, const J: usize>(
    l: L,
    sums: &[[L::Vector; I]; J],
    to: &mut [[L::Vector; I]; J],
) {
    for c in 0..J {
        for r in 0..I {
            to[c][r] = l.add(to[c][r], sums[c][r]);
        }
    }
}

/// So many columns, `len` vectors of each.
#[inline(always)]
fn columns<V, const N: usize>(data: &[V], height: usize, len: usize) -> [&[V]; N] {
    let mut columns: [&[V]; N] = [&[]; N];
    for (c, column) in columns.iter_mut().enumerate() {
        *column = &data[c * height..][..len];
    }
    columns
}
