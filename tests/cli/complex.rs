//! Complex matrices: what is read, what is written and under which names, and what is for real ones alone.

use batched_svd::Complex;

use super::*;

type Number = Complex<f64>;

fn number(re: f64, im: f64) -> Number {
    Complex::new(re, im)
}

/// 3x2 matrices whose columns are orthogonal: [[3i, 0], [4, 0], [0, 1+i]], and that times two.
fn known() -> Vec<Number> {
    let zero = number(0.0, 0.0);
    let one = [
        number(0.0, 3.0),
        zero,
        number(4.0, 0.0),
        zero,
        zero,
        number(1.0, 1.0),
    ];
    [one, one.map(|x| x * 2.0)].concat()
}

/// Matrices of no form.
fn waves(len: usize, first: usize) -> Vec<Number> {
    let wave = |at: usize| number((at as f64 * 1.7).sin(), (at as f64 * 0.9).cos());
    (first..first + len).map(wave).collect()
}

fn close(found: &[Number], exact: &[Number], tolerance: f64) -> bool {
    let near = |(found, exact): (&Number, &Number)| (found - exact).norm() <= tolerance;
    found.len() == exact.len() && found.iter().zip(exact).all(near)
}

/// The product of an m x k and a k x n matrix, row by row.
fn product(left: &[Number], right: &[Number], [m, k, n]: [usize; 3]) -> Vec<Number> {
    let entry = |i: usize, j: usize| (0..k).map(|at| left[i * k + at] * right[at * n + j]).sum();
    (0..m * n).map(|at| entry(at / n, at % n)).collect()
}

#[test]
fn decompositions_are_written_as_numpy_has_them() {
    let scratch = Scratch::new();
    let (a, d) = (scratch.text("a.npy"), scratch.text("d"));
    write(&scratch.path("a.npy"), &[2, 3, 2], Order::C, &known());
    let said = success(&["svd", &a, "-o", &d, "--verify"]);
    assert!(said.contains("2 of 3x2, c64\n"), "{said}");
    assert!(
        said.contains("2 of 2, none above what is promised"),
        "{said}"
    );
    let at = |name: &str| scratch.path("d").join(name);
    assert!(!at("vt.npy").exists());
    let (shape, s) = read::<f64>(at("s.npy"));
    assert_eq!(shape, [2, 2]);
    let root = 2f64.sqrt();
    let exact = [5.0, root, 10.0, 2.0 * root];
    assert!(s.iter().zip(exact).all(|(s, e)| (s - e).abs() < 1e-14));
    let (shape, u) = read::<Number>(at("u.npy"));
    assert_eq!(shape, [2, 3, 2]);
    let (shape, vh) = read::<Number>(at("vh.npy"));
    assert_eq!(shape, [2, 2, 2]);
    for (b, a) in known().chunks(6).enumerate() {
        let (u, s) = (&u[6 * b..6 * b + 6], &s[2 * b..2 * b + 2]);
        let us: Vec<Number> = u.iter().enumerate().map(|(at, u)| u * s[at % 2]).collect();
        let formed = product(&us, &vh[4 * b..4 * b + 4], [3, 2, 2]);
        assert!(close(&formed, a, 1e-14), "{formed:?}");
    }
    // V has complex entries here, so that adjoint and transpose differ.
    write(&scratch.path("w.npy"), &[2, 3], Order::C, &waves(6, 5));
    let w = scratch.text("w.npy");
    success(&["svd", &w, "-o", &d]);
    let [u, vh] = ["u.npy", "vh.npy"].map(|name| read::<Number>(at(name)).1);
    let (_, s) = read::<f64>(at("s.npy"));
    let us: Vec<Number> = u.iter().enumerate().map(|(at, u)| u * s[at % 2]).collect();
    assert!(close(&product(&us, &vh, [2, 2, 3]), &waves(6, 5), 1e-14));
    assert!(success(&["verify", &w, "--factors", &d]).contains("none above"));
    let turned: Vec<Number> = vh.iter().map(|x| x.conj()).collect();
    write(&at("vh.npy"), &[2, 3], Order::C, &turned);
    refused_after_all(&["verify", &w, "--factors", &d]);
}

/// Says results, and fails by what it has found.
fn refused_after_all(args: &[&str]) {
    let output = run(args);
    let lines = complaints(&output);
    assert_eq!(output.status.code(), Some(1), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("is promised")),
        "{lines:?}"
    );
}

