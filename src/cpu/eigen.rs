//! Eigenvalues and eigenvectors of small symmetric matrices, one a lane: Jacobi's two-sided rotations (Golub and Van
//! Loan, 8.5). 2x2 and 3x3 matrices stay in registers from the first entry to the last.
//!
//! A rotation sets one entry to zero, exactly, and rounds the others in relation to the two entries that they come from. So
//! eigenvalues that are nearly equal need no care: |A V - V L| and V'V - I are a few units of rounding, of |A| and of one. A
//! closed formula loses half of the digits there. Sweeps end when each off-diagonal entry is below a quarter of a unit of
//! rounding (by default) of the smaller diagonal entry beside it, or negligible.

// Entries are named by row and column.
#![allow(clippy::needless_range_loop)]

use crate::cpu::carry_out;
use crate::cpu::field::Rotation;
use crate::cpu::head::Head;
use crate::cpu::intake::{MOST_LANES, copy, scale};
use crate::cpu::real::{negate, negative};
use crate::data::error::Error;
use crate::data::outcome::{Outcome, Status};
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Precision, Real};
use crate::data::triangle::Triangle;
use crate::host::call::Call;
use crate::host::delivery::{NON_FINITE, status};
use crate::host::outputs::Outputs;
use crate::host::symmetry::{asymmetric, asymmetry};
use crate::lanes::{Kernel, Lanes, Two, numbers, numbers_mut};
use crate::planner::{Convergence, eigen_error};

/// The name under which reports show the kernel.
pub(crate) const NAME: &str = "eigen-lanes";

/// The tolerance of a call is divided by this: the last rotations cost little, and small eigenvalues keep more digits.
const SHARPER: f64 = 16.0;

/// Matrices of n x n in one task of a thread: some 20 us of work.
fn per_task(n: usize) -> usize {
    ((1 << 20) / (40 * n * n * n)).clamp(64, 1024)
}

/// Solves the call's matrices, which are symmetric: eigenvalues go to the places of singular values and ascend, and
/// eigenvectors, if they are wanted, to those of V.
pub(crate) fn run<T: Real>(
    call: &Call<'_, T>,
    triangle: Triangle,
    outputs: Outputs<'_, T>,
    asymmetries: &mut [f64],
) -> Result<(), Error> {
    match T::DTYPE.precision() {
        Precision::Single => run_as(of_f32::solve, call, triangle, outputs, asymmetries),
        Precision::Double => run_as(of_f64::solve, call, triangle, outputs, asymmetries),
    }
}

fn run_as<T: Real, U: Real>(
    solve: fn(Task<'_, '_, U>),
    call: &Call<'_, T>,
    triangle: Triangle,
    outputs: Outputs<'_, T>,
    asymmetries: &mut [f64],
) -> Result<(), Error> {
    let (Some(call), Some(outputs)) = (call.cast::<U>(), outputs.cast::<U>()) else {
        return Err(Error::argument(format!("{} is not {}", T::DTYPE, U::DTYPE)));
    };
    let some = per_task(call.view.cols());
    let runs = outputs.runs(0, some, &call.task.sizes);
    let tasks = runs.zip(asymmetries.chunks_mut(some));
    let tasks = tasks.map(|((first, outputs), asymmetries)| {
        let task = Task {
            call: &call,
            triangle,
            first,
            outputs,
            asymmetries,
        };
        (task.asymmetries.len(), task)
    });
    carry_out(&call, tasks.collect(), || (), |(), task| solve(task))
}

/// A task of a thread: some matrices.
struct Task<'t, 'v, T: Real> {
    call: &'t Call<'t, T>,
    triangle: Triangle,
    first: usize,
    outputs: Outputs<'v, T>,
    asymmetries: &'v mut [f64],
}

