//! Pseudoinverses in a browser, on its WebGPU or on its CPU: what `index.html` calls.

use batched_svd::{Dtype, Engine, GpuOptions, View, verify};
use wasm_bindgen::prelude::*;

/// An engine, opened once.
#[wasm_bindgen]
pub struct Solver {
    engine: Engine,
}

/// Matrices that have no pseudoinverse by the CPU, which takes the page's thread in turns.
#[wasm_bindgen]
pub async fn pinv_by_cpu(
    count: usize,
    rows: usize,
    cols: usize,
    entries: Vec<f32>,
) -> Result<usize, JsError> {
    let a = View::col_major(&entries, count, rows, cols)?;
    let pinv = Engine::cpu().pinv(a).run_async().await?;
    Ok(pinv.report.failures().count())
}

/// Pseudoinverses, and how the matrices fared.
#[wasm_bindgen(getter_with_clone)]
pub struct Inverses {
    /// Column by column.
    pub entries: Vec<f32>,
    /// What the planner chose.
    pub kernel: String,
    /// Matrices that have no pseudoinverse here.
    pub failures: usize,
    /// The worst |A X A - A| / |A|, in units of the promised bound of a matrix of condition 1.
    pub residual: f64,
}

#[wasm_bindgen]
impl Solver {
    /// The engine on the browser's GPU.
    pub async fn open() -> Result<Solver, JsError> {
        let engine = Engine::gpu_async(&GpuOptions::default()).await?;
        Ok(Solver { engine })
    }

    /// What computes.
    pub fn device(&self) -> String {
        self.engine.to_string()
    }

    /// Pseudoinverses (count x cols x rows) of matrices (count x rows x cols) that lie one after the other, column by
    /// column.
    pub async fn pinv(
        &self,
        count: usize,
        rows: usize,
        cols: usize,
        entries: Vec<f32>,
    ) -> Result<Inverses, JsError> {
        let a = View::col_major(&entries, count, rows, cols)?;
        let pinv = self.engine.pinv(a).run_async().await?;
        let bound = 8.0 * verify::tolerance(Dtype::F32, rows, cols);
        let residuals = verify::moore_penrose(a, &pinv.inverse)?;
        // A NaN must not hide behind a comparison.
        let larger = |worst: f64, r: f64| if r > worst || r.is_nan() { r } else { worst };
        let worst = residuals.iter().map(|r| r[0]).fold(0.0, larger);
        Ok(Inverses {
            kernel: pinv.report.kernel.to_string(),
            failures: pinv.report.failures().count(),
            residual: worst / bound,
            entries: pinv.inverse.into_vec(),
        })
    }
}
