//! What a run says of itself: times, checks, every matrix, and what a result is good for.

use super::*;

/// A command each, with an output, on a file of matrices.
const COMMANDS: [(&[&str], bool); 12] = [
    (&["pinv"], false),
    (&["svd"], true),
    (&["svd", "--vectors", "none"], true),
    (&["measures"], true),
    (&["low-rank", "--rank", "2"], false),
    (&["low-rank", "--rank", "2", "--factors"], true),
    (&["shrink", "--noise", "0"], false),
    (&["projector"], false),
    (&["basis"], true),
    (&["polar"], true),
    (&["pca"], true),
    (&["whiten"], true),
];

fn matrices(scratch: &Scratch) -> String {
    let a: Vec<f64> = (0..5 * 12).map(|e| f64::from(e * e).sin()).collect();
    write(&scratch.path("a.npy"), &[5, 4, 3], Order::C, &a);
    scratch.text("a.npy")
}

/// The arguments of a command with its input and output.
fn of<'a>(command: &[&'a str], input: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [
        &command[..1],
        &[input],
        &command[1..],
        &["-o", output],
        more,
    ]
    .concat()
}

#[test]
fn the_whole_time_is_told_and_what_it_was() {
    let scratch = Scratch::new();
    let (a, x) = (matrices(&scratch), scratch.text("x.npy"));
    let said = success(&["pinv", &a, "-o", &x]);
    let line = |name: &str| {
        said.lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_string()
    };
    assert!(line("time ").contains(" in the engine, "), "{said}");
    for phase in ["reading ", "computing ", "checking ", "writing "] {
        assert!(line("whole ").contains(phase), "{said}");
    }
    let object = json(&["pinv", &a, "-o", &x]);
    let seconds = |key: &str| {
        object[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {object}"))
    };
    let phases = [
        "reading_seconds",
        "computing_seconds",
        "checking_seconds",
        "writing_seconds",
    ];
    let sum: f64 = phases.map(seconds).iter().sum();
    assert!(phases.map(seconds).iter().all(|s| *s > 0.0), "{object}");
    assert!(seconds("seconds") < seconds("computing_seconds"));
    assert!(
        sum <= seconds("wall_seconds") && sum > 0.5 * seconds("wall_seconds"),
        "{object}"
    );
}

#[test]
fn checking_can_be_left_out() {
    let scratch = Scratch::new();
    let a = matrices(&scratch);
    let b = scratch.text("b.npy");
    write(b.as_ref(), &[5, 4], Order::C, &[1.0f64; 20]);
    let (x, d) = (scratch.text("x.npy"), scratch.text("d"));
    let mut runs: Vec<Vec<&str>> = Vec::new();
    for (command, folder) in COMMANDS {
        runs.push(of(command, &a, if folder { &d } else { &x }, &[]));
    }
    runs.push(vec!["lstsq", &a, &b, "-o", &x]);
    for args in runs {
        let checked = success(&args);
        assert!(
            checked.contains(" at most\n") && !checked.contains("--no-check"),
            "{checked}"
        );
        assert!(json(&args)["checked"] == true);
        let args = [&args[..], &["--no-check"]].concat();
        let said = success(&args);
        assert!(
            said.contains("checked           no (--no-check)\n"),
            "{said}"
        );
        assert!(
            !said.contains(" at most\n") && !said.contains("checking"),
            "{said}"
        );
        let object = json(&args);
        assert!(
            object["checked"] == false && object["max_residual"].is_null(),
            "{object}"
        );
        for key in [
            "moore_penrose",
            "max_left",
            "max_error",
            "max_orthogonality",
        ] {
            assert!(object[key].is_null(), "{object}");
        }
        refused(
            &[&args[..], &["--verify"]].concat(),
            2,
            "--no-check leaves them out",
        );
    }
}

/// A structured array as NumPy would see it: its fields with their types, its shape, its bytes.
fn records(bytes: &[u8]) -> (String, usize, Vec<u8>) {
    let len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8(bytes[10..10 + len].to_vec()).unwrap();
    (text, (10 + len) % 64, bytes[10 + len..].to_vec())
}

#[test]
fn every_command_reports_on_every_matrix() {
    let scratch = Scratch::new();
    let a = scratch.text("a.npy");
    let mut entries: Vec<f64> = (0..4 * 9).map(|e| f64::from(e * e).sin()).collect();
    entries[9 + 4] = f64::NAN;
    entries[18..27].fill(1.0);
    write(a.as_ref(), &[2, 2, 3, 3], Order::C, &entries);
    let (x, d) = (scratch.text("x.npy"), scratch.text("d"));
    let (npy, object) = (scratch.text("r.npy"), scratch.text("r.json"));
    let descr = "[('status', '|u1'), ('rank', '<u4'), ('sweeps', '<u4'), ('condition', '<f8'), ('kept_condition', '<f8'), ('residual', '<f8')]";
    for (command, folder) in COMMANDS {
        let output = if folder { &d } else { &x };
        success(&of(command, &a, output, &["--report", &npy]));
        let said = success(&of(command, &a, output, &["--report", &object]));
        assert!(said.contains("r.json\n"), "{said}");
        let (header, offset, bytes) = records(&std::fs::read(&npy).unwrap());
        assert!(
            header.contains(descr) && header.contains("'shape': (2, 2), }") && offset == 0,
            "{header}"
        );
        assert_eq!(bytes.len(), 4 * 33);
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&object).unwrap()).unwrap();
        assert_eq!(
            (&report["op"], &report["count"]),
            (&command[0].into(), &4.into())
        );
        let matrices = report["matrices"].as_array().unwrap();
        assert_eq!(matrices.len(), 4);
        for (b, (record, matrix)) in bytes.chunks_exact(33).zip(matrices).enumerate() {
            let word =
                |at: usize| u64::from(u32::from_le_bytes(record[at..at + 4].try_into().unwrap()));
            let number = |at: usize| f64::from_le_bytes(record[at..at + 8].try_into().unwrap());
            assert_eq!(matrix["index"], b);
            assert_eq!(
                (word(1), word(5)),
                (
                    matrix["rank"].as_u64().unwrap(),
                    matrix["sweeps"].as_u64().unwrap()
                )
            );
            let name = if b == 1 { "non-finite" } else { "converged" };
            assert_eq!(
                (record[0], &matrix["status"]),
                (if b == 1 { 2 } else { 0 }, &name.into())
            );
            if b == 1 {
                assert!(number(9).is_nan() && matrix["condition"].is_null() && number(17).is_nan());
                continue;
            }
            for (at, key) in [(9, "condition"), (17, "kept_condition"), (25, "residual")] {
                let said = matrix[key].as_f64();
                assert!(
                    said.is_none_or(|said| said == number(at)),
                    "{key}: {matrix}"
                );
                assert_eq!(said.is_none(), !number(at).is_finite(), "{key}: {matrix}");
            }
            // Of the second, nothing varies.
            let none = b == 2 && ["pca", "whiten"].contains(&command[0]);
            assert!(
                (none || number(17) >= 1.0) && number(9) >= number(17),
                "{command:?}: {matrix}"
            );
            if command[0] == "pinv" {
                assert_eq!(word(1), if b == 2 { 1 } else { 3 });
                assert!(number(25) < 1e-12);
            }
        }
    }
    success(&["pinv", &a, "-o", &x, "--report", &object, "--no-check"]);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&object).unwrap()).unwrap();
    assert!(report["matrices"][0]["residual"].is_null() && report["matrices"][0]["rank"] == 3);
    refused(
        &["pinv", &a, "-o", &x, "--report", &scratch.text("r.npz")],
        2,
        "r.npz",
    );
    refused(
        &["pinv", &a, "-o", &x, "--report", &scratch.text("r.csv")],
        2,
        "by its ending",
    );
}

