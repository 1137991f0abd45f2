//! Which entries of a symmetric matrix are read.

/// Which entries of a matrix are those of the symmetric, or Hermitian, matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Triangle {
    /// The means of the entries above and below the diagonal, (A + A') / 2, rounded. A matrix that differs from this by
    /// more than tol |A|_F gets the status [`NotSymmetric`](crate::Status::NotSymmetric).
    #[default]
    Mean,
    /// The diagonal and the entries below it. The others are not read (NumPy's and LAPACK's `'L'`), and neither are the
    /// imaginary parts of the diagonal.
    Lower,
    /// The diagonal and the entries above it, likewise.
    Upper,
}
