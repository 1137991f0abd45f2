//! What counts, and by which numbers: ranks, energies, damping, and what is wrong with a number.

use super::*;

fn matrices(scratch: &Scratch) -> String {
    let a: Vec<f64> = (0..3 * 20).map(|e| f64::from(e * e).sin()).collect();
    write(&scratch.path("a.npy"), &[3, 5, 4], Order::C, &a);
    scratch.text("a.npy")
}

#[test]
fn a_rank_beyond_all_means_all() {
    let scratch = Scratch::new();
    let (a, x) = (matrices(&scratch), scratch.text("x.npy"));
    success(&["pinv", &a, "-o", &x]);
    let all = read::<f64>(&x);
    for rank in ["4", "5", "1000000", "99999999999999999999999"] {
        success(&["pinv", &a, "-o", &x, "--rank", rank]);
        assert_eq!(read::<f64>(&x), all, "{rank}");
    }
    tiles(&scratch);
    let (z, y) = (scratch.text("a.npz"), scratch.text("y.npz"));
    success(&["pinv", &z, "-o", &y]);
    let all = read_npz::<f32>(&y);
    success(&["pinv", &z, "-o", &y, "--rank", "99"]);
    assert_eq!(read_npz::<f32>(&y), all);
}

#[test]
fn svd_writes_as_many_as_its_rank() {
    let scratch = Scratch::new();
    let (a, all, some) = (
        matrices(&scratch),
        scratch.text("all"),
        scratch.text("some"),
    );
    let of = |folder: &str, name: &str| read::<f64>(scratch.path(folder).join(name));
    success(&["svd", &a, "-o", &all]);
    let said = success(&["svd", &a, "-o", &some, "--rank", "2", "--verify"]);
    assert!(said.contains("ranks             2 (3)"), "{said}");
    assert!(
        said.contains("3 of 3, none above what is promised"),
        "{said}"
    );
    let (u, s, vt) = (
        of("some", "u.npy"),
        of("some", "s.npy"),
        of("some", "vt.npy"),
    );
    assert_eq!([&u.0, &s.0, &vt.0], [&[3, 5, 2][..], &[3, 2], &[3, 2, 4]]);
    let (u_all, s_all, vt_all) = (
        of("all", "u.npy").1,
        of("all", "s.npy").1,
        of("all", "vt.npy").1,
    );
    for b in 0..3 {
        assert_eq!(s.1[2 * b..2 * b + 2], s_all[4 * b..4 * b + 2]);
        assert_eq!(vt.1[8 * b..8 * b + 8], vt_all[16 * b..16 * b + 8]);
        for i in 0..5 {
            assert_eq!(u.1[10 * b + 2 * i..][..2], u_all[20 * b + 4 * i..][..2]);
        }
    }
    // What is left out is the rest of the singular values.
    let left = json(&["svd", &a, "-o", &some, "--rank", "2"])["max_error"]
        .as_f64()
        .unwrap();
    let of_each = s_all.chunks(4).map(|s| {
        let squares = |s: &[f64]| s.iter().map(|s| s * s).sum::<f64>();
        (squares(&s[2..]) / squares(s)).sqrt()
    });
    assert!((left - of_each.fold(0.0, f64::max)).abs() < 1e-14);
    success(&["svd", &a, "-o", &some, "--rank", "9"]);
    assert_eq!(of("some", "u.npy").1, u_all);
    success(&["svd", &a, "-o", &some, "--rank", "1", "--vectors", "none"]);
    assert_eq!(of("some", "s.npy").0, [3, 1]);
    refused(
        &["svd", &a, "-o", &some, "--rank", "1", "--vectors", "full"],
        2,
        "--vectors full",
    );
    tiles(&scratch);
    success(&["svd", &scratch.text("a.npz"), "-o", &some, "--rank", "3"]);
    let shapes: Vec<_> = read_npz::<f32>(scratch.path("some/u.npz"))
        .into_iter()
        .map(|u| u.1)
        .collect();
    assert_eq!(
        shapes,
        [vec![2, 2, 3, 3], vec![4, 3], vec![0, 2, 2], vec![3, 3, 3]]
    );
}

