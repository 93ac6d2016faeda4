//! Scores as the server sends them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType, UInt8Type};
use arrow_array::{Array, RecordBatch, StringArray};
use lake::ScoreBlock;
use model::ScoreName;

/// A block of scores, each with its trace; `None` where a column is missing or has another type than it was asked for.
pub(super) fn scores_of(batch: &RecordBatch) -> Option<ScoreBlock> {
    batch.column_by_name("trace_id").filter(|traces| traces.null_count() == 0)?;
    let column = |name: &'static str| {
        let column = batch.column_by_name(name)?;
        Some(match name {
            "timestamp" => {
                let times = column.as_primitive_opt::<Int64Type>()?;
                Arc::new(times.reinterpret_cast::<TimestampMicrosecondType>())
            }
            _ => Arc::clone(column),
        })
    };
    ScoreBlock::of(column).ok()
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
