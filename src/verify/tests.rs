//! The fast measures beside plain ones, one matrix at a time, one number after the other.

use super::*;
use crate::data::batch::Batch;
use crate::data::scalar::Real;
use crate::data::scalar::sealed::Float;

/// Numbers that look random, about one in size.
fn random(seed: usize) -> impl FnMut() -> f64 {
    let mut state = seed as u64 + 1;
    move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((state >> 11) as f64 / (1u64 << 52) as f64) - 1.0
    }
}

fn batch<T: Real>(count: usize, rows: usize, cols: usize, seed: usize) -> Batch<T> {
    let mut next = random(seed);
    Batch::from_fn(count, rows, cols, |_, _, _| T::of(next())).unwrap()
}

/// A number f 2^e, for sums that leave the range of f64.
#[derive(Clone, Copy, Debug)]
struct Wide(f64, i32);

impl Wide {
    fn of(x: f64) -> Self {
        Wide(x, 0).normal()
    }

    fn normal(self) -> Self {
        if self.0 == 0.0 || !self.0.is_finite() {
            return Wide(self.0, 0);
        }
        let e = self.0.exponent();
        Wide(self.0.ldexp(-e), self.1 + e)
    }

    fn times(self, other: Wide) -> Self {
        Wide(self.0 * other.0, self.1 + other.1).normal()
    }

    fn plus(self, other: Wide) -> Self {
        if self.0 == 0.0 {
            return other;
        }
        if other.0 == 0.0 {
            return self;
        }
        let top = self.1.max(other.1);
        let at = |x: Wide| x.0.ldexp((x.1 - top).max(-2000));
        Wide(at(self) + at(other), top).normal()
    }

    fn less(self, other: Wide) -> Self {
        self.plus(Wide(-other.0, other.1))
    }

    fn root(self) -> Self {
        match self.1 % 2 {
            0 => Wide(self.0.sqrt(), self.1 / 2).normal(),
            _ => Wide((2.0 * self.0).sqrt(), (self.1 - 1) / 2).normal(),
        }
    }

    fn over(self, other: Wide) -> f64 {
        if self.0 == 0.0 {
            return 0.0;
        }
        (self.0 / other.0).ldexp((self.1 - other.1).clamp(-3000, 3000))
    }

    fn f64(self) -> f64 {
        self.0.ldexp(self.1.clamp(-3000, 3000))
    }
}

#[derive(Clone)]
struct Plain {
    rows: usize,
    cols: usize,
    data: Vec<Wide>,
}

impl Plain {
    fn from(rows: usize, cols: usize, f: impl Fn(usize, usize) -> Wide) -> Self {
        let data = (0..rows * cols).map(|at| f(at % rows, at / rows)).collect();
        Plain { rows, cols, data }
    }

    fn of<T: Real>(view: View<'_, T>, b: usize) -> Self {
        Plain::from(view.rows(), view.cols(), |i, j| {
            Wide::of(view.get(b, i, j).unwrap().f64())
        })
    }

    fn at(&self, i: usize, j: usize) -> Wide {
        self.data[j * self.rows + i]
    }

    fn turned(&self) -> Self {
        Plain::from(self.cols, self.rows, |i, j| self.at(j, i))
    }

    fn times(&self, other: &Plain) -> Self {
        Plain::from(self.rows, other.cols, |i, j| {
            (0..self.cols).fold(Wide(0.0, 0), |sum, k| {
                sum.plus(self.at(i, k).times(other.at(k, j)))
            })
        })
    }

    fn less(&self, other: &Plain) -> Self {
        Plain::from(self.rows, self.cols, |i, j| {
            self.at(i, j).less(other.at(i, j))
        })
    }

    fn norm(&self) -> Wide {
        let squares = self.data.iter().map(|x| x.times(*x));
        squares.fold(Wide(0.0, 0), Wide::plus).root()
    }

    fn column(&self, j: usize) -> Plain {
        Plain::from(self.rows, 1, |i, _| self.at(i, j))
    }

