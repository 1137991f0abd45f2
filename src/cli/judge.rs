//! Residuals of results, and what the library promises of them.

use batched_svd::{Batch, Batched, Dtype, Error, Outcome, Real, Status, View, verify};

/// What a residual is of, and where it goes in the JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of the four conditions.
    MoorePenrose,
    /// What should be nothing, but for rounding.
    Main,
    Orthogonality,
    /// What is left of the right-hand sides.
    Left,
    /// What an approximation leaves, on purpose.
    Error,
    /// Of singular values.
    Order,
}

/// A residual of every matrix.
pub(crate) struct Residual {
    pub name: &'static str,
    pub kind: Kind,
    pub values: Vec<f64>,
    /// What is promised of each, if anything is.
    pub promised: Option<Vec<f64>>,
}

impl Residual {
    pub fn new(name: &'static str, kind: Kind, values: Vec<f64>) -> Self {
        Residual {
            name,
            kind,
            values,
            promised: None,
        }
    }

    pub fn promised(mut self, promised: Option<Vec<f64>>) -> Self {
        self.promised = promised;
        self
    }

    /// The matrix with the largest of those that have a result. Not a number comes first.
    pub fn worst(&self, statuses: &[Status]) -> Option<usize> {
        let has_result = |s| !matches!(s, Status::NonFinite | Status::NotRepresentable);
        let those = (0..self.values.len()).filter(|&b| has_result(statuses[b]));
        let key = |b: usize| match self.values[b] {
            value if value.is_nan() => f64::INFINITY,
            value => value,
        };
        those.reduce(|worst, b| if key(b) > key(worst) { b } else { worst })
    }
}

impl Batched for Residual {
    fn split(self, counts: &[usize]) -> Result<Vec<Self>, Error> {
        let values = self.values.split(counts)?;
        let promised = self.promised.split(counts)?;
        let part = |(values, promised)| Residual {
            values,
            promised,
            ..Residual::new(self.name, self.kind, Vec::new())
        };
        Ok(values.into_iter().zip(promised).map(part).collect())
    }
}

/// The residuals of all arrays, of each kind one after the other.
pub(crate) fn joined(arrays: Vec<Vec<Residual>>) -> Vec<Residual> {
    let mut arrays = arrays.into_iter();
    let mut all = arrays.next().unwrap_or_default();
    for array in arrays {
        for (all, more) in all.iter_mut().zip(array) {
            all.values.extend(more.values);
            if let (Some(all), Some(more)) = (&mut all.promised, more.promised) {
                all.extend(more);
            }
        }
    }
    all
}

