//! How good a result is, measured in f64 whatever its type. A' is the conjugate transpose of a complex A.
//!
//! These are the invariants that need no second opinion: the reconstruction, the orthogonality of
//! the factors (together they bound the error of every singular value, by Weyl's inequality), and
//! the four Moore-Penrose conditions.
//!
//! - Of a decomposition: [`factors`] has all there is to know, in one go; [`reconstruction`] and [`orthogonality`] have
//!   their part of it, where the rest is not wanted or not there.
//! - Of a pseudoinverse: [`inverses`] has the four conditions, and the condition numbers by which they are judged;
//!   [`moore_penrose`] has the four numbers alone.
//! - Of solutions: [`least_squares`] has what they are judged by; [`residuals`] has |b - A x| of each, for statistics.
//!
//! Pseudoinverses and solutions are judged by the scale of each column: `[[4.1e6, 0.9], [0, 1]]` is a good matrix,
//! of which only the first column is large, and a result that is wrong in the second is wrong.

mod careful;
mod complex;
mod factors;
mod form;
mod inverse;
mod kernel;
mod machine;
mod others;
mod passes;
mod run;
mod step;
mod systems;
#[cfg(test)]
mod tests;

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::scalar::{Dtype, Scalar};
use crate::data::view::View;
use complex::{blocks, columns, in_slices, repeated};

/// The tol of every promise: u max(32, 8 sqrt(k)) for m x n matrices, with k = min(m, n) and the
/// [unit roundoff](Dtype::unit_roundoff) u of their type.
///
/// ```
/// use batched_svd::{Batch, Dtype, Engine, verify};
///
/// assert_eq!(verify::tolerance(Dtype::F32, 8, 6), 32.0 * 2f64.powi(-24));
/// assert_eq!(verify::tolerance(Dtype::F64, 64, 900), 64.0 * 2f64.powi(-53));
///
/// let a = Batch::from_fn(10, 8, 6, |b, i, j| ((b + 2 * i + 3 * j) as f32).sin())?;
/// let svd = Engine::cpu().svd(&a).run()?;
/// let losses = verify::orthogonality(&svd.u)?;
/// assert!(losses.iter().all(|loss| *loss <= verify::tolerance(Dtype::F32, 8, 6)));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn tolerance(dtype: Dtype, rows: usize, cols: usize) -> f64 {
    let k = rows.min(cols) as f64;
    dtype.unit_roundoff() * (8.0 * k.sqrt()).max(32.0)
}

fn expect(name: &str, view: [usize; 3], shape: [usize; 3]) -> Result<(), Error> {
    if view == shape {
        return Ok(());
    }
    let ([b, m, n], [count, rows, cols]) = (view, shape);
    Err(Error::argument(format!(
        "{name} is {b} matrices of {m}x{n}, but {count} of {rows}x{cols} were expected"
    )))
}

fn shape<T: Scalar>(view: &View<'_, T>) -> [usize; 3] {
    [view.count(), view.rows(), view.cols()]
}

/// What the blocks of complex matrices add to a norm, as a factor.
fn root_of_blocks<T: Scalar>() -> f64 {
    (T::PARTS as f64).sqrt()
}

/// The norms of complex matrices, by those of their blocks.
fn of_blocks<T: Scalar>(mut norms: Vec<f64>) -> Vec<f64> {
    norms
        .iter_mut()
        .for_each(|norm| *norm /= root_of_blocks::<T>());
    norms
}

/// U and V of A without what is more than thin.
fn thin<'a, T: Scalar>(
    a: View<'a, T>,
    [u, v]: [View<'a, T>; 2],
    sigma: View<'a, T::Real>,
) -> Result<[View<'a, T>; 2], Error> {
    let [count, m, n] = shape(&a);
    let k = m.min(n);
    expect("sigma", shape(&sigma), [count, k, 1])?;
    let first = |q: View<'a, T>| q.submatrix(0..q.rows(), 0..k.min(q.cols()));
    let (u, v) = (first(u)?, first(v)?);
    expect("U", shape(&u), [count, m, k])?;
    expect("V", shape(&v), [count, n, k])?;
    Ok([u, v])
}

