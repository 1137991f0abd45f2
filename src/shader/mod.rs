//! Shader text: the files of shaders/ put together behind a header with the type and the sizes.
//!
//! WGSL has neither generics nor includes. A file says in its first line which others it uses (`files`), lines that
//! stand for several are repeated (`template`), and the number type comes first (`header`). This is data and text alone:
//! nothing here knows a device, or how matrices are solved.

mod files;
mod header;
mod template;
#[cfg(test)]
mod tests;

use std::hash::{Hash, Hasher};

use crate::data::scalar::{Dtype, Precision};
pub(crate) use files::shader;
pub(crate) use template::Unrolled;

/// A kernel: an entry point, and the file that has it.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    /// Its name in profiles and plans; no other kernel has it.
    pub entry: &'static str,
    pub text: &'static str,
    /// The buffers it sees.
    pub bindings: Bindings,
}

impl Kernel {
    pub const fn new(entry: &'static str, text: &'static str, bindings: Bindings) -> Self {
        Kernel {
            entry,
            text,
            bindings,
        }
    }

    /// Whether its teams of lanes sum through registers, where subgroups hold them.
    pub fn gathers(self) -> bool {
        files::names(self.text, "team_*")
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.entry == other.entry
    }
}

impl Eq for Kernel {}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entry.hash(state);
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.entry)
    }
}

/// The lists of buffers that kernels see, after their parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bindings {
    Registers,
    Intake,
    Solve,
    Order,
    Deliver,
    Rhs,
    Compose,
}

impl Bindings {
    pub const ALL: [Bindings; 7] = [
        Bindings::Registers,
        Bindings::Intake,
        Bindings::Solve,
        Bindings::Order,
        Bindings::Deliver,
        Bindings::Rhs,
        Bindings::Compose,
    ];

    /// Which of the buffers are only read: at most as many as WebGPU's defaults allow, eight.
    pub fn read_only(self) -> &'static [bool] {
        const R: bool = true;
        const W: bool = false;
        match self {
            Bindings::Registers => &[R, R, W, W, W, W, R],
            Bindings::Intake => &[R, W, W, W],
            Bindings::Solve => &[W, W, W, W, W, W, W],
            Bindings::Order => &[R, R, W, W, W],
            Bindings::Deliver => &[W, R, R, R, R, W, W, W],
            Bindings::Rhs => &[R, R, W, W, W],
            Bindings::Compose => &[R, R, R, W, W, R, R],
        }
    }
}

/// What a kernel is compiled for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Blueprint {
    pub kernel: Kernel,
    pub dtype: Dtype,
    pub workgroup: u32,
    /// Lanes of a subgroup, at least, whose registers teams may sum through; 1 for none.
    pub subgroup: u32,
    pub sizes: Sizes,
}

/// What a kernel's text knows of its matrices. Where it is nothing, sizes come with the call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Sizes {
    /// What these sizes are, for readers of a profile.
    pub words: String,
    /// In the order of the text.
    pub constants: Vec<(&'static str, Constant)>,
    /// What else stands before the files.
    pub text: String,
    /// The file that stands for each name with a star, but for bits, entries and teams.
    pub variants: Vec<(&'static str, &'static str)>,
    pub unrolled: Unrolled,
}

/// The value of a constant of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Constant {
    Word(u32),
    Truth(bool),
}

impl From<u32> for Constant {
    fn from(value: u32) -> Self {
        Constant::Word(value)
    }
}

impl From<bool> for Constant {
    fn from(value: bool) -> Self {
        Constant::Truth(value)
    }
}

impl Sizes {
    pub fn constant(&mut self, name: &'static str, value: impl Into<Constant>) {
        self.constants.push((name, value.into()));
    }
}

impl Blueprint {
    /// The WGSL text.
    pub fn text(&self) -> String {
        let files = files::resolved(self.kernel.text, &|name| self.variant(name));
        let mut text = header::header(self.dtype);
        let mut constant = |name: &str, value: &Constant| {
            text += &match value {
                Constant::Word(value) => format!("const {name}: u32 = {value}u;\n"),
                Constant::Truth(value) => format!("const {name}: bool = {value};\n"),
            };
        };
        constant("WORKGROUP", &self.workgroup.into());
        // Who has teams of lanes that share sums knows how many lanes a subgroup has.
        if files.iter().any(|text| files::is(text, "team")) {
            constant("SUBGROUP", &self.subgroup.into());
        }
        for (name, value) in &self.sizes.constants {
            constant(name, value);
        }
        text += &self.sizes.text;
        for file in files {
            text.push('\n');
            let lines = files::lines(file);
            self.sizes.unrolled.unroll(&mut text, &lines, &[]);
        }
        text
    }

    /// The file that stands for a name with a star.
    fn variant(&self, name: &'static str) -> &'static str {
        match (name, self.dtype.precision(), self.subgroup) {
            ("bits_*", Precision::Single, _) => "bits_f32",
            ("bits_*", Precision::Double, _) => "bits_f64",
            ("entries_*", ..) if self.dtype.is_complex() => "entries_complex",
            ("entries_*", ..) => "entries_real",
            ("team_*", _, 0 | 1) => "team_workgroup",
            ("team_*", _, _) => "team_subgroup",
            _ => {
                let chosen = self.sizes.variants.iter().find(|(star, _)| *star == name);
                chosen.expect("whoever uses a name with a star chooses").1
            }
        }
    }
}

/// The text of the kernels that measure the device's limits.
#[cfg(all(feature = "gpu", not(target_family = "wasm")))]
pub(crate) fn peak(dtype: Dtype, workgroup: u32, rounds: u32) -> String {
    header::header(dtype)
        + &format!("const WORKGROUP: u32 = {workgroup}u;\nconst ROUNDS: u32 = {rounds}u;\n\n")
        + shader!("peak")
}
