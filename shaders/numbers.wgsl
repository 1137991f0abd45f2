// Arithmetic that does not trust the last digits of the device: WGSL allows division 2.5 ulp, an
// inverse square root 2 ulp, and a square root made of both. One Newton step mends a root or a
// reciprocal, to within a rounding or two where fma is not fused.

fn root(v: T) -> T {
    if (v < SMALLEST_NORMAL) {
        return ZERO;
    }
    let s = sqrt(v);
    return s + fma(-s, s, v) * (HALF / s);
}

fn reciprocal(v: T) -> T {
    let r = ONE / v;
    return fma(r, fma(-v, r, ONE), r);
}
