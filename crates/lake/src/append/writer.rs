//! Writes one data file and notes what the log says about it.

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use model::{Fault, Micros, OrderKey, ProjectId, StoredTable};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;

use super::encoding::properties;
use crate::RowOrder;
use crate::cells::row_bytes;
use crate::checksum::Hashing;
use crate::disk;
use crate::file::{DataFile, Sequence, Span};
use crate::keys::{self, Entry, KeyColumns};
use crate::physical::physical_schema;

/// Cell bytes of a row group. A reader that merges eight overlapping files holds a part of eight of them.
/// A row of this size stands alone in its row group: its size is known from the footer, and reading its
/// neighbours costs nothing of it.
const ROW_GROUP_BYTES: u64 = 12 << 20;
/// Rows of a row group, for tables of small rows.
const ROW_GROUP_ROWS: u64 = 2 * 8_192;

/// A data file under way. Rows come in the file's order, each key once, all of one project.
pub(crate) struct FileWriter<'a> {
    table: &'a StoredTable,
    order: RowOrder,
    table_directory: PathBuf,
    name: String,
    project: ProjectId,
    writer: Option<ArrowWriter<Hashing<File>>>,
    entries: Vec<Entry>,
    scratch: Vec<u8>,
    group_bytes: u64,
    group_rows: u64,
    cell_bytes: u64,
    deletions: u64,
    seen: Option<Seen>,
}

/// What the log says of the rows so far.
struct Seen {
    time: Span,
    ingested: Span,
    version: Span,
    first: OrderKey,
    last: OrderKey,
}

impl<'a> FileWriter<'a> {
    /// Starts a file below the table's directory.
    pub(crate) fn create(table: &'a StoredTable, table_directory: &Path, name: String, project: ProjectId) -> Self {
        Self {
            table,
            order: RowOrder::of(table),
            table_directory: table_directory.to_owned(),
            name,
            project,
            writer: None,
            entries: Vec::new(),
            scratch: Vec::new(),
            group_bytes: 0,
            group_rows: 0,
            cell_bytes: 0,
            deletions: 0,
            seen: None,
        }
    }

    /// Cell bytes so far.
    pub(crate) fn cell_bytes(&self) -> u64 {
        self.cell_bytes
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Appends rows in stored form, whose cells take `bytes`.
    pub(crate) fn write(&mut self, batch: &RecordBatch, bytes: u64) -> Result<(), Fault> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.note(batch)?;
        if self.writer.is_none() {
            // Encodings follow the first rows, so the file is opened when they are known.
            self.writer = Some(self.open(batch)?);
        }
        if bytes < ROW_GROUP_BYTES {
            return self.write_together(batch, bytes);
        }
        let sizes = row_bytes(batch);
        let mut start = 0;
        for stretch in sizes.chunk_by(|a, b| *a < ROW_GROUP_BYTES && *b < ROW_GROUP_BYTES) {
            if stretch[0] >= ROW_GROUP_BYTES {
                self.end_group()?;
            }
            self.write_together(&batch.slice(start, stretch.len()), stretch.iter().sum())?;
            start += stretch.len();
        }
        Ok(())
    }

