//! From a problem to a recipe: plain values in, plain values out, no device.
//!
//! A [`Problem`] says what is to be computed, in the orientation in which the kernels work (at
//! least as many rows as columns: a wide matrix is solved as its transpose, which strides make
//! free). A recipe says how: which kernel, how many invocations, how much at a time. Every
//! threshold lives here, in [`Tuning`] or beside a constant that says why. `gpu` has the GPU's share,
//! and `paths` the ways in which it solves, with `stages` to list their kernels; `choice` says which engine is sooner.

pub(crate) mod choice;
mod convergence;
mod cost;
mod cpu;
mod eigen;
#[cfg(feature = "gpu")]
pub(crate) mod facts;
#[cfg(any(feature = "gpu", test))]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
pub(crate) mod gpu;
#[cfg(any(feature = "gpu", test))]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
pub(crate) mod iterations;
#[cfg(any(feature = "gpu", test))]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
pub(crate) mod limits;
#[cfg(any(feature = "gpu", test))]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
pub(crate) mod paths;
mod problem;
#[cfg(feature = "gpu")]
pub(crate) mod stages;

pub(crate) use convergence::Convergence;
pub(crate) use cost::executed;
pub(crate) use cpu::{CpuRecipe, EMPTY_KERNEL};
pub(crate) use eigen::{EigenKernel, EigenRecipe};
pub(crate) use problem::{Carried, Filter, Job, Problem, Sizes, Vectors, eigen_error, sigma_error};

/// Why a device cannot do anything in f64.
pub(crate) const NO_F64: &str = "the device has no f64 in shaders (SHADER_F64)";
