//! uses: bits_*, lift, self, registers, state, numbers, rotation, cutoff, filter
// Tiny matrices, one an invocation: straight-line code over registers, from the caller's entries to
// the caller's results.
//
// The host unrolls: a line with $m stands for one a row, with $n for one a column, 0 first, with both
// for one an entry; and what is between `//$ for` and `//$ end` for every number in the range.

// Columns of A and of U; and of R' and of J.
alias Column = array<E, M>;
alias Short = array<E, N>;
// A real number a column.
alias Reals = array<T, N>;

// An invocation's place for a matrix whose entries are put in order: STRIDE entries.
var<workgroup> places: array<E, WORKGROUP * STRIDE>;
// The rows in the order of their largest entries, which come first.
var<workgroup> rows: array<u32, WORKGROUP * M>;
// Of a composition: the power of two to undo, NOT_FINITE where the matrix is not, and what was found.
var<workgroup> lifts: array<i32, WORKGROUP>;
var<workgroup> found: array<atomic<u32>, WORKGROUP>;

// What is written at once of U and of V of a matrix.
const U_PIECES: u32 = max(M * min(U_COLS, N) / U_WIDE, 1u);
const V_PIECES: u32 = N * N / V_WIDE;
// Below it, subnormal numbers are not small beside the largest entry.
const LEAST_PLAIN: i32 = LEAST + TARGET - NEGLIGIBLE_EXPONENT;

// U, then V, then the weights, where they are composed here.
const V_AT: u32 = M * min(U_COLS, N);
const WEIGHTS_AT: u32 = V_AT + select(0u, N * N, WITH_V);
// Whether V decides the signs: the first entry of (nearly) the largest magnitude is real and positive. Of a
// composition nobody sees it.
const SIGNS_BY_V: bool = WITH_V && !SIGNS_BY_U && !FUSED;

