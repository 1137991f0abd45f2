//! uses: team_*, pair_*, bindings, state, numbers, team, resident_memory, resident
// The sweeps in workgroup memory, after a QR in global memory.

@compute @workgroup_size(WORKGROUP)
fn sweeps(at: Invocation) {
    let lid = at.index;
    let matrix = P.first + at.group.x;
    gather(matrix, LANES, at);
    for (var e = lid; e < COLS * COLS; e += WORKGROUP) {
        let row = e % COLS;
        let col = e / COLS;
        var entry = E_ZERO;
        if (row <= col) {
            entry = conjugate(a[(matrix * COLS + col) * P.rows + row]);
        }
        a_store(0u, row, col, entry);
    }
    start_rotations(lid);
    solve_in_place(matrix, 0u, lid);
}

// Further sweeps of a matrix that is not done.
@compute @workgroup_size(WORKGROUP)
fn resume(at: Invocation) {
    let lid = at.index;
    let matrix = P.first + at.group.x;
    gather(matrix, LANES, at);
    // The same for the whole workgroup, but only workgroup memory can prove it.
    if (lid == 0u) {
        let status = atomicLoad(&state[matrix * STATE_WORDS + STATUS]);
        let sweeps = atomicLoad(&state[matrix * STATE_WORDS + SWEEPS]);
        busy = select(0u, sweeps, status == RUNNING);
    }
    let done = workgroupUniformLoad(&busy);
    if (done == 0u) {
        return;
    }
    load_unfinished(matrix, lid);
    solve_in_place(matrix, done, lid);
}
