//! Entries of any type, as the type that is computed in.

use std::io::Read;

use super::header::{Header, Stored};
use super::input::plain;
use super::write::Tick;
use crate::cli::entry::{Entry, Number, in_f64, nearest};

/// Bytes that are read at a time: a multiple of the size of every type.
const CHUNK: usize = 1 << 16;

/// What a conversion could not keep.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Lost {
    /// Integers that are not exact any more. (That floats are not, whoever asks for fewer digits knows.)
    pub rounded: usize,
    /// Numbers that were finite and are not any more.
    pub infinite: usize,
}

impl std::ops::AddAssign for Lost {
    fn add_assign(&mut self, other: Lost) {
        self.rounded += other.rounded;
        self.infinite += other.infinite;
    }
}

/// So many entries, in the order of the file; fewer, where it ends before. The vector grows with what is there: the
/// word of a header on how many there are is its own.
pub(crate) fn read<T: Entry>(
    header: &Header,
    wanted: usize,
    reader: &mut dyn Read,
    tick: Tick<'_>,
) -> Result<(Vec<T>, Lost), String> {
    let mut to = Reading {
        reader,
        wanted,
        tick,
        big_endian: header.big_endian,
        part: match header.stored {
            Stored::Complex(size) => size / 2,
            stored => stored.size(),
        },
        lost: Lost::default(),
    };
    let float = |lost: &mut Lost, value: f64| {
        let entry = nearest::<T::Real>(value);
        lost.infinite += usize::from(value.is_finite() && !in_f64(entry).is_finite());
        entry
    };
    let signed = |lost: &mut Lost, value: i64| {
        let entry = <T::Real as Number>::of_i64(value);
        // 2^63 is no i64, and saturates to one.
        let same = in_f64(entry) < 9.2e18 && in_f64(entry) as i64 == value;
        lost.rounded += usize::from(!same);
        entry
    };
    let unsigned = |lost: &mut Lost, value: u64| {
        let entry = <T::Real as Number>::of_u64(value);
        let same = in_f64(entry) < 1.8e19 && in_f64(entry) as u64 == value;
        lost.rounded += usize::from(!same);
        entry
    };
    let real = T::of_real;
    let complex = T::DTYPE.is_complex();
    let data = match header.stored {
        Stored::Bool => to.all(|_, [byte]| real(nearest::<T::Real>(f64::from(byte != 0)))),
        Stored::Int(1) => to.all(|lost, [byte]| real(signed(lost, (byte as i8).into()))),
        Stored::Int(2) => to.all(|lost, own| real(signed(lost, i16::from_le_bytes(own).into()))),
        Stored::Int(4) => to.all(|lost, own| real(signed(lost, i32::from_le_bytes(own).into()))),
        Stored::Int(_) => to.all(|lost, own| real(signed(lost, i64::from_le_bytes(own)))),
        Stored::Uint(1) => to.all(|_, [byte]| real(nearest::<T::Real>(byte.into()))),
        Stored::Uint(2) => {
            to.all(|_, own| real(nearest::<T::Real>(u16::from_le_bytes(own).into())))
        }
        Stored::Uint(4) => to.all(|lost, own| real(unsigned(lost, u32::from_le_bytes(own).into()))),
        Stored::Uint(_) => to.all(|lost, own| real(unsigned(lost, u64::from_le_bytes(own)))),
        Stored::Float(2) => {
            to.all(|_, own| real(nearest::<T::Real>(half(u16::from_le_bytes(own)))))
        }
        Stored::Float(4) => {
            to.all(|_, own| real(nearest::<T::Real>(f32::from_le_bytes(own).into())))
        }
        Stored::Float(_) => to.all(|lost, own| real(float(lost, f64::from_le_bytes(own)))),
        Stored::Complex(_) if !complex => {
            Err("holds complex numbers, but real ones are needed".into())
        }
        Stored::Complex(8) => to.all(|_, own: [u8; 8]| {
            let part = |own| nearest::<T::Real>(f32::from_le_bytes(own).into());
            T::of_parts(parts_of(own).map(part))
        }),
        Stored::Complex(_) => to.all(|lost, own: [u8; 16]| {
            let mut parts = Lost::default();
            let part = |own| float(&mut parts, f64::from_le_bytes(own));
            let entry = T::of_parts(parts_of(own).map(part));
            lost.infinite += usize::from(parts.infinite > 0);
            entry
        }),
    };
    Ok((data?, to.lost))
}

