//! The options of a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::error::Error;

/// One number for the whole batch, or one number for each matrix.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PerMatrix {
    /// The same number for every matrix.
    All(f64),
    /// One number for each matrix, in the order of the matrices.
    Each(Vec<f64>),
}

impl From<f64> for PerMatrix {
    fn from(value: f64) -> Self {
        PerMatrix::All(value)
    }
}

impl From<Vec<f64>> for PerMatrix {
    fn from(values: Vec<f64>) -> Self {
        PerMatrix::Each(values)
    }
}

impl From<&[f64]> for PerMatrix {
    fn from(values: &[f64]) -> Self {
        PerMatrix::Each(values.to_vec())
    }
}

impl PerMatrix {
    pub(crate) fn is_each(&self) -> bool {
        matches!(self, PerMatrix::Each(_))
    }

    /// The numbers, if each matrix has its own.
    pub(crate) fn each(&self) -> Option<&[f64]> {
        match self {
            PerMatrix::All(_) => None,
            PerMatrix::Each(values) => Some(values),
        }
    }

    /// The numbers of the given matrices, in the given order.
    pub(crate) fn of_some(&self, matrices: &[usize]) -> Self {
        match self {
            PerMatrix::All(value) => PerMatrix::All(*value),
            PerMatrix::Each(values) => {
                PerMatrix::Each(matrices.iter().map(|&index| values[index]).collect())
            }
        }
    }

    pub(crate) fn get(&self, index: usize) -> f64 {
        match self {
            PerMatrix::All(value) => *value,
            PerMatrix::Each(values) => values[index],
        }
    }

    fn values(&self) -> &[f64] {
        match self {
            PerMatrix::All(value) => std::slice::from_ref(value),
            PerMatrix::Each(values) => values,
        }
    }

    pub(crate) fn check(&self, name: &str, count: usize) -> Result<(), Error> {
        let values = self.values();
        if matches!(self, PerMatrix::Each(_)) && values.len() != count {
            return Err(Error::argument(format!(
                "{} values of the {name} for {count} matrices",
                values.len()
            )));
        }
        match values.iter().find(|v| !(v.is_finite() && **v >= 0.0)) {
            None => Ok(()),
            Some(value) => Err(Error::argument(format!(
                "the {name} is {value}, but must be finite and not negative"
            ))),
        }
    }
}

/// The rule that decides which singular values count: those strictly above max(absolute, relative * sigma_max).
///
/// **Default**: the relative cutoff is 8 sqrt(k) u = 4 sqrt(k) eps. Here k = min(m, n), u is the unit roundoff, and
/// eps = 2u is the spacing of floats at 1. This is the library's bound on the error of a computed singular value. A
/// singular value that is not above it may consist of rounding errors only. The longer side of the matrix does not
/// occur in this bound, because long columns are summed in blocks. For eigenvalues the default is the bound on their
/// errors, [`Outcome::sigma_error`](crate::Outcome::sigma_error).
///
/// **Other libraries**: NumPy's `matrix_rank`, PyTorch, MATLAB and users of LAPACK choose max(m, n) eps
/// ([`Cutoff::numpy`]). In f32 this cutoff drops good data of 10,000 rows, and it drops everything from 2^23 rows
/// on. Julia chooses min(m, n) eps. All these defaults only guess the errors that the data had before the call. If
/// you know these errors, set [`relative`](Self::relative) or [`absolute`](Self::absolute).
///
/// If only an absolute cutoff is set, the relative cutoff is zero.
///
/// **A cutoff of zero**: every singular value counts that was not computed as exactly zero. Singular values at or
/// below 2^-84 (f32) or 2^-880 (f64) of the largest entry of their matrix are computed as zero, and no cutoff
/// reaches below that. A cutoff of zero is right for matrices that are known to have full rank, however their
/// columns are scaled. If columns depend on each other exactly, the corresponding singular values are rounding
/// errors. Some of them may be zero and some not. They differ between engines, and so do the results that are
/// computed from them. [`Outcome::sigma_error`](crate::Outcome::sigma_error) tells which singular values may be
/// rounding errors.
///
/// Two further rules can reduce the number of singular values that count. With a [rank](Self::rank), at most that
/// many count. With an [error](Self::error), the smallest ones do not count as long as all of them together make no
/// larger error.
///
/// ```
/// use batched_svd::Cutoff;
///
/// let noise = Cutoff::absolute(1e-3);
/// let both = Cutoff::relative(1e-6).and_absolute(1e-12);
/// let each = Cutoff::relative(vec![1e-6, 1e-3]); // one for each of two matrices
/// let three = Cutoff::rank(3); // the three largest, if they are above the default
/// # let _ = (noise, both, each, three);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cutoff {
    relative: Option<Relative>,
    absolute: Option<PerMatrix>,
    rank: Option<usize>,
    /// Whether a rank larger than min(m, n) means all singular values. This is so for matrices of different shapes.
    rank_is_limit: bool,
    share: Option<Share>,
}

