//! Looking before anything is stored or exported: kinds, the next windows.

use axum::Json;
use axum::extract::State;

use super::{IntegrationPath, ports};
use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::problem::Answer;
use crate::wire;

/// Windows that a preview shows.
const WINDOWS: usize = 5;

/// List kinds of destinations
///
/// Each with the JSON schema of its options: what forms are made of.
#[utoipa::path(
    get,
    path = "/api/v1/integration-kinds",
    operation_id = "list_integration_kinds",
    tag = "integrations",
    responses((status = 200, body = Vec<wire::IntegrationKind>))
)]
pub(crate) async fn kinds(State(app): State<App>) -> Answer<Json<Vec<wire::IntegrationKind>>> {
    Ok(Json(ports(&app)?.desk.kinds().iter().map(Into::into).collect()))
}

/// Preview the windows of a new integration
///
/// The next five, with the keys of their files.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/preview",
    operation_id = "preview_new_integration",
    tag = "integrations",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::IntegrationRequest,
    responses((status = 200, body = Vec<wire::NextWindow>))
)]
pub(crate) async fn preview_new(
    State(app): State<App>,
    access: InProject,
    input::Json(request): input::Json<wire::IntegrationRequest>,
) -> Answer<Json<Vec<wire::NextWindow>>> {
    let desk = &ports(&app)?.desk;
    let checked = desk.check(&access.project, &request.ask()?, None, app.now()).await?;
    let windows = desk.next_windows(&access.project, &checked.settings, None, app.now(), WINDOWS)?;
    Ok(Json(windows.into_iter().map(Into::into).collect()))
}

/// Preview the windows of an integration
///
/// The next five, with the keys of their files.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/integrations/{integration}/windows",
    operation_id = "preview_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    responses((status = 200, body = Vec<wire::NextWindow>))
)]
pub(crate) async fn preview(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
) -> Answer<Json<Vec<wire::NextWindow>>> {
    let integrations = ports(&app)?;
    let existing = integrations.store.integration(&access.project, &path.integration).await?;
    let settings = &existing.settings;
    let windows = integrations.desk.next_windows(&access.project, settings, Some(&existing), app.now(), WINDOWS)?;
    Ok(Json(windows.into_iter().map(Into::into).collect()))
}
