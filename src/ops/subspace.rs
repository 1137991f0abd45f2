//! The four subspaces of a matrix: bases of them, and projectors onto them.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::{Options, Vectors};
use crate::data::outcome::{Outcome, Status};
use crate::data::report::Report;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::View;
use crate::engine::Engine;
use crate::ops::for_each;
use crate::planner::{Filter, Job, Side};

/// One of the four subspaces of an m x n matrix of rank r (Golub and Van Loan, 2.1.2 and 2.5.2). The
/// [cutoff](Options::cutoff) decides r.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subspace {
    /// The range, ran(A): it has r of m dimensions.
    ColumnSpace,
    /// ran(A'): it has r of n dimensions and is the complement of the null space.
    RowSpace,
    /// The vectors that A maps to zero, null(A): it has n - r of n dimensions.
    NullSpace,
    /// null(A'): it has m - r of m dimensions and is the complement of the column space.
    LeftNullSpace,
}

impl Subspace {
    /// The factor whose columns span it, and whether they are those that do not count.
    pub(crate) fn of(self) -> (Side, bool) {
        match self {
            Subspace::ColumnSpace => (Side::U, false),
            Subspace::RowSpace => (Side::V, false),
            Subspace::NullSpace => (Side::V, true),
            Subspace::LeftNullSpace => (Side::U, true),
        }
    }
}

/// Orthogonal projectors onto a subspace of every matrix of a batch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Projector<T: Scalar> {
    /// The projectors: m x m for column spaces and left null spaces, else n x n. They are exactly symmetric.
    pub projector: Batch<T>,
    /// The status of every matrix, and its rank under the cutoff.
    pub report: Report,
}

/// Orthonormal bases of a subspace of every matrix of a batch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Basis<T: Scalar> {
    /// The bases, as columns: m x k for column spaces, n x k for row spaces, n x n for null spaces, m x m for left null
    /// spaces, k = min(m, n). A basis of fewer vectors is followed by columns of zeros.
    pub vectors: Batch<T>,
    /// The number of vectors of each basis, which is the dimension of the subspace. If the matrix is not finite, it is
    /// zero and the vectors are NaN.
    pub dimensions: Vec<usize>,
    /// The status of every matrix, and its rank under the cutoff.
    pub report: Report,
}

