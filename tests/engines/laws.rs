//! Laws that hold for every matrix, tried on random ones of random shape, rank and scale; what fails is made
//! smaller before it is shown.

use batched_svd::{
    Batch, Batched, Cutoff, Engine, Error, Options, Real, Report, Subspace, View, ragged,
};
use nalgebra::DMatrix;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::common::bounds::{Outcome, at_most, check_conditions, ensure, in_f64, tol, unit};
use crate::common::matrices::{integers, normal, scaled};
use crate::common::reference::{dense, singular_values};

fn wrong(e: Error) -> String {
    e.to_string()
}

/// Some matrices of one shape.
#[derive(Clone, Debug)]
struct Case {
    shape: (usize, usize),
    rank: usize,
    /// They are multiplied by 2^power.
    power: i32,
    seed: u64,
}

/// Of every kernel; few, as each is compiled anew on a GPU.
const SHAPES: &[(usize, usize)] = &[
    (1, 1),
    (2, 2),
    (2, 3),
    (7, 6),
    (6, 7),
    (8, 8),
    (5, 90),
    (40, 33),
];

const COUNT: usize = 3;

impl Case {
    fn any() -> impl Strategy<Value = Case> {
        (
            select(SHAPES),
            0usize..9,
            select(&[0, -20, 20][..]),
            0u64..1000,
        )
            .prop_map(|(shape, missing, power, seed)| Case {
                shape,
                // Full rank is the most frequent.
                rank: shape
                    .0
                    .min(shape.1)
                    .saturating_sub(missing.saturating_sub(4)),
                power,
                seed,
            })
    }

    fn matrices<T: Real>(&self) -> Batch<T> {
        let ((m, n), rank) = (self.shape, self.rank);
        let a = match rank == m.min(n) {
            true => normal(COUNT, m, n, self.seed),
            false => integers(COUNT, m, n, rank, self.seed),
        };
        scaled(&a, self.power)
    }
}

fn hold<V: std::fmt::Debug>(
    cases: u32,
    values: impl Strategy<Value = V>,
    law: impl Fn(V) -> Outcome,
) -> Outcome {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng)
        .run(&values, |value| law(value).map_err(TestCaseError::fail))
        .map_err(|e| e.to_string())
}

/// Largest and smallest of the singular values that count, and those that do not.
fn ends(sigma: &[f64], rank: usize) -> (f64, f64, &[f64]) {
    match rank {
        0 => (1.0, 1.0, sigma),
        _ => (sigma[0], sigma[rank - 1], &sigma[rank..]),
    }
}

/// Pseudoinverses: of the transpose, of the pseudoinverse, of multiples.
pub fn inverses<T: Real>(engine: &Engine, cases: u32) -> Outcome {
    hold(cases, Case::any(), |case| {
        let (m, n) = case.shape;
        let a = case.matrices::<T>();
        let pinv = |a: View<'_, T>| engine.pinv(a).run().map_err(wrong);
        let x = pinv(a.view())?;
        check_conditions(&a, &x)?;
        let turned = pinv(a.view().transpose())?;
        let back = pinv(x.inverse.view())?;
        let tripled = Batch::from_fn(COUNT, m, n, |b, i, j| {
            T::of(-3.0 * a.matrix(b)[j * m + i].f64())
        });
        let tripled = pinv(tripled.map_err(wrong)?.view())?;
        let doubled = pinv(scaled(&a, 7).view())?;
        ensure(doubled.inverse == scaled(&x.inverse, -7), || {
            "a power of two leaves a trace".into()
        })?;
        for b in 0..COUNT {
            let sigma = singular_values(&in_f64(a.matrix(b)), m, n)?;
            let rank = x.report.outcomes[b].rank as usize;
            let ranks = [&turned, &back, &tripled].map(|x| x.report.outcomes[b].rank as usize);
            ensure(ranks == [rank; 3], || {
                format!("ranks {ranks:?}, not {rank}")
            })?;
            let (largest, smallest, _) = ends(&sigma, rank);
            let condition = largest / smallest;
            let bound = 16.0 * tol::<T>(m, n) * condition * condition;
            let [inverse, own] = [dense(&x.inverse, b), dense(&a, b)];
            let distance = (dense(&turned.inverse, b).transpose() - &inverse).norm();
            at_most("pinv of A'", distance * smallest, bound)?;
            let distance = (dense(&back.inverse, b) - &own).norm();
            at_most("pinv of pinv", distance / largest, bound)?;
            let distance = (dense(&tripled.inverse, b) * -3.0 - &inverse).norm();
            at_most("pinv of -3 A", distance * smallest, bound)?;
        }
        Ok(())
    })
}

