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
    /// The same factor of the transposed matrix.
    pub(crate) fn flip(self) -> Self {
        match self {
            Factor::U => Factor::V,
            Factor::V => Factor::U,
        }
    }
}