    /// The exponents of the lengths of the columns.
    fn scales(&self) -> Vec<i32> {
        let lengths: Vec<Wide> = (0..self.cols).map(|j| self.column(j).norm()).collect();
        let counts = lengths.iter().filter(|x| x.0 > 0.0 && x.0.is_finite());
        let least = counts.map(|x| x.1).min().unwrap_or(0);
        let scale = |x: &Wide| {
            if x.0 > 0.0 && x.0.is_finite() {
                x.1
            } else {
                least
            }
        };
        lengths.iter().map(scale).collect()
    }

    fn by(&self, power: impl Fn(usize, usize) -> i32) -> Plain {
        Plain::from(self.rows, self.cols, |i, j| {
            let x = self.at(i, j);
            Wide(x.0, x.1 + power(i, j))
        })
    }
}

/// Four conditions, two condition numbers and the trace of X A.
fn plain_inverse(a: &Plain, x: &Plain) -> [f64; 7] {
    if a.rows < a.cols {
        let mut own = plain_inverse(&a.turned(), &x.turned());
        own.swap(2, 3);
        return own;
    }
    let scales = a.scales();
    let (s, y) = (a.by(|_, j| -scales[j]), x.by(|i, _| scales[i]));
    let (p, q) = (y.times(&s), s.times(&y));
    let off = |p: &Plain| p.turned().less(p).norm().over(p.norm());
    let over = |p: &Plain| {
        let norm = p.norm();
        if norm.f64() > 1.0 {
            norm
        } else {
            Wide::of(1.0)
        }
    };
    let xa = x.times(a);
    let trace = (0..p.cols).fold(Wide(0.0, 0), |sum, i| sum.plus(p.at(i, i)));
    [
        s.times(&p).less(&s).norm().over(s.norm()),
        p.times(&y).less(&y).norm().over(y.norm()),
        off(&q),
        off(&xa),
        s.norm().times(y.norm()).over(over(&q)),
        a.norm().times(x.norm()).over(over(&xa)),
        trace.f64(),
    ]
}

/// Of all, of the worst column, and the gaps of U and V.
fn plain_factors(a: &Plain, u: &Plain, s: &Plain, v: &Plain) -> [f64; 4] {
    let k = s.rows;
    let us = Plain::from(u.rows, k, |i, j| u.at(i, j).times(s.at(j, 0)));
    let vt = Plain::from(k, v.rows, |i, j| v.at(j, i));
    let off = us.times(&vt).less(a);
    let (off, a) = match a.rows < a.cols {
        true => (off.turned(), a.turned()),
        false => (off, a.clone()),
    };
    let columns = (0..a.cols).map(|j| off.column(j).norm().over(a.column(j).norm()));
    let gap = |q: &Plain| {
        let gram = q.turned().times(q);
        let own = |i, j| Wide::of(if i == j { 1.0 } else { 0.0 });
        let gaps = gram.less(&Plain::from(gram.rows, gram.cols, own));
        largest(gaps.data.iter().map(|x| x.f64().abs()))
    };
    [off.norm().over(a.norm()), largest(columns), gap(u), gap(v)]
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |most, x| if x > most || x.is_nan() { x } else { most })
}

fn plain_systems(a: &Plain, x: &Plain, b: &Plain) -> [f64; 2] {
    let rest = b.less(&a.times(x));
    let mut worst = 0.0;
    for p in 0..x.cols {
        let terms = (0..a.cols).map(|i| {
            let x = x.at(i, p);
            a.column(i).norm().times(Wide(x.0.abs(), x.1))
        });
        let size = terms.fold(b.column(p).norm(), Wide::plus);
        let dots = a.turned().times(&rest.column(p));
        let own = (0..a.cols).map(|j| {
            let dot = dots.at(j, 0);
            Wide(dot.0.abs(), dot.1).over(a.column(j).norm().times(size))
        });
        worst = largest([worst, largest(own)].into_iter());
    }
    [rest.norm().over(b.norm()), worst]
}

