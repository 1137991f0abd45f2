//! How good a result is, measured in f64 whatever its type.
//!
//! These are the invariants that need no second opinion: the reconstruction, the orthogonality of
//! the factors (together they bound the error of every singular value, by Weyl's inequality), and
//! the four Moore-Penrose conditions.

use crate::batch::Batch;
use crate::dense::householder::factor;
use crate::dense::sums::dot;
use crate::error::{Error, allocate, product};
use crate::host::parallel;
use crate::scalar::{Dtype, Real};
use crate::view::View;

/// The tol of every promise: u max(32, 8 sqrt(k)) for m x n matrices, with k = min(m, n) and the
/// [unit roundoff](Dtype::unit_roundoff) u of their type.
///
/// ```
/// use batched_svd::{Batch, Dtype, Engine, Options, Vectors, verify};
///
/// assert_eq!(verify::tolerance(Dtype::F32, 8, 6), 32.0 * 2f64.powi(-24));
/// assert_eq!(verify::tolerance(Dtype::F64, 64, 900), 64.0 * 2f64.powi(-53));
///
/// let a = Batch::from_fn(10, 8, 6, |b, i, j| ((b + 2 * i + 3 * j) as f32).sin())?;
/// let svd = Engine::cpu().svd(&a, Vectors::Thin, &Options::default())?;
/// let losses = verify::orthogonality(&svd.u.unwrap())?;
/// assert!(losses.iter().all(|loss| *loss <= verify::tolerance(Dtype::F32, 8, 6)));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn tolerance(dtype: Dtype, rows: usize, cols: usize) -> f64 {
    let k = rows.min(cols) as f64;
    dtype.unit_roundoff() * (8.0 * k.sqrt()).max(32.0)
}

/// A matrix in f64, column-major, with its rows and columns.
struct Dense {
    data: Vec<f64>,
    rows: usize,
    cols: usize,
}

impl Dense {
    fn zeros(rows: usize, cols: usize) -> Self {
        Dense {
            data: vec![0.0; rows * cols],
            rows,
            cols,
        }
    }

    /// Matrix `index` of a view times 2^power.
    fn of<T: Real>(view: &View<'_, T>, index: usize, power: i32) -> Self {
        use crate::scalar::sealed::Float;
        let mut dense = Dense::zeros(view.rows(), view.cols());
        for (j, to) in dense.data.chunks_exact_mut(view.rows().max(1)).enumerate() {
            for (to, entry) in to.iter_mut().zip(view.column(index, j)) {
                *to = entry.f64().ldexp(power);
            }
        }
        dense
    }

    fn column(&self, j: usize) -> &[f64] {
        &self.data[j * self.rows..(j + 1) * self.rows]
    }

    fn times(&self, other: &Dense) -> Dense {
        let mut out = Dense::zeros(self.rows, other.cols);
        for (j, to) in out.data.chunks_exact_mut(self.rows.max(1)).enumerate() {
            for (k, &weight) in other.column(j).iter().enumerate() {
                for (to, &entry) in to.iter_mut().zip(self.column(k)) {
                    *to += weight * entry;
                }
            }
        }
        out
    }

    fn transpose(&self) -> Dense {
        let mut out = Dense::zeros(self.cols, self.rows);
        for j in 0..self.cols {
            for i in 0..self.rows {
                out.data[i * self.cols + j] = self.data[j * self.rows + i];
            }
        }
        out
    }

    fn norm(&self) -> f64 {
        dot(&self.data, &self.data).sqrt()
    }

    fn distance(&self, other: &Dense) -> f64 {
        let squares = self.data.iter().zip(&other.data);
        squares.map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
    }
}

/// |(P Q)' - P Q| / |P Q| for P of m x n and Q of n x m.
fn asymmetry(p: &Dense, q: &Dense) -> f64 {
    let (m, n) = (p.rows, p.cols);
    let q = q.transpose();
    let (p, q) = if m > 4 * n {
        // With [P Q'] = H [R S], orthogonal H: the norms of P Q are those of the small R S'.
        let mut both = Dense::zeros(m, 2 * n);
        both.data[..m * n].copy_from_slice(&p.data);
        both.data[m * n..].copy_from_slice(&q.data);
        factor(&mut both.data, m, 2 * n, &mut vec![0.0; 2 * n]);
        let part = |first: usize| {
            let mut part = Dense::zeros(2 * n, n);
            for (j, to) in part.data.chunks_exact_mut((2 * n).max(1)).enumerate() {
                let rows = first + j + 1;
                to[..rows].copy_from_slice(&both.column(first + j)[..rows]);
            }
            part
        };
        (&part(0), &part(n))
    } else {
        (p, &q)
    };
    let product = p.times(&q.transpose());
    relative(product.transpose().distance(&product), product.norm())
}

