//! A measure as plain data: steps on buffers, the same for one matrix and for many side by side.

use crate::data::scalar::{Precision, Real};
use crate::data::view::View;

/// A buffer, by its place in [`Measure::buffers`].
pub(super) type Buffer = usize;
/// A number of each matrix that a step leaves for another.
pub(super) type Register = usize;
pub(super) const REGISTERS: usize = 8;
/// The views that a measure may have.
pub(super) const VIEWS: usize = 4;
/// The power of two that a view's matrices are brought by: so many times the exponents of views' largest entries.
pub(super) type Brought = &'static [(usize, i32)];

/// What lies in a buffer.
#[derive(Clone, Copy)]
pub(super) enum Size {
    /// A matrix of rows and columns.
    Matrix(usize, usize),
    /// A vector for each of so many columns, the sum of whose lanes is the column's.
    Sums(usize),
}

/// A right factor: columns of a buffer from one on, or their transpose.
#[derive(Clone, Copy)]
pub(super) struct Factor {
    pub of: Buffer,
    pub first: usize,
    pub transposed: bool,
}

/// A buffer as it is.
pub(super) fn whole(of: Buffer) -> Factor {
    Factor {
        of,
        first: 0,
        transposed: false,
    }
}

/// The transpose of a buffer.
pub(super) fn transposed(of: Buffer) -> Factor {
    Factor {
        transposed: true,
        ..whole(of)
    }
}

/// What becomes of a product.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Matrix(Buffer),
    /// The squares of the columns of what it is more than another matrix.
    Residue {
        minus: Buffer,
        sums: Buffer,
    },
}

/// What becomes of dot products.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Matrix(Buffer),
    /// The largest that they are off from the identity.
    Gap(usize),
}

/// Results, `out`, are counted from the first of a matrix.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// The exponents of the largest entries of a view's matrices, in f64: f32 is far from the ends of its range.
    Exponents(usize),
    /// A view's matrices, to the columns of a buffer from one on.
    Load {
        view: usize,
        to: Buffer,
        first: usize,
        brought: Brought,
    },
    Product {
        left: Buffer,
        right: Factor,
        to: Target,
    },
    /// Dot products of the columns of two buffers: left' right.
    Dots {
        left: Buffer,
        right: Buffer,
        to: Wanted,
    },
    /// from - of, in place of it.
    Subtract {
        from: Buffer,
        of: Buffer,
    },
    /// To the first columns of a buffer.
    Copy {
        from: Buffer,
        to: Buffer,
    },
    /// The squares of the columns, one below the other.
    ColumnSquares {
        of: Buffer,
        to: Buffer,
    },
    /// The squares of the rows.
    RowSquares {
        of: Buffer,
        to: Buffer,
    },
    /// Powers of two about the roots of squares, and their inverses. A zero has the least of the others'.
    Powers {
        of: Buffer,
        up: Buffer,
        down: Buffer,
    },
    /// Asks for care where the squares of columns leave the range that can be worked in, or are too far apart.
    CheckColumns {
        of: Buffer,
        squares: Buffer,
        apart: bool,
    },
    /// The same of a whole matrix.
    Check {
        of: Buffer,
        square: Register,
    },
    /// Columns from one on, times the entries of another buffer.
    ScaleColumns {
        of: Buffer,
        first: usize,
        by: Buffer,
    },
    ScaleRows {
        of: Buffer,
        by: Buffer,
    },
    Multiply {
        of: Buffer,
        by: f64,
    },
    /// The sum of all entries.
    Sum {
        of: Buffer,
        to: Register,
    },
    /// The sum of all squares.
    Squares {
        of: Buffer,
        to: Register,
    },
    /// The sum of entries times the squares of others.
    Weigh {
        of: Buffer,
        by: Buffer,
        to: Register,
    },
    Trace {
        of: Buffer,
        out: usize,
    },
    /// The squares of P' - P and of P.
    Asymmetry {
        of: Buffer,
        to: [Register; 2],
    },
    /// The triangular factor of a QR, in place.
    Triangle(Buffer),
    /// Columns less their means, over a number.
    Centre {
        of: Buffer,
        over: f64,
    },
    /// The root of a square over another's.
    Ratio {
        part: Register,
        of: Register,
        out: usize,
    },
    Root {
        of: Register,
        out: usize,
    },
    /// |a - b| / a, of squares.
    Difference {
        of: [Register; 2],
        out: usize,
    },
    /// The largest ratio of the roots of sums and squares of columns.
    Largest {
        sums: Buffer,
        squares: Buffer,
        out: usize,
    },
    /// |A| |X| / max(1, |A X|), of squares.
    Condition {
        of: [Register; 3],
        out: usize,
    },
    /// The lengths of columns, a result each; what they were brought by is undone.
    Lengths {
        of: Buffer,
        brought: Brought,
    },
    /// The largest |a_j' r| / (|a_j| (sum |a_i| |x_i| + |b|)) over columns a_j and right-hand sides b.
    Normal {
        dots: Buffer,
        lengths: Buffer,
        x: Buffer,
        b: Buffer,
        out: usize,
    },
    /// The roots of entries, in place.
    Roots(Buffer),
}

/// Matrices of either type: the steps are compiled for both at once.
pub enum Views<'a> {
    F32(Vec<View<'a, f32>>),
    F64(Vec<View<'a, f64>>),
}

impl<'a> Views<'a> {
    pub fn of<T: Real>(views: &[View<'a, T>]) -> Self {
        match T::DTYPE.precision() {
            Precision::Single => Views::F32(views.iter().filter_map(|view| view.cast()).collect()),
            Precision::Double => Views::F64(views.iter().filter_map(|view| view.cast()).collect()),
        }
    }
}

/// What is measured of every matrix.
pub(super) struct Measure<'a> {
    pub count: usize,
    pub views: Views<'a>,
    pub buffers: Vec<Size>,
    pub steps: Vec<Step>,
    /// The results of a matrix.
    pub results: usize,
}