const COMPONENTS: [&str; 5] = [
    "components.npy",
    "scores.npy",
    "deviations.npy",
    "explained_variance.npy",
    "explained_variance_ratio.npy",
];

#[test]
fn pca_writes_what_counts() {
    let scratch = Scratch::new();
    let (a, all, some) = (
        matrices(&scratch),
        scratch.text("all"),
        scratch.text("some"),
    );
    let of = |folder: &str, name: &str| read::<f64>(scratch.path(folder).join(name));
    success(&["pca", &a, "-o", &all]);
    assert_eq!(of("all", "components.npy").0, [3, 4, 4]);
    let (deviations, variances, ratios) = (
        of("all", "deviations.npy").1,
        of("all", "explained_variance.npy").1,
        of("all", "explained_variance_ratio.npy").1,
    );
    for b in 0..3 {
        let own = 4 * b..4 * b + 4;
        let sum: f64 = variances[own.clone()].iter().sum();
        for i in own {
            assert!((variances[i] - deviations[i].powi(2)).abs() < 1e-14);
            assert!((ratios[i] - variances[i] / sum).abs() < 1e-14);
        }
    }
    let said = success(&["pca", &a, "-o", &some, "--rank", "2"]);
    assert!(
        said.contains("ranks             2 (3)") && said.contains("left out "),
        "{said}"
    );
    for (name, shape) in
        COMPONENTS
            .into_iter()
            .zip([&[3, 4, 2][..], &[3, 5, 2], &[3, 2], &[3, 2], &[3, 2]])
    {
        let ((found_shape, found), (_, whole)) = (of("some", name), of("all", name));
        assert_eq!(found_shape, shape, "{name}");
        // Row by row the first two of four: the ratios are still of all variance.
        for (found, whole) in found.chunks(2).zip(whole.chunks(4)) {
            assert_eq!(found, &whole[..2], "{name}");
        }
    }
    let left = json(&["pca", &a, "-o", &some, "--rank", "2"])["max_error"]
        .as_f64()
        .unwrap();
    let of_each = ratios
        .chunks(4)
        .map(|ratios| (ratios[2] + ratios[3]).sqrt());
    assert!((left - of_each.fold(0.0, f64::max)).abs() < 1e-12);
    // A component, and two: zeros where there is none.
    let entries = [
        1.0f64, 0.0, -1.0, 0.0, 0.0, 0.0, 2.0, 0.1, -2.0, 0.1, 0.0, -0.2, 1.0, 1.0, -1.0, 1.0, 0.0,
        -2.0,
    ];
    write(a.as_ref(), &[3, 3, 2], Order::C, &entries);
    success(&["pca", &a, "-o", &some, "--energy", "0.9"]);
    let (shape, deviations) = of("some", "deviations.npy");
    assert_eq!(shape, [3, 2]);
    assert!(
        deviations[0] > 0.9 && deviations[1] == 0.0 && deviations[3] == 0.0 && deviations[5] > 0.9,
        "{deviations:?}"
    );
    let (_, scores) = of("some", "scores.npy");
    assert!(
        scores.chunks(2).take(6).all(|row| row[1] == 0.0),
        "{scores:?}"
    );
    let stored = zip::CompressionMethod::Stored;
    let (archive, matrices) = (
        scratch.text("a.npz"),
        [
            ("p", &[3u64, 2][..], &entries[..6]),
            ("q", &[3, 2], &entries[12..]),
        ],
    );
    npz(&archive, stored, &matrices);
    success(&["pca", &archive, "-o", &some, "--energy", "0.9"]);
    let shapes: Vec<_> = read_npz::<f64>(scratch.path("some/components.npz"))
        .into_iter()
        .map(|c| c.1)
        .collect();
    assert_eq!(shapes, [vec![2, 1], vec![2, 2]]);
}

