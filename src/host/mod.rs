//! What both engines do on the host: results without a singular value, words for reports, the places that
//! results go to, threads.

pub(crate) mod delivery;
pub(crate) mod outputs;
pub(crate) mod parallel;
