//! Thresholds of the planner by their names.

use batched_svd::Tuning;

/// A threshold and its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    name: &'static str,
    value: u64,
}

type Set = fn(&mut Tuning, u64);

/// What a GPU's plan depends on.
#[rustfmt::skip]
const KNOWN: &[(&str, Set)] = &[
    ("invocation_words", |t, v| t.invocation_words = Some(v as u32)),
    ("tiny_columns", |t, v| t.tiny_columns = Some(v as usize)),
    ("tiny_words", |t, v| t.tiny_words = v as usize),
    ("fuses_columns", |t, v| t.fuses_columns = Some(v != 0)),
    ("columns_workgroup", |t, v| t.columns_workgroup = v as u32),
    ("rows_per_lane", |t, v| t.rows_per_lane = v as usize),
    ("workgroup_invocations", |t, v| t.workgroup_invocations = v as u32),
    ("workgroup_storage", |t, v| t.workgroup_storage = v as u32),
    ("sweeps_per_dispatch", |t, v| t.sweeps_per_dispatch = v as u32),
    ("chunk_bytes", |t, v| t.chunk_bytes = v),
    ("submit_flops", |t, v| t.submit_flops = Some(v)),
];

pub(crate) fn read(text: &str) -> Result<Setting, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a threshold is written as NAME=NUMBER")?;
    let Some((name, _)) = KNOWN.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "{name:?} is no threshold: there are {}",
            names.join(", ")
        ));
    };
    match value.parse() {
        Ok(value) if value <= u64::from(u32::MAX) || *name == "submit_flops" => {
            Ok(Setting { name, value })
        }
        _ => Err(format!("{value:?} is not a number from 0 to 2^32 - 1")),
    }
}

pub(crate) fn tuning(settings: &[Setting]) -> Tuning {
    let mut tuning = Tuning::default();
    for setting in settings {
        for (name, set) in KNOWN {
            if *name == setting.name {
                set(&mut tuning, setting.value);
            }
        }
    }
    tuning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_have_names() {
        let tuning = tuning(&[
            read("invocation_words=256").unwrap(),
            read("submit_flops=137438953472").unwrap(),
        ]);
        assert_eq!(tuning.invocation_words, Some(256));
        assert_eq!(tuning.submit_flops, Some(1 << 37));
        for bad in [
            "",
            "words=3",
            "tiny_words",
            "tiny_words=",
            "tiny_words=-1",
            "tiny_words=9999999999",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
