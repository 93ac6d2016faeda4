//! Between Arrow columns and plain values, exactly, in both directions.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, MapArray, StringArray,
    StructArray, TimestampMicrosecondArray, UInt64Array, new_empty_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use model::{ColumnType, Fault, Micros};

use super::value::Value;

/// The values of a column of this type.
pub fn from_array(kind: &ColumnType, array: &dyn Array) -> Result<Vec<Value>, Fault> {
    if *array.data_type() != kind.to_arrow() {
        return Err(Fault::corrupt(format!("a column of {kind:?} was given as {}", array.data_type())));
    }
    (0..array.len()).map(|row| if array.is_null(row) { Ok(Value::Null) } else { cell(kind, array, row) }).collect()
}

fn cell(kind: &ColumnType, array: &dyn Array, row: usize) -> Result<Value, Fault> {
    Ok(match kind {
        ColumnType::Text => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        ColumnType::Bool => Value::Bool(array.as_boolean().value(row)),
        ColumnType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        ColumnType::UInt64 => Value::UInt(array.as_primitive::<UInt64Type>().value(row)),
        ColumnType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row)),
        ColumnType::Decimal { scale, .. } => Value::Decimal {
            unscaled: array.as_primitive::<Decimal128Type>().value(row),
            scale: u8::try_from(*scale).map_err(|_| Fault::bug("a decimal has a negative scale"))?,
        },
        ColumnType::Timestamp => Value::Timestamp(Micros(array.as_primitive::<TimestampMicrosecondType>().value(row))),
        ColumnType::List(item) => Value::List(from_array(item, &array.as_list::<i32>().value(row))?),
        ColumnType::Map(value) => {
            let entries = array.as_map().value(row);
            let keys = from_array(&ColumnType::Text, entries.column(0))?;
            let values = from_array(value, entries.column(1))?;
            Value::Map(
                keys.into_iter()
                    .zip(values)
                    .map(|(key, value)| (key.as_text().unwrap_or_default().to_owned(), value))
                    .collect(),
            )
        }
        ColumnType::Comments => return Err(Fault::bug("comments are no stored column")),
    })
}

/// A column of this type that holds the values; numbers are converted where that is exact.
///
/// Sources know no comments, so a comments column is empty lists whatever the values are.
pub fn to_array(kind: &ColumnType, values: &[Value]) -> Result<ArrayRef, Fault> {
    Ok(match kind {
        ColumnType::Text => Arc::new(cells(values, kind, Value::as_text)?.into_iter().collect::<StringArray>()),
        ColumnType::Bool => Arc::new(
            cells(values, kind, |value| match value {
                Value::Bool(truth) => Some(*truth),
                _ => None,
            })?
            .into_iter()
            .collect::<BooleanArray>(),
        ),
        ColumnType::Int64 => {
            Arc::new(Int64Array::from_iter(cells(values, kind, |value| integer(value)?.try_into().ok())?))
        }
        ColumnType::UInt64 => {
            Arc::new(UInt64Array::from_iter(cells(values, kind, |value| integer(value)?.try_into().ok())?))
        }
        ColumnType::Float64 => Arc::new(Float64Array::from_iter(cells(values, kind, Value::to_f64)?)),
        ColumnType::Decimal { precision, scale } => Arc::new(
            Decimal128Array::from_iter(cells(values, kind, |value| rescale(value, *scale))?)
                .with_precision_and_scale(*precision, *scale)
                .map_err(|error| Fault::bug("a decimal column has an impossible type").because(error))?,
        ),
        ColumnType::Timestamp => Arc::new(
            TimestampMicrosecondArray::from_iter(cells(values, kind, |value| Some(value.as_timestamp()?.0))?)
                .with_timezone("UTC"),
        ),
        ColumnType::List(item) => {
            let DataType::List(field) = kind.to_arrow() else { return Err(Fault::bug("a list is no list in Arrow")) };
            let lists = cells(values, kind, |value| match value {
                Value::List(items) => Some(items.as_slice()),
                _ => None,
            })?;
            let (offsets, nulls) = layout(&lists);
            let items: Vec<Value> = lists.into_iter().flatten().flatten().cloned().collect();
            Arc::new(ListArray::new(field, offsets, to_array(item, &items)?, nulls))
        }
        ColumnType::Map(value) => {
            let DataType::Map(field, ordered) = kind.to_arrow() else {
                return Err(Fault::bug("a map is no map in Arrow"));
            };
            let DataType::Struct(fields) = field.data_type().clone() else {
                return Err(Fault::bug("a map's entries are no struct in Arrow"));
            };
            let maps = cells(values, kind, |value| match value {
                Value::Map(entries) => Some(entries.as_slice()),
                _ => None,
            })?;
            let (offsets, nulls) = layout(&maps);
            let entries: Vec<&(String, Value)> = maps.into_iter().flatten().flatten().collect();
            let keys: StringArray = entries.iter().map(|(key, _)| Some(key)).collect();
            let inner: Vec<Value> = entries.iter().map(|(_, value)| value.clone()).collect();
            let entries = StructArray::new(fields, vec![Arc::new(keys), to_array(value, &inner)?], None);
            Arc::new(MapArray::new(field, offsets, entries, nulls, ordered))
        }
        ColumnType::Comments => {
            let DataType::List(field) = kind.to_arrow() else { return Err(Fault::bug("a list is no list in Arrow")) };
            let none = new_empty_array(field.data_type());
            Arc::new(ListArray::new(field, OffsetBuffer::new_zeroed(values.len()), none, None))
        }
    })
}

