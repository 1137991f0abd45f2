//! The command line as a person uses it: files, answers, and one clear line for what is wrong.

#[path = "cli/complex.rs"]
mod complex;
#[path = "cli/counting.rs"]
mod counting;
#[path = "cli/eigh.rs"]
mod eigh;
#[path = "cli/explaining.rs"]
mod explaining;
#[cfg(unix)]
#[path = "cli/placing.rs"]
mod placing;
#[path = "cli/reading.rs"]
mod reading;
#[path = "cli/shrinking.rs"]
mod shrinking;
#[cfg(unix)]
#[path = "cli/streams.rs"]
mod streams;
#[path = "cli/told.rs"]
mod told;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use npyz::{AutoSerialize, Deserialize, NpyFile, Order, Serialize, WriteOptions, WriterBuilder};
use tempfile::TempDir;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.npy");
const GPU: bool = cfg!(feature = "gpu");
const NO_GPU: &str = "this build has no GPU engine";

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

/// Of a decomposition of 4x3 and 3x4 matrices, V and U; and what an earlier run has left is named.
#[test]
fn one_factor_is_that_of_the_decomposition() {
    let scratch = Scratch::new();
    let (input, dir) = (scratch.path("a.npy"), scratch.text("out"));
    for (m, n) in [(4usize, 3usize), (3, 4)] {
        let a: Vec<f64> = (0..5 * m * n).map(|e| ((e * e) as f64).sin()).collect();
        write(&input, &[5, m as u64, n as u64], Order::C, &a);
        let svd = |vectors: &str, more: &[&str]| {
            let args = ["svd", input.to_str().unwrap(), "-o", &dir];
            let more = [&["--vectors", vectors, "--backend", "cpu"], more].concat();
            let output = run(&[&args[..], &more].concat());
            assert!(output.status.success(), "{output:?}");
            stdout(&output)
        };
        let at = |name: &str| Path::new(&dir).join(name);
        let wanted = |name: &str| read::<f64>(at(name));
        svd("thin", &[]);
        let [u, s, vt] = ["u.npy", "s.npy", "vt.npy"].map(wanted);
        std::fs::remove_file(at("vt.npy")).unwrap();
        let said = svd("v", &["--verify"]);
        assert!(said.contains("|V'V-I|") && said.contains("u.npy"), "{said}");
        assert_eq!(wanted("vt.npy"), vt);
        assert_eq!(wanted("s.npy"), s);
        std::fs::remove_file(at("u.npy")).unwrap();
        let said = svd("u", &["--verify", "--rank", "2"]);
        assert!(
            said.contains("|U'U-I|") && said.contains("vt.npy"),
            "{said}"
        );
        let (shape, own) = wanted("u.npy");
        assert_eq!(shape, [5, m as u64, 2]);
        for (b, (own, u)) in own.chunks(2 * m).zip(u.1.chunks(3 * m)).enumerate() {
            for c in 0..2 {
                let dot: f64 = (0..m).map(|i| own[i * 2 + c] * u[i * 3 + c]).sum();
                assert!(
                    (dot.abs() - 1.0).abs() < 1e-14,
                    "matrix {b}, column {c}: {dot}"
                );
                let most = (0..m)
                    .map(|i| own[i * 2 + c])
                    .max_by(|x, y| x.abs().total_cmp(&y.abs()));
                assert!(most.is_some_and(|x| x > 0.0), "matrix {b}, column {c}");
            }
        }
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
        "'--rcond <X>': it must not be negative",
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
    refuse("empty.npy", "is not a .npy file: it is empty");
    std::fs::write(scratch.path("text.npy"), b"these are no numbers").unwrap();
    refuse("text.npy", "not a .npy file");
    write(&scratch.path("one.npy"), &[7], Order::C, &[1.0f32; 7]);
    refuse("one.npy", "1 dimensions");
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
    refused(&missing, 1, if GPU { "no such adapter" } else { NO_GPU });
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
    for gpu in object["gpus"].as_array().unwrap() {
        let number = |key: &str| gpu[key].as_u64().unwrap_or_else(|| panic!("{key}: {gpu}"));
        // No less than WebGPU promises.
        assert!(number("workgroup_storage") >= 16384 && number("workgroup_invocations") >= 256);
        assert!(number("binding") >= 128 << 20 && number("buffer") >= 256 << 20);
        assert!(number("subgroup_min") <= number("subgroup_max"));
        assert!(gpu["f64"].is_boolean() && gpu["timestamps"].is_boolean());
        let facts = format!("{} KiB", number("workgroup_storage") >> 10);
        assert!(text.contains(&facts), "{text}");
    }
}

/// An explicit GPU does the main job and says who it was, or says what it looked for and found.
#[test]
fn an_explicit_gpu_works_or_says_why_not() {
    let scratch = Scratch::new();
    let out = scratch.text("gpu.npy");
    let args = ["pinv", DIGITS, "-o", &out, "--backend", "gpu", "--json"];
    if !GPU {
        return refused(&args, 1, NO_GPU);
    }
    let output = run(&args);
    if !output.status.success() && std::env::var_os("BATCHED_SVD_REQUIRE_GPU").is_none() {
        let nothing = "looked for Vulkan, Metal, DX12 and WebGPU, found nothing";
        return refused(&args, 1, nothing);
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

    let shapes = "[2, 3] or [2, 3, p], or [3] or [3, p], one for all";
    put(&b, &[2, 4], &[0.0f64; 8]);
    refused(&args, 2, shapes);
    put(&b, &[3, 4], &[0.0f64; 12]);
    success(&args[..5]);
    put(&b, &[4, 3], &[0.0f64; 12]);
    refused(&args, 2, shapes);
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
    refused(&["measures", &a, "-o", &out, "--rcond=-1"], 2, "negative");
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
        &["--rank", "2"],
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
        "'1.5' for '--energy <PART>': it must be a part of one",
    );
    refused(
        &["low-rank", &a, "-o", &out, "--error=-1"],
        2,
        "'--error <E>': it must not be negative",
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

/// Arrays of f64 or f32 for a .npz file.
fn npz<T: AutoSerialize + Serialize + Copy>(
    path: impl AsRef<Path>,
    method: zip::CompressionMethod,
    arrays: &[(&str, &[u64], &[T])],
) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (key, shape, data) in arrays {
        zip.start_file(format!("{key}.npy"), options).unwrap();
        let mut writer = WriteOptions::new()
            .default_dtype()
            .shape(shape)
            .writer(&mut zip)
            .begin_nd()
            .unwrap();
        writer.extend(data.iter().copied()).unwrap();
        writer.finish().unwrap();
    }
    zip.finish().unwrap();
}

/// Members of any bytes.
fn zipped(path: impl AsRef<Path>, members: &[(&str, &[u8])]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        std::io::Write::write_all(&mut zip, bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// Key, shape, entries.
type Keyed<T> = (String, Vec<u64>, Vec<T>);

fn read_npz<T: Deserialize>(path: impl AsRef<Path>) -> Vec<Keyed<T>> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut arrays = Vec::new();
    for index in 0..zip.len() {
        let name = zip.name_for_index(index).unwrap().unwrap().into_owned();
        let file = NpyFile::new(zip.by_index(index).unwrap()).unwrap();
        let (shape, key) = (file.shape().to_vec(), name.strip_suffix(".npy").unwrap());
        arrays.push((key.to_string(), shape, file.into_vec().unwrap()));
    }
    arrays
}

fn success(args: &[&str]) -> String {
    let output = run(&[args, &["--backend", "cpu"]].concat());
    assert!(output.status.success(), "{args:?}: {output:?}");
    stdout(&output)
}

fn json(args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&success(&[args, &["--json"]].concat())).unwrap()
}

fn waves(len: u64, first: u64) -> Vec<f32> {
    (first..first + len)
        .map(|e| (e as f32 * 1.7).sin() + (e as f32 * 0.3).cos())
        .collect()
}

/// A key, the shape of matrices, of vectors as their right-hand sides, and of matrices of those.
type Tile = (&'static str, &'static [u64], &'static [u64], &'static [u64]);

/// Three shapes, one of them twice.
const TILES: [Tile; 4] = [
    ("wide", &[2, 2, 3, 5], &[2, 2, 3], &[2, 2, 3, 2]),
    ("a/b", &[4, 4], &[4], &[4, 1]),
    ("../up", &[0, 2, 3], &[0, 2], &[0, 2, 4]),
    ("also wide", &[3, 3, 5], &[3, 3], &[3, 3, 1]),
];

/// Files of the tiles and of their right-hand sides (in reverse), and one for each array of them.
fn tiles(scratch: &Scratch) {
    let of = |shape: &[u64], at: usize| waves(shape.iter().product(), 1000 * at as u64);
    let data: Vec<_> = TILES
        .iter()
        .enumerate()
        .map(|(at, t)| of(t.1, at))
        .collect();
    let sides: Vec<_> = TILES
        .iter()
        .enumerate()
        .map(|(at, t)| of(t.2, at + 9))
        .collect();
    let more: Vec<_> = TILES
        .iter()
        .enumerate()
        .map(|(at, t)| of(t.3, at + 9))
        .collect();
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (key, shape, vectors, matrices)) in TILES.into_iter().enumerate() {
        a.push((key, shape, &data[at][..]));
        b.insert(0, (key, vectors, &sides[at][..]));
        c.push((key, matrices, &more[at][..]));
        write(
            &scratch.path(&format!("a{at}.npy")),
            shape,
            Order::C,
            &data[at],
        );
        write(
            &scratch.path(&format!("b{at}.npy")),
            vectors,
            Order::C,
            &sides[at],
        );
    }
    let stored = zip::CompressionMethod::Stored;
    npz(scratch.path("a.npz"), stored, &a);
    npz(
        scratch.path("small.npz"),
        zip::CompressionMethod::Deflated,
        &a,
    );
    npz(scratch.path("b.npz"), stored, &b);
    npz(scratch.path("c.npz"), stored, &c);
}

#[test]
fn an_npz_of_many_shapes_has_the_results_of_each() {
    let scratch = Scratch::new();
    tiles(&scratch);
    let (a, small) = (scratch.text("a.npz"), scratch.text("small.npz"));
    let (out, one) = (scratch.text("x.npz"), scratch.text("x.npy"));
    let text = success(&["pinv", &a, "-o", &out]);
    for part in [
        "a.npz: 4 arrays, 8 matrices of 3 shapes, f32",
        "8 of 8; ",
        "3 (7), 4 (1); full rank is 2 to 4",
        "x.npz",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let found = read_npz::<f32>(&out);
    assert_eq!(found.len(), TILES.len());
    for (at, (key, shape, x)) in found.iter().enumerate() {
        assert_eq!(key, TILES[at].0);
        success(&["pinv", &scratch.text(&format!("a{at}.npy")), "-o", &one]);
        assert_eq!((shape.clone(), x.clone()), read::<f32>(&one), "{key}");
    }
    // Compressed, or by another name, it is the same.
    success(&["pinv", &small, "-o", &out]);
    assert_eq!(read_npz::<f32>(&out), found);
    std::fs::rename(scratch.path("small.npz"), scratch.path("small.dat")).unwrap();
    success(&["pinv", &scratch.text("small.dat"), "-o", &out]);
    assert_eq!(read_npz::<f32>(&out), found);
    let object = json(&["pinv", &a, "-o", &out]);
    assert_eq!(
        object["arrays"],
        serde_json::json!(["wide", "a/b", "../up", "also wide"])
    );
    assert_eq!(
        object["shapes"],
        serde_json::json!([[2, 2, 3, 5], [4, 4], [0, 2, 3], [3, 3, 5]])
    );
    assert!(object["rows"].is_null() && object["count"] == 8, "{object}");
    // One shape is said as ever.
    npz(
        &a,
        zip::CompressionMethod::Stored,
        &[("one", &[2, 2], &[1.0f64; 4])],
    );
    let text = success(&["pinv", &a, "-o", &out]);
    assert!(text.contains("a.npz: 1 array, 1 of 2x2, f64"), "{text}");
    assert!(text.contains("full rank is 2\n"), "{text}");
}

#[test]
fn an_npz_fills_folders_with_npz() {
    let scratch = Scratch::new();
    tiles(&scratch);
    let (a, dir, one) = (
        scratch.text("a.npz"),
        scratch.text("d"),
        scratch.text("one"),
    );
    for (args, names) in [
        (&["svd"][..], &["u", "s", "vt"][..]),
        (&["svd", "--vectors", "full"], &["u", "s", "vt"]),
        (
            &["low-rank", "--factors", "--rank", "2"],
            &["left", "right"],
        ),
        (
            &["low-rank", "--factors", "--error", "0.5"],
            &["left", "right"],
        ),
        (&["basis", "--of", "row"], &["vectors"]),
        (&["polar"], &["q", "h"]),
        (&["pca"], &["mean", "components", "scores", "deviations"]),
        (&["whiten"], &["mean", "transform"]),
    ] {
        success(&[args, &[&a, "-o", &dir]].concat());
        for (at, (key, ..)) in TILES.into_iter().enumerate() {
            let alone = scratch.text(&format!("a{at}.npy"));
            success(&[args, &[&alone, "-o", &one]].concat());
            for name in names {
                let found = &read_npz::<f32>(scratch.path("d").join(format!("{name}.npz")))[at];
                let file = scratch.path("one").join(format!("{name}.npy"));
                let (shape, entries) = read::<f32>(file);
                assert_eq!(found, &(key.into(), shape, entries), "{args:?} {name}");
            }
        }
    }
    // Of one shape, but every array has the factors of its own rank.
    let both = scratch.text("both.npz");
    let (eye, ones) = ([1.0f64, 0.0, 0.0, 1.0], [1.0f64; 4]);
    let arrays: [(&str, &[u64], &[f64]); 2] = [("eye", &[2, 2], &eye), ("ones", &[2, 2], &ones)];
    npz(&both, zip::CompressionMethod::Stored, &arrays);
    success(&["low-rank", &both, "-o", &dir, "--factors"]);
    let left = read_npz::<f64>(scratch.path("d").join("left.npz"));
    assert_eq!([&left[0].1, &left[1].1], [&[2, 2], &[2, 1]]);
    assert_eq!([left[0].2.len(), left[1].2.len()], [4, 2]);
    let dimensions = read_npz::<u64>(scratch.path("d").join("dimensions.npz"));
    assert_eq!(dimensions[3], ("also wide".into(), vec![3], vec![3; 3]));
    assert!(!scratch.path("d").join("u.npy").exists());
    assert!(scratch.path("d").join("u.npz").exists());
    success(&["svd", &a, "-o", &dir, "--vectors", "none"]);
    assert!(scratch.path("d").join("u.npz").exists());
    success(&["measures", &a, "-o", &dir]);
    let ranks = read_npz::<u32>(scratch.path("d").join("rank.npz"));
    assert_eq!(ranks[1], ("a/b".into(), vec![], vec![4]));
    assert!(!scratch.0.path().parent().unwrap().join("up.npy").exists());
}

#[test]
fn lstsq_finds_right_hand_sides_by_their_keys() {
    let scratch = Scratch::new();
    tiles(&scratch);
    let text = |name: &str| scratch.text(name);
    let (a, b, c, x) = (text("a.npz"), text("b.npz"), text("c.npz"), text("x.npz"));
    let (values, left) = (text("s.npz"), text("r.npz"));
    let more = ["--values", &values, "--residuals", &left];
    let said = success(&[&["lstsq", &a, &b, "-o", &x][..], &more].concat());
    assert!(
        said.contains("x.npz, ") && said.contains("r.npz\n"),
        "{said}"
    );
    for (at, (key, ..)) in TILES.into_iter().enumerate() {
        let (a, b) = (text(&format!("a{at}.npy")), text(&format!("b{at}.npy")));
        let (x1, s1, r1) = (text("x.npy"), text("s.npy"), text("r.npy"));
        let more = ["--values", &s1, "--residuals", &r1];
        success(&[&["lstsq", &a, &b, "-o", &x1][..], &more].concat());
        let (shape, entries) = read::<f32>(&x1);
        assert_eq!(read_npz::<f32>(&x)[at], (key.into(), shape, entries));
        let (shape, entries) = read::<f32>(&s1);
        assert_eq!(read_npz::<f32>(&values)[at], (key.into(), shape, entries));
        let (shape, entries) = read::<f64>(&r1);
        assert_eq!(read_npz::<f64>(&left)[at], (key.into(), shape, entries));
    }
    // A vector and one column are one thing to compute, and two to file.
    success(&["lstsq", &a, &c, "-o", &x, "--residuals", &left]);
    let shapes: Vec<_> = read_npz::<f32>(&x).into_iter().map(|x| x.1).collect();
    assert_eq!(shapes[1..], [vec![4, 1], vec![0, 3, 4], vec![3, 5, 1]]);
    let shapes: Vec<_> = read_npz::<f64>(&left).into_iter().map(|r| r.1).collect();
    assert_eq!(shapes[1..], [vec![1], vec![0, 4], vec![3, 1]]);

    let stored = zip::CompressionMethod::Stored;
    let eye: &[f32] = &[1.0, 0.0, 0.0, 1.0];
    let both: [(&str, &[u64], &[f32]); 2] = [("p", &[2, 2], eye), ("q", &[2, 2], eye)];
    npz(&a, stored, &both);
    let args = ["lstsq", &a, &b, "-o", &x];
    npz(
        &b,
        stored,
        &[("p", &[2], &[3.0f32, 4.0]), ("q", &[2, 1], &[5.0, 6.0])],
    );
    success(&args);
    let solutions = [
        ("p".to_string(), vec![2], vec![3.0f32, 4.0]),
        ("q".to_string(), vec![2, 1], vec![5.0, 6.0]),
    ];
    assert_eq!(read_npz::<f32>(&x), solutions);
    npz(&b, stored, &both[..1]);
    refused(&args, 2, "b.npz: has no array q");
    npz(&b, stored, &[both[0], both[1], ("z", &[1, 1], &[1.0])]);
    refused(
        &args,
        2,
        "b.npz: array z: there are no matrices of this name",
    );
    npz(&b, stored, &[both[0], ("q", &[3], &[1.0; 3])]);
    refused(
        &args,
        2,
        "b.npz: array q: has shape [3], but these matrices have right-hand sides of shape [2] or [2, p]",
    );
    refused(
        &["lstsq", &a, &text("b0.npy"), "-o", &x],
        2,
        "is a .npy file",
    );
}

#[test]
fn values_and_residuals_of_lstsq() {
    let scratch = Scratch::new();
    let text = |name: &str| scratch.text(name);
    let (a, b, x) = (text("a.npy"), text("b.npy"), text("x.npy"));
    let (values, left) = (text("s.npy"), text("r.npy"));
    let args = [
        "lstsq",
        &a,
        &b,
        "-o",
        &x,
        "--values",
        &values,
        "--residuals",
        &left,
    ];
    // Stretches by 3 and 4; what the third row asks for is out of reach.
    write(
        a.as_ref(),
        &[1, 3, 2],
        Order::C,
        &[3.0f32, 0.0, 0.0, 4.0, 0.0, 0.0],
    );
    write(
        b.as_ref(),
        &[1, 3, 2],
        Order::C,
        &[3.0f32, 6.0, 4.0, 8.0, 2.0, -0.5],
    );
    let said = success(&args);
    assert!(said.contains(&format!("{x}, {values}, {left}")), "{said}");
    assert_eq!(read::<f32>(&values), (vec![1, 2], vec![4.0, 3.0]));
    assert_eq!(read::<f64>(&left), (vec![1, 2], vec![2.0, 0.5]));
    write(b.as_ref(), &[1, 3], Order::C, &[3.0f32, 4.0, 2.0]);
    success(&args);
    assert_eq!(read::<f64>(&left), (vec![1], vec![2.0]));
    refused(
        &["lstsq", &a, &b, "-o", &x, "--values", &x],
        2,
        "two results",
    );
    let nowhere = text("no/such/s.npy");
    refused(
        &["lstsq", &a, &b, "-o", &x, "--values", &nowhere],
        2,
        "no such folder",
    );
    let npz = text("s.npz");
    refused(&["lstsq", &a, &b, "-o", &x, "--values", &npz], 2, "s.npz");
}

#[test]
fn low_rank_writes_factors() {
    let scratch = Scratch::new();
    let (a, out) = (scratch.text("a.npy"), scratch.text("factors"));
    let entries = [
        4.0f64, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 6.0, 0.0, 8.0, 0.0, 0.0,
    ];
    write(a.as_ref(), &[2, 2, 3], Order::C, &entries);
    for (args, r, error) in [
        (&["--rank", "1"][..], 1, 0.6),
        (&["--error", "0.1"], 2, 0.0),
    ] {
        let object = json(&[&["low-rank", &a, "-o", &out, "--factors"], args].concat());
        assert!((object["max_error"].as_f64().unwrap() - error).abs() < 1e-12);
        let (shape, left) = read::<f64>(scratch.path("factors/left.npy"));
        assert_eq!(shape, [2, 2, r]);
        let (shape, right) = read::<f64>(scratch.path("factors/right.npy"));
        assert_eq!(shape, [2, 3, r]);
        // The largest of the first matrix is its corner.
        let r = r as usize;
        let corner: f64 = left[..r].iter().zip(&right[..r]).map(|(l, r)| l * r).sum();
        assert!((corner - 4.0).abs() < 1e-14);
    }
    let text = success(&["low-rank", &a, "-o", &out, "--factors", "--verify"]);
    assert!(
        text.contains("|A-LR'| / |A|") && text.contains("not judged"),
        "{text}"
    );
    // What is not finite is not nothing, alone and in an array of its own.
    write(a.as_ref(), &[1, 2], Order::C, &[f64::NAN, 1.0]);
    success(&["low-rank", &a, "-o", &out, "--factors"]);
    let (shape, left) = read::<f64>(scratch.path("factors/left.npy"));
    assert_eq!(shape, [1, 1]);
    assert!(left[0].is_nan());
}

#[test]
fn a_rank_means_all_of_smaller_ones() {
    let scratch = Scratch::new();
    tiles(&scratch);
    let (a, out) = (scratch.text("a.npz"), scratch.text("x.npz"));
    let text = success(&["low-rank", &a, "-o", &out, "--rank", "4"]);
    assert!(text.contains("ranks             3 (7), 4 (1); "), "{text}");
    assert!(success(&["low-rank", &a, "-o", &out, "--rank", "3"]).contains(" 3 (8); "));
}

#[test]
fn an_npz_that_does_not_fit_gets_one_clear_line() {
    let scratch = Scratch::new();
    tiles(&scratch);
    let (a, out) = (scratch.text("a.npz"), scratch.text("x.npz"));
    let (npy, dir) = (scratch.text("x.npy"), scratch.text("d"));
    refused(&["pinv", &a, "-o", &npy], 2, "x.npy");
    refused(&["pinv", DIGITS, "-o", &out], 2, "x.npz");
    refused(
        &["polar", &a, "-o", &dir, "--rotation"],
        2,
        "a.npz: array wide: ",
    );
    refused(&["pinv", &a, "-o", &out, "--tolerance", "2"], 2, "cosine");

    let stored = zip::CompressionMethod::Stored;
    let mut b = [1.0f32, 0.0, 0.0, f32::NAN, 1.0, 0.0, 0.0, 1.0];
    npz(
        &a,
        stored,
        &[("a", &[1, 2, 2], &b[4..]), ("b", &[2, 2, 2], &b)],
    );
    let text = success(&["pinv", &a, "-o", &out]);
    assert!(text.contains("non-finite        1 (b[0])"), "{text}");
    let strict = scratch.text("strict.npz");
    refused(
        &["pinv", &a, "-o", &strict, "--strict", "--backend", "cpu"],
        1,
        "a.npz: 1 matrix failed: b[0] (non-finite)",
    );
    assert!(!Path::new(&strict).exists());
    b[3] = 1.0;
    let refuse = |what: &str| refused(&["pinv", &a, "-o", &out, "--backend", "cpu"], 2, what);
    npz(&a, stored, &[("a", &[2, 2, 2], &b), ("b", &[8], &b)]);
    refuse("a.npz: array b: has 1 dimensions");
    npz::<f32>(&a, stored, &[]);
    refuse("a.npz: holds no arrays");
}

#[test]
fn hostile_npz_files_get_one_clear_line() {
    let scratch = Scratch::new();
    let (file, out) = (scratch.text("a.npz"), scratch.text("x.npz"));
    let refuse = |what: &str| {
        refused(&["pinv", &file, "-o", &out, "--backend", "cpu"], 2, what);
        assert!(!Path::new(&out).exists());
    };
    let patched = |bytes: &[u8], from: &[u8], to: &[u8]| {
        let mut bytes = bytes.to_vec();
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + to.len()].copy_from_slice(to);
            }
        }
        bytes
    };
    std::fs::write(&file, b"").unwrap();
    refuse("not a .npz file");
    std::fs::copy(DIGITS, &file).unwrap();
    refuse("not a .npz file");
    zipped(&file, &[("readme.txt", b"hello")]);
    refuse("a.npz: holds readme.txt, which is no .npy array");
    zipped(&file, &[("a.npy", b"hello, these are no numbers")]);
    refuse("a.npz: array a: is not a .npy file");
    zipped(&file, &[("a.npy", b"\x93NUMPY")]);
    refuse("array a: is truncated in its header");
    zipped(&file, &[(".npy", b"")]);
    refuse("an array of the name \"\"");
    zipped(&file, &[("a\x1b[2J.npy", b"")]);
    refuse("an array of the name \"a\\u{1b}[2J\"");

    let data = waves(64, 0);
    let arrays: [(&str, &[u64], &[f32]); 2] =
        [("aa", &[4, 4, 4], &data), ("bb", &[4, 4, 4], &data)];
    npz(&file, zip::CompressionMethod::Stored, &arrays);
    let whole = std::fs::read(&file).unwrap();
    for len in [whole.len() - 1, whole.len() / 2, 100, 30, 4] {
        std::fs::write(&file, &whole[..len]).unwrap();
        refuse("");
    }
    std::fs::write(&file, patched(&whole, b"bb.npy", b"aa.npy")).unwrap();
    refuse("has two arrays of one name");
    // One bit of an entry.
    let mut bytes = whole.clone();
    bytes[200] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    refuse("array aa: Invalid checksum");
    // The second entry of the directory points to the first array.
    let entry = whole.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let mut bytes = whole.clone();
    bytes[entry + 42..entry + 46].fill(0);
    std::fs::write(&file, bytes).unwrap();
    refuse("a.npz: has arrays that share bytes");

    let head = |shape: &str| {
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    for shape in ["2147483648, 4, 4", "4611686018427387904, 4, 1"] {
        zipped(&file, &[("a.npy", &[head(shape), vec![0; 64]].concat())]);
        refuse("array a: promises shape");
    }
    zipped(&file, &[("a.npy", &[head("2, 2"), vec![0; 17]].concat())]);
    refuse("array a: has 1 bytes after its last entry");
    // Each few enough, together too many.
    let empty = head("10000000, 0, 3");
    zipped(&file, &[("a.npy", &empty), ("b.npy", &empty)]);
    refuse("array b: promises 20000000 empty matrices");

    // Four mebibytes of zeros in a few kibibytes, said to be as many as the header promises, then fewer, then more.
    let zeros = vec![0.0f32; 1 << 20];
    let shape: &[u64] = &[1 << 16, 4, 4];
    npz(
        &file,
        zip::CompressionMethod::Deflated,
        &[("a", shape, &zeros)],
    );
    let whole = std::fs::read(&file).unwrap();
    assert!(whole.len() < 1 << 14);
    let entry = whole.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let size = u32::from_le_bytes(whole[entry + 24..entry + 28].try_into().unwrap());
    for (said, what) in [
        (size - 4, "promises shape [65536, 4, 4]"),
        (u32::MAX - 1, "array a: "),
    ] {
        let mut bytes = whole.clone();
        bytes[entry + 24..entry + 28].copy_from_slice(&said.to_le_bytes());
        std::fs::write(&file, bytes).unwrap();
        refuse(what);
    }
    // And a header that promises fewer than there are.
    let mut bytes = head("1, 4, 4");
    bytes.extend(vec![0; 1 << 22]);
    zipped(&file, &[("a.npy", &bytes)]);
    refuse("bytes after its last entry");
    let whole = std::fs::read(&file).unwrap();
    let entry = whole.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let said = (bytes.len() - (1 << 22) + 64) as u32;
    bytes = whole;
    bytes[entry + 24..entry + 28].copy_from_slice(&said.to_le_bytes());
    std::fs::write(&file, bytes).unwrap();
    refuse("array a: File is larger than its declared");
}

