//! The order of rows within a file: promise 3's total order, within the file's one project.

use std::cmp::Reverse;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use model::{Fault, Micros, OrderKey, StoredTable};

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

    /// The columns of a batch in which its order can be read.
    pub(crate) fn values(&self, batch: &RecordBatch) -> Result<OrderValues, Fault> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| Fault::bug(format!("a batch lacks its order column {name}")))
        };
        let text = |name: &str| {
            let texts = column(name)?.as_string_opt::<i32>();
            texts.cloned().ok_or_else(|| Fault::bug(format!("the order column {name} is no text")))
        };
        let times = column(self.time)?
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or_else(|| Fault::bug(format!("the order column {} is no timestamp", self.time)))?
            .clone();
        let trace_ids = self.trace_id.map(text).transpose()?;
        Ok(OrderValues { times, trace_ids, ids: text(self.id)? })
    }

    /// The position of a row.
    pub(crate) fn key_at(&self, batch: &RecordBatch, row: usize) -> Result<OrderKey, Fault> {
        Ok(self.values(batch)?.key_at(row))
    }
}

/// The order of a batch's rows. Tuples of [`at`](Self::at) compare like [`OrderKey`]s.
#[derive(Debug)]
pub(crate) struct OrderValues {
    times: TimestampMicrosecondArray,
    trace_ids: Option<StringArray>,
    ids: StringArray,
}

impl OrderValues {
    /// What a row sorts by.
    pub(crate) fn at(&self, row: usize) -> (Reverse<i64>, &str, &str) {
        let trace_ids = self.trace_ids.as_ref().filter(|texts| texts.is_valid(row));
        (Reverse(self.times.value(row)), trace_ids.map_or("", |texts| texts.value(row)), self.ids.value(row))
    }

    /// The position of a row.
    pub(crate) fn key_at(&self, row: usize) -> OrderKey {
        let (Reverse(time), trace_id, id) = self.at(row);
        OrderKey { time: Micros(time), trace_id: trace_id.into(), id: id.into() }
    }
}
