//! What a call leaves for the next of its kind: repeated calls make no buffers.

use std::sync::{Mutex, PoisonError};

use crate::planner::Problem;

/// The tools of the latest call: for a problem and so many matrices at a time.
pub(super) struct Shelf<B>(Mutex<Option<(Problem, usize, B)>>);

impl<B> Default for Shelf<B> {
    fn default() -> Self {
        Shelf(Mutex::new(None))
    }
}

impl<B> Shelf<B> {
    /// The tools, if they fit and no other call has them; those that do not are thrown away.
    pub fn take(&self, problem: &Problem, chunk: usize) -> Option<B> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (for_problem, for_chunk, tools) = shelf.take()?;
        (for_problem == *problem && for_chunk == chunk).then_some(tools)
    }

    pub fn put(&self, problem: &Problem, chunk: usize, tools: B) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *shelf = Some((*problem, chunk, tools));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Vectors;
    use crate::planner::Job;
    use crate::scalar::Dtype;

    #[test]
    fn tools_are_for_one_call_at_a_time_and_for_its_kind() {
        let job = Job {
            vectors: Vectors::Thin,
            composed: None,
        };
        let square = Problem::new(3, 3, Dtype::F32, job);
        let wide = Problem::new(3, 4, Dtype::F32, job);
        let shelf = Shelf::default();
        shelf.put(&square, 8, "tools");
        assert_eq!(shelf.take(&square, 8), Some("tools"));
        assert_eq!(shelf.take(&square, 8), None);
        shelf.put(&square, 8, "tools");
        assert_eq!(shelf.take(&wide, 8), None);
        shelf.put(&square, 8, "tools");
        assert_eq!(shelf.take(&square, 9), None);
        assert_eq!(shelf.take(&square, 8), None);
    }
}
