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

/// Rows of version 3: a trace, an observation of it and a score of that.
fn version_3(engine: &Engine, database: &str) {
    let common = |more: serde_json::Value| {
        let mut row = json!({"project_id": "p1", "event_ts": at(1), "updated_at": at(1), "created_at": at(1)});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row.to_string()
    };
    let rows = [
        (
            "observations",
            json!({"id": "o", "trace_id": "t", "type": "SPAN", "start_time": at(2), "internal_model_id": "m",
                "prompt_name": "greeting", "name": "call", "tool_calls": ["x"]}),
        ),
        (
            "traces",
            json!({"id": "t", "timestamp": at(1), "name": "the trace", "release": "r1", "user_id": "u1",
                "session_id": "s1", "tags": ["a"]}),
        ),
        (
            "scores",
            json!({"id": "s", "timestamp": at(3), "trace_id": "t", "observation_id": "o", "name": "n", "value": 1,
                "data_type": "NUMERIC", "queue_id": "q", "author_user_id": "u9"}),
        ),
    ];
    for (table, row) in rows {
        engine.insert(database, &format!("INSERT INTO {table} FORMAT JSONEachRow"), common(row).as_bytes());
    }
}

async fn connected(engine: &Engine, user: &str, database: &str) -> ClickHouseSource {
    ClickHouseSource::connect(engine.options(user, database, ""), places()).await.unwrap()
}

/// The only row of a table of exports, and what is said of its columns.
async fn row_and_warnings(source: &ClickHouseSource, table: &str) -> (RecordBatch, Vec<String>) {
    let asked = request(tables::find(table).unwrap());
    let rows = read_all(source, &asked).await.unwrap();
    assert_eq!(rows.num_rows(), 1, "{table}");
    let warnings = source.prepare(asked).await.unwrap().warnings().await.unwrap();
    (rows, warnings)
}

#[tokio::test]
async fn columns_that_version_3_lacks_read_as_empty_and_are_told_wherever_they_come_from() {
    let engine = need_engine!();
    let database = engine.database();
    engine.langfuse_tables(&database);
    version_3(engine, &database);
    let whole = connected(engine, "default", &database).await;
    let text = |rows: &RecordBatch, name: &str| {
        let column = rows.column_by_name(name).unwrap();
        column.is_valid(0).then(|| column.as_string::<i32>().value(0).to_owned()).filter(|text| !text.is_empty())
    };
    let (rows, told) = row_and_warnings(&whole, "observations").await;
    assert_eq!(["modelId", "promptName", "userId"].map(|name| text(&rows, name).is_some()), [true; 3]);
    assert!(!told.iter().any(|told| told.contains("traces")), "{told:?}");
    let (rows, told) = row_and_warnings(&whole, "traces").await;
    assert_eq!((text(&rows, "release"), told), (Some("r1".to_owned()), vec![]));

    // Of its own name, called otherwise, of the joined table.
    for (table, column) in [
        ("observations", "prompt_name"),
        ("observations", "internal_model_id"),
        ("traces", "user_id"),
        ("traces", "release"),
        ("scores", "queue_id"),
    ] {
        engine.run(&database, &format!("ALTER TABLE {table} DROP COLUMN {column}"));
    }
    let source = whole.looking_again(places()).await.unwrap();
    let (rows, told) = row_and_warnings(&source, "observations").await;
    assert_eq!(["modelId", "promptName", "userId"].map(|name| text(&rows, name)), [None, None, None]);
    assert_eq!((text(&rows, "name"), text(&rows, "traceName")), (Some("call".into()), Some("the trace".into())));
    let says = |table: &str, column: &str| {
        let begin = format!("table {table} does not have these columns, which read as empty: ");
        let columns = told.iter().filter_map(|told| told.strip_prefix(&begin));
        columns.flat_map(|columns| columns.split(", ")).any(|told| told == column)
    };
    assert!(says("observations", "prompt_name") && says("observations", "internal_model_id"), "{told:?}");
    assert!(says("traces", "user_id") && !says("observations", "user_id") && !says("traces", "name"), "{told:?}");

    let (rows, told) = row_and_warnings(&source, "traces").await;
    assert_eq!(["release", "userId"].map(|name| text(&rows, name)), [None, None]);
    assert_eq!((text(&rows, "name"), text(&rows, "sessionId")), (Some("the trace".into()), Some("s1".into())));
    let lacking = "tables observations and traces do not have these columns, which read as empty: release, user_id";
    assert_eq!(told, [lacking]);
    let (rows, told) = row_and_warnings(&source, "sessions").await;
    assert_eq!(rows.column_by_name("userIds").unwrap().as_list::<i32>().value_length(0), 0);
    assert_eq!(told, [lacking.replace("release, ", "")]);

    let (rows, told) = row_and_warnings(&source, "scores").await;
    assert_eq!(["queueId", "authorUserId"].map(|name| text(&rows, name)), [None, Some("u9".to_owned())]);
    let of_scores = "table scores does not have these columns, which read as empty: queue_id".to_owned();
    assert_eq!(told, [of_scores, lacking.replace("release, ", "")], "of the traces that they show, too");
}

