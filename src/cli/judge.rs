//! Residuals of results, and what the library promises of them.

use batched_svd::{Batch, Batched, Dtype, Error, Outcome, Real, Scalar, Status, View, verify};

use crate::cli::entry::in_f64;
use crate::cli::output::is_nan;

/// What a residual is of, and where it goes in the JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of the four conditions.
    MoorePenrose,
    /// What should be nothing, but for rounding.
    Main,
    Orthogonality,
    /// What is left of the right-hand sides.
    Left,
    /// What an approximation leaves, on purpose.
    Error,
    /// Of singular values.
    Order,
    /// The noise level, which is a result.
    Noise,
}

/// A residual of every matrix.
pub(crate) struct Residual {
    pub name: &'static str,
    pub kind: Kind,
    pub values: Vec<f64>,
    /// What is promised of each, if anything is.
    pub promised: Option<Vec<f64>>,
    /// What LAPACK's tests let pass, which is more: of factors from elsewhere.
    pub lapack: Option<Vec<f64>>,
}

impl Residual {
    pub fn new(name: &'static str, kind: Kind, values: Vec<f64>) -> Self {
        Residual {
            name,
            kind,
            values,
            promised: None,
            lapack: None,
        }
    }

    pub fn promised(mut self, promised: Option<Vec<f64>>) -> Self {
        self.promised = promised;
        self
    }

    /// Whether matrix `b` is above what is promised. A NaN is above everything.
    fn is_above(&self, b: usize) -> bool {
        above(self.values[b], self.promised.as_ref(), b)
    }

    /// Whether it is, and above what LAPACK's tests let pass too.
    fn is_far_above(&self, b: usize) -> bool {
        self.is_above(b)
            && (self.lapack.is_none() || above(self.values[b], self.lapack.as_ref(), b))
    }

    /// The matrix with the largest of those that have a result. Not a number comes first.
    pub fn worst(&self, statuses: &[Status]) -> Option<usize> {
        let has_result = |s| !is_nan(s) && s != Status::NotRepresentable;
        let mut worst = None;
        let mut most = f64::NEG_INFINITY;
        for (b, &value) in self.values.iter().enumerate() {
            let key = if value.is_nan() { f64::INFINITY } else { value };
            if key > most && has_result(statuses[b]) {
                (worst, most) = (Some(b), key);
            }
        }
        worst
    }
}

fn above(value: f64, bounds: Option<&Vec<f64>>, b: usize) -> bool {
    bounds.is_some_and(|bounds| value.is_nan() || value > bounds[b])
}

impl Batched for Residual {
    fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error> {
        let values = self.values.split(counts)?;
        let bounds = self
            .promised
            .split(counts)?
            .into_iter()
            .zip(self.lapack.split(counts)?);
        let part = |(values, (promised, lapack))| Residual {
            values,
            promised,
            lapack,
            ..Residual::new(self.name, self.kind, Vec::new())
        };
        Ok(values.into_iter().zip(bounds).map(part).collect())
    }
}

/// The residuals of all arrays, of each kind one after the other.
pub(crate) fn joined(arrays: Vec<Vec<Residual>>) -> Vec<Residual> {
    let mut arrays = arrays.into_iter();
    let mut all = arrays.next().unwrap_or_default();
    for array in arrays {
        for (all, more) in all.iter_mut().zip(array) {
            all.values.extend(more.values);
            for (all, more) in [
                (&mut all.promised, more.promised),
                (&mut all.lapack, more.lapack),
            ] {
                if let (Some(all), Some(more)) = (all, more) {
                    all.extend(more);
                }
            }
        }
    }
    all
}

