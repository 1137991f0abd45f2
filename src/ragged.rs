//! Matrices of different shapes in one call: grouped by shape, a call a group, results in the caller's order.

use std::collections::HashMap;
use std::sync::Arc;

use crate::data::batch::Batch;
use crate::data::batched::Batched;
use crate::data::error::Error;
use crate::data::options::{Options, PerMatrix};
use crate::data::outcome::Status;
use crate::data::scalar::Scalar;
use crate::data::view::View;

/// The matrices of one call of [`ragged`](fn@ragged): those of one shape.
#[derive(Clone, Debug)]
pub struct Group {
    options: Options,
    /// Where the matrices are among all.
    matrices: Vec<usize>,
    /// How many there are in all.
    count: usize,
}

impl Group {
    /// Returns the options of this call. What they have for every matrix is that of these matrices.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the numbers of these matrices, in their order, from the numbers of all.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are more or fewer numbers than matrices.
    pub fn of(&self, all: impl Into<PerMatrix>) -> Result<PerMatrix, Error> {
        let all = all.into();
        match all.each() {
            Some(each) if each.len() != self.count => Err(Error::argument(format!(
                "{} numbers for {} matrices",
                each.len(),
                self.count
            ))),
            _ => Ok(all.of_some(&self.matrices)),
        }
    }
}

