//! Rows that receivers refused.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::{IntegrationPath, ports};
use crate::access::InProject;
use crate::app::App;
use crate::input::{self, PageQuery};
use crate::problem::Answer;
use crate::wire;

/// List dead letters
///
/// Rows that the receiver refused, each with its reason, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/integrations/{integration}/dead-letters",
    operation_id = "list_dead_letters",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration"),
        PageQuery
    ),
    responses((status = 200, body = wire::DeadLetterPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
    input::QueryString(page): input::QueryString<PageQuery>,
) -> Answer<Json<wire::DeadLetterPage>> {
    Ok(Json(ports(&app)?.store.dead_letters(&access.project, &path.integration, &page.request()?).await?.into()))
}

/// Replay dead letters
///
/// Their rows are sent once more, each window of them as a run of its own; the letters are forgotten, and what
/// is refused again is a new one.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/{integration}/dead-letters/replay",
    operation_id = "replay_dead_letters",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    responses((status = 202, body = Vec<wire::WindowRun>))
)]
pub(crate) async fn replay(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
) -> Answer<(StatusCode, Json<Vec<wire::WindowRun>>)> {
    let runs = ports(&app)?.store.replay_dead_letters(&access.project, &path.integration, app.now()).await?;
    access.note(&app, "integration.replay", path.integration.as_str(), json!({"runs": runs.len()})).await?;
    Ok((StatusCode::ACCEPTED, Json(runs.into_iter().map(Into::into).collect())))
}
