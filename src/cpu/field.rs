//! What the entries of matrices are, real or complex numbers, and the arithmetic that depends on it.
//!
//! A column of complex entries is two planes, one after the other: all real parts, then all imaginary parts. So norms,
//! scales, exchanges and orders see a longer column, or twice as many, of real numbers, and kernels are the same. What is
//! different is in `real` and `complex`.

use crate::data::scalar::Real;
use crate::lanes::{Lanes, Wide, exchange};

/// A number a lane: its real and its imaginary part. Of real entries, the second is not used.
pub(super) type Number<V> = [V; 2];

/// A rotation a lane; none where it is not needed.
#[derive(Clone, Copy)]
pub(super) struct Rotation<V> {
    pub t: V,
    pub s: V,
    /// s / (1 + c)
    pub tau: V,
    /// Of the product of the columns, the larger first. The smaller one is turned back by it, rotated, and turned again.
    pub phase: Number<V>,
}

impl<T: Real> Rotation<T> {
    /// The same in every lane.
    #[inline(always)]
    pub fn splat<L: Lanes<T>>(&self, l: L) -> Rotation<L::Vector> {
        Rotation {
            t: l.splat(self.t),
            s: l.splat(self.s),
            tau: l.splat(self.tau),
            phase: [l.splat(self.phase[0]), l.splat(self.phase[1])],
        }
    }
}

/// Columns, some vectors apart. `rows` is the length of a plane.
#[derive(Clone, Copy)]
pub(super) struct Columns<'c, V> {
    pub vectors: &'c [V],
    pub rows: usize,
    pub step: usize,
}

impl<V> Columns<'_, V> {
    #[inline(always)]
    pub fn column(&self, j: usize, len: usize) -> &[V] {
        &self.vectors[j * self.step..][..len]
    }
}

/// The arithmetic of entries. A method gets columns with all their planes.
pub(super) trait Field: Copy + Send + Sync + 'static {
    /// The planes of a column.
    fn planes(self) -> usize;

    /// The vectors of a column of so many rows.
    #[inline(always)]
    fn vectors(self, rows: usize) -> usize {
        self.planes() * rows
    }

    /// x'y of the first rows of each, as many as `rows`.
    fn product_above<T: Real, L: Lanes<T>>(
        self,
        l: L,
        rows: usize,
        x: &[L::Vector],
        y: &[L::Vector],
    ) -> Number<L::Vector>;

    /// x'y.
    #[inline(always)]
    fn product<T: Real, L: Lanes<T>>(
        self,
        l: L,
        x: &[L::Vector],
        y: &[L::Vector],
    ) -> Number<L::Vector> {
        self.product_above(l, x.len() / self.planes(), x, y)
    }

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

    /// `rotate` of columns that are exchanged first, in the chosen lanes. Hardly any are after the first sweeps.
    #[inline(always)]
    fn rotate_exchanged<T: Real, L: Lanes<T>>(
        self,
        l: L,
        chosen: L::Mask,
        x: &mut [L::Vector],
        y: &mut [L::Vector],
        n: usize,
        turn: &Rotation<L::Vector>,
    ) {
        exchange(l, chosen, x, y);
        self.rotate(l, x, y, n, turn);
    }

    /// Column j of a Hermitian matrix -= v w_j' + w v_j'. Vectors are as long as columns.
    fn update<T: Real, L: Lanes<T>>(
        self,
        l: L,
        column: &mut [L::Vector],
        j: usize,
        update: [&[L::Vector]; 2],
    );

    /// y += A x, of the rows of A from `above` on and some of its columns, from `first` on, with `from` = [above, first]. The
    /// columns are updated before, if they are to be.
    fn multiply<T: Real, L: Lanes<T>>(
        self,
        l: L,
        columns: &mut [L::Vector],
        from: [usize; 2],
        update: Option<[&[L::Vector]; 2]>,
        x: &[L::Vector],
        y: &mut [L::Vector],
    );

    /// Applies I - tau v v' from the right to the columns from `first` on of a row of some columns; of one matrix, of as many
    /// rows as a vector holds.
    fn reflect_row<T: Real, L: Lanes<T>>(
        self,
        l: L,
        row: &mut [Wide<T, L>],
        first: usize,
        v: &[L::Vector],
        tau: Wide<T, L>,
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
