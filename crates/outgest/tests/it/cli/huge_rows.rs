//! Rows above the size limit, which no import lets in but other writers of a store may.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use lake::Lake;
use model::{ColumnType, Micros};

use crate::support::Bench;

const NOW: Micros = Micros(1_790_000_000_000_000);

/// A value with nothing in it: no nulls, no items.
fn blank(kind: &ColumnType, rows: usize) -> ArrayRef {
    match kind {
        ColumnType::Text => Arc::new(StringArray::from_iter_values(std::iter::repeat_n("", rows))),
        ColumnType::Bool => Arc::new(BooleanArray::from(vec![false; rows])),
        other => {
            let data = new_null_array(&other.to_arrow(), rows).to_data().into_builder().nulls(None).build();
            arrow_array::make_array(data.unwrap())
        }
    }
}

/// Stores small events around one whose input is 300 MB.
fn with_a_huge_row() -> Bench {
    let bench = Bench::new();
    let ids = ["after", "huge", "before"];
    let inputs = ["small".to_owned(), "x".repeat(300_000_000), "small".to_owned()];
    let texts = |texts: &[&str]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
    let times = |times: [i64; 3]| Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC"));
    let table = tables::stored_events();
    let columns = table.columns.iter().map(|column| match column.name {
        "project_id" => texts(&["p"; 3]),
        "trace_id" => texts(&["t"; 3]),
        "span_id" => texts(&ids),
        "input" => Arc::new(StringArray::from_iter_values(&inputs)),
        "start_time" | "event_ts" | "updated_at" | "created_at" => times([NOW.0 + 2, NOW.0 + 1, NOW.0]),
        _ => blank(&column.kind, 3),
    });
    let fields = table
        .columns
        .iter()
        .map(|column| arrow_schema::Field::new(column.name, column.kind.to_arrow(), column.nullable));
    let schema = Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(schema, columns.collect()).unwrap();
    drop(inputs);
    let lake = Lake::create_or_open(&bench.file("data").join("lake"), &tables::stored(), NOW).unwrap();
    let mut appender = lake.append("events").unwrap();
    appender.push(batch).unwrap();
    appender.commit(NOW, "test").unwrap();
    bench
}

/// What an export needs besides rows, in MiB; far below a row of 300 MB.
const BOUND: u64 = 200;

#[test]
fn a_row_above_the_limit_is_named_before_its_payload_is_read() {
    let bench = with_a_huge_row();
    let command = ["export", "--project", "p", "-o", "out.jsonl"];
    let searching = [&command[..], &["--where", "input contains \"x\""]].concat();
    let traces = [&command[..], &["--table", "traces"]].concat();
    for arguments in [&command[..], &searching] {
        let (ended, peak) = bench.run_measured(arguments);
        assert_ne!(ended.code, 0);
        assert!(ended.stderr.contains("row huge has ") && ended.stderr.contains("above the limit"), "{}", ended.stderr);
        assert!(peak > 0 && peak < BOUND, "{peak} MiB");
        assert_eq!(bench.listing(), Vec::<String>::new(), "something was written");
    }
    // The newest root gives a trace its input, so the trace is as small as that.
    let (ended, peak) = bench.run_measured(&traces);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(peak < BOUND, "{peak} MiB");
}

#[test]
fn the_neighbours_of_a_huge_row_are_read_without_it() {
    let bench = with_a_huge_row();
    let small = r#"{"type":"stringOptions","column":"id","operator":"none of","value":["huge"]}"#;
    let command = ["export", "--project", "p", "-o", "out.jsonl", "--filter", small];
    let (ended, peak) = bench.run_measured(command);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(peak > 0 && peak < BOUND, "{peak} MiB");
    assert_eq!(bench.read("out.jsonl").lines().count(), 2);
}
