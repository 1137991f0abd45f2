//! Which singular values, or eigenvalues, of existing results count under a cutoff.

use crate::data::options::Cutoff;
use crate::data::scalar::Real;
use crate::data::scalar::sealed::Float;
use crate::filter::{Limits, threshold};
use crate::lanes::{Kernel, Lanes, numbers};
use crate::planner::{Filter, Job, Problem, Vectors};

/// The power of two by which singular values of a matrix are multiplied, and what then decides which of them count.
pub(super) fn limits<T: Real>(
    cutoff: &Cutoff,
    index: usize,
    problem: &Problem,
    sigma: &[T],
) -> (i32, Limits<T>) {
    // Where the engines have them: no square of what matters leaves the range.
    let largest = sigma.first().map_or(0.0, |sigma| sigma.f64());
    let power = if largest > 0.0 && largest.is_finite() {
        T::TARGET - largest.exponent()
    } else {
        0
    };
    let (named, error) = (problem.named_cutoffs(), problem.sigma_error());
    let largest = largest.ldexp(power);
    let limits = Limits {
        threshold: T::not_above(threshold(cutoff, index, named, power, largest)),
        most: T::of(cutoff.most(sigma.len()) as f64),
        share: T::not_above(cutoff.share(index, error)),
    };
    (power, limits)
}

/// Counts the eigenvalues of n x n matrices that count under a cutoff.
pub(super) struct Counter<'c> {
    cutoff: &'c Cutoff,
    problem: Problem,
}

impl<'c> Counter<'c> {
    pub fn new<T: Real>(n: usize, cutoff: &'c Cutoff) -> Self {
        Counter {
            cutoff,
            problem: Problem::new(n, n, T::DTYPE, Job::svd(Vectors::Thin)),
        }
    }

    /// The number of descending sizes of eigenvalues that count: by default those above the bound on their errors. They
    /// are scaled.
    pub fn counted<T: Real>(&self, index: usize, error: f64, sizes: &mut [T]) -> u32 {
        let (power, mut limits) = limits(self.cutoff, index, &self.problem, sizes);
        if self.cutoff.has_no_size() && error.is_finite() {
            limits.threshold = T::not_above(error.ldexp(power));
        }
        sizes.iter_mut().for_each(|size| *size = size.ldexp(power));
        if limits.share < T::ZERO {
            // Without vectors, which small matrices would wait for.
            let above = |size: &&T| **size > T::ZERO && **size > limits.threshold;
            let above = sizes.iter().take_while(above).count();
            return above.min(self.cutoff.most(sizes.len())) as u32;
        }
        let weigh = Weigh {
            limits,
            filter: Filter::Keep,
            damping: [T::ZERO, T::ONE],
            sigma: sizes,
        };
        T::dispatch(false, weigh) as u32
    }
}

/// Singular values on their way to weights, one matrix.
pub(super) struct Weigh<'w, T> {
    pub limits: Limits<T>,
    pub filter: Filter,
    /// As [`Filter::weights_of`] takes it.
    pub damping: [T; 2],
    pub sigma: &'w mut [T],
}

impl<T: Real> Kernel<T> for Weigh<'_, T> {
    type Output = usize;

    fn run<L: Lanes<T>>(self, l: L) -> usize {
        let limits = Limits {
            threshold: l.splat(self.limits.threshold),
            most: l.splat(self.limits.most),
            share: l.splat(self.limits.share),
        };
        let sigma: Vec<L::Vector> = self.sigma.iter().map(|&sigma| l.splat(sigma)).collect();
        let rank = limits.rank(l, &sigma);
        let damping = self.damping.map(|number| l.splat(number));
        for (c, (to, &sigma)) in self.sigma.iter_mut().zip(&sigma).enumerate() {
            let counts = l.less(l.splat(T::of(c as f64)), rank);
            *to = numbers(&self.filter.weights_of(l, sigma, counts, damping))[0];
        }
        numbers::<T, _>(&rank)[0].index() as usize
    }
}