    fn write_together(&mut self, batch: &RecordBatch, bytes: u64) -> Result<(), Fault> {
        let writer = self.writer.as_mut().expect("it was opened with the first rows");
        if let Err(cause) = writer.write(batch) {
            return Err(self.failed(cause));
        }
        self.cell_bytes += bytes;
        self.group_bytes += bytes;
        self.group_rows += batch.num_rows() as u64;
        if self.group_bytes >= ROW_GROUP_BYTES || self.group_rows >= ROW_GROUP_ROWS { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> Result<(), Fault> {
        if self.group_rows == 0 {
            return Ok(());
        }
        (self.group_bytes, self.group_rows) = (0, 0);
        let writer = self.writer.as_mut().expect("a row group has rows");
        writer.flush().map_err(|cause| self.failed(cause))
    }

    /// Makes the file durable. It has at least one row.
    pub(crate) fn finish(mut self) -> Result<DataFile, Fault> {
        let (Some(writer), Some(seen)) = (self.writer.take(), self.seen.take()) else {
            return Err(Fault::bug("a data file without rows"));
        };
        let path = self.path();
        let (file, checksum) = writer.into_inner().map_err(|cause| self.failed(cause))?.finish();
        file.sync_all().map_err(|cause| disk::fault("sync", &path, cause))?;
        let bytes = file.metadata().map_err(|cause| disk::fault("read", &path, cause))?.len();
        let rows = self.rows();
        disk::create_directory(&keys::directory(&self.table_directory))?;
        let keys = keys::encode(&mut self.entries);
        disk::replace_unsynced(&keys::path_of(&self.table_directory, &self.name), &keys)?;
        Ok(DataFile {
            path: self.name.into(),
            project: self.project,
            bytes,
            rows,
            cell_bytes: self.cell_bytes,
            time: seen.time,
            ingested: seen.ingested,
            version: seen.version,
            first: seen.first,
            last: seen.last,
            deletions: self.deletions,
            sequence: Sequence::default(),
            checksum: Some(checksum),
        })
    }

    fn path(&self) -> PathBuf {
        self.table_directory.join(&self.name)
    }

    fn open(&self, first_rows: &RecordBatch) -> Result<ArrowWriter<Hashing<File>>, Fault> {
        let path = self.path();
        let file = File::create_new(&path).map_err(|cause| disk::fault("create", &path, cause))?;
        let options = ArrowWriterOptions::new()
            .with_properties(properties(self.table, first_rows))
            // The Parquet schema alone says everything, so every reader sees the same types.
            .with_skip_arrow_metadata(true);
        ArrowWriter::try_new_with_options(Hashing::new(file), physical_schema(self.table), options)
            .map_err(|cause| self.failed(cause))
    }

    fn note(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        let columns = KeyColumns::of(batch, self.table)?;
        for row in 0..batch.num_rows() {
            let number = u32::try_from(self.entries.len()).ok().filter(|number| u64::from(*number) < keys::ROWS_MAX);
            let deleted = columns.is_deleted(row);
            self.deletions += u64::from(deleted);
            self.entries.push(Entry {
                hash: columns.hash(row, &mut self.scratch),
                version: columns.version(row),
                row: number.ok_or_else(|| Fault::bug("a data file outgrew the numbers of its rows"))?,
                deleted,
            });
        }
        let span = |name: &str| {
            let times = batch
                .column_by_name(name)
                .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
                .ok_or_else(|| Fault::bug(format!("column {name} of {} is no timestamp", self.table.name)))?;
            let (min, max) =
                times.values().iter().fold((i64::MAX, i64::MIN), |(min, max), time| (min.min(*time), max.max(*time)));
            Ok::<_, Fault>(Span { min: Micros(min), max: Micros(max) })
        };
        let seen = Seen {
            time: span(self.table.time)?,
            ingested: span(self.table.ingested)?,
            version: span(self.table.version)?,
            first: self.order.key_at(batch, 0)?,
            last: self.order.key_at(batch, batch.num_rows() - 1)?,
        };
        self.seen = Some(match self.seen.take() {
            None => seen,
            Some(before) => Seen {
                time: before.time.hull(seen.time),
                ingested: before.ingested.hull(seen.ingested),
                version: before.version.hull(seen.version),
                first: before.first,
                last: seen.last,
            },
        });
        Ok(())
    }

    fn failed(&self, cause: ParquetError) -> Fault {
        let path = self.path();
        match cause {
            // The writer wraps what the disk said; what to do follows from that.
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(cause) => disk::fault("write", &path, *cause),
                Err(inner) => encoding_failed(&path, inner),
            },
            other => encoding_failed(&path, other.into()),
        }
    }
}

fn encoding_failed(path: &Path, cause: Box<dyn Error + Send + Sync>) -> Fault {
    Fault::bug(format!("cannot encode {}", path.display())).because(cause)
}