@compute @workgroup_size(WORKGROUP)
fn tiny(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) slot: u32) {
    let group_first = P.first + group.x * WORKGROUP;
    let matrix = group_first + slot;
    let present = matrix < P.end;
    // Those without a matrix look at the last one's entries, and keep their results.
    let within = min(matrix, P.end - 1u);
    let own = slot * STRIDE;

    // Intake: finite, scaled by a power of two, rows by largest entry, equal ones in the caller's
    // order. A matrix that is not finite is zero from here on.
    let start = within * (M * N);
    var b$n: array<EntryBits, M>;
    b$n[$m] = entry_at(start + $mu * P.row_stride + $nu * P.col_stride);
    var size = Bits();
    size = larger_size(size, larger_bits(b$n[$m]));
    let top = top_of(size);
    let finite = top < NOT_FINITE;
    let power = select(0, TARGET - top, finite && top > NO_EXPONENT);
    let factor = power_of_two(clamp(power, LEAST, MOST));
    var a$n: Column;
    a$n[$m] = scaled_entry_plain(b$n[$m], power, factor);
    // What is not finite, or so small that subnormal numbers count.
    if (!finite || top <= LEAST_PLAIN) {
        scale_entries(start, own, power, finite);
        a$n[$m] = places[own + $mu * N + $nu];
    }
    if (TRANSPOSED) {
        a$n[$m] = conjugate(a$n[$m]);
    }
    var largest: array<T, M>;
    largest[$m] = max(largest[$m], larger_part(a$n[$m]));
    var rank_of: array<u32, M>;
    //$ for m in 0..M
    //$ for k in m+1..M
    {
        let later = largest[$k] > largest[$m];
        rank_of[$m] += select(0u, 1u, later);
        rank_of[$k] += select(1u, 0u, later);
    }
    //$ end
    //$ end
    //$ for m in 0..M
    {
        let to = own + rank_of[$m] * N;
        places[to + $nu] = a$n[$m];
        rows[slot * M + rank_of[$m]] = $mu;
    }
    //$ end
    a$n[$m] = places[own + $mu * N + $nu];
    let row$m = rows[slot * M + $mu];

    // QR with column pivoting: `order` is where the caller has a column. Rows up to a column's own hold
    // R, those below the reflector.
    var order$n = $nu;
    var tau$n = ZERO;
    //$ for k in 0..N
    {
        var best = -ONE;
        var pivot = $ku;
        //$ for c in k..N
        { let norm = square_from_$k(&a$c); if (norm > best) { best = norm; pivot = $cu; } }
        //$ end
        //$ for c in k+1..N
        {
            let chosen = pivot == $cu;
            swap(chosen, &a$k, &a$c);
            let before = order$k;
            order$k = select(before, order$c, chosen);
            order$c = select(order$c, before, chosen);
        }
        //$ end
        // What remains is nothing: the rest of R is zero, and the rest of the reflectors do nothing.
        let nothing = best <= NEGLIGIBLE_SQUARE;
        if (nothing) {
            //$ for c in k..N
            clear_from_$k(&a$c);
            //$ end
        }
        tau$k = reflector_$k(&a$k);
        //$ for c in k+1..N
        reflect_$k(&a$k, tau$k, &a$c);
        //$ end
    }
    //$ end

    // Columns of R', and of J.
    var x$n: Short;
    var j$n: Short;
    //$ for k in 0..N
    j$k[$k] = E_ONE;
    //$ for c in k..N
    x$k[$c] = conjugate(a$c[$k]);
    //$ end
    //$ end

    var status = CONVERGED;
    var sweeps = 0u;
    var rotations = 0u;
    if (N > 1u) {
        loop {
            var count = 0u;
            //$ for p in 0..N
            //$ for q in p+1..N
            count += turn(&x$p, &x$q, &j$p, &j$q);
            //$ end
            //$ end
            sweeps += 1u;
            rotations += count;
            if (count == 0u) {
                break;
            }
            if (sweeps >= P.max_sweeps) {
                status = CAPPED;
                break;
            }
        }
    }

    // Signs, singular values, and where these come in order.
    var straight$n = straight_of(E_ONE);
    var leading$n = NO_ROW;
    //$ for c in 0..N
    let most$c = largest_of(&x$c);
    if (SIGNS_BY_V) {
        let limit = NEARLY_PROMINENT * most_prominent(&x$c);
        var first = First(NO_ROW, E_ZERO);
        first = first_of(first, x$c[$n], order$n, limit);
        straight$c = straight_of(first.entry);
        leading$c = first.row;
    }
    //$ end
    let sigma$n = length_of(&x$n, most$n);
    var highest = ZERO;
    highest = max(highest, sigma$n);
    var place$n = 0u;
    //$ for c in 0..N
    //$ for k in c+1..N
    {
        let later = sigma$k > sigma$c;
        place$c += select(0u, 1u, later);
        place$k += select(1u, 0u, later);
    }
    //$ end
    //$ end

    // V, of unit vectors.
    if (WITH_V) {
        var usual = true;
        usual = usual & (sigma$n > ZERO) & (most$n < sigma$n);
        if (usual) {
            //$ for c in 0..N
            { let scale = reciprocal(sigma$c); x$c[$n] = straightened_times(x$c[$n], scale, straight$c, order$n == leading$c); }
            //$ end
        } else {
            //$ for c in 0..N
            places[own + $cu * N + $nu] = x$c[$n];
            //$ end
            rows[slot * M + $nu] = order$n;
            mend(own);
            //$ for c in 0..N
            x$c[$n] = places[own + $cu * N + $nu];
            if (SIGNS_BY_V) {
                straight$c = straighten_mended(&x$c, slot);
            }
            //$ end
        }
    }

    // U = Q J, and beyond n the further columns of Q. Results leave by the way of the places, for whole
    // lines of memory to be written at once.
    let count = min(P.end - group_first, WORKGROUP);
    if (U_COLS > 0u) {
        //$ for c in 0..W
        {
            var column: Column;
            column[$n] = j$c[$n];
            //$ for k in rev 0..N
            reflect_$k(&a$k, tau$k, &column);
            //$ end
            var leads = NO_ROW;
            if (SIGNS_BY_U && !FUSED) {
                let limit = NEARLY_PROMINENT * most_of(&column);
                var first = First(NO_ROW, E_ZERO);
                first = first_of(first, column[$m], row$m, limit);
                straight$c = straight_of(first.entry);
                leads = first.row;
            }
            let to = own + select(place$c, $cu, FUSED) * M;
            places[to + row$m] = straightened(column[$m], straight$c, row$m == leads);
        }
        //$ end
    }
    if (FUSED && WITH_V) {
        //$ for c in 0..N
        places[own + V_AT + $cu * N + order$n] = x$c[$n];
        //$ end
    }

    // Which singular values count, and what the caller gets of them.
    let threshold = max(threshold_of(within, power, highest), ZERO);
    let limits = limits_of(within);
    var tail: Reals;
    var squares = ZERO;
    if (limits.share >= ZERO) {
        var sigma: Reals;
        sigma[$n] = sigma$n;
        squares = fma(sigma$n, sigma$n, squares);
        tail = tails(&sigma);
    }
    var rank = 0u;
    //$ for c in 0..N
    let counts$c = sigma$c > threshold && within_limits(limits, place$c, squares, tail[$c]);
    rank += select(0u, 1u, counts$c);
    //$ end
    let nan = cutoffs[0];
    let back = power_of_two(clamp(-power, LEAST, MOST));
    var value$n = sigma$n * back;
    var lost = 0u;
    if (!finite || !fits(-power)) {
        value$n = unscaled(sigma$n, -power);
        lost |= select(0u, OVERFLOWED, overflowed(value$n) || (counts$n && vanished(value$n)));
        value$n = select(nan, value$n, finite);
    }
    let first_value = matrix * N;
    let damping = damping_of(within, power);
    var answer$n = value$n;
    if (COMPOSES) {
        answer$n = weight(P.form, sigma$n, counts$n, damping);
    }
    if (FUSED) {
        places[own + WEIGHTS_AT + $n] = entry_of(answer$n, ZERO);
    }
    if (present) {
        if (!FUSED) {
            values[first_value + place$n] = select(nan, answer$n, finite || !COMPOSES);
        }
        if (P.beside != 0u) {
            values[P.beside + first_value + place$n] = value$n;
        }
    }
    // A call that composes is judged by its composition: nobody sees its singular values.
    var told = Told(status, sweeps, rotations, rank, power, highest, select(lost, 0u, COMPOSES));
    told.status = select(NON_FINITE, status, finite);
    if (present && !FUSED) {
        tell(matrix, told);
    }

    if (FUSED) {
        let lift = P.lift * power - 2 * damping.beyond;
        if (SOLVES) {
            // Everyone for himself.
            if (present) {
                let flags = solve(matrix, own, lift, finite);
                told.lost = select(0u, flags, finite);
                tell(matrix, told);
            }
            return;
        }
        lifts[slot] = select(NOT_FINITE, lift, finite);
        atomicStore(&found[slot], 0u);
        workgroupBarrier();
        compose(group_first, count, slot);
        workgroupBarrier();
        if (present) {
            told.lost = atomicLoad(&found[slot]);
            tell(matrix, told);
        }
        return;
    }
    if (U_COLS > N) {
        if (!finite) {
            spoil(own, M * N);
        }
        deliver_columns(group_first, count, slot, 0u, N);
        for (var c = N; c < U_COLS; c++) {
            var column: Column;
            column[$m] = select(E_ZERO, E_ONE, c == $mu);
            //$ for k in rev 0..N
            reflect_$k(&a$k, tau$k, &column);
            //$ end
            var straight = straight_of(E_ONE);
            var leads = NO_ROW;
            if (SIGNS_BY_U) {
                let limit = NEARLY_PROMINENT * most_of(&column);
                var first = First(NO_ROW, E_ZERO);
                first = first_of(first, column[$m], row$m, limit);
                straight = straight_of(first.entry);
                leads = first.row;
            }
            places[own + row$m] = straightened(column[$m], straight, row$m == leads);
            if (!finite) {
                spoil(own, M);
            }
            deliver_columns(group_first, count, slot, c, 1u);
        }
    } else if (U_COLS > 0u) {
        if (!finite) {
            spoil(own, M * N);
        }
        workgroupBarrier();
        deliver_u(group_first, count, slot);
    }
    if (WITH_V) {
        let own_v = slot * V_STRIDE;
        // Others may still be reading what is there.
        workgroupBarrier();
        //$ for c in 0..N
        if (SIGNS_BY_U) { x$c[$n] = straightened(x$c[$n], straight$c, false); }
        { let to = own_v + place$c * N; places[to + order$n] = x$c[$n]; }
        //$ end
        if (!finite) {
            spoil(own_v, N * N);
        }
        workgroupBarrier();
        deliver_v(group_first, count, slot);
    }
}

