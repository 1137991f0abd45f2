// Some steps of the QR in global memory, one workgroup a matrix.

@compute @workgroup_size(WORKGROUP)
fn factor(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = P.first + group.x;
    if (P.begin == 0u) {
        start_columns(matrix, lid);
    }
    factor_steps(matrix, P.begin, P.end, lid);
}
