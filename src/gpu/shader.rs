//! Shader text: the files of shaders/ put together behind a header with the type and the sizes.
//!
//! WGSL has neither generics nor includes. A kernel is a list of files; which memory its matrices
//! live in is decided by which of two files of accessors is in the list.

use crate::planner::GpuRecipe;
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

/// The number type and the constants that depend on it.
fn header(dtype: Dtype) -> String {
    let (name, suffix, negligible) = match dtype {
        Dtype::F32 => ("f32", "f", f64::from(f32::NEGLIGIBLE)),
        Dtype::F64 => ("f64", "lf", f64::NEGLIGIBLE),
    };
    let constant = |name: &str, value: f64| format!("const {name}: T = {value:e}{suffix};\n");
    format!("alias T = {name};\n")
        + &constant("ZERO", 0.0)
        + &constant("HALF", 0.5)
        + &constant("ONE", 1.0)
        + &constant("TWO", 2.0)
        // Above it the square of a cotangent swallows 1 in f64, and fits f32.
        + &constant("HUGE", 1e9)
        + &constant("NEGLIGIBLE", negligible)
        + &constant("NEGLIGIBLE_SQUARE", negligible * negligible)
}
