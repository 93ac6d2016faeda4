//! How rows are read: pulled in slices of the total order, so that a slow sink slows the read.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use futures_core::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{
    ByteCount, ColumnSpec, ColumnType, Cursor, Expr, Fault, KeyRange, Micros, OrderKey, ProjectId, Relation, RowCount,
    RunId, ScoreLookup, Stop, TableSpec, Window,
};

/// What one run reads from one table. Everything in it is already validated against the table.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// The run, for query ids and logs.
    pub run: RunId,
    /// Only rows of this project are visible.
    pub project: ProjectId,
    /// The table.
    pub table: Arc<TableSpec>,
    /// Columns to produce, in order; may be empty for a read of keys alone.
    pub columns: Vec<ColumnSpec>,
    /// Predicate over live rows: filters, searches and rules of the request, without the window.
    pub filter: Option<Expr>,
    /// Which rows by time, measured on `cursor`.
    pub window: Window,
    /// The timestamp the window is measured on.
    pub cursor: Cursor,
    /// Which stored versions decide what the rows are.
    pub versions: VersionScope,
    /// What becomes of rows whose newest version is a deletion.
    pub deleted: DeletedRows,
    /// When the run was planned; stands for "now" wherever the read needs it.
    pub as_of: Micros,
    /// The stored state to read, from an earlier attempt of the same run.
    pub snapshot: Option<Snapshot>,
    /// Scores older than this belong to no row; unbounded where `None`.
    pub scores_since: Option<Micros>,
    /// Upper bound of the Arrow bytes of one batch; a single larger row is a batch of its own.
    pub batch_bytes_max: ByteCount,
    /// A row with more stored bytes fails the read, naming its id, before its payload is read.
    pub row_bytes_max: ByteCount,
}

/// Which stored versions decide what the rows are (promise 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionScope {
    /// At least those stored since a day before the window began, all of them where it has no beginning:
    /// what a source can look at cheaply. One that always looks at all versions may do so.
    #[default]
    SinceWindow,
    /// All, however long ago they were stored.
    All,
}

/// What becomes of rows whose newest version is a deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletedRows {
    /// They do not exist.
    #[default]
    LeftOut,
    /// They are rows like others, as the deletion was stored. Groups are made of live rows all the same.
    Included,
}

impl ReadRequest {
    /// Refuses what no source can honour, naming it: every source asks this first.
    pub fn check(&self) -> Result<(), Fault> {
        let table = &self.table;
        let mut expressions: Vec<&Expr> = self.columns.iter().map(|column| &column.expr).collect();
        expressions.extend(&self.filter);
        let mut missing = None;
        for expr in &expressions {
            expr.for_each_column(&mut |name| {
                if table.relation_column(name).is_none() {
                    missing = Some(name.to_owned());
                }
            });
        }
        if let Some(name) = missing {
            return Err(Fault::bad_request(format!("table {} has no stored column {name:?}", table.name)));
        }
        let asks = |test: &dyn Fn(&Expr) -> bool| expressions.iter().any(|expr| expr.any(test));
        if asks(&|expr| matches!(expr, Expr::Comment(_))) {
            return Err(Fault::bug("a comment filter reached the source unresolved"));
        }
        if asks(&|expr| matches!(expr, Expr::Score(_))) && !table.scores {
            return Err(Fault::bad_request(format!("rows of table {} have no scores to filter by", table.name)));
        }
        if self.deleted == DeletedRows::Included && matches!(table.relation, Relation::Grouped(_)) {
            return Err(Fault::bad_request(format!("rows of table {} cannot be deleted by themselves", table.name)));
        }
        let has_positions = matches!(&table.relation, Relation::Stored(stored) if stored.root().is_some());
        if asks(&|expr| matches!(expr, Expr::InTracePosition(_))) && !has_positions {
            return Err(Fault::bad_request(format!("rows of table {} have no place in a trace", table.name)));
        }
        Ok(())
    }
}

/// Names a stored state, where the source can read the same state twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(pub String);

/// A place rows are read from. `Display` is a name for people without secrets.
#[async_trait]
pub trait Source: fmt::Display + Send + Sync {
    /// What it can and cannot do.
    fn capabilities(&self) -> SourceCapabilities;

    /// Checks the request and fixes what will be read. Whatever cannot be honoured is a fault here.
    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault>;

    /// Whether any version of any row of the project is stored in the request's table.
    async fn has_project(&self, project: &ProjectId, table: &TableSpec) -> Result<bool, Fault>;

    /// Whether the stored state that an earlier attempt has read can be read again. A source without snapshots, which
    /// reads what there is, says so of any.
    async fn keeps(&self, _snapshot: &Snapshot) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Says how many processes read from it now, this one among them: limits of the load that it bears hold for all
    /// together. A source without such limits does nothing.
    fn shared_by(&self, _processes: usize) {}
}

/// What a source can and cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceCapabilities {
    /// The same stored state can be read again by a later attempt.
    pub snapshots: bool,
}

