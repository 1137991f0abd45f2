//! Householder QR of one matrix, to complete bases and to verify (Golub and Van Loan, 5.2).
//!
//! Reflectors are H = I - tau v v' with v = (0, .., 0, 1, v_k+1, ..), as LAPACK stores them: v
//! below the diagonal of the factored matrix, tau beside it. tau is real, also for complex matrices.

use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::Float;
use crate::dense::sums::dot;

/// Factors the m x n matrix `a` (m >= n) in place: R above, reflectors below the diagonal.
pub(crate) fn factor<T: Scalar>(a: &mut [T], m: usize, n: usize, tau: &mut [T::Real]) {
    for k in 0..n {
        let (head, rest) = a.split_at_mut((k + 1) * m);
        let (alpha, v) = head[k * m + k..].split_at_mut(1);
        let (beta, t) = reflector(alpha[0], v);
        alpha[0] = beta;
        tau[k] = t;
        for column in rest.chunks_exact_mut(m) {
            let (top, below) = column[k..].split_at_mut(1);
            reflect(t, v, &mut top[0], below);
        }
    }
}

/// Turns (alpha, v) into a reflector that maps it to (beta, 0): returns (beta, tau), v in place.
fn reflector<T: Scalar>(alpha: T, v: &mut [T]) -> (T, T::Real) {
    let square = |v: &[T]| dot(v, v).parts()[0];
    let below = square(v);
    if below <= T::Real::ZERO {
        return (alpha, T::Real::ZERO);
    }
    let norm = (alpha.square() + below).sqrt();
    let beta = alpha.away(norm);
    let scale = (alpha - beta).inverse();
    for entry in v.iter_mut() {
        *entry = *entry * scale;
    }
    // LAPACK's (beta - alpha) / beta does not know how v was rounded: U came out with up to 22u of
    // lost orthogonality where this gives half of that.
    let one = T::Real::ONE;
    (beta, (one + one) / (one + square(v)))
}

/// Applies I - tau (1, v)(1, v)' to the column (top, below).
fn reflect<T: Scalar>(tau: T::Real, v: &[T], top: &mut T, below: &mut [T]) {
    if tau == T::Real::ZERO {
        return;
    }
    let weight = (*top + dot(v, below)).times(tau);
    *top -= weight;
    for (entry, &v) in below.iter_mut().zip(v) {
        *entry -= weight * v;
    }
}

/// Replaces a column c of length m by Q c, for the reflectors of the first n columns of `a`.
fn apply<T: Scalar>(a: &[T], m: usize, tau: &[T::Real], column: &mut [T]) {
    for (k, &tau) in tau.iter().enumerate().rev() {
        let (top, below) = column[k..].split_at_mut(1);
        reflect(tau, &a[k * m + k + 1..(k + 1) * m], &mut top[0], below);
    }
}

/// Replaces the columns of the n x n matrix `basis` by orthonormal ones, the first so many of which span what as
/// many of the columns did, where those are independent: Q of Q R.
pub(crate) fn orthonormalise<T: Scalar>(basis: &mut [T], n: usize) {
    let mut factored = basis.to_vec();
    let mut tau = vec![T::Real::ZERO; n];
    factor(&mut factored, n, n, &mut tau);
    basis.fill(T::default());
    for (j, column) in basis.chunks_exact_mut(n).enumerate() {
        column[j] = T::of_real(T::Real::ONE);
        apply(&factored, n, &tau, column);
    }
}

/// Completes the first `known` orthonormal columns of the n x n matrix `basis` to all n.
///
/// The reflectors that map the known columns to unit vectors map the other unit vectors to the
/// orthogonal complement.
pub(crate) fn complete<T: Scalar>(basis: &mut [T], n: usize, known: usize) {
    if known >= n {
        return;
    }
    let mut factored = basis[..known * n].to_vec();
    let mut tau = vec![T::Real::ZERO; known];
    factor(&mut factored, n, known, &mut tau);
    for (j, column) in basis.chunks_exact_mut(n).enumerate().skip(known) {
        column.fill(T::default());
        column[j] = T::of_real(T::Real::ONE);
        apply(&factored, n, &tau, column);
    }
}
