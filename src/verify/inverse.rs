//! What is measured of pseudoinverses.
//!
//! A tall A and X, its pseudoinverse, are judged as A D^-1 and D X, with D the lengths of the columns of A rounded
//! to powers of two: three of the four conditions do not know D. A wide A is judged as A'.

use crate::data::error::Error;
use crate::data::scalar::sealed::Float;
use crate::data::scalar::{Dtype, Real};
use crate::data::view::View;
use crate::verify::careful::{column_exponents, largest_exponent, matrix_norm, scaled};
use crate::verify::run::run;
use crate::verify::step::{Factor, Measure, Size, Step, Target, Views, transposed, whole};

const A: usize = 0;
const X: usize = 1;
/// X A.
const P: usize = 2;
/// A X, or what has its norms.
const Q: usize = 3;
/// Squares of the columns of A, and of the rows of X.
const LENGTHS: usize = 4;
const ROWS: usize = 5;
const D: usize = 6;
const D_INVERSE: usize = 7;
const SUMS: usize = 8;
/// A beside X', of tall ones.
const BOTH: usize = 9;

/// Results: the four conditions, the condition numbers of their bounds (of all but the last, and of the last), and
/// the trace of X A.
pub(super) const CONDITIONS: [usize; 2] = [4, 5];
pub(super) const TRACE: usize = 6;
pub(super) const RESULTS: usize = 7;
/// Of matrices that were brought: the norms of A, X and A X.
const NORMS: [usize; 3] = [7, 8, 9];

/// Of m x n matrices, m >= n. `lift`: X was brought by the inverse of that, and A and X have D already.
fn measure<'a, T: Real, const N: usize>(
    [a, x]: [View<'a, T>; 2],
    lift: Option<f64>,
) -> Measure<'a> {
    let conditions = N > CONDITIONS[1];
    let (m, n) = (a.rows(), a.cols());
    let check = lift.is_none() && T::DTYPE == Dtype::F64;
    // A square of many rows is never formed.
    let tall = m > 4 * n;
    let load = |view, to, first| Step::Load {
        view,
        to,
        first,
        brought: &[],
    };
    let by_columns = |of, first, by| Step::ScaleColumns { of, first, by };
    let product = |left, right, to| Step::Product {
        left,
        right,
        to: Target::Matrix(to),
    };
    let residue = |left, right, minus| Step::Product {
        left,
        right: whole(right),
        to: Target::Residue { minus, sums: SUMS },
    };
    let sum = |of, to| Step::Sum { of, to };
    let ratio = |part, of, out| Step::Ratio { part, of, out };
    let (a2, x2) = (0, 1);
    let mut steps = vec![
        load(0, A, 0),
        load(1, X, 0),
        Step::ColumnSquares { of: A, to: LENGTHS },
    ];
    if check {
        steps.push(Step::CheckColumns {
            of: A,
            squares: LENGTHS,
            apart: true,
        });
    }
    steps.extend([
        Step::Powers {
            of: LENGTHS,
            up: D,
            down: D_INVERSE,
        },
        by_columns(A, 0, D_INVERSE),
        Step::ScaleRows { of: X, by: D },
        Step::RowSquares { of: X, to: ROWS },
        Step::Weigh {
            of: LENGTHS,
            by: D_INVERSE,
            to: a2,
        },
        sum(ROWS, x2),
    ]);
    if check {
        steps.push(Step::Check { of: X, square: x2 });
    }
    steps.push(product(X, whole(A), P));
    if let Some(lift) = lift {
        steps.push(Step::Multiply { of: P, by: lift });
    }
    if conditions {
        steps.push(Step::Trace { of: P, out: TRACE });
    }
    steps.extend([
        residue(A, P, A),
        sum(SUMS, 2),
        ratio(2, a2, 0),
        residue(P, X, X),
        sum(SUMS, 2),
        ratio(2, x2, 1),
    ]);
    if tall {
        // With [A X'] = H [R S], orthogonal H: the norms of A X are those of the small R S'.
        steps.extend([
            Step::Copy { from: A, to: BOTH },
            load(2, BOTH, n),
            by_columns(BOTH, n, D),
            Step::Triangle(BOTH),
            Step::Product {
                left: BOTH,
                right: Factor {
                    first: n,
                    ..transposed(BOTH)
                },
                to: Target::Matrix(Q),
            },
        ]);
    } else {
        steps.push(product(A, whole(X), Q));
    }
    let condition = |of, out| Step::Condition { of, out };
    steps.extend([Step::Asymmetry { of: Q, to: [2, 3] }, ratio(2, 3, 2)]);
    if conditions {
        steps.push(condition([a2, x2, 3], CONDITIONS[0]));
    }
    if lift.is_some() {
        for (of, out) in [a2, x2, 3].into_iter().zip(NORMS) {
            steps.push(Step::Root { of, out });
        }
    }
    steps.extend([
        by_columns(P, 0, D),
        Step::ScaleRows {
            of: P,
            by: D_INVERSE,
        },
        Step::Asymmetry { of: P, to: [2, 3] },
        ratio(2, 3, 3),
    ]);
    if conditions {
        steps.extend([
            sum(LENGTHS, 4),
            Step::Weigh {
                of: ROWS,
                by: D_INVERSE,
                to: 5,
            },
            condition([4, 5, 3], CONDITIONS[1]),
        ]);
    }
    let side = if tall { 2 * n } else { m };
    Measure {
        count: a.count(),
        buffers: vec![
            Size::Matrix(m, n),
            Size::Matrix(n, m),
            Size::Matrix(n, n),
            Size::Matrix(side, side),
            Size::Matrix(n, 1),
            Size::Matrix(n, 1),
            Size::Matrix(n, 1),
            Size::Matrix(n, 1),
            Size::Sums(m),
            Size::Matrix(if tall { m } else { 0 }, 2 * n),
        ],
        views: Views::of(&[a, x, x.transpose()]),
        steps,
        results: N,
    }
}

