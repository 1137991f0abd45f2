//! What stands for the GPU engine in builds without it: nothing opens, so nothing else can happen.

// Calls have the parameters of the GPU engine's.
#![allow(clippy::extra_unused_type_parameters)]

use std::sync::Arc;

use crate::data::device::{Adapter, GpuOptions};
use crate::data::error::Error;
use crate::data::outcome::Outcome;
use crate::data::profile::KernelProfile;
use crate::data::scalar::{Dtype, Scalar};
use crate::data::view::View;
use crate::host::call::{Call, Task};
use crate::host::outputs::Outputs;
#[cfg(not(target_family = "wasm"))]
use crate::host::peak::Peak;
use crate::planner::{Convergence, Problem};

/// No value is of this type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gpu {}

/// Nor of this one, which the compiler is not to know elsewhere: it would call what follows unreachable.
#[derive(Clone)]
pub(crate) struct Buffer(#[allow(dead_code)] Gpu);

pub(crate) type CommandEncoder = Gpu;
pub(crate) type Recipe = Gpu;

pub(crate) async fn adapters() -> Vec<Adapter> {
    Vec::new()
}

pub(crate) mod lasting {
    use super::*;

    pub(crate) struct Lasting(Arc<Gpu>);

    impl Lasting {
        pub async fn open(_: &GpuOptions, _: bool) -> Result<Self, Error> {
            let why = "this build has no GPU engine: the feature `gpu` is off";
            Err(Error::Unsupported(why.into()))
        }

        pub fn adapter(&self) -> &Adapter {
            match *self.0 {}
        }

        pub fn current(&self) -> Arc<Gpu> {
            Arc::clone(&self.0)
        }

        pub async fn get(&self) -> Result<Arc<Gpu>, Error> {
            Ok(self.current())
        }
    }
}

pub(crate) mod resident {
    use super::Buffer;

    pub(crate) struct Results {
        pub u: Buffer,
        pub sigma: Buffer,
        pub v: Buffer,
        pub composed: Buffer,
        pub state: Buffer,
        pub state_words: usize,
        pub seconds: Option<f64>,
    }

    #[allow(dead_code)]
    pub(crate) struct Given<'b> {
        pub a: (&'b Buffer, [usize; 2]),
        pub rhs: Option<(&'b Buffer, [usize; 2])>,
        pub count: usize,
    }
}

impl Gpu {
    pub fn name(&self) -> &str {
        match *self {}
    }

    pub fn asks_between_sweeps(&self) -> bool {
        match *self {}
    }

    pub fn kernel(&self) -> &'static str {
        match *self {}
    }

    pub fn is_lost(&self) -> bool {
        match *self {}
    }

    pub fn has(&self, _: Dtype) -> bool {
        match *self {}
    }

    pub fn profile(&self) -> Vec<KernelProfile> {
        match *self {}
    }

    #[cfg(not(target_family = "wasm"))]
    pub fn peak(&self, _: Dtype) -> Result<Peak, Error> {
        match *self {}
    }

    pub fn plan(&self, _: &Problem, _: &Convergence) -> Result<Recipe, Error> {
        match *self {}
    }

    pub fn stays(_: &Problem, recipe: &Recipe, _: usize) -> bool {
        match *recipe {}
    }

    pub async fn run<T: Scalar>(
        &self,
        _: &Call<'_, T>,
        _: &Recipe,
        _: Outputs<'_, T>,
        _: &mut usize,
    ) -> Result<Option<f64>, Error> {
        match *self {}
    }

    pub async fn upload<T: Scalar>(
        &self,
        _: &View<'_, T>,
        _: bool,
    ) -> Result<(Buffer, bool), Error> {
        match *self {}
    }

    pub async fn download<U>(&self, _: &Buffer, _: &mut [U], _: bool) -> Result<(), Error> {
        match *self {}
    }

    pub async fn outcomes(
        &self,
        _: &Buffer,
        _: usize,
        _: usize,
        _: &Problem,
        _: bool,
    ) -> Result<Vec<Outcome>, Error> {
        match *self {}
    }

    pub async fn finish(&self, _: bool) -> Result<(), Error> {
        match *self {}
    }

    pub async fn solve_resident<T: Scalar>(
        &self,
        _: &Task<'_>,
        _: &Recipe,
        _: resident::Given<'_>,
        _: bool,
        _: Option<&mut CommandEncoder>,
    ) -> Result<resident::Results, Error> {
        match *self {}
    }

    pub async fn product<T: Scalar>(
        &self,
        _: [usize; 3],
        _: (&Buffer, [usize; 3]),
        _: (&Buffer, [usize; 3]),
        _: usize,
        _: bool,
    ) -> Result<Option<Buffer>, Error> {
        match *self {}
    }
}
