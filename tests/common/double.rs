//! Sums of two f64 (Dekker 1971): 106 bits, in which results in f64 are judged.

use std::ops::{Add, Div, Mul, Neg, Sub};

#[derive(Clone, Copy, Debug, Default)]
pub struct Double(f64, f64);

impl From<f64> for Double {
    fn from(x: f64) -> Self {
        Double(x, 0.0)
    }
}

impl Double {
    pub fn f64(self) -> f64 {
        self.0
    }

    fn sum(a: f64, b: f64) -> Self {
        let sum = a + b;
        let part = sum - a;
        Double(sum, (a - (sum - part)) + (b - part))
    }

    pub fn sqrt(self) -> Self {
        let root = Double::from(self.0.sqrt());
        if root.0 == 0.0 {
            return root;
        }
        // Newton's steps.
        let better = |root: Double| root + (self - root * root) / (root + root);
        better(better(root))
    }
}

impl Add for Double {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (high, low) = (Double::sum(self.0, other.0), Double::sum(self.1, other.1));
        let sum = Double::sum(high.0, high.1 + low.0);
        Double::sum(sum.0, sum.1 + low.1)
    }
}

impl Neg for Double {
    type Output = Self;
    fn neg(self) -> Self {
        Double(-self.0, -self.1)
    }
}

impl Sub for Double {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Double {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let product = self.0 * other.0;
        let rest = self.0.mul_add(other.0, -product) + (self.0 * other.1 + self.1 * other.0);
        Double::sum(product, rest)
    }
}

impl Div for Double {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = Double::from(self.0 / other.0);
        let rest = self - first * other;
        let second = Double::from(rest.0 / other.0);
        let rest = rest - second * other;
        first + second + Double::from(rest.0 / other.0)
    }
}

pub fn dot(x: &[f64], y: &[f64]) -> Double {
    let products = x.iter().zip(y).map(|(&x, &y)| Double::from(x) * y.into());
    products.fold(Double::default(), Add::add)
}

/// The least-squares solution for a column-major m x n matrix of full column rank.
pub fn least_squares(a: &[f64], m: usize, n: usize, b: &[f64]) -> Vec<f64> {
    let projected = (0..n).map(|j| dot(&a[j * m..][..m], b)).collect();
    let x = solve_gram(a, m, n, projected);
    x.into_iter().map(Double::f64).collect()
}

/// The solution of least norm of A' x = b, for a column-major m x n matrix A of full column rank.
pub fn least_norm(a: &[f64], m: usize, n: usize, b: &[f64]) -> Vec<f64> {
    let z = solve_gram(a, m, n, b.iter().map(|&b| b.into()).collect());
    let entry = |i: usize| {
        let products = (0..n).map(|j| Double::from(a[j * m + i]) * z[j]);
        products.fold(Double::default(), Add::add).f64()
    };
    (0..m).map(entry).collect()
}

/// (A' A)^-1 y: 106 bits bear a condition number of A' A up to 1e20.
fn solve_gram(a: &[f64], m: usize, n: usize, mut y: Vec<Double>) -> Vec<Double> {
    let column = |j: usize| &a[j * m..][..m];
    let mut g: Vec<Double> = (0..n * n)
        .map(|at| dot(column(at % n), column(at / n)))
        .collect();
    // Cholesky's factor, and the substitutions.
    for k in 0..n {
        let root = g[k * n + k].sqrt();
        g[k * n + k] = root;
        for i in k + 1..n {
            g[k * n + i] = g[k * n + i] / root;
        }
        for j in k + 1..n {
            for i in j..n {
                g[j * n + i] = g[j * n + i] - g[k * n + i] * g[k * n + j];
            }
        }
    }
    for k in 0..n {
        for i in 0..k {
            y[k] = y[k] - g[i * n + k] * y[i];
        }
        y[k] = y[k] / g[k * n + k];
    }
    for k in (0..n).rev() {
        for i in k + 1..n {
            y[k] = y[k] - g[k * n + i] * y[i];
        }
        y[k] = y[k] / g[k * n + k];
    }
    y
}
