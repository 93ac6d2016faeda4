//! Lists, repetitions and limits: what many callers at once may rely on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::World;
use super::http::{Shows, send};
use super::project::{id_of, text};

super::on_both_databases!(
    the_same_call_makes_one_export_whoever_is_first,
    pages_stay_in_step_while_exports_are_created,
    a_cursor_that_nobody_gave_is_refused,
    a_body_over_the_limit_is_refused_before_it_is_read,
    a_session_that_is_over_opens_nothing,
    quotas_answer_429_with_what_and_until_when,
    comment_filters_are_refused_where_there_are_no_comments_unless_accepted,
    every_change_and_download_is_in_the_audit_log,
);

fn the_same_call_makes_one_export_whoever_is_first(world: World) {
    world.project("p", 0);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve_with(&["--roles", "api"]);
    let project = serve.project("p", &secret);
    let body = json!({"table": "events", "format": "csv"});
    let answers: Vec<_> = std::thread::scope(|scope| {
        let call = || (project.create_once("nightly-7", &body).status, project.create_once("nightly-7", &body));
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let created = answers.iter().filter(|(first, _)| *first == 201).count();
    assert_eq!(created, 1);
    let ids: BTreeSet<String> = answers.into_iter().map(|(_, second)| id_of(&second.expect(200)).to_owned()).collect();
    assert_eq!(ids.len(), 1);
    let other = json!({"table": "events", "format": "jsonl"});
    assert_eq!(project.create_once("nightly-7", &other).problem(409), "conflict");
    assert_eq!(project.get("exports").expect(200)["items"].as_array().unwrap().len(), 1);
}

fn pages_stay_in_step_while_exports_are_created(world: World) {
    world.project("p", 0);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve_with(&["--roles", "api"]);
    let project = serve.project("p", &secret);
    let create = |name: String| id_of(&project.create(&json!({"table": "events", "name": name}))).to_owned();
    let mut expected: Vec<String> = (0..9).map(|n| create(format!("before {n}"))).collect();
    expected.reverse();
    let mut seen: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = project.get(&format!("exports?limit=2{cursor}")).expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| id_of(item).to_owned()));
        create(format!("while reading {}", seen.len()));
        match &page["next"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    assert_eq!(seen, expected);
}

fn a_cursor_that_nobody_gave_is_refused(world: World) {
    world.project("p", 0);
    let (_, secret) = world.key("p", "viewer");
    let serve = world.serve_with(&["--roles", "api"]);
    let project = serve.project("p", &secret);
    for list in ["exports", "comments", "tables/events/rows"] {
        for forged in ["1", "AAAA", "%00", "eyJhIjoxfQ", "9999999999999999999999"] {
            let answer = project.get(&format!("{list}?cursor={forged}"));
            assert_eq!(answer.problem(400), "bad_request", "{list} {forged}");
        }
    }
}

fn a_body_over_the_limit_is_refused_before_it_is_read(world: World) {
    world.project("p", 0);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve_with(&["--set", "server.body_bytes_max=10KiB", "--set", "server.import_bytes_max=100KiB"]);
    let project = serve.project("p", &secret);
    let long = json!({"table": "events", "name": "x".repeat(20_000)});
    assert_eq!(project.post("exports", &long).problem(413), "too_large");
    // Whole rows all along, so that only the limit can be what ends it.
    let row = r#"{"id":"s","traceId":"t","startTime":"2026-01-01T00:00:00Z"}"#;
    let rows = format!("{row}\n").repeat(3_000);
    let import = project.caller.request("POST", &project.path("import")).body(rows);
    assert_eq!(send(import).problem(413), "too_large");
    let storage = project.get("storage").expect(200);
    assert!(!storage.to_string().contains("\"events\""), "rows were stored: {storage}");
}

fn a_session_that_is_over_opens_nothing(world: World) {
    world.user("me@example.com", &["--admin"]);
    let serve = world.serve_with(&["--roles", "api", "--set", "server.session=5s"]);
    let me = serve.sign_in("me@example.com");
    me.get("/api/v1/projects").expect(200);
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(me.get("/api/v1/projects").problem(401), "unauthenticated");
    // Signing out ends a session that would last.
    let me = serve.sign_in("me@example.com");
    assert_eq!(me.call("DELETE", "/api/v1/session", None).status, 204);
    assert_eq!(me.get("/api/v1/projects").problem(401), "unauthenticated");
    let wrong = json!({"email": "me@example.com", "password": "not the password"});
    assert_eq!(serve.caller(Shows::Nothing).post("/api/v1/session", &wrong).problem(401), "unauthenticated");
}

fn quotas_answer_429_with_what_and_until_when(world: World) {
    world.project("p", 40);
    let (_, secret) = world.key("p", "owner");
    let serve = world.serve_with(&["--roles", "api"]);
    let project = serve.project("p", &secret);
    let limit = |quotas: Value| {
        project.caller.call("PATCH", "/api/v1/projects/p", Some(&json!({"quotas": quotas}))).expect(200);
    };
    limit(json!({"exportsQueuedMax": 2}));
    let first = project.create(&json!({"table": "events"}));
    project.create(&json!({"table": "events"}));
    let refused = project.post("exports", &json!({"table": "events"}));
    assert_eq!(refused.problem(429), "throttled");
    assert!(refused.text().contains("2 exports of this project are queued"), "{}", refused.text());
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    project.cancel(id_of(&first)).expect(200);
    project.create(&json!({"table": "events"}));
    assert_eq!(serve.end(), 0);

    let serve = world.serve();
    let project = serve.project("p", &secret);
    limit_with(&project.caller, json!({"rowsPerExportMax": 7}));
    let cut = project.completed(&json!({"table": "events"}));
    assert_eq!((&cut["progress"]["rows"], &cut["truncated"]), (&json!(7), &json!(true)), "{cut:#}");
    assert!(cut["warnings"].to_string().contains("at most 7 rows"), "{cut:#}");
    limit_with(&project.caller, json!({"bytesPerDayMax": 1}));
    let refused = project.post("exports", &json!({"table": "events"}));
    assert_eq!(refused.problem(429), "throttled");
    assert!(refused.text().contains("its quota is 1; there is room from 20"), "{}", refused.text());
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((86_000..=86_400).contains(&wait), "{wait}");
}

fn limit_with(caller: &super::http::Caller, quotas: Value) {
    caller.call("PATCH", "/api/v1/projects/p", Some(&json!({"quotas": quotas}))).expect(200);
}

fn comment_filters_are_refused_where_there_are_no_comments_unless_accepted(world: World) {
    world.project("p", 30);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve_with(&["--set", "source.comments=none"]);
    let project = serve.project("p", &secret);
    let filter = json!([{"type": "number", "column": "commentCount", "operator": ">=", "value": 1}]);
    let refused = project.post("exports", &json!({"table": "events", "filter": filter}));
    assert_eq!(refused.problem(400), "bad_request");
    assert!(refused.text().contains("the source has no comments"), "{}", refused.text());
    let accepted = json!({"table": "events", "filter": filter, "allowUnsupportedFilters": ["comments"]});
    let export = project.completed(&accepted);
    assert_eq!(export["progress"]["rows"], 30);
    assert_eq!(
        export["warnings"],
        json!([
            "Note: Filters on Comments are not included in event exports. You may receive more data than expected."
        ])
    );
}

fn every_change_and_download_is_in_the_audit_log(world: World) {
    world.project("p", 5);
    let (_, secret) = world.key("p", "owner");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let export = project.completed(&json!({"table": "events"}));
    project.download(id_of(&export), 0);
    let key = project.post("keys", &json!({"role": "viewer"})).expect(201);
    let path = project.path(&format!("keys/{}", text(&key["key"]["id"])));
    assert_eq!(project.caller.call("DELETE", &path, None).status, 204);
    assert_eq!(project.post("exports", &json!({"table": "nothing"})).status, 400);
    let log = project.get("audit").expect(200);
    let actions: Vec<&str> = log["items"].as_array().unwrap().iter().map(|entry| text(&entry["action"])).collect();
    assert_eq!(actions, ["key.delete", "key.create", "export.download", "export.create"]);
    assert!(!log.to_string().contains(text(&key["secretKey"])) && !serve.log().contains(&secret));
}
