use super::*;
use crate::data::options::Options;
use crate::data::scalar::Dtype;
use crate::planner::Vectors;
use crate::planner::limits::WEBGPU;
use crate::planner::paths::plan::Applies;
use crate::planner::paths::{Blocks, Columns, Resident, Rounds, Swept, Tiny};
use crate::planner::problem::Job;

const BANKS: usize = 32;

fn problem(rows: usize, cols: usize, dtype: Dtype) -> Problem {
    let job = Job::svd(Vectors::Thin);
    Problem::new(rows, cols, dtype, job)
}

fn recipe(problem: &Problem, limits: &Limits, tuning: &Tuning) -> Result<GpuRecipe, String> {
    let convergence = Convergence::new(problem, &Options::default());
    GpuRecipe::new(problem, &convergence, limits, tuning)
}

fn path(rows: usize, cols: usize, dtype: Dtype, limits: &Limits) -> &'static str {
    let problem = problem(rows, cols, dtype);
    let recipe = recipe(&problem, limits, &Tuning::default());
    recipe.unwrap().path.name()
}

fn sweeps_per_dispatch(recipe: &GpuRecipe) -> u32 {
    match recipe.path.plan().solver() {
        Solver::Staged {
            sweeps: Sweeps::Workgroup { per_dispatch, .. },
            ..
        } => per_dispatch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_driver_that_leaves_long_loops_gets_short_ones() {
    let lavapipe = Limits {
        workgroup_storage: 32768,
        iterations: 1 << 15,
        ..WEBGPU
    };
    let unlimited = Limits {
        iterations: u64::MAX,
        ..lavapipe
    };
    let tuning = Tuning::default();
    let resident = recipe(&problem(40, 40, Dtype::F32), &lavapipe, &tuning).unwrap();
    assert_eq!(resident.path.name(), Resident::NAME);
    assert!((4..40).contains(&sweeps_per_dispatch(&resident)));
    let large = problem(512, 512, Dtype::F32);
    let short = recipe(&large, &lavapipe, &tuning).unwrap();
    let long = recipe(&large, &unlimited, &tuning).unwrap();
    assert!(short.per_submit.steps < long.per_submit.steps);
    let error = recipe(&problem(1 << 20, 16, Dtype::F32), &lavapipe, &tuning).unwrap_err();
    assert!(error.contains("iterations"), "{error}");
}

#[test]
fn the_path_follows_from_the_shape_and_the_workgroup_memory() {
    use Dtype::{F32, F64};
    assert_eq!(path(3, 3, F32, &WEBGPU), Tiny::NAME);
    assert_eq!(path(4, 4, F64, &WEBGPU), Tiny::NAME);
    assert_eq!(path(16, 4, F32, &WEBGPU), Tiny::NAME);
    assert_eq!(path(17, 5, F32, &WEBGPU), Columns::NAME);
    assert_eq!(path(32, 32, F32, &WEBGPU), Columns::NAME);
    assert_eq!(path(33, 32, F32, &WEBGPU), Resident::NAME);
    assert_eq!(path(16, 16, F64, &WEBGPU), Columns::NAME);
    assert_eq!(path(64, 64, F32, &WEBGPU), Blocks::NAME);
    assert_eq!(path(32, 32, F64, &WEBGPU), Blocks::NAME);
    assert_eq!(path(24, 24, F64, &WEBGPU), Resident::NAME);
    assert_eq!(path(1024, 16, F32, &WEBGPU), Swept::NAME);
    assert_eq!(path(65536, 2, F32, &WEBGPU), Swept::NAME);
    let large = Limits {
        workgroup_storage: 49152,
        ..WEBGPU
    };
    assert_eq!(path(64, 64, F32, &large), Resident::NAME);
    assert_eq!(path(512, 512, F32, &large), Blocks::NAME);
    assert_eq!(path(512, 512, F32, &WEBGPU), Rounds::NAME);
    // Two blocks of two columns are enough, whatever is left of the last.
    for n in [377, 378, 379, 380] {
        assert_eq!(path(n, n, F32, &WEBGPU), Blocks::NAME);
    }
}

#[test]
fn lanes_shuffle_where_a_subgroup_holds_the_team() {
    let of = |n, subgroup| {
        let limits = Limits { subgroup, ..WEBGPU };
        let recipe = recipe(&problem(n, n, Dtype::F32), &limits, &Tuning::default());
        match recipe.as_ref().map(|recipe| recipe.path) {
            Ok(Path::Columns(columns)) => (columns, recipe.unwrap().lanes.workgroup),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((of(5, 8).0.team, of(5, 8).0.shuffles), (8, true));
    assert_eq!((of(9, 8).0.team, of(9, 8).0.shuffles), (16, false));
    assert!(of(32, 32).0.shuffles && of(32, 32).1 == 64);
    // Workgroup memory holds fewer matrices then.
    assert_eq!(of(32, 8).1, 32);
    // Sweeps without end are for a kernel that can be resumed.
    let endless = Options::default().max_sweeps(1000);
    let problem = problem(6, 4, Dtype::F32);
    let convergence = Convergence::new(&problem, &endless);
    let recipe = GpuRecipe::new(&problem, &convergence, &WEBGPU, &Tuning::default());
    assert_eq!(recipe.unwrap().path.name(), Resident::NAME);
}

#[test]
fn every_recipe_keeps_to_the_limits() {
    for subgroup in [1, 4, 8, 32, 64] {
        for workgroup_invocations in [1, 16, 256] {
            let limits = Limits { subgroup, ..WEBGPU };
            let tuning = Tuning {
                workgroup_invocations,
                ..Tuning::default()
            };
            keeps_to_the_limits(&limits, &tuning);
        }
    }
}

fn keeps_to_the_limits(limits: &Limits, tuning: &Tuning) {
    for dtype in [Dtype::F32, Dtype::F64] {
        for m in [1, 2, 7, 16, 31, 44, 45, 64, 100, 512, 1000, 20000] {
            for n in [1, 2, 7, 16, 31, 44, 45, 64, 100, 512] {
                let problem = problem(m, n, dtype);
                let recipe = recipe(&problem, limits, tuning).unwrap();
                let lanes = recipe.lanes;
                assert!(lanes.workgroup <= tuning.workgroup_invocations);
                assert!(lanes.workgroup.is_power_of_two());
                assert!(lanes.column_lanes <= lanes.workgroup);
                assert!(lanes.pair_lanes <= lanes.workgroup);
                let teams = match recipe.path.plan().solver() {
                    Solver::Alone { team, .. } => (lanes.workgroup / team) as usize,
                    Solver::Staged { .. } => 1,
                };
                assert!(recipe.chunk >= 1 && recipe.chunk <= 65535 * teams);
                assert!(recipe.matrices_per_submit <= 65535 * teams);
                assert!(recipe.composed_per_submit <= 65535);
                let size = dtype.size();
                let (rows, cols) = (problem.rows, problem.cols);
                let state = STATE_BYTES as usize;
                for per_matrix in [
                    rows * cols * size,
                    rows * (size + 4),
                    2 * cols * size,
                    state,
                ] {
                    assert!((recipe.chunk * per_matrix) as u64 <= WEBGPU.binding);
                }
                for count in [1, 100, 10_000, 1 << 20] {
                    let at_once = recipe.at_once(count);
                    assert!(at_once >= 1 && at_once <= recipe.chunk.min(count));
                }
                let [leading, j_leading] = recipe.path.plan().leading().map(|n| n as usize);
                let storage = recipe.workgroup_bytes(&problem);
                if let Path::Blocks(blocks) = recipe.path {
                    let width = recipe.path.plan().block_width();
                    assert!(storage <= 16384 && width >= 2, "{m}x{n} {dtype}");
                    assert!(
                        blocks.workgroup <= tuning.workgroup_invocations
                            && blocks.workgroup % blocks.lanes == 0
                    );
                    assert!(leading >= problem.cols);
                }
                if matches!(recipe.path, Path::Resident(_) | Path::Swept(_)) {
                    assert!(storage <= 16384, "{m}x{n} {dtype}");
                    assert!(leading >= problem.cols && j_leading >= problem.cols);
                }
            }
        }
    }
}

/// How many turns an access of a warp to workgroup memory takes in the sweeps, because entries in one bank wait
/// for each other: the mean over all rounds, warps and both columns of a pair. Pairs meet as in
/// shaders/resident.wgsl and blocks.wgsl.
fn turns(recipe: &GpuRecipe, leading: u32, cols: usize, size: usize) -> f64 {
    let opponents = |round: usize, pair: usize, players: usize| {
        let circle = players - 1;
        let p = (round + pair) % circle;
        let q = match pair {
            0 => circle,
            _ => (round + circle - pair) % circle,
        };
        [p.min(q), p.max(q)]
    };
    let width = recipe.path.plan().block_width() as usize;
    let (blocks, lanes, rounds, pairs) = match recipe.path {
        Path::Blocks(blocks) => (true, blocks.lanes, width, width),
        _ => {
            let players = cols.next_multiple_of(2);
            (false, recipe.lanes.pair_lanes, players - 1, players / 2)
        }
    };
    let (lanes, leading) = (lanes as usize, leading as usize);
    // Of 64 bits, half a warp at once.
    let (warp, banks) = (32 * 4 / size, BANKS * 4 / size);
    let (mut all, mut accesses) = (0, 0);
    for round in 0..rounds {
        for first in (0..pairs).step_by((warp / lanes).max(1)) {
            for side in 0..2 {
                let mut places = vec![std::collections::BTreeSet::new(); banks];
                for pair in first..pairs.min(first + (warp / lanes).max(1)) {
                    let p = match blocks {
                        true => [pair, width + (pair + round) % width][side],
                        false => opponents(round, pair, cols.next_multiple_of(2))[side],
                    };
                    if p >= cols && !blocks {
                        continue;
                    }
                    for row in 0..lanes.min(warp).min(cols) {
                        let at = match blocks {
                            true => p * leading + row,
                            false => row * leading + p,
                        };
                        places[at % banks].insert(at);
                    }
                }
                let most = places.iter().map(|bank| bank.len()).max().unwrap_or(0);
                all += most;
                accesses += usize::from(most > 0);
            }
        }
    }
    all as f64 / accesses as f64
}

#[test]
fn columns_in_workgroup_memory_spread_over_its_banks() {
    let mut seen = [0; 2];
    for (storage, invocation_words) in [(16384, 128), (49152, 128), (49152, 256), (65536, 192)] {
        let limits = Limits {
            workgroup_storage: storage,
            workgroup_invocations: 1024,
            subgroup: 32,
            invocation_words: [invocation_words; 2],
            ..WEBGPU
        };
        for dtype in [Dtype::F32, Dtype::F64] {
            for (m, n) in [
                (24, 24),
                (32, 32),
                (48, 48),
                (64, 64),
                (96, 96),
                (128, 128),
                (256, 256),
                (512, 512),
                (64, 16),
                (256, 32),
                (1024, 16),
                (1024, 64),
            ] {
                let recipe = recipe(&problem(m, n, dtype), &limits, &Tuning::default()).unwrap();
                let which = match recipe.path {
                    Path::Resident(_) | Path::Swept(_) => 0,
                    Path::Blocks(_) => 1,
                    _ => continue,
                };
                seen[which] += 1;
                let of = |leading| turns(&recipe, leading, n, dtype.size());
                let own = of(recipe.path.plan().leading()[0]);
                // A circle of 31 places or fewer does not lie better on banks, but for memory that is short.
                let best = (n as u32..n as u32 + 64)
                    .map(of)
                    .fold(f64::INFINITY, f64::min);
                let most = if n < 48 { 1.1 * best } else { 1.2 };
                assert!(
                    own <= most,
                    "{m}x{n} {dtype} {storage}: {own:.2}, {best:.2}, {recipe:?}"
                );
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen > 10), "{seen:?}");
}

#[test]
fn other_paths_are_refused_for_a_reason() {
    let of = |m, n| {
        let problem = problem(m, n, Dtype::F32);
        let convergence = Convergence::new(&problem, &Options::default());
        let tuning = Tuning::default();
        GpuRecipe::explained(&problem, &convergence, &WEBGPU, &tuning).unwrap()
    };
    assert_eq!(of(3, 3).1, []);
    let (recipe, refused) = of(64, 64);
    assert_eq!(recipe.path.name(), Blocks::NAME);
    let told: Vec<String> = refused
        .iter()
        .map(|refusal| format!("{} {}", refusal.path, refusal.why))
        .collect();
    assert_eq!(
        told,
        [
            "jacobi-tiny takes 64 columns, of 4 an invocation",
            "jacobi-columns takes 256 registers, of 128 an invocation",
            "jacobi-resident takes 38720 bytes of workgroup memory, of 16384",
            "jacobi-swept takes 38720 bytes of workgroup memory, of 16384",
        ]
    );
}

#[test]
fn what_a_device_cannot_do_is_said() {
    let blind = Limits {
        has_f64: false,
        ..WEBGPU
    };
    let tuning = Tuning::default();
    let error = recipe(&problem(4, 4, Dtype::F64), &blind, &tuning).unwrap_err();
    assert!(error.contains("SHADER_F64"), "{error}");
    let error = recipe(&problem(9000, 9000, Dtype::F32), &WEBGPU, &tuning).unwrap_err();
    assert!(error.contains("9000x9000"), "{error}");
}

#[test]
fn a_submit_is_bounded() {
    let tuning = Tuning {
        submit_flops: Some(1 << 20),
        ..Tuning::default()
    };
    let recipe = recipe(&problem(64, 64, Dtype::F32), &WEBGPU, &tuning).unwrap();
    assert_eq!(recipe.path.name(), Blocks::NAME);
    let width = u64::from(recipe.path.plan().block_width());
    let round = 11 * 64 * 64 * (2 * width - 1);
    let at_once = recipe.chunk as u64 * u64::from(recipe.per_submit.rounds) * round;
    assert!(recipe.chunk == 1 && at_once <= 1 << 20, "{at_once}");
}
