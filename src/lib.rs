//! Singular value decompositions, pseudoinverses and least-squares solutions of many matrices at once,
//! on a GPU through WGSL compute shaders or on the CPU, with the same calls and a report for every matrix.
//!
//! ```
//! use batched_svd::{Batch, Engine, Options, Vectors};
//!
//! let engine = Engine::auto(); // a GPU where there is one and it is sooner, else the CPU
//! let jacobians = Batch::from_fn(1000, 6, 7, |b, i, j| ((b + 3 * i + 5 * j) as f32).sin())?;
//!
//! let svd = engine.svd(&jacobians, Vectors::Thin, &Options::default())?;
//! let largest = svd.sigma.matrix(0)[0];
//!
//! let pinv = engine.pinv(&jacobians, &Options::default())?;
//! assert_eq!((pinv.inverse.rows(), pinv.inverse.cols()), (7, 6));
//!
//! let velocities = Batch::from_fn(1000, 6, 1, |b, i, _| (b + i) as f32)?;
//! let joints = engine.lstsq(&jacobians, &velocities, &Options::default().damping(0.01))?;
//! assert_eq!((joints.solution.rows(), joints.solution.cols()), (7, 1));
//! for (index, status) in pinv.report.failures() {
//!     println!("matrix {index}: {status}"); // its neighbours are none the worse
//! }
//! # let _ = largest;
//! # Ok::<(), batched_svd::Error>(())
//! ```
//!
//! # Conventions
//!
//! - **Shapes**: matrices are m x n, any m and n, also 0 and 1; k = min(m, n).
//! - **Order of entries**: a [`Batch`] is contiguous, matrix after matrix, each column by column.
//!   Any other order comes in and goes out through a strided [`View`] and [`ViewMut`].
//! - **Order and signs**: singular values descend; in each column of V the first entry of (nearly) the largest
//!   magnitude is positive: of at least 1023 / 1024 of it, so that rounding does not decide ties.
//! - **V, not V'**: results hold V as columns; its transpose is a free view.
//! - **What counts**: a singular value strictly above max(absolute, relative * sigma_max), by
//!   default relative with 8 sqrt(k) u, this library's bound on the error of a singular value; see [`Cutoff`].
//! - **Trouble stays where it is**: a NaN or an infinity makes the results of its own matrix NaN
//!   and its [`Status`] say so; see [`Report`]. It is no error unless
//!   [`strict`](Options::strict) is on.
//!
//! # Async calls
//!
//! Every call has an async one beside it. What a GPU computes is awaited; what the CPU computes runs on the thread pool
//! (in a browser in turns of some 10 ms), so that an executor goes on with its other tasks. The matrices are copied on
//! the way there. Dropping a future ends its work. Inside a thread of a rayon pool an async call computes in that pool,
//! and does not return before it is done.
//!
//! # Features
//!
//! `gpu` (default): the GPU engine, through wgpu. `threads` (default): all cores, through rayon.
//! `cli`: the command `batched-svd`. Without `gpu` everything works on the CPU, with the same API.
//!
//! `nalgebra`, `ndarray`, `faer`: matrices of these libraries go in, and results come out as theirs, without
//! a copy where both agree about the order of entries:
//!
//! | feature | in | out |
//! | --- | --- | --- |
//! | `nalgebra` | `View::from` of a slice of `SMatrix`, or of one whole matrix | `Batch::as_smatrices`, `Batch::nalgebra` |
//! | `ndarray` | `View::try_from` of an array of three axes (matrix, row, column) or two | `Batch::ndarray` |
//! | `faer` | `View::try_from` of a dense `MatRef`; `Batch::try_from` copies any, and slices of `Mat` | `Batch::faer` |
//!
//! [`ViewMut`] takes matrices of nalgebra and arrays of ndarray to write results into, and
//! [`Batch::concat`] makes one batch of many views.

#![deny(missing_docs)]
#![deny(unsafe_code)]

mod convert;
mod cpu;
mod data;
mod dense;
mod engine;
#[cfg(feature = "gpu")]
pub mod explain;
mod filter;
#[cfg_attr(not(feature = "gpu"), path = "no_gpu.rs")]
mod gpu;
mod host;
#[cfg(feature = "gpu")]
pub mod interop;
mod lanes;
mod ops;
mod planner;
mod ragged;
#[cfg(any(feature = "gpu", test))]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
mod shader;
pub mod verify;

pub use data::batch::Batch;
pub use data::device::{Adapter, GpuOptions, Policy};
pub use data::error::Error;
#[cfg(all(feature = "gpu", feature = "faults"))]
#[doc(hidden)]
pub use data::faults::{Fault, Faults};
pub use data::options::{Cancel, Cutoff, Options, PerMatrix, Progress, Vectors};
pub use data::outcome::{Outcome, Status};
pub use data::profile::KernelProfile;
pub use data::report::{Backend, Report};
pub use data::scalar::{Dtype, Real, Scalar};
pub use data::tuning::Tuning;
pub use data::view::{View, ViewMut};
pub use engine::Engine;
pub use engine::device_batch::{DeviceBatch, DeviceReport};
#[cfg(not(target_family = "wasm"))]
pub use host::peak::Peak;
pub use ops::{
    Basis, Components, Determinant, DeviceLowRank, DeviceLstsq, DevicePinv, DeviceSvd, LowRank,
    LowRankFactors, Lstsq, Pinv, Polar, Projector, Subspace, Svd, Whitening,
};
#[cfg(not(target_family = "wasm"))]
pub use ragged::ragged;
pub use ragged::{Batched, ragged_async};

/// The README's example is compiled and run like all others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So are those of the guide.
#[cfg(all(doctest, feature = "nalgebra"))]
#[doc = include_str!("../docs/guide.md")]
struct Guide;
