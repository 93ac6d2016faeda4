//! The language against a small table: reading, typing, meaning, text form, and hostile input.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    CaseRule, ColumnType, CompareOp, Expr, FieldProblem, FilterColumn, FilterKind, Micros, OrderColumns, Relation,
    ScoreFilters, ScoreLevel, SearchColumns, StoredColumn, StoredTable, TableName, TableSpec, TextOp, TracePosition,
};

mod meaning;
mod text;

// --- the table ----------------------------------------------------------------------------------

fn col(name: &str) -> Expr {
    Expr::column(name)
}

fn stored(name: &'static str, kind: ColumnType, nullable: bool) -> StoredColumn {
    StoredColumn { name, kind, nullable, required: false, default: "" }
}

fn table() -> TableSpec {
    let text = |value, empty_is_null, full_text| FilterKind::Text { value, empty_is_null, full_text };
    let score = |level, numbers, categories, booleans| FilterKind::Score {
        accepts: ScoreFilters { level, numbers, categories, booleans },
    };
    let filters: Vec<(&'static str, &'static str, FilterKind)> = vec![
        ("name", "Name", text(col("name"), false, false)),
        ("nick", "Nick Name", text(col("nick"), false, false)),
        ("release", "Release", text(col("release"), true, false)),
        ("input", "Input", text(col("input"), false, true)),
        ("latency", "Latency (s)", FilterKind::Number { value: col("millis"), decimal_shift: 3 }),
        ("cost", "Cost ($)", FilterKind::Number { value: col("cost"), decimal_shift: 0 }),
        ("startTime", "Start Time", FilterKind::Time(col("start"))),
        ("isRoot", "Is Root", FilterKind::Bool(Expr::IsTrue(Box::new(col("root"))))),
        ("tags", "Tags", FilterKind::TextList(col("tags"))),
        ("metadata", "Metadata", FilterKind::TextPairs { names: col("names"), values: col("values") }),
        ("scores", "Scores", score(ScoreLevel::Any, true, true, true)),
        ("trace_scores_avg", "Trace Scores (numeric)", score(ScoreLevel::Trace, true, false, false)),
        ("commentCount", "Comment Count", FilterKind::CommentCount),
        ("commentContent", "Comment Content", FilterKind::CommentContent),
        ("positionInTrace", "Position in Trace", FilterKind::TracePosition),
    ];
    let columns = vec![
        stored("name", ColumnType::Text, false),
        stored("nick", ColumnType::Text, true),
        stored("release", ColumnType::Text, false),
        stored("input", ColumnType::Text, false),
        stored("millis", ColumnType::Int64, true),
        stored("cost", ColumnType::COST, true),
        stored("start", ColumnType::Timestamp, false),
        stored("root", ColumnType::Bool, false),
        stored("tags", ColumnType::text_list(), false),
        stored("names", ColumnType::text_list(), false),
        stored("values", ColumnType::text_list(), false),
    ];
    let relation = StoredTable {
        name: "things",
        columns,
        key: &["name"],
        time: "start",
        version: "start",
        deleted: "root",
        ingested: "start",
    };
    TableSpec {
        name: TableName::new("things"),
        doc: "a table of the tests",
        relation: Relation::Stored(Arc::new(relation)),
        attached: None,
        order: OrderColumns { time: "start", trace_id: None, id: "name" },
        columns: vec![],
        filters: filters
            .into_iter()
            .map(|(id, title, kind)| FilterColumn { id, title, aliases: &["Alias"][..usize::from(id == "name")], kind })
            .collect(),
        search: SearchColumns { id: vec![col("name")], input: Some(col("input")), output: None },
        comments: None,
        scores: true,
    }
}

/// The predicate of one filter or of an array of them; no filter selects every row.
fn compiled(filter: Value) -> Result<Expr, Vec<FieldProblem>> {
    let filters = WireFilter::from_json(&filter, "filter")?;
    Ok(compile(&table(), &filters)?.unwrap_or(Expr::And(vec![])))
}

fn problems(filter: Value) -> Vec<String> {
    compiled(filter).unwrap_err().iter().map(ToString::to_string).collect()
}

fn equals(value: Expr, text: &str) -> Expr {
    Expr::compare(value, CompareOp::Eq, Expr::text(text))
}

// --- reading ------------------------------------------------------------------------------------

