// A pair of columns, many rows a lane: they are read twice.

// As in pair_held.wgsl.
fn rotate_pair(matrix: u32, p: u32, q: u32, present: bool, lid: u32) -> bool {
    let lane = lid % LANES;
    var share = no_gram();
    if (present) {
        var r = lane;
        while (r < COLS) {
            var sum = no_gram();
            for (var b = 0u; b < BLOCK && r < COLS; b++) {
                let xp = x_load(matrix, p, r);
                let xq = x_load(matrix, q, r);
                sum.pp = add_square(xp, sum.pp);
                sum.qq = add_square(xq, sum.qq);
                sum.pq = add_inner(xp, xq, sum.pq);
                sum.terms = add_terms(xp, xq, sum.terms);
                r += LANES;
            }
            share = add_grams(share, sum);
        }
    }
    let gram = team_gram(share, lid, LANES);
    let along = polar(gram.pq);
    if (!present || !is_oblique(gram.pp, gram.qq, along.size, gram.terms)) {
        return false;
    }
    let turn = rotation(gram.pp, gram.qq, along.size);
    for (var r = lane; r < COLS; r += LANES) {
        turn_row(matrix, p, q, r, turn, along.phase, x_load(matrix, p, r), x_load(matrix, q, r));
    }
    return true;
}
