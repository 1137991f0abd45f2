//! .npy and .npz files from strangers, and our own.

mod entries;
mod form;
mod header;
mod input;
mod literal;
mod write;

use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Read};
use std::path::Path;

use batched_svd::{Dtype, Error, View};
use zip::ZipArchive;

use crate::cli::entry::Entry;
use crate::cli::failure::Failure;
use form::dimensions;
use header::Header;
use input::{Input, Seekable};

pub(crate) use entries::Lost;
pub(crate) use form::Form;
pub(crate) use header::Stored;
pub(crate) use input::{is_npz, is_stdin, name_of, plain};
pub(crate) use write::{Content, Data, Filed, Records, Tick};

/// Empty matrices that a file may hold.
const MOST_EMPTY: usize = 1 << 24;
/// Bytes behind an array in a pipe that are counted; where there are more, somebody else is at work.
const MOST_BEHIND: u64 = 1 << 24;

/// What a stack of matrices is, but for the entries.
#[derive(Clone)]
pub(crate) struct Shape {
    /// The array's name within a .npz file.
    pub key: String,
    /// The shape before the last two dimensions.
    pub leading: Vec<u64>,
    pub count: usize,
    pub rows: usize,
    pub cols: usize,
    /// The file has vectors, which are taken for matrices of one column.
    pub vectors: bool,
    /// The file has one for all matrices.
    pub shared: bool,
    /// The type in the file.
    pub stored: Stored,
    /// What the conversion to the type that is computed in could not keep.
    pub lost: Lost,
}

/// A stack of matrices in C order.
pub(crate) struct Stack<T> {
    pub shape: Shape,
    pub data: Vec<T>,
}

impl<T: Entry> Stack<T> {
    pub fn view(&self) -> Result<View<'_, T>, Error> {
        let Shape {
            count, rows, cols, ..
        } = self.shape;
        if self.shape.shared {
            let strides = [0, cols as isize, 1];
            return View::new(&self.data, 0, [count, rows, cols], strides);
        }
        View::row_major(&self.data, count, rows, cols)
    }
}

/// The type that holds all of these, as NumPy would promote them.
pub(crate) fn common(mut dtypes: impl Iterator<Item = Dtype> + Clone) -> Dtype {
    let real = match dtypes.clone().any(|dtype| dtype.real() == Dtype::F64) {
        true => Dtype::F64,
        false => Dtype::F32,
    };
    in_precision(real, dtypes.any(Dtype::is_complex))
}

/// The type of real or complex numbers whose parts are of this type.
pub(crate) fn in_precision(real: Dtype, complex: bool) -> Dtype {
    match (real, complex) {
        (Dtype::F32, true) => Dtype::C32,
        (_, true) => Dtype::C64,
        (real, false) => real,
    }
}

type Archive = ZipArchive<Box<dyn Seekable>>;

/// What is wrong with a file, or with one of its arrays.
pub(crate) fn wrong(path: &Path, key: &str, what: impl std::fmt::Display) -> Failure {
    let path = name_of(path);
    if key.is_empty() {
        return Failure::file(path, what);
    }
    Failure::file(path, format!("array {}: {what}", key.escape_debug()))
}

/// That a file lacks what belongs to the matrices of this key.
pub(crate) fn lacks(path: &Path, key: &str) -> Failure {
    let key = key.escape_debug();
    wrong(
        path,
        "",
        format!("has no array {key}, but the matrices have"),
    )
}

/// A file whose headers have been read, and whose entries have not.
pub(crate) struct Source<'a> {
    path: &'a Path,
    arrays: Vec<Array>,
    body: Body,
    tick: Tick<'a>,
}

struct Array {
    /// None in a .npy file.
    key: String,
    header: Header,
    /// Its place in the archive, and the bytes that it is said to have.
    index: usize,
    size: u64,
}

enum Body {
    /// The entries are next; with the bytes that are there, where that is known.
    Array(Box<dyn Read>, Option<u64>),
    Archive(Archive),
}

