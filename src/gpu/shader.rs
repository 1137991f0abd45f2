//! Shader text: the files of shaders/ put together behind a header with the type and the sizes.
//!
//! WGSL has neither generics nor includes. A kernel is a list of files; which memory its matrices
//! live in is decided by which of the files of accessors is in the list.

use crate::host::delivery::NEARLY;
use crate::planner::gpu::{GpuRecipe, block, columns_places, tiny_stride};
use crate::planner::{Problem, Side};
use crate::scalar::Dtype;
use crate::scalar::sealed::Float;

/// The kernels by entry point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    Tiny,
    Columns,
    Look,
    Sort,
    Arrange,
    Solve,
    Sweeps,
    Resume,
    Factor,
    Begin,
    Blocks,
    Round,
    Advance,
    Normalise,
    FormU,
    Order,
    Place,
    Complete,
    Signs,
    Weigh,
    Project,
    Compose,
}

impl Kernel {
    #[cfg(test)]
    pub const ALL: [Kernel; 22] = [
        Kernel::Tiny,
        Kernel::Columns,
        Kernel::Look,
        Kernel::Sort,
        Kernel::Arrange,
        Kernel::Solve,
        Kernel::Sweeps,
        Kernel::Resume,
        Kernel::Factor,
        Kernel::Begin,
        Kernel::Blocks,
        Kernel::Round,
        Kernel::Advance,
        Kernel::Normalise,
        Kernel::FormU,
        Kernel::Order,
        Kernel::Place,
        Kernel::Complete,
        Kernel::Signs,
        Kernel::Weigh,
        Kernel::Project,
        Kernel::Compose,
    ];

