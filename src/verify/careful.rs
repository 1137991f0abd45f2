//! Matrices in f64 whose numbers are brought by powers of two, one by one, to where products of them are numbers too.

use crate::data::batch::Batch;
use crate::data::error::Error;
use crate::data::scalar::Real;
use crate::data::scalar::sealed::Float;
use crate::data::view::View;

/// Matrix `b`, entry (i, j) times 2^power(i, j).
pub(super) fn scaled<T: Real>(
    view: &View<'_, T>,
    b: usize,
    power: impl Fn(usize, usize) -> i32,
) -> Result<Batch<f64>, Error> {
    let view = view.matrices(b..b + 1)?;
    Batch::from_fn(1, view.rows(), view.cols(), |_, i, j| {
        view.column_of(0, j).at(i).f64().ldexp(power(i, j))
    })
}

/// The norm of some numbers, as f 2^e; zero if all are.
fn norm(numbers: &[f64]) -> (f64, i32) {
    let largest = numbers.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return (largest, 0);
    }
    let power = largest.exponent();
    let squares = numbers.iter().map(|x| x.ldexp(-power).powi(2));
    (squares.sum::<f64>().sqrt(), power)
}

/// The exponent of a number f 2^e.
fn exponent((norm, power): (f64, i32)) -> Option<i32> {
    (norm > 0.0 && norm.is_finite()).then(|| norm.exponent() + power)
}

/// The exponents of the lengths of the columns of matrix `b`; columns of zeros have the least of the others'.
pub(super) fn column_exponents<T: Real>(view: &View<'_, T>, b: usize) -> Vec<i32> {
    let own = |j| {
        let column: Vec<f64> = view.column(b, j).map(|x| x.f64()).collect();
        exponent(norm(&column))
    };
    let exponents: Vec<Option<i32>> = (0..view.cols()).map(own).collect();
    let least = exponents.iter().flatten().min().copied().unwrap_or(0);
    exponents.into_iter().map(|e| e.unwrap_or(least)).collect()
}

/// The exponents of numbers; zero of those that have none.
pub(super) fn exponents<T: Real>(numbers: impl Iterator<Item = T>) -> Vec<i32> {
    let own = |x: f64| exponent((x.abs(), 0)).unwrap_or(0);
    numbers.map(|x| own(x.f64())).collect()
}

/// The norm of matrix `b`, as f 2^e.
pub(super) fn matrix_norm<T: Real>(view: &View<'_, T>, b: usize) -> (f64, i32) {
    let columns = (0..view.cols()).flat_map(|j| view.column(b, j));
    norm(&columns.map(|x| x.f64()).collect::<Vec<f64>>())
}

/// The largest exponent of the entries of some column, each with one of its own added.
pub(super) fn largest_exponent<T: Real>(
    column: impl Iterator<Item = T>,
    with: impl Iterator<Item = i32>,
) -> Option<i32> {
    let both = column.map(|x| x.f64()).zip(with);
    let counts = both.filter(|(x, _)| *x != 0.0 && x.is_finite());
    counts.map(|(x, e)| x.exponent() + e).max()
}
