//! Values at the ends of their types, from a ClickHouse through every format.

use std::process::Command;

use serde_json::Value;

use super::need_clickhouse;
use crate::servers::clickhouse::ClickHouse;
use crate::support::{Bench, python};

/// A database whose rows hold the extremes of every type that a deployment has, and of some that it may come to have.
fn with_extremes(server: &ClickHouse) -> String {
    let database = server.deployment();
    // Other versions have had, or may have, wider numbers.
    server.run(&database, "DROP VIEW events_core_mv");
    server.run(&database, "ALTER TABLE events_full MODIFY COLUMN prompt_version Nullable(Int64)");
    server.run(
        &database,
        "INSERT INTO events_full (project_id, trace_id, span_id, start_time, end_time, completion_start_time, name, \
         environment, prompt_version, usage_details, provided_usage_details, cost_details, provided_cost_details, \
         tool_definitions, metadata_names, metadata_values, tags, tool_calls, usage_pricing_tier_id, \
         usage_pricing_tier_name, bookmarked, public, is_app_root, event_ts, created_at, updated_at) VALUES \
         ('p', 't', 'c most', '2026-01-02 03:04:05.678901', '2299-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999', \
          'most', 'höhe', 9223372036854775807, map('top', 18446744073709551615, 'input', 9007199254740993), \
          map('one', 1), map('total', toDecimal64('999999.999999999999', 12), 'input', \
          toDecimal64('-999999.999999999999', 12), 'output', toDecimal64('0.000000000001', 12)), \
          map('tenth', toDecimal64('0.1', 12)), map('k', '1', 'k', '2'), ['k', 'k', ''], ['1', '2', '3'], ['b', 'a', 'b'], ['[1]', ''], \
          '', NULL, true, false, true, '2026-01-02 03:04:05.000001', '2026-01-01 00:00:00', '2026-01-01 00:00:00'), \
         ('p', 't', 'b least', '2026-01-02 03:04:05.678900', NULL, NULL, 'least', 'default', -9223372036854775808, \
          map('zero', 0), map(), map('total', 0), map(), map(), [], [], [], [], NULL, 'tier', false, true, false, \
          '2026-01-02 03:04:05', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    );
    for (id, value) in VALUES {
        server.run(
            &database,
            &format!(
                "INSERT INTO scores (id, timestamp, project_id, trace_id, name, value, data_type, metadata, event_ts) \
                 VALUES ('{id}', '2026-01-02 03:04:05.123', 'p', 't', '{id}', {value}, 'NUMERIC', \
                 map('a', '1', 'a', '2'), '2026-01-02 03:04:05.123')"
            ),
        );
    }
    database
}

/// Scores by id, as ClickHouse reads their values.
const VALUES: [(&str, &str); 8] = [
    ("a nan", "nan"),
    ("b inf", "inf"),
    ("c -inf", "-inf"),
    ("d sum", "0.30000000000000004"),
    ("e largest", "1.7976931348623157e308"),
    ("f smallest", "5e-324"),
    ("g integer", "9007199254740993"),
    ("h zero", "-0.0"),
];

fn exported(bench: &Bench, source: &str, table: &str, format: &str) -> String {
    let name = format!("{table}.{format}");
    bench.ok([
        "export",
        "--overwrite",
        "--project",
        "p",
        "--table",
        table,
        "--columns",
        "all",
        "--source",
        source,
        "-o",
        &name,
    ]);
    if format == "parquet" { String::new() } else { bench.read(&name) }
}

#[test]
fn every_digit_of_every_type_is_in_every_format() {
    let server = need_clickhouse!();
    let database = with_extremes(server);
    let bench = Bench::new();
    let source = server.url("reader:reader-secret", &database, "");

    let lines = exported(&bench, &source, "events", "jsonl");
    let [most, least] = lines.lines().collect::<Vec<_>>()[..] else { panic!("{lines}") };
    for text in [
        r#""id":"c most""#,
        r#""startTime":"2026-01-02 03:04:05.678901""#,
        r#""endTime":"2299-12-31 23:59:59.999999""#,
        r#""completionStartTime":"1969-12-31 23:59:59.999999""#,
        r#""environment":"höhe""#,
        r#""promptVersion":9223372036854775807"#,
        r#""usageDetails":{"top":18446744073709551615,"input":9007199254740993}"#,
        r#""providedUsageDetails":{"one":1}"#,
        r#""costDetails":{"total":999999.999999999999,"input":-999999.999999999999,"output":1e-12}"#,
        r#""providedCostDetails":{"tenth":0.1}"#,
        r#""totalCost":999999.999999999999"#,
        r#""toolDefinitions":{"k":"1","k":"2"}"#,
        r#""metadata":{"k":"1","k":"2","":"3"}"#,
        r#""tags":["b","a","b"]"#,
        r#""toolCalls":["[1]",""]"#,
        r#""usagePricingTierId":"""#,
        r#""usagePricingTierName":null"#,
        r#""bookmarked":true"#,
        r#""public":false"#,
    ] {
        assert!(most.contains(text), "{text} is not in {most}");
    }
    for text in [
        r#""id":"b least""#,
        r#""startTime":"2026-01-02 03:04:05.678900""#,
        r#""endTime":null"#,
        r#""promptVersion":-9223372036854775808"#,
        r#""usageDetails":{"zero":0}"#,
        r#""costDetails":{"total":0}"#,
        r#""toolDefinitions":{}"#,
        r#""tags":[]"#,
        r#""usagePricingTierId":null"#,
        r#""bookmarked":false"#,
        r#""public":true"#,
    ] {
        assert!(least.contains(text), "{text} is not in {least}");
    }

    let json = exported(&bench, &source, "events", "json");
    assert_eq!(json.trim_end(), format!("[{}]", lines.lines().collect::<Vec<_>>().join(",")));
    // The same values in cells: texts as they are, lists and maps as JSON.
    let csv = exported(&bench, &source, "events", "csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        rows[row][header.iter().position(|column| column == name).unwrap_or_else(|| panic!("{name} in {header:?}"))]
            .to_owned()
    };
    for (name, expected) in [
        ("startTime", "2026-01-02 03:04:05.678901"),
        ("promptVersion", "9223372036854775807"),
        ("usageDetails", r#"{"top":18446744073709551615,"input":9007199254740993}"#),
        ("costDetails", r#"{"total":999999.999999999999,"input":-999999.999999999999,"output":1e-12}"#),
        ("totalCost", "999999.999999999999"),
        ("toolDefinitions", r#"{"k":"1","k":"2"}"#),
        ("metadata", r#"{"k":"1","k":"2","":"3"}"#),
        ("tags", r#"["b","a","b"]"#),
        ("environment", "höhe"),
        ("bookmarked", "true"),
    ] {
        assert_eq!(cell(0, name), expected, "{name}");
    }
    assert_eq!((cell(1, "promptVersion"), cell(1, "endTime")), ("-9223372036854775808".to_owned(), String::new()));
}

#[test]
fn every_double_of_a_score_is_in_every_format() {
    let server = need_clickhouse!();
    let database = with_extremes(server);
    let bench = Bench::new();
    let source = server.url("default", &database, "");
    let lines = exported(&bench, &source, "scores", "jsonl");
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), VALUES.len());
    // JSON has no word for the first three.
    let texts =
        ["null", "null", "null", "0.30000000000000004", "1.7976931348623157e+308", "5e-324", "9007199254740992"];
    for (line, (id, text)) in lines.lines().zip(VALUES.iter().map(|(id, _)| id).zip(texts)) {
        assert!(line.contains(&format!(r#""name":"{id}""#)) && line.contains(&format!(r#""value":{text},"#)), "{line}");
        assert!(line.contains(r#""metadata":{"a":"1","a":"2"}"#), "{line}");
    }
    assert_eq!(rows[7]["value"].as_f64(), Some(0.0));
    let csv = exported(&bench, &source, "scores", "csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let place = reader.headers().unwrap().iter().position(|column| column == "value").unwrap();
    let cells: Vec<String> = reader.records().map(|row| row.unwrap()[place].to_owned()).collect();
    assert_eq!(cells[..7], texts);

    for table in ["events", "scores"] {
        exported(&bench, &source, table, "parquet");
    }
    let Some(python) = python() else { return };
    let output = Command::new(python).current_dir(bench.path()).args(["-c", PARQUET]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "2 8");
}

/// The same rows as another reader finds them in Parquet.
const PARQUET: &str = r#"
import decimal, math, os
import pyarrow.parquet
read = lambda name: pyarrow.parquet.read_table(name).to_pylist()
most, least = read("events.parquet")
D = decimal.Decimal
assert most["promptVersion"] == 2**63 - 1 and least["promptVersion"] == -2**63
assert most["usageDetails"] == [("top", 2**64 - 1), ("input", 2**53 + 1)], most["usageDetails"]
assert most["costDetails"] == [("total", D("999999.999999999999")), ("input", D("-999999.999999999999")), ("output", D("0.000000000001"))]
assert most["totalCost"] == D("999999.999999999999") and least["totalCost"] == 0
assert most["toolDefinitions"] == [("k", "1"), ("k", "2")] and least["toolDefinitions"] == []
assert most["metadata"] == [("k", "1"), ("k", "2"), ("", "3")], most["metadata"]
assert most["tags"] == ["b", "a", "b"] and least["tags"] == []
text = lambda time: time.strftime("%Y-%m-%d %H:%M:%S.%f")
assert text(most["startTime"]) == "2026-01-02 03:04:05.678901" and text(least["startTime"]) == "2026-01-02 03:04:05.678900"
assert text(most["endTime"]) == "2299-12-31 23:59:59.999999" and least["endTime"] is None
assert text(most["completionStartTime"]) == "1969-12-31 23:59:59.999999"
assert (most["usagePricingTierId"], most["usagePricingTierName"], least["usagePricingTierId"]) == ("", None, None)
assert (most["bookmarked"], most["public"], least["bookmarked"], least["public"]) == (True, False, False, True)
scores = [row["value"] for row in read("scores.parquet")]
assert math.isnan(scores[0]) and scores[1:7] == [math.inf, -math.inf, 0.1 + 0.2, 1.7976931348623157e308, 5e-324, 2.0**53]
assert scores[7] == 0 and math.copysign(1, scores[7]) == -1
print(2, len(scores), flush=True)
os._exit(0)
"#;
