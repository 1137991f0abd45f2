//! Least-squares solutions.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::outcome::Status;
use crate::data::parallel;
use crate::data::report::Report;
use crate::data::scalar::Scalar;
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::place::{Places, fit_rhs};
use crate::engine::road::strict;
use crate::ops::call::{Call, Operand};
use crate::ops::operation::{
    Compute, ComputeInto, Damped, DampedNearSingular, Finish, Given, Host, Memory, Recordable,
    Shapes, by_copy,
};
use crate::planner::Job;

/// The least-squares solutions of a batch of systems A X = B. Each A is m x n, each B is m x p (p right-hand
/// sides).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lstsq<T: Scalar, M: Memory = Host> {
    /// The solutions: n x p. [`verify::residuals`](crate::verify::residuals) computes the residuals B - A X.
    pub solution: M::Batch<T>,
    /// The singular values of A: k x 1, k = min(m, n), as in [`Svd::sigma`](crate::Svd::sigma). They are there only if
    /// [`singular_values`](Call::singular_values) asked for them. The status does not depend on them.
    pub sigma: Option<M::Batch<T::Real>>,
    /// The status of every matrix, and its rank under the cutoff. The status is
    /// [`Status::NonFinite`](crate::Status::NonFinite) also if only a right-hand side is not finite.
    pub report: M::Report,
}

/// The choices that only least-squares solutions have.
#[derive(Clone, Copy, Debug, Default)]
pub struct LstsqChoices {
    refined: bool,
    singular_values: bool,
}

impl Engine {
    /// Computes the least-squares solutions X, n x p, of A X = B, for m x n matrices A and B of m x p (p right-hand
    /// sides). Each column x of X is the shortest of all vectors that minimise |A x - b|, where b is the same column of
    /// B. A can be rank deficient, and the system can be underdetermined.
    ///
    /// X = V diag(1/sigma) U' B over the singular values that count under the [cutoff](Call::cutoff).
    /// The pseudoinverse is not formed. With [damping](Call::damping), X is the ridge solution. Every column of B is
    /// scaled separately.
    ///
    /// The report contains the ranks. [`Lstsq::sigma`] has the singular values with
    /// [`singular_values`](Call::singular_values). [`verify::residuals`](crate::verify::residuals) computes the
    /// residuals B - A X.
    ///
    /// The bits of a solution do not depend on the rest of the batch. They do not depend on the other right-hand sides
    /// either, as long as there are at most min(m, n) of them.
    ///
    /// A NaN or an infinity in A makes all solutions of this A NaN. A NaN or an infinity in a right-hand side makes
    /// only the solution of this side NaN. Both are reported as [`Status::NonFinite`](crate::Status::NonFinite).
    ///
    /// **Guarantee**, for every matrix with status [`Status::Converged`](crate::Status::Converged), with tol as for
    /// [`svd`](Self::svd), the condition number c of the part that is kept, and its smallest singular value s:
    ///
    /// - A solution x has an error of at most 8 tol (c |x| + (c |b - A x| + |b|) / s). This follows from the backward
    ///   error of an SVD solver (Golub and Van Loan, 5.3.7).
    /// - For [scaled columns](Self::svd), A = B D, with a cutoff of zero, D x has an error of at most that bound,
    ///   with c = cond(B) and with the smallest singular value of B as s. Fitted values A x have an error of at most
    ///   tol cond(B) |b|.
    /// - For wide matrices A = D B of full row rank, x itself has an error of at most tol cond(B) |x|.
    ///
    /// Measured errors of fitted values are at most 3.3 u cond(B) |b|, on both engines.
    ///
    /// **Source**: Golub and Van Loan, 5.5; LAPACK xGELSS.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// // Lines through three points each: y = x[0] + x[1] t at t = 0, 1, 2.
    /// let a = Batch::from_fn(2, 3, 2, |_, i, j| (i as f64).powi(j as i32))?;
    /// let y = Batch::from_row_major(2, 3, 1, &[1.0f64, 3.0, 5.0, 0.0, 0.0, 3.0])?;
    /// let fit = Engine::cpu().lstsq(&a, &y).run()?;
    /// let close = |x: &[f64], y: [f64; 2]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-14);
    /// assert!(close(fit.solution.matrix(0), [1.0, 2.0]));
    /// assert!(close(fit.solution.matrix(1), [-0.5, 1.5]));
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn lstsq<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
        b: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, Lstsq<T>> {
        Call::new(self, a.into()).beside(b.into())
    }
}

