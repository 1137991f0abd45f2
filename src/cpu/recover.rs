//! J found from R and V_ after the sweeps, so that it need not be rotated along with R'.
//!
//! R V_ = J diag(sigma). Column j of the product has rounding errors of u sigma_1, which are u sigma_1 / sigma_j of
//! column j of J: but only along the columns of larger singular values, since R and V_ are graded as the singular
//! values are. So the columns are made orthonormal from the largest singular value down, each against those before it
//! (Gram-Schmidt): that takes the errors off, and what is taken off is u sigma_1 in A - U diag(sigma) V'.
//!
//! This fails where sigma_1 / sigma_j approaches 1 / u. Such matrices have their J carried along: a matrix is judged by
//! its own numbers alone, first by the diagonal of R ([`graded`]), then by how much is taken off.

use crate::cpu::field::{Columns, Field};
use crate::cpu::sums::dot;
use crate::data::scalar::Real;
use crate::lanes::Lanes;
use crate::planner::{Convergence, Problem};

/// The least quotient of the last and the first entry of the diagonal of R for which J is not carried, in u.
const LEAST: f64 = 256.0;
/// The least part of a column, squared, that must be left.
const LEFT: f64 = 0.75;
/// In u. With a looser tolerance V_ is not orthogonal enough, and R V_ does not give J.
const TIGHT: f64 = 16.0;

/// Whether J is recovered, of those matrices that allow it.
#[inline(always)]
pub(super) fn wanted<T: Real>(problem: &Problem, convergence: &Convergence) -> bool {
    problem.recovers() && convergence.tolerance <= TIGHT * T::DTYPE.unit_roundoff()
}

/// The matrices whose J cannot be recovered, by the diagonal of R, of n columns: its last
/// entry is at least sigma_n, and hardly ever much above it (Kahan's matrix is an exception). Lanes without a matrix,
/// and zero matrices, are not among them.
#[inline(always)]
pub(super) fn graded<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    r: Columns<'_, L::Vector>,
    n: usize,
) -> L::Mask {
    let least = l.splat(T::of(LEAST * T::DTYPE.unit_roundoff()));
    let len = f.vectors(r.rows);
    let first = f.larger(l, r.column(0, len), 0);
    let last = f.larger(l, r.column(n - 1, len), n - 1);
    l.less(last, l.mul(least, first))
}

