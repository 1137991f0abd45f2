// Two blocks of columns of R', and of the rotations, in workgroup memory, one column after the other.

var<workgroup> wx: array<E, TILE_LEN>;
var<workgroup> wj: array<E, TILE_LEN>;

fn x_load(matrix: u32, p: u32, r: u32) -> E {
    return wx[p * LEADING + r];
}

fn x_store(matrix: u32, p: u32, r: u32, value: E) {
    wx[p * LEADING + r] = value;
}

fn j_load(matrix: u32, p: u32, r: u32) -> E {
    return wj[p * LEADING + r];
}

fn j_store(matrix: u32, p: u32, r: u32, value: E) {
    wj[p * LEADING + r] = value;
}
