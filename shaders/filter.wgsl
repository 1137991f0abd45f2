// The f in left diag(f(sigma)) right': Filter::Inverse of src/filter.rs.

fn weight(sigma: T, counts: bool) -> T {
    return select(ZERO, reciprocal(select(ONE, sigma, counts)), counts);
}
