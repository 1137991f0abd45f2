//! Memory that begins where a line of the cache does: a vector across two lines takes twice as long.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Bytes of a line of the cache, and of the widest vectors.
pub(super) const LINE: usize = 64;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Vectors, zero at first.
pub(super) struct Memory<V> {
    lines: Vec<Line>,
    len: usize,
    vectors: PhantomData<V>,
}

impl<V: bytemuck::Pod> Memory<V> {
    pub fn zeros(len: usize) -> Self {
        let lines = (len * size_of::<V>()).div_ceil(LINE);
        Memory {
            lines: bytemuck::zeroed_vec(lines),
            len,
            vectors: PhantomData,
        }
    }
}

impl<V: bytemuck::Pod> Deref for Memory<V> {
    type Target = [V];

    #[inline(always)]
    fn deref(&self) -> &[V] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<V: bytemuck::Pod> DerefMut for Memory<V> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [V] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}