#[test]
fn archives_are_reported_on_by_array() {
    let scratch = Scratch::new();
    tiles(&scratch);
    let (a, x) = (scratch.text("a.npz"), scratch.text("x.npz"));
    let report = |name: &str| {
        success(&["pinv", &a, "-o", &x, "--report", &scratch.text(name)]);
        std::fs::read(scratch.path(name)).unwrap()
    };
    let object: serde_json::Value = serde_json::from_slice(&report("r.json")).unwrap();
    let matrices = object["matrices"].as_array().unwrap();
    assert_eq!(matrices.len(), 8);
    assert_eq!(
        (&matrices[4]["array"], &matrices[4]["index"]),
        (&"a/b".into(), &0.into())
    );
    assert_eq!(
        (&matrices[7]["array"], &matrices[7]["index"]),
        (&"also wide".into(), &2.into())
    );
    let (header, _, bytes) = records(&report("r.npy"));
    assert!(
        header.contains("[('array', '<u4'), ('index', '<u8'), ('status'")
            && header.contains("(8,)"),
        "{header}"
    );
    assert_eq!(bytes.len(), 8 * 45);
    assert_eq!((bytes[7 * 45], bytes[7 * 45 + 4]), (3, 2));
    report("r.npz");
    let mut archive =
        zip::ZipArchive::new(std::fs::File::open(scratch.path("r.npz")).unwrap()).unwrap();
    let mut shapes = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut bytes).unwrap();
        let (header, _, bytes) = records(&bytes);
        shapes.push((
            member.name().unwrap().into_owned(),
            bytes.len() / 33,
            header.contains("'shape': (2, 2), }"),
        ));
    }
    let expected = [
        ("wide.npy", 4, true),
        ("a/b.npy", 1, false),
        ("../up.npy", 0, false),
        ("also wide.npy", 3, false),
    ];
    assert_eq!(
        shapes,
        expected.map(|(name, count, square)| (name.to_string(), count, square))
    );
}

