//! The routes as callers see them: requests into the whole service over ports in memory.

mod auth;
mod document;
mod doubles;
mod exports;
mod integration_doubles;
mod integrations;
mod limits;
mod pages;
mod people;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{ByteCount, FileNamePattern, Micros, Quotas, Role, Secret};
use serde_json::Value;
use tower::ServiceExt;

use crate::access::{CSRF_HEADER, SESSION_COOKIE};
use crate::{Catalog, Settings};
use doubles::World;

/// The service and the world behind it.
struct Service {
    router: Router,
    world: Arc<World>,
}

/// Who calls.
#[derive(Clone, Debug)]
enum As {
    Nobody,
    /// With the secret half of a key.
    Bearer(String),
    /// With both halves of a key.
    Basic(String, String),
    /// A session with its CSRF token.
    Session(String),
    /// A session without.
    Cookie(String),
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks status and shape, and returns the code of the problem.
    #[track_caller]
    fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:outgest:problem:{}", body["code"].as_str().unwrap()));
        body["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        self
    }
}

impl Service {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let world = Arc::new(World::default());
        let mut settings = Settings {
            public_url: "http://outgest.test".to_owned(),
            version: "1.2.3",
            catalog: Catalog {
                tables: vec![Arc::new(doubles::table())],
                formats: vec![doubles::format()],
                source: "memory".to_owned(),
                comments: true,
            },
            body_bytes_max: ByteCount(64 * 1024),
            import_bytes_max: ByteCount(256 * 1024),
            import_silence_max: Duration::from_secs(1),
            requests_per_minute: 10_000,
            metrics_token: Some(Secret::new("scrape")),
            browse: model::BrowseBounds { time: Duration::from_millis(500), bytes: ByteCount(1_000) },
            link_key: Secret::new("a key for links"),
            quotas: Quotas { exports_queued_max: Some(3), ..Quotas::default() },
            file_names: FileNamePattern::default(),
            keep: Duration::from_secs(86_400),
        };
        change(&mut settings);
        let router = crate::router(world.ports(), settings);
        Self { router, world }
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answered { status: parts.status, headers: parts.headers, body }
    }

    async fn call(&self, who: &As, method: Method, path: &str, body: Option<Value>) -> Answered {
        self.send(request(who, method, path, body)).await
    }

    async fn get(&self, who: &As, path: &str) -> Answered {
        self.call(who, Method::GET, path, None).await
    }

    async fn post(&self, who: &As, path: &str, body: Value) -> Answered {
        self.call(who, Method::POST, path, Some(body)).await
    }

    /// A key of project `p1`.
    fn key(&self, role: Role) -> As {
        As::Bearer(self.world.key("p1", role).1)
    }

    /// A signed-in member of project `p1`.
    fn person(&self, role: Role) -> As {
        As::Session(self.world.session(Some(("p1", role)), false))
    }

    fn admin(&self) -> As {
        As::Session(self.world.session(None, true))
    }
}

fn request(who: &As, method: Method, path: &str, body: Option<Value>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    match who {
        As::Nobody => {}
        As::Bearer(secret) => request = request.header(header::AUTHORIZATION, format!("Bearer {secret}")),
        As::Basic(public, secret) => {
            let pair = STANDARD.encode(format!("{public}:{secret}"));
            request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
        }
        As::Session(token) | As::Cookie(token) => {
            request = request.header(header::COOKIE, format!("{SESSION_COOKIE}={token}"));
            if matches!(who, As::Session(_)) {
                request = request.header(CSRF_HEADER, model::csrf_token(&Secret::new(token.as_str())));
            }
        }
    }
    match body {
        Some(body) => {
            let request = request.header(header::CONTENT_TYPE, "application/json");
            request.body(Body::from(body.to_string())).unwrap()
        }
        None => request.body(Body::empty()).unwrap(),
    }
}

/// The time of every test.
const NOW: Micros = Micros(1_785_585_600_000_000);
