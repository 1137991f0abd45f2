//! What a caller may ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::error::Error;

/// Which singular vectors to compute, for matrices of m x n with k = min(m, n).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Vectors {
    /// Singular values only.
    None,
    /// U is m x k and V is n x k.
    #[default]
    Thin,
    /// U is m x m and V is n x n.
    Full,
}

/// A number for the whole batch, or one for each matrix.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PerMatrix {
    /// The same for every matrix.
    All(f64),
    /// One for each matrix, in order.
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

    /// Those of some matrices, in this order.
    fn of_some(&self, matrices: &[usize]) -> Self {
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

    fn check(&self, name: &str, count: usize) -> Result<(), Error> {
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

/// Which singular values count: those strictly above max(absolute, relative * sigma_max).
///
/// **Default**: relative, 8 sqrt(k) u = 4 sqrt(k) eps for k = min(m, n), with the unit roundoff u and the spacing
/// eps = 2u of floats at 1. That is this library's bound on the error of a computed singular value: what is not
/// above it may be nothing but rounding. The longer side is not in it, since it is not in the bound: long columns
/// are summed in blocks. Others choose max(m, n) eps (NumPy's `matrix_rank`, PyTorch, MATLAB, LAPACK's users),
/// which in f32 drops good data of 10,000 rows and everything from 2^23 rows on, or min(m, n) eps (Julia);
/// [`Cutoff::numpy`] has the former. All of them only guess at the errors that the data had before: who knows
/// these says so by [`relative`](Self::relative) or [`absolute`](Self::absolute).
///
/// An absolute cutoff alone sets the relative one to zero.
///
/// **Zero** as the cutoff: every singular value counts that was not computed as exactly zero (at or below 2^-84
/// (f32) or 2^-880 (f64) of the largest entry of its matrix; no cutoff reaches below that). Right for matrices
/// that are known to have full rank, however their columns are scaled. Where columns depend on each other
/// exactly, the computed zeros are rounding errors, of which some may be zero and some not: they differ between
/// engines, and so do results that are made of them. [`Outcome::sigma_error`](crate::Outcome::sigma_error)
/// tells which singular values may be such.
///
/// Of those that are above, no more count than a [rank](Self::rank), and the smallest do not as long as all
/// of them together make no larger [error](Self::error).
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
    /// Whether a rank that no matrix has means all, as among matrices of different shapes.
    rank_is_limit: bool,
    share: Option<Share>,
}

/// A part of the largest singular value.
#[derive(Clone, Debug, PartialEq)]
enum Relative {
    Values(PerMatrix),
    /// eps max(m, n).
    Numpy,
}

/// Relative cutoffs that depend on the shape and the type of the matrices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedCutoffs {
    pub default: f64,
    pub numpy: f64,
}

/// What the singular values that do not count may amount to together.
#[derive(Clone, Debug, PartialEq)]
enum Share {
    /// The root of the sum of their squares, by that of all.
    Error(PerMatrix),
    /// One less the sum of their squares, by that of all.
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

    /// eps max(m, n), relative to the largest singular value: the default of NumPy's `matrix_rank` and `lstsq`, of
    /// PyTorch and MATLAB. In f32 it drops what is in good data of many rows, and everything from 2^23 rows on.
    ///
    /// ```
    /// use batched_svd::{Batch, Cutoff, Engine, Options, Vectors};
    ///
    /// // A line through 10,000 points: [1, t].
    /// let a = Batch::from_fn(1, 10_000, 2, |_, t, j| if j == 0 { 1.0f32 } else { t as f32 })?;
    /// let rank = |cutoff| -> Result<u32, batched_svd::Error> {
    ///     let options = Options::default().cutoff(cutoff);
    ///     Ok(Engine::cpu().svd(&a, Vectors::None, &options)?.report.outcomes[0].rank)
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

    /// The largest `k` singular values, if they are above the default cutoff. Zero leaves none; more than a
    /// matrix has, min(m, n), is an error.
    pub fn rank(k: usize) -> Self {
        Cutoff::default().and_rank(k)
    }

    /// As few singular values as leave an error |A - A_k|_F of at most `relative` |A|_F: of those above the
    /// default cutoff. Singular values are known to [`sigma_error`](crate::Outcome::sigma_error) only: where
    /// rounding decides, fewer count.
    pub fn error(relative: impl Into<PerMatrix>) -> Self {
        Cutoff::default().and_error(relative)
    }

    /// As few singular values as have this part, 0 to 1, of the energy, the sum of their squares: of those
    /// above the default cutoff. Where rounding decides, fewer count: 0.9 of diag(3, 1) is one.
    pub fn energy(part: impl Into<PerMatrix>) -> Self {
        Cutoff::default().and_energy(part)
    }

    /// Adds an absolute cutoff: the larger of the two holds.
    pub fn and_absolute(mut self, value: impl Into<PerMatrix>) -> Self {
        self.absolute = Some(value.into());
        self
    }

