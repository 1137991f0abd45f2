//! What an operation is to those who carry it out: its result says what it takes, what it is in either memory, and how
//! it is computed there.

use std::fmt::Debug;

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::report::Report;
use crate::data::scalar::Scalar;
use crate::data::view::{View, ViewMut};
use crate::engine::Engine;
use crate::engine::device_batch::{DeviceBatch, DeviceReport};
use crate::engine::on_device::Solved;
use crate::engine::road::strict;
use crate::planner::Job;

mod sealed {
    pub trait Memory {}
    impl Memory for super::Host {}
    impl Memory for super::Device {}
}

/// Where results are: on the [`Host`] or on the [`Device`].
pub trait Memory: sealed::Memory + Copy + Debug + PartialEq + Send + Sync + 'static {
    /// Matrices in this memory.
    type Batch<T: Scalar>: Clone + Debug + Send + Sync;
    /// The report of a call whose results are in this memory.
    type Report: Clone + Debug + Send + Sync;
}

/// The memory of the host. Results here are [`Batch`]es, with a [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {}

/// The memory where an engine computes: that of a GPU, or for a CPU engine that of the host. Results here are
/// [`DeviceBatch`]es, with a [`DeviceReport`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Device {}

impl Memory for Host {
    type Batch<T: Scalar> = Batch<T>;
    type Report = Report;
}

impl Memory for Device {
    type Batch<T: Scalar> = DeviceBatch<T>;
    type Report = DeviceReport;
}

/// An operation, named by its result: a [`Call`](crate::Call) with the parameter [`Pinv<f32>`](crate::Pinv) computes
/// pseudoinverses in f32. The results of this library implement it, and no other type can be computed.
pub trait Operation: Sized {
    /// The type of the matrices.
    type Entry: Scalar;
    /// The same results in the memory where the engine computes.
    type OnDevice;
    /// The choices that this operation has and others have not.
    #[doc(hidden)]
    type Choices: Clone + Default + Send + Sync + 'static;
}

/// An operation whose results can be written to memory of the caller.
pub trait Placed: Operation {
    /// A [`ViewMut`] for each result, as a tuple if there are several, in the order in which the result lists them.
    type Places<'o>;

    /// Returns an error if a place has another shape than its result.
    #[doc(hidden)]
    fn fits(places: &Self::Places<'_>, shapes: &[[usize; 3]]) -> Result<(), Error>;

    /// Copies the results.
    #[doc(hidden)]
    fn write(self, places: Self::Places<'_>) -> Report;
}

/// What memory of the caller is given as: for one result whatever converts to a [`ViewMut`], such as `&mut Batch`; for
/// several a tuple of these.
pub trait IntoPlaces<P> {
    /// The places.
    fn into_places(self) -> P;
}

impl<'o, T: Scalar, A: Into<ViewMut<'o, T>>> IntoPlaces<ViewMut<'o, T>> for A {
    fn into_places(self) -> ViewMut<'o, T> {
        self.into()
    }
}

macro_rules! into_places {
    ($($name:ident: $entry:ident)+) => {
        #[allow(non_snake_case)]
        impl<'o, $($entry: Scalar, $name: Into<ViewMut<'o, $entry>>),+> IntoPlaces<($(ViewMut<'o, $entry>),+)>
            for ($($name),+)
        {
            fn into_places(self) -> ($(ViewMut<'o, $entry>),+) {
                let ($($name),+) = self;
                ($($name.into()),+)
            }
        }
    };
}

into_places! { A: T B: U }
into_places! { A: T B: U C: V }
into_places! { A: T B: U C: V D: W }

/// An operation whose result can be [damped](crate::Call::damping).
pub trait Damped: Operation {}

/// An operation whose damping can be found from the [smallest singular value](crate::Call::damping_near_singular) of each
/// matrix.
pub trait DampedNearSingular: Damped {}

/// An operation that can start from an [earlier V](crate::Call::warm).
pub trait Warm: Operation {}

/// An operation whose work on a device needs no decision of the host. It can be recorded into commands of the caller.
pub trait Recordable: Operation {}

/// Matrices, and what belongs to them: right-hand sides, or an earlier V.
pub struct Given<'g, T: Scalar> {
    pub a: View<'g, T>,
    pub b: Option<View<'g, T>>,
}

impl<T: Scalar> Given<'_, T> {
    pub fn shapes(&self) -> Shapes {
        Shapes {
            a: self.a.shape(),
            b: self.b.map(|b| b.shape()),
        }
    }
}

/// The shapes of a call: (count, rows, columns) of the matrices and of what belongs to them.
#[derive(Clone, Copy)]
pub struct Shapes {
    pub a: [usize; 3],
    pub b: Option<[usize; 3]>,
}

impl Shapes {
    /// Rows and columns of the matrices.
    pub fn matrix(&self) -> [usize; 2] {
        [self.a[1], self.a[2]]
    }

    pub fn k(&self) -> usize {
        self.a[1].min(self.a[2])
    }
}

/// Makes results of what a device has computed.
pub type Finish<R> = fn(Solved, &<R as Operation>::Choices, Shapes) -> <R as Operation>::OnDevice;

