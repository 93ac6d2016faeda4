//! What the embedded store promises as a source: every promise of sources, and the same rows as memory.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_select::concat::concat_batches;
use futures_util::TryStreamExt;
use lake::{AppendOptions, Lake};
use model::{
    ByteCount, CompareOp, Cursor, Expr, FaultKind, KeyRange, Micros, ReadRequest, Reading, Source, Stop, StoredTable,
    Window,
};
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::LakeSource;
use crate::conformance::arbitrary::{arbitrary_expr, arbitrary_rows};
use crate::conformance::fixture::{
    self, EPOCH, at, bulky, events, events_table, linked_table, request, scores, tables, traces_table,
};
use crate::conformance::{agreement, agrees, golden, keys, read_all};
use crate::memory::{MemorySource, batch_from_json};

type Loaded = Vec<(Arc<StoredTable>, Vec<RecordBatch>)>;

/// A store with these rows, a commit per batch and nothing compacted, so that files overlap.
fn stored(loaded: &Loaded) -> (TempDir, LakeSource) {
    let directory = TempDir::new().unwrap();
    let lake = Lake::create_or_open(directory.path(), &tables(), EPOCH).unwrap();
    for (table, batches) in loaded {
        for batch in batches {
            append(&lake, table.name, batch.clone());
        }
    }
    (directory, LakeSource::new(lake))
}

fn append(lake: &Lake, table: &str, batch: RecordBatch) {
    let options = AppendOptions { overlap_max: usize::MAX, ..AppendOptions::default() };
    let mut appender = lake.append_with(table, options).unwrap();
    appender.push(batch).unwrap();
    appender.commit(EPOCH, "test").unwrap();
}

#[tokio::test]
async fn deletions_are_rows_where_they_are_asked_for() {
    let (_directory, source) = stored(&fixture::batches());
    agreement::on_deletions(&source).await;
}

#[tokio::test]
async fn keeps_every_promise_of_a_source() {
    let (_directory, source) = stored(&fixture::batches());
    agreement::every_promise_of_the_fixture(&source).await;
}

#[tokio::test]
async fn keeps_every_promise_where_no_groups_stay_known() {
    let (_directory, source) = stored(&fixture::batches());
    let source = LakeSource::new(source.lake.clone().keeping_groups_up_to(0));
    agreement::every_promise_of_the_fixture(&source).await;
    agreement::on_attached_columns(&source).await;
}

#[tokio::test]
async fn groups_that_are_known_are_those_of_the_rows_that_are_stored() {
    let loaded = fixture::batches();
    let (_directory, source) = stored(&Vec::new());
    let mut so_far: Loaded = loaded.iter().map(|(table, _)| (Arc::clone(table), Vec::new())).collect();
    for (place, (table, batches)) in loaded.iter().enumerate() {
        for batch in batches {
            append(&source.lake, table.name, batch.clone());
            so_far[place].1.push(batch.clone());
            let memory = MemorySource::new(so_far.clone()).unwrap();
            for table in [traces_table(), linked_table()] {
                agrees(&memory, &source, &request(table)).await;
            }
        }
    }
}

#[tokio::test]
async fn agrees_with_memory_on_tests_that_need_more_than_the_row() {
    let (_directory, source) = stored(&fixture::batches());
    agreement::on_tests_that_need_more_than_the_row(&source).await;
}

#[tokio::test]
async fn agrees_with_memory_on_attached_columns() {
    let (_directory, source) = stored(&fixture::batches());
    agreement::on_attached_columns(&source).await;
}

#[tokio::test]
async fn golden_filters_select_the_rows_they_always_did() {
    let directory = TempDir::new().unwrap();
    let loaded = golden::rows();
    let tables: Vec<Arc<StoredTable>> = loaded.iter().map(|(table, _)| Arc::clone(table)).collect();
    let lake = Lake::create_or_open(directory.path(), &tables, EPOCH).unwrap();
    for (table, batches) in &loaded {
        batches.iter().for_each(|batch| append(&lake, table.name, batch.clone()));
    }
    let source = LakeSource::new(lake);
    golden::filters_select_the_rows_they_always_did(&source).await;
    golden::agree(&MemorySource::new(loaded).unwrap(), &source).await;
}

