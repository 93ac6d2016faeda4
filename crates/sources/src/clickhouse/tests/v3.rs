//! The tables of Langfuse 3: the same exports as from the events that its migration makes of them.

use model::{ProjectId, TableSpec};
use serde_json::Value;

use super::*;
use crate::conformance::pages_agree;

fn merged(base: &Value, more: &Value) -> Value {
    let mut row = base.as_object().unwrap().clone();
    row.extend(more.as_object().unwrap().clone());
    Value::Object(row)
}

/// What a row of both versions has.
fn common(version: i64) -> Value {
    json!({
        "project_id": "p1", "environment": "production", "created_at": second(0), "updated_at": second(version),
        "event_ts": second(version),
    })
}

/// An observation as version 3 keeps it, and as an event without what its trace says.
fn observation(n: i64, trace: &str, parent: Option<&str>, version: i64) -> (Value, Value) {
    let shared = merged(
        &common(version),
        &json!({
            "trace_id": trace, "type": "GENERATION", "name": format!("call {n} v{version}"),
            "start_time": second(10 * n), "end_time": second(10 * n + 3), "level": "DEFAULT",
            "usage_details": {"input": n, "output": 2, "total": n + 2},
            "cost_details": {"input": "0.000000000001", "total": "1.5"}, "prompt_version": 3, "tool_calls": ["x"],
        }),
    );
    let old = merged(
        &shared,
        &json!({
            "id": format!("o{n}"), "parent_observation_id": parent, "metadata": {"k": "v"}, "internal_model_id": "m1",
            "input": "question", "output": null, "version": null,
        }),
    );
    let event = merged(
        &shared,
        &json!({
            "span_id": format!("o{n}"), "parent_span_id": parent.unwrap_or_default(), "model_id": "m1",
            "metadata_names": ["k"], "metadata_values": ["v"], "input": "question",
        }),
    );
    (old, event)
}

/// A trace as version 3 keeps it, and as the root of its events.
fn trace(n: i64) -> (Value, Value) {
    let (name, user, session) = (format!("trace {n}"), format!("u{n}"), "session");
    let shared = merged(
        &common(5),
        &json!({
            "name": name, "user_id": user, "session_id": session, "release": "r1", "version": "7", "bookmarked": n == 1,
            "public": true, "tags": ["b", "a"], "input": format!("in {n}"), "output": "out",
        }),
    );
    let old =
        merged(&shared, &json!({"id": format!("t{n}"), "timestamp": second(10 * n - 1), "metadata": {"region": "eu"}}));
    let event = merged(
        &shared,
        &json!({
            "trace_id": format!("t{n}"), "span_id": format!("t-t{n}"), "start_time": second(10 * n - 1),
            "trace_name": name, "metadata_names": ["region"], "metadata_values": ["eu"],
        }),
    );
    (old, event)
}

pub(super) fn insert_rows(engine: &Engine, database: &str, table: &str, rows: &[Value]) {
    for row in rows {
        let statement = format!("INSERT INTO {table} SETTINGS session_timezone = 'UTC' FORMAT JSONEachRow");
        engine.insert(database, &statement, row.to_string().as_bytes());
    }
}

fn memory(events: &[Value]) -> MemorySource {
    let table = tables::stored_events();
    let batch = batch_from_json(&table, events).unwrap();
    MemorySource::new(vec![(table, vec![batch]), (tables::stored_scores(), Vec::new())]).unwrap()
}

fn whole(table: Arc<TableSpec>) -> ReadRequest {
    ReadRequest { project: ProjectId::new("p1"), ..request(table) }
}

#[tokio::test]
async fn tables_of_version_3_give_the_rows_of_the_events_they_become() {
    give_the_rows_of_the_events_they_become(need_engine!()).await;
}

