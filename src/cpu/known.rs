//! Kernels of known size: the steps of `group`, compiled once more for the smallest matrices and what is asked for of
//! nearly all of them. Loops have no counters then, and nothing is looked up: what `Problem` is asked is inlined, and so
//! constant here.
//!
//! Each takes three seconds to compile, so there are few: a further one is a further size in `solve`.

use super::Task;
use crate::cpu::real::Reals;
use crate::data::factor::Factor;
use crate::data::scalar::Real;
use crate::lanes::{Kernel, Lanes, Two};
use crate::planner::Problem;
use crate::planner::Vectors;

/// Thin factors, singular values alone, the pseudoinverse, V alone.
const THIN: u8 = 0;
const VALUES: u8 = 1;
const INVERSE: u8 = 2;
const SHORTER: u8 = 3;

/// Which of these it is, if it is one.
fn job(problem: &Problem) -> Option<u8> {
    match (problem.composed, problem.vectors, problem.rhs) {
        (None, Vectors::Thin, None) => Some(THIN),
        (None, Vectors::None, None) => Some(VALUES),
        (None, Vectors::Shorter, None) => Some(SHORTER),
        (Some((Factor::V, Factor::U)), Vectors::None, None) if !problem.values => Some(INVERSE),
        _ => None,
    }
}

/// A task on N x N matrices, to be taken.
struct Known<'k, 't, 'c, 'v, T: Real, const N: usize, const JOB: u8>(
    &'k mut Option<Task<'t, 'c, 'v, T>>,
);

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
            signs_by_u: task.call.task.problem.signs_by_u,
            vectors: match JOB {
                THIN => Vectors::Thin,
                SHORTER => Vectors::Shorter,
                _ => Vectors::None,
            },
            composed: (JOB == INVERSE).then_some((Factor::V, Factor::U)),
            rhs: None,
            values: false,
        };
        // Two groups at once hide the latency of each other.
        task.solve(Two(l), Reals, &problem);
    }
}

/// Takes the task and solves it, if there is a kernel for it.
#[inline(always)]
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
                    ($n, $n, SHORTER) => T::dispatch(true, Known::<T, $n, SHORTER>(task)),
                )+
                _ => {}
            }
        };
    }
    sizes!(2, 3, 4);
}

#[cfg(test)]
mod tests {
    use crate::data::batch::Batch;
    use crate::data::factor::Factor;
    use crate::data::options::Options;
    use crate::data::scalar::Real;
    use crate::engine::Engine;

    /// Ordinary matrices, and one in seven of each kind that takes another way.
    fn batch<T: Real>(n: usize) -> Batch<T> {
        let entry = |b: usize, i: usize, j: usize| {
            let x = ((7 * b + 5 * i * i + 3 * j + i * j) as f64).sin();
            T::of(match b % 14 {
                1 => 0.0,
                3 => 1e30 * x,
                5 => (i + 1) as f64 * (j + 2) as f64,
                7 => x * 1e-9f64.powi(j as i32),
                9 if i + j == 1 => f64::NAN,
                11 => f64::from(u8::from(i == j)),
                13 => x * 1e-30,
                _ => x,
            })
        };
        Batch::from_fn(100, n, n, entry).unwrap()
    }

    fn bits<T: Real>(numbers: &[T]) -> Vec<u64> {
        numbers.iter().map(|x| x.f64().to_bits()).collect()
    }

    fn as_alone<T: Real>() {
        let (engine, options) = (Engine::cpu(), Options::default());
        for n in 2..=4 {
            let batch = batch::<T>(n);
            let thin = engine.svd(&batch).options(&options).run().unwrap();
            let values = engine
                .singular_values(&batch)
                .options(&options)
                .run()
                .unwrap();
            let inverse = engine.pinv(&batch).options(&options).run().unwrap();
            let right = engine.singular_vectors(&batch, Factor::V);
            let right = right.options(&options).run().unwrap();
            let (u, v) = (thin.u, thin.v);
            for b in 0..batch.count() {
                let one = batch.view().matrices(b..b + 1).unwrap();
                let own = engine.svd(one).options(&options).run().unwrap();
                let (own_u, own_v) = (own.u, own.v);
                let pairs = [
                    (u.matrix(b), own_u.matrix(0)),
                    (thin.sigma.matrix(b), own.sigma.matrix(0)),
                    (v.matrix(b), own_v.matrix(0)),
                ];
                for (all, alone) in pairs {
                    assert_eq!(bits(all), bits(alone), "{n}x{n}, matrix {b}");
                }
                let same = |one: &crate::Outcome, other: &crate::Outcome| {
                    // Of a NaN nothing is equal.
                    assert_eq!(
                        format!("{one:?}"),
                        format!("{other:?}"),
                        "{n}x{n}, matrix {b}"
                    );
                };
                same(&thin.report.outcomes[b], &own.report.outcomes[0]);
                let own = engine.singular_values(one).options(&options).run().unwrap();
                assert_eq!(bits(values.sigma.matrix(b)), bits(own.sigma.matrix(0)));
                same(&values.report.outcomes[b], &own.report.outcomes[0]);
                assert_eq!(bits(right.vectors.matrix(b)), bits(v.matrix(b)));
                assert_eq!(bits(right.sigma.matrix(b)), bits(values.sigma.matrix(b)));
                same(&right.report.outcomes[b], &thin.report.outcomes[b]);
                let own = engine.pinv(one).options(&options).run().unwrap();
                assert_eq!(bits(inverse.inverse.matrix(b)), bits(own.inverse.matrix(0)));
                same(&inverse.report.outcomes[b], &own.report.outcomes[0]);
            }
        }
    }

    #[test]
    fn kernels_of_known_size_give_the_bits_of_one_matrix_alone() {
        as_alone::<f32>();
        as_alone::<f64>();
    }
}