    pub fn entry_point(self) -> &'static str {
        match self {
            Kernel::Tiny => "tiny",
            Kernel::Columns => "columns",
            Kernel::Look => "look",
            Kernel::Sort => "sort",
            Kernel::Arrange => "arrange",
            Kernel::Solve => "solve",
            Kernel::Sweeps => "sweeps",
            Kernel::Resume => "resume",
            Kernel::Factor => "factor",
            Kernel::Begin => "begin",
            Kernel::Blocks => "blocks",
            Kernel::Round => "round",
            Kernel::Advance => "advance",
            Kernel::Normalise => "normalise",
            Kernel::FormU => "form_u",
            Kernel::Order => "order",
            Kernel::Place => "place",
            Kernel::Complete => "complete",
            Kernel::Signs => "signs",
            Kernel::Weigh => "weigh",
            Kernel::Project => "project",
            Kernel::Compose => "compose",
        }
    }

    fn files(self) -> &'static [&'static str] {
        match self {
            // And the bits of the type, as all that take and give the caller's numbers, and who holds a matrix.
            Kernel::Tiny | Kernel::Columns => &[
                include_str!("../../shaders/registers.wgsl"),
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/rotation.wgsl"),
                include_str!("../../shaders/cutoff.wgsl"),
                include_str!("../../shaders/filter.wgsl"),
            ],
            Kernel::Look | Kernel::Sort | Kernel::Arrange => &[
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/intake.wgsl"),
            ],
            Kernel::Solve => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/resident_memory.wgsl"),
                include_str!("../../shaders/factor.wgsl"),
                include_str!("../../shaders/rotation.wgsl"),
                include_str!("../../shaders/jacobi.wgsl"),
                include_str!("../../shaders/resident.wgsl"),
                include_str!("../../shaders/solve.wgsl"),
            ],
            Kernel::Sweeps | Kernel::Resume => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/resident_memory.wgsl"),
                include_str!("../../shaders/rotation.wgsl"),
                include_str!("../../shaders/jacobi.wgsl"),
                include_str!("../../shaders/resident.wgsl"),
                include_str!("../../shaders/sweeps.wgsl"),
            ],
            Kernel::Factor => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/global_memory.wgsl"),
                include_str!("../../shaders/factor.wgsl"),
                include_str!("../../shaders/factor_global.wgsl"),
            ],
            Kernel::Blocks => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/blocks_memory.wgsl"),
                include_str!("../../shaders/rotation.wgsl"),
                include_str!("../../shaders/jacobi.wgsl"),
                include_str!("../../shaders/blocks.wgsl"),
            ],
            Kernel::Begin | Kernel::Round | Kernel::Advance | Kernel::Normalise => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/global_memory.wgsl"),
                include_str!("../../shaders/rotation.wgsl"),
                include_str!("../../shaders/jacobi.wgsl"),
                include_str!("../../shaders/rounds.wgsl"),
            ],
            Kernel::FormU => &[
                include_str!("../../shaders/bindings.wgsl"),
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/form_u.wgsl"),
            ],
            Kernel::Order => &[
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/cutoff.wgsl"),
                include_str!("../../shaders/filter.wgsl"),
                include_str!("../../shaders/order.wgsl"),
            ],
            Kernel::Place | Kernel::Complete | Kernel::Signs => &[
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/numbers.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/deliver.wgsl"),
            ],
            Kernel::Weigh | Kernel::Project => &[
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/team.wgsl"),
                include_str!("../../shaders/rhs.wgsl"),
            ],
            Kernel::Compose => &[
                include_str!("../../shaders/state.wgsl"),
                include_str!("../../shaders/cutoff.wgsl"),
                include_str!("../../shaders/lift.wgsl"),
                include_str!("../../shaders/compose.wgsl"),
            ],
        }
    }

    /// Whether it takes or gives numbers as the caller has them: by their bits.
    fn needs_bits(self) -> bool {
        use Kernel::*;
        matches!(
            self,
            Tiny | Columns
                | Look
                | Sort
                | Arrange
                | Order
                | Place
                | Complete
                | Signs
                | Weigh
                | Project
                | Compose
        )
    }

    /// Whether its teams of lanes sum through registers, where subgroups hold them.
    fn gathers(self) -> bool {
        use Kernel::*;
        matches!(self, Solve | Sweeps | Resume | Factor | Blocks | FormU)
    }

    /// Whether lanes share sums (team.wgsl).
    fn has_teams(self) -> bool {
        let teams = include_str!("../../shaders/team.wgsl");
        self.files().contains(&teams)
    }

    /// The buffers it sees.
    pub fn bindings(self) -> Bindings {
        use Kernel::*;
        match self {
            Tiny | Columns => Bindings::Registers,
            Look | Sort | Arrange => Bindings::Intake,
            Solve | Sweeps | Resume | Factor | Begin | Blocks | Round | Advance | Normalise
            | FormU => Bindings::Solve,
            Order => Bindings::Order,
            Place | Complete | Signs => Bindings::Deliver,
            Weigh | Project => Bindings::Rhs,
            Compose => Bindings::Compose,
        }
    }
}

/// The lists of buffers that kernels see, after their parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bindings {
    Registers,
    Intake,
    Solve,
    Order,
    Deliver,
    Rhs,
    Compose,
}

impl Bindings {
    pub const ALL: [Bindings; 7] = [
        Bindings::Registers,
        Bindings::Intake,
        Bindings::Solve,
        Bindings::Order,
        Bindings::Deliver,
        Bindings::Rhs,
        Bindings::Compose,
    ];

    /// Which of the buffers are only read: at most as many as WebGPU's defaults allow, eight.
    pub fn read_only(self) -> &'static [bool] {
        const R: bool = true;
        const W: bool = false;
        match self {
            Bindings::Registers => &[R, R, W, W, W, W, R],
            Bindings::Intake => &[R, W, W, W],
            Bindings::Solve => &[W, W, W, W, W, W, W],
            Bindings::Order => &[R, R, W, W, W],
            Bindings::Deliver => &[W, R, R, R, R, W, W, W],
            Bindings::Rhs => &[R, R, W, W, W],
            Bindings::Compose => &[R, R, R, W, W, R, R],
        }
    }
}

/// What a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Blueprint {
    pub kernel: Kernel,
    pub dtype: Dtype,
    pub workgroup: u32,
    /// Lanes of a subgroup, at least, whose registers teams may sum through; 1 for none.
    pub subgroup: u32,
    pub sizes: Sizes,
}

