//! Symmetric and Hermitian matrices on their way to singular value decompositions, and eigenvalues on their way back.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::outcome::Status;
use crate::data::parallel;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::data::triangle::Triangle;
use crate::data::view::View;
use crate::dense::cholesky;
use crate::host::symmetry::{asymmetric, asymmetry};
use crate::ops::{TASK, for_each_beside};

/// What eigenvalue problems can be told of their matrices.
#[derive(Clone, Copy, Debug, Default)]
pub struct Symmetry {
    pub(super) triangle: Triangle,
    pub(super) definite: bool,
}

/// Matrices whose right singular vectors are the eigenvectors of the symmetric matrices, in the reverse order.
pub(super) struct Prepared<T: Scalar> {
    pub matrices: Batch<T>,
    pub made: Vec<Made>,
}

/// What was made of one symmetric matrix.
#[derive(Clone, Copy)]
pub(super) struct Made {
    /// The matrix was multiplied by two to this power: then the largest entry is about one.
    power: i32,
    /// sigma is an eigenvalue plus this, or the root of an eigenvalue.
    shift: Option<f64>,
    /// |A - A'| / |A|, of the entries that were read.
    pub asymmetry: f64,
    /// What is wrong with the matrix.
    pub fault: Option<Status>,
}

impl Made {
    const EMPTY: Made = Made {
        power: 0,
        shift: Some(0.0),
        asymmetry: 0.0,
        fault: None,
    };

    /// The eigenvalue of a singular value.
    pub fn eigenvalue<T: Real>(&self, sigma: T) -> T {
        let sigma = sigma.f64();
        let scaled = match self.shift {
            Some(shift) => sigma - shift,
            None => sigma * sigma,
        };
        T::of(scaled.ldexp(-self.power))
    }

    /// The bound on the errors of the n eigenvalues, from that of the singular values and the largest of these.
    pub fn error<T: Real>(&self, n: usize, sigma_error: f64, largest: T) -> f64 {
        if !sigma_error.is_finite() {
            return sigma_error;
        }
        let (unit, largest) = (T::DTYPE.unit_roundoff(), largest.f64());
        let scaled = match self.shift {
            Some(0.0) => sigma_error,
            // The entries of the diagonal were below two. Their sums with the shift are rounded, and so are eigenvalues.
            Some(shift) => sigma_error + unit * (2.0 + shift + shift.max(largest - shift)),
            // The squares are rounded, and so is the factor: by n units of the trace, in f64.
            None => {
                let factor = (n * n) as f64 * f64::EPSILON * largest;
                (2.0 * sigma_error + unit * largest + factor) * largest
            }
        };
        // An eigenvalue that is subnormal is rounded once more.
        scaled.ldexp(-self.power) + 0.5 * T::DTYPE.smallest()
    }
}

impl<T: Scalar> Prepared<T> {
    pub fn new(a: View<'_, T>, symmetry: Symmetry) -> Result<Self, Error> {
        let (count, n) = (a.count(), a.cols());
        let mut matrices = Batch::zeros(count, n, n)?;
        let mut made = parallel::filled(count, Made::EMPTY)?;
        let some = TASK.div_ceil((n * n).max(1));
        for_each_beside(
            &mut matrices,
            &mut made,
            some,
            Work::<T::Wide>::default,
            |work, index, matrix, made| *made = work.prepare(a, index, symmetry, matrix),
        );
        Ok(Prepared { matrices, made })
    }
}

/// The memory of one thread.
#[derive(Default)]
struct Work<W> {
    a: Vec<W>,
    factor: Vec<W>,
    radii: Vec<f64>,
}

