use std::path::PathBuf;

use super::*;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(GOLDEN).join(name)
}

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/e2e");

/// A JSON value with numbers as texts without trailing zeros, and timestamps with six digits, so
/// that ways to write the same value compare equal.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => plain(&Value::String(number.to_string())),
        Value::Bool(flag) => Value::String(u8::from(*flag).to_string()),
        Value::Array(values) => values.iter().map(plain).collect(),
        Value::Object(cells) => cells.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        Value::String(text) if text.parse::<f64>().is_ok() && text.contains('.') => {
            Value::String(text.trim_end_matches('0').trim_end_matches('.').to_owned())
        }
        Value::String(text) => match Micros::parse_text(text) {
            Some(time) if text.len() > 10 => Value::String(time.to_sql_text()),
            _ => value.clone(),
        },
        Value::Null => Value::Null,
    }
}

#[test]
fn events_and_scores_of_a_clickhouse_table_are_stored_value_by_value() {
    for (table, file, count) in [("events", "events.jsonl", 206), ("scores", "scores.jsonl", 171)] {
        let (report, memory) = run(vec![Input::File(golden(file))], &Options::at(NOW));
        let report = report.unwrap();
        assert_eq!((report.read.get(), report.rejected.get(), report.ignored.len()), (count, 0, 0));
        let stored = memory.rows(table);
        let text = std::fs::read_to_string(golden(file)).unwrap();
        assert_eq!(text.lines().count(), stored.len());
        for (line, row) in text.lines().zip(stored) {
            let given: Value = serde_json::from_str(line).unwrap();
            for (column, value) in given.as_object().unwrap() {
                assert_eq!(plain(&row[column]), plain(value), "{column} of {line}");
            }
        }
    }
}

#[test]
fn comments_are_handed_over() {
    let (report, memory) = run(vec![Input::File(golden("comments.json"))], &options());
    assert_eq!(report.unwrap().stored[COMMENTS].get(), 5);
    let first = &memory.comments[0];
    assert_eq!(first.comment.content, "first, \"quoted\"\nsecond line");
    assert_eq!(first.comment.author_email.as_deref(), Some("a@x.io"));
    assert_eq!(first.comment.created_at.to_rfc3339(), "2026-06-02T00:00:00.000000Z");
    assert_eq!(memory.comments[1].comment.author_email, None);
    assert_eq!(memory.comments[3].kind, model::ObjectKind::Trace);
}

/// Every format of Langfuse's own export gives the same stored rows, and what cannot be taken back
/// is listed.
#[test]
fn langfuse_exports_are_read_in_every_format() {
    let mut stored = Vec::new();
    for format in ["csv", "json", "jsonl"] {
        let file = golden(&format!("A_public_nofilter.{format}"));
        let (report, memory) = run(vec![Input::File(file)], &options());
        let report = report.unwrap();
        let rows = memory.rows("events");
        assert_eq!(rows.len() as u64, report.read.get(), "{format}");
        let ignored: Vec<(&str, Ignored)> =
            report.ignored.iter().map(|column| (column.name.as_str(), column.why)).collect();
        assert_eq!(
            ignored,
            [
                ("accuracy", Ignored::Score),
                ("comments", Ignored::Comments),
                ("deleted", Ignored::Score),
                ("free,text", Ignored::Score),
                ("is-helpful", Ignored::Score),
                ("latencyMs", Ignored::Derived),
                ("sentiment", Ignored::Score),
                ("sess", Ignored::Score),
                ("timeToFirstTokenMs", Ignored::Derived),
                ("totalCost", Ignored::Derived),
                ("trace_quality", Ignored::Score),
            ],
            "{format}"
        );
        let comments = report.ignored.iter().find(|column| column.name == "comments").unwrap();
        let scored = report.ignored.iter().find(|column| column.name == "accuracy").unwrap();
        assert!(comments.values.get() == 3 && scored.values.get() > 10, "{format}: {report}");
        assert!(report.to_string().contains("column accuracy is a score column, not importable"), "{report}");
        stored.push(rows);
    }
    assert_eq!(stored[1], stored[2]);
    for (csv, json) in stored[0].iter().zip(&stored[1]) {
        assert_eq!(csv, json);
    }
}
