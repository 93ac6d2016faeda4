//! Two parallel lists of text read as a map: the whole map, or the value beside a key.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use arrow_select::take::take;
use datafusion::common::DataFusionError;
use model::ColumnType;

use super::function::{Kernel, unexpected};

/// The map of two parallel text lists; the shorter list rules.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ZipMap;

impl Kernel for ZipMap {
    const NAME: &'static str = "outgest_zip_map";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(ColumnType::text_map().to_arrow())
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let (names, values) = both(Self::NAME, arguments)?;
        let DataType::Map(entries, sorted) = ColumnType::text_map().to_arrow() else {
            return unexpected(Self::NAME, arguments[0].data_type());
        };
        let DataType::Struct(fields) = entries.data_type() else {
            return unexpected(Self::NAME, entries.data_type());
        };
        let nulls = NullBuffer::union(names.nulls(), values.nulls());
        let (offsets, keys, items) = if names.offsets() == values.offsets() {
            // The lists are the map's two columns already: nothing is copied.
            let end = names.offsets().last().copied().unwrap_or(0) as usize;
            (names.offsets().clone(), names.values().slice(0, end), values.values().slice(0, end))
        } else {
            shorter_rules(names, values)?
        };
        let pairs = StructArray::try_new(fields.clone(), vec![keys, items], None)?;
        Ok(Arc::new(MapArray::try_new(Arc::clone(&entries), offsets, pairs, nulls, sorted)?))
    }
}

fn shorter_rules(
    names: &ListArray,
    values: &ListArray,
) -> Result<(OffsetBuffer<i32>, ArrayRef, ArrayRef), DataFusionError> {
    let mut lengths = Vec::with_capacity(names.len());
    let mut key_places = Vec::new();
    let mut value_places = Vec::new();
    let (name_offsets, value_offsets) = (names.value_offsets(), values.value_offsets());
    for row in 0..names.len() {
        let (key, value) = (name_offsets[row], value_offsets[row]);
        let length = (name_offsets[row + 1] - key).min(value_offsets[row + 1] - value);
        lengths.push(length as usize);
        key_places.extend((key..key + length).map(|place| place as u32));
        value_places.extend((value..value + length).map(|place| place as u32));
    }
    Ok((
        OffsetBuffer::from_lengths(lengths),
        take(names.values(), &UInt32Array::from(key_places), None)?,
        take(values.values(), &UInt32Array::from(value_places), None)?,
    ))
}

/// The value beside the first occurrence of a key; null where absent.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ZipGet {
    pub key: Box<str>,
}

impl Kernel for ZipGet {
    const NAME: &'static str = "outgest_zip_get";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Utf8)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let (names, values) = both(Self::NAME, arguments)?;
        let Some(keys) = names.values().as_string_opt::<i32>() else {
            return unexpected(Self::NAME, names.values().data_type());
        };
        let (name_offsets, value_offsets) = (names.value_offsets(), values.value_offsets());
        let found: UInt32Array = (0..names.len())
            .map(|row| {
                if names.is_null(row) || values.is_null(row) {
                    return None;
                }
                let first = name_offsets[row] as usize;
                let place = (first..name_offsets[row + 1] as usize).find(|&place| keys.value(place) == &*self.key)?;
                let value = value_offsets[row] as usize + (place - first);
                (value < value_offsets[row + 1] as usize).then_some(value as u32)
            })
            .collect();
        Ok(take(values.values(), &found, None)?)
    }
}

fn both<'a>(name: &str, arguments: &'a [ArrayRef]) -> Result<(&'a ListArray, &'a ListArray), DataFusionError> {
    let list = |array: &'a ArrayRef| match array.as_list_opt::<i32>() {
        Some(list) => Ok(list),
        None => unexpected(name, array.data_type()),
    };
    Ok((list(&arguments[0])?, list(&arguments[1])?))
}