pub(super) async fn give_the_rows_of_the_events_they_become(engine: &Engine) {
    let database = engine.database();
    engine.langfuse_tables(&database);
    let observations = [
        observation(1, "t1", None, 1),
        observation(1, "t1", None, 2),
        observation(2, "t1", Some("o1"), 1),
        observation(3, "t2", None, 1),
    ];
    let traces = [trace(1), trace(2), trace(4)];
    insert_rows(engine, &database, "observations", &observations.clone().map(|(old, _)| old));
    insert_rows(engine, &database, "traces", &traces.clone().map(|(old, _)| old));
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    assert_eq!(source.physical_table(&tables::stored_events()).unwrap(), "observations");

    // As rows, observations show what their trace says of itself.
    let of_trace = |id: &str| {
        let n: i64 = id[1..].parse().unwrap();
        let (_, trace) = trace(n);
        let names = ["user_id", "session_id", "release", "tags", "public", "trace_name"];
        Value::Object(names.map(|name| (name.to_owned(), trace[name].clone())).into_iter().collect())
    };
    let rows: Vec<Value> =
        observations.iter().map(|(_, event)| merged(event, &of_trace(event["trace_id"].as_str().unwrap()))).collect();
    let table = tables::find("observations").unwrap();
    agrees(&memory(&rows), &source, &whole(Arc::clone(&table))).await;
    pages_agree(&memory(&rows), &source, &whole(Arc::clone(&table))).await;
    let filter = Expr::compare(Expr::column("user_id"), CompareOp::Eq, Expr::text("u2"));
    let filtered = ReadRequest { filter: Some(filter), ..whole(table) };
    agrees(&memory(&rows), &source, &filtered).await;
    pages_agree(&memory(&rows), &source, &filtered).await;

    // In groups the trace is the root.
    let roots: Vec<Value> = traces.iter().map(|(_, event)| event.clone()).collect();
    let memory = memory(&groups_of(&roots, &observations, &|_| "session"));
    for name in ["traces", "sessions"] {
        let table = tables::find(name).unwrap();
        let window = Window::new(Some(instant(15)), None).unwrap();
        for asked in [whole(Arc::clone(&table)), ReadRequest { window, ..whole(table) }] {
            agrees(&memory, &source, &asked).await;
            pages_agree(&memory, &source, &asked).await;
        }
    }
}

#[tokio::test]
async fn traces_without_observations_are_found_read_and_told() {
    let engine = need_engine!();
    let database = engine.database();
    engine.langfuse_tables(&database);
    let traces = [trace(1), trace(2)];
    insert_rows(engine, &database, "traces", &traces.clone().map(|(old, _)| old));
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    assert_eq!(source.physical_table(&tables::stored_events()).unwrap(), "observations", "the new tables are empty");
    let roots = traces.map(|(_, event)| event);
    let memory = memory(&roots);
    let [project, nobody] = ["p1", "p9"].map(ProjectId::new);
    for name in ["traces", "sessions"] {
        let asked = whole(tables::find(name).unwrap());
        assert!(source.has_project(&project, &asked.table).await.unwrap(), "{name}");
        assert!(!source.has_project(&nobody, &asked.table).await.unwrap(), "{name}");
        agrees(&memory, &source, &asked).await;
        pages_agree(&memory, &source, &asked).await;
    }
    // A trace of version 3 is no observation.
    let observations = whole(tables::find("observations").unwrap());
    assert!(!source.has_project(&project, &observations.table).await.unwrap());

    // The deployment moves on: what it leaves behind are rows of groups alone.
    let (_, moved) = trace(3);
    insert_rows(engine, &database, "events_full", &[moved]);
    let source = source.looking_again(places()).await.unwrap();
    assert_eq!(source.physical_table(&tables::stored_events()).unwrap(), "events_full");
    for (name, is_told) in [("traces", true), ("sessions", true), ("observations", false), ("events", false)] {
        let reading = source.prepare(whole(tables::find(name).unwrap())).await.unwrap();
        let told = reading.warnings().await.unwrap();
        let told: Vec<&String> = told.iter().filter(|told| told.contains("layout=v3")).collect();
        assert_eq!(told.len(), usize::from(is_told), "{name}: {told:?}");
        assert!(told.iter().all(|told| told.contains("table traces (Langfuse v3)")), "{name}: {told:?}");
    }
}

/// The members of groups that these versions of traces and observations are: a trace is the root of its own.
fn groups_of(
    traces: &[Value],
    observations: &[(Value, Value)],
    session_of: &dyn Fn(&str) -> &'static str,
) -> Vec<Value> {
    let mut members = traces.to_vec();
    members.extend(observations.iter().map(|(_, event)| {
        let trace = event["trace_id"].as_str().unwrap();
        let parent = event["parent_span_id"].as_str().filter(|parent| !parent.is_empty());
        let parent = parent.map_or_else(|| format!("t-{trace}"), str::to_owned);
        merged(event, &json!({"parent_span_id": parent, "session_id": session_of(trace)}))
    }));
    members
}

