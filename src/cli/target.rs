//! Where a result goes: to a file, a pipe, a device or standard output; and whether it may.

use std::fs::File;
#[cfg(unix)]
use std::fs::Metadata;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::cli::npy::{is_stdin, name_of, plain};
use crate::cli::streams::{Ear, take_stderr};

/// Links that are followed, one to the next.
const MOST_LINKS: usize = 40;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// What a person calls it.
    pub name: PathBuf,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Stdout,
    /// A pipe or a device: what is written there is gone.
    Stream,
    /// A file that is open elsewhere, by its number: it is written to, never replaced.
    Open,
    /// A file, or the place for one, with links followed.
    File(PathBuf),
}

/// What is one file, by whatever name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Identity {
    #[cfg(unix)]
    Inode(u64, u64),
    Path(PathBuf),
}

impl Identity {
    /// That of the file at a path, with links followed; of the place where a file would be.
    fn of(path: &Path) -> Option<Identity> {
        #[cfg(unix)]
        if let Ok(about) = std::fs::metadata(path) {
            return Identity::of_file(&about);
        }
        let place = || Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?));
        path.canonicalize().ok().or_else(place).map(Identity::Path)
    }

    /// Devices have none: they may be read and written, and any number of times.
    #[cfg(unix)]
    fn of_file(about: &Metadata) -> Option<Identity> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let own = about.is_file() || about.file_type().is_fifo();
        own.then(|| Identity::Inode(about.dev(), about.ino()))
    }

    /// That of a file that this process was given.
    #[cfg(unix)]
    fn of_stream(stream: impl std::os::fd::AsFd) -> Option<Identity> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        Identity::of_file(&file.metadata().ok()?)
    }

    #[cfg(not(unix))]
    fn of_stream<S>(_: S) -> Option<Identity> {
        None
    }

    fn of_input(path: &Path) -> Option<Identity> {
        match is_stdin(path) {
            true => Identity::of_stream(std::io::stdin()),
            false => Identity::of(path),
        }
    }
}

impl Target {
    /// What a path means.
    pub fn of(path: &Path) -> Result<Target, Failure> {
        let target = |kind| {
            Ok(Target {
                name: path.to_path_buf(),
                kind,
            })
        };
        let mut at = path.to_path_buf();
        for _ in 0..MOST_LINKS {
            if is_stdout(&at) {
                return Ok(Target {
                    name: "standard output".into(),
                    kind: Kind::Stdout,
                });
            }
            if is_numbered(&at) {
                return match std::fs::metadata(&at) {
                    Ok(about) if about.is_file() => target(Kind::Open),
                    Ok(_) => target(Kind::Stream),
                    Err(error) => Err(Failure::file(path, plain(&error))),
                };
            }
            match std::fs::symlink_metadata(&at) {
                Ok(about) if about.is_symlink() => {
                    let to = std::fs::read_link(&at).map_err(|e| Failure::file(path, plain(&e)))?;
                    at = folder_of(&at).join(to);
                }
                Ok(about) if about.is_dir() => {
                    return Err(Failure::file(path, "is a folder, but a file is needed"));
                }
                Ok(about) if !about.is_file() => return target(Kind::Stream),
                Ok(_) => return target(Kind::File(at)),
                Err(_) if !folder_of(&at).is_dir() => {
                    return Err(Failure::file(path, "there is no such folder"));
                }
                Err(_) => return target(Kind::File(at)),
            }
        }
        Err(Failure::file(path, "leads from link to link"))
    }

    /// A file in a folder of results, which may have to be made.
    pub fn in_folder(folder: &Path, file: &str) -> Result<Target, Failure> {
        let name = folder.join(file);
        match folder.is_dir() {
            true => Target::of(&name),
            false => Ok(Target {
                kind: Kind::File(name.clone()),
                name,
            }),
        }
    }

    pub fn is_stdout(&self) -> bool {
        self.kind == Kind::Stdout
    }

