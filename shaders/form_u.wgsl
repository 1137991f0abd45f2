//! uses: team_*, bindings, state, team
// U = Q J, and beyond n the further columns of Q: a team a column, (columns, matrix). The
// reflectors of Q are in a, below the diagonal, and their tau in values.

@compute @workgroup_size(WORKGROUP)
fn form_u(at: Invocation) {
    let lid = at.index;
    let matrix = P.first + at.group.y;
    gather(matrix, P.column_lanes, at);
    let lanes = P.column_lanes;
    let lane = lid % lanes;
    let c = P.begin + at.group.x * (WORKGROUP / lanes) + lid / lanes;
    let present = c < P.end;
    let column = (matrix * P.u_cols + c) * P.rows;
    // A lane touches only its own rows, those that are `lane` modulo `lanes`: no barrier.
    if (present) {
        for (var i = lane; i < P.rows; i += lanes) {
            var entry = select(E_ZERO, E_ONE, i == c);
            if (c < P.cols) {
                entry = E_ZERO;
                if (i < P.cols) {
                    entry = j[(matrix * P.cols + c) * P.cols + i];
                }
            }
            u[column + i] = entry;
        }
    }
    for (var step = P.cols; step > 0u; step--) {
        let k = step - 1u;
        let reflector = (matrix * P.cols + k) * P.rows;
        let start = k + (lane + lanes - k % lanes) % lanes;
        var total = E_ZERO;
        if (present) {
            var i = start;
            while (i < P.rows) {
                var sum = E_ZERO;
                for (var b = 0u; b < P.block && i < P.rows; b++) {
                    var v = E_ONE;
                    if (i > k) {
                        v = a[reflector + i];
                    }
                    sum = add_inner(v, u[column + i], sum);
                    i += lanes;
                }
                total += sum;
            }
        }
        let weight = values[2u * matrix * P.cols + k] * team_sum_entry(total, lid, lanes);
        if (present) {
            for (var i = start; i < P.rows; i += lanes) {
                var v = E_ONE;
                if (i > k) {
                    v = a[reflector + i];
                }
                u[column + i] = add_product(-weight, v, u[column + i]);
            }
        }
    }
}
