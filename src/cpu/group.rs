//! Matrices side by side, one a lane, from intake to delivery on one thread.
//!
//! A P = Q R with rows and columns sorted, then Jacobi on R': R' J = W, with J orthogonal and the
//! columns of W orthogonal. So W = V_ diag(sigma), A = (Q J) diag(sigma) (P V_)': U = Q J and
//! V = P V_. U is orthonormal whatever the rank; V is where a singular value is not zero, and
//! delivery completes it (Drmac and Veselic 2008; LAPACK xGEJSV).
//!
//! A lane's numbers never depend on its neighbours: what a neighbour needs and it does not is done
//! to it as a rotation by nothing.

use crate::call::Call;
use crate::cpu::delivery::{Raw, Rows, by_lane, deliver, restore, sort};
use crate::cpu::factor;
use crate::cpu::intake;
use crate::cpu::jacobi;
use crate::cpu::lanes::{Lanes, numbers, numbers_mut};
use crate::cpu::memory::Memory;
use crate::cpu::sums::dot;
use crate::error::{Error, product};
use crate::filter::threshold;
use crate::host::intake::Head;
use crate::host::outputs::Outputs;
use crate::planner::{Problem, Side};
use crate::scalar::Real;

/// The memory of one thread: a few groups of matrices.
pub(super) struct Group<T, L: Lanes<T>> {
    /// The packed matrices, then their QR.
    a: Memory<L::Vector>,
    /// Rows that came from elsewhere.
    order: Vec<u32>,
    from: Memory<L::Vector>,
    heads: Vec<Head>,
    tau: Memory<L::Vector>,
    pivots: Memory<L::Vector>,
    /// R', then V_ diag(sigma), and below it the rotations so far, if they are wanted.
    columns: Memory<L::Vector>,
    /// V_.
    v: Memory<L::Vector>,
    sigma: Memory<L::Vector>,
    thresholds: Vec<T>,
    u: Memory<L::Vector>,
    weights: Memory<L::Vector>,
    composed: Memory<L::Vector>,
    /// As long as a column of either kind.
    scratch: Memory<L::Vector>,
    /// The pivots, lane after lane.
    columns_of: Vec<u32>,
    raw: Vec<T>,
}

/// Whether the host can provide the memory of `threads` groups of `lanes`; cheap, nothing is
/// touched.
pub(super) fn check<T: Real>(problem: &Problem, lanes: usize, threads: usize) -> Result<(), Error> {
    let (m, n) = (problem.rows, problem.cols);
    let size = size_of::<T>();
    let parts = [
        product(&[m, n, lanes, threads], size)?,
        product(&[n, n, 3, lanes, threads], size)?,
        product(&[m, problem.formed_u_cols(), lanes, threads], size)?,
        product(&[problem.sizes().composed, lanes, threads], size)?,
    ];
    let total = parts.iter().fold(0usize, |sum, &p| sum.saturating_add(p));
    let mut probe: Vec<T> = Vec::new();
    probe.try_reserve_exact(total).map_err(|_| Error::Memory {
        bytes: total as u128 * size as u128,
    })
}

impl<T: Real, L: Lanes<T>> Group<T, L> {
    pub fn new(problem: &Problem) -> Self {
        let (m, n) = (problem.rows, problem.cols);
        let height = jacobi::height(n, problem.accumulates());
        let zeros = Memory::zeros;
        Group {
            a: zeros(m * n),
            order: vec![0; m * L::LANES],
            from: zeros(m),
            heads: Vec::with_capacity(L::LANES),
            tau: zeros(n),
            pivots: zeros(n),
            columns: zeros(n * jacobi::stride::<L::Vector>(height)),
            v: zeros(n * n),
            sigma: zeros(n),
            thresholds: vec![T::ZERO; L::LANES],
            u: zeros(m * problem.formed_u_cols()),
            weights: zeros(n),
            composed: zeros(problem.sizes().composed),
            scratch: zeros(m),
            columns_of: vec![0; n * L::LANES],
            raw: Vec::new(),
        }
    }

    /// Solves as many matrices of the call as `out` has places for, from `first` on: at most a
    /// lane each.
    #[inline(always)]
    pub fn solve(&mut self, l: L, call: &Call<'_, T>, first: usize, out: Outputs<'_, T>) {
        let problem = &call.problem;
        let (m, n) = (problem.rows, problem.cols);
        let count = out.outcomes.len();
        let head = Head {
            power: 0,
            finite: true,
        };
        self.heads.clear();
        self.heads.resize(count, head);
        let to = intake::To {
            a: &mut self.a,
            order: &mut self.order,
            from: &mut self.from,
            heads: &mut self.heads,
            rows: &mut self.scratch,
            raw: &mut self.raw,
        };
        intake::take(l, call, first, to);
        factor::factor(l, &mut self.a, m, n, &mut self.tau, &mut self.pivots);
        let height = jacobi::height(n, problem.accumulates());
        self.transpose_r(l, m, n, height);
        let (columns, norms) = (&mut self.columns, &mut self.scratch[..n]);
        let done = jacobi::sweeps(l, columns, n, height, norms, &call.convergence);
        self.normalise(l, n, height);
        self.form_u(l, m, n, height);
        self.find_thresholds(l, call, first);
        sort(l, &mut self.sigma, &mut self.u, m, &mut self.v);
        let u_restored = restore(l, &mut self.u, m, &self.from);
        let v_restored = restore(l, &mut self.v, n, &self.pivots);
        if let Some(sides) = problem.composed {
            self.weigh(l, call);
            self.compose(l, problem, sides);
        }
        if !v_restored {
            by_lane::<T, L>(&self.pivots, &mut self.columns_of);
        }
        let rows = |restored, by_lane, vectors| match restored {
            true => Rows::InPlace,
            false => Rows::Elsewhere { by_lane, vectors },
        };
        let raw = Raw {
            heads: &self.heads,
            done,
            u_rows: rows(u_restored, &self.order, &self.from),
            v_rows: rows(v_restored, &self.columns_of, &self.pivots),
            sigma: &mut self.sigma,
            thresholds: &self.thresholds,
            u: &mut self.u,
            v: &mut self.v,
            composed: &self.composed,
        };
        deliver(l, call, raw, out);
    }

