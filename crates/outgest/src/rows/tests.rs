use std::sync::Arc;

use arrow_array::cast::AsArray;
use model::{ColumnType, Micros, StoredColumn, StoredTable};

use super::*;

fn table() -> Arc<StoredTable> {
    let column = |name, kind| StoredColumn { name, kind, nullable: false, required: false, default: "" };
    Arc::new(StoredTable {
        name: "things",
        columns: vec![
            StoredColumn { required: true, ..column("project_id", ColumnType::Text) },
            column("flag", ColumnType::Bool),
            StoredColumn { nullable: true, ..column("count", ColumnType::Int64) },
            column("big", ColumnType::UInt64),
            column("ratio", ColumnType::Float64),
            column("cost", ColumnType::COST),
            StoredColumn { default: StoredColumn::IMPORT_TIME, ..column("at", ColumnType::Timestamp) },
            column("tags", ColumnType::text_list()),
            column("usage", ColumnType::Map(Box::new(ColumnType::UInt64))),
            StoredColumn { default: "default", ..column("environment", ColumnType::Text) },
        ],
        key: &["project_id"],
        time: "at",
        version: "at",
        deleted: "flag",
        ingested: "at",
    })
}

fn set(rows: &mut Rows, name: &str, json: &str) -> Result<(), String> {
    let place = rows.place(name).unwrap();
    rows.set(place, Cell::Json(json), JsonText::Refused)
}

fn line(rows: &mut Rows, row: usize) -> String {
    let mut out = String::new();
    jsonl_row(&rows.take().unwrap(), row, &mut out);
    out
}

#[test]
fn every_type_prints_as_it_was_read() {
    let mut rows = Rows::new(table());
    let cells = [
        ("project_id", r#""a\"\\\nü😀\u0000""#, r#""a\"\\\nü😀\u0000""#),
        ("flag", "1", "true"),
        ("count", r#""-9223372036854775808""#, "-9223372036854775808"),
        ("big", "18446744073709551615", "18446744073709551615"),
        ("ratio", "-0.1", "-0.1"),
        ("cost", "123456.000000000001", "123456.000000000001"),
        ("at", r#""2026-06-01T02:00:37.007001+02:00""#, r#""2026-06-01 00:00:37.007001""#),
        ("tags", r#"["","b"]"#, r#"["","b"]"#),
        ("usage", r#"{"z":1, "a":"2", "z":3}"#, r#"{"z":1,"a":2,"z":3}"#),
        ("environment", r#""""#, r#""""#),
    ];
    for (name, json, _) in cells {
        set(&mut rows, name, json).unwrap();
    }
    rows.close(Micros(0));
    let expected: Vec<String> = cells.iter().map(|(name, _, printed)| format!("\"{name}\":{printed}")).collect();
    assert_eq!(line(&mut rows, 0), format!("{{{}}}\n", expected.join(",")));
}

#[test]
fn cells_nobody_filled_get_null_their_default_or_now() {
    let mut rows = Rows::new(table());
    set(&mut rows, "environment", "null").unwrap();
    assert_eq!(rows.missing(), Some("project_id"));
    set(&mut rows, "project_id", r#""p""#).unwrap();
    assert_eq!(rows.missing(), None);
    rows.close(Micros(1));
    assert_eq!(
        line(&mut rows, 0),
        "{\"project_id\":\"p\",\"flag\":false,\"count\":null,\"big\":0,\"ratio\":0,\"cost\":0,\
         \"at\":\"1970-01-01 00:00:00.000001\",\"tags\":[],\"usage\":{},\"environment\":\"default\"}\n"
    );
}

#[test]
fn an_undone_row_leaves_no_trace() {
    let mut rows = Rows::new(table());
    set(&mut rows, "project_id", r#""first""#).unwrap();
    set(&mut rows, "tags", r#"["kept"]"#).unwrap();
    rows.close(Micros(0));
    let bytes = rows.bytes();

    set(&mut rows, "project_id", r#""second""#).unwrap();
    set(&mut rows, "count", "1").unwrap();
    set(&mut rows, "usage", r#"{"a":1,"b":-1}"#).unwrap_err();
    set(&mut rows, "tags", r#"["x",null]"#).unwrap_err();
    rows.undo();

    assert_eq!((rows.len(), rows.bytes()), (1, bytes));
    let batch = rows.take().unwrap();
    assert_eq!(batch.num_rows(), 1);
    assert_eq!(batch.column(7).as_list::<i32>().values().as_string::<i32>().value(0), "kept");
    assert!(rows.is_empty());
}

#[test]
fn what_does_not_fit_says_what_would() {
    let mut rows = Rows::new(table());
    for (name, json, why) in [
        ("project_id", "5", "expected text, found a number"),
        ("project_id", r#"{"a":1}"#, "expected text, found an object"),
        ("flag", r#""yes""#, "expected true, false, 1 or 0"),
        ("count", "1.5", "expected a whole number"),
        ("count", "9223372036854775808", "beyond a signed 64-bit integer"),
        ("count", "true", "expected a whole number, found a boolean"),
        ("big", "-1", "beyond an unsigned 64-bit integer"),
        ("ratio", "1e999", "beyond a double"),
        ("cost", "1000000", "beyond a decimal of 18 digits, 12 of them after the point"),
        ("at", "1785585600", "expected a time, found a number"),
        ("at", r#""yesterday""#, "expected a time such as 2026-08-01 12:00:00.000000"),
        ("tags", r#""a""#, "expected a list, found text"),
        ("tags", r#"["a",1]"#, "element 2: expected text, found a number"),
        ("usage", r#"{"a":[]}"#, "key \"a\": expected a whole number from 0, found a list"),
        ("usage", "[]", "expected a map, found a list"),
    ] {
        assert_eq!(set(&mut rows, name, json).unwrap_err(), why, "{name} {json}");
    }
}

#[test]
fn a_batch_is_full_by_rows_or_by_bytes() {
    let mut rows = Rows::new(table());
    let large = format!("\"{}\"", "x".repeat(BATCH_BYTES / 2));
    for expected in [false, true] {
        set(&mut rows, "project_id", &large).unwrap();
        rows.close(Micros(0));
        assert_eq!(rows.is_full(), expected);
    }
}
