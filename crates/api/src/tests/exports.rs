//! Exports over HTTP: from the request to the file.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use model::{ExportState, Role};
use serde_json::{Value, json};

use super::doubles::FILE;
use super::{Answered, As, Service, request};

const EXPORTS: &str = "/api/v1/projects/p1/exports";

async fn create(service: &Service, who: &As, key: Option<&str>, body: &str) -> Answered {
    let mut call = request(who, Method::POST, EXPORTS, None);
    *call.body_mut() = Body::from(body.to_owned());
    call.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    if let Some(key) = key {
        call.headers_mut().insert("idempotency-key", key.parse().unwrap());
    }
    service.send(call).await
}

#[tokio::test]
async fn a_new_export_is_queued_and_says_where_it_is() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let body = json!({
        "table": "events",
        "name": "mine",
        "filter": [{"type": "string", "column": "name", "operator": "=", "value": "chat"}],
        "searchTypes": ["content"],
        "search": "hello",
        "compression": "gzip",
        "neutraliseFormulas": true,
        "limit": 10,
    });
    let created = service.post(&key, EXPORTS, body).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.header(header::LOCATION), format!("{EXPORTS}/e0"));
    let export = created.json();
    assert_eq!((&export["state"], &export["name"]), (&json!("queued"), &json!("mine")));
    assert_eq!(export["createdBy"], json!({"kind": "apiKey", "id": "k0"}));
    let asked = service.world.state().asked[0].clone();
    assert_eq!((asked.compression.as_deref(), asked.limit), (Some("gzip"), Some(10)));
    assert_eq!((asked.search_types, asked.neutralise_formulas), (vec!["content".to_owned()], true));
    assert_eq!(asked.filter[0]["column"], "name");
    let listed = service.get(&key, EXPORTS).await.ok().json();
    assert_eq!(listed["items"], json!([export]));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_names_the_field() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let problem = |body: &'static str| {
        let (service, key) = (&service, &key);
        async move {
            let answer = create(service, key, None, body).await;
            answer.problem(400);
            answer.json()
        }
    };
    let body = problem(r#"{"table": "evnts"}"#).await;
    assert_eq!((&body["field"], &body["hint"]), (&json!("table"), &json!("did you mean events?")));
    let body = problem(r#"{"table": "events", "colums": []}"#).await;
    assert!(body["detail"].as_str().unwrap().contains("unknown field `colums`"), "{body}");
    let body = problem(r#"{"table": "events", "limit": "many"}"#).await;
    assert_eq!(body["field"], "limit");
    let body = problem(r#"{"table": "events", "searchTypes": ["id", "all"]}"#).await;
    assert_eq!(body["field"], "searchTypes[1]");
    let body = problem("{").await;
    assert!(body["detail"].as_str().unwrap().starts_with("body: this is not JSON"), "{body}");
    let mut call = request(&key, Method::POST, EXPORTS, None);
    *call.body_mut() = Body::from("{}");
    assert_eq!(service.send(call).await.problem(415), "unsupported_media_type");
    assert!(service.world.state().exports.is_empty());
}

#[tokio::test]
async fn the_same_call_twice_makes_one_export_and_another_body_is_a_conflict() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let first = create(&service, &key, Some("a"), r#"{"table": "events", "limit": 1}"#).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let again = create(&service, &key, Some("a"), r#"{ "limit":1, "table":"events" }"#).await;
    assert_eq!(again.status, StatusCode::OK, "white space and order do not matter");
    assert_eq!(again.json()["id"], first.json()["id"]);
    let other = create(&service, &key, Some("a"), r#"{"table": "events", "limit": 2}"#).await;
    assert_eq!(other.problem(409), "conflict");
    assert_eq!(service.world.state().exports.len(), 1);
    assert_eq!(service.world.state().audit.len(), 1, "an export that exists is not made again");
    let long = create(&service, &key, Some(&"x".repeat(300)), r#"{"table": "events"}"#).await;
    long.problem(400);
    assert_eq!(long.json()["field"], "Idempotency-Key");
}

#[tokio::test]
async fn a_quota_that_is_used_up_says_what_and_until_when() {
    let service = Service::new();
    let key = service.key(Role::Member);
    for _ in 0..3 {
        create(&service, &key, None, r#"{"table": "events"}"#).await.ok();
    }
    let refused = create(&service, &key, None, r#"{"table": "events"}"#).await;
    assert_eq!(refused.problem(429), "throttled");
    assert_eq!(refused.header(header::RETRY_AFTER), "30");
    assert_eq!(refused.json()["retryAfter"], 30);
    assert!(refused.json()["detail"].as_str().unwrap().contains("3 exports"));
}

#[tokio::test]
async fn filters_that_cannot_be_honoured_are_refused_unless_the_caller_accepts_it() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let mut body = json!({
        "table": "events",
        "filter": [{"type": "number", "column": "commentCount", "operator": ">", "value": 0}],
    });
    service.post(&key, EXPORTS, body.clone()).await.problem(400);
    body["allowUnsupportedFilters"] = json!(["comments"]);
    let created = service.post(&key, EXPORTS, body.clone()).await.ok();
    assert_eq!(created.json()["warnings"], json!(["comments are not filtered"]));
    body["allowUnsupportedFilters"] = json!(["everything"]);
    service.post(&key, EXPORTS, body).await.problem(400);
}

#[tokio::test]
async fn an_export_can_be_cancelled_retried_and_deleted_in_the_states_that_allow_it() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let id = service.world.add_export("p1", ExportState::Running);
    let act = |action: &'static str| {
        let (service, key, path) = (&service, &key, format!("{EXPORTS}/{id}/{action}"));
        async move { service.call(key, Method::POST, &path, None).await }
    };
    assert_eq!(act("cancel").await.ok().json()["state"], "cancelled");
    assert_eq!(act("cancel").await.problem(409), "conflict");
    assert_eq!(act("retry").await.ok().json()["state"], "queued");
    assert_eq!(act("retry").await.problem(409), "conflict");
    let deleted = service.call(&key, Method::DELETE, &format!("{EXPORTS}/{id}"), None).await;
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(service.get(&key, &format!("{EXPORTS}/{id}")).await.problem(404), "not_found");
}

#[tokio::test]
async fn an_export_can_be_looked_at_before_it_is_made() {
    let service = Service::new();
    let viewer = service.key(Role::Viewer);
    let body = json!({"table": "events", "limit": 10});
    let estimate = service.post(&viewer, &format!("{EXPORTS}/estimate"), body.clone()).await.ok().json();
    assert_eq!(estimate, json!({"rowsMax": 10, "bytesMax": 5_000_000, "warnings": []}));
    let preview = service.post(&viewer, &format!("{EXPORTS}/preview"), body).await.ok().json();
    assert_eq!(preview["rows"].as_array().unwrap().len(), 50);
    assert_eq!((&preview["columns"], &preview["more"]), (&json!(["id"]), &json!(true)));
    let wrong = service.post(&viewer, &format!("{EXPORTS}/estimate"), json!({"table": "x"})).await;
    assert_eq!(wrong.problem(400), "bad_request");
    assert!(service.world.state().exports.is_empty());
}

#[tokio::test]
async fn progress_comes_as_events_until_the_end() {
    let service = Service::new();
    let viewer = service.key(Role::Viewer);
    let id = service.world.add_export("p1", ExportState::Queued);
    let answer = service.get(&viewer, &format!("{EXPORTS}/{id}/events")).await.ok();
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/event-stream");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert_eq!(answer.header(header::CONTENT_ENCODING), "");
    let events: Vec<Value> = answer
        .text()
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| {
            let data = event.strip_prefix("event: export\ndata: ").unwrap_or_else(|| panic!("{event}"));
            serde_json::from_str(data).unwrap()
        })
        .collect();
    let states: Vec<&str> = events.iter().map(|event| event["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["queued", "running", "completed"]);
    service.get(&viewer, &format!("{EXPORTS}/none/events")).await.problem(404);
}

/// Reads a file with these headers.
async fn fetch(service: &Service, who: &As, path: &str, headers: &[(&str, &str)]) -> Answered {
    let mut call = request(who, Method::GET, path, None);
    for (name, value) in headers {
        call.headers_mut().insert(axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    service.send(call).await
}

#[tokio::test]
async fn local_files_are_streamed_with_ranges() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let id = service.world.add_export("p1", ExportState::Completed);
    let path = format!("{EXPORTS}/{id}/files/0");
    let accepts = ("accept-encoding", "gzip");
    let whole = fetch(&service, &key, &path, &[accepts]).await;
    assert_eq!((whole.status, whole.body.as_slice()), (StatusCode::OK, FILE));
    assert_eq!(whole.header(header::CONTENT_LENGTH), "20");
    assert_eq!(whole.header(header::CONTENT_ENCODING), "", "files are sent as they are stored");
    assert_eq!(whole.header(header::CONTENT_DISPOSITION), "attachment; filename=\"a_b_.jsonl\"");
    assert_eq!(whole.header(header::ACCEPT_RANGES), "bytes");
    let part = fetch(&service, &key, &path, &[("range", "bytes=15-"), accepts]).await;
    assert_eq!((part.status, part.body.as_slice()), (StatusCode::PARTIAL_CONTENT, &FILE[15..]));
    assert_eq!(part.header(header::CONTENT_RANGE), "bytes 15-19/20");
    assert_eq!(part.header(header::CONTENT_LENGTH), "5");
    let beyond = fetch(&service, &key, &path, &[("range", "bytes=20-")]).await;
    assert_eq!(beyond.problem(416), "range_not_satisfiable");
    assert_eq!(beyond.header(header::CONTENT_RANGE), "bytes */20");
    assert_eq!(service.get(&key, &format!("{EXPORTS}/{id}/files/2")).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_link_of_ours_works_without_credentials_for_ten_minutes() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let id = service.world.add_export("p1", ExportState::Completed);
    let made = service.post(&key, &format!("{EXPORTS}/{id}/download"), json!({"file": 1})).await.ok().json();
    assert_eq!((&made["fileName"], &made["bytes"]), (&json!("part-2.jsonl"), &json!(20)));
    assert_eq!(made["expiresAt"], "2026-08-01T12:10:00.000000Z");
    let known = service.get(&key, &format!("{EXPORTS}/{id}")).await.ok().json();
    assert_eq!((&known["downloads"], &known["downloadedAt"]), (&json!(1), &json!("2026-08-01T12:00:00.000000Z")));
    let url = made["url"].as_str().unwrap();
    let path = url.strip_prefix("http://outgest.test").unwrap();
    let part = fetch(&service, &As::Nobody, path, &[("range", "bytes=0-3")]).await;
    assert_eq!((part.status, part.body.as_slice()), (StatusCode::PARTIAL_CONTENT, &FILE[..4]));
    // What was changed, made with another key, or is over does not pass.
    let forged = format!("{}x", &path[..path.len() - 1]);
    assert_eq!(service.get(&As::Nobody, &forged).await.problem(404), "not_found");
    let stranger = Service::with(|settings| settings.link_key = model::Secret::new("another key"));
    stranger.world.add_export("p1", ExportState::Completed);
    assert_eq!(stranger.get(&As::Nobody, path).await.problem(404), "not_found");
    let over = json!({"project": "p1", "export": id.as_str(), "file": 1, "until": super::NOW.0});
    let over = crate::signing::sign(&model::Secret::new("a key for links"), &over).unwrap();
    assert_eq!(service.get(&As::Nobody, &format!("/api/v1/downloads/{over}")).await.problem(410), "expired");
    // A link does not outlive its file.
    service.call(&key, Method::DELETE, &format!("{EXPORTS}/{id}"), None).await.ok();
    assert_eq!(service.get(&As::Nobody, path).await.problem(404), "not_found");
}

#[tokio::test]
async fn files_in_an_object_store_are_downloaded_from_there() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let id = service.world.add_export("p1", ExportState::Completed);
    service.world.state().presigned = true;
    let made = service.post(&key, &format!("{EXPORTS}/{id}/download"), json!({"file": 1})).await.ok().json();
    assert_eq!(made["url"], "https://bucket.test/part-2.jsonl?for=600");
    let file = service.get(&key, &format!("{EXPORTS}/{id}/files/1")).await;
    assert_eq!(file.status, StatusCode::FOUND);
    assert_eq!(file.header(header::LOCATION), "https://bucket.test/part-2.jsonl?for=600");
}

#[tokio::test]
async fn only_completed_exports_can_be_downloaded() {
    let service = Service::new();
    let key = service.key(Role::Member);
    for (state, status, code) in [
        (ExportState::Queued, 409, "conflict"),
        (ExportState::Failed, 409, "conflict"),
        (ExportState::Cancelled, 409, "conflict"),
        (ExportState::Expired, 410, "expired"),
    ] {
        let id = service.world.add_export("p1", state);
        let link = service.post(&key, &format!("{EXPORTS}/{id}/download"), json!({})).await;
        assert_eq!(link.problem(status), code, "{state:?}");
        assert_eq!(service.get(&key, &format!("{EXPORTS}/{id}/files/0")).await.problem(status), code, "{state:?}");
    }
    assert!(service.world.state().audit.is_empty());
}

#[tokio::test]
async fn exports_are_listed_by_state_and_creator() {
    let service = Service::new();
    let viewer = service.key(Role::Viewer);
    for state in ExportState::ALL {
        service.world.add_export("p1", state);
    }
    let states = |answer: Answered| -> Vec<String> {
        let body = answer.ok().json();
        body["items"].as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap().to_owned()).collect()
    };
    let two = service.get(&viewer, &format!("{EXPORTS}?state=queued,%20running")).await;
    assert_eq!(states(two), ["running", "queued"]);
    for (query, field) in [
        ("state=done", "state"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("createdByUser=a&createdByKey=b", "createdByKey"),
        ("page=1", "page"),
    ] {
        let wrong = service.get(&viewer, &format!("{EXPORTS}?{query}")).await;
        wrong.problem(400);
        assert_eq!(wrong.json()["field"], field, "{query}: {}", wrong.text());
    }
}

/// A path that is not UTF-8 once it is decoded is the caller's mistake.
#[tokio::test]
async fn odd_paths_are_no_defects_of_ours() {
    let service = Service::new();
    let key = service.key(Role::Member);
    for path in ["/api/v1/projects/p1/exports/%FF", "/api/v1/projects/p1/exports/e0/files/x"] {
        let request = Request::builder().uri(path);
        let As::Bearer(secret) = &key else { panic!("keys are bearers") };
        let request = request.header(header::AUTHORIZATION, format!("Bearer {secret}")).body(Body::empty()).unwrap();
        assert_eq!(service.send(request).await.problem(400), "bad_request", "{path}");
    }
}