#[tokio::test]
async fn an_observation_that_moved_or_became_another_type_is_one_row() {
    let (by_start, by_storing) = (Cursor::StartTime, Cursor::Ingested);
    // Of all, of what had not moved yet and what did, and of each version's time.
    let windows = [
        (by_start, None, None),
        (by_start, Some(0), Some(60)),
        (by_start, Some(60), None),
        (by_storing, None, None),
        (by_storing, None, Some(2)),
        (by_storing, Some(2), Some(3)),
        (by_storing, Some(3), None),
    ];
    is_one_row_wherever_it_moves(need_engine!(), &windows).await;
}

/// Versions of observations in other months, at other times of a day, and of another type, read in windows of seconds.
pub(super) async fn is_one_row_wherever_it_moves(engine: &Engine, windows: &[(Cursor, Option<i64>, Option<i64>)]) {
    let database = engine.database();
    engine.langfuse_tables(&database);
    let day = 86_400;
    let version = |n: i64, trace: &str, version: i64, start: i64, kind: &str, is_deleted: bool| {
        let (old, event) = observation(n, trace, None, version);
        let changed =
            json!({"start_time": second(start), "end_time": second(start + 3), "type": kind, "is_deleted": is_deleted});
        (merged(&old, &changed), merged(&event, &changed))
    };
    let observations = [
        version(1, "t1", 1, 10, "SPAN", false),
        version(1, "t1", 2, 40 * day, "SPAN", false),
        version(2, "t1", 1, 20, "SPAN", false),
        version(2, "t1", 3, 80, "GENERATION", false),
        // Comes late.
        version(2, "t1", 2, 50 * day, "SPAN", false),
        version(3, "t2", 1, 30, "SPAN", false),
        version(3, "t2", 2, 30, "TOOL", false),
        version(4, "t2", 1, 40, "SPAN", false),
        version(4, "t2", 2, 45 * day, "SPAN", true),
        // Back where it was, and without a trace of its own.
        version(5, "t3", 1, 50, "SPAN", false),
        version(5, "t3", 2, 20 * day, "SPAN", false),
        version(5, "t3", 3, 50, "SPAN", false),
    ];
    let traces = [trace(1), trace(2)];
    for (old, _) in &observations {
        insert_rows(engine, &database, "observations", std::slice::from_ref(old));
    }
    insert_rows(engine, &database, "traces", &traces.clone().map(|(old, _)| old));
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();

    let roots: Vec<Value> = traces.iter().map(|(_, event)| event.clone()).collect();
    let rows: Vec<Value> = observations
        .iter()
        .map(|(_, event)| match roots.iter().find(|root| root["trace_id"] == event["trace_id"]) {
            None => event.clone(),
            Some(root) => {
                let names = ["user_id", "session_id", "release", "tags", "public", "trace_name"];
                let told = names.map(|name| (name.to_owned(), root[name].clone())).into_iter().collect();
                merged(event, &Value::Object(told))
            }
        })
        .collect();
    let session_of = |trace: &str| if trace == "t3" { "" } else { "session" };
    let (rows, groups) = (memory(&rows), memory(&groups_of(&roots, &observations, &session_of)));
    for is_merged in [false, true] {
        if is_merged {
            engine.run(&database, "OPTIMIZE TABLE observations FINAL");
        }
        for (name, memory) in [("observations", &rows), ("traces", &groups), ("sessions", &groups)] {
            for &(cursor, from, to) in windows {
                let window = Window::new(from.map(instant), to.map(instant)).unwrap();
                let asked = ReadRequest { window, cursor, ..whole(tables::find(name).unwrap()) };
                agrees(memory, &source, &asked).await;
                // A page takes a dozen reads of its own; what is merged leaves less to be told apart.
                if window == Window::default() && !is_merged {
                    pages_agree(memory, &source, &asked).await;
                }
            }
        }
    }
    let counted = read_all(&source, &whole(tables::find("observations").unwrap())).await.unwrap();
    assert_eq!(counted.num_rows(), 4);
}

