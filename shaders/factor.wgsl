//! uses: numbers, team
// Householder QR with column pivoting (Golub and Van Loan, 5.4.2), one workgroup a matrix, in
// whichever memory a_load and a_store name. As src/dense/householder.rs: norms of what remains are
// computed anew at every step, in the same pass that updates the columns.

// Squared norm of this lane's share of the rows from `row` of column `col`.
fn share_square(matrix: u32, row: u32, col: u32, lane: u32, lanes: u32) -> T {
    var total = ZERO;
    var i = row + lane;
    while (i < P.rows) {
        var sum = ZERO;
        for (var b = 0u; b < P.block && i < P.rows; b++) {
            sum = add_square(a_load(matrix, i, col), sum);
            i += lanes;
        }
        total += sum;
    }
    return total;
}

fn start_columns(matrix: u32, lid: u32) {
    let lanes = P.column_lanes;
    let teams = WORKGROUP / lanes;
    for (var first = 0u; first < P.cols; first += teams) {
        let c = first + lid / lanes;
        var square = ZERO;
        if (c < P.cols) {
            square = share_square(matrix, 0u, c, lid % lanes, lanes);
        }
        let norm = team_sum(square, lid, lanes);
        if (c < P.cols && lid % lanes == 0u) {
            column_store(matrix, c, norm);
            pivots[2u * matrix * P.cols + c] = c;
        }
    }
    // The pivots are in global memory whatever sync() orders.
    storageBarrier();
    sync();
}

// The largest of the remaining columns, the first on ties; NOTHING if all are negligible.
fn choose_pivot(matrix: u32, k: u32, lid: u32) -> u32 {
    var largest = -ONE;
    var at = NOTHING;
    for (var c = k + lid; c < P.cols; c += WORKGROUP) {
        let norm = column_load(matrix, c);
        if (norm > largest) {
            largest = norm;
            at = c;
        }
    }
    return first_largest(largest, at, P.cols - k, NEGLIGIBLE_SQUARE, lid);
}

fn swap_columns(matrix: u32, k: u32, p: u32, lid: u32) {
    for (var i = lid; i < P.rows; i += WORKGROUP) {
        let entry = a_load(matrix, i, k);
        a_store(matrix, i, k, a_load(matrix, i, p));
        a_store(matrix, i, p, entry);
    }
    if (lid == 0u) {
        column_store(matrix, p, column_load(matrix, k));
        let pivot = pivots[2u * matrix * P.cols + k];
        pivots[2u * matrix * P.cols + k] = pivots[2u * matrix * P.cols + p];
        pivots[2u * matrix * P.cols + p] = pivot;
    }
    sync();
}

// Turns column k below row k into a reflector; its tau, for all invocations. The reflection
// is Hermitian: what has a phase is the diagonal of R.
fn make_reflector(matrix: u32, k: u32, lid: u32) -> T {
    let alpha = a_load(matrix, k, k);
    // By the tree, whose barriers part what is read from what is written.
    let below = tree_sum(share_square(matrix, k + 1u, k, lid, WORKGROUP), lid, WORKGROUP);
    let norm = root(add_square(alpha, below));
    let beta = away(alpha, norm);
    let flat = below <= ZERO;
    let scale = inverse(select(alpha - beta, E_ONE, flat));
    for (var i = k + 1u + lid; i < P.rows; i += WORKGROUP) {
        a_store(matrix, i, k, product(a_load(matrix, i, k), scale));
    }
    let square = tree_sum(share_square(matrix, k + 1u, k, lid, WORKGROUP), lid, WORKGROUP);
    let tau = select(TWO * reciprocal(ONE + square), ZERO, flat);
    if (lid == 0u) {
        a_store(matrix, k, k, select(beta, alpha, flat));
        column_store(matrix, k, tau);
    }
    sync();
    return tau;
}

// Applies reflector k to the columns after it, and measures what remains of them.
fn reflect_columns(matrix: u32, k: u32, tau: T, lid: u32) {
    let lanes = P.column_lanes;
    let lane = lid % lanes;
    let teams = WORKGROUP / lanes;
    for (var first = k + 1u; first < P.cols; first += teams) {
        let c = first + lid / lanes;
        let present = c < P.cols;
        var share = E_ZERO;
        if (present) {
            share = share_reflection(matrix, k, c, lane, lanes);
        }
        let weight = tau * team_sum_entry(share, lid, lanes);
        var square = ZERO;
        if (present) {
            square = share_update(matrix, k, c, weight, lane, lanes);
        }
        let norm = team_sum(square, lid, lanes);
        if (present && lane == 0u) {
            column_store(matrix, c, norm);
        }
    }
    sync();
}

fn share_reflection(matrix: u32, k: u32, c: u32, lane: u32, lanes: u32) -> E {
    var total = E_ZERO;
    if (lane == 0u) {
        total = a_load(matrix, k, c);
    }
    var i = k + 1u + lane;
    while (i < P.rows) {
        var sum = E_ZERO;
        for (var b = 0u; b < P.block && i < P.rows; b++) {
            sum = add_inner(a_load(matrix, i, k), a_load(matrix, i, c), sum);
            i += lanes;
        }
        total += sum;
    }
    return total;
}

fn share_update(matrix: u32, k: u32, c: u32, weight: E, lane: u32, lanes: u32) -> T {
    if (lane == 0u) {
        a_store(matrix, k, c, a_load(matrix, k, c) - weight);
    }
    var total = ZERO;
    var i = k + 1u + lane;
    while (i < P.rows) {
        var sum = ZERO;
        for (var b = 0u; b < P.block && i < P.rows; b++) {
            let entry = add_product(-weight, a_load(matrix, i, k), a_load(matrix, i, c));
            a_store(matrix, i, c, entry);
            sum = add_square(entry, sum);
            i += lanes;
        }
        total += sum;
    }
    return total;
}

// What remains is nothing: the rest of R is zero, and the rest of the reflectors do nothing.
fn clear_rest(matrix: u32, k: u32, lid: u32) {
    for (var c = k; c < P.cols; c++) {
        for (var i = k + lid; i < P.rows; i += WORKGROUP) {
            a_store(matrix, i, c, E_ZERO);
        }
    }
    for (var c = k + lid; c < P.cols; c += WORKGROUP) {
        column_store(matrix, c, ZERO);
    }
    sync();
}

fn factor_steps(matrix: u32, begin: u32, end: u32, lid: u32) {
    for (var k = begin; k < end; k++) {
        let p = choose_pivot(matrix, k, lid);
        if (p == NOTHING) {
            clear_rest(matrix, k, lid);
            return;
        }
        if (p != k) {
            swap_columns(matrix, k, p, lid);
        }
        let tau = make_reflector(matrix, k, lid);
        reflect_columns(matrix, k, tau, lid);
    }
}
