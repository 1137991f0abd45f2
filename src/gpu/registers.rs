//! The kernels of matrices that fit registers: one dispatch from the caller's entries to the caller's
//! results.

use crate::data::error::Error;
use crate::gpu::Gpu;
use crate::gpu::binding::{Places, beside};
use crate::gpu::shared::params;
use crate::gpu::stream::{Dispatch, Maker, Stream};
use crate::host::call::Task;
use crate::planner::gpu::GpuRecipe;
use crate::shader::{Bindings, Kernel};

params! {
    /// As `Params` in shaders/registers.wgsl.
    pub(super) struct Params {
        first: u32,
        end: u32,
        row_stride: u32,
        col_stride: u32,
        cutoffs: u32,
        max_sweeps: u32,
        tolerance: f32,
        form: u32,
        lift: i32,
        beside: u32,
        rhs: u32,
        rhs_row_stride: u32,
        rhs_col_stride: u32,
    }
}

pub(super) fn bind(
    gpu: &Gpu,
    maker: &Maker<'_>,
    recipe: &GpuRecipe,
    places: &Places<'_>,
) -> wgpu::BindGroup {
    let factors = &places.factors;
    let u = match recipe.fused() {
        true => &factors.composed,
        false => &factors.u,
    };
    let buffers = [
        &places.input,
        &places.cutoffs,
        u,
        &factors.v,
        &factors.weights,
        &factors.state,
        // Where there are none, what is there is not looked at.
        places.rhs.as_ref().unwrap_or(&places.cutoffs),
    ];
    maker.group(gpu.pipelines.layout(Bindings::Registers), &buffers)
}

/// Decomposes the first `count` matrices, of which a team of lanes holds one, and composes if that is fused. Their steps, and those of their
/// right-hand sides, are from row to row and from column to column.
pub(super) async fn solve(
    stream: &Stream<'_>,
    task: &Task<'_>,
    recipe: &GpuRecipe,
    (kernel, team): (Kernel, u32),
    group: &wgpu::BindGroup,
    [[row_stride, col_stride], [rhs_row_stride, rhs_col_stride]]: [[usize; 2]; 2],
    count: usize,
) -> Result<(), Error> {
    let gpu = stream.gpu;
    let pipeline = gpu
        .pipeline(recipe.blueprint(kernel, &task.problem))
        .await?;
    let teams = (recipe.lanes.workgroup / team) as usize;
    for begin in (0..count).step_by(recipe.matrices_per_submit) {
        let end = count.min(begin + recipe.matrices_per_submit);
        let params = Params {
            first: begin as u32,
            end: end as u32,
            row_stride: row_stride as u32,
            col_stride: col_stride as u32,
            cutoffs: u32::from(task.options.has_each()),
            max_sweeps: task.convergence.max_sweeps,
            tolerance: task.convergence.tolerance_f32(),
            form: task.filter.word(),
            lift: -task.filter.degree(),
            beside: beside(&task.problem, count),
            rhs: task.problem.rhs.unwrap_or(0) as u32,
            rhs_row_stride: rhs_row_stride as u32,
            rhs_col_stride: rhs_col_stride as u32,
        };
        let dispatch = Dispatch::new(&pipeline, params, [(end - begin).div_ceil(teams) as u32, 1]);
        stream.submit(group, &[dispatch]).await?;
    }
    Ok(())
}
