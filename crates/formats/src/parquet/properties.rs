//! How columns are stored: schema, compression, dictionaries and statistics.

use std::sync::Arc;

use ::parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{ColumnPath, SchemaDescPtr};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use model::{Fault, FieldRole, field};

use super::cannot_encode;

/// Against level 3 a fifth faster for files a twentieth larger, measured on rows of events by
/// `examples/encode.rs`.
const ZSTD_LEVEL: i32 = 1;

/// Rows after which a page ends, also where its bytes do not end it. The size of a write is the
/// same, so that pages never end because of how nulls and lists happen to be represented.
const PAGE_ROWS_MAX: usize = 20_000;

/// Length at which least and greatest texts are cut; enough for ids, and the footer stays small.
const STATISTICS_BYTES_MAX: usize = 64;

/// What stays the same for every block of a file.
pub(super) struct Layout {
    /// The columns without our notes on them, which are for encoders and not for readers.
    pub(super) schema: SchemaRef,
    pub(super) descriptor: SchemaDescPtr,
    pub(super) properties: WriterPropertiesPtr,
}

impl Layout {
    /// The layout of files with this schema.
    pub(super) fn of(schema: &Schema) -> Result<Self, Fault> {
        let plain = Schema::new(plain(schema.fields()));
        let descriptor = ArrowSchemaConverter::new().with_coerce_types(true).convert(&plain).map_err(cannot_encode)?;
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(cannot_encode)?;
        let mut builder = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            // Names within lists and maps as the Parquet specification has them.
            .set_coerce_types(true)
            .set_data_page_row_count_limit(PAGE_ROWS_MAX)
            .set_write_batch_size(PAGE_ROWS_MAX)
            .set_statistics_truncate_length(Some(STATISTICS_BYTES_MAX))
            // A column of a row group is hardly ever more than a page, of which the row group says the same; what
            // a file keeps in memory until its footer would grow by half.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true);
        for payload in schema.fields().iter().filter(|column| field::role(column) == FieldRole::Payload) {
            // Inputs and outputs hardly ever repeat, and nobody filters by their order.
            let path = ColumnPath::new(vec![payload.name().clone()]);
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        let mut properties = builder.build();
        add_encoded_arrow_schema_to_metadata(&plain, &mut properties);
        Ok(Self { schema: Arc::new(plain), descriptor: Arc::new(descriptor), properties: Arc::new(properties) })
    }

    /// A file in memory, as the library writes it: its footer grows with every row group.
    pub(super) fn file(&self) -> Result<SerializedFileWriter<Vec<u8>>, Fault> {
        SerializedFileWriter::new(Vec::new(), self.descriptor.root_schema_ptr(), Arc::clone(&self.properties))
            .map_err(cannot_encode)
    }
}

/// The fields without metadata, at every depth.
fn plain(fields: &Fields) -> Fields {
    fields.iter().map(|field| plain_field(field)).collect()
}

fn plain_field(field: &Field) -> Field {
    let kind = match field.data_type() {
        DataType::List(item) => DataType::List(Arc::new(plain_field(item))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(plain_field(entries)), *sorted),
        DataType::Struct(members) => DataType::Struct(plain(members)),
        other => other.clone(),
    };
    Field::new(field.name(), kind, field.is_nullable())
}
