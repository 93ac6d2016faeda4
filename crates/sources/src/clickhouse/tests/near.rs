//! Which positions of a page are certain, of those that were asked for while outranked versions were looked for.

use model::{KeyRange, OrderKey, RowCount, Stop};

use super::*;
use crate::clickhouse::near::Near;
use crate::clickhouse::reading::ClickHouseReading;

/// Five events of a trace, a second apart, and as many scores of it.
fn rows() -> (Vec<serde_json::Value>, Vec<serde_json::Value>) {
    let event = |n: i64| {
        json!({
            "project_id": "p1", "trace_id": "t", "span_id": format!("s{n}"), "start_time": second(n),
            "event_ts": second(0), "updated_at": second(0), "created_at": second(0),
        })
    };
    let score = |n: i64| {
        json!({
            "id": format!("s{n}"), "timestamp": second(n), "project_id": "p1", "name": "n", "data_type": "NUMERIC",
            "value": 1, "trace_id": "t", "event_ts": second(0), "updated_at": second(0),
        })
    };
    ((0..5).map(event).collect(), (0..5).map(score).collect())
}

/// A version that replaces nothing and outranks another one: it starts two days later.
fn moved(row: &serde_json::Value, time: &str) -> serde_json::Value {
    let mut moved = row.clone();
    moved[time] = json!(second(2 * 86_400));
    moved["event_ts"] = json!(second(1));
    moved["updated_at"] = json!(second(1));
    moved
}

#[tokio::test]
async fn a_page_is_made_of_certain_positions_or_asked_for_again() {
    let engine = need_engine!();
    let (events, scores) = (tables::stored_events(), tables::stored_scores());
    let (of_events, of_scores) = rows();
    let later = (vec![moved(&of_events[2], "start_time")], vec![moved(&of_scores[3], "timestamp")]);
    let batches = |table: &StoredTable, inserts: [&[serde_json::Value]; 2]| {
        inserts.map(|rows| batch_from_json(table, rows).unwrap()).to_vec()
    };
    let loaded = vec![
        (Arc::clone(&events), batches(&events, [&of_events, &later.0])),
        (Arc::clone(&scores), batches(&scores, [&of_scores, &later.1])),
    ];
    let (_, source) = langfuse(engine, &loaded).await;
    let any = ScoreValueTest::Number { op: CompareOp::Greater, value: 0.0 };
    let scored = score_test(ScoreLevel::Any, "n", any);
    let reading = |filter| {
        let asked = ReadRequest { filter, ..everything() };
        ClickHouseReading::new(asked, &source.database, &source.client).unwrap()
    };
    // Around the events before one of them moved.
    let range = KeyRange { from: Some(OrderKey::at(instant(10))), to: None };
    let position = |n: i64| OrderKey { time: instant(n), trace_id: "t".into(), id: format!("s{n}").into() };
    let positions = |numbers: &[i64]| numbers.iter().map(|n| position(*n)).collect::<Vec<_>>();

    let plain = reading(None);
    let near = plain.near(&range, None, Near::default(), &Stop::new()).await.unwrap();
    let known = plain.without_a_look();
    for (found, are_all, wanted, expected) in [
        // What is outranked comes with the others, and counts for none.
        (vec![4, 3, 2, 1, 0], true, 2, Some(vec![4, 3])),
        (vec![4, 3, 2, 1, 0], false, 3, Some(vec![4, 3, 2, 1])),
        (vec![2, 1, 0], false, 2, Some(vec![2, 1, 0])),
        // Not enough: there are no others, or there may be.
        (vec![4, 3, 2], true, 3, Some(vec![4, 3, 2])),
        (vec![4, 3, 2], false, 3, None),
        (Vec::new(), true, 3, Some(Vec::new())),
        (Vec::new(), false, 3, None),
    ] {
        let first = near.first_of(positions(&found), are_all, &known, RowCount(wanted));
        assert_eq!(first, expected.as_deref().map(positions), "{wanted} of {found:?}, {are_all}");
    }
    // Something beside the rows is outranked, which may tell whether they pass.
    let filtered = reading(Some(scored));
    let near = filtered.near(&range, None, Near::default(), &Stop::new()).await.unwrap();
    assert_eq!(near.first_of(positions(&[4, 3]), true, &filtered.without_a_look(), RowCount(1)), None);
}