#[test]
fn every_wire_type_is_read_and_written_back_alike() {
    let filters = json!([
        { "type": "datetime", "column": "startTime", "operator": ">=", "value": "2026-06-01T00:20:00.000001Z" },
        { "type": "string", "column": "name", "operator": "does not contain", "value": "a\u{0}b" },
        { "type": "number", "column": "latency", "operator": "<=", "value": 1.5 },
        { "type": "stringOptions", "column": "name", "operator": "none of", "value": [] },
        { "type": "categoryOptions", "column": "scores", "key": "k", "operator": "any of", "value": ["x"] },
        { "type": "arrayOptions", "column": "tags", "operator": "all of", "value": ["a,b"] },
        { "type": "stringObject", "column": "metadata", "key": "", "operator": "matches", "value": "x" },
        { "type": "numberObject", "column": "scores", "key": "k", "operator": ">", "value": 0.5 },
        { "type": "booleanObject", "column": "scores", "key": "k", "operator": "<>", "value": false },
        { "type": "boolean", "column": "isRoot", "operator": "=", "value": true },
        { "type": "null", "column": "nick", "operator": "is not null", "value": "" },
        { "type": "positionInTrace", "column": "positionInTrace", "key": "nthFromEnd", "operator": "=", "value": 2 },
        { "type": "positionInTrace", "column": "positionInTrace", "key": "root", "operator": "=" },
        { "type": "or", "filters": [
            { "type": "not", "filter": { "type": "boolean", "column": "isRoot", "operator": "=", "value": true } },
            { "type": "and", "filters": [
                { "type": "boolean", "column": "isRoot", "operator": "=", "value": true } ] } ] },
    ]);

    let read = WireFilter::from_json(&filters, "filter").unwrap();

    let written: Vec<Value> = read.iter().map(WireFilter::to_json).collect();
    assert_eq!(Value::Array(written), filters);
    compile(&table(), &read).unwrap();
}

#[test]
fn one_object_is_a_filter_and_an_empty_array_is_none() {
    let one = json!({ "type": "boolean", "column": "isRoot", "operator": "=", "value": true });
    assert_eq!(compiled(one).unwrap(), Expr::IsTrue(Box::new(col("root"))));
    assert_eq!(compile(&table(), &WireFilter::from_json(&json!([]), "filter").unwrap()).unwrap(), None);
}

#[test]
fn every_problem_is_reported_at_once_with_its_path() {
    let found = problems(json!([
        { "type": "strng", "column": "name", "operator": "=", "value": "x" },
        { "type": "string", "column": "name", "operator": "any of", "value": ["x"] },
        { "type": "number", "column": "latency", "operator": ">", "value": "1.5", "unit": "s" },
        { "type": "stringOptions", "column": "name", "operator": "any of", "value": [] },
        { "type": "stringOptions", "column": "name", "operator": "any of", "value": ["x", 1] },
        { "type": "datetime", "column": "startTime", "operator": "<", "value": "yesterday" },
        { "type": "categoryOptions", "column": "scores", "operator": "any of", "value": ["x"] },
        { "type": "not" },
        { "type": "or", "filters": [] },
        { "type": "and", "filters": [{ "type": "null", "column": "nick", "operator": "is null", "value": 0 }] },
        { "type": "positionInTrace", "column": "p", "key": "nthFromStart", "operator": "=", "value": 0 },
        { "type": "positionInTrace", "column": "p", "key": "first", "operator": "=", "value": 1 },
        7,
    ]));
    let expected = [
        "filter[0].type: \"strng\" is not one of datetime, string, number,",
        "filter[1].operator: \"any of\" is not one of =, contains, does not contain, starts with, ends with, matches",
        "filter[1].value: [\"x\"] is not a text",
        "filter[2].unit: unknown field of a filter of type number; its fields are type, column, operator, value",
        "filter[2].value: \"1.5\" is not a number",
        "filter[3].value: any of [] would select no row",
        "filter[4].value[1]: 1 is not a text",
        "filter[5].value: \"yesterday\" is not a time with at most six fractional digits",
        "filter[6].key: is missing; it takes a text",
        "filter[7].filter: is missing; not needs the filter it negates",
        "filter[8].filters: is empty; a combination needs at least one filter",
        "filter[9].filters[0].value: 0 cannot be compared with null; leave the value empty",
        "filter[10].value: nthFromStart takes a whole number from 1, not 0",
        "filter[11].value: first takes no value, but 1 is given",
        "filter[12]: 7 is not a filter; a filter is an object with a type",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found:?} is not {expected:?}");
    }
}

#[test]
fn columns_are_found_by_id_title_or_alias_and_others_get_a_suggestion() {
    let by = |column: &str| json!([{ "type": "string", "column": column, "operator": "=", "value": "x" }]);
    for column in ["name", "Name", "Alias"] {
        assert_eq!(compiled(by(column)).unwrap(), equals(col("name"), "x"), "{column}");
    }
    let problem = compiled(by("nick name")).unwrap_err().remove(0);
    assert_eq!(problem.to_string(), "filter[0].column: things has no column \"nick name\" to filter by");
    assert_eq!(problem.hint.as_deref(), Some("did you mean \"Nick Name\"?"));
    let problem = compiled(by("qqq")).unwrap_err().remove(0);
    assert!(problem.hint.unwrap().starts_with("columns to filter by: name, nick, release"));
}