    /// R' above, I below.
    #[inline(always)]
    fn transpose_r(&mut self, l: L, m: usize, n: usize, height: usize) {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        let columns = self
            .columns
            .chunks_exact_mut(jacobi::stride::<L::Vector>(height));
        for (p, column) in columns.enumerate() {
            column.fill(zero);
            for (r, entry) in column[..n].iter_mut().enumerate().skip(p) {
                *entry = self.a[r * m + p];
            }
            if height > n {
                column[n + p] = one;
            }
        }
    }

    /// V_ diag(sigma) becomes V_ and sigma.
    #[inline(always)]
    fn normalise(&mut self, l: L, n: usize, height: usize) {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        let columns = self
            .columns
            .chunks_exact(jacobi::stride::<L::Vector>(height));
        let places = self.sigma.iter_mut().zip(self.v.chunks_exact_mut(n));
        for (column, (sigma, v)) in columns.zip(places) {
            let column = &column[..n];
            let norm = l.sqrt(dot(l, column, column));
            let known = l.less(l.splat(T::NEGLIGIBLE), norm);
            *sigma = l.select(known, norm, zero);
            let scale = l.div(one, l.select(known, norm, one));
            for (v, &entry) in v.iter_mut().zip(column) {
                *v = l.mul(entry, scale);
            }
        }
    }

    /// u = Q J, and beyond n the further columns of Q.
    #[inline(always)]
    fn form_u(&mut self, l: L, m: usize, n: usize, height: usize) {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        for (c, column) in self.u.chunks_exact_mut(m).enumerate() {
            column.fill(zero);
            if c < n {
                let rotations = &self.columns[c * jacobi::stride::<L::Vector>(height) + n..][..n];
                column[..n].copy_from_slice(rotations);
            } else {
                column[c] = one;
            }
        }
        factor::apply(l, &self.a, m, &self.tau, &mut self.u);
    }

    #[inline(always)]
    fn find_thresholds(&mut self, l: L, call: &Call<'_, T>, first: usize) {
        let mut largest = l.splat(T::ZERO);
        for &sigma in self.sigma.iter() {
            largest = l.select(l.less(largest, sigma), sigma, largest);
        }
        let largest = numbers::<T, _>(&largest);
        self.thresholds.fill(T::ZERO);
        for (lane, (to, head)) in self.thresholds.iter_mut().zip(&self.heads).enumerate() {
            let (power, largest) = (head.power, largest[lane].f64());
            let cutoff = &call.options.cutoff;
            let threshold = threshold(cutoff, first + lane, &call.problem, power, largest);
            *to = T::not_above(threshold);
        }
    }

    #[inline(always)]
    fn weigh(&mut self, l: L, call: &Call<'_, T>) {
        let mut threshold = l.splat(T::ZERO);
        numbers_mut(&mut threshold).copy_from_slice(&self.thresholds);
        for (weight, &sigma) in self.weights.iter_mut().zip(self.sigma.iter()) {
            *weight = call.filter.weights_of(l, sigma, threshold);
        }
    }

    /// composed = left diag(weights) right'.
    #[inline(always)]
    fn compose(&mut self, l: L, problem: &Problem, (left, right): (Side, Side)) {
        let side = |side| match side {
            Side::U => (&self.u, problem.rows),
            Side::V => (&self.v, problem.cols),
        };
        let ((left, rows), (right, cols)) = (side(left), side(right));
        let zero = l.splat(T::ZERO);
        // Sums over at most n terms, in blocks that keep the order of magnitude of their errors
        // at that of their length's root.
        let n = problem.cols;
        let block = (n as f64).sqrt().ceil() as usize;
        for (k, to) in self.composed.chunks_exact_mut(rows).enumerate() {
            for first in (0..n).step_by(block.max(1)) {
                let partial = &mut self.scratch[..rows];
                partial.fill(zero);
                for c in first..(first + block).min(n) {
                    let weight = l.mul(self.weights[c], right[c * cols + k]);
                    for (sum, &entry) in partial.iter_mut().zip(&left[c * rows..]) {
                        *sum = l.mul_add(weight, entry, *sum);
                    }
                }
                if first == 0 {
                    to.copy_from_slice(partial);
                    continue;
                }
                for (to, &sum) in to.iter_mut().zip(partial.iter()) {
                    *to = l.add(*to, sum);
                }
            }
        }
    }
}
