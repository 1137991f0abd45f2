//! Eigenvalues and eigenvectors of symmetric and Hermitian matrices of any size: to tridiagonal form, QL, and back.
//!
//! Matrices of a few rows go side by side, a lane each, all the way. Larger ones go one after the other, rows side by side, but
//! through QL in lanes: it has hardly anything that one matrix could do side by side. Bits are the same.

use crate::cpu::eigen::Task;
use crate::cpu::eigen::delivery::{self, Ended};
use crate::cpu::eigen::householder::{Reflectors, Size, Tridiagonal};
use crate::cpu::eigen::intake;
use crate::cpu::eigen::ql::{self, Apply, Limits, Sweep, Turn, Waiting};
use crate::cpu::field::Field;
use crate::cpu::head::Head;
use crate::cpu::intake::MOST_LANES;
use crate::data::scalar::{Real, Scalar};
use crate::lanes::memory::Memory;
use crate::lanes::{Kernel, Lanes, Wide, numbers, numbers_mut, wide};
use crate::planner::Convergence;

/// The tolerance of a call is divided by this: then an entry is small that is at most a unit of rounding (from 45x45 on; half of
/// one for the smallest) of the two beside it. QL converges so fast that a larger bound saves next to nothing.
const SHARPER: f64 = 8.0;

/// How many times as many rotations as a matrix has rows can wait.
const WAITING: usize = 16;

/// A task on matrices of any size, whose entries have P parts: so many matrices at once, in a thread's memory.
pub(super) struct AnySize<'t, 'v, T: Scalar, F, const P: usize, const VECTORS: bool> {
    pub field: F,
    pub task: Task<'t, 'v, T>,
    pub at_once: usize,
    pub memory: &'t mut super::ThreadMemory,
}

impl<T: Scalar, F: Field, const P: usize, const VECTORS: bool> Kernel<T::Real>
    for AnySize<'_, '_, T, F, P, VECTORS>
{
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T::Real>>(self, l: L) {
        let (f, task) = (self.field, self.task);
        let shape = Shape {
            size: Size {
                n: task.call.view.cols(),
                planes: P,
            },
            at_once: self.at_once,
            vectors: VECTORS,
        };
        let memory = self.memory.take();
        let memory = memory.and_then(|memory| memory.downcast::<Group<T::Real, L>>().ok());
        let mut group = match memory {
            Some(group) if group.shape == shape => group,
            _ => Box::new(Group::new(shape)),
        };
        for own in task.groups(self.at_once) {
            match L::LANES {
                1 => group.alone::<T, P, VECTORS>(l, f, own),
                _ => group.in_lanes::<T, P, VECTORS>(l, f, own),
            }
        }
        *self.memory = Some(group);
    }
}

/// What a thread's memory is for.
#[derive(Clone, Copy, PartialEq)]
struct Shape {
    size: Size,
    at_once: usize,
    vectors: bool,
}

/// A thread's memory: for matrices side by side, or for some that are solved one after the other.
struct Group<T: Real, L: Lanes<T>> {
    shape: Shape,
    reflectors: Reflectors<L::Vector>,
    /// A, and what is beside it.
    a: Memory<L::Vector>,
    /// The eigenvectors of the tridiagonal matrices, and of the others.
    z: Memory<L::Vector>,
    /// The tridiagonal matrices, a lane each; columns of vectors of one matrix, a lane each.
    tridiagonal: Memory<Wide<T, L>>,
    waiting: Waiting<Wide<T, L>>,
    places: Vec<u32>,
    sorted: Vec<(T, u32)>,
    turns: Vec<Turn<L::Vector>>,
    sweeps: Vec<[usize; 2]>,
}

