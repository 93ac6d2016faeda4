//! Parquet with typed, nested columns, compressed inside with zstd.
//!
//! A block is a row group: `rows` cuts it into pieces that do not depend on the batches it came in,
//! `properties` says how columns are stored, and the [`Encoder`] splices finished columns into the
//! file and has `footer` keep the list of them. A file cannot be continued in the middle, because its
//! footer lists everything before it: [`Encoder::state`] is `None` and a resumed run writes the file again.

mod columns;
mod footer;
mod properties;
mod rows;
mod scanner;
#[cfg(test)]
mod tests;
mod unicode;

use std::any::Any;
use std::io::Write;
use std::sync::Arc;

use ::parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use ::parquet::errors::ParquetError;
use ::parquet::file::writer::{SerializedRowGroupWriter, TrackedWrite};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use model::{
    BlockEncoder, ByteCount, Compression, EncodedBlock, Encoder, EncoderState, Fault, Format, FormatDescriptor,
    FormatOptions, RowCount, RowScanner, UnicodeRule,
};

use crate::options::Honoured;
use crate::text::check_columns;
use columns::Columns;
use footer::Footer;
use properties::Layout;

/// Apache Parquet.
pub(crate) struct Parquet;

const DESCRIPTOR: FormatDescriptor = FormatDescriptor {
    name: "parquet",
    doc: "typed columns, compressed with zstd",
    extension: "parquet",
    content_type: "application/vnd.apache.parquet",
    compressible: false,
    // Up to 16,384 rows or 8 MiB of cells: enough for readers to skip and scan well, and a few of
    // them at once still fit the memory of a run.
    stretches_per_block: 2,
    unicode_default: UnicodeRule::Keep,
};

/// What every Parquet file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";

const HONOURED: Honoured = Honoured {
    compression: false,
    bom: false,
    csv_header_always: false,
    neutralise_formulas: false,
    parse_payloads: false,
};

impl Format for Parquet {
    fn descriptor(&self) -> &FormatDescriptor {
        &DESCRIPTOR
    }

    fn block_encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Arc<dyn BlockEncoder>, Fault> {
        HONOURED.check(DESCRIPTOR.name, options)?;
        let layout = Layout::of(schema)?;
        // Only a file knows how to make column writers; this one stays empty.
        let groups = ArrowRowGroupWriterFactory::new(&layout.file()?, SchemaRef::clone(&layout.schema));
        Ok(Arc::new(RowGroups { layout, groups, decode: options.unicode == UnicodeRule::Decode }))
    }

    fn start(
        &self,
        schema: &SchemaRef,
        options: &FormatOptions,
        resume: Option<&EncoderState>,
    ) -> Result<Box<dyn Encoder>, Fault> {
        HONOURED.check(DESCRIPTOR.name, options)?;
        if resume.is_some() {
            return Err(Fault::bug("a parquet file cannot be continued, only started again"));
        }
        let layout = Layout::of(schema)?;
        let mut bytes = TrackedWrite::new(Vec::new());
        bytes.write_all(MAGIC).map_err(|error| cannot_encode(error.into()))?;
        Ok(Box::new(File { footer: Footer::of(&layout), layout, bytes }))
    }

    fn scanner(&self, options: &FormatOptions, columns: &[&str]) -> Result<Box<dyn RowScanner>, Fault> {
        if options.compression != Compression::None {
            return Err(Fault::corrupt("a parquet file compresses inside, not as a whole"));
        }
        if columns.is_empty() {
            return Ok(Box::new(scanner::Footer::default()));
        }
        Ok(Box::new(Columns::new(columns)))
    }
}

struct RowGroups {
    layout: Layout,
    groups: ArrowRowGroupWriterFactory,
    decode: bool,
}

impl BlockEncoder for RowGroups {
    fn encode(&self, rows: &[RecordBatch]) -> Result<EncodedBlock, Fault> {
        for batch in rows {
            check_columns(&self.layout.schema, batch)?;
        }
        let pieces = rows::pieces(rows);
        let mut writers = self.groups.create_column_writers(0).map_err(cannot_encode)?.into_iter();
        let mut columns = Vec::with_capacity(writers.len());
        // Column by column, so that only one holds its dictionary and unfinished pages at a time.
        for (index, field) in self.layout.schema.fields().iter().enumerate() {
            let mut leaves: Vec<ArrowColumnWriter> = Vec::new();
            for piece in &pieces {
                let mut column = piece.column(index)?;
                if self.decode {
                    column = unicode::decode_texts(&column)?;
                }
                for (place, leaf) in compute_leaves(field, &column).map_err(cannot_encode)?.iter().enumerate() {
                    if place == leaves.len() {
                        leaves.push(writers.next().ok_or_else(|| Fault::bug("a parquet column has no writer"))?);
                    }
                    leaves[place].write(leaf).map_err(cannot_encode)?;
                }
            }
            for leaf in leaves {
                columns.push(leaf.close().map_err(cannot_encode)?);
            }
        }
        Ok(EncodedBlock {
            rows: rows.iter().map(|batch| RowCount::from(batch.num_rows())).sum(),
            bytes: columns.iter().map(|column| ByteCount(column.close().bytes_written)).sum(),
            payload: Box::new(RowGroup { columns }),
        })
    }
}

/// The encoded columns of a block.
struct RowGroup {
    columns: Vec<ArrowColumnChunk>,
}

struct File {
    layout: Layout,
    /// What was written, of which every call takes what is there, and how much there ever was.
    bytes: TrackedWrite<Vec<u8>>,
    footer: Footer,
}

impl File {
    fn taken(&mut self) -> Result<Bytes, Fault> {
        self.bytes.flush().map_err(|error| cannot_encode(error.into()))?;
        Ok(std::mem::take(self.bytes.inner_mut()).into())
    }
}

impl Encoder for File {
    fn append(&mut self, block: EncodedBlock) -> Result<Bytes, Fault> {
        let payload: Box<dyn Any> = block.payload;
        let RowGroup { columns } =
            *payload.downcast().map_err(|_| Fault::bug("a block reached the encoder of another format"))?;
        if block.rows == RowCount::ZERO {
            return Ok(Bytes::new());
        }
        let Layout { descriptor, properties, .. } = &self.layout;
        let mut group = SerializedRowGroupWriter::new(
            Arc::clone(descriptor),
            Arc::clone(properties),
            &mut self.bytes,
            self.footer.next_ordinal()?,
            None,
        );
        for column in columns {
            column.append_to_row_group(&mut group).map_err(cannot_encode)?;
        }
        self.footer.push(group.close().map_err(cannot_encode)?)?;
        self.taken()
    }

    fn state(&self) -> Option<EncoderState> {
        None
    }

    fn finish(mut self: Box<Self>) -> Result<Bytes, Fault> {
        let footer = self.footer.into_bytes()?;
        self.bytes.write_all(&footer).map_err(|error| cannot_encode(error.into()))?;
        self.bytes.flush().map_err(|error| cannot_encode(error.into()))?;
        Ok(std::mem::take(self.bytes.inner_mut()).into())
    }
}

fn cannot_encode(error: ParquetError) -> Fault {
    Fault::bug("cannot encode rows as parquet").because(error)
}