impl Engine {
    /// Computes the orthogonal projectors P = P' = P^2 onto one of the subspaces of m x n matrices: U_r U_r' (m x m)
    /// onto column spaces, V_r V_r' (n x n) onto row spaces, and I minus these onto their complements.
    ///
    /// **Guarantee**: with the bounds of [`svd`](Self::svd_async), |P^2 - P|_F <= (r + 4) tol. The distance between P
    /// and the projector of the exact matrix depends on the gap between the singular values that count and those that
    /// do not: it is an angle of about tol |A| / gap (Wedin; Golub and Van Loan, 8.6.1).
    ///
    /// # Errors
    /// As [`svd`](Self::svd_async).
    pub async fn projector_async<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        onto: Subspace,
        options: &Options,
    ) -> Result<Projector<T>, Error> {
        self.projector_inner(a.into(), onto, options, false).await
    }

    /// Does the same as [`projector_async`](Self::projector_async), and blocks until it is done.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Options, Subspace};
    ///
    /// // A robot arm's seven joints move its hand in six directions: what is left moves nothing.
    /// let jacobian = Batch::from_fn(1, 6, 7, |_, i, j| ((3 * i + 5 * j) as f64).sin() + i as f64 * 0.1)?;
    /// let still = Engine::cpu().projector(&jacobian, Subspace::NullSpace, &Options::default())?;
    /// assert_eq!((still.projector.rows(), still.projector.cols()), (7, 7));
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`projector_async`](Self::projector_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn projector<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        onto: Subspace,
        options: &Options,
    ) -> Result<Projector<T>, Error> {
        pollster::block_on(self.projector_inner(a.into(), onto, options, true))
    }

    async fn projector_inner<T: Real>(
        &self,
        a: View<'_, T>,
        onto: Subspace,
        options: &Options,
        blocking: bool,
    ) -> Result<Projector<T>, Error> {
        if !blocking && self.in_background() {
            let call = move |engine: &Engine, a: View<'_, T>, options: &Options| {
                pollster::block_on(engine.projector_inner(a, onto, options, true))
            };
            return self.background(a, options, call).await;
        }
        let (side, complement) = onto.of();
        let job = Job::composition(side, Filter::Keep, side);
        let (mut projector, report) = self.compose(a, None, job, options, blocking).await?;
        if complement {
            let size = projector.rows();
            for_each(&mut projector, |_, p| {
                // No negative zeros.
                p.iter_mut().for_each(|entry| *entry = T::ZERO - *entry);
                p.iter_mut()
                    .step_by(size + 1)
                    .for_each(|entry| *entry += T::ONE);
            });
        }
        Ok(Projector { projector, report })
    }

    /// Computes orthonormal bases of one of the subspaces of m x n matrices. They are columns of U or V. If matrices
    /// have unequal ranks, the bases are padded with zeros. [`Basis`] lists the shapes.
    ///
    /// **Guarantee**: the bases are as orthonormal as the vectors of [`svd`](Self::svd_async), because they are these
    /// vectors. The basis of a subspace is not unique, but its [projector](Self::projector_async) is. The status
    /// depends on the singular values: if one overflows ([`Status::NotRepresentable`]), the basis keeps its accuracy.
    ///
    /// # Errors
    /// As [`svd`](Self::svd_async).
    pub async fn basis_async<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        of: Subspace,
        options: &Options,
    ) -> Result<Basis<T>, Error> {
        self.basis_inner(a.into(), of, options, false).await
    }

    /// Does the same as [`basis_async`](Self::basis_async), and blocks until it is done.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Options, Subspace};
    ///
    /// let a = Batch::from_row_major(1, 1, 3, &[0.0f32, 5.0, 0.0])?;
    /// let null = Engine::cpu().basis(&a, Subspace::NullSpace, &Options::default())?;
    /// assert_eq!(null.dimensions, [2]);
    /// let [first, second] = [0, 1].map(|j| null.vectors.matrix(0)[3 * j + 1]);
    /// assert_eq!((first, second), (0.0, 0.0)); // A maps them to nothing
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`basis_async`](Self::basis_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn basis<'a, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        of: Subspace,
        options: &Options,
    ) -> Result<Basis<T>, Error> {
        pollster::block_on(self.basis_inner(a.into(), of, options, true))
    }

    async fn basis_inner<T: Real>(
        &self,
        a: View<'_, T>,
        of: Subspace,
        options: &Options,
        blocking: bool,
    ) -> Result<Basis<T>, Error> {
        if !blocking && self.in_background() {
            let call = move |engine: &Engine, a: View<'_, T>, options: &Options| {
                pollster::block_on(engine.basis_inner(a, of, options, true))
            };
            return self.background(a, options, call).await;
        }
        let (side, complement) = of.of();
        let (length, k) = match side {
            Side::U => (a.rows(), a.rows().min(a.cols())),
            Side::V => (a.cols(), a.rows().min(a.cols())),
        };
        // A thin factor that is square is complete.
        let vectors = match complement && length > k {
            true => Vectors::Full,
            false => Vectors::Thin,
        };
        let svd = self.svd_inner(a, vectors, options, blocking).await?;
        let factor = match side {
            Side::U => svd.u,
            Side::V => svd.v,
        };
        // Always there: it was asked for.
        let mut basis = factor.map_or_else(|| Batch::zeros(a.count(), length, 0), Ok)?;
        let outcomes = &svd.report.outcomes;
        let dimension = |outcome: &Outcome| match (outcome.status, complement) {
            (Status::NonFinite, _) => 0,
            (_, true) => length - outcome.rank as usize,
            (_, false) => outcome.rank as usize,
        };
        for_each(&mut basis, |index, entries| {
            let outcome = &outcomes[index];
            if outcome.status == Status::NonFinite {
                return;
            }
            let taken = length * dimension(outcome);
            if complement {
                entries.copy_within(length * outcome.rank as usize.., 0);
            }
            entries[taken..].fill(T::ZERO);
        });
        Ok(Basis {
            vectors: basis,
            dimensions: outcomes.iter().map(dimension).collect(),
            report: svd.report,
        })
    }
}
