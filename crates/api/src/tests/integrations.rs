//! Integrations over HTTP.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode, header};
use model::{Role, Secret};
use serde_json::{Value, json};

use super::{As, Service};

const INTEGRATIONS: &str = "/api/v1/projects/p1/integrations";

/// A request that every kind of check lets pass.
pub(super) fn request() -> Value {
    json!({
        "name": "lake",
        "kind": "s3",
        "options": {"bucket": "b"},
        "secrets": {"secret_access_key": "hunter2"},
        "tables": [{"table": "events", "groups": ["io"], "where": ["type = \"GENERATION\""]}],
        "schedule": {"every": "minutes", "minutes": 20, "zone": "Europe/Berlin"},
        "start": {"from": "date", "at": "2026-01-01"},
        "deletions": "include",
        "compression": "gzip",
        "template": "hive",
    })
}

async fn created(service: &Service, owner: &As) -> Value {
    let answer = service.post(owner, INTEGRATIONS, request()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn an_integration_is_made_and_shows_no_secret() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    let answer = service.post(&owner, INTEGRATIONS, request()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.header(header::LOCATION), format!("{INTEGRATIONS}/i0"));
    assert!(!answer.text().contains("hunter2"));
    let body = answer.json();
    assert_eq!(body["secrets"], json!(["secret_access_key"]));
    assert_eq!(body["schedule"], json!({"every": "minutes", "minutes": 20, "zone": "Europe/Berlin"}));
    assert_eq!(body["start"], json!({"from": "date", "at": "2026-01-01T00:00:00.000000Z"}));
    assert_eq!(body["tables"][0]["where"], json!(["type = \"GENERATION\""]));
    assert_eq!(body["status"], "waiting");
    let asked = service.world.state().asked_integrations[0].clone();
    assert_eq!(asked.secrets["secret_access_key"].reveal(), "hunter2");
    assert_eq!((asked.compression.as_deref(), asked.template.as_deref()), (Some("gzip"), Some("hive")));
    let seen = service.get(&owner, &format!("{INTEGRATIONS}/i0")).await.ok().json();
    assert_eq!(seen, body);
    let audit = format!("{:?}", service.world.state().audit);
    assert!(audit.contains("integration.create") && !audit.contains("hunter2"));
}

#[tokio::test]
async fn only_owners_decide_where_data_goes_and_only_members_start_anything() {
    let service = Service::new();
    let (owner, member, viewer) = (service.key(Role::Owner), service.key(Role::Member), service.key(Role::Viewer));
    created(&service, &owner).await;
    service.post(&member, INTEGRATIONS, request()).await.problem(403);
    service.post(&member, &format!("{INTEGRATIONS}/test"), request()).await.problem(403);
    service.post(&viewer, &format!("{INTEGRATIONS}/i0/run"), json!({})).await.problem(403);
    service.post(&viewer, &format!("{INTEGRATIONS}/i0/pause"), json!({})).await.problem(403);
    assert_eq!(service.post(&member, &format!("{INTEGRATIONS}/i0/run"), json!({})).await.status, StatusCode::ACCEPTED);
    service.get(&viewer, INTEGRATIONS).await.ok();
    let other = As::Bearer(service.world.key("p2", Role::Owner).1);
    service.get(&other, &format!("{INTEGRATIONS}/i0")).await.problem(403);
    service.get(&other, "/api/v1/projects/p2/integrations/i0").await.problem(404);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    for (field, value, wrong) in [
        ("kind", json!("s4"), "kind"),
        ("speed", json!(1), "speed"),
        ("name", json!(7), "name"),
        ("paused", json!("yes"), "paused"),
        ("schedule", json!("hour"), "schedule"),
        ("schedule", json!({"every": "often"}), "schedule.every"),
        ("lagSeconds", json!("5m"), "lagSeconds"),
        ("tables", json!([{"table": "events"}, {"table": 7}]), "tables[1].table"),
        ("secrets", json!({"api_key": 7}), "secrets.api_key"),
        ("schedule", json!({"every": "cron"}), "schedule.expression"),
        ("schedule", json!({"every": "cron", "expression": "0 0 30 2 *"}), "schedule.expression"),
        ("schedule", json!({"every": "hour", "minutes": 5}), "schedule.minutes"),
        ("schedule", json!({"every": "day", "zone": "Mars/Base"}), "schedule.zone"),
        ("start", json!({"from": "date"}), "start.at"),
        ("start", json!({"from": "now", "at": "2026-01-01"}), "start.at"),
    ] {
        let mut body = request();
        body[field] = value;
        let answer = service.post(&owner, INTEGRATIONS, body).await;
        assert_eq!(answer.problem(400), "bad_request");
        let problem = answer.json();
        let told = problem["field"].as_str() == Some(wrong) || problem["detail"].as_str().unwrap().contains(wrong);
        assert!(told, "{problem}");
    }
    assert!(service.world.state().integrations.is_empty());
}

#[tokio::test]
async fn a_secret_of_the_wrong_shape_is_not_repeated() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    created(&service, &owner).await;
    let object = "it has to be an object with the text of each secret, by option";
    for (secrets, field, what) in [
        (json!("phc_hunter2"), "secrets", object),
        (json!(8_472_913), "secrets", object),
        (json!(["phc_hunter2"]), "secrets", object),
        (json!({"api_key": 8_472_913}), "secrets.api_key", "it has to be a text"),
        (json!({"api_key": ["phc_hunter2"]}), "secrets.api_key", "it has to be a text"),
    ] {
        let new = json!({"name": "a", "kind": "posthog", "secrets": secrets});
        let change = json!({"version": 1, "secrets": secrets});
        let answers = [
            service.post(&owner, INTEGRATIONS, new.clone()).await,
            service.post(&owner, &format!("{INTEGRATIONS}/test"), new).await,
            service.call(&owner, Method::PATCH, &format!("{INTEGRATIONS}/i0"), Some(change)).await,
        ];
        for answer in answers {
            assert_eq!(answer.problem(400), "bad_request");
            let problem = answer.json();
            assert_eq!(problem["field"].as_str(), Some(field), "{problem}");
            assert_eq!(problem["detail"].as_str(), Some(format!("{field}: {what}").as_str()), "{problem}");
            let text = answer.text();
            assert!(!text.contains("hunter2") && !text.contains("8472913"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_change_names_the_version_it_was_made_from() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    created(&service, &owner).await;
    let path = format!("{INTEGRATIONS}/i0");
    let change = |version: u32| json!({"version": version, "name": "other", "lagSeconds": 60});
    let changed = service.call(&owner, Method::PATCH, &path, Some(change(1))).await.ok().json();
    assert_eq!((changed["name"].as_str(), changed["version"].as_u64()), (Some("other"), Some(2)));
    assert_eq!(service.call(&owner, Method::PATCH, &path, Some(change(1))).await.problem(409), "conflict");
    let kind = json!({"version": 2, "kind": "gcs"});
    service.call(&owner, Method::PATCH, &path, Some(kind)).await.problem(400);
}

#[tokio::test]
async fn null_takes_the_size_of_files_away_and_absence_leaves_it() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    created(&service, &owner).await;
    let path = format!("{INTEGRATIONS}/i0");
    let sizes =
        [json!({"version": 1}), json!({"version": 2, "rollBytes": null}), json!({"version": 3, "rollBytes": 9})];
    for change in sizes {
        service.call(&owner, Method::PATCH, &path, Some(change)).await.ok();
    }
    let asked: Vec<_> = service.world.state().asked_integrations.iter().skip(1).map(|asked| asked.roll_bytes).collect();
    assert_eq!(asked, [None, Some(None), Some(Some(model::ByteCount(9)))]);
}

#[tokio::test]
async fn null_takes_a_secret_away_and_absence_leaves_it() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    created(&service, &owner).await;
    let path = format!("{INTEGRATIONS}/i0");
    let changes = [
        json!({"version": 1}),
        json!({"version": 2, "secrets": {"session_token": null}}),
        json!({"version": 3, "secrets": {"session_token": ""}}),
    ];
    for change in changes {
        service.call(&owner, Method::PATCH, &path, Some(change)).await.ok();
    }
    let asked: Vec<_> =
        service.world.state().asked_integrations.iter().skip(1).map(|asked| asked.secrets.clone()).collect();
    let taken = BTreeMap::from([("session_token".to_owned(), Secret::new(""))]);
    assert_eq!(asked, [BTreeMap::new(), taken.clone(), taken]);
}

#[tokio::test]
async fn an_integration_is_paused_resumed_and_deleted() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    created(&service, &owner).await;
    let path = format!("{INTEGRATIONS}/i0");
    let paused = service.post(&owner, &format!("{path}/pause"), json!({})).await.ok().json();
    assert_eq!((paused["status"].as_str(), paused["pause"]["by"]["kind"].as_str()), (Some("paused"), Some("apiKey")));
    assert_eq!(paused["nextAt"], Value::Null);
    let resumed = service.post(&owner, &format!("{path}/resume"), json!({})).await.ok().json();
    assert_eq!(resumed["pause"], Value::Null);
    let deleted = service.call(&owner, Method::DELETE, &path, None).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    service.get(&owner, &path).await.problem(404);
    // The history stays.
    service.get(&owner, &format!("{path}/runs")).await.ok();
}

#[tokio::test]
async fn runs_tell_what_became_of_windows() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    created(&service, &owner).await;
    let path = format!("{INTEGRATIONS}/i0");
    let page = service.get(&owner, &format!("{path}/runs?limit=1")).await.ok().json();
    let (done, next) = (&page["items"][0], page["next"].as_str().unwrap());
    assert_eq!((done["state"].as_str(), done["result"]["lateRows"].as_u64()), (Some("completed"), Some(2)));
    assert_eq!((done["result"]["deletedRows"].as_u64(), done["stem"].as_str()), (Some(1), Some("2026-08-01T12-00-00")));
    let rest = service.get(&owner, &format!("{path}/runs?limit=1&cursor={next}")).await.ok().json();
    assert_eq!((rest["items"][0]["failure"]["code"].as_str(), &rest["next"]), (Some("credentials"), &Value::Null));
    let failed = service.get(&owner, &format!("{path}/runs?state=failed")).await.ok().json();
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);
    service.get(&owner, &format!("{path}/runs?state=lost")).await.problem(400);
    let coverage = service.get(&owner, &format!("{path}/coverage")).await.ok().json();
    assert_eq!((coverage[0]["state"].clone(), coverage[1]["state"].as_str()), (Value::Null, Some("completed")));
}

