//! Recipes for the CPU engine.

use crate::data::tuning::Tuning;
use crate::planner::cost::work;
use crate::planner::problem::Problem;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::scalar::Dtype;
    use crate::planner::Vectors;
    use crate::planner::problem::Job;

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
}
