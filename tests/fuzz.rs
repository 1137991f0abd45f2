//! What the fuzzers run, in an ordinary test: their corpus (fuzz/corpus), and random changes of it.

#[path = "../fuzz/bodies/calls.rs"]
mod calls;
#[path = "../fuzz/bodies/cli.rs"]
mod cli;
#[path = "../fuzz/bodies/reader.rs"]
mod reader;

use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 8, "a corpus of {} files", files.len());
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

/// Runs the corpus, and so many changes of it: bytes set, cut out, doubled, and files cut short.
fn fuzz(name: &str, times: usize, run: impl Fn(&[u8])) {
    let corpus = corpus(name);
    corpus.iter().for_each(|bytes| run(bytes));
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..times {
        let mut bytes = corpus[rng.random_range(0..corpus.len())].clone();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len().max(1));
            match (rng.random_range(0..5), bytes.get_mut(at)) {
                (0 | 1, Some(byte)) => *byte = rng.random(),
                (2, Some(byte)) => *byte = byte.wrapping_add(1),
                (3, Some(_)) => bytes.truncate(at),
                (_, _) => bytes.extend_from_within(at.min(bytes.len())..),
            }
        }
        run(&bytes);
    }
}

#[test]
fn any_bytes_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    fuzz("reader", 20_000, |bytes| {
        reader::reader(bytes, folder.path())
    });
}

#[test]
fn any_arguments_give_a_result_or_an_error() {
    fuzz("calls", 60_000, calls::calls);
}
