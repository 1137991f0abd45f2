//! Recipes for the GPU engine.

#[cfg(feature = "gpu")]
use crate::planner::Side;
use crate::planner::{Convergence, NO_F64, Problem, Tuning, work};
use crate::scalar::Dtype;

/// What a device allows, of what the planner cares about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of workgroup memory. wgpu does not check it: the planner must.
    pub workgroup_storage: u32,
    pub workgroup_invocations: u32,
    /// Bytes in a storage binding.
    pub binding: u64,
    /// Bytes in a buffer.
    pub buffer: u64,
    /// Workgroups along one dimension of a dispatch.
    pub workgroups: u32,
    pub has_f64: bool,
    /// Invocations in the smallest subgroup; 1 where there are none.
    pub subgroup: u32,
    /// 32-bit words that an invocation may hold in registers, in f32 and in f64, unless the caller knows better.
    pub invocation_words: [u32; 2],
    /// Columns of a matrix that one invocation may hold in registers, unless the caller knows better.
    pub tiny_columns: usize,
    /// Rows of it.
    pub tiny_rows: usize,
    /// Whether matrices with a column a lane are composed where they are decomposed, unless the caller knows better:
    /// it saves the memory's time and costs the compiler's.
    pub fuses_columns: bool,
    /// Iterations of all loops of one invocation together. Mesa's lavapipe leaves every loop,
    /// silently, once a shader has gone round 65535 times in all; hardware has no such limit.
    pub iterations: u64,
    /// Floating-point operations in one submit, unless the caller knows better.
    pub submit_flops: u64,
}

/// WebGPU's default limits, and f64 besides: what tests plan for.
#[cfg(test)]
pub(crate) const WEBGPU: Limits = Limits {
    workgroup_storage: 16384,
    workgroup_invocations: 256,
    binding: 128 << 20,
    buffer: 256 << 20,
    workgroups: 65535,
    has_f64: true,
    subgroup: 1,
    invocation_words: [128, 128],
    tiny_columns: 4,
    tiny_rows: usize::MAX,
    fuses_columns: true,
    iterations: u64::MAX,
    submit_flops: 4 << 30,
};

/// Where the columns live during the sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Path {
    /// In registers from the load to U and V, a matrix an invocation.
    Tiny,
    /// In registers from the load to U, a column a lane, and several matrices a workgroup.
    Columns,
    /// In workgroup memory from the load to the singular values: one workgroup a matrix.
    Resident,
    /// QR in global memory, then the sweeps in workgroup memory: tall matrices.
    Swept,
    /// In global memory, and two blocks of them at a time in workgroup memory; a dispatch a round of blocks:
    /// large matrices.
    Blocks,
    /// In global memory, a dispatch a round of columns: so large that no two blocks of two fit.
    Rounds,
}

#[cfg(feature = "gpu")]
impl Path {
    /// The name under which reports show the kernel.
    pub fn name(self) -> &'static str {
        match self {
            Path::Tiny => "jacobi-tiny",
            Path::Columns => "jacobi-columns",
            Path::Resident => "jacobi-resident",
            Path::Swept => "jacobi-swept",
            Path::Blocks => "jacobi-blocks",
            Path::Rounds => "jacobi-rounds",
        }
    }

    /// Whether one kernel does everything.
    pub fn in_registers(self) -> bool {
        matches!(self, Path::Tiny | Path::Columns)
    }

    /// Whether the host is asked between sweeps if any matrix needs more.
    pub fn asks_between_sweeps(self) -> bool {
        matches!(self, Path::Blocks | Path::Rounds)
    }
}

/// A path that does not apply, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub path: Path,
    pub why: String,
}

/// How the GPU engine solves a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GpuRecipe {
    pub path: Path,
    /// Invocations of a workgroup that solves one matrix (factor, sweeps).
    pub workgroup: u32,
    /// Lanes of a matrix that lies in registers; a power of two.
    pub team: u32,
    /// Whether these lanes read each other's registers: they lie in one subgroup.
    pub shuffles: bool,
    /// Whether the kernel that decomposes composes too.
    pub fused: bool,
    /// Invocations that share a column in the QR and in forming U; a power of two.
    pub column_lanes: u32,
    /// Invocations that share a pair of columns in the sweeps; a power of two.
    pub pair_lanes: u32,
    /// Lanes of a subgroup, at least; 1 for none.
    pub subgroup: u32,
    /// Columns of a block, of which two meet in a workgroup of so many invocations, so many on a pair of
    /// columns (a power of two).
    pub block_width: u32,
    pub block_workgroup: u32,
    pub block_lanes: u32,
    /// Leading dimensions of what lies in workgroup memory, X and J: by them rows spread over its banks.
    pub leading: u32,
    pub j_leading: u32,
    /// Matrices that lie on the device at a time.
    pub chunk: usize,
    /// Matrices in one submit of the resident kernels and of that in registers.
    pub matrices_per_submit: usize,
    /// Sweeps of the resident kernels in one dispatch.
    pub sweeps_per_dispatch: u32,
    /// Steps of the sort of the rows in one submit, for a whole chunk.
    pub sorts_per_submit: u32,
    /// Steps of the global QR in one submit, for a whole chunk.
    pub steps_per_submit: u32,
    /// Rounds of the global sweeps in one submit, for a whole chunk.
    pub rounds_per_submit: u32,
    /// Columns of U formed in one submit, for a whole chunk.
    pub columns_per_submit: u32,
    /// Columns of V completed in one submit, for a whole chunk.
    pub completed_per_submit: u32,
    /// Matrices composed in one submit.
    pub composed_per_submit: usize,
}

/// Bytes of what a kernel knows of a matrix, at most.
pub(crate) const STATE_BYTES: u64 = 32;
/// The same of a kernel that does everything, and tells the host alone.
#[cfg(feature = "gpu")]
pub(crate) const PACKED_BYTES: u64 = 16;
/// So many workgroups keep a GPU at work; fewer leave most of it idle, and take their time.
const FEW_WORKGROUPS: u64 = 64;
/// No subgroup is smaller anywhere that matters; a smaller workgroup would leave lanes idle.
const SMALLEST_WORKGROUP: u32 = 32;

