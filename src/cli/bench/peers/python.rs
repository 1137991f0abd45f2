//! NumPy, PyTorch, CuPy and JAX, in a Python process that answers one request a line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use batched_svd::{Batch, Scalar};
use serde_json::{Value, json};

use crate::cli::bench::case::Case;
use crate::cli::bench::contender::{Answer, Contender, Facts, Timing};
use crate::cli::bench::peers::wanted;
use crate::cli::streams::complain;

/// The script travels with the program; it can also be run by hand.
const SCRIPT: &str = include_str!("../../../../benches/peers/peers.py");

/// The running process. It dies with its pipe.
struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Process {
    /// Sends a request and waits for the answer.
    fn ask(&mut self, request: &Value) -> Result<Value, String> {
        let gone = |what: &dyn std::fmt::Display| format!("the Python process ended: {what}");
        writeln!(self.to, "{request}").map_err(|e| gone(&e))?;
        self.to.flush().map_err(|e| gone(&e))?;
        let mut line = String::new();
        let read = self.from.read_line(&mut line).map_err(|e| gone(&e))?;
        if read == 0 {
            return Err(gone(&"no answer"));
        }
        let answer: Value = serde_json::from_str(&line).map_err(|e| format!("{e}: {line}"))?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_string()),
            None => Ok(answer),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of the peers that the process found.
pub(crate) struct Python {
    name: String,
    device: String,
    process: Arc<Mutex<Process>>,
}

/// Starts `python` and asks which peers it has, of those that are named if any are. That it has none of these
/// is said, but no error: it may have them on another machine.
pub(crate) fn start(python: &str, names: &[String]) -> Result<Vec<Python>, String> {
    let mut child = Command::new(python)
        .args(["-u", "-c", SCRIPT, "--serve"])
        // What nobody wants is not imported, which takes seconds.
        .args(names.iter().map(|name| format!("--peer={name}")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{python}: {e}"))?;
    let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(format!("{python}: no pipes"));
    };
    let from = BufReader::new(from);
    let mut process = Process { child, to, from };
    let found = process
        .ask(&json!({"do": "peers"}))
        .map_err(|e| format!("{python}: {e}"))?;
    let process = Arc::new(Mutex::new(process));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let peers = found["peers"].as_array().cloned().unwrap_or_default();
    if peers.is_empty() && names.is_empty() {
        return Err(format!(
            "{python}: has neither NumPy nor PyTorch, CuPy or JAX; \
             benches/peers/peers.py --make-environment DIR makes an environment that has"
        ));
    }
    let all = peers.iter().map(|peer| Python {
        name: text(&peer["name"]),
        device: text(&peer["device"]),
        process: Arc::clone(&process),
    });
    let found: Vec<Python> = all.filter(|peer| wanted(names, &peer.name)).collect();
    if found.is_empty() {
        complain(format!(
            "no Python peers: {python} has none of {}",
            names.join(", ")
        ));
    }
    Ok(found)
}

impl Python {
    fn ask(&self, request: &Value) -> Result<Value, String> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.ask(request)
    }
}

fn number(answer: &Value, key: &str) -> Result<f64, String> {
    answer[key].as_f64().ok_or(format!("no {key} in {answer}"))
}

impl<T: Scalar> Contender<T> for Python {
    fn name(&self) -> &str {
        &self.name
    }

    /// Some are loops over the batch, a millisecond or a second a matrix.
    fn fewest(&self) -> usize {
        1
    }

    fn compiles(&self) -> bool {
        true
    }

    fn patience(&self) -> f64 {
        3.0
    }

    fn takes(&self, _: &Case) -> bool {
        true
    }

    /// It draws numbers of its own, equally distributed: they would take long through the pipe.
    fn load(&mut self, case: &Case, _: &Batch<T>, count: usize) -> Result<(), String> {
        let request = json!({"do": "load", "peer": self.name, "op": case.op.name(),
            "m": case.rows, "n": case.cols, "batch": count, "dtype": case.dtype.name()});
        self.ask(&request).map(|_| ())
    }

    fn run(&mut self) -> Result<Timing, String> {
        let answer = self.ask(&json!({"do": "run", "peer": self.name}))?;
        Ok(Timing {
            seconds: number(&answer, "seconds")?,
            device_seconds: None,
        })
    }

    fn answer(&mut self, count: usize) -> Result<Answer<T>, String> {
        let request = json!({"do": "check", "peer": self.name, "count": count});
        let answer = self.ask(&request)?;
        Ok(Answer::Checked {
            residual: number(&answer, "residual")?,
            orthogonality: number(&answer, "orthogonality")?,
        })
    }

    fn facts(&self) -> Facts {
        Facts {
            device: self.device.clone(),
            ..Facts::default()
        }
    }

    fn clear(&mut self) {
        let _ = self.ask(&json!({"do": "clear", "peer": self.name}));
    }
}
