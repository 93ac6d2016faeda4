use std::io::Write;

use serde_json::json;

use super::*;

#[test]
fn what_a_row_lacks_is_filled_in() {
    let (report, memory) = imported("a.jsonl", event("s", ""));
    let row = &memory.rows("events")[0];
    assert_eq!(row["project_id"], "p");
    assert_eq!(row["environment"], "default");
    assert_eq!(row["end_time"], json!(null));
    for column in ["created_at", "updated_at", "event_ts"] {
        assert_eq!(row[column], "2026-08-01 12:00:00.000000", "{column}");
    }
    assert_eq!((report.read.get(), memory.commits), (1, 1));
}

#[test]
fn every_text_format_and_packing_gives_the_same_rows() {
    let rows = [event("a", r#""tags":["x, y","[{"],"input":"q\"\\ }],[ \n""#), event("b", ""), event("c", "")];
    let lines = rows.join("\r\n");
    let pretty: Value = serde_json::from_str(&format!("[{}]", rows.join(","))).unwrap();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let (head, tail) = lines.as_bytes().split_at(100);
    let expected = imported("a.jsonl", lines.clone()).1.rows("events");
    assert_eq!(expected.len(), 3);
    for (name, bytes) in [
        ("array.json", serde_json::to_vec(&pretty).unwrap()),
        ("pretty.json", serde_json::to_vec_pretty(&pretty).unwrap()),
        ("blank lines", format!("\n\n{}\n  \n{}\n\n{}\n\n", rows[0], rows[1], rows[2]).into_bytes()),
        ("bom.jsonl", [b"\xef\xbb\xbf", lines.as_bytes()].concat()),
        ("bom.json", [b"\xef\xbb\xbf".to_vec(), serde_json::to_vec(&pretty).unwrap()].concat()),
        ("a.jsonl.gz", gzip(lines.as_bytes())),
        ("members.gz", [gzip(head), gzip(tail)].concat()),
        ("a.zst", zstd::encode_all(lines.as_bytes(), 3).unwrap()),
        ("frames.zst", [zstd::encode_all(head, 1).unwrap(), zstd::encode_all(tail, 1).unwrap()].concat()),
    ] {
        assert_eq!(imported(name, bytes).1.rows("events"), expected, "{name}");
    }
}

#[test]
fn an_empty_file_has_no_rows() {
    for (name, text) in [("a.jsonl", ""), ("a.json", "[]"), ("b.json", " [ \n ] \n"), ("a.csv", "")] {
        let (report, memory) = imported(name, text);
        assert_eq!((report.read.get(), memory.commits), (0, 1), "{name}");
    }
}

#[test]
fn rows_cut_anywhere_are_whole() {
    // A reader that gives one byte at a time finds every place where a cut could be mistaken.
    struct Slow(Cursor<Vec<u8>>);
    impl std::io::Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut into[..1])
        }
    }
    let rows = [event("a", r#""input":"\\\"],[""#), event("b", r#""tags":["]"]"#)];
    for text in [rows.join("\n"), format!("[{}]", rows.join(" , "))] {
        let slow = Input::Stream { name: "-".to_owned(), reader: Box::new(Slow(Cursor::new(text.into_bytes()))) };
        let (report, memory) = run(vec![slow], &options());
        assert_eq!(report.unwrap().read.get(), 2);
        assert_eq!(memory.rows("events")[0]["input"], "\\\"],[");
    }
}

#[test]
fn a_row_larger_than_the_buffer_is_read() {
    let large = "x".repeat(5 * 1024 * 1024);
    let rows = [event("a", &format!("\"input\":\"{large}\"")), event("b", "")];
    for text in [rows.join("\n"), format!("[{}]", rows.join(","))] {
        let (report, memory) = imported("-", text);
        assert_eq!(report.read.get(), 2);
        assert_eq!(memory.rows("events")[0]["input"].as_str().unwrap().len(), large.len());
    }
}

#[test]
fn batches_are_bounded_in_rows_and_bytes() {
    let small: Vec<String> = (0..20_000).map(|row| event(&row.to_string(), "")).collect();
    let (_, memory) = imported("-", small.join("\n"));
    let rows: Vec<usize> = memory.batches["events"].iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [8_192, 8_192, 3_616]);

    let payload = format!("\"input\":\"{}\"", "x".repeat(1024 * 1024));
    let large: Vec<String> = (0..20).map(|row| event(&row.to_string(), &payload)).collect();
    let (_, memory) = imported("-", large.join("\n"));
    let rows: Vec<usize> = memory.batches["events"].iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [8, 8, 4]);
}

#[test]
fn tables_are_told_apart_by_their_columns() {
    let score = r#"{"id":"s","name":"n","timestamp":"2026-06-01","data_type":"NUMERIC","value":0.5,"trace_id":"t"}"#;
    let comment = r#"{"id":"c","object_id":"a","object_type":"TRACE","content":"x","created_at":"2026-06-02T00:00:00.000Z","author_user_id":"u"}"#;
    let inputs = vec![stream("1", event("a", "")), stream("2", score), stream("3", format!("[{comment}]"))];
    let (report, memory) = run(inputs, &options());
    let stored = report.unwrap().stored;
    assert_eq!(
        stored.iter().map(|(table, rows)| (table.as_str(), rows.get())).collect::<Vec<_>>(),
        [("comments", 1), ("events", 1), ("scores", 1)]
    );
    assert_eq!(memory.rows("scores")[0]["value"], 0.5);
    let comment = &memory.comments[0];
    assert_eq!((comment.project.as_str(), comment.kind.as_str(), &*comment.comment.object_id), ("p", "TRACE", "a"));
    assert_eq!(memory.commits, 1);
}