/// The binary exponent of the largest entry of matrix `index`, or 0 if there is none.
fn exponent<T: Real>(view: &View<'_, T>, index: usize) -> i32 {
    use crate::scalar::sealed::Float;
    let largest = (0..view.cols())
        .flat_map(|j| view.column(index, j))
        .fold(0.0f64, |largest, x| largest.max(x.f64().abs()));
    if largest > 0.0 && largest.is_finite() {
        largest.exponent()
    } else {
        0
    }
}

/// `part` of `whole`, where nothing is nothing of anything.
fn relative(part: f64, whole: f64) -> f64 {
    if part == 0.0 { 0.0 } else { part / whole }
}

/// Whether the host can provide a handful of such matrices a thread; asked for, not touched.
fn probe(count: usize, size: [usize; 2]) -> Result<(), Error> {
    let threads = parallel::threads().min(count);
    let entries = product(&[size[0], size[1], 8, threads], size_of::<f64>())?;
    let mut probe: Vec<f64> = Vec::new();
    probe.try_reserve_exact(entries).map_err(|_| Error::Memory {
        bytes: entries as u128 * 8,
    })
}

/// `f` of every matrix, on all cores.
///
/// `size` is the shape of the largest matrix that `f` makes.
fn each<const N: usize>(
    count: usize,
    size: [usize; 2],
    f: impl Fn(usize) -> [f64; N] + Send + Sync,
) -> Result<Vec<[f64; N]>, Error> {
    let mut out = allocate(count, [0.0; N])?;
    probe(count, size)?;
    parallel::for_each(
        out.iter_mut().enumerate().collect(),
        || (),
        |_, (index, to)| *to = f(index),
    );
    Ok(out)
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

fn shape<T: Real>(view: &View<'_, T>) -> [usize; 3] {
    [view.count(), view.rows(), view.cols()]
}

/// |A - U diag(sigma) V'|_F / |A|_F of every matrix: thin or full factors of m x n matrices, with
/// sigma k x 1. Zero for an empty or zero matrix reproduced; NaN where an entry is NaN.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, Options, Vectors, verify};
///
/// let a = Batch::from_fn(10, 5, 3, |b, i, j| ((b + 2 * i + 3 * j) as f32).sin())?;
/// let svd = Engine::cpu().svd(&a, Vectors::Thin, &Options::default())?;
/// let (u, v) = (svd.u.unwrap(), svd.v.unwrap());
/// let residuals = verify::reconstruction(&a, &u, &svd.sigma, &v)?;
/// assert!(residuals.iter().all(|r| *r < 1e-6));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn reconstruction<'a, T: Real>(
    a: impl Into<View<'a, T>>,
    u: impl Into<View<'a, T>>,
    sigma: impl Into<View<'a, T>>,
    v: impl Into<View<'a, T>>,
) -> Result<Vec<f64>, Error> {
    let (a, u, sigma, v) = (a.into(), u.into(), sigma.into(), v.into());
    let [count, m, n] = shape(&a);
    let k = m.min(n);
    expect("sigma", shape(&sigma), [count, k, 1])?;
    let u = if u.cols() > k {
        u.submatrix(0..u.rows(), 0..k)?
    } else {
        u
    };
    let v = if v.cols() > k {
        v.submatrix(0..v.rows(), 0..k)?
    } else {
        v
    };
    expect("U", shape(&u), [count, m, k])?;
    expect("V", shape(&v), [count, n, k])?;
    let residuals = each(count, [m, n.max(k)], |b| {
        let power = -exponent(&a, b);
        let dense = Dense::of(&a, b, power);
        let mut left = Dense::of(&u, b, 0);
        let sigma = Dense::of(&sigma, b, power);
        for (column, sigma) in left.data.chunks_exact_mut(m.max(1)).zip(&sigma.data) {
            column.iter_mut().for_each(|x| *x *= sigma);
        }
        let product = left.times(&Dense::of(&v, b, 0).transpose());
        [relative(dense.distance(&product), dense.norm())]
    })?;
    Ok(residuals.into_iter().map(|[r]| r).collect())
}

