//! Rows leave when they are older than their project keeps them, and others stay.

use std::time::Instant;

use serde_json::{Value, json};

use super::World;
use super::project::Project;
use super::world::PATIENCE;

super::on_both_databases!(rows_are_removed_when_they_are_older_than_their_project_keeps_them);

fn rows_are_removed_when_they_are_older_than_their_project_keeps_them(world: World) {
    let row = |id: &str, start: &str| json!({"id": id, "traceId": "t", "startTime": start}).to_string();
    // One that is old whenever this runs, and one that never is.
    let rows = [row("old", "2020-01-01T00:00:00Z"), row("new", "2099-01-01T00:00:00Z")].join("\n");
    world.bench.write("rows.jsonl", rows);
    let mut secrets = Vec::new();
    for project in ["p", "q"] {
        world.project(project, 0);
        world.ok(&["import", "--project", project, "rows.jsonl"]);
        secrets.push(world.key(project, "owner").1);
    }
    let serve = world.serve();
    let p = serve.project("p", &secrets[0]);
    assert_eq!(ids(&p), ["new", "old"]);
    let keeping =
        |days: Value| p.caller.call("PATCH", "/api/v1/projects/p", Some(&json!({"retentionDays": days}))).expect(200);
    assert_eq!(keeping(json!(400))["retentionDays"], 400);
    assert_eq!(serve.end(), 0);

    // Looked after at the start and every hour.
    let serve = world.serve();
    let (p, q) = (serve.project("p", &secrets[0]), serve.project("q", &secrets[1]));
    let begun = Instant::now();
    while ids(&p) != ["new"] {
        assert!(begun.elapsed() < PATIENCE, "{:?}: {}", ids(&p), serve.log());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(ids(&q), ["new", "old"], "another project's rows are not of this rule");
    assert_eq!(p.completed(&json!({"table": "events"}))["progress"]["rows"], 1);
}

/// Ids of the events, newest first.
fn ids(project: &Project) -> Vec<String> {
    let page = project.get("tables/events/rows").expect(200);
    let id = |row: &Value| row["cells"]["id"].as_str().unwrap_or_else(|| panic!("{row:#}")).to_owned();
    page["rows"].as_array().unwrap().iter().map(id).collect()
}
