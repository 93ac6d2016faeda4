//! Rows of which a table keeps many versions for good.

use super::*;

/// Scores of which each was given twice: the versions that are left out fill several lists.
const SCORES: i64 = 10_000;
const TRACES: i64 = 100;

fn rows() -> Loaded {
    let at = |seconds: i64| Micros(EPOCH.0 + seconds * Micros::PER_SECOND).to_sql_text();
    let event = |n: i64| {
        json!({
            "project_id": "p1", "trace_id": format!("t{n}"), "span_id": format!("e{n}"), "start_time": at(n),
            "created_at": at(n), "updated_at": at(n), "event_ts": at(n),
        })
    };
    // The second time on another day.
    let given = |n: i64, time: i64| {
        json!({
            "id": format!("s{n}"), "timestamp": at(time * 86_400 + n), "project_id": "p1", "name": "quality",
            "data_type": "NUMERIC", "value": time, "trace_id": format!("t{}", n % TRACES), "created_at": at(0),
            "updated_at": at(1 + time), "event_ts": at(1 + time),
        })
    };
    let (events, scores) = (tables::stored_events(), tables::stored_scores());
    let of_events: Vec<_> = (0..TRACES).map(event).collect();
    let of_scores = [0, 1].map(|time| (0..SCORES).map(|n| given(n, time)).collect::<Vec<_>>());
    let events_stored = vec![batch_from_json(&events, &of_events).unwrap()];
    let scores_stored = of_scores.iter().map(|rows| batch_from_json(&scores, rows).unwrap()).collect();
    vec![(events, events_stored), (scores, scores_stored)]
}

#[tokio::test]
async fn more_versions_than_a_list_names_are_left_out() {
    let engine = need_engine!();
    let loaded = rows();
    let (_, source) = langfuse(engine, &loaded).await;
    let memory = MemorySource::new(loaded).unwrap();
    let scores = request(tables::find("scores").unwrap());
    assert_eq!(read_all(&source, &scores).await.unwrap().num_rows() as i64, SCORES);
    agrees(&memory, &source, &scores).await;
    for value in [0.5, 1.5] {
        let above = ScoreValueTest::Number { op: CompareOp::Greater, value };
        let filter = Some(score_test(ScoreLevel::Any, "quality", above));
        agrees(&memory, &source, &ReadRequest { filter, ..request(tables::find("traces").unwrap()) }).await;
    }
    let scope = ScoreScope { project: scores.project.clone(), since: None };
    let look_ups = source.prepare(request(tables::find("events").unwrap())).await.unwrap().scores();
    // The first ones ask for themselves, later ones look at what is held.
    for _ in 0..4 {
        let found = look_ups.scores(&scope, &["t7"]).await.unwrap();
        let values: Vec<f64> = found.iter().map(|score| score.value).collect();
        assert!(values.len() as i64 == SCORES / TRACES && values.iter().all(|value| *value == 1.0), "{values:?}");
    }
}