impl GpuRecipe {
    /// The recipe, or why this device cannot.
    pub fn new(
        problem: &Problem,
        convergence: &Convergence,
        limits: &Limits,
        tuning: &Tuning,
    ) -> Result<Self, String> {
        Self::explained(problem, convergence, limits, tuning).map(|(recipe, _)| recipe)
    }

    /// The same, and why other paths were refused.
    pub fn explained(
        problem: &Problem,
        convergence: &Convergence,
        limits: &Limits,
        tuning: &Tuning,
    ) -> Result<(Self, Vec<Refusal>), String> {
        let (m, n, size) = (problem.rows, problem.cols, problem.dtype.size());
        if problem.dtype == Dtype::F64 && !limits.has_f64 {
            return Err(NO_F64.into());
        }
        if m > (1 << 24) {
            return Err(format!("{m} rows: the kernels take at most 2^24"));
        }
        // Shaders count entries in 32 bits.
        let binding = limits.binding.min(1 << 30);
        let (m64, n64, size64) = (m as u64, n as u64, size as u64);
        let u_size = m64 * problem.formed_u_cols() as u64;
        let composed = problem.sizes().composed as u64;
        let [length, rhs] = problem.rhs_size().unwrap_or_default().map(|n| n as u64);
        let rows = m64 * (size64 + 4);
        let entries = [
            u_size,
            m64 * n64,
            composed,
            2 * n64 + 6,
            length.saturating_mul(rhs),
            n64 * rhs,
        ];
        let widest = entries
            .into_iter()
            .fold(0, u64::max)
            .saturating_mul(size64)
            .max(rows);
        let widest = widest.max(STATE_BYTES);
        // Everything that is read back at once.
        let readback = size64 * ((u_size + n64 * n64).max(composed) + n64) + 32;
        if widest > binding || readback > limits.buffer {
            return Err(format!(
                "one {m}x{n} matrix with its factors takes buffers of {widest} and {readback} bytes, but the device has at most {binding} and {}",
                limits.buffer
            ));
        }

        let most = tuning
            .workgroup_invocations
            .min(limits.workgroup_invocations)
            .max(1);
        let most = 1 << most.ilog2();
        let per_lane = tuning.rows_per_lane.max(1);
        let column_lanes = (m.div_ceil(per_lane).next_power_of_two() as u32).min(most);
        let pair_lanes = (n.div_ceil(per_lane).next_power_of_two() as u32).min(most);
        let wanted = (n as u32 * column_lanes).max((n as u32).div_ceil(2) * pair_lanes);
        let workgroup = wanted
            .next_power_of_two()
            .clamp(SMALLEST_WORKGROUP.min(most), most);

        let storage = tuning.workgroup_storage.min(limits.workgroup_storage) as usize;
        let iterations = Iterations {
            rows: m as u64,
            cols: n as u64,
            workgroup: workgroup.into(),
            column_lanes: column_lanes.into(),
            pair_lanes: pair_lanes.into(),
        };
        let loops = |rows: usize| {
            let solve = if rows == m { iterations.solve() } else { 0 };
            limits
                .iterations
                .saturating_sub(solve + iterations.copies())
                / iterations.sweep()
        };
        // Leading dimensions of so many rows in workgroup memory: spread over its banks if they fit, else the least.
        let resident = |rows: usize| -> Result<[usize; 2], String> {
            if loops(rows) < 1 {
                return Err("a sweep takes more iterations than the driver stays in loops".into());
            }
            let step = teams_a_turn(pair_lanes, size);
            let mut bytes = None;
            for leading in [
                [rows, n].map(|length| spread(length, step)),
                [rows | 1, n | 1],
            ] {
                bytes = resident_bytes(leading, n, workgroup as usize, size);
                if bytes.is_some_and(|bytes| bytes <= storage) {
                    return Ok(leading);
                }
            }
            let bytes = bytes.map_or("too many".into(), |bytes| bytes.to_string());
            Err(format!(
                "takes {bytes} bytes of workgroup memory, of {storage}"
            ))
        };
        let mut refused = Vec::new();
        let mut refuse = |path, why| refused.push(Refusal { path, why });
        let mut registers = None;
        let mut blocks = None;
        let mut leading = [n, n];
        // The first that applies, and why those before it do not.
        let path = 'chosen: {
            match Registers::tiny(problem, convergence, limits, tuning) {
                Ok(tiny) => {
                    registers = Some(tiny);
                    break 'chosen Path::Tiny;
                }
                Err(why) => refuse(Path::Tiny, why),
            }
            match Registers::columns(problem, convergence, limits, tuning) {
                Ok(columns) => {
                    registers = Some(columns);
                    break 'chosen Path::Columns;
                }
                Err(why) => refuse(Path::Columns, why),
            }
            for (path, rows) in [(Path::Resident, m), (Path::Swept, n)] {
                match resident(rows) {
                    Ok(found) => {
                        leading = found;
                        break 'chosen path;
                    }
                    Err(why) => refuse(path, why),
                }
            }
            match Blocks::new(n, size, most, limits, tuning) {
                Ok(found) => {
                    leading = [found.leading as usize; 2];
                    blocks = Some(found);
                    break 'chosen Path::Blocks;
                }
                Err(why) => refuse(Path::Blocks, why),
            }
            Path::Rounds
        };
        // The global kernels keep only partial sums in workgroup memory.
        let global = workgroup as usize * (3 * size + 4) + 64;
        if global > storage && !matches!(path, Path::Tiny | Path::Columns | Path::Resident) {
            return Err(format!(
                "the kernels take {global} bytes of workgroup memory, but may have {storage}"
            ));
        }

        let longest = iterations
            .step()
            .max(iterations.form_u())
            .max(iterations.complete())
            .max(iterations.sort_step())
            .max(iterations.rhs(length, rhs));
        if longest > limits.iterations {
            return Err(format!(
                "a {m}x{n} matrix takes {longest} iterations of a loop, but the driver may leave loops after {}",
                limits.iterations
            ));
        }

