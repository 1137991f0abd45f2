//! Polar decompositions, and the rotations nearest to matrices.

use std::array::from_fn;

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::outcome::Status;
use crate::data::parallel;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::dense::product::multiply;
use crate::engine::Engine;
use crate::host::product::TASK;
use crate::ops::call::{Call, Operand};
use crate::ops::mirror;
use crate::ops::operation::{Compute, ComputeInto, Given, Host, Memory, Shapes};
use crate::planner::{Job, Vectors};

/// Whether an orthogonal factor may be a reflection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Determinant {
    /// It may be a reflection. The result is the nearest matrix with orthonormal columns, or rows.
    #[default]
    Any,
    /// It must be a rotation, of determinant 1. This is possible only for square matrices. If necessary, the direction
    /// of the smallest singular value is reversed (Kabsch 1976).
    Positive,
}

/// Polar decompositions A = Q H of a batch of m x n matrices.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Polar<T: Scalar, M: Memory = Host> {
    /// Q: m x n, with orthonormal columns, or orthonormal rows if m < n.
    pub orthogonal: M::Batch<T>,
    /// H: n x n, symmetric. It is positive semidefinite, except if a reflection was turned into a rotation.
    pub stretch: M::Batch<T>,
    /// The status of every matrix.
    pub report: M::Report,
}

impl Engine {
    /// Computes the polar decompositions A = Q H of m x n matrices: Q = U V' (m x n) is the matrix with orthonormal
    /// columns, or rows, that is nearest to A, and H = V diag(sigma) V' (n x n). A can have any rank. If singular
    /// values are zero, Q is one of several matrices that are equally near.
    ///
    /// With [`Determinant::Positive`] as [`determinant`](Call::determinant), Q is the nearest rotation. The rotation of a
    /// cloud of points p, minus their mean, onto another cloud q is the Q of the sum of all q p' (Kabsch, Procrustes).
    ///
    /// **Guarantee**, if the bounds of [`svd`](Self::svd) hold, with k = min(m, n): |A - Q H|_F <= (k + 4) tol
    /// |A|_F, and |Q'Q - I|_F <= 4 k tol (Q Q' if m < n). The status depends on the singular values: if one overflows
    /// ([`Status::NotRepresentable`]), H overflows too or is NaN, but Q keeps its accuracy.
    ///
    /// **Source**: Golub and Van Loan, 6.4.1 and 9.4.3; Kabsch 1976.
    ///
    /// ```
    /// use batched_svd::{Batch, Determinant, Engine};
    ///
    /// // A quarter turn and a stretch.
    /// let a = Batch::from_row_major(1, 2, 2, &[0.0f64, -3.0, 2.0, 0.0])?;
    /// let polar = Engine::cpu().polar(&a).determinant(Determinant::Positive).run()?;
    /// let [q, h] = [&polar.orthogonal, &polar.stretch].map(|x| x.matrix(0));
    /// let near = |x: &[f64], y: [f64; 4]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-14);
    /// assert!(near(q, [0.0, 1.0, -1.0, 0.0]) && near(h, [2.0, 0.0, 0.0, 3.0])); // by columns
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn polar<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, Polar<T>> {
        Call::new(self, a.into())
    }
}

impl<T: Real> Call<'_, '_, Polar<T>> {
    /// Sets whether the orthogonal factors may be reflections. Default: they may. Rotations of matrices that are not
    /// square are an error.
    pub fn determinant(mut self, determinant: Determinant) -> Self {
        self.choices = determinant;
        self
    }
}

impl<T: Scalar> Compute for Polar<T> {
    fn check(determinant: &Determinant, _: &Options, shapes: Shapes) -> Result<(), Error> {
        let [_, m, n] = shapes.a;
        if *determinant == Determinant::Positive && m != n {
            return Err(Error::argument(format!(
                "rotations of {m}x{n} matrices, but only square ones have a determinant"
            )));
        }
        Ok(())
    }

    fn places(_: &Determinant, shapes: Shapes) -> Vec<[usize; 3]> {
        let [count, m, n] = shapes.a;
        vec![[count, m, n], [count, n, n]]
    }

    fn job(_: &Determinant, _: Shapes) -> Job {
        Job::svd(Vectors::Thin)
    }

    async fn compute(
        engine: &Engine,
        Given { a, .. }: Given<'_, T>,
        determinant: &Determinant,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let [count, m, n] = a.shape();
        let mut orthogonal = Batch::zeros(count, m, n)?;
        let mut stretch = Batch::zeros(count, n, n)?;
        let svd = engine.thin(a, options, blocking).await?;
        let (u, v) = (&svd.u, &svd.v);
        if !orthogonal.as_slice().is_empty() {
            let some = TASK.div_ceil((m.min(n) * n).saturating_mul(m + n));
            let tasks = (orthogonal.as_mut_slice().chunks_mut(some * m * n))
                .zip(stretch.as_mut_slice().chunks_mut(some * n * n));
            parallel::for_each(
                tasks.enumerate().collect(),
                Work::default,
                |work, (task, (orthogonal, stretch)): (usize, (&mut [T], &mut [T]))| {
                    let results = orthogonal
                        .chunks_exact_mut(m * n)
                        .zip(stretch.chunks_exact_mut(n * n));
                    for (index, (q, h)) in (task * some..).zip(results) {
                        let finite = svd.report.outcomes[index].status != Status::NonFinite;
                        let rotation = *determinant == Determinant::Positive && finite;
                        let factors = [u.matrix(index), v.matrix(index)];
                        let sigma = svd.sigma.matrix(index);
                        match [m, n] {
                            [2, 2] => work.square::<2>(factors, sigma, rotation, q, h),
                            [3, 3] => work.square::<3>(factors, sigma, rotation, q, h),
                            _ => work.polar(factors, sigma, n, rotation, q, h),
                        }
                    }
                },
            );
        }
        Ok(Polar {
            orthogonal,
            stretch,
            report: svd.report,
        })
    }
}

