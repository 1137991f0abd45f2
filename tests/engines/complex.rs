//! Complex matrices: the promised bounds against values with 200 digits (tests/fixtures/complex.json), the conventions, and
//! every operation.

use batched_svd::{
    Backend, Basis, Batch, Complex, Cutoff, Engine, Error, Options, Real, Scalar, Status, Subspace,
    Svd, View, ragged,
};
use nalgebra::DMatrix;
use rand::RngExt;

use crate::common::bounds::{Outcome, at_most, ensure, sigma_error, tol, unit};
use crate::common::matrices::rng;

type Wide = Complex<f64>;
pub(crate) type Dense = DMatrix<Wide>;

fn wrong(e: Error) -> String {
    e.to_string()
}

/// Complex types, and their numbers as those of f64.
pub trait Entry: Scalar {
    fn new(re: f64, im: f64) -> Self;
    fn real(number: f64) -> Self::Real;
    fn number(self) -> Wide;
}

macro_rules! entry {
    ($real:ident) => {
        impl Entry for Complex<$real> {
            fn new(re: f64, im: f64) -> Self {
                Complex {
                    re: re as $real,
                    im: im as $real,
                }
            }
            fn real(number: f64) -> $real {
                number as $real
            }
            fn number(self) -> Wide {
                Complex::new(self.re.into(), self.im.into())
            }
        }
    };
}

entry!(f32);
entry!(f64);

pub(crate) fn dense<T: Entry>(batch: &Batch<T>, index: usize) -> Dense {
    let entries = batch.matrix(index).iter().map(|x| x.number());
    Dense::from_iterator(batch.rows(), batch.cols(), entries)
}

pub(crate) fn numbers<R: Real>(batch: &Batch<R>, index: usize) -> Vec<f64> {
    batch.matrix(index).iter().map(|x| x.f64()).collect()
}

/// Random numbers of both parts between -1 and 1.
pub(crate) fn random<T: Entry>(count: usize, m: usize, n: usize, seed: u64) -> Batch<T> {
    let mut rng = rng(seed);
    let mut part = move || rng.random_range(-1.0..1.0);
    let entries = (0..count * m * n).map(|_| T::new(part(), part())).collect();
    Batch::from_col_major(count, m, n, entries).unwrap()
}

/// Matrices of every kind that takes another way through the kernels, ten kinds in turn.
fn mixed<T: Entry>(count: usize, m: usize, n: usize) -> Batch<T> {
    let plain = random::<T>(count, m, n, (m * 100 + n) as u64);
    let entry = |b: usize, i: usize, j: usize| {
        let x = plain[[b, i, j]].number();
        let y = match b % 10 {
            1 => x * 0.0,
            2 => x * 2f64.powi(-(6 * j.min(8) as i32)),
            3 => x * 2f64.powi(-(5 * i.min(8) as i32)),
            4 => {
                Complex::from_polar((1 + i + j) as f64, (i * j) as f64)
                    * f64::from(u8::from(i == j))
            }
            5 => plain[[b, i, 0]].number() * plain[[b, 0, j]].number(),
            6 => Complex::new(x.re, 0.0),
            7 => Complex::new(0.0, x.im),
            8 => x * 1e-30,
            9 => Complex::from_polar(1.0, (i * j) as f64 * std::f64::consts::TAU / n as f64),
            _ => x,
        };
        T::new(y.re, y.im)
    };
    Batch::from_fn(count, m, n, entry).unwrap()
}

pub(crate) fn bits<T: Entry>(entries: &[T]) -> Vec<[u64; 2]> {
    let numbers = entries.iter().map(|x| x.number());
    numbers.map(|x| [x.re.to_bits(), x.im.to_bits()]).collect()
}

/// x'y, of sums in pairs: those in f64 of long columns would have larger errors than the columns themselves.
fn dot(x: &[Wide], y: &[Wide]) -> Wide {
    if x.len() <= 8 {
        return x.iter().zip(y).map(|(x, y)| x.conj() * y).sum();
    }
    let ((x, x_rest), (y, y_rest)) = (x.split_at(x.len() / 2), y.split_at(x.len() / 2));
    dot(x, y) + dot(x_rest, y_rest)
}

/// The largest entry of X'X - I.
pub(crate) fn identity_off(x: &Dense) -> f64 {
    let (rows, columns) = (x.nrows(), x.ncols());
    let column = |j: usize| &x.as_slice()[j * rows..][..rows];
    let pairs = (0..columns).flat_map(|j| (0..=j).map(move |i| (i, j)));
    let off = pairs.map(|(i, j)| (dot(column(i), column(j)) - f64::from(u8::from(i == j))).norm());
    off.fold(0.0, |most, x| if x > most || x.is_nan() { x } else { most })
}

