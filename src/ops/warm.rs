//! Decompositions that start from the results of similar matrices.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::parallel;
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::{Entry, Float};
use crate::data::view::View;
use crate::dense::householder::orthonormalise;
use crate::dense::product::{missing, multiply};
use crate::dense::sums::dot;
use crate::host::delivery;

/// The largest column of a matrix by the smallest, up to which it starts warm: the product with a dense V loses as
/// much of the relative accuracy of its smallest singular value.
const SPREAD: f64 = 16.0;
/// Columns whose products are off by so much at most are made orthonormal by Newton's iteration.
const NEARLY: f64 = 0.1;

/// Returns an error if an earlier V does not belong to matrices.
pub(super) fn check(a: [usize; 3], previous: [usize; 3]) -> Result<(), Error> {
    let ([count, m, n], [v_count, rows, cols]) = (a, previous);
    let k = m.min(n);
    if v_count == count && rows == n && (cols == k || cols == n) {
        return Ok(());
    }
    Err(Error::argument(format!(
        "the previous V is {v_count} matrices of {rows}x{cols}, but {count} of {n}x{k} or {n}x{n} were expected"
    )))
}

/// Makes the factors of the matrices from those of what [`turned`] made of them.
pub(super) fn restore<T: Scalar>(
    starts: &Batch<T::Wide>,
    wide: bool,
    [left, inner]: [Batch<T>; 2],
) -> Result<[Batch<T>; 2], Error> {
    let k = starts.rows();
    let mut right = Batch::zeros(starts.count(), k, k)?;
    turn_back(starts, &inner, &mut right);
    let (mut u, mut v) = if wide { (right, left) } else { (left, right) };
    fix_signs(&mut v, &mut u);
    Ok([u, v])
}

/// Where matrices start, and what these starts make of them, or of their transposes if they are wide. The singular
/// values are the same.
pub(super) fn turned<T: Scalar>(
    a: View<'_, T>,
    previous: View<'_, T>,
) -> Result<(Batch<T::Wide>, Batch<T>), Error> {
    let wide = a.rows() < a.cols();
    let tall = if wide { a.transpose() } else { a };
    let k = tall.cols();
    let mut starts = Batch::zeros(a.count(), k, k)?;
    let mut turned = Batch::zeros(a.count(), tall.rows(), k)?;
    turn(tall, previous, wide, &mut starts, &mut turned);
    Ok((starts, turned))
}

/// A W into `turned` for matrices of at least as many rows as columns, with an orthonormal W into `starts`: of the
/// previous V; or, for wide matrices, whose transposes these are, of what they make of it.
fn turn<T: Scalar>(
    tall: View<'_, T>,
    previous: View<'_, T>,
    wide: bool,
    starts: &mut Batch<T::Wide>,
    turned: &mut Batch<T>,
) {
    let (rows, k) = (tall.rows(), tall.cols());
    if rows * k == 0 {
        return;
    }
    let starts = starts.as_mut_slice().chunks_exact_mut(k * k);
    let turned = turned.as_mut_slice().chunks_exact_mut(rows * k);
    parallel::for_each(
        starts.zip(turned).enumerate().collect(),
        Work::default,
        |work: &mut Work<T>, (index, (start, turned)): (usize, (&mut [T::Wide], &mut [T]))| {
            let entries = |view: &View<'_, T>, to: &mut Vec<T::Wide>| {
                to.clear();
                for j in 0..k {
                    to.extend(view.column(index, j).map(|entry| entry.wide()));
                }
            };
            entries(&tall, &mut work.a);
            entries(&previous, &mut work.v);
            if wide {
                // These are transposes; the kernels see adjoints.
                for entry in &mut work.a {
                    *entry = entry.conjugate();
                }
            }
            if !work.start(rows, k, wide, start) {
                start.fill(T::Wide::default());
                let diagonal = start.iter_mut().step_by(k + 1);
                diagonal.for_each(|entry| *entry = T::Wide::of_real(1.0));
            }
            let Work {
                a, product, strip, ..
            } = work;
            product.resize(rows * k, T::Wide::default());
            multiply(a, rows, start, product, strip);
            for (to, &entry) in turned.iter_mut().zip(&*product) {
                *to = T::of_wide(entry);
            }
        },
    );
}

/// The memory of one thread.
#[derive(Default)]
struct Work<T: Scalar> {
    /// rows x k.
    a: Vec<T::Wide>,
    /// k columns.
    v: Vec<T::Wide>,
    gram: Vec<T::Wide>,
    product: Vec<T::Wide>,
    strip: Vec<T::Wide>,
}

