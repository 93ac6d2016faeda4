//! `\uXXXX` decoded in the text of whole columns, also within lists, maps and records, never in keys.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StringArray, StructArray};
use arrow_schema::{ArrowError, DataType};
use memchr::memmem;
use model::Fault;

use crate::text::decode;

/// The column with its texts decoded; the same column where it holds no escape.
pub(super) fn decode_texts(column: &ArrayRef) -> Result<ArrayRef, Fault> {
    decoded(column).map_err(|error| Fault::bug("cannot rebuild a column with decoded text").because(error))
}

fn decoded(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match column.data_type() {
        DataType::Utf8 => {
            let texts: &StringArray = column.as_string();
            if !has_escape(texts) {
                return Ok(ArrayRef::clone(column));
            }
            Arc::new(texts.iter().map(|text| text.map(decode)).collect::<StringArray>())
        }
        DataType::List(item) => {
            let list: &ListArray = column.as_list();
            let items = decoded(list.values())?;
            Arc::new(ListArray::try_new(Arc::clone(item), list.offsets().clone(), items, list.nulls().cloned())?)
        }
        DataType::Map(entries, sorted) => {
            let map = column.as_map();
            let DataType::Struct(members) = entries.data_type() else { return Ok(ArrayRef::clone(column)) };
            let values = decoded(map.values())?;
            let pairs = StructArray::try_new(
                members.clone(),
                vec![ArrayRef::clone(map.keys()), values],
                map.entries().nulls().cloned(),
            )?;
            let offsets = map.offsets().clone();
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, map.nulls().cloned(), *sorted)?)
        }
        DataType::Struct(members) => {
            let record = column.as_struct();
            let columns = record.columns().iter().map(decoded).collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new(members.clone(), columns, record.nulls().cloned())?)
        }
        _ => ArrayRef::clone(column),
    })
}

/// Whether an escape may be among the texts: one pass over their buffer.
fn has_escape(texts: &StringArray) -> bool {
    let offsets = texts.value_offsets();
    let (start, end) = (offsets[0] as usize, offsets[texts.len()] as usize);
    memmem::find(&texts.value_data()[start..end], b"\\u").is_some()
}
