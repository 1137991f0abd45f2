//! Functions of the singular values: the f in `L diag(f(sigma)) R'`.
//!
//! Nearly everything anyone wants of an SVD has this form with L and R out of {U, V}: the
//! pseudoinverse (V, 1/sigma, U), damped and truncated ones, low rank, polar factor, projectors.
//! The weights of the CPU are computed here; the GPU has the same rules in `shaders/filter.wgsl`, where a
//! further filter needs its text too.

use crate::cpu::lanes::Lanes;
use crate::options::Cutoff;
use crate::planner::Problem;
use crate::scalar::Real;

/// A function of the singular values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// 1/sigma where sigma counts, else 0: the Moore-Penrose pseudoinverse.
    Inverse,
    /// sigma / (sigma^2 + lambda^2) where sigma counts, else 0 (Tikhonov; Golub and Van Loan, 6.1.4).
    Damped,
}

impl Filter {
    /// The degree d in f(s x) = s^d f(x): a matrix scaled by 2^p has its result scaled by 2^(dp).
    pub fn degree(self) -> i32 {
        match self {
            Filter::Inverse | Filter::Damped => -1,
        }
    }

    /// The weights of singular values, a lane each, that count above a threshold of at least zero;
    /// `lambda` is scaled as they are.
    #[inline(always)]
    pub fn weights_of<T: Real, L: Lanes<T>>(
        self,
        l: L,
        sigma: L::Vector,
        threshold: L::Vector,
        lambda: L::Vector,
    ) -> L::Vector {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        let counts = l.less(threshold, sigma);
        let sigma = l.select(counts, sigma, one);
        let weight = match self {
            Filter::Inverse => l.div(one, sigma),
            Filter::Damped => {
                // No square leaves the range: of the two numbers, only their ratio is squared.
                let small = l.less(sigma, lambda);
                let (large, least) = (
                    l.select(small, lambda, sigma),
                    l.select(small, sigma, lambda),
                );
                let ratio = l.div(least, large);
                let share = l.select(small, ratio, one);
                let sum = l.mul_add(ratio, ratio, one);
                l.div(l.div(share, sum), large)
            }
        };
        l.select(counts, weight, zero)
    }
}

/// The value above which a singular value of matrix `index`, scaled by 2^power, counts, given the
/// largest of them.
pub(crate) fn threshold(
    cutoff: &Cutoff,
    index: usize,
    problem: &Problem,
    power: i32,
    largest: f64,
) -> f64 {
    let (relative, absolute) = cutoff.of(index, problem.default_cutoff());
    use crate::scalar::sealed::Float;
    (relative * largest).max(absolute.ldexp(power))
}