/// The sizes that a kernel's text knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sizes {
    /// None: they come with the call.
    Any,
    /// Of columns that are swept, in some memory, `lanes` invocations a pair. What is wanted besides is not known
    /// to the text: a compiler may round another one differently.
    Swept {
        cols: u32,
        lanes: u32,
        block: u32,
        memory: Memory,
    },
    /// Of a matrix in registers, and who holds it.
    Registers {
        rows: u32,
        cols: u32,
        u_cols: u32,
        with_v: bool,
        transposed: bool,
        composes: bool,
        fused: Option<Fused>,
        holder: Holder,
    },
}

/// Where columns lie while they are swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Memory {
    /// In workgroup memory, with leading dimensions.
    Resident {
        leading: u32,
        j_leading: u32,
    },
    /// Two blocks of them in workgroup memory.
    Blocks {
        leading: u32,
        width: u32,
    },
    Global,
}

/// A lane that has more rows of a pair reads them twice: registers would be short.
const MOST_HELD: u32 = 16;

/// A composition by the kernel that decomposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fused {
    pub left: Side,
    pub right: Side,
    /// Whether it is applied to right-hand sides.
    pub solves: bool,
}

/// Who holds a matrix in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// An invocation, with so many entries in workgroup memory.
    One { stride: u32 },
    /// So many lanes, a column each, which shuffle or not.
    Team { lanes: u32, shuffles: bool },
}

/// Invocations of the composition's workgroups: an entry each.
pub(crate) const COMPOSE_WORKGROUP: u32 = 64;
/// The fewest invocations on a pair of columns in global memory.
const SMALLEST_PAIR: u32 = 32;

impl Blueprint {
    pub fn new(kernel: Kernel, problem: &Problem, recipe: &GpuRecipe) -> Self {
        let (rows, cols) = (problem.rows as u32, problem.cols as u32);
        let workgroup = match kernel {
            Kernel::Tiny
            | Kernel::Columns
            | Kernel::Solve
            | Kernel::Sweeps
            | Kernel::Resume
            | Kernel::Factor
            | Kernel::FormU
            | Kernel::Look
            | Kernel::Sort
            | Kernel::Arrange
            | Kernel::Order
            | Kernel::Place
            | Kernel::Complete
            | Kernel::Signs
            | Kernel::Weigh
            | Kernel::Project => recipe.workgroup,
            Kernel::Blocks => recipe.block_workgroup,
            Kernel::Begin | Kernel::Round | Kernel::Advance | Kernel::Normalise => {
                recipe.pair_lanes.max(SMALLEST_PAIR).min(recipe.workgroup)
            }
            Kernel::Compose => COMPOSE_WORKGROUP,
        };
        let swept = |lanes, share: usize, memory| Sizes::Swept {
            cols,
            lanes,
            block: block(share),
            memory,
        };
        let share = problem.rows.div_ceil(recipe.column_lanes as usize);
        let sizes = match kernel {
            Kernel::Tiny | Kernel::Columns => Sizes::Registers {
                rows,
                cols,
                u_cols: problem.formed_u_cols() as u32,
                with_v: problem.forms_v(),
                transposed: problem.transposed,
                composes: problem.composed.is_some(),
                fused: problem
                    .composed
                    .filter(|_| recipe.fused)
                    .map(|(left, right)| Fused {
                        left,
                        right,
                        solves: problem.rhs.is_some(),
                    }),
                holder: match kernel {
                    Kernel::Tiny => Holder::One {
                        stride: tiny_stride(problem) as u32,
                    },
                    _ => Holder::Team {
                        lanes: recipe.team,
                        shuffles: recipe.shuffles,
                    },
                },
            },
            Kernel::Solve | Kernel::Sweeps | Kernel::Resume => {
                let (leading, j_leading) = (recipe.leading, recipe.j_leading);
                let memory = Memory::Resident { leading, j_leading };
                swept(recipe.pair_lanes, share, memory)
            }
            Kernel::Blocks => {
                let (leading, width) = (recipe.leading, recipe.block_width);
                let share = problem.cols.div_ceil(recipe.block_lanes as usize);
                swept(recipe.block_lanes, share, Memory::Blocks { leading, width })
            }
            Kernel::Begin | Kernel::Round | Kernel::Advance | Kernel::Normalise => {
                swept(workgroup, share, Memory::Global)
            }
            _ => Sizes::Any,
        };
        Blueprint {
            kernel,
            dtype: problem.dtype,
            workgroup,
            subgroup: if kernel.gathers() { recipe.subgroup } else { 1 },
            sizes,
        }
    }

