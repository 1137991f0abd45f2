//! Shader text: the files of shaders/ put together behind a header with the type and the sizes.
//!
//! WGSL has neither generics nor includes. A kernel is a list of files; which memory its matrices
//! live in is decided by which of two files of accessors is in the list.

use crate::planner::gpu::GpuRecipe;
use crate::scalar::Dtype;
use crate::scalar::sealed::Float;

/// The kernels by entry point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    Solve,
    Sweeps,
    Resume,
    Factor,
    Begin,
    Round,
    Advance,
    Normalise,
    FormU,
    Compose,
}

impl Kernel {
    #[cfg(test)]
    pub const ALL: [Kernel; 10] = [
        Kernel::Solve,
        Kernel::Sweeps,
        Kernel::Resume,
        Kernel::Factor,
        Kernel::Begin,
        Kernel::Round,
        Kernel::Advance,
        Kernel::Normalise,
        Kernel::FormU,
        Kernel::Compose,
    ];

    pub fn entry_point(self) -> &'static str {
        match self {
            Kernel::Solve => "solve",
            Kernel::Sweeps => "sweeps",
            Kernel::Resume => "resume",
            Kernel::Factor => "factor",
            Kernel::Begin => "begin",
            Kernel::Round => "round",
            Kernel::Advance => "advance",
            Kernel::Normalise => "normalise",
            Kernel::FormU => "form_u",
            Kernel::Compose => "compose",
        }
    }

    fn files(self) -> &'static [&'static str] {
        match self {
            Kernel::Solve => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/resident_memory.wgsl"),
                include_str!("../../shaders/factor.wgsl"),
                include_str!("../../shaders/jacobi.wgsl"),
                include_str!("../../shaders/resident.wgsl"),
                include_str!("../../shaders/solve.wgsl"),
            ],
            Kernel::Sweeps | Kernel::Resume => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/resident_memory.wgsl"),
                include_str!("../../shaders/jacobi.wgsl"),
                include_str!("../../shaders/resident.wgsl"),
                include_str!("../../shaders/sweeps.wgsl"),
            ],
            Kernel::Factor => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/global_memory.wgsl"),
                include_str!("../../shaders/factor.wgsl"),
                include_str!("../../shaders/factor_global.wgsl"),
            ],
            Kernel::Begin | Kernel::Round | Kernel::Advance | Kernel::Normalise => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/global_memory.wgsl"),
                include_str!("../../shaders/jacobi.wgsl"),
                include_str!("../../shaders/rounds.wgsl"),
            ],
            Kernel::FormU => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/form_u.wgsl"),
            ],
            Kernel::Compose => &[include_str!("../../shaders/compose.wgsl")],
        }
    }
}

/// What a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Blueprint {
    pub kernel: Kernel,
    pub dtype: Dtype,
    pub workgroup: u32,
    /// Leading dimension and columns of a matrix in workgroup memory; 1 for kernels without.
    pub resident: (u32, u32),
}

/// Invocations of the composition's workgroups: an entry each.
pub(crate) const COMPOSE_WORKGROUP: u32 = 64;
/// The fewest invocations on a pair of columns in global memory.
const SMALLEST_PAIR: u32 = 32;

impl Blueprint {
    pub fn new(kernel: Kernel, dtype: Dtype, recipe: &GpuRecipe, cols: u32) -> Self {
        let resident = match kernel {
            Kernel::Solve | Kernel::Sweeps | Kernel::Resume => (recipe.leading, cols),
            _ => (1, 1),
        };
        let workgroup = match kernel {
            Kernel::Solve | Kernel::Sweeps | Kernel::Resume | Kernel::Factor | Kernel::FormU => {
                recipe.workgroup
            }
            Kernel::Begin | Kernel::Round | Kernel::Advance | Kernel::Normalise => {
                recipe.pair_lanes.max(SMALLEST_PAIR).min(recipe.workgroup)
            }
            Kernel::Compose => COMPOSE_WORKGROUP,
        };
        Blueprint {
            kernel,
            dtype,
            workgroup,
            resident,
        }
    }

