//! uses: bits_*, entries_*, team_workgroup, state, numbers, team
// From the factors as the larger kernels leave them to those that the caller gets: sorted, rows in
// their order, V completed, signs fixed. As src/cpu/delivery.rs.

struct Params {
    rows: u32,
    cols: u32,
    u_cols: u32,      // columns of U
    lanes: u32,       // invocations that share a column; a power of two
    begin: u32,       // first column to complete in this dispatch
    end: u32,         // one past the last
    signs_by_u: u32,  // 1 where U decides the signs, else 0
}

@group(0) @binding(0) var<uniform> P: Params;
// cols x cols a matrix: V, then room for the completion.
@group(0) @binding(1) var<storage, read_write> x: array<E>;
// rows x u_cols a matrix.
@group(0) @binding(2) var<storage, read> u: array<E>;
// 2 cols a matrix: where the rows of V belong, and where its columns do.
@group(0) @binding(3) var<storage, read> pivots: array<u32>;
// (1 + WORDS) rows a matrix: where the rows of U belong.
@group(0) @binding(4) var<storage, read> rows: array<u32>;
// NaN first.
@group(0) @binding(5) var<storage, read> cutoffs: array<T>;
@group(0) @binding(6) var<storage, read_write> to_u: array<E>;
@group(0) @binding(7) var<storage, read_write> to_v: array<E>;
// STATE_WORDS a matrix.
@group(0) @binding(8) var<storage, read_write> state: array<atomic<u32>>;

// Every column where it belongs, zero where its singular value is: a team a column, (columns,
// matrix).
@compute @workgroup_size(WORKGROUP)
fn place(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = group.y;
    let lane = lid % P.lanes;
    let c = group.x * (WORKGROUP / P.lanes) + lid / P.lanes;
    let finite = bitcast<i32>(atomicLoad(&state[matrix * STATE_WORDS + POWER])) != NOT_FINITE;
    let known = atomicLoad(&state[matrix * STATE_WORDS + KNOWN]);
    let nan = entry_of(cutoffs[0], cutoffs[0]);
    var to = c;
    if (c < P.cols) {
        to = pivots[(2u * matrix + 1u) * P.cols + c];
        for (var i = lane; i < P.cols; i += P.lanes) {
            let entry = select(E_ZERO, x[(matrix * P.cols + c) * P.cols + i], to < known);
            let row = pivots[2u * matrix * P.cols + i];
            to_v[(matrix * P.cols + to) * P.cols + row] = select(nan, entry, finite);
        }
    }
    if (c < P.u_cols) {
        for (var i = lane; i < P.rows; i += P.lanes) {
            let entry = u[(matrix * P.u_cols + c) * P.rows + i];
            let row = rows[matrix * (1u + WORDS) * P.rows + i];
            to_u[(matrix * P.u_cols + to) * P.rows + row] = select(nan, entry, finite);
        }
    }
}

fn v_at(matrix: u32, row: u32, col: u32) -> u32 {
    return (matrix * P.cols + col) * P.cols + row;
}

// The row that the first `c` columns of V reach least, the first on ties.
fn least_reached(matrix: u32, c: u32, lid: u32) -> u32 {
    // Of unit columns a row is reached by one at most.
    var least = TWO;
    var at = NOTHING;
    for (var i = lid; i < P.cols; i += WORKGROUP) {
        var reached = ZERO;
        for (var l = 0u; l < c; l++) {
            reached = add_square(to_v[v_at(matrix, i, l)], reached);
        }
        if (reached < least) {
            least = reached;
            at = i;
        }
    }
    return first_largest(-least, at, P.cols, -TWO, lid);
}

// This lane's share of the product of two columns of V.
fn share_product(matrix: u32, one: u32, other: u32, lane: u32, lanes: u32) -> E {
    var sum = E_ZERO;
    for (var i = lane; i < P.cols; i += lanes) {
        sum = add_inner(to_v[v_at(matrix, i, one)], to_v[v_at(matrix, i, other)], sum);
    }
    return sum;
}

