//! uses: bits_*, lift, self, exchange_*, registers, state, numbers, rotation, cutoff, filter
// Small matrices, a column a lane, from the caller's entries to the caller's results: LANES
// neighbouring invocations hold a matrix in their registers, and give each other columns by
// exchange_subgroup or exchange_workgroup.
//
// The host unrolls: a line with $m stands for one a row, with $n for one a column, 0 first; $4 is
// the number modulo 4, for partial sums.

const TEAMS: u32 = WORKGROUP / LANES;
const UNCHOSEN: u32 = 0xffffffffu;

// The columns on their way to other lanes, entry by entry: each has its place.
var<workgroup> places: array<E, PLACES>;
// The lane whose column was the k-th pivot, for each team.
var<workgroup> holders: array<u32, WORKGROUP>;
// A column of each team: the largest entries of rows first, real numbers; then columns of V on their way.
var<workgroup> column: array<E, TEAMS * M>;
// The rows in the order of their largest entries, for each team.
var<workgroup> rows: array<u32, TEAMS * M>;
var<workgroup> tops: array<i32, WORKGROUP>;
var<workgroup> shares: array<E, WORKGROUP>;
// OVERFLOWED, or ASTRAY where lanes are not in line, for each team.
const ASTRAY: u32 = 2u;
var<workgroup> lost: array<atomic<u32>, TEAMS>;
// Singular values that count.
var<workgroup> kept: array<atomic<u32>, TEAMS>;
// Rotations of the sweep under way, for each team.
var<workgroup> turned: array<atomic<u32>, TEAMS>;
var<workgroup> busy: atomic<u32>;
var<workgroup> any_busy: u32;

// A column of a team: the square of what is left of it, and its lane.
struct Candidate {
    norm: T,
    lane: u32,
}

fn total(s0: T, s1: T, s2: T, s3: T) -> T {
    return (s0 + s2) + (s1 + s3);
}

fn total_entry(z0: E, z1: E, z2: E, z3: E) -> E {
    return (z0 + z2) + (z1 + z3);
}

