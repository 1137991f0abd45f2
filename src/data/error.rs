//! Errors, grouped by who can fix them: the caller, another device, or the owner of the device.

use std::fmt;

use crate::data::outcome::Status;

/// The reason why a call returned no result.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The arguments of the caller do not fit. The text names the value and what was expected.
    Argument(String),
    /// The host cannot allocate the result or the working memory for it.
    Memory {
        /// The number of bytes that were requested.
        bytes: u128,
    },
    /// This device or this build cannot do the call, but another can (the CPU always can).
    Unsupported(String),
    /// The device failed during the call: it was lost, ran out of memory or timed out.
    Device(String),
    /// The caller's [`Cancel`](crate::Cancel) ended the call before it was done.
    Cancelled,
    /// In strict mode: the matrices that did not end as [`Status::Converged`], in ascending order.
    Strict(Vec<(usize, Status)>),
}

impl Error {
    pub(crate) fn argument(text: impl Into<String>) -> Self {
        Error::Argument(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Argument(text) => write!(f, "{text}"),
            Error::Memory { bytes } => write!(f, "the host cannot provide {bytes} bytes"),
            Error::Unsupported(text) => write!(f, "{text}"),
            Error::Device(text) => write!(f, "the device failed: {text}"),
            Error::Cancelled => write!(f, "the call was cancelled"),
            Error::Strict(failures) => {
                let s = if failures.len() == 1 {
                    "matrix"
                } else {
                    "matrices"
                };
                write!(f, "{} {s} failed:", failures.len())?;
                for (index, status) in failures.iter().take(8) {
                    write!(f, " {index} ({status})")?;
                }
                if failures.len() > 8 {
                    write!(f, " ...")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {}

/// A vector of `len` zeros in memory that is not touched yet. The first write to such memory is slow, so all
/// threads should share it. If the memory cannot be allocated, the error contains the requested size.
pub(crate) fn zeros<T: bytemuck::Zeroable>(len: usize) -> Result<Vec<T>, Error> {
    bytemuck::try_zeroed_vec(len).map_err(|()| Error::Memory {
        bytes: len as u128 * size_of::<T>() as u128,
    })
}

/// A vector of `len` copies of `value`, or an error with the requested size.
pub(crate) fn allocate<T: Clone>(len: usize, value: T) -> Result<Vec<T>, Error> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| Error::Memory {
        bytes: len as u128 * size_of::<T>() as u128,
    })?;
    data.resize(len, value);
    Ok(data)
}

/// The product of the factors, or an error with the requested size.
pub(crate) fn product(factors: &[usize], size: usize) -> Result<usize, Error> {
    let exact = || {
        factors.iter().fold(size as u128, |bytes, &factor| {
            bytes.saturating_mul(factor as u128)
        })
    };
    // Zero first: a batch of no matrices is empty, however large they would be.
    if factors.contains(&0) {
        return Ok(0);
    }
    let len = factors
        .iter()
        .try_fold(1usize, |len, &factor| len.checked_mul(factor));
    len.filter(|&len| {
        len.checked_mul(size)
            .is_some_and(|b| isize::try_from(b).is_ok())
    })
    .ok_or_else(|| Error::Memory { bytes: exact() })
}
