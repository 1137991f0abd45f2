//! Singular value decompositions.

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
use crate::gpu::resident::Results;
use crate::ops::call::{Call, Operand};
use crate::ops::operation::{
    Compute, ComputeInto, Finish, Given, Host, Memory, Recordable, Shapes, Warm, by_copy,
};
use crate::ops::warm;
use crate::planner::{Job, Vectors};

/// The singular value decompositions A = U diag(sigma) V' of a batch of m x n matrices. k = min(m, n).
///
/// **Order**: singular values are non-negative and descend.
///
/// **Signs**: in each column of V the first entry of (nearly) the largest magnitude is positive; of complex matrices it
/// is real, too. The signs of U, or its phases, follow from those of V. In a full U of a tall matrix, the columns beyond k
/// have no partner in V and can have either sign, or any phase. "Nearly" means at least 1023 / 1024 of the largest
/// magnitude. So entries that are tied in exact arithmetic are treated as tied, in both types and on every engine.
///
/// Real scalars and diagonal matrices have exact factors. For real vectors, the factor of the side of length one is exact.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Svd<T: Scalar, M: Memory = Host> {
    /// Left singular vectors: m x k (thin) or m x m (full).
    pub u: M::Batch<T>,
    /// Singular values: k x 1. Those at or below 2^-84 (f32) or 2^-880 (f64) of the largest entry of the matrix are
    /// zero.
    pub sigma: M::Batch<T::Real>,
    /// Right singular vectors as columns: n x k (thin) or n x n (full). `v.view().transpose()` is V' without a copy
    /// (of real matrices: it does not conjugate).
    pub v: M::Batch<T>,
    /// The status, the rank and the number of sweeps of every matrix.
    pub report: M::Report,
}

/// Whether factors have all columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thickness {
    full: bool,
}

impl Thickness {
    fn vectors(self) -> Vectors {
        match self.full {
            true => Vectors::Full,
            false => Vectors::Thin,
        }
    }
}

impl Engine {
    /// Computes the singular value decompositions of m x n matrices: A = U diag(sigma) V'. With k = min(m, n), U is
    /// m x k, sigma is k x 1, and V is n x k. With [`full`](Call::full) U is m x m and V is n x n. Without vectors:
    /// [`singular_values`](Self::singular_values).
    ///
    /// m and n can have any size, also 0 and 1. Singular values are non-negative and descend. U and V are orthonormal,
    /// also for rank-deficient and zero matrices. [`Svd`] describes the order and the signs.
    ///
    /// **Guarantee**, for every matrix with status [`Status::Converged`](crate::Status::Converged), at the default
    /// tolerance, with u = 2^-24 (f32) or 2^-53 (f64) and tol = u max(32, 8 sqrt(k)):
    ///
    /// - |A - U S V'|_F <= tol |A|_F.
    /// - The entries of U'U - I and V'V - I are at most tol.
    /// - Singular values have an error of at most 8 sqrt(k) u sigma_max, plus the rounding of subnormal results.
    ///   [`Outcome::sigma_error`](crate::Outcome::sigma_error) returns this bound.
    ///
    /// **Scaled columns**: let A = B D, where B has full column rank and D is any diagonal matrix. The entries of D can
    /// span up to 2^50 (f32) or 2^450 (f64), in any order. Then every column of A is reconstructed to 2 tol of its own
    /// norm, and singular values have relative errors of at most 4 k u cond(B). These bounds do not depend on D.
    ///
    /// **Source**: QR with sorted rows and pivoted columns, then one-sided Jacobi on R' (Demmel and Veselic 1992; Drmac
    /// and Veselic 2008; LAPACK xGEJSV).
    ///
    /// ```
    /// use batched_svd::{Batch, Engine};
    ///
    /// let a = Batch::from_row_major(1, 2, 2, &[3.0f64, 0.0, 4.0, 5.0])?;
    /// let svd = Engine::cpu().svd(&a).run()?;
    /// assert!((svd.sigma.matrix(0)[0] - 45f64.sqrt()).abs() < 1e-14);
    /// assert!((svd.sigma.matrix(0)[1] - 5f64.sqrt()).abs() < 1e-14);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn svd<'e, 'a, T: Scalar>(&'e self, a: impl Into<Operand<'a, T>>) -> Call<'e, 'a, Svd<T>> {
        Call::new(self, a.into())
    }
}

impl<T: Scalar> Call<'_, '_, Svd<T>> {
    /// Sets whether the factors are full: U m x m and V n x n. Default: no.
    pub fn full(mut self, yes: bool) -> Self {
        self.choices.full = yes;
        self
    }
}