impl<T: Scalar> Call<'_, '_, Lstsq<T>> {
    /// Sets whether the solutions are refined once: x + A^+ (b - A x), with the residual in f64. Default: no.
    /// Refinement takes twice the time, and the error that it removes is of the size of eps |b|. Fits of exact data
    /// leave 0.1 to 0.3 eps |b| (eps = 2u) with refinement, and 0.3 to 1 eps |b| without. Damped solutions are not
    /// refined: the call returns an error.
    pub fn refined(mut self, yes: bool) -> Self {
        self.choices.refined = yes;
        self
    }

    /// Sets whether the result has the singular values of the matrices too ([`Lstsq::sigma`]). Default: no.
    /// [`run_into`](Call::run_into) has no place for them and returns an error.
    pub fn singular_values(mut self, yes: bool) -> Self {
        self.choices.singular_values = yes;
        self
    }
}

impl<T: Scalar> Damped for Lstsq<T> {}

impl<T: Scalar> DampedNearSingular for Lstsq<T> {}

impl<T: Scalar> Recordable for Lstsq<T> {}

/// The right-hand sides of each matrix. There is always a B.
fn sides(shapes: Shapes) -> usize {
    shapes.b.map_or(0, |b| b[2])
}

impl<T: Scalar> Compute for Lstsq<T> {
    fn check(choices: &LstsqChoices, options: &Options, shapes: Shapes) -> Result<(), Error> {
        if choices.refined && options.damping.is_some() {
            return Err(Error::argument(
                "damped solutions are not refined: they do not minimise the residual",
            ));
        }
        let ([count, rows, _], [b_count, b_rows, _]) = (shapes.a, shapes.b.unwrap_or_default());
        fit_rhs([count, rows], [b_count, b_rows])
    }

    fn places(_: &LstsqChoices, shapes: Shapes) -> Vec<[usize; 3]> {
        vec![[shapes.a[0], shapes.a[2], sides(shapes)]]
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &LstsqChoices,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        if choices.refined {
            return refined(engine, given, choices, options, blocking).await;
        }
        let shapes = given.shapes();
        let job = Self::job(choices, shapes);
        let [count, rows, cols] = Self::places(choices, shapes)[0];
        let mut solution = Batch::zeros(count, rows, cols)?;
        let mut sigma = Batch::zeros(count, shapes.k(), 1)?;
        let places = Places {
            u: &mut [],
            sigma: sigma.as_mut_slice(),
            v: &mut [],
            composed: solution.as_mut_slice(),
        };
        let report = engine.run(given.a, given.b, job, options, places, blocking);
        let report = report.await?;
        Ok(Lstsq {
            solution,
            sigma: job.values.then_some(sigma),
            report: strict(report, options)?,
        })
    }

    fn job(choices: &LstsqChoices, shapes: Shapes) -> Job {
        Job {
            values: choices.singular_values,
            ..Job::inverse(Some(sides(shapes)))
        }
    }

    fn whole_on_device(choices: &LstsqChoices, _: Shapes) -> Option<Finish<Self>> {
        let finish: Finish<Self> = |solved, choices, shapes| {
            let (solution, report) = solved.composed(Self::places(choices, shapes)[0]);
            Lstsq {
                solution,
                sigma: None,
                report,
            }
        };
        // The host computes residuals, and takes singular values from the end of a chunk.
        let plain = !choices.refined && !choices.singular_values;
        plain.then_some(finish)
    }
}

impl<T: Scalar> ComputeInto for Lstsq<T> {
    fn check_places(choices: &LstsqChoices) -> Result<(), Error> {
        match choices.singular_values {
            false => Ok(()),
            true => Err(Error::argument(
                "singular values have no place: they are in the result of run",
            )),
        }
    }