// The entries of one matrix, in any case, into its places: row by row.
fn scale_entries(start: u32, own: u32, power: i32, finite: bool) {
    for (var m = 0u; m < M; m++) {
        for (var n = 0u; n < N; n++) {
            let entry = scaled_entry(entry_at(start + m * P.row_stride + n * P.col_stride), power);
            places[own + m * N + n] = select(E_ZERO, entry, finite);
        }
    }
}

// Makes results of a matrix NaN.
fn spoil(own: u32, count: u32) {
    for (var i = 0u; i < count; i++) {
        places[own + i] = entry_of(cutoffs[0], cutoffs[0]);
    }
}

// Whether singular values that are not zero are normal numbers times 2^power.
fn fits(power: i32) -> bool {
    return power >= LEAST - NEGLIGIBLE_EXPONENT && power <= MOST - TARGET - 16;
}

// Of each singular value: the sum of its square and of those behind it.
fn tails(sigma: ptr<function, Reals>) -> Reals {
    var tail: Reals;
    //$ for c in 0..N
    //$ for k in 0..N
    {
        let before = (*sigma)[$k] > (*sigma)[$c] || ((*sigma)[$k] == (*sigma)[$c] && $ku < $cu);
        let behind = select((*sigma)[$k], ZERO, before);
        tail[$c] = fma(behind, behind, tail[$c]);
    }
    //$ end
    //$ end
    return tail;
}