#[test]
fn low_rank_factors_come_with_singular_values() {
    let scratch = Scratch::new();
    let (a, d) = (scratch.text("a.npy"), scratch.text("d"));
    let entries = [
        4.0f64,
        0.0,
        0.0,
        0.0,
        3.0,
        0.0,
        0.0,
        6.0,
        0.0,
        8.0,
        0.0,
        0.0,
        f64::NAN,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
    ];
    write(a.as_ref(), &[3, 2, 3], Order::C, &entries);
    for (args, shape, expected) in [
        (["--rank", "1"], [3, 1], &[4.0, 8.0][..]),
        (["--rank", "2"], [3, 2], &[4.0, 3.0, 8.0, 6.0]),
        (["--atol", "3.5"], [3, 2], &[4.0, 0.0, 8.0, 6.0]),
    ] {
        success(&[&["low-rank", &a, "-o", &d, "--factors"][..], &args].concat());
        let (found_shape, s) = read::<f64>(scratch.path("d/s.npy"));
        assert_eq!(found_shape, shape);
        for (found, expected) in s.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-14, "{args:?}: {s:?}");
        }
        assert!(s[expected.len()..].iter().all(|s| s.is_nan()), "{s:?}");
        // The columns of the left factor have these norms.
        let (_, left) = read::<f64>(scratch.path("d/left.npy"));
        let norm = (0..2)
            .map(|i| left[i * shape[1] as usize].powi(2))
            .sum::<f64>()
            .sqrt();
        assert!((norm - s[0]).abs() < 1e-14);
    }
    success(&[
        "low-rank",
        &a,
        "-o",
        &d,
        "--factors",
        "--rank",
        "1",
        "--dtype",
        "f32",
    ]);
    assert_eq!(read::<f32>(scratch.path("d/s.npy")).1[..2], [4.0, 8.0]);
}

/// More than are computed to warm up.
#[test]
fn each_of_many_matrices_has_its_damping() {
    let scratch = Scratch::new();
    let [a, x, l, b, y] =
        ["a.npy", "x.npy", "l.npy", "b.npy", "y.npy"].map(|name| scratch.text(name));
    let lambdas: Vec<f64> = (0..50).map(f64::from).collect();
    write(a.as_ref(), &[50, 1, 1], Order::C, &[1.0f64; 50]);
    write(b.as_ref(), &[50, 1, 1], Order::C, &[1.0f64; 50]);
    write(l.as_ref(), &[50], Order::C, &lambdas);
    success(&["pinv", &a, "-o", &x, "--damping", &l]);
    success(&["lstsq", &a, &b, "-o", &y, "--damping", &l]);
    for file in [x, y] {
        for (found, lambda) in read::<f64>(&file).1.iter().zip(&lambdas) {
            let exact = 1.0 / (1.0 + lambda * lambda);
            assert!(
                (found - exact).abs() < 1e-15 * exact,
                "{found} for {lambda}"
            );
        }
    }
}

