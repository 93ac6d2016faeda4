use std::path::PathBuf;

use serde_json::value::RawValue;

use super::*;
use crate::rows::Object;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(GOLDEN).join(name)
}

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/e2e");

/// A JSON text as a value in which numbers stay text without trailing zeros, and timestamps have six
/// digits, so that ways to write the same value compare equal and others do not.
fn plain(raw: &str) -> Value {
    match raw.as_bytes()[0] {
        b'{' => {
            let Object(cells) = serde_json::from_str(raw).unwrap();
            Value::Object(cells.into_iter().map(|(key, value)| (key.into_owned(), plain(value))).collect())
        }
        b'[' => {
            let values: Vec<&RawValue> = serde_json::from_str(raw).unwrap();
            values.into_iter().map(|value| plain(value.get())).collect()
        }
        b'n' => Value::Null,
        b't' => Value::String("1".to_owned()),
        b'f' => Value::String("0".to_owned()),
        b'"' => {
            let text: String = serde_json::from_str(raw).unwrap();
            match Micros::parse_text(&text) {
                Some(time) if text.len() > 10 => Value::String(time.to_sql_text()),
                _ if text.parse::<f64>().is_ok() => plain(&text),
                _ => Value::String(text),
            }
        }
        _ if raw.contains('e') => Value::String(raw.parse::<f64>().unwrap().to_string()),
        _ if raw.contains('.') => Value::String(raw.trim_end_matches('0').trim_end_matches('.').to_owned()),
        _ => Value::String(raw.to_owned()),
    }
}

#[test]
fn events_and_scores_of_a_clickhouse_table_are_stored_value_by_value() {
    for (table, file, count) in [("events", "events.jsonl", 206), ("scores", "scores.jsonl", 171)] {
        let (report, memory) = run(vec![Input::File(golden(file))], &Options::at(NOW));
        let report = report.unwrap();
        assert_eq!((report.read.get(), report.rejected.get(), report.ignored.len()), (count, 0, 0));
        let mut stored = Vec::new();
        memory.batches[table].iter().for_each(|batch| crate::generate::write_jsonl(batch, &mut stored).unwrap());
        let stored = String::from_utf8(stored).unwrap();
        let text = std::fs::read_to_string(golden(file)).unwrap();
        assert_eq!(text.lines().count(), stored.lines().count());
        for (given, row) in text.lines().zip(stored.lines()) {
            let row = plain(row);
            for (column, value) in plain(given).as_object().unwrap() {
                assert_eq!(&row[column], value, "{column} of {given}");
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
/// is listed. Numbers that Langfuse rounded beyond what a column holds are bad, not changed again.
#[test]
fn langfuse_exports_are_read_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let mut stored = Vec::new();
    for format in ["csv", "json", "jsonl"] {
        let file = golden(&format!("A_public_nofilter.{format}"));
        let rejects = folder.path().join(format);
        let (report, memory) = run(vec![Input::File(file)], &Options { rejects: Some(rejects.clone()), ..options() });
        let report = report.unwrap();
        let rows = memory.rows("events");
        let rejected = std::fs::read_to_string(rejects).unwrap();
        assert_eq!((report.read.get(), rows.len(), rejected.lines().count()), (198, 197, 1), "{format}");
        for line in rejected.lines() {
            let reject: Value = serde_json::from_str(line).unwrap();
            let reason = reject["reason"].as_str().unwrap();
            assert!(
                reason.contains("beyond an unsigned 64-bit integer ({") && reason.contains("18446744073709552000"),
                "{reason}"
            );
        }
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
