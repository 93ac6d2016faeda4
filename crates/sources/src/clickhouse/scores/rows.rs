//! Scores as the server sends them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt8Type};
use arrow_array::{Array, Float64Array, Int64Array, RecordBatch, StringArray};
use model::{Micros, ScoreName, ScoreRow};

/// A block of scores, each with its trace.
pub(super) struct ScoreRows {
    id: StringArray,
    trace_id: StringArray,
    observation_id: StringArray,
    name: StringArray,
    data_type: StringArray,
    value: Float64Array,
    string_value: StringArray,
    comment: StringArray,
    timestamp: Int64Array,
}

impl ScoreRows {
    /// `None` where a column is missing or has another type than it was asked for.
    pub(super) fn of(batch: &RecordBatch) -> Option<Self> {
        let text = |name: &str| texts(batch, name).cloned();
        Some(Self {
            id: text("id")?,
            trace_id: text("trace_id").filter(|traces| traces.null_count() == 0)?,
            observation_id: text("observation_id")?,
            name: text("name")?,
            data_type: text("data_type")?,
            value: batch.column_by_name("value")?.as_primitive_opt::<Float64Type>()?.clone(),
            string_value: text("string_value")?,
            comment: text("comment")?,
            timestamp: batch.column_by_name("timestamp")?.as_primitive_opt::<Int64Type>()?.clone(),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.id.len()
    }

    /// The trace of a row.
    pub(super) fn trace_id(&self, row: usize) -> &str {
        self.trace_id.value(row)
    }

    /// A row.
    pub(super) fn get(&self, row: usize) -> ScoreRow {
        let optional = |column: &StringArray| column.is_valid(row).then(|| Arc::from(column.value(row)));
        ScoreRow {
            id: self.id.value(row).into(),
            trace_id: self.trace_id.value(row).into(),
            observation_id: optional(&self.observation_id),
            name: self.name.value(row).into(),
            data_type: self.data_type.value(row).into(),
            value: self.value.value(row),
            string_value: optional(&self.string_value),
            comment: optional(&self.comment),
            timestamp: Micros(self.timestamp.value(row)),
        }
    }
}

/// Names of scores, and what kinds of values have them.
pub(super) fn names_of(batch: &RecordBatch) -> Option<Vec<ScoreName>> {
    let names = texts(batch, "name")?;
    let flag = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<UInt8Type>();
    let (numeric, textual) = (flag("numeric")?, flag("textual")?);
    let name = |row: usize| ScoreName {
        name: names.value(row).to_owned(),
        numeric: numeric.value(row) != 0,
        textual: textual.value(row) != 0,
    };
    Some((0..batch.num_rows()).map(name).collect())
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}