/// max |Q'Q - I| of every matrix: zero for columns that are exactly orthonormal.
///
/// # Errors
/// [`Error::Memory`] if the host cannot hold the work.
pub fn orthogonality<'a, T: Real>(q: impl Into<View<'a, T>>) -> Result<Vec<f64>, Error> {
    let q = q.into();
    let losses = each(q.count(), [q.rows(), q.cols()], |b| {
        let q = Dense::of(&q, b, 0);
        let mut worst = 0.0f64;
        for j in 0..q.cols {
            for i in 0..=j {
                let loss = (dot(q.column(i), q.column(j)) - f64::from(u8::from(i == j))).abs();
                // A NaN must not hide behind a comparison.
                worst = if loss > worst || loss.is_nan() {
                    loss
                } else {
                    worst
                };
            }
        }
        [worst]
    })?;
    Ok(losses.into_iter().map(|[l]| l).collect())
}

/// |A - B|_F / |A|_F of every matrix, for A and B m x n: what an approximation leaves. Zero where they are the
/// same.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Cutoff, Engine, Options, verify};
///
/// let a = Batch::from_row_major(1, 2, 2, &[4.0f64, 0.0, 0.0, 3.0])?;
/// let options = Options::default().cutoff(Cutoff::rank(1));
/// let low = Engine::cpu().low_rank(&a, &options)?;
/// assert!((verify::distances(&a, &low.approximation)?[0] - 0.6).abs() < 1e-14);
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn distances<'a, T: Real>(
    a: impl Into<View<'a, T>>,
    b: impl Into<View<'a, T>>,
) -> Result<Vec<f64>, Error> {
    let (a, b) = (a.into(), b.into());
    let [count, m, n] = shape(&a);
    expect("B", shape(&b), [count, m, n])?;
    let residuals = each(count, [m, n], |index| {
        let power = -exponent(&a, index);
        let (a, b) = (Dense::of(&a, index, power), Dense::of(&b, index, power));
        [relative(a.distance(&b), a.norm())]
    })?;
    Ok(residuals.into_iter().map(|[r]| r).collect())
}

/// |A - L R|_F / |A|_F of every matrix, for A m x n, L m x l and R l x n: that L R is A.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Determinant, Engine, Options, verify};
///
/// let a = Batch::from_fn(10, 3, 3, |b, i, j| ((b + 2 * i + 3 * j) as f32).sin())?;
/// let polar = Engine::cpu().polar(&a, Determinant::Any, &Options::default())?;
/// let residuals = verify::products(&a, &polar.orthogonal, &polar.stretch)?;
/// assert!(residuals.iter().all(|r| *r < 1e-6));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn products<'a, T: Real>(
    a: impl Into<View<'a, T>>,
    left: impl Into<View<'a, T>>,
    right: impl Into<View<'a, T>>,
) -> Result<Vec<f64>, Error> {
    let (a, left, right) = (a.into(), left.into(), right.into());
    let ([count, m, n], inner) = (shape(&a), left.cols());
    expect("the left factor", shape(&left), [count, m, inner])?;
    expect("the right factor", shape(&right), [count, inner, n])?;
    let residuals = each(count, [m.max(inner), n.max(inner)], |index| {
        // Every factor is brought to 1, so that no product leaves the range.
        let (p, q) = (-exponent(&left, index), -exponent(&right, index));
        let product = Dense::of(&left, index, p).times(&Dense::of(&right, index, q));
        let a = Dense::of(&a, index, p + q);
        [relative(a.distance(&product), a.norm())]
    })?;
    Ok(residuals.into_iter().map(|[r]| r).collect())
}

/// |P P - P|_F of every n x n matrix: zero for projectors. Not relative: the norm of a projector is zero, or
/// one and more, and what is left of zero is rounding.
///
/// # Errors
/// [`Error::Argument`] if the matrices are not square.
///
/// ```
/// use batched_svd::{Batch, Engine, Options, Subspace, verify};
///
/// let a = Batch::from_fn(10, 3, 3, |b, i, j| ((b + 2 * i + 3 * j) as f32).sin())?;
/// let null = Engine::cpu().projector(&a, Subspace::NullSpace, &Options::default())?;
/// assert!(verify::idempotence(&null.projector)?.iter().all(|r| *r < 1e-5));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn idempotence<'a, T: Real>(p: impl Into<View<'a, T>>) -> Result<Vec<f64>, Error> {
    let p = p.into();
    let [count, n, _] = shape(&p);
    expect("the projector", shape(&p), [count, n, n])?;
    let residuals = each(count, [n, n], |index| {
        let p = Dense::of(&p, index, 0);
        [p.times(&p).distance(&p)]
    })?;
    Ok(residuals.into_iter().map(|[r]| r).collect())
}

