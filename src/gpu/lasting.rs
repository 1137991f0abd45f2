//! A GPU that is opened again after its device was lost.

use std::sync::{Arc, Mutex, PoisonError};

use crate::data::device::{Adapter, GpuOptions};
use crate::data::error::Error;
use crate::gpu::Gpu;

pub(crate) struct Lasting {
    adapter: Adapter,
    current: Mutex<Arc<Gpu>>,
    /// How to open it again, software adapters too or not; a device of the caller's stays lost.
    again: Option<(GpuOptions, bool)>,
}

impl Lasting {
    /// Opens an adapter; a software one only if `software` allows it.
    pub async fn open(options: &GpuOptions, software: bool) -> Result<Self, Error> {
        let gpu = Gpu::open(options, software, None).await?;
        Ok(Self::new(gpu, Some((options.clone(), software))))
    }

    /// A device that somebody else has opened.
    pub fn borrowed(gpu: Gpu) -> Self {
        Self::new(gpu, None)
    }

    fn new(gpu: Gpu, again: Option<(GpuOptions, bool)>) -> Self {
        Lasting {
            adapter: gpu.adapter.clone(),
            current: Mutex::new(Arc::new(gpu)),
            again,
        }
    }

    /// The adapter, which stays the same.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// The GPU that was opened last, lost or not.
    pub fn current(&self) -> Arc<Gpu> {
        let current = self.current.lock();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// A GPU that was not lost so far.
    pub async fn get(&self) -> Result<Arc<Gpu>, Error> {
        let gpu = self.current();
        let Some((options, software)) = self.again.as_ref().filter(|_| gpu.is_lost()) else {
            return Ok(gpu);
        };
        let opened = Gpu::open(options, *software, Some(&self.adapter));
        let opened = opened.await.map_err(|error| {
            Error::Device(format!(
                "the device was lost, and does not open again: {error}"
            ))
        })?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Another call may have been sooner.
        if Arc::ptr_eq(&current, &gpu) {
            *current = Arc::new(opened);
        }
        Ok(Arc::clone(&current))
    }
}
