//! A database that lacks a column which is asked for: wherever a user looks after an export, it is told.

use serde_json::{Value, json};

use super::files::with_reference_rows;
use super::need_clickhouse;
use super::serve::Serving;
use crate::support::Bench;

/// What is told of the column that the test drops.
const TOLD: &str = "table events_full does not have these columns, which read as empty: usage_pricing_tier_id";

#[test]
fn a_missing_column_is_told_in_receipts_manifests_and_by_the_api() {
    let server = need_clickhouse!();
    let database = with_reference_rows(server);
    let bench = Bench::new();
    let source = server.url("default", &database, "");
    let export = |more: &[&str]| {
        let ask = ["export", "--overwrite", "--project", "proj-e2e", "--source", &source, "-o", "out.jsonl"];
        let receipt = bench.ok(ask.iter().chain(more));
        let manifest: Value = serde_json::from_str(&bench.read("out.jsonl.manifest.json")).unwrap();
        (receipt, manifest["warnings"].clone())
    };
    let (receipt, warnings) = export(&["--columns", "all"]);
    assert!(!receipt.contains("read as empty") && warnings == json!([]), "{receipt}{warnings}");

    for statement in ["DROP VIEW events_core_mv", "ALTER TABLE events_full DROP COLUMN usage_pricing_tier_id"] {
        server.run(&database, statement);
    }
    let (receipt, warnings) = export(&["--columns", "all"]);
    assert!(receipt.lines().any(|line| line == format!("note: {TOLD}")), "{receipt}");
    assert_eq!(warnings, json!([TOLD]));
    assert!(bench.read("out.jsonl").lines().all(|row| row.contains(r#""usagePricingTierId":null"#)));
    let (receipt, _) = export(&["--columns", "all", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&receipt).unwrap()["warnings"], json!([TOLD]));
    let (receipt, warnings) = export(&["--columns", "id,name"]);
    assert!(!receipt.contains("read as empty") && warnings == json!([]), "nobody asks for it: {receipt}{warnings}");

    let serving = Serving::start(&bench, "proj-e2e", &source);
    let create = ["create", "--table", "events", "--format", "jsonl", "--columns", "all", "--wait"];
    let printed = serving.exports(&bench, &create);
    assert!(printed.stdout.lines().any(|line| line == format!("note: {TOLD}")), "{}{}", printed.stdout, printed.stderr);
    let shown = serving.exports(&bench, &[&create[..], &["--json"]].concat());
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert_eq!(serde_json::from_str::<Value>(&shown.stdout).unwrap()["warnings"], json!([TOLD]));
}
