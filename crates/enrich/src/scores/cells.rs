//! Cells of the score columns, built column by column while walking the rows once.
//!
//! Most rows have no score, so a row without one costs a hash look-up and nothing else: columns note
//! where values begin only when one arrives and fill the gap since the last.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{Array, ArrayRef, ListArray, StringArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use model::ColumnType;

use super::columns::{ColumnKind, Columns};
use super::entries::{Entries, EntryValue};

/// The arrays of all score columns for rows with these traces and ids.
pub(super) fn cells(
    entries: &Entries<'_>,
    columns: &Columns,
    traces: &StringArray,
    ids: &StringArray,
) -> Vec<ArrayRef> {
    let rows = ids.len();
    let mut builders: Vec<ColumnBuilder> = columns.kinds.iter().map(|&kind| ColumnBuilder::new(kind)).collect();
    if !entries.is_empty() {
        for row in 0..rows {
            let (observation, trace) = entries.of(traces.value(row), ids.value(row));
            for entry in observation.iter().chain(trace) {
                builders[entry.column].append(row, entry.value);
            }
        }
    }
    builders.into_iter().map(|builder| builder.finish(rows)).collect()
}

/// A list column under construction.
struct ColumnBuilder {
    values: Values,
    /// Number of values before each row that was begun.
    offsets: Vec<i32>,
    present: NullBufferBuilder,
}

enum Values {
    Numbers(Float64Builder),
    Texts(StringBuilder),
    Mixed(StringBuilder),
}

impl ColumnBuilder {
    fn new(kind: ColumnKind) -> Self {
        let values = match kind {
            ColumnKind::Numbers => Values::Numbers(Float64Builder::new()),
            ColumnKind::Texts => Values::Texts(StringBuilder::new()),
            ColumnKind::Mixed => Values::Mixed(StringBuilder::new()),
        };
        Self { values, offsets: Vec::new(), present: NullBufferBuilder::new(0) }
    }

    /// Adds a value to the cell of `row`; rows come in order.
    fn append(&mut self, row: usize, value: EntryValue<'_>) {
        if self.offsets.len() <= row {
            self.skip_to(row);
            self.offsets.push(self.values.len());
            self.present.append_non_null();
        }
        self.values.append(value);
    }

    /// Leaves the cells before `row` that were not begun empty.
    fn skip_to(&mut self, row: usize) {
        self.present.append_n_nulls(row - self.offsets.len());
        self.offsets.resize(row, self.values.len());
    }

    fn finish(mut self, rows: usize) -> ArrayRef {
        self.skip_to(rows);
        self.offsets.push(self.values.len());
        let (kind, values) = self.values.finish();
        let DataType::List(field) = ColumnType::List(Box::new(kind)).to_arrow() else {
            unreachable!("a list of a type is a list in Arrow");
        };
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Arc::new(ListArray::new(field, offsets, values, self.present.finish()))
    }
}

impl Values {
    /// Number of values so far. A batch has at most some thousand rows, so it fits.
    fn len(&self) -> i32 {
        let len = match self {
            Self::Numbers(builder) => builder.values_slice().len(),
            Self::Texts(builder) | Self::Mixed(builder) => builder.offsets_slice().len() - 1,
        };
        i32::try_from(len).expect("the scores of a batch were held in memory as larger structures")
    }

    fn append(&mut self, value: EntryValue<'_>) {
        match (self, value) {
            (Self::Numbers(builder), EntryValue::Number(number)) => builder.append_value(number),
            (Self::Texts(builder), EntryValue::Text(text)) => builder.append_value(text),
            (Self::Mixed(builder), value) => builder.append_value(json(value)),
            (_, value) => unreachable!("{value:?} was let into a column of another type"),
        }
    }

    fn finish(self) -> (ColumnType, ArrayRef) {
        match self {
            Self::Numbers(mut builder) => (ColumnType::Float64, Arc::new(builder.finish())),
            Self::Texts(mut builder) | Self::Mixed(mut builder) => (ColumnType::Text, Arc::new(builder.finish())),
        }
    }
}

/// The value as JSON text, numbers as ECMAScript prints them.
fn json(value: EntryValue<'_>) -> String {
    match value {
        EntryValue::Number(number) if number.is_finite() => ryu_js::Buffer::new().format_finite(number).to_owned(),
        EntryValue::Number(_) => "null".to_owned(),
        EntryValue::Text(text) => serde_json::Value::from(text).to_string(),
    }
}
