//! Pages: rows at an end of a range are those that a read of everything has there.

use model::{End, KeyRange, Reading, RowCount, Stop};

use super::candidates::{all_logged, rows_read};
use super::*;
use crate::clickhouse::few::FewReader;
use crate::clickhouse::reading::ClickHouseReading;
use crate::conformance::{few_rows, pages_agree};

/// Tests of rows that need more than the row, and one of the groups.
fn filters_of(runner: &mut TestRunner, table: &TableSpec) -> Vec<Expr> {
    let above = ScoreValueTest::Number { op: CompareOp::Greater, value: 1.0 };
    let scored = score_test(ScoreLevel::Any, "quality", above);
    match table.relation {
        Relation::Stored(_) => {
            let first = Expr::InTracePosition(model::TracePosition::FromStart(1));
            let mut filters = random_filters(runner, table, soak(2, 20));
            filters.extend([scored.clone(), scored.negate(), first]);
            filters
        }
        // Random ones are over stored columns.
        Relation::Grouped(_) => {
            let few = Expr::compare(Expr::column("count"), CompareOp::Less, Expr::Literal(Literal::Int(5)));
            vec![scored.clone(), scored.negate(), few]
        }
    }
}

#[tokio::test]
async fn pages_are_those_of_memory_on_random_rows_and_filters() {
    let engine = need_engine!();
    let mut runner = TestRunner::deterministic();
    for case in 0..soak(2, 60) {
        let loaded = random_rows(&mut runner);
        let memory = MemorySource::new(loaded.clone()).unwrap();
        let (database, source) = stored(engine, &loaded).await;
        if case % 2 == 1 {
            merge(engine, &database);
        }
        for table in [events_table(), traces_table(), linked_table()] {
            let filters = filters_of(&mut runner, &table);
            for (number, filter) in filters.into_iter().map(Some).chain([None]).enumerate() {
                let cursor = if number % 2 == 0 { Cursor::StartTime } else { Cursor::Ingested };
                let to = (number % 3 == 0).then_some(instant(60));
                let window = Window { from: None, to };
                let asked = ReadRequest { filter, cursor, window, ..request(Arc::clone(&table)) };
                pages_agree(&memory, &source, &asked).await;
            }
        }
        engine.run("default", &format!("DROP DATABASE {database}"));
    }
}

/// A row's versions, of which the newest starts elsewhere, is in another session, or is a deletion.
#[tokio::test]
async fn pages_have_no_version_that_another_one_outranks() {
    let engine = need_engine!();
    let event = |trace: &str, span: &str, session: &str, start: i64, version: i64, is_deleted: bool| {
        json!({
            "project_id": "p1", "trace_id": trace, "span_id": span, "session_id": session, "name": span,
            "start_time": second(start), "event_ts": second(version), "updated_at": second(version),
            "created_at": second(0), "is_deleted": is_deleted,
        })
    };
    let score = |id: &str, trace: &str, given: i64, version: i64| {
        json!({
            "id": id, "timestamp": second(given), "project_id": "p1", "name": "n", "data_type": "NUMERIC", "value": 1,
            "trace_id": trace, "event_ts": second(version), "updated_at": second(version), "created_at": second(0),
        })
    };
    // Far apart, so that a part holds one version and not the other.
    let day = 86_400;
    let (events, scores) = (tables::stored_events(), tables::stored_scores());
    let old: Vec<_> = (0..40)
        .flat_map(|n| {
            let trace = format!("t{n}");
            ["a", "b"].map(|span| event(&trace, span, &format!("s{}", n % 5), n * day, 1, false))
        })
        .collect();
    let newer: Vec<_> = (0..40)
        .filter(|n| n % 3 == 0)
        .flat_map(|n| {
            let trace = format!("t{n}");
            let moved = event(&trace, "a", &format!("s{}", n % 7), (40 - n) * day + 7, 2, false);
            [moved, event(&trace, "b", "", n * day + 9, 3, n % 2 == 0)]
        })
        .collect();
    let given: Vec<_> = (0..40).map(|n| score(&format!("sc{n}"), &format!("t{n}"), n * day, 1)).collect();
    let corrected: Vec<_> =
        (0..40).step_by(4).map(|n| score(&format!("sc{n}"), &format!("t{}", n + 1), (40 - n) * day, 2)).collect();
    let batch = |table: &StoredTable, rows: &[serde_json::Value]| batch_from_json(table, rows).unwrap();
    let loaded = vec![
        (Arc::clone(&events), vec![batch(&events, &old), batch(&events, &newer)]),
        (Arc::clone(&scores), vec![batch(&scores, &given), batch(&scores, &corrected)]),
    ];
    let (_, source) = langfuse(engine, &loaded).await;
    let memory = MemorySource::new(loaded).unwrap();
    for name in ["events", "observations", "traces", "sessions", "scores"] {
        let asked = request(tables::find(name).unwrap());
        pages_agree(&memory, &source, &asked).await;
        let window = Window::new(Some(instant(8 * day)), Some(instant(31 * day))).unwrap();
        pages_agree(&memory, &source, &ReadRequest { window, ..asked }).await;
    }
}

