//! Pages over a source that reads short windows for less hold what pages over one read of everything hold.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use model::{
    Browse, BrowseBounds, Cursor, Fault, KeyRange, Micros, ModelPrices, OrderKey, PageRequest, PageToken, Plan,
    PriceLookup, ProjectId, ReadRequest, Reading, RowCount, RowsAsk, ScoreLookup, ShownCells, Snapshot, Source,
    SourceCapabilities, Stop, TableSpec,
};
use serde_json::json;
use sources::memory::MemorySource;

use super::{LookedUp, SourceBrowse};
use crate::data::no_comments::NoComments;

const NOW: Micros = Micros(1_800_000_000_000_000);
/// Rows of the source, of which two each start together.
const ROWS: i64 = 60;

/// Rows in memory, of which short windows are said to be cheaper, and how many reads were prepared.
struct Narrow {
    rows: MemorySource,
    prepared: Arc<AtomicUsize>,
}

struct NarrowReading(Arc<dyn Reading>);

impl fmt::Display for Narrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source that prefers short windows")
    }
}

#[async_trait]
impl Source for Narrow {
    fn capabilities(&self) -> SourceCapabilities {
        self.rows.capabilities()
    }

    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        self.prepared.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(NarrowReading(self.rows.prepare(request).await?)))
    }

    async fn has_project(&self, project: &ProjectId, table: &TableSpec) -> Result<bool, Fault> {
        self.rows.has_project(project, table).await
    }
}

#[async_trait]
impl Reading for NarrowReading {
    fn schema(&self) -> &SchemaRef {
        self.0.schema()
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        self.0.snapshot()
    }

    async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault> {
        self.0.plan(after).await
    }

    /// A thousandth of the way, so that stretches are a few rows long.
    async fn time_after(&self, rows: RowCount) -> Result<Option<Micros>, Fault> {
        let row = i64::try_from(rows.get() / 1_000).unwrap();
        Ok((row < ROWS).then(|| start(row)))
    }

    fn read(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        Arc::clone(&self.0).read(range, stop)
    }

    fn scores(&self) -> Arc<dyn ScoreLookup> {
        self.0.scores()
    }

    async fn close(&self) -> Result<(), Fault> {
        self.0.close().await
    }
}

struct NoPrices;

#[async_trait]
impl PriceLookup for NoPrices {
    async fn prices(&self, _: &ProjectId, _: &[&str]) -> Result<Vec<ModelPrices>, Fault> {
        Ok(Vec::new())
    }
}

/// When a row starts, the newest first.
fn start(row: i64) -> Micros {
    Micros(NOW.0 - (row / 2 + 1) * Micros::PER_SECOND)
}

fn rows() -> MemorySource {
    let row = |row: i64| {
        let name = if row % 7 == 0 { "rare" } else { "usual" };
        json!({
            "project_id": "p", "trace_id": "t", "span_id": format!("s{row:02} \"\\\u{1}é"), "name": name,
            "start_time": start(row).to_sql_text(), "event_ts": NOW.to_sql_text(), "updated_at": NOW.to_sql_text(),
            "created_at": NOW.to_sql_text(),
            "is_deleted": false,
        })
    };
    let table = tables::find("events").unwrap();
    MemorySource::from_json(vec![(Arc::clone(table.stored()), (0..ROWS).map(row).collect())]).unwrap()
}

fn browse(source: impl Source + 'static) -> SourceBrowse {
    let looked_up = LookedUp { comments: Arc::new(NoComments), prices: Arc::new(NoPrices) };
    SourceBrowse::new(Arc::new(source), looked_up, || NOW)
}

/// The rows of all pages together.
async fn every_row(browse: &SourceBrowse, ask: &RowsAsk, items_max: u32) -> Vec<String> {
    let shown = ShownCells { columns: vec!["id".to_owned(), "name".to_owned()], characters_max: None };
    let mut rows = Vec::new();
    let mut after: Option<PageToken> = None;
    loop {
        let page = PageRequest { after, items_max };
        let found = browse.rows(&ProjectId::new("p"), ask, &shown, &page, &BrowseBounds::DEFAULT).await.unwrap();
        assert_eq!(found.stopped, None);
        rows.extend(found.rows.into_iter().map(|row| row.cells));
        let Some(next) = found.next else { return rows };
        after = Some(next);
    }
}

#[tokio::test]
async fn pages_found_in_stretches_are_the_pages_of_one_read() {
    let asks = [
        (RowsAsk::default(), 60),
        (RowsAsk { wheres: vec!["name = 'rare'".to_owned()], ..RowsAsk::default() }, 9),
        (RowsAsk { wheres: vec!["name = 'none'".to_owned()], ..RowsAsk::default() }, 0),
        (RowsAsk { cursor: Some(Cursor::Ingested), ..RowsAsk::default() }, 60),
    ];
    for (ask, count) in asks {
        let ask = RowsAsk { table: "events".to_owned(), ..ask };
        for items_max in [1, 4, 5, 9, 60, 100] {
            let prepared = Arc::new(AtomicUsize::new(0));
            let narrow = browse(Narrow { rows: rows(), prepared: Arc::clone(&prepared) });
            let expected = every_row(&browse(rows()), &ask, items_max).await;
            assert_eq!(expected.len(), count);
            assert_eq!(every_row(&narrow, &ask, items_max).await, expected, "{ask:?} by {items_max}");
            let pages = count.div_ceil(items_max as usize).max(1);
            let was_cut = prepared.load(Ordering::Relaxed) > pages + 1;
            assert_eq!(was_cut, ask.cursor.is_none(), "{ask:?} by {items_max}");
        }
    }
}
