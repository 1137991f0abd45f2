//! Eigenvalues and eigenvectors of small symmetric matrices, one a lane: Jacobi's two-sided rotations (Golub and Van
//! Loan, 8.5). 2x2 and 3x3 matrices stay in registers from the first entry to the last.
//!
//! A rotation sets one entry to zero, exactly, and rounds the others in relation to the two entries that they come from. So
//! eigenvalues that are nearly equal need no care: |A V - V L| and V'V - I are a few units of rounding, of |A| and of one. A
//! closed formula loses half of the digits there. Sweeps end when each off-diagonal entry is below a quarter of a unit of
//! rounding (by default) of the smaller diagonal entry beside it, or negligible.

// Entries are named by row and column.
#![allow(clippy::needless_range_loop)]

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cpu::delivery::{Rows, negate, negative};
use crate::cpu::head::Head;
use crate::cpu::intake::{MOST_LANES, scale};
use crate::data::error::Error;
use crate::data::options::Options;
use crate::data::outcome::{Outcome, Status};
use crate::data::parallel;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Dtype, Real};
use crate::data::triangle::Triangle;
use crate::data::view::View;
use crate::host::delivery::{NON_FINITE, status};
use crate::host::symmetry::{asymmetric, asymmetry};
use crate::lanes::{Kernel, Lanes, Two, numbers, numbers_mut};
use crate::planner::{Convergence, eigen_error};

/// The name under which reports show the kernel.
pub(crate) const NAME: &str = "eigen-lanes";

/// Powers of two by which the bound on an error is multiplied without a second look.
const MODERATE: i32 = 600;
/// The tolerance of a call is divided by this: the last rotations cost little, and small eigenvalues keep more digits.
const SHARPER: f64 = 16.0;

/// What is computed of symmetric matrices.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a, T> {
    pub view: View<'a, T>,
    pub triangle: Triangle,
    pub convergence: Convergence,
}

/// Where the results go: eigenvalues ascend; there are no vectors where none are wanted.
pub(crate) struct Places<'p, T> {
    pub values: &'p mut [T],
    pub vectors: &'p mut [T],
    pub asymmetries: &'p mut [f64],
    pub outcomes: &'p mut [Outcome],
}

impl<'p, T: Real> Places<'p, T> {
    /// The first `count` matrices of n x n, and the rest.
    fn split_at(self, count: usize, n: usize) -> (Self, Self) {
        let vectors = if self.vectors.is_empty() { 0 } else { n * n };
        let (values, values_rest) = self.values.split_at_mut(count * n);
        let (vectors, vectors_rest) = self.vectors.split_at_mut(count * vectors);
        let (asymmetries, asymmetries_rest) = self.asymmetries.split_at_mut(count);
        let (outcomes, outcomes_rest) = self.outcomes.split_at_mut(count);
        (
            Places {
                values,
                vectors,
                asymmetries,
                outcomes,
            },
            Places {
                values: values_rest,
                vectors: vectors_rest,
                asymmetries: asymmetries_rest,
                outcomes: outcomes_rest,
            },
        )
    }

    fn cast<U: Real>(self) -> Option<Places<'p, U>> {
        (T::DTYPE == U::DTYPE).then(|| Places {
            values: bytemuck::cast_slice_mut(self.values),
            vectors: bytemuck::cast_slice_mut(self.vectors),
            asymmetries: self.asymmetries,
            outcomes: self.outcomes,
        })
    }
}

/// Matrices of n x n in one task of a thread: some 20 us of work.
fn per_task(n: usize) -> usize {
    ((1 << 20) / (40 * n * n * n)).clamp(64, 1024)
}

/// Solves all matrices.
pub(crate) fn run<T: Real>(
    ask: &Ask<'_, T>,
    places: Places<'_, T>,
    options: &Options,
) -> Result<(), Error> {
    let (n, count) = (ask.view.cols(), ask.view.count());
    let most = per_task(n);
    let mut tasks = Vec::with_capacity(count.div_ceil(most));
    let (mut first, mut places) = (0, places);
    while !places.outcomes.is_empty() {
        let some = most.min(places.outcomes.len());
        let (own, rest) = places.split_at(some, n);
        tasks.push((first, own));
        (first, places) = (first + some, rest);
    }
    let done = AtomicUsize::new(0);
    parallel::for_each(
        tasks,
        || (),
        |(), (first, places)| {
            if options.check_cancelled().is_err() {
                return;
            }
            let some = places.outcomes.len();
            match T::DTYPE {
                Dtype::F32 => cast(ask, first, places, of_f32::solve),
                Dtype::F64 => cast(ask, first, places, of_f64::solve),
            }
            let before = done.fetch_add(some, Ordering::Relaxed);
            if let Some(progress) = &options.progress {
                progress(before + some, count);
            }
        },
    );
    // Whoever cancels too late has all results.
    match done.load(Ordering::Relaxed) == count {
        true => Ok(()),
        false => Err(Error::Cancelled),
    }
}

