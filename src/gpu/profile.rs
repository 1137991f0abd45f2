//! Seconds of each kernel: of its dispatches, and of its compilation.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gpu::shader::{Blueprint, Holder, Memory, Sizes};
use crate::profile::KernelProfile;

/// What was measured since the last look, in the order in which kernels first came.
#[derive(Default)]
pub(super) struct Profile(Mutex<Vec<(Blueprint, KernelProfile)>>);

impl Profile {
    fn kernels(&self) -> MutexGuard<'_, Vec<(Blueprint, KernelProfile)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, blueprint: Blueprint, f: impl FnOnce(&mut KernelProfile)) {
        let mut kernels = self.kernels();
        let known = kernels.iter().position(|(known, _)| *known == blueprint);
        let index = known.unwrap_or_else(|| {
            let profile = KernelProfile {
                kernel: blueprint.kernel.entry_point(),
                form: form(&blueprint),
                dispatches: 0,
                seconds: 0.0,
                compiled: None,
            };
            kernels.push((blueprint, profile));
            kernels.len() - 1
        });
        f(&mut kernels[index].1);
    }

    pub fn dispatched(&self, blueprint: Blueprint) {
        self.of(blueprint, |kernel| kernel.dispatches += 1);
    }

    pub fn took(&self, blueprint: Blueprint, seconds: f64) {
        self.of(blueprint, |kernel| kernel.seconds += seconds);
    }

    pub fn compiled(&self, blueprint: Blueprint, seconds: f64) {
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
    let sizes = match blueprint.sizes {
        Sizes::Any => "any size".to_string(),
        Sizes::Swept { cols, memory, .. } => match memory {
            Memory::Resident { leading, .. } => format!("{cols} columns {leading} apart"),
            Memory::Blocks { leading, width } => format!("{width} columns {leading} apart"),
            Memory::Global => format!("{cols} columns"),
        },
        Sizes::Registers {
            rows,
            cols,
            u_cols,
            with_v,
            fused,
            holder,
            ..
        } => {
            let v = if with_v { ", v" } else { "" };
            let fused = if fused.is_some() { ", composed" } else { "" };
            let holder = match holder {
                Holder::One { .. } => "an invocation".to_string(),
                Holder::Team { lanes, shuffles } => {
                    let how = if shuffles { "shuffling" } else { "sharing" };
                    format!("{lanes} lanes {how}")
                }
            };
            format!("{rows}x{cols}, {u_cols} of u{v}{fused}, {holder}")
        }
    };
    let (dtype, workgroup) = (blueprint.dtype, blueprint.workgroup);
    format!("{dtype} {sizes}, workgroup {workgroup}")
}
