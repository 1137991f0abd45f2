//! The matrices that lie on the device at a time: what the kernels bind, and the way from the caller's
//! entries to the caller's results.

use crate::data::error::Error;
use crate::gpu::binding::{Places, Projection};
use crate::gpu::compose::Composition;
use crate::gpu::solve::{self, Scratch};
use crate::gpu::stream::{Maker, Stream};
use crate::gpu::{Gpu, registers, rhs};
use crate::host::call::Task;
use crate::planner::Problem;
use crate::planner::gpu::GpuRecipe;
use crate::planner::paths::plan::Solver;

/// A chunk, bound.
pub(super) struct Chunk {
    kernels: Kernels,
    project: Option<wgpu::BindGroup>,
    compose: Option<wgpu::BindGroup>,
}

enum Kernels {
    Registers(wgpu::BindGroup),
    Staged(solve::Groups),
}

impl Chunk {
    /// `scratch` is for matrices that registers do not hold, `projection` for right-hand sides.
    pub fn bind(
        gpu: &Gpu,
        maker: &Maker<'_>,
        problem: &Problem,
        recipe: &GpuRecipe,
        places: &Places<'_>,
        scratch: Option<&Scratch>,
        projection: Option<&Projection>,
    ) -> Self {
        let factors = &places.factors;
        Chunk {
            kernels: match scratch {
                None => Kernels::Registers(registers::bind(gpu, maker, recipe, places)),
                Some(scratch) => Kernels::Staged(scratch.bind(gpu, maker, places)),
            },
            project: match (projection, problem.composed, &places.rhs) {
                (Some(projection), Some((_, side)), Some(input)) => {
                    Some(projection.bind(gpu, maker, side, input, factors))
                }
                _ => None,
            },
            compose: problem
                .composed
                .filter(|_| !recipe.fused())
                .map(|sides| factors.bind(gpu, maker, sides, projection, &places.cutoffs)),
        }
    }

    /// Decomposes and composes its first `count` matrices, whose steps, and those of their right-hand
    /// sides, are from row to row and from column to column.
    pub async fn solve(
        &self,
        stream: &Stream<'_>,
        task: &Task<'_>,
        recipe: &GpuRecipe,
        steps: [usize; 2],
        rhs_steps: [usize; 2],
        count: usize,
    ) -> Result<(), Error> {
        match (&self.kernels, recipe.path.plan().solver()) {
            (Kernels::Registers(group), Solver::Alone { kernel, team }) => {
                let (own, steps) = ((kernel, team), [steps, rhs_steps]);
                registers::solve(stream, task, recipe, own, group, steps, count).await?;
            }
            (Kernels::Staged(groups), Solver::Staged { factor, sweeps }) => {
                let stages = (factor, sweeps);
                solve::solve(stream, task, recipe, stages, groups, steps, count).await?;
            }
            _ => return Err(Error::Device("the chunk was bound for another path".into())),
        }
        if let Some(group) = &self.project {
            rhs::project(stream, task, recipe, group, rhs_steps, count).await?;
        }
        let composition = Composition::of(task);
        if let (Some(composition), Some(group)) = (composition, &self.compose) {
            composition
                .run(stream, group, count, recipe.composed_per_submit)
                .await?;
        }
        Ok(())
    }
}
