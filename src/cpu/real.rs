//! The arithmetic of real entries.

use crate::cpu::field::{Columns, Field, Number, Rotation};
use crate::cpu::sums::{RUN, dot};
use crate::data::scalar::{NEARLY, Real};
use crate::lanes::{
    Lanes, Wide, numbers, numbers_mut, rows_a_vector, spread, vectors, vectors_mut, wide, wide_mut,
};

/// Real entries.
#[derive(Clone, Copy)]
pub(super) struct Reals;

impl Field for Reals {
    #[inline(always)]
    fn planes(self) -> usize {
        1
    }

    #[inline(always)]
    fn product_above<T: Real, L: Lanes<T>>(
        self,
        l: L,
        rows: usize,
        x: &[L::Vector],
        y: &[L::Vector],
    ) -> Number<L::Vector> {
        [dot(l, &x[..rows], &y[..rows]), l.splat(T::ZERO)]
    }

    #[inline(always)]
    fn polar<T: Real, L: Lanes<T>>(
        self,
        l: L,
        number: Number<L::Vector>,
    ) -> (L::Vector, Number<L::Vector>) {
        (number[0], [l.splat(T::ONE), l.splat(T::ZERO)])
    }

    #[inline(always)]
    fn larger<T: Real, L: Lanes<T>>(self, l: L, column: &[L::Vector], k: usize) -> L::Vector {
        l.abs(column[k])
    }

    #[inline(always)]
    fn reflector<T: Real, L: Lanes<T>>(
        self,
        l: L,
        column: &mut [L::Vector],
        k: usize,
    ) -> L::Vector {
        let (top, v) = column[k..].split_at_mut(1);
        let alpha = top[0];
        let (zero, one, two) = (l.splat(T::ZERO), l.splat(T::ONE), l.splat(T::ONE + T::ONE));
        let below = dot(l, v, v);
        let needed = l.less(zero, below);
        let norm = l.sqrt(l.mul_add(alpha, alpha, below));
        let beta = l.select(l.less(zero, alpha), l.sub(zero, norm), norm);
        let beta = l.select(needed, beta, alpha);
        let difference = l.select(needed, l.sub(alpha, beta), one);
        let scale = l.select(needed, l.div(one, difference), zero);
        for entry in v.iter_mut() {
            *entry = l.mul(*entry, scale);
        }
        top[0] = beta;
        // LAPACK's (beta - alpha) / beta does not know how v was rounded: U came out with up to 22u of
        // lost orthogonality where this gives half of that.
        let tau = l.div(two, l.add(one, dot(l, v, v)));
        l.select(needed, tau, zero)
    }

    #[inline(always)]
    fn reflect<T: Real, L: Lanes<T>>(
        self,
        l: L,
        tau: L::Vector,
        own: &[L::Vector],
        k: usize,
        column: &mut [L::Vector],
    ) {
        let v = &own[k + 1..];
        let (top, below) = column[k..].split_at_mut(1);
        let weight = l.mul(tau, l.add(top[0], dot(l, v, below)));
        top[0] = l.sub(top[0], weight);
        for (entry, &v) in below.iter_mut().zip(v) {
            *entry = l.neg_mul_add(weight, v, *entry);
        }
    }

    #[inline(always)]
    fn row<T: Real, L: Lanes<T>>(
        self,
        _: L,
        (from, step): (&[L::Vector], usize),
        p: usize,
        first: usize,
        column: &mut [L::Vector],
    ) {
        for (r, entry) in column.iter_mut().enumerate().skip(first) {
            *entry = from[r * step + p];
        }
    }

    #[inline(always)]
    fn add<T: Real, L: Lanes<T>>(
        self,
        l: L,
        columns: Columns<'_, L::Vector>,
        upper: bool,
        weights: &[L::Vector],
        to: &mut [L::Vector],
    ) {
        add(l, columns, upper, weights, to);
    }

    #[inline(always)]
    fn add_outer<T: Real, L: Lanes<T>>(
        self,
        l: L,
        column: &[L::Vector],
        weight: L::Vector,
        (other, k): (&[L::Vector], usize),
        to: &mut [L::Vector],
    ) {
        let weight = l.mul(weight, other[k]);
        for (to, &entry) in to.iter_mut().zip(column) {
            *to = l.mul_add(weight, entry, *to);
        }
    }