/// What a filter looks at and what a column is made of may be of one table.
#[tokio::test]
async fn pages_have_no_outranked_version_of_what_their_rows_are_linked_with() {
    let engine = need_engine!();
    let event = |trace: &str, span: &str, start: i64, version: i64| {
        json!({
            "project_id": "p1", "trace_id": trace, "span_id": span, "name": span, "note": "link", "balance": 1,
            "start_time": at(start), "event_ts": at(version), "updated_at": at(version),
        })
    };
    let table = events();
    let batch = |rows: &[serde_json::Value]| batch_from_json(&table, rows).unwrap();
    // Both versions start before the window, and are in another trace.
    let old = batch(&[event("t", "row", 500, 1), event("u", "link", 50, 1)]);
    let loaded = vec![(events(), vec![old, batch(&[event("u", "link", 60, 2)])]), (scores(), Vec::new())];
    let (_, source) = stored(engine, &loaded).await;
    let memory = MemorySource::new(loaded).unwrap();
    let first = Some(Expr::InTracePosition(model::TracePosition::FromStart(1)));
    let window = Window::new(Some(Micros(EPOCH.0 + 300 * Micros::PER_SECOND)), None).unwrap();
    let asked = ReadRequest { filter: first, window, ..request(linked_table()) };
    assert_eq!(read_all(&memory, &asked).await.unwrap().num_rows(), 1);
    pages_agree(&memory, &source, &asked).await;
}

#[tokio::test]
async fn a_page_is_full_although_rows_of_it_are_deleted_once_their_positions_are_found() {
    let engine = need_engine!();
    let event = |n: i64, version: i64| {
        json!({
            "project_id": "p1", "trace_id": "t", "span_id": format!("s{n}"), "start_time": at(n),
            "event_ts": at(version), "updated_at": at(version), "is_deleted": version > 1,
        })
    };
    let table = events();
    let batch = |rows: &[serde_json::Value]| batch_from_json(&table, rows).unwrap();
    let all: Vec<_> = (0..60).map(|n| event(n, 1)).collect();
    let (database, source) = stored(engine, &vec![(events(), vec![batch(&all)]), (scores(), Vec::new())]).await;
    let reading = ClickHouseReading::new(request(events_table()), &source.database, &source.client).unwrap();
    let reading = Arc::new(reading);
    let mut page = FewReader::new(Arc::clone(&reading), KeyRange::ALL, End::First, RowCount(5), Stop::new());
    assert!(page.look().await.unwrap());
    insert(engine, &database, &table, &batch(&[event(58, 2), event(55, 2)]));
    let mut ids = Vec::new();
    while let Some(rows) = page.next().await.unwrap() {
        ids.extend(keys(&rows).iter().map(|key| key.id.to_string()));
    }
    assert_eq!(ids, ["s59", "s57", "s56", "s54", "s53"]);
    reading.close().await.unwrap();
}

#[tokio::test]
async fn threads_share_the_rows_of_a_page_and_not_those_of_a_slice() {
    let engine = need_engine!();
    let (database, source) = langfuse(engine, &ends::rows(-1, 0)).await;
    let asked = request(tables::find("events").unwrap());
    let reading = source.prepare(asked.clone()).await.unwrap();
    assert_eq!(few_rows(&reading, KeyRange::ALL, End::First, 4).await.num_rows(), 4);
    reading.close().await.unwrap();
    assert_eq!(read_all(&source, &asked).await.unwrap().num_rows(), 10);
    all_logged(engine, &database);
    let [layers, task] = ["split_intersecting_parts_ranges_into_layers_final", "merge_tree_min_read_task_size"];
    let settings = format!(
        "SELECT Settings['{layers}'], Settings['{task}'] FROM system.query_log WHERE type = 'QueryFinish' \
         AND has(databases, '{database}') AND JSONExtractString(log_comment, 'purpose') = 'rows' \
         ORDER BY query_start_time_microseconds FORMAT TSV"
    );
    // What was left alone is not told.
    assert_eq!(engine.run("default", &settings), "\t1\n0\t\n", "of the page, then of the slice");
}

