//! What goes wrong with a device, on purpose: the seam through which tests make it fail.

/// A way for a device to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "faults"), allow(dead_code))]
pub enum Fault {
    /// It is destroyed.
    Lost,
    /// It has no memory for what is made or written.
    OutOfMemory,
    /// Results cannot be mapped into the host's memory.
    Unmappable,
    /// It does not answer any more.
    Silent,
    /// A shader does not compile.
    Uncompilable,
    /// The driver's layer panics.
    Panic,
    /// An adapter that was there is not found again.
    Gone,
}

/// The next fault of a GPU, if there is to be one. Clones share it.
#[cfg(feature = "faults")]
#[derive(Clone, Debug, Default)]
pub struct Faults(std::sync::Arc<std::sync::Mutex<Option<(Fault, usize)>>>);

#[cfg(feature = "faults")]
impl Faults {
    /// Has the device fail so, once, after so many occasions for it have passed.
    pub fn arm(&self, fault: Fault, after: usize) {
        *self.next() = Some((fault, after));
    }

    /// Whether the fault is still to come; it is not after this.
    pub fn disarm(&self) -> bool {
        self.next().take().is_some()
    }

    fn next(&self) -> std::sync::MutexGuard<'_, Option<(Fault, usize)>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether this is the occasion for a fault.
    pub(crate) fn due(&self, fault: Fault) -> bool {
        let mut next = self.next();
        match &mut *next {
            Some((armed, after)) if *armed == fault && *after > 0 => {
                *after -= 1;
                false
            }
            Some((armed, _)) if *armed == fault => {
                *next = None;
                true
            }
            _ => false,
        }
    }
}

/// None.
#[cfg(not(feature = "faults"))]
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults;

#[cfg(not(feature = "faults"))]
impl Faults {
    pub(crate) fn due(&self, _: Fault) -> bool {
        false
    }
}
