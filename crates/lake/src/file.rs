//! What the log knows of a data file, and the set of files that one version of a table consists of.
//!
//! A [`TableSnapshot`] never changes: later commits make later snapshots. Nothing here reads data.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::SchemaRef;
use model::{Micros, OrderKey, ProjectId, StoredTable};
use serde::Serialize;

use crate::checksum::Checksum;
use crate::physical;
use crate::readers::Reader;

/// An immutable Parquet file.
///
/// It holds rows of one project, each key once, sorted by [`RowOrder`](crate::RowOrder); none of its
/// row groups is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Path below the table's directory.
    pub path: Box<str>,
    /// The project of all its rows.
    pub project: ProjectId,
    /// Size on disk.
    pub bytes: u64,
    /// Rows, dead ones included. Fits 32 bits.
    pub rows: u64,
    /// Bytes of all cells before encoding.
    pub cell_bytes: u64,
    /// Start times of its rows.
    pub time: Span,
    /// Times at which its versions were stored.
    pub ingested: Span,
    /// Ranks of its versions.
    pub version: Span,
    /// Position of its first row in the total order.
    pub first: OrderKey,
    /// Position of its last row.
    pub last: OrderKey,
    /// Rows that are marked deleted.
    pub deletions: u64,
    /// Decides between versions of equal rank.
    pub sequence: Sequence,
    /// Of the whole file; files of earlier versions have none.
    pub checksum: Option<Checksum>,
}

impl DataFile {
    /// Whether a row of it is marked deleted.
    pub fn has_deletions(&self) -> bool {
        self.deletions > 0
    }
}

/// The smallest and the largest value of a timestamp column, both inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Smallest value.
    pub min: Micros,
    /// Largest value.
    pub max: Micros,
}

impl Span {
    /// Whether a value can lie in `from <= t < to`.
    pub fn meets(&self, from: Option<Micros>, to: Option<Micros>) -> bool {
        from.is_none_or(|from| self.max >= from) && to.is_none_or(|to| self.min < to)
    }

    /// The smallest span that holds both.
    pub fn hull(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// When a file's rows were written: commit, then place within the commit. Of two versions of equal
/// rank the one with the greater sequence is the newer. A compacted file keeps the greatest
/// sequence of the files it replaces, so that an append which overtook the compaction stays newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence {
    /// Version of the commit that first brought the rows.
    pub version: u64,
    /// Place among the lines of that commit.
    pub index: u32,
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.version, self.index)
    }
}

impl Sequence {
    /// Reads what `Display` prints.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (version, index) = text.split_once('.')?;
        Some(Self { version: version.parse().ok()?, index: index.parse().ok()? })
    }
}

/// One version of a table.
#[derive(Clone, Debug)]
pub struct TableSnapshot {
    /// The table.
    pub table: Arc<StoredTable>,
    /// Version of its log.
    pub version: u64,
    /// Its files, by project, then by their first row.
    pub files: Vec<Arc<DataFile>>,
    pub(crate) directory: Arc<Path>,
    /// Keeps the files from maintenance, where this snapshot is for reading.
    pub(crate) _reader: Option<Arc<Reader>>,
}

impl TableSnapshot {
    /// Where a file of this table lies.
    pub fn path(&self, file: &DataFile) -> PathBuf {
        self.directory.join(&*file.path)
    }

    /// The files of one project, by their first row.
    pub fn of_project(&self, project: &ProjectId) -> &[Arc<DataFile>] {
        let start = self.files.partition_point(|file| file.project < *project);
        let end = self.files.partition_point(|file| file.project <= *project);
        &self.files[start..end]
    }

    /// The schema of the table's files as they are written: see [`physical`].
    pub fn physical_schema(&self) -> SchemaRef {
        physical::physical_schema(&self.table)
    }
}
