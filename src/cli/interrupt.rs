//! What an interrupted run leaves: nothing.
//!
//! A thread waits for signals. It removes what is unfinished, waits for results that are being put in their places, and
//! ends the process as the signal would have, so that a shell's loop ends too.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cli::streams::interrupt;

/// Files and folders that are not there unless the run ends well.
pub(crate) struct Unfinished {
    pub files: Vec<PathBuf>,
    /// Outer ones first.
    pub folders: Vec<PathBuf>,
}

static UNFINISHED: Mutex<Unfinished> = Mutex::new(Unfinished {
    files: Vec::new(),
    folders: Vec::new(),
});

/// Who holds this is not interrupted.
pub(crate) fn unfinished() -> MutexGuard<'static, Unfinished> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unfinished {
    pub fn remove(&mut self) {
        for file in self.files.drain(..) {
            let _ = std::fs::remove_file(file);
        }
        for folder in self.folders.drain(..).rev() {
            // Not if somebody else has put something there.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Cleans up on every signal that ends a process and can be caught, unless whoever started it has it ignored (nohup).
#[cfg(unix)]
pub(crate) fn clean_up_on_interrupt() -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::{emulate_default_handler, signal_name};

    // That one is an error of the write, then, like a full disk.
    let all = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU, SIGXFSZ];
    let ignored = ignored();
    let mut signals = Signals::new(
        all.into_iter()
            .filter(|signal| ignored & (1 << (signal - 1)) == 0),
    )?;
    let wait = move || {
        let Some(signal) = signals.forever().find(|signal| *signal != SIGXFSZ) else {
            return;
        };
        // Held to the end: nothing new is begun.
        let mut unfinished = unfinished();
        unfinished.remove();
        interrupt(match signal {
            SIGINT => "interrupted",
            other => signal_name(other).unwrap_or("interrupted"),
        });
        let _ = emulate_default_handler(signal);
        std::process::exit(128 + signal);
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)?;
    Ok(())
}

/// The signals that are ignored, as bits, where the system tells.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(not(unix))]
pub(crate) fn clean_up_on_interrupt() -> std::io::Result<()> {
    let clean_up = || {
        unfinished().remove();
        interrupt("interrupted");
        std::process::exit(130);
    };
    ctrlc::set_handler(clean_up).map_err(std::io::Error::other)
}
