//! What a kernel knows of a matrix, in words: as shaders/state.wgsl.

use crate::planner::gpu::{PACKED_BYTES, STATE_BYTES};

pub(super) const STATE_WORDS: usize = 8;
const _: () = assert!(STATE_WORDS as u64 * 4 == STATE_BYTES);
pub(super) const PACKED_WORDS: usize = 4;
const _: () = assert!(PACKED_WORDS as u64 * 4 == PACKED_BYTES);
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

/// The same words of what shaders/registers.wgsl packs.
pub(super) fn unpacked(words: [u32; PACKED_WORDS]) -> [u32; STATE_WORDS] {
    let [rotations, largest, flags, rest] = words;
    let mut state = [0; STATE_WORDS];
    state[ROTATIONS] = rotations;
    state[LARGEST_SIGMA] = largest;
    state[STATUS] = flags & 0xff;
    state[LOST] = (flags >> 8) & 0xff;
    state[RANK] = flags >> 16;
    state[SWEEPS] = rest & 0xffff;
    // With its sign.
    state[POWER] = (rest.cast_signed() >> 16).cast_unsigned();
    state
}
