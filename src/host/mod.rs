//! What both engines do on the host: take matrices in, hand results out, share the work.

pub(crate) mod delivery;
pub(crate) mod intake;
pub(crate) mod outputs;
pub(crate) mod parallel;
