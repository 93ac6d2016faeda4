//! Generated or stored rows as files with physical column names: JSONL and Parquet.

use std::io::Write;
use std::sync::Arc;

use arrow_array::RecordBatch;
use model::{Fault, FaultKind, StoredTable};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::rows::{jsonl_row, schema_of};

/// Bytes of an open row group after which it is written: a few batches, so that memory stays small
/// and readers can still skip.
const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;

/// Writes the rows of a batch as lines of JSON.
pub fn write_jsonl(batch: &RecordBatch, out: &mut dyn Write) -> Result<(), Fault> {
    let mut lines = String::new();
    for row in 0..batch.num_rows() {
        jsonl_row(batch, row, &mut lines);
    }
    out.write_all(lines.as_bytes()).map_err(|error| cannot_write().because(error))
}

/// A Parquet file of stored rows, with the types of the stored table.
pub struct ParquetFile<W: Write + Send> {
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> ParquetFile<W> {
    /// Begins a file.
    pub fn create(table: &StoredTable, out: W) -> Result<Self, Fault> {
        let zstd = Compression::ZSTD(ZstdLevel::try_new(3).expect("zstd has a level 3"));
        let properties = WriterProperties::builder().set_compression(zstd).build();
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema_of(table)), Some(properties))
            .map_err(|error| cannot_write().because(error))?;
        Ok(Self { writer })
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        self.writer.write(batch).map_err(|error| cannot_write().because(error))?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush().map_err(|error| cannot_write().because(error))?;
        }
        Ok(())
    }

    /// Writes the footer; without it the file is no Parquet.
    pub fn finish(self) -> Result<W, Fault> {
        self.writer.into_inner().map_err(|error| cannot_write().because(error))
    }
}

fn cannot_write() -> Fault {
    Fault::new(FaultKind::Configuration, "cannot write the file of generated rows")
        .hint("see that its folder can be written and its disk has room")
}
