//! The arithmetic of complex entries: columns of two planes, first the real parts, then the imaginary parts.

use crate::cpu::field::{Columns, Field, Number, Rotation};
use crate::cpu::sums::{RUN, dot};
use crate::data::scalar::{NEARLY, Real};
use crate::lanes::{
    Lanes, Wide, numbers, numbers_mut, rows_a_vector, spread, vectors, vectors_mut, wide, wide_mut,
};

/// Complex entries.
#[derive(Clone, Copy)]
pub(super) struct Complexes;

/// The planes of a column.
#[inline(always)]
fn planes<V>(column: &[V]) -> (&[V], &[V]) {
    column.split_at(column.len() / 2)
}

#[inline(always)]
fn planes_mut<V>(column: &mut [V]) -> (&mut [V], &mut [V]) {
    let half = column.len() / 2;
    column.split_at_mut(half)
}

/// A sum of x'y over rows that two pairs of planes have.
#[inline(always)]
fn product<T: Real, L: Lanes<T>>(
    l: L,
    (xr, xi): (&[L::Vector], &[L::Vector]),
    (yr, yi): (&[L::Vector], &[L::Vector]),
) -> Number<L::Vector> {
    // A loop, so that the compiler has one dot product and not four.
    let mut found = [l.splat(T::ZERO); 4];
    for (found, (x, y)) in found
        .iter_mut()
        .zip([(xr, yr), (xi, yi), (xr, yi), (xi, yr)])
    {
        *found = dot(l, x, y);
    }
    [l.add(found[0], found[1]), l.sub(found[2], found[3])]
}

/// to += weight x.
#[inline(always)]
fn add<T: Real, L: Lanes<T>>(
    l: L,
    weight: Number<L::Vector>,
    (xr, xi): (&[L::Vector], &[L::Vector]),
    to_r: &mut [L::Vector],
    to_i: &mut [L::Vector],
) {
    let [wr, wi] = weight;
    for ((to_r, to_i), (&re, &im)) in to_r.iter_mut().zip(to_i).zip(xr.iter().zip(xi)) {
        *to_r = l.neg_mul_add(wi, im, l.mul_add(wr, re, *to_r));
        *to_i = l.mul_add(wi, re, l.mul_add(wr, im, *to_i));
    }
}

/// `add`, where the rows of one matrix fill the machine's vectors.
#[inline(always)]
fn add_rows<T: Real, L: Lanes<T>>(
    l: L,
    weight: Number<L::Vector>,
    x: (&[L::Vector], &[L::Vector]),
    to_r: &mut [L::Vector],
    to_i: &mut [L::Vector],
) {
    if L::LANES > 1 {
        return add(l, weight, x, to_r, to_i);
    }
    let w = l.wide();
    let wide = [spread::<T, L>(l, &weight[0]), spread::<T, L>(l, &weight[1])];
    let len = to_r.len();
    let (xr, xr_rest) = vectors::<T, L::Wide>(bytemuck::cast_slice(&x.0[..len]));
    let (xi, xi_rest) = vectors::<T, L::Wide>(bytemuck::cast_slice(&x.1[..len]));
    let (to_r, to_r_rest) = vectors_mut::<T, L::Wide>(bytemuck::cast_slice_mut(to_r));
    let (to_i, to_i_rest) = vectors_mut::<T, L::Wide>(bytemuck::cast_slice_mut(to_i));
    add(w, wide, (xr, xi), to_r, to_i);
    let rest = (bytemuck::cast_slice(xr_rest), bytemuck::cast_slice(xi_rest));
    let to_r = bytemuck::cast_slice_mut(to_r_rest);
    let to_i = bytemuck::cast_slice_mut(to_i_rest);
    add(l, weight, rest, to_r, to_i);
}

/// Multiplies a column by the conjugate of a phase. No zero is negative.
#[inline(always)]
fn turn_back<T: Real, L: Lanes<T>>(
    l: L,
    [pr, pi]: Number<L::Vector>,
    re: &mut [L::Vector],
    im: &mut [L::Vector],
) {
    let zero = l.splat(T::ZERO);
    for (re, im) in re.iter_mut().zip(im) {
        let (a, b) = (*re, *im);
        *re = l.add(l.mul_add(pi, b, l.mul(pr, a)), zero);
        *im = l.add(l.neg_mul_add(pi, a, l.mul(pr, b)), zero);
    }
}

