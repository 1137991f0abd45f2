// One matrix in workgroup memory. After the QR the rows of R, which are the columns of R', are
// rotated where they lie.

var<workgroup> wa: array<E, A_LEN>;
var<workgroup> wj: array<E, J_LEN>;
var<workgroup> wcolumn: array<T, COLS>;

fn a_load(matrix: u32, row: u32, col: u32) -> E {
    return wa[col * LEADING + row];
}

fn a_store(matrix: u32, row: u32, col: u32, value: E) {
    wa[col * LEADING + row] = value;
}

fn column_load(matrix: u32, col: u32) -> T {
    return wcolumn[col];
}

fn column_store(matrix: u32, col: u32, value: T) {
    wcolumn[col] = value;
}

// Entry r of column p of R': of row p of R.
fn x_load(matrix: u32, p: u32, r: u32) -> E {
    return wa[r * LEADING + p];
}

fn x_store(matrix: u32, p: u32, r: u32, value: E) {
    wa[r * LEADING + p] = value;
}

fn j_load(matrix: u32, p: u32, r: u32) -> E {
    return wj[r * J_LEADING + p];
}

fn j_store(matrix: u32, p: u32, r: u32, value: E) {
    wj[r * J_LEADING + p] = value;
}

// What one invocation wrote, the others see after this.
fn sync() {
    workgroupBarrier();
}
