//! Files of any type and header that NumPy reads, and right-hand sides of any shape that fits.

use super::*;

/// Numbers that every type of them can hold, but those without a sign.
const SMALL: [i8; 12] = [3, -1, 4, 1, -5, 9, 2, 6, -5, 3, 5, 8];

fn header(descr: &str, order: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}          \n")
}

/// The singular values of SMALL as 2x3x2, in f64.
fn values(scratch: &Scratch, file: &str, args: &[&str]) -> (String, Vec<f64>) {
    let (a, d) = (scratch.text(file), scratch.text("d"));
    let said = success(&[&["svd", &a, "-o", &d, "--vectors", "none"], args].concat());
    let s = scratch.path("d/s.npy");
    let file = NpyFile::new(std::fs::File::open(&s).unwrap()).unwrap();
    let single = file.dtype().descr().contains("f4");
    let values = match single {
        true => read::<f32>(&s).1.into_iter().map(f64::from).collect(),
        false => read::<f64>(&s).1,
    };
    (
        format!("{} {said}", if single { "f32" } else { "f64" }),
        values,
    )
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) -> bool {
    let near = |(x, y): (&f64, &f64)| (x - y).abs() <= tolerance * expected[0];
    found.len() == expected.len() && found.iter().zip(expected).all(near)
}

#[test]
fn headers_that_numpy_reads_are_read() {
    let scratch = Scratch::new();
    let doubles = SMALL.map(f64::from);
    write(&scratch.path("a.npy"), &[2, 3, 2], Order::C, &doubles);
    let (_, expected) = values(&scratch, "a.npy", &[]);
    let little: Vec<u8> = doubles.iter().flat_map(|x| x.to_le_bytes()).collect();
    let big: Vec<u8> = doubles.iter().flat_map(|x| x.to_be_bytes()).collect();
    let singles: Vec<u8> = SMALL
        .iter()
        .flat_map(|x| f32::from(*x).to_be_bytes())
        .collect();
    for version in 1..=3 {
        for (descr, bytes) in [
            ("'<f8'", &little),
            ("'=f8'", &little),
            ("'f8'", &little),
            ("\"float64\"", &little),
            ("'<d'", &little),
            ("'d'", &little),
            ("'double'", &little),
            ("'>f8'", &big),
            ("'>d'", &big),
            ("'>f4'", &singles),
        ] {
            for shape in ["(2, 3, 2)", "(2L, 3L, 2L)", "(2,3,2,)", "[2, 3, 2]"] {
                with_header(
                    &scratch.path("h.npy"),
                    version,
                    &header(descr, "False", shape),
                    bytes,
                );
                let (said, found) = values(&scratch, "h.npy", &[]);
                assert!(close(&found, &expected, 1e-6), "{descr} {shape}: {found:?}");
                assert_eq!(said.starts_with("f32"), descr == "'>f4'", "{said}");
            }
        }
    }
    let other = "{ 'shape' : (2,3,2) ,\n\"fortran_order\": False,'descr':'<f8'}\n";
    with_header(&scratch.path("h.npy"), 1, other, &little);
    assert_eq!(values(&scratch, "h.npy", &[]).1, expected);
    // The last index slowest.
    let mut columns = Vec::new();
    for e in 0..12 {
        let (i, j, k) = (e % 2, e / 2 % 3, e / 6);
        columns.extend(doubles[6 * i + 2 * j + k].to_be_bytes());
    }
    with_header(
        &scratch.path("h.npy"),
        2,
        &header("'>f8'", "True", "(2, 3, 2)"),
        &columns,
    );
    assert_eq!(values(&scratch, "h.npy", &[]).1, expected);
    with_header(
        &scratch.path("h.npy"),
        4,
        &header("'<f8'", "False", "(2, 3, 2)"),
        &little,
    );
    refused(
        &["pinv", &scratch.text("h.npy"), "-o", &scratch.text("x.npy")],
        2,
        "version 4.0",
    );
}

#[test]
fn bytes_that_are_left_over_are_counted() {
    let scratch = Scratch::new();
    let (file, x) = (scratch.text("a.npy"), scratch.text("x.npy"));
    for (shape, entries, more) in [("(2, 2)", 4, 1), ("(2, 2)", 4, 4), ("(0, 2, 3)", 0, 8)] {
        let text = header("'<f4'", "False", shape);
        with_header(file.as_ref(), 1, &text, &vec![0; 4 * entries + more]);
        let what = format!(
            "takes {} bytes, but it holds {}",
            4 * entries,
            4 * entries + more
        );
        refused(&["pinv", &file, "-o", &x], 2, &what);
        #[cfg(unix)]
        {
            let script = r#"cat "$1" | "$0" pinv - -o "$2""#;
            let args = ["-c", script, env!("CARGO_BIN_EXE_batched-svd"), &file, &x];
            let output = Command::new("sh").args(args).output().unwrap();
            assert_eq!(output.status.code(), Some(2));
            assert!(complaints(&output)[0].contains(&what), "{output:?}");
        }
    }
    zipped(
        scratch.path("a.npz"),
        &[("a.npy", &std::fs::read(&file).unwrap())],
    );
    let archive = scratch.text("a.npz");
    refused(
        &["pinv", &archive, "-o", &scratch.text("x.npz")],
        2,
        "array a: has 8 bytes after its last entry",
    );
}

