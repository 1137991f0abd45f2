// What a kernel knows of a matrix, STATE_WORDS words each: as src/gpu/state.rs.

const STATE_WORDS: u32 = 8u;
const STATUS: u32 = 0u;
const SWEEPS: u32 = 1u;
const ROTATIONS: u32 = 2u;
const ROTATED: u32 = 3u;   // pairs that the sweep under way has rotated, in global memory; after the sweeps
const LARGEST_SIGMA: u32 = 3u; // the largest singular value of the scaled matrix, times 2^-TARGET, in f32
const RANK: u32 = 4u;
const POWER: u32 = 5u;     // the matrix was multiplied by 2^power; NOT_FINITE where it is not finite
const LOST: u32 = 6u;      // OVERFLOWED, PRESENT, NORMAL and UNSOUND, of what the caller sees
const KNOWN: u32 = 7u;     // singular values that are not zero, while V is completed

// In this order: atomicMax keeps what is worse.
const RUNNING: u32 = 0u;
const CONVERGED: u32 = 1u;
const CAPPED: u32 = 2u;
const SCATTERED: u32 = 3u; // neighbours in the workgroup are not in the subgroup: never seen
const NON_FINITE: u32 = 4u;

// A singular value, or an entry of a composition, left the range, or one that counts vanished.
const OVERFLOWED: u32 = 1u;
// Of a composition: an entry is not zero before it is scaled; and is a normal number afterwards.
const PRESENT: u32 = 2u;
const NORMAL: u32 = 4u;
// A right-hand side is not finite.
const UNSOUND: u32 = 8u;