    #[inline(always)]
    fn fix_phase<T: Real, L: Lanes<T>>(
        self,
        l: L,
        column: &mut [L::Vector],
        rows: Option<&[L::Vector]>,
        partner: &mut [L::Vector],
    ) {
        let flip = negative(l, column, rows);
        if l.any(flip) {
            negate(l, flip, column);
            negate(l, flip, partner);
        }
    }

    #[inline(always)]
    fn square_below<T: Real, L: Lanes<T>>(self, l: L, column: &[L::Vector], k: usize) -> L::Vector {
        let below = &column[k + 1..];
        dot(l, below, below)
    }

    #[inline(always)]
    fn rotate<T: Real, L: Lanes<T>>(
        self,
        l: L,
        x: &mut [L::Vector],
        y: &mut [L::Vector],
        _: usize,
        turn: &Rotation<L::Vector>,
    ) {
        let turn = *turn;
        for (x, y) in x.iter_mut().zip(y) {
            (*x, *y) = turn.of(l, *x, *y);
        }
    }

    /// In one pass.
    #[inline(always)]
    fn rotate_exchanged<T: Real, L: Lanes<T>>(
        self,
        l: L,
        chosen: L::Mask,
        x: &mut [L::Vector],
        y: &mut [L::Vector],
        _: usize,
        turn: &Rotation<L::Vector>,
    ) {
        let turn = *turn;
        for (x, y) in x.iter_mut().zip(y) {
            let (a, b) = (l.select(chosen, *y, *x), l.select(chosen, *x, *y));
            (*x, *y) = turn.of(l, a, b);
        }
    }

    #[inline(always)]
    fn update<T: Real, L: Lanes<T>>(
        self,
        l: L,
        column: &mut [L::Vector],
        j: usize,
        update: [&[L::Vector]; 2],
    ) {
        pass::<T, L, 1, true, false>(l, column, [j, j], update, &[], &mut []);
    }

    #[inline(always)]
    fn multiply<T: Real, L: Lanes<T>>(
        self,
        l: L,
        columns: &mut [L::Vector],
        [above, first]: [usize; 2],
        update: Option<[&[L::Vector]; 2]>,
        x: &[L::Vector],
        y: &mut [L::Vector],
    ) {
        let (mut j, column) = (first, y.len());
        let mut fours = columns.chunks_exact_mut(BLOCK * column);
        for four in &mut fours {
            match update {
                Some(update) => pass::<T, L, BLOCK, true, true>(l, four, [above, j], update, x, y),
                None => pass::<T, L, BLOCK, false, true>(l, four, [above, j], [&[]; 2], x, y),
            }
            j += BLOCK;
        }
        for one in fours.into_remainder().chunks_exact_mut(column) {
            match update {
                Some(update) => pass::<T, L, 1, true, true>(l, one, [above, j], update, x, y),
                None => pass::<T, L, 1, false, true>(l, one, [above, j], [&[]; 2], x, y),
            }
            j += 1;
        }
    }

    #[inline(always)]
    fn reflect_row<T: Real, L: Lanes<T>>(
        self,
        l: L,
        row: &mut [Wide<T, L>],
        first: usize,
        v: &[L::Vector],
        tau: Wide<T, L>,
    ) {
        let w = l.wide();
        let row = &mut row[first..][..v.len()];
        let mut total = w.splat(T::ZERO);
        for (v, row) in v.chunks(RUN).zip(row.chunks(RUN)) {
            let mut sums = [w.splat(T::ZERO); 4];
            let (vs, v_rest) = v.as_chunks::<4>();
            let (entries, rest) = row.as_chunks::<4>();
            for (v, entries) in vs.iter().zip(entries) {
                for p in 0..4 {
                    sums[p] = w.mul_add(spread::<T, L>(l, &v[p]), entries[p], sums[p]);
                }
            }
            for (v, &entry) in v_rest.iter().zip(rest) {
                sums[0] = w.mul_add(spread::<T, L>(l, v), entry, sums[0]);
            }
            let sum = w.add(w.add(sums[0], sums[1]), w.add(sums[2], sums[3]));
            total = w.add(total, sum);
        }
        let weight = w.mul(tau, total);
        for (entry, v) in row.iter_mut().zip(v) {
            *entry = w.neg_mul_add(weight, spread::<T, L>(l, v), *entry);
        }
    }

