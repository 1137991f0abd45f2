//! What a .npy file says of itself: its type, its shape, its order. All that NumPy writes and reads, of arrays of
//! real or complex numbers.

use std::ffi::{c_int, c_long, c_longlong, c_short};
use std::fmt;
use std::io::{ErrorKind, Read};

use batched_svd::Dtype;

use super::literal::{Literal, parse};

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy's own limit for the header.
const MOST_HEADER: usize = 10_000;

/// The type of entries in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Bool,
    /// Signed integers of so many bytes.
    Int(usize),
    /// Unsigned ones.
    Uint(usize),
    Float(usize),
    /// Complex numbers of so many bytes, two floats.
    Complex(usize),
}

impl Stored {
    /// Bytes of an entry.
    pub fn size(self) -> usize {
        match self {
            Stored::Bool => 1,
            Stored::Int(size)
            | Stored::Uint(size)
            | Stored::Float(size)
            | Stored::Complex(size) => size,
        }
    }

    /// The type to compute in: the smallest that holds all of what may be there, but for integers of more than 53
    /// bits.
    pub fn dtype(self) -> Dtype {
        match self {
            Stored::Bool => Dtype::F32,
            Stored::Int(size) | Stored::Uint(size) if size <= 2 => Dtype::F32,
            Stored::Float(size) if size <= 4 => Dtype::F32,
            Stored::Complex(8) => Dtype::C32,
            Stored::Complex(_) => Dtype::C64,
            _ => Dtype::F64,
        }
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stored::Bool => f.write_str("bool"),
            Stored::Int(size) => write!(f, "i{}", 8 * size),
            Stored::Uint(size) => write!(f, "u{}", 8 * size),
            Stored::Float(size) => write!(f, "f{}", 8 * size),
            Stored::Complex(_) => self.dtype().fmt(f),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub stored: Stored,
    pub big_endian: bool,
    pub fortran: bool,
    pub shape: Vec<u64>,
    /// Bytes of the header itself.
    pub len: u64,
}

impl Header {
    /// Reads the header in front of an array, and no byte more.
    pub fn read(reader: &mut dyn Read) -> Result<Header, String> {
        let mut head = [0; 10];
        let found = fill(reader, &mut head)?;
        if found == 0 {
            return Err("is not a .npy file: it is empty".into());
        }
        if head[..found.min(MAGIC.len())] != MAGIC[..found.min(MAGIC.len())] {
            let text = head[..found]
                .iter()
                .all(|b| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
            return Err(match text {
                true => "is not a .npy file: it looks like text, of which np.save(FILE, np.loadtxt(..)) makes one".into(),
                false => "is not a .npy file".into(),
            });
        }
        if found < head.len() {
            return Err("is truncated in its header".into());
        }
        let version = [head[6], head[7]];
        if !matches!(version, [1..=3, 0]) {
            let [major, minor] = version;
            return Err(format!(
                "is a .npy file of version {major}.{minor}, but 1.0 to 3.0 are read"
            ));
        }
        let (mut start, mut len) = (
            head.len(),
            usize::from(u16::from_le_bytes([head[8], head[9]])),
        );
        if version[0] >= 2 {
            let mut rest = [0; 2];
            if fill(reader, &mut rest)? < rest.len() {
                return Err("is truncated in its header".into());
            }
            (start, len) = (
                start + rest.len(),
                len + (usize::from(u16::from_le_bytes(rest)) << 16),
            );
        }
        if len > MOST_HEADER {
            return Err(format!(
                "has a header of {len} bytes, but at most {MOST_HEADER} are read"
            ));
        }
        let mut text = vec![0; len];
        if fill(reader, &mut text)? < len {
            return Err("is truncated in its header".into());
        }
        // The first versions say latin-1, of which only names of fields make use.
        let text = String::from_utf8_lossy(&text);
        let wrong = |what| format!("has a header that is no description of an array: {what}");
        let (stored, big_endian, fortran, shape) = described(parse(&text).map_err(wrong)?)?;
        Ok(Header {
            stored,
            big_endian,
            fortran,
            shape,
            len: (start + len) as u64,
        })
    }
}

/// Reads as much as there is.
fn fill(reader: &mut dyn Read, mut to: &mut [u8]) -> Result<usize, String> {
    let wanted = to.len();
    while !to.is_empty() {
        match reader.read(to) {
            Ok(0) => break,
            Ok(read) => to = &mut to[read..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(super::input::plain(&error)),
        }
    }
    Ok(wanted - to.len())
}

fn described(literal: Literal) -> Result<(Stored, bool, bool, Vec<u64>), String> {
    let Literal::Dictionary(entries) = literal else {
        return Err("has a header that is no description of an array: it is no dictionary".into());
    };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    for (key, value) in entries {
        match key {
            Literal::Text(key) if key == "descr" => descr = Some(value),
            Literal::Text(key) if key == "fortran_order" => fortran = Some(value),
            Literal::Text(key) if key == "shape" => shape = Some(value),
            other => {
                return Err(format!(
                    "has a header with the key {other:?}, which no array has"
                ));
            }
        }
    }
    let without = |key: &str| format!("has a header without the {key} of an array");
    let (stored, big_endian) = typed(&descr.ok_or_else(|| without("type"))?)?;
    let Some(Literal::Flag(fortran)) = fortran else {
        return Err(without("order"));
    };
    let Some(Literal::List(dimensions)) = shape else {
        return Err(without("shape"));
    };
    let dimension = |literal| match literal {
        Literal::Number(Some(n)) => Ok(n),
        Literal::Number(None) => Err("has a dimension that is negative or too large".to_string()),
        _ => Err("has a dimension that is no number".to_string()),
    };
    let shape = dimensions
        .into_iter()
        .map(dimension)
        .collect::<Result<_, _>>()?;
    Ok((stored, big_endian, fortran, shape))
}

/// The type that a `descr` names, and whether its bytes are in the other order.
fn typed(descr: &Literal) -> Result<(Stored, bool), String> {
    let text = match descr {
        Literal::Text(text) => text,
        Literal::List(_) => {
            let advice = "give one of its fields, as x[\"NAME\"], or structured_to_unstructured(x) of numpy.lib.recfunctions";
            return Err(format!(
                "holds a structured type, but real or complex numbers in f32 or f64 are needed: {advice}"
            ));
        }
        _ => return Err("has a header whose type is no name".into()),
    };
    let (order, name) = match text.chars().next() {
        Some(order @ ('<' | '>' | '=' | '|')) => (order, &text[1..]),
        _ => ('=', text.as_str()),
    };
    let big_endian = match order {
        '>' => true,
        '<' => false,
        _ => cfg!(target_endian = "big"),
    };
    match number_of(name) {
        Some(stored) => Ok((stored, big_endian)),
        None => {
            let (what, advice) = other(name);
            let shown: String = text.escape_debug().take(40).collect();
            Err(format!(
                "holds {what} ('{shown}'), but real or complex numbers in f32 or f64 are needed: give {advice}"
            ))
        }
    }
}

/// The types of numbers by all names that NumPy has for them.
fn number_of(name: &str) -> Option<Stored> {
    Some(match name {
        "?" | "b1" | "bool" | "bool_" | "bool8" => Stored::Bool,
        "b" | "i1" | "int8" | "byte" => Stored::Int(1),
        "h" | "i2" | "int16" | "short" => Stored::Int(size_of::<c_short>()),
        "i4" | "int32" => Stored::Int(4),
        "i" | "intc" => Stored::Int(size_of::<c_int>()),
        "i8" | "int64" | "int" | "int_" => Stored::Int(8),
        "l" | "long" => Stored::Int(size_of::<c_long>()),
        "q" | "longlong" => Stored::Int(size_of::<c_longlong>()),
        "p" | "intp" => Stored::Int(size_of::<usize>()),
        "B" | "u1" | "uint8" | "ubyte" => Stored::Uint(1),
        "H" | "u2" | "uint16" | "ushort" => Stored::Uint(size_of::<c_short>()),
        "u4" | "uint32" => Stored::Uint(4),
        "I" | "uintc" => Stored::Uint(size_of::<c_int>()),
        "u8" | "uint64" | "uint" => Stored::Uint(8),
        "L" | "ulong" => Stored::Uint(size_of::<c_long>()),
        "Q" | "ulonglong" => Stored::Uint(size_of::<c_longlong>()),
        "P" | "uintp" => Stored::Uint(size_of::<usize>()),
        "e" | "f2" | "float16" | "half" => Stored::Float(2),
        "f" | "f4" | "float32" | "single" => Stored::Float(4),
        "d" | "f8" | "float64" | "double" | "float" => Stored::Float(8),
        "F" | "c8" | "complex64" | "singlecomplex" | "csingle" => Stored::Complex(8),
        "D" | "c16" | "complex128" | "cfloat" | "cdouble" | "complex" | "complex_" => {
            Stored::Complex(16)
        }
        _ => return None,
    })
}

/// What other types are, and what to give instead.
fn other(name: &str) -> (&'static str, &'static str) {
    let starts = |with: &[&str]| with.iter().any(|start| name.starts_with(start));
    let digits = |letters: &[char]| {
        let rest = name.strip_prefix(letters);
        rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
    };
    if digits(&['c', 'F', 'D', 'G']) || starts(&["complex", "csingle", "cdouble", "clongdouble"]) {
        ("complex numbers of another size", "x.astype(\"c16\")")
    } else if digits(&['g', 'f']) || starts(&["float", "longdouble"]) {
        ("floats of another size", "x.astype(\"f8\")")
    } else if digits(&['O']) || starts(&["object"]) {
        (
            "objects of Python",
            "x.astype(\"f8\") if they are numbers, and arrays of different shapes as a .npz file",
        )
    } else if digits(&['S', 'U', 'a', 'T']) || starts(&["str", "bytes", "StringDType"]) {
        ("text", "x.astype(\"f8\")")
    } else if starts(&["M", "m", "datetime", "timedelta"]) {
        ("times", "x.astype(\"i8\")")
    } else if digits(&['V']) || starts(&["void"]) {
        ("raw bytes", "x.view(\"f4\"), or of what type they are")
    } else {
        ("entries of an unknown type", "x.astype(\"f8\")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: u8, text: &str) -> Result<Header, String> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(if version > 1 { &[0, 0][..] } else { &[] });
        bytes.extend(text.as_bytes());
        Header::read(&mut bytes.as_slice())
    }

    #[test]
    fn every_name_of_a_type_is_known() {
        for (descr, stored, dtype) in [
            ("<f4", Stored::Float(4), Dtype::F32),
            ("f", Stored::Float(4), Dtype::F32),
            ("|b1", Stored::Bool, Dtype::F32),
            ("=f8", Stored::Float(8), Dtype::F64),
            ("<d", Stored::Float(8), Dtype::F64),
            ("float64", Stored::Float(8), Dtype::F64),
            ("<f2", Stored::Float(2), Dtype::F32),
            ("u2", Stored::Uint(2), Dtype::F32),
            (">i4", Stored::Int(4), Dtype::F64),
            ("uint64", Stored::Uint(8), Dtype::F64),
            ("<c8", Stored::Complex(8), Dtype::C32),
            (">c16", Stored::Complex(16), Dtype::C64),
            ("complex128", Stored::Complex(16), Dtype::C64),
            ("F", Stored::Complex(8), Dtype::C32),
        ] {
            for version in 1..=3 {
                let text = format!(
                    "{{'shape': (3L, 2,), \"descr\": '{descr}', 'fortran_order': True}}  \n"
                );
                let header = of(version, &text).unwrap();
                assert_eq!(
                    (header.stored, header.shape, header.fortran),
                    (stored, vec![3, 2], true),
                    "{descr}"
                );
                assert_eq!(
                    header.big_endian,
                    descr.starts_with('>') || cfg!(target_endian = "big")
                );
                assert_eq!(stored.dtype(), dtype, "{descr}");
            }
        }
    }

    #[test]
    fn other_types_are_told_what_to_do() {
        for (descr, what) in [
            ("'<c32'", "c16"),
            ("'clongdouble'", "c16"),
            ("'<f16'", "astype"),
            ("'float128'", "astype"),
            ("'|O'", "objects"),
            ("'<U3'", "text"),
            ("'|S5'", "text"),
            ("'<M8[ns]'", "times"),
            ("'|V2'", "raw bytes"),
            ("[('a', '<f4'), ('b', '<i8', (2, 2))]", "fields"),
            ("'xyz'", "unknown"),
            ("7", "no name"),
        ] {
            let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2, 2)}}");
            let error = of(1, &text).unwrap_err();
            assert!(
                error.contains(what) && error.lines().count() == 1,
                "{error}"
            );
        }
    }

    #[test]
    fn no_header_is_believed_that_lacks_something() {
        for text in [
            "",
            "{}",
            "3",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': ('2', 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'more': 1}",
        ] {
            assert!(of(1, text).is_err(), "{text}");
        }
        assert!(of(4, "{}").unwrap_err().contains("version 4.0"));
    }
}
