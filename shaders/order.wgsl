//! uses: bits_*, state, filter
// Where singular values come in order, which of them count, and what the caller gets of them: an
// invocation a column, (columns, matrix).

struct Params {
    cols: u32,
    groups: u32,      // workgroups a matrix
    cutoffs: u32,     // 1 where every matrix has its own cutoffs, else 0
    form: u32,        // the filter of the composition that the caller gets; 0 where it gets none
    beside: u32,      // where singular values begin that come beside weights; 0 where none do
}

@group(0) @binding(0) var<uniform> P: Params;
// 2 cols a matrix: the singular values are the second half, unsorted.
@group(0) @binding(1) var<storage, read> values: array<T>;
// As cutoff.wgsl says.
@group(0) @binding(2) var<storage, read> cutoffs: array<T>;
// 2 cols a matrix: the pivots; then the place of each column.
@group(0) @binding(3) var<storage, read_write> pivots: array<u32>;
// cols a matrix: the singular values; the weights of a composition, scaled as the matrix was, if there
// is one, and after those of all matrices the singular values, if they are asked for.
@group(0) @binding(4) var<storage, read_write> sigma: array<T>;
// STATE_WORDS a matrix.
@group(0) @binding(5) var<storage, read_write> state: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP)
fn order(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = group.y;
    let words = matrix * STATE_WORDS;
    let power = bitcast<i32>(atomicLoad(&state[words + POWER]));
    let finite = power != NOT_FINITE;
    let first = (2u * matrix + 1u) * P.cols;
    for (var c = group.x * WORKGROUP + lid; c < P.cols; c += P.groups * WORKGROUP) {
        let own = values[first + c];
        var place = 0u;
        var highest = ZERO;
        var known = 0u;
        var squares = ZERO;
        var tail = ZERO;
        for (var l = 0u; l < P.cols; l++) {
            let other = values[first + l];
            let ahead = other > own || (other == own && l < c);
            place += select(0u, 1u, ahead);
            highest = max(highest, other);
            known += select(0u, 1u, other > ZERO);
            squares = fma(other, other, squares);
            let part = select(other, ZERO, ahead);
            tail = fma(part, part, tail);
        }
        let threshold = threshold_of(matrix, power, highest);
        let counts = own > max(threshold, ZERO) && within_limits(limits_of(matrix), place, squares, tail);
        if (counts) {
            atomicAdd(&state[words + RANK], 1u);
        }
        let value = unscaled(own, -power);
        let composed = weight(P.form, own, counts, damping_of(matrix, power));
        let answer = select(value, composed, P.form != 0u);
        sigma[matrix * P.cols + place] = select(cutoffs[0], answer, finite);
        if (P.beside != 0u) {
            sigma[P.beside + matrix * P.cols + place] = select(cutoffs[0], value, finite);
        }
        pivots[first + c] = place;
        // A call that composes is judged by its composition: nobody sees its singular values.
        let lost = overflowed(value) || (counts && vanished(value));
        if (finite && P.form == 0u && lost) {
            atomicOr(&state[words + LOST], OVERFLOWED);
        }
        if (place == 0u) {
            atomicStore(&state[words + LARGEST_SIGMA], size_of_sigma(highest));
            atomicStore(&state[words + KNOWN], known);
            if (!finite) {
                atomicStore(&state[words + STATUS], NON_FINITE);
            }
        }
    }
}
