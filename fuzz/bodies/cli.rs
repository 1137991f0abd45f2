//! The parts of the command that read files.

#[allow(dead_code)]
#[path = "../../src/cli/entry.rs"]
pub mod entry;
#[allow(dead_code)]
#[path = "../../src/cli/failure.rs"]
pub mod failure;
#[allow(dead_code, unused_imports)]
#[path = "../../src/cli/npy/mod.rs"]
pub mod npy;