#[test]
fn programs_are_told_every_bad_matrix() {
    let scratch = Scratch::new();
    let (a, x) = (scratch.text("a.npy"), scratch.text("x.npy"));
    let mut entries = vec![1.0f32; 40];
    (3..23).for_each(|b| entries[b] = f32::NAN);
    entries[39] = 1e-45; // its inverse is beyond numbers
    write(a.as_ref(), &[40, 1, 1], Order::C, &entries);
    let object = json(&["pinv", &a, "-o", &x]);
    let all: Vec<u64> = (3..23).collect();
    assert_eq!(object["bad"]["non_finite"], serde_json::json!(all));
    assert_eq!(object["bad"]["not_representable"], serde_json::json!([39]));
    assert_eq!(object["bad"]["not_converged"], serde_json::json!([]));
    let said = success(&["pinv", &a, "-o", &x]);
    assert!(said.contains("20 (3, 4, 5, 6, 7, 8, 9, 10, ...)"), "{said}");
    let output = run(&[
        "pinv",
        &a,
        "-o",
        &x,
        "--strict",
        "--json",
        "--backend",
        "cpu",
    ]);
    assert_eq!(
        (output.status.code(), complaints(&output).len()),
        (Some(1), 1)
    );
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["bad"]["non_finite"], serde_json::json!(all));
    assert!(
        object["error"]
            .as_str()
            .unwrap()
            .contains("21 matrices failed"),
        "{object}"
    );
    let stored = zip::CompressionMethod::Stored;
    npz(
        scratch.path("a.npz"),
        stored,
        &[
            ("p", &[2, 1, 1], &[1.0f32, f32::NAN]),
            ("q", &[1, 1], &[f32::NAN]),
        ],
    );
    let object = json(&["pinv", &scratch.text("a.npz"), "-o", &scratch.text("x.npz")]);
    assert_eq!(
        object["bad"]["non_finite"],
        serde_json::json!(["p[1]", "q[0]"])
    );
}

