//! Eigenvalues and eigenvectors of symmetric and Hermitian matrices.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::factor::Factor;
use crate::data::options::{Cutoff, Options};
use crate::data::outcome::{Outcome, Status};
use crate::data::report::Report;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::data::triangle::Triangle;
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::road::strict;
use crate::ops::call::{Call, Operand};
use crate::ops::counted::Counter;
use crate::ops::operation::{Compute, ComputeInto, Given, Host, Memory, Operation, Shapes};
use crate::ops::singular_vectors::SingularVectors;
use crate::ops::symmetric::{Made, Prepared, Symmetry};
use crate::ops::weighted::weighted;
use crate::ops::{TASK, for_each, for_each_beside, mirror};
use crate::planner::{Job, Vectors};

/// The eigenvalues and eigenvectors of a batch of symmetric or Hermitian n x n matrices: A = V diag(lambda) V'.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Eigh<T: Scalar, M: Memory = Host> {
    /// Eigenvalues: n x 1, in ascending order.
    pub values: M::Batch<T::Real>,
    /// Eigenvectors as orthonormal columns, in the order of the eigenvalues: n x n. In each column the first entry of
    /// (nearly) the largest magnitude is positive, and real.
    pub vectors: M::Batch<T>,
    /// How far each matrix is from symmetric: |A - A'|_F / |A|_F. It is zero if only one [`Triangle`] was read.
    pub asymmetries: Vec<f64>,
    /// The status of every matrix, and its rank: the number of eigenvalues whose magnitude counts under the cutoff.
    /// [`sigma_error`](crate::Outcome::sigma_error) is the bound on the error of each eigenvalue.
    pub report: M::Report,
}

/// The eigenvalues of a batch of symmetric or Hermitian n x n matrices.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Eigvalsh<T: Scalar, M: Memory = Host> {
    /// Eigenvalues: n x 1, in ascending order.
    pub values: M::Batch<T::Real>,
    /// How far each matrix is from symmetric, as in [`Eigh`].
    pub asymmetries: Vec<f64>,
    /// The status of every matrix, and its rank, as in [`Eigh`].
    pub report: M::Report,
}

impl Engine {
    /// Computes the eigenvalues (n x 1, ascending) and the orthonormal eigenvectors (n x n) of symmetric n x n matrices,
    /// or of Hermitian ones if entries are complex: A = V diag(lambda) V'. Matrices can be indefinite and singular, and
    /// eigenvalues can be equal, or of equal size and opposite sign. n can have any size. [`triangle`](Call::triangle)
    /// chooses the entries that are read. Functions of matrices, such as roots and exponentials, are [`Eigh::function`].
    ///
    /// **Guarantee**, for every matrix with status [`Status::Converged`](crate::Status::Converged), at the default
    /// tolerance, with the u and the tol of [`svd`](Self::svd) and S = A + s I as under "source":
    ///
    /// - |A - V diag(lambda) V'|_F <= 2 tol |S|_F. |S|_F is at most (1 + sqrt(n)) |A|_F.
    /// - The entries of V'V - I are at most tol.
    /// - Eigenvalues have an error of at most 8 sqrt(n) u |S|_2 + u (3 |A|_2 + s).
    ///   [`Outcome::sigma_error`](crate::Outcome::sigma_error) returns this bound.
    ///
    /// An engine without a GPU computes eigenvalues directly, and so does one that chooses between GPU and CPU
    /// ([`Policy`](crate::Policy)) for matrices of up to 32 rows (but on the web only calls that block): from 2x2 to 8x8 by
    /// rotations on both sides, else by way of a tridiagonal matrix. Then |A - V diag(lambda) V'|_F <= tol |A|_F, and
    /// eigenvalues have an error of at most 9 sqrt(n) u |A|_2. Off-diagonal entries are taken for zero there if they are at
    /// most 1/16 of the tolerance times the smaller of the two diagonal entries beside them; of a tridiagonal matrix, 1/8 of
    /// the tolerance times their sum, or u / 1024 of the largest entry. [`max_sweeps`](Call::max_sweeps) limits the mean
    /// number of QL sweeps for an eigenvalue.
    ///
    /// **Positive definite matrices**: with [`definite`](Call::definite), each eigenvalue has a small relative error,
    /// also the smallest ones, however rows and columns are scaled.
    ///
    /// **Source**: Jacobi's rotations on both sides (Golub and Van Loan, 8.5), or Householder's reflectors and QL with implicit
    /// shifts (8.3 there; tred2 and imtql2 of EISPACK), as said above. Otherwise singular values: -s is a lower bound of the
    /// eigenvalues (Gershgorin; Wolkowicz and Styan 1980), or s is zero if that bound is positive. So S is positive
    /// semidefinite. V diag(sigma) V' is then S but for rounding, because it is the Hermitian polar factor of S, and an error
    /// of S changes this factor by at most sqrt(2) times as much (Bhatia; Higham, Functions of Matrices, 8.9).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let a = Batch::from_row_major(1, 2, 2, &[1.0f64, 2.0, 2.0, 1.0])?;
    /// let found = Engine::cpu().eigh(&a).run()?;
    /// let near = |x: &[f64], y: &[f64]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-14);
    /// assert!(near(found.values.matrix(0), &[-1.0, 3.0]));
    /// let half = 0.5f64.sqrt();
    /// assert!(near(found.vectors.matrix(0), &[half, -half, half, half])); // by columns
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn eigh<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, Eigh<T>> {
        Call::new(self, a.into())
    }

