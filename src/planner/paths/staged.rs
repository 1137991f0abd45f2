//! The kernels before and after the sweeps of matrices that registers do not hold: intake, QR, U, order, delivery. All
//! know no sizes, and have the workgroup of the recipe.
//!
//! # Without checks
//!
//! Rows, columns, steps and places are compared with P.rows, P.cols, P.u_cols or P.end before use.
//! - intake.wgsl: rows are their numbers, exchanged, each pair by one invocation. `size` doubles, and stays below 2^25.
//! - factor.wgsl: a pivot is the number of a column that was compared, or else NOTHING, which is tested before use;
//!   `pivots` are such numbers, exchanged. A NaN is never a pivot.
//! - order.wgsl: a place is how many values come before one's own, where the number decides between equal ones, and at
//!   most the last. Singular values go behind the weights only where the buffer was made for both (`beside`).
//! - deliver.wgsl: `least` and `least_reached` are the number of one that was compared, of at least one.

use crate::planner::paths::plan::{Form, Lanes};
use crate::shader::{Bindings, Kernel, Sizes, shader};

pub(crate) const LOOK: Kernel = Kernel::new("look", shader!("intake"), Bindings::Intake);
pub(crate) const SORT: Kernel = Kernel::new("sort", shader!("intake"), Bindings::Intake);
pub(crate) const ARRANGE: Kernel = Kernel::new("arrange", shader!("intake"), Bindings::Intake);
/// In global memory.
pub(crate) const FACTOR: Kernel = Kernel::new("factor", shader!("factor_global"), Bindings::Solve);
pub(crate) const FORM_U: Kernel = Kernel::new("form_u", shader!("form_u"), Bindings::Solve);
pub(crate) const ORDER: Kernel = Kernel::new("order", shader!("order"), Bindings::Order);
pub(crate) const PLACE: Kernel = Kernel::new("place", shader!("deliver"), Bindings::Deliver);
pub(crate) const COMPLETE: Kernel = Kernel::new("complete", shader!("deliver"), Bindings::Deliver);
pub(crate) const SIGNS: Kernel = Kernel::new("signs", shader!("deliver"), Bindings::Deliver);

pub(super) const KERNELS: [Kernel; 9] = [
    LOOK, SORT, ARRANGE, FACTOR, FORM_U, ORDER, PLACE, COMPLETE, SIGNS,
];

/// Any size, and the workgroup of the recipe.
pub(super) fn form(lanes: &Lanes) -> Form {
    Form {
        workgroup: lanes.workgroup,
        sizes: Sizes::default(),
    }
}

/// Steps of the sort of so many rows.
pub(crate) fn sort_steps(rows: usize) -> u32 {
    let doublings = rows.next_power_of_two().trailing_zeros();
    doublings * (doublings + 1) / 2
}