#[test]
fn what_is_no_npy_file_is_said_to_be_none() {
    let scratch = Scratch::new();
    for (contents, what) in [
        (&b""[..], "it is empty"),
        (b"1,2\n3,4\n", "it looks like text, of which np.save"),
        (b"hello", "it looks like text"),
        (
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
            "is not a .npy file",
        ),
        (b"\x89HDF\r\n\x1a\n\x00\x00", "is not a .npy file"),
        (b"\x93NUMPX\x01\x00v\x00", "is not a .npy file"),
        (b"\x93NUM", "truncated"),
    ] {
        std::fs::write(scratch.path("a.npy"), contents).unwrap();
        refused(
            &["pinv", &scratch.text("a.npy"), "-o", &scratch.text("x.npy")],
            2,
            what,
        );
    }
    refused(
        &[
            "pinv",
            scratch.0.path().to_str().unwrap(),
            "-o",
            &scratch.text("x.npy"),
        ],
        2,
        "is a folder, but a .npy",
    );
}

#[test]
fn other_types_are_converted_and_named() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path(name);
    let shape = &[2u64, 3, 2][..];
    write(&at("f64.npy"), shape, Order::C, &SMALL.map(f64::from));
    write(&at("i8.npy"), shape, Order::C, &SMALL);
    write(&at("i16.npy"), shape, Order::C, &SMALL.map(i16::from));
    write(&at("i32.npy"), shape, Order::C, &SMALL.map(i32::from));
    write(&at("i64.npy"), shape, Order::C, &SMALL.map(i64::from));
    let positive = SMALL.map(i8::unsigned_abs);
    write(&at("plus.npy"), shape, Order::C, &positive.map(f64::from));
    write(&at("u8.npy"), shape, Order::C, &positive);
    write(&at("u16.npy"), shape, Order::C, &positive.map(u16::from));
    write(&at("u32.npy"), shape, Order::C, &positive.map(u32::from));
    write(&at("u64.npy"), shape, Order::C, &positive.map(u64::from));
    let bits = SMALL.map(|x| x > 2);
    write(
        &at("flags.npy"),
        shape,
        Order::C,
        &bits.map(|bit| f64::from(u8::from(bit))),
    );
    write(&at("bool.npy"), shape, Order::C, &bits);
    // Halves: 1, 1.5, 2 and so on.
    let halves: Vec<u16> = (0..12).map(|e| 0x3c00 + 0x100 * e).collect();
    let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_be_bytes()).collect();
    with_header(
        &at("f16.npy"),
        1,
        &header("'>f2'", "False", "(2, 3, 2)"),
        &bytes,
    );
    let value = |half: &u16| {
        (1.0 + f64::from(half % 0x400) / 1024.0) * 2f64.powi(i32::from(half / 0x400) - 15)
    };
    let halves: Vec<f64> = halves.iter().map(value).collect();
    write(&at("halves.npy"), shape, Order::C, &halves);
    for (exact, names, computed) in [
        ("f64.npy", &["i8", "i16"][..], "f32"),
        ("f64.npy", &["i32", "i64"], "f64"),
        ("plus.npy", &["u8", "u16"], "f32"),
        ("plus.npy", &["u32", "u64"], "f64"),
        ("flags.npy", &["bool"], "f32"),
        ("halves.npy", &["f16"], "f32"),
    ] {
        let (_, expected) = values(&scratch, exact, &[]);
        for name in names {
            let file = format!("{name}.npy");
            let (said, found) = values(&scratch, &file, &[]);
            assert!(
                close(&found, &expected, 1e-6),
                "{name}: {found:?}, not {expected:?}"
            );
            assert!(said.starts_with(computed), "{said}");
            assert!(
                said.contains(&format!("2 of 3x2, {name}, computed in {computed}\n")),
                "{said}"
            );
            for chosen in ["f32", "f64"] {
                let (said, found) = values(&scratch, &file, &["--dtype", chosen]);
                assert!(
                    said.starts_with(chosen) && close(&found, &expected, 1e-6),
                    "{said}"
                );
            }
            let object = json(&["svd", &scratch.text(&file), "-o", &scratch.text("d")]);
            assert_eq!(
                (&object["dtype"], &object["stored"][0]),
                (&computed.into(), &(*name).into())
            );
        }
    }
    let (said, _) = values(&scratch, "f64.npy", &["--dtype", "f32"]);
    assert!(
        said.starts_with("f32") && said.contains("f64, computed in f32\n"),
        "{said}"
    );
    // What a type cannot hold is not lost without a word.
    let large = [(1i64 << 53) + 1, 1, 0, i64::MAX];
    write(&at("large.npy"), &[2, 2], Order::C, &large);
    let (said, _) = values(&scratch, "large.npy", &[]);
    assert!(
        said.contains("i64, computed in f64 (2 entries rounded)"),
        "{said}"
    );
    write(&at("huge.npy"), &[1, 2], Order::C, &[1e300, 1.0]);
    let (said, _) = values(&scratch, "huge.npy", &["--dtype", "f32"]);
    assert!(
        said.contains("(1 entries beyond its range, infinite now)"),
        "{said}"
    );
}

