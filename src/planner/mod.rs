//! From a problem to a recipe: plain values in, plain values out, no device.
//!
//! A [`Problem`] says what is to be computed, in the orientation in which the kernels work (at
//! least as many rows as columns: a wide matrix is solved as its transpose, which strides make
//! free). A recipe says how: which kernel, how many invocations, how much at a time. Every
//! threshold lives here, in [`Tuning`] or beside a constant that says why. `gpu` has the GPU's share,
//! and `paths` the ways in which it solves, with `stages` to list their kernels; `choice` says which engine is sooner.

#[cfg(feature = "gpu")]
pub(crate) mod choice;
#[cfg(feature = "gpu")]
pub(crate) mod facts;
#[cfg(any(feature = "gpu", test))]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
pub(crate) mod gpu;
#[cfg(any(feature = "gpu", test))]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
pub(crate) mod iterations;
#[cfg(any(feature = "gpu", test))]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
pub(crate) mod limits;
#[cfg(any(feature = "gpu", test))]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
pub(crate) mod paths;
#[cfg(feature = "gpu")]
pub(crate) mod stages;

use crate::options::{NamedCutoffs, Options, Vectors};
use crate::report::{Backend, Outcome, Status};
use crate::scalar::Dtype;

/// The factor of a decomposition that a composition takes on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    U,
    V,
}

impl Side {
    fn flip(self) -> Self {
        match self {
            Side::U => Side::V,
            Side::V => Side::U,
        }
    }
}

/// A function f of the singular values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Filter {
    /// 1/sigma where sigma counts, else 0: the Moore-Penrose pseudoinverse.
    Inverse,
    /// sigma / (sigma^2 + lambda^2) where sigma counts, else 0 (Tikhonov; Golub and Van Loan, 6.1.4).
    Damped,
    /// 1 where sigma counts, else 0: a projector.
    Keep,
    /// sigma where it counts, else 0: a truncated matrix.
    Value,
}

impl Filter {
    /// The degree d in f(s x) = s^d f(x): a matrix scaled by 2^p has its result scaled by 2^(dp).
    pub fn degree(self) -> i32 {
        match self {
            Filter::Inverse | Filter::Damped => -1,
            Filter::Keep => 0,
            Filter::Value => 1,
        }
    }

    /// As shaders/filter.wgsl, where zero is none.
    #[cfg(feature = "gpu")]
    pub fn word(self) -> u32 {
        match self {
            Filter::Inverse | Filter::Damped => 1,
            Filter::Keep => 2,
            Filter::Value => 3,
        }
    }
}

/// What a call computes, as the caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Job {
    pub vectors: Vectors,
    /// left diag(f(sigma)) right', if it is to be formed.
    pub composed: Option<(Side, Side)>,
    pub filter: Filter,
    /// So many right-hand sides a matrix, to which the composition is applied without being formed.
    pub rhs: Option<usize>,
    /// Whether the caller wants singular values beside a composition.
    pub values: bool,
}

impl Job {
    /// Singular values, and vectors.
    pub fn svd(vectors: Vectors) -> Self {
        Job {
            vectors,
            composed: None,
            filter: Filter::Keep,
            rhs: None,
            values: false,
        }
    }

    /// left diag(f(sigma)) right'.
    pub fn composition(left: Side, filter: Filter, right: Side) -> Self {
        Job {
            composed: Some((left, right)),
            filter,
            ..Job::svd(Vectors::None)
        }
    }

    /// The pseudoinverse, or what it makes of so many right-hand sides.
    pub fn inverse(rhs: Option<usize>) -> Self {
        Job {
            rhs,
            ..Job::composition(Side::V, Filter::Inverse, Side::U)
        }
    }
}

/// What the kernels compute: `rows >= cols`, and sides named accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Problem {
    pub rows: usize,
    pub cols: usize,
    pub dtype: Dtype,
    /// The caller's matrices are wide: the kernels see their transposes.
    pub transposed: bool,
    /// Vectors that the caller wants back.
    pub vectors: Vectors,
    pub composed: Option<(Side, Side)>,
    /// So many right-hand sides, to which the composition is applied.
    pub rhs: Option<usize>,
    /// Whether the caller wants singular values beside a composition.
    pub values: bool,
}

impl Problem {
    pub fn new(rows: usize, cols: usize, dtype: Dtype, job: Job) -> Self {
        let transposed = rows < cols;
        // Without a right-hand side the ranks are still worth having.
        let composed = job.composed.filter(|_| job.rhs != Some(0));
        Problem {
            rows: rows.max(cols),
            cols: rows.min(cols),
            dtype,
            transposed,
            vectors: job.vectors,
            composed: composed.map(|(l, r)| {
                if transposed {
                    (l.flip(), r.flip())
                } else {
                    (l, r)
                }
            }),
            rhs: job.rhs.filter(|&rhs| rhs > 0),
            values: job.values && composed.is_some(),
        }
    }

