//! Plans without a device.

use super::*;

fn facts(name: &str) -> String {
    format!(
        "{}/examples/devices/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    )
}

#[test]
fn plans_are_told_of_devices_that_are_not_there() {
    if !GPU {
        let output = run(&["explain", "3x3"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(complaints(&output)[0].contains("has not the feature gpu"));
        return;
    }
    // A card holds 64 columns in registers, others take them to memory of some kind.
    for (name, kernel, refused) in [
        ("h100", "jacobi-columns", 1),
        ("rdna3", "jacobi-resident", 2),
        ("m-series", "jacobi-blocks", 4),
        ("webgpu", "jacobi-blocks", 4),
    ] {
        let plan = json(&["explain", "64x64", "--device", &facts(name)]);
        assert_eq!(plan["kernel"], kernel, "{plan}");
        assert_eq!(plan["refused"].as_array().unwrap().len(), refused, "{plan}");
        assert_eq!(plan["fill"].is_null(), name == "webgpu", "{plan}");
    }
    let text = success(&["explain", "64x64", "--device", &facts("rdna3")]);
    for line in [
        "svd 64x64 f32 on AMD Radeon RX 7900 XTX (RDNA 3), RADV",
        "  not jacobi-columns   it takes 256 registers, of 192 an invocation",
        "  takes jacobi-resident",
        "workgroup   40256 bytes of memory, leading dimensions 68 and 68",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
    let other = [
        "explain",
        "64x64",
        "--device",
        &facts("h100"),
        "--set",
        "invocation_words=128",
    ];
    assert_eq!(json(&other)["kernel"], "jacobi-resident");
}

/// A submit keeps a large card at work. (Of 1024x64 a chunk of 64 MiB is half of what an H100 holds.)
#[test]
#[cfg(feature = "gpu")]
fn a_card_is_filled() {
    for shape in [
        "16x16", "24x24", "32x32", "40x40", "48x48", "64x64", "256x32",
    ] {
        for op in ["svd", "pinv"] {
            let plan = json(&["explain", shape, "--op", op, "--device", &facts("h100")]);
            let filled = plan["fill"]["filled"].as_f64().unwrap();
            assert!(filled >= 0.9, "{op} {shape}: {plan}");
        }
    }
}

#[test]
#[cfg(feature = "gpu")]
fn kernels_are_written_in_every_language_that_has_their_type() {
    let scratch = Scratch::new();
    let folder = scratch.text("kernels");
    let files = || {
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let device = facts("h100");
    let args = ["explain", "100x100", "--device", &device, "--wgsl", &folder];
    success(&args);
    let plan = std::fs::read_to_string(Path::new(&folder).join("plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let mut expected = vec!["plan.json".to_string()];
    for stage in plan["stages"].as_array().unwrap() {
        let name = stage["name"].as_str().unwrap();
        expected.extend(["hlsl", "msl", "spv", "wgsl"].map(|kind| format!("{name}.{kind}")));
    }
    expected.sort();
    assert_eq!(files(), expected);
    let wgsl = std::fs::read_to_string(Path::new(&folder).join("blocks.wgsl")).unwrap();
    assert!(wgsl.contains("fn blocks("));
    let spirv = std::fs::read(Path::new(&folder).join("blocks.spv")).unwrap();
    assert_eq!(spirv[..4], 0x0723_0203u32.to_le_bytes());
    std::fs::remove_dir_all(&folder).unwrap();
    success(&[
        "explain", "8x8", "--dtype", "f64", "--device", &device, "--wgsl", &folder,
    ]);
    assert_eq!(files(), ["columns.spv", "columns.wgsl", "plan.json"]);
    // Of complex matrices as of their parts.
    for (dtype, kinds) in [
        ("c32", &["hlsl", "msl", "spv", "wgsl"][..]),
        ("c64", &["spv", "wgsl"]),
    ] {
        std::fs::remove_dir_all(&folder).unwrap();
        success(&[
            "explain", "4x4", "--dtype", dtype, "--device", &device, "--wgsl", &folder,
        ]);
        let name = if dtype == "c32" { "tiny" } else { "columns" };
        let mut expected = vec!["plan.json".to_string()];
        expected.extend(kinds.iter().map(|kind| format!("{name}.{kind}")));
        expected.sort();
        assert_eq!(files(), expected);
    }
    for (shape, kernel) in [("16x16", "jacobi-columns"), ("17x17", "jacobi-resident")] {
        let plan = ["explain", shape, "--dtype", "c32", "--device", &device];
        let plan = json(&[&plan[..], &["--set", "invocation_words=128"]].concat());
        assert_eq!(plan["kernel"], kernel, "{plan}");
    }
}

#[test]
#[cfg(feature = "gpu")]
fn what_cannot_be_explained_is_said_in_a_line() {
    let scratch = Scratch::new();
    let wrong = scratch.path("wrong.json");
    std::fs::write(&wrong, r#"{"name": "card", "subgruop": 32}"#).unwrap();
    let wrong = scratch.text("wrong.json");
    let device = facts("webgpu");
    for (args, code, what) in [
        (&["explain", "64"][..], 2, "a shape is written as ROWSxCOLS"),
        (
            &["explain", "3x3", "--device", &wrong],
            2,
            "\"subgruop\" is none of name",
        ),
        (
            &["explain", "3x3", "--device", "nowhere.json"],
            2,
            "nowhere.json",
        ),
        (
            &["explain", "3x3", "--set", "words=3"],
            2,
            "there is no \"words\", only invocation_words",
        ),
        (
            &["explain", "9000x9000", "--device", &device],
            1,
            "9000x9000 matrix with its factors",
        ),
        (
            &["explain", "3x3", "--dtype", "f64", "--device", &device],
            1,
            "no f64 in shaders",
        ),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let said = complaints(&output);
        assert!(
            said.len() == 1 && said[0].contains(what),
            "{args:?}: {said:?}"
        );
    }
}

/// Without the vectors of the longer side nothing is formed of them.
#[test]
#[cfg(feature = "gpu")]
fn one_factor_is_explained() {
    for (shape, op, forms) in [
        ("80x64", "v", false),
        ("80x64", "u", true),
        ("64x80", "u", false),
        ("64x80", "v", true),
        ("64x64", "eigh", false),
    ] {
        let plan = json(&["explain", shape, "--op", op, "--device", &facts("webgpu")]);
        let stages = plan["stages"].as_array().unwrap();
        let formed = stages.iter().any(|stage| stage["name"] == "form_u");
        assert_eq!(formed, forms, "{op} of {shape}: {plan}");
    }
    let args = ["explain", "3x4", "--op", "eigh", "--device", &facts("h100")];
    refused(&args, 2, "a 3x4 matrix has no eigenvalues");
}
