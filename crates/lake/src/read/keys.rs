//! The order keys of rows as columns, and comparisons between them.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, StringArray, TimestampMicrosecondArray};
use model::{Fault, Micros, OrderKey};

/// The keys of some rows.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub time: TimestampMicrosecondArray,
    pub trace_id: StringArray,
    pub id: StringArray,
}

impl Keys {
    /// Keys from decoded columns; a null or absent trace id is empty text.
    pub(crate) fn new(time: &ArrayRef, trace_id: Option<&ArrayRef>, id: &ArrayRef) -> Result<Self, Fault> {
        let instant = time.as_primitive_opt::<TimestampMicrosecondType>();
        let trace_id = match trace_id {
            Some(array) => filled(array)?,
            None => StringArray::from_iter_values(std::iter::repeat_n("", time.len())),
        };
        Ok(Self {
            time: instant.cloned().ok_or_else(|| Fault::bug("the time column holds no timestamps"))?,
            trace_id,
            id: filled(id)?,
        })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.time.len()
    }

    /// The key of a row.
    pub(crate) fn get(&self, row: usize) -> OrderKey {
        OrderKey {
            time: Micros(self.time.value(row)),
            trace_id: self.trace_id.value(row).into(),
            id: self.id.value(row).into(),
        }
    }

    /// How a row of these stands to a row of others in the total order.
    pub(crate) fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        other
            .time
            .value(other_row)
            .cmp(&self.time.value(row))
            .then_with(|| self.trace_id.value(row).as_bytes().cmp(other.trace_id.value(other_row).as_bytes()))
            .then_with(|| self.id.value(row).as_bytes().cmp(other.id.value(other_row).as_bytes()))
    }

    /// Whether a row precedes a key, without building its own.
    pub(crate) fn precedes(&self, row: usize, key: &OrderKey) -> bool {
        key.time
            .0
            .cmp(&self.time.value(row))
            .then_with(|| self.trace_id.value(row).as_bytes().cmp(key.trace_id.as_bytes()))
            .then_with(|| self.id.value(row).as_bytes().cmp(key.id.as_bytes()))
            .is_lt()
    }

    /// Whether the rows are in the total order.
    pub(crate) fn is_sorted(&self) -> bool {
        (1..self.len()).all(|row| self.compare(row - 1, self, row).is_le())
    }
}

/// The texts with empty text for null.
pub(crate) fn filled(array: &ArrayRef) -> Result<StringArray, Fault> {
    let texts = array.as_string_opt::<i32>().ok_or_else(|| Fault::bug("an id column holds no text"))?;
    Ok(match texts.null_count() {
        0 => texts.clone(),
        _ => StringArray::from_iter_values(texts.iter().map(Option::unwrap_or_default)),
    })
}

/// The key columns of a batch: time, trace id, id, version, cursor.
pub(crate) fn key_columns(keys: &Keys, version: ArrayRef, cursor: ArrayRef) -> Vec<ArrayRef> {
    vec![Arc::new(keys.time.clone()), Arc::new(keys.trace_id.clone()), Arc::new(keys.id.clone()), version, cursor]
}
