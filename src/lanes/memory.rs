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

    /// All of it, to be cut into parts one after the other.
    #[inline(always)]
    pub fn rest(&mut self) -> Rest<'_, V> {
        Rest {
            rest: &mut self.lines,
            vectors: PhantomData,
        }
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

/// What is left of a memory.
pub(crate) struct Rest<'m, V> {
    rest: &'m mut [Line],
    vectors: PhantomData<V>,
}

impl<'m, V: bytemuck::Pod> Rest<'m, V> {
    /// The next part, of so many vectors.
    #[inline(always)]
    pub fn next(&mut self, len: usize) -> &'m mut [V] {
        let (part, rest) = std::mem::take(&mut self.rest).split_at_mut(lines::<V>(len));
        self.rest = rest;
        &mut bytemuck::cast_slice_mut(part)[..len]
    }
}

#[inline(always)]
fn lines<V>(len: usize) -> usize {
    (len * size_of::<V>()).div_ceil(LINE)
}
