//! Seconds of each kernel: of its dispatches, and of its compilation.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::data::profile::KernelProfile;
use crate::shader::Blueprint;

/// What was measured since the last look, in the order in which kernels first came.
#[derive(Default)]
pub(super) struct Profile(Mutex<Vec<(Arc<Blueprint>, KernelProfile)>>);

impl Profile {
    fn kernels(&self) -> MutexGuard<'_, Vec<(Arc<Blueprint>, KernelProfile)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, blueprint: &Arc<Blueprint>, f: impl FnOnce(&mut KernelProfile)) {
        let mut kernels = self.kernels();
        let known = kernels.iter().position(|(known, _)| known == blueprint);
        let index = known.unwrap_or_else(|| {
            let profile = KernelProfile {
                kernel: blueprint.kernel.entry,
                form: form(blueprint),
                dispatches: 0,
                seconds: 0.0,
                compiled: None,
            };
            kernels.push((Arc::clone(blueprint), profile));
            kernels.len() - 1
        });
        f(&mut kernels[index].1);
    }

    pub fn dispatched(&self, blueprint: &Arc<Blueprint>) {
        self.of(blueprint, |kernel| kernel.dispatches += 1);
    }

    pub fn took(&self, blueprint: &Arc<Blueprint>, seconds: f64) {
        self.of(blueprint, |kernel| kernel.seconds += seconds);
    }

    pub fn compiled(&self, blueprint: &Arc<Blueprint>, seconds: f64) {
        self.of(blueprint, |kernel| {
            *kernel.compiled.get_or_insert_default() += seconds;
        });
    }

    /// Everything since the last look.
    pub fn take(&self) -> Vec<KernelProfile> {
        let kernels = std::mem::take(&mut *self.kernels());
        kernels.into_iter().map(|(_, kernel)| kernel).collect()
    }
}

/// What a kernel's text was made for, in words.
fn form(blueprint: &Blueprint) -> String {
    let sizes = match blueprint.sizes.words.as_str() {
        "" => "any size",
        words => words,
    };
    let (dtype, workgroup) = (blueprint.dtype, blueprint.workgroup);
    format!("{dtype} {sizes}, workgroup {workgroup}")
}
