//! What the GPU engine would do, and why: which kernel, how much at a time, and its text. [`explain`] needs no device, and
//! [`Call::explain`] explains a call on the device at hand.
//!
//! ```
//! use batched_svd::explain::{DeviceFacts, Request, explain};
//! use batched_svd::{Dtype, Options, Tuning};
//!
//! let (browser, svd) = (DeviceFacts::webgpu(), Request::Svd);
//! let plan = explain(svd, [64, 64], Dtype::F32, &browser, &Options::default(), &Tuning::default())?;
//! assert_eq!(plan.kernel, "jacobi-blocks");
//! assert_eq!(plan.refused[2].kernel, "jacobi-resident");
//! assert_eq!(plan.refused[2].why, "takes 38720 bytes of workgroup memory, of 16384");
//! assert!(plan.stages.iter().any(|stage| stage.text.contains("fn blocks(")));
//! # Ok::<(), batched_svd::Error>(())
//! ```

use crate::data::error::Error;
use crate::data::factor::Factor;
use crate::data::options::Options;
use crate::data::scalar::{Dtype, Scalar};
use crate::data::tuning::Tuning;
use crate::engine::Engine;
use crate::ops::Call;
use crate::ops::Subspace;
use crate::ops::operation::Compute;
pub use crate::planner::facts::{DeviceFacts, DeviceKind, Units};
use crate::planner::gpu::GpuRecipe;
use crate::planner::iterations::block;
pub use crate::planner::stages::Stage;
use crate::planner::stages::stages;
use crate::planner::{Convergence, Filter, Job, Problem, Vectors};

/// What is asked for of every matrix. Other calls are made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Singular values.
    SingularValues,
    /// Thin decompositions.
    Svd,
    /// Full decompositions.
    FullSvd,
    /// Singular values and one factor of vectors.
    SingularVectors(Factor),
    /// Eigenvalues and eigenvectors of symmetric matrices. The host first makes positive semidefinite matrices of them,
    /// which the device decomposes.
    Eigh,
    /// Pseudoinverses.
    Pinv,
    /// Least-squares solutions for so many right-hand sides.
    Lstsq(usize),
    /// Approximations of low rank, formed.
    LowRank,
    /// Projectors onto a subspace.
    Projector(Subspace),
}

impl Request {
    fn job(self, shape: [usize; 2]) -> Job {
        match self {
            Request::SingularValues => Job::svd(Vectors::None),
            Request::Svd => Job::svd(Vectors::Thin),
            Request::FullSvd => Job::svd(Vectors::Full),
            Request::SingularVectors(of) => Job::one_factor(of, shape),
            Request::Eigh => Job::one_factor(Factor::V, shape),
            Request::Pinv => Job::inverse(None),
            Request::Lstsq(rhs) => Job::inverse(Some(rhs)),
            Request::LowRank => Job::low_rank(),
            Request::Projector(onto) => {
                let (side, _) = onto.of();
                Job::composition(side, Filter::Keep, side)
            }
        }
    }
}

/// A kernel that comes before the chosen one in the planner's order, and why it does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Its name in reports.
    pub kernel: &'static str,
    /// What it needs, of what there is.
    pub why: String,
}

/// How a device would be filled by one submit of the kernel that sweeps.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fill {
    /// Workgroups that one unit holds at a time: registers are estimated.
    pub workgroups_a_unit: u32,
    /// What there is less of: "invocations", "workgroup memory" or "registers".
    pub bound: &'static str,
    /// Matrices that the device holds at a time.
    pub matrices: u64,
    /// The part of the device that has work, in the mean over a submit.
    pub filled: f64,
}

/// How a problem would be solved.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The kernel that sweeps, by its name in reports.
    pub kernel: &'static str,
    /// Those before it, in the planner's order.
    pub refused: Vec<Refused>,
    /// Matrices that lie on the device at a time, at most.
    pub chunk: usize,
    /// Matrices of them in one submit of the kernel that sweeps.
    pub submit: usize,
    /// Bytes of workgroup memory of that kernel.
    pub storage: usize,
    /// Leading dimensions there, of the matrix and of the rotations; zero where it holds none.
    pub leading: [u32; 2],
    /// Columns of a block; zero where there are none.
    pub block_width: u32,
    /// Entries that are summed before their sum is added to a total.
    pub sum_block: u32,
    /// All that is dispatched, in order.
    pub stages: Vec<Stage>,
    /// How full a device is, whose units are known.
    pub fill: Option<Fill>,
}

/// Registers of an invocation beside those of its matrix, about: what NVIDIA's compiler takes.
const OTHER_REGISTERS: u32 = 40;
/// Registers of an invocation whose matrix lies in memory, about.
const FEW_REGISTERS: u32 = 64;
/// No invocation has more.
const MOST_REGISTERS: u32 = 255;

