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

// Makes columns p and q orthogonal if they are `present`; whether that took a rotation. In uniform
// control flow; each lane has its own rows. Columns stay where they are: putting the larger first
// costs sweeps in this order.
fn rotate_pair(matrix: u32, p: u32, q: u32, present: bool, lid: u32, lanes: u32) -> bool {
    let lane = lid % lanes;
    var share = Gram(ZERO, ZERO, ZERO, ZERO);
    if (present) {
        var r = lane;
        while (r < P.cols) {
            var sum = Gram(ZERO, ZERO, ZERO, ZERO);
            for (var b = 0u; b < P.block && r < P.cols; b++) {
                let xp = x_load(matrix, p, r);
                let xq = x_load(matrix, q, r);
                sum.pp = fma(xp, xp, sum.pp);
                sum.qq = fma(xq, xq, sum.qq);
                sum.pq = fma(xp, xq, sum.pq);
                sum.terms = fma(abs(xp), abs(xq), sum.terms);
                r += lanes;
            }
            share = Gram(share.pp + sum.pp, share.qq + sum.qq, share.pq + sum.pq, share.terms + sum.terms);
        }
    }
    let gram = team_gram(share, lid, lanes);
    let turn = rotation(gram.pp, gram.qq, gram.pq, gram.terms);
    if (!present || !turn.needed) {
        return false;
    }
    // Rutishauser's form, which does not drift as x' = c x - s y does.
    for (var r = lane; r < P.cols; r += lanes) {
        let xp = x_load(matrix, p, r);
        let xq = x_load(matrix, q, r);
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
    return true;
}
