//! Singular values and one of the two factors of vectors.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::factor::Factor;
use crate::data::options::Options;
use crate::data::report::Report;
use crate::data::scalar::Scalar;
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::device_batch::DeviceBatch;
use crate::engine::place::{Place, Places};
use crate::engine::road::strict;
use crate::gpu::resident::Results;
use crate::ops::call::{Call, Operand};
use crate::ops::operation::{
    Compute, ComputeInto, Finish, Given, Host, Memory, Recordable, Shapes,
};
use crate::planner::{Job, Vectors};

/// Singular values and one of the two factors of vectors of a batch of m x n matrices. k = min(m, n).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SingularVectors<T: Scalar, M: Memory = Host> {
    /// Singular vectors as columns: m x k for [`Factor::U`], n x k for [`Factor::V`]. In each column the first entry of
    /// (nearly) the largest magnitude is positive; of complex matrices it is real, too.
    pub vectors: M::Batch<T>,
    /// Singular values: k x 1, as those of [`Svd`](crate::Svd).
    pub sigma: M::Batch<T::Real>,
    /// The status, the rank and the number of sweeps of every matrix.
    pub report: M::Report,
}

impl Engine {
    /// Computes the singular values and one of the two factors of vectors of m x n matrices: U, m x k, or V, n x k, with
    /// k = min(m, n). The vectors of the shorter side (V if m >= n, else U) take less time than [`svd`](Self::svd): on
    /// the CPU about three quarters. The method accumulates no rotations for them. Those of the longer side take the time of
    /// [`svd`](Self::svd).
    ///
    /// **Signs**: V has the signs of [`svd`](Self::svd). U has signs of its own: its first entry of (nearly) the
    /// largest magnitude in each column is positive, as that of V is.
    ///
    /// **Guarantee**, with the bounds of [`svd`](Self::svd): the entries of V'V - I, or of U'U - I, are at most tol, and singular
    /// values are as accurate as there. There is a factor of the other side for which A is reconstructed to 2 tol |A|_F.
    ///
    /// **Source**: that of [`svd`](Self::svd).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Factor};
    ///
    /// // The directions in which 1000 clouds of 20 points extend, the longest first.
    /// let points = Batch::from_fn(1000, 20, 3, |b, i, j| ((b + 3 * i + 7 * j) as f32).sin())?;
    /// let found = Engine::cpu().singular_vectors(&points, Factor::V).run()?;
    /// assert_eq!((found.vectors.rows(), found.vectors.cols()), (3, 3));
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn singular_vectors<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
        of: Factor,
    ) -> Call<'e, 'a, SingularVectors<T>> {
        Call {
            choices: of,
            ..Call::new(self, a.into())
        }
    }
}

impl Engine {
    /// One factor, for operations that are made of it.
    pub(super) async fn one_factor<T: Scalar>(
        &self,
        a: View<'_, T>,
        of: Factor,
        options: &Options,
        blocking: bool,
    ) -> Result<SingularVectors<T>, Error> {
        SingularVectors::compute(self, Given { a, b: None }, &of, options, blocking).await
    }

    /// One factor with all of its columns.
    pub(super) async fn complete_factor<T: Scalar>(
        &self,
        a: View<'_, T>,
        of: Factor,
        options: &Options,
        blocking: bool,
    ) -> Result<SingularVectors<T>, Error> {
        if Job::complete_factor(of, [a.rows(), a.cols()]).vectors == Vectors::Shorter {
            return self.one_factor(a, of, options, blocking).await;
        }
        let svd = self.factored(a, true, options, blocking).await?;
        Ok(SingularVectors {
            vectors: match of {
                Factor::U => svd.u,
                Factor::V => svd.v,
            },
            sigma: svd.sigma,
            report: svd.report,
        })
    }
}

impl<T: Scalar> Recordable for SingularVectors<T> {}

impl<T: Scalar> Compute for SingularVectors<T> {
    fn places(of: &Factor, shapes: Shapes) -> Vec<[usize; 3]> {
        let (count, k) = (shapes.a[0], shapes.k());
        vec![[count, of.length(shapes.matrix()), k], [count, k, 1]]
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        of: &Factor,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let (shapes, count) = (given.shapes(), given.a.count());
        let k = shapes.k();
        let mut vectors = Batch::zeros(count, of.length(shapes.matrix()), k)?;
        let mut sigma = Batch::zeros(count, k, 1)?;
        let places = (vectors.view_mut(), sigma.view_mut());
        let report = Self::compute_into(engine, given, of, places, options, blocking);
        let report = report.await?;
        Ok(SingularVectors {
            vectors,
            sigma,
            report,
        })
    }

    fn job(of: &Factor, shapes: Shapes) -> Job {
        Job::one_factor(*of, shapes.matrix())
    }

    fn whole_on_device(_: &Factor, _: Shapes) -> Option<Finish<Self>> {
        Some(|solved, of, shapes| {
            let places = Self::places(of, shapes);
            let Results { u, sigma, v, .. } = solved.results;
            // As the kernels see them.
            let vectors = match (of, solved.transposed) {
                (Factor::U, false) | (Factor::V, true) => u,
                (Factor::V, false) | (Factor::U, true) => v,
            };
            SingularVectors {
                vectors: DeviceBatch::on(&solved.gpu, vectors, places[0]),
                sigma: DeviceBatch::on(&solved.gpu, sigma, places[1]),
                report: solved.report,
            }
        })
    }
}

impl<T: Scalar> ComputeInto for SingularVectors<T> {
    async fn compute_into(
        engine: &Engine,
        given: Given<'_, T>,
        of: &Factor,
        (mut vectors, mut sigma): Self::Places<'_>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        let (job, k) = (Self::job(of, given.shapes()), given.shapes().k());
        // The other factor, if it comes too.
        let others = match job.vectors {
            Vectors::Shorter => 0,
            _ => given.a.count(),
        };
        let mut other = Batch::zeros(others, k, k)?;
        let mut vectors = Place::new(&mut vectors)?;
        let mut sigma = Place::new(&mut sigma)?;
        let (u, v) = match of {
            Factor::U => (vectors.slice(), other.as_mut_slice()),
            Factor::V => (other.as_mut_slice(), vectors.slice()),
        };
        let places = Places {
            u,
            sigma: sigma.slice(),
            v,
            composed: &mut [],
        };
        let report = engine.run(given.a, None, job, options, places, blocking);
        let report = report.await?;
        vectors.finish();
        sigma.finish();
        strict(report, options)
    }
}
