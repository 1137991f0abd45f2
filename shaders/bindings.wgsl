//! uses: entries_*
// What every kernel of the decomposition sees. The host puts the type T and the sizes of
// workgroup memory in front (src/shader/).

struct Params {
    rows: u32,          // m of each packed matrix, rows >= cols
    cols: u32,          // n
    u_cols: u32,        // columns of U to form
    first: u32,         // first matrix of this dispatch
    begin: u32,         // first step, round or column of this dispatch
    end: u32,           // one past the last; in rounds how many columns or blocks meet, an even number
    block: u32,         // entries an invocation sums before it adds to its total
    column_lanes: u32,  // invocations that share a column; a power of two
    max_sweeps: u32,
    tolerance: f32,     // cosine below which a pair is orthogonal
}

@group(0) @binding(0) var<uniform> P: Params;
// m x n a matrix: packed entries, then R above and reflectors below the diagonal.
@group(0) @binding(1) var<storage, read_write> a: array<E>;
// n x n a matrix: R', rotated; in the end V.
@group(0) @binding(2) var<storage, read_write> x: array<E>;
// n x n a matrix: the rotations, accumulated.
@group(0) @binding(3) var<storage, read_write> j: array<E>;
// m x u_cols a matrix.
@group(0) @binding(4) var<storage, read_write> u: array<E>;
// 2 n a matrix: squared norms of what remains of the columns, then tau; and the singular values.
@group(0) @binding(5) var<storage, read_write> values: array<T>;
// 2 n a matrix: column k of the pivoted matrix is column pivots[k] of the packed one; the second half
// is for order.wgsl.
@group(0) @binding(6) var<storage, read_write> pivots: array<u32>;
// STATE_WORDS a matrix.
@group(0) @binding(7) var<storage, read_write> state: array<atomic<u32>>;
