//! What both engines do on the host: results without a singular value, words for reports, the places that
//! results go to, threads, products.

pub(crate) mod delivery;
pub(crate) mod outputs;
pub(crate) mod parallel;
pub(crate) mod product;
