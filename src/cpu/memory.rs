//! Memory that begins where a line of the cache does: a vector across two lines takes twice as long.
//! One allocation for all parts: seventeen took a third of the time of one 3x3 matrix.

use std::marker::PhantomData;

/// Bytes of a line of the cache, and of the widest vectors.
pub(crate) const LINE: usize = 64;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Parts of some vectors each, zero at first.
pub(crate) struct Memory<V> {
    lines: Vec<Line>,
    vectors: PhantomData<V>,
}

impl<V: bytemuck::Pod> Memory<V> {
    pub fn zeros(lens: &[usize]) -> Self {
        let lines = lens.iter().map(|&len| lines::<V>(len)).sum();
        Memory {
            lines: bytemuck::zeroed_vec(lines),
            vectors: PhantomData,
        }
    }

    /// The parts, of the lengths that the memory was made for.
    #[inline(always)]
    pub fn parts<const N: usize>(&mut self, lens: [usize; N]) -> [&mut [V]; N] {
        let mut rest = self.lines.as_mut_slice();
        lens.map(|len| {
            let (part, others) = std::mem::take(&mut rest).split_at_mut(lines::<V>(len));
            rest = others;
            &mut bytemuck::cast_slice_mut(part)[..len]
        })
    }

    /// As many parts as there are lengths.
    pub fn list(&mut self, lens: &[usize]) -> Vec<&mut [V]> {
        let mut rest = self.lines.as_mut_slice();
        let mut parts = Vec::with_capacity(lens.len());
        for &len in lens {
            let (part, others) = rest.split_at_mut(lines::<V>(len));
            parts.push(&mut bytemuck::cast_slice_mut(part)[..len]);
            rest = others;
        }
        parts
    }
}

fn lines<V>(len: usize) -> usize {
    (len * size_of::<V>()).div_ceil(LINE)
}
