//! The operations, a file each: what it is, its guarantee and source, its result, its choices, and how it is computed.
//! `call` carries them out, in all ways of calling; `operation` says what they are to it, and `list` has a line for each.
//! Whatever has the form left diag(f(sigma)) right' is composed where the engine computes; the rest is made of vectors on
//! the host.

pub(crate) mod call;
mod components;
mod counted;
mod eigh;
mod factored;
mod list;
mod low_rank;
mod lstsq;
mod measures;
mod null_vector;
pub(crate) mod operation;
mod pinv;
mod polar;
mod shrink;
mod shrinkage;
mod singular_values;
mod singular_vectors;
mod subspace;
mod svd;
mod symmetric;
mod warm;
mod weighted;

pub use call::{Call, Operand};
pub use components::{Components, Whitening};
pub use eigh::{Eigh, Eigvalsh, Symmetric};
pub use low_rank::{LowRank, LowRankFactors};
pub use lstsq::Lstsq;
pub use null_vector::NullVector;
pub use operation::{
    Compute, ComputeInto, Damped, DampedNearSingular, Device, Host, IntoPlaces, Memory, Operation,
    Placed, Recordable, Warm,
};
pub use pinv::Pinv;
pub use polar::{Determinant, Polar};
pub use shrink::Shrunk;
pub use shrinkage::Shrinkage;
pub use singular_values::SingularValues;
pub use singular_vectors::SingularVectors;
pub use subspace::{Basis, Projector, Subspace};
pub use svd::Svd;

use crate::data::batch::Batch;
use crate::data::parallel;
use crate::data::scalar::Scalar;

/// Entries that one task works on at least.
const TASK: usize = 1 << 14;

/// Calls `f` on the index and the entries of every matrix that has any.
fn for_each<T: Scalar>(batch: &mut Batch<T>, f: impl Fn(usize, &mut [T]) + Send + Sync) {
    let some = TASK.div_ceil((batch.rows() * batch.cols()).max(1));
    for_each_with(batch, some, || (), |(), index, matrix| f(index, matrix));
}

/// The same in tasks of `some` matrices, with scratch for each thread.
fn for_each_with<T: Scalar, W>(
    batch: &mut Batch<T>,
    some: usize,
    scratch: impl Fn() -> W + Send + Sync,
    f: impl Fn(&mut W, usize, &mut [T]) + Send + Sync,
) {
    let mut nothing = vec![(); batch.count()];
    for_each_beside(
        batch,
        &mut nothing,
        some,
        scratch,
        |scratch, index, matrix, ()| {
            f(scratch, index, matrix);
        },
    );
}

/// The same with what belongs to each matrix.
fn for_each_beside<T: Scalar, I: Send, W>(
    batch: &mut Batch<T>,
    list: &mut [I],
    some: usize,
    scratch: impl Fn() -> W + Send + Sync,
    f: impl Fn(&mut W, usize, &mut [T], &mut I) + Send + Sync,
) {
    let size = batch.rows() * batch.cols();
    if size == 0 {
        return;
    }
    let tasks = batch.as_mut_slice().chunks_mut(some * size);
    let tasks = tasks.zip(list.chunks_mut(some)).enumerate();
    parallel::for_each(
        tasks.collect(),
        scratch,
        |scratch, (task, (entries, list)): (usize, (&mut [T], &mut [I]))| {
            let each = entries.chunks_exact_mut(size).zip(list);
            for (index, (matrix, own)) in (task * some..).zip(each) {
                f(scratch, index, matrix, own);
            }
        },
    );
}

/// Gives an n x n matrix that is symmetric (Hermitian) but for rounding one half for both.
fn mirror<T: Scalar>(matrix: &mut [T], n: usize) {
    for j in 0..n {
        for i in 0..j {
            matrix[j * n + i] = matrix[i * n + j].conjugate();
        }
        matrix[j * n + j] = T::of_real(matrix[j * n + j].parts()[0]);
    }
}