impl<T: Scalar> Work<T> {
    /// Where the matrix starts, if it does so warm.
    fn start(&mut self, rows: usize, k: usize, wide: bool, start: &mut [T::Wide]) -> bool {
        if !is_even::<T>(&self.a, rows) {
            return false;
        }
        if wide {
            for (to, v) in start.chunks_exact_mut(k).zip(self.v.chunks_exact(rows)) {
                for (to, a) in to.iter_mut().zip(self.a.chunks_exact(rows)) {
                    *to = dot(a, v);
                }
            }
        } else {
            start.copy_from_slice(&self.v);
        }
        for column in start.chunks_exact_mut(k) {
            let norm = dot(column, column).parts()[0].sqrt();
            if !(norm > 0.0 && norm.is_finite()) {
                return false;
            }
            column
                .iter_mut()
                .for_each(|entry| *entry = entry.over(norm));
        }
        self.settle(k, T::DTYPE.unit_roundoff(), start);
        true
    }

    /// Makes normalised columns orthonormal to half a unit. By Newton's iteration, W (3 I - W'W) / 2, if they
    /// nearly are: every step squares what is missing (Higham, Functions of Matrices, 8.3).
    fn settle(&mut self, k: usize, unit: f64, w: &mut [T::Wide]) {
        self.gram.resize(k * k, T::Wide::default());
        self.product.resize(k * k, T::Wide::default());
        let Work {
            gram,
            product,
            strip,
            ..
        } = self;
        // Each squares what is missing: four are many.
        for _ in 0..8 {
            missing(w, k, gram);
            let most = gram.iter().fold(0.0f64, |most, x| most.max(x.size()));
            // No norm of W'W - I is larger.
            let most = k as f64 * most;
            if most > NEARLY {
                // And once more round: a reflection rounds more than a step of the iteration.
                orthonormalise(w, k);
                continue;
            }
            multiply(w, k, gram, product, strip);
            for (entry, change) in w.iter_mut().zip(&*product) {
                *entry -= change.times(0.5);
            }
            if most.powi(2) < 0.5 * unit {
                return;
            }
        }
    }
}

/// Whether columns are of similar size, and neither huge nor tiny: products with W are numbers of T.
fn is_even<T: Scalar>(a: &[T::Wide], rows: usize) -> bool {
    let most_exponent = T::Real::MIN_POSITIVE_NORMAL.exponent().abs() / 2;
    let (mut least, mut most) = (f64::INFINITY, 0.0f64);
    for column in a.chunks_exact(rows) {
        let norm = dot(column, column).parts()[0].sqrt();
        if !(norm > 0.0 && norm.is_finite() && norm.exponent().abs() <= most_exponent) {
            return false;
        }
        (least, most) = (least.min(norm), most.max(norm));
    }
    most <= SPREAD * least
}

/// Right factors: those of A W, from the left times W.
fn turn_back<T: Scalar>(starts: &Batch<T::Wide>, inner: &Batch<T>, right: &mut Batch<T>) {
    let k = right.rows();
    let matrices = right.as_mut_slice().chunks_exact_mut((k * k).max(1));
    parallel::for_each(
        matrices.enumerate().collect(),
        Work::default,
        |work: &mut Work<T>, (index, to): (usize, &mut [T])| {
            let Work {
                v, product, strip, ..
            } = work;
            v.clear();
            v.extend(inner.matrix(index).iter().map(|entry| entry.wide()));
            product.resize(k * k, T::Wide::default());
            multiply(starts.matrix(index), k, v, product, strip);
            for (to, &entry) in to.iter_mut().zip(&*product) {
                *to = T::of_wide(entry);
            }
        },
    );
}

/// Gives columns of V the signs that they have everywhere, and their partners in U the same.
fn fix_signs<T: Scalar>(v: &mut Batch<T>, u: &mut Batch<T>) {
    let [(n, v_size), (m, u_size)] = [&*v, &*u].map(|x| (x.rows(), x.rows() * x.cols()));
    if n == 0 || m == 0 {
        return;
    }
    let v = v.as_mut_slice().chunks_exact_mut(v_size.max(1));
    let u = u.as_mut_slice().chunks_exact_mut(u_size.max(1));
    parallel::for_each(
        v.zip(u).collect(),
        || (),
        |(), (v, u): (&mut [T], &mut [T])| {
            delivery::fix_signs(v, n, u, m);
        },
    );
}
