//! One measurement, as a line of JSON: the keys of benches/peers/peers.py, and more.

use serde::{Deserialize, Serialize};

/// What a measurement is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Many matrices in a call: matrices a second.
    #[default]
    Throughput,
    /// A few matrices in a call: seconds a call.
    Latency,
}

/// One contender, one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub peer: String,
    pub op: String,
    pub m: usize,
    pub n: usize,
    /// Matrices in a call.
    pub batch: usize,
    /// Matrices that were asked for; a slow contender gets fewer.
    #[serde(default)]
    pub asked_batch: usize,
    pub dtype: String,
    /// Median of the repetitions, host memory to host memory.
    pub seconds: Option<f64>,
    pub matrices_per_s: Option<f64>,
    /// Whether it computed, and its results passed the check.
    pub ok: bool,
    #[serde(default)]
    pub note: String,

    #[serde(default)]
    pub kind: Kind,
    #[serde(default)]
    pub seconds_min: Option<f64>,
    #[serde(default)]
    pub seconds_max: Option<f64>,
    #[serde(default)]
    pub repetitions: usize,
    #[serde(default)]
    pub device: String,
    /// The device is a processor in disguise: its times say nothing of GPUs.
    #[serde(default)]
    pub software: bool,
    #[serde(default)]
    pub kernel: Option<String>,
    /// Median of the device's own times, data resident.
    #[serde(default)]
    pub device_seconds: Option<f64>,
    /// By the nominal count, end to end.
    #[serde(default)]
    pub gflops: Option<f64>,
    /// Of the bytes that must move, end to end.
    #[serde(default)]
    pub gbytes_per_s: Option<f64>,
    /// Executed operations a second, or bytes that must move a second, over the device's measured
    /// limit, whichever is larger; by the device's own time where there is one.
    #[serde(default)]
    pub limit_fraction: Option<f64>,
    /// Which limit that is: `flops` or `bytes`.
    #[serde(default)]
    pub limit: Option<String>,
    #[serde(default)]
    pub median_sweeps: Option<u32>,
    /// The largest over the matrices that were checked; of pseudoinverses, over the condition
    /// number.
    #[serde(default)]
    pub residual: Option<f64>,
    #[serde(default)]
    pub orthogonality: Option<f64>,
    #[serde(default)]
    pub checked: usize,
    /// Thresholds of the planner that were set for all measurements of this project.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub settings: String,
}

/// This project's own contenders.
const OWN: &str = "batched-svd-";

impl Row {
    /// The engine's short name, for this project's own rows.
    pub fn own(&self) -> Option<&str> {
        self.peer.strip_prefix(OWN)
    }

    pub fn same_case(&self, other: &Row) -> bool {
        (self.kind, &self.op, &self.dtype, self.m, self.n)
            == (other.kind, &other.op, &other.dtype, other.m, other.n)
            && (self.kind == Kind::Throughput || self.batch == other.batch)
    }

    /// Matrices a second of a measurement that counts: one that failed its check does not.
    pub fn rate(&self) -> Option<f64> {
        self.matrices_per_s.filter(|_| self.ok)
    }
}

/// The limits of a device, as a line of JSON of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LimitRow {
    /// The contender whose device it is.
    pub limits_of: String,
    pub device: String,
    pub dtype: String,
    pub gflops: f64,
    pub gbytes_per_s: f64,
}

/// What one call took on a GPU, kernel by kernel, as a line of JSON of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProfileRow {
    /// The contender whose call it is.
    pub profile_of: String,
    pub op: String,
    pub m: usize,
    pub n: usize,
    pub batch: usize,
    pub dtype: String,
    pub ok: bool,
    pub note: String,
    pub device: String,
    pub software: bool,
    /// The path that the planner chose.
    pub path: String,
    /// Of one call, from its start until the device is done.
    pub seconds: Option<f64>,
    /// Of one call by the device's clock, where it has one.
    pub device_seconds: Option<f64>,
    pub kernels: Vec<KernelRow>,
    pub settings: String,
}

/// A kernel's part in one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KernelRow {
    pub kernel: String,
    pub form: String,
    pub dispatches: u64,
    pub seconds: f64,
    /// In the first call of this shape, if no other shape had it compiled.
    pub compile_seconds: Option<f64>,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    Row(Box<Row>),
    Limit(LimitRow),
    Profile(Box<ProfileRow>),
}

/// Reads a line of JSON: a measurement, a limit, or something else that says nothing here.
pub(crate) fn read(line: &str) -> Result<Option<Line>, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_str(line)?;
    if value.get("peer").is_some() {
        return serde_json::from_value(value).map(|row| Some(Line::Row(Box::new(row))));
    }
    if value.get("profile_of").is_some() {
        return serde_json::from_value(value).map(|row| Some(Line::Profile(Box::new(row))));
    }
    if value.get("limits_of").is_some() {
        return serde_json::from_value(value).map(|row| Some(Line::Limit(row)));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_peers_script_is_read() {
        let line = r#"{"peer": "torch-cpu", "op": "svd", "m": 3, "n": 3, "batch": 10,
            "dtype": "f32", "seconds": 0.5, "ok": true, "note": "", "matrices_per_s": 20.0}"#;
        let Ok(Some(Line::Row(row))) = read(line) else {
            panic!("not a row")
        };
        assert_eq!((row.peer.as_str(), row.rate()), ("torch-cpu", Some(20.0)));
        assert_eq!(row.kind, Kind::Throughput);
        let again = serde_json::to_string(&row).unwrap();
        assert_eq!(read(&again).unwrap(), Some(Line::Row(row)));
        assert_eq!(read(r#"{"device": "some card"}"#).unwrap(), None);
        assert!(read(r#"{"peer": "x"}"#).is_err());
    }

    #[test]
    fn a_failed_check_has_no_rate() {
        let row = Row {
            matrices_per_s: Some(1e9),
            ..Row::default()
        };
        assert_eq!(row.rate(), None);
    }
}
