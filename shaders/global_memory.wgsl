// Matrices in global memory.

fn a_load(matrix: u32, row: u32, col: u32) -> E {
    return a[(matrix * P.cols + col) * P.rows + row];
}

fn a_store(matrix: u32, row: u32, col: u32, value: E) {
    a[(matrix * P.cols + col) * P.rows + row] = value;
}

fn column_load(matrix: u32, col: u32) -> T {
    return values[matrix * 2u * P.cols + col];
}

fn column_store(matrix: u32, col: u32, value: T) {
    values[matrix * 2u * P.cols + col] = value;
}

// Entry r of column p of R'.
fn x_load(matrix: u32, p: u32, r: u32) -> E {
    return x[(matrix * P.cols + p) * P.cols + r];
}

fn x_store(matrix: u32, p: u32, r: u32, value: E) {
    x[(matrix * P.cols + p) * P.cols + r] = value;
}

fn j_load(matrix: u32, p: u32, r: u32) -> E {
    return j[(matrix * P.cols + p) * P.cols + r];
}

fn j_store(matrix: u32, p: u32, r: u32, value: E) {
    j[(matrix * P.cols + p) * P.cols + r] = value;
}

// What one invocation of a workgroup wrote, the others see after this.
fn sync() {
    storageBarrier();
    workgroupBarrier();
}
