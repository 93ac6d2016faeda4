//! Calls that other people's program makes up from the document (schemathesis).

use std::process::Command;

use super::World;
use crate::support::{python, soak};

/// Answers must be no failures of ours, and must look as the document says.
const CHECKS: &str = "not_a_server_error,response_schema_conformance,content_type_conformance";

/// Calls that would end what the others need, and the one whose answer does not end by itself.
const LEFT_OUT: [&str; 2] = ["delete_project", "watch_export"];

#[test]
fn no_made_up_call_is_a_failure_of_ours_and_every_answer_is_as_documented() {
    let Some(python) = python() else {
        eprintln!("without schemathesis: cargo xtask test runs this test with it");
        return;
    };
    let world = World::on_sqlite();
    world.project("p", 300);
    let (_, secret) = world.key("p", "owner");
    let serve = world.serve_with(&["--set", "server.requests_per_minute=1000000"]);
    // Made-up ids would never get past the first look-up.
    let names = world.bench.write("schemathesis.toml", "[parameters]\nproject = \"p\"\ntable = \"events\"\n");
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command.args(["--config-file", &names, "run", &format!("{}/api/v1/openapi.json", serve.url())]);
    command.args(["--phases", "coverage,fuzzing", "--max-examples", if soak() { "200" } else { "3" }]);
    command.args(["--header", &format!("Authorization: Bearer {secret}"), "--checks", CHECKS, "--workers", "2"]);
    command.args(["--generation-deterministic", "--suppress-health-check", "all", "--continue-on-failure"]);
    command.args(["--no-color"]).args(LEFT_OUT.iter().flat_map(|operation| ["--exclude-operation-id", operation]));
    let output = command.current_dir(world.bench.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = told.lines().find_map(|line| line.trim().split_once(" generated, ")?.0.parse::<u32>().ok());
    assert!(passed.is_some_and(|passed| passed > 1_000), "{told}");
    println!("{} calls", passed.unwrap_or_default());
    assert!(!serve.log().contains("a request failed"), "{}", serve.log());
}
