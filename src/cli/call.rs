//! What a command computes with.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use batched_svd::{Batch, Engine, Error, Options, Outcome, PerMatrix, View};

use crate::cli::entry::Entry;
use crate::cli::output::is_nan;
use crate::cli::progress::{Phase, Progress, Total};
use crate::cli::spread::{Spread, doubtful, spreads};

pub(crate) struct Call<'a> {
    pub engine: &'a Engine,
    pub options: &'a Options,
    /// The values of an option for the matrices of the call.
    pub per_matrix: Option<PerMatrix>,
    /// Whether to compute residuals.
    pub check: bool,
    /// Whether to say what is promised of them.
    pub verify: bool,
    /// Whether the singular values of every matrix are asked for.
    pub all_spreads: bool,
    /// All matrices, of which these are some.
    pub count: usize,
    /// Of the timed calls.
    pub seconds: &'a mut Duration,
    pub progress: &'a mut Progress,
}

/// What the arguments ask of the engine.
pub(crate) struct Asked<'a> {
    pub options: &'a Options,
    pub per_matrix: Option<PerMatrix>,
}

impl Asked<'_> {
    /// A call with the values of an option, if it is given.
    pub fn with_per_matrix<C>(&self, call: C, set: impl FnOnce(C, PerMatrix) -> C) -> C {
        match &self.per_matrix {
            Some(values) => set(call, values.clone()),
            None => call,
        }
    }
}

/// Matrices whose singular values are computed at once, to begin with.
const FEW: usize = 64;

/// Matrices of the untimed first call, which compiles what the timed one uses.
const WARM_UP: usize = 16;

impl Call<'_> {
    /// Calls once on a few matrices, to compile and to warm up, then on all, timed.
    pub fn timed<T: Entry, R, const N: usize>(
        &mut self,
        inputs: [View<'_, T>; N],
        call: impl Fn(&Engine, [View<'_, T>; N], &Asked<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut few = inputs;
        for view in &mut few {
            *view = view.matrices(0..view.count().min(WARM_UP))?;
        }
        let aside = Asked {
            options: &self.aside(),
            per_matrix: self.per_matrix.clone().map(first),
        };
        call(self.engine, few, &aside)?;
        let asked = Asked {
            options: self.options,
            per_matrix: self.per_matrix.clone(),
        };
        let start = Instant::now();
        let found = call(self.engine, inputs, &asked);
        *self.seconds += start.elapsed();
        found
    }

    /// Checks results, if they are to be checked.
    pub fn checked<R>(
        &mut self,
        check: impl FnOnce(&Self) -> Result<R, Error>,
    ) -> Result<Option<R>, Error> {
        if !self.check {
            return Ok(None);
        }
        self.progress.enter(Phase::Checking, Total::Unknown);
        let found = check(self);
        // What is left of computing: results on their way to files, and other shapes.
        self.progress
            .enter(Phase::Computing, Total::Matrices(self.count));
        found.map(Some)
    }

    /// Singular values, where they are not the command's result.
    pub fn sigma<T: Entry>(&self, a: View<'_, T>) -> Result<Batch<T::Real>, Error> {
        let found = self
            .engine
            .singular_values(a)
            .options(&self.aside())
            .run()?;
        Ok(found.sigma)
    }

    /// What singular values say of the matrices that matter: of all, or, where upper bounds of the condition numbers of
    /// what counts are known, of those that may have the largest, or a doubtful one. Most often these are few,
    /// and all together would take about as long as the command's own call.
    pub fn spreads<T: Entry>(
        &self,
        a: View<'_, T>,
        outcomes: &[Outcome],
        bounds: Option<Vec<f64>>,
    ) -> Result<Vec<Spread>, Error> {
        let Some(bounds) = bounds.filter(|_| !self.all_spreads && a.count() > FEW) else {
            return Ok(spreads(self.sigma(a)?.view(), outcomes));
        };
        let has_result = |b: &usize| !is_nan(outcomes[*b].status);
        let mut order: Vec<usize> = (0..a.count()).filter(has_result).collect();
        let descending = |one: &usize, other: &usize| bounds[*other].total_cmp(&bounds[*one]);
        let doubtful = doubtful(T::DTYPE, a.rows(), a.cols());
        let mut found = vec![Spread::UNKNOWN; a.count()];
        // Computes those of some matrices, and says the largest condition number of what counts.
        let mut look = |some: &[usize]| -> Result<f64, Error> {
            let views = some.iter().map(|&b| a.matrices(b..b + 1));
            let views = views.collect::<Result<Vec<_>, _>>()?;
            let own: Vec<Outcome> = some.iter().map(|&b| outcomes[b]).collect();
            let sigma = self.sigma(Batch::concat(&views)?.view())?;
            let mut largest = 0.0f64;
            for (&b, spread) in some.iter().zip(spreads(sigma.view(), &own)) {
                largest = largest.max(spread.kept_condition());
                found[b] = spread;
            }
            Ok(largest)
        };
        // Most are never looked at, and need no order: only those do that a few do not rule out.
        if order.len() > FEW {
            order.select_nth_unstable_by(FEW, descending);
        }
        let rest = order.split_off(FEW.min(order.len()));
        let mut largest = if order.is_empty() { 0.0 } else { look(&order)? };
        let mut rest: Vec<usize> = rest
            .into_iter()
            .filter(|&b| bounds[b] >= doubtful.min(largest))
            .collect();
        rest.sort_unstable_by(descending);
        let (mut first, mut some) = (0, 2 * FEW);
        while first < rest.len() && bounds[rest[first]] >= doubtful.min(largest) {
            let next = &rest[first..(first + some).min(rest.len())];
            largest = largest.max(look(next)?);
            (first, some) = (first + next.len(), 2 * some);
        }
        Ok(found)
    }

    /// The options of calls that nobody watches.
    fn aside(&self) -> Options {
        let quiet = self.options.clone().strict(false);
        quiet.progress(Arc::new(|_, _| ()))
    }
}

/// The values of the first matrices.
fn first(values: PerMatrix) -> PerMatrix {
    match values {
        PerMatrix::Each(mut numbers) => {
            numbers.truncate(WARM_UP);
            PerMatrix::Each(numbers)
        }
        all => all,
    }
}

/// Options with what moves the bar.
pub(crate) fn watched(options: Options, progress: &Progress) -> Options {
    let counter = progress.counter();
    options.progress(Arc::new(move |done, _| {
        counter.store(done as u64, Ordering::Relaxed);
    }))
}
