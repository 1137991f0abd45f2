// The rotation of a pair of columns, whose tolerance is P's.

struct Rotation {
    s: T,
    tau: T, // s / (1 + c)
    needed: bool,
}

// The rotation that makes two columns orthogonal, from their Gram matrix. Not needed if they are
// so already, or if one is negligible.
fn rotation(pp: T, qq: T, pq: T) -> Rotation {
    // Not sqrt(pp * qq): the product leaves the range.
    let bound = T(P.tolerance) * sqrt(pp) * sqrt(qq);
    if (pp <= NEGLIGIBLE_SQUARE || qq <= NEGLIGIBLE_SQUARE || abs(pq) <= bound) {
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