    /// Computes the eigenvalues (n x 1, ascending) of symmetric or Hermitian n x n matrices, without vectors. This is
    /// faster than [`eigh`](Self::eigh).
    ///
    /// **Guarantee**, **source**: those of the eigenvalues of [`eigh`](Self::eigh).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Triangle};
    ///
    /// // The Hessian of x y + y^2. What is above the diagonal is not read.
    /// let a = Batch::from_row_major(1, 2, 2, &[0.0f64, f64::NAN, 1.0, 2.0])?;
    /// let found = Engine::cpu().eigvalsh(&a).triangle(Triangle::Lower).run()?;
    /// assert!((found.values.matrix(0)[0] - (1.0 - 2f64.sqrt())).abs() < 1e-14); // a saddle
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn eigvalsh<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, Eigvalsh<T>> {
        Call::new(self, a.into())
    }
}

/// An operation on symmetric matrices.
pub trait Symmetric: Operation<Choices = Symmetry> {}

impl<T: Scalar> Symmetric for Eigh<T> {}

impl<T: Scalar> Symmetric for Eigvalsh<T> {}

impl<R: Symmetric> Call<'_, '_, R> {
    /// Sets which entries are read. Default: all, and their [means](Triangle::Mean) are taken.
    pub fn triangle(mut self, triangle: Triangle) -> Self {
        self.choices.triangle = triangle;
        self
    }

    /// Sets whether the matrices are positive definite: covariances, Gram matrices, metrics. Default: no. With it, small
    /// eigenvalues are as accurate as large ones. A matrix with an eigenvalue that is negative by more than rounding gets
    /// the status [`NotDefinite`](Status::NotDefinite) and NaN results. Semidefinite matrices are accepted.
    ///
    /// The default cutoff does not know of this accuracy: it is [`sigma_error`](crate::Outcome::sigma_error). With
    /// `Cutoff::relative(0.0)`, every positive eigenvalue counts for the rank. Whether a matrix is symmetric is judged by
    /// its norm: if small entries matter, choose a [triangle](Call::triangle).
    ///
    /// **Guarantee**: let A = D H D, where H has a diagonal of ones and D is any diagonal matrix. The entries of D can
    /// span up to 2^40 (f32) or 2^400 (f64), in any order. Then eigenvalues have relative errors of at most
    /// 8 n^2 u cond(H), which does not depend on D. All eigenvalues have errors of at most
    /// ((16 sqrt(n) + 1) u + n^2 2^-52) lambda_max, which is then `sigma_error`.
    ///
    /// **Source**: one-sided Jacobi on the pivoted Cholesky factor (Demmel and Veselic 1992; Veselic and Hari 1989).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// // Variances in units that differ by 1e12. The determinant is 0.75.
    /// let a = Batch::from_row_major(1, 2, 2, &[1e12f32, 0.5, 0.5, 1e-12])?;
    /// let found = Engine::cpu().eigh(&a).definite(true).run()?;
    /// let smallest = found.values.matrix(0)[0];
    /// assert!((smallest / 0.75e-12 - 1.0).abs() < 1e-6);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn definite(mut self, yes: bool) -> Self {
        self.choices.definite = yes;
        self
    }
}

/// Returns an error if matrices are not square.
fn check(shapes: Shapes) -> Result<(), Error> {
    let [_, m, n] = shapes.a;
    if m == n {
        return Ok(());
    }
    Err(Error::argument(format!(
        "eigenvalues of {m}x{n} matrices, but only square matrices have eigenvalues"
    )))
}

/// What the decomposition of prepared matrices is asked for: its singular values are not those of the caller's matrices.
fn inner(options: &Options) -> Options {
    let lenient = options.clone().strict(false);
    lenient.cutoff(Cutoff::default())
}

