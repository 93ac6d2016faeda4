//! Databases that differ from the newest Langfuse: columns and tables that are not there, rights that are
//! missing.

use model::{FaultKind, ScoreScope, Source};

use super::*;

fn event(span: &str) -> serde_json::Value {
    json!({"project_id": "p1", "trace_id": "t", "span_id": span, "start_time": at(1), "input": "x", "level": "ERROR"})
}

#[tokio::test]
async fn a_column_that_an_older_langfuse_lacks_reads_as_empty_and_is_told() {
    let engine = need_engine!();
    let database = engine.database();
    engine.langfuse_tables(&database);
    engine.run(&database, "DROP VIEW events_core_mv");
    for column in ["ingestion_sdk_name", "usage_pricing_tier_id", "tool_definitions", "event_bytes"] {
        engine.run(&database, &format!("ALTER TABLE events_full DROP COLUMN {column}"));
    }
    engine.insert(&database, "INSERT INTO events_full FORMAT JSONEachRow", event("a").to_string().as_bytes());
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    let stored = tables::stored_events();
    let missing: Vec<_> = source.differences(&stored).into_iter().map(|found| (found.column, found.required)).collect();
    let expected = ["usage_pricing_tier_id", "tool_definitions", "event_bytes", "ingestion_sdk_name"];
    assert_eq!(missing, expected.map(|column| (column, false)));

    let table = tables::find("events").unwrap();
    let rows = read_all(&source, &request(Arc::clone(&table))).await.unwrap();
    assert_eq!(rows.num_rows(), 1);
    assert!(rows.column_by_name("usagePricingTierId").unwrap().is_null(0));
    assert_eq!(rows.column_by_name("toolDefinitions").unwrap().as_map().value_length(0), 0);
    assert_eq!(rows.column_by_name("ingestionSdkName").unwrap().as_string::<i32>().value(0), "unknown");
    let warnings = source.prepare(request(table)).await.unwrap().warnings().await.unwrap();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains("events_full") && expected.iter().all(|column| warning.contains(column)), "{warning}");
}

#[tokio::test]
async fn rows_of_a_layout_that_is_not_read_are_told_and_can_be_chosen() {
    let engine = need_engine!();
    let database = engine.database();
    engine.langfuse_tables(&database);
    let observation = json!({
        "project_id": "p1", "trace_id": "t", "id": "old", "type": "SPAN", "start_time": at(1), "event_ts": at(1),
        "updated_at": at(1), "created_at": at(1),
    });
    engine.insert(&database, "INSERT INTO observations FORMAT JSONEachRow", observation.to_string().as_bytes());
    let asked = request(tables::find("events").unwrap());
    let read = async |source: &ClickHouseSource, asked: &ReadRequest| {
        let rows = read_all(source, asked).await.unwrap();
        let ids: Vec<String> = keys(&rows).iter().map(|key| key.id.to_string()).collect();
        let told = source.prepare(asked.clone()).await.unwrap().warnings().await.unwrap();
        (ids.join(" "), told.into_iter().filter(|told| told.contains("layout=")).collect::<Vec<_>>())
    };
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    assert_eq!(read(&source, &asked).await, ("old".to_owned(), vec![]), "the new table is empty");

    // The deployment moves on, under a source that is connected.
    engine.insert(&database, "INSERT INTO events_full FORMAT JSONEachRow", event("new").to_string().as_bytes());
    let source = source.looking_again(places()).await.unwrap();
    let (ids, told) = read(&source, &asked).await;
    assert_eq!((&*ids, told.len()), ("new", 1));
    assert!(told[0].contains("observations (Langfuse v3)") && told[0].contains("layout=v3"), "{}", told[0]);
    let other = ReadRequest { project: model::ProjectId::new("p9"), ..asked.clone() };
    assert_eq!(read(&source, &other).await, (String::new(), vec![]), "it has no rows there");
    for (layout, id) in [("v3", "old"), ("v4", "new")] {
        let options = engine.options("default", &database, &format!("layout={layout}"));
        let source = ClickHouseSource::connect(options, places()).await.unwrap();
        assert_eq!(read(&source, &asked).await, (id.to_owned(), vec![]), "{layout} was asked for");
    }
}

#[tokio::test]
async fn a_column_that_decides_what_a_row_is_must_be_there() {
    let engine = need_engine!();
    let database = engine.database();
    engine.run(
        &database,
        "CREATE TABLE events_full (project_id String, trace_id String, span_id String, start_time DateTime64(6), \
         event_ts DateTime64(6), is_deleted UInt8) ENGINE = ReplacingMergeTree(event_ts, is_deleted) \
         ORDER BY (project_id, trace_id, span_id)",
    );
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    let asked = ReadRequest { cursor: Cursor::Ingested, ..request(tables::find("events").unwrap()) };
    let fault = source.prepare(asked).await.err().expect("a table without updated_at was accepted");
    assert_eq!(fault.kind(), FaultKind::Configuration);
    assert!(fault.public_message().contains("events_full has no column updated_at"), "{fault}");
    let missing = source.differences(&tables::stored_events());
    assert!(missing.iter().any(|difference| difference.required && difference.column == "updated_at"));
}

#[tokio::test]
async fn a_table_that_is_missing_or_may_not_be_read_is_named_when_it_is_needed() {
    let engine = need_engine!();
    let limited = engine.limited();
    engine.insert(limited, "INSERT INTO events_full FORMAT JSONEachRow", event("a").to_string().as_bytes());
    let options = engine.options("no_scores:reader-secret", limited, "");
    let source = ClickHouseSource::connect(options, places()).await.unwrap();
    let asked = request(tables::find("events").unwrap());
    assert_eq!(read_all(&source, &asked).await.unwrap().num_rows(), 1);
    let scope = ScoreScope { project: asked.project.clone(), since: None };
    let reading = source.prepare(asked).await.unwrap();
    let fault = reading.scores().score_names(&scope).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::NotFound);
    assert!(fault.public_message().contains("no table scores"), "{fault}");

    let empty = engine.database();
    let source = ClickHouseSource::connect(engine.options("default", &empty, ""), places()).await.unwrap();
    let fault = source.prepare(request(tables::find("traces").unwrap())).await.err().unwrap();
    assert!(fault.public_message().contains("no table events_full or observations"), "{fault}");
}