/// A, X and B, if they belong together.
fn system<'a, T: Scalar>(
    a: View<'a, T>,
    x: View<'a, T>,
    b: View<'a, T>,
) -> Result<[View<'a, T>; 3], Error> {
    let [count, m, n] = shape(&a);
    expect("B", shape(&b), [count, m, b.cols()])?;
    expect("X", shape(&x), [count, n, b.cols()])?;
    Ok([a, x, b])
}

fn decompositions<T: Scalar, const N: usize>(
    a: View<'_, T>,
    [u, v]: [View<'_, T>; 2],
    sigma: View<'_, T::Real>,
) -> Result<Vec<[f64; N]>, Error> {
    in_slices(&a, |some| {
        let (a, u, v) = (blocks(a, some)?, blocks(u, some)?, blocks(v, some)?);
        let sigma = repeated::<T>(sigma, some)?;
        factors::factors::<_, N>([a.view(), u.view(), sigma.view(), v.view()])
    })
}

/// What [`factors`] measures of a decomposition.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Factors {
    /// |A - U S V'| / |A|, as [`reconstruction`] has it.
    pub reconstruction: f64,
    /// The same of the column for which it is largest, in the length of that column; of rows, where there are
    /// more columns than rows. Zero for a column of zeros that is reproduced, infinite for one that is not.
    pub columns: f64,
    /// max |U'U - I|, as [`orthogonality`] has it.
    pub left: f64,
    /// max |V'V - I|
    pub right: f64,
}

/// How good thin or full factors of m x n matrices are, with sigma k x 1: all at once, and sooner than one after
/// the other. A NaN in factors or matrix is one in what it has to do with.
///
/// Whoever decomposes A to a small error |A - U S V'| / |A| may lose a column that is small beside others. This
/// library does not: A = B D, with any scaling D of the columns of a tall B, is reproduced column by column.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, verify};
///
/// let a = Batch::from_fn(10, 5, 3, |b, i, j| ((b + 2 * i + 3 * j) as f64).sin() * 1e-9f64.powi(j as i32))?;
/// let svd = Engine::cpu().svd(&a).run()?;
/// let found = verify::factors(&a, &svd.u, &svd.sigma, &svd.v)?;
/// assert!(found.iter().all(|one| one.reconstruction < 1e-14 && one.columns < 1e-14));
/// assert!(found.iter().all(|one| one.left < 1e-14 && one.right < 1e-14));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn factors<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    u: impl Into<View<'a, T>>,
    sigma: impl Into<View<'a, T::Real>>,
    v: impl Into<View<'a, T>>,
) -> Result<Vec<Factors>, Error> {
    let (a, u, sigma, v) = (a.into(), u.into(), sigma.into(), v.into());
    thin(a, [u, v], sigma)?;
    let all = decompositions::<T, 4>(a, [u, v], sigma)?;
    let named = |own: [f64; 4]| Factors {
        reconstruction: own[factors::ALL],
        columns: own[factors::COLUMNS],
        left: own[factors::GAPS[0]],
        right: own[factors::GAPS[1]],
    };
    Ok(all.into_iter().map(named).collect())
}

/// |A - U diag(sigma) V'|_F / |A|_F of every matrix: thin or full factors of m x n matrices, with
/// sigma k x 1. Zero for an empty or zero matrix reproduced; NaN where an entry is NaN.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, verify};
///
/// let a = Batch::from_fn(10, 5, 3, |b, i, j| ((b + 2 * i + 3 * j) as f32).sin())?;
/// let svd = Engine::cpu().svd(&a).run()?;
/// let residuals = verify::reconstruction(&a, &svd.u, &svd.sigma, &svd.v)?;
/// assert!(residuals.iter().all(|r| *r < 1e-6));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn reconstruction<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    u: impl Into<View<'a, T>>,
    sigma: impl Into<View<'a, T::Real>>,
    v: impl Into<View<'a, T>>,
) -> Result<Vec<f64>, Error> {
    let (a, sigma) = (a.into(), sigma.into());
    let [u, v] = thin(a, [u.into(), v.into()], sigma)?;
    let both = decompositions::<T, 2>(a, [u, v], sigma)?;
    Ok(both.into_iter().map(|own| own[factors::ALL]).collect())
}

