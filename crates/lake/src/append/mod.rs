//! Appends rows: buffered, sorted, written as data files, made visible by one commit.
//!
//! An [`Appender`] takes batches of the table's logical schema. When a buffer is full, a thread of its
//! own sorts and writes it while the caller fills the next, so at most two buffers are in memory.

mod buffer;
mod encoding;
mod staging;
mod worker;
mod writer;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use model::{ByteCount, Fault, Micros, RowCount, StoredTable};

pub(crate) use staging::{PENDING, Staging};
pub(crate) use worker::{CHUNK_BYTES, CHUNK_ROWS};
pub(crate) use writer::FileWriter;

use crate::Lake;
use crate::cells::row_bytes;
use crate::log::{self, Change, CommitInfo};
use crate::physical::logical_schema;
use buffer::Buffer;
use worker::Worker;

/// How rows are appended.
#[derive(Clone, Copy, Debug)]
pub struct AppendOptions {
    /// Cell bytes that are sorted together and become one file per project. The default of 64 MiB
    /// keeps an import of any size near 200 MiB of memory.
    pub buffer_bytes: ByteCount,
    /// So many files of a project may share a stretch of the total order before the commit merges
    /// some of them: every reader of that stretch has all of them open.
    pub overlap_max: usize,
}

impl Default for AppendOptions {
    fn default() -> Self {
        Self { buffer_bytes: ByteCount::mebibytes(64), overlap_max: 8 }
    }
}

/// Rows on their way into a table. Nothing is visible before [`commit`](Self::commit); dropping it
/// removes what it wrote, and what a crash leaves is cleaned away by later maintenance.
#[derive(Debug)]
pub struct Appender {
    lake: Lake,
    table: Arc<StoredTable>,
    schema: SchemaRef,
    options: AppendOptions,
    buffer: Buffer,
    worker: Worker,
    rows: u64,
}

/// What a commit brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Version of the table from which the rows are visible.
    pub version: u64,
    /// Rows that were pushed.
    pub rows: RowCount,
    /// Rows of them that were not stored, because a newer version of the same row came with them.
    pub superseded: RowCount,
    /// Size of the new files.
    pub bytes: ByteCount,
    /// New files.
    pub files: usize,
}

impl Lake {
    /// Starts to append to a table.
    pub fn append(&self, table: &str) -> Result<Appender, Fault> {
        self.append_with(table, AppendOptions::default())
    }

    /// Starts to append to a table in another way than usual.
    pub fn append_with(&self, table: &str, options: AppendOptions) -> Result<Appender, Fault> {
        let log = self.log(table)?;
        let table = Arc::clone(&log.table);
        let staging = Staging::start(&log.table_directory)?;
        Ok(Appender {
            lake: self.clone(),
            schema: logical_schema(&table),
            worker: Worker::new(Arc::clone(&table), staging),
            buffer: Buffer::default(),
            table,
            options,
            rows: 0,
        })
    }
}

impl Appender {
    /// Takes rows. The batch has the columns of the table's logical schema, in order, and no null
    /// where the table allows none.
    pub fn push(&mut self, batch: RecordBatch) -> Result<(), Fault> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec()).map_err(|cause| {
            Fault::bug(format!("cannot append a batch to {}: it has other columns", self.table.name)).because(cause)
        })?;
        self.rows += batch.num_rows() as u64;
        let sizes = row_bytes(&batch);
        self.buffer.push(batch, sizes);
        if self.buffer.is_full(self.options.buffer_bytes) {
            self.worker.write_beside(std::mem::take(&mut self.buffer))?;
        }
        Ok(())
    }

    /// Rows that were pushed.
    pub fn rows(&self) -> RowCount {
        RowCount(self.rows)
    }

    /// Makes all pushed rows visible at once. Returns when they would survive a crash. After a fault they
    /// are not visible, unless it says that they may be.
    ///
    /// Without rows there is no commit. Where many files came to overlap, some are merged before
    /// this returns; failing to merge is logged and does not undo the commit.
    pub fn commit(self, now: Micros, operation: &str) -> Result<Commit, Fault> {
        let Self { lake, table, options, buffer, worker, rows, .. } = self;
        let mut staging = worker.finish(buffer)?;
        let log = lake.log(table.name)?;
        if staging.files().is_empty() {
            let version = log.snapshot()?.version;
            let (superseded, bytes) = (RowCount::ZERO, ByteCount::ZERO);
            return Ok(Commit { version, rows: RowCount(rows), superseded, bytes, files: 0 });
        }
        let info = CommitInfo { operation, now };
        let version = log.commit(info, &mut staging, |_, files| {
            Ok(files.iter().map(|file| log::add(file, &table, None, Change::Rows, now)).collect())
        })?;
        let stored: u64 = staging.files().iter().map(|file| file.rows).sum();
        let commit = Commit {
            version,
            rows: RowCount(rows),
            superseded: RowCount(rows - stored),
            bytes: staging.files().iter().map(|file| ByteCount(file.bytes)).sum(),
            files: staging.files().len(),
        };
        drop(staging);
        if let Err(fault) = lake.compact_deep(table.name, options.overlap_max, now) {
            tracing::warn!(table.name = table.name, %fault, "cannot merge overlapping store files after a commit");
        }
        Ok(commit)
    }
}

#[cfg(test)]
mod tests;