impl<T: Scalar> ComputeInto for Polar<T> {}

/// Scratch of a thread.
#[derive(Default)]
struct Work<T> {
    /// V', and V diag(sigma).
    adjoint: Vec<T>,
    stretched: Vec<T>,
    strip: Vec<T>,
    eliminated: Vec<f64>,
}

impl<T: Scalar> Work<T> {
    /// Q and H of one matrix; if a rotation is wanted, as if the last column of U had the other sign where Q is a
    /// reflection.
    fn polar(
        &mut self,
        [u, v]: [&[T]; 2],
        sigma: &[T::Real],
        n: usize,
        rotation: bool,
        q: &mut [T],
        h: &mut [T],
    ) {
        let (k, m) = (sigma.len(), q.len() / n);
        self.adjoint.resize(k * n, T::default());
        for (c, column) in v.chunks_exact(n).enumerate() {
            for (j, &entry) in column.iter().enumerate() {
                self.adjoint[j * k + c] = entry.conjugate();
            }
        }
        multiply(u, m, &self.adjoint, q, &mut self.strip);
        self.stretched.clear();
        for (column, &sigma) in v.chunks_exact(n).zip(sigma) {
            self.stretched
                .extend(column.iter().map(|&x| x.times(sigma)));
        }
        if rotation && reflects(q, n, &mut self.eliminated) {
            turn([u, v], n, q);
            let last = &mut self.stretched[n * (k - 1)..];
            let one = T::Real::ONE;
            last.iter_mut().for_each(|entry| *entry = entry.times(-one));
        }
        multiply(&self.stretched, n, &self.adjoint, h, &mut self.strip);
        mirror(h, n);
    }

    /// The same of an N x N matrix, in registers.
    fn square<const N: usize>(
        &mut self,
        factors: [&[T]; 2],
        sigma: &[T::Real],
        rotation: bool,
        q: &mut [T],
        h: &mut [T],
    ) {
        let columns = |x: &[T]| -> [[T; N]; N] { from_fn(|c| from_fn(|i| x[c * N + i])) };
        let [u, v] = factors.map(columns);
        let times_v = |x: &[[T; N]; N]| -> [[T; N]; N] {
            from_fn(|j| {
                from_fn(|i| (0..N).fold(T::default(), |sum, c| sum + x[c][i] * v[c][j].conjugate()))
            })
        };
        q.copy_from_slice(times_v(&u).as_flattened());
        let mut stretched = from_fn(|c| v[c].map(|entry| entry.times(sigma[c])));
        if rotation && reflects(q, N, &mut self.eliminated) {
            turn(factors, N, q);
            stretched[N - 1] = stretched[N - 1].map(|entry| entry.times(-T::Real::ONE));
        }
        h.copy_from_slice(times_v(&stretched).as_flattened());
        mirror(h, N);
    }
}

/// Gives the n x n matrix Q = U V' the other determinant, as if the last column of U had the other sign.
fn turn<T: Scalar>(factors: [&[T]; 2], n: usize, q: &mut [T]) {
    let [left, right] = factors.map(|factor| &factor[n * (n - 1)..]);
    for (column, &right) in q.chunks_exact_mut(n).zip(right) {
        for (entry, &left) in column.iter_mut().zip(left) {
            *entry -= (left + left) * right.conjugate();
        }
    }
}

/// Whether a real orthogonal matrix has a negative determinant: in f64, by its terms or by elimination, which an
/// orthogonal matrix stands well (Golub and Van Loan, 3.4).
fn reflects<T: Scalar>(q: &[T], n: usize, a: &mut Vec<f64>) -> bool {
    let real = |entry: T| entry.parts()[0].f64();
    if let Ok([a, b, c, d]) = <[T; 4]>::try_from(q).map(|q| q.map(real)) {
        return a * d < b * c;
    }
    if let Ok([a, b, c, d, e, f, g, h, i]) = <[T; 9]>::try_from(q).map(|q| q.map(real)) {
        return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0.0;
    }
    a.clear();
    a.extend(q.iter().map(|&entry| real(entry)));
    let mut negative = false;
    for k in 0..n {
        let size = |i: usize| a[k * n + i].abs();
        let pivot = (k..n).fold(k, |best, i| if size(i) > size(best) { i } else { best });
        if pivot != k {
            negative = !negative;
            for column in a.chunks_exact_mut(n) {
                column.swap(k, pivot);
            }
        }
        negative ^= a[k * n + k] < 0.0;
        let (head, rest) = a.split_at_mut((k + 1) * n);
        let (top, below) = head[k * n + k..].split_at(1);
        for column in rest.chunks_exact_mut(n) {
            let factor = column[k] / top[0];
            for (entry, &b) in column[k + 1..].iter_mut().zip(below) {
                *entry -= factor * b;
            }
        }
    }
    negative
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::view::View;

    #[test]
    fn no_matrices_cost_nothing_however_large_they_would_be() {
        // On 32 bits an H of them has more entries than can be counted.
        let none = View::<f32>::col_major(&[], 0, 1, 1 << 16).unwrap();
        let polar = Engine::cpu().polar(none).run();
        assert_eq!(polar.unwrap().stretch.rows(), 1 << 16);
    }
}
