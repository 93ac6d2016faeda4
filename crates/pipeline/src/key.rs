//! The key columns that every batch from a source ends with.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::Schema;
use model::{Fault, KeyDigest, Micros, OrderKey, Reading};

/// How many columns of a schema come before the key columns.
pub(crate) fn payload_columns(schema: &Schema) -> Result<usize, Fault> {
    let keys = <dyn Reading>::key_fields();
    let cut = schema.fields().len().checked_sub(keys.len());
    let cut =
        cut.filter(|cut| schema.fields()[*cut..].iter().zip(&keys).all(|(have, want)| have.name() == want.name()));
    cut.ok_or_else(|| Fault::bug("a batch does not end with the key columns"))
}

/// The key columns of one batch.
pub(crate) struct Keys<'a> {
    time: &'a TimestampMicrosecondArray,
    trace_id: &'a StringArray,
    id: &'a StringArray,
    version: &'a TimestampMicrosecondArray,
    cursor: &'a TimestampMicrosecondArray,
}

/// What a manifest says about a stretch of rows beyond their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeySummary {
    pub(crate) digest: KeyDigest,
    pub(crate) cursor_min: Option<Micros>,
    pub(crate) cursor_max: Option<Micros>,
}

impl<'a> Keys<'a> {
    /// The key columns at the end of `batch`.
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self, Fault> {
        let first = payload_columns(batch.schema_ref())?;
        let timestamp = |index: usize| batch.column(first + index).as_primitive_opt::<TimestampMicrosecondType>();
        let text = |index: usize| batch.column(first + index).as_string_opt::<i32>();
        match (timestamp(0), text(1), text(2), timestamp(3), timestamp(4)) {
            (Some(time), Some(trace_id), Some(id), Some(version), Some(cursor)) => {
                Ok(Self { time, trace_id, id, version, cursor })
            }
            _ => Err(Fault::bug("a key column has another type than agreed")),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.time.len()
    }

    pub(crate) fn trace_id(&self, row: usize) -> &'a str {
        self.trace_id.value(row)
    }

    pub(crate) fn id(&self, row: usize) -> &'a str {
        self.id.value(row)
    }

    pub(crate) fn version(&self, row: usize) -> Option<Micros> {
        self.version.is_valid(row).then(|| Micros(self.version.value(row)))
    }

    pub(crate) fn cursor(&self, row: usize) -> Micros {
        Micros(self.cursor.value(row))
    }

    /// The hash of each row's key and version, as a [`KeyDigest`] sums them.
    pub(crate) fn hashes(&self) -> Vec<u64> {
        let mut scratch = Vec::new();
        let hash = |row| KeyDigest::hash(self.trace_id(row), self.id(row), self.version(row), &mut scratch);
        (0..self.len()).map(hash).collect()
    }

    /// The position of a row in the total order.
    pub(crate) fn order_key(&self, row: usize) -> OrderKey {
        OrderKey { time: Micros(self.time.value(row)), trace_id: self.trace_id(row).into(), id: self.id(row).into() }
    }

    /// Fails unless every row comes after the one before it: a row out of order or delivered twice
    /// would break the promise of one total order, and resuming relies on it.
    pub(crate) fn check_order(&self) -> Result<(), Fault> {
        for row in 1..self.len() {
            let (before, after) = (self.time.value(row - 1), self.time.value(row));
            if before < after || (before == after && self.order_key(row - 1) >= self.order_key(row)) {
                return Err(out_of_order(&self.order_key(row - 1), &self.order_key(row)));
            }
        }
        Ok(())
    }
}

impl KeySummary {
    /// Adds all rows of `keys`.
    pub(crate) fn add(&mut self, keys: &Keys<'_>) {
        let mut scratch = Vec::new();
        for row in 0..keys.len() {
            self.digest.add(keys.trace_id(row), keys.id(row), keys.version(row), &mut scratch);
            self.add_cursor(Some(keys.cursor(row)), Some(keys.cursor(row)));
        }
    }

    /// Adds the rows of another summary.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.digest.merge(&other.digest);
        self.add_cursor(other.cursor_min, other.cursor_max);
    }

    fn add_cursor(&mut self, min: Option<Micros>, max: Option<Micros>) {
        self.cursor_min = [self.cursor_min, min].into_iter().flatten().min();
        self.cursor_max = [self.cursor_max, max].into_iter().flatten().max();
    }
}

/// Two rows that came in the wrong order.
pub(crate) fn out_of_order(first: &OrderKey, second: &OrderKey) -> Fault {
    Fault::bug(format!(
        "the source delivered row {}/{} ({}) before row {}/{} ({}), which is not the order of export",
        first.trace_id, first.id, first.time, second.trace_id, second.id, second.time
    ))
}
