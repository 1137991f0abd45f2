//! .npy and .npz files from strangers, and our own, whole or not at all.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use batched_svd::{Batched, Dtype, Error, Real, View};
use npyz::{
    AutoSerialize, DType, Deserialize, NpyFile, NpyHeader, Order, Serialize, TypeChar,
    WriteOptions, WriterBuilder,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::cli::failure::Failure;

/// NumPy's own limit for the header.
const MOST_HEADER: usize = 10_000;
/// The header of a plain array has two. The parser takes twice as long and more for every further one that is
/// not closed.
const MOST_BRACKETS: usize = 8;

/// Empty matrices that a file may hold.
const MOST_EMPTY: usize = 1 << 24;

/// An entry that is both computed with and filed.
pub(crate) trait Entry: Real<Real = Self> + AutoSerialize + Serialize + Deserialize {
    fn data(entries: Vec<Self>) -> Data;
}

impl Entry for f32 {
    fn data(entries: Vec<f32>) -> Data {
        Data::F32(entries)
    }
}

impl Entry for f64 {
    fn data(entries: Vec<f64>) -> Data {
        Data::F64(entries)
    }
}

/// Entries of any type that is filed, in C order.
pub(crate) enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    U8(Vec<u8>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

/// The same of every type: `wrap` makes entries data again.
macro_rules! of_every {
    ($data:expr, $wrap:ident($entries:ident) => $same:expr) => {
        of_every!($data, $wrap($entries) => $same, F32 F64 U8 U32 U64)
    };
    ($data:expr, $wrap:ident($entries:ident) => $same:expr, $($kind:ident)+) => {
        match $data {
            $(Data::$kind($entries) => {
                let $wrap = Data::$kind;
                $same
            })+
        }
    };
}

impl Data {
    /// As many entries for each as `counts` says.
    pub fn split(self, counts: &[usize]) -> Result<Vec<Data>, Error> {
        of_every!(self, wrap(entries) => Ok(entries.split(counts)?.into_iter().map(wrap).collect()))
    }

    /// The first `kept` of every `cols` entries.
    pub fn narrowed(&self, cols: usize, kept: usize) -> Data {
        of_every!(self, wrap(entries) => {
            let rows = entries.chunks_exact(cols.max(1));
            wrap(rows.flat_map(|row| &row[..kept]).copied().collect())
        })
    }

    fn bytes(&self) -> usize {
        of_every!(self, _wrap(entries) => size_of_val(entries.as_slice()))
    }

    fn write_to(&self, to: impl Write, shape: &[u64]) -> std::io::Result<()> {
        of_every!(self, _wrap(entries) => write_entries(to, shape, entries))
    }
}

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
        View::row_major(&self.data, count, rows, cols)
    }
}

/// What shape an array may have.
pub(crate) enum Form {
    /// Matrices, of any.
    Matrices,
    /// Right-hand sides, vectors or matrices, of so many rows, for matrices of this leading shape.
    Sides(Vec<u64>, usize),
    /// One of these, of matrices.
    OneOf(Vec<Vec<u64>>),
    /// This one, of vectors.
    Vectors(Vec<u64>),
}

/// What is wrong with a file, or with one of its arrays.
pub(crate) fn wrong(path: &Path, key: &str, what: impl std::fmt::Display) -> Failure {
    if key.is_empty() {
        return Failure::file(path, what);
    }
    Failure::file(path, format!("array {}: {what}", key.escape_debug()))
}

/// Whether a name says that the file is a .npz.
pub(crate) fn is_npz(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    extension.eq_ignore_ascii_case("npz")
}

/// The type of the (first) array in a file, and whether it is a .npz file.
pub(crate) fn look(path: &Path) -> Result<(Dtype, bool), Failure> {
    let mut dtype = None;
    let zipped = arrays(path, |_, reader, _| {
        let (header, _) = read_header(reader)?;
        dtype = Some(dtype_of(&header)?);
        Ok(false)
    })?;
    match dtype {
        Some(dtype) => Ok((dtype, zipped)),
        None => Err(Failure::file(path, "holds no arrays")),
    }
}