/// Langfuse's migration stores `{}` in the event; its exports of observations show null.
#[tokio::test]
async fn parameters_that_are_null_are_empty_ones_in_events_and_null_in_observations() {
    let engine = need_engine!();
    let database = engine.database();
    engine.langfuse_tables(&database);
    let numbered = || (1..).zip([Some(r#"{"temperature":0}"#), None, Some("{}")]);
    let old = numbered().map(|(n, parameters)| {
        let (old, _) = observation(n, "t1", None, 1);
        merged(&old, &json!({"model_parameters": parameters}))
    });
    insert_rows(engine, &database, "observations", &old.collect::<Vec<_>>());
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    let scheduled = |name: &str| Arc::clone(&tables::scheduled::find(name).unwrap().table);
    for (table, where_null) in [
        (tables::find("events").unwrap(), "{}"),
        (scheduled("events"), "{}"),
        (tables::find("observations").unwrap(), ""),
        (scheduled("observations"), ""),
    ] {
        let events = numbered().map(|(n, parameters)| {
            let (_, event) = observation(n, "t1", None, 1);
            merged(&event, &json!({"model_parameters": parameters.unwrap_or(where_null)}))
        });
        let memory = memory(&events.collect::<Vec<_>>());
        let is_wanted = |name: &str| ["id", "modelParameters", "model_parameters"].contains(&name);
        let columns = table.columns.iter().filter(|column| is_wanted(&column.name)).cloned().collect();
        let asked = ReadRequest { columns, ..whole(table) };
        agrees(&memory, &source, &asked).await;
        pages_agree(&memory, &source, &asked).await;
    }
}

/// A trace whose start was corrected is there in a version for each day; its observations take their columns from the
/// newest one, and come once.
#[tokio::test]
async fn a_trace_that_moved_to_another_day_joins_its_observations_once() {
    joins_its_observations_once(need_engine!()).await;
}

pub(super) async fn joins_its_observations_once(engine: &Engine) {
    let database = engine.database();
    engine.langfuse_tables(&database);
    let MovedTraces { traces, observations, rows } = traces_that_moved();
    insert_rows(engine, &database, "observations", &observations);
    insert_rows(engine, &database, "traces", &traces);
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    let clustered = engine.options("default", &database, "cluster=one_shard");
    let clustered = ClickHouseSource::connect(clustered, places()).await.unwrap();
    for is_merged in [false, true] {
        if is_merged {
            engine.run(&database, "OPTIMIZE TABLE traces FINAL");
            engine.run(&database, "OPTIMIZE TABLE observations FINAL");
        }
        for source in [&source, &clustered] {
            agree_on_observations(source, &rows).await;
            if !is_merged {
                pages_agree(&memory(&rows), source, &whole(tables::find("observations").unwrap())).await;
            }
        }
    }
}

/// Versions of traces, what is observed of them, and the events that the observations are.
pub(super) struct MovedTraces {
    pub(super) traces: Vec<Value>,
    pub(super) observations: Vec<Value>,
    pub(super) rows: Vec<Value>,
}

/// Traces whose start was corrected, one of them deleted there.
pub(super) fn traces_that_moved() -> MovedTraces {
    let version = |n: i64, start: i64, event: i64, name: &str, is_deleted: bool| {
        let changed = json!({
            "timestamp": second(start), "event_ts": second(event), "updated_at": second(event), "name": name,
            "is_deleted": is_deleted,
        });
        merged(&trace(n).0, &changed)
    };
    let day = 86_400;
    let traces = vec![
        // Moved by a day, by two months, and back again; the older version of one comes late.
        version(1, 9, 5, "first", false),
        version(1, day, 6, "newest", false),
        version(1, 9, 4, "late", false),
        version(2, 19, 5, "first", false),
        version(2, 60 * day, 6, "second", false),
        version(2, 19, 7, "newest", false),
        // Moved and deleted there.
        version(3, 29, 5, "first", false),
        version(3, day, 6, "second", false),
        version(3, day, 7, "gone", true),
    ];
    let observed = [("t1", 1), ("t1", 2), ("t2", 3), ("t3", 4)].map(|(trace, n)| observation(n, trace, None, 1));
    let rows = observed.iter().map(|(_, event)| {
        let n: i64 = event["trace_id"].as_str().unwrap()[1..].parse().unwrap();
        if n == 3 {
            return event.clone();
        }
        let (_, root) = trace(n);
        let names = ["user_id", "session_id", "release", "tags", "public"];
        let told = names.map(|name| (name.to_owned(), root[name].clone())).into_iter().collect();
        merged(&merged(event, &Value::Object(told)), &json!({"trace_name": "newest"}))
    });
    let rows = rows.collect();
    MovedTraces { traces, observations: observed.map(|(old, _)| old).into(), rows }
}

/// Asserts that a source has these observations, each once, and finds them by what their traces say.
pub(super) async fn agree_on_observations(source: &ClickHouseSource, rows: &[Value]) {
    let asked = whole(tables::find("observations").unwrap());
    agrees(&memory(rows), source, &asked).await;
    let filter = Expr::compare(Expr::column("trace_name"), CompareOp::Eq, Expr::text("newest"));
    agrees(&memory(rows), source, &ReadRequest { filter: Some(filter), ..asked }).await;
}
