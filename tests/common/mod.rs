//! What the accuracy suite judges with: bounds, fixtures, matrices, references.

pub mod bounds;
pub mod fixtures;
pub mod matrices;
pub mod reference;
