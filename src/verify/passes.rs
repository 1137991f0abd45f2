//! What goes once over a matrix.

use crate::lanes::{Lanes, numbers_mut};
use crate::verify::form::{self, Form, MOST_LANES, larger, least};

/// Squares between which nothing leaves the range of f64, whatever products are made.
const LOW: f64 = f64::from_bits((1023 - 800) << 52);
const HIGH: f64 = f64::from_bits((1023 + 800) << 52);
/// Columns that are further apart in size are too far apart.
const APART: f64 = f64::from_bits((1023 + 300) << 52);

/// Rows, the vectors of a column, and columns.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub rows: usize,
    pub height: usize,
    pub cols: usize,
}

/// Sums at once, to hide the latency of additions.
const CHAINS: usize = 4;

macro_rules! chained {
    ($l:ident, $count:expr, $at:ident, $sum:ident => $term:expr) => {{
        let zero = $l.splat(0.0);
        let mut sums = [zero; CHAINS];
        let count = $count;
        let whole = count - count % CHAINS;
        let mut k = 0;
        while k < whole {
            for c in 0..CHAINS {
                let $at = k + c;
                let $sum = sums[c];
                sums[c] = $term;
            }
            k += CHAINS;
        }
        while k < count {
            let $at = k;
            let $sum = sums[0];
            sums[0] = $term;
            k += 1;
        }
        $l.add($l.add(sums[0], sums[1]), $l.add(sums[2], sums[3]))
    }};
}

#[inline(always)]
pub(super) fn sum<L: Lanes<f64>>(l: L, of: &[L::Vector]) -> L::Vector {
    chained!(l, of.len(), at, sum => l.add(sum, of[at]))
}

#[inline(always)]
pub(super) fn squares<L: Lanes<f64>>(l: L, of: &[L::Vector]) -> L::Vector {
    chained!(l, of.len(), at, sum => l.mul_add(of[at], of[at], sum))
}

/// Of entries times the squares of others.
#[inline(always)]
pub(super) fn weigh<L: Lanes<f64>>(l: L, of: &[L::Vector], by: &[L::Vector]) -> L::Vector {
    chained!(l, of.len(), at, sum => l.mul_add(l.mul(of[at], by[at]), by[at], sum))
}

#[inline(always)]
fn magnitudes<L: Lanes<f64>>(l: L, of: &[L::Vector]) -> L::Vector {
    chained!(l, of.len(), at, sum => l.add(sum, l.abs(of[at])))
}

#[inline(always)]
fn dot<L: Lanes<f64>>(l: L, x: &[L::Vector], y: &[L::Vector]) -> L::Vector {
    chained!(l, x.len(), at, sum => l.mul_add(x[at], y[at], sum))
}

#[inline(always)]
pub(super) fn subtract<L: Lanes<f64>>(l: L, from: &[L::Vector], of: &mut [L::Vector]) {
    for (of, &from) in of.iter_mut().zip(from) {
        *of = l.sub(from, *of);
    }
}

#[inline(always)]
pub(super) fn multiply<L: Lanes<f64>>(l: L, of: &mut [L::Vector], by: f64) {
    let by = l.splat(by);
    for of in of {
        *of = l.mul(*of, by);
    }
}

#[inline(always)]
pub(super) fn roots<L: Lanes<f64>>(l: L, of: &mut [L::Vector]) {
    for of in of {
        *of = l.sqrt(*of);
    }
}

#[inline(always)]
pub(super) fn scale_columns<F: Form, L: Lanes<f64>>(
    l: L,
    of: &mut [L::Vector],
    height: usize,
    by: &[L::Vector],
) {
    if height == 0 {
        return;
    }
    let most = by.len() * F::entries::<L>();
    for (j, column) in of.chunks_exact_mut(height).take(most).enumerate() {
        let by = F::entry(l, by, j);
        for of in column {
            *of = l.mul(*of, by);
        }
    }
}

