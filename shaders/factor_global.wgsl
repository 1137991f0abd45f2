//! uses: team_*, bindings, state, numbers, team, global_memory, factor
// Some steps of the QR in global memory, one workgroup a matrix.

@compute @workgroup_size(WORKGROUP)
fn factor(at: Invocation) {
    let lid = at.index;
    let matrix = P.first + at.group.x;
    gather(matrix, P.column_lanes, at);
    if (P.begin == 0u) {
        start_columns(matrix, lid);
    }
    factor_steps(matrix, P.begin, P.end, lid);
}