    /// The default, and above a floor of every matrix; or what the caller asks for.
    pub(crate) fn or_above(&self, default: f64, floors: Vec<f64>) -> Self {
        match (&self.relative, &self.absolute) {
            (None, None) => Cutoff {
                relative: Some(Relative::Values(PerMatrix::All(default))),
                absolute: Some(PerMatrix::Each(floors)),
                ..self.clone()
            },
            _ => self.clone(),
        }
    }

    /// And no more than the largest `k`.
    pub fn and_rank(mut self, k: usize) -> Self {
        self.rank = Some(k);
        self
    }

    /// And no more than leave this [`error`](Self::error), in place of an energy.
    pub fn and_error(mut self, relative: impl Into<PerMatrix>) -> Self {
        self.share = Some(Share::Error(relative.into()));
        self
    }

    /// And no more than have this [`energy`](Self::energy), in place of an error.
    pub fn and_energy(mut self, part: impl Into<PerMatrix>) -> Self {
        self.share = Some(Share::Energy(part.into()));
        self
    }

    /// Of some matrices.
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

    /// Whether matrices have cutoffs of their own.
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

    /// The most of n that count.
    pub(crate) fn most(&self, n: usize) -> usize {
        self.rank.unwrap_or(n).min(n)
    }

    /// The share of the sum of squares that those which do not count may have, with what rounding may add:
    /// singular values are off by `sigma_error` of the largest. Negative where nothing is asked.
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

    /// (relative, absolute) for one matrix, given the cutoffs of its shape that have a name.
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

/// Called with (matrices done, matrices in all) while a call is under way.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// Ends calls before they are done: a handle to keep, or to give to another thread, while a call whose
/// options have it is under way.
///
/// ```
/// use batched_svd::{Batch, Cancel, Engine, Error, Options};
///
/// let cancel = Cancel::new();
/// let options = Options::default().cancel(&cancel);
/// cancel.cancel(); // from anywhere, for instance on ctrl-C
/// let a = Batch::from_fn(1000, 3, 3, |b, i, j| (b + i * j) as f32)?;
/// assert_eq!(Engine::cpu().pinv(&a, &options).unwrap_err(), Error::Cancelled);
/// # Ok::<(), batched_svd::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    cancelled: AtomicBool,
    /// What cancels this too.
    outer: Option<Cancel>,
}

impl Cancel {
    /// A handle that has cancelled nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the calls that have this handle, and all that will have it, with [`Error::Cancelled`]: on
    /// the CPU as soon as every thread is done with the matrices it is at work on, on a GPU within a
    /// fraction of a second, or later where another call on the same engine is waited for. What the GPU
    /// was given it computes to the end, though nobody waits for it.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        let outer = self.0.outer.as_ref();
        self.0.cancelled.load(Ordering::Relaxed) || outer.is_some_and(Cancel::is_cancelled)
    }

    /// A handle that is cancelled with another, and by itself.
    pub(crate) fn within(outer: Option<&Cancel>) -> Self {
        Cancel(Arc::new(Flag {
            cancelled: AtomicBool::new(false),
            outer: outer.cloned(),
        }))
    }
}

/// How to solve; the default suits nearly everyone.
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
    pub(crate) damping: Option<PerMatrix>,
    pub(crate) epsilon: Option<PerMatrix>,
    pub(crate) refined: bool,
    pub(crate) tolerance: Option<f64>,
    pub(crate) max_sweeps: Option<u32>,
    pub(crate) singular_values: bool,
    pub(crate) strict: bool,
    pub(crate) progress: Option<Progress>,
    pub(crate) cancel: Option<Cancel>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("cutoff", &self.cutoff)
            .field("damping", &self.damping)
            .field("epsilon", &self.epsilon)
            .field("refined", &self.refined)
            .field("tolerance", &self.tolerance)
            .field("max_sweeps", &self.max_sweeps)
            .field("singular_values", &self.singular_values)
            .field("strict", &self.strict)
            .field("progress", &self.progress.is_some())
            .field("cancel", &self.cancel)
            .finish()
    }
}

impl Options {
    /// Which singular values count: for ranks and for all that is composed of them.
    pub fn cutoff(mut self, cutoff: Cutoff) -> Self {
        self.cutoff = cutoff;
        self
    }

    /// Damps pseudoinverses and least-squares solutions: 1/sigma becomes sigma / (sigma^2 + lambda^2), so
    /// that x minimises |A x - b|^2 + lambda^2 |x|^2 (Tikhonov, ridge). Finite, not negative, in the unit
    /// of the matrix entries; for the whole batch or one for each matrix.
    ///
    /// The [cutoff](Self::cutoff) holds as without: so the limit for lambda to 0 is the undamped result,
    /// and 0 gives its bits.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Options};
    ///
    /// let a = Batch::from_row_major(2, 1, 1, &[2.0f64, 1e-9])?; // the second nearly singular
    /// let options = Options::default().damping(vec![0.0, 1e-3]);
    /// let pinv = Engine::cpu().pinv(&a, &options)?;
    /// assert_eq!(pinv.inverse.matrix(0)[0], 0.5);
    /// assert!((pinv.inverse.matrix(1)[0] - 1e-3).abs() < 1e-12);
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    pub fn damping(mut self, lambda: impl Into<PerMatrix>) -> Self {
        self.damping = Some(lambda.into());
        self
    }

