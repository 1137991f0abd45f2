//! One call, as both engines see it.

use crate::data::error::Error;
use crate::filter::scaled;
use std::sync::Arc;

use crate::data::options::Progress;
use crate::data::options::{Options, PerMatrix};
use crate::data::scalar::Scalar;
use crate::data::view::View;
use crate::planner::{Convergence, Filter, Job, Problem, Sizes};

/// What to compute of matrices, and how.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub problem: Problem,
    pub sizes: Sizes,
    pub convergence: Convergence,
    pub filter: Filter,
    pub options: &'a Options,
}

impl<'a> Task<'a> {
    /// A job on m x n matrices, with options that were checked with the call.
    pub fn new<T: Scalar>(
        [rows, cols]: [usize; 2],
        job: Job,
        options: &'a Options,
    ) -> Result<Self, Error> {
        options.check_cancelled()?;
        let problem = Problem::new(rows, cols, T::DTYPE, job);
        if problem.rows > u32::MAX as usize {
            return Err(Error::argument(format!(
                "matrices of {rows}x{cols}, but dimensions above 2^32 - 1 are not supported"
            )));
        }
        Ok(Task {
            problem,
            sizes: problem.sizes(),
            convergence: Convergence::new(&problem, options),
            filter: match (job.filter, &options.damping) {
                (Filter::Inverse, Some(_)) => Filter::Damped,
                (filter, _) => filter,
            },
            options,
        })
    }
}

impl Task<'_> {
    /// The damping, where it matters.
    pub fn damping(&self) -> Option<&PerMatrix> {
        let damping = self.options.given_damping();
        damping.filter(|_| self.filter == Filter::Damped)
    }

    /// By which power of two the composition of matrix `index`, scaled by 2^power, must be multiplied.
    #[inline(always)]
    pub fn lift(&self, index: usize, power: i32) -> i32 {
        let lift = -self.filter.degree() * power;
        match self.damping() {
            None => lift,
            Some(damping) => lift - 2 * scaled(damping.get(index), power).1,
        }
    }

    pub fn progress(&self, done: usize, count: usize) {
        if let Some(progress) = &self.options.progress {
            progress(done, count);
        }
    }
}

/// A task on the caller's matrices.
pub(crate) struct Call<'a, T> {
    /// Oriented as the problem is: at least as many rows as columns.
    pub view: View<'a, T>,
    /// Right-hand sides, if the task has any.
    pub rhs: Option<View<'a, T>>,
    pub task: Task<'a>,
    /// Whether the caller's thread may block until the device is done.
    pub blocking: bool,
}

impl<'a, T: Scalar> Call<'a, T> {
    /// The same call, if its entries are of this type.
    pub fn cast<U: Scalar>(&self) -> Option<Call<'a, U>> {
        Some(Call {
            view: self.view.cast()?,
            rhs: match self.rhs {
                Some(rhs) => Some(rhs.cast()?),
                None => None,
            },
            task: self.task,
            blocking: self.blocking,
        })
    }
}

impl<T: Scalar> Call<'_, T> {
    /// Whether the kernels see conjugate transposes: of wide complex matrices.
    #[inline(always)]
    pub fn conjugated(&self) -> bool {
        T::DTYPE.is_complex() && self.task.problem.transposed
    }

    pub fn progress(&self, done: usize) {
        self.task.progress(done, self.view.count());
    }

    /// The options of some of the matrices, whose progress is told as that of all.
    pub fn options_of(&self, matrices: std::ops::Range<usize>) -> Options {
        let count = self.view.count();
        let options = self.task.options;
        let progress = options.progress.clone().map(|progress| -> Progress {
            let first = matrices.start;
            Arc::new(move |done, _| progress(first + done, count))
        });
        Options {
            progress,
            ..options.of_some(&matrices.collect::<Vec<_>>())
        }
    }

    /// The same for some of the matrices, with options of theirs.
    pub fn part<'p>(
        &'p self,
        matrices: std::ops::Range<usize>,
        options: &'p Options,
    ) -> Result<Call<'p, T>, Error> {
        Ok(Call {
            view: self.view.matrices(matrices.clone())?,
            rhs: match &self.rhs {
                Some(rhs) => Some(rhs.matrices(matrices)?),
                None => None,
            },
            task: Task {
                options,
                ..self.task
            },
            blocking: self.blocking,
        })
    }
}
