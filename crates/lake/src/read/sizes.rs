//! Bytes of cells: what a stretch of rows takes, without looking at every value of plain columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

/// Bytes of `count` rows from `start`, over all columns.
pub fn bytes_of<'a>(columns: impl IntoIterator<Item = &'a ArrayRef>, start: usize, count: usize) -> u64 {
    columns.into_iter().map(|column| column_bytes(&**column, start, count)).sum()
}

fn column_bytes(array: &dyn Array, start: usize, count: usize) -> u64 {
    let within = |offsets: &[i32]| (offsets[start] as usize, (offsets[start + count] - offsets[start]) as usize);
    // Offsets have one entry more than rows; validity is rounded up to a byte a row.
    let overhead = 5 * count as u64 + 4;
    match array.data_type() {
        DataType::Utf8 => overhead + within(array.as_string::<i32>().value_offsets()).1 as u64,
        DataType::Binary => overhead + within(array.as_binary::<i32>().value_offsets()).1 as u64,
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (first, items) = within(list.value_offsets());
            overhead + column_bytes(&**list.values(), first, items)
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let (first, entries) = within(map.value_offsets());
            overhead + bytes_of(map.entries().columns(), first, entries)
        }
        DataType::Struct(_) => count as u64 + bytes_of(array.as_struct().columns(), start, count),
        DataType::Boolean => 2 * count as u64,
        fixed => count as u64 * (1 + fixed.primitive_width().unwrap_or(16) as u64),
    }
}

/// How many rows from `start` fit `bytes_max`; at least one.
pub fn rows_within(columns: &[ArrayRef], start: usize, count: usize, bytes_max: u64) -> usize {
    if bytes_of(columns, start, count) <= bytes_max {
        return count;
    }
    let (mut fits, mut too_many) = (1, count);
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        if bytes_of(columns, start, middle) <= bytes_max {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    fits.min(count)
}

/// The same rows without the children of other rows: a slice of a list array keeps the items of the
/// whole, which would count, and be kept alive, with every slice.
pub fn trimmed(array: &ArrayRef) -> ArrayRef {
    let window = |offsets: &OffsetBuffer<i32>| {
        let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
        let moved = ScalarBuffer::from_iter(offsets.iter().map(|offset| offset - first));
        // Subtracting the same number keeps offsets ascending.
        (OffsetBuffer::new(moved), first as usize, (last - first) as usize)
    };
    match array.data_type() {
        DataType::List(item) => {
            let list = array.as_list::<i32>();
            let (offsets, first, items) = window(list.offsets());
            let values = trimmed(&list.values().slice(first, items));
            Arc::new(ListArray::new(Arc::clone(item), offsets, values, list.nulls().cloned()))
        }
        DataType::Map(entries, sorted) => {
            let map = array.as_map();
            let (offsets, first, count) = window(map.offsets());
            let values = map.entries().slice(first, count);
            Arc::new(MapArray::new(Arc::clone(entries), offsets, values, map.nulls().cloned(), *sorted))
        }
        _ => Arc::clone(array),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::StringArray;

    use super::*;

    #[test]
    fn a_stretch_is_cut_before_it_exceeds_its_bytes() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(100); 10]));
        let columns = [texts];
        assert_eq!(rows_within(&columns, 0, 10, 1_000_000), 10);
        assert_eq!(rows_within(&columns, 2, 8, 330), 3);
        assert_eq!(rows_within(&columns, 2, 8, 1), 1, "a row is never cut");
        assert!(bytes_of(&columns, 2, 3) <= 330 && bytes_of(&columns, 2, 4) > 330);
    }
}