#[test]
fn complex_files_of_any_order_are_read() {
    let scratch = Scratch::new();
    let (a, x) = (scratch.text("a.npy"), scratch.text("x.npy"));
    let entries = waves(12, 1);
    write(&scratch.path("a.npy"), &[2, 3, 2], Order::C, &entries);
    success(&["pinv", &a, "-o", &x]);
    let (shape, expected) = read::<Number>(&x);
    assert_eq!(shape, [2, 2, 3]);
    let one = product(&expected[..6], &entries[..6], [2, 3, 2]);
    let [i, o] = [number(1.0, 0.0), number(0.0, 0.0)];
    assert!(close(&one, &[i, o, o, i], 1e-13), "{one:?}");
    assert!(success(&["verify", &a, "--inverse", &x]).contains("none above"));

    let big: Vec<u8> = entries
        .iter()
        .flat_map(|z| [z.re, z.im].map(f64::to_be_bytes).concat())
        .collect();
    let header = |descr: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 3, 2), }}\n")
    };
    with_header(&scratch.path("a.npy"), 1, &header(">c16"), &big);
    success(&["pinv", &a, "-o", &x]);
    assert_eq!(read::<Number>(&x).1, expected);
    // Fortran order: the first index is the fastest.
    let turned: Vec<Number> = (0..12)
        .map(|at| entries[at % 2 * 6 + at / 2 % 3 * 2 + at / 6])
        .collect();
    write(&scratch.path("a.npy"), &[2, 3, 2], Order::Fortran, &turned);
    success(&["pinv", &a, "-o", &x]);
    assert_eq!(read::<Number>(&x).1, expected);

    let single = |z: &Number| Complex::new(z.re as f32, z.im as f32);
    let singles: Vec<Complex<f32>> = entries.iter().map(single).collect();
    let bytes: Vec<u8> = singles
        .iter()
        .flat_map(|z| [z.re, z.im].map(f32::to_be_bytes).concat())
        .collect();
    with_header(&scratch.path("a.npy"), 2, &header(">c8"), &bytes);
    let said = success(&["pinv", &a, "-o", &x]);
    assert!(said.contains("2 of 3x2, c32\n"), "{said}");
    let (_, found) = read::<Complex<f32>>(&x);
    let found: Vec<Number> = found
        .iter()
        .map(|z| number(z.re.into(), z.im.into()))
        .collect();
    assert!(close(&found, &expected, 1e-5), "{found:?}");

    let said = success(&["pinv", &a, "-o", &x, "--dtype", "f64"]);
    assert!(said.contains("c32, computed in c64\n"), "{said}");
    assert!(close(&read::<Number>(&x).1, &expected, 1e-5));
    let huge = [number(1e300, -1e300), number(1.0, 1e-300)];
    write(&scratch.path("a.npy"), &[1, 2], Order::C, &huge);
    let said = success(&["svd", &a, "-o", &scratch.text("d"), "--dtype", "f32"]);
    let lost = "c64, computed in c32 (1 entries beyond its range, infinite now)";
    assert!(said.contains(lost), "{said}");
}

#[test]
fn real_and_complex_files_are_computed_in_one_type() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path(name);
    let text = |name: &str| scratch.text(name);
    write(&at("a.npy"), &[2, 3, 2], Order::C, &known());
    let sides = [1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0];
    write(&at("b.npy"), &[2, 3], Order::C, &sides);
    let x = text("x.npy");
    let said = success(&["lstsq", &text("a.npy"), &text("b.npy"), "-o", &x]);
    assert!(said.contains("2 of 3x2, c64\n"), "{said}");
    assert!(
        said.contains("a vector for each, f64, computed in c64\n"),
        "{said}"
    );
    let (shape, found) = read::<Number>(&x);
    assert_eq!(shape, [2, 2]);
    // (a_j' b) / |a_j|^2, of orthogonal columns.
    let exact = [
        number(8.0, -3.0) / 25.0,
        number(1.0, -1.0) * 1.5,
        number(20.0, -12.0) / 50.0,
        number(1.0, -1.0) * 1.5,
    ];
    assert!(close(&found, &exact, 1e-14), "{found:?}");

    let real: Vec<f32> = sides.map(|x| x as f32).to_vec();
    write(&at("r.npy"), &[2, 3, 1], Order::C, &real);
    let three: Vec<Number> = known()[..6].to_vec();
    write(&at("z.npy"), &[2, 3], Order::C, &three);
    let said = success(&["lstsq", &text("r.npy"), &text("z.npy"), "-o", &x]);
    assert!(said.contains("2 of 3x1, f32, computed in c64\n"), "{said}");

    refused(
        &[
            "pinv",
            &text("a.npy"),
            "-o",
            &x,
            "--damping",
            &text("z.npy"),
        ],
        2,
        "z.npy: holds complex numbers, but real ones are needed",
    );
}

