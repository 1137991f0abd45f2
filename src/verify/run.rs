//! Measures all matrices of a call: groups of them side by side, or one at a time, on all cores.

use crate::data::error::{Error, allocate};
use crate::data::parallel;
use crate::data::scalar::sealed::Float;
use crate::lanes::memory::Memory;
use crate::lanes::{Kernel, Lanes, vectors_mut};
use crate::verify::form::{Alone, Beside, Form, MOST_LANES};
use crate::verify::kernel::GROUP;
use crate::verify::machine::{Machine, asks, vectors};
use crate::verify::step::{Measure, Size};

/// Entries of all buffers of a matrix up to which matrices lie side by side: a group stays in the caches.
const BESIDE: usize = 3300;
/// Entries of all buffers that a task has at least.
const TASK: usize = 1 << 14;

/// Some matrices of a measure, and a thread's memory.
struct Task<'t, 'a> {
    measure: &'t Measure<'a>,
    memory: &'t mut Option<Memory<f64>>,
    first: usize,
    /// The results, matrix by matrix.
    to: &'t mut [f64],
    /// Those that ask for care.
    careful: &'t mut Vec<usize>,
    beside: bool,
}

impl Kernel<f64> for Task<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<f64>>(self, l: L) {
        match self.beside {
            true => self.run_in::<Beside, L>(l),
            false => self.run_in::<Alone, L>(l),
        }
    }
}

/// What products copy a group of rows to, and reflectors a column.
fn panel<F: Form, L: Lanes<f64>>(buffers: &[Size]) -> usize {
    let mut most = 0;
    for size in buffers {
        if let Size::Matrix(rows, cols) = *size {
            most = most
                .max(GROUP.saturating_mul(cols))
                .max(F::height::<L>(rows));
        }
    }
    most
}

impl Task<'_, '_> {
    #[inline(always)]
    fn run_in<F: Form, L: Lanes<f64>>(self, l: L) {
        let measure = self.measure;
        let mut lens: Vec<usize> = measure
            .buffers
            .iter()
            .map(|&size| vectors::<F, L>(size))
            .collect();
        lens.push(panel::<F, L>(&measure.buffers));
        lens.push(F::height::<L>(measure.results));
        for len in &mut lens {
            *len = len.saturating_mul(L::LANES);
        }
        let memory = self.memory.get_or_insert_with(|| Memory::zeros(&lens));
        let mut buffers: Vec<&mut [L::Vector]> = Vec::with_capacity(lens.len());
        for part in memory.list(&lens) {
            buffers.push(vectors_mut::<f64, L>(part).0);
        }
        let results = buffers.pop().unwrap_or_default();
        let panel = buffers.pop().unwrap_or_default();
        let mut machine = Machine {
            buffers,
            panel,
            results,
        };
        let group = F::group::<L>();
        let each = measure.results;
        let groups = self.to.chunks_mut(group * each);
        for (to, first) in groups.zip((self.first..).step_by(group)) {
            let count = to.len() / each;
            let care = machine.run::<F, L>(l, measure, first, count);
            for (lane, to) in to.chunks_exact_mut(each).enumerate() {
                for (at, to) in to.iter_mut().enumerate() {
                    *to = machine.result::<F, L>(at, lane);
                }
                if asks::<L>(&care, lane) {
                    self.careful.push(first + lane);
                }
            }
        }
    }
}

/// The entries of all buffers.
fn entries(buffers: &[Size]) -> usize {
    let entries = |size: &Size| match *size {
        Size::Matrix(rows, cols) => rows.saturating_mul(cols),
        Size::Sums(cols) => cols,
    };
    buffers.iter().map(entries).fold(0, usize::saturating_add)
}

/// N results of every matrix, and the matrices that ask for care.
pub(super) fn run<const N: usize>(
    measure: &Measure<'_>,
) -> Result<(Vec<[f64; N]>, Vec<usize>), Error> {
    debug_assert_eq!(measure.results, N);
    let mut results = allocate(measure.count, [0.0; N])?;
    let careful = run_to(measure, results.as_flattened_mut())?;
    Ok((results, careful))
}

/// The results of every matrix, one after the other.
pub(super) fn run_to(measure: &Measure<'_>, results: &mut [f64]) -> Result<Vec<usize>, Error> {
    let (count, each) = (measure.count, measure.results);
    if results.is_empty() {
        return Ok(Vec::new());
    }
    let size = entries(&measure.buffers);
    let beside = size <= BESIDE && count > MOST_LANES / 2;
    probe(measure, count, beside)?;
    let some = (TASK / size.max(1)).max(1).next_multiple_of(MOST_LANES);
    let some = if beside {
        some
    } else {
        some.min(count.div_ceil(4 * parallel::threads())).max(1)
    };
    let mut careful: Vec<Vec<usize>> = allocate(count.div_ceil(some), Vec::new())?;
    let tasks = results
        .chunks_mut(some * each)
        .zip(&mut careful)
        .enumerate();
    parallel::for_each(
        tasks.collect(),
        || None,
        |memory, (task, (to, careful)): (usize, (&mut [f64], &mut Vec<usize>))| {
            f64::dispatch(
                true,
                Task {
                    measure,
                    memory,
                    first: task * some,
                    to,
                    careful,
                    beside,
                },
            );
        },
    );
    Ok(careful.into_iter().flatten().collect())
}

/// Whether the host can provide the buffers of all threads; asked for, not touched.
fn probe(measure: &Measure<'_>, count: usize, beside: bool) -> Result<(), Error> {
    let lanes = if beside { MOST_LANES } else { 1 };
    let threads = parallel::threads().min(count);
    let mut bytes = 0u128;
    for size in &measure.buffers {
        let entries = match *size {
            // Products copy rows and reflectors columns, of matrices without entries too.
            Size::Matrix(rows, cols) => (rows.max(1) as u128)
                .next_multiple_of(MOST_LANES as u128)
                .saturating_mul(cols.max(1) as u128),
            Size::Sums(cols) => cols as u128 * MOST_LANES as u128,
        };
        // And as much again for what products copy.
        let each = (2 * 8 * lanes * threads) as u128;
        bytes = bytes.saturating_add(entries.saturating_mul(each));
    }
    let bytes_here = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut probe: Vec<u8> = Vec::new();
    probe
        .try_reserve_exact(bytes_here)
        .map_err(|_| Error::Memory { bytes })
}
