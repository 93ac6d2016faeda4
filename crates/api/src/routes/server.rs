//! The server itself: whether it lives, whether it can work, its figures, and what can be exported.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use model::{Fault, FaultKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, SourceState};
use crate::problem::{Answer, Problem};
use crate::wire;

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the process lives
///
/// Answers as long as it does, whatever else is broken.
#[utoipa::path(get, path = "/health", tag = "server", responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the process can do its work.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    /// `ok`, or `degraded` while the source is away.
    status: ReadyStatus,
    /// How the source was when it was last asked.
    source: ReadySource,
    /// Why the source cannot be read, while it is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// How much of its work a process can do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReadyStatus {
    /// All of it.
    Ok,
    /// What needs no rows.
    Degraded,
}

/// How the source is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReadySource {
    /// It answers.
    Ok,
    /// It cannot be read.
    Away,
    /// It has not answered yet since the process began.
    Unknown,
}

impl From<SourceState> for Ready {
    fn from(state: SourceState) -> Self {
        match state {
            SourceState::Ok => Self { status: ReadyStatus::Ok, source: ReadySource::Ok, detail: None },
            SourceState::Unknown => Self { status: ReadyStatus::Ok, source: ReadySource::Unknown, detail: None },
            SourceState::Away(why) => {
                Self { status: ReadyStatus::Degraded, source: ReadySource::Away, detail: Some(why) }
            }
        }
    }
}

/// Whether requests can be answered
///
/// 503 while the metadata store cannot be reached, or the process is about to end. A source that is away is told,
/// and no reason to send requests elsewhere: no other process reaches it either, exports are still queued, listed,
/// cancelled and downloaded, and those under way wait for it.
#[utoipa::path(get, path = "/ready", tag = "server", responses((status = 200, body = Ready)))]
pub(crate) async fn readiness(State(app): State<App>) -> Answer<Json<Ready>> {
    if app.ports.closing.reason().is_some() {
        return Err(Problem::from(Fault::new(FaultKind::Unavailable, "the process is about to end")));
    }
    // Whatever it is that keeps us from working: for whoever sends requests here we are away.
    let ready = app.ports.readiness.ready().await;
    let source = ready.map_err(|fault| Fault::new(FaultKind::Unavailable, fault.public_message()))?;
    Ok(Json(source.into()))
}

/// Figures for Prometheus
///
/// In its text format. Needs the bearer token that the server is configured with, where it has one.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Answer<impl IntoResponse> {
    let render = app.ports.metrics.as_ref().ok_or_else(|| Problem::not_found("metrics are switched off"))?;
    if let Some(token) = &app.settings.metrics_token {
        let shown = headers.get(header::AUTHORIZATION).and_then(|shown| shown.to_str().ok());
        let shown = shown.and_then(|shown| shown.strip_prefix("Bearer ")).unwrap_or_default();
        if !crate::signing::same(shown, token.reveal()) {
            return Err(Problem::unauthenticated("the metrics need their token").hint("see metrics.token"));
        }
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()))
}

/// What can be exported and how
///
/// Tables with their columns and filters, and formats: what forms are made of.
#[utoipa::path(get, path = "/api/v1/catalog", tag = "server", responses((status = 200, body = wire::Catalog)))]
pub(crate) async fn catalog(State(app): State<App>) -> Json<wire::Catalog> {
    let settings = &app.settings;
    Json(wire::Catalog::new(settings.version, &settings.catalog, app.ports.ingest.is_some()))
}
