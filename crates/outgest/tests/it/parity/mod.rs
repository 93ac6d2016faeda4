//! The files of Outgest beside those of Langfuse for the same rows and filters: equal, except for the
//! differences that `docs/differences-from-langfuse.md` lists, each of which must occur.

pub mod scheduled;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::support::Bench;

/// What differs between the two files, each with what the document says of it.
struct Expected {
    only_ours: &'static [Column],
    only_theirs: &'static [Column],
    cells: &'static [Cell],
}

/// A column that only one of the files has.
struct Column {
    name: &'static str,
    said: &'static str,
}

/// A cell that differs: row, column, our text, their text.
struct Cell {
    row: &'static str,
    column: &'static str,
    ours: &'static str,
    theirs: &'static str,
    said: &'static str,
}

const SCORE_COLUMNS: Expected = Expected {
    only_ours: &[Column { name: "future", said: "A score stored after the cut-off makes no column" }],
    only_theirs: &[Column { name: "deleted", said: "The name of a deleted score still makes an empty column." }],
    cells: &[],
};

const ASCII: &str = "Only escapes of code points from U+0080 on";
const DIGITS: &str = "Every digit is kept";

const CELLS: &[Cell] = &[
    Cell { row: "ev-005", column: "comments", ours: r"日本 \\u0041", theirs: "日本 A", said: ASCII },
    Cell { row: "ev-002", column: "input", ours: r"\\u0022q\\u0022", theirs: "\\\"q\\\"", said: ASCII },
    // 999999.999999999999 here, a double there; reading ours into a double shows as much.
    Cell { row: "ev-003", column: "costDetails", ours: "1000000.0", theirs: "1000000", said: DIGITS },
    Cell { row: "ev-003", column: "usageDetails", ours: "9007199254740993", theirs: "9007199254740992", said: DIGITS },
];

/// What the comparison does not look at at all: repeated keys, the order of lists that chance decides
/// there, and scores named like columns or like properties of JavaScript objects.
const NOT_COMPARED: &[&str] = &[
    "Metadata keys in reverse order, a repeated key once.",
    "Values of a cell in chance order.",
    "Columns in chance order",
    "A score named like a column overwrites it in every row.",
    "A score named like a property of every JavaScript object",
];

#[test]
fn every_difference_is_documented() {
    let document = include_str!("../../../../../docs/differences-from-langfuse.md");
    let columns = SCORE_COLUMNS.only_ours.iter().chain(SCORE_COLUMNS.only_theirs).map(|column| column.said);
    for said in columns.chain(CELLS.iter().map(|cell| cell.said)).chain(NOT_COMPARED.iter().copied()) {
        assert!(document.contains(said), "docs/differences-from-langfuse.md does not say: {said}");
    }
}

/// Where the rows come from: a bench whose metadata store holds the reference comments, and the options
/// that name the source.
struct Origin<'a> {
    bench: &'a Bench,
    options: &'a [&'a str],
}

/// Every case, read from a bench's own store or from the source that these options name.
pub fn compare_all(bench: &Bench, options: &[&str]) {
    let from = Origin { bench, options };
    compare(&from, "A_public_nofilter", &Expected { cells: CELLS, ..SCORE_COLUMNS });
    compare(&from, "B_public_type_latency", &SCORE_COLUMNS);
    compare(&from, "C_public_tags_time", &SCORE_COLUMNS);
    compare_collision(&from);
}

#[test]
fn files_from_the_embedded_store() {
    compare_all(&Bench::with_reference_rows(), &[]);
}

/// Langfuse's JSON has the bytes of its JSONL, with commas for line ends, in brackets. So has ours, row by row.
fn compare_json(from: &Origin<'_>, case: &str) {
    let arguments = arguments(case);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let file = |name: &str, format: &str| {
        from.bench.export(name, &[&arguments[..], from.options, &["--format", format]].concat())
    };
    let (json, lines) = (file("ours.json", "json"), file("ours.jsonl", "jsonl"));
    let joined = lines.lines().collect::<Vec<_>>().join(",");
    assert_eq!(json.trim_end(), format!("[{joined}]"), "{case}");
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(rows.len(), golden_rows(case).len(), "{case}");
}

