//! What both engines deliver alike: results without a singular value, and what a report says.

use crate::data::outcome::{Outcome, Status};
pub(crate) use crate::data::scalar::NEARLY;
use crate::data::scalar::Scalar;
use crate::data::scalar::sealed::Float;
use crate::host::outputs::Outputs;
use crate::planner::{Problem, Sizes};

/// Writes the results of matrices without a singular value: the vectors of a full U are any
/// orthonormal basis, and every product is zero.
pub(crate) fn deliver_empty<T: Scalar>(problem: &Problem, sizes: &Sizes, out: Outputs<'_, T>) {
    out.composed.fill(T::default());
    for u in out.u.chunks_exact_mut(sizes.u.max(1)) {
        u.fill(T::default());
        u.iter_mut()
            .step_by(problem.rows + 1)
            .for_each(|entry| *entry = T::of_real(T::Real::ONE));
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

/// Makes the first entry of (nearly) the largest magnitude in each column positive, and real; partners follow.
pub(crate) fn fix_signs<T: Scalar>(
    leading: &mut [T],
    len: usize,
    partner: &mut [T],
    partner_len: usize,
) {
    let one = T::of_real(T::Real::ONE);
    let mut partners = partner.chunks_exact_mut(partner_len.max(1));
    for column in leading.chunks_exact_mut(len.max(1)) {
        let largest = column.iter().fold(T::Real::ZERO, |largest, entry| {
            let size = entry.size();
            if size > largest { size } else { largest }
        });
        let limit = largest * T::Real::of(NEARLY);
        let partner = partners.next();
        let Some(first) = column.iter().position(|entry| entry.size() >= limit) else {
            continue;
        };
        let turn = column[first].phase().conjugate();
        if turn == one {
            continue;
        }
        let size = column[first].size();
        for entry in column.iter_mut().chain(partner.into_iter().flatten()) {
            *entry = *entry * turn;
        }
        column[first] = T::of_real(size);
    }
}
