//! Where bytes come from: files, and pipes, of which nobody knows how long they are.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, IsTerminal, Read, Seek};
use std::path::Path;

use crate::cli::failure::Failure;

/// What an archive is read from.
pub(crate) trait Seekable: Read + Seek {}

impl<R: Read + Seek> Seekable for R {}

pub(crate) enum Input {
    /// An array, and the bytes of it and its header, where that is known.
    Array(Box<dyn Read>, Option<u64>),
    /// An archive of arrays.
    Archive(Box<dyn Seekable>),
}

/// Whether a path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    let names = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
    names.iter().any(|name| path == Path::new(name))
}

/// What a person calls it.
pub(crate) fn name_of(path: &Path) -> &Path {
    match is_stdin(path) {
        true => Path::new("standard input"),
        false => path,
    }
}

/// Whether a name says that the file is a .npz.
pub(crate) fn is_npz(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    extension.eq_ignore_ascii_case("npz")
}

/// What went wrong, without the number that the system has for it.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

/// Opens a file, a pipe or standard input, and looks at its first bytes: an archive begins as no array does. `tick` is
/// told of bytes that are read ahead.
pub(crate) fn open(path: &Path, tick: &dyn Fn(u64)) -> Result<Input, Failure> {
    let name = name_of(path);
    let fail = |error: &std::io::Error| Failure::file(name, plain(error));
    let mut reader: BufReader<Box<dyn Read>> = if is_stdin(path) {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Failure::file(
                name,
                "is a terminal, but a .npy or .npz file is expected there",
            ));
        }
        BufReader::new(Box::new(stdin))
    } else {
        let file = File::open(path).map_err(|e| fail(&e))?;
        let about = file.metadata().map_err(|e| fail(&e))?;
        if about.is_dir() {
            return Err(Failure::file(
                name,
                "is a folder, but a .npy or .npz file is expected",
            ));
        }
        if about.is_file() {
            let mut reader = BufReader::new(file);
            let archive = is_npz(path) || starts_archive(&mut reader).map_err(|e| fail(&e))?;
            return Ok(match archive {
                true => Input::Archive(Box::new(reader)),
                false => Input::Array(Box::new(reader), Some(about.len())),
            });
        }
        BufReader::new(Box::new(file))
    };
    if !is_npz(path) && !starts_archive(&mut reader).map_err(|e| fail(&e))? {
        return Ok(Input::Array(Box::new(reader), None));
    }
    // The contents of an archive are listed at its end.
    let mut bytes = Vec::new();
    let mut part = vec![0; 1 << 16];
    loop {
        match reader.read(&mut part) {
            Ok(0) => return Ok(Input::Archive(Box::new(Cursor::new(bytes)))),
            Ok(read) => {
                let room = bytes.try_reserve(read);
                room.map_err(|_| Failure::file(name, "holds more than there is memory for"))?;
                bytes.extend_from_slice(&part[..read]);
                tick(read as u64);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail(&error)),
        }
    }
}

fn starts_archive(reader: &mut impl BufRead) -> std::io::Result<bool> {
    // A pipe may have given less than that so far; what begins with these two letters is no array.
    let start = reader.fill_buf()?;
    Ok(start.starts_with(b"PK") || start == b"P")
}
