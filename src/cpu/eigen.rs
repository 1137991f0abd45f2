//! Eigenvalues and eigenvectors of small symmetric and Hermitian matrices, one a lane: Jacobi's two-sided rotations (Golub
//! and Van Loan, 8.5). Real 2x2 and 3x3 matrices stay in registers from the first entry to the last.
//!
//! A rotation sets one entry to zero, exactly, and rounds the others in relation to the two entries that they come from. So
//! eigenvalues that are nearly equal need no care: |A V - V L| and V'V - I are a few units of rounding, of |A| and of one. A
//! closed formula loses half of the digits there. Sweeps end when each off-diagonal entry is below a quarter of a unit of
//! rounding (by default) of the smaller diagonal entry beside it, or negligible.

// Entries are named by row and column.
#![allow(clippy::needless_range_loop)]

use crate::cpu::carry_out;
use crate::cpu::complex::Complexes;
use crate::cpu::field::{Field, Rotation};
use crate::cpu::head::Head;
use crate::cpu::intake::{MOST_LANES, copy, scale};
use crate::cpu::real::Reals;
use crate::data::error::Error;
use crate::data::outcome::{Outcome, Status};
use crate::data::scalar::sealed::{Entry, Float};
use crate::data::scalar::{Dtype, Real, Scalar};
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

/// Solves the call's matrices, which are symmetric or Hermitian: eigenvalues go to the places of singular values and
/// ascend, and eigenvectors, if they are wanted, go to those of V.
pub(crate) fn run<T: Scalar>(
    call: &Call<'_, T>,
    triangle: Triangle,
    outputs: Outputs<'_, T>,
    asymmetries: &mut [f64],
) -> Result<(), Error> {
    match T::DTYPE {
        Dtype::F32 => run_as(of_f32::solve, call, triangle, outputs, asymmetries),
        Dtype::F64 => run_as(of_f64::solve, call, triangle, outputs, asymmetries),
        Dtype::C32 => run_as(of_c32::solve, call, triangle, outputs, asymmetries),
        Dtype::C64 => run_as(of_c64::solve, call, triangle, outputs, asymmetries),
    }
}

fn run_as<T: Scalar, U: Scalar>(
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
struct Task<'t, 'v, T: Scalar> {
    call: &'t Call<'t, T>,
    triangle: Triangle,
    first: usize,
    outputs: Outputs<'v, T>,
    asymmetries: &'v mut [f64],
}

/// The types that these kernels are compiled for: here, once, and not by everyone who calls them.
macro_rules! compiled {
    ($name:ident: $entry:ty, $field:ident, $planes:literal) => {
        mod $name {
            #[inline(never)]
            pub fn solve(task: super::Task<'_, '_, $entry>) {
                let f = super::$field;
                match task.outputs.v.is_empty() {
                    true => super::solve::<$entry, _, $planes, false>(f, task),
                    false => super::solve::<$entry, _, $planes, true>(f, task),
                }
            }
        }
    };
}

compiled!(of_f32: f32, Reals, 1);
compiled!(of_f64: f64, Reals, 1);
compiled!(of_c32: num_complex::Complex<f32>, Complexes, 2);
compiled!(of_c64: num_complex::Complex<f64>, Complexes, 2);

/// The sizes that there are kernels for. From 2x2 to 8x8 they are 8 to 2 times as fast as the way by singular values, most
/// of which is its preparation.
macro_rules! sizes {
    ($($n:literal),+) => {
        /// Whether these kernels are for n x n matrices.
        pub(crate) fn applies(n: usize) -> bool {
            [$($n),+].contains(&n)
        }

        #[inline(always)]
        fn solve<T: Scalar, F: Field, const P: usize, const VECTORS: bool>(
            f: F,
            task: Task<'_, '_, T>,
        ) {
            match task.call.view.cols() {
                $($n => T::Real::dispatch(true, Known::<T, F, $n, P, VECTORS>(f, task)),)+
                _ => {}
            }
        }
    };
}

sizes!(2, 3, 4, 5, 6, 7, 8);

/// A task on N x N matrices, whose entries have P parts.
struct Known<'t, 'v, T: Scalar, F, const N: usize, const P: usize, const VECTORS: bool>(
    F,
    Task<'t, 'v, T>,
);

impl<T: Scalar, F: Field, const N: usize, const P: usize, const VECTORS: bool> Kernel<T::Real>
    for Known<'_, '_, T, F, N, P, VECTORS>
{
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T::Real>>(self, l: L) {
        // Two groups at once hide the latency of each other.
        let l = Two(l);
        let Known(f, task) = self;
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
            group::<T, Two<L>, N, P, VECTORS>(l, f, own);
        }
    }
}

/// Part k of entry (i, j) of each matrix at [j][k][i]: columns of one or two planes.
type Square<V, const N: usize, const P: usize> = [[[V; N]; P]; N];

