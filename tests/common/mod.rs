//! What the accuracy suite judges with: bounds, fixtures, matrices, references.

pub mod bounds;
pub mod double;
pub mod fixtures;
pub mod matrices;
pub mod reference;
