//! Values that are stored, to draw filters from.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::Bench;

/// Rows of each table that the sample looks at.
const ROWS: &str = "250";

/// Names of filters whose column in files is called otherwise.
const OTHER_NAMES: &[(&str, &str)] =
    &[("traceTags", "tags"), ("traceEnvironment", "environment"), ("userIds", "userId")];

/// Values of a bench's project `p`, by table and column of its exports.
pub struct Sample {
    tables: BTreeMap<&'static str, Columns>,
    /// Instants at which events started or were stored.
    pub times: Vec<String>,
    /// Keys and values of metadata.
    pub metadata: Vec<(String, String)>,
}

#[derive(Default)]
struct Columns {
    texts: BTreeMap<String, Vec<String>>,
    numbers: BTreeMap<String, Vec<Value>>,
    all_texts: Vec<String>,
}

impl Sample {
    /// The latest rows of every table.
    pub fn of(bench: &Bench) -> Self {
        let mut sample = Self { tables: BTreeMap::new(), times: Vec::new(), metadata: Vec::new() };
        for table in ["events", "observations", "scores", "sessions", "traces"] {
            let rows = bench.rows(&["--project", "p", "--table", table, "--columns", "all", "--limit", ROWS]);
            let mut columns = Columns::default();
            for row in &rows {
                for (name, value) in row.as_object().unwrap() {
                    columns.note(name, value);
                }
                sample.metadata.extend(row["metadata"].as_object().into_iter().flatten().map(|(key, value)| {
                    (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                }));
            }
            sample.tables.insert(table, columns);
        }
        // The latest rows lie within hours; the others within two weeks before.
        for day in 17..=30 {
            for time in ["00:00:00Z", "07:31:12.345Z", "13:05:00.000001Z", "21:59:59.999999Z"] {
                sample.times.push(format!("2026-06-{day}T{time}"));
            }
        }
        let starts = sample.tables["events"].texts["startTime"].iter();
        let starts: Vec<String> = starts.map(|time| format!("{}Z", time.replace(' ', "T"))).collect();
        sample.times.extend(starts.into_iter().step_by(25));
        sample
    }

    /// Texts in the column that a filter looks at, where it has one.
    pub fn texts(&self, table: &str, filter: &str) -> Vec<String> {
        self.tables[table].texts.get(column(filter)).cloned().unwrap_or_default()
    }

    /// Numbers in the column that a filter looks at, where it has one.
    pub fn numbers(&self, table: &str, filter: &str) -> Vec<Value> {
        self.tables[table].numbers.get(column(filter)).cloned().unwrap_or_default()
    }

    /// Texts of all columns.
    pub fn all_texts(&self, table: &str) -> &[String] {
        &self.tables[table].all_texts
    }
}

fn column(filter: &str) -> &str {
    OTHER_NAMES.iter().find(|(name, _)| *name == filter).map_or(filter, |(_, column)| column)
}

impl Columns {
    fn note(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) => {
                self.texts.entry(name.to_owned()).or_default().push(text.clone());
                if !text.is_empty() {
                    self.all_texts.push(text.clone());
                }
            }
            Value::Number(_) => self.numbers.entry(name.to_owned()).or_default().push(value.clone()),
            Value::Array(items) => items.iter().filter(|item| item.is_string()).for_each(|item| self.note(name, item)),
            Value::Object(entries) => {
                for key in entries.keys() {
                    self.texts.entry(name.to_owned()).or_default().push(key.clone());
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}