// V where not every column is an ordinary one, in its places.
//
// Where singular values are zero it is completed by the unit vector that the columns so far reach least, less what
// they reach of it, twice. A composition gives such columns no weight.
fn mend(own: u32) {
    var missing = 0u;
    for (var c = 0u; c < N; c++) {
        var x: Short;
        x[$n] = places[own + c * N + $nu];
        let length = length_of(&x, largest_of(&x));
        normalise(&x, length);
        places[own + c * N + $nu] = x[$n];
        missing |= select(0u, 1u << c, length <= ZERO);
    }
    if (missing != 0u && !COMPOSES) {
        for (var c = 0u; c < N; c++) {
            if (((missing >> c) & 1u) != 0u) {
                complete(own, c);
            }
        }
    }
}

// Turns a column of V that was mended; `rows` has the order of its rows.
fn straighten_mended(x: ptr<function, Short>, slot: u32) -> Straight {
    let limit = NEARLY_PROMINENT * most_prominent(x);
    var first = First(NO_ROW, E_ZERO);
    first = first_of(first, (*x)[$n], rows[slot * M + $nu], limit);
    let straight = straight_of(first.entry);
    (*x)[$n] = straightened((*x)[$n], straight, rows[slot * M + $nu] == first.row);
    return straight;
}

// Column `missing` of V, which is zero.
fn complete(own: u32, missing: u32) {
    var reached: Reals;
    for (var c = 0u; c < N; c++) {
        var x: Short;
        x[$n] = places[own + c * N + $nu];
        reached[$n] = add_square(x[$n], reached[$n]);
    }
    var least = reached[0];
    least = min(least, reached[$n]);
    var e: Short;
    var open = true;
    if (open && reached[$n] == least) { e[$n] = E_ONE; open = false; }
    for (var time = 0u; time < 2u; time++) {
        for (var c = 0u; c < N; c++) {
            var x: Short;
            x[$n] = places[own + c * N + $nu];
            take_off(&x, &e);
        }
    }
    normalise(&e, norm_of(&e, largest_of(&e)));
    places[own + missing * N + $nu] = e[$n];
}

// A piece of all those of a factor: its number, which one of its matrix' it is, and where it lies in the places. The place
// walks along with the number, so that nothing is divided by what is not a constant.
struct Piece {
    number: u32,
    part: u32,
    at: u32,
}

// An invocation's first one; of `pieces` of `wide` entries a matrix, whose places are `stride` apart.
fn first_piece(slot: u32, pieces: u32, wide: u32, stride: u32) -> Piece {
    let part = slot % pieces;
    return Piece(slot, part, slot / pieces * stride + part * wide);
}

// The next one, as many on as there are invocations: neighbours write neighbouring pieces.
fn next_piece(before: Piece, pieces: u32, wide: u32, stride: u32) -> Piece {
    var piece = before;
    piece.number += WORKGROUP;
    piece.part += WORKGROUP % pieces;
    piece.at += WORKGROUP / pieces * stride + WORKGROUP % pieces * wide;
    if (piece.part >= pieces) {
        piece.part -= pieces;
        piece.at += stride - pieces * wide;
    }
    return piece;
}

