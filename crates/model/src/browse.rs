//! Looking at rows before they are exported: pages, single rows, counted values, rows over time.
//!
//! Every call is bounded in time and bytes and ends when its future is dropped. A bound that cuts a
//! search short is told in the answer, which then says how far it looked; nothing is left out in silence.

use std::time::Duration;

use async_trait::async_trait;

use crate::{ByteCount, Cursor, Fault, Micros, PageRequest, PageToken, ProjectId, RowCount};

/// Which rows of a table are looked at, before it is held against the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowsAsk {
    /// Table.
    pub table: String,
    /// Filters in the wire form: an array of objects, combined by and. Null: none.
    pub filter: serde_json::Value,
    /// Filters as text, combined by and with the others.
    pub wheres: Vec<String>,
    /// Text that rows must contain.
    pub search: Option<String>,
    /// What the search looks at; ids where empty.
    pub search_types: Vec<String>,
    /// First instant: RFC 3339, a date, or a duration before now such as `-24h`.
    pub since: Option<String>,
    /// First instant that is left out.
    pub until: Option<String>,
    /// Timestamp the window is measured on; the start time where not given.
    pub cursor: Option<Cursor>,
}

/// What of each row is shown, and which way round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownCells {
    /// Columns by name, in order; `scores` adds score columns, `all` alone is everything. Empty: the default.
    pub columns: Vec<String>,
    /// Texts with more characters than this are cut there; the row says which and how long they were.
    pub characters_max: Option<u32>,
    /// Whether rows come in the reverse of the total order: the oldest first.
    pub oldest_first: bool,
}

/// How much one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrowseBounds {
    /// Time until it answers with what it has.
    pub time: Duration,
    /// Bytes of cells that it reads.
    pub bytes: ByteCount,
}

impl BrowseBounds {
    /// The bounds unless told otherwise: longer than a person waits, larger than a page.
    pub const DEFAULT: Self = Self { time: Duration::from_secs(5), bytes: ByteCount::mebibytes(64) };
}

/// Names a row among those of its table and project, for links to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowKey(pub String);

/// A row as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRow {
    /// How to find it again.
    pub key: RowKey,
    /// Its cells, as JSON text: the object that a JSONL export would have.
    pub cells: String,
    /// Columns whose texts were cut, and how many bytes they have in whole.
    pub cut: Vec<(String, ByteCount)>,
}

/// Which bound ended a search before it had seen every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Time.
    Time,
    /// Bytes.
    Bytes,
}

impl Bound {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Bytes => "bytes",
        }
    }
}

/// Some rows of a table, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPage {
    /// Columns in order, score columns included.
    pub columns: Vec<String>,
    /// The rows. One that is stored while pages are read never appears twice or moves another out.
    pub rows: Vec<ShownRow>,
    /// Where older rows begin; `None` at the end.
    pub next: Option<PageToken>,
    /// Where newer rows end; `None` at the beginning.
    pub previous: Option<PageToken>,
    /// The bound that ended the search before the page was full; it goes on at `next` (or `previous`).
    pub stopped: Option<Bound>,
}

/// Values of one filter column to be counted.
#[derive(Clone, Debug, PartialEq)]
pub struct FacetAsk {
    /// Of these rows.
    pub rows: RowsAsk,
    /// Filter column, by id, title or alias.
    pub column: String,
    /// Only values under this key, for columns that have keys; without it the keys themselves are counted.
    pub key: Option<String>,
    /// Only values that contain this text, ignoring case.
    pub contains: Option<String>,
    /// At most so many values, the most frequent ones.
    pub values_max: u32,
}

/// Values of a column and how many rows have them.
#[derive(Clone, Debug, PartialEq)]
pub struct Facets {
    /// Values, most frequent first, equal counts by value.
    pub values: Vec<FacetValue>,
    /// Whether there are more values than were asked for.
    pub more: bool,
    /// Rows that were looked at.
    pub rows: RowCount,
    /// The bound that ended the count before every row was seen; the newest rows were.
    pub stopped: Option<Bound>,
}

/// A value and its count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacetValue {
    /// The value as a filter would name it.
    pub value: String,
    /// Rows that have it.
    pub rows: RowCount,
}

/// Rows over time.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramAsk {
    /// Of these rows.
    pub rows: RowsAsk,
    /// At most so many bars.
    pub bars_max: u32,
}

/// Counts of rows by start time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Width of a bar; bars begin at whole multiples of it.
    pub step: Duration,
    /// Bars that are not empty, oldest first.
    pub bars: Vec<HistogramBar>,
    /// The bound that ended the count before every row was seen; bars before `complete_from` lack rows.
    pub stopped: Option<Bound>,
    /// Bars from this instant on are complete.
    pub complete_from: Option<Micros>,
}

/// One bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistogramBar {
    /// Its first instant.
    pub from: Micros,
    /// Rows that start in it.
    pub rows: RowCount,
}

/// Looks at rows of one project. Dropping a future ends its read.
#[async_trait]
pub trait Browse: Send + Sync {
    /// Rows, newest first. A page token that no page named is a bad request.
    async fn rows(
        &self,
        project: &ProjectId,
        ask: &RowsAsk,
        shown: &ShownCells,
        page: &PageRequest,
        bounds: &BrowseBounds,
    ) -> Result<RowPage, Fault>;

    /// The row of a key, whole; `None` where it does not exist any more.
    async fn row(
        &self,
        project: &ProjectId,
        table: &str,
        key: &RowKey,
        bounds: &BrowseBounds,
    ) -> Result<Option<ShownRow>, Fault>;

    /// Counts the values of a column.
    async fn facets(&self, project: &ProjectId, ask: &FacetAsk, bounds: &BrowseBounds) -> Result<Facets, Fault>;

    /// Counts rows by start time.
    async fn histogram(
        &self,
        project: &ProjectId,
        ask: &HistogramAsk,
        bounds: &BrowseBounds,
    ) -> Result<Histogram, Fault>;
}