#[tokio::test]
async fn a_column_of_version_3_without_which_no_row_is_known_is_named() {
    let engine = need_engine!();
    for (table, column, asked) in [
        ("observations", "updated_at", "events"),
        ("traces", "updated_at", "traces"),
        ("traces", "updated_at", "sessions"),
        // Joined to the rows.
        ("traces", "updated_at", "observations"),
        ("scores", "updated_at", "scores"),
        ("scores", "data_type", "scores"),
    ] {
        let database = engine.database();
        engine.langfuse_tables(&database);
        version_3(engine, &database);
        engine.run(&database, &format!("ALTER TABLE {table} DROP COLUMN {column}"));
        let source = connected(engine, "default", &database).await;
        let fault = match source.prepare(request(tables::find(asked).unwrap())).await {
            Err(fault) => fault,
            Ok(_) => panic!("{asked} were read without {table}.{column}"),
        };
        assert_eq!(fault.kind(), FaultKind::Configuration, "{fault}");
        assert!(fault.public_message().contains(&format!("table {table} has no column {column}")), "{asked}: {fault}");
    }
}

#[tokio::test]
async fn traces_that_may_not_be_read_are_named_and_rows_come_without_them() {
    let engine = need_engine!();
    engine.deployment("untraced");
    version_3(engine, "untraced");
    let source = connected(engine, "no_traces:reader-secret", "untraced").await;
    let asked = request(tables::find("observations").unwrap());
    let fault_of = async |asked: &ReadRequest| read_all(&source, asked).await.expect_err("traces may not be read");
    let fault = fault_of(&asked).await;
    assert_eq!(fault.kind(), FaultKind::NotFound);
    assert!(fault.public_message().contains("no table traces to read"), "{fault}");
    assert!(fault.public_hint().is_some_and(|hint| hint.contains("SELECT on traces")), "{fault:?}");
    let of_their_own: Vec<_> = ["id", "name", "modelId"].iter().map(|name| asked.table.column(name).unwrap()).collect();
    let columns = of_their_own.into_iter().cloned().collect();
    assert_eq!(read_all(&source, &ReadRequest { columns, ..asked.clone() }).await.unwrap().num_rows(), 1);
    let filter = Expr::compare(Expr::column("user_id"), CompareOp::Eq, Expr::text("u1"));
    fault_of(&ReadRequest { columns: Vec::new(), filter: Some(filter), ..asked }).await;
    // Traces without their own rows would be others.
    for table in ["traces", "sessions"] {
        let fault = fault_of(&request(tables::find(table).unwrap())).await;
        assert!(fault.public_message().contains("has no table traces to read events from"), "{table}: {fault}");
    }
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