/// max |Q'Q - I| of every matrix: zero for columns that are exactly orthonormal. Of complex entries the larger of real
/// and imaginary part counts.
///
/// # Errors
/// [`Error::Memory`] if the host cannot hold the work.
pub fn orthogonality<'a, T: Scalar>(q: impl Into<View<'a, T>>) -> Result<Vec<f64>, Error> {
    let q = q.into();
    let gaps = in_slices(&q, |some| factors::gaps(blocks(q, some)?.view()))?;
    Ok(gaps.into_iter().flatten().collect())
}

/// |A - B|_F / |A|_F of every matrix, for A and B m x n: what an approximation leaves. Zero where they are the
/// same.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Cutoff, Engine, verify};
///
/// let a = Batch::from_row_major(1, 2, 2, &[4.0f64, 0.0, 0.0, 3.0])?;
/// let low = Engine::cpu().low_rank(&a).cutoff(Cutoff::rank(1)).run()?;
/// assert!((verify::distances(&a, &low.approximation)?[0] - 0.6).abs() < 1e-14);
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn distances<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    b: impl Into<View<'a, T>>,
) -> Result<Vec<f64>, Error> {
    let (a, b) = (a.into(), b.into());
    expect("B", shape(&b), shape(&a))?;
    in_slices(&a, |some| {
        others::distances([columns(a, some)?.view(), columns(b, some)?.view()])
    })
}

/// |A - L R|_F / |A|_F of every matrix, for A m x n, L m x l and R l x n: that L R is A.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, verify};
///
/// let a = Batch::from_fn(10, 3, 3, |b, i, j| ((b + 2 * i + 3 * j) as f32).sin())?;
/// let polar = Engine::cpu().polar(&a).run()?;
/// let residuals = verify::products(&a, &polar.orthogonal, &polar.stretch)?;
/// assert!(residuals.iter().all(|r| *r < 1e-6));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn products<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    left: impl Into<View<'a, T>>,
    right: impl Into<View<'a, T>>,
) -> Result<Vec<f64>, Error> {
    let (a, left, right) = (a.into(), left.into(), right.into());
    let ([count, m, n], inner) = (shape(&a), left.cols());
    expect("the left factor", shape(&left), [count, m, inner])?;
    expect("the right factor", shape(&right), [count, inner, n])?;
    in_slices(&a, |some| {
        let (a, right) = (columns(a, some)?, columns(right, some)?);
        others::products([a.view(), blocks(left, some)?.view(), right.view()])
    })
}

/// |P P - P|_F of every n x n matrix: zero for projectors. Not relative: the norm of a projector is zero, or
/// one and more, and what is left of zero is rounding.
///
/// # Errors
/// [`Error::Argument`] if the matrices are not square.
///
/// ```
/// use batched_svd::{Batch, Engine, Subspace, verify};
///
/// let a = Batch::from_fn(10, 3, 3, |b, i, j| ((b + 2 * i + 3 * j) as f32).sin())?;
/// let null = Engine::cpu().projector(&a, Subspace::NullSpace).run()?;
/// assert!(verify::idempotence(&null.projector)?.iter().all(|r| *r < 1e-5));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn idempotence<'a, T: Scalar>(p: impl Into<View<'a, T>>) -> Result<Vec<f64>, Error> {
    let p = p.into();
    let [count, n, _] = shape(&p);
    expect("the projector", shape(&p), [count, n, n])?;
    let norms = in_slices(&p, |some| others::idempotence(blocks(p, some)?.view()))?;
    Ok(of_blocks::<T>(norms))
}

/// |C C - C|_F of every matrix of data A, m x n, and what whitens it, W, n x n: C is the covariance of A W, with
/// m - 1 in the denominator (one at least). Zero where A W is white, or where what does not vary is left out of
/// it: C is a projector then.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, verify};
///
/// let a = Batch::from_fn(10, 9, 3, |b, i, j| ((b + i * i + 3 * j) as f64).sin())?;
/// let white = Engine::cpu().whitening(&a).run()?;
/// assert!(verify::whiteness(&a, &white.transform)?.iter().all(|r| *r < 1e-12));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn whiteness<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    transform: impl Into<View<'a, T>>,
) -> Result<Vec<f64>, Error> {
    let (a, w) = (a.into(), transform.into());
    let [count, _, n] = shape(&a);
    expect("the transform", shape(&w), [count, n, n])?;
    let over = (a.rows().saturating_sub(1).max(1) as f64).sqrt();
    if let (Some(a), Some(w)) = (a.cast::<T::Real>(), w.cast()) {
        return others::whiteness([a, w], over);
    }
    let norms = in_slices(&a, |some| {
        let [a, w] = [a.matrices(some.clone())?, w.matrices(some.clone())?];
        let [a, w] = complex::centred([a, w])?;
        others::whiteness([a.view(), w.view()], over)
    })?;
    Ok(of_blocks::<T>(norms))
}