impl<T: Real, L: Lanes<T>> Group<T, L> {
    fn new(shape: Shape) -> Self {
        let Shape { size, at_once, .. } = shape;
        let matrices = match (shape.vectors, L::LANES) {
            (false, _) => 0,
            (true, 1) => at_once,
            (true, _) => 1,
        };
        Group {
            shape,
            reflectors: Reflectors::new::<T, L>(size),
            a: Memory::zeros(&Self::lens(size)),
            z: Memory::zeros(&[matrices * size.matrix::<T, L>()]),
            tridiagonal: Memory::zeros(&[size.n, size.n, size.planes * size.n]),
            waiting: Waiting::new(if shape.vectors { WAITING * size.n } else { 0 }),
            places: vec![0; at_once * size.n],
            sorted: Vec::new(),
            turns: Vec::new(),
            sweeps: Vec::new(),
        }
    }

    /// A; its entries without what fills up rows; a column, and the tridiagonal matrix of one.
    fn lens(size: Size) -> [usize; 5] {
        let n = size.n;
        match L::LANES {
            1 => [size.matrix::<T, L>(), size.planes * n * n, n, n, n],
            _ => [size.matrix::<T, L>(), 0, n, 0, 0],
        }
    }

    /// Solves matrices side by side.
    #[inline(always)]
    fn in_lanes<S: Scalar<Real = T>, const P: usize, const VECTORS: bool>(
        &mut self,
        l: L,
        f: impl Field,
        task: Task<'_, '_, S>,
    ) {
        let Task {
            call,
            triangle,
            first,
            outputs,
            asymmetries,
        } = task;
        let (w, size) = (l.wide(), self.shape.size);
        let n = size.n;
        let [a_len, _, rows_len, ..] = Self::lens(size);
        let mut rest = self.a.rest();
        let (a, rows) = (rest.next(a_len), rest.next(rows_len));
        let z = self.z.rest().next(if VECTORS { a_len } else { 0 });
        let mut rest = self.tridiagonal.rest();
        let (d, e) = (rest.next(n), rest.next(n));
        let mut heads = [Head::EMPTY; MOST_LANES];
        let heads = &mut heads[..asymmetries.len()];
        let matrices = (&call.view, first, n);
        intake::take::<S, L, P>(l, matrices, triangle, a, heads, asymmetries, rows);
        let mut t = Tridiagonal {
            diagonal: bytemuck::cast_slice_mut(d),
            below: bytemuck::cast_slice_mut(e),
        };
        self.reflectors.reduce(l, f, a, &mut t);
        if VECTORS {
            self.reflectors.form(l, f, a, z);
        }
        let limits = limits(&task.call.task.convergence);
        let mut apply = InLanes::<T, L::Wide> {
            w,
            n,
            z: bytemuck::cast_slice_mut(z),
        };
        let waiting = &mut self.waiting;
        let ended =
            ql::solve::<T, L::Wide, VECTORS>(w, [&mut *d, &mut *e], limits, waiting, &mut apply);
        let values: &[L::Vector] = bytemuck::cast_slice(d);
        rank_in_lanes(l, values, &mut rows[..n], &mut self.places);
        let places = Some(&*self.places);
        if VECTORS {
            columns(size, z, a);
            delivery::vectors::<S, L, P>(l, f, n, a, places, outputs.v);
        }
        let of = |numbers: &Wide<T, L>| *bytemuck::from_bytes(bytemuck::bytes_of(numbers));
        let ended = Ended {
            sweeps: of(&ended.sweeps),
            rotations: of(&ended.rotations),
            converged: of(&ended.converged),
        };
        delivery::values::<S, L>(l, values, &ended, places, heads, asymmetries, outputs);
    }