/// Projectors: symmetric, idempotent, and with their complements all there is.
pub fn projectors<T: Real>(engine: &Engine, cases: u32) -> Outcome {
    let pairs = [
        [Subspace::ColumnSpace, Subspace::LeftNullSpace],
        [Subspace::RowSpace, Subspace::NullSpace],
    ];
    hold(
        cases,
        (Case::any(), select(pairs.to_vec())),
        |(case, pair)| {
            let (m, n) = case.shape;
            let a = case.matrices::<T>();
            let project = |onto| engine.projector(&a, onto).run().map_err(wrong);
            let [space, complement] = [project(pair[0])?, project(pair[1])?];
            for b in 0..COUNT {
                let rank = space.report.outcomes[b].rank as usize;
                let bound = (rank + 4) as f64 * tol::<T>(m, n);
                let [p, q] = [&space, &complement].map(|found| dense(&found.projector, b));
                let size = p.nrows();
                for p in [&p, &q] {
                    ensure(p == &p.transpose(), || "not symmetric".into())?;
                    at_most("|PP-P|", (p * p - p).norm(), bound)?;
                }
                let all = &p + &q - DMatrix::identity(size, size);
                at_most("P + Q - I", all.norm(), 2.0 * unit::<T>() * size as f64)?;
                at_most(
                    "P Q",
                    (&p * &q).norm(),
                    bound + 4.0 * unit::<T>() * size as f64,
                )?;
            }
            Ok(())
        },
    )
}

/// Least squares: the normal equations, the shortest solution, the singular values and what is left.
pub fn solutions<T: Real>(engine: &Engine, cases: u32) -> Outcome {
    hold(cases, (Case::any(), 1usize..4), |(case, sides)| {
        let (m, n) = case.shape;
        let a = case.matrices::<T>();
        let b = normal::<T>(COUNT, m, sides, case.seed + 1);
        let fit = engine
            .lstsq(&a, &b)
            .singular_values(true)
            .run()
            .map_err(wrong)?;
        let plain = engine.lstsq(&a, &b).run().map_err(wrong)?;
        ensure(
            plain.solution == fit.solution && plain.sigma.is_none(),
            || "singular values change the solution".into(),
        )?;
        let values = engine.singular_values(&a).run().map_err(wrong)?;
        let null = engine.basis(&a, Subspace::NullSpace).run().map_err(wrong)?;
        let left = batched_svd::verify::residuals(&a, &fit.solution, &b).map_err(wrong)?;
        let found = fit.sigma.ok_or("no singular values")?;
        for index in 0..COUNT {
            let sigma = in_f64(found.matrix(index));
            let tol = tol::<T>(m, n);
            let others = in_f64(values.sigma.matrix(index));
            for (x, y) in sigma.iter().zip(&others) {
                at_most(
                    "sigma of lstsq and of svd",
                    (x - y).abs(),
                    2.0 * tol * others[0],
                )?;
            }
            let rank = fit.report.outcomes[index].rank as usize;
            let (largest, smallest, _) = ends(&sigma, rank);
            let [own, x, b] = [&a, &fit.solution, &b].map(|batch| dense(batch, index));
            let rest = &b - &own * &x;
            let size = own.norm() * (own.norm() * x.norm() + b.norm());
            let cut = if rank == m.min(n) {
                0.0
            } else {
                2.0 * unit::<T>() * m.max(n) as f64
            };
            at_most(
                "A'(b - A x)",
                (own.transpose() * &rest).norm(),
                (tol + cut) * size,
            )?;
            for (column, found) in rest.column_iter().zip(left.matrix(index)) {
                let rounding = 64.0 * unit::<f64>() * (own.norm() * x.norm() + b.norm());
                at_most("residual", (column.norm() - found).abs(), rounding)?;
            }
            // Whatever is added of the null space makes it longer.
            let condition = largest / smallest;
            let basis = dense(&null.vectors, index);
            let along = basis.transpose() * &x;
            let scale = condition * x.norm() + (condition * rest.norm() + b.norm()) / smallest;
            at_most("a part in the null space", along.norm(), 8.0 * tol * scale)?;
        }
        Ok(())
    })
}