/// One request, prepared.
///
/// Batches hold the requested columns in order, followed by the key columns (`key_fields`). Rows come
/// in the total order of promise 3, each live row once.
#[async_trait]
pub trait Reading: Send + Sync {
    /// Requested columns and key columns.
    fn schema(&self) -> &SchemaRef;

    /// The stored state that is read, where the source can name it.
    fn snapshot(&self) -> Option<&Snapshot>;

    /// Cuts what is left after `after` into slices, first rows first, without reading payloads.
    async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault>;

    /// A time of the window that none of its rows comes before, measured on the cursor; `None` where it has no rows.
    /// Told without a look at payloads, or at which versions live: its first row may come later, or not exist.
    async fn earliest(&self) -> Result<Option<Micros>, Fault>;

    /// A part at an end of a range that this source looks through at once for so many rows: the longer, the more
    /// such parts were looked through `before`, and the whole range where no part of it is worth while. `None` where
    /// it finds a few rows of a slice for no less than by reading the slice until there are enough.
    async fn part(
        &self,
        _range: &KeyRange,
        _end: End,
        _rows: RowCount,
        _before: u32,
    ) -> Result<Option<KeyRange>, Fault> {
        Ok(None)
    }

    /// Reads the rows of a range in order. The stream ends with the first fault, and soon after `stop`.
    fn read(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>>;

    /// Reads so many rows at an end of a range, in order. It may read others of the range too.
    fn few(
        self: Arc<Self>,
        range: KeyRange,
        _end: End,
        _rows: RowCount,
        stop: Stop,
    ) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        self.read(range, stop)
    }

    /// Reads the rows of a range for counting: in any order, and of the key columns only the time is
    /// certain to be there, behind the requested columns. Cheaper than [`Reading::read`] where a source
    /// keeps columns apart.
    fn tally(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        self.read(range, stop)
    }

    /// The rows of a batch without those that came before: where nothing holds the stored state still, a row
    /// whose start moves while it is read stands in two places. To be asked for every batch in the order of
    /// rows, and, where it fails, again for the same batch.
    async fn once_each(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        Ok(batch)
    }

    /// What whoever gets the rows should know of the source: columns that it lacks, rows that it has elsewhere.
    async fn warnings(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    /// How many of the rows that came through [`Reading::once_each`] have a version that was stored since the
    /// read was planned; the version that was met is the one that came. None where one state is read.
    async fn changed(&self) -> Result<RowCount, Fault> {
        Ok(RowCount::ZERO)
    }

    /// The scores of the same stored state.
    fn scores(&self) -> Arc<dyn ScoreLookup>;

    /// Ends the reading on the source's side and waits for it. Dropping alone cannot.
    async fn close(&self) -> Result<(), Fault>;
}

/// An end of a range of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the first rows of the order are: the newest.
    First,
    /// Where the last ones are.
    Last,
}

/// Columns that every batch carries behind the requested ones; the pipeline removes them before
/// encoding. Time is the row's start (timestamp); cursor is the time its window is measured on;
/// version is `event_ts`, of a group the greatest of its rows.
pub mod key_column {
    /// Timestamp that orders the row.
    pub const TIME: &str = "outgest.time";
    /// Trace id, empty where the table has none.
    pub const TRACE_ID: &str = "outgest.trace_id";
    /// Id within the trace.
    pub const ID: &str = "outgest.id";
    /// Rank of the version that was read.
    pub const VERSION: &str = "outgest.version";
    /// Timestamp the window is measured on.
    pub const CURSOR: &str = "outgest.cursor";
}

impl dyn Reading {
    /// Number of key columns at the end of every batch.
    pub const KEY_COLUMNS: usize = 5;

    /// The key columns in order.
    pub fn key_fields() -> [Field; 5] {
        let timestamp = ColumnType::Timestamp.to_arrow();
        [
            Field::new(key_column::TIME, timestamp.clone(), false),
            Field::new(key_column::TRACE_ID, DataType::Utf8, false),
            Field::new(key_column::ID, DataType::Utf8, false),
            Field::new(key_column::VERSION, timestamp.clone(), true),
            Field::new(key_column::CURSOR, timestamp, false),
        ]
    }
}

/// The slices of a read, first rows first, with upper bounds: the user's filter is not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Adjacent ranges that together cover everything.
    pub slices: Vec<Slice>,
}

/// A stretch of the total order that is read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its rows.
    pub range: KeyRange,
    /// At most so many rows.
    pub rows: RowCount,
    /// About so many bytes of cells at most.
    pub bytes: ByteCount,
}

impl Plan {
    /// Upper bound of the rows.
    pub fn rows(&self) -> RowCount {
        self.slices.iter().map(|slice| slice.rows).sum()
    }

    /// Upper bound of the bytes.
    pub fn bytes(&self) -> ByteCount {
        self.slices.iter().map(|slice| slice.bytes).sum()
    }
}
