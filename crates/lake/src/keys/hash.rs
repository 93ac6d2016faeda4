//! What the store needs of a row besides its cells: key hash, rank and deletion mark.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use model::{Fault, StoredTable};
use xxhash_rust::xxh3::xxh3_128;

/// The columns of a batch that decide which version of a row is the row. The batch may hold further
/// columns, in stored or read form.
pub(crate) struct KeyColumns<'a> {
    key: Vec<&'a StringArray>,
    version: &'a [i64],
    deleted: Vec<bool>,
}

impl<'a> KeyColumns<'a> {
    /// Finds the columns.
    pub(crate) fn of(batch: &'a RecordBatch, table: &StoredTable) -> Result<Self, Fault> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| Fault::bug(format!("a batch of {} lacks {name}", table.name)))
        };
        let wrong = |name: &str| Fault::bug(format!("column {name} of {} has the wrong type", table.name));
        let key = table
            .key
            .iter()
            .map(|name| column(name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name)))
            .collect::<Result<_, Fault>>()?;
        let version = column(table.version)?
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or_else(|| wrong(table.version))?
            .values();
        let marks = column(table.deleted)?;
        let deleted = match marks.data_type() {
            DataType::Boolean => marks.as_boolean().values().iter().collect(),
            DataType::Int64 => marks.as_primitive::<Int64Type>().values().iter().map(|mark| *mark != 0).collect(),
            DataType::UInt64 => marks.as_primitive::<UInt64Type>().values().iter().map(|mark| *mark != 0).collect(),
            DataType::Decimal128(_, _) => {
                marks.as_primitive::<Decimal128Type>().values().iter().map(|mark| *mark != 0).collect()
            }
            _ => return Err(wrong(table.deleted)),
        };
        Ok(Self { key, version, deleted })
    }

    /// A hash of the row's key. 128 bits: that two of 10^12 keys share one has odds of 1 to 10^14.
    /// `scratch` is reused between calls.
    pub(crate) fn hash(&self, row: usize, scratch: &mut Vec<u8>) -> u128 {
        scratch.clear();
        for column in &self.key {
            let text = column.value(row).as_bytes();
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            scratch.extend_from_slice(&(text.len() as u64).to_le_bytes());
            scratch.extend_from_slice(text);
        }
        xxh3_128(scratch)
    }

    /// The row's rank among its versions.
    pub(crate) fn version(&self, row: usize) -> i64 {
        self.version[row]
    }

    /// Whether the row marks a deletion.
    pub(crate) fn is_deleted(&self, row: usize) -> bool {
        self.deleted[row]
    }
}
