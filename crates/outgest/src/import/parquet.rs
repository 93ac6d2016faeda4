//! Rows of Parquet files, whose columns are checked against the stored types before any row is read.

use std::error::Error;
use std::fs::File;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use model::{ColumnType, Fault, FieldRole, Micros, StoredTable, field};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use super::filler::{Filler, Look};
use super::input::read_fault;
use super::layout::{Meaning, Target};
use super::problem::{Problem, clip};
use super::report::IgnoredNames;
use crate::rows::{BATCH_BYTES, Cell, Filled, JsonText, Values};

/// Rows read at once where they are small.
const READ_ROWS_MAX: usize = 1_024;
/// Rows read at once of a large row group that does not say how large its pages are: the next ones may be of
/// any size.
const READ_ROWS_UNKNOWN: usize = 32;

/// A Parquet file being read, one row group after the other: how many rows are read at once follows from the
/// group's own sizes, for one group may hold small rows and the next huge ones.
pub(super) struct ParquetRows {
    name: String,
    file: File,
    schema: SchemaRef,
    metadata: ArrowReaderMetadata,
    next_group: usize,
    reader: Option<ParquetRecordBatchReader>,
}

impl ParquetRows {
    /// Reads the footer.
    pub(super) fn new(name: String, file: File) -> Result<Self, Fault> {
        let unreadable = |error| {
            Fault::corrupt(format!("cannot read {name} as Parquet"))
                .hint("the file is damaged, or cut off before its footer: get it once more from where it came from")
                .because(error)
        };
        let options = || ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let stored = ArrowReaderMetadata::load(&file, options()).map_err(unreadable)?;
        let schema = Arc::clone(stored.schema());
        // Texts are views of the pages they stand in: a value that repeats is in memory once. A file whose columns
        // have no such form is read as it is.
        let views = Schema::new(schema.fields().iter().map(viewed).collect::<Fields>());
        let viewed = ArrowReaderMetadata::try_new(Arc::clone(stored.metadata()), options().with_schema(views.into()));
        let metadata = viewed.unwrap_or(stored);
        Ok(Self { name, file, schema, metadata, next_group: 0, reader: None })
    }

    /// Column names.
    pub(super) fn names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// What each column means; columns that cannot hold their stored type fail here.
    pub(super) fn meanings(&self, filler: &Filler) -> Result<Vec<Meaning>, Fault> {
        let mut meanings = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let name = field.name();
            let mut meaning = filler.layout().meaning(name);
            if matches!(field::role(field), FieldRole::Score | FieldRole::JsonScore) {
                meaning = Meaning { target: Target::Score, exported: true };
            }
            if let Some(kind) = kind_of(meaning.target, filler.table())
                && !accepts(&kind, field.data_type())
            {
                let (expected, found) = (kind.to_arrow(), field.data_type());
                let name = clip(name);
                return Err(Fault::bad_request(format!(
                    "{}: column {name} has type {found}, expected {expected}",
                    self.name
                ))
                .hint("write the file with the expected type"));
            }
            meanings.push(meaning);
        }
        Ok(meanings)
    }

    /// The next rows.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        let name = &self.name;
        let damaged = |error: Box<dyn Error + Send + Sync>| {
            Fault::corrupt(format!("cannot read {name}: its Parquet data is damaged"))
                .hint("get the file once more from where it came from")
                .because(error)
        };
        loop {
            if let Some(batch) = self.reader.as_mut().and_then(Iterator::next) {
                return batch.map(Some).map_err(|error| damaged(error.into()));
            }
            if self.next_group == self.metadata.metadata().num_row_groups() {
                return Ok(None);
            }
            let file = self.file.try_clone().map_err(|error| read_fault(&self.name, error))?;
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_row_groups(vec![self.next_group])
                .with_batch_size(rows_at_once(self.metadata.metadata(), self.next_group));
            self.reader = Some(builder.build().map_err(|error| damaged(error.into()))?);
            self.next_group += 1;
        }
    }
}

