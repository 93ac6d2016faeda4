//! What becomes of files and readers when an export ends before its time: deleted or cancelled amid its work,
//! expired amid a download.

use std::time::{Duration, Instant};

use serde_json::json;

use super::World;
use super::http::runtime;
use super::project::{Project, id_of, text};
use super::world::{PATIENCE, Serve};
use crate::servers::s3::S3Server;

super::on_both_databases!(
    deleted_while_it_runs_it_is_gone_at_once_and_leaves_nothing,
    cancelled_while_its_files_are_written_it_leaves_none_of_them,
);

fn deleted_while_it_runs_it_is_gone_at_once_and_leaves_nothing(mut world: World) {
    let s3 = S3Server::start_slow(Duration::from_secs(1));
    world.keep_exports_in(&s3);
    world.project("p", 20_000);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let export = project.create(&json!({"table": "events", "format": "jsonl"}));
    let path = project.path(&format!("exports/{}", id_of(&export)));
    until_something_is_kept(&s3, &serve);
    assert_eq!(project.caller.call("DELETE", &path, None).status, 204);
    assert_eq!(project.caller.get(&path).problem(404), "not_found");
    assert_eq!(project.get("exports").expect(200)["items"], json!([]));
    until_nothing_is_kept(&s3, &serve);
    // The worker that had it is free again, and its place counts for nobody.
    project.completed(&json!({"table": "events", "limit": 5}));
}

fn cancelled_while_its_files_are_written_it_leaves_none_of_them(mut world: World) {
    let s3 = S3Server::start_slow(Duration::from_secs(1));
    world.keep_exports_in(&s3);
    world.project("p", 20_000);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let export = project.create(&json!({"table": "events", "format": "jsonl", "rollBytes": 8_000_000}));
    let id = id_of(&export);
    until_something_is_kept(&s3, &serve);
    let asked = Instant::now();
    assert_eq!(project.cancel(id).expect(200)["state"], "cancelled");
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    while project.export(id)["cleanup"] == true {
        assert!(asked.elapsed() < Duration::from_secs(30), "{}", serve.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(s3.kept("exports"), Vec::<String>::new());
    project.post(&format!("exports/{id}/retry"), &json!({})).expect(200);
    let again = project.wait_for(id, "completed");
    let files = again["files"].as_array().unwrap();
    assert!(files.len() > 1, "{again:#}");
    assert_eq!(files.iter().map(|file| file["rows"].as_u64().unwrap()).sum::<u64>(), 20_000);
}

#[test]
fn a_download_that_has_begun_when_the_export_expires_gets_every_byte() {
    let world = World::on_sqlite();
    // More than sockets hold between reader and server.
    world.project("p", 20_000);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve_with(&["--set", "export.expiry=8s"]);
    let project = serve.project("p", &secret);
    let export = project.completed(&json!({"table": "events", "format": "jsonl"}));
    let (id, sum) = (id_of(&export), text(&export["files"][0]["sha256"]));
    let request = project.caller.request("GET", &project.path(&format!("exports/{id}/files/0")));
    let mut answer = runtime().block_on(async { request.send().await }).unwrap();
    let mut bytes = runtime().block_on(async { answer.chunk().await }).unwrap().unwrap().to_vec();
    project.wait_for(id, "expired");
    let file = world.bench.file(&format!("data/exports/{}", text(&export["fileName"])));
    let begun = Instant::now();
    while file.exists() {
        assert!(begun.elapsed() < PATIENCE, "{}", serve.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    while let Some(more) = runtime().block_on(async { answer.chunk().await }).unwrap() {
        bytes.extend_from_slice(&more);
    }
    assert_eq!(super::sha256(&bytes), sum);
    assert_eq!(gone(&project, id), "expired");
}

fn gone(project: &Project, id: &str) -> String {
    project.get(&format!("exports/{id}/files/0")).problem(410)
}

fn until_something_is_kept(s3: &S3Server, serve: &Serve) {
    let begun = Instant::now();
    while s3.kept("exports").is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no upload begins: {}", serve.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn until_nothing_is_kept(s3: &S3Server, serve: &Serve) {
    let begun = Instant::now();
    while !s3.kept("exports").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}: {}", s3.kept("exports"), serve.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}