#[tokio::test]
async fn the_next_windows_are_shown_with_their_files() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    let windows = service.post(&owner, &format!("{INTEGRATIONS}/preview"), request()).await.ok().json();
    assert_eq!(windows.as_array().unwrap().len(), 5);
    assert_eq!(windows[0]["to"], "2026-08-01T12:20:00.000000Z");
    assert_eq!(windows[0]["at"], "2026-08-01T12:25:00.000000Z");
    created(&service, &owner).await;
    let stored = service.get(&owner, &format!("{INTEGRATIONS}/i0/windows")).await.ok().json();
    assert_eq!(stored, windows);
}

#[tokio::test]
async fn a_test_names_its_steps_and_uses_stored_secrets() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    let mut without = request();
    without["secrets"] = json!({});
    let failed = service.post(&owner, &format!("{INTEGRATIONS}/test"), without).await.ok().json();
    assert_eq!((failed["ok"].as_bool(), failed["steps"][1]["name"].as_str()), (Some(false), Some("write")));
    assert_eq!(failed["steps"][1]["failure"], "InvalidAccessKeyId: no such key");
    created(&service, &owner).await;
    let tested = service.post(&owner, &format!("{INTEGRATIONS}/i0/test"), json!({"version": 1})).await.ok().json();
    assert_eq!(tested["ok"], true);
}

