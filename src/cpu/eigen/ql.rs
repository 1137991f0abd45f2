//! Eigenvalues of real symmetric tridiagonal matrices, one a lane, by QL sweeps with implicit shifts (Dubrulle, Martin and
//! Wilkinson 1968; Golub and Van Loan, 8.3.3), and what their rotations do to vectors.
//!
//! Each lane is where its own matrix is: a sweep goes over the rows that any lane needs, and does nothing in the others.

use crate::cpu::eigen::delivery::Ended;
use crate::data::scalar::Real;
use crate::lanes::{Lanes, Wide, numbers, numbers_mut, spread, wide_mut};

/// A rotation of two neighbouring columns: s, and tau = s / (1 + c). Zeros rotate nothing.
pub(super) type Turn<V> = [V; 2];

/// The columns that a sweep goes over: from `high` down to `low`, and in each lane from its own.
#[derive(Clone, Copy)]
pub(super) struct Sweep<V> {
    pub low: usize,
    pub high: usize,
    pub own: [V; 2],
}

/// Who applies rotations to vectors, in their order.
pub(super) trait Apply<V> {
    fn apply(&mut self, turns: &[Turn<V>], sweeps: &[Sweep<V>]);
}

/// An entry below the diagonal is taken for zero if it is at most `tolerance` times the sum of the two entries of the diagonal
/// beside it, or u / 1024 of the largest entry. An eigenvalue may take so many sweeps in the mean: the first of a matrix of
/// low rank takes as many as there are rows, and the others hardly any.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub tolerance: f64,
    pub max_sweeps: u32,
}

/// Rotations that wait to be applied.
pub(super) struct Waiting<V> {
    most: usize,
    pub turns: Vec<Turn<V>>,
    pub sweeps: Vec<Sweep<V>>,
}

impl<V> Waiting<V> {
    /// Room for at most so many rotations.
    pub fn new(most: usize) -> Self {
        Waiting {
            most,
            turns: Vec::with_capacity(most),
            sweeps: Vec::new(),
        }
    }

    fn is_full(&self, more: usize) -> bool {
        self.turns.len() + more > self.most
    }

    fn clear(&mut self) {
        self.turns.clear();
        self.sweeps.clear();
    }
}

