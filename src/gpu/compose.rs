//! left diag(weights) right' of every matrix of a chunk, and products.

use bytemuck::{Pod, Zeroable};

use crate::error::Error;
use crate::gpu::Gpu;
use crate::gpu::shader::{Bindings, Blueprint, COMPOSE_WORKGROUP, Kernel, Sizes};
use crate::gpu::stream::{Dispatch, Maker, Stream};
use crate::planner::gpu::block;
use crate::planner::{Problem, Side};
use crate::scalar::Dtype;

/// As `Params` in shaders/compose.wgsl.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    rows: u32,
    cols: u32,
    inner: u32,
    left: Steps,
    right: Steps,
    weighted: u32,
    first: u32,
    block: u32,
    groups: u32,
    lift: i32,
}

/// Entries from a matrix of a factor to the next, from a row, from a column.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Steps {
    pub matrix: u32,
    pub row: u32,
    pub col: u32,
}

/// left diag(weights) right', rows x cols, with `inner` columns of left and of right.
#[derive(Clone, Copy)]
pub(super) struct Composition {
    pub dtype: Dtype,
    pub rows: usize,
    pub cols: usize,
    pub inner: usize,
    pub left: Steps,
    pub right: Steps,
    /// Whether there are weights; otherwise they are one.
    pub weighted: bool,
    /// Of a matrix that was scaled by 2^p, the result is scaled by 2^(lift p) and judged, in its
    /// state; none where it is zero.
    pub lift: i32,
}

impl Composition {
    /// What a problem asks for, if it does.
    pub fn of(problem: &Problem, lift: i32) -> Option<Self> {
        let (left, right) = problem.composed?;
        let n = problem.cols;
        let steps = |side| Steps {
            matrix: match side {
                Side::U => problem.rows * problem.formed_u_cols(),
                Side::V => n * n,
            } as u32,
            row: 1,
            col: problem.side(side) as u32,
        };
        Some(Composition {
            dtype: problem.dtype,
            rows: problem.side(left),
            cols: problem.side(right),
            inner: n,
            left: steps(left),
            right: steps(right),
            weighted: true,
            lift,
        })
    }

    /// Composes `count` matrices, some a submit.
    pub async fn run(
        &self,
        stream: &Stream<'_>,
        group: &wgpu::BindGroup,
        count: usize,
        per_submit: usize,
    ) -> Result<(), Error> {
        let gpu = stream.gpu;
        let blueprint = Blueprint {
            kernel: Kernel::Compose,
            dtype: self.dtype,
            workgroup: COMPOSE_WORKGROUP,
            sizes: Sizes::Any,
        };
        let pipeline = gpu.pipelines.get(&gpu.device, blueprint).await?;
        let most = gpu.limits.workgroups;
        let groups = ((self.rows * self.cols) as u32).div_ceil(COMPOSE_WORKGROUP);
        let groups = groups.min(most);
        for first in (0..count).step_by(per_submit) {
            let matrices = per_submit.min(count - first);
            let params = Params {
                rows: self.rows as u32,
                cols: self.cols as u32,
                inner: self.inner as u32,
                left: self.left,
                right: self.right,
                weighted: u32::from(self.weighted),
                first: first as u32,
                block: block(self.inner),
                groups,
                lift: self.lift,
            };
            let dispatch = Dispatch::new(&pipeline, params, [groups, matrices as u32]);
            stream.submit(group, &[dispatch]).await?;
        }
        Ok(())
    }
}

/// The factors of a decomposition, and where a composition of them goes.
pub(super) struct Factors<'b> {
    pub u: wgpu::BufferBinding<'b>,
    pub v: wgpu::BufferBinding<'b>,
    pub weights: wgpu::BufferBinding<'b>,
    pub composed: wgpu::BufferBinding<'b>,
    pub state: wgpu::BufferBinding<'b>,
}

impl Factors<'_> {
    pub fn bind(
        &self,
        gpu: &Gpu,
        maker: &Maker<'_>,
        (left, right): (Side, Side),
    ) -> wgpu::BindGroup {
        let side = |side| match side {
            Side::U => &self.u,
            Side::V => &self.v,
        };
        let buffers = [
            side(left),
            side(right),
            &self.weights,
            &self.composed,
            &self.state,
        ];
        maker.group(gpu.pipelines.layout(Bindings::Compose), &buffers)
    }
}
