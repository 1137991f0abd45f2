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

    /// The weights of singular values, a lane each, that count above a threshold of at least zero; with
    /// lambda, [`scaled`] to lambda 2^-e, and 2^-e the damped ones come out times 2^2e.
    #[inline(always)]
    pub fn weights_of<T: Real, L: Lanes<T>>(
        self,
        l: L,
        sigma: L::Vector,
        threshold: L::Vector,
        [lambda, shrink]: [L::Vector; 2],
    ) -> L::Vector {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        let counts = l.less(threshold, sigma);
        let sigma = l.select(counts, sigma, one);
        let weight = match self {
            Filter::Inverse => l.div(one, sigma),
            Filter::Damped => {
                // No square leaves the range: of the two numbers, only their ratio is squared.
                let shrunk = l.mul(sigma, shrink);
                let small = l.less(shrunk, lambda);
                let large = l.select(small, lambda, shrunk);
                let ratio = l.div(l.select(small, shrunk, lambda), large);
                let sum = l.mul_add(ratio, ratio, one);
                l.div(l.div(l.div(sigma, large), sum), large)
            }
        };
        l.select(counts, weight, zero)
    }
}

/// lambda 2^(power - e) and e, for a matrix that was scaled by 2^power: e is such that weights with a lambda
/// of any size neither overflow nor vanish, and zero up to 2.
pub(crate) fn scaled(lambda: f64, power: i32) -> (f64, i32) {
    use crate::scalar::sealed::Float;
    if lambda == 0.0 {
        return (0.0, 0);
    }
    let beyond = (lambda.exponent() + power).max(0);
    (lambda.ldexp(power - beyond), beyond)
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