        let submit_flops = tuning.submit_flops.unwrap_or(limits.submit_flops);
        let flops = |work: u64| submit_flops / work.max(1);
        let step = 4 * m64 * n64;
        // A sweep has as many rounds as a matrix has columns; of blocks it has fewer, and the first does
        // most.
        let (rounds_at_once, pairs) = match (path, blocks) {
            (Path::Blocks, Some(blocks)) => {
                let width = u64::from(blocks.width);
                (2 * width - 1, n64.div_ceil(2 * width))
            }
            _ => (1, n64.div_ceil(2)),
        };
        let round = 11 * n64 * n64 * rounds_at_once;
        let workgroups = u64::from(limits.workgroups);
        // Matrices that share a workgroup.
        let teams = registers.map_or(1, |registers| {
            u64::from(registers.workgroup / registers.team)
        });
        let by_bytes = (tuning.chunk_bytes.min(binding) / widest).min(limits.buffer / readback);
        // One dimension of a dispatch counts the workgroups of matrices. A chunk must also be small
        // enough for one QR step and one round of all its matrices to be one bounded submit.
        let chunk = by_bytes
            .min(workgroups * teams)
            .min(match path {
                Path::Tiny | Path::Columns | Path::Resident => u64::MAX,
                Path::Swept => flops(step),
                Path::Blocks | Path::Rounds => flops(step.max(round)),
            })
            .max(1);
        let bounded = |work: u64| flops(work).clamp(1, 1 << 20);
        let composing =
            (2 * n64).saturating_mul(composed.saturating_add(length.saturating_mul(rhs)));
        let fuses_columns = tuning.fuses_columns.unwrap_or(limits.fuses_columns);
        let fused = fuses(problem)
            && match path {
                Path::Tiny => true,
                Path::Columns => fuses_columns,
                _ => false,
            };
        let recipe = GpuRecipe {
            path,
            workgroup: registers.map_or(workgroup, |registers| registers.workgroup),
            team: registers.map_or(1, |registers| registers.team),
            shuffles: registers.is_some_and(|registers| registers.shuffles),
            fused,
            column_lanes,
            pair_lanes,
            subgroup: limits.subgroup,
            block_width: blocks.map_or(1, |blocks| blocks.width),
            block_workgroup: blocks.map_or(1, |blocks| blocks.workgroup),
            block_lanes: blocks.map_or(1, |blocks| blocks.lanes),
            leading: leading[0] as u32,
            j_leading: leading[1] as u32,
            chunk: chunk as usize,
            matrices_per_submit: bounded(work(problem).saturating_add(if fused {
                composing
            } else {
                0
            }))
            .min(workgroups * teams) as usize,
            sweeps_per_dispatch: match path {
                Path::Resident => loops(m),
                Path::Swept => loops(n),
                Path::Tiny | Path::Columns | Path::Blocks | Path::Rounds => 1,
            }
            .min(tuning.sweeps_per_dispatch.max(1).into())
            .min(convergence.max_sweeps.into()) as u32,
            sorts_per_submit: bounded(chunk.max(FEW_WORKGROUPS) * 8 * m64)
                .min((limits.iterations - 512) / iterations.sort_step())
                .max(1) as u32,
            steps_per_submit: bounded(chunk.max(FEW_WORKGROUPS) * step)
                .min((limits.iterations - iterations.start()) / iterations.step().max(1))
                .max(1) as u32,
            rounds_per_submit: bounded(chunk.max(FEW_WORKGROUPS / pairs.max(1)) * round) as u32,
            columns_per_submit: bounded(chunk * 4 * m64 * n64) as u32,
            completed_per_submit: bounded(chunk.max(FEW_WORKGROUPS) * 10 * n64 * n64)
                .min(limits.iterations / iterations.complete())
                .max(1) as u32,
            composed_per_submit: bounded(composing).min(workgroups) as usize,
        };
        Ok((recipe, refused))
    }

    /// The name under which reports show the kernel.
    #[cfg(feature = "gpu")]
    pub fn kernel(&self) -> &'static str {
        self.path.name()
    }

    /// Whether the host is asked between sweeps if any matrix needs more.
    #[cfg(feature = "gpu")]
    pub fn asks_between_sweeps(&self) -> bool {
        self.path.asks_between_sweeps()
    }

    /// Bytes of workgroup memory of the kernel that sweeps.
    #[cfg(feature = "gpu")]
    pub fn workgroup_bytes(&self, problem: &Problem) -> usize {
        let (m, n, size) = (problem.rows, problem.cols, problem.dtype.size());
        let workgroup = self.workgroup as usize;
        let leading = [self.leading, self.j_leading].map(|n| n as usize);
        match self.path {
            Path::Tiny => tiny_bytes(problem, tiny_stride(problem), workgroup),
            Path::Columns => columns_bytes(m, n, workgroup, self.shuffles, size),
            Path::Resident | Path::Swept => {
                resident_bytes(leading, n, workgroup, size).unwrap_or(0)
            }
            Path::Blocks => {
                let (width, workgroup) = (self.block_width, self.block_workgroup);
                blocks_bytes(width as usize, leading[0], workgroup as usize, size)
            }
            // Four partial sums an invocation and an index, and flags.
            Path::Rounds => workgroup * (4 * size + 4) + 64,
        }
    }

    /// Words that are told of each matrix.
    #[cfg(feature = "gpu")]
    pub fn state_words(&self, problem: &Problem) -> usize {
        let alone = self.path.in_registers() && (problem.composed.is_none() || self.fused);
        (if alone { PACKED_BYTES } else { STATE_BYTES }) as usize / 4
    }

    /// Entries of U and of V that lie in the device's memory, of each matrix.
    #[cfg(feature = "gpu")]
    pub fn factors(&self, problem: &Problem) -> [usize; 2] {
        let v = if problem.forms_v() { problem.cols } else { 0 };
        match self.fused {
            true => [0, 0],
            false => [problem.rows * problem.formed_u_cols(), v * problem.cols],
        }
    }

    /// Invocations that share a column of one side.
    #[cfg(feature = "gpu")]
    pub fn lanes_of(&self, side: Side) -> u32 {
        let lanes = match side {
            Side::U => self.column_lanes,
            Side::V => self.pair_lanes,
        };
        lanes.min(self.workgroup)
    }

    /// How many of a call's matrices lie on the device at a time: where there is work for several
    /// chunks, the host moves one while the device solves another. Not of large matrices, which a device
    /// is only busy with when it has many.
    #[cfg(any(feature = "gpu", test))]
    pub fn at_once(&self, count: usize) -> usize {
        let least = match self.path {
            Path::Tiny | Path::Columns | Path::Resident => (self.chunk / 4).max(1),
            Path::Swept | Path::Blocks | Path::Rounds => self.chunk,
        };
        // Few sizes, so that calls of various counts find each other's buffers.
        let fitting = [least, 2 * least]
            .into_iter()
            .find(|size| 4 * size >= count);
        fitting.unwrap_or(self.chunk).min(self.chunk).min(count)
    }
}

