//! Recipes for the GPU engine: a path, and how much of a call at a time.

use crate::data::scalar::Precision;
use crate::data::tuning::Tuning;
use crate::planner::NO_F64;
use crate::planner::convergence::Convergence;
use crate::planner::cost::work;
use crate::planner::limits::Limits;
use crate::planner::paths::plan::{Ask, Form, Lanes, Plan, Solver, Sweeps, players, team_bytes};
use crate::planner::paths::{Path, Refusal, shared_form};
use crate::planner::problem::Problem;
use crate::shader::{Blueprint, Kernel};

/// How the GPU engine solves a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GpuRecipe {
    /// Which kernels solve, and what only they know.
    pub path: Path,
    pub lanes: Lanes,
    /// Matrices that lie on the device at a time.
    pub chunk: usize,
    /// Matrices in one submit of the kernel that holds them in registers or in workgroup memory.
    pub matrices_per_submit: usize,
    /// Matrices composed in one submit.
    pub composed_per_submit: usize,
    /// How much a submit takes of a whole chunk that registers do not hold.
    pub per_submit: PerSubmit,
}

/// What one submit takes of a whole chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PerSubmit {
    /// Steps of the sort of the rows.
    pub sorts: u32,
    /// Steps of the global QR.
    pub steps: u32,
    /// Rounds of the global sweeps.
    pub rounds: u32,
    /// Columns of U formed.
    pub columns: u32,
    /// Columns of V completed.
    pub completed: u32,
}

/// Bytes of what a kernel knows of a matrix, at most.
pub(crate) const STATE_BYTES: u64 = 32;
/// The same of a kernel that does everything, and tells the host alone.
pub(crate) const PACKED_BYTES: u64 = 16;
/// So many workgroups keep a GPU at work; fewer leave most of it idle, and take their time.
const FEW_WORKGROUPS: u64 = 64;

/// Bytes that a matrix takes on the device.
struct Bytes {
    /// In the widest of its bindings.
    widest: u64,
    /// Of everything that is read back at once.
    readback: u64,
    /// In a binding, at most: shaders count entries in 32 bits.
    binding: u64,
}

