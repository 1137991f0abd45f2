//! One call, as both engines see it.

use crate::filter::Filter;
use crate::options::Options;
use crate::planner::{Convergence, Problem, Sizes};
use crate::view::View;

/// The matrices, what to compute of them, and how.
pub(crate) struct Call<'a, T> {
    /// Oriented as the problem is: at least as many rows as columns.
    pub view: View<'a, T>,
    pub problem: Problem,
    pub sizes: Sizes,
    pub convergence: Convergence,
    pub filter: Filter,
    pub options: &'a Options,
    /// Whether the caller's thread may block until the device is done.
    #[cfg(feature = "gpu")]
    pub blocking: bool,
}

impl<T: crate::scalar::Real> Call<'_, T> {
    pub fn progress(&self, done: usize) {
        if let Some(progress) = &self.options.progress {
            progress(done, self.view.count());
        }
    }
}
