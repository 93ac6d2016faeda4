//! Rows whose newest version is a deletion, where they are asked for.

use futures_util::StreamExt;
use model::{KeyRange, Stop, VersionScope};

use super::candidates::rows_read;
use super::*;
use crate::conformance::{pages_agree, ranges_agree};

const DAY: i64 = 86_400;

/// A request for deletions too; those alone where `alone`.
fn with_deletions(table: &str, cursor: Cursor, (from, to): (Option<i64>, Option<i64>), alone: bool) -> ReadRequest {
    let window = Window::new(from.map(instant), to.map(instant)).unwrap();
    let filter = alone.then(|| Expr::IsTrue(Box::new(Expr::column("is_deleted"))));
    let asked = request(tables::find(table).unwrap());
    let versions = VersionScope::All;
    ReadRequest { deleted: DeletedRows::Included, versions, window, cursor, filter, ..asked }
}

/// Versions that move by a minute, a day or a month, some of them deletions, some stored late: before and after merges,
/// by both cursors, all at once, range by range as slices are read, and in pages.
#[tokio::test]
async fn deletions_are_the_rows_that_they_are_in_memory() {
    let engine = need_engine!();
    let loaded = replicas::versions_of(|insert, is_late| 5 * insert - if is_late { 13 } else { 0 });
    let memory = MemorySource::new(loaded.clone()).unwrap();
    let (database, source) = langfuse(engine, &loaded).await;
    for is_merged in [false, true] {
        if is_merged {
            for table in ["events_full", "scores"] {
                engine.run(&database, &format!("OPTIMIZE TABLE {table} FINAL"));
            }
        }
        for table in ["events", "scores"] {
            let mut deleted = 0;
            for alone in [false, true] {
                for window in [(None, None), (Some(3), Some(7)), (Some(8), None), (None, Some(4))] {
                    let asked = with_deletions(table, Cursor::Ingested, window, alone);
                    agrees(&memory, &source, &asked).await;
                    if window == (Some(3), Some(7)) {
                        ranges_agree(&memory, &source, &asked).await;
                        pages_agree(&memory, &source, &asked).await;
                    }
                    deleted += if alone { read_all(&source, &asked).await.unwrap().num_rows() } else { 0 };
                }
                for window in [(None, None), (Some(0), Some(DAY)), (Some(39 * DAY), None)] {
                    let asked = with_deletions(table, Cursor::StartTime, window, alone);
                    agrees(&memory, &source, &asked).await;
                    pages_agree(&memory, &source, &asked).await;
                    if window == (None, None) {
                        ranges_agree(&memory, &source, &asked).await;
                    }
                }
            }
            assert!(deleted >= 10, "{table}: {deleted} deletions");
        }
    }
}