/// |C C - C|_F of every matrix of data A, m x n, and what whitens it, W, n x n: C is the covariance of A W, with
/// m - 1 in the denominator (one at least). Zero where A W is white, or where what does not vary is left out of
/// it: C is a projector then.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, Options, verify};
///
/// let a = Batch::from_fn(10, 9, 3, |b, i, j| ((b + i * i + 3 * j) as f64).sin())?;
/// let white = Engine::cpu().whitening(&a, &Options::default())?;
/// assert!(verify::whiteness(&a, &white.transform)?.iter().all(|r| *r < 1e-12));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn whiteness<'a, T: Real>(
    a: impl Into<View<'a, T>>,
    transform: impl Into<View<'a, T>>,
) -> Result<Vec<f64>, Error> {
    let (a, w) = (a.into(), transform.into());
    let [count, m, n] = shape(&a);
    expect("the transform", shape(&w), [count, n, n])?;
    let freedom = (m.saturating_sub(1).max(1) as f64).sqrt();
    let residuals = each(count, [m.max(n), n], |index| {
        // W scales inversely to A.
        let power = -exponent(&a, index);
        let mut a = Dense::of(&a, index, power);
        for column in a.data.chunks_exact_mut(m.max(1)) {
            let mean = column.iter().sum::<f64>() / m as f64;
            column.iter_mut().for_each(|x| *x -= mean);
            // Corrected by what that rounds.
            let rest = column.iter().sum::<f64>() / m as f64;
            column.iter_mut().for_each(|x| *x = (*x - rest) / freedom);
        }
        let white = a.times(&Dense::of(&w, index, -power));
        let covariance = white.transpose().times(&white);
        [covariance.times(&covariance).distance(&covariance)]
    })?;
    Ok(residuals.into_iter().map(|[r]| r).collect())
}

/// The four Moore-Penrose residuals of every matrix, for A m x n and X n x m:
/// |A X A - A| / |A|, |X A X - X| / |X|, |(A X)' - A X| / |A X|, |(X A)' - X A| / |X A|, in the
/// Frobenius norm. Zero where A is zero and X is too.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, Options, verify};
///
/// let a = Batch::from_row_major(1, 2, 2, &[1.0f64, 2.0, 2.0, 4.0])?; // rank one
/// let pinv = Engine::cpu().pinv(&a, &Options::default())?;
/// let [residuals] = verify::moore_penrose(&a, &pinv.inverse)?[..] else { unreachable!() };
/// assert!(residuals.iter().all(|r| *r < 1e-14));
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn moore_penrose<'a, T: Real>(
    a: impl Into<View<'a, T>>,
    x: impl Into<View<'a, T>>,
) -> Result<Vec<[f64; 4]>, Error> {
    let (a, x) = (a.into(), x.into());
    let [count, m, n] = shape(&a);
    expect("X", shape(&x), [count, n, m])?;
    // Where one side is much longer, its square is never formed.
    let (long, short) = (m.max(n), m.min(n));
    let size = [long, if long > 4 * short { 2 * short } else { long }];
    each(count, size, |b| {
        // X scales inversely to A: both are brought to 1 together.
        let power = -exponent(&a, b);
        let (a, x) = (Dense::of(&a, b, power), Dense::of(&x, b, -power));
        // The smaller of the products X A and A X: the other may be a square of many rows.
        let (axa, xax) = if n <= m {
            let xa = x.times(&a);
            (a.times(&xa), xa.times(&x))
        } else {
            let ax = a.times(&x);
            (ax.times(&a), x.times(&ax))
        };
        [
            relative(axa.distance(&a), a.norm()),
            relative(xax.distance(&x), x.norm()),
            asymmetry(&a, &x),
            asymmetry(&x, &a),
        ]
    })
}

