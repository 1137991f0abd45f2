//! Arguments that cannot be read, in one line.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::cli::args::Args;
use crate::cli::streams::{complain, say};

/// The arguments, or the exit code after saying why there are none.
pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Result<Args, ExitCode> {
    let error = match Args::try_parse_from(args) {
        Ok(args) => return Ok(args),
        Err(error) => error,
    };
    Err(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = match std::io::stdout().is_terminal() {
                true => error.render().ansi().to_string(),
                false => error.render().to_string(),
            };
            match say(&text) {
                Ok(()) => ExitCode::SUCCESS,
                Err(failure) => {
                    complain(&failure);
                    failure.exit_code()
                }
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let commands = Args::command();
            let names: Vec<&str> = commands
                .get_subcommands()
                .map(|command| command.get_name())
                .collect();
            complain(format!(
                "no command was given: {}; --help says more",
                names.join(", ")
            ));
            ExitCode::from(2)
        }
        _ => {
            complain(one_line(&error.render().to_string()));
            ExitCode::from(2)
        }
    })
}

/// What is wrong, and a tip if there is one; not how to use the command.
fn one_line(text: &str) -> String {
    let mut parts = Vec::new();
    for paragraph in text.split("\n\n") {
        let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let tip = line.strip_prefix("tip: ");
        if parts.is_empty() {
            parts.push(line.strip_prefix("error: ").unwrap_or(&line).to_string());
        } else if let Some(tip) = tip {
            parts.push(tip.to_string());
        }
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_the_parser_are_one_line() {
        for (args, what) in [
            (
                &["pinv"][..],
                "were not provided: --output <OUT.npy> <IN.npy>",
            ),
            (
                &["pniv", "a"],
                "unrecognized subcommand 'pniv'; a similar subcommand exists: 'pinv'",
            ),
            (
                &["pinv", "a", "-o", "b", "--rcond", "-1"],
                "invalid value '-1' for '--rcond <X>': it must not be negative",
            ),
            (
                &["pinv", "a", "-o", "b", "--bogus"],
                "unexpected argument '--bogus' found",
            ),
            (
                &["svd", "a", "-o", "b", "--vectors", "most"],
                "[possible values: none, thin, full, u, v]",
            ),
        ] {
            let args = [&["batched-svd"], args].concat();
            let Err(error) = Args::try_parse_from(args) else {
                panic!("taken")
            };
            let line = one_line(&error.render().to_string());
            assert!(line.contains(what) && !line.contains("Usage"), "{line}");
        }
    }
}
