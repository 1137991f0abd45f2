// Lanes of a team lie in one subgroup, and read each other's registers.

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) lane: u32,
}

// This lane's place, as fetch() counts.
fn own_place(at: Invocation) -> u32 {
    return at.lane;
}

// Whether this lane finds its team where it looks for it: neighbours in the workgroup are neighbours
// in the subgroup everywhere so far, but no specification says so.
fn in_line(at: Invocation, lane: u32) -> bool {
    let base = own_place(at) - lane;
    return at.lane % LANES == lane && subgroupShuffle(at.index, base) == at.index - lane;
}

// Puts up an entry for others to fetch.
fn publish(row: u32, slot: u32, value: E) {}

// The entry of the lane at a place, given one's own.
fn fetch(row: u32, own: E, place: u32) -> E {
    return subgroupShuffle(own, place);
}

// The same of real numbers.
fn publish_real(row: u32, slot: u32, value: T) {}

fn fetch_real(row: u32, own: T, place: u32) -> T {
    return subgroupShuffle(own, place);
}

// Between what is published and what is fetched, and again before the next.
fn meet() {}

// Whether what follows, in which lanes may fetch, is needed by anyone whom they may fetch from.
fn anyone(needed: bool) -> bool {
    return subgroupAny(needed);
}

// The candidate of a team with the largest norm, the first on ties.
fn largest_of_team(own: Candidate, slot: u32, base: u32) -> Candidate {
    var best = own;
    // A butterfly: after every step, all of twice as many lanes know theirs.
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        let other = Candidate(subgroupShuffleXor(best.norm, step), subgroupShuffleXor(best.lane, step));
        let ahead = (other.norm > best.norm) | ((other.norm == best.norm) & (other.lane < best.lane));
        best = Candidate(select(best.norm, other.norm, ahead), select(best.lane, other.lane, ahead));
    }
    return best;
}
