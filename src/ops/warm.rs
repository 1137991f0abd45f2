//! Decompositions that start from the results of similar matrices.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::options::{Options, Vectors};
use crate::data::parallel;
use crate::data::scalar::Real;
use crate::data::view::View;
use crate::dense::householder::orthonormalise;
use crate::dense::product::{missing, multiply};
use crate::dense::sums::dot;
use crate::engine::Engine;
use crate::host::delivery;
use crate::ops::Svd;

/// The largest column of a matrix by the smallest, up to which it starts warm: the product with a dense V loses as
/// much of the relative accuracy of its smallest singular value.
const SPREAD: f64 = 16.0;
/// Columns whose products are off by so much at most are made orthonormal by Newton's iteration.
const NEARLY: f64 = 0.1;

impl Engine {
    /// Computes the results of [`svd_async`](Self::svd_async) for m x n matrices that are similar, one by one, to those
    /// of an earlier call. `previous` is the V of that call, n x k or n x n, k = min(m, n).
    ///
    /// The frames of a path, of a control loop or of a simulation then take fewer sweeps. If frames differ by a
    /// thousandth, they take two or three sweeps in f32, in place of four (6x7) to seven (64x64), and one more in f64.
    /// Any V is accepted, also one that is not orthonormal or that contains a NaN. With a NaN, its matrix starts cold,
    /// as in [`svd_async`](Self::svd_async). A bad V costs sweeps, not accuracy.
    ///
    /// The host multiplies the matrices with V, one by one. Except for large matrices, this takes longer than the
    /// sweeps that it saves: on the CPU, the times are equal at 64x64, and a warm call takes five times as long as a
    /// cold call at 3x3 and 6x7 (`BENCHMARKS.md`).
    ///
    /// **Guarantee**: that of [`svd_async`](Self::svd_async), after any number of earlier frames, because every call
    /// makes V orthonormal again. Matrices start cold if the norms of their columns (rows, if m < n) differ by a factor
    /// of more than 16. So the relative accuracy of the small singular values of graded matrices is within that factor
    /// of the accuracy of a cold call.
    ///
    /// **Source**: A V_0 = U diag(sigma) W', V = V_0 W (Drmac and Veselic 2008, on preconditioning).
    ///
    /// # Errors
    /// As [`svd_async`](Self::svd_async), and [`Error::Argument`] if V does not fit A.
    pub async fn svd_warm_async<'a, 'v, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        previous: impl Into<View<'v, T>>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<Svd<T>, Error> {
        self.warm_inner(a.into(), previous.into(), vectors, options, false)
            .await
    }

    /// Does the same as [`svd_warm_async`](Self::svd_warm_async), and blocks until it is done.
    ///
    /// ```
    /// use batched_svd::{Batch, Engine, Options, Vectors};
    ///
    /// let engine = Engine::cpu();
    /// let entry = |b, i, j, time: f64| ((b + (1 + i) * (2 + 3 * j)) as f64 * (0.7 + time)).sin();
    /// let frame = |time| Batch::from_fn(100, 8, 8, |b, i, j| entry(b, i, j, time));
    /// let mut last = engine.svd(&frame(0.0)?, Vectors::Thin, &Options::default())?;
    /// let cold = last.report.max_sweeps();
    /// for step in 1..5 {
    ///     let v = last.v.unwrap();
    ///     last = engine.svd_warm(&frame(f64::from(step) * 1e-5)?, &v, Vectors::Thin, &Options::default())?;
    ///     assert!(last.report.max_sweeps() < cold);
    /// }
    /// # Ok::<(), batched_svd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`svd_warm_async`](Self::svd_warm_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn svd_warm<'a, 'v, T: Real>(
        &self,
        a: impl Into<View<'a, T>>,
        previous: impl Into<View<'v, T>>,
        vectors: Vectors,
        options: &Options,
    ) -> Result<Svd<T>, Error> {
        let warm = self.warm_inner(a.into(), previous.into(), vectors, options, true);
        pollster::block_on(warm)
    }

    async fn warm_inner<T: Real>(
        &self,
        a: View<'_, T>,
        previous: View<'_, T>,
        vectors: Vectors,
        options: &Options,
        blocking: bool,
    ) -> Result<Svd<T>, Error> {
        let (count, m, n) = (a.count(), a.rows(), a.cols());
        let k = m.min(n);
        let fits = previous.count() == count
            && previous.rows() == n
            && (previous.cols() == k || previous.cols() == n);
        if !fits {
            return Err(Error::argument(format!(
                "the previous V is {} matrices of {}x{}, but {count} of {n}x{k} or {n}x{n} were expected",
                previous.count(),
                previous.rows(),
                previous.cols()
            )));
        }
        options.check(count, k)?;
        if !blocking && self.in_background() {
            let call = move |engine: &Engine, [a, v]: [View<'_, T>; 2], options: &Options| {
                pollster::block_on(engine.warm_inner(a, v, vectors, options, true))
            };
            return self.background_on([a, previous], options, call).await;
        }
        let wide = m < n;
        let tall = if wide { a.transpose() } else { a };
        let mut starts = Batch::<f64>::zeros(count, k, k)?;
        let mut turned = Batch::<T>::zeros(count, tall.rows(), k)?;
        turn(tall, previous, wide, &mut starts, &mut turned);
        let svd = self.svd_inner(turned.view(), vectors, options, blocking);
        let Svd {
            u: left,
            sigma,
            v: inner,
            report,
        } = svd.await?;
        let (mut u, mut v) = (None, None);
        if let (Some(left), Some(inner)) = (left, inner) {
            let mut right = Batch::zeros(count, k, k)?;
            turn_back(&starts, &inner, &mut right);
            let (mut own_u, mut own_v) = if wide { (right, left) } else { (left, right) };
            fix_signs(&mut own_v, &mut own_u);
            (u, v) = (Some(own_u), Some(own_v));
        }
        Ok(Svd {
            u,
            sigma,
            v,
            report,
        })
    }
}

