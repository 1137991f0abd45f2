//! Hermitian matrices to real tridiagonal ones, A = Z T Z', by Householder's reflectors (Golub and Van Loan, 8.3.1): T, and Z
//! where it is wanted.
//!
//! All arithmetic on whole matrices goes along rows, and no sum crosses them, so that the rows of one matrix fill the machine's
//! vectors as matrices side by side do, with the same bits. For that, a matrix alone has rows of zeros up to a whole vector.
//! Sums along a column are those of `sums`.

use crate::cpu::field::Field;
use crate::data::scalar::Real;
use crate::lanes::memory::Memory;
use crate::lanes::{Lanes, rows_a_vector, spread, wide, wide_mut};

/// Columns that are added up in one go. Equal entries are rounded alike: without blocks, the errors of a constant matrix grow
/// with n, and leave the bounds from 700 on.
const BLOCK: usize = 64;

/// n x n matrices whose columns have some planes.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Size {
    pub n: usize,
    pub planes: usize,
}

impl Size {
    /// Vectors of a plane of a column: as many as rows, and of a matrix alone as many zeros as fill the last of the machine's
    /// vectors.
    #[inline(always)]
    pub fn plane<T, L: Lanes<T>>(self) -> usize {
        self.n.next_multiple_of(rows_a_vector::<T, L>())
    }

    /// Vectors of a column.
    #[inline(always)]
    pub fn column<T, L: Lanes<T>>(self) -> usize {
        self.planes * self.plane::<T, L>()
    }

    /// Vectors of a matrix.
    #[inline(always)]
    pub fn matrix<T, L: Lanes<T>>(self) -> usize {
        self.n * self.column::<T, L>()
    }
}

/// A real tridiagonal matrix: n entries on the diagonal, and below it n - 1 and a zero.
pub(super) struct Tridiagonal<'t, V> {
    pub diagonal: &'t mut [V],
    pub below: &'t mut [V],
}

/// What `reduce` leaves for `form`, and its scratch.
pub(super) struct Reflectors<V> {
    size: Size,
    memory: Memory<V>,
}

/// The parts of its memory.
struct Parts<'m, V> {
    /// The rows below the diagonal of a column, and those of its product: one plane after the other.
    packed: &'m mut [V],
    product: &'m mut [V],
    /// The reflector and the vector of the last update; the next reflector, and its product.
    v: &'m mut [V],
    w: &'m mut [V],
    x: &'m mut [V],
    y: &'m mut [V],
    /// The part of the product of a block of columns.
    block: &'m mut [V],
    taus: &'m mut [V],
    /// Of each column of Z, by which it is multiplied.
    phases: &'m mut [V],
}

impl<V: bytemuck::Pod> Reflectors<V> {
    pub fn new<T, L: Lanes<T, Vector = V>>(size: Size) -> Self {
        Reflectors {
            size,
            memory: Memory::zeros(&Self::lens::<T, L>(size)),
        }
    }

    fn lens<T, L: Lanes<T, Vector = V>>(size: Size) -> [usize; 9] {
        let (n, column) = (size.n, size.column::<T, L>());
        let packed = size.planes * n;
        [
            packed,
            packed,
            column,
            column,
            column,
            column,
            column,
            n,
            2 * n,
        ]
    }

