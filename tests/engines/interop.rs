//! Devices and buffers of the caller's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use batched_svd::interop::{self, wgpu};
use batched_svd::{Batch, Cutoff, Engine, Error, Factor, GpuOptions, Options, Scalar, Tuning};
use pollster::block_on;

use crate::common::bounds::{Outcome, ensure};
use crate::common::matrices::normal;

/// Matrices of each shape: where thresholds are shrunk, chunks of them.
const COUNT: usize = 150;

/// The adapter of an engine, opened as a caller would.
fn open(engine: &Engine) -> Result<(wgpu::Adapter, wgpu::Device, wgpu::Queue), String> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN;
    let name = engine.to_string();
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN)).into_iter();
    let adapter = adapters
        .find(|adapter| name.starts_with(&adapter.get_info().name))
        .ok_or("no adapter")?;
    let features = wgpu::Features::SHADER_F64 | wgpu::Features::SUBGROUP;
    let descriptor = wgpu::DeviceDescriptor {
        required_features: adapter.features() & features,
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let (device, queue) =
        block_on(adapter.request_device(&descriptor)).map_err(|e| e.to_string())?;
    Ok((adapter, device, queue))
}

/// An engine on a device of the caller's gives what an engine on its own gives: from the host's memory,
/// from a buffer of the caller's, and recorded among the caller's commands, in one chunk or many. The
/// caller's handlers stay.
pub fn own_device<T: Scalar>(
    engine: &Engine,
    tuning: Tuning,
    random: fn(usize, usize, usize, u64) -> Batch<T>,
) -> Outcome {
    let wrong = |e: Error| e.to_string();
    let (adapter, device, queue) = open(engine)?;
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    device.on_uncaptured_error(Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    // Each matrix has its own.
    let cutoffs: Vec<f64> = (0..COUNT).map(|b| 0.3 * (b % 3) as f64).collect();
    let options = Options::default().cutoff(Cutoff::relative(cutoffs));
    let defaults = GpuOptions::default().tuning(tuning);
    let mine = interop::engine(&adapter, &device, &queue, &defaults);
    let mine = block_on(mine).map_err(wrong)?;

    // In an invocation's registers; wide; in a team's where adapters are fast; in none.
    for (m, n) in [(3, 3), (2, 5), (6, 5), (60, 4)] {
        let a = random(COUNT, m, n, 3);
        let what = |part: &str| format!("{part} of {m}x{n}");
        let expected = engine.pinv(&a).options(&options).run().map_err(wrong)?;
        let values = engine.svd(&a).options(&options).run().map_err(wrong)?;
        let host = mine.pinv(&a).options(&options).run().map_err(wrong)?;
        ensure(host.inverse == expected.inverse, || what("from the host"))?;

        let bytes: &[u8] = bytemuck::cast_slice(a.as_slice());
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes.len() as u64,
                usage: usage | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let input = buffer(usage);
        queue.write_buffer(&input, 0, bytes);
        let batch = interop::batch::<T>(&mine, input.clone(), [COUNT, m, n]).map_err(wrong)?;
        let resident = mine
            .pinv(&batch)
            .options(&options)
            .run_on_device()
            .map_err(wrong)?;
        let resident = resident.inverse.download().map_err(wrong)?;
        ensure(resident == expected.inverse, || what("from a buffer"))?;

        // Recorded behind a copy of the caller's that brings the entries.
        let late = buffer(usage);
        let batch = interop::batch::<T>(&mine, late.clone(), [COUNT, m, n]).map_err(wrong)?;
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&input, 0, &late, 0, bytes.len() as u64);
        let pinv = interop::record(mine.pinv(&batch).options(&options), &mut encoder);
        let pinv = block_on(pinv).map_err(wrong)?;
        let svd = interop::record(mine.svd(&batch).options(&options), &mut encoder);
        let svd = block_on(svd).map_err(wrong)?;
        let lambdas: Vec<f64> = (0..COUNT).map(|b| 0.1 * b as f64).collect();
        let sides = random(COUNT, m, 2, 6);
        let up = mine.upload(&sides).map_err(wrong)?;
        let damped = mine.lstsq(&batch, &up).damping(&lambdas[..]);
        let lstsq = block_on(interop::record(damped, &mut encoder)).map_err(wrong)?;
        let near = mine.pinv(&batch).damping_near_singular(1.0, 0.1);
        let refused = block_on(interop::record(near, &mut encoder)).err();
        ensure(matches!(refused, Some(Error::Unsupported(_))), || {
            format!("recorded, near singular: {refused:?}")
        })?;
        let [left, right] = [Factor::U, Factor::V].map(|of| {
            let call = mine.singular_vectors(&batch, of).options(&options);
            block_on(interop::record(call, &mut encoder))
        });
        let low = interop::record(mine.low_rank(&batch).options(&options), &mut encoder);
        let low = block_on(low).map_err(wrong)?;
        let alone = mine.singular_values(&batch).options(&options);
        let alone = block_on(interop::record(alone, &mut encoder)).map_err(wrong)?;
        let (inverse, steps) = interop::buffer(&pinv.inverse).ok_or("no buffer")?;
        ensure(steps == [m * n, 1, n], || format!("{steps:?}"))?;
        ensure(inverse.size() as usize >= bytes.len(), || what("the size"))?;
        queue.submit([encoder.finish()]);
        let report = pinv.report.get().map_err(wrong)?;
        ensure(report.outcomes == expected.report.outcomes, || {
            what("the report")
        })?;
        let inverse = pinv.inverse.download().map_err(wrong)?;
        ensure(inverse == expected.inverse, || what("recorded"))?;
        let [u, v] = [svd.u, svd.v].map(|side| side.download());
        let (u, v) = (u.map_err(wrong)?, v.map_err(wrong)?);
        ensure(u == values.u && v == values.v, || what("vectors"))?;
        let sigma = svd.sigma.download().map_err(wrong)?;
        ensure(sigma == values.sigma, || what("singular values"))?;
        let sigma = alone.sigma.download().map_err(wrong)?;
        ensure(sigma == values.sigma, || what("singular values alone"))?;
        for (of, found) in [(Factor::U, left), (Factor::V, right)] {
            let found = found.map_err(wrong)?;
            let expected = engine.singular_vectors(&a, of).options(&options).run();
            let expected = expected.map_err(wrong)?;
            let vectors = found.vectors.download().map_err(wrong)?;
            ensure(vectors == expected.vectors, || what("one factor"))?;
            let sigma = found.sigma.download().map_err(wrong)?;
            ensure(sigma == expected.sigma, || what("values of one factor"))?;
        }
        let nearest = engine.low_rank(&a).options(&options).run().map_err(wrong)?;
        let approximation = low.approximation.download().map_err(wrong)?;
        ensure(approximation == nearest.approximation, || {
            what("approximations")
        })?;
        for (report, of) in [(low.report, nearest.report), (alone.report, values.report)] {
            let report = report.get().map_err(wrong)?;
            ensure(report.outcomes == of.outcomes, || what("another report"))?;
        }
        let solved = engine
            .lstsq(&a, &sides)
            .damping(lambdas)
            .run()
            .map_err(wrong)?;
        let report = lstsq.report.get().map_err(wrong)?;
        ensure(report.outcomes == solved.report.outcomes, || {
            what("the report of lstsq")
        })?;
        let solution = lstsq.solution.download().map_err(wrong)?;
        ensure(solution == solved.solution, || what("solutions"))?;

        // What does not fit.
        let refused = [
            interop::batch::<T>(&mine, input.clone(), [COUNT + 1, m, n]),
            interop::batch::<T>(&mine, input.clone(), [0, m, n]),
            interop::batch::<T>(&mine, buffer(wgpu::BufferUsages::STORAGE), [COUNT, m, n]),
            interop::batch::<T>(&Engine::cpu(), input.clone(), [COUNT, m, n]),
        ];
        for refused in refused {
            ensure(matches!(refused, Err(Error::Argument(_))), || {
                format!("{refused:?}")
            })?;
        }
    }

    // The host decides on the way when large matrices are done, and has a part in other calls.
    let large = random(1, 150, 150, 4);
    let large = mine.upload(&large).map_err(wrong)?;
    let mut encoder = device.create_command_encoder(&Default::default());
    let a = random(COUNT, 3, 3, 5);
    let up = mine.upload(&a).map_err(wrong)?;
    let (valued, refined) = (mine.lstsq(&up, &up), mine.lstsq(&up, &up));
    let (valued, refined) = (valued.singular_values(true), refined.refined(true));
    let warm = [mine.svd(&up).warm(&up), mine.svd(&up).warm(&a)];
    let [warm, mixed] = warm.map(|call| block_on(interop::record(call, &mut encoder)).err());
    let refused = [
        block_on(interop::record(mine.pinv(&large), &mut encoder)).err(),
        block_on(interop::record(mine.pinv(&a), &mut encoder)).err(),
        block_on(interop::record(mine.lstsq(&up, &a), &mut encoder)).err(),
        block_on(interop::record(valued, &mut encoder)).err(),
        block_on(interop::record(refined, &mut encoder)).err(),
        warm,
        mixed,
    ];
    let all = refused
        .iter()
        .all(|error| matches!(error, Some(Error::Unsupported(_))));
    ensure(all, || format!("{refused:?}"))?;
    let strict = block_on(interop::record(mine.pinv(&up).strict(true), &mut encoder)).err();
    ensure(matches!(strict, Some(Error::Argument(_))), || {
        format!("strict: {strict:?}")
    })?;
    drop(encoder);
    let host = Engine::cpu().upload(&Batch::<T>::zeros(1, 2, 2).map_err(wrong)?);
    ensure(interop::buffer(&host.map_err(wrong)?).is_none(), || {
        "a buffer in the host's memory".into()
    })?;

    let before = heard.load(Ordering::Relaxed);
    ensure(before == 0, || format!("{before} errors were heard"))?;
    let nonsense = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE;
    let _ = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4,
        usage: nonsense,
        mapped_at_creation: false,
    });
    let after = heard.load(Ordering::Relaxed);
    ensure(after == 1, || format!("the caller heard {after} errors"))
}

