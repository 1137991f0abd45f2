//! Some of the tests: by patterns and the most telling first, for who has little time on a borrowed machine, and without
//! the slow ones, for every day.

use libtest_mimic::Trial;

/// A test or more of every path, operation and way of calling: for all day long.
const QUICK: &str = "cpu*/bits */kernel-* */digits */cutoffs */layouts cpu*/exact-factors */lstsq-places \
    */low-rank-tiny cpu*/factored gpu/f32/factored */polar */resident cpu*/calls-* gpu/f32/calls-device \
    cpu*/asynchronous */progress gpu/*/own-device";

/// What the arithmetic of a driver decides, in f32: each kernel, and what is hard for it.
const DRIVER: &str = "gpu/f32/digits gpu/f32/kernel-* gpu/f32/complex-kernel-* gpu/f32/random-* gpu/f32/hard-* \
    gpu/f32/fixtures gpu/f32/complex-fixtures gpu/f32/complex-laws gpu/f32/lstsq* gpu/f32/scaled-* gpu/f32/sign-ties \
    gpu/f32/eigh-hard gpu/f32/subgroups gpu-shrunk/f32/kernel-* gpu-shrunk/f32/complex-kernel-* gpu-shrunk/f32/hard-*";

/// The patterns of a selection that has a name.
pub fn named(name: &str) -> Option<&'static str> {
    match name {
        "quick" => Some(QUICK),
        "driver" => Some(DRIVER),
        _ => None,
    }
}

/// What takes up to a minute to compile its kernels on a software adapter, and rarely finds more than the tests that stay.
const SLOW: &str = "gpu-shrunk/f32/numpy gpu-shrunk/f32/exact-factors gpu-shrunk/f32/complex-shapes \
    gpu-shrunk/f32/complex-operations gpu-shrunk/f32/integer-ranks gpu-shrunk/f32/lapack gpu-shrunk/f32/permuted \
    gpu-shrunk/f32/factored gpu-shrunk/f32/subspaces";

/// What the engine without subgroups runs, whose host layer is that of `gpu`, and every GPU engine in f64, the one with
/// shrunk thresholds too: the bits of all results, each kernel, and what is hard for it.
const KERNELS: &str = "*/bits */complex-bits */kernel-* */complex-kernel-* */random-* */hard-* */fixtures \
    */complex-fixtures */lstsq* */digits */scaled-* */relative */unrepresentable */sign-ties */one-factor */eigh-hard \
    */unconverged */truncation */resident */own-device */widest */subgroups";

/// Whether a test is left to BATCHED_SVD_ALL where the bits of its engine's results are compared: results with these bits
/// have passed it.
pub fn is_rare(name: &str) -> bool {
    let is_one_of = |list: &str| list.split_whitespace().any(|p| matches(p, name));
    is_one_of(SLOW) || is_one_of("gpu-default-limits/* gpu*/f64/*") && !is_one_of(KERNELS)
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
