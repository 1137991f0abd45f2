//! Results from an existing decomposition: ranks, solutions, pseudoinverses, approximations.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::factor::Factor;
use crate::data::options::{Cutoff, PerMatrix};
use crate::data::outcome::Status;
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::Float;
use crate::data::view::View;
use crate::dense::product::multiply;
use crate::engine::place::fit_rhs;
use crate::filter::scaled;
use crate::ops::counted::{Weigh, limits};
use crate::ops::weighted::{TASK, adjoint, weighted};
use crate::ops::{Svd, for_each_with};
use crate::planner::{Filter, Job, Problem, Vectors};

/// These methods use an existing decomposition and need no second one. They compute on the CPU and block. Their results
/// have no report. A matrix that is not finite has NaN results, and so has a matrix with an overflowed largest singular
/// value. The methods use the singular values as they are stored. If these are subnormal, the results are equally
/// coarse, and the calls of [`Engine`](crate::Engine) are more accurate.
///
/// A damping is as in [`Call::damping`](crate::Call::damping). Zero is none.
///
/// ```
/// use batched_svd::{Batch, Cutoff, Engine};
///
/// let a = Batch::from_fn(100, 8, 5, |b, i, j| ((b + i * i + 3 * j) as f64).sin())?;
/// let svd = Engine::cpu().svd(&a).run()?;
///
/// let (b, cutoff) = (Batch::from_fn(100, 8, 1, |b, i, _| (b + i) as f64)?, Cutoff::default());
/// let x = svd.solve(&b, &cutoff, 0.0)?; // 100 of 5x1: the least-squares solutions
/// let ridge = svd.solve(&b, &cutoff, 0.1)?;
/// let ranks = svd.ranks(&Cutoff::relative(0.01))?;
/// let inverse = svd.pinv(&cutoff, 0.0)?; // 100 of 5x8
/// # let _ = (x, ridge, ranks, inverse);
/// # Ok::<(), batched_svd::Error>(())
/// ```
///
/// # Errors
/// All of them return [`Error::Argument`] for a cutoff, a damping or right-hand sides that do not fit, and
/// [`Error::Memory`] if the host cannot hold the result.
impl<T: Scalar> Svd<T> {
    /// Returns the number of singular values of each matrix that count under the cutoff.
    pub fn ranks(&self, cutoff: &Cutoff) -> Result<Vec<usize>, Error> {
        let factors = self.factors(cutoff, None)?;
        let weights = |index| factors.weights(index, Filter::Keep, &mut Vec::new()).0;
        Ok((0..self.sigma.count()).map(weights).collect())
    }

    /// Computes U diag(sigma) V', m x n, which is A again.
    ///
    /// **Guarantee**: the error is at most 2 tol |A|_F if the bounds of [`Engine::svd`](crate::Engine::svd) hold.
    pub fn reconstruct(&self) -> Result<Batch<T>, Error> {
        self.low_rank(&Cutoff::absolute(0.0))
    }

    /// Computes the best approximations, m x n, by the singular values that count under the cutoff, as
    /// [`Engine::low_rank`](crate::Engine::low_rank) does.
    pub fn low_rank(&self, cutoff: &Cutoff) -> Result<Batch<T>, Error> {
        let factors = self.factors(cutoff, None)?;
        factors.compose(Factor::U, Filter::Value, Factor::V)
    }

    /// Computes the pseudoinverses, n x m, under the cutoff and the damping.
    ///
    /// **Guarantee**: that of [`Engine::pinv`](crate::Engine::pinv) for columns of one scale. If columns differ in
    /// scale, [`Engine::pinv`](crate::Engine::pinv) is more accurate, because it does not round the singular values.
    pub fn pinv(&self, cutoff: &Cutoff, damping: impl Into<PerMatrix>) -> Result<Batch<T>, Error> {
        let damping = damping.into();
        let factors = self.factors(cutoff, Some(&damping))?;
        factors.compose(Factor::V, Filter::Damped, Factor::U)
    }

    /// Computes the least-squares solutions X, n x p, of A X = B, with B of m x p, under the cutoff and the damping:
    /// V diag(1 / sigma) U' B.
    ///
    /// **Guarantee**: that of [`Engine::lstsq`](crate::Engine::lstsq) for columns of one scale.
    pub fn solve<'b>(
        &self,
        b: impl Into<View<'b, T>>,
        cutoff: &Cutoff,
        damping: impl Into<PerMatrix>,
    ) -> Result<Batch<T>, Error> {
        let damping = damping.into();
        let factors = self.factors(cutoff, Some(&damping))?;
        factors.solve(b.into(), Filter::Damped)
    }

    /// Computes U diag(f(sigma)) V', m x n: any other spectral filter. `f` is given the index of the matrix and every
    /// singular value.
    ///
    /// **Guarantee**: the error is that of f at the computed singular values, plus that of the product, which is at most
    /// (k + 4) tol max |f(sigma)| in the Frobenius norm.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// // Soft thresholding: the matrix X with the smallest |X - A|^2 / 2 + tau |X|_*.
    /// let a = Batch::from_row_major(1, 2, 2, &[5.0f64, 0.0, 0.0, 1.0])?;
    /// let soft = Engine::cpu().svd(&a).run()?.function(|_, sigma| (sigma - 2.0).max(0.0))?;
    /// assert_eq!(soft.matrix(0), [3.0, 0.0, 0.0, 0.0]);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn function(&self, f: impl Fn(usize, f64) -> f64 + Send + Sync) -> Result<Batch<T>, Error> {
        weighted(&self.u, &self.v, self.sigma.rows(), |index, weights| {
            let sigma = self.sigma.matrix(index).iter();
            weights.extend(sigma.map(|sigma| T::Real::of(f(index, sigma.f64()))));
            self.is_finite(index).then_some(0)
        })
    }

    /// Whether the results of a matrix that has singular values are numbers.
    pub(super) fn is_finite(&self, index: usize) -> bool {
        self.sigma.matrix(index)[0].finite()
            && self.report.outcomes[index].status != Status::NonFinite
    }

    fn factors<'f>(
        &'f self,
        cutoff: &'f Cutoff,
        damping: Option<&'f PerMatrix>,
    ) -> Result<Factors<'f, T>, Error> {
        let (u, v) = (&self.u, &self.v);
        cutoff.check(u.count(), self.sigma.rows())?;
        if let Some(damping) = damping {
            damping.check("damping", u.count())?;
        }
        Ok(Factors {
            svd: self,
            u,
            v,
            problem: Problem::new(u.rows(), v.rows(), T::DTYPE, Job::svd(Vectors::Thin)),
            cutoff,
            damping,
        })
    }
}

