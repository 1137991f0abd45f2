//! What both engines deliver alike: results without a singular value, and what a report says.

use crate::data::outcome::{Outcome, Status};
pub(crate) use crate::data::scalar::NEARLY;
use crate::data::scalar::Real;
use crate::host::outputs::Outputs;
use crate::planner::{Problem, Sizes};

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
        sigma_error: 0.0,
    });
}

/// What the report says of a matrix that is not finite.
pub(crate) const NON_FINITE: Outcome = Outcome {
    status: Status::NonFinite,
    ..Outcome::PENDING
};

/// What the report says of a matrix that is.
#[inline(always)]
pub(crate) fn status(representable: bool, converged: bool) -> Status {
    match (representable, converged) {
        (false, _) => Status::NotRepresentable,
        (true, false) => Status::NotConverged,
        (true, true) => Status::Converged,
    }
}

/// Makes the first entry of (nearly) the largest magnitude in each column positive; partners follow.
pub(crate) fn fix_signs<T: Real>(
    leading: &mut [T],
    len: usize,
    partner: &mut [T],
    partner_len: usize,
) {
    let mut partners = partner.chunks_exact_mut(partner_len.max(1));
    for column in leading.chunks_exact_mut(len.max(1)) {
        let largest = column.iter().fold(T::ZERO, |largest, entry| {
            let size = entry.abs();
            if size > largest { size } else { largest }
        });
        let limit = largest * T::of(NEARLY);
        let first = column.iter().find(|entry| entry.abs() >= limit);
        let negative = first.is_some_and(|&entry| entry < T::ZERO);
        let partner = partners.next();
        if negative {
            for entry in column.iter_mut().chain(partner.into_iter().flatten()) {
                *entry = -*entry;
            }
        }
    }
}
