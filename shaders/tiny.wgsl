// Tiny matrices, one an invocation: straight-line code over registers, from the caller's entries to
// the caller's results.
//
// The host unrolls: a line with $m stands for one a row, with $n for one a column, 0 first, with both
// for one an entry; and what is between `//$ for` and `//$ end` for every number in the range.

// Columns of A and of U; and of R' and of J.
alias Column = array<T, M>;
alias Short = array<T, N>;

// An invocation's place for a matrix whose entries are put in order, STRIDE entries: an odd number.
var<workgroup> places: array<T, WORKGROUP * STRIDE>;
// The rows in the order of their largest entries, which come first.
var<workgroup> rows: array<u32, WORKGROUP * M>;
// Of a composition: the power of two to undo, NOT_FINITE where the matrix is not, and what was found.
var<workgroup> lifts: array<i32, WORKGROUP>;
var<workgroup> found: array<atomic<u32>, WORKGROUP>;

// U, then V, then the weights, where they are composed here.
const V_AT: u32 = M * min(U_COLS, N);
const WEIGHTS_AT: u32 = V_AT + N * N;

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
    var b$n: array<Bits, M>;
    b$n[$m] = entry_at(start + $mu * P.row_stride + $nu * P.col_stride);
    var top = NO_EXPONENT;
    top = max(top, top_of(b$n[$m]));
    let finite = top < NOT_FINITE;
    let power = select(0, TARGET - top, finite && top > NO_EXPONENT);
    var a$n: Column;
    a$n[$m] = scaled(b$n[$m], power);
    a$n[$m] = select(ZERO, a$n[$m], finite);
    var largest: Column;
    largest[$m] = max(largest[$m], abs(a$n[$m]));
    //$ for m in 0..M
    {
        var rank = 0u;
        //$ for k in 0..M
        rank += select(0u, 1u, largest[$k] > largest[$m] || (largest[$k] == largest[$m] && $ku < $mu));
        //$ end
        places[own + rank * N + $nu] = a$n[$m];
        rows[slot * M + rank] = $mu;
    }
    //$ end
    a$n[$m] = places[own + $mu * N + $nu];

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
        //$ for c in k..N
        if (nothing) { clear_from_$k(&a$c); }
        //$ end
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
    j$k[$k] = ONE;
    //$ for c in k..N
    x$k[$c] = a$c[$k];
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

    // Singular values, where they come in order, and which count.
    let sigma$n = length_of(&x$n);
    var highest = ZERO;
    highest = max(highest, sigma$n);
    var squares = ZERO;
    squares = fma(sigma$n, sigma$n, squares);
    let threshold = max(threshold_of(within, power, highest), ZERO);
    let nan = cutoffs[0];
    let damping = damping_of(within, power);
    var lost = 0u;
    var rank = 0u;
    //$ for c in 0..N
    var place$c = 0u;
    {
        var tail = ZERO;
        //$ for k in 0..N
        {
            let before = sigma$k > sigma$c || (sigma$k == sigma$c && $ku < $cu);
            place$c += select(0u, 1u, before);
            let part = select(sigma$k, ZERO, before);
            tail = fma(part, part, tail);
        }
        //$ end
        let counts = sigma$c > threshold && within_limits(within, place$c, squares, tail);
        rank += select(0u, 1u, counts);
        let value = unscaled(sigma$c, -power);
        lost |= select(0u, OVERFLOWED, overflowed(value) || (counts && vanished(value)));
        let weight = weight(P.form, sigma$c, counts, damping);
        if (FUSED) {
            places[own + WEIGHTS_AT + $c] = weight;
        }
        if (present) {
            let answer = select(value, weight, COMPOSES);
            if (!FUSED) {
                values[matrix * N + place$c] = select(nan, answer, finite);
            }
            if (P.beside != 0u) {
                values[P.beside + matrix * N + place$c] = select(nan, value, finite);
            }
        }
    }
    //$ end
    if (present) {
        let words = matrix * STATE_WORDS;
        state[words + STATUS] = select(NON_FINITE, status, finite);
        state[words + SWEEPS] = sweeps;
        state[words + ROTATIONS] = rotations;
        state[words + RANK] = rank;
        state[words + LARGEST_SIGMA] = size_of_sigma(highest);
        state[words + POWER] = bitcast<u32>(power);
        // A call that composes is judged by its composition: nobody sees its singular values.
        state[words + LOST] = select(lost, 0u, COMPOSES);
    }

    // V; completed where singular values are zero, by the unit vector that the columns so far reach
    // least, less what they reach of it, twice. A composition gives such columns no weight.
    normalise(&x$n, sigma$n);
    if (WITH_V && !COMPOSES) {
        //$ for c in 0..N
        if (sigma$c <= ZERO) {
            var reached: Short;
            //$ for k in 0..N
            reached[$n] = fma(x$k[$n], x$k[$n], reached[$n]);
            //$ end
            var least = reached[0];
            least = min(least, reached[$n]);
            var e: Short;
            var open = true;
            //$ for k in 0..N
            if (open && reached[$k] == least) { e[$k] = ONE; open = false; }
            //$ end
            //$ for time in 0..2
            take_off(&x$n, &e);
            //$ end
            normalise(&e, norm_of(&e));
            x$c = e;
        }
        //$ end
    }

    // The caller's V decides the signs: its first entry of (nearly) the largest magnitude is positive.
    var flip$n = false;
    if (WITH_V && !TRANSPOSED) {
        //$ for c in 0..N
        {
            var most = ZERO;
            most = max(most, abs(x$c[$n]));
            var sign = Sign(NO_ROW, false);
            sign = signed(sign, x$c[$n], order$n, NEARLY * most);
            flip$c = sign.negative;
        }
        //$ end
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
            if (TRANSPOSED) {
                flip$c = is_negative(&column, slot);
            }
            let to = own + select(place$c, $cu, FUSED) * M;
            places[to + rows[slot * M + $mu]] = select(nan, select(column[$m], -column[$m], flip$c), finite);
        }
        //$ end
    }
    if (FUSED) {
        //$ for c in 0..N
        places[own + V_AT + $cu * N + order$n] = select(x$c[$n], -x$c[$n], flip$c);
        //$ end
        let lift = P.lift * power - 2 * damping.beyond;
        if (SOLVES) {
            // Everyone for himself.
            if (present) {
                let flags = solve(matrix, own, lift, finite);
                state[matrix * STATE_WORDS + LOST] = select(0u, flags, finite);
            }
            return;
        }
        lifts[slot] = select(NOT_FINITE, lift, finite);
        atomicStore(&found[slot], 0u);
        workgroupBarrier();
        compose(group_first, count, slot);
        workgroupBarrier();
        if (present) {
            state[matrix * STATE_WORDS + LOST] = atomicLoad(&found[slot]);
        }
        return;
    }
    if (U_COLS > 0u) {
        deliver_u(group_first, count, slot, 0u, min(U_COLS, N));
        for (var c = N; c < U_COLS; c++) {
            var column: Column;
            column[$m] = select(ZERO, ONE, c == $mu);
            //$ for k in rev 0..N
            reflect_$k(&a$k, tau$k, &column);
            //$ end
            let flip = TRANSPOSED && is_negative(&column, slot);
            places[own + rows[slot * M + $mu]] = select(nan, select(column[$m], -column[$m], flip), finite);
            deliver_u(group_first, count, slot, c, 1u);
        }
    }
    if (WITH_V) {
        //$ for c in 0..N
        places[own + place$c * N + order$n] = select(nan, select(x$c[$n], -x$c[$n], flip$c), finite);
        //$ end
        workgroupBarrier();
        for (var e = slot; e < count * (N * N); e += WORKGROUP) {
            v[group_first * (N * N) + e] = places[place_of(e, N * N)];
        }
    }
}