/// A fraction of the largest singular value.
#[derive(Clone, Debug, PartialEq)]
enum Relative {
    Values(PerMatrix),
    /// eps max(m, n).
    Numpy,
}

/// The relative cutoffs that depend on the shape and the type of the matrices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedCutoffs {
    pub default: f64,
    pub numpy: f64,
}

/// The limit on the singular values that do not count, all of them together.
#[derive(Clone, Debug, PartialEq)]
enum Share {
    /// The root of the sum of their squares, divided by the root of the sum of all squares.
    Error(PerMatrix),
    /// 1 - (the sum of their squares, divided by the sum of all squares).
    Energy(PerMatrix),
}

impl Cutoff {
    /// A cutoff relative to the largest singular value of each matrix (NumPy's `rcond`).
    pub fn relative(value: impl Into<PerMatrix>) -> Self {
        Cutoff {
            relative: Some(Relative::Values(value.into())),
            ..Cutoff::default()
        }
    }

    /// The relative cutoff eps max(m, n). It is the default of NumPy's `matrix_rank` and `lstsq`, of PyTorch and of
    /// MATLAB. In f32 it drops parts of good data that has many rows, and everything from 2^23 rows on.
    ///
    /// ```
    /// use batched_svd::{Batch, Cutoff, Engine};
    ///
    /// // A line through 10,000 points: [1, t].
    /// let a = Batch::from_fn(1, 10_000, 2, |_, t, j| if j == 0 { 1.0f32 } else { t as f32 })?;
    /// let rank = |cutoff| -> Result<u32, batched_svd::Error> {
    ///     Ok(Engine::cpu().singular_values(&a).cutoff(cutoff).run()?.report.outcomes[0].rank)
    /// };
    /// assert_eq!(rank(Cutoff::default())?, 2);
    /// assert_eq!(rank(Cutoff::numpy())?, 1);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn numpy() -> Self {
        Cutoff {
            relative: Some(Relative::Numpy),
            ..Cutoff::default()
        }
    }

    /// A cutoff in the unit of the matrix entries.
    pub fn absolute(value: impl Into<PerMatrix>) -> Self {
        Cutoff {
            absolute: Some(value.into()),
            ..Cutoff::default()
        }
    }

    /// Counts the largest `k` singular values, if they are above the default cutoff. If `k` is zero, none counts. If
    /// `k` is larger than min(m, n), the call returns an error.
    pub fn rank(k: usize) -> Self {
        Cutoff::default().and_rank(k)
    }

    /// Counts as few singular values as possible such that the error |A - A_k|_F is at most `relative` |A|_F. Only
    /// singular values above the default cutoff count. Singular values are known only to
    /// [`sigma_error`](crate::Outcome::sigma_error). If rounding decides, fewer count.
    pub fn error(relative: impl Into<PerMatrix>) -> Self {
        Cutoff::default().and_error(relative)
    }

    /// Counts as few singular values as possible that have this part (0 to 1) of the energy. The energy is the sum of
    /// the squares of all singular values. Only singular values above the default cutoff count. If rounding decides,
    /// fewer count: for diag(3, 1) and a part of 0.9, one counts.
    pub fn energy(part: impl Into<PerMatrix>) -> Self {
        Cutoff::default().and_energy(part)
    }

    /// Adds an absolute cutoff. The larger of the two cutoffs applies.
    pub fn and_absolute(mut self, value: impl Into<PerMatrix>) -> Self {
        self.absolute = Some(value.into());
        self
    }

    /// Whether the caller set neither a relative nor an absolute cutoff.
    pub(crate) fn has_no_size(&self) -> bool {
        self.relative.is_none() && self.absolute.is_none()
    }

    /// If the caller set a relative or an absolute cutoff, this cutoff. Otherwise the default, with a lower limit for
    /// every matrix.
    pub(crate) fn or_above(&self, default: f64, floors: Vec<f64>) -> Self {
        match self.has_no_size() {
            true => Cutoff {
                relative: Some(Relative::Values(PerMatrix::All(default))),
                absolute: Some(PerMatrix::Each(floors)),
                ..self.clone()
            },
            false => self.clone(),
        }
    }

    /// Adds a limit: at most the largest `k` singular values count.
    pub fn and_rank(mut self, k: usize) -> Self {
        self.rank = Some(k);
        self
    }

    /// Adds a limit: no more singular values count than are needed for this [`error`](Self::error). It replaces an
    /// energy.
    pub fn and_error(mut self, relative: impl Into<PerMatrix>) -> Self {
        self.share = Some(Share::Error(relative.into()));
        self
    }

    /// Adds a limit: no more singular values count than are needed for this [`energy`](Self::energy). It replaces an
    /// error.
    pub fn and_energy(mut self, part: impl Into<PerMatrix>) -> Self {
        self.share = Some(Share::Energy(part.into()));
        self
    }

    /// The cutoff of the given matrices.
    fn of_some(&self, matrices: &[usize]) -> Self {
        let values = |values: &Option<PerMatrix>| values.as_ref().map(|v| v.of_some(matrices));
        Cutoff {
            relative: self.relative.as_ref().map(|relative| match relative {
                Relative::Values(values) => Relative::Values(values.of_some(matrices)),
                Relative::Numpy => Relative::Numpy,
            }),
            absolute: values(&self.absolute),
            rank: self.rank,
            rank_is_limit: true,
            share: self.share.as_ref().map(|share| match share {
                Share::Error(error) => Share::Error(error.of_some(matrices)),
                Share::Energy(energy) => Share::Energy(energy.of_some(matrices)),
            }),
        }
    }

    pub(crate) fn check(&self, count: usize, most: usize) -> Result<(), Error> {
        let too_many = |rank: &usize| *rank > most && !self.rank_is_limit;
        if let Some(rank) = self.rank.filter(too_many) {
            return Err(Error::argument(format!(
                "a rank of {rank}, but the matrices have {most} singular values"
            )));
        }
        if let Some(Relative::Values(relative)) = &self.relative {
            relative.check("relative cutoff", count)?;
        }
        if let Some(absolute) = &self.absolute {
            absolute.check("absolute cutoff", count)?;
        }
        match &self.share {
            None => Ok(()),
            Some(Share::Error(error)) => error.check("relative error", count),
            Some(Share::Energy(energy)) => {
                energy.check("energy", count)?;
                match energy.values().iter().find(|&&part| part > 1.0) {
                    None => Ok(()),
                    Some(part) => Err(Error::argument(format!(
                        "the energy is {part}, but must be a part of one"
                    ))),
                }
            }
        }
    }

    /// Whether each matrix has its own cutoff.
    pub(crate) fn is_each(&self) -> bool {
        let share = self.share.as_ref().map(|share| match share {
            Share::Error(values) | Share::Energy(values) => values,
        });
        let relative = match &self.relative {
            Some(Relative::Values(values)) => Some(values),
            _ => None,
        };
        let values = [relative, self.absolute.as_ref(), share];
        values.into_iter().flatten().any(PerMatrix::is_each)
    }

    /// The largest number of n singular values that can count.
    pub(crate) fn most(&self, n: usize) -> usize {
        self.rank.unwrap_or(n).min(n)
    }

    /// The share of the sum of squares that the singular values that do not count may have, with an allowance for
    /// rounding: each singular value has an error of up to `sigma_error` of the largest. Negative if neither an error
    /// nor an energy is set.
    pub(crate) fn share(&self, index: usize, sigma_error: f64) -> f64 {
        let (share, rounding) = match &self.share {
            None => return -1.0,
            Some(Share::Error(error)) => (error.get(index).powi(2).min(1.0), 0.0),
            // A part such as 0.9 is no number of f64.
            Some(Share::Energy(energy)) => (1.0 - energy.get(index), f64::EPSILON),
        };
        match share > 0.0 {
            true => share + rounding + 2.0 * sigma_error * share.sqrt(),
            false => 0.0,
        }
    }

    /// The pair (relative, absolute) for one matrix. `named` holds the named cutoffs for its shape.
    pub(crate) fn of(&self, index: usize, named: NamedCutoffs) -> (f64, f64) {
        let relative = match (&self.relative, &self.absolute) {
            (Some(Relative::Values(relative)), _) => relative.get(index),
            (Some(Relative::Numpy), _) => named.numpy,
            (None, Some(_)) => 0.0,
            (None, None) => named.default,
        };
        let absolute = self.absolute.as_ref().map_or(0.0, |a| a.get(index));
        (relative, absolute)
    }
}

