//! Kernels of known size: the steps of `group`, compiled once more for the smallest matrices and what is asked for of
//! nearly all of them. Loops have no counters then, and nothing is looked up.
//!
//! Each takes three seconds to compile, so there are few: a further one is a further size in `solve`.

use super::Task;
use crate::cpu::lanes::{Kernel, Lanes, Two};
use crate::options::Vectors;
use crate::planner::{Problem, Side};
use crate::scalar::Real;

/// Thin factors, singular values alone, the pseudoinverse.
const THIN: u8 = 0;
const VALUES: u8 = 1;
const INVERSE: u8 = 2;

/// Which of these it is, if it is one.
fn job(problem: &Problem) -> Option<u8> {
    match (problem.composed, problem.vectors, problem.rhs) {
        (None, Vectors::Thin, None) => Some(THIN),
        (None, Vectors::None, None) => Some(VALUES),
        (Some((Side::V, Side::U)), Vectors::None, None) if !problem.values => Some(INVERSE),
        _ => None,
    }
}

/// A task on N x N matrices, to be taken.
struct Known<'k, 't, 'c, 'v, T, const N: usize, const JOB: u8>(&'k mut Option<Task<'t, 'c, 'v, T>>);

impl<T: Real, const N: usize, const JOB: u8> Kernel<T> for Known<'_, '_, '_, '_, T, N, JOB> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self, l: L) {
        // One lane is not worth a kernel of its own.
        if L::LANES == 1 {
            return;
        }
        let Some(task) = self.0.take() else { return };
        let problem = Problem {
            rows: N,
            cols: N,
            dtype: T::DTYPE,
            transposed: task.call.task.problem.transposed,
            vectors: match JOB {
                THIN => Vectors::Thin,
                _ => Vectors::None,
            },
            composed: (JOB == INVERSE).then_some((Side::V, Side::U)),
            rhs: None,
            values: false,
        };
        // Two groups at once hide the latency of each other.
        task.solve(Two(l), &problem);
    }
}

/// Takes the task and solves it, if there is a kernel for it.
pub(super) fn solve<T: Real>(task: &mut Option<Task<'_, '_, '_, T>>) {
    let Some(problem) = task.as_ref().map(|task| task.call.task.problem) else {
        return;
    };
    let Some(job) = job(&problem) else { return };
    macro_rules! sizes {
        ($($n:literal),+) => {
            match (problem.rows, problem.cols, job) {
                $(
                    ($n, $n, THIN) => T::dispatch(true, Known::<T, $n, THIN>(task)),
                    ($n, $n, VALUES) => T::dispatch(true, Known::<T, $n, VALUES>(task)),
                    ($n, $n, INVERSE) => T::dispatch(true, Known::<T, $n, INVERSE>(task)),
                )+
                _ => {}
            }
        };
    }
    sizes!(2, 3, 4);
}