/// Turns the diagonals d of matrices into their eigenvalues; e is what is below them.
#[inline(always)]
pub(super) fn solve<T: Real, L: Lanes<T>, const VECTORS: bool>(
    l: L,
    [d, e]: [&mut [L::Vector]; 2],
    limits: Limits,
    waiting: &mut Waiting<L::Vector>,
    vectors: &mut impl Apply<L::Vector>,
) -> Ended<L::Vector> {
    let n = d.len();
    let (zero, one, two) = (l.splat(T::ZERO), l.splat(T::ONE), l.splat(T::of(2.0)));
    let none = l.splat(T::of(n as f64));
    let tolerance = l.splat(T::of(limits.tolerance));
    // In f32, one more is more up to 2^24.
    let most = f64::from(limits.max_sweeps) * n as f64;
    let most = l.splat(T::of(most.min(f64::from(1 << 23))));
    let mut largest = zero;
    for entry in d.iter().chain(e.iter()) {
        let size = l.abs(*entry);
        largest = l.select(l.less(largest, size), size, largest);
    }
    // What is beside the largest entries nothing in any case. The squares of all others stay in the range.
    let negligible = l.mul(largest, l.splat(T::of(T::DTYPE.unit_roundoff() / 1024.0)));
    waiting.clear();
    let (mut sweeps, mut rotations) = (zero, zero);
    let mut given_up = l.less(zero, zero);
    let mut first = 0;
    loop {
        // Of each lane the first entry of e that is not small, and the first small one after it.
        let (mut low, mut high) = (none, zero);
        let (mut upper, mut lower, mut between) = (zero, zero, one);
        let mut small = l.splat(T::of((n - 1) as f64));
        for i in (first..n - 1).rev() {
            let at = l.splat(T::of(i as f64));
            let bound = l.mul(tolerance, l.add(l.abs(d[i]), l.abs(d[i + 1])));
            let bound = l.select(l.less(bound, negligible), negligible, bound);
            let counts = l.less(bound, l.abs(e[i]));
            e[i] = l.select(counts, e[i], zero);
            low = l.select(counts, at, low);
            high = l.select(counts, small, high);
            upper = l.select(counts, d[i], upper);
            lower = l.select(counts, d[i + 1], lower);
            between = l.select(counts, e[i], between);
            small = l.select(counts, small, at);
        }
        let wanted = l.less(low, none);
        given_up = l.or(given_up, l.and(wanted, l.not(l.less(sweeps, most))));
        let active = l.and(wanted, l.not(given_up));
        if !l.any(active) {
            break;
        }
        sweeps = l.add(sweeps, l.select(active, one, zero));
        rotations = l.add(rotations, l.select(active, l.sub(high, low), zero));
        low = l.select(active, low, none);
        high = l.select(active, high, zero);
        let mut last = 0;
        first = n;
        for (low, high) in numbers::<T, _>(&low).iter().zip(numbers::<T, _>(&high)) {
            first = first.min(low.index() as usize);
            last = last.max(high.index() as usize);
        }
        if VECTORS {
            if waiting.is_full(last - first) {
                vectors.apply(&waiting.turns, &waiting.sweeps);
                waiting.clear();
            }
            waiting.sweeps.push(Sweep {
                low: first,
                high: last,
                own: [low, high],
            });
        }
        // Of the first two rows, the eigenvalue that is nearer to the first entry (Wilkinson).
        let half = l.div(l.sub(lower, upper), l.mul(two, between));
        let root = l.sqrt(l.mul_add(half, half, one));
        let root = l.select(l.less(half, zero), l.sub(zero, root), root);
        let shift = l.sub(upper, l.div(between, l.add(half, root)));
        let (mut s, mut c, mut p, mut g) = (one, one, zero, zero);
        for i in (first..last).rev() {
            let at = l.splat(T::of(i as f64));
            let runs = l.and(l.less(at, high), l.not(l.less(at, low)));
            let begins = l.equal(l.add(at, one), high);
            let ends = l.equal(at, low);
            g = l.select(begins, l.sub(d[i + 1], shift), g);
            let (f, b) = (l.mul(s, e[i]), l.mul(c, e[i]));
            let r = l.sqrt(l.mul_add(f, f, l.mul(g, g)));
            // With the sign of g, the angle is at most a right one.
            let r = l.select(l.less(g, zero), l.sub(zero, r), r);
            let turns = l.and(runs, l.not(l.equal(r, zero)));
            let sine = l.select(turns, l.div(f, l.select(turns, r, one)), zero);
            let tau = l.div(f, l.select(turns, l.add(g, r), one));
            let tau = l.select(turns, tau, zero);
            let cosine = l.neg_mul_add(sine, tau, one);
            e[i + 1] = l.select(l.and(runs, l.not(begins)), r, e[i + 1]);
            let own = l.sub(d[i + 1], p);
            let x = l.mul_add(l.sub(d[i], own), sine, l.mul(two, l.mul(cosine, b)));
            let moved = l.mul(sine, x);
            d[i + 1] = l.select(runs, l.add(own, moved), d[i + 1]);
            g = l.select(runs, l.sub(l.mul(cosine, x), b), g);
            p = l.select(runs, moved, p);
            s = l.select(runs, sine, s);
            c = l.select(runs, cosine, c);
            d[i] = l.select(ends, l.sub(d[i], p), d[i]);
            e[i] = l.select(ends, g, e[i]);
            if VECTORS {
                waiting.turns.push([sine, tau]);
            }
        }
    }
    if VECTORS {
        vectors.apply(&waiting.turns, &waiting.sweeps);
    }
    for sweeps in numbers_mut::<T, _>(&mut sweeps) {
        *sweeps = T::of(f64::from(sweeps.index().div_ceil(n as u32)));
    }
    Ended {
        sweeps,
        rotations,
        converged: l.select(given_up, zero, one),
    }
}

/// Rows that are rotated side by side: of each, a rotation waits for the one before.
const ROWS: usize = 4;

/// Applies rotations to rows of n vectors each. A sweep goes from its second column down to its first.
#[inline(always)]
pub(super) fn rotate<T: Real, L: Lanes<T>>(
    l: L,
    n: usize,
    z: &mut [L::Vector],
    turns: &[Turn<L::Vector>],
    sweeps: impl Iterator<Item = [usize; 2]> + Clone,
) {
    let mut some = wide_mut::<T, L>(z).chunks_exact_mut(ROWS * n);
    for rows in &mut some {
        rotate_rows::<T, L, ROWS>(l, n, rows, turns, sweeps.clone());
    }
    for row in some.into_remainder().chunks_exact_mut(n) {
        rotate_rows::<T, L, 1>(l, n, row, turns, sweeps.clone());
    }
}

