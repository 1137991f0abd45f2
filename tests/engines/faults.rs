//! Devices that fail in the middle of a call: what becomes of it, and of the next.

use batched_svd::{Batch, Engine, Error, Fault, GpuOptions, Pinv, Policy};

use crate::common::bounds::{Outcome, ensure};
use crate::common::matrices::normal;

const FAULTS: [Fault; 6] = [
    Fault::Lost,
    Fault::OutOfMemory,
    Fault::Unmappable,
    Fault::Silent,
    Fault::Uncompilable,
    Fault::Panic,
];

/// After so many occasions a fault comes.
const AFTER: [usize; 11] = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89];

fn wrong(error: Error) -> String {
    error.to_string()
}

fn pinv(engine: &Engine, a: &Batch<f32>) -> Result<Pinv<f32>, Error> {
    engine.pinv(a).run()
}

/// Whether the first matrices have these results.
fn begins_with(all: &Batch<f32>, expected: &Batch<f32>, first: usize) -> bool {
    (0..first).all(|index| all.matrix(index) == expected.matrix(index))
}

/// Whatever fails, and whenever, a call ends with the device's error, and the next one works.
fn ends_with_its_error(options: &GpuOptions, fault: Fault, a: &Batch<f32>) -> Outcome {
    let engine = Engine::gpu(options).map_err(wrong)?;
    let expected = pinv(&engine, a).map_err(wrong)?;
    let mut came = 0;
    for after in AFTER {
        // Nothing is compiled or made anew otherwise.
        let engine = Engine::gpu(options).map_err(wrong)?;
        options.faults.arm(fault, after);
        let ended = pinv(&engine, a);
        if options.faults.disarm() {
            break;
        }
        came += 1;
        let at = format!("{fault:?} after {after}");
        match ended {
            Err(Error::Device(_)) => {}
            // A device that is lost once it has done all that was asked for; a second set of buffers that is
            // not there.
            Ok(pinv) if matches!(fault, Fault::Lost | Fault::OutOfMemory | Fault::Panic) => {
                ensure(pinv == expected, || format!("{at}: other results"))?;
            }
            other => return Err(format!("{at}: {other:?}")),
        }
        let next = pinv(&engine, a).map_err(|error| format!("{at}, the next call: {error}"))?;
        ensure(next == expected, || {
            format!("{at}: the next call's results")
        })?;
    }
    ensure(came > 0, || format!("{fault:?} never came"))
}

/// Where the CPU takes what the GPU does not do, it does the rest, and what is complete stays.
fn is_finished(options: &GpuOptions, fault: Fault, a: &Batch<f32>) -> Result<usize, String> {
    let options = options.clone().policy(Policy::FallBack);
    let on_gpu = pinv(&Engine::gpu(&options).map_err(wrong)?, a).map_err(wrong)?;
    let on_cpu = pinv(&Engine::cpu(), a).map_err(wrong)?;
    let mut kept = 0;
    for after in AFTER {
        let engine = Engine::gpu(&options).map_err(wrong)?;
        options.faults.arm(fault, after);
        let done = pinv(&engine, a).map_err(|error| format!("{fault:?} after {after}: {error}"))?;
        if options.faults.disarm() {
            break;
        }
        let at = format!("{fault:?} after {after}");
        let report = &done.report;
        let first = match (&report.device_error, report.shared) {
            (None, None) => a.count(),
            (Some(Error::Device(_)), first) => first.unwrap_or(0),
            other => return Err(format!("{at}: {other:?}")),
        };
        kept = kept.max(first % a.count());
        ensure(begins_with(&done.inverse, &on_gpu.inverse, first), || {
            format!("{at}: the first {first} are not the GPU's")
        })?;
        let rest = (first..a.count()).all(|index| {
            done.inverse.matrix(index) == on_cpu.inverse.matrix(index)
                && report.outcomes[index] == on_cpu.report.outcomes[index]
        });
        ensure(rest, || format!("{at}: the rest is not the CPU's"))?;
        let next = pinv(&engine, a).map_err(wrong)?;
        ensure(next == on_gpu, || format!("{at}: the next call"))?;
    }
    Ok(kept)
}

/// A device that is lost, has no memory, does not answer, cannot be read or cannot compile: in matrices that
/// registers hold, in many chunks, and in larger ones, in many submits.
pub fn faults(options: &GpuOptions) -> Outcome {
    for (count, n) in [(2000, 1), (3, 24)] {
        let a = normal::<f32>(count, n, n, 21);
        let mut kept = 0;
        for fault in FAULTS {
            let in_case = |error: String| format!("{n}x{n}: {error}");
            ends_with_its_error(options, fault, &a).map_err(in_case)?;
            kept = kept.max(is_finished(options, fault, &a).map_err(in_case)?);
        }
        ensure(count == 3 || kept > 0, || "nothing was ever kept".into())?;
    }
    Ok(())
}

/// An adapter that is gone when its device was lost: an error, or the CPU; and what lay on the device is lost.
pub fn gone(options: &GpuOptions) -> Outcome {
    let a = normal::<f32>(5, 3, 3, 22);
    for falls_back in [false, true] {
        let options = options.clone().policy(match falls_back {
            true => Policy::FallBack,
            false => Policy::GpuOnly,
        });
        let engine = Engine::gpu(&options).map_err(wrong)?;
        let expected = pinv(&engine, &a).map_err(wrong)?;
        let there = engine.upload(&a).map_err(wrong)?;
        options.faults.arm(Fault::Lost, 0);
        let resident = engine.pinv(&there).run_on_device();
        ensure(matches!(resident, Err(Error::Device(_))), || {
            "a resident call on a lost device".into()
        })?;
        options.faults.arm(Fault::Gone, 0);
        match (falls_back, pinv(&engine, &a)) {
            (false, Err(Error::Device(text))) if text.contains("open again") => {}
            (true, Ok(done)) if done.report.device_error.is_some() => {
                let on_cpu = pinv(&Engine::cpu(), &a).map_err(wrong)?;
                ensure(done.inverse == on_cpu.inverse, || "not the CPU's".into())?;
            }
            (_, other) => return Err(format!("without an adapter: {other:?}")),
        }
        ensure(pinv(&engine, &a) == Ok(expected), || {
            "once the adapter is there again".into()
        })?;
        for lost in [
            engine.pinv(&there).run_on_device().err(),
            there.download().err(),
        ] {
            ensure(matches!(lost, Some(Error::Device(_))), || {
                format!("a batch of a lost device: {lost:?}")
            })?;
        }
        let anew = engine.upload(&a).and_then(|a| a.download());
        ensure(anew.as_ref() == Ok(&a), || {
            format!("uploaded anew: {anew:?}")
        })?;
    }
    Ok(())
}