/// A function that is called with (number of finished matrices, number of all matrices) during a call.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// A handle that ends calls early. Give it to a call with [`Call::cancel`](crate::Call::cancel), or to several with
/// [`Options::cancel`], and keep it, or a clone in another thread.
///
/// ```
/// use batched_svd::{Batch, Cancel, Engine, Error};
///
/// let cancel = Cancel::new();
/// cancel.cancel(); // from anywhere, for instance on ctrl-C
/// let a = Batch::from_fn(1000, 3, 3, |b, i, j| (b + i * j) as f32)?;
/// assert_eq!(Engine::cpu().pinv(&a).cancel(&cancel).run().unwrap_err(), Error::Cancelled);
/// # Ok::<(), batched_svd::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    cancelled: AtomicBool,
    /// Another handle. If it is cancelled, this one is cancelled too.
    outer: Option<Cancel>,
}

impl Cancel {
    /// A new handle that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all calls that have this handle with [`Error::Cancelled`]. Later calls with this handle end in the same
    /// way. On the CPU, a call ends when every thread has finished the matrices that it works on. On a GPU, it ends
    /// within a fraction of a second, or later if it waits for another call on the same engine. The GPU still completes
    /// the work that was submitted to it, but no call waits for this work.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the handle has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        let outer = self.0.outer.as_ref();
        self.0.cancelled.load(Ordering::Relaxed) || outer.is_some_and(Cancel::is_cancelled)
    }

    /// A handle that is cancelled together with `outer`, or separately.
    pub(crate) fn within(outer: Option<&Cancel>) -> Self {
        Cancel(Arc::new(Flag {
            cancelled: AtomicBool::new(false),
            outer: outer.cloned(),
        }))
    }
}