    #[inline(always)]
    fn rotate_alone<T: Real, W: Lanes<T>>(
        self,
        w: W,
        x: &mut [T],
        y: &mut [T],
        n: usize,
        turn: &Rotation<T>,
    ) {
        let (xs, x_rest) = vectors_mut::<T, W>(x);
        let (ys, y_rest) = vectors_mut::<T, W>(y);
        let wide = turn.splat(w);
        self.rotate(w, xs, ys, n, &wide);
        // The rest as a vector that is not full.
        let (mut a, mut b) = (w.splat(T::ZERO), w.splat(T::ZERO));
        let len = x_rest.len();
        numbers_mut(&mut a)[..len].copy_from_slice(x_rest);
        numbers_mut(&mut b)[..len].copy_from_slice(y_rest);
        let (x, y) = (std::slice::from_mut(&mut a), std::slice::from_mut(&mut b));
        self.rotate(w, x, y, n, &wide);
        x_rest.copy_from_slice(&numbers(&a)[..len]);
        y_rest.copy_from_slice(&numbers(&b)[..len]);
    }
}

impl<V: Copy> Rotation<V> {
    /// Rutishauser's form, which does not drift: after thousands of rotations the plain
    /// x' = c x - s y is off by 100u where this one is off by 5u.
    #[inline(always)]
    pub fn of<T: Real, L: Lanes<T, Vector = V>>(&self, l: L, x: V, y: V) -> (V, V) {
        let (s, tau) = (self.s, self.tau);
        (
            l.neg_mul_add(s, l.mul_add(tau, x, y), x),
            l.mul_add(s, l.neg_mul_add(tau, y, x), y),
        )
    }
}

/// Where the first of the caller's entries of (nearly) the largest magnitude is negative. Row i of a lane is the caller's
/// row `rows[i]`, or row i.
#[inline(always)]
pub(super) fn negative<T: Real, L: Lanes<T>>(
    l: L,
    column: &[L::Vector],
    rows: Option<&[L::Vector]>,
) -> L::Mask {
    let zero = l.splat(T::ZERO);
    let mut largest = zero;
    for &entry in column {
        let size = l.abs(entry);
        largest = l.select(l.less(largest, size), size, largest);
    }
    let limit = l.mul(largest, l.splat(T::of(NEARLY)));
    let mut first = zero;
    let Some(rows) = rows else {
        for &entry in column.iter().rev() {
            first = l.select(l.less(l.abs(entry), limit), first, entry);
        }
        return l.less(first, zero);
    };
    let mut at = l.splat(T::of(column.len() as f64));
    for (&entry, &row) in column.iter().zip(rows) {
        let small = l.less(l.abs(entry), limit);
        let better = l.and(l.not(small), l.less(row, at));
        first = l.select(better, entry, first);
        at = l.select(better, row, at);
    }
    l.less(first, zero)
}

#[inline(always)]
pub(super) fn negate<T: Real, L: Lanes<T>>(l: L, chosen: L::Mask, column: &mut [L::Vector]) {
    for entry in column {
        *entry = l.select(chosen, l.sub(l.splat(T::ZERO), *entry), *entry);
    }
}

/// Columns that are added at once, so that what they are added to passes less often.
const BLOCK: usize = 4;

/// to += the columns, each times its weight; of an upper triangle, only what is not below its diagonal.
#[inline(always)]
fn add<T: Real, L: Lanes<T>>(
    l: L,
    columns: Columns<'_, L::Vector>,
    upper: bool,
    weights: &[L::Vector],
    to: &mut [L::Vector],
) {
    let n = to.len();
    let rows = |c: usize| if upper { c + 1 } else { n };
    let (blocks, rest) = weights.as_chunks::<BLOCK>();
    for (block, weights) in blocks.iter().enumerate() {
        let first = block * BLOCK;
        let all = rows(first);
        add_block(l, columns, first, weights, &mut to[..all]);
        for (c, &weight) in (first..).zip(weights).skip(1) {
            let column = columns.column(c, rows(c));
            add_one(l, &column[all..], weight, &mut to[all..rows(c)]);
        }
    }
    for (c, &weight) in (blocks.len() * BLOCK..).zip(rest) {
        add_one(l, columns.column(c, rows(c)), weight, &mut to[..rows(c)]);
    }
}