    #[inline(always)]
    fn parts<T, L: Lanes<T, Vector = V>>(&mut self) -> Parts<'_, V> {
        let [packed, product, v, w, x, y, block, taus, phases] = Self::lens::<T, L>(self.size);
        let mut rest = self.memory.rest();
        Parts {
            packed: rest.next(packed),
            product: rest.next(product),
            v: rest.next(v),
            w: rest.next(w),
            x: rest.next(x),
            y: rest.next(y),
            block: rest.next(block),
            taus: rest.next(taus),
            phases: rest.next(phases),
        }
    }

    /// Makes A tridiagonal. `a` keeps the reflectors.
    #[inline(always)]
    pub fn reduce<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        f: impl Field,
        a: &mut [V],
        t: &mut Tridiagonal<'_, V>,
    ) {
        let size = self.size;
        let (n, plane, column) = (size.n, size.plane::<T, L>(), size.column::<T, L>());
        let (zero, one, half) = (l.splat(T::ZERO), l.splat(T::ONE), l.splat(T::of(0.5)));
        let Parts {
            packed,
            product,
            mut v,
            w,
            mut x,
            y,
            block,
            taus,
            phases,
        } = self.parts::<T, L>();
        v.fill(zero);
        w.fill(zero);
        x.fill(zero);
        let mut phase = [one, zero];
        for k in 0..n {
            [phases[2 * k], phases[2 * k + 1]] = phase;
            if k > 0 {
                // This column first: the next reflector comes of it.
                f.update(l, &mut a[k * column..][..column], k, [v, w]);
            }
            t.diagonal[k] = a[k * column + k];
            (t.below[k], taus[k]) = (zero, zero);
            let below = n - k - 1;
            if below == 0 {
                break;
            }
            let packed = &mut packed[..size.planes * below];
            pack(&a[k * column..][..column], plane, k + 1, packed, below);
            if below > 1 {
                taus[k] = f.reflector(l, packed, 0);
            }
            let (length, turn) = f.polar(l, [packed[0], packed[packed.len() - below]]);
            t.below[k] = length;
            if size.planes > 1 {
                // Of both phases at once, so that their sizes stay one.
                let turned = [
                    l.neg_mul_add(phase[1], turn[1], l.mul(phase[0], turn[0])),
                    l.mul_add(phase[1], turn[0], l.mul(phase[0], turn[1])),
                ];
                (_, phase) = f.polar(l, turned);
            }
            if below == 1 {
                continue;
            }
            // The reflector is x: one, and what is below.
            for (p, part) in packed.chunks_exact_mut(below).enumerate() {
                part[0] = if p == 0 { one } else { zero };
                x[p * plane..][..k + 1].fill(zero);
                x[p * plane..][k + 1..n].copy_from_slice(part);
                a[k * column + p * plane..][k + 1..n].copy_from_slice(part);
            }
            y.fill(zero);
            let others = &mut a[(k + 1) * column..];
            let update = if k > 0 { Some([&*v, &*w]) } else { None };
            for (index, some) in others.chunks_mut(BLOCK * column).enumerate() {
                let first = k + 1 + index * BLOCK;
                if index == 0 {
                    f.multiply(l, some, [k + 1, first], update, x, y);
                    continue;
                }
                block.fill(zero);
                f.multiply(l, some, [k + 1, first], update, x, block);
                for (y, &block) in wide_mut::<T, L>(y).iter_mut().zip(wide::<T, L>(block)) {
                    *y = l.wide().add(*y, block);
                }
            }
            // H A H = A - x w' - w x', where w = tau A x - tau^2 (x'A x) / 2 x.
            let product = &mut product[..size.planes * below];
            pack(y, plane, k + 1, product, below);
            let tau = taus[k];
            let [along, _] = f.product(l, packed, product);
            let weight = l.mul(l.mul(half, l.mul(tau, tau)), along);
            for p in 0..size.planes {
                let (x, y) = (&x[p * plane..][..n], &y[p * plane..][..n]);
                let w = &mut w[p * plane..][..n];
                w[..k + 1].fill(zero);
                for r in k + 1..n {
                    w[r] = l.neg_mul_add(weight, x[r], l.mul(tau, y[r]));
                }
            }
            std::mem::swap(&mut v, &mut x);
        }
    }

    /// Forms Z from what `reduce` left in `a`, row by row, of a matrix alone strip by strip of as many rows as a vector holds:
    /// of each its planes, of n vectors each.
    #[inline(always)]
    pub fn form<T: Real, L: Lanes<T, Vector = V>>(
        &mut self,
        l: L,
        f: impl Field,
        a: &[V],
        z: &mut [V],
    ) {
        let size = self.size;
        let (n, plane, column) = (size.n, size.plane::<T, L>(), size.column::<T, L>());
        let strip = rows_a_vector::<T, L>();
        let lanes = L::Wide::LANES / strip;
        let Parts {
            packed,
            taus,
            phases,
            ..
        } = self.parts::<T, L>();
        let w = l.wide();
        // Where entry (r, c) begins, a number a lane.
        let at = |[r, c]: [usize; 2], p: usize| {
            (((r / strip) * size.planes + p) * n + c) * L::Wide::LANES + r % strip * lanes
        };
        z.fill(l.splat(T::ZERO));
        let numbers: &mut [T] = bytemuck::cast_slice_mut(z);
        for r in 0..n {
            numbers[at([r, r], 0)..][..lanes].fill(T::ONE);
        }
        // Z' first, from the last reflector on: so each acts on few rows.
        for k in (0..n.saturating_sub(2)).rev() {
            let below = n - k - 1;
            let packed = &mut packed[..size.planes * below];
            pack(&a[k * column..][..column], plane, k + 1, packed, below);
            let tau = spread::<T, L>(l, &taus[k]);
            let rows = wide_mut::<T, L>(z).chunks_exact_mut(size.planes * n);
            for row in rows.skip((k + 1) / strip) {
                f.reflect_row(l, row, k + 1, packed, tau);
            }
        }
        let numbers: &mut [T] = bytemuck::cast_slice_mut(z);
        for r in 0..n {
            for c in 0..r {
                for p in 0..size.planes {
                    let (from, to) = (at([r, c], p), at([c, r], p));
                    for lane in 0..lanes {
                        numbers.swap(from + lane, to + lane);
                    }
                }
            }
        }
        if size.planes == 1 {
            return;
        }
        // Conjugated, and each column times its phase.
        for row in wide_mut::<T, L>(z).chunks_exact_mut(2 * n) {
            let (re, im) = row.split_at_mut(n);
            for c in 0..n {
                let pr = spread::<T, L>(l, &phases[2 * c]);
                let pi = spread::<T, L>(l, &phases[2 * c + 1]);
                let (a, b) = (re[c], im[c]);
                re[c] = w.mul_add(b, pi, w.mul(a, pr));
                im[c] = w.neg_mul_add(b, pr, w.mul(a, pi));
            }
        }
    }
}