/// The types that these kernels are compiled for: here, once, and not by everyone who calls them.
macro_rules! compiled {
    ($name:ident: $real:ty) => {
        mod $name {
            #[inline(never)]
            pub fn solve(task: super::Task<'_, '_, $real>) {
                match task.outputs.v.is_empty() {
                    true => super::solve::<$real, false>(task),
                    false => super::solve::<$real, true>(task),
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
        fn solve<T: Real, const VECTORS: bool>(task: Task<'_, '_, T>) {
            match task.call.view.cols() {
                $($n => T::dispatch(true, Known::<T, $n, VECTORS>(task)),)+
                _ => {}
            }
        }
    };
}

sizes!(2, 3, 4, 5, 6, 7, 8);

/// A task on N x N matrices.
struct Known<'t, 'v, T: Real, const N: usize, const VECTORS: bool>(Task<'t, 'v, T>);

impl<T: Real, const N: usize, const VECTORS: bool> Kernel<T> for Known<'_, '_, T, N, VECTORS> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self, l: L) {
        // Two groups at once hide the latency of each other.
        let l = Two(l);
        let Known(task) = self;
        let lanes = Two::<L>::LANES;
        let sizes = &task.call.task.sizes;
        let groups = task.outputs.runs(task.first, lanes, sizes);
        for ((first, outputs), asymmetries) in groups.zip(task.asymmetries.chunks_mut(lanes)) {
            let own = Task {
                first,
                outputs,
                asymmetries,
                ..task
            };
            group::<T, Two<L>, N, VECTORS>(l, own);
        }
    }
}

/// Entry (i, j) of what was read of each matrix at [j][i].
type Square<V, const N: usize> = [[V; N]; N];

/// Solves as many matrices as there are places for: at most a lane each.
#[inline(always)]
fn group<T: Real, L: Lanes<T>, const N: usize, const VECTORS: bool>(l: L, task: Task<'_, '_, T>) {
    let Task {
        call,
        triangle,
        first,
        outputs,
        asymmetries,
    } = task;
    let zero = l.splat(T::ZERO);
    let count = asymmetries.len();
    let mut a = [[zero; N]; N];
    copy::<T, L>(&call.view, first, count, [N, N], a.as_flattened_mut());
    for j in 1..N {
        for i in 0..j {
            match triangle {
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

    asymmetries.fill(0.0);
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
        for (lane, to) in asymmetries.iter_mut().enumerate() {
            let entry = |i: usize, j: usize| numbers::<T, _>(&a[j][i])[lane].f64();
            *to = asymmetry(N, entry);
        }
    }

    let mut found = diagonalise::<T, L, N, VECTORS>(l, means, &call.task.convergence);
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
        let undone = Head {
            power: -head.power,
            finite: true,
        };
        [numbers_mut(&mut back)[lane], numbers_mut(&mut rest)[lane]] = undone.factors::<T>();
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
        let values = outputs.sigma.chunks_exact_mut(N);
        for (values, &value) in values.zip(numbers::<T, _>(&value)) {
            // No zero is negative.
            values[c] = value + T::ZERO;
        }
    }
    if VECTORS {
        for vector in &mut found.vectors {
            let flip = negative(l, vector, None);
            negate(l, flip, vector);
            for entry in vector.iter_mut() {
                *entry = l.add(*entry, zero);
            }
        }
        let entries: &[T] = bytemuck::cast_slice(found.vectors.as_flattened());
        let matrices = outputs.v.chunks_exact_mut(N * N);
        for (lane, to) in matrices.enumerate() {
            for (to, lanes) in to.iter_mut().zip(entries.chunks_exact(L::LANES)) {
                *to = lanes[lane];
            }
        }
    }
    for (lane, outcome) in outputs.outcomes.iter_mut().enumerate() {
        let Head { power, finite } = heads[lane];
        let of = |vector: &L::Vector| numbers::<T, _>(vector)[lane];
        if !finite {
            outputs.sigma[lane * N..][..N].fill(T::NAN);
            if VECTORS {
                outputs.v[lane * N * N..][..N * N].fill(T::NAN);
            }
            asymmetries[lane] = f64::NAN;
            *outcome = NON_FINITE;
            continue;
        }
        let representable = of(&largest_back).finite();
        let converged = of(&found.converged) == T::ONE;
        let mut status = status(representable, converged);
        let apart = asymmetries[lane];
        if status == Status::Converged && apart > 0.0 && asymmetric(T::DTYPE, N, apart) {
            status = Status::NotSymmetric;
        }
        let error = (error * of(&largest).f64()).ldexp(-power);
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
                let turn = Rotation {
                    t,
                    s,
                    tau,
                    phase: [one, zero],
                };
                a[p][p] = l.neg_mul_add(t, z, x);
                a[q][q] = l.mul_add(t, z, y);
                a[q][p] = l.select(needed, zero, z);
                for r in 0..N {
                    if r != p && r != q {
                        let [g, h] = [p, q].map(|c| [c.max(r), c.min(r)]);
                        (a[g[0]][g[1]], a[h[0]][h[1]]) = turn.of(l, a[g[0]][g[1]], a[h[0]][h[1]]);
                    }
                    if VECTORS {
                        (v[p][r], v[q][r]) = turn.of(l, v[p][r], v[q][r]);
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
