//! Complex matrices as real ones of twice the size, which are measured like any others.
//!
//! The entry x + iy becomes the block [[x, -y], [y, x]]. Sums and products go over to those of the blocks, an adjoint to
//! the transpose, columns that are orthonormal stay so, and every singular value is there twice. The Frobenius norm
//! grows by the root of two, so that ratios of norms are what they were. A matrix that is not multiplied from the right
//! needs only the first column of each block, which has its norm.

use std::ops::Range;

use crate::data::batch::Batch;
use crate::data::error::{Error, product, zeros};
use crate::data::parallel;
use crate::data::scalar::sealed::{Entry, Float};
use crate::data::scalar::{Real, Scalar};
use crate::data::view::View;

/// Numbers that a task writes at least.
const TASK: usize = 1 << 14;
/// Numbers of blocks of one view that are there at once, if these are no more than one matrix.
const SLICE: usize = 1 << 20;

/// Real matrices that stand for those of a view: they themselves, or a copy.
pub(super) enum Stand<'a, R: Real> {
    Same(View<'a, R>),
    Copy(Batch<R>),
}

impl<R: Real> Stand<'_, R> {
    pub fn view(&self) -> View<'_, R> {
        match self {
            Stand::Same(view) => *view,
            Stand::Copy(batch) => batch.view(),
        }
    }
}

/// Measures all matrices like `a`: real ones at once, complex ones a slice at a time, since their blocks are copies.
pub(super) fn in_slices<T: Scalar, R>(
    a: &View<'_, T>,
    measure: impl Fn(&Range<usize>) -> Result<Vec<R>, Error>,
) -> Result<Vec<R>, Error> {
    let count = a.count();
    if T::PARTS == 1 {
        return measure(&(0..count));
    }
    let size = a.rows().saturating_mul(a.cols()).saturating_mul(4);
    let some = (SLICE / size.max(1)).clamp(1, SLICE);
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Error::Memory {
        bytes: count as u128 * size_of::<R>() as u128,
    })?;
    for first in (0..count).step_by(some) {
        all.extend(measure(&(first..count.min(first.saturating_add(some))))?);
    }
    Ok(all)
}

/// Some of the matrices, to be factors of products.
pub(super) fn blocks<'a, T: Scalar>(
    a: View<'a, T>,
    some: &Range<usize>,
) -> Result<Stand<'a, T::Real>, Error> {
    stand(a.matrices(some.clone())?, T::PARTS)
}

/// Some of the matrices, to be left alone or multiplied from the left.
pub(super) fn columns<'a, T: Scalar>(
    a: View<'a, T>,
    some: &Range<usize>,
) -> Result<Stand<'a, T::Real>, Error> {
    stand(a.matrices(some.clone())?, 1)
}

fn stand<T: Scalar>(a: View<'_, T>, each: usize) -> Result<Stand<'_, T::Real>, Error> {
    Ok(match a.cast() {
        Some(same) => Stand::Same(same),
        None => Stand::Copy(copy(a, each)?),
    })
}

/// The first `each` columns of every block.
fn copy<T: Scalar>(a: View<'_, T>, each: usize) -> Result<Batch<T::Real>, Error> {
    let [rows, cols] = [times(T::PARTS, a.rows())?, times(each, a.cols())?];
    let len = product(&[a.count(), rows, cols], size_of::<T::Real>())?;
    let mut entries: Vec<T::Real> = zeros(len)?;
    if len > 0 {
        let size = rows * cols;
        let some = (TASK / size).max(1);
        let tasks = entries.chunks_mut(some * size).enumerate();
        parallel::for_each(
            tasks.collect(),
            || (),
            |(), (task, to): (usize, &mut [T::Real])| {
                for (b, to) in (task * some..).zip(to.chunks_exact_mut(size)) {
                    to_blocks(a, b, each, to);
                }
            },
        );
    }
    Batch::from_col_major(a.count(), rows, cols, entries)
}

/// The product, or an error: no matrices may be of any size.
fn times(parts: usize, size: usize) -> Result<usize, Error> {
    product(&[parts, size], 1)
}

/// The blocks of matrix `b`, or so many of their columns.
fn to_blocks<T: Scalar>(a: View<'_, T>, b: usize, each: usize, to: &mut [T::Real]) {
    let rows = T::PARTS * a.rows();
    for (j, to) in to.chunks_exact_mut(each * rows).enumerate() {
        let column = a.column_of(b, j);
        let (first, second) = to.split_at_mut(rows);
        for (i, to) in first.chunks_exact_mut(T::PARTS).enumerate() {
            let [re, im] = column.at(i).parts();
            (to[0], to[1]) = (re, im);
        }
        // Empty, where one column is enough.
        for (to, from) in second.chunks_exact_mut(2).zip(first.chunks_exact(2)) {
            (to[0], to[1]) = (-from[1], from[0]);
        }
    }
}

/// Some of the singular values, each as often as the blocks have it.
pub(super) fn repeated<'a, T: Scalar>(
    sigma: View<'a, T::Real>,
    some: &Range<usize>,
) -> Result<Stand<'a, T::Real>, Error> {
    let sigma = sigma.matrices(some.clone())?;
    if T::PARTS == 1 {
        return Ok(Stand::Same(sigma));
    }
    let (count, rows) = (sigma.count(), times(T::PARTS, sigma.rows())?);
    let mut entries: Vec<T::Real> = zeros(product(&[count, rows], size_of::<T::Real>())?)?;
    for (b, to) in entries.chunks_exact_mut(rows.max(1)).enumerate() {
        let column = sigma.column_of(b, 0);
        for (i, to) in to.chunks_exact_mut(T::PARTS).enumerate() {
            to.fill(column.at(i));
        }
    }
    Ok(Stand::Copy(Batch::from_col_major(count, rows, 1, entries)?))
}

