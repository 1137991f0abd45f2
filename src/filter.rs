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
}

impl Filter {
    /// The degree d in f(s x) = s^d f(x): a matrix scaled by 2^p has its result scaled by 2^(dp).
    pub fn degree(self) -> i32 {
        match self {
            Filter::Inverse => -1,
        }
    }

    /// The weights of singular values, a lane each, that count above a threshold of at least zero.
    #[inline(always)]
    pub fn weights_of<T: Real, L: Lanes<T>>(
        self,
        l: L,
        sigma: L::Vector,
        threshold: L::Vector,
    ) -> L::Vector {
        let counts = l.less(threshold, sigma);
        match self {
            Filter::Inverse => {
                let safe = l.select(counts, sigma, l.splat(T::ONE));
                l.select(counts, l.div(l.splat(T::ONE), safe), l.splat(T::ZERO))
            }
        }
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
