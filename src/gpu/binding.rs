//! What kernels bind of a chunk, beside what their own stages share.

use crate::data::factor::Factor;
use crate::gpu::Gpu;
use crate::gpu::pool::Buffer;
use crate::gpu::stream::Maker;
use crate::planner::Problem;
use crate::planner::gpu::GpuRecipe;
use crate::shader::Bindings;

/// Where a chunk's matrices are, and where its results go: singular values, or weights, or both among them.
pub(super) struct Places<'b> {
    pub input: wgpu::BufferBinding<'b>,
    /// Right-hand sides, if there are any.
    pub rhs: Option<wgpu::BufferBinding<'b>>,
    pub cutoffs: wgpu::BufferBinding<'b>,
    pub factors: Factors<'b>,
}

/// Where the singular values begin that come beside the weights of `count` matrices; zero where none do.
pub(super) fn beside(problem: &Problem, count: usize) -> u32 {
    match problem.values {
        true => (count * problem.cols) as u32,
        false => 0,
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

impl<'b> Factors<'b> {
    pub fn side(&self, side: Factor) -> &wgpu::BufferBinding<'b> {
        match side {
            Factor::U => &self.u,
            Factor::V => &self.v,
        }
    }

    /// `projection` is of the right-hand sides, if there are any.
    pub fn bind(
        &self,
        gpu: &Gpu,
        maker: &Maker<'_>,
        (left, right): (Factor, Factor),
        projection: Option<&Projection>,
        cutoffs: &wgpu::BufferBinding<'_>,
    ) -> wgpu::BindGroup {
        let unused;
        let (right, powers) = match projection {
            None => {
                unused = maker.buffer("powers", 0);
                (self.side(right).clone(), unused.whole())
            }
            Some(projection) => (projection.projected.whole(), projection.powers.whole()),
        };
        let buffers = [
            self.side(left),
            &right,
            &self.weights,
            &self.composed,
            &self.state,
            &powers,
            cutoffs,
        ];
        maker.group(gpu.pipelines.layout(Bindings::Compose), &buffers)
    }
}

/// What lies on the device of the right-hand sides of one chunk after the other.
pub(super) struct Projection {
    /// The scale of each.
    pub powers: Buffer,
    /// The transpose of what the factor leaves of them.
    pub projected: Buffer,
}

impl Projection {
    /// For so many matrices, if they have right-hand sides that the kernel which decomposes leaves alone.
    pub fn new(
        maker: &Maker<'_>,
        problem: &Problem,
        recipe: &GpuRecipe,
        chunk: usize,
    ) -> Option<Self> {
        let [_, rhs] = problem.rhs_size().filter(|_| !recipe.fused())?;
        let entries = chunk * rhs * problem.cols;
        Some(Projection {
            powers: maker.buffer("powers", chunk * rhs * 4),
            projected: maker.buffer("projected", entries * problem.dtype.size()),
        })
    }

    pub fn bind(
        &self,
        gpu: &Gpu,
        maker: &Maker<'_>,
        side: Factor,
        input: &wgpu::BufferBinding<'_>,
        factors: &Factors<'_>,
    ) -> wgpu::BindGroup {
        let buffers = [
            input,
            factors.side(side),
            &self.powers.whole(),
            &self.projected.whole(),
            &factors.state,
        ];
        maker.group(gpu.pipelines.layout(Bindings::Rhs), &buffers)
    }
}
