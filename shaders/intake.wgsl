//! uses: bits_*, entry_bits, state
// From the caller's matrices to what the larger kernels see: scaled by a power of two to a fixed
// exponent of the largest entry, so that squares neither overflow nor are flushed; rows by largest
// entry, equal ones in the caller's order, for only then does a column-pivoted QR keep the relative
// accuracy of graded rows (Cox and Higham 1998; Drmac and Veselic 2008). A matrix that is not finite
// is zero from here on. As src/cpu/head.rs.

struct Params {
    rows: u32,
    cols: u32,
    row_stride: u32,  // entries from a row of a matrix to the next
    col_stride: u32,
    begin: u32,       // first step of the sort in this dispatch
    end: u32,         // one past the last
    groups: u32,      // workgroups a matrix
    transposed: u32,  // 1 where the caller's matrices are wide: of complex ones, conjugates are taken
}

@group(0) @binding(0) var<uniform> P: Params;
// rows x cols a matrix, as 32-bit words.
@group(0) @binding(1) var<storage, read> input: array<u32>;
// rows x cols a matrix, column by column.
@group(0) @binding(2) var<storage, read_write> a: array<E>;
// (1 + WORDS) rows a matrix: which of the caller's rows comes i-th, then the bits of their largest
// entries.
@group(0) @binding(3) var<storage, read_write> rows: array<u32>;
// STATE_WORDS a matrix.
@group(0) @binding(4) var<storage, read_write> state: array<atomic<u32>>;

fn entry(matrix: u32, row: u32, col: u32) -> EntryBits {
    let word = PARTS * WORDS * (matrix * P.rows * P.cols + row * P.row_stride + col * P.col_stride);
    let last = word + (PARTS - 1u) * WORDS;
    return EntryBits(bits(input[word], input[word + WORDS - 1u]), bits(input[last], input[last + WORDS - 1u]));
}

fn row_at(matrix: u32, i: u32) -> u32 {
    return matrix * (1u + WORDS) * P.rows + i;
}

fn key_at(matrix: u32, i: u32) -> u32 {
    return row_at(matrix, P.rows) + WORDS * i;
}

fn key(matrix: u32, i: u32) -> Bits {
    let word = key_at(matrix, i);
    return bits(rows[word], rows[word + WORDS - 1u]);
}

fn set_key(matrix: u32, i: u32, b: Bits) {
    let word = key_at(matrix, i);
    rows[word] = first_word(b);
    rows[word + WORDS - 1u] = last_word(b);
}

// The largest entry of every row: an invocation a row, (rows, matrix).
@compute @workgroup_size(WORKGROUP)
fn look(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = group.y;
    for (var i = group.x * WORKGROUP + lid; i < P.rows; i += P.groups * WORKGROUP) {
        var most = larger_bits(entry(matrix, i, 0u));
        for (var j = 1u; j < P.cols; j++) {
            let size = larger_bits(entry(matrix, i, j));
            if (larger(size, most)) {
                most = size;
            }
        }
        rows[row_at(matrix, i)] = i;
        set_key(matrix, i, most);
    }
}

// Puts row i before row k, i < k, if it belongs there.
fn exchange(matrix: u32, i: u32, k: u32) {
    if (k >= P.rows) {
        return;
    }
    let row_i = rows[row_at(matrix, i)];
    let row_k = rows[row_at(matrix, k)];
    let size_i = key(matrix, i);
    let size_k = key(matrix, k);
    if (larger(size_k, size_i) || (!larger(size_i, size_k) && row_k < row_i)) {
        rows[row_at(matrix, i)] = row_k;
        rows[row_at(matrix, k)] = row_i;
        set_key(matrix, i, size_k);
        set_key(matrix, k, size_i);
    }
}

// Some steps of a bitonic sort, one workgroup a matrix. Every step puts the smaller below, so that
// rows beyond the last, were there any, would stay.
@compute @workgroup_size(WORKGROUP)
fn sort(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = group.x;
    // Half of the rows, were they a power of two.
    let pairs = (1u << (32u - countLeadingZeros(P.rows - 1u))) >> 1u;
    var step = 0u;
    for (var size = 2u; size < 2u * P.rows; size *= 2u) {
        for (var half = size / 2u; half > 0u; half /= 2u) {
            if (step >= P.begin && step < P.end) {
                for (var pair = lid; pair < pairs; pair += WORKGROUP) {
                    let first = pair / half * 2u * half;
                    let i = first + pair % half;
                    // Blocks are turned around before they are merged.
                    exchange(matrix, i, select(i + half, first + 2u * half - 1u - pair % half, 2u * half == size));
                }
                storageBarrier();
                workgroupBarrier();
            }
            step += 1u;
        }
    }
}

// The matrix in that order: an invocation an entry, (entries, matrix).
@compute @workgroup_size(WORKGROUP)
fn arrange(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let matrix = group.y;
    // A NaN or an infinity is larger than any number.
    let most = key(matrix, 0u);
    var power = NOT_FINITE;
    if (is_finite(most)) {
        let top = exponent(most);
        power = select(0, TARGET - top, top > NO_EXPONENT);
    }
    let entries = P.rows * P.cols;
    for (var e = group.x * WORKGROUP + lid; e < entries; e += P.groups * WORKGROUP) {
        var value = E_ZERO;
        if (power != NOT_FINITE) {
            value = scaled_entry(entry(matrix, rows[row_at(matrix, e % P.rows)], e / P.rows), power);
        }
        if (P.transposed != 0u) {
            value = conjugate(value);
        }
        a[matrix * entries + e] = value;
    }
    if (group.x == 0u && lid == 0u) {
        for (var word = 0u; word < STATE_WORDS; word++) {
            atomicStore(&state[matrix * STATE_WORDS + word], 0u);
        }
        atomicStore(&state[matrix * STATE_WORDS + POWER], bitcast<u32>(power));
    }
}
