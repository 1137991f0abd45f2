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
use crate::cpu::delivery::{Raw, Rows, SHORT, by_lane, deliver, restore, sort};
use crate::cpu::factor;
use crate::cpu::head::Head;
use crate::cpu::intake;
use crate::cpu::jacobi;
use crate::cpu::lanes::{Lanes, numbers, numbers_mut};
use crate::cpu::memory::Memory;
use crate::cpu::sums::dot;
use crate::error::{Error, product};
use crate::filter::threshold;
use crate::host::outputs::Outputs;
use crate::planner::{Problem, Side};
use crate::scalar::Real;

/// The memory of one thread: a few groups of matrices.
pub(super) struct Group<T, L: Lanes<T>> {
    vectors: Memory<L::Vector>,
    heads: Vec<Head>,
    /// Rows that came from elsewhere, and the pivots, lane after lane: of long columns only.
    order: Vec<u32>,
    columns_of: Vec<u32>,
    raw: Vec<T>,
}

/// What the memory's vectors hold.
struct Parts<'m, V> {
    /// The packed matrices, then their QR.
    a: &'m mut [V],
    /// Rows that came from elsewhere.
    from: &'m mut [V],
    tau: &'m mut [V],
    pivots: &'m mut [V],
    /// R', then V_ diag(sigma), and below it the rotations so far, if they are wanted.
    columns: &'m mut [V],
    /// V_.
    v: &'m mut [V],
    sigma: &'m mut [V],
    u: &'m mut [V],
    weights: &'m mut [V],
    composed: &'m mut [V],
    /// As long as a column of either kind.
    scratch: &'m mut [V],
}

/// The lengths of the parts, in their order.
fn lens<V>(problem: &Problem) -> [usize; 11] {
    let (m, n) = (problem.rows, problem.cols);
    let columns = n * jacobi::stride::<V>(jacobi::height(n, problem.accumulates()));
    let (u, composed) = (m * problem.formed_u_cols(), problem.sizes().composed);
    let weights = if composed > 0 { n } else { 0 };
    [m * n, m, n, n, columns, n * n, n, u, weights, composed, m]
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
        let list = |len: usize| vec![0; if len > SHORT { len * L::LANES } else { 0 }];
        Group {
            vectors: Memory::zeros(&lens::<L::Vector>(problem)),
            heads: Vec::with_capacity(L::LANES),
            order: list(problem.rows),
            columns_of: list(problem.cols),
            raw: Vec::new(),
        }
    }

    /// Solves as many matrices of the call as `out` has places for, from `first` on: at most a
    /// lane each.
    #[inline(always)]
    pub fn solve(&mut self, l: L, call: &Call<'_, T>, first: usize, out: Outputs<'_, T>) {
        let problem = &call.task.problem;
        let (m, n) = (problem.rows, problem.cols);
        let count = out.outcomes.len();
        let head = Head {
            power: 0,
            finite: true,
        };
        self.heads.clear();
        self.heads.resize(count, head);
        let mut parts = Parts::of(problem, &mut self.vectors);
        let to = intake::To {
            a: parts.a,
            order: &mut self.order,
            from: parts.from,
            heads: &mut self.heads,
            rows: parts.scratch,
            raw: &mut self.raw,
        };
        intake::take(l, call, first, to);
        factor::factor(l, parts.a, m, n, parts.tau, parts.pivots);
        let height = jacobi::height(n, problem.accumulates());
        parts.transpose_r(l, m, n, height);
        let (columns, norms) = (&mut *parts.columns, &mut parts.scratch[..n]);
        let done = jacobi::sweeps(l, columns, n, height, norms, &call.task.convergence);
        parts.normalise(l, n, height);
        parts.form_u(l, m, n, height);
        let threshold = parts.threshold(l, call, first, &self.heads);
        sort(l, parts.sigma, parts.u, m, parts.v);
        let u_restored = restore(l, parts.u, m, parts.from);
        let v_restored = restore(l, parts.v, n, parts.pivots);
        if let Some(sides) = problem.composed {
            for (weight, &sigma) in parts.weights.iter_mut().zip(parts.sigma.iter()) {
                *weight = call.task.filter.weights_of(l, sigma, threshold);
            }
            parts.compose(l, problem, sides);
        }
        if !v_restored {
            by_lane::<T, L>(parts.pivots, &mut self.columns_of);
        }
        let rows = |restored, by_lane, vectors| match restored {
            true => Rows::InPlace,
            false => Rows::Elsewhere { by_lane, vectors },
        };
        let raw = Raw {
            heads: &self.heads,
            done,
            u_rows: rows(u_restored, &self.order, parts.from),
            v_rows: rows(v_restored, &self.columns_of, parts.pivots),
            sigma: parts.sigma,
            threshold,
            u: parts.u,
            v: parts.v,
            composed: parts.composed,
        };
        deliver(l, call, raw, out);
    }
}

impl<'m, V: bytemuck::Pod> Parts<'m, V> {
    #[inline(always)]
    fn of(problem: &Problem, memory: &'m mut Memory<V>) -> Self {
        // In the order of `lens`.
        let mut parts = memory.parts(lens::<V>(problem)).into_iter();
        let mut next = || parts.next().unwrap_or_default();
        Parts {
            a: next(),
            from: next(),
            tau: next(),
            pivots: next(),
            columns: next(),
            v: next(),
            sigma: next(),
            u: next(),
            weights: next(),
            composed: next(),
            scratch: next(),
        }
    }

    /// R' above, I below.
    #[inline(always)]
    fn transpose_r<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        m: usize,
        n: usize,
        height: usize,
    ) {
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
    fn normalise<T: Real, L: Lanes<T, Vector = V>>(&mut self, l: L, n: usize, height: usize) {
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
    fn form_u<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        m: usize,
        n: usize,
        height: usize,
    ) {
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
        factor::apply(l, self.a, m, self.tau, self.u);
    }

    /// The values above which singular values count.
    #[inline(always)]
    fn threshold<T: Real, L: Lanes<T, Vector = V>>(
        &self,
        l: L,
        call: &Call<'_, T>,
        first: usize,
        heads: &[Head],
    ) -> V {
        let (mut largest, mut thresholds) = (l.splat(T::ZERO), l.splat(T::ZERO));
        for &sigma in self.sigma.iter() {
            largest = l.select(l.less(largest, sigma), sigma, largest);
        }
        for (lane, head) in heads.iter().enumerate() {
            let (power, largest) = (head.power, numbers::<T, _>(&largest)[lane].f64());
            let cutoff = &call.task.options.cutoff;
            let threshold = threshold(cutoff, first + lane, &call.task.problem, power, largest);
            numbers_mut(&mut thresholds)[lane] = T::not_above(threshold);
        }
        thresholds
    }

    /// composed = left diag(weights) right'.
    #[inline(always)]
    fn compose<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        problem: &Problem,
        (left, right): (Side, Side),
    ) {
        let side = |side| match side {
            Side::U => (&*self.u, problem.rows),
            Side::V => (&*self.v, problem.cols),
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
