//! left diag(weights) right' of every matrix of a chunk.

use bytemuck::{Pod, Zeroable};

use crate::error::Error;
use crate::gpu::Gpu;
use crate::gpu::shader::{Blueprint, COMPOSE_WORKGROUP, Kernel};
use crate::gpu::stream::{Dispatch, Maker, Stream};
use crate::planner::gpu::{GpuRecipe, block};
use crate::planner::{Problem, Side};

/// As `Params` in shaders/compose.wgsl.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct ComposeParams {
    rows: u32,
    cols: u32,
    inner: u32,
    left_size: u32,
    right_size: u32,
    first: u32,
    block: u32,
    groups: u32,
    lift: i32,
}

/// What a composition is made of.
pub(super) struct Factors<'b> {
    pub u: &'b wgpu::Buffer,
    pub v: &'b wgpu::Buffer,
    pub weights: &'b wgpu::Buffer,
    pub state: &'b wgpu::Buffer,
}

impl Factors<'_> {
    pub fn group(
        &self,
        gpu: &Gpu,
        maker: &Maker<'_>,
        (left, right): (Side, Side),
        composed: &wgpu::Buffer,
    ) -> wgpu::BindGroup {
        let side = |side| match side {
            Side::U => self.u,
            Side::V => self.v,
        };
        let buffers = [side(left), side(right), self.weights, composed, self.state];
        maker.group(&gpu.pipelines.compose_layout, &buffers)
    }
}

/// Composes `count` matrices, some a submit. Of a matrix that was scaled by 2^p, the result is scaled
/// by 2^(lift p) and judged, in its state; none where `lift` is zero.
pub(super) async fn compose(
    stream: &Stream<'_>,
    problem: &Problem,
    recipe: &GpuRecipe,
    group: &wgpu::BindGroup,
    count: usize,
    lift: i32,
) -> Result<(), Error> {
    let Some((left, right)) = problem.composed else {
        return Ok(());
    };
    let (n, gpu) = (problem.cols, stream.gpu);
    let (rows, cols) = (problem.side(left), problem.side(right));
    let size = |side| match side {
        Side::U => problem.rows * problem.formed_u_cols(),
        Side::V => n * n,
    };
    let blueprint = Blueprint::new(Kernel::Compose, problem, recipe);
    let pipeline = gpu.pipelines.get(&gpu.device, blueprint).await?;
    let most = gpu.limits.workgroups;
    let groups = ((rows * cols) as u32).div_ceil(COMPOSE_WORKGROUP).min(most);
    for first in (0..count).step_by(recipe.composed_per_submit) {
        let matrices = recipe.composed_per_submit.min(count - first);
        let params = ComposeParams {
            rows: rows as u32,
            cols: cols as u32,
            inner: n as u32,
            left_size: size(left) as u32,
            right_size: size(right) as u32,
            first: first as u32,
            block: block(n),
            groups,
            lift,
        };
        let dispatch = Dispatch::new(&pipeline, params, [groups, matrices as u32]);
        stream.submit(group, &[dispatch]).await?;
    }
    Ok(())
}