    async fn compute_into(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &LstsqChoices,
        solution: Self::Places<'_>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        if choices.refined {
            return by_copy::<Self>(engine, given, choices, solution, options, blocking).await;
        }
        let job = Self::job(choices, given.shapes());
        let composed = engine.compose_into(given.a, given.b, job, solution, options, blocking);
        composed.await
    }
}

/// x + A^+ (b - A x), where both converge. Residuals are computed in f64, where the products of f32 are exact.
async fn refined<T: Scalar>(
    engine: &Engine,
    given: Given<'_, T>,
    choices: &LstsqChoices,
    options: &Options,
    blocking: bool,
) -> Result<Lstsq<T>, Error> {
    let Given { a, b: Some(b) } = given else {
        return Err(Error::argument("no right-hand sides"));
    };
    let (plain, lenient) = (
        LstsqChoices {
            refined: false,
            ..*choices
        },
        options.clone().strict(false),
    );
    let mut found = unrefined(engine, [a, b], &plain, &lenient, blocking).await?;
    let mut rest = Batch::zeros(a.count(), a.rows(), b.cols())?;
    residuals(a, &found.solution, b, &mut rest);
    let quiet = Options {
        progress: None,
        ..lenient
    };
    let alone = LstsqChoices::default();
    let further = unrefined(engine, [a, rest.view()], &alone, &quiet, blocking).await?;
    let outcomes = found.report.outcomes.iter().zip(&further.report.outcomes);
    let size = found.solution.rows() * found.solution.cols();
    if size > 0 {
        let entries = found.solution.as_mut_slice().chunks_exact_mut(size);
        let steps = further.solution.as_slice().chunks_exact(size);
        for ((x, step), (first, second)) in entries.zip(steps).zip(outcomes) {
            // A step of nothing but subnormal numbers mends nothing; one of what did not converge may harm.
            let is_good = |status| matches!(status, Status::Converged | Status::NonFinite);
            if !is_good(first.status) || !is_good(second.status) {
                continue;
            }
            for (x, &step) in x.iter_mut().zip(step) {
                if step.is_number() {
                    *x += step;
                }
            }
        }
    }
    found.report.flops += further.report.flops;
    let report = strict(found.report, options)?;
    Ok(Lstsq { report, ..found })
}

/// As a box, since this is a call within a call.
async fn unrefined<T: Scalar>(
    engine: &Engine,
    [a, b]: [View<'_, T>; 2],
    choices: &LstsqChoices,
    options: &Options,
    blocking: bool,
) -> Result<Lstsq<T>, Error> {
    let given = Given { a, b: Some(b) };
    Box::pin(Lstsq::compute(engine, given, choices, options, blocking)).await
}

/// b - A x, system by system.
fn residuals<T: Scalar>(a: View<'_, T>, x: &Batch<T>, b: View<'_, T>, to: &mut Batch<T>) {
    let (m, n, size) = (to.rows(), x.rows(), to.rows() * to.cols());
    if size == 0 {
        return;
    }
    let some = (1usize << 14).div_ceil(size * n.max(1));
    let tasks = to.as_mut_slice().chunks_mut(some * size).enumerate();
    parallel::for_each(
        tasks.collect(),
        || vec![T::Wide::default(); m],
        |sum: &mut Vec<T::Wide>, (task, entries): (usize, &mut [T])| {
            for (index, to) in (task * some..).zip(entries.chunks_exact_mut(size)) {
                for (c, to) in to.chunks_exact_mut(m).enumerate() {
                    for (sum, b) in sum.iter_mut().zip(b.column(index, c)) {
                        *sum = b.wide();
                    }
                    for (j, x) in x.matrix(index)[c * n..][..n].iter().enumerate() {
                        let x = x.wide();
                        for (sum, a) in sum.iter_mut().zip(a.column(index, j)) {
                            *sum -= a.wide() * x;
                        }
                    }
                    for (to, &sum) in to.iter_mut().zip(sum.iter()) {
                        *to = T::of_wide(sum);
                    }
                }
            }
        },
    );
}
