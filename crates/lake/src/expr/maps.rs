//! Maps: the value of a key, the sum over matching keys, the keys.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ListArray, MapArray, PrimitiveArray, StringArray, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use datafusion::common::DataFusionError;
use model::ColumnType;

use super::function::{Kernel, unexpected};

/// The value of the first entry with this key.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct MapGet {
    pub key: Box<str>,
}

impl Kernel for MapGet {
    const NAME: &'static str = "outgest_map_get";

    fn returns(&self, arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        value_type(Self::NAME, &arguments[0])
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let (map, keys) = map_and_keys(Self::NAME, &arguments[0])?;
        let found: UInt32Array = (0..map.len())
            .map(|row| {
                map.is_valid(row)
                    .then(|| entries(map, row).find(|&entry| keys.value(entry) == &*self.key))
                    .flatten()
                    .map(|entry| entry as u32)
            })
            .collect();
        Ok(take(map.values(), &found, None)?)
    }
}

/// The sum of the values whose key contains `needle`, ignoring ASCII case.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct MapSum {
    pub needle: Box<str>,
}

impl Kernel for MapSum {
    const NAME: &'static str = "outgest_map_sum";

    fn returns(&self, arguments: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(match value_type(Self::NAME, &arguments[0])? {
            // Like ClickHouse, which widens decimals before it adds them.
            DataType::Decimal128(_, scale) => DataType::Decimal128(38, scale),
            other => other,
        })
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let (map, keys) = map_and_keys(Self::NAME, &arguments[0])?;
        let result = self.returns(&[arguments[0].data_type().clone()])?;
        Ok(match result {
            DataType::UInt64 => Arc::new(self.sum::<UInt64Type>(map, keys, 0, |sum, value| sum.wrapping_add(value))),
            DataType::Int64 => Arc::new(self.sum::<Int64Type>(map, keys, 0, |sum, value| sum.wrapping_add(value))),
            DataType::Float64 => Arc::new(self.sum::<Float64Type>(map, keys, 0.0, |sum, value| sum + value)),
            DataType::Decimal128(_, _) => Arc::new(
                self.sum::<Decimal128Type>(map, keys, 0, |sum, value| sum.wrapping_add(value)).with_data_type(result),
            ),
            other => return unexpected(Self::NAME, &other),
        })
    }
}

impl MapSum {
    fn sum<T: ArrowPrimitiveType>(
        &self,
        map: &MapArray,
        keys: &StringArray,
        zero: T::Native,
        add: impl Fn(T::Native, T::Native) -> T::Native,
    ) -> PrimitiveArray<T> {
        let values = map.values().as_primitive::<T>();
        let needle = self.needle.as_bytes();
        let matches =
            |key: &[u8]| needle.is_empty() || key.windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle));
        let sums = (0..map.len())
            .map(|row| {
                entries(map, row)
                    .filter(|&entry| matches(keys.value(entry).as_bytes()))
                    .fold(zero, |sum, entry| add(sum, values.value(entry)))
            })
            .collect();
        PrimitiveArray::new(sums, map.nulls().cloned())
    }
}

/// The keys of a map in stored order.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct MapKeys;

impl Kernel for MapKeys {
    const NAME: &'static str = "outgest_map_keys";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(ColumnType::text_list().to_arrow())
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let (map, _) = map_and_keys(Self::NAME, &arguments[0])?;
        let DataType::List(item) = ColumnType::text_list().to_arrow() else {
            return unexpected(Self::NAME, arguments[0].data_type());
        };
        Ok(Arc::new(ListArray::try_new(item, map.offsets().clone(), Arc::clone(map.keys()), map.nulls().cloned())?))
    }
}

/// The type of a map's values.
pub(super) fn value_type(name: &str, map: &DataType) -> Result<DataType, DataFusionError> {
    if let DataType::Map(entries, _) = map
        && let DataType::Struct(fields) = entries.data_type()
        && let [_, value] = &fields[..]
    {
        return Ok(value.data_type().clone());
    }
    unexpected(name, map)
}

fn map_and_keys<'a>(name: &str, array: &'a ArrayRef) -> Result<(&'a MapArray, &'a StringArray), DataFusionError> {
    let Some(map) = array.as_map_opt() else { return unexpected(name, array.data_type()) };
    let Some(keys) = map.keys().as_string_opt::<i32>() else { return unexpected(name, map.keys().data_type()) };
    Ok((map, keys))
}

/// Positions of a row's entries among the map's keys and values.
fn entries(map: &MapArray, row: usize) -> std::ops::Range<usize> {
    let offsets = map.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}