struct Factors<'f, T: Scalar> {
    svd: &'f Svd<T>,
    u: &'f Batch<T>,
    v: &'f Batch<T>,
    problem: Problem,
    cutoff: &'f Cutoff,
    damping: Option<&'f PerMatrix>,
}

/// Scratch of a thread.
#[derive(Default)]
struct Work<T: Scalar> {
    weights: Vec<T::Real>,
    left: Vec<T>,
    right: Vec<T>,
    side: Vec<T>,
    strip: Vec<T>,
}

impl<T: Scalar> Factors<'_, T> {
    /// The weights of the singular values of a matrix. Returns how many count, and the power of two by which the
    /// composed result must be multiplied.
    fn weights(&self, index: usize, filter: Filter, weights: &mut Vec<T::Real>) -> (usize, i32) {
        let sigma = self.svd.sigma.matrix(index);
        let (power, limits) = limits(self.cutoff, index, &self.problem, sigma);
        let (lambda, beyond) = match self.damping {
            Some(damping) => scaled(damping.get(index), power),
            None => (0.0, 0),
        };
        weights.clear();
        weights.extend(sigma.iter().map(|sigma| sigma.ldexp(power)));
        let rank = T::Real::dispatch(
            false,
            Weigh {
                limits,
                filter,
                damping: [T::Real::of(lambda), T::Real::ONE.ldexp(-beyond)],
                sigma: weights,
            },
        );
        (rank, -filter.degree() * power - 2 * beyond)
    }

    fn factor(&self, side: Factor) -> &Batch<T> {
        match side {
            Factor::U => self.u,
            Factor::V => self.v,
        }
    }

    /// left diag(f(sigma)) right'.
    fn compose(&self, left: Factor, filter: Filter, right: Factor) -> Result<Batch<T>, Error> {
        let (left, right) = (self.factor(left), self.factor(right));
        weighted(left, right, self.svd.sigma.rows(), |index, weights| {
            let finite = self.svd.is_finite(index);
            finite.then(|| self.weights(index, filter, weights).1)
        })
    }

    /// V diag(f(sigma)) U' B.
    fn solve(&self, b: View<'_, T>, filter: Filter) -> Result<Batch<T>, Error> {
        let (m, n, k) = (self.u.rows(), self.v.rows(), self.svd.sigma.rows());
        fit_rhs([self.u.count(), m], [b.count(), b.rows()])?;
        self.each([n, b.cols()], |work, index, to| {
            let (_, lift) = self.weights(index, filter, &mut work.weights);
            let (u, v) = (
                &self.u.matrix(index)[..m * k],
                &self.v.matrix(index)[..n * k],
            );
            adjoint(u, m, &mut work.left);
            work.right.resize(k, T::default());
            for (c, to) in to.chunks_exact_mut(n).enumerate() {
                work.side.clear();
                work.side.extend(b.column(index, c));
                if !work.side.iter().all(|entry| entry.is_number()) {
                    to.fill(T::nan());
                    continue;
                }
                // Each side has a scale of its own.
                let largest = work.side.iter().map(|entry| entry.larger().f64());
                let largest = largest.fold(0.0, f64::max);
                let power = if largest > 0.0 { largest.exponent() } else { 0 };
                work.side
                    .iter_mut()
                    .for_each(|entry| *entry = entry.scaled(-power));
                multiply(&work.left, k, &work.side, &mut work.right, &mut work.strip);
                for (entry, &weight) in work.right.iter_mut().zip(&work.weights) {
                    *entry = entry.times(weight);
                }
                multiply(v, n, &work.right, to, &mut work.strip);
                to.iter_mut()
                    .for_each(|entry| *entry = entry.scaled(lift + power));
            }
        })
    }

    /// A result of this shape, matrix by matrix, on all cores.
    fn each(
        &self,
        [rows, cols]: [usize; 2],
        f: impl Fn(&mut Work<T>, usize, &mut [T]) + Send + Sync,
    ) -> Result<Batch<T>, Error> {
        let mut result = Batch::zeros(self.u.count(), rows, cols)?;
        // Of a matrix without singular values everything is zero.
        if self.svd.sigma.rows() == 0 {
            return Ok(result);
        }
        let work =
            (self.u.rows() + self.v.rows()).saturating_mul(self.svd.sigma.rows() * rows.max(cols));
        let some = (TASK / work.max(1)).max(1);
        for_each_with(
            &mut result,
            some,
            Work::default,
            |work, index, to| match self.svd.is_finite(index) {
                false => to.fill(T::nan()),
                true => f(work, index, to),
            },
        );
        Ok(result)
    }
}
