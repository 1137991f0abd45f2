//! Matrices side by side, one a lane, from intake to delivery on one thread.
//!
//! A P = Q R with rows and columns sorted, then Jacobi on R': R' J = W, with J orthogonal and the
//! columns of W orthogonal. So W = V_ diag(sigma), A = (Q J) diag(sigma) (P V_)': U = Q J and
//! V = P V_. U is orthonormal whatever the rank; V is where a singular value is not zero, and
//! delivery completes it (Drmac and Veselic 2008; LAPACK xGEJSV).
//!
//! Compositions are applied to right-hand sides B without being formed: with B' Q below R' in place of I,
//! the sweeps leave B' U there (LAPACK xGELSS does likewise), and U is not formed at all.
//!
//! A lane's numbers never depend on its neighbours: what a neighbour needs and it does not is done
//! to it as a rotation by nothing.

use crate::cpu::delivery::{Raw, Rows, SHORT, by_lane, deliver, restore, sort};
use crate::cpu::factor;
use crate::cpu::field::{Columns, Field};
use crate::cpu::head::Head;
use crate::cpu::intake::{self, MOST_LANES};
use crate::cpu::jacobi::{self, Sweeps};
use crate::cpu::recover;
use crate::cpu::rhs;
use crate::cpu::sums::dot;
use crate::data::error::{Error, product};
use crate::data::factor::Factor;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::View;
use crate::filter::{Limits, scaled, threshold};
use crate::host::call::{Call, Task};
use crate::host::outputs::Outputs;
use crate::lanes::memory::{Memory, Rest};
use crate::lanes::{Lanes, numbers, numbers_mut};
use crate::planner::{Carried, Convergence, Problem};

/// The memory of one thread: a few groups of matrices.
pub(super) struct Group<T: Scalar, F, L: Lanes<T::Real>> {
    vectors: Memory<L::Vector>,
    field: F,
    /// Of right-hand sides, those of one matrix after those of another.
    rhs_heads: Vec<Head>,
    /// Rows that came from elsewhere, and the pivots, lane after lane: of long columns only.
    order: Vec<u32>,
    columns_of: Vec<u32>,
    sizes: Vec<T::Real>,
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
    /// R', then V_ diag(sigma), and below it what is carried along.
    columns: &'m mut [V],
    /// V_.
    v: &'m mut [V],
    sigma: &'m mut [V],
    /// U; or, where there are right-hand sides, J if U is on the left, and below it B' U or B' V.
    u: &'m mut [V],
    /// Right-hand sides B, then Q' B if that is needed.
    rhs: &'m mut [V],
    weights: &'m mut [V],
    composed: &'m mut [V],
    /// As long as a column of A, and as two of V.
    scratch: &'m mut [V],
}

/// The lengths of the parts, in their order.
#[inline(always)]
fn lens<V>(f: impl Field, problem: &Problem) -> [usize; 12] {
    let (m, n) = (problem.rows, problem.cols);
    let columns = n * stride::<V>(f, n, problem.carried());
    let composed = problem.sizes().composed;
    let weights = if composed > 0 { n } else { 0 };
    let [length, rhs] = problem.rhs_size().unwrap_or_default();
    let (rhs, u) = (length * rhs, u_len(problem) * u_cols(problem));
    [
        f.vectors(m * n),
        m,
        n,
        n,
        columns,
        f.vectors(n * n),
        n,
        f.vectors(u),
        f.vectors(rhs),
        weights,
        f.vectors(composed),
        f.vectors(m.max(2 * n)),
    ]
}

/// The distance of the n columns that are swept, with what they carry.
#[inline(always)]
fn stride<V>(f: impl Field, n: usize, carried: Carried) -> usize {
    jacobi::stride::<V>(f.vectors(n + carried.rows(n)))
}

/// The rows of `Parts::u`: where there are right-hand sides, those of J and below it, with planes of their own, those of
/// B'.
#[inline(always)]
fn u_len(problem: &Problem) -> usize {
    match problem.rhs {
        None => problem.rows,
        Some(rhs) => j_len(problem) + rhs,
    }
}

/// And their number.
#[inline(always)]
fn u_cols(problem: &Problem) -> usize {
    match problem.rhs {
        None => problem.formed_u_cols(),
        Some(_) => problem.cols,
    }
}

