//! What filters and searches mean: the predicates they become.

use super::*;
use crate::{CaseRule, CommentTest, Literal, ScoreTest, ScoreValueTest, TextOp};

fn is_null(name: &str) -> Expr {
    Expr::IsNull(Box::new(col(name)))
}

fn contains(value: Expr, needle: &str) -> Expr {
    Expr::Text { value: Box::new(value), op: TextOp::Contains, needle: needle.into(), case: CaseRule::Exact }
}

#[test]
fn empty_lists_select_everything_except_any_of_which_is_an_error() {
    for (kind, column, operator) in [
        ("stringOptions", "nick", "none of"),
        ("arrayOptions", "tags", "none of"),
        ("arrayOptions", "tags", "all of"),
        ("stringOptions", "tags", "none of"),
    ] {
        let filter = json!({ "type": kind, "column": column, "operator": operator, "value": [] });
        assert_eq!(compiled(filter).unwrap(), Expr::And(vec![]), "{kind} {operator}");
    }
    for (kind, column) in [("stringOptions", "nick"), ("arrayOptions", "tags")] {
        assert!(compiled(json!({ "type": kind, "column": column, "operator": "any of", "value": [] })).is_err());
    }
}

#[test]
fn numbers_compare_as_exact_decimals_in_the_stored_unit() {
    let number = |column: &str, value: Value| {
        compiled(json!({ "type": "number", "column": column, "operator": ">", "value": value })).unwrap()
    };
    let greater = |name: &str, literal| Expr::compare(col(name), CompareOp::Greater, Expr::Literal(literal));
    assert_eq!(number("latency", json!(1.5)), greater("millis", Literal::Int(1500)));
    assert_eq!(number("latency", json!(0.0001)), greater("millis", Literal::Decimal { unscaled: 1, scale: 1 }));
    assert_eq!(number("cost", json!(0.0001575)), greater("cost", Literal::Decimal { unscaled: 1575, scale: 7 }));
}

#[test]
fn exclusions_on_a_nullable_text_leave_out_nulls_as_sql_does() {
    let none =
        |column: &str| json!({ "type": "stringOptions", "column": column, "operator": "none of", "value": ["x"] });
    let is_in = |name: &str| Expr::In { value: Box::new(col(name)), accepted: vec!["x".to_owned()] };
    assert_eq!(compiled(none("name")).unwrap(), is_in("name").negate());
    assert_eq!(compiled(none("nick")).unwrap(), Expr::And(vec![is_in("nick").negate(), is_null("nick").negate()]));
    assert_eq!(
        compiled(none("release")).unwrap(),
        Expr::And(vec![is_in("release").negate(), equals(col("release"), "").negate()])
    );
    let lacks = json!({ "type": "string", "column": "nick", "operator": "does not contain", "value": "x" });
    assert_eq!(
        compiled(lacks).unwrap(),
        Expr::And(vec![is_null("nick").negate(), contains(col("nick"), "x").negate()])
    );
}

#[test]
fn empty_equals_null_where_the_column_says_so() {
    let test = |kind: &str, operator: &str, value: Value| {
        compiled(json!({ "type": kind, "column": "release", "operator": operator, "value": value })).unwrap()
    };
    let empty = || equals(col("release"), "");
    for operator in ["=", "contains", "starts with", "ends with"] {
        assert_eq!(test("string", operator, json!("")), empty(), "{operator}");
    }
    assert_eq!(test("null", "is null", json!("")), empty());
    assert_eq!(test("null", "is not null", json!("")), empty().negate());
}

#[test]
fn a_metadata_test_needs_the_key_even_when_it_is_negative() {
    let value = || Expr::ZipGet { names: Box::new(col("names")), values: Box::new(col("values")), key: "k".into() };
    let test = |operator: &str, text: &str| {
        let filter =
            json!({ "type": "stringObject", "column": "metadata", "key": "k", "operator": operator, "value": text });
        compiled(filter).unwrap()
    };
    assert_eq!(test("=", "v"), equals(value(), "v"));
    assert_eq!(test("contains", ""), contains(value(), ""));
    assert_eq!(
        test("does not contain", "v"),
        Expr::And(vec![Expr::IsNull(Box::new(value())).negate(), contains(value(), "v").negate()])
    );
}

#[test]
fn equality_on_a_payload_also_demands_whole_tokens() {
    let test = |value: &str| {
        compiled(json!({ "type": "string", "column": "input", "operator": "=", "value": value })).unwrap()
    };
    let tokens = vec!["hello".to_owned(), "50".to_owned(), "x".to_owned()];
    let has_tokens = Expr::HasAllTokens { value: Box::new(col("input")), tokens };
    assert_eq!(test("Hello 50%_x"), Expr::And(vec![equals(col("input"), "Hello 50%_x"), has_tokens]));
    assert_eq!(test("..."), equals(col("input"), "..."));
}