    /// Columns of U that the caller wants back.
    #[inline(always)]
    pub fn u_cols(&self) -> usize {
        match self.vectors {
            Vectors::None => 0,
            Vectors::Thin => self.cols,
            Vectors::Full => self.rows,
        }
    }

    /// Columns of U that must be formed: the caller's, or those that a composition needs. The CPU forms none
    /// for right-hand sides.
    #[inline(always)]
    pub fn formed_u_cols(&self) -> usize {
        match self.composed {
            Some((l, r)) if l == Side::U || r == Side::U => self.u_cols().max(self.cols),
            _ => self.u_cols(),
        }
    }

    /// Whether V is formed: for the caller, or for a composition.
    #[cfg(any(feature = "gpu", test))]
    pub fn forms_v(&self) -> bool {
        self.vectors != Vectors::None || self.composed.is_some()
    }

    /// Whether rotations are accumulated: only U needs them.
    #[inline(always)]
    pub fn accumulates(&self) -> bool {
        self.formed_u_cols() > 0
    }

    /// Numbers that kernels give of the singular values of a matrix: these, or the weights of a composition,
    /// or after all weights these too.
    #[cfg(feature = "gpu")]
    pub fn value_sets(&self) -> usize {
        if self.values { 2 } else { 1 }
    }

    /// What the CPU rotates along with R'.
    #[inline(always)]
    pub fn carried(&self) -> Carried {
        match (self.composed, self.rhs) {
            (Some((Side::U, _)), Some(_)) => Carried::Rotations,
            (Some((_, Side::U)), Some(rhs)) if rhs <= self.cols => Carried::RightHandSides(rhs),
            (Some((_, Side::V)), Some(_)) => Carried::Nothing,
            _ if self.accumulates() => Carried::Rotations,
            _ => Carried::Nothing,
        }
    }

    /// The length of the right-hand sides, if there are any, and their number.
    #[inline(always)]
    pub fn rhs_size(&self) -> Option<[usize; 2]> {
        let (_, right) = self.composed?;
        Some([self.side(right), self.rhs?])
    }

    /// And the number of those that are formed.
    #[cfg(feature = "gpu")]
    pub fn columns_of(&self, side: Side) -> usize {
        match side {
            Side::U => self.formed_u_cols(),
            Side::V => self.cols,
        }
    }

    /// The length of the vectors of one side.
    #[inline(always)]
    pub fn side(&self, side: Side) -> usize {
        match side {
            Side::U => self.rows,
            Side::V => self.cols,
        }
    }

    /// Entries per matrix of what the caller gets: (U, sigma, V, composed).
    ///
    /// U and V are named as the kernels see them.
    #[inline(always)]
    pub fn sizes(&self) -> Sizes {
        let product = |a: usize, b: usize| a.saturating_mul(b);
        Sizes {
            u: product(self.rows, self.u_cols()),
            sigma: self.cols,
            v: match self.vectors {
                Vectors::None => 0,
                _ => product(self.cols, self.cols),
            },
            composed: self.composed.map_or(0, |(l, r)| {
                product(self.side(l), self.rhs.unwrap_or(self.side(r)))
            }),
        }
    }

    /// What a computed singular value may be off by, relative to the largest.
    #[inline(always)]
    pub fn sigma_error(&self) -> f64 {
        sigma_error(self.dtype, self.cols)
    }

    /// What each singular value may be off by, where the largest is this, of a matrix that converged.
    #[inline(always)]
    pub fn sigma_error_of(&self, largest: f64) -> f64 {
        self.sigma_error() * largest + self.dtype.smallest() / 2.0
    }

    /// The relative cutoffs that have a name.
    #[inline(always)]
    pub fn named_cutoffs(&self) -> NamedCutoffs {
        NamedCutoffs {
            default: self.sigma_error(),
            numpy: 2.0 * self.dtype.unit_roundoff() * self.rows as f64,
        }
    }
}

/// 8 sqrt(k) u: what a computed singular value may be off by, relative to the largest of k.
///
/// The longer side is not in it: columns are summed in blocks, so that their errors hardly grow with their
/// length.
pub(crate) fn sigma_error(dtype: Dtype, k: usize) -> f64 {
    8.0 * (k as f64).sqrt() * dtype.unit_roundoff()
}

