//! How many bytes the cells of each row take, which bounds everything that is cut by bytes.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

/// Bytes of the cells of each row: lengths of texts, widths of the rest, without offsets and null masks.
pub(crate) fn row_bytes(batch: &RecordBatch) -> Vec<u64> {
    let mut sizes = vec![0; batch.num_rows()];
    for column in batch.columns() {
        add_sizes(column.as_ref(), &mut sizes);
    }
    sizes
}

fn add_sizes(array: &dyn Array, sizes: &mut [u64]) {
    match array.data_type() {
        DataType::Utf8 => add_lengths(array.as_string::<i32>().value_offsets(), sizes),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            add_nested(list.value_offsets(), &[list.values().as_ref()], sizes);
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            add_nested(map.value_offsets(), &[map.keys().as_ref(), map.values().as_ref()], sizes);
        }
        other => {
            // A boolean has no width of its own; it counts as a byte.
            let width = other.primitive_width().unwrap_or(1) as u64;
            sizes.iter_mut().for_each(|size| *size += width);
        }
    }
}

fn add_lengths(offsets: &[i32], sizes: &mut [u64]) {
    for (size, ends) in sizes.iter_mut().zip(offsets.windows(2)) {
        *size += (ends[1] - ends[0]) as u64;
    }
}

fn add_nested(offsets: &[i32], children: &[&dyn Array], sizes: &mut [u64]) {
    let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    let mut inner = vec![0; last - first];
    for child in children {
        add_sizes(child.slice(first, last - first).as_ref(), &mut inner);
    }
    for (size, ends) in sizes.iter_mut().zip(offsets.windows(2)) {
        *size += inner[ends[0] as usize - first..ends[1] as usize - first].iter().sum::<u64>();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn counts_the_bytes_of_each_row_of_a_slice() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in [vec!["dropped"], vec!["ab", "c"], vec![]] {
            row.into_iter().for_each(|text| lists.values().append_value(text));
            lists.append(true);
        }
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("text", Arc::new(StringArray::from(vec!["dropped", "äö", ""]))),
            ("number", Arc::new(Int64Array::from(vec![1, 2, 3]))),
            ("list", Arc::new(lists.finish())),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(row_bytes(&batch.slice(1, 2)), [4 + 8 + 3, 8]);
    }
}
