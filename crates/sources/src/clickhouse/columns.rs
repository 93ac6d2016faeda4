//! Columns of an answer as the columns that were asked for.
//!
//! The values are those of the server; what differs is how Arrow names the parts of lists and maps, and
//! a few types that ClickHouse writes in another width. Text, lists and maps are not copied.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{
    Array, ArrayRef, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow_cast::CastOptions;
use arrow_schema::{ArrowError, DataType, FieldRef, SchemaRef, TimeUnit};
use model::Fault;

use super::compile::Output;

/// The requested columns and the key columns of an answer.
pub(super) fn requested(answer: &RecordBatch, outputs: &[Output], schema: &SchemaRef) -> Result<RecordBatch, Fault> {
    build(answer, outputs, schema).map_err(|error| {
        Fault::corrupt(format!("the server's rows have other types than they were asked for: {error}")).because(error)
    })
}

fn build(answer: &RecordBatch, outputs: &[Output], schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let rows = answer.num_rows();
    let mut given = answer.columns().iter();
    let mut next = || given.next().ok_or_else(|| ArrowError::SchemaError("a column is missing".into()));
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (field, output) in schema.fields().iter().zip(outputs) {
        let kind = field.data_type();
        let (column, marked) = match output {
            Output::Comments => (empty_lists(kind, rows)?, false),
            Output::Plain { marked } => (fit(next()?, kind)?, *marked),
            Output::Zipped { marked } => (zip(next()?, next()?, kind)?, *marked),
        };
        columns.push(if marked { null_where(&column, next()?)? } else { column });
    }
    // The first key column orders rows as a number.
    // Of rows to be counted it is the only one.
    for (place, field) in schema.fields()[outputs.len()..].iter().enumerate() {
        let column = next()?;
        columns.push(match place {
            0 => arrow_cast::cast_with_options(column, field.data_type(), &strict())?,
            _ => fit(column, field.data_type())?,
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// A value that does not fit is an error, not null.
fn strict() -> CastOptions<'static> {
    CastOptions { safe: false, ..CastOptions::default() }
}

/// The same values as a column of this type.
fn fit(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    Ok(match (column.data_type(), to) {
        (from, to) if from == to => Arc::clone(column),
        (DataType::Timestamp(TimeUnit::Microsecond, _), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            // The zone is how the server would print it; the instant is the same.
            let instants: &TimestampMicrosecondArray = column.as_primitive::<TimestampMicrosecondType>();
            Arc::new(instants.clone().with_timezone_opt(zone.clone()))
        }
        (DataType::List(_), DataType::List(item)) => {
            let list = column.as_list::<i32>();
            let values = fit(list.values(), item.data_type())?;
            Arc::new(ListArray::try_new(Arc::clone(item), list.offsets().clone(), values, list.nulls().cloned())?)
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let map = column.as_map();
            let entries_of_map = entries_of(entries, map.keys(), map.values())?;
            Arc::new(MapArray::try_new(
                Arc::clone(entries),
                map.offsets().clone(),
                entries_of_map,
                map.nulls().cloned(),
                *sorted,
            )?)
        }
        _ => arrow_cast::cast_with_options(column, to, &strict())?,
    })
}

/// The entries of a map, with the names and types that are wanted.
fn entries_of(entries: &FieldRef, keys: &ArrayRef, values: &ArrayRef) -> Result<StructArray, ArrowError> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(ArrowError::SchemaError("a map's entries are no struct".into()));
    };
    let columns = vec![fit(keys, fields[0].data_type())?, fit(values, fields[1].data_type())?];
    StructArray::try_new(fields.clone(), columns, None)
}

/// The map of two lists; the shorter one rules.
fn zip(names: &ArrayRef, values: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let DataType::Map(entries, sorted) = to else {
        return Err(ArrowError::SchemaError(format!("two lists cannot become {to}")));
    };
    let lists = |column: &ArrayRef| column.as_list_opt::<i32>().cloned();
    let (Some(names), Some(values)) = (lists(names), lists(values)) else {
        return Err(ArrowError::SchemaError("names and values are no lists".into()));
    };
    let (offsets, keys, items) = if names.offsets() == values.offsets() {
        (names.offsets().clone(), Arc::clone(names.values()), Arc::clone(values.values()))
    } else {
        shortened(&names, &values)?
    };
    let entries_of_map = entries_of(entries, &keys, &items)?;
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, entries_of_map, None, *sorted)?))
}