/// Reads the stacks of matrices in a file. Nothing is allocated on the word of a header alone.
pub(crate) fn read<T: Entry>(path: &Path) -> Result<Vec<Stack<T>>, Failure> {
    let mut list: Vec<Stack<T>> = Vec::new();
    let mut empty = 0;
    arrays(path, |key, reader, len| {
        let (header, header_len) = read_header(reader)?;
        let (found, own) = (dtype_of(&header)?, T::DTYPE);
        if found != own {
            let first = list.first().map_or("", |first| &first.shape.key);
            let first = first.escape_debug();
            return Err(format!("holds {found}, but array {first} holds {own}"));
        }
        let stack = stack(key, header, header_len, reader, len, &Form::Matrices)?;
        // Each small enough, there might still be many of them.
        if stack.data.is_empty() {
            empty += stack.shape.count;
            check_empty(empty)?;
        }
        list.push(stack);
        Ok(true)
    })?;
    Ok(list)
}

/// Reads what belongs to the matrices of another file: of the same type, an array of this form for each of its
/// arrays, in its order.
pub(crate) fn read_beside<T: Entry>(
    path: &Path,
    of: &[Stack<T>],
    zipped: bool,
    form: impl Fn(&Shape) -> Form,
) -> Result<Vec<Stack<T>>, Failure> {
    let (_, also) = look(path)?;
    if also != zipped {
        let kind = |zipped| if zipped { "a .npz" } else { "a .npy" };
        let (own, matrices) = (kind(also), kind(zipped));
        let text = format!("is {own} file, but the matrices are in {matrices} file");
        return Err(Failure::file(path, text));
    }
    let mut found: Vec<Option<Stack<T>>> = of.iter().map(|_| None).collect();
    let places = of
        .iter()
        .enumerate()
        .map(|(at, of)| (of.shape.key.as_str(), at));
    let places: HashMap<&str, usize> = places.collect();
    arrays(path, |key, reader, len| {
        let Some(&at) = places.get(key) else {
            return Err("there are no matrices of this name".into());
        };
        let (header, header_len) = read_header(reader)?;
        let (dtype, matrices) = (dtype_of(&header)?, T::DTYPE);
        if dtype != matrices {
            return Err(format!("holds {dtype}, but the matrices are {matrices}"));
        }
        let form = form(&of[at].shape);
        found[at] = Some(stack(key, header, header_len, reader, len, &form)?);
        Ok(true)
    })?;
    let mut list = Vec::with_capacity(found.len());
    for (stack, of) in found.into_iter().zip(of) {
        let missing = || {
            let key = of.shape.key.escape_debug();
            Failure::file(path, format!("has no array {key}, but the matrices have"))
        };
        list.push(stack.ok_or_else(missing)?);
    }
    Ok(list)
}