/// How many rows of a row group to read at once, so that their pages are few. One at a time where a page is
/// larger than a batch, because an average says nothing about the next row then.
fn rows_at_once(metadata: &ParquetMetaData, group: usize) -> usize {
    let (bytes, rows) = (metadata.row_group(group).total_byte_size(), metadata.row_group(group).num_rows());
    let bytes = usize::try_from(bytes).unwrap_or(0);
    if bytes <= 4 * BATCH_BYTES {
        return READ_ROWS_MAX;
    }
    let average = bytes / usize::try_from(rows).unwrap_or(0).max(1) + 1;
    let most = match metadata.offset_index().and_then(|index| index.get(group)) {
        None => READ_ROWS_UNKNOWN,
        Some(columns) => {
            let mut pages = columns.iter().flat_map(|column| column.page_locations());
            let huge = pages.any(|page| usize::try_from(page.compressed_page_size).unwrap_or(0) > BATCH_BYTES);
            if huge { 1 } else { READ_ROWS_MAX }
        }
    };
    (BATCH_BYTES / average).clamp(1, most)
}

/// The column with views instead of texts, at any depth.
fn viewed(field: &FieldRef) -> FieldRef {
    let kind = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::List(item) => DataType::List(viewed(item)),
        DataType::LargeList(item) => DataType::LargeList(viewed(item)),
        DataType::Map(entries, sorted) => DataType::Map(viewed(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(viewed).collect()),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(kind))
}

/// Bytes that a row of the batch takes at least, over its texts, those in lists and maps included.
pub(super) fn row_bytes(batch: &RecordBatch, row: usize) -> usize {
    batch.columns().iter().map(|column| text_bytes(column, row)).sum()
}

/// Fills and ends one row.
pub(super) fn row(
    batch: &RecordBatch,
    row: usize,
    meanings: &[Meaning],
    filler: &mut Filler,
    ignored: &mut IgnoredNames,
) -> Result<(), Problem> {
    filler.begin(meanings.iter().any(|meaning| meaning.exported));
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).zip(meanings);
    let mut filled = Ok(());
    for ((field, column), meaning) in columns {
        filled = filler.fill(field.name(), *meaning, look(column, row), |values, json| push(values, column, row, json));
        if filled.is_err() {
            break;
        }
    }
    filler.end(filled, ignored)
}

/// A row for people and for a later replay: its columns as texts.
pub(super) fn text(batch: &RecordBatch, row: usize) -> Vec<u8> {
    let mut cells = serde_json::Map::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if column.is_valid(row) {
            let text = arrow_cast::display::array_value_to_string(column, row).unwrap_or_default();
            cells.insert(field.name().clone(), text.into());
        }
    }
    serde_json::Value::Object(cells).to_string().into_bytes()
}

fn kind_of(target: Target, table: &StoredTable) -> Option<ColumnType> {
    match target {
        Target::Stored { place, .. } => Some(table.columns[place].kind.clone()),
        Target::Pairs { .. } => Some(ColumnType::text_map()),
        _ => None,
    }
}

/// Whether every value of the Arrow type, apart from its size, can be a value of the column.
fn accepts(kind: &ColumnType, found: &DataType) -> bool {
    if let DataType::Dictionary(_, value) = found {
        return accepts(kind, value);
    }
    let text = matches!(
        found,
        DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
    );
    let float = matches!(found, DataType::Float32 | DataType::Float64);
    match kind {
        _ if *found == DataType::Null => true,
        ColumnType::Text => text,
        ColumnType::Bool => *found == DataType::Boolean || found.is_integer(),
        ColumnType::Int64 | ColumnType::UInt64 => found.is_integer(),
        ColumnType::Float64 => float || found.is_integer() || matches!(found, DataType::Decimal128(_, _)),
        ColumnType::Decimal { .. } => {
            float || text || found.is_integer() || matches!(found, DataType::Decimal128(_, _))
        }
        ColumnType::Timestamp => text || matches!(found, DataType::Timestamp(_, _)),
        ColumnType::List(item) => match found {
            DataType::List(field) | DataType::LargeList(field) => accepts(item, field.data_type()),
            _ => text,
        },
        ColumnType::Map(value) => match found {
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) => {
                    accepts(&ColumnType::Text, fields[0].data_type()) && accepts(value, fields[1].data_type())
                }
                _ => false,
            },
            _ => text,
        },
        ColumnType::Comments => false,
    }
}