/// Matrices in registers: the fastest kernels, of small ones.
///
/// Every entry of A and of U, of R', of J and of a partner's column is a register, known by its name:
/// the text of a kernel grows with them.
#[derive(Clone, Copy, Debug)]
struct Registers {
    workgroup: u32,
    /// Lanes of a matrix.
    team: u32,
    shuffles: bool,
}

/// One dispatch does all sweeps: a caller who allows more gets a kernel that can be resumed.
const MOST_SWEEPS: u32 = 256;

impl Registers {
    /// A matrix an invocation.
    fn tiny(
        problem: &Problem,
        convergence: &Convergence,
        limits: &Limits,
        tuning: &Tuning,
    ) -> Result<Self, String> {
        let (m, n, size) = (problem.rows, problem.cols, problem.dtype.size());
        // A, R' and J, and a column of U.
        let words = (m.saturating_mul(n + 1) + 2 * n * n).saturating_mul(size / 4);
        let most = tuning.tiny_columns.unwrap_or(limits.tiny_columns);
        let sweeps = convergence.max_sweeps;
        if n > most {
            return Err(format!("takes {n} columns, of {most} an invocation"));
        }
        let most = limits.tiny_rows;
        if m > most {
            return Err(format!("takes {m} rows, of {most} an invocation"));
        }
        if words > tuning.tiny_words {
            let most = tuning.tiny_words;
            return Err(format!("takes {words} registers, of {most} an invocation"));
        }
        if sweeps > MOST_SWEEPS {
            return Err(format!("does {MOST_SWEEPS} sweeps at most, of {sweeps}"));
        }
        let entries = m * (m + 1) + n * n + FEW_RHS * 3 * m;
        let steps = u64::from(sweeps) + entries as u64;
        if steps > limits.iterations {
            return Err(too_long(steps, limits));
        }
        let fitting = |stride| {
            Self::workgroup(1, limits, tuning, |workgroup| {
                tiny_bytes(problem, stride, workgroup)
            })
        };
        // Where the most that could be asked for does not fit, nothing does: the path, and with it the bits, would
        // depend on what is asked.
        fitting(m * n + n * n + n)?;
        Ok(Registers {
            workgroup: fitting(tiny_stride(problem))?,
            team: 1,
            shuffles: false,
        })
    }

    /// A column a lane.
    fn columns(
        problem: &Problem,
        convergence: &Convergence,
        limits: &Limits,
        tuning: &Tuning,
    ) -> Result<Self, String> {
        let (m, n, size) = (problem.rows, problem.cols, problem.dtype.size());
        let words = m.saturating_add(3 * n).saturating_mul(size / 4);
        let [single, double] = limits.invocation_words;
        let own = if size == 4 { single } else { double };
        let most = tuning.invocation_words.unwrap_or(own);
        if words > most as usize {
            return Err(format!("takes {words} registers, of {most} an invocation"));
        }
        let sweeps = convergence.max_sweeps;
        if sweeps > MOST_SWEEPS {
            return Err(format!("does {MOST_SWEEPS} sweeps at most, of {sweeps}"));
        }
        let team = n.next_power_of_two() as u32;
        let shuffles = limits.subgroup > 1 && team <= limits.subgroup;
        let (n64, sweeps) = (n as u64, u64::from(convergence.max_sweeps));
        let passes = problem.formed_u_cols() as u64 / u64::from(team) + 1;
        let intake = (m.div_ceil(team as usize) * (m + n + 4)) as u64;
        let complete = n64 * (4 * n64 + 6);
        let turns = m.div_ceil(team as usize);
        let composes = (FEW_RHS * (2 * turns + team as usize + 4)).max(turns * m) as u64;
        let steps = intake + n64 * (n64 + 6) + sweeps * (n64 + 2) + complete + passes * (n64 + 2);
        let steps = steps + composes;
        if steps > limits.iterations {
            return Err(too_long(steps, limits));
        }
        let workgroup = Self::workgroup(team, limits, tuning, |workgroup| {
            columns_bytes(m, n, workgroup, shuffles, size)
        })?;
        Ok(Registers {
            workgroup,
            team,
            shuffles,
        })
    }

    /// The largest workgroup of teams, up to what is wanted, whose memory fits. A smaller one than the smallest
    /// leaves lanes of the hardware idle, or cannot hold a team.
    fn workgroup(
        team: u32,
        limits: &Limits,
        tuning: &Tuning,
        bytes: impl Fn(usize) -> usize,
    ) -> Result<u32, String> {
        let storage = tuning.workgroup_storage.min(limits.workgroup_storage);
        let most = tuning
            .workgroup_invocations
            .min(limits.workgroup_invocations);
        let wanted = tuning.columns_workgroup.max(SMALLEST_WORKGROUP);
        let largest = (1 << wanted.ilog2()).max(team);
        let smallest = team.max(SMALLEST_WORKGROUP);
        if smallest > most {
            return Err(format!(
                "takes {smallest} invocations a workgroup, of {most}"
            ));
        }
        std::iter::successors(Some(largest), |workgroup| Some(workgroup / 2))
            .take_while(|&workgroup| workgroup >= smallest)
            .find(|&workgroup| workgroup <= most && bytes(workgroup as usize) <= storage as usize)
            .ok_or_else(|| {
                let bytes = bytes(smallest as usize);
                format!("takes {bytes} bytes of workgroup memory, of {storage}")
            })
    }
}

/// Why a kernel is refused that goes round so often.
fn too_long(steps: u64, limits: &Limits) -> String {
    let most = limits.iterations;
    format!("goes round loops {steps} times, but the driver may leave them after {most}")
}

