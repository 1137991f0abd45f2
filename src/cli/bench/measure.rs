//! Measuring all contenders of a case side by side: sized, interleaved, repeated, checked.

use std::time::{Duration, Instant};

use batched_svd::{Batch, Engine, Error, Peak, Scalar, verify};

use crate::cli::bench::case::{Case, Op};
use crate::cli::bench::contender::{Answer, Contender, Facts, Timing};
use crate::cli::bench::peers::{Number, Part};
use crate::cli::bench::row::{Kind, Row};
use crate::cli::bench::source::{Drawn, Source};
use crate::cli::entry::in_f64;

/// How long and how often.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    /// Seconds for each contender in each case, over all repetitions.
    pub seconds: f64,
    pub repetitions: usize,
}

/// Seconds for which a card is busy before it is measured: while matrices are drawn and checked it falls to a fraction of
/// its clock, and an H200 takes so long to come back.
const WARM_UP: f64 = 2.0;

/// Peers promise less than this project: theirs may be so many times worse before it counts as
/// wrong.
const PEERS_MARGIN: f64 = 32.0;
/// Multiply-adds that the check of a case may take, roughly.
const CHECKED_WORK: f64 = 2e8;
/// More matrices than this are not checked: the first are as good as any.
const MOST_CHECKED: usize = 4096;
/// Operations, by the nominal count, of a first call.
const FIRST_WORK: f64 = 1e6;

/// One contender's measurements of a case.
pub(crate) struct Runs {
    pub count: usize,
    pub repetitions: usize,
    seconds: Vec<f64>,
    device_seconds: Vec<f64>,
    facts: Facts,
    checked: usize,
    /// Residual and loss of orthogonality.
    check: Option<(f64, f64)>,
    pub error: Option<String>,
}

/// Everyone who can do the case, each with the limits of its device.
pub(crate) type Field<'c, T> = Vec<(&'c mut dyn Contender<T>, Option<Peak>)>;

/// Measures a case: matrices a second.
pub(crate) fn throughput<T: Number>(
    case: &Case,
    field: &mut Field<'_, T>,
    budget: Budget,
    source: &mut Source,
    watch: &dyn Fn(&str),
) -> Result<Vec<Row>, Error> {
    let mut runs = Vec::new();
    let mut drawn = Source::of(case)?;
    for (contender, _) in field.iter_mut() {
        watch(contender.name());
        runs.push(size(case, *contender, budget, &mut drawn, source)?);
    }
    let most = runs.iter().map(|r| r.count).max().unwrap_or(0);
    let data = drawn.least(most, source)?;
    let mut each = field.iter_mut().zip(&mut runs);
    if let Some(((warming, _), run)) =
        each.find(|((contender, _), run)| contender.warms_up() && run.error.is_none())
    {
        let warmed = warming.load(case, data, run.count);
        run.error = warmed.and_then(|()| warm_up(*warming)).err();
        warming.clear();
    }
    for repetition in 0..budget.repetitions {
        // Not always in the same order.
        for turn in 0..field.len() {
            let index = (turn + repetition) % field.len();
            let (contender, run) = (&mut *field[index].0, &mut runs[index]);
            if run.error.is_some() || run.seconds.len() >= run.repetitions {
                continue;
            }
            watch(contender.name());
            let last = run.seconds.len() + 1 == run.repetitions;
            if let Err(error) = once(case, contender, run, data, last) {
                run.error = Some(error);
            }
            contender.clear();
        }
    }
    let rows = field.iter().zip(runs);
    Ok(rows
        .map(|((contender, peak), run)| row(case, &**contender, *peak, run, Kind::Throughput))
        .collect())
}