/// What lies below R' and is rotated along with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    Nothing,
    /// I at first, and J at last.
    Rotations,
    /// So many rows, B' Q at first and B' U at last.
    RightHandSides(usize),
}

impl Carried {
    /// Its rows, of n columns.
    #[inline(always)]
    pub fn rows(self, n: usize) -> usize {
        match self {
            Carried::Nothing => 0,
            Carried::Rotations => n,
            Carried::RightHandSides(rows) => rows,
        }
    }
}

/// Entries per matrix of each output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub u: usize,
    pub sigma: usize,
    pub v: usize,
    pub composed: usize,
}

/// When a pair of columns is orthogonal and when to give up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Convergence {
    pub tolerance: f64,
    pub max_sweeps: u32,
}

impl Convergence {
    /// The tolerance as shaders take it: not zero unless it is zero.
    #[cfg(feature = "gpu")]
    pub fn tolerance_f32(&self) -> f32 {
        match self.tolerance {
            0.0 => 0.0,
            tolerance => (tolerance as f32).max(f32::MIN_POSITIVE),
        }
    }

    pub fn new(problem: &Problem, options: &Options) -> Self {
        let u = problem.dtype.unit_roundoff();
        let k = problem.cols.max(1) as f64;
        // sqrt(k) u, LAPACK's, never goes quiet on some 3x3; a flat 4u stalls at 33x31; a flat 8u
        // costs accuracy in least squares.
        let tolerance = (1.2 * k.sqrt()).clamp(4.0, 8.0) * u;
        // Seen on random and hard matrices after a pivoted QR: 4 to 14 sweeps. The cap is a net.
        let sweeps = 30.0 + 2.0 * k.log2().ceil();
        let max_sweeps = match problem.dtype {
            Dtype::F32 => sweeps,
            Dtype::F64 => 1.5 * sweeps,
        };
        Convergence {
            tolerance: options.tolerance.unwrap_or(tolerance),
            max_sweeps: options.max_sweeps.unwrap_or(max_sweeps as u32),
        }
    }
}

/// Thresholds of the planner. The defaults suit nearly everyone; tests shrink them so that small
/// input takes the paths of large.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tuning {
    /// The most workgroup memory a kernel may take, in bytes, below what the device has.
    pub workgroup_storage: u32,
    /// The most invocations in a workgroup, below what the device has.
    pub workgroup_invocations: u32,
    /// The most 32-bit words that an invocation may hold in registers of a matrix that has a lane a column.
    /// Without one: 256 on NVIDIA's (255 are registers, what is beyond is spilled), 192 on AMD's (160 in f64), 128
    /// elsewhere; 32 on software adapters, whose compilers take seconds for more.
    pub invocation_words: Option<u32>,
    /// The most columns of a matrix that one invocation holds in registers, and the most 32-bit words of it and
    /// its factors. Without a number of columns 6, or 4 on software adapters, which take a second for 5x5
    /// and four for 8x8, and hold 32 rows at most; 128 words.
    pub tiny_columns: Option<usize>,
    /// See `tiny_columns`.
    pub tiny_words: usize,
    /// Whether matrices that take several lanes' registers are composed, and solved for a few right-hand sides, by the
    /// kernel that decomposes them: a text for each composition to compile, and no factor in memory. Yes, but not on
    /// software adapters, whose compilers are slow.
    pub fuses_columns: Option<bool>,
    /// Invocations in a workgroup that holds matrices in registers, several of them: small ones wait for
    /// each other between sweeps. 64.
    pub columns_workgroup: u32,
    /// Rows that one invocation takes of a column that is not in registers: few spread the work over a
    /// workgroup, many pay for the exchange of partial sums. 8.
    pub rows_per_lane: usize,
    /// The most bytes in one buffer of a chunk, below what the device has.
    pub chunk_bytes: u64,
    /// Floating-point operations in one submit, so that no watchdog bites and a call can be cancelled, and all units have
    /// work. Without a number: 2^37 on a discrete GPU, else 2^32, about 40 ms on a slow GPU that is all at work; a
    /// 64th of it where one workgroup works alone.
    pub submit_flops: Option<u64>,
    /// Sweeps of the resident kernels in one dispatch; what is not done then is resumed.
    pub sweeps_per_dispatch: u32,
    /// Floating-point operations in one task of the CPU engine.
    pub task_flops: u64,
    /// The most matrices that the CPU engine solves side by side, below what the machine's vectors
    /// hold: 1 for one at a time.
    pub lanes: usize,
    /// The most bytes that matrices side by side may take: beyond what a core's caches hold they are
    /// no faster than one at a time (256x256 and 1024x64 in f32 with 16 lanes).
    pub group_bytes: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            workgroup_storage: u32::MAX,
            workgroup_invocations: 256,
            invocation_words: None,
            tiny_columns: None,
            tiny_words: 128,
            fuses_columns: None,
            columns_workgroup: 64,
            rows_per_lane: 8,
            chunk_bytes: 64 << 20,
            submit_flops: None,
            sweeps_per_dispatch: 12,
            task_flops: 2 << 20,
            lanes: usize::MAX,
            group_bytes: 8 << 20,
        }
    }
}