// Some columns of V whose singular values are zero, one workgroup a matrix: the unit vector that the
// columns before reach least, less what they reach of it, twice (Gram and Schmidt).
@compute @workgroup_size(WORKGROUP)
fn complete(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = group.x;
    let lanes = P.lanes;
    // The same for the whole workgroup, but only workgroup memory can prove it.
    if (lid == 0u) {
        let finite = bitcast<i32>(atomicLoad(&state[matrix * STATE_WORDS + POWER])) != NOT_FINITE;
        chosen = select(P.cols, atomicLoad(&state[matrix * STATE_WORDS + KNOWN]), finite);
    }
    let known = workgroupUniformLoad(&chosen);
    for (var c = max(P.begin, known); c < P.end; c++) {
        let row = least_reached(matrix, c, lid);
        for (var i = lid; i < P.cols; i += WORKGROUP) {
            to_v[v_at(matrix, i, c)] = select(E_ZERO, E_ONE, i == row);
        }
        storageBarrier();
        workgroupBarrier();
        for (var time = 0u; time < 2u; time++) {
            for (var first = 0u; first < c; first += WORKGROUP / lanes) {
                let l = first + lid / lanes;
                var share = E_ZERO;
                if (l < c) {
                    share = share_product(matrix, l, c, lid % lanes, lanes);
                }
                let along = team_sum_entry(share, lid, lanes);
                if (l < c && lid % lanes == 0u) {
                    x[v_at(matrix, l, 0u)] = along;
                }
            }
            storageBarrier();
            workgroupBarrier();
            for (var i = lid; i < P.cols; i += WORKGROUP) {
                var entry = to_v[v_at(matrix, i, c)];
                for (var l = 0u; l < c; l++) {
                    entry = add_product(-x[v_at(matrix, l, 0u)], to_v[v_at(matrix, i, l)], entry);
                }
                to_v[v_at(matrix, i, c)] = entry;
            }
            storageBarrier();
            workgroupBarrier();
        }
        let squares = team_sum(part(share_product(matrix, c, c, lid, WORKGROUP), 0u), lid, WORKGROUP);
        var own = ZERO;
        for (var i = lid; i < P.cols; i += WORKGROUP) {
            let size = larger_part(to_v[v_at(matrix, i, c)]);
            own = select(own, size, size * size == squares);
        }
        let norm = exact_length(squares, team_sum(own, lid, WORKGROUP));
        let scale = reciprocal(norm);
        for (var i = lid; i < P.cols; i += WORKGROUP) {
            to_v[v_at(matrix, i, c)] = unit_entry(to_v[v_at(matrix, i, c)], norm, scale);
        }
        storageBarrier();
        workgroupBarrier();
    }
}

// An entry of the factor that decides.
fn decisive(by_u: bool, index: u32) -> E {
    if (by_u) {
        return to_u[index];
    }
    return to_v[index];
}

// Turns columns such that their first entry of (nearly) the largest magnitude is positive, and real, and their partners
// likewise: a team a column, (columns, matrix). One of the factors decides.
@compute @workgroup_size(WORKGROUP)
fn signs(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = group.y;
    let lanes = P.lanes;
    let lane = lid % lanes;
    let c = group.x * (WORKGROUP / lanes) + lid / lanes;
    let by_u = P.signs_by_u != 0u;
    let in_u = (matrix * P.u_cols + c) * P.rows;
    let in_v = (matrix * P.cols + c) * P.cols;
    let length = select(select(0u, P.cols, c < P.cols), select(0u, P.rows, c < P.u_cols), by_u);
    var most = ZERO;
    for (var i = lane; i < length; i += lanes) {
        most = max(most, prominence(decisive(by_u, select(in_v, in_u, by_u) + i)));
    }
    partial[lid] = most;
    workgroupBarrier();
    for (var step = lanes / 2u; step > 0u; step /= 2u) {
        if (lane < step) {
            partial[lid] = max(partial[lid], partial[lid + step]);
        }
        workgroupBarrier();
    }
    let limit = NEARLY_PROMINENT * partial[lid - lane];
    var first = NOTHING;
    for (var i = lane; i < length; i += lanes) {
        if (first == NOTHING && prominence(decisive(by_u, select(in_v, in_u, by_u) + i)) >= limit) {
            first = i;
        }
    }
    candidate[lid] = first;
    workgroupBarrier();
    for (var step = lanes / 2u; step > 0u; step /= 2u) {
        if (lane < step) {
            candidate[lid] = min(candidate[lid], candidate[lid + step]);
        }
        workgroupBarrier();
    }
    first = candidate[lid - lane];
    // All of a team know before the first of them turns anything around.
    var leading = E_ONE;
    if (first < length) {
        leading = decisive(by_u, select(in_v, in_u, by_u) + first);
    }
    let straight = straight_of(leading);
    storageBarrier();
    workgroupBarrier();
    let finite = bitcast<i32>(atomicLoad(&state[matrix * STATE_WORDS + POWER])) != NOT_FINITE;
    if (finite && straight.needed) {
        if (c < P.u_cols) {
            for (var i = lane; i < P.rows; i += lanes) {
                to_u[in_u + i] = straightened(to_u[in_u + i], straight, by_u && i == first);
            }
        }
        if (c < P.cols) {
            for (var i = lane; i < P.cols; i += lanes) {
                to_v[in_v + i] = straightened(to_v[in_v + i], straight, !by_u && i == first);
            }
        }
    }
}
