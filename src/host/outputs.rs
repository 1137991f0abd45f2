//! The places that results go to, split among tasks and chunks.

use crate::data::outcome::Outcome;
use crate::data::scalar::Scalar;
use crate::planner::Sizes;

/// Results of a run of matrices in the canonical order; U and V as the kernels see them.
pub(crate) struct Outputs<'a, T: Scalar> {
    pub u: &'a mut [T],
    pub sigma: &'a mut [T::Real],
    pub v: &'a mut [T],
    pub composed: &'a mut [T],
    pub outcomes: &'a mut [Outcome],
}

impl<'a, T: Scalar> Outputs<'a, T> {
    /// The same places, for a while.
    pub fn reborrow(&mut self) -> Outputs<'_, T> {
        Outputs {
            u: self.u,
            sigma: self.sigma,
            v: self.v,
            composed: self.composed,
            outcomes: self.outcomes,
        }
    }

    /// The same places, if their entries are of this type.
    pub fn cast<U: Scalar>(self) -> Option<Outputs<'a, U>> {
        (T::DTYPE == U::DTYPE).then(|| Outputs {
            u: bytemuck::cast_slice_mut(self.u),
            sigma: bytemuck::cast_slice_mut(self.sigma),
            v: bytemuck::cast_slice_mut(self.v),
            composed: bytemuck::cast_slice_mut(self.composed),
            outcomes: self.outcomes,
        })
    }

    /// The first `count` matrices, and the rest.
    pub fn split_at(self, count: usize, sizes: &Sizes) -> (Self, Self) {
        let (u, u_rest) = self.u.split_at_mut(count * sizes.u);
        let (sigma, sigma_rest) = self.sigma.split_at_mut(count * sizes.sigma);
        let (v, v_rest) = self.v.split_at_mut(count * sizes.v);
        let (composed, composed_rest) = self.composed.split_at_mut(count * sizes.composed);
        let (outcomes, outcomes_rest) = self.outcomes.split_at_mut(count);
        (
            Outputs {
                u,
                sigma,
                v,
                composed,
                outcomes,
            },
            Outputs {
                u: u_rest,
                sigma: sigma_rest,
                v: v_rest,
                composed: composed_rest,
                outcomes: outcomes_rest,
            },
        )
    }

    /// Runs of at most `count` matrices, each with the index of its first, counted from `start`.
    pub fn runs(
        self,
        start: usize,
        count: usize,
        sizes: &Sizes,
    ) -> impl Iterator<Item = (usize, Self)> {
        let (mut rest, mut first) = (Some(self), start);
        std::iter::from_fn(move || {
            let outputs = rest.take().filter(|rest| !rest.outcomes.is_empty())?;
            let len = count.min(outputs.outcomes.len());
            let (run, others) = outputs.split_at(len, sizes);
            rest = Some(others);
            let index = first;
            first += len;
            Some((index, run))
        })
    }
}