/// A damping, of the calls that can have one.
#[derive(Clone)]
pub(crate) enum Damping {
    Given(PerMatrix),
    /// It is found from the smallest singular value of each matrix, before anything else is computed.
    NearSingular(NearSingular),
}

impl Damping {
    #[cfg(feature = "gpu")]
    fn is_each(&self) -> bool {
        match self {
            Damping::Given(numbers) => numbers.is_each(),
            Damping::NearSingular(_) => true,
        }
    }

    fn check(&self, count: usize) -> Result<(), Error> {
        match self {
            Damping::Given(numbers) => numbers.check("damping", count),
            Damping::NearSingular(NearSingular { below, most }) => {
                below.check("limit of the damping near singular matrices", count)?;
                most.check("largest damping", count)
            }
        }
    }
}

/// A damping that sets in where the smallest singular value is below a limit, and the largest damping.
#[derive(Clone)]
pub(crate) struct NearSingular {
    pub below: PerMatrix,
    pub most: PerMatrix,
}

impl NearSingular {
    /// The damping of a matrix with this smallest singular value; without singular values, or with one that is not a
    /// number, zero.
    pub fn damping(&self, index: usize, smallest: Option<f64>) -> f64 {
        let ratio = smallest.map_or(f64::NAN, |smallest| smallest / self.below.get(index));
        match ratio < 1.0 {
            true => self.most.get(index) * ((1.0 - ratio) * (1.0 + ratio)).sqrt(),
            false => 0.0,
        }
    }
}