/// N results of every matrix A and its pseudoinverse X: the four conditions, or all.
pub(super) fn inverse<T: Real, const N: usize>(
    [a, x]: [View<'_, T>; 2],
) -> Result<Vec<[f64; N]>, Error> {
    let wide = a.rows() < a.cols();
    let views = match wide {
        true => [a.transpose(), x.transpose()],
        false => [a, x],
    };
    let (mut results, careful) = run(&measure::<T, N>(views, None))?;
    for b in careful {
        let own = with_care(views, b)?;
        results[b].copy_from_slice(&own[..N]);
    }
    if wide {
        for own in &mut results {
            own.swap(2, 3);
        }
    }
    Ok(results)
}

/// Matrix `b`, whose numbers are brought first.
fn with_care<T: Real>([a, x]: [View<'_, T>; 2], b: usize) -> Result<[f64; RESULTS], Error> {
    let (m, n) = (a.rows(), a.cols());
    let powers = column_exponents(&a, b);
    let largest = (0..m).filter_map(|j| {
        let column = x.column(b, j);
        largest_exponent(column, powers.iter().copied())
    });
    // Beyond that no pseudoinverse is.
    let lift = largest.max().unwrap_or(0).clamp(-1000, 1000);
    let scaled_a = scaled(&a, b, |_, j| -powers[j])?;
    let scaled_x = scaled(&x, b, |i, _| powers[i] - lift)?;
    let both = [scaled_a.view(), scaled_x.view()];
    const ALL: usize = RESULTS + NORMS.len();
    let (own, _) = run::<ALL>(&measure::<f64, ALL>(both, Some(1.0f64.ldexp(lift))))?;
    let own = own[0];
    let mut results = [0.0; RESULTS];
    results.copy_from_slice(&own[..RESULTS]);
    let [a_norm, x_norm, ax_norm] = NORMS.map(|at| own[at]);
    let over = ax_norm.ldexp(lift).max(1.0);
    results[CONDITIONS[0]] = (a_norm * x_norm).ldexp(lift) / over;
    // X A, of A as it is: its entries may be further apart than f64 can hold.
    let mut product = vec![0.0; n * n];
    for j in 0..n {
        for i in 0..n {
            let terms =
                (0..m).map(|k| scaled_x.matrix(0)[k * n + i] * scaled_a.matrix(0)[j * m + k]);
            product[j * n + i] = terms.sum();
        }
    }
    let far = |i: usize, j: usize| powers[j] - powers[i] + lift;
    let exponents = (0..n * n).filter_map(|at| {
        let (i, j) = (at % n, at / n);
        let entry = product[at];
        (entry != 0.0 && entry.is_finite()).then(|| entry.exponent() + far(i, j))
    });
    let top = exponents.max().unwrap_or(0);
    let entry = |i: usize, j: usize| product[j * n + i].ldexp((far(i, j) - top).clamp(-4000, 4000));
    let (mut off, mut all) = (0.0, 0.0);
    for j in 0..n {
        for i in 0..n {
            off += (entry(i, j) - entry(j, i)).powi(2);
            all += entry(i, j).powi(2);
        }
    }
    results[3] = if off == 0.0 { 0.0 } else { (off / all).sqrt() };
    let (a_norm, x_norm) = (matrix_norm(&a, b), matrix_norm(&x, b));
    let all = all.sqrt();
    let condition = match all.ldexp(top) > 1.0 {
        true => (a_norm.0 * x_norm.0 / all).ldexp(a_norm.1 + x_norm.1 - top),
        false => (a_norm.0 * x_norm.0).ldexp(a_norm.1 + x_norm.1),
    };
    results[CONDITIONS[1]] = condition;
    Ok(results)
}
