//! Dot products with one order of summation for every width of lanes.
//!
//! Rows go round-robin to as many partial sums as numbers fill 64 bytes, so that one lane alone
//! fills the widest vectors; a rest of fewer rows goes to four. Partial sums meet pairwise, and so do the sums of
//! blocks of rows: errors grow with the logarithm of the length, and stay in the bounds for columns of any length
//! (Higham, Accuracy and Stability of Numerical Algorithms, 4.2).

use crate::data::scalar::Real;
use crate::lanes::{Lanes, vectors};

/// Partial sums: the numbers in 64 bytes of the smallest type.
const MOST: usize = 16;
/// Rows that are summed in one go.
const BLOCK: usize = 512;
/// The same where there are four partial sums.
pub(super) const RUN: usize = 256;
/// No column has 2^64 rows.
const LEVELS: usize = 56;

// In a debug build every copy of it would have a place of its own on the stack, for 56 sums.
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) fn dot<T: Real, L: Lanes<T>>(l: L, x: &[L::Vector], y: &[L::Vector]) -> L::Vector {
    if x.len() <= BLOCK {
        return block(l, x, y);
    }
    // Two sums of as many blocks become one at the level above, as ones are carried when counting.
    let zero = l.splat(T::ZERO);
    let mut waiting = [zero; LEVELS];
    let mut blocks = 0usize;
    for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
        let mut sum = block(l, x, y);
        let carries = blocks.trailing_ones() as usize;
        for other in &waiting[..carries] {
            sum = l.add(*other, sum);
        }
        waiting[carries] = sum;
        blocks += 1;
    }
    let mut total = zero;
    let mut left = blocks;
    for sum in &waiting {
        if left == 0 {
            break;
        }
        if left % 2 == 1 {
            total = l.add(*sum, total);
        }
        left /= 2;
    }
    total
}

#[inline(always)]
fn block<T: Real, L: Lanes<T>>(l: L, x: &[L::Vector], y: &[L::Vector]) -> L::Vector {
    match size_of::<T>() {
        4 => partial::<T, L, MOST>(l, x, y),
        _ => partial::<T, L, { MOST / 2 }>(l, x, y),
    }
}

#[inline(always)]
fn partial<T: Real, L: Lanes<T>, const P: usize>(
    l: L,
    x: &[L::Vector],
    y: &[L::Vector],
) -> L::Vector {
    let (xs, x_rest) = x.as_chunks::<P>();
    let (ys, y_rest) = y.as_chunks::<P>();
    let rest = tail(l, x_rest, y_rest);
    if xs.is_empty() {
        return rest;
    }
    if L::LANES == 1 {
        return l.add(alone::<T, L, P>(l, xs, ys), rest);
    }
    let mut sums = [l.splat(T::ZERO); P];
    for (x, y) in xs.iter().zip(ys) {
        for p in 0..P {
            sums[p] = l.mul_add(x[p], y[p], sums[p]);
        }
    }
    let mut half = P / 2;
    while half > 0 {
        for p in 0..half {
            sums[p] = l.add(sums[p], sums[p + half]);
        }
        half /= 2;
    }
    l.add(sums[0], rest)
}

/// Partial sums in a line of the cache: one that lies across two is slow to read back.
#[repr(align(64))]
struct Line<T, const P: usize>([T; P]);

/// The partial sums of one matrix, in the machine's vectors, and their total.
#[inline(always)]
fn alone<T: Real, L: Lanes<T>, const P: usize>(
    l: L,
    x: &[[L::Vector; P]],
    y: &[[L::Vector; P]],
) -> L::Vector {
    let w = l.wide();
    let mut sums = [w.splat(T::ZERO); P];
    let used = P / L::Wide::LANES;
    for (x, y) in x.iter().zip(y) {
        let (x, _) = vectors::<T, L::Wide>(bytemuck::cast_slice(x.as_slice()));
        let (y, _) = vectors::<T, L::Wide>(bytemuck::cast_slice(y.as_slice()));
        for p in 0..used {
            sums[p] = w.mul_add(x[p], y[p], sums[p]);
        }
    }
    let mut line = Line([T::ZERO; P]);
    line.0.copy_from_slice(bytemuck::cast_slice(&sums[..used]));
    // As in `partial`, and twice: one function for both takes its array through memory, for 1 or 2 %
    // more instructions in all.
    let mut half = P / 2;
    while half > 0 {
        for p in 0..half {
            line.0[p] += line.0[p + half];
        }
        half /= 2;
    }
    l.splat(line.0[0])
}

/// Fewer rows than there are partial sums.
#[inline(always)]
fn tail<T: Real, L: Lanes<T>>(l: L, x: &[L::Vector], y: &[L::Vector]) -> L::Vector {
    let (xs, x_rest) = x.as_chunks::<4>();
    let (ys, y_rest) = y.as_chunks::<4>();
    let mut sums = [l.splat(T::ZERO); 4];
    for (x, y) in xs.iter().zip(ys) {
        for p in 0..4 {
            sums[p] = l.mul_add(x[p], y[p], sums[p]);
        }
    }
    for (p, (&x, &y)) in x_rest.iter().zip(y_rest).enumerate().take(3) {
        sums[p] = l.mul_add(x, y, sums[p]);
    }
    l.add(l.add(sums[0], sums[2]), l.add(sums[1], sums[3]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Kernel;

    /// The dot product of x with itself, the same x in every lane.
    struct Norm<'x, T>(&'x [T]);

    impl<T: Real> Kernel<T> for Norm<'_, T> {
        type Output = Vec<T>;

        fn run<L: Lanes<T>>(self, l: L) -> Vec<T> {
            let x: Vec<L::Vector> = self.0.iter().map(|&x| l.splat(x)).collect();
            bytemuck::cast_slice(&[dot(l, &x, &x)]).to_vec()
        }
    }

    fn agree<T: Real>(error: f64) {
        for len in [
            0usize,
            1,
            3,
            7,
            15,
            16,
            17,
            63,
            513,
            1536,
            65536,
            1 << 20,
            1 << 23,
        ] {
            let x = vec![T::of(0.1); len];
            let exact = len as f64 * T::of(0.1).f64().powi(2);
            let wide = T::dispatch(true, Norm(&x));
            let [single] = T::dispatch(false, Norm(&x))[..] else {
                panic!("more than one lane");
            };
            assert!(wide.iter().all(|lane| *lane == single), "{len}");
            let found = (single.f64() - exact).abs();
            assert!(found <= error * exact, "{len}: {:e}", found / exact);
        }
    }

    #[test]
    fn a_long_constant_column_keeps_its_norm_in_every_width() {
        agree::<f32>(16.0 * 2f64.powi(-24));
        agree::<f64>(32.0 * 2f64.powi(-53));
    }
}