/// A deletion that is one of several in its place, or is outlived by another version, there or elsewhere.
#[tokio::test]
async fn the_newest_version_decides_whether_and_when_a_row_was_deleted() {
    let engine = need_engine!();
    let event = |span: &str, start: i64, version: i64, is_deleted: bool| {
        json!({
            "project_id": "p1", "trace_id": "t", "span_id": span, "start_time": second(start),
            "event_ts": second(version), "updated_at": second(version), "is_deleted": is_deleted,
            "input": format!("of {version}"),
        })
    };
    let table = tables::stored_events();
    let batch = |rows: &[serde_json::Value]| batch_from_json(&table, rows).unwrap();
    let versions = vec![
        batch(&[event("again", 10, 1, false), event("back", 11, 1, false), event("moved", 12, 1, false)]),
        batch(&[event("again", 10, 2, true), event("back", 11, 2, true), event("moved", 12, 2, true)]),
        batch(&[event("again", 10, 5, true), event("back", 11, 5, false), event("moved", 400 * DAY, 5, false)]),
        batch(&[event("only", 13, 2, true), event("never", 14, 2, false)]),
    ];
    let loaded = vec![(Arc::clone(&table), versions), (tables::stored_scores(), Vec::new())];
    let memory = MemorySource::new(loaded.clone()).unwrap();
    let (database, source) = langfuse(engine, &loaded).await;
    engine.run(&database, "SYSTEM STOP MERGES events_full");
    for (window, expected) in
        [((None, None), vec!["again", "only"]), ((Some(2), Some(3)), vec!["only"]), ((Some(5), Some(6)), vec!["again"])]
    {
        let asked = with_deletions("events", Cursor::Ingested, window, true);
        let rows = read_all(&source, &asked).await.unwrap();
        let mut ids: Vec<String> = keys(&rows).iter().map(|key| key.id.to_string()).collect();
        ids.sort();
        assert_eq!(ids, expected, "{window:?}");
        agrees(&memory, &source, &asked).await;
        agrees(&memory, &source, &with_deletions("events", Cursor::Ingested, window, false)).await;
    }
    // Whoever reads while a row is deleted, in its place or with another start, gets it once.
    let asked = with_deletions("events", Cursor::StartTime, (None, None), false);
    let reading = source.prepare(ReadRequest { as_of: instant(10), ..asked }).await.unwrap();
    reading.plan(None).await.unwrap();
    insert(engine, &database, &table, &batch(&[event("never", 14, 20, true), event("back", 3, 20, true)]));
    let mut ids = Vec::new();
    let mut batches = Arc::clone(&reading).read(KeyRange::ALL, Stop::new());
    while let Some(batch) = batches.next().await {
        let batch = reading.once_each(batch.unwrap()).await.unwrap();
        ids.extend(keys(&batch).iter().map(|key| key.id.to_string()));
    }
    assert_eq!(ids, ["moved", "never", "only", "back", "again"]);
    assert_eq!(reading.changed().await.unwrap().get(), 2);
}

#[tokio::test]
async fn a_few_deletions_are_found_without_reading_what_there_is() {
    let engine = need_engine!();
    const ROWS: i64 = 200_000;
    let columns = "project_id, trace_id, span_id, start_time, event_ts, updated_at, is_deleted";
    let filled = |version: i64, step: i64, is_deleted: i64| {
        let stored = instant(version).0;
        format!(
            "INSERT INTO events_full ({columns}) SELECT 'p1', concat('t', toString(intDiv(number, 8))), \
             concat('s', toString(number)), fromUnixTimestamp64Micro(toInt64({} + number * 1000000), 'UTC'), \
             fromUnixTimestamp64Micro(toInt64({stored}), 'UTC') AS stored, stored, {is_deleted} \
             FROM numbers(0, {ROWS}, {step})",
            EPOCH.0
        )
    };
    let database = engine.database();
    engine.langfuse_tables(&database);
    engine.run(&database, &filled(1, 1, 0));
    engine.run(&database, &filled(200_000, 50_000, 1));
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    for (window, expected) in [((Some(150_000), Some(250_000)), 4), ((Some(300_000), None), 0)] {
        let asked = with_deletions("events", Cursor::Ingested, window, true);
        let asked =
            ReadRequest { columns: Vec::new(), as_of: instant(300_000), versions: VersionScope::SinceWindow, ..asked };
        assert_eq!(read_all(&source, &asked).await.unwrap().num_rows(), expected, "{window:?}");
    }
    let read = rows_read(engine, &database, "rows");
    assert!(read > 0 && read < ROWS as u64, "{read} of {ROWS} rows were read for 4 deletions");
}