/// Shows every array of a file, in order, with its key (none in a .npy file) and the bytes it is said to have, until
/// `visit` has seen enough. Says whether it is a .npz file.
fn arrays(
    path: &Path,
    mut visit: impl FnMut(&str, &mut dyn Read, u64) -> Result<bool, String>,
) -> Result<bool, Failure> {
    let file = File::open(path).map_err(|e| Failure::file(path, e))?;
    let len = file.metadata().map_err(|e| Failure::file(path, e))?.len();
    let mut reader = BufReader::new(file);
    let start = reader.fill_buf().map_err(|e| Failure::file(path, e))?;
    if !is_npz(path) && !start.starts_with(b"PK\x03\x04") && !start.starts_with(b"PK\x05\x06") {
        visit("", &mut reader, len).map_err(|what| Failure::file(path, what))?;
        return Ok(false);
    }
    let no_zip = |e| Failure::file(path, format!("is not a .npz file, or a damaged one: {e}"));
    let mut archive = ZipArchive::new(reader).map_err(no_zip)?;
    if archive.has_duplicate_names() {
        return Err(Failure::file(path, "has two arrays of one name"));
    }
    // A few bytes that many arrays are made of would be more than anybody could hold.
    if archive.has_overlapping_entries().map_err(no_zip)? {
        return Err(Failure::file(path, "has arrays that share bytes"));
    }
    let mut keys = HashSet::new();
    for index in 0..archive.len() {
        let name = match archive.name_for_index(index) {
            Some(name) => name.map_err(no_zip)?.into_owned(),
            None => continue,
        };
        let Some(key) = name.strip_suffix(".npy") else {
            let text = format!("holds {}, which is no .npy array", name.escape_debug());
            return Err(Failure::file(path, text));
        };
        if key.is_empty() || key.contains(char::is_control) {
            let text = format!("has an array of the name {:?}", key);
            return Err(Failure::file(path, text));
        }
        if !keys.insert(key.to_string()) {
            return Err(Failure::file(path, "has two arrays of one name"));
        }
        match member(&mut archive, index, |reader, size| visit(key, reader, size)) {
            Ok(true) => {}
            Ok(false) => return Ok(true),
            Err(what) => return Err(wrong(path, key, what)),
        }
    }
    Ok(true)
}

/// Shows one member of an archive: never more bytes than it is said to have, and those to the last, if `visit` wants
/// more, so that their checksum is compared.
fn member(
    archive: &mut ZipArchive<BufReader<File>>,
    index: usize,
    visit: impl FnOnce(&mut dyn Read, u64) -> Result<bool, String>,
) -> Result<bool, String> {
    let mut member = archive.by_index(index).map_err(|e| e.to_string())?;
    let size = member.size();
    let mut limited = BufReader::new(Read::by_ref(&mut member).take(size));
    if !visit(&mut limited, size)? {
        return Ok(false);
    }
    let rest = limited.buffer().len() as u64 + limited.get_ref().limit();
    if rest > 0 {
        return Err(format!("has {rest} bytes after its last entry"));
    }
    match member.read(&mut [0]) {
        Ok(0) => Ok(true),
        Ok(_) => Err(format!(
            "is longer than the {size} bytes it is said to have"
        )),
        Err(error) => Err(error.to_string()),
    }
}

