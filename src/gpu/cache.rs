//! What the driver has compiled, in a file of the caller's folder, so that the next process need not.

use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, process};

use crate::gpu::device::Device;

pub(super) struct Cache {
    pub compiled: wgpu::PipelineCache,
    file: PathBuf,
}

/// Bytes of the sum in front of the driver's.
const SUM: usize = 8;

fn sum(data: &[u8]) -> [u8; SUM] {
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    hasher.finish().to_le_bytes()
}

/// The driver's bytes in a file that was written whole.
fn load(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(file).ok()?;
    if bytes.len() < SUM {
        return None;
    }
    let data = bytes.split_off(SUM);
    (bytes == sum(&data)).then_some(data)
}

impl Cache {
    /// None where the device keeps no cache of its own.
    pub async fn open(device: &Device, info: &wgpu::AdapterInfo, folder: &Path) -> Option<Self> {
        if !device
            .device
            .features()
            .contains(wgpu::Features::PIPELINE_CACHE)
        {
            return None;
        }
        let file = folder.join(wgpu::util::pipeline_cache_key(info)?);
        let data = load(&file);
        let compiled = device.scoped(|device, _| create(device, data.as_deref()));
        Some(Cache {
            compiled: compiled.await.ok()?,
            file,
        })
    }

    /// Writes the file anew, or leaves it: a cache that cannot be kept is none.
    pub fn save(&self) {
        let Some(data) = self.compiled.get_data() else {
            return;
        };
        let write = || {
            fs::create_dir_all(self.file.parent()?).ok()?;
            // Others find one file or the other.
            static WRITES: AtomicUsize = AtomicUsize::new(0);
            let own = (process::id(), WRITES.fetch_add(1, Ordering::Relaxed));
            let new = self.file.with_extension(format!("{}.{}", own.0, own.1));
            fs::write(&new, [&sum(&data), &data[..]].concat()).ok()?;
            fs::rename(&new, &self.file).ok()
        };
        let _ = write();
    }
}

#[allow(unsafe_code)]
fn create(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    let descriptor = wgpu::PipelineCacheDescriptor {
        label: Some("batched-svd"),
        data,
        fallback: true,
    };
    // SAFETY: the data must come from PipelineCache::get_data. It is what `save` wrote of it, as far as
    // the sum in front can tell, in a folder that the caller answers for (`GpuOptions::pipeline_cache`
    // says so); wgpu and the driver look at the versions, adapter and driver in its header.
    unsafe { device.create_pipeline_cache(&descriptor) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_whole_is_not_loaded() {
        let data = b"what a driver compiled".as_slice();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cache");
        assert_eq!(load(&file), None);
        let whole = [&sum(data), data].concat();
        fs::write(&file, &whole).unwrap();
        assert_eq!(load(&file).as_deref(), Some(data));
        for broken in [&whole[..whole.len() - 1], &whole[..3], &whole[1..]] {
            fs::write(&file, broken).unwrap();
            assert_eq!(load(&file), None);
        }
    }
}