pub(crate) fn norm(x: &Dense) -> f64 {
    // The smallest squares would vanish.
    let sizes = x.iter().map(|x| x.norm());
    // A NaN must not hide behind a comparison.
    let largest = sizes.fold(
        0.0,
        |most: f64, x| if x > most || x.is_nan() { x } else { most },
    );
    match largest == 0.0 {
        true => 0.0,
        // By a real number: the square of a complex divisor may leave the range.
        false => largest * x.map(|x| x / largest).norm(),
    }
}

/// Holds a decomposition to the bounds and the conventions.
fn check<T: Entry>(what: &str, a: &Batch<T>, svd: &Svd<T>) -> Outcome {
    let (m, n) = (a.rows(), a.cols());
    let k = m.min(n);
    let tol = tol::<T::Real>(m, n);
    for b in 0..a.count() {
        let what = format!("{what}, {m}x{n}, matrix {b}");
        let status = svd.report.outcomes[b].status;
        ensure(status == Status::Converged, || format!("{what}: {status}"))?;
        let (a, u, v) = (dense(a, b), dense(&svd.u, b), dense(&svd.v, b));
        let sigma = numbers(&svd.sigma, b);
        ensure(sigma.windows(2).all(|s| s[0] >= s[1]), || {
            format!("{what}: {sigma:?}")
        })?;
        let mut weighted = u.columns(0, k).into_owned();
        for (mut column, &sigma) in weighted.column_iter_mut().zip(&sigma) {
            column *= Complex::from(sigma);
        }
        let residual = norm(&(&a - weighted * v.columns(0, k).adjoint()));
        at_most(
            &format!("{what}: residual"),
            residual,
            tol * norm(&a) + 1e-43,
        )?;
        at_most(&format!("{what}: U'U - I"), identity_off(&u), tol)?;
        at_most(&format!("{what}: V'V - I"), identity_off(&v), tol)?;
        for column in v.column_iter() {
            let largest = column.iter().fold(0.0, |most: f64, x| most.max(x.norm()));
            // What rounding puts on either side of the limit may lead.
            let sure = column
                .iter()
                .position(|x| x.norm() >= largest * (1.0 - 1.0 / 1024.0 + 4.0 * tol));
            let may = column
                .iter()
                .position(|x| x.norm() >= largest * (1.0 - 1.0 / 1024.0 - 4.0 * tol));
            let leads = |at: Option<usize>| {
                at.is_some_and(|at| column[at].im == 0.0 && column[at].re > 0.0)
            };
            ensure(leads(sure) || leads(may), || {
                format!("{what}: phase of {column}")
            })?;
        }
    }
    Ok(())
}

const SHAPES: &[(usize, usize)] = &[
    (1, 1),
    (1, 5),
    (6, 1),
    (2, 2),
    (3, 3),
    (4, 4),
    (5, 3),
    (3, 5),
    (5, 7),
    (10, 24),
    (20, 20),
    (100, 12),
    (600, 4),
    (70, 65),
];

/// More for the CPU: a GPU compiles kernels for each, and they take the paths of those above.
const MORE_SHAPES: &[(usize, usize)] = &[(8, 8), (9, 9), (24, 10), (16, 16), (33, 33), (12, 100)];

