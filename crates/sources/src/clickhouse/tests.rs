//! What ClickHouse promises as a source, on the real engine: every promise of sources, and the same rows
//! as memory.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_select::filter::filter_record_batch;
use model::{
    ColumnType, CompareOp, Cursor, DeletedRows, Expr, Literal, Micros, PhysicalTable, Plan, RawOptions, ReadRequest,
    Relation, ScoreLevel, ScoreScope, ScoreValueTest, Source, StoredTable, TableSpec, Window,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tempfile::TempDir;

use super::engine::proxy::Proxy;
use super::engine::{Engine, engine, soak};
use super::sql::type_name;
use super::{ClickHouseOptions, ClickHouseSource};
use crate::conformance::agreement::{self, score_test};
use crate::conformance::arbitrary::{arbitrary_expr, arbitrary_rows};
use crate::conformance::fixture::{
    self, EPOCH, at, bulky, events, events_table, exported, linked_table, request, scores, traces_table,
};
use crate::conformance::{agrees, every_promise, golden, keys, read_all};
use crate::lake::LakeSource;
use crate::memory::{MemorySource, batch_from_json};

pub(super) type Loaded = Vec<(Arc<StoredTable>, Vec<RecordBatch>)>;

/// The engine, or a note that the test is left out.
macro_rules! need_engine {
    () => {
        match engine() {
            Some(engine) => engine,
            None => return eprintln!("left out: needs the stack of `cargo xtask test`"),
        }
    };
}

/// The two servers, or a note that the test is left out.
macro_rules! need_replicas {
    () => {
        match crate::clickhouse::engine::replicas() {
            Some(servers) => servers,
            None => return eprintln!("left out: needs the stack of `cargo xtask test`"),
        }
    };
}

/// So many seconds behind the epoch. Unlike times of the fixture it has no fractions of a second: scores keep
/// milliseconds.
fn instant(seconds: i64) -> Micros {
    Micros(EPOCH.0 + seconds * Micros::PER_SECOND)
}

/// The same as rows have it.
fn second(seconds: i64) -> String {
    instant(seconds).to_sql_text()
}

/// Every row of the events.
fn everything() -> ReadRequest {
    request(tables::find("events").unwrap())
}

async fn planned(source: &ClickHouseSource, asked: &ReadRequest) -> Plan {
    source.prepare(asked.clone()).await.unwrap().plan(None).await.unwrap()
}

/// Where the tables of the fixture are: where Langfuse has its own.
pub(super) fn places() -> Vec<PhysicalTable> {
    tables::clickhouse_tables()
}

/// Creates the table that holds a stored one, with the keys of Langfuse's own.
fn create(engine: &Engine, database: &str, table: &StoredTable) {
    let place = places().into_iter().find(|place| place.stored == table.name).unwrap();
    let columns = table.columns.iter().map(|column| {
        let kind = match (&column.kind, column.name) {
            (_, "is_deleted") => "UInt8".to_owned(),
            (ColumnType::Timestamp, _) => "DateTime64(6)".to_owned(),
            (kind, _) => type_name(kind),
        };
        if column.nullable { format!("{} Nullable({kind})", column.name) } else { format!("{} {kind}", column.name) }
    });
    engine.run(
        database,
        &format!(
            "CREATE TABLE {} ({}) ENGINE = ReplacingMergeTree({}, {}) PARTITION BY toYYYYMM({}) ORDER BY ({}) \
             SETTINGS enable_block_number_column = 1",
            place.name,
            columns.collect::<Vec<_>>().join(", "),
            table.version,
            table.deleted,
            table.time,
            place.sorting_key,
        ),
    );
}

fn insert(engine: &Engine, database: &str, table: &StoredTable, batch: &RecordBatch) {
    let place = places().into_iter().find(|place| place.stored == table.name).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
    writer.write(batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    engine.insert(database, &format!("INSERT INTO {} FORMAT ArrowStream", place.name), &bytes);
}

/// A database with these rows, an insert per batch.
pub(super) async fn stored(engine: &Engine, loaded: &Loaded) -> (String, ClickHouseSource) {
    let database = engine.database();
    for (table, batches) in loaded {
        create(engine, &database, table);
        for batch in batches {
            insert(engine, &database, table, batch);
        }
    }
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    (database, source)
}

#[tokio::test]
async fn keeps_every_promise_of_a_source() {
    let engine = need_engine!();
    let (_, source) = stored(engine, &fixture::batches()).await;
    agreement::every_promise_of_the_fixture(&source).await;
}

#[tokio::test]
async fn agrees_with_memory_on_tests_that_need_more_than_the_row() {
    let engine = need_engine!();
    let (_, source) = stored(engine, &fixture::batches()).await;
    agreement::on_tests_that_need_more_than_the_row(&source).await;
}

#[tokio::test]
async fn agrees_with_memory_on_attached_columns() {
    let engine = need_engine!();
    let (_, source) = stored(engine, &fixture::batches()).await;
    agreement::on_attached_columns(&source).await;
}

#[tokio::test]
async fn golden_filters_select_the_rows_they_always_did() {
    let engine = need_engine!();
    let (_, source) = langfuse(engine, &golden::rows()).await;
    golden::filters_select_the_rows_they_always_did(&source).await;
}

#[tokio::test]
async fn golden_rows_keep_every_promise_and_are_those_of_memory() {
    let engine = need_engine!();
    let (_, source) = langfuse(engine, &golden::rows()).await;
    golden::rows_keep_every_promise(&source).await;
    golden::agree(&MemorySource::new(golden::rows()).unwrap(), &source).await;
}

/// A database as a deployment of Langfuse has it, with these rows.
async fn langfuse(engine: &Engine, loaded: &Loaded) -> (String, ClickHouseSource) {
    let database = engine.database();
    engine.langfuse_tables(&database);
    for (table, batches) in loaded {
        for batch in batches {
            insert(engine, &database, table, batch);
        }
    }
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    (database, source)
}

/// A database of the server behind a proxy.
async fn through(proxy: &Proxy, database: &str) -> ClickHouseSource {
    let address = format!("clickhouse://{}/{database}", proxy.address());
    let options = ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap();
    ClickHouseSource::connect(options, places()).await.unwrap()
}

#[tokio::test]
async fn keeps_every_promise_through_a_cluster() {
    let engine = need_engine!();
    let (database, _) = stored(engine, &fixture::batches()).await;
    let options = engine.options("reader:reader-secret", &database, "cluster=one_shard");
    let source = ClickHouseSource::connect(options, places()).await.unwrap();
    every_promise(&source, &request(events_table())).await;
    every_promise(&source, &request(linked_table())).await;
    let memory = MemorySource::new(fixture::batches()).unwrap();
    let number = ScoreValueTest::Number { op: CompareOp::Greater, value: 1.0 };
    let filter = Some(score_test(ScoreLevel::Any, "quality", number));
    agrees(&memory, &source, &ReadRequest { filter, ..request(traces_table()) }).await;
}

#[tokio::test]
async fn a_version_with_another_start_moves_the_row() {
    let engine = need_engine!();
    let event = |span: &str, start: i64, version: i64, is_deleted: bool| {
        json!({
            "project_id": "p1", "trace_id": "t", "span_id": span, "start_time": at(start), "event_ts": at(version),
            "updated_at": at(version), "is_deleted": is_deleted,
        })
    };
    let table = events();
    let batch = |rows: &[serde_json::Value]| batch_from_json(&table, rows).unwrap();
    let first = batch(&[event("a", 10, 1, false), event("b", 20, 1, false), event("c", 21, 1, false)]);
    let second = batch(&[event("a", 3_000, 2, false), event("c", 40, 2, true)]);
    let loaded = vec![(Arc::clone(&table), vec![first, second]), (scores(), Vec::new())];
    let (_, source) = stored(engine, &loaded).await;
    let memory = MemorySource::new(loaded).unwrap();
    let behind = |seconds: i64| Micros(EPOCH.0 + seconds * 1_000_001);
    let windows = [
        (Window::default(), vec!["a", "b"]),
        (Window::new(Some(behind(5)), Some(behind(25))).unwrap(), vec!["b"]),
        (Window::new(Some(behind(2_999)), None).unwrap(), vec!["a"]),
    ];
    for (window, expected) in windows {
        let asked = ReadRequest { window, ..request(events_table()) };
        let rows = read_all(&source, &asked).await.unwrap();
        assert_eq!(keys(&rows).iter().map(|key| &*key.id).collect::<Vec<_>>(), expected);
        agrees(&memory, &source, &asked).await;
    }
    agrees(&memory, &source, &request(traces_table())).await;
}

#[tokio::test]
async fn a_slice_that_needs_too_much_memory_is_halved_and_goes_on() {
    let engine = need_engine!();
    // Rows at many instants, and at one that only keys can cut.
    for per_instant in [1, 10_000] {
        let loaded = vec![(events(), vec![bulky(0, 3_000, 8_000, per_instant)]), (scores(), Vec::new())];
        let (database, _) = stored(engine, &loaded).await;
        let options = engine.options("small:reader-secret", &database, "");
        let source = ClickHouseSource::connect(options, places()).await.unwrap();
        agrees(&MemorySource::new(loaded).unwrap(), &source, &request(events_table())).await;
        engine.run("default", "SYSTEM FLUSH LOGS");
        let failed = format!(
            "SELECT count() FROM system.query_log WHERE current_database = '{database}' AND exception_code = 241"
        );
        assert_ne!(engine.run("default", &failed).trim(), "0", "no query met the limit");
        let sizes = format!(
            "SELECT uniqExact(Settings['max_block_size']) FROM system.query_log WHERE current_database = '{database}' \
             AND JSONExtractString(log_comment, 'purpose') = 'rows'"
        );
        assert_ne!(engine.run("default", &sizes).trim(), "1", "blocks stayed as large as they were");
    }
}

#[tokio::test]
async fn a_score_that_was_renamed_or_moved_is_one_row() {
    a_score_is_one_row(need_engine!()).await;
}

async fn a_score_is_one_row(engine: &Engine) {
    let score = |id: &str, name: &str, given: i64, version: i64| {
        json!({
            "id": id, "timestamp": second(given), "project_id": "p1", "name": name, "data_type": "NUMERIC",
            "value": version, "trace_id": "t", "event_ts": second(version), "updated_at": second(version),
        })
    };
    let table = tables::stored_scores();
    let hour = 3_600;
    // On another day, within the day, under another name, and as it was.
    let versions = [
        vec![score("a", "n", hour, 1), score("b", "n", hour, 1), score("c", "n", hour, 1), score("d", "n", hour, 1)],
        vec![score("a", "n", 30 * hour, 2), score("b", "n", 2 * hour, 2), score("c", "other", hour, 2)],
    ];
    let batches = versions.iter().map(|rows| batch_from_json(&table, rows).unwrap()).collect();
    let loaded = vec![(Arc::clone(&table), batches)];
    let (_, source) = langfuse(engine, &loaded).await;
    let events = (tables::stored_events(), Vec::new());
    let memory = MemorySource::new(loaded.into_iter().chain([events]).collect()).unwrap();
    let asked = request(tables::find("scores").unwrap());
    assert_eq!(read_all(&source, &asked).await.unwrap().num_rows(), 4);
    for (from, to) in [(None, None), (Some(0), Some(90 * 60)), (Some(90 * 60), Some(150 * 60)), (Some(20 * hour), None)]
    {
        let window = Window::new(from.map(instant), to.map(instant)).unwrap();
        for cursor in [Cursor::StartTime, Cursor::Ingested] {
            agrees(&memory, &source, &ReadRequest { window, cursor, ..asked.clone() }).await;
        }
    }
    let scope = ScoreScope { project: asked.project.clone(), since: None };
    let scores = source.prepare(asked).await.unwrap().scores();
    let names = scores.score_names(&scope).await.unwrap();
    assert_eq!(names.iter().map(|name| name.name.as_str()).collect::<Vec<_>>(), ["n", "other"]);
    // The first look-ups ask the server, later ones what is held of it.
    for _ in 0..4 {
        let found = scores.scores(&scope, &["t", "nobody"]).await.unwrap();
        let mut found: Vec<_> = found.iter().map(|score| (&*score.id, &*score.name, score.value)).collect();
        found.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(found, [("a", "n", 2.0), ("b", "n", 2.0), ("c", "other", 2.0), ("d", "n", 1.0)]);
    }
}

#[tokio::test]
async fn a_score_name_is_known_to_the_read_that_follows_it() {
    let engine = need_engine!();
    let score = |id: &str, name: &str| {
        json!({
            "id": id, "timestamp": at(1), "project_id": "p1", "name": name, "data_type": "NUMERIC", "value": 1,
            "trace_id": "t0", "event_ts": at(1), "updated_at": at(1),
        })
    };
    let table = scores();
    let batch = |rows: &[serde_json::Value]| batch_from_json(&table, rows).unwrap();
    let loaded = vec![(events(), Vec::new()), (Arc::clone(&table), vec![batch(&[score("a", "first")])])];
    let (database, source) = stored(engine, &loaded).await;
    let asked = request(events_table());
    let scope = ScoreScope { project: asked.project.clone(), since: None };
    // No name is remembered from one read to the next: a column that is missing is data that is lost.
    for (number, expected) in [vec!["first"], vec!["first", "second"]].into_iter().enumerate() {
        if number > 0 {
            insert(engine, &database, &table, &batch(&[score("b", "second")]));
        }
        let names = source.prepare(asked.clone()).await.unwrap().scores().score_names(&scope).await.unwrap();
        assert_eq!(names.iter().map(|name| name.name.as_str()).collect::<Vec<_>>(), expected);
    }
}

/// The rows of a batch that a table can tell the order of: of several versions of a key in one insert the
/// newest. Inserts are ordered by the table, rows of one insert are not.
fn one_version_an_insert(table: &StoredTable, batch: &RecordBatch) -> RecordBatch {
    let text = |name: &str, row: usize| batch.column_by_name(name).unwrap().as_string::<i32>().value(row).to_owned();
    let versions = batch.column_by_name(table.version).unwrap().as_primitive::<TimestampMicrosecondType>();
    let mut newest: HashMap<Vec<String>, usize> = HashMap::new();
    for row in 0..batch.num_rows() {
        let best = newest.entry(table.key.iter().map(|name| text(name, row)).collect()).or_insert(row);
        if versions.value(*best) <= versions.value(row) {
            *best = row;
        }
    }
    let kept: BooleanArray = (0..batch.num_rows()).map(|row| Some(newest.values().any(|best| *best == row))).collect();
    filter_record_batch(batch, &kept).unwrap()
}

/// Random rows of events and scores, as several inserts would store them.
fn random_rows(runner: &mut TestRunner) -> Loaded {
    [events(), scores()]
        .into_iter()
        .map(|table| {
            let batches = arbitrary_rows(&table).new_tree(runner).unwrap().current();
            let batches = batches.iter().map(|batch| one_version_an_insert(&table, batch)).collect();
            (table, batches)
        })
        .collect()
}

/// Has the parts of the tables merged, so that rows are read before and after it.
fn merge(engine: &Engine, database: &str) {
    for table in ["events_full", "scores"] {
        engine.run(database, &format!("OPTIMIZE TABLE {table} FINAL"));
    }
}

fn random_filters(runner: &mut TestRunner, table: &TableSpec, count: usize) -> Vec<Expr> {
    let filters = proptest::collection::vec(arbitrary_expr(table), count);
    filters.new_tree(runner).unwrap().current()
}

#[tokio::test]
async fn agrees_with_memory_on_random_rows_and_filters() {
    let engine = need_engine!();
    let mut runner = TestRunner::deterministic();
    for case in 0..soak(4, 200) {
        let loaded = random_rows(&mut runner);
        let memory = MemorySource::new(loaded.clone()).unwrap();
        let (database, source) = stored(engine, &loaded).await;
        if case % 2 == 1 {
            merge(engine, &database);
        }
        agrees(&memory, &source, &request(events_table())).await;
        agrees(&memory, &source, &request(traces_table())).await;
        agrees(&memory, &source, &request(linked_table())).await;
        for filter in random_filters(&mut runner, &linked_table(), 4) {
            agrees(&memory, &source, &ReadRequest { filter: Some(filter), ..request(linked_table()) }).await;
        }
        for (index, filter) in random_filters(&mut runner, &events_table(), 12).into_iter().enumerate() {
            let cursor = if index % 2 == 0 { Cursor::StartTime } else { Cursor::Ingested };
            let to = (index % 3 == 0).then_some(instant(60));
            let window = Window { from: None, to };
            let asked = ReadRequest { filter: Some(filter), cursor, window, ..request(events_table()) };
            agrees(&memory, &source, &asked).await;
        }
        engine.run("default", &format!("DROP DATABASE {database}"));
    }
}

/// Whether an expression is of a kind.
type IsKind = fn(&Expr) -> bool;

/// The kinds of predicates, each with what it is recognised by.
const KINDS: [(&str, IsKind); 20] = [
    ("compare", |expr| matches!(expr, Expr::Compare { .. })),
    ("in", |expr| matches!(expr, Expr::In { .. })),
    ("text", |expr| matches!(expr, Expr::Text { .. })),
    ("has all tokens", |expr| matches!(expr, Expr::HasAllTokens { .. })),
    ("has any", |expr| matches!(expr, Expr::HasAny { .. })),
    ("has all", |expr| matches!(expr, Expr::HasAll { .. })),
    ("is null", |expr| matches!(expr, Expr::IsNull(_))),
    ("is true", |expr| matches!(expr, Expr::IsTrue(_))),
    ("and", |expr| matches!(expr, Expr::And(_))),
    ("or", |expr| matches!(expr, Expr::Or(_))),
    ("not", |expr| matches!(expr, Expr::Not(_))),
    ("coalesce", |expr| matches!(expr, Expr::Coalesce(_))),
    ("if", |expr| matches!(expr, Expr::If { .. })),
    ("millis between", |expr| matches!(expr, Expr::MillisBetween { .. })),
    ("divide", |expr| matches!(expr, Expr::Divide { .. })),
    ("map get", |expr| matches!(expr, Expr::MapGet { .. })),
    ("map sum", |expr| matches!(expr, Expr::MapSumWhereKeyContains { .. })),
    ("map keys", |expr| matches!(expr, Expr::MapKeys(_))),
    ("length", |expr| matches!(expr, Expr::Length(_))),
    ("zip get", |expr| matches!(expr, Expr::ZipGet { .. })),
];

#[tokio::test]
async fn each_kind_of_expression_means_the_same_in_three_dialects() {
    let engine = need_engine!();
    let mut runner = TestRunner::deterministic();
    let table = events_table();
    let beyond_the_row = |expr: &Expr| matches!(expr, Expr::Score(_) | Expr::InTracePosition(_));
    for _ in 0..soak(2, 60) {
        let loaded = random_rows(&mut runner);
        let memory = MemorySource::new(loaded.clone()).unwrap();
        let (database, clickhouse) = stored(engine, &loaded).await;
        let directory = TempDir::new().unwrap();
        let lake = lake(directory.path(), &loaded);
        let mut columns = Vec::new();
        for (kind, is_kind) in KINDS {
            let mut found = 0;
            while found < 4 {
                let expr = arbitrary_expr(&table).new_tree(&mut runner).unwrap().current();
                if expr.any(&|expr| is_kind(expr)) && !expr.any(&beyond_the_row) {
                    found += 1;
                    let [yes, no] = [true, false].map(|truth| Box::new(Expr::Literal(Literal::Bool(truth))));
                    let value = Expr::If { when: Box::new(expr), then: yes, otherwise: no };
                    columns.push(exported(&format!("{kind} {found}"), ColumnType::Bool, false, value));
                }
            }
        }
        let asked = ReadRequest { columns, ..request(Arc::clone(&table)) };
        agrees(&memory, &lake, &asked).await;
        agrees(&memory, &clickhouse, &asked).await;
        engine.run("default", &format!("DROP DATABASE {database}"));
    }
}

/// An embedded store with these rows, a commit per batch.
fn lake(directory: &std::path::Path, loaded: &Loaded) -> LakeSource {
    let lake = lake::Lake::create_or_open(directory, &fixture::tables(), EPOCH).unwrap();
    for (table, batches) in loaded {
        for batch in batches {
            let mut appender = lake.append_with(table.name, lake::AppendOptions::default()).unwrap();
            appender.push(batch.clone()).unwrap();
            appender.commit(EPOCH, "test").unwrap();
        }
    }
    LakeSource::new(lake)
}

mod candidates;
mod changes;
mod deleted;
mod drift;
mod ends;
mod few;
mod limits;
mod near;
mod outranked;
mod replicas;
mod scores;
mod shards;
mod sizes;
mod spread;
mod stretches;
mod v3;
mod zone;
