//! `batched-svd bench` as a person uses it, on small cases.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_batched-svd"))
        .arg("bench")
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The measurements among lines of JSON.
fn rows(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|row: &Value| row.get("peer").is_some())
        .collect()
}

fn of<'r>(rows: &'r [Value], peer: &str) -> Vec<&'r Value> {
    rows.iter().filter(|row| row["peer"] == peer).collect()
}

const SMALL: &[&str] = &[
    "--backend",
    "cpu",
    "--shapes",
    "3x3:64,4x2:10",
    "--ops",
    "svd,svdvals,pinv",
    "--dtypes",
    "f32,f64",
    "--seconds",
    "0.01",
];

#[test]
fn complex_matrices_are_measured() {
    let ops = ["--ops", "svd,svdvals,pinv,eigh,eigvalsh"];
    let case = ["--dtypes", "c32,c64", "--shapes", "3x3:64,5x5:8"];
    let how = ["--seconds", "0.01", "--no-latency", "--json"];
    let output = run(&[&["--backend", "cpu"][..], &ops, &case, &how].concat());
    let rows = rows(&output);
    assert_eq!(of(&rows, "batched-svd-cpu").len(), 20);
    // The peers' results are taken as they are meant, adjoints and all. What nalgebra gets wrong is another matter.
    for peer in ["batched-svd-cpu", "faer", "nalgebra"] {
        for row in of(&rows, peer) {
            let orthogonality = row["orthogonality"].as_f64();
            let unit = if row["dtype"] == "c32" { 6e-8 } else { 1.1e-16 };
            assert!(
                orthogonality.is_some_and(|loss| loss < 100.0 * unit),
                "{row}"
            );
            assert!(row["ok"] == true || peer == "nalgebra", "{row}");
        }
    }
    let faer = of(&rows, "faer");
    assert_eq!(faer.len(), 20);
}

#[test]
fn a_line_a_measurement_with_checks_and_limits() {
    let output = run(&[SMALL, &["--json"]].concat());
    let rows = rows(&output);
    let own = of(&rows, "batched-svd-cpu");
    assert_eq!(own.len(), 12);
    for row in own {
        assert_eq!(row["ok"], true, "{row}");
        assert!(row["kernel"].is_string());
        let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row}"));
        assert!(number("matrices_per_s") > 0.0);
        assert!(number("seconds_min") <= number("seconds"));
        assert!(number("seconds") <= number("seconds_max"));
        assert!(number("residual") < 1e-3 && number("checked") > 0.0);
        let fraction = number("limit_fraction");
        assert!(0.0 < fraction && fraction < 1.0, "{row}");
    }
    // Two shapes, three operations, two types; only 3x3 was compiled with a fixed size.
    assert_eq!(of(&rows, "nalgebra").len(), 12);
    assert_eq!(of(&rows, "nalgebra-static").len(), 6);
    assert_eq!(of(&rows, "faer").len(), 12);
    let limits = text(&output.stdout).matches("\"limits_of\"").count();
    assert_eq!(limits, 2);
}