/// How the CPU engine solves a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuRecipe {
    /// Matrices in one task of a thread.
    pub matrices_per_task: usize,
    /// Matrices side by side: the lanes of the machine's widest vectors, or one.
    pub lanes: usize,
}

/// The name where there is no singular value to compute.
pub(crate) const EMPTY_KERNEL: &str = "empty";

impl CpuRecipe {
    /// `widest` is the number of lanes of the machine's widest vectors in the problem's type. Lanes
    /// and single matrices give the same numbers, so whatever is sooner may be chosen.
    pub fn new(
        problem: &Problem,
        count: usize,
        widest: usize,
        threads: usize,
        tuning: &Tuning,
    ) -> Self {
        let work = work(problem);
        let groups = count.div_ceil(widest).div_ceil(threads);
        let turns = count.div_ceil(threads);
        let sooner = 10 * groups * widest <= turns * single_cost(problem, widest);
        let fits = group_bytes(problem, widest) <= tuning.group_bytes;
        let filled = sooner && fits && tuning.lanes >= widest;
        let lanes = if filled { widest } else { 1 };
        let fitting = (tuning.task_flops / work.max(1)).clamp(1, 1024) as usize;
        CpuRecipe {
            matrices_per_task: fitting.next_multiple_of(lanes),
            lanes,
        }
    }

    /// The name under which reports show the kernel.
    pub fn kernel(&self) -> &'static str {
        match self.lanes {
            1 => "jacobi-single",
            _ => "jacobi-lanes",
        }
    }
}

/// How much longer a matrix takes alone than in full lanes, in tenths. Measured, square matrices: with
/// 16 lanes in f32 7.6 (3), 7.1 (8), 5.3 (16), 3.9 (32), 3.0 (64), 1.8 (128) times; with 8 in f64 two
/// thirds of that.
fn single_cost(problem: &Problem, widest: usize) -> usize {
    let cost = match problem.cols {
        0..=8 => 60,
        9..=16 => 50,
        17..=48 => 35,
        _ => 20,
    };
    (cost * (widest + 8) / 24).max(10)
}

/// Bytes that matrices side by side take.
fn group_bytes(problem: &Problem, lanes: usize) -> u64 {
    let (m, n) = (problem.rows as u64, problem.cols as u64);
    let product = |a: u64, b: u64| a.saturating_mul(b);
    let parts = [
        product(m, n),
        product(3 * n, n),
        match problem.rhs {
            None => product(m, problem.formed_u_cols() as u64),
            Some(rhs) => product(m + n, rhs as u64).saturating_add(product(n, n)),
        },
        problem.sizes().composed as u64,
    ];
    let entries = parts
        .iter()
        .fold(0u64, |sum, part| sum.saturating_add(*part));
    product(entries, (lanes * problem.dtype.size()) as u64)
}

/// Floating-point operations of one matrix, roughly: QR, about eight sweeps on R' and on the
/// rotations, if they are accumulated, U, right-hand sides, what is composed.
fn work(problem: &Problem) -> u64 {
    let (m, n) = (problem.rows as u64, problem.cols as u64);
    let [length, rhs] = problem.rhs_size().unwrap_or_default().map(|n| n as u64);
    let sides = length.saturating_mul(rhs).saturating_mul(6 * n);
    let composed = (problem.sizes().composed as u64).saturating_mul(2 * n);
    let u = problem.formed_u_cols() as u64;
    let mn = m.saturating_mul(n);
    let vectors = mn.saturating_mul(4).saturating_mul(n.saturating_add(u));
    let cube = n.saturating_mul(n).saturating_mul(n);
    let sweeps = cube.saturating_mul(if problem.accumulates() { 100 } else { 60 });
    let others = sides.saturating_add(composed);
    vectors.saturating_add(sweeps).saturating_add(others)
}

