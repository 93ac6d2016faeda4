//! Scores that are too many to hold all of them.

use futures_util::TryStreamExt;
use model::{KeyRange, Reading, Stop};
use serde_json::Value;

use super::*;
use crate::clickhouse::reading::ClickHouseReading;

/// Events, each of a trace of its own; every second trace has a score.
const EVENTS: usize = 60;
/// Scores of traces that have no events.
const ELSEWHERE: usize = 300;

pub(super) fn rows() -> Loaded {
    let time = |n: usize| second(n as i64);
    let event = |n: usize| {
        json!({
            "project_id": "p1", "trace_id": format!("t{n}"), "span_id": format!("s{n}"), "start_time": time(n),
            "created_at": time(n), "updated_at": time(n), "event_ts": time(n),
        })
    };
    let score = |n: usize, trace: String| {
        json!({
            "id": format!("score of {trace}"), "timestamp": time(n), "project_id": "p1", "name": "n",
            "data_type": "NUMERIC", "value": n, "trace_id": trace, "event_ts": time(n), "updated_at": time(n),
        })
    };
    let events: Vec<Value> = (0..EVENTS).map(event).collect();
    let of_events = (0..EVENTS).step_by(2).map(|n| score(n, format!("t{n}")));
    let scores: Vec<Value> = of_events.chain((0..ELSEWHERE).map(|n| score(n, format!("gone {n}")))).collect();
    let (event_table, score_table) = (tables::stored_events(), tables::stored_scores());
    let batches = (batch_from_json(&event_table, &events).unwrap(), batch_from_json(&score_table, &scores).unwrap());
    vec![(event_table, vec![batches.0]), (score_table, vec![batches.1])]
}

#[tokio::test]
async fn scores_that_are_too_many_to_hold_are_held_for_the_rows_that_come() {
    let engine = need_engine!();
    let (_, source) = langfuse(engine, &rows()).await;
    let asked = request(tables::find("events").unwrap());
    let scope = ScoreScope { project: asked.project.clone(), since: None };
    let names: Vec<String> = (0..EVENTS).map(|n| format!("t{n}")).chain(["unknown".to_owned()]).collect();
    let traces: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut expected: Vec<String> = (0..EVENTS).step_by(2).map(|n| format!("score of t{n}")).collect();
    expected.sort();
    // The project's scores are more than either; those of the rows are more than the second.
    for (held_max, holds_stretch) in [(100, true), (20, false)] {
        let reading = ClickHouseReading::holding(asked.clone(), &source.database, &source.client, held_max).unwrap();
        let reading = Arc::new(reading);
        let rows = Arc::clone(&reading).read(KeyRange::ALL, Stop::new());
        let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), EVENTS);
        for _ in 0..4 {
            let found = Reading::scores(&*reading).scores(&scope, &traces).await.unwrap();
            let mut found: Vec<String> = found.iter().map(|score| score.id.to_string()).collect();
            found.sort();
            assert_eq!(found, expected, "at most {held_max}");
        }
        let missing = reading.scores.stretches().held.lock().await.find(None, &traces, &mut Vec::new()).len();
        assert_eq!(missing, if holds_stretch { 1 } else { traces.len() }, "at most {held_max}");
    }
}