    /// The WGSL text.
    pub fn text(&self) -> String {
        let mut text = header(self.dtype);
        let mut constant = |name: &str, value: u32| {
            text += &format!("const {name}: u32 = {value}u;\n");
        };
        constant("WORKGROUP", self.workgroup);
        let bits = match self.dtype {
            Dtype::F32 => include_str!("../../shaders/bits_f32.wgsl"),
            Dtype::F64 => include_str!("../../shaders/bits_f64.wgsl"),
        };
        let mut variants = if self.kernel.needs_bits() {
            vec![bits]
        } else {
            vec![]
        };
        if self.kernel.has_teams() {
            constant("SUBGROUP", self.subgroup);
            variants.push(match self.subgroup {
                0 | 1 => include_str!("../../shaders/team_workgroup.wgsl"),
                _ => include_str!("../../shaders/team_subgroup.wgsl"),
            });
        }
        let mut sizes = Unrolled::default();
        let mut pieces = String::new();
        match self.sizes {
            Sizes::Any => {}
            Sizes::Swept {
                cols,
                lanes,
                block,
                memory,
            } => {
                constant("COLS", cols);
                constant("LANES", lanes);
                constant("BLOCK", block);
                match memory {
                    Memory::Resident { leading, j_leading } => {
                        constant("LEADING", leading);
                        constant("A_LEN", leading * cols);
                        constant("J_LEADING", j_leading);
                        constant("J_LEN", j_leading * cols);
                    }
                    Memory::Blocks { leading, width } => {
                        constant("LEADING", leading);
                        constant("TILE_LEN", 2 * width * leading);
                        constant("WIDTH", width);
                    }
                    Memory::Global => {}
                }
                sizes.held = cols.div_ceil(lanes);
                variants.push(match sizes.held <= MOST_HELD {
                    true => include_str!("../../shaders/pair_held.wgsl"),
                    false => include_str!("../../shaders/pair_looped.wgsl"),
                });
            }
            Sizes::Registers {
                rows,
                cols,
                u_cols,
                with_v,
                transposed,
                composes,
                fused,
                holder,
            } => {
                constant("M", rows);
                constant("N", cols);
                constant("U_COLS", u_cols);
                // What is not fused looks at neither.
                let Fused {
                    left,
                    right,
                    solves,
                } = fused.unwrap_or(Fused {
                    left: Side::V,
                    right: Side::V,
                    solves: false,
                });
                let length = |side| match side {
                    Side::U => rows,
                    Side::V => cols,
                };
                constant("LEFT_ROWS", length(left));
                constant("RIGHT_ROWS", length(right));
                variants.push(include_str!("../../shaders/lift.wgsl"));
                // Factors whose entries lie together leave the tiny kernel as vectors.
                let alone = matches!(holder, Holder::One { .. }) && fused.is_none();
                let u_wide = if alone && u_cols <= cols {
                    width(rows * u_cols)
                } else {
                    1
                };
                let v_wide = if alone && with_v {
                    width(cols * cols)
                } else {
                    1
                };
                constant("U_WIDE", u_wide);
                constant("V_WIDE", v_wide);
                pieces += &piece("U", "u", u_wide);
                pieces += &piece("V", "v", v_wide);
                match holder {
                    Holder::One { stride } => {
                        let place = |side| match side {
                            Side::U => 0,
                            Side::V => rows * u_cols.min(cols),
                        };
                        constant("STRIDE", stride);
                        constant("V_STRIDE", (cols * cols) | 1);
                        constant("LEFT", place(left));
                        constant("RIGHT", place(right));
                        variants.push(include_str!("../../shaders/tiny.wgsl"));
                    }
                    Holder::Team { lanes, shuffles } => {
                        let places = columns_places(rows as usize, cols as usize, shuffles) as u32;
                        constant("LANES", lanes);
                        constant("PLACES", places * self.workgroup);
                        // R lies behind what lanes give each other.
                        constant("R_ROW", if shuffles { 0 } else { rows + 1 });
                        variants.push(include_str!("../../shaders/columns.wgsl"));
                        variants.push(match shuffles {
                            true => include_str!("../../shaders/exchange_subgroup.wgsl"),
                            false => include_str!("../../shaders/exchange_workgroup.wgsl"),
                        });
                    }
                }
                for (name, value) in [
                    ("TRANSPOSED", transposed),
                    ("WITH_V", with_v),
                    ("COMPOSES", composes),
                    ("FUSED", fused.is_some()),
                    ("PACKED", fused.is_some() || !composes),
                    ("LEFT_U", left == Side::U),
                    ("RIGHT_U", right == Side::U),
                    ("SOLVES", solves),
                ] {
                    text += &format!("const {name}: bool = {value};\n");
                }
                sizes = Unrolled {
                    rows,
                    cols,
                    u_cols,
                    held: 0,
                };
            }
        }
        text += &pieces;
        for file in [&variants, self.kernel.files()].concat() {
            text.push('\n');
            sizes.unroll(&mut text, &file.lines().collect::<Vec<_>>(), &[]);
        }
        text
    }
}

