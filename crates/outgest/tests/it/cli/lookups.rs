//! Columns that are looked up beside the row: prices of models, and the trace of a score.

use serde_json::{Value, json};

use crate::support::Bench;

fn event(id: &str, more: Value) -> String {
    let mut row = json!({
        "project_id": "p", "trace_id": "t1", "span_id": id, "start_time": "2026-06-01 00:00:00", "event_ts": "2026-06-01 00:00:00",
    });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row.to_string()
}

#[test]
fn an_observation_shows_the_prices_of_its_model() {
    let bench = Bench::new();
    let rows = ["m1", "theirs", "", "unknown"].map(|model| event(&format!("e-{model}"), json!({"model_id": model})));
    bench.ok(["import", &bench.write("events.jsonl", rows.join("\n"))]);
    let models = [
        json!({"id": "m1", "modelName": "gpt", "prices": {"input": {"price": 0.0000025}, "output": {"price": 0.00001}}}),
        json!({"id": "theirs", "project_id": "other", "input_price": 1}),
    ];
    let models = bench.write("models.json", json!(models).to_string());
    assert!(bench.ok(["import", "--table", "models", &models]).contains("stored 2 models"));

    let columns = "id,modelId,inputPrice,outputPrice,totalPrice";
    let rows = bench.rows(&["--project", "p", "--table", "observations", "--columns", columns]);
    let of = |id: &str| rows.iter().find(|row| row["id"] == id).unwrap();
    let prices = |id: &str| ["inputPrice", "outputPrice", "totalPrice"].map(|name| of(id)[name].clone());
    assert_eq!(prices("e-m1"), [json!(0.0000025), json!(0.00001), Value::Null]);
    for id in ["e-theirs", "e-", "e-unknown"] {
        assert_eq!(prices(id), [Value::Null, Value::Null, Value::Null], "{id}");
    }
    assert_eq!((&of("e-unknown")["modelId"], &of("e-")["modelId"]), (&json!("unknown"), &Value::Null));
}

/// A window of ingestion times holds rows of any age, which have scores of any age.
#[test]
fn a_row_that_was_corrected_late_keeps_its_old_scores() {
    let bench = Bench::new();
    let old = event("old", json!({"start_time": "2026-01-01 00:00:00", "updated_at": "2026-06-10 00:00:00"}));
    bench.ok(["import", &bench.write("events.jsonl", old)]);
    let score = json!({"project_id": "p", "id": "s", "timestamp": "2026-01-02 00:00:00", "name": "quality",
        "data_type": "NUMERIC", "value": 1, "trace_id": "t1", "observation_id": "old"});
    bench.ok(["import", "--table", "scores", &bench.write("scores.jsonl", score.to_string())]);

    let window = ["--project", "p", "--cursor", "ingested", "--since", "2026-06-09"];
    let expected = [json!({"id": "old", "quality": [1]})];
    assert_eq!(bench.rows(&[&window[..], &["--columns", "id,scores"]].concat()), expected);
    let filter = r#"[{"type":"numberObject","column":"scores_avg","key":"quality","operator":">","value":0}]"#;
    assert_eq!(bench.rows(&[&window[..], &["--columns", "id,scores", "--filter", filter]].concat()), expected);
}

#[test]
fn a_score_shows_and_filters_by_name_user_and_tags_of_its_trace() {
    let bench = Bench::new();
    let events = [
        event("root", json!({"name": "checkout", "tags": ["b"]})),
        event("child", json!({"parent_span_id": "root", "name": "step", "user_id": "ann", "tags": ["a", "b"]})),
        event("gone", json!({"trace_id": "t2", "trace_name": "never", "is_deleted": true})),
    ];
    bench.ok(["import", &bench.write("events.jsonl", events.join("\n"))]);
    let score = |id: &str, trace: Value| {
        json!({"project_id": "p", "id": id, "timestamp": "2026-06-09 00:00:00", "name": "n", "data_type": "NUMERIC",
            "value": 1, "trace_id": trace})
        .to_string()
    };
    let scores = [score("known", json!("t1")), score("dead", json!("t2")), score("none", Value::Null)];
    bench.ok(["import", "--table", "scores", &bench.write("scores.jsonl", scores.join("\n"))]);

    let scores = ["--project", "p", "--table", "scores", "--columns", "id,traceName,userId,traceTags"];
    let rows = bench.rows(&scores);
    assert_eq!(
        rows,
        [
            json!({"id": "none", "traceName": null, "userId": null, "traceTags": null}),
            json!({"id": "known", "traceName": "checkout", "userId": "ann", "traceTags": ["a", "b"]}),
            json!({"id": "dead", "traceName": null, "userId": null, "traceTags": null}),
        ]
    );
    for (filter, ids) in [
        (r#"traceName = "checkout""#, vec!["known"]),
        (r#"userId = "ann" and traceTags contains "a""#, vec!["known"]),
        (r#"not traceTags contains "a""#, vec!["none", "dead"]),
    ] {
        let rows = bench.rows(&[&scores[..], &["--where", filter]].concat());
        let found: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(found, ids, "{filter}");
    }
}
