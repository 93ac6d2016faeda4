//! Signing in, projects, members, keys and invitations.

use axum::http::{Method, StatusCode, header};
use model::Role;
use serde_json::json;

use super::{As, Service};

#[tokio::test]
async fn signing_in_sets_a_cookie_that_scripts_cannot_read() {
    let service = Service::with(|settings| settings.public_url = "https://outgest.test".to_owned());
    let user = service.world.user(false);
    let sign_in = |password: &'static str| {
        let body = json!({"email": user.email, "password": password});
        let service = &service;
        async move { service.post(&As::Nobody, "/api/v1/session", body).await }
    };
    let answer = sign_in("a long password").await.ok();
    let cookie = answer.header(header::SET_COOKIE).to_owned();
    assert_eq!(cookie, "outgest_session=session-u0-0; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
    let session = answer.json();
    assert_eq!(session["user"]["email"], "u0@example.com");
    let signed_in = As::Session("session-u0-0".to_owned());
    let shown = service.get(&signed_in, "/api/v1/session").await.ok().json();
    assert_eq!(shown["csrfToken"], session["csrfToken"]);
    let out = service.call(&signed_in, Method::DELETE, "/api/v1/session", None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.header(header::SET_COOKIE).starts_with("outgest_session=; Path=/; Max-Age=0"));
    assert_eq!(service.get(&signed_in, "/api/v1/session").await.problem(401), "unauthenticated");

    let refused = sign_in("wrong").await;
    assert_eq!(refused.problem(401), "unauthenticated");
    assert_eq!(refused.header(header::SET_COOKIE), "");
    let locked = sign_in("guess").await;
    assert_eq!(locked.problem(429), "throttled");
    assert_eq!(locked.header(header::RETRY_AFTER), "60");
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_needs_the_old_one() {
    let service = Service::new();
    let who = service.person(Role::Viewer);
    let change = |current: &'static str| json!({"current": current, "new": "another password"});
    let wrong = service.post(&who, "/api/v1/session/password", change("no")).await;
    wrong.problem(400);
    assert_eq!(wrong.json()["field"], "current");
    let changed = service.post(&who, "/api/v1/session/password", change("a long password")).await.ok();
    assert!(changed.header(header::SET_COOKIE).starts_with("outgest_session=session-u0"));
    assert_eq!(service.get(&who, "/api/v1/session").await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn an_invitation_makes_one_account_with_its_role() {
    let service = Service::new();
    let owner = service.person(Role::Owner);
    let made = service.post(&owner, "/api/v1/projects/p1/invitations", json!({"role": "member"})).await.ok().json();
    let token = made["url"].as_str().unwrap().strip_prefix("http://outgest.test/invitation#").unwrap().to_owned();
    assert_eq!(made["expiresAt"], "2026-08-08T12:00:00.000000Z");
    let accept = json!({"token": token, "email": "new@example.com", "name": "New", "password": "a long password"});
    let accepted = service.post(&As::Nobody, "/api/v1/invitations/accept", accept.clone()).await.ok();
    let cookie = accepted.header(header::SET_COOKIE);
    let session = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    let listed = service.get(&As::Session(session), "/api/v1/projects").await.ok().json();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["role"]), (&json!("p1"), &json!("member")));
    assert_eq!(service.post(&As::Nobody, "/api/v1/invitations/accept", accept).await.problem(404), "not_found");
    let long = json!({"role": "viewer", "validDays": 31});
    assert_eq!(service.post(&owner, "/api/v1/projects/p1/invitations", long).await.problem(400), "bad_request");
}

#[tokio::test]
async fn a_key_s_secret_is_shown_once() {
    let service = Service::new();
    let owner = service.person(Role::Owner);
    let body = json!({"role": "member", "note": "nightly", "expiresAt": "2027-01-01"});
    let created = service.post(&owner, "/api/v1/projects/p1/keys", body).await.ok();
    assert_eq!(created.status, StatusCode::CREATED);
    let created = created.json();
    let secret = created["secretKey"].as_str().unwrap();
    assert_eq!(created["key"]["expiresAt"], "2027-01-01T00:00:00.000000Z");
    let listed = service.get(&owner, "/api/v1/projects/p1/keys").await.ok();
    assert!(!listed.text().contains(secret));
    let who = As::Bearer(secret.to_owned());
    let shown = service.get(&who, "/api/v1/session").await.ok().json();
    assert_eq!((&shown["user"], &shown["key"]["role"]), (&json!(null), &json!("member")));
    let id = created["key"]["id"].as_str().unwrap();
    service.call(&owner, Method::DELETE, &format!("/api/v1/projects/p1/keys/{id}"), None).await.ok();
    assert_eq!(service.get(&who, "/api/v1/session").await.problem(401), "unauthenticated");
    for expires in ["yesterday", "2020-01-01"] {
        let body = json!({"role": "member", "expiresAt": expires});
        assert_eq!(service.post(&owner, "/api/v1/projects/p1/keys", body).await.problem(400), "bad_request");
    }
}

#[tokio::test]
async fn callers_see_the_projects_they_belong_to() {
    let service = Service::new();
    service.world.project("p0");
    let ids = |answer: super::Answered| -> Vec<String> {
        let body = answer.ok().json();
        body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(service.get(&service.key(Role::Viewer), "/api/v1/projects").await), ["p1"]);
    assert_eq!(ids(service.get(&service.person(Role::Viewer), "/api/v1/projects").await), ["p1"]);
    assert_eq!(ids(service.get(&service.admin(), "/api/v1/projects").await), ["p0", "p1"]);
}

#[tokio::test]
async fn a_change_of_a_project_leaves_out_what_stays() {
    let service = Service::new();
    let owner = service.key(Role::Owner);
    let change = |body| service.call(&owner, Method::PATCH, "/api/v1/projects/p1", Some(body));
    let changed = change(json!({"retentionDays": 90, "quotas": {"exportsActiveMax": 5}})).await.ok().json();
    assert_eq!((&changed["name"], &changed["retentionDays"]), (&json!("p1"), &json!(90)));
    assert_eq!(changed["quotas"]["exportsActiveMax"], 5);
    assert_eq!(change(json!({"name": "One"})).await.ok().json()["retentionDays"], 90);
    assert_eq!(change(json!({"retentionDays": null})).await.ok().json()["retentionDays"], json!(null));
    assert_eq!(change(json!({"retentionDays": 0})).await.problem(400), "bad_request");
}

#[tokio::test]
async fn what_is_stored_and_what_can_be_exported_is_shown() {
    let service = Service::new();
    let viewer = service.key(Role::Viewer);
    let storage = service.get(&viewer, "/api/v1/projects/p1/storage").await.ok().json();
    assert_eq!(storage["tables"][0]["rows"], 10);
    let catalog = service.get(&viewer, "/api/v1/catalog").await.ok().json();
    let table = &catalog["tables"][0];
    assert_eq!(
        (&table["timeColumn"], &table["searchTypes"]),
        (&json!("startTime"), &json!(["id", "content", "input"]))
    );
    assert_eq!(
        table["columns"][2],
        json!({
            "name": "input", "type": "text", "nullable": false, "group": "core", "default": true,
            "payload": true, "json": false,
        })
    );
    let filters = table["filters"].as_array().unwrap();
    assert_eq!((&filters[0]["facets"], &filters[1]["facets"]), (&json!(true), &json!(false)));
    let operators = |filter: usize| filters[filter]["types"][0]["operators"].as_array().unwrap().clone();
    assert!(!operators(0).contains(&json!("matches")) && operators(1).contains(&json!("matches")));
    assert_eq!((&filters[2]["comments"], operators(2).len()), (&json!(true), 5));
    assert_eq!(catalog["formats"][0]["unicodeDefault"], "decode");
}
