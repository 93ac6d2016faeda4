//! Filters written as text.

use serde_json::Number;

use super::*;

fn where_json(line: &str) -> Value {
    parse_where(&table(), line, "where").unwrap_or_else(|problems| panic!("{line}: {problems:?}")).to_json()
}

#[test]
fn a_line_gives_the_tree_that_json_gives() {
    let string = |column: &str, operator: &str, value: &str| json!({ "type": "string", "column": column, "operator": operator, "value": value });
    let number = |operator: &str, value: Value| json!({ "type": "number", "column": "cost", "operator": operator, "value": value });
    let region =
        json!({ "type": "stringObject", "column": "metadata", "key": "region", "operator": "=", "value": "eu" });
    let not = |filter: Value| json!({ "type": "not", "filter": filter });
    for (line, expected) in [
        (
            r#"name = "GENERATION" and cost > 0.01 and metadata.region = "eu""#,
            json!({ "type": "and", "filters": [string("name", "=", "GENERATION"), number(">", json!(0.01)), region] }),
        ),
        (
            "name = 'a' or name = 'b' and not (name = 'c' or cost <= 3)",
            json!({ "type": "or", "filters": [
                string("name", "=", "a"),
                { "type": "and", "filters": [
                    string("name", "=", "b"),
                    not(json!({ "type": "or", "filters": [string("name", "=", "c"), number("<=", json!(3))] })),
                ] },
            ] }),
        ),
        ("name != 'a'", not(string("name", "=", "a"))),
        (r#""Nick Name" starts with "\u00e9\ud83d\ude00\"\n""#, string("Nick Name", "starts with", "é😀\"\n")),
        (
            "name IN ('a', 'b')",
            json!({ "type": "stringOptions", "column": "name", "operator": "any of", "value": ["a", "b"] }),
        ),
        ("cost IN (1, 2.5)", json!({ "type": "or", "filters": [number("=", json!(1)), number("=", json!(2.5))] })),
        ("cost not in (1)", not(number("=", json!(1)))),
        (
            "tags contains 'a'",
            json!({ "type": "arrayOptions", "column": "tags", "operator": "any of", "value": ["a"] }),
        ),
        ("nick is not null", json!({ "type": "null", "column": "nick", "operator": "is not null", "value": "" })),
        (
            "metadata.'a b' is null",
            not(
                json!({ "type": "stringObject", "column": "metadata", "key": "a b", "operator": "contains", "value": "" }),
            ),
        ),
        (
            "scores.accuracy > 0.5",
            json!({ "type": "numberObject", "column": "scores", "key": "accuracy", "operator": ">", "value": 0.5 }),
        ),
        (
            "scores.is-helpful = true",
            json!({ "type": "booleanObject", "column": "scores", "key": "is-helpful", "operator": "=", "value": true }),
        ),
        (
            "scores.topic not in ('a')",
            json!({ "type": "categoryOptions", "column": "scores", "key": "topic", "operator": "none of", "value": ["a"] }),
        ),
        (
            "startTime < '2026-06-01'",
            json!({ "type": "datetime", "column": "startTime", "operator": "<", "value": "2026-06-01T00:00:00.000000Z" }),
        ),
        (
            "positionInTrace = -2",
            json!({ "type": "positionInTrace", "column": "positionInTrace", "key": "nthFromEnd", "operator": "=", "value": 2 }),
        ),
    ] {
        assert_eq!(where_json(line), expected, "{line}");
    }
}

#[test]
fn a_wrong_line_says_where_and_what_to_write() {
    for (line, expected) in [
        ("", "where: at character 1: expected a column, found the end"),
        ("name = GENERATION", "where: at character 8: expected a value, found GENERATION"),
        ("name == 'x'", "where: at character 6: == is not an operator"),
        ("name = 'x", "where: at character 8: the text has no closing '"),
        ("name = 'x' name", "where: at character 12: expected and, or, or the end, found name"),
        ("(name = 'x'", "where: at character 12: expected and, or, or a closing parenthesis, found the end"),
        ("name like 'x'", "where: at character 6: expected an operator (= != < <= > >= contains in), found like"),
        ("cost > 1,5", "where: at character 9: expected and, or, or the end, found ,"),
        ("cost > 1x", "where: at character 8: 1x is not a number"),
        ("naem = 'x'", "where: at character 1: things has no column \"naem\" to filter by"),
        ("cost > 'x'", "where: at character 1: cost takes = != < <= > >= in and a number"),
        ("tags = 'x'", "where: at character 1: tags takes contains or in and texts in quotes: it is a list"),
        ("metadata = 'x'", "where: at character 1: metadata is looked at by key"),
        ("name.key = 'x'", "where: at character 1: name has no keys such as \"key\""),
        ("metadata. = 'x'", "where: at character 10: a key must follow metadata."),
        ("name in ()", "where: at character 10: expected a text, a number, true or false, found )"),
        ("name = '\\q'", "where: at character 9: a backslash escapes nothing here"),
        ("name = '\\ud83d'", "where: at character 9: \\u needs four hexadecimal digits that make a character"),
        ("name = 'é' ; x", "where: at character 12: ';' has no meaning here"),
    ] {
        let problems = parse_where(&table(), line, "where").unwrap_err();
        assert_eq!(problems[0].to_string(), expected, "{line}");
    }
}

#[test]
fn problems_name_the_line_that_they_are_of() {
    let lines = ["cost > 1", "naem = 'x'", "cost > 2 and name matches 'x'"].map(str::to_owned);
    let mut problems = Vec::new();
    let filters = parse_wheres(&table(), &lines, &mut problems);
    problems.extend(compile(&table(), &filters).unwrap_err());
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["where[1]", "where[2][14].operator"], "{problems:?}");
}

