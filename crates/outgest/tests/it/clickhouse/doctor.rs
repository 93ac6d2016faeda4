//! `outgest doctor` at a real server: what the documentation shows is what is printed.

use serde_json::Value;

use super::files::with_reference_rows;
use super::need_clickhouse;
use crate::support::Bench;

/// What `docs/clickhouse.md` shows, between the fences behind this command.
fn documented() -> &'static str {
    let document = include_str!("../../../../../docs/clickhouse.md");
    let begin = "$ outgest doctor --source clickhouse://reader@ch.example.com:8123/langfuse\n";
    let (_, rest) = document.split_once(begin).expect("the document shows the command");
    rest.split_once("```").expect("the sample ends").0
}

#[test]
fn the_documentation_shows_what_is_printed() {
    let server = need_clickhouse!();
    let database = with_reference_rows(server);
    let bench = Bench::new();
    let printed = bench.ok(["doctor", "--source", &server.url("reader:reader-secret", &database, "")]);
    assert!(!printed.contains("reader-secret"), "{printed}");
    // What differs from machine to machine, and from one version of the server to the next.
    let version = server.run("default", "SELECT version()");
    let zone = server.run("default", "SELECT timezone()");
    let threads = server.run("default", "SELECT value FROM system.settings WHERE name = 'max_threads'");
    let printed = printed
        .replace(version.trim(), "26.9.2.1")
        .replace(&format!("time zone {}", zone.trim()), "time zone UTC")
        .replace(&format!("is {} instead", threads.trim()), "is auto(2) instead")
        .replace(&format!("{}/{database}", server.address()), "ch.example.com:8123/langfuse");
    assert_eq!(without_sizes(&printed), without_sizes(documented()), "{printed}");
}

/// Bytes on disk depend on the server's version.
fn without_sizes(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(" stored rows, ") {
        Some((before, _)) => format!("{before} stored rows"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_missing_makes_the_command_fail_and_is_told_as_json() {
    let server = need_clickhouse!();
    let database = server.deployment();
    server.run(&database, "DROP TABLE scores");
    let bench = Bench::new();
    let ended = bench.run(["doctor", "--json", "--source", &server.url("default", &database, "")]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let findings: Value = serde_json::from_str(&ended.stdout).unwrap();
    let failed: Vec<&Value> =
        findings.as_array().unwrap().iter().filter(|finding| finding["verdict"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{findings}");
    assert_eq!(failed[0]["about"], "table");
    assert!(failed[0]["text"].as_str().unwrap().contains("scores"), "{findings}");

    let ended = bench.run(["doctor", "--source", &server.url("default:hunter2", &database, "")]);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.starts_with("failed  server: ") && !ended.stdout.contains("hunter2"), "{}", ended.stdout);
}

#[test]
fn an_embedded_store_has_a_doctor_too() {
    let bench = Bench::with_generated(10);
    let printed = bench.ok(["doctor"]);
    assert!(printed.contains("ok      table: events, 10 rows of 1 project"), "{printed}");
    bench.refused(["doctor", "--source", "nowhere"], &["there is no store in nowhere"]);
}