#[test]
fn every_command_takes_complex_matrices() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path(name);
    let (a, out) = (scratch.text("a.npy"), scratch.text("out"));
    write(&at("a.npy"), &[7, 4, 4], Order::C, &waves(112, 3));
    write(&at("data.npy"), &[2, 30, 3], Order::C, &waves(180, 4));
    let data = scratch.text("data.npy");
    let folder = |name: &str| at("out").join(name);
    for args in [
        &["low-rank", "--rank", "2", "--factors"][..],
        &["basis", "--of", "null", "--rank", "1"],
        &["polar"],
        &["measures"],
    ] {
        success(&[&args[..1], &[&a, "-o", &out, "--verify"], &args[1..]].concat());
    }
    // L R' is the approximation, with the adjoint of R.
    let [left, right] = ["left.npy", "right.npy"].map(|name| read::<Number>(folder(name)).1);
    let formed = scratch.text("formed.npy");
    success(&["low-rank", &a, "-o", &formed, "--rank", "2"]);
    let (_, approximation) = read::<Number>(&formed);
    for b in 0..7 {
        let right = &right[8 * b..8 * b + 8];
        let adjoint: Vec<Number> = (0..8).map(|at| right[at % 4 * 2 + at / 4].conj()).collect();
        let product = product(&left[8 * b..8 * b + 8], &adjoint, [4, 2, 4]);
        assert!(close(&product, &approximation[16 * b..16 * b + 16], 1e-13));
    }
    let [q, h] = ["q.npy", "h.npy"].map(|name| read::<Number>(folder(name)).1);
    let first = product(&q[..16], &h[..16], [4, 4, 4]);
    assert!(close(&first, &waves(112, 3)[..16], 1e-13));
    assert_eq!(read::<f64>(folder("condition.npy")).0, [7]);
    let projector = scratch.text("p.npy");
    success(&[
        "projector",
        &a,
        "-o",
        &projector,
        "--onto",
        "row",
        "--rank",
        "2",
        "--verify",
    ]);
    let (_, p) = read::<Number>(&projector);
    assert!((0..16).all(|at| p[at] == p[at % 4 * 4 + at / 4].conj()));
    for op in ["pca", "whiten"] {
        let said = success(&[op, &data, "-o", &out, "--verify"]);
        assert!(said.contains("2 of 2, none above"), "{said}");
    }
    assert_eq!(read::<Number>(folder("scores.npy")).0, [2, 30, 3]);
    assert_eq!(read::<f64>(folder("deviations.npy")).0, [2, 3]);
    let mean: Number = waves(180, 4).iter().take(90).step_by(3).sum::<Number>() / 30.0;
    assert!((read::<Number>(folder("mean.npy")).1[0] - mean).norm() < 1e-14);

    let rotation = "a.npy: --rotation is for real matrices";
    refused(&["polar", &a, "-o", &out, "--rotation"], 2, rotation);
}

