//! Singular values without vectors.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::report::Report;
use crate::data::scalar::Scalar;
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::device_batch::DeviceBatch;
use crate::engine::place::{Place, Places};
use crate::engine::road::strict;
use crate::ops::call::{Call, Operand};
use crate::ops::operation::{
    Compute, ComputeInto, Finish, Given, Host, Memory, Recordable, Shapes, Warm,
};
use crate::ops::warm;
use crate::planner::{Job, Vectors};

/// The singular values of a batch of m x n matrices. k = min(m, n).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SingularValues<T: Scalar, M: Memory = Host> {
    /// Singular values: k x 1, non-negative and descending. Those at or below 2^-84 (f32) or 2^-880 (f64) of the largest
    /// entry of the matrix are zero.
    pub sigma: M::Batch<T::Real>,
    /// The status, the rank and the number of sweeps of every matrix.
    pub report: M::Report,
}

impl Engine {
    /// Computes the singular values, k x 1, of m x n matrices, k = min(m, n), without vectors. This is faster than
    /// [`svd`](Self::svd). Norms and condition numbers are methods of the [result](SingularValues).
    ///
    /// **Guarantee**, **source**: those of the singular values of [`svd`](Self::svd).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let a = Batch::from_row_major(1, 2, 2, &[3.0f64, 0.0, 0.0, -4.0])?;
    /// let found = Engine::cpu().singular_values(&a).run()?;
    /// assert_eq!(found.sigma.matrix(0), [4.0, 3.0]);
    /// assert_eq!(found.spectral_norms(), [4.0]);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn singular_values<'e, 'a, T: Scalar>(
        &'e self,
        a: impl Into<Operand<'a, T>>,
    ) -> Call<'e, 'a, SingularValues<T>> {
        Call::new(self, a.into())
    }
}

impl Engine {
    /// Singular values, for operations that are made of them.
    pub(super) async fn values<T: Scalar>(
        &self,
        a: View<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<SingularValues<T>, Error> {
        SingularValues::compute(self, Given { a, b: None }, &(), options, blocking).await
    }
}

impl<T: Scalar> Warm for SingularValues<T> {}

impl<T: Scalar> Recordable for SingularValues<T> {}

impl<T: Scalar> Compute for SingularValues<T> {
    fn check(_: &(), _: &Options, shapes: Shapes) -> Result<(), Error> {
        match shapes.b {
            Some(previous) => warm::check(shapes.a, previous),
            None => Ok(()),
        }
    }

    fn places(_: &(), shapes: Shapes) -> Vec<[usize; 3]> {
        vec![[shapes.a[0], shapes.k(), 1]]
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &(),
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        let mut sigma = Batch::zeros(given.a.count(), given.shapes().k(), 1)?;
        let lenient = options.clone().strict(false);
        let place = sigma.view_mut();
        let report = Self::compute_into(engine, given, choices, place, &lenient, blocking);
        let report = strict(report.await?, options)?;
        Ok(SingularValues { sigma, report })
    }

    fn job(_: &(), _: Shapes) -> Job {
        Job::svd(Vectors::None)
    }

    fn whole_on_device(_: &(), shapes: Shapes) -> Option<Finish<Self>> {
        // An earlier V is multiplied by the host.
        let finish: Finish<Self> = |solved, choices, shapes| SingularValues {
            sigma: DeviceBatch::on(
                &solved.gpu,
                solved.results.sigma,
                Self::places(choices, shapes)[0],
            ),
            report: solved.report,
        };
        shapes.b.is_none().then_some(finish)
    }
}

impl<T: Scalar> ComputeInto for SingularValues<T> {
    async fn compute_into(
        engine: &Engine,
        given: Given<'_, T>,
        _: &(),
        mut sigma: Self::Places<'_>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        let mut sigma = Place::new(&mut sigma)?;
        let turned = match given.b {
            Some(previous) => Some(warm::turned(given.a, previous)?.1),
            None => None,
        };
        let a = turned.as_ref().map_or(given.a, Batch::view);
        let places = Places {
            u: &mut [],
            sigma: sigma.slice(),
            v: &mut [],
            composed: &mut [],
        };
        let job = Job::svd(Vectors::None);
        let report = engine.run(a, None, job, options, places, blocking);
        let report = report.await?;
        sigma.finish();
        strict(report, options)
    }
}