impl<W: Scalar<Real = f64>> Work<W> {
    fn prepare<T: Scalar<Wide = W>>(
        &mut self,
        from: View<'_, T>,
        index: usize,
        Symmetry { triangle, definite }: Symmetry,
        to: &mut [T],
    ) -> Made {
        let n = from.cols();
        let a = &mut self.a;
        a.clear();
        match from.contiguous(index) {
            Some(entries) => a.extend(entries.iter().map(|entry| entry.wide())),
            None => (0..n).for_each(|j| a.extend(from.column(index, j).map(|entry| entry.wide()))),
        }
        if triangle != Triangle::Mean {
            for j in 0..n {
                a[j * n + j] = W::of_real(a[j * n + j].parts()[0]);
                for i in 0..j {
                    let (upper, lower) = (a[j * n + i], a[i * n + j]);
                    match triangle {
                        Triangle::Lower => a[j * n + i] = lower.conjugate(),
                        _ => a[i * n + j] = upper.conjugate(),
                    }
                }
            }
        }
        let mut made = Made::EMPTY;
        // A NaN must not hide behind a comparison. All are looked at, which vectors do side by side.
        if !a.iter().fold(true, |all, entry| all & entry.is_number()) {
            to.fill(T::nan());
            return Made {
                asymmetry: f64::NAN,
                ..made
            };
        }
        made.power = scale(a);
        if !is_hermitian(a, n) {
            made.asymmetry = asymmetry(n, |i, j| a[j * n + i]);
            if asymmetric(T::DTYPE, n, made.asymmetry) {
                made.fault = Some(Status::NotSymmetric);
            }
            for j in 0..n {
                a[j * n + j] = W::of_real(a[j * n + j].parts()[0]);
                for i in 0..j {
                    let mean = (a[j * n + i] + a[i * n + j].conjugate()).times(0.5);
                    (a[j * n + i], a[i * n + j]) = (mean, mean.conjugate());
                }
            }
        }
        if definite {
            self.factor.resize(n * n, W::default());
            let unit = T::DTYPE.unit_roundoff();
            if !cholesky::factor(a, n, unit, &mut self.factor) {
                made.fault = Some(Status::NotDefinite);
                to.fill(T::nan());
                return made;
            }
            made.shift = None;
            store(to, &self.factor);
            return made;
        }
        let bound = lower_bound(a, n, &mut self.radii);
        let shift = match bound < 0.0 {
            // And as much as the sums are rounded by.
            true => -bound + 2.0 * T::DTYPE.unit_roundoff() * (2.0 - bound),
            false => 0.0,
        };
        let diagonal = a.iter_mut().step_by(n + 1);
        diagonal.for_each(|x| *x += W::of_real(shift));
        made.shift = Some(shift);
        store(to, a);
        made
    }
}

fn store<T: Scalar>(to: &mut [T], from: &[T::Wide]) {
    for (to, &entry) in to.iter_mut().zip(from) {
        *to = T::of_wide(entry);
    }
}

/// Multiplies by two to a power, so that the largest part is about one, and says which.
fn scale<W: Scalar<Real = f64>>(a: &mut [W]) -> i32 {
    // In four parts, none of which waits for the others.
    let mut most = [0.0f64; 4];
    for some in a.chunks(4) {
        for (most, entry) in most.iter_mut().zip(some) {
            *most = most.max(entry.larger());
        }
    }
    let largest = most[0].max(most[1]).max(most[2].max(most[3]));
    if largest == 0.0 {
        return 0;
    }
    let power = -largest.exponent();
    match (-1022..=1023).contains(&power) {
        true => {
            let factor = f64::power_of_two(power);
            a.iter_mut().for_each(|x| *x = x.times(factor));
        }
        // Of the smallest and the largest numbers, for which that factor is not a normal number.
        false => a.iter_mut().for_each(|x| *x = x.scaled(power)),
    }
    power
}

/// Whether A = A' exactly.
fn is_hermitian<W: Scalar<Real = f64>>(a: &[W], n: usize) -> bool {
    (0..n).all(|j| {
        let column = &a[j * n..][..j + 1];
        let row = a[j..].iter().step_by(n);
        column.iter().zip(row).fold(true, |all, (&upper, lower)| {
            all & (upper == lower.conjugate())
        })
    })
}

