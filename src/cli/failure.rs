//! Why the command failed, in one line and an exit code.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use batched_svd::Error;

#[derive(Debug)]
pub(crate) enum Failure {
    /// A file that cannot be used, or an argument that does not fit: exit code 2.
    Usage(String),
    /// Strict mode, a device, or residuals above what is promised: exit code 1.
    Run(String),
}

impl Failure {
    pub fn file(path: &Path, what: impl fmt::Display) -> Self {
        Failure::Usage(format!("{}: {what}", path.display()))
    }

    /// The same, with exit code 1.
    pub fn at_run(self) -> Self {
        let (Failure::Usage(text) | Failure::Run(text)) = self;
        Failure::Run(text)
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Run(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Usage(text) | Failure::Run(text)) = self;
        // One line, whatever a driver wrote.
        f.write_str(&text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Argument(_) | Error::Memory { .. } => Failure::Usage(error.to_string()),
            _ => Failure::Run(error.to_string()),
        }
    }
}