/// The caller's row that row i is: as `rows` says, or where it is.
#[inline(always)]
fn row_of<T: Real, L: Lanes<T>>(l: L, rows: Option<&[L::Vector]>, i: usize) -> L::Vector {
    match rows {
        Some(rows) => rows[i],
        None => l.splat(T::of(i as f64)),
    }
}

impl<V: Copy> Rotation<V> {
    /// Of a complex pair, with p the phase: x and p'y are rotated, and the second is turned by p again. Neither is
    /// multiplied by p as a whole: as long as the angle is small, so is what p's own rounding does.
    #[inline(always)]
    pub(super) fn of_complex<T: Real, L: Lanes<T, Vector = V>>(
        &self,
        l: L,
        [xr, xi]: Number<V>,
        [yr, yi]: Number<V>,
    ) -> (Number<V>, Number<V>) {
        let (s, tau, [pr, pi]) = (self.s, self.tau, self.phase);
        // tau x + p'y and p x - tau y.
        let from_y = [
            l.mul_add(pi, yi, l.mul_add(pr, yr, l.mul(tau, xr))),
            l.neg_mul_add(pi, yr, l.mul_add(pr, yi, l.mul(tau, xi))),
        ];
        let from_x = [
            l.neg_mul_add(tau, yr, l.neg_mul_add(pi, xi, l.mul(pr, xr))),
            l.neg_mul_add(tau, yi, l.mul_add(pi, xr, l.mul(pr, xi))),
        ];
        (
            [
                l.neg_mul_add(s, from_y[0], xr),
                l.neg_mul_add(s, from_y[1], xi),
            ],
            [l.mul_add(s, from_x[0], yr), l.mul_add(s, from_x[1], yi)],
        )
    }
}

impl Field for Complexes {
    #[inline(always)]
    fn planes(self) -> usize {
        2
    }

    #[inline(always)]
    fn product_above<T: Real, L: Lanes<T>>(
        self,
        l: L,
        rows: usize,
        x: &[L::Vector],
        y: &[L::Vector],
    ) -> Number<L::Vector> {
        let ((xr, xi), (yr, yi)) = (planes(x), planes(y));
        let (x, y) = ((&xr[..rows], &xi[..rows]), (&yr[..rows], &yi[..rows]));
        product(l, x, y)
    }

    #[inline(always)]
    fn polar<T: Real, L: Lanes<T>>(
        self,
        l: L,
        [re, im]: Number<L::Vector>,
    ) -> (L::Vector, Number<L::Vector>) {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        // Neither the square of a product of columns nor that of a small entry stays in the range.
        let (a, b) = (l.abs(re), l.abs(im));
        let largest = l.select(l.less(a, b), b, a);
        let known = l.less(l.splat(T::MIN_POSITIVE_NORMAL), largest);
        let inverse = l.div(one, l.select(known, largest, one));
        let re = l.select(known, l.mul(re, inverse), one);
        let im = l.select(known, l.mul(im, inverse), zero);
        let near = l.sqrt(l.mul_add(re, re, l.mul(im, im)));
        let back = l.div(one, near);
        let size = l.select(known, l.mul(largest, near), largest);
        (size, [l.mul(re, back), l.mul(im, back)])
    }

    #[inline(always)]
    fn larger<T: Real, L: Lanes<T>>(self, l: L, column: &[L::Vector], k: usize) -> L::Vector {
        let (re, im) = planes(column);
        let (re, im) = (l.abs(re[k]), l.abs(im[k]));
        l.select(l.less(re, im), im, re)
    }