struct Reading<'a> {
    reader: &'a mut dyn Read,
    wanted: usize,
    tick: Tick<'a>,
    big_endian: bool,
    /// Bytes of a number, or of a part of a complex one.
    part: usize,
    lost: Lost,
}

impl Reading<'_> {
    /// Reads them all, each from its bytes in ascending order.
    fn all<T, const SIZE: usize>(
        &mut self,
        of: impl Fn(&mut Lost, [u8; SIZE]) -> T,
    ) -> Result<Vec<T>, String> {
        let mut data: Vec<T> = Vec::new();
        let mut bytes = vec![0; CHUNK];
        while data.len() < self.wanted {
            let chunk = (self.wanted - data.len()).min(CHUNK / SIZE) * SIZE;
            let found = self.fill(&mut bytes[..chunk])?;
            let more = data.try_reserve(found / SIZE);
            more.map_err(|_| "holds more than there is memory for".to_string())?;
            for entry in bytes[..found].chunks_exact(SIZE) {
                let mut own = [0; SIZE];
                own.copy_from_slice(entry);
                if self.big_endian {
                    own.chunks_exact_mut(self.part).for_each(<[u8]>::reverse);
                }
                data.push(of(&mut self.lost, own));
            }
            (self.tick)(found as u64);
            if found < chunk {
                break;
            }
        }
        Ok(data)
    }

    fn fill(&mut self, to: &mut [u8]) -> Result<usize, String> {
        let mut found = 0;
        while found < to.len() {
            match self.reader.read(&mut to[found..]) {
                Ok(0) => break,
                Ok(read) => found += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(plain(&error)),
            }
        }
        Ok(found)
    }
}

/// The bytes of the real and of the imaginary part.
fn parts_of<const ALL: usize, const HALF: usize>(bytes: [u8; ALL]) -> [[u8; HALF]; 2] {
    let mut parts = [[0; HALF]; 2];
    for (part, own) in parts.iter_mut().zip(bytes.chunks_exact(HALF)) {
        part.copy_from_slice(own);
    }
    parts
}

/// The value of a half precision number.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction > 0.0 => f64::NAN,
        31 => f64::INFINITY,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Entries in Fortran order as they are in C order.
pub(crate) fn by_rows<T: Copy>(data: Vec<T>, shape: &[u64]) -> Result<Vec<T>, String> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1usize;
    for &n in shape {
        strides.push(stride);
        stride *= n as usize;
    }
    let mut out = Vec::new();
    let room = out.try_reserve_exact(data.len());
    room.map_err(|_| "holds more than there is memory for".to_string())?;
    // Index by index, the last one fastest.
    let mut index = vec![0u64; shape.len()];
    let mut at = 0;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f64.powi(-24)),
            (0x0400, 2f64.powi(-14)),
            (0x3555, 0.333251953125),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn what_a_conversion_loses_is_counted() {
        let header = |stored| Header {
            stored,
            big_endian: false,
            fortran: false,
            shape: Vec::new(),
            len: 0,
        };
        let of = |stored, bytes: Vec<u8>| {
            let wanted = bytes.len() / 8;
            let found = read::<f64>(&header(stored), wanted, &mut bytes.as_slice(), &|_| ());
            let narrow = read::<f32>(&header(stored), wanted, &mut bytes.as_slice(), &|_| ());
            (found.unwrap().1, narrow.unwrap().1)
        };
        let signed = [
            0,
            1 << 53,
            (1 << 53) + 1,
            i64::MAX,
            i64::MIN,
            -(1 << 24) - 1,
        ];
        let lost = of(
            Stored::Int(8),
            signed.iter().flat_map(|x| x.to_le_bytes()).collect(),
        );
        assert_eq!((lost.0.rounded, lost.1.rounded), (2, 3));
        let unsigned = [u64::MAX, 1 << 63];
        let lost = of(
            Stored::Uint(8),
            unsigned.iter().flat_map(|x| x.to_le_bytes()).collect(),
        );
        assert_eq!((lost.0.rounded, lost.1.rounded), (1, 1));
        let floats = [1e300, f64::INFINITY, f64::NAN, 0.1];
        let lost = of(
            Stored::Float(8),
            floats.iter().flat_map(|x| x.to_le_bytes()).collect(),
        );
        assert_eq!((lost.0.infinite, lost.1.infinite), (0, 1));
    }
}
