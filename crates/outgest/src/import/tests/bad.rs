use std::io::Write;

use ::parquet::arrow::ArrowWriter;
use arrow_array::{ArrayRef, Int64Array, StringArray};
use arrow_schema::{DataType, Field, Schema};

use super::*;

#[test]
fn a_bad_value_is_named_with_file_line_column_and_value() {
    let text = [event("a", ""), event("b", r#""end_time":"yesterday\u0007""#)].join("\n");
    let (message, hint) = refused("events.jsonl", text);
    assert_eq!(
        message,
        r#"events.jsonl line 2: column end_time: expected a time such as 2026-08-01 12:00:00.000000 ("yesterday\u0007")"#
    );
    assert_eq!(hint, "correct the row, or give --rejects FILE to store the good rows; nothing was stored");

    let (message, _) = refused("a.json", format!("[\n{},\n{}]", event("a", ""), event("b", r#""event_bytes":-1"#)));
    assert_eq!(message, "a.json row 2 (line 3): column event_bytes: beyond an unsigned 64-bit integer (-1)");
}

#[test]
fn values_in_messages_are_short_and_printable() {
    let (message, _) = refused("a.csv", format!("trace_id,span_id,start_time\nt,s,\"\x1b[31m{}\"\n", "é".repeat(500)));
    assert!(message.starts_with("a.csv line 2: column start_time: expected a time"), "{message}");
    assert!(message.contains("(\u{fffd}[31mé"), "{message}");
    assert!(message.ends_with("é…)") && message.chars().count() < 200, "{message}");
}

#[test]
fn rows_that_are_no_json_are_bad() {
    for (row, why) in [
        ("{\"trace_id\":\"a\0b\"}", "no JSON object: control character"),
        ("{\"trace_id\":", "no JSON object: EOF"),
        ("[1]", "no JSON object: invalid type: sequence, expected a JSON object"),
        ("{\"a\":1}{", "no JSON object: trailing characters"),
        ("nonsense", "no JSON object: expected"),
        (r#"{"trace_id":"\ud800"}"#, "column trace_id: "),
    ] {
        let (message, _) = refused("a.jsonl", format!("{}\n{row}", event("a", "")));
        assert!(message.starts_with(&format!("a.jsonl line 2: {why}")), "{message}");
    }
}

#[test]
fn an_escaped_nul_is_text() {
    let (_, memory) = imported("a.jsonl", event("s", r#""input":"a\u0000b""#));
    assert_eq!(memory.rows("events")[0]["input"], "a\0b");
}

#[test]
fn invalid_utf8_is_named_with_its_line() {
    let mut bytes = format!("{}\n", event("a", "")).into_bytes();
    bytes.extend(b"{\"trace_id\":\"\xff\"}\n");
    assert_eq!(refused("a.jsonl", bytes).0, "a.jsonl line 2: invalid UTF-8 at byte 14");
    let (message, _) = refused("a.csv", b"trace_id,span_id,start_time\nt,\xc3\x28,2026-06-01\n".to_vec());
    assert_eq!(message, "a.csv line 2: column span_id: invalid UTF-8 at byte 1 of the cell");
}

#[test]
fn an_endless_line_is_refused_without_holding_it() {
    /// Gives `left` bytes of a JSON string, and remembers how many were asked for.
    struct Endless {
        start: Cursor<Vec<u8>>,
        left: u64,
        given: Arc<std::sync::atomic::AtomicU64>,
    }
    impl std::io::Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let mut count = self.start.read(into)?;
            if count == 0 {
                count = into.len().min(self.left as usize);
                into[..count].fill(b'x');
                self.left -= count as u64;
            }
            self.given.fetch_add(count as u64, Ordering::Relaxed);
            Ok(count)
        }
    }
    let two_gigabytes = 2_000_000_000;
    for (name, start) in
        [("a.jsonl", "{\"input\":\""), ("a.json", "[{\"input\":\""), ("a.csv", "trace_id,span_id,start_time\n\"")]
    {
        let given = Arc::default();
        let reader = Endless { start: Cursor::new(start.into()), left: two_gigabytes, given: Arc::clone(&given) };
        let limited = Options { row_bytes_max: ByteCount::mebibytes(4), table: Some("events".into()), ..options() };
        let input = Input::Stream { name: name.into(), reader: Box::new(reader) };
        let fault = run(vec![input], &limited).0.unwrap_err();
        assert!(fault.public_message().contains("the row is longer than 4194304 bytes"), "{fault}");
        assert!(given.load(Ordering::Relaxed) < 10 * 1024 * 1024, "{name}");
    }
}

#[test]
fn rows_after_one_that_is_too_long_are_stored() {
    let long = event("long", &format!("\"input\":\"{}\"", "],[\\\"".repeat(200_000)));
    let limited = |rejects: PathBuf| Options { row_bytes_max: ByteCount(1_000), rejects: Some(rejects), ..options() };
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("lines", format!("{}\n{long}\n{}", event("a", ""), event("b", ""))),
        ("array", format!("[{},{long},{}]", event("a", ""), event("b", ""))),
    ] {
        let rejects = folder.path().join(name);
        let (report, memory) = run(vec![stream(name, text)], &limited(rejects.clone()));
        let report = report.unwrap();
        assert_eq!((report.read.get(), report.rejected.get()), (3, 1), "{name}");
        assert_eq!(memory.rows("events")[1]["span_id"], "b");
        let reject: Value = serde_json::from_str(&std::fs::read_to_string(rejects).unwrap()).unwrap();
        assert_eq!(reject["row_clipped"], true);
        assert_eq!(reject["row"].as_str().unwrap().len(), 1_024);
    }
}

#[test]
fn truncated_files_are_refused_whole() {
    let row = event("a", "");
    for (text, why) in [
        (format!("[{row},"), "a.json row 2 (line 1): the file ends before the end of the JSON array"),
        (format!("[{row}"), "a.json row 1 (line 1): the file ends inside this row"),
        (format!("[{row},{{\"trace_id\":\"]"), "a.json row 2 (line 1): the file ends inside this row"),
        (format!("[{row},]"), "a.json row 2 (line 1): a value is missing before , or ]"),
        (format!("[{row}] x"), "a.json row 1 (line 1): something follows the end of the JSON array"),
    ] {
        assert_eq!(refused("a.json", text).0, why);
    }
    let (message, _) = refused("a.csv", "trace_id,span_id,start_time,input\nt,s,2026-06-01,\"half a ce");
    assert_eq!(message, "a.csv: the file ends inside a quoted cell");

    let rows: Vec<String> = (0..1_000).map(|row| event(&row.to_string(), "")).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(rows.join("\n").as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(rows.join("\n").as_bytes(), 1).unwrap();
    for (name, bytes) in [("a.jsonl.gz", &gzip), ("a.jsonl.zst", &zstd)] {
        for cut in [bytes.len() - 1, bytes.len() / 2] {
            let (message, _) = refused(name, &bytes[..cut]);
            assert_eq!(message, format!("cannot read {name}: its compressed data ends too early"));
        }
    }
    let mut damaged = gzip.clone();
    let last = damaged.len() - 6;
    damaged[last] ^= 1;
    assert_eq!(refused("a.gz", damaged).0, "cannot read a.gz: its compressed data is damaged");
}

#[test]
fn unknown_columns_are_named_with_a_suggestion() {
    let (message, hint) = refused("a.jsonl", event("s", r#""usr_id":"u""#));
    assert_eq!(message, "a.jsonl line 1: column usr_id: events has no such column");
    assert_eq!(hint, "did you mean user_id?; nothing was stored");
    // Not even without a value: only exports have columns that tables do not know.
    assert!(refused("a.jsonl", event("s", r#""usr_id":null"#)).0.contains("usr_id"));
    let (message, hint) = refused("a.csv", "trace_id,span_id,start_time,levle\nt,s,2026-06-01,\n");
    assert_eq!((&*message, &*hint), ("a.csv: column levle: events has no such column", "did you mean level?"));
    // In an export an unknown column is a score column, but only if it looks like one.
    let exported = r#"{"id":"s","traceId":"t","startTime":"2026-06-01","levle":"x"}"#;
    assert!(refused("a.jsonl", exported).0.contains("column levle: events has no such column"));
}

#[test]
fn columns_given_twice_are_bad() {
    for cells in [r#""name":"a","name":"b""#, r#""user_id":"u","userId":"u""#] {
        let (message, _) = refused("a.jsonl", event("s", cells));
        assert!(message.contains(": the row has it twice"), "{message}");
    }
    let (message, _) = refused("a.csv", "trace_id,span_id,start_time,span_id\n");
    assert_eq!(message, "a.csv: the header has column span_id twice");
}

#[test]
fn required_columns_must_have_values() {
    let with_table = Options { table: Some("events".into()), ..options() };
    for row in [
        r#"{"trace_id":"t","start_time":"2026-06-01"}"#,
        r#"{"trace_id":"t","span_id":null,"start_time":"2026-06-01"}"#,
    ] {
        let fault = run(vec![stream("a", row)], &with_table).0.unwrap_err();
        assert_eq!(fault.public_message(), "a line 1: column span_id: the row lacks it, and it is required");
    }
    let (message, hint) = refused("notes.json", r#"{"hello":"world"}"#);
    assert_eq!(message, "cannot tell which table the rows of notes.json belong to");
    assert!(hint.contains("--table"));
}

#[test]
fn projects_must_agree() {
    let (message, _) = refused("a", event("s", r#""project_id":"other""#));
    assert_eq!(message, "a line 1: column project_id: the row belongs to another project than p (other)");
    assert!(imported("a", event("s", r#""project_id":"p""#)).0.rejected.get() == 0);
    let fault = run(vec![stream("a", event("s", ""))], &Options::at(NOW)).0.unwrap_err();
    assert_eq!(fault.public_message(), "a line 1: column project_id: the row names no project");
    assert!(fault.public_hint().unwrap().contains("--project"));
}

#[test]
fn csv_rows_have_as_many_cells_as_the_header() {
    let (message, _) = refused("a.csv", "trace_id,span_id,start_time\nt,s,2026-06-01\nt,s\n");
    assert_eq!(message, "a.csv line 3: the row has 2 cells, the header 3");
}

#[test]
fn parquet_with_wrong_types_names_column_and_both_types() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("trace_id", Arc::new(StringArray::from(vec!["t"]))),
        ("span_id", Arc::new(Int64Array::from(vec![1]))),
        ("start_time", Arc::new(StringArray::from(vec!["2026-06-01"]))),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let fault = run(vec![Input::File(path.clone())], &options()).0.unwrap_err();
    let message = fault.public_message();
    assert!(
        message.ends_with(&format!(
            "a.parquet: column span_id has type {}, expected {}",
            DataType::Int64,
            DataType::Utf8
        )),
        "{message}"
    );

    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    let fault = run(vec![Input::File(path)], &options()).0.unwrap_err();
    assert!(fault.public_message().contains("as Parquet"), "{fault}");
    let fault = run(vec![stream("-", bytes)], &options()).0.unwrap_err();
    assert_eq!(fault.public_message(), "cannot read Parquet from -");
}

#[test]
fn inputs_that_cannot_be_opened_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.jsonl");
    let fault = run(vec![Input::File(missing.clone())], &options()).0.unwrap_err();
    assert_eq!(fault.public_message(), format!("cannot read {}: no such file", missing.display()));
    let fault = run(vec![Input::File(folder.path().to_owned())], &options()).0.unwrap_err();
    assert!(fault.public_message().ends_with("it is a directory"), "{fault}");
    let fault = run(vec![], &Options { table: Some("event".into()), ..options() }).0.unwrap_err();
    assert_eq!(fault.public_message(), "table: rows cannot be imported into event: there is no such table");
    assert_eq!(fault.public_hint(), Some("did you mean events?"));
}

#[test]
fn rejects_keep_bad_rows_and_counts_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rejects.jsonl");
    let with_rejects = Options { rejects: Some(path.clone()), ..options() };
    let bad = event("b", r#""level":7,"input":"not stored""#);
    let mut text = [event("a", ""), bad.clone(), "{".to_owned(), event("c", "")].join("\n").into_bytes();
    text.extend(b"\n{\"\xff\":1}\n");

    let csv = "trace_id,span_id,start_time\nt,d,2026-06-01\nt,\"e\"\"\n\",never\n";
    let (report, memory) = run(vec![stream("a.jsonl", text), stream("b.csv", csv)], &with_rejects);
    let report = report.unwrap();

    assert_eq!((report.read.get(), report.stored["events"].get(), report.rejected.get()), (7, 3, 4));
    let spans: Vec<Value> = memory.rows("events").iter().map(|row| row["span_id"].clone()).collect();
    assert_eq!(spans, ["a", "c", "d"]);
    let written = std::fs::read_to_string(&path).unwrap();
    let rejects: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rejects.len(), 4);
    assert_eq!(
        (&rejects[0]["file"], &rejects[0]["line"], &rejects[0]["column"]),
        (&"a.jsonl".into(), &2.into(), &"level".into())
    );
    assert_eq!(rejects[0]["reason"], "column level: expected text, found a number (7)");
    assert_eq!(rejects[0]["row"], bad);
    assert_eq!(rejects[2]["row_hex"], "7b22ff223a317d");
    assert_eq!((&rejects[3]["file"], &rejects[3]["line"]), (&"b.csv".into(), &3.into()));
    assert_eq!(rejects[3]["row"], "t,\"e\"\"\n\",never\n");

    let again = run(vec![], &with_rejects).0.unwrap_err();
    assert_eq!(again.public_message(), format!("the rejects file {} exists", path.display()));
}

#[test]
fn bad_comments_are_named_too() {
    let comment = |cells: &str| format!(r#"{{"id":"c","object_id":"o","content":"x",{cells}}}"#);
    for (cells, why) in [
        (r#""object_type":"DATASET","created_at":"2026-06-01""#, "a line 1: column object_type: expected OBSERVATION"),
        (r#""object_type":"TRACE","created_at":"2026-06-01","author_email":7"#, "a line 1: "),
        (r#""object_type":"TRACE","created_at":"soon""#, "a line 1: column created_at: expected a time"),
        (r#""object_type":"TRACE","created_at":"2026-06-01","mood":1"#, "a line 1: unknown field `mood`"),
        (r#""object_type":"TRACE","created_at":"2026-06-01","project_id":"q""#, "a line 1: column project_id: "),
    ] {
        let (message, _) = refused("a", comment(cells));
        assert!(message.starts_with(why), "{message}");
    }
    // Postgres could not store it.
    let comment = r#"{"id":"c","object_id":"o","content":"x\u0000","object_type":"TRACE","created_at":"2026-06-01"}"#;
    assert_eq!(refused("a", comment).0, "a line 1: column content: a comment cannot hold the character U+0000");
}

#[test]
fn rejects_of_an_import_that_committed_nothing_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rejects.jsonl");
    let options = Options { rejects: Some(path.clone()), commit_every: Some(ByteCount(1)), ..options() };
    let text = [event("a", ""), "nonsense".to_owned(), event("b", "")].join("\n");
    for fails in [0, 1] {
        let mut memory = Memory { fail_commit: Some(fails), ..Memory::default() };
        let fault = import(vec![stream("a.jsonl", text.clone())], &importable(), &options, &mut memory).unwrap_err();
        assert_eq!(fault.public_message(), "the disk is full");
        // With one commit made, rows are missing from the input that only the rejects have.
        assert_eq!(path.exists(), fails == 1, "the commit that failed: {fails}");
    }
}

#[test]
fn times_beyond_four_digits_of_a_year_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let time = arrow_array::TimestampMicrosecondArray::from(vec![253_402_300_800_000_000]).with_timezone("UTC");
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let columns = [("trace_id", text("t")), ("span_id", text("s")), ("start_time", Arc::new(time) as ArrayRef)];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let fault = run(vec![Input::File(path.clone())], &options()).0.unwrap_err();
    let expected = format!("{} row 1: column start_time: expected a time from year 0 to year 9999", path.display());
    assert!(fault.public_message().starts_with(&expected), "{fault}");

    let (message, _) = refused("a.jsonl", event("a", r#""end_time":"+10000-01-01T00:00:00Z""#));
    assert!(message.starts_with("a.jsonl line 1: column end_time: expected a time"), "{message}");
}

#[test]
fn quotes_within_cells_that_are_not_quoted_are_text() {
    let header = "trace_id,span_id,start_time,name";
    let (report, memory) =
        imported("a.csv", format!("{header}\nt,s,2026-06-01,5\" disk\nt,u,2026-06-01,\"a \"\"b\"\n"));
    assert_eq!(report.read.get(), 2);
    let names: Vec<Value> = memory.rows("events").iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["5\" disk", "a \"b"]);
    for cut in ["\"open", "\"open \"\"", "5\" disk\nt,u,2026-06-01,\""] {
        let (message, _) = refused("a.csv", format!("{header}\nt,s,2026-06-01,{cut}"));
        assert_eq!(message, "a.csv: the file ends inside a quoted cell", "{cut}");
    }
}