impl Engine {
    /// Thin decompositions, for operations that are made of them.
    pub(super) async fn thin<T: Scalar>(
        &self,
        a: View<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<Svd<T>, Error> {
        self.factored(a, false, options, blocking).await
    }

    /// Thin or full decompositions.
    pub(super) async fn factored<T: Scalar>(
        &self,
        a: View<'_, T>,
        full: bool,
        options: &Options,
        blocking: bool,
    ) -> Result<Svd<T>, Error> {
        let given = Given { a, b: None };
        Svd::compute(self, given, &Thickness { full }, options, blocking).await
    }
}

impl<T: Scalar> Warm for Svd<T> {}

impl<T: Scalar> Recordable for Svd<T> {}

fn zeros<T: Scalar>([count, rows, cols]: [usize; 3]) -> Result<Batch<T>, Error> {
    Batch::zeros(count, rows, cols)
}

/// Decompositions without an earlier V, where they belong.
async fn cold<T: Scalar>(
    engine: &Engine,
    a: View<'_, T>,
    choices: &Thickness,
    (u, sigma, v): (&mut [T], &mut [T::Real], &mut [T]),
    options: &Options,
    blocking: bool,
) -> Result<Report, Error> {
    let places = Places {
        u,
        sigma,
        v,
        composed: &mut [],
    };
    let job = Job::svd(choices.vectors());
    engine.run(a, None, job, options, places, blocking).await
}

impl<T: Scalar> Compute for Svd<T> {
    fn check(_: &Thickness, _: &Options, shapes: Shapes) -> Result<(), Error> {
        match shapes.b {
            Some(previous) => warm::check(shapes.a, previous),
            None => Ok(()),
        }
    }

    fn places(choices: &Thickness, shapes: Shapes) -> Vec<[usize; 3]> {
        let [count, m, n] = shapes.a;
        let k = shapes.k();
        let [of_u, of_v] = if choices.full { [m, n] } else { [k, k] };
        vec![[count, m, of_u], [count, k, 1], [count, n, of_v]]
    }

    async fn compute(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &Thickness,
        options: &Options,
        blocking: bool,
    ) -> Result<Self, Error> {
        if let Some(previous) = given.b {
            let (starts, turned) = warm::turned(given.a, previous)?;
            let cold = Given {
                a: turned.view(),
                b: None,
            };
            let cold = Box::pin(Self::compute(engine, cold, choices, options, blocking));
            let found = cold.await?;
            let wide = given.a.rows() < given.a.cols();
            let [u, v] = warm::restore(&starts, wide, [found.u, found.v])?;
            return Ok(Svd { u, v, ..found });
        }
        let shapes = Self::places(choices, given.shapes());
        let (mut u, mut sigma, mut v) = (zeros(shapes[0])?, zeros(shapes[1])?, zeros(shapes[2])?);
        let places = (u.as_mut_slice(), sigma.as_mut_slice(), v.as_mut_slice());
        let report = cold(engine, given.a, choices, places, options, blocking);
        let report = strict(report.await?, options)?;
        Ok(Svd {
            u,
            sigma,
            v,
            report,
        })
    }

    fn job(choices: &Thickness, _: Shapes) -> Job {
        Job::svd(choices.vectors())
    }

    fn whole_on_device(_: &Thickness, shapes: Shapes) -> Option<Finish<Self>> {
        let finish: Finish<Self> = |solved, choices, shapes| {
            let shapes = Self::places(choices, shapes);
            let Results {
                mut u,
                sigma,
                mut v,
                ..
            } = solved.results;
            if solved.transposed {
                std::mem::swap(&mut u, &mut v);
            }
            Svd {
                u: DeviceBatch::on(&solved.gpu, u, shapes[0]),
                sigma: DeviceBatch::on(&solved.gpu, sigma, shapes[1]),
                v: DeviceBatch::on(&solved.gpu, v, shapes[2]),
                report: solved.report,
            }
        };
        // An earlier V is multiplied by the host.
        shapes.b.is_none().then_some(finish)
    }
}

impl<T: Scalar> ComputeInto for Svd<T> {
    async fn compute_into(
        engine: &Engine,
        given: Given<'_, T>,
        choices: &Thickness,
        (mut u, mut sigma, mut v): Self::Places<'_>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        if given.b.is_some() {
            let places = (u, sigma, v);
            return by_copy::<Self>(engine, given, choices, places, options, blocking).await;
        }
        let mut u = Place::new(&mut u)?;
        let mut sigma = Place::new(&mut sigma)?;
        let mut v = Place::new(&mut v)?;
        let places = (u.slice(), sigma.slice(), v.slice());
        let report = cold(engine, given.a, choices, places, options, blocking);
        let report = report.await?;
        u.finish();
        sigma.finish();
        v.finish();
        strict(report, options)
    }
}
