//! Matrices of other libraries as views, and batches as matrices of theirs: a file a library, each behind
//! the feature of its name. Nothing is copied where both sides agree about the order of entries.

#[cfg(feature = "faer")]
mod faer;
#[cfg(feature = "nalgebra")]
mod nalgebra;
#[cfg(feature = "ndarray")]
mod ndarray;
