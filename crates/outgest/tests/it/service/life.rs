//! The life of an export through the API: from nothing to the bytes, and every way to end before.

use std::time::{Duration, Instant};

use serde_json::json;

use super::World;
use super::http::{Caller, Shows, send};
use super::project::{Project, id_of, text};
use super::world::{PASSWORD, PATIENCE, Serve};
use crate::servers::s3::S3Server;

super::on_both_databases!(
    a_new_server_is_set_up_with_its_link_and_exports,
    cancelled_while_it_waits_it_never_runs,
    cancelled_while_it_runs_it_ends_within_two_seconds_and_leaves_nothing,
    cancelled_while_its_destination_is_away_it_ends_at_once,
    cancelled_while_it_waits_after_a_failure_it_is_not_tried_again,
    a_failure_explains_itself_and_a_retry_after_the_change_completes,
    an_expired_export_has_no_file_any_more,
    a_deleted_export_takes_its_files_along,
    an_end_by_signal_hands_work_over_to_the_next_process,
);

fn a_new_server_is_set_up_with_its_link_and_exports(world: World) {
    let serve = world.serve();
    let earlier = set_up_link(&serve);
    assert_eq!(serve.end(), 0);
    // Nobody followed it, so the next start prints one as well.
    let serve = world.serve();
    let token = &set_up_link(&serve);
    let nobody = serve.caller(Shows::Nothing);
    let account = json!({"token": token, "email": "root@example.com", "name": "Root", "password": PASSWORD});
    let admin = nobody.post("/api/v1/invitations/accept", &account).into_session(&serve.url());
    for used_or_void in [token, &earlier] {
        let again = json!({"token": used_or_void, "email": "eve@example.com", "name": "", "password": PASSWORD});
        assert_eq!(nobody.post("/api/v1/invitations/accept", &again).problem(404), "not_found");
    }

    admin.post("/api/v1/projects", &json!({"id": "shop", "name": "Shop"})).expect(201);
    let row = |n: u32| {
        let start = format!("2026-01-01T00:00:{n:02}Z");
        json!({"id": format!("s{n}"), "traceId": "t", "name": "chat", "startTime": start, "input": format!("q{n}")})
    };
    let rows: String = (0..5).map(|n| row(n).to_string() + "\n").collect();
    let import = admin.request("POST", "/api/v1/projects/shop/import").header("content-type", "application/x-ndjson");
    let imported = send(import.body(rows)).expect(200);
    assert_eq!(imported["read"], 5, "{imported}");

    let key = admin.post("/api/v1/projects/shop/keys", &json!({"role": "member", "note": "ci"})).expect(201);
    let shop = serve.project("shop", text(&key["secretKey"]));
    let created = shop.create(&json!({"table": "events", "format": "jsonl", "where": ["name = \"chat\""]}));
    // The worker may be as fast as the answer.
    assert!(["queued", "running"].contains(&text(&created["state"])), "{created:#}");
    let watched = shop.get(&format!("exports/{}/events", id_of(&created)));
    assert_eq!((watched.status, watched.header("content-type")), (200, "text/event-stream"));
    assert!(watched.text().trim_end().lines().last().unwrap().contains("\"state\":\"completed\""));

    let export = shop.export(id_of(&created));
    assert_eq!(export["progress"]["rows"], 5);
    let bytes = shop.download(id_of(&created), 0);
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 5);
    assert_eq!(super::sha256(&bytes), text(&export["files"][0]["sha256"]));
    assert!(text(&export["fileName"]).ends_with("-og-events-export-shop.jsonl"), "{export:#}");

    // A link carries its own right; a changed one carries none.
    let link = text(&shop.link(id_of(&created), 0)["url"]).to_owned();
    let anybody = Caller::new("", Shows::Nothing);
    let part = send(anybody.request("GET", &link).header("range", "bytes=2-5"));
    assert_eq!((part.status, part.body.as_slice()), (206, &bytes[2..6]));
    assert_eq!(anybody.get(&format!("{link}x")).problem(404), "not_found");
    assert_eq!(serve.end(), 0);
}