/// Data less the means of their columns, and what whitens them, in f64 and as blocks: the means of blocks would be
/// others. Both are brought near one by a power of two for each matrix, by which whitened data do not change.
pub(super) fn centred<T: Scalar>([a, w]: [View<'_, T>; 2]) -> Result<[Batch<f64>; 2], Error> {
    let (mut data, mut transform) = (wide(a)?, wide(w)?);
    let size = |batch: &Batch<T::Wide>| batch.rows().saturating_mul(batch.cols()).max(1);
    let sizes = [size(&data), size(&transform)];
    let samples = a.rows() as f64;
    let matrices = data.as_mut_slice().chunks_exact_mut(sizes[0]);
    for (data, w) in matrices.zip(transform.as_mut_slice().chunks_exact_mut(sizes[1])) {
        let largest = data.iter().fold(0.0f64, |most, x| most.max(x.larger()));
        let power = match largest > 0.0 && largest.is_finite() {
            true => largest.exponent(),
            false => 0,
        };
        data.iter_mut().for_each(|x| *x = x.scaled(-power));
        w.iter_mut().for_each(|x| *x = x.scaled(power));
        for column in data.chunks_exact_mut(a.rows().max(1)) {
            // The second time for what rounding has made of the sum.
            for _ in 0..2 {
                let mut mean = T::Wide::default();
                column.iter().for_each(|&x| mean += x);
                let mean = mean.over(samples);
                column.iter_mut().for_each(|x| *x -= mean);
            }
        }
    }
    let each = <T::Wide as Entry>::PARTS;
    Ok([copy(data.view(), each)?, copy(transform.view(), each)?])
}

fn wide<T: Scalar>(a: View<'_, T>) -> Result<Batch<T::Wide>, Error> {
    let batch = a.to_batch()?;
    let mut entries: Vec<T::Wide> = zeros(batch.as_slice().len())?;
    for (to, entry) in entries.iter_mut().zip(batch.as_slice()) {
        *to = entry.wide();
    }
    Batch::from_col_major(batch.count(), batch.rows(), batch.cols(), entries)
}

#[cfg(test)]
mod tests {
    use crate::Engine;
    use crate::data::batch::Batch;
    use crate::data::scalar::sealed::Float;
    use crate::data::scalar::{Complex, Scalar};
    use crate::data::view::View;
    use crate::verify::complex::SLICE;
    use crate::verify::*;

    type Number = Complex<f64>;

    /// A matrix, by its columns.
    #[derive(Clone)]
    struct Plain {
        rows: usize,
        columns: Vec<Vec<Number>>,
    }

    impl Plain {
        fn from(rows: usize, cols: usize, f: impl Fn(usize, usize) -> Number) -> Self {
            let column = |j| (0..rows).map(|i| f(i, j)).collect();
            Plain {
                rows,
                columns: (0..cols).map(column).collect(),
            }
        }

        fn of<T: Scalar<Wide = Number>>(batch: &Batch<T>, b: usize) -> Self {
            let view = batch.view();
            Plain::from(batch.rows(), batch.cols(), |i, j| {
                view.get(b, i, j).unwrap().wide()
            })
        }

        fn cols(&self) -> usize {
            self.columns.len()
        }

        fn at(&self, i: usize, j: usize) -> Number {
            self.columns[j][i]
        }

        fn adjoint(&self) -> Self {
            Plain::from(self.cols(), self.rows, |i, j| self.at(j, i).conj())
        }

        fn times(&self, other: &Plain) -> Self {
            Plain::from(self.rows, other.cols(), |i, j| {
                (0..self.cols())
                    .map(|k| self.at(i, k) * other.at(k, j))
                    .sum()
            })
        }

        fn less(&self, other: &Plain) -> Self {
            Plain::from(self.rows, self.cols(), |i, j| {
                self.at(i, j) - other.at(i, j)
            })
        }

        fn lengths(&self) -> Vec<f64> {
            let length = |column: &Vec<Number>| column.iter().map(|x| x.norm_sqr()).sum::<f64>();
            self.columns.iter().map(|own| length(own).sqrt()).collect()
        }

        fn norm(&self) -> f64 {
            self.lengths()
                .iter()
                .fold(0.0, |all: f64, own| all.hypot(*own))
        }

        /// The largest part that Q'Q is off from I.
        fn gap(&self) -> f64 {
            let gram = self.adjoint().times(self);
            let one = Plain::from(gram.rows, gram.rows, |i, j| {
                Number::from(f64::from(u8::from(i == j)))
            });
            let off = gram.less(&one).columns.concat();
            off.iter()
                .fold(0.0, |most, x| most.max(x.re.abs()).max(x.im.abs()))
        }
    }

    fn batch<T: Scalar<Wide = Number>>(rows: usize, cols: usize, seed: usize) -> Batch<T> {
        let mut state = seed as u64;
        let mut next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        Batch::from_fn(COUNT, rows, cols, |_, _, _| {
            T::of_wide(Number::new(next(), next()))
        })
        .unwrap()
    }

    const COUNT: usize = 3;
    const SHAPES: [[usize; 2]; 8] = [
        [1, 1],
        [2, 2],
        [3, 2],
        [4, 6],
        [9, 5],
        [17, 19],
        [40, 3],
        [3, 0],
    ];

    fn agree(what: &str, found: &[f64], plain: &[f64]) {
        assert_eq!(found.len(), plain.len(), "{what}");
        for (at, (found, plain)) in found.iter().zip(plain).enumerate() {
            let off = (found - plain).abs();
            assert!(
                off <= 1e-11 * (1.0 + plain.abs()),
                "{what}, {at}: {found:e}, but plainly {plain:e}"
            );
        }
    }

    /// Of random matrices, which are no factors and no inverses.
    fn all<T: Scalar<Wide = Number>>() {
        for [m, n] in SHAPES {
            let k = m.min(n);
            let (a, x) = (batch::<T>(m, n, 1), batch::<T>(n, m, 2));
            let (u, v) = (batch::<T>(m, m, 3), batch::<T>(n, k, 4));
            let sigma = Engine::cpu().svd(&a).run().unwrap().sigma;
            let (y, sides) = (batch::<T>(n, 2, 5), batch::<T>(m, 2, 6));
            let w = batch::<T>(n, n, 7);
            let measured = (
                factors(&a, &u, &sigma, &v).unwrap(),
                reconstruction(&a, &u, &sigma, &v).unwrap(),
                inverses(&a, &x).unwrap(),
                moore_penrose(&a, &x).unwrap(),
                least_squares(&a, &y, &sides).unwrap(),
                residuals(&a, &y, &sides).unwrap(),
                distances(&a, x.view().transpose()).unwrap(),
                products(&a, &sides, y.view().transpose()).unwrap(),
                idempotence(&w).unwrap(),
                whiteness(&a, &w).unwrap(),
                norms(&a, &sigma).unwrap(),
            );
            for b in 0..COUNT {
                let what = format!("{} {m}x{n}, matrix {b}", T::DTYPE);
                let [pa, px, pu, pv, py, ps, pw] =
                    [&a, &x, &u, &v, &y, &sides, &w].map(|own| Plain::of(own, b));
                let wide = m < n;
                let over = |part: f64, of: f64| if part == 0.0 { 0.0 } else { part / of };

                let weighted = Plain::from(m, k, |i, j| {
                    let sigma: f64 = sigma.view().get(b, j, 0).unwrap().f64();
                    pu.at(i, j) * sigma
                });
                let off = pa.less(&weighted.times(&pv.adjoint()));
                let (tall, of) = match wide {
                    true => (off.adjoint(), pa.adjoint()),
                    false => (off.clone(), pa.clone()),
                };
                let columns = tall.lengths().into_iter().zip(of.lengths());
                let worst = columns.fold(0.0f64, |most, (part, of)| most.max(over(part, of)));
                let own = &measured.0[b];
                agree(
                    &what,
                    &[own.reconstruction, own.columns, own.left, own.right],
                    &[over(off.norm(), pa.norm()), worst, pu.gap(), pv.gap()],
                );
                agree(&what, &measured.1[b..=b], &[own.reconstruction]);

                let lengths = match wide {
                    true => pa.adjoint().lengths(),
                    false => pa.lengths(),
                };
                let scale = |at: usize| lengths[at].log2().floor().exp2();
                let (sa, sx) = match wide {
                    true => (
                        Plain::from(m, n, |i, j| pa.at(i, j) / scale(i)),
                        Plain::from(n, m, |i, j| px.at(i, j) * scale(j)),
                    ),
                    false => (
                        Plain::from(m, n, |i, j| pa.at(i, j) / scale(j)),
                        Plain::from(n, m, |i, j| px.at(i, j) * scale(i)),
                    ),
                };
                let skew = |p: &Plain| over(p.adjoint().less(p).norm(), p.norm());
                let (ax, xa) = match wide {
                    true => (pa.times(&px), sx.times(&sa)),
                    false => (sa.times(&sx), px.times(&pa)),
                };
                let condition =
                    |a: &Plain, x: &Plain, p: &Plain| a.norm() * x.norm() / p.norm().max(1.0);
                let four = [
                    over(sa.times(&sx).times(&sa).less(&sa).norm(), sa.norm()),
                    over(sx.times(&sa).times(&sx).less(&sx).norm(), sx.norm()),
                    skew(&ax),
                    skew(&xa),
                ];
                agree(&what, &measured.3[b], &four);
                let own = &measured.2[b];
                agree(&what, &own.residuals, &four);
                let (scaled, plain) = match wide {
                    true => (condition(&sa, &sx, &xa), condition(&pa, &px, &ax)),
                    false => (condition(&sa, &sx, &ax), condition(&pa, &px, &xa)),
                };
                // |A X| of blocks is above one where that of complex numbers is not.
                if ax.norm().min(xa.norm()) > 1.0 {
                    let [third, fourth] = if wide {
                        [plain, scaled]
                    } else {
                        [scaled, plain]
                    };
                    agree(&what, &own.conditions, &[scaled, scaled, third, fourth]);
                }
                let trace: f64 = (0..n).map(|i| px.times(&pa).at(i, i).re).sum();
                agree(&what, &[own.trace], &[trace]);

                let rest = ps.less(&pa.times(&py));
                let dots = pa.adjoint().times(&rest);
                let (mut normal, columns) = (0.0f64, pa.lengths());
                for p in 0..2 {
                    let terms = columns.iter().enumerate().map(|(i, length)| {
                        let x = py.at(i, p);
                        length * (x.re.abs() + x.im.abs())
                    });
                    let size = terms.sum::<f64>() + ps.lengths()[p];
                    for (j, length) in columns.iter().enumerate() {
                        let dot = dots.at(j, p);
                        normal = normal.max(dot.re.abs().max(dot.im.abs()) / (length * size));
                    }
                }
                agree(
                    &what,
                    &measured.4[b],
                    &[over(rest.norm(), ps.norm()), normal],
                );
                agree(&what, measured.5.matrix(b), &rest.lengths());

                let flat = Plain::from(m, n, |i, j| px.at(j, i));
                agree(
                    &what,
                    &measured.6[b..=b],
                    &[over(pa.less(&flat).norm(), pa.norm())],
                );
                let product = ps.times(&Plain::from(2, n, |i, j| py.at(j, i)));
                let off = pa.less(&product).norm();
                agree(&what, &measured.7[b..=b], &[over(off, pa.norm())]);
                agree(&what, &measured.8[b..=b], &[pw.times(&pw).less(&pw).norm()]);

                let mean = |j: usize| pa.columns[j].iter().sum::<Number>() / m as f64;
                let freedom = (m.saturating_sub(1).max(1) as f64).sqrt();
                let data = Plain::from(m, n, |i, j| (pa.at(i, j) - mean(j)) / freedom);
                let white = data.times(&pw);
                let c = white.adjoint().times(&white);
                agree(&what, &measured.9[b..=b], &[c.times(&c).less(&c).norm()]);
                let values: Vec<f64> = sigma.matrix(b).iter().map(|s| s.f64()).collect();
                let values = values.iter().fold(0.0, |all: f64, own| all.hypot(*own));
                let off = (pa.norm() - values).abs();
                agree(&what, &measured.10[b..=b], &[over(off, pa.norm())]);
            }
        }
    }

    #[test]
    fn complex_matrices_are_measured_as_plainly() {
        all::<Complex<f32>>();
        all::<Complex<f64>>();
    }

    #[test]
    fn slices_are_measured_like_single_matrices() {
        // Some more than four slices.
        let (m, n) = (30, 20);
        let count = 4 * (SLICE / (4 * m * n)) + 3;
        let entry = |b: usize, i: usize, j: usize| {
            Number::new(((b + i * j) as f64).sin(), ((b * i + j) as f64 * 0.7).cos())
        };
        let a = Batch::from_fn(count, m, n, entry).unwrap();
        let x = Batch::from_fn(count, n, 2, |b, i, j| entry(b, j, i)).unwrap();
        let sides = Batch::from_fn(count, m, 2, |b, i, j| entry(b + 1, j, i)).unwrap();
        let all = residuals(&a, &x, &sides).unwrap();
        let gaps = orthogonality(&a).unwrap();
        let far = distances(&a, &a.view().matrices(0..1).unwrap().to_batch().unwrap());
        assert!(far.is_err());
        assert_eq!((all.count(), gaps.len()), (count, count));
        for b in [0, 1, count / 2, count - 2, count - 1] {
            let own =
                |batch: &'_ Batch<Number>| batch.view().matrices(b..b + 1).unwrap().to_batch();
            let [a, x, sides] = [&a, &x, &sides].map(|batch| own(batch).unwrap());
            agree(
                "alone",
                all.matrix(b),
                residuals(&a, &x, &sides).unwrap().matrix(0),
            );
            agree("alone", &gaps[b..=b], &orthogonality(&a).unwrap());
        }
        // One for all.
        let strides = [0, 1, m as isize];
        let shared = View::new(a.as_slice(), 0, [count, m, n], strides).unwrap();
        let apart = distances(shared, &a).unwrap();
        assert_eq!(apart[0], 0.0);
        assert!(apart[count - 1] > 0.1);
    }

    #[test]
    fn matrices_without_entries_are_measured_or_refused() {
        let empty: [Number; 0] = [];
        let huge = usize::MAX / 4;
        for (shape, is_measured) in [
            ([0, huge, huge], None),
            ([2, 0, 3], Some(true)),
            ([2, 3, 0], Some(true)),
            ([3, 0, 0], Some(true)),
            ([1, 0, huge], None),
            ([1, huge, 0], None),
        ] {
            let a = View::new(&empty, 0, shape, [0, 0, 0]).unwrap();
            // No panic, and no loop over what is not there.
            let found = distances(a, a);
            if let Some(is_measured) = is_measured {
                assert_eq!(found.is_ok(), is_measured, "{shape:?}");
                assert!(found.unwrap().iter().all(|far| *far == 0.0));
            }
            let _ = (orthogonality(a), moore_penrose(a, a.transpose()));
        }
    }

    /// Near the ends of the range of f64, and with one NaN in one matrix.
    #[test]
    fn complex_numbers_near_the_ends_of_the_range_are_measured() {
        for power in [1000, -1000] {
            let by = 2f64.powi(power);
            let a = batch::<Number>(5, 3, 1);
            let mut scaled = a.clone();
            scaled.as_mut_slice().iter_mut().for_each(|x| *x *= by);
            let svd = Engine::cpu().svd(&scaled).run().unwrap();
            let found = factors(&scaled, &svd.u, &svd.sigma, &svd.v).unwrap();
            assert!(found.iter().all(|own| own.columns < 1e-14), "{found:?}");
            let pinv = Engine::cpu().pinv(&scaled).run().unwrap();
            let found = inverses(&scaled, &pinv.inverse).unwrap();
            let good = |own: &Inverse| {
                own.residuals.iter().all(|r| *r < 1e-13) && (own.trace - 3.0).abs() < 1e-13
            };
            assert!(found.iter().all(good), "{found:?}");
            let white = Engine::cpu().whitening(&scaled).run().unwrap();
            let found = whiteness(&scaled, &white.transform).unwrap();
            assert!(found.iter().all(|own| *own < 1e-12), "{found:?}");

            let mut bad = pinv.inverse.clone();
            bad.as_mut_slice()[15 + 4].im = f64::NAN;
            let found = inverses(&scaled, &bad).unwrap();
            assert!(good(&found[0]) && good(&found[2]));
            assert!(found[1].residuals.iter().all(|r| r.is_nan()), "{found:?}");
        }
    }
}
