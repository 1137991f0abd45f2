//! Facts about a device in a JSON file.

use std::path::Path;

use batched_svd::explain::{DeviceFacts, DeviceKind, Units};
use serde_json::{Map, Value};

use crate::cli::failure::Failure;

/// Every name is optional, but for `name`: what is not said is as WebGPU's defaults have it. Others are refused.
const NAMES: [&str; 11] = [
    "name",
    "kind",
    "vendor",
    "f64",
    "subgroup",
    "workgroup_storage",
    "workgroup_invocations",
    "workgroups",
    "binding",
    "buffer",
    "units",
];
const UNITS: [&str; 4] = ["count", "invocations", "storage", "registers"];

pub(crate) fn read(path: &Path) -> Result<DeviceFacts, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    parse(&text).map_err(|what| Failure::file(path, what))
}

fn parse(text: &str) -> Result<DeviceFacts, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(map) = value else {
        return Err("is not a JSON object".into());
    };
    check(&map, &NAMES)?;
    let mut facts = DeviceFacts::webgpu();
    facts.name = match map.get("name") {
        Some(Value::String(name)) => name.clone(),
        _ => return Err("has no \"name\", a string".into()),
    };
    facts.kind = match map.get("kind").map(|kind| kind.as_str()) {
        None => facts.kind,
        Some(Some("discrete")) => DeviceKind::Discrete,
        Some(Some("integrated")) => DeviceKind::Integrated,
        Some(Some("software")) => DeviceKind::Software,
        Some(_) => {
            return Err("\"kind\" is none of \"discrete\", \"integrated\", \"software\"".into());
        }
    };
    match map.get("f64") {
        None => {}
        Some(Value::Bool(has_f64)) => facts.has_f64 = *has_f64,
        Some(_) => return Err("\"f64\" is neither true nor false".into()),
    }
    for (name, to) in [
        ("vendor", &mut facts.vendor),
        ("subgroup", &mut facts.subgroup),
        ("workgroup_storage", &mut facts.workgroup_storage),
        ("workgroup_invocations", &mut facts.workgroup_invocations),
        ("workgroups", &mut facts.workgroups),
    ] {
        if let Some(value) = map.get(name) {
            *to = number(name, value, u32::MAX.into())? as u32;
        }
    }
    for (name, to) in [
        ("binding", &mut facts.binding),
        ("buffer", &mut facts.buffer),
    ] {
        if let Some(value) = map.get(name) {
            *to = number(name, value, u64::MAX)?;
        }
    }
    for (name, value) in [
        ("subgroup", facts.subgroup),
        ("workgroup_invocations", facts.workgroup_invocations),
        ("workgroups", facts.workgroups),
    ] {
        if value == 0 {
            return Err(format!("{name:?} is zero"));
        }
    }
    facts.units = match map.get("units") {
        None => None,
        Some(Value::Object(units)) => {
            check(units, &UNITS)?;
            let of = |name: &str| match units.get(name) {
                Some(value) => match number(name, value, u32::MAX.into())? {
                    0 => Err(format!("{name:?} is zero")),
                    number => Ok(number as u32),
                },
                None => Err(format!("\"units\" has no {name:?}")),
            };
            let [count, invocations, storage, registers] = UNITS;
            Some(Units::new(
                of(count)?,
                of(invocations)?,
                of(storage)?,
                of(registers)?,
            ))
        }
        Some(_) => return Err("\"units\" is not an object".into()),
    };
    Ok(facts)
}

fn check(map: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match map.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("{key:?} is none of {}", names.join(", "))),
        None => Ok(()),
    }
}

fn number(name: &str, value: &Value, most: u64) -> Result<u64, String> {
    match value.as_u64() {
        Some(number) if number <= most => Ok(number),
        _ => Err(format!(
            "{name:?} is {value}, not a number from 0 to {most}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_and_slips_are_named() {
        let facts = parse(r#"{"name": "card", "kind": "discrete", "f64": true, "subgroup": 32}"#);
        let facts = facts.unwrap();
        assert_eq!((facts.kind, facts.has_f64), (DeviceKind::Discrete, true));
        assert_eq!((facts.subgroup, facts.workgroup_storage), (32, 16384));
        for (text, what) in [
            ("[]", "is not a JSON object"),
            ("{}", "has no \"name\""),
            (
                r#"{"name": "a", "subgruop": 3}"#,
                "\"subgruop\" is none of name",
            ),
            (r#"{"name": "a", "subgroup": -3}"#, "\"subgroup\" is -3"),
            (r#"{"name": "a", "subgroup": 0}"#, "\"subgroup\" is zero"),
            (r#"{"name": "a", "kind": "fast"}"#, "\"kind\" is none of"),
            (r#"{"name": "a", "f64": 1}"#, "\"f64\" is neither"),
            (
                r#"{"name": "a", "units": {"count": 3}}"#,
                "has no \"invocations\"",
            ),
            ("{", "EOF"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
