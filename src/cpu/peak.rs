//! How fast this machine's cores could be at best.

use std::hint::black_box;
use std::time::Instant;

use crate::data::error::{Error, allocate};
use crate::data::parallel;
use crate::data::scalar::Real;
use crate::host::peak::{Peak, best};
use crate::lanes::{Kernel, Lanes};

/// Bytes that each thread copies: beyond the caches that belong to a core.
const COPIED: usize = 64 << 20;

/// Chains of multiply-adds that hide each other's latency: 4 clocks on 2 ports, and some to spare.
const CHAINS: usize = 12;

struct MultiplyAdds {
    rounds: usize,
}

impl<T: Real> Kernel<T> for MultiplyAdds {
    /// Floating-point operations.
    type Output = f64;

    #[inline(always)]
    fn run<L: Lanes<T>>(self, lanes: L) -> f64 {
        let (factor, term) = (black_box(T::of(0.999)), black_box(T::of(1e-3)));
        let (factor, term) = (lanes.splat(factor), lanes.splat(term));
        let mut chains: [_; CHAINS] = std::array::from_fn(|c| lanes.splat(T::of(c as f64)));
        for _ in 0..self.rounds {
            for chain in &mut chains {
                *chain = lanes.mul_add(*chain, factor, term);
            }
        }
        let sum = chains.into_iter().fold(term, |a, b| lanes.add(a, b));
        black_box(bytemuck::cast_slice::<_, T>(&[sum]));
        (2 * CHAINS * self.rounds * L::LANES) as f64
    }
}

/// Measures multiply-adds on all cores, and copies of memory.
pub(crate) fn measure<T: Real>() -> Result<Peak, Error> {
    let threads = parallel::threads();
    let flops = best(|size| {
        let rounds = 1000 * size;
        let start = Instant::now();
        let mut done = vec![0.0; threads];
        parallel::for_each(
            done.iter_mut().collect(),
            || (),
            |_, done| *done = T::dispatch(true, MultiplyAdds { rounds }),
        );
        let seconds = start.elapsed().as_secs_f64();
        Ok((done.iter().sum::<f64>(), seconds))
    })?;
    let mut pairs = Vec::new();
    for _ in 0..threads {
        // Written to, so that the pages are there.
        pairs.push((allocate(COPIED, 1u8)?, allocate(COPIED, 2u8)?));
    }
    let bytes = best(|size| {
        let start = Instant::now();
        for _ in 0..size {
            parallel::for_each(
                pairs.iter_mut().collect(),
                || (),
                |_, (from, to)| black_box(to).copy_from_slice(black_box(from)),
            );
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok(((2 * COPIED * threads * size) as f64, seconds))
    })?;
    Ok(Peak { flops, bytes })
}