/// Scores that are named like columns.
fn compare_collision(from: &Origin<'_>) {
    let case = "G_public_score_name_collision";
    compare_json(from, case);
    compare_collision_csv(from, case);
    let rows = export(from, case);
    let theirs = golden_rows(case);
    assert_eq!(rows.len(), theirs.len());
    for (ours, theirs) in rows.iter().zip(&theirs) {
        for column in ["id", "name", "comments"] {
            // There the score takes the column's place; here it has a column of its own.
            assert!(!ours[column].is_null(), "{ours}");
            assert_eq!(ours[format!("score:{column}")], theirs[column], "{column}");
        }
        for (column, value) in theirs.as_object().unwrap() {
            // A score named like a property of every JavaScript object loses its value there.
            if !["id", "name", "comments", "toString"].contains(&column.as_str()) {
                assert_eq!(comparable(&ours[column]), comparable(value), "{column} of {ours}");
            }
        }
    }
}

/// The same in CSV, where a list of scores is a text.
fn compare_collision_csv(from: &Origin<'_>, case: &str) {
    let (ours, theirs) = csv_rows(from, case);
    let mut overwritten = 0;
    for (our, their) in ours.iter().zip(&theirs) {
        for (column, cell) in their {
            let ours = match column.as_str() {
                "toString" | "metadata" => continue,
                "id" | "name" | "comments" => {
                    overwritten += usize::from(!cell.is_empty());
                    assert!(!our["id"].is_empty(), "{our:?}");
                    &our[&format!("score:{column}")]
                }
                _ => &our[column],
            };
            let value = |text: &str| serde_json::from_str::<Value>(text).map(|value| comparable(&value));
            let is_same = ours == cell || value(ours).is_ok_and(|ours| value(cell).is_ok_and(|theirs| ours == theirs));
            assert!(is_same, "{column} of {}: {ours:?} and {cell:?}", our["id"]);
        }
    }
    assert!(overwritten > 0, "no score is named like a column");
}

fn compare(from: &Origin<'_>, case: &str, expected: &Expected) {
    let (ours, theirs) = (export(from, case), golden_rows(case));
    let ids = |rows: &[Value]| rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&ours), ids(&theirs), "rows or their order");
    let (our_columns, their_columns) = (columns(&ours[0]), columns(&theirs[0]));
    assert_eq!(our_columns[..32], their_columns[..32], "the columns before the scores");
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    let only = |a: &[String], b: &[String]| set(a).difference(&set(b)).cloned().collect::<Vec<_>>();
    let names = |columns: &[Column]| columns.iter().map(|column| column.name.to_owned()).collect::<Vec<_>>();
    assert_eq!(only(&our_columns, &their_columns), names(expected.only_ours));
    assert_eq!(only(&their_columns, &our_columns), names(expected.only_theirs));

    let lines = from.bench.read("rows.jsonl");
    let mut found = BTreeSet::new();
    for ((our, their), line) in ours.iter().zip(&theirs).zip(lines.lines()) {
        for (column, their_value) in their.as_object().unwrap() {
            let Some(our_value) = our.get(column) else { continue };
            if comparable(our_value) == comparable(their_value) {
                continue;
            }
            if column == "metadata" && holds_all(line, their_value) {
                // A repeated key is there twice; they keep its first value, a JSON reader the last.
                continue;
            }
            let id = our["id"].as_str().unwrap();
            let Some(listed) = expected.cells.iter().find(|cell| cell.row == id && cell.column == column) else {
                panic!("{column} of {id} differs: {our_value} and {their_value}");
            };
            assert!(our_value.to_string().contains(listed.ours), "{our_value}");
            assert!(their_value.to_string().contains(listed.theirs), "{their_value}");
            found.insert((id.to_owned(), column.clone()));
        }
    }
    assert_eq!(found.len(), expected.cells.len(), "a listed difference does not occur any more");
    compare_csv(from, case, expected, &their_columns[32..]);
    compare_json(from, case);
}

