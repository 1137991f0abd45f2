//! The files of shaders/, and which of them a kernel's text is made of.
//!
//! The first line of a file names the files that it uses:
//!
//! ```text
//! //! uses: team_*, bindings, state, team
//! ```
//!
//! Each comes before the file, once, in this order, and before it what it uses itself. A name with a star stands for
//! one of several files with the same functions, and the blueprint says which. `self` is the file's own place, where
//! that is not the last. WGSL does not mind in which order names are declared, but a text of another order is another
//! text, which a compiler may round differently: so the order of these lists stays as it is.
//!
//! Lines that begin with `//!` are for readers of the files and do not reach a text.

/// A file of shaders/.
macro_rules! shader {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/shaders/",
            $name,
            ".wgsl"
        ))
    };
}
pub(crate) use shader;

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, shader!($name))),*]
    };
}

/// The files that others use. A file with entry points stands beside its kernel instead.
const FILES: &[(&str, &str)] = files! {
    "bindings"
    "bits_f32"
    "bits_f64"
    "blocks_memory"
    "cutoff"
    "entries_complex"
    "entries_real"
    "entry_bits"
    "exchange_subgroup"
    "exchange_workgroup"
    "factor"
    "filter"
    "global_memory"
    "jacobi"
    "lift"
    "numbers"
    "pair_held"
    "pair_looped"
    "registers"
    "resident"
    "resident_memory"
    "rotation"
    "state"
    "team"
    "team_subgroup"
    "team_workgroup"
};

fn text_of(name: &str) -> &'static str {
    let found = FILES.iter().find(|(known, _)| *known == name);
    let (_, text) = found.unwrap_or_else(|| panic!("no shader file is called {name}"));
    text
}

/// The names that a file's text says it uses.
pub(super) fn uses(text: &str) -> impl Iterator<Item = &str> {
    let first = text.lines().next().unwrap_or_default();
    let names = first.strip_prefix("//! uses: ").unwrap_or_default();
    names.split(", ").filter(|name| !name.is_empty())
}

/// Whether a file says itself that it uses another.
pub(super) fn names(text: &'static str, name: &str) -> bool {
    uses(text).any(|used| used == name)
}

/// A file's lines, without those for its readers.
pub(super) fn lines(text: &'static str) -> Vec<&'static str> {
    text.lines()
        .skip_while(|line| line.starts_with("//!"))
        .collect()
}

/// The texts that a file needs, itself among them, in their order. `choose` says what stands for a name with a star.
pub(super) fn resolved(
    text: &'static str,
    choose: &impl Fn(&'static str) -> &'static str,
) -> Vec<&'static str> {
    let mut all = Vec::new();
    add(&mut all, text, choose);
    all
}

fn add(
    all: &mut Vec<&'static str>,
    text: &'static str,
    choose: &impl Fn(&'static str) -> &'static str,
) {
    if all.contains(&text) {
        return;
    }
    for name in uses(text) {
        match name {
            "self" => all.push(text),
            _ if name.ends_with('*') => add(all, text_of(choose(name)), choose),
            _ => add(all, text_of(name), choose),
        }
    }
    if !all.contains(&text) {
        all.push(text);
    }
}

/// Whether a text that a kernel needs is the file of this name.
pub(super) fn is(text: &str, name: &str) -> bool {
    text == text_of(name)
}

/// Whether other files may use one of this name.
#[cfg(test)]
pub(super) fn is_known(name: &str) -> bool {
    FILES.iter().any(|(known, _)| *known == name)
}

/// The files of which one stands for a name with a star.
#[cfg(test)]
pub(super) fn family(start: &str) -> Vec<&'static str> {
    let names = FILES.iter().map(|(name, _)| *name);
    names.filter(|name| name.starts_with(start)).collect()
}
