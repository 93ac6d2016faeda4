//! `outgest.toml`: from text to values that know their line.

use std::path::Path;

use model::FieldProblem;
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys;

/// A value of the file and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Path of the setting as written: `worker.threads`. It need not exist.
    pub path: String,
    /// The value; a table where the path is no section.
    pub value: Value,
    /// Line of the key, from 1.
    pub line: usize,
}

/// Reads the file's values in the order they are written. `shown` names the file in messages.
pub fn read(shown: &Path, text: &str) -> Result<Vec<Entry>, FieldProblem> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        FieldProblem::new(format!("{}:{line}", shown.display()), message)
            .hint("the file is TOML: name = \"text\" or name = 5 under a [section]")
    })?;
    let mut entries = Vec::new();
    flatten(text, "", table.get_ref(), &mut entries);
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn flatten(text: &str, prefix: &str, table: &DeTable<'_>, entries: &mut Vec<Entry>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) if keys::sections().iter().any(|section| section.name == path) => {
                flatten(text, &path, inner, entries);
            }
            _ => entries.push(Entry { path, value: to_json(value), line: line_of(text, key.span().start) }),
        }
    }
}

fn to_json(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::from(number),
            // Larger than any setting takes; its type will say so.
            Err(_) => Value::from(number.to_string()),
        },
        DeValue::Float(number) => {
            let parsed = number.as_str().parse().ok().and_then(Number::from_f64);
            parsed.map_or_else(|| Value::from(number.to_string()), Value::Number)
        }
        DeValue::Datetime(instant) => Value::from(instant.to_string()),
        DeValue::Array(items) => items.iter().map(to_json).collect(),
        DeValue::Table(table) => {
            let pairs = table.iter().map(|(key, value)| (key.get_ref().to_string(), to_json(value)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_line_in_every_way_of_writing_them() {
        let text = "data = \"d\"\n\n[worker]\nthreads = 3\n\n[quota]\nactive_exports = 0x10\n[no.such]\nx = 1\n";
        let entries = read(Path::new("outgest.toml"), text).unwrap();
        let found: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.line)).collect();
        assert_eq!(found, [("data", 1), ("worker.threads", 4), ("quota.active_exports", 7), ("no", 8)]);
        assert_eq!(entries[2].value, 16);

        let dotted = read(Path::new("f"), "worker.threads = 2\negress = { allow = [\"10.0.0.0/8\"] }").unwrap();
        assert_eq!((dotted[0].path.as_str(), dotted[0].line), ("worker.threads", 1));
        assert_eq!((dotted[1].path.as_str(), dotted[1].line), ("egress.allow", 2));
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_line() {
        let problem = read(Path::new("og.toml"), "data = \"d\"\nthreads = = 3").unwrap_err();
        assert!(problem.field.starts_with("og.toml:2"), "{problem}");
    }
}
