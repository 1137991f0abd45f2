//! What is measured of singular value decompositions.

use crate::data::error::Error;
use crate::data::scalar::{Dtype, Real};
use crate::data::view::View;
use crate::verify::careful::{column_exponents, exponents, scaled};
use crate::verify::run::run;
use crate::verify::step::{Measure, Size, Step, Target, Views, Wanted, transposed};

const A: usize = 0;
const U: usize = 1;
const S: usize = 2;
const V: usize = 3;
const SUMS: usize = 4;
const SQUARES: usize = 5;

/// Results: of all, of the worst column, and the gaps of U and V.
pub(super) const ALL: usize = 0;
pub(super) const COLUMNS: usize = 1;
pub(super) const GAPS: [usize; 2] = [2, 3];

/// How the numbers are brought to where f64 can work with them.
#[derive(Clone, Copy, PartialEq)]
enum Range {
    /// As they are; those of f64 are looked at.
    Plain,
    /// A and sigma times one power of two.
    Brought,
    /// They have been brought.
    Ready,
}

/// Of m x n matrices, m >= n.
fn measure<'a, T: Real, const N: usize>(
    [a, u, s, v]: [View<'a, T>; 4],
    range: Range,
) -> Measure<'a> {
    let gaps = N > GAPS[1];
    let (m, n) = (a.rows(), a.cols());
    let check = range == Range::Plain && T::DTYPE == Dtype::F64;
    let brought: &[(usize, i32)] = match range {
        Range::Brought => &[(A, -1)],
        _ => &[],
    };
    let load = |view: usize, brought| Step::Load {
        view,
        to: view,
        first: 0,
        brought,
    };
    let mut steps = Vec::new();
    if range == Range::Brought {
        steps.push(Step::Exponents(A));
    }
    steps.extend([
        load(A, brought),
        load(U, &[]),
        load(S, brought),
        load(V, &[]),
    ]);
    steps.push(Step::ColumnSquares { of: A, to: SQUARES });
    if check {
        steps.push(Step::CheckColumns {
            of: A,
            squares: SQUARES,
            apart: false,
        });
    }
    if gaps {
        let gap = |of, out| Step::Dots {
            left: of,
            right: of,
            to: Wanted::Gap(out),
        };
        steps.extend([gap(U, GAPS[0]), gap(V, GAPS[1])]);
    }
    steps.extend([
        Step::ScaleColumns {
            of: U,
            first: 0,
            by: S,
        },
        Step::Product {
            left: U,
            right: transposed(V),
            to: Target::Residue {
                minus: A,
                sums: SUMS,
            },
        },
        Step::Sum { of: SUMS, to: 0 },
        Step::Sum { of: SQUARES, to: 1 },
        Step::Ratio {
            part: 0,
            of: 1,
            out: ALL,
        },
        Step::Largest {
            sums: SUMS,
            squares: SQUARES,
            out: COLUMNS,
        },
    ]);
    Measure {
        count: a.count(),
        buffers: vec![
            Size::Matrix(m, n),
            Size::Matrix(m, u.cols()),
            Size::Matrix(n, 1),
            Size::Matrix(n, v.cols()),
            Size::Sums(n),
            Size::Matrix(n, 1),
        ],
        views: Views::of(&[a, u, s, v]),
        steps,
        results: N,
    }
}

/// N results of every matrix, of A, U, sigma and V: with the gaps, or without.
pub(super) fn factors<T: Real, const N: usize>(
    [a, u, s, v]: [View<'_, T>; 4],
) -> Result<Vec<[f64; N]>, Error> {
    let wide = a.rows() < a.cols();
    let views = match wide {
        true => [a.transpose(), v, s, u],
        false => [a, u, s, v],
    };
    let (mut results, careful) = run(&measure::<T, N>(views, Range::Plain))?;
    for b in careful {
        let mut one = views;
        for view in &mut one {
            *view = view.matrices(b..b + 1)?;
        }
        let (own, _) = run::<N>(&measure::<T, N>(one, Range::Brought))?;
        // Every column, and the row of V that belongs to it, by its own power; columns of V by that of their sigma too.
        let [a, u, s, v] = one;
        let powers = column_exponents(&a, 0);
        let sizes = exponents(s.column(0, 0));
        let copies = [
            scaled(&a, 0, |_, j| -powers[j])?,
            scaled(&u, 0, |_, _| 0)?,
            scaled(&s, 0, |k, _| -sizes[k])?,
            scaled(&v, 0, |i, k| sizes[k] - powers[i])?,
        ];
        let [a, u, s, v] = &copies;
        let ready = [a.view(), u.view(), s.view(), v.view()];
        let (columns, _) = run::<2>(&measure::<f64, 2>(ready, Range::Ready))?;
        results[b] = own[0];
        results[b][COLUMNS] = columns[0][COLUMNS];
    }
    if wide && N > GAPS[1] {
        for own in &mut results {
            own.swap(GAPS[0], GAPS[1]);
        }
    }
    Ok(results)
}

/// max |Q'Q - I|
pub(super) fn gaps<T: Real>(q: View<'_, T>) -> Result<Vec<[f64; 1]>, Error> {
    let measure = Measure {
        count: q.count(),
        buffers: vec![Size::Matrix(q.rows(), q.cols())],
        views: Views::of(&[q]),
        steps: vec![
            Step::Load {
                view: 0,
                to: 0,
                first: 0,
                brought: &[],
            },
            Step::Dots {
                left: 0,
                right: 0,
                to: Wanted::Gap(0),
            },
        ],
        results: 1,
    };
    Ok(run(&measure)?.0)
}