/// Eigenvalues, and eigenvectors if they are wanted, of matrices for which the CPU has kernels of their own.
fn direct<T: Scalar>(
    engine: &Engine,
    a: View<'_, T>,
    choices: &Symmetry,
    options: &Options,
    (vectors, blocking): (bool, bool),
) -> Option<Result<Eigh<T>, Error>> {
    let [count, n] = [a.count(), a.cols()];
    // These kernels do not see a factor of the matrix, which promises more.
    if choices.definite || count == 0 || !engine.has_eigen(n, blocking) {
        return None;
    }
    let found = || {
        let mut values = Batch::zeros(count, n, 1)?;
        let mut v = Batch::zeros(if vectors { count } else { 0 }, n, n)?;
        let places = (values.as_mut_slice(), v.as_mut_slice());
        let (asymmetries, mut report) = engine.eigen(a, choices.triangle, options, places)?;
        if options.cutoff != Cutoff::default() {
            let counter = Counter::new::<T::Real>(n, &options.cutoff);
            let outcomes = &mut report.outcomes;
            for_each_outcome(&mut values, outcomes, |sizes, index, values, outcome| {
                if outcome.status != Status::NonFinite {
                    outcome.rank = rank(&counter, index, values, outcome, sizes);
                }
            });
        }
        Ok(Eigh {
            values,
            vectors: v,
            asymmetries,
            report: strict(report, options)?,
        })
    };
    Some(found())
}

/// Calls `f` for every matrix: with scratch, its index, its values and its outcome.
fn for_each_outcome<T: Real>(
    values: &mut Batch<T>,
    outcomes: &mut [Outcome],
    f: impl Fn(&mut Vec<T>, usize, &mut [T], &mut Outcome) + Send + Sync,
) {
    let some = TASK.div_ceil(values.rows().max(1));
    for_each_beside(values, outcomes, some, Vec::new, f);
}

/// The number of eigenvalues that count. `sizes` is scratch.
fn rank<T: Real>(
    count: &Counter<'_>,
    index: usize,
    values: &[T],
    outcome: &Outcome,
    sizes: &mut Vec<T>,
) -> u32 {
    sizes.clear();
    // In descending order: of ascending values the largest magnitude is at one of the ends.
    let mut rest = values;
    while let (Some(first), Some(last)) = (rest.first(), rest.last()) {
        let (first, last) = (first.abs(), last.abs());
        sizes.push(if first > last { first } else { last });
        rest = match first > last {
            true => &rest[1..],
            false => &rest[..rest.len() - 1],
        };
    }
    count.counted(index, outcome.sigma_error, sizes)
}

/// Makes eigenvalues of the singular values of prepared matrices, and completes the report.
fn finish<T: Real>(
    made: &[Made],
    sigma: &mut Batch<T>,
    mut report: Report,
    options: &Options,
) -> Result<(Vec<f64>, Report), Error> {
    let count = Counter::new::<T>(sigma.rows(), &options.cutoff);
    let outcomes = &mut report.outcomes;
    for_each_outcome(sigma, outcomes, |sizes, index, values, outcome| {
        complete(&made[index], index, values, outcome, &count, sizes);
    });
    let asymmetries = made.iter().map(|made| made.asymmetry).collect();
    Ok((asymmetries, strict(report, options)?))
}

/// Makes eigenvalues of the singular values of one matrix, and its outcome. `sizes` is scratch.
fn complete<T: Real>(
    made: &Made,
    index: usize,
    values: &mut [T],
    outcome: &mut Outcome,
    count: &Counter<'_>,
    sizes: &mut Vec<T>,
) {
    outcome.sigma_error = made.error(values.len(), outcome.sigma_error, values[0]);
    values.reverse();
    for value in &mut *values {
        *value = made.eigenvalue(*value);
    }
    if outcome.status == Status::NonFinite {
        outcome.status = made.fault.unwrap_or(Status::NonFinite);
        return;
    }
    if !values.iter().all(|value| value.finite()) {
        outcome.status = Status::NotRepresentable;
    }
    outcome.rank = rank(count, index, values, outcome, sizes);
    if outcome.status == Status::Converged {
        outcome.status = made.fault.unwrap_or(Status::Converged);
    }
}

impl<T: Scalar> Compute for Eigh<T> {
    fn check(_: &Symmetry, _: &Options, shapes: Shapes) -> Result<(), Error> {
        check(shapes)
    }

    fn places(_: &Symmetry, shapes: Shapes) -> Vec<[usize; 3]> {
        let [count, _, n] = shapes.a;
        vec![[count, n, 1], [count, n, n]]
    }

