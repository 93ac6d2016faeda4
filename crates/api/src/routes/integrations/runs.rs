//! What became of windows, and exporting now.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{IntegrationId, JobId};
use serde::Deserialize;
use serde_json::json;

use super::{IntegrationPath, ports};
use crate::access::InProject;
use crate::app::App;
use crate::input::{self, page_request};
use crate::problem::Answer;
use crate::wire;

/// A run in a path.
#[derive(Deserialize)]
pub(crate) struct RunPath {
    integration: IntegrationId,
    run: JobId,
}

/// List runs
///
/// Latest window first, newest revision first; those of an integration that was deleted too.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/integrations/{integration}/runs",
    operation_id = "list_integration_runs",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration"),
        wire::RunsQuery
    ),
    responses((status = 200, body = wire::RunPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
    input::QueryString(query): input::QueryString<wire::RunsQuery>,
) -> Answer<Json<wire::RunPage>> {
    let wanted = query.query()?;
    let page = page_request(query.limit, query.cursor)?;
    Ok(Json(ports(&app)?.store.window_runs(&access.project, &path.integration, &wanted, &page).await?.into()))
}

/// Get a run
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/integrations/{integration}/runs/{run}",
    operation_id = "get_integration_run",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration"),
        ("run" = String, Path, description = "Id of the run")
    ),
    responses((status = 200, body = wire::WindowRun))
)]
pub(crate) async fn get(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<RunPath>,
) -> Answer<Json<wire::WindowRun>> {
    Ok(Json(ports(&app)?.store.window_run(&access.project, &path.integration, &path.run).await?.into()))
}

/// Export now
///
/// Plans everything up to now less the lag, the window that has not ended yet included; the next scheduled
/// window begins where it ends. Answers the runs, the latest last, or the one that is under way already; none
/// where everything is planned, or where the first row is still looked for.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/{integration}/run",
    operation_id = "run_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    responses((status = 202, body = Vec<wire::WindowRun>))
)]
pub(crate) async fn run(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
) -> Answer<(StatusCode, Json<Vec<wire::WindowRun>>)> {
    let runs = ports(&app)?.store.run_integration(&access.project, &path.integration, app.now()).await?;
    access.note(&app, "integration.run", path.integration.as_str(), json!({"windows": runs.len()})).await?;
    Ok((StatusCode::ACCEPTED, Json(runs.into_iter().map(Into::into).collect())))
}

/// See what is exported
///
/// Stretches of time whose windows stand alike, from the first window to the last, gaps included.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/integrations/{integration}/coverage",
    operation_id = "integration_coverage",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    responses((status = 200, body = Vec<wire::Coverage>))
)]
pub(crate) async fn coverage(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
) -> Answer<Json<Vec<wire::Coverage>>> {
    let stretches = ports(&app)?.store.coverage(&access.project, &path.integration).await?;
    Ok(Json(stretches.into_iter().map(Into::into).collect()))
}
