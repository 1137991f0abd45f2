//! Arrays as they are filed.

use std::fs::File;
use std::io::{BufWriter, Cursor, Seek, Write};

use batched_svd::{Complex, Error};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Told of so many bytes more that have been read or written.
pub(crate) type Tick<'a> = &'a dyn Fn(u64);

/// Entries of any type that is filed, in C order.
pub(crate) enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    C32(Vec<Complex<f32>>),
    C64(Vec<Complex<f64>>),
    U8(Vec<u8>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    Records(Records),
}

/// Entries of a structured type.
pub(crate) struct Records {
    /// The type as NumPy writes it.
    pub descr: String,
    /// Bytes of an entry.
    pub size: usize,
    pub bytes: Vec<u8>,
}

/// The same of every type of numbers: `wrap` makes entries data again.
macro_rules! of_every {
    ($data:expr, $wrap:ident($entries:ident) => $same:expr, $records:ident => $other:expr) => {
        of_every!($data, $wrap($entries) => $same, $records => $other, F32 F64 C32 C64 U8 U32 U64)
    };
    ($data:expr, $wrap:ident($entries:ident) => $same:expr, $records:ident => $other:expr, $($kind:ident)+) => {
        match $data {
            $(Data::$kind($entries) => {
                let $wrap = Data::$kind;
                $same
            })+
            Data::Records($records) => $other,
        }
    };
}

impl Data {
    /// As many entries for each as `counts` says.
    pub fn split(self, counts: &[usize]) -> Result<Vec<Data>, Error> {
        use batched_svd::Batched;
        if counts.len() == 1 {
            return Ok(vec![self]);
        }
        of_every!(
            self,
            wrap(entries) => Ok(entries.split(counts)?.into_iter().map(wrap).collect()),
            records => {
                let Records { descr, size, bytes } = records;
                let counts: Vec<usize> = counts.iter().map(|count| count * size).collect();
                let part = |bytes| Data::Records(Records { descr: descr.clone(), size, bytes });
                Ok(bytes.split(&counts)?.into_iter().map(part).collect())
            }
        )
    }

    /// The first `kept` of every `cols` entries.
    pub fn narrowed(self, cols: usize, kept: usize) -> Data {
        if cols == kept {
            return self;
        }
        of_every!(
            self,
            wrap(entries) => {
                let rows = entries.chunks_exact(cols.max(1));
                wrap(rows.flat_map(|row| &row[..kept]).copied().collect())
            },
            records => Data::Records(records)
        )
    }

    fn bytes(&self) -> usize {
        of_every!(self, _wrap(entries) => size_of_val(entries.as_slice()), records => records.bytes.len())
    }

    fn descr(&self) -> String {
        let plain = match self {
            Data::F32(_) => "<f4",
            Data::F64(_) => "<f8",
            Data::C32(_) => "<c8",
            Data::C64(_) => "<c16",
            Data::U8(_) => "|u1",
            Data::U32(_) => "<u4",
            Data::U64(_) => "<u8",
            Data::Records(records) => return records.descr.clone(),
        };
        format!("'{plain}'")
    }

    fn write_to(&self, to: &mut dyn Write, shape: &[u64], tick: Tick<'_>) -> std::io::Result<()> {
        let header = header(&self.descr(), shape);
        to.write_all(&header)?;
        tick(header.len() as u64);
        of_every!(
            self,
            _wrap(entries) => write_numbers(to, entries, tick),
            records => write_numbers(to, &records.bytes, tick)
        )
    }
}

/// A number as the bytes that are filed.
trait LittleEndian: Copy {
    fn append_to(self, bytes: &mut Vec<u8>);
}

