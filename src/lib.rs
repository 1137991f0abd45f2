//! Singular value decompositions (SVDs), pseudoinverses and least-squares solutions of many matrices in one call: on a GPU,
//! through WGSL compute shaders, or on the CPU. Both engines take the same calls and report a status for every matrix.
//!
//! ```
//! use batched_svd::{Batch, Engine};
//!
//! let engine = Engine::auto(); // a GPU if there is one and if it is faster, else the CPU
//! let jacobians = Batch::from_fn(1000, 6, 7, |b, i, j| ((b + 3 * i + 5 * j) as f32).sin())?;
//!
//! let svd = engine.svd(&jacobians).run()?;
//! let largest = svd.sigma.matrix(0)[0];
//!
//! let pinv = engine.pinv(&jacobians).run()?;
//! assert_eq!((pinv.inverse.rows(), pinv.inverse.cols()), (7, 6));
//!
//! let velocities = Batch::from_fn(1000, 6, 1, |b, i, _| (b + i) as f32)?;
//! let joints = engine.lstsq(&jacobians, &velocities).damping(0.01).run()?;
//! assert_eq!((joints.solution.rows(), joints.solution.cols()), (7, 1));
//! for (index, status) in pinv.report.failures() {
//!     println!("matrix {index}: {status}"); // the other matrices are not affected
//! }
//! # let _ = largest;
//! # Ok::<(), batched_svd::Error>(())
//! ```
//!
//! # What for, which call
//!
//! The matrices are m x n, with k = min(m, n).
//!
//! | purpose | call | results, for each matrix |
//! | --- | --- | --- |
//! | singular values and vectors | [`Engine::svd`] | U m x k (or m x m), sigma k x 1, V n x k (or n x n) |
//! | singular values alone | [`Engine::singular_values`] | sigma k x 1 |
//! | singular values and one factor, U or V | [`Engine::singular_vectors`] | m x k or n x k, sigma k x 1 |
//! | norms, condition numbers | of either result: [`SingularValues::conditions`] and its like | a number |
//! | pseudoinverse | [`Engine::pinv`] | n x m |
//! | least squares of any rank, p right-hand sides | [`Engine::lstsq`] | n x p |
//! | best approximation of low rank | [`Engine::low_rank`], [`Engine::low_rank_factors`] | m x n, or m x r and n x r |
//! | signals of low rank without their noise | [`Engine::shrink`] | m x n |
//! | homogeneous systems A x = 0 | [`Engine::null_vector`] | n x 1 |
//! | basis of a subspace, projector onto it | [`Engine::basis`], [`Engine::projector`] | see there |
//! | polar decomposition, nearest rotation | [`Engine::polar`] | m x n and n x n |
//! | eigenvalues and eigenvectors of symmetric or Hermitian matrices | [`Engine::eigh`] | lambda n x 1, V n x n |
//! | eigenvalues alone | [`Engine::eigvalsh`] | lambda n x 1 |
//! | functions of symmetric matrices: roots, exponentials | [`Eigh::function`] | n x n |
//! | principal components, whitening | [`Engine::principal_components`], [`Engine::whitening`] | see there |
//! | several answers from one decomposition | [`Svd::solve`], [`Svd::pinv`], [`Svd::ranks`], [`Svd::low_rank`], [`Svd::function`] | see there |
//! | matrices that are similar to those of the last call | [`Engine::svd`] with [`warm`](Call::warm) | as [`Engine::svd`] |
//! | matrices of different shapes | [`ragged`](fn@ragged) | those of the call |
//! | data that stays on the device | [`Engine::upload`], [`Call::run_on_device`], [`Engine::product`] | the same |
//! | how good results are, from any library | [`verify`] | residuals in f64 |
//!
//! # How a call is made
//!
//! A method of [`Engine`] names the operation and its matrices, and returns a [`Call`]. Methods of the call set choices.
//! The call computes nothing until one of these methods carries it out:
//!
//! | method | the results are |
//! | --- | --- |
//! | [`run`](Call::run), [`run_async`](Call::run_async) | on the host |
//! | [`run_into`](Call::run_into), [`run_into_async`](Call::run_into_async) | in memory of the caller (all operations but [`low_rank_factors`](Engine::low_rank_factors)) |
//! | [`run_on_device`](Call::run_on_device), [`run_on_device_async`](Call::run_on_device_async) | on the device: where the engine computes |
//! | `interop::record` | on a GPU, when it has carried out commands of the caller ([`Recordable`] operations) |
//!
//! - **Matrices** are on the host, as anything that converts to a [`View`], or on the device, as a [`DeviceBatch`]. Either
//!   is taken by each operation ([`Operand`]).
//! - **Results** of an operation have one type, such as [`Pinv`]. Results on the device are the same type with a second
//!   parameter: `Pinv<f32, Device>`.
//! - **Choices that every call has** are [`cutoff`](Call::cutoff), [`tolerance`](Call::tolerance),
//!   [`max_sweeps`](Call::max_sweeps), [`strict`](Call::strict), [`progress`](Call::progress) and [`cancel`](Call::cancel).
//!   [`Options`] holds them for several calls, and [`options`](Call::options) sets all of them.
//! - **Choices of some operations**, such as a [`damping`](Call::damping), are methods of their calls only. On a call of
//!   another operation they do not compile.
//!
//! # Conventions
//!
//! - **Shapes**: matrices are m x n for any m and n, also 0 and 1; k = min(m, n).
//! - **Order of entries**: a [`Batch`] is contiguous: matrix after matrix, each column by column. A strided [`View`] or
//!   [`ViewMut`] takes any other order.
//! - **Order and signs**: singular values descend. In each column of V the first entry of (nearly) the largest magnitude is
//!   positive: of at least 1023 / 1024 of it, so that rounding does not decide ties.
//! - **Complex matrices**: the entries can also be [`Complex`] numbers. A' is the conjugate transpose then, and the entry of V
//!   that is positive is real. The CPU computes them: see [`Scalar`]. Where the documentation says symmetric, read Hermitian.
//! - **V, not V'**: results hold V as columns; its transpose is a view without a copy. (V' of a complex matrix
//!   is conjugated besides, and no view.)
//! - **What counts**: a singular value counts if it is above max(absolute, relative * sigma_max). By default relative is
//!   8 sqrt(k) u, this library's bound on the error of a singular value; see [`Cutoff`].
//! - **A bad matrix does not affect others**: a NaN or an infinity makes the results of its own matrix NaN, and its [`Status`]
//!   says so; see [`Report`]. It is an error only if [`strict`](Call::strict) is on.
//!
//! # What makes calls fast
//!
//! - One call with many matrices is faster than many calls: a 3x3 matrix takes about 50 ns of a core in a batch, and
//!   microseconds alone.
//! - f32 is about twice as fast as f64 on the CPU, and more than that on most GPUs.
//! - [`Engine::lstsq`] is faster than [`Engine::pinv`] and a product, and more accurate.
//! - Views do not copy; results in the canonical order are written in place.
//! - On a GPU the way there and back often takes longer than the work: [`Engine::upload`] brings matrices there once, and
//!   [`run_on_device`](Call::run_on_device) leaves results there.
//!
//! # Async calls
//!
//! [`run_async`](Call::run_async) and its like return futures. A result of a GPU is awaited. What the CPU computes runs on the
//! thread pool (in a browser in turns of about 10 ms), so that an executor continues with its other tasks; the matrices are
//! copied first. Dropping a future ends its work, except for work that a GPU was given already. In a thread of a rayon pool an
//! async call computes in that pool, and does not return before it is done.
//!
//! In a browser, a thread must not wait for a GPU: for a GPU engine [`run`](Call::run) and its like return
//! [`Error::Unsupported`]. A CPU engine has them there too.
//!
//! # Features
//!
//! `gpu` (default): the GPU engine, through wgpu. `threads` (default): all cores, through rayon. `cli`: the command
//! `batched-svd`. Without `gpu` everything works on the CPU, with the same API.
//!
//! `nalgebra`, `ndarray`, `faer`: matrices of these libraries are taken and given, without a copy if both libraries have
//! the same order of entries:
//!
//! | feature | in | out |
//! | --- | --- | --- |
//! | `nalgebra` | `View::from` of a slice of `SMatrix`, or of one whole matrix | `Batch::as_smatrices`, `Batch::nalgebra` |
//! | `ndarray` | `View::try_from` of an array of three axes (matrix, row, column) or two | `Batch::ndarray` |
//! | `faer` | `View::try_from` of a dense `MatRef`; `Batch::try_from` copies any, and slices of `Mat` | `Batch::faer` |
//!
//! [`ViewMut`] takes matrices of nalgebra and arrays of ndarray to write results into, and [`Batch::concat`] makes one batch of
//! many views.

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
pub use data::batched::Batched;
pub use data::device::{Adapter, GpuOptions, Policy};
pub use data::error::Error;
pub use data::factor::Factor;
#[cfg(all(feature = "gpu", feature = "faults"))]
#[doc(hidden)]
pub use data::faults::{Fault, Faults};
pub use data::options::{Cancel, Cutoff, Options, PerMatrix, Progress};
pub use data::outcome::{Outcome, Status};
pub use data::profile::KernelProfile;
pub use data::report::{Backend, Report};
pub use data::scalar::{Complex, Dtype, Real, Scalar};
pub use data::triangle::Triangle;
pub use data::tuning::Tuning;
pub use data::view::{View, ViewMut};
pub use engine::Engine;
pub use engine::device_batch::{DeviceBatch, DeviceReport};
#[cfg(not(target_family = "wasm"))]
pub use host::peak::Peak;
pub use ops::{
    Basis, Call, Components, Compute, ComputeInto, Damped, DampedNearSingular, Determinant, Device,
    Eigh, Eigvalsh, Host, IntoPlaces, LowRank, LowRankFactors, Lstsq, Memory, NullVector, Operand,
    Operation, Pinv, Placed, Polar, Projector, Recordable, Shrinkage, Shrunk, SingularValues,
    SingularVectors, Subspace, Svd, Symmetric, Warm, Whitening,
};
pub use ragged::{Group, ragged, ragged_async};

/// The README's example is compiled and run like all others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So are those of the guide.
#[cfg(all(doctest, feature = "nalgebra"))]
#[doc = include_str!("../docs/guide.md")]
struct Guide;
