//! What both engines do on the host: results without a singular value, words for reports, the places that
//! results go to, products.

pub(crate) mod call;
pub(crate) mod delivery;
pub(crate) mod outputs;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod peak;
pub(crate) mod product;
pub(crate) mod slot;
pub(crate) mod symmetry;