#[test]
fn residuals_of_nothing_are_no_zeros() {
    let scratch = Scratch::new();
    for (name, shape, entries) in [
        ("nan.npy", &[2u64, 2, 2][..], &[f64::NAN; 8][..]),
        ("none.npy", &[0, 3, 2], &[]),
        ("flat.npy", &[2, 0, 3], &[]),
    ] {
        write(&scratch.path(name), shape, Order::C, entries);
        let (a, x, d) = (scratch.text(name), scratch.text("x.npy"), scratch.text("d"));
        for (command, folder) in COMMANDS {
            let output = if folder { &d } else { &x };
            let said = success(&of(command, &a, output, &[]));
            assert!(!said.contains("0.00e0"), "{said}");
            assert!(said.contains(": no matrix has a result\n"), "{said}");
            let object = json(&of(command, &a, output, &[]));
            assert!(object["max_residual"].is_null(), "{object}");
            assert!(
                object["max_orthogonality"].is_null() && object["max_error"].is_null(),
                "{object}"
            );
        }
    }
}

#[test]
fn the_largest_condition_number_is_told() {
    let scratch = Scratch::new();
    let (a, x, d) = (
        scratch.text("a.npy"),
        scratch.text("x.npy"),
        scratch.text("d"),
    );
    // Conditions of 1, 2, .. 100, and one of 1000 in between; more of them than are looked at first.
    let entries = (0..101).flat_map(|b| {
        let small = if b == 70 {
            1e-3
        } else {
            1.0 / f64::from(1 + b)
        };
        [1.0, 0.0, 0.0, small]
    });
    write(
        a.as_ref(),
        &[101, 2, 2],
        Order::C,
        &entries.collect::<Vec<f64>>(),
    );
    for (command, folder) in COMMANDS
        .iter()
        .filter(|(command, _)| !["pca", "whiten"].contains(&command[0]))
    {
        let _ = std::fs::remove_dir_all(&d);
        let output = if *folder { &d } else { &x };
        let said = success(&of(command, &a, output, &[]));
        assert!(
            said.contains("condition         1.00e3 at most, of what counts (matrix 70)"),
            "{said}"
        );
        let object = json(&of(command, &a, output, &[]));
        let largest = object["max_kept_condition"].as_f64().unwrap();
        assert!((largest - 1e3).abs() < 1e-9, "{object}");
        assert_eq!(object["max_kept_condition_matrix"], 70);
        assert_eq!(object["warnings"], serde_json::json!([]));
    }
    let said = success(&["measures", &a, "-o", &d, "--rcond", "0.002"]);
    assert!(
        said.contains("1.01e2 at most, of what counts (matrix 100); 1.00e3 of all"),
        "{said}"
    );
    // One among many whose condition numbers might be as large, by their norms.
    let entry = |b: u64, e: u64| match (b, e) {
        (100, 9) => 0.2,
        (100, e) if e > 9 => 0.0,
        (_, e) => f64::from(u8::from(e % 9 == 0)),
    };
    let entries = (0..101).flat_map(|b| (0..64).map(move |e| entry(b, e)));
    write(
        a.as_ref(),
        &[101, 8, 8],
        Order::C,
        &entries.collect::<Vec<f64>>(),
    );
    let said = success(&["pinv", &a, "-o", &x]);
    assert!(
        said.contains("5.00e0 at most, of what counts (matrix 100)"),
        "{said}"
    );
    // The same of data: of what varies.
    let entries = (0..101).flat_map(|b| {
        let small = if b == 70 {
            1e-3
        } else {
            1.0 / f64::from(1 + b)
        };
        [9.0, 5.0, 7.0, 5.0, 8.0, 5.0 + small, 8.0, 5.0 - small]
    });
    let entries: Vec<f64> = entries.collect();
    write(a.as_ref(), &[101, 4, 2], Order::C, &entries);
    for command in ["pca", "whiten"] {
        let said = success(&[command, &a, "-o", &d]);
        assert!(
            said.contains("condition         1.00e3 at most, of what counts (matrix 70)"),
            "{said}"
        );
    }
    write(a.as_ref(), &[2, 2], Order::C, &[1.0f64, 1.0, 1.0, 1.0]);
    let object = json(&["svd", &a, "-o", &d]);
    assert!(
        object["max_condition"] == "infinite" || object["max_condition"].as_f64().unwrap() > 1e15
    );
}

