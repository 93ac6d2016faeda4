//! A worker that was stopped past its lease and wakes up beside its successor (promise 11).

use std::time::{Duration, Instant};

use serde_json::json;

use super::World;
use super::project::{id_of, text};
use super::world::PATIENCE;
use crate::servers::s3::S3Server;

super::on_both_databases!(a_worker_that_wakes_up_after_its_lease_changes_nothing);

fn a_worker_that_wakes_up_after_its_lease_changes_nothing(mut world: World) {
    let s3 = S3Server::start_slow(Duration::from_millis(700));
    world.keep_exports_in(&s3);
    world.set("OUTGEST_WORKER_LEASE", "3s");
    world.project("p", 20_000);
    let (_, secret) = world.key("p", "member");
    world.ok(&["export", "--project", "p", "--format", "jsonl", "-o", "alone.jsonl"]);
    let expected = std::fs::read(world.bench.file("alone.jsonl")).unwrap();

    let api = world.serve_with(&["--roles", "api,schedule"]);
    let project = api.project("p", &secret);
    let stopped = world.serve_with(&["--roles", "work"]);
    let id = id_of(&project.create(&json!({"table": "events", "format": "jsonl"}))).to_owned();
    let begun = Instant::now();
    while project.export(&id)["progress"]["bytes"].as_u64() == Some(0) {
        assert!(begun.elapsed() < PATIENCE, "{}", stopped.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    stopped.signal("STOP");
    let successor = world.serve_with(&["--roles", "work"]);
    let begun = Instant::now();
    while project.export(&id)["attempts"].as_u64() < Some(2) {
        assert!(begun.elapsed() < PATIENCE, "{}", successor.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    // Amid the successor's upload: the worst moment to come back with bytes in hand.
    stopped.signal("CONT");
    let export = project.wait_for(&id, "completed");
    assert_eq!(export["attempts"], 2, "the one that woke up did not take it again: {export:#}");
    assert_eq!(text(&export["files"][0]["sha256"]), super::sha256(&expected));
    // Whatever the first worker still had in hand has had its time to arrive.
    std::thread::sleep(Duration::from_secs(2));
    assert!(project.download(&id, 0) == expected, "the file was changed after it was completed");
    let mut names = [text(&export["fileName"]).to_owned(), format!("{}.manifest.json", text(&export["fileName"]))];
    names.sort();
    assert_eq!(s3.kept("exports"), names, "an upload was left");
    let log = stopped.log();
    assert!(log.contains("lost") || log.contains("another worker"), "{log}");
    drop(successor);
    // It is a worker like any other again.
    project.completed(&json!({"table": "events", "limit": 10}));
}
