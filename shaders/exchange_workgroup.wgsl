// Lanes of a team give each other their columns by the way of workgroup memory: see
// exchange_subgroup.wgsl.

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
}

fn own_place(at: Invocation) -> u32 {
    return at.index;
}

fn in_line(at: Invocation, lane: u32) -> bool {
    return true;
}

fn publish(row: u32, slot: u32, value: E) {
    places[row * WORKGROUP + slot] = value;
}

fn fetch(row: u32, own: E, place: u32) -> E {
    return places[row * WORKGROUP + place];
}

// The same of real numbers.
fn publish_real(row: u32, slot: u32, value: T) {
    publish(row, slot, entry_of(value, ZERO));
}

fn fetch_real(row: u32, own: T, place: u32) -> T {
    return part(fetch(row, E_ZERO, place), 0u);
}

fn meet() {
    workgroupBarrier();
}

fn anyone(needed: bool) -> bool {
    return needed;
}

fn largest_of_team(own: Candidate, slot: u32, base: u32) -> Candidate {
    publish_real(0u, slot, own.norm);
    meet();
    var best = Candidate(-ONE, 0u);
    for (var l = 0u; l < N; l++) {
        let norm = fetch_real(0u, own.norm, base + l);
        if (norm > best.norm) {
            best = Candidate(norm, l);
        }
    }
    meet();
    return best;
}
