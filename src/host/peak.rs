//! A machine's own limits: what no kernel can exceed.

use crate::data::error::Error;

/// What a device does at best, measured: the limits beside which kernels are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Peak {
    /// Floating-point operations a second in independent fused multiply-adds, two operations each.
    pub flops: f64,
    /// Bytes a second in copies of memory too large for caches, reads and writes both counted.
    pub bytes: f64,
}

/// A measurement shorter than this says little.
const LONG_ENOUGH: f64 = 0.03;
/// A limit is the most that was seen.
const REPETITIONS: usize = 3;
/// No measurement is made larger than so many times its unit.
const LARGEST: usize = 1 << 16;

/// The best rate of `run`, which does `size` units of work and returns (work, seconds): grown until
/// it takes long enough, then repeated.
pub(crate) fn best(mut run: impl FnMut(usize) -> Result<(f64, f64), Error>) -> Result<f64, Error> {
    let (mut size, mut repetitions, mut rate) = (1, 0, 0.0f64);
    while repetitions < REPETITIONS {
        let (work, seconds) = run(size)?;
        if seconds < LONG_ENOUGH && size < LARGEST {
            size *= 2;
            continue;
        }
        rate = rate.max(work / seconds.max(1e-9));
        repetitions += 1;
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_long_enough_runs_counts() {
        let mut sizes = Vec::new();
        // A tenth of a second for 64 units, but one run out of three takes twice as long.
        let rate = best(|size| {
            sizes.push(size);
            let slow = if sizes.len() % 3 == 0 { 2.0 } else { 1.0 };
            Ok((size as f64, slow * size as f64 / 640.0))
        });
        assert_eq!(rate.unwrap(), 640.0);
        assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 32, 32]);
    }
}
