//! Dense building blocks on one matrix in host memory, column-major throughout.

pub(crate) mod cholesky;
pub(crate) mod householder;
pub(crate) mod product;
pub(crate) mod sums;
