//! uses: bits_*, entries_*, state, cutoff, lift
// left diag(weights) right', an invocation an entry, (entries, matrix). Where right is what a factor
// left of right-hand sides, the columns are solutions.

struct Params {
    rows: u32,         // of the result: the length of left's columns
    cols: u32,         // of the result: the length of right's columns
    inner: u32,        // columns taken of each
    left_size: u32,    // entries of left from a matrix to the next
    left_row: u32,     // .. from a row to the next
    left_col: u32,     // .. from a column to the next
    right_size: u32,
    right_row: u32,
    right_col: u32,
    weighted: u32,     // 1 where weights belong to it, a scale that is undone, and a state; 0 for a product, whose
                       // right factor is transposed without being conjugated
    first: u32,        // first matrix of this dispatch
    block: u32,        // terms summed before they are added to the total
    groups: u32,       // workgroups a matrix
    lift: i32,         // the result of a matrix that was scaled by 2^p is scaled by 2^(lift p)
    cutoffs: u32,      // 1 where every matrix has its own damping, else 0
    solves: u32,       // 1 where columns of the result belong to right-hand sides, else 0
    begin: u32,        // the first entry of this dispatch
    end: u32,          // one past the last
}

@group(0) @binding(0) var<uniform> P: Params;
@group(0) @binding(1) var<storage, read> left: array<E>;
@group(0) @binding(2) var<storage, read> right: array<E>;
@group(0) @binding(3) var<storage, read> weights: array<T>;
@group(0) @binding(4) var<storage, read_write> result: array<E>;
// STATE_WORDS a matrix; only where it is weighted.
@group(0) @binding(5) var<storage, read_write> state: array<atomic<u32>>;
// cols a matrix: a right-hand side was multiplied by 2^power; NOT_FINITE where it is not finite.
@group(0) @binding(6) var<storage, read> powers: array<i32>;
// As cutoff.wgsl says; only where it is weighted.
@group(0) @binding(7) var<storage, read> cutoffs: array<T>;

@compute @workgroup_size(WORKGROUP)
fn compose(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = P.first + group.y;
    var power = 0;
    var finite = true;
    if (P.weighted != 0u) {
        let scale = bitcast<i32>(atomicLoad(&state[matrix * STATE_WORDS + POWER]));
        finite = atomicLoad(&state[matrix * STATE_WORDS + STATUS]) != NON_FINITE;
        // As much as weights are too large.
        power = P.lift * scale - 2 * damping_of(matrix, scale).beyond;
    }
    var flags = 0u;
    for (var e = P.begin + group.x * WORKGROUP + lid; e < P.end; e += P.groups * WORKGROUP) {
        let row = matrix * P.left_size + (e % P.rows) * P.left_row;
        let col = matrix * P.right_size + (e / P.rows) * P.right_row;
        var total = E_ZERO;
        var c = 0u;
        while (c < P.inner) {
            var sum = E_ZERO;
            for (var b = 0u; b < P.block && c < P.inner; b++) {
                var term = left[row + c * P.left_col];
                var other = right[col + c * P.right_col];
                if (P.weighted != 0u) {
                    term *= weights[matrix * P.inner + c];
                    other = conjugate(other);
                }
                sum = add_product(term, other, sum);
                c += 1u;
            }
            total += sum;
        }
        if (P.weighted != 0u) {
            var sound = finite;
            var lift = power;
            if (P.solves != 0u) {
                let own = powers[matrix * P.cols + e / P.rows];
                sound = finite && own != NOT_FINITE;
                lift -= own;
            }
            let entry = lifted_entry(total, lift);
            flags |= select(0u, entry.found, sound);
            total = select(entry_of(cutoffs[0], cutoffs[0]), entry.value, sound);
        }
        result[matrix * P.rows * P.cols + e] = total;
    }
    if (P.weighted != 0u && finite && flags != 0u) {
        atomicOr(&state[matrix * STATE_WORDS + LOST], flags);
    }
}