    /// Solves matrices one after the other, but for QL.
    #[inline(always)]
    fn alone<S: Scalar<Real = T>, const P: usize, const VECTORS: bool>(
        &mut self,
        l: L,
        f: impl Field,
        task: Task<'_, '_, S>,
    ) {
        let Task {
            call,
            triangle,
            first,
            outputs,
            asymmetries,
        } = task;
        let (w, size, count) = (l.wide(), self.shape.size, asymmetries.len());
        let (n, plane) = (size.n, size.plane::<T, L>());
        let [a_len, entries_len, rows_len, ..] = Self::lens(size);
        let mut rest = self.a.rest();
        let (a, entries, rows) = (
            rest.next(a_len),
            rest.next(entries_len),
            rest.next(rows_len),
        );
        let (own_d, own_e) = (rest.next(n), rest.next(n));
        let z = self.z.rest().next(if VECTORS { count * a_len } else { 0 });
        let mut rest = self.tridiagonal.rest();
        let (d, e, column) = (rest.next(n), rest.next(n), rest.next(P * n));
        d.fill(w.splat(T::ZERO));
        e.fill(w.splat(T::ZERO));
        let mut heads = [Head::EMPTY; MOST_LANES];
        for lane in 0..count {
            let (heads, asymmetries) = (&mut heads[lane..][..1], &mut asymmetries[lane..][..1]);
            let matrix = (&call.view, first + lane, n);
            intake::take::<S, L, P>(l, matrix, triangle, entries, heads, asymmetries, rows);
            for (from, to) in entries.chunks_exact(n).zip(a.chunks_exact_mut(plane)) {
                to[..n].copy_from_slice(from);
            }
            let mut t = Tridiagonal {
                diagonal: own_d,
                below: own_e,
            };
            self.reflectors.reduce(l, f, a, &mut t);
            if VECTORS {
                let own = &mut z[lane * a_len..][..a_len];
                self.reflectors.form(l, f, a, own);
            }
            for (to, from) in d.iter_mut().chain(&mut *e).zip(own_d.iter().chain(&*own_e)) {
                numbers_mut::<T, _>(to)[lane] = numbers::<T, _>(from)[0];
            }
        }
        let limits = limits(&call.task.convergence);
        let mut apply = Alone {
            l,
            n,
            each: a_len,
            z: &mut *z,
            turns: &mut self.turns,
            sweeps: &mut self.sweeps,
        };
        let waiting = &mut self.waiting;
        let found =
            ql::solve::<T, L::Wide, VECTORS>(w, [&mut *d, &mut *e], limits, waiting, &mut apply);
        let runs = outputs.runs(first, 1, &call.task.sizes);
        for (lane, (_, outputs)) in runs.enumerate() {
            let of = |numbers_of: &Wide<T, L>| numbers::<T, _>(numbers_of)[lane];
            for (to, from) in own_d.iter_mut().zip(&*d) {
                *to = l.splat(of(from));
            }
            let places = &mut self.places[..n];
            rank::<T, L>(own_d, &mut self.sorted, places);
            let places = &*places;
            if VECTORS {
                let strips = wide::<T, L>(&z[lane * a_len..][..a_len]);
                let to = &mut *outputs.v;
                delivery::vectors_of_one::<S, L::Wide, P>(w, f, n, strips, places, column, to);
            }
            let places = Some(places);
            let ended = Ended {
                sweeps: l.splat(of(&found.sweeps)),
                rotations: l.splat(of(&found.rotations)),
                converged: l.splat(of(&found.converged)),
            };
            let (heads, asymmetries) = (&heads[lane..][..1], &mut asymmetries[lane..][..1]);
            delivery::values::<S, L>(l, own_d, &ended, places, heads, asymmetries, outputs);
        }
    }
}

fn limits(convergence: &Convergence) -> Limits {
    Limits {
        tolerance: convergence.tolerance / SHARPER,
        max_sweeps: convergence.max_sweeps,
    }
}

/// Matrices side by side: rotations of all lanes at once.
struct InLanes<'z, T: Real, L: Lanes<T>> {
    w: L,
    n: usize,
    z: &'z mut [L::Vector],
}

impl<T: Real, L: Lanes<T>> Apply<L::Vector> for InLanes<'_, T, L> {
    #[inline(always)]
    fn apply(&mut self, turns: &[Turn<L::Vector>], sweeps: &[Sweep<L::Vector>]) {
        let sweeps = sweeps.iter().map(|sweep| [sweep.low, sweep.high]);
        ql::rotate::<T, L>(self.w, self.n, self.z, turns, sweeps);
    }
}

