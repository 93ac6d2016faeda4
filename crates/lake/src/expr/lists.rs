//! Lists of text: has any, has all, length.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use datafusion::common::DataFusionError;

use super::function::{Kernel, predicate, unexpected};

/// Whether a list shares an element with, or contains all of, these texts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ListTest {
    pub wanted: Wanted,
    pub texts: Vec<String>,
}

/// How many of the texts must be there.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    Any,
    All,
}

impl Kernel for ListTest {
    const NAME: &'static str = "outgest_list_test";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let Some(list) = arguments[0].as_list_opt::<i32>() else {
            return unexpected(Self::NAME, arguments[0].data_type());
        };
        let Some(items) = list.values().as_string_opt::<i32>() else {
            return unexpected(Self::NAME, list.values().data_type());
        };
        let offsets = list.value_offsets();
        let row_items = |row: usize| (offsets[row] as usize..offsets[row + 1] as usize).map(|item| items.value(item));
        Ok(match self.wanted {
            Wanted::Any => {
                let texts: HashSet<&str> = self.texts.iter().map(String::as_str).collect();
                predicate(list.len(), list.nulls(), |row| row_items(row).any(|item| texts.contains(item)))
            }
            Wanted::All => {
                let mut places: HashMap<&str, usize> = HashMap::new();
                for text in &self.texts {
                    let next = places.len();
                    places.entry(text).or_insert(next);
                }
                // The row in which each text was last met, so that nothing is cleared between rows.
                let mut met = vec![usize::MAX; places.len()];
                predicate(list.len(), list.nulls(), |row| {
                    let mut missing = places.len();
                    for item in row_items(row) {
                        if let Some(&place) = places.get(item)
                            && met[place] != row
                        {
                            met[place] = row;
                            missing -= 1;
                        }
                    }
                    missing == 0
                })
            }
        })
    }
}

/// Number of elements of a list, or of entries of a map.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Length;

impl Kernel for Length {
    const NAME: &'static str = "outgest_length";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Int64)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let offsets: &OffsetBuffer<i32> = match arguments[0].data_type() {
            DataType::List(_) => arguments[0].as_list::<i32>().offsets(),
            DataType::Map(_, _) => arguments[0].as_map().offsets(),
            other => return unexpected(Self::NAME, other),
        };
        let lengths = offsets.windows(2).map(|pair| i64::from(pair[1] - pair[0])).collect();
        Ok(Arc::new(Int64Array::new(lengths, arguments[0].nulls().cloned())))
    }
}
