//! Pipes in and out; standard error and output, closed and full; what is on a terminal.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use super::*;

/// A shell's command line: `$0` is the command, `$1` and so on the arguments.
fn shell(script: &str, args: &[&str]) -> Output {
    let command = env!("CARGO_BIN_EXE_batched-svd");
    Command::new("sh")
        .args(["-c", script, command])
        .args(args)
        .output()
        .unwrap()
}

fn of_bytes(bytes: &[u8]) -> (Vec<u64>, Vec<f64>) {
    let file = NpyFile::new(bytes).unwrap();
    (file.shape().to_vec(), file.into_vec().unwrap())
}

/// Matrices, and their pseudoinverses.
fn example(scratch: &Scratch) -> (String, (Vec<u64>, Vec<f64>)) {
    let a: Vec<f64> = (0..24).map(|e| f64::from(e * e).sin()).collect();
    write(&scratch.path("a.npy"), &[2, 3, 4], Order::C, &a);
    let (a, x) = (scratch.text("a.npy"), scratch.text("expected.npy"));
    success(&["pinv", &a, "-o", &x]);
    (a, read(&x))
}

#[test]
fn nobody_needs_to_hear_standard_error() {
    let scratch = Scratch::new();
    let (a, expected) = example(&scratch);
    let (x, d) = (scratch.text("x.npy"), scratch.text("d"));
    for to in ["2>&-", "2>/dev/full"] {
        let run = |script: &str| {
            let output = shell(&format!("{script} {to}"), &[&a, &x, &d]);
            (output.status.code(), stdout(&output))
        };
        let (code, said) = run(r#""$0" pinv "$1" -o "$2" --backend cpu"#);
        assert_eq!((code, read(&x)), (Some(0), expected.clone()));
        assert!(said.contains("2 of 3x4"), "{said}");
        // What would have been said there: warnings, failures, arguments, summaries.
        let warned = run(r#""$0" pinv "$1" -o "$2" --backend gpu"#).0;
        assert!(matches!(warned, Some(0 | 1)), "{warned:?}");
        assert_eq!(
            run(r#""$0" pinv "$1" -o - --backend cpu | cat >"$2""#).0,
            Some(0)
        );
        assert_eq!(read(&x), expected);
        assert_eq!(run(r#""$0" pinv nowhere.npy -o "$2""#).0, Some(2));
        assert_eq!(run(r#""$0" pinv "$1""#).0, Some(2));
        assert_eq!(run(r#""$0" nonsense"#).0, Some(2));
        assert_eq!(run(r#""$0" svd "$1" -o "$3" --backend cpu"#).0, Some(0));
        assert_eq!(run(r#""$0" verify "$1" --factors "$3""#).0, Some(0));
        assert_eq!(run(r#""$0" devices"#).0, Some(0));
    }
}

#[test]
fn a_summary_that_nobody_hears_costs_no_result() {
    let scratch = Scratch::new();
    let (a, expected) = example(&scratch);
    let x = scratch.text("x.npy");
    for (to, code) in [(">&-", 0), ("| true", 0), (">/dev/full", 1)] {
        let _ = std::fs::remove_file(&x);
        let output = shell(
            &format!(r#""$0" pinv "$1" -o "$2" --backend cpu {to}"#),
            &[&a, &x],
        );
        assert_eq!(output.status.code(), Some(code), "{to}: {output:?}");
        assert_eq!(complaints(&output).len(), code as usize, "{output:?}");
        assert_eq!(read(&x), expected);
    }
}

#[test]
fn arrays_come_and_go_through_pipes() {
    let scratch = Scratch::new();
    let (a, expected) = example(&scratch);
    let x = scratch.text("x.npy");
    for script in [
        r#"cat "$1" | "$0" pinv - -o - "#,
        r#"cat "$1" | "$0" pinv /dev/stdin -o /dev/stdout "#,
        r#""$0" pinv - -o - <"$1" "#,
        r#""$0" pinv "$1" -o /dev/fd/1 "#,
        r#""$0" pinv /dev/fd/4 -o - 4<"$1" "#,
    ] {
        let output = shell(&format!("{script} --backend cpu"), &[&a]);
        assert!(output.status.success(), "{script}: {output:?}");
        assert_eq!(of_bytes(&output.stdout), expected, "{script}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("2 of 3x4, f64") && said.contains("output            standard output\n"),
            "{said}"
        );
    }
    let object = shell(r#""$0" pinv "$1" -o - --json --backend cpu"#, &[&a]).stderr;
    let object: serde_json::Value = serde_json::from_slice(&object).unwrap();
    assert_eq!(object["count"], 2);
    // Whatever standard output and error are, no summary lands among the data, or behind.
    let exactly = std::fs::read(scratch.path("expected.npy")).unwrap();
    for script in [
        r#""$0" pinv "$1" -o "$2" >"$2""#,
        r#""$0" pinv "$1" -o - >"$2""#,
        r#""$0" pinv "$1" -o - >"$2" 2>&1"#,
        r#""$0" pinv "$1" -o - 2>&1 | cat >"$2""#,
        r#""$0" pinv "$1" -o /dev/fd/3 3>"$2""#,
        r#"printf '' >"$2"; ln -f "$2" "$2.hard"; "$0" pinv "$1" -o /dev/fd/3 3>"$2""#,
        r#""$0" pinv "$1" -o /dev/stderr 2>"$2""#,
    ] {
        let _ = std::fs::remove_file(&x);
        let output = shell(script, &[&a, &x]);
        assert!(output.status.success(), "{script}: {output:?}");
        let bytes = std::fs::read(&x).unwrap();
        assert!(bytes == exactly, "{script}: {} bytes", bytes.len());
    }
    let _ = std::fs::remove_file(&x);
    let pipes = r#"mkfifo "$2.in" "$2.out"; (cat "$1" >"$2.in" &); (cat "$2.out" >"$2" &) ; "$0" pinv "$2.in" -o "$2.out"; sleep 0.3"#;
    assert!(shell(pipes, &[&a, &x]).status.success());
    assert_eq!(read(&x), expected);
    refused(&["lstsq", "-", "-", "-o", &x], 2, "standard input");
    refused(
        &["pinv", &a, "-o", "-", "--damping", "nowhere.npy"],
        2,
        "nowhere.npy",
    );
    // Whoever stops reading has not got it.
    let large = scratch.text("large.npy");
    write(
        large.as_ref(),
        &[20000, 4, 4],
        Order::C,
        &vec![1.0f64; 320_000],
    );
    let script = r#"{ "$0" pinv "$1" -o - --backend cpu; echo $? >"$2"; } | head -c 10 >/dev/null"#;
    let output = shell(script, &[&large, &scratch.text("code")]);
    assert_eq!(
        std::fs::read(scratch.path("code")).unwrap(),
        b"1\n",
        "{output:?}"
    );
    assert!(
        complaints(&output)[0].contains("nobody reads it to the end"),
        "{output:?}"
    );
}

#[test]
fn archives_come_and_go_through_pipes() {
    let scratch = Scratch::new();
    tiles(&scratch);
    let (a, x) = (scratch.text("a.npz"), scratch.text("x.npz"));
    success(&["pinv", &a, "-o", &x]);
    let expected = read_npz::<f32>(&x);
    let also = scratch.text("also.npz");
    let output = shell(
        r#"cat "$1" | "$0" pinv - -o - --backend cpu | cat >"$2""#,
        &[&a, &also],
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(read_npz::<f32>(&also), expected);
}

/// Standard input that comes in pieces, and late.
#[test]
fn a_pipe_may_be_slow() {
    let scratch = Scratch::new();
    let (a, expected) = example(&scratch);
    let bytes = std::fs::read(&a).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_batched-svd"))
        .args(["pinv", "-", "-o", "-", "--backend", "cpu"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    for piece in [&bytes[..1], &bytes[1..7], &bytes[7..131], &bytes[131..]] {
        to.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(to);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(of_bytes(&output.stdout), expected);
}

/// What libwayland says where no display is named.
#[test]
fn drivers_are_not_heard() {
    for name in ["devices", "pinv"] {
        let scratch = Scratch::new();
        let out = scratch.text("x.npy");
        let args = [name, DIGITS, "-o", &out];
        let output = Command::new(env!("CARGO_BIN_EXE_batched-svd"))
            .args(&args[..if name == "devices" { 1 } else { 4 }])
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("WAYLAND_DISPLAY")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

/// Runs on a terminal, and says what was on it and what was not.
fn on_a_terminal(script: &str, args: &[&str]) -> (String, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = std::fs::File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_batched-svd")])
        .args(args)
        .env("BATCHED_SVD_PROGRESS_AFTER", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(theirs)
        .spawn()
        .unwrap();
    let terminal = std::thread::spawn(move || {
        let (mut shown, mut ours) = (Vec::new(), std::fs::File::from(ours));
        // It fails when nobody has the other end.
        let _ = ours.read_to_end(&mut shown);
        String::from_utf8_lossy(&shown).into_owned()
    });
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(child.wait().unwrap().success());
    (terminal.join().unwrap(), said)
}

#[test]
fn every_phase_that_takes_long_shows_progress() {
    let scratch = Scratch::new();
    let (a, x) = (scratch.text("a.npy"), scratch.text("x.npy"));
    let entries: Vec<f64> = (0..400 * 64 * 64)
        .map(|e| (f64::from(e) * 0.7).sin())
        .collect();
    write(a.as_ref(), &[400, 64, 64], Order::C, &entries);
    let script = r#"mkfifo "$2.fifo"; (sleep 0.3; cat "$2.fifo" >"$2") & { head -c 100000 "$1"; sleep 0.5; tail -c +100001 "$1"; } | "$0" pinv - -o "$2.fifo" --backend cpu; wait"#;
    let (shown, said) = on_a_terminal(script, &[&a, &x]);
    for phase in ["reading", "computing", "checking", "writing"] {
        assert!(shown.contains(phase), "no {phase} in {shown:?}");
        assert!(said.contains(&format!("{phase} ")), "{said}");
    }
    assert!(shown.contains("/400 matrices"), "{shown:?}");
    // Nothing is left on the screen.
    assert!(shown.trim_end().ends_with("\u{1b}[2K"), "{shown:?}");
    assert_eq!(read::<f64>(&x).0, [400, 64, 64]);
}

#[test]
fn a_terminal_gets_no_arrays() {
    let scratch = Scratch::new();
    let (a, _) = example(&scratch);
    let script = r#""$0" pinv "$1" -o - >&2; test $? = 2"#;
    let (shown, _) = on_a_terminal(script, &[&a]);
    assert!(shown.contains("standard output: is a terminal"), "{shown}");
}