/// The widest vector that so many entries can be written in.
fn width(entries: u32) -> u32 {
    match entries {
        0 => 1,
        _ => 1 << entries.trailing_zeros().min(2),
    }
}

/// The type of what is written at once of a factor, and how the tiny kernel takes it from its places.
fn piece(factor: &str, name: &str, wide: u32) -> String {
    let (kind, entries) = match wide {
        1 => ("T".to_string(), "places[at]".to_string()),
        _ => {
            let entries: Vec<String> = (0..wide).map(|k| format!("places[at + {k}u]")).collect();
            (format!("vec{wide}<T>"), entries.join(", "))
        }
    };
    format!(
        "alias {factor}Piece = {kind};\n\
         fn {name}_piece(at: u32) -> {factor}Piece {{\n    return {factor}Piece({entries});\n}}\n"
    )
}

/// The sizes that a text is unrolled for.
///
/// A line with `$m` is repeated for each row, one with `$n` for each column, with both for each entry; what
/// is between `//$ for k in 0..N` and `//$ end` for each number, as `$k`. Bounds are numbers, numbers of
/// enclosing ranges, `+1`, M, N, W (columns of U, but no more than N) and K (rows of a pair that a lane holds); `rev` counts down. `$4` is the number modulo 4. Comments stay as they are.
#[derive(Clone, Copy, Default)]
struct Unrolled {
    rows: u32,
    cols: u32,
    u_cols: u32,
    held: u32,
}

impl Unrolled {
    fn unroll(&self, text: &mut String, lines: &[&str], bound: &[(&str, u32)]) {
        let mut rest = lines;
        while let Some((line, after)) = rest.split_first() {
            rest = after;
            let Some(range) = line.trim_start().strip_prefix("//$ for ") else {
                self.line(text, line, bound);
                continue;
            };
            let mut depth = 1;
            let end = after.iter().position(|line| {
                let line = line.trim_start();
                depth += i32::from(line.starts_with("//$ for "));
                depth -= i32::from(line == "//$ end");
                depth == 0
            });
            let end = end.expect("every range of a shader ends");
            let (name, values) = self.range(range, bound);
            for value in values {
                let bound = [bound, &[(name, value)]].concat();
                self.unroll(text, &after[..end], &bound);
            }
            rest = &after[end + 1..];
        }
    }

