//! uses: entries_*
// Teams: `lanes` neighbouring invocations, a power of two, that share a column or a pair. Every
// sum is a tree over partial sums in a fixed order, so that the same input gives the same bits; team_sum
// and team_gram say by which way.

var<workgroup> partial: array<T, WORKGROUP>;
var<workgroup> partial_q: array<T, WORKGROUP>;
var<workgroup> partial_pq: array<E, WORKGROUP>;
var<workgroup> partial_terms: array<T, WORKGROUP>;
var<workgroup> candidate: array<u32, WORKGROUP>;
var<workgroup> chosen: u32;

// The sum over a team, for all of it, by the way of workgroup memory. In uniform control flow.
fn tree_sum(value: T, lid: u32, lanes: u32) -> T {
    partial[lid] = value;
    workgroupBarrier();
    for (var step = lanes / 2u; step > 0u; step /= 2u) {
        if (lid % lanes < step) {
            partial[lid] += partial[lid + step];
        }
        workgroupBarrier();
    }
    let sum = partial[lid - lid % lanes];
    workgroupBarrier();
    return sum;
}

// The sum over a team of entries, part by part.
fn team_sum_entry(value: E, lid: u32, lanes: u32) -> E {
    let re = team_sum(part(value, 0u), lid, lanes);
    if (PARTS == 1u) {
        return entry_of(re, ZERO);
    }
    return entry_of(re, team_sum(part(value, 1u), lid, lanes));
}

const NOTHING: u32 = 0xffffffffu;

// The index of the largest value of the first `count` invocations, the first on ties; NOTHING if none
// is above `floor`. In uniform control flow.
fn first_largest(value: T, index: u32, count: u32, floor: T, lid: u32) -> u32 {
    partial[lid] = value;
    candidate[lid] = index;
    workgroupBarrier();
    if (lid == 0u) {
        var largest = value;
        var at = index;
        for (var i = 1u; i < min(WORKGROUP, count); i++) {
            if (partial[i] > largest || (partial[i] == largest && candidate[i] < at)) {
                largest = partial[i];
                at = candidate[i];
            }
        }
        chosen = select(at, NOTHING, largest <= floor);
    }
    return workgroupUniformLoad(&chosen);
}

// Of a pair of columns: products, and the sum of the magnitudes of the terms of p'q.
struct Gram {
    pp: T,
    qq: T,
    pq: E,
    terms: T,
}

fn no_gram() -> Gram {
    return Gram(ZERO, ZERO, E_ZERO, ZERO);
}

fn add_grams(x: Gram, y: Gram) -> Gram {
    return Gram(x.pp + y.pp, x.qq + y.qq, x.pq + y.pq, x.terms + y.terms);
}

// The sums over a team, as tree_sum, for the four sums of a pair.
fn tree_gram(value: Gram, lid: u32, lanes: u32) -> Gram {
    partial[lid] = value.pp;
    partial_q[lid] = value.qq;
    partial_pq[lid] = value.pq;
    partial_terms[lid] = value.terms;
    workgroupBarrier();
    for (var step = lanes / 2u; step > 0u; step /= 2u) {
        if (lid % lanes < step) {
            partial[lid] += partial[lid + step];
            partial_q[lid] += partial_q[lid + step];
            partial_pq[lid] += partial_pq[lid + step];
            partial_terms[lid] += partial_terms[lid + step];
        }
        workgroupBarrier();
    }
    let first = lid - lid % lanes;
    let sum = Gram(partial[first], partial_q[first], partial_pq[first], partial_terms[first]);
    workgroupBarrier();
    return sum;
}