fn dtype_of(header: &NpyHeader) -> Result<Dtype, String> {
    match header.dtype() {
        DType::Plain(ref t) if t.type_char() == TypeChar::Float && t.size_field() == 4 => {
            Ok(Dtype::F32)
        }
        DType::Plain(ref t) if t.type_char() == TypeChar::Float && t.size_field() == 8 => {
            Ok(Dtype::F64)
        }
        other => {
            let descr = other.descr();
            Err(format!("holds {descr}, but f32 or f64 is needed"))
        }
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

/// The array behind a header, in a place of `len` bytes.
fn stack<T: Entry>(
    key: &str,
    header: NpyHeader,
    header_len: u64,
    reader: &mut dyn Read,
    len: u64,
    form: &Form,
) -> Result<Stack<T>, String> {
    let size = size_of::<T>() as u64;
    let mut shape = header.shape().to_vec();
    let vectors = match form {
        Form::Matrices | Form::OneOf(_) => false,
        Form::Sides(leading, _) => shape.len() == leading.len() + 1,
        Form::Vectors(_) => true,
    };
    match form {
        Form::OneOf(shapes) if !shapes.contains(&shape) => {
            let shapes: Vec<_> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
            let expected = shapes.join(" or ");
            return Err(format!("has shape {shape:?}, but {expected} was expected"));
        }
        Form::Vectors(expected) if *expected != shape => {
            return Err(format!(
                "has shape {shape:?}, but {expected:?} was expected"
            ));
        }
        _ => {}
    }
    if vectors {
        shape.push(1);
    }
    let &[ref leading @ .., rows, cols] = shape.as_slice() else {
        let n = shape.len();
        return Err(format!(
            "has {n} dimensions, but matrices take at least two: (..., m, n)"
        ));
    };
    if let Form::Sides(expected, _) = form
        && expected != leading
    {
        let found = header.shape();
        return Err(format!(
            "has shape {found:?}, but the right-hand sides of matrices of shape {expected:?} + [m, n] have {expected:?} + [m] or {expected:?} + [m, p]"
        ));
    }
    // npyz multiplies without looking: (2^62, 4) is empty to it.
    let entries = shape
        .iter()
        .try_fold(1u64, |product, &n| product.checked_mul(n))
        .or(shape.contains(&0).then_some(0));
    let held = len.saturating_sub(header_len);
    match entries.and_then(|entries| entries.checked_mul(size)) {
        Some(bytes) if bytes <= held => {}
        _ => {
            return Err(format!(
                "promises shape {shape:?} of {size}-byte entries, but holds {held} bytes"
            ));
        }
    }
    let whole = |n: u64| usize::try_from(n).map_err(|_| format!("dimension {n} is too large"));
    let count = leading
        .iter()
        .try_fold(1u64, |product, &n| product.checked_mul(n));
    let count = count.or(leading.contains(&0).then_some(0));
    let shape = Shape {
        key: key.to_string(),
        leading: leading.to_vec(),
        count: whole(count.ok_or("has too many matrices")?)?,
        rows: whole(rows)?,
        cols: whole(cols)?,
        vectors,
    };
    if let Form::Sides(_, expected) = *form
        && shape.rows != expected
    {
        let rows = shape.rows;
        return Err(format!(
            "has right-hand sides of {rows} rows, but the matrices have {expected}"
        ));
    }
    let data = if entries == Some(0) {
        // A header alone may promise any number of them, but each has a line in the report.
        check_empty(shape.count)?;
        Vec::new()
    } else {
        entries_of(header, reader).map_err(|e| e.to_string())?
    };
    Ok(Stack { shape, data })
}

/// The header and its length in bytes.
fn read_header(reader: &mut dyn Read) -> Result<(NpyHeader, u64), String> {
    let truncated = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "is truncated in its header".to_string(),
        _ => error.to_string(),
    };
    let mut head = vec![0; 10];
    reader.read_exact(&mut head).map_err(truncated)?;
    if !head.starts_with(b"\x93NUMPY") {
        return Err("is not a .npy file".into());
    }
    let mut text_len = usize::from(u16::from_le_bytes([head[8], head[9]]));
    if head[6] >= 2 {
        let mut rest = [0; 2];
        reader.read_exact(&mut rest).map_err(truncated)?;
        head.extend(rest);
        text_len += usize::from(u16::from_le_bytes(rest)) << 16;
    }
    if text_len > MOST_HEADER {
        return Err(format!(
            "has a header of {text_len} bytes, but at most {MOST_HEADER} are read"
        ));
    }
    let start = head.len();
    head.resize(start + text_len, 0);
    reader.read_exact(&mut head[start..]).map_err(truncated)?;
    let brackets = head[start..].iter().filter(|b| b"([{".contains(b)).count();
    if brackets > MOST_BRACKETS {
        return Err(format!(
            "has {brackets} opening brackets in its header, but a plain array has 2"
        ));
    }
    let header = NpyHeader::from_reader(head.as_slice()).map_err(|e| e.to_string())?;
    Ok((header, head.len() as u64))
}

/// All entries, in C order. The vector grows with what is there.
fn entries_of<T: Deserialize + Copy>(
    header: NpyHeader,
    reader: &mut dyn Read,
) -> std::io::Result<Vec<T>> {
    let (shape, order) = (header.shape().to_vec(), header.order());
    // As the entries come: a compressed file's word on how many there are is its own.
    let mut data: Vec<T> = Vec::new();
    let no_memory = |_| std::io::Error::other("holds more than there is memory for");
    let entries = NpyFile::with_header(header, reader).data();
    for entry in entries.map_err(std::io::Error::other)? {
        if data.len() == data.capacity() {
            data.try_reserve(data.len().max(1 << 12))
                .map_err(no_memory)?;
        }
        data.push(entry?);
    }
    // Of nothing, strides may be anything.
    if order == Order::C || data.is_empty() {
        return Ok(data);
    }
    // Index by index, the last one fastest.
    let strides: Vec<usize> = shape
        .iter()
        .scan(1, |stride, &n| {
            let own = *stride;
            *stride *= n as usize;
            Some(own)
        })
        .collect();
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    let mut out = Vec::new();
    out.try_reserve_exact(data.len()).map_err(no_memory)?;
    for _ in 0..data.len() {
        out.push(data[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * index[axis] as usize;
            index[axis] = 0;
        }
    }
    Ok(out)
}

/// The file being written, to be removed if the user interrupts.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

fn unfinished() -> MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves nothing half-written behind on ctrl-C.
pub(crate) fn clean_up_on_interrupt() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if let Some(path) = unfinished().take() {
            let _ = std::fs::remove_file(path);
        }
        eprintln!("batched-svd: interrupted");
        std::process::exit(130);
    })
}

