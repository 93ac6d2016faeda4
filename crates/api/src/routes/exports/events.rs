//! Progress as it happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderName;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::StreamExt;
use model::Fault;

use super::ExportPath;
use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::wire;

/// Something is sent at least this often, so that proxies do not close a quiet connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Watch an export
///
/// Server-sent events: `export` carries the export as getting it would, first as it is, then after every change,
/// at most a few times a second. The stream ends after a final state. Where it ends before, because the process
/// ends or for what `problem` says, connect again.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/exports/{export}/events",
    operation_id = "watch_export",
    tag = "exports",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("export" = String, Path, description = "Id of the export")
    ),
    responses((status = 200, body = String, content_type = "text/event-stream"))
)]
pub(crate) async fn events(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<ExportPath>,
) -> Answer<impl IntoResponse> {
    // One that does not exist is a plain answer, not a stream that fails.
    app.ports.exports.export(&access.project, &path.export).await?;
    let seen = app.ports.exports.watch_export(&access.project, &path.export);
    let events = seen.map(|seen| Ok::<_, Infallible>(event(seen))).take_until(app.ports.closing.raised());
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Nginx would collect events before it passes them on.
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], stream))
}

fn event(seen: Result<model::Export, Fault>) -> Event {
    let (name, written) = match seen {
        Ok(export) => ("export", serde_json::to_string(&wire::Export::from(export))),
        Err(fault) => ("problem", serde_json::to_string(&Problem::from(fault).body())),
    };
    Event::default().event(name).data(written.unwrap_or_else(|_| "null".to_owned()))
}