/// How many matrices a contender gets, so that its repetitions fill its time: grown from a first
/// call, which also warms up.
pub(crate) fn size<T: Number>(
    case: &Case,
    contender: &mut dyn Contender<T>,
    budget: Budget,
    drawn: &mut Drawn<T>,
    source: &mut Source,
) -> Result<Runs, Error> {
    let share = budget.seconds / budget.repetitions as f64;
    let fewest = contender.fewest().min(case.batch);
    let first = (FIRST_WORK / case.nominal_flops()) as usize;
    let mut run = Runs {
        count: first.clamp(fewest, case.batch),
        repetitions: budget.repetitions,
        seconds: Vec::new(),
        device_seconds: Vec::new(),
        facts: Facts::default(),
        checked: 0,
        check: None,
        error: None,
    };
    let mut warm = false;
    loop {
        let data = drawn.least(run.count, source)?;
        let timed = contender
            .load(case, data, run.count)
            .and_then(|()| contender.run());
        let seconds = match timed {
            Ok(timing)
                if timing.seconds >= 2.0 * budget.seconds
                    && (warm
                        || !contender.compiles()
                        || timing.seconds >= contender.patience()) =>
            {
                // Not made twice, whatever was compiled in it.
                note(&mut run, timing);
                run.repetitions = 1;
                run.facts = contender.facts();
                run.error = check(case, contender, &mut run, data).err();
                contender.clear();
                return Ok(run);
            }
            Ok(timing) => timing.seconds.max(1e-9),
            Err(error) => {
                run.error = Some(error);
                return Ok(run);
            }
        };
        contender.clear();
        // The first call may have compiled something.
        if !warm {
            warm = true;
            continue;
        }
        let fitting = (run.count as f64 * share / seconds) as usize;
        let next = fitting.clamp(fewest, case.batch);
        // A device that is not full takes no longer for more: twice as many are never too many.
        if seconds >= share / 2.0 || run.count >= next {
            run.repetitions =
                ((2.0 * budget.seconds / seconds) as usize).clamp(1, budget.repetitions);
            run.count = next;
            return Ok(run);
        }
        run.count = next.min(8 * run.count);
    }
}

/// One repetition, and the check of its results if it is the `last`.
fn once<T: Number>(
    case: &Case,
    contender: &mut dyn Contender<T>,
    run: &mut Runs,
    data: &Batch<T>,
    last: bool,
) -> Result<(), String> {
    contender.load(case, data, run.count)?;
    note(run, contender.run()?);
    if last {
        run.facts = contender.facts();
        check(case, contender, run, data)?;
    }
    Ok(())
}

/// Has a card compute what was loaded until it is at its highest clock.
pub(crate) fn warm_up<T: Scalar>(contender: &mut dyn Contender<T>) -> Result<(), String> {
    let start = Instant::now();
    while contender.warms_up() && start.elapsed().as_secs_f64() < WARM_UP {
        contender.run()?;
    }
    Ok(())
}

fn note(run: &mut Runs, timing: Timing) {
    run.seconds.push(timing.seconds);
    run.device_seconds.extend(timing.device_seconds);
}

fn check<T: Number>(
    case: &Case,
    contender: &mut dyn Contender<T>,
    run: &mut Runs,
    data: &Batch<T>,
) -> Result<(), String> {
    let work = (case.rows * case.cols * case.rows.min(case.cols)) as f64;
    let most = ((CHECKED_WORK / work) as usize).clamp(1, MOST_CHECKED);
    run.checked = run.count.min(most);
    let answer = contender.answer(run.checked)?;
    let result = residuals(case.op, data, run.checked, answer).map_err(|e| e.to_string())?;
    run.check = Some(result);
    let margin = if contender.own() { 1.0 } else { PEERS_MARGIN };
    let (residual, orthogonality) = result;
    // Not less or equal also where it is not a number.
    if !(residual <= margin * case.residual() && orthogonality <= margin * case.tolerance()) {
        let u = case.dtype.unit_roundoff();
        return Err(format!(
            "check failed: residual {:.3e} u, orthogonality {:.3e} u",
            residual / u,
            orthogonality / u
        ));
    }
    Ok(())
}

