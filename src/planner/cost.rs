//! Floating-point operations: what a matrix will take, roughly, and what was carried out.

use crate::data::outcome::{Outcome, Status};
use crate::data::report::Backend;
use crate::planner::problem::{Carried, Problem};

/// Floating-point operations of one matrix, roughly: QR, about eight sweeps on R' and on the
/// rotations, if they are accumulated, U, right-hand sides, what is composed.
pub(super) fn work(problem: &Problem) -> u64 {
    let (m, n) = (problem.rows as u64, problem.cols as u64);
    let [length, rhs] = problem.rhs_size().unwrap_or_default().map(|n| n as u64);
    let sides = length.saturating_mul(rhs).saturating_mul(6 * n);
    let composed = (problem.sizes().composed as u64).saturating_mul(2 * n);
    let u = problem.formed_u_cols() as u64;
    let mn = m.saturating_mul(n);
    let vectors = mn.saturating_mul(4).saturating_mul(n.saturating_add(u));
    let cube = n.saturating_mul(n).saturating_mul(n);
    let sweeps = cube.saturating_mul(if problem.accumulates() { 100 } else { 60 });
    let others = sides.saturating_add(composed);
    let all = vectors.saturating_add(sweeps).saturating_add(others);
    all.saturating_mul(problem.dtype.operations())
}

/// Floating-point operations that the kernels carry out for matrices with so many sweeps and
/// rotations; a fused multiply-add is two.
pub(crate) fn executed(problem: &Problem, backend: Backend, outcomes: &[Outcome]) -> f64 {
    let (m, n) = (problem.rows as f64, problem.cols as f64);
    // A reflection of a column is a dot product and an update, and the pivoting takes its norm.
    let factor = (3.0 * m - n) * n * n;
    let formed = problem.formed_u_cols() as f64;
    // Columns that Q, or Q', is applied to; further products; rows that are rotated along.
    let (reflected, products, carried) = match (problem.rhs_size(), backend) {
        (Some([length, rhs]), Backend::Gpu) => (formed, (length * rhs) as f64 * n, formed.min(n)),
        (Some([_, rhs]), _) => {
            let carried = problem.carried();
            let products = match carried {
                Carried::RightHandSides(_) => 0.0,
                _ => rhs as f64 * n * n,
            };
            (rhs as f64, products, carried.rows(problem.cols) as f64)
        }
        // Half a product of n x n, and Gram-Schmidt: as many as are recovered, not as few as are carried.
        (None, Backend::Cpu) if problem.recovers() => (formed, 1.5 * n * n * n, 0.0),
        (None, _) => (formed, 0.0, formed.min(n)),
    };
    let form_u = 2.0 * (2.0 * m - n) * n * reflected + 2.0 * products;
    let normalise = 3.0 * n * n;
    let compose = match (problem.rhs, backend) {
        // U is applied without Q.
        (Some(rhs), Backend::Cpu) => 2.0 * n * n * rhs as f64,
        _ => 2.0 * problem.sizes().composed as f64 * n,
    };
    // Three dot products a pair; a rotation of columns of R' and of what is carried along.
    let sweep = 0.5 * n * (n - 1.0) * 6.0 * n;
    let rotation = 8.0 * (n + carried);
    outcomes
        .iter()
        .filter(|outcome| outcome.status != Status::NonFinite)
        .map(|outcome| {
            factor
                + f64::from(outcome.sweeps) * sweep
                + f64::from(outcome.rotations) * rotation
                + normalise
                + form_u
                + compose
        })
        .fold(0.0, |sum, flops| {
            sum + flops * problem.dtype.operations() as f64
        })
}
