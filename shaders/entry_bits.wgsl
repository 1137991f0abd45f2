//! uses: bits_*, entries_*
// Entries by the bits of their parts: as they come from the caller.

// Of a real entry, both are its own.
struct EntryBits {
    re: Bits,
    im: Bits,
}

// The magnitude of the larger part.
fn larger_bits(e: EntryBits) -> Bits {
    return larger_size(magnitude(e.re), e.im);
}

// The entry times 2^power, as scaled() has it.
fn scaled_entry(e: EntryBits, power: i32) -> E {
    let re = scaled(e.re, power);
    if (PARTS == 1u) {
        return entry_of(re, ZERO);
    }
    return entry_of(re, scaled(e.im, power));
}

// The same as scaled_plain() has it.
fn scaled_entry_plain(e: EntryBits, power: i32, factor: T) -> E {
    let re = scaled_plain(e.re, power, factor);
    if (PARTS == 1u) {
        return entry_of(re, ZERO);
    }
    return entry_of(re, scaled_plain(e.im, power, factor));
}
