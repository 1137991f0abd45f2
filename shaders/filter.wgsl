// The f in left diag(f(sigma)) right', as src/filter.rs: Filter::Damped, which is Filter::Inverse where
// lambda is zero. Damped weights come out times 4^beyond.

fn weight(sigma: T, counts: bool, damping: Damping) -> T {
    let s = select(ONE, sigma, counts);
    // No square leaves the range: of the two numbers, only their ratio is squared.
    let shrunk = s * power_of_two(max(-damping.beyond, LEAST));
    let inverse = reciprocal(max(shrunk, damping.lambda));
    let ratio = min(shrunk, damping.lambda) * inverse;
    let damped = s * inverse * reciprocal(fma(ratio, ratio, ONE)) * inverse;
    return select(ZERO, select(inverse, damped, damping.lambda > ZERO), counts);
}