    #[inline(always)]
    fn reflector<T: Real, L: Lanes<T>>(
        self,
        l: L,
        column: &mut [L::Vector],
        k: usize,
    ) -> L::Vector {
        let (zero, one, two) = (l.splat(T::ZERO), l.splat(T::ONE), l.splat(T::ONE + T::ONE));
        let below = self.square_below(l, column, k);
        let (re, im) = planes_mut(column);
        let alpha = [re[k], im[k]];
        let needed = l.less(zero, below);
        let (size, [pr, pi]) = self.polar(l, alpha);
        let norm = l.sqrt(l.mul_add(size, size, below));
        // beta lies on the other side of zero: alpha - beta is this times the phase.
        let difference = l.select(needed, l.add(size, norm), one);
        let scale = l.select(needed, l.div(one, difference), zero);
        let (sr, si) = (l.mul(pr, scale), l.mul(pi, scale));
        re[k] = l.select(needed, l.neg_mul_add(pr, norm, zero), alpha[0]);
        im[k] = l.select(needed, l.neg_mul_add(pi, norm, zero), alpha[1]);
        for (re, im) in re[k + 1..].iter_mut().zip(&mut im[k + 1..]) {
            let (a, b) = (*re, *im);
            *re = l.mul_add(si, b, l.mul(sr, a));
            *im = l.neg_mul_add(si, a, l.mul(sr, b));
        }
        let tau = l.div(two, l.add(one, self.square_below(l, column, k)));
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
        let (vr, vi) = planes(own);
        let v = (&vr[k + 1..], &vi[k + 1..]);
        let (re, im) = planes_mut(column);
        let (top_r, re) = re[k..].split_at_mut(1);
        let (top_i, im) = im[k..].split_at_mut(1);
        let [along_r, along_i] = product(l, v, (&*re, &*im));
        let wr = l.mul(tau, l.add(top_r[0], along_r));
        let wi = l.mul(tau, l.add(top_i[0], along_i));
        top_r[0] = l.sub(top_r[0], wr);
        top_i[0] = l.sub(top_i[0], wi);
        let zero = l.splat(T::ZERO);
        add_rows(l, [l.sub(zero, wr), l.sub(zero, wi)], v, re, im);
    }

