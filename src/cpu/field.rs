//! What the entries of matrices are, real or complex numbers, and the arithmetic that depends on it.
//!
//! A column of complex entries is two planes, one after the other: all real parts, then all imaginary parts. So norms,
//! scales, exchanges and orders see a longer column, or twice as many, of real numbers, and kernels are the same. What is
//! different is here for real entries, and in `complex` for complex ones.

use crate::cpu::delivery::{negate, negative};
use crate::cpu::jacobi::Rotation;
use crate::cpu::recover::{Columns, add};
use crate::cpu::sums::dot;
use crate::data::scalar::Real;
use crate::lanes::{Lanes, numbers, numbers_mut, vectors_mut};

/// A number a lane: its real and its imaginary part. Of real entries, the second is not used.
pub(super) type Number<V> = [V; 2];

/// The arithmetic of entries. A method gets columns with all their planes.
pub(super) trait Field: Copy + Send + Sync + 'static {
    /// The planes of a column.
    const PARTS: usize;

    /// The planes of a column.
    #[inline(always)]
    fn planes(self) -> usize {
        Self::PARTS
    }

    /// The vectors of a column of so many rows.
    #[inline(always)]
    fn vectors(self, rows: usize) -> usize {
        Self::PARTS * rows
    }

    /// x'y.
    fn product<T: Real, L: Lanes<T>>(
        self,
        l: L,
        x: &[L::Vector],
        y: &[L::Vector],
    ) -> Number<L::Vector>;

    /// x'y of the first rows of each, as many as `rows`.
    fn product_above<T: Real, L: Lanes<T>>(
        self,
        l: L,
        rows: usize,
        x: &[L::Vector],
        y: &[L::Vector],
    ) -> Number<L::Vector>;

    /// The size and the phase of a number. A real number is its own size, with its sign.
    fn polar<T: Real, L: Lanes<T>>(
        self,
        l: L,
        number: Number<L::Vector>,
    ) -> (L::Vector, Number<L::Vector>);

    /// The size of the larger part of row k of a column.
    fn larger<T: Real, L: Lanes<T>>(self, l: L, column: &[L::Vector], k: usize) -> L::Vector;

    /// Turns the rows from `k` on of a column into a reflector that maps them to (beta, 0): beta in row k, v below. Returns
    /// tau, which is real.
    fn reflector<T: Real, L: Lanes<T>>(self, l: L, column: &mut [L::Vector], k: usize)
    -> L::Vector;

    /// Applies I - tau v v', with v = (1, rows below row k of `own`), to the rows from k on of a column.
    fn reflect<T: Real, L: Lanes<T>>(
        self,
        l: L,
        tau: L::Vector,
        own: &[L::Vector],
        k: usize,
        column: &mut [L::Vector],
    );

    /// Copies row p of columns from `first` on, which are `step` vectors apart, to the rows from `first` on of a column:
    /// conjugated.
    fn row<T: Real, L: Lanes<T>>(
        self,
        l: L,
        from: (&[L::Vector], usize),
        p: usize,
        first: usize,
        column: &mut [L::Vector],
    );

    /// to += the columns, each times its weight; of an upper triangle, only what is not below its diagonal.
    fn add<T: Real, L: Lanes<T>>(
        self,
        l: L,
        columns: Columns<'_, L::Vector>,
        upper: bool,
        weights: &[L::Vector],
        to: &mut [L::Vector],
    );

    /// to += a column times the conjugate of row k of `other`, times a real weight.
    fn add_outer<T: Real, L: Lanes<T>>(
        self,
        l: L,
        column: &[L::Vector],
        weight: L::Vector,
        other: (&[L::Vector], usize),
        to: &mut [L::Vector],
    );

    /// Makes the first of the caller's entries of (nearly) the largest magnitude in a column real and positive, and turns
    /// its partner likewise. Row i of a lane is the caller's row `rows[i]`, or row i.
    fn fix_phase<T: Real, L: Lanes<T>>(
        self,
        l: L,
        column: &mut [L::Vector],
        rows: Option<&[L::Vector]>,
        partner: &mut [L::Vector],
    );

    /// The square of the norm of the rows below row k.
    fn square_below<T: Real, L: Lanes<T>>(self, l: L, column: &[L::Vector], k: usize) -> L::Vector;

    /// Rotates two columns, of which the first n rows are X and the others are carried along, each with its planes.
    fn rotate<T: Real, L: Lanes<T>>(
        self,
        l: L,
        x: &mut [L::Vector],
        y: &mut [L::Vector],
        n: usize,
        turn: &Rotation<L::Vector>,
    );

    /// `rotate` of columns that are exchanged first, in the chosen lanes: in one pass.
    fn rotate_exchanged<T: Real, L: Lanes<T>>(
        self,
        l: L,
        chosen: L::Mask,
        x: &mut [L::Vector],
        y: &mut [L::Vector],
        n: usize,
        turn: &Rotation<L::Vector>,
    );

    /// `rotate` of two columns of one matrix, many rows at a time.
    fn rotate_alone<T: Real, W: Lanes<T>>(
        self,
        w: W,
        x: &mut [T],
        y: &mut [T],
        n: usize,
        turn: &Rotation<T>,
    );
}

/// Real entries.
#[derive(Clone, Copy)]
pub(super) struct Reals;

impl Field for Reals {
    const PARTS: usize = 1;

    #[inline(always)]
    fn product<T: Real, L: Lanes<T>>(
        self,
        l: L,
        x: &[L::Vector],
        y: &[L::Vector],
    ) -> Number<L::Vector> {
        [dot(l, x, y), l.splat(T::ZERO)]
    }

    #[inline(always)]
    fn product_above<T: Real, L: Lanes<T>>(
        self,
        l: L,
        rows: usize,
        x: &[L::Vector],
        y: &[L::Vector],
    ) -> Number<L::Vector> {
        self.product(l, &x[..rows], &y[..rows])
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
