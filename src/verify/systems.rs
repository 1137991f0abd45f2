//! What is measured of solutions X of A X = B.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::scalar::{Dtype, Real};
use crate::data::view::View;
use crate::verify::careful::{column_exponents, largest_exponent, scaled};
use crate::verify::run::{run, run_to};
use crate::verify::step::{Brought, Measure, Size, Step, Target, Views, Wanted, whole};

const A: usize = 0;
const X: usize = 1;
const B: usize = 2;
/// A X, then B - A X.
const REST: usize = 3;
/// A' (B - A X).
const DOTS: usize = 4;
/// Of the columns of A.
const LENGTHS: usize = 5;

const LEFT: usize = 0;
const NORMAL: usize = 1;

/// A and B are brought to 1; X is then of B's scale over A's.
const BROUGHT: [Brought; 3] = [&[(A, -1)], &[(A, 1), (B, -1)], &[(B, -1)]];

fn rest(brought: [Brought; 3]) -> Vec<Step> {
    let load = |view: usize| Step::Load {
        view,
        to: view,
        first: 0,
        brought: brought[view],
    };
    let mut steps = vec![load(A), load(X), load(B)];
    if !brought[A].is_empty() {
        steps.splice(0..0, [Step::Exponents(A), Step::Exponents(B)]);
    }
    steps.extend([
        Step::Product {
            left: A,
            right: whole(X),
            to: Target::Matrix(REST),
        },
        Step::Subtract { from: B, of: REST },
    ]);
    steps
}

fn buffers<T: Real>(a: View<'_, T>, cols: usize) -> Vec<Size> {
    let (m, n) = (a.rows(), a.cols());
    vec![
        Size::Matrix(m, n),
        Size::Matrix(n, cols),
        Size::Matrix(m, cols),
        Size::Matrix(m, cols),
    ]
}

fn measure<'a, T: Real>(views: [View<'a, T>; 3], check: bool) -> Measure<'a> {
    let [a, x, _] = views;
    let squares = |of, to| Step::Squares { of, to };
    let mut steps = rest([&[]; 3]);
    steps.extend([
        squares(REST, 0),
        squares(B, 1),
        Step::Ratio {
            part: 0,
            of: 1,
            out: LEFT,
        },
        Step::ColumnSquares { of: A, to: LENGTHS },
    ]);
    if check {
        steps.extend([
            Step::CheckColumns {
                of: A,
                squares: LENGTHS,
                apart: false,
            },
            Step::Check { of: B, square: 1 },
        ]);
    }
    steps.extend([
        Step::Roots(LENGTHS),
        Step::Dots {
            left: A,
            right: REST,
            to: Wanted::Matrix(DOTS),
        },
        Step::Normal {
            dots: DOTS,
            lengths: LENGTHS,
            x: X,
            b: B,
            out: NORMAL,
        },
    ]);
    let mut buffers = buffers(a, x.cols());
    buffers.extend([Size::Matrix(a.cols(), x.cols()), Size::Matrix(a.cols(), 1)]);
    Measure {
        count: a.count(),
        buffers,
        views: Views::of(&views),
        steps,
        results: 2,
    }
}

/// |B - A X| / |B| and the normal equations of every system.
pub(super) fn systems<T: Real>(views: [View<'_, T>; 3]) -> Result<Vec<[f64; 2]>, Error> {
    let check = T::DTYPE == Dtype::F64;
    let (mut pairs, careful) = run::<2>(&measure(views, check))?;
    for b in careful {
        let mut one = views;
        for view in &mut one {
            *view = view.matrices(b..b + 1)?;
        }
        // Every column, and every right-hand side, by its own power.
        let [a, x, sides] = one;
        let powers = column_exponents(&a, 0);
        let side = |p: usize| {
            let fitted = largest_exponent(x.column(0, p), powers.iter().copied());
            let own = largest_exponent(sides.column(0, p), std::iter::repeat(0));
            fitted.max(own).unwrap_or(0)
        };
        let by: Vec<i32> = (0..x.cols()).map(side).collect();
        // All by one, for the norm of all.
        let top = vec![by.iter().max().copied().unwrap_or(0); by.len()];
        for (result, by) in [(LEFT, top), (NORMAL, by)] {
            let copies = [
                scaled(&a, 0, |_, j| -powers[j])?,
                scaled(&x, 0, |i, p| powers[i] - by[p])?,
                scaled(&sides, 0, |_, p| -by[p])?,
            ];
            let ready = [copies[0].view(), copies[1].view(), copies[2].view()];
            let (own, _) = run::<2>(&measure(ready, false))?;
            pairs[b][result] = own[0][result];
        }
    }
    Ok(pairs)
}

/// |b - A x| of every right-hand side.
pub(super) fn lengths<T: Real>(views: [View<'_, T>; 3]) -> Result<Batch<f64>, Error> {
    let [a, x, _] = views;
    let brought = match T::DTYPE {
        Dtype::F64 => BROUGHT,
        _ => [&[] as Brought; 3],
    };
    let mut steps = rest(brought);
    steps.push(Step::Lengths {
        of: REST,
        brought: brought[B],
    });
    let measure = Measure {
        count: a.count(),
        buffers: buffers(a, x.cols()),
        views: Views::of(&views),
        steps,
        results: x.cols(),
    };
    let mut lengths = Batch::zeros(a.count(), x.cols(), 1)?;
    run_to(&measure, lengths.as_mut_slice())?;
    Ok(lengths)
}
