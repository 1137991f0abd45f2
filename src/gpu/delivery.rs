//! From what the kernels computed to what the caller gets, a matrix at a time: the conventions that
//! `cpu/delivery.rs` keeps in lanes.
//!
//! Undoes the scaling, the order of rows and the pivoting; sorts; completes the basis where
//! singular values are zero; fixes the signs; and says what could not be represented.

use crate::dense::householder::complete;
use crate::filter::{Filter, counts};
use crate::host::delivery::{NON_FINITE, fix_signs, status, survives};
use crate::host::intake::Head;
use crate::host::outputs::Outputs;
use crate::options::Vectors;
use crate::planner::{Problem, Side};
use crate::report::Outcome;
use crate::scalar::Real;

/// What a kernel computed of one packed matrix, in the kernel's own order of columns.
pub(crate) struct Raw<'a, T> {
    /// n singular values, unsorted; exactly zero where a column was negligible.
    pub sigma: &'a [T],
    /// m x u_cols: columns 0 to n belong to the singular values, others complete the basis.
    pub u: &'a [T],
    /// n x n; the columns of zero singular values are undefined.
    pub v: &'a [T],
    /// Column k of the pivoted matrix is column `pivots[k]` of the packed one.
    pub pivots: &'a [u32],
    /// The composition, if there is one.
    pub composed: &'a [T],
    pub sweeps: u32,
    pub rotations: u32,
    pub converged: bool,
}

/// Writes the results of one matrix into its outputs. `order` and `head` are from its intake.
pub(crate) fn deliver<T: Real>(
    problem: &Problem,
    filter: Filter,
    threshold: f64,
    head: Head,
    order: &[u32],
    raw: &Raw<'_, T>,
    out: Outputs<'_, T>,
) {
    let outcome = &mut out.outcomes[0];
    if !head.finite {
        for slice in [out.u, out.sigma, out.v, out.composed] {
            slice.fill(T::NAN);
        }
        *outcome = NON_FINITE;
        return;
    }
    let (m, n) = (problem.rows, problem.cols);
    let mut descending: Vec<u32> = (0..n as u32).collect();
    descending.sort_by(|&a, &b| {
        let (a, b) = (raw.sigma[a as usize], raw.sigma[b as usize]);
        b.partial_cmp(&a).unwrap_or(std::cmp::Ordering::Equal)
    });
    let rank = raw.sigma.iter().filter(|&&s| counts(s, threshold)).count();
    let mut representable = true;

    // A call that composes is judged by its composition: nobody sees its singular values.
    let composes = problem.composed.is_some();
    for (to, &from) in out.sigma.iter_mut().zip(&descending) {
        let scaled = raw.sigma[from as usize];
        let sigma = scaled.ldexp(-head.power);
        *to = sigma;
        let vanished = sigma == T::ZERO && counts(scaled, threshold);
        representable &= composes || (sigma.finite() && !vanished);
    }

    if problem.vectors != Vectors::None {
        scatter(raw.u, m, order, &descending, out.u);
        scatter(raw.v, n, raw.pivots, &descending, out.v);
        let known = raw.sigma.iter().filter(|&&s| s > T::ZERO).count();
        complete(out.v, n, known);
        if problem.transposed {
            fix_signs(out.u, m, out.v, n);
        } else {
            fix_signs(out.v, n, out.u, m);
        }
    }

    if let Some((left, right)) = problem.composed {
        let places = |side| match side {
            Side::U => order,
            Side::V => raw.pivots,
        };
        let power = -filter.degree() * head.power;
        let len = problem.side(left);
        for (column, &j) in raw.composed.chunks_exact(len.max(1)).zip(places(right)) {
            let to = &mut out.composed[j as usize * len..][..len];
            for (&entry, &i) in column.iter().zip(places(left)) {
                to[i as usize] = entry.ldexp(power);
            }
        }
        representable &= survives(raw.composed, power);
    }

    *outcome = Outcome {
        status: status(representable, raw.converged),
        sweeps: raw.sweeps,
        rotations: raw.rotations,
        rank: rank as u32,
    };
}

/// Copies columns in the order of `columns`, the others after them, and entry i to `places[i]`.
fn scatter<T: Real>(raw: &[T], len: usize, places: &[u32], columns: &[u32], out: &mut [T]) {
    for (c, to) in out.chunks_exact_mut(len.max(1)).enumerate() {
        let from = columns.get(c).map_or(c, |&column| column as usize);
        for (&entry, &place) in raw[from * len..(from + 1) * len].iter().zip(places) {
            to[place as usize] = entry;
        }
    }
}
