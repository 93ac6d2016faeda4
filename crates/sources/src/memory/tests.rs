//! What the memory source promises, and the golden filters on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Cursor, Expr, Micros, ReadRequest, ScoreLevel, ScoreTest, ScoreValueTest, Source, TracePosition, Window};
use proptest::prelude::*;
use serde_json::json;

use super::MemorySource;
use crate::conformance::arbitrary::{arbitrary_expr, arbitrary_rows};
use crate::conformance::fixture::{self, EPOCH, at, events, events_table, linked_table, request, scores, traces_table};
use crate::conformance::{agreement, golden, keys, read_all};

fn fixture() -> MemorySource {
    MemorySource::new(fixture::batches()).unwrap().with_slice_rows(7)
}

fn ids(rows: &arrow_array::RecordBatch) -> Vec<String> {
    keys(rows).into_iter().map(|key| key.id.into()).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[tokio::test]
async fn keeps_every_promise_of_a_source() {
    agreement::every_promise_of_the_fixture(&fixture()).await;
}

/// An event of the fixture's table with only what matters.
fn event(span: &str, start: i64, version: i64, more: serde_json::Value) -> serde_json::Value {
    let mut row = json!({
        "project_id": "p1", "trace_id": "t", "span_id": span, "start_time": at(start), "event_ts": at(version),
        "updated_at": at(version),
    });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

#[tokio::test]
async fn only_the_newest_version_of_a_row_exists() {
    let rows = vec![
        event("moved", 1, 20, json!({"name": "newest"})),
        event("moved", 5, 10, json!({"name": "stored later, but older"})),
        event("tied", 2, 10, json!({"name": "first"})),
        event("tied", 2, 10, json!({"name": "stored last"})),
        event("gone", 3, 10, json!({})),
        event("gone", 3, 11, json!({"is_deleted": true})),
        event("back", 4, 11, json!({"is_deleted": true})),
        event("back", 4, 12, json!({})),
    ];
    let source = MemorySource::from_json(vec![(events(), rows)]).unwrap();
    let names = request(events_table());
    let found = read_all(&source, &names).await.unwrap();
    assert_eq!(ids(&found), ["back", "tied", "moved"]);

    // A filter that only an outlived version passes selects nothing.
    for outlived in ["stored later, but older", "first"] {
        let accepted = vec![outlived.to_owned()];
        let filter = Some(Expr::In { value: Box::new(Expr::column("name")), accepted });
        let found = read_all(&source, &ReadRequest { filter, ..names.clone() }).await.unwrap();
        assert_eq!(found.num_rows(), 0, "{outlived}");
    }
}

#[tokio::test]
async fn windows_are_half_open_on_their_cursor() {
    let rows = vec![event("a", 10, 50, json!({})), event("b", 20, 40, json!({})), event("c", 30, 30, json!({}))];
    let source = MemorySource::from_json(vec![(events(), rows)]).unwrap();
    let instant = |seconds: i64| Micros(EPOCH.0 + seconds * 1_000_001);
    let window = |from, to| Window::new(Some(instant(from)), Some(instant(to))).unwrap();
    let started = ReadRequest { window: window(10, 30), ..request(events_table()) };
    assert_eq!(ids(&read_all(&source, &started).await.unwrap()), ["b", "a"]);
    let stored = ReadRequest { window: window(30, 50), cursor: Cursor::Ingested, ..request(events_table()) };
    assert_eq!(ids(&read_all(&source, &stored).await.unwrap()), ["c", "b"]);
}

#[tokio::test]
async fn a_place_in_the_trace_counts_live_events_whatever_the_window() {
    let rows = vec![
        event("b", 1, 1, json!({"parent_span_id": "x"})),
        event("a", 1, 1, json!({"parent_span_id": "x"})),
        event("gone", 0, 1, json!({"is_deleted": true})),
        event("c", 2, 1, json!({"parent_span_id": "x", "is_app_root": true})),
    ];
    let source = MemorySource::from_json(vec![(events(), rows)]).unwrap();
    let window = Window { from: Some(EPOCH), to: None };
    let cases = [
        (TracePosition::FromStart(1), vec!["a"]),
        (TracePosition::FromStart(2), vec!["b"]),
        (TracePosition::FromEnd(1), vec!["c"]),
        (TracePosition::FromEnd(4), vec![]),
        (TracePosition::Root, vec!["c"]),
    ];
    for (position, expected) in cases {
        let filter = Some(Expr::InTracePosition(position));
        let found = read_all(&source, &ReadRequest { filter, window, ..request(events_table()) }).await.unwrap();
        assert_eq!(ids(&found), expected, "{position:?}");
    }
}

#[tokio::test]
async fn a_group_ranks_roots_first_then_the_newest() {
    let rows = vec![
        event("child", 1, 1, json!({"parent_span_id": "x", "input": "child", "name": "named", "tags": ["b", "a"]})),
        event("old-root", 2, 1, json!({"input": "old", "name": "older", "end_time": at(9)})),
        event("new-root", 3, 1, json!({"input": "new", "name": "", "tags": ["a"], "usage_details": {"input": 3}})),
        event("skipped", 4, 1, json!({"input": "skipped", "name": "left out"})),
    ];
    let source = MemorySource::from_json(vec![(events(), rows)]).unwrap();
    let found = read_all(&source, &request(traces_table())).await.unwrap();
    let mut printed = BTreeMap::new();
    for (field, column) in found.schema().fields().iter().zip(found.columns()) {
        let kind = traces_table().column(field.name()).map(|column| column.kind.clone());
        if let Some(kind) = kind {
            printed.insert(field.name().clone(), super::columnar::from_array(&kind, column).unwrap().remove(0));
        }
    }
    let text = |text: &str| super::value::Value::Text(text.into());
    let list = |texts: &[&str]| super::value::Value::List(texts.iter().map(|item| text(item)).collect());
    assert_eq!(printed["input"], text("new"));
    assert_eq!(printed["name"], text("older"));
    assert_eq!(printed["tags"], list(&["a", "b"]));
    assert_eq!(printed["count"], super::value::Value::Int(3));
    assert_eq!(printed["names"], super::value::Value::Int(3));
    assert_eq!(printed["usage"], super::value::Value::UInt(3));
    assert_eq!(printed["timestamp"], super::value::Value::Timestamp(Micros(EPOCH.0 + 1_000_001)));
    assert_eq!(printed["last"], super::value::Value::Timestamp(Micros(EPOCH.0 + 9 * 1_000_001)));
}

#[tokio::test]
async fn attached_columns_are_those_of_the_live_rows_named() {
    let rows = vec![
        event("a", 1, 1, json!({"balance": 1, "note": "red", "name": "blue", "tags": ["x"]})),
        event("b", 2, 1, json!({"balance": 1, "note": "green", "name": "red", "tags": ["z", "y"]})),
        event("c", 3, 1, json!({"balance": 1, "note": null, "name": "red", "tags": ["x", "y"]})),
        event("kept out", 3, 1, json!({"balance": -6, "name": "red", "tags": ["w"]})),
        event("gone", 4, 1, json!({"note": "red", "balance": 1, "name": "green", "is_deleted": true})),
    ];
    let source = MemorySource::from_json(vec![(events(), rows)]).unwrap();
    let wanted = ["linked_name", "linked_count", "linked_tags"];
    let columns: Vec<_> = wanted.iter().map(|name| linked_table().column(name).unwrap().clone()).collect();
    // The window leaves out rows that others name.
    let window = Window { from: None, to: Some(Micros(EPOCH.0 + 3 * Micros::PER_SECOND)) };
    let found = read_all(&source, &ReadRequest { columns, window, ..request(linked_table()) }).await.unwrap();
    assert_eq!(ids(&found), ["b", "a"]);
    let cells = |name: &str| {
        let kind = linked_table().column(name).unwrap().kind.clone();
        super::columnar::from_array(&kind, found.column_by_name(name).unwrap()).unwrap()
    };
    let text = |text: &str| super::value::Value::Text(text.into());
    let tags = super::value::Value::List(["x", "y", "z"].map(text).to_vec());
    let null = super::value::Value::Null;
    assert_eq!(cells("linked_name"), [null.clone(), text("red")]);
    assert_eq!(cells("linked_count"), [null.clone(), super::value::Value::Int(2)]);
    assert_eq!(cells("linked_tags"), [null, tags]);
}

#[tokio::test]
async fn like_scores_of_an_observation_count_as_their_average() {
    let score = |id: &str, observation: Option<&str>, value: f64, comment: Option<&str>| {
        json!({
            "id": id, "timestamp": at(1), "project_id": "p1", "trace_id": "t", "observation_id": observation,
            "name": "q", "value": value, "comment": comment, "data_type": "NUMERIC", "event_ts": at(1),
        })
    };
    let given = vec![
        score("1", Some("averaged"), 1.0, None),
        score("2", Some("averaged"), 0.0, None),
        score("3", Some("apart"), 1.0, None),
        score("4", Some("apart"), 0.0, Some("why")),
        score("5", None, 0.25, None),
        score("6", None, 0.75, None),
    ];
    let rows = vec![event("averaged", 1, 1, json!({})), event("apart", 2, 1, json!({}))];
    let source = MemorySource::from_json(vec![(events(), rows), (scores(), given)]).unwrap();
    let cases = [
        (ScoreLevel::Any, 1.0, vec!["apart"]),
        (ScoreLevel::Any, 0.5, vec!["averaged"]),
        (ScoreLevel::Any, 0.25, vec!["apart", "averaged"]),
        (ScoreLevel::Trace, 0.75, vec!["apart", "averaged"]),
        (ScoreLevel::Trace, 0.5, vec![]),
        (ScoreLevel::Trace, 1.0, vec![]),
    ];
    for (level, value, expected) in cases {
        let test = ScoreValueTest::Number { op: model::CompareOp::Eq, value };
        let filter = Some(Expr::Score(ScoreTest { level, name: "q".into(), test }));
        let found = read_all(&source, &ReadRequest { filter, ..request(events_table()) }).await.unwrap();
        assert_eq!(ids(&found), expected, "{level:?} {value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_filter_and_its_complement_share_the_rows(
        stored in arrow_rows(),
        filter in arbitrary_expr(&events_table()),
    ) {
        let source = MemorySource::new(stored).unwrap();
        let all = block_on(read_all(&source, &request(events_table()))).unwrap();
        let select = |filter: Expr| {
            ids(&block_on(read_all(&source, &ReadRequest { filter: Some(filter), ..request(events_table()) })).unwrap())
        };
        let (inside, outside) = (select(filter.clone()), select(Expr::Not(Box::new(filter))));
        prop_assert_eq!(inside.len() + outside.len(), all.num_rows());
    }

    #[test]
    fn versions_may_be_stored_in_any_order_unless_they_tie(stored in arrow_rows()) {
        let mut backwards = stored.clone();
        for (_, batches) in &mut backwards {
            batches.reverse();
        }
        let reads = [stored, backwards].map(|stored| {
            let source = MemorySource::new(stored).unwrap();
            let bare = ReadRequest { columns: Vec::new(), ..request(events_table()) };
            let rows = block_on(read_all(&source, &bare)).unwrap();
            let mut versions = BTreeMap::new();
            for (row, key) in keys(&rows).into_iter().enumerate() {
                versions.insert((key.trace_id, key.id), rows.column(3).slice(row, 1));
            }
            versions
        });
        // Ties may decide for a deletion or not; whatever both orders show has the same version.
        for (key, version) in &reads[0] {
            if let Some(other) = reads[1].get(key) {
                prop_assert_eq!(version, other);
            }
        }
    }
}

fn arrow_rows() -> impl Strategy<Value = Vec<(Arc<model::StoredTable>, Vec<arrow_array::RecordBatch>)>> {
    (arbitrary_rows(&events()), arbitrary_rows(&scores()))
        .prop_map(|(event_rows, score_rows)| vec![(events(), event_rows), (scores(), score_rows)])
}

#[tokio::test]
async fn rows_that_would_be_rounded_or_misread_are_refused() {
    let refused = |more: serde_json::Value| {
        MemorySource::from_json(vec![(events(), vec![event("a", 1, 1, more)])]).unwrap_err().to_string()
    };
    assert!(refused(json!({"cost_details": {"total": "0.0000000000001"}})).contains("cost_details"));
    assert!(refused(json!({"usage_details": {"total": -1}})).contains("usage_details"));
    assert!(refused(json!({"nmae": "x"})).contains("nmae"));
    assert!(refused(json!({"start_time": null})).contains("start_time"));
    let source = MemorySource::from_json(vec![(events(), vec![])]).unwrap();
    let fault = source.has_project(&model::ProjectId::new("p1"), &scores_only()).await.unwrap_err();
    assert_eq!(fault.kind(), model::FaultKind::NotFound);
}

fn scores_only() -> model::TableSpec {
    model::TableSpec { relation: model::Relation::Stored(scores()), ..(*events_table()).clone() }
}

#[tokio::test]
async fn golden_filters_select_the_rows_they_always_did() {
    let source = MemorySource::new(golden::rows()).unwrap();
    golden::filters_select_the_rows_they_always_did(&source).await;
}

#[tokio::test]
async fn golden_rows_keep_every_promise_of_a_source() {
    golden::rows_keep_every_promise(&MemorySource::new(golden::rows()).unwrap().with_slice_rows(50)).await;
}
