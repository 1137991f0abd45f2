//! left diag(weights) right' of every matrix of a chunk, and products.

use crate::data::error::Error;
use crate::data::scalar::Dtype;
use crate::gpu::shared::params;
use crate::gpu::stream::{Dispatch, Stream};
use crate::host::call::Task;
use crate::planner::iterations::block;
use crate::planner::paths::after::{COMPOSE_WORKGROUP, composing};

params! {
    /// As `Params` in shaders/compose.wgsl.
    pub(super) struct Params {
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
        cutoffs: u32,
        solves: u32,
        begin: u32,
        end: u32,
    }
}

params! {
    /// Entries from a matrix of a factor to the next, from a row, from a column.
    pub(super) struct Steps {
        pub size: u32,
        pub row: u32,
        pub col: u32,
    }
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
    /// Whether there are weights, and the result is judged, in its matrix' state; else they are one.
    pub weighted: bool,
    /// Of a matrix that was scaled by 2^p, the weighted result is scaled by 2^(lift p).
    pub lift: i32,
    /// Whether every matrix has its own damping.
    pub each: bool,
    /// Whether columns of the result belong to right-hand sides, which were scaled too.
    pub solves: bool,
}

impl Composition {
    /// What a problem asks for, if it does.
    pub fn of(task: &Task<'_>) -> Option<Self> {
        let problem = &task.problem;
        let (left, right) = problem.composed?;
        let n = problem.cols;
        let steps = |side| Steps {
            size: (problem.side(side) * problem.columns_of(side)) as u32,
            row: 1,
            col: problem.side(side) as u32,
        };
        let (cols, right) = match problem.rhs {
            None => (problem.side(right), steps(right)),
            Some(rhs) => {
                let (size, col) = ((rhs * n) as u32, rhs as u32);
                (rhs, Steps { size, row: 1, col })
            }
        };
        Some(Composition {
            dtype: problem.dtype,
            rows: problem.side(left),
            cols,
            inner: n,
            left: steps(left),
            right,
            weighted: true,
            lift: -task.filter.degree(),
            each: task.options.has_each(),
            solves: problem.rhs.is_some(),
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
        let pipeline = gpu.pipeline(composing(self.dtype)).await?;
        // Of one matrix that is too much for a submit, some entries at a time.
        let entries = self.rows * self.cols;
        let terms = 2 * self.inner as u64 * self.dtype.operations();
        let bounded = gpu.submit_flops() / terms.max(1);
        let most = bounded.clamp(COMPOSE_WORKGROUP.into(), 1 << 30) as usize;
        let some = if per_submit > 1 { entries } else { most };
        for (first, begin) in (0..count)
            .step_by(per_submit)
            .flat_map(|first| (0..entries).step_by(some).map(move |begin| (first, begin)))
        {
            let matrices = per_submit.min(count - first);
            let end = entries.min(begin + some);
            let groups = ((end - begin) as u32).div_ceil(COMPOSE_WORKGROUP);
            let groups = groups.min(gpu.limits.workgroups);
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
                cutoffs: u32::from(self.each),
                solves: u32::from(self.solves),
                begin: begin as u32,
                end: end as u32,
            };
            let dispatch = Dispatch::new(&pipeline, params, [groups, matrices as u32]);
            stream.submit(group, &[dispatch]).await?;
        }
        Ok(())
    }
}