/// The largest residual and loss of orthogonality of the first `count` matrices.
fn residuals<T: Number>(
    op: Op,
    data: &Batch<T>,
    count: usize,
    answer: Answer<T>,
) -> Result<(f64, f64), Error> {
    let a = data.view().matrices(0..count)?;
    // A NaN must not hide behind a comparison.
    let largest = |values: Vec<f64>| {
        values.into_iter().fold(
            0.0,
            |most: f64, v| if v > most || v.is_nan() { v } else { most },
        )
    };
    let (matrices, values) = match answer {
        Answer::Results { matrices, values } => (matrices, values),
        Answer::Checked {
            residual,
            orthogonality,
        } => return Ok((residual, orthogonality)),
    };
    let factors = |u: &Batch<T>, sigma: &Batch<Part<T>>, v: &Batch<T>| {
        let found = verify::factors(a, u, sigma, v)?;
        let losses = found.iter().flat_map(|one| [one.left, one.right]);
        let reconstruction = found.iter().map(|one| one.reconstruction);
        Ok((largest(reconstruction.collect()), largest(losses.collect())))
    };
    match (op, &matrices[..], &values) {
        (Op::Svd, [u, v], Some(sigma)) => factors(u, sigma, v),
        // A = V diag(lambda) V'
        (Op::Eigh, [v], Some(values)) => factors(v, values, v),
        (Op::Svdvals | Op::Eigvalsh, [], Some(values)) => {
            Ok((largest(verify::norms(a, values)?), 0.0))
        }
        (Op::Pinv, [x], None) => {
            let values = Engine::cpu().singular_values(a).run()?;
            let residuals = verify::moore_penrose(a, x)?;
            let scaled = residuals.iter().enumerate().map(|(index, four)| {
                let sigma = values.sigma.matrix(index);
                let ends = sigma.first().zip(sigma.last());
                let condition = ends.map_or(1.0, |(&first, &last)| in_f64(first) / in_f64(last));
                largest(four.to_vec()) / condition
            });
            Ok((largest(scaled.collect()), 0.0))
        }
        (op, matrices, _) => Err(Error::Argument(format!(
            "{} matrices are not the results of {}",
            matrices.len(),
            op.name()
        ))),
    }
}

/// Measures a case of few matrices: seconds a call, all contenders in turn.
pub(crate) fn latency<T: Number>(
    case: &Case,
    field: &mut Field<'_, T>,
    seconds: f64,
    source: &mut Source,
    watch: &dyn Fn(&str),
) -> Result<Vec<Row>, Error> {
    let data = source.draw(case, case.batch)?;
    let mut rows = Vec::new();
    for (contender, peak) in field.iter_mut() {
        watch(contender.name());
        let mut run = Runs {
            count: case.batch,
            repetitions: 0,
            seconds: Vec::new(),
            device_seconds: Vec::new(),
            facts: Facts::default(),
            checked: 0,
            check: None,
            error: None,
        };
        let mut calls = || -> Result<(), String> {
            contender.load(case, &data, case.batch)?;
            // Untimed: it may compile something.
            contender.run()?;
            let start = Instant::now();
            let limit = Duration::from_secs_f64(seconds);
            while run.seconds.len() < 3 || start.elapsed() < limit {
                let timing = contender.run()?;
                note(&mut run, timing);
                if start.elapsed() > 10 * limit {
                    break;
                }
            }
            run.facts = contender.facts();
            check(case, &mut **contender, &mut run, &data)
        };
        run.error = calls().err();
        contender.clear();
        rows.push(row(case, &**contender, *peak, run, Kind::Latency));
    }
    Ok(rows)
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(match sorted.len() % 2 {
        0 => 0.5 * (sorted[middle - 1] + upper),
        _ => upper,
    })
}