// So many columns of U, which have been put into the places.
fn deliver_u(group_first: u32, count: u32, slot: u32, first: u32, columns: u32) {
    workgroupBarrier();
    let size = M * columns;
    for (var e = slot; e < count * size; e += WORKGROUP) {
        u[(group_first + e / size) * (M * U_COLS) + first * M + e % size] = places[place_of(e, size)];
    }
    workgroupBarrier();
}

// Whether the first entry of (nearly) the largest magnitude of a column of U is.
fn is_negative(column: ptr<function, Column>, slot: u32) -> bool {
    var most = ZERO;
    most = max(most, abs((*column)[$m]));
    var sign = Sign(NO_ROW, false);
    sign = signed(sign, (*column)[$m], rows[slot * M + $mu], NEARLY * most);
    return sign.negative;
}

// Where an entry of all matrices' results is, of so many a matrix.
fn place_of(entry: u32, size: u32) -> u32 {
    return entry / size * STRIDE + entry % size;
}

// left diag(weights) right' of all matrices, an entry at a time.
fn compose(group_first: u32, count: u32, slot: u32) {
    let size = LEFT_ROWS * RIGHT_ROWS;
    for (var e = slot; e < count * size; e += WORKGROUP) {
        let at = e / size * STRIDE;
        let l = at + LEFT + e % size % LEFT_ROWS;
        let r = at + RIGHT + e % size / LEFT_ROWS;
        var total = ZERO;
        total = fma(places[l + $nu * LEFT_ROWS] * places[at + WEIGHTS_AT + $n], places[r + $nu * RIGHT_ROWS], total);
        let lift = lifts[e / size];
        let entry = lifted(total, lift);
        let finite = lift != NOT_FINITE;
        if (finite) {
            atomicOr(&found[e / size], entry.found);
        }
        u[group_first * size + e] = select(cutoffs[0], entry.value, finite);
    }
}