/// Writes J to columns that are `step` vectors apart, from R (its upper triangle) and V_ (by singular values, descending).
/// Gives the lanes that failed. `scratch` has room for two columns of J.
#[inline(always)]
pub(super) fn recover<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    r: Columns<'_, L::Vector>,
    v: Columns<'_, L::Vector>,
    (j, step): (&mut [L::Vector], usize),
    n: usize,
    scratch: &mut [L::Vector],
) -> L::Mask {
    let (zero, one, left) = (l.splat(T::ZERO), l.splat(T::ONE), l.splat(T::of(LEFT)));
    let len = f.vectors(n);
    let (column, scratch) = scratch.split_at_mut(len);
    // Without a matrix, and of zeros, R is zero and J is I.
    let empty = l.equal(f.larger(l, r.column(0, f.vectors(r.rows)), 0), zero);
    let mut failed = l.less(zero, zero);
    for c in 0..n {
        column.fill(zero);
        f.add(l, r, true, v.column(c, len), column);
        column[c] = l.select(empty, one, column[c]);
        let (known, place) = j.split_at_mut(c * step);
        let known = Columns {
            vectors: known,
            rows: n,
            step,
        };
        // The products with the columns that are known, as a column.
        let products = &mut scratch[..f.vectors(c)];
        for i in 0..c {
            let found = f.product(l, known.column(i, len), column);
            for (part, &found) in found.iter().enumerate().take(f.planes()) {
                products[part * c + i] = l.sub(zero, found);
            }
        }
        let bound = l.mul(left, dot(l, column, column));
        f.add(l, known, false, products, column);
        let square = dot(l, column, column);
        let fine = l.and(
            l.less(bound, square),
            l.less(l.splat(T::NEGLIGIBLE * T::NEGLIGIBLE), square),
        );
        let fine = l.or(fine, empty);
        failed = l.or(failed, l.not(fine));
        let norm = l.sqrt(l.select(fine, square, one));
        let inverse = l.div(one, norm);
        for (place, &entry) in place[..len].iter_mut().zip(column.iter()) {
            // As good as a division, in a fifth of its time: a column with a single entry becomes exactly 1 or -1.
            let quotient = l.mul(entry, inverse);
            *place = l.mul_add(l.neg_mul_add(quotient, norm, entry), inverse, quotient);
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::real::Reals;
    use crate::data::batch::Batch;
    use crate::data::scalar::sealed::Float;
    use crate::engine::Engine;
    use crate::lanes::{Kernel, numbers};
    use crate::verify;

    /// Matrices whose J can be recovered, beside those whose J cannot: by the diagonal of R, and although it seems so by
    /// that (Kahan's, the smallest singular value of which is far below the diagonal).
    fn batch<T: Real>(n: usize) -> Batch<T> {
        let unit = T::DTYPE.unit_roundoff();
        // s^(n - 1) is a little above what is told from the diagonal.
        let s = (4.0 * super::LEAST * unit).powf(1.0 / (n as f64 - 1.0));
        let c = (1.0 - s * s).sqrt();
        Batch::from_fn(60, n, n, |b, i, j| {
            let x = ((7 * b + 5 * i * i + 3 * j + i * j) as f64).sin();
            T::of(match b % 10 {
                1 => 0.0,
                3 => x * 0.1f64.powi(j as i32),
                5 => (i + 1) as f64 * (j + 2) as f64,
                7 if i == j => s.powi(i as i32),
                7 if i < j => -c * s.powi(i as i32),
                7 => 0.0,
                8 if i + j == 1 => f64::NAN,
                9 => f64::from(u8::from(i == j)),
                _ => x,
            })
        })
        .unwrap()
    }

    fn orthonormal<T: Real>() {
        let engine = Engine::cpu();
        for n in [9, 16, 36] {
            let a = batch::<T>(n);
            let all = engine.svd(&a).run().unwrap();
            let tol = T::DTYPE.unit_roundoff() * 32f64.max(8.0 * (n as f64).sqrt());
            let losses = verify::orthogonality(&all.u).unwrap();
            let residuals = verify::reconstruction(&a, &all.u, &all.sigma, &all.v).unwrap();
            for b in (0..a.count()).filter(|b| b % 10 != 8) {
                assert!(losses[b] <= tol, "{n}x{n}, matrix {b}: {:e}", losses[b]);
                assert!(
                    residuals[b] <= tol,
                    "{n}x{n}, matrix {b}: {:e}",
                    residuals[b]
                );
            }
            let bits = |x: &[T]| x.iter().map(|x| x.f64().to_bits()).collect::<Vec<_>>();
            for b in 0..a.count() {
                let one = a.view().matrices(b..b + 1).unwrap();
                let own = engine.svd(one).run().unwrap();
                let (alone, beside) = (bits(own.u.matrix(0)), bits(all.u.matrix(b)));
                assert_eq!(alone, beside, "{n}x{n}, matrix {b}");
            }
        }
    }

    /// What `recover` makes of R and V_, both n x n: J, and whether it failed.
    struct Recover<'r>(&'r [f64], &'r [f64], usize);

    impl Kernel<f64> for Recover<'_> {
        type Output = (Vec<f64>, bool);

        fn run<L: Lanes<f64>>(self, l: L) -> Self::Output {
            let Recover(r, v, n) = self;
            let vectors = |x: &[f64]| x.iter().map(|&x| l.splat(x)).collect::<Vec<_>>();
            let (r, v) = (vectors(r), vectors(v));
            let columns = |vectors| Columns {
                vectors,
                rows: n,
                step: n,
            };
            let mut j = vec![l.splat(0.0); n * n];
            let scratch = &mut vec![l.splat(0.0); 2 * n];
            let failed = recover(l, Reals, columns(&r), columns(&v), (&mut j, n), n, scratch);
            (j.iter().map(|j| numbers(j)[0]).collect(), l.any(failed))
        }
    }

    #[test]
    fn a_small_singular_value_is_found_although_the_diagonal_hides_it() {
        let n = 36;
        let kinds = batch::<f64>(n);
        let kahan = kinds.view().matrices(7..8).unwrap();
        let plain = Batch::from_fn(1, n, n, |_, i, j| match i <= j {
            true => 1.0 / (1.0 + (i + j) as f64) + f64::from(u8::from(i == j)),
            false => 0.0,
        });
        for (r, fails) in [(kahan.to_batch().unwrap(), true), (plain.unwrap(), false)] {
            let svd = Engine::cpu().svd(&r).run().unwrap();
            let ask = Recover(r.matrix(0), svd.v.matrix(0), n);
            let (j, failed) = f64::dispatch(true, ask);
            assert_eq!(failed, fails);
            if !fails {
                let j = Batch::from_col_major(1, n, n, j).unwrap();
                let tol = 16.0 * n as f64 * f64::EPSILON;
                let distances = verify::distances(&svd.u, &j).unwrap();
                assert!(distances[0] < tol, "{:e}", distances[0]);
            }
        }
    }

    #[test]
    fn u_is_orthonormal_whichever_way_and_whatever_lies_beside() {
        orthonormal::<f32>();
        orthonormal::<f64>();
    }
}
