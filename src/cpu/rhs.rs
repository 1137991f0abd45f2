//! Right-hand sides side by side, a matrix a lane: taken in, and what is left of them once a factor is
//! applied.

use crate::cpu::field::Field;
use crate::cpu::head::Head;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Real, Scalar};
use crate::data::view::View;
use crate::lanes::{Lanes, numbers};

/// Where the rows of lanes come from: row i of lane l from row `order[l * len + i]` of its matrix, if there
/// is such a list, as of long columns, else from where lane l of `vectors[i]` says.
#[derive(Clone, Copy)]
pub(super) struct From<'w, V> {
    pub vectors: &'w [V],
    pub order: &'w [u32],
}

/// Copies the right-hand sides of matrices from `first` on into lanes, and decides the scale of each: a
/// power of two that brings the largest entry to 1, so that no side's size harms another. What is not
/// finite becomes zeros. `heads` has as many for each matrix as there are sides.
#[inline(always)]
pub(super) fn take<T: Scalar, L: Lanes<T::Real>>(
    l: L,
    view: &View<'_, T>,
    first: usize,
    from: From<'_, L::Vector>,
    to: &mut [L::Vector],
    heads: &mut [Head],
) {
    let (len, cols) = (from.vectors.len(), view.cols());
    to.fill(l.splat(T::Real::ZERO));
    let numbers_of: &mut [T::Real] = bytemuck::cast_slice_mut(to);
    let size = T::PARTS * len * L::LANES;
    for (lane, heads) in heads.chunks_exact_mut(cols).enumerate() {
        let columns = numbers_of.chunks_exact_mut(size);
        for ((j, head), to) in heads.iter_mut().enumerate().zip(columns) {
            let column = view.column_of(first + lane, j);
            let (mut largest, mut finite) = (T::Real::ZERO, true);
            for i in 0..len {
                for part in &column.at(i).parts()[..T::PARTS] {
                    finite &= part.finite();
                    let size = part.abs();
                    largest = if size > largest { size } else { largest };
                }
            }
            let power = match finite && largest > T::Real::ZERO {
                true => -largest.exponent(),
                false => 0,
            };
            *head = Head { power, finite };
            if !finite {
                continue;
            }
            let [half, rest] = head.factors::<T::Real>();
            for (part, plane) in to.chunks_exact_mut(len * L::LANES).enumerate() {
                let to = plane[lane..].iter_mut().step_by(L::LANES);
                for ((i, row), to) in from.vectors.iter().enumerate().zip(to) {
                    // A number in T does not reach beyond 2^24 in f32.
                    let row = match from.order {
                        [] => numbers::<T::Real, _>(row)[lane].index(),
                        order => order[lane * len + i],
                    };
                    *to = column.at(row as usize).parts()[part] * half * rest;
                }
            }
        }
    }
}

/// to = B' R, a column for each column of R, whose first `len` rows count, as of the columns of B. All
/// columns lie some vectors apart; `to` has so many rows.
#[inline(always)]
pub(super) fn project<T: Real, L: Lanes<T>>(
    l: L,
    f: impl Field,
    (b, b_step): (&[L::Vector], usize),
    (r, r_step): (&[L::Vector], usize),
    len: usize,
    (to, to_step, rows): (&mut [L::Vector], usize, usize),
) {
    for (to, r) in to.chunks_mut(to_step).zip(r.chunks(r_step)) {
        let to = &mut to[..f.vectors(rows)];
        for (k, b) in b.chunks(b_step).enumerate() {
            let found = f.product_above(l, len, b, &r[..f.vectors(len)]);
            for (part, &found) in found.iter().enumerate().take(f.planes()) {
                to[part * rows + k] = found;
            }
        }
    }
}
