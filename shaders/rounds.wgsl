//! uses: team_workgroup, pair_*, bindings, state, numbers, team, global_memory, jacobi
// Sweeps in global memory: a dispatch a round, a workgroup a pair of columns, (pair, matrix).

// x = R', j = I.
@compute @workgroup_size(WORKGROUP)
fn begin(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = P.first + group.y;
    let c = group.x;
    for (var r = lid; r < COLS; r += WORKGROUP) {
        var entry = E_ZERO;
        if (r >= c) {
            entry = conjugate(a_load(matrix, c, r));
        }
        x_store(matrix, c, r, entry);
        j_store(matrix, c, r, select(E_ZERO, E_ONE, r == c));
    }
}

@compute @workgroup_size(WORKGROUP)
fn round(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = P.first + group.y;
    if (!is_running(matrix, lid)) {
        return;
    }
    let pq = opponents(P.begin, group.x, P.end);
    let turned = rotate_pair(matrix, pq.x, pq.y, pq.y < COLS, lid);
    if (turned && lid == 0u) {
        atomicAdd(&state[matrix * STATE_WORDS + ROTATED], 1u);
    }
}

// After a sweep: done if it rotated nothing.
@compute @workgroup_size(1)
fn advance(@builtin(workgroup_id) group: vec3<u32>) {
    let words = (P.first + group.x) * STATE_WORDS;
    if (atomicLoad(&state[words + STATUS]) != RUNNING) {
        return;
    }
    let sweeps = atomicAdd(&state[words + SWEEPS], 1u) + 1u;
    let rotated = atomicExchange(&state[words + ROTATED], 0u);
    atomicAdd(&state[words + ROTATIONS], rotated);
    if (rotated == 0u) {
        atomicStore(&state[words + STATUS], CONVERGED);
    } else if (sweeps >= P.max_sweeps) {
        atomicStore(&state[words + STATUS], CAPPED);
    }
}

// Singular values and V: a workgroup a column, (column, matrix).
@compute @workgroup_size(WORKGROUP)
fn normalise(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = P.first + group.y;
    let c = group.x;
    var squares = ZERO;
    for (var r = lid; r < COLS; r += WORKGROUP) {
        squares = add_square(x_load(matrix, c, r), squares);
    }
    squares = team_sum(squares, lid, WORKGROUP);
    // An entry that is all of its column is its length, exactly.
    var own = ZERO;
    for (var r = lid; r < COLS; r += WORKGROUP) {
        let size = larger_part(x_load(matrix, c, r));
        own = select(own, size, size * size == squares);
    }
    let norm = exact_length(squares, team_sum(own, lid, WORKGROUP));
    let sigma = select(ZERO, norm, norm > NEGLIGIBLE);
    if (lid == 0u) {
        values[(2u * matrix + 1u) * COLS + c] = sigma;
    }
    let scale = reciprocal(select(ONE, sigma, sigma > ZERO));
    for (var r = lid; r < COLS; r += WORKGROUP) {
        x_store(matrix, c, r, unit_entry(x_load(matrix, c, r), sigma, scale));
    }
}