fn row<T: Scalar>(
    case: &Case,
    contender: &dyn Contender<T>,
    peak: Option<Peak>,
    mut run: Runs,
    kind: Kind,
) -> Row {
    run.seconds.sort_by(f64::total_cmp);
    run.device_seconds.sort_by(f64::total_cmp);
    let count = run.count as f64;
    let seconds = median(&run.seconds);
    let device_seconds = median(&run.device_seconds);
    let rate = seconds.map(|s| count / s);
    let at_work = device_seconds.or(seconds);
    let limit = peak.zip(at_work).zip(run.facts.flops);
    let limit = limit.map(|((peak, at_work), flops)| {
        let flops = flops / at_work / peak.flops;
        let bytes = case.bytes() * count / at_work / peak.bytes;
        if flops >= bytes {
            (flops, "flops")
        } else {
            (bytes, "bytes")
        }
    });
    Row {
        peer: contender.name().to_string(),
        op: case.op.name().to_string(),
        m: case.rows,
        n: case.cols,
        batch: run.count,
        asked_batch: case.batch,
        dtype: case.dtype.name().to_string(),
        seconds,
        matrices_per_s: rate,
        ok: run.error.is_none() && seconds.is_some(),
        note: run.error.unwrap_or_default(),
        kind,
        seconds_min: run.seconds.first().copied(),
        seconds_max: run.seconds.last().copied(),
        repetitions: run.seconds.len(),
        device: run.facts.device,
        software: run.facts.software,
        kernel: run.facts.kernel,
        device_seconds,
        gflops: rate.map(|rate| rate * case.nominal_flops() / 1e9),
        gbytes_per_s: rate.map(|rate| rate * case.bytes() / 1e9),
        limit_fraction: limit.map(|l| l.0),
        limit: limit.map(|l| l.1.to_string()),
        median_sweeps: run.facts.median_sweeps,
        residual: run.check.map(|c| c.0),
        orthogonality: run.check.map(|c| c.1),
        checked: run.checked,
        settings: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with factors of its own making.
    struct Liar {
        honest: bool,
        loaded: Option<Batch<f32>>,
    }

    impl Contender<f32> for Liar {
        fn name(&self) -> &str {
            "liar"
        }
        fn own(&self) -> bool {
            true
        }
        fn takes(&self, _: &Case) -> bool {
            true
        }
        fn load(&mut self, _: &Case, data: &Batch<f32>, _: usize) -> Result<(), String> {
            self.loaded = Some(data.clone());
            Ok(())
        }
        fn run(&mut self) -> Result<Timing, String> {
            Ok(Timing {
                seconds: 1e-4,
                device_seconds: None,
            })
        }
        fn answer(&mut self, count: usize) -> Result<Answer<f32>, String> {
            let data = self.loaded.as_ref().ok_or("nothing")?;
            let first = data.view().matrices(0..count).map_err(|e| e.to_string())?;
            let svd = Engine::cpu().svd(first).run();
            let svd = svd.map_err(|e| e.to_string())?;
            let (u, mut v) = (svd.u, svd.v);
            if !self.honest {
                v.as_mut_slice().fill(0.0);
            }
            Ok(Answer::Results {
                matrices: vec![u, v],
                values: Some(svd.sigma),
            })
        }
        fn facts(&self) -> Facts {
            Facts::default()
        }
        fn clear(&mut self) {}
    }

    #[test]
    fn results_that_fail_their_check_are_failed_not_fast() {
        let case = Case {
            op: Op::Svd,
            dtype: batched_svd::Dtype::F32,
            rows: 5,
            cols: 3,
            batch: 20,
        };
        let budget = Budget {
            seconds: 1e-3,
            repetitions: 2,
        };
        for honest in [true, false] {
            let mut liar = Liar {
                honest,
                loaded: None,
            };
            let mut field: Field<'_, f32> = vec![(&mut liar, None)];
            let mut source = Source::new(1);
            let rows = throughput(&case, &mut field, budget, &mut source, &|_| ()).unwrap();
            assert_eq!(rows[0].ok, honest, "{}", rows[0].note);
            assert_eq!(rows[0].rate().is_some(), honest);
            assert_eq!((rows[0].repetitions, rows[0].batch), (2, 20));
        }
    }

    #[test]
    fn numbers_are_fresh_and_normal() {
        let case = Case {
            op: Op::Svd,
            dtype: batched_svd::Dtype::F64,
            rows: 10,
            cols: 10,
            batch: 0,
        };
        let mut source = Source::new(1);
        let (a, b) = (
            source.draw::<f64>(&case, 400),
            source.draw::<f64>(&case, 400),
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_ne!(a.as_slice()[0], b.as_slice()[0]);
        let mean = |power: i32| a.as_slice().iter().map(|x| x.powi(power)).sum::<f64>() / 4e4;
        assert!(mean(1).abs() < 0.03 && (mean(2) - 1.0).abs() < 0.05);
    }

    #[test]
    fn matrices_are_symmetric_where_only_these_are_solved() {
        let case = Case {
            op: Op::Eigh,
            dtype: batched_svd::Dtype::F64,
            rows: 5,
            cols: 5,
            batch: 0,
        };
        let of_all = Case {
            op: Op::Svd,
            ..case
        };
        let a = Source::new(1).draw::<f64>(&case, 300).unwrap();
        let of_all = Source::new(1).draw::<f64>(&of_all, 300).unwrap();
        for (a, of_all) in a.matrices().zip(of_all.matrices()) {
            for (i, j) in (0..5).flat_map(|i| (0..5).map(move |j| (i, j))) {
                let mean = 0.5 * (of_all[5 * j + i] + of_all[5 * i + j]);
                assert_eq!(a[5 * j + i], mean);
            }
        }
    }

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0, 4.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