    #[inline(always)]
    fn row<T: Real, L: Lanes<T>>(
        self,
        l: L,
        (from, step): (&[L::Vector], usize),
        p: usize,
        first: usize,
        column: &mut [L::Vector],
    ) {
        let zero = l.splat(T::ZERO);
        let (re, im) = planes_mut(column);
        for (r, (re, im)) in re.iter_mut().zip(im).enumerate().skip(first) {
            *re = from[r * step + p];
            *im = l.sub(zero, from[r * step + step / 2 + p]);
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
        let (wr, wi) = planes(weights);
        let (to_r, to_i) = planes_mut(to);
        let n = to_r.len();
        for (c, (&wr, &wi)) in wr.iter().zip(wi).enumerate() {
            let rows = if upper { c + 1 } else { n };
            let (re, im) = planes(columns.column(c, 2 * columns.rows));
            let column = (&re[..rows], &im[..rows]);
            add_rows(l, [wr, wi], column, &mut to_r[..rows], &mut to_i[..rows]);
        }
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
        let (re, im) = planes(other);
        let zero = l.splat(T::ZERO);
        let weight = [l.mul(weight, re[k]), l.mul(weight, l.sub(zero, im[k]))];
        let (to_r, to_i) = planes_mut(to);
        add_rows(l, weight, planes(column), to_r, to_i);
    }

    #[inline(always)]
    fn fix_phase<T: Real, L: Lanes<T>>(
        self,
        l: L,
        column: &mut [L::Vector],
        rows: Option<&[L::Vector]>,
        partner: &mut [L::Vector],
    ) {
        let zero = l.splat(T::ZERO);
        let (re, im) = planes_mut(column);
        // Entries of vectors: squares do not overflow, and those that underflow are not the largest.
        let mut largest = zero;
        for (&re, &im) in re.iter().zip(&*im) {
            let square = l.mul_add(re, re, l.mul(im, im));
            largest = l.select(l.less(largest, square), square, largest);
        }
        let limit = l.mul(largest, l.splat(T::of(NEARLY * NEARLY)));
        let mut first = [zero; 2];
        let mut at = l.splat(T::of(re.len() as f64));
        for (i, (&re, &im)) in re.iter().zip(&*im).enumerate() {
            let square = l.mul_add(re, re, l.mul(im, im));
            let row = row_of::<T, L>(l, rows, i);
            let better = l.and(l.not(l.less(square, limit)), l.less(row, at));
            first = [
                l.select(better, re, first[0]),
                l.select(better, im, first[1]),
            ];
            at = l.select(better, row, at);
        }
        let (size, phase) = self.polar(l, first);
        turn_back(l, phase, re, im);
        for (i, (re, im)) in re.iter_mut().zip(im).enumerate() {
            let leads = l.equal(row_of::<T, L>(l, rows, i), at);
            *re = l.select(leads, size, *re);
            *im = l.select(leads, zero, *im);
        }
        let (re, im) = planes_mut(partner);
        turn_back(l, phase, re, im);
    }

    #[inline(always)]
    fn square_below<T: Real, L: Lanes<T>>(self, l: L, column: &[L::Vector], k: usize) -> L::Vector {
        let (re, im) = planes(column);
        let (re, im) = (&re[k + 1..], &im[k + 1..]);
        l.add(dot(l, re, re), dot(l, im, im))
    }

    #[inline(always)]
    fn rotate<T: Real, L: Lanes<T>>(
        self,
        l: L,
        x: &mut [L::Vector],
        y: &mut [L::Vector],
        n: usize,
        turn: &Rotation<L::Vector>,
    ) {
        let turn = *turn;
        let (x, x_below) = x.split_at_mut(2 * n);
        let (y, y_below) = y.split_at_mut(2 * n);
        for (x, y) in [(x, y), (x_below, y_below)] {
            let ((xr, xi), (yr, yi)) = (planes_mut(x), planes_mut(y));
            for ((xr, xi), (yr, yi)) in xr.iter_mut().zip(xi).zip(yr.iter_mut().zip(yi)) {
                ([*xr, *xi], [*yr, *yi]) = turn.of_complex(l, [*xr, *xi], [*yr, *yi]);
            }
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
        let mut twos = columns.chunks_exact_mut(2 * column);
        for two in &mut twos {
            match update {
                Some(update) => pass::<T, L, 2, true, true>(l, two, [above, j], update, x, y),
                None => pass::<T, L, 2, false, true>(l, two, [above, j], [&[]; 2], x, y),
            }
            j += 2;
        }
        for one in twos.into_remainder().chunks_exact_mut(column) {
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
        let (vr, vi) = planes(v);
        let (re, im) = planes_mut(row);
        let len = vr.len();
        let (re, im) = (&mut re[first..][..len], &mut im[first..][..len]);
        let (mut sr, mut si) = (w.splat(T::ZERO), w.splat(T::ZERO));
        for first in (0..len).step_by(RUN) {
            let mut sums = [w.splat(T::ZERO); 4];
            for j in first..len.min(first + RUN) {
                let (vr, vi) = (spread::<T, L>(l, &vr[j]), spread::<T, L>(l, &vi[j]));
                sums[0] = w.mul_add(vr, re[j], sums[0]);
                sums[1] = w.neg_mul_add(vi, im[j], sums[1]);
                sums[2] = w.mul_add(vr, im[j], sums[2]);
                sums[3] = w.mul_add(vi, re[j], sums[3]);
            }
            sr = w.add(sr, w.add(sums[0], sums[1]));
            si = w.add(si, w.add(sums[2], sums[3]));
        }
        let (sr, si) = (w.mul(tau, sr), w.mul(tau, si));
        for j in 0..len {
            let (vr, vi) = (spread::<T, L>(l, &vr[j]), spread::<T, L>(l, &vi[j]));
            // -= s v'
            re[j] = w.neg_mul_add(si, vi, w.neg_mul_add(sr, vr, re[j]));
            im[j] = w.mul_add(sr, vi, w.neg_mul_add(si, vr, im[j]));
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
        let wide = turn.splat(w);
        let (x, x_below) = x.split_at_mut(2 * n);
        let (y, y_below) = y.split_at_mut(2 * n);
        for (x, y) in [(x, y), (x_below, y_below)] {
            let ((xr, xi), (yr, yi)) = (planes_mut(x), planes_mut(y));
            let (xr, xr_rest) = vectors_mut::<T, W>(xr);
            let (xi, xi_rest) = vectors_mut::<T, W>(xi);
            let (yr, yr_rest) = vectors_mut::<T, W>(yr);
            let (yi, yi_rest) = vectors_mut::<T, W>(yi);
            for ((xr, xi), (yr, yi)) in xr.iter_mut().zip(xi).zip(yr.iter_mut().zip(yi)) {
                ([*xr, *xi], [*yr, *yi]) = wide.of_complex(w, [*xr, *xi], [*yr, *yi]);
            }
            // The rest as vectors that are not full.
            let len = xr_rest.len();
            let mut four = [w.splat(T::ZERO); 4];
            let rests = [&*xr_rest, &*xi_rest, &*yr_rest, &*yi_rest];
            for (vector, rest) in four.iter_mut().zip(rests) {
                numbers_mut(vector)[..len].copy_from_slice(rest);
            }
            let [xr, xi, yr, yi] = four;
            let ([xr, xi], [yr, yi]) = wide.of_complex(w, [xr, xi], [yr, yi]);
            xr_rest.copy_from_slice(&numbers(&xr)[..len]);
            xi_rest.copy_from_slice(&numbers(&xi)[..len]);
            yr_rest.copy_from_slice(&numbers(&yr)[..len]);
            yi_rest.copy_from_slice(&numbers(&yi)[..len]);
        }
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
    let ((vr, vi), (wr, wi), (xr, xi)) = (planes(v), planes(w), planes(x));
    let (mut of_v, mut of_w, mut of_x) = ([[zero; 2]; C], [[zero; 2]; C], [[zero; 2]; C]);
    for (c, j) in (first..first + C).enumerate() {
        if UPDATE {
            of_v[c] = [spread::<T, L>(l, &vr[j]), spread::<T, L>(l, &vi[j])];
            of_w[c] = [spread::<T, L>(l, &wr[j]), spread::<T, L>(l, &wi[j])];
        }
        if MULTIPLY {
            of_x[c] = [spread::<T, L>(l, &xr[j]), spread::<T, L>(l, &xi[j])];
        }
    }
    let columns = wide_mut::<T, L>(columns);
    let plane = columns.len() / C / 2;
    let from = above / rows_a_vector::<T, L>();
    let mut rest = columns.chunks_exact_mut(2 * plane);
    let mut re: [&mut [_]; C] = std::array::from_fn(|_| &mut [][..]);
    let mut im: [&mut [_]; C] = std::array::from_fn(|_| &mut [][..]);
    for c in 0..C {
        let (own_r, own_i) = planes_mut(rest.next().unwrap_or(&mut []));
        (re[c], im[c]) = (&mut own_r[from..plane], &mut own_i[from..plane]);
    }
    let (mut vr, mut vi) = planes(wide::<T, L>(v));
    let (mut wr, mut wi) = planes(wide::<T, L>(w));
    let (mut yr, mut yi) = planes_mut(wide_mut::<T, L>(y));
    if UPDATE {
        (vr, vi) = (&vr[from..plane], &vi[from..plane]);
        (wr, wi) = (&wr[from..plane], &wi[from..plane]);
    }
    if MULTIPLY {
        (yr, yi) = (&mut yr[from..plane], &mut yi[from..plane]);
    }
    for r in 0..plane - from {
        let mut sum = if MULTIPLY { [yr[r], yi[r]] } else { [zero; 2] };
        for c in 0..C {
            let (mut a, mut b) = (re[c][r], im[c][r]);
            if UPDATE {
                let ([pr, pi], [qr, qi]) = (of_w[c], of_v[c]);
                a = k.neg_mul_add(vi[r], pi, k.neg_mul_add(vr[r], pr, a));
                a = k.neg_mul_add(wi[r], qi, k.neg_mul_add(wr[r], qr, a));
                b = k.mul_add(vr[r], pi, k.neg_mul_add(vi[r], pr, b));
                b = k.mul_add(wr[r], qi, k.neg_mul_add(wi[r], qr, b));
                (re[c][r], im[c][r]) = (a, b);
            }
            if MULTIPLY {
                let [xr, xi] = of_x[c];
                sum[0] = k.neg_mul_add(b, xi, k.mul_add(a, xr, sum[0]));
                sum[1] = k.mul_add(a, xi, k.mul_add(b, xr, sum[1]));
            }
        }
        if MULTIPLY {
            [yr[r], yi[r]] = sum;
        }
    }
}