#[test]
fn models_give_their_default_prices_exactly() {
    let api = r#"{"id":"m1","modelName":"gpt-4o","matchPattern":"(?i)^gpt-4o$","isLangfuseManaged":true,"inputPrice":9,
        "prices":{"input":{"price":2.5e-06},"output":{"price":0.00001},"input_cached_tokens":{"price":1}}}"#;
    let plain = r#"{"id":"m2","project_id":"p","input_price":"0.000000150000000000000000000000","total_price":3,"output_price":null}"#;
    let models = Options { table: Some("models".into()), project: None, ..options() };
    let (report, memory) = run(vec![stream("models", format!("{}\n{plain}", api.replace('\n', "")))], &models);
    assert_eq!(report.unwrap().stored["models"].get(), 2);
    let unit = 10_i128.pow(30);
    let prices =
        |model_id: &str, input, output, total| model::ModelPrices { model_id: model_id.into(), input, output, total };
    assert_eq!(memory.models[0].project, None);
    assert_eq!(memory.models[0].prices, prices("m1", Some(unit / 400_000), Some(unit / 100_000), None));
    assert_eq!(memory.models[1].project.as_ref().map(|project| project.as_str()), Some("p"));
    assert_eq!(memory.models[1].prices, prices("m2", Some(unit / 10_000_000 * 3 / 2), None, Some(3 * unit)));
}

#[test]
fn bad_models_are_named() {
    for (cells, why) in [
        (r#""prices":{"input":"cheap"}"#, "a line 1: column input_price: expected a number (\"cheap\")"),
        (r#""prices":{"input":1e-31}"#, "a line 1: column input_price: more than 30 digits after the point"),
        (r#""input_price":1e9"#, "a line 1: column input_price: more than 38 digits"),
        (r#""inputPrize":1"#, "a line 1: column inputPrize: no model has this column"),
        (r#""projectId":"q""#, "a line 1: column project_id: "),
    ] {
        let models = Options { table: Some("models".into()), ..options() };
        let (report, memory) = run(vec![stream("a", format!(r#"{{"id":"m",{cells}}}"#))], &models);
        let message = report.unwrap_err().public_message().to_owned();
        assert!(message.starts_with(why), "{message}");
        assert_eq!((memory.models, memory.commits), (vec![], 0));
    }
}

#[test]
fn one_import_is_one_commit_unless_told_otherwise() {
    let rows: Vec<String> = (0..30_000).map(|row| event(&row.to_string(), "")).collect();
    let text = rows.join("\n");
    assert_eq!(imported("-", text.clone()).1.commits, 1);

    let often = Options { commit_every: Some(ByteCount(1)), ..options() };
    let (report, memory) = run(vec![stream("-", text)], &often);
    assert_eq!(report.unwrap().stored["events"].get(), 30_000);
    assert_eq!(memory.commits, 5);
}

#[test]
fn a_failing_sink_ends_the_import_with_its_own_fault() {
    let rows: Vec<String> = (0..50_000).map(|row| event(&row.to_string(), "")).collect();
    let mut memory = Memory { fail_at: Some(1), ..Memory::default() };
    let fault = import(vec![stream("-", rows.join("\n"))], &importable(), &options(), &mut memory).unwrap_err();
    assert_eq!(fault.public_message(), "the disk is full");
    assert_eq!(memory.commits, 0);
}

#[test]
fn a_stopped_import_commits_nothing() {
    let options = options();
    options.stop.raise(model::StopReason::Cancelled);
    let (report, memory) = run(vec![stream("-", event("a", ""))], &options);
    assert_eq!(report.unwrap_err().kind(), model::FaultKind::Cancelled);
    assert_eq!(memory.commits, 0);
}

#[test]
fn generated_rows_come_back_unchanged_from_jsonl_and_parquet() {
    let generated = crate::generate::Options::new(ProjectId::new("p"), 400, 3);
    let (mut jsonl, mut scores) = (Vec::new(), Vec::new());
    let mut parquet = crate::generate::ParquetFile::create(&tables::stored_events(), Vec::new()).unwrap();
    for generated in crate::generate::batches(generated).unwrap() {
        crate::generate::write_jsonl(&generated.events, &mut jsonl).unwrap();
        crate::generate::write_jsonl(&generated.scores, &mut scores).unwrap();
        parquet.write(&generated.events).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.parquet");
    std::fs::write(&file, parquet.finish().unwrap()).unwrap();

    let printed = |memory: &Memory, table: &str| {
        let mut lines = Vec::new();
        for batch in &memory.batches[table] {
            crate::generate::write_jsonl(batch, &mut lines).unwrap();
        }
        lines
    };
    assert!(printed(&imported("-", jsonl.clone()).1, "events") == jsonl);
    assert!(printed(&imported("-", scores.clone()).1, "scores") == scores);
    let (report, memory) = run(vec![Input::File(file)], &options());
    assert_eq!(report.unwrap().rejected.get(), 0);
    assert!(printed(&memory, "events") == jsonl);
}
