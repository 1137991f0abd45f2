// left diag(weights) right', an invocation an entry, (entries, matrix).

struct Params {
    rows: u32,         // of the result: the length of left's columns
    cols: u32,         // of the result: the length of right's columns
    inner: u32,        // columns taken of each
    left_size: u32,    // entries of left a matrix
    right_size: u32,   // entries of right a matrix
    first: u32,        // first matrix of this dispatch
    block: u32,        // terms summed before they are added to the total
    groups: u32,       // workgroups a matrix
}

@group(0) @binding(0) var<uniform> P: Params;
@group(0) @binding(1) var<storage, read> left: array<T>;
@group(0) @binding(2) var<storage, read> right: array<T>;
@group(0) @binding(3) var<storage, read> weights: array<T>;
@group(0) @binding(4) var<storage, read_write> result: array<T>;

@compute @workgroup_size(WORKGROUP)
fn compose(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = P.first + group.y;
    for (var e = group.x * WORKGROUP + lid; e < P.rows * P.cols; e += P.groups * WORKGROUP) {
        let row = matrix * P.left_size + e % P.rows;
        let col = matrix * P.right_size + e / P.rows;
        var total = ZERO;
        var c = 0u;
        while (c < P.inner) {
            var sum = ZERO;
            for (var b = 0u; b < P.block && c < P.inner; b++) {
                let term = left[row + c * P.rows] * weights[matrix * P.inner + c];
                sum = fma(term, right[col + c * P.cols], sum);
                c += 1u;
            }
            total += sum;
        }
        result[matrix * P.rows * P.cols + e] = total;
    }
}