    /// Regularises [whitening](crate::Engine::whitening_async) as ZCA is customarily: 1/s becomes
    /// 1 / sqrt(s^2 + epsilon), s the standard deviation along a principal component. Finite, not negative, in
    /// the unit of the variances; for the whole batch or one for each matrix. Other calls refuse it, and
    /// whitening refuses it beside a [damping](Self::damping).
    ///
    /// Nothing is left out then: what does not count under the [cutoff](Self::cutoff) has s = 0, and is divided
    /// by the root of epsilon. An epsilon of zero is none.
    pub fn epsilon(mut self, epsilon: impl Into<PerMatrix>) -> Self {
        self.epsilon = Some(epsilon.into());
        self
    }

    /// Refines the solutions of [`lstsq`](crate::Engine::lstsq_async) once: x + A^+ (b - A x), the residual in f64.
    /// Default: no, since it takes twice the time, and what it mends is of the size of eps |b|: fits of exact
    /// data leave 0.1 to 0.3 eps |b| (eps = 2u) in place of 0.3 to 1. Other calls refuse it, and so does lstsq of
    /// data on a device, or beside a [damping](Self::damping).
    pub fn refined(mut self, yes: bool) -> Self {
        self.refined = yes;
        self
    }

    /// When a pair of columns counts as orthogonal: at a cosine of at most this, and where columns differ in size
    /// at less, down to the roundoff of the smaller.
    ///
    /// Default: `max(4, min(1.2 sqrt(k), 8)) u` for k = min(m, n); at most 1.
    pub fn tolerance(mut self, cosine: f64) -> Self {
        self.tolerance = Some(cosine);
        self
    }

    /// The sweeps after which a matrix is given up as not converged; at least 1.
    ///
    /// Default: 30 and two for every doubling of k = min(m, n) in f32, half as many again in f64.
    pub fn max_sweeps(mut self, sweeps: u32) -> Self {
        self.max_sweeps = Some(sweeps);
        self
    }

    /// Whether the least-squares solutions of [`lstsq`](crate::Engine::lstsq_async) come with the singular values of
    /// their matrices, [`Lstsq::sigma`](crate::Lstsq::sigma). Default: no. Other calls have no place for them.
    pub fn singular_values(mut self, yes: bool) -> Self {
        self.singular_values = yes;
        self
    }

    /// Whether a matrix that does not converge, is not finite or has no representable result is
    /// an error of the call ([`Error::Strict`]). Default: no, the report tells.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// A function to call from time to time, from any thread, with (matrices done, in all).
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// A handle that ends the call before it is done. What the results hold then is unspecified.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// Whether matrices have cutoffs or damping of their own.
    #[cfg(feature = "gpu")]
    pub(crate) fn has_each(&self) -> bool {
        self.cutoff.is_each() || self.damping.as_ref().is_some_and(PerMatrix::is_each)
    }

    /// Whether the call may go on.
    pub(crate) fn check_cancelled(&self) -> Result<(), Error> {
        match &self.cancel {
            Some(cancel) if cancel.is_cancelled() => Err(Error::Cancelled),
            _ => Ok(()),
        }
    }

    /// Those of some matrices, whose ranks need not reach a cutoff's.
    pub(crate) fn of_some(&self, matrices: &[usize]) -> Self {
        Options {
            cutoff: self.cutoff.of_some(matrices),
            damping: self.damping.as_ref().map(|d| d.of_some(matrices)),
            epsilon: self.epsilon.as_ref().map(|e| e.of_some(matrices)),
            ..self.clone()
        }
    }

    /// Whether an option was given that only other calls have.
    pub(crate) fn check_others(&self) -> Result<(), Error> {
        if self.epsilon.is_some() {
            return Err(Error::argument("an epsilon is for whitening alone"));
        }
        if self.refined {
            let text = "only least-squares solutions are refined, and none on a device";
            return Err(Error::argument(text));
        }
        Ok(())
    }

    /// For so many matrices of at most `most` singular values each.
    pub(crate) fn check(&self, count: usize, most: usize) -> Result<(), Error> {
        self.check_cancelled()?;
        self.cutoff.check(count, most)?;
        if let Some(damping) = &self.damping {
            damping.check("damping", count)?;
        }
        if let Some(epsilon) = &self.epsilon {
            epsilon.check("epsilon", count)?;
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
