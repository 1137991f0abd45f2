//! Norms and condition numbers, from singular values.

use crate::data::batch::Batch;
use crate::data::outcome::Status;
use crate::data::report::Report;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::ops::{SingularValues, Svd};

macro_rules! measures {
    ($($result:ident)+) => {$(
/// Norms and condition numbers, one for each matrix. They need only the singular values. The ranks are in the
/// [report](crate::Outcome::rank).
///
/// The numbers are f64 for both types, from singular values that are accurate to tol sigma_max (see
/// [`Engine::svd`](crate::Engine::svd)). They are NaN if the matrix is not finite.
///
/// ```
/// use batched_svd::{Batch, Engine};
///
/// let a = Batch::from_row_major(1, 2, 2, &[3.0f64, 0.0, 0.0, -4.0])?;
/// let found = Engine::cpu().singular_values(&a).run()?;
/// assert_eq!(found.spectral_norms(), [4.0]);
/// assert_eq!(found.nuclear_norms(), [7.0]);
/// assert!((found.frobenius_norms()[0] - 5.0).abs() < 1e-14);
/// assert!((found.conditions()[0] - 4.0 / 3.0).abs() < 1e-14);
/// # Ok::<(), batched_svd::Error>(())
/// ```
impl<T: Scalar> $result<T> {
    /// Returns the largest singular value: |A|_2. It is zero if there is none.
    pub fn spectral_norms(&self) -> Vec<f64> {
        each(&self.sigma, &self.report, |sigma, _| sigma.first().copied().unwrap_or(0.0))
    }

    /// Returns the sum of the singular values: |A|_*, also called the trace norm.
    pub fn nuclear_norms(&self) -> Vec<f64> {
        each(&self.sigma, &self.report, |sigma, _| sigma.iter().sum())
    }

    /// Returns the root of the sum of the squares of the singular values: |A|_F.
    pub fn frobenius_norms(&self) -> Vec<f64> {
        each(&self.sigma, &self.report, |sigma, _| {
            let largest = sigma.first().copied().unwrap_or(0.0);
            if largest == 0.0 {
                return 0.0;
            }
            // A power of two: squares of what matters stay in range, and nothing is rounded.
            let power = largest.exponent();
            let squares = sigma.iter().map(|s| s.ldexp(-power).powi(2));
            squares.sum::<f64>().sqrt().ldexp(power)
        })
    }

    /// Returns the condition numbers, the largest singular value over the smallest (Golub and Van Loan, 2.6.2). A
    /// condition number is infinite if the smallest singular value is zero, and zero if there is none.
    pub fn conditions(&self) -> Vec<f64> {
        each(&self.sigma, &self.report, |sigma, _| condition(sigma))
    }

    /// Returns the condition numbers of the part that counts under the [cutoff](crate::Call::cutoff): the largest
    /// singular value over the smallest that counts. A number is zero if no singular value counts. These numbers bound
    /// the loss of accuracy of a pseudoinverse or a least-squares solution.
    pub fn kept_conditions(&self) -> Vec<f64> {
        each(&self.sigma, &self.report, |sigma, rank| condition(&sigma[..rank]))
    }
}
    )+};
}

measures! { Svd SingularValues }

/// `f` of the singular values and the rank of every matrix.
fn each<T: Real>(sigma: &Batch<T>, report: &Report, f: impl Fn(&[f64], usize) -> f64) -> Vec<f64> {
    let mut own = Vec::new();
    let outcomes = report.outcomes.iter().enumerate();
    outcomes
        .map(|(index, outcome)| {
            if outcome.status == Status::NonFinite {
                return f64::NAN;
            }
            own.clear();
            own.extend(sigma.matrix(index).iter().map(|s| s.f64()));
            f(&own, outcome.rank as usize)
        })
        .collect()
}

fn condition(sigma: &[f64]) -> f64 {
    match (sigma.first(), sigma.last()) {
        (Some(largest), Some(smallest)) if *smallest > 0.0 => largest / smallest,
        (Some(_), _) => f64::INFINITY,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Batch, Cutoff, Engine};

    fn diagonal(entries: [f64; 3]) -> Batch<f64> {
        Batch::from_fn(1, 3, 4, |_, i, j| if i == j { entries[i] } else { 0.0 }).unwrap()
    }

    #[test]
    fn special_matrices_have_the_norms_that_others_give_them() {
        let engine = Engine::cpu();
        let cutoff = Cutoff::relative(0.1);
        let svd = |a: &Batch<f64>| {
            let call = engine.singular_values(a).cutoff(cutoff.clone());
            call.run().unwrap()
        };
        let singular = svd(&diagonal([2.0, 0.0, 8.0]));
        assert_eq!(singular.conditions(), [f64::INFINITY]);
        assert_eq!(singular.kept_conditions(), [4.0]);
        let cut = svd(&diagonal([1.0, 100.0, 20.0]));
        assert_eq!(
            (cut.conditions()[0], cut.kept_conditions()[0]),
            (100.0, 5.0)
        );
        let zero = svd(&diagonal([0.0; 3]));
        assert_eq!(zero.conditions(), [f64::INFINITY]);
        assert_eq!(zero.kept_conditions(), [0.0]);
        assert_eq!(zero.frobenius_norms(), [0.0]);
        let far = svd(&diagonal([3e-300, 4e-300, 0.0]));
        assert!((far.frobenius_norms()[0] / 5e-300 - 1.0).abs() < 1e-14);
        let bad = svd(&diagonal([1.0, f64::NAN, 1.0]));
        assert!(bad.spectral_norms()[0].is_nan() && bad.conditions()[0].is_nan());
        let empty = svd(&Batch::zeros(2, 0, 3).unwrap());
        assert_eq!(empty.spectral_norms(), [0.0, 0.0]);
        assert_eq!(empty.conditions(), [0.0, 0.0]);
    }

    #[test]
    fn single_precision_overflows_nowhere() {
        let a = Batch::from_fn(1, 3, 3, |_, i, j| if i == j { f32::MAX } else { 0.0 }).unwrap();
        let svd = Engine::cpu().singular_values(&a).run().unwrap();
        let largest = f64::from(f32::MAX);
        assert!((svd.nuclear_norms()[0] / (3.0 * largest) - 1.0).abs() < 1e-5);
        assert!((svd.frobenius_norms()[0] / (3f64.sqrt() * largest) - 1.0).abs() < 1e-5);
    }
}