#[test]
fn booleans_are_the_predicate_or_its_complement() {
    let root = || Expr::IsTrue(Box::new(col("root")));
    for (operator, value, expected) in
        [("=", true, root()), ("<>", false, root()), ("=", false, root().negate()), ("<>", true, root().negate())]
    {
        let filter = json!({ "type": "boolean", "column": "isRoot", "operator": operator, "value": value });
        assert_eq!(compiled(filter).unwrap(), expected, "{operator} {value}");
    }
}

#[test]
fn score_exclusions_hold_for_rows_without_the_score() {
    let entry = |test| Expr::Score(ScoreTest { level: ScoreLevel::Any, name: "k".into(), test });
    let filter = |kind: &str, operator: &str, value: Value| {
        compiled(json!({ "type": kind, "column": "SCORES", "key": "k", "operator": operator, "value": value })).unwrap()
    };
    let category = || entry(ScoreValueTest::Category(vec!["x".to_owned()]));
    assert_eq!(filter("categoryOptions", "any of", json!(["x"])), category());
    assert_eq!(filter("categoryOptions", "none of", json!(["x"])), category().negate());
    assert_eq!(filter("categoryOptions", "none of", json!([])), Expr::And(vec![]));
    let boolean = || entry(ScoreValueTest::Boolean(false));
    assert_eq!(filter("booleanObject", "=", json!(false)), boolean());
    assert_eq!(filter("booleanObject", "<>", json!(false)), boolean().negate());
    let number = entry(ScoreValueTest::Number { op: CompareOp::GreaterEq, value: 0.5 });
    assert_eq!(filter("numberObject", ">=", json!(0.5)), number);
}

#[test]
fn comment_counts_that_zero_passes_are_complements() {
    let count = |operator: &str, value: i64| {
        compiled(json!({ "type": "number", "column": "commentCount", "operator": operator, "value": value })).unwrap()
    };
    let test = |op, value| Expr::Comment(CommentTest::Count { op, value });
    assert_eq!(count(">", 1), test(CompareOp::Greater, 1.0));
    assert_eq!(count("=", 2), test(CompareOp::Eq, 2.0));
    assert_eq!(count("=", 0), test(CompareOp::NotEq, 0.0).negate());
    assert_eq!(count("<=", 3), test(CompareOp::Greater, 3.0).negate());
    assert_eq!(count(">=", 0), test(CompareOp::Less, 0.0).negate());
    assert_eq!(count("<", 0), test(CompareOp::Less, 0.0));
}

#[test]
fn a_search_looks_for_literal_text_ignoring_case_and_for_escapes_in_payloads() {
    let folded = |name: &str, needle: &str| Expr::Text {
        value: Box::new(col(name)),
        op: TextOp::Contains,
        needle: needle.into(),
        case: CaseRule::Folded,
    };
    let tokens = |tokens: &[&str]| Expr::HasAllTokens {
        value: Box::new(col("input")),
        tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
    };

    let found = compile_search(&table(), "50% É", &[SearchType::Id, SearchType::Content]).unwrap();

    assert_eq!(
        found,
        Expr::Or(vec![
            folded("name", "50% É"),
            Expr::And(vec![folded("input", "50% É"), tokens(&["50", "É"])]),
            Expr::And(vec![folded("input", "50% \\u00c9"), tokens(&["50", "u00c9"])]),
        ])
    );
    let astral = compile_search(&table(), "😀", &[SearchType::Input]).unwrap();
    let Expr::Or(parts) = astral else { panic!("a search is a disjunction") };
    assert_eq!(parts[1], Expr::And(vec![folded("input", "\\ud83d\\ude00"), tokens(&["ud83d", "ude00"])]));
}

#[test]
fn a_search_that_cannot_be_honoured_is_an_error() {
    let message = |query, types: &[SearchType]| compile_search(&table(), query, types).unwrap_err().to_string();
    assert_eq!(message("x", &[]), "search-type: at least one search type is required");
    assert_eq!(message("", &[SearchType::Id]), "search: is empty");
    assert_eq!(message("x", &[SearchType::Output]), "search-type: things has nothing to search by \"output\"");
    assert_eq!(
        SearchType::parse("--search-type", "ids").unwrap_err().to_string(),
        "--search-type: \"ids\" is not one of id, content, input, output"
    );
}
