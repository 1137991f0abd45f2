//! Eigenvalues and eigenvectors of symmetric matrices: what is read, what is written, and what is said of matrices that
//! are not as they should be.

use super::*;

const NAN: f64 = f64::NAN;

/// Eigenvalues -1 and 3; 2 and 2; 1 and 4. The eigenvectors of the first and the last are known, but for rounding.
const KNOWN: [f64; 12] = [
    1.0, 2.0, 2.0, 1.0, //
    2.0, 0.0, 0.0, 2.0, //
    2.5, 1.5, 1.5, 2.5,
];
const EIGENVALUES: [f64; 6] = [-1.0, 3.0, 2.0, 2.0, 1.0, 4.0];

fn stack(scratch: &Scratch, shape: &[u64], entries: &[f64]) -> String {
    let path = scratch.path("a.npy");
    write(&path, shape, Order::C, entries);
    path.to_str().unwrap().to_string()
}

fn close(found: &[f64], exact: &[f64]) -> bool {
    let near = |(found, exact): (&f64, &f64)| (found - exact).abs() < 1e-14;
    found.len() == exact.len() && found.iter().zip(exact).all(near)
}

#[test]
fn eigh_writes_ascending_values_and_vectors_as_columns() {
    let scratch = Scratch::new();
    let (a, dir) = (stack(&scratch, &[3, 1, 2, 2], &KNOWN), scratch.text("d"));
    let said = success(&["eigh", &a, "-o", &dir]);
    for part in [
        "3 of 2x2, f64",
        "converged         3 of 3; ",
        "ranks             2 (3); full rank is 2\n",
        "condition         4.00e0 at most, of what counts (matrix 2)",
        "\n|A-VLV'| / |A|    ",
        "\n|V'V-I|           ",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    let (shape, w) = read::<f64>(scratch.path("d/w.npy"));
    assert_eq!(shape, [3, 1, 2]);
    assert!(close(&w, &EIGENVALUES), "{w:?}");
    let (shape, v) = read::<f64>(scratch.path("d/v.npy"));
    assert_eq!(shape, [3, 1, 2, 2]);
    let half = 0.5f64.sqrt();
    // Row by row.
    for matrix in [&v[..4], &v[8..]] {
        assert!(close(matrix, &[half, half, -half, half]), "{v:?}");
    }
    success(&["eigh", &a, "-o", &dir, "--dtype", "f32"]);
    assert_eq!(read::<f32>(scratch.path("d/w.npy")).0, [3, 1, 2]);
}

#[test]
fn eigenvalues_alone_are_those_with_vectors() {
    let scratch = Scratch::new();
    let (a, dir) = (stack(&scratch, &[3, 2, 2], &KNOWN), scratch.text("d"));
    let alone = ["eigh", &a, "-o", &dir, "--vectors", "none"];
    let said = success(&[&alone[..], &["--verify"]].concat());
    assert!(
        said.contains("\n||A|-|w|| / |A|   ") && said.contains("3 of 3, none above"),
        "{said}"
    );
    assert!(!said.contains("|V'V-I|") && !said.contains("\nwarning "));
    assert!(close(&read::<f64>(scratch.path("d/w.npy")).1, &EIGENVALUES));
    assert!(!scratch.path("d/v.npy").exists());
    let few = success(&[&alone[..], &["--verify", "--max-sweeps", "1"]].concat());
    assert!(
        few.contains("not converged     ") && !few.contains("inf promised"),
        "{few}"
    );
    // Vectors from before are said to be others.
    success(&["eigh", &a, "-o", &dir]);
    let said = success(&alone);
    assert!(said.contains("v.npy: there from before"), "{said}");
}

#[test]
fn one_triangle_is_read() {
    let scratch = Scratch::new();
    let dir = scratch.text("d");
    for (triangle, entries) in [
        ("lower", [1.0, NAN, 2.0, 1.0]),
        ("upper", [1.0, 2.0, NAN, 1.0]),
    ] {
        let a = stack(&scratch, &[2, 2], &entries);
        for vectors in ["all", "none"] {
            let args = [
                "eigh",
                &a,
                "-o",
                &dir,
                "--vectors",
                vectors,
                "--triangle",
                triangle,
                "--verify",
            ];
            let said = success(&args);
            assert!(said.contains("1 of 1, none above"), "{said}");
            let (_, w) = read::<f64>(scratch.path("d/w.npy"));
            assert!(close(&w, &[-1.0, 3.0]), "{triangle}: {w:?}");
        }
        let other = if triangle == "lower" {
            "upper"
        } else {
            "lower"
        };
        for args in [&["--triangle", other][..], &["--triangle", "mean"], &[]] {
            let said = success(&[&["eigh", &a, "-o", &dir], args].concat());
            assert!(said.contains("non-finite        1 (0)"), "{said}");
        }
    }
}

#[test]
fn a_matrix_that_is_not_symmetric_is_named() {
    let scratch = Scratch::new();
    let dir = scratch.text("d");
    // The mean of the second is the first.
    let entries = [1.0, 2.0, 2.0, 1.0, 1.0, 4.0, 0.0, 1.0];
    let a = stack(&scratch, &[2, 2, 2], &entries);
    let args = ["eigh", &a, "-o", &dir, "--verify"];
    let said = success(&args);
    for part in [
        "converged         1 of 2; ",
        "\nnot symmetric     1 (1)\n",
        "verified          1 of 2, none above",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    let w = read::<f64>(scratch.path("d/w.npy")).1;
    assert!(close(&w, &[-1.0, 3.0, -1.0, 3.0]), "{w:?}");
    let object = json(&args);
    assert_eq!(
        [
            &object["converged"],
            &object["not_symmetric"],
            &object["not_definite"]
        ],
        [1, 1, 0]
    );
    assert_eq!(object["bad"]["not_symmetric"], serde_json::json!([1]));
    // The residual is that of the mean.
    assert!(object["max_residual"].as_f64().unwrap() < 1e-14, "{object}");
    assert!(
        success(&[&args[..], &["--triangle", "lower"]].concat()).contains("2 of 2, none above")
    );
    let strict = scratch.text("strict");
    let args = ["eigh", &a, "-o", &strict, "--strict", "--backend", "cpu"];
    refused(&args, 1, "a.npy: 1 matrix failed: 1 (not symmetric)");
    assert!(!Path::new(&strict).exists());
    let output = run(&[&args[..], &["--json"]].concat());
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["bad"]["not_symmetric"], serde_json::json!([1]));
}

#[test]
fn a_matrix_that_is_not_definite_is_named() {
    let scratch = Scratch::new();
    let (dir, report) = (scratch.text("d"), scratch.text("r.json"));
    // Variances in units that differ by 1e12, with the determinant 0.75; and eigenvalues -1 and 3.
    let entries = [1e12, 0.5, 0.5, 1e-12, 1.0, 2.0, 2.0, 1.0];
    let a = stack(&scratch, &[2, 2, 2], &entries);
    let args = ["eigh", &a, "-o", &dir, "--definite", "--verify"];
    // By default, 1e-12 is zero beside 1e12.
    let said = success(&[&args[..], &["--report", &report, "--rcond", "0"]].concat());
    for part in [
        "converged         1 of 2; ",
        "\nnot definite      1 (1)\n",
        "ranks             2 (1); ",
        "verified          1 of 2, none above",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    let w = read::<f64>(scratch.path("d/w.npy")).1;
    assert!((w[0] / 0.75e-12 - 1.0).abs() < 1e-14, "{w:?}");
    assert!(w[2].is_nan() && w[3].is_nan(), "{w:?}");
    let v = read::<f64>(scratch.path("d/v.npy")).1;
    assert!(v[..4].iter().all(|v| v.is_finite()) && v[4..].iter().all(|v| v.is_nan()));
    let object = json(&args);
    assert_eq!(
        [
            &object["converged"],
            &object["not_symmetric"],
            &object["not_definite"]
        ],
        [1, 0, 1]
    );
    assert_eq!(object["bad"]["not_definite"], serde_json::json!([1]));
    assert!(object["max_condition"].as_f64().unwrap() > 1e24, "{object}");
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(told["matrices"][1]["status"], "not positive definite");
    assert!(told["matrices"][1]["condition"].is_null(), "{told}");
    let strict = [&args[..], &["--strict", "--backend", "cpu"]].concat();
    refused(&strict, 1, "1 (not positive definite)");
    // Without a result, nothing is said of one.
    let a = stack(&scratch, &[2, 2], &entries[4..]);
    let said = success(&["eigh", &a, "-o", &dir, "--definite"]);
    assert!(said.contains("|V'V-I|           of nothing: "), "{said}");
}

#[test]
fn only_square_matrices_have_eigenvalues() {
    let scratch = Scratch::new();
    let dir = scratch.text("d");
    let what = "eigenvalues of 2x3 matrices, but only square matrices have eigenvalues";
    let a = stack(&scratch, &[2, 2, 3], &[1.0; 12]);
    refused(&["eigh", &a, "-o", &dir], 2, what);
    refused(&["eigh", &a, "-o", &dir, "--vectors", "none"], 2, what);
    let a = scratch.text("a.npz");
    let arrays: [(&str, &[u64], &[f64]); 2] = [
        ("square", &[2, 2], &KNOWN[..4]),
        ("wide", &[2, 3], &KNOWN[..6]),
    ];
    npz(&a, zip::CompressionMethod::Stored, &arrays);
    let what = format!("a.npz: array wide: {what}");
    refused(&["eigh", &a, "-o", &dir], 2, &what);
    assert!(!Path::new(&dir).exists());
    // One shape after the other.
    npz(
        &a,
        zip::CompressionMethod::Stored,
        &[("one", &[1, 1], &[-7.0]), ("two", &[3, 2, 2], &KNOWN)],
    );
    success(&["eigh", &a, "-o", &dir, "--verify"]);
    let w = read_npz::<f64>(scratch.path("d/w.npz"));
    assert_eq!(w[0], ("one".into(), vec![1], vec![-7.0]));
    assert_eq!((w[1].0.as_str(), &w[1].1[..]), ("two", &[3, 2][..]));
    assert!(close(&w[1].2, &EIGENVALUES), "{w:?}");
}

#[test]
fn eigenvalues_that_count_are_those_of_some_size() {
    let scratch = Scratch::new();
    // Eigenvalues -8, 0 and 4.
    let entries = [4.0, 0.0, 0.0, 0.0, -8.0, 0.0, 0.0, 0.0, 0.0];
    let (a, dir) = (stack(&scratch, &[3, 3], &entries), scratch.text("d"));
    for (args, rank, condition) in [
        (&[][..], 2, "2.00e0"),
        (&["--atol", "5"], 1, "1.00e0"),
        (&["--rcond", "0.4"], 2, "2.00e0"),
        (&["--rank", "1"], 1, "1.00e0"),
        (&["--energy", "0.7"], 1, "1.00e0"),
    ] {
        let said = success(&[&["eigh", &a, "-o", &dir], args].concat());
        assert!(
            said.contains(&format!("ranks             {rank} (1); ")),
            "{said}"
        );
        assert!(
            said.contains(&format!("condition         {condition} at most")),
            "{said}"
        );
        // All of them are written.
        let w = read::<f64>(scratch.path("d/w.npy")).1;
        assert!(close(&w, &[-8.0, 0.0, 4.0]), "{w:?}");
    }
}

#[test]
fn eigenvalues_and_vectors_are_as_good_as_promised() {
    let scratch = Scratch::new();
    let (a, dir) = (scratch.text("a.npy"), scratch.text("d"));
    for n in [1, 2, 5, 12, 33] {
        let count = 40;
        let waves = waves((count * n * n) as u64, n as u64);
        let mut entries = Vec::new();
        for matrix in waves.chunks(n * n) {
            entries.extend((0..n * n).map(|e| matrix[e] + matrix[e % n * n + e / n]));
        }
        let shape = [count as u64, n as u64, n as u64];
        write(a.as_ref(), &shape, Order::C, &entries);
        for dtype in ["f32", "f64"] {
            for more in [&[][..], &["--triangle", "upper"], &["--vectors", "none"]] {
                let args = ["eigh", &a, "-o", &dir, "--verify", "--dtype", dtype];
                let object = json(&[&args[..], more].concat());
                assert_eq!(
                    [&object["judged"], &object["above"]],
                    [count, 0],
                    "{object}"
                );
                let unit = 2f64.powi(if dtype == "f32" { -24 } else { -53 });
                let tol = unit * (8.0 * (n as f64).sqrt()).max(32.0);
                let ratio = |key: &str, by: f64| object["promised"][key].as_f64().unwrap() / by;
                if more.contains(&"none") {
                    // Each eigenvalue by 2 sqrt(n) + 1 times what each singular value may be off by, or less.
                    let most = (n as f64).sqrt() * (2.0 * (n as f64).sqrt() + 2.0);
                    assert!(ratio("max_residual", tol) <= most, "{object}");
                    continue;
                }
                let within = 2.0 * (1.0 + (n as f64).sqrt()) * tol;
                assert!(
                    (ratio("max_residual", within) - 1.0).abs() < 1e-6,
                    "{object}"
                );
                assert!(
                    (ratio("max_orthogonality", tol) - 1.0).abs() < 1e-6,
                    "{object}"
                );
            }
        }
    }
    // A tolerance that takes anything for orthogonal leaves V as it was.
    let args = [
        "eigh",
        &a,
        "-o",
        &dir,
        "--verify",
        "--tolerance",
        "1",
        "--backend",
        "cpu",
    ];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = &complaints(&output)[0];
    assert!(
        line.contains("a.npy: matrix ") && line.contains(" is promised"),
        "{line}"
    );
}