#[tokio::test]
async fn a_read_sees_one_snapshot_and_finds_it_again() {
    let loaded = fixture::batches();
    let first = vec![(events(), vec![loaded[0].1[0].clone()]), (scores(), loaded[1].1.clone())];
    let (_directory, source) = stored(&first);
    let before = source.prepare(request(events_table())).await.unwrap();
    append(&source.lake, "events", loaded[0].1[1].clone());

    let old = MemorySource::new(first).unwrap();
    let new = MemorySource::new(loaded).unwrap();
    agrees(&new, &source, &request(events_table())).await;
    let snapshot = before.snapshot().cloned();
    assert!(snapshot.as_ref().is_some_and(|snapshot| snapshot.0.contains("events=") && snapshot.0.contains("scores=")));
    // Another store has versions of these numbers as well, of other rows.
    let (_other_directory, other) = stored(&fixture::batches());
    let kept = snapshot.clone().unwrap();
    assert_eq!((source.keeps(&kept).await.unwrap(), other.keeps(&kept).await.unwrap()), (true, false));
    let elsewhere = ReadRequest { snapshot: snapshot.clone(), ..request(events_table()) };
    assert_eq!(other.prepare(elsewhere).await.err().map(|fault| fault.kind()), Some(FaultKind::NotFound));
    let again = read_all(&source, &ReadRequest { snapshot, ..request(events_table()) }).await.unwrap();
    assert_eq!(again, read_all(&old, &request(events_table())).await.unwrap());
    let batches: Vec<RecordBatch> = before.read(KeyRange::ALL, Stop::new()).try_collect().await.unwrap();
    assert_eq!(
        keys(&concat_batches(&batches[0].schema(), &batches).unwrap()),
        keys(&read_all(&old, &request(events_table())).await.unwrap())
    );
}

async fn slice_by_slice(reading: &Arc<dyn Reading>) -> (usize, RecordBatch) {
    let slices = reading.plan(None).await.unwrap().slices;
    let mut batches = Vec::new();
    for slice in &slices {
        let rows: Vec<RecordBatch> =
            Arc::clone(reading).read(slice.range.clone(), Stop::new()).try_collect().await.unwrap();
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        assert!(count as u64 <= slice.rows.get(), "{count} rows in a slice of {}", slice.rows);
        batches.extend(rows);
    }
    (slices.len(), concat_batches(reading.schema(), &batches).unwrap())
}

#[tokio::test]
async fn many_slices_of_overlapping_files_equal_memory() {
    let loaded = vec![
        (events(), vec![bulky(0, 2500, 6_000, 1), bulky(1000, 2500, 6_000, 1), bulky(3000, 2000, 6_000, 1)]),
        (scores(), Vec::new()),
    ];
    let (_directory, source) = stored(&loaded);
    let memory = MemorySource::new(loaded).unwrap();
    let rare = Expr::compare(Expr::column("name"), CompareOp::Eq, Expr::text("rare"));
    for filter in [None, Some(rare)] {
        let request = ReadRequest { filter, ..request(events_table()) };
        let reading = source.prepare(request.clone()).await.unwrap();
        let (slices, rows) = slice_by_slice(&reading).await;
        assert!(slices >= 3, "{slices} slices");
        assert_eq!(rows, read_all(&memory, &request).await.unwrap());
    }
}

#[tokio::test]
async fn an_instant_larger_than_a_slice_is_cut_by_keys() {
    let loaded =
        vec![(events(), vec![bulky(0, 2500, 8_000, 10_000), bulky(2500, 2500, 8_000, 10_000)]), (scores(), Vec::new())];
    let (_directory, source) = stored(&loaded);
    let memory = MemorySource::new(loaded).unwrap();
    let reading = source.prepare(request(events_table())).await.unwrap();
    let (slices, rows) = slice_by_slice(&reading).await;
    assert!(slices >= 2, "{slices} slices");
    assert_eq!(rows, read_all(&memory, &request(events_table())).await.unwrap());
}

