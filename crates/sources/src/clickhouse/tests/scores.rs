//! Look-ups of scores: which are found, and what is told of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// A version of a score of the trace `t`, which is called like its id.
fn score(id: &str, given: i64, version: i64, more: &Value) -> Value {
    let mut score = json!({
        "id": id, "name": id, "timestamp": second(given), "project_id": "p1", "trace_id": "t", "data_type": "NUMERIC",
        "value": version, "event_ts": second(version), "updated_at": second(version),
    });
    score.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    score
}

/// A deployment with an event of the trace, and inserts of scores.
async fn filled(engine: &Engine, inserts: &[Vec<Value>]) -> (ClickHouseSource, MemorySource) {
    let (events, scores) = (tables::stored_events(), tables::stored_scores());
    let event = json!({
        "project_id": "p1", "trace_id": "t", "span_id": "s", "start_time": second(0), "event_ts": second(0),
        "updated_at": second(0), "created_at": second(0),
    });
    let of_events = vec![batch_from_json(&events, &[event]).unwrap()];
    let of_scores = inserts.iter().map(|rows| batch_from_json(&scores, rows).unwrap()).collect();
    let loaded = vec![(events, of_events), (scores, of_scores)];
    let (_, source) = langfuse(engine, &loaded).await;
    (source, MemorySource::new(loaded).unwrap())
}

#[tokio::test]
async fn scores_since_an_instant_are_those_whose_newest_version_was_given_since() {
    let engine = need_engine!();
    let hour = 3_600;
    let (live, deleted) = (json!({}), json!({"is_deleted": true}));
    // Within a day, whose versions replace each other: over the instant in both directions, and deleted beyond it.
    let inserts = [
        vec![
            score("back", 20 * hour, 1, &live),
            score("before", hour, 1, &live),
            score("forth", 2 * hour, 1, &live),
            score("gone", 20 * hour, 1, &live),
            score("stays", 20 * hour, 1, &live),
        ],
        vec![score("back", 2 * hour, 2, &live), score("gone", 3 * hour, 2, &deleted)],
        vec![score("forth", 20 * hour, 2, &live)],
    ];
    let (source, memory) = filled(engine, &inserts).await;
    let scores_since = Some(instant(12 * hour));
    let scope = ScoreScope { project: everything().project, since: scores_since };
    let scores = source.prepare(everything()).await.unwrap().scores();
    let names = scores.score_names(&scope).await.unwrap();
    assert_eq!(names.iter().map(|name| name.name.as_str()).collect::<Vec<_>>(), ["forth", "stays"]);
    // The first look-ups ask the server, later ones what is held of it.
    for _ in 0..4 {
        let found = scores.scores(&scope, &["t"]).await.unwrap();
        assert_eq!(found.iter().map(|score| &*score.id).collect::<BTreeSet<_>>(), BTreeSet::from(["forth", "stays"]));
    }
    for (name, count) in [("back", 0), ("before", 0), ("forth", 1), ("gone", 0), ("stays", 1)] {
        let any = ScoreValueTest::Number { op: CompareOp::Greater, value: 0.0 };
        let filter = Some(score_test(ScoreLevel::Any, name, any));
        let asked = ReadRequest { filter, scores_since, ..everything() };
        assert_eq!(read_all(&source, &asked).await.unwrap().num_rows(), count, "{name}");
        agrees(&memory, &source, &asked).await;
    }
}

/// Whether a column of scores averages them is told by their comments, which may be long: no more than that is read.
#[tokio::test]
async fn comments_are_told_apart_without_their_texts() {
    let engine = need_engine!();
    let long = "because ".repeat(256);
    let comments = [json!(long), json!(long), json!("because"), json!(""), json!(null)];
    let numbered = comments.iter().enumerate();
    let scores = numbered.map(|(n, comment)| {
        let more = json!({"comment": comment, "observation_id": "s"});
        score(&format!("s{n}"), n as i64, 1, &more)
    });
    let (source, memory) = filled(engine, &[scores.collect::<Vec<_>>()]).await;
    let scope = ScoreScope { project: everything().project, since: None };
    let scores = source.prepare(everything()).await.unwrap().scores();
    for _ in 0..4 {
        let mut found = scores.scores(&scope, &["t"]).await.unwrap();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        let told: Vec<Option<&str>> = found.iter().map(|score| score.comment.as_deref()).collect();
        assert_eq!((told.len(), told[0], told[4]), (5, told[1], None));
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), 4, "{told:?}");
        assert!(told.iter().flatten().all(|comment| comment.len() == 32), "{told:?}");
    }
    // The table of scores has them whole.
    agrees(&memory, &source, &request(tables::find("scores").unwrap())).await;
}
