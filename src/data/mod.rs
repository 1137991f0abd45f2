//! The ground floor: numbers, batches, options, reports. Nothing here knows an engine.

pub(crate) mod batch;
pub(crate) mod batched;
pub(crate) mod device;
pub(crate) mod error;
pub(crate) mod factor;
#[cfg(feature = "gpu")]
pub(crate) mod faults;
pub(crate) mod options;
pub(crate) mod outcome;
pub(crate) mod parallel;
pub(crate) mod profile;
pub(crate) mod report;
pub(crate) mod scalar;
pub(crate) mod triangle;
pub(crate) mod tuning;
pub(crate) mod view;
