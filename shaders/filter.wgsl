//! uses: numbers, cutoff
// The f in left diag(f(sigma)) right', as src/filter.rs.

// Filter::Damped, which is Filter::Inverse where lambda is zero.
const INVERSE: u32 = 1u;
const KEEP: u32 = 2u;
const VALUE: u32 = 3u;

// Damped weights come out times 4^beyond.
fn weight(form: u32, sigma: T, counts: bool, damping: Damping) -> T {
    if (form != INVERSE) {
        return select(ZERO, select(ONE, sigma, form == VALUE), counts);
    }
    let s = select(ONE, sigma, counts);
    // No square leaves the range: of the two numbers, only their ratio is squared.
    let shrunk = s * power_of_two(max(-damping.beyond, LEAST));
    let inverse = reciprocal(max(shrunk, damping.lambda));
    let ratio = min(shrunk, damping.lambda) * inverse;
    let damped = s * inverse * reciprocal(fma(ratio, ratio, ONE)) * inverse;
    return select(ZERO, select(inverse, damped, damping.lambda > ZERO), counts);
}
