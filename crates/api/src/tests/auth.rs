//! Who may call what: every operation of the document with every kind of caller.

use axum::body::Body;
use axum::http::{Method, Request, header};
use model::{ExportState, Role};
use serde_json::{Value, json};

use super::{As, Service};
use crate::openapi_json;

struct Operation {
    method: Method,
    path: String,
    need: String,
}

/// Every operation, with parts of the path that exist.
fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path
                .replace("{project}", "p1")
                .replace("{export}", "e0")
                .replace("{table}", "events")
                .replace("{file}", "0")
                .replace("{integration}", "i0")
                .replace("{backfill}", "b1")
                .replace("{user}", "u0")
                .replace("{key}", "r1")
                .replace("{link}", "none");
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path,
                need: operation["x-outgest-role"].as_str().unwrap().to_owned(),
            });
        }
    }
    operations
}

/// The status of a call with an empty object as body.
async fn status(service: &Service, operation: &Operation, who: &As) -> u16 {
    service.call(who, operation.method.clone(), &operation.path, Some(json!({}))).await.status.as_u16()
}

/// Whether a caller with this role gets past the door of an operation.
fn may(need: &str, role: Option<Role>, admin: bool, person: bool) -> bool {
    match need {
        "nobody" | "anybody" => true,
        "person" => person,
        "admin" => admin,
        name => admin || role >= Role::of_name(name),
    }
}

const INTEGRATIONS: &str = "/api/v1/projects/p1/integrations";

#[tokio::test]
async fn without_good_credentials_only_open_calls_answer() {
    let service = Service::new();
    service.world.add_export("p1", ExportState::Completed);
    let expired = As::Session("session-that-is-over".to_owned());
    let strangers = [As::Nobody, As::Bearer("sk-none".to_owned()), expired];
    for operation in operations() {
        for who in &strangers {
            let status = status(&service, &operation, who).await;
            if operation.need == "nobody" {
                assert_ne!(status, 500, "{} {}", operation.method, operation.path);
            } else {
                assert_eq!(status, 401, "{} {} as {who:?}", operation.method, operation.path);
            }
        }
    }
}

#[tokio::test]
async fn every_role_may_do_exactly_what_the_document_says() {
    for role in Role::ALL {
        for as_person in [false, true] {
            for operation in operations() {
                if operation.need == "nobody" {
                    continue;
                }
                // A world of its own: some calls delete what others need.
                let service = Service::new();
                service.world.add_export("p1", ExportState::Completed);
                let who = if as_person { service.person(role) } else { service.key(role) };
                let status = status(&service, &operation, &who).await;
                let place = format!("{} {} as {who:?} {role:?}: {status}", operation.method, operation.path);
                if may(&operation.need, Some(role), false, as_person) {
                    assert!(status != 401 && status != 403 && status < 500, "{place}");
                } else {
                    assert_eq!(status, 403, "{place}");
                }
            }
        }
    }
}

#[tokio::test]
async fn keys_and_members_of_other_projects_are_kept_out() {
    let service = Service::new();
    service.world.add_export("p1", ExportState::Completed);
    let key = As::Bearer(service.world.key("p2", Role::Owner).1);
    let person = As::Session(service.world.session(Some(("p2", Role::Owner)), false));
    for operation in operations().iter().filter(|operation| Role::of_name(&operation.need).is_some()) {
        for who in [&key, &person] {
            let place = format!("{} {} as {who:?}", operation.method, operation.path);
            assert_eq!(status(&service, operation, who).await, 403, "{place}");
        }
    }
    // A project that does not exist looks the same to those who are not members.
    let missing = service.get(&person, "/api/v1/projects/none").await;
    let foreign = service.get(&person, "/api/v1/projects/p1").await;
    assert_eq!(missing.problem(403), foreign.problem(403));
}

