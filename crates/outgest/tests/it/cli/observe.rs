//! What the program tells collectors about itself.

use std::time::Duration;

use serde_json::Value;

use crate::servers::receiver::Receiver;
use crate::support::Bench;

#[test]
fn traces_of_an_export_reach_the_collector_before_the_program_ends() {
    let collector = Receiver::start(&[200]);
    let bench = Bench::with_generated(50);
    let ended = bench
        .command(["export", "--project", "p", "-o", "out.csv"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .env("OUTGEST_OTLP_HEADERS", "x-team=data, x-key=hunter2")
        .status()
        .unwrap();
    assert!(ended.success());
    // The program has ended: what has not arrived will never.
    let requests = collector.wait_for(1, Duration::from_millis(1));
    assert_eq!(requests[0].line, "POST /v1/traces");
    assert_eq!(requests[0].header("content-type"), "application/x-protobuf");
    assert_eq!(requests[0].header("x-team"), "data");
    let all: Vec<u8> = requests.iter().flat_map(|request| request.body.clone()).collect();
    for word in ["outgest", "service.version", "run.id", "project.id", "reading ahead"] {
        assert!(all.windows(word.len()).any(|window| window == word.as_bytes()), "{word} was not sent");
    }
}

#[test]
fn a_collector_that_is_away_does_not_fail_an_export() {
    let bench = Bench::with_generated(50);
    let ended = bench
        .command(["export", "--project", "p", "-o", "out.csv"])
        .env("OUTGEST_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn log_lines_are_json_where_collectors_want_it() {
    let bench = Bench::new();
    let ended = bench.run(["--log", "info", "--log-format", "json", "export", "--project", "p", "-o", "s3://b/x.csv"]);
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with('{')).collect();
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    // What people read stays text.
    assert!(ended.stderr.lines().any(|line| line.starts_with("error: ")), "{}", ended.stderr);
}