/// Numbers agree to what rounding makes of either: `noise` apart, or both not finite.
fn agree(what: &str, fast: &[f64], plain: &[f64], noise: &[f64]) {
    for (at, ((&fast, &plain), noise)) in fast.iter().zip(plain).zip(noise).enumerate() {
        let close = (fast - plain).abs() <= noise + 1e-9 * plain.abs();
        let same = fast == plain || !(fast.is_finite() || plain.is_finite());
        assert!(
            close || same,
            "{what}, {at}: {fast:e}, but plainly {plain:e}, {noise:e}"
        );
    }
}

const SHAPES: [[usize; 2]; 22] = [
    [0, 0],
    [0, 3],
    [3, 0],
    [1, 1],
    [1, 4],
    [4, 1],
    [2, 2],
    [3, 3],
    [3, 2],
    [4, 6],
    [7, 6],
    [8, 8],
    [9, 5],
    [13, 2],
    [2, 13],
    [16, 16],
    [17, 19],
    [33, 31],
    [20, 40],
    [65, 9],
    [131, 3],
    [3, 300],
];

/// Every way that matrices may lie, with copies of the same entries.
fn ways<T: Real>(a: &Batch<T>, check: impl Fn(&str, View<'_, T>)) {
    check("as they are", a.view());
    let rows = a.view().transpose().to_batch().unwrap();
    check("by rows", rows.view().transpose());
    // Every second row of columns that are further apart.
    let (m, n) = (a.rows(), a.cols());
    let spread = Batch::from_fn(a.count(), 2 * m + 1, n + 1, |b, i, j| {
        a.view().get(b, i / 2, j).unwrap_or(T::NAN)
    });
    let spread = spread.unwrap();
    let size = ((2 * m + 1) * (n + 1)) as isize;
    let strides = [size, 2, (2 * m + 1) as isize];
    let view = View::new(spread.as_slice(), 0, [a.count(), m, n], strides).unwrap();
    check("spread", view);
    if a.count() > 0 {
        let view = View::new(a.as_slice(), 0, [a.count(), m, n], [0, 1, m as isize]).unwrap();
        check("one for all", view);
    }
}

fn inverses<T: Real>(what: &str, a: View<'_, T>, x: View<'_, T>) {
    let results = inverse::inverse::<T, { inverse::RESULTS }>([a, x]).unwrap();
    for (b, own) in results.iter().enumerate() {
        let plain = plain_inverse(&Plain::of(a, b), &Plain::of(x, b));
        let u = 64.0 * f64::EPSILON;
        let (c, other) = (plain[4] * plain[4] + 1.0, plain[5] * plain[5] + 1.0);
        let [third, fourth] = match a.rows() < a.cols() {
            true => [other, c],
            false => [c, other],
        };
        let noise = [c, c, third, fourth, 0.0, 0.0, c].map(|c| u * c.min(1e300));
        let what = format!("{what}, {}x{}, matrix {b}", a.rows(), a.cols());
        agree(&what, own, &plain, &noise);
    }
}

#[test]
fn inverses_are_measured_as_plainly() {
    fn check<T: Real>() {
        for [m, n] in SHAPES {
            for count in [1, 11] {
                // Not inverses, and nearly ones.
                let a = batch::<T>(count, m, n, m + 7 * n);
                let x = batch::<T>(count, n, m, 3 * m + n);
                ways(&a, |way, a| inverses(way, a, x.view()));
                ways(&x, |way, x| inverses(way, a.view(), x));
                let near = crate::Engine::cpu().pinv(&a).run().unwrap();
                inverses("near", a.view(), near.inverse.view());
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

fn decompositions<T: Real>(what: &str, a: View<'_, T>, [u, s, v]: [View<'_, T>; 3]) {
    let results = factors::factors::<T, 4>([a, u, s, v]).unwrap();
    let apart = factors::gaps(u).unwrap();
    for (b, own) in results.iter().enumerate() {
        let plain = [a, u, s, v].map(|view| Plain::of(view, b));
        let plain = plain_factors(&plain[0], &plain[1], &plain[2], &plain[3]);
        let what = format!("{what}, {}x{}, matrix {b}", a.rows(), a.cols());
        let size = plain.map(|x| 64.0 * f64::EPSILON * (1.0 + x.min(1e300)));
        agree(&what, own, &plain, &size);
        agree(&what, &apart[b], &plain[2..3], &size);
    }
}

#[test]
fn factors_are_measured_as_plainly() {
    fn check<T: Real>() {
        for [m, n] in SHAPES {
            let k = m.min(n);
            for count in [1, 11] {
                let a = batch::<T>(count, m, n, m + 7 * n);
                let (u, v) = (
                    batch::<T>(count, m, k, 3 * m + n),
                    batch::<T>(count, n, k, 5 * m + n),
                );
                let s = batch::<T>(count, k, 1, m + n);
                ways(&a, |way, a| {
                    decompositions(way, a, [u.view(), s.view(), v.view()])
                });
                ways(&u, |way, u| {
                    decompositions(way, a.view(), [u, s.view(), v.view()])
                });
                ways(&v, |way, v| {
                    decompositions(way, a.view(), [u.view(), s.view(), v])
                });
                let near = crate::Engine::cpu().svd(&a).run().unwrap();
                let [u, v] = [near.u, near.v];
                decompositions("near", a.view(), [u.view(), near.sigma.view(), v.view()]);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

fn solutions<T: Real>(what: &str, [a, x, b]: [View<'_, T>; 3]) {
    let results = systems::systems([a, x, b]).unwrap();
    for (at, own) in results.iter().enumerate() {
        let plain = [a, x, b].map(|view| Plain::of(view, at));
        let plain = plain_systems(&plain[0], &plain[1], &plain[2]);
        let what = format!(
            "{what}, {}x{} of {}, system {at}",
            a.rows(),
            a.cols(),
            b.cols()
        );
        agree(
            &what,
            own,
            &plain,
            &[64.0 * f64::EPSILON * (1.0 + plain[0].min(1e300)); 2],
        );
    }
}

#[test]
fn solutions_are_measured_as_plainly() {
    fn check<T: Real>() {
        for [m, n] in SHAPES {
            for (count, sides) in [(1, 3), (11, 1), (11, 2)] {
                let a = batch::<T>(count, m, n, m + 7 * n);
                let (x, b) = (
                    batch::<T>(count, n, sides, 3 * m + n),
                    batch::<T>(count, m, sides, 5 * m + n),
                );
                ways(&a, |way, a| solutions(way, [a, x.view(), b.view()]));
                ways(&x, |way, x| solutions(way, [a.view(), x, b.view()]));
                ways(&b, |way, b| solutions(way, [a.view(), x.view(), b]));
                let near = crate::Engine::cpu().lstsq(&a, &b).run().unwrap();
                solutions("near", [a.view(), near.solution.view(), b.view()]);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Scales of columns over all of the range of f64: those of A, and the inverse of X.
#[test]
fn numbers_near_the_ends_of_the_range_are_measured() {
    let scales: [&[i32]; 7] = [
        &[1000; 3],
        &[-1000; 3],
        &[-1060, -1050, -1040],
        &[0, 1000, -1000],
        &[400, -400, 0],
        &[300, 0, -300],
        &[900, 890, -900],
    ];
    for (m, n) in [(3, 3), (5, 3), (3, 5)] {
        for scales in scales {
            // Neighbours are as they are.
            let a = batch::<f64>(5, m, n, 9);
            let pinv = crate::Engine::cpu().pinv(&a).run().unwrap();
            let fit = batch::<f64>(5, n, 2, 10);
            let sides = batch::<f64>(5, m, 2, 11);
            let power = |b: usize, i: usize, j: usize| match b {
                3 => scales[if m < n { i } else { j }],
                _ => 0,
            };
            let moved = |of: &Batch<f64>, by: &dyn Fn(usize, usize, usize) -> i32| {
                Batch::from_fn(5, of.rows(), of.cols(), |b, i, j| {
                    of.view().get(b, i, j).unwrap().ldexp(by(b, i, j))
                })
                .unwrap()
            };
            let what = format!("scales {scales:?}");
            let scaled = moved(&a, &power);
            let inverse = moved(&pinv.inverse, &|b, i, j| -power(b, j, i));
            inverses(&what, scaled.view(), inverse.view());
            let svd = crate::Engine::cpu().svd(&scaled).run().unwrap();
            let [u, v] = [svd.u, svd.v];
            decompositions(&what, scaled.view(), [u.view(), svd.sigma.view(), v.view()]);
            if m >= n {
                let x = moved(&fit, &|b, i, _| -power(b, 0, i));
                solutions(&what, [scaled.view(), x.view(), sides.view()]);
                let all = moved(&sides, &|b, _, _| if b == 3 { 1000 } else { 0 });
                solutions(&what, [scaled.view(), x.view(), all.view()]);
            }
        }
    }
}

/// A NaN, or an infinity, is seen in what it has to do with, and nowhere else.
#[test]
fn what_is_no_number_is_seen() {
    fn check<T: Real>() {
        for [m, n] in [[2, 2], [8, 8], [33, 31], [31, 33], [131, 3]] {
            let count = 11;
            let a = batch::<T>(count, m, n, 1);
            let options = crate::Options::default();
            let engine = crate::Engine::cpu();
            let pinv = engine.pinv(&a).options(&options).run().unwrap();
            let svd = engine.svd(&a).options(&options).run().unwrap();
            let (u, s, v) = (svd.u, svd.sigma, svd.v);
            let b = batch::<T>(count, m, 2, 2);
            let fit = engine.lstsq(&a, &b).options(&options).run().unwrap();
            let with = |of: &Batch<T>, bad: f64| {
                let mut of = of.clone();
                let size = of.rows() * of.cols();
                of.as_mut_slice()[4 * size + size / 2] = T::of(bad);
                of
            };
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let only = |what: &str, good: &[Vec<f64>], found: &[Vec<f64>], all: bool| {
                    for (at, (good, found)) in good.iter().zip(found).enumerate() {
                        if at != 4 {
                            assert_eq!(good, found, "{what} of {m}x{n}, {bad}, matrix {at}");
                        } else {
                            let seen = found.iter().filter(|x| x.is_nan() || **x > 1e3).count();
                            let enough = if all { found.len() } else { 1 };
                            assert!(seen >= enough, "{what} of {m}x{n}, {bad}: {found:?}");
                        }
                    }
                };
                let four = |a: &Batch<T>, x: &Batch<T>| -> Vec<Vec<f64>> {
                    let found = moore_penrose(a, x).unwrap();
                    found.into_iter().map(Vec::from).collect()
                };
                let good = four(&a, &pinv.inverse);
                only("A", &good, &four(&with(&a, bad), &pinv.inverse), true);
                only("X", &good, &four(&a, &with(&pinv.inverse, bad)), true);
                let parts = |a: &Batch<T>, u: &Batch<T>, s: &Batch<T>, v: &Batch<T>| {
                    let found = super::factors(a, u, s, v).unwrap();
                    let list =
                        |own: Factors| vec![own.reconstruction, own.columns, own.left, own.right];
                    found.into_iter().map(list).collect::<Vec<Vec<f64>>>()
                };
                let good = parts(&a, &u, &s, &v);
                only("A", &good, &parts(&with(&a, bad), &u, &s, &v), false);
                only("U", &good, &parts(&a, &with(&u, bad), &s, &v), false);
                only("sigma", &good, &parts(&a, &u, &with(&s, bad), &v), false);
                only("V", &good, &parts(&a, &u, &s, &with(&v, bad)), false);
                let two = |a: &Batch<T>, x: &Batch<T>, b: &Batch<T>| -> Vec<Vec<f64>> {
                    let found = least_squares(a, x, b).unwrap();
                    found.into_iter().map(Vec::from).collect()
                };
                let good = two(&a, &fit.solution, &b);
                only("A", &good, &two(&with(&a, bad), &fit.solution, &b), true);
                only("x", &good, &two(&a, &with(&fit.solution, bad), &b), true);
                only("b", &good, &two(&a, &fit.solution, &with(&b, bad)), true);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}