#[inline(always)]
pub(super) fn scale_rows<L: Lanes<f64>>(
    l: L,
    of: &mut [L::Vector],
    height: usize,
    by: &[L::Vector],
) {
    for column in of.chunks_exact_mut(height.max(1)) {
        for (of, &by) in column.iter_mut().zip(by) {
            *of = l.mul(*of, by);
        }
    }
}

#[inline(always)]
pub(super) fn column_squares<F: Form, L: Lanes<f64>>(
    l: L,
    of: &[L::Vector],
    shape: Matrix,
    to: &mut [L::Vector],
) {
    to.fill(l.splat(0.0));
    for j in 0..shape.cols {
        let column = &of[j * shape.height..][..shape.height];
        let sum = squares(l, column);
        F::put::<L>(to, j, F::total(l, sum));
    }
}

#[inline(always)]
pub(super) fn row_squares<L: Lanes<f64>>(
    l: L,
    of: &[L::Vector],
    shape: Matrix,
    to: &mut [L::Vector],
) {
    to.fill(l.splat(0.0));
    for column in of.chunks_exact(shape.height.max(1)) {
        for (to, &of) in to.iter_mut().zip(column) {
            *to = l.mul_add(of, of, *to);
        }
    }
}

#[inline(always)]
pub(super) fn powers<F: Form, L: Lanes<f64>>(
    l: L,
    of: &[L::Vector],
    [up, down]: [&mut [L::Vector]; 2],
) {
    let (zero, infinity, one) = (l.splat(0.0), l.splat(f64::INFINITY), l.splat(1.0));
    let mut low = infinity;
    for &square in of {
        let square = l.select(l.less(zero, square), square, infinity);
        low = l.select(l.less(square, low), square, low);
    }
    low = least::<F, L>(l, low);
    low = l.select(l.less(low, infinity), low, one);
    for (&square, (up, down)) in of.iter().zip(up.iter_mut().zip(down)) {
        let square = l.select(l.less(zero, square), square, low);
        [*up, *down] = form::powers(l, square);
    }
}

/// One where a matrix asks for care, else zero.
#[inline(always)]
pub(super) fn check_columns<F: Form, L: Lanes<f64>>(
    l: L,
    [of, squares]: [&[L::Vector]; 2],
    shape: Matrix,
    apart: bool,
) -> L::Vector {
    let (zero, infinity) = (l.splat(0.0), l.splat(f64::INFINITY));
    let (low, high) = (l.splat(LOW), l.splat(HIGH));
    let (mut first, mut last, mut bad) = (infinity, zero, zero);
    for j in 0..shape.cols {
        let square = F::entry(l, squares, j);
        let column = &of[j * shape.height..][..shape.height];
        let any = F::total(l, magnitudes(l, column));
        let fits = l.and(l.not(l.less(square, low)), l.less(square, high));
        let fits = l.or(fits, l.equal(any, zero));
        bad = l.select(fits, bad, l.splat(1.0));
        let square = l.select(l.less(zero, square), square, infinity);
        first = l.select(l.less(square, first), square, first);
        let square = l.select(l.less(square, infinity), square, zero);
        last = l.select(l.less(last, square), square, last);
    }
    if !apart {
        return bad;
    }
    let apart = l.less(l.mul(first, l.splat(APART * APART)), last);
    l.select(apart, l.splat(1.0), bad)
}

#[inline(always)]
pub(super) fn check<F: Form, L: Lanes<f64>>(
    l: L,
    of: &[L::Vector],
    square: L::Vector,
) -> L::Vector {
    let zero = l.splat(0.0);
    let (low, high) = (l.splat(LOW), l.splat(HIGH));
    let any = F::total(l, magnitudes(l, of));
    let fits = l.and(l.not(l.less(square, low)), l.less(square, high));
    let fits = l.or(fits, l.equal(any, zero));
    l.select(fits, zero, l.splat(1.0))
}

