//! The road of every call on matrices in the host's memory: from views and a job to results and their report.

use crate::data::batch::Batch;
use crate::data::error::{Error, product, zeros};
use crate::data::options::Options;
use crate::data::outcome::{Outcome, Status};
use crate::data::parallel;
use crate::data::report::{Backend, Report};
use crate::data::scalar::Scalar;
use crate::data::view::{View, ViewMut};
use crate::engine::Engine;
use crate::engine::on_cpu::Done;
use crate::engine::place::{Place, Places, composed_shape};
use crate::host::call::{Call, Task};
use crate::host::delivery;
use crate::host::outputs::Outputs;
use crate::planner::{EMPTY_KERNEL, Job, executed};

impl Engine {
    /// Compositions.
    pub(crate) async fn compose<T: Scalar>(
        &self,
        a: View<'_, T>,
        job: Job,
        options: &Options,
        blocking: bool,
    ) -> Result<(Batch<T>, Report), Error> {
        let [count, rows, cols] = composed_shape(a.shape(), &job);
        let mut composed = Batch::zeros(count, rows, cols)?;
        let place = composed.view_mut();
        let report = self.compose_into(a, None, job, place, options, blocking);
        let report = report.await?;
        Ok((composed, report))
    }

    /// Compositions, or what they make of right-hand sides, into a place of their shape.
    pub(crate) async fn compose_into<T: Scalar>(
        &self,
        a: View<'_, T>,
        rhs: Option<View<'_, T>>,
        job: Job,
        mut composed: ViewMut<'_, T>,
        options: &Options,
        blocking: bool,
    ) -> Result<Report, Error> {
        let mut place = Place::new(&mut composed)?;
        // Nobody sees them, but they decide what counts.
        let len = product(&[a.count(), a.rows().min(a.cols())], size_of::<T>())?;
        let mut sigma = zeros(len)?;
        let places = Places {
            u: &mut [],
            sigma: &mut sigma,
            v: &mut [],
            composed: place.slice(),
        };
        let report = self.run(a, rhs, job, options, places, blocking).await?;
        place.finish();
        strict(report, options)
    }

    /// The one road that every call takes.
    pub(crate) async fn run<T: Scalar>(
        &self,
        a: View<'_, T>,
        rhs: Option<View<'_, T>>,
        job: Job,
        options: &Options,
        places: Places<'_, T>,
        blocking: bool,
    ) -> Result<Report, Error> {
        let task = Task::new::<T>([a.rows(), a.cols()], job, options)?;
        let problem = task.problem;
        let mut outcomes = parallel::filled(a.count(), Outcome::PENDING)?;
        let Places {
            mut u,
            sigma,
            mut v,
            composed,
        } = places;
        if problem.transposed {
            std::mem::swap(&mut u, &mut v);
        }
        let outputs = Outputs {
            u,
            sigma,
            v,
            composed,
            outcomes: &mut outcomes,
        };
        let call = Call {
            view: if problem.transposed { a.transpose() } else { a },
            rhs: rhs.filter(|_| problem.rhs.is_some()),
            task,
            blocking,
        };
        let done = self.dispatch(&call, outputs).await?;
        let flops = match done.shared {
            None => executed(&problem, done.backend, &outcomes),
            Some(first) => {
                executed(&problem, Backend::Gpu, &outcomes[..first])
                    + executed(&problem, Backend::Cpu, &outcomes[first..])
            }
        };
        Ok(done.report(outcomes, flops))
    }

    async fn dispatch<T: Scalar>(
        &self,
        call: &Call<'_, T>,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        if call.task.problem.cols == 0 || call.view.count() == 0 {
            delivery::deliver_empty(&call.task.problem, &call.task.sizes, outputs);
            return Ok(Done {
                backend: self.backend(),
                device: self.to_string().into(),
                kernel: EMPTY_KERNEL,
                device_seconds: None,
                shared: None,
                device_error: None,
            });
        }
        match &self.gpu {
            Some(gpu) => self.by_policy(gpu, call, outputs).await,
            None => self.cpu_run(call, outputs).await,
        }
    }
}

pub(crate) fn strict(report: Report, options: &Options) -> Result<Report, Error> {
    if options.strict && !report.all_converged() {
        let failures: Vec<(usize, Status)> = report.failures().collect();
        return Err(Error::Strict(failures));
    }
    Ok(report)
}