/// What the caller's commands use is not given to later calls, though its batches are gone: buffers that the caller was
/// shown, and matrices and results of a recorded call.
pub fn lent_memory(engine: &Engine) -> Outcome {
    let wrong = |e: Error| e.to_string();
    let (adapter, device, queue) = open(engine)?;
    let defaults = GpuOptions::default();
    let mine = interop::engine(&adapter, &device, &queue, &defaults);
    let mine = block_on(mine).map_err(wrong)?;
    let shape = [40_000, 3, 3];
    let (a, b) = (normal::<f32>(40_000, 3, 3, 1), normal(40_000, 3, 3, 2));
    let here = |a: &Batch<f32>| engine.pinv(a).run().map(|pinv| pinv.inverse);
    let (inverse, other) = (here(&a).map_err(wrong)?, here(&b).map_err(wrong)?);
    let (up, there) = (mine.upload(&a), mine.upload(&b).map_err(wrong)?);
    let up = up.map_err(wrong)?;

    let shown = mine.pinv(&up).run_on_device().map_err(wrong)?;
    let (buffer, _) = interop::buffer(&shown.inverse).ok_or("no buffer")?;
    let buffer = buffer.clone();
    drop(shown);
    let later = mine.pinv(&there).run_on_device().map_err(wrong)?;
    let shown = interop::batch::<f32>(&mine, buffer, shape).and_then(|batch| batch.download());
    ensure(shown.map_err(wrong)? == inverse, || "shown".into())?;
    drop(later);

    let mut encoder = device.create_command_encoder(&Default::default());
    let recorded = block_on(interop::record(mine.pinv(&up), &mut encoder)).map_err(wrong)?;
    let thrown = block_on(interop::record(mine.pinv(&up), &mut encoder)).map_err(wrong)?;
    drop((up, thrown));
    let later = [mine.upload(&b), mine.upload(&b)];
    let found = mine.pinv(&there).run_on_device().map_err(wrong)?;
    queue.submit([encoder.finish()]);
    let recorded = recorded.inverse.download().map_err(wrong)?;
    ensure(recorded == inverse, || "recorded".into())?;
    let found = found.inverse.download().map_err(wrong)?;
    ensure(found == other, || "called before the submit".into())?;
    for later in later {
        let later = later.and_then(|batch| batch.download()).map_err(wrong)?;
        ensure(later == b, || "uploaded before the submit".into())?;
    }
    Ok(())
}

