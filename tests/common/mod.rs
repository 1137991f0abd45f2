//! What the accuracy suite judges with: bounds, decompositions of every kind, fixtures, matrices, references.

pub mod bounds;
pub mod decomposed;
pub mod double;
pub mod fixtures;
pub mod matrices;
pub mod reference;
