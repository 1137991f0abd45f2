//! uses: bits_*, entries_*
// What becomes of an entry of a composition: the scale of its matrix is undone, and it is judged.

struct Lifted {
    value: T,
    // OVERFLOWED, PRESENT and NORMAL.
    found: u32,
}

fn lifted(total: T, power: i32) -> Lifted {
    // What is not normal before is nothing beside the rest.
    let size = abs(total);
    // Beyond these, every number over- or underflows.
    let lift = clamp(power, 2 * LEAST, 2 * MOST);
    let value = unscaled(select(ZERO, size, size >= SMALLEST_NORMAL), lift);
    var found = select(0u, PRESENT, size > ZERO);
    found |= select(0u, OVERFLOWED, overflowed(value));
    found |= select(0u, NORMAL, value >= SMALLEST_NORMAL);
    return Lifted(signed_as(value, total < ZERO), found);
}

// The same of both parts of an entry.
struct LiftedEntry {
    value: E,
    found: u32,
}

fn lifted_entry(total: E, power: i32) -> LiftedEntry {
    let re = lifted(part(total, 0u), power);
    if (PARTS == 1u) {
        return LiftedEntry(entry_of(re.value, ZERO), re.found);
    }
    let im = lifted(part(total, 1u), power);
    return LiftedEntry(entry_of(re.value, im.value), re.found | im.found);
}