/// What came of holding residuals to what is promised.
pub(crate) struct Verdict {
    /// Matrices that anything is promised of: the converged ones.
    pub judged: usize,
    /// Those above in any residual.
    pub above: usize,
    /// Those of them that LAPACK's tests would let pass.
    pub within_lapack: usize,
    /// The matrix, the residual's name, its value and the bound, of what is above by most; of what LAPACK's tests would
    /// not let pass.
    pub worst: Option<(usize, &'static str, f64, f64)>,
}

/// Matrix by matrix; `None` where nothing is promised of any.
pub(crate) fn judge(residuals: &[Residual], statuses: &[Status]) -> Option<Verdict> {
    if residuals.iter().all(|r| r.promised.is_none()) {
        return None;
    }
    let mut verdict = Verdict {
        judged: 0,
        above: 0,
        within_lapack: 0,
        worst: None,
    };
    let mut most = 0.0;
    for (b, status) in statuses.iter().enumerate() {
        if *status != Status::Converged {
            continue;
        }
        verdict.judged += 1;
        if !residuals.iter().any(|r| r.is_above(b)) {
            continue;
        }
        verdict.above += 1;
        let mut far = false;
        for residual in residuals.iter().filter(|r| r.is_far_above(b)) {
            far = true;
            let value = residual.values[b];
            let bound = residual.promised.as_ref().map_or(0.0, |p| p[b]);
            let excess = match value / bound {
                excess if excess.is_nan() => f64::INFINITY,
                excess => excess,
            };
            if excess > most {
                most = excess;
                verdict.worst = Some((b, residual.name, value, bound));
            }
        }
        verdict.within_lapack += usize::from(!far);
    }
    Some(verdict)
}

/// tol of matrices of this shape.
pub(crate) fn tol<T: Scalar>(a: &View<'_, T>) -> f64 {
    verify::tolerance(T::DTYPE, a.rows(), a.cols())
}

/// The smallest number.
fn smallest<T: Scalar>() -> f64 {
    match T::DTYPE.real() {
        Dtype::F32 => 2f64.powi(-149),
        _ => f64::from_bits(1),
    }
}

/// What the rounding of subnormal results may add, relative to |A|: two of the smallest numbers, for every entry of
/// a row or a column. That is enough for both parts of complex entries.
fn subnormal<T: Scalar>(a: &View<'_, T>, norm: f64) -> f64 {
    if norm > 0.0 {
        2.0 * a.rows().max(a.cols()) as f64 * (smallest::<T>() / norm)
    } else {
        0.0
    }
}

/// tol times a factor.
pub(crate) fn reconstruction<T: Scalar>(a: View<'_, T>, factor: f64) -> Result<Vec<f64>, Error> {
    let bound = |norm| factor * tol(&a) + subnormal(&a, norm);
    Ok(norms(a)?.into_iter().map(bound).collect())
}

/// What pseudoinverses and solutions are held to, in units of u. To first order every rounding, of the entries of X
/// and of the orthogonality of the factors that it was made of, changes the conditions by its size times the
/// condition number, and the normal equations by its size: the sums of k squares in both meet in the norms. What
/// the roundings come to was measured: up to 9 for the smallest matrices, and less for larger ones.
const UNITS: f64 = 16.0;

/// What does not count, relative to |A|, of matrices that lack so much of their rank: the most that the default cutoffs
/// leave out, of this library and of NumPy.
fn default_cut<T: Scalar>(a: &View<'_, T>, lacking: f64) -> f64 {
    let (least, most) = (a.rows().min(a.cols()), a.rows().max(a.cols()));
    let units = (8.0 * (least as f64).sqrt()).max(2.0 * most as f64);
    units * T::DTYPE.unit_roundoff() * lacking.max(0.0).sqrt()
}

/// What does not count in A X A, relative to A, where the columns of A (rows, of wide ones) are scaled to one length: of
/// every column no more than `cut`, and no more than the whole column.
fn cut_of_columns(lengths: &[f64], cut: f64) -> f64 {
    let (mut cut_off, mut all) = (0.0f64, 0.0f64);
    for &length in lengths.iter().filter(|length| **length > 0.0) {
        // Verification scales by powers of two.
        let part = length / length.log2().floor().exp2();
        cut_off += (part * (cut / length).min(1.0)).powi(2);
        all += part.powi(2);
    }
    if all > 0.0 {
        (cut_off / all).sqrt()
    } else {
        0.0
    }
}

/// The lengths of the columns of a matrix.
fn lengths<T: Scalar>(a: View<'_, T>, b: usize) -> Result<Vec<f64>, Error> {
    let one = a.matrices(b..b + 1)?;
    let column = |j: usize| Ok(norms(one.submatrix(0..a.rows(), j..j + 1)?)?[0]);
    (0..a.cols()).map(column).collect()
}

/// The bounds of the four conditions of every pseudoinverse: 16 u c, with the condition number c of the matrices that
/// the condition is of. `cut` is what does not count, relative to |A|; where nobody knows it, the default cutoff is
/// taken, of those that have less than their full rank.
fn conditions<T: Scalar>(
    a: View<'_, T>,
    found: &[verify::Inverse],
    cut: Option<&[f64]>,
) -> Result<Vec<[f64; 4]>, Error> {
    let (m, n) = (a.rows(), a.cols());
    let tall = if m < n { a.transpose() } else { a };
    let unit = UNITS * T::DTYPE.unit_roundoff();
    let mut bounds = Vec::with_capacity(found.len());
    for ((b, own), norm) in found.iter().enumerate().zip(norms(a)?) {
        // The rounding of subnormal entries of X, beside the inverse of the largest column.
        let rounded = 2.0 * (m.max(n) as f64).powi(2) * smallest::<T>() * norm;
        let mut four = own.conditions.map(|c| (unit + rounded) * c);
        let cut = match cut {
            Some(cut) => cut[b],
            None => default_cut(&a, m.min(n) as f64 - own.trace.round()),
        };
        if cut > 0.0 && norm.is_finite() {
            four[0] += cut_of_columns(&lengths(tall, b)?, cut * norm);
        }
        bounds.push(four);
    }
    Ok(bounds)
}

/// What is promised of pseudoinverses.
#[derive(Clone, Copy)]
pub(crate) enum Promised<'a> {
    Nothing,
    /// The conditions; what does not count is known, relative to |A|.
    But(&'a [f64]),
    /// The conditions, with the default cutoff.
    ByDefault,
}

/// Matrices whose conditions are measured at once: what is measured of them stays in the caches.
const SOME: usize = 1 << 13;

/// The four conditions of pseudoinverses, and an upper bound of the condition number of what counts in each matrix.
pub(crate) fn inverses<T: Scalar>(
    a: View<'_, T>,
    x: View<'_, T>,
    promised: Promised<'_>,
) -> Result<(Vec<Residual>, Vec<f64>), Error> {
    let count = a.count();
    let mut values: [Vec<f64>; 4] = std::array::from_fn(|_| Vec::with_capacity(count));
    let mut bounds: [Vec<f64>; 4] = Default::default();
    let mut spreads = Vec::with_capacity(count);
    // The condition number of A as it is.
    let own = if a.rows() < a.cols() { 2 } else { 3 };
    // |A X|, of a projector, but for what rounding makes of it.
    let most = 2.0 * (a.rows().min(a.cols()).max(1) as f64).sqrt();
    for first in (0..count).step_by(SOME) {
        let some = first..count.min(first + SOME);
        let (a, x) = (a.matrices(some.clone())?, x.matrices(some.clone())?);
        let found = verify::inverses(a, x)?;
        for (at, values) in values.iter_mut().enumerate() {
            values.extend(found.iter().map(|one| one.residuals[at]));
        }
        // A NaN must not hide behind a comparison.
        let bound = |one: &verify::Inverse| match most * one.conditions[own] {
            bound if bound.is_nan() => f64::INFINITY,
            bound => bound,
        };
        spreads.extend(found.iter().map(bound));
        let four = match promised {
            Promised::Nothing => continue,
            Promised::But(cut) => conditions(a, &found, Some(&cut[some]))?,
            Promised::ByDefault => conditions(a, &found, None)?,
        };
        for (at, bounds) in bounds.iter_mut().enumerate() {
            bounds.extend(four.iter().map(|four| four[at]));
        }
    }
    let names = [
        "|AXA-A| / |A|",
        "|XAX-X| / |X|",
        "|(AX)'-AX| / |AX|",
        "|(XA)'-XA| / |XA|",
    ];
    let residuals = names.into_iter().zip(values).zip(bounds);
    let residual = |((name, values), bounds)| {
        let bounds = (!matches!(promised, Promised::Nothing)).then_some(bounds);
        Residual::new(name, Kind::MoorePenrose, values).promised(bounds)
    };
    Ok((residuals.map(residual).collect(), spreads))
}

/// Reconstruction and orthogonality of thin or full factors, both normwise: that is all that can be asked of factors
/// from anywhere.
pub(crate) fn factors<T: Scalar>(
    a: View<'_, T>,
    [u, v]: [View<'_, T>; 2],
    sigma: View<'_, T::Real>,
) -> Result<Vec<Residual>, Error> {
    let found = verify::factors(a, u, sigma, v)?;
    let loss = |own: &verify::Factors| match own.right > own.left || own.right.is_nan() {
        true => own.right,
        false => own.left,
    };
    let values = found.iter().map(|own| own.reconstruction).collect();
    Ok(vec![
        Residual::new("|A-USV'| / |A|", Kind::Main, values).promised(Some(reconstruction(a, 1.0)?)),
        Residual::new(
            "|U'U-I|, |V'V-I|",
            Kind::Orthogonality,
            found.iter().map(loss).collect(),
        )
        .promised(Some(vec![tol(&a); a.count()])),
    ])
}

/// The threshold of LAPACK's test ratios, of xDRVBD.
const THRESHOLD: f64 = 50.0;

/// The same of factors from elsewhere, with what LAPACK's tests let pass: |A - U S V'| / (|A| max(m, n) eps), here in
/// the Frobenius norm, and |I - U'U| / (m eps) and |I - V'V| / (n eps), of which the largest column sum is at most
/// the number of columns times the largest entry: of complex ones times the root of two, since the larger part is
/// measured.
pub(crate) fn factors_from_elsewhere<T: Scalar>(
    a: View<'_, T>,
    [u, v]: [View<'_, T>; 2],
    sigma: View<'_, T::Real>,
) -> Result<Vec<Residual>, Error> {
    let mut found = factors(a, [u, v], sigma)?;
    let unit = THRESHOLD * 2.0 * T::DTYPE.unit_roundoff();
    let most = a.rows().max(a.cols()) as f64;
    let of_one = |q: View<'_, T>| q.rows() as f64 / q.cols().max(1) as f64;
    let parts = if T::DTYPE.is_complex() { 2f64 } else { 1.0 };
    let orthogonal = of_one(u).min(of_one(v)) / parts.sqrt();
    for (residual, bound) in found.iter_mut().zip([most, orthogonal]) {
        let promised = residual.promised.iter().flatten();
        // Never below what is promised here.
        residual.lapack = Some(promised.map(|own| own.max(unit * bound)).collect());
    }
    Ok(found)
}

/// What singular values alone can be checked by.
pub(crate) fn values<T: Scalar>(
    a: View<'_, T>,
    sigma: View<'_, T::Real>,
) -> Result<Residual, Error> {
    let residual = Residual::new("||A|-|s|| / |A|", Kind::Main, verify::norms(a, sigma)?);
    // Each is off by tol sigma_1.
    let k = (sigma.rows() as f64).sqrt();
    let bound = |(b, norm): (usize, f64)| {
        let first = sigma.get(b, 0, 0).map_or(0.0, in_f64);
        let share = if norm > 0.0 { first / norm } else { 0.0 };
        k * tol(&a) * share + subnormal(&a, norm)
    };
    let bounds = norms(a)?.into_iter().enumerate().map(bound);
    Ok(residual.promised(Some(bounds.collect())))
}

/// How far vectors are from orthonormal ones.
pub(crate) fn orthogonality<T: Scalar>(
    name: &'static str,
    tol: f64,
    vectors: &Batch<T>,
) -> Result<Residual, Error> {
    let losses = verify::orthogonality(vectors)?;
    let promised = vec![tol; losses.len()];
    Ok(Residual::new(name, Kind::Orthogonality, losses).promised(Some(promised)))
}

/// Reconstruction and orthogonality of eigenvectors of symmetric matrices.
pub(crate) fn eigenvectors<T: Scalar>(
    a: View<'_, T>,
    values: &Batch<T::Real>,
    vectors: &Batch<T>,
) -> Result<Vec<Residual>, Error> {
    let left = verify::reconstruction(a, vectors, values, vectors)?;
    // 2 tol |S|, of a matrix S that is semidefinite: |S| is at most 1 + sqrt(n) times |A|.
    let promised = reconstruction(a, 2.0 * (1.0 + (a.cols() as f64).sqrt()))?;
    Ok(vec![
        Residual::new("|A-VLV'| / |A|", Kind::Main, left).promised(Some(promised)),
        orthogonality("|V'V-I|", tol(&a), vectors)?,
    ])
}

/// What eigenvalues of symmetric matrices alone can be checked by.
pub(crate) fn eigenvalues<T: Scalar>(
    a: View<'_, T>,
    values: &Batch<T::Real>,
    outcomes: &[Outcome],
) -> Result<Residual, Error> {
    let found = verify::norms(a, values)?;
    // Each is off by as much as its matrix's outcome says.
    let k = (a.cols() as f64).sqrt();
    // Of a multiple of I that may be less than the rounding of the two norms, which are computed in f64.
    let rounding = verify::tolerance(Dtype::F64, a.rows(), a.cols());
    let bound = |(norm, outcome): (f64, &Outcome)| {
        let share = if norm > 0.0 {
            outcome.sigma_error / norm
        } else {
            0.0
        };
        k * share + rounding + subnormal(&a, norm)
    };
    let bounds = norms(a)?.into_iter().zip(outcomes).map(bound);
    Ok(Residual::new("||A|-|w|| / |A|", Kind::Main, found).promised(Some(bounds.collect())))
}

/// How far singular values ascend, or are below zero, relative to the first: not at all.
pub(crate) fn order<T: Real>(sigma: View<'_, T>) -> Residual {
    let wrong = |b: usize| {
        let values = (0..sigma.rows()).filter_map(|i| sigma.get(b, i, 0));
        let values: Vec<f64> = values.map(|s| s.f64()).collect();
        let first = values.first().map_or(1.0, |s| s.abs());
        let steps = values.windows(2).map(|pair| pair[1] - pair[0]);
        let worst = steps.chain(values.iter().map(|s| -s)).fold(0.0, f64::max);
        if worst > 0.0 { worst / first } else { 0.0 }
    };
    let values: Vec<f64> = (0..sigma.count()).map(wrong).collect();
    let none = vec![0.0; values.len()];
    Residual::new("s ascends / s_1", Kind::Order, values).promised(Some(none))
}

/// What singular values do not count, relative to |A|.
pub(crate) fn cut<T: Scalar>(
    a: View<'_, T>,
    sigma: &Batch<T::Real>,
    outcomes: &[Outcome],
) -> Result<Vec<f64>, Error> {
    let (k, tol) = (sigma.rows(), tol(&a));
    let cut = |(b, norm): (usize, f64)| {
        let rank = (outcomes[b].rank as usize).min(k);
        let squares = sigma.matrix(b)[rank..]
            .iter()
            .map(|&s| (in_f64(s) / norm).powi(2));
        // These are off by tol each, themselves.
        let off = tol * ((k - rank) as f64).sqrt() + subnormal(&a, norm);
        if norm > 0.0 {
            squares.sum::<f64>().sqrt() + off
        } else {
            off
        }
    };
    Ok(norms(a)?.into_iter().enumerate().map(cut).collect())
}

/// The bound of the normal equations, column by column: 16 u, since an error of x counts by what it changes of A x,
/// and what does not count of a_j' b, which is no more than |b| times what is cut off, or the whole column.
pub(crate) fn normal_equations<T: Scalar>(
    [a, b, x]: [View<'_, T>; 3],
    sigma: &Batch<T::Real>,
    outcomes: &[Outcome],
) -> Result<Vec<f64>, Error> {
    let (unit, cut) = (UNITS * T::DTYPE.unit_roundoff(), cut(a, sigma, outcomes)?);
    let norms = norms(a)?;
    let bound = |at: usize| {
        // The rounding of subnormal entries of x.
        let side = lengths(b, at)?.into_iter().filter(|length| *length > 0.0);
        let side = side.fold(f64::INFINITY, f64::min);
        let rounded = x.rows() as f64 * smallest::<T>() * (norms[at] / side);
        let lacks = (outcomes[at].rank as usize) < sigma.rows();
        let missing = match lacks && norms[at].is_finite() {
            true => lengths(a, at)?
                .into_iter()
                .filter(|length| *length > 0.0)
                .map(|length| (cut[at] * norms[at] / length).min(1.0))
                .fold(0.0, f64::max),
            false => 0.0,
        };
        Ok(unit + rounded + missing)
    };
    (0..a.count()).map(bound).collect()
}

/// |A| of every matrix, in the Frobenius norm.
pub(crate) fn norms<T: Scalar>(a: View<'_, T>) -> Result<Vec<f64>, Error> {
    let batch = a.to_batch()?;
    let norm = |b: usize| {
        // Of complex entries the parts.
        let entries: &[T::Real] = bytemuck::cast_slice(batch.matrix(b));
        let entries = entries.iter().map(|&x| in_f64(x));
        let square: f64 = entries.clone().map(|x| x * x).sum();
        // No square has left the range.
        if (1e-200..1e200).contains(&square) {
            return square.sqrt();
        }
        let largest = entries
            .clone()
            .fold(0.0f64, |largest, x| largest.max(x.abs()));
        if largest == 0.0 || largest.is_infinite() {
            return largest;
        }
        largest * entries.map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
    };
    Ok((0..batch.count()).map(norm).collect())
}
