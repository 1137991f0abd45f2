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

// Row r of a pair of columns, whose entries are xp and xq, and of the rotations: in Rutishauser's form, which does
// not drift as x' = c x - s y does.
fn turn_row(matrix: u32, p: u32, q: u32, r: u32, turn: Rotation, xp: T, xq: T) {
    x_store(matrix, p, r, xp - turn.s * (xq + turn.tau * xp));
    x_store(matrix, q, r, xq + turn.s * (xp - turn.tau * xq));
    // Only U needs the rotations.
    if (P.u_cols > 0u) {
        let jp = j_load(matrix, p, r);
        let jq = j_load(matrix, q, r);
        j_store(matrix, p, r, jp - turn.s * (jq + turn.tau * jp));
        j_store(matrix, q, r, jq + turn.s * (jp - turn.tau * jq));
    }
}