impl<'a> Source<'a> {
    /// Opens a file and reads its headers, on whose word alone nothing is allocated. `tick` is told of every byte.
    pub fn open(path: &'a Path, tick: Tick<'a>) -> Result<Self, Failure> {
        let (arrays, body) = match input::open(path, tick)? {
            Input::Array(mut reader, len) => {
                let header = Header::read(&mut *reader).map_err(|what| wrong(path, "", what))?;
                let held = len.map(|len| len.saturating_sub(header.len));
                let array = Array {
                    key: String::new(),
                    header,
                    index: 0,
                    size: 0,
                };
                (vec![array], Body::Array(reader, held))
            }
            Input::Archive(reader) => {
                let (arrays, archive) = listed(path, reader)?;
                (arrays, Body::Archive(archive))
            }
        };
        Ok(Source {
            path,
            arrays,
            body,
            tick,
        })
    }

    pub fn path(&self) -> &Path {
        self.path
    }

    /// Whether it is a .npz file.
    pub fn zipped(&self) -> bool {
        matches!(self.body, Body::Archive(_))
    }

    /// The type that holds all arrays, as NumPy would promote them.
    pub fn dtype(&self) -> Dtype {
        common(self.arrays.iter().map(|array| array.header.stored.dtype()))
    }

    /// Bytes of entries that the headers promise.
    pub fn promised(&self) -> u64 {
        let bytes = |array: &Array| {
            let shape = array.header.shape.iter();
            shape.fold(array.header.stored.size() as u64, |bytes, &n| {
                bytes.saturating_mul(n)
            })
        };
        self.arrays.iter().map(bytes).fold(0, u64::saturating_add)
    }

    /// Reads the stacks of matrices.
    pub fn read<T: Entry>(self) -> Result<Vec<Stack<T>>, Failure> {
        self.read_as(|_| Form::Matrices)
    }

    /// Reads arrays of the forms that `form` has for their keys.
    fn read_as<T: Entry>(mut self, form: impl Fn(&str) -> Form) -> Result<Vec<Stack<T>>, Failure> {
        let mut list: Vec<Stack<T>> = Vec::with_capacity(self.arrays.len());
        let mut empty = 0;
        for Array {
            key,
            header,
            index,
            size,
        } in self.arrays
        {
            let (form, tick) = (form(&key), self.tick);
            let found = match &mut self.body {
                Body::Array(reader, held) => stack(&key, header, &mut **reader, *held, &form, tick),
                Body::Archive(archive) => member(archive, index, size, |reader| {
                    skip(reader, header.len)?;
                    let held = size.saturating_sub(header.len);
                    stack(&key, header, reader, Some(held), &form, tick)
                }),
            };
            let found = found.map_err(|what| wrong(self.path, &key, what))?;
            // Each small enough, there might still be many of them.
            if found.data.is_empty() {
                empty += found.shape.count;
                check_empty(empty).map_err(|what| wrong(self.path, &key, what))?;
            }
            list.push(found);
        }
        Ok(list)
    }

    /// Reads what belongs to the matrices of another file: an array of this form for each of its arrays, in its order.
    pub fn read_beside<T: Entry>(
        self,
        of: &[&Shape],
        zipped: bool,
        form: impl Fn(&Shape) -> Form,
    ) -> Result<Vec<Stack<T>>, Failure> {
        let path = self.path;
        let also = self.zipped();
        if also != zipped {
            let kind = |zipped| if zipped { "a .npz" } else { "a .npy" };
            let (own, matrices) = (kind(also), kind(zipped));
            let text = format!("is {own} file, but the matrices are in {matrices} file");
            return Err(wrong(path, "", text));
        }
        let places = of.iter().enumerate().map(|(at, of)| (of.key.as_str(), at));
        let places: HashMap<&str, usize> = places.collect();
        if let Some(array) = self
            .arrays
            .iter()
            .find(|array| !places.contains_key(array.key.as_str()))
        {
            return Err(wrong(
                path,
                &array.key,
                "there are no matrices of this name",
            ));
        }
        let mut found: Vec<Option<Stack<T>>> = of.iter().map(|_| None).collect();
        for stack in self.read_as(|key| form(of[places[key]]))? {
            let at = places[stack.shape.key.as_str()];
            found[at] = Some(stack);
        }
        let mut list = Vec::with_capacity(found.len());
        for (stack, of) in found.into_iter().zip(of) {
            list.push(stack.ok_or_else(|| lacks(path, &of.key))?);
        }
        Ok(list)
    }

