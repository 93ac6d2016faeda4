//! Integrations: exports that happen by themselves, from the first window on.

pub(crate) mod backfills;
pub(crate) mod letters;
pub(crate) mod look;
pub(crate) mod runs;
pub(crate) mod test;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{ChangedIntegration, IntegrationId, NewIntegration};
use serde::Deserialize;
use serde_json::json;

use crate::access::InProject;
use crate::app::{App, Integrations};
use crate::input::{self, PageQuery};
use crate::problem::{Answer, Problem};
use crate::signing::path_header;
use crate::wire;

/// An integration in a path.
#[derive(Deserialize)]
pub(crate) struct IntegrationPath {
    pub(crate) integration: IntegrationId,
}

/// The ports of integrations, where this server has them.
pub(crate) fn ports(app: &App) -> Answer<&Integrations> {
    let missing = || Problem::not_found("this server has no integrations");
    app.ports.integrations.as_ref().ok_or_else(missing)
}

/// List integrations
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/integrations",
    operation_id = "list_integrations",
    tag = "integrations",
    params(("project" = String, Path, description = "Id of the project"), PageQuery),
    responses((status = 200, body = wire::IntegrationPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    access: InProject,
    input::QueryString(page): input::QueryString<PageQuery>,
) -> Answer<Json<wire::IntegrationPage>> {
    Ok(Json(ports(&app)?.store.integrations(&access.project, &page.request()?).await?.into()))
}

/// Get an integration
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/integrations/{integration}",
    operation_id = "get_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    responses((status = 200, body = wire::Integration))
)]
pub(crate) async fn get(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
) -> Answer<Json<wire::Integration>> {
    Ok(Json(ports(&app)?.store.integration(&access.project, &path.integration).await?.into()))
}

/// Create an integration
///
/// It is checked as a run would check it, but nothing is sent: test it before or after. Two integrations whose
/// files would have the same keys are a conflict.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations",
    operation_id = "create_integration",
    tag = "integrations",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::IntegrationRequest,
    responses((status = 201, body = wire::Integration, headers(("Location" = String))))
)]
pub(crate) async fn create(
    State(app): State<App>,
    access: InProject,
    input::Json(request): input::Json<wire::IntegrationRequest>,
) -> Answer<Response> {
    let integrations = ports(&app)?;
    let paused = request.paused;
    let checked = integrations.desk.check(&access.project, &request.ask()?, None, app.now()).await?;
    let new = NewIntegration { project: access.project.clone(), checked, by: access.caller.actor(), paused };
    let created = integrations.store.create_integration(new, app.now()).await?;
    let details = json!({"name": created.name, "kind": created.settings.kind});
    access.note(&app, "integration.create", created.id.as_str(), details).await?;
    let place = format!("/api/v1/projects/{}/integrations/{}", access.project, created.id);
    let headers = [(header::LOCATION, path_header(&place))];
    Ok((StatusCode::CREATED, headers, Json(wire::Integration::from(created))).into_response())
}

/// Change an integration
///
/// What is not given stays. Windows that were planned stay as they were planned; the next one follows them,
/// whatever the new schedule. The kind cannot be changed.
#[utoipa::path(
    patch,
    path = "/api/v1/projects/{project}/integrations/{integration}",
    operation_id = "change_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    request_body = wire::IntegrationChange,
    responses((status = 200, body = wire::Integration))
)]
pub(crate) async fn change(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
    input::Json(request): input::Json<wire::IntegrationChange>,
) -> Answer<Json<wire::Integration>> {
    let Integrations { store, desk } = ports(&app)?;
    let existing = store.integration(&access.project, &path.integration).await?;
    let version = request.version;
    let checked = desk.check(&access.project, &request.ask()?, Some(&existing), app.now()).await?;
    let secrets: Vec<String> = checked.secrets.keys().cloned().collect();
    let change = ChangedIntegration { version, checked };
    let changed = store.change_integration(&access.project, &path.integration, change).await?;
    let details = json!({"version": changed.version, "secrets": secrets});
    access.note(&app, "integration.change", path.integration.as_str(), details).await?;
    Ok(Json(changed.into()))
}

/// Delete an integration
///
/// With its secrets and dead letters; what it has under way is cancelled. Its files and the history of its runs stay.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/integrations/{integration}",
    operation_id = "delete_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    responses((status = 204))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
) -> Answer<StatusCode> {
    ports(&app)?.store.delete_integration(&access.project, &path.integration).await?;
    access.note(&app, "integration.delete", path.integration.as_str(), json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pause an integration
///
/// No more windows are planned until it is resumed; those under way are carried out.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/{integration}/pause",
    operation_id = "pause_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    responses((status = 200, body = wire::Integration))
)]
pub(crate) async fn pause(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
) -> Answer<Json<wire::Integration>> {
    let by = access.caller.actor();
    let paused = ports(&app)?.store.pause_integration(&access.project, &path.integration, &by).await?;
    access.note(&app, "integration.pause", path.integration.as_str(), json!({})).await?;
    Ok(Json(paused.into()))
}

/// Resume an integration
///
/// Everything that ended meanwhile is exported, and runs that failed are tried again.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/{integration}/resume",
    operation_id = "resume_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    responses((status = 200, body = wire::Integration))
)]
pub(crate) async fn resume(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
) -> Answer<Json<wire::Integration>> {
    let resumed = ports(&app)?.store.resume_integration(&access.project, &path.integration).await?;
    access.note(&app, "integration.resume", path.integration.as_str(), json!({})).await?;
    Ok(Json(resumed.into()))
}
