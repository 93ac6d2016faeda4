//! Rows that come in over the wire, and what is stored of a project.

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

use crate::{ByteCount, Fault, Micros, ProjectId, RowCount};

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Rows that were read.
    pub read: RowCount,
    /// Rows that were stored, by table.
    pub stored: Vec<(String, RowCount)>,
    /// What rows carried and stored tables cannot take.
    pub ignored: Vec<IngestIgnored>,
}

/// A column that is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestIgnored {
    /// Its name.
    pub column: String,
    /// Why it is not stored: the end of a sentence about the column.
    pub why: &'static str,
    /// Rows that had a value in it.
    pub values: RowCount,
}

/// Takes rows in.
#[async_trait]
pub trait Ingest: Send + Sync {
    /// Stores every row of `body` or none: JSONL, a JSON array or CSV; gzip and zstd are recognised. Parquet,
    /// which is read from its end, is refused. Rows that name no project get this one; a row that names another
    /// is a bad request. The table is told from the first row where `table` is `None`. Dropping the future
    /// before the body has ended stores nothing.
    async fn ingest(
        &self,
        project: &ProjectId,
        table: Option<&str>,
        body: BoxStream<'static, Result<Bytes, Fault>>,
    ) -> Result<Ingested, Fault>;
}

/// What is stored of a project in one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStorage {
    /// Stored table.
    pub table: String,
    /// Stored rows, superseded versions included; unknown where the source does not count them.
    pub rows_stored: Option<RowCount>,
    /// Rows that a reader sees.
    pub rows: RowCount,
    /// Size where it is stored.
    pub bytes: Option<ByteCount>,
    /// Data files.
    pub files: Option<u64>,
    /// Start time of the oldest row.
    pub oldest: Option<Micros>,
    /// Start time of the newest row.
    pub newest: Option<Micros>,
}

/// What is known of the rows of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredOfProject {
    /// By table.
    pub tables: Vec<TableStorage>,
    /// What a reader of the figures must know, where they are not exact or not all there.
    pub note: Option<String>,
}

/// Figures about stored rows.
#[async_trait]
pub trait StorageFigures: Send + Sync {
    /// What is stored of a project.
    async fn storage(&self, project: &ProjectId) -> Result<StoredOfProject, Fault>;
}
