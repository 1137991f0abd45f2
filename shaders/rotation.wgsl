// The rotation of a pair of columns, whose tolerance is P's.

struct Rotation {
    s: T,
    tau: T, // s / (1 + c)
}

// Whether two columns p and q are neither orthogonal nor negligible: from their squares, the size of p'q (of real columns
// with its sign), and the sum of the magnitudes of the terms of p'q.
//
// Not the cosine decides: where columns differ in size, one that is small enough for the singular values still
// moves the smaller column by more than its own roundoff. Columns are as good as they get where their product
// is the rounding of its own terms, or that of the smaller column's square.
fn is_oblique(pp: T, qq: T, pq: T, terms: T) -> bool {
    let small = min(pp, qq);
    // The tangent is about pq over the larger square. One that a device may flush would turn nothing, sweep after sweep:
    // then the cosine is at most 2^-40 (f32) or 2^-140 (f64).
    let product = abs(pq);
    // Not &&, which would branch.
    return (small > NEGLIGIBLE_SQUARE) & (product > T(P.tolerance) * max(small, terms))
        & (product > SMALLEST_TANGENT * max(pp, qq));
}

// The rotation that makes an oblique pair orthogonal.
fn rotation(pp: T, qq: T, pq: T) -> Rotation {
    // Over the larger column's, squares stay in range; what underflows does not matter.
    let scale = ONE / max(pp, qq);
    let difference = (qq - pp) * scale;
    let twice = (pq + pq) * scale;
    // The smaller root of t^2 + 2 zeta t - 1 with zeta = difference / twice.
    let hypotenuse = sqrt(fma(difference, difference, twice * twice));
    let t = twice / select(difference - hypotenuse, difference + hypotenuse, difference >= ZERO);
    // From the tangent of half the angle, whatever its own error, the sine follows such that the
    // rotation is orthogonal.
    let tau = t / (ONE + sqrt(fma(t, t, ONE)));
    let s = (tau + tau) * reciprocal(fma(tau, tau, ONE));
    return Rotation(s, tau);
}