/// Traces of so many events that take turns between users, a minute from one event to the next.
const EVENTS: i64 = 16_000;
const OF_TRACE: i64 = 8;
const USERS: i64 = 160;

/// Events of users whose rows lie far apart, and versions of some: in their place, elsewhere, and deletions.
fn of_users() -> [Vec<serde_json::Value>; 2] {
    let event = |n: i64, start: i64, version: i64, is_deleted: bool| {
        let trace = n / OF_TRACE;
        json!({
            "project_id": "p1", "trace_id": format!("t{trace}"), "span_id": format!("s{n}"),
            "user_id": format!("u{}", trace % USERS), "name": format!("version {version}"), "start_time": second(start),
            "event_ts": second(version), "updated_at": second(version), "created_at": second(0),
            "is_deleted": is_deleted,
        })
    };
    let hundred_days = 100 * 86_400;
    let newer = (0..EVENTS).step_by(9).map(|n| match n % 27 {
        0 => event(n, n * 60 + hundred_days, 2, false),
        9 => event(n, n * 60, 2, true),
        _ => event(n, n * 60, 2, false),
    });
    [(0..EVENTS).map(|n| event(n, n * 60, 1, false)).collect(), newer.collect()]
}

/// A deployment whose granules have 64 rows, with these events, an insert per list.
async fn in_small_granules(
    engine: &Engine,
    rows: &[Vec<serde_json::Value>],
) -> (String, ClickHouseSource, MemorySource) {
    let database = engine.database();
    engine.langfuse_tables(&database);
    for statement in [
        "DROP VIEW events_core_mv",
        "RENAME TABLE events_full TO events_of_large_granules",
        "CREATE TABLE events_full AS events_of_large_granules ENGINE = ReplacingMergeTree(event_ts, is_deleted) \
         PARTITION BY toYYYYMM(start_time) PRIMARY KEY (project_id, toStartOfMinute(start_time), xxHash32(trace_id)) \
         ORDER BY (project_id, toStartOfMinute(start_time), xxHash32(trace_id), span_id, start_time) \
         SETTINGS enable_block_number_column = 1, index_granularity = 64",
    ] {
        engine.run(&database, statement);
    }
    let events = tables::stored_events();
    let batches: Vec<RecordBatch> = rows.iter().map(|rows| batch_from_json(&events, rows).unwrap()).collect();
    batches.iter().for_each(|batch| insert(engine, &database, &events, batch));
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    (database, source, MemorySource::new(vec![(events, batches)]).unwrap())
}

fn of_user(user: &str) -> ReadRequest {
    let filter = Expr::compare(Expr::column("user_id"), CompareOp::Eq, Expr::text(user));
    ReadRequest { filter: Some(filter), ..request(tables::find("events").unwrap()) }
}

#[tokio::test]
async fn pages_of_rows_that_lie_far_apart_are_those_of_memory() {
    let engine = need_engine!();
    let (database, source, memory) = in_small_granules(engine, &of_users()).await;
    for merged in [false, true] {
        if merged {
            merge(engine, &database);
        }
        for user in ["u0", "u7"] {
            pages_agree(&memory, &source, &of_user(user)).await;
        }
    }
}

#[tokio::test]
async fn a_page_of_few_traces_is_found_by_them() {
    let engine = need_engine!();
    let [events, _] = of_users();
    let (database, source, _) = in_small_granules(engine, &[events]).await;
    let reading = source.prepare(of_user("u7")).await.unwrap();
    assert_eq!(few_rows(&reading, KeyRange::ALL, End::First, 100).await.num_rows(), 100);
    reading.close().await.unwrap();
    // An index of a hundred ids alone leaves out a third of the granules, and those are neighbours of others.
    let read = rows_read(engine, &database, "rows");
    assert!(read > 0 && read < 10_000, "{read} of {EVENTS} rows were read for those of 13 traces");
}
