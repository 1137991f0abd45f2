//! `--report FILE`: how every matrix fared, as a structured array or as JSON.

use std::path::Path;

use batched_svd::Outcome;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::npy::{Data, Records, Shape, is_npz};
use crate::cli::spread::Spread;
use crate::cli::target::Target;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Npy,
    Npz,
    Json,
}

impl Format {
    /// By the ending of the name; what has no name gets text.
    pub fn of(path: &Path, target: &Target) -> Result<Format, Failure> {
        let extension = path.extension().unwrap_or_default();
        let is = |wanted| extension.eq_ignore_ascii_case(wanted);
        match () {
            () if is_npz(path) => Ok(Format::Npz),
            () if is("npy") => Ok(Format::Npy),
            () if is("json") || !target.is_named() => Ok(Format::Json),
            () => Err(Failure::file(
                path,
                "a report is a .npy, .npz or .json file, by its ending",
            )),
        }
    }
}

/// How all matrices fared, in order.
pub(crate) struct Record<'a> {
    pub op: &'a str,
    pub shapes: &'a [&'a Shape],
    pub zipped: bool,
    pub outcomes: &'a [Outcome],
    /// What singular values say, where they are known.
    pub spreads: Option<&'a [Spread]>,
    /// The largest of the residuals that should be nothing, where they were computed.
    pub residuals: Option<&'a [f64]>,
}

impl Record<'_> {
    /// The condition number, that of what counts, and the residual.
    fn numbers(&self, b: usize) -> [f64; 3] {
        let [condition, kept] = self.spreads.map_or([f64::NAN; 2], |spreads| {
            [spreads[b].condition, spreads[b].kept_condition()]
        });
        [
            condition,
            kept,
            self.residuals.map_or(f64::NAN, |residuals| residuals[b]),
        ]
    }

    /// Arrays of records, one for each array of matrices, with its shape; or one of all matrices, which then say which
    /// array is theirs.
    pub fn arrays(&self, format: Format) -> Vec<(String, Vec<u64>, Data)> {
        let apart = format == Format::Npz || !self.zipped;
        let mut arrays = Vec::new();
        let (mut first, mut all) = (0, Vec::new());
        for (at, shape) in self.shapes.iter().enumerate() {
            let mut bytes = Vec::new();
            for own in 0..shape.count {
                if !apart {
                    bytes.extend((at as u32).to_le_bytes());
                    bytes.extend((own as u64).to_le_bytes());
                }
                let outcome = &self.outcomes[first + own];
                bytes.push(outcome.status.code());
                bytes.extend(outcome.rank.to_le_bytes());
                bytes.extend(outcome.sweeps.to_le_bytes());
                bytes.extend(
                    self.numbers(first + own)
                        .into_iter()
                        .flat_map(f64::to_le_bytes),
                );
            }
            first += shape.count;
            match apart {
                true => arrays.push((
                    shape.key.clone(),
                    shape.leading.clone(),
                    records(apart, bytes),
                )),
                false => all.extend(bytes),
            }
        }
        if !apart {
            arrays.push((String::new(), vec![first as u64], records(apart, all)));
        }
        arrays
    }

    /// An object with a list of all matrices, a line each: there may be millions of them.
    pub fn json(&self) -> String {
        let mut lines = Vec::with_capacity(self.outcomes.len());
        let mut first = 0;
        for shape in self.shapes {
            for own in 0..shape.count {
                let (b, outcome) = (first + own, &self.outcomes[first + own]);
                let [condition, kept, residual] = self.numbers(b);
                let mut matrix = json!({
                    "index": own,
                    "status": outcome.status.to_string(),
                    "rank": outcome.rank,
                    "sweeps": outcome.sweeps,
                    "condition": condition,
                    "kept_condition": kept,
                    "residual": residual,
                });
                if self.zipped {
                    matrix["array"] = json!(shape.key);
                }
                lines.push(matrix.to_string());
            }
            first += shape.count;
        }
        let (op, lines) = (json!(self.op), lines.join(",\n"));
        format!("{{\"op\":{op},\"count\":{first},\"matrices\":[\n{lines}\n]}}\n")
    }
}

fn records(apart: bool, bytes: Vec<u8>) -> Data {
    let mut fields = vec![("status", "|u1"), ("rank", "<u4"), ("sweeps", "<u4")];
    fields.extend([
        ("condition", "<f8"),
        ("kept_condition", "<f8"),
        ("residual", "<f8"),
    ]);
    let mut size = 1 + 2 * 4 + 3 * 8;
    if !apart {
        fields.splice(0..0, [("array", "<u4"), ("index", "<u8")]);
        size += 4 + 8;
    }
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, kind)| format!("('{name}', '{kind}')"))
        .collect();
    Data::Records(Records {
        descr: format!("[{}]", fields.join(", ")),
        size,
        bytes,
    })
}
