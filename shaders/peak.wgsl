// What the device does at best: independent multiply-adds, and copies.

@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> target_words: array<vec4<u32>>;

// Eight chains that hide each other's latency, in rounds of eight steps, beside which the loop takes little;
// 2 * 8 * 8 * ROUNDS operations an invocation.
@compute @workgroup_size(WORKGROUP)
fn multiply_add(@builtin(global_invocation_id) id: vec3<u32>) {
    let factor = vec4<T>(T(source[0].x));
    let term = vec4<T>(T(id.x));
    var a = vec4<T>(ZERO, ONE, TWO, HALF);
    var b = a + term;
    for (var round = 0u; round < ROUNDS; round++) {
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
    }
    let c = a + b;
    // Never, but the compiler cannot know.
    if (c.x + c.y + c.z + c.w == HALF) {
        target_words[0] = vec4<u32>(1u);
    }
}

@compute @workgroup_size(WORKGROUP)
fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < arrayLength(&source)) {
        target_words[id.x] = source[id.x];
    }
}
