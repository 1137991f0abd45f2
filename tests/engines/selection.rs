//! Some of the tests, the most telling first: for who has little time on a borrowed machine.

use libtest_mimic::Trial;

/// A test or more of every path, operation and way of calling: for all day long.
pub const QUICK: &str = "cpu*/bits */kernel-* */digits */cutoffs */layouts cpu*/exact-factors */lstsq-places \
    */low-rank-tiny cpu*/factored gpu/f32/factored */polar */resident cpu*/calls-* gpu/f32/calls-device \
    cpu*/asynchronous */progress gpu/*/own-device";

/// Each takes up to a minute to compile kernels on a software adapter, and finds no more than others where the bits of the
/// engine's results are compared: results with these bits have passed it.
const SLOW: &str = "gpu/f32/random-512x512 gpu-*/numpy gpu-*/exact-factors gpu-*/complex-shapes gpu-*/complex-operations \
    gpu-*/integer-ranks gpu-*/lapack gpu-*/permuted gpu-*/factored gpu-*/subspaces \
    gpu/f64/numpy gpu/f64/exact-factors gpu/f64/complex-shapes gpu/f64/factored";

/// Of the tests in f64, what the GPU engines of other limits run: each kernel, and what is hard for it. How the host goes
/// about it does not depend on the type.
const KERNELS: &str = "*/kernel-* */complex-kernel-* */random-* */hard-* */fixtures */complex-fixtures */lstsq* */digits \
    */unconverged */truncation */own-device";

/// Whether a test is left to BATCHED_SVD_ALL, where the bits of its engine are compared.
pub fn is_rare(name: &str) -> bool {
    let is_one_of = |list: &str| list.split_whitespace().any(|p| matches(p, name));
    is_one_of(SLOW) || is_one_of("gpu-*/f64/*") && !is_one_of(KERNELS)
}

/// The tests that fit a pattern each, in the order of the patterns, or the first that fits none.
pub fn select(trials: Vec<Trial>, patterns: &str) -> Result<Vec<Trial>, String> {
    let mut left: Vec<Option<Trial>> = trials.into_iter().map(Some).collect();
    let mut selected = Vec::new();
    for pattern in patterns.split_whitespace() {
        let mut fits = false;
        for place in &mut left {
            let Some(trial) = place.take_if(|trial| matches(pattern, trial.name())) else {
                continue;
            };
            fits = true;
            selected.push(trial);
        }
        // One that an earlier pattern took counts.
        if !fits && !selected.iter().any(|t| matches(pattern, t.name())) {
            return Err(pattern.into());
        }
    }
    Ok(selected)
}

/// Whether a test is called so; why it cannot run, in brackets, is no part of its name.
fn matches(pattern: &str, name: &str) -> bool {
    let name = name.split(" (").next().unwrap_or(name);
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}