/// Banks of workgroup memory, of four bytes each: an access is as slow as the bank with the most of it. All
/// hardware that is known has as many.
const BANKS: usize = 32;

/// Teams of so many lanes that reach for entries of this size at once.
fn teams_a_turn(lanes: u32, size: usize) -> usize {
    match lanes {
        // All of them read the same row.
        1 => 1,
        _ => (4 * BANKS / size / lanes as usize).max(1),
    }
}

/// The least leading dimension of at least `length` whose multiples lie on different banks, `step` apart: an
/// odd multiple of that power of two.
fn spread(length: usize, step: usize) -> usize {
    (length.div_ceil(step) | 1) * step
}

/// Blocks of columns, two of which meet in workgroup memory.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    width: u32,
    workgroup: u32,
    lanes: u32,
    leading: u32,
}

impl Blocks {
    /// As few as fit, for as few ways between the memories; for an even number, so that each has an opponent
    /// in every round, if the last is not empty; but of two columns at least. What is wanted of a matrix
    /// does not matter: its singular values would depend on it.
    fn new(
        n: usize,
        size: usize,
        most: u32,
        limits: &Limits,
        tuning: &Tuning,
    ) -> Result<Self, String> {
        let storage = tuning.workgroup_storage.min(limits.workgroup_storage);
        let most_blocks = n.div_ceil(2).next_multiple_of(2);
        let mut least = (n, 0);
        let found = (4..=most_blocks).step_by(2).find_map(|count| {
            let width = n.div_ceil(count).max(2);
            // A team a pair, if there may be so many.
            let pairs = (width as u32).min(most);
            let shared = n.div_ceil(tuning.rows_per_lane.max(1)).next_power_of_two() as u32;
            let lanes = shared.min(1 << (most / pairs).ilog2());
            // No wider than a subgroup, if that does not leave most of a workgroup idle.
            let lanes = match lanes.min(limits.subgroup) {
                held if held > 1 && held * pairs >= SMALLEST_WORKGROUP => held,
                _ => lanes,
            };
            let workgroup = (lanes * pairs)
                .next_multiple_of(SMALLEST_WORKGROUP)
                .min(most);
            let banks = 4 * BANKS / size;
            let leading = spread(
                n,
                if lanes as usize >= banks {
                    1
                } else {
                    lanes as usize
                },
            );
            let bytes = blocks_bytes(width, leading, workgroup as usize, size);
            let steps = Self::iterations(n as u64, width as u64, lanes.into(), workgroup.into());
            least = (bytes, width);
            let fits = bytes <= storage as usize && steps <= limits.iterations;
            fits.then_some(Blocks {
                width: width as u32,
                workgroup,
                lanes,
                leading: leading as u32,
            })
        });
        found.ok_or_else(|| match least {
            (_, 0) => format!("takes four blocks of columns, of {n} columns"),
            (bytes, width) => format!(
                "takes {bytes} bytes of workgroup memory for two blocks of {width} columns, of {storage}"
            ),
        })
    }

    /// How often the loops of one invocation go round in a dispatch, from above.
    fn iterations(n: u64, width: u64, lanes: u64, workgroup: u64) -> u64 {
        let copies = 2 * (2 * width * n).div_ceil(workgroup) + 2;
        let pair = 2 * Iterations::share(n, lanes) + Iterations::tree(lanes) + 1;
        let passes = width.div_ceil((workgroup / lanes).max(1)) + 1;
        copies + 2 * width * (passes * pair + 1)
    }
}

/// Bytes of workgroup memory of two blocks of columns and of their rotations, with four partial sums an
/// invocation and an index each, and the flags.
pub(crate) fn blocks_bytes(width: usize, leading: usize, workgroup: usize, size: usize) -> usize {
    let entries = 4 * width * leading + 4 * workgroup;
    entries * size + 4 * workgroup + 64
}

/// Right-hand sides that a kernel which holds matrices in registers solves for, one after the other. More are solved
/// for side by side, by kernels of their own.
const FEW_RHS: usize = 16;

/// Whether a matrix in registers is composed where it is decomposed.
fn fuses(problem: &Problem) -> bool {
    problem.composed.is_some() && problem.rhs.is_none_or(|rhs| rhs <= FEW_RHS)
}

/// Entries a matrix of the tiny kernel has in workgroup memory: A while its rows are put in order, then n columns
/// of U and after them V on their way out, or both and the weights of a composition; odd, so that matrices spread over
/// banks.
pub(crate) fn tiny_stride(problem: &Problem) -> usize {
    let (m, n) = (problem.rows, problem.cols);
    let u = m * problem.formed_u_cols().min(n);
    let v = if problem.forms_v() { n * n } else { 0 };
    let results = if fuses(problem) { u + v + n } else { u.max(v) };
    (m * n).max(results) | 1
}

/// Bytes of workgroup memory of the tiny kernel: so many entries a matrix, the order of the rows, and two words.
pub(crate) fn tiny_bytes(problem: &Problem, stride: usize, workgroup: usize) -> usize {
    workgroup * ((stride | 1) * problem.dtype.size() + 4 * problem.rows + 8)
}

/// Entries an invocation has a place for in workgroup memory: A while its rows are compared, R on its
/// way to R'; without subgroups besides a column of A and its tau or diagonal, or one of R' and J and a norm, on their
/// way to other lanes.
pub(crate) fn columns_places(m: usize, n: usize, shuffles: bool) -> usize {
    if shuffles { m } else { m + 1 + n }
}

/// Bytes of workgroup memory of the columns kernel: the places, a number and two words an invocation, the order
/// of the rows, three words a team, and a flag or two.
pub(crate) fn columns_bytes(
    m: usize,
    n: usize,
    workgroup: usize,
    shuffles: bool,
    size: usize,
) -> usize {
    let teams = workgroup / n.next_power_of_two();
    let places = workgroup * ((columns_places(m, n, shuffles) + 1) * size + 8);
    places + teams * (m * (size + 4) + 12) + 32
}

