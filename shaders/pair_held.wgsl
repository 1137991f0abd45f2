// A pair of columns, few rows a lane: they are read once, and held in registers until they are rotated.

// Makes columns p and q orthogonal if they are `present`; whether that took a rotation. In uniform
// control flow; each lane has its own rows. Columns stay where they are: putting the larger first
// costs sweeps in this order.
fn rotate_pair(matrix: u32, p: u32, q: u32, present: bool, lid: u32) -> bool {
    let lane = lid % LANES;
    var share = no_gram();
    var sum = share;
    //$ for k in 0..K
    var xp$k = E_ZERO;
    var xq$k = E_ZERO;
    //$ end
    if (present) {
        //$ for k in 0..K
        // Only the last rows may not be there.
        if (($ku + 1u) * LANES <= COLS || $ku * LANES + lane < COLS) {
            xp$k = x_load(matrix, p, $ku * LANES + lane);
            xq$k = x_load(matrix, q, $ku * LANES + lane);
        }
        sum.pp = add_square(xp$k, sum.pp);
        sum.qq = add_square(xq$k, sum.qq);
        sum.pq = add_inner(xp$k, xq$k, sum.pq);
        sum.terms = add_terms(xp$k, xq$k, sum.terms);
        if (($ku + 1u) % BLOCK == 0u) {
            share = add_grams(share, sum);
            sum = no_gram();
        }
        //$ end
        share = add_grams(share, sum);
    }
    let gram = team_gram(share, lid, LANES);
    let along = polar(gram.pq);
    if (!present || !is_oblique(gram.pp, gram.qq, along.size, gram.terms)) {
        return false;
    }
    let turn = rotation(gram.pp, gram.qq, along.size);
    //$ for k in 0..K
    if (($ku + 1u) * LANES <= COLS || $ku * LANES + lane < COLS) {
        turn_row(matrix, p, q, $ku * LANES + lane, turn, along.phase, xp$k, xq$k);
    }
    //$ end
    return true;
}
