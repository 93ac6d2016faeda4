//! Files from a ClickHouse beside Langfuse's own, and everything a command says about such a source.

use super::need_clickhouse;
use crate::parity;
use crate::servers::clickhouse::ClickHouse;
use crate::support::{Bench, golden};

/// A database with the reference rows.
pub fn with_reference_rows(server: &ClickHouse) -> String {
    let database = server.deployment();
    server.insert(&database, "events_full", &golden("e2e/events.jsonl"));
    server.insert(&database, "scores", &golden("e2e/scores.jsonl"));
    database
}

#[test]
fn files_from_clickhouse_are_langfuses_but_for_what_is_listed() {
    let server = need_clickhouse!();
    let database = with_reference_rows(server);
    let bench = Bench::with_reference_rows();
    let source = server.url("default", &database, "comments=own");
    parity::compare_all(&bench, &["--source", &source]);
    // Merged or not.
    server.run(&database, "OPTIMIZE TABLE events_full FINAL");
    server.run(&database, "OPTIMIZE TABLE scores FINAL");
    parity::compare_all(&bench, &["--source", &source]);
}

#[test]
fn an_export_is_verified_against_the_server_it_came_from_and_against_another_store() {
    let server = need_clickhouse!();
    let database = with_reference_rows(server);
    let bench = Bench::with_reference_rows();
    let source = server.url("reader:reader-secret", &database, "");
    bench.ok(["export", "--project", "proj-e2e", "--source", &source, "-o", "events.jsonl"]);
    let manifest = "events.jsonl.manifest.json";
    assert!(!bench.read(manifest).contains("reader-secret"));
    for options in [&["--source", source.as_str()][..], &["--source", source.as_str(), "--full"], &[], &["--full"]] {
        let told = bench.ok(["verify", manifest].iter().chain(options));
        assert!(told.contains("no differences from manifest and source"), "{told}");
    }
    server.run(&database, "DELETE FROM events_full WHERE span_id = 'ev-007'");
    let ended = bench.run(["verify", manifest, "--source", &source]);
    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("ev-007"), "{}", ended.stdout);
}

#[test]
fn a_filter_on_comments_is_refused_left_out_with_langfuses_note_or_honoured() {
    let server = need_clickhouse!();
    let database = with_reference_rows(server);
    let bench = Bench::with_reference_rows();
    let source = server.url("default", &database, "");
    let filter = r#"{"type":"number","column":"commentCount","operator":">=","value":1}"#;
    let ask = ["export", "--overwrite", "--project", "proj-e2e", "--filter", filter, "-o", "out.jsonl", "--source"];
    let refused = bench.run(ask.iter().chain([&source.as_str()]));
    refused.assert_refused(&["the source has no comments", "--allow-unsupported-filters comments", "source.comments"]);

    let told = bench.ok(ask.iter().chain([&source.as_str(), &"--allow-unsupported-filters", &"comments"]));
    let note = "Note: Filters on Comments are not included in event exports. You may receive more data than expected.";
    assert!(told.lines().any(|line| line == note), "{told}");
    assert!(bench.read("out.jsonl.manifest.json").contains(note));
    let all = bench.read("out.jsonl").lines().count();

    let own = format!("{source}comments=own");
    let told = bench.ok(ask.iter().chain([&own.as_str(), &"--allow-unsupported-filters", &"comments"]));
    assert!(!told.contains("Note"), "{told}");
    let commented = bench.read("out.jsonl").lines().count();
    assert!((1..all).contains(&commented), "{commented} of {all} rows have comments");
    // A setting says the same as an option of the address.
    let mut command = bench.command(ask.iter().chain([&source.as_str()]));
    assert!(command.env("OUTGEST_SOURCE_COMMENTS", "own").status().unwrap().success());
    assert_eq!(bench.read("out.jsonl").lines().count(), commented);
}

#[test]
fn the_server_is_named_by_settings_and_by_a_deployments_variables() {
    let server = need_clickhouse!();
    let database = with_reference_rows(server);
    let bench = Bench::new();
    let address = server.address();
    let export = ["export", "--overwrite", "--project", "proj-e2e", "-o", "out.csv"];
    let setting = format!("clickhouse://{address}/{database}");
    let mut command = bench.command(export);
    let named = command.env("OUTGEST_SOURCE_URL", &setting).env("CLICKHOUSE_USER", "reader");
    assert!(named.env("CLICKHOUSE_PASSWORD", "reader-secret").status().unwrap().success());
    let rows = bench.read("out.csv");

    let mut command = bench.command(export.iter().chain(&["--source", "clickhouse://"]));
    let variables = command
        .env("CLICKHOUSE_URL", "http://127.0.0.1:9")
        .env("CLICKHOUSE_READ_ONLY_URL", format!("http://{address}"))
        .env("CLICKHOUSE_USER", "reader")
        .env("CLICKHOUSE_PASSWORD", "reader-secret")
        .env("CLICKHOUSE_DB", &database);
    assert!(variables.status().unwrap().success());
    assert_eq!(bench.read("out.csv"), rows);

    let mut check = bench.command(["config", "check", "--connect"]);
    let told = check.env("OUTGEST_SOURCE_URL", &setting).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains(&format!("ok      source: {setting} (ClickHouse ")), "{told}");
    bench.refused(
        ["--set", "source.url=mysql://root:hunter2@h/d", "config", "check"],
        &["source.url", "clickhouse://", "no kind of source is called \"mysql\""],
    );
}
