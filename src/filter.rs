//! Functions of the singular values: the f in `L diag(f(sigma)) R'`, and which of them count.
//!
//! Nearly everything anyone wants of an SVD has this form with L and R out of {U, V}: the
//! pseudoinverse (V, 1/sigma, U), damped and truncated ones, low rank (U, sigma, V), projectors (U, 1, U).
//! Their names and degrees are the planner's ([`Filter`]); the CPU's arithmetic is here, and the GPU has the same
//! rules in `shaders/filter.wgsl` and `cutoff.wgsl`, where a further filter needs its text too.

use crate::data::options::{Cutoff, NamedCutoffs};
use crate::data::scalar::Real;
use crate::lanes::Lanes;
use crate::planner::Filter;

/// What decides which singular values count, a matrix a lane.
#[derive(Clone, Copy)]
pub(crate) struct Limits<V> {
    /// Those above it.
    pub threshold: V,
    /// At most so many.
    pub most: V,
    /// Of the smallest as many do not as have this share of the sum of squares; none where it is negative.
    pub share: V,
}

impl<V: Copy> Limits<V> {
    /// The number of singular values, in order, that count.
    #[inline(always)]
    pub fn rank<T: Real, L: Lanes<T, Vector = V>>(&self, l: L, sigma: &[V]) -> V {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        let mut rank = zero;
        for &sigma in sigma {
            let counts = l.and(l.less(zero, sigma), l.less(self.threshold, sigma));
            rank = l.add(rank, l.select(counts, one, zero));
        }
        rank = l.select(l.less(self.most, rank), self.most, rank);
        if !l.any(l.less(l.splat(T::of(-0.5)), self.share)) {
            return rank;
        }
        // The smallest first: such sums of falling numbers hardly round.
        let mut squares = zero;
        for &sigma in sigma.iter().rev() {
            squares = l.mul_add(sigma, sigma, squares);
        }
        let limit = l.mul(self.share, squares);
        let mut tail = zero;
        for (c, &sigma) in sigma.iter().enumerate().rev() {
            tail = l.mul_add(sigma, sigma, tail);
            let before = l.splat(T::of(c as f64));
            let keeps = l.or(l.less(limit, tail), l.less(rank, before));
            rank = l.select(keeps, rank, before);
        }
        rank
    }
}

impl Filter {
    /// The weights of singular values, a lane each, of which some count; with lambda, [`scaled`] to
    /// lambda 2^-e, and 2^-e the damped ones come out times 2^2e.
    #[inline(always)]
    pub fn weights_of<T: Real, L: Lanes<T>>(
        self,
        l: L,
        sigma: L::Vector,
        counts: L::Mask,
        [lambda, shrink]: [L::Vector; 2],
    ) -> L::Vector {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        let sigma = l.select(counts, sigma, one);
        let weight = match self {
            Filter::Keep => one,
            Filter::Value => sigma,
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
    use crate::data::scalar::sealed::Float;
    if lambda == 0.0 {
        return (0.0, 0);
    }
    let beyond = (lambda.exponent() + power).max(0);
    (lambda.ldexp(power - beyond), beyond)
}

/// The value above which a singular value of matrix `index`, scaled by 2^power, counts, given the
/// largest of them and the relative cutoffs that have a name.
pub(crate) fn threshold(
    cutoff: &Cutoff,
    index: usize,
    named: NamedCutoffs,
    power: i32,
    largest: f64,
) -> f64 {
    let (relative, absolute) = cutoff.of(index, named);
    use crate::data::scalar::sealed::Float;
    (relative * largest).max(absolute.ldexp(power))
}