/// The parts of entry (i, j).
#[inline(always)]
fn entry<V: Copy, const N: usize, const P: usize>(
    a: &Square<V, N, P>,
    [i, j]: [usize; 2],
) -> [V; P] {
    std::array::from_fn(|k| a[j][k][i])
}

/// Puts entry (i, j) where it is.
#[inline(always)]
fn put<V: Copy, const N: usize, const P: usize>(
    a: &mut Square<V, N, P>,
    [i, j]: [usize; 2],
    entry: [V; P],
) {
    for k in 0..P {
        a[j][k][i] = entry[k];
    }
}

/// The conjugate of an entry.
#[inline(always)]
fn conjugate<T: Real, L: Lanes<T>, const P: usize>(
    l: L,
    mut entry: [L::Vector; P],
) -> [L::Vector; P] {
    for part in &mut entry[1..] {
        *part = l.sub(l.splat(T::ZERO), *part);
    }
    entry
}

/// Rotates two entries of one row.
#[inline(always)]
fn turned<T: Real, L: Lanes<T>, const P: usize>(
    l: L,
    turn: &Rotation<L::Vector>,
    x: [L::Vector; P],
    y: [L::Vector; P],
) -> [[L::Vector; P]; 2] {
    if P == 1 {
        let (x, y) = turn.of(l, x[0], y[0]);
        return [[x; P], [y; P]];
    }
    let (x, y) = turn.of_complex(l, [x[0], x[P - 1]], [y[0], y[P - 1]]);
    [x, y].map(|number| std::array::from_fn(|k| number[k]))
}