/// Solves a task as one of the types for which these kernels are compiled.
fn cast<T: Real, U: Real>(
    ask: &Ask<'_, T>,
    first: usize,
    places: Places<'_, T>,
    solve: fn(Ask<'_, U>, usize, Places<'_, U>),
) {
    if let (Some(view), Some(places)) = (ask.view.cast::<U>(), places.cast::<U>()) {
        let Ask {
            triangle,
            convergence,
            ..
        } = *ask;
        let ask = Ask {
            view,
            triangle,
            convergence,
        };
        solve(ask, first, places);
    }
}

/// Here, once, and not by everyone who calls them.
macro_rules! compiled {
    ($name:ident: $real:ty) => {
        mod $name {
            use super::{Ask, Places};

            #[inline(never)]
            pub fn solve(ask: Ask<'_, $real>, first: usize, places: Places<'_, $real>) {
                match places.vectors.is_empty() {
                    true => super::solve::<$real, false>(ask, first, places),
                    false => super::solve::<$real, true>(ask, first, places),
                }
            }
        }
    };
}

compiled!(of_f32: f32);
compiled!(of_f64: f64);

/// The sizes that there are kernels for. From 2x2 to 8x8 they are 8 to 2 times as fast as the way by singular values, most
/// of which is its preparation.
macro_rules! sizes {
    ($($n:literal),+) => {
        /// Whether these kernels are for n x n matrices.
        pub(crate) fn applies(n: usize) -> bool {
            [$($n),+].contains(&n)
        }

        #[inline(always)]
        fn solve<T: Real, const VECTORS: bool>(ask: Ask<'_, T>, first: usize, places: Places<'_, T>) {
            match ask.view.cols() {
                $($n => T::dispatch(true, Task::<T, $n, VECTORS> { ask, first, places }),)+
                _ => {}
            }
        }
    };
}

sizes!(2, 3, 4, 5, 6, 7, 8);

struct Task<'t, T, const N: usize, const VECTORS: bool> {
    ask: Ask<'t, T>,
    first: usize,
    places: Places<'t, T>,
}

impl<T: Real, const N: usize, const VECTORS: bool> Kernel<T> for Task<'_, T, N, VECTORS> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self, l: L) {
        // Two groups at once hide the latency of each other.
        let l = Two(l);
        let (mut first, mut places) = (self.first, self.places);
        while !places.outcomes.is_empty() {
            let count = Two::<L>::LANES.min(places.outcomes.len());
            let (some, rest) = places.split_at(count, N);
            group::<T, Two<L>, N, VECTORS>(l, &self.ask, first, some);
            (first, places) = (first + count, rest);
        }
    }
}

/// Entry (i, j) of what was read of each matrix at [j][i].
type Square<V, const N: usize> = [[V; N]; N];

