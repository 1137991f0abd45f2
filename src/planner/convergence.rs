//! When sweeps end.

use crate::data::options::Options;
use crate::data::scalar::Precision;
use crate::planner::problem::Problem;

/// When a pair of columns is orthogonal and when to give up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Convergence {
    pub tolerance: f64,
    pub max_sweeps: u32,
}

impl Convergence {
    /// The tolerance as shaders take it: not zero unless it is zero.
    #[cfg(feature = "gpu")]
    pub fn tolerance_f32(&self) -> f32 {
        match self.tolerance {
            0.0 => 0.0,
            tolerance => (tolerance as f32).max(f32::MIN_POSITIVE),
        }
    }

    pub fn new(problem: &Problem, options: &Options) -> Self {
        let u = problem.dtype.unit_roundoff();
        let k = problem.cols.max(1) as f64;
        // sqrt(k) u, LAPACK's, never goes quiet on some 3x3; a flat 4u stalls at 33x31; a flat 8u
        // costs accuracy in least squares.
        let tolerance = (1.2 * k.sqrt()).clamp(4.0, 8.0) * u;
        // Seen on random and hard matrices after a pivoted QR: 4 to 14 sweeps. The cap is a net.
        let sweeps = 30.0 + 2.0 * k.log2().ceil();
        let max_sweeps = match problem.dtype.precision() {
            Precision::Single => sweeps,
            Precision::Double => 1.5 * sweeps,
        };
        Convergence {
            tolerance: options.tolerance.unwrap_or(tolerance),
            max_sweeps: options.max_sweeps.unwrap_or(max_sweeps as u32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::scalar::Dtype;
    use crate::planner::Vectors;
    use crate::planner::problem::Job;

    #[test]
    fn tolerance_and_sweeps_derive_from_type_and_shape() {
        let job = Job::svd(Vectors::Thin);
        let of = |n, dtype| Convergence::new(&Problem::new(n, n, dtype, job), &Options::default());
        let u = Dtype::F32.unit_roundoff();
        assert_eq!(of(3, Dtype::F32).tolerance, 4.0 * u);
        assert_eq!(of(25, Dtype::F32).tolerance, 6.0 * u);
        assert_eq!(of(512, Dtype::F32).tolerance, 8.0 * u);
        assert!(of(512, Dtype::F32).max_sweeps > of(3, Dtype::F32).max_sweeps);
        assert!(of(3, Dtype::F64).max_sweeps > of(3, Dtype::F32).max_sweeps);
        assert_eq!(of(0, Dtype::F32).max_sweeps, 30);
    }
}
