#![no_main]

#[path = "../bodies/reader.rs"]
mod body;
#[path = "../bodies/cli.rs"]
mod cli;

use std::sync::LazyLock;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    body::reader(bytes, FOLDER.path());
});
