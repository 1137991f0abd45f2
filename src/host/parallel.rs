//! All cores, or one where threads are not wanted or not to be had.

/// Calls `f` on every task, with a state for each run of them on one thread. Runs in the caller's rayon pool
/// if the call was made inside one.
#[cfg(feature = "threads")]
pub(crate) fn for_each<I: Send, S>(
    tasks: Vec<I>,
    state: impl Fn() -> S + Send + Sync,
    f: impl Fn(&mut S, I) + Send + Sync,
) {
    use rayon::prelude::*;
    tasks.into_par_iter().for_each_init(state, f);
}

/// Calls `f` on every task.
#[cfg(not(feature = "threads"))]
pub(crate) fn for_each<I: Send, S>(
    tasks: Vec<I>,
    state: impl Fn() -> S + Send + Sync,
    f: impl Fn(&mut S, I) + Send + Sync,
) {
    let mut state = state();
    for task in tasks {
        f(&mut state, task);
    }
}

/// The threads that a call made here would use.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "threads")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "threads"))]
    return 1;
}
