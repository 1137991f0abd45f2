//! uses: team_*, pair_*, bindings, state, numbers, team, resident_memory, factor, resident
// The whole solve in workgroup memory: QR, sweeps, singular values.

@compute @workgroup_size(WORKGROUP)
fn solve(at: Invocation) {
    let lid = at.index;
    let matrix = P.first + at.group.x;
    gather(matrix, min(P.column_lanes, LANES), at);
    for (var e = lid; e < P.rows * P.cols; e += WORKGROUP) {
        a_store(0u, e % P.rows, e / P.rows, a[matrix * P.rows * P.cols + e]);
    }
    workgroupBarrier();
    start_columns(matrix, lid);
    factor_steps(matrix, 0u, P.cols, lid);
    // Reflectors go to global memory, and zeros take their place under R, whose rows become the columns of R'.
    for (var e = lid; e < P.rows * P.cols; e += WORKGROUP) {
        let row = e % P.rows;
        let col = e / P.rows;
        if (row > col) {
            a[matrix * P.rows * P.cols + e] = a_load(0u, row, col);
            a_store(0u, row, col, E_ZERO);
        } else if (PARTS > 1u) {
            a_store(0u, row, col, conjugate(a_load(0u, row, col)));
        }
    }
    for (var c = lid; c < P.cols; c += WORKGROUP) {
        values[2u * matrix * P.cols + c] = wcolumn[c];
    }
    start_rotations(lid);
    solve_in_place(matrix, 0u, lid);
}
