//! Least-squares solutions, refined once.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::outcome::Status;
use crate::data::parallel;
use crate::data::scalar::Real;
use crate::data::view::View;
use crate::engine::Engine;
use crate::engine::road::strict;
use crate::ops::lstsq::{Lstsq, LstsqChoices};
use crate::ops::operation::{Compute, Given};

/// x + A^+ (b - A x), where both converge. Residuals are computed in f64, where the products of f32 are exact.
pub(crate) async fn lstsq<T: Real>(
    engine: &Engine,
    given: Given<'_, T>,
    choices: &LstsqChoices,
    options: &Options,
    blocking: bool,
) -> Result<Lstsq<T>, Error> {
    let Given { a, b: Some(b) } = given else {
        return Err(Error::argument("no right-hand sides"));
    };
    let (plain, lenient) = (
        LstsqChoices {
            refined: false,
            ..*choices
        },
        options.clone().strict(false),
    );
    let mut found = unrefined(engine, [a, b], &plain, &lenient, blocking).await?;
    let mut rest = Batch::zeros(a.count(), a.rows(), b.cols())?;
    residuals(a, &found.solution, b, &mut rest);
    let quiet = Options {
        progress: None,
        ..lenient
    };
    let alone = LstsqChoices::default();
    let further = unrefined(engine, [a, rest.view()], &alone, &quiet, blocking).await?;
    let outcomes = found.report.outcomes.iter().zip(&further.report.outcomes);
    let size = found.solution.rows() * found.solution.cols();
    if size > 0 {
        let entries = found.solution.as_mut_slice().chunks_exact_mut(size);
        let steps = further.solution.as_slice().chunks_exact(size);
        for ((x, step), (first, second)) in entries.zip(steps).zip(outcomes) {
            // A step of nothing but subnormal numbers mends nothing; one of what did not converge may harm.
            let is_good = |status| matches!(status, Status::Converged | Status::NonFinite);
            if !is_good(first.status) || !is_good(second.status) {
                continue;
            }
            for (x, &step) in x.iter_mut().zip(step) {
                if step.finite() {
                    *x += step;
                }
            }
        }
    }
    found.report.flops += further.report.flops;
    let report = strict(found.report, options)?;
    Ok(Lstsq { report, ..found })
}

/// As a box, since this is a call within a call.
async fn unrefined<T: Real>(
    engine: &Engine,
    [a, b]: [View<'_, T>; 2],
    choices: &LstsqChoices,
    options: &Options,
    blocking: bool,
) -> Result<Lstsq<T>, Error> {
    let given = Given { a, b: Some(b) };
    Box::pin(Lstsq::compute(engine, given, choices, options, blocking)).await
}

/// b - A x, system by system.
fn residuals<T: Real>(a: View<'_, T>, x: &Batch<T>, b: View<'_, T>, to: &mut Batch<T>) {
    let (m, n, size) = (to.rows(), x.rows(), to.rows() * to.cols());
    if size == 0 {
        return;
    }
    let some = (1usize << 14).div_ceil(size * n.max(1));
    let tasks = to.as_mut_slice().chunks_mut(some * size).enumerate();
    parallel::for_each(
        tasks.collect(),
        || vec![0.0; m],
        |sum: &mut Vec<f64>, (task, entries): (usize, &mut [T])| {
            for (index, to) in (task * some..).zip(entries.chunks_exact_mut(size)) {
                for (c, to) in to.chunks_exact_mut(m).enumerate() {
                    for (sum, b) in sum.iter_mut().zip(b.column(index, c)) {
                        *sum = b.f64();
                    }
                    for (j, x) in x.matrix(index)[c * n..][..n].iter().enumerate() {
                        let x = x.f64();
                        for (sum, a) in sum.iter_mut().zip(a.column(index, j)) {
                            *sum -= a.f64() * x;
                        }
                    }
                    for (to, &sum) in to.iter_mut().zip(sum.iter()) {
                        *to = T::of(sum);
                    }
                }
            }
        },
    );
}
