//! The kernels after a decomposition, whatever its path: right-hand sides, compositions and products.
//!
//! # Without checks
//!
//! P comes from the same problem as the buffers, or for a product from the shapes of the batches whose buffers they are
//! (`Gpu::product`). Weights and state are read only where P says that there are any (`weighted`).

use crate::data::scalar::Dtype;
use crate::shader::{Bindings, Blueprint, Kernel, Sizes, shader};

/// The scale of each right-hand side.
pub(crate) const WEIGH: Kernel = Kernel::new("weigh", shader!("rhs"), Bindings::Rhs);
/// What a factor leaves of them.
pub(crate) const PROJECT: Kernel = Kernel::new("project", shader!("rhs"), Bindings::Rhs);
pub(crate) const COMPOSE: Kernel = Kernel::new("compose", shader!("compose"), Bindings::Compose);

/// Those whose workgroup is the recipe's.
pub(super) const KERNELS: [Kernel; 2] = [WEIGH, PROJECT];

/// Invocations of the composition's workgroups: an entry each.
pub(crate) const COMPOSE_WORKGROUP: u32 = 64;

/// The kernel that composes, whatever the sizes.
pub(crate) fn composing(dtype: Dtype) -> Blueprint {
    Blueprint {
        kernel: COMPOSE,
        dtype,
        workgroup: COMPOSE_WORKGROUP,
        subgroup: 1,
        sizes: Sizes::default(),
    }
}