/// Whether a file could be put there: asked before the work, not after.
pub(crate) fn check_folder(path: &Path) -> Result<(), Failure> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Failure::file(path, "there is no such folder"))
        }
        _ if path.is_dir() => Err(Failure::file(path, "is a folder")),
        _ => Ok(()),
    }
}

/// Temporary files that become results: as readable as any other new file.
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

/// An array as it is filed: its key in a .npz file, its shape, its entries.
pub(crate) type Filed<'a> = (&'a str, Vec<u64>, &'a Data);

/// Writes arrays (one, unless it is a .npz file): to a temporary file beside, then in one step to its place.
pub(crate) fn write(path: &Path, arrays: &[Filed<'_>], zipped: bool) -> Result<(), Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::file(path, error);
    let fill = |file: &File| -> std::io::Result<()> {
        let mut to = BufWriter::new(file);
        if zipped {
            return zip_to(to, arrays);
        }
        for (_, shape, data) in arrays {
            data.write_to(&mut to, shape)?;
        }
        to.flush()
    };
    // A link leads to its file; a device such as /dev/null is written to, not replaced.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    if path.exists() && !path.is_file() {
        let file = File::options().write(true).open(path);
        return file.and_then(|file| fill(&file)).map_err(|e| fail(&e));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let file = builder().tempfile_in(folder).map_err(|e| fail(&e))?;
    *unfinished() = Some(file.path().to_path_buf());
    fill(file.as_file()).map_err(|e| fail(&e))?;
    file.persist(path).map_err(|e| fail(&e.error))?;
    *unfinished() = None;
    Ok(())
}

/// As np.savez does: not compressed.
fn zip_to(to: impl Write + Seek, arrays: &[Filed<'_>]) -> std::io::Result<()> {
    let mut zip = ZipWriter::new(to);
    for (key, shape, data) in arrays {
        // Room for a header, below the 4 GiB from where sizes take more digits.
        let large = data.bytes() >= u32::MAX as usize - (1 << 20);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(large);
        zip.start_file(format!("{key}.npy"), options)?;
        let mut to = BufWriter::new(&mut zip);
        data.write_to(&mut to, shape)?;
        to.flush()?;
    }
    zip.finish()?.flush()
}

fn write_entries<T: AutoSerialize + Serialize + Copy>(
    to: impl Write,
    shape: &[u64],
    entries: &[T],
) -> std::io::Result<()> {
    let mut writer = WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .writer(to)
        .begin_nd()?;
    writer.extend(entries.iter().copied())?;
    writer.finish()
}