/// Some call on batches of different shapes: `lists` has the batches (of one matrix each, or of any number), and
/// where the call takes more than one batch, such as right-hand sides, a list of each. Batches of one shape are
/// put together, and `call` is made once for every shape; the results are those of each batch alone, bit for bit,
/// in the order of the lists.
///
/// What `options` have for every matrix (cutoffs) is in the order of the matrices, over all batches: `call` takes the part
/// of its matrices from [`Group::options`]. Other numbers for every matrix, such as a damping, are in the same order, and
/// `call` takes its part of them from [`Group::of`]. In the same order are the indices of [`Error::Strict`] and what is told
/// of progress. A cutoff by [rank](crate::Cutoff::rank) means all of a matrix that has no more. Of the operations that a
/// report counts, and of seconds, everyone gets a share by the number of matrices.
///
/// ```
/// use batched_svd::{Batch, Engine, Options, View, ragged};
///
/// let engine = Engine::cpu();
/// let tiles = [(2, 3), (4, 4), (2, 3)].map(|(m, n)| Batch::from_fn(1, m, n, |_, i, j| (i + j) as f32).unwrap());
/// let tiles: Vec<View<f32>> = tiles.iter().map(View::from).collect();
/// let inverses = ragged([&tiles], &Options::default(), |[a], group| {
///     engine.pinv(a).options(group.options()).run()
/// })?;
/// assert_eq!((inverses[1].inverse.rows(), inverses[2].inverse.rows()), (4, 3));
///
/// // A damping for each matrix.
/// let lambdas = [0.1, 0.2, 0.3];
/// let damped = ragged([&tiles], &Options::default(), |[a], group| {
///     engine.pinv(a).options(group.options()).damping(group.of(&lambdas[..])?).run()
/// })?;
/// # let _ = damped;
///
/// // Right-hand sides are a second list.
/// let sides = [2, 4, 2].map(|m| Batch::from_fn(1, m, 1, |_, i, _| i as f32).unwrap());
/// let sides: Vec<View<f32>> = sides.iter().map(View::from).collect();
/// let fits = ragged([&tiles, &sides], &Options::default(), |[a, b], group| {
///     engine.lstsq(a, b).options(group.options()).run()
/// })?;
/// assert_eq!(fits[0].solution.rows(), 3);
/// # Ok::<(), batched_svd::Error>(())
/// ```
///
/// A call in the closure has only the options that the closure gives it: `.options(group.options())`, first, and what it
/// adds after that.
///
/// # Errors
/// Those of the call; [`Error::Argument`] if the lists have different numbers of batches, or the batches different
/// numbers of matrices.
pub fn ragged<T: Scalar, R: Batched, const N: usize>(
    lists: [&[View<'_, T>]; N],
    options: &Options,
    mut call: impl FnMut([View<'_, T>; N], &Group) -> Result<R, Error>,
) -> Result<Vec<R>, Error> {
    let call = async |batches: [View<'_, T>; N], group: &Group| call(batches, group);
    pollster::block_on(ragged_async(lists, options, call))
}

/// Does the same as [`ragged`](fn@ragged) for async calls, one after the other.
///
/// # Errors
/// As [`ragged`](fn@ragged).
pub async fn ragged_async<T: Scalar, R: Batched, const N: usize>(
    lists: [&[View<'_, T>]; N],
    options: &Options,
    mut call: impl AsyncFnMut([View<'_, T>; N], &Group) -> Result<R, Error>,
) -> Result<Vec<R>, Error> {
    let (groups, count) = groups(lists)?;
    options.check(count, usize::MAX)?;
    let len = lists.first().map_or(0, |list| list.len());
    let mut results: Vec<Option<R>> = (0..len).map(|_| None).collect();
    let mut failures: Vec<(usize, Status)> = Vec::new();
    let mut done = 0;
    for group in &groups {
        let mut options = options.of_some(&group.matrices);
        if let Some(progress) = options.progress.take() {
            let before = done;
            options.progress = Some(Arc::new(move |done, _| progress(before + done, count)));
        }
        let mut joined = Vec::new();
        for list in lists {
            let batches: Vec<View<'_, T>> = group.batches.iter().map(|&at| list[at]).collect();
            joined.push(match batches[..] {
                [_] => None,
                _ => Some(Batch::concat(&batches)?),
            });
        }
        let first = group.batches[0];
        let views = std::array::from_fn(|at| match &joined[at] {
            Some(batch) => batch.view(),
            None => lists[at][first],
        });
        let own = Group {
            options,
            matrices: group.matrices.clone(),
            count,
        };
        match call(views, &own).await {
            Ok(found) => {
                let parts = found.split(&group.counts)?;
                if parts.len() != group.counts.len() {
                    return Err(Error::argument(format!(
                        "results were split into {} parts, but {} batches wait for theirs",
                        parts.len(),
                        group.counts.len()
                    )));
                }
                for (&at, part) in group.batches.iter().zip(parts) {
                    results[at] = Some(part);
                }
            }
            Err(Error::Strict(found)) => {
                for (at, status) in found {
                    let own = group.matrices.get(at).ok_or_else(|| {
                        Error::argument(format!(
                            "the call says that matrix {at} failed, but it was given {}",
                            group.matrices.len()
                        ))
                    })?;
                    failures.push((*own, status));
                }
            }
            Err(error) => return Err(error),
        }
        done += group.matrices.len();
    }
    if !failures.is_empty() {
        failures.sort_unstable_by_key(|(index, _)| *index);
        return Err(Error::Strict(failures));
    }
    Ok(results.into_iter().flatten().collect())
}

/// Batches of one shape.
struct OneShape {
    /// Where they are in the lists.
    batches: Vec<usize>,
    /// The matrices of each.
    counts: Vec<usize>,
    /// Where those are among all.
    matrices: Vec<usize>,
}

/// Groups in the order in which their shapes turn up, and the number of all matrices.
fn groups<T: Scalar, const N: usize>(
    lists: [&[View<'_, T>]; N],
) -> Result<(Vec<OneShape>, usize), Error> {
    let mut groups: Vec<OneShape> = Vec::new();
    let mut known: HashMap<[[usize; 2]; N], usize> = HashMap::new();
    let mut first = 0usize;
    let Some(list) = lists.first() else {
        return Ok((groups, 0));
    };
    if let Some(other) = lists.iter().find(|other| other.len() != list.len()) {
        return Err(Error::argument(format!(
            "lists of {} and {} batches, but each has one that belongs to one of the other",
            list.len(),
            other.len()
        )));
    }
    for at in 0..list.len() {
        let count = list[at].count();
        if let Some(other) = lists.iter().find(|list| list[at].count() != count) {
            return Err(Error::argument(format!(
                "batches {at} of two lists have {count} and {} matrices, but those of one belong to those of the other",
                other[at].count()
            )));
        }
        let shape = lists.map(|list| [list[at].rows(), list[at].cols()]);
        let index = *known.entry(shape).or_insert_with(|| {
            groups.push(OneShape {
                batches: Vec::new(),
                counts: Vec::new(),
                matrices: Vec::new(),
            });
            groups.len() - 1
        });
        let group = &mut groups[index];
        group.batches.push(at);
        group.counts.push(count);
        let end = first
            .checked_add(count)
            .ok_or_else(|| Error::argument(format!("more than {} matrices in all", usize::MAX)))?;
        let no_memory = |_| Error::Memory {
            bytes: count as u128 * size_of::<usize>() as u128,
        };
        group.matrices.try_reserve(count).map_err(no_memory)?;
        group.matrices.extend(first..end);
        first = end;
    }
    Ok((groups, first))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Cutoff, Engine, Report};

    fn batches() -> Vec<Batch<f64>> {
        [(1, 3, 2), (2, 2, 2), (0, 3, 2), (3, 3, 2), (1, 2, 2)]
            .into_iter()
            .enumerate()
            .map(|(at, (count, m, n))| {
                let entry = |b, i, j| ((at + 3 * b + 5 * i + 7 * j * j) as f64).sin();
                Batch::from_fn(count, m, n, entry).unwrap()
            })
            .collect()
    }

    #[test]
    fn results_come_in_the_order_of_the_batches() {
        let (engine, options) = (Engine::cpu(), Options::default());
        let batches = batches();
        let views: Vec<_> = batches.iter().map(View::from).collect();
        let mut calls = 0;
        let found = ragged([&views], &options, |[a], group| {
            calls += 1;
            engine.svd(a).options(group.options()).run()
        });
        assert_eq!(calls, 2);
        let found = found.unwrap();
        assert_eq!(found.len(), 5);
        for (batch, found) in batches.iter().zip(&found) {
            let alone = engine.svd(batch).options(&options).run().unwrap();
            assert_eq!((&alone.u, &alone.sigma), (&found.u, &found.sigma));
            assert_eq!(alone.report.outcomes, found.report.outcomes);
        }
        let flops: f64 = found.iter().map(|svd| svd.report.flops).sum();
        assert!(flops > 0.0);
    }

    #[test]
    fn options_of_every_matrix_follow_it() {
        let engine = Engine::cpu();
        let batches = batches();
        let views: Vec<_> = batches.iter().map(View::from).collect();
        let lambdas: Vec<f64> = (1..8).map(f64::from).collect();
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = told.clone();
        let options = Options::default()
            .cutoff(Cutoff::rank(2))
            .progress(Arc::new(move |done, all| {
                teller.lock().unwrap().push((done, all));
            }));
        let damped = |options: &Options, lambdas: &[f64]| {
            ragged([&views], options, |[a], group| {
                let call = engine.pinv(a).options(group.options());
                call.damping(group.of(lambdas)?).run()
            })
        };
        let found = damped(&options, &lambdas).unwrap();
        let mut first = 0;
        for (batch, found) in batches.iter().zip(&found) {
            let own = &lambdas[first..first + batch.count()];
            first += batch.count();
            let alone = engine.pinv(batch).damping(own).run().unwrap();
            assert_eq!(alone.inverse, found.inverse);
        }
        assert!(told.lock().unwrap().contains(&(7, 7)));
        for wrong in [6, 8] {
            let error = damped(&Options::default(), &vec![1.0; wrong]);
            assert!(matches!(error, Err(Error::Argument(text)) if text.contains('7')));
        }
        let short = Options::default().cutoff(Cutoff::relative(vec![1.0; 6]));
        let error = damped(&short, &lambdas);
        assert!(matches!(error, Err(Error::Argument(text)) if text.contains('7')));
    }

    #[test]
    fn strictness_tells_the_callers_indices() {
        let engine = Engine::cpu();
        let mut batches = batches();
        batches[1].as_mut_slice()[5] = f64::NAN; // of all, matrix 2
        batches[3].as_mut_slice()[0] = f64::INFINITY; // matrix 3
        let views: Vec<_> = batches.iter().map(View::from).collect();
        let options = Options::default().strict(true);
        let error = ragged([&views], &options, |[a], group| {
            engine.pinv(a).options(group.options()).run()
        })
        .unwrap_err();
        let expected = [(2, Status::NonFinite), (3, Status::NonFinite)];
        assert_eq!(error, Error::Strict(expected.to_vec()));
    }

    #[test]
    fn lists_that_do_not_belong_together_are_errors() {
        let (engine, options) = (Engine::cpu(), Options::default());
        let batches = batches();
        let views: Vec<_> = batches.iter().map(View::from).collect();
        let call = |[a, b]: [View<'_, f64>; 2], group: &Group| {
            engine.lstsq(a, b).options(group.options()).run()
        };
        let error = ragged([&views, &views[1..]], &options, call).unwrap_err();
        assert!(error.to_string().contains("5 and 4"), "{error}");
        let error = ragged([&views[..1], &views[1..2]], &options, call).unwrap_err();
        assert!(error.to_string().contains("1 and 2"), "{error}");
        let none = ragged([&views[..0], &views[..0]], &options, call).unwrap();
        assert!(none.is_empty());
        assert!(
            Batch::<f32>::zeros(3, 1, 1)
                .unwrap()
                .split(&[1, 1])
                .is_err()
        );
        let endless = View::<f64>::col_major(&[], usize::MAX, 0, 0).unwrap();
        let error = ragged([&[endless, endless]], &options, |[a], group| {
            engine.pinv(a).options(group.options()).run()
        });
        assert!(matches!(
            error,
            Err(Error::Memory { .. } | Error::Argument(_))
        ));
        let huge = Batch::<f32>::zeros(1 << 20, usize::MAX >> 14, 0).unwrap();
        assert_eq!(huge.split(&[1, (1 << 20) - 1]).unwrap()[0].count(), 1);
    }

    #[test]
    fn a_rank_is_a_limit_whichever_list_has_the_matrices() {
        let engine = Engine::cpu();
        let batches = batches();
        let a: Vec<_> = batches.iter().map(View::from).collect();
        let sides: Vec<_> = (batches.iter())
            .map(|a| Batch::from_fn(a.count(), a.rows(), 1, |_, i, _| 1.0 + i as f64).unwrap())
            .collect();
        let b: Vec<_> = sides.iter().map(View::from).collect();
        let limited = Options::default().cutoff(Cutoff::rank(5));
        let found = ragged([&b, &a], &limited, |[b, a], group| {
            engine.lstsq(a, b).options(group.options()).run()
        })
        .unwrap();
        for (at, found) in found.iter().enumerate() {
            let alone = engine.lstsq(a[at], b[at]).run().unwrap();
            assert_eq!(found.solution, alone.solution);
        }
    }

    /// Gives back fewer parts than were asked for.
    struct Miser;

    impl Batched for Miser {
        fn split(self, _: &[usize]) -> Result<Vec<Self>, Error> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn calls_that_say_what_cannot_be_are_errors() {
        let options = Options::default();
        let batches = batches();
        let views: Vec<_> = batches.iter().map(View::from).collect();
        let missing = ragged([&views], &options, |_, _| Ok(Miser));
        assert!(matches!(missing, Err(Error::Argument(text)) if text.contains("0 parts")));
        let far = Error::Strict(vec![(99, Status::NonFinite)]);
        let far = ragged([&views], &options, |_, _| Err::<Report, _>(far.clone()));
        assert!(matches!(far, Err(Error::Argument(text)) if text.contains("99")));
    }
}