#[tokio::test]
async fn huge_rows_are_read_alone_and_refused_above_the_limit() {
    let mut rows = vec![bulky(0, 300, 500, 1), bulky(300, 2, 30_000_000, 1), bulky(302, 300, 500, 1)];
    let all = concat_batches(&rows[0].schema(), &rows).unwrap();
    rows.truncate(1);
    let loaded = vec![(events(), vec![all, rows.remove(0)]), (scores(), Vec::new())];
    let (_directory, source) = stored(&loaded);
    let memory = MemorySource::new(loaded).unwrap();
    let reading = source.prepare(request(events_table())).await.unwrap();
    let batches: Vec<RecordBatch> = reading.read(KeyRange::ALL, Stop::new()).try_collect().await.unwrap();
    let huge = |batch: &&RecordBatch| {
        let inputs = batch.column_by_name("input").unwrap().as_string::<i32>();
        inputs.iter().flatten().any(|input| input.len() > 20_000_000)
    };
    let alone: Vec<usize> = batches.iter().filter(huge).map(RecordBatch::num_rows).collect();
    assert_eq!(alone, [1, 1], "huge rows are batches of their own");
    let found = concat_batches(&batches[0].schema(), &batches).unwrap();
    assert_eq!(found, read_all(&memory, &request(events_table())).await.unwrap());

    let limited = ReadRequest { row_bytes_max: ByteCount(20_000_000), ..request(events_table()) };
    let fault = read_all(&source, &limited).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::TooLarge { limit: Some(ByteCount(20_000_000)) });
    assert!(fault.public_message().contains("s000300") || fault.public_message().contains("s000301"), "{fault}");

    // Rows that the filter drops are no reason to fail.
    let small = Expr::compare(Expr::column("span_id"), CompareOp::Less, Expr::text("s000300"));
    assert_eq!(read_all(&source, &ReadRequest { filter: Some(small), ..limited }).await.unwrap().num_rows(), 300);
}

#[tokio::test]
async fn a_version_with_another_start_moves_the_row() {
    let event = |span: &str, start: i64, version: i64| {
        json!({
            "project_id": "p1", "trace_id": "t", "span_id": span, "start_time": at(start), "event_ts": at(version),
            "updated_at": at(version),
        })
    };
    let table = events();
    let batch = |rows: &[serde_json::Value]| batch_from_json(&table, rows).unwrap();
    let loaded = vec![
        (Arc::clone(&table), vec![batch(&[event("a", 10, 1), event("b", 20, 1)]), batch(&[event("a", 30, 2)])]),
        (scores(), Vec::new()),
    ];
    let (_directory, source) = stored(&loaded);
    let ids = |rows: RecordBatch| keys(&rows).into_iter().map(|key| key.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(read_all(&source, &request(events_table())).await.unwrap()), ["a", "b"]);
    let instant = |seconds: i64| Micros(EPOCH.0 + seconds * 1_000_001);
    let old = Window::new(Some(instant(5)), Some(instant(25))).unwrap();
    assert_eq!(ids(read_all(&source, &ReadRequest { window: old, ..request(events_table()) }).await.unwrap()), ["b"]);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    // A case writes up to six files and reads them a dozen times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn agrees_with_memory_on_random_rows_and_filters(
        event_rows in arbitrary_rows(&events()),
        score_rows in arbitrary_rows(&scores()),
        filters in proptest::collection::vec(arbitrary_expr(&events_table()), 10),
        linked in proptest::collection::vec(arbitrary_expr(&linked_table()), 4),
    ) {
        let loaded = vec![(events(), event_rows), (scores(), score_rows)];
        let (_directory, source) = stored(&loaded);
        let memory = MemorySource::new(loaded).unwrap();
        block_on(async {
            agrees(&memory, &source, &request(events_table())).await;
            agrees(&memory, &source, &request(traces_table())).await;
            agrees(&memory, &source, &request(linked_table())).await;
            for filter in linked {
                agrees(&memory, &source, &ReadRequest { filter: Some(filter), ..request(linked_table()) }).await;
            }
            for (index, filter) in filters.into_iter().enumerate() {
                let cursor = if index % 2 == 0 { Cursor::StartTime } else { Cursor::Ingested };
                let to = (index % 3 == 0).then_some(Micros(EPOCH.0 + 60_000_000));
                let window = Window { from: None, to };
                agrees(&memory, &source, &ReadRequest { filter: Some(filter), cursor, window, ..request(events_table()) })
                    .await;
            }
        });
    }
}