#[test]
fn damping_is_a_number_a_list_or_a_file() {
    let scratch = Scratch::new();
    let (a, x) = (scratch.text("a.npy"), scratch.text("x.npy"));
    write(a.as_ref(), &[2, 2, 1, 1], Order::C, &[1.0f64; 4]);
    let pinv = |damping: &str| {
        success(&["pinv", &a, "-o", &x, "--damping", damping]);
        read::<f64>(&x).1
    };
    let close = |found: Vec<f64>, lambdas: [f64; 4]| {
        for (found, lambda) in found.iter().zip(lambdas) {
            assert!(
                (found - 1.0 / (1.0 + lambda * lambda)).abs() < 1e-15,
                "{found} for {lambda}"
            );
        }
    };
    close(pinv("2"), [2.0; 4]);
    close(pinv("0,1,2,3"), [0.0, 1.0, 2.0, 3.0]);
    let l = scratch.text("l.npy");
    write(l.as_ref(), &[2, 2], Order::C, &[0.0f64, 1.0, 2.0, 3.0]);
    close(pinv(&l), [0.0, 1.0, 2.0, 3.0]);
    write(l.as_ref(), &[4], Order::C, &[3i32, 2, 1, 0]);
    close(pinv(&l), [3.0, 2.0, 1.0, 0.0]);
    write(l.as_ref(), &[], Order::C, &[0.5f32]);
    close(pinv(&l), [0.5; 4]);
    let refuse = |damping: &str, what: &str| {
        refused(&["pinv", &a, "-o", &x, "--damping", damping], 2, what);
    };
    refuse("1,2,3", "--damping has 3 numbers, but there are 4 matrices");
    refuse("0,1,2,-3", "it must not be negative");
    refuse("0,1,2,x", "it must be a number");
    refuse("nowhere.npy", "nowhere.npy: No such file");
    write(l.as_ref(), &[3], Order::C, &[1.0f64; 3]);
    refuse(&l, "l.npy: holds 3 numbers, but there are 4 matrices");
    write(l.as_ref(), &[4], Order::C, &[1.0, 1.0, -2.0, 1.0]);
    refuse(
        &l,
        "l.npy: number 2 is -2, but damping must be finite and not negative",
    );
    write(l.as_ref(), &[4], Order::C, &[1.0, 1.0, 1.0, f64::NAN]);
    refuse(&l, "l.npy: number 3 is NaN");
    // Zero damps nothing, and is checked as ever.
    assert!(
        success(&["pinv", &a, "-o", &x, "--damping", "0", "--verify"])
            .contains("4 of 4, none above")
    );
    for command in ["lstsq", "whiten"] {
        let b = scratch.text("b.npy");
        write(b.as_ref(), &[2, 2, 1], Order::C, &[1.0f64; 4]);
        let (sides, output) = match command {
            "lstsq" => (&[b.as_str()][..], scratch.text("y.npy")),
            _ => (&[][..], scratch.text("w")),
        };
        success(
            &[
                &[command, &a][..],
                sides,
                &["-o", &output, "--damping", "0,1,2,3"],
            ]
            .concat(),
        );
        if command == "lstsq" {
            close(read::<f64>(&output).1, [0.0, 1.0, 2.0, 3.0]);
        }
    }
    // Archives: of each array, or of all matrices in order.
    let stored = zip::CompressionMethod::Stored;
    let (z, y) = (scratch.text("z.npz"), scratch.text("y.npz"));
    let eye: [(&str, &[u64], &[f64]); 2] = [("p", &[3, 1, 1], &[1.0; 3]), ("q", &[1, 1], &[1.0])];
    npz(&z, stored, &eye);
    let by_key: [(&str, &[u64], &[f64]); 2] = [("q", &[1], &[3.0]), ("p", &[3], &[0.0, 1.0, 2.0])];
    npz(scratch.path("l.npz"), stored, &by_key);
    for damping in [&scratch.text("l.npz"), "0,1,2,3"] {
        success(&["pinv", &z, "-o", &y, "--damping", damping]);
        close(
            read_npz::<f64>(&y).into_iter().flat_map(|x| x.2).collect(),
            [0.0, 1.0, 2.0, 3.0],
        );
    }
    npz(scratch.path("l.npz"), stored, &by_key[1..]);
    refused(
        &["pinv", &z, "-o", &y, "--damping", &scratch.text("l.npz")],
        2,
        "l.npz: has no array q",
    );
}

