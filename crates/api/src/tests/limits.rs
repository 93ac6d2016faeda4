//! What callers cannot make the server do: bodies, rates, reads without an end.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, header};
use futures_util::{StreamExt, stream};
use model::Role;
use serde_json::json;
use tower::ServiceExt;

use super::{As, Service, request};

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let long = json!({"table": "events", "search": "x".repeat(70_000)});
    let answer = service.post(&key, "/api/v1/projects/p1/exports", long).await;
    assert_eq!(answer.problem(413), "too_large");
    assert!(service.world.state().asked.is_empty());
}

#[tokio::test]
async fn imports_have_a_limit_of_their_own() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let send = |bytes: usize| {
        let mut call = request(&key, Method::POST, "/api/v1/projects/p1/import?table=scores", None);
        *call.body_mut() = Body::from(vec![b'\n'; bytes]);
        service.send(call)
    };
    let taken = send(200 * 1024).await.ok().json();
    assert_eq!(taken["stored"], json!([{"table": "scores", "rows": 200 * 1024}]));
    service.world.state().ingested.clear();
    assert_eq!(send(300 * 1024).await.problem(413), "too_large");
    assert!(service.world.state().ingested.is_empty(), "nothing of a body that is too large is stored");
    let mut bad = request(&key, Method::POST, "/api/v1/projects/p1/import", None);
    *bad.body_mut() = Body::from("bad\n");
    assert_eq!(service.send(bad).await.problem(400), "bad_request");
}

#[tokio::test]
async fn an_import_whose_caller_falls_silent_gives_its_place_back() {
    let service = Service::new();
    let key = service.key(Role::Member);
    let mut call = request(&key, Method::POST, "/api/v1/projects/p1/import", None);
    let begun = stream::once(async { Ok::<_, std::io::Error>("{}\n") });
    *call.body_mut() = Body::from_stream(begun.chain(stream::pending()));
    let answer = service.send(call).await;
    assert_eq!(answer.problem(400), "bad_request");
    assert!(answer.text().contains("no byte of the body came for 1s"), "{}", answer.text());
}

#[tokio::test]
async fn a_caller_who_calls_too_often_has_to_wait() {
    let service = Service::with(|settings| settings.requests_per_minute = 3);
    let (one, other) = (service.key(Role::Viewer), service.key(Role::Viewer));
    for _ in 0..3 {
        service.get(&one, "/api/v1/catalog").await.ok();
    }
    let refused = service.get(&one, "/api/v1/catalog").await;
    assert_eq!(refused.problem(429), "throttled");
    assert_eq!(refused.header(header::RETRY_AFTER), "20");
    service.get(&other, "/api/v1/catalog").await.ok();
    // Guesses count for the address they come from.
    for _ in 0..3 {
        service.get(&As::Bearer("sk-none".to_owned()), "/api/v1/catalog").await.problem(401);
    }
    service.get(&As::Bearer("sk-none".to_owned()), "/api/v1/catalog").await.problem(429);
}

#[tokio::test]
async fn a_source_that_never_answers_is_given_up() {
    let service = Service::with(|settings| settings.browse.time = Duration::from_millis(20));
    let key = service.key(Role::Viewer);
    service.world.state().browse_hangs = true;
    let answer = service.get(&key, "/api/v1/projects/p1/tables/events/rows").await;
    assert_eq!(answer.problem(504), "timeout");
    assert_eq!(service.world.state().browse_dropped, 1);
}

#[tokio::test]
async fn a_read_ends_when_the_caller_leaves() {
    let service = Service::new();
    let key = service.key(Role::Viewer);
    service.world.state().browse_hangs = true;
    let call =
        service.router.clone().oneshot(request(&key, Method::GET, "/api/v1/projects/p1/tables/events/rows", None));
    let left = tokio::time::timeout(Duration::from_millis(100), call).await;
    assert!(left.is_err());
    assert_eq!(service.world.state().browse_dropped, 1);
}

#[tokio::test]
async fn what_goes_wrong_inside_is_told_without_its_insides() {
    let service = Service::new();
    let key = service.key(Role::Viewer);
    let fault = model::Fault::new(model::FaultKind::Unavailable, "the source cannot be reached")
        .because("connection refused: postgres://outgest:secret@db");
    service.world.state().browse_fails = Some(fault);
    let answer = service.get(&key, "/api/v1/projects/p1/tables/events/rows").await;
    assert_eq!(answer.problem(503), "unavailable");
    assert!(!answer.text().contains("secret"));
}

#[tokio::test]
async fn health_readiness_and_metrics_answer_those_who_watch() {
    let service = Service::new();
    assert_eq!(service.get(&As::Nobody, "/health").await.ok().json(), json!({"status": "ok"}));
    assert_eq!(service.get(&As::Nobody, "/ready").await.ok().json(), json!({"status": "ok", "source": "ok"}));
    service.world.state().source_away = Some("ch:8123 does not answer".to_owned());
    assert_eq!(
        service.get(&As::Nobody, "/ready").await.ok().json(),
        json!({"status": "degraded", "source": "away", "detail": "ch:8123 does not answer"})
    );
    service.world.state().not_ready = true;
    assert_eq!(service.get(&As::Nobody, "/ready").await.problem(503), "unavailable");
    service.get(&As::Nobody, "/health").await.ok();
    assert_eq!(service.get(&As::Nobody, "/metrics").await.problem(401), "unauthenticated");
    service.get(&As::Bearer("scrap".to_owned()), "/metrics").await.problem(401);
    let figures = service.get(&As::Bearer("scrape".to_owned()), "/metrics").await.ok();
    assert_eq!(figures.text(), "outgest_up 1\n");
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_nobody_elses() {
    let service = Service::new();
    for path in ["/health", "/api/v1/none", "/", "/api/v1/projects"] {
        let answer = service.get(&As::Nobody, path).await;
        assert!(answer.header("x-request-id").len() >= 32, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert!(!answer.header(header::CACHE_CONTROL).is_empty(), "{path}");
    }
    let mut call = request(&As::Nobody, Method::GET, "/health", None);
    call.headers_mut().insert("x-request-id", "mine".parse().unwrap());
    assert_eq!(service.send(call).await.header("x-request-id"), "mine");
    assert_eq!(service.get(&As::Nobody, "/api/v1/none").await.problem(404), "not_found");
    for path in ["/health", "/api/v1/projects/p1/exports", "/api/v1/docs"] {
        let wrong = service.call(&As::Nobody, Method::PUT, path, None).await;
        assert_eq!(wrong.problem(405), "method_not_allowed", "{path}");
        assert!(wrong.header("allow").contains("GET"), "{path}");
    }
}
