//! Results in their places: all of them or none, and what was there before keeps its mode, its owner and its names.
//!
//! Everything is written to temporary files first, in the folders where it is to be, so that space and permission are
//! there. Then pipes get theirs, since nobody can take that back. The last step puts all files in their places. It is
//! short, and nobody interrupts it:
//!
//! - a new file gets its name;
//! - a file that is there is replaced by one of the same mode, which readers see before or after, never between;
//! - one with more names (hard links), of another owner, with an access list, or that cannot be replaced (a mount), keeps
//!   what it is, and is written over.
//!
//! Should one of these fail (a disk that is full after all, a folder that somebody changes meanwhile), those before are
//! undone from what was kept aside. What can still go wrong: where the power goes, or the process is killed (SIGKILL)
//! within this step, some files may be new and others old, and one that is written over may be half of each; a copy
//! of what it was then lies beside. And a disk that says that it is full only later, as some over networks do, is not
//! asked again.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempPath};

use crate::cli::failure::Failure;
use crate::cli::interrupt::unfinished;
use crate::cli::npy::{Content, Tick, plain};
use crate::cli::target::{Kind, Target, folder_of};

/// What temporary files are called, in front of what makes their names new.
const PREFIX: &str = ".batched-svd-";

/// Puts contents where they are to go, all of them or none.
pub(crate) fn place(results: &[(Target, Content<'_>)], tick: Tick<'_>) -> Result<(), Failure> {
    let undone = Undone;
    let fail = |target: &Target, error: &Error| Failure::file(&target.name, said(error)).at_run();
    let mut staged = Vec::new();
    for (target, content) in results {
        let path = match &target.kind {
            Kind::File(path) => path.as_path(),
            Kind::Open => target.name.as_path(),
            Kind::Stdout | Kind::Stream => continue,
        };
        let one = Staged::new(path, target.kind == Kind::Open).map_err(|e| fail(target, &e))?;
        let written = content.write_file(&one.file, tick);
        written.map_err(|e| fail(target, &e))?;
        staged.push((target, one));
    }
    for (target, content) in results {
        let sent = match target.kind {
            Kind::Stdout => content.write_stream(&mut std::io::stdout().lock(), tick),
            Kind::Stream => File::options()
                .write(true)
                .open(&target.name)
                .and_then(|mut to| content.write_stream(&mut to, tick)),
            Kind::File(_) | Kind::Open => continue,
        };
        sent.map_err(|e| fail(target, &e))?;
    }
    // From here on signals wait.
    let mut unfinished = unfinished();
    // Those that are written over first: that takes longer, and is more likely to fail.
    staged.sort_by_key(|(_, staged)| !staged.keeps_inode);
    let mut done = Vec::new();
    for (target, one) in staged {
        match one.finish() {
            Ok(way_back) => done.push(way_back),
            Err(error) => {
                let mut failure = fail(target, &error);
                for step in done.into_iter().rev() {
                    if let Err(text) = step.undo() {
                        failure = Failure::Run(format!("{failure}; {text}"));
                    }
                }
                drop(unfinished);
                return Err(failure);
            }
        }
    }
    // What was kept aside goes before anybody may interrupt again.
    drop(done);
    unfinished.files.clear();
    unfinished.folders.clear();
    drop(unfinished);
    drop(undone);
    Ok(())
}

/// Removes what is unfinished when it goes.
struct Undone;

impl Drop for Undone {
    fn drop(&mut self) {
        unfinished().remove();
    }
}

fn said(error: &Error) -> String {
    match error.kind() {
        ErrorKind::BrokenPipe => "nobody reads it to the end".into(),
        _ => plain(error),
    }
}

/// A result that is written, but not in its place.
struct Staged<'a> {
    file: File,
    temporary: TempPath,
    /// The folder of that.
    aside: PathBuf,
    to: &'a Path,
    /// What is there now.
    existing: Option<Metadata>,
    /// Whether that is written over, not replaced.
    keeps_inode: bool,
}

impl<'a> Staged<'a> {
    fn new(to: &'a Path, is_open: bool) -> Result<Self, Error> {
        let existing = std::fs::metadata(to).ok();
        let mut aside = match is_open {
            // Its folder is that of all open files.
            true => std::env::temp_dir(),
            false => folder_of(to).to_path_buf(),
        };
        make_folder(&aside)?;
        let mut keeps_inode = is_open;
        let (file, path) = match temporary(&aside, existing.as_ref()) {
            // The file can be written to, but nothing can be put beside it.
            Err(error) if existing.is_some() && cannot_change(&error) => {
                (keeps_inode, aside) = (true, std::env::temp_dir());
                temporary(&aside, existing.as_ref())?
            }
            other => other?,
        };
        if let Some(existing) = &existing {
            keeps_inode |= !can_be_replaced(to, existing, &file.metadata()?);
            if !keeps_inode {
                file.set_permissions(existing.permissions())?;
            }
        }
        Ok(Staged {
            file,
            temporary: path,
            aside,
            to,
            existing,
            keeps_inode,
        })
    }

    /// Puts it in its place, and says how to undo that.
    fn finish(self) -> Result<WayBack<'a>, Error> {
        let to = self.to;
        let Some(existing) = &self.existing else {
            self.temporary.persist(to).map_err(|e| e.error)?;
            return Ok(WayBack::Remove(to));
        };
        if !self.keeps_inode {
            let kept = kept_aside(to, &self.aside)?;
            match self.temporary.persist(to) {
                Ok(()) => return Ok(WayBack::Replace(kept, to)),
                // Something is mounted there, or the like.
                Err(refused) => {
                    drop(kept);
                    return written_over(&refused.path, to, existing, &self.aside);
                }
            }
        }
        written_over(&self.temporary, to, existing, &self.aside)
    }
}