// U of all matrices, from the places.
fn deliver_u(group_first: u32, count: u32, slot: u32) {
    var piece = first_piece(slot, U_PIECES, U_WIDE, STRIDE);
    for (var i = 0u; i < U_PIECES; i++) {
        if (piece.number < count * U_PIECES) {
            u[group_first * U_PIECES + piece.number] = u_piece(piece.at);
        }
        piece = next_piece(piece, U_PIECES, U_WIDE, STRIDE);
    }
}

// V likewise.
fn deliver_v(group_first: u32, count: u32, slot: u32) {
    var piece = first_piece(slot, V_PIECES, V_WIDE, V_STRIDE);
    for (var i = 0u; i < V_PIECES; i++) {
        if (piece.number < count * V_PIECES) {
            v[group_first * V_PIECES + piece.number] = v_piece(piece.at);
        }
        piece = next_piece(piece, V_PIECES, V_WIDE, V_STRIDE);
    }
}

// So many columns of full U, which have been put into the places.
fn deliver_columns(group_first: u32, count: u32, slot: u32, first: u32, columns: u32) {
    workgroupBarrier();
    let size = M * columns;
    for (var e = slot; e < count * size; e += WORKGROUP) {
        let to = (group_first + e / size) * (M * U_COLS) + first * M + e % size;
        u[to] = UPiece(places[e / size * STRIDE + e % size]);
    }
    workgroupBarrier();
}

// The largest prominence.
fn most_of(column: ptr<function, Column>) -> T {
    var most = ZERO;
    most = max(most, prominence((*column)[$m]));
    return most;
}

// left diag(weights) right' of all matrices, an entry at a time.
fn compose(group_first: u32, count: u32, slot: u32) {
    let size = LEFT_ROWS * RIGHT_ROWS;
    for (var e = slot; e < count * size; e += WORKGROUP) {
        let at = e / size * STRIDE;
        let l = at + LEFT + e % size % LEFT_ROWS;
        let r = at + RIGHT + e % size / LEFT_ROWS;
        var total = E_ZERO;
        total = add_product(places[l + $nu * LEFT_ROWS] * part(places[at + WEIGHTS_AT + $n], 0u), conjugate(places[r + $nu * RIGHT_ROWS]), total);
        let lift = lifts[e / size];
        let entry = lifted_entry(total, lift);
        let finite = lift != NOT_FINITE;
        if (finite) {
            atomicOr(&found[e / size], entry.found);
        }
        u[group_first * size + e] = UPiece(select(entry_of(cutoffs[0], cutoffs[0]), entry.value, finite));
    }
}

// left diag(weights) right' B of one matrix; tells what was found.
fn solve(matrix: u32, own: u32, lift: i32, finite: bool) -> u32 {
    var flags = 0u;
    for (var c = 0u; c < P.rhs; c++) {
        // Every right-hand side has a scale of its own.
        var top = NO_EXPONENT;
        for (var i = 0u; i < RIGHT_ROWS; i++) {
            top = max(top, top_of(larger_bits(rhs_at(matrix, i, c))));
        }
        let sound = top < NOT_FINITE;
        let power = scale_of(top);
        var projected: Short;
        for (var i = 0u; i < RIGHT_ROWS; i++) {
            let b = scaled_entry(rhs_at(matrix, i, c), power);
            projected[$n] = add_inner(places[own + RIGHT + $nu * RIGHT_ROWS + i], b, projected[$n]);
        }
        projected[$n] *= part(places[own + WEIGHTS_AT + $n], 0u);
        for (var i = 0u; i < LEFT_ROWS; i++) {
            var total = E_ZERO;
            total = add_product(places[own + LEFT + $nu * LEFT_ROWS + i], projected[$n], total);
            let entry = lifted_entry(total, lift - power);
            flags |= select(UNSOUND, entry.found, sound);
            u[(matrix * P.rhs + c) * LEFT_ROWS + i] = UPiece(select(entry_of(cutoffs[0], cutoffs[0]), entry.value, finite && sound));
        }
    }
    return flags;
}

fn swap(chosen: bool, one: ptr<function, Column>, other: ptr<function, Column>) {
    let before = *one;
    (*one)[$m] = select(before[$m], (*other)[$m], chosen);
    (*other)[$m] = select((*other)[$m], before[$m], chosen);
}

