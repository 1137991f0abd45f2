//! uses: entry_bits
// What the kernels see that hold matrices in registers: matrices as the caller has them in, results as the caller gets
// them out.

struct Params {
    first: u32,       // first matrix of this dispatch
    end: u32,         // one past the last
    row_stride: u32,  // entries from a row of a matrix to the next
    col_stride: u32,
    cutoffs: u32,     // 1 where every matrix has its own cutoffs, else 0
    max_sweeps: u32,
    tolerance: f32,   // cosine below which a pair is orthogonal
    form: u32,        // the filter of a composition
    lift: i32,        // the composition of a matrix that was scaled by 2^p is scaled by 2^(lift p)
    beside: u32,      // where singular values begin that come beside weights; 0 where none do
    rhs: u32,         // right-hand sides of a matrix
    rhs_row_stride: u32, // entries from a row of them to the next
    rhs_col_stride: u32,
}

@group(0) @binding(0) var<uniform> P: Params;
// M x N a matrix, as 32-bit words.
@group(0) @binding(1) var<storage, read> input: array<u32>;
// As cutoff.wgsl says.
@group(0) @binding(2) var<storage, read> cutoffs: array<T>;
// M x U_COLS a matrix, or where the kernel forms it the composition.
@group(0) @binding(3) var<storage, read_write> u: array<UPiece>;
// N x N a matrix.
@group(0) @binding(4) var<storage, read_write> v: array<VPiece>;
// N a matrix: the singular values; the weights of a composition, scaled as the matrix was, if there
// is one, and after those of all matrices the singular values, if they are asked for.
@group(0) @binding(5) var<storage, read_write> values: array<T>;
// One a matrix where it is PACKED, else STATE_WORDS words.
@group(0) @binding(6) var<storage, read_write> state: array<vec4<u32>>;
// RIGHT_ROWS x P.rhs a matrix, as 32-bit words; only where it SOLVES.
@group(0) @binding(7) var<storage, read> rhs: array<u32>;

// What is told of a matrix.
struct Told {
    status: u32,
    sweeps: u32,
    rotations: u32,
    rank: u32,
    power: i32,
    highest: T,
    lost: u32,
}

// Tells the host, if it is PACKED (as src/gpu/state.rs), or else the kernel that composes (as state.wgsl).
fn tell(matrix: u32, told: Told) {
    let largest = size_of_sigma(told.highest);
    let power = bitcast<u32>(told.power);
    if (PACKED) {
        let flags = told.status | (told.lost << 8u) | (told.rank << 16u);
        // There is room for so many; more are told as these.
        let sweeps = min(told.sweeps, 0xffffu);
        state[matrix] = vec4<u32>(told.rotations, largest, flags, sweeps | (power << 16u));
    } else {
        state[2u * matrix] = vec4<u32>(told.status, told.sweeps, told.rotations, largest);
        state[2u * matrix + 1u] = vec4<u32>(told.rank, power, told.lost, 0u);
    }
}

fn entry_at(index: u32) -> EntryBits {
    let word = PARTS * WORDS * index;
    let last = word + (PARTS - 1u) * WORDS;
    return EntryBits(bits(input[word], input[word + WORDS - 1u]), bits(input[last], input[last + WORDS - 1u]));
}

fn rhs_at(matrix: u32, row: u32, col: u32) -> EntryBits {
    let word = PARTS * WORDS * (matrix * RIGHT_ROWS * P.rhs + row * P.rhs_row_stride + col * P.rhs_col_stride);
    let last = word + (PARTS - 1u) * WORDS;
    return EntryBits(bits(rhs[word], rhs[word + WORDS - 1u]), bits(rhs[last], rhs[last + WORDS - 1u]));
}

// The power of two that scales what has its largest exponent here.
fn scale_of(top: i32) -> i32 {
    return select(0, -top, top < NOT_FINITE && top > NO_EXPONENT);
}

// The exponent of a number, NOT_FINITE if it is not.
fn top_of(b: Bits) -> i32 {
    return select(NOT_FINITE, exponent(b), is_finite(b));
}

// The first entry of (nearly) the largest magnitude, by the caller's rows.
struct First {
    row: u32,
    entry: E,
}

const NO_ROW: u32 = 0xffffffffu;

// `limit` is NEARLY_PROMINENT times the largest prominence.
fn first_of(before: First, entry: E, row: u32, limit: T) -> First {
    // Not &&, which would branch.
    let sooner = (prominence(entry) >= limit) & (row < before.row);
    return First(select(before.row, row, sooner), select(before.entry, entry, sooner));
}
