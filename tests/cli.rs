//! The command line as a person uses it: files, answers, and one clear line for what is wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use npyz::{AutoSerialize, Deserialize, NpyFile, Order, Serialize, WriteOptions, WriterBuilder};
use tempfile::TempDir;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.npy");

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_batched-svd"))
        .args(args)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Our own lines of standard error: a driver may add some.
fn complaints(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| line.starts_with("batched-svd:"))
        .map(str::to_string)
        .collect()
}

fn write<T: AutoSerialize + Serialize + Copy>(
    path: &Path,
    shape: &[u64],
    order: Order,
    data: &[T],
) {
    let mut writer = WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .order(order)
        .writer(std::fs::File::create(path).unwrap())
        .begin_nd()
        .unwrap();
    writer.extend(data.iter().copied()).unwrap();
    writer.finish().unwrap();
}

fn read<T: Deserialize>(path: impl AsRef<Path>) -> (Vec<u64>, Vec<T>) {
    let file = NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
    (file.shape().to_vec(), file.into_vec().unwrap())
}

struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Scratch(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_string()
    }
}

/// Runs and expects one line of complaint that names `what`, and exit code `code`.
fn refused(args: &[&str], code: i32, what: &str) {
    let output = run(args);
    let lines = complaints(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {lines:?}");
    assert_eq!(lines.len(), 1, "{args:?}: {lines:?}");
    assert!(lines[0].contains(what), "{args:?}: {lines:?}");
    assert!(stdout(&output).is_empty());
}

#[test]
fn the_main_job() {
    let scratch = Scratch::new();
    let out = scratch.text("pinv.npy");
    let output = run(&["pinv", DIGITS, "-o", &out, "--backend", "cpu"]);
    assert!(output.status.success(), "{output:?}");
    let text = stdout(&output);
    for part in [
        "1797 of 8x8, f32",
        "1797 of 1797",
        "|AXA-A| / |A|",
        "matrices/s",
        "ranks",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let (shape, x) = read::<f32>(&out);
    assert_eq!(shape, [1797, 8, 8]);
    // Condition one, here and now: A X A = A, to the digits that condition numbers leave.
    let (_, a) = read::<f32>(DIGITS);
    for (a, x) in a.chunks(64).zip(x.chunks(64)) {
        let at = |m: &[f32], i: usize, j: usize| f64::from(m[8 * i + j]);
        let product = |f: &dyn Fn(usize, usize) -> f64, m: &[f32]| {
            let mut out = [[0.0; 8]; 8];
            for (i, row) in out.iter_mut().enumerate() {
                for (j, to) in row.iter_mut().enumerate() {
                    *to = (0..8).map(|k| f(i, k) * at(m, k, j)).sum();
                }
            }
            out
        };
        let ax = product(&|i, k| at(a, i, k), x);
        let axa = product(&|i, k| ax[i][k], a);
        for (i, row) in axa.iter().enumerate() {
            for (j, entry) in row.iter().enumerate() {
                assert!((entry - at(a, i, j)).abs() < 2e-3);
            }
        }
    }
}

#[test]
fn json_has_what_a_program_needs() {
    let scratch = Scratch::new();
    let out = scratch.text("pinv.npy");
    let output = run(&["pinv", DIGITS, "-o", &out, "--json", "--backend", "cpu"]);
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["op"], "pinv");
    assert_eq!(object["dtype"], "f32");
    assert_eq!(object["engine"], "cpu");
    assert_eq!(
        [&object["rows"], &object["cols"], &object["count"]],
        [8, 8, 1797]
    );
    assert_eq!(
        [
            &object["converged"],
            &object["not_converged"],
            &object["non_finite"]
        ],
        [1797, 0, 0]
    );
    assert!(object["seconds"].as_f64().unwrap() > 0.0);
    assert!(object["max_residual"].as_f64().unwrap() < 1e-3);
    assert!((2..20).contains(&object["max_sweeps"].as_u64().unwrap()));
    for key in ["device", "kernel"] {
        assert!(object[key].is_string());
    }
}

#[test]
fn svd_writes_factors_that_numpy_would_multiply() {
    let scratch = Scratch::new();
    let (input, dir) = (scratch.path("a.npy"), scratch.text("out"));
    let (m, n, count) = (3, 5, 4);
    let a: Vec<f64> = (0..count * m * n).map(|e| ((e * e) as f64).sin()).collect();
    write(&input, &[2, 2, m as u64, n as u64], Order::C, &a);
    let input = input.to_str().unwrap();
    for (vectors, u_cols, v_rows) in [("thin", 3, 3), ("full", 3, 5)] {
        let output = run(&[
            "svd",
            input,
            "-o",
            &dir,
            "--vectors",
            vectors,
            "--backend",
            "cpu",
        ]);
        assert!(output.status.success(), "{output:?}");
        let at = |name: &str| Path::new(&dir).join(name);
        let (u_shape, u) = read::<f64>(at("u.npy"));
        let (s_shape, s) = read::<f64>(at("s.npy"));
        let (vt_shape, vt) = read::<f64>(at("vt.npy"));
        assert_eq!(u_shape, [2, 2, 3, u_cols]);
        assert_eq!(s_shape, [2, 2, 3]);
        assert_eq!(vt_shape, [2, 2, v_rows, 5]);
        for b in 0..count {
            for i in 0..m {
                for j in 0..n {
                    let sum: f64 = (0..3)
                        .map(|k| {
                            let u = u[(b * m + i) * u_cols as usize + k];
                            let vt = vt[(b * v_rows as usize + k) * n + j];
                            u * s[b * 3 + k] * vt
                        })
                        .sum();
                    assert!((sum - a[(b * m + i) * n + j]).abs() < 1e-14);
                }
            }
        }
        let (status_shape, status) = read::<u8>(at("status.npy"));
        let (sweeps_shape, sweeps) = read::<u32>(at("sweeps.npy"));
        assert_eq!((status_shape, status), (vec![2, 2], vec![0; 4]));
        assert_eq!(sweeps_shape, [2, 2]);
        assert!(sweeps.iter().all(|s| (1..20).contains(s)));
    }
}

#[test]
fn fortran_order_and_values_only() {
    let scratch = Scratch::new();
    let (c, f) = (scratch.path("c.npy"), scratch.path("f.npy"));
    let shape = [2u64, 3, 4, 2];
    let at = |index: [u64; 4]| (index[0] * 1000 + index[1] * 100 + index[2] * 10 + index[3]) as f32;
    let mut rows = Vec::new();
    for e in 0..48 {
        rows.push(at([e / 24, e / 8 % 3, e / 2 % 4, e % 2]));
    }
    let mut columns = Vec::new();
    for e in 0..48 {
        columns.push(at([e % 2, e / 2 % 3, e / 6 % 4, e / 24]));
    }
    write(&c, &shape, Order::C, &rows);
    write(&f, &shape, Order::Fortran, &columns);
    let mut values = Vec::new();
    for (input, dir) in [(&c, "from-c"), (&f, "from-f")] {
        let dir = scratch.text(dir);
        let input = input.to_str().unwrap();
        let output = run(&[
            "svd",
            input,
            "-o",
            &dir,
            "--vectors",
            "none",
            "--backend",
            "cpu",
        ]);
        assert!(output.status.success(), "{output:?}");
        assert!(!Path::new(&dir).join("u.npy").exists());
        values.push(read::<f32>(Path::new(&dir).join("s.npy")));
    }
    assert_eq!(values[0].0, [2, 3, 2]);
    assert_eq!(values[0], values[1]);
}

#[test]
fn a_bad_matrix_is_named_and_strict_mode_fails() {
    let scratch = Scratch::new();
    let (input, out) = (scratch.path("a.npy"), scratch.text("x.npy"));
    let mut a: Vec<f32> = (0..5 * 9).map(|e| (e as f32).cos()).collect();
    a[2 * 9 + 4] = f32::NAN;
    write(&input, &[5, 3, 3], Order::C, &a);
    let input = input.to_str().unwrap();
    let output = run(&["pinv", input, "-o", &out, "--backend", "cpu"]);
    assert!(output.status.success());
    let text = stdout(&output);
    assert!(text.contains("non-finite        1 (2)"), "{text}");
    let (_, x) = read::<f32>(&out);
    assert!(x[2 * 9..3 * 9].iter().all(|x| x.is_nan()));
    assert!(x[..2 * 9].iter().chain(&x[3 * 9..]).all(|x| x.is_finite()));
    let strict = scratch.text("strict.npy");
    let args = ["pinv", input, "-o", &strict, "--strict", "--backend", "cpu"];
    refused(&args, 1, "2 (non-finite)");
    assert!(!Path::new(&strict).exists());
}

#[test]
fn rcond_cuts() {
    let scratch = Scratch::new();
    let (input, out) = (scratch.path("a.npy"), scratch.text("x.npy"));
    write(&input, &[2, 2], Order::C, &[4.0f64, 0.0, 0.0, 1.0]);
    let input = input.to_str().unwrap();
    for (args, corner) in [
        (["--rcond", "0.3"], 0.0),
        (["--rcond", "0.2"], 1.0),
        (["--atol", "1"], 0.0),
    ] {
        let output = run(&[&["pinv", input, "-o", &out, "--backend", "cpu"], &args[..]].concat());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            read::<f64>(&out),
            (vec![2, 2], vec![0.25, 0.0, 0.0, corner])
        );
    }
    refused(
        &["pinv", input, "-o", &out, "--rcond=-1"],
        2,
        "relative cutoff is -1",
    );
}

