//! Recipes for eigenvalues of symmetric and Hermitian matrices on the CPU.

use crate::data::outcome::Outcome;
use crate::data::scalar::Dtype;
use crate::data::tuning::Tuning;

/// Who computes eigenvalues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EigenKernel {
    /// Rotations on both sides, in lanes: of matrices whose size the compiler knows.
    Rotations,
    /// The tridiagonal form, a matrix a lane.
    Lanes,
    /// The tridiagonal form, one matrix after the other.
    Single,
}

/// The most columns that rotations on both sides are for. Above, the tridiagonal form takes less time.
const ROTATED: usize = 8;
/// The most bytes of matrices and vectors side by side: they stay in the cache of a core.
const GROUP_BYTES: usize = 256 << 10;
/// The fewest and the most matrices of a task of small ones.
const PER_TASK: [usize; 2] = [64, 1024];

/// How the CPU solves n x n eigenproblems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EigenRecipe {
    pub kernel: EigenKernel,
    /// Matrices in one task of a thread.
    pub matrices_per_task: usize,
    /// Matrices that a thread has in hand at once.
    pub at_once: usize,
}

impl EigenRecipe {
    /// Of `count` matrices, n of at least one; `widest` is the number of lanes of the machine's widest vectors.
    pub fn new(
        (n, dtype): (usize, Dtype),
        count: usize,
        widest: usize,
        threads: usize,
        tuning: &Tuning,
    ) -> Self {
        if (2..=ROTATED).contains(&n) {
            // Some 20 us of work.
            let some = (1 << 20) / (40 * n * n * n);
            return EigenRecipe {
                kernel: EigenKernel::Rotations,
                matrices_per_task: some.clamp(PER_TASK[0], PER_TASK[1]),
                at_once: 2 * widest,
            };
        }
        let bytes = n.saturating_mul(n).saturating_mul(dtype.size());
        let own = count.div_ceil(threads.max(1)).clamp(1, widest);
        // Measured, in f32 with 16 lanes: lanes take as long as one after the other with 3 matrices of 9x9, 5 of 16x16 and 9
        // of 32x32. In f64, with 8, with 3, 4 and 6.
        let sooner = 48 * own >= n.saturating_mul(widest);
        let group_bytes = usize::try_from(tuning.group_bytes).unwrap_or(usize::MAX);
        let fits = bytes.saturating_mul(2 * widest) <= group_bytes.min(GROUP_BYTES);
        if sooner && fits && tuning.lanes >= widest && widest > 1 {
            let flops = 18 * n.pow(3) as u64 * dtype.operations();
            let some = (tuning.task_flops / flops).clamp(1, PER_TASK[1] as u64) as usize;
            return EigenRecipe {
                kernel: EigenKernel::Lanes,
                matrices_per_task: some.next_multiple_of(widest),
                at_once: widest,
            };
        }
        // Each thread as many tasks, of as many matrices.
        let tasks = count.div_ceil(threads.max(1) * widest).max(1) * threads.max(1);
        let fitting = (group_bytes / bytes.max(1)).max(1);
        let at_once = count.div_ceil(tasks).clamp(1, widest.min(fitting));
        EigenRecipe {
            kernel: EigenKernel::Single,
            matrices_per_task: at_once,
            at_once,
        }
    }

    /// The name under which reports show the kernel.
    pub fn name(&self) -> &'static str {
        match self.kernel {
            EigenKernel::Rotations => "eigen-lanes",
            EigenKernel::Lanes => "tridiagonal-lanes",
            EigenKernel::Single => "tridiagonal-single",
        }
    }

    /// Floating-point operations that matrices took that ended so, with vectors or without.
    pub fn executed(&self, (n, dtype): (usize, Dtype), vectors: bool, outcomes: &[Outcome]) -> f64 {
        let rotations = outcomes.iter().map(|o| f64::from(o.rotations)).sum::<f64>();
        let (size, entries) = (n as f64, if vectors { n as f64 } else { 0.0 });
        let operations = dtype.operations() as f64;
        if self.kernel == EigenKernel::Rotations {
            // n - 2 pairs of entries, and n of vectors, each by four multiply-adds of two operations; of complex entries four
            // times as many.
            return rotations * operations * 8.0 * (size - 2.0 + entries);
        }
        // An update and a product of the whole matrix a column, and a reflection of Z. Rotations are real.
        let reduced = size.powi(2) * (2.0 * size + 4.0 / 3.0 * entries) * operations;
        let planes = if dtype.is_complex() { 2.0 } else { 1.0 };
        outcomes.len() as f64 * reduced + rotations * (20.0 + 6.0 * planes * entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_matrices_go_side_by_side_where_there_are_enough() {
        let mut tuning = Tuning::default();
        let recipe =
            |n, dtype, count, tuning: &Tuning| EigenRecipe::new((n, dtype), count, 16, 2, tuning);
        use EigenKernel::*;
        for (n, count, kernel) in [
            (1, 1000, Lanes),
            (2, 1, Rotations),
            (8, 1000, Rotations),
            (9, 1, Single),
            (9, 6, Lanes),
            (32, 20, Single),
            (32, 22, Lanes),
            (45, 1000, Lanes),
            (46, 1000, Single),
            (512, 1000, Single),
        ] {
            let found = recipe(n, Dtype::F32, count, &tuning);
            assert_eq!(found.kernel, kernel, "{count} of {n}x{n}");
            assert!(found.at_once <= found.matrices_per_task || kernel == Rotations);
            assert_eq!(found.matrices_per_task % found.at_once, 0);
        }
        assert_eq!(recipe(46, Dtype::C32, 1000, &tuning).kernel, Single);
        // Twenty matrices, and two threads.
        assert_eq!(recipe(64, Dtype::F32, 20, &tuning).at_once, 10);
        // Of 512 x 512 complex numbers of 16 bytes, two are 8 MB.
        assert_eq!(recipe(512, Dtype::C64, 1000, &tuning).at_once, 2);
        tuning.lanes = 1;
        assert_eq!(recipe(9, Dtype::F32, 1000, &tuning).kernel, Single);
    }
}
