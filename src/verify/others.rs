//! What is measured of approximations, products, projectors, whitened data and values alone.

use crate::data::error::{Error, zeros};
use crate::data::scalar::{Dtype, Real};
use crate::data::view::View;
use crate::verify::run::run_to;
use crate::verify::step::{Brought, Buffer, Measure, Size, Step, Target, Views, Wanted, whole};

/// What views are brought by: nothing in f32, which is far from the ends of its range.
fn brought<T: Real>(by: Brought) -> Brought {
    match T::DTYPE {
        Dtype::F64 => by,
        _ => &[],
    }
}

fn load<T: Real>(view: usize, to: Buffer, by: Brought) -> Step {
    Step::Load {
        view,
        to,
        first: 0,
        brought: brought::<T>(by),
    }
}

/// The first steps: exponents, where they count.
fn exponents<T: Real>(of: &[usize]) -> Vec<Step> {
    match T::DTYPE {
        Dtype::F64 => of.iter().map(|&view| Step::Exponents(view)).collect(),
        _ => Vec::new(),
    }
}

const RATIO: Step = Step::Ratio {
    part: 0,
    of: 1,
    out: 0,
};

fn squares(of: Buffer, to: usize) -> Step {
    Step::Squares { of, to }
}

/// What left right is more than `minus`.
fn residue(left: Buffer, right: Buffer, minus: Buffer, sums: Buffer) -> [Step; 2] {
    let product = Step::Product {
        left,
        right: whole(right),
        to: Target::Residue { minus, sums },
    };
    [product, Step::Sum { of: sums, to: 0 }]
}

/// |A - B| / |A|
pub(super) fn distances<T: Real>(views: [View<'_, T>; 2]) -> Result<Vec<f64>, Error> {
    let [a, _] = views;
    let size = Size::Matrix(a.rows(), a.cols());
    let mut steps = exponents::<T>(&[0]);
    steps.extend([
        load::<T>(0, 0, &[(0, -1)]),
        load::<T>(1, 1, &[(0, -1)]),
        Step::Subtract { from: 0, of: 1 },
        squares(1, 0),
        squares(0, 1),
        RATIO,
    ]);
    values(a.count(), views.to_vec(), vec![size; 2], steps)
}

/// |A - L R| / |A|
pub(super) fn products<T: Real>([a, left, right]: [View<'_, T>; 3]) -> Result<Vec<f64>, Error> {
    // Every factor is brought to 1, so that no product leaves the range.
    let mut steps = exponents::<T>(&[1, 2]);
    steps.extend([
        load::<T>(0, 0, &[(1, -1), (2, -1)]),
        load::<T>(1, 1, &[(1, -1)]),
        load::<T>(2, 2, &[(2, -1)]),
    ]);
    steps.extend(residue(1, 2, 0, 3));
    steps.extend([squares(0, 1), RATIO]);
    let buffers = vec![
        Size::Matrix(a.rows(), a.cols()),
        Size::Matrix(left.rows(), left.cols()),
        Size::Matrix(right.rows(), right.cols()),
        Size::Sums(a.cols()),
    ];
    values(a.count(), vec![a, left, right], buffers, steps)
}

/// |P P - P|
pub(super) fn idempotence<T: Real>(p: View<'_, T>) -> Result<Vec<f64>, Error> {
    let n = p.rows();
    let mut steps = vec![load::<T>(0, 0, &[])];
    steps.extend(residue(0, 0, 0, 1));
    steps.push(Step::Root { of: 0, out: 0 });
    let buffers = vec![Size::Matrix(n, n), Size::Sums(n)];
    values(p.count(), vec![p], buffers, steps)
}

/// |C C - C| of C = Y'Y, with Y = A W / over, after A is centred.
pub(super) fn whiteness<T: Real>([a, w]: [View<'_, T>; 2], over: f64) -> Result<Vec<f64>, Error> {
    let (m, n) = (a.rows(), a.cols());
    // W scales inversely to A.
    let mut steps = exponents::<T>(&[0]);
    steps.extend([
        load::<T>(0, 0, &[(0, -1)]),
        load::<T>(1, 1, &[(0, 1)]),
        Step::Centre { of: 0, over },
        Step::Product {
            left: 0,
            right: whole(1),
            to: Target::Matrix(2),
        },
        Step::Dots {
            left: 2,
            right: 2,
            to: Wanted::Matrix(3),
        },
    ]);
    steps.extend(residue(3, 3, 3, 4));
    steps.push(Step::Root { of: 0, out: 0 });
    let buffers = vec![
        Size::Matrix(m, n),
        Size::Matrix(n, n),
        Size::Matrix(m, n),
        Size::Matrix(n, n),
        Size::Sums(n),
    ];
    values(a.count(), vec![a, w], buffers, steps)
}

/// ||A| - |sigma|| / |A|
pub(super) fn norms<T: Real>([a, sigma]: [View<'_, T>; 2]) -> Result<Vec<f64>, Error> {
    let mut steps = exponents::<T>(&[0]);
    steps.extend([
        load::<T>(0, 0, &[(0, -1)]),
        load::<T>(1, 1, &[(0, -1)]),
        squares(0, 0),
        squares(1, 1),
        Step::Difference { of: [0, 1], out: 0 },
    ]);
    let buffers = vec![
        Size::Matrix(a.rows(), a.cols()),
        Size::Matrix(sigma.rows(), 1),
    ];
    values(a.count(), vec![a, sigma], buffers, steps)
}

fn values<T: Real>(
    count: usize,
    views: Vec<View<'_, T>>,
    buffers: Vec<Size>,
    steps: Vec<Step>,
) -> Result<Vec<f64>, Error> {
    let measure = Measure {
        count,
        views: Views::of(&views),
        buffers,
        steps,
        results: 1,
    };
    let mut results = zeros(count)?;
    run_to(&measure, &mut results)?;
    Ok(results)
}
