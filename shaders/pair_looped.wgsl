// A pair of columns, many rows a lane: they are read twice.

// As in pair_held.wgsl.
fn rotate_pair(matrix: u32, p: u32, q: u32, present: bool, lid: u32) -> bool {
    let lane = lid % LANES;
    var share = Gram(ZERO, ZERO, ZERO, ZERO);
    if (present) {
        var r = lane;
        while (r < COLS) {
            var sum = Gram(ZERO, ZERO, ZERO, ZERO);
            for (var b = 0u; b < BLOCK && r < COLS; b++) {
                let xp = x_load(matrix, p, r);
                let xq = x_load(matrix, q, r);
                sum.pp = fma(xp, xp, sum.pp);
                sum.qq = fma(xq, xq, sum.qq);
                sum.pq = fma(xp, xq, sum.pq);
                sum.terms = fma(abs(xp), abs(xq), sum.terms);
                r += LANES;
            }
            share = Gram(share.pp + sum.pp, share.qq + sum.qq, share.pq + sum.pq, share.terms + sum.terms);
        }
    }
    let gram = team_gram(share, lid, LANES);
    let turn = rotation(gram.pp, gram.qq, gram.pq, gram.terms);
    if (!present || !turn.needed) {
        return false;
    }
    for (var r = lane; r < COLS; r += LANES) {
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
