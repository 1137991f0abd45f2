// Teams that a subgroup holds sum without a barrier, in the order of the tree: the same bits. SUBGROUP is
// the smallest that the device may choose.

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) lane: u32,
}

// To be called first by who sums over so many lanes: neighbours in the workgroup are neighbours in the
// subgroup everywhere so far, but no specification says so. A matrix of which it is not true is told of.
fn gather(matrix: u32, lanes: u32, at: Invocation) {
    if (lanes > SUBGROUP) {
        return;
    }
    let own = at.index % SUBGROUP;
    let first = subgroupShuffle(at.index, at.lane - at.lane % SUBGROUP);
    if (at.lane % SUBGROUP != own || first != at.index - own) {
        atomicMax(&state[matrix * STATE_WORDS + STATUS], SCATTERED);
    }
}

fn team_sum(value: T, lid: u32, lanes: u32) -> T {
    if (lanes > SUBGROUP) {
        return tree_sum(value, lid, lanes);
    }
    var sum = value;
    for (var step = lanes / 2u; step > 0u; step /= 2u) {
        sum += subgroupShuffleXor(sum, step);
    }
    return sum;
}

fn team_gram(value: Gram, lid: u32, lanes: u32) -> Gram {
    if (lanes > SUBGROUP) {
        return tree_gram(value, lid, lanes);
    }
    var sum = value;
    for (var step = lanes / 2u; step > 0u; step /= 2u) {
        sum.pp += subgroupShuffleXor(sum.pp, step);
        sum.qq += subgroupShuffleXor(sum.qq, step);
        sum.pq += subgroupShuffleXor(sum.pq, step);
        sum.terms += subgroupShuffleXor(sum.terms, step);
    }
    return sum;
}