#[test]
fn results_that_mean_nothing_are_warned_of() {
    let scratch = Scratch::new();
    let (a, b, x) = (
        scratch.text("a.npy"),
        scratch.text("b.npy"),
        scratch.text("x.npy"),
    );
    // A blur, whose singular values go down past all numbers; and noise.
    let n = 96;
    let blur = |e: i32| (-f64::from(e / n - e % n).powi(2) / 18.0).exp();
    write(
        a.as_ref(),
        &[n as u64, n as u64],
        Order::C,
        &(0..n * n).map(blur).collect::<Vec<_>>(),
    );
    let noise = (0..n).map(|e| f64::from(e * e).sin()).collect::<Vec<_>>();
    write(b.as_ref(), &[n as u64], Order::C, &noise);
    let lstsq = ["lstsq", &a, &b, "-o", &x];
    let said = success(&lstsq);
    let size = read::<f64>(&x)
        .1
        .iter()
        .fold(0.0f64, |most, x| most.max(x.abs()));
    assert!(size > 1e6, "{size}");
    assert!(said.contains("1 of 1"), "{said}");
    let warning = said
        .lines()
        .find(|line| line.starts_with("warning "))
        .expect(&said);
    assert!(
        warning.contains("has a condition number of ") && warning.contains("--damping"),
        "{said}"
    );
    let object = json(&lstsq);
    let kept = object["max_kept_condition"].as_f64().unwrap();
    assert!(
        kept * f64::EPSILON > 1e-4 && object["warnings"].as_array().unwrap().len() == 1,
        "{object}"
    );
    assert!(success(&["pinv", &a, "-o", &x]).contains("\nwarning "));
    for cure in [
        &["--rcond", "1e-3"][..],
        &["--rank", "10"],
        &["--damping", "0.01"],
    ] {
        let said = success(&[&lstsq[..], cure].concat());
        assert!(!said.contains("\nwarning "), "{said}");
    }
    // Good matrices are not warned of, nor what does not invert them.
    assert!(!success(&["pinv", DIGITS, "-o", &x]).contains("\nwarning "));
    assert!(!success(&["svd", &a, "-o", &scratch.text("d")]).contains("\nwarning "));
}

#[test]
fn what_leaves_nothing_is_said_to() {
    let scratch = Scratch::new();
    let (a, x) = (matrices(&scratch), scratch.text("x.npy"));
    for (args, what) in [
        (["--rcond", "2"], "--rcond 2 leaves nothing"),
        (["--rcond", "1"], "--rcond 1 leaves nothing"),
        (["--error", "2"], "--error 2 leaves nothing"),
        (["--energy", "0"], "--energy 0 leaves nothing"),
        (["--rank", "0"], "--rank 0 leaves nothing"),
        (["--atol", "1e9"], "nothing is left: "),
    ] {
        for command in ["pinv", "low-rank", "projector"] {
            let args = [&[command, &a, "-o", &x][..], &args].concat();
            let said = success(&args);
            assert!(
                said.contains(&format!("warning           {what}")),
                "{said}"
            );
            assert!(said.contains("ranks             0 (5); "), "{said}");
            assert!(
                json(&args)["warnings"][0]
                    .as_str()
                    .unwrap()
                    .starts_with(what)
            );
        }
    }
    for args in [["--rcond", "0.9"], ["--error", "0.9"], ["--energy", "0.1"]] {
        assert!(!success(&[&["pinv", &a, "-o", &x][..], &args].concat()).contains("\nwarning"));
    }
}
