//! The score cells of today's export on the golden set, apart from what we correct on purpose.
//!
//! `golden/score-cells.jsonl` holds the cells that are not null per row, `../sources/golden/e2e/scores.jsonl`
//! the stored scores. The order of values in a cell was never specified there, so cells compare as sets.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

use model::{ColumnType, Micros, ScoreRow};
use serde_json::{Value, json};

use super::tests::{cells, enriched};
use crate::test_rows::{self, Row};

/// Columns that today's export has and ours lacks, or the other way round, and what the document on
/// differences says of them. The only score named `deleted` is deleted; `future` was created after the
/// export.
const COLUMNS_THAT_DIFFER: &[(&str, &str)] = &[
    ("deleted", "The name of a deleted score still makes an empty column."),
    ("future", "A score stored after the cut-off makes no column"),
];

/// What the document says of scores named like columns and like properties of JavaScript objects.
const NAMES_THAT_COLLIDE: &[&str] =
    &["It becomes the column `score:<name>`.", "A score named like a property of every JavaScript object"];

fn lines(path: &str) -> Vec<Value> {
    let file = File::open(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    BufReader::new(file).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

/// The live, listable scores of a project.
fn scores(project: &str) -> Vec<ScoreRow> {
    let stored = lines("../sources/golden/e2e/scores.jsonl").into_iter();
    let live = stored.filter(|score| score["project_id"] == project && score["is_deleted"] == 0);
    live.filter(|score| score["data_type"] != "CORRECTION")
        .map(|score| {
            let text = |column: &str| score[column].as_str().map(Into::into);
            ScoreRow {
                id: text("id").unwrap(),
                trace_id: text("trace_id").unwrap_or_else(|| "".into()),
                observation_id: text("observation_id"),
                name: text("name").unwrap(),
                data_type: text("data_type").unwrap(),
                value: score["value"].as_f64().unwrap(),
                string_value: text("string_value"),
                comment: text("comment"),
                timestamp: Micros::parse_text(score["timestamp"].as_str().unwrap()).unwrap(),
            }
        })
        .collect()
}

/// A cell's values in an order of their own, numbers by value.
fn as_set(cell: &Value) -> Vec<String> {
    let print = |value: &Value| value.as_f64().map_or_else(|| value.to_string(), |number| number.to_string());
    let mut values: Vec<String> = cell.as_array().unwrap().iter().map(print).collect();
    values.sort();
    values
}

#[tokio::test]
async fn golden_score_cells_are_what_they_always_were() {
    let golden = lines("golden/score-cells.jsonl");
    let rows: Vec<Row> =
        golden.iter().map(|row| Row::new(row["trace"].as_str().unwrap(), row["id"].as_str().unwrap())).collect();
    let columns = [("id", ColumnType::Text)];
    let request = test_rows::request(test_rows::table(&columns), &columns);

    let ours = cells(&enriched(&request, scores("proj-e2e"), &rows).await);

    let names: Vec<&String> = ours[0].keys().collect();
    assert_eq!(names, ["accuracy", "free,text", "future", "is-helpful", "sentiment", "sess", "trace_quality"]);
    for (ours, golden) in ours.iter().zip(&golden) {
        let differs = |name: &str| COLUMNS_THAT_DIFFER.iter().any(|(column, _)| *column == name);
        let ours: BTreeMap<&String, Vec<String>> = ours
            .iter()
            .filter(|(name, cell)| !cell.is_null() && !differs(name))
            .map(|(name, cell)| (name, as_set(cell)))
            .collect();
        let expected: BTreeMap<&String, Vec<String>> = golden["scores"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !differs(name))
            .map(|(name, cell)| (name, as_set(cell)))
            .collect();
        assert_eq!(ours, expected, "{}", golden["id"]);
    }
}

#[test]
fn every_listed_difference_is_documented() {
    let document = include_str!("../../../../docs/differences-from-langfuse.md");
    for said in COLUMNS_THAT_DIFFER.iter().map(|(_, said)| said).chain(NAMES_THAT_COLLIDE) {
        assert!(document.contains(said), "docs/differences-from-langfuse.md does not say: {said}");
    }
}

/// Scores named like columns used to overwrite them, and `toString` to lose its value.
#[tokio::test]
async fn golden_scores_named_like_columns_have_columns_of_their_own() {
    let columns = [("id", ColumnType::Text), ("name", ColumnType::Text), ("comments", ColumnType::Comments)];
    let request = test_rows::request(test_rows::table(&columns), &columns[..1]);
    let rows = [("tr-075", "ev-300"), ("tr-075", "ev-301"), ("tr-075", "ev-303"), ("tr-076", "ev-304")];
    let rows = rows.map(|(trace, id)| Row::new(trace, id));
    let found = cells(&enriched(&request, scores("proj-collide"), &rows).await);
    let present = |row: usize| {
        let cells = found[row].iter().filter(|(_, cell)| !cell.is_null());
        Value::Object(cells.map(|(name, cell)| (name.clone(), cell.clone())).collect())
    };
    assert_eq!(present(0), json!({"score:id": [5.0]}));
    assert_eq!(present(1), json!({"score:name": ["overrides?"]}));
    assert_eq!(present(2), json!({"2": [1.0], "score:comments": [2.0]}));
    assert_eq!(present(3), json!({"ok": [3.0], "toString": [3.0]}));
}
