// Teams without subgroups: see team_subgroup.wgsl.

struct Invocation {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
}

fn gather(matrix: u32, lanes: u32, at: Invocation) {}

fn team_sum(value: T, lid: u32, lanes: u32) -> T {
    return tree_sum(value, lid, lanes);
}

fn team_gram(value: Gram, lid: u32, lanes: u32) -> Gram {
    return tree_gram(value, lid, lanes);
}