fn look(array: &dyn Array, row: usize) -> Look {
    match array.data_type() {
        _ if array.is_null(row) => Look::Empty,
        DataType::List(_) if array.as_list::<i32>().value_length(row) == 0 => Look::Empty,
        DataType::List(_) | DataType::LargeList(_) => Look::List,
        DataType::Null => Look::Empty,
        _ => Look::Other,
    }
}

fn push(values: &mut Values, array: &dyn Array, row: usize, json: JsonText) -> Result<Filled, String> {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Ok(Filled::Null);
    }
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            push_items(values, list.values(), offsets[row] as usize..offsets[row + 1] as usize, json)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.value_offsets();
            push_items(values, list.values(), offsets[row] as usize..offsets[row + 1] as usize, json)
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let Values::Map { keys, values: entries, .. } = values else { return Err("found a map".to_owned()) };
            for entry in map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize {
                let mut key = Values::Text(std::mem::take(keys));
                let pushed = push(&mut key, map.keys(), entry, JsonText::Refused);
                let Values::Text(texts) = key else { unreachable!("it was made a text above") };
                *keys = texts;
                if pushed? == Filled::Null || push(entries, map.values(), entry, json)? == Filled::Null {
                    return Err(format!("expected {}, found null in a map", entries.expected()));
                }
            }
            values.close();
            Ok(Filled::Value)
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let key = match scalar(dictionary.keys(), row)? {
                Cell::Int(key) => usize::try_from(key).map_err(|_| "a dictionary key is negative")?,
                Cell::UInt(key) => key as usize,
                _ => return Err("a dictionary key is no integer".to_owned()),
            };
            push(values, dictionary.values(), key, json)
        }
        _ => match (&*values, scalar(array, row)?) {
            (Values::List { .. } | Values::Map { .. }, Cell::Text(text)) => values.push(Cell::Json(text), json),
            (_, cell) => values.push(cell, json),
        },
    }
}

fn push_items(
    values: &mut Values,
    items: &dyn Array,
    range: std::ops::Range<usize>,
    json: JsonText,
) -> Result<Filled, String> {
    let Values::List { items: into, .. } = values else { return Err("found a list".to_owned()) };
    for item in range {
        if push(into, items, item, json)? == Filled::Null {
            return Err(format!("expected {}, found null in a list", into.expected()));
        }
    }
    values.close();
    Ok(Filled::Value)
}

