//! Numbers on the command line: what is wrong with one is said where it stands.

use std::path::PathBuf;

/// A finite number that is not negative.
pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    match finite(text)? {
        number if number < 0.0 => Err("it must not be negative".into()),
        // Not the negative zero.
        number => Ok(number.abs()),
    }
}

/// A relative cutoff.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rcond {
    Number(f64),
    /// eps max(m, n), as NumPy's functions have it.
    Numpy,
}

/// A number that is not negative, or the name of a cutoff.
pub(crate) fn rcond(text: &str) -> Result<Rcond, String> {
    match text.trim() {
        "numpy" => Ok(Rcond::Numpy),
        text if text.parse::<f64>().is_err() => Err("it must be a number, or: numpy".into()),
        text => not_negative(text).map(Rcond::Number),
    }
}

/// A number from 0 to 1.
pub(crate) fn part(text: &str) -> Result<f64, String> {
    match not_negative(text)? {
        part if part > 1.0 => Err("it must be a part of one, from 0 to 1".into()),
        part => Ok(part),
    }
}

/// A cosine, from 0 to 1.
pub(crate) fn cosine(text: &str) -> Result<f64, String> {
    part(text).map_err(|_| "it must be a cosine, from 0 to 1".into())
}

fn finite(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Err(_) => Err("it must be a number".into()),
        Ok(number) if !number.is_finite() => Err("it must be finite".into()),
        Ok(number) => Ok(number),
    }
}

/// How many: a number beyond all is as many as there are.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err("it must be a whole number that is not negative".into());
    }
    Ok(digits.parse().unwrap_or(usize::MAX))
}

/// A size, from 1 to so many.
#[cfg(any(feature = "bench", feature = "gpu"))]
pub(crate) fn up_to(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("{text:?} is not a number from 1 to {most}")),
    }
}

/// How often: at least once.
pub(crate) fn sweeps(text: &str) -> Result<u32, String> {
    match count(text) {
        Ok(0) | Err(_) => Err("it must be a whole number, at least 1".into()),
        Ok(count) => Ok(u32::try_from(count).unwrap_or(u32::MAX)),
    }
}

/// Numbers, one for all matrices or one for each, or a file of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Numbers {
    List(Vec<f64>),
    File(PathBuf),
}

/// What begins as a number is a list of numbers, all else the name of a file.
pub(crate) fn per_matrix(text: &str) -> Result<Numbers, String> {
    let mut parts = text.split(',');
    if parts
        .next()
        .is_some_and(|first| first.trim().parse::<f64>().is_err())
    {
        return Ok(Numbers::File(text.into()));
    }
    let numbers = text.split(',').map(not_negative);
    let numbers = numbers.collect::<Result<_, _>>();
    numbers
        .map(Numbers::List)
        .map_err(|what| match text.contains(',') {
            true => format!("of every number: {what}"),
            false => what,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_they_may_be() {
        assert_eq!(not_negative("1e-3"), Ok(1e-3));
        assert!(not_negative("-0").is_ok_and(|zero| zero.is_sign_positive()));
        for (text, what) in [
            ("-1", "negative"),
            ("nan", "finite"),
            ("inf", "finite"),
            ("x", "a number"),
            ("-inf", "finite"),
        ] {
            assert!(not_negative(text).unwrap_err().contains(what), "{text}");
        }
        assert_eq!(rcond("1e-3"), Ok(Rcond::Number(1e-3)));
        assert_eq!(rcond("numpy"), Ok(Rcond::Numpy));
        assert!(rcond("-1").unwrap_err().contains("negative"));
        assert!(rcond("NumPy's").unwrap_err().contains("numpy"));
        assert!(part("1.5").is_err() && part("1").is_ok());
        assert_eq!(count("99999999999999999999999"), Ok(usize::MAX));
        assert!(count("-1").is_err() && count("2.5").is_err() && count("").is_err());
        assert!(sweeps("0").is_err() && sweeps("7") == Ok(7));
    }

    #[test]
    fn values_of_matrices_are_numbers_or_a_file() {
        assert_eq!(per_matrix("0.1"), Ok(Numbers::List(vec![0.1])));
        assert_eq!(per_matrix("0.1,0.2"), Ok(Numbers::List(vec![0.1, 0.2])));
        assert_eq!(per_matrix("l.npy"), Ok(Numbers::File("l.npy".into())));
        assert_eq!(per_matrix("-"), Ok(Numbers::File("-".into())));
        for text in ["-1", "0.1,-1", "0.1,x", "0.1,", "nan", "1,inf"] {
            assert!(per_matrix(text).is_err(), "{text}");
        }
    }
}
