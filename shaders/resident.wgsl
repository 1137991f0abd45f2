//! uses: numbers, team, jacobi
// Sweeps in workgroup memory, one workgroup a matrix, until one of them rotates nothing.

var<workgroup> rotated: atomic<u32>;
var<workgroup> busy: u32;

fn start_rotations(lid: u32) {
    if (lid == 0u) {
        atomicStore(&rotated, 0u);
    }
    for (var e = lid; e < J_LEN; e += WORKGROUP) {
        wj[e] = E_ZERO;
    }
    workgroupBarrier();
    for (var c = lid; c < COLS; c += WORKGROUP) {
        j_store(0u, c, c, E_ONE);
    }
    workgroupBarrier();
}

// How many pairs it rotated.
fn sweep(lid: u32) -> u32 {
    let players = COLS + COLS % 2u;
    let pairs = players / 2u;
    let teams = WORKGROUP / LANES;
    for (var round = 0u; round < players - 1u; round++) {
        for (var first = 0u; first < pairs; first += teams) {
            let pair = first + lid / LANES;
            let pq = opponents(round, min(pair, pairs - 1u), players);
            let present = pair < pairs && pq.y < COLS;
            let turned = rotate_pair(0u, pq.x, pq.y, present, lid);
            if (turned && lid % LANES == 0u) {
                atomicAdd(&rotated, 1u);
            }
        }
        workgroupBarrier();
    }
    if (lid == 0u) {
        busy = atomicExchange(&rotated, 0u);
    }
    return workgroupUniformLoad(&busy);
}

// Sweeps until the matrix is done or `P.end` sweeps are: a dispatch must end (a watchdog may kill a
// long one, and some software drivers leave long loops). The host resumes what is not done.
fn solve_in_place(matrix: u32, done: u32, lid: u32) {
    var status = select(RUNNING, CONVERGED, COLS < 2u);
    var sweeps = done;
    var rotations = 0u;
    while (status == RUNNING && sweeps < P.end) {
        sweeps += 1u;
        let turned = sweep(lid);
        rotations += turned;
        if (turned == 0u) {
            status = CONVERGED;
        } else if (sweeps >= P.max_sweeps) {
            status = CAPPED;
        }
    }
    if (lid == 0u) {
        // SCATTERED stays.
        atomicMax(&state[matrix * STATE_WORDS + STATUS], status);
        atomicStore(&state[matrix * STATE_WORDS + SWEEPS], sweeps);
        if (done > 0u) {
            rotations += atomicLoad(&state[matrix * STATE_WORDS + ROTATIONS]);
        }
        atomicStore(&state[matrix * STATE_WORDS + ROTATIONS], rotations);
    }
    if (status == RUNNING) {
        store_unfinished(matrix, lid);
    } else {
        store_factors(matrix, lid);
    }
}

fn store_unfinished(matrix: u32, lid: u32) {
    for (var e = lid; e < COLS * COLS; e += WORKGROUP) {
        let c = e / COLS;
        let r = e % COLS;
        x[matrix * COLS * COLS + e] = x_load(0u, c, r);
        j[matrix * COLS * COLS + e] = j_load(0u, c, r);
    }
}

fn load_unfinished(matrix: u32, lid: u32) {
    if (lid == 0u) {
        atomicStore(&rotated, 0u);
    }
    for (var e = lid; e < COLS * COLS; e += WORKGROUP) {
        let c = e / COLS;
        let r = e % COLS;
        x_store(0u, c, r, x[matrix * COLS * COLS + e]);
        j_store(0u, c, r, j[matrix * COLS * COLS + e]);
    }
    workgroupBarrier();
}

// Singular values, V and the rotations, to global memory.
fn store_factors(matrix: u32, lid: u32) {
    let lanes = P.column_lanes;
    let teams = WORKGROUP / lanes;
    for (var first = 0u; first < COLS; first += teams) {
        let c = first + lid / lanes;
        var squares = ZERO;
        if (c < COLS) {
            for (var r = lid % lanes; r < COLS; r += lanes) {
                squares = add_square(x_load(0u, c, r), squares);
            }
        }
        squares = team_sum(squares, lid, lanes);
        // An entry that is all of its column is its length, exactly.
        var own = ZERO;
        if (c < COLS) {
            for (var r = lid % lanes; r < COLS; r += lanes) {
                let size = larger_part(x_load(0u, c, r));
                own = select(own, size, size * size == squares);
            }
        }
        let norm = exact_length(squares, team_sum(own, lid, lanes));
        if (c < COLS) {
            let sigma = select(ZERO, norm, norm > NEGLIGIBLE);
            if (lid % lanes == 0u) {
                values[(2u * matrix + 1u) * COLS + c] = sigma;
            }
            let scale = reciprocal(select(ONE, sigma, sigma > ZERO));
            for (var r = lid % lanes; r < COLS; r += lanes) {
                x[(matrix * COLS + c) * COLS + r] = unit_entry(x_load(0u, c, r), sigma, scale);
                j[(matrix * COLS + c) * COLS + r] = j_load(0u, c, r);
            }
        }
    }
}