/// The value of a column that is neither list nor map.
fn scalar(array: &dyn Array, row: usize) -> Result<Cell<'_>, String> {
    let utf8 = |bytes| std::str::from_utf8(bytes).map(Cell::Text).map_err(|_| "invalid UTF-8".to_owned());
    Ok(match array.data_type() {
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Cell::Text(array.as_string_view().value(row)),
        DataType::Binary => utf8(array.as_binary::<i32>().value(row))?,
        DataType::LargeBinary => utf8(array.as_binary::<i64>().value(row))?,
        DataType::BinaryView => utf8(array.as_binary_view().value(row))?,
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Cell::Int(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Cell::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Cell::UInt(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Cell::UInt(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Cell::UInt(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => Cell::UInt(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            Cell::Decimal { units: array.as_primitive::<Decimal128Type>().value(row), scale: *scale }
        }
        DataType::Timestamp(unit, _) => Cell::Time(instant(array, *unit, row)?),
        other => return Err(format!("found {other}")),
    })
}

fn instant(array: &dyn Array, unit: TimeUnit, row: usize) -> Result<Micros, String> {
    let scaled = |value: i64, factor: i64| value.checked_mul(factor).ok_or_else(|| "beyond a timestamp".to_owned());
    Ok(Micros(match unit {
        TimeUnit::Second => scaled(array.as_primitive::<TimestampSecondType>().value(row), 1_000_000)?,
        TimeUnit::Millisecond => scaled(array.as_primitive::<TimestampMillisecondType>().value(row), 1_000)?,
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => {
            let nanos = array.as_primitive::<TimestampNanosecondType>().value(row);
            if nanos % 1_000 != 0 {
                return Err("finer than a microsecond, and nothing is rounded".to_owned());
            }
            nanos / 1_000
        }
    }))
}

fn text_bytes(array: &dyn Array, row: usize) -> usize {
    let all = |items: &dyn Array, range: std::ops::Range<usize>| range.map(|item| text_bytes(items, item)).sum();
    match array.data_type() {
        _ if array.is_null(row) => 0,
        DataType::Utf8 => array.as_string::<i32>().value_length(row) as usize,
        DataType::LargeUtf8 => array.as_string::<i64>().value_length(row) as usize,
        DataType::Utf8View => array.as_string_view().value(row).len(),
        DataType::Binary => array.as_binary::<i32>().value_length(row) as usize,
        DataType::LargeBinary => array.as_binary::<i64>().value_length(row) as usize,
        DataType::BinaryView => array.as_binary_view().value(row).len(),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            all(list.values(), list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            all(list.values(), list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize)
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let entries = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
            all(map.keys(), entries.clone()) + all(map.values(), entries)
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            match scalar(dictionary.keys(), row) {
                Ok(Cell::Int(key)) => text_bytes(dictionary.values(), usize::try_from(key).unwrap_or(0)),
                Ok(Cell::UInt(key)) => text_bytes(dictionary.values(), key as usize),
                _ => 0,
            }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// A file with a column of these texts, a row group for each slice; the most that a batch of it holds.
    fn most_at_once(groups: &[Vec<String>], pages: usize) -> (usize, usize) {
        let file = tempfile::tempfile().unwrap();
        let batch = |texts: &Vec<String>| {
            RecordBatch::try_from_iter([("input", Arc::new(StringArray::from(texts.clone())) as ArrayRef)]).unwrap()
        };
        let properties = WriterProperties::builder().set_data_page_row_count_limit(pages).set_write_batch_size(pages);
        let schema = batch(&groups[0]).schema();
        let mut writer = ArrowWriter::try_new(file.try_clone().unwrap(), schema, Some(properties.build())).unwrap();
        for texts in groups {
            writer.write(&batch(texts)).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        let mut rows = ParquetRows::new("a.parquet".to_owned(), file).unwrap();
        let (mut read, mut most) = (0, 0);
        while let Some(batch) = rows.next().unwrap() {
            read += batch.num_rows();
            most = most.max(batch.get_array_memory_size());
        }
        (read, most)
    }

    #[test]
    fn a_text_that_repeats_is_in_memory_once() {
        let (read, most) = most_at_once(&[vec!["x".repeat(20_000); 2_000]], 1_000);
        assert_eq!(read, 2_000);
        assert!(most < 1_000_000, "{most} bytes at once");
    }

    #[test]
    fn huge_rows_behind_small_ones_are_read_few_at_once() {
        let small = (0..20_000).map(|row| row.to_string()).collect();
        let huge = (0..6).map(|row| row.to_string().repeat(9_000_000)).collect();
        let (read, most) = most_at_once(&[small, huge], 1);
        assert_eq!(read, 20_006);
        assert!(most < 20_000_000, "{most} bytes at once");
    }

    #[test]
    fn texts_in_lists_count_for_the_size_of_a_row() {
        let mut list = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
        list.append_value([Some("abc"), Some("de")]);
        list.append_value([None::<&str>; 0]);
        let batch = RecordBatch::try_from_iter([("tags", Arc::new(list.finish()) as ArrayRef)]).unwrap();
        assert_eq!([row_bytes(&batch, 0), row_bytes(&batch, 1)], [5, 0]);
    }
}
