//! uses: team_*, pair_*, bindings, state, numbers, team, blocks_memory, jacobi
// Sweeps of large matrices: a dispatch a round of a tournament of blocks of columns, a workgroup a pair of
// blocks, (pair, matrix). Columns of the two blocks meet in workgroup memory, so that a column travels once
// a round of blocks and not once a round of columns; the rotations are those of single columns. The last block
// may be short, and a further one empty.

var<workgroup> rotated: atomic<u32>;
var<workgroup> busy: u32;

// The column of the matrix at a place of the tile.
fn column_at(blocks: vec2<u32>, place: u32) -> u32 {
    return select(blocks.x, blocks.y, place >= WIDTH) * WIDTH + place % WIDTH;
}

@compute @workgroup_size(WORKGROUP)
fn blocks(at: Invocation) {
    let lid = at.index;
    let matrix = P.first + at.group.y;
    gather(matrix, LANES, at);
    if (!is_running(matrix, lid)) {
        return;
    }
    if (lid == 0u) {
        atomicStore(&rotated, 0u);
    }
    let pair = opponents(P.begin, at.group.x, P.end);
    for (var e = lid; e < 2u * WIDTH * COLS; e += WORKGROUP) {
        let place = e / COLS;
        let r = e % COLS;
        let c = column_at(pair, place);
        if (c < COLS) {
            x_store(0u, place, r, x[(matrix * COLS + c) * COLS + r]);
            if (P.u_cols > 0u) {
                j_store(0u, place, r, j[(matrix * COLS + c) * COLS + r]);
            }
        }
    }
    workgroupBarrier();
    // Columns of one block meet once a sweep, in its first round; those of two whenever the blocks do.
    let first_round = P.begin == 0u;
    let rounds = select(WIDTH, 2u * WIDTH - 1u, first_round);
    let teams = WORKGROUP / LANES;
    for (var round = 0u; round < rounds; round++) {
        for (var first = 0u; first < WIDTH; first += teams) {
            let own = first + lid / LANES;
            let slot = min(own, WIDTH - 1u);
            var places = vec2<u32>(slot, WIDTH + (slot + round) % WIDTH);
            if (first_round) {
                places = opponents(round, slot, 2u * WIDTH);
            }
            let there = max(column_at(pair, places.x), column_at(pair, places.y)) < COLS;
            let turned = rotate_pair(0u, places.x, places.y, own < WIDTH && there, lid);
            if (turned && lid % LANES == 0u) {
                atomicAdd(&rotated, 1u);
            }
        }
        workgroupBarrier();
    }
    if (lid == 0u) {
        busy = atomicLoad(&rotated);
        atomicAdd(&state[matrix * STATE_WORDS + ROTATED], busy);
    }
    if (workgroupUniformLoad(&busy) == 0u) {
        return;
    }
    for (var e = lid; e < 2u * WIDTH * COLS; e += WORKGROUP) {
        let place = e / COLS;
        let r = e % COLS;
        let c = column_at(pair, place);
        if (c < COLS) {
            x[(matrix * COLS + c) * COLS + r] = x_load(0u, place, r);
            if (P.u_cols > 0u) {
                j[(matrix * COLS + c) * COLS + r] = j_load(0u, place, r);
            }
        }
    }
}
