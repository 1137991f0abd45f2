//! The two factors of vectors in a decomposition.

/// One of the two factors of A = U diag(sigma) V' that consist of singular vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Factor {
    /// The left singular vectors.
    U,
    /// The right singular vectors.
    #[default]
    V,
}

impl Factor {
    /// The length of its vectors, of an m x n matrix.
    #[inline(always)]
    pub(crate) fn length(self, [m, n]: [usize; 2]) -> usize {
        match self {
            Factor::U => m,
            Factor::V => n,
        }
    }

    /// The same factor of the transposed matrix.
    pub(crate) fn flip(self) -> Self {
        match self {
            Factor::U => Factor::V,
            Factor::V => Factor::U,
        }
    }
}
