//! All cores, or one where threads are not wanted or not to be had.

use crate::data::error::Error;

/// Calls `f` on every task, with a state for each run of them on one thread. Runs in the caller's rayon pool
/// if the call was made inside one.
#[cfg(feature = "threads")]
pub(crate) fn for_each<I: Send, S>(
    tasks: Vec<I>,
    state: impl Fn() -> S + Send + Sync,
    f: impl Fn(&mut S, I) + Send + Sync,
) {
    use rayon::prelude::*;
    // A lone task needs nobody else: a call of one small matrix takes about as long as asking.
    if tasks.len() <= 1 {
        return here(tasks, state, f);
    }
    tasks.into_par_iter().for_each_init(state, f);
}

/// Calls `f` on every task.
#[cfg(not(feature = "threads"))]
pub(crate) fn for_each<I: Send, S>(
    tasks: Vec<I>,
    state: impl Fn() -> S + Send + Sync,
    f: impl Fn(&mut S, I) + Send + Sync,
) {
    here(tasks, state, f);
}

/// On this thread.
#[inline(always)]
fn here<I, S>(tasks: Vec<I>, state: impl Fn() -> S, f: impl Fn(&mut S, I)) {
    let mut state = state();
    for task in tasks {
        f(&mut state, task);
    }
}

/// Bytes that one thread copies in one go.
#[cfg(any(feature = "gpu", test))]
pub(crate) const COPIED: usize = 1 << 18;

/// The most threads that copy: memory has no more to give.
#[cfg(all(feature = "threads", any(feature = "gpu", test)))]
const COPIERS: usize = 16;

/// Calls `f` on every task, on threads of their own: those of the caller may be busy for long, with a part of the same
/// call. Memory that is written for the first time is taken from the operating system page by page, which takes one
/// thread ten times as long as the copy.
#[cfg(any(feature = "gpu", test))]
pub(crate) fn for_each_apart<I: Send>(tasks: Vec<I>, f: impl Fn(I) + Send + Sync) {
    #[cfg(feature = "threads")]
    if tasks.len() > 1 && threads() > 1 {
        use rayon::prelude::*;
        static POOL: std::sync::OnceLock<Option<rayon::ThreadPool>> = std::sync::OnceLock::new();
        let pool = POOL.get_or_init(|| {
            let count = std::thread::available_parallelism().map_or(1, |count| count.get());
            let builder = rayon::ThreadPoolBuilder::new().num_threads(count.min(COPIERS));
            let name = |index| format!("batched-svd-copy-{index}");
            builder.thread_name(name).build().ok()
        });
        if let Some(pool) = pool {
            return pool.install(|| tasks.into_par_iter().for_each(f));
        }
    }
    here(tasks, || (), |_, task| f(task));
}

/// Copies bytes.
#[cfg(any(feature = "gpu", test))]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    assert_eq!(from.len(), to.len());
    let parts = to.chunks_mut(COPIED).zip(from.chunks(COPIED));
    for_each_apart(parts.collect(), |(to, from): (&mut [u8], &[u8])| {
        to.copy_from_slice(from);
    });
}

/// Values that one thread writes sooner than it finds another.
#[cfg(feature = "threads")]
const FEW: usize = 1 << 12;

/// The threads that a call made here would use.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "threads")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "threads"))]
    return 1;
}

/// `count` copies of a value, written by all threads: the first to touch memory waits for it.
pub(crate) fn filled<I: Copy + Send + Sync>(count: usize, value: I) -> Result<Vec<I>, Error> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Error::Memory {
        bytes: count as u128 * size_of::<I>() as u128,
    })?;
    #[cfg(feature = "threads")]
    if count > FEW {
        use rayon::prelude::*;
        let values = (0..count).into_par_iter().with_min_len(FEW);
        values.map(|_| value).collect_into_vec(&mut all);
        return Ok(all);
    }
    all.resize(count, value);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_copied() {
        for len in [0, 1, 1000, (1 << 18) - 1, 1 << 18, (5 << 17) + 3] {
            let from: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let mut to = vec![255; len];
            copy(&from, &mut to);
            assert_eq!(from, to);
        }
    }
}