#[test]
fn types_that_are_no_numbers_are_told_what_to_do() {
    let scratch = Scratch::new();
    for (descr, what) in [
        ("'<c32'", "give x.astype(\"c16\")"),
        ("'<f16'", "give x.astype(\"f8\")"),
        ("'<U5'", "holds text"),
        ("'|S3'", "holds text"),
        ("'|O'", "holds objects of Python"),
        ("'<M8[ns]'", "holds times"),
        ("'|V4'", "holds raw bytes"),
        ("[('x', '<f4'), ('y', '<f4')]", "give one of its fields"),
    ] {
        with_header(
            &scratch.path("a.npy"),
            1,
            &header(descr, "False", "(2, 2)"),
            &[0; 64],
        );
        refused(
            &["pinv", &scratch.text("a.npy"), "-o", &scratch.text("x.npy")],
            2,
            what,
        );
    }
}

#[test]
fn two_types_are_promoted_to_one() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path(name);
    let eye = [2.0f64, 0.0, 0.0, 4.0];
    write(&at("a64.npy"), &[2, 2], Order::C, &eye);
    write(&at("a32.npy"), &[2, 2], Order::C, &eye.map(|x| x as f32));
    write(&at("ai8.npy"), &[2, 2], Order::C, &eye.map(|x| x as i8));
    write(&at("b64.npy"), &[2], Order::C, &[2.0f64, 2.0]);
    write(&at("b32.npy"), &[2], Order::C, &[2.0f32, 2.0]);
    write(&at("bi64.npy"), &[2], Order::C, &[2i64, 2]);
    write(&at("bu8.npy"), &[2], Order::C, &[2u8, 2]);
    let x = scratch.text("x.npy");
    for (a, b, wide) in [
        ("a64", "b32", true),
        ("a32", "b64", true),
        ("a32", "bi64", true),
        ("a32", "bu8", false),
        ("ai8", "b32", false),
        ("ai8", "bi64", true),
    ] {
        let (a, b) = (
            scratch.text(&format!("{a}.npy")),
            scratch.text(&format!("{b}.npy")),
        );
        let said = success(&["lstsq", &a, &b, "-o", &x]);
        match wide {
            true => assert_eq!(read::<f64>(&x), (vec![2], vec![1.0, 0.5]), "{said}"),
            false => assert_eq!(read::<f32>(&x), (vec![2], vec![1.0, 0.5]), "{said}"),
        }
    }
    let mixed = scratch.text("m.npz");
    let bytes = |name: &str| std::fs::read(at(name)).unwrap();
    zipped(
        &mixed,
        &[("p.npy", &bytes("a32.npy")), ("q.npy", &bytes("a64.npy"))],
    );
    let said = success(&["pinv", &mixed, "-o", &scratch.text("x.npz")]);
    assert!(said.contains("f32 and f64, computed in f64"), "{said}");
    let half = read_npz::<f64>(scratch.path("x.npz"));
    assert_eq!((half[0].2[0], half[1].2[3]), (0.5, 0.25));
}