#[test]
fn every_option_takes_complex_matrices() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path(name);
    let [a, b, one, x, d] =
        ["a.npy", "b.npy", "one.npy", "x.npy", "d"].map(|name| scratch.text(name));
    write(&at("a.npy"), &[9, 5, 3], Order::C, &waves(135, 2));
    write(&at("b.npy"), &[9, 5, 2], Order::C, &waves(90, 7));
    write(&at("one.npy"), &[5], Order::C, &waves(5, 1));
    // The third column is i times the first.
    let mut lacking = waves(135, 2);
    for row in lacking.chunks_mut(3) {
        row[2] = row[0] * number(0.0, 1.0);
    }
    write(&at("l.npy"), &[9, 5, 3], Order::C, &lacking);
    let l = scratch.text("l.npy");
    let (values, left) = (scratch.text("s.npy"), scratch.text("r.npy"));
    for args in [
        &[
            "lstsq", &a, &b, "-o", &x, "--verify", "--refine", "--values", &values,
        ][..],
        &[
            "lstsq",
            &a,
            &one,
            "-o",
            &x,
            "--verify",
            "--residuals",
            &left,
        ],
        &["lstsq", &l, &b, "-o", &x, "--verify"],
        &["pinv", &a, "-o", &x, "--verify"],
        &["pinv", &l, "-o", &x, "--verify"],
        &["svd", &a, "-o", &d, "--vectors", "full", "--verify"],
        &["svd", &a, "-o", &d, "--vectors", "none", "--verify"],
        &["svd", &l, "-o", &d, "--verify"],
        &["polar", &l, "-o", &d, "--verify"],
    ] {
        let said = success(args);
        assert!(said.contains("9 of 9, none above"), "{args:?}: {said}");
    }
    assert_eq!(read::<f64>(&values).0, [9, 3]);
    // |b - A x|, of the last fit of one vector for all.
    success(&["lstsq", &a, &one, "-o", &x, "--residuals", &left]);
    let (all, sides, fit) = (waves(135, 2), waves(5, 1), read::<Number>(&x).1);
    for (at, norm) in read::<f64>(&left).1.into_iter().enumerate() {
        let formed = product(
            &all[15 * at..15 * at + 15],
            &fit[3 * at..3 * at + 3],
            [5, 3, 1],
        );
        let off = formed.iter().zip(&sides).map(|(f, b)| (f - b).norm_sqr());
        assert!((off.sum::<f64>().sqrt() - norm).abs() < 1e-13);
    }
    success(&["pinv", &a, "-o", &x]);
    let (shape, mut wrong) = read::<Number>(&x);
    wrong.iter_mut().for_each(|x| *x = x.conj());
    write(&at("x.npy"), &shape, Order::C, &wrong);
    refused_after_all(&["verify", &a, "--inverse", &x]);

    // With a large damping, A' / L^2.
    success(&["pinv", &a, "-o", &x, "--damping", "1e8"]);
    let first = read::<Number>(&x).1[1] * 1e16;
    assert!((first - waves(135, 2)[3].conj()).norm() < 1e-7);
    success(&["svd", &a, "-o", &d, "--rank", "2"]);
    assert_eq!(read::<Number>(at("d").join("vh.npy")).0, [9, 2, 3]);
    let found = json(&["svd", &l, "-o", &d, "--rank", "2"]);
    assert!(found["max_error"].as_f64().unwrap() < 1e-14, "{found}");
    for shape in [[0, 3, 2], [2, 0, 3], [2, 3, 0]] {
        write::<Number>(&at("e.npy"), &shape, Order::C, &[]);
        let e = scratch.text("e.npy");
        for (op, out) in [("pinv", &x), ("svd", &d), ("pca", &d), ("whiten", &d)] {
            success(&[op, &e, "-o", out, "--verify"]);
        }
        success(&["svd", &e, "-o", &d]);
        success(&["verify", &e, "--factors", &d]);
    }
}

/// An explicit GPU computes them, or there is none.
#[test]
#[cfg(feature = "gpu")]
fn a_gpu_computes_complex_matrices() {
    let scratch = Scratch::new();
    let (a, x, d) = (
        scratch.text("a.npy"),
        scratch.text("x.npy"),
        scratch.text("d"),
    );
    let entries: Vec<Complex<f32>> = known()
        .iter()
        .map(|z| Complex::new(z.re as f32, z.im as f32))
        .collect();
    write(&scratch.path("a.npy"), &[2, 3, 2], Order::C, &entries);
    let output = run(&[
        "pinv",
        &a,
        "-o",
        &x,
        "--verify",
        "--backend",
        "gpu",
        "--json",
    ]);
    if !output.status.success() && std::env::var_os("BATCHED_SVD_REQUIRE_GPU").is_none() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("found nothing"), "{said}");
        return;
    }
    assert!(output.status.success(), "{output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["engine"], &found["dtype"]),
        (&"gpu".into(), &"c32".into())
    );
    let output = run(&["svd", &a, "-o", &d, "--verify", "--backend", "gpu"]);
    assert!(output.status.success(), "{output:?}");
    success(&["verify", &a, "--factors", &d]);
    success(&["verify", &a, "--inverse", &x]);
}

