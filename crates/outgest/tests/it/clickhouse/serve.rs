//! A server whose rows lie in a ClickHouse: its exports are those of the command line.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::files::with_reference_rows;
use super::need_clickhouse;
use crate::sealed;
use crate::servers::clickhouse::ClickHouse;
use crate::support::{Bench, Ended};

/// A running `outgest serve`, and a key of its project.
pub struct Serving {
    child: Child,
    address: String,
    key: String,
}

impl Serving {
    pub fn start(bench: &Bench, project: &str, source: &str) -> Self {
        bench.ok(["project", "add", project]);
        let key: Value = serde_json::from_str(&bench.ok(["key", "add", "--project", project])).unwrap();
        sealed::keep(key["secretKey"].as_str().unwrap());
        let address = ClickHouse::free_address().to_string();
        let mut command = bench.command(["serve", "--listen", &address]);
        let mut child = command.env("OUTGEST_SOURCE_URL", source).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(&address), "the server says {line:?}");
        Self { child, address, key: key["secretKey"].as_str().unwrap().to_owned() }
    }

    /// `outgest exports`.
    pub fn exports(&self, bench: &Bench, words: &[&str]) -> Ended {
        let mut command: Command = bench.bare_command(["exports"]);
        command.args(words).env("OUTGEST_CLIENT_SERVER", format!("http://{}", self.address));
        command.env("OUTGEST_CLIENT_KEY", &self.key).env("OUTGEST_CLIENT_PROJECT", "proj-e2e");
        Ended::of(command.output().unwrap())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn exports_of_a_server_are_those_of_the_command_line() {
    let server = need_clickhouse!();
    let database = with_reference_rows(server);
    let bench = Bench::new();
    let source = server.url("reader:reader-secret", &database, "");
    let serving = Serving::start(&bench, "proj-e2e", &source);

    let made = serving.exports(&bench, &["create", "--table", "events", "--format", "jsonl", "--wait", "--json"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let fetched = serving.exports(&bench, &["download", made["id"].as_str().unwrap(), "-o", "served.jsonl"]);
    assert_eq!(fetched.code, 0, "{}", fetched.stderr);
    bench.ok(["export", "--project", "proj-e2e", "--source", &source, "-o", "typed.jsonl"]);
    assert_eq!(bench.read("served.jsonl"), bench.read("typed.jsonl"));

    let filter = r#"{"type":"number","column":"commentCount","operator":">=","value":1}"#;
    let create = ["create", "--table", "events", "--filter", filter, "--wait"];
    let refused = serving.exports(&bench, &create);
    refused.assert_refused(&["the source has no comments", "allowUnsupportedFilters"]);
    let left_out = serving.exports(&bench, &[&create[..], &["--allow-unsupported-filters", "comments"]].concat());
    assert_eq!(left_out.code, 0, "{}", left_out.stderr);
    let note = "Note: Filters on Comments are not included in event exports. You may receive more data than expected.";
    assert!(left_out.stderr.contains(note), "{}", left_out.stderr);
}

#[test]
fn a_server_starts_and_takes_requests_while_its_clickhouse_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let address = ClickHouse::free_address();
    let Some(server) = ClickHouse::at(folder.path(), address) else {
        return eprintln!("left out: needs the stack of `cargo xtask test`");
    };
    let database = with_reference_rows(&server);
    let source = server.url("default", &database, "");
    drop(server);
    let bench = Bench::new();
    let serving = Serving::start(&bench, "proj-e2e", &source);
    let _server = ClickHouse::at(folder.path(), address);
    let made = serving.exports(&bench, &["create", "--table", "events", "--wait"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
}