/// A number that no eigenvalue of a symmetric matrix is below: the larger of two bounds, of Gershgorin, and of Wolkowicz
/// and Styan (1980), by the trace and the norm. Each is lowered by what its sums may be rounded by. `radii` is scratch.
fn lower_bound<W: Scalar<Real = f64>>(a: &[W], n: usize, radii: &mut Vec<f64>) -> f64 {
    let size = n as f64;
    let rounding = 2.0 * (size + 2.0) * f64::EPSILON;
    let diagonal = || a.iter().step_by(n + 1).map(|x| x.parts()[0]);
    // Of each row the sizes, and all squares, of what is not on the diagonal: above it, and as much below.
    let mut square = 0.0;
    radii.clear();
    for j in 0..n {
        let (mut sizes, mut squares) = (0.0, 0.0);
        for (radius, x) in radii.iter_mut().zip(&a[j * n..]) {
            let size = x.size();
            *radius += size;
            sizes += size;
            squares += x.square();
        }
        radii.push(sizes);
        square += 2.0 * squares;
    }
    let mean = diagonal().sum::<f64>() / size;
    let mut least = f64::INFINITY;
    for (own, radius) in diagonal().zip(&*radii) {
        least = least.min(own - radius - rounding * radius);
        // Without the mean from the start: the difference of two squares would lose all digits.
        square += (own - mean).powi(2);
    }
    let deviation = ((size - 1.0) * square / size).sqrt();
    // The mean is off by a few units of what was summed.
    let sizes = diagonal().map(f64::abs).sum::<f64>() / size;
    least.max(mean - deviation - rounding * (deviation + sizes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::scalar::Complex;

    #[test]
    fn one_entry_of_a_pair_makes_a_matrix_unsymmetric() {
        let entry = |i: usize, j: usize| Complex::new((i + j) as f64, i as f64 - j as f64);
        let a: Vec<Complex<f64>> = (0..9).map(|at| entry(at % 3, at / 3)).collect();
        assert!(is_hermitian(&a, 3) && is_hermitian(&a[..0], 0));
        for at in 0..9 {
            let mut changed = a.clone();
            changed[at].im += 1e-9;
            assert!(!is_hermitian(&changed, 3), "{at}");
        }
    }

    #[test]
    fn no_eigenvalue_is_below_the_bound() {
        // Eigenvalues -1 and 1; -2, -2 and -2; 1 and 3; nearly -1 twice.
        for (a, n, least) in [
            (vec![0.0, 1.0, 1.0, 0.0], 2, -1.0),
            (
                vec![-2.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, -2.0],
                3,
                -2.0,
            ),
            (vec![2.0, 1.0, 1.0, 2.0], 2, 1.0),
            (vec![-1.0, 1e-9, 1e-9, -1.0], 2, -1.0 - 1e-9),
        ] {
            let bound = lower_bound(&a, n, &mut Vec::new());
            assert!(bound <= least, "{bound} of {a:?}");
            assert!(bound >= least - 1e-14, "{bound} of {a:?} is far");
        }
    }

    #[test]
    fn the_bound_does_not_know_the_phases() {
        let a: [f64; 9] = [2.0, 1.0, -3.0, 1.0, 0.5, 4.0, -3.0, 4.0, 1.0];
        // i^(row - column) times each entry: a unitary similarity.
        let powers = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]];
        let turned: Vec<Complex<f64>> = (0..9)
            .map(|at| {
                let [re, im] = powers[(at % 3 + 3 * (at / 3)) % 4];
                Complex::new(a[at] * re, a[at] * im)
            })
            .collect();
        assert!(
            (lower_bound(&turned, 3, &mut Vec::new()) - lower_bound(&a, 3, &mut Vec::new())).abs()
                < 1e-15
        );
    }
}