// left diag(weights) right' B of one matrix; tells what was found.
fn solve(matrix: u32, own: u32, lift: i32, finite: bool) -> u32 {
    var flags = 0u;
    for (var c = 0u; c < P.rhs; c++) {
        // Every right-hand side has a scale of its own.
        var top = NO_EXPONENT;
        for (var i = 0u; i < RIGHT_ROWS; i++) {
            top = max(top, top_of(rhs_at(matrix, i, c)));
        }
        let sound = top < NOT_FINITE;
        let power = scale_of(top);
        var projected: Short;
        for (var i = 0u; i < RIGHT_ROWS; i++) {
            let b = scaled(rhs_at(matrix, i, c), power);
            projected[$n] = fma(b, places[own + RIGHT + $nu * RIGHT_ROWS + i], projected[$n]);
        }
        projected[$n] *= places[own + WEIGHTS_AT + $n];
        for (var i = 0u; i < LEFT_ROWS; i++) {
            var total = ZERO;
            total = fma(places[own + LEFT + $nu * LEFT_ROWS + i], projected[$n], total);
            let entry = lifted(total, lift - power);
            flags |= select(UNSOUND, entry.found, sound);
            u[(matrix * P.rhs + c) * LEFT_ROWS + i] = select(cutoffs[0], entry.value, finite && sound);
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
    sum = fma((*a)[$m], (*a)[$m], sum);
    //$ end
    return sum;
}

fn clear_from_$k(a: ptr<function, Column>) {
    //$ for m in k..M
    (*a)[$m] = ZERO;
    //$ end
}

// Makes an entry of R and a reflector of a column, and gives its factor.
fn reflector_$k(a: ptr<function, Column>) -> T {
    let alpha = (*a)[$k];
    var below = ZERO;
    //$ for m in k+1..M
    below = fma((*a)[$m], (*a)[$m], below);
    //$ end
    if (below <= ZERO) {
        //$ for m in k+1..M
        (*a)[$m] = ZERO;
        //$ end
        return ZERO;
    }
    let length = root(fma(alpha, alpha, below));
    let beta = select(length, -length, alpha > ZERO);
    let scale = reciprocal(alpha - beta);
    var norm = ONE;
    //$ for m in k+1..M
    (*a)[$m] *= scale;
    norm = fma((*a)[$m], (*a)[$m], norm);
    //$ end
    (*a)[$k] = beta;
    return TWO * reciprocal(norm);
}

fn reflect_$k(v: ptr<function, Column>, tau: T, a: ptr<function, Column>) {
    var sum = (*a)[$k];
    //$ for m in k+1..M
    sum = fma((*v)[$m], (*a)[$m], sum);
    //$ end
    let weight = tau * sum;
    (*a)[$k] -= weight;
    //$ for m in k+1..M
    (*a)[$m] = fma(-weight, (*v)[$m], (*a)[$m]);
    //$ end
}

//$ end
// Rotates a pair of columns of R', and of J, unless they are orthogonal.
fn turn(xp: ptr<function, Short>, xq: ptr<function, Short>, jp: ptr<function, Short>, jq: ptr<function, Short>) -> u32 {
    var pp = ZERO;
    var qq = ZERO;
    var pq = ZERO;
    pp = fma((*xp)[$n], (*xp)[$n], pp);
    qq = fma((*xq)[$n], (*xq)[$n], qq);
    pq = fma((*xp)[$n], (*xq)[$n], pq);
    var terms = ZERO;
    terms = fma(abs((*xp)[$n]), abs((*xq)[$n]), terms);
    let r = rotation(pp, qq, pq, terms);
    if (!r.needed) {
        return 0u;
    }
    // Rutishauser's form, which does not drift.
    { let p = (*xp)[$n]; let q = (*xq)[$n]; (*xp)[$n] = fma(-r.s, fma(r.tau, p, q), p); (*xq)[$n] = fma(r.s, fma(-r.tau, q, p), q); }
    if (U_COLS > 0u) {
        { let p = (*jp)[$n]; let q = (*jq)[$n]; (*jp)[$n] = fma(-r.s, fma(r.tau, p, q), p); (*jq)[$n] = fma(r.s, fma(-r.tau, q, p), q); }
    }
    return 1u;
}

fn norm_of(x: ptr<function, Short>) -> T {
    var sum = ZERO;
    sum = fma((*x)[$n], (*x)[$n], sum);
    var most = ZERO;
    most = max(most, abs((*x)[$n]));
    return exact_length(sum, most);
}

// A singular value.
fn length_of(x: ptr<function, Short>) -> T {
    let norm = norm_of(x);
    return select(ZERO, norm, norm > NEGLIGIBLE);
}

// Makes a unit vector of one of this length; of zero, zero.
fn normalise(x: ptr<function, Short>, length: T) {
    let inverse = reciprocal(select(ONE, length, length > ZERO));
    (*x)[$n] = select(ZERO, unit((*x)[$n], length, inverse), length > ZERO);
}

// Takes off e what x reaches of it.
fn take_off(x: ptr<function, Short>, e: ptr<function, Short>) {
    var reached = ZERO;
    reached = fma((*x)[$n], (*e)[$n], reached);
    (*e)[$n] = fma(-reached, (*x)[$n], (*e)[$n]);
}