#[test]
fn right_hand_sides_are_vectors_or_matrices_for_each_or_for_all() {
    let scratch = Scratch::new();
    let (a, b, x) = (
        scratch.text("a.npy"),
        scratch.text("b.npy"),
        scratch.text("x.npy"),
    );
    let scales = |n: usize| (1..=n).map(|s| 1.0 / s as f64);
    // Matrices s I, so that a solution is b / s.
    let put = |shape: &[u64], m: usize| {
        let count = shape[..shape.len() - 2].iter().product::<u64>() as usize;
        let entry = |s: usize, e: usize| if e / m == e % m { s as f64 } else { 0.0 };
        let a: Vec<f64> = (1..=count)
            .flat_map(|s| (0..m * m).map(move |e| entry(s, e)))
            .collect();
        write(a_path(&scratch).as_ref(), shape, Order::C, &a);
        count
    };
    let sides = |len: usize| (0..len).map(|e| e as f64 + 1.0).collect::<Vec<_>>();
    for (shape, m, of, solution, kind) in [
        (
            &[4u64, 3, 3][..],
            3,
            &[4u64, 3][..],
            &[4u64, 3][..],
            "a vector for each",
        ),
        (&[4, 3, 3], 3, &[4, 3, 2], &[4, 3, 2], "a matrix for each"),
        (&[4, 3, 3], 3, &[3], &[4, 3], "one vector for all"),
        (&[4, 3, 3], 3, &[3, 2], &[4, 3, 2], "one matrix for all"),
        (&[4, 3, 3], 3, &[1, 3, 2], &[4, 3, 2], "one matrix for all"),
        // Either would fit: one a matrix, as where there are two of them.
        (&[3, 3, 3], 3, &[3, 3], &[3, 3], "a vector for each"),
        (&[3, 3, 3], 3, &[1, 3, 3], &[3, 3, 3], "one matrix for all"),
        (
            &[2, 2, 3, 3],
            3,
            &[2, 2, 3],
            &[2, 2, 3],
            "a vector for each",
        ),
        (
            &[2, 2, 3, 3],
            3,
            &[3, 5],
            &[2, 2, 3, 5],
            "one matrix for all",
        ),
        (&[3, 3], 3, &[3], &[3], "a vector for each"),
        (&[3, 3], 3, &[3, 1], &[3, 1], "a matrix for each"),
    ] {
        let count = put(shape, m);
        let b_entries = sides(of.iter().product::<u64>() as usize);
        write(b.as_ref(), of, Order::C, &b_entries);
        let residuals = scratch.text("r.npy");
        let said = success(&["lstsq", &a, &b, "-o", &x, "--residuals", &residuals]);
        assert!(
            said.contains(&format!("right-hand sides  {kind}, f64\n")),
            "{of:?}: {said}"
        );
        let each = solution.iter().product::<u64>() as usize / count;
        let expected = scales(count).enumerate().flat_map(|(s, scale)| {
            let own = if kind.contains("all") { 0 } else { s * each };
            b_entries[own..own + each].iter().map(move |b| b * scale)
        });
        let (found_shape, found) = read::<f64>(&x);
        assert_eq!(found_shape, solution, "{of:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-14,
                "{of:?}: {found}, not {expected}"
            );
        }
        let vectors = kind.contains("vector");
        let norms = &solution[..solution.len() + usize::from(vectors) - 2];
        let last = (!vectors).then(|| solution[solution.len() - 1]);
        let norms: Vec<u64> = norms.iter().copied().chain(last).collect();
        assert_eq!(read::<f64>(&residuals).0, norms);
    }
    put(&[2, 2, 3, 3], 3);
    for of in [
        &[2u64][..],
        &[4],
        &[2, 3],
        &[2, 2, 4],
        &[3, 2, 2],
        &[2, 2, 2, 3, 1],
        &[1, 1, 1, 3, 1],
    ] {
        write(
            b.as_ref(),
            of,
            Order::C,
            &sides(of.iter().product::<u64>() as usize),
        );
        let what = format!(
            "has shape {of:?}, but these matrices have right-hand sides of shape [2, 2, 3] or [2, 2, 3, p], or [3] or [3, p], one for all"
        );
        refused(&["lstsq", &a, &b, "-o", &x], 2, &what);
    }
}

fn a_path(scratch: &Scratch) -> PathBuf {
    scratch.path("a.npy")
}

/// Archives, too: each array by the same rule.
#[test]
fn an_archive_may_have_one_side_for_all() {
    let scratch = Scratch::new();
    let stored = zip::CompressionMethod::Stored;
    let eye = [1.0f64, 0.0, 0.0, 1.0];
    let twice = [1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 2.0];
    let a: [(&str, &[u64], &[f64]); 2] = [("p", &[2, 2, 2], &twice), ("q", &[2, 2], &eye)];
    npz(scratch.path("a.npz"), stored, &a);
    let b: [(&str, &[u64], &[f64]); 2] = [("p", &[2, 1], &[4.0, 8.0]), ("q", &[2], &[5.0, 6.0])];
    npz(scratch.path("b.npz"), stored, &b);
    success(&[
        "lstsq",
        &scratch.text("a.npz"),
        &scratch.text("b.npz"),
        "-o",
        &scratch.text("x.npz"),
    ]);
    let found = read_npz::<f64>(scratch.path("x.npz"));
    assert_eq!(
        (&found[0].1, &found[0].2),
        (&vec![2, 2, 1], &vec![4.0, 8.0, 2.0, 4.0])
    );
    assert_eq!((&found[1].1, &found[1].2), (&vec![2], &vec![5.0, 6.0]));
}
