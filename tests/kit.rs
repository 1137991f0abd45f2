//! `benches/gpu.sh` where steps fail, hang, and ignore signals: on a machine without a GPU, with a script in place of
//! the suite, and one in place of the command that asks this build's.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where the script finds what it takes to be the suite and the command.
struct Kit {
    folder: TempDir,
}

/// A test that passes, and one that fails.
const ENGINES: &str = r#"#!/bin/sh
echo $$ >>"${0%/*}/started"
echo "test gpu/f32/digits ... ok"
echo "test gpu/f32/kernel-3x3 ... FAILED"
exit 101
"#;

/// A measurement, then half of one, and then nothing for a long time.
const COMMAND: &str = r#"#!/bin/sh
echo $$ >>"${0%/*}/started"
row='{"peer": "batched-svd-gpu-resident", "op": "svd", "m": 7, "n": 5, "batch": 100, "dtype": "f32",
 "seconds": 0.5, "matrices_per_s": 200.0, "ok": true, "note": "", "kernel": "jacobi-columns"}'
row=$(echo "$row" | tr -d '\n')
case "$*" in
*--merge* | *devices*) exec "BATCHED" "$@" ;;
*--profile*) trap '' TERM; echo "$row" | tr 75 68; while :; do sleep 1; done ;;
*--tune*) echo "batched-svd: no such threshold" >&2; exit 2 ;;
*) echo "$row"; printf '%s' "$row" | head -c 40; sleep 1000 ;;
esac
"#;

impl Kit {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/gpu.sh");
        std::fs::copy(script, folder.path().join("gpu.sh")).unwrap();
        let command = COMMAND.replace("BATCHED", env!("CARGO_BIN_EXE_batched-svd"));
        for (name, text) in [("engines", ENGINES), ("batched-svd", &command)] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let packed = Command::new("gzip").arg(&path).status().unwrap();
            assert!(packed.success());
        }
        Kit { folder }
    }

    fn start(&self, args: &[&str], budget: &str) -> Child {
        Command::new("sh")
            .arg(self.folder.path().join("gpu.sh"))
            .args(args)
            .env("BUDGET", budget)
            .env("OUT", self.out())
            .env("PYTHON", "/nowhere/python")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn summary(&self) -> String {
        std::fs::read_to_string(self.out().join("summary.txt")).unwrap()
    }

    /// Nothing that was started is left.
    fn is_over(&self) {
        let started = std::fs::read_to_string(self.folder.path().join("started")).unwrap();
        for pid in started.lines() {
            // A moment for what was killed last.
            let gone = || {
                let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
                status.map_or(true, |s| s.contains("State:\tZ"))
            };
            let start = Instant::now();
            while !gone() && start.elapsed() < Duration::from_secs(2) {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(gone(), "{pid} is left of {started}");
        }
    }
}

#[test]
fn a_budget_is_never_exceeded_and_what_was_known_is_told() {
    let kit = Kit::new();
    let start = Instant::now();
    let output = kit.start(&[], "22").wait_with_output().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let summary = kit.summary();
    assert!(seconds < 22.0, "{seconds} s: {summary}");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with(&summary), "{said}");
    assert!(summary.len() <= 8000);
    // What failed comes first, and why; what hung was cut, and had told something by then.
    let second = summary.lines().nth(1).unwrap();
    assert!(
        second.starts_with("FAILED: first") && second.contains("thresholds-words"),
        "{summary}"
    );
    for part in [
        "gpu/f32/kernel-3x3",
        "no such threshold",
        "failed,",
        "f32 7x5",
        "200",
        " cut",
        "/nowhere/python",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    let files = std::fs::read_dir(kit.out()).unwrap().count();
    assert!((5..=8).contains(&files), "{files} files");
    kit.is_over();
}

#[test]
fn who_interrupts_it_hears_what_was_known() {
    let kit = Kit::new();
    let mut child = kit.start(&["second", "submit_flops=64g"], "100");
    let figures = kit.out().join("bench.jsonl");
    let start = Instant::now();
    while std::fs::metadata(&figures).map_or(0, |file| file.len()) == 0 {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let start = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(5));
    let summary = kit.summary();
    assert!(
        summary.contains("interrupted") && summary.contains("f32 7x5"),
        "{summary}"
    );
    kit.is_over();
}

#[test]
fn what_makes_no_sense_gets_a_clear_line() {
    let kit = Kit::new();
    for (args, budget, what) in [
        (&[][..], "soon", "whole seconds"),
        (&[], "3", "15 s"),
        (&["third"], "20", "third"),
        (&["pack"], "20", "a folder"),
    ] {
        let output = kit.start(args, budget).wait_with_output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {complaint}");
        assert!(complaint.contains(what), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
    assert!(!kit.out().exists());
}