#[test]
fn a_number_that_cannot_be_is_told_what_it_must_be() {
    let scratch = Scratch::new();
    let (a, x) = (matrices(&scratch), scratch.text("x.npy"));
    let mut options = vec![
        ("--rank", "-1", "not negative"),
        ("--rank", "2.5", "a whole number"),
    ];
    options.extend([
        ("--max-sweeps", "-3", "at least 1"),
        ("--max-sweeps", "nan", "at least 1"),
    ]);
    options.extend([
        ("--energy", "1.5", "a part of one"),
        ("--tolerance", "-0.5", "cosine"),
    ]);
    for option in ["--rcond", "--atol", "--error", "--energy", "--damping"] {
        options.extend([
            (option, "-1", "must not be negative"),
            (option, "-1e-3", "must not be negative"),
        ]);
        options.extend([
            (option, "nan", "finite"),
            (option, "inf", "finite"),
            (option, "-inf", "finite"),
        ]);
    }
    for option in ["--rcond", "--atol", "--error", "--energy"] {
        options.extend([
            (option, "many", "must be a number"),
            (option, "", "must be a number"),
        ]);
    }
    for (option, number, what) in options {
        let args = ["pinv", &a, "-o", &x, option, number];
        refused(&args, 2, what);
        let complaint = &complaints(&run(&args))[0];
        assert!(
            complaint.contains(option) && complaint.contains(&format!("'{number}'")),
            "{complaint}"
        );
        refused(
            &["pinv", &a, "-o", &x, &format!("{option}={number}")],
            2,
            what,
        );
    }
    refused(
        &["svd", &a, "-o", &scratch.text("d"), "--rank", "-1"],
        2,
        "whole number",
    );
    refused(&["pinv", &a, "-o", &x, "--bogus"], 2, "'--bogus'");
    refused(&["pinv", &a], 2, "--output <OUT.npy>");
    refused(&["pniv", &a], 2, "'pinv'");
    refused(&[], 2, "no command was given");
    assert!(!Path::new(&x).exists());
}

#[test]
fn a_folder_that_is_needed_is_said_to_be() {
    let scratch = Scratch::new();
    let a = matrices(&scratch);
    std::fs::write(scratch.path("there"), b"mine").unwrap();
    for (args, files) in [
        (&["svd"][..], "u.npy, s.npy, vt.npy"),
        (&["measures"], "rank.npy, condition.npy"),
        (&["low-rank", "--factors"], "left.npy, right.npy, s.npy"),
        (&["basis"], "vectors.npy, dimensions.npy"),
        (&["polar"], "q.npy, h.npy"),
        (&["eigh"], "w.npy, v.npy"),
        (&["pca"], "mean.npy, components.npy"),
        (&["whiten"], "mean.npy, transform.npy"),
    ] {
        for output in ["o.npy", "o.npz", "there", "-"] {
            let output = match output {
                "-" => output.to_string(),
                name => scratch.text(name),
            };
            let what = format!("{output}: a folder is needed here, for {files}");
            refused(&[args, &[&a, "-o", &output]].concat(), 2, &what);
        }
    }
    assert_eq!(std::fs::read(scratch.path("there")).unwrap(), b"mine");
    refused(
        &["low-rank", &a, "-o", scratch.0.path().to_str().unwrap()],
        2,
        "is a folder",
    );
    success(&["svd", &a, "-o", &format!("{}/", scratch.text("o.npy"))]);
    assert!(scratch.path("o.npy/u.npy").exists());
}

#[test]
fn verify_names_both_ways() {
    let scratch = Scratch::new();
    let a = matrices(&scratch);
    let args = ["verify", &a];
    refused(&args, 2, "--inverse X.npy");
    refused(&args, 2, "--factors DIR");
    let x = scratch.text("x.npy");
    success(&["pinv", &a, "-o", &x, "--dtype", "f32"]);
    refused(
        &["verify", &a, "--inverse", &x],
        2,
        "--dtype f32 judges them in f32",
    );
    assert!(
        success(&["verify", &a, "--inverse", &x, "--dtype", "f32"]).contains("3 of 3, none above")
    );
}