#[inline(always)]
fn rotate_rows<T: Real, L: Lanes<T>, const R: usize>(
    l: L,
    n: usize,
    rows: &mut [Wide<T, L>],
    turns: &[Turn<L::Vector>],
    sweeps: impl Iterator<Item = [usize; 2]>,
) {
    let w = l.wide();
    let mut rest = rows.chunks_exact_mut(n);
    let rows: [&mut [_]; R] = std::array::from_fn(|_| rest.next().unwrap_or(&mut []));
    let mut left = turns;
    for [low, high] in sweeps {
        let (turns, others) = left.split_at(high - low);
        left = others;
        let mut carried = [w.splat(T::ZERO); R];
        for r in 0..R {
            carried[r] = rows[r][high];
        }
        for ([s, tau], i) in turns.iter().zip((low..high).rev()) {
            let (s, tau) = (spread::<T, L>(l, s), spread::<T, L>(l, tau));
            for r in 0..R {
                // x' = c x + s y and y' = c y - s x, as three shears: they drift as little as `Rotation::of`, and the plain
                // form twice as much.
                let y = w.neg_mul_add(tau, carried[r], rows[r][i]);
                let x = w.mul_add(s, y, carried[r]);
                rows[r][i + 1] = x;
                carried[r] = w.neg_mul_add(tau, x, y);
            }
        }
        for r in 0..R {
            rows[r][low] = carried[r];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::scalar::sealed::Float;
    use crate::lanes::Kernel;

    /// The matrix of all rotations, by rows.
    struct Rows<'z, L: Lanes<f64>> {
        w: L,
        n: usize,
        z: &'z mut [L::Vector],
    }

    impl<L: Lanes<f64>> Apply<L::Vector> for Rows<'_, L> {
        fn apply(&mut self, turns: &[Turn<L::Vector>], sweeps: &[Sweep<L::Vector>]) {
            let sweeps = sweeps.iter().map(|sweep| [sweep.low, sweep.high]);
            rotate::<f64, L>(self.w, self.n, self.z, turns, sweeps);
        }
    }

    /// Matrices of one size, as diagonals and what is below them: values and vectors, sweeps and whether it converged.
    struct Solve {
        matrices: Vec<[Vec<f64>; 2]>,
        max_sweeps: u32,
    }

    type Solved = Vec<(Vec<f64>, Vec<f64>, u32, bool)>;

    impl Kernel<f64> for Solve {
        type Output = Solved;

        fn run<L: Lanes<f64>>(self, l: L) -> Solved {
            let w = l.wide();
            let n = self.matrices[0][0].len();
            let lanes = L::Wide::LANES;
            let mut solved = Solved::new();
            for some in self.matrices.chunks(lanes) {
                let [mut d, mut e] = [0, 1].map(|k| {
                    let mut entries = vec![w.splat(0.0); n];
                    for (lane, matrix) in some.iter().enumerate() {
                        for (to, &entry) in entries.iter_mut().zip(&matrix[k]) {
                            numbers_mut(to)[lane] = entry;
                        }
                    }
                    entries
                });
                let mut z = vec![w.splat(0.0); n * n];
                z.iter_mut()
                    .step_by(n + 1)
                    .for_each(|one| *one = w.splat(1.0));
                let mut rows = Rows { w, n, z: &mut z };
                let limits = Limits {
                    tolerance: f64::EPSILON / 2.0,
                    max_sweeps: self.max_sweeps,
                };
                // Room for two sweeps, so that rotations are applied many times.
                let mut waiting = Waiting::new(2 * n);
                let entries = [d.as_mut_slice(), e.as_mut_slice()];
                let ended =
                    solve::<f64, L::Wide, true>(w, entries, limits, &mut waiting, &mut rows);
                for lane in 0..some.len() {
                    let of = |x: &<L::Wide as Lanes<f64>>::Vector| numbers::<f64, _>(x)[lane];
                    solved.push((
                        d.iter().map(of).collect(),
                        z.iter().map(of).collect(),
                        of(&ended.sweeps) as u32,
                        of(&ended.converged) == 1.0,
                    ));
                }
            }
            solved
        }
    }

    fn solve_all(matrices: Vec<[Vec<f64>; 2]>, max_sweeps: u32) -> Solved {
        let task = Solve {
            matrices,
            max_sweeps,
        };
        f64::dispatch(true, task)
    }

    /// n x n matrices of every kind; in one group.
    fn matrices(n: usize) -> Vec<[Vec<f64>; 2]> {
        let of = |d: &dyn Fn(usize) -> f64, e: &dyn Fn(usize) -> f64| {
            let below = (0..n).map(|i| if i + 1 < n { e(i) } else { 0.0 });
            [(0..n).map(d).collect(), below.collect()]
        };
        vec![
            of(&|_| 2.0, &|_| -1.0),
            of(&|_| 0.0, &|_| 0.0),
            of(&|_| 0.0, &|_| 1.0),
            // Blocks of their own: of one, two and three rows.
            of(&|i| i as f64, &|i| [0.0, 1.0, 0.0, 1.0, 1.0][i % 5]),
            // Graded, in both directions.
            of(&|i| 2f64.powi(-4 * i as i32), &|i| {
                2f64.powi(-4 * i as i32 - 2)
            }),
            of(&|i| 2f64.powi(4 * i as i32), &|i| {
                -2f64.powi(4 * i as i32 - 1)
            }),
            // Wilkinson's, whose largest eigenvalues are nearly pairs.
            of(&|i| (i as f64 - (n / 2) as f64).abs(), &|_| 1.0),
            of(&|i| [1.0, 1.0 + 1e-15][i % 2], &|_| 1e-12),
            of(&|i| (i as f64).sin(), &|i| (7.0 * i as f64).cos()),
        ]
    }

    #[test]
    fn eigenvalues_and_rotations_are_those_of_the_matrix() {
        for n in [1, 2, 3, 5, 21, 60] {
            let all = matrices(n);
            let solved = solve_all(all.clone(), 30);
            for (index, ([d, e], (values, z, _, converged))) in all.iter().zip(solved).enumerate() {
                assert!(converged, "{index} of {n}x{n}");
                let largest = d.iter().chain(e).fold(0.0f64, |most, x| most.max(x.abs()));
                // Rows of Z are z[i * n..]: T z_c = lambda_c z_c.
                let at = |i: usize, c: usize| z[i * n + c];
                for (c, value) in values.iter().enumerate() {
                    for i in 0..n {
                        let mut product = d[i] * at(i, c) - value * at(i, c);
                        if i > 0 {
                            product += e[i - 1] * at(i - 1, c);
                        }
                        if i + 1 < n {
                            product += e[i] * at(i + 1, c);
                        }
                        let most = 20.0 * f64::EPSILON * largest;
                        assert!(product.abs() <= most, "{index} of {n}x{n}: {product}");
                    }
                    for other in 0..=c {
                        let dot: f64 = (0..n).map(|i| at(i, c) * at(i, other)).sum();
                        let apart = dot - if c == other { 1.0 } else { 0.0 };
                        assert!(apart.abs() <= 20.0 * f64::EPSILON, "{index} of {n}x{n}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_second_difference_has_the_values_that_are_known() {
        let n = 40;
        let mut values = solve_all(vec![matrices(n).swap_remove(0)], 30)
            .swap_remove(0)
            .0;
        values.sort_by(f64::total_cmp);
        for (k, value) in (1..).zip(values) {
            let angle = f64::from(k) * std::f64::consts::PI / (n as f64 + 1.0);
            assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 4e-15);
        }
    }

    #[test]
    fn a_lane_gives_up_alone_and_does_not_know_its_neighbours() {
        let all = matrices(21);
        let solved = solve_all(all.clone(), 1);
        let ended: Vec<bool> = solved.iter().map(|found| found.3).collect();
        // The diagonal one and the one in blocks need no more than a sweep an eigenvalue.
        assert!(ended[1] && !ended[0] && !ended[8], "{ended:?}");
        assert!(solved.iter().all(|found| found.2 <= 1));
        for limit in [1, 30] {
            let together = solve_all(all.clone(), limit);
            for (own, found) in all.iter().zip(together) {
                assert_eq!(solve_all(vec![own.clone()], limit), [found]);
            }
        }
    }
}
