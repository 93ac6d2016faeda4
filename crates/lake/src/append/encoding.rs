//! How the columns of a data file are encoded, decided by its first rows.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use model::StoredTable;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

/// Data pages are decoded whole: small enough for a filter to skip payloads it does not need, large
/// enough to compress well.
const PAGE_BYTES: usize = 256 << 10;
/// Values that are looked at to tell a column of few values from one of many.
const SAMPLE_VALUES: usize = 4_096;
/// Text columns that are longer on average are payload: nobody compares them with a minimum.
const STATISTICS_BYTES_MAX: usize = 256;

/// The properties of a file that begins with these rows, in stored form.
pub(super) fn properties(table: &StoredTable, first_rows: &RecordBatch) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("zstd has a level 1")))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        // Row groups are ended by the writer, by bytes; its own count must not end them earlier.
        .set_max_row_group_row_count(None)
        .set_created_by(concat!("outgest version ", env!("CARGO_PKG_VERSION")).to_owned());
    for (column, stored) in first_rows.columns().iter().zip(&table.columns) {
        builder = encode_column(builder, vec![stored.name.to_owned()], column.as_ref());
    }
    builder.build()
}

fn encode_column(builder: WriterPropertiesBuilder, path: Vec<String>, values: &dyn Array) -> WriterPropertiesBuilder {
    let below = |names: [&str; 2]| path.iter().cloned().chain(names.map(str::to_owned)).collect::<Vec<_>>();
    match values.data_type() {
        DataType::List(_) => {
            let items = values.as_list::<i32>().values();
            encode_leaf(builder, below(["list", "element"]), items.as_ref(), EnabledStatistics::None)
        }
        DataType::Map(_, _) => {
            let map = values.as_map();
            let builder =
                encode_leaf(builder, below(["key_value", "key"]), map.keys().as_ref(), EnabledStatistics::None);
            encode_leaf(builder, below(["key_value", "value"]), map.values().as_ref(), EnabledStatistics::None)
        }
        DataType::Utf8 if mean_length(values) > STATISTICS_BYTES_MAX => builder,
        _ => encode_leaf(builder, path, values, EnabledStatistics::Page),
    }
}

fn encode_leaf(
    builder: WriterPropertiesBuilder,
    path: Vec<String>,
    values: &dyn Array,
    statistics: EnabledStatistics,
) -> WriterPropertiesBuilder {
    let path = ColumnPath::new(path);
    builder.set_column_dictionary_enabled(path.clone(), repeats(values)).set_column_statistics_enabled(path, statistics)
}

/// Whether most values occur several times, so that a dictionary pays.
fn repeats(values: &dyn Array) -> bool {
    let sample = values.slice(0, values.len().min(SAMPLE_VALUES));
    let distinct = match sample.data_type() {
        DataType::Utf8 => sample.as_string::<i32>().iter().collect::<HashSet<_>>().len(),
        DataType::Decimal128(_, _) => {
            sample.as_primitive::<arrow_array::types::Decimal128Type>().iter().collect::<HashSet<_>>().len()
        }
        DataType::Int64 => sample.as_primitive::<arrow_array::types::Int64Type>().iter().collect::<HashSet<_>>().len(),
        // Booleans are bits already; timestamps and doubles seldom repeat.
        _ => return false,
    };
    distinct * 4 <= sample.len()
}

fn mean_length(texts: &dyn Array) -> usize {
    let offsets = texts.as_string::<i32>().value_offsets();
    let bytes = offsets[offsets.len() - 1] - offsets[0];
    bytes as usize / texts.len().max(1)
}
