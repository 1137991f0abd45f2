//! Where columns lie in workgroup memory: rows spread over its banks.

/// Banks of workgroup memory, of four bytes each: an access is as slow as the bank with the most of it. All
/// hardware that is known has as many.
pub(super) const BANKS: usize = 32;

/// Teams of so many lanes that reach for entries of this size at once.
pub(super) fn teams_a_turn(lanes: u32, size: usize) -> usize {
    match lanes {
        // All of them read the same row.
        1 => 1,
        _ => (4 * BANKS / size / lanes as usize).max(1),
    }
}

/// The least leading dimension of at least `length` whose multiples lie on different banks, `step` apart: an
/// odd multiple of that power of two.
pub(super) fn spread(length: usize, step: usize) -> usize {
    (length.div_ceil(step) | 1) * step
}