/// Solves as many matrices as there are places for: at most a lane each.
#[inline(always)]
fn group<T: Scalar, L: Lanes<T::Real>, const N: usize, const P: usize, const VECTORS: bool>(
    l: L,
    f: impl Field,
    task: Task<'_, '_, T>,
) {
    let Task {
        call,
        triangle,
        first,
        outputs,
        asymmetries,
    } = task;
    let zero = l.splat(T::Real::ZERO);
    let count = asymmetries.len();
    let mut a = [[[zero; N]; P]; N];
    let flat = a.as_flattened_mut().as_flattened_mut();
    copy::<T, L>(&call.view, first, count, [N, N], flat);
    if triangle != Triangle::Mean {
        for j in 0..N {
            // The diagonal is real.
            for k in 1..P {
                a[j][k][j] = zero;
            }
            for i in 0..j {
                let (from, to) = match triangle {
                    Triangle::Lower => ([j, i], [i, j]),
                    _ => ([i, j], [j, i]),
                };
                let read = conjugate(l, entry(&a, from));
                put(&mut a, to, read);
            }
        }
    }
    let mut heads = [Head {
        power: 0,
        finite: true,
    }; MOST_LANES];
    let heads = &mut heads[..count];
    let flat = a.as_flattened_mut().as_flattened_mut();
    scale(l, flat, N, heads, &mut [zero; N]);

    asymmetries.fill(0.0);
    let mut apart = l.less(zero, zero);
    let half = l.splat(T::Real::of(0.5));
    let mut means = a;
    for j in 0..N {
        for k in 1..P {
            apart = l.or(apart, l.not(l.equal(a[j][k][j], zero)));
            means[j][k][j] = zero;
        }
        for i in 0..j {
            let (upper, lower) = (entry(&a, [i, j]), conjugate(l, entry(&a, [j, i])));
            for k in 0..P {
                apart = l.or(apart, l.not(l.equal(upper[k], lower[k])));
                means[j][k][i] = l.mul(half, l.add(upper[k], lower[k]));
            }
        }
    }
    if l.any(apart) {
        for (lane, to) in asymmetries.iter_mut().enumerate() {
            let wide = |i: usize, j: usize| {
                let parts = [0, P - 1].map(|k| numbers::<T::Real, _>(&a[j][k][i])[lane].f64());
                T::Wide::of_parts(parts)
            };
            *to = asymmetry(N, wide);
        }
    }

    let convergence = &call.task.convergence;
    let mut found = diagonalise::<T::Real, L, N, P, VECTORS>(l, f, means, convergence);
    sort::<T::Real, L, N, P, VECTORS>(l, &mut found.values, &mut found.vectors);
    let mut largest = zero;
    for &value in &found.values {
        let size = l.abs(value);
        largest = l.select(l.less(largest, size), size, largest);
    }
    let error = eigen_error(T::DTYPE, N);
    let one = l.splat(T::Real::ONE);
    let (mut back, mut rest, mut rounded) = (one, one, zero);
    for (lane, head) in heads.iter().enumerate() {
        let undone = Head {
            power: -head.power,
            finite: true,
        };
        [numbers_mut(&mut back)[lane], numbers_mut(&mut rest)[lane]] = undone.factors::<T::Real>();
        if head.power > 3 * T::Real::TARGET {
            let smallest = (0.5 * T::DTYPE.smallest()).ldexp(head.power);
            numbers_mut(&mut rounded)[lane] = T::Real::of(smallest);
        }
    }
    // By default those count that are above the bound on their errors.
    let threshold = l.mul_add(largest, l.splat(T::Real::of(error)), rounded);
    let mut rank = zero;
    for &value in &found.values {
        rank = l.add(rank, l.select(l.less(threshold, l.abs(value)), one, zero));
    }

    let largest_back = l.mul(l.mul(largest, back), rest);
    for (c, &value) in found.values.iter().enumerate() {
        let value = l.mul(l.mul(value, back), rest);
        let values = outputs.sigma.chunks_exact_mut(N);
        for (values, &value) in values.zip(numbers::<T::Real, _>(&value)) {
            // No zero is negative.
            values[c] = value + T::Real::ZERO;
        }
    }
    if VECTORS {
        for vector in &mut found.vectors {
            let vector = vector.as_flattened_mut();
            f.fix_phase(l, vector, None, &mut []);
            for part in vector.iter_mut() {
                *part = l.add(*part, zero);
            }
        }
        let matrices = outputs.v.chunks_exact_mut(N * N);
        for (lane, to) in matrices.enumerate() {
            for (c, to) in to.chunks_exact_mut(N).enumerate() {
                for (r, to) in to.iter_mut().enumerate() {
                    let part = |k: usize| numbers::<T::Real, _>(&found.vectors[c][k][r])[lane];
                    *to = T::of_parts([part(0), part(P - 1)]);
                }
            }
        }
    }
    for (lane, outcome) in outputs.outcomes.iter_mut().enumerate() {
        let Head { power, finite } = heads[lane];
        let of = |vector: &L::Vector| numbers::<T::Real, _>(vector)[lane];
        if !finite {
            outputs.sigma[lane * N..][..N].fill(T::Real::NAN);
            if VECTORS {
                outputs.v[lane * N * N..][..N * N].fill(T::nan());
            }
            asymmetries[lane] = f64::NAN;
            *outcome = NON_FINITE;
            continue;
        }
        let representable = of(&largest_back).finite();
        let converged = of(&found.converged) == T::Real::ONE;
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

struct Found<V, const N: usize, const P: usize> {
    values: [V; N],
    /// Columns.
    vectors: Square<V, N, P>,
    sweeps: V,
    rotations: V,
    /// One where the last sweep was quiet, else zero.
    converged: V,
}

/// Jacobi's method, of matrices whose upper triangle is at [j][k][i], i < j; with or without vectors.
#[inline(always)]
fn diagonalise<T: Real, L: Lanes<T>, const N: usize, const P: usize, const VECTORS: bool>(
    l: L,
    f: impl Field,
    mut a: Square<L::Vector, N, P>,
    convergence: &Convergence,
) -> Found<L::Vector, N, P> {
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    let tolerance = l.splat(T::of(convergence.tolerance / SHARPER));
    let negligible = l.splat(T::NEGLIGIBLE);
    let mut v = [[[zero; N]; P]; N];
    for (c, column) in v.iter_mut().enumerate() {
        column[0][c] = one;
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
                let own = entry(&a, [p, q]);
                let (x, y) = (a[p][0][p], a[q][0][q]);
                // Of complex entries, the size: q is turned back by the phase, rotated, and turned again.
                let (z, phase) = f.polar(l, [own[0], own[P - 1]]);
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
                let turn = Rotation { t, s, tau, phase };
                a[p][0][p] = l.neg_mul_add(t, z, x);
                a[q][0][q] = l.mul_add(t, z, y);
                for k in 0..P {
                    a[q][k][p] = l.select(needed, zero, own[k]);
                }
                for r in 0..N {
                    if r != p && r != q {
                        let [g, h] = [p, q].map(|c| [c.min(r), c.max(r)]);
                        // Below the diagonal are the conjugates.
                        let [mut x, mut y] = [entry(&a, g), entry(&a, h)];
                        if p < r {
                            x = conjugate(l, x);
                        }
                        if q < r {
                            y = conjugate(l, y);
                        }
                        [x, y] = turned(l, &turn, x, y);
                        if p < r {
                            x = conjugate(l, x);
                        }
                        if q < r {
                            y = conjugate(l, y);
                        }
                        put(&mut a, g, x);
                        put(&mut a, h, y);
                    }
                    if VECTORS {
                        let [x, y] = [entry(&v, [r, p]), entry(&v, [r, q])];
                        let [x, y] = turned(l, &turn, x, y);
                        put(&mut v, [r, p], x);
                        put(&mut v, [r, q], y);
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
        *value = a[c][0][c];
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
fn sort<T: Real, L: Lanes<T>, const N: usize, const P: usize, const VECTORS: bool>(
    l: L,
    values: &mut [L::Vector; N],
    vectors: &mut Square<L::Vector, N, P>,
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
            for k in 0..if VECTORS { P } else { 0 } {
                for r in 0..N {
                    let (low, high) = (vectors[i][k][r], vectors[i + 1][k][r]);
                    vectors[i][k][r] = l.select(wrong, high, low);
                    vectors[i + 1][k][r] = l.select(wrong, low, high);
                }
            }
        }
    }
}
