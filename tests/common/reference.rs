//! Decompositions in f64 from nalgebra, or from faer where nalgebra's factors do not reconstruct
//! the matrix: a reference is a factorisation whose own invariants hold.

use batched_svd::{Batch, Real};
use faer::linalg::solvers::Svd as FaerSvd;
use nalgebra::DMatrix;

use super::bounds::in_f64;

/// One matrix, in f64.
pub fn dense<T: Real>(batch: &Batch<T>, index: usize) -> DMatrix<f64> {
    DMatrix::from_column_slice(batch.rows(), batch.cols(), &in_f64(batch.matrix(index)))
}

/// How far a factorisation may be from its matrix and from orthogonality: generous to a reference
/// in f64, and still 1e4 times sharper than anything in f32.
const INVARIANT: f64 = 1e-12;

fn holds(a: &DMatrix<f64>, u: &DMatrix<f64>, sigma: &[f64], vt: &DMatrix<f64>) -> bool {
    let k = sigma.len();
    let s = DMatrix::from_diagonal(&nalgebra::DVector::from_row_slice(sigma));
    let residual = (u * s * vt - a).norm();
    let identity = DMatrix::<f64>::identity(k, k);
    let u_loss = (u.transpose() * u - &identity).amax();
    let v_loss = (vt * vt.transpose() - &identity).amax();
    residual <= INVARIANT * a.norm() && u_loss <= INVARIANT && v_loss <= INVARIANT
}

/// U, sigma and V' of a matrix, largest first.
pub struct Factors {
    pub u: DMatrix<f64>,
    pub sigma: Vec<f64>,
    pub vt: DMatrix<f64>,
}

impl Factors {
    /// Those of a matrix times 2^-power.
    fn new(u: DMatrix<f64>, sigma: &[f64], vt: DMatrix<f64>, power: f64) -> Self {
        let mut order: Vec<usize> = (0..sigma.len()).collect();
        order.sort_by(|&i, &j| sigma[j].total_cmp(&sigma[i]));
        Factors {
            u: u.select_columns(&order),
            sigma: order.iter().map(|&i| scaled(sigma[i], power)).collect(),
            vt: vt.select_rows(&order),
        }
    }
}

/// The singular values of a column-major m x n matrix, descending.
pub fn singular_values(entries: &[f64], m: usize, n: usize) -> Result<Vec<f64>, String> {
    if m.min(n) == 0 {
        return Ok(Vec::new());
    }
    Ok(factors(entries, m, n)?.sigma)
}

/// The thin decomposition of a column-major m x n matrix that is not empty.
pub fn factors(entries: &[f64], m: usize, n: usize) -> Result<Factors, String> {
    let k = m.min(n);
    // Entries are brought to 1: neither library scales, and squares of 1e-200 are nothing.
    let largest = entries.iter().fold(0.0f64, |l, x| l.max(x.abs()));
    if largest == 0.0 {
        return Ok(Factors {
            u: DMatrix::identity(m, k),
            sigma: vec![0.0; k],
            vt: DMatrix::identity(k, n),
        });
    }
    let power = largest.log2().floor();
    let a = DMatrix::from_iterator(m, n, entries.iter().map(|&x| scaled(x, -power)));
    let svd = a.clone().svd(true, true);
    if let (Some(u), Some(vt)) = (svd.u, svd.v_t) {
        let sigma: Vec<f64> = svd.singular_values.iter().copied().collect();
        if holds(&a, &u, &sigma, &vt) {
            return Ok(Factors::new(u, &sigma, vt, power));
        }
    }
    let f = faer::Mat::from_fn(m, n, |i, j| a[(i, j)]);
    let svd = FaerSvd::new_thin(f.as_ref()).map_err(|e| format!("faer: {e:?}"))?;
    let u = DMatrix::from_fn(m, k, |i, j| svd.U()[(i, j)]);
    let vt = DMatrix::from_fn(k, n, |i, j| svd.V()[(j, i)]);
    let sigma: Vec<f64> = (0..k).map(|i| svd.S()[i]).collect();
    if holds(&a, &u, &sigma, &vt) {
        return Ok(Factors::new(u, &sigma, vt, power));
    }
    Err(format!(
        "neither nalgebra nor faer factors this {m}x{n} matrix"
    ))
}

/// x 2^p in two exact steps.
fn scaled(x: f64, p: f64) -> f64 {
    let half = (p / 2.0).trunc();
    x * 2f64.powi(half as i32) * 2f64.powi((p - half) as i32)
}