/// One matrix after the other: of each lane its own rotations.
struct Alone<'z, T: Real, L: Lanes<T>> {
    l: L,
    n: usize,
    each: usize,
    z: &'z mut [L::Vector],
    turns: &'z mut Vec<Turn<L::Vector>>,
    sweeps: &'z mut Vec<[usize; 2]>,
}

impl<T: Real, L: Lanes<T>> Apply<Wide<T, L>> for Alone<'_, T, L> {
    #[inline(always)]
    fn apply(&mut self, turns: &[Turn<Wide<T, L>>], sweeps: &[Sweep<Wide<T, L>>]) {
        for (lane, z) in self.z.chunks_exact_mut(self.each).enumerate() {
            self.turns.clear();
            self.sweeps.clear();
            let mut left = turns;
            for sweep in sweeps {
                let (all, others) = left.split_at(sweep.high - sweep.low);
                left = others;
                let [low, high] = sweep.own;
                let low = numbers::<T, _>(&low)[lane].index() as usize;
                let high = numbers::<T, _>(&high)[lane].index() as usize;
                if high <= low {
                    continue;
                }
                self.sweeps.push([low, high]);
                let own = &all[sweep.high - high..sweep.high - low];
                self.turns.extend(own.iter().map(|[s, tau]| {
                    let of = |x| self.l.splat(numbers::<T, _>(x)[lane]);
                    [of(s), of(tau)]
                }));
            }
            let sweeps = self.sweeps.iter().copied();
            ql::rotate::<T, L>(self.l, self.n, z, self.turns, sweeps);
        }
    }
}

/// The places of a few eigenvalues of each lane in ascending order, equal ones in their order. `counts` is scratch.
#[inline(always)]
fn rank_in_lanes<T: Real, L: Lanes<T>>(
    l: L,
    values: &[L::Vector],
    counts: &mut [L::Vector],
    places: &mut [u32],
) {
    let (zero, one) = (l.splat(T::ZERO), l.splat(T::ONE));
    counts.fill(zero);
    for i in 0..values.len() {
        let mut own = counts[i];
        for j in i + 1..values.len() {
            let after = l.less(values[j], values[i]);
            own = l.add(own, l.select(after, one, zero));
            counts[j] = l.add(counts[j], l.select(after, zero, one));
        }
        counts[i] = own;
    }
    for (lane, places) in places.chunks_exact_mut(values.len()).enumerate() {
        for (place, count) in places.iter_mut().zip(&*counts) {
            *place = numbers::<T, _>(count)[lane].index();
        }
    }
}

/// The same of one matrix, with many.
fn rank<T: Real, L: Lanes<T>>(
    values: &[L::Vector],
    sorted: &mut Vec<(T, u32)>,
    places: &mut [u32],
) {
    sorted.clear();
    let values = values.iter().map(|value| numbers::<T, _>(value)[0]);
    sorted.extend(values.zip(0..));
    sorted.sort_unstable_by(|x, y| {
        let by_value = x.0.partial_cmp(&y.0).unwrap_or(std::cmp::Ordering::Equal);
        by_value.then(x.1.cmp(&y.1))
    });
    for (place, &(_, c)) in (0..).zip(sorted.iter()) {
        places[c as usize] = place;
    }
}

/// From rows to columns.
#[inline(always)]
fn columns<V: Copy>(size: Size, z: &[V], to: &mut [V]) {
    let (n, planes) = (size.n, size.planes);
    for (c, column) in to.chunks_exact_mut(planes * n).enumerate() {
        for (p, part) in column.chunks_exact_mut(n).enumerate() {
            for (to, row) in part.iter_mut().zip(z.chunks_exact(planes * n)) {
                *to = row[p * n + c];
            }
        }
    }
}