#[test]
fn all_wrong_columns_of_a_line_are_reported() {
    let problems = parse_where(&table(), "naem = 'x' and (cost = true or isRooot = true)", "where").unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean \"name\"?"));
    assert_eq!(problems[2].hint.as_deref(), Some("did you mean \"isRoot\"?"));
}

#[test]
fn a_line_nests_as_deep_as_json_and_no_deeper() {
    let line = |levels: usize| format!("{}isRoot = true", "not ".repeat(levels));
    assert!(parse_where(&table(), &line(NESTING_MAX), "where").is_ok());
    assert!(parse_where(&table(), &line(NESTING_MAX + 1), "where").is_err());
    let parentheses = format!("{}isRoot = true", "(".repeat(100_000));
    assert!(parse_where(&table(), &parentheses, "where").is_err());
}

/// The text of a filter that [`any_filter`] makes.
pub(super) fn print(filter: &WireFilter) -> String {
    let grouped = |part: &WireFilter| match part {
        WireFilter::And(_) | WireFilter::Or(_) => format!("({})", print(part)),
        other => print(other),
    };
    let joined = |parts: &[WireFilter], word: &str| parts.iter().map(grouped).collect::<Vec<_>>().join(word);
    match filter {
        WireFilter::And(parts) => joined(parts, " and "),
        WireFilter::Or(parts) => joined(parts, " OR "),
        WireFilter::Not(inner) => format!("not {}", grouped(inner)),
        WireFilter::Condition(condition) => print_condition(condition),
    }
}

fn print_condition(condition: &Condition) -> String {
    let quote = |text: &str| Value::from(text).to_string();
    let column = quote(&condition.column);
    let keyed = |key: &str| format!("{column}.{}", quote(key));
    let list = |values: &[String]| values.iter().map(|value| quote(value)).collect::<Vec<_>>().join(", ");
    let options = |op: &OptionsOp| if *op == OptionsOp::AnyOf { "in" } else { "not in" };
    let compare = |op: &CompareOp| wire::spelling(op, wire::NUMBER_OPS);
    match &condition.test {
        Test::Datetime { op, value } => format!("{column} {} {}", compare(op), quote(&value.to_rfc3339())),
        Test::String { op, value } => format!("{column} {} {}", wire::spelling(op, wire::STRING_OPS), quote(value)),
        Test::Number { op, value } => format!("{column} {} {value}", compare(op)),
        Test::StringOptions { op, values } | Test::ArrayOptions { op, values } => {
            format!("{column} {} ({})", options(op), list(values))
        }
        Test::CategoryOptions { key, op, values } => format!("{} {} ({})", keyed(key), options(op), list(values)),
        Test::StringObject { key, op, value } => {
            format!("{} {} {}", keyed(key), wire::spelling(op, wire::STRING_OPS), quote(value))
        }
        Test::NumberObject { key, op, value } => format!("{} {} {value}", keyed(key), compare(op)),
        Test::BooleanObject { key, value, .. } => format!("{} = {value}", keyed(key)),
        Test::Boolean { value, .. } => format!("{column} = {value}"),
        Test::IsNull => format!("{column} is null"),
        Test::IsNotNull => format!("{column} IS NOT NULL"),
        Test::PositionInTrace(TracePosition::Root) => format!("{column} = 'root'"),
        Test::PositionInTrace(TracePosition::FromStart(place)) => format!("{column} = {place}"),
        Test::PositionInTrace(TracePosition::FromEnd(place)) => format!("{column} = -{place}"),
    }
}

