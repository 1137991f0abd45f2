//! .npy files from strangers, and our own, whole or not at all.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use npyz::{
    AutoSerialize, DType, Deserialize, NpyFile, NpyHeader, Order, Serialize, TypeChar,
    WriteOptions, WriterBuilder,
};

use crate::cli::failure::Failure;

/// NumPy's own limit for the header.
const MOST_HEADER: usize = 10_000;
/// A header has three levels of brackets; more is an attack on the parser's stack.
const MOST_BRACKETS: usize = 64;

/// Empty matrices that a file may hold.
const MOST_EMPTY: usize = 1 << 24;

/// A stack of matrices in C order.
pub(crate) struct Stack<T> {
    pub data: Vec<T>,
    /// The shape before the last two dimensions.
    pub leading: Vec<u64>,
    pub count: usize,
    pub rows: usize,
    pub cols: usize,
    /// The file has vectors, which are taken for matrices of one column.
    pub vectors: bool,
}

/// A stack of either type.
pub(crate) enum AnyStack {
    F32(Stack<f32>),
    F64(Stack<f64>),
}

/// Reads a stack of matrices. Nothing is allocated on the word of the header alone.
pub(crate) fn read(path: &Path) -> Result<AnyStack, Failure> {
    read_with(path, None)
}

/// Reads right-hand sides, vectors or matrices, for a stack of this leading shape.
pub(crate) fn read_sides(path: &Path, leading: &[u64]) -> Result<AnyStack, Failure> {
    read_with(path, Some(leading))
}

fn read_with(path: &Path, expected: Option<&[u64]>) -> Result<AnyStack, Failure> {
    let wrong = |what: &dyn std::fmt::Display| Failure::file(path, what);
    let file = File::open(path).map_err(|e| wrong(&e))?;
    let len = file.metadata().map_err(|e| wrong(&e))?.len();
    let mut reader = BufReader::new(file);
    let (header, header_len) = read_header(&mut reader).map_err(|what| wrong(&what))?;
    let size: u64 = match header.dtype() {
        DType::Plain(ref t) if t.type_char() == TypeChar::Float && t.size_field() == 4 => 4,
        DType::Plain(ref t) if t.type_char() == TypeChar::Float && t.size_field() == 8 => 8,
        other => {
            let descr = other.descr();
            return Err(wrong(&format!("holds {descr}, but f32 or f64 is needed")));
        }
    };
    let mut shape = header.shape().to_vec();
    let vectors = expected.is_some_and(|leading| shape.len() == leading.len() + 1);
    if vectors {
        shape.push(1);
    }
    let &[ref leading @ .., rows, cols] = shape.as_slice() else {
        let n = shape.len();
        return Err(wrong(&format!(
            "has {n} dimensions, but matrices take at least two: (..., m, n)"
        )));
    };
    if let Some(expected) = expected
        && expected != leading
    {
        let found = header.shape();
        return Err(wrong(&format!(
            "has shape {found:?}, but the right-hand sides of matrices of shape {expected:?} + [m, n] have {expected:?} + [m] or {expected:?} + [m, p]"
        )));
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
            return Err(wrong(&format!(
                "promises shape {shape:?} of {size}-byte entries, but holds {held} bytes"
            )));
        }
    }
    let whole =
        |n: u64| usize::try_from(n).map_err(|_| wrong(&format!("dimension {n} is too large")));
    let count = leading
        .iter()
        .try_fold(1u64, |product, &n| product.checked_mul(n));
    let count = count.or(leading.contains(&0).then_some(0));
    let shape = Shape {
        leading: leading.to_vec(),
        count: whole(count.ok_or_else(|| wrong(&"has too many matrices"))?)?,
        rows: whole(rows)?,
        cols: whole(cols)?,
        vectors,
    };
    if entries == Some(0) {
        // A header alone may promise any number of them, but each has a line in the report.
        if shape.count > MOST_EMPTY {
            let count = shape.count;
            return Err(wrong(&format!(
                "promises {count} empty matrices, but at most {MOST_EMPTY} are taken"
            )));
        }
        return Ok(match size {
            4 => AnyStack::F32(shape.stack(Vec::new())),
            _ => AnyStack::F64(shape.stack(Vec::new())),
        });
    }
    Ok(match size {
        4 => AnyStack::F32(shape.stack(entries_of(header, reader).map_err(|e| wrong(&e))?)),
        _ => AnyStack::F64(shape.stack(entries_of(header, reader).map_err(|e| wrong(&e))?)),
    })
}

struct Shape {
    leading: Vec<u64>,
    count: usize,
    rows: usize,
    cols: usize,
    vectors: bool,
}

impl Shape {
    fn stack<T>(self, data: Vec<T>) -> Stack<T> {
        Stack {
            data,
            leading: self.leading,
            count: self.count,
            rows: self.rows,
            cols: self.cols,
            vectors: self.vectors,
        }
    }
}

/// The header and its length in bytes.
fn read_header(reader: &mut impl Read) -> Result<(NpyHeader, u64), String> {
    let truncated = |_| "is truncated in its header".to_string();
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
        return Err(format!("has {brackets} opening brackets in its header"));
    }
    let header = NpyHeader::from_reader(head.as_slice()).map_err(|e| e.to_string())?;
    Ok((header, head.len() as u64))
}

/// All entries, in C order.
fn entries_of<T: Deserialize + Copy>(
    header: NpyHeader,
    reader: impl Read,
) -> std::io::Result<Vec<T>> {
    let (shape, order) = (header.shape().to_vec(), header.order());
    let data: Vec<T> = NpyFile::with_header(header, reader).into_vec()?;
    if order == Order::C {
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
    let mut out = Vec::with_capacity(data.len());
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

/// Writes entries in C order: to a temporary file beside, then in one step to its place.
pub(crate) fn write<T: AutoSerialize + Serialize + Copy>(
    path: &Path,
    shape: &[u64],
    data: &[T],
) -> Result<(), Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::file(path, error);
    let fill = |file: &File| -> std::io::Result<()> {
        let mut writer = WriteOptions::new()
            .default_dtype()
            .shape(shape)
            .writer(BufWriter::new(file))
            .begin_nd()?;
        writer.extend(data.iter().copied())?;
        writer.finish()
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
