//! uses: rotation
// One-sided Jacobi on the columns of R' (Hestenes; Demmel and Veselic 1992; Drmac and Veselic
// 2008), in whichever memory x_load and j_load name.

// Pair `pair` of round `round` of a tournament of `players`, an even number: the last player stays,
// the others move around a circle. Every two meet once in players - 1 rounds.
fn opponents(round: u32, pair: u32, players: u32) -> vec2<u32> {
    let circle = players - 1u;
    var p = (round + pair) % circle;
    var q = (round + circle - pair) % circle;
    if (pair == 0u) {
        q = circle;
    }
    return vec2<u32>(min(p, q), max(p, q));
}

// Whether the matrix needs further sweeps: the same for the whole workgroup, but only workgroup memory can
// prove it.
fn is_running(matrix: u32, lid: u32) -> bool {
    if (lid == 0u) {
        chosen = atomicLoad(&state[matrix * STATE_WORDS + STATUS]);
    }
    return workgroupUniformLoad(&chosen) == RUNNING;
}

// Row r of a pair of columns, whose entries are xp and xq, and of the rotations.
fn turn_row(matrix: u32, p: u32, q: u32, r: u32, turn: Rotation, phase: E, xp: E, xq: E) {
    let pair = turned_pair(turn.s, turn.tau, phase, xp, xq);
    x_store(matrix, p, r, pair.p);
    x_store(matrix, q, r, pair.q);
    // Only U needs the rotations.
    if (P.u_cols > 0u) {
        let below = turned_pair(turn.s, turn.tau, phase, j_load(matrix, p, r), j_load(matrix, q, r));
        j_store(matrix, p, r, below.p);
        j_store(matrix, q, r, below.q);
    }
}