/// The four Moore-Penrose residuals of every matrix, for A m x n and X n x m:
/// |A X A - A| / |A|, |X A X - X| / |X|, |(A X)' - A X| / |A X|, |(X A)' - X A| / |X A|, in the
/// Frobenius norm. Zero where A is zero and X is too.
///
/// The first three are of A D^-1 and D X, where m >= n, with D the lengths of the columns of A, rounded to powers
/// of two: they hold, or do not, whatever D is, and every column counts alike. Where m < n, the first two and the
/// last are of D^-1 A and X D, with the lengths of the rows. The other one is as it is.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, verify};
///
/// let a = Batch::from_row_major(1, 2, 2, &[1.0f64, 2.0, 2.0, 4.0])?; // rank one
/// let pinv = Engine::cpu().pinv(&a).run()?;
/// let [residuals] = verify::moore_penrose(&a, &pinv.inverse)?[..] else { unreachable!() };
/// assert!(residuals.iter().all(|r| *r < 1e-14));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn moore_penrose<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    x: impl Into<View<'a, T>>,
) -> Result<Vec<[f64; 4]>, Error> {
    let (a, x) = (a.into(), x.into());
    let [count, m, n] = shape(&a);
    expect("X", shape(&x), [count, n, m])?;
    in_slices(&a, |some| {
        inverse::inverse([blocks(a, some)?.view(), blocks(x, some)?.view()])
    })
}

/// What [`inverses`] measures of a pseudoinverse.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Inverse {
    /// The four Moore-Penrose residuals, as [`moore_penrose`] has them.
    pub residuals: [f64; 4],
    /// The condition number by which each is judged: |A| |X| / |A X|, or / |X A| for the last, of the matrices that
    /// the residual is of. This library keeps 16 u times that.
    pub conditions: [f64; 4],
    /// The trace of X A: of a pseudoinverse the rank, but for rounding. Of complex matrices it is the real part.
    pub trace: f64,
}

/// The four residuals of [`moore_penrose`], and what they are judged by, for A m x n and X n x m.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Dtype, Engine, verify};
///
/// let a = Batch::from_fn(10, 5, 3, |b, i, j| ((b + i * i + 3 * j) as f32).sin())?;
/// let pinv = Engine::cpu().pinv(&a).run()?;
/// for one in verify::inverses(&a, &pinv.inverse)? {
///     // Three sines of one frequency are two columns and their sum.
///     assert_eq!(one.trace.round(), 2.0);
///     for (residual, condition) in one.residuals.iter().zip(one.conditions) {
///         assert!(*residual <= 16.0 * Dtype::F32.unit_roundoff() * condition);
///     }
/// }
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn inverses<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    x: impl Into<View<'a, T>>,
) -> Result<Vec<Inverse>, Error> {
    let (a, x) = (a.into(), x.into());
    let [count, m, n] = shape(&a);
    expect("X", shape(&x), [count, n, m])?;
    let all = in_slices(&a, |some| {
        let both = [blocks(a, some)?, blocks(x, some)?];
        inverse::inverse::<_, { inverse::RESULTS }>([both[0].view(), both[1].view()])
    })?;
    let root = root_of_blocks::<T>();
    let named = |own: [f64; inverse::RESULTS]| {
        let [all, last] = inverse::CONDITIONS.map(|at| own[at] / root);
        Inverse {
            residuals: [own[0], own[1], own[2], own[3]],
            conditions: match m < n {
                true => [all, all, last, all],
                false => [all, all, all, last],
            },
            trace: own[inverse::TRACE] / T::PARTS as f64,
        }
    };
    Ok(all.into_iter().map(named).collect())
}