#[test]
fn a_type_that_the_column_does_not_take_is_refused_with_those_it_takes() {
    let found = problems(json!([
        { "type": "string", "column": "latency", "operator": "=", "value": "x" },
        { "type": "number", "column": "isRoot", "operator": "=", "value": 1 },
        { "type": "null", "column": "metadata", "operator": "is null", "value": "" },
        { "type": "string", "column": "Scores", "operator": "=", "value": "x" },
        { "type": "categoryOptions", "column": "trace_scores_avg", "key": "k", "operator": "any of", "value": ["x"] },
        { "type": "string", "column": "name", "operator": "matches", "value": "x" },
        { "type": "string", "column": "input", "operator": "matches", "value": "..." },
    ]));
    assert_eq!(
        found,
        [
            "filter[0].type: column \"latency\" does not take string; it takes number, null",
            "filter[1].type: column \"isRoot\" does not take number; it takes boolean, null",
            "filter[2].type: column \"metadata\" does not take null; it takes stringObject",
            "filter[3].type: column \"Scores\" does not take string; it takes numberObject, categoryOptions, booleanObject",
            "filter[4].type: column \"trace_scores_avg\" does not take categoryOptions; it takes numberObject",
            "filter[5].operator: matches is for input, output and metadata; write contains",
            "filter[6].value: matches needs at least one letter or digit",
        ]
    );
}

#[test]
fn matches_ignores_case_in_a_column_and_under_a_key() {
    for filter in [
        json!({ "type": "string", "column": "input", "operator": "matches", "value": "Foo Bar" }),
        json!({ "type": "stringObject", "column": "metadata", "key": "k", "operator": "matches", "value": "Foo Bar" }),
    ] {
        let Expr::And(parts) = compiled(json!([filter])).unwrap() else { panic!("{filter}") };
        let [
            Expr::Text { op: TextOp::Contains, needle, case: CaseRule::Folded, .. },
            Expr::HasAllTokens { tokens, .. },
        ] = &parts[..]
        else {
            panic!("{filter}: {parts:?}")
        };
        assert_eq!((&**needle, &tokens[..]), ("Foo Bar", &["foo".to_owned(), "bar".to_owned()][..]), "{filter}");
    }
}

#[test]
fn filters_nest_to_32_levels_and_no_deeper() {
    let nested = |levels: usize| {
        let leaf = json!({ "type": "boolean", "column": "isRoot", "operator": "=", "value": true });
        (0..levels).fold(leaf, |inner, _| json!({ "type": "not", "filter": inner }))
    };
    assert!(compiled(nested(NESTING_MAX)).is_ok());
    let found = problems(nested(NESTING_MAX + 1));
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("filters are nested more than 32 levels deep"), "{found:?}");

    let leaf = WireFilter::condition("f", "isRoot", Test::Boolean { op: CompareOp::Eq, value: true });
    let deep = (0..=NESTING_MAX).fold(leaf, |inner, _| WireFilter::Not(Box::new(inner)));
    assert!(compile(&table(), &[deep]).is_err());
}

// --- hostile input ------------------------------------------------------------------------------

/// JSON that is often almost a filter.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "type",
        "column",
        "operator",
        "value",
        "key",
        "filters",
        "filter",
        "string",
        "number",
        "and",
        "or",
        "not",
        "null",
        "stringOptions",
        "positionInTrace",
        "any of",
        "=",
        "name",
        "scores",
        "metadata",
        "root",
        "is null",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..7)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_reading_or_compiling_panic(json in any_json()) {
        if let Err(problems) = compiled(json) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn no_line_makes_parsing_panic(line in "[a-z\"'.()=!<>, 0-9\\\\u-]{0,60}|\\PC{0,60}") {
        if let Err(problems) = parse_where(&table(), &line, "where").and_then(|filter| compile(&table(), &[filter])) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn every_filter_is_read_back_from_its_json(filter in text::any_filter()) {
        let json = filter.to_json();
        let read = WireFilter::from_json(&json, "filter").unwrap();
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!(read[0].to_json(), json);
        let written = serde_json::to_string(&filter).unwrap();
        let back: WireFilter = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(back.to_json(), filter.to_json());
    }

    #[test]
    fn every_filter_is_read_back_from_its_text(filter in text::any_filter()) {
        let line = text::print(&filter);
        let read = parse_where(&table(), &line, "where").unwrap();
        prop_assert_eq!(read.to_json(), filter.to_json(), "{}", line);
        prop_assert!(compile(&table(), &[read]).is_ok());
    }
}
