//! Columns of bytes → columns of text that share their memory.
//!
//! Servers are asked for bytes, because what comes from another program has to be checked to be UTF-8, and it is
//! checked faster here than where Arrow's messages are read: most columns are ASCII, of which one pass tells that no
//! text begins within a character.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow_cast::CastOptions;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};

/// The schema with text in place of bytes.
pub(super) fn with_text(schema: &SchemaRef) -> SchemaRef {
    let fields: Fields = schema.fields().iter().map(text_field).collect();
    if fields == *schema.fields() { Arc::clone(schema) } else { Arc::new(Schema::new(fields)) }
}

fn text_field(field: &Arc<Field>) -> Arc<Field> {
    let kind = match field.data_type() {
        DataType::Binary => DataType::Utf8,
        DataType::LargeBinary => DataType::LargeUtf8,
        DataType::List(item) => DataType::List(text_field(item)),
        DataType::Map(entries, sorted) => DataType::Map(text_field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(text_field).collect()),
        _ => return Arc::clone(field),
    };
    if kind == *field.data_type() { Arc::clone(field) } else { Arc::new(field.as_ref().clone().with_data_type(kind)) }
}

/// The rows with the types of a schema [`with_text`]. Bytes that are not UTF-8 are an error.
pub(super) fn as_text(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| column_as(column, field));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

fn column_as(column: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    match (column.as_binary_opt::<i32>(), field.data_type()) {
        _ if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        (Some(bytes), DataType::Utf8) => Ok(Arc::new(text_of(bytes)?)),
        (_, kind) => {
            // Text that is none must be an error; it would become null otherwise.
            let options = CastOptions { safe: false, ..CastOptions::default() };
            arrow_cast::cast_with_options(column, kind, &options)
        }
    }
}

/// The same as text, that of nulls included.
fn text_of(bytes: &BinaryArray) -> Result<StringArray, ArrowError> {
    let (offsets, values, nulls) = bytes.clone().into_parts();
    let first = offsets.first().map_or(0, |first| *first as usize);
    let last = offsets.last().map_or(0, |last| *last as usize);
    if !values[first..last].is_ascii() {
        let text = simdutf8::compat::from_utf8(&values[first..last])
            .map_err(|error| ArrowError::InvalidArgumentError(format!("text is not UTF-8: {error}")))?;
        if let Some(within) = offsets.iter().find(|offset| !text.is_char_boundary(**offset as usize - first)) {
            return Err(ArrowError::InvalidArgumentError(format!("text ends within a character at byte {within}")));
        }
    }
    // SAFETY: what lies between the first offset and the last is UTF-8, and each offset between them is where a
    // character begins. That offsets ascend and lie in the buffer is an array's own promise.
    Ok(unsafe { StringArray::new_unchecked(offsets, values, nulls) })
}

#[cfg(test)]
mod tests {
    use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

    use super::*;

    fn bytes(offsets: Vec<i32>, values: &[u8], nulls: Option<Vec<bool>>) -> BinaryArray {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        BinaryArray::new(offsets, Buffer::from(values), nulls.map(NullBuffer::from))
    }

    #[test]
    fn text_stays_where_it_is() {
        for values in ["plain text", "höhe 日本 text"] {
            let column = bytes(vec![0, 0, values.len() as i32 - 4, values.len() as i32], values.as_bytes(), None);
            let text = text_of(&column).unwrap();
            assert_eq!(text.iter().flatten().collect::<String>(), values);
            assert_eq!(text.value_data().as_ptr(), column.value_data().as_ptr());
        }
    }

    #[test]
    fn only_bytes_of_cells_are_looked_at() {
        let around = bytes(vec![0, 1, 3, 4], b"\xffhi\xff", Some(vec![true, false, true]));
        let text = text_of(&around.slice(1, 1)).unwrap();
        assert_eq!((text.len(), text.is_null(0), text.value_data().len()), (1, true, 4));
        assert_eq!(text_of(&BinaryArray::from_vec(Vec::new())).unwrap().len(), 0);
    }

    #[test]
    fn what_is_not_utf8_is_an_error_wherever_it_is() {
        for place in 0..3 {
            let mut cells = [&b"a"[..]; 3];
            cells[place] = b"\xc3";
            assert!(text_of(&BinaryArray::from_vec(cells.to_vec())).is_err(), "{place}");
        }
        // A character that two cells share is none in either.
        assert!(text_of(&BinaryArray::from_vec(vec![b"\xc3", b"\xa9"])).is_err());
        // What a null hides can be shown by whoever ignores that it is one.
        assert!(text_of(&bytes(vec![0, 1], b"\xff", Some(vec![false]))).is_err());
    }
}