/// Bytes of workgroup memory of the resident kernels: A or R' and the accumulated rotations with their leading
/// dimensions, a value a column, four partial sums an invocation and an index each,
/// and the flags.
pub(crate) fn resident_bytes(
    [leading, j_leading]: [usize; 2],
    n: usize,
    workgroup: usize,
    size: usize,
) -> Option<usize> {
    let entries = leading
        .checked_mul(n)?
        .checked_add(j_leading.checked_mul(n)?)?
        .checked_add(n + 4 * workgroup)?;
    entries.checked_mul(size)?.checked_add(4 * workgroup + 64)
}

/// Terms to sum before they are added to a total, so that the errors of a sum of `len` grow with
/// the root of it.
#[cfg(feature = "gpu")]
pub(crate) fn block(len: usize) -> u32 {
    (len as f64).sqrt().ceil().max(1.0) as u32
}

/// How often the loops of one invocation go round, from above.
struct Iterations {
    rows: u64,
    cols: u64,
    workgroup: u64,
    column_lanes: u64,
    pair_lanes: u64,
}

impl Iterations {
    /// A blocked sum over a share of `len` entries: the entries, the blocks and the ends.
    fn share(len: u64, lanes: u64) -> u64 {
        let own = len.div_ceil(lanes);
        own + own.isqrt() + 3
    }

    fn tree(lanes: u64) -> u64 {
        u64::from(lanes.max(1).ilog2()) + 2
    }

    /// Passes of a workgroup's teams over all columns.
    fn passes(&self) -> u64 {
        self.cols.div_ceil(self.workgroup / self.column_lanes) + 1
    }

    /// The norms before the first step of the QR.
    fn start(&self) -> u64 {
        let lanes = self.column_lanes;
        self.passes() * (Self::share(self.rows, lanes) + Self::tree(lanes) + 1)
    }

    /// One step of the QR.
    fn step(&self) -> u64 {
        let (lanes, workgroup) = (self.column_lanes, self.workgroup);
        let pivot = self.cols.div_ceil(workgroup) + self.cols.min(workgroup) + 2;
        let reflector = 4 * Self::share(self.rows, workgroup) + 2 * Self::tree(workgroup);
        let column = 2 * Self::share(self.rows, lanes) + 2 * Self::tree(lanes) + 1;
        pivot + reflector + self.passes() * column + 1
    }

    /// One step of the sort of the rows.
    fn sort_step(&self) -> u64 {
        self.rows.div_ceil(self.workgroup) + 1
    }

    /// One column of V, completed.
    fn complete(&self) -> u64 {
        let (lanes, workgroup) = (self.pair_lanes, self.workgroup);
        let rows = self.cols.div_ceil(workgroup);
        let passes = self.cols.div_ceil((workgroup / lanes).max(1)) + 1;
        let shares = 2 * passes * (self.cols.div_ceil(lanes) + Self::tree(lanes) + 1);
        rows * (3 * self.cols + 13) + self.cols.min(workgroup) + shares + 2 * Self::tree(workgroup)
    }

    /// What the resident kernel does before the sweeps.
    fn solve(&self) -> u64 {
        let copies = 3 * (self.rows * self.cols).div_ceil(self.workgroup) + 8;
        copies + self.start() + self.cols * self.step()
    }

    /// One sweep in workgroup memory.
    fn sweep(&self) -> u64 {
        let lanes = self.pair_lanes;
        let pairs = self.cols.div_ceil(2);
        let pair = 2 * Self::share(self.cols, lanes) + Self::tree(lanes) + 1;
        let passes = pairs.div_ceil((self.workgroup / lanes).max(1)) + 1;
        (self.cols + 1) * (passes * pair + 1)
    }

    /// From global to workgroup memory before the sweeps, and back after them.
    fn copies(&self) -> u64 {
        let lanes = self.column_lanes;
        let stores = self.passes() * (4 * Self::share(self.cols, lanes) + 2 * Self::tree(lanes));
        stores + 3 * (self.cols * (self.cols + 1)).div_ceil(self.workgroup) + 32
    }

    /// So many right-hand sides of some length: their scales, and what is left of them. As if no workgroup
    /// did more than one, which is so up to 65535 of them.
    fn rhs(&self, length: u64, rhs: u64) -> u64 {
        if rhs == 0 {
            return 0;
        }
        let lanes = if length == self.rows {
            self.column_lanes
        } else {
            self.pair_lanes
        };
        let lanes = lanes.min(self.workgroup);
        let turns = (rhs * self.cols).div_ceil(65535);
        let weigh = length.div_ceil(self.workgroup) + Self::tree(self.workgroup) + 1;
        let project = Self::share(length, lanes) + Self::tree(lanes) + 1;
        turns * weigh.max(project)
    }

    /// U in global memory.
    fn form_u(&self) -> u64 {
        let lanes = self.column_lanes;
        self.cols * (2 * Self::share(self.rows, lanes) + Self::tree(lanes) + 1) + self.rows / lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, Vectors};
    use crate::planner::Job;

    fn problem(rows: usize, cols: usize, dtype: Dtype) -> Problem {
        let job = Job::svd(Vectors::Thin);
        Problem::new(rows, cols, dtype, job)
    }

    fn recipe(problem: &Problem, limits: &Limits, tuning: &Tuning) -> Result<GpuRecipe, String> {
        let convergence = Convergence::new(problem, &Options::default());
        GpuRecipe::new(problem, &convergence, limits, tuning)
    }

    fn path(rows: usize, cols: usize, dtype: Dtype, limits: &Limits) -> Path {
        let problem = problem(rows, cols, dtype);
        recipe(&problem, limits, &Tuning::default()).unwrap().path
    }

    #[test]
    fn a_driver_that_leaves_long_loops_gets_short_ones() {
        let lavapipe = Limits {
            workgroup_storage: 32768,
            iterations: 1 << 15,
            ..WEBGPU
        };
        let unlimited = Limits {
            iterations: u64::MAX,
            ..lavapipe
        };
        let tuning = Tuning::default();
        let resident = recipe(&problem(40, 40, Dtype::F32), &lavapipe, &tuning).unwrap();
        assert_eq!(resident.path, Path::Resident);
        assert!((4..40).contains(&resident.sweeps_per_dispatch));
        let large = problem(512, 512, Dtype::F32);
        let short = recipe(&large, &lavapipe, &tuning).unwrap();
        assert!(
            short.steps_per_submit
                < recipe(&large, &unlimited, &tuning)
                    .unwrap()
                    .steps_per_submit
        );
        let error = recipe(&problem(1 << 20, 16, Dtype::F32), &lavapipe, &tuning).unwrap_err();
        assert!(error.contains("iterations"), "{error}");
    }