/// How a device would solve m x n matrices.
///
/// # Errors
/// [`Error::Argument`] for a matrix without rows or columns, and for one that is not square if eigenvalues are asked for;
/// [`Error::Unsupported`] if the device cannot.
pub fn explain(
    request: Request,
    shape: [usize; 2],
    dtype: Dtype,
    device: &DeviceFacts,
    options: &Options,
    tuning: &Tuning,
) -> Result<Explanation, Error> {
    if request == Request::Eigh && shape[0] != shape[1] {
        let [rows, cols] = shape;
        let text = format!("a {rows}x{cols} matrix has no eigenvalues: only square matrices have");
        return Err(Error::Argument(text));
    }
    explained(request.job(shape), shape, dtype, device, options, tuning)
}

fn explained(
    job: Job,
    [rows, cols]: [usize; 2],
    dtype: Dtype,
    device: &DeviceFacts,
    options: &Options,
    tuning: &Tuning,
) -> Result<Explanation, Error> {
    if rows == 0 || cols == 0 {
        let text =
            format!("a {rows}x{cols} matrix has no singular value: nothing reaches a device");
        return Err(Error::Argument(text));
    }
    let problem = Problem::new(rows, cols, dtype, job);
    let convergence = Convergence::new(&problem, options);
    let limits = device.limits();
    let (recipe, refused) = GpuRecipe::explained(&problem, &convergence, &limits, tuning)
        .map_err(|why| Error::Unsupported(format!("{}: {why}", device.name)))?;
    let storage = recipe.workgroup_bytes(&problem);
    let plan = recipe.path.plan();
    let registers = match plan.words(&problem) {
        Some(words) => words as u32 + OTHER_REGISTERS,
        None => FEW_REGISTERS,
    };
    let submit = match recipe.path.asks_between_sweeps() {
        true => recipe.chunk,
        false => recipe.matrices_per_submit.min(recipe.chunk),
    };
    let stages = stages(&problem, &recipe, &convergence);
    let sweeping = stages.iter().find(|stage| stage.sweeps);
    let fill = device
        .units
        .zip(sweeping)
        .map(|(units, stage)| fill(units, stage, storage, registers, submit));
    Ok(Explanation {
        kernel: recipe.path.name(),
        refused: refused
            .into_iter()
            .map(|refusal| Refused {
                kernel: refusal.path,
                why: refusal.why,
            })
            .collect(),
        chunk: recipe.chunk,
        submit,
        storage,
        leading: plan.leading(),
        block_width: plan.block_width(),
        sum_block: match recipe.in_registers() {
            true => 1,
            false => block(rows.max(cols).div_ceil(recipe.lanes.column_lanes as usize)),
        },
        stages,
        fill,
    })
}

fn fill(units: Units, stage: &Stage, storage: usize, registers: u32, submit: usize) -> Fill {
    // Registers come in eights.
    let registers = registers.min(MOST_REGISTERS).next_multiple_of(8);
    let (workgroups_a_unit, bound) = [
        (units.invocations / stage.workgroup, "invocations"),
        (units.storage / (storage.max(1) as u32), "workgroup memory"),
        (units.registers / (stage.workgroup * registers), "registers"),
    ]
    .into_iter()
    .min_by_key(|(workgroups, _)| *workgroups)
    .unwrap_or((1, "invocations"));
    let at_once = f64::from(workgroups_a_unit.max(1)) * f64::from(units.count);
    let turns = (submit as f64 * stage.workgroups).ceil() / at_once;
    Fill {
        workgroups_a_unit,
        bound,
        matrices: (at_once / stage.workgroups) as u64,
        filled: turns / turns.ceil(),
    }
}

impl<R: Compute> Call<'_, '_, R> {
    /// Returns how the device of a GPU engine would compute this call: its kernels, which others were refused and why,
    /// and how much is computed at a time. Nothing is computed.
    ///
    /// # Errors
    /// As [`explain`] and [`run`](Call::run), and [`Error::Unsupported`] for a CPU engine.
    pub fn explain(&self) -> Result<Explanation, Error> {
        let Some(facts) = self.engine.device_facts() else {
            let text = format!("{}: only the kernels of GPUs are explained", self.engine);
            return Err(Error::Unsupported(text));
        };
        let shapes = self.check()?;
        let job = R::job(&self.choices, shapes);
        let ([_, rows, cols], dtype) = (shapes.a, R::Entry::DTYPE);
        let tuning = &self.engine.tuning;
        explained(job, [rows, cols], dtype, &facts, &self.options, tuning)
    }
}

impl Engine {
    /// What this engine's device is, without its `units`, which no driver tells; none of the CPU.
    pub fn device_facts(&self) -> Option<DeviceFacts> {
        let gpu = self.gpu.as_ref()?;
        Some(gpu.current().facts.clone())
    }
}
