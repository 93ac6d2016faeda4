use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringArray};
use model::{ColumnType, Enricher, Enrichment, FieldProblem};

use super::Mask;
use crate::test_rows::{self, NoComments, Row};

fn columns() -> Vec<(&'static str, ColumnType)> {
    vec![
        ("id", ColumnType::Text),
        ("note?", ColumnType::Text),
        ("json", ColumnType::Text),
        ("tags", ColumnType::text_list()),
        ("metadata", ColumnType::text_map()),
        ("count", ColumnType::Int64),
        ("comments", ColumnType::Comments),
    ]
}

fn parse(options: &[&str]) -> Result<Option<Mask>, Vec<FieldProblem>> {
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    Mask::parse(&options, &test_rows::table(&columns()))
}

fn problem(option: &str) -> String {
    let problems = parse(&[option]).unwrap_err();
    problems.iter().map(|problem| format!("{problem} ({})", problem.hint.as_deref().unwrap_or("-"))).collect()
}

/// Rows `alice@x.io` and the empty text, masked.
fn masked(options: &[&str]) -> RecordBatch {
    let mask = parse(options).unwrap().unwrap();
    let batch = test_rows::batch(&columns(), &[Row::new("t", "alice@x.io"), Row::new("t", "")]);
    apply(&mask, batch.clone()).unwrap_or_else(|fault| panic!("{fault}"))
}