#[inline(always)]
pub(super) fn trace<F: Form, L: Lanes<f64>>(l: L, of: &[L::Vector], shape: Matrix) -> L::Vector {
    let mut trace = l.splat(0.0);
    for j in 0..shape.cols {
        let at = j * (shape.height * F::entries::<L>() + 1);
        trace = l.add(trace, F::entry(l, of, at));
    }
    trace
}

/// The squares of P' - P and of P, spread over lanes.
#[inline(always)]
pub(super) fn asymmetry<F: Form, L: Lanes<f64>>(
    l: L,
    of: &[L::Vector],
    shape: Matrix,
) -> [L::Vector; 2] {
    let n = shape.cols;
    let mut off = [l.splat(0.0); 2];
    if F::entries::<L>() == 1 {
        for j in 0..n {
            for i in 0..j {
                let gap = l.sub(of[j * n + i], of[i * n + j]);
                off[i % 2] = l.mul_add(gap, gap, off[i % 2]);
            }
        }
        let off = l.add(off[0], off[1]);
        return [l.add(off, off), squares(l, of)];
    }
    let stride = shape.height * L::LANES;
    let numbers: &[f64] = bytemuck::cast_slice(of);
    // Blocks above the diagonal, and on it, beside those that they mirror.
    for v in 0..shape.height {
        let first = v * L::LANES;
        let some = L::LANES.min(n - first);
        for j in first..n {
            let mut line = [0.0; MOST_LANES];
            if some == L::LANES {
                for i in 0..L::LANES {
                    line[i] = numbers[(first + i) * stride + j];
                }
            } else {
                for i in 0..some {
                    line[i] = numbers[(first + i) * stride + j];
                }
            }
            let mut mirror = l.splat(0.0);
            numbers_mut::<f64, _>(&mut mirror).copy_from_slice(&line[..L::LANES]);
            let gap = l.sub(of[j * shape.height + v], mirror);
            let square = l.mul(gap, gap);
            // On the diagonal every pair is there twice.
            let square = match j < first + L::LANES {
                true => square,
                false => l.add(square, square),
            };
            off[j % 2] = l.add(off[j % 2], square);
        }
    }
    [l.add(off[0], off[1]), squares(l, of)]
}

/// Householder's triangular factor, of a matrix with more rows than columns, in place.
#[inline(always)]
pub(super) fn triangle<F: Form, L: Lanes<f64>>(
    l: L,
    of: &mut [L::Vector],
    shape: Matrix,
    scratch: &mut [L::Vector],
) {
    let (zero, one, two) = (l.splat(0.0), l.splat(1.0), l.splat(2.0));
    let height = shape.height;
    let entries = F::entries::<L>();
    for k in 0..shape.cols.min(shape.rows) {
        let (head, rest) = of.split_at_mut((k + 1) * height);
        let column = &mut head[k * height..];
        // The reflector, from the vector of its first entry on.
        let from = k / entries;
        let v = &mut scratch[..height - from];
        v.copy_from_slice(&column[from..]);
        let own = k - from * entries;
        for at in 0..own {
            F::put::<L>(v, at, zero);
        }
        let alpha = F::entry(l, v, own);
        F::put::<L>(v, own, zero);
        let below = F::total(l, dot(l, v, v));
        let norm = l.sqrt(l.mul_add(alpha, alpha, below));
        let beta = l.select(l.less(zero, alpha), l.sub(zero, norm), norm);
        let beta = l.select(l.equal(below, zero), alpha, beta);
        // Scaled so that the first entry is one; nothing is reflected where nothing is below.
        let scale = l.select(l.equal(below, zero), one, l.sub(alpha, beta));
        let scale = l.div(one, scale);
        for v in v.iter_mut() {
            *v = l.mul(*v, scale);
        }
        F::put::<L>(v, own, one);
        let tau = l.div(two, F::total(l, dot(l, v, v)));
        let tau = l.select(l.equal(below, zero), zero, tau);
        for column in rest.chunks_exact_mut(height) {
            let column = &mut column[from..];
            let weight = l.mul(tau, F::total(l, dot(l, v, column)));
            for (to, &v) in column.iter_mut().zip(v.iter()) {
                *to = l.neg_mul_add(weight, v, *to);
            }
        }
        F::put::<L>(column, k, beta);
        for at in k + 1..(from + 1) * entries {
            F::put::<L>(column, at, zero);
        }
        column[from + 1..].fill(zero);
    }
}