/// The rows of J among them, where there are right-hand sides.
#[inline(always)]
fn j_len(problem: &Problem) -> usize {
    match problem.composed {
        Some((Factor::U, _)) => problem.cols,
        _ => 0,
    }
}

/// Whether the host can provide the memory of `threads` groups of `lanes`; cheap, nothing is
/// touched.
pub(super) fn check<T: Scalar>(
    problem: &Problem,
    lanes: usize,
    threads: usize,
) -> Result<(), Error> {
    let (m, n) = (problem.rows, problem.cols);
    let size = size_of::<T>();
    let [length, rhs] = problem.rhs_size().unwrap_or_default();
    let parts = [
        product(&[m, n, lanes, threads], size)?,
        product(&[n, n, 3, lanes, threads], size)?,
        product(&[u_len(problem), u_cols(problem), lanes, threads], size)?,
        product(&[length, rhs, lanes, threads], size)?,
        product(&[problem.sizes().composed, lanes, threads], size)?,
    ];
    let total = parts.iter().fold(0usize, |sum, &p| sum.saturating_add(p));
    let mut probe: Vec<T> = Vec::new();
    probe.try_reserve_exact(total).map_err(|_| Error::Memory {
        bytes: total as u128 * size as u128,
    })
}

impl<T: Scalar, F: Field, L: Lanes<T::Real>> Group<T, F, L> {
    pub fn new(f: F, problem: &Problem) -> Self {
        let list = |len: usize| vec![0; if len > SHORT { len * L::LANES } else { 0 }];
        Group {
            vectors: Memory::zeros(&lens::<L::Vector>(f, problem)),
            field: f,
            rhs_heads: Vec::new(),
            order: list(problem.rows),
            columns_of: list(problem.cols),
            sizes: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Solves as many matrices of the call as `out` has places for, from `first` on: at most a
    /// lane each.
    #[inline(always)]
    pub fn solve(
        &mut self,
        l: L,
        call: &Call<'_, T>,
        problem: &Problem,
        first: usize,
        out: Outputs<'_, T>,
    ) {
        let (m, n) = (problem.rows, problem.cols);
        let count = out.outcomes.len();
        let mut heads = [Head::EMPTY; MOST_LANES];
        let heads = &mut heads[..count];
        let f = self.field;
        let mut parts = Parts::of(f, problem, self.vectors.rest());
        let to = intake::To {
            a: parts.a,
            order: &mut self.order,
            from: parts.from,
            heads: &mut *heads,
            rows: &mut parts.scratch[..m],
            sizes: &mut self.sizes,
            raw: &mut self.raw,
        };
        intake::take(l, call, problem, first, to);
        factor::factor(l, f, parts.a, m, n, parts.tau, parts.pivots);
        if let (Some(view), Some((_, right))) = (&call.rhs, problem.composed) {
            self.rhs_heads.clear();
            self.rhs_heads.resize(count * view.cols(), Head::EMPTY);
            let heads = &mut self.rhs_heads;
            parts.take_rhs(l, f, m, (view, first), (right, &self.order), heads);
        }
        let done = parts.decompose(l, f, problem, &call.task.convergence);
        if problem.rhs.is_none() {
            factor::apply(l, f, parts.a, m, parts.tau, parts.u);
        }
        let (limits, damping) = parts.limits(l, call, problem, first, heads);
        let rank = limits.rank(l, parts.sigma);
        let mut u_restored = match problem.rhs {
            None => restore(l, parts.u, m, parts.from),
            Some(_) => false,
        };
        let v_restored = restore(l, parts.v, n, parts.pivots);
        if let Some(sides) = problem.composed {
            let weights = parts.weights.iter_mut().zip(parts.sigma.iter());
            for (c, (weight, &sigma)) in weights.enumerate() {
                let counts = l.less(l.splat(T::Real::of(c as f64)), rank);
                *weight = call.task.filter.weights_of(l, sigma, counts, damping);
            }
            parts.compose(l, f, problem, sides);
            if problem.rhs.is_some() && sides.0 == Factor::U {
                factor::apply(l, f, parts.a, m, parts.tau, parts.composed);
                u_restored = restore(l, parts.composed, m, parts.from);
            }
        }
        if !v_restored {
            by_lane::<T::Real, L>(parts.pivots, &mut self.columns_of);
        }
        let rows = |restored, by_lane, vectors| match restored {
            true => Rows::InPlace,
            false => Rows::Elsewhere { by_lane, vectors },
        };
        let raw = Raw {
            first,
            heads,
            rhs_heads: &self.rhs_heads,
            done,
            u_rows: rows(u_restored, &self.order, parts.from),
            v_rows: rows(v_restored, &self.columns_of, parts.pivots),
            sigma: parts.sigma,
            rank,
            u: parts.u,
            v: parts.v,
            composed: parts.composed,
        };
        deliver(l, f, call, problem, raw, out);
    }
}

impl<'m, V: bytemuck::Pod> Parts<'m, V> {
    #[inline(always)]
    fn of(f: impl Field, problem: &Problem, mut memory: Rest<'m, V>) -> Self {
        // In the order of `lens`.
        let [
            a,
            from,
            tau,
            pivots,
            columns,
            v,
            sigma,
            u,
            rhs,
            weights,
            composed,
            scratch,
        ] = lens::<V>(f, problem);
        Parts {
            a: memory.next(a),
            from: memory.next(from),
            tau: memory.next(tau),
            pivots: memory.next(pivots),
            columns: memory.next(columns),
            v: memory.next(v),
            sigma: memory.next(sigma),
            u: memory.next(u),
            rhs: memory.next(rhs),
            weights: memory.next(weights),
            composed: memory.next(composed),
            scratch: memory.next(scratch),
        }
    }

    /// Right-hand sides, rows in the order of those of the side that is applied to them.
    #[inline(always)]
    fn take_rhs<T: Scalar, L: Lanes<T::Real, Vector = V>>(
        &mut self,
        l: L,
        f: impl Field,
        m: usize,
        (view, first): (&View<'_, T>, usize),
        (side, order): (Factor, &[u32]),
        heads: &mut [Head],
    ) {
        let from = match side {
            Factor::U => rhs::From {
                vectors: self.from,
                order,
            },
            Factor::V => rhs::From {
                vectors: self.pivots,
                order: &[],
            },
        };
        rhs::take(l, view, first, from, self.rhs, heads);
        if side == Factor::U {
            factor::apply_transposed(l, f, self.a, m, self.tau, self.rhs);
        }
    }

    /// R' above; below, what is carried along.
    #[inline(always)]
    fn transpose_r<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        f: impl Field,
        m: usize,
        n: usize,
        carried: Carried,
    ) {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        let columns = self.columns.chunks_exact_mut(stride::<V>(f, n, carried));
        for (p, column) in columns.enumerate() {
            column.fill(zero);
            let (x, below) = column.split_at_mut(f.vectors(n));
            f.row(l, (&*self.a, f.vectors(m)), p, p, x);
            match carried {
                Carried::Nothing => {}
                Carried::Rotations => below[p] = one,
                Carried::RightHandSides(rows) => {
                    let rhs = (&*self.rhs, f.vectors(m));
                    f.row(l, rhs, p, 0, &mut below[..f.vectors(rows)]);
                }
            }
        }
    }

    /// V_ diag(sigma) becomes V_ and sigma.
    #[inline(always)]
    fn normalise<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        f: impl Field,
        n: usize,
        carried: Carried,
    ) {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        let len = f.vectors(n);
        let columns = self.columns.chunks_exact(stride::<V>(f, n, carried));
        let places = self.sigma.iter_mut().zip(self.v.chunks_exact_mut(len));
        for (column, (sigma, v)) in columns.zip(places) {
            let column = &column[..len];
            let norm = l.sqrt(dot(l, column, column));
            let known = l.less(l.splat(T::NEGLIGIBLE), norm);
            *sigma = l.select(known, norm, zero);
            // Divided, not multiplied by an inverse: a column with a single entry becomes exactly 1 or -1.
            let norm = l.select(known, norm, one);
            for (v, &entry) in v.iter_mut().zip(column) {
                *v = l.div(entry, norm);
            }
        }
    }

    /// From R to what `u` and `v` are made of, by singular values, descending: V_, and in `u` J with I beside it, or
    /// what `project` leaves there.
    #[inline(always)]
    fn decompose<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        f: impl Field,
        problem: &Problem,
        convergence: &Convergence,
    ) -> Sweeps<V> {
        let (m, n) = (problem.rows, problem.cols);
        let zero = l.splat(T::ZERO);
        let none = l.less(zero, zero);
        let mut carried = problem.carried();
        let recovers = recover::wanted::<T>(problem, convergence);
        // The matrices whose J is carried.
        let mut graded = none;
        if recovers {
            let r = Columns {
                vectors: &*self.a,
                rows: m,
                step: f.vectors(m),
            };
            graded = recover::graded(l, f, r, n);
            if !l.any(graded) {
                carried = Carried::Nothing;
            }
        }
        loop {
            let height = n + carried.rows(n);
            self.transpose_r(l, f, m, n, carried);
            let norms = &mut self.scratch[..n];
            let done = jacobi::sweeps(l, f, self.columns, n, height, norms, convergence);
            self.normalise(l, f, n, carried);
            match problem.rhs {
                None => self.take_rotations(l, f, m, n, carried),
                Some(rhs) => self.project(l, f, problem, rhs),
            }
            // There is nothing in U to be sorted yet where J is recovered.
            let sorted = match recovers && carried == Carried::Nothing {
                true => &mut [],
                false => &mut *self.u,
            };
            let (u_step, v_step) = (f.vectors(u_len(problem)), f.vectors(n));
            sort(l, self.sigma, (sorted, u_step), (&mut *self.v, v_step));
            if !recovers || !l.any(l.not(graded)) {
                return done;
            }
            let unfinished = l.equal(done.converged, zero);
            let r = Columns {
                vectors: self.a,
                rows: m,
                step: f.vectors(m),
            };
            let v = Columns {
                vectors: self.v,
                rows: n,
                step: v_step,
            };
            // Nothing else needs the columns any more. In U, J might lie on few lines of the cache.
            let step = jacobi::stride::<V>(v_step);
            let scratch = &mut self.scratch[..2 * v_step];
            let failed = recover::recover(l, f, r, v, (self.columns, step), n, scratch);
            let columns = self.u.chunks_exact_mut(f.vectors(m));
            for (to, j) in columns.zip(self.columns.chunks(step)).take(n) {
                for (to, j) in to.chunks_exact_mut(m).zip(j.chunks_exact(n)) {
                    for (to, &entry) in to[..n].iter_mut().zip(j) {
                        *to = l.select(graded, *to, entry);
                    }
                }
            }
            let failed = l.and(l.or(failed, unfinished), l.not(graded));
            if !l.any(failed) {
                return done;
            }
            graded = l.or(graded, failed);
            carried = Carried::Rotations;
        }
    }

