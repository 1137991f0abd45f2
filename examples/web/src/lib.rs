//! Pseudoinverses in a browser, on its WebGPU: what `index.html` calls.

use batched_svd::{Engine, GpuOptions, Options, View, verify};
use wasm_bindgen::prelude::*;

/// An engine, opened once.
#[wasm_bindgen]
pub struct Solver {
    engine: Engine,
}

/// Pseudoinverses, and how the matrices fared.
#[wasm_bindgen]
pub struct Inverses {
    entries: Vec<f32>,
    kernel: String,
    failures: usize,
    residual: f64,
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
        let pinv = self.engine.pinv_async(a, &Options::default()).await?;
        let residuals = verify::moore_penrose(a, &pinv.inverse)?;
        // |A X A - A| / |A|: in units of the rounding, and of what is promised.
        let tolerance = verify::tolerance(batched_svd::Dtype::F32, rows, cols);
        let worst = residuals.iter().map(|r| r[0]).fold(0.0, f64::max);
        Ok(Inverses {
            kernel: pinv.report.kernel.to_string(),
            failures: pinv.report.failures().count(),
            residual: worst / tolerance,
            entries: pinv.inverse.as_slice().to_vec(),
        })
    }
}

#[wasm_bindgen]
impl Inverses {
    /// The pseudoinverses' entries, column by column.
    #[wasm_bindgen(getter)]
    pub fn entries(&self) -> Vec<f32> {
        self.entries.clone()
    }

    /// The kernel that the planner chose.
    #[wasm_bindgen(getter)]
    pub fn kernel(&self) -> String {
        self.kernel.clone()
    }

    /// Matrices that have no pseudoinverse here.
    #[wasm_bindgen(getter)]
    pub fn failures(&self) -> usize {
        self.failures
    }

    /// The worst |A X A - A| / |A|, over what is promised of a matrix of condition 1.
    #[wasm_bindgen(getter)]
    pub fn residual(&self) -> f64 {
        self.residual
    }
}
