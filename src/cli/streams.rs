//! Standard output and standard error. Nobody needs to listen: what is said there is no result.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::failure::Failure;
use crate::cli::npy::plain;

/// Whether standard error is where a result goes.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Keeps complaints out of a result that goes to standard error.
pub(crate) fn take_stderr() {
    TAKEN.store(true, Ordering::Relaxed);
}

/// Says a line on standard error. Where it is closed or full there is nobody to tell, and no reason to fail.
pub(crate) fn complain(text: impl fmt::Display) {
    to_stderr(&format!("batched-svd: {text}\n"));
}

/// The same, over what is left of a progress bar.
pub(crate) fn interrupt(text: impl fmt::Display) {
    if std::io::stderr().is_terminal() {
        to_stderr("\r\x1b[2K");
    }
    complain(text);
}

fn to_stderr(text: &str) {
    if !TAKEN.load(Ordering::Relaxed) {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Where a summary goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ear {
    Stdout,
    /// Where a result goes to standard output.
    Stderr,
}

impl Ear {
    pub fn tell(self, text: &str) -> Result<(), Failure> {
        match self {
            Ear::Stdout => say(text),
            Ear::Stderr => {
                to_stderr(text);
                Ok(())
            }
        }
    }
}

/// Writes to standard output. A reader who has seen enough, or who never was there, is no failure.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("standard output: {}", plain(&error))))
        }
        _ => Ok(()),
    }
}