/// What an approximation leaves is what does not count (Eckart and Young), formed and as factors.
pub fn approximations<T: Real>(engine: &Engine, cases: u32) -> Outcome {
    hold(cases, (Case::any(), 0usize..9), |(case, rank)| {
        let (m, n) = case.shape;
        let a = case.matrices::<T>();
        let rank = rank.min(m.min(n));
        let options = Options::default().cutoff(Cutoff::rank(rank));
        let low = engine.low_rank(&a).options(&options).run().map_err(wrong)?;
        let factors = engine
            .low_rank_factors(&a)
            .options(&options)
            .run()
            .map_err(wrong)?;
        let ranks = low.report.outcomes.iter().map(|o| o.rank as usize);
        let most = ranks.max().unwrap_or(0);
        let shapes = [&factors.left, &factors.right].map(|x| (x.rows(), x.cols()));
        ensure(shapes == [(m, most), (n, most)], || format!("{shapes:?}"))?;
        for b in 0..COUNT {
            let own = dense(&a, b);
            let sigma = singular_values(own.as_slice(), m, n)?;
            let rank = low.report.outcomes[b].rank as usize;
            let (_, _, rest) = ends(&sigma, rank);
            let best = rest.iter().map(|s| s * s).sum::<f64>().sqrt();
            let slack = 4.0 * tol::<T>(m, n) * own.norm();
            let product = dense(&factors.left, b) * dense(&factors.right, b).transpose();
            for found in [dense(&low.approximation, b), product] {
                at_most("the error", ((&own - found).norm() - best).abs(), slack)?;
            }
            let padding = |x: &Batch<T>, rows: usize| {
                x.matrix(b)[rows * rank..].iter().all(|x| *x == T::ZERO)
            };
            ensure(
                padding(&factors.left, m) && padding(&factors.right, n),
                || "padding".into(),
            )?;
        }
        let refused = engine
            .low_rank(&a)
            .options(&Options::default().cutoff(Cutoff::rank(m.min(n) + 1)))
            .run();
        let named = matches!(&refused, Err(Error::Argument(text)) if text.contains("rank"));
        ensure(named, || format!("{refused:?}"))
    })
}

