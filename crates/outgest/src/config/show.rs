//! The settings that hold, as `outgest config show` prints them. Secrets are hidden already.

use serde_json::{Value, json};

use super::load::{Effective, Loaded, Origin};

/// One line per setting: name, value, origin.
pub fn as_text(loaded: &Loaded) -> String {
    let rows: Vec<(String, String)> = loaded
        .values
        .iter()
        .map(|value| (format!("{} = {}", value.key.path, shown(value)), value.origin.to_string()))
        .collect();
    // Long values stand out to the right rather than push every origin there.
    let width = rows.iter().map(|(left, _)| left.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    rows.iter().map(|(left, origin)| format!("{left:width$}  # {origin}\n")).collect()
}

/// The same as one JSON object, by path.
pub fn as_json(loaded: &Loaded) -> Value {
    let pairs = loaded.values.iter().map(|value| {
        let origin = match &value.origin {
            Origin::Default => json!({"kind": "default"}),
            Origin::File { path, line } => json!({"kind": "file", "file": path, "line": line}),
            Origin::Variable(name) => json!({"kind": "variable", "name": name}),
            Origin::Flag(name) => json!({"kind": "flag", "name": name}),
        };
        (value.key.path.clone(), json!({"value": value.value, "origin": origin}))
    });
    Value::Object(pairs.collect())
}

fn shown(value: &Effective) -> String {
    match &value.value {
        Value::Null => format!("({})", value.key.unset.as_deref().unwrap_or("none").replace('`', "")),
        other => other.to_string(),
    }
}
