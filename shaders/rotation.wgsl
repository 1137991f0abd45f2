// The rotation of a pair of columns, whose tolerance is P's.

struct Rotation {
    s: T,
    tau: T, // s / (1 + c)
    needed: bool,
}

// The rotation that makes two columns orthogonal, from their products and the sum of the magnitudes of the terms
// of p'q. Not needed if they are so already, or if one is negligible.
//
// Not the cosine decides: where columns differ in size, one that is small enough for the singular values still
// moves the smaller column by more than its own roundoff. Columns are as good as they get where their product
// is the rounding of its own terms, or that of the smaller column's square.
fn rotation(pp: T, qq: T, pq: T, terms: T) -> Rotation {
    let small = min(pp, qq);
    if (small <= NEGLIGIBLE_SQUARE || abs(pq) <= T(P.tolerance) * max(small, terms)) {
        return Rotation(ZERO, ZERO, false);
    }
    let zeta = (qq - pp) / (TWO * pq);
    // The smaller root of t^2 + 2 zeta t - 1; where zeta^2 would swallow the 1, or overflow, its
    // limit.
    var t = ONE / (TWO * zeta);
    if (abs(zeta) <= HUGE) {
        let r = root(fma(zeta, zeta, ONE));
        t = ONE / select(zeta - r, zeta + r, zeta >= ZERO);
    }
    // From the tangent of half the angle, whatever its own error, the sine follows such that the
    // rotation is orthogonal.
    let tau = t / (ONE + root(fma(t, t, ONE)));
    let s = TWO * tau * reciprocal(fma(tau, tau, ONE));
    return Rotation(s, tau, true);
}
