// The f in left diag(f(sigma)) right', as src/filter.rs: Filter::Damped, which is Filter::Inverse where
// lambda is zero.

fn weight(sigma: T, counts: bool, lambda: T) -> T {
    let s = select(ONE, sigma, counts);
    let large = max(s, lambda);
    let inverse = reciprocal(large);
    // No square leaves the range: of the two numbers, only their ratio is squared.
    let ratio = min(s, lambda) * inverse;
    let share = select(ratio, ONE, s >= lambda);
    let damped = share * reciprocal(fma(ratio, ratio, ONE)) * inverse;
    return select(ZERO, select(inverse, damped, lambda > ZERO), counts);
}