/// A W into `turned` for matrices of at least as many rows as columns, with an orthonormal W into `starts`: of the
/// previous V; or, for wide matrices, whose transposes these are, of what they make of it.
fn turn<T: Real>(
    tall: View<'_, T>,
    previous: View<'_, T>,
    wide: bool,
    starts: &mut Batch<f64>,
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
        |work, (index, (start, turned)): (usize, (&mut [f64], &mut [T]))| {
            let entries = |view: &View<'_, T>, to: &mut Vec<f64>| {
                to.clear();
                for j in 0..k {
                    to.extend(view.column(index, j).map(|entry| entry.f64()));
                }
            };
            entries(&tall, &mut work.a);
            entries(&previous, &mut work.v);
            if !work.start::<T>(rows, k, wide, start) {
                start.fill(0.0);
                start.iter_mut().step_by(k + 1).for_each(|x| *x = 1.0);
            }
            let Work {
                a, product, strip, ..
            } = work;
            product.resize(rows * k, 0.0);
            multiply(a, rows, start, product, strip);
            for (to, &entry) in turned.iter_mut().zip(&*product) {
                *to = T::of(entry);
            }
        },
    );
}

/// The memory of one thread.
#[derive(Default)]
struct Work {
    /// rows x k.
    a: Vec<f64>,
    /// k columns.
    v: Vec<f64>,
    gram: Vec<f64>,
    product: Vec<f64>,
    strip: Vec<f64>,
}

impl Work {
    /// Where the matrix starts, if it does so warm.
    fn start<T: Real>(&mut self, rows: usize, k: usize, wide: bool, start: &mut [f64]) -> bool {
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
            let norm = dot(column, column).sqrt();
            if !(norm > 0.0 && norm.is_finite()) {
                return false;
            }
            column.iter_mut().for_each(|entry| *entry /= norm);
        }
        self.settle(k, T::DTYPE.unit_roundoff(), start);
        true
    }

    /// Makes normalised columns orthonormal to half a unit. By Newton's iteration, W (3 I - W'W) / 2, if they
    /// nearly are: every step squares what is missing (Higham, Functions of Matrices, 8.3).
    fn settle(&mut self, k: usize, unit: f64, w: &mut [f64]) {
        self.gram.resize(k * k, 0.0);
        self.product.resize(k * k, 0.0);
        let Work {
            gram,
            product,
            strip,
            ..
        } = self;
        // Each squares what is missing: four are many.
        for _ in 0..8 {
            missing(w, k, gram);
            let most = gram.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            // No norm of W'W - I is larger.
            let most = k as f64 * most;
            if most > NEARLY {
                // And once more round: a reflection rounds more than a step of the iteration.
                orthonormalise(w, k);
                continue;
            }
            multiply(w, k, gram, product, strip);
            for (entry, change) in w.iter_mut().zip(&*product) {
                *entry -= 0.5 * change;
            }
            if most.powi(2) < 0.5 * unit {
                return;
            }
        }
    }
}

/// Whether columns are of similar size, and neither huge nor tiny: products with W are numbers of T.
fn is_even<T: Real>(a: &[f64], rows: usize) -> bool {
    use crate::data::scalar::sealed::Float;
    let most_exponent = T::MIN_POSITIVE_NORMAL.exponent().abs() / 2;
    let (mut least, mut most) = (f64::INFINITY, 0.0f64);
    for column in a.chunks_exact(rows) {
        let norm = dot(column, column).sqrt();
        if !(norm > 0.0 && norm.is_finite() && norm.exponent().abs() <= most_exponent) {
            return false;
        }
        (least, most) = (least.min(norm), most.max(norm));
    }
    most <= SPREAD * least
}

/// Right factors: those of A W, from the left times W.
fn turn_back<T: Real>(starts: &Batch<f64>, inner: &Batch<T>, right: &mut Batch<T>) {
    let k = right.rows();
    let matrices = right.as_mut_slice().chunks_exact_mut((k * k).max(1));
    parallel::for_each(
        matrices.enumerate().collect(),
        Work::default,
        |work, (index, to): (usize, &mut [T])| {
            let Work {
                v, product, strip, ..
            } = work;
            v.clear();
            v.extend(inner.matrix(index).iter().map(|entry| entry.f64()));
            product.resize(k * k, 0.0);
            multiply(starts.matrix(index), k, v, product, strip);
            for (to, &entry) in to.iter_mut().zip(&*product) {
                *to = T::of(entry);
            }
        },
    );
}

/// Gives columns of V the signs that they have everywhere, and their partners in U the same.
fn fix_signs<T: Real>(v: &mut Batch<T>, u: &mut Batch<T>) {
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
