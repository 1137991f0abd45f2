//! Every kernel of every path: its text is valid, and takes no more memory than was planned.

use super::*;
use crate::data::factor::Factor;
use crate::data::options::Options;
use crate::data::scalar::{Dtype, Precision};
use crate::data::tuning::Tuning;
use crate::planner::Vectors;
use crate::planner::convergence::Convergence;
use crate::planner::gpu::GpuRecipe;
use crate::planner::limits::{Limits, WEBGPU};
use crate::planner::problem::{Filter, Job, Problem};
use crate::shader::Blueprint;
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn validated(blueprint: &Blueprint) -> naga::Module {
    let text = blueprint.text();
    let module = naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|error| panic!("{blueprint:?}: {}", error.emit_to_string(&text)));
    let capabilities = match blueprint.dtype.precision() {
        Precision::Single => Capabilities::empty(),
        Precision::Double => Capabilities::FLOAT64,
    } | Capabilities::SUBGROUP;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{blueprint:?}: {}", error.emit_to_string(&text)));
    let spirv = spv::write_vec(&module, &info, &spv::Options::default(), None);
    assert!(spirv.is_ok(), "{blueprint:?}: {spirv:?}");
    // Neither language has f64.
    if blueprint.dtype.precision() == Precision::Single {
        let options = msl::Options {
            lang_version: (2, 4),
            fake_missing_bindings: true,
            ..Default::default()
        };
        let metal = msl::write_string(&module, &info, &options, &Default::default());
        assert!(metal.is_ok(), "{blueprint:?}: {metal:?}");
        let options = hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_0,
            fake_missing_bindings: true,
            ..Default::default()
        };
        let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
        let direct3d = hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .map(|_| ());
        assert!(direct3d.is_ok(), "{blueprint:?}: {direct3d:?}");
    }
    module
}

fn workgroup_bytes(module: &naga::Module) -> u32 {
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    module
        .global_variables
        .iter()
        .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
        .map(|(_, variable)| layouter[variable.ty].size)
        .sum()
}

/// Which of the buffers after the parameters are only read.
fn read_only(module: &naga::Module) -> Vec<bool> {
    let mut buffers: Vec<(u32, bool)> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| match variable.space {
            naga::AddressSpace::Storage { access } => Some((
                variable.binding?.binding,
                !access.contains(naga::StorageAccess::STORE),
            )),
            _ => None,
        })
        .collect();
    buffers.sort_unstable();
    let places = buffers.iter().map(|(binding, _)| *binding);
    assert!(places.eq(1..=buffers.len() as u32));
    buffers.iter().map(|(_, only)| *only).collect()
}

/// Checks every kernel of one problem.
fn every(rows: usize, cols: usize, job: Job, dtype: Dtype, limits: &Limits, tuning: &Tuning) {
    let problem = Problem::new(rows, cols, dtype, job);
    let convergence = Convergence::new(&problem, &Options::default());
    let recipe = GpuRecipe::new(&problem, &convergence, limits, tuning).unwrap();
    // The kernels that sweep in memory which was planned for.
    let own = match recipe.path.plan().solver() {
        Solver::Alone { kernel, .. } => vec![kernel],
        Solver::Staged { sweeps, .. } => match sweeps {
            Sweeps::Workgroup { .. } => {
                vec![resident::SOLVE, workgroup::SWEEPS, workgroup::RESUME]
            }
            Sweeps::Global { round, .. } => vec![round],
        },
    };
    for kernel in own {
        let blueprint = recipe.blueprint(kernel, &problem);
        check(&blueprint, recipe.workgroup_bytes(&problem));
    }
    for kernel in [&staged::KERNELS[..], &after::KERNELS].concat() {
        check(&recipe.blueprint(kernel, &problem), 16384);
    }
    check(&after::composing(dtype), 16384);
    // Whatever the path.
    let ask = Ask::new(&problem, &convergence, limits, tuning);
    let rounds = GpuRecipe {
        path: Path::Rounds(Rounds::new(&ask).unwrap()),
        ..recipe
    };
    for kernel in [
        global::BEGIN,
        rounds::ROUND,
        global::ADVANCE,
        global::NORMALISE,
    ] {
        check(&rounds.blueprint(kernel, &problem), 16384);
    }
}

/// Valid, and translated for Vulkan, Metal and Direct3D. wgpu does not check workgroup memory: the
/// planner's count must cover what shaders declare.
#[test]
fn every_kernel_is_valid_and_takes_no_more_memory_than_was_planned() {
    // In registers where they fit, with subgroups and without; and not in registers.
    for (tiny, subgroup, words) in [(6, 1, 128), (0, 1, 128), (0, 32, 128), (0, 1, 0)] {
        let limits = Limits { subgroup, ..WEBGPU };
        let tuning = Tuning {
            invocation_words: Some(words),
            tiny_columns: Some(tiny),
            ..Tuning::default()
        };
        for dtype in [Dtype::F32, Dtype::F64, Dtype::C32, Dtype::C64] {
            for (rows, cols) in [
                (1, 1),
                (3, 3),
                (6, 6),
                (19, 4),
                (63, 1),
                (16, 16),
                (41, 41),
                (99, 99),
                (1000, 16),
                (512, 512),
            ] {
                every(rows, cols, Job::svd(Vectors::Thin), dtype, &limits, &tuning);
            }
            // Texts differ by what is asked for, and by orientation.
            let [values, full] = [Vectors::None, Vectors::Full].map(Job::svd);

            let projector = |side| Job::composition(side, Filter::Keep, side);
            let [left, right] = [Factor::U, Factor::V].map(projector);
            let (pinv, lstsq) = (Job::inverse(None), Job::inverse(Some(2)));
            for job in [values, full, pinv, lstsq, left, right] {
                for (rows, cols) in [(5, 3), (3, 5), (2, 18), (30, 2)] {
                    every(rows, cols, job, dtype, &limits, &tuning);
                }
            }
            for (rows, cols) in [(5, 3), (3, 5), (2, 18), (30, 2), (99, 99)] {
                for of in [Factor::U, Factor::V] {
                    let job = Job::one_factor(of, [rows, cols]);
                    every(rows, cols, job, dtype, &limits, &tuning);
                }
            }
        }
    }
}

fn check(blueprint: &Blueprint, planned: usize) {
    let module = validated(blueprint);
    assert_eq!(read_only(&module), blueprint.kernel.bindings.read_only());
    let bytes = workgroup_bytes(&module);
    assert!(
        bytes as usize <= planned,
        "{blueprint:?} takes {bytes} bytes, planned were {planned}"
    );
}

/// A blueprint is told from another by its kernel's name.
#[test]
fn no_two_kernels_have_one_name() {
    let mut all = vec![
        tiny::TINY,
        columns::COLUMNS,
        resident::SOLVE,
        workgroup::SWEEPS,
        workgroup::RESUME,
        blocks::BLOCKS,
        rounds::ROUND,
        global::BEGIN,
        global::ADVANCE,
        global::NORMALISE,
        after::COMPOSE,
    ];
    all.extend(staged::KERNELS);
    all.extend(after::KERNELS);
    for (index, kernel) in all.iter().enumerate() {
        assert!(!all[..index].contains(kernel), "{kernel:?}");
        let entry = format!("\nfn {}(", kernel.entry);
        assert!(kernel.text.contains(&entry), "{kernel:?}");
    }
}