#[test]
fn every_command_is_as_good_as_promised() {
    let scratch = Scratch::new();
    tiles(&scratch);
    let (a, b) = (scratch.text("a.npz"), scratch.text("b.npz"));
    let (out, dir) = (scratch.text("x.npz"), scratch.text("d"));
    for (args, key, judged) in [
        (&["pinv", "-o", &out][..], "moore_penrose", 8),
        (&["pinv", "-o", &out, "--rank", "1"], "moore_penrose", 8),
        (&["pinv", "-o", &out, "--rcond", "0.5"], "moore_penrose", 8),
        (&["pinv", "-o", &out, "--damping", "1"], "", 0),
        (&["lstsq", &b, "-o", &out], "max_residual", 8),
        (&["lstsq", &b, "-o", &out, "--rank", "2"], "max_residual", 8),
        (&["lstsq", &b, "-o", &out, "--damping", "1"], "", 0),
        (&["svd", "-o", &dir], "max_orthogonality", 8),
        (&["svd", "-o", &dir, "--vectors", "none"], "max_residual", 8),
        (&["measures", "-o", &dir], "max_residual", 8),
        (&["low-rank", "-o", &out, "--rank", "1"], "", 0),
        (&["projector", "-o", &out], "max_residual", 8),
        (&["basis", "-o", &dir], "max_residual", 8),
        (&["polar", "-o", &dir], "max_orthogonality", 8),
        (&["pca", "-o", &dir], "max_orthogonality", 8),
        (&["pca", "-o", &dir], "max_residual", 8),
        (&["whiten", "-o", &dir], "max_residual", 8),
        (&["whiten", "-o", &dir, "--damping", "1"], "", 0),
    ] {
        let args = [&args[..1], &[&a], &args[1..], &["--verify"]].concat();
        let object = json(&args);
        assert_eq!(
            (&object["judged"], &object["above"]),
            (&judged.into(), &0.into())
        );
        let text = success(&args);
        assert_eq!(
            text.contains("verified          not judged: "),
            judged == 0,
            "{text}"
        );
        if args.contains(&"--damping") {
            assert!(
                text.contains("nothing is promised of damped results"),
                "{text}"
            );
        }
        if judged > 0 {
            assert!(
                text.contains("8 of 8, none above what is promised"),
                "{text}"
            );
            assert!(
                text.contains(" at most, ") && text.contains(" promised\n"),
                "{text}"
            );
            assert!(!object["promised"][key].is_null(), "{object}");
        }
        assert!(!success(&args[..args.len() - 1]).contains("promised"));
    }
    let object = json(&["svd", &a, "-o", &dir, "--verify"]);
    let tol = 32.0 * 2f64.powi(-24);
    for key in ["max_residual", "max_orthogonality"] {
        let promised = object["promised"][key].as_f64().unwrap();
        assert!((promised / tol - 1.0).abs() < 1e-6, "{promised}");
    }
    let projector = json(&[
        "projector",
        DIGITS,
        "-o",
        &scratch.text("p.npy"),
        "--verify",
    ]);
    let promised = projector["promised"]["max_residual"].as_f64().unwrap() / tol;
    assert!((6.0..=12.0).contains(&promised), "{promised}");
    let polar = json(&["polar", DIGITS, "-o", &dir, "--verify"]);
    let promised = |key: &str| polar["promised"][key].as_f64().unwrap() / tol;
    assert!((promised("max_residual") - 12.0).abs() < 1e-6);
    assert!((promised("max_orthogonality") - 32.0).abs() < 1e-6);
}