/// Columns less their means, over a number. Rows that fill no vector stay zero.
#[inline(always)]
pub(super) fn centre<F: Form, L: Lanes<f64>>(l: L, of: &mut [L::Vector], shape: Matrix, over: f64) {
    let rows = l.splat(shape.rows as f64);
    let over = l.splat(over);
    for column in of.chunks_exact_mut(shape.height.max(1)) {
        // Twice: the second mean is what the first rounds.
        for last in [false, true] {
            let mean = l.div(F::total(l, sum(l, column)), rows);
            for entry in &mut column[..shape.rows / F::entries::<L>()] {
                *entry = l.sub(*entry, mean);
                if last {
                    *entry = l.div(*entry, over);
                }
            }
            for at in shape.rows - shape.rows % F::entries::<L>()..shape.rows {
                let mut entry = l.sub(F::entry(l, column, at), mean);
                if last {
                    entry = l.div(entry, over);
                }
                F::put::<L>(column, at, entry);
            }
        }
    }
}

/// `part` over `whole`, where nothing is nothing of anything.
#[inline(always)]
pub(super) fn ratio<L: Lanes<f64>>(l: L, part: L::Vector, whole: L::Vector) -> L::Vector {
    let zero = l.splat(0.0);
    l.select(l.equal(part, zero), zero, l.div(part, whole))
}

/// The largest of sums over squares.
#[inline(always)]
pub(super) fn largest<F: Form, L: Lanes<f64>>(
    l: L,
    sums: &[L::Vector],
    squares: &[L::Vector],
) -> L::Vector {
    let mut most = l.splat(0.0);
    for (j, &sum) in sums.iter().enumerate() {
        let part = ratio(l, F::total(l, sum), F::entry(l, squares, j));
        most = larger(l, most, part);
    }
    most
}

#[inline(always)]
pub(super) fn lengths<F: Form, L: Lanes<f64>>(
    l: L,
    of: &[L::Vector],
    shape: Matrix,
    to: &mut [L::Vector],
) {
    for j in 0..shape.cols {
        let column = &of[j * shape.height..][..shape.height];
        let square = F::total(l, squares(l, column));
        F::put::<L>(to, j, l.sqrt(square));
    }
}

/// The normal equations: dots, solutions and right-hand sides; lengths of the columns of A.
#[inline(always)]
pub(super) fn normal<F: Form, L: Lanes<f64>>(
    l: L,
    [dots, x, b]: [&[L::Vector]; 3],
    lengths: &[L::Vector],
    [x_shape, b_shape]: [Matrix; 2],
) -> L::Vector {
    let zero = l.splat(0.0);
    let height = x_shape.height;
    let mut worst = zero;
    for p in 0..x_shape.cols {
        let (dots, x) = (&dots[p * height..][..height], &x[p * height..][..height]);
        let (mut most, mut size) = (zero, zero);
        for at in 0..height {
            most = larger(l, most, ratio(l, l.abs(dots[at]), lengths[at]));
            size = l.mul_add(lengths[at], l.abs(x[at]), size);
        }
        let b = &b[p * b_shape.height..][..b_shape.height];
        let own = l.sqrt(F::total(l, squares(l, b)));
        let size = l.add(F::total(l, size), own);
        worst = larger(l, worst, ratio(l, F::most(l, most), size));
    }
    worst
}
