// The rotation of a pair of columns, whose tolerance is P's.

struct Rotation {
    s: T,
    tau: T, // s / (1 + c)
    needed: bool,
    // Whether it counts against convergence, too.
    oblique: bool,
}

// The rotation that makes two columns orthogonal, from their Gram matrix. Not needed if they are
// so already, or if one is negligible.
//
// A pair is orthogonal, and the sweeps end, by its cosine. But where columns differ in size, a cosine
// that is small enough for the singular values still moves the smaller column by more than its own
// roundoff: such a pair is rotated as well, without counting.
fn rotation(pp: T, qq: T, pq: T) -> Rotation {
    let tolerance = T(P.tolerance);
    let product = abs(pq);
    let small = min(pp, qq);
    if (small <= NEGLIGIBLE_SQUARE || product <= tolerance * small) {
        return Rotation(ZERO, ZERO, false, false);
    }
    // Not sqrt(pp * qq): the product leaves the range.
    let oblique = product > tolerance * sqrt(pp) * sqrt(qq);
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
    return Rotation(s, tau, true, oblique);
}