#[test]
fn empty_stacks_and_dimensions() {
    let scratch = Scratch::new();
    for (name, shape, result) in [
        ("none", vec![0u64, 3, 4], vec![0u64, 4, 3]),
        ("thin", vec![2, 3, 0], vec![2, 0, 3]),
        ("flat", vec![2, 0, 3, 0, 4], vec![2, 0, 3, 4, 0]),
    ] {
        let (input, out) = (scratch.path(name), scratch.text("x.npy"));
        write::<f32>(&input, &shape, Order::C, &[]);
        let output = run(&["pinv", input.to_str().unwrap(), "-o", &out]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(read::<f32>(&out).0, result);
    }
}

fn with_header(path: &Path, version: u8, header: &str, data: &[u8]) {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn bad_files_get_one_clear_line() {
    let scratch = Scratch::new();
    let out = scratch.text("x.npy");
    let refuse = |name: &str, what: &str| {
        refused(
            &["pinv", &scratch.text(name), "-o", &out, "--backend", "cpu"],
            2,
            what,
        );
        assert!(!Path::new(&out).exists());
    };
    refuse("missing.npy", "No such file");
    std::fs::write(scratch.path("empty.npy"), b"").unwrap();
    refuse("empty.npy", "truncated");
    std::fs::write(scratch.path("text.npy"), b"these are no numbers").unwrap();
    refuse("text.npy", "not a .npy file");
    write(&scratch.path("one.npy"), &[7], Order::C, &[1.0f32; 7]);
    refuse("one.npy", "1 dimensions");
    write(
        &scratch.path("int.npy"),
        &[2, 2],
        Order::C,
        &[1i64, 2, 3, 4],
    );
    refuse("int.npy", "f32 or f64 is needed");
    write(
        &scratch.path("cut.npy"),
        &[9, 3, 3],
        Order::C,
        &[1.0f64; 81],
    );
    let whole = std::fs::read(scratch.path("cut.npy")).unwrap();
    std::fs::write(scratch.path("cut.npy"), &whole[..whole.len() - 8]).unwrap();
    refuse("cut.npy", "promises shape [9, 3, 3]");
    std::fs::write(scratch.path("head.npy"), &whole[..40]).unwrap();
    refuse("head.npy", "truncated");
    let head =
        |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n");
    for (name, shape) in [
        ("huge.npy", "2147483648, 4, 4"),
        ("overflow.npy", "4611686018427387904, 4, 1"),
        ("wide.npy", "1, 4, 9223372036854775807"),
    ] {
        with_header(&scratch.path(name), 1, &head(shape), &[0; 64]);
        refuse(name, "promises shape");
    }
    with_header(&scratch.path("deep.npy"), 1, &"(".repeat(9000), &[]);
    refuse("deep.npy", "brackets");
    with_header(&scratch.path("long.npy"), 2, "", &[]);
    let mut bytes = std::fs::read(scratch.path("long.npy")).unwrap();
    bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    std::fs::write(scratch.path("long.npy"), bytes).unwrap();
    refuse("long.npy", "header of 4294967295 bytes");
    with_header(&scratch.path("nonsense.npy"), 1, "{'descr': 7}", &[]);
    refuse("nonsense.npy", "");
    refused(
        &["pinv", DIGITS, "-o", &scratch.text("no/such/x.npy")],
        2,
        "no/such",
    );
}

#[test]
fn enormous_empty_shapes_are_no_trouble() {
    let scratch = Scratch::new();
    let head = "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807, 4), }\n";
    with_header(&scratch.path("a.npy"), 1, head, &[]);
    let output = run(&["pinv", &scratch.text("a.npy"), "-o", &scratch.text("x.npy")]);
    assert!(
        output
            .status
            .code()
            .is_some_and(|code| code == 0 || code == 2),
        "{output:?}"
    );
    assert!(complaints(&output).len() <= 1);
}

#[test]
fn bad_arguments_get_one_clear_line() {
    let scratch = Scratch::new();
    let out = scratch.text("x.npy");
    let pinv = |args: &[&str], what: &str| {
        refused(&[&["pinv", DIGITS, "-o", &out][..], args].concat(), 2, what);
    };
    pinv(&["--tolerance", "2"], "cosine");
    pinv(&["--max-sweeps", "0"], "at least 1");
    pinv(&["--backend", "cpu", "--adapter", "x"], "--backend is cpu");
    let output = run(&["pinv", DIGITS]);
    assert_eq!(output.status.code(), Some(2));
    let missing = ["pinv", DIGITS, "-o", &out, "--adapter", "no such adapter"];
    refused(&missing, 1, "no such adapter");
}

#[test]
fn devices_lists_what_there_is() {
    let output = run(&["devices"]);
    let text = stdout(&output);
    assert!(output.status.success());
    assert!(
        text.contains("cpu   CPU, ") && text.contains("auto  takes the "),
        "{text}"
    );
    let output = run(&["devices", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(object["cpu"].is_string() && object["gpus"].is_array() && object["auto"].is_string());
}

/// An explicit GPU does the main job and says who it was, or says what it looked for and found.
#[test]
fn an_explicit_gpu_works_or_says_why_not() {
    let scratch = Scratch::new();
    let out = scratch.text("gpu.npy");
    let args = ["pinv", DIGITS, "-o", &out, "--backend", "gpu", "--json"];
    let output = run(&args);
    if !output.status.success() && std::env::var_os("BATCHED_SVD_REQUIRE_GPU").is_none() {
        refused(
            &args,
            1,
            "looked for Vulkan, Metal, DX12 and WebGPU, found nothing",
        );
        return;
    }
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["engine"], "gpu");
    assert_eq!(object["converged"], 1797);
    let software = object["software"] == true;
    let warned = complaints(&output);
    assert_eq!(
        software,
        warned.iter().any(|line| line.contains("software adapter"))
    );
    // A software adapter is never taken automatically, not even by name.
    if software {
        let device = object["device"].as_str().unwrap();
        refused(
            &["pinv", DIGITS, "-o", &out, "--adapter", device],
            2,
            "--backend gpu",
        );
    }
}

#[test]
fn special_files_and_links_are_written_not_replaced() {
    let scratch = Scratch::new();
    let (target, link) = (scratch.path("target.npy"), scratch.path("link.npy"));
    std::fs::write(&target, b"old").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let link_text = link.to_str().unwrap();
        assert!(
            run(&["pinv", DIGITS, "-o", link_text, "--backend", "cpu"])
                .status
                .success()
        );
        assert!(link.is_symlink());
        assert_eq!(read::<f32>(&target).0, [1797, 8, 8]);
        assert!(
            run(&["pinv", DIGITS, "-o", "/dev/null", "--backend", "cpu"])
                .status
                .success()
        );
        let null = std::fs::metadata("/dev/null").unwrap().file_type();
        assert!(null.is_char_device());
    }
    refused(
        &["pinv", DIGITS, "-o", scratch.0.path().to_str().unwrap()],
        2,
        "is a folder",
    );
}

#[test]
fn values_only_leave_no_vectors_of_an_earlier_run() {
    let scratch = Scratch::new();
    let dir = scratch.text("out");
    for (vectors, there) in [("thin", true), ("none", false)] {
        let args = [
            "svd",
            DIGITS,
            "-o",
            &dir,
            "--vectors",
            vectors,
            "--backend",
            "cpu",
        ];
        assert!(run(&args).status.success());
        assert_eq!(Path::new(&dir).join("u.npy").exists(), there);
    }
}

#[test]
fn lstsq_takes_vectors_and_matrices_of_right_hand_sides() {
    let scratch = Scratch::new();
    let (a, b, out) = (
        scratch.text("a.npy"),
        scratch.text("b.npy"),
        scratch.text("x.npy"),
    );
    let put = |path: &str, shape: &[u64], data: &[f64]| write(path.as_ref(), shape, Order::C, data);
    // Lines through three points: y = x[0] + x[1] t at t = 0, 1, 2.
    put(&a, &[2, 3, 2], &[1.0f64, 0.0, 1.0, 1.0, 1.0, 2.0].repeat(2));
    let lines = [1.0, 3.0, 5.0, 0.0, 0.0, 3.0];
    put(&b, &[2, 3], &lines);
    let args = ["lstsq", &a, &b, "-o", &out, "--backend", "cpu"];
    let output = run(&args);
    assert!(output.status.success(), "{output:?}");
    let text = stdout(&output);
    for part in ["2 of 3x2, f64", "|B-AX| / |B|", "|A'(B-AX)|", "ranks"] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let close = |x: &[f64], y: &[f64]| {
        assert_eq!(x.len(), y.len());
        for (x, y) in x.iter().zip(y) {
            assert!((x - y).abs() < 1e-13, "{x} is not {y}");
        }
    };
    let (shape, x) = read::<f64>(&out);
    assert_eq!(shape, [2, 2]);
    close(&x, &[1.0, 2.0, -0.5, 1.5]);

    // Two sides a matrix: the second is twice the first.
    let twice: Vec<f64> = lines.iter().flat_map(|y| [*y, 2.0 * y]).collect();
    put(&b, &[2, 3, 2], &twice);
    assert!(run(&args).status.success());
    let (shape, x) = read::<f64>(&out);
    assert_eq!(shape, [2, 2, 2]);
    close(&x, &[1.0, 2.0, 2.0, 4.0, -0.5, -1.0, 1.5, 3.0]);

    // Damped: (A'A + lambda^2 I) x = A'b, with A'A = [3 3; 3 5].
    let output = run(&[&args[..], &["--damping", "2", "--json"]].concat());
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (&object["op"], object["max_residual"].is_null()),
        (&"lstsq".into(), true)
    );
    assert!(object["max_left"].as_f64().unwrap() > 0.1);
    let (_, x) = read::<f64>(&out);
    let (p, q) = (x[0], x[2]);
    close(&[7.0 * p + 3.0 * q, 3.0 * p + 9.0 * q], &[9.0, 13.0]);
    let output = run(&["pinv", &a, "-o", &out, "--damping", "2", "--backend", "cpu"]);
    assert!(!stdout(&output).contains("|AXA-A|"), "{output:?}");

    put(&b, &[2, 4], &[0.0f64; 8]);
    refused(&args, 2, "4 rows");
    put(&b, &[3, 3], &[0.0f64; 9]);
    refused(&args, 2, "[2] + [m]");
    write(b.as_ref(), &[2, 3], Order::C, &[0.0f32; 6]);
    refused(&args, 2, "f32");
    put(&b, &[2, 3], &[0.0f64; 6]);
    refused(&[&args[..], &["--damping=-1"]].concat(), 2, "damping");
}

#[test]
fn measures_writes_ranks_conditions_and_norms() {
    let scratch = Scratch::new();
    let (a, out) = (scratch.text("a.npy"), scratch.text("measures"));
    let entries = [3.0f64, 0.0, 0.0, -4.0, 1.0, 1.0, 1.0, 1.0];
    write(a.as_ref(), &[2, 2, 2], Order::C, &entries);
    let output = run(&["measures", &a, "-o", &out, "--backend", "cpu"]);
    assert!(output.status.success(), "{output:?}");
    assert!(
        stdout(&output).contains("ranks             1 (1), 2 (1)"),
        "{output:?}"
    );
    let measure = |name: &str| {
        let (shape, values) = read::<f64>(scratch.path("measures").join(name));
        assert_eq!(shape, [2]);
        values
    };
    for (name, expected) in [
        ("spectral.npy", [4.0, 2.0]),
        ("nuclear.npy", [7.0, 2.0]),
        ("frobenius.npy", [5.0, 2.0]),
        ("kept_condition.npy", [4.0 / 3.0, 1.0]),
    ] {
        for (value, expected) in measure(name).iter().zip(expected) {
            assert!((value - expected).abs() < 1e-14, "{name}: {value}");
        }
    }
    assert!(measure("condition.npy")[1] > 1e15);
    let (_, ranks) = read::<u32>(scratch.path("measures").join("rank.npy"));
    assert_eq!(ranks, [2, 1]);
    refused(&["measures", &a, "-o", &out, "--rcond=-1"], 2, "cutoff");
}

#[test]
fn low_rank_keeps_what_it_is_told_to() {
    let scratch = Scratch::new();
    let (a, out) = (scratch.text("a.npy"), scratch.text("b.npy"));
    // Rows 4 and 3 along the axes, in the second matrix 8 and 6 the other way.
    let entries = [
        4.0f64, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 6.0, 0.0, 8.0, 0.0, 0.0,
    ];
    write(a.as_ref(), &[2, 2, 3], Order::C, &entries);
    let low = |args: &[&str]| {
        let output = run(&[&["low-rank", &a, "-o", &out, "--backend", "cpu"], args].concat());
        assert!(output.status.success(), "{output:?}");
        let (shape, found) = read::<f64>(&out);
        assert_eq!(shape, [2, 2, 3]);
        (stdout(&output), found)
    };
    let largest = [4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0];
    for args in [
        &["--rank", "1"][..],
        &["--error", "0.61"],
        &["--energy", "0.63"],
        &["--rcond", "0.8"],
    ] {
        let (text, found) = low(args);
        assert_eq!(found, largest, "{args:?}");
        assert!(text.contains("ranks             1 (2)"), "{text}");
        assert!(text.contains("|A-B| / |A|       6.00e-1 at most"), "{text}");
    }
    for args in [
        &[][..],
        &["--rank", "7"],
        &["--error", "0.59"],
        &["--energy", "0.65"],
    ] {
        let (_, found) = low(args);
        for (found, exact) in found.iter().zip(entries) {
            assert!((found - exact).abs() < 1e-14, "{args:?}");
        }
    }
    let (json, _) = low(&["--rank", "1", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["op"], "low-rank");
    assert!((json["max_error"].as_f64().unwrap() - 0.6).abs() < 1e-12);
    refused(
        &["low-rank", &a, "-o", &out, "--energy", "1.5"],
        2,
        "energy is 1.5",
    );
    refused(
        &["low-rank", &a, "-o", &out, "--error=-1"],
        2,
        "error is -1",
    );
}

#[test]
fn subspaces_as_projectors_and_bases() {
    let scratch = Scratch::new();
    let a = scratch.text("a.npy");
    // Of rank two and one.
    let entries = [
        1.0f32, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0,
    ];
    write(a.as_ref(), &[2, 2, 3], Order::C, &entries);
    for (space, dimensions, length, most) in [
        ("column", [2, 1], 2, 2),
        ("row", [2, 1], 3, 2),
        ("null", [1, 2], 3, 3),
        ("left-null", [0, 1], 2, 2),
    ] {
        let (file, folder) = (scratch.text("p.npy"), scratch.text(space));
        let args = [
            "projector",
            &a,
            "-o",
            &file,
            "--onto",
            space,
            "--backend",
            "cpu",
        ];
        let output = run(&args);
        assert!(output.status.success(), "{output:?}");
        assert!(stdout(&output).contains("|PP-P|"), "{output:?}");
        let (shape, p) = read::<f32>(&file);
        assert_eq!(shape, [2, length, length]);
        let output = run(&[
            "basis",
            &a,
            "-o",
            &folder,
            "--of",
            space,
            "--backend",
            "cpu",
        ]);
        assert!(output.status.success(), "{output:?}");
        assert!(stdout(&output).contains("|Q'Q-I|"), "{output:?}");
        let (_, found) = read::<u64>(scratch.path(space).join("dimensions.npy"));
        assert_eq!(found, dimensions, "{space}");
        let (shape, q) = read::<f32>(scratch.path(space).join("vectors.npy"));
        assert_eq!(shape, [2, length, most]);
        // Q Q' = P.
        let (length, most) = (length as usize, most as usize);
        for (p, q) in p.chunks(length * length).zip(q.chunks(length * most)) {
            for (e, &p) in p.iter().enumerate() {
                let [left, right] = [e / length, e % length].map(|i| &q[i * most..][..most]);
                let sum: f32 = left.iter().zip(right).map(|(x, y)| x * y).sum();
                assert!((sum - p).abs() < 1e-6, "{space}: {sum} and {p}");
            }
        }
    }
}

#[test]
fn a_projector_onto_nothing_is_as_good_as_any() {
    let scratch = Scratch::new();
    let (a, out) = (scratch.text("a.npy"), scratch.text("p.npy"));
    write(a.as_ref(), &[2, 2], Order::C, &[3.0f32, 1.0, 2.0, 5.0]);
    let args = [
        "projector",
        &a,
        "-o",
        &out,
        "--onto",
        "null",
        "--backend",
        "cpu",
        "--json",
    ];
    let output = run(&args);
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(json["max_residual"].as_f64().unwrap() < 1e-6, "{json}");
}

#[test]
fn polar_finds_rotations() {
    let scratch = Scratch::new();
    let (a, out) = (scratch.text("a.npy"), scratch.text("polar"));
    // A quarter turn of stretches 3 and 2, and a reflection.
    let entries = [0.0f64, -3.0, 2.0, 0.0, 5.0, 0.0, 0.0, -1.0];
    write(a.as_ref(), &[2, 2, 2], Order::C, &entries);
    for (args, q, h) in [
        (&[][..], [1.0, 0.0, 0.0, -1.0], [5.0, 0.0, 0.0, 1.0]),
        (&["--rotation"], [1.0, 0.0, 0.0, 1.0], [5.0, 0.0, 0.0, -1.0]),
    ] {
        let output = run(&[&["polar", &a, "-o", &out, "--backend", "cpu"], args].concat());
        assert!(output.status.success(), "{output:?}");
        assert!(stdout(&output).contains("|A-QH| / |A|"), "{output:?}");
        for (name, second, first) in [
            ("q.npy", q, [0.0, -1.0, 1.0, 0.0]),
            ("h.npy", h, [2.0, 0.0, 0.0, 3.0]),
        ] {
            let (shape, found) = read::<f64>(scratch.path("polar").join(name));
            assert_eq!(shape, [2, 2, 2]);
            for (found, exact) in found.iter().zip(first.into_iter().chain(second)) {
                assert!((found - exact).abs() < 1e-14, "{name} {args:?}: {found}");
            }
        }
    }
    let tall = scratch.text("tall.npy");
    write(tall.as_ref(), &[2, 1], Order::C, &[1.0f64, 2.0]);
    refused(&["polar", &tall, "-o", &out, "--rotation"], 2, "2x1");
}

#[test]
fn pca_and_whiten_centre_their_data() {
    let scratch = Scratch::new();
    let (a, out) = (scratch.text("a.npy"), scratch.text("pca"));
    // Four samples on a cross around (5, 7), longer across.
    let entries = [7.0f64, 7.0, 3.0, 7.0, 5.0, 8.0, 5.0, 6.0];
    write(a.as_ref(), &[4, 2], Order::C, &entries);
    let output = run(&["pca", &a, "-o", &out, "--backend", "cpu"]);
    assert!(output.status.success(), "{output:?}");
    assert!(stdout(&output).contains("|Q'Q-I|"), "{output:?}");
    let deviations = [(8.0f64 / 3.0).sqrt(), (2.0f64 / 3.0).sqrt()];
    for (name, shape, expected) in [
        ("mean.npy", &[2][..], &[5.0, 7.0][..]),
        ("components.npy", &[2, 2], &[1.0, 0.0, 0.0, 1.0]),
        (
            "scores.npy",
            &[4, 2],
            &[2.0, 0.0, -2.0, 0.0, 0.0, 1.0, 0.0, -1.0],
        ),
        ("deviations.npy", &[2], &deviations),
    ] {
        let (found_shape, found) = read::<f64>(scratch.path("pca").join(name));
        assert_eq!(found_shape, shape, "{name}");
        for (found, exact) in found.iter().zip(expected) {
            assert!((found - exact).abs() < 1e-14, "{name}: {found}");
        }
    }
    let out = scratch.text("white");
    let output = run(&["whiten", &a, "-o", &out, "--backend", "cpu"]);
    assert!(output.status.success(), "{output:?}");
    let (shape, w) = read::<f64>(scratch.path("white").join("transform.npy"));
    assert_eq!(shape, [2, 2]);
    for (found, exact) in w
        .iter()
        .zip([1.0 / deviations[0], 0.0, 0.0, 1.0 / deviations[1]])
    {
        assert!((found - exact).abs() < 1e-14, "{w:?}");
    }
    let (_, mean) = read::<f64>(scratch.path("white").join("mean.npy"));
    assert_eq!(mean, [5.0, 7.0]);
}