/// Bytes that a cell takes in a column at most, offsets and validity included, in a batch of two rows or more.
pub fn cell_bytes(value: &Value) -> u64 {
    match value {
        // A number may be widened to the 16 bytes of a decimal column.
        Value::Null | Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Decimal { .. } => 17,
        Value::Bool(_) => 2,
        Value::Timestamp(_) => 9,
        Value::Text(text) => 9 + text.len() as u64,
        Value::List(items) => 17 + items.iter().map(cell_bytes).sum::<u64>(),
        Value::Map(entries) => {
            25 + entries.iter().map(|(key, value)| 9 + key.len() as u64 + cell_bytes(value)).sum::<u64>()
        }
    }
}

/// What `read` makes of every value; nulls stay null, anything it refuses is a fault.
fn cells<'a, T>(
    values: &'a [Value],
    kind: &ColumnType,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<Vec<Option<T>>, Fault> {
    values
        .iter()
        .map(|value| match value {
            Value::Null => Ok(None),
            value => match read(value) {
                Some(cell) => Ok(Some(cell)),
                None => Err(Fault::bug(format!("{value:?} does not fit a column of {kind:?}"))),
            },
        })
        .collect()
}

fn integer(value: &Value) -> Option<i128> {
    match value.to_decimal()? {
        (whole, 0) => Some(whole),
        _ => None,
    }
}

fn rescale(value: &Value, scale: i8) -> Option<i128> {
    let (unscaled, from) = value.to_decimal()?;
    let to = u8::try_from(scale).ok()?;
    if from <= to {
        unscaled.checked_mul(10_i128.checked_pow(u32::from(to - from))?)
    } else {
        let divisor = 10_i128.checked_pow(u32::from(from - to))?;
        (unscaled % divisor == 0).then_some(unscaled / divisor)
    }
}

fn layout<T>(lists: &[Option<&[T]>]) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.map_or(0, <[T]>::len)));
    let nulls = lists.iter().any(Option::is_none).then(|| lists.iter().map(Option::is_some).collect());
    (offsets, nulls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_both_ways() {
        let map = Value::Map(vec![("k".into(), Value::UInt(u64::MAX)), ("k".into(), Value::UInt(0))]);
        let cases = [
            (ColumnType::Text, Value::Text("日本\0".into())),
            (ColumnType::Bool, Value::Bool(true)),
            (ColumnType::Int64, Value::Int(i64::MIN)),
            (ColumnType::UInt64, Value::UInt(u64::MAX)),
            (ColumnType::Float64, Value::Float(-0.0)),
            (ColumnType::COST, Value::Decimal { unscaled: 999_999_999_999_999_999, scale: 12 }),
            (ColumnType::Timestamp, Value::Timestamp(Micros(-1))),
            (ColumnType::text_list(), Value::List(vec![Value::Text(String::new()), Value::Text("b".into())])),
            (ColumnType::Map(Box::new(ColumnType::UInt64)), map),
        ];
        for (kind, value) in cases {
            let values = vec![Value::Null, value.clone(), Value::Null, value];
            let array = to_array(&kind, &values).unwrap();
            assert_eq!(from_array(&kind, &array).unwrap(), values, "{kind:?}");
        }
    }

    #[test]
    fn a_number_that_would_be_rounded_is_refused() {
        let tenth = Value::Decimal { unscaled: 1, scale: 1 };
        assert!(to_array(&ColumnType::Int64, std::slice::from_ref(&tenth)).is_err());
        assert!(to_array(&ColumnType::Decimal { precision: 18, scale: 0 }, &[tenth]).is_err());
        assert!(to_array(&ColumnType::UInt64, &[Value::Int(-1)]).is_err());
        let widened = to_array(&ColumnType::COST, &[Value::UInt(0)]).unwrap();
        assert_eq!(from_array(&ColumnType::COST, &widened).unwrap(), [Value::Decimal { unscaled: 0, scale: 12 }]);
    }
}
