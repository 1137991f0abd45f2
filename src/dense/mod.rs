//! Dense building blocks on one matrix in host memory, column-major throughout.

pub(crate) mod householder;
pub(crate) mod product;
pub(crate) mod sums;

/// Calls `f`, compiled for the widest vectors of this machine: with all that is inlined into it, and no more.
/// No number depends on how wide they are: nothing is summed in another order.
#[inline(always)]
pub(crate) fn widest<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}