    #[test]
    fn the_path_follows_from_the_shape_and_the_workgroup_memory() {
        use Dtype::{F32, F64};
        assert_eq!(path(3, 3, F32, &WEBGPU), Path::Tiny);
        assert_eq!(path(4, 4, F64, &WEBGPU), Path::Tiny);
        assert_eq!(path(16, 4, F32, &WEBGPU), Path::Tiny);
        assert_eq!(path(17, 5, F32, &WEBGPU), Path::Columns);
        assert_eq!(path(32, 32, F32, &WEBGPU), Path::Columns);
        assert_eq!(path(33, 32, F32, &WEBGPU), Path::Resident);
        assert_eq!(path(16, 16, F64, &WEBGPU), Path::Columns);
        assert_eq!(path(64, 64, F32, &WEBGPU), Path::Blocks);
        assert_eq!(path(32, 32, F64, &WEBGPU), Path::Blocks);
        assert_eq!(path(24, 24, F64, &WEBGPU), Path::Resident);
        assert_eq!(path(1024, 16, F32, &WEBGPU), Path::Swept);
        assert_eq!(path(65536, 2, F32, &WEBGPU), Path::Swept);
        let large = Limits {
            workgroup_storage: 49152,
            ..WEBGPU
        };
        assert_eq!(path(64, 64, F32, &large), Path::Resident);
        assert_eq!(path(512, 512, F32, &large), Path::Blocks);
        assert_eq!(path(512, 512, F32, &WEBGPU), Path::Rounds);
        // Two blocks of two columns are enough, whatever is left of the last.
        for n in [377, 378, 379, 380] {
            assert_eq!(path(n, n, F32, &WEBGPU), Path::Blocks);
        }
    }

    #[test]
    fn lanes_shuffle_where_a_subgroup_holds_the_team() {
        let of = |n, subgroup| {
            let limits = Limits { subgroup, ..WEBGPU };
            recipe(&problem(n, n, Dtype::F32), &limits, &Tuning::default()).unwrap()
        };
        assert_eq!((of(5, 8).team, of(5, 8).shuffles), (8, true));
        assert_eq!((of(9, 8).team, of(9, 8).shuffles), (16, false));
        assert!(of(32, 32).shuffles && of(32, 32).workgroup == 64);
        // Workgroup memory holds fewer matrices then.
        assert_eq!(of(32, 8).workgroup, 32);
        // Sweeps without end are for a kernel that can be resumed.
        let endless = Options::default().max_sweeps(1000);
        let problem = problem(6, 4, Dtype::F32);
        let convergence = Convergence::new(&problem, &endless);
        let recipe = GpuRecipe::new(&problem, &convergence, &WEBGPU, &Tuning::default());
        assert_eq!(recipe.unwrap().path, Path::Resident);
    }

    #[test]
    fn every_recipe_keeps_to_the_limits() {
        for subgroup in [1, 4, 8, 32, 64] {
            for workgroup_invocations in [1, 16, 256] {
                let limits = Limits { subgroup, ..WEBGPU };
                let tuning = Tuning {
                    workgroup_invocations,
                    ..Tuning::default()
                };
                keeps_to_the_limits(&limits, &tuning);
            }
        }
    }

    fn keeps_to_the_limits(limits: &Limits, tuning: &Tuning) {
        for dtype in [Dtype::F32, Dtype::F64] {
            for m in [1, 2, 7, 16, 31, 44, 45, 64, 100, 512, 1000, 20000] {
                for n in [1, 2, 7, 16, 31, 44, 45, 64, 100, 512] {
                    let problem = problem(m, n, dtype);
                    let recipe = recipe(&problem, limits, tuning).unwrap();
                    assert!(recipe.workgroup <= tuning.workgroup_invocations);
                    assert!(recipe.workgroup.is_power_of_two());
                    assert!(recipe.column_lanes <= recipe.workgroup);
                    assert!(recipe.pair_lanes <= recipe.workgroup);
                    let teams = match recipe.path {
                        Path::Tiny | Path::Columns => (recipe.workgroup / recipe.team) as usize,
                        _ => 1,
                    };
                    assert!(recipe.chunk >= 1 && recipe.chunk <= 65535 * teams);
                    assert!(recipe.matrices_per_submit <= 65535 * teams);
                    assert!(recipe.composed_per_submit <= 65535);
                    let size = dtype.size();
                    let (rows, cols) = (problem.rows, problem.cols);
                    let state = STATE_BYTES as usize;
                    for per_matrix in [
                        rows * cols * size,
                        rows * (size + 4),
                        2 * cols * size,
                        state,
                    ] {
                        assert!((recipe.chunk * per_matrix) as u64 <= WEBGPU.binding);
                    }
                    for count in [1, 100, 10_000, 1 << 20] {
                        let at_once = recipe.at_once(count);
                        assert!(at_once >= 1 && at_once <= recipe.chunk.min(count));
                    }
                    if recipe.path == Path::Blocks {
                        let [width, workgroup] =
                            [recipe.block_width, recipe.block_workgroup].map(|n| n as usize);
                        let leading = recipe.leading as usize;
                        let storage = blocks_bytes(width, leading, workgroup, size);
                        assert!(storage <= 16384 && width >= 2, "{m}x{n} {dtype}");
                        assert!(
                            workgroup <= tuning.workgroup_invocations as usize
                                && workgroup % recipe.block_lanes as usize == 0
                        );
                        assert!(leading >= problem.cols);
                    }
                    if matches!(recipe.path, Path::Resident | Path::Swept) {
                        let leading = [recipe.leading, recipe.j_leading].map(|n| n as usize);
                        let storage = resident_bytes(
                            leading,
                            problem.cols,
                            recipe.workgroup as usize,
                            dtype.size(),
                        );
                        assert!(storage.unwrap() <= 16384, "{m}x{n} {dtype}");
                        assert!(leading[0] >= problem.cols && leading[1] >= problem.cols);
                    }
                }
            }
        }
    }

