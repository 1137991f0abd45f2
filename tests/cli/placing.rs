//! Nothing of the user's is lost, and a run leaves all of its results or none.

use std::fs::{hard_link, metadata, read_dir};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::*;

/// A small file of matrices.
fn matrices(scratch: &Scratch, name: &str) -> String {
    let a: Vec<f64> = (0..24).map(|e| f64::from(e * e).sin()).collect();
    write(&scratch.path(name), &[2, 3, 4], Order::C, &a);
    scratch.text(name)
}

fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let entries = read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_in_the_folder_of_results_stay() {
    let scratch = Scratch::new();
    let (a, d) = (matrices(&scratch, "a.npy"), scratch.text("d"));
    std::fs::create_dir(&d).unwrap();
    std::fs::write(scratch.path("d/u.npy"), b"mine").unwrap();
    std::fs::write(scratch.path("d/notes.txt"), b"mine").unwrap();
    let said = success(&["svd", &a, "-o", &d, "--vectors", "none"]);
    assert_eq!(std::fs::read(scratch.path("d/u.npy")).unwrap(), b"mine");
    assert_eq!(
        names(&d),
        ["notes.txt", "s.npy", "status.npy", "sweeps.npy", "u.npy"]
    );
    let line = said
        .lines()
        .find(|line| line.starts_with("warning "))
        .unwrap();
    assert!(
        line.contains("d/u.npy: there from before") && !line.contains("vt.npy"),
        "{said}"
    );
    let object = json(&["svd", &a, "-o", &d, "--vectors", "none"]);
    assert_eq!(object["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn an_output_that_is_an_input_is_refused_unless_told_so() {
    let scratch = Scratch::new();
    let a = matrices(&scratch, "a.npy");
    let b = scratch.text("b.npy");
    write(b.as_ref(), &[2, 3], Order::C, &[1.0f64; 6]);
    let before = std::fs::read(&a).unwrap();
    symlink(&a, scratch.path("link.npy")).unwrap();
    symlink("link.npy", scratch.path("further.npy")).unwrap();
    hard_link(&a, scratch.path("hard.npy")).unwrap();
    std::fs::create_dir(scratch.path("d")).unwrap();
    hard_link(&a, scratch.path("d/u.npy")).unwrap();
    let same = "which is read by this command";
    for output in ["link.npy", "further.npy", "hard.npy", "d/../a.npy"] {
        refused(&["pinv", &a, "-o", &scratch.text(output)], 2, same);
    }
    refused(&["pinv", &a, "-o", &a], 2, "is read by this command");
    refused(&["pinv", &scratch.text("link.npy"), "-o", &a], 2, same);
    refused(
        &["svd", &scratch.text("d/u.npy"), "-o", &scratch.text("d")],
        2,
        "is read by this command",
    );
    refused(&["svd", &a, "-o", &scratch.text("d")], 2, "d/u.npy: is ");
    let x = scratch.text("x.npy");
    for args in [
        &["lstsq", &a, &b, "-o", &b][..],
        &["lstsq", &a, &b, "-o", &x, "--values", &b],
        &["lstsq", &a, &b, "-o", &x, "--residuals", &a],
        &["pinv", &a, "-o", &x, "--report", &a],
        &["pinv", &a, "-o", &b, "--damping", &b],
    ] {
        refused(args, 2, "--replace-input");
    }
    // As standard input, or as standard output that somebody appends to.
    let shell = |script: &str| {
        let shell = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_batched-svd"), &a])
            .output();
        let output = shell.unwrap();
        assert_eq!(output.status.code(), Some(2), "{script}: {output:?}");
        assert!(
            complaints(&output)[0].contains("read by this command"),
            "{output:?}"
        );
    };
    shell(r#""$0" pinv - -o "$1" < "$1""#);
    shell(r#""$0" pinv "$1" -o - >> "$1""#);
    assert_eq!(std::fs::read(&a).unwrap(), before);
    assert!(!Path::new(&x).exists());

    success(&["pinv", &a, "-o", &a, "--replace-input"]);
    assert_eq!(read::<f64>(&a).0, [2, 4, 3]);
    assert_eq!(
        std::fs::read(scratch.path("hard.npy")).unwrap(),
        std::fs::read(&a).unwrap()
    );
}

#[test]
fn two_results_in_one_file_are_refused_by_any_name() {
    let scratch = Scratch::new();
    let a = matrices(&scratch, "a.npy");
    let b = scratch.text("b.npy");
    write(b.as_ref(), &[2, 3], Order::C, &[1.0f64; 6]);
    let (x, y) = (scratch.text("x.npy"), scratch.text("y.npy"));
    std::fs::write(&x, b"old").unwrap();
    hard_link(&x, &y).unwrap();
    refused(
        &["lstsq", &a, &b, "-o", &x, "--values", &y],
        2,
        "is to hold two results",
    );
    let (new, also) = (
        scratch.text("new.npy"),
        format!("{}/./new.npy", scratch.0.path().display()),
    );
    refused(
        &["lstsq", &a, &b, "-o", &new, "--values", &also],
        2,
        "is to hold two results",
    );
    refused(
        &["lstsq", &a, &b, "-o", "-", "--report", "-"],
        2,
        "is to hold two results",
    );
    let d = scratch.text("d");
    let report = scratch.text("d/s.npy");
    std::fs::create_dir(&d).unwrap();
    refused(
        &["svd", &a, "-o", &d, "--report", &report],
        2,
        "is to hold two results",
    );
    assert_eq!(std::fs::read(&x).unwrap(), b"old");
}

#[test]
fn what_was_there_keeps_its_mode_its_owner_and_its_names() {
    let scratch = Scratch::new();
    let a = matrices(&scratch, "a.npy");
    let path = |name: &str| scratch.path(name);
    let mode = |name: &str| metadata(path(name)).unwrap().permissions().mode() & 0o7777;
    let pinv = |output: &str| {
        let script = r#"umask 027; exec "$0" pinv "$1" -o "$2" --backend cpu"#;
        let args = [env!("CARGO_BIN_EXE_batched-svd"), &a, &scratch.text(output)];
        let output = Command::new("sh")
            .args(["-c", script])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    pinv("new.npy");
    assert_eq!(mode("new.npy"), 0o640);
    for there in [0o600, 0o664] {
        std::fs::write(
            path("old.npy"),
            b"a longer file than the one to come, or not",
        )
        .unwrap();
        std::fs::set_permissions(path("old.npy"), std::fs::Permissions::from_mode(there)).unwrap();
        pinv("old.npy");
        assert_eq!(mode("old.npy"), there);
        assert_eq!(read::<f64>(path("old.npy")).0, [2, 4, 3]);
    }
    // Longer than what comes, and shorter.
    for len in [100_000, 1] {
        std::fs::write(path("one.npy"), vec![7; len]).unwrap();
        let _ = std::fs::remove_file(path("two.npy"));
        hard_link(path("one.npy"), path("two.npy")).unwrap();
        pinv("one.npy");
        assert_eq!(metadata(path("one.npy")).unwrap().nlink(), 2);
        assert_eq!(read::<f64>(path("two.npy")).0, [2, 4, 3]);
    }
    std::fs::create_dir(path("far")).unwrap();
    symlink("far/end.npy", path("dangling.npy")).unwrap();
    pinv("dangling.npy");
    assert!(path("dangling.npy").is_symlink());
    assert_eq!(read::<f64>(path("far/end.npy")).0, [2, 4, 3]);
    symlink("nowhere/end.npy", path("lost.npy")).unwrap();
    refused(
        &["pinv", &a, "-o", &scratch.text("lost.npy")],
        2,
        "no such folder",
    );
    if rustix::process::geteuid().is_root() {
        std::fs::write(path("theirs.npy"), b"old").unwrap();
        std::os::unix::fs::chown(path("theirs.npy"), Some(1234), Some(4321)).unwrap();
        pinv("theirs.npy");
        let about = metadata(path("theirs.npy")).unwrap();
        assert_eq!((about.uid(), about.gid()), (1234, 4321));
        assert_eq!(read::<f64>(path("theirs.npy")).0, [2, 4, 3]);
    }
    // Where there are such: what else a file has.
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{XattrFlags, getxattr, setxattr};
        std::fs::write(path("more.npy"), b"old").unwrap();
        if setxattr(path("more.npy"), "user.mine", b"1", XattrFlags::empty()).is_ok() {
            pinv("more.npy");
            let mut value = [0u8; 8];
            assert_eq!(getxattr(path("more.npy"), "user.mine", &mut value), Ok(1));
        }
    }
    let temporary = names(scratch.0.path());
    assert!(
        !temporary.iter().any(|name| name.starts_with('.')),
        "{temporary:?}"
    );
}

/// A run whose last result waits for somebody to read it.
struct Waiting {
    scratch: Scratch,
    child: Child,
}

impl Waiting {
    /// By a shell, which may set limits and ignore signals first.
    fn new(first: &str) -> Self {
        let scratch = Scratch::new();
        let a = matrices(&scratch, "a.npy");
        let b = scratch.text("b.npy");
        write(b.as_ref(), &[2, 3], Order::C, &[1.0f64; 6]);
        std::fs::write(scratch.path("x.npy"), b"old").unwrap();
        let fifo = scratch.path("fifo");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, 0o600.into(), 0).unwrap();
        let script = format!(r#"{first} exec "$0" "$@""#);
        let args = [
            "-c",
            &script,
            env!("CARGO_BIN_EXE_batched-svd"),
            "lstsq",
            &a,
            &b,
            "--backend",
            "cpu",
        ];
        let child = Command::new("sh")
            .args(args)
            .args([
                "-o",
                &scratch.text("x.npy"),
                "--values",
                &scratch.text("s.npy"),
                "--report",
            ])
            .arg(fifo)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let waiting = Waiting { scratch, child };
        // Both of its files are written, but not in their places.
        let start = Instant::now();
        while waiting.temporary() < 2 {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{:?}",
                names(waiting.scratch.0.path())
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(50));
        waiting
    }

    fn temporary(&self) -> usize {
        names(self.scratch.0.path())
            .iter()
            .filter(|name| name.starts_with(".batched-svd-"))
            .count()
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// It does not where whoever started the tests ignores the signal, and would wait for ever.
    fn ends_by(&mut self, signal: Signal) {
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if start.elapsed() > Duration::from_secs(60) {
                self.child.kill().unwrap();
                panic!("{signal:?} ended nothing: a script's & and nohup have the tests ignore it");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut waiting = Waiting::new("ulimit -c 0;");
        waiting.signal(signal);
        waiting.ends_by(signal);
        let output = waiting.child.wait_with_output().unwrap();
        // A shell's loop ends with what it runs.
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{output:?}");
        assert_eq!(complaints(&output).len(), 1, "{output:?}");
        let scratch = waiting.scratch;
        assert_eq!(names(scratch.0.path()), ["a.npy", "b.npy", "fifo", "x.npy"]);
        assert_eq!(std::fs::read(scratch.path("x.npy")).unwrap(), b"old");
    }
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let mut waiting = Waiting::new("trap '' HUP;");
    waiting.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    assert!(waiting.child.try_wait().unwrap().is_none());
    let report = std::fs::read(waiting.scratch.path("fifo")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["count"], 2);
    assert!(waiting.child.wait_with_output().unwrap().status.success());
    assert_eq!(read::<f64>(waiting.scratch.path("x.npy")).0, [2, 4]);
    assert_eq!(
        names(waiting.scratch.0.path()),
        ["a.npy", "b.npy", "fifo", "s.npy", "x.npy"]
    );
}

#[test]
fn a_folder_that_a_failed_run_made_goes_too() {
    let scratch = Scratch::new();
    let a = matrices(&scratch, "a.npy");
    for (output, report, why) in [
        ("new/deep", "/dev/full", "No space left"),
        ("there", "/dev/full", "No space left"),
    ] {
        std::fs::create_dir_all(scratch.path("there")).unwrap();
        refused(
            &["svd", &a, "-o", &scratch.text(output), "--report", report],
            1,
            why,
        );
        assert_eq!(names(scratch.0.path()), ["a.npy", "there"]);
        assert!(names(scratch.path("there")).is_empty());
    }
}

#[test]
fn a_limit_on_the_size_of_files_leaves_nothing() {
    let scratch = Scratch::new();
    let a = scratch.text("a.npy");
    // Singular values fit, vectors do not.
    let entries: Vec<f64> = (0..64 * 64).map(|e| f64::from(e).sin()).collect();
    write(a.as_ref(), &[64, 64], Order::C, &entries);
    let script = r#"ulimit -f 16; exec "$0" svd "$1" -o "$2" --backend cpu"#;
    for there in [false, true] {
        let d = scratch.text("d");
        if there {
            std::fs::create_dir(&d).unwrap();
            std::fs::write(scratch.path("d/s.npy"), b"old").unwrap();
        }
        let args = [env!("CARGO_BIN_EXE_batched-svd"), &a, &d];
        let output = Command::new("sh")
            .args(["-c", script])
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let lines = complaints(&output);
        assert!(
            lines.len() == 1 && lines[0].contains(".npy: File too large"),
            "{lines:?}"
        );
        match there {
            false => assert!(!Path::new(&d).exists()),
            true => assert_eq!(
                (names(&d), std::fs::read(scratch.path("d/s.npy")).unwrap()),
                (vec!["s.npy".into()], b"old".to_vec())
            ),
        }
    }
}

#[test]
fn a_full_disk_leaves_nothing() {
    let scratch = Scratch::new();
    let a = matrices(&scratch, "a.npy");
    let b = scratch.text("b.npy");
    write(b.as_ref(), &[2, 3], Order::C, &[1.0f64; 6]);
    let x = scratch.text("x.npy");
    refused(
        &["lstsq", &a, &b, "-o", &x, "--values", "/dev/full"],
        1,
        "/dev/full: No space left",
    );
    assert_eq!(names(scratch.0.path()), ["a.npy", "b.npy"]);
}

#[test]
fn a_place_that_cannot_be_is_found_out_before_the_work() {
    let scratch = Scratch::new();
    let a = matrices(&scratch, "a.npy");
    let nowhere = scratch.text("no/such/x.json");
    refused(
        &[
            "pinv",
            &a,
            "-o",
            &scratch.text("x.npy"),
            "--report",
            &nowhere,
        ],
        2,
        "no such folder",
    );
    refused(
        &[
            "pinv",
            &a,
            "-o",
            &scratch.text("x.npy"),
            "--report",
            &scratch.text("r.txt"),
        ],
        2,
        "by its ending",
    );
    assert_eq!(names(scratch.0.path()), ["a.npy"]);
    if !rustix::process::geteuid().is_root() {
        std::fs::write(scratch.path("kept.npy"), b"old").unwrap();
        let read_only = std::fs::Permissions::from_mode(0o444);
        std::fs::set_permissions(scratch.path("kept.npy"), read_only).unwrap();
        refused(
            &["pinv", &a, "-o", &scratch.text("kept.npy")],
            2,
            "Permission denied",
        );
    }
}
