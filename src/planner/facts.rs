//! What a device is, and what the planner makes of it.

use crate::planner::limits::Limits;

/// What kind of device it is: how long one submit may take, and how slow its compiler is, hang on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// A card with memory of its own.
    Discrete,
    /// A part of the processor, or anything that is not known better.
    Integrated,
    /// A processor in disguise.
    Software,
}

/// What a device is, as far as kernels are chosen by it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceFacts {
    /// What it is called.
    pub name: String,
    /// What kind of device it is.
    pub kind: DeviceKind,
    /// The vendor's PCI id: 0x10de is NVIDIA, 0x1002 AMD. Zero where nobody tells.
    pub vendor: u32,
    /// Whether its shaders compute in f64.
    pub has_f64: bool,
    /// Invocations in the smallest subgroup; 1 where there are none.
    pub subgroup: u32,
    /// Bytes of memory that a workgroup may have.
    pub workgroup_storage: u32,
    /// Invocations that a workgroup may have.
    pub workgroup_invocations: u32,
    /// Workgroups along one dimension of a dispatch.
    pub workgroups: u32,
    /// Bytes in a storage binding.
    pub binding: u64,
    /// Bytes in a buffer.
    pub buffer: u64,
    /// What it has to compute with. No driver tells.
    pub units: Option<Units>,
}

/// What a device has to compute with: NVIDIA's streaming multiprocessors, AMD's work group processors, Apple's cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Units {
    /// How many.
    pub count: u32,
    /// Invocations that one holds at a time.
    pub invocations: u32,
    /// Bytes of workgroup memory of one.
    pub storage: u32,
    /// 32-bit registers of one.
    pub registers: u32,
}

impl Units {
    /// So many units, with what one of them holds.
    pub fn new(count: u32, invocations: u32, storage: u32, registers: u32) -> Self {
        Units {
            count,
            invocations,
            storage,
            registers,
        }
    }
}

const NVIDIA: u32 = 0x10de;
const AMD: u32 = 0x1002;

impl DeviceFacts {
    /// WebGPU's default limits: what every browser gives.
    pub fn webgpu() -> Self {
        DeviceFacts {
            name: "WebGPU's default limits".into(),
            kind: DeviceKind::Integrated,
            vendor: 0,
            has_f64: false,
            subgroup: 1,
            workgroup_storage: 16384,
            workgroup_invocations: 256,
            workgroups: 65535,
            binding: 128 << 20,
            buffer: 256 << 20,
            units: None,
        }
    }

    /// What the planner goes by.
    pub(crate) fn limits(&self) -> Limits {
        let software = self.kind == DeviceKind::Software;
        Limits {
            workgroup_storage: self.workgroup_storage,
            workgroup_invocations: self.workgroup_invocations,
            binding: self.binding,
            buffer: self.buffer,
            workgroups: self.workgroups,
            has_f64: self.has_f64,
            subgroup: self.subgroup,
            // What compilers keep in registers without spilling (f32, f64): NVIDIA's and AMD's were asked. A software
            // adapter's takes seconds for more.
            invocation_words: match (self.kind, self.vendor) {
                (DeviceKind::Software, _) => [32, 32],
                (_, NVIDIA) => [256, 256],
                (_, AMD) => [192, 160],
                _ => [128, 128],
            },
            tiny_columns: if software { 4 } else { 6 },
            // Every two rows are compared. SwiftShader's compiler takes two seconds for 32x2 and 19x4, five for 63x1.
            tiny_rows: if software { 32 } else { usize::MAX },
            fuses_columns: !software,
            // Half of lavapipe's limit: the planner's counts are estimates.
            iterations: if software { 1 << 15 } else { u64::MAX },
            // A card of 132 units is filled at 24 to 64 columns, and takes about 10 ms; a small one some tenths of a
            // second.
            submit_flops: match self.kind {
                DeviceKind::Discrete => 128 << 30,
                _ => 4 << 30,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::options::Options;
    use crate::data::scalar::Dtype;
    use crate::data::tuning::Tuning;
    use crate::planner::Vectors;
    use crate::planner::convergence::Convergence;
    use crate::planner::gpu::GpuRecipe;
    use crate::planner::paths::plan::Applies;
    use crate::planner::paths::{Columns, Refusal, Resident, Tiny};
    use crate::planner::problem::{Job, Problem};

    #[test]
    fn software_adapters_hold_no_tall_matrices_in_an_invocation() {
        let path = |kind, rows, cols| {
            let facts = DeviceFacts {
                kind,
                workgroup_storage: 32768,
                ..DeviceFacts::webgpu()
            };
            let problem = Problem::new(rows, cols, Dtype::F32, Job::svd(Vectors::Thin));
            let convergence = Convergence::new(&problem, &Options::default());
            let tuning = Tuning::default();
            let found = GpuRecipe::explained(&problem, &convergence, &facts.limits(), &tuning);
            let (recipe, refused) = found.unwrap();
            (recipe.path.name(), refused)
        };
        use DeviceKind::{Integrated, Software};
        assert_eq!(path(Integrated, 63, 1).0, Tiny::NAME);
        assert_eq!(path(Software, 32, 2).0, Tiny::NAME);
        let (taken, refused) = path(Software, 63, 1);
        assert_eq!(taken, Resident::NAME);
        let why = "takes 63 rows, of 32 an invocation".to_string();
        let tiny = Refusal {
            path: Tiny::NAME,
            why,
        };
        assert_eq!(refused[0], tiny);
        // As tall as their columns may be.
        assert_eq!(path(Software, 17, 5).0, Columns::NAME);
    }
}