/// Compiled shaders are kept in a folder, and whoever finds them there gets the same bits.
pub fn kept_shaders() -> Outcome {
    let wrong = |e: Error| e.to_string();
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let kept = folder.path().join("shaders");
    let a = normal::<f32>(10, 5, 4, 6);
    let pinv = || {
        let engine = Engine::gpu(&crate::adapter().pipeline_cache(&kept)).map_err(wrong)?;
        engine.pinv(&a).run().map_err(wrong)
    };
    let first = pinv()?;
    let mut files = std::fs::read_dir(&kept).map_err(|e| e.to_string())?;
    let file = files.next().ok_or("no file")?.map_err(|e| e.to_string())?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    ensure(size > 8 && files.next().is_none(), || {
        format!("{size} bytes")
    })?;
    ensure(pinv()? == first, || "with kept shaders".into())?;
    // A broken file is none.
    std::fs::write(file.path(), b"nonsense that no driver should see")
        .map_err(|e| e.to_string())?;
    ensure(pinv()? == first, || "with a broken file".into())
}

/// A caller who destroys the device gets errors, in the middle of a call and in every other.
pub fn destroyed(engine: &Engine, tuning: Tuning) -> Outcome {
    let wrong = |e: Error| e.to_string();
    let (adapter, device, queue) = open(engine)?;
    let options = GpuOptions::default().tuning(tuning);
    let mine = interop::engine(&adapter, &device, &queue, &options);
    let mine = block_on(mine).map_err(wrong)?;
    let a = normal::<f32>(2000, 1, 1, 23);
    let there = mine.upload(&a).map_err(wrong)?;
    let calls = Arc::new(AtomicUsize::new(0));
    let (told, doomed) = (Arc::clone(&calls), device.clone());
    let options = Options::default().progress(Arc::new(move |done, all| {
        told.fetch_add(1, Ordering::Relaxed);
        if done < all {
            doomed.destroy();
        }
    }));
    let first = mine.pinv(&a).options(&options).run().err();
    ensure(calls.load(Ordering::Relaxed) > 0, || "never told".into())?;
    let ended = [
        first,
        mine.pinv(&a).run().err(),
        mine.pinv(&there)
            .run_on_device()
            .and_then(|done| done.inverse.download())
            .err(),
        there.download().err(),
    ];
    let all_failed = |error: &Option<Error>| matches!(error, Some(Error::Device(_)));
    ensure(ended.iter().all(all_failed), || format!("{ended:?}"))
}
