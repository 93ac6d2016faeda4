//! The order of rows within a file: promise 3's total order, within the file's one project.

use model::StoredTable;

/// The columns that order the rows of a stored table: time descending, then trace id, then id.
///
/// A table without a trace id orders as if it were empty, and so does a null one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowOrder {
    /// Timestamp column.
    pub time: &'static str,
    /// Trace id column.
    pub trace_id: Option<&'static str>,
    /// Id column: the last column of the key.
    pub id: &'static str,
}

impl RowOrder {
    /// The order of a table's files.
    pub fn of(table: &StoredTable) -> Self {
        Self {
            time: table.time,
            trace_id: table.column("trace_id").map(|column| column.name),
            id: table.key.last().expect("a stored table has a key"),
        }
    }
}