/// How an operation is computed. The results of this library implement it.
pub trait Compute:
    Operation<OnDevice: Bring<Brought = Self>> + Keep<Kept = Self::OnDevice> + Send + 'static
{
    /// Returns an error if the matrices or the choices do not fit, before anything is copied or computed.
    #[doc(hidden)]
    fn check(_: &Self::Choices, _: &Options, _: Shapes) -> Result<(), Error> {
        Ok(())
    }

    /// The shapes of the results that have a place of the caller's.
    #[doc(hidden)]
    fn places(choices: &Self::Choices, shapes: Shapes) -> Vec<[usize; 3]>;

    /// The results of matrices in the memory of the host.
    #[doc(hidden)]
    fn compute(
        engine: &Engine,
        given: Given<'_, Self::Entry>,
        choices: &Self::Choices,
        options: &Options,
        blocking: bool,
    ) -> impl Future<Output = Result<Self, Error>>;

    /// The job that an engine is given.
    #[doc(hidden)]
    fn job(choices: &Self::Choices, shapes: Shapes) -> Job;

    /// Makes the results of what a device has computed of that job, if this is all that they need: the host then has no
    /// part in it.
    #[doc(hidden)]
    fn whole_on_device(_: &Self::Choices, _: Shapes) -> Option<Finish<Self>> {
        None
    }
}

/// How results are computed into memory of the caller: they are copied, unless an operation has them written there as they
/// are computed.
pub trait ComputeInto: Compute + Placed {
    /// Returns an error if the choices ask for a result that has no place.
    #[doc(hidden)]
    fn check_places(_: &Self::Choices) -> Result<(), Error> {
        Ok(())
    }

    /// The results, written to memory of the caller. In strict mode, they are written before the error is returned.
    #[doc(hidden)]
    fn compute_into(
        engine: &Engine,
        given: Given<'_, Self::Entry>,
        choices: &Self::Choices,
        places: Self::Places<'_>,
        options: &Options,
        blocking: bool,
    ) -> impl Future<Output = Result<Report, Error>> {
        by_copy::<Self>(engine, given, choices, places, options, blocking)
    }
}

/// Computes results and copies them to memory of the caller.
pub async fn by_copy<R: Compute + Placed>(
    engine: &Engine,
    given: Given<'_, R::Entry>,
    choices: &R::Choices,
    places: R::Places<'_>,
    options: &Options,
    blocking: bool,
) -> Result<Report, Error> {
    let lenient = options.clone().strict(false);
    let found = R::compute(engine, given, choices, &lenient, blocking).await?;
    strict(found.write(places), options)
}

/// Results, or a part of them, that can be moved to the memory where the engine computes.
pub trait Keep: Sized {
    /// What they are there.
    type Kept;

    /// Moves them: to the memory of a GPU, or within that of the host.
    fn keep(
        self,
        engine: &Engine,
        gpu: bool,
        blocking: bool,
    ) -> impl Future<Output = Result<Self::Kept, Error>>;
}

/// Results, or a part of them, that can be copied from there.
pub trait Bring {
    /// What they are on the host.
    type Brought;

    /// Waits for them, and copies them.
    fn bring(self, blocking: bool) -> impl Future<Output = Result<Self::Brought, Error>>;
}

impl<T: Scalar> Bring for DeviceBatch<T> {
    type Brought = Batch<T>;

    async fn bring(self, blocking: bool) -> Result<Batch<T>, Error> {
        self.download_inner(blocking).await
    }
}

impl<R: Bring> Bring for Option<R> {
    type Brought = Option<R::Brought>;

    async fn bring(self, blocking: bool) -> Result<Self::Brought, Error> {
        Ok(match self {
            Some(results) => Some(results.bring(blocking).await?),
            None => None,
        })
    }
}

impl Bring for DeviceReport {
    type Brought = Report;

    async fn bring(self, blocking: bool) -> Result<Report, Error> {
        self.get_inner(blocking).await
    }
}

impl<N> Bring for Vec<N> {
    type Brought = Vec<N>;

    async fn bring(self, _: bool) -> Result<Self, Error> {
        Ok(self)
    }
}

impl<T: Scalar> Keep for Batch<T> {
    type Kept = DeviceBatch<T>;

    async fn keep(self, engine: &Engine, gpu: bool, blocking: bool) -> Result<Self::Kept, Error> {
        engine.keep(self, gpu, blocking).await
    }
}

impl<R: Keep> Keep for Option<R> {
    type Kept = Option<R::Kept>;

    async fn keep(self, engine: &Engine, gpu: bool, blocking: bool) -> Result<Self::Kept, Error> {
        Ok(match self {
            Some(results) => Some(results.keep(engine, gpu, blocking).await?),
            None => None,
        })
    }
}

impl Keep for Report {
    type Kept = DeviceReport;

    async fn keep(self, _: &Engine, _: bool, _: bool) -> Result<Self::Kept, Error> {
        Ok(DeviceReport::here(self))
    }
}

/// Numbers that stay on the host.
impl<N> Keep for Vec<N> {
    type Kept = Vec<N>;

    async fn keep(self, _: &Engine, _: bool, _: bool) -> Result<Self::Kept, Error> {
        Ok(self)
    }
}
