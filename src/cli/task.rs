//! What a command is to the driver of all commands.

use std::path::Path;

use batched_svd::{Dtype, Error, Options, View};

use crate::cli::args::{CutoffArgs, RunArgs};
use crate::cli::call::Call;
use crate::cli::entry::Entry;
use crate::cli::numbers::Numbers;
use crate::cli::output::Computed;

/// A command on `N` files of matrices. It computes, on matrices of one shape at a time, and no more: files, time and
/// summary are the driver's.
pub(crate) trait Task<const N: usize> {
    fn op(&self) -> &'static str;

    fn common(&self) -> &RunArgs;

    /// The first file has the matrices; the others have what belongs to them.
    fn inputs(&self) -> [&Path; N];

    fn output(&self) -> &Path;

    /// The files that go into the output, a folder to be made if need be, of matrices of this type; or none, where the
    /// output is a file.
    fn files(&self, _dtype: Dtype) -> Vec<&'static str> {
        Vec::new()
    }

    /// Files to be written besides.
    fn others(&self) -> Vec<&Path> {
        Vec::new()
    }

    /// Files of an earlier run, in the folder, that would not belong to what this one writes.
    fn leftovers(&self, _dtype: Dtype) -> Vec<&'static str> {
        Vec::new()
    }

    /// The command's own options, and the engine's, for matrices that have no more than so many singular values: what
    /// counts, where the arguments say so.
    fn options(&self, options: Options, most: usize) -> Options {
        match self.cutoff() {
            Some(cutoff) => cutoff.add_to(options, most),
            None => options,
        }
    }

    /// An option that is one number for all matrices or one for each, if it is given, and its name.
    fn per_matrix(&self) -> Option<(&'static str, &Numbers)> {
        None
    }

    /// Why nothing is promised of the residuals, if so.
    fn unjudged(&self) -> Option<&'static str> {
        None
    }

    /// What counts, where the arguments say so.
    fn cutoff(&self) -> Option<&CutoffArgs> {
        None
    }

    /// Why matrices of this type are not taken, if so.
    fn refusal(&self, _dtype: Dtype) -> Option<&'static str> {
        None
    }

    /// Why these arguments make no sense together, if so.
    fn objection(&self) -> Option<&'static str> {
        None
    }

    /// What to say of the arguments, if there is anything.
    fn warning(&self) -> Option<String> {
        self.cutoff().and_then(CutoffArgs::leaves_nothing)
    }

    /// Whether noise in the data is enlarged by the condition number of what counts.
    fn enlarges(&self) -> bool {
        false
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        inputs: [View<'_, T>; N],
    ) -> Result<Computed, Error>;
}
