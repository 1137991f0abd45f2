//! What singular values say of how far a result may be trusted.

use batched_svd::{Dtype, Outcome, Real, View};

use crate::cli::output::is_nan;

/// Results are in doubt where rounding alone may change this part of them,
const DOUBTFUL: f64 = 1e-4;
/// and what counts comes this near to what by default does not: within two digits.
const NEAR: f64 = 1e-2;

/// The condition number of what counts from which on that is so, of matrices of this shape.
pub(crate) fn doubtful(dtype: Dtype, rows: usize, cols: usize) -> f64 {
    let unit = dtype.unit_roundoff();
    let size = rows.max(cols).max(1) as f64;
    (DOUBTFUL / unit).max(NEAR / (2.0 * unit * size))
}

/// What matters for that of the singular values of a matrix: not a number where it is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The largest over the smallest: infinite where that is zero, zero where there is none.
    pub condition: f64,
    pub first: f64,
    /// The last that counts; zero where none does.
    pub kept: f64,
}

impl Spread {
    pub const UNKNOWN: Spread = Spread {
        condition: f64::NAN,
        first: f64::NAN,
        kept: f64::NAN,
    };

    /// The condition number of what counts: zero where nothing does.
    pub fn kept_condition(&self) -> f64 {
        match self.kept {
            0.0 => 0.0,
            kept => self.first / kept,
        }
    }

    /// The same under damping: how many times noise in the data is enlarged.
    pub fn damped_condition(&self, lambda: f64) -> f64 {
        match self.kept {
            kept if kept == 0.0 || lambda == 0.0 => self.kept_condition(),
            kept => self.first.hypot(lambda) / kept.hypot(lambda),
        }
    }
}

/// Of every matrix, by its singular values in descending order.
pub(crate) fn spreads<T: Real>(sigma: View<'_, T>, outcomes: &[Outcome]) -> Vec<Spread> {
    let k = sigma.rows();
    let spread = |(b, outcome): (usize, &Outcome)| {
        let at = |i: usize| sigma.get(b, i, 0).map_or(0.0, |sigma| sigma.f64());
        let rank = (outcome.rank as usize).min(k);
        let (first, last) = (at(0), at(k.saturating_sub(1)));
        if is_nan(outcome.status) {
            return Spread::UNKNOWN;
        }
        Spread {
            condition: match last {
                last if last > 0.0 => first / last,
                _ if k > 0 => f64::INFINITY,
                _ => 0.0,
            },
            first,
            kept: if rank > 0 { at(rank - 1) } else { 0.0 },
        }
    };
    outcomes.iter().enumerate().map(spread).collect()
}

/// The largest of these that are above zero, the first if there are many, and whose it is.
pub(crate) fn largest(values: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    let there = values.enumerate().filter(|(_, value)| *value > 0.0);
    there.reduce(|most, next| if next.1 > most.1 { next } else { most })
}
