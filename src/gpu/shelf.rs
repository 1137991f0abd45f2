//! What a call leaves for the next of its kind: repeated calls make no buffers.

use std::sync::{Mutex, PoisonError};

/// The tools of the latest call, and what kind of call they are for.
pub(super) struct Shelf<K, B>(Mutex<Option<(K, B)>>);

impl<K, B> Default for Shelf<K, B> {
    fn default() -> Self {
        Shelf(Mutex::new(None))
    }
}

impl<K: PartialEq, B> Shelf<K, B> {
    /// The tools, if they fit and no other call has them; those that do not are thrown away.
    pub fn take(&self, kind: &K) -> Option<B> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, tools) = shelf.take()?;
        (of == *kind).then_some(tools)
    }

    pub fn put(&self, kind: K, tools: B) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *shelf = Some((kind, tools));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_for_one_call_at_a_time_and_for_its_kind() {
        let shelf = Shelf::default();
        shelf.put("square", "tools");
        assert_eq!(shelf.take(&"square"), Some("tools"));
        assert_eq!(shelf.take(&"square"), None);
        shelf.put("square", "tools");
        assert_eq!(shelf.take(&"wide"), None);
        assert_eq!(shelf.take(&"square"), None);
    }
}
