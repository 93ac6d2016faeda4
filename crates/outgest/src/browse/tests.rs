//! Pages over a source that looks through parts for a few rows hold what pages over one read of everything hold.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use model::{
    Browse, BrowseBounds, Cursor, End, Fault, KeyRange, Micros, ModelPrices, OrderKey, PageRequest, PageToken, Plan,
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

/// Rows in memory that are looked through in short parts, and how many parts there were.
struct Narrow {
    rows: MemorySource,
    parts: Arc<AtomicUsize>,
}

struct NarrowReading {
    rows: Arc<dyn Reading>,
    parts: Arc<AtomicUsize>,
}

impl fmt::Display for Narrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source that looks through parts")
    }
}

#[async_trait]
impl Source for Narrow {
    fn capabilities(&self) -> SourceCapabilities {
        self.rows.capabilities()
    }

    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        Ok(Arc::new(NarrowReading { rows: self.rows.prepare(request).await?, parts: Arc::clone(&self.parts) }))
    }

    async fn has_project(&self, project: &ProjectId, table: &TableSpec) -> Result<bool, Fault> {
        self.rows.has_project(project, table).await
    }
}

#[async_trait]
impl Reading for NarrowReading {
    fn schema(&self) -> &SchemaRef {
        self.rows.schema()
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        self.rows.snapshot()
    }

    async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault> {
        self.rows.plan(after).await
    }

    async fn earliest(&self) -> Result<Option<Micros>, Fault> {
        self.rows.earliest().await
    }

    /// Three starts, then four: parts are a few rows long.
    async fn part(&self, range: &KeyRange, end: End, _: RowCount, before: u32) -> Result<Option<KeyRange>, Fault> {
        self.parts.fetch_add(1, Ordering::Relaxed);
        let mut starts: Vec<Micros> = (0..ROWS).step_by(2).map(start).collect();
        let mut part = KeyRange::ALL;
        if end == End::Last {
            starts.reverse();
        }
        let inside = starts.into_iter().filter(|time| range.contains(&OrderKey::at(*time)));
        if let Some(last) = inside.take(3 + before as usize).last() {
            match end {
                End::First => part.to = Some(OrderKey::at(Micros(last.0 - 1))),
                End::Last => part.from = Some(OrderKey::at(last)),
            }
        }
        Ok(Some(range.and(&part).unwrap_or_else(|| range.clone())))
    }

    /// No row more than is asked for.
    fn few(
        self: Arc<Self>,
        range: KeyRange,
        end: End,
        rows: RowCount,
        stop: Stop,
    ) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        let most = usize::try_from(rows.get()).unwrap();
        let schema = Arc::clone(self.schema());
        let all = Arc::clone(&self.rows).read(range, stop).try_collect::<Vec<RecordBatch>>();
        let some = async move {
            let all = concat_batches(&schema, &all.await?).unwrap();
            let count = all.num_rows().min(most);
            Ok(all.slice(if end == End::First { 0 } else { all.num_rows() - count }, count))
        };
        futures_util::stream::once(some).boxed()
    }

    fn read(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        Arc::clone(&self.rows).read(range, stop)
    }

    fn scores(&self) -> Arc<dyn ScoreLookup> {
        self.rows.scores()
    }

    async fn close(&self) -> Result<(), Fault> {
        self.rows.close().await
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

/// The rows of all pages together, forwards, and on the way back.
async fn every_row(
    browse: &SourceBrowse,
    ask: &RowsAsk,
    items_max: u32,
    oldest_first: bool,
) -> (Vec<String>, Vec<String>) {
    let columns = vec!["id".to_owned(), "name".to_owned()];
    let shown = ShownCells { columns, characters_max: None, oldest_first };
    let (mut forwards, mut back) = (Vec::new(), VecDeque::new());
    let mut after: Option<PageToken> = None;
    let mut is_way_back = false;
    loop {
        let page = PageRequest { after, items_max };
        let found = browse.rows(&ProjectId::new("p"), ask, &shown, &page, &BrowseBounds::DEFAULT).await.unwrap();
        assert_eq!(found.stopped, None);
        let rows = found.rows.into_iter().map(|row| row.cells);
        if is_way_back {
            rows.rev().for_each(|row| back.push_front(row));
        } else {
            forwards.extend(rows);
            is_way_back = found.next.is_none();
        }
        let Some(next) = (if is_way_back { found.previous } else { found.next }) else {
            return (forwards, back.into());
        };
        after = Some(next);
    }
}

#[tokio::test]
async fn pages_found_in_parts_are_the_pages_of_one_read() {
    let asks = [
        (RowsAsk::default(), 60),
        (RowsAsk { wheres: vec!["name = 'rare'".to_owned()], ..RowsAsk::default() }, 9),
        (RowsAsk { wheres: vec!["name = 'none'".to_owned()], ..RowsAsk::default() }, 0),
        (RowsAsk { cursor: Some(Cursor::Ingested), ..RowsAsk::default() }, 60),
    ];
    for (ask, count) in asks {
        let ask = RowsAsk { table: "events".to_owned(), ..ask };
        for items_max in [1, 4, 5, 9, 60, 100] {
            let parts = Arc::new(AtomicUsize::new(0));
            let narrow = browse(Narrow { rows: rows(), parts: Arc::clone(&parts) });
            // The way back starts at the last page, or at an empty one behind it.
            let last = (count.max(1) - 1) / items_max as usize * items_max as usize;
            let mut newest_first: Option<Vec<String>> = None;
            for oldest_first in [false, true] {
                let at = format!("{ask:?} by {items_max}, oldest first: {oldest_first}");
                let found = every_row(&narrow, &ask, items_max, oldest_first).await;
                let expected = every_row(&browse(rows()), &ask, items_max, oldest_first).await;
                assert_eq!(expected.0.len(), count, "{at}");
                assert_eq!(found.0, expected.0, "{at}");
                for (_, back) in [&found, &expected] {
                    assert!(back.len() >= last && *back == expected.0[..back.len()], "the way back of {at}: {back:?}");
                }
                match &newest_first {
                    None => newest_first = Some(expected.0),
                    Some(newest_first) => assert!(newest_first.iter().rev().eq(&expected.0), "{at}"),
                }
            }
            let pages = count.div_ceil(items_max as usize);
            assert!(parts.load(Ordering::Relaxed) > pages, "{ask:?} by {items_max}");
        }
    }
}