    /// The WGSL text.
    pub fn text(&self) -> String {
        let (leading, cols) = self.resident;
        let mut text = header(self.dtype);
        text += &format!(
            "const WORKGROUP: u32 = {}u;\nconst A_LEN: u32 = {}u;\nconst J_LEN: u32 = {}u;\nconst COLS: u32 = {cols}u;\n",
            self.workgroup,
            leading * cols,
            (cols | 1) * cols,
        );
        for file in self.kernel.files() {
            text.push('\n');
            text += file;
        }
        text
    }
}

/// The text of the kernels that measure the device's limits.
#[cfg(not(target_family = "wasm"))]
pub(super) fn peak(dtype: Dtype, workgroup: u32, rounds: u32) -> String {
    header(dtype)
        + &format!("const WORKGROUP: u32 = {workgroup}u;\nconst ROUNDS: u32 = {rounds}u;\n\n")
        + include_str!("../../shaders/peak.wgsl")
}

/// The number type and the constants that depend on it.
fn header(dtype: Dtype) -> String {
    let (name, suffix, negligible, smallest) = match dtype {
        Dtype::F32 => (
            "f32",
            "f",
            f64::from(f32::NEGLIGIBLE),
            f64::from(f32::MIN_POSITIVE),
        ),
        Dtype::F64 => ("f64", "lf", f64::NEGLIGIBLE, f64::MIN_POSITIVE),
    };
    let constant = |name: &str, value: f64| format!("const {name}: T = {value:e}{suffix};\n");
    format!("alias T = {name};\n")
        + &constant("ZERO", 0.0)
        + &constant("HALF", 0.5)
        + &constant("ONE", 1.0)
        + &constant("TWO", 2.0)
        // Above it the square of a cotangent swallows 1 in f64, and fits f32.
        + &constant("HUGE", 1e9)
        // Below it a device may flush.
        + &constant("SMALLEST_NORMAL", smallest)
        + &constant("NEGLIGIBLE", negligible)
        + &constant("NEGLIGIBLE_SQUARE", negligible * negligible)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, Vectors};
    use crate::planner::gpu::{Path, WEBGPU, resident_bytes};
    use crate::planner::{Convergence, Job, Problem, Tuning};
    use naga::valid::{Capabilities, ValidationFlags, Validator};

    fn validated(blueprint: &Blueprint) -> naga::Module {
        let text = blueprint.text();
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|error| panic!("{blueprint:?}: {}", error.emit_to_string(&text)));
        let capabilities = match blueprint.dtype {
            Dtype::F32 => Capabilities::empty(),
            Dtype::F64 => Capabilities::FLOAT64,
        };
        Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{blueprint:?}: {}", error.emit_to_string(&text)));
        module
    }

    fn workgroup_bytes(module: &naga::Module) -> u32 {
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
            .map(|(_, variable)| layouter[variable.ty].size)
            .sum()
    }

    /// wgpu does not check workgroup memory: the planner's count must cover what shaders declare.
    #[test]
    fn every_kernel_is_valid_and_takes_no_more_memory_than_was_planned() {
        let job = Job {
            vectors: Vectors::Thin,
            composed: None,
        };
        for dtype in [Dtype::F32, Dtype::F64] {
            for (rows, cols) in [(1, 1), (3, 3), (16, 16), (41, 41), (1000, 16), (512, 512)] {
                let problem = Problem::new(rows, cols, dtype, job);
                let convergence = Convergence::new(&problem, &Options::default());
                let tuning = Tuning::default();
                let recipe = GpuRecipe::new(&problem, &convergence, &WEBGPU, &tuning).unwrap();
                for kernel in Kernel::ALL {
                    let needs_residence =
                        matches!(kernel, Kernel::Solve | Kernel::Sweeps | Kernel::Resume);
                    if needs_residence && recipe.path == Path::Rounds {
                        continue;
                    }
                    let blueprint = Blueprint::new(kernel, dtype, &recipe, cols as u32);
                    let bytes = workgroup_bytes(&validated(&blueprint));
                    let (leading, workgroup) = (recipe.leading as usize, recipe.workgroup as usize);
                    let planned = resident_bytes(leading, cols, workgroup, dtype.size()).unwrap();
                    let planned = if needs_residence { planned } else { 16384 };
                    assert!(
                        bytes as usize <= planned,
                        "{blueprint:?} takes {bytes} bytes, planned were {planned}"
                    );
                }
            }
        }
    }
}