/// `add` of columns from `first` on.
#[inline(always)]
fn add_block<T: Real, L: Lanes<T>>(
    l: L,
    columns: Columns<'_, L::Vector>,
    first: usize,
    weights: &[L::Vector; BLOCK],
    to: &mut [L::Vector],
) {
    let mut some: [&[L::Vector]; BLOCK] = [&[]; BLOCK];
    for (c, some) in some.iter_mut().enumerate() {
        *some = columns.column(first + c, to.len());
    }
    if L::LANES > 1 {
        return add_four(l, some, weights, to);
    }
    // The rows of one matrix fill the machine's vectors.
    let w = l.wide();
    let (filled, rest) = vectors_mut::<T, L::Wide>(bytemuck::cast_slice_mut(to));
    let mut wide = [w.splat(T::ZERO); BLOCK];
    let (mut above, mut below): ([&[_]; BLOCK], [&[_]; BLOCK]) = ([&[]; BLOCK], [&[]; BLOCK]);
    for c in 0..BLOCK {
        wide[c] = spread::<T, L>(l, &weights[c]);
        let (vectors, rest) = vectors::<T, L::Wide>(bytemuck::cast_slice(some[c]));
        (above[c], below[c]) = (vectors, bytemuck::cast_slice(rest));
    }
    add_four(w, above, &wide, filled);
    add_four(l, below, weights, bytemuck::cast_slice_mut(rest));
}

/// to += four columns, each times its weight.
#[inline(always)]
fn add_four<T: Real, L: Lanes<T>>(
    l: L,
    [one, two, three, four]: [&[L::Vector]; BLOCK],
    weights: &[L::Vector; BLOCK],
    to: &mut [L::Vector],
) {
    let columns = one.iter().zip(two).zip(three.iter().zip(four));
    for (to, ((&one, &two), (&three, &four))) in to.iter_mut().zip(columns) {
        let sum = l.mul_add(weights[1], two, l.mul_add(weights[0], one, *to));
        *to = l.mul_add(weights[3], four, l.mul_add(weights[2], three, sum));
    }
}

/// `add` of one column.
#[inline(always)]
fn add_one<T: Real, L: Lanes<T>>(
    l: L,
    column: &[L::Vector],
    weight: L::Vector,
    to: &mut [L::Vector],
) {
    for (to, &entry) in to.iter_mut().zip(column) {
        *to = l.mul_add(weight, entry, *to);
    }
}

/// Updates C columns from `first` on, if `UPDATE`, and adds them to y, each times its x, if `MULTIPLY`: the rows from `above`
/// on, and what shares a vector with them.
#[inline(always)]
fn pass<T: Real, L: Lanes<T>, const C: usize, const UPDATE: bool, const MULTIPLY: bool>(
    l: L,
    columns: &mut [L::Vector],
    [above, first]: [usize; 2],
    [v, w]: [&[L::Vector]; 2],
    x: &[L::Vector],
    y: &mut [L::Vector],
) {
    let k = l.wide();
    let zero = k.splat(T::ZERO);
    let (mut of_v, mut of_w, mut of_x) = ([zero; C], [zero; C], [zero; C]);
    for c in 0..C {
        if UPDATE {
            of_v[c] = spread::<T, L>(l, &v[first + c]);
            of_w[c] = spread::<T, L>(l, &w[first + c]);
        }
        if MULTIPLY {
            of_x[c] = spread::<T, L>(l, &x[first + c]);
        }
    }
    let columns = wide_mut::<T, L>(columns);
    let column = columns.len() / C;
    let from = above / rows_a_vector::<T, L>();
    let mut rest = columns.chunks_exact_mut(column);
    let mut columns: [&mut [_]; C] = std::array::from_fn(|_| rest.next().unwrap_or(&mut []));
    for own in &mut columns {
        *own = &mut std::mem::take(own)[from..column];
    }
    let (mut v, mut w, mut y) = (wide::<T, L>(v), wide::<T, L>(w), wide_mut::<T, L>(y));
    if UPDATE {
        (v, w) = (&v[from..column], &w[from..column]);
    }
    if MULTIPLY {
        y = &mut y[from..column];
    }
    for r in 0..column - from {
        let mut sum = if MULTIPLY { y[r] } else { zero };
        for c in 0..C {
            let mut entry = columns[c][r];
            if UPDATE {
                entry = k.neg_mul_add(v[r], of_w[c], entry);
                entry = k.neg_mul_add(w[r], of_v[c], entry);
                columns[c][r] = entry;
            }
            if MULTIPLY {
                sum = k.mul_add(entry, of_x[c], sum);
            }
        }
        if MULTIPLY {
            y[r] = sum;
        }
    }
}