    /// How many turns an access of a warp to workgroup memory takes in the sweeps, because entries in one bank wait
    /// for each other: the mean over all rounds, warps and both columns of a pair. Pairs meet as in
    /// shaders/resident.wgsl and blocks.wgsl.
    fn turns(recipe: &GpuRecipe, cols: usize, size: usize) -> f64 {
        let opponents = |round: usize, pair: usize, players: usize| {
            let circle = players - 1;
            let p = (round + pair) % circle;
            let q = match pair {
                0 => circle,
                _ => (round + circle - pair) % circle,
            };
            [p.min(q), p.max(q)]
        };
        let width = recipe.block_width as usize;
        let blocks = recipe.path == Path::Blocks;
        let (lanes, rounds, pairs) = match blocks {
            true => (recipe.block_lanes, width, width),
            false => {
                let players = cols.next_multiple_of(2);
                (recipe.pair_lanes, players - 1, players / 2)
            }
        };
        let (lanes, leading) = (lanes as usize, recipe.leading as usize);
        // Of 64 bits, half a warp at once.
        let (warp, banks) = (32 * 4 / size, BANKS * 4 / size);
        let (mut all, mut accesses) = (0, 0);
        for round in 0..rounds {
            for first in (0..pairs).step_by((warp / lanes).max(1)) {
                for side in 0..2 {
                    let mut places = vec![std::collections::BTreeSet::new(); banks];
                    for pair in first..pairs.min(first + (warp / lanes).max(1)) {
                        let p = match blocks {
                            true => [pair, width + (pair + round) % width][side],
                            false => opponents(round, pair, cols.next_multiple_of(2))[side],
                        };
                        if p >= cols && !blocks {
                            continue;
                        }
                        for row in 0..lanes.min(warp).min(cols) {
                            let at = match blocks {
                                true => p * leading + row,
                                false => row * leading + p,
                            };
                            places[at % banks].insert(at);
                        }
                    }
                    let most = places.iter().map(|bank| bank.len()).max().unwrap_or(0);
                    all += most;
                    accesses += usize::from(most > 0);
                }
            }
        }
        all as f64 / accesses as f64
    }

    #[test]
    fn columns_in_workgroup_memory_spread_over_its_banks() {
        let mut seen = [0; 2];
        for (storage, invocation_words) in [(16384, 128), (49152, 128), (49152, 256), (65536, 192)]
        {
            let limits = Limits {
                workgroup_storage: storage,
                workgroup_invocations: 1024,
                subgroup: 32,
                invocation_words: [invocation_words; 2],
                ..WEBGPU
            };
            for dtype in [Dtype::F32, Dtype::F64] {
                for (m, n) in [
                    (24, 24),
                    (32, 32),
                    (48, 48),
                    (64, 64),
                    (96, 96),
                    (128, 128),
                    (256, 256),
                    (512, 512),
                    (64, 16),
                    (256, 32),
                    (1024, 16),
                    (1024, 64),
                ] {
                    let recipe =
                        recipe(&problem(m, n, dtype), &limits, &Tuning::default()).unwrap();
                    let which = match recipe.path {
                        Path::Resident | Path::Swept => 0,
                        Path::Blocks => 1,
                        Path::Tiny | Path::Columns | Path::Rounds => continue,
                    };
                    seen[which] += 1;
                    let of = |leading| turns(&GpuRecipe { leading, ..recipe }, n, dtype.size());
                    let own = of(recipe.leading);
                    // A circle of 31 places or fewer does not lie better on banks, but for memory that is short.
                    let best = (n as u32..n as u32 + 64)
                        .map(of)
                        .fold(f64::INFINITY, f64::min);
                    let most = if n < 48 { 1.1 * best } else { 1.2 };
                    assert!(
                        own <= most,
                        "{m}x{n} {dtype} {storage}: {own:.2}, {best:.2}, {recipe:?}"
                    );
                }
            }
        }
        assert!(seen.iter().all(|seen| *seen > 10), "{seen:?}");
    }

    #[test]
    fn other_paths_are_refused_for_a_reason() {
        let of = |m, n| {
            let problem = problem(m, n, Dtype::F32);
            let convergence = Convergence::new(&problem, &Options::default());
            let tuning = Tuning::default();
            GpuRecipe::explained(&problem, &convergence, &WEBGPU, &tuning).unwrap()
        };
        assert_eq!(of(3, 3).1, []);
        let (recipe, refused) = of(64, 64);
        assert_eq!(recipe.path, Path::Blocks);
        let told: Vec<String> = refused
            .iter()
            .map(|refusal| format!("{:?} {}", refusal.path, refusal.why))
            .collect();
        assert_eq!(
            told,
            [
                "Tiny takes 64 columns, of 4 an invocation",
                "Columns takes 256 registers, of 128 an invocation",
                "Resident takes 38720 bytes of workgroup memory, of 16384",
                "Swept takes 38720 bytes of workgroup memory, of 16384",
            ]
        );
    }

    #[test]
    fn what_a_device_cannot_do_is_said() {
        let blind = Limits {
            has_f64: false,
            ..WEBGPU
        };
        let tuning = Tuning::default();
        let error = recipe(&problem(4, 4, Dtype::F64), &blind, &tuning).unwrap_err();
        assert!(error.contains("SHADER_F64"), "{error}");
        let error = recipe(&problem(9000, 9000, Dtype::F32), &WEBGPU, &tuning).unwrap_err();
        assert!(error.contains("9000x9000"), "{error}");
    }

    #[test]
    fn a_submit_is_bounded() {
        let tuning = Tuning {
            submit_flops: Some(1 << 20),
            ..Tuning::default()
        };
        let recipe = recipe(&problem(64, 64, Dtype::F32), &WEBGPU, &tuning).unwrap();
        assert_eq!(recipe.path, Path::Blocks);
        let round = 11 * 64 * 64 * (2 * u64::from(recipe.block_width) - 1);
        let at_once = recipe.chunk as u64 * u64::from(recipe.rounds_per_submit) * round;
        assert!(recipe.chunk == 1 && at_once <= 1 << 20, "{at_once}");
    }
}
