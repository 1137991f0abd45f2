//! The list of all operations. A further one is a file with its result, and a line at the end of this file.

use crate::data::batched::Batched;
use crate::data::error::Error;
use crate::data::factor::Factor;
use crate::data::report::Report;
use crate::data::scalar::Scalar;
use crate::data::view::ViewMut;
use crate::engine::Engine;
use crate::engine::place::fits;
use crate::ops::components::{Components, Regularisation, Whitening};
use crate::ops::eigh::{Eigh, Eigvalsh};
use crate::ops::low_rank::{LowRank, LowRankFactors};
use crate::ops::lstsq::{Lstsq, LstsqChoices};
use crate::ops::null_vector::NullVector;
use crate::ops::operation::{Bring, Device, Keep, Operation, Placed};
use crate::ops::pinv::Pinv;
use crate::ops::polar::{Determinant, Polar};
use crate::ops::shrink::{NoiseModel, Shrunk};
use crate::ops::singular_values::SingularValues;
use crate::ops::singular_vectors::SingularVectors;
use crate::ops::subspace::{Basis, Projector, Subspace};
use crate::ops::svd::{Svd, Thickness};
use crate::ops::symmetric::Symmetry;

/// One result, or several as a tuple.
macro_rules! tuple {
    ($one:ident) => { $one };
    ($($each:ident)+) => { ($($each),+) };
}
/// The place of a result: of the type of entries, or of the type of singular values.
macro_rules! place {
    (Entry) => { ViewMut<'o, T> };
    (Real) => { ViewMut<'o, T::Real> };
}
macro_rules! places {
    ($one:ident) => { place!($one) };
    ($($each:ident)+) => { ($(place!($each)),+) };
}

/// Every operation: its result and its choices, the results that have a place of the caller's, and the others.
macro_rules! operations {
    ($($name:ident[$choices:ty] { $($field:ident: $kind:ident),* } $({ $($other:ident),+ })?)+) => {$(
        impl<T: Scalar> Operation for $name<T> {
            type Entry = T;
            type OnDevice = $name<T, Device>;
            type Choices = $choices;
        }

        impl<T: Scalar> Keep for $name<T> {
            type Kept = $name<T, Device>;

            async fn keep(self, engine: &Engine, gpu: bool, blocking: bool) -> Result<Self::Kept, Error> {
                Ok($name {
                    $($field: self.$field.keep(engine, gpu, blocking).await?,)*
                    $($($other: self.$other.keep(engine, gpu, blocking).await?,)+)?
                    report: self.report.keep(engine, gpu, blocking).await?,
                })
            }
        }

        impl<T: Scalar> Bring for $name<T, Device> {
            type Brought = $name<T>;

            async fn bring(self, blocking: bool) -> Result<Self::Brought, Error> {
                Ok($name {
                    $($field: self.$field.bring(blocking).await?,)*
                    $($($other: self.$other.bring(blocking).await?,)+)?
                    report: self.report.bring(blocking).await?,
                })
            }
        }

        impl<T: Scalar> Batched for $name<T> {
            fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error> {
                $(let mut $field = self.$field.split(counts)?.into_iter();)*
                $($(let mut $other = self.$other.split(counts)?.into_iter();)+)?
                let mut report = self.report.split(counts)?.into_iter();
                let part = |_| Some($name {
                    $($field: $field.next()?,)*
                    $($($other: $other.next()?,)+)?
                    report: report.next()?,
                });
                Ok(counts.iter().map_while(part).collect())
            }
        }

        operations! { @ $name $($field: $kind)* }
    )+};
    // A result without fields that can be written to memory of the caller.
    (@ $name:ident) => {};
    (@ $name:ident $($field:ident: $kind:ident)+) => {
        impl<T: Scalar> Placed for $name<T> {
            type Places<'o> = places!($($kind)+);

            fn fits(places: &Self::Places<'_>, shapes: &[[usize; 3]]) -> Result<(), Error> {
                let tuple!($($field)+) = places;
                let mut shapes = shapes.iter();
                // A shape that is missing is one that nothing fits.
                $(fits(stringify!($field), $field, *shapes.next().unwrap_or(&[usize::MAX; 3]))?;)+
                Ok(())
            }

            fn write(self, places: Self::Places<'_>) -> Report {
                let tuple!($($field)+) = places;
                $({
                    let mut place = $field;
                    place.assign(self.$field.as_slice());
                })+
                self.report
            }
        }
    };
}

operations! {
    SingularValues[()] { sigma: Real }
    SingularVectors[Factor] { vectors: Entry, sigma: Real }
    Svd[Thickness] { u: Entry, sigma: Real, v: Entry }
    Pinv[()] { inverse: Entry }
    NullVector[()] { vector: Entry, length: Real }
    Lstsq[LstsqChoices] { solution: Entry } { sigma }
    LowRank[()] { approximation: Entry }
    LowRankFactors[()] {} { left, right, sigma }
    Projector[Subspace] { projector: Entry }
    Basis[Subspace] { vectors: Entry } { dimensions }
    Polar[Determinant] { orthogonal: Entry, stretch: Entry }
    Components[()] { mean: Entry, components: Entry, scores: Entry, deviations: Real }
    Whitening[Regularisation] { mean: Entry, transform: Entry }
    Eigh[Symmetry] { values: Real, vectors: Entry } { asymmetries }
    Eigvalsh[Symmetry] { values: Real } { asymmetries }
    Shrunk[NoiseModel] { signal: Entry } { noise }
}
