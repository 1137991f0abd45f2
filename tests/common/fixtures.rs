//! Matrices whose singular values were computed with 500 digits: tests/fixtures/sigma.json.

use batched_svd::{Batch, Dtype, Real, Scalar};

/// One matrix; row-major entries.
#[derive(serde::Deserialize)]
pub struct Fixture {
    pub name: String,
    pub rows: usize,
    pub cols: usize,
    /// Whether every entry is a normal f32, or zero.
    pub f32: bool,
    pub a: Vec<f64>,
    pub sigma: Vec<f64>,
}

impl Fixture {
    pub fn matrix<T: Scalar + Real>(&self) -> Batch<T> {
        let entries: Vec<T> = self.a.iter().map(|&x| T::of(x)).collect();
        Batch::from_row_major(1, self.rows, self.cols, &entries).unwrap()
    }
}

/// Those that a type holds.
pub fn fixtures<T: Real>() -> Vec<Fixture> {
    let text = include_str!("../fixtures/sigma.json");
    let mut list: Vec<Fixture> = serde_json::from_str(text).unwrap();
    list.retain(|fixture| T::DTYPE == Dtype::F64 || fixture.f32);
    list
}
