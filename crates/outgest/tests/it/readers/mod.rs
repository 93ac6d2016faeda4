//! Other people's readers: the store as a Delta table, Parquet through pyarrow and DuckDB; and our own
//! import, which gives every stored column back.

use std::process::Command;

use crate::support::{Bench, python};

/// Compares a Parquet export with a JSONL export of the same rows, cell by cell, and prints the rows.
const COMPARE: &str = r#"
import decimal, json, os, sys
import duckdb, pyarrow.parquet
parquet, jsonl = sys.argv[1:3]
rows = pyarrow.parquet.read_table(parquet).to_pylist()
lines = [json.loads(line, parse_float=decimal.Decimal) for line in open(jsonl)]
assert len(rows) == len(lines), (len(rows), len(lines))
for row, line in zip(rows, lines):
    for name in ["id", "traceId", "name", "input", "output", "tags", "promptVersion", "latencyMs"]:
        assert row[name] == line[name], (name, row[name], line[name])
    for name in ["usageDetails", "costDetails"]:
        assert dict(row[name]) == line[name], (name, row[name], line[name])
    assert row["totalCost"] == line["totalCost"], row["id"]
    assert row["startTime"].strftime("%Y-%m-%d %H:%M:%S.%f") == line["startTime"], row["id"]
found = duckdb.sql(f"select id from read_parquet('{parquet}')").fetchall()
assert sorted(found) == sorted((line["id"],) for line in lines)
print(len(rows), flush=True)
os._exit(0)
"#;

/// Counts the rows that a Delta reader finds, and their distinct keys. It leaves without tearing the
/// interpreter down, in which the reader's own threads sometimes abort on a busy machine.
const DELTA: &str = r#"
import os, sys
import deltalake
table = deltalake.DeltaTable(sys.argv[1]).to_pyarrow_table()
keys = set(zip(table["trace_id"].to_pylist(), table["span_id"].to_pylist()))
print(table.num_rows, len(keys), flush=True)
os._exit(0)
"#;

/// Runs a script in the Python of the test stack; `None` where there is none.
fn run(bench: &Bench, script: &str, arguments: &[&str]) -> Option<String> {
    let Some(python) = python() else {
        eprintln!("not compared with other readers: cargo xtask test prepares them");
        return None;
    };
    let output = Command::new(python).current_dir(bench.path()).args(["-c", script]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn other_readers_find_in_parquet_what_is_in_jsonl() {
    let bench = Bench::with_generated(2_000);
    bench.ok(["export", "--project", "p", "-o", "rows.parquet"]);
    bench.ok(["export", "--project", "p", "--unicode", "keep", "-o", "rows.jsonl"]);

    let rows = run(&bench, COMPARE, &["rows.parquet", "rows.jsonl"]);

    assert!(rows.is_none_or(|rows| rows == "2000"));
}

#[test]
fn the_store_opens_as_a_delta_table() {
    let bench = Bench::with_reference_rows();

    let found = run(&bench, DELTA, &["data/lake/events"]);

    // Older versions and deletions are rows of the table, too: 205 stored versions of 205 keys.
    assert!(found.is_none_or(|found| found == "205 205"));
}

#[test]
fn the_store_opens_as_a_delta_table_where_only_a_checkpoint_tells_of_old_commits() {
    // A checkpoint is due after 64 commits.
    const COMMITS: usize = 66;
    let bench = Bench::new();
    for commit in 0..COMMITS {
        let event = serde_json::json!({
            "project_id": "p", "trace_id": "t", "span_id": format!("s{commit}"), "name": "checkpointed", "type": "SPAN",
            "start_time": format!("2026-06-01 10:00:{:02}.000000", commit % 60),
        });
        let file = bench.write("row.jsonl", format!("{event}\n"));
        bench.ok(["import", &file]);
    }
    let log = bench.file("data/lake/events/_delta_log");
    let last: serde_json::Value =
        serde_json::from_slice(&std::fs::read(log.join("_last_checkpoint")).unwrap()).unwrap();
    let version = last["version"].as_u64().unwrap();
    for old in 0..=version {
        std::fs::remove_file(log.join(format!("{old:020}.json"))).unwrap();
    }

    let found = run(&bench, DELTA, &["data/lake/events"]);

    assert!(found.is_none_or(|found| found == format!("{COMMITS} {COMMITS}")));
}

#[test]
fn every_stored_column_comes_back_through_every_format() {
    let bench = Bench::with_generated(500);
    for format in ["jsonl", "parquet", "json", "csv"] {
        let first = bench.file(&format!("first.{format}"));
        let all = ["export", "--project", "p", "--columns", "all", "--unicode", "keep", "--no-manifest", "-o"];
        bench.ok(all.iter().copied().chain([first.to_str().unwrap()]));
        let other = Bench::new();

        let report = other.ok(["import", "--project", "p", first.to_str().unwrap()]);

        assert!(report.contains("stored 500 events"), "{report}");
        assert!(report.contains("not importable: import the scores"), "{report}");
        assert!(stored(&bench, format) == stored(&other, format), "{format} lost something");
    }
}

/// Everything that is stored of the events; scores and comments are stored elsewhere.
fn stored(bench: &Bench, format: &str) -> Vec<u8> {
    let groups = "core,basic,time,io,metadata,model,usage,prompt,metrics,tools,trace_context,stored,experiment,service";
    let output = format!("stored.{format}");
    bench.ok([
        "export",
        "--project",
        "p",
        "--groups",
        &format!("{groups},ingestion"),
        "--unicode",
        "keep",
        "-o",
        &output,
    ]);
    std::fs::read(bench.file(&output)).unwrap()
}
