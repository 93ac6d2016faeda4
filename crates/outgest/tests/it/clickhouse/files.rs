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
    // A deletion is a version that belongs to a later window; a row that is gone is a difference.
    server.run(
        &database,
        "INSERT INTO events_full SELECT * REPLACE (1 AS is_deleted, now64(6) AS event_ts, now64(6) AS updated_at) \
         FROM events_full WHERE span_id = 'ev-008' LIMIT 1",
    );
    let told = bench.ok(["verify", manifest, "--source", &source]);
    assert!(told.contains("1 of the rows have a newer version by now, or were deleted"), "{told}");
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

/// Columns of events that are called alike in the observations of version 3.
const ALIKE: &str = "trace_id, project_id, environment, type, start_time, end_time, name, level, input, output, \
    provided_model_name, model_parameters, provided_usage_details, usage_details, provided_cost_details, cost_details, \
    total_cost, completion_start_time, prompt_id, prompt_name, prompt_version, usage_pricing_tier_id, \
    usage_pricing_tier_name, tool_definitions, tool_calls, tool_call_names, created_at, updated_at, event_ts, is_deleted";

#[test]
fn observations_of_version_3_and_4_have_the_same_columns_in_the_same_order_and_the_same_rows() {
    let server = need_clickhouse!();
    let bench = Bench::new();
    let [made, three, four] = [(); 3].map(|()| server.deployment());
    bench.ok(["generate", "--project", "p", "--events", "300", "--source", &server.url("default", &made, "")]);
    // Version 3 keeps milliseconds.
    let times = ["start_time", "end_time", "completion_start_time", "created_at", "updated_at", "event_ts"];
    let times = times.map(|time| format!("toDateTime64({time}, 3) AS {time}")).join(", ");
    server.run(&four, &format!("INSERT INTO events_full SELECT * REPLACE ({times}) FROM {made}.events_full FINAL"));
    let observations = format!(
        "INSERT INTO observations (id, parent_observation_id, metadata, status_message, version, internal_model_id, \
         {ALIKE}) SELECT span_id, nullIf(parent_span_id, ''), \
         CAST((metadata_names, metadata_values), 'Map(LowCardinality(String), String)'), nullIf(status_message, ''), \
         nullIf(version, ''), nullIf(model_id, ''), {ALIKE} FROM {made}.events_full FINAL"
    );
    let traces = format!(
        "INSERT INTO traces (id, project_id, timestamp, name, user_id, session_id, release, public, tags, event_ts, \
         is_deleted) SELECT trace_id, project_id, min(start_time), any(trace_name), any(user_id), any(session_id), \
         any(release), any(public), any(tags), max(event_ts), 0 FROM {made}.events_full FINAL \
         GROUP BY trace_id, project_id"
    );
    server.run(&three, &observations);
    server.run(&three, &traces);
    for database in [&three, &four] {
        server.run(database, &format!("INSERT INTO scores SELECT * FROM {made}.scores"));
    }
    let export = |database: &str| {
        let source = server.url("default", database, "");
        let options = ["--project", "p", "--table", "observations", "--format", "csv", "--source", &source];
        bench.export(&format!("{database}.csv"), &options)
    };
    let (three, four) = (export(&three), export(&four));
    assert_eq!(three.lines().next(), four.lines().next());
    assert!(three.lines().count() > 300 && three.contains("trace-quality"), "{}", three.lines().count());
    let difference = three.lines().zip(four.lines()).find(|(three, four)| three != four);
    assert_eq!(difference, None);
    assert!(three == four);
}
