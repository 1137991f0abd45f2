//! Where the results of a command go: known, and found possible, before it computes.

use std::path::{Path, PathBuf};

use batched_svd::Dtype;

use crate::cli::failure::Failure;
use crate::cli::npy;
use crate::cli::output::Place;
use crate::cli::record::Format;
use crate::cli::streams::Ear;
use crate::cli::target::{self, Target};
use crate::cli::task::Task;

/// The file of this name in a folder of results.
pub(crate) fn in_folder(folder: &Path, name: &str, zipped: bool) -> PathBuf {
    folder.join(file_of(name, zipped))
}

fn file_of(name: &str, zipped: bool) -> String {
    format!("{name}.{}", if zipped { "npz" } else { "npy" })
}

/// Where everything goes.
pub(crate) struct Plan {
    /// Of each file or of each name, in the order of the task's.
    pub own: Vec<Target>,
    /// The names, where there are any.
    files: Vec<&'static str>,
    pub others: Vec<Target>,
    pub report: Option<(Target, Format)>,
    pub ear: Ear,
}

impl Plan {
    /// What can be said before the inputs are read.
    pub fn new<const N: usize>(task: &impl Task<N>) -> Result<Plan, Failure> {
        let output = task.output();
        // Of complex matrices there are as many, but the right factor has another name.
        let files = task.files(Dtype::F64);
        let own = match files.is_empty() {
            true => vec![Target::of(output)?],
            false => {
                check_is_folder(output, &files)?;
                Vec::new()
            }
        };
        let others = task
            .others()
            .into_iter()
            .map(Target::of)
            .collect::<Result<_, _>>()?;
        let report = match &task.common().report {
            None => None,
            Some(path) => {
                let target = Target::of(path)?;
                let format = Format::of(path, &target)?;
                Some((target, format))
            }
        };
        Ok(Plan {
            own,
            files: Vec::new(),
            others,
            report,
            ear: Ear::Stdout,
        })
    }

    /// What is left to say when it is known whether results are .npz files, and of what type.
    pub fn check<const N: usize>(
        &mut self,
        task: &impl Task<N>,
        read: &[&Path],
        zipped: bool,
        dtype: Dtype,
    ) -> Result<(), Failure> {
        for target in self.own.iter().chain(&self.others) {
            target.check_terminal()?;
            if target.is_named() && npy::is_npz(&target.name) != zipped {
                let text = match zipped {
                    true => "results of a .npz file are one too, by their name",
                    false => "results of a .npy file are no .npz file",
                };
                return Err(Failure::file(&target.name, text));
            }
        }
        if let Some((target, Format::Npz)) = &self.report
            && !zipped
        {
            let text = "the report on a .npy file is no .npz file, but a .npy or .json file";
            return Err(Failure::file(&target.name, text));
        }
        self.files = task.files(dtype);
        for name in &self.files {
            self.own
                .push(Target::in_folder(task.output(), &file_of(name, zipped))?);
        }
        if let Some((target, Format::Npy | Format::Npz)) = &self.report {
            target.check_terminal()?;
        }
        let report = self.report.iter().map(|(target, _)| target);
        let all: Vec<Target> = self
            .own
            .iter()
            .chain(&self.others)
            .chain(report)
            .cloned()
            .collect();
        self.ear = target::check(&all, read, task.common().replace_input)?;
        Ok(())
    }

    pub fn of<const N: usize>(&self, task: &impl Task<N>, place: &Place) -> Option<&Target> {
        let index = match place {
            Place::File => 0,
            Place::In(name) => self.files.iter().position(|file| file == name)?,
            Place::Beside(path) => {
                let at = task.others().iter().position(|other| other == path)?;
                return self.others.get(at);
            }
        };
        self.own.get(index)
    }
}

/// A file is no place for many.
fn check_is_folder(output: &Path, files: &[&str]) -> Result<(), Failure> {
    let needed = || {
        let files: Vec<_> = files.iter().map(|name| file_of(name, false)).collect();
        let text = format!("a folder is needed here, for {}", files.join(", "));
        Failure::file(output, text)
    };
    if output.is_dir() {
        return Ok(());
    }
    let extension = output.extension().unwrap_or_default();
    let is_file = ["npy", "npz"]
        .iter()
        .any(|file| extension.eq_ignore_ascii_case(file));
    let slash = output.as_os_str().as_encoded_bytes().ends_with(b"/");
    if output.exists() || output == Path::new("-") || (is_file && !slash) {
        return Err(needed());
    }
    Ok(())
}