fn cancelled_while_it_waits_it_never_runs(world: World) {
    world.project("p", 10);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve_with(&["--roles", "api"]);
    let project = serve.project("p", &secret);
    let export = project.create(&json!({"table": "events"}));
    let cancelled = project.cancel(id_of(&export)).expect(200);
    assert_eq!((&cancelled["state"], &cancelled["startedAt"]), (&json!("cancelled"), &json!(null)));
    // Final is final: neither a second wish nor a worker changes it.
    assert_eq!(project.cancel(id_of(&export)).problem(409), "conflict");
    assert_eq!(serve.end(), 0);
    let serve = world.serve();
    let project = serve.project("p", &secret);
    project.completed(&json!({"table": "events"}));
    let later = project.export(id_of(&export));
    assert_eq!((&later["state"], &later["attempts"]), (&json!("cancelled"), &json!(0)));
    let listed = project.get("exports?state=completed").expect(200);
    assert_eq!(project.cancel(id_of(&listed["items"][0])).problem(409), "conflict");
}

fn cancelled_while_it_runs_it_ends_within_two_seconds_and_leaves_nothing(mut world: World) {
    let s3 = S3Server::start_slow(Duration::from_secs(2));
    world.keep_exports_in(&s3);
    world.project("p", 20_000);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let export = project.create(&json!({"table": "events", "format": "jsonl"}));
    let id = id_of(&export);
    let begun = Instant::now();
    while s3.kept("exports").is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no upload begins: {}", serve.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(project.export(id)["state"], "running");
    let asked = Instant::now();
    let cancelled = project.cancel(id).expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    // What is left is removed within half a minute, and said to be so until then.
    while project.export(id)["cleanup"] == true {
        assert!(asked.elapsed() < Duration::from_secs(30), "{}", serve.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(s3.kept("exports"), Vec::<String>::new());
    assert_eq!(project.export(id)["state"], "cancelled");
    // It can be asked for again, from its beginning.
    project.post(&format!("exports/{id}/retry"), &json!({})).expect(200);
    project.wait_for(id, "completed");
}

fn cancelled_while_its_destination_is_away_it_ends_at_once(mut world: World) {
    // Nobody listens there.
    world.set("OUTGEST_EXPORT_DESTINATION", "s3://exports/");
    for (name, value) in S3Server::start().environment() {
        world.set(name, value);
    }
    world.project("p", 10);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let id = id_of(&project.create(&json!({"table": "events"}))).to_owned();
    // Within an attempt the pipeline is patient for two minutes; the export is cancelled amid that.
    let begun = Instant::now();
    while project.export(&id)["state"] != "running" {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    let asked = Instant::now();
    assert_eq!(project.cancel(&id).expect(200)["state"], "cancelled");
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    std::thread::sleep(Duration::from_secs(2));
    let later = project.export(&id);
    assert_eq!((&later["state"], &later["attempts"]), (&json!("cancelled"), &json!(1)), "{later:#}");
}

fn cancelled_while_it_waits_after_a_failure_it_is_not_tried_again(world: World) {
    world.project("p", 50);
    let (_, secret) = world.key("p", "member");
    // What cannot be read may be an accident: it is tried again after a wait.
    for entry in std::fs::read_dir(world.bench.file("data/lake/events")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let size = std::fs::metadata(&path).unwrap().len();
            std::fs::write(&path, vec![0; usize::try_from(size).unwrap()]).unwrap();
        }
    }
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let id = id_of(&project.create(&json!({"table": "events"}))).to_owned();
    let begun = Instant::now();
    let waiting = loop {
        let export = project.export(&id);
        if !export["retryAt"].is_null() {
            break export;
        }
        assert!(begun.elapsed() < PATIENCE, "{export:#} {}", serve.log());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&waiting["state"], &waiting["failure"]["code"]), (&json!("queued"), &json!("corrupt")));
    let cancelled = project.cancel(&id).expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    // Longer than the longest first wait.
    std::thread::sleep(Duration::from_secs(11));
    let later = project.export(&id);
    // The wait is of a random length: it may just have been over.
    assert_eq!((&later["state"], &later["attempts"]), (&json!("cancelled"), &cancelled["attempts"]), "{later:#}");
}

fn a_failure_explains_itself_and_a_retry_after_the_change_completes(mut world: World) {
    let s3 = S3Server::start();
    world.keep_exports_in(&s3);
    world.project("p", 50);
    let (_, secret) = world.key("p", "member");
    let mut wrong = World { bench: world.bench, variables: world.variables.clone() };
    wrong.set("AWS_SECRET_ACCESS_KEY", "not-the-secret-hunter3");
    let serve = wrong.serve();
    let project = serve.project("p", &secret);
    let id = id_of(&project.create(&json!({"table": "events"}))).to_owned();
    let failed = project.wait_for(&id, "failed");
    let failure = &failed["failure"];
    assert_eq!((&failure["code"], &failed["attempts"]), (&json!("credentials"), &json!(1)), "{failed:#}");
    for field in ["step", "message", "hint"] {
        assert!(failure[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {failed:#}");
    }
    assert!(!failed.to_string().contains("hunter3") && !serve.log().contains("hunter3"));
    assert_eq!(serve.end(), 0);

    world.bench = wrong.bench;
    let serve = world.serve();
    let project = serve.project("p", &secret);
    project.post(&format!("exports/{id}/retry"), &json!({})).expect(200);
    let export = project.wait_for(&id, "completed");
    assert_eq!((&export["failure"], &export["progress"]["rows"]), (&json!(null), &json!(50)), "{export:#}");
    // The link leads to the store itself, and the bytes are those that were recorded.
    let link = project.link(&id, 0);
    assert!(text(&link["url"]).starts_with(&s3.url()), "{link}");
    assert_eq!(super::sha256(&project.download(&id, 0)), text(&export["files"][0]["sha256"]));
    assert_eq!(project.post(&format!("exports/{id}/retry"), &json!({})).problem(409), "conflict");
}

fn an_expired_export_has_no_file_any_more(world: World) {
    world.project("p", 10);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve_with(&["--set", "export.expiry=8s"]);
    let project = serve.project("p", &secret);
    let export = project.completed(&json!({"table": "events"}));
    let link = text(&project.link(id_of(&export), 0)["url"]).to_owned();
    let expired = project.wait_for(id_of(&export), "expired");
    assert_eq!(project.get(&format!("exports/{}/files/0", id_of(&export))).problem(410), "expired");
    assert_eq!(Caller::new("", Shows::Nothing).get(&link).problem(410), "expired");
    let begun = Instant::now();
    while !exported_files(&world).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{:?} {expired:#}", exported_files(&world));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn a_deleted_export_takes_its_files_along(world: World) {
    world.project("p", 10);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let export = project.completed(&json!({"table": "events", "rollBytes": 1}));
    assert!(exported_files(&world).len() >= 2, "a file and its manifest");
    let path = project.path(&format!("exports/{}", id_of(&export)));
    assert_eq!(project.caller.call("DELETE", &path, None).status, 204);
    assert_eq!(project.caller.get(&path).problem(404), "not_found");
    let begun = Instant::now();
    while !exported_files(&world).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{:?}", exported_files(&world));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn an_end_by_signal_hands_work_over_to_the_next_process(mut world: World) {
    let s3 = S3Server::start_slow(Duration::from_millis(500));
    world.keep_exports_in(&s3);
    world.project("p", 20_000);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let id = id_of(&project.create(&json!({"table": "events", "format": "jsonl"}))).to_owned();
    let begun = Instant::now();
    while project.export(&id)["progress"]["bytes"].as_u64() == Some(0) {
        assert!(begun.elapsed() < PATIENCE, "{}", serve.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = serve.log_path();
    assert_eq!(serve.end(), 0);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("is handed over"), "{log}");
    let serve = world.serve();
    let project = Project { caller: serve.project("p", &secret).caller, ..project };
    let export = project.wait_for(&id, "completed");
    // A hand-over is no failure, so the attempt goes on.
    assert_eq!((&export["failure"], &export["attempts"]), (&json!(null), &json!(1)), "{export:#}");
    let bytes = project.download(&id, 0);
    world.ok(&["export", "--project", "p", "--format", "jsonl", "-o", "alone.jsonl"]);
    assert!(bytes == std::fs::read(world.bench.file("alone.jsonl")).unwrap());
}

/// The token of the link that a server without accounts prints.
fn set_up_link(serve: &Serve) -> String {
    assert!(serve.next_line().contains("link makes the first"));
    let link = serve.next_line();
    let (address, token) = link.trim().split_once("/invitation#").unwrap();
    assert_eq!(address, serve.url());
    token.to_owned()
}

/// What lies in the folder of exports.
fn exported_files(world: &World) -> Vec<String> {
    let folder = std::fs::read_dir(world.bench.file("data/exports"));
    let names = folder.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}
