//! The place of an event among the live events of its trace.

use std::collections::HashMap;

use model::{Expr, TracePosition};

use super::evaluate::holds;
use super::rows::Record;

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

/// Notes the place of every row; `rows` are all live rows of a project, `root` tells its roots.
pub fn assign(rows: &mut [Record], root: &Expr, time: &str, trace_id: &str, id: &str) {
    let mut traces: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        traces.entry(row.text(trace_id).to_owned()).or_default().push(index);
    }
    for mut members in traces.into_values() {
        members.sort_by_key(|&index| (rows[index].timestamp(time), rows[index].text(id).to_owned()));
        let count = members.len() as u32;
        for (place, index) in (0..count).zip(members) {
            rows[index].position =
                Position { root: holds(root, &rows[index]), from_start: place + 1, from_end: count - place };
        }
    }
}