/// Bounds and conventions, thin and full, in lanes and alone; and bits that do not depend on neighbours.
pub fn shapes<T: Entry>(engine: &Engine) -> Outcome {
    let more = match engine.backend() {
        Backend::Gpu => &[],
        _ => MORE_SHAPES,
    };
    for &(m, n) in SHAPES.iter().chain(more) {
        // All kinds at least.
        let count = match m {
            500.. => 11,
            _ if m * n > 1000 => 11,
            _ => 50,
        };
        let a = mixed::<T>(count, m, n);
        let thin = engine.svd(&a).run().map_err(wrong)?;
        check("thin", &a, &thin)?;
        let full = engine.svd(&a).full(true).run().map_err(wrong)?;
        check("full", &a, &full)?;
        let values = engine.singular_values(&a).run().map_err(wrong)?;
        let scale = sigma_error::<T::Real>(m, n);
        for b in 0..count {
            let (found, beside) = (numbers(&values.sigma, b), numbers(&thin.sigma, b));
            for (x, y) in found.iter().zip(&beside) {
                at_most(
                    &format!("{m}x{n}, values"),
                    (x - y).abs(),
                    2.0 * scale * beside[0],
                )?;
            }
        }
        let pinv = engine.pinv(&a).run().map_err(wrong)?;
        let side = random::<T>(count, m, 2, 8);
        let solved = engine.lstsq(&a, &side).run().map_err(wrong)?;
        // All kinds; of a GPU, whose kernels have no lanes that matrices share, some.
        let kinds: &[usize] = match engine.backend() {
            Backend::Gpu => &[0, 1, 5, 9],
            _ => &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        };
        for &b in kinds.iter().chain([&(count - 1)]) {
            let part = |x: &Batch<T>| x.view().matrices(b..b + 1).unwrap().to_batch();
            let (one, side) = (part(&a).map_err(wrong)?, part(&side).map_err(wrong)?);
            let alone = engine.svd(&one).run().map_err(wrong)?;
            let whole = engine.svd(&one).full(true).run().map_err(wrong)?;
            let inverse = engine.pinv(&one).run().map_err(wrong)?;
            let solution = engine.lstsq(&one, &side).run().map_err(wrong)?;
            let pairs = [
                (alone.u.matrix(0), thin.u.matrix(b)),
                (alone.v.matrix(0), thin.v.matrix(b)),
                (whole.u.matrix(0), full.u.matrix(b)),
                (whole.v.matrix(0), full.v.matrix(b)),
                (inverse.inverse.matrix(0), pinv.inverse.matrix(b)),
                (solution.solution.matrix(0), solved.solution.matrix(b)),
            ];
            for (own, beside) in pairs {
                ensure(bits(own) == bits(beside), || {
                    format!("{m}x{n}: the bits of matrix {b} depend on its neighbours")
                })?;
            }
            ensure(alone.sigma.matrix(0) == thin.sigma.matrix(b), || {
                format!("{m}x{n}: sigma of matrix {b} depends on its neighbours")
            })?;
        }
    }
    Ok(())
}

/// One matrix; the entries are exact, and the singular values descend.
#[derive(serde::Deserialize)]
struct Fixture {
    name: String,
    rows: usize,
    cols: usize,
    a: Vec<[f64; 2]>,
    sigma: Vec<f64>,
}

/// Singular values with 200 digits. Those of graded columns are accurate one by one.
pub fn fixtures<T: Entry>(engine: &Engine) -> Outcome {
    let text = include_str!("../fixtures/complex.json");
    let list: Vec<Fixture> = serde_json::from_str(text).unwrap();
    for fixture in list {
        let (m, n) = (fixture.rows, fixture.cols);
        let entries: Vec<T> = fixture.a.iter().map(|&[re, im]| T::new(re, im)).collect();
        let a = Batch::from_row_major(1, m, n, &entries).map_err(wrong)?;
        let adjoint = Batch::from_fn(1, n, m, |_, i, j| {
            let x = a[[0, j, i]].number();
            T::new(x.re, -x.im)
        });
        for a in [a, adjoint.map_err(wrong)?] {
            let svd = engine.svd(&a).run().map_err(wrong)?;
            check(&fixture.name, &a, &svd)?;
            let bound = sigma_error::<T::Real>(m, n) * fixture.sigma[0];
            for (found, exact) in numbers(&svd.sigma, 0).iter().zip(&fixture.sigma) {
                at_most(&fixture.name, (found - exact).abs(), bound)?;
                if fixture.name == "graded-columns" {
                    // 4 k u cond(B), of a random B.
                    let relative = (found / exact - 1.0).abs();
                    at_most(
                        "graded columns",
                        relative,
                        4.0 * 6.0 * 8.0 * unit::<T::Real>(),
                    )?;
                }
            }
            let rank = fixture.sigma.iter().filter(|sigma| **sigma > bound).count();
            let found = svd.report.outcomes[0].rank as usize;
            ensure(found == rank, || {
                format!("{}: rank {found}, not {rank}", fixture.name)
            })?;
        }
    }
    Ok(())
}