#[tokio::test]
async fn administrators_may_do_everything_in_projects_that_exist() {
    for operation in operations() {
        let service = Service::new();
        service.world.add_export("p1", ExportState::Completed);
        let admin = service.admin();
        let status = status(&service, &operation, &admin).await;
        assert!(
            status != 401 || operation.path == "/metrics" || operation.path == "/api/v1/session",
            "{}",
            operation.path
        );
        assert_ne!(status, 403, "{} {}", operation.method, operation.path);
    }
    let service = Service::new();
    assert_eq!(service.get(&service.admin(), "/api/v1/projects/none").await.problem(404), "not_found");
}

#[tokio::test]
async fn a_session_without_its_csrf_token_changes_nothing() {
    let service = Service::new();
    service.world.add_export("p1", ExportState::Completed);
    let As::Session(token) = service.person(Role::Owner) else { panic!("a person has a session") };
    let forged = As::Cookie(token);
    for operation in operations() {
        if operation.need == "nobody" || operation.method == Method::GET {
            continue;
        }
        let answer = service.call(&forged, operation.method.clone(), &operation.path, Some(json!({}))).await;
        assert_eq!(answer.problem(403), "csrf", "{} {}", operation.method, operation.path);
    }
    assert!(service.world.state().audit.is_empty());
    service.get(&forged, "/api/v1/projects/p1/exports").await.ok();
}

#[tokio::test]
async fn keys_work_as_a_pair_too_and_only_together() {
    let service = Service::new();
    let (key, secret) = service.world.key("p1", Role::Viewer);
    let (other, _) = service.world.key("p1", Role::Viewer);
    service.get(&As::Basic(key.public, secret.clone()), "/api/v1/projects/p1/exports").await.ok();
    let mixed = service.get(&As::Basic(other.public, secret), "/api/v1/projects/p1/exports").await;
    assert_eq!(mixed.problem(401), "unauthenticated");
}

/// Broken credentials are refused even where a good cookie comes along: two answers to "who" are none.
#[tokio::test]
async fn a_header_that_cannot_be_read_is_not_ignored() {
    let service = Service::new();
    let token = service.world.session(Some(("p1", Role::Viewer)), false);
    let request = Request::builder()
        .uri("/api/v1/projects/p1/exports")
        .header(header::COOKIE, format!("outgest_session={token}"))
        .header(header::AUTHORIZATION, "Negotiate abc")
        .body(Body::empty())
        .unwrap();
    assert_eq!(service.send(request).await.problem(401), "unauthenticated");
}