/// Items of both lists up to the end of the shorter one, row by row.
fn shortened(names: &ListArray, values: &ListArray) -> Result<(OffsetBuffer<i32>, ArrayRef, ArrayRef), ArrowError> {
    let lengths: Vec<usize> =
        (0..names.len()).map(|row| names.value_length(row).min(values.value_length(row)).max(0) as usize).collect();
    let taken = |list: &ListArray| {
        let places = lengths.iter().enumerate().flat_map(|(row, length)| {
            let first = list.value_offsets()[row] as usize;
            (first..first + length).map(|place| (0, place))
        });
        let places: Vec<(usize, usize)> = places.collect();
        arrow_select::interleave::interleave(&[&**list.values()], &places)
    };
    Ok((OffsetBuffer::from_lengths(lengths.iter().copied()), taken(names)?, taken(values)?))
}

/// The column, null where the mark is not zero.
fn null_where(column: &ArrayRef, mark: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let absent = arrow_cast::cast_with_options(mark, &DataType::Boolean, &strict())?;
    let absent = absent.as_boolean();
    let present: BooleanBuffer = absent.iter().map(|absent| absent != Some(true)).collect();
    let nulls = NullBuffer::union(column.nulls(), Some(&NullBuffer::new(present)));
    let data = column.to_data().into_builder().nulls(nulls).build()?;
    Ok(arrow_array::make_array(data))
}

fn empty_lists(kind: &DataType, rows: usize) -> Result<ArrayRef, ArrowError> {
    // A null list array has empty lists underneath; only its validity is dropped.
    let data = new_null_array(kind, rows).to_data().into_builder().nulls(None).build()?;
    Ok(arrow_array::make_array(data))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Decimal128Array, StringArray, UInt8Array, UInt16Array};
    use model::ColumnType;

    use super::*;

    fn texts(rows: &[&[&str]]) -> ArrayRef {
        let DataType::List(item) = ColumnType::text_list().to_arrow() else { unreachable!() };
        let items: StringArray = rows.iter().flat_map(|row| row.iter().map(|text| Some(*text))).collect();
        let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.len()));
        Arc::new(ListArray::new(item, offsets, Arc::new(items), None))
    }

    #[test]
    fn the_shorter_of_two_lists_rules_and_keys_may_repeat() {
        let kind = ColumnType::text_map().to_arrow();
        let names = texts(&[&["a", "a"], &["b", "c"], &[]]);
        for (values, expected) in [
            (texts(&[&["1", "2"], &["3", "4"], &[]]), vec!["a1", "a2", "b3", "c4"]),
            (texts(&[&["1"], &["3", "4"], &["5"]]), vec!["a1", "b3", "c4"]),
        ] {
            let zipped = zip(&names, &values, &kind).unwrap();
            let map = zipped.as_map();
            let pairs = map.keys().as_string::<i32>().iter().zip(map.values().as_string::<i32>());
            let pairs: Vec<String> = pairs.map(|(key, value)| format!("{}{}", key.unwrap(), value.unwrap())).collect();
            assert_eq!(pairs, expected);
            assert_eq!(map.value_length(2), 0);
        }
    }

    #[test]
    fn marked_values_are_null_and_numbers_that_do_not_fit_an_error() {
        let column = null_where(&texts(&[&["a"], &[]]), &(Arc::new(UInt8Array::from(vec![0, 1])) as ArrayRef)).unwrap();
        assert!(column.is_valid(0) && column.is_null(1));
        let small: ArrayRef = Arc::new(UInt16Array::from(vec![7]));
        assert_eq!(fit(&small, &DataType::Int64).unwrap().data_type(), &DataType::Int64);
        let wide: ArrayRef =
            Arc::new(Decimal128Array::from(vec![10_i128.pow(30)]).with_precision_and_scale(38, 12).unwrap());
        assert!(fit(&wide, &ColumnType::COST.to_arrow()).is_err());
    }
}
