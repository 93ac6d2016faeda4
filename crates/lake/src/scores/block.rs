//! Decoded scores, column by column: a third of what they take as objects of their own.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray};
use model::{Micros, ScoreRow, SharedText};

/// Scores as they were decoded, or as a server sent them.
#[derive(Clone, Debug)]
pub struct ScoreBlock {
    id: Arc<StringArray>,
    trace_id: Arc<StringArray>,
    observation_id: Arc<StringArray>,
    name: Arc<StringArray>,
    data_type: Arc<StringArray>,
    value: Float64Array,
    string_value: Arc<StringArray>,
    comment: Arc<StringArray>,
    timestamp: TimestampMicrosecondArray,
}

impl ScoreBlock {
    /// The physical names of its columns.
    pub const COLUMNS: [&str; 9] =
        ["id", "trace_id", "observation_id", "name", "data_type", "value", "string_value", "comment", "timestamp"];

    /// The block with these columns, by physical name; the error is the name of one that is missing or of another
    /// type. The time is a timestamp in microseconds, the value a double, everything else text.
    pub fn of(column: impl Fn(&'static str) -> Option<ArrayRef>) -> Result<Self, &'static str> {
        let text =
            |name| column(name).and_then(|column| column.as_string_opt::<i32>().cloned()).map(Arc::new).ok_or(name);
        let value = column("value").and_then(|column| column.as_primitive_opt::<Float64Type>().cloned());
        let time =
            column("timestamp").and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>().cloned());
        Ok(Self {
            id: text("id")?,
            trace_id: text("trace_id")?,
            observation_id: text("observation_id")?,
            name: text("name")?,
            data_type: text("data_type")?,
            value: value.ok_or("value")?,
            string_value: text("string_value")?,
            comment: text("comment")?,
            timestamp: time.ok_or("timestamp")?,
        })
    }

    /// How many scores it has.
    pub fn count(&self) -> usize {
        self.id.len()
    }

    /// The trace of a row; empty for a score that hangs on none.
    pub fn trace_id(&self, row: usize) -> &str {
        self.trace_id.value(row)
    }

    /// The name of a row.
    pub fn name(&self, row: usize) -> &str {
        self.name.value(row)
    }

    /// The time of a row.
    pub fn timestamp(&self, row: usize) -> Micros {
        Micros(self.timestamp.value(row))
    }

    /// A row with texts of its own.
    pub fn get(&self, row: usize) -> ScoreRow {
        self.row(row, |column| column.value(row).into())
    }

    /// A row whose texts stay in the block, which lives as long as any of them.
    pub fn share(&self, row: usize) -> ScoreRow {
        self.row(row, |column| SharedText::in_column(column, row))
    }

    fn row(&self, row: usize, text: impl Fn(&Arc<StringArray>) -> SharedText) -> ScoreRow {
        let optional = |column: &Arc<StringArray>| column.is_valid(row).then(|| text(column));
        ScoreRow {
            id: text(&self.id),
            trace_id: text(&self.trace_id),
            observation_id: optional(&self.observation_id),
            name: text(&self.name),
            data_type: text(&self.data_type),
            value: if self.value.is_valid(row) { self.value.value(row) } else { 0.0 },
            string_value: optional(&self.string_value),
            comment: optional(&self.comment),
            timestamp: self.timestamp(row),
        }
    }
}