/// A matrix that is not square and its adjoint have the same singular values, bit for bit, and a real matrix nearly those
/// that it has as a matrix of real type. A phase as a factor goes to U.
pub fn laws<T: Entry>(engine: &Engine) -> Outcome {
    for (m, n) in [(4, 4), (7, 5), (12, 12), (30, 18)] {
        let a = random::<T>(40, m, n, 9);
        let svd = engine.svd(&a).run().map_err(wrong)?;
        let adjoint = Batch::from_fn(40, n, m, |b, i, j| {
            let x = a[[b, j, i]].number();
            T::new(x.re, -x.im)
        });
        let mirrored = engine.svd(&adjoint.map_err(wrong)?).run().map_err(wrong)?;
        if m != n {
            ensure(svd.sigma == mirrored.sigma, || {
                format!("{m}x{n}: the adjoint differs")
            })?;
        }
        let scale = sigma_error::<T::Real>(m, n);
        let turned = Batch::from_fn(40, m, n, |b, i, j| {
            let x = a[[b, i, j]].number();
            T::new(-x.im, x.re)
        });
        let turned = engine.svd(&turned.map_err(wrong)?).run().map_err(wrong)?;
        let real = Batch::from_fn(40, m, n, |b, i, j| T::new(a[[b, i, j]].number().re, 0.0));
        let real = engine.svd(&real.map_err(wrong)?).run().map_err(wrong)?;
        let parts = Batch::from_fn(40, m, n, |b, i, j| T::real(a[[b, i, j]].number().re));
        let parts = engine.svd(&parts.map_err(wrong)?).run().map_err(wrong)?;
        for b in 0..40 {
            let pairs = [(&turned.sigma, &svd.sigma), (&real.sigma, &parts.sigma)];
            for (one, other) in pairs {
                let (one, other) = (numbers(one, b), numbers(other, b));
                for (x, y) in one.iter().zip(&other) {
                    at_most(
                        &format!("{m}x{n}, {b}"),
                        (x - y).abs(),
                        2.0 * scale * other[0],
                    )?;
                }
            }
            // The factor i is exact: it exchanges the parts.
            let sigma = numbers(&svd.sigma, b);
            let gaps = sigma.windows(2).map(|s| (s[0] - s[1]) / sigma[0]);
            let gap = gaps
                .chain([sigma[sigma.len() - 1] / sigma[0]])
                .fold(1.0, f64::min);
            let near = 64.0 * tol::<T::Real>(m, n) / gap;
            let (u, i_u) = (dense(&svd.u, b), dense(&turned.u, b));
            at_most(
                &format!("{m}x{n}, {b}: U"),
                (u * Wide::i() - i_u).norm(),
                near,
            )?;
            let (v, same_v) = (dense(&svd.v, b), dense(&turned.v, b));
            at_most(&format!("{m}x{n}, {b}: V"), (v - same_v).norm(), near)?;
            // Real entries have real vectors.
            let v = dense(&real.v, b);
            ensure(v.iter().all(|x| x.im == 0.0), || {
                format!("{m}x{n}: V is {v}")
            })?;
        }
    }
    Ok(())
}

/// A matrix that is not finite is reported, and no other is harmed; and so is one whose results overflow.
pub fn statuses<T: Entry>(engine: &Engine) -> Outcome {
    for (m, n) in [(3, 3), (5, 8), (20, 11)] {
        let mut a = random::<T>(30, m, n, 4);
        let plain = engine.svd(&a).run().map_err(wrong)?;
        a[[7, 1, 2]] = T::new(0.0, f64::NAN);
        a[[9, 2, 1]] = T::new(f64::INFINITY, 1.0);
        let svd = engine.svd(&a).run().map_err(wrong)?;
        for b in 0..30 {
            let bad = b == 7 || b == 9;
            let status = svd.report.outcomes[b].status;
            let expected = if bad {
                Status::NonFinite
            } else {
                Status::Converged
            };
            ensure(status == expected, || format!("matrix {b}: {status}"))?;
            let same = svd.u.matrix(b) == plain.u.matrix(b)
                && svd.v.matrix(b) == plain.v.matrix(b)
                && svd.sigma.matrix(b) == plain.sigma.matrix(b);
            ensure(bad || same, || format!("matrix {b} was harmed"))?;
            if bad {
                let all = svd
                    .u
                    .matrix(b)
                    .iter()
                    .chain(svd.v.matrix(b))
                    .map(|x| x.number());
                let nothing = all.fold(true, |all, x| all && x.re.is_nan() && x.im.is_nan());
                let nothing = nothing && numbers(&svd.sigma, b).iter().all(|x| x.is_nan());
                ensure(nothing, || format!("matrix {b} has numbers"))?;
            }
        }
        // The same of everything else that is delivered; and a NaN in one right-hand side is that one's alone.
        let full = engine.svd(&a).full(true).run().map_err(wrong)?;
        let inverse = engine.pinv(&a).run().map_err(wrong)?;
        for columns in [2, 17] {
            let mut side = random::<T>(30, m, columns, 3);
            side[[5, 0, 1]] = T::new(1.0, f64::NAN);
            let solved = engine.lstsq(&a, &side).run().map_err(wrong)?;
            for b in 0..30 {
                let bad = b == 7 || b == 9;
                let none = |entries: &[T]| {
                    let mut parts = entries.iter().flat_map(|x| [x.number().re, x.number().im]);
                    parts.all(f64::is_nan)
                };
                let whole = |entries: &[T]| {
                    let mut parts = entries.iter().flat_map(|x| [x.number().re, x.number().im]);
                    parts.all(f64::is_finite)
                };
                for entries in [
                    full.u.matrix(b),
                    full.v.matrix(b),
                    inverse.inverse.matrix(b),
                ] {
                    ensure(if bad { none(entries) } else { whole(entries) }, || {
                        format!("{m}x{n}: full or pinv of matrix {b}")
                    })?;
                }
                for (c, column) in solved.solution.matrix(b).chunks_exact(n).enumerate() {
                    let bad = bad || (b == 5 && c == 1);
                    ensure(if bad { none(column) } else { whole(column) }, || {
                        format!("{m}x{n}: solution {c} of {columns} of matrix {b}")
                    })?;
                }
                let expected = match bad || b == 5 {
                    true => Status::NonFinite,
                    false => Status::Converged,
                };
                ensure(solved.report.outcomes[b].status == expected, || {
                    format!("{m}x{n}: status of solution {b}")
                })?;
            }
        }
    }
    // Both parts of each entry are near the largest number: the singular value is beyond it.
    let most = match unit::<T::Real>() > 1e-10 {
        true => f64::from(f32::MAX),
        false => f64::MAX,
    };
    let far = Batch::from_fn(20, 3, 3, |b, _, _| match b {
        4 => T::new(0.9 * most, -0.9 * most),
        _ => T::new(1.0, b as f64),
    });
    let svd = engine.svd(&far.map_err(wrong)?).run().map_err(wrong)?;
    let failures: Vec<_> = svd.report.failures().collect();
    ensure(failures == [(4, Status::NotRepresentable)], || {
        format!("{failures:?}")
    })?;
    Ok(())
}

