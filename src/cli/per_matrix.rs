//! Options that are one number for all matrices, or one for each: `--damping` and `--noise`.

use batched_svd::PerMatrix;

use crate::cli::failure::Failure;
use crate::cli::npy::{Shape, Source, Tick, lacks, wrong};
use crate::cli::numbers::Numbers;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    All(f64),
    Each(Vec<f64>),
}

impl Values {
    pub fn of(&self, index: usize) -> f64 {
        match self {
            Values::All(value) => *value,
            Values::Each(values) => values[index],
        }
    }

    pub fn numbers(&self) -> PerMatrix {
        match self {
            Values::All(value) => PerMatrix::All(*value),
            Values::Each(values) => PerMatrix::Each(values.clone()),
        }
    }
}

/// The values of the option of this name for these arrays of matrices.
pub(crate) fn read(
    name: &str,
    numbers: &Numbers,
    shapes: &[&Shape],
    tick: Tick<'_>,
) -> Result<Values, Failure> {
    let count: usize = shapes.iter().map(|shape| shape.count).sum();
    let path = match numbers {
        Numbers::List(numbers) if numbers.len() == 1 => return Ok(Values::All(numbers[0])),
        Numbers::List(numbers) if numbers.len() == count => {
            return Ok(Values::Each(numbers.clone()));
        }
        Numbers::List(numbers) => {
            let text = format!(
                "--{name} has {} numbers, but there are {count} matrices",
                numbers.len()
            );
            return Err(Failure::Usage(text));
        }
        Numbers::File(path) => path,
    };
    let source = Source::open(path, tick)?;
    let zipped = source.zipped();
    let lists = source.numbers()?;
    for (key, numbers) in &lists {
        let bad = numbers
            .iter()
            .enumerate()
            .find(|(_, number)| !(number.is_finite() && **number >= 0.0));
        if let Some((at, number)) = bad {
            let text =
                format!("number {at} is {number}, but {name} must be finite and not negative");
            return Err(wrong(path, key, text));
        }
    }
    let of_count = |key: &str, numbers: &[f64], count: usize| match numbers {
        [one] => Ok(vec![*one; count]),
        numbers if numbers.len() == count => Ok(numbers.to_vec()),
        numbers => {
            let text = format!(
                "holds {} numbers, but there are {count} matrices",
                numbers.len()
            );
            Err(wrong(path, key, text))
        }
    };
    if !zipped {
        // Of all matrices, in the order of their arrays.
        let numbers = lists
            .into_iter()
            .next()
            .map_or(Vec::new(), |(_, numbers)| numbers);
        return match numbers[..] {
            [one] => Ok(Values::All(one)),
            _ => of_count("", &numbers, count).map(Values::Each),
        };
    }
    let mut all = Vec::with_capacity(count);
    for shape in shapes {
        let own = lists.iter().find(|(key, _)| *key == shape.key);
        let (key, numbers) = own.ok_or_else(|| lacks(path, &shape.key))?;
        all.extend(of_count(key, numbers, shape.count)?);
    }
    if let Some((key, _)) = lists
        .iter()
        .find(|(key, _)| !shapes.iter().any(|shape| shape.key == *key))
    {
        return Err(wrong(path, key, "there are no matrices of this name"));
    }
    Ok(Values::Each(all))
}