//$ for k in 0..N
fn square_from_$k(a: ptr<function, Column>) -> T {
    var sum = ZERO;
    //$ for m in k..M
    sum = add_square((*a)[$m], sum);
    //$ end
    return sum;
}

fn clear_from_$k(a: ptr<function, Column>) {
    //$ for m in k..M
    (*a)[$m] = E_ZERO;
    //$ end
}

// Makes an entry of R and a reflector of a column, and gives its factor.
fn reflector_$k(a: ptr<function, Column>) -> T {
    let alpha = (*a)[$k];
    var below = ZERO;
    //$ for m in k+1..M
    below = add_square((*a)[$m], below);
    //$ end
    if (below <= ZERO) {
        //$ for m in k+1..M
        (*a)[$m] = E_ZERO;
        //$ end
        return ZERO;
    }
    let length = root(add_square(alpha, below));
    let beta = away(alpha, length);
    let scale = inverse(alpha - beta);
    var norm = ONE;
    //$ for m in k+1..M
    (*a)[$m] = product((*a)[$m], scale);
    norm = add_square((*a)[$m], norm);
    //$ end
    (*a)[$k] = beta;
    return TWO * reciprocal(norm);
}

fn reflect_$k(v: ptr<function, Column>, tau: T, a: ptr<function, Column>) {
    var sum = (*a)[$k];
    //$ for m in k+1..M
    sum = add_inner((*v)[$m], (*a)[$m], sum);
    //$ end
    let weight = tau * sum;
    (*a)[$k] -= weight;
    //$ for m in k+1..M
    (*a)[$m] = add_product(-weight, (*v)[$m], (*a)[$m]);
    //$ end
}

//$ end
// Rotates a pair of columns of R', and of J, unless they are orthogonal.
fn turn(xp: ptr<function, Short>, xq: ptr<function, Short>, jp: ptr<function, Short>, jq: ptr<function, Short>) -> u32 {
    var pp = ZERO;
    var qq = ZERO;
    var pq = E_ZERO;
    pp = add_square((*xp)[$n], pp);
    qq = add_square((*xq)[$n], qq);
    pq = add_inner((*xp)[$n], (*xq)[$n], pq);
    var terms = ZERO;
    terms = add_terms((*xp)[$n], (*xq)[$n], terms);
    let along = polar(pq);
    if (!is_oblique(pp, qq, along.size, terms)) {
        return 0u;
    }
    let r = rotation(pp, qq, along.size);
    let back = conjugate(along.phase);
    { let p = (*xp)[$n]; let q = (*xq)[$n]; (*xp)[$n] = turned_own(r.s, r.tau, along.phase, p, q); (*xq)[$n] = turned_own(-r.s, -r.tau, back, q, p); }
    if (U_COLS > 0u) {
        { let p = (*jp)[$n]; let q = (*jq)[$n]; (*jp)[$n] = turned_own(r.s, r.tau, along.phase, p, q); (*jq)[$n] = turned_own(-r.s, -r.tau, back, q, p); }
    }
    return 1u;
}

// The size of the largest part.
fn largest_of(x: ptr<function, Short>) -> T {
    var most = ZERO;
    most = max(most, larger_part((*x)[$n]));
    return most;
}

// The largest prominence.
fn most_prominent(x: ptr<function, Short>) -> T {
    var most = ZERO;
    most = max(most, prominence((*x)[$n]));
    return most;
}

// Of a column whose largest part is this.
fn norm_of(x: ptr<function, Short>, most: T) -> T {
    var sum = ZERO;
    sum = add_square((*x)[$n], sum);
    return exact_length(sum, most);
}

// A singular value.
fn length_of(x: ptr<function, Short>, most: T) -> T {
    let norm = norm_of(x, most);
    return select(ZERO, norm, norm > NEGLIGIBLE);
}

// Makes a unit vector of one of this length; of zero, zero.
fn normalise(x: ptr<function, Short>, length: T) {
    let inverse = reciprocal(select(ONE, length, length > ZERO));
    (*x)[$n] = select(E_ZERO, unit_entry((*x)[$n], length, inverse), length > ZERO);
}

// Takes off e what x reaches of it.
fn take_off(x: ptr<function, Short>, e: ptr<function, Short>) {
    var reached = E_ZERO;
    reached = add_inner((*x)[$n], (*e)[$n], reached);
    (*e)[$n] = add_product(-reached, (*x)[$n], (*e)[$n]);
}
