//! Instructions of the CPU kernels, counted by valgrind's exp-bbv over a fixed small input on one
//! thread: figures that do not depend on how busy a machine is. Valgrind hides AVX-512, so they are of
//! the AVX2 kernels. (Its callgrind, version 3.19, computes some of them wrongly, sweep after sweep:
//! hence another tool, and a check of what was computed.)
//!
//! ```text
//! cargo bench --bench instructions              fails if a count exceeds the committed one
//! cargo bench --bench instructions -- --save    commits to the counts of now
//! ```

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use batched_svd::{Batch, Engine, Real};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.json");
/// What a compiler's whims may add before it counts as a regression.
const SLACK: f64 = 0.02;

/// What a child is told.
const SOLVE: &str = "--solve";
const GENERATE: &str = "--generate";

#[derive(Clone, Copy)]
enum Op {
    Svd,
    Svdvals,
    Pinv,
    /// One right-hand side.
    Lstsq,
}

/// Name, operation, rows, columns, matrices.
type Case = (&'static str, Op, usize, usize, usize);

const F32: &[Case] = &[
    ("svd f32 3x3", Op::Svd, 3, 3, 1024),
    ("svd f32 6x7", Op::Svd, 6, 7, 256),
    ("svd f32 8x8", Op::Svd, 8, 8, 256),
    ("svd f32 16x16", Op::Svd, 16, 16, 64),
    ("svd f32 32x32", Op::Svd, 32, 32, 32),
    ("svd f32 64x64", Op::Svd, 64, 64, 8),
    ("svd f32 64x16", Op::Svd, 64, 16, 32),
    ("svd f32 256x32", Op::Svd, 256, 32, 8),
    ("svd f32 128x128", Op::Svd, 128, 128, 1),
    ("svdvals f32 16x16", Op::Svdvals, 16, 16, 64),
    ("pinv f32 6x7", Op::Pinv, 6, 7, 256),
    ("pinv f32 16x16", Op::Pinv, 16, 16, 64),
    ("lstsq f32 6x7", Op::Lstsq, 6, 7, 256),
    ("lstsq f32 16x16", Op::Lstsq, 16, 16, 64),
    ("lstsq f32 64x16", Op::Lstsq, 64, 16, 32),
    ("svd f32 8x8, one matrix", Op::Svd, 8, 8, 1),
];
const F64: &[Case] = &[
    ("svd f64 3x3", Op::Svd, 3, 3, 512),
    ("svd f64 16x16", Op::Svd, 16, 16, 32),
    ("svd f64 64x64", Op::Svd, 64, 64, 4),
];

fn normal<T: Real>(case: &Case) -> Batch<T>
where
    StandardNormal: Distribution<T>,
{
    let (.., m, n, count) = *case;
    let mut rng = StdRng::seed_from_u64(1);
    Batch::from_fn(count, m, n, |_, _, _| StandardNormal.sample(&mut rng)).expect("a small batch")
}

/// Calls that are counted: one small matrix alone is lost among what a process does besides.
fn calls(case: &Case) -> usize {
    if case.4 == 1 && case.2 <= 8 { 64 } else { 1 }
}

/// What is counted; whether every matrix converged, with its full rank.
fn solve<T: Real>(op: Op, a: &Batch<T>) -> bool {
    let engine = Engine::cpu();
    let report = match op {
        Op::Svd => engine.svd(a).run().map(|svd| svd.report),
        Op::Svdvals => engine.singular_values(a).run().map(|found| found.report),
        Op::Pinv => engine.pinv(a).run().map(|pinv| pinv.report),
        Op::Lstsq => {
            // The first column of each, for want of another.
            let b = a.view().submatrix(0..a.rows(), 0..1);
            b.and_then(|b| engine.lstsq(a, b).run())
                .map(|lstsq| lstsq.report)
        }
    };
    let full = a.rows().min(a.cols());
    report.is_ok_and(|report| {
        let done = report.outcomes.iter();
        report.failures().next().is_none() && done.into_iter().all(|o| o.rank as usize == full)
    })
}

/// Makes the input of a case, and solves it if told to.
fn run<T: Real>(case: &Case, solves: bool) -> bool
where
    StandardNormal: Distribution<T>,
{
    let a = normal::<T>(case);
    !solves || (0..calls(case)).all(|_| solve(case.1, &a))
}

/// The process that is counted.
fn child(name: &str, solves: bool) -> ExitCode {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let find = |cases: &'static [Case]| cases.iter().find(|case| case.0 == name);
    let done = one
        .expect("a thread")
        .install(|| match (find(F32), find(F64)) {
            (Some(case), _) => run::<f32>(case, solves),
            (_, Some(case)) => run::<f64>(case, solves),
            _ => false,
        });
    ExitCode::from(u8::from(!done))
}

/// Instructions of a process of this program.
fn total(flag: &str, name: &str) -> Result<f64, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=exp-bbv", "--instr-count-only=yes"])
        .args(["--bb-out-file=/dev/null", "--pc-out-file=/dev/null"])
        .arg(own)
        .args([flag, name])
        .output()
        .map_err(|e| format!("valgrind: {e}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{flag}: {}: {text}", output.status));
    }
    // A line a thread.
    let counted = text.split("Total instructions:").skip(1);
    let threads = counted.filter_map(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    Ok(threads.sum())
}

/// Instructions a matrix: with the solve, less without.
fn count(case: &Case) -> Result<f64, String> {
    let instructions = total(SOLVE, case.0)? - total(GENERATE, case.0)?;
    match instructions > 1000.0 {
        true => Ok(instructions / (case.4 * calls(case)) as f64),
        false => Err(format!("valgrind counted {instructions} instructions")),
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = args.as_slice()
        && [SOLVE, GENERATE].contains(&flag.as_str())
    {
        return child(name, flag == SOLVE);
    }
    // `cargo test --benches` and the like only want to see it start.
    if args.iter().any(|arg| arg == "--test") {
        return ExitCode::SUCCESS;
    }
    let save = args.iter().any(|arg| arg == "--save");
    let baseline: BTreeMap<String, f64> = std::fs::read_to_string(BASELINE)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let (mut counts, mut worse) = (BTreeMap::new(), 0);
    println!(
        "{:<26}{:>14}{:>14}{:>9}",
        "instructions a matrix", "now", "committed", "ratio"
    );
    for case in F32.iter().chain(F64) {
        let now = match count(case) {
            Ok(now) => now.round(),
            Err(error) => {
                eprintln!("{}: {error}", case.0);
                return ExitCode::FAILURE;
            }
        };
        counts.insert(case.0.to_string(), now);
        let Some(&then) = baseline.get(case.0) else {
            println!("{:<26}{now:>14}{:>14}", case.0, "none");
            worse += 1;
            continue;
        };
        let ratio = now / then;
        let verdict = match ratio {
            r if r > 1.0 + SLACK => "  worse",
            r if r < 1.0 - SLACK => "  better: save it",
            _ => "",
        };
        worse += usize::from(ratio > 1.0 + SLACK);
        println!("{:<26}{now:>14}{then:>14}{ratio:>9.3}{verdict}", case.0);
    }
    if save {
        let text = serde_json::to_string_pretty(&counts).expect("plain numbers");
        return match std::fs::write(BASELINE, text + "\n") {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{BASELINE}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if worse > 0 {
        eprintln!(
            "{worse} counts exceed benches/instructions.json by more than {:.0} %, or are not in it",
            100.0 * SLACK
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