    /// J, if it was carried, and I beside it.
    #[inline(always)]
    fn take_rotations<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        f: impl Field,
        m: usize,
        n: usize,
        carried: Carried,
    ) {
        let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
        let stride = stride::<V>(f, n, carried);
        for (c, column) in self.u.chunks_exact_mut(f.vectors(m)).enumerate() {
            column.fill(zero);
            if c >= n {
                column[c] = one;
            } else if carried == Carried::Rotations {
                let j = &self.columns[c * stride + f.vectors(n)..][..f.vectors(n)];
                for (to, j) in column.chunks_exact_mut(m).zip(j.chunks_exact(n)) {
                    to[..n].copy_from_slice(j);
                }
            }
        }
    }

    /// B' U or B' V; and J, where U is to be applied to what comes of it.
    #[inline(always)]
    fn project<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        f: impl Field,
        problem: &Problem,
        rhs: usize,
    ) {
        let (m, n) = (problem.rows, problem.cols);
        let Some((_, right)) = problem.composed else {
            return;
        };
        let (step, above) = (f.vectors(u_len(problem)), f.vectors(j_len(problem)));
        let stride = stride::<V>(f, n, problem.carried());
        let below = f.vectors(n);
        let columns = self.columns.chunks_exact(stride);
        for (to, column) in self.u.chunks_exact_mut(step).zip(columns) {
            to[..above].copy_from_slice(&column[below..][..above]);
            if let Carried::RightHandSides(rows) = problem.carried() {
                let rows = f.vectors(rows);
                to[above..].copy_from_slice(&column[below..][..rows]);
            }
        }
        let to = (&mut self.u[above..], step, rhs);
        let (b, v) = (f.vectors(m), f.vectors(n));
        match (right, problem.carried()) {
            (Factor::U, Carried::RightHandSides(_)) => {}
            (Factor::U, _) => {
                let j = (&self.columns[below..], stride);
                rhs::project(l, f, (self.rhs, b), j, n, to);
            }
            (Factor::V, _) => rhs::project(l, f, (self.rhs, v), (self.v, v), n, to),
        }
    }

    /// Which singular values count, and the damping.
    #[inline(always)]
    fn limits<S: Scalar<Real = T>, T: Real, L: Lanes<T, Vector = V>>(
        &self,
        l: L,
        call: &Call<'_, S>,
        problem: &Problem,
        first: usize,
        heads: &[Head],
    ) -> (Limits<V>, [V; 2]) {
        let Task { options, .. } = &call.task;
        let named = problem.named_cutoffs();
        let mut largest = l.splat(T::ZERO);
        let mut limits = Limits {
            threshold: largest,
            most: l.splat(T::of(options.cutoff.most(problem.cols) as f64)),
            share: largest,
        };
        let (mut lambdas, mut shrink) = (largest, l.splat(T::ONE));
        for &sigma in self.sigma.iter() {
            largest = l.select(l.less(largest, sigma), sigma, largest);
        }
        let (cutoff, error) = (&options.cutoff, problem.sigma_error());
        let (relative, absolute) = cutoff.of(first, named);
        if !cutoff.is_each() && absolute == 0.0 {
            let thresholds = numbers_mut(&mut limits.threshold);
            let largest: &[T] = numbers(&largest);
            for lane in 0..L::LANES {
                thresholds[lane] = T::not_above(relative * largest[lane].f64());
            }
            limits.share = l.splat(T::not_above(cutoff.share(first, error)));
        } else {
            for (lane, head) in heads.iter().enumerate() {
                let largest = numbers::<T, _>(&largest)[lane].f64();
                let index = first + lane;
                let threshold = threshold(cutoff, index, named, head.power, largest);
                numbers_mut(&mut limits.threshold)[lane] = T::not_above(threshold);
                numbers_mut(&mut limits.share)[lane] = T::not_above(cutoff.share(index, error));
            }
        }
        if let Some(damping) = call.task.damping() {
            for (lane, head) in heads.iter().enumerate() {
                let (lambda, beyond) = scaled(damping.get(first + lane), head.power);
                numbers_mut(&mut lambdas)[lane] = T::of(lambda);
                numbers_mut(&mut shrink)[lane] = T::ONE.ldexp(-beyond);
            }
        }
        (limits, [lambdas, shrink])
    }

    /// composed = left diag(weights) right', or that times B, where B' right is known; of U, on the left,
    /// without Q then.
    #[inline(always)]
    fn compose<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        f: impl Field,
        problem: &Problem,
        (left_side, right_side): (Factor, Factor),
    ) {
        // Columns, their rows, and the vectors from one to the next.
        let (step, above) = (f.vectors(u_len(problem)), j_len(problem));
        let side = |side| match (side, problem.rhs) {
            (Factor::U, None) => (&*self.u, u_len(problem), step),
            (Factor::U, Some(_)) => (&*self.u, above, step),
            (Factor::V, _) => (&*self.v, problem.cols, f.vectors(problem.cols)),
        };
        let (left, rows, left_step) = side(left_side);
        let (right, right_rows, right_step) = match problem.rhs {
            None => side(right_side),
            Some(rhs) => (&self.u[f.vectors(above)..], rhs, step),
        };
        let zero = l.splat(T::ZERO);
        // Sums over at most n terms, in blocks that keep the order of magnitude of their errors
        // at that of their length's root.
        let n = problem.cols;
        let block = (n as f64).sqrt().ceil() as usize;
        let length = problem.side(left_side);
        let columns = self.composed.chunks_exact_mut(f.vectors(length));
        for (k, to) in columns.enumerate() {
            // Rows beyond those that are known are zero.
            for plane in to.chunks_exact_mut(length) {
                plane[rows..].fill(zero);
            }
            for first in (0..n).step_by(block.max(1)) {
                let partial = &mut self.scratch[..f.vectors(rows)];
                partial.fill(zero);
                for c in first..(first + block).min(n) {
                    let left = &left[c * left_step..][..f.vectors(rows)];
                    let right = &right[c * right_step..];
                    let right = (&right[..f.vectors(right_rows)], k);
                    f.add_outer(l, left, self.weights[c], right, partial);
                }
                let planes = to.chunks_exact_mut(length).zip(partial.chunks_exact(rows));
                for (to, partial) in planes {
                    if first == 0 {
                        to[..rows].copy_from_slice(partial);
                        continue;
                    }
                    for (to, &sum) in to.iter_mut().zip(partial) {
                        *to = l.add(*to, sum);
                    }
                }
            }
        }
    }
}