/// Compositions and solutions, against those of nalgebra.
pub fn operations<T: Entry>(engine: &Engine) -> Outcome {
    let u = unit::<T::Real>();
    for (m, n) in [(1, 1), (3, 3), (6, 4), (4, 6), (13, 13), (20, 9), (9, 20)] {
        let k = m.min(n);
        let a = random::<T>(20, m, n, (m + 31 * n) as u64);
        let b = random::<T>(20, m, 3, 77);
        let svd = engine.svd(&a).run().map_err(wrong)?;
        let pinv = engine.pinv(&a).run().map_err(wrong)?.inverse;
        let solved = engine.lstsq(&a, &b).run().map_err(wrong)?.solution;
        let refined = engine
            .lstsq(&a, &b)
            .refined(true)
            .run()
            .map_err(wrong)?
            .solution;
        // More than a kernel in registers solves for.
        let many = random::<T>(20, m, (n + 4).max(17), 78);
        let more = engine.lstsq(&a, &many).run().map_err(wrong)?.solution;
        let damped = engine
            .lstsq(&a, &b)
            .damping(0.3)
            .run()
            .map_err(wrong)?
            .solution;
        let damped_pinv = engine.pinv(&a).damping(0.3).run().map_err(wrong)?.inverse;
        let steady = engine.pinv(&a).damping_near_singular(1e9, 0.3);
        let steady = steady.run().map_err(wrong)?.inverse;
        let later = svd.solve(&b, &Cutoff::default(), 0.0).map_err(wrong)?;
        let later_pinv = svd.pinv(&Cutoff::default(), 0.0).map_err(wrong)?;
        let again = svd.reconstruct().map_err(wrong)?;
        let polar = engine.polar(&a).run().map_err(wrong)?;
        for at in 0..20 {
            let what = |name: &str| format!("{m}x{n}, {name}, matrix {at}");
            let (a, b) = (dense(&a, at), dense(&b, at));
            let sigma = numbers(&svd.sigma, at);
            let condition = sigma[0] / sigma[k - 1];
            let tol = 16.0 * tol::<T::Real>(m, n) * condition * condition;
            let exact = a.clone().svd(true, true).pseudo_inverse(1e-14).unwrap();
            let scale = exact.norm();
            let near = |name: &str, x: &Dense, y: &Dense, scale: f64| {
                at_most(&what(name), (x - y).norm(), tol * scale)
            };
            near("pinv", &dense(&pinv, at), &exact, scale)?;
            near("later pinv", &dense(&later_pinv, at), &exact, scale)?;
            let with = dense(&damped_pinv, at);
            near("near singular", &dense(&steady, at), &with, scale)?;
            let x = &exact * &b;
            for (name, found) in [("lstsq", &solved), ("refined", &refined), ("later", &later)] {
                near(name, &dense(found, at), &x, scale * b.norm())?;
            }
            let many = dense(&many, at);
            near(
                "more",
                &dense(&more, at),
                &(&exact * &many),
                scale * many.norm(),
            )?;
            let gram = a.adjoint() * &a + Dense::identity(n, n) * Complex::from(0.09);
            let inverse = gram.try_inverse().unwrap() * a.adjoint();
            near(
                "damped",
                &dense(&damped, at),
                &(&inverse * &b),
                scale * b.norm(),
            )?;
            near("damped pinv", &dense(&damped_pinv, at), &inverse, scale)?;
            at_most(
                &what("again"),
                (dense(&again, at) - &a).norm(),
                64.0 * u * (k as f64).sqrt() * a.norm(),
            )?;
            let (q, h) = (dense(&polar.orthogonal, at), dense(&polar.stretch, at));
            near("polar", &(&q * &h), &a, a.norm())?;
            ensure(h == h.adjoint(), || what("H is not Hermitian"))?;
            let short = if m >= n { q } else { q.adjoint() };
            at_most(&what("Q"), identity_off(&short), tol)?;
            let least = h.symmetric_eigenvalues().min();
            at_most(&what("H"), -least, tol * a.norm())?;
            // The four conditions, to 16 u c.
            let x = dense(&pinv, at);
            let (ax, xa) = (&a * &x, &x * &a);
            let bound = 16.0 * u * a.norm() * x.norm() / ax.norm();
            at_most(&what("A X A"), (&ax * &a - &a).norm(), bound * a.norm())?;
            at_most(&what("X A X"), (&x * &ax - &x).norm(), bound * x.norm())?;
            at_most(&what("A X"), (&ax - ax.adjoint()).norm(), bound * ax.norm())?;
            at_most(&what("X A"), (&xa - xa.adjoint()).norm(), bound * xa.norm())?;
        }
    }
    Ok(())
}