    /// Whether its name says something about what it holds.
    pub fn is_named(&self) -> bool {
        matches!(self.kind, Kind::File(_))
    }

    /// Whether somebody would have bytes on a screen.
    pub fn check_terminal(&self) -> Result<(), Failure> {
        match self.is_stdout() && std::io::stdout().is_terminal() {
            true => Err(Failure::file(
                &self.name,
                "is a terminal, which shows no arrays: send them to a file or a pipe",
            )),
            false => Ok(()),
        }
    }

    fn identity(&self) -> Option<Identity> {
        match &self.kind {
            Kind::Stdout => Identity::of_stream(std::io::stdout()),
            Kind::Stream | Kind::Open => Identity::of(&self.name),
            Kind::File(path) => Identity::of(path),
        }
    }

    /// Whether it can be written to, as far as that can be known: asked before the work, not after.
    fn check(&self) -> Result<(), Failure> {
        let fail = |error: std::io::Error| Failure::file(&self.name, plain(&error));
        match &self.kind {
            Kind::Stdout | Kind::Stream | Kind::Open => Ok(()),
            // Without a change. That a file is in the way of writing is a reason not to replace it, too.
            Kind::File(path) if path.exists() => File::options()
                .write(true)
                .open(path)
                .map(drop)
                .map_err(fail),
            Kind::File(path) => check_folder(folder_of(path)).map_err(fail),
        }
    }
}

/// Whether a file could be put into a folder, or into the first one above that is there.
pub(crate) fn check_folder(folder: &Path) -> std::io::Result<()> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let there = there.filter(|there| !there.as_os_str().is_empty());
    // It has no name, where the system can do that, and is gone at once.
    tempfile::tempfile_in(there.unwrap_or(Path::new("."))).map(drop)
}

/// The folder that holds what a path names.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) => Path::new("."),
        None => path,
    }
}

fn is_stdout(path: &Path) -> bool {
    let names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    names.iter().any(|name| path == Path::new(name))
}

/// Whether a path is the number of an open file.
fn is_numbered(path: &Path) -> bool {
    let folders = ["/dev/fd", "/proc/self/fd"];
    path == Path::new("/dev/stderr")
        || folders
            .iter()
            .any(|folder| path.parent() == Some(Path::new(folder)))
}

/// Whether all these may be written, of a run that reads those; and who may hear the summary.
pub(crate) fn check(targets: &[Target], inputs: &[&Path], replace: bool) -> Result<Ear, Failure> {
    let read: Vec<_> = inputs
        .iter()
        .map(|input| (name_of(input), Identity::of_input(input)))
        .collect();
    let mut written: Vec<Identity> = Vec::new();
    for target in targets {
        if let Some(own) = target.identity() {
            let same = read.iter().find(|(_, other)| other.as_ref() == Some(&own));
            if let Some((input, _)) = same.filter(|_| !replace) {
                let also = match *input == target.name {
                    true => "is read by this command".to_string(),
                    false => format!("is {}, which is read by this command", input.display()),
                };
                let text = format!(
                    "{also}: another output, or --replace-input to let the result replace it"
                );
                return Err(Failure::file(&target.name, text));
            }
            if written.contains(&own) {
                return Err(Failure::file(&target.name, "is to hold two results"));
            }
            written.push(own);
        } else if targets
            .iter()
            .filter(|other| *other == target && other.is_stdout())
            .count()
            > 1
        {
            return Err(Failure::file(&target.name, "is to hold two results"));
        }
        target.check()?;
    }
    let takes = |stream: Option<Identity>| stream.is_some_and(|stream| written.contains(&stream));
    if takes(Identity::of_stream(std::io::stderr())) {
        take_stderr();
    }
    let taken =
        targets.iter().any(Target::is_stdout) || takes(Identity::of_stream(std::io::stdout()));
    Ok(if taken { Ear::Stderr } else { Ear::Stdout })
}