    /// Reads arrays of any shape as lists of numbers, each with its key.
    pub fn numbers(self) -> Result<Vec<(String, Vec<f64>)>, Failure> {
        let list = self.read_as::<f64>(|_| Form::Numbers)?;
        Ok(list
            .into_iter()
            .map(|stack| (stack.shape.key, stack.data))
            .collect())
    }
}

/// The arrays of an archive, in order.
fn listed(path: &Path, reader: Box<dyn Seekable>) -> Result<(Vec<Array>, Archive), Failure> {
    let name = name_of(path);
    let no_zip = |e| Failure::file(name, format!("is not a .npz file, or a damaged one: {e}"));
    let mut archive = ZipArchive::new(reader).map_err(no_zip)?;
    if archive.has_duplicate_names() {
        return Err(Failure::file(name, "has two arrays of one name"));
    }
    // A few bytes that many arrays are made of would be more than anybody could hold.
    if archive.has_overlapping_entries().map_err(no_zip)? {
        return Err(Failure::file(name, "has arrays that share bytes"));
    }
    let (mut arrays, mut keys) = (Vec::new(), HashSet::new());
    for index in 0..archive.len() {
        let file = match archive.name_for_index(index) {
            Some(file) => file.map_err(no_zip)?.into_owned(),
            None => continue,
        };
        let Some(key) = file.strip_suffix(".npy") else {
            let text = format!("holds {}, which is no .npy array", file.escape_debug());
            return Err(Failure::file(name, text));
        };
        if key.is_empty() || key.contains(char::is_control) {
            let text = format!("has an array of the name {key:?}");
            return Err(Failure::file(name, text));
        }
        if !keys.insert(key.to_string()) {
            return Err(Failure::file(name, "has two arrays of one name"));
        }
        let fail = |what: String| wrong(path, key, what);
        let mut member = archive.by_index(index).map_err(|e| fail(e.to_string()))?;
        let size = member.size();
        let header = Header::read(&mut Read::by_ref(&mut member).take(size)).map_err(fail)?;
        arrays.push(Array {
            key: key.to_string(),
            header,
            index,
            size,
        });
    }
    if arrays.is_empty() {
        return Err(Failure::file(name, "holds no arrays"));
    }
    Ok((arrays, archive))
}

