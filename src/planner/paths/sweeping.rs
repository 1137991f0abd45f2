//! What the text of a kernel knows that sweeps over columns in some memory.
//!
//! What is wanted besides is not known to the text: a compiler may round another one differently.

use crate::planner::iterations::block;
use crate::shader::{Sizes, Unrolled};

/// A lane that has more rows of a pair reads them twice: registers would be short.
const MOST_HELD: u32 = 16;

/// `lanes` invocations share a pair of so many columns; `share` entries are summed by one; `memory` has the constants
/// of where they lie.
pub(super) fn sizes(
    cols: usize,
    lanes: u32,
    share: usize,
    memory: &[(&'static str, u32)],
    words: String,
) -> Sizes {
    let cols = cols as u32;
    let held = cols.div_ceil(lanes);
    let mut sizes = Sizes {
        words,
        unrolled: Unrolled {
            held,
            ..Unrolled::default()
        },
        variants: vec![(
            "pair_*",
            match held <= MOST_HELD {
                true => "pair_held",
                false => "pair_looped",
            },
        )],
        ..Sizes::default()
    };
    let own = [("COLS", cols), ("LANES", lanes), ("BLOCK", block(share))];
    for &(name, value) in own.iter().chain(memory) {
        sizes.constant(name, value);
    }
    sizes
}