/// Tables that are sorted by the day keep versions of any time of it in one place.
#[tokio::test]
async fn deletions_of_version_3_are_those_of_their_day() {
    let engine = need_engine!();
    let database = engine.database();
    engine.langfuse_tables(&database);
    let hour = 3_600;
    let row = |id: &str, start: i64, version: i64, is_deleted: i64| {
        json!({
            "id": id, "project_id": "p1", "trace_id": "t", "type": "SPAN", "name": id, "start_time": second(start),
            "created_at": second(0), "updated_at": second(version), "event_ts": second(version),
            "is_deleted": is_deleted,
        })
    };
    let rows = [
        row("later", hour, 1, 1),
        row("later", 9 * hour, 2, 0),
        row("earlier", 9 * hour, 1, 0),
        row("earlier", hour, 2, 1),
        row("next day", hour, 1, 1),
        row("next day", 30 * hour, 2, 1),
        row("live", 2 * hour, 1, 0),
    ];
    v3::insert_rows(engine, &database, "observations", &rows);
    let connect =
        async |query: &str| ClickHouseSource::connect(engine.options("default", &database, query), places()).await;
    let sources = [connect("").await.unwrap(), connect("cluster=one_shard").await.unwrap()];
    assert_eq!(sources[0].physical_table(&tables::stored_events()).unwrap(), "observations");
    let windows = [
        ((None, None), vec!["next day!", "later", "live", "earlier!"]),
        ((Some(0), Some(3 * hour)), vec!["live", "earlier!"]),
        ((Some(8 * hour), Some(20 * hour)), vec!["later"]),
    ];
    for is_merged in [false, true] {
        if is_merged {
            engine.run(&database, "OPTIMIZE TABLE observations FINAL");
        }
        for (source, (window, expected)) in sources.iter().flat_map(|source| windows.iter().map(move |w| (source, w))) {
            let asked = |alone| with_deletions("observations", Cursor::StartTime, *window, alone);
            let rows = keys(&read_all(source, &asked(false)).await.unwrap());
            let deleted = keys(&read_all(source, &asked(true)).await.unwrap());
            let told: Vec<String> =
                rows.iter().map(|key| format!("{}{}", key.id, if deleted.contains(key) { "!" } else { "" })).collect();
            assert_eq!(told, *expected, "{source}: {window:?}");
        }
    }
}

/// A column may have a zone of its own: its table is sorted by the day all the same.
#[tokio::test]
async fn deletions_of_a_table_whose_times_have_a_zone_are_those_of_their_day() {
    let engine = need_engine!();
    let hour = 3_600;
    let score = |id: &str, given: i64, version: i64, is_deleted: bool| {
        json!({
            "id": id, "timestamp": second(given), "project_id": "p1", "trace_id": "t", "name": "n",
            "data_type": "NUMERIC", "value": version, "event_ts": second(version), "updated_at": second(version),
            "is_deleted": is_deleted,
        })
    };
    let table = tables::stored_scores();
    let batch = |rows: &[serde_json::Value]| batch_from_json(&table, rows).unwrap();
    // Versions of a row lie in parts of their own, whose times tell that they are not in the window of the others.
    let batches = vec![
        batch(&[score("later", hour, 1, true), score("live", 2 * hour, 1, false)]),
        batch(&[score("later", 9 * hour, 2, false), score("earlier", 9 * hour, 1, false)]),
        batch(&[score("earlier", hour, 2, true), score("twice", hour, 1, true)]),
        batch(&[score("twice", 9 * hour, 2, true)]),
    ];
    let loaded = vec![(Arc::clone(&table), batches), (tables::stored_events(), Vec::new())];
    let memory = MemorySource::new(loaded.clone()).unwrap();
    let database = engine.database();
    engine.langfuse_tables(&database);
    let created = engine.run(&database, "SHOW CREATE TABLE scores FORMAT TSVRaw");
    let with_zone = created.replace("`timestamp` DateTime64(3)", "`timestamp` DateTime64(3, 'UTC')");
    assert_ne!(created, with_zone);
    for statement in ["DROP TABLE scores SYNC", with_zone.as_str(), "SYSTEM STOP MERGES scores"] {
        engine.run(&database, statement);
    }
    loaded[0].1.iter().for_each(|batch| insert(engine, &database, &table, batch));
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    for (window, expected) in [
        ((None, None), vec!["earlier", "later", "live", "twice"]),
        ((Some(0), Some(3 * hour)), vec!["earlier", "live"]),
        ((Some(8 * hour), Some(20 * hour)), vec!["later", "twice"]),
    ] {
        let asked = with_deletions("scores", Cursor::StartTime, window, false);
        let mut ids: Vec<String> =
            keys(&read_all(&source, &asked).await.unwrap()).iter().map(|key| key.id.to_string()).collect();
        ids.sort();
        assert_eq!(ids, expected, "{window:?}");
        agrees(&memory, &source, &asked).await;
        agrees(&memory, &source, &with_deletions("scores", Cursor::StartTime, window, true)).await;
        pages_agree(&memory, &source, &asked).await;
    }
}