/// In one call, or one by one: the same bits, in the order of the batches.
pub fn together<T: Real>(engine: &Engine, cases: u32) -> Outcome {
    let options = Options::default();
    hold(cases, prop::collection::vec(Case::any(), 0..5), |cases| {
        let batches: Vec<Batch<T>> = cases.iter().map(Case::matrices).collect();
        let sides: Vec<Batch<T>> = cases
            .iter()
            .map(|case| normal(COUNT, case.shape.0, 1, case.seed))
            .collect();
        let [a, b] = [&batches, &sides].map(|x| x.iter().map(View::from).collect::<Vec<_>>());
        /// Compares what is shown, which has all numbers and ranks.
        fn same<'v, T: Real, R: Batched>(
            a: &[View<'v, T>],
            call: impl Fn(View<'_, T>, &Options) -> Result<R, Error>,
            parts: impl Fn(&R) -> (Vec<Vec<T>>, &Report),
        ) -> Outcome {
            let options = Options::default();
            let found =
                ragged([a], &options, |[a], group| call(a, group.options())).map_err(wrong)?;
            ensure(found.len() == a.len(), || {
                format!("{} results", found.len())
            })?;
            for (at, (found, a)) in found.iter().zip(a).enumerate() {
                let alone = call(*a, &options).map_err(wrong)?;
                let ((x, found), (y, alone)) = (parts(found), parts(&alone));
                ensure(x == y && found.outcomes == alone.outcomes, || {
                    format!("batch {at}, {a:?}")
                })?;
            }
            Ok(())
        }
        let all = |list: &[&Batch<T>]| list.iter().map(|x| x.as_slice().to_vec()).collect();
        same(
            &a,
            |a, o| engine.svd(a).options(o).run(),
            |x| (all(&[&x.u, &x.sigma, &x.v]), &x.report),
        )?;
        same(
            &a,
            |a, o| engine.pinv(a).options(o).run(),
            |x| (all(&[&x.inverse]), &x.report),
        )?;
        same(
            &a,
            |a, o| engine.basis(a, Subspace::NullSpace).options(o).run(),
            |x| (all(&[&x.vectors]), &x.report),
        )?;
        same(
            &a,
            |a, o| engine.polar(a).options(o).run(),
            |x| (all(&[&x.orthogonal, &x.stretch]), &x.report),
        )?;
        let fits = ragged([&a, &b], &options, |[a, b], group| {
            engine.lstsq(a, b).options(group.options()).run()
        })
        .map_err(wrong)?;
        for ((fit, a), b) in fits.iter().zip(&a).zip(&b) {
            let alone = engine
                .lstsq(*a, *b)
                .options(&options)
                .run()
                .map_err(wrong)?;
            ensure(fit.solution == alone.solution, || "lstsq".into())?;
        }
        Ok(())
    })
}

/// Of a V that is nearly right, or of any: the same subspaces and singular values as without.
pub fn warm<T: Real>(engine: &Engine, cases: u32) -> Outcome {
    hold(cases, (Case::any(), 0u64..100), |(case, seed)| {
        let (m, n) = case.shape;
        let a = case.matrices::<T>();
        let cold = engine.svd(&a).run().map_err(wrong)?;
        // Near for even seeds, anything for odd ones.
        let v = match seed % 2 {
            0 => {
                let shift = normal::<T>(COUNT, m, n, seed);
                let near = Batch::from_fn(COUNT, m, n, |b, i, j| {
                    let at = j * m + i;
                    T::of(a.matrix(b)[at].f64() * (1.0 + 1e-3 * shift.matrix(b)[at].f64()))
                });
                let near = near.map_err(wrong)?;
                engine.svd(&near).run().map_err(wrong)?.v
            }
            _ => normal(COUNT, n, m.min(n), seed),
        };
        let warm = engine.svd(&a).warm(&v).run().map_err(wrong)?;
        let tol = tol::<T>(m, n);
        for b in 0..COUNT {
            let [(u, sigma, v), (cold_u, cold_sigma, cold_v)] = [&warm, &cold].map(|svd| {
                let sigma = in_f64(svd.sigma.matrix(b));
                (dense(&svd.u, b), sigma, dense(&svd.v, b))
            });
            let outcomes = [&warm, &cold].map(|svd| svd.report.outcomes[b]);
            ensure(outcomes[0].rank == outcomes[1].rank, || {
                format!("{outcomes:?}")
            })?;
            for (x, y) in sigma.iter().zip(&cold_sigma) {
                at_most("warm less cold", (x - y).abs(), 2.0 * tol * cold_sigma[0])?;
            }
            let product = |u: &DMatrix<f64>, sigma: &[f64], v: &DMatrix<f64>| {
                let weights = DMatrix::from_diagonal(&sigma.to_vec().into());
                u * weights * v.transpose()
            };
            let both = [
                product(&u, &sigma, &v),
                product(&cold_u, &cold_sigma, &cold_v),
            ];
            let distance = (&both[0] - &both[1]).norm();
            at_most("U S V'", distance, 2.0 * tol * dense(&a, b).norm())?;
            for (name, factor) in [("U", &u), ("V", &v)] {
                let k = factor.ncols();
                let loss = factor.transpose() * factor - DMatrix::identity(k, k);
                at_most(name, loss.amax(), tol)?;
            }
        }
        Ok(())
    })
}
