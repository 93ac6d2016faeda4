//! Which events are roots, and the place of an event among the live events of its trace.

use std::collections::HashMap;

use model::TracePosition;

use super::rows::Record;
use super::value::Value;

/// Columns that make a row a root.
const PARENT: &str = "parent_span_id";
const APP_ROOT: &str = "is_app_root";

/// The place of a row in its trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Whether it has no parent or is marked as the application's root.
    pub root: bool,
    /// From 1.
    pub from_start: u32,
    /// From 1.
    pub from_end: u32,
}

impl Position {
    /// Whether this is the place looked for.
    pub fn is(self, wanted: TracePosition) -> bool {
        match wanted {
            TracePosition::Root => self.root,
            TracePosition::FromStart(n) => self.from_start == n,
            TracePosition::FromEnd(n) => self.from_end == n,
        }
    }
}

/// Whether the table can tell roots from other rows.
pub fn has_roots(table: &model::StoredTable) -> bool {
    table.column(PARENT).is_some() && table.column(APP_ROOT).is_some()
}

/// Whether a row has no parent or is marked as the application's root. No row of a table without
/// those columns is.
pub fn is_root(row: &Record) -> bool {
    let orphan = row.get(PARENT).is_some_and(|parent| matches!(parent.as_text(), None | Some("")));
    orphan || row.get(APP_ROOT).is_some_and(Value::is_set)
}

/// Notes the place of every row; `rows` are all live rows of a project.
pub fn assign(rows: &mut [Record], time: &str, trace_id: &str, id: &str) {
    let mut traces: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        traces.entry(row.text(trace_id).to_owned()).or_default().push(index);
    }
    for mut members in traces.into_values() {
        members.sort_by_key(|&index| (rows[index].timestamp(time), rows[index].text(id).to_owned()));
        let count = members.len() as u32;
        for (place, index) in (0..count).zip(members) {
            rows[index].position =
                Position { root: is_root(&rows[index]), from_start: place + 1, from_end: count - place };
        }
    }
}