#[tokio::test]
async fn steps_of_a_test_are_told_as_they_are_taken_to_those_who_want_events() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    let mut asked = super::request(&owner, Method::POST, &format!("{INTEGRATIONS}/test"), Some(request()));
    asked.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().unwrap());
    let answer = service.send(asked).await.ok();
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/event-stream");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    let told: Vec<&str> = answer.text().split("\n\n").filter(|event| !event.is_empty()).collect();
    let step = |name: &str| format!("event: step\ndata: {{\"name\":\"{name}\",\"failure\":null,\"note\":null}}");
    assert_eq!(told[..2], ["event: begun\ndata: \"address policy\"", &step("address policy")]);
    assert_eq!(told[2..4], ["event: begun\ndata: \"write\"", &step("write")]);
    assert!(told[4].starts_with("event: report\ndata: {\"ok\":true,\"steps\":[{"), "{}", told[4]);
    assert_eq!(told.len(), 5);
}

#[tokio::test]
async fn a_backfill_is_estimated_begun_and_cancelled() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    created(&service, &owner).await;
    let path = format!("{INTEGRATIONS}/i0/backfills");
    let range = json!({"from": "-2d", "to": "-1d"});
    let estimate = service.post(&owner, &format!("{path}/estimate"), range).await.ok().json();
    assert_eq!(estimate["rowsMax"], 500);
    let new = json!({"from": "-2d", "to": "-1d", "order": "newestFirst", "parallelMax": 8});
    let begun = service.post(&owner, &path, new).await.ok().json();
    assert_eq!((begun["order"].as_str(), begun["share"].as_f64()), (Some("newestFirst"), Some(0.5)));
    assert_eq!(begun["windowsCompleted"], 2);
    assert_eq!(service.world.state().backfills[0].parallel_max, 8);
    for bad in [json!({"from": "-1d", "to": "-2d"}), json!({"from": "-2d", "to": "-1d", "parallelMax": 0})] {
        service.post(&owner, &path, bad).await.problem(400);
    }
    let cancelled = service.post(&owner, &format!("{path}/b1/cancel"), json!({})).await.ok().json();
    assert_eq!(cancelled["state"], "cancelled");
}

#[tokio::test]
async fn kinds_and_dead_letters_are_listed() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    created(&service, &owner).await;
    let kinds = service.get(&owner, "/api/v1/integration-kinds").await.ok().json();
    assert_eq!((kinds[0]["name"].as_str(), &kinds[0]["secrets"]), (Some("s3"), &json!(["secret_access_key"])));
    assert_eq!((&kinds[0]["takes"], &kinds[0]["tables"]), (&json!("files"), &json!(["events"])));
    let letters = service.get(&owner, &format!("{INTEGRATIONS}/i0/dead-letters")).await.ok().json();
    assert_eq!(letters["items"][0]["row"], "s1");
    let replayed = service.post(&owner, &format!("{INTEGRATIONS}/i0/dead-letters/replay"), json!({})).await;
    assert_eq!(replayed.status, StatusCode::ACCEPTED);
}
