//! Any bytes as a file: read, or one clear line, and never more memory than the bytes can account for.

use std::path::Path;

use batched_svd::{Complex, Dtype};

use crate::cli::failure::Failure;
use crate::cli::npy;

/// The first byte says whether it is called .npy or .npz; the rest is the file.
pub fn reader(bytes: &[u8], folder: &Path) {
    let Some((first, contents)) = bytes.split_first() else {
        return;
    };
    let path = folder.join(["file.npy", "file.npz"][usize::from(first % 2)]);
    std::fs::write(&path, contents).expect("a folder to write to");
    let read = npy::Source::open(&path, &|_| ()).and_then(|source| match source.dtype() {
        Dtype::F32 => source.read::<f32>().map(|list| list.len()),
        Dtype::C32 => source.read::<Complex<f32>>().map(|list| list.len()),
        Dtype::C64 => source.read::<Complex<f64>>().map(|list| list.len()),
        _ => source.read::<f64>().map(|list| list.len()),
    });
    if let Err(failure) = read {
        let text = failure.to_string();
        assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
        assert!(matches!(failure, Failure::Usage(_)), "{text}");
    }
}
