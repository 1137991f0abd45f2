//! Any bytes as a file: read, or one clear line, and never more memory than the bytes can account for.

use std::path::Path;

use batched_svd::Dtype;

use crate::cli::failure::Failure;
use crate::cli::npy;

/// The first byte says whether it is called .npy or .npz; the rest is the file.
pub fn reader(bytes: &[u8], folder: &Path) {
    let Some((first, contents)) = bytes.split_first() else {
        return;
    };
    let path = folder.join(["file.npy", "file.npz"][usize::from(first % 2)]);
    std::fs::write(&path, contents).expect("a folder to write to");
    let read = match npy::look(&path) {
        Ok((Dtype::F32, _)) => npy::read::<f32>(&path).map(|list| list.len()),
        Ok(_) => npy::read::<f64>(&path).map(|list| list.len()),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = read {
        let text = failure.to_string();
        assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
        assert!(matches!(failure, Failure::Usage(_)), "{text}");
    }
}