/// Calls that change something, with bodies that work: each leaves an entry that says who and what.
#[tokio::test]
async fn every_change_and_every_download_is_in_the_audit_log() {
    let export = json!({"table": "events"});
    let mutating: Vec<(Method, &str, Value, &str)> = vec![
        (Method::POST, "/api/v1/projects", json!({"id": "new", "name": "New"}), "project.create"),
        (Method::PATCH, "/api/v1/projects/p1", json!({"name": "Other"}), "project.change"),
        (Method::DELETE, "/api/v1/projects/p1", json!({}), "project.delete"),
        (
            Method::PUT,
            "/api/v1/projects/p1/members",
            json!({"email": "u0@example.com", "role": "viewer"}),
            "member.set",
        ),
        (Method::DELETE, "/api/v1/projects/p1/members/u0", json!({}), "member.remove"),
        (Method::POST, "/api/v1/projects/p1/invitations", json!({"role": "member"}), "member.invite"),
        (Method::POST, "/api/v1/projects/p1/keys", json!({"role": "viewer"}), "key.create"),
        (Method::DELETE, "/api/v1/projects/p1/keys/k0", json!({}), "key.delete"),
        (Method::POST, "/api/v1/projects/p1/exports", export, "export.create"),
        (Method::POST, "/api/v1/projects/p1/exports/e1/cancel", json!({}), "export.cancel"),
        (Method::POST, "/api/v1/projects/p1/exports/e2/retry", json!({}), "export.retry"),
        (Method::DELETE, "/api/v1/projects/p1/exports/e0", json!({}), "export.delete"),
        (Method::POST, "/api/v1/projects/p1/exports/e0/download", json!({}), "export.download"),
        (Method::GET, "/api/v1/projects/p1/exports/e0/files/0", json!({}), "export.download"),
        (
            Method::POST,
            "/api/v1/projects/p1/comments",
            json!({"objectType": "TRACE", "objectId": "t", "content": "hm"}),
            "comment.create",
        ),
        (Method::POST, "/api/v1/projects/p1/import", json!({}), "import"),
        (Method::POST, INTEGRATIONS, super::integrations::request(), "integration.create"),
        (
            Method::PATCH,
            "/api/v1/projects/p1/integrations/i0",
            json!({"version": 1, "name": "other"}),
            "integration.change",
        ),
        (Method::DELETE, "/api/v1/projects/p1/integrations/i0", json!({}), "integration.delete"),
        (Method::POST, "/api/v1/projects/p1/integrations/i0/pause", json!({}), "integration.pause"),
        (Method::POST, "/api/v1/projects/p1/integrations/i0/resume", json!({}), "integration.resume"),
        (Method::POST, "/api/v1/projects/p1/integrations/i0/run", json!({}), "integration.run"),
        (
            Method::POST,
            "/api/v1/projects/p1/integrations/i0/backfills",
            json!({"from": "-2d", "to": "-1d"}),
            "integration.backfill",
        ),
        (
            Method::POST,
            "/api/v1/projects/p1/integrations/i0/backfills/b1/cancel",
            json!({}),
            "integration.backfill.cancel",
        ),
        (Method::POST, "/api/v1/projects/p1/integrations/i0/dead-letters/replay", json!({}), "integration.replay"),
        (Method::DELETE, "/api/v1/session", json!({}), "session.end"),
        (
            Method::POST,
            "/api/v1/session/password",
            json!({"current": "a long password", "new": "another password"}),
            "user.password",
        ),
        (
            Method::POST,
            "/api/v1/session",
            json!({"email": "u0@example.com", "password": "a long password"}),
            "session.begin",
        ),
        (
            Method::POST,
            "/api/v1/invitations/accept",
            json!({"token": "invitation-0", "email": "n@example.com", "name": "N", "password": "a long password"}),
            "user.create",
        ),
    ];
    // Nothing that changes something is missing from the list above.
    let reading = ["estimate", "preview", "search", "facets", "histogram", "test"];
    for operation in operations() {
        let only_reads = operation.method == Method::GET || reading.iter().any(|end| operation.path.ends_with(end));
        let tried = mutating.iter().any(|(method, path, ..)| {
            let same = |(a, b): (&str, &str)| a == b || a.len() == 2 && b.len() == 2;
            *method == operation.method
                && path.split('/').count() == operation.path.split('/').count()
                && path.split('/').zip(operation.path.split('/')).all(same)
        });
        assert!(only_reads || tried, "{} {} is not tried", operation.method, operation.path);
    }
    for (method, path, body, action) in mutating {
        let service = Service::new();
        let admin = service.admin();
        service.world.key("p1", Role::Viewer);
        for state in [ExportState::Completed, ExportState::Queued, ExportState::Failed] {
            service.world.add_export("p1", state);
        }
        service.world.state().members.insert((model::ProjectId::new("p1"), model::UserId::new("u0")), Role::Owner);
        let invitation =
            model::NewInvitation { member_of: None, admin: false, valid: std::time::Duration::from_secs(60) };
        service.world.state().invitations.insert("invitation-0".to_owned(), invitation);
        if path != INTEGRATIONS {
            service.post(&admin, INTEGRATIONS, super::integrations::request()).await.ok();
            let range = json!({"from": "-2d", "to": "-1d"});
            service.post(&admin, &format!("{INTEGRATIONS}/i0/backfills"), range).await.ok();
        }
        let answer = service.call(&admin, method.clone(), path, Some(body)).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
        let state = service.world.state();
        let entry = state.audit.last().unwrap_or_else(|| panic!("{method} {path} left no entry"));
        assert_eq!(entry.action, action, "{method} {path}");
        assert!(matches!(entry.actor, model::Actor::User(_)), "{method} {path}");
        assert!(entry.client.is_some(), "{method} {path}");
        let text = format!("{:?}", entry.details);
        assert!(!text.contains("password") && !text.contains("sk-"), "a secret is in the log: {text}");
    }
}
