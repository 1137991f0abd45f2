//! One matrix from intake to delivery on one thread.
//!
//! A P = Q R with rows and columns sorted, then Jacobi on R': R' J = W, with J orthogonal and the
//! columns of W orthogonal. So W = V_ diag(sigma), A = (Q J) diag(sigma) (P V_)': U = Q J and
//! V = P V_. U is orthonormal whatever the rank; V is where a singular value is not zero, and
//! delivery completes it (Drmac and Veselic 2008; LAPACK xGEJSV).

use crate::call::Call;
use crate::cpu::jacobi;
use crate::dense::householder;
use crate::dense::sums::dot;
use crate::error::{Error, product};
use crate::filter::threshold;
use crate::host::delivery::{Raw, deliver};
use crate::host::intake;
use crate::host::outputs::Outputs;
use crate::planner::{Problem, Side};
use crate::scalar::Real;

/// The memory of one thread: a few matrices.
pub(crate) struct Workspace<T> {
    /// The packed matrix, then its QR.
    a: Vec<T>,
    /// Rows that came from elsewhere.
    order: Vec<u32>,
    tau: Vec<T>,
    pivots: Vec<u32>,
    /// R', then V_ diag(sigma), then V_.
    x: Vec<T>,
    /// Rotations so far.
    j: Vec<T>,
    sigma: Vec<T>,
    u: Vec<T>,
    weights: Vec<T>,
    composed: Vec<T>,
    scratch: Vec<T>,
}

impl<T: Real> Workspace<T> {
    /// Whether the host can provide a workspace to each of `threads`; cheap, nothing is touched.
    pub fn check(problem: &Problem, threads: usize) -> Result<(), Error> {
        let (m, n) = (problem.rows, problem.cols);
        let size = size_of::<T>();
        let parts = [
            product(&[m, n, threads], size)?,
            product(&[n, n, 2, threads], size)?,
            product(&[m, problem.formed_u_cols(), threads], size)?,
            product(&[problem.sizes().composed, threads], size)?,
        ];
        let total = parts.iter().fold(0usize, |sum, &p| sum.saturating_add(p));
        let mut probe: Vec<T> = Vec::new();
        probe.try_reserve_exact(total).map_err(|_| Error::Memory {
            bytes: total as u128 * size as u128,
        })
    }

    pub fn new(problem: &Problem) -> Self {
        let (m, n) = (problem.rows, problem.cols);
        let zeros = |len| vec![T::ZERO; len];
        Workspace {
            a: zeros(m * n),
            order: vec![0; m],
            tau: zeros(n),
            pivots: vec![0; n],
            x: zeros(n * n),
            j: zeros(n * n),
            sigma: zeros(n),
            u: zeros(m * problem.formed_u_cols()),
            weights: zeros(n),
            composed: zeros(problem.sizes().composed),
            scratch: Vec::new(),
        }
    }

    /// Solves matrix `index` of the call.
    pub fn solve(&mut self, call: &Call<'_, T>, index: usize, out: Outputs<'_, T>) {
        let problem = &call.problem;
        let (m, n) = (problem.rows, problem.cols);
        let head = intake::take(
            &call.view,
            index,
            problem,
            &mut self.a,
            &mut self.order,
            &mut self.scratch,
        );
        householder::factor(&mut self.a, m, n, &mut self.tau, Some(&mut self.pivots));
        self.transpose_r(m, n);
        let done = jacobi::sweeps(&mut self.x, &mut self.j, n, &call.convergence);
        self.normalise(n);
        self.form_u(m, n);
        let threshold = threshold(
            &call.options.cutoff,
            index,
            problem,
            head.power,
            &self.sigma,
        );
        if let Some(sides) = problem.composed {
            let filter = call.filter;
            filter.weights(&self.sigma, threshold, &mut self.weights);
            self.compose(problem, sides);
        }
        let raw = Raw {
            sigma: &self.sigma,
            u: &self.u,
            v: &self.x,
            pivots: &self.pivots,
            composed: &self.composed,
            sweeps: done.sweeps,
            rotations: done.rotations,
            converged: done.converged,
        };
        deliver(
            problem,
            call.filter,
            threshold,
            head,
            &self.order,
            &raw,
            out,
        );
    }

    /// x = R', j = I.
    fn transpose_r(&mut self, m: usize, n: usize) {
        self.j.fill(T::ZERO);
        for p in 0..n {
            self.j[p * n + p] = T::ONE;
            for r in 0..n {
                let entry = if r >= p { self.a[r * m + p] } else { T::ZERO };
                self.x[p * n + r] = entry;
            }
        }
    }

    /// x = V_ diag(sigma) becomes V_ and sigma.
    fn normalise(&mut self, n: usize) {
        for (sigma, column) in self.sigma.iter_mut().zip(self.x.chunks_exact_mut(n.max(1))) {
            let norm = dot(column, column).sqrt();
            *sigma = if norm > T::NEGLIGIBLE { norm } else { T::ZERO };
            if *sigma > T::ZERO {
                for entry in column {
                    *entry = *entry / norm;
                }
            }
        }
    }

    /// u = Q J, and beyond n the further columns of Q.
    fn form_u(&mut self, m: usize, n: usize) {
        for (c, column) in self.u.chunks_exact_mut(m.max(1)).enumerate() {
            column.fill(T::ZERO);
            if c < n {
                column[..n].copy_from_slice(&self.j[c * n..(c + 1) * n]);
            } else {
                column[c] = T::ONE;
            }
            householder::apply(&self.a, m, &self.tau, column);
        }
    }

    /// composed = left diag(weights) right'.
    fn compose(&mut self, problem: &Problem, (left, right): (Side, Side)) {
        let side = |side| match side {
            Side::U => (&self.u, problem.rows),
            Side::V => (&self.x, problem.cols),
        };
        let ((left, rows), (right, cols)) = (side(left), side(right));
        // Sums over at most n terms, in blocks that keep the order of magnitude of their errors
        // at that of their length's root.
        let n = problem.cols;
        let block = (n as f64).sqrt().ceil() as usize;
        let mut partial = vec![T::ZERO; rows];
        self.composed.fill(T::ZERO);
        for (k, to) in self.composed.chunks_exact_mut(rows.max(1)).enumerate() {
            for first in (0..n).step_by(block.max(1)) {
                partial.fill(T::ZERO);
                for c in first..(first + block).min(n) {
                    let weight = self.weights[c] * right[c * cols + k];
                    for (sum, &entry) in partial.iter_mut().zip(&left[c * rows..]) {
                        *sum += weight * entry;
                    }
                }
                for (to, &sum) in to.iter_mut().zip(&partial) {
                    *to += sum;
                }
            }
        }
    }
}