#[test]
fn arrays_of_many_types_are_computed_in_one() {
    let scratch = Scratch::new();
    let mut archive = zip::ZipWriter::new(std::fs::File::create(scratch.path("a.npz")).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    write(&scratch.path("z.npy"), &[2, 3, 2], Order::C, &known());
    let real: Vec<f32> = known().iter().map(|z| (z.re + z.im) as f32).collect();
    write(&scratch.path("r.npy"), &[2, 2, 3], Order::C, &real);
    for name in ["z.npy", "r.npy"] {
        archive.start_file(name, options).unwrap();
        let bytes = std::fs::read(scratch.path(name)).unwrap();
        std::io::Write::write_all(&mut archive, &bytes).unwrap();
    }
    archive.finish().unwrap();
    let (a, d) = (scratch.text("a.npz"), scratch.text("d"));
    let said = success(&["svd", &a, "-o", &d, "--verify"]);
    assert!(said.contains("c64 and f32, computed in c64"), "{said}");
    assert!(scratch.path("d/vh.npz").exists() && !scratch.path("d/vt.npz").exists());
    assert!(success(&["verify", &a, "--factors", &d]).contains("4 of 4, none above"));
    let said = "a.npz: --rotation is for real matrices";
    refused(&["polar", &a, "-o", &d, "--rotation"], 2, said);
}

#[test]
fn eigenvalues_of_hermitian_matrices() {
    let scratch = Scratch::new();
    let (a, d) = (scratch.text("a.npy"), scratch.text("d"));
    let at = |name: &str| scratch.path("d").join(name);
    // Eigenvalues -1 and 3; 1 and 4.
    let i = number(0.0, 1.0);
    let one = |on: f64, off: f64| [number(on, 0.0), i * off, i * -off, number(on, 0.0)];
    let entries = [one(1.0, 2.0), one(2.5, 1.5)].concat();
    write(&scratch.path("a.npy"), &[2, 2, 2], Order::C, &entries);
    let said = success(&["eigh", &a, "-o", &d, "--verify"]);
    assert!(said.contains("2 of 2, none above"), "{said}");
    let (shape, w) = read::<f64>(at("w.npy"));
    assert_eq!(shape, [2, 2]);
    let near = |(found, exact): (&f64, &f64)| (found - exact).abs() < 1e-14;
    assert!(w.iter().zip(&[-1.0, 3.0, 1.0, 4.0]).all(near), "{w:?}");
    let (shape, v) = read::<Number>(at("v.npy"));
    assert_eq!(shape, [2, 2, 2]);
    let half = 0.5f64.sqrt();
    let exact = [number(half, 0.0), number(half, 0.0), i * half, i * -half];
    assert!(close(&v[..4], &exact, 1e-14), "{v:?}");
    // What is above the diagonal is not read, nor what is imaginary on it.
    let mut lower = entries.clone();
    for matrix in lower.chunks_mut(4) {
        matrix[0].im = 5.0;
        matrix[1] = number(f64::NAN, 0.0);
    }
    write(&scratch.path("l.npy"), &[2, 2, 2], Order::C, &lower);
    let l = scratch.text("l.npy");
    for vectors in ["all", "none"] {
        let args = ["--triangle", "lower", "--vectors", vectors, "--verify"];
        let said = success(&[&["eigh", &l, "-o", &d], &args[..]].concat());
        assert!(said.contains("2 of 2, none above"), "{said}");
        assert_eq!(read::<f64>(at("w.npy")).1, w);
    }
    let said = success(&["eigh", &a, "-o", &d, "--definite"]);
    assert!(said.contains("1 of 2"), "{said}");
    let turned: Vec<Number> = entries.iter().map(|x| x * i).collect();
    write(&scratch.path("a.npy"), &[2, 2, 2], Order::C, &turned);
    let output = run(&["eigh", &a, "-o", &d, "--strict", "--backend", "cpu"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn factors_from_before_are_named() {
    let scratch = Scratch::new();
    let (a, d) = (scratch.text("a.npy"), scratch.text("d"));
    write(&scratch.path("a.npy"), &[2, 3, 2], Order::C, &known());
    success(&["svd", &a, "-o", &d]);
    let real: Vec<f64> = known().iter().map(|z| z.re + z.im).collect();
    write(&scratch.path("r.npy"), &[2, 3, 2], Order::C, &real);
    let r = scratch.text("r.npy");
    let output = run(&["svd", &r, "-o", &d, "--backend", "cpu"]);
    let lines = complaints(&output).concat() + &stdout(&output);
    assert!(lines.contains("vh.npy: there from before"), "{lines}");
    // Of real matrices vh is another name for vt.
    std::fs::rename(scratch.path("d/vt.npy"), scratch.path("d/vh.npy")).unwrap();
    assert!(success(&["verify", &r, "--factors", &d]).contains("none above"));
    refused_after_all(&["verify", &a, "--factors", &d]);
    std::fs::rename(scratch.path("d/vh.npy"), scratch.path("d/vt.npy")).unwrap();
    let said = "vt.npy: the matrices are complex, and have the adjoint of V in vh";
    refused(&["verify", &a, "--factors", &d], 2, said);
}
