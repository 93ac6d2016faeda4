//! Random rows: what is read equals what was written, for every column type.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use model::ColumnType;
use proptest::prelude::*;

use super::*;

/// A value of a stored column.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Null,
    Text(String),
    Bool(bool),
    Number(i128),
    Float(u64),
    List(Vec<Cell>),
    Map(Vec<(String, Cell)>),
}

/// A value and one way to write it.
type Written = (Cell, String);

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn number(value: i128, as_text: bool) -> Written {
    (Cell::Number(value), if as_text { format!("\"{value}\"") } else { value.to_string() })
}

fn written(kind: &ColumnType) -> BoxedStrategy<Written> {
    let text = || prop_oneof![any::<String>(), "[a-z\\\\\"\u{0}\n/é😀]{0,12}"];
    match kind {
        ColumnType::Text => text().prop_map(|text| (Cell::Text(text.clone()), quoted(&text))).boxed(),
        ColumnType::Bool => (any::<bool>(), 0..3_usize)
            .prop_map(|(flag, way)| {
                let digit = u8::from(flag).to_string();
                (Cell::Bool(flag), [flag.to_string(), digit.clone(), quoted(&digit)][way].clone())
            })
            .boxed(),
        ColumnType::Int64 => (any::<i64>(), any::<bool>()).prop_map(|(value, text)| number(value.into(), text)).boxed(),
        ColumnType::UInt64 => {
            (any::<u64>(), any::<bool>()).prop_map(|(value, text)| number(value.into(), text)).boxed()
        }
        ColumnType::Float64 => any::<f64>()
            .prop_filter("JSON has finite numbers", |value| value.is_finite())
            .prop_map(|value| (Cell::Float(value.to_bits()), format!("{value:?}")))
            .boxed(),
        ColumnType::Decimal { scale, .. } => {
            let scale = *scale as usize;
            (-999_999_999_999_999_999_i128..=999_999_999_999_999_999, any::<bool>())
                .prop_map(move |(units, as_text)| {
                    let sign = if units < 0 { "-" } else { "" };
                    let digits = format!("{:0width$}", units.abs(), width = scale + 1);
                    let (whole, fraction) = digits.split_at(digits.len() - scale);
                    let text = format!("{sign}{whole}.{fraction}");
                    (Cell::Number(units), if as_text { quoted(&text) } else { text })
                })
                .boxed()
        }
        ColumnType::Timestamp => (-62_135_596_800_000_000_i64..253_402_300_800_000_000, any::<bool>())
            .prop_map(|(micros, iso)| {
                let time = Micros(micros);
                let text = if iso { time.to_rfc3339() } else { time.to_sql_text() };
                (Cell::Number(micros.into()), quoted(&text))
            })
            .boxed(),
        ColumnType::List(item) => prop::collection::vec(written(item), 0..4)
            .prop_map(|items| {
                let texts: Vec<&str> = items.iter().map(|(_, text)| text.as_str()).collect();
                let text = format!("[{}]", texts.join(" ,"));
                (Cell::List(items.into_iter().map(|(cell, _)| cell).collect()), text)
            })
            .boxed(),
        ColumnType::Map(value) => prop::collection::vec((text(), written(value)), 0..4)
            .prop_map(|entries| {
                let texts: Vec<String> =
                    entries.iter().map(|(key, (_, text))| format!("{}: {text}", quoted(key))).collect();
                let text = format!("{{{}}}", texts.join(","));
                (Cell::Map(entries.into_iter().map(|(key, (cell, _))| (key, cell)).collect()), text)
            })
            .boxed(),
        ColumnType::Comments => unreachable!("no stored column has comments"),
    }
}

fn cell(array: &ArrayRef, row: usize) -> Cell {
    if array.is_null(row) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int64 => Cell::Number(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::UInt64 => Cell::Number(array.as_primitive::<UInt64Type>().value(row).into()),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::Decimal128(_, _) => Cell::Number(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::Timestamp(_, _) => Cell::Number(array.as_primitive::<TimestampMicrosecondType>().value(row).into()),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Cell::List((0..items.len()).map(|item| cell(&items, item)).collect())
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let key = |entry| keys.as_string::<i32>().value(entry).to_owned();
            Cell::Map((0..entries.len()).map(|entry| (key(entry), cell(values, entry))).collect())
        }
        other => panic!("no stored column has type {other}"),
    }
}

/// A row: for each column a value, null where it may be null or has a default, or no key at all.
fn row(table: &StoredTable) -> BoxedStrategy<Vec<Option<Written>>> {
    let cells: Vec<BoxedStrategy<Option<Written>>> = table
        .columns
        .iter()
        .map(|column| match (column.required, column.nullable) {
            (true, _) => written(&column.kind).prop_map(Some).boxed(),
            (false, true) => prop_oneof![
                3 => written(&column.kind).prop_map(Some),
                1 => Just(Some((Cell::Null, "null".to_owned()))),
            ]
            .boxed(),
            (false, false) => prop_oneof![3 => written(&column.kind).prop_map(Some), 1 => Just(None)].boxed(),
        })
        .collect();
    cells.boxed()
}

fn check(table: &Arc<StoredTable>, rows: &[Vec<Option<Written>>]) -> Result<(), TestCaseError> {
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = table
            .columns
            .iter()
            .zip(row)
            .filter_map(|(column, cell)| cell.as_ref().map(|(_, text)| format!("\"{}\":{text}", column.name)))
            .collect();
        writeln!(text, "{{{}}}", cells.join(", ")).unwrap();
    }
    let (report, memory) = run(vec![stream("random.jsonl", text.clone())], &Options::at(NOW));
    let report = report.map_err(|fault| TestCaseError::fail(format!("{fault}\n{text}")))?;
    prop_assert_eq!(report.stored[table.name].get(), rows.len() as u64);
    let batch = &memory.batches[table.name][0];
    for (place, column) in table.columns.iter().enumerate() {
        for (index, row) in rows.iter().enumerate() {
            if let Some((expected, _)) = &row[place] {
                prop_assert_eq!(&cell(batch.column(place), index), expected, "{}", column.name);
            }
        }
    }
    Ok(())
}

/// The first key column is the project, and an empty project is none.
fn with_project(table: &StoredTable, mut row: Vec<Option<Written>>) -> Vec<Option<Written>> {
    let place = table.columns.iter().position(|column| column.name == table.key[0]).unwrap();
    row[place] = Some((Cell::Text("p".to_owned()), "\"p\"".to_owned()));
    row
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_events_are_read_exactly(rows in prop::collection::vec(row(&tables::stored_events()), 1..4)) {
        let table = tables::stored_events();
        let rows: Vec<_> = rows.into_iter().map(|row| with_project(&table, row)).collect();
        check(&table, &rows)?;
    }

    #[test]
    fn random_scores_are_read_exactly(rows in prop::collection::vec(row(&tables::stored_scores()), 1..4)) {
        let table = tables::stored_scores();
        let rows: Vec<_> = rows.into_iter().map(|row| with_project(&table, row)).collect();
        check(&table, &rows)?;
    }
}