/// Reads one member of an archive: never more bytes than it is said to have, and those to the last, so that their
/// checksum is compared.
fn member<R>(
    archive: &mut Archive,
    index: usize,
    size: u64,
    read: impl FnOnce(&mut dyn Read) -> Result<R, String>,
) -> Result<R, String> {
    let mut member = archive.by_index(index).map_err(|e| e.to_string())?;
    let mut limited = BufReader::new(Read::by_ref(&mut member).take(size));
    let found = read(&mut limited)?;
    match member.read(&mut [0]) {
        Ok(0) => Ok(found),
        Ok(_) => Err(format!(
            "is longer than the {size} bytes it is said to have"
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Goes past what has been read before.
fn skip(reader: &mut dyn Read, bytes: u64) -> Result<(), String> {
    match std::io::copy(&mut reader.take(bytes), &mut std::io::sink()) {
        Ok(skipped) if skipped == bytes => Ok(()),
        Ok(_) => Err("is truncated in its header".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn check_empty(count: usize) -> Result<(), String> {
    if count > MOST_EMPTY {
        return Err(format!(
            "promises {count} empty matrices, but at most {MOST_EMPTY} are taken"
        ));
    }
    Ok(())
}

/// The array behind a header, of which so many bytes are there, if anybody knows.
fn stack<T: Entry>(
    key: &str,
    header: Header,
    reader: &mut dyn Read,
    held: Option<u64>,
    form: &Form,
    tick: Tick<'_>,
) -> Result<Stack<T>, String> {
    let size = header.stored.size() as u64;
    let shape = &header.shape;
    let found = dimensions(shape, form)?;
    let product = |dimensions: &[u64]| {
        let product = dimensions
            .iter()
            .try_fold(1u64, |product, &n| product.checked_mul(n));
        product.or(dimensions.contains(&0).then_some(0))
    };
    let promises = |held: u64| {
        format!("promises shape {shape:?} of {size}-byte entries, but holds {held} bytes")
    };
    let behind = |bytes: u64, held: String, more: u64| {
        format!(
            "has {more} bytes after its last entry: shape {shape:?} of {size}-byte entries takes {bytes} bytes, but it holds {held}"
        )
    };
    let entries = product(shape);
    let bytes = entries.and_then(|entries| entries.checked_mul(size));
    let bytes = match (bytes, held) {
        (Some(bytes), Some(held)) if held > bytes => {
            return Err(behind(bytes, held.to_string(), held - bytes));
        }
        (Some(bytes), Some(held)) if held == bytes => bytes,
        (Some(bytes), None) => bytes,
        (_, Some(held)) => return Err(promises(held)),
        (None, None) => {
            return Err(format!(
                "promises shape {shape:?}, which nothing could hold"
            ));
        }
    };
    let whole = |n: u64| usize::try_from(n).map_err(|_| format!("dimension {n} is too large"));
    let count = product(&found.leading).ok_or("has too many matrices")?;
    let mut own = Shape {
        key: key.to_string(),
        count: whole(count)?,
        leading: found.leading,
        rows: whole(found.rows)?,
        cols: whole(found.cols)?,
        vectors: found.vectors,
        shared: found.shared,
        stored: header.stored,
        lost: Lost::default(),
    };
    let mut data = Vec::new();
    if bytes == 0 {
        // A header alone may promise any number of them, but each has a line in the report.
        check_empty(own.count)?;
    } else {
        let wanted = whole(bytes / size)?;
        (data, own.lost) = entries::read::<T>(&header, wanted, reader, tick)?;
        if data.len() < wanted {
            return Err(promises(data.len() as u64 * size));
        }
        if header.fortran {
            data = entries::by_rows(data, shape)?;
        }
    }
    let more = reader.take(MOST_BEHIND);
    match std::io::copy(&mut { more }, &mut std::io::sink()) {
        Ok(0) => Ok(Stack { shape: own, data }),
        Ok(MOST_BEHIND) => Err(behind(
            bytes,
            format!("more than {}", bytes + MOST_BEHIND),
            MOST_BEHIND,
        )),
        Ok(more) => Err(behind(bytes, (bytes + more).to_string(), more)),
        Err(error) => Err(plain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_promoted_as_by_numpy() {
        let of = |types: &[Stored]| common(types.iter().map(|stored| stored.dtype()));
        for (types, expected) in [
            (&[Stored::Int(2), Stored::Complex(8)][..], Dtype::C32),
            (&[Stored::Complex(8), Stored::Float(2)], Dtype::C32),
            (&[Stored::Int(4), Stored::Complex(8)], Dtype::C64),
            (&[Stored::Complex(8), Stored::Float(8)], Dtype::C64),
            (&[Stored::Complex(8), Stored::Complex(16)], Dtype::C64),
            (&[Stored::Float(4), Stored::Float(8)], Dtype::F64),
            (&[Stored::Float(4), Stored::Int(1)], Dtype::F32),
        ] {
            assert_eq!(of(types), expected, "{types:?}");
        }
    }
}