/// Floating-point operations that the kernels carry out for matrices with so many sweeps and
/// rotations; a fused multiply-add is two.
pub(crate) fn executed(problem: &Problem, backend: Backend, outcomes: &[Outcome]) -> f64 {
    let (m, n) = (problem.rows as f64, problem.cols as f64);
    // A reflection of a column is a dot product and an update, and the pivoting takes its norm.
    let factor = (3.0 * m - n) * n * n;
    let formed = problem.formed_u_cols() as f64;
    // Columns that Q, or Q', is applied to; further products; rows that are rotated along.
    let (reflected, products, carried) = match (problem.rhs_size(), backend) {
        (Some([length, rhs]), Backend::Gpu) => (formed, (length * rhs) as f64 * n, formed.min(n)),
        (Some([_, rhs]), _) => {
            let carried = problem.carried();
            let products = match carried {
                Carried::RightHandSides(_) => 0.0,
                _ => rhs as f64 * n * n,
            };
            (rhs as f64, products, carried.rows(problem.cols) as f64)
        }
        (None, _) => (formed, 0.0, formed.min(n)),
    };
    let form_u = 2.0 * (2.0 * m - n) * n * reflected + 2.0 * products;
    let normalise = 3.0 * n * n;
    let compose = match (problem.rhs, backend) {
        // U is applied without Q.
        (Some(rhs), Backend::Cpu) => 2.0 * n * n * rhs as f64,
        _ => 2.0 * problem.sizes().composed as f64 * n,
    };
    // Three dot products a pair; a rotation of columns of R' and of what is carried along.
    let sweep = 0.5 * n * (n - 1.0) * 6.0 * n;
    let rotation = 8.0 * (n + carried);
    outcomes
        .iter()
        .filter(|outcome| outcome.status != Status::NonFinite)
        .map(|outcome| {
            factor
                + f64::from(outcome.sweeps) * sweep
                + f64::from(outcome.rotations) * rotation
                + normalise
                + form_u
                + compose
        })
        .fold(0.0, |sum, flops| sum + flops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_matrix_is_planned_as_its_transpose() {
        let job = Job {
            vectors: Vectors::Full,
            ..Job::inverse(None)
        };
        let wide = Problem::new(3, 7, Dtype::F32, job);
        assert!(wide.transposed);
        assert_eq!((wide.rows, wide.cols), (7, 3));
        assert_eq!(wide.composed, Some((Side::U, Side::V)));
        assert_eq!(
            wide.sizes(),
            Sizes {
                u: 49,
                sigma: 3,
                v: 9,
                composed: 21
            }
        );
    }

    #[test]
    fn lanes_are_taken_where_enough_of_them_work_and_the_caches_hold_them() {
        let job = Job::svd(Vectors::Thin);
        let mut tuning = Tuning::default();
        let recipe = |n, count, tuning: &Tuning| {
            let problem = Problem::new(n, n, Dtype::F32, job);
            CpuRecipe::new(&problem, count, 16, 2, tuning)
        };
        assert_eq!(recipe(8, 1, &tuning).kernel(), "jacobi-single");
        assert_eq!(recipe(8, 4, &tuning).lanes, 1);
        // Three matrices a thread, each as dear as six in lanes.
        assert_eq!(recipe(8, 6, &tuning).kernel(), "jacobi-lanes");
        assert_eq!(recipe(32, 8, &tuning).lanes, 1);
        assert_eq!(recipe(32, 9, &tuning).lanes, 16);
        assert_eq!(recipe(128, 1000, &tuning).lanes, 16);
        assert_eq!(recipe(256, 1000, &tuning).lanes, 1);
        // Tasks are whole groups.
        assert_eq!(recipe(8, 1000, &tuning).matrices_per_task % 16, 0);
        tuning.lanes = 1;
        assert_eq!(recipe(8, 1000, &tuning).kernel(), "jacobi-single");
    }

    #[test]
    fn tolerance_and_sweeps_derive_from_type_and_shape() {
        let job = Job::svd(Vectors::Thin);
        let of = |n, dtype| Convergence::new(&Problem::new(n, n, dtype, job), &Options::default());
        let u = Dtype::F32.unit_roundoff();
        assert_eq!(of(3, Dtype::F32).tolerance, 4.0 * u);
        assert_eq!(of(25, Dtype::F32).tolerance, 6.0 * u);
        assert_eq!(of(512, Dtype::F32).tolerance, 8.0 * u);
        assert!(of(512, Dtype::F32).max_sweeps > of(3, Dtype::F32).max_sweeps);
        assert!(of(3, Dtype::F64).max_sweeps > of(3, Dtype::F32).max_sweeps);
        assert_eq!(of(0, Dtype::F32).max_sweeps, 30);
    }
}