#[test]
fn eigenvalues_are_measured_on_symmetric_matrices() {
    let args =
        "--backend cpu --shapes 3x3:64,5x5:10 --ops eigh,eigvalsh --dtypes f32,f64 --seconds 0.01";
    let args: Vec<&str> = args.split(' ').collect();
    let output = run(&[&args[..], &["--json"]].concat());
    let rows = rows(&output);
    assert!(rows.iter().all(|row| row["ok"] == true), "{rows:?}");
    // Two shapes, two operations, two types; only 3x3 was compiled with a fixed size.
    for (peer, count) in [
        ("batched-svd-cpu", 8),
        ("nalgebra", 8),
        ("nalgebra-static", 4),
        ("faer", 8),
    ] {
        assert_eq!(of(&rows, peer).len(), count, "{peer}");
    }
    for row in &rows {
        // Values alone have no vectors that could be orthonormal.
        let loss = row["orthogonality"].as_f64().unwrap();
        assert_eq!(loss > 0.0, row["op"] == "eigh", "{row}");
        assert!(row["residual"].as_f64().unwrap() > 0.0, "{row}");
    }

    let output = run(&[&args[..], &["--no-peers"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("eigh f64: matrices a second"), "{table}");
}

#[test]
fn merged_files_make_one_table_and_one_plot() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let output = run(&[SMALL, &["--json", "--no-peers"]].concat());
    assert_eq!(rows(&output).len(), 12);
    std::fs::write(path("mine.jsonl"), &output.stdout).unwrap();
    let line = r#"{"peer": "torch-gesvdj", "op": "svd", "m": 3, "n": 3, "batch": 10, "dtype": "f32",
        "seconds": 10.0, "matrices_per_s": 1.0, "ok": true, "note": ""}"#;
    std::fs::write(path("card.jsonl"), line.replace('\n', "") + "\n").unwrap();
    let plot = path("plot.svg");
    let output = run(&[
        "--merge",
        &path("mine.jsonl"),
        &path("card.jsonl"),
        "--plot",
        &plot,
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("x torch-gesvdj"), "{table}");
    let line = table.lines().find(|line| line.starts_with("3x3")).unwrap();
    let ratio: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
    assert!(ratio > 1.0, "{line}");
    let plot = std::fs::read_to_string(plot).unwrap();
    assert!(plot.starts_with("<svg") && plot.contains("batched-svd-cpu"));
}

#[test]
fn lists_come_with_commas_with_spaces_and_one_at_a_time() {
    let more = [
        "--backend",
        "cpu",
        "--seconds",
        "0.01",
        "--no-peers",
        "--json",
    ];
    for list in [
        &[
            "--ops",
            "svd,pinv",
            "--shapes",
            "2x2:4,3x3:4",
            "--dtypes",
            "f32,f64",
        ][..],
        &[
            "--ops", "svd", "pinv", "--shapes", "2x2:4", "3x3:4", "--dtypes", "f32", "f64",
        ],
        &[
            "--ops", "svd", "--ops", "pinv", "--shapes", "2x2:4", "--shapes", "3x3:4", "--dtypes",
            "f32", "--dtypes", "f64",
        ],
    ] {
        assert_eq!(rows(&run(&[list, &more].concat())).len(), 8, "{list:?}");
    }
}

#[cfg(unix)]
#[test]
fn nobody_needs_to_hear_standard_error() {
    let args = "--shapes 2x2:4 --ops svd --seconds 0.01 --no-peers";
    for to in ["2>&-", "2>/dev/full"] {
        // Without a GPU that is said there, and with a software adapter, too.
        let script = format!(r#""$0" bench {args} --backend auto {to}"#);
        let output = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_batched-svd")])
            .env("VK_DRIVER_FILES", "/nowhere")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(text(&output.stdout).contains("2x2"), "{output:?}");
    }
}

#[test]
fn a_plot_replaces_no_measurements() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.jsonl");
    let line = r#"{"peer": "torch", "op": "svd", "m": 3, "n": 3, "batch": 10, "dtype": "f32",
        "seconds": 10.0, "matrices_per_s": 1.0, "ok": true, "note": ""}"#;
    let line = line.replace('\n', "") + "\n";
    std::fs::write(&file, &line).unwrap();
    let name = file.to_str().unwrap();
    let output = run(&["--merge", name, "--plot", name]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("is read by this command"),
        "{output:?}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), line);
    let output = run(&["--merge", name, "--plot", "-"]);
    assert!(text(&output.stdout).starts_with("<svg"), "{output:?}");
    assert!(text(&output.stderr).contains("torch"), "{output:?}");
}

#[test]
fn what_makes_no_sense_gets_a_clear_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bad.jsonl");
    std::fs::write(&file, "{\"peer\": 3}\n").unwrap();
    let file = file.to_str().unwrap();
    for (args, what) in [
        (&["--shapes", "0x3"][..], "is not a number from 1"),
        (&["--shapes", "3"], "ROWSxCOLS"),
        (&["--seconds", "0"], "seconds"),
        (&["--seconds", "-1"], "seconds"),
        (&["--seconds", "nan"], "seconds"),
        (&["--batch", "-1"], "a whole number from 1"),
        (&["--ops", "qr"], "qr"),
        (
            &["--ops", "svd,eigh", "--shapes", "3x3,4x2"],
            "eigh takes square matrices, and 4x2 is not square",
        ),
        (&["--merge", "/nowhere/x.jsonl"], "/nowhere/x.jsonl"),
        (&["--merge", file], "line 1"),
        (&["--plot", "/nowhere/x.svg"], "there is no such folder"),
        (
            &["--python-peers", "--python", "/nowhere/python"],
            "/nowhere/python",
        ),
        (
            &["--backend", "gpu", "--adapter", "no such card"],
            "no such card",
        ),
        (
            &["--backend", "cpu", "--adapter", "card"],
            "--backend is cpu",
        ),
    ] {
        let output = run(args);
        let complaint = text(&output.stderr);
        let code = if args.contains(&"gpu") { 1 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{args:?}: {complaint}");
        assert!(complaint.contains(what), "{args:?}: {complaint}");
        let own = complaint
            .lines()
            .filter(|line| line.starts_with("batched-svd:"));
        assert_eq!(own.count(), 1, "{args:?}: {complaint}");
        assert!(output.stdout.is_empty());
    }
}

/// A Python that answers as the script does, and is wrong about its results where n is 4.
fn stub(folder: &Path) -> PathBuf {
    let script = folder.join("stub.py");
    let answers = r#"
import json, sys
n = 0
for line in sys.stdin:
    r = json.loads(line)
    n = r.get("n", n)
    a = {"peers": [{"name": "stub", "device": "none"}]} if r["do"] == "peers" else {
        "load": {}, "clear": {}, "run": {"seconds": 0.001},
        "check": {"residual": 1.0 if n == 4 else 0.0, "orthogonality": 0.0}}[r["do"]]
    print(json.dumps({"error": "n is 5"} if n == 5 else a), flush=True)
"#;
    std::fs::write(&script, answers).unwrap();
    let python = folder.join("python");
    let text = format!("#!/bin/sh\nexec python3 {}\n", script.display());
    std::fs::write(&python, text).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    python
}

#[cfg(unix)]
#[test]
fn python_peers_answer_and_wrong_ones_are_found_out() {
    let folder = TempDir::new().unwrap();
    let python = stub(folder.path());
    let args = [
        "--backend",
        "cpu",
        "--shapes",
        "3x3:64,4x4:64,5x5:64",
        "--ops",
        "svd",
        "--json",
    ];
    let more = [
        "--seconds",
        "0.01",
        "--no-peers",
        "--python-peers",
        "--python",
    ];
    let output = run(&[&args[..], &more, &[python.to_str().unwrap()]].concat());
    let rows = rows(&output);
    let stub = of(&rows, "stub");
    assert_eq!(
        (&stub[0]["ok"], &stub[0]["seconds"]),
        (&Value::from(true), &Value::from(0.001))
    );
    assert_eq!(stub[1]["ok"], false);
    assert!(stub[1]["note"].as_str().unwrap().contains("check failed"));
    assert_eq!(stub[2]["note"], "n is 5");
}

#[test]
fn thresholds_are_tried_one_at_a_time() {
    let args = [
        "--backend",
        "cpu",
        "--tune",
        "--ops",
        "svd",
        "--seconds",
        "0.01",
    ];
    let args = [&args[..], &["--shapes", "3x3:64"]].concat();
    let output = run(&[&args[..], &["--json"]].concat());
    let rows = rows(&output);
    let kernel = |peer: &str| of(&rows, peer)[0]["kernel"].clone();
    assert_eq!(kernel("batched-svd-cpu: default"), "jacobi-lanes");
    assert_eq!(kernel("batched-svd-cpu: lanes 1"), "jacobi-single");
    assert!(rows.iter().all(|row| row["ok"] == true), "{rows:?}");

    let output = run(&args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let default = table.lines().find(|line| line.contains(": default"));
    assert!(
        default.is_some_and(|line| line.trim_end().ends_with("1.00")),
        "{table}"
    );

    let output = run(&["--tune", "--python-peers"]);
    assert_eq!(output.status.code(), Some(2));
}

/// A measurement that takes no time.
const SHORT: [&str; 9] = [
    "--backend",
    "cpu",
    "--ops",
    "svd",
    "--seconds",
    "0.01",
    "--shapes",
    "3x3:64",
    "--json",
];

#[test]
fn thresholds_are_tried_and_set_by_name() {
    let tune = ["--tune", "lanes=1,4", "task_flops=8m"];
    let tuned = rows(&run(&[&SHORT[..], &tune].concat()));
    let peers: Vec<&str> = tuned
        .iter()
        .map(|row| row["peer"].as_str().unwrap())
        .collect();
    let names = ["default", "lanes 1", "lanes 4", "task_flops 8m"];
    assert_eq!(peers, names.map(|name| format!("batched-svd-cpu: {name}")));
    let kernel = |row: &Value| row["kernel"].as_str().unwrap().to_string();
    assert_eq!(
        [kernel(&tuned[0]), kernel(&tuned[1])],
        ["jacobi-lanes", "jacobi-single"]
    );

    let set = ["--set", "lanes=1", "task_flops=1k", "--no-peers"];
    let set = rows(&run(&[&SHORT[..], &set].concat()));
    assert_eq!(
        (set.len(), kernel(&set[0])),
        (1, "jacobi-single".to_string())
    );
    assert_eq!(set[0]["settings"], "lanes=1 task_flops=1024");

    // What is set is what others are compared with.
    let both = ["--set", "lanes=1", "--tune", "task_flops=8m"];
    let both = rows(&run(&[&SHORT[..], &both].concat()));
    assert!(
        both.iter().all(|row| kernel(row) == "jacobi-single"),
        "{both:?}"
    );

    for (tried, what) in [
        (&["--tune", "tails=1"][..], "only invocation_words, "),
        (&["--tune", "lanes"], "NAME=VALUE"),
        (&["--tune", "lanes=x"], "a whole number"),
        (&["--set", "lanes=1,2"], "one value"),
        (
            &["--tune", "tiny_columns=3"],
            "tiny_columns is a GPU's, and no such engine is measured",
        ),
    ] {
        let output = run(&[&SHORT[..], tried].concat());
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{tried:?}: {complaint}");
        assert!(complaint.contains(what), "{tried:?}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn repetitions_and_peers_are_chosen() {
    let chosen = ["--repetitions", "2", "--peers", "faer,nalgebra-static"];
    // On a busy machine a hundredth of a second may end after one repetition.
    let long = SHORT.map(|word| if word == "0.01" { "2" } else { word });
    let rows = rows(&run(&[&long[..], &chosen].concat()));
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["peer"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["batched-svd-cpu", "nalgebra-static", "faer"]);
    assert!(rows.iter().all(|row| row["repetitions"] == 2), "{rows:?}");
    for (chosen, what) in [
        (&["--peers", "lapack"][..], "only nalgebra, "),
        (&["--repetitions", "0"], "from 1 to"),
        (&["--profile"], "--backend is cpu"),
    ] {
        let output = run(&[&SHORT[..], chosen].concat());
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(what), "{complaint}");
    }
}

#[cfg(unix)]
#[test]
fn a_python_without_the_peers_that_are_asked_for_is_told_of() {
    let folder = TempDir::new().unwrap();
    let python = stub(folder.path());
    let args =
        "--backend cpu --ops svd --seconds 0.01 --shapes 3x3:64 --json --no-peers --peers cupy";
    let args: Vec<&str> = args.split(' ').collect();
    let python = ["--python-peers", "--python", python.to_str().unwrap()];
    let output = run(&[&args[..], &python].concat());
    assert_eq!(rows(&output).len(), 1);
    assert!(
        text(&output.stderr).contains("has none of cupy"),
        "{output:?}"
    );
}

#[test]
fn what_was_cut_off_is_still_told_in_brief() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cut.jsonl");
    let output = run(&[SMALL, &["--json", "--no-peers"]].concat());
    let lines = text(&output.stdout);
    std::fs::write(&file, format!("{lines}{}", &lines[..30])).unwrap();
    let file = file.to_str().unwrap();
    let output = run(&["--merge", file]);
    assert_eq!(output.status.code(), Some(2));
    let output = run(&["--brief", "--merge", file]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout).matches("3x3").count(), 2);
    assert_eq!(run(&["--brief"]).status.code(), Some(2));
}

/// Where there is a GPU, be it a processor in disguise.
#[test]
fn a_profile_has_every_kernel() {
    let args = "--backend gpu --profile --ops svd --dtypes f32,c32 --seconds 0.02 --repetitions 2 --shapes 3x3:64,100x20:2";
    let args: Vec<&str> = args.split(' ').collect();
    let output = run(&[&args[..], &["--json"]].concat());
    if text(&output.stderr).contains("no adapter") {
        assert_eq!(std::env::var_os("BATCHED_SVD_REQUIRE_GPU"), None);
        return;
    }
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    for (line, last) in lines.iter().zip(["tiny", "signs", "tiny", "signs"]) {
        assert_eq!(line["ok"], true, "{line}");
        let kernels = line["kernels"].as_array().unwrap();
        let kernel = kernels.last().unwrap();
        assert_eq!(kernel["kernel"], last, "{line}");
        assert!(kernel["compile_seconds"].as_f64().unwrap() > 0.0, "{line}");
        assert_eq!(kernel["dispatches"], 1, "{line}");
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("profile.jsonl");
    std::fs::write(&file, &output.stdout).unwrap();
    let output = run(&["--merge", file.to_str().unwrap()]);
    let table = text(&output.stdout);
    assert!(
        table.contains("form_u") && table.contains("share"),
        "{table}"
    );
}
