// What the device does at best: independent multiply-adds, and copies.

@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> target_words: array<vec4<u32>>;

// Eight chains that hide each other's latency; 2 * 8 * ROUNDS operations an invocation.
@compute @workgroup_size(WORKGROUP)
fn multiply_add(@builtin(global_invocation_id) id: vec3<u32>) {
    let factor = T(source[0].x);
    let term = T(id.x);
    var c0 = ZERO; var c1 = ONE; var c2 = TWO; var c3 = HALF;
    var c4 = term; var c5 = term + ONE; var c6 = term + TWO; var c7 = term + HALF;
    for (var round = 0u; round < ROUNDS; round++) {
        c0 = fma(c0, factor, term); c1 = fma(c1, factor, term);
        c2 = fma(c2, factor, term); c3 = fma(c3, factor, term);
        c4 = fma(c4, factor, term); c5 = fma(c5, factor, term);
        c6 = fma(c6, factor, term); c7 = fma(c7, factor, term);
    }
    // Never, but the compiler cannot know.
    if (c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 == HALF) {
        target_words[0] = vec4<u32>(1u);
    }
}

@compute @workgroup_size(WORKGROUP)
fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < arrayLength(&source)) {
        target_words[id.x] = source[id.x];
    }
}
