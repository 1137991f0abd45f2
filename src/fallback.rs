//! Calls that a GPU does not finish: the CPU does the rest, where the caller wants that.

use crate::call::Call;
use crate::engine::{Done, Engine};
use crate::error::Error;
use crate::gpu::Gpu;
use crate::host::outputs::Outputs;
use crate::planner::gpu::GpuRecipe;
use crate::report::Backend;
use crate::scalar::Real;

impl Engine {
    /// Has the GPU do a call. If the device fails, the matrices that are complete stay so, and the others are
    /// the CPU's, where it takes what the GPU does not do.
    pub(crate) async fn gpu_run<T: Real>(
        &self,
        gpu: &Gpu,
        call: &Call<'_, T>,
        recipe: &GpuRecipe,
        mut outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        let mut complete = 0;
        let ran = gpu.run(call, recipe, outputs.reborrow(), &mut complete);
        let ran = ran.await;
        let done = Done {
            backend: Backend::Gpu,
            device: gpu.adapter.name.clone(),
            kernel: recipe.path.name(),
            device_seconds: None,
            shared: None,
            device_error: None,
        };
        let error = match ran {
            Ok(device_seconds) => {
                return Ok(Done {
                    device_seconds,
                    ..done
                });
            }
            Err(error @ Error::Device(_)) if self.falls_back => error,
            Err(error) => return Err(error),
        };
        let (_, rest) = outputs.split_at(complete, &call.task.sizes);
        let matrices = complete..call.view.count();
        let options = call.options_of(matrices.clone());
        let rest_of_call = call.part(matrices, &options)?;
        let finished = self.cpu_instead(error, &rest_of_call, rest).await?;
        Ok(match complete {
            0 => finished,
            _ => Done {
                shared: Some(complete),
                device_error: finished.device_error,
                ..done
            },
        })
    }

    /// Has the CPU do what a GPU cannot, or failed to do.
    pub(crate) async fn cpu_instead<T: Real>(
        &self,
        error: Error,
        call: &Call<'_, T>,
        outputs: Outputs<'_, T>,
    ) -> Result<Done, Error> {
        let done = self.cpu_run(call, outputs).await?;
        Ok(Done {
            device_error: Some(error).filter(|error| matches!(error, Error::Device(_))),
            ..done
        })
    }
}