/// Whether the text of a row has every entry of this object.
fn holds_all(line: &str, object: &Value) -> bool {
    object
        .as_object()
        .unwrap()
        .iter()
        .all(|(key, value)| line.contains(&format!("{}:{value}", Value::from(key.as_str()))))
}

/// The same cells as CSV, byte for byte but for what is listed: the order of metadata keys and, where a cell has
/// several, of scores.
fn compare_csv(from: &Origin<'_>, case: &str, expected: &Expected, scores: &[String]) {
    let (ours, theirs) = csv_rows(from, case);
    for (our, their) in ours.iter().zip(&theirs) {
        for (column, cell) in their {
            let id = their["id"].as_str();
            let listed = expected.cells.iter().any(|cell| cell.row == id && cell.column == column);
            let Some(our_cell) = our.get(column).filter(|_| !listed) else { continue };
            let is_same = match column.as_str() {
                "metadata" => same_entries(our_cell, cell),
                _ if scores.contains(column) => our_cell == cell || same_in_other_order(our_cell, cell),
                _ => our_cell == cell,
            };
            assert!(is_same, "{column} of {id}: {our_cell:?} and {cell:?}");
        }
    }
}

/// Whether two texts are objects with the same entries, of which theirs has the first one of each key.
fn same_entries(ours: &str, theirs: &str) -> bool {
    let [our_value, their_value] = [ours, theirs].map(|text| serde_json::from_str::<Value>(text).unwrap());
    comparable(&our_value) == comparable(&their_value) || holds_all(ours, &their_value)
}

/// Whether two texts are lists of the same values, several of them. A cell of one value has no other order.
fn same_in_other_order(ours: &str, theirs: &str) -> bool {
    let [ours, theirs] = [ours, theirs].map(|text| serde_json::from_str::<Vec<Value>>(text).unwrap_or_default());
    theirs.len() > 1 && comparable(&ours.into()) == comparable(&theirs.into())
}

/// The rows of our CSV and of theirs, as many of the one as of the other.
fn csv_rows(from: &Origin<'_>, case: &str) -> (Vec<Cells>, Vec<Cells>) {
    let arguments = arguments(case);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ours = from.bench.export("ours.csv", &[&arguments[..], from.options, &["--format", "csv"]].concat());
    let theirs = std::fs::read_to_string(golden(&format!("{case}.csv"))).unwrap();
    let (ours, theirs) = (cells(&ours), cells(&theirs));
    assert_eq!(ours.len(), theirs.len());
    (ours, theirs)
}

/// The cells of a row by column.
type Cells = BTreeMap<String, String>;

fn cells(text: &str) -> Vec<Cells> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn golden(name: &str) -> String {
    format!("{}/tests/it/parity/golden/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn golden_rows(case: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(golden(&format!("{case}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Options that ask for what the case asked for.
fn arguments(case: &str) -> Vec<String> {
    let asked = std::fs::read_to_string(golden(&format!("{case}.filter.json"))).unwrap();
    let asked: Map<String, Value> = serde_json::from_str(&asked).unwrap();
    let text = |name: &str| asked[name].as_str().unwrap().to_owned();
    ["--project", &text("projectId"), "--until", &text("cutoffCreatedAt"), "--filter", &asked["filter"].to_string()]
        .map(str::to_owned)
        .to_vec()
}

fn export(from: &Origin<'_>, case: &str) -> Vec<Value> {
    let arguments = arguments(case);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    from.bench.rows(&[&arguments[..], from.options].concat())
}

fn columns(row: &Value) -> Vec<String> {
    row.as_object().unwrap().keys().cloned().collect()
}

/// A value whose order is not promised there: scores of a cell in chance order, metadata keys reversed.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Array(items) if !items.iter().any(Value::is_object) => {
            let mut sorted = items.clone();
            sorted.sort_by_key(Value::to_string);
            Value::Array(sorted)
        }
        Value::Object(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by_key(|(key, _)| key.as_str());
            Value::Array(sorted.into_iter().map(|(key, value)| serde_json::json!([key, value])).collect())
        }
        other => other.clone(),
    }
}