@compute @workgroup_size(WORKGROUP)
fn columns(at: Invocation) {
    let slot = at.index;
    let lane = slot % LANES;
    let team = slot / LANES;
    let first = slot - lane;
    // Where this team's first lane is, as fetch() counts.
    let base = own_place(at) - lane;
    let matrix = P.first + at.group.x * TEAMS + team;
    let present = matrix < P.end && lane < N;
    let astray = !in_line(at, lane);
    holders[slot] = 0u;

    var s0 = ZERO;
    var s1 = ZERO;
    var s2 = ZERO;
    var s3 = ZERO;
    var z0 = E_ZERO;
    var z1 = E_ZERO;
    var z2 = E_ZERO;
    var z3 = E_ZERO;

    // Intake: finite, scaled by a power of two, rows by largest entry, equal ones in the caller's
    // order. A matrix that is not finite is zero from here on.
    let start = matrix * (M * N) + lane * P.col_stride;
    let step = P.row_stride;
    var top = NO_EXPONENT;
    if (present) {
        for (var i = 0u; i < M; i++) {
            top = max(top, top_of(larger_bits(entry_at(start + i * step))));
        }
    }
    tops[slot] = top;
    if (lane == 0u) {
        atomicStore(&lost[team], 0u);
        atomicStore(&kept[team], 0u);
    }
    workgroupBarrier();
    for (var l = 0u; l < N; l++) {
        top = max(top, tops[first + l]);
    }
    let finite = top < NOT_FINITE;
    let power = select(0, TARGET - top, finite && top > NO_EXPONENT);
    for (var i = 0u; i < M; i++) {
        var entry = E_ZERO;
        if (present && finite) {
            entry = scaled_entry(entry_at(start + i * step), power);
            if (TRANSPOSED) {
                entry = conjugate(entry);
            }
        }
        places[i * WORKGROUP + slot] = entry;
    }
    workgroupBarrier();
    for (var i = lane; i < M; i += LANES) {
        var most = ZERO;
        for (var l = 0u; l < N; l++) {
            most = max(most, larger_part(places[i * WORKGROUP + first + l]));
        }
        column[team * M + i] = entry_of(most, ZERO);
    }
    workgroupBarrier();
    for (var i = lane; i < M; i += LANES) {
        let own = part(column[team * M + i], 0u);
        var rank = 0u;
        for (var k = 0u; k < M; k++) {
            let other = part(column[team * M + k], 0u);
            rank += select(0u, 1u, other > own || (other == own && k < i));
        }
        rows[team * M + rank] = i;
    }
    workgroupBarrier();
    var a$m = places[rows[team * M + $mu] * WORKGROUP + slot];
    workgroupBarrier();

    // QR with column pivoting. Columns stay on their lanes: `order` is the step at which this lane's was the pivot. A
    // row of R leaves for the places when it is done, so that open columns are zero there; a column that was a pivot
    // becomes the reflector, one on the diagonal.
    var order = UNCHOSEN;
    var own_tau = ZERO;
    for (var k = 0u; k < N; k++) {
        s0 = ZERO; s1 = ZERO; s2 = ZERO; s3 = ZERO;
        s$4 = add_square(a$m, s$4);
        let open = present && order == UNCHOSEN;
        let largest = largest_of_team(Candidate(select(-ONE, total(s0, s1, s2, s3), open), lane), slot, base);
        let pivot = largest.lane;
        // What remains is nothing: the rest of R is zero, and the rest of the reflectors do nothing.
        let nothing = largest.norm <= NEGLIGIBLE_SQUARE;
        let chosen = present && lane == pivot;
        var r = E_ZERO;
        let row = min(order, k);
        let rest = select(E_ONE, E_ZERO, open);
        { let here = row == $mu; r = select(r, a$m, here); a$m = select(a$m, rest, here); }
        if (chosen) {
            order = k;
            holders[first + k] = lane;
            publish($mu, slot, a$m);
            publish(M, slot, r);
        }
        meet();
        var v$m = fetch($mu, a$m, base + pivot);
        let alpha = select(fetch(M, r, base + pivot), E_ZERO, nothing);
        meet();
        s0 = ZERO; s1 = ZERO; s2 = ZERO; s3 = ZERO;
        s$4 = add_square(v$m, s$4);
        let below = total(s0, s1, s2, s3);
        let length = root(add_square(alpha, below));
        let flat = nothing || below <= ZERO;
        let beta = select(away(alpha, length), alpha, flat);
        let scale = inverse(select(alpha - beta, E_ONE, flat));
        v$m = product(v$m, scale);
        s0 = ONE; s1 = ZERO; s2 = ZERO; s3 = ZERO;
        s$4 = add_square(v$m, s$4);
        let tau = select(TWO * reciprocal(total(s0, s1, s2, s3)), ZERO, flat);
        own_tau = select(own_tau, tau, chosen);
        z0 = r; z1 = E_ZERO; z2 = E_ZERO; z3 = E_ZERO;
        z$4 = add_inner(v$m, a$m, z$4);
        let weight = select(E_ZERO, tau * total_entry(z0, z1, z2, z3), open && !chosen);
        a$m = select(add_product(-weight, v$m, a$m), v$m, chosen);
        places[(R_ROW + k) * WORKGROUP + slot] = select(select(r - weight, beta, chosen), E_ZERO, nothing);
    }
    a$m = select(a$m, E_ONE, order == $mu);

    // R' a column a lane: R's rows, by the way of workgroup memory.
    workgroupBarrier();
    var x$n = E_ZERO;
    if (present) {
        if ($nu >= lane) { x$n = conjugate(places[(R_ROW + lane) * WORKGROUP + first + holders[first + $nu]]); }
    }
    workgroupBarrier();
    var j$n = select(E_ZERO, E_ONE, lane == $nu);

    // Sweeps in tournament order: the last player stays, the others move around a circle.
    let players = N + N % 2u;
    let circle = players - 1u;
    var running = present && N > 1u;
    var status = select(CONVERGED, RUNNING, N > 1u);
    var sweeps = 0u;
    var rotations = 0u;
    loop {
        if (slot == 0u) {
            atomicStore(&busy, 0u);
        }
        if (lane == 0u) {
            atomicStore(&turned[team], 0u);
        }
        workgroupBarrier();
        var count = 0u;
        for (var round = 0u; round < circle; round++) {
            var partner = (2u * round + circle - min(lane, circle)) % circle;
            partner = select(partner, circle, partner == lane);
            partner = select(partner, round, lane == circle);
            let paired = running && partner < N;
            let place = base + select(lane, partner, paired);
            publish($nu, slot, x$n);
            if (U_COLS > 0u) {
                publish(N + $nu, slot, j$n);
            }
            s0 = ZERO; s1 = ZERO; s2 = ZERO; s3 = ZERO;
            s$4 = add_square(x$n, s$4);
            let own = total(s0, s1, s2, s3);
            publish_real(2u * N, slot, own);
            meet();
            let y$n = fetch($nu, x$n, place);
            let other = fetch_real(2u * N, own, place);
            s0 = ZERO; s1 = ZERO; s2 = ZERO; s3 = ZERO;
            z0 = E_ZERO; z1 = E_ZERO; z2 = E_ZERO; z3 = E_ZERO;
            s$4 = add_real(x$n, y$n, s$4);
            z$4 = add_cross(x$n, y$n, z$4);
            let along = polar(of_sums(total(s0, s1, s2, s3), total_entry(z0, z1, z2, z3)));
            s0 = ZERO; s1 = ZERO; s2 = ZERO; s3 = ZERO;
            s$4 = add_terms(x$n, y$n, s$4);
            let terms = total(s0, s1, s2, s3);
            let left = lane < partner;
            let needed = paired && is_oblique(own, other, along.size, terms);
            if (anyone(needed)) {
                let turn = rotation(select(other, own, left), select(own, other, left), along.size);
                // Rutishauser's form, which does not drift; and not a bit of those that need none.
                let s = select(-turn.s, turn.s, left);
                let tau = select(-turn.tau, turn.tau, left);
                x$n = select(x$n, turned_own(s, tau, along.phase, x$n, y$n), needed);
                if (U_COLS > 0u) {
                    { let other = fetch(N + $nu, j$n, place); j$n = select(j$n, turned_own(s, tau, along.phase, j$n, other), needed); }
                }
                count += select(0u, 1u, needed && left);
            }
            meet();
        }
        if (count > 0u) {
            atomicAdd(&turned[team], count);
        }
        workgroupBarrier();
        if (running) {
            let sum = atomicLoad(&turned[team]);
            sweeps += 1u;
            rotations += sum;
            if (sum == 0u) {
                status = CONVERGED;
            } else if (sweeps >= P.max_sweeps) {
                status = CAPPED;
            }
            running = status == RUNNING;
            if (running) {
                atomicStore(&busy, 1u);
            }
        }
        workgroupBarrier();
        if (slot == 0u) {
            any_busy = atomicLoad(&busy);
        }
        if (workgroupUniformLoad(&any_busy) == 0u) {
            break;
        }
    }

    // Singular values, where they come in order, and which count.
    s0 = ZERO; s1 = ZERO; s2 = ZERO; s3 = ZERO;
    s$4 = add_square(x$n, s$4);
    var longest = ZERO;
    longest = max(longest, larger_part(x$n));
    let norm = exact_length(total(s0, s1, s2, s3), longest);
    let sigma = select(ZERO, norm, present && norm > NEGLIGIBLE);
    publish_real(0u, slot, sigma);
    meet();
    var place = 0u;
    var highest = ZERO;
    // Singular values that are not zero; squares, of all and from this one's place on.
    var known = 0u;
    var squares = ZERO;
    var tail = ZERO;
    for (var l = 0u; l < N; l++) {
        let other = fetch_real(0u, sigma, base + l);
        let ahead = (other > sigma) | ((other == sigma) & (l < lane));
        place += select(0u, 1u, ahead);
        highest = max(highest, other);
        known += select(0u, 1u, other > ZERO);
        squares = fma(other, other, squares);
        let behind = select(other, ZERO, ahead);
        tail = fma(behind, behind, tail);
    }
    meet();
    // Always so, unless lanes are astray.
    place = min(place, N - 1u);
    let within = min(matrix, P.end - 1u);
    let threshold = threshold_of(within, power, highest);
    let above = sigma > max(threshold, ZERO);
    let counts = above && within_limits(limits_of(within), place, squares, tail);
    let value = unscaled(sigma, -power);
    let nan = cutoffs[0];
    let no_entry = entry_of(nan, nan);
    let damping = damping_of(within, power);
    let weighed = weight(P.form, sigma, counts, damping);
    if (present) {
        if (counts) {
            atomicAdd(&kept[team], 1u);
        }
        if (!FUSED) {
            let answer = select(value, weighed, COMPOSES);
            values[matrix * N + place] = select(nan, answer, finite);
        }
        if (P.beside != 0u) {
            values[P.beside + matrix * N + place] = select(nan, value, finite);
        }
        if (overflowed(value) || (counts && vanished(value))) {
            atomicOr(&lost[team], OVERFLOWED);
        }
    }
    if (astray) {
        atomicOr(&lost[team], ASTRAY);
    }
    workgroupBarrier();
    let ended = select(NON_FINITE, status, finite);
    let flags = atomicLoad(&lost[team]);
    var told = Told(ended, sweeps, rotations, atomicLoad(&kept[team]), power, highest, 0u);
    told.status = select(ended, SCATTERED, (flags & ASTRAY) != 0u);
    // A call that composes is judged by its composition: nobody sees its singular values.
    told.lost = select(flags & OVERFLOWED, 0u, COMPOSES);
    if (present && lane == 0u && !FUSED) {
        tell(matrix, told);
    }

    // V, completed where singular values are zero: by the unit vector that the columns so far reach
    // least, less what they reach of it, twice.
    let back = reciprocal(select(ONE, sigma, sigma > ZERO));
    x$n = select(E_ZERO, unit_entry(x$n, sigma, back), sigma > ZERO);
    // A composition gives such columns no weight.
    if (WITH_V && !COMPOSES) {
        if (slot == 0u) {
            atomicStore(&busy, N);
        }
        workgroupBarrier();
        if (present && finite) {
            atomicMin(&busy, known);
        }
        workgroupBarrier();
        if (slot == 0u) {
            any_busy = atomicLoad(&busy);
        }
        // Lanes look at a row each: those beyond the last look at it too.
        let row = min(lane, N - 1u);
        for (var next = workgroupUniformLoad(&any_busy); next < N; next++) {
            let missing = next >= known;
            places[$n * WORKGROUP + slot] = x$n;
            workgroupBarrier();
            var reached = ZERO;
            for (var l = 0u; l < N; l++) {
                reached = add_square(places[row * WORKGROUP + first + l], reached);
            }
            shares[slot] = entry_of(reached, ZERO);
            workgroupBarrier();
            var least = 0u;
            for (var l = 1u; l < N; l++) {
                least = select(least, l, part(shares[first + l], 0u) < part(shares[first + least], 0u));
            }
            workgroupBarrier();
            var entry = select(E_ZERO, E_ONE, row == least);
            for (var time = 0u; time < 2u; time++) {
                column[team * M + row] = entry;
                workgroupBarrier();
                z0 = E_ZERO; z1 = E_ZERO; z2 = E_ZERO; z3 = E_ZERO;
                z$4 = add_inner(x$n, column[team * M + $nu], z$4);
                shares[slot] = total_entry(z0, z1, z2, z3);
                workgroupBarrier();
                for (var l = 0u; l < N; l++) {
                    entry = add_product(-shares[first + l], places[row * WORKGROUP + first + l], entry);
                }
            }
            column[team * M + row] = entry;
            workgroupBarrier();
            s0 = ZERO; s1 = ZERO; s2 = ZERO; s3 = ZERO;
            s$4 = add_square(column[team * M + $nu], s$4);
            longest = ZERO;
            longest = max(longest, larger_part(column[team * M + $nu]));
            let long = select(ONE, exact_length(total(s0, s1, s2, s3), longest), missing);
            let scale = reciprocal(long);
            let own = missing && present && place == next;
            x$n = select(x$n, unit_entry(column[team * M + $nu], long, scale), own);
        }
    }

    // V decides the signs, or U: its first entry of (nearly) the largest magnitude is real and
    // positive.
    var most = ZERO;
    var leading = First(NO_ROW, E_ZERO);
    if (WITH_V && !SIGNS_BY_U && !FUSED) {
        most = max(most, prominence(x$n));
        leading = first_of(leading, x$n, holders[first + $nu], NEARLY_PROMINENT * most);
    }
    var straight = straight_of(leading.entry);

    // U = Q J, and beyond n the further columns of Q, a column a lane at a time.
    var u$m = E_ZERO;
    for (var begin = 0u; begin < U_COLS; begin += LANES) {
        let c = begin + lane;
        u$m = select(E_ZERO, E_ONE, c == $mu);
        if (c < N) {
            u$n = j$n;
        }
        for (var left = N; left > 0u; left--) {
            let k = left - 1u;
            let holder = holders[first + k];
            if (lane == holder) {
                publish($mu, slot, a$m);
                publish_real(M, slot, own_tau);
            }
            meet();
            let tau = fetch_real(M, own_tau, base + holder);
            let v$m = fetch($mu, a$m, base + holder);
            z0 = E_ZERO; z1 = E_ZERO; z2 = E_ZERO; z3 = E_ZERO;
            z$4 = add_inner(v$m, u$m, z$4);
            let weight = tau * total_entry(z0, z1, z2, z3);
            u$m = add_product(-weight, v$m, u$m);
            meet();
        }
        if (!FUSED) {
            var straight_u = straight;
            straight_u.needed = straight.needed && c < N;
            if (SIGNS_BY_U) {
                most = ZERO;
                leading = First(NO_ROW, E_ZERO);
                most = max(most, prominence(u$m));
                leading = first_of(leading, u$m, rows[team * M + $mu], NEARLY_PROMINENT * most);
                straight_u = straight_of(leading.entry);
            }
            if (c < N) {
                straight = straight_u;
            }
            if (matrix < P.end && c < U_COLS) {
                let to = (matrix * U_COLS + select(c, place, c < N)) * M;
                let by = select(NO_ROW, leading.row, SIGNS_BY_U);
                { let row = rows[team * M + $mu]; let e = straightened(u$m, straight_u, row == by); u[to + row] = select(no_entry, e, finite); }
            }
        }
    }
    if (WITH_V && present && !FUSED) {
        let to = (matrix * N + place) * N;
        let by = select(leading.row, NO_ROW, SIGNS_BY_U);
        { let row = holders[first + $nu]; v[to + row] = select(no_entry, straightened(x$n, straight, row == by), finite); }
    }

    // left diag(weights) right', or what it makes of right-hand sides: by the way of the places, which hold the rows
    // of one factor after the other in the caller's order.
    if (FUSED) {
        let lift = P.lift * power - 2 * damping.beyond;
        var flags = 0u;
        workgroupBarrier();
        if (lane == 0u) {
            atomicStore(&lost[team], 0u);
        }
        if (SOLVES) {
            if (LEFT_U) { places[rows[team * M + $mu] * WORKGROUP + slot] = u$m; }
            if (!LEFT_U) { places[holders[first + $nu] * WORKGROUP + slot] = x$n; }
            for (var c = 0u; c < P.rhs; c++) {
                // Every right-hand side has a scale of its own.
                var top = NO_EXPONENT;
                for (var i = lane; i < RIGHT_ROWS; i += LANES) {
                    top = max(top, top_of(larger_bits(rhs_at(within, i, c))));
                }
                tops[slot] = top;
                workgroupBarrier();
                for (var l = 0u; l < LANES; l++) {
                    top = max(top, tops[first + l]);
                }
                let sound = top < NOT_FINITE;
                let own = scale_of(top);
                z0 = E_ZERO; z1 = E_ZERO; z2 = E_ZERO; z3 = E_ZERO;
                if (RIGHT_U) { z$4 = add_inner(u$m, scaled_entry(rhs_at(within, rows[team * M + $mu], c), own), z$4); }
                if (!RIGHT_U) { z$4 = add_inner(x$n, scaled_entry(rhs_at(within, holders[first + $nu], c), own), z$4); }
                shares[slot] = total_entry(z0, z1, z2, z3) * weighed;
                workgroupBarrier();
                for (var l = lane; l < LEFT_ROWS; l += LANES) {
                    z0 = E_ZERO; z1 = E_ZERO; z2 = E_ZERO; z3 = E_ZERO;
                    z$4 = add_product(places[l * WORKGROUP + first + $nu], shares[first + $nu], z$4);
                    let entry = lifted_entry(total_entry(z0, z1, z2, z3), lift - own);
                    flags |= select(0u, select(UNSOUND, entry.found, sound), finite);
                    if (matrix < P.end) {
                        u[(matrix * P.rhs + c) * LEFT_ROWS + l] = select(no_entry, entry.value, finite && sound);
                    }
                }
                workgroupBarrier();
            }
        } else {
            for (var begin = 0u; begin < RIGHT_ROWS; begin += LANES) {
                // A row of right a lane, weighted; then all of left.
                if (RIGHT_U) { places[rows[team * M + $mu] * WORKGROUP + slot] = u$m * weighed; }
                if (!RIGHT_U) { places[holders[first + $nu] * WORKGROUP + slot] = x$n * weighed; }
                workgroupBarrier();
                let r = begin + lane;
                let y$n = conjugate(places[min(r, RIGHT_ROWS - 1u) * WORKGROUP + first + $nu]);
                workgroupBarrier();
                if (LEFT_U) { places[rows[team * M + $mu] * WORKGROUP + slot] = u$m; }
                if (!LEFT_U) { places[holders[first + $nu] * WORKGROUP + slot] = x$n; }
                workgroupBarrier();
                for (var l = 0u; l < LEFT_ROWS; l++) {
                    z0 = E_ZERO; z1 = E_ZERO; z2 = E_ZERO; z3 = E_ZERO;
                    z$4 = add_product(places[l * WORKGROUP + first + $nu], y$n, z$4);
                    let entry = lifted_entry(total_entry(z0, z1, z2, z3), lift);
                    if (matrix < P.end && r < RIGHT_ROWS) {
                        flags |= entry.found;
                        u[(matrix * RIGHT_ROWS + r) * LEFT_ROWS + l] = select(no_entry, entry.value, finite);
                    }
                }
                workgroupBarrier();
            }
            flags = select(0u, flags, finite);
        }
        if (matrix < P.end && flags != 0u) {
            atomicOr(&lost[team], flags);
        }
        workgroupBarrier();
        if (present && lane == 0u) {
            told.lost = atomicLoad(&lost[team]);
            tell(matrix, told);
        }
    }
}