/// Solves as many matrices as there are places for, from `first` on: at most a lane each.
#[inline(always)]
fn group<T: Real, L: Lanes<T>, const N: usize, const VECTORS: bool>(
    l: L,
    ask: &Ask<'_, T>,
    first: usize,
    places: Places<'_, T>,
) {
    let zero = l.splat(T::ZERO);
    let count = places.outcomes.len();
    let mut a = [[zero; N]; N];
    take(&ask.view, first, count, &mut a);
    for j in 1..N {
        for i in 0..j {
            match ask.triangle {
                Triangle::Mean => {}
                Triangle::Lower => a[j][i] = a[i][j],
                Triangle::Upper => a[i][j] = a[j][i],
            }
        }
    }
    let mut heads = [Head {
        power: 0,
        finite: true,
    }; MOST_LANES];
    let heads = &mut heads[..count];
    scale(l, a.as_flattened_mut(), N, heads, &mut [zero; N]);

    places.asymmetries.fill(0.0);
    let mut apart = l.less(zero, zero);
    let half = l.splat(T::of(0.5));
    let mut means = a;
    for j in 1..N {
        for i in 0..j {
            apart = l.or(apart, l.not(l.equal(a[j][i], a[i][j])));
            means[j][i] = l.mul(half, l.add(a[j][i], a[i][j]));
        }
    }
    if l.any(apart) {
        for (lane, to) in places.asymmetries.iter_mut().enumerate() {
            let entry = |i: usize, j: usize| numbers::<T, _>(&a[j][i])[lane].f64();
            *to = asymmetry(N, entry);
        }
    }

    let mut found = diagonalise::<T, L, N, VECTORS>(l, means, &ask.convergence);
    sort::<T, L, N, VECTORS>(l, &mut found.values, &mut found.vectors);
    let mut largest = zero;
    for &value in &found.values {
        let size = l.abs(value);
        largest = l.select(l.less(largest, size), size, largest);
    }
    let error = eigen_error(T::DTYPE, N);
    let one = l.splat(T::ONE);
    let (mut back, mut rest, mut rounded) = (one, one, zero);
    for (lane, head) in heads.iter().enumerate() {
        let half = head.power / 2;
        numbers_mut(&mut back)[lane] = T::power_of_two(-half);
        numbers_mut(&mut rest)[lane] = T::power_of_two(half - head.power);
        if head.power > 3 * T::TARGET {
            numbers_mut(&mut rounded)[lane] = T::of((0.5 * T::DTYPE.smallest()).ldexp(head.power));
        }
    }
    // By default those count that are above the bound on their errors.
    let threshold = l.mul_add(largest, l.splat(T::of(error)), rounded);
    let mut rank = zero;
    for &value in &found.values {
        rank = l.add(rank, l.select(l.less(threshold, l.abs(value)), one, zero));
    }

    let largest_back = l.mul(l.mul(largest, back), rest);
    for (c, &value) in found.values.iter().enumerate() {
        let value = l.mul(l.mul(value, back), rest);
        let values = places.values.chunks_exact_mut(N);
        for (values, &value) in values.zip(numbers::<T, _>(&value)) {
            // No zero is negative.
            values[c] = value + T::ZERO;
        }
    }
    if VECTORS {
        for vector in &mut found.vectors {
            let flip = negative::<T, L>(l, vector, Rows::InPlace);
            negate(l, flip, vector);
            for entry in vector.iter_mut() {
                *entry = l.add(*entry, zero);
            }
        }
        let entries: &[T] = bytemuck::cast_slice(found.vectors.as_flattened());
        let matrices = places.vectors.chunks_exact_mut(N * N);
        for (lane, to) in matrices.enumerate() {
            for (to, lanes) in to.iter_mut().zip(entries.chunks_exact(L::LANES)) {
                *to = lanes[lane];
            }
        }
    }
    for (lane, outcome) in places.outcomes.iter_mut().enumerate() {
        let Head { power, finite } = heads[lane];
        let of = |vector: &L::Vector| numbers::<T, _>(vector)[lane];
        if !finite {
            places.values[lane * N..][..N].fill(T::NAN);
            if let Some(vectors) = places.vectors.chunks_exact_mut(N * N).nth(lane) {
                vectors.fill(T::NAN);
            }
            places.asymmetries[lane] = f64::NAN;
            *outcome = NON_FINITE;
            continue;
        }
        let representable = of(&largest_back).finite();
        let converged = of(&found.converged) == T::ONE;
        let mut status = status(representable, converged);
        let apart = places.asymmetries[lane];
        if status == Status::Converged && apart > 0.0 && asymmetric(T::DTYPE, N, apart) {
            status = Status::NotSymmetric;
        }
        let error = error * of(&largest).f64();
        let error = match power.abs() <= MODERATE {
            true => error * f64::power_of_two(-power),
            false => error.ldexp(-power),
        };
        let error = match converged {
            // An eigenvalue that is subnormal is rounded once more.
            true => error + 0.5 * T::DTYPE.smallest(),
            false => f64::INFINITY,
        };
        *outcome = Outcome {
            status,
            sweeps: of(&found.sweeps).index(),
            rotations: of(&found.rotations).index(),
            rank: of(&rank).index(),
            sigma_error: error,
        };
    }
}

/// Copies matrices into lanes, which hold zeros.
#[inline(always)]
fn take<T: Real, V: bytemuck::Pod, const N: usize>(
    view: &View<'_, T>,
    first: usize,
    count: usize,
    to: &mut Square<V, N>,
) {
    let Some((matrices, [down, right])) = view.dense(first, count) else {
        for (j, column) in to.iter_mut().enumerate() {
            for lane in 0..count {
                for (to, entry) in column.iter_mut().zip(view.column(first + lane, j)) {
                    numbers_mut(to)[lane] = entry;
                }
            }
        }
        return;
    };
    for (lane, matrix) in matrices.chunks_exact(N * N).enumerate() {
        for (j, column) in to.iter_mut().enumerate() {
            for (i, to) in column.iter_mut().enumerate() {
                numbers_mut(to)[lane] = matrix[i * down + j * right];
            }
        }
    }
}

struct Found<V, const N: usize> {
    values: [V; N],
    /// Columns.
    vectors: [[V; N]; N],
    sweeps: V,
    rotations: V,
    /// One where the last sweep was quiet, else zero.
    converged: V,
}

