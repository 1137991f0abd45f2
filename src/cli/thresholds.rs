//! The planner's thresholds by name, as they are written on the command line.

use std::fmt;
use std::str::FromStr;

use batched_svd::Tuning;

/// A threshold, how to set it, and what to try where nobody says.
pub(crate) struct Threshold {
    pub name: &'static str,
    /// Whether it is a GPU's; else it is the CPU's. Only the benchmark asks, as for what it tries.
    #[cfg_attr(not(feature = "bench"), expect(dead_code))]
    pub gpu: bool,
    set: fn(&mut Tuning, u64),
    most: u64,
    #[cfg_attr(not(feature = "bench"), expect(dead_code))]
    pub tries: &'static [u64],
}

const fn gpu(
    name: &'static str,
    set: fn(&mut Tuning, u64),
    most: u64,
    tries: &'static [u64],
) -> Threshold {
    Threshold {
        name,
        gpu: true,
        set,
        most,
        tries,
    }
}

const fn cpu(
    name: &'static str,
    set: fn(&mut Tuning, u64),
    most: u64,
    tries: &'static [u64],
) -> Threshold {
    Threshold {
        gpu: false,
        ..gpu(name, set, most, tries)
    }
}

const WORD: u64 = u32::MAX as u64;
const LONG: u64 = u64::MAX;
/// No shape has more of anything.
const SIZE: u64 = 1 << 20;

/// What kernels may depend on, a GPU's first.
#[rustfmt::skip]
pub(crate) const THRESHOLDS: &[Threshold] = &[
    gpu("invocation_words", |t, v| t.invocation_words = Some(v as u32), WORD, &[0, 64, 192]),
    gpu("fuses_columns", |t, v| t.fuses_columns = Some(v != 0), 1, &[0, 1]),
    gpu("tiny_columns", |t, v| t.tiny_columns = Some(v as usize), SIZE, &[0, 3, 5, 8]),
    gpu("tiny_words", |t, v| t.tiny_words = v as usize, SIZE, &[]),
    gpu("columns_workgroup", |t, v| t.columns_workgroup = v as u32, WORD, &[32, 128, 256]),
    gpu("rows_per_lane", |t, v| t.rows_per_lane = v as usize, SIZE, &[4, 16]),
    gpu("workgroup_invocations", |t, v| t.workgroup_invocations = v as u32, WORD, &[128, 512]),
    // The first is as little as kernels in global memory take.
    gpu("workgroup_storage", |t, v| t.workgroup_storage = v as u32, WORD, &[7300, 16384]),
    gpu("sweeps_per_dispatch", |t, v| t.sweeps_per_dispatch = v as u32, WORD, &[4, 64]),
    gpu("chunk_bytes", |t, v| t.chunk_bytes = v, LONG, &[16 << 20, 256 << 20]),
    gpu("submit_flops", |t, v| t.submit_flops = Some(v), LONG, &[1 << 30, 64 << 30]),
    cpu("lanes", |t, v| t.lanes = v as usize, SIZE, &[1]),
    cpu("task_flops", |t, v| t.task_flops = v, LONG, &[1 << 19, 8 << 20]),
    cpu("group_bytes", |t, v| t.group_bytes = v, LONG, &[1 << 20, 64 << 20]),
];

/// A threshold and the values that were given for it: `submit_flops=4g,64g`.
#[derive(Clone)]
pub(crate) struct Setting {
    pub threshold: &'static Threshold,
    pub values: Vec<u64>,
}

impl Setting {
    /// Sets the threshold to the last of the values.
    pub fn apply(&self, tuning: &mut Tuning) {
        if let Some(&value) = self.values.last() {
            self.threshold.apply(tuning, value);
        }
    }
}

impl Threshold {
    pub fn apply(&self, tuning: &mut Tuning, value: u64) {
        (self.set)(tuning, value);
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self.values.iter().map(|&v| number(v)).collect();
        write!(f, "{}={}", self.threshold.name, values.join(","))
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, values) = text
            .split_once('=')
            .ok_or("a threshold is written as NAME=VALUE or NAME=VALUE,VALUE")?;
        let named = |threshold: &&Threshold| threshold.name == name;
        let threshold = THRESHOLDS.iter().find(named).ok_or_else(|| {
            let names: Vec<&str> = THRESHOLDS.iter().map(|t| t.name).collect();
            format!("there is no {name:?}, only {}", names.join(", "))
        })?;
        let values = values.split(',').map(|text| match read(text) {
            Some(value) if value <= threshold.most => Ok(value),
            _ => Err(format!(
                "{text:?} is not a whole number up to {}, with k, m or g for 2^10, 2^20 or 2^30",
                threshold.most
            )),
        });
        Ok(Setting {
            threshold,
            values: values.collect::<Result<_, _>>()?,
        })
    }
}

/// One value alone.
pub(crate) fn single(text: &str) -> Result<Setting, String> {
    let setting: Setting = text.parse()?;
    match setting.values.len() {
        1 => Ok(setting),
        _ => Err("one value is set at a time".into()),
    }
}

const SUFFIXES: [(char, u32); 3] = [('k', 10), ('m', 20), ('g', 30)];

fn read(text: &str) -> Option<u64> {
    let suffix = SUFFIXES.iter().find(|(s, _)| text.ends_with(*s));
    let (digits, shift) = match suffix {
        Some(&(_, shift)) => (&text[..text.len() - 1], shift),
        None => (text, 0),
    };
    // No sign, as `parse` takes one.
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// As short as it can be read again.
pub(crate) fn number(value: u64) -> String {
    for &(suffix, shift) in SUFFIXES.iter().rev() {
        // Small numbers are words, lanes and columns, which nobody thinks of in k.
        if value > 1 << 16 && value.trailing_zeros() >= shift {
            return format!("{}{suffix}", value >> shift);
        }
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_threshold_has_its_name() {
        let text = format!("{:?}", Tuning::default());
        let fields: Vec<&str> = text
            .trim_start_matches("Tuning { ")
            .split(", ")
            .filter_map(|field| field.split(": ").next())
            .collect();
        let mut names: Vec<&str> = THRESHOLDS.iter().map(|t| t.name).collect();
        let mut known = fields.clone();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
        // And sets what it is called after, nothing else.
        for threshold in THRESHOLDS {
            let mut tuning = Tuning::default();
            threshold.apply(&mut tuning, 1);
            let changed = format!("{tuning:?}");
            for field in &fields {
                let of = |text: &str| {
                    let at = text.find(&format!("{field}: ")).unwrap();
                    text[at..].split(", ").next().unwrap().to_string()
                };
                let same = of(&text).trim_end_matches(" }") == of(&changed).trim_end_matches(" }");
                assert_eq!(same, *field != threshold.name, "{field}: {changed}");
            }
        }
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        let setting: Setting = "submit_flops=4g,1k,7".parse().unwrap();
        assert_eq!(setting.values, [4 << 30, 1 << 10, 7]);
        assert_eq!(setting.to_string(), "submit_flops=4g,1024,7");
        let mut tuning = Tuning::default();
        single("submit_flops=128g").unwrap().apply(&mut tuning);
        assert_eq!(tuning.submit_flops, Some(128 << 30));
        for bad in [
            "lanes",
            "lanes=",
            "lanes=-1",
            "lanes=+1",
            "lanes=1.5",
            "lanes=g",
            "tails=1",
            "fuses_columns=2",
            "invocation_words=4g",
            "submit_flops=99999999999g",
        ] {
            assert!(bad.parse::<Setting>().is_err(), "{bad}");
        }
        assert!(single("lanes=1,2").is_err());
    }
}
