//! What a factor of a decomposition leaves of right-hand sides.

use crate::data::error::Error;
use crate::gpu::shared::params;
use crate::gpu::stream::{Dispatch, Stream};
use crate::host::call::Task;
use crate::planner::gpu::GpuRecipe;
use crate::planner::iterations::block;
use crate::planner::paths::after::{PROJECT, WEIGH};

params! {
    /// As `Params` in shaders/rhs.wgsl.
    pub(super) struct Params {
        length: u32,
        cols: u32,
        inner: u32,
        factor_size: u32,
        row_stride: u32,
        col_stride: u32,
        first: u32,
        block: u32,
        lanes: u32,
        groups: u32,
    }
}

/// Scales and projects the right-hand sides of the first `count` matrices, whose steps are from row to
/// row and from column to column.
pub(super) async fn project(
    stream: &Stream<'_>,
    task: &Task<'_>,
    recipe: &GpuRecipe,
    group: &wgpu::BindGroup,
    [row_stride, col_stride]: [usize; 2],
    count: usize,
) -> Result<(), Error> {
    let (problem, gpu) = (&task.problem, stream.gpu);
    let (Some([length, rhs]), Some((_, side))) = (problem.rhs_size(), problem.composed) else {
        return Ok(());
    };
    let pipeline = async |kernel| gpu.pipeline(recipe.blueprint(kernel, problem)).await;
    let (weigh, project) = (pipeline(WEIGH).await?, pipeline(PROJECT).await?);
    let lanes = recipe.lanes.of(side);
    let most = gpu.limits.workgroups;
    let entries = (rhs * problem.cols) as u32;
    for first in (0..count).step_by(recipe.composed_per_submit) {
        let matrices = recipe.composed_per_submit.min(count - first) as u32;
        let params = Params {
            length: length as u32,
            cols: rhs as u32,
            inner: problem.cols as u32,
            factor_size: (length * problem.columns_of(side)) as u32,
            row_stride: row_stride as u32,
            col_stride: col_stride as u32,
            first: first as u32,
            block: block(length.div_ceil(lanes as usize)),
            lanes,
            groups: 0,
        };
        let spread = |pipeline, groups: u32| {
            let groups = groups.min(most);
            Dispatch::new(pipeline, Params { groups, ..params }, [groups, matrices])
        };
        let dispatches = [
            spread(&weigh, rhs as u32),
            spread(&project, entries.div_ceil(recipe.lanes.workgroup / lanes)),
        ];
        stream.submit(group, &dispatches).await?;
    }
    Ok(())
}