/// Truncation, subspaces, null vectors, components, whitening and shrinkage.
pub fn subspaces<T: Entry>(engine: &Engine) -> Outcome {
    let (m, n, r) = (9, 6, 3);
    let (left, right) = (random::<T>(20, m, r, 1), random::<T>(20, r, n, 2));
    let a = Batch::from_fn(20, m, n, |b, i, j| {
        let sum: Wide = (0..r)
            .map(|c| left[[b, i, c]].number() * right[[b, c, j]].number())
            .sum();
        T::new(sum.re, sum.im)
    });
    let a = a.map_err(wrong)?;
    let cutoff = Cutoff::relative(1e-4);
    let low = engine
        .low_rank(&a)
        .cutoff(cutoff.clone())
        .run()
        .map_err(wrong)?;
    let factors = engine
        .low_rank_factors(&a)
        .cutoff(cutoff.clone())
        .run()
        .map_err(wrong)?;
    let null = engine.null_vector(&a).run().map_err(wrong)?;
    let spaces = [
        Subspace::ColumnSpace,
        Subspace::RowSpace,
        Subspace::NullSpace,
        Subspace::LeftNullSpace,
    ];
    let projectors = spaces.map(|space| engine.projector(&a, space).cutoff(cutoff.clone()).run());
    let bases = spaces.map(|space| engine.basis(&a, space).cutoff(cutoff.clone()).run());
    let tol = 256.0 * unit::<T::Real>();
    for at in 0..20 {
        let own = dense(&a, at);
        let scale = own.norm();
        let what = |name: &str| format!("{name}, matrix {at}");
        at_most(
            &what("low rank"),
            (dense(&low.approximation, at) - &own).norm(),
            tol * scale,
        )?;
        let product = dense(&factors.left, at) * dense(&factors.right, at).adjoint();
        at_most(&what("factors"), (product - &own).norm(), tol * scale)?;
        let length = dense(&null.vector, at).norm();
        at_most(
            &what("length of the null vector"),
            (length - 1.0).abs(),
            tol,
        )?;
        at_most(
            &what("null vector"),
            (&own * dense(&null.vector, at)).norm(),
            tol * scale,
        )?;
        for ((projector, basis), space) in projectors.iter().zip(&bases).zip(spaces) {
            let projector = projector.as_ref().map_err(|e| e.to_string())?;
            let basis: &Basis<T> = basis.as_ref().map_err(|e| e.to_string())?;
            let p = dense(&projector.projector, at);
            let dimension = basis.dimensions[at];
            let expected = match space {
                Subspace::NullSpace => n - r,
                Subspace::LeftNullSpace => m - r,
                _ => r,
            };
            ensure(dimension == expected, || what("dimension"))?;
            let own_basis = dense(&basis.vectors, at).columns(0, dimension).into_owned();
            let product = &own_basis * own_basis.adjoint();
            at_most(&what("projector"), (&p - product).norm(), 16.0 * tol)?;
            ensure(p == p.adjoint(), || what("the projector is not Hermitian"))?;
            let kept = match space {
                Subspace::ColumnSpace => &p * &own - &own,
                Subspace::RowSpace => &own * &p - &own,
                Subspace::NullSpace => &own * &p,
                Subspace::LeftNullSpace => &p * &own,
            };
            at_most(&what("kept"), kept.norm(), 16.0 * tol * scale)?;
        }
    }
    // Of a wide matrix it comes from the full V.
    let wide = random::<T>(20, 3, 5, 4);
    let null = engine.null_vector(&wide).run().map_err(wrong)?;
    for at in 0..20 {
        let (own, x) = (dense(&wide, at), dense(&null.vector, at));
        at_most("wide null vector", (own * &x).norm(), tol)?;
        at_most("its length", (x.norm() - 1.0).abs(), tol)?;
        ensure(numbers(&null.length, at) == [0.0], || "length".into())?;
    }
    // Data of 200 samples, far from zero.
    let plain = random::<T>(5, 200, 4, 3);
    let data = Batch::from_fn(5, 200, 4, |b, i, j| {
        let x = plain[[b, i, j]].number() + Complex::new(3.0, -2.0 * j as f64);
        T::new(x.re, x.im)
    });
    let data = data.map_err(wrong)?;
    let white = engine.whitening(&data).run().map_err(wrong)?;
    let soft = engine.whitening(&data).epsilon(1e-6).run().map_err(wrong)?;
    let components = engine.principal_components(&data).run().map_err(wrong)?;
    let shrunk = engine.shrink(&plain).run().map_err(wrong)?;
    for at in 0..5 {
        let own = dense(&data, at);
        let mean = dense(&white.mean, at);
        let exact = Dense::from_fn(4, 1, |j, _| own.column(j).sum() / Complex::from(200.0));
        at_most("mean", (&mean - &exact).norm(), tol * own.norm())?;
        ensure(components.mean.matrix(at) == white.mean.matrix(at), || {
            "means".into()
        })?;
        let mean = exact;
        let centred = Dense::from_fn(200, 4, |i, j| own[(i, j)] - mean[j]);
        for (transform, tol) in [(&white.transform, 16.0 * tol), (&soft.transform, 1e-4)] {
            let w = dense(transform, at);
            ensure(w == w.adjoint(), || "W is not Hermitian".into())?;
            let x = &centred * w;
            let covariance = x.adjoint() * &x / Complex::from(199.0);
            at_most(
                "covariance",
                (covariance - Dense::identity(4, 4)).norm(),
                tol,
            )?;
        }
        let scores = dense(&components.scores, at);
        let product = &scores * dense(&components.components, at).adjoint();
        at_most("scores", (product - &centred).norm(), tol * own.norm())?;
        let deviations = numbers(&components.deviations, at);
        for (column, deviation) in scores.column_iter().zip(deviations) {
            at_most(
                "deviation",
                (column.norm() / 199f64.sqrt() - deviation).abs(),
                tol,
            )?;
        }
        // Uniform parts have a variance of 1/3 each: all is noise.
        let noise = shrunk.noise[at];
        at_most("noise", (noise - (2f64 / 3.0).sqrt()).abs(), 0.08)?;
    }
    Ok(())
}