/// Jacobi's method, of matrices whose upper triangle is at [j][i], i < j; with or without vectors.
#[inline(always)]
fn diagonalise<T: Real, L: Lanes<T>, const N: usize, const VECTORS: bool>(
    l: L,
    mut a: Square<L::Vector, N>,
    convergence: &Convergence,
) -> Found<L::Vector, N> {
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    let tolerance = l.splat(T::of(convergence.tolerance / SHARPER));
    let negligible = l.splat(T::NEGLIGIBLE);
    let mut v = [[zero; N]; N];
    for (c, column) in v.iter_mut().enumerate() {
        column[c] = one;
    }
    let (mut sweeps, mut rotations, mut converged) = (zero, zero, zero);
    for _ in 0..convergence.max_sweeps {
        let active = l.equal(converged, zero);
        if !l.any(active) {
            break;
        }
        let mut rotated = zero;
        for p in 0..N - 1 {
            for q in p + 1..N {
                let (x, y, z) = (a[p][p], a[q][q], a[q][p]);
                let (large, small) = (l.abs(x), l.abs(y));
                let small = l.select(l.less(large, small), large, small);
                let bound = l.mul(tolerance, small);
                let bound = l.select(l.less(bound, negligible), negligible, bound);
                let needed = l.and(active, l.less(bound, l.abs(z)));
                if !l.any(needed) {
                    continue;
                }
                rotated = l.add(rotated, l.select(needed, one, zero));
                // t = tan, the smaller root of t^2 + 2 zeta t - 1, zeta = (y - x) / (2 z).
                let (difference, twice) = (l.sub(y, x), l.add(z, z));
                let root = l.sqrt(l.mul_add(difference, difference, l.mul(twice, twice)));
                let sum = l.select(
                    l.less(difference, zero),
                    l.sub(difference, root),
                    l.add(difference, root),
                );
                let t = l.div(twice, l.select(needed, sum, one));
                let t = l.select(needed, t, zero);
                let c = l.div(one, l.sqrt(l.mul_add(t, t, one)));
                let s = l.mul(t, c);
                let tau = l.div(s, l.add(one, c));
                a[p][p] = l.neg_mul_add(t, z, x);
                a[q][q] = l.mul_add(t, z, y);
                a[q][p] = l.select(needed, zero, z);
                for r in 0..N {
                    if r != p && r != q {
                        let [g, h] = [p, q].map(|c| [c.max(r), c.min(r)]);
                        let (new_g, new_h) = turned(l, a[g[0]][g[1]], a[h[0]][h[1]], s, tau);
                        (a[g[0]][g[1]], a[h[0]][h[1]]) = (new_g, new_h);
                    }
                    if VECTORS {
                        (v[p][r], v[q][r]) = turned(l, v[p][r], v[q][r], s, tau);
                    }
                }
            }
        }
        rotations = l.add(rotations, rotated);
        let quiet = l.equal(rotated, zero);
        converged = l.select(l.and(active, quiet), one, converged);
        sweeps = l.select(active, l.add(sweeps, one), sweeps);
    }
    let mut values = [zero; N];
    for (c, value) in values.iter_mut().enumerate() {
        *value = a[c][c];
    }
    Found {
        values,
        vectors: v,
        sweeps,
        rotations,
        converged,
    }
}

/// Rutishauser's form of (c x - s y, s x + c y), tau = s / (1 + c).
#[inline(always)]
fn turned<T: Real, L: Lanes<T>>(
    l: L,
    x: L::Vector,
    y: L::Vector,
    s: L::Vector,
    tau: L::Vector,
) -> (L::Vector, L::Vector) {
    (
        l.neg_mul_add(s, l.mul_add(tau, x, y), x),
        l.mul_add(s, l.neg_mul_add(tau, y, x), y),
    )
}

/// Sorts eigenvalues, ascending, with their vectors.
#[inline(always)]
fn sort<T: Real, L: Lanes<T>, const N: usize, const VECTORS: bool>(
    l: L,
    values: &mut [L::Vector; N],
    vectors: &mut Square<L::Vector, N>,
) {
    for last in (1..N).rev() {
        for i in 0..last {
            let wrong = l.less(values[i + 1], values[i]);
            if !l.any(wrong) {
                continue;
            }
            let (low, high) = (values[i], values[i + 1]);
            values[i] = l.select(wrong, high, low);
            values[i + 1] = l.select(wrong, low, high);
            for r in 0..if VECTORS { N } else { 0 } {
                let (low, high) = (vectors[i][r], vectors[i + 1][r]);
                vectors[i][r] = l.select(wrong, high, low);
                vectors[i + 1][r] = l.select(wrong, low, high);
            }
        }
    }
}