/// Filters on the table of these tests that both forms can say.
pub(super) fn any_filter() -> impl Strategy<Value = WireFilter> {
    any_condition().prop_recursive(4, 20, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(WireFilter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(WireFilter::Or),
            inner.prop_map(|inner| WireFilter::Not(Box::new(inner))),
        ]
    })
}

fn any_condition() -> impl Strategy<Value = WireFilter> {
    let number = || {
        prop_oneof![
            any::<i64>().prop_map(Number::from),
            // Decimals that people write: up to 15 digits, which every JSON reader takes exactly.
            (-999_999_999_999_999i64..=999_999_999_999_999, 0i32..13)
                .prop_filter_map("finite", |(digits, scale)| Number::from_f64(digits as f64 / 10f64.powi(scale))),
        ]
    };
    let compare = || prop::sample::select(wire::NUMBER_OPS).prop_map(|(_, op)| op);
    let string = prop::sample::select(wire::STRING_OPS)
        .prop_map(|(_, op)| op)
        .prop_filter("not on every column", |op| *op != StringOp::Matches);
    let options = || prop::sample::select(wire::OPTIONS_OPS).prop_map(|(_, op)| op);
    let texts = || prop::collection::vec(any::<String>(), 1..4);
    let at = |column: &'static str| move |test| WireFilter::condition("f", column, test);
    // Whole milliseconds between 1970 and 2100: years that every reader of RFC 3339 takes.
    let instant = (0i64..4_102_444_800_000).prop_map(|millis| Micros(millis * 1_000));
    let datetime = prop::sample::select(wire::DATETIME_OPS);
    prop_oneof![
        (datetime, instant).prop_map(|((_, op), value)| Test::Datetime { op, value }).prop_map(at("Start Time")),
        (string.clone(), any::<String>()).prop_map(|(op, value)| Test::String { op, value }).prop_map(at("nick")),
        (compare(), number()).prop_map(|(op, value)| Test::Number { op, value }).prop_map(at("latency")),
        (options(), texts()).prop_map(|(op, values)| Test::StringOptions { op, values }).prop_map(at("release")),
        (options(), texts()).prop_map(|(op, values)| Test::ArrayOptions { op, values }).prop_map(at("tags")),
        (any::<String>(), options(), texts())
            .prop_map(|(key, op, values)| Test::CategoryOptions { key, op, values })
            .prop_map(at("scores")),
        (any::<String>(), string, any::<String>())
            .prop_map(|(key, op, value)| Test::StringObject { key, op, value })
            .prop_map(at("metadata")),
        (any::<String>(), compare(), number())
            .prop_map(|(key, op, value)| Test::NumberObject { key, op, value })
            .prop_map(at("trace_scores_avg")),
        (any::<String>(), any::<bool>())
            .prop_map(|(key, value)| Test::BooleanObject { key, op: CompareOp::Eq, value })
            .prop_map(at("Scores")),
        any::<bool>().prop_map(|value| Test::Boolean { op: CompareOp::Eq, value }).prop_map(at("isRoot")),
        prop::sample::select(vec![Test::IsNull, Test::IsNotNull]).prop_map(at("nick")),
        (2u32..).prop_map(|place| Test::PositionInTrace(TracePosition::FromEnd(place))).prop_map(at("positionInTrace")),
    ]
}