fn apply(mask: &Mask, batch: RecordBatch) -> Result<RecordBatch, model::Fault> {
    let request = test_rows::request(test_rows::table(&columns()), &columns());
    let lookups = test_rows::lookups(vec![], Arc::new(NoComments));
    let future = async {
        let enricher: Arc<dyn Enricher> = mask.prepare(&request, &batch.schema(), &lookups).await.unwrap();
        assert_eq!(enricher.schema(), &batch.schema(), "a mask changes no type");
        enricher.apply(batch).await
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn texts(array: &dyn Array) -> Vec<Option<String>> {
    array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

/// First 16 digits of the SHA-256 of `alice@x.io`.
const ALICE: &str = "163d3748c1e5ce31";

#[test]
fn texts_are_redacted_hashed_or_dropped_and_nothing_else_changes() {
    let plain = test_rows::batch(&columns(), &[Row::new("t", "alice@x.io"), Row::new("t", "")]);
    let output = masked(&["id, json:hash"]);
    assert_eq!(texts(output.column(0)), some(&["[REDACTED]", ""]));
    assert_eq!(texts(output.column(2)), some(&[&format!("\"{ALICE}\""), ""]));
    for untouched in [1, 3, 4, 5, 6, 7, 8, 9, 10, 11] {
        assert_eq!(output.column(untouched), plain.column(untouched));
    }
    let output = masked(&["id:drop,note?:drop,json:drop"]);
    assert_eq!(texts(output.column(0)), some(&["", ""]));
    assert_eq!(texts(output.column(1)), [None, None]);
    assert_eq!(texts(output.column(2)), some(&["null", "null"]));
    assert_eq!(texts(masked(&["id:hash"]).column(0)), some(&[ALICE, ""]));
}

#[test]
fn one_key_of_a_map_is_masked_every_time_it_occurs() {
    let hashed = masked(&["metadata.email:hash"]);
    let map = hashed.column(4).as_map();
    assert_eq!(texts(map.values()), some(&[ALICE, "", ALICE, "", "", ""]));
    assert_eq!(texts(map.keys())[..3], some(&["email", "plan", "email"]));

    let dropped = masked(&["metadata.email:drop"]);
    let map = dropped.column(4).as_map();
    assert_eq!(texts(map.keys()), some(&["plan", "plan"]));
    assert_eq!(map.offsets().as_ref(), [0, 1, 2]);

    let whole = masked(&["metadata", "tags"]);
    assert_eq!(texts(whole.column(4).as_map().values())[..3], some(&["[REDACTED]", "", "[REDACTED]"]));
    assert_eq!(texts(whole.column(3).as_list::<i32>().values())[..2], some(&["[REDACTED]", ""]));
    let emptied = masked(&["metadata:drop", "tags:drop", "comments:drop"]);
    assert_eq!(emptied.column(4).as_map().entries().len(), 0);
    assert_eq!(emptied.column(3).as_list::<i32>().values().len(), 0);
}

#[test]
fn a_slice_of_a_batch_is_masked_like_the_batch() {
    let mask = parse(&["metadata.email:drop,tags:hash,metadata.plan,id"]).unwrap().unwrap();
    let rows = [Row::new("t", "a"), Row::new("t", "alice@x.io"), Row::new("t", "c")];
    let batch = test_rows::batch(&columns(), &rows);
    assert_eq!(apply(&mask, batch.slice(1, 1)).unwrap(), apply(&mask, batch).unwrap().slice(1, 1));
}

#[test]
fn patterns_replace_every_match_in_the_order_of_rules() {
    let output = masked(&["id,note?:/[a-z]+@/x@/", r"note?:/@(\w)/\/$1, /", "tags:/l/L"]);
    assert_eq!(texts(output.column(0)), some(&["x@x.io", ""]));
    assert_eq!(texts(output.column(1)), some(&["x/x, .io", ""]));
    assert_eq!(texts(output.column(3).as_list::<i32>().values())[..2], some(&["aLice@x.io", ""]));
}

#[test]
fn a_pattern_that_would_explode_is_refused_or_fast() {
    assert!(problem("id:/(a{1000}){1000}/x").contains("too large when compiled"));
    assert!(problem(&format!("id:/{}/x", "a".repeat(1_001))).contains("longer than 1000 bytes"));

    // Backtracking engines take time exponential in the text for this one.
    let mask = parse(&["id:/(a+)+$/x/"]).unwrap().unwrap();
    let long = "a".repeat(100_000) + "b";
    let output = apply(&mask, test_rows::batch(&columns(), &[Row::new("t", &long)])).unwrap();
    assert_eq!(texts(output.column(0)), some(&[&long]));
}

#[test]
fn a_cell_does_not_grow_beyond_its_bounds() {
    let mask = parse(&[&format!("id:/./{}/", "x".repeat(1_000))]).unwrap().unwrap();
    let fault = apply(&mask, test_rows::batch(&columns(), &[Row::new("t", &"a".repeat(100_000))])).unwrap_err();
    assert!(fault.public_message().contains("grow beyond"), "{fault}");
}

#[test]
fn every_problem_names_what_to_write_instead() {
    let cases = [
        ("idd", "no column \"idd\" (did you mean \"id\"?)"),
        ("id.email", "cannot mask id.email: the column is no map"),
        ("metadata.", "the key after the dot is empty"),
        ("count", "the column holds no text; use drop"),
        ("count:drop", "the column is never null"),
        ("id:scramble", "unknown action \"scramble\" (use drop, hash, redact or /pattern/replacement)"),
        ("json:/a/b", "a pattern could break"),
        ("id:/a", "the replacement is missing"),
        ("id:/a/b/c", "too many slashes"),
        ("id://b", "it is empty"),
        ("id:/(/b", "unclosed group"),
        (r"id:/(a)\1/b", "backreferences are not supported"),
        ("", "no column \"\""),
    ];
    for (option, expected) in cases {
        let problem = problem(option);
        assert!(problem.starts_with("--mask: ") && problem.contains(expected), "{option}: {problem}");
    }
    assert_eq!(parse(&["idd,id.x", "id:/("]).unwrap_err().len(), 3, "all problems are reported at once");
    assert!(parse(&[]).unwrap().is_none());
}

#[test]
fn absent_texts_stay_absent() {
    let mask = parse(&["note?:redact"]).unwrap().unwrap();
    let batch = test_rows::batch(&columns(), &[Row::new("t", "a"), Row::new("t", "b")]);
    let (schema, mut arrays, _) = batch.into_parts();
    arrays[1] = Arc::new(StringArray::from(vec![None, Some("b")]));
    let output = apply(&mask, RecordBatch::try_new(schema, arrays).unwrap()).unwrap();
    assert_eq!(texts(output.column(1)), [None, Some("[REDACTED]".to_owned())]);
}

/// A reader of the file reads `m\u00fcller` as `müller`.
#[test]
fn patterns_see_what_readers_see() {
    let mask = parse(&["id:/müller|@/-/"]).unwrap().unwrap();
    for (text, expected) in [
        (r#"{"name": "m\u00fcller \u00e9"}"#, r#"{"name": "- é"}"#),
        (r#"{"name": "m\u00f6ller \u00e9"}"#, r#"{"name": "m\u00f6ller \u00e9"}"#),
        (r#"{"name": "m\\u00fcller"}"#, r#"{"name": "m\\u00fcller"}"#),
        ("a@müller", "a--"),
    ] {
        let batch = apply(&mask, test_rows::batch(&columns(), &[Row::new("t", text)])).unwrap();
        assert_eq!(texts(batch.column(0)), some(&[expected]), "{text}");
    }
}