    /// `k in rev 0..N`: the name, and its numbers.
    fn range<'t>(&self, range: &'t str, bound: &[(&str, u32)]) -> (&'t str, Vec<u32>) {
        let (name, values) = range.split_once(" in ").expect("a range names its number");
        let down = values.strip_prefix("rev ");
        let ends = down.unwrap_or(values).split_once("..");
        let (start, end) = ends.expect("a range has two ends");
        let values = self.number(start, bound)..self.number(end, bound);
        let values = match down {
            Some(_) => values.rev().collect(),
            None => values.collect(),
        };
        (name, values)
    }

    fn number(&self, text: &str, bound: &[(&str, u32)]) -> u32 {
        let (text, more) = match text.strip_suffix("+1") {
            Some(text) => (text, 1),
            None => (text, 0),
        };
        let value = match text {
            "M" => self.rows,
            "N" => self.cols,
            "W" => self.u_cols.min(self.cols),
            "K" => self.held,
            _ => match bound.iter().rev().find(|(name, _)| *name == text) {
                Some((_, value)) => *value,
                None => text.parse().expect("a bound is a number"),
            },
        };
        value + more
    }

    /// A line that is none of ours.
    fn line(&self, text: &mut String, line: &str, bound: &[(&str, u32)]) {
        if !line.trim_start().starts_with("//") {
            for (name, size) in [("n", self.cols), ("m", self.rows)] {
                let free = bound.iter().all(|(known, _)| *known != name);
                if free && line.contains(&format!("${name}")) {
                    for value in 0..size {
                        self.line(text, line, &[bound, &[(name, value)]].concat());
                    }
                    return;
                }
            }
        }
        let mut line = line.to_string();
        for (name, value) in bound {
            line = line.replace(&format!("${name}"), &value.to_string());
        }
        if let Some((_, last)) = bound.last() {
            line = line.replace("$4", &(last % 4).to_string());
        }
        text.push_str(&line);
        text.push('\n');
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
    let (name, suffix, negligible, [smallest, largest], [target, least, most]) = match dtype {
        Dtype::F32 => (
            "f32",
            "f",
            f64::from(f32::NEGLIGIBLE),
            [f32::MIN_POSITIVE.into(), f32::MAX.into()],
            [f32::TARGET, -126, 127],
        ),
        Dtype::F64 => (
            "f64",
            "lf",
            f64::NEGLIGIBLE,
            [f64::MIN_POSITIVE, f64::MAX],
            [f64::TARGET, -1022, 1023],
        ),
    };
    let constant = |name: &str, value: f64| format!("const {name}: T = {value:e}{suffix};\n");
    let integer = |name: &str, value: i32| format!("const {name}: i32 = {value};\n");
    format!("alias T = {name};\n")
        + &constant("ZERO", 0.0)
        + &constant("HALF", 0.5)
        + &constant("ONE", 1.0)
        + &constant("TWO", 2.0)
        // Below it a device may flush.
        + &constant("SMALLEST_NORMAL", smallest)
        + &constant("LARGEST", largest)
        + &constant("NEARLY", NEARLY)
        + &constant("NEGLIGIBLE", negligible)
        + &constant("NEGLIGIBLE_SQUARE", negligible * negligible)
        // Exponents: of the largest entry of a scaled matrix, of what is negligible in it, of the least and the largest
        // power of two, and what no number has.
        + &integer("TARGET", target)
        + &integer("NEGLIGIBLE_EXPONENT", negligible.exponent())
        + &integer("LEAST", least)
        + &integer("MOST", most)
        + &integer("NO_EXPONENT", -10_000)
        + &integer("NOT_FINITE", 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, Vectors};
    use crate::planner::gpu::{Limits, Path, WEBGPU};
    use crate::planner::{Convergence, Filter, Job, Tuning};
    use naga::back::{hlsl, msl, spv};
    use naga::valid::{Capabilities, ValidationFlags, Validator};

    fn validated(blueprint: &Blueprint) -> naga::Module {
        let text = blueprint.text();
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|error| panic!("{blueprint:?}: {}", error.emit_to_string(&text)));
        let capabilities = match blueprint.dtype {
            Dtype::F32 => Capabilities::empty(),
            Dtype::F64 => Capabilities::FLOAT64,
        } | Capabilities::SUBGROUP;
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{blueprint:?}: {}", error.emit_to_string(&text)));
        let spirv = spv::write_vec(&module, &info, &spv::Options::default(), None);
        assert!(spirv.is_ok(), "{blueprint:?}: {spirv:?}");
        // Neither language has f64.
        if blueprint.dtype == Dtype::F32 {
            let options = msl::Options {
                lang_version: (2, 4),
                fake_missing_bindings: true,
                ..Default::default()
            };
            let metal = msl::write_string(&module, &info, &options, &Default::default());
            assert!(metal.is_ok(), "{blueprint:?}: {metal:?}");
            let options = hlsl::Options {
                shader_model: hlsl::ShaderModel::V6_0,
                fake_missing_bindings: true,
                ..Default::default()
            };
            let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
            let direct3d = hlsl::Writer::new(&mut text, &options, &pipeline)
                .write(&module, &info, None)
                .map(|_| ());
            assert!(direct3d.is_ok(), "{blueprint:?}: {direct3d:?}");
        }
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

    /// Checks every kernel of one problem.
    fn every(rows: usize, cols: usize, job: Job, dtype: Dtype, limits: &Limits, tuning: &Tuning) {
        let problem = Problem::new(rows, cols, dtype, job);
        let convergence = Convergence::new(&problem, &Options::default());
        let recipe = GpuRecipe::new(&problem, &convergence, limits, tuning).unwrap();
        for kernel in Kernel::ALL {
            check(kernel, &problem, &recipe);
        }
    }

    /// Valid, and translated for Vulkan, Metal and Direct3D. wgpu does not check workgroup memory: the
    /// planner's count must cover what shaders declare.
    #[test]
    fn every_kernel_is_valid_and_takes_no_more_memory_than_was_planned() {
        // In registers where they fit, with subgroups and without; and not in registers.
        for (tiny, subgroup, words) in [(6, 1, 128), (0, 1, 128), (0, 32, 128), (0, 1, 0)] {
            let limits = Limits { subgroup, ..WEBGPU };
            let tuning = Tuning {
                invocation_words: Some(words),
                tiny_columns: Some(tiny),
                ..Tuning::default()
            };
            for dtype in [Dtype::F32, Dtype::F64] {
                for (rows, cols) in [
                    (1, 1),
                    (3, 3),
                    (6, 6),
                    (19, 4),
                    (63, 1),
                    (16, 16),
                    (41, 41),
                    (99, 99),
                    (1000, 16),
                    (512, 512),
                ] {
                    every(rows, cols, Job::svd(Vectors::Thin), dtype, &limits, &tuning);
                }
                // Texts differ by what is asked for, and by orientation.
                let [values, full] = [Vectors::None, Vectors::Full].map(Job::svd);
                let projector = |side| Job::composition(side, Filter::Keep, side);
                let [left, right] = [Side::U, Side::V].map(projector);
                let (pinv, lstsq) = (Job::inverse(None), Job::inverse(Some(2)));
                for job in [values, full, pinv, lstsq, left, right] {
                    for (rows, cols) in [(5, 3), (3, 5), (2, 18), (30, 2)] {
                        every(rows, cols, job, dtype, &limits, &tuning);
                    }
                }
            }
        }
    }

    fn check(kernel: Kernel, problem: &Problem, recipe: &GpuRecipe) {
        let planned = match (kernel, recipe.path) {
            (Kernel::Tiny, Path::Tiny)
            | (Kernel::Columns, Path::Columns)
            | (Kernel::Solve | Kernel::Sweeps | Kernel::Resume, Path::Resident | Path::Swept)
            | (Kernel::Blocks, Path::Blocks) => recipe.workgroup_bytes(problem),
            (
                Kernel::Tiny
                | Kernel::Columns
                | Kernel::Solve
                | Kernel::Sweeps
                | Kernel::Resume
                | Kernel::Blocks,
                _,
            ) => return,
            _ => 16384,
        };
        let blueprint = Blueprint::new(kernel, problem, recipe);
        let bytes = workgroup_bytes(&validated(&blueprint));
        assert!(
            bytes as usize <= planned,
            "{blueprint:?} takes {bytes} bytes, planned were {planned}"
        );
    }
}