/// The choices that every call has. The default is suitable for most uses. [`Call::options`](crate::Call::options) sets
/// all of them, and [`Call`](crate::Call) has a method for each. The choices of some operations only, such as a damping,
/// are methods of their calls.
///
/// ```
/// use batched_svd::{Cutoff, Options};
///
/// let options = Options::default().cutoff(Cutoff::relative(1e-4)).strict(true);
/// # let _ = options;
/// ```
#[derive(Clone, Default)]
pub struct Options {
    pub(crate) cutoff: Cutoff,
    /// Only some operations have one, and their calls set it.
    pub(crate) damping: Option<Damping>,
    pub(crate) tolerance: Option<f64>,
    pub(crate) max_sweeps: Option<u32>,
    pub(crate) strict: bool,
    pub(crate) progress: Option<Progress>,
    pub(crate) cancel: Option<Cancel>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("cutoff", &self.cutoff)
            .field("tolerance", &self.tolerance)
            .field("max_sweeps", &self.max_sweeps)
            .field("strict", &self.strict)
            .field("progress", &self.progress.is_some())
            .field("cancel", &self.cancel)
            .finish()
    }
}

impl Options {
    /// Sets which singular values count. This affects the ranks and all results that are composed from singular values
    /// that count.
    pub fn cutoff(mut self, cutoff: Cutoff) -> Self {
        self.cutoff = cutoff;
        self
    }

    /// Sets the largest cosine at which a pair of columns counts as orthogonal. If the two columns differ in size, the
    /// limit is lower, down to the roundoff of the smaller column.
    ///
    /// Default: `max(4, min(1.2 sqrt(k), 8)) u` for k = min(m, n). The largest allowed value is 1. What it means for
    /// eigenvalues that the CPU computes is at [`Engine::eigh`](crate::Engine::eigh).
    pub fn tolerance(mut self, cosine: f64) -> Self {
        self.tolerance = Some(cosine);
        self
    }

    /// Sets the maximum number of sweeps, at least 1. A matrix that needs more is reported as not converged.
    ///
    /// Default in f32: 30, and two more for every doubling of k = min(m, n). In f64 it is one and a half times that
    /// number.
    pub fn max_sweeps(mut self, sweeps: u32) -> Self {
        self.max_sweeps = Some(sweeps);
        self
    }

    /// Sets whether the call returns an error ([`Error::Strict`]) if a matrix does not converge, is not finite, or has
    /// no representable result. Default: no; then the report contains the status of each matrix.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Sets a function that is called from time to time, from any thread, with (number of finished matrices, number of
    /// all matrices).
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Sets a handle that can end the call early. After that, the contents of the results are unspecified.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// The damping, if it is given.
    pub(crate) fn given_damping(&self) -> Option<&PerMatrix> {
        match &self.damping {
            Some(Damping::Given(numbers)) => Some(numbers),
            _ => None,
        }
    }

    /// How the damping is found, if it is not given.
    pub(crate) fn near_singular(&self) -> Option<&NearSingular> {
        match &self.damping {
            Some(Damping::NearSingular(near)) => Some(near),
            _ => None,
        }
    }

    /// Whether each matrix has its own cutoff or damping.
    #[cfg(feature = "gpu")]
    pub(crate) fn has_each(&self) -> bool {
        self.cutoff.is_each() || self.damping.as_ref().is_some_and(Damping::is_each)
    }

    /// Returns an error if the call was cancelled.
    pub(crate) fn check_cancelled(&self) -> Result<(), Error> {
        match &self.cancel {
            Some(cancel) if cancel.is_cancelled() => Err(Error::Cancelled),
            _ => Ok(()),
        }
    }

    /// The options of the given matrices. Their rank may be smaller than the rank of the cutoff.
    pub(crate) fn of_some(&self, matrices: &[usize]) -> Self {
        Options {
            cutoff: self.cutoff.of_some(matrices),
            // Calls on several shapes set it themselves.
            damping: self
                .given_damping()
                .map(|d| Damping::Given(d.of_some(matrices))),
            ..self.clone()
        }
    }

    /// Checks the options for `count` matrices with at most `most` singular values each.
    pub(crate) fn check(&self, count: usize, most: usize) -> Result<(), Error> {
        self.check_cancelled()?;
        self.cutoff.check(count, most)?;
        if let Some(damping) = &self.damping {
            damping.check(count)?;
        }
        if let Some(tolerance) = self.tolerance
            && !(0.0..=1.0).contains(&tolerance)
        {
            return Err(Error::argument(format!(
                "the tolerance is {tolerance}, but a cosine lies between 0 and 1"
            )));
        }
        if self.max_sweeps == Some(0) {
            return Err(Error::argument(
                "the maximum of sweeps is 0, but it takes at least 1",
            ));
        }
        Ok(())
    }
}
