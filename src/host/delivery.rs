//! What both engines do to results: those without a singular value, and the signs.

use crate::host::outputs::Outputs;
use crate::planner::{Problem, Sizes};
use crate::report::{Outcome, Status};
use crate::scalar::Real;

/// Writes the results of matrices without a singular value: the vectors of a full U are any
/// orthonormal basis, and every product is zero.
pub(crate) fn deliver_empty<T: Real>(problem: &Problem, sizes: &Sizes, out: Outputs<'_, T>) {
    out.composed.fill(T::ZERO);
    for u in out.u.chunks_exact_mut(sizes.u.max(1)) {
        u.fill(T::ZERO);
        u.iter_mut()
            .step_by(problem.rows + 1)
            .for_each(|entry| *entry = T::ONE);
    }
    out.outcomes.fill(Outcome {
        status: Status::Converged,
        sweeps: 0,
        rotations: 0,
        rank: 0,
    });
}

/// Makes the first entry of largest magnitude in each column positive; partners follow.
pub(crate) fn fix_signs<T: Real>(
    leading: &mut [T],
    len: usize,
    partner: &mut [T],
    partner_len: usize,
) {
    let mut partners = partner.chunks_exact_mut(partner_len.max(1));
    for column in leading.chunks_exact_mut(len.max(1)) {
        let mut largest = T::ZERO;
        for &entry in column.iter() {
            if entry.abs() > largest.abs() {
                largest = entry;
            }
        }
        let partner = partners.next();
        if largest < T::ZERO {
            for entry in column.iter_mut().chain(partner.into_iter().flatten()) {
                *entry = -*entry;
            }
        }
    }
}
