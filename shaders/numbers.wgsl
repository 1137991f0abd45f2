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

// The length of a vector whose squares have this sum and whose largest magnitude is this: where that is all of
// it, exactly.
fn exact_length(squares: T, largest: T) -> T {
    return select(root(squares), largest, squares == largest * largest);
}

// An entry of a vector of this length, made a unit vector's: where it is all of it, exactly 1 or -1.
fn unit(entry: T, length: T, inverse: T) -> T {
    return select(entry * inverse, select(ONE, -ONE, entry < ZERO), abs(entry) == length);
}

fn reciprocal(v: T) -> T {
    let r = ONE / v;
    return fma(r, fma(-v, r, ONE), r);
}