#[cfg(not(feature = "bench"))]
#[test]
fn a_command_that_is_not_built_says_which_feature_it_needs() {
    for args in [
        &["bench"][..],
        &["bench", "--quick", "--plot", "x.svg"],
        &["bench", "--help"],
        &["bench", "--json"],
    ] {
        refused(
            args,
            2,
            "the feature bench: cargo run --release --features bench -- bench",
        );
    }
}

/// A line through 10,000 points: good data that NumPy's cutoff drops in f32.
#[test]
fn numpys_cutoff_has_a_name() {
    let scratch = Scratch::new();
    let m = 10_000;
    let a: Vec<f32> = (0..m).flat_map(|t| [1.0, t as f32]).collect();
    let b: Vec<f32> = (0..m).map(|t| 2020.0 + 2020.0 * t as f32).collect();
    write(&scratch.path("a.npy"), &[m, 2], Order::C, &a);
    write(&scratch.path("b.npy"), &[m], Order::C, &b);
    let [a, b, x] = ["a.npy", "b.npy", "x.npy"].map(|name| scratch.text(name));
    success(&["lstsq", &a, &b, "-o", &x]);
    let (_, fit) = read::<f32>(&x);
    assert!((fit[0] - 2020.0).abs() < 2.0, "{fit:?}");
    success(&["lstsq", &a, &b, "-o", &x, "--rcond", "numpy"]);
    let (_, fit) = read::<f32>(&x);
    assert!(fit[0].abs() < 2.0, "{fit:?}");
    refused(
        &["lstsq", &a, &b, "-o", &x, "--rcond", "matlab"],
        2,
        "numpy",
    );
}

#[test]
fn solutions_are_refined_on_request() {
    let scratch = Scratch::new();
    let a = matrices(&scratch);
    let b: Vec<f64> = (0..3 * 5).map(|e| f64::from(e).cos()).collect();
    write(&scratch.path("b.npy"), &[3, 5], Order::C, &b);
    let [b, x, y] = ["b.npy", "x.npy", "y.npy"].map(|name| scratch.text(name));
    success(&["lstsq", &a, &b, "-o", &x]);
    success(&["lstsq", &a, &b, "-o", &y, "--refine", "--verify"]);
    let (plain, refined) = (read::<f64>(&x).1, read::<f64>(&y).1);
    assert!(plain != refined, "the last digits differ");
    for (x, y) in plain.iter().zip(&refined) {
        assert!((x - y).abs() < 1e-13, "{x} {y}");
    }
    let damped = ["lstsq", &a, &b, "-o", &x, "--refine", "--damping", "1"];
    refused(&damped, 2, "--damping");
}

#[test]
fn whitening_has_an_epsilon() {
    let scratch = Scratch::new();
    // Two features that vary by 8 and by nothing.
    let a = [2.0, 5.0, -2.0, 5.0];
    write(&scratch.path("a.npy"), &[2, 2], Order::C, &a);
    let [a, dir] = ["a.npy", "d"].map(|name| scratch.text(name));
    let said = success(&["whiten", &a, "-o", &dir, "--epsilon", "1", "--verify"]);
    assert!(
        said.contains("nothing is promised of regularised results"),
        "{said}"
    );
    let (_, w) = read::<f64>(scratch.path("d").join("transform.npy"));
    for (w, exact) in w.iter().zip([1.0 / 3.0, 0.0, 0.0, 1.0]) {
        assert!((w - exact).abs() < 1e-15, "{w} {exact}");
    }
    let both = ["whiten", &a, "-o", &dir, "--epsilon", "1", "--damping", "1"];
    refused(&both, 2, "give one of them");
    refused(
        &["whiten", &a, "-o", &dir, "--epsilon", "-1"],
        2,
        "negative",
    );
}
