//! `shrink`: what becomes of singular values by each rule, the noise level, and what is wrong with one.

use batched_svd::Complex;

use super::*;

/// diag(5, 1) and diag(3, 4).
const DIAGONAL: [f64; 8] = [5.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 4.0];

#[test]
fn singular_values_become_what_the_rule_says() {
    let scratch = Scratch::new();
    let [a, o, l] = ["a.npy", "o.npy", "l.npy"].map(|name| scratch.text(name));
    write(a.as_ref(), &[2, 2, 2], Order::C, &DIAGONAL);
    // Of n x n matrices with noise L: the signal x is such that x + n L^2 / x = s, and its vectors have the squared cosine
    // c = 1 - n L^2 / x^2. The best for the Frobenius norm is x c = sqrt(s^2 - 4 n L^2), for the nuclear norm x (2 c - 1).
    let root = 17f64.sqrt();
    let signal = 0.5 * (5.0 + root);
    let nuclear = signal * (1.0 - 4.0 / (signal * signal));
    for (rule, first) in [
        ("frobenius", root),
        ("operator", signal),
        ("nuclear", nuclear),
        ("hard-threshold", 5.0),
    ] {
        let levels = ["--noise", "1,0", "--levels", &l, "--rule", rule];
        let object = json(&[&["shrink", &a, "-o", &o][..], &levels].concat());
        assert_eq!(object["ranks"], serde_json::json!({"1": 1, "2": 1}));
        let noise = serde_json::json!({"min": 0.0, "median": 0.5, "max": 1.0});
        assert_eq!(object["noise"], noise);
        let (shape, found) = read::<f64>(&o);
        assert_eq!(shape, [2, 2, 2]);
        let exact = [first, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 4.0];
        for (found, exact) in found.iter().zip(exact) {
            assert!((found - exact).abs() < 1e-14, "{rule}: {found}, {exact}");
        }
        assert_eq!(read::<f64>(&l), (vec![2], vec![1.0, 0.0]));
    }
    // Complex ones keep their phases.
    let turned = DIAGONAL.map(|x| Complex::new(0.0, x));
    write(a.as_ref(), &[2, 2, 2], Order::C, &turned);
    success(&["shrink", &a, "-o", &o, "--noise", "1"]);
    let (_, found) = read::<Complex<f64>>(&o);
    let exact = [root, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 8f64.sqrt()];
    for (found, exact) in found.iter().zip(exact) {
        assert!((found - Complex::new(0.0, exact)).norm() < 1e-14, "{found}");
    }
}

#[test]
fn the_noise_level_is_estimated_and_told() {
    let scratch = Scratch::new();
    let [a, o, l] = ["a.npy", "o.npy", "l.npy"].map(|name| scratch.text(name));
    // One outer product, and noise that is uniform between -1 and 1.
    let noise = |at: usize| (1e5 * (at as f64).sin()).rem_euclid(2.0) - 1.0;
    let entry = |at: usize| 5.0 * ((at / 50 % 60) as f64).sin() + noise(at);
    let entries: Vec<f64> = (0..3 * 60 * 50).map(entry).collect();
    write(a.as_ref(), &[3, 1, 60, 50], Order::C, &entries);
    let said = success(&["shrink", &a, "-o", &o, "--levels", &l, "--no-check"]);
    let (shape, levels) = read::<f64>(&l);
    assert_eq!(shape, [3, 1]);
    let exact = 1.0 / 3f64.sqrt();
    let near = |level: &f64| (level / exact - 1.0).abs() < 0.1;
    assert!(levels.iter().all(near), "{levels:?}");
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    let [least, median, most] = [0, 1, 2].map(|at| format!("{:.3e}", sorted[at]));
    let line = format!("noise             {least} to {most}, median {median}\n");
    assert!(said.contains(&line), "{said}");
    assert!(said.contains("\nranks             1 (3)"), "{said}");
    success(&["shrink", &a, "-o", &o, "--levels", &l, "--shared-noise"]);
    assert_eq!(read::<f64>(&l).1, [sorted[1]; 3]);
}

#[test]
fn noise_levels_that_do_not_fit_get_one_clear_line() {
    let scratch = Scratch::new();
    let [a, o, l] = ["a.npy", "o.npy", "l.npy"].map(|name| scratch.text(name));
    write(a.as_ref(), &[2, 2, 2], Order::C, &DIAGONAL);
    write(l.as_ref(), &[2], Order::C, &[1.0, -2.0]);
    let refuse = |more: &[&str], what: &str| {
        refused(&[&["shrink", &a, "-o", &o], more].concat(), 2, what);
    };
    let count = "--noise has 3 numbers, but there are 2 matrices";
    refuse(&["--noise", "1,2,3"], count);
    let sign = "l.npy: number 1 is -2, but noise must be finite and not negative";
    refuse(&["--noise", &l], sign);
    refuse(&["--noise", "-1"], "it must not be negative");
    refuse(&["--rule", "soft"], "'soft' for '--rule");
    refuse(&["--noise", "1", "--shared-noise"], "--shared-noise");
    refuse(&["--levels", &a], "a.npy: is read by this command");
}