/// Copies the rows from `first` on of a column, one plane after the other.
#[inline(always)]
fn pack<V: Copy>(column: &[V], plane: usize, first: usize, to: &mut [V], rows: usize) {
    for (from, to) in column.chunks_exact(plane).zip(to.chunks_exact_mut(rows)) {
        to.copy_from_slice(&from[first..][..rows]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::complex::Complexes;
    use crate::cpu::real::Reals;
    use crate::data::scalar::Complex;
    use crate::data::scalar::sealed::Float;
    use crate::lanes::{Kernel, numbers, numbers_mut};

    /// One matrix, in lane 0 of many or alone: T and Z.
    struct Reduce<'a, F> {
        f: F,
        n: usize,
        /// By columns.
        a: &'a [Complex<f64>],
    }

    impl<F: Field> Kernel<f64> for Reduce<'_, F> {
        type Output = ([Vec<f64>; 2], Vec<Complex<f64>>);

        fn run<L: Lanes<f64>>(self, l: L) -> Self::Output {
            let Reduce { f, n, a: given } = self;
            let planes = f.planes();
            let size = Size { n, planes };
            let (plane, column) = (size.plane::<f64, L>(), size.column::<f64, L>());
            let len = size.matrix::<f64, L>();
            let mut memory = Memory::<L::Vector>::zeros(&[len, len]);
            let mut rest = memory.rest();
            let (a, z) = (rest.next(len), rest.next(len));
            for j in 0..n {
                for i in 0..n {
                    let entry = given[j * n + i];
                    for (p, part) in [entry.re, entry.im].into_iter().enumerate().take(planes) {
                        numbers_mut(&mut a[j * column + p * plane + i])[0] = part;
                    }
                }
            }
            let (mut d, mut e) = (vec![l.splat(0.0); n], vec![l.splat(0.0); n]);
            let mut reflectors = Reflectors::new::<f64, L>(size);
            let mut t = Tridiagonal {
                diagonal: &mut d,
                below: &mut e,
            };
            reflectors.reduce(l, f, a, &mut t);
            reflectors.form(l, f, a, z);
            let first = |x: &L::Vector| numbers::<f64, _>(x)[0];
            let strip = rows_a_vector::<f64, L>();
            let z = (0..n * n).map(|at| {
                let (c, r) = (at / n, at % n);
                let part =
                    |p: usize| first(&z[((r / strip * planes + p) * n + c) * strip + r % strip]);
                Complex::new(part(0), if planes > 1 { part(1) } else { 0.0 })
            });
            let z = z.collect();
            (
                [d.iter().map(first).collect(), e.iter().map(first).collect()],
                z,
            )
        }
    }

    fn check<F: Field>(f: F, n: usize) {
        let mut seed = 1u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed) / 2f64.powi(31) - 1.0
        };
        let mut a = vec![Complex::new(0.0, 0.0); n * n];
        for j in 0..n {
            for i in 0..=j {
                let imaginary = if f.planes() > 1 && i < j {
                    random()
                } else {
                    0.0
                };
                let entry = Complex::new(random(), imaginary);
                (a[j * n + i], a[i * n + j]) = (entry, entry.conj());
            }
        }
        let ([d, e], z) = f64::dispatch(true, Reduce { f, n, a: &a });
        assert!(n == 0 || e[n - 1] == 0.0);
        let bound = 8.0 * (n as f64).sqrt() * f64::EPSILON;
        for i in 0..n {
            for j in 0..n {
                // (Z T Z')_ij and (Z'Z)_ij
                let mut formed = Complex::new(0.0, 0.0);
                let mut product = Complex::new(0.0, 0.0);
                for k in 0..n {
                    let mut of_t = z[k * n + i] * d[k];
                    if k > 0 {
                        of_t += z[(k - 1) * n + i] * e[k - 1];
                    }
                    if k + 1 < n {
                        of_t += z[(k + 1) * n + i] * e[k];
                    }
                    formed += of_t * z[k * n + j].conj();
                    product += z[i * n + k].conj() * z[j * n + k];
                }
                let apart = (formed - a[j * n + i]).norm();
                assert!(apart <= bound * n as f64, "{n}x{n}: {apart}");
                let one = if i == j { 1.0 } else { 0.0 };
                assert!((product - one).norm() <= bound, "{n}x{n}: {product}");
            }
        }
        // Alone, the same bits.
        let alone = f64::dispatch(false, Reduce { f, n, a: &a });
        assert_eq!(alone, ([d, e], z), "{n}x{n}");
    }

    /// The second entry of the diagonal for an n x n matrix of ones.
    struct Ones(usize);

    impl Kernel<f32> for Ones {
        type Output = f32;

        fn run<L: Lanes<f32>>(self, l: L) -> f32 {
            let n = self.0;
            let size = Size { n, planes: 1 };
            let mut memory = Memory::<L::Vector>::zeros(&[size.matrix::<f32, L>()]);
            let a = memory.rest().next(size.matrix::<f32, L>());
            for column in a.chunks_exact_mut(size.column::<f32, L>()) {
                column[..n].fill(l.splat(1.0));
            }
            let (mut d, mut e) = (vec![l.splat(0.0); n], vec![l.splat(0.0); n]);
            let mut t = Tridiagonal {
                diagonal: &mut d,
                below: &mut e,
            };
            Reflectors::new::<f32, L>(size).reduce(l, Reals, a, &mut t);
            numbers::<f32, _>(&d[1])[0]
        }
    }

    #[test]
    fn errors_of_equal_entries_do_not_add_up() {
        let n = 320;
        let found = f64::from(f32::dispatch(false, Ones(n)));
        let error = (found / (n as f64 - 1.0) - 1.0).abs();
        assert!(error <= 20.0 * f64::from(f32::EPSILON), "{error}");
    }

    #[test]
    fn matrices_are_those_of_their_tridiagonal_forms() {
        for n in [1, 2, 3, 4, 7, 9, 16, 17, 33] {
            check(Reals, n);
            check(Complexes, n);
        }
    }
}