/// How good solutions X of A X = B are, of m x n matrices and p right-hand sides each, in the Frobenius
/// norm: |B - A X| / |B|, which is what no x can reach, and the normal equations, column by column: the largest of
/// |a_j' (b - A x)| / (|a_j| (sum |a_i| |x_i| + |b|)) over columns a_j of A and right-hand sides b. That is zero for
/// least-squares solutions, undamped, of which this library's have 16 u at most. Of complex numbers a_j' (b - A x) the
/// larger part counts, and |x_i| is the sum of both parts.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, verify};
///
/// let a = Batch::from_row_major(1, 2, 1, &[1.0f64, 1.0])?;
/// let b = Batch::from_row_major(1, 2, 1, &[1.0f64, 0.0])?;
/// let x = Engine::cpu().lstsq(&a, &b).run()?.solution;
/// let [[left, normal]] = verify::least_squares(&a, &x, &b)?[..] else { unreachable!() };
/// assert!((left - 0.5f64.sqrt()).abs() < 1e-14 && normal < 1e-14);
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn least_squares<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    x: impl Into<View<'a, T>>,
    b: impl Into<View<'a, T>>,
) -> Result<Vec<[f64; 2]>, Error> {
    let [a, x, b] = system(a.into(), x.into(), b.into())?;
    in_slices(&a, |some| {
        let (a, x, b) = (blocks(a, some)?, columns(x, some)?, columns(b, some)?);
        systems::systems([a.view(), x.view(), b.view()])
    })
}

/// |b - A x| for every right-hand side b and its solution x: p x 1 of every system A X = B of m x n matrices
/// and p right-hand sides. What is smaller than u (|A| |x| + |b|) is the rounding of x.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together; [`Error::Memory`] where the host cannot hold the
/// result.
///
/// ```
/// use batched_svd::{Batch, Engine, verify};
///
/// let a = Batch::from_row_major(1, 2, 1, &[1.0f32, 1.0])?;
/// let b = Batch::from_row_major(1, 2, 2, &[3.0f32, 1.0, 3.0, -1.0])?;
/// let fit = Engine::cpu().lstsq(&a, &b).singular_values(true).run()?;
/// let left = verify::residuals(&a, &fit.solution, &b)?;
/// assert!(left.matrix(0)[0] < 1e-6 && (left.matrix(0)[1] - 2f64.sqrt()).abs() < 1e-6);
/// assert!((fit.sigma.unwrap().matrix(0)[0] - 2f32.sqrt()).abs() < 1e-6);
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn residuals<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    x: impl Into<View<'a, T>>,
    b: impl Into<View<'a, T>>,
) -> Result<Batch<f64>, Error> {
    let [a, x, b] = system(a.into(), x.into(), b.into())?;
    let lengths = in_slices(&a, |some| {
        let (a, x, b) = (blocks(a, some)?, columns(x, some)?, columns(b, some)?);
        Ok(systems::lengths([a.view(), x.view(), b.view()])?.into_vec())
    })?;
    Batch::from_col_major(b.count(), b.cols(), 1, lengths)
}

/// | |A|_F - |sigma|_2 | / |A|_F of every matrix: what values alone can be checked by.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
pub fn norms<'a, T: Scalar>(
    a: impl Into<View<'a, T>>,
    sigma: impl Into<View<'a, T::Real>>,
) -> Result<Vec<f64>, Error> {
    let (a, sigma) = (a.into(), sigma.into());
    let [count, m, n] = shape(&a);
    expect("sigma", shape(&sigma), [count, m.min(n), 1])?;
    in_slices(&a, |some| {
        others::norms([columns(a, some)?.view(), sigma.matrices(some.clone())?])
    })
}

/// The largest of some residuals, leaving out the matrices that a report says have no result.
/// Not a number if any other is.
pub fn worst<'a>(
    report: &crate::data::report::Report,
    residuals: impl IntoIterator<Item = &'a [f64]>,
) -> f64 {
    use crate::data::outcome::Status;
    let mut worst = 0.0f64;
    for (outcome, residuals) in report.outcomes.iter().zip(residuals) {
        if matches!(
            outcome.status,
            Status::NonFinite | Status::NotRepresentable | Status::NotDefinite
        ) {
            continue;
        }
        for &residual in residuals {
            if residual > worst || residual.is_nan() {
                worst = residual;
            }
        }
    }
    worst
}
