//! The four subspaces of a matrix: bases of them, and projectors onto them.

use crate::data::error::Error;
use crate::data::factor::Factor;
use crate::data::options::Options;
use crate::data::outcome::{Outcome, Status};
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::Float;
use crate::engine::Engine;
use crate::ops::call::{Call, Operand};
use crate::ops::operation::{Compute, ComputeInto, Given, Host, Memory, Shapes};
use crate::ops::singular_vectors::SingularVectors;
use crate::ops::{for_each, mirror};
use crate::planner::{Filter, Job};

/// One of the four subspaces of an m x n matrix of rank r (Golub and Van Loan, 2.1.2 and 2.5.2). The
/// [cutoff](crate::Call::cutoff) decides r.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Subspace {
    /// The range, ran(A): it has r of m dimensions.
    #[default]
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
    pub(crate) fn of(self) -> (Factor, bool) {
        match self {
            Subspace::ColumnSpace => (Factor::U, false),
            Subspace::RowSpace => (Factor::V, false),
            Subspace::NullSpace => (Factor::V, true),
            Subspace::LeftNullSpace => (Factor::U, true),
        }
    }

    /// The dimension of the space that it is in.
    fn length(self, shapes: Shapes) -> usize {
        self.of().0.length(shapes.matrix())
    }
}

/// Orthogonal projectors onto a subspace of every matrix of a batch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Projector<T: Scalar, M: Memory = Host> {
    /// The projectors: m x m for column spaces and left null spaces, else n x n. They are exactly symmetric.
    pub projector: M::Batch<T>,
    /// The status of every matrix, and its rank under the cutoff.
    pub report: M::Report,
}

/// Orthonormal bases of a subspace of every matrix of a batch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Basis<T: Scalar, M: Memory = Host> {
    /// The bases, as columns: m x k for column spaces, n x k for row spaces, n x n for null spaces, m x m for left null
    /// spaces, k = min(m, n). A basis of fewer vectors is followed by columns of zeros.
    pub vectors: M::Batch<T>,
    /// The number of vectors of each basis, which is the dimension of the subspace. If the matrix is not finite, it is
    /// zero and the vectors are NaN.
    pub dimensions: Vec<usize>,
    /// The status of every matrix, and its rank under the cutoff.
    pub report: M::Report,
}

impl Engine {
    /// Computes the orthogonal projectors P = P' = P^2 onto one of the subspaces of m x n matrices: U_r U_r' (m x m)
    /// onto column spaces, V_r V_r' (n x n) onto row spaces, and I minus these onto their complements.
    ///
    /// **Guarantee**: with the bounds of [`svd`](Self::svd), |P^2 - P|_F <= (r + 4) tol. The distance between P
    /// and the projector of the exact matrix depends on the gap between the singular values that count and those that
    /// do not: it is an angle of about tol |A| / gap (Wedin; Golub and Van Loan, 8.6.1).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Subspace};
    ///
    /// // A robot arm's seven joints move its hand in six directions: what is left moves nothing.
    /// let jacobian = Batch::from_fn(1, 6, 7, |_, i, j| ((3 * i + 5 * j) as f64).sin() + i as f64 * 0.1)?;
    /// let still = Engine::cpu().projector(&jacobian, Subspace::NullSpace).run()?;
    /// assert_eq!((still.projector.rows(), still.projector.cols()), (7, 7));
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn projector<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
        onto: Subspace,
    ) -> Call<'e, 'a, Projector<T>> {
        Call {
            choices: onto,
            ..Call::new(self, a.into())
        }
    }

    /// Computes orthonormal bases of one of the subspaces of m x n matrices. They are columns of U or V. If matrices
    /// have unequal ranks, the bases are padded with zeros. [`Basis`] lists the shapes.
    ///
    /// **Guarantee**: the bases are as orthonormal as the vectors of [`svd`](Self::svd), because they are these
    /// vectors, up to their signs. The basis of a subspace is not unique, but its [projector](Self::projector) is. The status
    /// depends on the singular values: if one overflows ([`Status::NotRepresentable`]), the basis keeps its accuracy.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Subspace};
    ///
    /// let a = Batch::from_row_major(1, 1, 3, &[0.0f32, 5.0, 0.0])?;
    /// let null = Engine::cpu().basis(&a, Subspace::NullSpace).run()?;
    /// assert_eq!(null.dimensions, [2]);
    /// let [first, second] = [0, 1].map(|j| null.vectors.matrix(0)[3 * j + 1]);
    /// assert_eq!((first, second), (0.0, 0.0)); // A maps them to nothing
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn basis<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
        of: Subspace,
    ) -> Call<'e, 'a, Basis<T>> {
        Call {
            choices: of,
            ..Call::new(self, a.into())
        }
    }
}

impl<T: Scalar> Compute for Projector<T> {
    fn places(subspace: &Subspace, shapes: Shapes) -> Vec<[usize; 3]> {
        let length = subspace.length(shapes);
        vec![[shapes.a[0], length, length]]
    }

    fn job(subspace: &Subspace, _: Shapes) -> Job {
        let (side, _) = subspace.of();
        Job::composition(side, Filter::Keep, side)
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        subspace: &Subspace,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let (_, complement) = subspace.of();
        let job = Self::job(subspace, given.shapes());
        let composed = engine.compose(given.a, job, options, blocking);
        let (mut projector, report) = composed.await?;
        if T::DTYPE.is_complex() {
            // Real ones are symmetric as they come.
            let n = projector.rows();
            for_each(&mut projector, |_, matrix| mirror(matrix, n));
        }
        if complement {
            let size = projector.rows();
            for_each(&mut projector, |_, p| {
                // No negative zeros.
                p.iter_mut()
                    .for_each(|entry| *entry = T::default() - *entry);
                p.iter_mut()
                    .step_by(size + 1)
                    .for_each(|entry| *entry += T::of_real(T::Real::ONE));
            });
        }
        Ok(Projector { projector, report })
    }
}

impl<T: Scalar> ComputeInto for Projector<T> {}

impl<T: Scalar> Compute for Basis<T> {
    fn places(subspace: &Subspace, shapes: Shapes) -> Vec<[usize; 3]> {
        let length = subspace.length(shapes);
        let cols = match subspace.of() {
            (_, true) => length,
            (_, false) => shapes.k(),
        };
        vec![[shapes.a[0], length, cols]]
    }

    fn job(subspace: &Subspace, shapes: Shapes) -> Job {
        match subspace.of() {
            (factor, true) => Job::complete_factor(factor, shapes.matrix()),
            (factor, false) => Job::one_factor(factor, shapes.matrix()),
        }
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        subspace: &Subspace,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let (factor, complement) = subspace.of();
        let length = subspace.length(given.shapes());
        let SingularVectors {
            vectors: mut basis,
            report,
            ..
        } = match complement {
            true => {
                engine
                    .complete_factor(given.a, factor, options, blocking)
                    .await?
            }
            false => {
                engine
                    .one_factor(given.a, factor, options, blocking)
                    .await?
            }
        };
        let outcomes = &report.outcomes;
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
            entries[taken..].fill(T::default());
        });
        Ok(Basis {
            vectors: basis,
            dimensions: outcomes.iter().map(dimension).collect(),
            report,
        })
    }
}

impl<T: Scalar> ComputeInto for Basis<T> {}
