//! Decoded scores, column by column: a third of what they take as objects of their own.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray};
use model::{Micros, ScoreRow};

/// Scores as they were decoded, or as a server sent them.
#[derive(Clone, Debug)]
pub struct ScoreBlock {
    id: StringArray,
    trace_id: StringArray,
    observation_id: StringArray,
    name: StringArray,
    data_type: StringArray,
    value: Float64Array,
    string_value: StringArray,
    comment: StringArray,
    timestamp: TimestampMicrosecondArray,
}

impl ScoreBlock {
    /// The physical names of its columns.
    pub const COLUMNS: [&str; 9] =
        ["id", "trace_id", "observation_id", "name", "data_type", "value", "string_value", "comment", "timestamp"];

    /// The block with these columns, by physical name; the error is the name of one that is missing or of another
    /// type. The time is a timestamp in microseconds, the value a double, everything else text.
    pub fn of(column: impl Fn(&'static str) -> Option<ArrayRef>) -> Result<Self, &'static str> {
        let text = |name| column(name).and_then(|column| column.as_string_opt::<i32>().cloned()).ok_or(name);
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

    /// A row.
    pub fn get(&self, row: usize) -> ScoreRow {
        let optional = |texts: &StringArray| texts.is_valid(row).then(|| Arc::from(texts.value(row)));
        ScoreRow {
            id: self.id.value(row).into(),
            trace_id: self.trace_id.value(row).into(),
            observation_id: optional(&self.observation_id),
            name: self.name.value(row).into(),
            data_type: self.data_type.value(row).into(),
            value: if self.value.is_valid(row) { self.value.value(row) } else { 0.0 },
            string_value: optional(&self.string_value),
            comment: optional(&self.comment),
            timestamp: self.timestamp(row),
        }
    }
}
