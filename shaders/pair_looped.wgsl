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
    if (!present || !is_oblique(gram.pp, gram.qq, gram.pq, gram.terms)) {
        return false;
    }
    let turn = rotation(gram.pp, gram.qq, gram.pq);
    for (var r = lane; r < COLS; r += LANES) {
        turn_row(matrix, p, q, r, turn, x_load(matrix, p, r), x_load(matrix, q, r));
    }
    return true;
}