    fn job(_: &Symmetry, shapes: Shapes) -> Job {
        Job::one_factor(Factor::V, shapes.matrix())
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &Symmetry,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        if let Some(found) = direct(engine, given.a, choices, options, (true, blocking)) {
            return found;
        }
        let prepared = Prepared::new(given.a, *choices)?;
        let matrices = prepared.matrices.view();
        let inner = inner(options);
        let found = engine.one_factor(matrices, Factor::V, &inner, blocking);
        let SingularVectors {
            mut vectors,
            sigma: mut values,
            report,
        } = found.await?;
        let (asymmetries, report) = finish(&prepared.made, &mut values, report, options)?;
        for_each(&mut vectors, |_, v| {
            let n = values.rows();
            for left in 0..n / 2 {
                let (head, tail) = v.split_at_mut((n - 1 - left) * n);
                head[left * n..][..n].swap_with_slice(&mut tail[..n]);
            }
        });
        Ok(Eigh {
            values,
            vectors,
            asymmetries,
            report,
        })
    }
}

impl<T: Scalar> ComputeInto for Eigh<T> {}

impl<T: Scalar> Compute for Eigvalsh<T> {
    fn check(_: &Symmetry, _: &Options, shapes: Shapes) -> Result<(), Error> {
        check(shapes)
    }

    fn places(_: &Symmetry, shapes: Shapes) -> Vec<[usize; 3]> {
        vec![[shapes.a[0], shapes.a[2], 1]]
    }

    fn job(_: &Symmetry, _: Shapes) -> Job {
        Job::svd(Vectors::None)
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &Symmetry,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        if let Some(found) = direct(engine, given.a, choices, options, (false, blocking)) {
            let Eigh {
                values,
                asymmetries,
                report,
                ..
            } = found?;
            return Ok(Eigvalsh {
                values,
                asymmetries,
                report,
            });
        }
        let prepared = Prepared::new(given.a, *choices)?;
        let (matrices, inner) = (prepared.matrices.view(), inner(options));
        let found = engine.values(matrices, &inner, blocking).await?;
        let mut values = found.sigma;
        let (asymmetries, report) = finish(&prepared.made, &mut values, found.report, options)?;
        Ok(Eigvalsh {
            values,
            asymmetries,
            report,
        })
    }
}

impl<T: Scalar> ComputeInto for Eigvalsh<T> {}

impl<T: Scalar> Eigh<T> {
    /// Computes V diag(f(lambda)) V', n x n, of every matrix: a function of the matrix. The result is exactly symmetric, or
    /// Hermitian. `f` is given every eigenvalue, also those that are zero but for rounding errors; a threshold for these is
    /// [`sigma_error`](crate::Outcome::sigma_error). Where `f` is NaN or infinite, the result is not finite. The computation
    /// is on the CPU and blocks.
    ///
    /// **Guarantee**: the error is that of f at the computed eigenvalues and vectors, plus that of the product, which is
    /// at most (n + 4) tol max |f(lambda)| in the Frobenius norm.
    ///
    /// **Source**: Higham, Functions of Matrices, 1.2 and 4.5.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let a = Batch::from_row_major(1, 2, 2, &[2.5f64, 1.5, 1.5, 2.5])?; // eigenvalues 1 and 4
    /// let found = Engine::cpu().eigh(&a).run()?;
    /// // Without the threshold, the root of a zero that is 1e-16 by rounding would be 1e-8.
    /// let least: Vec<f64> = found.report.outcomes.iter().map(|o| o.sigma_error).collect();
    /// let root = found.function(|b, lambda| if lambda > least[b] { lambda.sqrt() } else { 0.0 })?;
    /// assert!((root.matrix(0)[0] - 1.5).abs() < 1e-14 && (root.matrix(0)[1] - 0.5).abs() < 1e-14);
    /// let log = found.function(|_, lambda| lambda.ln())?;
    /// let exp = Engine::cpu().eigh(&log).run()?.function(|_, lambda| lambda.exp())?;
    /// assert!((exp.matrix(0)[0] - 2.5).abs() < 1e-13);
    ///
    /// // The inverse root of a covariance, without the directions that are nothing but rounding errors.
    /// let white = found.function(|b, lambda| if lambda > least[b] { 1.0 / lambda.sqrt() } else { 0.0 })?;
    /// assert!((white.matrix(0)[0] - 0.75).abs() < 1e-14);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Memory`] if the host cannot hold the result.
    pub fn function(&self, f: impl Fn(usize, f64) -> f64 + Send + Sync) -> Result<Batch<T>, Error> {
        let (n, v) = (self.values.rows(), &self.vectors);
        let mut result = weighted(v, v, n, |index, weights| {
            let values = self.values.matrix(index).iter();
            weights.extend(values.map(|value| T::Real::of(f(index, value.f64()))));
            Some(0)
        })?;
        for_each(&mut result, |_, matrix| mirror(matrix, n));
        Ok(result)
    }
}