impl Bytes {
    /// None of a matrix that does not fit the device.
    fn new(problem: &Problem, limits: &Limits) -> Result<Self, String> {
        let (m, n) = (problem.rows, problem.cols);
        let binding = limits.binding.min(1 << 30);
        let (m64, n64, size64) = (m as u64, n as u64, problem.dtype.size() as u64);
        let u_size = m64 * problem.formed_u_cols() as u64;
        let composed = problem.sizes().composed as u64;
        let [length, rhs] = problem.rhs_size().unwrap_or_default().map(|n| n as u64);
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
            .max(m64 * (size64 + 4))
            .max(STATE_BYTES);
        let readback = size64 * ((u_size + n64 * n64).max(composed) + n64) + 32;
        if widest > binding || readback > limits.buffer {
            return Err(format!(
                "one {m}x{n} matrix with its factors takes buffers of {widest} and {readback} bytes, but the device has at most {binding} and {}",
                limits.buffer
            ));
        }
        Ok(Bytes {
            widest,
            readback,
            binding,
        })
    }
}

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
        if problem.dtype.precision() == Precision::Double && !limits.has_f64 {
            return Err(NO_F64.into());
        }
        if problem.rows > (1 << 24) {
            let m = problem.rows;
            return Err(format!("{m} rows: the kernels take at most 2^24"));
        }
        let bytes = Bytes::new(problem, limits)?;
        let ask = Ask::new(problem, convergence, limits, tuning);
        let (path, refused) = Path::first(&ask);
        let path = path.ok_or("no path applies")?;
        let solver = path.plan().solver();
        // The global kernels keep only partial sums in workgroup memory.
        let global = team_bytes(problem.dtype, ask.lanes.workgroup as usize);
        let storage = ask.storage();
        if global > storage as usize && solver.factors() {
            return Err(format!(
                "the kernels take {global} bytes of workgroup memory, but may have {storage}"
            ));
        }
        ends_in_time(&ask)?;
        Ok((Self::of(&ask, path, solver, &bytes), refused))
    }

    /// How much at a time.
    fn of(ask: &Ask<'_>, path: Path, solver: Solver, bytes: &Bytes) -> Self {
        let (problem, limits, tuning) = (ask.problem, ask.limits, ask.tuning);
        let (m64, n64) = (problem.rows as u64, problem.cols as u64);
        let iterations = ask.lanes.iterations(problem);
        let submit_flops = tuning.submit_flops.unwrap_or(limits.submit_flops);
        let flops = |work: u64| submit_flops / work.max(1);
        let entries = problem.dtype.operations();
        let step = 4 * m64 * n64 * entries;
        // A sweep has as many rounds as a matrix has columns; of blocks it has fewer, and the first does
        // most.
        let (rounds_at_once, pairs) = match solver {
            Solver::Staged {
                sweeps: Sweeps::Global { meet, rounds, .. },
                ..
            } => (Some(rounds), u64::from(players(meet) / 2)),
            _ => (None, n64.div_ceil(2)),
        };
        let round = 11 * n64 * n64 * entries * rounds_at_once.unwrap_or(1);
        let workgroups = u64::from(limits.workgroups);
        let lanes = Lanes {
            workgroup: path.plan().workgroup().unwrap_or(ask.lanes.workgroup),
            ..ask.lanes
        };
        // Matrices that share a workgroup.
        let teams = match solver {
            Solver::Alone { team, .. } => u64::from(lanes.workgroup / team),
            Solver::Staged { .. } => 1,
        };
        let by_bytes = (tuning.chunk_bytes.min(bytes.binding) / bytes.widest)
            .min(limits.buffer / bytes.readback);
        // One dimension of a dispatch counts the workgroups of matrices. A chunk must also be small
        // enough for one QR step and one round of all its matrices to be one bounded submit.
        let chunk = by_bytes
            .min(workgroups * teams)
            .min(match (solver.factors(), rounds_at_once) {
                (false, _) => u64::MAX,
                (true, None) => flops(step),
                (true, Some(_)) => flops(step.max(round)),
            })
            .max(1);
        let bounded = |work: u64| flops(work).clamp(1, 1 << 20);
        let [length, rhs] = problem.rhs_size().unwrap_or_default().map(|n| n as u64);
        let composed = problem.sizes().composed as u64;
        let composing =
            (2 * n64 * entries).saturating_mul(composed.saturating_add(length.saturating_mul(rhs)));
        let too = if path.plan().fused() { composing } else { 0 };
        let filling = chunk.max(FEW_WORKGROUPS);
        GpuRecipe {
            path,
            lanes,
            chunk: chunk as usize,
            matrices_per_submit: bounded(work(problem).saturating_add(too)).min(workgroups * teams)
                as usize,
            composed_per_submit: bounded(composing).min(workgroups) as usize,
            per_submit: PerSubmit {
                sorts: bounded(filling * 8 * m64)
                    .min((limits.iterations - 512) / iterations.sort_step())
                    .max(1) as u32,
                steps: bounded(filling * step)
                    .min((limits.iterations - iterations.start()) / iterations.step().max(1))
                    .max(1) as u32,
                rounds: bounded(chunk.max(FEW_WORKGROUPS / pairs.max(1)) * round) as u32,
                columns: bounded(chunk * step) as u32,
                completed: bounded(filling * 10 * n64 * n64 * entries)
                    .min(limits.iterations / iterations.complete())
                    .max(1) as u32,
            },
        }
    }

    /// Bytes of workgroup memory of the kernel that sweeps.
    pub fn workgroup_bytes(&self, problem: &Problem) -> usize {
        self.plan().workgroup_bytes(problem, &self.lanes)
    }

    fn plan(&self) -> &dyn Plan {
        self.path.plan()
    }

    /// What one of the recipe's kernels is compiled for.
    pub fn blueprint(&self, kernel: Kernel, problem: &Problem) -> Blueprint {
        let Form { workgroup, sizes } = shared_form(kernel, &self.lanes)
            .unwrap_or_else(|| self.plan().form(kernel, problem, &self.lanes));
        Blueprint {
            kernel,
            dtype: problem.dtype,
            workgroup,
            subgroup: if kernel.gathers() {
                self.lanes.subgroup
            } else {
                1
            },
            sizes,
        }
    }

    /// The name under which reports show the kernel.
    pub fn kernel(&self) -> &'static str {
        self.path.name()
    }

    /// Whether the host is asked between sweeps if any matrix needs more.
    pub fn asks_between_sweeps(&self) -> bool {
        self.path.asks_between_sweeps()
    }

    /// Whether one kernel does everything that comes before right-hand sides and compositions.
    pub fn in_registers(&self) -> bool {
        matches!(self.plan().solver(), Solver::Alone { .. })
    }

    /// Whether the kernel that decomposes composes too.
    pub fn fused(&self) -> bool {
        self.plan().fused()
    }

    /// Words that are told of each matrix.
    pub fn state_words(&self, problem: &Problem) -> usize {
        let alone = self.in_registers() && (problem.composed.is_none() || self.fused());
        (if alone { PACKED_BYTES } else { STATE_BYTES }) as usize / 4
    }

    /// Entries of U and of V that lie in the device's memory, of each matrix.
    pub fn factors(&self, problem: &Problem) -> [usize; 2] {
        let v = if problem.forms_v() { problem.cols } else { 0 };
        match self.fused() {
            true => [0, 0],
            false => [problem.rows * problem.formed_u_cols(), v * problem.cols],
        }
    }

    /// How many of a call's matrices lie on the device at a time: where there is work for several
    /// chunks, the host moves one while the device solves another. Not of large matrices, which a device
    /// is only busy with when it has many.
    pub fn at_once(&self, count: usize) -> usize {
        let least = match self.plan().solver().factors() {
            false => (self.chunk / 4).max(1),
            true => self.chunk,
        };
        // Few sizes, so that calls of various counts find each other's buffers.
        let fitting = [least, 2 * least]
            .into_iter()
            .find(|size| 4 * size >= count);
        fitting.unwrap_or(self.chunk).min(self.chunk).min(count)
    }
}

/// Refuses a matrix of which a kernel that holds it in global memory goes round a loop longer than the driver stays.
fn ends_in_time(ask: &Ask<'_>) -> Result<(), String> {
    let problem = ask.problem;
    let iterations = ask.lanes.iterations(problem);
    let [length, rhs] = problem.rhs_size().unwrap_or_default().map(|n| n as u64);
    let longest = iterations
        .step()
        .max(iterations.form_u())
        .max(iterations.complete())
        .max(iterations.sort_step())
        .max(iterations.rhs(length, rhs));
    let (m, n, most) = (problem.rows, problem.cols, ask.limits.iterations);
    match longest > most {
        true => Err(format!(
            "a {m}x{n} matrix takes {longest} iterations of a loop, but the driver may leave loops after {most}"
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
