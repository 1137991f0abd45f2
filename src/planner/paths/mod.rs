//! The ways in which a GPU solves: each is one file and its shaders, and one line in the list below.
//!
//! A path's file says when it applies and why not ([`Applies`]), what it needs and which kernels are dispatched
//! ([`Plan`]), and why its shaders may be compiled without checks of their indices (`gpu/pipelines.rs` has the frame of
//! that argument). Paths share files: `registers` for matrices in registers, `workgroup` and `banks` for workgroup memory,
//! `global` for sweeps in global memory, and `sweeping` for all that sweep in memory. `staged` has the kernels before and
//! after the sweeps, and `after` those of right-hand sides and compositions.
//!
//! Nothing here knows a device: `gpu/registers.rs` and `gpu/solve.rs` dispatch what a path's [`Solver`] says.

pub(crate) mod after;
mod banks;
pub(crate) mod global;
pub(crate) mod plan;
mod registers;
pub(crate) mod staged;
mod sweeping;
mod workgroup;

use crate::shader::Kernel;
use plan::{Applies, Ask, Form, Lanes, Plan, Solver, Sweeps};

/// A path that does not apply, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Its name.
    pub path: &'static str,
    pub why: String,
}

macro_rules! paths {
    ($($file:ident :: $Path:ident)*) => {
        $(mod $file;)*
        $(pub(crate) use $file::$Path;)*

        /// Where the columns live during the sweeps, and what only that path knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Path {
            $($Path($Path),)*
        }

        impl Path {
            /// The first that applies, if any does, and why those before it do not.
            pub fn first(ask: &Ask<'_>) -> (Option<Self>, Vec<Refusal>) {
                let mut refused = Vec::new();
                $(match $Path::new(ask) {
                    Ok(path) => return (Some(Path::$Path(path)), refused),
                    Err(why) => refused.push(Refusal { path: $Path::NAME, why }),
                })*
                (None, refused)
            }

            /// What it is called in reports, in `explain` and in the benchmark.
            pub fn name(self) -> &'static str {
                match self {
                    $(Path::$Path(_) => $Path::NAME,)*
                }
            }

            pub fn plan(&self) -> &dyn Plan {
                match self {
                    $(Path::$Path(path) => path,)*
                }
            }
        }
    };
}

// The first that applies is taken.
paths! {
    tiny::Tiny
    columns::Columns
    resident::Resident
    swept::Swept
    blocks::Blocks
    rounds::Rounds
}

impl Path {
    /// Whether the host is asked between sweeps if any matrix needs more.
    pub fn asks_between_sweeps(self) -> bool {
        let sweeps = match self.plan().solver() {
            Solver::Alone { .. } => return false,
            Solver::Staged { sweeps, .. } => sweeps,
        };
        matches!(sweeps, Sweeps::Global { .. })
    }
}

/// What a kernel is compiled for that does not sweep, whatever the path; none of those that do.
pub(crate) fn shared_form(kernel: Kernel, lanes: &Lanes) -> Option<Form> {
    let known = staged::KERNELS.contains(&kernel) || after::KERNELS.contains(&kernel);
    known.then(|| staged::form(lanes))
}

#[cfg(test)]
mod tests;