/// Every way of calling gives the same bits; a warm start needs fewer sweeps.
pub fn ways<T: Entry>(engine: &Engine) -> Outcome {
    // Of the small ones several chunks, where those are small, of which the singular values must lie where bindings may
    // begin.
    for (count, m, n) in [
        (30, 6, 4),
        (30, 4, 7),
        (30, 18, 18),
        (150, 6, 3),
        (150, 3, 6),
    ] {
        let a = random::<T>(count, m, n, 5);
        let svd = engine.svd(&a).run().map_err(wrong)?;
        let same =
            |other: &Svd<T>| svd.u == other.u && svd.v == other.v && svd.sigma == other.sigma;
        // Row by row, and through a view with strides.
        let rows: Vec<T> = (0..count * m * n)
            .map(|at| a[[at / (m * n), at / n % m, at % n]])
            .collect();
        let by_rows = engine
            .svd(View::row_major(&rows, count, m, n).map_err(wrong)?)
            .run();
        ensure(same(&by_rows.map_err(wrong)?), || "rows".into())?;
        let padded = Batch::from_fn(count, m + 2, n + 1, |b, i, j| match i < m && j < n {
            true => a[[b, i, j]],
            false => T::new(f64::NAN, 1.0),
        });
        let padded = padded.map_err(wrong)?;
        let window = padded.view().submatrix(0..m, 0..n).map_err(wrong)?;
        let of_window = engine.svd(window).run().map_err(wrong)?;
        ensure(same(&of_window), || "window".into())?;
        let k = m.min(n);
        let (mut u, mut v) = (random::<T>(count, m, k, 1), random::<T>(count, n, k, 1));
        let mut sigma = Batch::<T::Real>::zeros(count, k, 1).map_err(wrong)?;
        let places = (&mut u, &mut sigma, &mut v);
        engine.svd(&a).run_into(places).map_err(wrong)?;
        ensure(u == svd.u && v == svd.v && sigma == svd.sigma, || {
            "into".into()
        })?;
        let lent = engine.upload(&a).map_err(wrong)?;
        let there = engine.svd(&lent).run_on_device().map_err(wrong)?;
        let (u, sigma) = (
            there.u.download().map_err(wrong)?,
            there.sigma.download().map_err(wrong)?,
        );
        let v = there.v.download().map_err(wrong)?;
        ensure(u == svd.u && v == svd.v && sigma == svd.sigma, || {
            "device".into()
        })?;
        // What is on the device is multiplied without being conjugated.
        let inverse = engine.pinv(&a).run().map_err(wrong)?.inverse;
        let there = engine.pinv(&lent).run_on_device().map_err(wrong)?.inverse;
        ensure(there.download().map_err(wrong)? == inverse, || {
            "pinv on the device".into()
        })?;
        let side = random::<T>(count, m, 3, 6);
        let solution = engine.lstsq(&a, &side).run().map_err(wrong)?.solution;
        let side = engine.upload(&side).map_err(wrong)?;
        let solved = engine.lstsq(&lent, &side).run_on_device();
        let solved = solved.map_err(wrong)?.solution;
        ensure(solved.download().map_err(wrong)? == solution, || {
            "lstsq on the device".into()
        })?;
        let product = engine.product(&lent, &there).map_err(wrong)?;
        let turned = engine.product(&there.transpose(), &lent.transpose());
        let product = product.download().map_err(wrong)?;
        let turned = turned.map_err(wrong)?.download().map_err(wrong)?;
        for b in 0..count {
            let (left, right) = (dense(&a, b), dense(&inverse, b));
            let (exact, scale) = (&left * &right, left.norm() * right.norm());
            let bound = 2.0 * (n as f64) * unit::<T::Real>() * scale;
            at_most("product", (dense(&product, b) - &exact).norm(), bound)?;
            let apart = (dense(&turned, b) - exact.transpose()).norm();
            at_most("product of transposes", apart, bound)?;
        }
        let parts: Vec<View<'_, T>> = [0..10, 10..count]
            .into_iter()
            .map(|part| a.view().matrices(part).unwrap())
            .collect();
        let options = Options::default();
        let parted = ragged([&parts], &options, |[a], group| {
            engine.svd(a).options(group.options()).run()
        });
        let parted = parted.map_err(wrong)?;
        ensure(
            parted[1].u.as_slice() == &svd.u.as_slice()[10 * m * k..],
            || "ragged".into(),
        )?;
        let later = pollster::block_on(engine.svd(&a).run_async()).map_err(wrong)?;
        ensure(same(&later), || "async".into())?;
        // A little further on.
        let moved = Batch::from_fn(count, m, n, |b, i, j| {
            let x = a[[b, i, j]].number() + Complex::new(1e-4 * i as f64, 1e-4 * j as f64);
            T::new(x.re, x.im)
        });
        let moved = moved.map_err(wrong)?;
        let warm = engine.svd(&moved).warm(&svd.v).run().map_err(wrong)?;
        check("warm", &moved, &warm)?;
        let cold = engine.svd(&moved).run().map_err(wrong)?;
        let sweeps = |svd: &Svd<T>| svd.report.outcomes.iter().map(|o| o.sweeps).sum::<u32>();
        ensure(sweeps(&warm) < sweeps(&cold), || {
            format!("{m}x{n}: {} sweeps, cold {}", sweeps(&warm), sweeps(&cold))
        })?;
    }
    Ok(())
}

/// The kernel that is taken, and what it finds.
pub fn kernel<T: Entry>(engine: &Engine, m: usize, n: usize, expected: &str) -> Outcome {
    // Enough to fill lanes.
    let a = random::<T>(40, m, n, 8);
    let svd = engine.svd(&a).run().map_err(wrong)?;
    ensure(svd.report.kernel == expected, || {
        format!("{m}x{n} ran as {}, not {expected}", svd.report.kernel)
    })?;
    check(expected, &a, &svd)
}
