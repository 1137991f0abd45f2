//! Whether the CPU or the GPU is sooner with a call, from rates that were measured once.

use std::collections::HashMap;

use crate::planner::cost::work;
use crate::planner::problem::Problem;

/// Who should do a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Choice {
    Cpu,
    Gpu,
    /// Both: so many matrices are the GPU's.
    Both(usize),
    /// Nobody knows yet how soon the GPU would be: worth finding out with so many matrices.
    Probe(usize),
}

/// What was measured of a problem.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Seconds a matrix on the CPU.
    cpu: Option<f64>,
    gpu: Option<Line>,
    /// Seconds that the CPU was busy with it before the GPU was tried.
    spent: f64,
}

/// Seconds of a call: so many, and so many more a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    pub call: f64,
    pub matrix: f64,
}

/// Operations, as `work` counts them, that a thread does in a second before anything was measured:
/// within a factor of three of all shapes on a machine with AVX-512.
const GUESS: f64 = 3e10;
/// Below so many seconds on the CPU no GPU is sooner: the way there and back takes as long.
const WAY: f64 = 1e-4;
/// Seconds on the CPU that are worth a compilation for the GPU: about what one takes.
const INVESTMENT: f64 = 0.3;
/// Seconds on the CPU of the matrices that a GPU is tried with.
const TRIAL: f64 = 5e-3;
/// A part of a call that is not worth the trouble of sharing it.
const PART: f64 = 0.05;

/// The rates of both engines, by the problem and by how many matrices, roughly: a few leave lanes and
/// cores idle.
#[derive(Debug, Default)]
pub(crate) struct Rates(HashMap<(Problem, u32), Known>);

fn key(problem: &Problem, count: usize) -> (Problem, u32) {
    (*problem, count.max(1).ilog2() / 3)
}

impl Rates {
    /// Who should do a call on `count` matrices, on a machine with so many threads; both, if they may share it
    /// and it is worth it.
    pub fn choose(&self, problem: &Problem, count: usize, threads: usize, share: bool) -> Choice {
        let known = self
            .0
            .get(&key(problem, count))
            .copied()
            .unwrap_or_default();
        let guess = work(problem) as f64 / (GUESS * threads as f64);
        let matrix = known.cpu.unwrap_or(guess);
        let cpu = count as f64 * matrix;
        match known.gpu {
            _ if cpu <= WAY => Choice::Cpu,
            Some(gpu) if share => both(count, matrix, gpu),
            Some(gpu) if gpu.call + count as f64 * gpu.matrix < cpu => Choice::Gpu,
            Some(_) => Choice::Cpu,
            // As with skis: rented until the rent has come to the price.
            None if known.spent + cpu >= INVESTMENT => {
                Choice::Probe(((TRIAL / matrix) as usize).clamp(1, count))
            }
            None => Choice::Cpu,
        }
    }

    /// A call on the CPU took so long.
    pub fn cpu_took(&mut self, problem: &Problem, count: usize, seconds: f64) {
        let known = self.0.entry(key(problem, count)).or_default();
        known.spent += seconds;
        // Shorter calls say more of calls than of matrices.
        if seconds > WAY {
            let matrix = seconds / count as f64;
            known.cpu = Some(known.cpu.map_or(matrix, |before| 0.5 * (before + matrix)));
        }
    }

    /// Both did their parts, (matrices, seconds) of the CPU and of the GPU, of a call on `count` matrices.
    pub fn both_took(
        &mut self,
        problem: &Problem,
        count: usize,
        cpu: (usize, f64),
        gpu: (usize, f64),
    ) {
        let known = self.0.entry(key(problem, count)).or_default();
        known.cpu = Some(cpu.1 / cpu.0 as f64);
        if let Some(line) = &mut known.gpu {
            line.matrix = 0.5 * (line.matrix + (gpu.1 - line.call).max(0.0) / gpu.0 as f64);
        }
    }

    /// The GPU was tried, or cannot be had (infinities).
    pub fn gpu_tried(&mut self, problem: &Problem, count: usize, line: Line) {
        self.0.entry(key(problem, count)).or_default().gpu = Some(line);
    }

    /// A call on the GPU took so long.
    pub fn gpu_took(&mut self, problem: &Problem, count: usize, seconds: f64) {
        if let Some(gpu) = &mut self.0.entry(key(problem, count)).or_default().gpu {
            let matrix = (seconds - gpu.call).max(0.0) / count as f64;
            gpu.matrix = 0.5 * (gpu.matrix + matrix);
        }
    }
}

/// The parts that both take equally long for, the CPU so many seconds a matrix.
fn both(count: usize, cpu: f64, gpu: Line) -> Choice {
    let first = (count as f64 * cpu - gpu.call) / (gpu.matrix + cpu);
    split(count, first / count as f64)
}