/// How good solutions X of A X = B are, of m x n matrices and p right-hand sides each, in the Frobenius
/// norm: |B - A X| / |B|, which is what no x can reach, and |A' (B - A X)| / (|A| (|A| |X| + |B|)),
/// which is zero for least-squares solutions (the normal equations), undamped.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
///
/// ```
/// use batched_svd::{Batch, Engine, Options, verify};
///
/// let a = Batch::from_row_major(1, 2, 1, &[1.0f64, 1.0])?;
/// let b = Batch::from_row_major(1, 2, 1, &[1.0f64, 0.0])?;
/// let x = Engine::cpu().lstsq(&a, &b, &Options::default())?.solution;
/// let [[left, normal]] = verify::least_squares(&a, &x, &b)?[..] else { unreachable!() };
/// assert!((left - 0.5f64.sqrt()).abs() < 1e-14 && normal < 1e-14);
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn least_squares<'a, T: Real>(
    a: impl Into<View<'a, T>>,
    x: impl Into<View<'a, T>>,
    b: impl Into<View<'a, T>>,
) -> Result<Vec<[f64; 2]>, Error> {
    let (a, x, b) = (a.into(), x.into(), b.into());
    let [count, m, n] = shape(&a);
    let cols = b.cols();
    expect("B", shape(&b), [count, m, cols])?;
    expect("X", shape(&x), [count, n, cols])?;
    each(count, [m.max(n), m.min(n).max(cols)], |index| {
        // Brought to 1, A and B; X is then of B's scale over A's.
        let (p, q) = (-exponent(&a, index), -exponent(&b, index));
        let (a, b) = (Dense::of(&a, index, p), Dense::of(&b, index, q));
        let x = Dense::of(&x, index, q - p);
        let mut rest = a.times(&x);
        for (rest, b) in rest.data.iter_mut().zip(&b.data) {
            *rest = b - *rest;
        }
        let size = a.norm() * (a.norm() * x.norm() + b.norm());
        [
            relative(rest.norm(), b.norm()),
            relative(a.transpose().times(&rest).norm(), size),
        ]
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
/// use batched_svd::{Batch, Engine, Options, verify};
///
/// let a = Batch::from_row_major(1, 2, 1, &[1.0f32, 1.0])?;
/// let b = Batch::from_row_major(1, 2, 2, &[3.0f32, 1.0, 3.0, -1.0])?;
/// let fit = Engine::cpu().lstsq(&a, &b, &Options::default().singular_values(true))?;
/// let left = verify::residuals(&a, &fit.solution, &b)?;
/// assert!(left.matrix(0)[0] < 1e-6 && (left.matrix(0)[1] - 2f64.sqrt()).abs() < 1e-6);
/// assert!((fit.sigma.unwrap().matrix(0)[0] - 2f32.sqrt()).abs() < 1e-6);
/// # Ok::<(), batched_svd::Error>(())
/// ```
pub fn residuals<'a, T: Real>(
    a: impl Into<View<'a, T>>,
    x: impl Into<View<'a, T>>,
    b: impl Into<View<'a, T>>,
) -> Result<Batch<f64>, Error> {
    use crate::scalar::sealed::Float;
    let (a, x, b) = (a.into(), x.into(), b.into());
    let [count, m, n] = shape(&a);
    let cols = b.cols();
    expect("B", shape(&b), [count, m, cols])?;
    expect("X", shape(&x), [count, n, cols])?;
    let mut norms = Batch::zeros(count, cols, 1)?;
    probe(count, [m.max(n), n.max(cols)])?;
    let systems = norms.as_mut_slice().chunks_exact_mut(cols.max(1));
    parallel::for_each(
        systems.enumerate().collect(),
        || (),
        |(), (index, norms): (usize, &mut [f64])| {
            // As in `least_squares`.
            let (p, q) = (-exponent(&a, index), -exponent(&b, index));
            let (a, b) = (Dense::of(&a, index, p), Dense::of(&b, index, q));
            let product = a.times(&Dense::of(&x, index, q - p));
            for (j, norm) in norms.iter_mut().enumerate() {
                let both = b.column(j).iter().zip(product.column(j));
                let squares = both.map(|(b, ax)| (b - ax).powi(2)).sum::<f64>();
                *norm = squares.sqrt().ldexp(-q);
            }
        },
    );
    Ok(norms)
}

/// | |A|_F - |sigma|_2 | / |A|_F of every matrix: what values alone can be checked by.
///
/// # Errors
/// [`Error::Argument`] if the shapes do not belong together.
pub fn norms<'a, T: Real>(
    a: impl Into<View<'a, T>>,
    sigma: impl Into<View<'a, T>>,
) -> Result<Vec<f64>, Error> {
    let (a, sigma) = (a.into(), sigma.into());
    let [count, m, n] = shape(&a);
    expect("sigma", shape(&sigma), [count, m.min(n), 1])?;
    let residuals = each(count, [m, n], |b| {
        let power = -exponent(&a, b);
        let norm = Dense::of(&a, b, power).norm();
        let sum = Dense::of(&sigma, b, power).norm();
        [relative((norm - sum).abs(), norm)]
    })?;
    Ok(residuals.into_iter().map(|[r]| r).collect())
}

/// The largest of some residuals, leaving out the matrices that a report says have no result.
/// Not a number if any other is.
pub fn worst<'a>(
    report: &crate::report::Report,
    residuals: impl IntoIterator<Item = &'a [f64]>,
) -> f64 {
    use crate::report::Status;
    let mut worst = 0.0f64;
    for (outcome, residuals) in report.outcomes.iter().zip(residuals) {
        if matches!(outcome.status, Status::NonFinite | Status::NotRepresentable) {
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