/// A new file in a folder, which is removed unless the run ends well: as readable as any other new one, or by its owner
/// alone if it may hold what others must not see.
fn temporary(folder: &Path, existing: Option<&Metadata>) -> Result<(File, TempPath), Error> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if existing.is_some() { 0o600 } else { 0o666 };
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = existing;
    let mut unfinished = unfinished();
    let (file, path) = builder.tempfile_in(folder)?.into_parts();
    unfinished.files.push(path.to_path_buf());
    Ok((file, path))
}

fn cannot_change(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// Makes a folder and those above it, which are removed unless the run ends well.
fn make_folder(folder: &Path) -> Result<(), Error> {
    let missing = folder
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    let missing: Vec<&Path> = missing.collect();
    for folder in missing.into_iter().rev() {
        let mut unfinished = unfinished();
        match std::fs::create_dir(folder) {
            Ok(()) => unfinished.folders.push(folder.to_path_buf()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether a new file of the same mode would be all that the old one is.
fn can_be_replaced(path: &Path, existing: &Metadata, new: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let owners = |about: &Metadata| (about.uid(), about.gid());
        existing.nlink() == 1 && owners(existing) == owners(new) && !has_attributes(path)
    }
    #[cfg(not(unix))]
    {
        let _ = (path, existing, new);
        true
    }
}

/// Whether a file has an access list or the like, which a mode does not tell. A label of the system's own, every new
/// file has.
#[cfg(target_os = "linux")]
fn has_attributes(path: &Path) -> bool {
    let mut names = vec![0u8; 1 << 12];
    match rustix::fs::listxattr(path, &mut names) {
        Ok(len) => {
            let names = names[..len].split(|byte| *byte == 0);
            names
                .into_iter()
                .any(|name| !name.is_empty() && !name.starts_with(b"security."))
        }
        // Too many for the buffer are some.
        Err(error) => error == rustix::io::Errno::RANGE,
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn has_attributes(_: &Path) -> bool {
    false
}

/// How a step is undone.
enum WayBack<'a> {
    Remove(&'a Path),
    /// By the old file, which is kept under another name.
    Replace(TempPath, &'a Path),
    /// By what the old file held.
    WriteOver(TempPath, &'a Path, u64),
}

impl WayBack<'_> {
    fn undo(self) -> Result<(), String> {
        match self {
            WayBack::Remove(path) => {
                let gone = std::fs::remove_file(path);
                gone.map_err(|e| {
                    format!(
                        "{} is new and could not be removed ({})",
                        path.display(),
                        plain(&e)
                    )
                })
            }
            WayBack::Replace(kept, path) => match kept.persist(path) {
                Ok(()) => Ok(()),
                Err(refused) => Err(lies_at(refused.path, path, &refused.error)),
            },
            WayBack::WriteOver(kept, path, len) => match write_over(&kept, path, len) {
                Ok(()) => Ok(()),
                Err(error) => Err(lies_at(kept, path, &error)),
            },
        }
    }
}

/// What is said, at last, of a file that could not be put back.
fn lies_at(kept: TempPath, path: &Path, error: &Error) -> String {
    let lies: PathBuf = match kept.keep() {
        Ok(lies) => lies,
        Err(refused) => refused.path.to_path_buf(),
    };
    format!(
        "{} could not be put back ({}): what it held is in {}",
        path.display(),
        plain(error),
        lies.display()
    )
}

/// The old file under a second name, or a copy of it where it can have none.
fn kept_aside(path: &Path, folder: &Path) -> Result<TempPath, Error> {
    let mut builder = Builder::new();
    let linked = builder
        .prefix(PREFIX)
        .make_in(folder, |name| std::fs::hard_link(path, name));
    match linked {
        Ok(kept) => Ok(kept.into_temp_path()),
        Err(_) => copied_aside(path, folder),
    }
}

/// Readable by its owner alone.
fn copied_aside(path: &Path, folder: &Path) -> Result<TempPath, Error> {
    let copy = Builder::new().prefix(PREFIX).tempfile_in(folder)?;
    std::io::copy(&mut File::open(path)?, &mut copy.as_file())?;
    Ok(copy.into_temp_path())
}

/// Writes over a file, and says how to undo that; or leaves it as it was.
fn written_over<'a>(
    from: &Path,
    to: &'a Path,
    existing: &Metadata,
    aside: &Path,
) -> Result<WayBack<'a>, Error> {
    let way_back = WayBack::WriteOver(copied_aside(to, aside)?, to, existing.len());
    let len = std::fs::metadata(from)?.len();
    match write_over(from, to, len) {
        Ok(()) => Ok(way_back),
        Err(error) => match way_back.undo() {
            Ok(()) => Err(error),
            Err(text) => Err(Error::new(
                error.kind(),
                format!("{}; {text}", plain(&error)),
            )),
        },
    }
}

fn write_over(from: &Path, to: &Path, len: u64) -> Result<(), Error> {
    let mut file = File::options().write(true).open(to)?;
    std::io::copy(&mut File::open(from)?, &mut file)?;
    // The rest of what was longer.
    file.set_len(len)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::{create_dir, hard_link, read, read_dir, write};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A folder turns up where the last file is to be, after all have been written.
    #[test]
    fn a_step_that_fails_undoes_those_before() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        write(at("old"), "what was there").unwrap();
        write(at("one"), "what was there before").unwrap();
        hard_link(at("one"), at("two")).unwrap();
        let target = |name: &str| Target {
            name: at(name),
            kind: Kind::File(at(name)),
        };
        let results = |bytes| {
            let names = ["one", "old", "new", "made/late"].into_iter();
            names
                .map(|name| (target(name), Content::Bytes(bytes)))
                .collect::<Vec<_>>()
        };
        let left = Cell::new(4);
        let tick = |_| {
            left.set(left.get() - 1);
            if left.get() == 0 {
                create_dir(at("made/late")).unwrap();
            }
        };
        let failure = place(&results(b"new"), &tick).unwrap_err();
        assert!(failure.to_string().contains("made/late"), "{failure}");
        assert!(matches!(failure, Failure::Run(_)));
        assert_eq!(names(scratch.path()), ["made", "old", "one", "two"]);
        assert_eq!(names(&at("made")), ["late"]);
        assert_eq!(read(at("old")).unwrap(), b"what was there");
        assert_eq!(read(at("two")).unwrap(), b"what was there before");
        assert!(unfinished().files.is_empty() && unfinished().folders.is_empty());

        std::fs::remove_dir(at("made/late")).unwrap();
        place(&results(b"new"), &|_| ()).unwrap();
        assert_eq!(names(scratch.path()), ["made", "new", "old", "one", "two"]);
        for name in ["old", "two", "new", "made/late"] {
            assert_eq!(read(at(name)).unwrap(), b"new");
        }
    }
}