/// A call of which this part is the GPU's.
pub(crate) fn split(count: usize, part: f64) -> Choice {
    // Of a GPU that cannot be had.
    if part.is_nan() || part < PART {
        Choice::Cpu
    } else if part > 1.0 - PART {
        Choice::Gpu
    } else {
        Choice::Both(((part * count as f64).round() as usize).clamp(1, count.max(2) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::scalar::Dtype;
    use crate::planner::Vectors;
    use crate::planner::problem::Job;

    fn problem(n: usize) -> Problem {
        let job = Job::svd(Vectors::Thin);
        Problem::new(n, n, Dtype::F32, job)
    }

    #[test]
    fn tiny_calls_are_the_cpus_and_large_ones_are_worth_a_trial() {
        let (rates, eight) = (Rates::default(), problem(8));
        assert_eq!(rates.choose(&eight, 1, 2, false), Choice::Cpu);
        assert_eq!(rates.choose(&eight, 1000, 2, false), Choice::Cpu);
        let Choice::Probe(count) = rates.choose(&eight, 10_000_000, 2, false) else {
            panic!("no trial");
        };
        assert!((100..100_000).contains(&count), "{count}");
    }

    #[test]
    fn repeated_calls_come_to_a_trial_and_then_to_whoever_is_sooner() {
        let (mut rates, eight) = (Rates::default(), problem(8));
        // Ten milliseconds a call.
        let mut calls = 0;
        while rates.choose(&eight, 10_000, 2, false) == Choice::Cpu {
            rates.cpu_took(&eight, 10_000, 0.01);
            calls += 1;
            assert!(calls < 100, "never tried");
        }
        assert!(calls >= 20, "tried after {calls}");
        assert_eq!(rates.choose(&eight, 10_000, 2, false), Choice::Probe(5000));
        let fast = Line {
            call: 3e-4,
            matrix: 1e-8,
        };
        rates.gpu_tried(&eight, 10_000, fast);
        assert_eq!(rates.choose(&eight, 10_000, 2, false), Choice::Gpu);
        // Of a few matrices nothing is known.
        assert_eq!(rates.choose(&eight, 200, 2, false), Choice::Cpu);
        // It turns out to be slow: found out from the calls themselves.
        for _ in 0..10 {
            rates.gpu_took(&eight, 10_000, 0.1);
        }
        assert_eq!(rates.choose(&eight, 10_000, 2, false), Choice::Cpu);
        // Of another problem nothing is known.
        assert_eq!(rates.choose(&problem(9), 10, 2, false), Choice::Cpu);
    }

    #[test]
    fn a_gpu_that_cannot_be_had_is_not_tried_again() {
        let (mut rates, eight) = (Rates::default(), problem(8));
        let never = Line {
            call: f64::INFINITY,
            matrix: f64::INFINITY,
        };
        rates.gpu_tried(&eight, 100_000_000, never);
        assert_eq!(rates.choose(&eight, 100_000_000, 2, false), Choice::Cpu);
    }
    #[test]
    fn shared_calls_end_on_both_sides_at_once() {
        let (mut rates, eight) = (Rates::default(), problem(8));
        // A microsecond a matrix on the CPU, a third on the GPU.
        rates.cpu_took(&eight, 100_000, 0.1);
        let line = Line {
            call: 1e-3,
            matrix: 1e-6 / 3.0,
        };
        rates.gpu_tried(&eight, 100_000, line);
        let Choice::Both(first) = rates.choose(&eight, 100_000, 2, true) else {
            panic!("not shared");
        };
        let (gpu, cpu) = (
            1e-3 + first as f64 * 1e-6 / 3.0,
            (100_000 - first) as f64 * 1e-6,
        );
        assert!((gpu - cpu).abs() < 1e-5, "{gpu} s, {cpu} s");
        assert_eq!(rates.choose(&eight, 100_000, 2, false), Choice::Gpu);
        // Together they get in each other's way: found out from the calls.
        let busy = (100_000 - first, 2.0 * cpu);
        rates.both_took(&eight, 100_000, busy, (first, gpu));
        let Choice::Both(more) = rates.choose(&eight, 100_000, 2, true) else {
            panic!("not shared");
        };
        assert!(more > first, "{more}");
        // Not for a few of a hundred, and not with a GPU that cannot be had.
        assert_eq!(split(100, 0.02), Choice::Cpu);
        assert_eq!(split(100, 0.98), Choice::Gpu);
        assert_eq!(split(2, 0.5), Choice::Both(1));
        let never = Line {
            call: f64::INFINITY,
            matrix: f64::INFINITY,
        };
        rates.gpu_tried(&eight, 100_000, never);
        assert_eq!(rates.choose(&eight, 100_000, 2, true), Choice::Cpu);
    }
}