#[test]
fn what_is_above_its_bound_fails() {
    let scratch = Scratch::new();
    let dir = scratch.text("d");
    // A tolerance that takes anything for orthogonal leaves V as it was.
    let args = [
        "svd",
        DIGITS,
        "-o",
        &dir,
        "--tolerance",
        "1",
        "--backend",
        "cpu",
    ];
    assert!(run(&args).status.success());
    let output = run(&[&args[..], &["--verify"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines = complaints(&output);
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "digits.npy: matrix ",
        "|U'U-I|, |V'V-I| is ",
        "but at most 1.91e-6 is promised",
    ] {
        assert!(lines[0].contains(part), "{lines:?}");
    }
    let told = stdout(&output);
    let output = run(&[&args[..], &["--verify", "--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    // Not quite all: pairs of columns of different size are rotated at any tolerance.
    let above = object["above"].as_u64().unwrap();
    assert!((1700..=1797).contains(&above), "{above}");
    assert!(told.contains(&format!("1797 of 1797, {above} above what is promised")));
    // Nothing is promised of what does not converge, and of what is not finite.
    let few = ["svd", DIGITS, "-o", &dir, "--max-sweeps", "1", "--verify"];
    assert!(success(&few).contains("\nverified          0 of 1797"));
    let a = scratch.text("nan.npy");
    write(a.as_ref(), &[2, 1, 1], Order::C, &[f32::NAN, 2.0]);
    assert!(success(&["svd", &a, "-o", &dir, "--verify"]).contains("1 of 2, none above"));
}

/// What is wrong in a column that is small beside others is above, whatever the others are.
#[test]
fn inverses_are_verified_column_by_column() {
    let scratch = Scratch::new();
    let (a, x) = (scratch.text("a.npy"), scratch.text("x.npy"));
    let put = |path: &str, data: &[f32]| write(path.as_ref(), &[2, 2], Order::C, data);
    put(&a, &[4.1e6, 0.9, 0.0, 1.0]);
    put(&x, &[1.0 / 4.1e6, 0.0, 0.0, 1.0]);
    let args = ["verify", &a, "--inverse", &x];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stdout(&output).contains("1 of 1, 1 above"), "{output:?}");
    // As it should be, and almost.
    let inverse = [1.0 / 4.1e6, -0.9 / 4.1e6, 0.0, 1.0];
    put(&x, &inverse);
    assert!(success(&args).contains("1 of 1, none above"));
    put(&x, &inverse.map(|x| 1.0001 * x));
    assert_eq!(run(&args).status.code(), Some(1));
    // And the engine's own.
    let options = ["--rcond", "0", "--verify"];
    success(&[&["pinv", &a, "-o", &x], &options[..]].concat());
    assert!(success(&args).contains("1 of 1, none above"));
}

/// Factors as LAPACK's may be, above what this library promises, are told to be that, and are no failure.
#[test]
fn factors_within_the_thresholds_of_lapack_are_told() {
    let scratch = Scratch::new();
    let (a, dir) = (scratch.text("a.npy"), scratch.text("f"));
    let put = |path: &str, shape: &[u64], data: &[f64]| write(path.as_ref(), shape, Order::C, data);
    put(&a, &[2, 2, 2], &[4.0, 0.0, 0.0, 2.0, 4.0, 0.0, 0.0, 2.0]);
    std::fs::create_dir(&dir).unwrap();
    let off = |by: f64| {
        let u = [1.0, 0.0, 0.0, 1.0, 1.0 + by, 0.0, 0.0, 1.0 + by];
        put(&scratch.text("f/u.npy"), &[2, 2, 2], &u);
    };
    put(&scratch.text("f/s.npy"), &[2, 2], &[4.0, 2.0, 4.0, 2.0]);
    let v = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
    put(&scratch.text("f/vt.npy"), &[2, 2, 2], &v);
    let args = ["verify", &a, "--factors", &dir];
    let sentence =
        "all within LAPACK's thresholds, but not within the sharper bounds of this library";
    off(0.0);
    assert!(!success(&args).contains("LAPACK"));
    assert_eq!(json(&args)["above_within_lapack"], 0);
    off(20.0 * f64::EPSILON);
    let said = success(&args);
    let expected = format!("2 of 2, 1 above what is promised; {sentence}");
    assert!(said.contains(&expected), "{said}");
    let object = json(&args);
    assert_eq!(
        (&object["above"], &object["above_within_lapack"]),
        (&1.into(), &1.into())
    );
    off(60.0 * f64::EPSILON);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!stdout(&output).contains("LAPACK"), "{output:?}");
    off(f64::NAN);
    assert_eq!(run(&args).status.code(), Some(1));
}

#[test]
fn results_from_anywhere_are_verified() {
    let scratch = Scratch::new();
    tiles(&scratch);
    let text = |name: &str| scratch.text(name);
    let (a, x, s, dir) = (text("a.npy"), text("x.npy"), text("s.npy"), text("f"));
    let put = |path: &str, shape: &[u64], data: &[f64]| write(path.as_ref(), shape, Order::C, data);
    put(&a, &[2, 2, 2], &[2.0, 0.0, 0.0, 4.0, 1.0, 1.0, 1.0, 1.0]);
    let mut inverses = [0.5, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25, 0.25];
    put(&x, &[2, 2, 2], &inverses);
    let args = ["verify", &a, "--inverse", &x];
    let said = success(&args);
    for part in [
        "a.npy: 2 of 2x2, f64",
        "|AXA-A| / |A|     0.00e0 at most, ",
        "2 of 2, none above",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    assert!(!said.contains("device"), "{said}");
    inverses[7] += 1e-9;
    put(&x, &[2, 2, 2], &inverses);
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1));
    let lines = complaints(&output);
    assert!(
        lines.len() == 1 && lines[0].contains("a.npy: matrix 1: |"),
        "{lines:?}"
    );
    inverses[7] = f64::NAN;
    put(&x, &[2, 2, 2], &inverses);
    assert!(stdout(&run(&args)).contains("|AXA-A| / |A|     NaN at most"));
    put(
        &s,
        &[2, 2, 2],
        &[f64::NAN, 0.0, 0.0, 4.0, 1.0, 1.0, 1.0, 1.0],
    );
    let nan = run(&["verify", &s, "--inverse", &x]);
    for part in ["non-finite        1 (0)", "1 of 2, 1 above"] {
        assert!(stdout(&nan).contains(part), "{nan:?}");
    }
    assert!(complaints(&run(&args))[0].contains("is NaN"));
    put(&x, &[2, 4], &inverses);
    refused(
        &args,
        2,
        "x.npy: has shape [2, 4], but [2, 2, 2] was expected",
    );
    write(x.as_ref(), &[2, 2, 2], Order::C, &[0.0f32; 8]);
    refused(&args, 2, "x.npy: holds f32, but the matrices are f64");
    assert_eq!(run(&args[..2]).status.code(), Some(2));

    // As the command writes them, thin and full.
    for vectors in ["thin", "full"] {
        success(&["svd", &text("a0.npy"), "-o", &dir, "--vectors", vectors]);
        let object = json(&["verify", &text("a0.npy"), "--factors", &dir]);
        assert_eq!(
            (&object["op"], &object["judged"]),
            (&"verify".into(), &4.into())
        );
        assert!(object["max_orthogonality"].as_f64().unwrap() > 0.0);
    }
    let (shape, mut values) = read::<f32>(scratch.path("f/s.npy"));
    values[4] *= 1.001;
    write(&scratch.path("f/s.npy"), &shape, Order::C, &values);
    let output = run(&["verify", &text("a0.npy"), "--factors", &dir]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaints(&output)[0].contains("matrix 1: |A-USV'| / |A| is "),
        "{output:?}"
    );
    // U S V' as before, but no singular value is negative.
    values[4] /= -1.001;
    write(&scratch.path("f/s.npy"), &shape, Order::C, &values);
    let (u_shape, mut u) = read::<f32>(scratch.path("f/u.npy"));
    let [.., rows, cols] = u_shape[..] else {
        panic!("{u_shape:?}")
    };
    let k = shape[shape.len() - 1];
    let column = (0..rows).map(|i| (4 / k * rows + i) * cols + 4 % k);
    column.for_each(|at| u[at as usize] *= -1.0);
    write(&scratch.path("f/u.npy"), &u_shape, Order::C, &u);
    let output = run(&["verify", &text("a0.npy"), "--factors", &dir]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaints(&output)[0].contains("matrix 1: s ascends / s_1 is "),
        "{output:?}"
    );
    refused(&["verify", &a, "--factors", &dir], 2, "s.npy");
    refused(&["verify", &a, "--factors", &s], 2, "s.npy");
    let other = ["verify", &text("a1.npy"), "--factors", &dir];
    refused(
        &other,
        2,
        "s.npy: has shape [2, 2, 3], but [4] was expected",
    );
    // Less than the default cutoff keeps.
    success(&["pinv", &text("a0.npy"), "-o", &x, "--rank", "1"]);
    let output = run(&["verify", &text("a0.npy"), "--inverse", &x]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaints(&output)[0].contains(": |AXA-A| / |A| is "),
        "{output:?}"
    );

    // Arrays by their keys.
    let (a, x) = (text("a.npz"), text("x.npz"));
    success(&["pinv", &a, "-o", &x]);
    assert!(success(&["verify", &a, "--inverse", &x]).contains("8 of 8, none above"));
    success(&["svd", &a, "-o", &dir]);
    assert!(success(&["verify", &a, "--factors", &dir]).contains("8 of 8, none above"));
    refused(
        &["verify", &a, "--inverse", &a],
        2,
        "a.npz: array wide: has shape [2, 2, 3, 5]",
    );
}
