//! What a kernel knows of a matrix, in words: as shaders/state.wgsl.

use crate::planner::gpu::STATE_BYTES;

pub(super) const STATE_WORDS: usize = 8;
const _: () = assert!(STATE_WORDS as u64 * 4 == STATE_BYTES);
pub(super) const STATUS: usize = 0;
pub(super) const SWEEPS: usize = 1;
pub(super) const ROTATIONS: usize = 2;
pub(super) const LARGEST_SIGMA: usize = 3;
pub(super) const RANK: usize = 4;
pub(super) const POWER: usize = 5;
pub(super) const LOST: usize = 6;

pub(super) const RUNNING: u32 = 0;
pub(super) const CONVERGED: u32 = 1;
pub(super) const SCATTERED: u32 = 3;
pub(super) const NON_FINITE: u32 = 4;

pub(super) const OVERFLOWED: u32 = 1;
pub(super) const PRESENT: u32 = 2;
pub(super) const NORMAL: u32 = 4;
pub(super) const UNSOUND: u32 = 8;