macro_rules! little_endian {
    ($($kind:ident)+) => {
        $(impl LittleEndian for $kind {
            fn append_to(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        })+
    };
}

little_endian!(f32 f64 u8 u32 u64);

impl<N: LittleEndian> LittleEndian for Complex<N> {
    fn append_to(self, bytes: &mut Vec<u8>) {
        self.re.append_to(bytes);
        self.im.append_to(bytes);
    }
}

fn write_numbers<N: LittleEndian>(
    to: &mut dyn Write,
    entries: &[N],
    tick: Tick<'_>,
) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(1 << 16);
    for chunk in entries.chunks((1 << 16) / size_of::<N>()) {
        buffer.clear();
        for entry in chunk {
            entry.append_to(&mut buffer);
        }
        to.write_all(&buffer)?;
        tick(buffer.len() as u64);
    }
    Ok(())
}

/// A header of version 1, filled up with spaces until entries lie at multiples of 64 bytes.
fn header(descr: &str, shape: &[u64]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    // A tuple of one has a comma, others need none.
    let shape = match shape.matches(',').count() {
        1 => shape.trim_end(),
        _ => shape.trim_end_matches(", "),
    };
    let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ({shape}), }}");
    let end = (10 + text.len() + 1).next_multiple_of(64);
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(((end - 10) as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.resize(end - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// An array as it is filed: its key in a .npz file, its shape, its entries.
pub(crate) type Filed<'a> = (&'a str, Vec<u64>, &'a Data);

/// What a file is to hold.
pub(crate) enum Content<'a> {
    Npy(Filed<'a>),
    Npz(Vec<Filed<'a>>),
    Bytes(&'a [u8]),
}

impl Content<'_> {
    /// How many bytes that is, but for headers.
    pub fn bytes(&self) -> u64 {
        let bytes = |(_, _, data): &Filed<'_>| data.bytes() as u64;
        match self {
            Content::Npy(array) => bytes(array),
            Content::Npz(arrays) => arrays.iter().map(bytes).sum(),
            Content::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Writes it to a file.
    pub fn write_file(&self, file: &File, tick: Tick<'_>) -> std::io::Result<()> {
        match self {
            Content::Npz(arrays) => zip_to(BufWriter::new(file), arrays, tick),
            other => other.write_stream(&mut { file }, tick),
        }
    }

    /// Writes it to where nothing can be changed any more.
    pub fn write_stream(&self, to: &mut dyn Write, tick: Tick<'_>) -> std::io::Result<()> {
        match self {
            Content::Npy((_, shape, data)) => data.write_to(to, shape, tick)?,
            Content::Npz(arrays) => {
                // An archive says in front of every array what is known only behind it.
                let mut bytes = Vec::new();
                zip_to(Cursor::new(&mut bytes), arrays, &|_| ())?;
                write_numbers(to, &bytes, tick)?;
            }
            Content::Bytes(bytes) => write_numbers(to, bytes, tick)?,
        }
        to.flush()
    }
}

/// As np.savez does: not compressed.
fn zip_to(to: impl Write + Seek, arrays: &[Filed<'_>], tick: Tick<'_>) -> std::io::Result<()> {
    let mut zip = ZipWriter::new(to);
    for (key, shape, data) in arrays {
        // Room for a header, below the 4 GiB from where sizes take more digits.
        let large = data.bytes() >= u32::MAX as usize - (1 << 20);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(large);
        zip.start_file(format!("{key}.npy"), options)?;
        data.write_to(&mut zip, shape, tick)?;
    }
    zip.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use super::header;

    #[test]
    fn headers_are_those_of_numpy() {
        for (shape, text) in [
            (&[][..], "'shape': (), }"),
            (&[3], "'shape': (3,), }"),
            (&[3, 4], "'shape': (3, 4), }"),
        ] {
            let bytes = header("'<f4'", shape);
            assert_eq!(bytes.len() % 64, 0);
            assert_eq!(usize::from(bytes[8]) + 10, bytes.len());
            let written = String::from_utf8_lossy(&bytes[10..]);
            assert!(
                written.starts_with("{'descr': '<f4', 'fortran_order': False, "),
                "{written}"
            );
            assert!(written.trim_end().ends_with(text), "{written}");
        }
    }
}