/// What came of holding residuals to what is promised.
pub(crate) struct Verdict {
    /// Matrices that anything is promised of: the converged ones.
    pub judged: usize,
    /// Those above in any residual.
    pub above: usize,
    /// The matrix, the residual's name, its value and the bound, of what is above by most.
    pub worst: Option<(usize, &'static str, f64, f64)>,
}

/// Matrix by matrix; `None` where nothing is promised of any.
pub(crate) fn judge(residuals: &[Residual], statuses: &[Status]) -> Option<Verdict> {
    if residuals.iter().all(|r| r.promised.is_none()) {
        return None;
    }
    let mut verdict = Verdict {
        judged: 0,
        above: 0,
        worst: None,
    };
    let mut most = 0.0;
    for (b, status) in statuses.iter().enumerate() {
        if *status != Status::Converged {
            continue;
        }
        verdict.judged += 1;
        let mut above = false;
        for residual in residuals {
            let Some(promised) = &residual.promised else {
                continue;
            };
            let (value, bound) = (residual.values[b], promised[b]);
            // A NaN is above everything.
            if value <= bound {
                continue;
            }
            above = true;
            let excess = match value / bound {
                excess if excess.is_nan() => f64::INFINITY,
                excess => excess,
            };
            if excess > most {
                most = excess;
                verdict.worst = Some((b, residual.name, value, bound));
            }
        }
        verdict.above += usize::from(above);
    }
    Some(verdict)
}

/// tol of matrices of this shape.
pub(crate) fn tol<T: Real>(a: &View<'_, T>) -> f64 {
    verify::tolerance(T::DTYPE, a.rows(), a.cols())
}

/// What the rounding of subnormal results may add, relative to |A|: two of the smallest numbers, for every entry of
/// a row or a column.
fn subnormal<T: Real>(a: &View<'_, T>, norm: f64) -> f64 {
    let smallest = match T::DTYPE {
        Dtype::F32 => 2f64.powi(-149),
        _ => f64::from_bits(1),
    };
    if norm > 0.0 {
        2.0 * a.rows().max(a.cols()) as f64 * (smallest / norm)
    } else {
        0.0
    }
}

/// tol times a factor.
pub(crate) fn reconstruction<T: Real>(a: View<'_, T>, factor: f64) -> Result<Vec<f64>, Error> {
    let bound = |norm| factor * tol(&a) + subnormal(&a, norm);
    Ok(norms(a)?.into_iter().map(bound).collect())
}

/// 8 tol c of the four conditions of a pseudoinverse, c taken as |A| |X|. `cut` is what does not count, relative to
/// |A|: it is missing in A X A.
pub(crate) fn conditions<T: Real>(
    a: View<'_, T>,
    x: View<'_, T>,
    cut: &[f64],
) -> Result<[Vec<f64>; 2], Error> {
    let tol = tol(&a);
    let norms = norms(a)?.into_iter().zip(norms(x)?);
    let bounds: Vec<f64> = norms.map(|(a, x)| 8.0 * tol * (a * x).max(1.0)).collect();
    let first = bounds.iter().zip(cut).map(|(bound, cut)| bound + cut);
    Ok([first.collect(), bounds])
}

/// The names and residuals of the four conditions.
pub(crate) fn moore_penrose(four: &[[f64; 4]], promised: Option<[Vec<f64>; 2]>) -> Vec<Residual> {
    let [first, others] =
        promised.map_or([None, None], |[first, others]| [Some(first), Some(others)]);
    let names = [
        "|AXA-A| / |A|",
        "|XAX-X| / |X|",
        "|(AX)'-AX| / |AX|",
        "|(XA)'-XA| / |XA|",
    ];
    let residual = |(at, name)| {
        let values = four.iter().map(|four| four[at]).collect();
        let promised = if at == 0 { &first } else { &others };
        Residual::new(name, Kind::MoorePenrose, values).promised(promised.clone())
    };
    names.into_iter().enumerate().map(residual).collect()
}

/// Reconstruction and orthogonality of thin or full factors.
pub(crate) fn factors<T: Real>(
    a: View<'_, T>,
    [u, sigma, v]: [View<'_, T>; 3],
) -> Result<Vec<Residual>, Error> {
    let left = verify::orthogonality(u)?;
    let both = left.into_iter().zip(verify::orthogonality(v)?);
    let losses = both.map(|(u, v)| if v > u || v.is_nan() { v } else { u });
    let values = verify::reconstruction(a, u, sigma, v)?;
    Ok(vec![
        Residual::new("|A-USV'| / |A|", Kind::Main, values).promised(Some(reconstruction(a, 1.0)?)),
        Residual::new("|U'U-I|, |V'V-I|", Kind::Orthogonality, losses.collect())
            .promised(Some(vec![tol(&a); a.count()])),
    ])
}

/// What singular values alone can be checked by.
pub(crate) fn values<T: Real>(a: View<'_, T>, sigma: View<'_, T>) -> Result<Residual, Error> {
    let residual = Residual::new("||A|-|s|| / |A|", Kind::Main, verify::norms(a, sigma)?);
    // Each is off by tol sigma_1.
    let k = (sigma.rows() as f64).sqrt();
    let bound = |(b, norm): (usize, f64)| {
        let first = sigma.get(b, 0, 0).map_or(0.0, |s| s.f64());
        let share = if norm > 0.0 { first / norm } else { 0.0 };
        k * tol(&a) * share + subnormal(&a, norm)
    };
    let bounds = norms(a)?.into_iter().enumerate().map(bound);
    Ok(residual.promised(Some(bounds.collect())))
}

/// How far singular values ascend, or are below zero, relative to the first: not at all.
pub(crate) fn order<T: Real>(sigma: View<'_, T>) -> Residual {
    let wrong = |b: usize| {
        let values = (0..sigma.rows()).filter_map(|i| sigma.get(b, i, 0));
        let values: Vec<f64> = values.map(|s| s.f64()).collect();
        let first = values.first().map_or(1.0, |s| s.abs());
        let steps = values.windows(2).map(|pair| pair[1] - pair[0]);
        let worst = steps.chain(values.iter().map(|s| -s)).fold(0.0, f64::max);
        if worst > 0.0 { worst / first } else { 0.0 }
    };
    let values: Vec<f64> = (0..sigma.count()).map(wrong).collect();
    let none = vec![0.0; values.len()];
    Residual::new("s ascends / s_1", Kind::Order, values).promised(Some(none))
}

/// What singular values do not count, relative to |A|.
pub(crate) fn cut<T: Real>(
    a: View<'_, T>,
    sigma: &Batch<T>,
    outcomes: &[Outcome],
) -> Result<Vec<f64>, Error> {
    let (k, tol) = (sigma.rows(), tol(&a));
    let cut = |(b, norm): (usize, f64)| {
        let rank = (outcomes[b].rank as usize).min(k);
        let squares = sigma.matrix(b)[rank..]
            .iter()
            .map(|s| (s.f64() / norm).powi(2));
        // These are off by tol each, themselves.
        let off = tol * ((k - rank) as f64).sqrt() + subnormal(&a, norm);
        if norm > 0.0 {
            squares.sum::<f64>().sqrt() + off
        } else {
            off
        }
    };
    Ok(norms(a)?.into_iter().enumerate().map(cut).collect())
}

/// What the bound of solutions, off by at most e = 8 tol (c |x| + (c |b - A x| + |b|) / s), leaves of the normal
/// equations: A' (b - A x) is what does not count of A' b, and A' A of the error, at most sigma_1^2 e; relative to
/// |A| (|A| |x| + |b|). `left` is |b - A x| / |b|.
pub(crate) fn normal_equations<T: Real>(
    [a, b, x]: [View<'_, T>; 3],
    sigma: &Batch<T>,
    outcomes: &[Outcome],
    left: &[f64],
) -> Result<Vec<f64>, Error> {
    let (tol, cut) = (tol(&a), cut(a, sigma, outcomes)?);
    let [a, b, x] = [norms(a)?, norms(b)?, norms(x)?];
    let bound = |at: usize| {
        let values = sigma.matrix(at);
        let rank = (outcomes[at].rank as usize).min(values.len());
        let size = a[at] * x[at] + b[at];
        if rank == 0 || size == 0.0 {
            return cut[at];
        }
        let (first, last) = (values[0].f64(), values[rank - 1].f64());
        let condition = first / last;
        let (ax, b) = (a[at] * x[at] / size, b[at] / size);
        let off = 8.0 * tol * (condition * ax + (condition * left[at] + 1.0) * b * a[at] / last);
        match cut[at] * b + (first / a[at]).powi(2) * off {
            // Something is beyond f64, and nothing can be said.
            bound if bound.is_nan() => f64::INFINITY,
            bound => bound,
        }
    };
    Ok((0..a.len()).map(bound).collect())
}

/// |A| of every matrix, in the Frobenius norm.
pub(crate) fn norms<T: Real>(a: View<'_, T>) -> Result<Vec<f64>, Error> {
    let batch = a.to_batch()?;
    let norm = |b: usize| {
        let entries = batch.matrix(b).iter().map(|x| x.f64());
        let largest = entries
            .clone()
            .fold(0.0f64, |largest, x| largest.max(x.abs()));
        if largest == 0.0 || largest.is_infinite() {
            return largest;
        }
        largest * entries.map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
    };
    Ok((0..batch.count()).map(norm).collect())
}
