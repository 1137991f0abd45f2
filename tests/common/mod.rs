//! What the accuracy suite judges with: bounds, matrices, references.

pub mod bounds;
pub mod matrices;
pub mod reference;
