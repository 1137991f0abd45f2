//! uses: bits_*, entry_bits, team_workgroup, state, team
// What a factor of a decomposition leaves of right-hand sides: B' R, for R out of {U, V}. Every column of
// B is scaled by a power of two of its own, so that no column's size harms another.

struct Params {
    length: u32,      // of the columns of B and of R
    cols: u32,        // right-hand sides of a matrix
    inner: u32,       // columns of R
    factor_size: u32, // entries of R from a matrix to the next
    row_stride: u32,  // entries from a row of B to the next
    col_stride: u32,
    first: u32,       // first matrix of this dispatch
    block: u32,       // terms summed before they are added to the total
    lanes: u32,       // invocations that share a sum
    groups: u32,      // workgroups a matrix
}

@group(0) @binding(0) var<uniform> P: Params;
// length x cols a matrix, as 32-bit words.
@group(0) @binding(1) var<storage, read> rhs: array<u32>;
@group(0) @binding(2) var<storage, read> factor: array<E>;
// cols a matrix: a column was multiplied by 2^power; NOT_FINITE where it is not finite.
@group(0) @binding(3) var<storage, read_write> powers: array<i32>;
// cols x inner a matrix.
@group(0) @binding(4) var<storage, read_write> projected: array<E>;
// STATE_WORDS a matrix.
@group(0) @binding(5) var<storage, read_write> state: array<atomic<u32>>;

var<workgroup> tops: array<i32, WORKGROUP>;

fn entry(matrix: u32, row: u32, col: u32) -> EntryBits {
    let word = PARTS * WORDS * (matrix * P.length * P.cols + row * P.row_stride + col * P.col_stride);
    let last = word + (PARTS - 1u) * WORDS;
    return EntryBits(bits(rhs[word], rhs[word + WORDS - 1u]), bits(rhs[last], rhs[last + WORDS - 1u]));
}

// The scale of every column: a workgroup a column, (columns, matrix).
@compute @workgroup_size(WORKGROUP)
fn weigh(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = P.first + group.y;
    for (var c = group.x; c < P.cols; c += P.groups) {
        var top = NO_EXPONENT;
        for (var i = lid; i < P.length; i += WORKGROUP) {
            let b = larger_bits(entry(matrix, i, c));
            top = max(top, select(NOT_FINITE, exponent(b), is_finite(b)));
        }
        tops[lid] = top;
        workgroupBarrier();
        for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
            if (lid < step) {
                tops[lid] = max(tops[lid], tops[lid + step]);
            }
            workgroupBarrier();
        }
        if (lid == 0u) {
            let most = tops[0];
            let sound = most != NOT_FINITE;
            let power = select(-most, 0, most == NO_EXPONENT);
            powers[matrix * P.cols + c] = select(NOT_FINITE, power, sound);
            if (!sound) {
                atomicOr(&state[matrix * STATE_WORDS + LOST], UNSOUND);
            }
        }
        workgroupBarrier();
    }
}

// B' R: a team an entry, (entries, matrix).
@compute @workgroup_size(WORKGROUP)
fn project(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = P.first + group.y;
    let teams = WORKGROUP / P.lanes;
    let entries = P.cols * P.inner;
    for (var begin = group.x * teams; begin < entries; begin += P.groups * teams) {
        let e = begin + lid / P.lanes;
        let col = e % P.cols;
        let column = matrix * P.factor_size + (e / P.cols) * P.length;
        var total = E_ZERO;
        if (e < entries) {
            let power = powers[matrix * P.cols + col];
            var i = lid % P.lanes;
            while (i < P.length && power != NOT_FINITE) {
                var sum = E_ZERO;
                for (var b = 0u; b < P.block && i < P.length; b++) {
                    sum = add_inner(scaled_entry(entry(matrix, i, col), power), factor[column + i], sum);
                    i += P.lanes;
                }
                total += sum;
            }
        }
        total = team_sum_entry(total, lid, P.lanes);
        if (e < entries && lid % P.lanes == 0u) {
            projected[matrix * entries + e] = total;
        }
    }
}
